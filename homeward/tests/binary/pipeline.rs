//! The whole way on both stream kinds, in one process and in five: simulated monitors of all five protocols, incidents in the case
//! database, commands to the monitors, an orderly end.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::installation::{Installation, Running, streams};

const WORLD: [&str; 8] = [
    "--devices",
    "12",
    "--seed",
    "9",
    "--scenario",
    "soak",
    "--interval",
    "1",
];

/// The first five people have devices of the five protocols.
const COMMANDS: [&[&str]; 9] = [
    &["locate", "DEMO-0001"],
    &["locate", "DEMO-0002"],
    &["locate", "DEMO-0003"],
    &["locate", "DEMO-0004"],
    &["locate", "DEMO-0005"],
    &["vibrate", "DEMO-0003"],
    &["vibrate", "DEMO-0004"],
    &["text", "DEMO-0005", "Call the station"],
    &["interval", "DEMO-0002", "--every", "2s"],
];

#[tokio::test(flavor = "multi_thread")]
async fn violations_become_incidents_on_every_stream() {
    for stream in streams() {
        let Some(database) = testkit::database().await.unwrap() else {
            return;
        };
        let installation = Installation::new(database, &stream);
        installation.succeed(&[&["demo", "seed"], WORLD.as_slice()].concat());
        let mut server = installation.start("run", &["run"]);
        installation.wait_ready(&mut server).await;
        simulate_and_compare(&installation, &stream, &server).await;
        server.terminate().await;
        installation.database.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_stage_runs_as_its_own_process() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    installation.succeed(&[&["demo", "seed"], WORLD.as_slice()].concat());
    // The gateway last: it is the one whose metrics port says ready.
    let quiet = [("HOMEWARD_METRICS_LISTEN", "")];
    let mut stages: Vec<Running> = ["history", "geofence", "alerts", "console"]
        .map(|role| installation.start_with(role, &[role], &quiet))
        .into();
    let mut gateway = installation.start("gateway", &["gateway"]);
    installation.wait_ready(&mut gateway).await;
    simulate_and_compare(&installation, "five processes", &gateway).await;
    stages.push(gateway);
    for stage in &mut stages {
        assert!(!stage.has_ended(), "{}", stage.text());
        stage.terminate().await;
    }
    installation.database.drop_now().await.unwrap();
}

/// Simulates for 75 s (the violations begin in the first minute, and the engine wants a few fixes of each); then each true violation is an incident, and nobody else has one.
async fn simulate_and_compare(installation: &Installation, what: &str, server: &Running) {
    const FOUND: &str = "SELECT count(*) FROM incident i JOIN person p USING (person_id)
        WHERE p.reference = $1 AND i.kind = $2";
    let arguments = [&["simulate"], WORLD.as_slice(), &["--duration", "75"]].concat();
    let mut simulator = installation.start("simulate", &arguments);
    tokio::time::sleep(Duration::from_secs(10)).await;
    for arguments in COMMANDS {
        let why = ["--purpose", "maintenance", "--by", "officer"];
        installation.succeed(&[&["command", "send"], arguments, &why].concat());
    }
    simulator.wait(Duration::from_mins(2)).await;

    let lines = simulator.lines();
    let truth: Vec<_> = lines.into_iter().filter(|line| line["type"] == "violation").collect();
    assert!(truth.len() >= 5, "{what}: {truth:?}");
    let client = installation.client().await;
    let deadline = Instant::now() + Duration::from_secs(20);
    for violation in &truth {
        let (reference, kind) = (
            violation["reference"].as_str().unwrap(),
            violation["kind"].as_str().unwrap(),
        );
        loop {
            let found: i64 = client.query_one(FOUND, &[&reference, &kind]).await.unwrap().get(0);
            if found == 1 {
                break;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: {found} incidents for {violation}\n{}",
                server.text()
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let raised: i64 = client
        .query_one("SELECT count(DISTINCT person_id) FROM incident", &[])
        .await
        .unwrap()
        .get(0);
    let violators: BTreeSet<_> = truth.iter().map(|line| line["person_id"].to_string()).collect();
    assert_eq!(
        raised.unsigned_abs(),
        violators.len() as u64,
        "{what}: incidents of people who comply"
    );

    // Violators of every protocol were found, and every device did what it was told.
    let spoken: Vec<String> = client
        .query(
            "SELECT DISTINCT d.protocol FROM incident i JOIN device_assignment a USING (person_id) JOIN device d USING (device_id)",
            &[],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(spoken.len(), 5, "{what}: {spoken:?}");
    let told = client
        .query(
            "SELECT p.reference, c.kind, c.state, c.outcome FROM device_command c JOIN person p USING (person_id)",
            &[],
        )
        .await
        .unwrap();
    let words = |row: &tokio_postgres::Row| -> [String; 4] { [0, 1, 2, 3].map(|column| row.get(column)) };
    let told: Vec<_> = told.iter().map(words).collect();
    assert_eq!(told.len(), COMMANDS.len(), "{what}: {told:?}");
    assert!(
        told.iter().all(|[_, _, state, _]| state == "acknowledged"),
        "{what}: {told:?}"
    );
}
