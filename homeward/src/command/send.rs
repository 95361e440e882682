//! `homeward command …`: commands to devices.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use casedb::{
    Database, access, authority,
    command::{self, Command, Instruction, Request, State},
};
use jiff::{SignedDuration, tz::TimeZone};
use serde_json::json;
use uuid::Uuid;

use super::orders;
use crate::{
    cli::{
        Purpose,
        commands::{CommandCommand, SendArgs, SendCommand},
    },
    config::Config,
};

/// Rows of a list.
const LIMIT: i64 = 200;
/// How often `--follow` looks.
const LOOK: Duration = Duration::from_millis(300);

pub async fn run(config: Config, command: CommandCommand) -> Result<ExitCode> {
    let database = orders::connect(&config).await?;
    match command {
        CommandCommand::Send { what } => {
            let (arguments, instruction) = instruction(what)?;
            return send(&database, &arguments, instruction).await;
        }
        CommandCommand::List { person, json } => list(&database, &person, json).await?,
        CommandCommand::Cancel { command, by } => {
            let client = database.client().await?;
            let placed = command::read(&client, command)
                .await
                .context("`homeward command list PERSON` shows the commands")?;
            let author = orders::author_on(&client, &by, &authority::COMMANDS, placed.person_id).await?;
            let now = command::clock(&client).await?;
            drop(client);
            command::cancel(&database, command, author, now)
                .await
                .context("`homeward command list PERSON` shows the commands")?;
            println!("taken back");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn instruction(what: SendCommand) -> Result<(SendArgs, Instruction)> {
    Ok(match what {
        SendCommand::Locate(send) => (send, Instruction::Locate),
        SendCommand::Vibrate(send) => (send, Instruction::Vibrate),
        SendCommand::Text { send, text } => (send, Instruction::Text { text }),
        SendCommand::Interval { send, every, length } => {
            let seconds = u32::try_from(every).context("--every")?;
            let for_seconds = u32::try_from(length.unwrap_or(0)).context("--for")?;
            (send, Instruction::Interval { seconds, for_seconds })
        }
    })
}

async fn send(database: &Database, arguments: &SendArgs, instruction: Instruction) -> Result<ExitCode> {
    let client = database.client().await?;
    let person = orders::person(&client, &arguments.person).await?;
    let zone = orders::time_zone(&person)?;
    let author = orders::author_on(&client, &arguments.by, &authority::COMMANDS, person.person_id).await?;
    let now = command::clock(&client).await?;
    drop(client);
    let waits = arguments.wait.map(i64::from).map(SignedDuration::from_secs);
    let request = Request {
        person_id: person.person_id,
        device_id: None,
        instruction,
        requested_by: author,
        purpose: purpose(arguments.purpose),
        case_number: arguments.case.trim(),
        idempotency_key: arguments.key.as_deref(),
        waits,
    };
    let placed = command::place(database, &request, now)
        .await
        .with_context(|| format!("command to {}", arguments.person))?;
    let command = placed.command;
    let how = if placed.repeated { "placed before" } else { "queued" };
    println!(
        "{}  {how}; ends by {}",
        command.command_id,
        orders::local(command.expires_at, &zone)
    );
    if !arguments.follow {
        return Ok(ExitCode::SUCCESS);
    }
    follow(database, command.command_id, &zone).await
}

/// Prints each state until the last. A command ends also where nothing else runs: it is swept here, too.
async fn follow(database: &Database, command_id: Uuid, zone: &TimeZone) -> Result<ExitCode> {
    let mut before = None;
    loop {
        let client = database.client().await?;
        let now = command::clock(&client).await?;
        command::sweep(&client, now).await?;
        let found = command::read(&client, command_id).await?;
        drop(client);
        if before != Some(found.state) {
            before = Some(found.state);
            let outcome = found.outcome.map_or_else(String::new, |outcome| format!(": {outcome}"));
            let said = if found.result.is_empty() {
                String::new()
            } else {
                format!(" ({})", found.result)
            };
            println!("{}  {}{outcome}{said}", orders::local(now, zone), found.state);
        }
        if found.state.is_end() {
            return Ok(if found.state == State::Acknowledged {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn list(database: &Database, reference: &str, as_json: bool) -> Result<()> {
    let client = database.client().await?;
    let person = orders::person(&client, reference).await?;
    let zone = orders::time_zone(&person)?;
    let now = command::clock(&client).await?;
    command::sweep(&client, now).await?;
    let commands = command::of_person(&client, person.person_id, LIMIT).await?;
    let usual = command::usual_interval(&client, person.person_id, now).await?;
    if as_json {
        let commands: Vec<_> = commands.iter().map(|(command, by)| object(command, by)).collect();
        println!("{}", json!({"commands": commands, "usual_interval_s": usual}));
        return Ok(());
    }
    if commands.is_empty() {
        println!("no commands to {reference}");
    }
    for (command, by) in &commands {
        println!("{}", line(command, by, &zone));
    }
    println!("usual interval: {usual} s");
    Ok(())
}

fn object(command: &Command, by: &str) -> serde_json::Value {
    json!({
        "command_id": command.command_id,
        "device_id": command.device_id.uuid(),
        "instruction": command.instruction,
        "state": command.state,
        "outcome": command.outcome,
        "result": command.result,
        "fix_time": command.fix_time,
        "requested_by": by,
        "purpose": command.purpose,
        "case_number": command.case_number,
        "reverts": command.reverts,
        "created_at": command.created_at,
        "not_before": command.not_before,
        "expires_at": command.expires_at,
        "sent_at": command.sent_at,
        "delivered_at": command.delivered_at,
        "acknowledged_at": command.acknowledged_at,
        "ended_at": command.ended_at,
        "gateway": command.gateway,
    })
}

fn line(command: &Command, by: &str, zone: &TimeZone) -> String {
    let what = match &command.instruction {
        Instruction::Interval { seconds, .. } if command.reverts.is_some() => format!("back to every {seconds} s"),
        Instruction::Interval {
            seconds,
            for_seconds: 0,
        } => format!("every {seconds} s"),
        Instruction::Interval { seconds, for_seconds } => format!("every {seconds} s for {for_seconds} s"),
        Instruction::Text { text } => format!("text {text:?}"),
        other => other.kind().to_owned(),
    };
    let outcome = match command.outcome {
        Some(outcome) => format!(": {outcome}"),
        None if command.state == State::Queued && command.not_before > command.created_at => {
            format!(", due {}", orders::local(command.not_before, zone))
        }
        None => format!(", ends by {}", orders::local(command.expires_at, zone)),
    };
    let case = match command.case_number.as_str() {
        "" => String::new(),
        case => format!(", case {case}"),
    };
    let said = match command.result.as_str() {
        "" => String::new(),
        said => format!("  {said:?}"),
    };
    format!(
        "{}  {}  {what}  {}{outcome}  by {by} for {}{case}{said}",
        command.command_id,
        orders::local(command.created_at, zone),
        command.state,
        command.purpose.name(),
    )
}

const fn purpose(purpose: Purpose) -> access::Purpose {
    match purpose {
        Purpose::Duty => access::Purpose::Duty,
        Purpose::Incident => access::Purpose::Incident,
        Purpose::Court => access::Purpose::Court,
        Purpose::Maintenance => access::Purpose::Maintenance,
    }
}
