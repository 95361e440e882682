//! The test device that shows whether the platform sees, and the times when it did not.
//!
//! It moves between two small exclusion zones in the middle of an ocean: whoever looks for a new onset or end of an event of its person
//! sees how far reports come through. [`alerts::canary`] judges.

mod pass;

use alerts::canary::Stage;
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, OrderId, PersonId, ZoneId};
use rand::Rng as _;
use serde_json::json;
use uuid::Uuid;

use crate::{
    Error, agency,
    device::{self, Device},
    order::{self, Order},
    person::{self, Person},
    pool::{GenericClient, Transaction, execute, optional, row},
    rules,
    zone::{self, Shape, Zone, ZoneKind},
};

pub use pass::{keep, listen, pass};

/// The agency that nobody else belongs to.
pub const AGENCY: &str = "canary";
/// The case reference of the person who is none.
pub const REFERENCE: &str = "CANARY";
/// What the device calls itself.
pub const IDENTITY: &str = "canary";
/// Centres of the two zones, longitude and latitude: 440 m apart, far from everybody.
pub const PLACES: [(f64, f64); 2] = [(-32.0, 10.0), (-31.996, 10.0)];
/// Of both zones.
const RADIUS_M: f64 = 80.0;
/// The key has this many bytes.
const KEY_BYTES: usize = 32;
/// How long its order runs.
const TERM: SignedDuration = SignedDuration::from_hours(24 * 365 * 20);

/// The canary as registered.
#[derive(Clone, PartialEq, Eq)]
pub struct Registered {
    /// Its person, who is none.
    pub person_id: PersonId,
    /// Its device.
    pub device_id: DeviceId,
    /// Key of the proof.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registered")
            .field("person_id", &self.person_id)
            .finish_non_exhaustive()
    }
}

/// A time when the platform was blind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blindness {
    /// Since when nothing was sure.
    pub since: Timestamp,
    /// Where reports ended.
    pub stage: String,
    /// When it was told.
    pub raised_at: Timestamp,
}

/// How the platform stands, as the case database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When the newest report of the canary that came through had been made; `None`: none within the last hour.
    pub newest_out: Option<Timestamp>,
    /// The same of the newest that raised an incident.
    pub newest_raised: Option<Timestamp>,
    /// Since when there is a canary at all.
    pub registered_at: Timestamp,
    /// A watcher is there that hears messages.
    pub heard: bool,
    /// What a watcher found and has not ended, the oldest first found.
    pub blind: Option<Blindness>,
    /// The database's clock.
    pub now: Timestamp,
}

// Two watchers that start at once must not make two canaries.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtextextended('homeward canary', 0))";
const FIND: &str = "SELECT c.person_id, c.device_id, d.secret FROM canary c JOIN device d USING (device_id)";
const REMEMBER: &str = "INSERT INTO canary (person_id, device_id) VALUES ($1, $2)";
const MARK: &str = "UPDATE person SET canary = true WHERE person_id = $1";
const STANDING: &str = "SELECT clock_timestamp() AS now,
        (SELECT max(GREATEST(e.onset_at, e.ended_at)) FROM event e WHERE e.person_id = c.person_id AND e.onset_at > now() - interval '1 hour') AS out,
        (SELECT max(i.onset_at) FROM incident i WHERE i.person_id = c.person_id AND i.raised_at > now() - interval '1 hour') AS raised,
        EXISTS (SELECT FROM canary_sink s WHERE s.seen_at > now() - interval '2 minutes') AS heard,
        b.since, b.stage, b.raised_at, c.created_at
    FROM canary c LEFT JOIN LATERAL (
        SELECT since, stage, raised_at FROM platform_blind WHERE ended_at IS NULL ORDER BY raised_at LIMIT 1
    ) b ON true";
const RAISE: &str =
    "INSERT INTO platform_blind (blind_id, watcher, since, stage, raised_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (blind_id) DO NOTHING";
const END: &str =
    "UPDATE platform_blind SET ended_at = GREATEST(raised_at, $2) WHERE blind_id = $1 AND ended_at IS NULL";
/// What a watcher found that ended before it could say so.
const END_ALL: &str =
    "UPDATE platform_blind SET ended_at = GREATEST(raised_at, $2) WHERE watcher = $1 AND ended_at IS NULL";

/// Finds the canary, or registers it: an agency of its own, a person, an order for 20 years, a device, and two zones.
pub async fn ensure(transaction: &Transaction<'_>, now: Timestamp) -> Result<Registered, Error> {
    row(transaction, ONE_AT_A_TIME, &[]).await?;
    if let Some(found) = optional(transaction, FIND, &[]).await? {
        return Ok(Registered {
            person_id: PersonId::new(found.try_get(0)?),
            device_id: DeviceId::new(found.try_get(1)?),
            secret: found.try_get::<_, Option<Vec<u8>>>(2)?.unwrap_or_default(),
        });
    }
    let agency_id = agency_id(transaction).await?;
    let person_id = PersonId::new(Uuid::now_v7());
    let person = Person {
        person_id,
        reference: REFERENCE.to_owned(),
        display_name: "Canary".to_owned(),
        risk_level: 4,
        police_agency_id: agency_id,
        social_agency_id: agency_id,
        social_worker_id: None,
        time_zone: "UTC".to_owned(),
        demo: false,
    };
    person::create(transaction, &person).await?;
    execute(transaction, MARK, &[&person_id.uuid()]).await?;
    let order = Order {
        order_id: OrderId::new(Uuid::now_v7()),
        person_id,
        legal_basis: "none: a test device that nobody wears".to_owned(),
        grounds: "test of the platform".to_owned(),
        starts_at: now,
        ends_at: now.saturating_add(TERM).unwrap_or(Timestamp::MAX),
        revoked_at: None,
    };
    order::create(transaction, &order).await?;
    let mut secret = vec![0; KEY_BYTES];
    rand::rng().fill_bytes(&mut secret);
    let device_id = DeviceId::new(Uuid::now_v7());
    let device = Device {
        device_id,
        protocol: "native".to_owned(),
        identity: IDENTITY.to_owned(),
        secret: Some(secret.clone()),
        model: "canary".to_owned(),
        ..Device::default()
    };
    device::register(transaction, &device).await?;
    device::assign(transaction, device_id, person_id, now).await?;
    for (index, (longitude, latitude)) in PLACES.into_iter().enumerate() {
        let zone_id = ZoneId::new(Uuid::now_v7());
        let zone = Zone {
            zone_id,
            label: format!("canary {}", index + 1),
            kind: ZoneKind::Exclusion,
            audience: zone::Audience::Both,
        };
        zone::create(transaction, &zone).await?;
        let shape = Shape {
            geometry: json!({"type": "Point", "coordinates": [longitude, latitude]}),
            radius_m: Some(RADIUS_M),
            buffer_m: 0.0,
            datum: proto::rules::Datum::Wgs84,
        };
        zone::revise(transaction, zone_id, &shape, None).await?;
        zone::attach(transaction, person_id, zone_id, None, false).await?;
    }
    rules::publish(transaction, person_id, now).await?;
    execute(transaction, REMEMBER, &[&person_id.uuid(), &device_id.uuid()]).await?;
    Ok(Registered {
        person_id,
        device_id,
        secret,
    })
}

/// The canary's agency, made where it is not there.
async fn agency_id(transaction: &Transaction<'_>) -> Result<Uuid, Error> {
    if let Some(found) = agency::by_path(transaction, AGENCY).await? {
        return Ok(found.agency_id);
    }
    let made = agency::Agency {
        agency_id: Uuid::now_v7(),
        path: AGENCY.to_owned(),
        name: "Canary (test of the platform)".to_owned(),
        kind: agency::AgencyKind::Administration,
        time_zone: "UTC".to_owned(),
    };
    agency::create(transaction, &made).await?;
    Ok(made.agency_id)
}

/// How the platform stands; `None`: there is no canary.
pub async fn standing(client: &impl GenericClient) -> Result<Option<Standing>, Error> {
    let Some(found) = optional(client, STANDING, &[]).await? else {
        return Ok(None);
    };
    let blind = match found.try_get::<_, Option<Timestamp>>("since")? {
        None => None,
        Some(since) => Some(Blindness {
            since,
            stage: found.try_get("stage")?,
            raised_at: found.try_get("raised_at")?,
        }),
    };
    Ok(Some(Standing {
        newest_out: found.try_get("out")?,
        newest_raised: found.try_get("raised")?,
        heard: found.try_get("heard")?,
        registered_at: found.try_get("created_at")?,
        blind,
        now: found.try_get("now")?,
    }))
}

/// Writes down that the platform is blind. Repeating it does nothing.
pub async fn raise(
    client: &impl GenericClient,
    blind_id: Uuid,
    watcher: &str,
    since: Timestamp,
    stage: Stage,
    now: Timestamp,
) -> Result<bool, Error> {
    Ok(execute(client, RAISE, &[&blind_id, &watcher, &since, &stage.name(), &now]).await? > 0)
}

/// Writes down that it sees again.
pub async fn end(client: &impl GenericClient, blind_id: Uuid, now: Timestamp) -> Result<bool, Error> {
    Ok(execute(client, END, &[&blind_id, &now]).await? > 0)
}

/// Ends what this watcher found in an earlier life.
pub async fn end_all(client: &impl GenericClient, watcher: &str, now: Timestamp) -> Result<u64, Error> {
    execute(client, END_ALL, &[&watcher, &now]).await
}
