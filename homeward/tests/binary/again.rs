//! The engine of a partition, over everybody's records and ticks, and the engine of one person, over what history kept of that
//! person, decide the same, byte by byte: copies, late and impossible clocks, changed rules and layers among the records.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use casedb::{
    Database,
    history::{
        HistoryWriter,
        folded::{Body, Part, Reader},
    },
    zone,
};
use engine::{CompiledLayer, Engine, Input, LayerReference};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::{
    DeviceId, LayerId, OrderId, PersonId, ReportId, Topic, ZoneId,
    topic::partition_of,
    wire::{self, report_record::Body as Sent},
};
use stream::{
    Log, NewRecord,
    memory::{ManualClock, MemoryLog},
};
use tokio_util::sync::CancellationToken;

const PARTITIONS: u32 = 2;
const PEOPLE: u64 = 10;
const STEPS: u64 = 4_000;

/// Small and seeded (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

fn person(n: u64) -> PersonId {
    PersonId::from_name(&format!("person {n}"))
}

fn circle(name: &str, longitude: f64, radius_m: f64, kind: wire::ZoneKind) -> wire::Zone {
    wire::Zone {
        zone_id: ZoneId::from_name(name).to_wire(),
        revision: 1,
        kind: kind.into(),
        geometry: Some(wire::Geometry {
            shape: Some(wire::geometry::Shape::Circle(wire::Circle {
                longitude,
                latitude: 30.0,
                radius_m,
            })),
        }),
        ..Default::default()
    }
}

fn rules(n: u64, revision: u64, layer: LayerId, start: Timestamp) -> wire::Rules {
    let mut home = circle(&format!("home {n}"), 120.0, 80.0, wire::ZoneKind::Inclusion);
    let hours = |weekday| wire::WeeklyInterval {
        weekday,
        start_s: 20 * 3_600 + 600 * u32::try_from(revision).unwrap(),
        end_s: 7 * 3_600,
    };
    home.schedule = Some(wire::Schedule {
        weekly: (1..=7).map(hours).collect(),
        ..Default::default()
    });
    let mut school = circle(&format!("school {n}"), 120.01, 100.0, wire::ZoneKind::Exclusion);
    school.buffer_m = 150.0;
    school.revision = 1 + revision / 3;
    wire::Rules {
        person_id: person(n).to_wire(),
        revision,
        order_id: OrderId::from_name("order").to_wire(),
        active: revision % 7 != 6,
        time_zone: "Europe/Oslo".to_owned(),
        zones: vec![home, school],
        layer_ids: if n.is_multiple_of(2) {
            vec![layer.to_wire()]
        } else {
            Vec::new()
        },
        reporting_interval_s: 60,
        silence_after_s: 900,
        home_exit_grace_s: 30,
        late_return_after_s: 3_600,
        valid_from_us: start.as_microsecond(),
        proximities: vec![wire::Proximity {
            zone_id: ZoneId::from_name(&format!("distance {n}")).to_wire(),
            revision: 1,
            protected_id: person(1_000 + n).to_wire(),
            distance_m: 300.0,
            buffer_m: 200.0,
            schedule: None,
        }],
        ..Default::default()
    }
}

fn report(dice: &mut Dice, n: u64, sequence: u64, now: Timestamp) -> wire::Report {
    let device = DeviceId::from_name(&format!("device {n}"));
    // Stays near home, walks to the school and to the layer's zone, back and forth in some hours.
    let phase = (now.as_second() + 2_000 * i64::try_from(n).unwrap()).rem_euclid(14_400);
    let east = if phase < 7_000 {
        0
    } else {
        (phase - 7_000).min(14_400 - phase) * 60
    };
    let noise = |dice: &mut Dice| i32::try_from(dice.roll(3_000)).unwrap() - 1_500;
    let now_us = now.as_microsecond();
    let seconds = |seconds: u64| i64::try_from(seconds).unwrap() * 1_000_000;
    let (fix_time_us, backfill) = match dice.roll(40) {
        0 => (now_us - seconds(dice.roll(20_000)), true),
        1 => (now_us + seconds(200), false),
        2 => (now_us - 1_024 * 7 * 86_400_000_000, false),
        3 => (now_us + seconds(60), false),
        _ => (now_us - seconds(dice.roll(5)), false),
    };
    let position = wire::Position {
        latitude_e7: 300_000_000 + noise(dice),
        longitude_e7: 1_200_000_000 + i32::try_from(east).unwrap() / 2 + noise(dice),
        valid: !dice.one_in(30),
        source: i32::try_from(dice.roll(5)).unwrap(),
        accuracy_m: (!dice.one_in(6)).then(|| dice.roll(40) as f32 + 0.5),
        speed_kmh: (!dice.one_in(3)).then(|| dice.roll(60) as f32),
        ..Default::default()
    };
    wire::Report {
        report_id: ReportId::derive(device, &sequence.to_le_bytes()).to_wire(),
        person_id: person(n).to_wire(),
        device_id: device.to_wire(),
        protocol: 1,
        sequence,
        fix_time_us,
        received_at_us: now_us - seconds(dice.roll(2)),
        backfill,
        position: (!dice.one_in(12)).then_some(position),
        battery_percent: Some(u32::try_from(100 - (now.as_second() / 900) % 101).unwrap()),
        strap: if dice.one_in(60) { 2 } else { 1 },
        case: 1,
        motion: i32::try_from(dice.roll(3)).unwrap(),
        alarms: if dice.one_in(25) {
            vec![i32::try_from(1 + dice.roll(12)).unwrap()]
        } else {
            Vec::new()
        },
        charging: dice.one_in(5).then_some(true),
        serving_cell: None,
        alarm_scope: i32::try_from(sequence % 3).unwrap(),
    }
}

/// Where the protected person is: it comes and goes.
fn protected(dice: &mut Dice, n: u64, sequence: u64, now: Timestamp) -> wire::ProtectedFix {
    let Some(mut position) = report(dice, n, sequence, now).position else {
        return wire::ProtectedFix::default();
    };
    position.longitude_e7 = 1_200_000_000 + i32::try_from((now.as_second() / 3_600) % 4).unwrap() * 30_000;
    wire::ProtectedFix {
        report_id: ReportId::derive(DeviceId::from_name("protected"), &sequence.to_le_bytes()).to_wire(),
        person_id: person(n).to_wire(),
        protected_id: person(1_000 + n).to_wire(),
        fix_time_us: now.as_microsecond(),
        received_at_us: now.as_microsecond(),
        position: Some(position),
    }
}

/// Comes from where a protected person was, which history does not keep.
fn is_near(event: &wire::Event) -> bool {
    matches!(
        event.kind(),
        wire::EventKind::Proximity | wire::EventKind::ProximityWarning
    )
}

/// Stores a layer's revision and gives its marker.
async fn layer(database: &Database, id: LayerId, radius_m: f64) -> (wire::LayerMarker, Arc<CompiledLayer>) {
    let client = database.client().await.unwrap();
    let zones = vec![circle("station", 120.02, radius_m, wire::ZoneKind::Exclusion)];
    let revision = zone::publish_layer(&client, id, zones).await.unwrap();
    let content = zone::layer_content(&client, id, revision).await.unwrap();
    let compiled = CompiledLayer::decode(&content).unwrap();
    let marker = wire::LayerMarker {
        layer_id: id.to_wire(),
        revision,
        content_hash: LayerReference::of(&compiled).content_hash.to_vec(),
    };
    (marker, Arc::new(compiled))
}

/// The engines of all partitions, as the service runs them.
struct Running {
    log: MemoryLog,
    clock: ManualClock,
    engines: Vec<Engine>,
    layers: BTreeMap<Vec<u8>, Arc<CompiledLayer>>,
    events: Vec<wire::Event>,
}

impl Running {
    async fn append(&mut self, partition: u32, body: Sent) {
        let record = NewRecord {
            partition,
            key: "".into(),
            payload: wire::ReportRecord {
                body: Some(body.clone()),
            }
            .encode_to_vec()
            .into(),
        };
        self.log.append(Topic::Reports, vec![record]).await.unwrap();
        let input = match &body {
            Sent::Report(report) => Input::Report(report),
            Sent::Rules(rules) => Input::Rules(rules),
            Sent::Layer(marker) => Input::Layer(Arc::clone(&self.layers[&marker.content_hash])),
            Sent::Tick(_) => Input::Tick,
            Sent::ProtectedFix(fix) => Input::Protected(fix),
        };
        self.engines[partition as usize].fold(self.clock.now(), input, &mut self.events);
    }

    async fn everywhere(&mut self, body: Sent) {
        for partition in 0..PARTITIONS {
            self.append(partition, body.clone()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_out_of_history_is_judged_as_among_all() {
    let Some(test) = testkit::database().await.unwrap() else {
        return;
    };
    casedb::migrate(&test.url, PARTITIONS).await.unwrap();
    let database = Database::connect(&test.url, 4).await.unwrap();
    let direct = testkit::connect(&test.url).await.unwrap();
    for n in 0..PEOPLE {
        testkit::supervise(&direct, person(n).uuid()).await.unwrap();
    }
    let start: Timestamp = "2026-03-27T12:00:00Z".parse().unwrap();
    let clock = ManualClock::new(start);
    let log = MemoryLog::with_clock(PARTITIONS, {
        let clock = clock.clone();
        move || clock.now()
    });
    let layer_id = LayerId::from_name("stations");
    zone::create_layer(&database.client().await.unwrap(), layer_id, "stations")
        .await
        .unwrap();
    let mut running = Running {
        log: log.clone(),
        clock: clock.clone(),
        engines: (0..PARTITIONS).map(|_| Engine::new()).collect(),
        layers: BTreeMap::new(),
        events: Vec::new(),
    };
    let mut dice = Dice(7);
    let mut revisions = vec![0; usize::try_from(PEOPLE).unwrap()];
    let mut sent: Vec<wire::Report> = Vec::new();
    for step in 0..STEPS {
        clock.set(clock.now() + SignedDuration::from_millis(i64::try_from(500 + dice.roll(30_000)).unwrap()));
        let n = dice.roll(PEOPLE);
        let partition = partition_of(person(n), PARTITIONS);
        if step % 1_500 == 100 {
            let (marker, compiled) = layer(&database, layer_id, 200.0 + step as f64 / 20.0).await;
            running.layers.insert(marker.content_hash.clone(), compiled);
            running.everywhere(Sent::Layer(marker)).await;
        }
        let revision = &mut revisions[usize::try_from(n).unwrap()];
        if *revision == 0 || dice.one_in(150) {
            *revision += 1;
            let rules = rules(n, *revision, layer_id, start);
            running.append(partition, Sent::Rules(rules)).await;
        }
        match dice.roll(20) {
            3 => {
                let fix = protected(&mut dice, n, step, clock.now());
                running.append(partition, Sent::ProtectedFix(fix)).await;
            }
            0..2 => running.everywhere(Sent::Tick(wire::Tick { number: step })).await,
            2 if !sent.is_empty() => {
                // A device whose acknowledgement was lost sends again, maybe much later.
                let back = dice.roll(sent.len().min(600) as u64);
                let mut copy = sent[sent.len() - 1 - usize::try_from(back).unwrap()].clone();
                copy.received_at_us = clock.now().as_microsecond();
                let owner = PersonId::from_wire(&copy.person_id).unwrap();
                running
                    .append(partition_of(owner, PARTITIONS), Sent::Report(copy))
                    .await;
            }
            _ => {
                for more in 0..=dice.roll(2) {
                    let report = report(&mut dice, n, 3 * step + more, clock.now());
                    sent.push(report.clone());
                    running.append(partition, Sent::Report(report)).await;
                }
            }
        }
    }
    clock.set(clock.now() + SignedDuration::from_mins(30));
    running.everywhere(Sent::Tick(wire::Tick { number: STEPS })).await;

    let shutdown = CancellationToken::new();
    let writer = tokio::spawn(HistoryWriter::run(database.clone(), Arc::new(log), shutdown.clone()));
    let reader = Reader::open(&database, PARTITIONS).await.unwrap();
    let end = clock.now();
    for n in 0..PEOPLE {
        while reader.clock(person(n)).await.unwrap() != Some(end) {
            assert!(!writer.is_finished());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    shutdown.cancel();
    writer.await.unwrap().unwrap();

    let near = running.events.iter().filter(|event| is_near(event)).count();
    assert!(near > 0, "nobody was near");
    let mut kinds = BTreeMap::new();
    let (mut late, mut corrections) = (0, 0);
    for n in 0..PEOPLE {
        let decided: Vec<&wire::Event> = running
            .events
            .iter()
            .filter(|event| event.person_id.as_slice() == person(n).as_bytes() && !is_near(event))
            .collect();
        let mut engine = Engine::new();
        let mut again = Vec::new();
        let records: Vec<_> = reader
            .records(person(n), Part::All)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        for record in &records {
            let input = match &record.body {
                Body::Report(report) => Input::Report(report),
                Body::Rules(rules) => Input::Rules(rules),
                Body::Layer(marker) => Input::Layer(Arc::clone(&running.layers[&marker.content_hash])),
            };
            engine.fold(record.at, input, &mut again);
        }
        engine.fold(end, Input::Tick, &mut again);
        for (index, (decided, again)) in decided.iter().zip(&again).enumerate() {
            assert_eq!(*decided, again, "event {index} of person {n}");
            assert_eq!(decided.encode_to_vec(), again.encode_to_vec());
            late += u32::from(again.late);
            corrections += u32::from(again.edge() == wire::Edge::Correction);
            *kinds.entry(again.kind().as_str_name()).or_insert(0) += 1;
        }
        assert_eq!(decided.len(), again.len(), "person {n}");
    }
    assert!(
        kinds.len() >= 12 && late > 0 && corrections > 0,
        "the log is dull: {late} late, {corrections} corrections, {kinds:?}"
    );
    drop(reader);
    test.drop_now().await.unwrap();
}
