//! One invented track for each kind of event, through the same function as `homeward replay`; events as snapshots.
//!
//! Everything happens on Monday 2026-10-05 in Asia/Shanghai (UTC+8), at places given in metres east and north of home.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

// Before the modules that use it.
macro_rules! check {
    ($rules:expr, $track:expr, $until:expr) => {
        insta::with_settings!({omit_expression => true}, {
            insta::assert_json_snapshot!(events(&$rules, &$track, $until));
        })
    };
}

mod device;
mod files;
mod late;
mod protected;
mod zones;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
};

use homeward_engine::replay::{self, Summary};
use serde_json::{Value, json};

const HOME: (f64, f64) = (120.16, 30.25);

/// Rows of a file of reports, with a clock of their own.
#[derive(Clone, Default)]
struct Track {
    rows: String,
}

impl Track {
    fn new() -> Self {
        Self::default()
    }

    /// A GNSS fix with 8 m accuracy, received at once.
    fn fix(self, time: &str, east_m: f64, north_m: f64) -> Self {
        self.report(time, time, Some((east_m, north_m)), "accuracy_m=8;source=gnss")
    }

    fn fixes(self, times: &[&str], east_m: f64, north_m: f64) -> Self {
        times.iter().fold(self, |track, time| track.fix(time, east_m, north_m))
    }

    fn report(mut self, received: &str, fix_time: &str, place: Option<(f64, f64)>, settings: &str) -> Self {
        let set = |name: &str| {
            settings
                .split(';')
                .find_map(|setting| setting.strip_prefix(name)?.strip_prefix('='))
                .unwrap_or("")
                .to_owned()
        };
        let place = place.map_or(",".to_owned(), |(east_m, north_m)| {
            let longitude = HOME.0 + east_m / (111_195.0 * HOME.1.to_radians().cos());
            format!("{:.7},{longitude:.7}", HOME.1 + north_m / 110_850.0)
        });
        let person = set("person");
        let (person, of) = if person.is_empty() {
            ("wu,m-1", "")
        } else {
            (&*format!("{person},"), "wu")
        };
        let names = [
            "accuracy_m",
            "source",
            "battery_percent",
            "strap",
            "motion",
            "case",
            "alarms",
        ];
        let rest = names.map(set).join(",");
        let clock = |time: &str| {
            if time.contains('T') {
                time.to_owned()
            } else {
                format!("2026-10-05T{time}+08:00")
            }
        };
        writeln!(
            self.rows,
            "{person},{},{},{place},{rest},{of}",
            clock(received),
            clock(fix_time)
        )
        .unwrap();
        self
    }

    /// A fix that the device stored, received later.
    fn stored(self, received: &str, fix_time: &str, east_m: f64, north_m: f64) -> Self {
        let settings = "accuracy_m=8;source=gnss";
        self.report(received, fix_time, Some((east_m, north_m)), settings)
    }

    /// Where the protected person V17 is.
    fn protected(self, time: &str, east_m: f64, north_m: f64) -> Self {
        let settings = "person=V17;accuracy_m=8;source=gnss";
        self.report(time, time, Some((east_m, north_m)), settings)
    }

    fn csv(&self) -> String {
        format!(
            "person_id,device_id,received_at,fix_time,latitude,longitude,accuracy_m,source,battery_percent,strap,motion,case,alarms,\
             protected_of\n{}",
            self.rows
        )
    }
}

/// Times of day, one a minute, both ends included.
fn minutes(from: &str, to: &str) -> Vec<String> {
    let of = |time: &str| -> u32 { time[..2].parse::<u32>().unwrap() * 60 + time[3..].parse::<u32>().unwrap() };
    (of(from)..=of(to))
        .map(|minute| format!("{:02}:{:02}:00", minute / 60, minute % 60))
        .collect()
}

fn rules(zones: &Value) -> Value {
    json!({"people": [{"person_id": "wu", "time_zone": "Asia/Shanghai", "zones": zones, "silence_after_s": 0}]})
}

fn circle(id: &str, kind: &str, east_m: f64, radius_m: f64) -> Value {
    let longitude = HOME.0 + east_m / (111_195.0 * HOME.1.to_radians().cos());
    json!({"zone_id": id, "kind": kind, "radius_m": radius_m,
           "geometry": {"type": "Point", "coordinates": [longitude, HOME.1]}})
}

/// Home, radius 80 m, to be inside from 22:00 to 06:00 every day.
fn home() -> Value {
    let mut home = circle("home", "inclusion", 0.0, 80.0);
    home["schedule"] = json!({"weekly": [
        {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "start": "22:00", "end": "06:00"}]});
    home
}

fn replay_until(rules: &Value, track: &Track, until: &str) -> (String, Summary) {
    let mut out = Vec::new();
    let until = (!until.is_empty()).then(|| format!("2026-10-0{until}+08:00").parse().unwrap());
    let summary = replay::run(&rules.to_string(), track.csv().as_bytes(), &mut out, until).unwrap();
    assert_eq!(summary.bad_rows, 0, "{summary}");
    (String::from_utf8(out).unwrap(), summary)
}

/// Events in short: times of day in Asia/Shanghai and the sentence.
fn events(rules: &Value, track: &Track, until: &str) -> Vec<String> {
    let (lines, _) = replay_until(rules, track, until);
    let local = |time: &Value| {
        time.as_str().map_or("-".to_owned(), |time| {
            let time: jiff::Timestamp = time.parse().unwrap();
            time.in_tz("Asia/Shanghai").unwrap().strftime("%d %H:%M:%S").to_string()
        })
    };
    lines
        .lines()
        .map(|line| {
            let event: Value = serde_json::from_str(line).unwrap();
            format!(
                "{} {} {} [{} .. {}] known {}{}{}: {}",
                event["kind"].as_str().unwrap(),
                event["edge"].as_str().unwrap(),
                event["zone_id"].as_str().unwrap_or("-"),
                local(&event["onset"]),
                local(&event["end"]),
                local(&event["decided_at"]),
                if event["late"] == true { " late" } else { "" },
                if event["withdrawn"] == true { " withdrawn" } else { "" },
                event["sentence"].as_str().unwrap()
            )
        })
        .collect()
}

/// Rules to keep 500 m away from V17, with a warning 200 m before.
fn keep_away() -> Value {
    let mut rules = rules(&json!([]));
    rules["people"][0]["proximities"] =
        json!([{"zone_id": "keep away", "protected_id": "V17", "distance_m": 500.0, "buffer_m": 200.0}]);
    rules
}
