//! Schedules, each kept once however many people it binds, with the changes of the days around the clock worked out.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use proto::rules::Schedule as Rule;

use crate::{schedule::Schedule, violation::NEVER};

/// Number of a schedule that always holds.
pub(crate) const ALWAYS: u32 = u32::MAX;

/// Days worked out before and after the instant that is asked for: late reports reach back a day.
const BEHIND: SignedDuration = SignedDuration::from_hours(30);
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(9 * 24);
const AHEAD: SignedDuration = SignedDuration::from_hours(8 * 24);

/// A stretch in which the answer is one and the same; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) active: bool,
    /// Where it is not active, changes more than nine days back may not be known: it is `i64::MIN` then.
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

impl Window {
    const ALWAYS: Self = Self {
        active: true,
        from_us: i64::MIN,
        to_us: NEVER,
    };
}

/// One schedule in one time zone.
#[derive(Debug)]
struct Timetable {
    name: String,
    rule: Rule,
    schedule: Schedule,
    /// Contiguous.
    windows: Vec<Window>,
    /// The one that was last asked for: the next question is mostly about it too.
    last: Option<Window>,
}

/// All schedules of the engine.
#[derive(Debug, Default)]
pub(crate) struct Timetables {
    list: Vec<Timetable>,
    by_hash: HashMap<u64, Vec<u32>>,
}

impl Timetables {
    /// The number of a schedule in a time zone; the same for equal ones.
    pub(crate) fn number(&mut self, zone: &TimeZone, rule: &Rule) -> u32 {
        let name = zone.iana_name().unwrap_or("UTC");
        let same = self.by_hash.entry(hash(name, rule)).or_default();
        let found = same.iter().find(|number| {
            self.list
                .get(**number as usize)
                .is_some_and(|timetable| timetable.name == name && timetable.rule == *rule)
        });
        if let Some(number) = found {
            return *number;
        }
        let number = u32::try_from(self.list.len()).unwrap_or(ALWAYS - 1);
        same.push(number);
        self.list.push(Timetable {
            name: name.to_owned(),
            rule: rule.clone(),
            schedule: Schedule::new(zone.clone(), rule.clone()),
            windows: Vec::new(),
            last: None,
        });
        number
    }

    /// Time zone and rule of a schedule.
    pub(crate) fn rule(&self, number: u32) -> Option<(&str, &Rule)> {
        let timetable = self.list.get(number as usize)?;
        Some((&timetable.name, &timetable.rule))
    }

    /// The stretch around an instant.
    pub(crate) fn window(&mut self, number: u32, at_us: i64) -> Window {
        if number == ALWAYS {
            return Window::ALWAYS;
        }
        let Some(timetable) = self.list.get_mut(number as usize) else {
            return Window::ALWAYS;
        };
        let here = |window: &Window| window.from_us <= at_us && at_us < window.to_us;
        if let Some(window) = timetable.last.filter(here) {
            return window;
        }
        timetable.last = timetable.known(at_us);
        if let Some(window) = timetable.last {
            return window;
        }
        timetable.work_out(at_us);
        timetable.known(at_us).unwrap_or(Window {
            active: false,
            from_us: i64::MIN,
            to_us: NEVER,
        })
    }

    /// Bytes, roughly: small beside the people.
    pub(crate) fn bytes(&self) -> usize {
        let of = |timetable: &Timetable| {
            size_of::<Timetable>()
                + timetable.windows.len() * size_of::<Window>()
                + 2 * (timetable.rule.weekly.len() * 12
                    + (timetable.rule.additions.len() + timetable.rule.exceptions.len()) * 32)
        };
        self.list.iter().map(of).sum()
    }
}

fn hash(name: &str, rule: &Rule) -> u64 {
    let Rule {
        weekly,
        additions,
        exceptions,
        holidays,
        holiday,
    } = rule;
    let mut hasher = DefaultHasher::new();
    (name, weekly, additions, exceptions, holidays, holiday).hash(&mut hasher);
    hasher.finish()
}

impl Timetable {
    fn known(&self, at_us: i64) -> Option<Window> {
        let after = self.windows.partition_point(|window| window.from_us <= at_us);
        let window = self.windows.get(after.checked_sub(1)?)?;
        (at_us < window.to_us).then_some(*window)
    }

    fn work_out(&mut self, at_us: i64) {
        self.windows.clear();
        let Ok(at) = Timestamp::from_microsecond(at_us) else {
            return;
        };
        let last = at.saturating_add(AHEAD).unwrap_or(Timestamp::MAX);
        // A change further back than this is as good as none: no timer waits that long.
        let mut from = at.saturating_sub(BEHIND).unwrap_or(Timestamp::MIN);
        let first = from.saturating_sub(LOOK_BACK).unwrap_or(Timestamp::MIN);
        let mut active = self.schedule.active_at(first);
        let mut from_us = i64::MIN;
        let mut change = self.schedule.next_change_after(first);
        while let Some(next) = change.filter(|next| *next <= from) {
            from_us = next.as_microsecond();
            active = !active;
            change = self.schedule.next_change_after(next);
        }
        if active {
            let start = self.schedule.interval_at(from).and_then(|interval| interval.start);
            from_us = start.map_or(i64::MIN, Timestamp::as_microsecond);
        }
        loop {
            let next = self.schedule.next_change_after(from);
            let to_us = next.map_or(NEVER, Timestamp::as_microsecond);
            self.windows.push(Window { active, from_us, to_us });
            match next {
                Some(next) if next <= last => (from, from_us, active) = (next, to_us, !active),
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Weekday;
    use proto::rules::{WeeklyInterval, time_zone};

    use super::*;

    #[test]
    fn equal_schedules_have_one_number_and_windows_are_those_of_the_schedule() {
        let zone = time_zone("Europe/London").unwrap_or(TimeZone::UTC);
        let rule = Rule {
            weekly: vec![WeeklyInterval {
                weekday: Weekday::Sunday,
                start_s: 0,
                end_s: 5_400,
            }],
            ..Rule::default()
        };
        let mut timetables = Timetables::default();
        let number = timetables.number(&zone, &rule);
        assert_eq!(timetables.number(&zone, &rule), number);
        assert_ne!(timetables.number(&TimeZone::UTC, &rule), number);
        let schedule = Schedule::new(zone, rule);
        for minutes in (0..40 * 24 * 60).step_by(97).chain((0..3 * 24 * 60).step_by(31)) {
            let at = Timestamp::constant(1_792_000_000, 0) + SignedDuration::from_mins(minutes);
            let window = timetables.window(number, at.as_microsecond());
            assert_eq!(window.active, schedule.active_at(at));
            let next = schedule.next_change_after(at).map_or(NEVER, Timestamp::as_microsecond);
            assert_eq!(window.to_us, next);
            if let Some(interval) = schedule.interval_at(at) {
                assert_eq!(Some(window.from_us), interval.start.map(Timestamp::as_microsecond));
            }
        }
    }
}
