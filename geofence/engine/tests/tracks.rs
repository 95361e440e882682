//! One invented track for each kind of event, through the same function as `homeward replay`; events as snapshots.
//!
//! Everything happens on Monday 2026-10-05 in Asia/Shanghai (UTC+8), at places given in metres east and north of home.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

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

macro_rules! check {
    ($rules:expr, $track:expr, $until:expr) => {
        insta::with_settings!({omit_expression => true}, {
            insta::assert_json_snapshot!(events(&$rules, &$track, $until));
        })
    };
}

#[test]
fn left_during_curfew() {
    let track = Track::new()
        .fixes(&["21:50:00", "22:05:00"], 10.0, 5.0)
        .fix("22:06:00", 100.0, 0.0) // 20 m outside: a beginning, nothing more
        .fix("22:07:00", 140.0, 0.0)
        .fix("22:08:00", 250.0, 0.0)
        .fix("22:09:00", 400.0, 0.0)
        .fixes(&["22:29:00", "22:30:00"], 30.0, 0.0);
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn one_wild_fix_at_home_raises_nothing() {
    let track = Track::new()
        .fixes(&["22:05:00", "22:06:00"], 60.0, 0.0)
        .fix("22:07:00", 105.0, 0.0)
        .fixes(&["22:08:00", "22:09:00"], 60.0, 0.0);
    assert!(events(&rules(&json!([home()])), &track, "").is_empty());
}

#[test]
fn a_home_exit_takes_three_fixes_however_far() {
    let track = Track::new()
        .fix("22:05:00", 0.0, 0.0)
        .fixes(&["22:40:00", "22:41:00"], 4_000.0, 0.0);
    assert!(events(&rules(&json!([home()])), &track, "5T23:00:00").is_empty());
    let track = track.fix("22:42:00", 4_000.0, 0.0);
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn absent_at_start_without_a_word_from_the_device() {
    // The timer waits one reporting interval and a little for a report that says otherwise.
    let track = Track::new().fixes(&["21:56:30", "21:57:30", "21:58:30", "21:59:30"], 900.0, 0.0);
    check!(rules(&json!([home()])), track, "6T07:00:00");
}

#[test]
fn absent_at_start_and_late_return() {
    let track = Track::new()
        .fixes(&["21:57:00", "21:58:00", "21:59:00", "22:00:20"], 900.0, 0.0)
        .fix("22:20:00", 300.0, 0.0)
        .fixes(&["22:25:00", "22:26:00"], 0.0, 0.0);
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn home_just_in_time_raises_nothing() {
    let track = Track::new()
        .fixes(&["21:56:30", "21:57:30", "21:58:30", "21:59:20"], 300.0, 0.0)
        .fixes(&["22:00:20", "22:01:00"], 20.0, 0.0);
    assert!(events(&rules(&json!([home()])), &track, "5T23:00:00").is_empty());
}

#[test]
fn grace_is_given() {
    let mut rules = rules(&json!([home()]));
    rules["people"][0]["home_exit_grace_s"] = json!(300);
    let short = Track::new()
        .fixes(&["22:10:00", "22:11:00"], 0.0, 0.0)
        .fixes(&["22:12:00", "22:13:00", "22:14:00", "22:15:00"], 200.0, 0.0)
        .fixes(&["22:16:30", "22:17:30"], 0.0, 0.0);
    assert!(events(&rules, &short, "5T23:00:00").is_empty());
    let silent = Track::new().fixes(&["22:10:00", "22:11:00"], 0.0, 0.0).fixes(
        &["22:12:00", "22:13:00", "22:14:00"],
        200.0,
        0.0,
    );
    check!(rules, silent, "5T23:00:00");
}

#[test]
fn left_inclusion() {
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fixes(&["12:01:00", "12:02:00", "12:03:00", "12:04:00"], 150.0, 0.0)
        .fixes(&["12:10:00", "12:11:00"], 10.0, 0.0);
    check!(rules(&json!([circle("ward", "inclusion", 0.0, 100.0)])), track, "");
}

#[test]
fn exclusion_and_buffer() {
    let mut zone = circle("school", "exclusion", 1_000.0, 100.0);
    zone["buffer_m"] = json!(200.0);
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fixes(&["12:05:00", "12:06:00"], 750.0, 0.0)
        .fixes(&["12:07:00", "12:08:00"], 950.0, 0.0)
        .fixes(&["12:09:00", "12:10:00"], 840.0, 0.0)
        .fixes(&["12:20:00", "12:21:00"], 300.0, 0.0);
    check!(rules(&json!([zone])), track, "");
}

#[test]
fn inside_when_an_exclusion_schedule_starts() {
    let mut zone = circle("park", "exclusion", 0.0, 100.0);
    zone["schedule"] = json!({"weekly": [{"days": ["mon"], "start": "18:00", "end": "20:00"}]});
    let track = Track::new().fixes(&["17:50:00", "17:59:00", "18:30:00"], 0.0, 0.0);
    check!(rules(&json!([zone])), track, "5T21:00:00");
}

#[test]
fn a_cell_tower_never_raises_alone() {
    let zone = circle("district", "exclusion", 0.0, 5_000.0);
    let cell = "accuracy_m=500;source=cell";
    let at = Some((100.0, 0.0));
    let track = Track::new()
        .report("12:00:00", "12:00:00", at, cell)
        .report("12:01:00", "12:01:00", at, cell)
        .report("12:02:00", "12:02:00", at, cell);
    assert!(events(&rules(&json!([zone])), &track, "").is_empty());
    let with_wifi = track.report("12:03:00", "12:03:00", at, "accuracy_m=40;source=wifi");
    check!(rules(&json!([zone])), with_wifi, "");
}

#[test]
fn possible_crossing() {
    let zone = circle("lane", "exclusion", 1_000.0, 60.0);
    let track = Track::new().fix("12:00:00", 0.0, 0.0).fix("12:02:00", 2_000.0, 10.0);
    check!(rules(&json!([zone])), track, "");
}

#[test]
fn attendance() {
    let mut office = circle("office", "inclusion", 2_000.0, 100.0);
    office["attendance"] = json!(true);
    office["schedule"] = json!({"weekly": [{"days": ["mon"], "start": "09:00", "end": "11:00"},
                                           {"days": ["mon"], "start": "14:00", "end": "15:00"}]});
    let track = Track::new()
        .fix("08:50:00", 0.0, 0.0)
        .fixes(&["10:00:00", "10:01:00"], 2_010.0, 0.0)
        .fix("10:30:00", 0.0, 0.0)
        .fix("14:30:00", 500.0, 0.0);
    check!(rules(&json!([office])), track, "5T16:00:00");
}

#[test]
fn shared_layer() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["layers"] = json!(["schools"]);
    let schools: Vec<Value> = (1..=5)
        .map(|number| {
            circle(
                &format!("school-{number}"),
                "exclusion",
                f64::from(number) * 500.0,
                80.0,
            )
        })
        .collect();
    rules["layers"] = json!([{"layer_id": "schools", "zones": schools}]);
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fixes(&["12:10:00", "12:11:00"], 1_000.0, 10.0)
        .fixes(&["12:20:00", "12:21:00"], 1_250.0, 10.0)
        .fixes(&["12:30:00", "12:31:00"], 1_500.0, 10.0);
    check!(rules, track, "");
}

#[test]
fn silence_and_its_end() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["silence_after_s"] = json!(900);
    let track = Track::new().fix("12:00:00", 0.0, 0.0).fix("12:40:00", 0.0, 0.0);
    check!(rules, track, "5T13:00:00");
}

/// One fix may be wild: it is told as possible, and only where nothing came after it.
#[test]
fn a_lone_fix_in_an_exclusion_zone_before_silence_is_told_as_possible() {
    let mut rules = rules(&json!([circle("z", "exclusion", 1_000.0, 150.0)]));
    let before = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fix("12:01:00", 0.0, 0.0)
        .fix("12:02:00", 0.0, 0.0);
    let kinds = |rules: &Value, track: &Track| -> Vec<String> {
        let told = events(rules, track, "5T13:00:00");
        told.iter()
            .map(|event| event.split(' ').take(2).collect::<Vec<_>>().join(" "))
            .collect()
    };
    let lone = || before.clone().fix("12:17:00", 1_000.0, 0.0);
    assert!(kinds(&rules, &lone()).is_empty(), "silence is not asked about");
    rules["people"][0]["silence_after_s"] = json!(1_200);
    assert_eq!(
        kinds(&rules, &lone()),
        ["silence onset", "possible_crossing onset", "possible_crossing end"]
    );
    // The next fix says that it was wild.
    let denied = lone().fix("12:18:00", 0.0, 0.0);
    assert_eq!(kinds(&rules, &denied), ["silence onset"]);
    // A stored fix that comes much later takes it back, as if it had come in time.
    let taken_back = kinds(&rules, &lone().stored("12:50:00", "12:18:00", 0.0, 0.0));
    assert!(
        taken_back.contains(&"possible_crossing correction".to_owned()),
        "{taken_back:?}"
    );
}

#[test]
fn no_fix_and_its_end() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["silence_after_s"] = json!(900);
    let track = Track::new().fix("12:00:00", 0.0, 0.0);
    let track = ["12:08:00", "12:16:00", "12:24:00"]
        .iter()
        .fold(track, |track, time| {
            track.report(time, time, None, "battery_percent=70")
        })
        .fix("12:30:00", 0.0, 0.0);
    check!(rules, track, "");
}

#[test]
fn tampering_is_never_cleared() {
    let at = Some((0.0, 0.0));
    let track = Track::new()
        .report("12:00:00", "12:00:00", at, "strap=closed")
        .report("12:01:00", "12:01:00", at, "strap=open")
        .report("12:02:00", "12:02:00", at, "strap=open")
        .report("12:03:00", "12:03:00", at, "strap=closed")
        .report("12:04:00", "12:04:00", at, "strap=open")
        .report("12:05:00", "12:05:00", at, "alarms=case_tamper")
        .report("12:06:00", "12:06:00", None, "")
        .report("12:07:00", "12:07:00", at, "alarms=case_tamper")
        .report("12:08:00", "12:08:00", at, "")
        .report("12:09:00", "12:09:00", at, "alarms=case_tamper")
        // Stored by the device while there was no network.
        .report("12:10:00", "11:30:00", at, "strap=open");
    check!(rules(&json!([])), track, "");
}

#[test]
fn battery_sos_jamming_shielding() {
    let at = Some((0.0, 0.0));
    let track = Track::new()
        .report("12:00:00", "12:00:00", at, "battery_percent=21")
        .report("12:01:00", "12:01:00", at, "battery_percent=20;alarms=sos")
        .report("12:02:00", "12:02:00", at, "battery_percent=25;alarms=sos")
        .report("12:03:00", "12:03:00", at, "battery_percent=9;alarms=jamming")
        .report("12:04:00", "12:04:00", None, "alarms=jamming shielding")
        .report("12:05:00", "12:05:00", at, "battery_percent=30")
        .report("12:30:00", "12:30:00", at, "alarms=sos low_battery")
        .report("12:31:00", "12:31:00", at, "");
    check!(rules(&json!([])), track, "");
}

#[test]
fn rules_that_change_end_what_they_no_longer_ask() {
    let mut rules = rules(&json!([circle("yard", "exclusion", 0.0, 100.0)]));
    let first = rules["people"][0].clone();
    let with = |revision: u64, at: &str, zones: Value| {
        let mut next = first.clone();
        next["revision"] = json!(revision);
        next["effective_at"] = json!(format!("2026-10-05T{at}+08:00"));
        next["zones"] = zones;
        next
    };
    let mut moved = circle("yard", "exclusion", 20.0, 100.0);
    moved["revision"] = json!(2);
    let mut pass = home();
    pass["schedule"]["exceptions"] =
        json!([{"start": "2026-10-05T23:00:00+08:00", "end": "2026-10-06T08:00:00+08:00"}]);
    let mut over = with(6, "23:30:00", json!([home()]));
    over["active"] = json!(false);
    rules["people"] = json!([
        rules["people"][0],
        with(2, "12:05:00", json!([circle("yard", "exclusion", 0.0, 100.0), home()])), // a zone more: nothing ends
        with(3, "12:10:00", json!([moved, home()])),                                   // another revision
        with(4, "22:30:00", json!([home()])),                                          // taken away
        with(5, "22:40:00", json!([pass])),                                            // leave from 23:00
        over,
    ]);
    let track = Track::new()
        .fixes(&["12:00:00", "12:06:00", "12:11:00"], 0.0, 0.0)
        .fixes(&["12:20:00", "22:10:00", "22:20:00", "22:35:00"], 90.0, 0.0)
        .fixes(&["22:45:00", "22:46:00", "22:47:00", "22:50:00"], 400.0, 0.0)
        .fix("23:10:00", 400.0, 0.0);
    check!(rules, track, "6T12:00:00");
}

#[test]
fn the_end_of_the_order_ends_everything() {
    let mut rules = rules(&json!([circle("ward", "inclusion", 0.0, 100.0)]));
    rules["people"][0]["valid_until"] = json!("2026-10-05T12:30:00+08:00");
    rules["people"][0]["silence_after_s"] = json!(900);
    let track = Track::new()
        .fixes(&["12:00:00", "12:01:00", "12:02:00"], 500.0, 0.0)
        .fix("12:40:00", 600.0, 0.0);
    check!(rules, track, "5T23:00:00");
}

#[test]
fn what_cannot_be_judged_is_counted() {
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fix("12:00:00", 0.0, 0.0) // a copy
        .report("12:01:00", "12:04:00", Some((0.0, 0.0)), "") // ahead of its receipt
        .report("12:02:00", "1970-01-01T00:00:12Z", Some((0.0, 0.0)), "")
        .report("12:03:00", "11:50:00", Some((5_000.0, 0.0)), ""); // late
    let rules = rules(&json!([circle("ward", "inclusion", 0.0, 100.0)]));
    let (_, summary) = replay_until(&rules, &track, "");
    check!(rules, track, ""); // nothing but the word that the clock was wrong for a time
    let counters = summary.counters;
    assert_eq!(
        [
            counters.judged,
            counters.duplicates,
            counters.fix_time_ahead,
            counters.fix_time_too_old,
            counters.late
        ],
        [1; 5]
    );
}

#[test]
fn copies_of_a_report_whose_time_cannot_be_believed_are_copies() {
    let at = Some((0.0, 0.0));
    let (ahead, old) = ("2026-10-05T16:00:00+08:00", "1970-01-01T00:00:12Z");
    let track = minutes("12:00", "12:40").iter().fold(Track::new(), |track, time| {
        let track = track.fix(time, 0.0, 0.0);
        match &**time {
            // Each comes three times, further apart than calls that count as one.
            "12:02:00" | "12:14:00" | "12:26:00" => {
                track
                    .report(time, ahead, at, "alarms=sos")
                    .report(time, old, at, "strap=open")
            }
            _ => track,
        }
    });
    let (lines, summary) = replay_until(&rules(&json!([])), &track, "");
    for kind in ["sos", "strap_tamper"] {
        let told = lines
            .lines()
            .filter(|line| line.contains(&format!("\"kind\":\"{kind}\"")))
            .count();
        assert_eq!(told, 1, "{kind}: {lines}");
    }
    let counters = summary.counters;
    assert_eq!(
        [counters.duplicates, counters.fix_time_ahead, counters.fix_time_too_old],
        [4, 1, 1]
    );
}

#[test]
fn what_is_lost_underground_is_no_jamming() {
    // On a train below the streets: no satellites, cells and motion all the while, and the network carries every report.
    let path = minutes("12:01", "12:40").iter().enumerate().fold(
        Track::new().fix("12:00:00", 0.0, 0.0),
        |track, (n, time)| {
            let place = (n % 3 != 0).then_some((n as f64 * 600.0, 0.0));
            let said = "accuracy_m=900;source=cell;motion=moving";
            track.report(time, time, place, if place.is_some() { said } else { "motion=moving" })
        },
    );
    let track = minutes("12:41", "12:50")
        .iter()
        .fold(path, |track, time| track.fix(time, 24_000.0, 0.0));
    let told = events(&rules(&json!([])), &track, "");
    assert!(
        told.iter()
            .all(|line| !line.contains("jamming") && !line.contains("shielding")),
        "{told:#?}"
    );
    // The same with the device's word, once: that is one.
    let track = track.report("12:51:00", "12:51:00", Some((24_000.0, 0.0)), "alarms=jamming");
    let told = events(&rules(&json!([])), &track, "");
    assert_eq!(
        told.iter().filter(|line| line.starts_with("jamming onset")).count(),
        1,
        "{told:#?}"
    );
}

#[test]
fn motion_without_fix_and_its_end() {
    let track = Track::new().fix("12:00:00", 0.0, 0.0);
    let track = minutes("12:01", "12:08")
        .iter()
        .fold(track, |track, time| track.report(time, time, None, "motion=moving"))
        .fix("12:09:00", 300.0, 0.0)
        // Lying somewhere without a view of the sky is none.
        .report("12:10:00", "12:10:00", None, "motion=still")
        .report("12:20:00", "12:20:00", None, "motion=still");
    check!(rules(&json!([])), track, "");
}

#[test]
fn impossible_movement_and_its_end() {
    let away = Some((60_000.0, 0.0));
    let track = Track::new()
        .fixes(&["12:00:00", "12:01:00"], 0.0, 0.0)
        .report("12:02:00", "12:02:00", away, "accuracy_m=8;source=gnss")
        .fix("12:03:00", 0.0, 0.0);
    let track = minutes("12:04", "12:35")
        .iter()
        .fold(track, |track, time| track.fix(time, 0.0, 0.0));
    check!(rules(&json!([])), track, "");
    // Cell towers are wrong by kilometres without anybody's doing.
    let far = Some((9_000.0, 0.0));
    let towers = Track::new()
        .fixes(&["12:00:00", "12:01:00"], 0.0, 0.0)
        .report("12:02:00", "12:02:00", far, "accuracy_m=1500;source=cell")
        .fix("12:03:00", 0.0, 0.0);
    assert!(events(&rules(&json!([])), &towers, "").is_empty());
}

#[test]
fn a_cloned_device_and_its_end() {
    let at = Some((0.0, 0.0));
    let track = Track::new()
        .fixes(&["12:00:00", "12:01:00"], 0.0, 0.0)
        .report("12:02:00", "12:02:00", at, "alarms=cloned")
        .report("12:03:00", "12:03:00", at, "alarms=cloned;strap=closed")
        // Another alarm without a word of its own is nobody's clone.
        .report("12:04:00", "12:04:00", at, "alarms=other");
    let track = minutes("12:05", "12:36")
        .iter()
        .fold(track, |track, time| track.fix(time, 0.0, 0.0));
    let told = events(&rules(&json!([])), &track, "");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].starts_with("cloned_device onset") && told[0].contains("12:02:00"),
        "{told:#?}"
    );
    assert!(told[0].contains("two devices speak"), "{told:#?}");
    assert!(
        told[1].starts_with("cloned_device end") && told[1].contains("12:33:00"),
        "{told:#?}"
    );
    // What either of them does is told.
    let zone = circle("school", "exclusion", 0.0, 100.0);
    let inside = minutes("12:03", "12:12")
        .iter()
        .fold(Track::new().fix("12:00:00", 5_000.0, 0.0), |track, time| {
            track.report(time, time, at, "alarms=cloned;accuracy_m=5;source=gnss")
        });
    let told = events(&rules(&json!([zone])), &inside, "");
    assert!(
        told.iter().any(|line| line.starts_with("exclusion_entry onset")),
        "{told:#?}"
    );
}

#[test]
fn battery_dead_after_a_battery_that_was_nearly_empty() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["silence_after_s"] = json!(900);
    let at = Some((0.0, 0.0));
    let track = Track::new()
        .report("12:00:00", "12:00:00", at, "battery_percent=11")
        .report("12:01:00", "12:01:00", at, "battery_percent=8")
        .report("12:40:00", "12:40:00", at, "battery_percent=55");
    check!(rules, track, "5T13:00:00");
}

#[test]
fn a_clock_that_is_wrong_and_its_end() {
    let zone = circle("school", "exclusion", 0.0, 100.0);
    let at = Some((0.0, 0.0));
    let track = Track::new()
        .report("12:00:00", "2007-02-19T12:00:00+08:00", at, "")
        .report("12:01:00", "2007-02-19T12:01:00+08:00", at, "strap=open")
        .fixes(&["12:02:00", "12:03:00"], 500.0, 0.0);
    check!(rules(&json!([zone])), track, "");
}

/// Away from 22:11 to 22:40, home before and after, a fix a minute.
fn an_evening() -> Vec<(String, f64)> {
    minutes("21:50", "23:00")
        .into_iter()
        .map(|time| {
            let away = ("22:11:00".."22:41:00").contains(&&*time);
            (time, if away { 500.0 } else { 10.0 })
        })
        .collect()
}

/// What is known in the end: kind, zone, onset and end of every violation that was not withdrawn.
fn told(rules: &Value, track: &Track, until: &str) -> Vec<[String; 4]> {
    let (lines, _) = replay_until(rules, track, until);
    let mut told: BTreeMap<String, ([String; 4], bool)> = BTreeMap::new();
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let id = event["violation_id"].to_string();
        if event["edge"] == "onset" {
            let row = ["kind", "zone_id", "onset", "end"].map(|key| event[key].to_string());
            assert!(told.insert(id, (row, false)).is_none(), "told twice: {line}");
        } else {
            // What was withdrawn may turn out to be true after all.
            let (row, withdrawn) = told.get_mut(&id).unwrap();
            row[3] = event["end"].to_string();
            *withdrawn = event["withdrawn"] == true;
        }
    }
    let mut told: Vec<[String; 4]> = told
        .into_values()
        .filter_map(|(row, withdrawn)| (!withdrawn).then_some(row))
        .collect();
    told.sort();
    told
}

#[test]
fn an_evening_that_was_stored_and_sent_out_of_order() {
    let evening = an_evening();
    let in_order = evening
        .iter()
        .fold(Track::new(), |track, (time, east_m)| track.fix(time, *east_m, 0.0));
    let (before, after) = evening.split_at(20);
    let (gap, after) = after.split_at(40);
    let known = before
        .iter()
        .chain(after)
        .fold(Track::new(), |track, (time, east_m)| track.fix(time, *east_m, 0.0));
    let rules = rules(&json!([home()]));
    assert!(
        events(&rules, &known, "").is_empty(),
        "nothing of the absence is known yet"
    );
    // 40 fixes in the gap; 17 and 40 have no common divisor, so each is sent once.
    let stored = (0..gap.len()).fold(known, |track, number| {
        let (time, east_m) = &gap[number * 17 % gap.len()];
        track.stored("23:05:00", time, *east_m, 0.0)
    });
    assert_eq!(told(&rules, &stored, ""), told(&rules, &in_order, ""));
    assert_eq!(told(&rules, &stored, "").len(), 1);
    let (lines, summary) = replay_until(&rules, &stored, "");
    assert_eq!(summary.counters.late, 40);
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["late"], true, "{line}");
    }
    check!(rules, stored, "");
    // Sent again, it changes nothing.
    let again = gap.iter().fold(stored, |track, (time, east_m)| {
        track.stored("23:10:00", time, *east_m, 0.0)
    });
    let (same, summary) = replay_until(&rules, &again, "");
    assert_eq!((same, summary.counters.duplicates), (lines, 40));
}

#[test]
fn an_evening_that_was_stored_and_sent_in_order() {
    let evening = an_evening();
    let (gap, known): (Vec<_>, Vec<_>) = evening
        .iter()
        .partition(|(time, _)| ("22:10:00".."22:50:00").contains(&&**time));
    let track = known
        .iter()
        .fold(Track::new(), |track, (time, east_m)| track.fix(time, *east_m, 0.0));
    let track = gap.iter().fold(track, |track, (time, east_m)| {
        track.stored("23:05:00", time, *east_m, 0.0)
    });
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn an_attendance_that_is_known_late() {
    let mut office = circle("office", "inclusion", 2_000.0, 100.0);
    office["attendance"] = json!(true);
    office["schedule"] = json!({"weekly": [{"days": ["mon"], "start": "09:00", "end": "11:00"}]});
    let track = Track::new()
        .fixes(&["08:50:00", "08:51:00"], 0.0, 0.0)
        .fix("11:30:00", 0.0, 0.0)
        .stored("11:31:00", "10:00:00", 2_010.0, 0.0)
        .stored("11:31:00", "10:01:00", 2_010.0, 0.0);
    check!(rules(&json!([office])), track, "");
}

#[test]
fn a_late_fix_shows_that_the_way_led_round_the_zone() {
    let zone = circle("lane", "exclusion", 1_000.0, 60.0);
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fix("12:02:00", 2_000.0, 10.0)
        .stored("12:10:00", "12:01:00", 1_000.0, 900.0);
    check!(rules(&json!([zone])), track, "");
}

#[test]
fn a_late_report_does_not_take_back_what_earlier_rules_found() {
    let mut yard = circle("yard", "exclusion", 0.0, 100.0);
    yard["schedule"] = json!({"weekly": [{"days": ["mon"], "start": "12:00", "end": "20:00"}]});
    let mut rules = rules(&json!([yard]));
    let mut leave = rules["people"][0].clone();
    leave["revision"] = json!(2);
    leave["effective_at"] = json!("2026-10-05T12:30:00+08:00");
    leave["zones"][0]["schedule"] = json!({"weekly": [{"days": ["tue"], "start": "12:00", "end": "20:00"}]});
    rules["people"] = json!([rules["people"][0], leave]);
    let track = Track::new()
        .fixes(&["12:00:00", "12:01:00"], 500.0, 0.0)
        .fixes(&["12:05:00", "12:06:00"], 0.0, 0.0)
        .fixes(&["12:20:00", "12:21:00"], 500.0, 0.0)
        .fix("12:31:00", 500.0, 0.0)
        .stored("12:40:00", "12:10:00", 0.0, 0.0)
        .stored("12:40:00", "12:25:00", 500.0, 0.0)
        .stored("12:40:00", "12:02:00", 500.0, 0.0);
    check!(rules, track, "");
}

/// Numbers that are the same each time.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Every kind of rule at once, over an afternoon; fixes of both people come up to three hours late.
#[test]
fn in_any_order_of_arrival_the_same_is_told() {
    let mut school = circle("school", "exclusion", 1_000.0, 100.0);
    school["buffer_m"] = json!(200.0);
    let mut office = circle("office", "inclusion", 2_000.0, 150.0);
    office["attendance"] = json!(true);
    office["schedule"] = json!({"weekly": [{"days": ["mon"], "start": "12:30", "end": "13:30"},
                                           {"days": ["mon"], "start": "15:00", "end": "15:30"}]});
    let mut home = circle("home", "inclusion", 0.0, 120.0);
    home["schedule"] = json!({"weekly": [{"days": ["mon"], "start": "13:00", "end": "14:00"},
                                         {"days": ["mon"], "start": "16:00", "end": "18:00"}]});
    let mut rules = rules(&json!([school, office, home]));
    let mut shared = circle("kindergarten", "exclusion", 1_500.0, 80.0);
    shared["buffer_m"] = json!(100.0);
    rules["layers"] = json!([{"layer_id": "schools", "zones": [shared, circle("station", "exclusion", 400.0, 60.0)]}]);
    rules["people"][0]["layers"] = json!(["schools"]);
    rules["people"][0]["proximities"] = keep_away()["people"][0]["proximities"].clone();
    let time = |second: u64| format!("{:02}:{:02}:{:02}", 12 + second / 3_600, second / 60 % 60, second % 60);
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    for seed in 1..=40 {
        let mut random = random(seed);
        // (fix time, receipt, protected, metres east and north)
        let mut rows: Vec<(u64, u64, bool, f64, f64)> = Vec::new();
        let (mut east_m, mut goal_m) = (0.0, 0.0);
        for minute in 0..300 {
            if random(12) == 0 {
                let goals_m = [0.0, 400.0, 1_000.0, 1_500.0, 2_000.0, 2_600.0];
                goal_m = goals_m[usize::try_from(random(6)).unwrap()];
            }
            east_m += f64::clamp(goal_m - east_m, -350.0, 350.0);
            let noise = |random: &mut dyn FnMut(u64) -> u64| random(30) as f64 - 15.0;
            let late = |random: &mut dyn FnMut(u64) -> u64| if random(4) == 0 { random(10_800) } else { 0 };
            let second = minute * 60 + 1;
            let (east, north) = (east_m + noise(&mut random), noise(&mut random));
            rows.push((second, second + late(&mut random), false, east, north));
            if minute % 3 == 0 {
                let second = second + 20;
                rows.push((
                    second,
                    second + late(&mut random),
                    true,
                    2_700.0,
                    50.0 + noise(&mut random),
                ));
            }
        }
        let track = |rows: &[(u64, u64, bool, f64, f64)], late: bool| {
            rows.iter()
                .fold(Track::new(), |track, (made, received, protected, east_m, north_m)| {
                    let person = if *protected { "person=V17;" } else { "" };
                    let settings = format!("{person}accuracy_m=12;source=gnss");
                    let received = time(if late { *received } else { *made });
                    track.report(&received, &time(*made), Some((*east_m, *north_m)), &settings)
                })
        };
        let in_order = told(&rules, &track(&rows, false), "5T23:00:00");
        rows.sort_by_key(|(_, received, ..)| *received);
        let out_of_order = told(&rules, &track(&rows, true), "5T23:00:00");
        assert_eq!(out_of_order, in_order, "seed {seed}");
        kinds.extend(in_order.into_iter().map(|[kind, ..]| kind.replace('"', "")));
    }
    insta::with_settings!({omit_expression => true}, { insta::assert_json_snapshot!(kinds); });
}

#[test]
fn late_reports_show_another_end() {
    let track = Track::new()
        .fixes(&["22:05:00", "22:06:00"], 0.0, 0.0)
        .fixes(&["22:11:00", "22:12:00", "22:13:00"], 400.0, 0.0)
        .fixes(&["22:40:00", "22:41:00"], 0.0, 0.0)
        .stored("22:42:00", "22:26:00", 0.0, 0.0)
        .stored("22:42:00", "22:25:00", 0.0, 0.0);
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn late_reports_withdraw_what_did_not_happen() {
    // Home in time, but without network: at 22:01:15 nothing else was known than that the person was out.
    let track = Track::new()
        .fixes(&["21:52:00", "21:53:00", "21:54:00"], 900.0, 0.0)
        .stored("22:10:00", "21:58:00", 5.0, 0.0)
        .stored("22:10:01", "21:59:00", 5.0, 0.0)
        .fix("22:10:02", 5.0, 0.0);
    check!(rules(&json!([home()])), track, "5T23:00:00");
}

#[test]
fn what_was_withdrawn_may_be_so_after_all() {
    // The rule is made while the person is inside. A late fix from elsewhere makes that doubtful, the next one does not.
    let mut rules = rules(&json!([]));
    let mut next = rules["people"][0].clone();
    next["revision"] = json!(2);
    next["effective_at"] = json!("2026-10-05T12:10:00+08:00");
    next["zones"] = json!([circle("yard", "exclusion", 0.0, 100.0)]);
    rules["people"] = json!([rules["people"][0], next]);
    let track = Track::new()
        .fixes(&["12:00:00", "12:09:00"], 0.0, 0.0)
        .stored("12:12:00", "12:04:00", 5_000.0, 0.0)
        .fix("12:13:00", 0.0, 0.0)
        .fixes(&["12:20:00", "12:21:00"], 600.0, 0.0);
    check!(rules, track, "");
    let (lines, _) = replay_until(&rules, &track, "");
    let ids: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event_id"].clone())
        .collect();
    let different: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(different.len(), ids.len(), "later stages know an event by its id");
}

#[test]
fn a_late_tamper_is_told_all_the_same() {
    let at = Some((0.0, 0.0));
    // Reports of two days ago, so that the day before is no longer kept.
    let track = minutes("12:00", "13:00").iter().fold(Track::new(), |track, time| {
        let time = format!("2026-10-03T{time}+08:00");
        track.report(&time, &time, at, "strap=closed")
    });
    let track = track
        .report("12:00:00", "12:00:00", at, "strap=closed")
        .report("12:05:00", "11:30:00", at, "strap=open")
        // Earlier than the closing of 12:00, later than the opening that is known: nothing new.
        .report("12:06:00", "11:40:00", at, "strap=open")
        // An earlier word of the same opening.
        .report("12:07:00", "11:20:00", at, "strap=open")
        // Too old to be judged, but never missed.
        .report("12:08:00", "2026-10-03T12:10:30+08:00", at, "strap=open");
    check!(rules(&json!([])), track, "");
}

#[test]
fn an_order_chooses_how_sure_an_entry_must_be() {
    // Some metres inside, under trees: each fix says a little.
    let track = Track::new().fixes(&["12:00:00", "12:01:00"], 600.0, 0.0);
    let track = minutes("12:02", "12:20").iter().fold(track, |track, time| {
        track.report(time, time, Some((922.0, 0.0)), "accuracy_m=25;source=gnss")
    });
    let known = |point: f64| {
        let mut rules = rules(&json!([circle("school", "exclusion", 1_000.0, 100.0)]));
        rules["people"][0]["operating_points"] = json!({"exclusion_entry": point});
        events(&rules, &track, "")
    };
    let [low, default, high] = [0.80, 0.95, 0.99].map(known);
    insta::with_settings!({omit_expression => true}, {
        insta::assert_json_snapshot!(json!({"0.80": low, "0.95": default, "0.99": high}));
    });
}

#[test]
fn holidays_have_hours_of_their_own() {
    let mut home = home();
    home["schedule"]["holidays"] = json!(["2026-10-05"]);
    let out = |from: &str, to: &str| {
        minutes(from, to)
            .iter()
            .fold(Track::new(), |track, time| track.fix(time, 900.0, 0.0))
    };
    // Nothing is asked on the evening of the holiday; the evening after it is as ever.
    let track = out("21:50", "22:30");
    let track = minutes("21:50", "22:03").iter().fold(track, |track, time| {
        let time = format!("2026-10-06T{time}+08:00");
        track.fix(&time, 900.0, 0.0)
    });
    check!(rules(&json!([home])), track, "");
    // With hours of its own: from 20:00.
    home["schedule"]["holiday"] = json!([{"start": "20:00", "end": "06:00"}]);
    check!(rules(&json!([home])), out("19:50", "20:05"), "");
}

#[test]
fn a_corridor_that_must_not_be_left_and_one_that_must_not_be_entered() {
    let line = |kind: &str, id: &str| {
        let longitude = |east_m: f64| HOME.0 + east_m / (111_195.0 * HOME.1.to_radians().cos());
        json!({"zone_id": id, "kind": kind, "half_width_m": 40.0, "geometry": {"type": "LineString",
               "coordinates": [[longitude(0.0), HOME.1], [longitude(2_000.0), HOME.1]]}})
    };
    let track = Track::new()
        .fixes(&["12:00:00", "12:05:00"], 200.0, 10.0)
        .fixes(&["12:10:00", "12:11:00", "12:12:00"], 1_000.0, 90.0)
        .fixes(&["12:20:00", "12:21:00"], 1_500.0, -5.0);
    check!(rules(&json!([line("inclusion", "way to work")])), track, "");
    check!(rules(&json!([line("exclusion", "front")])), track, "");
}

#[test]
fn a_shared_layer_with_a_buffer() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["layers"] = json!(["schools"]);
    let mut school = circle("school-2", "exclusion", 1_000.0, 80.0);
    school["buffer_m"] = json!(150.0);
    rules["layers"] =
        json!([{"layer_id": "schools", "zones": [circle("school-1", "exclusion", 5_000.0, 80.0), school]}]);
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fixes(&["12:10:00", "12:11:00"], 830.0, 0.0)
        .fixes(&["12:12:00", "12:13:00"], 1_000.0, 10.0)
        .fixes(&["12:20:00", "12:21:00"], 300.0, 0.0);
    check!(rules, track, "");
}

/// Of where somebody is, nothing is known before the first fix, whosever the zone is.
#[test]
fn an_own_zone_and_a_shared_one_begin_alike() {
    let mut school = circle("school", "exclusion", 400.0, 60.0);
    school["buffer_m"] = json!(50);
    let own = rules(&json!([school]));
    let mut shared = rules(&json!([]));
    shared["people"][0]["layers"] = json!(["schools"]);
    shared["layers"] = json!([{"layer_id": "schools", "zones": [school]}]);
    let mut told = 0;
    for east_m in [400.0, 430.0, 450.0, 458.0, 465.0, 490.0, 520.0, 700.0] {
        for settings in ["accuracy_m=8;source=gnss", "accuracy_m=40;source=wifi", "source=cell"] {
            let report = |track: Track, time: &String| track.report(time, time, Some((east_m, 0.0)), settings);
            let track = minutes("09:00", "09:12").iter().fold(Track::new(), report);
            let events = [&own, &shared].map(|rules| events(rules, &track, ""));
            assert_eq!(events[0], events[1], "{east_m} m, {settings}");
            told += events[0].len();
        }
    }
    assert!(told > 10, "{told}");
}

#[test]
fn a_new_zone_where_the_person_already_is() {
    let mut rules = rules(&json!([]));
    let mut next = rules["people"][0].clone();
    next["revision"] = json!(2);
    next["effective_at"] = json!("2026-10-05T12:10:00+08:00");
    next["zones"] = json!([circle("yard", "exclusion", 0.0, 100.0)]);
    rules["people"] = json!([rules["people"][0], next]);
    let track = Track::new().fixes(&["12:06:00", "12:07:00", "12:08:00", "12:09:00"], 0.0, 0.0);
    // No further report is needed.
    check!(rules, track, "5T12:30:00");
}

/// Rules to keep 500 m away from V17, with a warning 200 m before.
fn keep_away() -> Value {
    let mut rules = rules(&json!([]));
    rules["people"][0]["proximities"] =
        json!([{"zone_id": "keep away", "protected_id": "V17", "distance_m": 500.0, "buffer_m": 200.0}]);
    rules
}

/// Nothing that comes out may say where the protected person is, or how far away.
fn says_nothing_of_the_protected(rules: &Value, track: &Track) {
    let (lines, _) = replay_until(rules, track, "");
    let csv = track.csv();
    let own: Vec<&str> = csv.lines().filter(|row| row.starts_with("wu,")).collect();
    for row in csv.lines().filter(|row| row.starts_with("V17,")) {
        for degrees in row.split(',').skip(4).take(2) {
            // On the way, the two may have one number in common: what the person's own fixes say, they may say.
            if own.iter().any(|own| own.contains(degrees)) {
                continue;
            }
            let digits = degrees.trim_end_matches('0');
            assert!(digits.len() > 6, "{digits}");
            assert!(!lines.contains(digits), "{digits} in {lines}");
            assert!(!lines.contains(&digits.replace('.', "")), "{digits} in {lines}");
        }
    }
    for line in lines.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(!line.contains("V17"), "{line}");
        for fix in event["fixes"].as_array().unwrap() {
            assert_eq!(fix["signed_distance_m"], 0.0, "{line}");
        }
    }
}

#[test]
fn an_approach_to_a_protected_person() {
    // The protected person sits still, 5 km east; the supervised person walks up to 300 m and away again.
    let mut track = Track::new();
    for (time, east_m) in [
        ("12:00", 0.0),
        ("12:10", 4_000.0),
        ("12:11", 4_050.0),
        ("12:12", 4_370.0),
        ("12:13", 4_400.0),
        ("12:14", 4_620.0),
        ("12:15", 4_700.0),
        ("12:16", 4_710.0),
        ("12:17", 4_390.0),
        ("12:18", 4_380.0),
        ("12:19", 4_000.0),
        ("12:20", 3_900.0),
    ] {
        let east_m = east_m + 0.7;
        track = track
            .protected(&format!("{time}:00"), 5_000.4, 123.4)
            .fix(&format!("{time}:20"), east_m, 0.0);
    }
    says_nothing_of_the_protected(&keep_away(), &track);
    check!(keep_away(), track, "");
}

#[test]
fn a_protected_person_who_comes_near() {
    // The supervised person sits still, and it is the other who comes.
    let mut track = Track::new().fixes(&["12:00:00", "12:01:00"], 0.0, 0.0);
    for (time, east_m) in [
        ("12:02", 1_000.0),
        ("12:03", 1_000.0),
        ("12:04", 300.0),
        ("12:05", 200.0),
        ("12:06", 200.0),
        ("12:20", 3_000.0),
        ("12:21", 3_000.0),
    ] {
        let east_m = east_m + 0.3;
        track = track
            .fix(&format!("{time}:00"), 0.0, 0.0)
            .protected(&format!("{time}:10"), east_m, 45.6);
    }
    says_nothing_of_the_protected(&keep_away(), &track);
    check!(keep_away(), track, "");
    // A fix of an hour ago says nothing about now.
    let mut stale = Track::new()
        .protected("12:00:00", 100.0, 45.6)
        .protected("12:01:00", 100.0, 45.6);
    for time in minutes("13:00", "13:05") {
        stale = stale.fix(&time, 0.0, 0.0);
    }
    assert!(events(&keep_away(), &stale, "").is_empty());
}

#[test]
fn a_protected_persons_row_needs_a_place_and_a_person() {
    let header = "person_id,received_at,fix_time,latitude,longitude,protected_of\n";
    let csv = format!(
        "{header}V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,,,wu\n\
         V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,nobody\n\
         V18,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,wu\n\
         V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,wu\n\
         V17,2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,30.25,120.16,wu\n"
    );
    let summary = replay::run(&keep_away().to_string(), csv.as_bytes(), Vec::new(), None).unwrap();
    let counters = summary.counters;
    assert_eq!((summary.bad_rows, summary.unknown_people_rows), (1, 1), "{summary}");
    assert_eq!(
        (counters.judged, counters.not_monitored, counters.duplicates),
        (1, 1, 1),
        "{summary}"
    );
    assert_eq!(
        summary.named_bad_rows[0].to_string(),
        "line 2: a protected person's row without a position"
    );
}

#[test]
fn a_whole_line_of_output() {
    let track = Track::new()
        .fix("12:00:00", 1_000.0, 0.0)
        .fixes(&["12:05:00", "12:06:00"], 0.0, 0.0);
    let (lines, _) = replay_until(&rules(&json!([circle("school", "exclusion", 0.0, 100.0)])), &track, "");
    insta::assert_snapshot!(lines);
}

#[test]
fn bad_rows_and_strangers_cost_the_others_nothing() {
    let rules = rules(&json!([circle("school", "exclusion", 0.0, 100.0)]));
    let csv = "\u{feff}received_at,fix_time,person_id,colour,latitude,longitude\n\
        2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,wu,red,30.25,120.16\n\
        yesterday,2026-10-05T04:00:00Z,wu,red,30.25,120.16\n\
        2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,wu,red,91.0,120.16\n\
        2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,wu\n\
        2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,wu,red,,120.16\n\
        2026-10-05T04:00:00Z,2026-10-05T04:00:00Z,qi,red,30.25,120.16\n\
        2026-10-05T04:01:00Z,2026-10-05T04:01:00Z,wu,red,30.25,120.16\n\
        2026-10-05T04:02:00Z,2026-10-05T04:02:00Z,wu,red,30.25,120.16\n\
        2026-10-05T04:08:00Z,2026-10-05T04:08:00Z,wu,red,30.35,120.16\n\
        2026-10-05T04:09:00Z,2026-10-05T04:09:00Z,wu,red,30.35,120.16\n";
    let mut out = Vec::new();
    let summary = replay::run(&rules.to_string(), csv.as_bytes(), &mut out, None).unwrap();
    insta::assert_snapshot!(summary.to_string());
    assert_eq!(
        (summary.rows, summary.bad_rows, summary.unknown_people, summary.events),
        (10, 4, 1, 2)
    );
}

#[test]
fn a_wrong_file_of_rules_names_the_place() {
    let wrong = |edit: &dyn Fn(&mut Value)| {
        let mut rules = rules(&json!([home()]));
        edit(&mut rules);
        replay::run(&rules.to_string(), "".as_bytes(), Vec::new(), None)
            .unwrap_err()
            .to_string()
    };
    let errors = [
        wrong(&|rules| rules["people"][0]["zones"][0]["kind"] = json!("prison")),
        wrong(&|rules| rules["people"][0]["zones"][0]["radius_m"] = json!("wide")),
        wrong(&|rules| rules["people"][0]["zones"][0]["radius_m"] = json!(-4)),
        wrong(&|rules| rules["people"][0]["zones"][0]["colour"] = json!("red")),
        wrong(&|rules| rules["people"][0]["time_zone"] = json!("Mars/Olympus")),
        wrong(&|rules| rules["people"][0]["layers"] = json!(["schools"])),
        wrong(&|rules| rules["people"][0]["zones"][0]["schedule"]["weekly"][0]["start"] = json!("25:00")),
        wrong(&|rules| rules["people"][0]["zones"][0]["schedule"]["weekly"][0]["days"][1] = json!("tues")),
        wrong(&|rules| rules["people"][0]["zones"] = json!([home(), home()])),
        wrong(&|rules| {
            rules["people"][0]["proximities"] = json!([{"zone_id": "day", "protected_id": "V17", "distance_m": 500.0},
                                                       {"zone_id": "night", "protected_id": "V17", "distance_m": 900.0}]);
        }),
        wrong(&|rules| rules["people"][0]["zones"][0]["geometry"] = json!({"type": "Polygon", "coordinates": []})),
        replay::run("{\"people\": [", "".as_bytes(), Vec::new(), None)
            .unwrap_err()
            .to_string(),
        replay::run("{\"people\": []}", "person_id,fix_time\n".as_bytes(), Vec::new(), None)
            .unwrap_err()
            .to_string(),
    ];
    insta::with_settings!({omit_expression => true}, { insta::assert_json_snapshot!(errors) });
}

#[test]
fn the_example_in_the_documentation_is_read() {
    let text = include_str!("../../../docs/replay.md");
    let block = |kind: &str, number: usize| {
        let start = format!("```{kind}\n");
        text.split(&start).nth(number).unwrap().split("```").next().unwrap()
    };
    let header = "person_id,received_at,fix_time,latitude,longitude\n";
    assert_eq!(
        replay::run(block("json", 1), header.as_bytes(), Vec::new(), None).unwrap(),
        Summary::default()
    );
    // Rules to keep away from a protected person, and a fix of either.
    let both = replay::run(block("json", 2), block("csv", 1).as_bytes(), Vec::new(), None).unwrap();
    assert_eq!((both.rows, both.bad_rows, both.counters.judged), (2, 0, 2), "{both}");
}

/// Positions with and without error of 60 people in real streets; homes as zones that must not be left.
#[test]
fn simulated_people_at_home() {
    let Some(folder) = testkit::shared("oracle/sim") else {
        return;
    };
    let unpacked = |name: &str| {
        let file = std::fs::File::open(folder.join(name)).unwrap();
        csv::Reader::from_reader(flate2::read::GzDecoder::new(file))
    };
    let zones: Value = serde_json::from_reader(std::fs::File::open(folder.join("zones.geojson")).unwrap()).unwrap();
    let homes: Vec<&Value> = zones["features"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|zone| zone["properties"]["role"] == "home")
        .collect();
    let people: Vec<Value> = homes
        .iter()
        .map(|home| {
            json!({"person_id": home["properties"]["person_id"], "time_zone": "Asia/Shanghai", "silence_after_s": 0,
                   "zones": [{"zone_id": home["properties"]["zone_id"], "kind": "inclusion", "geometry": home["geometry"],
                              "radius_m": home["properties"]["radius_m"]}]})
        })
        .collect();
    let mut rows: Vec<[String; 6]> = Vec::new();
    let mut times: HashMap<(String, String), (String, String)> = HashMap::new();
    let (mut track, mut seq) = (String::new(), 0);
    for record in unpacked("tracks.csv.gz").records() {
        let record = record.unwrap();
        seq = if track == record[0] { seq + 1 } else { 0 };
        track = record[0].to_owned();
        times.insert(
            (track.clone(), seq.to_string()),
            (record[1].to_owned(), record[2].to_owned()),
        );
        rows.push([&record[2], &record[2], &record[1], &record[3], &record[4], &record[5]].map(str::to_owned));
    }
    rows.sort();
    let header = "received_at,fix_time,person_id,latitude,longitude,accuracy_m".to_owned();
    let csv: Vec<String> = std::iter::once(header)
        .chain(rows.iter().map(|row| row.join(",")))
        .collect();
    // Where each person truly was, by zone and time.
    let mut truly_inside: HashMap<(String, String), bool> = HashMap::new();
    for record in unpacked("truth_true_position.csv.gz").records() {
        let record = record.unwrap();
        let (_, time) = &times[&(record[0].to_owned(), record[1].to_owned())];
        truly_inside.insert((record[2].to_owned(), time.clone()), &record[3] == "1");
    }
    let mut out = Vec::new();
    let rules = json!({ "people": people });
    let summary = replay::run(&rules.to_string(), csv.join("\n").as_bytes(), &mut out, None).unwrap();
    assert_eq!(summary.bad_rows, 0, "{summary}");
    let (mut right, mut wrong) = (0, Vec::new());
    for line in String::from_utf8(out).unwrap().lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if event["kind"] != "left_inclusion" || event["edge"] != "onset" {
            continue;
        }
        let outside = event["fixes"].as_array().unwrap().iter().any(|fix| {
            let key = (
                event["zone_id"].as_str().unwrap().to_owned(),
                fix["fix_time"].as_str().unwrap().to_owned(),
            );
            !truly_inside[&key]
        });
        if outside { right += 1 } else { wrong.push(event) }
    }
    assert!(wrong.is_empty(), "false home exits: {wrong:#?}");
    assert!(right >= 65, "only {right} true home exits found");
}
