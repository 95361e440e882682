//! Moving zones: keep away from a protected person, wherever they are. Judged on every new fix of either.
//!
//! The distance between two people is known as well as both their fixes, and as well as the older one is fresh: each second
//! between the two fixes adds [`DRIFT_MPS`] to the uncertainty. Pairs more than [`OLDEST_US`] apart say nothing.
//!
//! No event says where the protected person is: its evidence has the supervised person's fixes and no distances.

use serde::{Deserialize, Serialize};

use crate::{
    belief::{SILENCE_S, Seen, see},
    explain::Writer,
    geodesy::distance_m,
    journal::{Entry, Recent},
    live::{MovingZone, Ruled},
    timetable::Timetables,
    tracker::{Step, Tracker},
};

/// Standard deviation that a second of age adds, metres: a brisk walk.
pub const DRIFT_MPS: f64 = 1.5;
/// Fixes of the two farther apart in time than this are not compared, microseconds.
pub const OLDEST_US: i64 = 600_000_000;

/// The state of one (person, protected person).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moving {
    zone: Tracker,
    buffer: Option<Tracker>,
    /// The protected person's newest fix.
    newest: Option<Entry>,
    /// Of the last pair that was compared, the later time.
    compared_us: Option<i64>,
}

/// How near the two are, or may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) at_us: i64,
    /// Beyond the distance to keep, negative within.
    signed_distance_m: f64,
    seen: Seen,
}

impl Moving {
    pub(crate) const fn new(zone: Tracker, buffer: Option<Tracker>) -> Self {
        Self {
            zone,
            buffer,
            newest: None,
            compared_us: None,
        }
    }

    pub(crate) fn saw(&mut self, entry: &Entry) {
        self.newest = Some(*entry);
    }

    /// A buffer before its zone.
    pub(crate) fn trackers(&self) -> impl Iterator<Item = (bool, &Tracker)> {
        self.buffer
            .iter()
            .map(|tracker| (true, tracker))
            .chain([(false, &self.zone)])
    }

    /// As [`Self::trackers`].
    pub(crate) fn trackers_mut(&mut self) -> impl Iterator<Item = (bool, &mut Tracker)> {
        self.buffer
            .iter_mut()
            .map(|tracker| (true, tracker))
            .chain([(false, &mut self.zone)])
    }

    /// Compares the person's newest fix with the protected person's.
    pub(crate) fn measure(&self, own: &Entry, keep_m: f64) -> Option<Measured> {
        let other = self.newest.as_ref()?;
        let apart_us = own.time_us.saturating_sub(other.time_us).saturating_abs();
        if apart_us > OLDEST_US {
            return None;
        }
        let drift_m = DRIFT_MPS * apart_us as f64 / 1e6;
        let (a, b) = (own.sigma_m(), other.sigma_m());
        let one = see(own.source(), own.accuracy_m(), None, 0.0);
        // The later of the two is the fix that is being judged.
        let at_us = own.time_us.max(other.time_us);
        let silence_us = self
            .compared_us
            .map_or(0, |compared_us| at_us.saturating_sub(compared_us));
        Some(Measured {
            at_us,
            signed_distance_m: distance_m(own.lon_lat(), other.lon_lat()) - keep_m,
            seen: Seen {
                sigma_m: (a * a + b * b + drift_m * drift_m).sqrt(),
                good: 0.0,
                trusted: own.trusted() && other.trusted(),
                after_silence: silence_us as f64 / 1e6 > SILENCE_S,
                ..one
            },
        })
    }

    pub(crate) fn judge(
        &mut self,
        zone: &MovingZone,
        measured: &Measured,
        fixes: &Recent,
        ruled: &Ruled<'_>,
        timetables: &mut Timetables,
        writer: &mut Writer<'_>,
    ) {
        self.compared_us = Some(measured.at_us);
        if measured.at_us < zone.in_force_us {
            return;
        }
        for (buffer, tracker) in self.trackers_mut() {
            let out_m = if buffer { zone.buffer_m } else { 0.0 };
            let step = Step {
                at_us: measured.at_us,
                signed_distance_m: measured.signed_distance_m - out_m,
                seen: &measured.seen,
                fixes,
            };
            tracker.on_fix(&ruled.moving_target(zone, buffer), step, timetables, writer);
        }
    }
}
