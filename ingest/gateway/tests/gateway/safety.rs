//! Who may speak, what they may use up, and what happens when two speak under one name.

use std::{net::IpAddr, path::Path, time::Instant};

use codec::native::handshake::Claim;
use homeward_gateway::{Limits, tls};
use tokio::{io::AsyncRead, net::TcpSocket};
use tokio_rustls::client::TlsStream;

use super::*;

pub(super) fn certificate(folder: &Path) -> (tls::Files, Vec<u8>) {
    let files = tls::Files {
        certificate: folder.join("gateway.pem"),
        key: folder.join("gateway.key"),
    };
    let made = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    (files, made.cert.pem().into_bytes())
}

/// A device of the native protocol behind TLS.
pub(super) struct Secure {
    stream: TlsStream<TcpStream>,
    pub(super) binding: tls::Binding,
    buffer: BytesMut,
    answers: client::Answers,
}

impl Secure {
    pub(super) async fn open(handle: &Handle, pem: &[u8]) -> Self {
        let (stream, binding) = tls::connect(handle.native.unwrap(), "gateway.test", pem).await.unwrap();
        Self {
            stream,
            binding,
            buffer: BytesMut::new(),
            answers: client::Answers::default(),
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(super) async fn answer(&mut self) -> Option<Body> {
        answer(&mut self.stream, &mut self.buffer, &mut self.answers).await
    }

    /// Version 2, with a value that is the connection's own or another's.
    async fn log_in(&mut self, secret: &[u8], binding: tls::Binding) -> Body {
        self.log_in_as("HW-1", secret, binding).await
    }

    pub(super) async fn log_in_as(&mut self, device: &str, secret: &[u8], binding: tls::Binding) -> Body {
        self.send(&client::bound_hello(device, [7; 16], "test")).await;
        let Some(Body::Challenge(challenge)) = self.answer().await else {
            panic!("no challenge")
        };
        let claim = Claim {
            device_nonce: &[7; 16],
            gateway_nonce: &challenge.gateway_nonce,
            binding: Some(&binding),
            device,
        };
        self.send(&client::bound_proof(secret, &claim)).await;
        self.answer().await.unwrap()
    }
}

async fn answer(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    answers: &mut client::Answers,
) -> Option<Body> {
    loop {
        if let Some(native::Item::Frame(frame)) = answers.decode(buffer).unwrap() {
            return frame.body;
        }
        let read = timeout(PATIENCE, stream.read_buf(buffer))
            .await
            .expect("no answer in time");
        if read.unwrap_or(0) == 0 {
            return None;
        }
    }
}

async fn start_with(log: &MemoryLog, config: Config, directory: Directory) -> Handle {
    Gateway::start(config, Arc::new(log.clone()), directory, None)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_native_protocol_over_tls_from_hello_to_acknowledgement() {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(folder.path());
    let log = MemoryLog::new(4);
    let config = Config {
        native_tls: Some(files),
        ..config()
    };
    let handle = start_with(&log, config, directory()).await;
    let mut line = Secure::open(&handle, &pem).await;
    let binding = line.binding;
    assert!(matches!(line.log_in(SECRET, binding).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1), report(2)])).await;
    assert!(matches!(line.answer().await, Some(Body::Acknowledgement(told)) if told.sequence == 2));
    assert_eq!(reports(&log).await.len(), 2);
    // A device of version 1 is heard over TLS, too.
    let mut line = Secure::open(&handle, &pem).await;
    line.send(&client::hello("HW-1", [7; 16], "test")).await;
    let Some(Body::Challenge(challenge)) = line.answer().await else {
        panic!("no challenge")
    };
    line.send(&client::proof(SECRET, &[7; 16], &challenge.gateway_nonce, "HW-1"))
        .await;
    assert!(matches!(line.answer().await, Some(Body::Welcome(_))));
    // Without TLS nobody is.
    let mut plain = NativeLine::open(handle.native).await;
    plain.send(&client::hello("HW-1", [7; 16], "test")).await;
    let mut told = Vec::new();
    let _ = timeout(PATIENCE, plain.stream.read_to_end(&mut told))
        .await
        .expect("it ends");
    assert!(!matches!(told.first(), Some(0)), "no frame: {told:02x?}");
}

#[tokio::test]
async fn a_proof_that_is_relayed_from_another_connection_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(folder.path());
    let config = Config {
        native_tls: Some(files),
        ..config()
    };
    let handle = start_with(&MemoryLog::new(4), config, directory()).await;
    // The device believes that it speaks over another connection than the gateway does: somebody is between them.
    let other = Secure::open(&handle, &pem).await;
    let mut relay = Secure::open(&handle, &pem).await;
    let told = relay.log_in(SECRET, other.binding).await;
    assert!(matches!(told, Body::Refusal(refusal) if refusal.reason == "wrong proof"));
    // Version 2 is nothing without TLS.
    let handle = start(&MemoryLog::new(4)).await;
    let mut plain = NativeLine::open(handle.native).await;
    plain.send(&client::bound_hello("HW-1", [7; 16], "test")).await;
    let told = plain.answer().await;
    assert!(matches!(told, Some(Body::Refusal(refusal)) if refusal.reason == "unsupported version"));
}

#[tokio::test]
async fn a_recorded_session_that_is_replayed_proves_nothing() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut recorded = Vec::new();
    let mut line = NativeLine::open(handle.native).await;
    let hello = client::hello("HW-1", [7; 16], "test");
    line.send(&hello).await;
    recorded.extend_from_slice(&hello);
    let Some(Body::Challenge(challenge)) = line.answer().await else {
        panic!("no challenge")
    };
    let proof = client::proof(SECRET, &[7; 16], &challenge.gateway_nonce, "HW-1");
    line.send(&proof).await;
    recorded.extend_from_slice(&proof);
    assert!(matches!(line.answer().await, Some(Body::Welcome(_))));
    let batch = client::reports(vec![report(1)]);
    line.send(&batch).await;
    recorded.extend_from_slice(&batch);
    assert_eq!(line.acknowledged().await, 1);
    let mut replay = NativeLine::open(handle.native).await;
    replay.send(&recorded).await;
    assert!(matches!(replay.answer().await, Some(Body::Challenge(_))));
    let told = replay.answer().await;
    assert!(matches!(told, Some(Body::Refusal(refusal)) if refusal.reason == "wrong proof"));
    assert_eq!(replay.answer().await, None);
    assert_eq!(reports(&log).await.len(), 1);
    // The device's own session is not displaced by it.
    line.send(&client::reports(vec![report(2)])).await;
    assert_eq!(line.acknowledged().await, 2);
}

#[tokio::test]
async fn the_native_protocol_is_not_spoken_in_clear_to_everybody() {
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let config = Config {
        native_listen: Some(everywhere),
        jt808_listen: None,
        ..config()
    };
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(4));
    let refused = Gateway::start(config.clone(), Arc::clone(&log), directory(), None).await;
    let Err(error) = refused.map(|_| ()) else {
        panic!("it starts")
    };
    let text = error.to_string();
    assert!(
        text.contains("native_tls_certificate") && text.contains("native_plaintext"),
        "{text}"
    );
    let config = Config {
        native_plaintext: true,
        ..config
    };
    assert!(Gateway::start(config, log, directory(), None).await.is_ok());
}

#[tokio::test]
async fn a_device_may_speak_from_its_networks_alone() {
    let only = |network: &str, known: Known| Known {
        networks: vec![network.parse().unwrap()],
        ..known
    };
    let directory = Directory::fixed([
        (
            Protocol::Native,
            "HW-1".to_owned(),
            only("127.0.0.2/32", known("HW-1", Some(SECRET))),
        ),
        (
            Protocol::Jt808,
            "13900000002".to_owned(),
            only("127.0.0.2/32", known("T-2", None)),
        ),
    ]);
    let log = MemoryLog::new(4);
    let handle = start_with(&log, config(), directory).await;
    let mut line = NativeLine::open(handle.native).await;
    let told = line.log_in("HW-1", SECRET).await;
    assert!(matches!(told, Body::Refusal(refusal) if refusal.reason == "network"));
    let mut line = NativeLine::from("127.0.0.2", handle.native).await;
    assert!(matches!(line.log_in("HW-1", SECRET).await, Body::Welcome(_)));
    let mut terminal = Terminal::new("13900000002", Variant::V2013).unwrap();
    for (from, result) in [("127.0.0.1", 1), ("127.0.0.2", 0)] {
        let mut line = Jt808Line::from(from, handle.jt808).await;
        line.send(&terminal.location(&location())).await;
        assert!(
            matches!(line.answer().await, Some(Answer::General { result: told, .. }) if told == result),
            "{from}"
        );
    }
    assert_eq!(reports(&log).await.len(), 1);
}

impl<F: Decoder<Error = std::io::Error> + Default> Line<F> {
    /// From another address of this machine.
    async fn from(address: &str, to: Option<SocketAddr>) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        let from: IpAddr = address.parse().unwrap();
        socket.bind((from, 0).into()).unwrap();
        Self {
            stream: socket.connect(to.unwrap()).await.unwrap(),
            buffer: BytesMut::new(),
            framer: F::default(),
        }
    }
}

fn marked(report: &wire::Report) -> bool {
    report.alarms.contains(&wire::Alarm::Cloned.into())
}

#[tokio::test]
async fn two_that_speak_under_one_name_are_both_kept_and_marked() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut serial = 0;
    let mut say = async |line: &mut Jt808Line, terminal: &mut Terminal| {
        serial += 1;
        let spoken = Location {
            latitude: 30.25 + f64::from(serial) * 1e-4,
            ..location()
        };
        line.send(&terminal.location(&spoken)).await;
        assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
    };
    let mut terminal = Terminal::new("13900000002", Variant::V2013).unwrap();
    let mut first = Jt808Line::from("127.0.0.1", handle.jt808).await;
    say(&mut first, &mut terminal).await;
    // A network that lost the connection: the device comes back from elsewhere, and nothing is suspected.
    let mut second = Jt808Line::from("127.0.0.2", handle.jt808).await;
    say(&mut second, &mut terminal).await;
    say(&mut second, &mut terminal).await;
    assert!(!reports(&log).await.iter().any(marked));
    // But the old connection goes on, and so does the new one.
    say(&mut first, &mut terminal).await;
    assert!(!reports(&log).await.iter().any(marked), "a packet may be late");
    say(&mut second, &mut terminal).await;
    say(&mut first, &mut terminal).await;
    say(&mut second, &mut terminal).await;
    assert!(!reports(&log).await.iter().any(marked), "three times are a sign");
    say(&mut first, &mut terminal).await;
    say(&mut second, &mut terminal).await;
    let all = reports(&log).await;
    assert_eq!(all.len(), 9, "nothing is lost, and neither is believed over the other");
    assert_eq!(all.iter().filter(|report| marked(report)).count(), 2);
}

#[tokio::test]
async fn two_behind_one_address_are_seen_too() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut terminals = [0, 1].map(|_| Terminal::new("13900000002", Variant::V2013).unwrap());
    let mut lines = [Jt808Line::open(handle.jt808).await, Jt808Line::open(handle.jt808).await];
    for n in 0..5_u32 {
        for (line, terminal) in lines.iter_mut().zip(&mut terminals) {
            let spoken = Location {
                latitude: 30.25 + f64::from(n) * 1e-4,
                ..location()
            };
            line.send(&terminal.location(&spoken)).await;
            assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
        }
    }
    assert_eq!(reports(&log).await.iter().filter(|report| marked(report)).count(), 4);
}

#[tokio::test]
async fn two_that_send_datagrams_from_two_places_are_seen() {
    use codec::teltonika::terminal::{Location as TrackerLocation, Terminal as Tracker};
    const IMEI: &str = "490154203237518";
    let directory = Directory::fixed([(Protocol::Teltonika, IMEI.to_owned(), known("tracker 1", None))]);
    let log = MemoryLog::new(4);
    let config = Config {
        teltonika_udp_listen: config().native_listen,
        ..config()
    };
    let handle = start_with(&log, config, directory).await;
    let to = handle
        .address(Protocol::Teltonika, homeward_gateway::Transport::Udp)
        .unwrap();
    let mut sockets = Vec::new();
    for latitude in [30.25, 39.9] {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(to).await.unwrap();
        sockets.push((socket, Tracker::new(IMEI), latitude));
    }
    for _ in 0..4 {
        for (socket, tracker, latitude) in &mut sockets {
            let place = TrackerLocation {
                satellites: Some(9),
                ..TrackerLocation::new(Timestamp::now(), *latitude, 120.16)
            };
            let (_, datagram) = tracker.datagram(&[place]);
            socket.send(&datagram).await.unwrap();
            let answered = timeout(PATIENCE, socket.recv(&mut [0; 64])).await;
            assert!(answered.unwrap().unwrap() > 0);
        }
    }
    assert_eq!(reports(&log).await.iter().filter(|report| marked(report)).count(), 5);
}

/// Devices behind the address that the garbage comes from, when that has had all that strangers may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_logs_in_beside_a_flood_from_its_own_address() {
    let config = Config {
        limits: Limits {
            unproven_bytes_per_second: 40_000,
            penalty: Duration::ZERO,
            ..Limits::default()
        },
        ..config()
    };
    let handle = start_with(&MemoryLog::new(4), config, directory()).await;
    let to = handle.jt808.unwrap();
    let flood: Vec<_> = (0..50_u8)
        .map(|n| {
            tokio::spawn(async move {
                loop {
                    let Ok(mut stream) = TcpStream::connect(to).await else {
                        continue;
                    };
                    // One unreadable frame without an end: nothing but its length ends it.
                    let garbage = vec![n | 1; 1_024];
                    while stream.write_all(&garbage).await.is_ok() {}
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for time in 0..5 {
        let mut line = NativeLine::open(handle.native).await;
        assert!(matches!(line.log_in("HW-1", SECRET).await, Body::Welcome(_)), "{time}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_place_is_taken_from_a_stranger_for_a_device() {
    let log = MemoryLog::new(4);
    let config = Config {
        max_sessions: 2,
        limits: Limits {
            grace: Duration::from_millis(300),
            ..Limits::default()
        },
        ..config()
    };
    let handle = start_with(&log, config, directory()).await;
    let mut device = NativeLine::opened(&handle).await;
    let mut stranger = NativeLine::open(handle.native).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-free", SECRET).await, Body::Welcome(_)));
    assert_eq!(stranger.answer().await, None, "the stranger has to go");
    // All places are devices': nobody is displaced.
    let mut third = NativeLine::open(handle.native).await;
    assert!(matches!(third.answer().await, Some(Body::Refusal(refusal)) if refusal.reason == "too many sessions"));
    device.send(&client::reports(vec![report(1)])).await;
    assert_eq!(device.acknowledged().await, 1);
}

#[tokio::test]
async fn a_device_that_sends_too_much_waits_and_loses_nothing() {
    let log = MemoryLog::new(4);
    let config = Config {
        limits: Limits {
            device_reports_per_second: 10,
            ..Limits::default()
        },
        ..config()
    };
    let handle = start_with(&log, config, directory()).await;
    let mut line = NativeLine::opened(&handle).await;
    let began = Instant::now();
    for batch in 0..3 {
        let batch: Vec<_> = (1..=90).map(|n| report(batch * 90 + n)).collect();
        line.send(&client::reports(batch)).await;
    }
    let mut last = 0;
    while last < 270 {
        last = line.acknowledged().await;
    }
    assert!(began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(reports(&log).await.len(), 270);
}

/// Many connections that send garbage as fast as they may, and come back as soon as they are closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_garbage_costs_devices_little() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut device = NativeLine::opened(&handle).await;
    let mut sequence = 0;
    let mut slowest = async |device: &mut NativeLine| {
        let mut slowest = Duration::ZERO;
        for _ in 0..100 {
            sequence += 1;
            let began = Instant::now();
            device.send(&client::reports(vec![report(sequence)])).await;
            assert_eq!(device.acknowledged().await, sequence);
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    slowest(&mut device).await;
    let addresses = [handle.native.unwrap(), handle.jt808.unwrap()];
    let flood: Vec<_> = (0..200_usize)
        .map(|n| {
            tokio::spawn(async move {
                let mut garbage = vec![0x7e_u8; 4_096];
                garbage.iter_mut().zip(0..).for_each(|(byte, at): (&mut u8, usize)| {
                    *byte = byte.wrapping_mul(u8::try_from(at * (n + 1) % 251).unwrap());
                });
                loop {
                    let Ok(mut stream) = TcpStream::connect(addresses[n % 2]).await else {
                        continue;
                    };
                    while stream.write_all(&garbage).await.is_ok() {}
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let under_flood = slowest(&mut device).await;
    // A device that comes during the flood is heard.
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-free", SECRET).await, Body::Welcome(_)));
    for task in flood {
        task.abort();
    }
    // The figure is measured elsewhere, on a machine of its own; here, that nobody is kept out.
    assert!(under_flood < Duration::from_secs(2), "{under_flood:?}");
    assert_eq!(reports(&log).await.len() as u64, sequence);
}

mod database {
    use casedb::{
        Database,
        device::{Device, Rotation},
    };
    use jiff::ToSpan;
    use uuid::Uuid;

    use super::*;

    const NEXT: &[u8] = b"the device's next secret";

    #[tokio::test]
    async fn a_device_gets_its_next_key_confirms_it_and_the_old_one_is_gone() {
        let Some(test) = testkit::database().await.unwrap() else {
            return;
        };
        casedb::migrate(&test.url, 4).await.unwrap();
        let database = Database::connect(&test.url, 4).await.unwrap();
        let client = database.client().await.unwrap();
        let agency: Uuid = Uuid::now_v7();
        let sql = "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ($1, 'a', 'Invented unit', 'police', 'UTC')";
        client.execute(sql, &[&agency]).await.unwrap();
        let person = PersonId::from_name("somebody");
        let sql =
            "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
            VALUES ($1, 'R-1', 'Invented Person', $2, $2, 'UTC')";
        client.execute(sql, &[&person.uuid(), &agency]).await.unwrap();
        let device = Device {
            device_id: DeviceId::from_name("HW-1"),
            protocol: "native".to_owned(),
            identity: "HW-1".to_owned(),
            secret: Some(SECRET.to_vec()),
            networks: vec!["127.0.0.0/8".to_owned()],
            ..Device::default()
        };
        casedb::device::register(&client, &device).await.unwrap();
        casedb::device::assign(&client, device.device_id, person, Timestamp::now())
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (files, pem) = certificate(folder.path());
        let plain = config();
        let config = Config {
            native_tls: Some(files),
            jt808_listen: None,
            ..config()
        };
        let log = MemoryLog::new(4);
        let follow = || Directory::follow(database.clone());
        let handle = Gateway::start(config, Arc::new(log.clone()), follow().await, Some(database.clone()))
            .await
            .unwrap();
        let in_clear = Gateway::start(plain, Arc::new(log.clone()), follow().await, Some(database.clone()))
            .await
            .unwrap();
        // A session is open when the key is to change.
        let mut line = Secure::open(&handle, &pem).await;
        let binding = line.binding;
        assert!(matches!(line.log_in(SECRET, binding).await, Body::Welcome(_)));
        let now = Timestamp::now();
        let rotation = Rotation {
            next_secret: NEXT.to_vec(),
            since: now,
            until: now.checked_add(24.hours()).unwrap(),
        };
        casedb::device::rotate(&client, device.device_id, &rotation)
            .await
            .unwrap();
        let rekey = loop {
            line.send(&client::heartbeat(0, None)).await;
            assert!(matches!(line.answer().await, Some(Body::HeartbeatReply(_))));
            if let Ok(told) = timeout(Duration::from_millis(200), line.answer()).await {
                break told;
            }
        };
        let Some(Body::Rekey(rekey)) = rekey else {
            panic!("{rekey:?}")
        };
        assert_eq!(rekey.secret, NEXT);
        // The connection is lost before the device could confirm: both keys are good, and in clear no key is sent.
        drop(line);
        let mut in_clear_line = NativeLine::open(in_clear.native).await;
        assert!(matches!(in_clear_line.log_in("HW-1", SECRET).await, Body::Welcome(_)));
        in_clear_line.silence().await;
        let mut line = Secure::open(&handle, &pem).await;
        let binding = line.binding;
        assert!(matches!(line.log_in(SECRET, binding).await, Body::Welcome(_)));
        let Some(Body::Rekey(rekey)) = line.answer().await else {
            panic!("the key is offered again")
        };
        line.send(&client::rekeyed(&rekey, "HW-1")).await;
        let changed = async {
            loop {
                let sql = "SELECT secret, next_secret FROM device";
                let row = client.query_one(sql, &[]).await.unwrap();
                let (secret, next): (Vec<u8>, Option<Vec<u8>>) = (row.get(0), row.get(1));
                if secret == NEXT {
                    break next;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert_eq!(timeout(PATIENCE, changed).await.expect("written"), None);
        let refused = async {
            loop {
                let mut line = Secure::open(&handle, &pem).await;
                let binding = line.binding;
                if matches!(line.log_in(SECRET, binding).await, Body::Refusal(_)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, refused).await.expect("the old key is gone");
        let mut line = Secure::open(&handle, &pem).await;
        let binding = line.binding;
        assert!(matches!(line.log_in(NEXT, binding).await, Body::Welcome(_)));
    }
}
