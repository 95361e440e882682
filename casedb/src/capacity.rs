//! How long what the installation has will do, in days: ids, disk, days made ahead, the stream, the write-ahead log.
//!
//! [`sample`] keeps now and then what grows; [`measure`] reads it with what is there now, and [`report`], which is pure, makes days of it.

mod measure;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

pub use measure::{Surroundings, measure, sample};

/// Fewer days than this are worth a warning.
pub const WARN_DAYS: f64 = 60.0;
/// Fewer days than this are short.
pub const SHORT_DAYS: f64 = 14.0;
/// Days of history made ahead: fewer than these. They are made seven days ahead, every hour.
pub const WARN_AHEAD_DAYS: f64 = 5.0;
/// See [`WARN_AHEAD_DAYS`].
pub const SHORT_AHEAD_DAYS: f64 = 2.0;
/// A rate needs samples this far apart, in days: below, it would be noise.
pub const SHORTEST_BASE_DAYS: f64 = 0.04;

/// A value now and before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Now.
    pub now: f64,
    /// An older value and how many days ago it was; the oldest of the last seven days.
    pub before: Option<(f64, f64)>,
}

impl Growth {
    /// How much a day it grew. `None`: nothing is known yet. What shrank did not grow.
    pub fn per_day(&self) -> Option<f64> {
        let (value, days) = self.before?;
        (days >= SHORTEST_BASE_DAYS).then(|| ((self.now - value) / days).max(0.0))
    }

    /// In how many days it reaches a limit. `None`: no rate is known; infinite: it does not grow.
    pub fn days_to(&self, limit: f64) -> Option<f64> {
        let left = (limit - self.now).max(0.0);
        let rate = self.per_day()?;
        Some(if rate > 0.0 {
            left / rate
        } else if left > 0.0 {
            f64::INFINITY
        } else {
            0.0
        })
    }
}

/// A sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequence {
    /// Schema and name.
    pub name: String,
    /// Its last value.
    pub value: Growth,
    /// Where it ends.
    pub limit: f64,
}

/// What was read of an installation.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// Every sequence.
    pub sequences: Vec<Sequence>,
    /// Size of the database in bytes.
    pub database: Growth,
    /// Bytes free where the database's files are; `None`: not known here.
    pub free: Option<f64>,
    /// Bytes of movement history, with its indexes.
    pub history: Growth,
    /// From the oldest to the newest day of history that is there.
    pub history_days: Option<f64>,
    /// Until when days of history are made; `None`: they are made as they come.
    pub made_until: Option<Timestamp>,
    /// Rows of days that have no partition of their own.
    pub outside_days: i64,
    /// Bytes of the stream in the database; `None`: it is elsewhere.
    pub stream: Option<Growth>,
    /// Age of the stream's oldest record in hours, and after how many it may go.
    pub stream_hours: Option<(f64, f64)>,
    /// Bytes of write-ahead log made so far.
    pub wal: Growth,
    /// Bytes of it that a replication slot holds back, the worst of them.
    pub wal_held: f64,
    /// Transactions since the oldest that is not frozen.
    pub transaction_age: f64,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Enough, or nothing is known that says otherwise.
    Enough,
    /// Nothing is known of it at all.
    Unknown,
    /// Look after it.
    Warn,
    /// It is short.
    Short,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enough => "enough",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Short => "short",
        })
    }
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What, as `sequence public.incident_number_seq`, `disk`, `history days ahead`.
    pub what: String,
    /// Days that are left; null where no rate is known, or where it does not grow.
    pub days_left: Option<f64>,
    /// How it stands.
    pub standing: Standing,
    /// Value now.
    pub now: f64,
    /// Growth a day; null: not known yet.
    pub per_day: Option<f64>,
    /// Where it ends; null: nowhere, or not known.
    pub limit: Option<f64>,
    /// In words.
    pub note: String,
}

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// When it was read.
    pub at: Timestamp,
    /// The worst of all lines.
    pub standing: Standing,
    /// The shortest first.
    pub lines: Vec<Line>,
}

/// Bytes that a PostgreSQL transaction id has room for before the server refuses writes, three million before 2³¹.
const TRANSACTIONS: f64 = 2_147_483_648.0 - 3_000_000.0;
/// The server freezes by itself from here on; an age far beyond says that it cannot.
const FREEZE_AGE: f64 = 200_000_000.0;

/// Makes the report.
pub fn report(reading: &Reading) -> Report {
    let mut lines: Vec<Line> = reading.sequences.iter().map(of_sequence).collect();
    lines.push(of_disk(reading));
    lines.push(of_history(reading));
    lines.push(of_days_ahead(reading));
    lines.extend(of_stream(reading));
    lines.push(of_wal(reading));
    lines.push(of_transactions(reading));
    lines.sort_by(|one, other| {
        let days = |line: &Line| line.days_left.unwrap_or(f64::INFINITY);
        (other.standing, days(one), &one.what)
            .partial_cmp(&(one.standing, days(other), &other.what))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    Report {
        at: reading.at,
        standing: lines.iter().map(|line| line.standing).max().unwrap_or(Standing::Enough),
        lines,
    }
}

fn standing(days: Option<f64>, warn: f64, short: f64) -> Standing {
    match days {
        Some(days) if days < short => Standing::Short,
        Some(days) if days < warn => Standing::Warn,
        _ => Standing::Enough,
    }
}

/// JSON has no infinity.
fn finite(days: Option<f64>) -> Option<f64> {
    days.filter(|days| days.is_finite())
}

fn of_sequence(sequence: &Sequence) -> Line {
    let days = sequence.value.days_to(sequence.limit);
    // Where no rate is known the share that is left speaks; the last millionth is little whatever the rate.
    let left = 1.0 - sequence.value.now / sequence.limit.max(1.0);
    let by_share = match (left, sequence.value.per_day()) {
        (left, _) if left < 1e-6 => Standing::Short,
        (left, None) if left < 0.01 => Standing::Short,
        (left, None) if left < 0.10 => Standing::Warn,
        _ => Standing::Enough,
    };
    Line {
        what: format!("sequence {}", sequence.name),
        days_left: finite(days),
        standing: standing(days, WARN_DAYS, SHORT_DAYS).max(by_share),
        now: sequence.value.now,
        per_day: sequence.value.per_day(),
        limit: Some(sequence.limit),
        note: if by_share == Standing::Enough {
            String::new()
        } else {
            format!("{:.4} % of its numbers are left", left.max(0.0) * 100.0)
        },
    }
}

fn of_disk(reading: &Reading) -> Line {
    let limit = reading.free.map(|free| reading.database.now + free);
    let days = limit.and_then(|limit| reading.database.days_to(limit));
    // Little room is little room, whatever the rate; the write-ahead log alone may need some GiB.
    let tight = reading.free.map(|free| free / (reading.database.now + free).max(1.0));
    let by_share = match tight {
        Some(share) if share < 0.05 => Standing::Short,
        Some(share) if share < 0.15 => Standing::Warn,
        Some(_) => Standing::Enough,
        None => Standing::Unknown,
    };
    Line {
        what: "disk".to_owned(),
        days_left: finite(days),
        standing: standing(days, WARN_DAYS, SHORT_DAYS).max(by_share),
        now: reading.database.now,
        per_day: reading.database.per_day(),
        limit,
        note: reading.free.map_or_else(
            || {
                "free bytes are not known: the server is elsewhere, or does not tell this user its folder; where it is on this \
                machine set database.data_directory"
                    .to_owned()
            },
            |free| format!("{} free", bytes(free)),
        ),
    }
}

fn of_history(reading: &Reading) -> Line {
    Line {
        what: "movement history".to_owned(),
        days_left: None,
        standing: if reading.outside_days > 0 {
            Standing::Warn
        } else {
            Standing::Enough
        },
        now: reading.history.now,
        per_day: reading.history.per_day(),
        limit: None,
        note: match (reading.history_days, reading.outside_days) {
            (None, _) => "nothing stored".to_owned(),
            (Some(days), 0) => format!("{days:.0} days kept"),
            (Some(days), rows) => {
                format!("{days:.0} days kept; {rows} rows in position_default, which goes by row and not by day")
            }
        },
    }
}

fn of_days_ahead(reading: &Reading) -> Line {
    let days = reading
        .made_until
        .map(|until| until.duration_since(reading.at).as_secs_f64() / 86_400.0);
    Line {
        what: "history days ahead".to_owned(),
        days_left: days,
        standing: standing(days, WARN_AHEAD_DAYS, SHORT_AHEAD_DAYS),
        now: days.unwrap_or_default(),
        per_day: None,
        limit: None,
        note: if days.is_some() {
            "made by the history role every hour".to_owned()
        } else {
            "chunks are made as they are needed".to_owned()
        },
    }
}

fn of_stream(reading: &Reading) -> Option<Line> {
    let stream = reading.stream?;
    let (age, keeps) = reading.stream_hours.unwrap_or((0.0, 0.0));
    // Twice the time and more: nothing trims it.
    let late = keeps > 0.0 && age > keeps * 1.5 + 2.0;
    Some(Line {
        what: "stream".to_owned(),
        days_left: None,
        standing: if late { Standing::Warn } else { Standing::Enough },
        now: stream.now,
        per_day: stream.per_day(),
        limit: None,
        note: format!("oldest record {age:.0} h old, kept for {keeps:.0} h"),
    })
}

fn of_wal(reading: &Reading) -> Line {
    let by_slot = match reading.free {
        Some(free) if reading.wal_held > free * 0.5 => Standing::Short,
        Some(free) if reading.wal_held > free * 0.2 => Standing::Warn,
        _ => Standing::Enough,
    };
    Line {
        what: "write-ahead log".to_owned(),
        days_left: None,
        standing: by_slot,
        now: reading.wal_held,
        per_day: reading.wal.per_day(),
        limit: None,
        note: if reading.wal_held > 0.0 {
            format!("{} held back by a replication slot", bytes(reading.wal_held))
        } else {
            "nothing held back by replication slots".to_owned()
        },
    }
}

fn of_transactions(reading: &Reading) -> Line {
    let age = reading.transaction_age;
    Line {
        what: "transaction ids".to_owned(),
        days_left: None,
        standing: if age > TRANSACTIONS * 0.75 {
            Standing::Short
        } else if age > FREEZE_AGE * 2.5 {
            Standing::Warn
        } else {
            Standing::Enough
        },
        now: age,
        per_day: None,
        limit: Some(TRANSACTIONS),
        note: "age of the oldest unfrozen one; autovacuum keeps it below 200 million".to_owned(),
    }
}

/// Bytes for people.
pub fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1_024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1_024.0;
    }
    format!("{value:.1} TiB")
}

#[cfg(test)]
mod tests;
