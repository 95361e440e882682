//! Teltonika.

mod laws;
mod reference;

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Command, Decoded, Message, Piece, Profile, Protocol, Report, Talk, decode_line, normalize,
    teltonika::{
        Framer, PRIORITY, Teltonika,
        avl::Record,
        codec::{self, Layout},
        frame::{MAX_FRAME_BYTES, MAX_HELD_BYTES},
        reply,
        terminal::{Answer, Location, Terminal},
    },
};
use jiff::{SignedDuration, Timestamp};
use proto::{
    DeviceId, PersonId,
    wire::{Alarm, Case, Motion, Strap},
};
use serde_json::Value;
use tokio_util::codec::Decoder;

const IMEI: &str = "490154203237518";

fn now() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

fn profile() -> &'static Profile {
    Profile::default_for(Protocol::Teltonika)
}

fn line(hex: &str) -> Value {
    decode_line(Protocol::Teltonika, 1, hex, now())
}

/// The maker's own examples, from the description of the protocol.
#[test]
fn the_examples_of_the_description_are_understood() {
    let answer = line(
        "000000000000003608010000016b40d8ea30010000000000000000000000000000000105021503010101425e0f01f10000601a014e0000000000000000010000c7cf",
    );
    assert_eq!(answer["reply"], "00000001");
    assert_eq!(answer["messages"][0]["fix_time"], "2019-06-10T10:04:46Z");
    assert_eq!(answer["messages"][0]["valid"], false);

    let answer = line(
        "000000000000004a8e010000016b412cee000100000000000000000000000000000000010005000100010100010011001d00010010015e2c880002000b000000003544c87a000e000000001dd7e06a00000100002994",
    );
    assert_eq!(answer["reply"], "00000001");
    assert_eq!(answer["messages"][0]["mileage_m"], 22_949_000);

    let answer = line(
        "00000000000000370c01060000002f4449313a31204449323a30204449333a302041494e313a302041494e323a313639323420444f313a3020444f323a3101000066e3",
    );
    assert_eq!(answer["messages"][0]["type"], "command_answer");
    assert_eq!(
        answer["messages"][0]["text"],
        "DI1:1 DI2:0 DI3:0 AIN1:0 AIN2:16924 DO1:0 DO2:1"
    );
    assert!(answer["reply"].is_null());

    assert_eq!(
        hex::encode(reply::command("getinfo")),
        "000000000000000f0c010500000007676574696e666f0100004312"
    );
}

#[test]
fn the_documented_frames_are_these() {
    let documented = include_str!("../../../../docs/protocols/teltonika.md");
    let mut terminal = Terminal::new(IMEI);
    let speaking = |codec| Terminal::new(IMEI).speaking(codec).unwrap();
    let quiet = Location {
        altitude_m: 12.0,
        speed_kmh: 4.0,
        course_deg: 271.0,
        satellites: Some(8),
        battery_percent: Some(80),
        hdop: Some(0.9),
        motion: Motion::Moving,
        ..Location::new("2026-08-20T14:18:12Z".parse().unwrap(), 30.25, 120.16)
    };
    let opened = Location {
        strap: Strap::Open,
        alarms: vec![Alarm::StrapTamper],
        ..quiet.clone()
    };
    let frames = [
        terminal.login(),
        speaking(codec::EIGHT).records(std::slice::from_ref(&quiet)),
        terminal.records(std::slice::from_ref(&quiet)),
        speaking(codec::SIXTEEN).records(std::slice::from_ref(&quiet)),
        terminal.records(&[opened]),
        speaking(codec::EIGHT).datagram(&[quiet]).1,
        reply::datagram(1, 1),
        reply::command("getrecord"),
        terminal.answer("Record is saved"),
    ];
    for frame in frames {
        assert!(documented.contains(&hex::encode(&frame)), "{}", hex::encode(&frame));
    }
}

fn location() -> Location {
    Location {
        altitude_m: -12.0,
        speed_kmh: 63.0,
        course_deg: 359.0,
        satellites: Some(11),
        battery_percent: Some(42),
        charging: Some(true),
        hdop: Some(1.3),
        mileage_m: Some(123_456),
        signal: Some(24),
        strap: Strap::Open,
        case: Case::Closed,
        motion: Motion::Moving,
        alarms: vec![Alarm::Sos, Alarm::StrapTamper, Alarm::Jamming],
        ..Location::new("2026-03-02T12:00:00.25Z".parse().unwrap(), 30.25, -120.1637)
    }
}

fn take(talk: &mut Teltonika, frame: &Bytes) -> Decoded {
    talk.take(frame, profile(), now()).unwrap()
}

fn report(message: &Message) -> &Report {
    let Message::Report(report) = message else {
        panic!("{message:?}")
    };
    report
}

#[test]
fn a_session_from_log_in_to_command() {
    let mut terminal = Terminal::new(IMEI);
    let mut talk = Teltonika::default();
    let login = terminal.login();
    assert_eq!(hex::encode(&login), "000f343930313534323033323337353138");
    assert_eq!(Teltonika::identity(&login).as_deref(), Some(IMEI));
    let decoded = take(&mut talk, &login);
    assert_eq!((&decoded.device[..], decoded.refusal), (IMEI, Some(reply::UNWELCOME)));
    let mut source = BytesMut::from(&decoded.reply.unwrap()[..]);
    assert_eq!(terminal.read(&mut source), Some(Answer::Welcome(true)));

    let decoded = take(&mut talk, &terminal.keep_alive());
    assert!(matches!(decoded.messages[..], [Message::Heartbeat(_)]) && decoded.reply.is_none());

    let decoded = take(&mut talk, &terminal.records(&[location(), location()]));
    assert_eq!((&decoded.device[..], decoded.messages.len()), (IMEI, 2));
    source.extend_from_slice(&decoded.reply.unwrap());
    source.extend_from_slice(&decoded.refusal.unwrap());
    assert_eq!(terminal.read(&mut source), Some(Answer::Records(2)));
    assert_eq!(terminal.read(&mut source), Some(Answer::Records(0)));
    let report = report(&decoded.messages[0]);
    assert_eq!(Location::from_report(report), Some(location()));
    assert!(
        report
            .extra
            .items
            .iter()
            .any(|(id, value)| (*id, &value[..]) == (PRIORITY, &[1][..]))
    );

    let frames = talk.command(&Command::Locate, 7, profile(), now()).unwrap();
    source.extend_from_slice(&frames[0]);
    assert_eq!(
        terminal.read(&mut source),
        Some(Answer::Command("getrecord".to_owned()))
    );
    let decoded = take(&mut talk, &terminal.answer("New records are saved\r\n"));
    let expected = Message::CommandAnswer {
        reference: Some(7),
        text: "New records are saved".to_owned(),
        done: None,
    };
    assert_eq!(decoded.messages, [expected]);
    assert_eq!((decoded.reply, decoded.refusal), (None, None));
    let decoded = take(&mut talk, &terminal.answer("Unknown command or invalid format"));
    assert!(matches!(
        decoded.messages[..],
        [Message::CommandAnswer {
            reference: None,
            done: Some(false),
            ..
        }]
    ));
}

#[test]
fn an_answer_belongs_to_the_oldest_command_that_may_still_be_answered() {
    let (mut talk, terminal) = (Teltonika::default(), Terminal::new(IMEI));
    let interval = Command::Interval {
        seconds: 20,
        for_seconds: 0,
    };
    let frames = talk.command(&interval, 1, profile(), now()).unwrap();
    assert!(frames[0].windows(8).any(|text| text == b"10050:20"));
    let later = now() + SignedDuration::from_mins(4);
    talk.command(&Command::Locate, 2, profile(), later).unwrap();
    talk.command(&Command::Locate, 3, profile(), later).unwrap();
    let mut answered = || {
        let decoded = talk.take(&terminal.answer("OK"), profile(), later).unwrap();
        let Message::CommandAnswer { reference, .. } = decoded.messages[0] else {
            panic!()
        };
        reference
    };
    assert_eq!([answered(), answered(), answered()], [Some(2), Some(3), None]);

    let text = Command::Text {
        text: "请回电".to_owned(),
    };
    assert!(
        talk.command(&text, 4, profile(), now()).is_err(),
        "a text would be run as a command"
    );
}

#[test]
fn a_command_for_another_device_was_not_done() {
    // Codec 14: refused, IMEI 0490154203237518.
    let mut data = vec![0x0e, 1, 0x11, 0, 0, 0, 8];
    data.extend_from_slice(&hex::decode("0490154203237518").unwrap());
    data.push(1);
    let decoded = take(&mut Teltonika::default(), &reply::frame(&data));
    let [Message::CommandAnswer { done, .. }] = &decoded.messages[..] else {
        panic!("{decoded:?}")
    };
    assert_eq!(*done, Some(false));
}

#[test]
fn datagrams_are_answered_with_their_avl_packet() {
    let mut terminal = Terminal::new(IMEI);
    let (avl_packet, bytes) = terminal.datagram(&[location()]);
    assert_eq!(Teltonika::datagram_identity(&bytes).as_deref(), Some(IMEI));
    assert_eq!(Teltonika::datagram_identity(&terminal.records(&[location()])), None);
    assert_eq!(Teltonika::datagram_identity(&terminal.login()), None);
    let mut talk = Teltonika::default();
    let decoded = talk.datagram(&bytes, profile(), now()).unwrap();
    assert_eq!((&decoded.device[..], decoded.messages.len()), (IMEI, 1));
    assert_eq!(Terminal::read_datagram(&decoded.reply.unwrap()), Some((avl_packet, 1)));
    assert_eq!(
        Terminal::read_datagram(&decoded.refusal.unwrap()),
        Some((avl_packet, 0))
    );
    let cut = bytes.slice(..bytes.len() - 1);
    assert_eq!(talk.datagram(&cut, profile(), now()).unwrap_err().reason(), "range");
}

#[test]
fn a_record_sent_again_has_the_same_key() {
    let mut terminal = Terminal::new(IMEI);
    let other = Location::new(now(), 1.0, 2.0);
    let alone = take(&mut Teltonika::default(), &terminal.records(&[location()]));
    let among = take(&mut Teltonika::default(), &terminal.records(&[other, location()]));
    let (_, bytes) = terminal.datagram(&[location()]);
    let datagram = Teltonika::default().datagram(&bytes, profile(), now()).unwrap();
    let key = |message| report(message).natural_key.clone();
    assert_eq!(key(&alone.messages[0]), key(&among.messages[1]));
    assert_eq!(key(&alone.messages[0]), key(&datagram.messages[0]));
    assert_ne!(key(&among.messages[0]), key(&among.messages[1]));
}

fn plain(layout: Layout, records: &[Record], count: u8) -> Bytes {
    let mut data = BytesMut::from(&Record::write_all(codec::EIGHT, layout, records)[..]);
    let last = data.len() - 1;
    (data[1], data[last]) = (count, count);
    reply::frame(&data)
}

#[test]
fn bad_records_do_not_cost_the_good_ones() {
    let layout = Layout::of(codec::EIGHT).unwrap();
    let good = location().record();
    let mut talk = Teltonika::default();

    // A place that is none: what else it says is kept, and so are the records after it.
    let mut nowhere = good.clone();
    nowhere.head.latitude = 910_000_000;
    let decoded = take(&mut talk, &plain(layout, &[nowhere, good.clone()], 2));
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (2, 1));
    assert_eq!(report(&decoded.messages[0]).fix, None);
    assert_eq!(report(&decoded.messages[0]).battery_percent, Some(42));
    assert_eq!(decoded.rejected[0].reason, "range: latitude is 91");

    // A time that is none.
    let mut never = good.clone();
    never.head.time_ms = u64::MAX;
    let decoded = take(&mut talk, &plain(layout, &[never, good.clone()], 2));
    assert_eq!((decoded.messages.len(), decoded.rejected[0].index), (1, 0));

    // More declared than found: the device is told what it said, or it would send the same again for ever.
    let decoded = take(&mut talk, &plain(layout, &[good.clone(), good.clone()], 3));
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (2, 1));
    assert_eq!(decoded.reply.as_deref(), Some(&[0, 0, 0, 3][..]));
    let reason = "truncated: record needs more than the 1 bytes left; 1 of 3 records lost";
    assert_eq!(decoded.rejected[0].reason, reason);

    // Fewer declared than found.
    let decoded = take(&mut talk, &plain(layout, &[good.clone(), good], 1));
    assert_eq!((decoded.messages.len(), decoded.rejected[0].index), (1, 1));

    assert!(take(&mut talk, &plain(layout, &[], 0)).messages.is_empty());
}

#[test]
fn a_frame_with_nothing_good_in_it_does_not_hold_up_those_behind_it() {
    let layout = Layout::of(codec::EIGHT).unwrap();
    let mut never = location().record();
    never.head.time_ms = u64::MAX;
    let mut talk = Teltonika::default();
    let decoded = take(&mut talk, &plain(layout, &[never.clone(), never.clone()], 2));
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (0, 2));
    assert_eq!(decoded.reply.as_deref(), Some(&[0, 0, 0, 2][..]));
    assert_eq!(decoded.refusal.as_deref(), Some(&[0; 4][..]));
    // Not even the end of the first record is there.
    let broken = reply::frame(&[codec::EIGHT, 1, 0, 0, 0, 1]);
    let decoded = take(&mut talk, &broken);
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (0, 1));
    assert_eq!(decoded.reply.as_deref(), Some(&[0, 0, 0, 1][..]));

    // The same in a datagram.
    let data = Record::write_all(codec::EIGHT, layout, &[never.clone(), never]);
    let mut wire = vec![0, 0, 0xca, 0xfe, 0x01, 0x05, 0, 15];
    wire.extend_from_slice(IMEI.as_bytes());
    wire.extend_from_slice(&data);
    let length = u16::try_from(wire.len() - 2).unwrap();
    wire[..2].copy_from_slice(&length.to_be_bytes());
    let decoded = talk.datagram(&wire.into(), profile(), now()).unwrap();
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (0, 2));
    assert_eq!(Terminal::read_datagram(&decoded.reply.unwrap()), Some((5, 2)));
}

#[test]
fn elements_of_sixteen_bytes_are_found_where_nothing_announces_them() {
    let layout = Layout {
        sixteen: true,
        ..Layout::of(codec::EIGHT).unwrap()
    };
    let mut record = location().record();
    record.elements.push((9, Bytes::from_static(&[7; 16])));
    let decoded = take(&mut Teltonika::default(), &plain(layout, &[record.clone(), record], 2));
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (2, 0));
    let items = &report(&decoded.messages[1]).extra.items;
    assert!(items.contains(&(9, Bytes::from_static(&[7; 16]))));
}

#[test]
fn nobody_is_judged_at_the_place_of_those_who_have_none() {
    // Codec 7, a record without coordinates: the reference puts it at 0, 0 and calls that valid.
    let frame = reply::frame(&hex::decode("070150aa1c23010001").unwrap());
    let decoded = take(&mut Teltonika::default(), &frame);
    let report = report(&decoded.messages[0]);
    let fix = report.fix.as_ref().unwrap();
    assert_eq!((fix.valid, fix.latitude, fix.longitude), (true, 0.0, 0.0));
    let (device, person) = (DeviceId::from_name("d"), PersonId::from_name("p"));
    let record = normalize::report(Protocol::Teltonika, device, person, now(), report).unwrap();
    assert!(!record.position.unwrap().valid);
}

/// All pieces of a stream that arrives in parts.
fn pieces(parts: &[&[u8]]) -> Vec<Piece> {
    let (mut framer, mut source, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
    for part in parts {
        source.extend_from_slice(part);
        while let Some(piece) = framer.decode(&mut source).unwrap() {
            found.push(piece);
        }
        assert!(source.len() <= MAX_HELD_BYTES, "bounded");
    }
    while let Some(piece) = framer.decode_eof(&mut source).unwrap() {
        found.push(piece);
    }
    assert!(source.is_empty());
    found
}

fn frames(pieces: Vec<Piece>) -> Vec<Bytes> {
    let frame = |piece| {
        if let Piece::Frame(frame) = piece {
            Some(frame)
        } else {
            None
        }
    };
    pieces.into_iter().filter_map(frame).collect()
}

#[test]
fn frames_come_apart_and_faults_have_names() {
    let mut terminal = Terminal::new(IMEI);
    let (login, records) = (terminal.login(), terminal.records(&[location()]));
    let stream = [&login[..], &records, &[0xff], &records].concat();
    let keep_alive = terminal.keep_alive();
    assert_eq!(
        frames(pieces(&[&stream])),
        [login.clone(), records.clone(), keep_alive, records.clone()]
    );

    let mut damaged = records.to_vec();
    damaged[20] ^= 1;
    let faults = |stream: &[u8]| {
        let reason = |piece: &Piece| match piece {
            Piece::Malformed(bad) => bad.fault.reason(),
            Piece::Frame(_) => "good",
        };
        pieces(&[stream]).iter().map(reason).collect::<Vec<_>>()
    };
    assert_eq!(faults(&[&damaged[..], &records].concat()), ["checksum", "good"]);
    assert_eq!(
        faults(&[&b"GET / HTTP/1.1\r\n"[..], &login].concat()),
        ["garbage", "good"]
    );
    assert_eq!(
        faults(&[&[0, 0, 0, 0, 0, 1, 0, 0, 8][..], &records].concat()),
        ["oversize", "good"]
    );
    assert_eq!(faults(&records[..records.len() - 1]), ["incomplete"]);

    // A length that swallows the next frame costs one frame, not two.
    let mut long = records.to_vec();
    long[7] += 9;
    assert_eq!(frames(pieces(&[&long, &records, &records])), [records.clone(), records]);
}

#[test]
fn a_false_beginning_in_garbage_makes_nobody_wait() {
    let records = Terminal::new(IMEI).records(&[location()]);
    let length = u32::try_from(MAX_FRAME_BYTES - 12).unwrap().to_be_bytes();
    let stream = [b"x", &[0; 4][..], &length, &[8], &records].concat();
    let mut source = BytesMut::from(&stream[..]);
    let mut framer = Framer::default();
    let mut found = Vec::new();
    while let Some(piece) = framer.decode(&mut source).unwrap() {
        found.push(piece);
    }
    assert_eq!(frames(found), [records]);
}
