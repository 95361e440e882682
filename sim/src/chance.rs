//! Seeded chance: every draw is named by what it is for, so that adding a draw changes no other.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of draws under one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance {
    seed: u64,
}

impl Chance {
    /// Starts from a seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    fn generator(self, purpose: &str, a: u64, b: u64) -> ChaCha8Rng {
        let mut hasher = blake3::Hasher::new_derive_key("homeward 2026 simulation chance v1");
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&a.to_le_bytes());
        hasher.update(&b.to_le_bytes());
        hasher.update(purpose.as_bytes());
        ChaCha8Rng::from_seed(*hasher.finalize().as_bytes())
    }

    /// Uniform in `[0, 1)`, for purpose and two indices (person and tick, say).
    pub fn uniform(self, purpose: &str, a: u64, b: u64) -> f64 {
        self.generator(purpose, a, b).random::<f64>()
    }

    /// Uniform whole number below `bound`; 0 for a bound of 0.
    pub fn below(self, purpose: &str, a: u64, b: u64, bound: usize) -> usize {
        if bound == 0 {
            0
        } else {
            self.generator(purpose, a, b).random_range(0..bound)
        }
    }

    /// Two independent standard normal values (Box and Muller 1958).
    pub fn normal_pair(self, purpose: &str, a: u64, b: u64) -> (f64, f64) {
        let mut generator = self.generator(purpose, a, b);
        let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
        let angle = std::f64::consts::TAU * generator.random::<f64>();
        (radius * angle.cos(), radius * angle.sin())
    }

    /// Draws one after the other for one purpose: far cheaper than named draws, for what is made in one go and in order.
    pub fn sequence(self, purpose: &str, a: u64) -> Draws {
        Draws {
            generator: self.generator(purpose, a, 1),
            spare: None,
        }
    }

    /// 16 bytes, for ids and keys of invented things.
    pub fn bytes16(self, purpose: &str, a: u64) -> [u8; 16] {
        self.generator(purpose, a, 0).random()
    }
}

/// Draws one after the other; see [`Chance::sequence`].
#[derive(Debug, Clone)]
pub struct Draws {
    generator: ChaCha8Rng,
    spare: Option<f64>,
}

impl Draws {
    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        self.generator.random::<f64>()
    }

    /// Uniform between two values.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Between two positive values, each octave as likely as any other.
    pub fn log_between(&mut self, low: f64, high: f64) -> f64 {
        low * (high / low).powf(self.uniform())
    }

    /// True with a probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform whole number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            0
        } else {
            self.generator.random_range(0..bound)
        }
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        let angle = std::f64::consts::TAU * self.uniform();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_reproducible_and_independent_of_each_other() {
        let chance = Chance::new(7);
        assert_eq!(
            chance.uniform("home", 1, 2).to_bits(),
            chance.uniform("home", 1, 2).to_bits()
        );
        assert_ne!(
            chance.uniform("home", 1, 2).to_bits(),
            chance.uniform("home", 1, 3).to_bits()
        );
        assert_ne!(
            chance.uniform("home", 1, 2).to_bits(),
            chance.uniform("work", 1, 2).to_bits()
        );
        let mean = (0..2_000).map(|n| chance.normal_pair("noise", n, 0).0).sum::<f64>() / 2_000.0;
        assert!(mean.abs() < 0.1, "{mean}");
    }
}
