//! Times as the devices write them: year of the century, month, day, hour, minute, second, one byte each.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::{Clock, Fault, cursor::Cursor};

/// A clock is wrong by so much, or less, without being in another time zone.
const FAST: SignedDuration = SignedDuration::from_mins(15);
/// How far two reports that were made just now may differ in their distance from our clock: by the time that they are under way.
const IN_STEP: SignedDuration = SignedDuration::from_secs(60);

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

/// How long reports must keep step with our clock, one and all, to be believed to be made just now.
const SUSTAINED: SignedDuration = SignedDuration::from_mins(3);

/// Which clock a device's times are by.
///
/// A log-in may state the device's time zone. The documents say that times are UTC all the same, yet some models write local time, so a time
/// has two readings, some hours apart. Two things tell them apart. A report is not of a time to come: one whose later reading lies ahead
/// of our clock, by more than clocks are fast, is meant by the earlier one; that is believed at once while nothing is known. And reports
/// made just now keep step with the clock, by whichever reading: when nothing else came for three minutes, the reading nearer to our
/// clock is meant, also where the device's clock is fast or slow. A later reading that is as new as our clock proves nothing by itself: a
/// stored report, some hours old, has one too. Until something is known times are UTC; what was learnt can be taken along into the next
/// conversation, since a device that was without a network begins with its oldest reports.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Zone {
    offset: SignedDuration,
    local: Option<bool>,
    step: Option<Step>,
}

/// Reports that keep step with our clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// When the first of them came.
    since: Timestamp,
    /// How far its time was from our clock, as stated.
    distance: SignedDuration,
}

impl Zone {
    /// Reads the zone of a log-in: hours * 100 + minutes in the upper 12 bits, west of Greenwich where bit 3 is set.
    pub(super) fn of_login(bits: u16) -> Self {
        let value = i64::from(bits >> 4);
        let seconds = (value / 100 * 60 + value % 100) * 60;
        let offset = SignedDuration::from_secs(if bits & 0x0008 == 0 { seconds } else { -seconds });
        Self {
            offset,
            ..Self::default()
        }
    }

    /// What was learnt.
    pub(super) fn learnt(&self) -> Option<Clock> {
        let offset_s = self.offset.as_secs();
        self.local.map(|local| Clock { offset_s, local })
    }

    /// Goes on with what an earlier conversation has learnt, if the device still states the same zone.
    pub(super) fn recall(&mut self, clock: Clock) {
        if clock.offset_s == self.offset.as_secs() {
            self.local = Some(clock.local);
        }
    }

    /// What a device's time is in UTC.
    pub(super) fn utc(&mut self, stated: Timestamp, now: Timestamp) -> Timestamp {
        if self.offset.is_zero() {
            return stated;
        }
        let Ok(shifted) = stated.checked_sub(self.offset) else {
            return stated;
        };
        // East of Greenwich local time is ahead: read as UTC it is the later one.
        let local_is_later = shifted > stated;
        let (earlier, later) = (stated.min(shifted), stated.max(shifted));
        let ahead = |time: Timestamp| time.duration_since(now) > FAST;
        if self.local.is_none() && ahead(later) && !ahead(earlier) {
            self.local = Some(!local_is_later);
        }
        if self.keeps_step(stated, now) {
            let distance = |time: Timestamp| time.duration_since(now).abs();
            self.local = Some(distance(shifted) < distance(stated));
        }
        if self.local == Some(true) { shifted } else { stated }
    }

    /// Notes a report; true when all have kept step with our clock for long enough.
    fn keeps_step(&mut self, stated: Timestamp, now: Timestamp) -> bool {
        let distance = stated.duration_since(now);
        let step = self.step.filter(|step| (distance - step.distance).abs() <= IN_STEP);
        let step = step.unwrap_or(Step { since: now, distance });
        self.step = Some(step);
        now.duration_since(step.since) >= SUSTAINED
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

    const EAST: u16 = 0x3200; // 8:00
    const WEST: u16 = 0x190a; // 4:00

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hours(hours: i64) -> SignedDuration {
        SignedDuration::from_hours(hours)
    }

    /// What a device of that offset writes at an instant.
    fn writes(made: Timestamp, local: Option<i64>) -> Timestamp {
        made + hours(local.unwrap_or(0))
    }

    #[test]
    fn what_would_lie_ahead_proves_local_time_in_the_east() {
        let now = at("2026-11-21T14:00:00Z");
        let mut zone = Zone::of_login(EAST);
        let old = now - hours(29);
        assert_eq!(zone.utc(old, now), old, "not known yet");
        // A stored report of three hours ago is enough, and no live one is waited for.
        let made = now - hours(3);
        assert_eq!(zone.utc(writes(made, Some(8)), now), made);
        assert_eq!(zone.utc(writes(old, Some(8)), now), old);
        assert_eq!(zone.utc(writes(now, Some(8)), now), now);
    }

    #[test]
    fn a_night_of_stored_local_times_does_not_pass_for_utc() {
        // Twelve hours, a minute apart, the oldest first, within a minute; among them those made eight hours ago, which read as UTC are new.
        let begin = at("2026-11-21T06:00:00Z");
        let mut zone = Zone::of_login(EAST);
        let mut wrong = Vec::new();
        for minute in 0..720 {
            let now = begin + SignedDuration::from_millis(80 * minute);
            let made = begin - hours(12) + SignedDuration::from_mins(minute);
            if zone.utc(writes(made, Some(8)), now) != made {
                wrong.push(minute);
            }
        }
        // Nothing says what those from before are, unless it was learnt earlier.
        assert_eq!((wrong.first(), wrong.last()), (Some(&0), Some(&255)));
        let learnt = zone.learnt().unwrap();
        assert_eq!((learnt.offset_s, learnt.local), (28_800, true));
        let mut next = Zone::of_login(EAST);
        next.recall(learnt);
        let made = begin - hours(12);
        assert_eq!(next.utc(writes(made, Some(8)), begin), made, "known from the log-in on");
        let mut moved = Zone::of_login(WEST);
        moved.recall(learnt);
        assert_eq!(moved.learnt(), None, "another zone");
    }

    #[test]
    fn utc_stays_utc_however_its_stored_reports_read() {
        for login in [EAST, WEST] {
            let begin = at("2026-11-21T06:00:00Z");
            let mut zone = Zone::of_login(login);
            for minute in 0..720 {
                let now = begin + SignedDuration::from_millis(80 * minute);
                let made = begin - hours(12) + SignedDuration::from_mins(minute);
                assert_eq!(zone.utc(made, now), made, "{login:04x} minute {minute}");
            }
            for minute in 1..20 {
                let now = begin + SignedDuration::from_mins(minute);
                assert_eq!(zone.utc(now, now), now);
            }
            assert_eq!(zone.learnt().map(|clock| clock.local), Some(false));
        }
    }

    #[test]
    fn local_time_in_the_west_is_believed_when_it_keeps_step_with_the_clock() {
        let begin = at("2026-11-21T06:00:00Z");
        let mut zone = Zone::of_login(WEST);
        let mut read = Vec::new();
        for minute in 0..6 {
            let now = begin + SignedDuration::from_mins(minute);
            read.push(zone.utc(writes(now, Some(-4)), now) == now);
        }
        assert_eq!(read, [false, false, false, true, true, true]);
    }

    /// What is read of live reports, one in ten seconds, of a device whose clock is wrong by so many seconds.
    fn live(login: u16, local: Option<i64>, wrong_s: i64) -> Vec<bool> {
        let begin = at("2026-11-21T06:00:00Z");
        let wrong = SignedDuration::from_secs(wrong_s);
        let mut zone = Zone::of_login(login);
        let read = |step: i64| {
            let now = begin + SignedDuration::from_secs(10 * step);
            zone.utc(writes(now + wrong, local), now) == now + wrong
        };
        (0..40).map(read).collect()
    }

    #[test]
    fn a_clock_that_is_fast_or_slow_is_not_one_of_another_zone() {
        for wrong_s in [-1_800, -600, -200, -121, 121, 200, 600, 899] {
            for login in [EAST, WEST] {
                assert!(
                    live(login, None, wrong_s).iter().all(|right| *right),
                    "UTC, {login:04x}, {wrong_s} s"
                );
            }
            // Local time in the east is proved by the first report, in the west by three minutes of them.
            assert!(
                live(EAST, Some(8), wrong_s).iter().all(|right| *right),
                "east, {wrong_s} s"
            );
            let west = live(WEST, Some(-4), wrong_s);
            assert!(
                west[18..].iter().all(|right| *right) && !west[17],
                "west, {wrong_s} s: {west:?}"
            );
        }
    }

    #[test]
    fn a_clock_that_is_wrong_by_an_hour_is_seen_through_after_three_minutes() {
        let east = live(EAST, None, 3_600);
        assert!(east[18..].iter().all(|right| *right) && !east[17], "{east:?}");
    }

    #[test]
    fn a_device_that_was_set_otherwise_is_believed_after_three_minutes_of_it() {
        let begin = at("2026-11-21T06:00:00Z");
        let mut zone = Zone::of_login(EAST);
        zone.recall(Clock {
            offset_s: 28_800,
            local: true,
        });
        let mut read = Vec::new();
        for minute in 0..5 {
            let now = begin + SignedDuration::from_mins(minute);
            read.push(zone.utc(now, now) == now);
        }
        assert_eq!(read, [false, false, false, true, true]);
        // One report of a wrong clock changes nothing that is known.
        let now = begin + SignedDuration::from_mins(6);
        assert_eq!(zone.utc(now + hours(8), now), now + hours(8));
        assert_eq!(zone.utc(now, now), now);
    }
}
