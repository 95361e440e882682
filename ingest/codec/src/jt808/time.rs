//! Times as packed decimal digits, at GMT+8 (8.18, table 23).

use jiff::{Timestamp, tz::TimeZone};

use crate::{Fault, cursor::Cursor};

/// Seconds that the standard's clock is ahead of UTC.
pub const OFFSET_S: i64 = 8 * 3_600;

/// Reads one byte as two decimal digits. Digits above 9 count as they would in a sum, so that nothing is refused for them.
pub(super) fn digits(byte: u8) -> i64 {
    i64::from(byte >> 4) * 10 + i64::from(byte & 0x0f)
}

/// True when both halves of every byte are decimal digits.
pub(super) fn is_decimal(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte >> 4 <= 9 && byte & 0x0f <= 9)
}

/// Reads YY MM DD hh mm ss at GMT+8.
///
/// Fields out of range carry over as on a calendar: a device without a time (all zeros) gets an instant in 1999, which is kept
/// apart downstream as an impossible clock, rather than losing the rest of its report.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Timestamp, Fault> {
    let &[year, month, day, hour, minute, second] = cursor.take(6, "time")? else {
        return Err(Fault::Truncated {
            what: "time",
            needed: 6,
            at: cursor.at(),
            left: cursor.left(),
        });
    };
    instant([year, month, day, hour, minute, second], OFFSET_S)
}

/// The instant of YY MM DD hh mm ss at an offset from UTC.
pub(super) fn instant(fields: [u8; 6], offset_s: i64) -> Result<Timestamp, Fault> {
    let [year, month, day, hour, minute, second] = fields.map(digits);
    let months = (2000 + year) * 12 + month - 1;
    let midnight = days_before(months.div_euclid(12), months.rem_euclid(12) + 1) * 86_400;
    let second = midnight + (day - 1) * 86_400 + hour * 3_600 + minute * 60 + second - offset_s;
    Timestamp::from_second(second).map_err(|_| Fault::Range {
        what: "time",
        value: hex::encode(fields),
    })
}

/// Days from 1970-01-01 to the first of a month of the Gregorian calendar.
///
/// Years begin with March here, so that the leap day is the last; five months of the year have 153 days from then on.
const fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Writes an instant as YY MM DD hh mm ss at GMT+8; the century is dropped.
pub fn write(time: Timestamp) -> [u8; 6] {
    write_at(time, OFFSET_S)
}

/// Writes an instant as YY MM DD hh mm ss at an offset from UTC.
pub(super) fn write_at(time: Timestamp, offset_s: i64) -> [u8; 6] {
    let second = time.as_second().saturating_add(offset_s);
    let local = Timestamp::from_second(second).unwrap_or(time).to_zoned(TimeZone::UTC);
    let year = u8::try_from(local.year().rem_euclid(100)).unwrap_or(0);
    let rest = [local.month(), local.day(), local.hour(), local.minute(), local.second()];
    let [month, day, hour, minute, second] = rest.map(|field| u8::try_from(field).unwrap_or(0));
    [year, month, day, hour, minute, second].map(|field| ((field / 10) << 4) | (field % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carries_over_and_comes_back() {
        let time: Timestamp = "2026-08-17T14:18:12Z".parse().unwrap();
        assert_eq!(write(time), [0x26, 0x08, 0x17, 0x22, 0x18, 0x12]);
        assert_eq!(instant(write(time), OFFSET_S), Ok(time));
        assert_eq!(instant([0; 6], OFFSET_S), Ok("1999-11-29T16:00:00Z".parse().unwrap()));
        assert!(instant([0xff; 6], 0).is_ok());
    }

    #[test]
    fn months_begin_where_the_calendar_says() {
        for year in 1900..2200_i16 {
            for month in 1..=12_i8 {
                let first = jiff::civil::Date::new(year, month, 1).unwrap();
                let second = first.to_zoned(TimeZone::UTC).unwrap().timestamp().as_second();
                assert_eq!(days_before(year.into(), month.into()) * 86_400, second, "{first}");
            }
        }
    }
}
