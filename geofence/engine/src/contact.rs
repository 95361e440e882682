//! Whether anything is heard of a device. The only rules that depend on when reports come, not on when they were made: they are
//! judged on the log's clock, and no late report takes them back.
//!
//! - **silence**: no report for `silence_after_s`; began with the last report, ends with the next one.
//! - **battery_dead**: silence after a battery that was nearly empty or a device that said it switched off: presumed dead.
//! - **no_fix**: reports come, but none with a position that can be judged for `silence_after_s`; began with the last one
//!   that had, ends with the next one that has. A position that is older than others is none, but by a clock that is behind: what the
//!   device does not call stored then comes later than it says by the same time ([`BEHIND_US`] and more, give or take [`STEADY_US`]) for
//!   [`PROOF_US`]. What was stored is sent faster than it was made, and is less and less late.
//! - **clock_skew**: a report whose time cannot be believed (it is kept in quarantine); ends with the next one that can.

use proto::wire::{Alarm, EventKind};
use serde::{Deserialize, Serialize};

use crate::{
    belief::OperatingPoints,
    explain::{Grounds, Writer, span},
    journal::Recent,
    reading::Said,
    violation::{Ended, NEVER, Onset, Place},
};

/// A report that comes this much later than it says was stored, or its clock is behind.
const BEHIND_US: i64 = 180_000_000;
/// How much the delay of a clock that is behind may vary from report to report.
const STEADY_US: i64 = 5_000_000;
/// For how long the delay must have been the same.
const PROOF_US: i64 = 20_000_000;

/// Says whether a report with this delay cannot be from just now by a clock that is right.
#[inline]
pub(crate) const fn is_behind(delay_us: i64) -> bool {
    delay_us > BEHIND_US
}

/// By how much reports come late, and when the first of them came.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Lateness {
    delay_us: i64,
    received_us: i64,
}

/// A clock that may be behind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Behind {
    /// For how long the delay has been the same, up to the reports that came together last.
    steady: Lateness,
    /// The least of those.
    last: Lateness,
}

/// What is known of a device's contact beside when it was heard last.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Contact {
    silence: Place,
    dead: Place,
    no_fix: Place,
    skew: Place,
    /// The log's time of the last report with a usable position; `None`: as the last report.
    last_fix_us: Option<i64>,
    /// The last word of the battery was that it is nearly empty, or the device said that it goes off.
    fading: bool,
    behind: Option<Behind>,
}

/// A report, as far as contact is concerned.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a question of its own, answered by the caller"
)]
pub(crate) struct Heard {
    pub(crate) said: Said,
    /// The log's clock.
    pub(crate) clock_us: i64,
    /// The log's time of the report before.
    pub(crate) before_us: i64,
    /// It has a position that can be judged.
    pub(crate) fix: bool,
    /// It is not the newest, by its time.
    pub(crate) late: bool,
    /// Its time is believed.
    pub(crate) believed: bool,
    /// The device says that it had stored it.
    pub(crate) stored: bool,
    /// The gateway's clock.
    pub(crate) received_us: i64,
    /// The device's clock.
    pub(crate) fix_time_us: i64,
}

impl Contact {
    /// Nothing is open: a report with a fix and a good battery leaves it as it is.
    pub(crate) fn is_quiet(&self) -> bool {
        let places = [&self.silence, &self.dead, &self.no_fix, &self.skew];
        let calm = self.last_fix_us.is_none() && self.behind.is_none() && !self.fading;
        calm && places.iter().all(|place| !place.is_open())
    }

    /// When something happens here unless a report comes first.
    pub(crate) fn due_us(&self, heard_us: i64, after_us: i64) -> i64 {
        self.silence_due_us(heard_us, after_us)
            .min(self.no_fix_due_us(heard_us, after_us))
    }

    fn silence_due_us(&self, heard_us: i64, after_us: i64) -> i64 {
        if after_us == 0 || self.silence.is_open() {
            NEVER
        } else {
            heard_us.saturating_add(after_us)
        }
    }

    fn no_fix_due_us(&self, heard_us: i64, after_us: i64) -> i64 {
        let Some(last_fix_us) = self.last_fix_us else {
            return NEVER;
        };
        let due_us = last_fix_us.saturating_add(after_us);
        // Only a report that came later can show it; without one it is silence.
        let shown = heard_us >= due_us && heard_us > last_fix_us;
        if after_us == 0 || self.no_fix.is_open() || !shown {
            NEVER
        } else {
            due_us
        }
    }

    /// Lets everything happen here that is due at `due_us`.
    pub(crate) fn on_due(&mut self, due_us: i64, heard_us: i64, after_us: i64, writer: &mut Writer<'_>) {
        let fixes = Recent::default();
        let onset = |kind, onset_us| Onset {
            kind,
            at_us: onset_us,
            about: None,
            grounds: Grounds::NONE,
        };
        let for_long = span(after_us);
        if self.silence_due_us(heard_us, after_us) <= due_us {
            self.silence
                .begin(writer, &fixes, onset(EventKind::Silence, heard_us), |_, _| {
                    format!("no report for {for_long}")
                });
            if self.fading {
                self.dead
                    .begin(writer, &fixes, onset(EventKind::BatteryDead, heard_us), |_, _| {
                        format!("no report for {for_long} after a battery that was nearly empty: presumed dead")
                    });
            }
        }
        if self.no_fix_due_us(heard_us, after_us) <= due_us {
            let since_us = self.last_fix_us.unwrap_or(heard_us);
            self.no_fix
                .begin(writer, &fixes, onset(EventKind::NoFix, since_us), |_, _| {
                    format!("reports come, but none with a usable position for {for_long}")
                });
        }
    }

    /// Takes a report in.
    pub(crate) fn on_report(&mut self, heard: Heard, writer: &mut Writer<'_>) {
        let fixes = Recent::default();
        let Heard {
            said,
            clock_us,
            before_us,
            believed,
            ..
        } = heard;
        let just_now = self.is_from_just_now(heard);
        let fix = heard.fix && (!heard.late || just_now);
        for place in [&mut self.dead, &mut self.silence] {
            place.end(writer, &fixes, clock_us, None, Ended::Device("a report came"));
        }
        if fix {
            self.no_fix
                .end(writer, &fixes, clock_us, None, Ended::Device("a usable position came"));
            self.last_fix_us = None;
        } else {
            self.last_fix_us.get_or_insert(before_us);
        }
        if believed {
            let words = Ended::Device("a report came whose time can be believed");
            self.skew.end(writer, &fixes, clock_us, None, words);
            let points = OperatingPoints::DEFAULT;
            match said.battery() {
                Some(percent) => self.fading = percent <= points.battery_critical,
                None if said.alarm(Alarm::LowBattery) => self.fading = true,
                None if said.has_position() => self.fading = false,
                None => {}
            }
            self.fading |= said.alarm(Alarm::PowerOff);
        } else {
            let onset = Onset {
                kind: EventKind::ClockSkew,
                at_us: clock_us,
                about: None,
                grounds: Grounds::NONE,
            };
            self.skew.begin(writer, &fixes, onset, |_, _| {
                "the time that the device gives cannot be right; its positions are kept aside".to_owned()
            });
        }
    }

    /// Takes the delay of a report in: says whether it was made just now by a clock that is behind. One that the device calls stored says
    /// nothing of the clock, nor does one without a position, whose time may be the gateway's.
    fn is_from_just_now(&mut self, heard: Heard) -> bool {
        let received_us = heard.received_us;
        if heard.stored || !heard.said.has_position() {
            return false;
        }
        let delay_us = received_us.saturating_sub(heard.fix_time_us);
        if !heard.believed || !is_behind(delay_us) {
            self.behind = None;
            return false;
        }
        let now = Lateness { delay_us, received_us };
        let Behind { steady, last } = self.behind.get_or_insert(Behind { steady: now, last: now });
        if last.received_us == received_us {
            last.delay_us = last.delay_us.min(delay_us);
        } else {
            if !steady.is_as(*last) {
                *steady = *last;
            }
            *last = now;
        }
        steady.is_as(now) && received_us.saturating_sub(steady.received_us) >= PROOF_US
    }

    /// Ends what is open, when the person goes.
    pub(crate) fn close(&mut self, at_us: i64, writer: &mut Writer<'_>) {
        for place in [&mut self.dead, &mut self.silence, &mut self.no_fix, &mut self.skew] {
            place.end(writer, &Recent::default(), at_us, None, Ended::EndOfMonitoring);
        }
    }
}

impl Lateness {
    fn is_as(self, other: Self) -> bool {
        self.delay_us.abs_diff(other.delay_us) <= STEADY_US.unsigned_abs()
    }
}
