//! Deletion by law: what is kept of whom until when, legal holds, certificates.
//!
//! Movement history is kept for the term of the order's law profile after the order's end, everything else about a person for the
//! installation's own after their last order. Each stretch in which an order was in force is judged by itself; what another stretch
//! still covers stays. `docs/retention.md` says what is deleted when, and what stays.

mod certificate;
mod hold;
mod job;
mod plan;
mod record;

pub use certificate::{Certificate, Gone, read as certificate, recent as certificates};
pub use hold::{Hold, holds, lift, set as hold};
pub use job::{Progress, Ran, alone, run, watch};
pub use plan::{Due, Plan, plan};
pub use record::{STAYS, goes};

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::{Error, law};

/// How long things are kept after the end where no law says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Movement history, after the end of the order, in months. A law profile's own term takes its place.
    pub movement_months: u32,
    /// Events, incidents, notes, rules, commands, who read positions: after the end of the person's last order.
    pub record_months: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            movement_months: 12,
            record_months: 60,
        }
    }
}

/// How long movement history is kept, and who says so.
#[derive(Debug, Clone)]
pub struct Kept {
    /// After the end.
    pub after_end: Span,
    /// The law, or `the installation's setting`.
    pub source: String,
}

impl Terms {
    /// How long movement history of an order of a law profile is kept.
    pub fn movement(&self, profile: &str) -> Result<Kept, Error> {
        let by_law = law::require(profile)?.retention();
        Ok(by_law.map_or_else(
            || Kept {
                after_end: Span::new().months(i64::from(self.movement_months)),
                source: "the installation's setting".to_owned(),
            },
            |kept| Kept {
                after_end: kept.after_end,
                source: kept.source,
            },
        ))
    }

    fn record(self) -> Span {
        Span::new().months(i64::from(self.record_months))
    }
}

/// A time so much later, by the calendar.
fn later(at: Timestamp, by: &Span) -> Timestamp {
    let zoned = at.to_zoned(TimeZone::UTC).checked_add(*by);
    zoned.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}
