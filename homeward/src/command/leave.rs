//! `homeward leave …`: leave passes.

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient,
    change::{self, What},
    leave::{self, Leave},
    rules,
    zone::{self, PersonZone},
};
use jiff::{Timestamp, tz::TimeZone};
use proto::ZoneId;
use uuid::Uuid;

use super::orders;
use crate::{
    cli::orders::{LeaveAdd, LeaveCommand},
    config::Config,
};

pub async fn run(config: Config, command: LeaveCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    match command {
        LeaveCommand::Add(arguments) => {
            let transaction = client.transaction().await.context("transaction")?;
            let said = add(&transaction, &arguments).await?;
            transaction.commit().await.context("commit")?;
            println!("{said}");
        }
        LeaveCommand::List { person } => {
            let person = orders::person(&client, &person).await?;
            let zone = orders::time_zone(&person)?;
            let passes = leave::of_person(&client, person.person_id, Timestamp::now()).await?;
            if passes.is_empty() {
                println!("no leave passes");
            }
            for pass in passes {
                println!("{}", line(&pass, &zone));
            }
        }
        LeaveCommand::Withdraw { pass, by } => {
            let now = Timestamp::now();
            let transaction = client.transaction().await.context("transaction")?;
            let author = orders::author(&transaction, &by).await?;
            let person = leave::withdraw(&transaction, pass, now)
                .await
                .context("`homeward leave list PERSON` shows the passes")?;
            let detail = pass.to_string();
            change::note(&transaction, author, Some(person), What::LeaveWithdrawn, &detail).await?;
            rules::publish(&transaction, person, now).await?;
            transaction.commit().await.context("commit")?;
            println!("withdrawn");
        }
    }
    Ok(())
}

async fn add(transaction: &impl GenericClient, arguments: &LeaveAdd) -> Result<String> {
    let now = Timestamp::now();
    let person = orders::person(transaction, &arguments.person).await?;
    let zone = orders::time_zone(&person)?;
    let held = zone::of_person(transaction, person.person_id).await?;
    let author = orders::author(transaction, &arguments.by).await?;
    let zones = arguments.zone.iter().map(|name| find(&held, name));
    let pass = Leave {
        leave_id: Uuid::now_v7(),
        person_id: person.person_id,
        starts_at: orders::instant(arguments.from, &zone, false).context("--from")?,
        ends_at: orders::instant(arguments.until, &zone, true).context("--until")?,
        reason: arguments.reason.clone(),
        approved_by: arguments.approver.clone(),
        created_by: Some(author),
        zones: zones.collect::<Result<_>>()?,
        withdrawn_at: None,
    };
    if pass.ends_at <= now {
        bail!("--until {}: that is over", orders::local(pass.ends_at, &zone));
    }
    if !held.iter().any(|zone| pass.covers(zone)) {
        bail!("{} has no inclusion zone that the pass could open", arguments.person);
    }
    leave::add(transaction, &pass).await?;
    let said = line(&pass, &zone);
    change::note(transaction, author, Some(person.person_id), What::Leave, &said).await?;
    rules::publish(transaction, person.person_id, now).await?;
    Ok(said)
}

/// Finds a person's zone by id or label.
fn find(held: &[PersonZone], name: &str) -> Result<ZoneId> {
    let matching: Vec<_> = held
        .iter()
        .filter(|held| held.zone.label == name || held.zone.zone_id.to_string() == name)
        .collect();
    match matching.as_slice() {
        [one] => Ok(one.zone.zone_id),
        [] => {
            let labels: Vec<_> = held.iter().map(|held| format!("{:?}", held.zone.label)).collect();
            bail!("--zone {name:?}: the person's zones are {}", labels.join(", "))
        }
        _ => bail!("--zone {name:?}: several zones are called so; `homeward rules show` tells their ids"),
    }
}

/// A pass on one line.
pub fn line(pass: &Leave, zone: &TimeZone) -> String {
    let zones = match pass.zones.as_slice() {
        [] => "all inclusion zones".to_owned(),
        zones => {
            let zones: Vec<_> = zones.iter().map(ToString::to_string).collect();
            format!("zones {}", zones.join(", "))
        }
    };
    let withdrawn = match pass.withdrawn_at {
        Some(at) => format!("; withdrawn {}", orders::local(at, zone)),
        None => String::new(),
    };
    format!(
        "{}  {} to {}  {zones}  {:?}, approved by {:?}{withdrawn}",
        pass.leave_id,
        orders::local(pass.starts_at, zone),
        orders::local(pass.ends_at, zone),
        pass.reason,
        pass.approved_by
    )
}
