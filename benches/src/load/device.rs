//! One device: its reports, their way, and what became of them.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Result, bail};
use gateway::tls::Trust;
use tokio::time::{Instant, sleep_until, timeout};

use super::{
    Gauges, Plan, Start, Walk, address,
    session::Session,
    tongue::{Report, Said, Tag},
};

/// Messages on the way at a time.
const WINDOW: usize = 8;
/// Of these, batches of stored reports: there is always room for live ones.
const STORED_WINDOW: usize = 4;
/// Stored reports of one message.
const BATCH: usize = 20;
/// Without an answer for so long the line counts as broken.
const ANSWER: Duration = Duration::from_secs(20);
/// A live report that waited longer for a line goes as a stored one.
const STALE: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// What became of a device's reports.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Which device.
    pub index: usize,
    /// Seconds of the reports that it made, stored ones with them.
    pub made: Vec<i64>,
    /// Seconds of those that were acknowledged.
    pub acknowledged: Vec<i64>,
    /// Of reports made while they were due: milliseconds from the start to the making, and from there to the acknowledgement.
    pub live: Vec<(f64, f64)>,
    /// How often the line broke or could not be had.
    pub breaks: u32,
    /// Longest time from a break to the next session, milliseconds.
    pub longest_away_ms: f64,
    /// From the start until all stored reports were acknowledged, seconds.
    pub backlog_done_s: Option<f64>,
}

struct Waiting {
    report: Report,
    due: Instant,
}

struct Sent {
    tag: Tag,
    at: Instant,
    /// When the report was due, of a live one.
    due: Option<Instant>,
    reports: Vec<Report>,
}

/// What the devices of a load share.
pub(super) struct Common {
    pub(super) plan: Plan,
    pub(super) start: Start,
    pub(super) walk: Walk,
    /// Of devices that speak TLS.
    pub(super) trust: Option<Trust>,
    pub(super) gauges: Arc<Gauges>,
}

pub(super) struct Device {
    common: Arc<Common>,
    next_due: Instant,
    number: u32,
    live: VecDeque<Waiting>,
    stored: VecDeque<Report>,
    stored_left: usize,
    sent: VecDeque<Sent>,
    away_since: Option<Instant>,
    told: Told,
}

impl Device {
    pub(super) fn new(index: usize, common: Arc<Common>) -> Self {
        let Common { plan, start, walk, .. } = &*common;
        // Evenly over the interval, in an order that has nothing to do with that of connecting.
        let share = (index as f64 * 0.618_033_988_75).fract();
        let next_due = start.instant + plan.live_from + plan.every.mul_f64(share);
        let stored: VecDeque<_> = plan.backlog.map_or_else(VecDeque::new, |backlog| {
            let ago = (1..=backlog.reports).rev();
            ago.map(|minutes| Report {
                second: start.second - 60 * minutes,
                help: false,
                walk: *walk,
            })
            .collect()
        });
        let told = Told {
            index,
            made: stored.iter().map(|report| report.second).collect(),
            ..Told::default()
        };
        Self {
            common,
            next_due,
            number: 0,
            live: VecDeque::new(),
            stored_left: stored.len(),
            stored,
            sent: VecDeque::new(),
            away_since: None,
            told,
        }
    }

    /// Connects, reports, connects again; until everything is acknowledged or it is time to give up.
    pub(super) async fn run(mut self) -> Told {
        let nth = (self.told.index - self.common.plan.first) as f64;
        sleep_until(self.common.start.instant + Duration::from_secs_f64(nth / self.common.plan.ramp)).await;
        let mut pause = FIRST_PAUSE;
        while !self.finished() && Instant::now() < self.give_up() {
            let plan = &self.common.plan;
            let from = address(self.told.index, plan.addresses);
            let open = Session::open(
                self.told.index,
                plan.speech,
                from,
                plan.gateway,
                self.common.trust.as_ref(),
            );
            if let Ok(Ok(mut session)) = timeout(ANSWER, open).await {
                if let Some(since) = self.away_since.take() {
                    self.told.longest_away_ms = self.told.longest_away_ms.max(since.elapsed().as_secs_f64() * 1e3);
                }
                self.common.gauges.connected.fetch_add(1, Ordering::Relaxed);
                let outcome = self.talk(&mut session).await;
                self.common.gauges.connected.fetch_sub(1, Ordering::Relaxed);
                if outcome.is_ok() {
                    break;
                }
                pause = FIRST_PAUSE;
            }
            self.take_back();
            self.away_since.get_or_insert_with(Instant::now);
            self.told.breaks += 1;
            // Each device its own rhythm, so that a gateway that comes back is not stormed.
            tokio::time::sleep(pause.mul_f64(1.0 + (self.told.index % 17) as f64 / 17.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        self.told
    }

    fn give_up(&self) -> Instant {
        self.common.start.instant + self.common.plan.give_up
    }

    /// All is said and acknowledged, and nothing more will come: until then a device keeps its line.
    fn finished(&self) -> bool {
        Instant::now() >= self.common.start.instant + self.common.plan.live_until
            && self.live.is_empty()
            && self.stored.is_empty()
            && self.sent.is_empty()
    }

    /// One session, until all is done.
    async fn talk(&mut self, session: &mut Session) -> Result<()> {
        loop {
            self.make();
            self.send(session).await?;
            if self.finished() || Instant::now() >= self.give_up() {
                return Ok(());
            }
            let wake = self.wake();
            tokio::select! {
                said = session.said() => if let Said::Done(tag) = said? {
                    self.done(tag);
                },
                () = sleep_until(wake) => if self.sent.front().is_some_and(|sent| sent.at.elapsed() >= ANSWER) {
                    bail!("no answer");
                },
            }
        }
    }

    /// When something is to be done, whatever the gateway says.
    fn wake(&self) -> Instant {
        let mut wake = self.give_up();
        let last = self.common.start.instant + self.common.plan.live_until;
        if Instant::now() < last {
            wake = wake.min(self.next_due).min(last);
        }
        if let Some(sent) = self.sent.front() {
            wake = wake.min(sent.at + ANSWER);
        }
        if let Some(backlog) = self.common.plan.backlog.filter(|_| !self.stored.is_empty()) {
            let begins = self.common.start.instant + backlog.at;
            if begins > Instant::now() {
                wake = wake.min(begins);
            }
        }
        wake
    }

    /// Makes the reports that are due.
    fn make(&mut self) {
        let now = Instant::now();
        let last = self.common.start.instant + self.common.plan.live_until;
        while self.next_due <= now.min(last) {
            let due = self.next_due;
            let since = due.duration_since(self.common.start.instant);
            self.number += 1;
            let report = Report {
                second: self.common.start.second + since.as_secs().cast_signed(),
                help: self.common.plan.help > 0
                    && self.told.index as u64 * 7 % u64::from(self.common.plan.help) + 1 == u64::from(self.number),
                walk: self.common.walk,
            };
            self.told.made.push(report.second);
            self.live.push_back(Waiting { report, due });
            self.next_due = due + self.common.plan.every;
        }
        // What found no line in time is a stored report, and goes after the older ones.
        while let Some(oldest) = self.live.front()
            && oldest.due + STALE < now
        {
            self.stored.extend(self.live.pop_front().map(|waiting| waiting.report));
        }
    }

    async fn send(&mut self, session: &mut Session) -> Result<()> {
        let begun = |backlog: super::Backlog| self.common.start.instant + backlog.at <= Instant::now();
        let upload = self.common.plan.backlog.is_none_or(begun);
        while self.sent.len() < WINDOW {
            if let Some(waiting) = self.live.pop_front() {
                let reports = vec![waiting.report];
                self.post(session, reports, Some(waiting.due)).await?;
                continue;
            }
            let batches = self.sent.iter().filter(|sent| sent.due.is_none()).count();
            if !upload || self.stored.is_empty() || batches >= STORED_WINDOW {
                break;
            }
            let reports: Vec<_> = self.stored.drain(..self.stored.len().min(BATCH)).collect();
            self.post(session, reports, None).await?;
        }
        Ok(())
    }

    async fn post(&mut self, session: &mut Session, reports: Vec<Report>, due: Option<Instant>) -> Result<()> {
        let (tag, wire) = session.compose(&reports, due.is_none());
        // Kept from before the first byte is on the line: a report is never forgotten between the two.
        self.sent.push_back(Sent {
            tag,
            at: Instant::now(),
            due,
            reports,
        });
        timeout(ANSWER, session.post(&wire)).await?
    }

    fn done(&mut self, tag: Tag) {
        let Some(position) = self.sent.iter().position(|sent| sent.tag == tag) else {
            return;
        };
        let Some(sent) = self.sent.remove(position) else { return };
        self.common
            .gauges
            .acknowledged
            .fetch_add(sent.reports.len() as u64, Ordering::Relaxed);
        self.told
            .acknowledged
            .extend(sent.reports.iter().map(|report| report.second));
        if let Some(due) = sent.due {
            let made = due.duration_since(self.common.start.instant).as_secs_f64() * 1e3;
            self.told.live.push((made, due.elapsed().as_secs_f64() * 1e3));
            return;
        }
        let left = self.stored_left;
        self.stored_left = left.saturating_sub(sent.reports.len());
        if left > 0 && self.stored_left == 0 {
            self.told.backlog_done_s = Some(self.common.start.instant.elapsed().as_secs_f64());
        }
    }

    /// What was on the way waits again, oldest first.
    fn take_back(&mut self) {
        for sent in std::mem::take(&mut self.sent).into_iter().rev() {
            match (sent.due, sent.reports.as_slice()) {
                (Some(due), [report]) => self.live.push_front(Waiting { report: *report, due }),
                _ => {
                    for report in sent.reports.into_iter().rev() {
                        self.stored.push_front(report);
                    }
                }
            }
        }
    }
}
