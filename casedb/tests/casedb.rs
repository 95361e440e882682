//! The case database on every edition of PostgreSQL that the test machine has.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are test code"
)]

extern crate homeward_casedb as casedb;

#[path = "casedb/access.rs"]
mod access;
#[path = "casedb/access_rows.rs"]
mod access_rows;
#[path = "casedb/audit.rs"]
mod audit;
#[path = "casedb/capacity.rs"]
mod capacity;
#[path = "casedb/causes.rs"]
mod causes;
#[path = "casedb/commands.rs"]
mod commands;
#[path = "casedb/devices.rs"]
mod devices;
#[path = "casedb/evidence.rs"]
mod evidence;
#[path = "casedb/exchange.rs"]
mod exchange;
#[path = "casedb/folded.rs"]
mod folded;
#[path = "casedb/frames.rs"]
mod frames;
#[path = "casedb/history.rs"]
mod history;
#[path = "casedb/incident_law.rs"]
mod incident_law;
#[path = "casedb/incidents.rs"]
mod incidents;
#[path = "casedb/law.rs"]
mod law;
#[path = "casedb/opened.rs"]
mod opened;
#[path = "casedb/orders.rs"]
mod orders;
#[path = "casedb/people.rs"]
mod people;
#[path = "casedb/plain.rs"]
mod plain;
#[path = "casedb/protected.rs"]
mod protected;
#[path = "casedb/publish.rs"]
mod publish;
#[path = "casedb/retention.rs"]
mod retention;
#[path = "casedb/rollup.rs"]
mod rollup;
#[path = "casedb/sealing.rs"]
mod sealing;
#[path = "casedb/support.rs"]
mod support;
#[path = "casedb/unreadable.rs"]
mod unreadable;
#[path = "casedb/upgrade.rs"]
mod upgrade;
#[path = "casedb/wide.rs"]
mod wide;
#[path = "casedb/written.rs"]
mod written;
#[path = "casedb/zones.rs"]
mod zones;

use casedb::{Chunks, Database, Notice};
use jiff::{Timestamp, ToSpan};
use support::migrated;

#[tokio::test]
async fn migrations_run_twice_and_at_once() {
    for test in testkit::databases().await.unwrap() {
        let (one, two) = tokio::join!(casedb::migrate(&test.url, 4), casedb::migrate(&test.url, 4));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert!(
            one.applied.is_empty() != two.applied.is_empty(),
            "one works, the other finds nothing to do"
        );
        let third = casedb::migrate(&test.url, 4).await.unwrap();
        assert!(third.applied.is_empty());
        let expected = if test.edition == "plain" {
            Chunks::Native
        } else {
            Chunks::TimescaleApache
        };
        assert_eq!(third.edition.chunks, expected, "{}", third.edition);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn offsets_move_by_compare_and_set() {
    for (test, db) in migrated().await {
        let mut client = db.client().await.unwrap();
        let topic = proto::Topic::Reports;
        assert_eq!(casedb::offset::load(&client, "r", topic, 3).await.unwrap(), 0);
        let tx = client.transaction().await.unwrap();
        casedb::offset::advance(&tx, "r", topic, 3, 0, 7).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(casedb::offset::load(&client, "r", topic, 3).await.unwrap(), 7);
        let tx = client.transaction().await.unwrap();
        let fenced = casedb::offset::advance(&tx, "r", topic, 3, 0, 9).await.unwrap_err();
        assert_eq!(fenced.class(), casedb::Class::Abort);
        drop(tx);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn errors_name_the_constraint_and_have_a_class() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let error = client
            .execute(
                "INSERT INTO reader_offset (reader, topic, partition) VALUES (NULL, 't', 0)",
                &[],
            )
            .await;
        let error = casedb::Error::from(error.unwrap_err());
        assert_eq!(
            (error.class(), error.constraint()),
            (casedb::Class::Input, Some("reader")),
            "{error}"
        );
        drop(client);
        let url = test.url.clone();
        test.drop_now().await.unwrap();
        let gone = Database::connect(&url, 1).await.unwrap_err();
        assert_eq!(gone.class(), casedb::Class::Fatal, "{gone}");
        let refused = Database::connect("postgres://u@127.0.0.1:1/x", 1).await.unwrap_err();
        assert_eq!(refused.class(), casedb::Class::Retry, "{refused}");
    }
}

#[tokio::test]
async fn a_checkpoint_belongs_to_its_newest_claim() {
    for (test, db) in migrated().await {
        let mut client = db.client().await.unwrap();
        let save = |next_offset, state| casedb::checkpoint::Save {
            next_offset,
            state,
            piece: None,
            clock_us: 1_000,
            keep_from_us: 0,
        };
        let first = casedb::checkpoint::claim(&client, 2, "one").await.unwrap();
        assert_eq!((first.epoch, first.next_offset, first.state), (1, 0, None));
        casedb::checkpoint::save(&mut client, 2, first.epoch, save(40, b"forty"))
            .await
            .unwrap();
        let second = casedb::checkpoint::claim(&client, 2, "two").await.unwrap();
        assert_eq!(
            (second.epoch, second.next_offset, second.state.as_deref()),
            (2, 40, Some(&b"forty"[..]))
        );
        let zombie = casedb::checkpoint::save(&mut client, 2, first.epoch, save(50, b"fifty"))
            .await
            .unwrap_err();
        assert_eq!(zombie.class(), casedb::Class::Abort);
        assert_eq!(
            zombie.to_string(),
            "fenced: partition 2 belongs to two now, epoch 1 is over"
        );
        casedb::checkpoint::save(&mut client, 2, second.epoch, save(45, b"fortyfive"))
            .await
            .unwrap();
        // Pieces of the journal come back in order; those of other partitions and old ones do not.
        for (partition, clock_us, piece) in [(2, 2_000, b"a"), (3, 2_000, b"x"), (2, 3_000, b"b"), (2, 4_000, b"c")] {
            let claim = casedb::checkpoint::claim(&client, partition, "three").await.unwrap();
            let save = casedb::checkpoint::Save {
                piece: Some(piece),
                clock_us,
                keep_from_us: clock_us - 1_500,
                ..save(46, b"more")
            };
            casedb::checkpoint::save(&mut client, partition, claim.epoch, save)
                .await
                .unwrap();
        }
        let fourth = casedb::checkpoint::claim(&client, 2, "four").await.unwrap();
        assert_eq!(fourth.pieces, [b"b", b"c"]);
        casedb::checkpoint::forget_pieces(&client, 2).await.unwrap();
        let fifth = casedb::checkpoint::claim(&client, 2, "five").await.unwrap();
        assert!(fifth.pieces.is_empty());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_listener_restores_its_connection_and_says_so() {
    for (test, db) in migrated().await {
        let mut listener = db.listen(&["homeward_test"]).await.unwrap();
        let client = db.client().await.unwrap();
        client.batch_execute("NOTIFY homeward_test, 'one'").await.unwrap();
        let note = |payload: &str| {
            Some(Notice::Notification {
                channel: "homeward_test".to_owned(),
                payload: payload.to_owned(),
            })
        };
        assert_eq!(listener.recv().await, note("one"));
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'homeward listener'";
        client.batch_execute(kill).await.unwrap();
        assert_eq!(listener.recv().await, Some(Notice::Lost));
        assert_eq!(listener.recv().await, Some(Notice::Resumed));
        client.batch_execute("NOTIFY homeward_test, 'two'").await.unwrap();
        assert_eq!(listener.recv().await, note("two"));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn days_are_made_ahead_and_dropped() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let now = Timestamp::now();
        let made = casedb::history::maintain(&client, now).await.unwrap();
        assert_eq!(made > 0, test.edition == "plain");
        assert_eq!(casedb::history::maintain(&client, now).await.unwrap(), 0, "made once");
        let insert = r#"INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence,
                valid, source, strap, "case", motion, alarms, backfill)
            SELECT gen_random_uuid(), at, gen_random_uuid(), gen_random_uuid(), at, at, 0, false, 0, 0, 0, 0, 0, false
            FROM unnest(ARRAY[now(), now() - interval '3 days', now() - interval '300 days']) AS at"#;
        client.batch_execute(insert).await.unwrap();
        let before = now - 48.hours();
        assert!(casedb::history::drop_before(&client, before).await.unwrap() > 0);
        let left: i64 = client
            .query_one("SELECT count(*) FROM position", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(left, 1, "{}", test.edition);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
