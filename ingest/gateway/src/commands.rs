//! Commands: from the case database to the session that holds the device, and what becomes of them back again.
//!
//! What a session does (see [`Orders`], [`Order`], [`orders::Sending`]):
//! - `let orders = commands.enter(device, session)` when the device has shown who it is; dropping `orders` leaves.
//! - in its loop, `order = orders.next()`; then either `order.refuse(reason)` where the protocol has no words for it, or
//!   `let sending = order.sending(reference)`, the bytes, and `sending.delivered()` once the connection has taken them all;
//! - `commands.answered(device, reference, done, text)` for each answer of the device to a command;
//! - `commands.located(device, fix_time, received_at)` for each valid position.
//!
//! None of these waits. An order that is dropped before `sending` goes back into the queue: no byte of it went out. One that is
//! dropped after it has failed: it may have arrived, and is not sent again. While the case database is away nothing is claimed, so
//! nothing is sent, and what became of commands is kept until it can be written.

mod dispatch;
mod orders;
mod pending;
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
    pub(crate) fn start(database: Option<Database>, gateway: &str) -> (Self, Tasks) {
        let (news, waiting) = mpsc::unbounded_channel();
        let commands = Self(Arc::new(Inner {
            gateway: gateway.to_owned(),
            mailboxes: Mailboxes::default(),
            pending: Pending::default(),
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
                AbortOnDropHandle::new(tokio::spawn(dispatch::run(commands.clone(), database))),
            ]
        });
        let tasks = Tasks {
            commands: commands.clone(),
            _tasks: tasks,
        };
        (commands, tasks)
    }

    /// Makes `session` the one to which the device's commands go; a session before it gets no more.
    pub(crate) fn enter(&self, device: DeviceId, session: u64) -> Orders {
        self.0.mailboxes.enter(self, device, session)
    }

    /// Notes a device's answer to a command. `reference`: as the protocol carries it back; `None`: the oldest command that has none
    /// is meant. `done`: `Some(false)` the device will not; otherwise it did, or said something.
    pub(crate) fn answered(&self, device: DeviceId, reference: Option<u32>, done: Option<bool>, text: &str) {
        if let Some(what) = self.0.pending.answered(device, reference, done, text) {
            self.tell(device, what.0, what.1);
        }
    }

    /// Notes a valid position: the answer to every locate-now that was sent before it was made. `fix_time`: corrected by the
    /// device's skew where that is known. Costs one atomic read while no command is under way.
    pub(crate) fn located(&self, device: DeviceId, fix_time: Timestamp, received_at: Timestamp) {
        for command_id in self.0.pending.located(device, fix_time, received_at) {
            let what = What::Ended(Outcome::Located, String::new(), Some(fix_time));
            self.tell(device, command_id, what);
        }
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

/// Everything about a command that a session or a device's answer may need.
#[derive(Debug, Clone)]
struct Body {
    command_id: Uuid,
    device: DeviceId,
    command: Command,
    reference: u32,
    /// By our clock.
    expires_at: Timestamp,
}

impl Body {
    fn of(command: &command::Command, commands: &Commands) -> Self {
        Self {
            command_id: command.command_id,
            device: command.device_id,
            command: spoken(&command.instruction),
            reference: command.reference,
            expires_at: commands.local(command.expires_at),
        }
    }
}
