//! Devices are told to stop when their wearer has no legal basis any more, and to report again when there is one: by the words that
//! their protocol has for the reporting interval.

use std::{sync::Arc, time::Duration};

use casedb::{
    Database, Error,
    basis::{self, Stop, StopOutcome},
};
use codec::Command;
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tracing::{debug, info};

use super::{Body, Commands, Reference, What, count, dispatch};
use crate::refusals::Refusals;

const EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for devices that are to report again.
const RESUME_EVERY: u32 = 3;
/// How long an answer is waited for.
const WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// Tells devices that are refused to stop, and those that are not any more to go on, until dropped.
pub(super) async fn run(commands: Commands, database: Database, refusals: Arc<Refusals>) {
    let mut turn = 0_u32;
    loop {
        tokio::time::sleep(EVERY).await;
        turn = turn.wrapping_add(1);
        for device in refusals.take_devices() {
            if commands.0.mailboxes.wants(device)
                && let Err(error) = tell(&commands, &database, device, false).await
            {
                debug!(%error, "a device cannot be told to stop yet");
            }
        }
        if turn.is_multiple_of(RESUME_EVERY)
            && let Err(error) = resume(&commands, &database).await
        {
            debug!(%error, "devices cannot be told to report again yet");
        }
    }
}

async fn resume(commands: &Commands, database: &Database) -> Result<(), Error> {
    let client = database.client().await?;
    let devices = basis::resumable(&client, Timestamp::now()).await?;
    drop(client);
    for device in devices {
        if commands.0.mailboxes.wants(device) {
            tell(commands, database, device, true).await?;
        }
    }
    Ok(())
}

/// Puts it on record, then hands it to the device's session.
async fn tell(commands: &Commands, database: &Database, device: DeviceId, again: bool) -> Result<(), Error> {
    let now = Timestamp::now();
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    let gateway = commands.0.gateway.as_str();
    let stop = if again {
        basis::resume(&transaction, device, gateway, now).await?
    } else {
        basis::stop(&transaction, device, gateway, now).await?
    };
    transaction.commit().await?;
    let Some(stop) = stop else { return Ok(()) };
    info!(%device, interval_s = stop.interval_s, "told for want of a legal basis, or because there is one again");
    count(if again { "resume" } else { "stop" }, "claimed");
    hand_over(commands, stop, now);
    Ok(())
}

fn hand_over(commands: &Commands, stop: Stop, now: Timestamp) {
    let number = u32::from_be_bytes(*stop.stop_id.as_bytes().last_chunk().unwrap_or(&[0; 4])) & 0x7fff_ffff;
    let body = Box::new(Body {
        command_id: stop.stop_id,
        device: stop.device_id,
        command: Command::Interval {
            seconds: stop.interval_s,
            for_seconds: 0,
        },
        number: number.max(1),
        reference: Reference::Lasting(number.max(1)),
        told: None,
        expires_at: now + WITHIN,
    });
    dispatch::hand_over(commands, body, now);
}

/// What became of one, in the words of its table.
pub(super) fn outcome(what: &What) -> StopOutcome {
    use casedb::command::Outcome;
    match what {
        What::Delivered => StopOutcome::Delivered,
        What::Ended(Outcome::Done, ..) => StopOutcome::Done,
        What::Ended(Outcome::Refused, ..) => StopOutcome::Refused,
        What::Ended(Outcome::Unsupported, ..) => StopOutcome::Unsupported,
        What::Released | What::Ended(..) => StopOutcome::Lost,
    }
}
