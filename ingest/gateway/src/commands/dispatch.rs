//! The tasks between the case database and the sessions.

use std::{sync::atomic::Ordering, time::Duration};

use casedb::{
    Database, Error, Listener, Notice,
    command::{self, Instruction},
};
use jiff::Timestamp;
use proto::DeviceId;
use rand::RngExt;
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Body, Commands, News, Order, What, count, stops};

/// Commands are looked for this often in any case: a notification may be lost, and a device may have come since.
const EVERY: Duration = Duration::from_secs(2);
/// Commands taken at once.
const AT_ONCE: i64 = 200;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a notification says.
#[derive(Deserialize)]
struct Told {
    device_id: Uuid,
    state: command::State,
}

/// Takes what is due for the devices whose sessions are here, and ends what has had its time, until dropped.
pub(super) async fn run(commands: Commands, database: Database) {
    let mut listener = None;
    loop {
        if listener.is_none() {
            listener = database.listen(&[command::CHANNEL]).await.ok();
        }
        if let Err(error) = look(&commands, &database).await {
            // Said once by the listener; here it would be said every two seconds.
            debug!(%error, "commands cannot be looked for");
        }
        for (device, command_id, what) in commands.0.pending.over(Timestamp::now()) {
            commands.tell(device, command_id, what);
        }
        // Gateways that start together do not ask together.
        let pause = EVERY.mul_f64(rand::rng().random_range(0.8..1.1));
        let until = tokio::time::Instant::now() + pause;
        while let Ok(Some(device)) = tokio::time::timeout_at(until, told(listener.as_mut())).await {
            if commands.0.mailboxes.wants(device)
                && let Err(error) = take(&commands, &database, &[device]).await
            {
                debug!(%error, "a command cannot be taken");
            }
        }
    }
}

/// Waits for news of a device for which something was queued; `None`: look at everything.
async fn told(listener: Option<&mut Listener>) -> Option<DeviceId> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.recv().await {
            Some(Notice::Notification { payload, .. }) => match serde_json::from_str::<Told>(&payload) {
                Ok(told) if told.state == command::State::Queued => return Some(DeviceId::new(told.device_id)),
                _ => {}
            },
            Some(Notice::Resumed) => return None,
            Some(Notice::Lost) => {}
            None => return std::future::pending().await,
        }
    }
}

/// One look at everything: what is over, what is due, what others have sent to devices that are here now.
async fn look(commands: &Commands, database: &Database) -> Result<(), Error> {
    let client = database.client().await?;
    let before = Timestamp::now();
    let now = command::clock(&client).await?;
    let offset = now.duration_since(before).as_micros();
    let offset = i64::try_from(offset).unwrap_or_default();
    commands.0.offset_us.store(offset, Ordering::Relaxed);
    command::sweep(&client, now).await?;
    for sent in command::under_way(&client, now).await? {
        let ours_and_waiting = sent.gateway == commands.0.gateway && sent.state == command::State::Sent;
        if !ours_and_waiting
            && let Some(sent_at) = sent.sent_at
            && commands.0.mailboxes.has(sent.device_id)
        {
            commands
                .0
                .pending
                .add(&Body::of(&sent, commands), commands.local(sent_at));
        }
    }
    let mut due = command::due_devices(&client, now).await?;
    drop(client);
    due.retain(|device| commands.0.mailboxes.wants(*device));
    take(commands, database, &due).await
}

/// Claims what is due for devices whose sessions are here, and hands it to them.
async fn take(commands: &Commands, database: &Database, devices: &[DeviceId]) -> Result<(), Error> {
    if devices.is_empty() {
        return Ok(());
    }
    loop {
        let client = database.client().await?;
        let now = command::clock(&client).await?;
        let claimed = command::claim(&client, devices, &commands.0.gateway, now, AT_ONCE).await?;
        let located = claimed
            .iter()
            .filter(|command| command.instruction == Instruction::Locate)
            .map(|command| command.device_id);
        let located: Vec<_> = located.collect();
        if !located.is_empty() {
            // What is claimed goes out, whether this can be read or not.
            match casedb::device::clocks(&client, &located).await {
                Ok(clocks) => clocks
                    .into_iter()
                    .for_each(|(device, slow_by, at)| commands.remember(device, slow_by, at)),
                Err(error) => debug!(%error, "devices' clocks cannot be read"),
            }
        }
        drop(client);
        let all = i64::try_from(claimed.len()).is_ok_and(|claimed| claimed < AT_ONCE);
        for command in claimed {
            count(command.instruction.kind(), "claimed");
            hand_over(commands, Box::new(Body::of(&command, commands)), Timestamp::now());
        }
        if all {
            return Ok(());
        }
    }
}

/// Hands an order to the device's session, or puts it back. The session was asked before the order was claimed ([`take`]): it may have gone
/// since, or have given another back, and then it is not to have the next at once.
pub(super) fn hand_over(commands: &Commands, body: Box<Body>, now: Timestamp) {
    let suspected = commands.0.registry.is_suspected(body.device, now);
    let mailboxes = &commands.0.mailboxes;
    let handed = if mailboxes.wants(body.device) {
        mailboxes.hand_over(body, suspected, now)
    } else {
        Err(body)
    };
    if let Err(body) = handed {
        drop(Order::new(body, commands.clone()));
    }
}

/// Writes down what became of commands, in the order in which it came, as often as it takes.
pub(super) async fn write(commands: Commands, database: Database, mut waiting: mpsc::UnboundedReceiver<News>) {
    while let Some(news) = waiting.recv().await {
        let mut pause = FIRST_PAUSE;
        loop {
            match put(&commands, &database, &news).await {
                Ok(()) => break,
                Err(error) if error.is_retryable() => debug!(%error, "what became of a command waits to be written"),
                Err(error) => {
                    warn!(%error, command_id = %news.command_id, "what became of a command cannot be written");
                    break;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        commands.0.unwritten.fetch_sub(1, Ordering::AcqRel);
    }
}

async fn put(commands: &Commands, database: &Database, news: &News) -> Result<(), Error> {
    let client = database.client().await?;
    let written = match &news.what {
        What::Released => command::release(&client, news.command_id, &commands.0.gateway).await?,
        What::Delivered => command::deliver(&client, news.command_id, news.at).await?,
        What::Ended(outcome, text, fix_time) => {
            command::end(&client, news.command_id, news.at, *outcome, text, *fix_time).await?
        }
    };
    if !written {
        // Nothing, unless it is a word to stop or to report again: those are in a table of their own.
        casedb::basis::ended(&client, news.command_id, stops::outcome(&news.what)).await?;
    }
    debug!(command_id = %news.command_id, device_id = %news.device, written, "what became of a command");
    Ok(())
}
