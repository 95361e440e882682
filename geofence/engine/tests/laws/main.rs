//! Laws of the fold, over random logs: the same log gives the same events, however it was cut, ticked or repeated.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test that cannot go on fails here"
)]

mod arrival;
mod ended;
mod fold;
mod hostile;
mod single;

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
                        alarm_scope: i32::from(said[3] / 13 % 4),
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
