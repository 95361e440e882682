//! What the case database says to the stream: rules, the outbox relay, ticks.

use std::{sync::Arc, time::Duration};

use casedb::{
    Database, Notice, order, outbox,
    rules::{self, Settings},
    ticker,
    zone::{self, Audience, Schedule, Shape, Zone, ZoneKind},
};
use jiff::{Timestamp, ToSpan};
use prost::Message;
use proto::{LayerId, PersonId, Topic, ZoneId, topic::partition_of, wire};
use serde_json::json;
use stream::{Log, Record, memory::MemoryLog};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{PARTITIONS, add_order, add_person, migrated};

async fn records(log: &MemoryLog) -> Vec<Record> {
    let mut all = Vec::new();
    for partition in 0..PARTITIONS {
        let end = log.bounds(Topic::Reports, partition).await.unwrap().end;
        let mut reader = log.read(Topic::Reports, vec![(partition, 0)]).await.unwrap();
        let mut got = 0;
        while got < end {
            let records = reader.next(1_000).await.unwrap();
            got += records.len() as u64;
            all.extend(records);
        }
    }
    all
}

async fn until_outbox_is_empty(db: &Database) {
    for _ in 0..400 {
        let sql = "SELECT count(*) FROM outbox WHERE refused_at IS NULL";
        if db
            .client()
            .await
            .unwrap()
            .query_one(sql, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 0
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the outbox does not get empty");
}

fn body(record: &Record) -> wire::report_record::Body {
    wire::ReportRecord::decode(record.payload.clone())
        .unwrap()
        .body
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_rules_hold_all_that_applies() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let person = add_person(&db, "anna").await.person_id;
        let mut client = db.client().await.unwrap();
        let mut directory = db.listen(&[rules::DIRECTORY_CHANNEL]).await.unwrap();

        // No legal basis: nothing about the person but that.
        let tx = client.transaction().await.unwrap();
        assert_eq!(rules::publish(&tx, person, now).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let inactive = rules::published(&client, person).await.unwrap().unwrap();
        assert!(!inactive.active && inactive.zones.is_empty() && inactive.order_id.is_empty());
        let channel = rules::DIRECTORY_CHANNEL.to_owned();
        assert_eq!(
            directory.recv().await,
            Some(Notice::Notification {
                channel,
                payload: person.to_string()
            })
        );

        let order = add_order(&db, person, now).await;
        let home = Zone {
            zone_id: ZoneId::new(Uuid::now_v7()),
            label: "home".to_owned(),
            kind: ZoneKind::Inclusion,
            audience: Audience::Both,
        };
        let shape = Shape {
            geometry: json!({"type": "Point", "coordinates": [10.5, 59.9]}),
            radius_m: Some(80.0),
            buffer_m: 0.0,
            datum: proto::rules::Datum::Wgs84,
        };
        let schedule =
            Schedule::from_json(json!({"weekly": [{"weekday": 7, "start": "21:00", "end": "06:00"}]})).unwrap();
        let layer = LayerId::new(Uuid::now_v7());
        let settings = Settings {
            silence_after_s: 300,
            ..Settings::default()
        };
        let tx = client.transaction().await.unwrap();
        zone::create(&tx, &home).await.unwrap();
        assert_eq!(zone::revise(&tx, home.zone_id, &shape, None).await.unwrap(), 1);
        let wider = Shape {
            radius_m: Some(120.0),
            ..shape.clone()
        };
        assert_eq!(zone::revise(&tx, home.zone_id, &wider, None).await.unwrap(), 2);
        zone::attach(&tx, person, home.zone_id, Some(&schedule), false)
            .await
            .unwrap();
        zone::create_layer(&tx, layer, "schools").await.unwrap();
        assert_eq!(zone::publish_layer(&tx, layer, vec![]).await.unwrap(), 1);
        zone::attach_layer(&tx, person, layer).await.unwrap();
        rules::set_settings(&tx, person, &settings).await.unwrap();
        assert_eq!(rules::publish(&tx, person, now).await.unwrap(), 2);
        tx.commit().await.unwrap();

        let published = rules::published(&client, person).await.unwrap().unwrap();
        assert!(published.active);
        assert_eq!(published.order_id, order.order_id.to_wire());
        assert_eq!((published.revision, published.silence_after_s), (2, 300));
        assert_eq!(published.valid_until_us, Some(order.ends_at.as_microsecond()));
        assert_eq!(published.time_zone, "Europe/Oslo");
        assert_eq!(published.layer_ids, [layer.to_wire()]);
        let [zone] = &published.zones[..] else {
            panic!("{:?}", published.zones)
        };
        assert_eq!((zone.revision, zone.kind()), (2, wire::ZoneKind::Inclusion));
        assert_eq!(zone.schedule.as_ref().unwrap().weekly[0].start_s, 21 * 3_600);
        let circle = wire::geometry::Shape::Circle(wire::Circle {
            longitude: 10.5,
            latitude: 59.9,
            radius_m: 120.0,
        });
        assert_eq!(zone.geometry.as_ref().unwrap().shape, Some(circle));
        assert_eq!(zone::people_with(&client, home.zone_id).await.unwrap(), [person]);
        let content = zone::layer_content(&client, layer, 1).await.unwrap();
        assert_eq!(wire::Layer::decode(content.as_slice()).unwrap().revision, 1);

        // A wrong shape is refused with its place, and nothing is left of it.
        let wrong = Shape {
            geometry: json!({"type": "Point", "coordinates": [590, 0]}),
            ..shape
        };
        let error = zone::revise(&client, home.zone_id, &wrong, None)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("longitude 590"), "{error}");

        // The relay brings it all to the stream: rules to the person's partition, the marker to every one.
        let log = MemoryLog::new(PARTITIONS);
        let shutdown = CancellationToken::new();
        let relay = tokio::spawn(outbox::run(db.clone(), Arc::new(log.clone()), shutdown.clone()));
        until_outbox_is_empty(&db).await;
        let all = records(&log).await;
        let mut markers = 0;
        let mut revisions = Vec::new();
        for record in &all {
            match body(record) {
                wire::report_record::Body::Layer(marker) => {
                    markers += 1;
                    assert_eq!(marker.content_hash.len(), 32);
                }
                wire::report_record::Body::Rules(rules) => {
                    assert_eq!(record.partition, partition_of(person, PARTITIONS));
                    assert_eq!(record.key, person.to_wire());
                    revisions.push(rules.revision);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((markers, revisions), (PARTITIONS, vec![1, 2]));
        shutdown.cancel();
        relay.await.unwrap().unwrap();
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_follow_the_beginning_and_the_end_of_an_order() {
    for (test, db) in migrated().await {
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        let person = add_person(&db, "bruno").await.person_id;
        let order = add_order(&db, person, now).await;
        let client = db.client().await.unwrap();
        let state = async || {
            rules::published(&client, person)
                .await
                .unwrap()
                .map(|rules| (rules.revision, rules.active))
        };
        assert_eq!(rules::sweep(&db, now - 2.hours()).await.unwrap(), [], "not begun");
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [person]);
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [], "once");
        assert_eq!(state().await, Some((1, true)));
        assert_eq!(rules::sweep(&db, order.ends_at).await.unwrap(), [person]);
        assert_eq!(state().await, Some((2, false)));
        rules::sweep(&db, now).await.unwrap();
        order::revoke(&client, order.order_id, now + 5.minutes()).await.unwrap();
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [person], "the end moved");
        assert_eq!(state().await, Some((4, true)));
        assert_eq!(rules::sweep(&db, now + 5.minutes()).await.unwrap(), [person]);
        assert_eq!(state().await, Some((5, false)));
        assert_eq!(order::in_force(&client, person, now + 5.minutes()).await.unwrap(), None);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_relay_skips_no_row_that_commits_late() {
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        let shutdown = CancellationToken::new();
        let relays: Vec<_> = (0..2)
            .map(|_| tokio::spawn(outbox::run(db.clone(), Arc::new(log.clone()), shutdown.clone())))
            .collect();
        let insert = "INSERT INTO outbox (person_id, payload) VALUES ($1, $2)";
        let person = PersonId::from_name("late").uuid();
        let tick = |number: u64| {
            let body = wire::report_record::Body::Tick(wire::Tick { number });
            wire::ReportRecord { body: Some(body) }.encode_to_vec()
        };
        let mut slow = db.client().await.unwrap();
        let transaction = slow.transaction().await.unwrap();
        transaction.execute(insert, &[&person, &tick(0)]).await.unwrap();
        let client = db.client().await.unwrap();
        for number in 1..50 {
            client.execute(insert, &[&person, &tick(number)]).await.unwrap();
        }
        until_outbox_is_empty(&db).await;
        let too_large = vec![0_u8; stream::MAX_RECORD_BYTES + 1];
        client.execute(insert, &[&person, &too_large]).await.unwrap();
        transaction.commit().await.unwrap();
        client.batch_execute("NOTIFY homeward_outbox").await.unwrap();
        until_outbox_is_empty(&db).await;
        let numbers: Vec<u64> = records(&log)
            .await
            .iter()
            .map(|record| match body(record) {
                wire::report_record::Body::Tick(tick) => tick.number,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected: Vec<u64> = (1..50).chain([0]).collect();
        assert_eq!(numbers, expected, "by number as they became visible, the late one last");
        let refused: i64 = client
            .query_one("SELECT count(*) FROM outbox WHERE refusal LIKE '%exceeds%'", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(refused, 1, "kept for the operator, in nobody's way");
        shutdown.cancel();
        for relay in relays {
            relay.await.unwrap().unwrap();
        }
        drop((slow, client));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_ticker_ticks_and_another_takes_over() {
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        let every = Duration::from_millis(100);
        let stop = [CancellationToken::new(), CancellationToken::new()];
        let run = |stop: &CancellationToken| {
            tokio::spawn(ticker::run(db.clone(), Arc::new(log.clone()), every, stop.clone()))
        };
        let (first, second) = (run(&stop[0]), run(&stop[1]));
        let ticks = async |partition| log.bounds(Topic::Reports, partition).await.unwrap().end;
        let until = async |count| {
            for _ in 0..400 {
                if ticks(3).await >= count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            panic!("no {count} ticks in 20 s");
        };
        until(1).await;
        let began = ticks(0).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let end = ticks(0).await;
        assert!(
            end - began <= 17,
            "{} ticks in 1.5 s at 100 ms: one ticker",
            end - began
        );
        stop[0].cancel();
        first.await.unwrap().unwrap();
        until(end + 8).await;
        // The lock dies with its connection too.
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'homeward ticker'";
        db.client().await.unwrap().execute(kill, &[]).await.unwrap();
        let later = ticks(3).await;
        until(later + 8).await;
        stop[1].cancel();
        second.await.unwrap().unwrap();
        test.drop_now().await.unwrap();
    }
}
