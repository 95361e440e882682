//! The commands without database or network: decode, evaluate, replay.

use std::{
    fmt::Write as _,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::installation::{BINARY, json_lines};

fn decode(protocol: &str, lines: &str) -> Vec<Value> {
    let mut child = Command::new(BINARY)
        .args(["decode", "--protocol", protocol])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A position report of 2013, made from the standard: 39.9042 N, 116.4074 E, 60 km/h, 2026-03-02 20:00:00 Beijing time.
fn location_frame() -> String {
    let mut content = vec![0x02, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x90, 0x00, 0x01, 0x23, 0x00, 0x07];
    content.extend([0, 0, 0, 0, 0, 0, 0, 3]); // no alarm; ACC on, positioned
    content.extend(39_904_200_u32.to_be_bytes());
    content.extend(116_407_400_u32.to_be_bytes());
    content.extend([0, 45, 0x02, 0x58, 0, 90]); // 45 m, 60.0 km/h, 90 degrees
    content.extend([0x26, 0x03, 0x02, 0x20, 0x00, 0x00]);
    let checksum = content.iter().fold(0, |sum, byte| sum ^ byte);
    content.push(checksum);
    let escaped: Vec<u8> = content
        .iter()
        .flat_map(|byte| match byte {
            0x7e => vec![0x7d, 0x02],
            0x7d => vec![0x7d, 0x01],
            other => vec![*other],
        })
        .collect();
    format!("7e{}7e", hex::encode(escaped))
}

#[test]
fn decode_answers_each_line_and_names_what_is_wrong() {
    let good = location_frame();
    let bad = good.replacen("9000", "9001", 1);
    let answers = decode("jt808", &format!("{good}\n{bad}\n7e02zz7e\n"));
    assert_eq!(answers.len(), 3);
    let message = &answers[0]["messages"][0];
    assert_eq!(answers[0]["line"], 1);
    assert_eq!(message["type"], "position");
    assert_eq!(message["fix_time"], "2026-03-02T12:00:00Z");
    assert!((message["latitude"].as_f64().unwrap() - 39.9042).abs() < 1e-9);
    assert!((message["speed_kmh"].as_f64().unwrap() - 60.0).abs() < 1e-9);
    assert!(answers[0]["reply"].as_str().unwrap().starts_with("7e8001"));
    assert!(
        answers[1]["error"]
            .as_str()
            .unwrap()
            .starts_with("checksum: expected 0x"),
        "{}",
        answers[1]
    );
    assert_eq!(answers[2]["line"], 3);
    assert!(answers[2]["error"].is_string());
}

const ZONES: &str = r#"{"type":"FeatureCollection","features":[
 {"type":"Feature","properties":{"zone_id":"home","person_id":"P1","kind":"inclusion","radius_m":100.0},
  "geometry":{"type":"Point","coordinates":[10.0,50.0]}},
 {"type":"Feature","properties":{"zone_id":"square","person_id":"P1","kind":"exclusion"},
  "geometry":{"type":"Polygon","coordinates":[[[10.01,50.0],[10.02,50.0],[10.02,50.01],[10.01,50.01],[10.01,50.0]]]}}]}"#;

#[test]
fn evaluate_writes_membership_and_distance() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("zones.geojson"), ZONES).unwrap();
    let tracks = "track_id,person_id,time_utc,lat,lon,accuracy_m\n\
        T1,P1,2026-03-02T12:00:00Z,50.0,10.0,5\n\
        T1,P1,2026-03-02T12:01:00Z,50.005,10.01,5\n";
    std::fs::write(path("tracks.csv"), tracks).unwrap();
    let run = |zones: &str| {
        Command::new(BINARY)
            .args([
                "evaluate",
                "--zones",
                &path(zones),
                "--tracks",
                &path("tracks.csv"),
                "--membership",
                &path("out.csv"),
            ])
            .output()
            .unwrap()
    };
    let output = run("zones.geojson");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = std::fs::read_to_string(path("out.csv")).unwrap();
    assert!(
        rows.starts_with("track_id,seq,zone_id,inside,signed_distance_m\n"),
        "{rows}"
    );
    assert!(rows.contains("T1,0,home,1,-100.000\n"), "{rows}");
    // On the western edge: inside, at distance 0.
    assert!(
        rows.contains("T1,1,square,1,0.000\n") || rows.contains("T1,1,square,1,-0.000\n"),
        "{rows}"
    );

    let missing = run("nothing.geojson");
    assert!(!missing.status.success());
    assert!(String::from_utf8_lossy(&missing.stderr).contains("nothing.geojson"));
}

#[test]
fn replay_needs_its_files_and_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.json");
    std::fs::write(&rules, "{\"people\": 7}").unwrap();
    let reports = folder.path().join("reports.csv");
    std::fs::write(&reports, "person_id,device_id,received_at,fix_time\n").unwrap();
    let events = folder.path().join("events.jsonl");
    let output = Command::new(BINARY)
        .args([
            "replay",
            "--rules",
            rules.to_str().unwrap(),
            "--reports",
            reports.to_str().unwrap(),
        ])
        .args(["--events", events.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("people"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(error.matches("/people").count(), 1, "the place is told once: {error}");
    assert!(
        json_lines(&events).is_empty() && !events.exists(),
        "a failed run leaves no result behind"
    );
}

#[test]
fn replay_says_which_rules_are_refused_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let zone = |name: String| json!({"zone_id": name, "kind": "exclusion", "radius_m": 80, "geometry": {"type": "Point", "coordinates": [10.0, 50.0]}});
    let person = |name: &str, zones: usize| {
        let zones: Vec<Value> = (0..zones).map(|number| zone(format!("{name}-{number}"))).collect();
        json!({"person_id": name, "time_zone": "Europe/Berlin", "zones": zones})
    };
    let mut reports = "person_id,device_id,received_at,fix_time,latitude,longitude,accuracy_m\n".to_owned();
    for minute in 10..20 {
        for name in ["many", "few"] {
            let time = format!("2026-03-02T12:{minute}:00Z");
            writeln!(reports, "{name},D-{name},{time},{time},50.0,10.0,5").unwrap();
        }
    }
    std::fs::write(path("reports.csv"), reports).unwrap();
    let run = |people: Value| {
        std::fs::write(path("rules.json"), json!({ "people": people }).to_string()).unwrap();
        let output = Command::new(BINARY)
            .args(["replay", "--rules", &path("rules.json")])
            .args(["--reports", &path("reports.csv"), "--events", &path("events.jsonl")])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let events = || json_lines(&folder.path().join("events.jsonl"));

    let (status, said) = run(json!([person("few", 1), person("many", 10_001)]));
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("1 rules refused"), "{said}");
    assert!(
        said.contains("rules: /people/1: 10001 zones and distances to keep, at most 10000 allowed"),
        "{said}"
    );
    let told = events();
    assert!(
        !told.is_empty() && told.iter().all(|event| event["person_id"] == "few"),
        "{told:?}"
    );

    let (status, said) = run(json!([person("few", 1), person("many", 10_000)]));
    assert_eq!((status, said.contains("refused")), (Some(0), false), "{said}");
    assert!(events().iter().any(|event| event["person_id"] == "many"));
}

#[test]
fn whoever_stops_reading_ends_the_command_without_a_panic() {
    for arguments in [&["config", "--defaults"][..], &["profiles", "list"], &["law", "cn"]] {
        let mut child = Command::new(BINARY)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        // 0 where all of it went into the pipe before that was closed.
        assert!(matches!(output.status.code(), Some(0 | 141)), "{arguments:?}: {said}");
    }
}

#[test]
fn scenarios_are_listed_without_any_settings() {
    let output = Command::new(BINARY).args(["simulate", "--list"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["demo", "soak", "rare", "quiet"], "{text}");
    assert!(text.lines().all(|line| line.split_whitespace().count() > 2), "{text}");
}
