//! Publications of a person's zones: each change with its author and its reason, kept for good.
//!
//! A user's role writes the publication (`zone_publication`), under the database's own rules; what follows from it, the zone itself,
//! its newest revision and whether the person has it, the program writes in the same transaction.

use jiff::Timestamp;
use proto::{PersonId, ZoneId, rules::Datum};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Audience, Schedule, Shape, Zone, ZoneKind, attach, create, datum, detach, people_with, revise, update};
use crate::{
    Error, Refused,
    access::{Beyond, step_out},
    pool::{GenericClient, optional, row},
};

/// What a zone asks of a person.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Content {
    /// For people to read.
    pub label: String,
    /// `inclusion`, `exclusion` or `neutral`.
    #[schema(value_type = String)]
    pub kind: ZoneKind,
    /// `police`, `social_work` or `both`.
    #[schema(value_type = String)]
    pub audience: Audience,
    /// GeoJSON geometry, WGS-84.
    #[schema(value_type = Object)]
    pub geometry: Value,
    /// Of a Point the radius, of a LineString the half-width of the corridor.
    pub radius_m: Option<f64>,
    /// Warning buffer outside an exclusion zone; 0: none.
    pub buffer_m: f64,
    /// What the geometry was converted from when it was imported: `wgs84`, `gcj02` or `bd09`.
    pub datum: String,
    /// When the rule holds, as in `docs/rules.schema.json`; null: always.
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<Value>,
    /// Of an inclusion zone with a schedule: be seen inside once in each interval, not all the time.
    pub attendance: bool,
    /// It is no zone of the person any more.
    pub removed: bool,
}

impl Content {
    fn zone(&self, zone_id: ZoneId) -> Zone {
        Zone {
            zone_id,
            label: self.label.clone(),
            kind: self.kind,
            audience: self.audience,
        }
    }

    fn shape(&self) -> Result<Shape, Error> {
        let datum: Datum = datum(&self.datum)?;
        Ok(Shape {
            geometry: self.geometry.clone(),
            radius_m: self.radius_m,
            buffer_m: self.buffer_m,
            datum,
        })
    }

    /// Where both are the same, nothing of the zone itself differs: only this person's schedule may.
    fn same_zone(&self, other: &Self) -> Result<bool, Error> {
        Ok(self.label == other.label && self.shape()? == other.shape()?)
    }

    /// From ten columns of a row, in the order of the fields, beginning at `at`.
    pub(crate) fn from_row(row: &Row, at: usize) -> Result<Self, Error> {
        Ok(Self {
            label: row.try_get(at)?,
            kind: row.try_get::<_, &str>(at + 1)?.parse()?,
            audience: row.try_get::<_, &str>(at + 2)?.parse()?,
            geometry: row.try_get(at + 3)?,
            radius_m: row.try_get(at + 4)?,
            buffer_m: row.try_get(at + 5)?,
            datum: row.try_get(at + 6)?,
            schedule: row.try_get(at + 7)?,
            attendance: row.try_get(at + 8)?,
            removed: row.try_get(at + 9)?,
        })
    }
}

/// A change of a person's zone that is to be published.
#[derive(Debug, Clone, Copy)]
pub struct Publishing<'a> {
    /// Whose zone.
    pub person_id: PersonId,
    /// Which.
    pub zone_id: ZoneId,
    /// What it asks now; `None`: the zone is new.
    pub before: Option<&'a Content>,
    /// The number of its newest publication that the author has seen; 0: none.
    pub seen: i64,
    /// What it is to ask.
    pub content: &'a Content,
    /// Why.
    pub reason: &'a str,
    /// By whom.
    pub by: Uuid,
}

const NEWEST: &str = "SELECT coalesce(max(number), 0) FROM zone_publication WHERE person_id = $1 AND zone_id = $2";
/// Whoever is slower of two finds the number taken.
const WRITE: &str =
    "INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry,
        radius_m, buffer_m, datum, schedule, attendance, removed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (person_id, zone_id, number) DO NOTHING RETURNING number";
/// What a zone asks as the tables stand, where the newest publication says something else, or there is none: by whom its revision is.
const RECORD: &str = "INSERT INTO zone_publication (person_id, zone_id, number, published_at, published_by, reason, label, kind, audience,
        geometry, radius_m, buffer_m, datum, schedule, attendance, removed)
    SELECT pz.person_id, pz.zone_id, coalesce(n.number, 0) + 1,
        CASE WHEN $4 THEN now() ELSE greatest(coalesce(pz.removed_at, r.created_at), n.published_at) END,
        coalesce($3, r.created_by), $5, z.label, z.kind, z.audience, r.geometry, r.radius_m, r.buffer_m, r.datum, pz.schedule,
        pz.attendance, pz.removed_at IS NOT NULL
    FROM person_zone pz JOIN zone z USING (zone_id)
    JOIN LATERAL (SELECT * FROM zone_revision zr WHERE zr.zone_id = z.zone_id ORDER BY revision DESC LIMIT 1) r ON true
    LEFT JOIN LATERAL (SELECT * FROM zone_publication p WHERE p.person_id = pz.person_id AND p.zone_id = pz.zone_id
        ORDER BY number DESC LIMIT 1) n ON true
    WHERE pz.person_id = $1 AND pz.zone_id = $2
        AND (n.number IS NULL OR (n.label, n.kind, n.audience, n.geometry, n.radius_m, n.buffer_m, n.datum, n.schedule, n.attendance, n.removed)
            IS DISTINCT FROM (z.label, z.kind, z.audience, r.geometry, r.radius_m, r.buffer_m, r.datum, pz.schedule, pz.attendance,
            pz.removed_at IS NOT NULL))
    ON CONFLICT (person_id, zone_id, number) DO NOTHING RETURNING number";

fn changed_meanwhile() -> Error {
    Refused::new(
        "zone_changed",
        "somebody else has changed this zone meanwhile: look at it again",
    )
    .into()
}

/// Publishes what a zone of a person is to ask, and returns the number of the publication. Call it in the transaction of the user, who
/// sees the person and the zone, and publish the person's rules in the same one.
///
/// The kind and the audience of a zone stay as they are: another makes another zone.
pub async fn publish(transaction: &impl GenericClient, asked: &Publishing<'_>, now: Timestamp) -> Result<i64, Error> {
    let (person, zone) = (asked.person_id.uuid(), asked.zone_id.uuid());
    let newest: i64 = row(transaction, NEWEST, &[&person, &zone]).await?.try_get(0)?;
    if newest != asked.seen {
        return Err(changed_meanwhile());
    }
    let content = asked.content;
    if asked.before == Some(content) {
        return Err(Refused::new("zone_same", "nothing is different from what is published").into());
    }
    let schedule = content.schedule.clone().map(Schedule::from_json).transpose()?;
    let mut number = asked.seen + 1;
    let outside = step_out(transaction, Beyond::Zones).await?;
    if asked.before.is_none() {
        // Without a shape, and nobody's, until its publication is written.
        create(transaction, &content.zone(asked.zone_id)).await?;
    } else if keep(transaction, asked.person_id, asked.zone_id).await? {
        // What a zone asked before its first publication, or was made to ask by the command line, can be gone back to.
        number += 1;
    }
    outside.back(transaction).await?;
    let values: [&(dyn postgres_types::ToSql + Sync); 15] = [
        &person,
        &zone,
        &number,
        &asked.by,
        &asked.reason,
        &content.label,
        &content.kind.as_str(),
        &content.audience.as_str(),
        &content.geometry,
        &content.radius_m,
        &content.buffer_m,
        &content.datum,
        &content.schedule,
        &content.attendance,
        &content.removed,
    ];
    if optional(transaction, WRITE, &values).await?.is_none() {
        return Err(changed_meanwhile());
    }
    let outside = step_out(transaction, Beyond::Zones).await?;
    follow(transaction, asked, schedule.as_ref(), now).await?;
    outside.back(transaction).await?;
    Ok(number)
}

/// Makes the zone and the person's having it what the publication says.
async fn follow(
    transaction: &impl GenericClient,
    asked: &Publishing<'_>,
    schedule: Option<&Schedule>,
    now: Timestamp,
) -> Result<(), Error> {
    let Publishing {
        person_id,
        zone_id,
        content,
        ..
    } = *asked;
    let same = match asked.before {
        Some(before) => before.same_zone(content)?,
        None => false,
    };
    if !same {
        let shape = content.shape()?;
        if asked.before.is_some() {
            let others = people_with(transaction, zone_id).await?;
            if others.iter().any(|other| *other != person_id) {
                return Err(Refused::new(
                    "zone_shared",
                    "other people have this zone as well: give this person a zone of their own instead",
                )
                .into());
            }
            update(transaction, &content.zone(zone_id)).await?;
        }
        if asked.before.map(Content::shape).transpose()?.as_ref() != Some(&shape) {
            revise(transaction, zone_id, &shape, Some(asked.by)).await?;
        }
    }
    if content.removed {
        detach(transaction, person_id, zone_id, now).await
    } else {
        attach(transaction, person_id, zone_id, schedule, content.attendance).await
    }
}

/// Keeps what a zone of a person asks now, where its newest publication says something else: as of its revision, by whom that is. Call
/// it before a change; true when something was kept.
pub async fn keep(transaction: &impl GenericClient, person_id: PersonId, zone_id: ZoneId) -> Result<bool, Error> {
    record_as(transaction, person_id, zone_id, None, false, "").await
}

/// Keeps what a zone of a person asks since this transaction, where its newest publication says something else. For changes that are
/// made elsewhere than by [`publish`].
pub async fn record(
    transaction: &impl GenericClient,
    person_id: PersonId,
    zone_id: ZoneId,
    by: Uuid,
    reason: &str,
) -> Result<(), Error> {
    record_as(transaction, person_id, zone_id, Some(by), true, reason)
        .await
        .map(drop)
}

async fn record_as(
    transaction: &impl GenericClient,
    person_id: PersonId,
    zone_id: ZoneId,
    by: Option<Uuid>,
    just_now: bool,
    reason: &str,
) -> Result<bool, Error> {
    let values: [&(dyn postgres_types::ToSql + Sync); 5] =
        [&person_id.uuid(), &zone_id.uuid(), &by, &just_now, &reason];
    Ok(optional(transaction, RECORD, &values).await?.is_some())
}
