//! Warnings before an order or a review ends: 14, 7 and 1 days, by the local calendar.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::last_day;
use crate::text::words;

/// So many days before, the earliest warning first.
pub const DAYS: [i16; 3] = [14, 7, 1];

words! {
    /// Of what is warned.
    Kind, "kind of warning", {
        /// The order's term ends.
        OrderEnds = "order_ends",
        /// A review must be done.
        ReviewDue = "review_due",
    }
}

/// A date to warn of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// Of what.
    pub kind: Kind,
    /// The end of the term, or when the review is due.
    pub at: Timestamp,
}

/// A warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// Of what.
    pub kind: Kind,
    /// The end of the term, or when the review is due.
    pub at: Timestamp,
    /// Which warning: 14, 7 or 1; 0: a review that is overdue.
    pub days: i16,
    /// The last local day on which there is still time.
    pub last_day: Date,
    /// Days from today to that day.
    pub left: i32,
}

/// The warnings that are due: of each date the latest one, so that after an outage only what is still true is said. Days are those
/// of the person's calendar: a warning is due from local midnight of its day on. A term that is over is warned of no more, a review
/// that is overdue is (`days` 0).
pub fn due_warnings(now: Timestamp, ahead: &[Ahead], zone: &TimeZone) -> Vec<Warning> {
    let today = zone.to_datetime(now).date();
    let due = ahead.iter().filter_map(|ahead| {
        let last_day = last_day(ahead.at, zone);
        let left = today.until(last_day).map_or(i32::MAX, |span| span.get_days());
        let days = if ahead.at <= now {
            (ahead.kind == Kind::ReviewDue).then_some(0)
        } else {
            DAYS.into_iter().rev().find(|days| left <= i32::from(*days))
        };
        days.map(|days| Warning {
            kind: ahead.kind,
            at: ahead.at,
            days,
            last_day,
            left,
        })
    });
    due.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_of_the_last_three_weeks() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| {
            text.parse::<jiff::civil::DateTime>()
                .unwrap()
                .to_zoned(berlin.clone())
                .unwrap()
                .timestamp()
        };
        // Over the night on which the clocks change, and with the first and the last minute of each day.
        let end = Ahead {
            kind: Kind::OrderEnds,
            at: at("2026-04-05T00:00"),
        };
        let warned = |now: &str| {
            due_warnings(at(now), &[end], &berlin)
                .first()
                .map(|warning| (warning.days, warning.left))
        };
        for (now, expected) in [
            ("2026-03-20T23:59", None),
            ("2026-03-21T00:00", Some((14, 14))),
            ("2026-03-27T23:59", Some((14, 8))),
            ("2026-03-28T00:00", Some((7, 7))),
            ("2026-04-02T23:59", Some((7, 2))),
            ("2026-04-03T00:00", Some((1, 1))),
            ("2026-04-04T23:59", Some((1, 0))),
            ("2026-04-05T00:00", None),
        ] {
            assert_eq!(warned(now), expected, "{now}");
        }
        let review = Ahead {
            kind: Kind::ReviewDue,
            ..end
        };
        let overdue = due_warnings(at("2026-04-05T00:00"), &[review, end], &berlin);
        assert_eq!(overdue.len(), 1);
        assert_eq!(
            (overdue[0].kind, overdue[0].days, overdue[0].left),
            (Kind::ReviewDue, 0, -1)
        );
        assert_eq!(overdue[0].last_day, jiff::civil::date(2026, 4, 4));
    }

    #[test]
    fn the_day_is_the_local_one() {
        let now: Timestamp = "2026-03-20T17:00:00Z".parse().unwrap();
        let ahead = [Ahead {
            kind: Kind::OrderEnds,
            at: "2026-04-04T12:00:00Z".parse().unwrap(),
        }];
        let days = |zone: &str| due_warnings(now, &ahead, &TimeZone::get(zone).unwrap()).len();
        assert_eq!(
            (days("Asia/Shanghai"), days("Europe/London")),
            (1, 0),
            "it is tomorrow in Shanghai"
        );
    }
}
