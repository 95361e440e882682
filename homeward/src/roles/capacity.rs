//! Capacity in the figures and the log of the history role: what runs out is said before it does.

use std::time::Duration;

use casedb::{
    Database,
    capacity::{Report, Standing},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{command::capacity, config::Config};

const EVERY: Duration = Duration::from_hours(1);
/// After the start, when migrations and a first burst of work are over.
const FIRST: Duration = Duration::from_secs(30);

/// Reads the report every hour until told to stop.
pub async fn watch(database: Database, config: Config, stop: CancellationToken) {
    let mut pause = FIRST;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = EVERY;
        match capacity::read(&database, &config, Timestamp::now()).await {
            Ok(report) => tell(&report),
            Err(error) => warn!(%error, "the capacity report cannot be made"),
        }
    }
}

fn tell(report: &Report) {
    for line in &report.lines {
        let what = line.what.clone();
        if let Some(days) = line.days_left {
            metrics::gauge!("homeward_capacity_days_left", "what" => what.clone()).set(days);
        }
        let level = match line.standing {
            Standing::Enough | Standing::Unknown => 0.0,
            Standing::Warn => 1.0,
            Standing::Short => 2.0,
        };
        metrics::gauge!("homeward_capacity_standing", "what" => what).set(level);
        match line.standing {
            Standing::Enough | Standing::Unknown => {}
            Standing::Warn => {
                warn!(what = %line.what, days_left = line.days_left, note = %line.note, "capacity runs out");
            }
            Standing::Short => {
                error!(what = %line.what, days_left = line.days_left, note = %line.note, "capacity is short");
            }
        }
    }
}
