//! Servers of a bench's own, started by the scripts of `deploy/native` on free ports and ended by their process ids.

mod disk;
mod kafka;
mod postgres;
mod scratch;
mod tree;

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail};

pub use disk::Disk;
pub use kafka::Kafka;
pub use postgres::Postgres;
pub use scratch::Server;
pub use tree::{Signal, descendants, signal};

/// Runs a script of `deploy/native` and returns the value that it prints after `name=`.
fn script(path: &str, arguments: &[&str], name: &str) -> Result<String> {
    if !Path::new(path).is_file() {
        bail!("there is no {path}: run this in the source tree");
    }
    let output = Command::new(path)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("cannot run {path}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{path} {}: {}", arguments.join(" "), said.trim());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    Ok(found.unwrap_or_default().to_owned())
}

fn process_id(file: &Path) -> Option<u32> {
    std::fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()
}
