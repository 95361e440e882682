//! The gateway over real sockets: on the memory log, and on PostgreSQL with the case database where there is one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

mod attacks;
mod clocks;
mod commands;
mod database;
mod datagrams;
mod elsewhere;
mod flow;
mod jt808_sessions;
mod kept;
mod native_sessions;
mod safety;
mod sessions;
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
