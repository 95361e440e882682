//! `homeward replay`: the engine alone over a file.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::files::{self, Output};

pub fn run(rules: &Path, reports: &Path, events: &Path, until: Option<Timestamp>) -> Result<ExitCode> {
    let rules_json =
        std::fs::read_to_string(rules).with_context(|| format!("rules: cannot read {}", rules.display()))?;
    let reports_in = files::open(reports, "reports")?;
    let mut output = Output::create(events)?;
    let summary = engine::replay::run(&rules_json, reports_in, &mut output, until)
        .with_context(|| format!("{} with {}", reports.display(), rules.display()))?;
    output.finish()?;
    eprintln!("{summary}");
    Ok(ExitCode::SUCCESS)
}
