//! `homeward leave …`: leave passes, asked for and decided.

use anyhow::{Context, Result, bail};
use casedb::{
    Client, GenericClient, authority,
    change::{self, What},
    leave::{self, Leave, LeaveRequest},
    order::Decision,
    rules,
    user::{self, User},
    zone::{self, PersonZone},
};
use jiff::{Timestamp, tz::TimeZone};
use proto::{PersonId, ZoneId};
use uuid::Uuid;

use super::orders;
use crate::{
    cli::orders::{By, LeaveAdd, LeaveAsk, LeaveCommand},
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
        LeaveCommand::Request(ask) => {
            let transaction = client.transaction().await.context("transaction")?;
            let (pass, zone, by) = read(&transaction, &ask, "").await?;
            leave::ask(&transaction, &pass).await?;
            let detail = pass.leave_id.to_string();
            change::note(
                &transaction,
                by.user_id,
                Some(pass.person_id),
                What::LeaveRequested,
                &detail,
            )
            .await?;
            let said = state(&leave::request(&transaction, pass.leave_id).await?, &zone);
            transaction.commit().await.context("commit")?;
            println!("{said}");
        }
        LeaveCommand::Approve { pass, note, by } => {
            println!("{}", decide(&mut client, pass, Decision::Approved, &note, &by).await?);
        }
        LeaveCommand::Refuse { pass, reason, by } => {
            println!("{}", decide(&mut client, pass, Decision::Refused, &reason, &by).await?);
        }
        LeaveCommand::List { person } => {
            let person = orders::person(&client, &person).await?;
            let zone = orders::time_zone(&person)?;
            let passes = leave::requests(&client, person.person_id, Timestamp::now()).await?;
            if passes.is_empty() {
                println!("no leave passes");
            }
            for pass in passes {
                println!("{}", state(&pass, &zone));
            }
        }
        LeaveCommand::Withdraw { pass, by } => {
            let now = Timestamp::now();
            let transaction = client.transaction().await.context("transaction")?;
            let found = leave::request(&transaction, pass)
                .await
                .context("`homeward leave list PERSON` shows the passes")?;
            let whose = PersonId::new(found.person_id);
            let author = orders::author_on(&transaction, &by, &authority::LEAVE, whose).await?;
            if found.withdrawn_at.is_some() || found.ends_at <= now {
                bail!("leave {pass} is withdrawn or over");
            }
            let person = leave::withdraw(&transaction, pass, now).await?;
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
    let (pass, zone, by) = read(transaction, &arguments.ask, &arguments.approver).await?;
    match user::find(transaction, &arguments.approver).await? {
        Some((approver, _)) => {
            leave::ask(transaction, &pass).await?;
            leave::decide(transaction, pass.leave_id, Decision::Approved, &approver, "", now).await?;
        }
        None => leave::add(transaction, &pass).await?,
    }
    let said = line(&pass, &zone);
    change::note(transaction, by.user_id, Some(pass.person_id), What::Leave, &said).await?;
    rules::publish(transaction, pass.person_id, now).await?;
    Ok(said)
}

/// The pass that is asked for, the person's time zone, and who asks.
async fn read(transaction: &impl GenericClient, ask: &LeaveAsk, approver: &str) -> Result<(Leave, TimeZone, User)> {
    let now = Timestamp::now();
    let person = orders::person(transaction, &ask.person).await?;
    let zone = orders::time_zone(&person)?;
    let held = zone::of_person(transaction, person.person_id).await?;
    let by = orders::acting(transaction, &ask.by).await?;
    authority::of_person(transaction, &by, &authority::LEAVE, person.person_id)
        .await
        .context("--by")?;
    let zones = ask.zone.iter().map(|name| find(&held, name));
    let pass = Leave {
        leave_id: Uuid::now_v7(),
        person_id: person.person_id,
        starts_at: orders::instant(ask.from, &zone, false).context("--from")?,
        ends_at: orders::instant(ask.until, &zone, true).context("--until")?,
        reason: ask.reason.clone(),
        approved_by: approver.to_owned(),
        created_by: Some(by.user_id),
        zones: zones.collect::<Result<_>>()?,
        withdrawn_at: None,
    };
    if pass.ends_at <= now {
        bail!("--until {}: that is over", orders::local(pass.ends_at, &zone));
    }
    if !held.iter().any(|zone| pass.covers(zone)) {
        bail!("{} has no inclusion zone that the pass could open", ask.person);
    }
    Ok((pass, zone, by))
}

async fn decide(client: &mut Client, pass: Uuid, decision: Decision, note: &str, by: &By) -> Result<String> {
    let now = Timestamp::now();
    let transaction = client.transaction().await.context("transaction")?;
    let by = orders::acting(&transaction, by).await?;
    let person_id = leave::decide(&transaction, pass, decision, &by, note, now).await?;
    let what = match decision {
        Decision::Approved => What::Leave,
        Decision::Refused => What::LeaveRefused,
    };
    let zone = orders::time_zone(&casedb::person::read(&transaction, person_id).await?)?;
    let said = state(&leave::request(&transaction, pass).await?, &zone);
    change::note(&transaction, by.user_id, Some(person_id), what, &said).await?;
    if decision == Decision::Approved {
        rules::publish(&transaction, person_id, now).await?;
    }
    transaction.commit().await.context("commit")?;
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

/// A pass on one line, with what became of it.
fn state(pass: &LeaveRequest, zone: &TimeZone) -> String {
    let local = |at| orders::local(at, zone);
    let who = |name: &Option<String>| name.clone().unwrap_or_else(|| "the program".to_owned());
    let zones: Vec<_> = pass.zones.iter().map(ToString::to_string).collect();
    let what = format!(
        "{}  {} to {}  {}  {:?}",
        pass.leave_id,
        local(pass.starts_at),
        local(pass.ends_at),
        if zones.is_empty() {
            "all inclusion zones".to_owned()
        } else {
            format!("zones {}", zones.join(", "))
        },
        pass.reason,
    );
    let became = match pass.state.as_str() {
        "requested" => format!("requested by {:?}: waits for approval", who(&pass.requested_by)),
        "refused" => format!("refused by {:?}: {}", who(&pass.decided_by), pass.decision_note),
        _ => format!("approved by {:?}", pass.approved_by.clone().unwrap_or_default()),
    };
    let withdrawn = pass
        .withdrawn_at
        .map_or_else(String::new, |at| format!("; withdrawn {}", local(at)));
    format!("{what}, {became}{withdrawn}")
}
