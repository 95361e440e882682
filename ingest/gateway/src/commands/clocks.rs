//! By how much devices' clocks are slow, as far as that is certain enough to say that a position was made after a question.
//!
//! Of a report it is known when it came and what the device's clock said: the difference is the clock's delay and the report's way. The
//! way is never negative, so the smallest difference is nearest to the delay; but where only old reports have come, all were long on
//! their way, and a report of yesterday would pass for new. So the difference is believed only when it stays the same: reports that
//! are [`SPAN`] and more apart by our clock are as far apart by the device's. A backlog that is sent all at once is not like that: its
//! times run faster than ours. What makes a clock look less slow is believed at once.
//!
//! What was measured over an earlier connection, here or at another gateway, is one of those reports ([`Clocks::remember`]): a device
//! whose clock is as slow as it was is believed from its first report on.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;

/// A difference stays the same when it changes by no more.
const SAME: SignedDuration = SignedDuration::from_secs(5);
/// For so long.
const SPAN: SignedDuration = SignedDuration::from_secs(20);
/// A clock that is slower is not believed to be slow: the reports are old.
pub(super) const MOST: SignedDuration = SignedDuration::from_mins(10);

/// One device's clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// Believed; negative: fast.
    slow_by: SignedDuration,
    /// A difference that may be the next to be believed, and since when it has stayed the same.
    maybe: (SignedDuration, Timestamp),
}

impl Clock {
    /// True when the clock is believed to be slower than before.
    fn note(&mut self, difference: SignedDuration, received_at: Timestamp) -> bool {
        let before = self.slow_by;
        self.slow_by = before.min(difference);
        let (maybe, since) = self.maybe;
        if difference > MOST || (difference - maybe).abs() > SAME {
            self.maybe = (difference, received_at);
        } else if received_at.duration_since(since) >= SPAN {
            self.slow_by = maybe.min(difference);
        }
        self.slow_by > before
    }

    /// Takes a difference of an earlier time as the first of those that stay the same.
    fn remember(&mut self, difference: SignedDuration, received_at: Timestamp) -> bool {
        let (maybe, since) = self.maybe;
        if difference > MOST || (difference - maybe).abs() > SAME || received_at >= since {
            return false;
        }
        // What has come since is as far apart by the device's clock as by ours.
        self.maybe = (difference, received_at);
        self.note(maybe, since)
    }
}

/// The clocks of the devices that have been heard here.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    of: Mutex<HashMap<DeviceId, Clock>>,
}

impl Clocks {
    /// Notes a report; true when the device's clock is believed to be slower than before.
    pub(super) fn note(&self, device: DeviceId, device_time: Timestamp, received_at: Timestamp) -> bool {
        let difference = received_at.duration_since(device_time);
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.entry(device)
            .or_insert(Clock {
                slow_by: SignedDuration::ZERO,
                maybe: (difference, received_at),
            })
            .note(difference, received_at)
    }

    /// Takes in what was measured over another connection, at a time by our clock; the device may have reported over this one, or not yet.
    /// True when its clock is believed to be slower than before.
    pub(super) fn remember(&self, device: DeviceId, difference: SignedDuration, received_at: Timestamp) -> bool {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        match of.entry(device) {
            Entry::Occupied(mut known) => known.get_mut().remember(difference, received_at),
            Entry::Vacant(unknown) => {
                unknown.insert(Clock {
                    slow_by: SignedDuration::ZERO,
                    maybe: (difference, received_at),
                });
                false
            }
        }
    }

    /// What is to be added to the device's times; nothing of a device that is not known well enough.
    pub(super) fn slow_by(&self, device: DeviceId) -> SignedDuration {
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.get(&device).map_or(SignedDuration::ZERO, |clock| clock.slow_by)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_800_000_000;

    /// What is believed after each report: (received, by how many seconds the device's time is before that).
    fn believed(reports: impl IntoIterator<Item = (i64, i64)>) -> Vec<i64> {
        let (clocks, device) = (Clocks::default(), DeviceId::from_name("a device"));
        let at = |second: i64| Timestamp::from_second(NOON + second).expect("a time");
        let mut said = Vec::new();
        for (received, before) in reports {
            clocks.note(device, at(received - before), at(received));
            said.push(clocks.slow_by(device).as_secs());
        }
        said
    }

    #[test]
    fn a_slow_clock_is_believed_when_it_stays_slow() {
        assert_eq!(believed([(0, 32), (10, 31), (20, 33), (30, 32)]), [0, 0, 32, 32]);
        assert_eq!(believed([(0, 302), (300, 301)]), [0, 301], "seldom, too");
        // Set right: at once. Slow again: when it has stayed so.
        let set = [(0, 60), (30, 60), (40, 1), (50, 60), (60, 60), (75, 61)];
        assert_eq!(believed(set), [0, 60, 1, 1, 1, 60]);
        // Fast, and for one report only: not believed for long.
        assert_eq!(
            believed([(0, 0), (10, -3_000), (20, 0), (30, 1), (45, 0)]),
            [0, -3_000, -3_000, -3_000, 0]
        );
    }

    #[test]
    fn what_was_measured_before_is_believed_when_it_is_still_so() {
        let device = DeviceId::from_name("a device");
        let at = |second: i64| Timestamp::from_second(NOON + second).expect("a time");
        let slow = SignedDuration::from_secs(62);
        let believed = |clocks: &Clocks| clocks.slow_by(device).as_secs();
        // Before the first report over this connection, and after it.
        let clocks = Clocks::default();
        assert!(!clocks.remember(device, slow, at(-3_600)));
        assert_eq!(believed(&clocks), 0, "a report must say so, too");
        assert!(clocks.note(device, at(-60), at(0)));
        assert_eq!(believed(&clocks), 60);
        let clocks = Clocks::default();
        assert!(!clocks.note(device, at(-60), at(0)));
        assert!(clocks.remember(device, slow, at(-3_600)));
        assert_eq!(believed(&clocks), 60);
        // Not when it is another difference now, when it is too great for a clock, or when it is of just now.
        for (before, measured) in [
            (60, (90, -3_600)),
            (3_000, (3_000, -3_600)),
            (60, (60, -5)),
            (60, (60, 5)),
        ] {
            let clocks = Clocks::default();
            clocks.note(device, at(-before), at(0));
            let (difference, when) = measured;
            clocks.remember(device, SignedDuration::from_secs(difference), at(when));
            assert_eq!(believed(&clocks), 0, "{before} s, {measured:?}");
        }
    }

    #[test]
    fn who_is_hours_late_is_not_slow() {
        assert_eq!(believed([(0, 3_600), (30, 3_600), (60, 3_600)]), [0, 0, 0]);
        assert_eq!(believed([(0, 604), (30, 602), (60, 604)]), [0, 0, 0]);
    }

    #[test]
    fn a_device_that_repeats_its_last_fix_is_not_slow() {
        assert_eq!(believed((0..30).map(|nth| (nth * 10, nth * 10))), [0; 30]);
    }

    proptest! {
        /// A backlog made every few seconds and sent faster than it was made never makes the clock look slow.
        #[test]
        fn a_backlog_never_makes_a_clock_slow(depth in 20_i64..600, every in 2_i64..60, waits in 0_i64..10) {
            let waits = waits.min(every / 2);
            let reports = (0..).map(|nth| (nth * waits, depth - nth * (every - waits)));
            let said = believed(reports.take_while(|(_, before)| *before >= 0));
            prop_assert!(said.iter().all(|slow| *slow == 0), "{said:?}");
        }
    }
}
