//! Reports that come late or out of order.

use super::*;

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
