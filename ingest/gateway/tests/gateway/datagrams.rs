//! Commands to devices that speak in datagrams: to where the last one came from, as long as that is fresh.

use casedb::command::{Instruction, State};
use codec::{
    eelink::terminal::{Heard, Location as CollarLocation, Terminal as Collar},
    teltonika::terminal::{Location as TrackerLocation, Terminal as Tracker},
};
use homeward_gateway::Transport;
use tokio::net::UdpSocket;

use super::{
    commands::{FREE, IMEI, Scene},
    *,
};

/// A socket of a device.
struct Port(UdpSocket);

impl Port {
    async fn open(handle: &Handle, protocol: Protocol) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = handle.address(protocol, Transport::Udp).unwrap();
        socket.connect(address).await.unwrap();
        Self(socket)
    }

    async fn send(&self, datagram: &[u8]) {
        self.0.send(datagram).await.unwrap();
    }

    async fn next(&self) -> Bytes {
        let mut buffer = [0; 2_048];
        let length = timeout(PATIENCE, self.0.recv(&mut buffer)).await;
        Bytes::copy_from_slice(&buffer[..length.expect("nothing came").unwrap()])
    }

    /// Asserts that nothing comes for longer than commands are looked for.
    async fn silence(&self) {
        let mut buffer = [0; 2_048];
        let read = timeout(Duration::from_secs(3), self.0.recv(&mut buffer)).await;
        assert!(read.is_err(), "unexpected: {read:?} {:02x?}", &buffer[..64]);
    }

    /// Asserts that no command comes for as long; acknowledgements may.
    async fn untold(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(3);
        let mut buffer = [0; 2_048];
        while let Ok(read) = tokio::time::timeout_at(deadline, self.0.recv(&mut buffer)).await {
            let heard = Collar::hear(&Bytes::copy_from_slice(&buffer[..read.unwrap()])).unwrap();
            let command = |heard: &Heard| matches!(heard, Heard::Command { .. });
            assert!(!heard.iter().any(command), "told again: {heard:?}");
        }
    }

    /// The text and the number of the command that comes next, over acknowledgements.
    async fn collar_command(&self) -> (u32, String) {
        loop {
            for heard in Collar::hear(&self.next().await).unwrap() {
                if let Heard::Command { reference, text } = heard {
                    return (reference, text);
                }
            }
        }
    }

    async fn tracker_command(&self) -> String {
        loop {
            let datagram = self.next().await;
            if let Some(text) = Tracker::read_command(&datagram) {
                return text;
            }
            Tracker::read_datagram(&datagram).expect("neither a command nor an answer");
        }
    }
}

fn here(collar: &mut Collar) -> Bytes {
    let packages = collar.report(&CollarLocation::new(Timestamp::now(), 30.25, 120.16), &[]);
    collar.datagram(&packages)
}

fn record(tracker: &mut Tracker) -> Bytes {
    let place = TrackerLocation {
        satellites: Some(9),
        ..TrackerLocation::new(Timestamp::now(), 30.25, 120.16)
    };
    tracker.datagram(&[place]).1
}

#[tokio::test]
async fn a_device_of_datagrams_is_told_where_it_spoke_from() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let (port, mut collar) = (Port::open(&handle, Protocol::Eelink).await, Collar::new(IMEI).unwrap());
    let locate = scene.place("collar", Instruction::Locate, None).await;
    // Not before it has spoken: nobody knows where it is.
    port.silence().await;
    scene.becomes(locate, State::Queued).await;
    port.send(&here(&mut collar)).await;
    let (reference, text) = port.collar_command().await;
    assert_eq!(text, "WHERE#");
    // Nobody has taken the datagram: it is sent, not delivered.
    scene.becomes(locate, State::Sent).await;
    let words = format!(
        "Lat:N30.25000,Lon:E120.16000,Course:12.5,Speed:3.25km/h,DateTime:{}",
        Timestamp::now().strftime("%Y-%m-%d %H:%M:%S")
    );
    let answer = collar.answer(reference, &words);
    port.send(&collar.datagram(&[answer])).await;
    assert_eq!(scene.becomes(locate, State::Acknowledged).await.0, "located");
    assert_eq!(reports(&scene.log).await.len(), 2);

    let pursuit = Instruction::Interval {
        seconds: 10,
        for_seconds: 600,
    };
    let pursuit = scene.place("collar", pursuit, None).await;
    let (reference, text) = port.collar_command().await;
    assert_eq!(text, "TIMER,10#");
    let answer = collar.answer(reference, "TIMER OK");
    port.send(&collar.datagram(std::slice::from_ref(&answer))).await;
    let done = scene.becomes(pursuit, State::Acknowledged).await;
    assert_eq!(done, ("done".to_owned(), "TIMER OK".to_owned()));
    // Its answer again, as datagrams come twice; and no words for this one: nothing goes out.
    port.send(&collar.datagram(&[answer])).await;
    let text = scene.place("collar", Instruction::Vibrate, None).await;
    assert_eq!(scene.becomes(text, State::Failed).await.0, "unsupported");
    port.untold().await;
    handle.drain(PATIENCE).await;
    scene.close().await;
}

#[tokio::test]
async fn a_tracker_is_told_in_datagrams_and_a_lost_one_is_not_sent_again() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let (port, mut tracker) = (Port::open(&handle, Protocol::Teltonika).await, Tracker::new(IMEI));
    port.send(&record(&mut tracker)).await;
    let locate = scene.place("tracker", Instruction::Locate, None).await;
    assert_eq!(port.tracker_command().await, "getrecord");
    port.send(&tracker.answer_datagram("Record is sent")).await;
    scene.becomes(locate, State::Delivered).await;
    port.send(&record(&mut tracker)).await;
    assert_eq!(scene.becomes(locate, State::Acknowledged).await.0, "located");
    port.next().await; // the record's acknowledgement
    // This one gets lost: the device goes on, but not with a fix.
    let lost = scene.place("tracker", Instruction::Locate, Some(4)).await;
    assert_eq!(port.tracker_command().await, "getrecord");
    let (_, empty) = tracker.datagram(&[]);
    port.send(&empty).await;
    assert!(Tracker::read_datagram(&port.next().await).is_some());
    port.silence().await;
    assert_eq!(scene.becomes(lost, State::Expired).await.0, "not_confirmed");
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn an_address_that_is_not_fresh_is_told_nothing() {
    let Some(scene) = Scene::set().await else { return };
    let config = Config {
        udp_fresh: Duration::from_secs(1),
        ..config()
    };
    let handle = scene.gateway_with("one", config).await;
    let mut tracker = Tracker::new(IMEI);
    let before = Port::open(&handle, Protocol::Teltonika).await;
    before.send(&record(&mut tracker)).await;
    before.next().await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let missed = scene.place("tracker", Instruction::Locate, Some(2)).await;
    before.silence().await;
    assert_eq!(scene.becomes(missed, State::Expired).await.0, "not_connected");
    // Back from another address, as after a pause behind a carrier's translation: there, and once.
    let text = scene.place("tracker", Instruction::Locate, None).await;
    let now = Port::open(&handle, Protocol::Teltonika).await;
    let mut told = 0;
    for _ in 0..8 {
        now.send(&record(&mut tracker)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut buffer = [0; 2_048];
        while let Ok(length) = now.0.try_recv(&mut buffer) {
            told += usize::from(Tracker::read_command(&buffer[..length]).is_some());
        }
    }
    assert_eq!(told, 1);
    assert_eq!(scene.becomes(text, State::Acknowledged).await.0, "located");
    let mut buffer = [0; 2_048];
    assert!(
        before.0.try_recv(&mut buffer).is_err(),
        "the old address heard something"
    );
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn who_only_knows_the_name_is_not_told_and_takes_no_commands_away() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let mut tracker = Tracker::new(IMEI);
    let device = Port::open(&handle, Protocol::Teltonika).await;
    for _ in 0..3 {
        device.send(&record(&mut tracker)).await;
        device.next().await;
    }
    // From more addresses than are remembered of a device.
    let mut others = Vec::new();
    for _ in 0..6 {
        let other = Port::open(&handle, Protocol::Teltonika).await;
        other.send(&record(&mut tracker)).await;
        other.next().await;
        others.push(other);
    }
    let locate = scene.place("tracker", Instruction::Locate, None).await;
    assert_eq!(device.tracker_command().await, "getrecord");
    scene.becomes(locate, State::Sent).await;
    for other in others {
        let mut buffer = [0; 2_048];
        assert!(other.0.try_recv(&mut buffer).is_err(), "a stranger was told");
    }
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn a_device_of_datagrams_without_a_basis_is_told_to_stop() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let (port, mut tracker) = (Port::open(&handle, Protocol::Teltonika).await, Tracker::new(FREE));
    port.send(&record(&mut tracker)).await;
    let text = port.tracker_command().await;
    assert!(text.starts_with("setparam 10000:86400;"), "{text}");
    // Nothing of it was kept, and it is told once.
    assert_eq!(reports(&scene.log).await, []);
    port.send(&record(&mut tracker)).await;
    assert!(Tracker::read_datagram(&port.next().await).is_some());
    port.silence().await;
    port.send(&tracker.answer_datagram("Param ID:10000 Val:86400")).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let client = scene.db.client().await.unwrap();
        let device = known("free", None).device_id;
        let stops = casedb::basis::stops_of_device(&client, device, 10).await.unwrap();
        assert_eq!(stops.len(), 1);
        if stops[0].outcome == "done" {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{stops:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(handle);
    scene.close().await;
}
