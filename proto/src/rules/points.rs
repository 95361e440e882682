//! How sure the engine must be before it decides: what an order may say, and within which limits.

use super::{RulesError, RulesFault};

/// Probabilities that an order sets; `None`: the engine's default. `docs/decision-model.md` says what each does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct OperatingPoints {
    /// Of being inside an exclusion zone, before an entry is told.
    pub exclusion_entry: Option<f64>,
    /// Of being outside an inclusion zone, before an exit is told.
    pub home_exit: Option<f64>,
    /// Of being inside, before an attendance counts as kept.
    pub attendance: Option<f64>,
}

/// What an order may choose from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointLimits {
    /// The least sure.
    pub least: f64,
    /// The surest.
    pub most: f64,
}

impl OperatingPoints {
    /// Limits of [`Self::exclusion_entry`].
    pub const EXCLUSION_ENTRY: PointLimits = PointLimits {
        least: 0.80,
        most: 0.99,
    };
    /// Limits of [`Self::home_exit`]: a false exit can send somebody to jail.
    pub const HOME_EXIT: PointLimits = PointLimits {
        least: 0.90,
        most: 0.999,
    };
    /// Limits of [`Self::attendance`].
    pub const ATTENDANCE: PointLimits = PointLimits {
        least: 0.50,
        most: 0.95,
    };

    /// Checks every value against its limits.
    pub fn validate(&self) -> Result<(), RulesError> {
        let all = [
            ("exclusion_entry", self.exclusion_entry, Self::EXCLUSION_ENTRY),
            ("home_exit", self.home_exit, Self::HOME_EXIT),
            ("attendance", self.attendance, Self::ATTENDANCE),
        ];
        for (name, value, limits) in all {
            if let Some(probability) = value
                && !(limits.least..=limits.most).contains(&probability)
            {
                return Err(RulesError::from(RulesFault::OperatingPoint {
                    probability,
                    least: limits.least,
                    most: limits.most,
                })
                .part(format!("operating point {name}")));
            }
        }
        Ok(())
    }
}
