//! A rule of an item: which bytes, which test, what follows. Made once, applied to every report.

use super::words::Words;
use crate::Report;

/// A value that a rule puts into a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    BatteryPercent,
    BatteryMillivolts,
    Signal,
    Satellites,
    Hdop,
    MileageM,
    AccuracyM,
    AltitudeM,
    SpeedKmh,
    CourseDeg,
}

impl Field {
    pub(super) const ALL: [(Self, &'static str); 10] = [
        (Self::BatteryPercent, "battery_percent"),
        (Self::BatteryMillivolts, "battery_millivolts"),
        (Self::Signal, "signal"),
        (Self::Satellites, "satellites"),
        (Self::Hdop, "hdop"),
        (Self::MileageM, "mileage_m"),
        (Self::AccuracyM, "accuracy_m"),
        (Self::AltitudeM, "altitude_m"),
        (Self::SpeedKmh, "speed_kmh"),
        (Self::CourseDeg, "course_deg"),
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(field, _)| *field)
    }

    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(field, _)| *field == self);
        found.map_or("", |(_, name)| name)
    }
}

/// How the number on the wire becomes the field's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scale {
    /// As it stands.
    Plain,
    /// Times a number, plus a number.
    Linear { factor: f64, add: f64 },
    /// Divided by a whole number: a tenth is exact this way.
    Divide(f64),
    /// From empty to full, in percent.
    Between { empty: f64, full: f64 },
    /// Looked up: the number is the place in the list.
    Table(Box<[f64]>),
    /// Straight lines between points in ascending order; flat beyond the last, nothing before the first.
    Curve(Box<[(f64, f64)]>),
}

impl Scale {
    fn value(&self, number: i64) -> Option<f64> {
        let float = number as f64;
        Some(match self {
            Self::Plain => float,
            Self::Linear { factor, add } => float * factor + add,
            Self::Divide(by) => float / by,
            Self::Between { empty, full } => ((float - empty) * 100.0 / (full - empty)).clamp(0.0, 100.0),
            Self::Table(values) => *values.get(usize::try_from(number).ok()?)?,
            Self::Curve(points) => curve(points, float)?,
        })
    }
}

fn curve(points: &[(f64, f64)], at: f64) -> Option<f64> {
    let after = points.partition_point(|(x, _)| *x <= at);
    let (x, y) = *points.get(after.checked_sub(1)?)?;
    Some(match points.get(after) {
        Some((next_x, next_y)) => y + (next_y - y) * (at - x) / (next_x - x),
        None => y,
    })
}

/// Bytes that make a number, most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) at: usize,
    /// 0: all that follows, at most eight.
    pub(super) width: usize,
    pub(super) signed: bool,
    /// 0: all bits. The number is what is under the mask, shifted down.
    pub(super) mask: u64,
}

impl Read {
    #[inline]
    fn number(self, value: &[u8]) -> Option<i64> {
        let tail = value.get(self.at..)?;
        let bytes = if self.width == 0 { tail } else { tail.get(..self.width)? };
        if bytes.is_empty() || bytes.len() > 8 {
            return None;
        }
        let raw = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        if self.mask != 0 {
            return i64::try_from((raw & self.mask) >> self.mask.trailing_zeros()).ok();
        }
        if self.signed {
            let unused = 64 - 8 * bytes.len();
            return Some((raw << unused).cast_signed() >> unused);
        }
        i64::try_from(raw).ok()
    }
}

/// What a number must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Always,
    Between(i64, i64),
    OneOf(Box<[i64]>),
    NoneOf(Box<[i64]>),
}

impl Test {
    #[inline]
    fn holds(&self, number: i64) -> bool {
        match self {
            Self::Always => true,
            Self::Between(from, to) => (*from..=*to).contains(&number),
            Self::OneOf(numbers) => numbers.contains(&number),
            Self::NoneOf(numbers) => !numbers.contains(&number),
        }
    }
}

/// What must hold of other bytes of the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guard {
    pub(super) read: Read,
    pub(super) test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    /// Only where the element made the event.
    pub(super) event: bool,
    pub(super) guard: Option<Guard>,
    pub(super) read: Read,
    pub(super) test: Test,
    pub(super) field: Option<(Field, Scale)>,
    pub(super) set: Words,
    pub(super) otherwise: Words,
}

impl Rule {
    #[inline]
    pub(super) fn apply(&self, value: &[u8], report: &mut Report) {
        if let Some(guard) = &self.guard
            && !guard.read.number(value).is_some_and(|number| guard.test.holds(number))
        {
            return;
        }
        // A word without a test is said whatever the bytes are, even if there are none.
        if self.test == Test::Always && self.field.is_none() {
            self.set.apply(report);
            return;
        }
        let Some(number) = self.read.number(value) else {
            return; // the item ends before it
        };
        if !self.test.holds(number) {
            self.otherwise.apply(report);
            return;
        }
        if let Some((field, scale)) = &self.field
            && let Some(value) = scale.value(number)
        {
            put(*field, value, report);
        }
        self.set.apply(report);
    }
}

fn put(field: Field, value: f64, report: &mut Report) {
    match field {
        Field::BatteryPercent => {
            if let Some(percent) = whole(value).filter(|percent| *percent <= 100) {
                report.battery_percent = u32::try_from(percent).ok();
            }
        }
        Field::BatteryMillivolts => report.extra.battery_mv = whole(value).and_then(|mv| u32::try_from(mv).ok()),
        Field::Signal => report.extra.signal = whole(value).and_then(|signal| u8::try_from(signal).ok()),
        Field::MileageM => report.extra.mileage_m = whole(value),
        _ => {
            let Some(fix) = &mut report.fix else {
                return;
            };
            match field {
                Field::Satellites => fix.satellites = whole(value).and_then(|count| u32::try_from(count).ok()),
                Field::Hdop => fix.hdop = Some(value),
                Field::AccuracyM => fix.accuracy_m = Some(value),
                Field::AltitudeM => fix.altitude_m = Some(value),
                Field::SpeedKmh => fix.speed_kmh = Some(value),
                Field::CourseDeg => fix.course_deg = Some(value),
                Field::BatteryPercent | Field::BatteryMillivolts | Field::Signal | Field::MileageM => (),
            }
        }
    }
}

/// Towards zero; `None` below zero and beyond what a whole number holds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
fn whole(value: f64) -> Option<u64> {
    (0.0..9e15).contains(&value).then_some(value as u64)
}
