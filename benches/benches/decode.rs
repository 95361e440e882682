//! Decoding in memory, one core: bytes of a stream to reports in our words, all five protocols.
//!
//! `cargo bench -p homeward-benches --bench decode` prints criterion's figures, then positions a second beside those of a reference
//! server's decoders (Java, one thread). Theirs were measured on another day; a plain prost decode in the same run tells how fast this
//! machine is now.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that cannot be set up must stop"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use codec::{
    Message, Piece, Profile, Talk,
    eelink::{self, Eelink},
    gt06::{self, Gt06},
    jt808::{self, Assembled, Item, Variant},
    native,
    teltonika::{self, Teltonika},
};
use criterion::{Criterion, Throughput};
use jiff::Timestamp;
use prost::Message as _;
use proto::wire;
use tokio_util::codec::Decoder;

const POSITIONS: usize = 1_000;
const BATCH: usize = 20;
const IMEI: &str = "490154203237518";

/// A name, the reference's positions a second, the stream, and how it is read.
type Case = (&'static str, Option<f64>, BytesMut, fn(&mut BytesMut) -> usize);

fn start() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().expect("a time")
}

fn place(n: usize) -> (Timestamp, f64, f64) {
    let seconds = i64::try_from(n).expect("a small number");
    let time = start() + jiff::SignedDuration::from_secs(10 * seconds);
    (time, 30.28 + n as f64 * 1e-5, 120.16)
}

fn jt808_location(n: usize) -> jt808::terminal::Location {
    let (time, latitude, longitude) = place(n);
    jt808::terminal::Location {
        speed_kmh: 4.5,
        course_deg: 90.0,
        satellites: Some(9),
        battery_percent: Some(80),
        mileage_m: Some(12_300),
        signal: Some(25),
        ..jt808::terminal::Location::new(time, latitude, longitude)
    }
}

fn jt808_stream() -> BytesMut {
    let mut terminal = jt808::terminal::Terminal::new("90000001", Variant::V2013).expect("a terminal number");
    let frames = (0..POSITIONS).map(|n| terminal.location(&jt808_location(n)));
    frames.flatten().collect()
}

fn jt808_batches() -> BytesMut {
    let mut terminal = jt808::terminal::Terminal::new("90000001", Variant::V2013).expect("a terminal number");
    let mut stream = BytesMut::new();
    for first in (0..POSITIONS).step_by(BATCH) {
        let locations: Vec<_> = (first..first + BATCH).map(jt808_location).collect();
        for frame in terminal.batch(&locations, true) {
            stream.extend_from_slice(&frame);
        }
    }
    stream
}

/// As the gateway does: frames, sub-packages, bodies, identity.
fn read_jt808(stream: &mut BytesMut) -> usize {
    let profile = Profile::default_for(codec::Protocol::Jt808);
    let mut framer = jt808::Framer::default();
    let mut assembler = jt808::Assembler::default();
    let now = start();
    let mut positions = 0;
    while let Ok(Some(item)) = framer.decode(stream) {
        let Item::Frame(frame) = item else {
            panic!("a bad frame")
        };
        let (header, body) = frame.parse().expect("a frame");
        black_box(header.phone.identity());
        if let Assembled::Whole { body, .. } = assembler.take(&header, body, now).expect("a part") {
            let content = jt808::decode_body_with(&header, &body, profile).expect("a body");
            positions += reports(&content.messages);
        }
    }
    positions
}

fn native_report(n: usize) -> wire::DeviceReport {
    let (time, latitude, _) = place(n);
    wire::DeviceReport {
        sequence: 1 + n as u64,
        fix_time_us: time.as_microsecond(),
        position: Some(wire::Position {
            latitude_e7: codec_e7(latitude),
            longitude_e7: 1_201_600_000,
            valid: true,
            source: wire::FixSource::Gnss.into(),
            accuracy_m: Some(6.0),
            speed_kmh: Some(4.5),
            course_deg: Some(90.0),
            satellites: Some(9),
            ..Default::default()
        }),
        battery_percent: Some(80),
        strap: wire::Strap::Closed.into(),
        ..Default::default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a latitude")]
fn codec_e7(degrees: f64) -> i32 {
    (degrees * 1e7) as i32
}

fn native_stream(batch: usize) -> BytesMut {
    let frames = (0..POSITIONS).step_by(batch);
    let frames = frames.map(|first| native::client::reports((first..first + batch).map(native_report).collect()));
    frames.flatten().collect()
}

fn read_native(stream: &mut BytesMut) -> usize {
    let mut framer = native::Framer::<wire::DeviceFrame>::default();
    let mut positions = 0;
    while let Ok(Some(item)) = framer.decode(stream) {
        let native::Item::Frame(frame) = item else {
            panic!("a bad frame")
        };
        positions += reports(&native::gateway::decode(&frame).expect("reports").messages);
    }
    positions
}

fn teltonika_stream(batch: usize) -> BytesMut {
    let mut terminal = teltonika::terminal::Terminal::new(IMEI);
    let location = |n| {
        let (time, latitude, longitude) = place(n);
        teltonika::terminal::Location {
            speed_kmh: 4.0,
            course_deg: 90.0,
            satellites: Some(9),
            battery_percent: Some(80),
            mileage_m: Some(12_300),
            signal: Some(24),
            motion: wire::Motion::Moving,
            ..teltonika::terminal::Location::new(time, latitude, longitude)
        }
    };
    let mut stream = BytesMut::from(&terminal.login()[..]);
    for first in (0..POSITIONS).step_by(batch) {
        let locations: Vec<_> = (first..first + batch).map(location).collect();
        stream.extend_from_slice(&terminal.records(&locations));
    }
    stream
}

fn gt06_stream() -> BytesMut {
    let mut terminal = gt06::terminal::Terminal::new(IMEI).expect("an IMEI");
    let mut stream = BytesMut::from(&terminal.log_in(0, 0)[..]);
    for n in 0..POSITIONS {
        let (time, latitude, longitude) = place(n);
        for frame in terminal.location(&gt06::terminal::Location::new(time, latitude, longitude)) {
            stream.extend_from_slice(&frame);
        }
    }
    stream
}

fn eelink_stream() -> BytesMut {
    let mut terminal = eelink::terminal::Terminal::new(IMEI).expect("an IMEI");
    let mut stream = BytesMut::from(&terminal.login().to_wire()[..]);
    for n in 0..POSITIONS {
        let (time, latitude, longitude) = place(n);
        let location = eelink::terminal::Location::new(time, latitude, longitude);
        for package in terminal.report(&location, &[]) {
            stream.extend_from_slice(&package.to_wire());
        }
    }
    stream
}

fn read<T: Talk>(stream: &mut BytesMut) -> usize {
    let profile = Profile::default_for(T::PROTOCOL);
    let mut talk = T::default();
    let mut framer = T::Framer::default();
    let now = start();
    let mut positions = 0;
    while let Ok(Some(piece)) = framer.decode(stream) {
        let frame: Bytes = match piece {
            Piece::Frame(frame) => frame,
            Piece::Malformed(bad) => panic!("{bad:?}"),
        };
        let decoded = talk.take(&frame, profile, now).expect("a frame");
        positions += reports(&decoded.messages);
        black_box(decoded.reply);
    }
    positions
}

fn reports(messages: &[Message]) -> usize {
    messages
        .iter()
        .filter(|message| matches!(black_box(message), Message::Report(report) if report.fix.is_some()))
        .count()
}

fn cases() -> Vec<Case> {
    vec![
        ("native, one report a frame", None, native_stream(1), read_native),
        ("native, 20 reports a frame", None, native_stream(BATCH), read_native),
        ("jt808, 0x0200", Some(431_000.0), jt808_stream(), read_jt808),
        ("jt808, 0x0704 of 20", Some(431_000.0), jt808_batches(), read_jt808),
        (
            "teltonika, one record a frame",
            Some(328_000.0),
            teltonika_stream(1),
            read::<Teltonika>,
        ),
        (
            "teltonika, 20 records a frame",
            Some(328_000.0),
            teltonika_stream(BATCH),
            read::<Teltonika>,
        ),
        ("gt06", Some(229_000.0), gt06_stream(), read::<Gt06>),
        ("eelink", Some(792_000.0), eelink_stream(), read::<Eelink>),
    ]
}

fn encoded() -> Vec<Vec<u8>> {
    (0..POSITIONS).map(|n| native_report(n).encode_to_vec()).collect()
}

fn prost_alone(encoded: &[Vec<u8>]) {
    for bytes in encoded {
        black_box(wire::DeviceReport::decode(bytes.as_slice()).expect("a report"));
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(POSITIONS as u64));
    for (name, _, stream, read) in cases() {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                assert_eq!(read(&mut stream.clone()), POSITIONS);
            });
        });
    }
    let encoded = encoded();
    group.bench_function("prost decode of the report alone", |bencher| {
        bencher.iter(|| prost_alone(&encoded));
    });
    group.finish();
}

/// Positions a second, the best of several short runs: what others do on the machine only makes it slower.
fn fastest(mut run: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        let began = Instant::now();
        run();
        best = best.min(began.elapsed());
    }
    POSITIONS as f64 / best.as_secs_f64()
}

fn table() {
    println!(
        "\n{:<34}{:>16}{:>16}{:>8}",
        "positions a second, one core", "here", "reference", "ratio"
    );
    for (name, reference, stream, read) in cases() {
        let here = fastest(|| assert_eq!(read(&mut stream.clone()), POSITIONS));
        match reference {
            Some(reference) => println!("{name:<34}{here:>16.0}{reference:>16.0}{:>8.1}", here / reference),
            None => println!("{name:<34}{here:>16.0}{:>16}{:>8}", "", ""),
        }
    }
    let encoded = encoded();
    println!(
        "{:<34}{:>16.0}",
        "prost decode of the report alone",
        fastest(|| prost_alone(&encoded))
    );
    println!("reference: a reference server's own decoders (Java, one thread), as given, not measured in this run");
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decode(&mut criterion);
    criterion.final_summary();
    table();
}
