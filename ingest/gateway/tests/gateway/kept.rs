//! What is kept of what cannot be read, and what strangers can do to it.

use casedb::Database;
use codec::teltonika::terminal::{Location as TrackerLocation, Terminal as Tracker};
use homeward_gateway::Transport;
use testkit::TestDatabase;
use tokio::net::UdpSocket;

use super::*;

const IMEI: &str = "490154203237518";

async fn prepared() -> Option<(TestDatabase, Database)> {
    let test = testkit::database().await.unwrap()?;
    casedb::migrate(&test.url, 4).await.unwrap();
    let database = Database::connect(&test.url, 4).await.unwrap();
    Some((test, database))
}

fn everywhere() -> Config {
    Config {
        teltonika_udp_listen: Some("127.0.0.1:0".parse().unwrap()),
        ..config()
    }
}

async fn start_with(directory: Directory, database: &Database) -> Handle {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(4));
    Gateway::start(everywhere(), log, directory, Some(database.clone()))
        .await
        .unwrap()
}

/// Bytes of a terminal's position that came with an error.
fn corrupt(terminal: &mut Terminal) -> Vec<u8> {
    let mut wire = terminal.location(&location()).to_vec();
    let checksum = wire.len() - 2;
    wire[checksum] = if wire[checksum] == 0x30 { 0x31 } else { 0x30 };
    wire
}

#[tokio::test]
async fn what_a_protected_persons_device_sends_first_is_not_kept_when_it_cannot_be_read() {
    let Some((_test, database)) = prepared().await else {
        return;
    };
    let handle = start_with(directory(), &database).await;
    for phone in ["13900000003", "13900000002"] {
        let mut line = Jt808Line::open(handle.jt808).await;
        let mut terminal = Terminal::new(phone, Variant::V2013).unwrap();
        line.send(&corrupt(&mut terminal)).await;
        line.send(&terminal.location(&location())).await;
        assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
    }
    // A drain waits until it is written.
    handle.drain(PATIENCE).await;
    let client = database.client().await.unwrap();
    let frames = casedb::quarantine::frames(&client, 10).await.unwrap();
    let mut kept: Vec<_> = frames.iter().map(|frame| frame.raw.is_empty()).collect();
    kept.sort_unstable();
    assert_eq!(kept, [false, true], "another's is kept");
    assert!(frames.iter().all(|frame| frame.reason == "checksum"));
    // Its wrong check byte proves nothing: whose it says it is stands beside, so that it is for those who see that wearer.
    let claims = "SELECT identity, claimed FROM quarantined_frame ORDER BY claimed";
    let claims = client.query(claims, &[]).await.unwrap();
    let claims: Vec<(String, String)> = claims.iter().map(|row| (row.get(0), row.get(1))).collect();
    let claimed = |identity: &str| (String::new(), identity.to_owned());
    assert_eq!(claims, [claimed("13900000002"), claimed("13900000003")]);
}

#[tokio::test]
async fn a_second_device_of_a_protected_person_is_told() {
    let Some((_test, database)) = prepared().await else {
        return;
    };
    let registered = casedb::device::Device {
        device_id: protected("T-3", None, &[]).device_id,
        protocol: "jt808".to_owned(),
        identity: "13900000003".to_owned(),
        ..casedb::device::Device::default()
    };
    casedb::device::register(&database.client().await.unwrap(), &registered)
        .await
        .unwrap();
    let handle = start_with(directory(), &database).await;
    let mut terminals = [0, 1].map(|_| Terminal::new("13900000003", Variant::V2013).unwrap());
    let mut lines = [Jt808Line::open(handle.jt808).await, Jt808Line::open(handle.jt808).await];
    for n in 0..4 {
        for (at, (line, terminal)) in lines.iter_mut().zip(&mut terminals).enumerate() {
            let spoken = Location {
                latitude: 30.25 + if at == 0 { 0.0 } else { 8.0 } + f64::from(n) * 1e-4,
                ..location()
            };
            line.send(&terminal.location(&spoken)).await;
            assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
        }
    }
    handle.drain(PATIENCE).await;
    let client = database.client().await.unwrap();
    let listed = casedb::quarantine::devices(&client, 10).await.unwrap();
    let listed: Vec<_> = listed
        .iter()
        .map(|one| (one.identity.as_str(), one.reason.as_str()))
        .collect();
    assert_eq!(listed, [("13900000003", "cloned")]);
    // What the police are told by: see casedb::protect::cloned.
    let marked = "SELECT count(*) FROM device_status WHERE cloned_at <= last_seen_at";
    let marked: i64 = client.query_one(marked, &[]).await.unwrap().get(0);
    assert_eq!(marked, 1);
    assert_eq!(casedb::quarantine::frames(&client, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_cannot_be_read_waits_for_the_database() {
    let Some((_test, database)) = prepared().await else {
        return;
    };
    let handle = start_with(directory(), &database).await;
    let client = database.client().await.unwrap();
    client
        .execute("ALTER TABLE quarantined_frame RENAME TO elsewhere", &[])
        .await
        .unwrap();
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000002", Variant::V2013).await;
    for _ in 0..3 {
        line.send(&corrupt(&mut terminal)).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    client
        .execute("ALTER TABLE elsewhere RENAME TO quarantined_frame", &[])
        .await
        .unwrap();
    handle.drain(PATIENCE).await;
    let frames = casedb::quarantine::frames(&client, 10).await.unwrap();
    assert_eq!(frames.len(), 3);
}

#[tokio::test]
async fn datagrams_of_strangers_leave_devices_their_room() {
    let Some((test, database)) = prepared().await else {
        return;
    };
    let client = database.client().await.unwrap();
    let device = casedb::device::Device {
        device_id: DeviceId::from_name(IMEI),
        protocol: "teltonika".to_owned(),
        identity: IMEI.to_owned(),
        model: "test".to_owned(),
        ..Default::default()
    };
    casedb::device::register(&client, &device).await.unwrap();
    // Nobody wears it: what it says without a report is answered.
    let directory = Directory::follow(database.clone()).await;
    let handle = start_with(directory, &database).await;
    let address = handle.address(Protocol::Teltonika, Transport::Udp).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    // Whoever asks the database for a device now waits.
    let other = Database::connect(&test.url, 1).await.unwrap();
    let other = other.client().await.unwrap();
    other
        .batch_execute("BEGIN; LOCK TABLE device IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut tracker = Tracker::new(IMEI);
    let mut buffer = [0; 64];
    for round in 0..10_u64 {
        for n in 0..600 {
            let stranger = format!("{:015}", 350_000_000_000_000 + round * 1_000 + n);
            let place = TrackerLocation::new(Timestamp::now(), 30.25, 120.16);
            let (_, datagram) = Tracker::new(&stranger).datagram(&[place]);
            socket.send(&datagram).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (number, datagram) = tracker.datagram(&[]);
        socket.send(&datagram).await.unwrap();
        let length = timeout(PATIENCE, socket.recv(&mut buffer)).await;
        let length = length.expect("the device is answered").unwrap();
        assert_eq!(Tracker::read_datagram(&buffer[..length]), Some((number, 0)));
    }
    other.batch_execute("ROLLBACK").await.unwrap();
}
