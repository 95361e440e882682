//! What was decided can be explained, found again byte by byte out of stored history, and tried with another zone.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use casedb::{Database, rules, zone};
use jiff::Timestamp;
use proto::{LayerId, PersonId, ZoneId, wire};
use serde_json::Value;

use super::installation::{BINARY, Installation, json_lines};

const WORLD: [&str; 8] = [
    "--devices",
    "16",
    "--seed",
    "21",
    "--scenario",
    "soak",
    "--interval",
    "1",
];
const COURT: [&str; 6] = ["--purpose", "court", "--case", "2026-117", "--user", "officer"];

fn run(installation: &Installation, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .envs(&installation.settings)
        .output()
        .unwrap()
}

fn court(installation: &Installation, arguments: &[&str]) -> (bool, String, String) {
    let output = run(installation, &[arguments, COURT.as_slice()].concat());
    (
        output.status.success(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

async fn number(installation: &Installation, sql: &str) -> i64 {
    installation.client().await.query_one(sql, &[]).await.unwrap().get(0)
}

/// A square around a place, as a GeoJSON file.
fn square(path: &Path, longitude: f64, latitude: f64, kind: &str) {
    let half = 0.000_8;
    let (west, east, south, north) = (longitude - half, longitude + half, latitude - half, latitude + half);
    let ring = [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
    ];
    let feature = serde_json::json!({"type": "Feature", "properties": {"kind": kind, "zone_id": "tried"},
        "geometry": {"type": "Polygon", "coordinates": [ring]}});
    std::fs::write(path, feature.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_is_found_again_and_explained() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    let credentials = installation.path("credentials");
    let seed = [
        &["demo", "seed", "--credentials-file", credentials.to_str().unwrap()],
        WORLD.as_slice(),
    ]
    .concat();
    installation.succeed(&seed);
    let mut server = installation.start("run", &["run"]);
    installation.wait_ready(&mut server).await;
    forbid_home(&installation).await;
    let simulate = [&["simulate"], WORLD.as_slice(), &["--duration", "40"]].concat();
    let mut simulator = installation.start("simulate", &simulate);
    // In the middle of it the process dies: reports come twice, the engine goes on from its checkpoint.
    tokio::time::sleep(Duration::from_secs(20)).await;
    server.kill();
    let mut server = installation.start("run", &["run"]);
    simulator.wait(Duration::from_mins(3)).await;
    settle(&installation).await;
    server.terminate().await;

    replay(&installation).await;
    explain(&installation).await;
    backtest(&installation).await;
    quarantine(&installation).await;
    installation.database.drop_now().await.unwrap();
}

/// A shared layer with a zone where somebody lives: its events are in the log, too.
async fn forbid_home(installation: &Installation) {
    let sql = "SELECT pz.person_id, (r.geometry->'coordinates'->>0)::float8, (r.geometry->'coordinates'->>1)::float8
        FROM person_zone pz JOIN zone z USING (zone_id) JOIN zone_revision r USING (zone_id)
        WHERE z.kind = 'inclusion' AND r.geometry->>'type' = 'Point' ORDER BY pz.person_id LIMIT 1";
    let row = installation.client().await.query_one(sql, &[]).await.unwrap();
    let (longitude, latitude) = (row.get(1), row.get(2));
    let person = PersonId::new(row.get(0));
    let layer = LayerId::from_name("stations");
    let circle = wire::Circle {
        longitude,
        latitude,
        radius_m: 60.0,
    };
    let station = wire::Zone {
        zone_id: ZoneId::from_name("station").to_wire(),
        revision: 1,
        kind: wire::ZoneKind::Exclusion.into(),
        geometry: Some(wire::Geometry {
            shape: Some(wire::geometry::Shape::Circle(circle)),
        }),
        ..Default::default()
    };
    let database = Database::connect(&installation.database.url, 1).await.unwrap();
    let mut client = database.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    zone::create_layer(&transaction, layer, "stations").await.unwrap();
    zone::publish_layer(&transaction, layer, vec![station]).await.unwrap();
    zone::attach_layer(&transaction, person, layer).await.unwrap();
    rules::publish(&transaction, person, Timestamp::now()).await.unwrap();
    transaction.commit().await.unwrap();
}

/// Waits until nothing new is stored: history and events have what the stream has.
async fn settle(installation: &Installation) {
    let sql = "SELECT (SELECT count(*) FROM position) + (SELECT count(*) FROM event)";
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut before = -1;
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = number(installation, sql).await;
        if now == before || Instant::now() > deadline {
            return;
        }
        before = now;
    }
}

async fn replay(installation: &Installation) {
    let stored = number(installation, "SELECT count(*) FROM event").await;
    assert!(stored >= 8, "{stored} events");
    let of_layer = format!(
        "SELECT count(*) FROM event WHERE zone_id = '{}'",
        ZoneId::from_name("station")
    );
    assert!(number(installation, &of_layer).await >= 1, "nothing of the layer");
    let events = installation.path("again.jsonl");
    let file = events.to_str().unwrap();
    let all = ["replay", "--all", "--events", file, "--show-differences"];
    let (success, said, errors) = court(installation, &all);
    assert!(success, "{said}{errors}");
    let expected = "16 people, ";
    assert!(said.starts_with(expected), "{said}");
    assert!(
        said.contains(&format!(": {stored} events identical, 0 differing, 0 missing, 0 extra")),
        "{stored} stored: {said}"
    );
    assert!(!said.contains("guess"), "every record has its place: {said}");
    let lines = json_lines(&events);
    assert!(lines.len() as u64 >= stored.unsigned_abs());
    assert!(
        lines
            .iter()
            .all(|line| line["sentence"].is_string() && line["model"].is_u64())
    );
    assert_eq!(
        number(
            installation,
            "SELECT count(*) FROM position_access WHERE purpose = 'court'"
        )
        .await,
        16,
        "each reading is written down"
    );

    // A stored event that was tampered with, one that is gone, and one that nobody decided.
    let client = installation.client().await;
    let sql = "UPDATE event SET payload = payload || '\\x8801'::bytea || '\\x01'::bytea WHERE event_id = (SELECT min(event_id::text)::uuid FROM event)
        RETURNING (SELECT reference FROM person p WHERE p.person_id = event.person_id)";
    let tampered: String = client.query_one(sql, &[]).await.unwrap().get(0);
    let one = ["replay", "--person", tampered.as_str(), "--show-differences"];
    let (success, said, _) = court(installation, &one);
    assert!(!success && said.contains(", 1 differing, 0 missing, 0 extra"), "{said}");
    assert!(
        said.contains("differs ") && said.contains("withdrawn: stored true, replayed false"),
        "{said}"
    );
    let sql = "WITH copy AS (
            INSERT INTO event SELECT (jsonb_populate_record(e, jsonb_build_object('event_id', gen_random_uuid()))).* FROM event e
            WHERE event_id = (SELECT max(event_id::text)::uuid FROM event) RETURNING person_id)
        SELECT reference FROM copy JOIN person USING (person_id)";
    let longer: String = client.query_one(sql, &[]).await.unwrap().get(0);
    let (success, said, _) = court(installation, &["replay", "--person", longer.as_str()]);
    assert!(!success && said.contains(", 1 missing"), "{said}");

    let without = run(installation, &["replay", "--all"]);
    let error = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(!without.status.success() && error.contains("--purpose"), "{error}");
    let stranger = run(
        installation,
        &[
            "replay",
            "--all",
            "--purpose",
            "duty",
            "--case",
            "1",
            "--user",
            "nobody.here",
        ],
    );
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("nobody.here"));
    let (success, _, errors) = court(installation, &["replay", "--person", "NOBODY-1"]);
    assert!(!success && errors.contains("NOBODY-1"), "{errors}");
}

async fn explain(installation: &Installation) {
    let client = installation.client().await;
    let sql = "SELECT event_id::text, e.kind, onset_at::text, reference, display_name, z.label FROM event e
        JOIN person USING (person_id) JOIN zone z USING (zone_id)
        WHERE e.kind = 'exclusion_entry' AND edge = 'onset' ORDER BY decided_at DESC LIMIT 1";
    let row = client.query_one(sql, &[]).await.unwrap();
    let [id, kind, _, reference, name, label] = [0, 1, 2, 3, 4, 5].map(|column| row.get::<_, String>(column));
    let (success, said, errors) = court(installation, &["explain", &id]);
    assert!(success, "{errors}");
    for expected in [
        &id,
        &kind,
        &reference,
        "+08:00",
        "tz data",
        "model",
        "rules",
        "probability",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    assert!(
        !said.contains(&name) && !said.contains(&label),
        "names stay out: {said}"
    );
    let (success, said, _) = court(installation, &["explain", &id[..18], "--json"]);
    let object: Value = serde_json::from_str(&said).unwrap();
    assert!(success && object["event_id"] == id.as_str() && object["reference"] == reference.as_str());
    assert!(
        object["fixes"].as_array().is_some_and(|fixes| !fixes.is_empty()),
        "{object}"
    );

    let unknown = "00000000-0000-0000-0000-000000000000";
    let (success, _, errors) = court(installation, &["explain", unknown]);
    assert!(
        !success && errors.contains(unknown) && errors.contains("console"),
        "{errors}"
    );
    let sql = "SELECT incident_id::text FROM incident_event LIMIT 1";
    let incident: String = client.query_one(sql, &[]).await.unwrap().get(0);
    let (success, _, errors) = court(installation, &["explain", &incident]);
    assert!(
        !success && errors.contains("is an incident; its events are"),
        "{errors}"
    );
    let (success, _, errors) = court(installation, &["explain", "theft"]);
    assert!(!success && errors.contains("no event id"), "{errors}");
    // Another agency's user sees nobody here, and what is for one branch is not for the other.
    client
        .batch_execute("INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES (gen_random_uuid(), 'elsewhere', 'Elsewhere', 'police', 'UTC')")
        .await
        .unwrap();
    installation.succeed(&[
        "user",
        "add",
        "stranger",
        "--role",
        "duty_officer",
        "--agency",
        "elsewhere",
    ]);
    let strange = run(
        installation,
        &["explain", &id, "--purpose", "duty", "--case", "1", "--user", "stranger"],
    );
    let errors = String::from_utf8_lossy(&strange.stderr).into_owned();
    assert!(!strange.status.success() && errors.contains("does not see"), "{errors}");
    let strange = run(
        installation,
        &[
            "replay",
            "--all",
            "--purpose",
            "duty",
            "--case",
            "1",
            "--user",
            "stranger",
        ],
    );
    let said = String::from_utf8_lossy(&strange.stdout).into_owned();
    assert!(
        said.contains("0 people") && said.contains("16 people passed over"),
        "{said}"
    );
    let audience = |audience: &str| {
        format!(
            "UPDATE zone SET audience = '{audience}' WHERE zone_id = (SELECT zone_id FROM event WHERE event_id = '{id}')"
        )
    };
    client.batch_execute(&audience("social_work")).await.unwrap();
    let (success, _, errors) = court(installation, &["explain", &id]);
    assert!(!success && errors.contains("branch"), "{errors}");
    client.batch_execute(&audience("both")).await.unwrap();
    let sql = format!("SELECT count(*) FROM position_access WHERE scope = 'event {id}'");
    assert_eq!(number(installation, &sql).await, 2);
}

async fn backtest(installation: &Installation) {
    let client = installation.client().await;
    let before = number(installation, "SELECT count(*) FROM event").await;
    // Where somebody who kept still was all the time.
    let sql = "SELECT reference, avg(longitude), avg(latitude) FROM position JOIN person USING (person_id)
        WHERE valid GROUP BY reference ORDER BY stddev(longitude) + stddev(latitude) LIMIT 1";
    let row = client.query_one(sql, &[]).await.unwrap();
    let (reference, longitude, latitude): (String, f64, f64) = (row.get(0), row.get(1), row.get(2));
    let file = installation.path("tried.geojson");
    square(&file, longitude, latitude, "exclusion");
    let file = file.to_str().unwrap();
    let since = "2026-01-01";
    let (success, said, errors) = court(
        installation,
        &[
            "backtest", "--zone", file, "--people", "all", "--since", since, "--json",
        ],
    );
    assert!(success, "{errors}");
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mine: Vec<&Value> = lines
        .iter()
        .filter(|line| line["reference"] == reference.as_str())
        .collect();
    assert_eq!(mine.len(), 1, "{lines:?}");
    assert_eq!(mine[0]["kind"], "exclusion_entry");
    assert_eq!(
        (&mine[0]["with"]["count"], &mine[0]["before"]["count"]),
        (&1.into(), &0.into())
    );
    assert!(mine[0]["with"]["seconds"].as_i64().unwrap() > 5, "{lines:?}");

    // Far away it would have raised nothing.
    let far = installation.path("far.geojson");
    square(&far, longitude + 1.0, latitude, "exclusion");
    let far = [
        "backtest",
        "--zone",
        far.to_str().unwrap(),
        "--people",
        reference.as_str(),
        "--since",
        since,
    ];
    let (success, said, errors) = court(installation, &far);
    assert!(success && said.contains("0 events with the zone"), "{said}{errors}");

    // A stored zone as it is raises what it raised.
    let sql = "SELECT e.zone_id::text, count(DISTINCT violation_id) FROM event e JOIN zone z USING (zone_id)
        WHERE z.kind = 'exclusion' GROUP BY e.zone_id ORDER BY 2 DESC LIMIT 1";
    let row = client.query_one(sql, &[]).await.unwrap();
    let (zone, raised): (String, i64) = (row.get(0), row.get(1));
    let (success, said, errors) = court(installation, &["backtest", "--zone", &zone, "--since", since]);
    assert!(success, "{errors}");
    let summary = format!("{raised} events with the zone, {raised} with the rules as they were");
    assert!(said.contains(&summary), "{raised} raised: {said}");

    // Moved far away it would have raised nothing; asked only at another hour, nothing either.
    let moved = [
        "backtest",
        "--zone",
        installation.path("far.geojson").to_str().unwrap(),
        "--replaces",
        &zone,
        "--since",
        since,
    ]
    .map(str::to_owned);
    let hours = installation.path("hours.json");
    let passed = "{\"additions\":[{\"start\":\"2026-01-02T00:00:00Z\",\"end\":\"2026-01-03T00:00:00Z\"}]}";
    std::fs::write(&hours, passed).unwrap();
    let later = [
        "backtest",
        "--zone",
        &zone,
        "--schedule",
        hours.to_str().unwrap(),
        "--since",
        since,
    ]
    .map(str::to_owned);
    for arguments in [moved.to_vec(), later.to_vec()] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (success, said, errors) = court(installation, &arguments);
        let summary = format!("0 events with the zone, {raised} with the rules as they were");
        assert!(success && said.contains(&summary), "{arguments:?}: {said}{errors}");
    }

    for (arguments, expected) in [
        (vec!["--zone", file], "--people"),
        (vec!["--zone", "nothing.geojson", "--people", "all"], "nothing.geojson"),
        (
            vec!["--zone", "00000000-0000-0000-0000-000000000000"],
            "there is no zone",
        ),
    ] {
        let arguments = [&["backtest", "--since", since], arguments.as_slice()].concat();
        let (success, _, errors) = court(installation, &arguments);
        assert!(!success && errors.contains(expected), "{expected}: {errors}");
    }
    assert_eq!(
        number(installation, "SELECT count(*) FROM event").await,
        before,
        "nothing is written"
    );
}

async fn quarantine(installation: &Installation) {
    let list = |more: &[&str]| {
        let output = installation.succeed(&[&["quarantine", "list"], more].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let said = list(&[]);
    assert!(
        said.contains("cannot be right") && said.matches("none").count() >= 1,
        "{said}"
    );
    let sql = "INSERT INTO quarantined_report (report_id, person_id, device_id, reason, fix_time, received_at, payload)
        SELECT gen_random_uuid(), person_id, device_id, 'week_rollover', received_at - interval '7168 days', received_at, ''
        FROM position LIMIT 3";
    installation.client().await.execute(sql, &[]).await.unwrap();
    assert!(list(&[]).contains("week_rollover"));
    let object: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    let reports = object["reports"].as_array().unwrap();
    assert_eq!(
        reports.iter().map(|row| row["reports"].as_i64().unwrap()).sum::<i64>(),
        3,
        "{object}"
    );
}
