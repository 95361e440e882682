//! The canary: a test device that goes through the whole platform, and the watcher that tells when it does not come out.
//!
//! Run it as a process of its own (`homeward canary`), at best on another machine: it needs a gateway's address and the case database's, and when
//! either is away, that is what it tells. `homeward run` has it inside when `canary.enabled` is set, which sees everything but the death of
//! that process. `alerts::canary` judges, docs/canary.md says how to set it up.

mod beat;
mod sink;
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
    let sink = sink(config, &gateway)?;
    if sink.is_none() {
        tracing::warn!(
            "that messages leave the house is not proved: set canary.sink_listen, where the alert workers reach it"
        );
    }
    Ok(Watcher {
        settings: judged,
        sink,
        line: beat::Line::new(gateway, &settings.tls_name, &settings.tls_roots)?,
        database,
        alarm: Alarm::new(Addresses { webhook, mail })?,
        name,
    })
}

/// Where messages are heard. Where nothing is said: on this machine, if gateway and case database are on it as well; an alert worker
/// elsewhere would not find it.
fn sink(config: &Config, gateway: &str) -> Result<Option<sink::Settings>> {
    let settings = &config.canary;
    let url = (!settings.sink_url.is_empty()).then(|| settings.sink_url.clone());
    let listen = match settings.sink_listen.as_str() {
        "" if is_here(gateway) && is_here(database_host(config.database_url()?)) => "127.0.0.1:0",
        "" | "off" => return Ok(None),
        address => address,
    };
    Ok(Some(sink::Settings {
        listen: listen.parse().context("canary.sink_listen")?,
        url,
    }))
}

/// Host and port of a database's URL; empty where it names none.
fn database_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// True of an address with or without a port that is this machine's own.
fn is_here(address: &str) -> bool {
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| {
        address
            .strip_prefix(own)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_this_machine_is_told_by_its_address() {
        for here in ["127.0.0.1:8431", "localhost:5432", "[::1]:8431", "127.0.0.1"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["10.0.0.7:8431", "127.0.0.10:1", "localhost.example:1", ""] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
        assert_eq!(database_host("postgres://u:p@127.0.0.1:5432/x?a=b"), "127.0.0.1:5432");
        assert_eq!(database_host("postgres://db.example/x"), "db.example");
        assert_eq!(database_host("host=db"), "");
    }
}
