//! The way into the stream: two lanes, live before backlog, a bound on what waits, and a recovery that is no stampede.
//!
//! A report that a device has just made takes the live lane, which nothing holds up but the stream itself. Reports that were stored take
//! the backlog lane, which is paced: a country's devices that come back after a weekend must not delay what happens now, neither at the
//! append nor at the stages behind. The pace follows what the stream and its readers can take ([`Pace`]).

mod pace;

use std::{
    mem,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use casedb::Database;
use jiff::{SignedDuration, Timestamp};
use proto::Topic;
use stream::{Log, NewRecord};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    failed::{FAILED, Failed},
    session::Stop,
};
use pace::Pace;

/// Records of one append on the live lane.
const LIVE_RECORDS: usize = 512;
/// Records of one append on the backlog lane: few, so that a turn is short.
const BACKLOG_RECORDS: usize = 64;
/// Records of the backlog on their way into the stream at a time.
const BACKLOG_IN_FLIGHT: u32 = 4_096;
/// A report this much older than its receipt is no live one, whatever the device says.
pub(crate) const LIVE_WITHIN: SignedDuration = casedb::device::SLOW;
/// What a record costs beside its bytes while it waits.
const RECORD_OVERHEAD: usize = 128;
/// Of the gateway's room one part in so many is for sessions that have little of it: their live reports are read also when others have
/// filled the rest with what they had stored.
const RESERVED: usize = 4;
/// A live append that takes longer is worth saying.
const SLOW: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// After the stream has come back, those who waited come one after the other, over at most this long.
const LONGEST_SPREAD: Duration = Duration::from_secs(3);
/// For each who waited.
const SPREAD_EACH: Duration = Duration::from_micros(50);

/// Which way a report takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Just made.
    Live,
    /// Stored for want of a network.
    Backlog,
}

impl Lane {
    /// The lane of a report: stored ones by the device's word or by their age.
    pub(crate) fn of(stored: bool, fix_time: Timestamp, received_at: Timestamp) -> Self {
        if stored || received_at.duration_since(fix_time) > LIVE_WITHIN {
            Self::Backlog
        } else {
            Self::Live
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Backlog => "backlog",
        }
    }
}

/// The records of one message, by lane.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    live: Vec<NewRecord>,
    backlog: Vec<NewRecord>,
}

impl Batch {
    /// Adds records of a report.
    pub(crate) fn extend(&mut self, lane: Lane, records: impl IntoIterator<Item = NewRecord>) {
        match lane {
            Lane::Live => self.live.extend(records),
            Lane::Backlog => self.backlog.extend(records),
        }
    }

    /// Records in it.
    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.backlog.len()
    }

    /// True when some of it was stored.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    fn bytes(&self) -> usize {
        let all = self.live.iter().chain(&self.backlog);
        all.map(|record| record.payload.len() + record.key.len() + RECORD_OVERHEAD)
            .sum()
    }
}

/// What a batch holds of the gateway's room; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    lanes: Arc<Lanes>,
    bytes: usize,
}

impl Held {
    /// Bytes held.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.lanes.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A session that has something under way, until dropped.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Lanes>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The lanes of a gateway.
pub(crate) struct Lanes {
    log: Arc<dyn Log>,
    state: watch::Sender<State>,
    /// A task asks the stream.
    probing: AtomicBool,
    /// Somebody tries.
    scouting: AtomicBool,
    /// Live appends that take longer than [`SLOW`].
    slow: AtomicUsize,
    waiting: AtomicUsize,
    backlog: Semaphore,
    pace: Pace,
    /// Bytes of records that are not durable yet, and how many there may be before sessions stop reading.
    held: AtomicUsize,
    room: usize,
    /// Sessions that have something under way.
    busy: AtomicUsize,
    /// The gateway ends: what has not begun will not begin.
    draining: CancellationToken,
}

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lanes")
            .field("held", &self.held)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

impl Lanes {
    /// `room`: bytes; `backlog_per_second`: the fastest pace of the backlog lane.
    pub(crate) fn new(
        log: Arc<dyn Log>,
        room: usize,
        backlog_per_second: u32,
        draining: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            state: watch::Sender::new(State::Up),
            probing: AtomicBool::new(false),
            scouting: AtomicBool::new(false),
            slow: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            backlog: Semaphore::new(BACKLOG_IN_FLIGHT as usize),
            pace: Pace::new(backlog_per_second),
            held: AtomicUsize::new(0),
            room,
            busy: AtomicUsize::new(0),
            draining,
        })
    }

    /// Takes room for a batch. It may go over the bound by what each session had begun to read; see [`Lanes::has_room`].
    pub(crate) fn hold(self: &Arc<Self>, batch: &Batch) -> Held {
        let bytes = batch.bytes();
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        metrics::gauge!("homeward_gateway_held_bytes").set(held as f64);
        Held {
            lanes: Arc::clone(self),
            bytes,
        }
    }

    /// Counts a session that has something under way.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// False when so much waits that nobody with something under way should be read.
    pub(crate) fn has_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < self.room
    }

    /// False when so much waits that a session with so many bytes of backlog under way should stop reading. What is reserved is shared
    /// evenly: who has more of it than the others waits, who has next to nothing is read as long as there is any room.
    pub(crate) fn has_room_for(&self, backlog: usize) -> bool {
        let held = self.held.load(Ordering::Relaxed);
        let reserved = self.room / RESERVED;
        if held < self.room - reserved {
            return true;
        }
        held < self.room && backlog < (reserved / self.busy.load(Ordering::Relaxed).max(1)).max(1)
    }

    /// True while the stream takes appends.
    pub(crate) fn is_up(&self) -> bool {
        *self.state.borrow() == State::Up
    }

    /// Appends a batch; returns when all of it is durable.
    pub(crate) async fn append(self: &Arc<Self>, batch: &mut Batch, protocol: &'static str) -> Result<(), Stop> {
        let live = mem::take(&mut batch.live);
        let backlog = mem::take(&mut batch.backlog);
        for chunk in live.chunks(LIVE_RECORDS) {
            self.append_chunk(Lane::Live, chunk, protocol).await?;
        }
        for chunk in backlog.chunks(BACKLOG_RECORDS) {
            let count = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
            let turn = async {
                let turn = self.backlog.acquire_many(count).await;
                self.pace.turn(count).await;
                turn
            };
            // Never closed, so an error cannot come.
            let _turn = tokio::select! {
                turn = turn => turn,
                () = self.draining.cancelled() => return Err(Stop("drained")),
            };
            self.append_chunk(Lane::Backlog, chunk, protocol).await?;
        }
        Ok(())
    }

    /// Appends until it has worked. Drop it to give up.
    async fn append_chunk(
        self: &Arc<Self>,
        lane: Lane,
        records: &[NewRecord],
        protocol: &'static str,
    ) -> Result<(), Stop> {
        loop {
            let scout = self.until_up().await;
            let began = Instant::now();
            let append = self.log.append(Topic::Reports, records.to_vec());
            let appended = match lane {
                Lane::Live => self.noticing(append).await,
                Lane::Backlog => append.await,
            };
            match appended {
                Ok(_) => {
                    if scout.is_some() {
                        self.state.send_replace(State::Up);
                    }
                    let took = began.elapsed();
                    metrics::histogram!("homeward_gateway_append_seconds", "lane" => lane.name()).record(took);
                    if lane == Lane::Live {
                        self.pace.live_took(took);
                    }
                    return Ok(());
                }
                Err(error) if error.is_retryable() => {
                    metrics::counter!("homeward_gateway_append_retries_total", "protocol" => protocol).increment(1);
                    debug!(%error, "append failed; trying again");
                    self.went_down();
                    tokio::time::sleep(jittered(FIRST_PAUSE)).await;
                }
                Err(error) => {
                    warn!(%error, records = records.len(), "append failed for good; the session ends without acknowledgement");
                    return Err(Stop("stream"));
                }
            }
        }
    }

    /// Waits for a live append; notes while it takes long.
    async fn noticing<T>(&self, append: impl Future<Output = T>) -> T {
        let mut append = pin!(append);
        if let Ok(done) = tokio::time::timeout(SLOW, append.as_mut()).await {
            return done;
        }
        let _slow = Slow::new(&self.slow);
        append.await
    }

    /// Waits while the stream is away, and then for a turn of its own. `Some`: this one goes first, and its outcome decides.
    async fn until_up(&self) -> Option<Scout<'_>> {
        if *self.state.borrow() == State::Up {
            return None;
        }
        let mut state = self.state.subscribe();
        let waiting = Waiting::new(&self.waiting);
        loop {
            let seen = *state.borrow_and_update();
            match seen {
                State::Up => break,
                State::Trial => {
                    if let Some(scout) = Scout::new(self) {
                        return Some(scout);
                    }
                }
                State::Down => {}
            }
            // The sender lives as long as the lanes.
            let _ = state.changed().await;
        }
        let others = u32::try_from(waiting.most()).unwrap_or(u32::MAX);
        drop(waiting);
        let spread = SPREAD_EACH.saturating_mul(others).min(LONGEST_SPREAD);
        tokio::time::sleep(spread.mul_f64(rand::random::<f64>())).await;
        None
    }

    /// Notes that the stream refuses appends; one task asks it until it takes them again. That it answers proves little (a full disk
    /// answers, too): one append goes first, and the others follow when it has worked.
    fn went_down(self: &Arc<Self>) {
        self.state.send_replace(State::Down);
        if self.probing.swap(true, Ordering::AcqRel) {
            return;
        }
        metrics::gauge!("homeward_gateway_stream_up").set(0.0);
        warn!("the stream takes no appends; sessions stay, acknowledgements wait");
        tokio::spawn(probe(Arc::downgrade(self)));
    }

    /// Adapts the backlog's pace to what the stream and its readers can take, until dropped.
    pub(crate) async fn govern(self: Arc<Self>, database: Option<Database>) {
        pace::govern(self, database).await;
    }
}

/// Asks a stream that was away until an append has worked.
async fn probe(lanes: Weak<Lanes>) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::time::sleep(jittered(pause)).await;
        let Some(lanes) = lanes.upgrade() else { return };
        let state = *lanes.state.borrow();
        match state {
            State::Up => {
                lanes.probing.store(false, Ordering::Release);
                metrics::gauge!("homeward_gateway_stream_up").set(1.0);
                info!("the stream takes appends again");
                return;
            }
            State::Down => {
                if lanes.log.ready().await.is_ok() {
                    lanes.state.send_replace(State::Trial);
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            // Somebody's append is under way; or nobody has one, and the next will decide.
            State::Trial => {}
        }
    }
}

/// Whether the stream takes appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    /// It answers; whether it takes appends is being tried.
    Trial,
    Down,
}

/// The one that tries. Dropped without a word, another tries.
struct Scout<'a>(&'a Lanes);

impl<'a> Scout<'a> {
    fn new(lanes: &'a Lanes) -> Option<Self> {
        (!lanes.scouting.swap(true, Ordering::AcqRel)).then_some(Self(lanes))
    }
}

impl Drop for Scout<'_> {
    fn drop(&mut self) {
        self.0.scouting.store(false, Ordering::Release);
        // Those who wait look again.
        self.0.state.send_modify(|_| {});
    }
}

/// One who waits for the stream.
struct Waiting<'a> {
    all: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        let before = all.fetch_add(1, Ordering::Relaxed) + 1;
        Self { all, before }
    }

    /// How many wait, those included that have gone first.
    fn most(&self) -> usize {
        self.all.load(Ordering::Relaxed).max(self.before)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A live append that takes long.
struct Slow<'a>(&'a AtomicUsize);

impl<'a> Slow<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }
}

impl Drop for Slow<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether a gateway hears devices, and their reports get into the stream; for `/readyz`.
#[derive(Debug, Clone)]
pub struct Health {
    pub(crate) lanes: Weak<Lanes>,
    pub(crate) failed: Failed,
}

impl Health {
    /// `Ok`, or what is wrong.
    pub fn check(&self) -> Result<(), &'static str> {
        let Some(lanes) = self.lanes.upgrade() else {
            return Ok(());
        };
        if self.failed.has() {
            return Err(FAILED);
        }
        if !lanes.is_up() {
            return Err("the stream takes no appends");
        }
        if lanes.slow.load(Ordering::Relaxed) > 0 {
            return Err("an append takes longer than 5 s");
        }
        Ok(())
    }
}

/// Between half of a pause and one and a half.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_stored_takes_no_room_from_who_has_little_under_way() {
        let lanes = Lanes::new(
            Arc::new(stream::memory::MemoryLog::new(1)),
            4_000,
            1,
            CancellationToken::new(),
        );
        let holds = |bytes: usize| {
            lanes.held.fetch_add(bytes, Ordering::Relaxed);
            Held {
                lanes: Arc::clone(&lanes),
                bytes,
            }
        };
        let all: Vec<_> = (0..10).map(|_| lanes.begin()).collect();
        let first = holds(2_999);
        assert!(lanes.has_room_for(2_999));
        let second = holds(1);
        // A tenth of the reserve each.
        assert!(lanes.has_room_for(0) && lanes.has_room_for(99) && !lanes.has_room_for(100));
        drop(all);
        assert!(lanes.has_room_for(999) && !lanes.has_room_for(1_000));
        let third = holds(1_000);
        assert!(!lanes.has_room_for(0) && !lanes.has_room());
        drop((second, third));
        assert!(lanes.has_room_for(2_999));
        drop(first);
        assert_eq!(lanes.held.load(Ordering::Relaxed), 0);
        assert_eq!(lanes.busy.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_was_stored_or_is_old_takes_the_backlog_lane() {
        let now: Timestamp = "2026-05-04T12:00:00Z".parse().expect("a time");
        let before = |seconds| now - SignedDuration::from_secs(seconds);
        assert_eq!(Lane::of(false, before(5), now), Lane::Live);
        assert_eq!(Lane::of(false, before(180), now), Lane::Live);
        assert_eq!(Lane::of(false, before(181), now), Lane::Backlog);
        assert_eq!(Lane::of(true, before(5), now), Lane::Backlog);
        // A clock that is ahead is no reason to wait.
        assert_eq!(Lane::of(false, before(-600), now), Lane::Live);
    }
}
