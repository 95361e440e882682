//! What the devices were told against what is stored.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio_postgres::Client;

use super::Told;

/// Every report in history, with how often it is there.
const STORED: &str = "SELECT d.model, extract(epoch FROM p.fix_time)::bigint, count(*)
    FROM position p JOIN device d USING (device_id) GROUP BY 1, 2";

/// What a comparison found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Reports that the devices made.
    pub made: usize,
    /// Of these, acknowledged.
    pub acknowledged: usize,
    /// Different reports in history.
    pub stored: usize,
    /// Acknowledged and not in history.
    pub lost: usize,
    /// In history more than once.
    pub doubled: usize,
    /// In history and never made.
    pub invented: usize,
}

impl Verdict {
    /// Compares.
    pub async fn find(client: &Client, told: &[Told]) -> Result<Self> {
        let mut stored: HashMap<(usize, i64), i64> = HashMap::new();
        for row in client.query(STORED, &[]).await.context("history")? {
            let index: usize = row
                .get::<_, &str>(0)
                .parse()
                .context("a device that is not the bench's")?;
            stored.insert((index, row.get(1)), row.get(2));
        }
        let mut verdict = Self {
            made: 0,
            acknowledged: 0,
            stored: stored.len(),
            lost: 0,
            doubled: stored.values().filter(|count| **count > 1).count(),
            invented: 0,
        };
        for told in told {
            verdict.made += told.made.len();
            verdict.acknowledged += told.acknowledged.len();
            let is_stored = |second: &&i64| stored.contains_key(&(told.index, **second));
            verdict.lost += told.acknowledged.len() - told.acknowledged.iter().filter(is_stored).count();
        }
        let made: std::collections::HashSet<_> = told
            .iter()
            .flat_map(|told| told.made.iter().map(|second| (told.index, *second)))
            .collect();
        verdict.invented = stored.keys().filter(|key| !made.contains(*key)).count();
        Ok(verdict)
    }

    /// All that was made was acknowledged, and is in history exactly once, and nothing else is.
    pub fn is_perfect(&self) -> bool {
        self.made == self.acknowledged
            && self.acknowledged == self.stored
            && (self.lost, self.doubled, self.invented) == (0, 0, 0)
    }
}

/// Waits until history has as many reports, or has not grown for a while; says how long that took.
pub async fn settled(client: &Client, reports: usize, patience: Duration) -> Result<Duration> {
    let begun = Instant::now();
    let (mut before, mut grew) = (0, Instant::now());
    loop {
        let count: i64 = client.query_one("SELECT count(*) FROM position", &[]).await?.get(0);
        if count != before {
            (before, grew) = (count, Instant::now());
        }
        if usize::try_from(count).unwrap_or(0) >= reports || grew.elapsed() > patience {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
