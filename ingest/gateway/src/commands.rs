//! Commands: from the case database to the session that holds the device, and what becomes of them back again.
//!
//! What a session does (see [`Orders`], [`Order`], [`orders::Sending`]):
//! - `let orders = commands.enter(device, session)` when the device has shown who it is; dropping `orders` leaves.
//! - in its loop, `order = orders.next()`; then either `order.refuse(reason)` where the protocol has no words for it, or
//!   `let sending = order.sending(reference)`, the bytes, and `sending.delivered()` once the connection has taken them all;
//! - `orders.spoke(now)` for each good frame: of several sessions of a device, orders go to the one that spoke last;
//! - `commands.answered(device, session, reference, done, text)` for each answer of the device to a command;
//! - `commands.located(device, session, fix_time, received_at)` for each valid position, and `commands.timed(…)` for each report
//!   that the device does not call stored.
//!
//! None of these waits. An order that is dropped before `sending` goes back into the queue: no byte of it went out. One that is
//! dropped after it has failed: it may have arrived, and is not sent again. While the case database is away nothing is claimed, so
//! nothing is sent, and what became of commands is kept until it can be written.

mod clocks;
mod dispatch;
mod orders;
mod pending;
mod stops;
#[cfg(test)]
mod tests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use casedb::{
    Database,
    command::{self, Instruction, Outcome},
};
use codec::Command;
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::{clone::Registry, refusals::Refusals};
use clocks::Clocks;
use orders::Mailboxes;
pub(crate) use orders::{Order, Orders};
use pending::Pending;

/// What is to be written down of a command.
#[derive(Debug)]
struct News {
    command_id: Uuid,
    device: DeviceId,
    at: Timestamp,
    what: What,
}

#[derive(Debug)]
enum What {
    /// No byte went out: back into the queue.
    Released,
    Delivered,
    Ended(Outcome, String, Option<Timestamp>),
}

/// The commands of a gateway's devices. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Commands(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// As the case database names it.
    gateway: String,
    mailboxes: Mailboxes,
    pending: Pending,
    clocks: Clocks,
    /// Who is suspected of being two.
    registry: Arc<Registry>,
    news: mpsc::UnboundedSender<News>,
    /// News that are not written yet.
    unwritten: AtomicUsize,
    /// The case database's clock minus ours, in microseconds.
    offset_us: AtomicI64,
}

/// The tasks behind [`Commands`]; dropping it ends them.
#[derive(Debug)]
pub(crate) struct Tasks {
    commands: Commands,
    _tasks: Vec<AbortOnDropHandle<()>>,
}

impl Tasks {
    /// Waits until everything that became of commands is written down. For the end of a drain, after the sessions.
    pub(crate) async fn flush(&self, within: Duration) {
        let written = async {
            while self.commands.0.unwritten.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let _ = tokio::time::timeout(within, written).await;
    }
}

impl Commands {
    /// Starts. `gateway`: this process's name, as no other running gateway has it. Without a database no command ever comes.
    pub(crate) fn start(
        database: Option<Database>,
        gateway: &str,
        registry: Arc<Registry>,
        refusals: Arc<Refusals>,
    ) -> (Self, Tasks) {
        let (news, waiting) = mpsc::unbounded_channel();
        let commands = Self(Arc::new(Inner {
            gateway: gateway.to_owned(),
            mailboxes: Mailboxes::default(),
            pending: Pending::default(),
            clocks: Clocks::default(),
            registry,
            news,
            unwritten: AtomicUsize::new(0),
            offset_us: AtomicI64::new(0),
        }));
        let tasks = database.map_or_else(Vec::new, |database| {
            vec![
                AbortOnDropHandle::new(tokio::spawn(dispatch::write(
                    commands.clone(),
                    database.clone(),
                    waiting,
                ))),
                AbortOnDropHandle::new(tokio::spawn(stops::run(commands.clone(), database.clone(), refusals))),
                AbortOnDropHandle::new(tokio::spawn(dispatch::run(commands.clone(), database))),
            ]
        });
        let tasks = Tasks {
            commands: commands.clone(),
            _tasks: tasks,
        };
        (commands, tasks)
    }

    /// Notes that `session` is the device's. Of several, commands go to the one that spoke last; while the device is suspected of
    /// being two, to the one that was there first.
    pub(crate) fn enter(&self, device: DeviceId, session: u64) -> Orders {
        self.0.mailboxes.enter(self, device, session)
    }

    /// Notes a device's answer to a command. `reference`: as the protocol carries it back; `None`: the oldest command that has none
    /// is meant. `done`: `Some(false)` the device will not; otherwise it did, or said something.
    pub(crate) fn answered(
        &self,
        device: DeviceId,
        session: u64,
        reference: Option<Reference>,
        done: Option<bool>,
        text: &str,
    ) {
        if self.0.pending.is_empty() {
            return;
        }
        let others = self.others(device, session);
        if let Some(what) = self.0.pending.answered(device, reference, &others, done, text) {
            self.tell(device, what.0, what.1);
        }
    }

    /// Notes a valid position: the answer to every locate-now that was sent before it was made, by the device's clock as far as
    /// that is known. Costs one atomic read while no command is under way.
    pub(crate) fn located(&self, device: DeviceId, session: u64, fix_time: Timestamp, received_at: Timestamp) {
        if self.0.pending.is_empty() {
            return;
        }
        let others = self.others(device, session);
        let made = (fix_time, self.0.clocks.slow_by(device));
        for command_id in self.0.pending.located(device, &others, made, received_at) {
            let what = What::Ended(Outcome::Located, String::new(), Some(fix_time));
            self.tell(device, command_id, what);
        }
    }

    /// Notes a valid position that names the locate-now to which it is the answer: whatever the device's clock says, it was made
    /// after that.
    pub(crate) fn located_by(&self, device: DeviceId, reference: Reference, fix_time: Timestamp) {
        if let Some(command_id) = self.0.pending.located_by(device, reference, fix_time) {
            let what = What::Ended(Outcome::Located, String::new(), Some(fix_time));
            self.tell(device, command_id, what);
        }
    }

    /// Notes what the device's clock said in a report that it does not call stored; after [`Self::located`] of the same.
    pub(crate) fn timed(&self, device: DeviceId, device_time: Timestamp, received_at: Timestamp) {
        if self.0.clocks.note(device, device_time, received_at) {
            self.is_slower(device);
        }
    }

    /// Takes in by how much the device's clock was slow over another connection, as the case database has it.
    fn remember(&self, device: DeviceId, slow_by: SignedDuration, measured_at: Timestamp) {
        if self.0.clocks.remember(device, slow_by, self.local(measured_at)) {
            self.is_slower(device);
        }
    }

    /// Positions that looked older than a locate-now may be its answer.
    fn is_slower(&self, device: DeviceId) {
        let slow_by = self.0.clocks.slow_by(device);
        for (command_id, fix_time) in self.0.pending.located_after_all(device, slow_by) {
            let what = What::Ended(Outcome::Located, String::new(), Some(fix_time));
            self.tell(device, command_id, what);
        }
    }

    /// The device's other sessions, while it is suspected of being two: what one was told, another does not answer.
    fn others(&self, device: DeviceId, session: u64) -> Vec<u64> {
        if !self.0.registry.is_suspected(device, Timestamp::now()) {
            return Vec::new();
        }
        let mut others = self.0.mailboxes.sessions(device);
        others.retain(|other| *other != session);
        others
    }

    fn tell(&self, device: DeviceId, command_id: Uuid, what: What) {
        self.0.unwritten.fetch_add(1, Ordering::AcqRel);
        let news = News {
            command_id,
            device,
            at: self.clock(),
            what,
        };
        if self.0.news.send(news).is_err() {
            self.0.unwritten.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The case database's time, as far as it is known.
    fn clock(&self) -> Timestamp {
        let offset = SignedDuration::from_micros(self.0.offset_us.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// A time of the case database, by our clock.
    fn local(&self, at: Timestamp) -> Timestamp {
        let offset = SignedDuration::from_micros(self.0.offset_us.load(Ordering::Relaxed));
        at.saturating_sub(offset).unwrap_or(Timestamp::MAX)
    }
}

/// A command in the codec's words.
fn spoken(instruction: &Instruction) -> Command {
    match instruction {
        Instruction::Locate => Command::Locate,
        Instruction::Interval { seconds, for_seconds } => Command::Interval {
            seconds: *seconds,
            for_seconds: *for_seconds,
        },
        Instruction::Vibrate => Command::Vibrate,
        Instruction::Text { text } => Command::Text { text: text.clone() },
    }
}

fn count(kind: &'static str, outcome: &'static str) {
    metrics::counter!("homeward_gateway_commands_total", "command" => kind, "outcome" => outcome).increment(1);
}

/// What a device's answer to a command carries, where it carries anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The case database's number: it means the same in every session.
    Lasting(u32),
    /// A number that a session has counted: it means nothing in another.
    OfSession {
        /// Which.
        session: u64,
        /// The session's number.
        serial: u32,
    },
}

/// Everything about a command that a session or a device's answer may need.
#[derive(Debug, Clone)]
struct Body {
    command_id: Uuid,
    device: DeviceId,
    command: Command,
    /// The case database's number for it.
    number: u32,
    /// What the device's answer carries.
    reference: Reference,
    /// The session that was told; `None`: one of another gateway, or of another life of this one.
    told: Option<u64>,
    /// By our clock.
    expires_at: Timestamp,
}

impl Body {
    fn of(command: &command::Command, commands: &Commands) -> Self {
        Self {
            command_id: command.command_id,
            device: command.device_id,
            command: spoken(&command.instruction),
            number: command.reference,
            reference: Reference::Lasting(command.reference),
            told: None,
            expires_at: commands.local(command.expires_at),
        }
    }
}
