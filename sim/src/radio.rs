//! What a receiver makes of a true place: error, correlated in time, with an honest statement of accuracy.

use crate::{chance::Chance, town::Local};

/// Stated accuracy (68 % radius) under open sky, metres. Where a protocol has no field for it, the devices' profiles say it.
pub const OPEN_SKY_ACCURACY_M: f64 = 6.0;

/// The error of a receiver, metres east and north. Slow drift (a new target every 60 s, blended) plus noise of each fix;
/// together 68 % of errors lie within `accuracy_m`.
pub fn error(chance: Chance, person: u64, time_s: f64, accuracy_m: f64) -> Local {
    // 68 % of a circular normal lie within 1.515 standard deviations (Rayleigh).
    let sigma = accuracy_m / 1.515;
    let (slow, fast) = (sigma * 0.8, sigma * 0.6);
    let slot = (time_s / 60.0).floor();
    let share = time_s / 60.0 - slot;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "slots and milliseconds since start are small; the offset keeps them positive"
    )]
    let (slot_index, fix_index) = ((slot + 1e6) as u64, ((time_s + 1e7) * 1e3) as u64);
    let (a_east, a_north) = chance.normal_pair("drift", person, slot_index);
    let (b_east, b_north) = chance.normal_pair("drift", person, slot_index + 1);
    let (n_east, n_north) = chance.normal_pair("noise", person, fix_index);
    // Weights whose squares add to 1 keep the variance even between the slots.
    let (wa, wb) = ((1.0 - share).sqrt(), share.sqrt());
    Local {
        east: slow * (wa * a_east + wb * b_east) + fast * n_east,
        north: slow * (wa * a_north + wb * b_north) + fast * n_north,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thirds_of_errors_are_within_the_stated_accuracy() {
        let chance = Chance::new(3);
        let within = (0..4_000)
            .filter(|&n| {
                let error = error(chance, n, n as f64 * 17.0, 10.0);
                error.east.hypot(error.north) <= 10.0
            })
            .count();
        assert!((2_560..2_880).contains(&within), "{within} of 4000");
    }
}
