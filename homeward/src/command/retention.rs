//! `homeward retention` and `homeward hold`.

use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient, audit, authority,
    retention::{self, Plan, Progress, Ran, Terms},
    user,
};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use proto::PersonId;
use serde_json::json;
use uuid::Uuid;

use super::{orders, table::aligned};
use crate::{
    cli::retention::{HoldCommand, RetentionCommand},
    config::Config,
};

/// Certificates that are shown.
const SHOWN: i64 = 20;

/// The terms of the settings.
pub fn terms(config: &Config) -> Terms {
    Terms {
        movement_months: config.retention.movement_months,
        record_months: config.retention.record_months,
    }
}

pub async fn run(config: Config, command: RetentionCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let terms = terms(&config);
    match command {
        RetentionCommand::Show { person, json } => show(&database, &terms, &config, person.as_deref(), json).await,
        RetentionCommand::Plan { json } => delete(&database, &terms, true, json).await,
        RetentionCommand::Run { json } => delete(&database, &terms, false, json).await,
        RetentionCommand::Certificate { id, json } => {
            let client = database.client().await?;
            let (certificate, digest, right) = retention::certificate(&client, id).await?;
            if json {
                let whole = json!({ "certificate": certificate, "sha256": digest, "digest_is_right": right });
                println!("{whole}");
            } else {
                print!("{}", certificate.text(&digest));
            }
            if !right {
                bail!("the certificate is not as it was made: its digest is another");
            }
            Ok(())
        }
    }
}

async fn delete(database: &Database, terms: &Terms, dry: bool, json: bool) -> Result<()> {
    let Some(_alone) = retention::alone(database).await? else {
        bail!("another process is deleting just now");
    };
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} people {msg}").context("progress")?);
    let mut tell = |progress| match progress {
        Progress::Day(day) => bar.set_message(format!("day {day}")),
        Progress::People(done, all) => {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    };
    let ran = retention::run(database, terms, Timestamp::now(), dry, &mut tell).await?;
    bar.finish_and_clear();
    if json {
        println!("{}", serde_json::to_string(&ran)?);
    } else {
        print!("{}", said(&ran));
    }
    if !ran.failed.is_empty() {
        bail!(
            "{} people are left of whom something is due; everybody else is done. Mend what holds each up, and run it again",
            ran.failed.len()
        );
    }
    Ok(())
}

fn said(ran: &Ran) -> String {
    let mut text = if ran.dry {
        String::from("nothing was deleted; a run would delete:\n")
    } else {
        String::from("deleted:\n")
    };
    let mut rows: Vec<[String; 2]> = vec![
        ["people".to_owned(), ran.people.to_string()],
        ["held back".to_owned(), ran.held.to_string()],
        ["whole days".to_owned(), ran.days.to_string()],
    ];
    rows.extend(
        ran.rows
            .iter()
            .map(|(table, count)| [table.clone(), format!("{count} rows")]),
    );
    text.push_str(&aligned(&rows, "  "));
    for (person, why) in &ran.failed {
        for part in ["not deleted: ", &person.to_string(), ": ", why, "\n"] {
            text.push_str(part);
        }
    }
    for certificate in &ran.certificates {
        text.push_str("certificate ");
        text.push_str(&certificate.to_string());
        text.push('\n');
    }
    text
}

async fn show(database: &Database, terms: &Terms, config: &Config, reference: Option<&str>, json: bool) -> Result<()> {
    let client = database.client().await?;
    let person = match reference {
        Some(reference) => Some(orders::person(&client, reference).await?.person_id.uuid()),
        None => None,
    };
    let plans = retention::plan(&client, terms, person).await?;
    let mut certificates = retention::certificates(&client, SHOWN).await?;
    certificates.retain(|one| person.is_none_or(|person| person == one.person_id));
    if json {
        let whole = json!({ "terms": terms, "stream_hours": config.stream.retention_hours, "people": plans,
            "certificates": certificates });
        println!("{whole}");
        return Ok(());
    }
    println!(
        "movement history: by the order's law profile, else {} months after its end; everything else: {} months after the last order; \
         copies in the stream: {} hours",
        terms.movement_months, terms.record_months, config.stream.retention_hours
    );
    print!("{}", table(&plans));
    for certificate in certificates {
        println!("{}  certificate {}", certificate.made_at, certificate.certificate_id);
    }
    Ok(())
}

fn table(plans: &[Plan]) -> String {
    let head = [
        "person",
        "profile",
        "order's end",
        "movement history goes",
        "everything else goes",
        "hold",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for plan in plans {
        let mut line = |profile: &str, ends_at: String, due_at: String| {
            rows.push([
                plan.reference.clone(),
                profile.to_owned(),
                ends_at,
                due_at,
                plan.record_due_at.to_string(),
                match &plan.unknown_profile {
                    Some(profile) => format!("profile {profile} is not known"),
                    None => if plan.held { "held" } else { "-" }.to_owned(),
                },
            ]);
        };
        for term in &plan.terms {
            line(&term.profile, term.ends_at.to_string(), term.due_at.to_string());
        }
        if plan.terms.is_empty() {
            line("-", "none was in force".to_owned(), "-".to_owned());
        }
    }
    aligned(&rows, "")
}

pub async fn hold(config: Config, command: HoldCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    match command {
        HoldCommand::Set {
            person,
            reason,
            authority,
            by,
        } => {
            let transaction = client.transaction().await.context("transaction")?;
            let person = orders::person(&transaction, &person).await?;
            let by = who(&transaction, by.as_deref(), person.person_id).await?;
            let set = retention::hold(&transaction, person.person_id, &reason, &authority, &by).await?;
            transaction.commit().await.context("commit")?;
            match set {
                Some(_) => println!(
                    "held: nothing of {} is deleted until the hold is lifted",
                    person.reference
                ),
                None => println!("{authority} has a hold on {} already", person.reference),
            }
        }
        HoldCommand::Lift {
            person,
            reason,
            authority,
            by,
        } => {
            let transaction = client.transaction().await.context("transaction")?;
            let person = orders::person(&transaction, &person).await?;
            let by = who(&transaction, by.as_deref(), person.person_id).await?;
            let lifted = retention::lift(&transaction, person.person_id, authority.as_deref(), &reason, &by).await?;
            transaction.commit().await.context("commit")?;
            if lifted == 0 {
                bail!("there is no such hold on {}", person.reference);
            }
            println!("lifted: {lifted}");
        }
        HoldCommand::List { all, json } => {
            let holds = retention::holds(&client, all).await?;
            if json {
                println!("{}", serde_json::to_string(&holds)?);
                return Ok(());
            }
            let mut rows = vec![["person", "since", "authority", "reason", "lifted"].map(str::to_owned)];
            rows.extend(holds.into_iter().map(|hold| {
                [
                    hold.reference,
                    hold.set_at.to_string(),
                    hold.authority,
                    hold.reason,
                    hold.lifted_at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
                ]
            }));
            print!("{}", aligned(&rows, ""));
        }
    }
    Ok(())
}

/// Who enters it, told to the audit: a user, or whoever is at the command line.
async fn who(client: &impl GenericClient, by: Option<&str>, person: PersonId) -> Result<String> {
    let by = match by {
        Some(username) => {
            let Some((found, _)) = user::find(client, username).await? else {
                bail!("--by: there is no user {username:?}");
            };
            authority::of_person(client, &found, &authority::HOLDS, person)
                .await
                .context("--by")?;
            let id: Uuid = found.user_id;
            format!("{username} ({id})")
        }
        None => std::env::var("USER").unwrap_or_else(|_| "the command line".to_owned()),
    };
    audit::act_as(client, &by).await?;
    Ok(by)
}
