//! Small programs that mean ill, on loopback and within bounds: drops of bytes, lengths that cannot be, crowds from one address,
//! datagrams that are to be answered at somebody else's cost.

use codec::{eelink, gt06, teltonika::terminal as tracker};
use homeward_gateway::{Limits, Transport};
use tokio::{net::UdpSocket, time::Instant};

use super::*;

const IMEI: &str = "490154203237518";
const PHONE: &str = "13900000002";

/// Everything is asked for sooner than by the defaults.
fn strict() -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Config {
        teltonika_listen: Some(any),
        teltonika_udp_listen: Some(any),
        gt06_listen: Some(any),
        eelink_listen: Some(any),
        eelink_udp_listen: Some(any),
        hello_within: Duration::from_millis(1_200),
        idle_after: Duration::from_secs(4),
        limits: Limits {
            frame_within: Duration::from_millis(700),
            penalty: Duration::ZERO,
            ..Limits::default()
        },
        ..config()
    }
}

fn everybody() -> Directory {
    let trackers = [Protocol::Teltonika, Protocol::Gt06, Protocol::Eelink];
    let trackers = trackers.map(|protocol| (protocol, IMEI.to_owned(), known(protocol.name(), None)));
    let others = [
        (Protocol::Native, "HW-1".to_owned(), known("HW-1", Some(SECRET))),
        (Protocol::Native, "HW-2".to_owned(), known("HW-2", Some(SECRET))),
        (Protocol::Jt808, PHONE.to_owned(), known("T-2", Some(b"code"))),
    ];
    Directory::fixed(trackers.into_iter().chain(others))
}

async fn start_strict(config: Config, log: &MemoryLog) -> Handle {
    Gateway::start(config, Arc::new(log.clone()), everybody(), None)
        .await
        .unwrap()
}

/// A log-in that proves nothing, and a long frame after it; of the native protocol a hello, and reports.
fn speech(protocol: Protocol) -> (Bytes, Bytes) {
    let now = Timestamp::now();
    match protocol {
        Protocol::Native => (
            client::hello("HW-1", [7; 16], "a firmware with a long name"),
            client::reports((1..=20).map(report).collect()),
        ),
        Protocol::Jt808 => {
            let mut terminal = Terminal::new(PHONE, Variant::V2013).unwrap();
            (terminal.authenticate(b"code"), terminal.location(&location()))
        }
        Protocol::Teltonika => {
            let mut device = tracker::Terminal::new(IMEI);
            let places: Vec<_> = (0..5).map(|_| tracker::Location::new(now, 30.25, 120.16)).collect();
            (device.login(), device.records(&places))
        }
        Protocol::Gt06 => {
            let mut device = gt06::terminal::Terminal::new(IMEI).unwrap();
            let frames = device.location(&gt06::terminal::Location::new(now, 30.25, 120.16));
            (device.log_in(1, 0), frames.concat().into())
        }
        Protocol::Eelink => {
            let mut device = eelink::terminal::Terminal::new(IMEI).unwrap();
            let login = device.login().to_wire();
            let place = eelink::terminal::Location::new(now, 30.25, 120.16);
            (login, device.package(eelink::id::NORMAL, place.normal()).to_wire())
        }
    }
}

/// A connection that is logged in, where that takes one frame.
async fn logged_in(handle: &Handle, protocol: Protocol) -> TcpStream {
    if protocol == Protocol::Native {
        let mut line = NativeLine::open(handle.native).await;
        assert!(matches!(line.log_in("HW-1", SECRET).await, Body::Welcome(_)));
        return line.stream;
    }
    let mut stream = connected(handle, protocol).await;
    stream.write_all(&speech(protocol).0).await.unwrap();
    let mut answer = [0; 256];
    let read = timeout(PATIENCE, stream.read(&mut answer)).await.expect("no answer");
    assert!(read.unwrap() > 0, "{protocol}: not let in");
    stream
}

async fn connected(handle: &Handle, protocol: Protocol) -> TcpStream {
    let address = handle.address(protocol, Transport::Tcp).unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Sends bytes one by one, then nothing; how long it took until the gateway hung up.
async fn drip(mut stream: TcpStream, bytes: &[u8], every: Duration) -> Duration {
    let began = Instant::now();
    let mut rest = bytes.iter();
    let mut answer = [0; 256];
    loop {
        assert!(began.elapsed() < PATIENCE, "still there after {:?}", began.elapsed());
        tokio::select! {
            read = stream.read(&mut answer) => if read.unwrap_or(0) == 0 { return began.elapsed() },
            () = tokio::time::sleep(every) => if let Some(byte) = rest.next()
                && stream.write_all(&[*byte]).await.is_err() { return began.elapsed() },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_at_a_time_keeps_nobody_a_place() {
    let log = MemoryLog::new(4);
    let handle = start_strict(strict(), &log).await;
    let mut drips = tokio::task::JoinSet::new();
    let every = Duration::from_millis(150);
    for protocol in Protocol::ALL {
        let (login, frame) = speech(protocol);
        // Before the log-in: it is not done in time, at 6 bytes a second.
        let stream = connected(&handle, protocol).await;
        drips.spawn(async move { (protocol, "before", drip(stream, &login[..login.len() - 1], every).await) });
        // After it: a frame must come on.
        let stream = logged_in(&handle, protocol).await;
        drips.spawn(async move { (protocol, "after", drip(stream, &frame[..frame.len() - 1], every).await) });
        // What is nothing in any protocol, for ever.
        let stream = logged_in(&handle, protocol).await;
        drips.spawn(async move { (protocol, "zeroes", drip(stream, &[0; 200], every).await) });
    }
    while let Some(ended) = drips.join_next().await {
        let (protocol, what, after) = ended.unwrap();
        // Bytes that begin no frame are passed over: silence by another name.
        let most = if what == "zeroes" { 6 } else { 4 };
        assert!(after < Duration::from_secs(most), "{protocol}, {what}: {after:?}");
    }
    let mut device = NativeLine::opened(&handle).await;
    device.send(&client::reports(vec![report(1)])).await;
    assert_eq!(device.acknowledged().await, 1);
}

/// Says that much more follows than any frame may have, and sends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_giant_frame_is_not_waited_for() {
    let log = MemoryLog::new(4);
    let handle = start_strict(strict(), &log).await;
    for protocol in Protocol::ALL {
        let giants: &[&[u8]] = match protocol {
            Protocol::Native => &[&[0xff, 0xff, 0xff, 0xff], &[0x7f, 0xff, 0xff, 0xff, 8]],
            Protocol::Jt808 => &[&[0x7e, 0x02, 0x00, 0x03, 0xff, 1, 0x39, 0, 0, 0, 0, 2, 0, 1]],
            Protocol::Teltonika => &[
                &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 8, 1],
                &[0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 8],
            ],
            Protocol::Gt06 => &[&[0x79, 0x79, 0xff, 0xff, 0x22], &[0x78, 0x78, 0xff, 0x22]],
            Protocol::Eelink => &[&[0x67, 0x67, 0x12, 0xff, 0xff, 0, 1]],
        };
        for giant in giants {
            let mut stream = logged_in(&handle, protocol).await;
            let began = Instant::now();
            let mut sent = 0;
            if stream.write_all(giant).await.is_ok() {
                // Bytes that are no mark of any protocol.
                while sent < 4 << 20 && began.elapsed() < PATIENCE && stream.write_all(&[0x11; 8_192]).await.is_ok() {
                    sent += 8_192;
                }
            }
            // Either it is cut off, or what follows is passed over without being kept: 4 MiB went through, and a frame is heard again.
            let mut answer = [0; 256];
            let read = timeout(PATIENCE, stream.read(&mut answer)).await;
            let closed = matches!(read, Ok(Ok(0) | Err(_)));
            assert!(
                closed,
                "{protocol} {giant:02x?}: {sent} bytes sent, neither closed nor heard: {read:?}"
            );
        }
    }
    let mut device = NativeLine::opened(&handle).await;
    device.send(&client::reports(vec![report(1)])).await;
    assert_eq!(device.acknowledged().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_from_one_address_leaves_devices_their_places() {
    let log = MemoryLog::new(4);
    let config = Config {
        hello_within: Duration::from_secs(8),
        limits: Limits {
            unproven_per_address: 50,
            connections_per_second: 400,
            grace: Duration::from_millis(200),
            ..strict().limits
        },
        ..strict()
    };
    let handle = start_strict(config, &log).await;
    let mut device = NativeLine::opened(&handle).await;
    let mut crowd = Vec::new();
    for n in 0..1_000_usize {
        let protocol = Protocol::ALL[n % Protocol::ALL.len()];
        crowd.push(connected(&handle, protocol).await);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(handle.sessions() <= 120, "{} places taken", handle.sessions());
    // Who is known goes on, and another device of the same address gets in; it tries again, as devices do.
    device.send(&client::reports(vec![report(1)])).await;
    assert_eq!(device.acknowledged().await, 1);
    let began = Instant::now();
    loop {
        let mut other = NativeLine::open(handle.native).await;
        let said = async {
            other.send(&client::hello("HW-2", [7; 16], "test")).await;
            other.answer().await
        };
        if let Ok(Some(Body::Challenge(_))) = timeout(Duration::from_secs(3), said).await {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "no device gets in");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(crowd);
}

/// Addresses of datagrams can be invented: nobody's bandwidth may be used against another's.
#[tokio::test]
async fn a_datagram_is_never_answered_by_more_than_it_was() {
    let log = MemoryLog::new(4);
    let handle = start_strict(strict(), &log).await;
    for protocol in [Protocol::Teltonika, Protocol::Eelink] {
        for (known, imei) in [(true, IMEI), (false, "490154203237526")] {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let address = handle.address(protocol, Transport::Udp).unwrap();
            socket.connect(address).await.unwrap();
            for datagram in datagrams(protocol, imei) {
                socket.send(&datagram).await.unwrap();
                let (mut answered, mut buffer) = (0, vec![0; 65_535]);
                while let Ok(length) = timeout(Duration::from_millis(80), socket.recv(&mut buffer)).await {
                    answered += length.unwrap();
                }
                assert!(known || answered == 0, "{protocol}: a stranger is answered");
                assert!(
                    answered <= datagram.len(),
                    "{protocol}: {} bytes are answered by {answered}: {datagram:02x?}",
                    datagram.len()
                );
            }
        }
    }
}

/// What gets answers: each kind alone, many at once, empty ones, and halves.
fn datagrams(protocol: Protocol, imei: &str) -> Vec<Bytes> {
    let now = Timestamp::now();
    let mut all = Vec::new();
    if protocol == Protocol::Teltonika {
        let mut device = tracker::Terminal::new(imei);
        for count in [0, 1, 40] {
            let places: Vec<_> = (0..count).map(|_| tracker::Location::new(now, 30.25, 120.16)).collect();
            all.push(device.datagram(&places).1);
        }
        all.push(device.answer_datagram("x"));
    } else {
        let mut device = eelink::terminal::Terminal::new(imei).unwrap();
        let place = eelink::terminal::Location::new(now, 30.25, 120.16);
        let login = device.login();
        all.push(device.datagram(std::slice::from_ref(&login)));
        for id in 0..=0xff {
            let empty = device.package(id, Bytes::new());
            all.extend((id % 16 == 3 || [1, 0x12, 0x80].contains(&id)).then(|| device.datagram(&[empty])));
        }
        let beats: Vec<_> = (0..100)
            .map(|_| device.package(eelink::id::HEARTBEAT, Bytes::new()))
            .collect();
        all.push(device.datagram(&beats));
        let logins: Vec<_> = (0..50).map(|_| device.login()).collect();
        all.push(device.datagram(&logins));
        let packages = device.report(&place, &[]);
        all.push(device.datagram(&packages));
    }
    let halves: Vec<_> = all.iter().map(|whole| whole.slice(..whole.len() / 2)).collect();
    all.extend(halves);
    all
}
