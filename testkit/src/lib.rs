//! What tests share: databases of their own on the test clusters, the Kafka test broker, the shared data, the comparison of
//! a disturbed run with an undisturbed one.
//!
//! Servers are started by `make test` and named by the environment; a test that lacks one says so and is skipped, except
//! where `CI=true`, where it fails.

pub mod incidents;

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use tokio_postgres::NoTls;
use uuid::Uuid;

/// The PostgreSQL editions that tests run on: name and environment variable.
pub const EDITIONS: [(&str, &str); 2] = [
    ("plain", "HOMEWARD_TEST_POSTGRES_PLAIN"),
    ("timescale", "HOMEWARD_TEST_POSTGRES_TIMESCALE"),
];

/// A database of its own, dropped by [`TestDatabase::drop_now`] (or with the cluster).
#[derive(Debug)]
pub struct TestDatabase {
    /// `plain` or `timescale`.
    pub edition: &'static str,
    /// Connection URL.
    pub url: String,
    admin_url: String,
    name: String,
}

impl TestDatabase {
    /// Drops the database, also with connections open.
    pub async fn drop_now(self) -> Result<()> {
        let client = connect(&self.admin_url).await?;
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let mut attempts = 0;
        while let Err(error) = client.batch_execute(&statement).await {
            // An autovacuum worker is at work there; it belongs to the superuser, and only time makes it leave.
            attempts += 1;
            if attempts >= 100 {
                return Err(error).context("test database cannot be dropped");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

/// Connects and drives the connection in the background.
pub async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("test database")?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// Puts somebody under an order of the case database that has been in force for long and will be: without one nothing of theirs is
/// kept. Adds the person where there is none.
pub async fn supervise(client: &tokio_postgres::Client, person: Uuid) -> Result<()> {
    const AGENCY: &str = "INSERT INTO agency (agency_id, path, name, kind, time_zone)
        VALUES ($1, 'supervised', 'Invented agency', 'police', 'UTC') ON CONFLICT DO NOTHING";
    const PERSON: &str =
        "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
        SELECT $1, $1::uuid::text, 'Invented person', agency_id, agency_id, 'UTC' FROM agency WHERE path = 'supervised'
        ON CONFLICT DO NOTHING";
    const ORDER: &str = "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
        VALUES ($1, $2, 'invented act, section 1', '2000-01-01Z', '2100-01-01Z')";
    client.execute(AGENCY, &[&Uuid::now_v7()]).await?;
    client.execute(PERSON, &[&person]).await?;
    client.execute(ORDER, &[&Uuid::now_v7(), &person]).await?;
    Ok(())
}

/// Creates one empty database on each test cluster that is there. In CI both must be.
pub async fn databases() -> Result<Vec<TestDatabase>> {
    let mut all = Vec::new();
    for (edition, variable) in EDITIONS {
        let Some(admin_url) = setting(variable) else { continue };
        let name = format!("test_{}", Uuid::now_v7().simple());
        let client = connect(&admin_url).await?;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let (base, _) = admin_url
            .rsplit_once('/')
            .context("database URL without a database name")?;
        all.push(TestDatabase {
            edition,
            url: format!("{base}/{name}"),
            admin_url: admin_url.clone(),
            name,
        });
    }
    Ok(all)
}

/// One database, on the TimescaleDB cluster where there is one; `None` (said on standard error) where there is no cluster.
pub async fn database() -> Result<Option<TestDatabase>> {
    let mut all = databases().await?;
    let last = all.pop();
    for other in all {
        other.drop_now().await?;
    }
    Ok(last)
}

/// `host:port` of the Kafka test broker.
pub fn kafka() -> Option<String> {
    setting("HOMEWARD_TEST_KAFKA")
}

/// The value of a variable that names a test component; without it, fails in CI and says "skipped" elsewhere.
///
/// # Panics
/// In CI, when the variable is not set.
#[allow(clippy::panic, reason = "a missing component must fail the test in CI")]
pub fn setting(variable: &str) -> Option<String> {
    let value = env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        assert!(
            env::var("CI").as_deref() != Ok("true"),
            "{variable} is not set: run the tests with `make test`"
        );
        eprintln!("skipped: {variable} is not set; `make test` starts what it names");
    }
    value
}

/// A file or folder of the shared test data, `../shared` beside the project.
///
/// # Panics
/// With `HOMEWARD_REQUIRE_SHARED=1`, when it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let root = env::var_os("HOMEWARD_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared")),
        PathBuf::from,
    );
    let full = root.join(path);
    if full.exists() {
        return Some(full);
    }
    assert!(
        env::var("HOMEWARD_REQUIRE_SHARED").as_deref() != Ok("1"),
        "shared data required: {}",
        full.display()
    );
    eprintln!("skipped: shared data not present ({path})");
    None
}

/// Larger than any 32-bit number.
pub const BEYOND_32_BITS: i64 = (1 << 31) + 11;
/// The first integer that a double cannot hold.
pub const BEYOND_DOUBLES: i64 = (1 << 53) + 1;

/// Makes every sequence of `public` and `stream` go on at a number, and the stream's offsets with them (its partitions must be empty, or
/// read to the end). Returns the sequences.
pub async fn restart_sequences(client: &tokio_postgres::Client, at: i64) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT format('%I.%I', schemaname, sequencename), setval(format('%I.%I', schemaname, sequencename)::regclass, $1, false)
            FROM pg_sequences WHERE schemaname IN ('public', 'stream') ORDER BY 1",
            &[&at],
        )
        .await
        .context("a sequence cannot go so far")?;
    for move_on in [
        "DELETE FROM stream.record",
        "UPDATE stream.partition SET start_offset = $1, next_offset = $1",
        "INSERT INTO reader_offset (reader, topic, partition, next_offset)
            SELECT r.reader, r.topic, p.partition, $1
            FROM (VALUES ('history', 'reports', 0), ('alerts', 'events', 1)) AS r (reader, topic, number)
            JOIN stream.partition p ON p.topic = r.number
            ON CONFLICT (reader, topic, partition) DO UPDATE SET next_offset = excluded.next_offset",
    ] {
        let values: &[&(dyn tokio_postgres::types::ToSql + Sync)] = if move_on.contains("$1") { &[&at] } else { &[] };
        client
            .execute(move_on, values)
            .await
            .context("the stream cannot go so far")?;
    }
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// JSON numbers that a reader with doubles would round, by their paths.
pub fn rounded(json: &serde_json::Value) -> Vec<String> {
    fn walk(json: &serde_json::Value, path: &str, found: &mut Vec<String>) {
        match json {
            serde_json::Value::Number(number) => {
                let exact = number.as_i64().is_none_or(|whole| whole.unsigned_abs() < 1 << 53);
                if !exact || number.as_u64().is_some_and(|whole| whole >= 1 << 53) {
                    found.push(format!("{path}: {number}"));
                }
            }
            serde_json::Value::Array(all) => {
                for (index, one) in all.iter().enumerate() {
                    walk(one, &format!("{path}[{index}]"), found);
                }
            }
            serde_json::Value::Object(all) => {
                for (key, one) in all {
                    walk(one, &format!("{path}.{key}"), found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(json, "", &mut found);
    found
}
