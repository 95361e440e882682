//! Devices' clocks that are slow by more than a report may take.
//!
//! A report that comes late was stored, or the clock of its device is slow. What was stored is sent faster than it was made, so that it is
//! less and less late; reports of a slow clock, made just now, are all late by the same time. So a clock is believed to be slow when the
//! reports that the device does not call stored come later than they say by the same time for [`SPAN`], and at once to be less slow. One
//! that comes in time shows that it is right. Of several in one frame the newest tells.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use codec::Protocol;
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;

use crate::lanes::LIVE_WITHIN;

/// A lateness stays the same when it changes by no more.
const SAME: SignedDuration = SignedDuration::from_secs(5);
/// For so long.
const SPAN: SignedDuration = SignedDuration::from_secs(20);
/// The same of GT06, whose times may be local ones: what reads so is found out after three minutes ([`codec::Clock`]), and is no fault.
const SPAN_GT06: SignedDuration = SignedDuration::from_secs(200);

/// One device's clock, of which the last report was late.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// By how much it is believed to be slow.
    slow_by: Option<SignedDuration>,
    /// Up to the frame before: a lateness that may be the next to be believed, and since when it has stayed the same.
    maybe: Lateness,
    /// The least of this frame, and when that came.
    least: Lateness,
}

type Lateness = (SignedDuration, Timestamp);

impl Clock {
    fn note(&mut self, late_by: SignedDuration, received_at: Timestamp, span: SignedDuration) {
        if self.least.1 == received_at {
            self.least.0 = self.least.0.min(late_by);
        } else {
            if !is_same(self.maybe, self.least) {
                self.maybe = self.least;
            }
            self.least = (late_by, received_at);
        }
        if is_same(self.maybe, self.least) && received_at.duration_since(self.maybe.1) >= span {
            self.slow_by = Some(self.maybe.0.min(self.least.0));
        }
        self.slow_by = self.slow_by.map(|slow_by| slow_by.min(late_by));
    }
}

fn is_same(one: Lateness, other: Lateness) -> bool {
    (one.0 - other.0).abs() <= SAME
}

/// The clocks of the devices whose last report was late.
#[derive(Debug, Default)]
pub(crate) struct SlowClocks(Mutex<HashMap<DeviceId, Clock>>);

impl SlowClocks {
    /// Notes what the device's clock said in a report that it does not call stored.
    pub(crate) fn note(&self, protocol: Protocol, device: DeviceId, device_time: Timestamp, received_at: Timestamp) {
        let late_by = received_at.duration_since(device_time);
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if late_by <= LIVE_WITHIN {
            clocks.remove(&device);
            return;
        }
        let span = if protocol == Protocol::Gt06 { SPAN_GT06 } else { SPAN };
        let clock = clocks.entry(device).or_insert(Clock {
            slow_by: None,
            maybe: (late_by, received_at),
            least: (late_by, received_at),
        });
        clock.note(late_by, received_at, span);
    }

    /// True of a report that was made just now by a clock that is slow: it is late by what that is believed to be slow by.
    pub(crate) fn is_new(&self, device: DeviceId, device_time: Timestamp, received_at: Timestamp) -> bool {
        let late_by = received_at.duration_since(device_time);
        let clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slow_by = clocks.get(&device).and_then(|clock| clock.slow_by);
        slow_by.is_some_and(|slow_by| (late_by - slow_by).abs() <= SAME)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_800_000_000;

    /// Which reports count as made just now: (received, by how many seconds the device's time is before that).
    fn believed_of(protocol: Protocol, reports: impl IntoIterator<Item = (i64, i64)>) -> Vec<bool> {
        let (clocks, device) = (SlowClocks::default(), DeviceId::from_name("a device"));
        let at = |second: i64| Timestamp::from_second(NOON + second).expect("a time");
        let heard = |(received, late)| {
            clocks.note(protocol, device, at(received - late), at(received));
            clocks.is_new(device, at(received - late), at(received))
        };
        reports.into_iter().map(heard).collect()
    }

    fn believed(reports: impl IntoIterator<Item = (i64, i64)>) -> Vec<bool> {
        believed_of(Protocol::Jt808, reports)
    }

    #[test]
    fn a_clock_that_stays_slow_is_believed_to_be_slow() {
        for slow in [181, 35 * 60, 8 * 3_600, 400 * 86_400] {
            let late = [(0, slow), (10, slow + 2), (20, slow + 1), (30, slow)];
            assert_eq!(believed(late), [false, false, true, true], "{slow} s");
            assert_eq!(believed([(0, slow), (3_600, slow + 4)]), [false, true], "seldom, too");
            // Six reports in each frame: the newest was made just now.
            let frames = (0..3).flat_map(|frame| (0..6).map(move |nth| (frame * 60, slow + 50 - nth * 10)));
            let said = believed(frames);
            assert!(
                said[..6].iter().all(|just_now| !just_now) && said[11] && said[17],
                "{said:?}"
            );
        }
        // Of others nothing follows: as long as a report may take.
        assert_eq!(believed([(0, 180), (30, 180), (60, 180)]), [false; 3]);
        assert_eq!(believed([(0, -50), (30, -50), (60, -50)]), [false; 3]);
    }

    #[test]
    fn one_that_is_set_right_is_believed_at_once() {
        let set = [(0, 2_100), (30, 2_100), (40, 1), (50, 2_100), (60, 2_100), (70, 2_100)];
        assert_eq!(believed(set), [false, true, false, false, false, true]);
        // Less slow: at once. Slower: what is later than the clock is slow was stored, until it stays so.
        let less = [(0, 2_100), (30, 2_100), (40, 600), (50, 2_100), (75, 2_100)];
        assert_eq!(believed(less), [false, true, true, false, true]);
    }

    #[test]
    fn a_report_without_a_time_of_its_own_is_none_of_the_clocks() {
        let (clocks, device) = (SlowClocks::default(), DeviceId::from_name("a device"));
        let at = |second: i64| Timestamp::from_second(NOON + second).expect("a time");
        for second in [0, 30] {
            clocks.note(Protocol::Gt06, device, at(second - 2_100), at(second));
        }
        clocks.note(Protocol::Gt06, device, at(300 - 2_100), at(300));
        assert!(
            clocks.is_new(device, at(301 - 2_100), at(301)),
            "not noted, as without a place"
        );
        assert!(!clocks.is_new(device, at(301), at(301)), "of its receipt");
        assert!(!clocks.is_new(device, at(301 - 9_000), at(301)), "stored");
        assert!(!clocks.is_new(DeviceId::from_name("another"), at(301 - 2_100), at(301)));
    }

    #[test]
    fn what_was_stored_says_nothing_of_the_clock() {
        // At once, in steps, over a line that comes and goes, newest first.
        assert_eq!(believed((0..60).map(|nth| (nth / 20, 7_200 - nth * 60))), [false; 60]);
        assert_eq!(believed((0..60).map(|nth| (nth, 7_200 - nth * 59))), [false; 60]);
        assert_eq!(believed((0..60).map(|nth| (nth * 31, 9_000 - nth * 29))), [false; 60]);
        assert_eq!(believed((0..60).map(|nth| (nth, 3_600 + nth * 61))), [false; 60]);
        // The last fix, again and again.
        assert_eq!(believed((0..60).map(|nth| (nth * 10, 600 + nth * 10))), [false; 60]);
        // Ten minutes' worth every ten minutes.
        let batches = (0..6).flat_map(|batch| (0..10).map(move |nth| (batch * 600, 600 - nth * 60)));
        assert_eq!(believed(batches), [false; 60]);
        // Of a device whose clock is slow: of what it had stored nothing was made just now.
        let stored = (0..30).map(|nth| (40 + nth, 9_000 - nth * 59));
        let all = [(0, 2_100), (30, 2_100)].into_iter().chain(stored).chain([(80, 2_100)]);
        let said = believed(all);
        assert_eq!(said.iter().filter(|just_now| **just_now).count(), 2, "{said:?}");
        assert!(said[1] && said[32]);
    }

    #[test]
    fn local_times_have_their_time_to_be_found_out() {
        let west = (0..22).map(|nth| (nth * 10, 4 * 3_600));
        let said = believed_of(Protocol::Gt06, west);
        assert_eq!(said.iter().position(|slow| *slow), Some(20));
    }

    proptest! {
        /// A backlog made every few seconds and sent faster than it was made never makes the clock look slow, however deep it is.
        #[test]
        fn a_backlog_never_makes_a_clock_slow(depth in 181_i64..100_000, every in 2_i64..120, waits in 0_i64..60) {
            let waits = waits.min(every / 2);
            let reports = (0..2_000).map(|nth| (nth * waits, depth - nth * (every - waits)));
            let said = believed(reports.take_while(|(_, late)| *late >= 0));
            prop_assert!(said.iter().all(|slow| !slow), "{said:?}");
        }
    }
}
