//! `homeward evaluate`: membership and distances of tracks, without database or network.

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};

use super::files::{self, Output};

pub fn run(zones: &Path, tracks: &Path, membership: &Path) -> Result<ExitCode> {
    let zones_in = files::open(zones, "zones")?;
    let tracks_in = files::open(tracks, "tracks")?;
    let mut output = Output::create(membership)?;
    let summary = engine::evaluate::run(zones_in, tracks_in, &mut output)
        .with_context(|| format!("{} with {}", tracks.display(), zones.display()))?;
    output.finish()?;
    eprintln!(
        "{} zones, {} fixes, {} rows written",
        summary.zones, summary.rows, summary.written
    );
    let refused = summary.zones_refused as u64 + summary.rows_refused;
    if refused > 0 {
        eprintln!("{refused} zones or rows were refused, the others went on; the first of them:");
        for problem in &summary.problems {
            eprintln!("  {problem}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
