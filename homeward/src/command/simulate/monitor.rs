//! One monitor: takes reports at their times, keeps them until acknowledged, connects again when the line breaks, and does what it is
//! told.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Result;
use codec::Command;
use jiff::Timestamp;
use serde_json::json;
use sim::{
    World,
    device::Sample,
    person::{Person, time_at},
    voice::{Asked, Said},
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    journal::Journal,
    session::{Session, Tls},
};

/// Reports that a device holds at most; beyond, the oldest are lost, as on a real one.
const MEMORY: usize = 20_000;
/// Reports in one upload.
const BATCH: usize = 50;
/// Pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Reports older than this are sent as stored ones.
const LATE_S: f64 = 30.0;
/// Without an answer for so long the line counts as broken.
const ANSWER: Duration = Duration::from_secs(10);
/// Two reports of a device are at least this far apart.
const APART_S: f64 = 0.002;

/// A simulated monitor.
pub struct Monitor {
    pub world: Arc<World>,
    pub index: usize,
    pub address: SocketAddr,
    /// It speaks in datagrams, one report or batch after the other.
    pub udp: bool,
    pub secret: Vec<u8>,
    /// Native devices speak over TLS.
    pub tls: Option<Arc<Tls>>,
    pub journal: Arc<Journal>,
    /// Reports are taken for so long; `None`: for ever.
    pub duration_s: Option<f64>,
}

/// What the device remembers.
#[derive(Default)]
struct Memory {
    waiting: VecDeque<Sample>,
    /// When those at the front were sent in this session: as many are on the way.
    sent: VecDeque<Instant>,
    next_tick: u64,
    told: usize,
    /// Seconds from the world's start of the last report.
    last_s: f64,
    pace: Option<Pace>,
}

/// An interval that the device was told to report at.
#[derive(Clone, Copy)]
struct Pace {
    every_s: f64,
    /// Seconds from the world's start; then as usual.
    until_s: f64,
}

impl Monitor {
    /// Runs until stopped, or until the duration is over and everything is acknowledged.
    pub async fn run(self, stop: CancellationToken) {
        let mut memory = Memory::default();
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() && !self.finished(&memory) {
            memory.sent.clear();
            let outcome = tokio::select! {
                outcome = self.session(&mut memory) => outcome,
                () = stop.cancelled() => return,
            };
            match outcome {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    debug!(device = self.index, error = format!("{error:#}"), "line is down");
                    // Each device its own rhythm, so that a gateway that comes back is not stormed.
                    let jitter = 1.0 + (self.index % 17) as f64 / 17.0;
                    let until = Instant::now() + pause.mul_f64(jitter);
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    while Instant::now() < until && !stop.is_cancelled() {
                        // A device without a line goes on taking fixes.
                        tokio::select! {
                            () = self.next_report(&mut memory) => {}
                            () = sleep_until(until) => {}
                            () = stop.cancelled() => return,
                        }
                    }
                }
            }
        }
    }

    fn finished(&self, memory: &Memory) -> bool {
        self.over(memory) && memory.waiting.is_empty()
    }

    /// No further report will be taken.
    fn over(&self, memory: &Memory) -> bool {
        self.duration_s
            .is_some_and(|seconds| memory.next_tick >= self.world.ticks_until(seconds))
    }

    /// Waits for the time of the next report and takes it. Dropping the future loses nothing.
    async fn next_report(&self, memory: &mut Memory) {
        let Some(person) = self.world.people.get(self.index) else {
            return;
        };
        if self.over(memory) {
            return std::future::pending().await;
        }
        let planned_s = self.world.report_time_s(person, memory.next_tick);
        let paced_s = memory
            .pace
            .map(|pace| (memory.last_s + pace.every_s, pace.until_s))
            .filter(|(next_s, until_s)| next_s < until_s)
            .map(|(next_s, _)| next_s);
        // A pace that leads beyond the end of the simulation has no further report.
        let beyond = |next_s: &f64| self.duration_s.is_some_and(|until_s| *next_s >= until_s);
        let last = paced_s.as_ref().is_some_and(beyond);
        let paced_s = paced_s.filter(|_| !last);
        let due_s = paced_s.unwrap_or(planned_s);
        let due = time_at(self.world.config.start, due_s);
        let wait = Timestamp::now()
            .until(due)
            .ok()
            .and_then(|span| Duration::try_from(span).ok());
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        let tick = memory.next_tick;
        // Reports of the plan that the new interval passes over are not taken.
        while self.world.report_time_s(person, memory.next_tick) <= due_s {
            memory.next_tick += 1;
        }
        if last {
            return;
        }
        memory.last_s = due_s;
        let tick = if paced_s.is_some() {
            tick.saturating_sub(1)
        } else {
            tick
        };
        self.take(memory, self.world.sample_at(person, tick, due_s));
    }

    /// Puts a report to those that wait; `None`: the device is off.
    fn take(&self, memory: &mut Memory, sample: Option<Sample>) {
        if let Some(sample) = sample {
            self.journal.made();
            memory.waiting.push_back(sample);
            if memory.waiting.len() > MEMORY {
                memory.waiting.pop_front();
                memory.sent.pop_front();
            }
        }
    }

    /// Seconds from the world's start.
    fn now_s(&self) -> f64 {
        Timestamp::now().duration_since(self.world.config.start).as_secs_f64()
    }

    /// Does what a command says, and answers it.
    async fn obey(&self, person: &Person, asked: &Asked, memory: &mut Memory, session: &mut Session) -> Result<()> {
        let now_s = self.now_s();
        let mut here = None;
        match &asked.command {
            Some(Command::Locate) => {
                // A report between the last one and the next.
                let planned_s = self.world.report_time_s(person, memory.next_tick);
                let at_s = now_s.min(planned_s - APART_S);
                if at_s >= (memory.last_s + APART_S).max(0.0) && !self.over(memory) {
                    here = self.world.sample_at(person, memory.next_tick.saturating_sub(1), at_s);
                    memory.last_s = at_s;
                    self.take(memory, here.clone());
                }
            }
            Some(Command::Interval { seconds, for_seconds }) => {
                let until_s = match for_seconds {
                    0 => f64::INFINITY,
                    seconds => now_s + f64::from(*seconds),
                };
                let every_s = f64::from(*seconds).max(APART_S);
                memory.pace = Some(Pace { every_s, until_s });
            }
            _ => (),
        }
        let done = asked.command.is_some();
        session.answer(asked, done, here.as_ref()).await?;
        self.journal.say(&json!({
            "type": "command", "command": asked.command, "person_id": person.person_id, "reference": person.reference,
            "done": done,
        }));
        Ok(())
    }

    /// One connection: sign in, then send what waits and take acknowledgements until the line breaks.
    async fn session(&self, memory: &mut Memory) -> Result<()> {
        let Some(person) = self.world.people.get(self.index) else {
            return Ok(());
        };
        let opened = async {
            if self.udp {
                Session::in_datagrams(self.address, person).await
            } else {
                Session::open(self.address, person, &self.secret, self.tls.as_deref()).await
            }
        };
        let mut session = tokio::time::timeout(ANSWER, opened).await??;
        let mut answer_by = Instant::now() + ANSWER;
        loop {
            if self.finished(memory) {
                return Ok(());
            }
            let ready: Vec<Sample> = memory
                .waiting
                .iter()
                .skip(memory.sent.len())
                .take(BATCH)
                .cloned()
                .collect();
            // Of datagrams one is on the way at a time: a later one's answer says nothing of those before.
            if !ready.is_empty() && (!self.udp || memory.sent.is_empty()) {
                if memory.sent.is_empty() {
                    answer_by = Instant::now() + ANSWER;
                }
                let oldest = ready.first().map_or(Timestamp::MAX, |sample| sample.fix_time);
                let late = Timestamp::now().duration_since(oldest).as_secs_f64() > LATE_S;
                session.send(&ready, late).await?;
                memory.sent.extend(ready.iter().map(|_| Instant::now()));
                self.tell(person, memory, &ready);
                continue;
            }
            tokio::select! {
                said = session.hear() => {
                    let count = match said? {
                        Said::Done(count) => count.min(memory.sent.len()),
                        Said::Command(asked) => {
                            self.obey(person, &asked, memory, &mut session).await?;
                            continue;
                        }
                        Said::Next(_) | Said::Welcome | Said::Other => continue,
                    };
                    answer_by = Instant::now() + ANSWER;
                    for (sample, sent) in memory.waiting.drain(..count).zip(memory.sent.drain(..count)) {
                        self.journal.acknowledged(sent.elapsed(), || json!({
                            "device_id": person.device_id, "person_id": person.person_id,
                            "sequence": sample.sequence, "fix_time": sample.fix_time,
                        }));
                    }
                }
                () = self.next_report(memory) => {}
                () = sleep_until(answer_by), if !memory.sent.is_empty() => anyhow::bail!("no answer within 10 s"),
            }
        }
    }

    /// Says on standard output which true violation is proved by a report that has just been sent.
    fn tell(&self, person: &Person, memory: &mut Memory, sent: &[Sample]) {
        let Some(last) = sent.last() else { return };
        let mut ordered: Vec<_> = person.violations.iter().collect();
        ordered.sort_by(|a, b| a.proof_s.total_cmp(&b.proof_s));
        while let Some(violation) = ordered.get(memory.told) {
            if violation.proof_s > last.time_s {
                break;
            }
            memory.told += 1;
            self.journal.say(&json!({
                "type": "violation", "kind": proto::event::kind_name(violation.kind),
                "person_id": person.person_id, "reference": person.reference,
                "onset": time_at(self.world.config.start, violation.onset_s), "proof_sent_at": Timestamp::now(),
            }));
        }
    }
}
