//! Eelink.

use std::{collections::BTreeSet, fs};

use bytes::{Bytes, BytesMut};
use homeward_codec::{
    Command, Message, Piece, Profile, Protocol, Report, Talk, decode_line,
    eelink::{
        Eelink, Framer, MAX_PACKAGE_BYTES, Package, id,
        terminal::{Heard, Location, Terminal, millivolts, warning_code},
    },
};
use jiff::Timestamp;
use proptest::prelude::*;
use proto::wire::{Alarm, Case, Motion, Strap};
use serde_json::Value;
use tokio_util::codec::Decoder;

use crate::positions::{Tolerance, compare, list};

const IMEI: &str = "490154203237518";

fn now() -> Timestamp {
    "2026-11-21T14:00:00Z".parse().unwrap()
}

fn profile() -> &'static Profile {
    Profile::default_for(Protocol::Eelink)
}

fn terminal() -> Terminal {
    Terminal::new(IMEI).unwrap()
}

fn line(hex: &str) -> Value {
    decode_line(Protocol::Eelink, 1, hex, now())
}

/// Each row with what we say to it.
fn rows() -> Option<Vec<(Value, Value)>> {
    let text = fs::read_to_string(testkit::shared("frames/eelink.jsonl")?).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        let answer = self::line(row["hex"].as_str().unwrap());
        (row, answer)
    };
    Some(text.lines().map(row).collect())
}

fn messages(answer: &Value) -> &[Value] {
    list(&answer["messages"])
}

#[test]
fn positions_are_those_of_the_reference() {
    let Some(rows) = rows() else { return };
    let tolerance = Tolerance {
        degrees: 1e-7,
        altitude_m: 0.1,
        course_deg: 0.1,
        satellites: true,
    };
    let mut compared = 0;
    for (row, answer) in rows {
        let id = &row["id"];
        if row["checksum_ok"] == false {
            assert!(answer["error"].as_str().unwrap().starts_with("checksum: "), "{id}");
            continue;
        }
        compared += compare(&row, &answer, &tolerance);
    }
    assert!(compared >= 20, "only {compared} positions compared");
}

/// Our word for the reference's.
fn alarm(theirs: &str) -> &'static str {
    match theirs {
        "powerOff" => "power_off",
        "sos" => "sos",
        "lowBattery" => "low_battery",
        "vibration" => "vibration",
        "gpsAntennaCut" => "gnss_fault",
        "removing" => "strap_tamper",
        "overspeed" => "overspeed",
        "fallDown" => "fall",
        "lowSpeed" | "geofenceEnter" | "geofenceExit" | "accident" => "other",
        _ => panic!("no word for {theirs}"),
    }
}

#[test]
fn attributes_are_those_of_the_reference() {
    let Some(rows) = rows() else { return };
    let (mut reports, mut alarms, mut batteries) = (0, 0, 0);
    for (row, answer) in rows {
        let id = &row["id"];
        // Vehicles' values and the status alone are no reports.
        let timed = |one: &&Value| one["device_time"].is_string() && row["msg_type"] != "0x07";
        let want: Vec<_> = list(&row["decoded"]).iter().filter(timed).collect();
        let said = |one: &&Value| one["type"] == "position" || one["type"] == "event";
        let got: Vec<_> = messages(&answer).iter().filter(said).collect();
        assert_eq!(got.len(), want.len(), "{id}: {answer}");
        for (got, want) in got.into_iter().zip(want) {
            let attributes = &want["attributes"];
            let expected: Vec<_> = attributes["alarm"].as_str().map(alarm).into_iter().collect();
            let raised: Vec<_> = list(&got["alarms"]).iter().filter_map(Value::as_str).collect();
            assert_eq!(raised, expected, "{id}");
            alarms += expected.len();
            assert_eq!(got["battery_v"], attributes["battery"], "{id}");
            assert_eq!(got["battery_percent"].is_u64(), attributes["battery"].is_f64(), "{id}");
            batteries += usize::from(attributes["battery"].is_f64());
            assert_eq!(got["charging"], attributes["charge"], "{id}");
            let motion = attributes["motion"]
                .as_bool()
                .map(|moving| if moving { "moving" } else { "still" });
            assert_eq!(got["motion"].as_str(), motion, "{id}");
            assert_eq!(got["mileage_m"], attributes["odometer"], "{id}");
            assert_eq!(got["signal"], attributes["rssi"], "{id}");
            assert_eq!(
                got["sequence"].as_u64().unwrap_or(0),
                attributes["index"].as_u64().unwrap(),
                "{id}"
            );
            assert_eq!(got["cells"], want["network"]["cells"], "{id}");
            assert_eq!(got["wifi"], want["network"]["wifi"], "{id}");
            reports += 1;
        }
    }
    assert!(
        reports >= 22 && alarms >= 2 && batteries >= 15,
        "{reports} {alarms} {batteries}"
    );
}

#[test]
fn replies_and_devices_are_those_of_the_reference() {
    let Some(rows) = rows() else { return };
    let mut compared = 0;
    for (row, answer) in rows {
        let id = &row["id"];
        if row["checksum_ok"] == false {
            continue;
        }
        let mut want: String = list(&row["replies"]).iter().filter_map(Value::as_str).collect();
        if row["reply_time_dependent"] == true {
            let clock = u32::try_from(now().as_second()).unwrap();
            want.replace_range(14..22, &format!("{clock:08x}"));
        }
        assert_eq!(answer["reply"].as_str().unwrap_or_default(), want, "{id}");
        if let [device] = list(&row["device_ids"]) {
            assert_eq!(&answer["device"], device, "{id}");
        }
        compared += 1;
    }
    assert!(compared >= 18, "only {compared} replies compared");
}

fn good_location() -> Location {
    Location {
        speed_kmh: 4,
        course_deg: 271,
        charging: Some(false),
        motion: Motion::Moving,
        mileage_m: 1_204,
        ..Location::new("2026-08-20T14:18:12Z".parse().unwrap(), 30.25, 120.16)
    }
}

/// All of a stream that arrives in pieces.
fn pieces(stream: &[&[u8]]) -> Vec<Piece> {
    let (mut framer, mut source, mut found) = (Framer::default(), BytesMut::new(), Vec::new());
    for piece in stream {
        source.extend_from_slice(piece);
        while let Some(one) = framer.decode(&mut source).unwrap() {
            found.push(one);
        }
        assert!(source.len() < MAX_PACKAGE_BYTES, "waits for no more than a package");
        assert!(framer.held() < MAX_PACKAGE_BYTES, "bounded");
    }
    while let Some(one) = framer.decode_eof(&mut source).unwrap() {
        found.push(one);
    }
    assert!(source.is_empty() && framer.held() == 0, "nothing is left");
    found
}

fn frames(stream: &[&[u8]]) -> Vec<Bytes> {
    let frame = |piece| {
        if let Piece::Frame(frame) = piece {
            Some(frame)
        } else {
            None
        }
    };
    pieces(stream).into_iter().filter_map(frame).collect()
}

fn report(messages: &[Message]) -> &Report {
    let report = |message: &'_ Message| matches!(message, Message::Report(_));
    let Some(Message::Report(report)) = messages.iter().find(|message| report(message)) else {
        panic!("{messages:?}")
    };
    report
}

#[test]
fn the_documented_session_is_spoken() {
    let (mut terminal, mut talk) = (terminal(), Eelink::default());
    let mut take = |wire: Bytes| talk.take(&wire, profile(), now()).unwrap();
    let login = terminal.login().to_wire();
    assert_eq!(hex::encode(&login), "676701000c000104901542032375180100");
    assert_eq!(Eelink::identity(&login).as_deref(), Some(IMEI));
    let welcome = take(login);
    assert_eq!(welcome.device, IMEI);
    assert_eq!(
        hex::encode(welcome.reply.as_ref().unwrap()),
        "676701000900016b01a3e0000100"
    );
    assert_eq!(
        Terminal::hear(welcome.reply.as_ref().unwrap()).unwrap(),
        [Heard::Welcome { time: now() }]
    );
    let [normal, warning] = &terminal.report(&good_location(), &[Alarm::StrapTamper, Alarm::Jamming])[..] else {
        panic!("there is no word for jamming")
    };
    assert_eq!(Eelink::identity(&normal.to_wire()), None);
    assert_eq!(
        hex::encode(normal.to_wire()),
        "676712002200026a870ca401033ed7500ce44b0000000004010f080689100400000000000004b4"
    );
    let report_of = |messages: Vec<Message>| report(&messages).clone();
    let position = take(normal.to_wire());
    assert_eq!(hex::encode(position.reply.unwrap()), "67671200020002");
    let alarm = take(warning.to_wire());
    assert_eq!(hex::encode(alarm.reply.unwrap()), "67671400020003");
    assert_eq!(report_of(alarm.messages).alarms, [Alarm::StrapTamper]);
    let position = report_of(position.messages);
    assert_eq!(position.battery_percent, Some(94));
    assert_eq!((position.charging, position.motion), (Some(false), Motion::Moving));
    assert_eq!(position.extra.mileage_m, Some(1_204));
}

#[test]
fn the_documented_frames_are_what_a_terminal_sends() {
    let documented = include_str!("../../../../docs/protocols/eelink.md");
    let mut terminal = terminal();
    let mut talk = Eelink::default();
    let mut wires = vec![terminal.login().to_wire()];
    let [normal, warning] = &terminal.report(&good_location(), &[Alarm::StrapTamper])[..] else {
        panic!("two packages")
    };
    wires.extend([normal.to_wire(), warning.to_wire()]);
    wires.push(terminal.package(id::GPS, good_location().old()).to_wire());
    let place = "Lat:N30.25000,Lon:E120.16000,Course:12.50,Speed:3.25km/h,DateTime:2026-08-20 14:18:12";
    wires.push(terminal.answer(77, place).to_wire());
    wires.extend(talk.command(&Command::Locate, 77, profile(), now()).unwrap());
    let datagram = terminal.datagram(std::slice::from_ref(normal));
    let reply = talk.datagram(&datagram, profile(), now()).unwrap().reply.unwrap();
    wires.extend([talk.enclose(reply), datagram]);
    for wire in wires {
        let hex = hex::encode(&wire);
        let found = documented.lines().any(|line| line.ends_with(&format!(" {hex}")));
        assert!(found, "{hex} is not in the document");
    }
}

#[test]
fn a_damaged_datagram_is_refused() {
    let mut terminal = terminal();
    let packages = terminal.report(&good_location(), &[Alarm::Sos]);
    let good = terminal.datagram(&packages);
    assert_eq!(Eelink::datagram_identity(&good).as_deref(), Some(IMEI));
    let mut talk = Eelink::default();
    let decoded = talk.datagram(&good, profile(), now()).unwrap();
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (2, 0));
    // The answers travel in an envelope of their own.
    let answer = talk.enclose(decoded.reply.unwrap());
    let accepted = |id, sequence| Heard::Accepted { id, sequence };
    assert_eq!(
        Terminal::hear(&answer).unwrap(),
        [accepted(id::NORMAL, 1), accepted(id::WARNING, 2)]
    );
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        let result = Eelink::default().datagram(&bad.into(), profile(), now());
        assert!(result.is_err(), "byte {at}");
    }
    for length in 0..good.len() {
        assert!(
            Eelink::default()
                .datagram(&good.slice(..length), profile(), now())
                .is_err()
        );
    }
    let line = line(&hex::encode([&good[..4], &[0, 0], &good[6..]].concat()));
    assert!(line["error"].as_str().unwrap().starts_with("checksum: "), "{line}");
}

#[test]
fn a_bad_package_of_a_datagram_costs_only_itself() {
    let mut terminal = terminal();
    let mut packages = terminal.report(&good_location(), &[Alarm::Sos]);
    let cut = packages[0].content.slice(..7);
    packages.insert(1, terminal.package(id::NORMAL, cut));
    let decoded = Eelink::default()
        .datagram(&terminal.datagram(&packages), profile(), now())
        .unwrap();
    assert_eq!(decoded.messages.len(), 2);
    let [rejected] = &decoded.rejected[..] else {
        panic!("{decoded:?}")
    };
    assert_eq!((rejected.index, rejected.sequence), (1, 3));
    assert!(rejected.reason.starts_with("truncated: "), "{rejected:?}");
    // What was not understood is not acknowledged.
    assert_eq!(hex::encode(decoded.reply.unwrap()), "6767120002000167671400020002");
}

#[test]
fn a_report_sent_again_is_the_same_report() {
    let mut terminal = terminal();
    let mut keys = Vec::new();
    for location in [good_location(), good_location()] {
        let packages = terminal.report(&location, &[Alarm::Sos]);
        for package in &packages {
            let decoded = Eelink::default().take(&package.to_wire(), profile(), now()).unwrap();
            keys.push(report(&decoded.messages).natural_key.clone());
        }
        let decoded = Eelink::default()
            .datagram(&terminal.datagram(&packages), profile(), now())
            .unwrap();
        keys.push(report(&decoded.messages).natural_key.clone());
    }
    assert_eq!(keys[..3], keys[3..]);
    assert_eq!(keys[0], keys[2]);
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn commands_are_heard_and_answered() {
    let (mut terminal, mut talk) = (terminal(), Eelink::default());
    let locate = talk.command(&Command::Locate, 77, profile(), now()).unwrap();
    assert_eq!(hex::encode(&locate[0]), "676780000d0001010000004d574845524523");
    let interval = Command::Interval {
        seconds: 10,
        for_seconds: 600,
    };
    let interval = talk.command(&interval, 78, profile(), now()).unwrap();
    let heard = |reference, text: &str| Heard::Command {
        reference,
        text: text.to_owned(),
    };
    assert_eq!(
        Terminal::hear(&[&locate[0][..], &interval[0]].concat().into()).unwrap(),
        [heard(77, "WHERE#"), heard(78, "TIMER,10#")]
    );
    assert!(talk.command(&Command::Vibrate, 79, profile(), now()).is_err());

    let mut answer = |reference, text| {
        let wire = terminal.answer(reference, text).to_wire();
        talk.take(&wire, profile(), now()).unwrap().messages
    };
    let said = |reference, text: &str, done| Message::CommandAnswer {
        reference,
        text: text.to_owned(),
        done,
    };
    assert_eq!(answer(78, "TIMER OK!"), [said(Some(78), "TIMER OK!", Some(true))]);
    assert_eq!(answer(0, "ERROR:1"), [said(None, "ERROR:1", Some(false))]);
    let place = "Lat:N30.25000,Lon:E120.16000,Course:12.50,Speed:3.25km/h,DateTime:2026-08-20 14:18:12";
    let found = answer(77, place);
    assert_eq!(found[0], said(Some(77), place, Some(true)));
    let fix = report(&found).fix.as_ref().unwrap();
    assert_eq!((fix.latitude, fix.longitude, fix.valid), (30.25, 120.16, true));
}

#[test]
fn a_place_off_the_earth_does_not_hide_a_warning() {
    let location = Location {
        valid: false,
        place: Some((1_000.0, 1_000.0)),
        ..good_location()
    };
    let take = |location: &Location| {
        let wire = terminal().report(location, &[Alarm::Sos])[1].to_wire();
        Eelink::default().take(&wire, profile(), now())
    };
    let decoded = take(&location).unwrap();
    let report = report(&decoded.messages);
    assert_eq!((&report.alarms[..], &report.fix), (&[Alarm::Sos][..], &None));
    let vouched = Location {
        valid: true,
        ..location
    };
    let decoded = take(&vouched).unwrap();
    let report = self::report(&decoded.messages);
    assert_eq!((&report.alarms[..], &report.fix), (&[Alarm::Sos][..], &None));
    let [rejected] = &decoded.rejected[..] else {
        panic!("{decoded:?}")
    };
    assert!(rejected.reason.starts_with("range: latitude is "), "{rejected:?}");
    assert!(decoded.reply.is_some(), "the device goes on");
    let packages = terminal().report(&vouched, &[Alarm::Sos]);
    let decoded = Eelink::default()
        .datagram(&terminal().datagram(&packages), profile(), now())
        .unwrap();
    assert_eq!((decoded.messages.len(), decoded.rejected.len()), (2, 2));
    assert_eq!(decoded.rejected[1].index, 1);
}

#[test]
fn a_package_too_long_to_be_one_is_not_waited_for() {
    let good = terminal().heartbeat().to_wire();
    let found = pieces(&[&[0x67, 0x67, 0x12, 0xff, 0xff], &good]);
    let [Piece::Malformed(bad), Piece::Frame(frame)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!((bad.fault.reason(), frame), ("oversize", &good));
}

#[test]
fn a_percentage_survives_being_a_voltage() {
    for percent in 0..=100 {
        let location = Location {
            battery_mv: millivolts(percent),
            ..good_location()
        };
        let wire = terminal().report(&location, &[])[0].to_wire();
        let decoded = Eelink::default().take(&wire, profile(), now()).unwrap();
        assert_eq!(report(&decoded.messages).battery_percent, Some(percent.into()));
    }
}

fn alarms() -> impl Strategy<Value = Alarm> {
    let known = (1..=12).filter_map(|number| Alarm::try_from(number).ok());
    prop::sample::select(known.filter(|alarm| warning_code(*alarm).is_some()).collect::<Vec<_>>())
}

prop_compose! {
    fn location()(
        second in 1_600_000_000_i64..4_000_000_000,
        place in prop::option::of((-162_000_000_i32..=162_000_000, -324_000_000_i32..=324_000_000)),
        valid: bool,
        altitude_m: i16,
        speed_kmh: u16,
        course_deg: u16,
        satellites: u8,
        battery_mv: u16,
        charging: Option<bool>,
        motion in 0_i32..3,
        mileage_m: u32,
        strap in 0_i32..3,
        case in 0_i32..3,
        alarms in prop::collection::btree_set(1_i32..=12, 0..4),
    ) -> Location {
        // An open strap is an alarm, and the other way round; so is the case.
        let mut alarms = alarms;
        let tamper = |open, alarm, alarms: &mut BTreeSet<i32>| {
            if open {
                alarms.insert(i32::from(alarm));
            }
            alarms.contains(&i32::from(alarm))
        };
        let strap = if tamper(strap == 2, Alarm::StrapTamper, &mut alarms) { 2 } else { strap };
        let case = if tamper(case == 2, Alarm::CaseTamper, &mut alarms) { 2 } else { case };
        let degrees = |parts: i32| f64::from(parts) / 1_800_000.0;
        Location {
            time: Timestamp::from_second(second).unwrap(),
            valid: valid && place.is_some(),
            place: place.map(|(latitude, longitude)| (degrees(latitude), degrees(longitude))),
            altitude_m, speed_kmh, course_deg, satellites, battery_mv, charging, mileage_m,
            motion: Motion::try_from(motion).unwrap(),
            strap: Strap::try_from(strap).unwrap(),
            case: Case::try_from(case).unwrap(),
            alarms: alarms.into_iter().map(|number| Alarm::try_from(number).unwrap()).collect(),
        }
    }
}

/// Bytes of which many are marks and identifiers.
fn nasty() -> impl Strategy<Value = Vec<u8>> {
    let special = prop::sample::select(vec![0x67, 0x67, 0x67, 0x12, 0x01, 0x80, 0x00, 0x02, b'E', b'L']);
    prop::collection::vec(prop_oneof![special, any::<u8>()], 0..300)
}

/// Cuts bytes at some places.
fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// What a terminal that had said this would have said: decoded, then encoded.
fn again(wire: &Bytes) -> Bytes {
    let id = wire[2];
    let decoded = Eelink::default().take(wire, profile(), now()).unwrap();
    let report = report(&decoded.messages);
    let location = Location::from_report(report);
    let content = match id {
        id::GPS => location.old(),
        id::WARNING => location.warning(warning_code(report.alarms[0]).unwrap()),
        _ => location.normal(),
    };
    let sequence = u16::try_from(report.sequence).unwrap();
    Package { id, sequence, content }.to_wire()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_split_gives_the_same_pieces(
        parts in prop::collection::vec((nasty(), 1_usize..40, location()), 1..4),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut terminal, mut stream) = (terminal(), Vec::new());
        for (garbage, times, location) in &parts {
            stream.extend_from_slice(&garbage.repeat(*times));
            stream.extend_from_slice(&terminal.report(location, &[])[0].to_wire());
        }
        let whole = pieces(&[&stream]);
        prop_assert_eq!(&pieces(&cut(&stream, &places)), &whole);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&pieces(&bytes), &whole);
        // Every byte is in one piece, in order.
        let raw = whole.iter().flat_map(|piece| match piece {
            Piece::Frame(frame) => frame.clone(),
            Piece::Malformed(bad) => bad.raw.clone(),
        });
        prop_assert_eq!(raw.collect::<Vec<u8>>(), stream);
    }

    #[test]
    fn the_first_good_frame_after_garbage_without_a_mark_is_found(garbage in nasty(), location in location()) {
        let mut garbage = garbage;
        garbage.dedup();
        let mut terminal = terminal();
        let (first, good) = (terminal.heartbeat().to_wire(), terminal.report(&location, &[])[0].to_wire());
        prop_assert_eq!(frames(&[&first, &garbage, &good]), vec![first, good]);
    }

    #[test]
    fn a_good_frame_after_any_garbage_is_found(garbage in nasty(), location in location()) {
        let mut terminal = terminal();
        // What looks like a package may swallow what follows, but no more than a package's length of it.
        let count = 2 * MAX_PACKAGE_BYTES / 33 + 2;
        let wires: Vec<Bytes> = (0..count).map(|_| terminal.report(&location, &[])[0].to_wire()).collect();
        let found = frames(&[&garbage, &wires.concat()]);
        prop_assert_eq!(found.last(), wires.last());
    }

    #[test]
    fn glued_frames_come_apart(locations in prop::collection::vec(location(), 1..6), alarm in alarms()) {
        let mut terminal = terminal();
        let wires: Vec<Bytes> =
            locations.iter().flat_map(|location| terminal.report(location, &[alarm])).map(|one| one.to_wire()).collect();
        prop_assert_eq!(frames(&[&wires.concat()]), wires);
    }

    #[test]
    fn encoding_what_was_decoded_gives_the_same_bytes(location in location(), alarm in alarms()) {
        let mut terminal = terminal();
        let mut packages = terminal.report(&location, &[alarm]);
        packages.push(terminal.package(id::GPS, location.old()));
        for package in &packages {
            let wire = package.to_wire();
            prop_assert_eq!(again(&wire), wire);
        }
        // The same over UDP.
        let datagram = terminal.datagram(&packages);
        let mut talk = Eelink::default();
        let decoded = talk.datagram(&datagram, profile(), now()).unwrap();
        prop_assert_eq!((decoded.device.as_str(), decoded.messages.len()), (IMEI, 3));
        let wires: Vec<u8> = packages.iter().flat_map(|package| again(&package.to_wire())).collect();
        prop_assert_eq!(talk.enclose(wires.into()), datagram);
    }

    #[test]
    fn what_a_terminal_says_is_what_is_understood(location in location(), alarm in alarms()) {
        let packages = terminal().report(&location, &[alarm]);
        for (package, raised) in packages.iter().zip([location.alarms.clone(), vec![alarm]]) {
            let decoded = Eelink::default().take(&package.to_wire(), profile(), now()).unwrap();
            let report = report(&decoded.messages);
            prop_assert_eq!(report.fix_time, location.time);
            prop_assert_eq!(&report.alarms, &raised);
            prop_assert_eq!((report.charging, report.motion), (location.charging, location.motion));
            if package.id == id::NORMAL {
                prop_assert_eq!((report.strap, report.case), (location.strap, location.case));
            }
            prop_assert_eq!(report.fix.as_ref().map(|fix| (fix.latitude, fix.longitude)), location.place);
            if let Some(fix) = &report.fix {
                prop_assert_eq!(fix.valid, location.valid);
                prop_assert_eq!(fix.altitude_m, Some(location.altitude_m.into()));
                prop_assert_eq!(fix.speed_kmh, Some(location.speed_kmh.into()));
                prop_assert_eq!(fix.course_deg, Some(location.course_deg.into()));
                prop_assert_eq!(fix.satellites, Some(location.satellites.into()));
            }
        }
    }

    /// A bounded run of the fuzz target: arbitrary bytes, and good packages with some bytes changed.
    #[test]
    fn nothing_panics_stalls_or_grows(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        nasty in nasty(),
        identifier: u8,
        location in location(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut terminal = terminal();
        let mut packages = terminal.report(&location, &[Alarm::Sos]);
        packages.push(terminal.package(identifier, nasty.clone().into()));
        packages.push(terminal.package(id::NORMAL, bytes.clone().into()));
        let mut changed = terminal.datagram(&packages).to_vec();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        for bytes in [bytes, nasty, changed] {
            let mut talk = Eelink::default();
            // Who has logged in has an envelope.
            talk.take(&terminal.login().to_wire(), profile(), now()).unwrap();
            for frame in frames(&[&bytes]) {
                let _ = Eelink::identity(&frame);
                let _ = talk.take(&frame, profile(), now());
            }
            let _ = Eelink::datagram_identity(&bytes);
            let _ = talk.datagram(&bytes.clone().into(), profile(), now());
            // The same bytes as the packages of a good envelope.
            let _ = talk.datagram(&talk.enclose(bytes.clone().into()), profile(), now());
            let _ = Terminal::hear(&bytes.into());
        }
    }
}
