//! Starts each role from the settings.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use casedb::{Database, audit::sealer, basis, history::HistoryWriter, outbox, person, ticker};
use gateway::{Directory, Gateway};
use jiff::{Timestamp, ToSpan};
use stream::{Log, Topic};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use worker::{Credentials, SmtpConfig, WorkerConfig};

use super::{DRAIN, Readiness, Role, capacity, descriptors};
use crate::{command::world, config::Config};

/// How often old records are dropped from the stream.
const TRIM: Duration = Duration::from_hours(1);

/// What the roles of one process are built from, and the tasks that run them.
pub struct Stage {
    pub config: Config,
    pub database: Database,
    pub log: Arc<dyn Log>,
    pub readiness: Arc<Readiness>,
    /// Cancelled first: what takes in from outside.
    pub sources: CancellationToken,
    /// Cancelled next: what works on it.
    pub stages: CancellationToken,
    pub tasks: JoinSet<(&'static str, Result<()>)>,
}

impl Stage {
    /// Starts a role; its tasks end with the tokens, or with a fatal error.
    pub async fn start(&mut self, role: Role) -> Result<()> {
        match role {
            Role::Gateway => self.gateway().await,
            Role::Geofence => {
                self.geofence();
                Ok(())
            }
            Role::History => self.history(),
            Role::Alerts => {
                self.alerts()?;
                Ok(())
            }
            Role::Console => self.console().await,
            Role::Canary => self.canary(),
        }
    }

    fn canary(&mut self) -> Result<()> {
        let watcher = crate::canary::watcher(&self.config, self.database.clone(), crate::canary::name())?;
        let stop = self.stages.clone();
        self.tasks.spawn(async move {
            watcher.run(stop).await;
            ("canary", Ok(()))
        });
        Ok(())
    }

    async fn gateway(&mut self) -> Result<()> {
        let settings = &self.config.gateway;
        let file_tables = descriptors::tables(settings.max_sessions, settings.file_tables);
        let config = gateway::Config {
            native_listen: address(&settings.native_listen)?,
            jt808_listen: address(&settings.jt808_listen)?,
            teltonika_listen: address(&settings.teltonika_listen)?,
            teltonika_udp_listen: address(&settings.teltonika_udp_listen)?,
            gt06_listen: address(&settings.gt06_listen)?,
            eelink_listen: address(&settings.eelink_listen)?,
            eelink_udp_listen: address(&settings.eelink_udp_listen)?,
            native_tls: (!settings.native_tls_certificate.is_empty()).then(|| gateway::tls::Files {
                certificate: PathBuf::from(&settings.native_tls_certificate),
                key: PathBuf::from(&settings.native_tls_key),
            }),
            native_plaintext: settings.native_plaintext,
            hand_out_code: settings.jt808_hand_out_code.parse().unwrap_or_default(),
            max_sessions: settings.max_sessions,
            file_tables,
            limits: gateway::Limits {
                address_share_percent: settings.address_share_percent,
                unproven_per_address: settings.address_unproven,
                connections_per_second: settings.address_connections_per_second,
                unproven_bytes: settings.unproven_bytes,
                unproven_malformed: settings.unproven_malformed,
                device_frames_per_second: settings.device_frames_per_second,
                device_reports_per_second: settings.device_reports_per_second,
                frame_within: Duration::from_secs(settings.frame_seconds),
                penalty: Duration::from_secs(settings.penalty_seconds),
                ..gateway::Limits::default()
            },
            idle_after: Duration::from_secs(settings.idle_seconds),
            udp_fresh: Duration::from_secs(settings.udp_fresh_seconds),
            room_bytes: settings.room_mib.saturating_mul(1024 * 1024),
            backlog_per_second: settings.backlog_per_second,
            profiles: Arc::new(crate::command::profiles::load(&self.config)?),
            name: gateway_name(),
            ..Default::default()
        };
        let file = (!settings.directory_file.is_empty()).then(|| PathBuf::from(&settings.directory_file));
        let directory = Directory::follow_keeping(self.database.clone(), file).await;
        let handle = Gateway::start(config, Arc::clone(&self.log), directory, Some(self.database.clone())).await?;
        let health = handle.health();
        self.readiness.also(Box::new(move || health.check()));
        let stop = self.sources.clone();
        self.tasks.spawn(async move {
            let outcome = tokio::select! {
                () = stop.cancelled() => Ok(()),
                // The other sessions end in good order; then the process, and its supervisor starts it anew.
                () = handle.failed() => Err(anyhow::anyhow!("a listener or a thread of sessions ended by a panic")),
            };
            handle.drain(DRAIN / 2).await;
            ("gateway", outcome)
        });
        Ok(())
    }

    fn geofence(&mut self) {
        let config = service::Config {
            checkpoint_every: Duration::from_secs(self.config.geofence.checkpoint_seconds),
            reports_ahead: self.config.geofence.reports_ahead,
            ..Default::default()
        };
        let (database, log, stop) = (self.database.clone(), Arc::clone(&self.log), self.stages.clone());
        self.tasks.spawn(async move {
            (
                "geofence",
                service::Service::run(database, log, config, stop)
                    .await
                    .map_err(Into::into),
            )
        });
        let every = Duration::from_secs(self.config.geofence.tick_seconds);
        let (database, log, stop) = (self.database.clone(), Arc::clone(&self.log), self.stages.clone());
        self.tasks.spawn(async move {
            (
                "ticker",
                ticker::run(database, log, every, stop).await.map_err(Into::into),
            )
        });
    }

    fn history(&mut self) -> Result<()> {
        let (database, log, stop) = (self.database.clone(), Arc::clone(&self.log), self.stages.clone());
        self.tasks.spawn(async move {
            (
                "history",
                HistoryWriter::run(database, log, stop).await.map_err(Into::into),
            )
        });
        let (database, log, stop) = (self.database.clone(), Arc::clone(&self.log), self.stages.clone());
        self.tasks.spawn(async move {
            (
                "outbox relay",
                outbox::run(database, log, stop).await.map_err(Into::into),
            )
        });
        let audit = &self.config.audit;
        let config = sealer::Config {
            key: crate::command::audit::configured_key(&self.config)?,
            root_every: Duration::from_secs(audit.root_minutes.saturating_mul(60)),
            anchor_file: crate::command::audit::anchor_file(&self.config),
        };
        let (database, stop) = (self.database.clone(), self.stages.clone());
        self.tasks.spawn(async move {
            (
                "audit sealer",
                sealer::run(database, config, stop).await.map_err(Into::into),
            )
        });
        let (database, stop) = (self.database.clone(), self.stages.clone());
        self.tasks
            .spawn(async move { ("legal basis", basis::watch(database, stop).await.map_err(Into::into)) });
        if self.config.retention.enabled {
            let (database, stop) = (self.database.clone(), self.stages.clone());
            let terms = crate::command::retention::terms(&self.config);
            self.tasks.spawn(async move {
                (
                    "deletion",
                    casedb::retention::watch(database, terms, stop)
                        .await
                        .map_err(Into::into),
                )
            });
        }
        let (log, stop) = (Arc::clone(&self.log), self.stages.clone());
        let retention_hours = i64::from(self.config.stream.retention_hours);
        self.tasks.spawn(async move {
            trim_stream(log.as_ref(), retention_hours, &stop).await;
            ("retention", Ok(()))
        });
        let (database, config, stop) = (self.database.clone(), self.config.clone(), self.stages.clone());
        self.tasks.spawn(async move {
            capacity::watch(database, config, stop).await;
            ("capacity", Ok(()))
        });
        Ok(())
    }

    fn alerts(&mut self) -> Result<()> {
        let settings = &self.config.alerts;
        let smtp = smtp(&self.config);
        let config = WorkerConfig {
            smtp,
            sms: self.config.sms.gateway()?,
            push: self.config.push.service()?,
            console_url: (!settings.console_url.is_empty()).then(|| settings.console_url.clone()),
            reopen_within: Duration::from_mins(settings.reopen_within_min.into()),
            drain: DRAIN / 2,
            ..Default::default()
        };
        let (database, log, stop) = (self.database.clone(), Arc::clone(&self.log), self.stages.clone());
        self.tasks.spawn(async move {
            (
                "alerts",
                Box::pin(worker::run(database, log, config, stop))
                    .await
                    .map_err(Into::into),
            )
        });
        let (database, stop) = (self.database.clone(), self.stages.clone());
        self.tasks.spawn(async move {
            casedb::device::silent::watch(database, stop).await;
            ("devices that are fitted but silent", Ok(()))
        });
        let (database, stop) = (self.database.clone(), self.stages.clone());
        self.tasks.spawn(async move {
            casedb::device::slow::watch(database, stop).await;
            ("devices whose clocks are slow", Ok(()))
        });
        let (database, stop) = (self.database.clone(), self.stages.clone());
        self.tasks.spawn(async move {
            casedb::protect::cloned::watch(database, stop).await;
            ("cloned devices of protected people", Ok(()))
        });
        Ok(())
    }

    async fn console(&mut self) -> Result<()> {
        let settings = &self.config.console;
        let config = console::Config {
            listen: settings.listen.parse().context("console.listen")?,
            basemap: (!settings.basemap.is_empty()).then(|| settings.basemap.clone().into()),
            secure_cookies: settings.secure_cookies,
            demo_town: demo_town(&self.database).await?,
            channels: self.config.console_channels()?,
            patience: self.config.alerts.patience()?,
            partitions: self.config.stream.partitions,
            evidence_key: crate::command::audit::configured_signer(&self.config)?,
        };
        let ready = Arc::clone(&self.readiness);
        let ready: console::Ready = Arc::new(move || ready.latest());
        let mut handle = console::start(config, self.database.clone(), ready).await?;
        info!(address = %handle.address, "console listens");
        let stop = self.stages.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {
                    handle.shutdown().await;
                    ("console", Ok(()))
                }
                () = handle.stopped() => ("console", Ok(())),
            }
        });
        Ok(())
    }
}

/// The mail server of the settings.
pub fn smtp(config: &Config) -> Option<SmtpConfig> {
    let settings = &config.alerts;
    let credentials = (!settings.smtp_username.is_empty()).then(|| Credentials {
        username: settings.smtp_username.clone(),
        password: settings.smtp_password.expose().to_owned(),
    });
    (!settings.smtp_host.is_empty()).then(|| SmtpConfig {
        host: settings.smtp_host.clone(),
        port: settings.smtp_port,
        tls: settings.smtp_security.parse().unwrap_or_default(),
        ca_file: (!settings.smtp_ca_file.is_empty()).then(|| settings.smtp_ca_file.clone().into()),
        credentials,
        from: settings.smtp_from.clone(),
        timeout: Duration::from_secs(15),
    })
}

/// A name that no other running gateway has: process ids repeat in containers.
fn gateway_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("gateway {} {:08x}", host.trim(), rand::random::<u32>())
}

/// The streets of the invented town, where its people are in the case database.
async fn demo_town(database: &Database) -> Result<Option<serde_json::Value>> {
    let client = database.client().await?;
    let first = person::by_reference(&client, world::FIRST_REFERENCE).await?;
    Ok(first.filter(|person| person.demo).map(|_| world::town().streets()))
}

/// Drops what is older than the stream keeps, every hour.
async fn trim_stream(log: &dyn Log, retention_hours: i64, stop: &CancellationToken) {
    while !sleep(TRIM, stop).await {
        let Ok(before) = Timestamp::now().checked_sub(retention_hours.hours()) else {
            continue;
        };
        for topic in Topic::ALL {
            match log.trim(topic, before).await {
                Ok(records) => info!(%topic, records, "trimmed"),
                Err(error) => warn!(%topic, %error, "could not trim"),
            }
        }
    }
}

/// Sleeps; true when told to stop.
async fn sleep(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(time) => false,
        () = stop.cancelled() => true,
    }
}

fn address(text: &str) -> Result<Option<SocketAddr>> {
    if text.is_empty() {
        Ok(None)
    } else {
        Ok(Some(text.parse().with_context(|| format!("listener {text:?}"))?))
    }
}
