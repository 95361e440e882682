//! Times as the devices write them: year of the century, month, day, hour, minute, second, one byte each.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::{Fault, cursor::Cursor};

/// How far a live report's clock may be from ours.
const NEAR: SignedDuration = SignedDuration::from_secs(120);

/// The instant of six binary fields. Fields out of range carry over as on a calendar: a device without a clock (all zeros) gets an
/// instant in 1999, which is kept apart downstream, rather than losing the rest of its report.
pub(super) fn instant(fields: [u8; 6]) -> Result<Timestamp, Fault> {
    let [year, month, day, hour, minute, second] = fields.map(i64::from);
    let months = (2000 + year) * 12 + month - 1;
    let out_of_range = || Fault::Range {
        what: "time",
        value: hex::encode(fields),
    };
    let year = i16::try_from(months.div_euclid(12)).map_err(|_| out_of_range())?;
    let month = i8::try_from(months.rem_euclid(12) + 1).map_err(|_| out_of_range())?;
    let first = civil::Date::new(year, month, 1).map_err(|_| out_of_range())?;
    let midnight = first.to_zoned(TimeZone::UTC).map_err(|_| out_of_range())?.timestamp();
    let second = midnight.as_second() + (day - 1) * 86_400 + hour * 3_600 + minute * 60 + second;
    Timestamp::from_second(second).map_err(|_| out_of_range())
}

/// Reads a time.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Timestamp, Fault> {
    let mut fields = [0; 6];
    fields.copy_from_slice(cursor.take(6, "time")?);
    instant(fields)
}

/// Reads a time whose bytes are two decimal digits each. Digits above 9 count as they would in a sum.
pub(super) fn read_decimal(cursor: &mut Cursor<'_>) -> Result<Timestamp, Fault> {
    let mut fields = [0; 6];
    fields.copy_from_slice(cursor.take(6, "time")?);
    instant(fields.map(|byte| (byte >> 4) * 10 + (byte & 0x0f)))
}

/// Writes a time; the century is dropped.
pub(super) fn write(time: Timestamp) -> [u8; 6] {
    let time = time.to_zoned(TimeZone::UTC);
    let year = u8::try_from(time.year().rem_euclid(100)).unwrap_or(0);
    let rest = [time.month(), time.day(), time.hour(), time.minute(), time.second()];
    let [month, day, hour, minute, second] = rest.map(|field| u8::try_from(field).unwrap_or(0));
    [year, month, day, hour, minute, second]
}

/// Which clock a device's times are by.
///
/// A log-in may state the device's time zone. The documents say that times are UTC all the same, yet some models write local time. Which
/// it is shows in the first report that is as new as our own clock; until then, and for good where there is none, times are UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Zone {
    offset: SignedDuration,
    local: Option<bool>,
}

impl Zone {
    /// Reads the zone of a log-in: hours * 100 + minutes in the upper 12 bits, west of Greenwich where bit 3 is set.
    pub(super) fn of_login(bits: u16) -> Self {
        let value = i64::from(bits >> 4);
        let seconds = (value / 100 * 60 + value % 100) * 60;
        let offset = SignedDuration::from_secs(if bits & 0x0008 == 0 { seconds } else { -seconds });
        Self { offset, local: None }
    }

    /// What a device's time is in UTC.
    pub(super) fn utc(&mut self, stated: Timestamp, now: Timestamp) -> Timestamp {
        if self.offset.is_zero() {
            return stated;
        }
        let Ok(shifted) = stated.checked_sub(self.offset) else {
            return stated;
        };
        let near = |time: Timestamp| time.duration_since(now).abs() <= NEAR;
        if self.local.is_none() {
            self.local = match (near(stated), near(shifted)) {
                (true, _) => Some(false),
                (false, true) => Some(true),
                (false, false) => None,
            };
        }
        if self.local == Some(true) { shifted } else { stated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_over_and_comes_back() {
        let time: Timestamp = "2026-08-17T14:18:12Z".parse().unwrap();
        assert_eq!(write(time), [26, 8, 17, 14, 18, 12]);
        assert_eq!(instant(write(time)), Ok(time));
        assert_eq!(instant([0; 6]), Ok("1999-11-30T00:00:00Z".parse().unwrap()));
        assert!(instant([0xff; 6]).is_ok());
    }

    #[test]
    fn a_zone_is_believed_when_the_clock_proves_it() {
        let now: Timestamp = "2026-11-21T14:00:00Z".parse().unwrap();
        let local: Timestamp = "2026-11-21T22:00:30Z".parse().unwrap();
        let old: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let mut zone = Zone::of_login(0x3200); // 8:00 east
        assert_eq!(zone.utc(old, now), old, "not known yet");
        assert_eq!(zone.utc(local, now), "2026-11-21T14:00:30Z".parse().unwrap());
        assert_eq!(zone.utc(old, now), "2026-11-20T01:00:00Z".parse().unwrap());
        let mut zone = Zone::of_login(0x3200);
        assert_eq!(zone.utc(now, now), now);
        assert_eq!(zone.utc(local, now), local, "UTC once, UTC for good");
        let mut west = Zone::of_login(0x190a); // 4:00 west
        let morning: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        assert_eq!(west.utc(morning, now), now);
    }
}
