//! Positions of one row of the shared data set held against those of an answer of ours.

use jiff::Timestamp;
use serde_json::Value;

/// How far ours may be from the reference's.
pub(crate) struct Tolerance {
    pub(crate) degrees: f64,
    pub(crate) altitude_m: f64,
    pub(crate) course_deg: f64,
    /// The reference names satellites in every row; otherwise they are compared where it does.
    pub(crate) satellites: bool,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self {
            degrees: 1e-6,
            altitude_m: 0.5,
            course_deg: 0.5,
            satellites: false,
        }
    }
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Compares all of them; returns how many there were.
pub(crate) fn compare(row: &Value, answer: &Value, tolerance: &Tolerance) -> usize {
    let id = &row["id"];
    let located = |one: &&Value| one["has_location"] == true;
    let want: Vec<_> = list(&row["decoded"]).iter().filter(located).collect();
    let position = |one: &&Value| one["type"] == "position";
    let got: Vec<_> = list(&answer["messages"]).iter().filter(position).collect();
    assert_eq!(got.len(), want.len(), "{id}: {answer}");
    for (got, want) in got.iter().zip(&want) {
        let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
        assert_eq!(time(&got["fix_time"]), time(&want["time"]), "{id}");
        assert_eq!(got["valid"], want["valid"], "{id}");
        for (ours, theirs, most) in [
            ("latitude", "lat", tolerance.degrees),
            ("longitude", "lon", tolerance.degrees),
            ("altitude_m", "altitude_m", tolerance.altitude_m),
            ("speed_kmh", "speed_kmh", 0.01),
            ("course_deg", "course_deg", tolerance.course_deg),
        ] {
            // What is absent on the wire is zero in the reference.
            let ours = got[ours].as_f64().unwrap_or(0.0);
            let theirs = want[theirs].as_f64().unwrap();
            assert!((ours - theirs).abs() <= most, "{id}: {ours} instead of {theirs}");
        }
        if tolerance.satellites || !want["satellites"].is_null() {
            assert_eq!(got["satellites"], want["satellites"], "{id}");
        }
    }
    got.len()
}
