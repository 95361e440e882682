//! `homeward notify …`: where agencies want their messages, and what could not be delivered.

use std::path::Path;

use anyhow::{Context, Result, bail};
use axum::http::Uri;
use casedb::{
    Database, agency, notification,
    target::{self, Target},
};
use uuid::Uuid;

use crate::{
    cli::{NotifyChannel, NotifyCommand},
    config::Config,
};

/// Undelivered messages shown at most.
const SHOWN: i64 = 200;

pub async fn run(config: Config, command: NotifyCommand) -> Result<()> {
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let client = database.client().await?;
    match command {
        NotifyCommand::Add {
            channel,
            address,
            template,
            secret_file,
            agency: path,
            max_severity,
            locale,
        } => {
            let Some(agency) = agency::by_path(&client, &path).await? else {
                bail!("there is no agency {path:?}; an agency's path is like demo.police");
            };
            check(channel, &address, &template, secret_file.is_some())?;
            let given = secret_file.as_deref().map(read_secret).transpose()?;
            // WeCom's robots have their key in the address; DingTalk's may sign, and then DingTalk makes the key.
            let made = (channel == NotifyChannel::Webhook && template == "homeward" && given.is_none())
                .then(|| hex::encode(rand::random::<[u8; 32]>()));
            let target = Target {
                target_id: Uuid::now_v7(),
                agency_id: agency.agency_id,
                channel: channel.name().to_owned(),
                address,
                template,
                secret: given.or_else(|| made.clone()).map(String::into_bytes),
                max_severity,
                locale,
            };
            target::add(&client, &target).await.context("add the target")?;
            println!("added as {}", target.target_id);
            if let Some(secret) = made {
                println!("key of the signatures (shown once, as text): {secret}");
            }
        }
        NotifyCommand::List => {
            let targets = target::list(&client).await?;
            if targets.is_empty() {
                println!("no targets: messages go to the console alone");
            }
            for target in targets {
                println!(
                    "{}  {}  {}{}  {}  priority 1 to {}  {}",
                    target.target_id,
                    target.agency,
                    target.channel,
                    if target.template == "homeward" {
                        String::new()
                    } else {
                        format!(" ({})", target.template)
                    },
                    target.address,
                    target.max_severity,
                    target.locale
                );
            }
        }
        NotifyCommand::Remove { target } => {
            if !target::remove(&client, target).await? {
                bail!("there is no target {target}; `homeward notify list` shows them");
            }
            println!("removed");
        }
        NotifyCommand::Undelivered => {
            let letters = notification::dead_letters(&client, SHOWN).await?;
            if letters.is_empty() {
                println!("nothing was given up");
            }
            for letter in letters {
                println!(
                    "{}  incident {}  {} to {}  {} tries  {}",
                    letter.notification_id,
                    letter.number,
                    letter.channel.name(),
                    letter.recipient,
                    letter.attempts,
                    letter.last_error
                );
            }
        }
        NotifyCommand::Retry { message } => {
            if !notification::requeue(&client, message).await? {
                bail!("message {message} was not given up; `homeward notify undelivered` shows those that were");
            }
            println!("queued again");
        }
    }
    Ok(())
}

/// Refuses an address that the channel cannot have.
fn check(channel: NotifyChannel, address: &str, template: &str, has_secret: bool) -> Result<()> {
    match channel {
        NotifyChannel::Webhook => {
            let url: Uri = address.parse().with_context(|| format!("{address:?} is no URL"))?;
            if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
                bail!("{address:?} is no https or http URL");
            }
            if template == "wecom" && has_secret {
                bail!("a WeCom robot has no secret: its key is in the address");
            }
            return Ok(());
        }
        NotifyChannel::Mail if !address.contains('@') => bail!("{address:?} is no mail address"),
        NotifyChannel::Sms => check_phone(address)?,
        NotifyChannel::Mail => {}
    }
    if template != "homeward" || has_secret {
        bail!("--template and --secret-file are for webhooks");
    }
    Ok(())
}

/// Refuses what is no telephone number in the international form.
pub fn check_phone(number: &str) -> Result<()> {
    let digits = number.strip_prefix('+').unwrap_or_default();
    if !(7..=15).contains(&digits.len()) || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        bail!("{number:?} is no telephone number like +8613800000000");
    }
    Ok(())
}

fn read_secret(path: &Path) -> Result<String> {
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("key on standard input")?
    } else {
        std::fs::read_to_string(path).with_context(|| path.display().to_string())?
    };
    let secret = text.trim();
    if secret.is_empty() {
        bail!("the key is empty");
    }
    Ok(secret.to_owned())
}
