//! Decoding in memory, one core: positions a second, beside the reference of a plain prost decode in the same run.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that cannot be set up must stop"
)]

use bytes::BytesMut;
use codec::{
    jt808::{
        self, Item, Variant,
        terminal::{Location, Terminal},
    },
    native,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use proto::wire;
use tokio_util::codec::Decoder;

const FRAMES: usize = 1_000;

fn jt808_stream() -> BytesMut {
    let mut terminal = Terminal::new("90000001", Variant::V2013).expect("a terminal number");
    let time: jiff::Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
    let mut stream = BytesMut::new();
    for n in 0..FRAMES {
        let mut location = Location::new(time, 30.28 + n as f64 * 1e-5, 120.16);
        location.satellites = Some(9);
        location.battery_percent = Some(80);
        stream.extend_from_slice(&terminal.location(&location));
    }
    stream
}

fn native_reports() -> Vec<wire::DeviceReport> {
    let report = |n: usize| wire::DeviceReport {
        sequence: n as u64,
        fix_time_us: 1_772_452_800_000_000 + n.cast_signed() as i64 * 1_000_000,
        position: Some(wire::Position {
            latitude_e7: 302_800_000 + i32::try_from(n).unwrap_or(0),
            longitude_e7: 1_201_600_000,
            valid: true,
            source: wire::FixSource::Gnss as i32,
            accuracy_m: Some(6.0),
            ..Default::default()
        }),
        battery_percent: Some(80),
        ..Default::default()
    };
    (0..FRAMES).map(report).collect()
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(FRAMES as u64));

    let stream = jt808_stream();
    group.bench_function("jt808", |bencher| {
        bencher.iter(|| {
            let mut buffer = stream.clone();
            let mut framer = jt808::Framer::default();
            let mut positions = 0;
            while let Ok(Some(item)) = framer.decode(&mut buffer) {
                let Item::Frame(frame) = item else {
                    panic!("a bad frame")
                };
                let (header, body) = frame.parse().expect("a frame");
                positions += jt808::decode_body(&header, &body).expect("a body").messages.len();
            }
            assert_eq!(positions, FRAMES);
        });
    });

    let mut wire = BytesMut::new();
    for report in native_reports() {
        wire.extend_from_slice(&native::client::reports(vec![report]));
    }
    group.bench_function("native", |bencher| {
        bencher.iter(|| {
            let mut buffer = wire.clone();
            let mut framer = native::Framer::<wire::DeviceFrame>::default();
            let mut positions = 0;
            while let Ok(Some(item)) = framer.decode(&mut buffer) {
                let native::Item::Frame(wire::DeviceFrame {
                    body: Some(wire::device_frame::Body::Reports(batch)),
                }) = item
                else {
                    panic!("another frame")
                };
                positions += batch.reports.len();
            }
            assert_eq!(positions, FRAMES);
        });
    });

    let encoded: Vec<Vec<u8>> = native_reports().iter().map(Message::encode_to_vec).collect();
    group.bench_function("reference: prost decode of the report alone", |bencher| {
        bencher.iter(|| {
            for bytes in &encoded {
                std::hint::black_box(wire::DeviceReport::decode(bytes.as_slice()).expect("a report"));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
