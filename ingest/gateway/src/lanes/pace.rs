//! How fast the backlog goes: slower when live reports wait or the readers of the stream fall behind, faster when they do not.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use casedb::Database;
use proto::Topic;
use tokio::time::Instant;
use tracing::debug;

use super::Lanes;

/// The slowest pace: what was stored comes in at last, whatever happens.
const SLOWEST: f64 = 200.0;
/// Of the fastest pace, to begin with.
const FIRST_SHARE: f64 = 0.5;
/// A live append that takes longer means that there is too much under way.
const LIVE_LIMIT: Duration = Duration::from_millis(150);
/// Records that a reader may be behind, in seconds of the present pace, and at least.
const BEHIND_SECONDS: f64 = 2.0;
const BEHIND_LEAST: f64 = 4_000.0;
const EVERY: Duration = Duration::from_millis(500);
const FASTER: f64 = 1.1;
const SLOWER: f64 = 0.6;

/// A rate that turns are given at.
#[derive(Debug)]
pub(super) struct Pace {
    fastest: f64,
    state: Mutex<State>,
    /// The slowest live append since the last look, in microseconds.
    live_us: AtomicU64,
    /// Turns were taken since the last look.
    used: AtomicBool,
}

#[derive(Debug)]
struct State {
    per_second: f64,
    next: Instant,
}

impl Pace {
    pub(super) fn new(fastest: u32) -> Self {
        let fastest = f64::from(fastest.max(1));
        Self {
            fastest,
            state: Mutex::new(State {
                per_second: (fastest * FIRST_SHARE).max(SLOWEST.min(fastest)),
                next: Instant::now(),
            }),
            live_us: AtomicU64::new(0),
            used: AtomicBool::new(false),
        }
    }

    /// Waits for the turn of so many records; first come, first served.
    pub(super) async fn turn(&self, records: u32) {
        self.used.store(true, Ordering::Relaxed);
        let at = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let at = state.next.max(Instant::now());
            state.next = at + Duration::from_secs_f64(f64::from(records) / state.per_second);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// Notes how long a live append took.
    pub(super) fn live_took(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.live_us.fetch_max(us, Ordering::Relaxed);
    }

    /// Takes a look at how things went. `behind`: records that the stream's reader has not read.
    fn adapt(&self, behind: Option<u64>) {
        let live = Duration::from_micros(self.live_us.swap(0, Ordering::Relaxed));
        let used = self.used.swap(false, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = (state.per_second * BEHIND_SECONDS).max(BEHIND_LEAST);
        let too_much = live > LIVE_LIMIT || behind.is_some_and(|behind| behind as f64 > bound);
        let factor = if too_much { SLOWER } else { FASTER };
        if too_much || used {
            state.per_second = (state.per_second * factor).clamp(SLOWEST.min(self.fastest), self.fastest);
            metrics::gauge!("homeward_gateway_backlog_per_second").set(state.per_second);
        }
    }
}

/// Looks every half second, while somebody holds the lanes.
pub(super) async fn govern(lanes: Arc<Lanes>, database: Option<Database>) {
    let weak = Arc::downgrade(&lanes);
    drop(lanes);
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(lanes) = weak.upgrade() else { return };
        // Nobody asks the database while there is no backlog.
        let used = lanes.pace.used.load(Ordering::Relaxed);
        let behind = match &database {
            Some(database) if used => tokio::time::timeout(EVERY * 4, behind(&lanes, database))
                .await
                .ok()
                .flatten(),
            _ => None,
        };
        lanes.pace.adapt(behind);
    }
}

async fn behind(lanes: &Lanes, database: &Database) -> Option<u64> {
    let found = async {
        let client = database.client().await?;
        // History does most work for a report.
        casedb::offset::positions(&client, casedb::history::READER, Topic::Reports).await
    };
    let positions = match found.await {
        Ok(positions) => positions,
        Err(error) => {
            debug!(%error, "how far history is behind is not known");
            return None;
        }
    };
    let mut behind = 0;
    for (partition, next) in positions {
        let bounds = lanes.log.bounds(Topic::Reports, partition).await.ok()?;
        behind += bounds.end.saturating_sub(next);
    }
    Some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn per_second(pace: &Pace) -> f64 {
        pace.state.lock().expect("not poisoned").per_second
    }

    #[tokio::test]
    async fn turns_come_at_the_pace() {
        let pace = Pace::new(2_000);
        let began = Instant::now();
        for _ in 0..11 {
            pace.turn(20).await;
        }
        // The first begins at once; ten intervals of 20 records at 1,000 a second. A loaded machine may only be later.
        let took = began.elapsed();
        assert!(took.as_millis() >= 195, "{took:?}");
    }

    #[tokio::test]
    async fn it_gives_way_to_live_reports_and_comes_back() {
        let pace = Pace::new(10_000);
        pace.live_took(Duration::from_millis(400));
        pace.adapt(None);
        assert!((per_second(&pace) - 3_000.0).abs() < 1e-6);
        pace.adapt(Some(1_000_000));
        assert!((per_second(&pace) - 1_800.0).abs() < 1e-6);
        for _ in 0..200 {
            pace.adapt(Some(1_000_000));
        }
        assert!((per_second(&pace) - SLOWEST).abs() < 1e-6);
        for _ in 0..200 {
            pace.turn(1).await;
            pace.adapt(Some(10));
        }
        assert!((per_second(&pace) - 10_000.0).abs() < 1e-6);
        // Nothing under way: nothing is learned.
        let before = per_second(&pace);
        pace.adapt(None);
        assert!((per_second(&pace) - before).abs() < 1e-6);
    }
}
