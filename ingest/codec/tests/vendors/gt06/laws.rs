//! Laws that hold for all bytes.

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Fault, Message, Piece, Protocol, Talk,
    gt06::{
        Frame, Gt06,
        frame::MAX_FRAME_BYTES,
        terminal::{Answer, Location, answer},
    },
    normalize,
};
use jiff::Timestamp;
use proptest::prelude::*;
use proto::{DeviceId, PersonId, wire::Alarm};

use super::{now, pieces, profile, terminal};

/// Bytes of which many begin or end a frame.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(vec![0x78, 0x78, 0x79, 0x79, 0x0d, 0x0a, 0x00, 0x05, 0x1f]);
    prop::collection::vec(prop_oneof![4 => special, 1 => any::<u8>()], 0..400)
}

fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut parts = Vec::new();
    let mut before = 0;
    for place in places {
        parts.push(&bytes[before..place]);
        before = place;
    }
    parts.push(&bytes[before..]);
    parts
}

prop_compose! {
    fn location()(
        second in 1_600_000_000_i64..4_000_000_000,
        latitude in -162_000_000_i32..=162_000_000,
        longitude in -324_000_000_i32..=324_000_000,
        valid: bool,
        speed in 0_u8..=255,
        course in 0_u16..360,
        satellites in 0_u8..=15,
        battery in 7_u8..=100,
        charging: bool,
        stored: bool,
        alarms in prop::sample::subsequence(vec![
            Alarm::Sos, Alarm::StrapTamper, Alarm::CaseTamper, Alarm::LowBattery, Alarm::PowerOff, Alarm::Jamming,
            Alarm::Vibration, Alarm::Fall, Alarm::Overspeed, Alarm::Other,
        ], 0..=10),
    ) -> Location {
        Location {
            valid,
            speed_kmh: f64::from(speed),
            course_deg: f64::from(course),
            satellites,
            battery_percent: battery,
            charging,
            stored,
            alarms,
            ..Location::new(
                Timestamp::from_second(second).unwrap(),
                f64::from(latitude) / 1_800_000.0,
                f64::from(longitude) / 1_800_000.0,
            )
        }
    }
}

prop_compose! {
    fn any_frame()(
        long: bool,
        kind: u8,
        content in prop::collection::vec(any::<u8>(), 0..250),
        serial: u16,
    ) -> Bytes {
        Frame { long, kind, content: &content, serial }.to_wire()
    }
}

fn messages(found: &[Piece]) -> Vec<Result<Vec<Message>, Fault>> {
    let mut talk = Gt06::default();
    let mut take = |piece: &Piece| match piece {
        Piece::Frame(frame) => talk.take(frame, profile(), now()).map(|decoded| decoded.messages),
        Piece::Malformed(bad) => Err(bad.fault.clone()),
    };
    found.iter().map(&mut take).collect()
}

fn can_be_recorded(said: &[Result<Vec<Message>, Fault>]) -> bool {
    let (device, person) = (DeviceId::from_name("d"), PersonId::from_name("p"));
    said.iter().flatten().flatten().all(|message| match message {
        Message::Report(report) => {
            !report.natural_key.is_empty() && normalize::report(Protocol::Gt06, device, person, now(), report).is_ok()
        }
        _ => true,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_split_gives_the_same_pieces_and_reports(
        parts in prop::collection::vec((nasty(), any_frame(), location()), 1..6),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut terminal = terminal();
        let mut stream = Vec::new();
        for (garbage, frame, location) in &parts {
            stream.extend_from_slice(garbage);
            stream.extend_from_slice(frame);
            stream.extend(terminal.location(location).concat());
        }
        let whole = pieces(&[&stream]);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&pieces(&cut(&stream, &places)), &whole);
        prop_assert_eq!(&pieces(&bytes), &whole);
        let again: Vec<u8> = whole.iter().flat_map(|piece| match piece {
            Piece::Frame(frame) => frame.to_vec(),
            Piece::Malformed(bad) => bad.raw.to_vec(),
        }).collect();
        prop_assert_eq!(again, stream, "every byte once");
        prop_assert!(can_be_recorded(&messages(&whole)));
    }

    #[test]
    fn a_good_frame_after_garbage_is_found(garbage in nasty(), frame in any_frame(), location in location()) {
        let good = &terminal().location(&location)[0];
        let found = pieces(&[&garbage, &frame, good]);
        prop_assert_eq!(found.last(), Some(&Piece::Frame(good.clone())));
        prop_assert!(found.contains(&Piece::Frame(frame)));
    }

    #[test]
    fn nothing_panics_stalls_or_grows(bytes in prop::collection::vec(any::<u8>(), 0..5_000), nasty in nasty(), size in 1_usize..600) {
        for bytes in [&bytes, &nasty] {
            let parts: Vec<&[u8]> = bytes.chunks(size).collect();
            let found = pieces(&parts);
            prop_assert!(can_be_recorded(&messages(&found)));
            for piece in &found {
                let raw = match piece { Piece::Frame(frame) => frame, Piece::Malformed(bad) => &bad.raw };
                prop_assert!(!raw.is_empty() && raw.len() <= MAX_FRAME_BYTES);
            }
            let _ = answer(bytes);
            let _ = Gt06::identity(bytes);
        }
    }

    #[test]
    fn any_content_is_read_or_refused(long: bool, kind: u8, content in prop::collection::vec(any::<u8>(), 0..120), zeros in 0_usize..100) {
        // Random bytes rarely make sense: the other half of the contents is short of them.
        let sparse = [&content[..content.len() / 4], &vec![0; zeros]].concat();
        for content in [&content, &sparse] {
            let wire = Frame { long, kind, content, serial: 7 }.to_wire();
            let mut talk = Gt06::default();
            if let Ok(decoded) = talk.take(&wire, profile(), now()) {
                prop_assert!(can_be_recorded(&[Ok(decoded.messages)]));
                prop_assert!(decoded.reply.is_none_or(|reply| Frame::parse(&reply).is_ok()));
            }
        }
    }

    #[test]
    fn frames_come_back(wire in any_frame(), tail in prop::collection::vec(any::<u8>(), 1..8)) {
        let frame = Frame::parse(&wire).unwrap();
        prop_assert_eq!(frame.to_wire(), wire.clone());
        prop_assert_eq!(pieces(&[&wire]), [Piece::Frame(wire.clone())]);
        let mut broken = BytesMut::from(&wire[..]);
        let at = usize::from(tail[0]) % (wire.len() - 7) + 3;
        broken[at] ^= 1 << (tail.len() - 1);
        prop_assert!(Frame::parse(&broken).is_err(), "a changed bit is noticed");
    }

    #[test]
    fn what_a_terminal_says_is_what_is_understood(location in location()) {
        let wires = terminal().location(&location);
        prop_assert_eq!(wires.len(), location.alarms.len().max(1));
        let mut alarms = Vec::new();
        for wire in &wires {
            let mut talk = Gt06::default();
            let decoded = talk.take(wire, profile(), now()).unwrap();
            let [Message::Report(report)] = &decoded.messages[..] else { panic!("{decoded:?}") };
            let fix = report.fix.as_ref().unwrap();
            prop_assert_eq!((fix.valid, fix.latitude, fix.longitude), (location.valid, location.latitude, location.longitude));
            prop_assert_eq!((fix.speed_kmh, fix.course_deg), (Some(location.speed_kmh), Some(location.course_deg)));
            prop_assert_eq!(fix.satellites, Some(u32::from(location.satellites)));
            prop_assert_eq!(report.fix_time, location.time);
            prop_assert_eq!((report.battery_percent, report.charging), (Some(u32::from(location.battery_percent)), Some(location.charging)));
            prop_assert_eq!(report.stored, location.stored);
            alarms.extend(report.alarms.iter().copied());
            let frame = Frame::parse(wire).unwrap();
            prop_assert_eq!(answer(&decoded.reply.unwrap()), Ok(Answer::Taken { kind: frame.kind, serial: frame.serial }));
        }
        prop_assert_eq!(alarms, location.alarms);
    }
}
