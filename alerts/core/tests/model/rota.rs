//! Laws of rotas, over random weeks in time zones whose clocks change.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use std::collections::BTreeSet;

use homeward_alerts_core::rota::{Crew, Day, Rota, Shift, Table};
use jiff::{
    SignedDuration, Timestamp,
    civil::{Time, date, time},
    tz::TimeZone,
};
use proptest::prelude::*;
use uuid::Uuid;

/// A zone, and an instant a few days before its clocks change.
const CHANGES: [(&str, &str); 5] = [
    ("Europe/Berlin", "2026-03-26T00:00:00Z"),
    ("Europe/London", "2026-10-22T00:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-02T00:00:00Z"),
    ("America/New_York", "2026-11-06T00:00:00Z"),
    ("Asia/Shanghai", "2026-06-01T00:00:00Z"),
];

/// At half hours.
fn times() -> impl Strategy<Value = Time> {
    (0_i8..24, prop::sample::select(vec![0_i8, 30])).prop_map(|(hour, minute)| time(hour, minute, 0, 0))
}

fn people() -> impl Strategy<Value = Vec<Uuid>> {
    prop::collection::vec((1_u128..6).prop_map(Uuid::from_u128), 1..3)
}

fn crews() -> impl Strategy<Value = Crew> {
    prop_oneof![
        people().prop_map(Crew::Fixed),
        (prop::collection::vec(people(), 1..4), 1_u16..9).prop_map(|(teams, days)| Crew::Turns {
            from: date(2026, 5, 4),
            days,
            teams
        }),
    ]
}

fn shifts() -> impl Strategy<Value = Shift> {
    let days = prop::sample::subsequence(Day::ALL.to_vec(), 1..=7);
    (days, times(), times(), crews()).prop_map(|(days, from, to, crew)| Shift { days, from, to, crew })
}

fn rotas() -> impl Strategy<Value = (Rota, Timestamp)> {
    let overlap = prop::sample::select(vec![0_i64, 30]);
    (
        prop::sample::select(CHANGES.to_vec()),
        prop::collection::vec(shifts(), 1..5),
        overlap,
    )
        .prop_map(|((zone, from), shifts, overlap)| {
            let table = Table {
                rota: Uuid::nil(),
                time_zone: zone.into(),
                overlap: SignedDuration::from_mins(overlap),
                shifts,
                holidays: BTreeSet::new(),
                holiday_shifts: Vec::new(),
                exceptions: Vec::new(),
            };
            (Rota::new(table).unwrap(), from.parse().unwrap())
        })
}

/// Every quarter of an hour of eight days: all that is written here falls on one.
fn quarters(from: Timestamp) -> impl Iterator<Item = Timestamp> {
    (0..8 * 24 * 4).map(move |n| from.checked_add(SignedDuration::from_mins(15 * n)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn duty_changes_where_it_is_said_to_and_nowhere_else((rota, from) in rotas()) {
        let to = quarters(from).last().unwrap();
        let changes = rota.changes(from, to);
        let mut before = rota.on_duty(from);
        for instant in quarters(from).skip(1).take_while(|at| *at < to) {
            let now = rota.on_duty(instant);
            prop_assert!(now == before || changes.contains(&instant), "{}", instant);
            before = now;
        }
    }

    /// Whoever looks at the clock on the wall and finds that it is their shift is on duty, whatever the clocks do.
    #[test]
    fn who_is_on_duty_by_the_wall_clock_is_on_duty(
        (zone, from) in prop::sample::select(CHANGES.to_vec()),
        from_time in times(),
        to_time in times(),
    ) {
        let person = Uuid::from_u128(1);
        let shift = Shift { days: Day::ALL.to_vec(), from: from_time, to: to_time, crew: Crew::Fixed(vec![person]) };
        let table = Table {
            rota: Uuid::nil(),
            time_zone: zone.into(),
            overlap: SignedDuration::ZERO,
            shifts: vec![shift],
            holidays: BTreeSet::new(),
            holiday_shifts: Vec::new(),
            exceptions: Vec::new(),
        };
        let rota = Rota::new(table).unwrap();
        let zone = TimeZone::get(zone).unwrap();
        for instant in quarters(from.parse().unwrap()) {
            let wall = zone.to_datetime(instant).time();
            let on_duty = if from_time < to_time {
                from_time <= wall && wall < to_time
            } else {
                wall >= from_time || wall < to_time
            };
            prop_assert!(!on_duty || rota.on_duty(instant) == [person], "{}", instant);
        }
    }
}
