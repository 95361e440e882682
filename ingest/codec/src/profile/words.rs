//! The words that a profile may use, and what each does to a report.

use proto::wire::{Alarm, Case, FixSource, Motion, Strap};

use crate::{Report, alarm_name};

/// Words, as bits: an alarm's bit is its number on the wire, states follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Words(u32);

/// Words that are states, not alarms, in the order of their bits.
const STATES: [&str; 13] = [
    "strap_closed",
    "strap_open",
    "case_closed",
    "case_open",
    "still",
    "moving",
    "not_charging",
    "charging",
    "gnss",
    "wifi",
    "cell",
    "beacon",
    "stored",
];

const FIRST_STATE: usize = 16;
const ALARM_BITS: u32 = (1 << FIRST_STATE) - 1;
const STRAP_CLOSED: u32 = 1 << 16;
const STRAP_OPEN: u32 = 1 << 17;
const CASE_CLOSED: u32 = 1 << 18;
const CASE_OPEN: u32 = 1 << 19;
const STILL: u32 = 1 << 20;
const MOVING: u32 = 1 << 21;
const NOT_CHARGING: u32 = 1 << 22;
const CHARGING: u32 = 1 << 23;
const GNSS: u32 = 1 << 24;
const WIFI: u32 = 1 << 25;
const CELL: u32 = 1 << 26;
const BEACON: u32 = 1 << 27;
const STORED: u32 = 1 << 28;

/// Of which at most one can be so.
const EXCLUSIVE: [u32; 5] = [
    STRAP_CLOSED | STRAP_OPEN,
    CASE_CLOSED | CASE_OPEN,
    STILL | MOVING,
    NOT_CHARGING | CHARGING,
    GNSS | WIFI | CELL | BEACON,
];

impl Words {
    /// Nothing to say: the word `normal`.
    pub(super) const NORMAL: Self = Self(0);
    /// An alarm without a word of its own.
    pub(super) const OTHER: Self = Self(1 << Alarm::Other as u32);

    /// Reads one word.
    pub(super) fn parse(word: &str) -> Option<Self> {
        if word == "normal" {
            return Some(Self::NORMAL);
        }
        if let Some(at) = STATES.iter().position(|state| *state == word) {
            return Some(Self(1 << (FIRST_STATE + at)));
        }
        alarms().find(|(_, name)| *name == word).map(|(bit, _)| Self(bit))
    }

    /// Every word, for messages and documents.
    pub(super) fn all() -> Vec<&'static str> {
        let alarms = alarms().map(|(_, name)| name);
        alarms.chain(STATES).chain(["normal"]).collect()
    }

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn is_normal(self) -> bool {
        self.0 == 0
    }

    /// True when two of the words cannot be so at once.
    pub(super) fn contradict(self) -> bool {
        EXCLUSIVE.iter().any(|mask| (self.0 & mask).count_ones() > 1)
    }

    /// The words, in their order; `normal` when there is none.
    pub(super) fn names(self) -> Vec<&'static str> {
        if self.is_normal() {
            return vec!["normal"];
        }
        let alarms = alarms().filter(|(bit, _)| self.0 & bit != 0).map(|(_, name)| name);
        let states = STATES.iter().enumerate();
        let states = states.filter(|(at, _)| self.0 >> (FIRST_STATE + at) & 1 == 1);
        alarms.chain(states.map(|(_, name)| *name)).collect()
    }

    /// Says them of a report.
    #[inline]
    pub(super) fn apply(self, report: &mut Report) {
        if self.0 & ALARM_BITS != 0 {
            let mut bits = self.0 & ALARM_BITS;
            while bits != 0 {
                let number = bits.trailing_zeros();
                bits &= bits - 1;
                if let Ok(alarm) = i32::try_from(number).map_or(Ok(Alarm::Other), Alarm::try_from) {
                    report.raise(alarm);
                }
            }
        }
        if self.0 > ALARM_BITS {
            self.apply_states(report);
        }
    }

    fn apply_states(self, report: &mut Report) {
        let has = |bits: u32| self.0 & bits != 0;
        if has(STRAP_OPEN) {
            report.raise(Alarm::StrapTamper);
        } else if has(STRAP_CLOSED) && report.strap != Strap::Open {
            report.strap = Strap::Closed;
        }
        if has(CASE_OPEN) {
            report.raise(Alarm::CaseTamper);
        } else if has(CASE_CLOSED) && report.case != Case::Open {
            report.case = Case::Closed;
        }
        if has(STILL) {
            report.motion = Motion::Still;
        } else if has(MOVING) {
            report.motion = Motion::Moving;
        }
        if has(NOT_CHARGING) {
            report.charging = Some(false);
        } else if has(CHARGING) {
            report.charging = Some(true);
        }
        if has(STORED) {
            report.stored = true;
        }
        if let Some(fix) = &mut report.fix {
            for (bit, source) in [
                (GNSS, FixSource::Gnss),
                (WIFI, FixSource::Wifi),
                (CELL, FixSource::Cell),
                (BEACON, FixSource::Beacon),
            ] {
                if has(bit) {
                    fix.source = source;
                }
            }
        }
    }
}

/// Alarms that have a word, with their bits.
fn alarms() -> impl Iterator<Item = (u32, &'static str)> {
    (1..=Alarm::Other as i32).filter_map(|number| {
        let alarm = Alarm::try_from(number).ok()?;
        Some((1 << number, alarm_name(alarm)))
    })
}

impl Report {
    /// Adds an alarm, each once and in the order of [`Alarm`], and lets the states agree: a strap or case that was tampered with
    /// is open, whatever else the report says of it.
    pub fn raise(&mut self, alarm: Alarm) {
        let number = i32::from(alarm);
        let at = self.alarms.iter().position(|known| i32::from(*known) >= number);
        let at = at.unwrap_or(self.alarms.len());
        if self.alarms.get(at) != Some(&alarm) {
            self.alarms.insert(at, alarm);
        }
        match alarm {
            Alarm::StrapTamper => self.strap = Strap::Open,
            Alarm::CaseTamper => self.case = Case::Open,
            _ => (),
        }
    }
}
