//! Own zones and shared ones: in, out, through, and by schedule.

use super::*;

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
