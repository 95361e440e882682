//! Every report is in history once, whatever happens to its writers.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use casedb::{Database, history::HistoryWriter};
use jiff::{Timestamp, ToSpan};
use prost::Message;
use proto::{DeviceId, PersonId, ReportId, Topic, topic::partition_of, wire};
use stream::{Log, NewRecord, memory::MemoryLog};
use tokio_util::sync::CancellationToken;

use crate::support::PARTITIONS;

/// Migrated databases in which everybody here is under an order.
async fn migrated() -> Vec<(testkit::TestDatabase, Database)> {
    let all = crate::support::migrated().await;
    for (test, _) in &all {
        let client = testkit::connect(&test.url).await.unwrap();
        for n in 0..7 {
            testkit::supervise(&client, PersonId::from_name(&format!("p{n}")).uuid())
                .await
                .unwrap();
        }
    }
    all
}

/// The report number `n` of person `n % 7`.
fn report(n: u64, now: Timestamp) -> wire::Report {
    let person = PersonId::from_name(&format!("p{}", n % 7));
    let device = DeviceId::from_name(&format!("d{}", n % 7));
    let time = now.as_microsecond() - 60_000_000 + i64::try_from(n).unwrap();
    wire::Report {
        report_id: ReportId::derive(device, &n.to_le_bytes()).to_wire(),
        person_id: person.to_wire(),
        device_id: device.to_wire(),
        sequence: n,
        fix_time_us: time,
        received_at_us: now.as_microsecond(),
        position: Some(wire::Position {
            latitude_e7: 301_234_567,
            longitude_e7: 1_201_234_567,
            valid: true,
            accuracy_m: Some(12.5),
            ..Default::default()
        }),
        battery_percent: Some(80),
        ..Default::default()
    }
}

fn record(report: wire::Report) -> NewRecord {
    let person = PersonId::from_wire(&report.person_id).unwrap();
    NewRecord {
        partition: partition_of(person, PARTITIONS),
        key: person.to_wire().into(),
        payload: wire::ReportRecord {
            body: Some(wire::report_record::Body::Report(report)),
        }
        .encode_to_vec()
        .into(),
    }
}

async fn append(log: &dyn Log, numbers: impl IntoIterator<Item = u64>) {
    // The same for all, so that a report appended twice is the same report.
    static NOW: OnceLock<Timestamp> = OnceLock::new();
    let now = *NOW.get_or_init(Timestamp::now);
    let records: Vec<_> = numbers.into_iter().map(|n| record(report(n, now))).collect();
    log.append(Topic::Reports, records).await.unwrap();
}

/// Rows, and distinct reports among them.
async fn counts(db: &Database) -> (i64, i64) {
    let sql = "SELECT count(*), count(DISTINCT report_id) FROM position";
    let row = db.client().await.unwrap().query_one(sql, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

async fn offsets(db: &Database) -> i64 {
    let sql = "SELECT COALESCE(sum(next_offset), 0)::int8 FROM reader_offset WHERE reader = 'history'";
    db.client().await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
}

async fn until_offsets_are(db: &Database, expected: i64) {
    for _ in 0..600 {
        if offsets(db).await == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("offsets are {} and not {expected}", offsets(db).await);
}

fn write(db: &Database, log: &MemoryLog) -> (tokio::task::JoinHandle<Result<(), casedb::Error>>, CancellationToken) {
    let shutdown = CancellationToken::new();
    (
        tokio::spawn(HistoryWriter::run(db.clone(), Arc::new(log.clone()), shutdown.clone())),
        shutdown,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_and_unreadable_records_do_no_harm() {
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        let now = Timestamp::now();
        append(&log, 0..500).await;
        let unreadable = |payload: &'static [u8]| NewRecord {
            partition: 1,
            key: "k".into(),
            payload: payload.into(),
        };
        log.append(Topic::Reports, vec![unreadable(b"\xff\xff\xff"), unreadable(b"")])
            .await
            .unwrap();
        append(&log, (0..500).chain(300..600)).await;
        let mut ahead = report(9_000, now);
        ahead.fix_time_us = (now + 3.minutes()).as_microsecond();
        let mut ancient = report(9_001, now);
        ancient.fix_time_us = 0;
        let mut silent = report(9_002, now);
        silent.position = None;
        log.append(
            Topic::Reports,
            vec![record(ahead.clone()), record(ahead), record(ancient), record(silent)],
        )
        .await
        .unwrap();
        let tick = wire::ReportRecord {
            body: Some(wire::report_record::Body::Tick(wire::Tick { number: 1 })),
        };
        let tick = NewRecord {
            partition: 0,
            key: "".into(),
            payload: tick.encode_to_vec().into(),
        };
        log.append(Topic::Reports, vec![tick]).await.unwrap();

        let (writer, shutdown) = write(&db, &log);
        until_offsets_are(&db, 500 + 2 + 800 + 4 + 1).await;
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        assert_eq!(counts(&db).await, (601, 601), "{}", test.edition);
        let client = db.client().await.unwrap();
        let sql = "SELECT reason, count(*) FROM quarantined_report GROUP BY reason ORDER BY reason";
        let quarantined = client.query(sql, &[]).await.unwrap();
        let quarantined: Vec<(String, i64)> = quarantined.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(
            quarantined,
            [("clock_ahead".to_owned(), 1), ("clock_before_2020".to_owned(), 1)]
        );

        let person = PersonId::from_name("p3");
        let track = casedb::history::track(&client, person, now - 5.minutes(), now, 50)
            .await
            .unwrap();
        assert!(track.truncated && track.fixes.len() == 50);
        assert!(track.fixes.is_sorted_by_key(|fix| fix.fix_time));
        assert_eq!(
            (track.fixes[0].latitude, track.fixes[0].accuracy_m),
            (30.123_456_7, Some(12.5))
        );
        let last = casedb::history::last_fixes(&client, &[person], now - 1.hour())
            .await
            .unwrap();
        assert_eq!(last, track.fixes[49..]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_dies_anywhere_leaves_neither_gap_nor_copy() {
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        let mut appended = 0;
        for round in 0..25_u64 {
            append(&log, appended..appended + 400).await;
            appended += 400;
            let (writer, _) = write(&db, &log);
            // Somewhere between joining and after the commit.
            tokio::time::sleep(Duration::from_millis(150 + round * 7)).await;
            if round % 3 == 0 {
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'homeward history'";
                db.client().await.unwrap().execute(kill, &[]).await.unwrap();
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            writer.abort();
            let _ = writer.await;
        }
        let (writer, shutdown) = write(&db, &log);
        until_offsets_are(&db, i64::try_from(appended).unwrap()).await;
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        let appended = i64::try_from(appended).unwrap();
        assert_eq!(counts(&db).await, (appended, appended), "{}", test.edition);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_partition_store_each_report_once() {
    for (test, db) in migrated().await {
        // Two logs with the same records: each writer believes that all partitions are its own.
        let (one, two) = (MemoryLog::new(PARTITIONS), MemoryLog::new(PARTITIONS));
        let (first, stop_first) = write(&db, &one);
        let (second, stop_second) = write(&db, &two);
        for round in 0..30 {
            append(&one, round * 100..(round + 1) * 100).await;
            append(&two, round * 100..(round + 1) * 100).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        until_offsets_are(&db, 3_000).await;
        stop_first.cancel();
        stop_second.cancel();
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
        assert_eq!(counts(&db).await, (3_000, 3_000), "{}", test.edition);
        test.drop_now().await.unwrap();
    }
}

/// Not a test of correctness: prints what the writer sustains. Run it alone, with `--ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn rate() {
    const ROWS: u64 = 400_000;
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        for start in (0..ROWS).step_by(10_000) {
            append(&log, start..start + 10_000).await;
        }
        let started = std::time::Instant::now();
        let (writer, shutdown) = write(&db, &log);
        until_offsets_are(&db, i64::try_from(ROWS).unwrap()).await;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{}: {:.0} rows/s", test.edition, ROWS as f64 / seconds);
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        test.drop_now().await.unwrap();
    }
}

/// What came past the gateway without a legal basis is on record as refused, and nowhere else: not in history, not as a copy, not in a seal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_order_lets_be_monitored_is_not_stored() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let person = PersonId::from_name("p3").uuid();
        client
            .batch_execute(&format!(
                "ALTER TABLE supervision_order DISABLE TRIGGER USER;
                UPDATE supervision_order SET ends_at = now() - interval '1 day' WHERE person_id = '{person}'"
            ))
            .await
            .unwrap();
        let log = MemoryLog::new(PARTITIONS);
        append(&log, 0..70).await;
        let (writer, shutdown) = write(&db, &log);
        until_offsets_are(&db, 70).await;
        // Ten of them are p3's.
        assert_eq!(counts(&db).await, (60, 60));
        let of = |sql: &'static str| {
            let client = &client;
            async move { client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) }
        };
        assert_eq!(of("SELECT count(*) FROM report_copy").await, 0);
        assert_eq!(of("SELECT sum(leaves)::int8 FROM history_seal").await, 60);
        assert_eq!(of("SELECT sum(reports)::int8 FROM monitoring_refusal").await, 10);
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_measured_of_sealing_is_stored_alike() {
    for (test, db) in migrated().await {
        let mut client = testkit::connect(&test.url).await.unwrap();
        for (number, sealed) in [true, false, true].into_iter().enumerate() {
            let first = i64::try_from(number).unwrap() * 1_000;
            casedb::history::measured(&mut client, first, 1_000, sealed)
                .await
                .unwrap();
        }
        assert_eq!(counts(&db).await, (3_000, 3_000));
        let sql = "SELECT sum(leaves)::int8 FROM history_seal";
        assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 2_000);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// The cell of a report, by its number alone.
fn in_cell(report: wire::Report, cell: u64) -> wire::Report {
    wire::Report {
        serving_cell: Some(wire::ServingCell {
            mcc: 460,
            mnc: 1,
            area: 9_488,
            cell,
        }),
        ..report
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_cells_the_newest_of_each_device_is_kept_and_no_other() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        for n in 0..7 {
            let (device, person) = (
                DeviceId::from_name(&format!("d{n}")),
                PersonId::from_name(&format!("p{n}")),
            );
            client
                .execute(
                    "INSERT INTO device (device_id, protocol, identity) VALUES ($1, 'native', $2)",
                    &[&device.uuid(), &format!("d{n}")],
                )
                .await
                .unwrap();
            // The third has given its device back.
            let ended = (n == 2).then(Timestamp::now);
            client
                .execute(
                    "INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at, ended_at)
                    VALUES (gen_random_uuid(), $1, $2, now() - interval '1 day', $3)",
                    &[&device.uuid(), &person.uuid(), &ended],
                )
                .await
                .unwrap();
        }
        // An order's law stays; here it is put in place of another.
        client
            .batch_execute("ALTER TABLE supervision_order DISABLE TRIGGER supervision_order_guard")
            .await
            .unwrap();
        // The fifth is of a law that wants no place inside the dwelling known; the sixth has no order.
        client
            .batch_execute("ALTER TABLE supervision_order DISABLE TRIGGER USER")
            .await
            .unwrap();
        client
            .execute(
                "UPDATE supervision_order SET profile = 'de-by' WHERE person_id = $1",
                &[&PersonId::from_name("p4").uuid()],
            )
            .await
            .unwrap();
        client
            .execute(
                "UPDATE supervision_order SET revoked_at = now() - interval '1 hour' WHERE person_id = $1",
                &[&PersonId::from_name("p5").uuid()],
            )
            .await
            .unwrap();
        client
            .batch_execute("ALTER TABLE supervision_order ENABLE TRIGGER USER")
            .await
            .unwrap();
        let log = MemoryLog::new(PARTITIONS);
        let now = Timestamp::now();
        let of = |n: u64, person: u64, cell: u64| record(in_cell(report(n * 7 + person, now), cell));
        let mut ahead = in_cell(report(7_000, now), 9);
        ahead.fix_time_us = (now + 1.hour()).as_microsecond();
        let mut sent: Vec<_> = (0..7).map(|person| of(10, person, 100 + person)).collect();
        // Older than what is known, then newer; a clock that cannot be right.
        sent.extend([of(3, 0, 1), of(11, 1, 7), record(ahead)]);
        log.append(Topic::Reports, sent).await.unwrap();
        let (writer, shutdown) = write(&db, &log);
        until_offsets_are(&db, 10).await;
        let kept = async || -> Vec<(String, i64)> {
            let sql = "SELECT d.identity, c.cell FROM device_cell c JOIN device d USING (device_id) ORDER BY 1";
            let rows = client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        };
        let named = |all: &[(&str, i64)]| {
            all.iter()
                .map(|(name, cell)| ((*name).to_owned(), *cell))
                .collect::<Vec<_>>()
        };
        assert_eq!(kept().await, named(&[("d0", 100), ("d1", 7), ("d3", 103), ("d6", 106)]));
        let payload: Vec<u8> = client
            .query_one("SELECT payload FROM quarantined_report", &[])
            .await
            .unwrap()
            .get(0);
        let quarantined = wire::Report::decode(payload.as_slice()).unwrap();
        assert_eq!(quarantined.serving_cell, None);
        // Half a minute later the same cell is not written again; another is.
        let stamp = async |name: &str| -> (i64, Timestamp) {
            let sql =
                "SELECT c.cell, c.heard_at FROM device_cell c JOIN device d USING (device_id) WHERE d.identity = $1";
            let row = client.query_one(sql, &[&name]).await.unwrap();
            (row.get(0), row.get(1))
        };
        let before = stamp("d3").await;
        log.append(Topic::Reports, vec![of(20, 3, 103), of(20, 6, 5)])
            .await
            .unwrap();
        until_offsets_are(&db, 12).await;
        assert_eq!(stamp("d3").await, before);
        assert_eq!(stamp("d6").await.0, 5);
        shutdown.cancel();
        writer.await.unwrap().unwrap();

        // Gone with the device, with the order, and after a day.
        let end = "UPDATE device_assignment SET ended_at = now() WHERE person_id = $1";
        client.execute(end, &[&PersonId::from_name("p0").uuid()]).await.unwrap();
        let revoke = "UPDATE supervision_order SET revoked_at = now() WHERE person_id = $1";
        client
            .execute(revoke, &[&PersonId::from_name("p1").uuid()])
            .await
            .unwrap();
        let terms = casedb::retention::Terms::default();
        let forget = async |now: Timestamp| {
            casedb::retention::run(&db, &terms, now, false, &mut |_| {})
                .await
                .unwrap();
        };
        forget(Timestamp::now()).await;
        assert_eq!(kept().await, named(&[("d3", 103), ("d6", 5)]));
        forget(now + 25.hours()).await;
        assert_eq!(kept().await, []);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
