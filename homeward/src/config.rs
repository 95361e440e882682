//! Settings: documented defaults, then a file, then the environment, then flags.

mod secret;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use alerts::roster::Via;
use anyhow::{Context, Result, bail};
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
};
use serde::{Deserialize, Serialize};
use worker::channel::push::{PushConfig, Vapid};

pub use secret::Secret;

/// The documented defaults, also printed by `homeward config --defaults`.
pub const DEFAULTS: &str = include_str!("default.toml");

/// All settings. See `default.toml` for what each means.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub database: Database,
    pub stream: Stream,
    pub gateway: Gateway,
    pub geofence: Geofence,
    pub zones: Zones,
    pub console: Console,
    pub alerts: Alerts,
    pub audit: Audit,
    pub sms: Sms,
    pub push: Push,
    pub canary: Canary,
    pub retention: Retention,
    pub metrics: Metrics,
    pub log: Log,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: Secret,
    pub max_connections: usize,
    pub data_directory: String,
}

/// How long things are kept where no law says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    pub enabled: bool,
    pub movement_months: u32,
    pub record_months: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    pub address: String,
    pub partitions: u32,
    pub topic_prefix: String,
    pub instance: String,
    pub retention_hours: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub native_listen: String,
    pub jt808_listen: String,
    pub teltonika_listen: String,
    pub teltonika_udp_listen: String,
    pub gt06_listen: String,
    pub eelink_listen: String,
    pub eelink_udp_listen: String,
    pub native_tls_certificate: String,
    pub native_tls_key: String,
    pub native_plaintext: bool,
    pub jt808_hand_out_code: String,
    pub max_sessions: usize,
    pub file_tables: usize,
    pub address_share_percent: u32,
    pub address_unproven: usize,
    pub address_connections_per_second: u32,
    pub unproven_bytes: usize,
    pub unproven_malformed: u32,
    pub device_frames_per_second: u32,
    pub device_reports_per_second: u32,
    pub frame_seconds: u64,
    pub penalty_seconds: u64,
    pub idle_seconds: u64,
    pub udp_fresh_seconds: u64,
    pub profiles: String,
    pub room_mib: usize,
    pub backlog_per_second: u32,
    pub directory_file: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Geofence {
    pub tick_seconds: u64,
    pub checkpoint_seconds: u64,
    pub reports_ahead: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zones {
    pub max_area_km2: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    pub listen: String,
    pub basemap: String,
    pub secure_cookies: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    pub smtp_host: String,
    pub smtp_port: u16,
    pub smtp_security: String,
    pub smtp_ca_file: String,
    pub smtp_username: String,
    pub smtp_password: Secret,
    pub smtp_from: String,
    pub console_url: String,
    pub reopen_within_min: u32,
    pub acknowledged_min: [u32; 4],
    pub in_action_min: [u32; 4],
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    pub key_file: String,
    pub root_minutes: u64,
    pub anchor_file: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    /// It may hold a key.
    pub url: Secret,
    pub method: String,
    /// They may hold a key.
    pub headers: Secret,
    /// It may hold a key.
    pub body: Secret,
    pub token: Secret,
    pub sender: String,
    pub country_code: String,
    pub success: String,
    pub receipt_id: String,
    pub receipts: bool,
    pub receipts_key: Secret,
    pub receipts_id: String,
    pub receipts_state: String,
    pub receipts_delivered: String,
    pub receipts_failed: String,
    pub segments: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    pub private_key: Secret,
    pub subject: String,
    pub services: String,
}

impl Push {
    /// What the worker needs, where Web Push is configured.
    pub fn service(&self) -> Result<Option<PushConfig>> {
        if self.private_key.expose().is_empty() {
            return Ok(None);
        }
        let key =
            Vapid::new(self.private_key.expose()).map_err(|error| anyhow::anyhow!("push.private_key: {error}"))?;
        if !self.subject.starts_with("mailto:") && !self.subject.starts_with("https:") {
            bail!(
                "push.subject: {:?} begins with neither mailto: nor https:",
                self.subject
            );
        }
        Ok(Some(PushConfig {
            key: std::sync::Arc::new(key),
            subject: self.subject.clone(),
            timeout: std::time::Duration::from_secs(10),
        }))
    }
}

impl Sms {
    /// The gateway, where there is one.
    pub fn gateway(&self) -> Result<Option<worker::SmsConfig>> {
        if self.url.expose().is_empty() {
            return Ok(None);
        }
        let settings = worker::SmsSettings {
            url: self.url.expose(),
            method: &self.method,
            headers: self.headers.expose(),
            body: self.body.expose(),
            token: self.token.expose(),
            sender: &self.sender,
            country_code: &self.country_code,
            success: &self.success,
            receipt_id: &self.receipt_id,
            receipts: self.receipts,
            segments: self.segments,
        };
        match worker::SmsConfig::new(&settings) {
            Ok(gateway) => Ok(Some(gateway)),
            Err(error) => bail!("sms.{error}"),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    pub enabled: bool,
    pub every_seconds: u64,
    pub blind_after_seconds: u64,
    pub gateway: String,
    pub tls_name: String,
    pub tls_roots: String,
    pub webhook: String,
    pub webhook_secret: Secret,
    pub mail_to: String,
    pub sink_listen: String,
    pub sink_url: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub listen: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: String,
    pub level: String,
}

/// 60 GB a partition: more is a mistake.
const MOST_REPORTS_AHEAD: usize = 1_000_000_000;

/// Variables with our prefix that are no settings: the tests' and the build's.
const NOT_SETTINGS: [&str; 6] = [
    "HOMEWARD_TEST_",
    "HOMEWARD_REQUIRE_SHARED",
    "HOMEWARD_SHARED",
    "HOMEWARD_BIN",
    "HOMEWARD_BENCH_",
    "HOMEWARD_CONFIG",
];

/// Reads the settings. `flags` are dotted keys with their values, from the command line.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[(&'static str, String)],
) -> Result<Config> {
    let mut figment = Figment::from(Toml::string(DEFAULTS));
    if let Some(file) = file {
        if !file.is_file() {
            bail!("configuration file {} does not exist or is no file", file.display());
        }
        figment = figment.merge(Toml::file_exact(file));
    }
    for (key, value, origin) in from_environment(environment)? {
        figment = figment.merge(Serialized::default(&key, typed(&key, &value, &origin)?));
    }
    for (key, value) in flags {
        figment = figment.merge(Serialized::default(key, typed(key, value, "the command line")?));
    }
    let config: Config = figment.extract().map_err(|error| explain(error, file))?;
    config.check()?;
    Ok(config)
}

/// Dotted keys of all settings, with the default that gives each its type.
fn keys() -> Result<BTreeMap<String, figment::value::Value>> {
    let defaults: BTreeMap<String, BTreeMap<String, figment::value::Value>> =
        Figment::from(Toml::string(DEFAULTS)).extract().context("defaults")?;
    Ok(defaults
        .into_iter()
        .flat_map(|(section, entries)| {
            entries
                .into_iter()
                .map(move |(key, value)| (format!("{section}.{key}"), value))
        })
        .collect())
}

/// The settings among the variables: dotted key, value, name of the variable.
fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Result<Vec<(String, String, String)>> {
    let names: BTreeMap<String, String> = keys()?
        .into_keys()
        .map(|key| (format!("HOMEWARD_{}", key.replace('.', "_").to_uppercase()), key))
        .chain([("HOMEWARD_STREAM".to_owned(), "stream.address".to_owned())])
        .collect();
    let mut settings = Vec::new();
    for (name, value) in variables {
        if !name.starts_with("HOMEWARD_") || NOT_SETTINGS.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        match names.get(&name) {
            Some(key) => settings.push((key.clone(), value, name)),
            None => bail!(
                "environment variable {name} is no setting of Homeward; `homeward config --defaults` lists them all"
            ),
        }
    }
    Ok(settings)
}

/// A text as the type that the setting has.
fn typed(key: &str, value: &str, origin: &str) -> Result<figment::value::Value> {
    use figment::value::Value;
    let wrong = |kind: &str| format!("{origin}: {key} must be {kind}, not {value:?}");
    Ok(match keys()?.get(key) {
        Some(Value::Bool(..)) => Value::from(value.parse::<bool>().with_context(|| wrong("true or false"))?),
        Some(Value::Num(..)) => Value::from(value.parse::<u64>().with_context(|| wrong("a whole number"))?),
        _ => Value::from(value),
    })
}

/// A figment error, naming the file and the key.
fn explain(error: figment::Error, file: Option<&Path>) -> anyhow::Error {
    let place = file.map_or_else(|| "settings".to_owned(), |file| file.display().to_string());
    let texts: Vec<_> = error
        .into_iter()
        .map(|error| {
            let path = error.path.join(".");
            if path.is_empty() {
                error.kind.to_string()
            } else {
                format!("{path}: {}", error.kind)
            }
        })
        .collect();
    anyhow::anyhow!("{place}: {}", texts.join("; "))
}

impl Config {
    /// Checks what types cannot say; the message names the key and the cure.
    fn check(&self) -> Result<()> {
        let addresses = [
            ("gateway.native_listen", &self.gateway.native_listen, true),
            ("gateway.jt808_listen", &self.gateway.jt808_listen, true),
            ("gateway.teltonika_listen", &self.gateway.teltonika_listen, true),
            ("gateway.teltonika_udp_listen", &self.gateway.teltonika_udp_listen, true),
            ("gateway.gt06_listen", &self.gateway.gt06_listen, true),
            ("gateway.eelink_listen", &self.gateway.eelink_listen, true),
            ("gateway.eelink_udp_listen", &self.gateway.eelink_udp_listen, true),
            ("console.listen", &self.console.listen, false),
            ("metrics.listen", &self.metrics.listen, true),
        ];
        for (key, address, may_be_empty) in addresses {
            if !(may_be_empty && address.is_empty()) && address.parse::<std::net::SocketAddr>().is_err() {
                bail!("{key}: {address:?} is no address and port such as 127.0.0.1:8420");
            }
        }
        if self.stream.partitions == 0 || self.stream.partitions > 1_024 {
            bail!("stream.partitions: {} is outside 1 to 1024", self.stream.partitions);
        }
        self.stream.kind()?;
        if self.geofence.reports_ahead > MOST_REPORTS_AHEAD {
            bail!(
                "geofence.reports_ahead: {} is more than {MOST_REPORTS_AHEAD}; a report of the last day takes 60 bytes",
                self.geofence.reports_ahead
            );
        }
        if self.gateway.udp_fresh_seconds > 600 {
            bail!(
                "gateway.udp_fresh_seconds: {} is more than 600; no translation of addresses remembers so long",
                self.gateway.udp_fresh_seconds
            );
        }
        for (key, value) in [
            ("geofence.tick_seconds", self.geofence.tick_seconds),
            ("geofence.checkpoint_seconds", self.geofence.checkpoint_seconds),
            ("gateway.idle_seconds", self.gateway.idle_seconds),
            ("audit.root_minutes", self.audit.root_minutes),
            ("gateway.address_unproven", self.gateway.address_unproven as u64),
            ("gateway.unproven_bytes", self.gateway.unproven_bytes as u64),
            ("gateway.frame_seconds", self.gateway.frame_seconds),
            ("gateway.room_mib", self.gateway.room_mib as u64),
            ("gateway.backlog_per_second", self.gateway.backlog_per_second.into()),
        ] {
            if value == 0 {
                bail!("{key}: must be at least 1");
            }
        }
        let gateway = &self.gateway;
        if gateway.file_tables > gateway::tables::MOST {
            bail!(
                "gateway.file_tables: {} is more than {}; raise the limit of open files instead",
                gateway.file_tables,
                gateway::tables::MOST
            );
        }
        if gateway.native_tls_certificate.is_empty() != gateway.native_tls_key.is_empty() {
            bail!("gateway.native_tls_certificate and gateway.native_tls_key: set both, or neither");
        }
        if !(1..=100).contains(&gateway.address_share_percent) {
            bail!(
                "gateway.address_share_percent: {} is outside 1 to 100",
                gateway.address_share_percent
            );
        }
        if !self.gateway.profiles.is_empty() && !Path::new(&self.gateway.profiles).is_dir() {
            bail!("gateway.profiles: there is no directory {:?}", self.gateway.profiles);
        }
        if !self.console.basemap.is_empty() && !Path::new(&self.console.basemap).is_file() {
            bail!("console.basemap: there is no file {:?}", self.console.basemap);
        }
        if self.gateway.jt808_hand_out_code.parse::<gateway::HandOut>().is_err() {
            bail!(
                "gateway.jt808_hand_out_code: {:?} is none of always, bound, never",
                self.gateway.jt808_hand_out_code
            );
        }
        if !matches!(self.alerts.smtp_security.as_str(), "none" | "starttls" | "tls") {
            bail!(
                "alerts.smtp_security: {:?} is none of none, starttls, tls",
                self.alerts.smtp_security
            );
        }
        if !self.alerts.smtp_ca_file.is_empty() && !Path::new(&self.alerts.smtp_ca_file).is_file() {
            bail!("alerts.smtp_ca_file: there is no file {:?}", self.alerts.smtp_ca_file);
        }
        self.sms.gateway()?;
        self.push.service()?;
        if self.sms.receipts && self.sms.receipts_key.expose().len() < 16 {
            bail!("sms.receipts_key: set it to 16 characters or more: reports that nobody has signed are not taken");
        }
        self.canary.check()?;
        self.alerts.patience()?;
        if !matches!(self.log.format.as_str(), "text" | "json") {
            bail!("log.format: {:?} is neither text nor json", self.log.format);
        }
        Ok(())
    }

    /// What the console does for the channels of messages.
    pub fn console_channels(&self) -> Result<console::Channels> {
        let words = |text: &str| -> Vec<String> {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(ToOwned::to_owned).collect()
        };
        let sms = &self.sms;
        let reports = || console::receipts::Reports {
            key: sms.receipts_key.expose().as_bytes().to_vec(),
            id: sms.receipts_id.clone(),
            state: sms.receipts_state.clone(),
            delivered: words(&sms.receipts_delivered),
            failed: words(&sms.receipts_failed),
        };
        Ok(console::Channels {
            push_key: self.push.service()?.map(|service| service.key.public().to_owned()),
            push_hosts: words(&self.push.services),
            sms_reports: (!sms.receipts_key.expose().is_empty()).then(reports),
            calls: self.calls(),
        })
    }

    /// The channels over which this installation can call.
    pub fn calls(&self) -> BTreeSet<Via> {
        let mut set_up = BTreeSet::from([Via::Console]);
        let filled = |text: &str| !text.trim().is_empty();
        set_up.extend(filled(&self.alerts.smtp_host).then_some(Via::Mail));
        set_up.extend(filled(self.sms.url.expose()).then_some(Via::Sms));
        set_up.extend(filled(self.push.private_key.expose()).then_some(Via::Push));
        set_up
    }

    /// The database's URL, or what to do about its absence.
    pub fn database_url(&self) -> Result<&str> {
        let url = self.database.url.expose();
        if url.is_empty() {
            bail!(
                "database.url is not set: give HOMEWARD_DATABASE_URL=postgres://user:password@host:port/name, or a file with --config"
            );
        }
        Ok(url)
    }
}

impl Alerts {
    /// For how long somebody has an incident without a further sign.
    pub fn patience(&self) -> Result<alerts::lifecycle::course::Patience> {
        let lengths = |minutes: [u32; 4]| minutes.map(|minutes| jiff::SignedDuration::from_mins(minutes.into()));
        let patience = alerts::lifecycle::course::Patience {
            acknowledged: lengths(self.acknowledged_min),
            in_action: lengths(self.in_action_min),
        };
        patience
            .check()
            .context("alerts.acknowledged_min, alerts.in_action_min")
    }
}

impl Canary {
    fn check(&self) -> Result<()> {
        if self.webhook.is_empty() != self.webhook_secret.expose().is_empty() {
            bail!("canary.webhook and canary.webhook_secret: set both, or neither");
        }
        if self.tls_name.is_empty() != self.tls_roots.is_empty() {
            bail!("canary.tls_name and canary.tls_roots: set both, or neither");
        }
        let listen = self.sink_listen.as_str();
        if !matches!(listen, "" | "off") && listen.parse::<std::net::SocketAddr>().is_err() {
            bail!("canary.sink_listen: {listen:?} is no address with a port, nor \"off\"");
        }
        if !self.sink_url.is_empty() && matches!(listen, "" | "off") {
            bail!("canary.sink_url needs canary.sink_listen");
        }
        Ok(())
    }
}

/// Which stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamKind {
    /// In the database.
    Postgres,
    /// On Kafka, with these brokers.
    Kafka(String),
}

impl Stream {
    /// Reads the address.
    pub fn kind(&self) -> Result<StreamKind> {
        match self.address.as_str() {
            "postgres" => Ok(StreamKind::Postgres),
            other => match other
                .strip_prefix("kafka://")
                .map(|brokers| brokers.trim_end_matches('/'))
            {
                Some(brokers) if !brokers.is_empty() => Ok(StreamKind::Kafka(brokers.to_owned())),
                _ => bail!("stream.address: {other:?} is neither \"postgres\" nor \"kafka://host:port\""),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn defaults_are_complete_and_valid() {
        let config = load(None, [], &[]).unwrap();
        assert_eq!(config.stream.kind().unwrap(), StreamKind::Postgres);
        assert!(
            config
                .database_url()
                .unwrap_err()
                .to_string()
                .contains("HOMEWARD_DATABASE_URL")
        );
    }

    #[test]
    fn each_source_overrides_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("homeward.toml");
        std::fs::write(&file, "[console]\nlisten = \"127.0.0.1:1\"\nsecure_cookies = true\n").unwrap();
        let with_file = load(Some(&file), [], &[]).unwrap();
        assert_eq!(
            (with_file.console.listen.as_str(), with_file.console.secure_cookies),
            ("127.0.0.1:1", true)
        );
        let variables = environment(&[
            ("HOMEWARD_CONSOLE_LISTEN", "127.0.0.1:2"),
            ("HOMEWARD_STREAM", "kafka://k:9"),
        ]);
        let with_environment = load(Some(&file), variables.clone(), &[]).unwrap();
        assert_eq!(with_environment.console.listen, "127.0.0.1:2");
        assert_eq!(
            with_environment.stream.kind().unwrap(),
            StreamKind::Kafka("k:9".to_owned())
        );
        let with_flag = load(Some(&file), variables, &[("console.listen", "127.0.0.1:3".to_owned())]).unwrap();
        assert_eq!(with_flag.console.listen, "127.0.0.1:3");
    }

    #[test]
    fn mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("homeward.toml");
        std::fs::write(&file, "[console]\nlissten = \"127.0.0.1:1\"\n").unwrap();
        let unknown_key = load(Some(&file), [], &[]).unwrap_err().to_string();
        assert!(
            unknown_key.contains("lissten") && unknown_key.contains("homeward.toml"),
            "{unknown_key}"
        );
        let cases: [(&str, &str, &str); 10] = [
            (
                "HOMEWARD_GATEWAY_NATIVE_TLS_KEY",
                "/gateway.key",
                "native_tls_certificate",
            ),
            ("HOMEWARD_SMS_URL", "https://sms.example/{tto}", "sms.url"),
            ("HOMEWARD_PUSH_PRIVATE_KEY", "abc", "push.private_key"),
            ("HOMEWARD_SMS_RECEIPTS", "true", "sms.receipts_key"),
            ("HOMEWARD_CONSOLE_LISTENN", "x", "HOMEWARD_CONSOLE_LISTENN"),
            ("HOMEWARD_CONSOLE_LISTEN", "nowhere", "console.listen"),
            ("HOMEWARD_STREAM", "amqp://x", "stream.address"),
            ("HOMEWARD_STREAM_PARTITIONS", "many", "HOMEWARD_STREAM_PARTITIONS"),
            ("HOMEWARD_GEOFENCE_TICK_SECONDS", "0", "geofence.tick_seconds"),
            (
                "HOMEWARD_GEOFENCE_REPORTS_AHEAD",
                "1000000001",
                "geofence.reports_ahead",
            ),
        ];
        for (name, value, told) in cases {
            let error = format!("{:#}", load(None, environment(&[(name, value)]), &[]).unwrap_err());
            assert!(error.contains(told), "{name}={value}: {error}");
        }
    }

    #[test]
    fn secrets_are_masked() {
        let variables = environment(&[
            ("HOMEWARD_DATABASE_URL", "postgres://u:hunter2@h/db"),
            ("HOMEWARD_ALERTS_SMTP_PASSWORD", "hunter2"),
            ("HOMEWARD_SMS_URL", "https://sms.example/send?key=hunter2"),
            ("HOMEWARD_SMS_TOKEN", "hunter2"),
            ("HOMEWARD_SMS_HEADERS", "Authorization: Bearer hunter2"),
        ]);
        let config = load(None, variables, &[]).unwrap();
        let shown = format!("{config:?}{}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(config.database_url().unwrap().contains("hunter2"));
    }
}
