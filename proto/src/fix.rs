//! A validated position with its error, and the text forms of what a report says.

use jiff::{SignedDuration, Timestamp};

use crate::{
    rules::LonLat,
    wire::{Alarm, FixSource, Motion, Position, Strap},
};

/// A device clock may be this far ahead of the receipt before its time is not believed.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(2);

/// 2020-01-01T00:00:00Z: no monitor reports from before; such times are counters that were never set or rolled over.
pub const EARLIEST_FIX_TIME_US: i64 = 1_577_836_800_000_000;

/// GPS counts weeks modulo 1024: a receiver that takes one cycle for another is wrong by a multiple of this.
pub const WEEK_CYCLE: SignedDuration = SignedDuration::from_hours(1_024 * 7 * 24);

/// How many cycles off are looked for: the first began in 1980, the fourth ends in 2058.
const WEEK_CYCLES: i64 = 2;

/// A time may differ this much from whole cycles before receipt and still be a roll-over.
const WEEK_CYCLE_TOLERANCE: SignedDuration = SignedDuration::from_hours(24);

/// Why a position or its time is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum NotJudged {
    /// The report has no position.
    #[error("no position")]
    Absent,
    /// The device itself says that the position is not valid.
    #[error("position marked invalid by the device")]
    Invalid,
    /// Latitude or longitude is out of range.
    #[error("position out of range")]
    OutOfRange,
    /// Exactly 0° north 0° east: a receiver that has never had a fix.
    #[error("position is 0, 0")]
    NullIsland,
    /// The fix time is more than [`MAX_AHEAD`] ahead of the receipt.
    #[error("fix time ahead of receipt")]
    Ahead,
    /// The fix time is before [`EARLIEST_FIX_TIME_US`].
    #[error("fix time before 2020")]
    TooOld,
    /// The fix time is whole cycles of 1024 weeks away from the receipt: the receiver's week number has rolled over.
    #[error("fix time off by cycles of 1024 weeks: the receiver's week number has rolled over")]
    WeekRollover,
}

impl NotJudged {
    /// A label for metrics and listings.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Invalid => "invalid",
            Self::OutOfRange => "out_of_range",
            Self::NullIsland => "null_island",
            Self::Ahead => "fix_time_ahead",
            Self::TooOld => "fix_time_too_old",
            Self::WeekRollover => "fix_time_week_rollover",
        }
    }
}

/// A position that may be judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// Where, as reported (degrees * 1e7).
    pub latitude_e7: i32,
    /// Where, as reported (degrees * 1e7).
    pub longitude_e7: i32,
    /// What it was made from.
    pub source: FixSource,
    /// Radius of 68 % in metres as stated by the device; finite and above 0.
    pub accuracy_m: Option<f32>,
}

impl Fix {
    /// Checks a position of the wire.
    pub fn new(position: Option<&Position>) -> Result<Self, NotJudged> {
        let position = position.ok_or(NotJudged::Absent)?;
        if !position.valid {
            return Err(NotJudged::Invalid);
        }
        let (latitude_e7, longitude_e7) = (position.latitude_e7, position.longitude_e7);
        if !(-900_000_000..=900_000_000).contains(&latitude_e7)
            || !(-1_800_000_000..=1_800_000_000).contains(&longitude_e7)
        {
            return Err(NotJudged::OutOfRange);
        }
        if latitude_e7 == 0 && longitude_e7 == 0 {
            return Err(NotJudged::NullIsland);
        }
        Ok(Self {
            latitude_e7,
            longitude_e7,
            source: position.source(),
            accuracy_m: position.accuracy_m.filter(|metres| metres.is_finite() && *metres > 0.0),
        })
    }

    /// The point, in degrees.
    pub fn lon_lat(&self) -> LonLat {
        LonLat {
            longitude: f64::from(self.longitude_e7) / 1e7,
            latitude: f64::from(self.latitude_e7) / 1e7,
        }
    }
}

/// Checks a device's time against the receipt (both microseconds since 1970).
pub fn check_time(fix_time_us: i64, received_at_us: i64) -> Result<(), NotJudged> {
    if is_week_rollover(fix_time_us, received_at_us) {
        return Err(NotJudged::WeekRollover);
    }
    if fix_time_us < EARLIEST_FIX_TIME_US {
        return Err(NotJudged::TooOld);
    }
    let latest = received_at_us.saturating_add(i64::try_from(MAX_AHEAD.as_micros()).unwrap_or(i64::MAX));
    if fix_time_us > latest {
        Err(NotJudged::Ahead)
    } else {
        Ok(())
    }
}

/// One or two cycles of 1024 weeks before or after the receipt, within a day.
fn is_week_rollover(fix_time_us: i64, received_at_us: i64) -> bool {
    let micros = |duration: SignedDuration| duration.as_secs().saturating_mul(1_000_000);
    let off_us = received_at_us.saturating_sub(fix_time_us).saturating_abs();
    (1..=WEEK_CYCLES).any(|cycles| {
        let from_cycle_us = off_us.saturating_sub(cycles.saturating_mul(micros(WEEK_CYCLE)));
        from_cycle_us.saturating_abs() <= micros(WEEK_CYCLE_TOLERANCE)
    })
}

/// A time of the wire, where it lies within the range of [`Timestamp`].
pub fn timestamp(microseconds: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(microseconds).ok()
}

/// The text form of a source; empty where it is not known.
pub const fn source_name(source: FixSource) -> &'static str {
    match source {
        FixSource::Unspecified => "",
        FixSource::Gnss => "gnss",
        FixSource::Wifi => "wifi",
        FixSource::Cell => "cell",
        FixSource::Beacon => "beacon",
    }
}

/// Reads the text form of a source; the empty text is "not known".
pub fn parse_source(text: &str) -> Option<FixSource> {
    [
        FixSource::Unspecified,
        FixSource::Gnss,
        FixSource::Wifi,
        FixSource::Cell,
        FixSource::Beacon,
    ]
    .into_iter()
    .find(|&source| source_name(source) == text)
}

/// Reads `closed` or `open`; the empty text is "not known".
pub fn parse_strap(text: &str) -> Option<Strap> {
    match text {
        "" => Some(Strap::Unspecified),
        "closed" => Some(Strap::Closed),
        "open" => Some(Strap::Open),
        _ => None,
    }
}

/// Reads `still` or `moving`; the empty text is "not known".
pub fn parse_motion(text: &str) -> Option<Motion> {
    match text {
        "" => Some(Motion::Unspecified),
        "still" => Some(Motion::Still),
        "moving" => Some(Motion::Moving),
        _ => None,
    }
}

/// The text form of an alarm.
pub const fn alarm_name(alarm: Alarm) -> &'static str {
    match alarm {
        Alarm::Unspecified => "unspecified",
        Alarm::Sos => "sos",
        Alarm::StrapTamper => "strap_tamper",
        Alarm::CaseTamper => "case_tamper",
        Alarm::LowBattery => "low_battery",
        Alarm::PowerOff => "power_off",
        Alarm::Jamming => "jamming",
        Alarm::Vibration => "vibration",
        Alarm::GnssFault => "gnss_fault",
        Alarm::Shielding => "shielding",
        Alarm::Fall => "fall",
        Alarm::Overspeed => "overspeed",
        Alarm::Other => "other",
        Alarm::Cloned => "cloned",
    }
}

/// Reads the text form of an alarm; `None` for anything else.
pub fn parse_alarm(text: &str) -> Option<Alarm> {
    (1..=13)
        .filter_map(|number| Alarm::try_from(number).ok())
        .find(|&alarm| alarm_name(alarm) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position {
            latitude_e7: 302_500_000,
            longitude_e7: 1_201_600_000,
            valid: true,
            ..Position::default()
        }
    }

    #[test]
    fn a_position_is_judged_only_when_nothing_speaks_against_it() {
        assert!(Fix::new(Some(&position())).is_ok());
        assert_eq!(Fix::new(None), Err(NotJudged::Absent));
        assert_eq!(
            Fix::new(Some(&Position {
                valid: false,
                ..position()
            })),
            Err(NotJudged::Invalid)
        );
        assert_eq!(
            Fix::new(Some(&Position {
                latitude_e7: 900_000_001,
                ..position()
            })),
            Err(NotJudged::OutOfRange)
        );
        let null_island = Position {
            latitude_e7: 0,
            longitude_e7: 0,
            ..position()
        };
        assert_eq!(Fix::new(Some(&null_island)), Err(NotJudged::NullIsland));
        for useless in [0.0, -3.0, f32::NAN, f32::INFINITY] {
            let fix = Fix::new(Some(&Position {
                accuracy_m: Some(useless),
                ..position()
            }))
            .unwrap();
            assert_eq!(fix.accuracy_m, None);
        }
    }

    #[test]
    fn a_time_is_believed_from_2020_to_two_minutes_ahead_of_receipt() {
        let received = 1_786_000_000_000_000;
        assert_eq!(check_time(received + 120_000_000, received), Ok(()));
        assert_eq!(check_time(received + 120_000_001, received), Err(NotJudged::Ahead));
        assert_eq!(check_time(EARLIEST_FIX_TIME_US, received), Ok(()));
        assert_eq!(check_time(EARLIEST_FIX_TIME_US - 1, received), Err(NotJudged::TooOld));
        assert_eq!(check_time(i64::MAX, i64::MAX), Ok(()));
        assert_eq!(check_time(i64::MIN, i64::MIN), Err(NotJudged::TooOld));
    }

    #[test]
    fn a_week_number_that_rolled_over_is_told_from_other_wrong_clocks() {
        let received = 1_786_000_000_000_000;
        let week = 7 * 86_400 * 1_000_000;
        let day = 86_400 * 1_000_000;
        for cycles in [-2, -1, 1, 2] {
            let time = received + cycles * 1_024 * week;
            for off in [-day, 0, day] {
                assert_eq!(
                    check_time(time + off, received),
                    Err(NotJudged::WeekRollover),
                    "{cycles} {off}"
                );
            }
            assert_ne!(check_time(time + day + 1, received), Err(NotJudged::WeekRollover));
            assert_ne!(check_time(time - day - 1, received), Err(NotJudged::WeekRollover));
        }
        assert_eq!(check_time(received - 1_023 * week, received), Err(NotJudged::TooOld));
        assert_eq!(check_time(received + 1_022 * week, received), Err(NotJudged::Ahead));
        // Long after 2020, when the time alone is no longer suspicious.
        let later = received + 2_000 * week;
        assert_eq!(check_time(later - 1_024 * week, later), Err(NotJudged::WeekRollover));
        assert_eq!(check_time(later - 1_000 * week, later), Ok(()));
    }

    #[test]
    fn words_come_back() {
        for number in 1..=13 {
            let alarm = Alarm::try_from(number).unwrap();
            assert_eq!(parse_alarm(alarm_name(alarm)), Some(alarm));
        }
        assert_eq!(parse_source("wifi"), Some(FixSource::Wifi));
        assert_eq!(parse_source("radar"), None);
        assert_eq!(parse_strap("open"), Some(Strap::Open));
        assert_eq!(parse_motion("running"), None);
    }
}
