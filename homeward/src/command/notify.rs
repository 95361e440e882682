//! `homeward notify …`: where agencies want their messages, and what could not be delivered.

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
            agency: path,
            max_severity,
            locale,
        } => {
            let Some(agency) = agency::by_path(&client, &path).await? else {
                bail!("there is no agency {path:?}; an agency's path is like demo.police");
            };
            let secret = match channel {
                NotifyChannel::Webhook => {
                    let url: Uri = address.parse().with_context(|| format!("{address:?} is no URL"))?;
                    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
                        bail!("{address:?} is no https or http URL");
                    }
                    Some(hex::encode(rand::random::<[u8; 32]>()))
                }
                NotifyChannel::Mail if address.contains('@') => None,
                NotifyChannel::Mail => bail!("{address:?} is no mail address"),
            };
            let target = Target {
                target_id: Uuid::now_v7(),
                agency_id: agency.agency_id,
                channel: channel.name().to_owned(),
                address,
                secret: secret.clone().map(String::into_bytes),
                max_severity,
                locale,
            };
            target::add(&client, &target).await.context("add the target")?;
            println!("added as {}", target.target_id);
            if let Some(secret) = secret {
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
                    "{}  {}  {}  {}  priority 1 to {}  {}",
                    target.target_id, target.agency, target.channel, target.address, target.max_severity, target.locale
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
