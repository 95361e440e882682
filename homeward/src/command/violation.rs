//! `homeward violation …`: violations, and what became of them.

use anyhow::{Context, Result, bail};
use casedb::{
    authority, note,
    violation::{self, Decide, Violation},
};
use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::{orders, table::aligned};
use crate::{cli::people::ViolationCommand, config::Config};

/// Rows of a list.
const LIMIT: i64 = 10_000;
/// The command line sees what is for everybody.
pub const EVERYBODY: [&str; 3] = ["police", "social_work", "both"];

pub async fn run(config: Config, command: ViolationCommand) -> Result<()> {
    let now = Timestamp::now();
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    match command {
        ViolationCommand::List {
            person,
            since,
            until,
            json,
        } => {
            let person = orders::person(&transaction, &person).await?;
            let zone = orders::time_zone(&person)?;
            let since = since.map(|at| orders::instant(at, &zone, false)).transpose()?;
            let until = until.map(|at| orders::instant(at, &zone, true)).transpose()?;
            let until = until.unwrap_or(now);
            let since = since.unwrap_or(until.checked_sub((30 * 24).hours())?);
            let found = violation::of_person(&transaction, person.person_id, &EVERYBODY, (since, until), LIMIT).await?;
            if json {
                println!("{}", serde_json::to_string(&found)?);
            } else {
                print!("{}", table(&found, &zone));
            }
        }
        ViolationCommand::Decide {
            violation,
            outcome,
            reason,
            case,
            by,
        } => {
            let user = orders::acting(&transaction, &by).await?;
            let whose = violation::person(&transaction, violation).await?;
            authority::of_person(&transaction, &user, &authority::CASES, whose)
                .await
                .context("--by")?;
            let all = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
            let seen = violation::of_person(&transaction, whose, authority::audiences(&user), all, i64::MAX).await?;
            if !seen.iter().any(|seen| seen.violation_id == violation) {
                bail!(
                    "--by: {:?} does not see violation {violation}: it is for the other side alone",
                    user.username
                );
            }
            let by = user.user_id;
            note::act_as(&transaction, by).await?;
            let decide = Decide {
                outcome: outcome.parse()?,
                reason: &reason,
                case_number: &case,
                seen: None,
            };
            let revision = violation::decide(&transaction, violation, &decide, by, now).await?;
            println!("violation {violation}: {outcome}, revision {revision}");
        }
    }
    transaction.commit().await.context("commit")?;
    Ok(())
}

fn table(found: &[Violation], zone: &TimeZone) -> String {
    let mut rows = vec![
        [
            "violation",
            "kind",
            "began",
            "ended",
            "incident",
            "outcome",
            "by",
            "why",
        ]
        .map(str::to_owned),
    ];
    rows.extend(found.iter().map(|violation| {
        let decision = violation.decision.as_ref();
        let ended = match (violation.withdrawn, violation.ended_at) {
            (true, _) => "did not happen".to_owned(),
            (false, Some(at)) => orders::local(at, zone),
            (false, None) => "goes on".to_owned(),
        };
        [
            violation.violation_id.to_string(),
            violation.kind.clone(),
            orders::local(violation.onset_at, zone),
            ended,
            violation
                .incident_number
                .map_or_else(|| "-".to_owned(), |number| number.to_string()),
            decision.map_or_else(|| "-".to_owned(), |decision| decision.outcome.to_string()),
            decision.map_or_else(String::new, |decision| decision.decided_by.clone()),
            decision.map_or_else(String::new, |decision| decision.reason.clone()),
        ]
    }));
    aligned(&rows, "")
}
