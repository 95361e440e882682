//! Frames of the shared data set as a running reference server decodes them.

use std::fs;

use bytes::BytesMut;
use homeward_codec::{Piece, teltonika::Framer};
use serde_json::Value;
use tokio_util::codec::Decoder;

use super::line;
use crate::positions::{Tolerance, compare, list};

/// Rows that a decoder by the documents must agree with, each with what we say to it.
fn rows() -> Option<Vec<(Value, Value)>> {
    let text = fs::read_to_string(testkit::shared("frames/teltonika.jsonl")?).unwrap();
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows = rows.filter(|row: &Value| row["vendor_variant"] != true && row["needs_state"] != true);
    Some(
        rows.map(|row| (line(row["hex"].as_str().unwrap()), row))
            .map(|(a, r)| (r, a))
            .collect(),
    )
}

fn reports(answer: &Value) -> Vec<&Value> {
    let report = |message: &&Value| message["type"] == "position" || message["type"] == "event";
    list(&answer["messages"]).iter().filter(report).collect()
}

#[test]
fn positions_are_those_of_the_reference() {
    let Some(rows) = rows() else { return };
    let tolerance = Tolerance {
        degrees: 1e-7,
        satellites: true,
        ..Tolerance::default()
    };
    let mut compared = 0;
    for (row, answer) in rows.iter().filter(|(row, _)| row["checksum_ok"] != false) {
        compared += compare(row, answer, &tolerance);
    }
    assert!(compared >= 25, "only {compared} positions compared");
}

#[test]
fn what_else_a_record_says_is_what_the_reference_understands() {
    let Some(rows) = rows() else { return };
    let mut compared = [0; 6];
    for (row, answer) in rows.iter().filter(|(row, _)| row["checksum_ok"] != false) {
        let id = &row["id"];
        for (got, want) in reports(answer).into_iter().zip(list(&row["decoded"])) {
            let want = &want["attributes"];
            let alarm = match want["alarm"].as_str() {
                None => vec![],
                Some("sos") => vec!["sos"],
                Some("general" | "hardAcceleration" | "hardBraking" | "hardCornering") => vec!["other"],
                Some(unknown) => panic!("{id}: no word for {unknown}"),
            };
            assert_eq!(list(&got["alarms"]), alarm, "{id}");
            compared[0] += alarm.len();
            for (place, ours, theirs) in [
                (1, "battery_percent", "batteryLevel"),
                (2, "battery_v", "battery"),
                (3, "hdop", "hdop"),
                (4, "mileage_m", "odometer"),
            ] {
                if let Some(theirs) = want[theirs].as_f64() {
                    assert_eq!(got[ours].as_f64(), Some(theirs), "{id} {ours}");
                    compared[place] += 1;
                }
            }
            if let Some(moving) = want["motion"].as_bool() {
                assert_eq!(got["motion"], if moving { "moving" } else { "still" }, "{id}");
                compared[5] += 1;
            }
        }
    }
    assert!(compared.iter().all(|compared| *compared > 0), "{compared:?}");
}

#[test]
fn replies_identities_and_checksums_are_those_of_the_reference() {
    let Some(rows) = rows() else { return };
    let mut replies = 0;
    for (row, answer) in &rows {
        let id = &row["id"];
        if row["checksum_ok"] == false {
            assert!(answer["error"].is_string(), "{id}: {answer}");
            continue;
        }
        assert!(answer["error"].is_null(), "{id}: {answer}");
        assert_eq!(answer["reply"], row["replies"][0], "{id}");
        replies += usize::from(answer["reply"].is_string());
        if let Some(device) = row["device_ids"].get(0) {
            assert_eq!(&answer["device"], device, "{id}");
        }
    }
    assert!(replies >= 12, "only {replies} replies compared");
}

#[test]
fn stream_framing_is_that_of_the_reference() {
    let Some(path) = testkit::shared("frames/framing.jsonl") else {
        return;
    };
    let mut compared = 0;
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        if row["protocol"] != "teltonika" {
            continue;
        }
        let mut source = BytesMut::from(&hex::decode(row["input_hex"].as_str().unwrap()).unwrap()[..]);
        let piece = Framer::default().decode(&mut source).unwrap();
        let Some(Piece::Frame(frame)) = piece else {
            panic!("{piece:?}")
        };
        assert_eq!(hex::encode(frame), row["first_frame_hex"].as_str().unwrap());
        compared += 1;
    }
    assert_eq!(compared, 2);
}
