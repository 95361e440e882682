//! Tests of reading rules from a file.

use std::collections::BTreeSet;

use jiff::civil::date;
use proto::rules::DailyInterval;
use serde_json::{Value, json};

use super::*;

fn home(schedule: &Value) -> Value {
    json!({"zone_id": "home", "kind": "inclusion", "radius_m": 80.0, "schedule": schedule,
        "geometry": {"type": "Point", "coordinates": [120.16, 30.25]}})
}

/// A file with one person, who has `more` besides a name and a time zone.
fn file(more: &Value) -> String {
    let mut person = json!({"person_id": "HZ01", "time_zone": "Asia/Shanghai"});
    let all = person.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    json!({"people": [person]}).to_string()
}

fn rules(more: &Value) -> Rules {
    let changes = read(&file(more), &mut Names::default()).unwrap();
    match &changes[0].what {
        What::Rules(rules) => Rules::try_from(&**rules).unwrap(),
        What::Layer(_) => panic!("no layer in this file"),
    }
}

fn refusal(more: &Value) -> String {
    match read(&file(more), &mut Names::default()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{more} is accepted"),
    }
}

#[test]
fn holidays_points_and_proximities_are_read() {
    let schedule = json!({"weekly": [{"days": ["mon"], "start": "22:00", "end": "06:00"}],
        "holidays": ["2028-02-29", "2026-10-01"], "holiday": [{"start": "20:00", "end": "10:00"}]});
    let read = rules(&json!({
        "zones": [home(&schedule)],
        "operating_points": {"exclusion_entry": 0.9, "home_exit": 0.99},
        "proximities": [
            {"zone_id": "near her", "protected_id": "V-17", "distance_m": 500.0, "buffer_m": 200.0, "revision": 4,
             "schedule": {"weekly": [{"weekday": 7, "start": "00:00", "end": "24:00"}]}},
            {"zone_id": "near him", "protected_id": "V-18", "distance_m": 50.0}],
    }));
    let schedule = read.zones[0].schedule.as_ref().unwrap();
    assert_eq!(schedule.holidays, [date(2028, 2, 29), date(2026, 10, 1)]);
    let hours = DailyInterval {
        start_s: 72_000,
        end_s: 36_000,
    };
    assert_eq!(schedule.holiday, [hours]);
    let points = OperatingPoints {
        exclusion_entry: Some(0.9),
        home_exit: Some(0.99),
        attendance: None,
    };
    assert_eq!(read.operating_points, points);
    let [near_her, near_him] = &read.proximities[..] else {
        panic!("{:?}", read.proximities)
    };
    assert_eq!(near_her.zone_id, ZoneId::from_name("near her"));
    assert_eq!(near_her.protected_id, PersonId::from_name("V-17"));
    assert_eq!((near_her.revision, near_him.revision), (4, 1));
    assert!(near_her.schedule.is_some() && near_him.schedule.is_none());
    // A file that says nothing of them has none of them.
    let plain = rules(&json!({"zones": [home(&Value::Null)]}));
    assert!(plain.proximities.is_empty() && plain.operating_points == OperatingPoints::default());
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let with_holidays =
        |days: Value, hours: Value| json!({"zones": [home(&json!({"holidays": days, "holiday": hours}))]});
    let near = |more: Value| {
        let mut near = json!({"zone_id": "z", "protected_id": "V", "distance_m": 500.0});
        near.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"proximities": [near], "zones": [home(&Value::Null)]})
    };
    for (more, words) in [
        (
            with_holidays(json!(["2027-02-29"]), json!([])),
            "/people/0/zones/0/schedule/holidays/0: ",
        ),
        (
            with_holidays(json!([]), json!([{"start": "20:00", "end": "24:30"}])),
            "/people/0/zones/0/schedule/holiday/0/end: not HH:MM",
        ),
        (
            json!({"operating_points": {"home_exit": 0.5}}),
            "/people/0/operating_points: operating point home_exit: probability 0.5 is outside 0.9..0.999",
        ),
        (
            json!({"operating_points": {"buffer": 0.5}}),
            "/people/0/operating_points/buffer: unknown field `buffer`",
        ),
        (
            near(json!({"distance_m": 0.0})),
            "/people/0/proximities/0: distance 0 m is outside",
        ),
        (
            near(json!({"buffer_m": -1.0})),
            "/people/0/proximities/0: buffer -1 m is outside",
        ),
        (
            near(json!({"protected_id": ""})),
            "/people/0/proximities/0/protected_id: the id is empty",
        ),
        (
            near(json!({"zone_id": "home"})),
            "/people/0/proximities/0/zone_id: the person has a zone or a restriction",
        ),
        (
            near(json!({"schedule": {"weekly": [{"days": [], "start": "08:00", "end": "09:00"}]}})),
            "/people/0/proximities/0/schedule/weekly/0/days: no day is named",
        ),
    ] {
        let refusal = refusal(&more);
        assert!(refusal.starts_with(words), "{refusal:?} instead of {words:?}");
    }
}

/// The words between backticks in what the reader says of a word that it does not know.
fn expected(json: &Value) -> BTreeSet<String> {
    let error = match read(&json.to_string(), &mut Names::default()) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a word that nobody knows is accepted"),
    };
    let words: BTreeSet<String> = error.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    words.into_iter().filter(|word| word != "?").collect()
}

#[test]
fn the_schema_has_the_words_that_the_reader_has() {
    let schema: Value = serde_json::from_str(include_str!("../../../../../docs/rules.schema.json")).unwrap();
    let properties = |place: &Value| -> BTreeSet<String> {
        let properties = place["properties"].as_object().unwrap();
        properties.keys().cloned().collect()
    };
    let person = |more: Value| {
        let text = file(&more);
        serde_json::from_str::<Value>(&text).unwrap()
    };
    let unknown = json!({"?": 1});
    let schedule = |more: Value| person(json!({"zones": [home(&more)]}));
    let definitions = &schema["$defs"];
    for (name, defined, json) in [
        ("the file", &schema, unknown.clone()),
        ("person", &definitions["person"], person(unknown.clone())),
        (
            "layer",
            &definitions["layer"],
            json!({"people": [], "layers": [unknown]}),
        ),
        ("zone", &definitions["zone"], person(json!({"zones": [unknown]}))),
        (
            "proximity",
            &definitions["proximity"],
            person(json!({"proximities": [unknown]})),
        ),
        (
            "operating points",
            &definitions["operating_points"],
            person(json!({"operating_points": unknown})),
        ),
        ("schedule", &definitions["schedule"], schedule(unknown.clone())),
        ("weekly", &definitions["weekly"], schedule(json!({"weekly": [unknown]}))),
        ("daily", &definitions["daily"], schedule(json!({"holiday": [unknown]}))),
        (
            "dated",
            &definitions["dated"],
            schedule(json!({"exceptions": [unknown]})),
        ),
    ] {
        assert_eq!(properties(defined), expected(&json), "{name}");
    }
    // The limits of operating points are those of the program.
    let points = &definitions["operating_points"]["properties"];
    for (name, limits) in [
        ("exclusion_entry", OperatingPoints::EXCLUSION_ENTRY),
        ("home_exit", OperatingPoints::HOME_EXIT),
        ("attendance", OperatingPoints::ATTENDANCE),
    ] {
        assert_eq!(points[name]["minimum"], limits.least, "{name}");
        assert_eq!(points[name]["maximum"], limits.most, "{name}");
    }
}
