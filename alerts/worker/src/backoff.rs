//! Pauses between tries.

use std::time::Duration;

use rand::{Rng, RngExt};

/// The pause after the `attempt`-th failure (from 1): doubles from `first` up to `most`, less a random half of it, so that
/// what failed together is not tried again together.
pub(crate) fn pause(first: Duration, most: Duration, attempt: i32, rng: &mut impl Rng) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0).min(30);
    let full = first.saturating_mul(1 << doublings).min(most);
    full.mul_f64(rng.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn pauses_double_up_to_the_most_and_are_repeatable() {
        let [first, most] = [2, 900].map(Duration::from_secs);
        let run = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (1..=100)
                .map(|attempt| pause(first, most, attempt, &mut rng))
                .collect::<Vec<_>>()
        };
        for (n, pause) in run(7).iter().enumerate() {
            let full = first.saturating_mul(1 << n.min(20)).min(most);
            assert!(*pause >= full / 2 && *pause <= full, "{n}: {pause:?}");
        }
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        assert_eq!(
            pause(Duration::ZERO, most, i32::MAX, &mut StdRng::seed_from_u64(1)),
            Duration::ZERO
        );
    }
}
