//! `homeward-bench sealing`: what it costs the history writer that every batch is sealed. Batches with and without a seal take turns in one
//! run and one table, so that caches, checkpoints and a busy neighbour weigh on both alike.

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Args;

use crate::{
    machine,
    server::Server,
    site::{connect, say},
};

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Batches of each sort.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(3..=10_000))]
    pub batches: u32,
    /// Rows of a batch.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub rows: u32,
    /// The server.
    #[command(flatten)]
    pub server: Server,
    /// Servers and logs of the run.
    #[arg(long, default_value = ".homeward/bench/sealing")]
    pub folder: PathBuf,
}

/// Times of batches.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    /// Rows a second over all batches but the first, which warms up.
    fn rate(&self, rows: u32) -> f64 {
        let counted = self.0.get(1..).unwrap_or_default();
        let seconds: f64 = counted.iter().map(Duration::as_secs_f64).sum();
        f64::from(rows) * f64::from(u32::try_from(counted.len()).unwrap_or(u32::MAX)) / seconds.max(f64::MIN_POSITIVE)
    }

    fn median_ms(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1_000.0
    }
}

/// Runs and prints; there is no aim to miss.
pub async fn run(arguments: Arguments) -> Result<bool> {
    let load = machine::load();
    let measure = async |url: &str| once(&arguments, url).await;
    let [sealed, unsealed] = arguments.server.scratch(&arguments.folder, measure).await?;
    println!("{}", machine::describe());
    println!("commit {}, load at the start {load:.2}", machine::commit());
    let rows = arguments.rows;
    for (what, times) in [("sealed", &sealed), ("not sealed", &unsealed)] {
        println!(
            "{what:<11} {:>9.0} rows a second; a batch of {rows} at the median {:.1} ms",
            times.rate(rows),
            times.median_ms()
        );
    }
    println!(
        "the history writer stores {:.2} times as many rows a second without seals",
        unsealed.rate(rows) / sealed.rate(rows).max(f64::MIN_POSITIVE)
    );
    Ok(true)
}

/// Measures on an empty database: times with seals, and without.
async fn once(arguments: &Arguments, url: &str) -> Result<[Times; 2]> {
    casedb::migrate(url, 4).await?;
    let mut client = connect(url).await?;
    let (mut sealed, mut unsealed) = (Times::default(), Times::default());
    say(&format!(
        "{} batches of {} rows of each sort",
        arguments.batches, arguments.rows
    ));
    let rows = i64::from(arguments.rows);
    for batch in 0..i64::from(arguments.batches) {
        // Which comes first takes turns too.
        for turn in [0, 1] {
            let seals = (batch + turn) % 2 == 0;
            let first = (2 * batch + turn) * rows;
            let took = casedb::history::measured(&mut client, first, rows, seals).await?;
            if seals { &mut sealed } else { &mut unsealed }.0.push(took);
        }
    }
    Ok([sealed, unsealed])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_batch_is_not_counted() {
        let times = Times([900, 10, 20, 10].map(Duration::from_millis).to_vec());
        assert!((times.rate(4) - 300.0).abs() < 1e-6, "{}", times.rate(4));
        assert!((times.median_ms() - 20.0).abs() < 1e-6);
    }
}
