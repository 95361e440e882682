//! The way of a command into a session. A mailbox, not a channel: fifty thousand sessions have one, and hardly any gets an order.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use casedb::command::Outcome;
use codec::Command;
use jiff::Timestamp;
use proto::DeviceId;
use tokio::sync::Notify;

use super::{Body, Commands, What, count};

/// A session that gave an order back is not given the next at once: after the first time, doubled with each further one.
const PUT_OFF: Duration = Duration::from_secs(1);
const LONGEST_PUT_OFF: Duration = Duration::from_mins(5);

/// Orders that wait for one session.
#[derive(Debug, Default)]
struct Mailbox {
    waiting: Mutex<VecDeque<Box<Body>>>,
    arrived: Notify,
}

/// The mailboxes of the devices whose sessions are open here.
#[derive(Debug, Default)]
pub(super) struct Mailboxes {
    open: Mutex<HashMap<DeviceId, (u64, Arc<Mailbox>)>>,
    /// Devices whose sessions gave orders back unsent: how often in a row, and until when they get none.
    put_off: Mutex<HashMap<DeviceId, (u32, Instant)>>,
}

impl Mailboxes {
    pub(super) fn enter(&self, commands: &Commands, device: DeviceId, session: u64) -> Orders {
        let mailbox = Arc::new(Mailbox::default());
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(device, (session, Arc::clone(&mailbox)));
        self.took(device);
        Orders {
            mailbox,
            device,
            session,
            commands: commands.clone(),
        }
    }

    /// True when the device's session is here.
    pub(super) fn has(&self, device: DeviceId) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.contains_key(&device)
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

    /// Hands an order to the device's session; back with it when there is none.
    pub(super) fn hand_over(&self, body: Box<Body>) -> Result<(), Box<Body>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, mailbox)) = open.get(&body.device) else {
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

    fn leave(&self, device: DeviceId, session: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&device).is_some_and(|(current, _)| *current == session) {
            open.remove(&device);
            drop(open);
            self.took(device);
        }
    }
}

/// What a session is told to send. Dropping it leaves; what still waits goes back into the queue.
#[derive(Debug)]
pub(crate) struct Orders {
    mailbox: Arc<Mailbox>,
    device: DeviceId,
    session: u64,
    commands: Commands,
}

impl Orders {
    /// Waits for the next order; for ever where none comes. Dropping the future loses nothing. An order whose time is over while it
    /// waited for the session is not handed out.
    pub(crate) async fn next(&self) -> Order {
        loop {
            if let Some(order) = self.take() {
                if !order.is_over() {
                    return order.handed_out();
                }
                continue; // dropped, it goes back, and expires there
            }
            self.mailbox.arrived.notified().await;
        }
    }

    fn take(&self) -> Option<Order> {
        let mut waiting = self.mailbox.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front().map(|body| Order::new(body, self.commands.clone()))
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        self.commands.0.mailboxes.leave(self.device, self.session);
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

    fn handed_out(mut self) -> Self {
        self.0.handed_out = true;
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
        self.0.body.reference
    }

    /// The device's protocol, or its profile, has no words for it: it fails, with the reason.
    pub(crate) fn refuse(mut self, reason: &impl ToString) {
        count(self.command().name(), "unsupported");
        self.0.on_drop = Some(What::Ended(Outcome::Unsupported, reason.to_string(), None));
    }

    /// To be called before the first byte goes out. `reference`: what the device's answer will carry, where it carries anything.
    /// From now on it is not sent again, whatever happens.
    pub(crate) fn sending(mut self, reference: u32) -> Sending {
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
    /// The connection has taken all bytes.
    pub(crate) fn delivered(mut self) {
        count(self.0.body.command.name(), "delivered");
        self.0.on_drop = None;
        self.0
            .commands
            .tell(self.0.body.device, self.0.body.command_id, What::Delivered);
    }
}
