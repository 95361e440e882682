//! An installation of a bench's own: a database, the stream, settings, processes, registered devices.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::{
    load::{self, Speech},
    process::{Process, free_port},
    server::{Kafka, Postgres},
};

/// Agency, people, orders in force.
const PEOPLE: &str = include_str!("site/people.sql");
/// A device for each.
const DEVICES: &str = include_str!("site/devices.sql");
/// Zones of each.
const ZONES: &str = include_str!("site/zones.sql");

/// Where a bench runs.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// The binary to measure.
    #[arg(long, env = "HOMEWARD_BIN", default_value = "target/release/homeward")]
    pub homeward: PathBuf,
    /// A server on which this may create a database, instead of one that the bench starts: postgres://user:password@host:port/name.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Edition of the PostgreSQL that the bench starts: plain or timescale.
    #[arg(long, default_value = "plain", value_parser = ["plain", "timescale"])]
    pub edition: String,
    /// Servers, logs and results of the run.
    #[arg(long, default_value = ".homeward/bench")]
    pub folder: PathBuf,
}

/// Kind of stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stream {
    /// In the database.
    Postgres,
    /// On Kafka.
    Kafka,
}

/// An installation; its processes and servers end with it.
pub struct Site {
    /// Of the bench's database.
    pub url: String,
    /// Set for every process.
    pub settings: HashMap<String, String>,
    /// Logs.
    pub folder: PathBuf,
    binary: PathBuf,
    name: String,
    admin: String,
    /// The bench's own database server, when it started one.
    pub postgres: Option<Postgres>,
    /// The bench's own broker.
    pub kafka: Option<Kafka>,
}

impl Site {
    /// Starts what is missing, makes a database and its tables.
    pub async fn new(place: &Place, stream: Stream) -> Result<Self> {
        Self::within(
            place,
            stream,
            &place.folder.join("postgres"),
            &place.folder.join("kafka"),
        )
        .await
    }

    /// The same, with the servers' data in folders.
    pub async fn within(place: &Place, stream: Stream, postgres: &Path, kafka: &Path) -> Result<Self> {
        if !place.homeward.is_file() {
            bail!(
                "there is no {}: cargo build --release -p homeward",
                place.homeward.display()
            );
        }
        std::fs::create_dir_all(&place.folder)?;
        let (postgres, admin) = if let Some(url) = &place.database_url {
            (None, url.clone())
        } else {
            let server = Postgres::start(postgres, &place.edition)?;
            let url = server.url.clone();
            (Some(server), url)
        };
        let kafka = (stream == Stream::Kafka).then(|| Kafka::start(kafka)).transpose()?;
        let name = format!("bench_{}", Uuid::now_v7().simple());
        let client = connect(&admin).await?;
        let create = format!("CREATE DATABASE {name}");
        client
            .batch_execute(&create)
            .await
            .context("create the bench's database")?;
        let (base, _) = admin.rsplit_once('/').context("database URL without a database name")?;
        let url = format!("{base}/{name}");
        let address = kafka
            .as_ref()
            .map_or_else(|| "postgres".to_owned(), |kafka| format!("kafka://{}", kafka.brokers));
        let mut settings = HashMap::from([
            ("HOMEWARD_DATABASE_URL".to_owned(), url.clone()),
            ("HOMEWARD_STREAM".to_owned(), address),
            ("HOMEWARD_STREAM_TOPIC_PREFIX".to_owned(), format!("{name}.")),
            ("HOMEWARD_LOG_LEVEL".to_owned(), "warn".to_owned()),
        ]);
        settings.extend(quiet(&place.homeward)?);
        let site = Self {
            url,
            settings,
            folder: place.folder.clone(),
            binary: place.homeward.clone(),
            name,
            admin,
            postgres,
            kafka,
        };
        site.start("migrate", &["migrate"], &[])?
            .wait()
            .context("see migrate.log")?;
        Ok(site)
    }

    /// Starts a command of Homeward with settings of its own; its output is added to `name.log`.
    pub fn start(&self, name: &str, arguments: &[&str], own: &[(&str, String)]) -> Result<Process> {
        let mut settings = self.settings.clone();
        settings.extend(own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        Process::start(&self.binary, arguments, &settings, &self.log(name))
    }

    /// Where a process's output is.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// A connection to the bench's database.
    pub async fn client(&self) -> Result<Client> {
        connect(&self.url).await
    }

    /// Registers devices 0 to `devices` with a person each.
    pub async fn register(&self, speech: Speech, devices: usize) -> Result<()> {
        let people = PEOPLE.replace("{last}", &(devices.max(1) - 1).to_string());
        let identities: Vec<String> = (0..devices).map(|index| load::identity(speech, index)).collect();
        let secrets: Vec<Option<Vec<u8>>> = (0..devices).map(|index| load::secret(speech, index)).collect();
        let client = self.client().await?;
        client.batch_execute(&people).await.context("register the people")?;
        client
            .execute(DEVICES, &[&speech.protocol(), &identities, &secrets])
            .await
            .context("register the devices")?;
        Ok(client.batch_execute("ANALYZE").await?)
    }

    /// Gives the people of devices 0 to `devices` the zones that [`load::Walk::Zones`] goes through.
    pub async fn zones(&self, devices: usize) -> Result<()> {
        let zones = ZONES.replace("{last}", &(devices.max(1) - 1).to_string());
        let client = self.client().await?;
        client.batch_execute(&zones).await.context("draw the zones")
    }

    /// Waits until everybody's rules lie in the stream, which is when history has read them there: what comes before them is not judged.
    pub async fn ruled(&self) -> Result<()> {
        const LEFT: &str =
            "SELECT count(*) FROM person_rules WHERE person_id NOT IN (SELECT person_id FROM rules_revision)";
        let client = self.client().await?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(2) {
            if client.query_one(LEFT, &[]).await?.try_get::<_, i64>(0)? == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("the rules are not in the stream after two minutes")
    }

    /// Drops the database and stops the servers.
    pub async fn close(self) -> Result<()> {
        let client = connect(&self.admin).await?;
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let mut attempts = 0;
        while let Err(error) = client.batch_execute(&drop).await {
            // An autovacuum worker is at work there; it belongs to the superuser, and only time makes it leave.
            attempts += 1;
            if attempts >= 100 {
                return Err(error).context("drop the bench's database");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// A process with gateways, and where they and its figures are.
pub struct Running {
    /// It.
    pub process: Process,
    /// For devices; empty: it has no gateway.
    gateway: String,
    metrics: String,
}

impl Running {
    /// Starts `homeward gateway` (or `run`) on free ports and waits until it is ready.
    pub async fn start(site: &Site, name: &str, command: &str, speech: Speech, own: &[(&str, String)]) -> Result<Self> {
        let gateway = format!("127.0.0.1:{}", free_port()?);
        let mut running = Self::launch(site, name, command, speech, &gateway, own)?;
        running.ready(&site.log(name)).await?;
        Ok(running)
    }

    /// Starts it on an address for devices, without waiting.
    pub fn launch(
        site: &Site,
        name: &str,
        command: &str,
        speech: Speech,
        gateway: &str,
        own: &[(&str, String)],
    ) -> Result<Self> {
        let metrics = format!("127.0.0.1:{}", free_port()?);
        let listen = format!("HOMEWARD_GATEWAY_{}_LISTEN", speech.protocol().to_uppercase());
        let mut all = vec![
            (listen.as_str(), gateway.to_owned()),
            ("HOMEWARD_METRICS_LISTEN", metrics.clone()),
            ("HOMEWARD_CONSOLE_LISTEN", format!("127.0.0.1:{}", free_port()?)),
        ];
        if speech == Speech::NativeTls {
            all.extend(load::encryption(gateway)?);
        }
        all.extend(own.iter().cloned());
        Ok(Self {
            process: site.start(name, &[command], &all)?,
            gateway: gateway.to_owned(),
            metrics,
        })
    }

    /// Where devices come.
    pub fn address(&self) -> Result<SocketAddr> {
        self.gateway.parse().context("the process has no gateway")
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self, log: &Path) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_mins(1) {
            if get(&self.metrics, "/readyz")
                .await
                .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
            {
                return Ok(());
            }
            if self.process.has_ended()? {
                bail!("homeward ended at once; see {}", log.display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("homeward is not ready after 60 s; see {}", log.display())
    }

    /// A figure of its own, over all labels.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let text = get(&self.metrics, "/metrics").await.ok()?;
        let values: Vec<f64> = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

/// Settings that switch every listener off but those that are set afterwards, and lift the limits of an address: all devices of a bench
/// come from this machine. Which there are, the binary itself says.
fn quiet(binary: &Path) -> Result<Vec<(String, String)>> {
    let output = Command::new(binary).args(["config", "--defaults"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        }
        let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) else {
            continue;
        };
        if section == "gateway" && key.ends_with("_listen") {
            settings.push((format!("HOMEWARD_GATEWAY_{}", key.to_uppercase()), String::new()));
        }
    }
    Ok(settings)
}

/// One HTTP request, for the processes' own figures.
async fn get(address: &str, path: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(5), exchange).await?
}

/// Connects and drives the connection in the background.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("database")?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// What a bench is doing.
pub fn say(what: &str) {
    eprintln!("homeward-bench: {what}");
}
