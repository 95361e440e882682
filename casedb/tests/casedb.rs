//! The case database on every edition of PostgreSQL that the test machine has.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests are test code")]

use homeward_casedb as casedb;

use casedb::{Chunks, Database};
use testkit::TestDatabase;

/// Migrated databases, one of each edition.
async fn migrated() -> Vec<(TestDatabase, Database)> {
    let mut all = Vec::new();
    for test in testkit::databases().await.unwrap() {
        casedb::migrate(&test.url, 4).await.unwrap();
        let db = Database::connect(&test.url, 8).await.unwrap();
        all.push((test, db));
    }
    all
}

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
