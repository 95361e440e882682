//! When states of the chain are signed: at the beginning, at intervals, at the end of the process; and what the anchor file gets.

use std::time::Duration;

use casedb::{
    Database,
    audit::{
        key::Key,
        root, sealer,
        verify::{self, Trust},
    },
};
use tokio_util::sync::CancellationToken;

use crate::support::{add_person, migrated};

/// Waits until as many roots are there, at most half a minute; returns how many there are.
async fn roots(db: &Database, wanted: usize) -> usize {
    let client = db.client().await.unwrap();
    let mut found = 0;
    for _ in 0..300 {
        found = root::all(&client).await.unwrap().len();
        if found >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    found
}

/// True when nothing waits to be chained.
async fn chained(db: &Database) {
    let client = db.client().await.unwrap();
    for _ in 0..300 {
        let waiting: i64 = client
            .query_one("SELECT count(*) FROM audit_pending", &[])
            .await
            .unwrap()
            .get(0);
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("entries wait to be chained");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roots_are_signed_at_the_beginning_at_intervals_and_at_the_end() {
    for (test, db) in migrated().await {
        let folder = std::env::temp_dir().join(format!("homeward-sealing-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let anchor = folder.join("anchors.jsonl");
        let key = Key::from_secret([5; 32]);
        let config = |root_every| sealer::Config {
            key: Some(key.clone()),
            root_every,
            anchor_file: Some(anchor.clone()),
        };
        let start = |root_every| {
            let shutdown = CancellationToken::new();
            let sealer = tokio::spawn(sealer::run(db.clone(), config(root_every), shutdown.clone()));
            (sealer, shutdown)
        };
        add_person(&db, "first").await;

        // An hour between roots: one at once, none for what comes in that hour, one when the process ends.
        let (sealer, shutdown) = start(Duration::from_hours(1));
        assert_eq!(roots(&db, 1).await, 1);
        add_person(&db, "second").await;
        chained(&db).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(roots(&db, 1).await, 1, "the hour is not over");
        shutdown.cancel();
        sealer.await.unwrap().unwrap();
        assert_eq!(roots(&db, 2).await, 2, "signed at the end");
        let client = db.client().await.unwrap();
        let signed_through = async || root::last(&client).await.unwrap().unwrap().through_id;
        let end: i64 = client
            .query_one("SELECT entry_id FROM audit_head", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(signed_through().await, end, "through the last entry");

        // Two seconds between roots: the first at once, as the end of the last run is new; then no sooner than that.
        let (sealer, shutdown) = start(Duration::from_secs(2));
        add_person(&db, "third").await;
        assert!(roots(&db, 5).await >= 5);
        let times: Vec<i64> = root::all(&client).await.unwrap()[2..5]
            .iter()
            .map(|root| root.at_us)
            .collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1_900_000), "{times:?}");
        assert!(signed_through().await > end);
        shutdown.cancel();
        sealer.await.unwrap().unwrap();

        // The file has every root, in order and as signed; a chain that was cut together with its roots is found by it.
        let all = root::all(&client).await.unwrap();
        assert_eq!(root::anchors(&anchor).unwrap(), all);
        assert!(all.iter().all(root::Root::is_signed));
        let trust = Trust {
            key: Some(key.public()),
            anchors: root::anchors(&anchor).unwrap(),
        };
        let sound = verify::database(&db, &trust, &mut |_| {}).await.unwrap();
        assert!(sound.faults.is_empty(), "{:?}", sound.faults);
        let mut other = trust.anchors.clone();
        other[0].hash[0] ^= 1;
        let forged = Trust {
            anchors: other,
            ..trust
        };
        let report = verify::database(&db, &forged, &mut |_| {}).await.unwrap();
        assert!(!report.faults.is_empty());
        drop(client);
        std::fs::remove_dir_all(&folder).unwrap();
        test.drop_now().await.unwrap();
    }
}
