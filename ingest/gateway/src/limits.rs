//! One session a device: the newest wins.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use proto::DeviceId;
use tokio_util::sync::CancellationToken;

/// The sessions of devices that have shown who they are.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    open: Mutex<HashMap<DeviceId, (u64, CancellationToken)>>,
}

impl Registry {
    /// Makes `session` the device's, and ends the one before; true when there was one.
    pub(crate) fn enter(&self, device: DeviceId, session: u64, end: &CancellationToken) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.insert(device, (session, end.clone())) {
            Some((before, token)) if before != session => {
                token.cancel();
                true
            }
            _ => false,
        }
    }

    /// Forgets a session, unless a newer one has taken its place.
    pub(crate) fn leave(&self, device: DeviceId, session: u64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&device).is_some_and(|(current, _)| *current == session) {
            open.remove(&device);
        }
    }
}
