//! Two gateways, one device: what they tell each other through the case database, so that one name that speaks over both is seen.
//!
//! Which gateway heard a device last stands in its status. Whoever finds another's name there, of the last minutes, has a device that
//! is heard at two gateways: it has moved, or it is two. Of such devices alone each gateway writes down its sessions and reads those of
//! the others (without places); [`crate::clone`] decides. All this is beside the way of reports: while the database is away, gateways
//! know their own sessions alone.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use casedb::{Client, Error, command, device::voices};
use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;

use crate::clone::{self, Registry, Told};

/// For so long after it was found at two gateways a device is looked at.
const LOOKED_AT: SignedDuration = SignedDuration::from_mins(15);
/// What nobody asks for any more is deleted this often.
const FORGET_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// The devices that were heard at two gateways lately.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    registry: Arc<Registry>,
    until: Mutex<HashMap<DeviceId, Timestamp>>,
    forgot: Mutex<Timestamp>,
}

impl Elsewhere {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            registry,
            until: Mutex::default(),
            forgot: Mutex::new(Timestamp::now()),
        }
    }

    /// Finds those of the devices heard here that another gateway has heard last. To be called before that is written over.
    pub(crate) async fn find(
        &self,
        client: &Client,
        devices: &[DeviceId],
        gateway: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let since = now.saturating_sub(LOOKED_AT).unwrap_or(Timestamp::MIN);
        let found = voices::heard_elsewhere(client, devices, gateway, since).await?;
        let until = now.saturating_add(LOOKED_AT).unwrap_or(Timestamp::MAX);
        let mut looked_at = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        looked_at.extend(found.into_iter().map(|device| (device, until)));
        Ok(())
    }

    /// Tells of sessions here and learns of those elsewhere.
    pub(crate) async fn exchange(&self, client: &Client, gateway: &str) -> Result<(), Error> {
        let now = Timestamp::now();
        let devices: Vec<DeviceId> = {
            let mut looked_at = self.until.lock().unwrap_or_else(PoisonError::into_inner);
            looked_at.retain(|_, until| now < *until);
            let mut devices: Vec<_> = looked_at.keys().copied().collect();
            devices.sort();
            devices
        };
        if devices.is_empty() {
            return Ok(());
        }
        // By the database's clock, which all gateways have.
        let theirs = command::clock(client).await?.duration_since(now);
        let out = |at: Timestamp| at.saturating_add(theirs).unwrap_or(Timestamp::MAX);
        let back = |at: Timestamp| at.saturating_sub(theirs).unwrap_or(Timestamp::MAX);
        let mut sessions = Vec::new();
        for device in &devices {
            let (told, suspected) = self.registry.told(*device, now);
            sessions.extend(told.into_iter().map(|told| voices::SessionElsewhere {
                device_id: *device,
                gateway: String::new(),
                session: i64::try_from(told.session).unwrap_or(i64::MAX),
                opened_at: out(told.opened),
                spoke_at: out(told.spoke),
                made_at: told.made,
                suspected_until: suspected.map(out),
            }));
        }
        voices::tell_sessions(client, gateway, &sessions).await?;
        let since = out(now).saturating_sub(LOOKED_AT).unwrap_or(Timestamp::MIN);
        for other in voices::sessions_elsewhere(client, &devices, gateway, since).await? {
            let told = Told {
                session: clone::number_elsewhere(&other.gateway, other.session),
                opened: back(other.opened_at),
                spoke: back(other.spoke_at),
                made: other.made_at,
            };
            self.registry
                .learn(other.device_id, &told, other.suspected_until.map(back), now);
        }
        if self.forgets(now) {
            voices::forget_sessions(client, since).await?;
        }
        Ok(())
    }

    fn forgets(&self, now: Timestamp) -> bool {
        let mut forgot = self.forgot.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.duration_since(*forgot) >= FORGET_EVERY;
        if due {
            *forgot = now;
        }
        due
    }
}
