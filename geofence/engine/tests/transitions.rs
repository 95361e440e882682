//! Schedules across changes of clocks, against a slow reference that only knows the local time of each minute.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test that cannot go on fails here"
)]

use homeward_engine::schedule::Schedule;
use jiff::{SignedDuration, Timestamp, ToSpan, civil, tz::TimeZone};
use proptest::prelude::*;
use proto::rules::{DatedInterval, Schedule as Rule, WeeklyInterval, time_zone};

const ZONES: [&str; 4] = [
    "Europe/London",
    "America/New_York",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
];

const DAYS: [civil::Weekday; 7] = [
    civil::Weekday::Monday,
    civil::Weekday::Tuesday,
    civil::Weekday::Wednesday,
    civil::Weekday::Thursday,
    civil::Weekday::Friday,
    civil::Weekday::Saturday,
    civil::Weekday::Sunday,
];

fn zone(name: &str) -> TimeZone {
    time_zone(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn daily(start_s: u32, end_s: u32) -> Rule {
    let weekly = DAYS
        .map(|weekday| WeeklyInterval {
            weekday,
            start_s,
            end_s,
        })
        .to_vec();
    Rule {
        weekly,
        ..Rule::default()
    }
}

fn schedule(name: &str, rule: Rule) -> Schedule {
    Schedule::new(zone(name), rule)
}

/// The interval around an instant as two texts.
fn interval(schedule: &Schedule, time: &str) -> Option<(String, String)> {
    let text = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    schedule
        .interval_at(at(time))
        .map(|interval| (text(interval.start), text(interval.end)))
}

fn some(start: &str, end: &str) -> Option<(String, String)> {
    Some((start.to_owned(), end.to_owned()))
}

/// Every change of clocks of a zone in some years.
fn transitions(name: &str, from: i16, to: i16) -> Vec<Timestamp> {
    let zone = zone(name);
    let start = civil::date(from, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
    let end = civil::date(to, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
    zone.following(start)
        .map(|transition| transition.timestamp())
        .take_while(|time| *time < end)
        .collect()
}

/// The instants of a local time, earliest first; in a gap, the one that the clock would show with the offset before it.
fn instants(zone: &TimeZone, local: civil::DateTime) -> Vec<Timestamp> {
    let guess = local.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let mut matches: Vec<_> = [-30, 30]
        .map(|hours| {
            zone.to_offset(guess + SignedDuration::from_hours(hours))
                .to_timestamp(local)
                .unwrap()
        })
        .into_iter()
        .filter(|time| zone.to_datetime(*time) == local)
        .collect();
    matches.sort();
    matches.dedup();
    if !matches.is_empty() {
        return matches;
    }
    // Skipped: what the clock would show had it not been changed.
    let before = zone.to_offset(guess - SignedDuration::from_hours(30));
    vec![before.to_timestamp(local).unwrap()]
}

/// What the words of the rule say, for one instant.
fn reference(zone: &TimeZone, rule: &Rule, time: Timestamp) -> bool {
    let within = |interval: &DatedInterval| interval.start <= time && time < interval.end;
    if rule.exceptions.iter().any(within) {
        return false;
    }
    let today = zone.to_datetime(time).date();
    rule.additions.iter().any(within)
        || (-3..=2).any(|offset: i64| {
            let day = today + offset.days();
            rule.weekly
                .iter()
                .filter(|weekly| weekly.weekday == day.weekday())
                .any(|weekly| {
                    let end_day = if weekly.end_s > weekly.start_s {
                        day
                    } else {
                        day.tomorrow().unwrap()
                    };
                    let local = |day: civil::Date, seconds: u32| day.at(0, 0, 0, 0) + i64::from(seconds).seconds();
                    let start = *instants(zone, local(day, weekly.start_s)).first().unwrap();
                    let end = *instants(zone, local(end_day, weekly.end_s)).last().unwrap();
                    start <= time && time < end
                })
        })
}

#[test]
fn a_curfew_that_ends_in_the_fold_ends_at_the_later_one() {
    // London, 2026-10-25: 02:00 BST becomes 01:00 GMT; 01:30 comes twice.
    let schedule = schedule("Europe/London", daily(22 * 3_600, 3_600 + 1_800));
    assert_eq!(
        interval(&schedule, "2026-10-25T00:00:00Z"),
        some("2026-10-24T21:00:00Z", "2026-10-25T01:30:00Z")
    );
    assert!(schedule.active_at(at("2026-10-25T00:45:00Z"))); // the first 01:45
    assert!(!schedule.active_at(at("2026-10-25T01:30:00Z")));
}

#[test]
fn a_curfew_that_starts_in_the_fold_starts_at_the_earlier_one() {
    let schedule = schedule("Europe/London", daily(3_600 + 1_800, 6 * 3_600));
    assert_eq!(
        interval(&schedule, "2026-10-25T03:00:00Z"),
        some("2026-10-25T00:30:00Z", "2026-10-25T06:00:00Z")
    );
}

#[test]
fn a_curfew_that_starts_in_the_gap_starts_later() {
    // New York, 2026-03-08: 02:00 becomes 03:00; 02:30 does not come.
    let schedule = schedule("America/New_York", daily(2 * 3_600 + 1_800, 6 * 3_600));
    assert_eq!(
        interval(&schedule, "2026-03-08T09:00:00Z"),
        some("2026-03-08T07:30:00Z", "2026-03-08T10:00:00Z")
    );
    // Lord Howe, 2026-10-04: half an hour is skipped at 02:00; 02:15 does not come.
    let schedule = self::schedule("Australia/Lord_Howe", daily(2 * 3_600 + 900, 6 * 3_600));
    assert_eq!(
        interval(&schedule, "2026-10-03T16:30:00Z"),
        some("2026-10-03T15:45:00Z", "2026-10-03T19:00:00Z")
    );
}

#[test]
fn nights_days_and_leap_days() {
    let night = schedule("Asia/Shanghai", daily(22 * 3_600, 6 * 3_600));
    assert_eq!(
        interval(&night, "2028-02-28T20:00:00Z"),
        some("2028-02-28T14:00:00Z", "2028-02-28T22:00:00Z")
    );
    assert_eq!(
        interval(&night, "2028-02-29T14:00:00Z"),
        some("2028-02-29T14:00:00Z", "2028-02-29T22:00:00Z")
    );
    assert_eq!(interval(&night, "2028-02-29T22:00:00Z"), None);
    let monday = Rule {
        weekly: vec![WeeklyInterval {
            weekday: civil::Weekday::Monday,
            start_s: 0,
            end_s: 86_400,
        }],
        ..Rule::default()
    };
    // The Sunday night of the autumn change belongs to no Monday; this Monday is a plain one.
    let monday = schedule("Europe/London", monday);
    assert_eq!(
        interval(&monday, "2026-10-26T12:00:00Z"),
        some("2026-10-26T00:00:00Z", "2026-10-27T00:00:00Z")
    );
    assert_eq!(
        monday.next_change_after(at("2026-10-27T00:00:00Z")),
        Some(at("2026-11-02T00:00:00Z"))
    );
}

#[test]
fn always_never_and_leave() {
    let always = schedule("Europe/London", daily(0, 86_400));
    assert_eq!(interval(&always, "2026-10-25T00:00:00Z"), some("-", "-"));
    let never = schedule("Europe/London", Rule::default());
    assert_eq!(interval(&never, "2026-10-25T00:00:00Z"), None);
    assert_eq!(never.next_change_after(at("2026-10-25T00:00:00Z")), None);
    let leave = DatedInterval {
        start: at("2026-12-20T08:00:00Z"),
        end: at("2027-02-01T08:00:00Z"),
    };
    let on_leave = schedule(
        "Europe/London",
        Rule {
            exceptions: vec![leave],
            ..daily(0, 86_400)
        },
    );
    assert_eq!(
        on_leave.next_change_after(at("2026-01-01T00:00:00Z")),
        Some(leave.start)
    );
    assert_eq!(on_leave.next_change_after(leave.start), Some(leave.end));
    assert_eq!(on_leave.next_change_after(leave.end), None);
    assert_eq!(
        interval(&on_leave, "2030-01-01T00:00:00Z"),
        some("2027-02-01T08:00:00Z", "-")
    );
    assert_eq!(
        interval(&on_leave, "2026-01-01T00:00:00Z"),
        some("-", "2026-12-20T08:00:00Z")
    );
    // Far-away dates are reached without walking there week by week.
    let holiday = DatedInterval {
        start: at("9000-01-01T00:00:00Z"),
        end: at("9000-01-02T00:00:00Z"),
    };
    let far = schedule(
        "Europe/London",
        Rule {
            exceptions: vec![holiday],
            ..daily(0, 86_400)
        },
    );
    assert_eq!(far.next_change_after(at("2026-01-01T00:00:00Z")), Some(holiday.start));
    assert_eq!(far.next_change_after(Timestamp::MAX), None);
    far.interval_at(Timestamp::MIN);
}

#[test]
fn every_transition_from_2020_to_2040() {
    // A night and a day curfew with edges in every gap and fold, checked in steps of 15 minutes and a second before each around each change.
    for name in ZONES {
        let zone = zone(name);
        let transitions = transitions(name, 2020, 2041);
        assert_eq!(
            transitions.len(),
            if name == "Asia/Shanghai" { 0 } else { 42 },
            "{name}"
        );
        for (start_s, end_s) in [
            (79_200, 5_400),
            (5_400, 7_200),
            (6_300, 79_200),
            (9_000, 8_100),
            (0, 86_400),
        ] {
            let rule = daily(start_s, end_s);
            let schedule = Schedule::new(zone.clone(), rule.clone());
            for &transition in &transitions {
                let steps = (-12..=12).flat_map(|step| [step * 900 - 1, step * 900]);
                for time in steps.map(|step| transition + SignedDuration::from_secs(step)) {
                    assert_eq!(
                        schedule.active_at(time),
                        reference(&zone, &rule, time),
                        "{name} {start_s}..{end_s} at {time}"
                    );
                }
            }
        }
    }
}

/// Instants near changes of clocks in some years, and others.
fn instant(name: &'static str) -> impl Strategy<Value = Timestamp> {
    let mut anchors = transitions(name, 2024, 2031);
    anchors.push(at("2028-02-29T12:00:00Z"));
    (prop::sample::select(anchors), -200_000_i64..200_000)
        .prop_map(|(anchor, seconds)| anchor + SignedDuration::from_secs(seconds))
}

fn rule(anchor: Timestamp) -> impl Strategy<Value = Rule> {
    let weekly = (0_usize..7, 0_u32..=96, 0_u32..=96).prop_map(|(day, start, end)| WeeklyInterval {
        weekday: DAYS[day],
        start_s: start * 900,
        end_s: end * 900,
    });
    let dated = (-300_000_i64..300_000, 1_i64..400_000).prop_map(move |(start, length)| {
        let start = anchor + SignedDuration::from_secs(start);
        DatedInterval {
            start,
            end: start + SignedDuration::from_secs(length),
        }
    });
    (
        prop::collection::vec(weekly, 0..5),
        prop::collection::vec(dated.clone(), 0..3),
        prop::collection::vec(dated, 0..3),
    )
        .prop_map(|(weekly, additions, exceptions)| Rule {
            weekly,
            additions,
            exceptions,
            ..Default::default()
        })
}

fn case() -> impl Strategy<Value = (&'static str, Timestamp, Rule)> {
    prop::sample::select(ZONES.to_vec())
        .prop_flat_map(|name| (Just(name), instant(name)))
        .prop_flat_map(|(name, time)| (Just(name), Just(time), rule(time)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_that_of_the_words((name, time, rule) in case()) {
        let schedule = Schedule::new(zone(name), rule.clone());
        for step in [-3_i64, -1, 0, 1, 2, 7] {
            let time = time + SignedDuration::from_mins(37 * step);
            prop_assert_eq!(schedule.active_at(time), reference(&zone(name), &rule, time));
        }
    }

    #[test]
    fn nothing_changes_before_the_next_change((name, time, rule) in case()) {
        let schedule = Schedule::new(zone(name), rule);
        let now = schedule.active_at(time);
        let next = schedule.next_change_after(time);
        if let Some(next) = next {
            prop_assert!(next > time);
            prop_assert_ne!(schedule.active_at(next), now);
            prop_assert_eq!(schedule.active_at(next - SignedDuration::from_micros(1)), now);
        }
        let until = next.unwrap_or(time + SignedDuration::from_hours(24 * 20));
        let step = (until - time).total(jiff::Unit::Second).unwrap() / 60.0;
        for part in 0..60 {
            let between = time + SignedDuration::from_secs_f64(step * f64::from(part));
            prop_assert_eq!(schedule.active_at(between), now, "at {}", between);
        }
    }

    #[test]
    fn an_interval_is_found_from_each_of_its_instants((name, time, rule) in case()) {
        let schedule = Schedule::new(zone(name), rule);
        let found = schedule.interval_at(time);
        prop_assert_eq!(found.is_some(), schedule.active_at(time));
        if let Some(interval) = found {
            prop_assert!(interval.start.is_none_or(|start| start <= time) && interval.end.is_none_or(|end| end > time));
            if let Some(start) = interval.start {
                prop_assert_eq!(schedule.interval_at(start), Some(interval));
                prop_assert!(!schedule.active_at(start - SignedDuration::from_micros(1)));
            }
        }
    }
}
