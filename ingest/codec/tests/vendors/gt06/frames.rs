//! Frames of our own, made from the documents.

use bytes::Bytes;
use homeward_codec::{
    Command, Message, Piece, Profiles, Protocol, Talk, decode_line,
    gt06::{
        Frame, Gt06, kind,
        terminal::{Answer, Location, answer},
    },
};
use proto::wire::{Alarm, Case, Strap};

use super::{IMEI, now, pieces, profile, report, take, terminal};

fn short(kind: u8, content: &str) -> Bytes {
    let content = hex::decode(content.replace(' ', "")).unwrap();
    let frame = Frame {
        long: false,
        kind,
        content: &content,
        serial: 9,
    };
    frame.to_wire()
}

/// 2026-08-17 14:18:12 UTC, 9 satellites, 30.25 N 120.16 E, 12 km/h, valid, 270 degrees.
const POSITION: &str = "1a0811 0e120c c9 033ed750 0ce44b00 0c 150e";
const CELL: &str = "01cc 00 287d 001f71";

#[test]
fn the_documented_log_in_is_answered() {
    let mut terminal = terminal();
    let wire = terminal.log_in(0x2001, 480);
    assert_eq!(hex::encode(&wire), "7878110104901542032375182001320000019f4f0d0a");
    assert_eq!(Gt06::identity(&wire).as_deref(), Some(IMEI));
    let decoded = take(&wire);
    assert_eq!(decoded.device, IMEI);
    assert_eq!(decoded.reply.map(hex::encode).as_deref(), Some("787805010001d9dc0d0a"));
    let mut broken = wire.to_vec();
    broken[6] ^= 1;
    assert_eq!(Gt06::identity(&broken), None, "a wrong checksum names nobody");
    assert_eq!(Gt06::identity(&terminal.heartbeat(80, false)), None);
    assert_eq!(Gt06::datagram_identity(&wire), None);
}

#[test]
fn a_frame_whose_length_lies_ends_at_its_end() {
    let good = terminal().heartbeat(80, true);
    for length in [0, 3, 9, 11, 12, 200, 255] {
        let mut wire = good.to_vec();
        wire[2] = length;
        let sum = homeward_codec::checksum::x25(&wire[2..wire.len() - 4]);
        let at = wire.len() - 4;
        wire[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        let found = pieces(&[&wire, &good]);
        assert_eq!(
            found,
            [Piece::Frame(wire.clone().into()), Piece::Frame(good.clone())],
            "{length}"
        );
        assert_eq!(report(&wire).battery_percent, Some(80));
    }
}

#[test]
fn a_frame_cut_off_costs_only_itself() {
    let mut terminal = terminal();
    let wire = &terminal.location(&Location::new(now(), 30.25, 120.16))[0];
    let good = terminal.heartbeat(80, true);
    for size in 1..wire.len() {
        let found = pieces(&[&wire[..size], &good]);
        assert_eq!(found.last(), Some(&Piece::Frame(good.clone())), "{size}");
        assert_eq!(found.len(), 2, "{size}");
    }
}

#[test]
fn the_end_of_a_frame_may_stand_in_its_content() {
    let mut terminal = terminal();
    let wire = terminal.answer(0x0d0a_0d0a, "one\r\ntwo\r\n");
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(pieces(&bytes), [Piece::Frame(wire.clone())]);
    // Also after what looks like the beginning of a frame.
    for garbage in [
        &b"\x78\x78\x00"[..],
        b"\x79\x79\x00\x10",
        b"\x78",
        b"\x79\x79\xff\xff",
        b"\x78\x78\x1f",
    ] {
        let found = pieces(&[garbage, &wire]);
        assert_eq!(found.last(), Some(&Piece::Frame(wire.clone())), "{garbage:02x?}");
    }
}

#[test]
fn alarms_of_terminal_information_and_byte_are_both_heard() {
    // Terminal information: charging, alarm 7 (removed); battery level 3 of 6; signal 4; alarm 0x13; English.
    let wire = short(kind::ALARM, &format!("{POSITION} 09 {CELL} 7c 03 04 13 02"));
    let report = report(&wire);
    assert_eq!(report.alarms, [Alarm::StrapTamper, Alarm::CaseTamper]);
    assert_eq!((report.strap, report.case), (Strap::Open, Case::Open));
    assert_eq!((report.battery_percent, report.charging), (Some(50), Some(true)));
    assert_eq!(report.extra.signal, Some(4));
    let fix = report.fix.unwrap();
    assert_eq!((fix.latitude, fix.longitude), (30.25, 120.16));
    assert_eq!(
        (fix.speed_kmh, fix.course_deg, fix.satellites),
        (Some(12.0), Some(270.0), Some(9))
    );
    assert_eq!(report.fix_time, "2026-08-17T14:18:12Z".parse().unwrap());
}

#[test]
fn battery_levels_are_sixths_or_percent() {
    for (level, percent) in [
        (0, Some(0)),
        (1, Some(16)),
        (4, Some(66)),
        (6, Some(100)),
        (7, Some(7)),
        (100, Some(100)),
        (101, None),
    ] {
        let wire = short(kind::STATE, &format!("40 {level:02x} 04 00 02"));
        assert_eq!(report(&wire).battery_percent, percent, "{level}");
    }
}

#[test]
fn the_same_report_sent_again_has_the_same_key() {
    let mut terminal = terminal();
    let mut location = Location::new(now(), 30.25, 120.16);
    let first = report(&terminal.location(&location)[0]);
    location.stored = true;
    let again = report(&terminal.location(&location)[0]);
    assert!(!first.stored && again.stored);
    assert_eq!(first.natural_key, again.natural_key);
    location.alarms = vec![Alarm::Sos];
    let alarm = report(&terminal.location(&location)[0]);
    assert_ne!(alarm.natural_key, first.natural_key);
    // A state has no time of its own: the next one may be the same and is another.
    let heartbeat = |now| {
        let wire = super::terminal().heartbeat(80, false);
        let mut messages = Gt06::default().take(&wire, profile(), now).unwrap().messages;
        let Some(Message::Report(report)) = messages.pop() else {
            panic!()
        };
        assert_eq!(report.fix_time, now);
        report.natural_key
    };
    assert_ne!(heartbeat(now()), heartbeat("2026-11-21T14:05:00Z".parse().unwrap()));
}

#[test]
fn another_report_of_the_same_second_and_place_has_another_key() {
    let key = |kind, rest: &str| report(&short(kind, &format!("{POSITION} {rest}"))).natural_key;
    // Ignition, reason, re-upload, mileage.
    let flags = |flags: &str| key(kind::POSITION_FLAGS, &format!("{CELL} {flags}"));
    let first = flags("00 03 00");
    assert_eq!(flags("00 03 01"), first, "the same, sent again later");
    assert_ne!(flags("01 03 00"), first, "ignition");
    assert_ne!(flags("00 04 00"), first, "reason");
    assert_eq!(flags("01 03 00 00000007"), flags("01 03 01 00000007"));
    assert_ne!(flags("01 03 00 00000007"), flags("01 03 00 00000008"), "mileage");
    // Charging, then not; the strap by the model's profile is in the same byte.
    let state = |state: &str| key(kind::ALARM, &format!("09 {CELL} {state}"));
    assert_ne!(state("04 03 04 00 02"), state("00 03 04 00 02"));
    assert_ne!(state("04 03 04 13 02"), state("04 03 04 00 02"), "alarm");
    // With the cell of any generation the mark stands elsewhere.
    let any_cell = |again: &str| key(kind::POSITION_ANY_CELL, &format!("00 {again}"));
    assert_eq!(any_cell("00"), any_cell("01"));
}

#[test]
fn an_alarm_without_a_time_sent_again_is_the_same_report() {
    let wire = |kind, serial, state: &str| {
        let content = hex::decode(format!("{CELL} {state}").replace(' ', "")).unwrap();
        let (content, long) = (&content[..], false);
        Frame {
            long,
            kind,
            content,
            serial,
        }
        .to_wire()
    };
    let minute = jiff::SignedDuration::from_mins(1);
    let mut talk = Gt06::default();
    let mut said = |wire: &Bytes, at| {
        let mut messages = talk.take(wire, profile(), at).unwrap().messages;
        let Some(Message::Report(report)) = messages.pop() else {
            panic!("{messages:?}")
        };
        assert_eq!(report.alarms, [Alarm::Sos]);
        (report.natural_key, report.fix_time)
    };
    let sos = "40 03 04 01 02";
    let first = said(&wire(kind::CELL_STATE, 9, sos), now());
    assert_eq!(first.1, now());
    assert_eq!(
        said(&wire(kind::CELL_STATE, 9, sos), now() + minute),
        first,
        "the same bytes"
    );
    let renumbered = said(&wire(kind::CELL_STATE, 11, sos), now() + minute);
    assert_eq!(renumbered, first, "under another number");
    let weaker = said(&wire(kind::CELL_STATE, 12, "40 02 04 01 02"), now() + minute);
    assert_ne!(weaker.0, first.0, "another level");
    assert_eq!(
        said(&wire(kind::CELL_STATE, 9, sos), now() + minute),
        first,
        "the same bytes, late"
    );
    let third = said(&wire(kind::CELL_STATE, 13, sos), now() + minute * 2);
    assert_ne!(third.0, first.0, "something else in between: it is so again");
    assert_eq!(third.1, now() + minute * 2);
    let later = said(&wire(kind::CELL_STATE, 14, sos), now() + minute * 6);
    assert_ne!(later.0, first.0, "minutes later it is another alarm");
    assert_eq!(later.1, now() + minute * 6);
    // Without an answer the device connects anew, or to another gateway.
    let anew = |kind, at| {
        let mut messages = Gt06::default()
            .take(&wire(kind, 9, sos), profile(), at)
            .unwrap()
            .messages;
        let Some(Message::Report(report)) = messages.pop() else {
            panic!("{messages:?}")
        };
        report.natural_key
    };
    assert_eq!(anew(kind::CELL_STATE, now() + minute), first.0);
    // A state may have changed and come back meanwhile.
    let at = |content: &str| short(kind::STATE, content);
    let mut talk = Gt06::default();
    let mut state = |wire: &Bytes, at| talk.take(wire, profile(), at).unwrap().messages.remove(0);
    let open = state(&at("58 03 04 00 02"), now());
    assert!(matches!(
        state(&at("44 03 04 00 02"), now() + minute),
        Message::Report(_)
    ));
    let frame = Frame {
        long: false,
        kind: kind::STATE,
        content: &[0x58, 3, 4, 0, 2],
        serial: 21,
    };
    let again = state(&frame.to_wire(), now() + minute * 2);
    let (Message::Report(open), Message::Report(again)) = (open, again) else {
        panic!()
    };
    assert_ne!(open.natural_key, again.natural_key);
    assert_eq!(again.fix_time, now() + minute * 2);
}

#[test]
fn a_place_off_the_earth_does_not_hide_an_alarm() {
    let off = POSITION.replace("033ed750", "ffffffff");
    let decoded = take(&short(kind::ALARM, &format!("{off} 09 {CELL} 44 03 04 01 02")));
    let [Message::Report(report)] = &decoded.messages[..] else {
        panic!("{decoded:?}")
    };
    assert_eq!((&report.fix, &report.alarms[..]), (&None, &[Alarm::Sos][..]));
    assert_eq!((report.battery_percent, report.charging), (Some(50), Some(true)));
    assert_eq!(report.fix_time, "2026-08-17T14:18:12Z".parse().unwrap());
    let reasons: Vec<_> = decoded.rejected.iter().map(|one| one.reason.as_str()).collect();
    assert!(
        matches!(reasons[..], [reason] if reason.starts_with("range: latitude is ")),
        "{reasons:?}"
    );
    assert!(decoded.reply.is_some(), "the device goes on");
}

#[test]
fn words_of_an_answer_are_whole_words() {
    for (text, done) in [
        ("The token is 4711", None),
        ("smoke detector: none", None),
        ("failover address: none", None),
        ("terror zone", None),
        ("SET OK", Some(true)),
        ("SOS,OK!", Some(true)),
        ("Succeeded", Some(true)),
        ("ERROR:101", Some(false)),
        ("ERROR101", Some(false)),
        ("SET FAILED", Some(false)),
        ("not supported", Some(false)),
    ] {
        let said = take(&terminal().answer(77, text)).messages;
        assert!(
            matches!(&said[..], [Message::CommandAnswer { done: told, .. }] if *told == done),
            "{said:?}"
        );
    }
}

#[test]
fn commands_reach_the_device_and_their_answers_come_back() {
    let mut talk = Gt06::default();
    let interval = Command::Interval {
        seconds: 30,
        for_seconds: 0,
    };
    let frames = talk.command(&interval, 77, profile(), now()).unwrap();
    assert_eq!(
        hex::encode(&frames[0]),
        "787813800d0000004d54494d45522c3330230001d7630d0a"
    );
    let Ok(Answer::Command { reference, text }) = answer(&frames[0]) else {
        panic!()
    };
    assert_eq!((reference, text.as_str()), (77, "TIMER,30#"));
    let said = take(&terminal().answer(reference, "TIMER OK"));
    assert_eq!(
        said.messages,
        [Message::CommandAnswer {
            reference: Some(77),
            text: "TIMER OK".to_owned(),
            done: Some(true),
        }]
    );
    assert_eq!(said.reply, None);
    // The older form: length, server flag, text, language.
    let said = take(&short(kind::ANSWER, "0a 0000004d 4661696c6564 0002"));
    assert_eq!(
        said.messages,
        [Message::CommandAnswer {
            reference: Some(77),
            text: "Failed".to_owned(),
            done: Some(false),
        }]
    );
    let text = Command::Text {
        text: "home".to_owned(),
    };
    assert_eq!(talk.command(&text, 1, profile(), now()).unwrap_err().command, "text");
}

#[test]
fn the_server_tells_the_time_in_utc() {
    let reply = take(&terminal().time_request()).reply.unwrap();
    assert_eq!(answer(&reply), Ok(Answer::Time(now())));
}

#[test]
fn a_zone_counts_only_when_the_clock_proves_it() {
    let mut terminal = terminal();
    let mut talk = Gt06::default();
    talk.take(&terminal.log_in(1, 480), profile(), now()).unwrap();
    let mut time = |stated: &str| {
        let wire = &terminal.location(&Location::new(stated.parse().unwrap(), 30.25, 120.16))[0];
        let messages = talk.take(wire, profile(), now()).unwrap().messages;
        let Message::Report(report) = &messages[0] else {
            panic!()
        };
        report.fix_time.to_string()
    };
    assert_eq!(time("2026-11-20T09:00:00Z"), "2026-11-20T09:00:00Z");
    assert_eq!(
        time("2026-11-21T21:59:50Z"),
        "2026-11-21T13:59:50Z",
        "ours, eight hours ahead"
    );
    assert_eq!(time("2026-11-20T09:00:00Z"), "2026-11-20T01:00:00Z");
}

#[test]
fn what_is_cut_off_behind_a_position_costs_only_itself() {
    let report = report(&short(kind::ALARM, &format!("{POSITION} 09 01cc")));
    assert!(report.fix.is_some() && report.extra.cells.is_empty() && report.battery_percent.is_none());
    let wire = short(kind::POSITION_CELL, "1a0811 0e12");
    let fault = Gt06::default().take(&wire, profile(), now()).unwrap_err();
    assert_eq!(fault.reason(), "truncated");
}

#[test]
fn a_module_of_a_wrong_length_costs_only_itself_and_what_follows() {
    // Position (module 0x33), event 0x10 (0x34), and a voltage (0x18) that is said to have more than there is.
    let place = "0033 0012 6c0a4f10 09 0010 033ed750 0ce44b00 0c 150e";
    let short = |modules: &str| short(kind::MODULES, modules);
    let good = report(&short(&format!("{place} 0018 0002 017d")));
    let fix = good.fix.unwrap();
    assert_eq!((fix.latitude, fix.longitude, fix.valid), (30.25, 120.16, true));
    assert_eq!(good.extra.battery_mv, Some(3_810));
    for rest in ["0018 0a00 017d", "0018 00", "00", "0018 0002 017d 0029 000c 00000000"] {
        let cut = report(&short(&format!("{place} {rest}")));
        assert_eq!(cut.fix.map(|fix| fix.latitude), Some(30.25), "{rest}");
    }
    // Before it nothing is known yet; a position that is cut off is none.
    for content in [&format!("0018 0a00 017d {place}"), "0033 0012 6c0a4f10 09 0010"] {
        let fault = Gt06::default().take(&short(content), profile(), now()).unwrap_err();
        assert_eq!(fault.reason(), "truncated", "{content}");
    }
}

#[test]
fn a_model_may_be_read_by_its_document() {
    let toml = "name = \"by-document\"\nprotocol = \"gt06\"\nextends = \"gt06\"\ntitle = \"t\"\nsource = \"s\"\n\
        [[item]]\nid = 0x0f00\nname = \"by the document\"\nlength = 1\nrules = [{ set = \"normal\" }]\n";
    let (_, by_document) = Profiles::builtin().with_text("by-document.toml", toml).unwrap();
    // 310-260, a network code of two bytes: ten bytes with the length. Battery 6 of 6, an SOS.
    let wire = short(
        kind::ALARM_FENCE,
        &format!("{POSITION} 0a 8136 0104 cb8a 00bef3 40 06 03 01 02 ff"),
    );
    let read = |profile| {
        let messages = Gt06::default().take(&wire, profile, now()).unwrap().messages;
        let Message::Report(report) = &messages[0] else {
            panic!()
        };
        (report.battery_percent, report.alarms.clone())
    };
    assert_eq!(read(&by_document), (Some(100), vec![Alarm::Sos]));
    assert_eq!(read(profile()), (Some(50), vec![]), "as the reference server reads it");
}

#[test]
fn the_documents_examples_say_what_it_says_of_them() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocols/gt06.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, examples) = text.split_once("## Examples").unwrap();
    let example = |name: &str| {
        let line = examples.lines().find(|line| line.starts_with(name)).unwrap();
        let hex = line
            .split_whitespace()
            .find(|word| word.starts_with("7878") || word.starts_with("7979"));
        Bytes::from(hex::decode(hex.unwrap()).unwrap())
    };
    let log_in = take(&example("log-in"));
    assert_eq!((log_in.device.as_str(), log_in.reply), (IMEI, Some(example("answer"))));
    let state = report(&example("state"));
    assert_eq!((state.battery_percent, state.charging), (Some(83), Some(true)));
    let alarm = report(&example("alarm"));
    assert_eq!(
        (alarm.battery_percent, alarm.alarms),
        (Some(83), vec![Alarm::StrapTamper])
    );
    for report in [report(&example("position")), report(&example("alarm"))] {
        let fix = report.fix.unwrap();
        assert_eq!(
            (fix.latitude, fix.longitude, fix.course_deg),
            (30.25, 120.16, Some(270.0))
        );
        assert_eq!(report.fix_time, "2026-08-17T14:18:12Z".parse().unwrap());
    }
    let command = Answer::Command {
        reference: 77,
        text: "TIMER,30#".to_owned(),
    };
    assert_eq!(answer(&example("command")), Ok(command));
}

#[test]
fn unknown_kinds_are_named() {
    let said = take(&short(0x7b, "00"));
    assert_eq!(said.messages, [Message::Unknown { id: 0x7b }]);
    assert!(said.reply.is_some());
    let wire = Frame {
        long: true,
        kind: 0xfd,
        content: &[0],
        serial: 1,
    };
    let line = decode_line(Protocol::Gt06, 1, &hex::encode(wire.to_wire()), now());
    assert_eq!(line["error"], "range: kind of long message is 0xfd");
}
