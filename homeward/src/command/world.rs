//! The demo's world in the case database: who is in it, and schedules laid around a moment.

use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient, protect,
    rules::{self, Settings},
    zone::{self, Audience, Schedule, Shape, Zone, ZoneKind, schedule::Weekly},
};
use codec::Protocol;
use jiff::{Timestamp, tz::TimeZone};
use proto::wire;
use serde_json::json;
use sim::{
    World,
    person::{self, Person, PlannedHours, PlannedShape, PlannedZone},
    scenario::Scenario,
    town::{Town, round7},
    world,
};

use crate::{
    cli::{Spoken, Story, WorldArgs},
    config::Config,
};

/// The invented town lies here, so that a map of the region can be put under it.
const LATITUDE: f64 = 30.2825;
const LONGITUDE: f64 = 120.1600;
/// Time zone of the invented agency.
pub const TIME_ZONE: &str = "Asia/Shanghai";
/// Reference of the demo's first person.
pub const FIRST_REFERENCE: &str = "DEMO-0001";
/// People written in one transaction.
const BATCH: usize = 50;

/// The invented town.
pub fn town() -> Town {
    Town::new(LATITUDE, LONGITUDE)
}

/// Builds the world of the arguments, with second 0 at `start`.
pub fn build(config: &Config, arguments: &WorldArgs, start: Timestamp) -> Result<World> {
    let protocol = match arguments.protocol {
        Spoken::Mixed => None,
        Spoken::Native => Some(Protocol::Native),
        Spoken::Jt808 => Some(Protocol::Jt808),
        Spoken::Teltonika => Some(Protocol::Teltonika),
        Spoken::Gt06 => Some(Protocol::Gt06),
        Spoken::Eelink => Some(Protocol::Eelink),
    };
    if let Some(protocol @ (Protocol::Jt808 | Protocol::Gt06 | Protocol::Eelink)) = protocol
        && arguments.interval < 1.0
    {
        bail!(
            "--interval {}: {protocol} counts whole seconds; give 1 or more, or --protocol native",
            arguments.interval
        );
    }
    let world = World::new(world::Config {
        seed: arguments.seed,
        people: arguments.devices,
        scenario: match arguments.scenario {
            Story::Demo => Scenario::Demo,
            Story::Soak => Scenario::Soak,
            Story::Rare => Scenario::Rare,
            Story::Quiet => Scenario::Quiet,
        },
        start,
        interval_s: arguments.interval,
        latitude: LATITUDE,
        longitude: LONGITUDE,
    });
    if let Some(protocol) = protocol {
        return Ok(world.speaking(protocol));
    }
    let closed = |protocol: &Protocol| gateway(config, *protocol).is_empty();
    let missing: Vec<_> = Protocol::ALL.into_iter().filter(closed).collect();
    Ok(world.without(&missing))
}

/// Where the gateway of a protocol listens for datagrams; empty: nowhere, or the protocol has none.
pub fn datagram_gateway(config: &Config, protocol: Protocol) -> &str {
    match protocol {
        Protocol::Teltonika => &config.gateway.teltonika_udp_listen,
        Protocol::Eelink => &config.gateway.eelink_udp_listen,
        Protocol::Native | Protocol::Jt808 | Protocol::Gt06 => "",
    }
}

/// Where the gateway of a protocol listens; empty: nowhere.
pub fn gateway(config: &Config, protocol: Protocol) -> &str {
    let gateway = &config.gateway;
    match protocol {
        Protocol::Native => &gateway.native_listen,
        Protocol::Jt808 => &gateway.jt808_listen,
        Protocol::Teltonika => &gateway.teltonika_listen,
        Protocol::Gt06 => &gateway.gt06_listen,
        Protocol::Eelink => &gateway.eelink_listen,
    }
}

/// Writes everybody's zones, schedules and settings around the world's start, and publishes them.
pub async fn lay(database: &Database, world: &World, now: Timestamp) -> Result<()> {
    for people in world.people.chunks(BATCH) {
        let mut client = database.client().await?;
        let transaction = client.transaction().await.context("transaction")?;
        for person in people {
            lay_one(&transaction, world, person, now)
                .await
                .with_context(|| format!("person {}", person.person_id))?;
        }
        transaction.commit().await.context("commit")?;
    }
    Ok(())
}

async fn lay_one(client: &impl GenericClient, world: &World, person: &Person, now: Timestamp) -> Result<()> {
    let held = zone::of_person(client, person.person_id).await?;
    for planned in &person.zones {
        let shape = shape(world, planned);
        let known = held.iter().find(|held| held.zone.zone_id == planned.zone_id);
        if known.is_none() {
            let zone = Zone {
                zone_id: planned.zone_id,
                label: planned.label.to_owned(),
                kind: match planned.kind {
                    wire::ZoneKind::Exclusion => ZoneKind::Exclusion,
                    wire::ZoneKind::Neutral => ZoneKind::Neutral,
                    _ => ZoneKind::Inclusion,
                },
                audience: match planned.audience {
                    person::Audience::Police => Audience::Police,
                    person::Audience::Both => Audience::Both,
                },
            };
            if zone::read(client, planned.zone_id).await.is_err() {
                zone::create(client, &zone).await?;
            }
        }
        if known.is_none_or(|known| known.shape != shape) {
            zone::revise(client, planned.zone_id, &shape, None).await?;
        }
        let schedule = planned
            .hours
            .map(|hours| daily(world.config.start, hours))
            .transpose()?;
        zone::attach(
            client,
            person.person_id,
            planned.zone_id,
            schedule.as_ref(),
            planned.attendance,
        )
        .await?;
    }
    // Zones of another scenario do not linger.
    for held in &held {
        if !person.zones.iter().any(|planned| planned.zone_id == held.zone.zone_id) {
            zone::detach(client, person.person_id, held.zone.zone_id, now).await?;
        }
    }
    if person.protected.is_none() {
        for bound in protect::of_person(client, person.person_id, true).await? {
            protect::remove(client, bound.proximity_id, now).await?;
        }
    }
    let settings = Settings {
        reporting_interval_s: whole_seconds(world.config.interval_s),
        silence_after_s: person.silence_after_s.cast_signed(),
        home_exit_grace_s: 0,
        late_return_after_s: person.late_return_after_s.cast_signed(),
        ..Settings::default()
    };
    rules::set_settings(client, person.person_id, &settings).await?;
    rules::publish(client, person.person_id, now).await?;
    Ok(())
}

/// A planned shape as GeoJSON.
fn shape(world: &World, planned: &PlannedZone) -> Shape {
    let position = |local| {
        let (longitude, latitude) = world.town.lon_lat(local);
        json!([round7(longitude), round7(latitude)])
    };
    let (geometry, radius_m) = match &planned.shape {
        PlannedShape::Circle(centre, radius_m) => (
            json!({"type": "Point", "coordinates": position(*centre)}),
            Some(*radius_m),
        ),
        PlannedShape::Polygon(corners) => {
            let ring: Vec<_> = corners
                .iter()
                .chain(corners.first())
                .map(|corner| position(*corner))
                .collect();
            (json!({"type": "Polygon", "coordinates": [ring]}), None)
        }
    };
    Shape {
        geometry,
        radius_m,
        buffer_m: planned.buffer_m,
        datum: proto::rules::Datum::Wgs84,
    }
}

/// Hours around the start as a schedule of every day.
fn daily(start: Timestamp, hours: PlannedHours) -> Result<Schedule> {
    let zone = TimeZone::get(TIME_ZONE).context("time zone")?;
    let clock = |seconds: u32| format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let (from, until) = hours.local_seconds(start, &zone);
    let (from, until) = (clock(from), clock(until));
    let weekly = (1..=7)
        .map(|weekday| Weekly {
            weekday,
            start: from.clone(),
            end: until.clone(),
        })
        .collect();
    Ok(Schedule {
        weekly,
        ..Schedule::default()
    })
}

#[expect(clippy::cast_possible_truncation, reason = "an interval of seconds")]
fn whole_seconds(interval_s: f64) -> i32 {
    interval_s.ceil().clamp(1.0, 86_400.0) as i32
}
