//! What a device says of itself: tampering, jamming, battery, calls for help; and what its fixes say of it.
//!
//! Judged on the person's timeline, in the order of fix times, late reports included:
//!
//! - **strap_tamper, case_tamper**: an onset at the report that first says so; never an end. A strap or case that is
//!   reported closed again (or, where it was said by an alarm, a report that could have said it and does not) makes the next opening
//!   a new violation: most vendors' devices never say that it is closed.
//! - **sos**: an onset, never an end. Each press is one: the alarm in a report, after one that could have said it and did not. Presses
//!   less than [`OperatingPoints::sos_call_s`] after the last that was told are that one still. A button that is held is one call, unless
//!   nothing was heard of it for longer than [`OperatingPoints::sos_repeat_s`].
//! - **jamming, shielding**: while the device's alarm says so; ends with a position report without the alarm. A mere loss of
//!   reports or positions never counts as either.
//! - **battery_low, battery_critical**: by percentage with hysteresis; without a percentage low battery follows the alarm.
//! - **motion_without_fix**: the device says that it moves and has had no usable position for
//!   [`MOTION_WITHOUT_FIX_US`]; ends with the next one, or when it no longer moves.
//! - **impossible_movement**: two fixes farther apart than their errors and [`FASTEST_KMH`] allow; ends when no such pair has
//!   come for [`CALM_US`].
//! - **cloned_device**: the gateway says that another device speaks under the same name; ends when no report has been marked for
//!   [`CALM_US`]. The reports of both are judged as they come: neither is believed over the other, so what either of them does is told.
//!
//! Which reports could have said an alarm is their [`AlarmScope`]: usually those with a position. Where positions have no place for
//! alarms, and only some reports say how things stand, it has passed when one of these has none. What is raised by itself after such a
//! position is news all the same; what merely still stands is not.
//!
//! `contact.rs` has what depends on when reports come.

use proto::wire::{Alarm, AlarmScope, Case, EventKind, Motion, Strap};
use serde::{Deserialize, Serialize};

use crate::{
    belief::OperatingPoints,
    explain::{Grounds, Writer},
    geodesy::distance_m,
    journal::{Entry, Recent},
    reading::Said,
    violation::{Ended, Onset, Place},
};

/// How long a device that moves may be without a position, microseconds.
pub const MOTION_WITHOUT_FIX_US: i64 = 300_000_000;
/// Nobody on a leash travels faster over ground, km/h; aeroplanes are no way to comply.
pub const FASTEST_KMH: f64 = 400.0;
/// A jump must be this long beside what the errors explain, metres: reflections in streets move fixes by hundreds of metres.
pub const LEAST_JUMP_M: f64 = 5_000.0;
/// Standard deviations of both fixes that a jump must exceed.
const JUMP_SIGMAS: f64 = 6.0;
/// How long without a jump ends it, microseconds.
pub const CALM_US: i64 = 1_800_000_000;

/// Something that devices say in some reports, and leave out of others.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Raised {
    on: bool,
    said_us: i64,
    /// Since then it has passed, as a later report says by not having it.
    passed_us: Option<i64>,
    /// Since then a report came that has no place for it: one that is raised by itself after that is news.
    passed_by_us: Option<i64>,
}

/// A switch that devices report as a state, as an alarm, or as both.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Tamper {
    place: Place,
    /// Open as far as the device last said.
    open: Raised,
    /// It was said by an alarm, as far as it was said: a report that could have said it and does not takes it back.
    by_alarm: bool,
}

/// The call button.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Call {
    place: Place,
    /// The last one that was told.
    told_us: Option<i64>,
    /// What was told goes on, as far as the device last said.
    held: Raised,
}

/// The device's conditions on the person's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Conditions {
    strap: Tamper,
    case: Tamper,
    sos: Call,
    jamming: Place,
    shielding: Place,
    low: Place,
    critical: Place,
    motion: Place,
    /// Moves without a position since then.
    moving_us: Option<i64>,
    movement: Place,
    last_jump_us: Option<i64>,
    cloned: Place,
    last_cloned_us: Option<i64>,
}

/// A condition with an onset and an end.
#[derive(Debug, Clone, Copy)]
struct Condition {
    kind: EventKind,
    begins: bool,
    ends: bool,
    words: [&'static str; 2],
}

impl Conditions {
    /// Nothing is open or half begun, and nothing began at this very time: a report that says nothing of this leaves it as it is, and
    /// it is the same as if there had never been anything.
    pub(crate) fn is_quiet(&self, timeline_us: i64) -> bool {
        let places = [
            &self.strap.place,
            &self.case.place,
            &self.sos.place,
            &self.jamming,
            &self.shielding,
            &self.low,
            &self.critical,
            &self.motion,
            &self.movement,
            &self.cloned,
        ];
        !self.strap.open.is_on(timeline_us)
            && !self.case.open.is_on(timeline_us)
            && self.moving_us.is_none()
            && self.sos.is_over(timeline_us)
            && places
                .iter()
                .all(|place| !place.is_open() && place.last_onset_us < timeline_us)
    }

    /// Takes a report in; `before`: the newest fix before it.
    pub(crate) fn on_entry(&mut self, entry: &Entry, before: Option<&Entry>, writer: &mut Writer<'_>) {
        let (said, time_us) = (entry.said, entry.time_us);
        self.sos.on_entry(entry, writer);
        let strap = match said.strap() {
            Strap::Open => Some(true),
            Strap::Closed => Some(false),
            Strap::Unspecified => None,
        };
        let words = ["the strap is reported open", "the device raised its strap alarm"];
        let alarm = said.alarm(Alarm::StrapTamper);
        self.strap
            .on_entry(strap, alarm, words, EventKind::StrapTamper, entry, writer);
        let case = match said.case() {
            Case::Open => Some(true),
            Case::Closed => Some(false),
            Case::Unspecified => None,
        };
        let words = ["the case is reported open", "the device raised its case alarm"];
        let alarm = said.alarm(Alarm::CaseTamper);
        self.case
            .on_entry(case, alarm, words, EventKind::CaseTamper, entry, writer);
        let [jamming, shielding] = [Alarm::Jamming, Alarm::Shielding].map(|alarm| said.alarm(alarm));
        let condition = Condition {
            kind: EventKind::Jamming,
            begins: jamming,
            ends: said.has_position() && !jamming,
            words: [
                "the device reports radio jamming",
                "a position report came without the jamming alarm",
            ],
        };
        follow(&mut self.jamming, condition, time_us, writer);
        let condition = Condition {
            kind: EventKind::Shielding,
            begins: shielding,
            ends: said.has_position() && !shielding,
            words: [
                "the device reports that it is shielded",
                "a position report came without the shielding alarm",
            ],
        };
        follow(&mut self.shielding, condition, time_us, writer);
        self.battery(entry, writer);
        self.motion(entry, writer);
        self.cloned(entry, writer);
        if entry.is_fix() {
            self.movement(entry, before, writer);
        }
    }

    fn cloned(&mut self, entry: &Entry, writer: &mut Writer<'_>) {
        let marked = entry.said.alarm(Alarm::Cloned);
        if marked {
            self.last_cloned_us = Some(entry.time_us);
        }
        let condition = Condition {
            kind: EventKind::ClonedDevice,
            begins: marked,
            ends: self
                .last_cloned_us
                .is_some_and(|last_us| entry.time_us.saturating_sub(last_us) >= CALM_US),
            words: [
                "two devices speak under this device's name at the same time: a copied device; reports of both are kept",
                "only one device has spoken under this device's name for 30 min",
            ],
        };
        follow(&mut self.cloned, condition, entry.time_us, writer);
    }

    fn battery(&mut self, entry: &Entry, writer: &mut Writer<'_>) {
        let points = OperatingPoints::DEFAULT;
        let alarm = entry.said.alarm(Alarm::LowBattery);
        let percent = entry.said.battery();
        let at_most = |limit: u32| percent.is_some_and(|percent| percent <= limit);
        let at_least = |limit: u32| percent.is_some_and(|percent| percent >= limit);
        let recovered = match percent {
            Some(_) => at_least(points.battery_low_end),
            None => entry.said.has_position() && !alarm,
        };
        let low = Condition {
            kind: EventKind::BatteryLow,
            begins: at_most(points.battery_low) || (alarm && !at_least(points.battery_low_end)),
            ends: recovered,
            words: ["the battery is low", "the battery is no longer low"],
        };
        follow(&mut self.low, low, entry.time_us, writer);
        let critical = Condition {
            kind: EventKind::BatteryCritical,
            begins: at_most(points.battery_critical),
            ends: at_least(points.battery_critical_end),
            words: ["the battery is nearly empty", "the battery is no longer nearly empty"],
        };
        follow(&mut self.critical, critical, entry.time_us, writer);
    }

    fn motion(&mut self, entry: &Entry, writer: &mut Writer<'_>) {
        let (fix, motion) = (entry.is_fix(), entry.said.motion());
        if fix || motion == Motion::Still {
            self.moving_us = None;
        } else if motion == Motion::Moving && self.moving_us.is_none() {
            self.moving_us = Some(entry.time_us);
        }
        let since_us = self.moving_us.unwrap_or(entry.time_us);
        let condition = Condition {
            kind: EventKind::MotionWithoutFix,
            begins: entry.time_us.saturating_sub(since_us) >= MOTION_WITHOUT_FIX_US,
            ends: self.moving_us.is_none(),
            words: [
                "the device says that it moves and has had no usable position for 5 min",
                if fix {
                    "a usable position came"
                } else {
                    "the device no longer moves"
                },
            ],
        };
        let at_us = if condition.ends { entry.time_us } else { since_us };
        follow(&mut self.motion, condition, at_us, writer);
    }

    fn movement(&mut self, entry: &Entry, before: Option<&Entry>, writer: &mut Writer<'_>) {
        let jump = before.is_some_and(|before| is_jump(before, entry));
        if jump {
            self.last_jump_us = Some(entry.time_us);
        }
        let condition = Condition {
            kind: EventKind::ImpossibleMovement,
            begins: jump,
            ends: self
                .last_jump_us
                .is_some_and(|last_us| entry.time_us.saturating_sub(last_us) >= CALM_US),
            words: [
                "two positions are farther apart than anybody travels in the time between: a copied device, or false positions",
                "positions have followed one another as they can for 30 min",
            ],
        };
        follow(&mut self.movement, condition, entry.time_us, writer);
    }

    /// Ends what is open, when the person goes.
    pub(crate) fn close(&mut self, at_us: i64, writer: &mut Writer<'_>) {
        let places = [
            &mut self.jamming,
            &mut self.shielding,
            &mut self.low,
            &mut self.critical,
            &mut self.motion,
            &mut self.movement,
            &mut self.cloned,
        ];
        for place in places {
            place.end(writer, &Recent::default(), at_us, None, Ended::EndOfMonitoring);
        }
    }
}

/// Two fixes that one device cannot have made.
pub(crate) fn is_jump(before: &Entry, after: &Entry) -> bool {
    if !before.trusted() || !after.trusted() {
        return false;
    }
    let errors_m = JUMP_SIGMAS * (before.sigma_m() + after.sigma_m());
    let way_m = distance_m(before.lon_lat(), after.lon_lat()) - errors_m;
    let hours = after.time_us.saturating_sub(before.time_us).max(0) as f64 / 3.6e9;
    way_m > LEAST_JUMP_M && way_m > FASTEST_KMH * 1_000.0 * hours
}

impl Tamper {
    fn on_entry(
        &mut self,
        state: Option<bool>,
        alarm: bool,
        words: [&str; 2],
        kind: EventKind,
        entry: &Entry,
        writer: &mut Writer<'_>,
    ) {
        let [by_state, by_alarm] = words;
        let time_us = entry.time_us;
        if state == Some(true) || alarm {
            let sentence = if state == Some(true) { by_state } else { by_alarm };
            let was_open = self.open.is_on(time_us);
            if self.open.is_news(entry) {
                self.place.moment(writer, kind, time_us, sentence);
            }
            self.open.say(time_us);
            // Codecs make a state of the alarm, so the state beside it says no more than the alarm does.
            self.by_alarm = (self.by_alarm || !was_open) && alarm;
        } else if state == Some(false) {
            self.open = Raised::default();
            self.by_alarm = false;
        } else if self.by_alarm {
            self.open.leave_out(entry);
        }
    }
}

impl Call {
    fn on_entry(&mut self, entry: &Entry, writer: &mut Writer<'_>) {
        let time_us = entry.time_us;
        if !entry.said.alarm(Alarm::Sos) {
            self.held.leave_out(entry);
            return;
        }
        let pressed = self.held.is_news(entry);
        let told = if pressed {
            self.told_us.is_none_or(|told_us| is_another_call(told_us, time_us))
        } else {
            is_apart(self.held.said_us, time_us)
        };
        if told {
            let words = "the device's call button was pressed";
            self.place.moment(writer, EventKind::Sos, time_us, words);
            self.told_us = Some(time_us);
        }
        if told || !pressed {
            self.held.say(time_us);
        } else {
            // Too soon to be told: it is as soon as it is time, if it goes on.
            self.held = Raised::default();
        }
    }

    /// Whatever is said next, it is as if there had been no call.
    fn is_over(&self, timeline_us: i64) -> bool {
        self.told_us.is_none_or(|told_us| is_another_call(told_us, timeline_us))
            && (!self.held.is_on(timeline_us) || is_apart(self.held.said_us, timeline_us))
    }
}

impl Raised {
    fn is_on(&self, time_us: i64) -> bool {
        self.on && !is_before(self.passed_us, time_us)
    }

    /// The report has it: says whether it is something else than what was said before. What a device says in several reports of one
    /// moment is one.
    fn is_news(&self, entry: &Entry) -> bool {
        let raised = entry.said.alarm_scope() != AlarmScope::Standing;
        !self.is_on(entry.time_us) || (raised && is_before(self.passed_by_us, entry.time_us))
    }

    fn say(&mut self, time_us: i64) {
        *self = Self {
            on: true,
            said_us: time_us,
            ..Self::default()
        };
    }

    /// The report does not have it.
    fn leave_out(&mut self, entry: &Entry) {
        if !self.on || entry.time_us <= self.said_us {
            return;
        }
        if could_say(entry.said) {
            self.passed_us.get_or_insert(entry.time_us);
        } else if entry.said.has_position() && !entry.said.has_alarm() {
            self.passed_by_us.get_or_insert(entry.time_us);
        }
    }
}

fn is_before(since_us: Option<i64>, time_us: i64) -> bool {
    since_us.is_some_and(|since_us| since_us < time_us)
}

/// Without an alarm the report says that there is none.
fn could_say(said: Said) -> bool {
    match said.alarm_scope() {
        AlarmScope::Unspecified => said.has_position(),
        AlarmScope::Partial => false,
        AlarmScope::Standing => !said.has_alarm(),
    }
}

fn follow(place: &mut Place, condition: Condition, time_us: i64, writer: &mut Writer<'_>) {
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
            about: None,
            grounds: Grounds::NONE,
        };
        place.begin(writer, &Recent::default(), onset, |_, _| begin.to_owned());
    } else if ends {
        place.end(writer, &Recent::default(), time_us, None, Ended::Device(end));
    }
}

fn is_another_call(told_us: i64, time_us: i64) -> bool {
    let call_us = i64::from(OperatingPoints::DEFAULT.sos_call_s) * 1_000_000;
    time_us.saturating_sub(told_us).saturating_abs() >= call_us
}

fn is_apart(said_us: i64, time_us: i64) -> bool {
    let repeat_us = i64::from(OperatingPoints::DEFAULT.sos_repeat_s) * 1_000_000;
    time_us.saturating_sub(said_us).saturating_abs() > repeat_us
}
