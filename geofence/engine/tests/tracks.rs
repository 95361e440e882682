//! One invented track for each kind of event, through the same function as `homeward replay`; events as snapshots.
//!
//! Everything happens on Monday 2026-10-05 in Asia/Shanghai (UTC+8), at places given in metres east and north of home.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails here"
)]

use std::{collections::HashMap, fmt::Write as _};

use homeward_engine::replay::{self, Summary};
use serde_json::{Value, json};

const HOME: (f64, f64) = (120.16, 30.25);

/// Rows of a file of reports, with a clock of their own.
#[derive(Default)]
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
        let rest = ["accuracy_m", "source", "battery_percent", "strap", "case", "alarms"]
            .map(set)
            .join(",");
        let clock = |time: &str| {
            if time.contains('T') {
                time.to_owned()
            } else {
                format!("2026-10-05T{time}+08:00")
            }
        };
        writeln!(
            self.rows,
            "wu,m-1,{},{},{place},{rest}",
            clock(received),
            clock(fix_time)
        )
        .unwrap();
        self
    }

    fn csv(&self) -> String {
        format!(
            "person_id,device_id,received_at,fix_time,latitude,longitude,accuracy_m,source,battery_percent,strap,case,alarms\n{}",
            self.rows
        )
    }
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
                "{} {} {} [{} .. {}] known {}{}: {}",
                event["kind"].as_str().unwrap(),
                event["edge"].as_str().unwrap(),
                event["zone_id"].as_str().unwrap_or("-"),
                local(&event["onset"]),
                local(&event["end"]),
                local(&event["decided_at"]),
                if event["late"] == true { " late" } else { "" },
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
        .fix("22:06:00", 95.0, 0.0) // 15 m outside: not sure enough for one fix
        .fix("22:07:00", 140.0, 0.0)
        .fix("22:08:00", 400.0, 0.0)
        .fix("22:30:00", 30.0, 0.0);
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
fn one_fix_kilometres_away_is_enough() {
    let track = Track::new().fix("22:05:00", 0.0, 0.0).fix("22:40:00", 4_000.0, 0.0);
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn absent_at_start_without_a_word_from_the_device() {
    // The timer waits one reporting interval and a little for a report that says otherwise.
    let track = Track::new().fixes(&["21:58:30", "21:59:30"], 900.0, 0.0);
    check!(rules(&json!([home()])), track, "6T07:00:00");
}

#[test]
fn absent_at_start_and_late_return() {
    let track = Track::new()
        .fixes(&["21:59:00", "22:00:20"], 900.0, 0.0)
        .fix("22:20:00", 300.0, 0.0)
        .fixes(&["22:25:00", "22:26:00"], 0.0, 0.0);
    check!(rules(&json!([home()])), track, "");
}

#[test]
fn home_just_in_time_raises_nothing() {
    let track = Track::new()
        .fixes(&["21:58:30", "21:59:20"], 300.0, 0.0)
        .fixes(&["22:00:20", "22:01:00"], 20.0, 0.0);
    assert!(events(&rules(&json!([home()])), &track, "").is_empty());
}

#[test]
fn grace_is_given() {
    let mut rules = rules(&json!([home()]));
    rules["people"][0]["home_exit_grace_s"] = json!(300);
    let short = Track::new()
        .fixes(&["22:10:00", "22:11:00"], 0.0, 0.0)
        .fixes(&["22:12:00", "22:15:00"], 200.0, 0.0)
        .fix("22:16:30", 0.0, 0.0);
    assert!(events(&rules, &short, "").is_empty());
    let silent = Track::new()
        .fixes(&["22:10:00", "22:11:00"], 0.0, 0.0)
        .fixes(&["22:12:00", "22:13:00"], 200.0, 0.0);
    check!(rules, silent, "5T23:00:00");
}

#[test]
fn left_inclusion() {
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fixes(&["12:01:00", "12:02:00"], 130.0, 0.0)
        .fix("12:10:00", 10.0, 0.0);
    check!(rules(&json!([circle("ward", "inclusion", 0.0, 100.0)])), track, "");
}

#[test]
fn exclusion_and_buffer() {
    let mut zone = circle("school", "exclusion", 1_000.0, 100.0);
    zone["buffer_m"] = json!(200.0);
    let track = Track::new()
        .fix("12:00:00", 0.0, 0.0)
        .fix("12:05:00", 750.0, 0.0)
        .fix("12:06:00", 940.0, 0.0)
        .fix("12:08:00", 850.0, 0.0)
        .fix("12:20:00", 300.0, 0.0);
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
        .fix("10:00:00", 2_010.0, 0.0)
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
        .fix("12:10:00", 1_000.0, 10.0)
        .fix("12:20:00", 1_250.0, 10.0)
        .fix("12:30:00", 1_500.0, 10.0);
    check!(rules, track, "");
}

#[test]
fn silence_and_its_end() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["silence_after_s"] = json!(900);
    let track = Track::new().fix("12:00:00", 0.0, 0.0).fix("12:40:00", 0.0, 0.0);
    check!(rules, track, "5T13:00:00");
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
        .fixes(&["22:45:00", "22:50:00"], 400.0, 0.0)
        .fix("23:10:00", 400.0, 0.0);
    check!(rules, track, "6T12:00:00");
}

#[test]
fn the_end_of_the_order_ends_everything() {
    let mut rules = rules(&json!([circle("ward", "inclusion", 0.0, 100.0)]));
    rules["people"][0]["valid_until"] = json!("2026-10-05T12:30:00+08:00");
    rules["people"][0]["silence_after_s"] = json!(900);
    let track = Track::new()
        .fixes(&["12:00:00", "12:01:00"], 500.0, 0.0)
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
    let (events, summary) = replay_until(&rules(&json!([circle("ward", "inclusion", 0.0, 100.0)])), &track, "");
    assert_eq!(events, "");
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
fn a_whole_line_of_output() {
    let track = Track::new().fix("12:00:00", 1_000.0, 0.0).fix("12:05:00", 0.0, 0.0);
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
        2026-10-05T04:09:00Z,2026-10-05T04:09:00Z,wu,red,30.35,120.16\n";
    let mut out = Vec::new();
    let summary = replay::run(&rules.to_string(), csv.as_bytes(), &mut out, None).unwrap();
    insta::assert_snapshot!(summary.to_string());
    assert_eq!(
        (summary.rows, summary.bad_rows, summary.unknown_people, summary.events),
        (7, 4, 1, 2)
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
    let example = text.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let header = "person_id,received_at,fix_time,latitude,longitude\n";
    assert_eq!(
        replay::run(example, header.as_bytes(), Vec::new(), None).unwrap(),
        Summary::default()
    );
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
