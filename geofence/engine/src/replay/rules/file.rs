//! The words of a file of rules.

use jiff::{Timestamp, civil::Date};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "$schema")]
    pub(super) _schema: Option<String>,
    pub(super) people: Vec<Person>,
    #[serde(default)]
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the words of the file")]
pub(super) struct Person {
    pub(super) person_id: String,
    #[serde(default = "one")]
    pub(super) revision: u64,
    pub(super) effective_at: Option<Timestamp>,
    pub(super) order_id: Option<String>,
    #[serde(default = "yes")]
    pub(super) active: bool,
    pub(super) time_zone: String,
    #[serde(default = "sixty")]
    pub(super) reporting_interval_s: u32,
    #[serde(default = "quarter_hour")]
    pub(super) silence_after_s: u32,
    #[serde(default)]
    pub(super) home_exit_grace_s: u32,
    #[serde(default = "hour")]
    pub(super) late_return_after_s: u32,
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_until: Option<Timestamp>,
    #[serde(default)]
    pub(super) zones: Vec<Zone>,
    #[serde(default)]
    pub(super) layers: Vec<String>,
    #[serde(default)]
    pub(super) operating_points: Points,
    #[serde(default)]
    pub(super) proximities: Vec<Proximity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Points {
    pub(super) exclusion_entry: Option<f64>,
    pub(super) home_exit: Option<f64>,
    pub(super) attendance: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proximity {
    pub(super) zone_id: String,
    #[serde(default = "one")]
    pub(super) revision: u64,
    pub(super) protected_id: String,
    pub(super) distance_m: f64,
    #[serde(default)]
    pub(super) buffer_m: f64,
    pub(super) schedule: Option<Schedule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the words of the file")]
pub(super) struct Layer {
    pub(super) layer_id: String,
    #[serde(default = "one")]
    pub(super) revision: u64,
    pub(super) effective_at: Option<Timestamp>,
    pub(super) zones: Vec<Zone>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the words of the file")]
pub(super) struct Zone {
    pub(super) zone_id: String,
    #[serde(default = "one")]
    pub(super) revision: u64,
    pub(super) kind: String,
    pub(super) geometry: geojson::Geometry,
    pub(super) radius_m: Option<f64>,
    pub(super) half_width_m: Option<f64>,
    pub(super) datum: Option<String>,
    #[serde(default)]
    pub(super) buffer_m: f64,
    pub(super) schedule: Option<Schedule>,
    #[serde(default)]
    pub(super) attendance: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    #[serde(default)]
    pub(super) weekly: Vec<Weekly>,
    #[serde(default)]
    pub(super) additions: Vec<Dated>,
    #[serde(default)]
    pub(super) exceptions: Vec<Dated>,
    #[serde(default)]
    pub(super) holidays: Vec<Date>,
    #[serde(default)]
    pub(super) holiday: Vec<Daily>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Daily {
    pub(super) start: String,
    pub(super) end: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weekly {
    #[serde(default)]
    pub(super) days: Vec<String>,
    pub(super) weekday: Option<u32>,
    pub(super) start: String,
    pub(super) end: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dated {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
}

const fn one() -> u64 {
    1
}
const fn yes() -> bool {
    true
}
const fn sixty() -> u32 {
    60
}
const fn quarter_hour() -> u32 {
    900
}
const fn hour() -> u32 {
    3_600
}
