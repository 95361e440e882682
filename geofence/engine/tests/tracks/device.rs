//! What a device says of itself or leaves unsaid, and rules that change or end.

use super::*;

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

/// As vendors' codecs tell it: the alarm, and with it the state; without the alarm the state is not said.
#[test]
fn a_second_cut_is_told_though_the_device_never_says_closed() {
    for (alarm, state) in [("strap_tamper", "strap"), ("case_tamper", "case")] {
        let cut = format!("accuracy_m=8;source=gnss;{state}=open;alarms={alarm}");
        let report = |track: Track, time: &str| track.report(time, time, Some((0.0, 0.0)), &cut);
        let track = report(Track::new().fix("09:00:00", 0.0, 0.0), "09:01:00");
        // Said again and again, it is one; a heartbeat without a position takes nothing back.
        let track = report(track, "09:02:00").report("09:03:00", "09:03:00", None, "battery_percent=70");
        let track = report(track, "09:04:00");
        let once = events(&rules(&json!([])), &track, "");
        assert_eq!(once.len(), 1, "{once:?}");
        let track = report(track.fixes(&["09:05:00", "09:06:00"], 0.0, 0.0), "09:07:00");
        let twice = events(&rules(&json!([])), &track, "");
        assert_eq!(twice.len(), 2, "{twice:?}");
        assert!(twice.iter().all(|event| event.starts_with(alarm)), "{twice:?}");
    }
    // A device that states it, and raises no alarm, is taken at its word.
    let open = "accuracy_m=8;source=gnss;strap=open";
    let stated = |track: Track, time: &str| track.report(time, time, Some((0.0, 0.0)), open);
    let track = stated(stated(Track::new(), "09:01:00").fix("09:02:00", 0.0, 0.0), "09:03:00");
    assert_eq!(events(&rules(&json!([])), &track, "").len(), 1);
}

fn onsets(track: &Track, kind: &str) -> Vec<String> {
    events(&rules(&json!([])), track, "")
        .into_iter()
        .filter(|event| event.starts_with(&format!("{kind} onset")))
        .collect()
}

#[test]
fn each_press_of_the_call_button_is_told() {
    let call = |track: Track, time: &str| track.report(time, time, Some((0.0, 0.0)), "alarms=sos");
    let quiet = |track: Track, time: &str| track.fix(time, 0.0, 0.0);
    // Pressed, released, and pressed again two minutes later.
    let track = quiet(call(quiet(Track::new(), "09:00:00"), "09:01:00"), "09:02:00");
    let track = call(track, "09:03:00");
    let told = onsets(&track, "sos");
    assert_eq!(told.len(), 2, "{told:?}");
    // Every nine minutes for hours: each is heard.
    let nine = (0..20).fold(Track::new(), |track, n| {
        let minute = |minute: u32| format!("{:02}:{:02}:00", 9 + minute / 60, minute % 60);
        quiet(call(track, &minute(9 * n)), &minute(9 * n + 1))
    });
    assert_eq!(onsets(&nine, "sos").len(), 20);
    // Again and again within a minute: counted from the last one that was told, not from the last one.
    let often = (0..13).fold(Track::new(), |track, n| {
        let second = |second: u32| format!("09:{:02}:{:02}", second / 60, second % 60);
        quiet(call(track, &second(20 * n)), &second(20 * n + 10))
    });
    let told = onsets(&often, "sos");
    assert_eq!(told.len(), 5, "{told:?}");
}

#[test]
fn a_button_that_is_held_is_one_call() {
    let call = |track: Track, time: &str| track.report(time, time, Some((0.0, 0.0)), "alarms=sos");
    let held = minutes("09:00", "11:59")
        .iter()
        .fold(Track::new(), |track, time| call(track, time));
    assert_eq!(onsets(&held, "sos").len(), 1);
    // A heartbeat without a position does not say that it is over.
    let beats = minutes("09:00", "09:30").iter().fold(Track::new(), |track, time| {
        let track = call(track, time);
        let after = time.replace(":00", ":30");
        track.report(&after, &after, None, "battery_percent=70")
    });
    assert_eq!(onsets(&beats, "sos").len(), 1);
    // Nothing for more than ten minutes, and it is said once more.
    let track = call(call(Track::new(), "09:00:00"), "09:10:00");
    assert_eq!(onsets(&track, "sos").len(), 1);
    assert_eq!(onsets(&call(track, "09:20:01"), "sos").len(), 2);
    // Pressed too soon to be told, and held: told as soon as it is time.
    let track = call(Track::new(), "09:00:00").fix("09:00:10", 0.0, 0.0);
    let track = ["09:00:20", "09:00:40", "09:01:00", "09:01:20", "09:01:40", "09:02:20"]
        .iter()
        .fold(track, |track, time| call(track, time));
    let told = onsets(&track, "sos");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("09:01:00"), "{told:?}");
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

/// Reports of every 30 s whose clock is so many seconds behind.
fn behind(track: Track, from_s: u32, reports: u32, behind_s: u32) -> Track {
    let time = |s: u32| format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    (0..reports).fold(track, |track, n| {
        let received = from_s + 30 * n;
        let settings = "accuracy_m=8;source=gnss;battery_percent=80";
        track.report(&time(received), &time(received - behind_s), Some((0.0, 0.0)), settings)
    })
}

#[test]
fn the_fixes_of_a_clock_that_is_behind_are_fixes() {
    let mut rules = rules(&json!([]));
    rules["people"][0]["silence_after_s"] = json!(300);
    let noon = 12 * 3_600;
    // 35 minutes behind for 20 minutes, after a time in which it was right.
    let slow = behind(behind(Track::new(), noon, 10, 0), noon + 300, 40, 2_100);
    let told = events(&rules, &behind(slow, noon + 1_500, 3, 0), "");
    assert!(told.is_empty(), "{told:#?}");
    // Nothing but old fixes, which were stored and come all at once now and then, is no fix from just now.
    let time = |s: u32| format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60);
    let beats = (0..20).fold(behind(Track::new(), noon, 10, 0), |track, n| {
        let received = noon + 300 + 30 * n;
        let track = track.report(&time(received), &time(received), None, "battery_percent=80");
        let settings = "accuracy_m=8;source=gnss;battery_percent=80";
        track.report(&time(received), &time(noon - 3_600 + 7 * n), Some((0.0, 0.0)), settings)
    });
    let told = events(&rules, &beats, "");
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("no_fix onset"), "{told:#?}");
}
