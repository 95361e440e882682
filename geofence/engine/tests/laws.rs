//! Laws of the fold, over random logs: the same log gives the same events, however it was cut, ticked or repeated.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test that cannot go on fails here"
)]

use std::{collections::HashMap, sync::Arc};

use homeward_engine::{CheckpointError, CompiledLayer, Engine, Input, Outcome, Reading};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use prost::Message as _;
use proto::{
    event::is_momentary,
    wire::{
        self, Circle, Edge, Event, EventKind, Geometry, Layer, Position, Report, Rules, Schedule, WeeklyInterval, Zone,
        ZoneKind, geometry,
    },
};

const LAYER: u8 = 200;

/// Ten minutes before a curfew in Shanghai.
fn start() -> Timestamp {
    "2026-10-05T13:50:00Z".parse().unwrap()
}

/// A record of a log.
#[derive(Debug, Clone)]
enum Record {
    Report(Report),
    Rules(Rules),
    Layer(Arc<CompiledLayer>),
    Protected(wire::ProtectedFix),
    Tick,
}

type Log = Vec<(Timestamp, Record)>;

impl Record {
    fn input(&self) -> Input<'_> {
        match self {
            Self::Report(report) => Input::Report(report),
            Self::Rules(rules) => Input::Rules(rules),
            Self::Layer(layer) => Input::Layer(Arc::clone(layer)),
            Self::Protected(fix) => Input::Protected(fix),
            Self::Tick => Input::Tick,
        }
    }

    fn person(&self) -> Option<&[u8]> {
        match self {
            Self::Report(report) => Some(&report.person_id),
            Self::Rules(rules) => Some(&rules.person_id),
            Self::Protected(fix) => Some(&fix.person_id),
            Self::Layer(_) | Self::Tick => None,
        }
    }
}

fn fold_into(engine: &mut Engine, log: &[(Timestamp, Record)], events: &mut Vec<Event>) {
    for (at, record) in log {
        engine.fold(*at, record.input(), events);
    }
}

fn fold(log: &[(Timestamp, Record)]) -> Vec<Event> {
    let mut events = Vec::new();
    fold_into(&mut Engine::new(), log, &mut events);
    events
}

fn restored(engine: &Engine, layers: &[Arc<CompiledLayer>]) -> Engine {
    let mut restored = Engine::restore(&engine.checkpoint()).unwrap();
    for wanted in restored.layers_wanted() {
        let layer = layers
            .iter()
            .find(|layer| layer.revision() == wanted.revision && layer.id() == wanted.layer_id);
        restored.give_layer(Arc::clone(layer.unwrap())).unwrap();
    }
    restored
}

fn circle(id: u8, revision: u64, kind: ZoneKind, east_m: f64, radius_m: f64) -> Zone {
    let longitude = 120.16 + east_m / 96_050.0;
    Zone {
        zone_id: vec![id; 16],
        revision,
        kind: kind.into(),
        geometry: Some(Geometry {
            shape: Some(geometry::Shape::Circle(Circle {
                longitude,
                latitude: 30.25,
                radius_m,
            })),
        }),
        ..Zone::default()
    }
}

fn every_day(start_s: u32, end_s: u32) -> Option<Schedule> {
    let weekly = (1..=7)
        .map(|weekday| WeeklyInterval {
            weekday,
            start_s,
            end_s,
        })
        .collect();
    Some(Schedule {
        weekly,
        ..Schedule::default()
    })
}

/// The zones that a random rule set chooses from, by the bits of a number.
fn zones(choice: u8) -> Vec<Zone> {
    let revision = 1 + u64::from(choice >> 7);
    let curfew = |start_s, end_s| every_day(start_s, end_s);
    let all = [
        Zone {
            schedule: curfew(79_200, 80_400),
            ..circle(1, revision, ZoneKind::Inclusion, 0.0, 80.0)
        },
        Zone {
            buffer_m: 120.0,
            ..circle(2, revision, ZoneKind::Exclusion, 300.0, 100.0)
        },
        circle(3, 1, ZoneKind::Inclusion, 100.0, 500.0),
        Zone {
            attendance: true,
            schedule: curfew(79_500, 80_000),
            ..circle(4, 1, ZoneKind::Inclusion, -200.0, 60.0)
        },
        Zone {
            schedule: curfew(79_400, 3_600),
            ..circle(5, 1, ZoneKind::Exclusion, -100.0, 150.0)
        },
        circle(6, 1, ZoneKind::Neutral, 0.0, 1_000.0),
    ];
    all.into_iter()
        .enumerate()
        .filter(|(bit, _)| choice & (1 << bit) != 0)
        .map(|(_, zone)| zone)
        .collect()
}

fn layer(revision: u64) -> Arc<CompiledLayer> {
    let zones = (0..6).map(|number| {
        let changed = if number == 0 { revision } else { 1 };
        circle(
            LAYER + 1 + number,
            changed,
            ZoneKind::Exclusion,
            f64::from(number) * 150.0 - 300.0,
            40.0,
        )
    });
    let layer = Layer {
        layer_id: vec![LAYER; 16],
        revision,
        zones: zones.collect(),
    };
    Arc::new(CompiledLayer::compile(&layer).unwrap())
}

fn rules(person: u8, revision: u64, choice: u8, numbers: (u32, u32, u8)) -> Rules {
    let (silence, grace, more) = numbers;
    Rules {
        person_id: vec![person; 16],
        revision,
        order_id: vec![9; 16],
        active: more % 16 != 0,
        time_zone: if more % 8 == 1 {
            "Europe/London"
        } else {
            "Asia/Shanghai"
        }
        .to_owned(),
        zones: zones(choice),
        layer_ids: if more % 2 == 1 {
            vec![vec![LAYER; 16]]
        } else {
            Vec::new()
        },
        reporting_interval_s: 60,
        silence_after_s: silence,
        home_exit_grace_s: grace,
        late_return_after_s: 600,
        valid_from_us: 0,
        valid_until_us: (more % 8 == 2).then(|| (start() + SignedDuration::from_mins(40)).as_microsecond()),
        ..Default::default()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Report {
        person: u8,
        lag_s: i64,
        east_m: f64,
        position: u8,
        accuracy_m: Option<f32>,
        said: [u8; 4],
    },
    Rules {
        person: u8,
        choice: u8,
        numbers: (u32, u32, u8),
    },
    Layer,
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let report = (
        0_u8..3,
        prop_oneof![8 => 0_i64..20, 1 => -100_i64..0, 1 => 20_i64..2_000],
        prop_oneof![4 => -400.0..600.0, 1 => -5_000.0..5_000.0],
        any::<u8>(),
        prop::option::weighted(0.8, prop_oneof![6 => 3.0_f32..40.0, 1 => 40.0_f32..2_000.0]),
        any::<[u8; 4]>(),
    )
        .prop_map(|(person, lag_s, east_m, position, accuracy_m, said)| Step::Report {
            person,
            lag_s,
            east_m,
            position,
            accuracy_m,
            said,
        });
    let numbers = (
        prop_oneof![Just(0), Just(300), Just(900)],
        prop_oneof![Just(0), Just(120)],
        any::<u8>(),
    );
    let rules = (0_u8..3, any::<u8>(), numbers).prop_map(|(person, choice, numbers)| Step::Rules {
        person,
        choice,
        numbers,
    });
    prop_oneof![16 => report, 1 => rules, 1 => Just(Step::Layer), 2 => Just(Step::Tick)]
}

/// A log that begins with rules for everybody and goes on at random, about a minute from record to record.
fn log() -> impl Strategy<Value = Log> {
    let first = prop::collection::vec((any::<u8>(), 1_u8..16), 3);
    let gap = prop_oneof![6 => 0_i64..60_000_000, 1 => 0_i64..900_000_000];
    (first, prop::collection::vec((gap, step()), 1..80)).prop_map(|(first, steps)| {
        let mut at = start();
        let mut log: Log = Vec::new();
        let mut revisions = [1_u64; 3];
        log.push((at, Record::Layer(layer(1))));
        for (person, (choice, more)) in (0_u8..).zip(first) {
            let more = if more % 8 == 2 { 3 } else { more };
            log.push((at, Record::Rules(rules(person, 1, choice, (600, 0, more)))));
        }
        let mut layers = 1;
        for (number, (gap_us, step)) in (0_u32..).zip(steps) {
            at += SignedDuration::from_micros(gap_us);
            let record = match step {
                Step::Tick => Record::Tick,
                Step::Layer => {
                    layers += 1;
                    Record::Layer(layer(layers))
                }
                Step::Rules {
                    person,
                    choice,
                    numbers,
                } => {
                    revisions[usize::from(person)] += 1;
                    Record::Rules(rules(person, revisions[usize::from(person)], choice, numbers))
                }
                Step::Report {
                    person,
                    lag_s,
                    east_m,
                    position,
                    accuracy_m,
                    said,
                } => {
                    let mut report_id = vec![0; 16];
                    report_id[..4].copy_from_slice(&(number + 1).to_le_bytes());
                    let fix_time = at - SignedDuration::from_secs(lag_s);
                    #[expect(clippy::cast_possible_truncation, reason = "a few kilometres from a place in China")]
                    let longitude_e7 = ((120.16 + east_m / 96_050.0) * 1e7) as i32;
                    Record::Report(Report {
                        report_id,
                        person_id: vec![person; 16],
                        device_id: vec![person + 100; 16],
                        fix_time_us: fix_time.as_microsecond(),
                        received_at_us: (at - SignedDuration::from_millis(200)).as_microsecond(),
                        position: (position % 8 != 0).then(|| Position {
                            latitude_e7: 302_500_000,
                            longitude_e7,
                            valid: position % 8 != 1,
                            source: i32::from(position / 8 % 5),
                            accuracy_m,
                            ..Position::default()
                        }),
                        battery_percent: (said[0] % 2 == 0).then(|| u32::from(said[0]) % 101),
                        strap: i32::from(said[1] % 4),
                        case: i32::from(said[1] / 8 % 3),
                        alarms: if said[2] < 200 {
                            Vec::new()
                        } else {
                            vec![i32::from(said[3] % 13)]
                        },
                        ..Report::default()
                    })
                }
            };
            log.push((at, record));
        }
        log.push((at + SignedDuration::from_hours(12), Record::Tick));
        log
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What differs, short enough to be read.
fn difference(log: &Log, events: &[Event], expected: &[Event]) -> String {
    let line = |event: &Event| {
        format!(
            "{:?} {:?} {:?} person {} onset {} end {:?} decided {} late {} withdrawn {}: {}",
            event.kind(),
            event.edge(),
            event.zone_id.first(),
            event.person_id[0],
            event.onset_us / 1_000_000,
            event.end_us.map(|end| end / 1_000_000),
            event.decided_at_us / 1_000_000,
            event.late,
            event.withdrawn,
            event.explanation.as_ref().unwrap().sentence
        )
    };
    let only = |a: &[Event], b: &[Event]| {
        a.iter()
            .filter(|event| !b.contains(event))
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let records: Vec<_> = log
        .iter()
        .map(|(at, record)| match record {
            Record::Report(report) => format!(
                "{} report {} fix {} {:?}",
                at.as_second(),
                report.person_id[0],
                report.fix_time_us / 1_000_000,
                report.position.map(|position| (
                    position.longitude_e7,
                    position.accuracy_m,
                    position.source,
                    position.valid
                ))
            ),
            Record::Rules(rules) => format!(
                "{} rules {} {:?} layers {} grace {} valid until {:?} active {} {}",
                at.as_second(),
                rules.person_id[0],
                rules.zones.iter().map(|zone| zone.zone_id[0]).collect::<Vec<_>>(),
                rules.layer_ids.len(),
                rules.home_exit_grace_s,
                rules.valid_until_us,
                rules.active,
                rules.time_zone
            ),
            Record::Layer(layer) => format!("{} layer {}", at.as_second(), layer.revision()),
            Record::Protected(fix) => format!("{} protected fix {}", at.as_second(), fix.fix_time_us / 1_000_000),
            Record::Tick => format!("{} tick", at.as_second()),
        })
        .collect();
    format!(
        "only here:\n{}\nonly there:\n{}\n{}",
        only(events, expected),
        only(expected, events),
        records.join("\n")
    )
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn the_same_log_gives_the_same_events(log in log()) {
        prop_assert_eq!(fold(&log), fold(&log));
    }

    #[test]
    fn crashes_and_restored_checkpoints_change_nothing(log in log(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let layers: Vec<_> = log
            .iter()
            .filter_map(|(_, record)| match record { Record::Layer(layer) => Some(Arc::clone(layer)), _ => None })
            .collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(log.len())).collect();
        cuts.sort_unstable();
        let (mut engine, mut events, mut from) = (Engine::new(), Vec::new(), 0);
        for cut in cuts {
            fold_into(&mut engine, &log[from..cut], &mut events);
            // Work after the checkpoint is lost and done again.
            let checkpoint = restored(&engine, &layers);
            fold_into(&mut engine, &log[cut..], &mut Vec::new());
            engine = checkpoint;
            from = cut;
        }
        fold_into(&mut engine, &log[from..], &mut events);
        let mut undisturbed = Engine::new();
        let mut expected = Vec::new();
        fold_into(&mut undisturbed, &log, &mut expected);
        prop_assert_eq!(events, expected);
        prop_assert_eq!(engine.checkpoint(), undisturbed.checkpoint());
        prop_assert_eq!(restored(&engine, &layers).checkpoint(), undisturbed.checkpoint());
    }

    #[test]
    fn crashes_change_nothing_when_the_journal_is_saved_in_pieces(log in log(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let layers: Vec<_> = log
            .iter()
            .filter_map(|(_, record)| match record { Record::Layer(layer) => Some(Arc::clone(layer)), _ => None })
            .collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(log.len())).collect();
        cuts.sort_unstable();
        let (mut engine, mut events, mut from, mut pieces) = (Engine::new(), Vec::new(), 0, Vec::new());
        engine.save_in_pieces();
        for cut in cuts {
            fold_into(&mut engine, &log[from..cut], &mut events);
            let saved = engine.save();
            pieces.extend(saved.piece);
            let mut restored = Engine::restore_with(&saved.state, &pieces).unwrap();
            for wanted in restored.layers_wanted() {
                let layer = layers.iter().find(|layer| layer.revision() == wanted.revision && layer.id() == wanted.layer_id);
                restored.give_layer(Arc::clone(layer.unwrap())).unwrap();
            }
            prop_assert_eq!(restored.counters().journals_lost, 0);
            prop_assert_eq!(restored.checkpoint(), engine.checkpoint());
            restored.save_in_pieces();
            engine = restored;
            from = cut;
        }
        fold_into(&mut engine, &log[from..], &mut events);
        let expected = fold(&log);
        prop_assert!(events == expected, "{}", difference(&log, &events, &expected));
    }

    #[test]
    fn it_does_not_matter_how_dense_ticks_are(log in log(), every_s in 1_i64..400) {
        let mut ticked: Log = Vec::new();
        let mut at = start();
        for (time, record) in &log {
            while at < *time {
                ticked.push((at, Record::Tick));
                at += SignedDuration::from_secs(every_s);
            }
            ticked.push((*time, record.clone()));
        }
        let quiet: Log = log.iter().enumerate()
            .filter(|(index, (_, record))| !matches!(record, Record::Tick) || index + 1 == log.len())
            .map(|(_, entry)| entry.clone())
            .collect();
        let expected = fold(&log);
        prop_assert_eq!(&fold(&ticked), &expected);
        prop_assert_eq!(&fold(&quiet), &expected);
    }

    #[test]
    fn nobody_changes_what_is_decided_about_another(log in log(), person in 0_u8..3) {
        let alone: Log = log.iter()
            .filter(|(_, record)| record.person().is_none_or(|id| id == [person; 16]))
            .cloned()
            .collect();
        let expected: Vec<_> = fold(&log).into_iter().filter(|event| event.person_id == [person; 16]).collect();
        prop_assert_eq!(fold(&alone), expected);
    }

    #[test]
    fn copies_change_nothing(log in log(), copies in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12), 1..20)) {
        let mut copied = log.clone();
        for (index, later) in copies {
            let from = index.index(copied.len() - 1);
            let mut to = (from + later).min(copied.len() - 2);
            // New rules may begin to monitor a person whose report was not taken in before.
            if let Some(rules) = copied[from + 1..=to.max(from)].iter().position(|(_, record)| matches!(record, Record::Rules(_))) {
                to = from + rules;
            }
            let (at, record) = (copied[to].0, copied[from].1.clone());
            // Rules and layers too: an older revision, or the same one, is stale.
            copied.insert(to + 1, (at, record));
        }
        prop_assert_eq!(fold(&copied), fold(&log));
    }

    #[test]
    fn events_are_of_one_piece(log in log()) {
        let events = fold(&log);
        let mut onsets: HashMap<Vec<u8>, &Event> = HashMap::new();
        let mut told = std::collections::HashSet::new();
        let mut ids = HashMap::new();
        let mut decided_us = i64::MIN;
        for event in &events {
            prop_assert!(ids.insert(event.event_id.clone(), event).is_none(), "twice: {:?} and {:?}", ids[&event.event_id], event);
            prop_assert!(event.decided_at_us >= decided_us, "decisions go back in time");
            decided_us = event.decided_at_us;
            // A device's clock may be two minutes ahead.
            prop_assert!(event.onset_us <= event.decided_at_us + 120_000_000, "from the future: {:?}", event);
            let explanation = event.explanation.as_ref().unwrap();
            prop_assert!(!explanation.sentence.is_empty());
            prop_assert!(explanation.fixes.len() >= explanation.fixes_required as usize, "{:?}", event);
            for fix in &explanation.fixes {
                prop_assert!(fix.signed_distance_m.is_finite() && (0.0..=1.0).contains(&fix.probability));
            }
            if explanation.threshold > 0.0 {
                prop_assert!(explanation.probability >= explanation.threshold - 1e-6, "{:?}", event);
                prop_assert!(explanation.probability < 1.0 && explanation.fixes_required >= 1, "{:?}", event);
            }
            if event.edge() == Edge::Onset {
                prop_assert_eq!(event.end_us, None);
                told.insert(event.violation_id.clone());
                onsets.insert(event.violation_id.clone(), event);
            } else if event.edge() == Edge::Correction {
                prop_assert!(event.late);
                prop_assert!(told.contains(&event.violation_id), "a correction of what was never told: {:?}", event);
                if event.withdrawn || event.end_us.is_some() {
                    onsets.remove(&event.violation_id);
                } else {
                    // It goes on, so it may end again.
                    onsets.insert(event.violation_id.clone(), event);
                }
            } else {
                prop_assert!(!is_momentary(event.kind()));
                let onset = onsets.remove(&event.violation_id);
                prop_assert!(onset.is_some(), "an end without an onset: {:?}", event);
                let onset = onset.unwrap();
                prop_assert_eq!(
                    (onset.kind, onset.onset_us, &onset.zone_id, onset.zone_revision),
                    (event.kind, event.onset_us, &event.zone_id, event.zone_revision)
                );
                let end_us = event.end_us.unwrap();
                prop_assert!((event.onset_us..=event.decided_at_us + 120_000_000).contains(&end_us), "{:?}", event);
            }
        }
    }
}

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

/// A person who walks about with good reception, a fix a minute, and sometimes says something.
fn calm_track() -> impl Strategy<Value = Vec<Report>> {
    let step = (-40.0..40.0_f64, 3.0_f32..29.0, any::<u8>(), any::<u8>());
    (prop::collection::vec(step, 20..200), -300.0..500.0_f64).prop_map(|(steps, from_m)| {
        let mut east_m = from_m;
        (0_u32..)
            .zip(steps)
            .map(|(number, (step_m, accuracy_m, odd, said))| {
                east_m += if odd < 20 { step_m * 20.0 } else { step_m };
                let mut report_id = vec![7; 16];
                report_id[..4].copy_from_slice(&number.to_le_bytes());
                #[expect(clippy::cast_possible_truncation, reason = "a few kilometres from a place in China")]
                let longitude_e7 = ((120.16 + east_m / 96_050.0) * 1e7) as i32;
                let fix_time = start() + SignedDuration::from_secs(60 * i64::from(number) + 1);
                Report {
                    report_id,
                    device_id: vec![101; 16],
                    fix_time_us: fix_time.as_microsecond(),
                    position: (odd != 255).then(|| Position {
                        latitude_e7: 302_500_000,
                        longitude_e7,
                        valid: true,
                        source: 1,
                        accuracy_m: Some(accuracy_m),
                        ..Position::default()
                    }),
                    battery_percent: Some(if said < 8 { 15 } else { 60 }),
                    strap: if said == 250 { 2 } else { 1 },
                    alarms: if said > 251 {
                        vec![i32::from(said - 251)]
                    } else {
                        Vec::new()
                    },
                    ..Report::default()
                }
            })
            .collect()
    })
}

/// As [`calm_track`], from a device whose clock counts whole seconds and that says several things in one: up to four reports have one
/// fix time, in any order of their ids.
fn crowded_track() -> impl Strategy<Value = Vec<Report>> {
    (calm_track(), 1_u32..5, any::<u32>()).prop_map(|(mut reports, together, salt)| {
        for (number, report) in (0_u32..).zip(&mut reports) {
            let id = number.wrapping_add(salt).wrapping_mul(0x9e37_79b1);
            report.report_id[..4].copy_from_slice(&id.to_le_bytes());
            report.fix_time_us -= i64::from(number % together) * 60_000_000;
            if id % 3 == 0 {
                report.alarms.push(wire::Alarm::Jamming.into());
            }
        }
        reports
    })
}

/// Reports of one person as they come: each so long after it was made.
fn arrivals(choice: u8, more: u8, reports: &[Report], delays_s: &[i64]) -> Log {
    let mut log = vec![
        (start(), Record::Layer(layer(1))),
        (start(), Record::Rules(rules(1, 1, choice, (0, 120, more)))),
    ];
    let mut coming: Vec<(Timestamp, Report)> = reports
        .iter()
        .zip(delays_s.iter().cycle())
        .map(|(report, delay_s)| {
            let made = Timestamp::from_microsecond(report.fix_time_us).unwrap();
            let at = made + SignedDuration::from_secs(*delay_s) + SignedDuration::from_millis(300);
            let report = Report {
                person_id: vec![1; 16],
                received_at_us: at.as_microsecond(),
                ..report.clone()
            };
            (at, report)
        })
        .collect();
    coming.sort_by_key(|(at, _)| *at);
    log.extend(coming.into_iter().map(|(at, report)| (at, Record::Report(report))));
    log.push((start() + SignedDuration::from_hours(30), Record::Tick));
    log
}

/// Ends by kind, zone and onset.
type Violations = std::collections::BTreeMap<(i32, Vec<u8>, i64), Option<i64>>;

/// What is known of each violation when all is said: its end, by kind, zone and onset.
fn violations(events: &[Event]) -> Violations {
    let mut known = std::collections::BTreeMap::new();
    for event in events {
        // These alone depend on when reports come.
        let by_arrival = [
            EventKind::Silence,
            EventKind::NoFix,
            EventKind::BatteryDead,
            EventKind::ClockSkew,
        ];
        if by_arrival.contains(&event.kind()) {
            continue;
        }
        let key = (event.kind, event.zone_id.clone(), event.onset_us);
        if event.withdrawn {
            assert!(known.remove(&key).is_some(), "withdrawn and never told: {event:?}");
        } else {
            known.insert(key, event.end_us);
        }
    }
    known
}

/// How an order ends within a track.
#[derive(Debug, Clone, Copy)]
struct Ending {
    /// When it ends, after the start.
    after_s: i64,
    /// `None`: its rules say so from the beginning; else a revocation comes so long after.
    how: Option<i64>,
    /// The same rules begin again so long after that is known, as another order.
    resumed_s: Option<i64>,
}

impl Ending {
    fn at(self) -> Timestamp {
        start() + SignedDuration::from_secs(self.after_s)
    }

    /// When the engine hears of it.
    fn known(self) -> Timestamp {
        self.at() + SignedDuration::from_secs(self.how.unwrap_or(0))
    }

    fn put_in(self, mut log: Log) -> Log {
        let Some((_, Record::Rules(first))) = log.get_mut(1) else {
            unreachable!("rules come second")
        };
        let until_us = Some(self.at().as_microsecond());
        let rules = first.clone();
        if self.how.is_none() {
            first.valid_until_us = until_us;
        } else {
            let revoked = Rules {
                revision: 2,
                active: false,
                valid_until_us: until_us,
                ..rules.clone()
            };
            log.push((self.known(), Record::Rules(revoked)));
        }
        if let Some(resumed_s) = self.resumed_s {
            let from = self.known() + SignedDuration::from_secs(resumed_s);
            let again = Rules {
                revision: 3,
                order_id: vec![10; 16],
                valid_from_us: from.as_microsecond(),
                ..rules
            };
            log.push((from, Record::Rules(again)));
        }
        log.sort_by_key(|(at, _)| *at);
        log
    }

    /// What is known when all is said. Calls for help and tampering that were told before the end was known stand; and attendance begins
    /// anew with new rules.
    fn violations(self, events: &[Event]) -> Violations {
        let (from_us, to_us) = (self.at().as_microsecond(), self.known().as_microsecond());
        let mut known = violations(events);
        known.retain(|(kind, _, onset_us), _| {
            let kind = EventKind::try_from(*kind).unwrap();
            let stands = is_momentary(kind) && (from_us..to_us).contains(onset_us);
            let anew = self.resumed_s.is_some() && kind == EventKind::MissedAttendance;
            !stands && !anew
        });
        known
    }
}

/// Reports that the fast path took in the test of it.
static QUICK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn any_order_of_arrival_gives_the_same_violations(
        reports in calm_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 1 => 300_i64..72_000], 1..60),
    ) {
        let in_order = fold(&arrivals(choice, more, &reports, &[0]));
        let events = fold(&arrivals(choice, more, &reports, &delays_s));
        let (late, expected) = (violations(&events), violations(&in_order));
        let only = |a: &Violations, b: &Violations| a.iter().filter(|(key, end)| b.get(*key) != Some(end)).map(|(key, end)| format!("{key:?} {end:?}")).collect::<Vec<_>>();
        let differences = (only(&late, &expected), only(&expected, &late));
        if late != expected {
            let told = |events: &[Event]| events.iter().map(|event| format!("{:?} {:?} {:?} {}..{:?} decided {} late {} withdrawn {}", event.kind(), event.edge(), event.zone_id.first(), event.onset_us / 1_000_000, event.end_us.map(|end| end / 1_000_000), event.decided_at_us / 1_000_000, event.late, event.withdrawn)).collect::<Vec<_>>();
            prop_assert!(false, "only late, only in order: {:?}\n{:#?}\n{:#?}\n{:?}", differences, told(&events), told(&fold(&arrivals(choice, more, &reports, &[0]))), arrivals(choice, more, &reports, &delays_s).iter().map(|(at, record)| match record { Record::Report(report) => format!("{} {:?}", report.fix_time_us / 1_000_000, at.as_second()), _ => String::new() }).collect::<Vec<_>>());
        }
    }

    /// The same law where the order ends within the track: by itself, or by a revocation that comes at once or later.
    #[test]
    fn any_order_of_arrival_gives_the_same_violations_though_the_order_ends(
        reports in calm_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 2 => 300_i64..72_000], 1..60),
        end in any::<prop::sample::Index>(),
        how in prop_oneof![2 => Just(None), 1 => Just(Some(0_i64)), 2 => (1_i64..2_000).prop_map(Some)],
        resumed_s in prop::option::weighted(0.3, 0_i64..4_000),
    ) {
        let end = Ending { after_s: 60 * i64::try_from(end.index(reports.len())).unwrap() + 31, how, resumed_s };
        let log = end.put_in(arrivals(choice, more, &reports, &delays_s));
        let in_order = fold(&end.put_in(arrivals(choice, more, &reports, &[0])));
        let events = fold(&log);
        let (late, expected) = (end.violations(&events), end.violations(&in_order));
        let only = |a: &Violations, b: &Violations| a.iter().filter(|(key, end)| b.get(*key) != Some(end)).map(|(key, end)| format!("{key:?} {end:?}")).collect::<Vec<_>>();
        prop_assert!(late == expected, "{end:?} only late {:?}, only in order {:?}\n{}", only(&late, &expected), only(&expected, &late), difference(&log, &events, &in_order));
        if end.resumed_s.is_none() {
            let over = end.known().as_microsecond();
            for event in events.iter().filter(|event| event.decided_at_us > over) {
                prop_assert!(event.late, "told after the end and not said to be late: {event:?}");
            }
        }
    }

    #[test]
    fn any_order_of_arrival_of_reports_of_one_second_gives_the_same_violations(
        reports in crowded_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 1 => 300_i64..72_000], 1..60),
    ) {
        let in_order = violations(&fold(&arrivals(choice, more, &reports, &[0])));
        let late = violations(&fold(&arrivals(choice, more, &reports, &delays_s)));
        prop_assert_eq!(late, in_order);
    }

    #[test]
    fn a_restored_engine_goes_on_with_reports_of_one_second(
        reports in crowded_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 1 => 300_i64..72_000], 1..60),
        every in 1_usize..40,
    ) {
        let log = arrivals(choice, more, &reports, &delays_s);
        let layers: Vec<_> = log
            .iter()
            .filter_map(|(_, record)| match record { Record::Layer(layer) => Some(Arc::clone(layer)), _ => None })
            .collect();
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for part in log.chunks(every) {
            engine = restored(&engine, &layers);
            fold_into(&mut engine, part, &mut events);
        }
        prop_assert_eq!(events, fold(&log));
    }

    #[test]
    fn the_fast_path_and_groups_leave_what_the_slow_path_leaves(
        reports in calm_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![20 => Just(0_i64), 1 => 0_i64..3_000], 1..30),
    ) {
        let log = arrivals(choice, more, &reports, &delays_s);
        let (mut fast, mut slow, mut grouped) = (Engine::new(), Engine::new().without_fast_path(), Engine::new());
        let (mut fast_events, mut slow_events, mut grouped_events) = (Vec::new(), Vec::new(), Vec::new());
        fold_into(&mut fast, &log, &mut fast_events);
        fold_into(&mut slow, &log, &mut slow_events);
        // Nothing depends on where the journal's memory comes from.
        grouped.reserve_reports(100_000);
        fold_into(&mut grouped, &log[..2], &mut grouped_events);
        let readings: Vec<_> = log
            .iter()
            .filter_map(|(at, record)| match record {
                Record::Report(report) => Some((at.as_microsecond(), Reading::of(report).unwrap())),
                _ => None,
            })
            .collect();
        grouped.fold_readings(&readings, &mut grouped_events);
        let quick = fast.counters().quick;
        prop_assert_eq!(slow.counters().quick, 0);
        prop_assert_eq!(grouped.counters().quick, quick);
        QUICK.fetch_add(quick, std::sync::atomic::Ordering::Relaxed);
        fold_into(&mut grouped, &log[log.len() - 1..], &mut grouped_events);
        prop_assert_eq!(&fast_events, &slow_events);
        prop_assert_eq!(&grouped_events, &slow_events);
        prop_assert_eq!(fast.checkpoint(), slow.checkpoint());
        prop_assert_eq!(grouped.checkpoint(), slow.checkpoint());
    }
}

fn at_s(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

/// A good fix of person 1 so far east.
fn good_fix(number: u32, fix_s: i64, received_s: i64, east_m: f64) -> Report {
    let mut report_id = vec![0; 16];
    report_id[..4].copy_from_slice(&(number + 1).to_le_bytes());
    #[expect(clippy::cast_possible_truncation, reason = "a few kilometres from a place in China")]
    let longitude_e7 = ((120.16 + east_m / 96_050.0) * 1e7) as i32;
    Report {
        report_id,
        person_id: vec![1; 16],
        device_id: vec![101; 16],
        fix_time_us: at_s(fix_s).as_microsecond(),
        received_at_us: at_s(received_s).as_microsecond(),
        position: Some(Position {
            latitude_e7: 302_500_000,
            longitude_e7,
            valid: true,
            source: 1,
            accuracy_m: Some(5.0),
            ..Position::default()
        }),
        strap: 1,
        battery_percent: Some(80),
        ..Report::default()
    }
}

#[test]
fn a_change_of_settings_does_not_judge_the_past_anew() {
    for (before, after) in [(0, 3_000), (3_000, 0)] {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        let plain = |revision, grace| Rules {
            layer_ids: Vec::new(),
            ..rules(1, revision, 0b100, (0, grace, 3))
        };
        engine.fold(at_s(0), Input::Rules(&plain(1, before)), &mut events);
        for number in 0..60_i64 {
            let east_m = if (20..35).contains(&number) { 2_000.0 } else { 100.0 };
            let report = good_fix(
                u32::try_from(number).unwrap(),
                60 * number + 60,
                60 * number + 61,
                east_m,
            );
            engine.fold(at_s(60 * number + 62), Input::Report(&report), &mut events);
        }
        assert_eq!(events.len(), if before == 0 { 2 } else { 0 });
        events.clear();
        engine.fold(at_s(4_000), Input::Rules(&plain(2, after)), &mut events);
        // Nor when a report from before the change comes late.
        let late = good_fix(900, 1_000, 4_010, 100.0);
        engine.fold(at_s(4_010), Input::Report(&late), &mut events);
        assert_eq!(events, []);
    }
}

#[test]
fn a_new_zone_of_a_layer_is_judged_alike_with_and_without_a_late_report() {
    let told = |late: bool| {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        let bound = Rules {
            zones: Vec::new(),
            layer_ids: vec![vec![LAYER; 16]],
            ..rules(1, 1, 0, (0, 0, 3))
        };
        engine.fold(at_s(0), Input::Layer(layer(1)), &mut events);
        engine.fold(at_s(0), Input::Rules(&bound), &mut events);
        for number in 0..16_i64 {
            if number == 10 {
                let around = circle(LAYER + 50, 1, ZoneKind::Exclusion, 5_000.0, 100.0);
                let layer = Layer {
                    layer_id: vec![LAYER; 16],
                    revision: 2,
                    zones: vec![around],
                };
                let layer = Arc::new(CompiledLayer::compile(&layer).unwrap());
                engine.fold(at_s(630), Input::Layer(layer), &mut events);
            } else if number != 13 {
                let report = good_fix(
                    u32::try_from(number).unwrap(),
                    60 * number + 60,
                    60 * number + 61,
                    5_000.0,
                );
                engine.fold(at_s(60 * number + 62), Input::Report(&report), &mut events);
            }
        }
        if late {
            engine.fold(
                at_s(1_200),
                Input::Report(&good_fix(13, 840, 1_199, 5_000.0)),
                &mut events,
            );
        }
        violations(&events)
    };
    assert_eq!(told(false).len(), 1);
    assert_eq!(told(true), told(false));
}

#[test]
fn a_protected_person_ahead_makes_nobody_late_or_without_position() {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let kept_away = Rules {
        layer_ids: Vec::new(),
        proximities: vec![wire::Proximity {
            zone_id: vec![77; 16],
            revision: 1,
            protected_id: vec![88; 16],
            distance_m: 200.0,
            ..wire::Proximity::default()
        }],
        ..rules(1, 1, 0b100, (600, 0, 3))
    };
    engine.fold(at_s(0), Input::Rules(&kept_away), &mut events);
    for second in (10..3_000_i64).step_by(10) {
        let number = u32::try_from(second).unwrap();
        let other = good_fix(100_000 + number, second - 1, second, 3_000.0);
        let other = wire::ProtectedFix {
            report_id: other.report_id,
            person_id: vec![1; 16],
            protected_id: vec![88; 16],
            fix_time_us: other.fix_time_us,
            received_at_us: other.received_at_us,
            position: other.position,
        };
        assert_eq!(
            engine.fold(at_s(second), Input::Protected(&other), &mut events),
            Outcome::Judged
        );
        if second % 60 == 0 {
            let own = good_fix(number, second - 3, second, 100.0);
            let outcome = engine.fold(
                at_s(second) + SignedDuration::from_millis(300),
                Input::Report(&own),
                &mut events,
            );
            assert_eq!(outcome, Outcome::Judged);
        }
    }
    assert_eq!(events, []);
}

#[test]
fn a_timer_of_a_layers_zone_rings_after_a_restore() {
    // Inside a zone that the layer's next revision has: it is told a moment after, though no report comes.
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let bound = Rules {
        zones: Vec::new(),
        layer_ids: vec![vec![LAYER; 16]],
        ..rules(1, 1, 0, (0, 0, 3))
    };
    engine.fold(at_s(0), Input::Layer(layer(1)), &mut events);
    engine.fold(at_s(0), Input::Rules(&bound), &mut events);
    for number in 0..4_i64 {
        let report = good_fix(
            u32::try_from(number).unwrap(),
            60 * number + 60,
            60 * number + 61,
            5_000.0,
        );
        engine.fold(at_s(60 * number + 62), Input::Report(&report), &mut events);
    }
    let second = Layer {
        layer_id: vec![LAYER; 16],
        revision: 2,
        zones: vec![circle(LAYER + 50, 1, ZoneKind::Exclusion, 5_000.0, 100.0)],
    };
    let second = Arc::new(CompiledLayer::compile(&second).unwrap());
    engine.fold(at_s(300), Input::Layer(Arc::clone(&second)), &mut events);
    assert_eq!(events, []);
    let mut restored = restored(&engine, &[second]);
    engine.fold(at_s(600), Input::Tick, &mut events);
    assert_eq!(events.len(), 1);
    let mut after = Vec::new();
    restored.fold(at_s(600), Input::Tick, &mut after);
    assert_eq!(after, events);
}

/// Forty minutes in which two people do nearly all that is told of, and their reports come late, twice and out of order; the same at
/// every run.
fn eventful() -> Log {
    let kept_away = |revision, choice| Rules {
        proximities: vec![wire::Proximity {
            zone_id: vec![77; 16],
            revision: 1,
            protected_id: vec![88; 16],
            distance_m: 150.0,
            buffer_m: 100.0,
            ..wire::Proximity::default()
        }],
        ..rules(1, revision, choice, (300, 0, 3))
    };
    let mut log: Log = vec![
        (at_s(0), Record::Layer(layer(1))),
        (at_s(0), Record::Rules(kept_away(1, 0b11_1111))),
        (at_s(0), Record::Rules(rules(2, 1, 0b00_0111, (300, 120, 4)))),
    ];
    // From home through the zones to the east and back, a fix every 20 s; beyond them once too fast for anybody.
    let east_m = |step: i64| match step {
        0..30 => 0.0,
        30..60 => 20.0 * (step - 30) as f64,
        60..62 => 60_000.0,
        62..90 => 600.0 - 20.0 * (step - 62) as f64,
        _ => -150.0,
    };
    for step in 0..120_i64 {
        let fix_s = 20 * step + 5;
        let number = u32::try_from(step).unwrap();
        // Every seventh report waits for six minutes, every eleventh comes twice; for seven minutes nothing comes at all.
        let delay_s = if step % 7 == 3 { 360 } else { 1 };
        let mut report = good_fix(number, fix_s, fix_s + delay_s, east_m(step));
        match step {
            10 => report.strap = 2,
            14 => report.alarms = vec![i32::from(wire::Alarm::Sos)],
            20..24 => report.alarms = vec![i32::from(wire::Alarm::Jamming)],
            40..44 => report.battery_percent = Some(15),
            44..46 => report.battery_percent = Some(5),
            66 => report.fix_time_us = at_s(fix_s + 86_400).as_microsecond(),
            _ => {}
        }
        let other = Report {
            person_id: vec![2; 16],
            report_id: [&[1][..], &report.report_id[..15]].concat(),
            device_id: vec![102; 16],
            position: report.position.filter(|_| !(70..90).contains(&step)),
            ..good_fix(number, fix_s, fix_s + 1, 0.0)
        };
        if !(46..67).contains(&step) {
            for copy in 0..=i64::from(step % 11 == 0) {
                log.push((at_s(fix_s + delay_s + copy), Record::Report(report.clone())));
            }
        }
        log.push((at_s(fix_s + 1), Record::Report(other)));
        if step % 3 == 0 {
            let near = good_fix(10_000 + number, fix_s - 2, fix_s, 450.0);
            let fix = wire::ProtectedFix {
                report_id: near.report_id,
                person_id: vec![1; 16],
                protected_id: vec![88; 16],
                fix_time_us: near.fix_time_us,
                received_at_us: near.received_at_us,
                position: near.position,
            };
            log.push((at_s(fix_s), Record::Protected(fix)));
        }
    }
    log.push((at_s(1_000), Record::Layer(layer(2))));
    log.push((at_s(1_900), Record::Rules(kept_away(2, 0b01_1111))));
    let off = Rules {
        active: false,
        ..rules(2, 2, 0b00_0111, (300, 120, 4))
    };
    log.push((at_s(2_300), Record::Rules(off)));
    log.sort_by_key(|(at, _)| *at);
    log.push((at_s(20_000), Record::Tick));
    log
}

/// L4 without chance: the same log every time, cut at each of its records, with whole checkpoints and with the journal in pieces.
#[test]
fn crashes_anywhere_in_a_fixed_log_change_nothing() {
    let log = eventful();
    let layers: Vec<_> = log
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Layer(layer) => Some(Arc::clone(layer)),
            _ => None,
        })
        .collect();
    let (mut undisturbed, mut expected) = (Engine::new(), Vec::new());
    fold_into(&mut undisturbed, &log, &mut expected);
    let kinds: std::collections::BTreeSet<_> = expected.iter().map(Event::kind).collect();
    assert!(kinds.len() >= 14, "the log is to be eventful: {kinds:?}");
    assert!(expected.iter().any(|event| event.edge() == Edge::Correction));
    let (mut in_pieces, mut events, mut pieces) = (Engine::new(), Vec::new(), Vec::new());
    in_pieces.save_in_pieces();
    for cut in 0..log.len() {
        // What was told before the crash, and what the restored engine tells from there.
        let mut whole = restored(&in_pieces, &layers);
        let mut told = events.clone();
        fold_into(&mut whole, &log[cut..], &mut told);
        assert!(told == expected, "cut at {cut}: {}", difference(&log, &told, &expected));
        assert_eq!(whole.checkpoint(), undisturbed.checkpoint(), "cut at {cut}");
        let saved = in_pieces.save();
        pieces.extend(saved.piece);
        in_pieces = Engine::restore_with(&saved.state, &pieces).unwrap();
        for wanted in in_pieces.layers_wanted() {
            let layer = layers
                .iter()
                .find(|layer| layer.revision() == wanted.revision && layer.id() == wanted.layer_id);
            in_pieces.give_layer(Arc::clone(layer.unwrap())).unwrap();
        }
        assert_eq!(in_pieces.counters().journals_lost, 0);
        in_pieces.save_in_pieces();
        fold_into(&mut in_pieces, &log[cut..=cut], &mut events);
    }
    assert!(
        events == expected,
        "in pieces: {}",
        difference(&log, &events, &expected)
    );
}

/// One order that ends after an hour, and what is told of reports that come after it.
fn after_the_end(reports: &[(i64, i64, wire::Strap)], second: Option<Rules>) -> (Engine, Vec<Event>) {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let first = Rules {
        layer_ids: Vec::new(),
        valid_until_us: second.is_none().then(|| at_s(3_600).as_microsecond()),
        ..rules(1, 1, 0b10, (0, 0, 3))
    };
    engine.fold(at_s(0), Input::Rules(&first), &mut events);
    if let Some(second) = second {
        engine.fold(at_s(3_600), Input::Rules(&second), &mut events);
    }
    for (number, (made_s, comes_s, strap)) in (0_u32..).zip(reports) {
        let report = Report {
            strap: i32::from(*strap),
            ..good_fix(number, *made_s, *comes_s, 300.0)
        };
        engine.fold(at_s(*comes_s), Input::Report(&report), &mut events);
    }
    (engine, events)
}

fn told(events: &[Event]) -> Vec<(EventKind, Edge, i64, bool)> {
    let second = |event: &Event| (event.onset_us - start().as_microsecond()) / 1_000_000;
    events
        .iter()
        .map(|event| (event.kind(), event.edge(), second(event), event.late))
        .collect()
}

#[test]
fn what_was_made_in_a_term_and_comes_after_its_end_is_told_for_a_day() {
    use wire::Strap::{Closed, Open};
    let (mut engine, mut events) = after_the_end(
        &[(3_000, 4_000, Closed), (3_100, 4_001, Open), (3_601, 4_002, Open)],
        None,
    );
    let expected = [
        (EventKind::StrapTamper, Edge::Onset, 3_100, true),
        (EventKind::ExclusionEntry, Edge::Onset, 3_000, true),
        (EventKind::ExclusionEntry, Edge::End, 3_000, true),
    ];
    let mut found = told(&events);
    found.retain(|(kind, ..)| *kind != EventKind::BufferEntry);
    assert_eq!(found, expected);
    let ends: Vec<_> = events.iter().filter_map(|event| event.end_us).collect();
    assert!(!ends.is_empty() && ends.iter().all(|end_us| *end_us == at_s(3_600).as_microsecond()));
    assert_eq!(engine.people(), 0);
    assert_eq!(engine.counters().not_monitored, 1, "made after the end");
    // A day after the end nothing is kept.
    let kept = engine.memory();
    assert!(kept.journal > 0 && kept.rules > 0);
    let day_s = 86_400;
    engine.fold(at_s(3_600 + day_s - 1), Input::Tick, &mut events);
    assert_eq!(engine.memory().journal, kept.journal);
    engine.fold(at_s(3_600 + day_s), Input::Tick, &mut events);
    assert!(engine.memory().journal == 0 && engine.memory().rules < kept.rules);
    events.clear();
    let late = good_fix(9, 3_599, 3_600 + day_s, 300.0);
    let outcome = engine.fold(at_s(3_600 + day_s), Input::Report(&late), &mut events);
    assert_eq!((outcome, events), (Outcome::NotMonitored, Vec::new()));
}

#[test]
fn what_was_made_under_an_order_that_another_replaced_is_told_still() {
    let second = Rules {
        layer_ids: Vec::new(),
        order_id: vec![10; 16],
        valid_from_us: at_s(3_600).as_microsecond(),
        ..rules(1, 2, 0b10, (0, 0, 3))
    };
    let (engine, events) = after_the_end(
        &[
            (3_000, 4_000, wire::Strap::Closed),
            (3_100, 4_001, wire::Strap::Open),
            (4_100, 4_101, wire::Strap::Open),
        ],
        Some(second),
    );
    let mut found = told(&events);
    found.retain(|(kind, ..)| *kind != EventKind::BufferEntry);
    let expected = [
        (EventKind::StrapTamper, Edge::Onset, 3_100, true),
        (EventKind::ExclusionEntry, Edge::Onset, 3_000, true),
    ];
    assert_eq!(found, expected);
    let orders: std::collections::BTreeSet<_> = events.iter().map(|event| event.order_id.clone()).collect();
    assert_eq!(orders, [vec![9; 16]].into(), "by the order of its time");
    assert_eq!(engine.people(), 1);
}

#[test]
fn what_a_revocation_shows_to_be_without_an_order_is_taken_back() {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let first = Rules {
        layer_ids: Vec::new(),
        ..rules(1, 1, 0b10, (0, 0, 3))
    };
    engine.fold(at_s(0), Input::Rules(&first), &mut events);
    for (number, made_s) in [(0, 60), (1, 3_010), (2, 3_070)] {
        let east_m = if number == 0 { 5_000.0 } else { 300.0 };
        engine.fold(
            at_s(made_s + 1),
            Input::Report(&good_fix(number, made_s, made_s + 1, east_m)),
            &mut events,
        );
    }
    assert!(told(&events).contains(&(EventKind::ExclusionEntry, Edge::Onset, 3_010, false)));
    events.clear();
    let revoked = Rules {
        active: false,
        revision: 2,
        valid_until_us: Some(at_s(3_000).as_microsecond()),
        ..first
    };
    engine.fold(at_s(3_100), Input::Rules(&revoked), &mut events);
    let entry = events
        .iter()
        .find(|event| event.kind() == EventKind::ExclusionEntry)
        .unwrap();
    assert!(entry.edge() == Edge::Correction && entry.withdrawn);
    assert_eq!(
        entry.explanation.as_ref().unwrap().sentence,
        "the order had ended before"
    );
    assert_eq!(engine.take_revoked().len(), 1);
    // Neither the checkpoint nor a piece has what was made from then on.
    let place = |bytes: &[u8]| {
        let east = 302_500_000_i32.to_le_bytes();
        let time = at_s(3_010).as_microsecond().to_le_bytes();
        (
            bytes.windows(4).any(|window| window == east),
            bytes.windows(8).any(|window| window == time),
        )
    };
    assert_eq!(place(&engine.checkpoint()), (true, false));
}
