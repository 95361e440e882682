//! With the case database: who is known, and that what was acknowledged is there.

use casedb::Database;
use stream::postgres::{self, PostgresLog};
use testkit::TestDatabase;
use uuid::Uuid;

use super::*;

const PARTITIONS: u32 = 4;

pub(super) async fn prepared() -> Option<(TestDatabase, Database, PersonId)> {
    let test = testkit::database().await.unwrap()?;
    casedb::migrate(&test.url, PARTITIONS).await.unwrap();
    postgres::migrate(&test.url, PARTITIONS).await.unwrap();
    let database = Database::connect(&test.url, 4).await.unwrap();
    let client = database.client().await.unwrap();
    let (agency, person) = (Uuid::now_v7(), PersonId::new(Uuid::now_v7()));
    let sql = "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ($1, 'a', 'Invented unit', 'police', 'UTC')";
    client.execute(sql, &[&agency]).await.unwrap();
    let sql = "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
        VALUES ($1, 'R-1', 'Invented Person', $2, $2, 'UTC')";
    client.execute(sql, &[&person.uuid(), &agency]).await.unwrap();
    let sql = "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
        VALUES ($1, $2, 'test', now() - interval '1 day', now() + interval '1 day')";
    client.execute(sql, &[&Uuid::now_v7(), &person.uuid()]).await.unwrap();
    Some((test, database, person))
}

pub(super) fn device(protocol: &str, identity: &str) -> casedb::device::Device {
    casedb::device::Device {
        device_id: DeviceId::from_name(identity),
        protocol: protocol.to_owned(),
        identity: identity.to_owned(),
        secret: Some(SECRET.to_vec()),
        model: "test".to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_device_is_refused_listed_registered_and_heard() {
    refused_listed_registered_and_heard(config()).await;
}

/// The same where sessions are not in the runtime that has the connections of database and stream.
#[tokio::test]
async fn a_device_is_refused_listed_registered_and_heard_in_a_thread_of_its_own() {
    let config = Config {
        file_tables: 2,
        ..config()
    };
    refused_listed_registered_and_heard(config).await;
}

async fn refused_listed_registered_and_heard(config: Config) {
    let Some((test, database, person)) = prepared().await else {
        return;
    };
    let log = PostgresLog::connect(
        &test.url,
        postgres::Config {
            partitions: PARTITIONS,
            ..Default::default()
        },
    );
    let log: Arc<dyn Log> = Arc::new(log.await.unwrap());
    let directory = Directory::follow(database.clone()).await;
    let handle = Gateway::start(config, Arc::clone(&log), directory.clone(), Some(database.clone()))
        .await
        .unwrap();

    let mut line = NativeLine::open(handle.native).await;
    let refused = line.log_in("HW-new", SECRET).await;
    assert!(matches!(refused, Body::Refusal(refusal) if refusal.reason == "wrong proof"));
    let mut terminal = Terminal::new("13900000009", Variant::V2019).unwrap();
    let mut stranger = Jt808Line::open(handle.jt808).await;
    let mut corrupt = terminal.location(&location()).to_vec();
    corrupt[20] ^= 0x01;
    stranger.send(&corrupt).await;
    stranger.send(&terminal.location(&location())).await;
    assert!(matches!(
        stranger.answer().await,
        Some(Answer::General { result: 1, .. })
    ));

    let client = database.client().await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let (devices, frames) = loop {
        let devices = casedb::quarantine::devices(&client, 10).await.unwrap();
        let frames = casedb::quarantine::frames(&client, 10).await.unwrap();
        if devices.len() == 2 && frames.len() == 1 {
            break (devices, frames);
        }
        assert!(tokio::time::Instant::now() < deadline, "{devices:?} {frames:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut identities: Vec<_> = devices.iter().map(|device| device.identity.as_str()).collect();
    identities.sort_unstable();
    assert_eq!(identities, ["13900000009", "HW-new"]);
    assert_eq!(frames[0].reason, "checksum");
    assert!(
        frames[0].detail.starts_with("checksum: expected 0x"),
        "{}",
        frames[0].detail
    );

    // Registered and put on a person: heard at once, and off the list.
    let now = Timestamp::now();
    for device in [device("native", "HW-new"), device("jt808", "00000000013900000009")] {
        casedb::device::register(&client, &device).await.unwrap();
        casedb::device::assign(&client, device.device_id, person, now)
            .await
            .unwrap();
    }
    assert_eq!(casedb::quarantine::devices(&client, 10).await.unwrap(), []);
    // A stranger is not asked for again within a second, unless the notification comes first.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    for (protocol, identity) in [(Protocol::Native, "HW-new"), (Protocol::Jt808, "13900000009")] {
        while !matches!(directory.find(protocol, identity).await, Found::Known(_)) {
            assert!(tokio::time::Instant::now() < deadline, "{identity} is not found");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-new", SECRET).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000009", Variant::V2019).await;
    line.send(&terminal.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 0,
            ..
        })
    ));
    let stored = reports(log.as_ref()).await;
    assert_eq!(stored.len(), 2);
    assert!(stored.iter().all(|report| report.person_id == person.to_wire()));

    // What the device said before it was this person's is acknowledged and forgotten.
    let old = Location {
        time: now - Duration::from_hours(1),
        ..location()
    };
    line.send(&terminal.batch(&[old], true)[0]).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0704,
            result: 0,
            ..
        })
    ));
    assert_eq!(reports(log.as_ref()).await.len(), 2);

    // Taken off the person: refused again.
    casedb::device::unassign(&client, DeviceId::from_name("HW-new"), Timestamp::now())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut line = NativeLine::open(handle.native).await;
    let refused = line.log_in("HW-new", SECRET).await;
    assert!(matches!(refused, Body::Refusal(refusal) if refusal.reason == "not assigned"));

    handle.drain(PATIENCE).await;
    let seen: i64 = client
        .query_one("SELECT count(*) FROM device_status", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(seen, 2, "last seen is written by the drain at the latest");
    log.close(PATIENCE).await;
    drop(client);
    test.drop_now().await.unwrap();
}

#[tokio::test]
async fn a_protected_persons_device_is_heard_with_their_consent_and_leaves_no_trace() {
    use casedb::protect::{self, Protected, Terms};
    let Some((test, database, person)) = prepared().await else {
        return;
    };
    let postgres = postgres::Config {
        partitions: PARTITIONS,
        ..Default::default()
    };
    let log: Arc<dyn Log> = Arc::new(PostgresLog::connect(&test.url, postgres).await.unwrap());
    let mut client = database.client().await.unwrap();
    let agency: Uuid = client
        .query_one("SELECT agency_id FROM agency", &[])
        .await
        .unwrap()
        .get(0);
    let someone = Protected {
        protected_id: PersonId::new(Uuid::now_v7()),
        reference: "P-1".to_owned(),
        display_name: String::new(),
        police_agency_id: agency,
        consent_at: Some(Timestamp::now()),
        withdrawn_at: None,
    };
    let terms = Terms {
        distance_m: 300.0,
        buffer_m: 0.0,
        schedule: None,
    };
    let tx = client.transaction().await.unwrap();
    protect::create(&tx, &someone).await.unwrap();
    casedb::device::register(&tx, &device("native", "HW-P")).await.unwrap();
    let id = DeviceId::from_name("HW-P");
    casedb::device::assign_protected(&tx, id, someone.protected_id, Timestamp::now())
        .await
        .unwrap();
    protect::bind(&tx, person, &someone, &terms, None).await.unwrap();
    tx.commit().await.unwrap();
    let directory = Directory::follow(database.clone()).await;
    let handle = Gateway::start(config(), Arc::clone(&log), directory.clone(), Some(database.clone()))
        .await
        .unwrap();
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-P", SECRET).await, Body::Welcome(_)));
    let mut bad = report(2);
    bad.position.as_mut().unwrap().latitude_e7 = 910_000_000;
    line.send(&native::client::reports(vec![report(1), bad])).await;
    assert!(matches!(line.answer().await, Some(Body::Acknowledgement(_))));
    let fixes = protected_fixes(log.as_ref()).await;
    assert_eq!(fixes.len(), 1);
    assert_eq!(fixes[0].person_id, person.to_wire());
    // What could not be read is counted, and kept without its bytes: they may say where the person is.
    let frames = async || {
        for _ in 0..100 {
            let found = casedb::quarantine::frames(&client, 10).await.unwrap();
            if !found.is_empty() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the bad frame is not listed")
    };
    let kept = &frames().await[0];
    assert_eq!(
        (kept.identity.as_str(), kept.raw_length, kept.raw.len()),
        ("HW-P", 0, 0)
    );
    assert_eq!(kept.detail, "");

    // The consent is taken back: the session goes on, and nothing more is told to anybody.
    protect::consent(&client, someone.protected_id, false, Timestamp::now())
        .await
        .unwrap();
    let rests = async || {
        for _ in 0..100 {
            let known = directory.get(Protocol::Native, "HW-P").unwrap();
            if known.protected.as_ref().unwrap().bound.is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the directory does not follow")
    };
    rests().await;
    line.send(&native::client::reports(vec![report(3)])).await;
    assert_eq!(line.acknowledged().await, 3);
    assert_eq!(protected_fixes(log.as_ref()).await.len(), 1);
    handle.drain(PATIENCE).await;
    drop((log, client, directory));
    test.drop_now().await.unwrap();
}

#[tokio::test]
async fn quarantine_is_bounded() {
    use casedb::quarantine::{self, SeenFrame};
    let Some((test, database, _)) = prepared().await else {
        return;
    };
    let client = database.client().await.unwrap();
    let frame = |identity: &str, n: usize| SeenFrame {
        protocol: "jt808",
        identity: identity.to_owned(),
        claimed: String::new(),
        reason: "checksum",
        detail: format!("number {n}\0"),
        raw: vec![0xa5; 5_000],
        raw_length: 5_000,
        received_at: Timestamp::now(),
        remote_address: "192.0.2.1:1".to_owned(),
    };
    for round in 0..3 {
        let frames: Vec<_> = (0..30)
            .map(|n| frame("loud", round * 30 + n))
            .chain([frame("quiet", round)])
            .collect();
        quarantine::record_frames(&client, &frames).await.unwrap();
    }
    let kept = quarantine::frames(&client, 1_000).await.unwrap();
    let loud: Vec<_> = kept.iter().filter(|frame| frame.identity == "loud").collect();
    assert_eq!((loud.len(), kept.len()), (20, 23), "the newest of each device");
    assert_eq!(
        (loud[0].detail.as_str(), loud[0].raw_length, loud[0].raw.len()),
        ("number 89", 5_000, 8_192)
    );
    drop(client);
    test.drop_now().await.unwrap();
}

#[tokio::test]
async fn known_devices_go_on_while_the_database_is_away() {
    let Some((test, database, person)) = prepared().await else {
        return;
    };
    let client = database.client().await.unwrap();
    casedb::device::register(&client, &device("native", "HW-2"))
        .await
        .unwrap();
    casedb::device::assign(&client, DeviceId::from_name("HW-2"), person, Timestamp::now())
        .await
        .unwrap();
    let directory = Directory::follow(database.clone()).await;
    assert_eq!(directory.len(), 1);
    let log = MemoryLog::new(4);
    let handle = Gateway::start(config(), Arc::new(log.clone()), directory, Some(database.clone()))
        .await
        .unwrap();
    drop(client);
    test.drop_now().await.unwrap();
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-2", SECRET).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    // Nobody can tell whether another is registered: it is told to come later, not that it is unknown.
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-3", SECRET).await, Body::Refusal(refusal) if refusal.reason == "try again later"));
}
