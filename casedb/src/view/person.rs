//! People as the console shows them.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Asked, Incident, IncidentState, ZoneShape, incidents, reads_places, scoped};
use crate::{
    Error, GenericClient,
    pool::{optional, rows},
};

/// A person in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonRow {
    /// Id.
    pub person_id: Uuid,
    /// The agency's own case reference.
    pub reference: String,
    /// Name.
    pub display_name: String,
    /// 1 (highest) to 4.
    pub risk_level: i16,
    /// Incidents that the viewer sees and that are not closed.
    pub open_incidents: i64,
    /// Time of the newest fix of the last 30 days.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_fix_at: Option<Timestamp>,
    /// An order is in force and a device is assigned.
    pub monitored: bool,
}

/// The legal basis: the one in force, or the newest.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OrderRow {
    /// Id.
    pub order_id: Uuid,
    /// The law.
    pub legal_basis: String,
    /// Why.
    pub grounds: String,
    /// Start of the term.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// End of the term.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// It is in force now.
    pub in_force: bool,
}

/// The device that the person wears.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceRow {
    /// Id.
    pub device_id: Uuid,
    /// Protocol.
    pub protocol: String,
    /// As printed on it.
    pub identity: String,
    /// Model.
    pub model: String,
    /// Since when this person wears it.
    #[schema(value_type = String, format = DateTime)]
    pub assigned_at: Timestamp,
    /// When it was last connected.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen_at: Option<Timestamp>,
    /// When its newest report came in.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_report_at: Option<Timestamp>,
    /// Battery, in the newest report that says so.
    pub battery_percent: Option<i16>,
}

/// A zone of a person, with its schedule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonZone {
    /// The zone.
    #[serde(flatten)]
    pub shape: ZoneShape,
    /// `police`, `social_work` or `both`.
    pub audience: String,
    /// When the rule holds, as in `docs/rules.schema.json`; null: always.
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<serde_json::Value>,
    /// Of an inclusion zone with a schedule: be seen inside once in each interval, not all the time.
    pub attendance: bool,
}

/// A person with what applies to them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PersonDetail {
    /// Id.
    pub person_id: Uuid,
    /// The agency's own case reference.
    pub reference: String,
    /// Name.
    pub display_name: String,
    /// 1 (highest) to 4.
    pub risk_level: i16,
    /// IANA name; of the schedules.
    pub time_zone: String,
    /// The police unit.
    pub police_agency: String,
    /// The social-work agency.
    pub social_agency: String,
    /// The social worker in charge.
    pub social_worker: Option<String>,
    /// The legal basis.
    pub order: Option<OrderRow>,
    /// The device.
    pub device: Option<DeviceRow>,
    /// The zones that the viewer may see.
    pub zones: Vec<PersonZone>,
    /// Incidents not closed.
    pub open_incidents: Vec<Incident>,
}

/// Lists people whose name or reference contains `query` (not told apart by case), those with open incidents first.
pub async fn people(
    client: &impl GenericClient,
    user_id: Uuid,
    query: &str,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<PersonRow>, Error> {
    const SQL: &str = scoped!(
        ", page AS MATERIALIZED (
            SELECT p.*, o.count FROM visible_person p
            LEFT JOIN (SELECT person_id, count(*) FROM visible_incident WHERE state <> 'closed' GROUP BY person_id) o
                USING (person_id)
            WHERE $2 = '' OR position(lower($2) IN lower(p.display_name)) > 0
                OR position(lower($2) IN lower(p.reference)) > 0
            ORDER BY coalesce(o.count, 0) > 0 DESC, p.display_name, p.person_id LIMIT $4
        )
        SELECT p.person_id, p.reference, p.display_name, p.risk_level, coalesce(p.count, 0), last.last_fix_at,
            EXISTS (SELECT FROM order_term t WHERE t.person_id = p.person_id AND t.starts_at <= $3 AND t.ends_at > $3)
            AND EXISTS (SELECT FROM device_assignment d WHERE d.person_id = p.person_id AND d.ended_at IS NULL)
        FROM page p
        LEFT JOIN signs_of_life(ARRAY(SELECT person_id FROM page), $3::timestamptz - interval '30 days') last USING (person_id)
        ORDER BY coalesce(p.count, 0) > 0 DESC, p.display_name, p.person_id"
    );
    let found = rows(client, SQL, &[&user_id, &query, &now, &limit]).await?;
    found
        .iter()
        .map(|row| {
            Ok(PersonRow {
                person_id: row.try_get(0)?,
                reference: row.try_get(1)?,
                display_name: row.try_get(2)?,
                risk_level: row.try_get(3)?,
                open_incidents: row.try_get(4)?,
                last_fix_at: row.try_get(5)?,
                monitored: row.try_get(6)?,
            })
        })
        .collect()
}

/// Reads one person. `None`: there is none, or the user may not see them.
pub async fn person(
    client: &impl GenericClient,
    user_id: Uuid,
    person_id: Uuid,
    now: Timestamp,
) -> Result<Option<PersonDetail>, Error> {
    const SQL: &str = scoped!(
        "SELECT p.person_id, p.reference, p.display_name, p.risk_level, p.time_zone, pa.name, sa.name, w.display_name,
            o.order_id, o.legal_basis, o.grounds, o.starts_at, o.ends_at, o.revoked_at,
            o.in_force,
            d.device_id, d.protocol, d.identity, d.model, d.assigned_at, s.last_seen_at, l.last_report_at, l.battery_percent
        FROM visible_person p
        JOIN agency pa ON pa.agency_id = p.police_agency_id JOIN agency sa ON sa.agency_id = p.social_agency_id
        LEFT JOIN app_user w ON w.user_id = p.social_worker_id
        LEFT JOIN LATERAL (
            SELECT o.*, EXISTS (SELECT FROM order_term t WHERE t.order_id = o.order_id AND t.starts_at <= $3 AND t.ends_at > $3)
                AS in_force
            FROM supervision_order o WHERE o.person_id = p.person_id ORDER BY in_force DESC, o.starts_at DESC LIMIT 1
        ) o ON true
        LEFT JOIN LATERAL (
            SELECT d.device_id, d.protocol, d.identity, d.model, da.assigned_at FROM device_assignment da JOIN device d USING (device_id)
            WHERE da.person_id = p.person_id AND da.ended_at IS NULL ORDER BY da.assigned_at DESC LIMIT 1
        ) d ON true
        LEFT JOIN device_status s ON s.device_id = d.device_id
        LEFT JOIN signs_of_life(ARRAY[$2::uuid], $3::timestamptz - interval '30 days') l ON true
        WHERE p.person_id = $2"
    );
    let Some(row) = optional(client, SQL, &[&user_id, &person_id, &now]).await? else {
        return Ok(None);
    };
    let asked = Asked {
        state: IncidentState::Open,
        person_id: Some(person_id),
        severity: None,
        mine: false,
        after: None,
        limit: 100,
    };
    let open = incidents(client, user_id, &asked, None).await?;
    Ok(Some(PersonDetail {
        person_id: row.try_get(0)?,
        reference: row.try_get(1)?,
        display_name: row.try_get(2)?,
        risk_level: row.try_get(3)?,
        time_zone: row.try_get(4)?,
        police_agency: row.try_get(5)?,
        social_agency: row.try_get(6)?,
        social_worker: row.try_get(7)?,
        order: order(&row)?,
        device: device(&row)?,
        zones: zones(client, user_id, person_id).await?,
        open_incidents: open.incidents,
    }))
}

fn order(row: &Row) -> Result<Option<OrderRow>, Error> {
    let Some(order_id) = row.try_get(8)? else {
        return Ok(None);
    };
    Ok(Some(OrderRow {
        order_id,
        legal_basis: row.try_get(9)?,
        grounds: row.try_get(10)?,
        starts_at: row.try_get(11)?,
        ends_at: row.try_get(12)?,
        revoked_at: row.try_get(13)?,
        in_force: row.try_get(14)?,
    }))
}

fn device(row: &Row) -> Result<Option<DeviceRow>, Error> {
    let Some(device_id) = row.try_get(15)? else {
        return Ok(None);
    };
    Ok(Some(DeviceRow {
        device_id,
        protocol: row.try_get(16)?,
        identity: row.try_get(17)?,
        model: row.try_get(18)?,
        assigned_at: row.try_get(19)?,
        last_seen_at: row.try_get(20)?,
        last_report_at: row.try_get(21)?,
        battery_percent: row.try_get(22)?,
    }))
}

async fn zones(client: &impl GenericClient, user_id: Uuid, person_id: Uuid) -> Result<Vec<PersonZone>, Error> {
    const SQL: &str = scoped!(concat!(
        "SELECT z.zone_id, z.label, z.kind, r.geometry, r.radius_m, r.buffer_m, z.audience, pz.schedule,
            pz.attendance, r.datum
        FROM visible_person p JOIN person_zone pz USING (person_id) JOIN visible_zone z USING (zone_id)
        JOIN LATERAL (
            SELECT zr.geometry, zr.radius_m, zr.buffer_m, zr.datum FROM zone_revision zr WHERE zr.zone_id = z.zone_id
            ORDER BY zr.revision DESC LIMIT 1
        ) r ON true
        WHERE p.person_id = $2 AND pz.removed_at IS NULL AND ",
        reads_places!(),
        " ORDER BY z.kind DESC, z.label LIMIT 100"
    ));
    let found = rows(client, SQL, &[&user_id, &person_id]).await?;
    found
        .iter()
        .map(|row| {
            Ok(PersonZone {
                shape: ZoneShape {
                    zone_id: row.try_get(0)?,
                    label: row.try_get(1)?,
                    kind: row.try_get(2)?,
                    geometry: row.try_get(3)?,
                    radius_m: row.try_get(4)?,
                    buffer_m: row.try_get(5)?,
                    datum: row.try_get(9)?,
                },
                audience: row.try_get(6)?,
                schedule: row.try_get(7)?,
                attendance: row.try_get(8)?,
            })
        })
        .collect()
}

/// Says whether the user sees this person.
pub async fn may_see_person(client: &impl GenericClient, user_id: Uuid, person_id: Uuid) -> Result<bool, Error> {
    const SQL: &str = scoped!("SELECT 1 FROM visible_person WHERE person_id = $2");
    Ok(optional(client, SQL, &[&user_id, &person_id]).await?.is_some())
}
