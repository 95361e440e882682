//! How reports flow: vendors' sessions, datagrams, two lanes, a stream that comes back, one gateway taking over from another.

use std::collections::HashSet;

use codec::teltonika::terminal::{Answer as TrackerAnswer, Location as TrackerLocation, Terminal as Tracker};
use homeward_gateway::Transport;
use tokio::net::UdpSocket;

use super::*;

const IMEI: &str = "490154203237518";

fn all() -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Config {
        teltonika_listen: Some(any),
        teltonika_udp_listen: Some(any),
        gt06_listen: Some(any),
        eelink_listen: Some(any),
        eelink_udp_listen: Some(any),
        ..config()
    }
}

fn trackers() -> Directory {
    let unworn = Known {
        person_id: None,
        ..known("tracker 2", None)
    };
    Directory::fixed([
        (Protocol::Teltonika, IMEI.to_owned(), known("tracker 1", None)),
        (Protocol::Teltonika, "490154203237526".to_owned(), unworn),
        (Protocol::Native, "HW-1".to_owned(), known("HW-1", Some(SECRET))),
        (Protocol::Native, "HW-2".to_owned(), known("HW-2", Some(SECRET))),
    ])
}

async fn open(config: Config, log: &MemoryLog) -> Handle {
    Gateway::start(config, Arc::new(log.clone()), trackers(), None)
        .await
        .unwrap()
}

pub(super) struct TrackerLine {
    pub(super) stream: TcpStream,
    buffer: BytesMut,
    pub(super) tracker: Tracker,
}

impl TrackerLine {
    pub(super) async fn open(handle: &Handle, imei: &str) -> Self {
        let address = handle.address(Protocol::Teltonika, Transport::Tcp).unwrap();
        let mut line = Self {
            stream: TcpStream::connect(address).await.unwrap(),
            buffer: BytesMut::new(),
            tracker: Tracker::new(imei),
        };
        let login = line.tracker.login();
        line.stream.write_all(&login).await.unwrap();
        line
    }

    pub(super) async fn answer(&mut self) -> Option<TrackerAnswer> {
        loop {
            if let Some(answer) = self.tracker.read(&mut self.buffer) {
                return Some(answer);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer));
            if read.await.expect("no answer in time").unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    async fn silence(&mut self) {
        let read = timeout(BRIEFLY, self.stream.read_buf(&mut self.buffer)).await;
        assert!(read.is_err(), "unexpected answer: {:02x?}", &self.buffer[..]);
    }
}

pub(super) fn place(ago_s: i64) -> TrackerLocation {
    let now = Timestamp::now();
    let time = Timestamp::from_millisecond(now.as_millisecond() - ago_s * 1_000).unwrap();
    TrackerLocation {
        satellites: Some(9),
        battery_percent: Some(80),
        ..TrackerLocation::new(time, 30.25, 120.16)
    }
}

#[tokio::test]
async fn a_vendors_session_is_acknowledged_when_durable_and_strangers_are_not_let_in() {
    let log = MemoryLog::new(4);
    let handle = open(all(), &log).await;
    let mut line = TrackerLine::open(&handle, IMEI).await;
    assert_eq!(line.answer().await, Some(TrackerAnswer::Welcome(true)));
    log.faults(|faults| faults.hold_appends = true);
    let frame = line.tracker.records(&[place(2), place(1)]);
    line.stream.write_all(&frame).await.unwrap();
    line.silence().await;
    log.faults(|faults| faults.hold_appends = false);
    assert_eq!(line.answer().await, Some(TrackerAnswer::Records(2)));
    let stored = reports(&log).await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].protocol(), wire::Protocol::Teltonika);
    assert_eq!(stored[0].battery_percent, Some(80));
    // Sent again, as after a lost answer: acknowledged again, and recognised by its id.
    line.stream.write_all(&frame).await.unwrap();
    assert_eq!(line.answer().await, Some(TrackerAnswer::Records(2)));
    let ids: HashSet<_> = reports(&log).await.into_iter().map(|report| report.report_id).collect();
    assert_eq!(ids.len(), 2);

    let mut stranger = TrackerLine::open(&handle, "490154203237534").await;
    assert_eq!(stranger.answer().await, Some(TrackerAnswer::Welcome(false)));
    // A device that nobody wears is let in, but nothing that it says is taken.
    let mut unworn = TrackerLine::open(&handle, "490154203237526").await;
    assert_eq!(unworn.answer().await, Some(TrackerAnswer::Welcome(true)));
    let frame = unworn.tracker.records(&[place(1)]);
    unworn.stream.write_all(&frame).await.unwrap();
    assert_eq!(unworn.answer().await, Some(TrackerAnswer::Records(0)));
    assert_eq!(reports(&log).await.len(), 4);
}

#[tokio::test]
async fn a_datagram_is_answered_when_it_is_durable() {
    let log = MemoryLog::new(4);
    let handle = open(all(), &log).await;
    let address = handle.address(Protocol::Teltonika, Transport::Udp).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(address).await.unwrap();
    let mut tracker = Tracker::new(IMEI);
    let mut buffer = [0; 64];
    log.faults(|faults| faults.hold_appends = true);
    let (number, datagram) = tracker.datagram(&[place(3), place(2), place(1)]);
    socket.send(&datagram).await.unwrap();
    assert!(timeout(BRIEFLY, socket.recv(&mut buffer)).await.is_err());
    log.faults(|faults| faults.hold_appends = false);
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(Tracker::read_datagram(&buffer[..length]), Some((number, 3)));
    assert_eq!(reports(&log).await.len(), 3);
    // Garbage and strangers get no answer and cost nobody theirs.
    socket.send(b"garbage").await.unwrap();
    let (_, stranger) = Tracker::new("490154203237534").datagram(&[place(1)]);
    socket.send(&stranger).await.unwrap();
    let (number, datagram) = tracker.datagram(&[place(0)]);
    socket.send(&datagram).await.unwrap();
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(Tracker::read_datagram(&buffer[..length]), Some((number, 1)));
    assert_eq!(reports(&log).await.len(), 4);
}

fn stored(sequence: u64) -> DeviceReport {
    let report = report(sequence);
    DeviceReport {
        stored: true,
        fix_time_us: report.fix_time_us - 3_600_000_000,
        ..report
    }
}

#[tokio::test]
async fn live_reports_overtake_a_backlog() {
    let log = MemoryLog::new(1);
    // The slowest pace: 200 a second; 1,024 stored reports take some five seconds.
    let slow = Config {
        backlog_per_second: 200,
        ..all()
    };
    let handle = open(slow, &log).await;
    let mut line = NativeLine::opened(&handle).await;
    for batch in 0..4 {
        let batch = (1..=256).map(|n| stored(batch * 256 + n)).collect();
        line.send(&client::reports(batch)).await;
    }
    // Behind its own backlog, and on another line.
    line.send(&client::reports(vec![report(1_025)])).await;
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-2", SECRET).await, Body::Welcome(_)));
    other.send(&client::reports(vec![report(1)])).await;
    assert_eq!(other.acknowledged().await, 1);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let before = loop {
        let found = reports(&log).await;
        if let Some(at) = found.iter().position(|report| report.sequence == 1_025) {
            break at;
        }
        assert!(tokio::time::Instant::now() < deadline, "the live report did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(before < 600, "the live report came after {before} stored ones");
    // Acknowledgements keep the order of the session all the same, and nothing is left out.
    let mut last = 0;
    while last < 1_025 {
        let next = line.acknowledged().await;
        assert!(next > last);
        last = next;
    }
    assert_eq!(reports(&log).await.len(), 1_026);
}

#[tokio::test]
async fn a_full_room_leaves_live_reports_of_others_their_way() {
    let log = MemoryLog::new(1);
    // Three quarters of it are taken by some 600 stored reports, and at the slowest pace they are a few seconds' work.
    let small = Config {
        backlog_per_second: 200,
        room_bytes: 200_000,
        ..all()
    };
    let handle = open(small, &log).await;
    let mut line = NativeLine::opened(&handle).await;
    for batch in 0..16 {
        let batch = (1..=64).map(|n| stored(batch * 64 + n)).collect();
        line.send(&client::reports(batch)).await;
    }
    // The first are in the stream: the others wait for their turn.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while reports(&log).await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "nothing came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Another device has a few stored ones under way, and then says where it is now.
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-2", SECRET).await, Body::Welcome(_)));
    other.send(&client::reports((1..=8).map(stored).collect())).await;
    other.send(&client::reports(vec![report(9)])).await;
    let live = |report: &wire::Report| report.sequence == 9 && !report.backfill;
    let before = loop {
        let found = reports(&log).await;
        if let Some(at) = found.iter().position(live) {
            break at;
        }
        assert!(tokio::time::Instant::now() < deadline, "the live report did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(before < 500, "the live report came after {before} stored ones");
    // In order, and nothing is left out.
    assert_eq!((other.acknowledged().await, other.acknowledged().await), (8, 9));
    while line.acknowledged().await < 1_024 {}
    assert_eq!(reports(&log).await.len(), 1_033);
}

#[tokio::test]
async fn sessions_outlive_a_stream_that_goes_away_and_comes_back() {
    let log = MemoryLog::new(4);
    let handle = open(all(), &log).await;
    let mut line = NativeLine::opened(&handle).await;
    log.faults(|faults| {
        faults.refuse_appends = 1;
        faults.not_ready = true;
    });
    for sequence in 1..=8 {
        line.send(&client::reports(vec![report(sequence)])).await;
    }
    line.silence().await;
    assert!(handle.health().check().is_err());
    log.faults(|faults| faults.not_ready = false);
    let mut last = 0;
    while last < 8 {
        last = line.acknowledged().await;
    }
    assert_eq!(handle.health().check(), Ok(()));
    assert_eq!(reports(&log).await.len(), 8);
}

#[tokio::test]
async fn one_append_goes_first_when_a_stream_answers_but_takes_nothing() {
    let log = MemoryLog::new(4);
    let handle = open(all(), &log).await;
    let mut lines = vec![NativeLine::opened(&handle).await];
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-2", SECRET).await, Body::Welcome(_)));
    lines.push(other);
    // As with a full disk: it says that it is there, and refuses.
    log.faults(|faults| faults.refuse_appends = 6);
    for line in &mut lines {
        for sequence in 1..=4 {
            line.send(&client::reports(vec![report(sequence)])).await;
        }
    }
    tokio::time::sleep(BRIEFLY).await;
    assert!(handle.health().check().is_err(), "ready while nothing is appended");
    for line in &mut lines {
        let mut last = 0;
        while last < 4 {
            last = line.acknowledged().await;
        }
    }
    assert_eq!(handle.health().check(), Ok(()));
    assert_eq!(reports(&log).await.len(), 8);
}

#[tokio::test]
async fn who_has_hung_up_is_not_waited_for_for_ever() {
    let log = MemoryLog::new(4);
    let brief = Config {
        write_within: Duration::from_millis(400),
        ..all()
    };
    let handle = open(brief, &log).await;
    log.faults(|faults| faults.hold_appends = true);
    for _ in 0..20 {
        let mut line = NativeLine::opened(&handle).await;
        line.send(&client::reports(vec![report(1)])).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while handle.sessions() > 0 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} sessions are left",
            handle.sessions()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_acknowledgement_never_covers_what_could_not_be_read() {
    let log = MemoryLog::new(4);
    let handle = open(all(), &log).await;
    let mut broken = client::reports(vec![report(1), report(2)]).to_vec();
    broken[4] = 0xff; // no field that there is
    let mut line = NativeLine::opened(&handle).await;
    line.send(&broken).await;
    line.send(&client::reports(vec![report(3)])).await;
    assert_eq!(line.answer().await, None, "the session ends without an acknowledgement");
    // The device sends again what was not acknowledged; when that comes whole, nothing is lost.
    let mut line = NativeLine::opened(&handle).await;
    line.send(&client::reports(vec![report(1), report(2)])).await;
    assert_eq!(line.acknowledged().await, 2);
    // What cannot be read twice is kept apart and skipped, so that the device is not blind for ever.
    line.send(&broken).await;
    assert_eq!(line.acknowledged_after(&client::reports(vec![report(4)])).await, 4);
}

impl NativeLine {
    async fn acknowledged_after(&mut self, bytes: &[u8]) -> u64 {
        self.send(bytes).await;
        self.acknowledged().await
    }
}

/// Sends reports one after the other over whatever connection it gets, until told to stop; returns the acknowledged ones.
async fn diligent(address: SocketAddr, device: &'static str, stop: Arc<std::sync::atomic::AtomicBool>) -> u64 {
    let mut acknowledged = 0;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        // A connection that falls between two listeners is reset, and the device comes again.
        let Ok(stream) = TcpStream::connect(address).await else {
            continue;
        };
        let mut line = NativeLine {
            stream,
            buffer: BytesMut::new(),
            framer: client::Answers::default(),
        };
        let nonce = [7; 16];
        if line
            .stream
            .write_all(&client::hello(device, nonce, "test"))
            .await
            .is_err()
        {
            continue;
        }
        let Some(Body::Challenge(challenge)) = line.answer().await else {
            continue;
        };
        let proof = client::proof(SECRET, &nonce, &challenge.gateway_nonce, device);
        if line.stream.write_all(&proof).await.is_err() || !matches!(line.answer().await, Some(Body::Welcome(_))) {
            continue;
        }
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let next = acknowledged + 1;
            if line
                .stream
                .write_all(&client::reports(vec![report(next)]))
                .await
                .is_err()
            {
                break;
            }
            match line.answer().await {
                Some(Body::Acknowledgement(answer)) => acknowledged = answer.sequence,
                _ => break,
            }
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gateway_takes_over_from_another_on_the_same_port() {
    takes_over(file_tables()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_gateway_takes_over_from_another_where_each_has_several_tables() {
    takes_over(2).await;
}

async fn takes_over(file_tables: usize) {
    let log = MemoryLog::new(4);
    let first = Config { file_tables, ..all() };
    let mut running = open(first, &log).await;
    let address = running.native.unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let devices: Vec<_> = ["HW-1", "HW-2"]
        .map(|device| tokio::spawn(diligent(address, device, Arc::clone(&stop))))
        .into();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let same_port = Config {
            native_listen: Some(address),
            file_tables,
            ..config()
        };
        let next = open(same_port, &log).await;
        std::mem::replace(&mut running, next).drain(PATIENCE).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut acknowledged = 0;
    for device in devices {
        let own = device.await.unwrap();
        assert!(
            own > 20,
            "a device had only {own} reports acknowledged in over a second"
        );
        acknowledged += own;
    }
    let found = reports(&log).await;
    let ids: HashSet<_> = found.iter().map(|report| report.report_id.clone()).collect();
    // A drained gateway answers what it has appended: no report is sent, or lies there, twice. The last one of each device may not
    // have been answered when it was told to stop.
    assert_eq!(ids.len(), found.len());
    assert!(
        (acknowledged..=acknowledged + 2).contains(&(found.len() as u64)),
        "{acknowledged} {}",
        found.len()
    );
}

#[tokio::test]
async fn sub_packages_that_did_not_come_are_asked_for() {
    let log = MemoryLog::new(1);
    let handle = start(&log).await;
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "013900000001", Variant::V2013).await;
    let base = terminal.next_serial();
    let locations: Vec<_> = (0..60).map(|_| location()).collect();
    let frames = terminal.batch(&locations, true);
    assert_eq!(frames.len(), 3);
    line.send(&frames[0]).await;
    line.send(&frames[2]).await;
    let asked = line.answer().await;
    assert_eq!(asked, Some(Answer::Missing { base, numbers: vec![2] }));
    assert_eq!(reports(&log).await, []);
    line.send(&frames[1]).await;
    for _ in 0..3 {
        let answer = line.answer().await;
        assert!(matches!(answer, Some(Answer::General { result: 0, .. })), "{answer:?}");
    }
    assert_eq!(reports(&log).await.len(), 60);
    line.silence().await;
}
