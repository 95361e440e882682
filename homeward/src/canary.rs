//! The canary: a test device that goes through the whole platform, and the watcher that tells when it does not come out.
//!
//! Run it as a process of its own (`homeward canary`), at best on another machine: it needs a gateway's address and the case database's, and when
//! either is away, that is what it tells. `homeward run` has it inside when `canary.enabled` is set, which sees everything but the death of
//! that process. `alerts::canary` judges, docs/canary.md says how to set it up.

mod beat;
mod watch;

use anyhow::{Context, Result};
use casedb::Database;
use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;
use worker::alarm::{Addresses, Alarm};

use crate::config::Config;

pub use watch::Watcher;

/// Prepares the watcher from the settings.
pub fn watcher(config: &Config, database: Database, name: String) -> Result<Watcher> {
    let settings = &config.canary;
    let seconds = |value: u64| SignedDuration::from_secs(value.min(86_400).cast_signed());
    let judged = alerts::canary::Settings {
        every: seconds(settings.every_seconds),
        blind_after: seconds(settings.blind_after_seconds),
    };
    let judged = judged
        .check()
        .context("canary.every_seconds, canary.blind_after_seconds")?;
    let webhook = (!settings.webhook.is_empty()).then(|| {
        (
            settings.webhook.clone(),
            settings.webhook_secret.expose().as_bytes().to_vec(),
        )
    });
    let mail = match (crate::roles::smtp(config), settings.mail_to.as_str()) {
        (Some(smtp), to) if !to.is_empty() => Some((smtp, to.to_owned())),
        _ => None,
    };
    let gateway = if settings.gateway.is_empty() {
        config
            .gateway
            .native_listen
            .replace("0.0.0.0", "127.0.0.1")
            .replace("[::]", "[::1]")
    } else {
        settings.gateway.clone()
    };
    anyhow::ensure!(
        !gateway.is_empty(),
        "canary.gateway: say where a gateway of the native protocol listens (gateway.native_listen is empty)"
    );
    Ok(Watcher {
        settings: judged,
        line: beat::Line::new(gateway, &settings.tls_name, &settings.tls_roots)?,
        database,
        alarm: Alarm::new(Addresses { webhook, mail })?,
        name,
    })
}

/// `homeward canary`: the watcher as a process of its own, which needs nothing to start.
pub async fn alone(config: Config) -> Result<()> {
    let database = Database::later(config.database_url()?, 2)?;
    let watcher = watcher(&config, database, name())?;
    let stop = CancellationToken::new();
    tokio::select! {
        () = watcher.run(stop.clone()) => {}
        () = crate::roles::signal() => stop.cancel(),
    }
    Ok(())
}

/// A name by which officers tell watchers apart; the same after a restart.
pub fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("canary {}", host.trim())
}
