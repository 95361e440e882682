//! Zones (lists of immutable revisions), which person has which, and shared layers.

pub mod geojson;
mod publication;
pub mod schedule;
pub mod whereabouts;

use jiff::Timestamp;
use proto::{LayerId, PersonId, Revision, ZoneId, rules::Datum, wire};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, optional, row, rows},
    rules::notify_outbox,
    text::words,
};
pub use publication::{Content, Publishing, keep, publish, record};
pub use schedule::Schedule;

words! {
    /// What a zone asks of a person.
    ZoneKind, "kind of zone", {
        /// Must be inside while the schedule runs.
        Inclusion = "inclusion",
        /// Must stay outside.
        Exclusion = "exclusion",
        /// Report only.
        Neutral = "neutral",
    }
}

words! {
    /// Who may see something.
    Audience, "audience", {
        /// The police only.
        Police = "police",
        /// The social work station only.
        SocialWork = "social_work",
        /// Both.
        Both = "both",
    }
}

impl ZoneKind {
    /// The wire's number.
    pub const fn to_wire(self) -> wire::ZoneKind {
        match self {
            Self::Inclusion => wire::ZoneKind::Inclusion,
            Self::Exclusion => wire::ZoneKind::Exclusion,
            Self::Neutral => wire::ZoneKind::Neutral,
        }
    }
}

/// A zone, without its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its id.
    pub zone_id: ZoneId,
    /// For people to read.
    pub label: String,
    /// What it asks.
    pub kind: ZoneKind,
    /// Who may see it and the incidents it causes.
    pub audience: Audience,
}

/// The shape of a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// GeoJSON geometry: Point or LineString (with `radius_m`), Polygon or MultiPolygon; WGS-84.
    pub geometry: serde_json::Value,
    /// Of a Point the radius, of a LineString the half-width of the corridor.
    pub radius_m: Option<f64>,
    /// Warning buffer outside an exclusion zone; 0: none.
    pub buffer_m: f64,
    /// What the geometry was converted from when it was imported.
    pub datum: Datum,
}

/// A zone of a person, at its newest revision.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonZone {
    /// The zone.
    pub zone: Zone,
    /// The newest revision.
    pub revision: Revision,
    /// Its shape.
    pub shape: Shape,
    /// When the rule holds; `None`: always.
    pub schedule: Option<Schedule>,
    /// Be seen inside once in each interval, not all the time.
    pub attendance: bool,
}

const CREATE: &str = "INSERT INTO zone (zone_id, label, kind, audience) VALUES ($1, $2, $3, $4)";
const UPDATE: &str = "UPDATE zone SET label = $2, kind = $3, audience = $4 WHERE zone_id = $1";
const READ: &str = "SELECT zone_id, label, kind, audience FROM zone WHERE zone_id = $1";
/// The lock on the zone makes revisions of concurrent editors follow each other.
const LOCK: &str = "SELECT zone_id FROM zone WHERE zone_id = $1 FOR UPDATE";
const REVISE: &str = "INSERT INTO zone_revision (zone_id, revision, geometry, radius_m, buffer_m, created_by, datum)
    SELECT $1, COALESCE(max(revision), 0) + 1, $2, $3, $4, $5, $6 FROM zone_revision WHERE zone_id = $1
    RETURNING revision";
const SHAPE: &str =
    "SELECT geometry, radius_m, buffer_m, datum FROM zone_revision WHERE zone_id = $1 AND revision = $2";
const ATTACH: &str = "INSERT INTO person_zone (person_id, zone_id, schedule, attendance) VALUES ($1, $2, $3, $4)
    ON CONFLICT (person_id, zone_id) DO UPDATE
    SET schedule = excluded.schedule, attendance = excluded.attendance, removed_at = NULL";
const DETACH: &str =
    "UPDATE person_zone SET removed_at = $3 WHERE person_id = $1 AND zone_id = $2 AND removed_at IS NULL";
const OF_PERSON: &str = "SELECT z.zone_id, z.label, z.kind, z.audience, r.revision, r.geometry, r.radius_m, r.buffer_m,
        pz.schedule, pz.attendance, r.datum
    FROM person_zone pz
    JOIN zone z USING (zone_id)
    JOIN LATERAL (SELECT * FROM zone_revision zr WHERE zr.zone_id = z.zone_id ORDER BY revision DESC LIMIT 1) r ON true
    WHERE pz.person_id = $1 AND pz.removed_at IS NULL
    ORDER BY z.zone_id";
const PEOPLE_WITH: &str =
    "SELECT person_id FROM person_zone WHERE zone_id = $1 AND removed_at IS NULL ORDER BY person_id";

/// Adds a zone; it has no shape until [`revise`].
pub async fn create(client: &impl GenericClient, zone: &Zone) -> Result<(), Error> {
    plain::ZONE_LABEL.check(&zone.label)?;
    execute(
        client,
        CREATE,
        &[
            &zone.zone_id.uuid(),
            &zone.label,
            &zone.kind.as_str(),
            &zone.audience.as_str(),
        ],
    )
    .await?;
    Ok(())
}

/// Changes label, kind or audience. A changed kind takes effect with the next publication of the people who have the zone.
pub async fn update(client: &impl GenericClient, zone: &Zone) -> Result<(), Error> {
    plain::ZONE_LABEL.check(&zone.label)?;
    let count = execute(
        client,
        UPDATE,
        &[
            &zone.zone_id.uuid(),
            &zone.label,
            &zone.kind.as_str(),
            &zone.audience.as_str(),
        ],
    )
    .await?;
    if count == 0 {
        Err(Error::not_found("zone", zone.zone_id))
    } else {
        Ok(())
    }
}

/// Reads a zone.
pub async fn read(client: &impl GenericClient, zone_id: ZoneId) -> Result<Zone, Error> {
    let found = optional(client, READ, &[&zone_id.uuid()]).await?;
    zone_from_row(&found.ok_or_else(|| Error::not_found("zone", zone_id))?)
}

/// Adds a revision with a new shape and returns its number. Call it in a transaction, and publish the rules of
/// [`people_with`] the zone in the same one.
pub async fn revise(
    transaction: &impl GenericClient,
    zone_id: ZoneId,
    shape: &Shape,
    created_by: Option<Uuid>,
) -> Result<Revision, Error> {
    geojson::to_wire(&shape.geometry, shape.radius_m)?;
    if !shape.buffer_m.is_finite() {
        return Err(Error::Input(format!("buffer of {} m", shape.buffer_m)));
    }
    if optional(transaction, LOCK, &[&zone_id.uuid()]).await?.is_none() {
        return Err(Error::not_found("zone", zone_id));
    }
    let datum = shape.datum.name();
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &zone_id.uuid(),
        &shape.geometry,
        &shape.radius_m,
        &shape.buffer_m,
        &created_by,
        &datum,
    ];
    revision(row(transaction, REVISE, &values).await?.try_get(0)?)
}

/// Reads the shape of one revision.
pub async fn shape(client: &impl GenericClient, zone_id: ZoneId, revision: Revision) -> Result<Shape, Error> {
    let number = i64::try_from(revision).unwrap_or(i64::MAX);
    let found = optional(client, SHAPE, &[&zone_id.uuid(), &number]).await?;
    let found = found.ok_or_else(|| Error::not_found("zone revision", format!("{zone_id} {revision}")))?;
    Ok(Shape {
        geometry: found.try_get(0)?,
        radius_m: found.try_get(1)?,
        buffer_m: found.try_get(2)?,
        datum: datum(found.try_get(3)?)?,
    })
}

/// Gives a person a zone, or changes its schedule; with `attendance` (an inclusion zone with a schedule) being seen inside
/// once in each interval is enough. Publish the person's rules in the same transaction.
pub async fn attach(
    client: &impl GenericClient,
    person_id: PersonId,
    zone_id: ZoneId,
    schedule: Option<&Schedule>,
    attendance: bool,
) -> Result<(), Error> {
    let json = schedule.map(Schedule::to_json).transpose()?;
    execute(
        client,
        ATTACH,
        &[&person_id.uuid(), &zone_id.uuid(), &json, &attendance],
    )
    .await?;
    Ok(())
}

/// Takes a zone from a person. Publish the person's rules in the same transaction.
pub async fn detach(
    client: &impl GenericClient,
    person_id: PersonId,
    zone_id: ZoneId,
    now: Timestamp,
) -> Result<(), Error> {
    match execute(client, DETACH, &[&person_id.uuid(), &zone_id.uuid(), &now]).await? {
        0 => Err(Error::not_found("zone of this person", zone_id)),
        _ => Ok(()),
    }
}

/// Lists a person's zones at their newest revisions.
pub async fn of_person(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<PersonZone>, Error> {
    rows(client, OF_PERSON, &[&person_id.uuid()])
        .await?
        .iter()
        .map(person_zone_from_row)
        .collect()
}

/// Lists the people who have a zone: their rules must be published after a revision.
pub async fn people_with(client: &impl GenericClient, zone_id: ZoneId) -> Result<Vec<PersonId>, Error> {
    let found = rows(client, PEOPLE_WITH, &[&zone_id.uuid()]).await?;
    found.iter().map(|row| Ok(PersonId::new(row.try_get(0)?))).collect()
}

fn zone_from_row(row: &Row) -> Result<Zone, Error> {
    Ok(Zone {
        zone_id: ZoneId::new(row.try_get(0)?),
        label: row.try_get(1)?,
        kind: row.try_get::<_, &str>(2)?.parse()?,
        audience: row.try_get::<_, &str>(3)?.parse()?,
    })
}

fn person_zone_from_row(row: &Row) -> Result<PersonZone, Error> {
    let schedule: Option<serde_json::Value> = row.try_get(8)?;
    Ok(PersonZone {
        zone: zone_from_row(row)?,
        revision: revision(row.try_get(4)?)?,
        shape: Shape {
            geometry: row.try_get(5)?,
            radius_m: row.try_get(6)?,
            buffer_m: row.try_get(7)?,
            datum: datum(row.try_get(10)?)?,
        },
        schedule: schedule.map(Schedule::from_json).transpose()?,
        attendance: row.try_get(9)?,
    })
}

fn datum(name: &str) -> Result<Datum, Error> {
    Datum::parse(name).ok_or_else(|| Error::Configuration(format!("datum {name:?} is unknown")))
}

fn revision(number: i64) -> Result<Revision, Error> {
    Revision::try_from(number).map_err(|_| Error::Configuration(format!("revision {number} is negative")))
}

const CREATE_LAYER: &str = "INSERT INTO zone_layer (layer_id, label) VALUES ($1, $2)";
const LAYER_BY_LABEL: &str = "SELECT layer_id FROM zone_layer WHERE label = $1 ORDER BY layer_id LIMIT 2";
const LOCK_LAYER: &str = "SELECT layer_id FROM zone_layer WHERE layer_id = $1 FOR UPDATE";
const NEXT_LAYER: &str = "SELECT COALESCE(max(revision), 0) + 1 FROM zone_layer_revision WHERE layer_id = $1";
const REVISE_LAYER: &str =
    "INSERT INTO zone_layer_revision (layer_id, revision, content, content_hash) VALUES ($1, $2, $3, $4)";
const NEWEST_LAYER: &str = "SELECT max(revision) FROM zone_layer_revision WHERE layer_id = $1";
const READ_LAYER: &str = "SELECT content, content_hash FROM zone_layer_revision WHERE layer_id = $1 AND revision = $2";
const ATTACH_LAYER: &str =
    "INSERT INTO person_layer (person_id, layer_id) VALUES ($1, $2) ON CONFLICT (person_id, layer_id) DO NOTHING";
const DETACH_LAYER: &str = "DELETE FROM person_layer WHERE person_id = $1 AND layer_id = $2";
const LAYERS_OF: &str = "SELECT layer_id FROM person_layer WHERE person_id = $1 ORDER BY layer_id";
const PUBLISH_MARKER: &str = "INSERT INTO outbox (person_id, payload) VALUES (NULL, $1)";

/// Adds an empty shared layer.
pub async fn create_layer(client: &impl GenericClient, layer_id: LayerId, label: &str) -> Result<(), Error> {
    plain::LAYER_LABEL.check(label)?;
    execute(client, CREATE_LAYER, &[&layer_id.uuid(), &label]).await?;
    Ok(())
}

/// The layer of this label; an error where several have it.
pub async fn layer_by_label(client: &impl GenericClient, label: &str) -> Result<Option<LayerId>, Error> {
    let found = rows(client, LAYER_BY_LABEL, &[&label]).await?;
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(LayerId::new(one.try_get(0)?))),
        _ => Err(Error::Input(format!("several layers are called {label:?}"))),
    }
}

/// Stores a new revision of a layer and announces it in every partition, in the caller's transaction.
pub async fn publish_layer(
    transaction: &impl GenericClient,
    layer_id: LayerId,
    zones: Vec<wire::Zone>,
) -> Result<Revision, Error> {
    use prost::Message;
    if optional(transaction, LOCK_LAYER, &[&layer_id.uuid()]).await?.is_none() {
        return Err(Error::not_found("layer", layer_id));
    }
    let number: i64 = row(transaction, NEXT_LAYER, &[&layer_id.uuid()]).await?.try_get(0)?;
    let revision = revision(number)?;
    let content = wire::Layer {
        layer_id: layer_id.to_wire(),
        revision,
        zones,
    }
    .encode_to_vec();
    let hash = blake3::hash(&content).as_bytes().to_vec();
    execute(transaction, REVISE_LAYER, &[&layer_id.uuid(), &number, &content, &hash]).await?;
    let marker = wire::LayerMarker {
        layer_id: layer_id.to_wire(),
        revision,
        content_hash: hash,
    };
    let record = wire::ReportRecord {
        body: Some(wire::report_record::Body::Layer(marker)),
    };
    execute(transaction, PUBLISH_MARKER, &[&record.encode_to_vec()]).await?;
    notify_outbox(transaction).await?;
    Ok(revision)
}

/// Reads a layer's encoded content at a revision and checks it against its hash.
pub async fn layer_content(
    client: &impl GenericClient,
    layer_id: LayerId,
    revision: Revision,
) -> Result<Vec<u8>, Error> {
    let number = i64::try_from(revision).unwrap_or(i64::MAX);
    let found = optional(client, READ_LAYER, &[&layer_id.uuid(), &number]).await?;
    let found = found.ok_or_else(|| Error::not_found("layer revision", format!("{layer_id} {revision}")))?;
    let (content, hash): (Vec<u8>, Vec<u8>) = (found.try_get(0)?, found.try_get(1)?);
    if blake3::hash(&content).as_bytes().as_slice() != hash {
        return Err(Error::Configuration(format!(
            "layer {layer_id} revision {revision}: content differs from its hash"
        )));
    }
    Ok(content)
}

/// Reads a layer at its newest revision; `None` where it has none yet.
pub async fn newest_layer(client: &impl GenericClient, layer_id: LayerId) -> Result<Option<wire::Layer>, Error> {
    use prost::Message;
    let newest: Option<i64> = row(client, NEWEST_LAYER, &[&layer_id.uuid()]).await?.try_get(0)?;
    let Some(newest) = newest else { return Ok(None) };
    let content = layer_content(client, layer_id, revision(newest)?).await?;
    wire::Layer::decode(content.as_slice())
        .map(Some)
        .map_err(|error| Error::Configuration(format!("layer {layer_id} revision {newest}: {error}")))
}

/// Makes a layer apply to a person. Publish the person's rules in the same transaction.
pub async fn attach_layer(client: &impl GenericClient, person_id: PersonId, layer_id: LayerId) -> Result<(), Error> {
    execute(client, ATTACH_LAYER, &[&person_id.uuid(), &layer_id.uuid()]).await?;
    Ok(())
}

/// Takes a layer from a person. Publish the person's rules in the same transaction.
pub async fn detach_layer(client: &impl GenericClient, person_id: PersonId, layer_id: LayerId) -> Result<(), Error> {
    execute(client, DETACH_LAYER, &[&person_id.uuid(), &layer_id.uuid()]).await?;
    Ok(())
}

/// Lists the layers that apply to a person.
pub async fn layers_of(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<LayerId>, Error> {
    let found = rows(client, LAYERS_OF, &[&person_id.uuid()]).await?;
    found.iter().map(|row| Ok(LayerId::new(row.try_get(0)?))).collect()
}
