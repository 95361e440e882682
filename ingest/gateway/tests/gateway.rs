//! The gateway over real sockets: on the memory log, and on PostgreSQL with the case database where there is one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

#[path = "gateway/attacks.rs"]
mod attacks;
#[path = "gateway/commands.rs"]
mod commands;
#[path = "gateway/datagrams.rs"]
mod datagrams;
#[path = "gateway/elsewhere.rs"]
mod elsewhere;
#[path = "gateway/flow.rs"]
mod flow;
#[path = "gateway/kept.rs"]
mod kept;
#[path = "gateway/safety.rs"]
mod safety;
#[path = "gateway/tables.rs"]
mod tables;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use casedb::device::{Bound, Carrier};
use codec::{
    Protocol,
    jt808::{
        self, Variant,
        terminal::{Answer, Location, Terminal, answer},
    },
    native::{self, client, natural_key},
};
use homeward_gateway::{Config, Directory, Found, Gateway, HandOut, Handle, Known};
use jiff::Timestamp;
use prost::Message;
use proto::{
    DeviceId, PersonId, ReportId, Topic,
    wire::{self, DeviceReport, GatewayFrame, gateway_frame::Body},
};
use stream::{
    Log,
    memory::{self, MemoryLog},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::codec::Decoder;

const SECRET: &[u8] = b"a device's secret";
const PATIENCE: Duration = Duration::from_secs(15);
const BRIEFLY: Duration = Duration::from_millis(300);

fn known(name: &str, secret: Option<&[u8]>) -> Known {
    Known {
        person_id: Some(PersonId::from_name(&format!("person of {name}"))),
        terms: vec![(Timestamp::MIN, Timestamp::MAX)],
        ..Known::of(DeviceId::from_name(name), secret.map(<[u8]>::to_vec))
    }
}

/// A device of a protected person from whom others must keep away, each with terms of orders.
fn protected(name: &str, secret: Option<&[u8]>, bound: &[(&str, Timestamp, Timestamp)]) -> Known {
    let bound = bound.iter().map(|(person, starts, ends)| Bound {
        person_id: PersonId::from_name(person),
        terms: vec![(*starts, *ends)],
    });
    Known {
        person_id: None,
        protected: Some(Carrier {
            protected_id: PersonId::from_name("the protected one"),
            bound: bound.collect(),
        }),
        terms: Vec::new(),
        ..known(name, secret)
    }
}

fn directory() -> Directory {
    let bound = [
        ("karl", Timestamp::MIN, Timestamp::MAX),
        ("lars", Timestamp::MIN, Timestamp::MAX),
        ("over", Timestamp::MIN, Timestamp::UNIX_EPOCH),
    ];
    Directory::fixed([
        (
            Protocol::Native,
            "HW-protected".to_owned(),
            protected("HW-protected", Some(SECRET), &bound),
        ),
        (
            Protocol::Native,
            "HW-unbound".to_owned(),
            protected("HW-unbound", Some(SECRET), &bound[2..]),
        ),
        (
            Protocol::Jt808,
            "13900000003".to_owned(),
            protected("T-3", None, &bound),
        ),
        (Protocol::Native, "HW-1".to_owned(), known("HW-1", Some(SECRET))),
        (
            Protocol::Native,
            "HW-free".to_owned(),
            Known {
                terms: Vec::new(),
                ..known("HW-free", Some(SECRET))
            },
        ),
        (
            Protocol::Native,
            "HW-shelf".to_owned(),
            Known {
                person_id: None,
                ..known("HW-shelf", Some(SECRET))
            },
        ),
        (
            Protocol::Jt808,
            "013900000001".to_owned(),
            known("T-1", Some(b"code-1")),
        ),
        (Protocol::Jt808, "13900000002".to_owned(), known("T-2", None)),
    ])
}

fn config() -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Config {
        native_listen: Some(any),
        jt808_listen: Some(any),
        file_tables: file_tables(),
        ..Config::default()
    }
}

/// `HOMEWARD_TEST_FILE_TABLES=3` runs all of these with sessions in threads that have tables of open files of their own.
fn file_tables() -> usize {
    let setting = std::env::var("HOMEWARD_TEST_FILE_TABLES").ok();
    setting.map_or(1, |tables| tables.parse().unwrap())
}

async fn start(log: &MemoryLog) -> Handle {
    Gateway::start(config(), Arc::new(log.clone()), directory(), None)
        .await
        .unwrap()
}

/// Reports in the log, in the order of partitions.
async fn reports(log: &dyn Log) -> Vec<wire::Report> {
    let bodies = bodies(log).await.into_iter();
    let report = |(_, body)| match body {
        wire::report_record::Body::Report(report) => report,
        other => panic!("not a report: {other:?}"),
    };
    bodies.map(report).collect()
}

/// Fixes of protected people in the log; there is nothing else in it.
async fn protected_fixes(log: &dyn Log) -> Vec<wire::ProtectedFix> {
    let partitions = log.partitions();
    let fix = |(record, body): (stream::Record, _)| match body {
        wire::report_record::Body::ProtectedFix(fix) => {
            // Under the key and in the partition of the supervised person.
            let person = PersonId::from_wire(&fix.person_id).unwrap();
            assert_eq!(record.key, fix.person_id);
            assert_eq!(record.partition, proto::topic::partition_of(person, partitions));
            fix
        }
        other => panic!("not a fix of a protected person: {other:?}"),
    };
    bodies(log).await.into_iter().map(fix).collect()
}

async fn bodies(log: &dyn Log) -> Vec<(stream::Record, wire::report_record::Body)> {
    let mut found = Vec::new();
    for partition in 0..log.partitions() {
        let bounds = log.bounds(Topic::Reports, partition).await.unwrap();
        if bounds.start == bounds.end {
            continue;
        }
        let mut reader = log.read(Topic::Reports, vec![(partition, bounds.start)]).await.unwrap();
        let mut next = bounds.start;
        while next < bounds.end {
            for record in reader.next(1_000).await.unwrap() {
                next = record.offset + 1;
                let body = wire::ReportRecord::decode(record.payload.clone()).unwrap().body;
                found.push((record, body.unwrap()));
            }
        }
    }
    found
}

/// The device's end of a connection.
struct Line<F> {
    stream: TcpStream,
    buffer: BytesMut,
    framer: F,
}

impl<F: Decoder<Error = std::io::Error> + Default> Line<F> {
    async fn open(address: Option<SocketAddr>) -> Self {
        let stream = TcpStream::connect(address.unwrap()).await.unwrap();
        Self {
            stream,
            buffer: BytesMut::new(),
            framer: F::default(),
        }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next item; `None` when the gateway has closed.
    async fn next(&mut self) -> Option<F::Item> {
        loop {
            if let Some(item) = self.framer.decode(&mut self.buffer).unwrap() {
                return Some(item);
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
                .await
                .expect("no answer in time");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Asserts that nothing comes for a while.
    async fn silence(&mut self) {
        let read = timeout(BRIEFLY, self.stream.read_buf(&mut self.buffer)).await;
        assert!(read.is_err(), "unexpected answer: {:02x?}", &self.buffer[..]);
    }
}

type NativeLine = Line<client::Answers>;
type Jt808Line = Line<jt808::Framer>;

impl NativeLine {
    async fn answer(&mut self) -> Option<Body> {
        self.next().await.map(|item| match item {
            native::Item::Frame(GatewayFrame { body: Some(body) }) => body,
            other => panic!("{other:?}"),
        })
    }

    /// Says hello; returns the answer to the proof.
    async fn log_in(&mut self, device: &str, secret: &[u8]) -> Body {
        let nonce = [7; 16];
        self.send(&client::hello(device, nonce, "test")).await;
        let challenge = match self.answer().await.unwrap() {
            Body::Challenge(challenge) => challenge,
            other => return other,
        };
        self.send(&client::proof(secret, &nonce, &challenge.gateway_nonce, device))
            .await;
        self.answer().await.unwrap()
    }

    async fn opened(handle: &Handle) -> Self {
        let mut line = Self::open(handle.native).await;
        assert!(matches!(line.log_in("HW-1", SECRET).await, Body::Welcome(_)));
        line
    }

    async fn acknowledged(&mut self) -> u64 {
        match self.answer().await.unwrap() {
            Body::Acknowledgement(answer) => {
                assert_eq!(answer.rejected, [], "nothing is rejected");
                answer.sequence
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Jt808Line {
    async fn answer(&mut self) -> Option<Answer> {
        self.next().await.map(|item| match item {
            jt808::Item::Frame(frame) => answer(&frame).unwrap(),
            other => panic!("{other:?}"),
        })
    }

    /// Registers and authenticates.
    async fn opened(handle: &Handle, digits: &str, variant: Variant) -> (Self, Terminal) {
        let mut line = Self::open(handle.jt808).await;
        let mut terminal = Terminal::new(digits, variant).unwrap();
        line.send(&terminal.register("HMWRD", "ANKLE-1", "0000001")).await;
        let Some(Answer::Registered { result: 0, code, .. }) = line.answer().await else {
            panic!("not registered")
        };
        line.send(&terminal.authenticate(&code)).await;
        assert!(matches!(
            line.answer().await,
            Some(Answer::General {
                id: 0x0102,
                result: 0,
                ..
            })
        ));
        (line, terminal)
    }
}

fn report(sequence: u64) -> DeviceReport {
    DeviceReport {
        sequence,
        fix_time_us: Timestamp::now().as_microsecond(),
        position: Some(wire::Position {
            latitude_e7: 302_500_000,
            longitude_e7: 1_201_600_000,
            valid: true,
            source: wire::FixSource::Gnss.into(),
            accuracy_m: Some(5.0),
            ..Default::default()
        }),
        battery_percent: Some(80),
        strap: wire::Strap::Closed.into(),
        ..Default::default()
    }
}

fn location() -> Location {
    Location {
        battery_percent: Some(80),
        satellites: Some(9),
        ..Location::new(Timestamp::now(), 30.25, 120.16)
    }
}

#[tokio::test]
async fn native_session_from_hello_to_acknowledgement() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut line = NativeLine::opened(&handle).await;
    let second = report(2);
    line.send(&client::reports(vec![report(1), second.clone()])).await;
    assert_eq!(line.acknowledged().await, 2);
    line.send(&client::heartbeat(0, Some(80))).await;
    assert!(matches!(line.answer().await, Some(Body::HeartbeatReply(_))));
    // The acknowledgement was lost: the device sends the same again, and it is the same report.
    line.send(&client::reports(vec![second, report(3)])).await;
    assert_eq!(line.acknowledged().await, 3);
    let stored = reports(&log).await;
    let sequences: Vec<u64> = stored.iter().map(|report| report.sequence).collect();
    assert_eq!(sequences, [1, 2, 2, 3]);
    assert_eq!(stored[1].report_id, stored[2].report_id);
    let expected = ReportId::derive(DeviceId::from_name("HW-1"), &natural_key(2, stored[1].fix_time_us));
    assert_eq!(stored[1].report_id, expected.to_wire());
    assert!(stored[0].received_at_us >= stored[0].fix_time_us);
    // A bad report is refused for good, the others are taken.
    let mut bad = report(5);
    bad.position.as_mut().unwrap().latitude_e7 = 910_000_000;
    line.send(&client::reports(vec![report(4), bad, report(6)])).await;
    let Some(Body::Acknowledgement(answer)) = line.answer().await else {
        panic!("no acknowledgement")
    };
    assert_eq!(
        (answer.sequence, answer.rejected.len(), answer.rejected[0].sequence),
        (6, 1, 5)
    );
    assert!(
        answer.rejected[0].reason.contains("latitude"),
        "{}",
        answer.rejected[0].reason
    );
    assert_eq!(reports(&log).await.len(), 6);
    handle.drain(PATIENCE).await;
    assert_eq!(line.answer().await, None, "closed by the drain");
}

#[tokio::test]
async fn a_protected_person_is_told_to_those_bound_and_to_nobody_else() {
    let log = MemoryLog::new(8);
    let handle = start(&log).await;
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-protected", SECRET).await, Body::Welcome(_)));
    let mut invalid = report(3);
    invalid.position.as_mut().unwrap().valid = false;
    let nowhere = DeviceReport {
        position: None,
        ..report(4)
    };
    let tomorrow = DeviceReport {
        fix_time_us: Timestamp::now().as_microsecond() + 86_400_000_000,
        ..report(5)
    };
    let sent = [report(1), report(2), invalid, nowhere, tomorrow];
    line.send(&client::reports(sent.to_vec())).await;
    assert_eq!(line.acknowledged().await, 5, "all are dealt with");
    // For each of the two whose orders are in force, the two usable fixes, and nothing more.
    let fixes = protected_fixes(&log).await;
    for person in ["karl", "lars"] {
        let person = PersonId::from_name(person).to_wire();
        let of_person: Vec<_> = fixes.iter().filter(|fix| fix.person_id == person).collect();
        assert_eq!(of_person.len(), 2);
        for (fix, report) in of_person.iter().zip(&sent) {
            let key = natural_key(report.sequence, report.fix_time_us);
            let id = ReportId::derive(DeviceId::from_name("HW-protected"), &key);
            assert_eq!(fix.report_id, id.to_wire());
            assert_eq!(fix.protected_id, PersonId::from_name("the protected one").to_wire());
            assert_eq!((fix.fix_time_us, fix.position), (report.fix_time_us, report.position));
        }
    }
    assert_eq!(fixes.len(), 4, "the one whose order is over hears nothing");
    // Sent again after a lost acknowledgement: the same ids.
    line.send(&client::reports(vec![sent[1].clone()])).await;
    assert_eq!(line.acknowledged().await, 2);
    let again = protected_fixes(&log).await;
    let ids: std::collections::HashSet<_> = again.iter().map(|fix| (&fix.person_id, &fix.report_id)).collect();
    assert_eq!((again.len(), ids.len()), (6, 4));

    // Nobody is bound any more: acknowledged and forgotten.
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-unbound", SECRET).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    assert_eq!(protected_fixes(&log).await.len(), 6);

    // The same over JT/T 808.
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000003", Variant::V2019).await;
    line.send(&terminal.location(&location())).await;
    assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
    assert_eq!(protected_fixes(&log).await.len(), 8);
    handle.drain(PATIENCE).await;
}

#[tokio::test]
async fn a_protected_persons_fix_is_acknowledged_when_it_is_durable() {
    let log = MemoryLog::new(8);
    let handle = start(&log).await;
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-protected", SECRET).await, Body::Welcome(_)));
    log.faults(|faults| faults.hold_appends = true);
    line.send(&client::reports(vec![report(1)])).await;
    line.silence().await;
    log.faults(|faults| {
        faults.hold_appends = false;
        faults.refuse_appends = 2;
    });
    assert_eq!(line.acknowledged().await, 1);
    assert_eq!(protected_fixes(&log).await.len(), 2);
}

#[tokio::test]
async fn native_refusals_say_why() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    for (device, secret, reason) in [
        // As if it were known: nobody learns which devices there are.
        ("HW-unknown", SECRET, "wrong proof"),
        ("HW-shelf", SECRET, "not assigned"),
        ("HW-1", &b"another secret"[..], "wrong proof"),
    ] {
        let mut line = NativeLine::open(handle.native).await;
        match line.log_in(device, secret).await {
            Body::Refusal(refusal) => assert_eq!(refusal.reason, reason),
            other => panic!("{device}: {other:?}"),
        }
        assert_eq!(line.answer().await, None, "closed");
    }
    // Without a legal basis a report is acknowledged and forgotten.
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-free", SECRET).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    assert_eq!(reports(&log).await, []);
    // Reports before the proof, and a length that no frame has, end the session and nothing else.
    for bytes in [client::reports(vec![report(1)]), Bytes::from_static(&[0xff; 64])] {
        let mut line = NativeLine::open(handle.native).await;
        line.send(&bytes).await;
        assert_eq!(line.answer().await, None);
    }
    assert_eq!(reports(&log).await, []);
}

#[tokio::test]
async fn jt808_session_in_every_edition() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    for variant in [Variant::V2011, Variant::V2013, Variant::V2019] {
        let before = reports(&log).await.len();
        let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000001", variant).await;
        let serial = terminal.next_serial();
        line.send(&terminal.location(&location())).await;
        assert_eq!(
            line.answer().await,
            Some(Answer::General {
                serial,
                id: 0x0200,
                result: 0
            })
        );
        // Back-fill that needs sub-packages: each is answered, once all is durable.
        let stored: Vec<Location> = (0..60).map(|_| location()).collect();
        let serial = terminal.next_serial();
        let frames = terminal.batch(&stored, true);
        assert!(frames.len() > 1, "needs sub-packages");
        for frame in &frames {
            line.send(frame).await;
        }
        for number in 0..frames.len() {
            let serial = serial + u16::try_from(number).unwrap();
            assert_eq!(
                line.answer().await,
                Some(Answer::General {
                    serial,
                    id: 0x0704,
                    result: 0
                })
            );
        }
        line.send(&terminal.heartbeat()).await;
        assert!(matches!(
            line.answer().await,
            Some(Answer::General {
                id: 0x0002,
                result: 0,
                ..
            })
        ));
        let all = reports(&log).await;
        assert_eq!(all.len() - before, 61, "{variant:?}");
        assert_eq!(all.iter().filter(|report| report.backfill).count() % 60, 0);
        assert_eq!(all[before].battery_percent, Some(80));
        assert_eq!(all[before].device_id, DeviceId::from_name("T-1").to_wire());
    }
}

#[tokio::test]
async fn a_code_is_handed_out_to_whom_the_settings_say() {
    let network = "127.0.0.0/8".parse().unwrap();
    let people = || {
        let bound = Known {
            networks: vec![network],
            ..known("T-4", Some(b"code-4"))
        };
        let free = known("T-1", Some(b"code-1"));
        Directory::fixed([
            (Protocol::Jt808, "13900000001".to_owned(), free),
            (Protocol::Jt808, "13900000004".to_owned(), bound),
        ])
    };
    // With which result each is answered, without and with networks.
    for (hand_out_code, free, bound) in [(HandOut::Always, 0, 0), (HandOut::Bound, 3, 0), (HandOut::Never, 3, 3)] {
        let log = MemoryLog::new(4);
        let config = Config {
            hand_out_code,
            ..config()
        };
        let handle = Gateway::start(config, Arc::new(log), people(), None).await.unwrap();
        for (digits, expected) in [("13900000001", free), ("13900000004", bound)] {
            let mut line = Jt808Line::open(handle.jt808).await;
            let mut terminal = Terminal::new(digits, Variant::V2013).unwrap();
            line.send(&terminal.register("HMWRD", "ANKLE-1", "0000001")).await;
            let Some(Answer::Registered { result, code, .. }) = line.answer().await else {
                panic!("no answer to a registration")
            };
            assert_eq!(
                (result, code.is_empty()),
                (expected, expected != 0),
                "{hand_out_code:?} {digits}"
            );
            // Whoever has the code needs no registration.
            let code = format!("code-{}", &digits[10..]);
            line.send(&terminal.authenticate(code.as_bytes())).await;
            assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
        }
    }
}

#[tokio::test]
async fn jt808_strangers_are_refused() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut line = Jt808Line::open(handle.jt808).await;
    let mut stranger = Terminal::new("13999999999", Variant::V2013).unwrap();
    line.send(&stranger.register("HMWRD", "ANKLE-1", "1")).await;
    assert!(
        matches!(line.answer().await, Some(Answer::Registered { result: 4, .. })),
        "no such terminal"
    );
    line.send(&stranger.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 1,
            ..
        })
    ));
    // Known, but with a wrong code or none.
    let mut terminal = Terminal::new("13900000001", Variant::V2013).unwrap();
    line.send(&terminal.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 1,
            ..
        })
    ));
    line.send(&terminal.authenticate(b"guess")).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0102,
            result: 1,
            ..
        })
    ));
    assert_eq!(reports(&log).await, []);
    // Without a secret, a terminal may report at once.
    let mut open = Terminal::new("13900000002", Variant::V2019).unwrap();
    line.send(&open.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 0,
            ..
        })
    ));
    assert_eq!(reports(&log).await.len(), 1);
}

#[tokio::test]
async fn garbage_does_not_cost_the_frame_after_it() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000001", Variant::V2013).await;
    let good = terminal.location(&location());
    let mut corrupt = terminal.location(&location()).to_vec();
    corrupt[20] ^= 0x01;
    let cut = &good[..30];
    for garbage in [
        &b"GET / HTTP/1.1\r\n"[..],
        &corrupt,
        cut,
        &[0x7e, 0x7e, 0x7d, 0x7e],
        &[0xe7; 9],
        &[0x55; 9_000],
    ] {
        line.send(garbage).await;
        let serial = terminal.next_serial();
        line.send(&terminal.location(&location())).await;
        assert_eq!(
            line.answer().await,
            Some(Answer::General {
                serial,
                id: 0x0200,
                result: 0
            }),
            "{garbage:02x?}"
        );
    }
    // One byte at a time.
    let serial = terminal.next_serial();
    for byte in terminal.location(&location()) {
        line.send(&[byte]).await;
    }
    assert_eq!(
        line.answer().await,
        Some(Answer::General {
            serial,
            id: 0x0200,
            result: 0
        })
    );
    assert_eq!(reports(&log).await.len(), 7);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut line = NativeLine::opened(&handle).await;
    let (mut terminal_line, mut terminal) = Jt808Line::opened(&handle, "13900000001", Variant::V2013).await;
    log.faults(|faults| faults.hold_appends = true);
    line.send(&client::reports(vec![report(1)])).await;
    terminal_line.send(&terminal.location(&location())).await;
    line.silence().await;
    terminal_line.silence().await;
    // Signs of life are answered meanwhile, so that nobody gives up the connection.
    line.send(&client::heartbeat(0, None)).await;
    assert!(matches!(line.answer().await, Some(Body::HeartbeatReply(_))));
    // Appends that fail are tried again while the session lives.
    log.faults(|faults| {
        faults.hold_appends = false;
        faults.refuse_appends = 3;
    });
    assert_eq!(line.acknowledged().await, 1);
    assert!(matches!(
        terminal_line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 0,
            ..
        })
    ));
    // A session that ends before its append has come back acknowledged nothing; the copy is recognised.
    log.faults(|faults| faults.hold_appends = true);
    let second = report(2);
    line.send(&client::reports(vec![second.clone()])).await;
    line.silence().await;
    drop(line);
    log.faults(|faults| faults.hold_appends = false);
    let mut line = NativeLine::opened(&handle).await;
    line.send(&client::reports(vec![second])).await;
    assert_eq!(line.acknowledged().await, 2);
    // A write whose acknowledgement was lost is appended again, under the same id.
    log.faults(|faults| faults.lose_acknowledgements = 1);
    line.send(&client::reports(vec![report(3)])).await;
    assert_eq!(line.acknowledged().await, 3);
    let mut ids: Vec<_> = reports(&log).await.into_iter().map(|report| report.report_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_stream_that_stands_still_stops_the_reading() {
    let log = MemoryLog::with_config(
        memory::Config {
            partitions: 1,
            ..memory::Config::default()
        },
        Timestamp::now,
    );
    let handle = start(&log).await;
    let mut line = NativeLine::opened(&handle).await;
    log.faults(|faults| faults.hold_appends = true);
    // Far more than the window and the socket buffers hold.
    let (reader, mut writer) = line.stream.into_split();
    let mut sequence = 0;
    let mut sent = 0;
    let blocked = loop {
        let batch: Vec<DeviceReport> = (0..256).map(|n| report(sequence + n + 1)).collect();
        let bytes = client::reports(batch);
        if timeout(BRIEFLY, writer.write_all(&bytes)).await.is_err() {
            break true; // a frame is cut in its middle: this session is of no more use
        }
        sequence += 256;
        sent += bytes.len();
        if sent > 64 * 1024 * 1024 {
            break false;
        }
    };
    assert!(blocked, "{sent} bytes taken while nothing could be appended");
    // Another session is not held up by it, but for the stream itself.
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-free", SECRET).await, Body::Welcome(_)));
    log.faults(|faults| faults.hold_appends = false);
    line = Line {
        stream: reader.reunite(writer).unwrap(),
        buffer: BytesMut::new(),
        framer: client::Answers::default(),
    };
    let mut last = 0;
    while last < sequence {
        last = line.acknowledged().await;
    }
    assert_eq!(reports(&log).await.len() as u64, sequence);
}

#[tokio::test]
async fn the_newest_session_of_a_device_wins() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut first = NativeLine::opened(&handle).await;
    let mut second = NativeLine::opened(&handle).await;
    assert_eq!(first.answer().await, None, "the older is closed");
    second.send(&client::reports(vec![report(1)])).await;
    assert_eq!(second.acknowledged().await, 1);
}

#[tokio::test]
async fn limits_hold() {
    let log = MemoryLog::new(4);
    let config = Config {
        max_sessions: 2,
        hello_within: Duration::from_millis(1_500),
        idle_after: Duration::from_millis(2_500),
        ..config()
    };
    let handle = Gateway::start(config, Arc::new(log.clone()), directory(), None)
        .await
        .unwrap();
    let mut open = NativeLine::opened(&handle).await;
    let mut slow = NativeLine::open(handle.native).await;
    slow.send(&[0, 0]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    // No room for a third.
    let mut third = NativeLine::open(handle.native).await;
    assert!(matches!(third.answer().await, Some(Body::Refusal(refusal)) if refusal.reason == "too many sessions"));
    assert_eq!(third.answer().await, None);
    // One byte now and then is no hello.
    assert_eq!(slow.next().await, None, "hello in time");
    // Silence ends a session.
    assert_eq!(open.answer().await, None, "idle");
    let mut again = NativeLine::opened(&handle).await;
    again.send(&client::heartbeat(0, None)).await;
    assert!(matches!(again.answer().await, Some(Body::HeartbeatReply(_))));
}

mod database {
    use casedb::Database;
    use stream::postgres::{self, PostgresLog};
    use testkit::TestDatabase;
    use uuid::Uuid;

    use super::*;

    const PARTITIONS: u32 = 4;

    async fn prepared() -> Option<(TestDatabase, Database, PersonId)> {
        let test = testkit::database().await.unwrap()?;
        casedb::migrate(&test.url, PARTITIONS).await.unwrap();
        postgres::migrate(&test.url, PARTITIONS).await.unwrap();
        let database = Database::connect(&test.url, 4).await.unwrap();
        let client = database.client().await.unwrap();
        let (agency, person) = (Uuid::now_v7(), PersonId::new(Uuid::now_v7()));
        let sql = "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ($1, 'a', 'Invented unit', 'police', 'UTC')";
        client.execute(sql, &[&agency]).await.unwrap();
        let sql =
            "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
            VALUES ($1, 'R-1', 'Invented Person', $2, $2, 'UTC')";
        client.execute(sql, &[&person.uuid(), &agency]).await.unwrap();
        let sql = "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
            VALUES ($1, $2, 'test', now() - interval '1 day', now() + interval '1 day')";
        client.execute(sql, &[&Uuid::now_v7(), &person.uuid()]).await.unwrap();
        Some((test, database, person))
    }

    fn device(protocol: &str, identity: &str) -> casedb::device::Device {
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
        assert!(
            matches!(line.log_in("HW-3", SECRET).await, Body::Refusal(refusal) if refusal.reason == "try again later")
        );
    }
}
