//! `kill -9` of the whole process at 20 random moments of a 60-second simulation: nothing acknowledged is lost, nothing is
//! stored or raised twice, and the incidents are those of an undisturbed run with the same seed.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use testkit::incidents::{Incidents, all_in_history, astray, settle};

use super::installation::{Installation, Running, json_lines, streams};

const SECONDS: &str = "60";
const INTERVAL: &str = "2";
const KILLS: usize = 20;
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
async fn killed_twenty_times_and_nothing_is_lost_or_doubled() {
    let Some(probe) = testkit::database().await.unwrap() else {
        return;
    };
    probe.drop_now().await.unwrap();
    // All at once: they spend their minute waiting.
    let calm = tokio::spawn(run("postgres".to_owned(), 0));
    let killed: Vec<_> = streams()
        .into_iter()
        .map(|stream| (stream.clone(), tokio::spawn(run(stream, KILLS))))
        .collect();
    let calm = calm.await.unwrap();
    // 30 of the 40 people of this world violate something: an empty comparison would prove nothing.
    assert!(
        calm.len() >= 30,
        "the undisturbed simulation raised only {} incidents",
        calm.len()
    );
    for (stream, wild) in killed {
        let differences = calm.differences(&wild.await.unwrap(), INTERVAL.parse().unwrap());
        assert!(differences.is_empty(), "{stream}: {differences:#?}");
    }
}

/// How often the process has come up.
fn starts(server: &Running) -> usize {
    server.text().matches("ready roles").count()
}

async fn run(stream: String, kills: usize) -> Incidents {
    let database = testkit::database().await.unwrap().unwrap();
    let mut installation = Installation::new(database, &stream);
    // On Kafka a restarted process takes its place back at once if it has a name for good.
    let instance = format!("kill-{}", uuid::Uuid::now_v7().simple());
    installation
        .settings
        .insert("HOMEWARD_STREAM_INSTANCE".to_owned(), instance);
    installation.succeed(&[&["demo", "seed"], WORLD.as_slice()].concat());
    let mut server = installation.start("run", &["run"]);
    installation.wait_ready(&mut server).await;
    let acknowledged = installation.path("acknowledged.jsonl");
    let acknowledged_argument = acknowledged.to_str().unwrap().to_owned();
    let mut arguments = [&["simulate"], WORLD.as_slice()].concat();
    arguments.extend([
        "--duration",
        SECONDS,
        "--patience",
        "90",
        "--acknowledged",
        &acknowledged_argument,
    ]);
    let mut simulator = installation.start("simulate", &arguments);

    // Moments drawn from a seed, spread over the minute, each at least a second after the last.
    let mut random = StdRng::seed_from_u64(20);
    let mut moments: Vec<f64> = (0..kills).map(|_| random.random_range(4.0..62.0)).collect();
    moments.sort_by(f64::total_cmp);
    let begun = Instant::now();
    for (done, moment) in moments.into_iter().enumerate() {
        let wait = Duration::from_secs_f64(moment).saturating_sub(begun.elapsed());
        tokio::time::sleep(wait.max(Duration::from_millis(300))).await;
        // A slow machine would be at its start all the time: of two kills at least one waits until there is something to kill.
        let patience = Instant::now();
        while starts(&server) <= usize::midpoint(done, 1) && patience.elapsed() < Duration::from_mins(1) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        server.kill();
        server = installation.start("run", &["run"]);
    }
    simulator.wait(Duration::from_mins(3)).await;

    let came_up = starts(&server);
    assert!(
        came_up > kills / 2,
        "the process came up only {came_up} times: it was killed before it did any work"
    );

    let reports = json_lines(&acknowledged);
    assert!(
        reports.len() > 1_000,
        "only {} reports were acknowledged",
        reports.len()
    );
    let client = installation.client().await;
    all_in_history(&client, &reports, Duration::from_secs(30))
        .await
        .unwrap();
    settle(&client).await.unwrap();
    let astray = astray(&client).await.unwrap();
    assert!(astray.is_empty(), "{stream}: {astray:#?}");
    let start = simulator
        .lines()
        .into_iter()
        .find(|line| line["type"] == "start")
        .unwrap();
    let start: Timestamp = start["start"].as_str().unwrap().parse().unwrap();
    let incidents = Incidents::read(&client, start).await.unwrap();
    server.terminate().await;
    installation.database.drop_now().await.unwrap();
    incidents
}
