//! An installation of its own for one test: database, ports, processes.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use serde_json::Value;
use testkit::TestDatabase;
use tokio_postgres::Client;

pub const BINARY: &str = env!("CARGO_BIN_EXE_homeward");

/// A database with the schema, free ports, and the settings that name them.
pub struct Installation {
    pub database: TestDatabase,
    pub settings: HashMap<String, String>,
    pub folder: tempfile::TempDir,
}

/// A running command; killed when dropped.
pub struct Running {
    child: Child,
    pub output: PathBuf,
}

impl Installation {
    /// Makes one on a database, with the stream of an address (`postgres`, `kafka://…`).
    pub fn new(database: TestDatabase, stream: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = HashMap::from([
            ("HOMEWARD_DATABASE_URL".to_owned(), database.url.clone()),
            ("HOMEWARD_STREAM".to_owned(), stream.to_owned()),
            ("HOMEWARD_STREAM_PARTITIONS".to_owned(), "8".to_owned()),
            (
                "HOMEWARD_STREAM_TOPIC_PREFIX".to_owned(),
                format!("test-{}.", uuid::Uuid::now_v7().simple()),
            ),
            ("HOMEWARD_GEOFENCE_TICK_SECONDS".to_owned(), "1".to_owned()),
            ("HOMEWARD_LOG_LEVEL".to_owned(), "info".to_owned()),
        ]);
        for key in [
            "CONSOLE",
            "GATEWAY_NATIVE",
            "GATEWAY_JT808",
            "GATEWAY_TELTONIKA",
            "GATEWAY_TELTONIKA_UDP",
            "GATEWAY_GT06",
            "GATEWAY_EELINK",
            "GATEWAY_EELINK_UDP",
            "METRICS",
        ] {
            settings.insert(format!("HOMEWARD_{key}_LISTEN"), format!("127.0.0.1:{}", free_port()));
        }
        let installation = Self {
            database,
            settings,
            folder,
        };
        installation.succeed(&["migrate"]);
        installation
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).envs(&self.settings).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and expects success.
    pub fn succeed(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    /// Starts a command in the background; its output goes to a file.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Running {
        self.start_with(name, arguments, &[])
    }

    /// The same, with some settings of its own.
    pub fn start_with(&self, name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Running {
        let output = self.folder.path().join(format!("{name}.log"));
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&output)
            .unwrap();
        let mut command = self.command(arguments);
        command.envs(settings.iter().copied());
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Running { child, output }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn client(&self) -> Client {
        testkit::connect(&self.database.url).await.unwrap()
    }

    /// Waits until `/readyz` of the metrics port says yes.
    pub async fn wait_ready(&self, running: &mut Running) {
        let url = format!("http://{}/readyz", self.settings["HOMEWARD_METRICS_LISTEN"]);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(answer) = reqwest::get(&url).await
                && answer.status().is_success()
            {
                return;
            }
            assert!(!running.has_ended(), "ended: {}", running.text());
            assert!(Instant::now() < deadline, "not ready in 30 s: {}", running.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Running {
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Lets it stand still (`STOP`), or go on (`CONT`).
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "{name}");
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks for an orderly end and expects it within 15 s.
    pub async fn terminate(&mut self) {
        assert!(
            Command::new("kill")
                .arg(self.child.id().to_string())
                .status()
                .unwrap()
                .success()
        );
        self.wait(Duration::from_secs(15)).await;
    }

    /// Waits for its end and expects success.
    pub async fn wait(&mut self, within: Duration) {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}: {}", self.text());
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("did not end within {within:?}: {}", self.text());
    }

    /// What it has written.
    pub fn text(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// The JSON lines among it.
    pub fn lines(&self) -> Vec<Value> {
        json_lines(&self.output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// A port that nobody has, and that no other call in this run is given: between the asking and the listening it belongs to nobody.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// The stream kinds that can be tested here: always PostgreSQL, Kafka where there is a broker.
pub fn streams() -> Vec<String> {
    let kafka = testkit::kafka().map(|brokers| format!("kafka://{brokers}"));
    [Some("postgres".to_owned()), kafka].into_iter().flatten().collect()
}
