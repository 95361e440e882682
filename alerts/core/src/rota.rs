//! Who is on duty: weekly shifts in a time zone, crews that take turns, hand-over, holidays and exceptions.
//!
//! Shifts are in local time. Where clocks change, a shift begins at the earlier and ends at the later reading of its times: two crews
//! may be on duty for an hour then, never none.

use std::collections::BTreeSet;

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime, Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest hand-over, in which the crew that leaves is called as well.
pub const OVERLAP_MAX: SignedDuration = SignedDuration::from_hours(12);

/// A shift that began so many days ago may last until today: a day, its hand-over, and what a change of clocks adds.
const LOOK_BACK_DAYS: usize = 3;

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "days of the week")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Day {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// The day of a date.
    pub fn of(date: Date) -> Self {
        match date.weekday() {
            Weekday::Monday => Self::Monday,
            Weekday::Tuesday => Self::Tuesday,
            Weekday::Wednesday => Self::Wednesday,
            Weekday::Thursday => Self::Thursday,
            Weekday::Friday => Self::Friday,
            Weekday::Saturday => Self::Saturday,
            Weekday::Sunday => Self::Sunday,
        }
    }
}

/// Who works a shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crew {
    /// Always the same.
    Fixed(Vec<Uuid>),
    /// Teams one after the other, and from the first again.
    Turns {
        /// The first day of the first team.
        from: Date,
        /// Days of a turn; the hand-over is at the beginning of the shift.
        days: u16,
        /// Who.
        teams: Vec<Vec<Uuid>>,
    },
}

impl Crew {
    /// Who works the shift that begins on a date.
    fn on(&self, date: Date) -> &[Uuid] {
        match self {
            Self::Fixed(people) => people,
            Self::Turns { from, days, teams } => {
                let passed = from.until(date).map_or(0, |span| i64::from(span.get_days()));
                let turn = passed.div_euclid(i64::from((*days).max(1)));
                let count = i64::try_from(teams.len()).unwrap_or(i64::MAX).max(1);
                let team = usize::try_from(turn.rem_euclid(count)).unwrap_or(0);
                teams.get(team).map_or(&[], Vec::as_slice)
            }
        }
    }

    fn teams(&self) -> Vec<&[Uuid]> {
        match self {
            Self::Fixed(people) => vec![people],
            Self::Turns { teams, .. } => teams.iter().map(Vec::as_slice).collect(),
        }
    }
}

/// Hours of work on days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// The days on which it begins.
    pub days: Vec<Day>,
    /// When it begins.
    pub from: Time,
    /// When it ends; on the next day where it is not after `from`.
    pub to: Time,
    /// Who.
    pub crew: Crew,
}

/// Somebody else for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// From then, local time.
    pub from: DateTime,
    /// To then, local time.
    pub to: DateTime,
    /// Who does not work; `None`: nobody who otherwise would.
    pub away: Option<Uuid>,
    /// Who works instead.
    pub instead: Vec<Uuid>,
}

/// A rota as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Id.
    pub rota: Uuid,
    /// An IANA name.
    pub time_zone: String,
    /// How long after its end a crew is called as well.
    #[serde(default)]
    pub overlap: SignedDuration,
    /// The week.
    pub shifts: Vec<Shift>,
    /// Days with hours of their own.
    #[serde(default)]
    pub holidays: BTreeSet<Date>,
    /// Shifts that begin on holidays, whatever `days` they name; where there are none, holidays are like other days.
    #[serde(default)]
    pub holiday_shifts: Vec<Shift>,
    /// Swaps, illness, leave. Of several for one time, each is applied to what those before it have left.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// Why a rota is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No such time zone.
    #[error("rota {rota}: unknown time zone {name:?}")]
    TimeZone {
        /// Of which rota.
        rota: Uuid,
        /// What was given.
        name: String,
    },
    /// No shift.
    #[error("rota {rota} has no shifts")]
    NoShifts {
        /// Which.
        rota: Uuid,
    },
    /// A shift on no day, or a crew or a team of nobody, or a turn of no days.
    #[error("rota {rota}: shift {shift} has no days, a team of nobody, or turns of no length")]
    Shift {
        /// Of which rota.
        rota: Uuid,
        /// From 1; holidays' shifts after the others.
        shift: usize,
    },
    /// A negative hand-over, or one of more than twelve hours.
    #[error("rota {rota}: a hand-over of {overlap:#} is not between nothing and twelve hours")]
    Overlap {
        /// Of which rota.
        rota: Uuid,
        /// What was given.
        overlap: SignedDuration,
    },
    /// An exception that ends before it begins.
    #[error("rota {rota}: the exception from {from} ends before it begins")]
    Exception {
        /// Of which rota.
        rota: Uuid,
        /// Its beginning.
        from: DateTime,
    },
}

/// A rota that can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rota {
    table: Table,
    zone: TimeZone,
}

impl Rota {
    /// Checks a rota; not whether somebody is always on duty, for which a ladder may have further steps.
    pub fn new(table: Table) -> Result<Self, Fault> {
        let rota = table.rota;
        let Ok(zone) = TimeZone::get(&table.time_zone) else {
            return Err(Fault::TimeZone {
                rota,
                name: table.time_zone,
            });
        };
        if table.shifts.is_empty() {
            return Err(Fault::NoShifts { rota });
        }
        for (n, shift) in table.shifts.iter().chain(&table.holiday_shifts).enumerate() {
            let teams = shift.crew.teams();
            let turns = !matches!(shift.crew, Crew::Turns { days: 0, .. });
            let days = n >= table.shifts.len() || !shift.days.is_empty();
            if !days || !turns || teams.is_empty() || teams.iter().any(|team| team.is_empty()) {
                return Err(Fault::Shift { rota, shift: n + 1 });
            }
        }
        if table.overlap.is_negative() || table.overlap > OVERLAP_MAX {
            let overlap = table.overlap;
            return Err(Fault::Overlap { rota, overlap });
        }
        if let Some(wrong) = table.exceptions.iter().find(|exception| exception.to <= exception.from) {
            return Err(Fault::Exception { rota, from: wrong.from });
        }
        Ok(Self { table, zone })
    }

    /// Which.
    pub const fn id(&self) -> Uuid {
        self.table.rota
    }

    /// Everybody who may be on duty at some time.
    pub fn people(&self) -> BTreeSet<Uuid> {
        let crews = self.table.shifts.iter().chain(&self.table.holiday_shifts);
        let regular = crews.flat_map(|shift| shift.crew.teams()).flatten();
        let instead = self.table.exceptions.iter().flat_map(|exception| &exception.instead);
        regular.chain(instead).copied().collect()
    }

    /// Who is on duty at an instant, nobody twice; the crew that came last before those that leave.
    pub fn on_duty(&self, at: Timestamp) -> Vec<Uuid> {
        let mut working: Vec<(Timestamp, &[Uuid])> = Vec::new();
        for (shift, date) in self.shifts_of(at, at) {
            if let Some((start, end)) = self.span(shift, date)
                && start <= at
                && at < end
            {
                working.push((start, shift.crew.on(date)));
            }
        }
        working.sort_by_key(|shift| std::cmp::Reverse(shift.0));
        let mut people: Vec<Uuid> = working.into_iter().flat_map(|(_, crew)| crew).copied().collect();
        for exception in &self.table.exceptions {
            if self.holds(exception, at) {
                people = replaced(people, exception);
            }
        }
        let mut seen = BTreeSet::new();
        people.retain(|person| seen.insert(*person));
        people
    }

    /// The instants after `from` and before `to` at which duty may change, in order.
    pub fn changes(&self, from: Timestamp, to: Timestamp) -> BTreeSet<Timestamp> {
        let shifts = self
            .shifts_of(from, to)
            .filter_map(|(shift, date)| self.span(shift, date));
        let exceptions = self
            .table
            .exceptions
            .iter()
            .filter_map(|exception| self.limits(exception));
        shifts
            .chain(exceptions)
            .flat_map(|(start, end)| [start, end])
            .filter(|at| from < *at && *at < to)
            .collect()
    }

    /// In how many days all of it comes round, but for what has a date of its own: weeks, and the turns of crews.
    pub fn cycle_days(&self) -> i64 {
        let crews = self.table.shifts.iter().chain(&self.table.holiday_shifts);
        crews.fold(7, |cycle, shift| match &shift.crew {
            Crew::Fixed(_) => cycle,
            Crew::Turns { days, teams, .. } => {
                let teams = i64::try_from(teams.len()).unwrap_or(i64::MAX);
                together(cycle, i64::from(*days).saturating_mul(teams))
            }
        })
    }

    /// The stretches after an instant in which something with a date of its own makes a difference: a holiday until the shifts that begin on it are
    /// over; an exception from each of its ends on until crews have come round.
    pub fn dated(&self, after: Timestamp, cycle_days: i64) -> Vec<(Timestamp, Timestamp)> {
        let holidays = self.table.holidays.iter().filter_map(|day| {
            let begins = self
                .zone
                .to_ambiguous_timestamp(day.to_datetime(Time::midnight()))
                .earlier();
            begins.ok().map(|at| around(at, 0))
        });
        let exceptions = self
            .table
            .exceptions
            .iter()
            .filter_map(|exception| self.limits(exception));
        let exceptions = exceptions
            .flat_map(|(from, to)| [from, to])
            .map(|at| around(at, cycle_days));
        holidays.chain(exceptions).filter(|(_, to)| *to > after).collect()
    }

    /// The shifts that may touch a stretch of time, by the date on which they begin.
    fn shifts_of(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = (&Shift, Date)> {
        let date = |at: Timestamp| self.zone.to_datetime(at).date();
        let mut first = date(from);
        for _ in 0..LOOK_BACK_DAYS {
            first = first.yesterday().unwrap_or(first);
        }
        let last = date(to).tomorrow().unwrap_or(Date::MAX);
        std::iter::successors(Some(first), |date| date.tomorrow().ok())
            .take_while(move |date| *date <= last)
            .flat_map(|date| {
                let holiday = !self.table.holiday_shifts.is_empty() && self.table.holidays.contains(&date);
                let shifts = if holiday {
                    &self.table.holiday_shifts
                } else {
                    &self.table.shifts
                };
                let today = Day::of(date);
                shifts
                    .iter()
                    .filter(move |shift| holiday || shift.days.contains(&today))
                    .map(move |shift| (shift, date))
            })
    }

    /// When a shift that begins on a date is on duty, hand-over included.
    fn span(&self, shift: &Shift, date: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if shift.to <= shift.from {
            date.tomorrow().ok()?
        } else {
            date
        };
        let start = self
            .zone
            .to_ambiguous_timestamp(date.to_datetime(shift.from))
            .earlier()
            .ok()?;
        let end = self
            .zone
            .to_ambiguous_timestamp(last.to_datetime(shift.to))
            .later()
            .ok()?;
        Some((start, end.checked_add(self.table.overlap).ok()?))
    }

    fn limits(&self, exception: &Exception) -> Option<(Timestamp, Timestamp)> {
        let from = self.zone.to_ambiguous_timestamp(exception.from).earlier().ok()?;
        let to = self.zone.to_ambiguous_timestamp(exception.to).later().ok()?;
        Some((from, to))
    }

    fn holds(&self, exception: &Exception, at: Timestamp) -> bool {
        self.limits(exception).is_some_and(|(from, to)| from <= at && at < to)
    }
}

/// The first number of days after which both come round.
pub(crate) fn together(one: i64, other: i64) -> i64 {
    let (mut large, mut small) = (one.max(1), other.max(1));
    while small != 0 {
        (large, small) = (small, large % small);
    }
    (one.max(1) / large).saturating_mul(other.max(1))
}

/// From the day before an instant until crews have come round after it, and the shifts that began by then are over.
pub(crate) fn around(at: Timestamp, cycle_days: i64) -> (Timestamp, Timestamp) {
    let days = |days: i64| SignedDuration::from_hours(days.saturating_mul(24).min(24 * 400_000));
    let from = at.checked_sub(days(1)).unwrap_or(Timestamp::MIN);
    let to = at
        .checked_add(days(cycle_days.saturating_add(4)))
        .unwrap_or(Timestamp::MAX);
    (from, to)
}

/// Those on duty, with an exception applied.
fn replaced(people: Vec<Uuid>, exception: &Exception) -> Vec<Uuid> {
    match exception.away {
        None => exception.instead.clone(),
        Some(away) => people
            .into_iter()
            .flat_map(|person| {
                if person == away {
                    exception.instead.clone()
                } else {
                    vec![person]
                }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
