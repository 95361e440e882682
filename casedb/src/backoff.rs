//! Pauses between attempts: doubling, with jitter so that many do not come back at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);

/// Counts attempts and gives the pause after each.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    /// The pause after another failure: 50 ms doubling up to 5 s, of which a random half may be missing.
    pub fn after_failure(&mut self) -> Duration {
        let full = FIRST
            .saturating_mul(2_u32.saturating_pow(self.attempts.min(16)))
            .min(LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        full.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Begins anew after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        let mut backoff = Backoff::default();
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.after_failure()).collect();
        assert!(
            pauses[0] <= FIRST && pauses[6] > FIRST && pauses.iter().all(|pause| *pause <= LONGEST),
            "{pauses:?}"
        );
    }
}
