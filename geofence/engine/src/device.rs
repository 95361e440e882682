//! What a device says of itself, or fails to say: tampering, silence, no fix, jamming, battery, calls for help.
//!
//! - **strap_tamper, case_tamper**: an onset at the report that first says so; never an end. A strap or case that is
//!   reported closed again (or, for devices that only raise an alarm, a position report without it) makes the next opening
//!   a new violation.
//! - **sos**: an onset, never an end; calls less than [`OperatingPoints::sos_repeat_s`] apart are one.
//! - **silence**: no report for `silence_after_s` of the log's clock; began with the last report, ends with the next one.
//! - **no_fix**: reports come, but none with a position that can be judged for `silence_after_s`; began with the last one
//!   that had, ends with the next one that has.
//! - **jamming, shielding**: while the device's alarm says so; ends with a position report without the alarm.
//! - **battery_low, battery_critical**: by percentage with hysteresis; without a percentage low battery follows the alarm.
//!
//! A report that is older than one already taken in (back-fill) still raises tampering and calls for help, marked late;
//! it moves nothing else.

use proto::wire::{Alarm, Case, EventKind, Report, Strap};
use serde::{Deserialize, Serialize};

use crate::{
    belief::OperatingPoints,
    explain::{Grounds, Writer, span},
    violation::{Ended, NEVER, Onset, Place},
};

/// What judging a device needs to know about the report.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard<'a> {
    pub(crate) report: &'a Report,
    /// When it was said, as judged.
    pub(crate) time_us: i64,
    /// The log's clock.
    pub(crate) clock_us: i64,
    /// Older than one already taken in.
    pub(crate) late: bool,
    /// It has a position that can be judged.
    pub(crate) has_fix: bool,
}

/// A switch that devices report as a state, as an alarm, or as both.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Tamper {
    place: Place,
    /// Open as far as the device last said.
    open: bool,
    /// It was said by an alarm alone.
    by_alarm: bool,
    last_us: Option<i64>,
}

/// The device's state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Device {
    last_report_us: i64,
    last_fix_us: i64,
    strap: Tamper,
    case: Tamper,
    sos: Place,
    last_sos_us: Option<i64>,
    silence: Place,
    no_fix: Place,
    jamming: Place,
    shielding: Place,
    low: Place,
    critical: Place,
}

impl Device {
    /// A device from which nothing was heard since monitoring began.
    pub(crate) fn new(begin_us: i64) -> Self {
        Self {
            last_report_us: begin_us,
            last_fix_us: begin_us,
            strap: Tamper::default(),
            case: Tamper::default(),
            sos: Place::default(),
            last_sos_us: None,
            silence: Place::default(),
            no_fix: Place::default(),
            jamming: Place::default(),
            shielding: Place::default(),
            low: Place::default(),
            critical: Place::default(),
        }
    }

    /// Nothing is asked of the device before this time.
    pub(crate) fn postpone(&mut self, begin_us: i64) {
        self.last_report_us = self.last_report_us.max(begin_us);
        self.last_fix_us = self.last_fix_us.max(begin_us);
    }

    /// When something happens here unless a report comes first.
    pub(crate) fn due_us(&self, silence_after_us: i64) -> i64 {
        self.silence_due_us(silence_after_us)
            .min(self.no_fix_due_us(silence_after_us))
    }

    fn silence_due_us(&self, after_us: i64) -> i64 {
        if after_us == 0 || self.silence.is_open() {
            NEVER
        } else {
            self.last_report_us.saturating_add(after_us)
        }
    }

    fn no_fix_due_us(&self, after_us: i64) -> i64 {
        let due_us = self.last_fix_us.saturating_add(after_us);
        // Only a report that came later can show it; without one it is silence.
        let shown = self.last_report_us >= due_us && self.last_report_us > self.last_fix_us;
        if after_us == 0 || self.no_fix.is_open() || !shown {
            NEVER
        } else {
            due_us
        }
    }

    /// Lets everything happen here that is due at `due_us`.
    pub(crate) fn on_due(&mut self, due_us: i64, silence_after_us: i64, writer: &mut Writer<'_>) {
        let fixes = [None, None];
        let onset = |kind, onset_us| Onset {
            kind,
            at_us: onset_us,
            until_us: NEVER,
            about: None,
            grounds: Grounds::NONE,
        };
        let for_long = span(silence_after_us);
        if self.silence_due_us(silence_after_us) <= due_us {
            let onset = onset(EventKind::Silence, self.last_report_us);
            self.silence
                .begin(writer, &fixes, onset, |_, _| format!("no report for {for_long}"));
        }
        if self.no_fix_due_us(silence_after_us) <= due_us {
            let onset = onset(EventKind::NoFix, self.last_fix_us);
            self.no_fix.begin(writer, &fixes, onset, |_, _| {
                format!("reports come, but none with a usable position for {for_long}")
            });
        }
    }

    /// Takes a report in.
    pub(crate) fn on_report(&mut self, heard: Heard<'_>, writer: &mut Writer<'_>) {
        let fixes = [None, None];
        let Heard {
            report,
            time_us,
            clock_us,
            late,
            has_fix,
        } = heard;
        let alarm = |alarm: Alarm| report.alarms.contains(&i32::from(alarm));
        self.silence
            .end(writer, &fixes, clock_us, None, Ended::Device("a report came"));
        self.last_report_us = clock_us;

        if alarm(Alarm::Sos) {
            let repeat_us = i64::from(OperatingPoints::DEFAULT.sos_repeat_s) * 1_000_000;
            if is_apart(self.last_sos_us, time_us, repeat_us) {
                self.sos
                    .moment(writer, EventKind::Sos, time_us, "the device's call button was pressed");
            }
            self.last_sos_us = Some(time_us);
        }
        let strap = match report.strap() {
            Strap::Open => Some(true),
            Strap::Closed => Some(false),
            Strap::Unspecified => None,
        };
        let words = ["the strap is reported open", "the device raised its strap alarm"];
        self.strap.on_report(
            strap,
            alarm(Alarm::StrapTamper),
            words,
            EventKind::StrapTamper,
            heard,
            writer,
        );
        let case = match report.case() {
            Case::Open => Some(true),
            Case::Closed => Some(false),
            Case::Unspecified => None,
        };
        let words = ["the case is reported open", "the device raised its case alarm"];
        self.case.on_report(
            case,
            alarm(Alarm::CaseTamper),
            words,
            EventKind::CaseTamper,
            heard,
            writer,
        );
        if late {
            return;
        }
        if has_fix {
            self.no_fix
                .end(writer, &fixes, clock_us, None, Ended::Device("a usable position came"));
            self.last_fix_us = clock_us;
        }
        let said = report.position.is_some();
        follow(
            &mut self.jamming,
            Condition {
                kind: EventKind::Jamming,
                begins: alarm(Alarm::Jamming),
                ends: said && !alarm(Alarm::Jamming),
                words: [
                    "the device reports radio jamming",
                    "a position report came without the jamming alarm",
                ],
            },
            time_us,
            writer,
        );
        follow(
            &mut self.shielding,
            Condition {
                kind: EventKind::Shielding,
                begins: alarm(Alarm::Shielding),
                ends: said && !alarm(Alarm::Shielding),
                words: [
                    "the device reports that it is shielded",
                    "a position report came without the shielding alarm",
                ],
            },
            time_us,
            writer,
        );
        self.battery(report, alarm(Alarm::LowBattery), time_us, writer);
    }

    fn battery(&mut self, report: &Report, alarm: bool, time_us: i64, writer: &mut Writer<'_>) {
        let points = OperatingPoints::DEFAULT;
        let percent = report.battery_percent;
        let at_most = |limit: u32| percent.is_some_and(|percent| percent <= limit);
        let at_least = |limit: u32| percent.is_some_and(|percent| percent >= limit);
        let recovered = match percent {
            Some(_) => at_least(points.battery_low_end),
            None => report.position.is_some() && !alarm,
        };
        let low = Condition {
            kind: EventKind::BatteryLow,
            begins: at_most(points.battery_low) || (alarm && !at_least(points.battery_low_end)),
            ends: recovered,
            words: ["the battery is low", "the battery is no longer low"],
        };
        follow(&mut self.low, low, time_us, writer);
        let critical = Condition {
            kind: EventKind::BatteryCritical,
            begins: at_most(points.battery_critical),
            ends: at_least(points.battery_critical_end),
            words: ["the battery is nearly empty", "the battery is no longer nearly empty"],
        };
        follow(&mut self.critical, critical, time_us, writer);
    }

    /// Ends what is open, when the person goes.
    pub(crate) fn close(&mut self, at_us: i64, writer: &mut Writer<'_>) {
        let places = [
            &mut self.silence,
            &mut self.no_fix,
            &mut self.jamming,
            &mut self.shielding,
            &mut self.low,
            &mut self.critical,
        ];
        for place in places {
            place.end(writer, &[None, None], at_us, None, Ended::EndOfMonitoring);
        }
    }
}

impl Tamper {
    fn on_report(
        &mut self,
        state: Option<bool>,
        alarm: bool,
        words: [&str; 2],
        kind: EventKind,
        heard: Heard<'_>,
        writer: &mut Writer<'_>,
    ) {
        let [by_state, by_alarm] = words;
        let said_open = state == Some(true) || alarm;
        let sentence = if state == Some(true) { by_state } else { by_alarm };
        if heard.late {
            let repeat_us = i64::from(OperatingPoints::DEFAULT.sos_repeat_s) * 1_000_000;
            if said_open && is_apart(self.last_us, heard.time_us, repeat_us) {
                self.place.moment(writer, kind, heard.time_us, sentence);
                self.last_us = Some(heard.time_us);
            }
            return;
        }
        if said_open {
            if !self.open {
                self.place.moment(writer, kind, heard.time_us, sentence);
            }
            self.by_alarm = (self.by_alarm || !self.open) && state != Some(true);
            self.open = true;
            self.last_us = Some(heard.time_us);
        } else if state == Some(false) || (self.by_alarm && heard.report.position.is_some()) {
            self.open = false;
            self.by_alarm = false;
        }
    }
}

/// A condition with an onset and an end.
#[derive(Debug, Clone, Copy)]
struct Condition {
    kind: EventKind,
    begins: bool,
    ends: bool,
    words: [&'static str; 2],
}

fn follow(place: &mut Place, condition: Condition, time_us: i64, writer: &mut Writer<'_>) {
    let fixes = [None, None];
    let Condition {
        kind,
        begins,
        ends,
        words: [begin, end],
    } = condition;
    if begins {
        let onset = Onset {
            kind,
            at_us: time_us,
            until_us: NEVER,
            about: None,
            grounds: Grounds::NONE,
        };
        place.begin(writer, &fixes, onset, |_, _| begin.to_owned());
    } else if ends {
        place.end(writer, &fixes, time_us, None, Ended::Device(end));
    }
}

fn is_apart(last_us: Option<i64>, time_us: i64, repeat_us: i64) -> bool {
    last_us.is_none_or(|last_us| time_us.saturating_sub(last_us).saturating_abs() > repeat_us)
}
