//! Distances to keep from protected people.

use super::*;

/// Nothing that comes out may say where the protected person is, or how far away.
fn says_nothing_of_the_protected(rules: &Value, track: &Track) {
    let (lines, _) = replay_until(rules, track, "");
    let csv = track.csv();
    let own: Vec<&str> = csv.lines().filter(|row| row.starts_with("wu,")).collect();
    for row in csv.lines().filter(|row| row.starts_with("V17,")) {
        for degrees in row.split(',').skip(4).take(2) {
            // On the way, the two may have one number in common: what the person's own fixes say, they may say.
            if own.iter().any(|own| own.contains(degrees)) {
                continue;
            }
            let digits = degrees.trim_end_matches('0');
            assert!(digits.len() > 6, "{digits}");
            assert!(!lines.contains(digits), "{digits} in {lines}");
            assert!(!lines.contains(&digits.replace('.', "")), "{digits} in {lines}");
        }
    }
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(!line.contains("V17"), "{line}");
        for fix in event["fixes"].as_array().unwrap() {
            assert_eq!(fix["signed_distance_m"], 0.0, "{line}");
        }
    }
}

#[test]
fn an_approach_to_a_protected_person() {
    // The protected person sits still, 5 km east; the supervised person walks up to 300 m and away again.
    let mut track = Track::new();
    for (time, east_m) in [
        ("12:00", 0.0),
        ("12:10", 4_000.0),
        ("12:11", 4_050.0),
        ("12:12", 4_370.0),
        ("12:13", 4_400.0),
        ("12:14", 4_620.0),
        ("12:15", 4_700.0),
        ("12:16", 4_710.0),
        ("12:17", 4_390.0),
        ("12:18", 4_380.0),
        ("12:19", 4_000.0),
        ("12:20", 3_900.0),
    ] {
        let east_m = east_m + 0.7;
        track = track
            .protected(&format!("{time}:00"), 5_000.4, 123.4)
            .fix(&format!("{time}:20"), east_m, 0.0);
    }
    says_nothing_of_the_protected(&keep_away(), &track);
    check!(keep_away(), track, "");
}

#[test]
fn a_protected_person_who_comes_near() {
    // The supervised person sits still, and it is the other who comes.
    let mut track = Track::new().fixes(&["12:00:00", "12:01:00"], 0.0, 0.0);
    for (time, east_m) in [
        ("12:02", 1_000.0),
        ("12:03", 1_000.0),
        ("12:04", 300.0),
        ("12:05", 200.0),
        ("12:06", 200.0),
        ("12:20", 3_000.0),
        ("12:21", 3_000.0),
    ] {
        let east_m = east_m + 0.3;
        track = track
            .fix(&format!("{time}:00"), 0.0, 0.0)
            .protected(&format!("{time}:10"), east_m, 45.6);
    }
    says_nothing_of_the_protected(&keep_away(), &track);
    check!(keep_away(), track, "");
    // A fix of an hour ago says nothing about now.
    let mut stale = Track::new()
        .protected("12:00:00", 100.0, 45.6)
        .protected("12:01:00", 100.0, 45.6);
    for time in minutes("13:00", "13:05") {
        stale = stale.fix(&time, 0.0, 0.0);
    }
    assert!(events(&keep_away(), &stale, "").is_empty());
}

#[test]
fn a_protected_persons_row_needs_a_place_and_a_person() {
    let header = "person_id,received_at,fix_time,latitude,longitude,protected_of\n";
    let csv = format!(
        "{header}V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,,,wu\n\
         V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,nobody\n\
         V18,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,wu\n\
         V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,wu\n\
         V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,wu\n"
    );
    let summary = replay::run(&keep_away().to_string(), csv.as_bytes(), Vec::new(), None).unwrap();
    let counters = summary.counters;
    assert_eq!((summary.bad_rows, summary.unknown_people_rows), (1, 1), "{summary}");
    assert_eq!(
        (counters.judged, counters.not_monitored, counters.duplicates),
        (1, 1, 1),
        "{summary}"
    );
    assert_eq!(
        summary.named_bad_rows[0].to_string(),
        "line 2: a protected person's row without a position"
    );
}
