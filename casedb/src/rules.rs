//! A person's rules: composed from the tables and published into the stream through the outbox.

use jiff::Timestamp;
use prost::Message;
use proto::{PersonId, Revision, wire};
use tracing::info;
use uuid::Uuid;

use crate::{
    Database, Error,
    order::{self, Order},
    person,
    pool::{GenericClient, execute, optional, row, rows},
    zone::{self, PersonZone, geojson},
};

/// Channel that wakes the outbox relay.
pub const OUTBOX_CHANNEL: &str = "homeward_outbox";
/// Channel that tells gateways whose monitoring may have changed; its payload is the person's id.
pub const DIRECTORY_CHANNEL: &str = "homeward_directory";

/// Settings of a person's rules that no zone carries; seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What the device is set to.
    pub reporting_interval_s: i32,
    /// Silence is raised this long after the last report.
    pub silence_after_s: i32,
    /// How long outside during curfew before it counts.
    pub home_exit_grace_s: i32,
    /// An absence at curfew start is "late return" when it ends within this.
    pub late_return_after_s: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reporting_interval_s: 60,
            silence_after_s: 900,
            home_exit_grace_s: 0,
            late_return_after_s: 3_600,
        }
    }
}

const SETTINGS: &str = "SELECT reporting_interval_s, silence_after_s, home_exit_grace_s, late_return_after_s
    FROM person_rules WHERE person_id = $1";
const SET_SETTINGS: &str = "UPDATE person_rules SET reporting_interval_s = $2, silence_after_s = $3,
    home_exit_grace_s = $4, late_return_after_s = $5 WHERE person_id = $1";
/// The row stays locked until the commit, so that revisions of one person reach the outbox in their order.
const NEXT_REVISION: &str = "UPDATE person_rules SET revision = revision + 1 WHERE person_id = $1 RETURNING revision";
const KEEP: &str = "UPDATE person_rules SET published = $2, published_order_id = $3, published_valid_until = $4
    WHERE person_id = $1";
const PUBLISH: &str = "INSERT INTO outbox (person_id, payload) VALUES ($1, $2)";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";
const PUBLISHED: &str = "SELECT published FROM person_rules WHERE person_id = $1";
/// People whose order in force is not the one that was published last.
const STALE: &str = "SELECT r.person_id
    FROM person_rules r
    LEFT JOIN LATERAL (
        SELECT o.order_id, LEAST(o.ends_at, o.revoked_at) AS valid_until FROM supervision_order o
        WHERE o.person_id = r.person_id AND o.starts_at <= $1 AND o.ends_at > $1
          AND (o.revoked_at IS NULL OR o.revoked_at > $1)
        ORDER BY o.starts_at DESC, o.order_id DESC LIMIT 1) o ON true
    WHERE (o.order_id, o.valid_until) IS DISTINCT FROM (r.published_order_id, r.published_valid_until)
    ORDER BY r.person_id LIMIT 500";
const STILL_STALE: &str = "SELECT published_order_id, published_valid_until FROM person_rules
    WHERE person_id = $1 FOR UPDATE";

/// Reads the settings.
pub async fn settings(client: &impl GenericClient, person_id: PersonId) -> Result<Settings, Error> {
    let found = optional(client, SETTINGS, &[&person_id.uuid()]).await?;
    let found = found.ok_or_else(|| Error::not_found("person", person_id))?;
    Ok(Settings {
        reporting_interval_s: found.try_get(0)?,
        silence_after_s: found.try_get(1)?,
        home_exit_grace_s: found.try_get(2)?,
        late_return_after_s: found.try_get(3)?,
    })
}

/// Changes the settings. Publish in the same transaction.
pub async fn set_settings(client: &impl GenericClient, person_id: PersonId, settings: &Settings) -> Result<(), Error> {
    let values: [&(dyn postgres_types::ToSql + Sync); 5] = [
        &person_id.uuid(),
        &settings.reporting_interval_s,
        &settings.silence_after_s,
        &settings.home_exit_grace_s,
        &settings.late_return_after_s,
    ];
    match execute(client, SET_SETTINGS, &values).await? {
        0 => Err(Error::not_found("person", person_id)),
        _ => Ok(()),
    }
}

/// Composes a person's rules as of `now`, publishes them at the next revision and returns that.
///
/// Everything happens in the caller's transaction: the outbox row and the notifications become visible with the change
/// that they tell of, or not at all.
pub async fn publish(transaction: &impl GenericClient, person_id: PersonId, now: Timestamp) -> Result<Revision, Error> {
    let next = optional(transaction, NEXT_REVISION, &[&person_id.uuid()]).await?;
    let next: i64 = next.ok_or_else(|| Error::not_found("person", person_id))?.try_get(0)?;
    let revision = u64::try_from(next).map_err(|_| Error::Configuration(format!("rules revision {next}")))?;
    let order = order::in_force(transaction, person_id, now).await?;
    let rules = compose(transaction, person_id, revision, order.as_ref(), now).await?;
    let (order_id, valid_until) = order_key(order.as_ref());
    execute(
        transaction,
        KEEP,
        &[&person_id.uuid(), &rules.encode_to_vec(), &order_id, &valid_until],
    )
    .await?;
    let record = wire::ReportRecord {
        body: Some(wire::report_record::Body::Rules(rules)),
    };
    execute(transaction, PUBLISH, &[&person_id.uuid(), &record.encode_to_vec()]).await?;
    notify_outbox(transaction).await?;
    row(transaction, NOTIFY, &[&DIRECTORY_CHANNEL, &person_id.to_string()]).await?;
    Ok(revision)
}

/// Reads the rules as last published; `None` before the first publication.
pub async fn published(client: &impl GenericClient, person_id: PersonId) -> Result<Option<wire::Rules>, Error> {
    let found = optional(client, PUBLISHED, &[&person_id.uuid()]).await?;
    let bytes: Option<Vec<u8>> = found.ok_or_else(|| Error::not_found("person", person_id))?.try_get(0)?;
    bytes
        .map(|bytes| wire::Rules::decode(bytes.as_slice()))
        .transpose()
        .map_err(|error| Error::Configuration(format!("published rules of {person_id}: {error}")))
}

/// Publishes anew the rules of people whose order began, ended or was revoked since they were last published; returns
/// whose. The outbox relay calls this every few seconds.
pub async fn sweep(database: &Database, now: Timestamp) -> Result<Vec<PersonId>, Error> {
    let mut client = database.client().await?;
    let mut published = Vec::new();
    for stale in rows(&client, STALE, &[&now]).await? {
        let person_id = PersonId::new(stale.try_get(0)?);
        let transaction = client.transaction().await?;
        let before = row(&transaction, STILL_STALE, &[&person_id.uuid()]).await?;
        let order = order::in_force(&transaction, person_id, now).await?;
        let published_order: (Option<Uuid>, Option<Timestamp>) = (before.try_get(0)?, before.try_get(1)?);
        if published_order == order_key(order.as_ref()) {
            continue; // somebody else published meanwhile
        }
        publish(&transaction, person_id, now).await?;
        transaction.commit().await?;
        published.push(person_id);
    }
    if !published.is_empty() {
        info!(people = published.len(), "orders began or ended: rules published");
    }
    Ok(published)
}

pub(crate) async fn notify_outbox(transaction: &impl GenericClient) -> Result<(), Error> {
    row(transaction, NOTIFY, &[&OUTBOX_CHANNEL, &""]).await?;
    Ok(())
}

async fn compose(
    client: &impl GenericClient,
    person_id: PersonId,
    revision: Revision,
    order: Option<&Order>,
    now: Timestamp,
) -> Result<wire::Rules, Error> {
    let person = person::read(client, person_id).await?;
    let settings = settings(client, person_id).await?;
    let mut rules = wire::Rules {
        person_id: person_id.to_wire(),
        revision,
        active: false,
        time_zone: person.time_zone,
        reporting_interval_s: seconds(settings.reporting_interval_s),
        silence_after_s: seconds(settings.silence_after_s),
        home_exit_grace_s: seconds(settings.home_exit_grace_s),
        late_return_after_s: seconds(settings.late_return_after_s),
        valid_from_us: now.as_microsecond(),
        ..wire::Rules::default()
    };
    // Without a legal basis nothing is told to the stages that would judge by it, not even the zones.
    if let Some(order) = order {
        rules.active = true;
        rules.order_id = order.order_id.to_wire();
        rules.valid_from_us = order.starts_at.as_microsecond();
        rules.valid_until_us = Some(order.valid_until().as_microsecond());
        for person_zone in zone::of_person(client, person_id).await? {
            rules.zones.push(zone_to_wire(&person_zone)?);
        }
        rules.layer_ids = zone::layers_of(client, person_id)
            .await?
            .into_iter()
            .map(proto::LayerId::to_wire)
            .collect();
    }
    // What the engine would refuse must not get into the stream.
    proto::rules::Rules::try_from(&rules).map_err(|error| Error::Input(format!("rules of {person_id}: {error}")))?;
    Ok(rules)
}

fn zone_to_wire(person_zone: &PersonZone) -> Result<wire::Zone, Error> {
    Ok(wire::Zone {
        zone_id: person_zone.zone.zone_id.to_wire(),
        revision: person_zone.revision,
        kind: person_zone.zone.kind.to_wire().into(),
        geometry: Some(geojson::to_wire(
            &person_zone.shape.geometry,
            person_zone.shape.radius_m,
        )?),
        buffer_m: person_zone.shape.buffer_m,
        schedule: person_zone.schedule.as_ref().map(zone::Schedule::to_wire).transpose()?,
        attendance: person_zone.attendance,
        ..Default::default()
    })
}

fn order_key(order: Option<&Order>) -> (Option<Uuid>, Option<Timestamp>) {
    (order.map(|order| order.order_id.uuid()), order.map(Order::valid_until))
}

fn seconds(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
