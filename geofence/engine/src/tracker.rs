//! One person and one zone (or its buffer): the belief, the schedule's state, and the violations between the two. 32 bytes.

mod exclusion;
mod inclusion;

use proto::wire::EventKind;
use serde::{Deserialize, Serialize};

use crate::{
    belief::{Answer, Belief, Change, Points, Seen},
    explain::{About, Grounds, Writer},
    flat::Asks,
    journal::Recent,
    timetable::{ALWAYS, Timetables, Window},
    violation::{Ended, NEVER, Open, Place},
};

/// Times of a person's rules that judging a zone needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units in names")]
pub(crate) struct Margins {
    /// How long outside an inclusion zone before it counts.
    pub(crate) grace_us: i64,
    /// How long a timer waits for a report that may contradict it.
    pub(crate) settle_us: i64,
    /// An absence at the start that ends within this was a late return; 0: never.
    pub(crate) late_return_us: i64,
    /// How long a device may say nothing; 0: for ever.
    pub(crate) silence_us: i64,
}

/// A zone as it binds a person: their own, one of a shared layer, or around a protected person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) about: About<'a>,
    pub(crate) asks: Asks,
    /// The tracker is of the warning buffer.
    pub(crate) buffer: bool,
    /// The zone moves with a protected person.
    pub(crate) moving: bool,
    pub(crate) schedule: u32,
    pub(crate) in_force_us: i64,
    /// Since when the person is monitored: nobody is blamed for an appointment that they could not have known of.
    pub(crate) monitored_us: i64,
    pub(crate) margins: Margins,
    pub(crate) points: &'a Points,
}

/// A fix that is being judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) at_us: i64,
    /// To the edge as the tracker has it, metres.
    pub(crate) signed_distance_m: f64,
    pub(crate) seen: &'a Seen,
    /// The newest fixes, this one first.
    pub(crate) fixes: &'a Recent,
}

/// The state of one (person, zone); never in two cache lines.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[repr(align(32))]
pub(crate) struct Tracker {
    pub(crate) belief: Belief,
    /// Flags in the low bits; above them the onset of what is open here, or was last, in microseconds.
    packed: i64,
}

/// What is open here, as an [`EventKind`]; 0: nothing.
const KIND: i64 = 0b1_1111;
/// The person was inside since the rule is in force.
const WAS_INSIDE: i64 = 1 << 5;
/// The schedule holds, as far as the timeline is judged.
const ACTIVE: i64 = 1 << 6;
/// An attendance is asked for and not yet judged.
const ASKED: i64 = 1 << 7;
/// The person was seen in time for it.
const SEEN: i64 = 1 << 8;
const FLAGS: u32 = 9;
/// Onsets that the packed form can hold, microseconds: to the year 2540.
const LATEST_US: i64 = 1 << 54;

impl Tracker {
    /// Nobody's.
    pub(crate) const ROOM: Self = Self {
        belief: Belief::UNKNOWN,
        packed: -LATEST_US << FLAGS,
    };

    /// The state of a zone that begins to bind a person, judged from `timeline_us` on.
    pub(crate) fn new(target: &Target<'_>, timeline_us: i64, timetables: &mut Timetables) -> Self {
        let mut tracker = Self::ROOM;
        tracker.set(ACTIVE, timetables.window(target.schedule, timeline_us).active);
        tracker
    }

    /// The state of a zone to stay out of which the person is surely not near, as far as anything depends on it.
    pub(crate) fn far(target: &Target<'_>, timeline_us: i64, timetables: &mut Timetables) -> Self {
        Self {
            belief: Belief::outside(target.points),
            ..Self::new(target, timeline_us, timetables)
        }
    }

    /// Bytes of a tracker as it is stored.
    pub(crate) const STORED: usize = 32;

    pub(crate) fn to_bytes(self) -> [u8; Self::STORED] {
        let (small, [since_us, run_since_us]) = self.belief.to_parts();
        let parts = [
            small,
            since_us.to_le_bytes(),
            run_since_us.to_le_bytes(),
            self.packed.to_le_bytes(),
        ];
        let mut bytes = [0; Self::STORED];
        for (room, part) in bytes.as_chunks_mut().0.iter_mut().zip(parts) {
            *room = part;
        }
        bytes
    }

    /// `None`: no tracker has these.
    pub(crate) fn of_bytes(bytes: &[u8; Self::STORED]) -> Option<Self> {
        let [small, since, run_since, packed] = bytes.as_chunks().0 else {
            return None;
        };
        let times_us = [since, run_since].map(|time| i64::from_le_bytes(*time));
        Some(Self {
            belief: Belief::of_parts(*small, times_us)?,
            packed: i64::from_le_bytes(*packed),
        })
    }

    const fn has(&self, flag: i64) -> bool {
        self.packed & flag != 0
    }

    const fn set(&mut self, flag: i64, on: bool) {
        if on {
            self.packed |= flag;
        } else {
            self.packed &= !flag;
        }
    }

    const fn onset_us(&self) -> i64 {
        self.packed >> FLAGS
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.packed & KIND != 0
    }

    /// Holds nothing that [`Self::far`] would not say as well.
    pub(crate) fn is_far(&self) -> bool {
        !self.is_open() && self.belief.is_settled(Answer::Outside)
    }

    /// A fix that changes no belief needs to look here all the same.
    pub(crate) fn needs_fix(&self, asks: Asks) -> bool {
        match (asks, self.belief.answer) {
            (Asks::Inclusion, Answer::Outside) | (Asks::Exclusion, Answer::Inside) => {
                self.has(ACTIVE) && !self.is_open()
            }
            (Asks::Inclusion, Answer::Inside) => self.is_open() || !self.has(WAS_INSIDE),
            (Asks::Attendance, Answer::Inside) => self.has(ASKED) && !self.has(SEEN),
            // A timer begins with it.
            (Asks::Exclusion, _) => self.belief.lone_fix_inside_us().is_some(),
            _ => false,
        }
    }

    /// Room for the violation, to begin or end it; to be put back with [`Self::put`].
    fn place(&self, target: &Target<'_>) -> Place {
        let kind = i32::try_from(self.packed & KIND)
            .ok()
            .and_then(|kind| EventKind::try_from(kind).ok());
        let kind = kind.filter(|kind| *kind != EventKind::Unspecified);
        Place {
            open: kind.map(|kind| {
                let zone = Some((target.about.zone_id, target.about.revision));
                Open::new(kind, self.onset_us(), zone)
            }),
            last_onset_us: self.onset_us(),
        }
    }

    fn put(&mut self, place: &Place) {
        let kind = place.open.map_or(0, |open| i64::from(i32::from(open.kind())));
        let onset_us = place.last_onset_us.clamp(-LATEST_US, LATEST_US - 1);
        let flags = self.packed & ((1 << FLAGS) - 1) & !KIND;
        self.packed = onset_us << FLAGS | flags | kind & KIND;
    }

    /// When something happens here unless a report comes first, after `timeline_us`.
    pub(crate) fn due_us(&self, target: &Target<'_>, timeline_us: i64, timetables: &mut Timetables) -> i64 {
        let pending_us = self
            .pending_due_us(target, timeline_us, timetables)
            .min(self.awaited_us(target, timeline_us))
            .min(self.lone_fix_due_us(target, timeline_us));
        if target.schedule == ALWAYS {
            return pending_us;
        }
        let window = timetables.window(target.schedule, timeline_us);
        let asked_us = if self.has(ASKED) && !self.has(ACTIVE) {
            window.from_us.saturating_add(target.margins.settle_us)
        } else {
            NEVER
        };
        let asked_us = if asked_us > timeline_us { asked_us } else { NEVER };
        window.to_us.min(pending_us).min(asked_us)
    }

    /// A timer here may tell something though no report comes.
    pub(crate) fn has_alarm(&self, asks: Asks) -> bool {
        self.is_open()
            || asks == Asks::Exclusion && self.belief.lone_fix_inside_us().is_some()
            || matches!(
                (asks, self.belief.answer),
                (Asks::Inclusion, Answer::Outside) | (Asks::Exclusion, Answer::Inside) | (Asks::Attendance, _)
            )
    }

    /// Inside an exclusion zone whose rule is not yet in force, as far as the timeline is judged: when it will be.
    fn awaited_us(&self, target: &Target<'_>, timeline_us: i64) -> i64 {
        let waits = target.asks == Asks::Exclusion
            && self.belief.answer == Answer::Inside
            && !self.is_open()
            && self.has(ACTIVE)
            && target.in_force_us > timeline_us;
        if waits { target.in_force_us } else { NEVER }
    }

    /// A lone fix inside an exclusion zone: when the device will have said nothing for too long since.
    fn lone_fix_due_us(&self, target: &Target<'_>, timeline_us: i64) -> i64 {
        let asked = target.asks == Asks::Exclusion && !target.buffer && !target.moving && target.margins.silence_us > 0;
        let lone_us = self.belief.lone_fix_inside_us().filter(|_| asked && !self.is_open());
        let due_us = lone_us.map_or(NEVER, |lone_us| lone_us.saturating_add(target.margins.silence_us));
        if due_us > timeline_us { due_us } else { NEVER }
    }

    /// Lets everything happen here that is due at `due_us`; the timeline is judged up to just before it.
    pub(crate) fn on_due(
        &mut self,
        target: &Target<'_>,
        due_us: i64,
        fixes: &Recent,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let before = timetables.window(target.schedule, due_us.saturating_sub(1));
        if before.to_us == due_us {
            if self.is_open() {
                self.end(target, due_us, fixes, Ended::Schedule, writer);
            }
            self.schedule_changed(target, before, due_us, fixes, timetables, writer);
        }
        self.absence_due(target, due_us, fixes, timetables, writer);
        if self.lone_fix_due_us(target, due_us.saturating_sub(1)) == due_us {
            self.on_lone_fix(target, fixes, timetables, writer);
        }
        if self.awaited_us(target, due_us.saturating_sub(1)) == due_us {
            self.entered(target, due_us, fixes, None, writer);
        }
        if self.has(ASKED)
            && !self.has(ACTIVE)
            && before.to_us != due_us
            && before.from_us.saturating_add(target.margins.settle_us) <= due_us
        {
            let asked = timetables.window(target.schedule, before.from_us.saturating_sub(1));
            self.judge_attendance(target, asked, fixes, writer);
        }
    }

    fn schedule_changed(
        &mut self,
        target: &Target<'_>,
        before: Window,
        at_us: i64,
        fixes: &Recent,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let window = timetables.window(target.schedule, at_us);
        self.set(ACTIVE, window.active);
        if !window.active {
            return;
        }
        match target.asks {
            Asks::Attendance => {
                if self.has(ASKED) {
                    // The one before is over, though the timer still waits for a late word.
                    let asked = timetables.window(target.schedule, before.from_us.saturating_sub(1));
                    self.judge_attendance(target, asked, fixes, writer);
                }
                let known = at_us >= target.in_force_us.max(target.monitored_us);
                self.set(ASKED, window.to_us != NEVER && known);
                self.set(SEEN, false);
            }
            Asks::Exclusion if self.belief.answer == Answer::Inside && at_us >= target.in_force_us => {
                self.entered(target, at_us, fixes, None, writer);
            }
            _ => {}
        }
    }

    /// Forgets what is open or asked without a word: the rule it was about is no longer in force.
    pub(crate) fn forget_open(&mut self, active: bool) {
        self.packed &= !KIND;
        self.set(ASKED, false);
        self.set(SEEN, false);
        self.set(ACTIVE, active);
    }

    /// Ends what is open, when the zone or the person goes.
    pub(crate) fn close(
        &mut self,
        target: &Target<'_>,
        at_us: i64,
        fixes: &Recent,
        ended: Ended,
        writer: &mut Writer<'_>,
    ) {
        self.end(target, at_us, fixes, ended, writer);
        self.set(ASKED, false);
    }

    fn end(
        &mut self,
        target: &Target<'_>,
        end_us: i64,
        fixes: &Recent,
        ended: Ended,
        writer: &mut Writer<'_>,
    ) -> Option<(Open, i64)> {
        let mut place = self.place(target);
        let over = place.end(writer, fixes, end_us, Some(target.about), ended);
        self.put(&place);
        over
    }

    /// Judges a fix that is newer than all before it.
    pub(crate) fn on_fix(
        &mut self,
        target: &Target<'_>,
        step: Step<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        let change = self
            .belief
            .update(target.points, step.at_us, step.signed_distance_m, step.seen);
        match target.asks {
            Asks::Neutral => {}
            Asks::Inclusion | Asks::Attendance => self.on_inclusion(target, step, change, timetables, writer),
            Asks::Exclusion => self.on_exclusion(target, step, change, timetables, writer),
        }
    }

    /// The stretch in which the rule holds around an instant; `None` where it does not hold.
    fn holds(target: &Target<'_>, at_us: i64, timetables: &mut Timetables) -> Option<(i64, i64)> {
        let window = timetables.window(target.schedule, at_us);
        window.active.then_some((window.from_us, window.to_us))
    }
}

fn grounds(change: Option<Change>, claim: Answer) -> Grounds {
    change.map_or_else(
        || Grounds::last_known(claim),
        |change| Grounds {
            claim,
            threshold: change.threshold,
            probability: change.probability,
            fixes: change.fixes,
        },
    )
}
