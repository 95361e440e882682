//! PostgreSQL is killed under the whole installation, three times, and started again: the process lives through it, nothing acknowledged
//! is lost or stored twice, and the incidents are those of an undisturbed run with the same seed. And the benches' devices are heard in every protocol.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure here is a failed test"
)]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use homeward_benches::{
    load::{Backlog, Load, Plan, Speech, Start},
    process::free_port,
    site::{Place, Running, Site, Stream},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;
use testkit::incidents::{Incidents, all_in_history, astray, settle};

const KILLS: usize = 3;
const SECONDS: &str = "60";
const INTERVAL: &str = "2";
const WORLD: [&str; 8] = [
    "--devices",
    "40",
    "--seed",
    "5",
    "--scenario",
    "soak",
    "--interval",
    INTERVAL,
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_server_costs_nothing() {
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
    let Some(binary) = testkit::setting("HOMEWARD_BIN") else {
        return;
    };
    let run = |name: &'static str, kills| tokio::spawn(life(PathBuf::from(&binary), name, kills));
    let (calm, wild) = (run("calm", 0), run("wild", KILLS));
    let (calm, wild) = (calm.await.unwrap(), wild.await.unwrap());
    assert!(calm.len() >= 30, "only {} incidents: nothing is shown", calm.len());
    let differences = calm.differences(&wild, INTERVAL.parse().unwrap());
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Devices of the benches sign in, report and are acknowledged over TLS and in clear, whatever they speak.
#[tokio::test(flavor = "multi_thread")]
async fn devices_of_every_speech_are_acknowledged() {
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
    let (Some(binary), Some(database)) = (
        testkit::setting("HOMEWARD_BIN"),
        testkit::setting("HOMEWARD_TEST_POSTGRES_PLAIN"),
    ) else {
        return;
    };
    for speech in Speech::value_variants() {
        let place = Place {
            homeward: PathBuf::from(&binary),
            database_url: Some(database.clone()),
            edition: "plain".to_owned(),
            folder: PathBuf::from(format!(".homeward/test/speech-{}", speech.name())),
        };
        let site = Site::new(&place, Stream::Postgres).await.unwrap();
        site.register(*speech, 3).await.unwrap();
        let gateway = Running::start(&site, "gateway", "gateway", *speech, &[]).await.unwrap();
        let plan = Plan {
            speech: *speech,
            gateway: gateway.address().unwrap(),
            first: 0,
            devices: 3,
            addresses: 1,
            ramp: 100.0,
            every: Duration::from_secs(1),
            live_from: Duration::ZERO,
            live_until: Duration::from_secs(2),
            help: 0,
            backlog: Some(Backlog {
                at: Duration::ZERO,
                reports: 30,
            }),
            give_up: Duration::from_mins(1),
        };
        let told = Load::start(&plan, Start::now()).finish().await;
        for told in told {
            assert!(told.made.len() > 30, "{}: {told:?}", speech.name());
            assert_eq!(told.made.len(), told.acknowledged.len(), "{}: {told:?}", speech.name());
            assert_eq!(told.breaks, 0, "{}", speech.name());
        }
        gateway.process.stop().unwrap();
        site.close().await.unwrap();
    }
}

async fn life(homeward: PathBuf, name: &str, kills: usize) -> Incidents {
    let folder = std::path::absolute(format!(".homeward/test/server-{name}")).unwrap();
    let _ = std::fs::remove_dir_all(&folder);
    let place = Place {
        homeward,
        database_url: None,
        edition: "plain".to_owned(),
        folder: folder.clone(),
    };
    let mut site = Site::within(
        &place,
        Stream::Postgres,
        &folder.join("postgres"),
        &folder.join("kafka"),
    )
    .await
    .unwrap();
    let native = format!("127.0.0.1:{}", free_port().unwrap());
    let jt808 = format!("127.0.0.1:{}", free_port().unwrap());
    let own = [
        ("HOMEWARD_GATEWAY_NATIVE_LISTEN", native),
        ("HOMEWARD_GATEWAY_JT808_LISTEN", jt808.clone()),
        ("HOMEWARD_GEOFENCE_TICK_SECONDS", "1".to_owned()),
    ];
    site.settings
        .extend(own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    end(site
        .start("seed", &[&["demo", "seed"], WORLD.as_slice()].concat(), &[])
        .unwrap())
    .await;
    let mut running = Running::launch(&site, "run", "run", Speech::Jt808, &jt808, &[]).unwrap();
    running.ready(&site.log("run")).await.unwrap();
    let acknowledged = folder.join("acknowledged.jsonl");
    let path = acknowledged.to_str().unwrap();
    let mut arguments = [&["simulate"], WORLD.as_slice()].concat();
    arguments.extend(["--duration", SECONDS, "--patience", "90", "--acknowledged", path]);
    let simulator = site.start("simulate", &arguments, &[]).unwrap();

    let mut random = StdRng::seed_from_u64(51);
    let begun = Instant::now();
    for nth in 0..kills {
        // One in each part of the minute, away for a few seconds.
        let from = 8.0 + 17.0 * f64::from(u32::try_from(nth).unwrap());
        let at = Duration::from_secs_f64(random.random_range(from..from + 10.0));
        tokio::time::sleep(at.saturating_sub(begun.elapsed())).await;
        let processes = site.postgres.as_ref().unwrap().processes();
        assert!(processes.len() > 3, "{processes:?} are no running server");
        site.postgres.as_ref().unwrap().kill();
        tokio::time::sleep(Duration::from_secs_f64(random.random_range(0.5..4.0))).await;
        tokio::task::block_in_place(|| site.postgres.as_mut().unwrap().again()).unwrap();
    }
    end(simulator).await;
    assert!(
        !running.process.has_ended().unwrap(),
        "the process did not live through it"
    );
    let reports = json_lines(&acknowledged);
    assert!(
        reports.len() > 1_000,
        "only {} reports were acknowledged",
        reports.len()
    );
    let client = site.client().await.unwrap();
    all_in_history(&client, &reports, Duration::from_mins(1)).await.unwrap();
    settle(&client).await.unwrap();
    let astray = astray(&client).await.unwrap();
    assert!(astray.is_empty(), "{astray:#?}");
    // Ready again, all of it.
    running.ready(&site.log("run")).await.unwrap();
    let start = json_lines(&site.log("simulate"))
        .into_iter()
        .find(|line| line["type"] == "start")
        .unwrap();
    let start = start["start"].as_str().unwrap().parse().unwrap();
    let found = Incidents::read(&client, start).await.unwrap();
    running.process.stop().unwrap();
    site.close().await.unwrap();
    found
}

async fn end(process: homeward_benches::process::Process) {
    tokio::task::spawn_blocking(|| process.wait()).await.unwrap().unwrap();
}

fn json_lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
