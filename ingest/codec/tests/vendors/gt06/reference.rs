//! Frames of the shared data set as a running reference server decodes them.

use std::{collections::BTreeSet, fs};

use bytes::BytesMut;
use homeward_codec::{Piece, Protocol, decode_line, gt06::Framer};
use serde_json::Value;
use tokio_util::codec::Decoder;

use super::now;
use crate::positions::{Tolerance, compare, list};

/// Rows of a file that a decoder by the documents can read, each with what we say to it.
fn rows() -> Option<Vec<(Value, Value)>> {
    let text = fs::read_to_string(testkit::shared("frames/gt06.jsonl")?).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows = rows.filter(|row| row["vendor_variant"] != true && row["needs_state"] != true);
    let answered = rows.map(|row| {
        let answer = decode_line(Protocol::Gt06, 1, row["hex"].as_str().unwrap(), now());
        (row, answer)
    });
    Some(answered.collect())
}

/// Rows with a right checksum.
fn good() -> Option<Vec<(Value, Value)>> {
    let rows = rows()?;
    Some(rows.into_iter().filter(|(row, _)| row["checksum_ok"] == true).collect())
}

#[test]
fn a_wrong_checksum_is_refused() {
    let Some(rows) = rows() else { return };
    let bad: Vec<_> = rows.iter().filter(|(row, _)| row["checksum_ok"] == false).collect();
    assert!(bad.len() >= 10, "only {} rows", bad.len());
    for (row, answer) in bad {
        assert!(answer["error"].is_string(), "{}: {answer}", row["id"]);
    }
}

#[test]
fn positions_are_those_of_the_reference() {
    let Some(rows) = good() else { return };
    let mut compared = 0;
    for (row, answer) in rows {
        compared += compare(&row, &answer, &Tolerance::default());
    }
    assert!(compared >= 25, "only {compared} positions compared");
}

/// The reference's word for an alarm in ours.
fn word(theirs: &str) -> &'static str {
    match theirs {
        "sos" => "sos",
        "removing" => "strap_tamper",
        "tampering" => "case_tamper",
        "lowBattery" | "lowPower" => "low_battery",
        "powerCut" | "powerOff" => "power_off",
        "vibration" => "vibration",
        "overspeed" => "overspeed",
        "jamming" => "jamming",
        "fallDown" => "fall",
        _ => "other",
    }
}

#[test]
fn alarms_battery_and_charger_are_those_of_the_reference() {
    let Some(rows) = good() else { return };
    let (mut alarmed, mut levels, mut chargers) = (0, 0, 0);
    for (row, answer) in rows {
        let id = &row["id"];
        let attributes: Vec<_> = list(&row["decoded"]).iter().map(|one| &one["attributes"]).collect();
        let messages = list(&answer["messages"]);
        let words = attributes.iter().filter_map(|one| one["alarm"].as_str());
        let want: BTreeSet<_> = words.flat_map(|words| words.split(',')).map(word).collect();
        let got: BTreeSet<_> = messages
            .iter()
            .flat_map(|one| list(&one["alarms"]))
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(got, want, "{id}: {answer}");
        alarmed += want.len();
        let level = attributes.iter().find_map(|one| one["batteryLevel"].as_u64());
        assert_eq!(
            messages.iter().find_map(|one| one["battery_percent"].as_u64()),
            level,
            "{id}: {answer}"
        );
        levels += usize::from(level.is_some());
        let volts = attributes.iter().find_map(|one| one["battery"].as_f64());
        assert_eq!(
            messages.iter().find_map(|one| one["battery_v"].as_f64()),
            volts,
            "{id}: {answer}"
        );
        // The reference takes the serial number of one row for the charger's state.
        if let Some(charging) = attributes.iter().find_map(|one| one["charge"].as_bool()) {
            assert_eq!(
                messages.iter().find_map(|one| one["charging"].as_bool()),
                Some(charging),
                "{id}: {answer}"
            );
            chargers += 1;
        }
    }
    assert!(
        alarmed >= 10 && levels >= 15 && chargers >= 15,
        "only {alarmed}, {levels}, {chargers} compared"
    );
}

#[test]
fn cells_and_access_points_are_those_of_the_reference() {
    let Some(rows) = good() else { return };
    let (mut cells, mut points) = (0, 0);
    for (row, answer) in rows {
        let id = &row["id"];
        for want in list(&row["decoded"]).iter().map(|one| &one["network"]) {
            let heard = |name| list(&answer["messages"]).iter().flat_map(move |one| list(&one[name]));
            for cell in list(&want["cells"]) {
                let same = |got: &Value| {
                    ["mcc", "mnc", "lac", "cid"]
                        .iter()
                        .all(|field| got[field] == cell[field])
                };
                assert!(heard("cells").any(same), "{id}: {answer}");
                cells += 1;
            }
            let ours: BTreeSet<_> = heard("wifi").filter_map(|point| point["mac"].as_str()).collect();
            let theirs: BTreeSet<_> = list(&want["wifi"])
                .iter()
                .filter_map(|point| point["mac"].as_str())
                .collect();
            assert_eq!(ours, theirs, "{id}: {answer}");
            points += theirs.len();
        }
    }
    assert!(
        cells >= 40 && points >= 10,
        "only {cells} cells and {points} access points compared"
    );
}

#[test]
fn replies_and_identities_are_those_of_the_reference() {
    let Some(rows) = good() else { return };
    let (mut answered, mut silent, mut named) = (0, 0, 0);
    for (row, answer) in rows {
        let id = &row["id"];
        assert!(list(&row["replies"]).len() <= 1);
        if row["reply_time_dependent"] != true {
            assert_eq!(answer["reply"], row["replies"][0], "{id}");
            *(if answer["reply"].is_null() {
                &mut silent
            } else {
                &mut answered
            }) += 1;
        }
        let ids = list(&row["device_ids"]);
        if !ids.is_empty() {
            assert!(ids.contains(&answer["device"]), "{id}: {answer}");
            named += 1;
        }
    }
    assert!(
        answered >= 40 && silent >= 10 && named >= 2,
        "only {answered}, {silent}, {named} compared"
    );
}

#[test]
fn stream_framing_is_that_of_the_reference() {
    let Some(path) = testkit::shared("frames/framing.jsonl") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let mut compared = 0;
    for row in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if row["protocol"] != "gt06" {
            continue;
        }
        let mut source = BytesMut::from(&hex::decode(row["input_hex"].as_str().unwrap()).unwrap()[..]);
        let mut framer = Framer::default();
        let Some(Piece::Frame(frame)) = framer.decode_eof(&mut source).unwrap() else {
            panic!("{row}")
        };
        assert_eq!(hex::encode(frame), row["first_frame_hex"].as_str().unwrap());
        compared += 1;
    }
    assert_eq!(compared, 9);
}
