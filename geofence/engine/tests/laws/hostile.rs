//! Whatever may lie in the log, or be damaged, or be refused.

use super::*;

/// Numbers as a careless or hostile sender writes them.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        Just(0),
        Just(i64::MIN),
        Just(i64::MAX),
        any::<i64>(),
        1_785_000_000_000_000_i64..1_787_000_000_000_000
    ]
}

fn id() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => (0_u8..2).prop_map(|byte| vec![byte; 16]), 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

fn wild_position() -> impl Strategy<Value = Position> {
    let degrees = || {
        prop_oneof![
            any::<i32>(),
            Just(302_500_000),
            Just(1_201_600_000),
            Just(900_000_000),
            Just(-1_800_000_000)
        ]
    };
    (
        degrees(),
        degrees(),
        any::<bool>(),
        any::<i32>(),
        prop::option::of(any::<f32>()),
    )
        .prop_map(|(latitude_e7, longitude_e7, valid, source, accuracy_m)| Position {
            latitude_e7,
            longitude_e7,
            valid,
            source,
            accuracy_m,
            ..Position::default()
        })
}

fn wild_report() -> impl Strategy<Value = Report> {
    (
        (prop::collection::vec(any::<u8>(), 15..17), id(), number(), number()),
        (
            prop::option::of(wild_position()),
            prop::option::of(any::<u32>()),
            any::<i32>(),
            any::<i32>(),
        ),
        prop::collection::vec(prop_oneof![0..13, any::<i32>()], 0..4),
    )
        .prop_map(
            |(
                (report_id, person_id, fix_time_us, received_at_us),
                (position, battery_percent, strap, case),
                alarms,
            )| {
                Report {
                    report_id,
                    person_id,
                    fix_time_us,
                    received_at_us,
                    position,
                    battery_percent,
                    strap,
                    case,
                    alarms,
                    ..Report::default()
                }
            },
        )
}

fn wild_zone() -> impl Strategy<Value = Zone> {
    let dated = || {
        let pair = (number(), number()).prop_map(|(start_us, end_us)| wire::DatedInterval { start_us, end_us });
        prop::collection::vec(pair, 0..2)
    };
    let weekly = (0_u32..9, 0_u32..90_000, 0_u32..90_000).prop_map(|(weekday, start_s, end_s)| WeeklyInterval {
        weekday,
        start_s,
        end_s,
    });
    let schedule =
        (prop::collection::vec(weekly, 0..3), dated(), dated()).prop_map(|(weekly, additions, exceptions)| Schedule {
            weekly,
            additions,
            exceptions,
            ..Default::default()
        });
    let degrees = || prop_oneof![4 => Just(30.25), 4 => Just(120.16), 1 => any::<f64>()];
    let radius = prop_oneof![6 => 1.0..1_000_000.0, 1 => any::<f64>()];
    (
        0_u8..3,
        number(),
        0_i32..5,
        (degrees(), degrees(), radius, prop_oneof![Just(0.0), any::<f64>()]),
        prop::option::of(schedule),
        any::<bool>(),
    )
        .prop_map(
            |(zone, revision, kind, (longitude, latitude, radius_m, buffer_m), schedule, attendance)| Zone {
                zone_id: vec![zone; 16],
                revision: revision.unsigned_abs(),
                kind,
                geometry: Some(Geometry {
                    shape: Some(geometry::Shape::Circle(Circle {
                        longitude,
                        latitude,
                        radius_m,
                    })),
                }),
                buffer_m,
                schedule,
                attendance,
                ..Default::default()
            },
        )
}

fn wild_rules() -> impl Strategy<Value = Rules> {
    (
        (
            id(),
            any::<u8>(),
            prop::bool::weighted(0.9),
            prop_oneof![3 => Just("Asia/Shanghai"), 1 => Just("Mars")],
        ),
        prop::collection::vec(wild_zone(), 0..3),
        [any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>()],
        (
            prop_oneof![3 => Just(0), 1 => number()],
            prop::option::weighted(0.2, number()),
        ),
    )
        .prop_map(
            |((person_id, revision, active, time_zone), zones, seconds, (valid_from_us, valid_until_us))| Rules {
                person_id,
                revision: u64::from(revision),
                active,
                time_zone: time_zone.to_owned(),
                zones,
                reporting_interval_s: seconds[0],
                silence_after_s: seconds[1] >> 16,
                home_exit_grace_s: seconds[2] >> 8,
                late_return_after_s: seconds[3],
                valid_from_us,
                valid_until_us,
                ..Rules::default()
            },
        )
}

fn wild_record() -> impl Strategy<Value = Record> {
    let garbage = prop::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        6 => wild_report().prop_map(Record::Report),
        2 => wild_rules().prop_map(Record::Rules),
        1 => garbage.clone().prop_map(|bytes| Report::decode(bytes.as_slice()).map_or(Record::Tick, Record::Report)),
        1 => garbage.prop_map(|bytes| Rules::decode(bytes.as_slice()).map_or(Record::Tick, Record::Rules)),
    ]
}

/// The log's clock is a database's or Kafka's and no sender's, so it is sane; but it may be set back.
fn wild_time() -> impl Strategy<Value = Timestamp> {
    (1_785_000_000_i64..1_787_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn nothing_that_may_lie_in_the_log_stops_the_fold(records in prop::collection::vec((wild_time(), wild_record()), 0..30)) {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for (at, record) in &records {
            engine.fold(*at, record.input(), &mut events);
        }
        let mut again = Engine::restore(&engine.checkpoint()).unwrap();
        prop_assert_eq!(again.checkpoint(), engine.checkpoint());
        again.fold(Timestamp::from_second(1_789_000_000).unwrap(), Input::Tick, &mut events);
    }

    #[test]
    fn damaged_checkpoints_are_refused(log in log(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut engine = Engine::new();
        fold_into(&mut engine, &log, &mut Vec::new());
        let whole = engine.checkpoint();
        let mut damaged = whole.clone();
        damaged[at.index(whole.len())] ^= flip;
        prop_assert!(Engine::restore(&damaged).is_err());
        prop_assert!(Engine::restore(&whole[..at.index(whole.len())]).is_err());
    }
}

#[test]
fn the_ends_of_time_are_times() {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    for at in [
        Timestamp::MIN,
        Timestamp::UNIX_EPOCH,
        "9999-12-01T00:00:00Z".parse().unwrap(),
    ] {
        engine.fold(at, Input::Rules(&rules(1, 1, 0b000_0110, (900, 60, 3))), &mut events);
        let report = Report {
            person_id: vec![1; 16],
            report_id: vec![7; 16],
            fix_time_us: i64::MAX,
            ..Report::default()
        };
        engine.fold(at, Input::Report(&report), &mut events);
        assert_eq!(engine.clock(), Some(at));
    }
}

#[test]
fn a_checkpoint_says_what_is_wrong_with_it() {
    let whole = Engine::new().checkpoint();
    assert!(matches!(
        Engine::restore(b"something else"),
        Err(CheckpointError::NotOne { length: 14 })
    ));
    let mut later = whole.clone();
    later[4] = 99;
    assert!(matches!(
        Engine::restore(&later),
        Err(CheckpointError::Version { found: 99 })
    ));
    let mut damaged = whole;
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(Engine::restore(&damaged), Err(CheckpointError::Damaged)));
}

#[test]
fn refused_rules_leave_those_before_them_in_force() {
    let mut engine = Engine::new();
    let mut events = Vec::new();
    let good = rules(1, 1, 0b100, (0, 0, 3));
    assert_eq!(
        engine.fold(start(), Input::Rules(&good), &mut events),
        Outcome::RulesApplied
    );
    let mut bad = rules(1, 2, 0b100, (0, 0, 3));
    bad.time_zone = "Mars/Olympus".to_owned();
    assert!(matches!(
        engine.fold(start(), Input::Rules(&bad), &mut events),
        Outcome::RulesRefused(_)
    ));
    assert_eq!(engine.people(), 1);
    assert_eq!(
        engine.fold(start(), Input::Rules(&good), &mut events),
        Outcome::RulesStale
    );
    let off = Rules {
        revision: 3,
        active: false,
        ..good.clone()
    };
    assert_eq!(
        engine.fold(start(), Input::Rules(&off), &mut events),
        Outcome::RulesApplied
    );
    assert_eq!(engine.people(), 0);
    // A copy of the first rules does not bring the person back.
    assert_eq!(
        engine.fold(start(), Input::Rules(&good), &mut events),
        Outcome::RulesStale
    );
    assert_eq!(engine.people(), 0);
}
