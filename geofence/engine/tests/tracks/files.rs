//! Files: whole lines, what is wrong in them, and simulated people.

use super::*;

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
    let text = include_str!("../../../../docs/replay.md");
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
