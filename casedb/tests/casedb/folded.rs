//! History gives back what was folded: every record of a person, copies and bad clocks among them, in the log's order.

use std::{sync::Arc, time::Duration};

use casedb::history::{
    HistoryWriter,
    folded::{self, Body, Folded, Part, Reader},
};
use futures::TryStreamExt;
use jiff::{Timestamp, ToSpan};
use prost::Message;
use proto::{DeviceId, LayerId, PersonId, ReportId, Topic, topic::partition_of, wire};
use stream::{Log, NewRecord, memory::MemoryLog};
use tokio_util::sync::CancellationToken;

use crate::support::{PARTITIONS, add_person, migrated};

fn record(person: PersonId, body: wire::report_record::Body) -> NewRecord {
    NewRecord {
        partition: partition_of(person, PARTITIONS),
        key: person.to_wire().into(),
        payload: wire::ReportRecord { body: Some(body) }.encode_to_vec().into(),
    }
}

/// A report with every field different from report to report.
fn report(person: PersonId, n: u32, now: Timestamp) -> wire::Report {
    let device = DeviceId::from_name(&format!("d{}", n % 2));
    let signed = i32::try_from(n).unwrap();
    let position = wire::Position {
        latitude_e7: 301_234_567 - 7_919 * signed,
        longitude_e7: -1_201_234_567 + 104_729 * signed,
        valid: !n.is_multiple_of(5),
        source: signed % 5,
        accuracy_m: (!n.is_multiple_of(3)).then_some(n as f32 / 7.0),
        altitude_m: (!n.is_multiple_of(4)).then_some(-3.25),
        speed_kmh: (!n.is_multiple_of(2)).then_some(0.1),
        course_deg: (!n.is_multiple_of(6)).then_some(359.9),
        satellites: (n % 3 != 1).then_some(n),
        hdop: (!n.is_multiple_of(7)).then_some(0.7),
    };
    wire::Report {
        report_id: ReportId::derive(device, &n.to_le_bytes()).to_wire(),
        person_id: person.to_wire(),
        device_id: device.to_wire(),
        protocol: signed % 6,
        sequence: u64::MAX - u64::from(n),
        fix_time_us: now.as_microsecond() - 86_400_000_000 + 13 * i64::from(n),
        received_at_us: now.as_microsecond() + i64::from(n),
        backfill: n.is_multiple_of(2),
        position: (!n.is_multiple_of(8)).then_some(position),
        battery_percent: (!n.is_multiple_of(3)).then_some(n % 101),
        strap: signed % 3,
        case: (signed + 1) % 3,
        motion: (signed + 2) % 3,
        alarms: (1..13).filter(|alarm| (signed >> (alarm % 4)) & 1 == 1).collect(),
        charging: [None, Some(false), Some(true)][(n % 3) as usize],
        serving_cell: None,
        alarm_scope: signed % 3,
    }
}

fn rules(person: PersonId, revision: u64) -> wire::Rules {
    wire::Rules {
        person_id: person.to_wire(),
        revision,
        active: true,
        time_zone: "Europe/Oslo".to_owned(),
        silence_after_s: 60 + u32::try_from(revision).unwrap(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_folded_is_read_back_in_the_order_of_the_log() {
    use wire::report_record::Body as Sent;
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        let now = Timestamp::now();
        let person = add_person(&db, "read").await.person_id;
        let other = PersonId::from_name("somebody else");
        let client = testkit::connect(&test.url).await.unwrap();
        for supervised in [person, other] {
            testkit::supervise(&client, supervised.uuid()).await.unwrap();
        }
        let marker = wire::LayerMarker {
            layer_id: LayerId::from_name("schools").to_wire(),
            revision: 3,
            content_hash: vec![9; 32],
        };
        let mut ahead = report(person, 500, now);
        ahead.fix_time_us = (now + 3.minutes()).as_microsecond();
        let mut rolled = report(person, 501, now);
        rolled.fix_time_us = now.as_microsecond() - 1_024 * 7 * 86_400_000_000;
        let copy = wire::Report {
            received_at_us: now.as_microsecond() + 60_000_000,
            ..report(person, 4, now)
        };
        let rolled_copy = wire::Report {
            received_at_us: now.as_microsecond() + 61_000_000,
            ..rolled.clone()
        };
        let mut sent = vec![Sent::Rules(rules(person, 1))];
        sent.extend((0..90).map(|n| Sent::Report(report(person, n, now))));
        sent.extend([
            Sent::Layer(marker),
            Sent::Report(ahead),
            Sent::Report(copy),
            Sent::Report(rolled),
            Sent::Rules(rules(person, 2)),
            Sent::Report(rolled_copy),
            Sent::Report(report(person, 7, now)),
            Sent::Report(report(person, 91, now)),
        ]);
        let (writer, shutdown) = {
            let shutdown = CancellationToken::new();
            let run = HistoryWriter::run(db.clone(), Arc::new(log.clone()), shutdown.clone());
            (tokio::spawn(run), shutdown)
        };
        let mut expected = Vec::new();
        // In pieces, so that copies lie in the same transaction as their first and in later ones.
        for piece in sent.chunks(30) {
            let records = piece.iter().cloned().map(|body| record(person, body));
            let between = record(other, Sent::Report(report(other, 3, now)));
            log.append(Topic::Reports, records.chain([between]).collect())
                .await
                .unwrap();
            expected.extend(piece.iter().cloned());
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
        // The same revision again, as after a crash of the relay: the engine passes over it, and so does history.
        log.append(Topic::Reports, vec![record(person, Sent::Rules(rules(person, 2)))])
            .await
            .unwrap();

        let reader = Reader::open(&db, PARTITIONS).await.unwrap();
        let mut found: Vec<Folded> = Vec::new();
        for _ in 0..1_200 {
            found = reader
                .records(person, Part::All)
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            if found.len() >= expected.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        assert_eq!(found.len(), expected.len(), "{}", test.edition);
        assert!(found.is_sorted_by_key(|record| record.at) && found.iter().all(|record| record.exact));
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let same = match (&found.body, expected) {
                (Body::Report(found), Sent::Report(expected)) => **found == *expected,
                (Body::Rules(found), Sent::Rules(expected)) => **found == *expected,
                (Body::Layer(found), Sent::Layer(expected)) => found == expected,
                _ => false,
            };
            assert!(same, "{}: record {index}: {found:?} is not {expected:?}", test.edition);
        }
        let clock = reader.clock(person).await.unwrap();
        assert!(clock >= found.last().map(|record| record.at));

        let from = now - 24.hours() + 130.microseconds();
        let part: Vec<Folded> = reader
            .records(person, Part::FixesBetween(from, from + 65.microseconds()))
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        let reports = part.iter().filter(|record| matches!(record.body, Body::Report(_)));
        assert_eq!(reports.count(), 5, "fixes 10 to 14; the quarantined came later");

        let client = db.client().await.unwrap();
        assert_eq!(folded::people(&client, None, 10).await.unwrap(), [person]);
        assert_eq!(folded::people(&client, Some(person), 10).await.unwrap(), []);
        let reports = casedb::quarantine::reports(&client, now - 1.hour(), 10).await.unwrap();
        let reports: Vec<_> = reports.iter().map(|row| (row.reason.as_str(), row.reports)).collect();
        assert_eq!(reports.len(), 2, "{reports:?}");
        assert!(reports.contains(&("week_rollover", 1)) && reports.contains(&("clock_ahead", 1)));

        casedb::history::drop_before(&client, now + 240.hours()).await.unwrap();
        let left: i64 = client
            .query_one(
                "SELECT (SELECT count(*) FROM report_copy) + (SELECT count(*) FROM quarantined_copy)",
                &[],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(left, 0, "copies go with history");
        drop(client);
        drop(reader);
        test.drop_now().await.unwrap();
    }
}
