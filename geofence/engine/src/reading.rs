//! A report as the fold takes it: flat, checked, and without anything on the heap.

use proto::{
    DeviceId, PersonId, ReportId,
    fix::{Fix, NotJudged},
    wire::{Alarm, AlarmScope, Case, FixSource, Motion, Report, Strap},
};
use serde::{Deserialize, Serialize};

/// What a device said, once, ready to be folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Whom the device belongs to.
    pub person: PersonId,
    /// The same for every copy.
    pub report: ReportId,
    /// Which device; `None` where the wire has none.
    pub device: Option<DeviceId>,
    /// The device's clock, microseconds since 1970.
    pub fix_time_us: i64,
    /// The gateway's clock, microseconds since 1970.
    pub received_at_us: i64,
    /// The device says that it had stored it.
    pub stored: bool,
    /// Degrees * 1e7; meaningless where there is no usable position.
    pub latitude_e7: i32,
    /// Degrees * 1e7; meaningless where there is no usable position.
    pub longitude_e7: i32,
    /// As stated by the device (68 %), metres; 0: not stated.
    pub accuracy_m: f32,
    /// Everything else that was said.
    pub said: Said,
    /// Why the position cannot be judged; `None`: it can.
    pub unusable: Option<NotJudged>,
}

/// What a report says beside its position, packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Said(u32);

/// A report without ids that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the report has no valid person or report id")]
pub struct Malformed;

const SOURCE: (u32, u32) = (0, 3);
const STRAP: (u32, u32) = (3, 2);
const CASE: (u32, u32) = (5, 2);
const MOTION: (u32, u32) = (7, 2);
const SCOPE: (u32, u32) = (9, 2);
const BATTERY: (u32, u32) = (11, 7);
const ALARMS: (u32, u32) = (18, 12);
const POSITION: (u32, u32) = (30, 1);
const FIX: (u32, u32) = (31, 1);

/// In the place of the source: the entry is a protected person's fix, and the fields after it mean something else.
const PROTECTED: u32 = 7;
const PROTECTED_SOURCE: (u32, u32) = (3, 3);
const PROTECTED_INDEX: (u32, u32) = (8, 16);

/// No battery level was said.
const NO_BATTERY: u32 = 127;

/// The bit of an alarm. [`Alarm::Other`], which nothing is decided by, has given its own to [`Alarm::Cloned`].
fn alarm_bit(alarm: i32) -> Option<u32> {
    const LAST: u32 = Alarm::Overspeed as u32;
    match u32::try_from(alarm).ok()? {
        number @ 1..=LAST => Some(1 << (number - 1)),
        number if number == Alarm::Cloned as u32 => Some(1 << LAST),
        _ => None,
    }
}

impl Said {
    const fn with(self, (shift, bits): (u32, u32), value: u32) -> Self {
        let mask = (1 << bits) - 1;
        Self(self.0 | ((value & mask) << shift))
    }

    const fn field(self, (shift, bits): (u32, u32)) -> u32 {
        (self.0 >> shift) & ((1 << bits) - 1)
    }

    pub(crate) const fn bits(self) -> u32 {
        self.0
    }

    pub(crate) const fn of_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Packs what a report of the wire says. `fix`: its position can be judged.
    pub fn of(report: &Report, fix: bool) -> Self {
        let small = |value: i32, most: u32| u32::try_from(value).ok().filter(|value| *value <= most).unwrap_or(0);
        let alarms = report
            .alarms
            .iter()
            .filter_map(|alarm| alarm_bit(*alarm))
            .fold(0, |bits, bit| bits | bit);
        let source = report.position.as_ref().map_or(0, |position| small(position.source, 4));
        Self::default()
            .with(SOURCE, source)
            .with(STRAP, small(report.strap, 2))
            .with(CASE, small(report.case, 2))
            .with(MOTION, small(report.motion, 2))
            .with(SCOPE, small(report.alarm_scope, 2))
            .with(
                BATTERY,
                report.battery_percent.map_or(NO_BATTERY, |percent| percent.min(100)),
            )
            .with(ALARMS, alarms)
            .with(POSITION, u32::from(report.position.is_some()))
            .with(FIX, u32::from(fix))
    }

    /// A fix and nothing else: strap and case closed, battery not said.
    pub fn fix(source: FixSource) -> Self {
        Self::default()
            .with(SOURCE, u32::try_from(i32::from(source)).unwrap_or(0))
            .with(STRAP, 1)
            .with(CASE, 1)
            .with(BATTERY, NO_BATTERY)
            .with(POSITION, 1)
            .with(FIX, 1)
    }

    /// The fix of a protected person, by their number in the rules.
    pub(crate) fn protected(index: u16, source: FixSource) -> Self {
        Self::default()
            .with(SOURCE, PROTECTED)
            .with(PROTECTED_SOURCE, u32::try_from(i32::from(source)).unwrap_or(0))
            .with(PROTECTED_INDEX, u32::from(index))
            .with(FIX, 1)
    }

    /// Which protected person's fix this is; `None`: it is the supervised person's.
    pub(crate) fn protected_index(self) -> Option<usize> {
        (self.field(SOURCE) == PROTECTED).then(|| self.field(PROTECTED_INDEX) as usize)
    }

    /// What the position was made from.
    pub fn source(self) -> FixSource {
        let code = match self.field(SOURCE) {
            PROTECTED => self.field(PROTECTED_SOURCE),
            code => code,
        };
        FixSource::try_from(code.cast_signed()).unwrap_or(FixSource::Unspecified)
    }

    /// Strap.
    pub fn strap(self) -> Strap {
        Strap::try_from(self.field(STRAP).cast_signed()).unwrap_or(Strap::Unspecified)
    }

    /// Case.
    pub fn case(self) -> Case {
        Case::try_from(self.field(CASE).cast_signed()).unwrap_or(Case::Unspecified)
    }

    /// Motion.
    pub fn motion(self) -> Motion {
        Motion::try_from(self.field(MOTION).cast_signed()).unwrap_or(Motion::Unspecified)
    }

    /// Percent, at most 100.
    pub fn battery(self) -> Option<u32> {
        Some(self.field(BATTERY)).filter(|percent| *percent != NO_BATTERY)
    }

    /// Says whether an alarm was raised.
    pub fn alarm(self, alarm: Alarm) -> bool {
        alarm_bit(alarm.into()).is_some_and(|bit| self.field(ALARMS) & bit != 0)
    }

    /// The device raised an alarm that something is decided by.
    pub fn has_alarm(self) -> bool {
        let own = (1 << (ALARMS.1 - 1)) - 1;
        self.field(ALARMS) & own != 0
    }

    /// What its alarms say, and what it says that one is not among them.
    pub fn alarm_scope(self) -> AlarmScope {
        AlarmScope::try_from(self.field(SCOPE).cast_signed()).unwrap_or(AlarmScope::Unspecified)
    }

    /// There was a position, usable or not.
    pub fn has_position(self) -> bool {
        self.field(POSITION) == 1
    }

    /// The position can be judged.
    pub const fn has_fix(self) -> bool {
        self.field(FIX) == 1
    }

    /// The same without its position: its time is not believed, so nobody knows when the wearer was there.
    pub(crate) const fn without_fix(self) -> Self {
        Self(self.0 & !(1 << FIX.0))
    }

    /// Nothing that could begin or end a condition of a device in order: a fix, strap and case not open, no alarm, battery not
    /// below `least`.
    #[inline]
    pub(crate) const fn is_quiet(self, least: u32) -> bool {
        let battery = self.field(BATTERY);
        self.has_fix() && self.field(ALARMS) == 0 && self.field(STRAP) != 2 && self.field(CASE) != 2 && battery >= least
    }
}

impl Reading {
    /// Takes a report of the wire; what is wrong with its position is kept beside it.
    pub fn of(report: &Report) -> Result<Self, Malformed> {
        let person = PersonId::from_wire(&report.person_id).map_err(|_| Malformed)?;
        let id = ReportId::from_wire(&report.report_id).map_err(|_| Malformed)?;
        let fix = Fix::new(report.position.as_ref());
        let (latitude_e7, longitude_e7, accuracy_m) = fix.map_or((0, 0, 0.0), |fix| {
            (fix.latitude_e7, fix.longitude_e7, fix.accuracy_m.unwrap_or(0.0))
        });
        Ok(Self {
            person,
            report: id,
            device: DeviceId::from_wire(&report.device_id).ok(),
            fix_time_us: report.fix_time_us,
            received_at_us: report.received_at_us,
            stored: report.backfill,
            latitude_e7,
            longitude_e7,
            accuracy_m,
            said: Said::of(report, fix.is_ok()),
            unusable: fix.err(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proto::wire::Position;

    use super::*;

    #[test]
    fn what_is_said_comes_back() {
        let report = Report {
            person_id: vec![1; 16],
            report_id: vec![2; 16],
            position: Some(Position {
                latitude_e7: 1,
                longitude_e7: 2,
                valid: true,
                source: FixSource::Wifi.into(),
                ..Position::default()
            }),
            battery_percent: Some(55),
            strap: Strap::Open.into(),
            case: Case::Closed.into(),
            motion: Motion::Moving.into(),
            alarms: vec![Alarm::Sos.into(), Alarm::Overspeed.into(), Alarm::Cloned.into(), 99, -1],
            alarm_scope: AlarmScope::Standing.into(),
            ..Report::default()
        };
        let said = Reading::of(&report).unwrap_or_else(|_| panic!("ids are right")).said;
        assert_eq!(
            (said.source(), said.strap(), said.case(), said.motion(), said.battery()),
            (FixSource::Wifi, Strap::Open, Case::Closed, Motion::Moving, Some(55))
        );
        assert!(said.alarm(Alarm::Sos) && said.alarm(Alarm::Overspeed) && !said.alarm(Alarm::Jamming));
        assert!(said.alarm(Alarm::Cloned) && !said.alarm(Alarm::Other));
        assert!(said.has_fix() && said.has_position() && !said.without_fix().has_fix());
        assert!(!said.is_quiet(30) && Said::fix(FixSource::Gnss).is_quiet(30));
        assert!(said.has_alarm() && !Said::fix(FixSource::Gnss).has_alarm());
        assert_eq!(said.alarm_scope(), AlarmScope::Standing);
        assert_eq!(said.protected_index(), None);
        let other = Said::protected(300, FixSource::Beacon);
        assert_eq!(
            (other.protected_index(), other.source()),
            (Some(300), FixSource::Beacon)
        );
    }
}
