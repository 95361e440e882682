//! Figures out of many measured times.

use std::fmt;

/// Milliseconds that something took: many measurements.
#[derive(Debug, Clone, Default)]
pub struct Milliseconds {
    ascending: Vec<f64>,
}

impl Milliseconds {
    /// Of measurements in any order.
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self { ascending: values }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.ascending.len()
    }

    /// The value that a share of all does not exceed.
    pub fn at(&self, share: f64) -> f64 {
        percentile(&self.ascending, share)
    }
}

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} / {:.1} / {:.1} ms of {}",
            self.at(0.50),
            self.at(0.99),
            self.at(1.0),
            self.count()
        )
    }
}

/// The value of an ascending list that a share of it does not exceed.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index within the list"
)]
pub fn percentile(ascending: &[f64], share: f64) -> f64 {
    let index = ((ascending.len() as f64 * share).ceil() as usize).clamp(1, ascending.len().max(1)) - 1;
    ascending.get(index).copied().unwrap_or(f64::NAN)
}
