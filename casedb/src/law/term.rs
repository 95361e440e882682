//! Terms in calendar months, in the order's time zone.

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};

use crate::Error;

/// The same local time so many calendar months later; of a day that the month does not have, its last day (31 January and one month:
/// 28 or 29 February). A local time that comes twice is the earlier one, so that a limit is never longer than the law's; one that is
/// skipped moves on by what is skipped.
pub fn months_after(start: Timestamp, months: u8, zone: &TimeZone) -> Result<Timestamp, Error> {
    let span = Span::new().months(i64::from(months));
    let local = zone.to_datetime(start).checked_add(span);
    let local = local.map_err(|error| Error::Input(format!("{months} months after {start}: {error}")))?;
    let end = zone.to_ambiguous_timestamp(local).compatible();
    end.map_err(|error| Error::Input(format!("{local}: {error}")))
}

/// The last local day of a term that ends before `end`: a term to midnight ends with the day before.
pub fn last_day(end: Timestamp, zone: &TimeZone) -> Date {
    let last = end.checked_sub(jiff::SignedDuration::from_micros(1)).unwrap_or(end);
    zone.to_datetime(last).date()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn local(text: &str, zone: &TimeZone) -> Timestamp {
        text.parse::<jiff::civil::DateTime>()
            .unwrap()
            .to_zoned(zone.clone())
            .unwrap()
            .timestamp()
    }

    #[test]
    fn months_end_on_the_same_day_or_the_last_there_is() {
        let shanghai = zone("Asia/Shanghai");
        for (start, months, end) in [
            ("2026-01-31T00:00", 1, "2026-02-28T00:00"),
            ("2028-01-31T09:30", 1, "2028-02-29T09:30"),
            ("2026-11-30T00:00", 3, "2027-02-28T00:00"),
            ("2027-11-30T00:00", 3, "2028-02-29T00:00"),
            ("2028-02-29T12:00", 12, "2029-02-28T12:00"),
            ("2026-03-31T00:00", 3, "2026-06-30T00:00"),
            ("2026-01-15T00:00", 3, "2026-04-15T00:00"),
            ("2026-12-31T23:59:59", 2, "2027-02-28T23:59:59"),
        ] {
            let found = months_after(local(start, &shanghai), months, &shanghai).unwrap();
            assert_eq!(found, local(end, &shanghai), "{start} + {months}");
        }
    }

    #[test]
    fn clocks_that_change_neither_lengthen_nor_shorten_a_term_by_the_calendar() {
        let berlin = zone("Europe/Berlin");
        // Winter to summer: an hour less of elapsed time, the same time by the clock.
        let start = local("2026-01-15T12:00", &berlin);
        let end = months_after(start, 3, &berlin).unwrap();
        assert_eq!(end, local("2026-04-15T12:00", &berlin));
        assert_eq!(end.duration_since(start).as_hours(), 90 * 24 - 1);
        // 25 October 2026, 02:30 comes twice: the earlier one.
        let end = months_after(local("2026-07-25T02:30", &berlin), 3, &berlin).unwrap();
        assert_eq!(end.to_string(), "2026-10-25T00:30:00Z");
        // 29 March 2026, 02:30 is skipped: 03:30 by the new clock.
        let end = months_after(local("2025-12-29T02:30", &berlin), 3, &berlin).unwrap();
        assert_eq!(end.to_string(), "2026-03-29T01:30:00Z");
        // London changes on the same night, an hour of its own.
        let london = zone("Europe/London");
        let end = months_after(local("2026-07-25T01:30", &london), 3, &london).unwrap();
        assert_eq!(end.to_string(), "2026-10-25T00:30:00Z");
    }

    #[test]
    fn a_term_to_midnight_ends_with_the_day_before() {
        let shanghai = zone("Asia/Shanghai");
        assert_eq!(
            last_day(local("2026-04-30T00:00", &shanghai), &shanghai),
            date(2026, 4, 29)
        );
        assert_eq!(
            last_day(local("2026-04-30T00:01", &shanghai), &shanghai),
            date(2026, 4, 30)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, rng_seed: proptest::test_runner::RngSeed::Fixed(18), ..ProptestConfig::default() })]

        /// Whatever the start: the end is later, falls into the right month, keeps the day unless the month is too short, and a later
        /// start never ends earlier.
        #[test]
        fn terms_obey_the_calendar(
            seconds in 1_577_836_800_i64..2_208_988_800,
            later in 0_i64..40_000_000,
            months in 1_u8..=36,
            name in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "Europe/London", "America/New_York", "Pacific/Apia", "UTC"]),
        ) {
            let zone = zone(name);
            let start = Timestamp::from_second(seconds).unwrap();
            let end = months_after(start, months, &zone).unwrap();
            let (from, to) = (zone.to_datetime(start).date(), zone.to_datetime(end).date());
            let passed = (i32::from(to.year()) - i32::from(from.year())) * 12 + i32::from(to.month()) - i32::from(from.month());
            prop_assert_eq!(passed, i32::from(months));
            prop_assert!(to.day() == from.day() || to.day() == to.days_in_month() && to.day() < from.day());
            prop_assert!(end > start);
            let second = months_after(Timestamp::from_second(seconds + later).unwrap(), months, &zone).unwrap();
            // One hour: of two starts around a change of clocks the later may be earlier by the clock.
            prop_assert!(second.duration_since(end).as_secs() >= -3_600);
        }
    }
}
