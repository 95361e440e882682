//! When a zone's rule holds.

use jiff::{
    Timestamp,
    civil::{Date, Weekday},
};

/// When a zone's rule holds: (`weekly` or `additions`) and not `exceptions`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule {
    /// Every week, in the person's local time.
    pub weekly: Vec<WeeklyInterval>,
    /// Holds as well.
    pub additions: Vec<DatedInterval>,
    /// Does not hold (leave pass); wins over all.
    pub exceptions: Vec<DatedInterval>,
    /// Local days on which no weekly interval starts …
    pub holidays: Vec<Date>,
    /// … and these do instead.
    pub holiday: Vec<DailyInterval>,
}

/// Local time on a holiday; an end at or before the start is on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DailyInterval {
    /// Seconds after local midnight, `0..=86400`.
    pub start_s: u32,
    /// Seconds after local midnight, `0..=86400`.
    pub end_s: u32,
}

/// Local time of the person's zone; an end at or before the start is on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WeeklyInterval {
    /// The day on which it starts.
    pub weekday: Weekday,
    /// Seconds after local midnight, `0..=86400`.
    pub start_s: u32,
    /// Seconds after local midnight, `0..=86400`.
    pub end_s: u32,
}

/// From an instant to a later one; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatedInterval {
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
}
