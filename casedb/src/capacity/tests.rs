use super::*;

fn at() -> Timestamp {
    "2026-11-21T00:00:00Z".parse().unwrap()
}

const fn grows(now: f64, a_day: f64) -> Growth {
    Growth {
        now,
        before: Some((now - a_day * 5.0, 5.0)),
    }
}

fn reading() -> Reading {
    Reading {
        at: at(),
        sequences: vec![Sequence {
            name: "public.incident_number_seq".to_owned(),
            value: grows(1_000.0, 100.0),
            limit: 9.2e18,
        }],
        database: grows(10e9, 1e9),
        free: Some(900e9),
        history: grows(8e9, 0.9e9),
        history_days: Some(9.0),
        made_until: Some("2026-11-29T00:00:00Z".parse().unwrap()),
        outside_days: 0,
        stream: Some(grows(1e9, 0.1e9)),
        stream_hours: Some((160.0, 168.0)),
        wal: grows(50e9, 5e9),
        wal_held: 0.0,
        transaction_age: 50e6,
    }
}

fn line<'a>(report: &'a Report, what: &str) -> &'a Line {
    report.lines.iter().find(|line| line.what.contains(what)).unwrap()
}

fn days(report: &Report, what: &str) -> f64 {
    line(report, what).days_left.unwrap()
}

#[test]
fn days_left_are_what_is_left_through_what_a_day_takes() {
    let report = report(&reading());
    assert_eq!(report.standing, Standing::Enough);
    assert!((days(&report, "disk") - 900.0).abs() < 1e-6);
    assert!((days(&report, "days ahead") - 8.0).abs() < 1e-6);
    assert!(days(&report, "incident_number") > 1e15);
}

#[test]
fn an_integer_sequence_would_have_been_told_in_time() {
    let mut reading = reading();
    reading.sequences[0].limit = 2_147_483_647.0;
    for (left, expected) in [
        (61.0, Standing::Enough),
        (59.0, Standing::Warn),
        (13.0, Standing::Short),
        (0.0, Standing::Short),
    ] {
        reading.sequences[0].value = grows(2_147_483_647.0 - left * 1e6, 1e6);
        let report = report(&reading);
        assert_eq!(line(&report, "sequence").standing, expected, "{left}");
        assert!((days(&report, "sequence") - left).abs() < 1e-6);
        // The worst comes first and is the whole's.
        assert_eq!(report.standing, expected);
        if expected != Standing::Enough {
            assert!(report.lines[0].what.starts_with("sequence"));
        }
    }
}

#[test]
fn a_full_disk_is_short_whatever_its_rate() {
    let mut reading = reading();
    reading.free = Some(0.4e9);
    reading.database = Growth {
        now: 10e9,
        before: None,
    };
    let report = report(&reading);
    assert_eq!(
        (line(&report, "disk").standing, line(&report, "disk").days_left),
        (Standing::Short, None)
    );
}

#[test]
fn what_is_not_known_is_not_invented() {
    let mut reading = reading();
    reading.free = None;
    reading.database.before = Some((1.0, SHORTEST_BASE_DAYS / 2.0));
    reading.made_until = None;
    reading.stream = None;
    reading.sequences[0].value = Growth {
        now: 5.0,
        before: Some((5.0, 3.0)),
    };
    let report = report(&reading);
    // Not "enough": nobody knows.
    assert_eq!(line(&report, "disk").standing, Standing::Unknown);
    assert_eq!(report.standing, Standing::Unknown);
    for what in ["disk", "days ahead", "sequence"] {
        assert_eq!(line(&report, what).days_left, None, "{what}");
    }
    assert_eq!(line(&report, "disk").per_day, None);
    assert_eq!(line(&report, "sequence").per_day, Some(0.0));
    assert!(report.lines.iter().all(|line| line.what != "stream"));
    // As JSON there is neither NaN nor infinity.
    let json = serde_json::to_string(&report).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
}

#[test]
fn days_that_nobody_makes_any_more_are_told() {
    let mut reading = reading();
    for (until, expected) in [
        ("2026-11-24T00:00:00Z", Standing::Warn),
        ("2026-11-22T00:00:00Z", Standing::Short),
        ("2026-11-20T00:00:00Z", Standing::Short),
    ] {
        reading.made_until = Some(until.parse().unwrap());
        assert_eq!(line(&report(&reading), "days ahead").standing, expected, "{until}");
    }
    reading.outside_days = 3;
    assert_eq!(line(&report(&reading), "movement history").standing, Standing::Warn);
}

#[test]
fn a_stream_that_nobody_trims_and_a_slot_that_nobody_reads_are_told() {
    let mut reading = reading();
    reading.stream_hours = Some((400.0, 168.0));
    reading.wal_held = 300e9;
    reading.transaction_age = 700e6;
    let report = report(&reading);
    for what in ["stream", "write-ahead log", "transaction"] {
        assert_eq!(line(&report, what).standing, Standing::Warn, "{what}");
    }
}
