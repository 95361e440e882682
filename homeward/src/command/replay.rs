//! `homeward replay`: the engine alone, over files or over stored history.

mod difference;
mod stored;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::files::{self, Output};
use crate::cli::{ReplayArgs, When};

pub use stored::run as stored;

/// Over files, where the arguments name files; `None`: they name people.
pub fn files(arguments: &ReplayArgs) -> Option<Result<ExitCode>> {
    let (rules, reports) = (arguments.rules.as_ref()?, arguments.reports.as_ref()?);
    let events = arguments.events.as_ref()?;
    let until = match arguments.until {
        None => None,
        Some(When::At(until)) => Some(until),
        Some(When::Day(day)) => return Some(no_zone(day)),
    };
    Some(run(rules, reports, events, until))
}

fn no_zone(day: jiff::civil::Date) -> Result<ExitCode> {
    bail!("--until {day}: people in files may have several time zones; give a time such as {day}T00:00:00Z")
}

fn run(rules: &Path, reports: &Path, events: &Path, until: Option<Timestamp>) -> Result<ExitCode> {
    let rules_json =
        std::fs::read_to_string(rules).with_context(|| format!("rules: cannot read {}", rules.display()))?;
    let reports_in = files::open(reports, "reports")?;
    let mut output = Output::create(events)?;
    let summary = engine::replay::run(&rules_json, reports_in, &mut output, until)
        .with_context(|| format!("{} with {}", reports.display(), rules.display()))?;
    output.finish()?;
    eprintln!("{summary}");
    Ok(if summary.refused_rules == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
