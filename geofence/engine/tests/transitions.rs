//! Schedules across changes of clocks, against a slow reference that only knows the local time of each minute.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test that cannot go on fails here"
)]

use homeward_engine::schedule::{Interval, Schedule};
use jiff::{SignedDuration, Timestamp, ToSpan, civil, tz::TimeZone};
use proptest::prelude::*;
use proto::rules::{DailyInterval, DatedInterval, Schedule as Rule, WeeklyInterval, time_zone};

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

/// Every weekly and holiday interval that starts at most some days before or after an instant, as the words of the rule say.
fn intervals(zone: &TimeZone, rule: &Rule, around: Timestamp) -> Vec<DatedInterval> {
    let today = zone.to_datetime(around).date();
    let mut found = Vec::new();
    for day in (-4..=3).map(|offset: i64| today + offset.days()) {
        let hours: Vec<(u32, u32)> = if rule.holidays.contains(&day) {
            rule.holiday.iter().map(|daily| (daily.start_s, daily.end_s)).collect()
        } else {
            let weekly = rule.weekly.iter().filter(|weekly| weekly.weekday == day.weekday());
            weekly.map(|weekly| (weekly.start_s, weekly.end_s)).collect()
        };
        for (start_s, end_s) in hours {
            let end_day = if end_s > start_s { day } else { day.tomorrow().unwrap() };
            let local = |day: civil::Date, seconds: u32| day.at(0, 0, 0, 0) + i64::from(seconds).seconds();
            found.push(DatedInterval {
                start: *instants(zone, local(day, start_s)).first().unwrap(),
                end: *instants(zone, local(end_day, end_s)).last().unwrap(),
            });
        }
    }
    found
}

/// What the words of the rule say, for one instant.
fn reference(zone: &TimeZone, rule: &Rule, time: Timestamp) -> bool {
    holds(rule, &intervals(zone, rule, time), time)
}

fn holds(rule: &Rule, intervals: &[DatedInterval], time: Timestamp) -> bool {
    let within = |interval: &DatedInterval| interval.start <= time && time < interval.end;
    !rule.exceptions.iter().any(within) && (rule.additions.iter().any(within) || intervals.iter().any(within))
}

/// The changes of a schedule after an instant and before another, as it tells them one after the other.
fn changes(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let mut found = Vec::new();
    let mut time = from;
    while let Some(next) = schedule.next_change_after(time).filter(|next| *next < to) {
        found.push(next);
        time = next;
    }
    found
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
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

#[test]
fn holidays_have_hours_of_their_own() {
    // Home from 22:00 to 06:00; on two holidays in a row from 20:00 to 10:00 the next day.
    let rule = Rule {
        holidays: vec![
            civil::date(2028, 5, 2),
            civil::date(2028, 5, 1),
            civil::date(2028, 5, 1),
        ],
        holiday: vec![DailyInterval {
            start_s: 72_000,
            end_s: 36_000,
        }],
        ..daily(79_200, 21_600)
    };
    let schedule = schedule("Asia/Shanghai", rule.clone());
    // What began on the eve goes on into the holiday, and ends as it would have.
    assert_eq!(
        interval(&schedule, "2028-04-30T20:00:00Z"),
        some("2028-04-30T14:00:00Z", "2028-04-30T22:00:00Z")
    );
    assert_eq!(
        interval(&schedule, "2028-05-01T13:00:00Z"),
        some("2028-05-01T12:00:00Z", "2028-05-02T02:00:00Z")
    );
    // The second holiday's morning belongs to the first one, its evening to itself; then all is as ever.
    let days = [at("2028-04-30T22:00:00Z"), at("2028-05-04T00:00:00Z")];
    let expected = [
        "2028-05-01T12:00:00Z",
        "2028-05-02T02:00:00Z",
        "2028-05-02T12:00:00Z",
        "2028-05-03T02:00:00Z",
        "2028-05-03T14:00:00Z",
        "2028-05-03T22:00:00Z",
    ];
    assert_eq!(changes(&schedule, days[0], days[1]), expected.map(at));
    // A holiday without hours is a day on which nothing starts.
    let free = self::schedule(
        "Asia/Shanghai",
        Rule {
            holiday: Vec::new(),
            ..rule
        },
    );
    assert_eq!(
        free.next_change_after(at("2028-04-30T22:00:00Z")),
        Some(at("2028-05-03T14:00:00Z"))
    );
}

#[test]
fn far_holidays_are_found_and_looked_beyond() {
    let monday = Rule {
        weekly: vec![WeeklyInterval {
            weekday: civil::Weekday::Monday,
            start_s: 0,
            end_s: 0,
        }],
        ..Rule::default()
    };
    // Three Mondays in a row are holidays: the next one that is none is found.
    let schedule = schedule(
        "Europe/London",
        Rule {
            holidays: vec![
                civil::date(2026, 11, 2),
                civil::date(2026, 11, 9),
                civil::date(2026, 11, 16),
            ],
            ..monday
        },
    );
    assert_eq!(
        schedule.next_change_after(at("2026-10-27T00:00:00Z")),
        Some(at("2026-11-23T00:00:00Z"))
    );
    // Nothing but a holiday in the far future, and back from there.
    let far = self::schedule(
        "America/New_York",
        Rule {
            holidays: vec![civil::date(2039, 7, 4)],
            holiday: vec![DailyInterval {
                start_s: 0,
                end_s: 86_400,
            }],
            ..Rule::default()
        },
    );
    assert_eq!(
        far.next_change_after(at("2026-01-01T00:00:00Z")),
        Some(at("2039-07-04T04:00:00Z"))
    );
    assert_eq!(far.next_change_after(at("2039-07-05T04:00:00Z")), None);
    // Always but for that holiday.
    let all_but = self::schedule(
        "America/New_York",
        Rule {
            holidays: vec![civil::date(2039, 7, 4)],
            ..daily(0, 0)
        },
    );
    assert_eq!(
        interval(&all_but, "2026-01-01T00:00:00Z"),
        some("-", "2039-07-04T04:00:00Z")
    );
    assert_eq!(
        interval(&all_but, "2060-01-01T00:00:00Z"),
        some("2039-07-05T04:00:00Z", "-")
    );
}

#[test]
fn what_only_a_change_of_clocks_brings_is_found() {
    // Two halves that overlap all year; on the day of the gap the second starts later than the first ends.
    let halves = |start_s, end_s| WeeklyInterval {
        weekday: civil::Weekday::Sunday,
        start_s,
        end_s,
    };
    let days = DAYS.into_iter().filter(|day| *day != civil::Weekday::Sunday);
    let whole = days.map(|weekday| WeeklyInterval {
        weekday,
        start_s: 0,
        end_s: 86_400,
    });
    let rule = Rule {
        weekly: [halves(0, 10_800), halves(9_000, 86_400)]
            .into_iter()
            .chain(whole)
            .collect(),
        ..Rule::default()
    };
    let schedule = schedule("America/New_York", rule);
    let gap = changes(&schedule, at("2026-05-01T00:00:00Z"), at("2027-05-01T00:00:00Z"));
    assert_eq!(gap, ["2027-03-14T07:00:00Z", "2027-03-14T07:30:00Z"].map(at));
    assert_eq!(
        interval(&schedule, "2027-02-01T00:00:00Z"),
        some("2026-03-08T07:30:00Z", "2027-03-14T07:00:00Z")
    );
    // A Sunday's interval that lies in the gap is not there on that day; it is a week later.
    let vanishing = self::schedule(
        "America/New_York",
        Rule {
            weekly: vec![halves(7_200, 10_800)],
            ..Rule::default()
        },
    );
    assert_eq!(
        vanishing.next_change_after(at("2026-03-02T00:00:00Z")),
        Some(at("2026-03-15T06:00:00Z"))
    );
}

#[test]
fn leave_over_several_days_and_leap_days() {
    for (name, year, out, back, free_until) in [
        (
            "Europe/London",
            2024,
            "2024-02-28T18:00:00Z",
            "2024-03-02T09:00:00Z",
            "2024-03-02T22:00:00Z",
        ),
        (
            "Asia/Shanghai",
            2028,
            "2028-02-28T10:00:00Z",
            "2028-03-02T01:00:00Z",
            "2028-03-02T14:00:00Z",
        ),
        (
            "America/New_York",
            2036,
            "2036-02-28T23:00:00Z",
            "2036-03-02T14:00:00Z",
            "2036-03-03T03:00:00Z",
        ),
    ] {
        let leave = DatedInterval {
            start: at(out),
            end: at(back),
        };
        let schedule = schedule(
            name,
            Rule {
                exceptions: vec![leave],
                ..daily(79_200, 21_600)
            },
        );
        let leap = civil::date(year, 2, 29).at(23, 0, 0, 0);
        assert!(!schedule.active_at(zone(name).to_timestamp(leap).unwrap()), "{name}");
        // The night after the return counts again; no evening of the leave does.
        assert_eq!(schedule.next_change_after(leave.start), Some(at(free_until)), "{name}");
    }
    // The leave begins and ends in the middle of a night: the curfew breaks off and comes back.
    let leave = DatedInterval {
        start: at("2028-02-28T23:30:00Z"),
        end: at("2028-03-02T02:00:00Z"),
    };
    let night = schedule(
        "Europe/London",
        Rule {
            exceptions: vec![leave],
            ..daily(79_200, 21_600)
        },
    );
    assert_eq!(
        interval(&night, "2028-02-28T23:00:00Z"),
        some("2028-02-28T22:00:00Z", "2028-02-28T23:30:00Z")
    );
    assert_eq!(
        interval(&night, "2028-03-02T03:00:00Z"),
        some("2028-03-02T02:00:00Z", "2028-03-02T06:00:00Z")
    );
}

/// The rules that are taken through every change of clocks: edges in gaps and folds, at midnight, leave, holidays.
fn rules_around(zone: &TimeZone, change: Timestamp) -> Vec<Rule> {
    let day = zone.to_datetime(change).date();
    let leave = |from: i64, to: i64| DatedInterval {
        start: change + minutes(from),
        end: change + minutes(to),
    };
    let daily_of = |start_s, end_s| vec![DailyInterval { start_s, end_s }];
    vec![
        // A night curfew that ends in the fold or in the gap, with leave over three days that ends near the change.
        Rule {
            exceptions: vec![leave(-72 * 60, -47)],
            ..daily(79_200, 5_400)
        },
        // Starts in the gap or in the fold; leave over three days that begins near it.
        Rule {
            exceptions: vec![leave(33, 72 * 60)],
            ..daily(6_300, 79_200)
        },
        // The day of the change is a holiday with hours across it.
        Rule {
            holidays: vec![day],
            holiday: daily_of(5_400, 8_100),
            ..daily(79_200, 21_600)
        },
        // The eve is a holiday whose night ends in the change; the day itself is one on which nothing starts.
        Rule {
            holidays: vec![day, day.yesterday().unwrap()],
            holiday: daily_of(82_800, 7_200),
            ..daily(9_000, 8_100)
        },
        // From midnight to midnight, but for the holiday.
        Rule {
            holidays: vec![day.tomorrow().unwrap()],
            additions: vec![leave(-20, 20)],
            ..daily(0, 86_400)
        },
    ]
}

#[test]
fn by_the_minute_around_every_transition_from_2020_to_2040() {
    for name in ZONES {
        let zone = zone(name);
        let mut anchors = transitions(name, 2020, 2041);
        // Where clocks do not change: leap days and new years, at local midnight.
        let dates = [
            (2020, 2, 29),
            (2024, 2, 29),
            (2028, 2, 29),
            (2031, 1, 1),
            (2036, 2, 29),
            (2040, 1, 1),
        ];
        for (year, month, day) in dates {
            anchors.push(zone.to_timestamp(civil::date(year, month, day).at(0, 0, 0, 0)).unwrap());
        }
        for anchor in anchors {
            for rule in rules_around(&zone, anchor) {
                let schedule = Schedule::new(zone.clone(), rule.clone());
                let (from, to) = (anchor - minutes(400), anchor + minutes(400));
                let intervals = intervals(&zone, &rule, anchor);
                let mut expected = Vec::new();
                let mut before = holds(&rule, &intervals, from);
                assert_eq!(schedule.active_at(from), before, "{name} {rule:?} at {from}");
                for minute in 1..800 {
                    let time = from + minutes(minute);
                    let now = holds(&rule, &intervals, time);
                    assert_eq!(schedule.active_at(time), now, "{name} {rule:?} at {time}");
                    if now != before {
                        expected.push(time);
                    }
                    before = now;
                }
                // All edges lie on whole minutes: the schedule's own list is the same as the one by the minute.
                assert_eq!(
                    changes(&schedule, from, to),
                    expected,
                    "{name} {rule:?} around {anchor}"
                );
                for pair in expected.windows(2).filter(|pair| schedule.active_at(pair[0])) {
                    let between = schedule.interval_at(pair[1] - minutes(1));
                    let expected = Interval {
                        start: Some(pair[0]),
                        end: Some(pair[1]),
                    };
                    assert_eq!(between, Some(expected), "{name} {rule:?}");
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
    let holiday = (0_u32..=96, 0_u32..=96).prop_map(|(start, end)| DailyInterval {
        start_s: start * 900,
        end_s: end * 900,
    });
    let today = TimeZone::UTC.to_datetime(anchor).date();
    (
        prop::collection::vec(weekly, 0..5),
        prop::collection::vec(dated.clone(), 0..3),
        prop::collection::vec(dated, 0..3),
        prop::collection::vec(-12_i64..12, 0..6),
        prop::collection::vec(holiday, 0..3),
    )
        .prop_map(move |(weekly, additions, exceptions, days, holiday)| Rule {
            weekly,
            additions,
            exceptions,
            holidays: days.into_iter().map(|days| today + days.days()).collect(),
            holiday,
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
