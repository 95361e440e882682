//! Laws that hold for all bytes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use bytes::{BufMut, Bytes, BytesMut};
use homeward_codec::{
    Message, Protocol, decode_line,
    jt808::{
        self, Delimiter, Frame, Framer, Header, Item, Phone, Variant, decode_body,
        frame::MAX_FRAME_BYTES,
        terminal::{Location, Terminal},
    },
    native::{self, client, gateway},
    normalize,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proto::{
    DeviceId, PersonId,
    wire::{Alarm, DeviceFrame, DeviceReport, Position},
};
use tokio_util::codec::Decoder;

/// All items of a stream that arrives in pieces.
fn items(pieces: &[&[u8]]) -> Vec<Item> {
    let mut framer = Framer::default();
    let mut source = BytesMut::new();
    let mut found = Vec::new();
    for piece in pieces {
        source.extend_from_slice(piece);
        while let Some(item) = framer.decode(&mut source).unwrap() {
            found.push(item);
        }
        assert!(source.is_empty() && framer.held() <= MAX_FRAME_BYTES, "bounded");
    }
    found.extend(framer.finish());
    found
}

fn frames(pieces: &[&[u8]]) -> Vec<Frame> {
    let frame = |item| {
        if let Item::Frame(frame) = item {
            Some(frame)
        } else {
            None
        }
    };
    items(pieces).into_iter().filter_map(frame).collect()
}

fn native_items(pieces: &[&[u8]]) -> Vec<native::Item<DeviceFrame>> {
    let mut framer = native::Framer::<DeviceFrame>::default();
    let mut source = BytesMut::new();
    let mut found = Vec::new();
    for piece in pieces {
        source.extend_from_slice(piece);
        while let Some(item) = framer.decode(&mut source).unwrap() {
            found.push(item);
        }
        assert!(source.len() <= 4 + native::MAX_FRAME_BYTES, "bounded");
    }
    while let Some(item) = framer.decode_eof(&mut source).unwrap() {
        found.push(item);
    }
    found
}

/// Cuts bytes at some places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut pieces = Vec::new();
    let mut rest = bytes;
    let mut taken = 0;
    for place in places {
        let (piece, after) = rest.split_at(place - taken);
        pieces.push(piece);
        taken = place;
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Bytes of which many are delimiters and escapes.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(vec![0x7e, 0x7d, 0x01, 0x02, 0xe7, 0xe6, 0x3e, 0x3d, b'(', b')', 0x00]);
    prop::collection::vec(prop_oneof![special, any::<u8>()], 0..300)
}

fn variant() -> impl Strategy<Value = Variant> {
    prop::sample::select(vec![Variant::V2011, Variant::V2013, Variant::V2019])
}

prop_compose! {
    fn location()(
        second in 1_600_000_000_i64..4_000_000_000,
        latitude in -90_000_000_i32..=90_000_000,
        longitude in -180_000_000_i32..=180_000_000,
        valid: bool,
        altitude in -500_i16..9_000,
        tenths in 0_u16..3_000,
        course in 0_u16..360,
        satellites in prop::option::of(0_u8..40),
        battery in prop::option::of(0_u8..=100),
        charging: bool,
        alarms in prop::sample::subsequence(vec![
            Alarm::Sos, Alarm::StrapTamper, Alarm::CaseTamper, Alarm::LowBattery, Alarm::PowerOff, Alarm::Vibration,
            Alarm::GnssFault, Alarm::Overspeed, Alarm::Other,
        ], 0..=9),
    ) -> Location {
        Location {
            valid,
            altitude_m: f64::from(altitude),
            speed_kmh: f64::from(tenths) / 10.0,
            course_deg: f64::from(course),
            satellites,
            battery_percent: battery,
            charging,
            alarms,
            ..Location::new(
                Timestamp::from_second(second).unwrap(),
                f64::from(latitude) / 1e6,
                f64::from(longitude) / 1e6,
            )
        }
    }
}

prop_compose! {
    fn native_report()(
        sequence in 1_u64..1 << 60,
        second in 1_600_000_000_i64..4_000_000_000,
        position in prop::option::of((-900_000_000_i32..=900_000_000, -1_800_000_000_i32..=1_800_000_000, any::<bool>())),
        battery_percent in prop::option::of(0_u32..=100),
        strap in 0_i32..3,
        stored: bool,
    ) -> DeviceReport {
        DeviceReport {
            sequence,
            fix_time_us: second * 1_000_000,
            stored,
            position: position.map(|(latitude_e7, longitude_e7, valid)| Position {
                latitude_e7, longitude_e7, valid, source: 1, ..Position::default()
            }),
            battery_percent,
            strap,
            ..DeviceReport::default()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_split_gives_the_same_items(
        parts in prop::collection::vec((nasty(), location()), 1..5),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        variant in variant(),
    ) {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        let mut stream = Vec::new();
        for (garbage, location) in &parts {
            stream.extend_from_slice(garbage);
            stream.extend_from_slice(&terminal.location(location));
        }
        let whole = items(&[&stream]);
        prop_assert_eq!(&items(&cut(&stream, &places)), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&items(&bytes), &whole);
    }

    #[test]
    fn a_good_frame_after_garbage_is_found(garbage in nasty(), location in location(), variant in variant()) {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        // Once a session speaks the standard's framing, nothing can make it miss a frame but an open text or an end cut off:
        // a second frame settles those.
        let first = terminal.location(&location);
        let (good, again) = (terminal.location(&location), terminal.location(&location));
        let found = frames(&[&first, &garbage, &good, &again]);
        prop_assert_eq!(found.last().map(Frame::to_wire), Some(again));
        if !garbage.contains(&b'(') {
            prop_assert!(found.iter().any(|frame| frame.to_wire() == good));
        }
    }

    #[test]
    fn garbage_at_the_start_costs_at_most_one_frame(garbage in nasty(), location in location()) {
        let mut terminal = Terminal::new("13912345678", Variant::V2013).unwrap();
        let (good, again) = (terminal.location(&location), terminal.location(&location));
        let found = frames(&[&garbage, &good, &again]);
        prop_assert_eq!(found.last().map(Frame::to_wire), Some(again));
    }

    #[test]
    fn glued_frames_come_apart(locations in prop::collection::vec(location(), 1..6), variant in variant(), shared: bool) {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        let wires: Vec<Bytes> = locations.iter().map(|location| terminal.location(location)).collect();
        let mut stream = Vec::new();
        for wire in &wires {
            // Some devices let two frames share a delimiter.
            if shared && !stream.is_empty() {
                stream.pop();
            }
            stream.extend_from_slice(wire);
        }
        let found: Vec<Bytes> = frames(&[&stream]).iter().map(Frame::to_wire).collect();
        prop_assert_eq!(found, wires);
    }

    #[test]
    fn nothing_panics_stalls_or_grows(bytes in prop::collection::vec(any::<u8>(), 0..2_000), nasty in nasty()) {
        let hex = hex::encode(&bytes);
        for protocol in Protocol::ALL {
            let _ = decode_line(protocol, 1, &hex, Timestamp::UNIX_EPOCH);
            let _ = decode_line(protocol, 1, &hex::encode(&nasty), Timestamp::UNIX_EPOCH);
        }
        let found = items(&[&bytes, &nasty]);
        let malformed: usize = found
            .iter()
            .map(|item| if let Item::Malformed(bad) = item { bad.raw.len() } else { 0 })
            .sum();
        // Bytes may be reported twice: as no frame between 0xe7, and again as none between 0x7e.
        prop_assert!(malformed <= 2 * (bytes.len() + nasty.len()));
    }

    #[test]
    fn any_body_is_decoded_or_refused(id: u16, properties: u16, version: Option<u8>, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let phone = Phone::from_digits("13912345678", Variant::V2013).unwrap();
        let header = Header { id, properties, version, ..Header::of_terminal(phone, Variant::V2013) };
        for id in [id, 0x0100, 0x0102, 0x0200, 0x0201, 0x0210, 0x0704, 0x0900, 0x5501, 0x5502] {
            let header = Header { id, ..header.clone() };
            let Ok(content) = decode_body(&header, &body) else { continue };
            for message in content.messages {
                let Message::Report(report) = message else { continue };
                let person = PersonId::from_name("p");
                let record = normalize::report(Protocol::Jt808, DeviceId::from_name("d"), person, Timestamp::UNIX_EPOCH, &report);
                prop_assert!(record.is_ok(), "what the decoder lets through can be recorded");
            }
        }
    }

    #[test]
    fn escaping_comes_back(content in nasty(), alternative: bool) {
        let delimiter = if alternative { Delimiter::Alternative } else { Delimiter::Standard };
        let mut wire = BytesMut::new();
        delimiter.escape(&content, &mut wire);
        let inside = &wire[1..wire.len() - 1];
        prop_assert!(!inside.contains(&delimiter.byte()));
        let plain = delimiter.unescape(inside).unwrap();
        prop_assert_eq!(&plain[..], &content[..]);
        let mut again = BytesMut::new();
        delimiter.escape(&plain, &mut again);
        prop_assert_eq!(again, wire);
    }

    #[test]
    fn frames_come_back(content in prop::collection::vec(any::<u8>(), 11..300), alternative: bool) {
        // No message id begins so; between two of the other delimiters it would look like a frame of its own.
        prop_assume!(content[0] != 0x7e);
        let delimiter = if alternative { Delimiter::Alternative } else { Delimiter::Standard };
        let frame = Frame { delimiter, content: content.into() };
        let found = frames(&[&frame.to_wire()]);
        prop_assert_eq!(&found, &[frame]);
    }

    #[test]
    fn what_a_terminal_says_is_what_is_understood(location in location(), variant in variant(), stored: bool) {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        let wire = &terminal.batch(std::slice::from_ref(&location), stored)[0];
        let (header, body) = frames(&[wire])[0].parse().unwrap();
        let content = decode_body(&header, &body).unwrap();
        let [Message::Report(report)] = &content.messages[..] else { panic!("{content:?}") };
        let fix = report.fix.as_ref().unwrap();
        prop_assert_eq!((fix.valid, fix.latitude, fix.longitude), (location.valid, location.latitude, location.longitude));
        prop_assert_eq!(
            (fix.altitude_m, fix.speed_kmh, fix.course_deg),
            (Some(location.altitude_m), Some(location.speed_kmh), Some(location.course_deg))
        );
        prop_assert_eq!(report.fix_time, location.time);
        prop_assert_eq!(fix.satellites, location.satellites.map(u32::from));
        prop_assert_eq!(report.battery_percent, location.battery_percent.map(u32::from));
        prop_assert_eq!(report.charging, (location.charging && location.battery_percent.is_some()).then_some(true));
        prop_assert_eq!(&report.alarms, &location.alarms);
        prop_assert_eq!(report.stored, stored);
    }

    #[test]
    fn sub_packages_of_any_size_give_the_same_body(body in prop::collection::vec(any::<u8>(), 1..3_000), chunk in 60_usize..1_023, variant in variant()) {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        let wires = terminal.split(0x0704, &body, chunk);
        let stream: Vec<u8> = wires.concat();
        let mut assembler = jt808::Assembler::default();
        let mut whole = None;
        for frame in frames(&[&stream]) {
            let (header, part) = frame.parse().unwrap();
            if let jt808::Assembled::Whole { body, serials } = assembler.take(&header, part, Timestamp::UNIX_EPOCH).unwrap() {
                prop_assert_eq!(serials.len(), wires.len());
                whole = Some(body);
            }
        }
        prop_assert_eq!(whole.as_deref(), Some(&body[..]));
    }

    #[test]
    fn native_frames_come_back_however_they_are_split(
        reports in prop::collection::vec(native_report(), 0..20),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        tail in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut stream = BytesMut::new();
        stream.put_slice(&client::hello("HW-1", [1; 16], ""));
        stream.put_slice(&client::reports(reports.clone()));
        stream.put_slice(&client::heartbeat(1, None));
        stream.put_slice(&tail);
        let whole = native_items(&[&stream]);
        let native::Item::Frame(frame) = &whole[1] else { panic!("{whole:?}") };
        let again = native::to_wire(frame);
        prop_assert_eq!(again, client::reports(reports));
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        for pieces in [cut(&stream, &places), bytes] {
            let split = native_items(&pieces);
            // Past a length that no frame has, how much is kept of the rest depends on what has arrived.
            prop_assert_eq!(split.len(), whole.len());
            prop_assert_eq!(&split[..3], &whole[..3]);
        }
        let _ = gateway::decode(frame);
    }

    #[test]
    fn native_reports_keep_their_values(report in native_report()) {
        let frame = DeviceFrame { body: Some(proto::wire::device_frame::Body::Reports(proto::wire::ReportBatch { reports: vec![report.clone()] })) };
        let decoded = gateway::decode(&frame).unwrap();
        let [Message::Report(ours)] = &decoded.messages[..] else { panic!("{decoded:?}") };
        let received = Timestamp::from_microsecond(report.fix_time_us).unwrap();
        let record = normalize::report(Protocol::Native, DeviceId::from_name("d"), PersonId::from_name("p"), received, ours).unwrap();
        prop_assert_eq!((record.sequence, record.fix_time_us, record.backfill), (report.sequence, report.fix_time_us, report.stored));
        prop_assert_eq!((record.battery_percent, record.strap), (report.battery_percent, report.strap));
        prop_assert_eq!(
            record.position.map(|p| (p.latitude_e7, p.longitude_e7, p.valid)),
            report.position.map(|p| (p.latitude_e7, p.longitude_e7, p.valid))
        );
    }
}
