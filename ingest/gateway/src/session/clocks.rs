//! What was learnt of devices' clocks, from one connection of a device to its next.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use codec::Clock;
use proto::DeviceId;

/// A device that was without a network begins with its oldest reports, by which nothing can be learnt: so it is kept while this process
/// runs. It grows with registered devices alone.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<HashMap<DeviceId, Clock>>);

impl Clocks {
    pub(super) fn of(&self, device: DeviceId) -> Option<Clock> {
        let clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.get(&device).copied()
    }

    pub(super) fn learn(&self, device: DeviceId, clock: Clock) {
        let mut clocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.insert(device, clock);
    }
}
