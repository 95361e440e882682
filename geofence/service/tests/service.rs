//! The service on a memory log and a real case database.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are test code"
)]

extern crate homeward_geofence as service;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use casedb::{Database, checkpoint, history::HistoryWriter};
use engine::{CompiledLayer, Engine, Input};
use jiff::{Timestamp, ToSpan};
use prost::Message;
use proto::{
    DeviceId, LayerId, OrderId, PersonId, ReportId, Topic, ZoneId,
    topic::partition_of,
    wire::{self, report_record::Body},
};
use service::{Config, Error, Service};
use stream::{
    Class, Log, NewRecord, Record,
    memory::{ManualClock, MemoryLog},
    postgres::PostgresLog,
};
use testkit::TestDatabase;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PARTITIONS: u32 = 3;
const PEOPLE: u64 = 12;

async fn migrated() -> Option<(TestDatabase, Database)> {
    let test = testkit::database().await.unwrap()?;
    casedb::migrate(&test.url, PARTITIONS).await.unwrap();
    let db = Database::connect(&test.url, 8).await.unwrap();
    Some((test, db))
}

fn config() -> Config {
    Config {
        checkpoint_every: Duration::from_millis(60),
        batch: 40,
        ..Config::default()
    }
}

fn start(db: &Database, log: &MemoryLog) -> (JoinHandle<Result<(), Error>>, CancellationToken) {
    let stop = CancellationToken::new();
    (
        tokio::spawn(Service::run(db.clone(), Arc::new(log.clone()), config(), stop.clone())),
        stop,
    )
}

fn encode(body: Body) -> bytes::Bytes {
    wire::ReportRecord { body: Some(body) }.encode_to_vec().into()
}

fn person(number: u64) -> PersonId {
    PersonId::from_name(&format!("person {number}"))
}

fn of(person: PersonId, body: Body) -> NewRecord {
    NewRecord {
        partition: partition_of(person, PARTITIONS),
        key: person.to_wire().into(),
        payload: encode(body),
    }
}

/// Must be within 100 m of 10 E, 50 N, always.
fn rules(number: u64, now: Timestamp) -> Body {
    Body::Rules(wire::Rules {
        person_id: person(number).to_wire(),
        revision: 1,
        order_id: OrderId::from(person(number).uuid()).to_wire(),
        active: true,
        time_zone: "UTC".to_owned(),
        zones: vec![wire::Zone {
            zone_id: ZoneId::from_name("home").to_wire(),
            revision: 1,
            kind: wire::ZoneKind::Inclusion.into(),
            geometry: Some(wire::Geometry {
                shape: Some(wire::geometry::Shape::Circle(wire::Circle {
                    longitude: 10.0,
                    latitude: 50.0,
                    radius_m: 100.0,
                })),
            }),
            ..wire::Zone::default()
        }],
        reporting_interval_s: 60,
        silence_after_s: 300,
        late_return_after_s: 3_600,
        valid_from_us: (now - 1.hour()).as_microsecond(),
        ..wire::Rules::default()
    })
}

/// Home for ten minutes, 2 km away for ten, and so on; an open strap now and then.
fn report(number: u64, minute: u64, now: Timestamp) -> Body {
    let device = DeviceId::from_name(&format!("device {number}"));
    let away = (minute + number) / 10 % 2 == 1;
    Body::Report(wire::Report {
        report_id: ReportId::derive(device, &minute.to_le_bytes()).to_wire(),
        person_id: person(number).to_wire(),
        device_id: device.to_wire(),
        sequence: minute + 1,
        fix_time_us: now.as_microsecond(),
        received_at_us: now.as_microsecond(),
        position: Some(wire::Position {
            latitude_e7: if away { 500_200_000 } else { 500_000_000 },
            longitude_e7: 100_000_000,
            valid: true,
            source: wire::FixSource::Gnss.into(),
            accuracy_m: Some(8.0),
            ..Default::default()
        }),
        battery_percent: Some(70),
        strap: if minute % 23 == 7 {
            wire::Strap::Open
        } else {
            wire::Strap::Closed
        }
        .into(),
        ..Default::default()
    })
}

/// The story of two hours, appended minute by minute under a clock of its own; `after` sees each minute.
async fn tell(log: &MemoryLog, clock: &ManualClock, minutes: std::ops::Range<u64>, began: Timestamp) {
    for minute in minutes {
        let now = began + i64::try_from(minute).unwrap().minutes();
        clock.set(now);
        let mut records = Vec::new();
        for number in 0..PEOPLE {
            if minute == 0 {
                records.push(of(person(number), rules(number, now)));
            }
            // The last person falls silent.
            if number + 1 < PEOPLE || minute < 30 {
                records.push(of(person(number), report(number, minute, now)));
            }
        }
        for partition in 0..PARTITIONS {
            let payload = encode(Body::Tick(wire::Tick { number: minute }));
            records.push(NewRecord {
                partition,
                key: bytes::Bytes::new(),
                payload,
            });
            if minute == 11 {
                let payload = bytes::Bytes::from_static(b"\xffno record");
                records.push(NewRecord {
                    partition,
                    key: bytes::Bytes::new(),
                    payload,
                });
            }
        }
        log.append(Topic::Reports, records).await.unwrap();
    }
}

async fn all_records(log: &MemoryLog, topic: Topic, partition: u32) -> Vec<Record> {
    let end = log.bounds(topic, partition).await.unwrap().end;
    let mut records = Vec::new();
    if end > 0 {
        let mut reader = log.read(topic, vec![(partition, 0)]).await.unwrap();
        while (records.len() as u64) < end {
            records.extend(reader.next(1_000).await.unwrap());
        }
    }
    records
}

/// A save of a state alone.
fn save(next_offset: u64, state: &[u8]) -> checkpoint::Save<'_> {
    checkpoint::Save {
        next_offset,
        state,
        piece: None,
        clock_us: 0,
        keep_from_us: 0,
    }
}

/// What an engine that is never disturbed makes of the log.
async fn undisturbed(log: &MemoryLog) -> BTreeMap<Vec<u8>, wire::Event> {
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let mut engine = Engine::new();
        for record in all_records(log, Topic::Reports, partition).await {
            match wire::ReportRecord::decode(record.payload)
                .ok()
                .and_then(|record| record.body)
            {
                Some(Body::Report(report)) => _ = engine.fold(record.appended_at, Input::Report(&report), &mut all),
                Some(Body::Rules(rules)) => _ = engine.fold(record.appended_at, Input::Rules(&rules), &mut all),
                Some(Body::ProtectedFix(fix)) => _ = engine.fold(record.appended_at, Input::Protected(&fix), &mut all),
                Some(Body::Tick(_)) => _ = engine.fold(record.appended_at, Input::Tick, &mut all),
                Some(Body::Layer(_)) | None => {}
            }
        }
    }
    let count = all.len();
    let by_id: BTreeMap<_, _> = all.into_iter().map(|event| (event.event_id.clone(), event)).collect();
    assert_eq!(by_id.len(), count, "ids are unique");
    by_id
}

/// Events of the log, copies removed; copies are equal.
async fn events(log: &MemoryLog) -> BTreeMap<Vec<u8>, wire::Event> {
    let mut by_id: BTreeMap<Vec<u8>, wire::Event> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        for record in all_records(log, Topic::Events, partition).await {
            let event = wire::Event::decode(record.payload).unwrap();
            assert_eq!(
                partition,
                partition_of(PersonId::from_wire(&event.person_id).unwrap(), PARTITIONS)
            );
            assert_eq!(record.key, event.person_id);
            if let Some(copy) = by_id.insert(event.event_id.clone(), event.clone()) {
                assert_eq!(copy, event, "a copy differs");
            }
        }
    }
    by_id
}

async fn until_checkpoints_are_at_the_end(db: &Database, log: &MemoryLog) {
    let mut end = 0;
    for partition in 0..PARTITIONS {
        end += i64::try_from(log.bounds(Topic::Reports, partition).await.unwrap().end).unwrap();
    }
    for _ in 0..600 {
        let sql = "SELECT COALESCE(sum(next_offset), 0)::int8 FROM checkpoint";
        if db
            .client()
            .await
            .unwrap()
            .query_one(sql, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == end
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let sql = "SELECT partition, epoch, next_offset, owner FROM checkpoint ORDER BY partition";
    let rows = db.client().await.unwrap().query(sql, &[]).await.unwrap();
    let rows: Vec<(i32, i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    panic!("checkpoints do not get to the end of the log: {rows:?} of {end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_at_any_moment_give_the_same_events() {
    let Some((test, db)) = migrated().await else { return };
    let began: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let clock = ManualClock::new(began);
    let reading = clock.clone();
    let log = MemoryLog::with_clock(PARTITIONS, move || reading.now());
    for round in 0..12 {
        let (running, stop) = start(&db, &log);
        for minute in round * 10..(round + 1) * 10 {
            tell(&log, &clock, minute..minute + 1, began).await;
            tokio::time::sleep(Duration::from_millis(rand::random_range(2..25))).await;
        }
        if round % 3 == 2 {
            stop.cancel();
            running.await.unwrap().unwrap();
        } else {
            // As a crash would: in the middle of whatever it does.
            running.abort();
            let _ = running.await;
        }
    }
    let (running, stop) = start(&db, &log);
    until_checkpoints_are_at_the_end(&db, &log).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let (expected, found) = (undisturbed(&log).await, events(&log).await);
    assert!(expected.len() > 50, "{} events", expected.len());
    assert_eq!(found.len(), expected.len());
    assert_eq!(found, expected);
    test.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fenced_owner_drops_its_partition_and_takes_it_anew() {
    let Some((test, db)) = migrated().await else { return };
    let began: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let clock = ManualClock::new(began);
    let reading = clock.clone();
    let log = MemoryLog::with_clock(PARTITIONS, move || reading.now());
    let (running, stop) = start(&db, &log);
    tell(&log, &clock, 0..20, began).await;
    until_checkpoints_are_at_the_end(&db, &log).await;
    // Another process claims a partition, folds nothing and is gone.
    let mut client = db.client().await.unwrap();
    let other = checkpoint::claim(&client, 1, "another process").await.unwrap();
    tell(&log, &clock, 20..40, began).await;
    until_checkpoints_are_at_the_end(&db, &log).await;
    let zombie = checkpoint::save(&mut client, 1, other.epoch, save(0, b"old"))
        .await
        .unwrap_err();
    assert_eq!(zombie.class(), Class::Abort, "the partition was claimed again");
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(events(&log).await, undisturbed(&log).await);
    drop(client);
    test.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_must_mend_is_said() {
    let Some((test, db)) = migrated().await else { return };
    let clock = ManualClock::new("2026-03-02T08:00:00Z".parse().unwrap());
    let reading = clock.clone();
    let log = MemoryLog::with_clock(PARTITIONS, move || reading.now());
    tell(&log, &clock, 0..20, clock.now()).await;
    let mut client = db.client().await.unwrap();

    // A checkpoint of a newer version.
    let mut state = Engine::new().checkpoint();
    state[4] = 0xff;
    let claim = checkpoint::claim(&client, 0, "newer").await.unwrap();
    checkpoint::save(&mut client, 0, claim.epoch, save(3, &state))
        .await
        .unwrap();
    let error = start(&db, &log).0.await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    let message = error.to_string();
    assert!(
        message.contains("partition 0") && message.contains("newer version"),
        "{message}"
    );

    // A damaged one, while the log still has its beginning: folded again.
    let claim = checkpoint::claim(&client, 0, "damaged").await.unwrap();
    let mut state = Engine::new().checkpoint();
    *state.last_mut().unwrap() ^= 1;
    checkpoint::save(&mut client, 0, claim.epoch, save(3, &state))
        .await
        .unwrap();
    let (running, stop) = start(&db, &log);
    until_checkpoints_are_at_the_end(&db, &log).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(events(&log).await, undisturbed(&log).await);

    // A stream that no longer has what comes next.
    client
        .execute(
            "UPDATE checkpoint SET next_offset = 2, state = NULL WHERE partition = 2",
            &[],
        )
        .await
        .unwrap();
    log.trim(Topic::Reports, clock.now()).await.unwrap();
    let error = start(&db, &log).0.await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Fatal);
    let message = error.to_string();
    assert!(
        message.contains("partition 2: the checkpoint needs offset 2"),
        "{message}"
    );
    drop(client);
    test.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn layers_come_from_the_case_database_and_come_back_after_a_restart() {
    let Some((test, db)) = migrated().await else { return };
    let clock = ManualClock::new(Timestamp::now());
    let reading = clock.clone();
    let log = MemoryLog::with_clock(PARTITIONS, move || reading.now());
    let mut client = db.client().await.unwrap();
    let layer = LayerId::new(uuid::Uuid::now_v7());
    let Body::Rules(mut rules) = rules(0, clock.now()) else {
        panic!()
    };
    let mut zone = rules.zones.remove(0);
    zone.kind = wire::ZoneKind::Exclusion.into();
    let tx = client.transaction().await.unwrap();
    casedb::zone::create_layer(&tx, layer, "schools").await.unwrap();
    casedb::zone::publish_layer(&tx, layer, vec![zone.clone()])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    drop(client);
    rules.layer_ids = vec![layer.to_wire()];
    log.append(Topic::Reports, vec![of(person(0), Body::Rules(rules))])
        .await
        .unwrap();
    let relay_stop = CancellationToken::new();
    let relay = tokio::spawn(casedb::outbox::run(
        db.clone(),
        Arc::new(log.clone()),
        relay_stop.clone(),
    ));
    let partition = partition_of(person(0), PARTITIONS);
    while log.bounds(Topic::Reports, partition).await.unwrap().end < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Restarted after the marker: the state names the layer, the database has it.
    let (running, stop) = start(&db, &log);
    until_checkpoints_are_at_the_end(&db, &log).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let (running, stop) = start(&db, &log);
    for minute in 0..20 {
        clock.set(clock.now() + 1.minute());
        log.append(Topic::Reports, vec![of(person(0), report(0, minute, clock.now()))])
            .await
            .unwrap();
    }
    until_checkpoints_are_at_the_end(&db, &log).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    let found = events(&log).await;
    let entered =
        |event: &&wire::Event| event.kind() == wire::EventKind::ExclusionEntry && event.zone_id == zone.zone_id;
    assert!(found.values().any(|event| entered(&event)), "{found:?}");
    let content = wire::Layer {
        layer_id: layer.to_wire(),
        revision: 1,
        zones: vec![zone],
    };
    assert_eq!(CompiledLayer::compile(&content).unwrap().zones().len(), 1);
    relay_stop.cancel();
    relay.await.unwrap().unwrap();
    test.drop_now().await.unwrap();
}

/// History, the engine, the relay and the ticker together on the embedded stream, with two members of each group.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_runs_on_the_embedded_stream() {
    for test in testkit::databases().await.unwrap() {
        casedb::migrate(&test.url, PARTITIONS).await.unwrap();
        let db = Database::connect(&test.url, 8).await.unwrap();
        let stream_config = stream::postgres::Config {
            partitions: PARTITIONS,
            ..Default::default()
        };
        let log: Arc<dyn Log> = Arc::new(PostgresLog::connect(&test.url, stream_config).await.unwrap());
        let stop = CancellationToken::new();
        let mut services = Vec::new();
        let mut writers = Vec::new();
        for _ in 0..2 {
            services.push(tokio::spawn(Service::run(
                db.clone(),
                Arc::clone(&log),
                config(),
                stop.clone(),
            )));
            writers.push(tokio::spawn(HistoryWriter::run(
                db.clone(),
                Arc::clone(&log),
                stop.clone(),
            )));
        }
        let every = Duration::from_millis(200);
        let ticker = tokio::spawn(casedb::ticker::run(db.clone(), Arc::clone(&log), every, stop.clone()));
        let relay = tokio::spawn(casedb::outbox::run(db.clone(), Arc::clone(&log), stop.clone()));

        let insert = "INSERT INTO outbox (person_id, payload) VALUES ($1, $2)";
        let client = db.client().await.unwrap();
        let direct = testkit::connect(&test.url).await.unwrap();
        for number in 0..PEOPLE {
            testkit::supervise(&direct, person(number).uuid()).await.unwrap();
            let payload = encode(rules(number, Timestamp::now())).to_vec();
            client
                .execute(insert, &[&person(number).uuid(), &payload])
                .await
                .unwrap();
        }
        client.batch_execute("NOTIFY homeward_outbox").await.unwrap();
        for minute in 0..40 {
            let records = (0..PEOPLE).map(|number| of(person(number), report(number, minute, Timestamp::now())));
            log.append(Topic::Reports, records.collect()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let expected = 40 * i64::try_from(PEOPLE).unwrap();
        let mut stored = (0, 0);
        for _ in 0..400 {
            let sql = "SELECT (SELECT count(*) FROM position), (SELECT count(*) FROM checkpoint WHERE next_offset > 0)";
            let row = client.query_one(sql, &[]).await.unwrap();
            stored = (row.get(0), row.get(1));
            if stored == (expected, i64::from(PARTITIONS)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(stored, (expected, i64::from(PARTITIONS)), "{}", test.edition);
        let mut tampers = 0;
        for partition in 0..PARTITIONS {
            let mut reader = log.read(Topic::Events, vec![(partition, 0)]).await.unwrap();
            let mut left = log.bounds(Topic::Events, partition).await.unwrap().end;
            while left > 0 {
                for record in reader.next(500).await.unwrap() {
                    left -= 1;
                    let event = wire::Event::decode(record.payload).unwrap();
                    tampers += u64::from(event.kind() == wire::EventKind::StrapTamper);
                }
            }
        }
        assert!(tampers >= PEOPLE, "{tampers} strap tampers on {}", test.edition);
        stop.cancel();
        for task in services {
            task.await.unwrap().unwrap();
        }
        for task in writers.into_iter().chain([ticker, relay]) {
            task.await.unwrap().unwrap();
        }
        log.close(Duration::from_secs(5)).await;
        drop(client);
        test.drop_now().await.unwrap();
    }
}
