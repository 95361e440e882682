//! `homeward device fit|remove|swap|fault|repair|life|silent`.

use anyhow::{Context, Result};
use casedb::{
    Database, GenericClient, authority,
    device::{
        self, Listed,
        life::{self, Fault, Silent, Worn},
    },
    note,
};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

use super::{one, or_dash, second};
use crate::{
    cli::{device::DeviceCommand, orders::By},
    command::{orders, table::aligned},
};

/// Rows of a list.
const LIMIT: i64 = 100_000;

pub async fn run(database: &Database, command: DeviceCommand) -> Result<()> {
    let now = Timestamp::now();
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    match command {
        DeviceCommand::Fit { device, person, by } => {
            let device = named(&transaction, &device).await?;
            let wearer = orders::person(&transaction, &person).await?;
            let by = orders::author_on(&transaction, &by, &authority::WORN, wearer.person_id).await?;
            note::act_as(&transaction, by).await?;
            life::fit(&transaction, device.id(), wearer.person_id, by, now).await?;
            println!("{} is on {person} from {} on", name(&device), second(now));
        }
        DeviceCommand::Remove { device, reason, by } => {
            let device = named(&transaction, &device).await?;
            let by = keeper(&transaction, &by, &device).await?;
            life::remove(&transaction, device.id(), reason.parse()?, by, now).await?;
            println!("{} came off at {}", name(&device), second(now));
        }
        DeviceCommand::Swap { old, new, reason, by } => {
            let (old, new) = (named(&transaction, &old).await?, named(&transaction, &new).await?);
            let by = orders::acting(&transaction, &by).await?;
            authority::of_swap(&transaction, &by, old.id()).await.context("--by")?;
            let by = by.user_id;
            note::act_as(&transaction, by).await?;
            life::swap(&transaction, old.id(), new.id(), reason.parse()?, by, now).await?;
            println!("{} took the place of {} at {}", name(&new), name(&old), second(now));
        }
        DeviceCommand::Fault {
            device,
            reason,
            detail,
            since,
            by,
        } => {
            let device = named(&transaction, &device).await?;
            let by = keeper(&transaction, &by, &device).await?;
            let since = since
                .map(|since| orders::instant(since, &TimeZone::UTC, false))
                .transpose()?;
            let since = since.unwrap_or(now);
            let fault = life::report_fault(
                &transaction,
                device.id(),
                reason.parse()?,
                &detail,
                since,
                Some(by),
                now,
            )
            .await?;
            println!("fault {fault} of {} since {}", name(&device), second(since));
        }
        DeviceCommand::Repair {
            device,
            reason,
            outcome,
            detail,
            by,
        } => {
            let device = named(&transaction, &device).await?;
            let by = keeper(&transaction, &by, &device).await?;
            let reason = reason.as_deref().map(str::parse).transpose()?;
            let ended = life::end_faults(&transaction, device.id(), reason, outcome.parse()?, &detail, by, now).await?;
            println!("{ended} faults of {} ended", name(&device));
        }
        DeviceCommand::Life { device, json } => {
            let device = match &device {
                Some(device) => Some(named(&transaction, device).await?),
                None => None,
            };
            let (worn, faults) = match &device {
                Some(device) => (
                    life::life(&transaction, device.id()).await?,
                    life::faults_of_device(&transaction, device.id()).await?,
                ),
                None => (Vec::new(), life::open_faults(&transaction).await?),
            };
            if json {
                println!("{}", serde_json::json!({ "worn": worn, "faults": faults }));
            } else {
                if device.is_some() {
                    print!("{}", worn_table(&worn));
                }
                print!("{}", fault_table(&faults));
            }
        }
        DeviceCommand::Silent { json } => {
            let found = life::silent(&transaction, None, now, LIMIT).await?;
            if json {
                println!("{}", serde_json::to_string(&found)?);
            } else if found.is_empty() {
                println!("every device that is fitted was heard");
            } else {
                print!("{}", silent_table(&found));
            }
        }
        // The others are dealt with before.
        _ => {}
    }
    transaction.commit().await.context("commit")?;
    Ok(())
}

/// Who does something with a device: refused where its wearer is not theirs to look after.
async fn keeper(client: &impl GenericClient, by: &By, device: &Listed) -> Result<Uuid> {
    let by = orders::acting(client, by).await?;
    authority::of_device(client, &by, device.id()).await.context("--by")?;
    note::act_as(client, by.user_id).await?;
    Ok(by.user_id)
}

async fn named(client: &impl GenericClient, text: &str) -> Result<Listed> {
    one(device::find(client, text).await?, text)
}

fn name(device: &Listed) -> String {
    format!("{}:{}", device.protocol, device.identity)
}

fn maybe(time: Option<Timestamp>) -> String {
    time.map_or_else(|| "-".to_owned(), second)
}

/// Who wore what, when.
pub fn worn_table(worn: &[Worn]) -> String {
    let head = ["device", "worn by", "fitted", "by", "removed", "by", "why"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(worn.iter().map(|worn| {
        [
            format!("{}:{}", worn.protocol, worn.identity),
            worn.wearer.clone().unwrap_or_else(|| "a protected person".to_owned()),
            second(worn.fitted_at),
            or_dash(worn.fitted_by.as_deref().unwrap_or_default()),
            maybe(worn.removed_at),
            or_dash(worn.removed_by.as_deref().unwrap_or_default()),
            or_dash(&worn.removal_reason),
        ]
    }));
    aligned(&rows, "")
}

/// Faults.
pub fn fault_table(faults: &[Fault]) -> String {
    let head = [
        "fault of",
        "worn by",
        "what",
        "since",
        "reported by",
        "ended",
        "how",
        "detail",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(faults.iter().map(|fault| {
        [
            fault.device.clone(),
            or_dash(fault.wearer.as_deref().unwrap_or_default()),
            fault.reason.to_string(),
            second(fault.faulty_since),
            or_dash(fault.reported_by.as_deref().unwrap_or_default()),
            maybe(fault.ended_at),
            fault
                .outcome
                .map_or_else(|| "-".to_owned(), |outcome| outcome.to_string()),
            [fault.detail.as_str(), fault.repair.as_str()]
                .join(" ")
                .trim()
                .to_owned(),
        ]
    }));
    aligned(&rows, "")
}

fn silent_table(found: &[Silent]) -> String {
    let head = [
        "worn by",
        "device",
        "fitted",
        "last heard",
        "silent since",
        "allowed",
        "since it was fitted",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(found.iter().map(|silent| {
        [
            silent.reference.clone(),
            silent.device.clone(),
            second(silent.fitted_at),
            silent.last_seen_at.map_or_else(|| "never".to_owned(), second),
            second(silent.silent_since),
            format!("{} s", silent.allowed_s),
            if silent.never_heard { "never heard" } else { "heard" }.to_owned(),
        ]
    }));
    aligned(&rows, "")
}
