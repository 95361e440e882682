//! The engine alone over files: rules in JSON, reports (and protected people's fixes) in CSV in the order of their arrival, events in JSON
//! lines.
//!
//! `docs/replay.md` describes the files for their users; `docs/rules.schema.json` describes the rules. The log's clock is
//! the column `received_at`, and nothing else: the same files give the same bytes, on any machine.

mod event;
mod report;
mod rules;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    io::{self, Read, Write},
};

use jiff::Timestamp;
use proto::{DeviceId, PersonId, ZoneId};

use self::report::Record;
use crate::{Counters, Engine, Input, Outcome};

pub use report::RowError;
pub use rules::RulesFileError;

/// Most bad rows that a summary names; more are only counted.
pub const MAX_NAMED_ROWS: usize = 100;

/// Most refused rules that a summary names; more are only counted.
pub const MAX_NAMED_RULES: usize = 100;

/// Why a replay stops.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The rules cannot be used.
    #[error("rules: {0}")]
    Rules(#[from] RulesFileError),
    /// The reports have no header, or it lacks a column.
    #[error("reports: {reason}")]
    Header {
        /// What is wrong.
        reason: String,
    },
    /// The reports cannot be read on.
    #[error("reports: {0}")]
    Read(csv::Error),
    /// The events cannot be written.
    #[error("events: {0}")]
    Write(#[from] io::Error),
}

/// What a replay did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Rows of reports, good and bad.
    pub rows: u64,
    /// Rows that could not be read, all of them.
    pub bad_rows: u64,
    /// The first of them, with line and reason.
    pub named_bad_rows: Vec<RowError>,
    /// Rules that could not be put in force, all of them: those before them stayed, or nobody was monitored.
    pub refused_rules: u64,
    /// The first of them, with place and reason.
    pub named_refused_rules: Vec<RulesFileError>,
    /// Rows of people who are not in the rules.
    pub unknown_people_rows: u64,
    /// How many such people.
    pub unknown_people: u64,
    /// Events written.
    pub events: u64,
    /// What became of the records.
    pub counters: Counters,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows, {} events", self.rows, self.events)?;
        let counters = &self.counters;
        let not_judged = counters.invalid
            + counters.out_of_range
            + counters.null_island
            + counters.fix_time_ahead
            + counters.fix_time_too_old
            + counters.fix_time_week_rollover;
        for (count, what) in [
            (counters.duplicates, "copies"),
            (counters.late, "late"),
            (not_judged, "with positions or times that cannot be judged"),
            (counters.not_monitored, "of people not monitored at the time"),
            (self.unknown_people_rows, "of people without rules"),
            (self.bad_rows, "bad rows"),
            (self.refused_rules, "rules refused"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        for row in &self.named_bad_rows {
            write!(f, "\n{row}")?;
        }
        let unnamed = self.bad_rows.saturating_sub(self.named_bad_rows.len() as u64);
        if unnamed > 0 {
            write!(f, "\nand {unnamed} more bad rows")?;
        }
        for rules in &self.named_refused_rules {
            write!(f, "\nrules: {rules}")?;
        }
        let unnamed = self.refused_rules.saturating_sub(self.named_refused_rules.len() as u64);
        if unnamed > 0 {
            write!(f, "\nand {unnamed} more refused rules")?;
        }
        Ok(())
    }
}

/// Names as the files have them, by the ids derived from them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    people: HashMap<PersonId, String>,
    devices: HashMap<DeviceId, String>,
    zones: HashMap<ZoneId, String>,
}

/// An event as a line of the events file, without the line's end; ids stand where a file has names.
pub fn line(event: &proto::wire::Event) -> String {
    // A line is text and numbers; there is nothing in it that JSON cannot say.
    serde_json::to_string(&event::Line::new(event, &Names::default())).unwrap_or_default()
}

/// Folds reports under rules and writes the events, one JSON object a line.
///
/// After the last row, timers have fired up to its time, or up to `until` where that is later. A bad row is counted and named
/// in the summary, and the next one goes on.
pub fn run(
    rules_json: &str,
    reports: impl Read,
    out: impl Write,
    until: Option<Timestamp>,
) -> Result<Summary, ReplayError> {
    let mut names = Names::default();
    let mut pending = rules::read(rules_json, &mut names)?.into_iter().peekable();
    let mut rows = report::Rows::new(reports)?;
    let mut replay = Replay {
        engine: Engine::new(),
        events: Vec::new(),
        out,
        written: 0,
    };
    let mut summary = Summary::default();
    let mut unknown = HashSet::new();
    while let Some(row) = rows.next().map_err(ReplayError::Read)? {
        summary.rows += 1;
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                summary.bad_rows += 1;
                if summary.named_bad_rows.len() < MAX_NAMED_ROWS {
                    summary.named_bad_rows.push(error);
                }
                continue;
            }
        };
        while let Some(change) = pending.next_if(|change| change.at.is_none_or(|at| at <= row.received_at)) {
            replay.change(&change, row.received_at, &names, &mut summary)?;
        }
        if names.people.contains_key(&row.person) {
            match row.record {
                Record::Report {
                    device,
                    device_name,
                    report,
                } => {
                    names.devices.entry(device).or_insert(device_name);
                    replay.fold(row.received_at, Input::Report(&report), &names)?;
                }
                Record::Protected(fix) => {
                    replay.fold(row.received_at, Input::Protected(&fix), &names)?;
                }
            }
        } else {
            summary.unknown_people_rows += 1;
            unknown.insert(row.person);
            replay.fold(row.received_at, Input::Tick, &names)?;
        }
    }
    if let Some(until) = until {
        while let Some(change) = pending.next_if(|change| change.at.is_none_or(|at| at <= until)) {
            replay.change(&change, until, &names, &mut summary)?;
        }
        replay.fold(until, Input::Tick, &names)?;
    }
    replay.out.flush()?;
    summary.unknown_people = unknown.len() as u64;
    summary.events = replay.written;
    summary.counters = *replay.engine.counters();
    Ok(summary)
}

/// The engine and where its events go.
struct Replay<W> {
    engine: Engine,
    events: Vec<proto::wire::Event>,
    out: W,
    written: u64,
}

impl<W: Write> Replay<W> {
    /// Puts rules or a layer in force, at their own time or else now.
    fn change(
        &mut self,
        change: &rules::Change,
        now: Timestamp,
        names: &Names,
        summary: &mut Summary,
    ) -> Result<(), ReplayError> {
        let outcome = self.fold(change.at.unwrap_or(now), change.input(), names)?;
        if let Outcome::RulesRefused(fault) = outcome {
            summary.refused_rules += 1;
            if summary.named_refused_rules.len() < MAX_NAMED_RULES {
                summary.named_refused_rules.push(RulesFileError {
                    place: change.place.clone(),
                    reason: fault.to_string(),
                });
            }
        }
        Ok(())
    }

    fn fold(&mut self, at: Timestamp, input: Input<'_>, names: &Names) -> Result<Outcome, ReplayError> {
        let outcome = self.engine.fold(at, input, &mut self.events);
        for event in self.events.drain(..) {
            serde_json::to_writer(&mut self.out, &event::Line::new(&event, names)).map_err(io::Error::from)?;
            self.out.write_all(b"\n")?;
            self.written += 1;
        }
        Ok(outcome)
    }
}
