//! Laws that hold for all bytes.

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Message, Piece, Talk,
    teltonika::{
        Framer, Teltonika,
        avl::{Head, Record},
        codec::{self, Layout},
        reply,
        terminal::{Location, Terminal},
    },
};
use jiff::Timestamp;
use proptest::prelude::*;
use proto::wire::{Alarm, Case, Motion, Strap};
use tokio_util::codec::Decoder;

use super::{IMEI, frames, now, pieces, profile, report, take};

/// Bytes of which many look like the beginning of a frame.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(vec![0, 0, 0, 0, 0x08, 0x8e, 0x0c, 0x0f, 0x10, 0x40, b'4', 0xff]);
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

fn alarms() -> impl Strategy<Value = Vec<Alarm>> {
    let all = (1..=12).filter_map(|number| Alarm::try_from(number).ok());
    let all: Vec<Alarm> = all
        .filter(|alarm| !matches!(alarm, Alarm::StrapTamper | Alarm::CaseTamper))
        .collect();
    let count = all.len();
    prop::sample::subsequence(all, 0..=count)
}

prop_compose! {
    fn any_location()(
        millisecond in 1_600_000_000_000_i64..4_000_000_000_000,
        place in (-900_000_000_i32..=900_000_000, -1_800_000_000_i32..=1_800_000_000),
        satellites in 0_u8..40,
        motions in (-500_i16..9_000, 0_u16..300, 0_u16..360),
        battery in prop::option::of(0_u8..=100),
        charging: Option<bool>,
        hdop in prop::option::of(0_u16..500),
        mileage in prop::option::of(0..u32::MAX),
        bars in prop::option::of(0_u8..=5),
        strap in 0..3_i32,
        case in 0..3_i32,
        motion in 0..3_i32,
        alarms in alarms(),
    ) -> Location {
        let (altitude, speed, course) = motions;
        let (strap, case) = (Strap::try_from(strap).unwrap(), Case::try_from(case).unwrap());
        let mut alarms = alarms;
        // A loop or a case that is open was tampered with.
        alarms.extend((strap == Strap::Open).then_some(Alarm::StrapTamper));
        alarms.extend((case == Case::Open).then_some(Alarm::CaseTamper));
        alarms.sort_by_key(|alarm| i32::from(*alarm));
        Location {
            valid: satellites > 0,
            altitude_m: altitude.into(),
            speed_kmh: speed.into(),
            course_deg: course.into(),
            satellites: Some(satellites),
            battery_percent: battery,
            charging,
            hdop: hdop.map(|tenths| f64::from(tenths) / 10.0),
            mileage_m: mileage.map(u64::from),
            signal: bars.map(|bars| bars * 6),
            strap,
            case,
            motion: Motion::try_from(motion).unwrap(),
            alarms,
            ..Location::new(
                Timestamp::from_millisecond(millisecond).unwrap(),
                f64::from(place.0) / 1e7,
                f64::from(place.1) / 1e7,
            )
        }
    }
}

prop_compose! {
    fn any_record()(
        fixed: (u64, u8, i32, i32, i16, u16, u8, u16, u8, u8),
        bytes in prop::collection::vec((0_u16..256, any::<u8>()), 0..6),
        words in prop::collection::vec((0_u16..256, any::<u32>()), 0..6),
        long in prop::collection::vec((0_u16..256, any::<u64>()), 0..3),
    ) -> Record {
        let (time_ms, priority, longitude, latitude, altitude, course, satellites, speed, event, generation) = fixed;
        let head = Head { time_ms, priority, longitude, latitude, altitude, course, satellites, speed, event: event.into(), generation };
        let bytes = bytes.into_iter().map(|(id, value)| (id, Bytes::copy_from_slice(&[value])));
        let words = words.into_iter().map(|(id, value)| (id, Bytes::copy_from_slice(&value.to_be_bytes())));
        let long = long.into_iter().map(|(id, value)| (id, Bytes::copy_from_slice(&value.to_be_bytes())));
        Record { head, elements: bytes.chain(words).chain(long).collect() }
    }
}

fn record_codec() -> impl Strategy<Value = u8> {
    prop::sample::select(vec![codec::EIGHT, codec::EIGHT_EXTENDED, codec::SIXTEEN])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_split_gives_the_same_pieces_and_reports(
        parts in prop::collection::vec((nasty(), any_location(), any::<bool>()), 1..5),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut terminal = Terminal::new(IMEI);
        let mut stream = terminal.login().to_vec();
        for (garbage, location, clean) in &parts {
            if !clean {
                stream.extend_from_slice(garbage);
            }
            stream.extend_from_slice(&terminal.records(std::slice::from_ref(location)));
        }
        let whole = pieces(&[&stream]);
        prop_assert_eq!(&pieces(&cut(&stream, &places)), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&pieces(&bytes), &whole);
        let mut talk = Teltonika::default();
        let taken: Vec<_> = frames(whole).iter().map(|frame| talk.take(frame, profile(), now())).collect();
        let reports = taken.iter().flatten().flat_map(|decoded| &decoded.messages);
        let reports = reports.filter(|message| matches!(message, Message::Report(_))).count();
        prop_assert!(reports >= parts.len());
    }

    #[test]
    fn a_good_frame_after_garbage_is_found(garbage in nasty(), location in any_location()) {
        let terminal = Terminal::new(IMEI);
        let good = terminal.records(&[location]);
        let found = frames(pieces(&[&garbage, &good]));
        prop_assert_eq!(found.last(), Some(&good));
    }

    #[test]
    fn once_lost_a_good_frame_is_found_as_soon_as_it_is_complete(garbage in nasty(), location in any_location()) {
        let good = Terminal::new(IMEI).records(&[location]);
        let mut source = BytesMut::from(&[b"?", &garbage[..], &good].concat()[..]);
        let mut framer = Framer::default();
        let mut last = None;
        while let Some(piece) = framer.decode(&mut source).unwrap() {
            last = Some(piece);
        }
        prop_assert_eq!(last, Some(Piece::Frame(good)));
    }

    #[test]
    fn long_garbage_gives_the_same_pieces_however_it_arrives(
        seed in prop::collection::vec(nasty(), 20..28),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        location in any_location(),
    ) {
        let good = Terminal::new(IMEI).records(&[location]);
        let stream = [&seed.concat()[..], &good, &seed.concat(), &good].concat();
        let whole = pieces(&[&stream]);
        prop_assert_eq!(&pieces(&cut(&stream, &places)), &whole);
        let sevens: Vec<&[u8]> = stream.chunks(7).collect();
        prop_assert_eq!(&pieces(&sevens), &whole);
        let together: usize = whole.iter().map(|piece| match piece {
            Piece::Frame(frame) => frame.len(),
            Piece::Malformed(bad) => bad.raw.len(),
        }).sum();
        prop_assert_eq!(together, stream.len(), "every byte is in one piece");
        let found = frames(whole);
        prop_assert_eq!(found.last(), Some(&good));
    }

    /// The bounded run of what `fuzz/fuzz_targets/teltonika.rs` does without end.
    #[test]
    fn damaged_streams_are_read_the_same_however_they_arrive(
        locations in prop::collection::vec(any_location(), 1..4),
        id in record_codec(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6),
        size in 1_usize..200,
    ) {
        let mut terminal = Terminal::new(IMEI).speaking(id).unwrap();
        let mut stream = [terminal.login(), terminal.records(&locations), terminal.answer("OK")].concat();
        stream.extend_from_slice(&terminal.records(&locations));
        for (place, byte, how) in damages {
            let at = place.index(stream.len());
            match how {
                0 => stream[at] = byte,
                1 => stream.insert(at, byte),
                _ => drop(stream.remove(at)),
            }
        }
        let whole = pieces(&[&stream]);
        let parts: Vec<&[u8]> = stream.chunks(size).collect();
        prop_assert_eq!(&pieces(&parts), &whole);
        let mut talk = Teltonika::default();
        for frame in frames(whole) {
            let _ = talk.take(&frame, profile(), now());
        }
        // A checksum that is right lets the damage through to the records.
        let _ = talk.take(&reply::frame(&stream), profile(), now());
        if let Some(data) = stream.get(25..) {
            let _ = talk.take(&reply::frame(data), profile(), now());
        }
    }

    #[test]
    fn what_a_tracker_says_is_what_is_understood(locations in prop::collection::vec(any_location(), 1..30)) {
        let mut terminal = Terminal::new(IMEI);
        let frame = terminal.records(&locations);
        let decoded = take(&mut Teltonika::default(), &frame);
        prop_assert!(decoded.rejected.is_empty());
        let again: Vec<Location> = decoded.messages.iter().filter_map(|one| Location::from_report(report(one))).collect();
        prop_assert_eq!(&again, &locations);
        prop_assert_eq!(terminal.records(&again), frame);
        let (_, bytes) = terminal.datagram(&again);
        let datagram = Teltonika::default().datagram(&bytes, profile(), now()).unwrap();
        prop_assert_eq!(datagram.messages, decoded.messages);
    }

    #[test]
    fn records_come_back(records in prop::collection::vec(any_record(), 0..8), id in record_codec()) {
        let layout = Layout::of(id).unwrap();
        let records: Vec<Record> = records.into_iter().map(|mut record| {
            record.head.generation *= u8::from(layout.generation);
            record.elements.sort_by_key(|(_, value)| value.len());
            record
        }).collect();
        let data = Record::write_all(id, layout, &records);
        let again = Record::read_all(&data, layout).unwrap();
        prop_assert_eq!(&again, &records);
        prop_assert_eq!(Record::write_all(id, layout, &again), data);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        id in prop::sample::select(vec![7_u8, 8, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x8e, 0x55]),
        count: u8,
        rest in prop_oneof![prop::collection::vec(any::<u8>(), 0..300), nasty()],
    ) {
        let data = [&[id, count][..], &rest].concat();
        let mut talk = Teltonika::default();
        if let Ok(decoded) = talk.take(&reply::frame(&data), profile(), now()) {
            prop_assert!(decoded.messages.len() <= usize::from(count));
        }
        let _ = talk.take(&Bytes::from(rest.clone()), profile(), now());
        let _ = talk.datagram(&Bytes::from(rest.clone()), profile(), now());
        let envelope = [&[0, 0, 0, 1, 1, 9, 0, 15][..], IMEI.as_bytes(), &data].concat();
        let mut envelope = BytesMut::from(&envelope[..]);
        let length = u16::try_from(envelope.len() - 2).unwrap().to_be_bytes();
        envelope[..2].copy_from_slice(&length);
        let _ = talk.datagram(&envelope.freeze(), profile(), now());
        let _ = Terminal::new(IMEI).read(&mut BytesMut::from(&rest[..]));
    }
}
