//! The way of a command into a session. A mailbox, not a channel: fifty thousand sessions have one, and hardly any gets an order.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use casedb::command::Outcome;
use codec::Command;
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tokio::sync::Notify;

use super::{Body, Commands, Reference, What, count};

/// A session that gave an order back is not given the next at once: after the first time, doubled with each further one.
const PUT_OFF: Duration = Duration::from_secs(1);
const LONGEST_PUT_OFF: Duration = Duration::from_mins(5);

/// Who has only logged in counts as one who spoke so long ago: a device that comes back is given orders at once where its old
/// connection has been silent for so long, and one that only knows the name is not where it has not.
const LOGGED_IN: SignedDuration = SignedDuration::from_mins(1);
/// Of a device that is suspected of being two, the first session that has said anything within this time is given the orders.
const LIVES: SignedDuration = SignedDuration::from_mins(5);

/// Orders that wait for one session.
#[derive(Debug)]
struct Mailbox {
    session: u64,
    /// When it last spoke, in microseconds.
    spoke: AtomicI64,
    /// It has spoken since it is here: the log-in.
    greeted: AtomicBool,
    waiting: Mutex<VecDeque<Box<Body>>>,
    arrived: Notify,
}

/// The mailboxes of the devices whose sessions are open here.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    /// The one that came last is last.
    open: Mutex<HashMap<DeviceId, Vec<Arc<Mailbox>>>>,
    /// Devices whose sessions gave orders back unsent: how often in a row, and until when they get none.
    put_off: Mutex<HashMap<DeviceId, (u32, Instant)>>,
}

impl Mailboxes {
    pub(super) fn enter(&self, commands: &Commands, device: DeviceId, session: u64) -> Orders {
        let since = Timestamp::now().saturating_sub(LOGGED_IN).unwrap_or(Timestamp::MIN);
        let mailbox = Arc::new(Mailbox {
            session,
            spoke: AtomicI64::new(since.as_microsecond()),
            greeted: AtomicBool::new(false),
            waiting: Mutex::default(),
            arrived: Notify::new(),
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let sessions = open.entry(device).or_default();
        sessions.reserve_exact(1);
        sessions.push(Arc::clone(&mailbox));
        drop(open);
        self.took(device);
        Orders {
            mailbox,
            device,
            commands: commands.clone(),
        }
    }

    /// True when the device's session is here.
    pub(super) fn has(&self, device: DeviceId) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains_key(&device)
    }

    /// The device's sessions that are here.
    pub(super) fn sessions(&self, device: DeviceId) -> Vec<u64> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_device = open.get(&device).into_iter().flatten();
        of_device.map(|mailbox| mailbox.session).collect()
    }

    /// True when the device's session is here and takes orders.
    pub(super) fn wants(&self, device: DeviceId) -> bool {
        let put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = put_off.get(&device).is_some_and(|(_, until)| *until > Instant::now());
        drop(put_off);
        !waits && self.has(device)
    }

    fn gave_back(&self, device: DeviceId) {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        let (times, until) = put_off.entry(device).or_insert((0, Instant::now()));
        *until = Instant::now() + (PUT_OFF * 2_u32.saturating_pow(*times)).min(LONGEST_PUT_OFF);
        *times = times.saturating_add(1).min(16);
    }

    fn took(&self, device: DeviceId) {
        let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
        put_off.remove(&device);
    }

    /// Hands an order to the device's session; back with it when there is none. `suspected`: of being two.
    pub(super) fn hand_over(&self, body: Box<Body>, suspected: bool, now: Timestamp) -> Result<(), Box<Body>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mailbox) = open
            .get(&body.device)
            .and_then(|sessions| chosen(sessions, suspected, now))
        else {
            return Err(body);
        };
        // Under the lock of `open`: a session that leaves now finds the order, and gives it back.
        mailbox
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(body);
        mailbox.arrived.notify_one();
        Ok(())
    }

    fn leave(&self, device: DeviceId, mailbox: &Arc<Mailbox>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sessions) = open.get_mut(&device) else { return };
        sessions.retain(|other| !Arc::ptr_eq(other, mailbox));
        if sessions.is_empty() {
            open.remove(&device);
            drop(open);
            self.took(device);
        }
    }
}

/// Which of a device's sessions is given an order: the one that spoke last; of a device that is suspected of being two, the one
/// that was there first and lives.
fn chosen(sessions: &[Arc<Mailbox>], suspected: bool, now: Timestamp) -> Option<&Arc<Mailbox>> {
    let spoke = |mailbox: &Mailbox| mailbox.spoke.load(Ordering::Relaxed);
    let lives = now.saturating_sub(LIVES).unwrap_or(Timestamp::MIN).as_microsecond();
    let first = sessions.iter().find(|mailbox| suspected && spoke(mailbox) >= lives);
    // Of equals the last is taken: the older.
    first.or_else(|| sessions.iter().rev().max_by_key(|mailbox| spoke(mailbox)))
}

/// What a session is told to send. Dropping it leaves; what still waits goes back into the queue.
#[derive(Debug)]
pub(crate) struct Orders {
    mailbox: Arc<Mailbox>,
    device: DeviceId,
    commands: Commands,
}

impl Orders {
    /// Notes that the session has proved that it is the device's: it is given what comes from now on.
    pub(crate) fn proven(&self, now: Timestamp) {
        self.mailbox.spoke.fetch_max(now.as_microsecond(), Ordering::Relaxed);
    }

    /// Notes a good frame. The first is the log-in: anybody can say that.
    pub(crate) fn spoke(&self, now: Timestamp) {
        if self.mailbox.greeted.swap(true, Ordering::Relaxed) {
            self.proven(now);
        }
    }

    /// Waits for the next order; for ever where none comes. Dropping the future loses nothing. An order whose time is over while it
    /// waited for the session is not handed out.
    pub(crate) async fn next(&self) -> Order {
        loop {
            if let Some(order) = self.take() {
                if !order.is_over() {
                    return order.handed_out(self.mailbox.session);
                }
                continue; // dropped, it goes back, and expires there
            }
            self.mailbox.arrived.notified().await;
        }
    }

    #[cfg(test)]
    pub(super) fn session(&self) -> u64 {
        self.mailbox.session
    }

    #[cfg(test)]
    pub(super) fn silent_since(&self, at: Timestamp) {
        self.mailbox.spoke.store(at.as_microsecond(), Ordering::Relaxed);
    }

    fn take(&self) -> Option<Order> {
        let mut waiting = self.mailbox.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front().map(|body| Order::new(body, self.commands.clone()))
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.commands.0.mailboxes.leave(self.device, &self.mailbox);
        while let Some(order) = self.take() {
            drop(order);
        }
    }
}

/// A command in a session's hands, and what becomes of it when they let go.
#[derive(Debug)]
struct Held {
    body: Box<Body>,
    commands: Commands,
    on_drop: Option<What>,
    /// The session has it: what it gives back, it will not take at once.
    handed_out: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(what) = self.on_drop.take() else { return };
        if self.handed_out && matches!(what, What::Released) {
            self.commands.0.mailboxes.gave_back(self.body.device);
        }
        if matches!(what, What::Ended(..)) {
            self.commands.0.pending.forget(self.body.device, self.body.command_id);
        }
        self.commands.tell(self.body.device, self.body.command_id, what);
    }
}

/// A command of which nothing has been sent. Dropped like that, it goes back into the queue.
#[derive(Debug)]
pub(crate) struct Order(Held);

impl Order {
    pub(super) fn new(body: Box<Body>, commands: Commands) -> Self {
        Self(Held {
            body,
            commands,
            on_drop: Some(What::Released),
            handed_out: false,
        })
    }

    fn handed_out(mut self, session: u64) -> Self {
        self.0.handed_out = true;
        self.0.body.told = Some(session);
        self
    }

    fn is_over(&self) -> bool {
        self.0.body.expires_at <= Timestamp::now()
    }

    /// Its id: a device that is given the same one twice has been told so before.
    pub(crate) fn id(&self) -> uuid::Uuid {
        self.0.body.command_id
    }

    /// When it is over, by our clock.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.0.body.expires_at
    }

    /// What the device is to do.
    pub(crate) fn command(&self) -> &Command {
        &self.0.body.command
    }

    /// The case database's number for it, 1 to 2147483647, for protocols that carry one back.
    pub(crate) fn reference(&self) -> u32 {
        self.0.body.number
    }

    /// The device's protocol, or its profile, has no words for it: it fails, with the reason.
    pub(crate) fn refuse(mut self, reason: &impl ToString) {
        count(self.command().name(), "unsupported");
        self.0.on_drop = Some(What::Ended(Outcome::Unsupported, reason.to_string(), None));
    }

    /// To be called before the first byte goes out. `reference`: what the device's answer will carry, where it carries anything.
    /// From now on it is not sent again, whatever happens.
    pub(crate) fn sending(mut self, reference: Reference) -> Sending {
        let lost = What::Ended(Outcome::ConnectionLost, String::new(), None);
        self.0.on_drop = Some(lost);
        self.0.body.reference = reference;
        self.0.commands.0.mailboxes.took(self.0.body.device);
        self.0.commands.0.pending.add(&self.0.body, Timestamp::now());
        Sending(self.0)
    }
}

/// A command whose bytes are going out. Dropped like that, it has failed: the connection broke, and nobody knows what arrived.
#[derive(Debug)]
pub(crate) struct Sending(Held);

impl Sending {
    /// The bytes have gone out where nobody takes them (UDP): it stays sent, until the device says more or its time is over.
    pub(crate) fn sent(mut self) {
        count(self.0.body.command.name(), "sent");
        self.0.on_drop = None;
    }

    /// The connection has taken all bytes.
    pub(crate) fn delivered(mut self) {
        count(self.0.body.command.name(), "delivered");
        self.0.on_drop = None;
        self.0
            .commands
            .tell(self.0.body.device, self.0.body.command_id, What::Delivered);
    }
}
