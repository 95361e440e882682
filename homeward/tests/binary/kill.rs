//! `kill -9` of the whole process at 20 random moments of a 60-second simulation: nothing acknowledged is lost, nothing is
//! stored or raised twice, and the incidents are those of an undisturbed run with the same seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;

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

/// What must be alike: person, kind and zone (the rule) of each incident, with its onset in seconds from the start.
type Incidents = BTreeMap<(String, String, String), Vec<f64>>;

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
        compare(&stream, &calm, &wild.await.unwrap());
    }
}

/// How often the process has come up.
fn starts(server: &Running) -> usize {
    server.text().matches("ready roles").count()
}

fn compare(stream: &str, calm: &Incidents, wild: &Incidents) {
    assert_eq!(
        calm.keys().collect::<Vec<_>>(),
        wild.keys().collect::<Vec<_>>(),
        "{stream}: incidents of the undisturbed run (left) and of the killed one (right)"
    );
    let interval: f64 = INTERVAL.parse().unwrap();
    for (key, onsets) in calm {
        let others = &wild[key];
        assert_eq!(
            onsets.len(),
            others.len(),
            "{stream} {key:?}: {onsets:?} undisturbed, {others:?} killed"
        );
        for (onset, other) in onsets.iter().zip(others) {
            let apart = (onset - other).abs();
            assert!(
                apart <= interval,
                "{stream} {key:?}: onset {onset} undisturbed, {other} killed"
            );
        }
    }
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
    wait_for_history(&installation, &reports).await;
    settle(&installation).await;
    let start = simulator
        .lines()
        .into_iter()
        .find(|line| line["type"] == "start")
        .unwrap();
    let start: Timestamp = start["start"].as_str().unwrap().parse().unwrap();
    let incidents = incidents(&installation, start).await;
    server.terminate().await;
    installation.database.drop_now().await.unwrap();
    incidents
}

/// Every acknowledged report is in history, exactly once.
async fn wait_for_history(installation: &Installation, reports: &[Value]) {
    const STORED: &str = "SELECT device_id::text, sequence, fix_time, count(*) FROM position GROUP BY 1, 2, 3";
    let client = installation.client().await;
    let key = |device: &str, time: Timestamp| (device.to_owned(), time.as_second());
    let wanted: BTreeSet<_> = reports
        .iter()
        .map(|report| {
            key(
                report["device_id"].as_str().unwrap(),
                report["fix_time"].as_str().unwrap().parse().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        wanted.len(),
        reports.len(),
        "the simulator counts an acknowledgement twice"
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let rows = client.query(STORED, &[]).await.unwrap();
        let mut stored = BTreeSet::new();
        for row in &rows {
            let (device, time): (String, Timestamp) = (row.get(0), row.get(2));
            let count: i64 = row.get(3);
            assert_eq!(count, 1, "device {device} at {time} is stored {count} times");
            assert!(
                stored.insert(key(&device, time)),
                "device {device} at {time} is stored twice"
            );
        }
        let missing: Vec<_> = wanted.difference(&stored).collect();
        if missing.is_empty() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{} acknowledged reports are not in history: {:?}",
            missing.len(),
            missing.first()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until no event has come for a while.
async fn settle(installation: &Installation) {
    let client = installation.client().await;
    let (mut before, mut quiet) = (-1_i64, 0);
    while quiet < 8 {
        let count: i64 = client
            .query_one("SELECT count(*) FROM event", &[])
            .await
            .unwrap()
            .get(0);
        quiet = if count == before { quiet + 1 } else { 0 };
        before = count;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn incidents(installation: &Installation, start: Timestamp) -> Incidents {
    const SQL: &str = "SELECT p.reference, i.kind, coalesce(i.zone_id::text, ''), i.onset_at
        FROM incident i JOIN person p USING (person_id) ORDER BY i.onset_at";
    let mut all = Incidents::new();
    for row in installation.client().await.query(SQL, &[]).await.unwrap() {
        let onset: Timestamp = row.get(3);
        let seconds = onset.duration_since(start).as_secs_f64();
        all.entry((row.get(0), row.get(1), row.get(2)))
            .or_default()
            .push(seconds);
    }
    all
}
