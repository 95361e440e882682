//! What was learnt of devices' clocks, from one connection of a device to its next.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use codec::Clock;
use proto::DeviceId;

use crate::Known;

/// A device that was without a network begins with its oldest reports, by which nothing can be learnt. What this process has learnt is
/// kept here; what it, or another, has learnt before is in the directory. It grows with registered devices alone.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<HashMap<DeviceId, Clock>>);

impl Clocks {
    pub(super) fn of(&self, known: &Known) -> Option<Clock> {
        let clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = || {
            known.zone.map(|zone| Clock {
                offset_s: zone.offset_s.into(),
                local: zone.local,
            })
        };
        clocks.get(&known.device_id).copied().or_else(before)
    }

    pub(super) fn learn(&self, device: DeviceId, clock: Clock) {
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.insert(device, clock);
    }
}
