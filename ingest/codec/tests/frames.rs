//! Frames of the shared data set as a running reference server decodes them, and frames of our own made from the standard.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

#[path = "vendors/positions.rs"]
mod positions;

use std::fs;

use bytes::BytesMut;
use homeward_codec::{
    Command, Message, Protocol, Report, decode_line, decode_lines,
    jt808::{
        self, Assembled, Assembler, Delimiter, Frame, Framer, Header, Item, Phone, Variant, decode_body, id, reply,
        terminal::{Answer, Location, Terminal, answer},
    },
    native::{self, client, gateway, handshake},
};
use jiff::Timestamp;
use proto::wire::{Alarm, Case, DeviceFrame, DeviceReport, Motion, Position, Strap};
use serde_json::Value;
use tokio_util::codec::Decoder;

use positions::Tolerance;

fn now() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

fn rows(file: &str) -> Option<Vec<Value>> {
    let path = testkit::shared(&format!("frames/{file}"))?;
    let text = fs::read_to_string(path).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn jt808(hex: &str) -> Value {
    decode_line(Protocol::Jt808, 1, hex, now())
}

/// Positions of an answer that have a place.
fn positions(answer: &Value) -> Vec<&Value> {
    let messages = answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages
        .iter()
        .filter(|message| message["type"] == "position")
        .collect()
}

fn unescaped(reply: &Value) -> Option<String> {
    let wire = hex::decode(reply.as_str()?).unwrap();
    let (delimiter, inside) = (wire[0], &wire[1..wire.len() - 1]);
    let content = Delimiter::Standard.unescape(inside).unwrap();
    Some(format!("{delimiter:02x}{}{delimiter:02x}", hex::encode(content)))
}

#[test]
fn positions_are_those_of_the_reference() {
    let Some(rows) = rows("jt808.jsonl") else { return };
    let mut compared = 0;
    for row in rows {
        if row["vendor_variant"] == true || row["needs_state"] == true || row["hex_is_escaped"] == true {
            continue;
        }
        let id = &row["id"];
        let answer = jt808(row["wire_hex"].as_str().or(row["hex"].as_str()).unwrap());
        if row["checksum_ok"] == false {
            assert!(
                answer["error"].as_str().unwrap().starts_with("checksum: expected 0x"),
                "{id}: {answer}"
            );
            continue;
        }
        if let Some(ids) = row["device_ids"].as_array().filter(|ids| !ids.is_empty()) {
            assert!(ids.contains(&answer["device"]), "{id}: {answer}");
        }
        compared += positions::compare(&row, &answer, &Tolerance::default());
    }
    assert!(compared >= 40, "only {compared} positions compared");
}

#[test]
fn replies_are_those_of_the_reference() {
    let Some(rows) = rows("jt808.jsonl") else { return };
    let mut compared = 0;
    for row in rows {
        let answer = jt808(row["wire_hex"].as_str().or(row["hex"].as_str()).unwrap());
        if row["reply_time_dependent"] == true || answer["error"].is_string() {
            continue;
        }
        let got = unescaped(&answer["reply"]);
        assert_eq!(got.as_deref(), row["replies"][0].as_str(), "{}", row["id"]);
        compared += 1;
    }
    assert!(compared >= 50, "only {compared} replies compared");
}

#[test]
fn stream_framing_is_that_of_the_reference() {
    let Some(rows) = rows("framing.jsonl") else { return };
    let mut compared = 0;
    for row in rows.iter().filter(|row| row["protocol"] == "jt808") {
        let input = hex::decode(row["input_hex"].as_str().unwrap()).unwrap();
        let mut source = BytesMut::from(&input[..]);
        let mut framer = Framer::default();
        let mut found = Vec::new();
        while let Some(item) = framer.decode(&mut source).unwrap() {
            // These frames have no checksum: what counts is where they begin and end.
            match item {
                Item::Text(text) => found.push(hex::encode(text)),
                Item::Frame(_) => panic!("a checksum that should not be"),
                Item::Malformed(bad) if bad.fault.reason() == "garbage" => {}
                Item::Malformed(bad) => {
                    let content = Delimiter::Standard.unescape(&bad.raw).unwrap();
                    found.push(format!("7e{}7e", hex::encode(content)));
                }
            }
        }
        assert_eq!(found.first().map(String::as_str), row["first_frame_hex"].as_str());
        compared += 1;
    }
    assert_eq!(compared, 3);
}

#[test]
fn the_answer_is_the_one_documented() {
    let frame = "7e070400510144503762020002000101004c00040100000800030202301006f893e8001d0000009526081722181214040000000017020000\
        0104000036c9030200002504000000002a02000030011f31010eea04020c8300ef0400000000037e";
    let input = format!(
        "{frame}\n\n{}\nzz\n7e0\n\u{fc}\n",
        frame.replacen("0e31", "0f31", 1).replace("037e", "047e")
    );
    let mut output = Vec::new();
    decode_lines(Protocol::Jt808, now(), input.as_bytes(), &mut output).unwrap();
    let output = String::from_utf8(output).unwrap();
    let mut lines = output.lines();
    let first = lines.next().unwrap();
    let start = r#"{"line":1,"device":"14450376202","messages":[{"type":"position","fix_time":"2026-08-17T14:18:12Z","valid":true,"latitude":33.697808,"longitude":116.954088,"altitude_m":29.0,"speed_kmh":0.0,"course_deg":149.0,"satellites":14,"#;
    assert!(first.starts_with(start), "{first}");
    assert!(
        first.ends_with(r#""reply":"7e8001000501445037620200000002070400c77e"}"#),
        "{first}"
    );
    assert!(first.contains(r#""alarms":["low_battery","power_off"]"#), "{first}");
    assert_eq!(
        lines.next(),
        Some(r#"{"line":3,"error":"checksum: expected 0x03, got 0x04"}"#)
    );
    assert_eq!(
        lines.next(),
        Some(r#"{"line":4,"error":"hex: 0x7a at character 1 is no hexadecimal digit"}"#)
    );
    assert_eq!(
        lines.next(),
        Some(r#"{"line":5,"error":"hex: odd number of digits: 3"}"#)
    );
    assert_eq!(
        lines.next(),
        Some(r#"{"line":6,"error":"hex: 0xc3 at character 1 is no hexadecimal digit"}"#)
    );
    assert_eq!(lines.next(), None);
}

fn location() -> Location {
    Location {
        altitude_m: -12.0,
        speed_kmh: 63.4,
        course_deg: 359.0,
        satellites: Some(11),
        battery_percent: Some(42),
        charging: true,
        hdop: Some(1.3),
        mileage_m: Some(123_400),
        signal: Some(27),
        strap: Strap::Open,
        case: Case::Closed,
        motion: Motion::Moving,
        alarms: vec![Alarm::Sos, Alarm::LowBattery],
        ..Location::new("2026-02-28T17:30:59Z".parse().unwrap(), -33.856_784, -151.215_297)
    }
}

fn check(report: &Report, stored: bool) {
    let fix = report.fix.as_ref().unwrap();
    assert_eq!(report.fix_time, "2026-02-28T17:30:59Z".parse().unwrap());
    assert_eq!(
        (fix.valid, fix.latitude, fix.longitude),
        (true, -33.856_784, -151.215_297)
    );
    assert_eq!(
        (fix.altitude_m, fix.speed_kmh, fix.course_deg),
        (Some(-12.0), Some(63.4), Some(359.0))
    );
    assert_eq!((fix.satellites, fix.hdop), (Some(11), Some(1.3)));
    assert_eq!(
        (report.battery_percent, report.charging, report.stored),
        (Some(42), Some(true), stored)
    );
    assert_eq!(
        (report.strap, report.case, report.motion),
        (Strap::Open, Case::Closed, Motion::Moving)
    );
    assert_eq!(report.alarms, [Alarm::Sos, Alarm::StrapTamper, Alarm::LowBattery]);
    assert_eq!((report.extra.mileage_m, report.extra.signal), (Some(123_400), Some(27)));
}

fn parsed(wire: &[u8]) -> (Header, Vec<Message>) {
    let frame = Frame::from_wire(Delimiter::Standard, &wire[1..wire.len() - 1]).unwrap();
    let (header, body) = frame.parse().unwrap();
    let content = decode_body(&header, &body).unwrap();
    assert_eq!(content.rejected, []);
    (header, content.messages)
}

#[test]
fn every_edition_says_the_same() {
    for variant in [Variant::V2011, Variant::V2013, Variant::V2019] {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        let (header, messages) = parsed(&terminal.register("HMWRD", "ANKLE-1", "0000042"));
        assert_eq!(
            (header.id, header.serial, header.phone.identity()),
            (id::REGISTER, 0, "13912345678".to_owned())
        );
        assert_eq!(header.version.is_some(), variant == Variant::V2019);
        assert_eq!(
            header.phone.bytes().len(),
            if variant == Variant::V2019 { 10 } else { 6 }
        );
        let [Message::Register(register)] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!(
            (&register.manufacturer[..], &register.model[..], &register.terminal[..]),
            ("HMWRD", "ANKLE-1", "0000042")
        );
        let (_, messages) = parsed(&terminal.authenticate(b"a code"));
        let [Message::Authenticate(message)] = &messages[..] else {
            panic!("{messages:?}")
        };
        assert_eq!(&message.code[..], b"a code");
        assert_eq!(message.imei.is_some(), variant == Variant::V2019);
        assert!(matches!(parsed(&terminal.heartbeat()).1[..], [Message::Heartbeat(_)]));
        assert!(matches!(parsed(&terminal.logout()).1[..], [Message::Logout]));
        let (header, messages) = parsed(&terminal.location(&location()));
        assert_eq!(header.serial, 4);
        let [Message::Report(report)] = &messages[..] else {
            panic!("{messages:?}")
        };
        check(report, false);
        let (_, messages) = parsed(&terminal.batch(&[location(), location()], true)[0]);
        let [Message::Report(first), Message::Report(second)] = &messages[..] else {
            panic!("{messages:?}")
        };
        check(first, true);
        check(second, true);
        // Sent live and sent again in a batch: the same report.
        assert_eq!(first.natural_key, report.natural_key);
    }
}

/// A frame written out by hand from JT/T 808-2019, 4.4.3: properties 0x4000 + length, version 1, ten bytes of phone number.
#[test]
fn a_2019_header_byte_by_byte() {
    let wire = "7e 0200 401c 01 00000000013912345678 0102 00000000 00000002 01d907f8 07298ff8 0010 0078 005a 260821093000 14 7e";
    let answer = jt808(&wire.replace(' ', ""));
    assert_eq!(answer["error"], Value::Null, "{answer}");
    assert_eq!(answer["device"], "13912345678");
    let position = positions(&answer)[0];
    assert_eq!(position["fix_time"], "2026-08-21T01:30:00Z");
    assert_eq!(
        (
            position["latitude"].as_f64(),
            position["longitude"].as_f64(),
            position["speed_kmh"].as_f64()
        ),
        (Some(31.000_568), Some(120.164_344), Some(12.0))
    );
    // The answer has the same kind of header.
    assert_eq!(answer["reply"], "7e80014005010000000001391234567800000102020000f47e");
    let register = "7e 0100 404c 01 00000000013912345678 0000 0000 0000";
    assert!(
        jt808(&register.replace(' ', ""))["error"]
            .as_str()
            .unwrap()
            .starts_with("incomplete: no closing delimiter")
    );
}

/// Delimiter `0xe7` with its escapes and a phone number of seven bytes; written out by hand, with serial `0x3e3d`, altitude
/// `0x00e7` and speed `0x00e6` for the escapes' sake.
#[test]
fn the_other_delimiter_has_its_own_escapes() {
    let answer =
        jt808("e70200001c001122334455663e013e02000000000000000201d907f807298ff800e60200e601005a2608210930007be7");
    assert_eq!(answer["device"], "112233445566", "{answer}");
    let position = positions(&answer)[0];
    assert_eq!(
        (position["altitude_m"].as_f64(), position["speed_kmh"].as_f64()),
        (Some(231.0), Some(23.0))
    );
    assert_eq!(answer["reply"], "e7800100050011223344556600003e013e02020000f2e7");
}

#[test]
fn sub_packages_come_together_in_any_order() {
    let mut terminal = Terminal::new("13912345678", Variant::V2019).unwrap();
    let batch: Vec<Location> = (0..40).map(|_| location()).collect();
    let frames = terminal.batch(&batch, true);
    assert!(frames.len() > 2, "{}", frames.len());
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut assembler = Assembler::default();
        for (turn, index) in order.into_iter().enumerate() {
            let wire = &frames[index];
            let frame = Frame::from_wire(Delimiter::Standard, &wire[1..wire.len() - 1]).unwrap();
            let (header, body) = frame.parse().unwrap();
            assert_eq!(header.package, Some((3, u16::try_from(index).unwrap() + 1)));
            match assembler.take(&header, body, now()).unwrap() {
                Assembled::Part { total, .. } => assert!(turn < 2 && total == 3),
                Assembled::Whole { body, serials } => {
                    assert_eq!((turn, serials), (2, vec![0, 1, 2]));
                    let content = decode_body(&header, &body).unwrap();
                    assert_eq!((content.messages.len(), content.rejected.len()), (40, 0));
                }
            }
        }
        assert_eq!(assembler.held(), 0);
    }
    // `decode` puts lines together, and answers each frame with the last.
    let lines: Vec<String> = frames.iter().map(hex::encode).collect();
    let mut output = Vec::new();
    decode_lines(Protocol::Jt808, now(), lines.join("\n").as_bytes(), &mut output).unwrap();
    let last: Value = serde_json::from_slice(output.split(|byte| *byte == b'\n').nth(2).unwrap()).unwrap();
    assert_eq!(last["messages"].as_array().unwrap().len(), 40);
    assert_eq!(last["reply"].as_str().unwrap().matches("7e8001").count(), 3);
}

#[test]
fn what_is_missing_is_asked_for() {
    let after = |seconds| now() + jiff::SignedDuration::from_secs(seconds);
    for variant in [Variant::V2013, Variant::V2019] {
        let mut terminal = Terminal::new("13912345678", variant).unwrap();
        let base = terminal.next_serial();
        let frames = terminal.split(id::BATCH, &[7; 4_000], 1_000);
        let mut assembler = Assembler::default();
        let parsed = |wire: &[u8]| {
            let frame = Frame::from_wire(Delimiter::Standard, &wire[1..wire.len() - 1]).unwrap();
            frame.parse().unwrap()
        };
        assert_eq!((assembler.asks_at(), assembler.missing(now())), (None, vec![]));
        // One of four may be a copy of what was whole before: nothing is asked for.
        let (header, body) = parsed(&frames[1]);
        assembler.take(&header, body, now()).unwrap();
        assert_eq!(assembler.asks_at(), None);
        let (header, body) = parsed(&frames[2]);
        assembler.take(&header, body, after(1)).unwrap();
        assert_eq!(assembler.asks_at(), Some(after(6)));
        assert_eq!(assembler.missing(after(5)), []);
        let missing = assembler.missing(after(6));
        let numbers = vec![1, 4];
        assert_eq!(missing.len(), 1);
        assert_eq!((missing[0].base, &missing[0].numbers), (base, &numbers));
        let asked = reply::missing(&header, 9, &missing[0]);
        assert_eq!(answer(&asked), Ok(Answer::Missing { base, numbers }));
        // 2013 counts them in one byte, 2019 in two.
        let (_, body) = asked.parse().unwrap();
        let count = if variant == Variant::V2019 { "0002" } else { "02" };
        assert_eq!(hex::encode(&body), format!("{base:04x}{count}00010004"));
        // The parts come under numbers of their own, the first too: it is the first of the message that was asked for.
        let again = terminal.split(id::BATCH, &[7; 4_000], 1_000);
        let (header, body) = parsed(&again[0]);
        assert_eq!(
            assembler.take(&header, body, after(7)),
            Ok(Assembled::Part { number: 1, total: 4 })
        );
        // Asked for three times at most, then forgotten.
        assert_eq!(assembler.missing(after(12))[0].numbers, [4]);
        assert_eq!(assembler.missing(after(17)).len(), 1);
        assert_eq!((assembler.missing(after(30)), assembler.asks_at()), (vec![], None));
        let (header, body) = parsed(&again[3]);
        assert!(matches!(
            assembler.take(&header, body, after(31)),
            Ok(Assembled::Whole { .. })
        ));
        assert_eq!(assembler.held(), 0);
    }
}

#[test]
fn open_messages_are_bounded_and_forgotten() {
    let mut terminal = Terminal::new("13912345678", Variant::V2013).unwrap();
    let mut assembler = Assembler::default();
    let take = |assembler: &mut Assembler, wire: &[u8], now| {
        let frame = Frame::from_wire(Delimiter::Standard, &wire[1..wire.len() - 1]).unwrap();
        let (header, body) = frame.parse().unwrap();
        assembler.take(&header, body, now)
    };
    for _ in 0..100 {
        let frames = terminal.split(id::BATCH, &[0; 3_000], 1_000);
        take(&mut assembler, &frames[0], now()).unwrap();
    }
    assert!(assembler.held() <= 2_000, "{}", assembler.held());
    let frames = terminal.split(id::BATCH, &[0; 2_000], 1_000);
    take(&mut assembler, &frames[0], now()).unwrap();
    let late = now() + jiff::SignedDuration::from_secs(61);
    assert!(
        matches!(take(&mut assembler, &frames[1], late), Ok(Assembled::Part { .. })),
        "the first was forgotten"
    );
    assert_eq!(assembler.held(), 1_000);
    let too_many = terminal.split(id::BATCH, &[0; 65], 1);
    assert_eq!(
        take(&mut assembler, &too_many[0], now()).unwrap_err().reason(),
        "package"
    );
}

#[test]
fn parts_hold_no_more_than_one_longest_message() {
    let mut terminal = Terminal::new("13912345678", Variant::V2013).unwrap();
    let mut assembler = Assembler::default();
    let parsed = |wire: &[u8]| {
        let frame = Frame::from_wire(Delimiter::Standard, &wire[1..wire.len() - 1]).unwrap();
        frame.parse().unwrap()
    };
    let longest = vec![7; 64 * 1_023];
    // Two at a time, each but for its last part.
    for message in [id::BATCH, id::TRANSPARENT, id::BATCH] {
        let frames = terminal.split(message, &longest, 1_023);
        for wire in &frames[..63] {
            let (header, body) = parsed(wire);
            assembler.take(&header, body, now()).unwrap();
            assert!(assembler.held() <= 64 * 1_023, "{}", assembler.held());
        }
    }
    // The last of them is whole.
    let frames = terminal.split(id::BATCH, &longest, 1_023);
    let mut whole = None;
    for wire in &frames {
        let (header, body) = parsed(wire);
        if let Assembled::Whole { body, .. } = assembler.take(&header, body, now()).unwrap() {
            whole = Some(body);
        }
    }
    assert!(whole.is_some_and(|whole| whole[..] == longest[..]));
    // No part is longer than its length can say, whatever came between two delimiters.
    let (header, _) = parsed(&frames[0]);
    let held = assembler.held();
    let fault = assembler.take(&header, vec![7; 1_024].into(), now()).unwrap_err();
    assert_eq!((fault.reason(), assembler.held()), ("oversize", held));
}

#[test]
fn a_place_off_the_earth_does_not_hide_an_alarm() {
    let mut body = location().body().to_vec();
    body[8..12].copy_from_slice(&91_000_000_u32.to_be_bytes());
    let mut terminal = Terminal::new("13912345678", Variant::V2013).unwrap();
    let answer = jt808(&hex::encode(&terminal.message(id::LOCATION, &body)[0]));
    let message = &answer["messages"][0];
    assert_eq!(message["type"], "event", "{answer}");
    assert_eq!(
        message["alarms"],
        serde_json::json!(["sos", "strap_tamper", "low_battery"])
    );
    assert_eq!(
        (message["battery_percent"].as_u64(), message["fix_time"].as_str()),
        (Some(42), Some("2026-02-28T17:30:59Z"))
    );
    assert_eq!(
        answer["rejected"],
        serde_json::json!([{"index": 0, "reason": "range: latitude is -91"}])
    );
    assert!(answer["reply"].is_string());
}

#[test]
fn a_text_longer_than_a_body_is_refused() {
    let header = Header::of_terminal(
        Phone::from_digits("13912345678", Variant::V2013).unwrap(),
        Variant::V2013,
    );
    let profile = homeward_codec::Profile::default_for(Protocol::Jt808);
    let said = |size| {
        let text = Command::Text { text: "a".repeat(size) };
        jt808::command::command(&header, 7, &text, profile)
    };
    let frames = said(1_022).unwrap();
    let wire = &frames[0];
    let (back, body) = Frame::from_wire(Delimiter::Standard, &wire[1..wire.len() - 1])
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!((back.properties & 0x3ff, body.len()), (1_023, 1_023));
    assert_eq!(said(1_023).unwrap_err().command, "text");
}

#[test]
fn one_bad_report_does_not_cost_the_batch() {
    let good = location().body();
    let mut bad = good.to_vec();
    bad[8..12].copy_from_slice(&91_000_000_u32.to_be_bytes());
    let mut body = vec![0, 3, 1];
    for part in [&good[..], &bad, &good] {
        body.extend_from_slice(&u16::try_from(part.len()).unwrap().to_be_bytes());
        body.extend_from_slice(part);
    }
    let mut terminal = Terminal::new("1", Variant::V2013).unwrap();
    let answer = jt808(&hex::encode(&terminal.message(id::BATCH, &body)[0]));
    assert_eq!(positions(&answer).len(), 2);
    assert_eq!(answer["messages"][1]["type"], "event", "what else it says is kept");
    assert_eq!(
        answer["rejected"],
        serde_json::json!([{"index": 1, "reason": "range: latitude is -91"}])
    );
    // Cut short: what came before the cut is good.
    let answer = jt808(&hex::encode(&terminal.message(id::BATCH, &body[..body.len() - 5])[0]));
    assert_eq!(
        (positions(&answer).len(), answer["rejected"].as_array().unwrap().len()),
        (1, 2)
    );
    let answer = jt808(&hex::encode(&terminal.message(id::LOCATION, &good[..20])[0]));
    assert_eq!(answer["error"], "truncated: course needs 2 bytes at byte 20, 0 left");
}

#[test]
fn encrypted_bodies_are_refused_and_plain_ones_with_the_bit_are_not() {
    let phone = Phone::from_digits("13912345678", Variant::V2013).unwrap();
    let header = Header {
        properties: 0x0400,
        id: id::LOCATION,
        ..Header::of_terminal(phone, Variant::V2013)
    };
    let plain = location().body();
    assert_eq!(decode_body(&header, &plain).unwrap().messages.len(), 1);
    let secret: Vec<u8> = plain
        .iter()
        .zip(0_u8..)
        .map(|(byte, n)| byte ^ n.wrapping_mul(73) ^ 0xa5)
        .collect();
    assert_eq!(decode_body(&header, &secret).unwrap_err().reason(), "encrypted");
}

#[test]
fn answers_are_read_by_the_terminal() {
    let mut terminal = Terminal::new("13912345678", Variant::V2019).unwrap();
    let (header, _) = parsed(&terminal.register("a", "b", "c"));
    let frame = reply::registered(&header, 7, reply::Registration::Success, b"code");
    assert_eq!(
        answer(&frame),
        Ok(Answer::Registered {
            serial: 0,
            result: 0,
            code: b"code"[..].into()
        })
    );
    let frame = reply::registered(&header, 7, reply::Registration::NoTerminal, b"code");
    assert_eq!(
        answer(&frame),
        Ok(Answer::Registered {
            serial: 0,
            result: 4,
            code: b""[..].into()
        })
    );
    let frame = reply::general(&header, 9, 8, reply::Outcome::Failure);
    assert_eq!(
        answer(&frame),
        Ok(Answer::General {
            serial: 9,
            id: id::REGISTER,
            result: 1
        })
    );
    let (header, _) = parsed(&terminal.message(id::TIME_REQUEST, &[])[0]);
    let frame = reply::time(&header, 0, now());
    assert_eq!(answer(&frame), Ok(Answer::Other { id: id::TIME_ANSWER }));
    assert_eq!(hex::encode(frame.parse().unwrap().1), "07ea0b150e000000");
    let (header, _) = parsed(&terminal.message(id::TIME_QUERY, &[])[0]);
    let frame = reply::time(&header, 0, now());
    assert_eq!(
        answer(&frame),
        Ok(Answer::Other {
            id: id::TIME_QUERY_ANSWER
        })
    );
    assert_eq!(hex::encode(frame.parse().unwrap().1), "261121140000");
}

#[test]
fn native_frames_and_proofs() {
    let frame = client::hello("HW-1", [1; 16], "1.0");
    let answer = decode_line(Protocol::Native, 1, &hex::encode(&frame), now());
    assert_eq!(
        answer,
        serde_json::json!({"line": 1, "device": "HW-1", "messages": [{"type": "hello", "version": 1}]})
    );
    // RFC 2104 over the parts in their order: computed once with another implementation.
    let proof = handshake::prove(b"secret", &[1; 16], &[2; 16], "HW-1");
    assert_eq!(hex::encode(proof), PROOF);
    assert!(handshake::verify(b"secret", &[1; 16], &[2; 16], "HW-1", &proof));
    assert!(!handshake::verify(b"secret", &[2; 16], &[1; 16], "HW-1", &proof));
    assert!(!handshake::verify(b"secret", &[1; 16], &[2; 16], "HW-1", &proof[..31]));
    assert!(!handshake::verify(b"", &[], &[], "", &[]));
    let position = Position {
        latitude_e7: 301_234_567,
        longitude_e7: -1_201_234_567,
        valid: true,
        accuracy_m: Some(f32::NAN),
        ..Position::default()
    };
    let report = |sequence| DeviceReport {
        sequence,
        fix_time_us: 1_787_000_000_000_000,
        position: Some(position),
        ..DeviceReport::default()
    };
    let event = DeviceReport {
        position: None,
        strap: Strap::Open.into(),
        alarms: vec![2, 1, 2, 99],
        ..report(9)
    };
    let wire = client::reports(vec![report(7), report(7), event]);
    let answer = decode_line(Protocol::Native, 1, &hex::encode(&wire), now());
    assert_eq!(answer["messages"][0]["latitude"], 30.123_456_7);
    assert_eq!(answer["messages"][0]["sequence"], 7);
    assert_eq!(answer["messages"][0].get("accuracy_m"), None);
    assert_eq!(answer["messages"][1]["type"], "event");
    assert_eq!(
        answer["messages"][1]["alarms"],
        serde_json::json!(["sos", "strap_tamper"])
    );
    assert_eq!(answer["rejected"][0]["reason"], "range: sequence is 7 after 7");
    for (bytes, error) in [
        ("00010001ff", "oversize: frame of 65537 bytes exceeds the 65536 allowed"),
        ("0000000501", "incomplete: frame shorter than its length says"),
        ("00000001ff", "protobuf: "),
        ("00000000", "protobuf: frame without a body"),
        ("0000000000", "garbage: 1 bytes outside a frame"),
    ] {
        let answer = decode_line(Protocol::Native, 1, bytes, now());
        assert!(
            answer["error"].as_str().unwrap_or_default().starts_with(error),
            "{bytes}: {answer}"
        );
    }
    assert_eq!(decode_line(Protocol::Native, 1, "  ", now()), Value::Null);
}

#[test]
fn a_native_report_is_its_sequence_and_its_time() {
    let key = |sequence, fix_time_us, battery_percent| {
        let report = DeviceReport {
            sequence,
            fix_time_us,
            battery_percent,
            ..DeviceReport::default()
        };
        let frame = DeviceFrame {
            body: Some(proto::wire::device_frame::Body::Reports(proto::wire::ReportBatch {
                reports: vec![report],
            })),
        };
        let decoded = gateway::decode(&frame).unwrap();
        let [Message::Report(report)] = &decoded.messages[..] else {
            panic!("{decoded:?}")
        };
        report.natural_key.clone()
    };
    let first = key(1, 1_787_000_000_000_000, Some(80));
    assert_eq!(key(1, 1_787_000_000_000_000, Some(79)), first);
    assert_ne!(key(2, 1_787_000_000_000_000, Some(80)), first);
    assert_ne!(
        key(1, 1_787_000_060_000_000, Some(80)),
        first,
        "a device that was reset counts from 1 again"
    );
}

#[test]
fn an_unreadable_native_frame_is_kept_whole() {
    let mut wire = client::reports(
        (1..=1_000)
            .map(|sequence| DeviceReport {
                sequence,
                fix_time_us: 1,
                ..DeviceReport::default()
            })
            .collect(),
    )
    .to_vec();
    assert!(wire.len() > 4_100, "{}", wire.len());
    wire[4] = 0xff;
    let mut source = BytesMut::from(&wire[..]);
    let item = native::Framer::<DeviceFrame>::default().decode(&mut source).unwrap();
    let Some(native::Item::Malformed(bad)) = item else {
        panic!("{item:?}")
    };
    assert_eq!((&bad.raw[..], bad.fatal), (&wire[..], false));
}

const PROOF: &str = "fb49f7883881114cdac149f8ecf972d4fb251353e766510a32219d2408932c11";

/// The bytes that `docs/protocols.md` shows, made there with another implementation.
#[test]
fn native_frames_are_the_documented_bytes() {
    let (device, gateway_nonce): ([u8; 16], [u8; 16]) = (
        std::array::from_fn(|n| u8::try_from(n).unwrap()),
        std::array::from_fn(|n| u8::try_from(n + 16).unwrap()),
    );
    let secret = hex::decode("00112233445566778899aabbccddeeff").unwrap();
    let report = DeviceReport {
        sequence: 42,
        fix_time_us: 1_787_235_492_000_000,
        position: Some(Position {
            latitude_e7: 302_500_000,
            longitude_e7: 1_201_600_000,
            valid: true,
            source: 1,
            accuracy_m: Some(5.0),
            ..Position::default()
        }),
        battery_percent: Some(80),
        strap: Strap::Closed.into(),
        ..DeviceReport::default()
    };
    for (frame, documented) in [
        (
            client::hello("HW-000017", device, "1.0"),
            "000000260a240801120948572d3030303031371a10000102030405060708090a0b0c0d0e0f2203312e30",
        ),
        (
            gateway::challenge(&gateway_nonce),
            "000000140a120a10101112131415161718191a1b1c1d1e1f",
        ),
        (
            client::proof(&secret, &device, &gateway_nonce, "HW-000017"),
            "0000002412220a209fea6733eda84363d10c9f1fd575e786b86c247757d7591d986efd2fd3c027d4",
        ),
        (
            client::reports(vec![report]),
            "0000002a1a280a26082a1080e28585b3af9603221508c0a2bea0021080d8f7f908180120012d0000a04028503001",
        ),
        (gateway::acknowledgement(42, &[]), "000000042202082a"),
        (
            client::heartbeat(1_787_235_492_000_000, None),
            "0000000b22090880e28585b3af9603",
        ),
    ] {
        assert_eq!(hex::encode(frame), documented);
    }
}

#[test]
fn native_answers_come_back() {
    let mut source = BytesMut::new();
    source.extend_from_slice(&gateway::challenge(&[3; 16]));
    source.extend_from_slice(&gateway::welcome(0, now()));
    source.extend_from_slice(&gateway::acknowledgement(12, &[]));
    source.extend_from_slice(&gateway::refusal("unknown device", 600));
    let mut answers = client::Answers::default();
    let mut count = 0;
    while let Some(item) = answers.decode(&mut source).unwrap() {
        assert!(matches!(item, native::Item::Frame(frame) if frame.body.is_some()));
        count += 1;
    }
    assert_eq!(count, 4);
    let mut devices = native::Framer::<DeviceFrame>::default();
    let mut source = BytesMut::from(&client::heartbeat(0, Some(200))[..]);
    let Some(native::Item::Frame(frame)) = devices.decode(&mut source).unwrap() else {
        panic!("no frame")
    };
    let messages = gateway::decode(&frame).unwrap().messages;
    assert!(matches!(messages[..], [Message::Heartbeat(heartbeat)] if heartbeat.battery_percent.is_none()));
}

#[test]
fn names_find_protocols() {
    for protocol in Protocol::ALL {
        assert_eq!(Protocol::by_name(protocol.name()), Some(protocol));
    }
    assert_eq!(Protocol::by_name("gt07"), None);
    assert_eq!(jt808::Phone::from_digits("123456789012345", Variant::V2013), None);
}
