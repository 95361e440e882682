//! Incidents as the console shows them.

mod concerned;
mod evidence;
mod list;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

pub use concerned::{Concerned, ConcernedList, SharedCause, concerned};
pub use evidence::{EventRow, Evidence};
pub use list::{Asked, IncidentList, NoPlace, OpenCounts, Place, has_opened, incidents, open_counts};

use super::{Fix, reads_places, scoped};
use crate::{
    Error, GenericClient,
    pool::{optional, rows},
};

/// Which incidents a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Not closed; most urgent first.
    Open,
    /// Closed; newest first.
    Closed,
    /// Open ones first, then closed ones.
    All,
}

/// A user, as named beside something done.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserName {
    /// Id.
    pub user_id: Uuid,
    /// Name.
    pub display_name: String,
}

/// The zone of an incident, where the viewer may see it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentZone {
    /// Id.
    pub zone_id: Uuid,
    /// Label.
    pub label: String,
    /// `inclusion`, `exclusion` or `neutral`.
    pub kind: String,
}

/// The person of an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentPerson {
    /// Id.
    pub person_id: Uuid,
    /// The agency's own case reference.
    pub reference: String,
    /// Name.
    pub display_name: String,
    /// 1 (highest) to 4.
    pub risk_level: i16,
}

/// How far up its ladder an incident has come.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Escalated {
    /// Time through the ladder, from 1.
    pub lap: i32,
    /// Step, from 1.
    pub step: i32,
}

/// A suspension.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Suspended {
    /// When it ends by itself.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// On whose authority.
    pub authority: String,
    /// Why.
    pub reason: String,
}

/// The incident that another is merged into.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct MergedInto {
    /// Id.
    pub incident_id: Uuid,
    /// The number people say.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub number: i64,
}

/// What an incident is, without its events.
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row as JSON: each says something of its own"
)]
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentFields {
    /// Id.
    pub incident_id: Uuid,
    /// The number people say.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub number: i64,
    /// Grows with each change.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub version: i64,
    /// Kind of the event that raised it, as `left_during_curfew`.
    pub kind: String,
    /// 1 (most urgent) to 4.
    pub severity: i16,
    /// `police`, `social_work` or `both`.
    pub audience: String,
    /// `raised`, `notified`, `acknowledged`, `in_action` or `closed`.
    pub state: String,
    /// The violation has not ended.
    pub ongoing: bool,
    /// A violation of it was judged from reports that the device had stored and sent later.
    pub late: bool,
    /// Late reports changed something that was told.
    pub corrected: bool,
    /// With all reports known, nothing of it happened.
    pub withdrawn: bool,
    /// When the violation began.
    #[schema(value_type = String, format = DateTime)]
    pub onset_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When the incident was raised.
    #[schema(value_type = String, format = DateTime)]
    pub raised_at: Timestamp,
    /// The zone; null where none is involved, or where the viewer may not see it.
    pub zone: Option<IncidentZone>,
    /// The person; null where it is about nobody in particular.
    pub person: Option<IncidentPerson>,
    /// How far up its ladder it has come since it last began to call, from 1; null before the second step.
    pub escalated: Option<Escalated>,
    /// Nobody is called about it until then, and why; null where it is not suspended.
    pub suspended: Option<Suspended>,
    /// The incident of the same root cause that it is merged into.
    pub merged_into: Option<MergedInto>,
    /// When it goes back to everybody, or its suspension ends, or the next step of its ladder is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub deadline_at: Option<Timestamp>,
    /// When it was first acknowledged.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// By whom.
    pub acknowledged_by: Option<UserName>,
    /// When it was closed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// By whom.
    pub closed_by: Option<UserName>,
    /// With which code.
    pub closing_code: Option<String>,
}

/// What officers handle.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Incident {
    /// The incident.
    #[serde(flatten)]
    pub fields: IncidentFields,
    /// How many events it groups.
    pub events: i64,
}

/// Something done about an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Action {
    /// Id; actions are in this order.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub action_id: i64,
    /// `raise`, `notify`, `acknowledge`, `start_action`, `take_over`, `note`, `close`, `event`, `reopen`, `expire`, `suspend`, `resume`,
    /// `wake`, `merge`, `adopt`, `split`, `release`; of the ladder `call`, `nobody`, `failed`; `carry_over`: the course of an incident
    /// from an older version begins.
    pub action: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub acted_at: Timestamp,
    /// By whom; null: the system.
    pub user: Option<UserName>,
    /// Words, maybe empty.
    pub text: String,
    /// The closing code. Of an event: `worsened`, `called_again`, or what a correction did: `moved`, `resumed`, `withdrawn`, `superseded`.
    pub code: Option<String>,
    /// Of a correction: when the violation ended, as far as it says.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Of an event: `onset` (it began once more), `end` or `correction`.
    pub edge: Option<String>,
    /// Who sees this.
    pub audience: String,
}

/// A zone on the map.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ZoneShape {
    /// Id.
    pub zone_id: Uuid,
    /// Label.
    pub label: String,
    /// `inclusion`, `exclusion` or `neutral`.
    pub kind: String,
    /// GeoJSON Point or LineString (with `radius_m`), Polygon or MultiPolygon; WGS-84.
    #[schema(value_type = Object)]
    pub geometry: serde_json::Value,
    /// Radius where the geometry is a point; half-width where it is a line. half-width of the corridor where it is a line.
    pub radius_m: Option<f64>,
    /// Warning buffer outside.
    pub buffer_m: f64,
    /// `wgs84`, `gcj02` or `bd09`: what the geometry was converted from when it was imported.
    pub datum: String,
}

/// A message about the incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NotificationRow {
    /// `console`, `mail` or `webhook`.
    pub channel: String,
    /// Address.
    pub recipient: String,
    /// `queued`, `sending`, `sent` or `dead`.
    pub state: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it went out.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sent_at: Option<Timestamp>,
    /// Why it did not.
    pub last_error: Option<String>,
}

/// An incident with everything about it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub fields: IncidentFields,
    /// The events, oldest first.
    pub events: Vec<EventRow>,
    /// What was done, oldest first.
    pub actions: Vec<Action>,
    /// The zones of the person that the viewer may see, the incident's first.
    pub zones: Vec<ZoneShape>,
    /// Where the person was around the time of the violation.
    pub track: Vec<Fix>,
    /// True when the track was longer than what is given.
    pub track_truncated: bool,
    /// The reader stated no purpose and case number: the track, and what the events were decided on, are left out.
    pub positions_withheld: bool,
    /// Messages sent about it.
    pub notifications: Vec<NotificationRow>,
    /// Why it is as urgent as it is: by the table, the risk level, the order (`sentence` says it in words); null where no event made it.
    #[schema(value_type = Option<Object>)]
    pub priority: Option<serde_json::Value>,
}

/// What [`fields`] reads, of an incident `i` with its person, a zone `z` and the users `ab` and `cb`; the number of the incident that it
/// is merged into comes from a source of incidents.
macro_rules! incident_columns {
    ($incidents:literal) => {
        concat!(
            "i.incident_id, i.number, i.version, i.kind, i.severity, i.audience, i.state, i.ongoing, i.onset_at,
            i.ended_at, i.raised_at, z.zone_id, z.label, z.kind, i.person_id, i.reference, i.display_name,
            i.risk_level, i.acknowledged_at, ab.user_id, ab.display_name, i.closed_at, cb.user_id, cb.display_name,
            i.closing_code, i.late, i.corrected, i.withdrawn, i.escalated_lap, i.escalated_step,
            i.suspended_until, i.suspended_authority, i.suspended_reason, i.merged_into,
            (SELECT r.number FROM ",
            $incidents,
            " r WHERE r.incident_id = i.merged_into), i.deadline_at"
        )
    };
}
pub(crate) use incident_columns;

fn user_name(row: &Row, at: usize) -> Result<Option<UserName>, Error> {
    let user_id: Option<Uuid> = row.try_get(at)?;
    let display_name: Option<String> = row.try_get(at + 1)?;
    Ok(user_id
        .zip(display_name)
        .map(|(user_id, display_name)| UserName { user_id, display_name }))
}

pub(crate) fn fields(row: &Row) -> Result<IncidentFields, Error> {
    let zone_id: Option<Uuid> = row.try_get(11)?;
    Ok(IncidentFields {
        incident_id: row.try_get(0)?,
        number: row.try_get(1)?,
        version: row.try_get(2)?,
        kind: row.try_get(3)?,
        severity: row.try_get(4)?,
        audience: row.try_get(5)?,
        state: row.try_get(6)?,
        ongoing: row.try_get(7)?,
        late: row.try_get(25)?,
        corrected: row.try_get(26)?,
        withdrawn: row.try_get(27)?,
        onset_at: row.try_get(8)?,
        ended_at: row.try_get(9)?,
        raised_at: row.try_get(10)?,
        zone: match zone_id {
            Some(zone_id) => Some(IncidentZone {
                zone_id,
                label: row.try_get(12)?,
                kind: row.try_get(13)?,
            }),
            None => None,
        },
        person: match row.try_get::<_, Option<Uuid>>(14)? {
            Some(person_id) => Some(IncidentPerson {
                person_id,
                reference: row.try_get(15)?,
                display_name: row.try_get(16)?,
                risk_level: row.try_get(17)?,
            }),
            None => None,
        },
        escalated: match (row.try_get::<_, Option<i32>>(28)?, row.try_get::<_, Option<i32>>(29)?) {
            (Some(lap), Some(step)) => Some(Escalated {
                lap: lap + 1,
                step: step + 1,
            }),
            _ => None,
        },
        suspended: match row.try_get(30)? {
            Some(until) => Some(Suspended {
                until,
                authority: row.try_get(31)?,
                reason: row.try_get(32)?,
            }),
            None => None,
        },
        merged_into: match (row.try_get(33)?, row.try_get(34)?) {
            (Some(incident_id), Some(number)) => Some(MergedInto { incident_id, number }),
            _ => None,
        },
        deadline_at: row.try_get(35)?,
        acknowledged_at: row.try_get(18)?,
        acknowledged_by: user_name(row, 19)?,
        closed_at: row.try_get(21)?,
        closed_by: user_name(row, 22)?,
        closing_code: row.try_get(24)?,
    })
}

/// Reads one incident with everything about it but the track (see [`super::around_incident`]). What the events were decided on is
/// among it where the reading of positions was declared in this transaction.
/// `None`: there is none, or the user may not see it.
pub async fn incident(
    client: &impl GenericClient,
    user_id: Uuid,
    incident_id: Uuid,
) -> Result<Option<IncidentDetail>, Error> {
    const ONE: &str = scoped!(concat!(
        "SELECT ",
        incident_columns!("visible_incident"),
        " FROM visible_incident i LEFT JOIN visible_zone z ON z.zone_id = i.zone_id
        LEFT JOIN app_user ab ON ab.user_id = i.acknowledged_by LEFT JOIN app_user cb ON cb.user_id = i.closed_by
        WHERE i.incident_id = $2"
    ));
    let Some(row) = optional(client, ONE, &[&user_id, &incident_id]).await? else {
        return Ok(None);
    };
    let fields = fields(&row)?;
    // Of nobody there are no events.
    let person_id = fields
        .person
        .as_ref()
        .map(|person| person.person_id)
        .unwrap_or_default();
    Ok(Some(IncidentDetail {
        fields,
        events: evidence::events(client, user_id, incident_id, person_id).await?,
        actions: actions(client, user_id, incident_id).await?,
        zones: zones(client, user_id, incident_id).await?,
        track: Vec::new(),
        track_truncated: false,
        positions_withheld: true,
        notifications: notifications(client, user_id, incident_id).await?,
        priority: priority(client, user_id, incident_id).await?,
    }))
}

async fn priority(
    client: &impl GenericClient,
    user_id: Uuid,
    incident_id: Uuid,
) -> Result<Option<serde_json::Value>, Error> {
    const SQL: &str = scoped!("SELECT i.priority FROM visible_incident i WHERE i.incident_id = $2");
    match optional(client, SQL, &[&user_id, &incident_id]).await? {
        Some(row) => Ok(row.try_get(0)?),
        None => Ok(None),
    }
}

async fn actions(client: &impl GenericClient, user_id: Uuid, incident_id: Uuid) -> Result<Vec<Action>, Error> {
    const SQL: &str = scoped!(
        "SELECT a.action_id, a.action, a.acted_at, u.user_id, u.display_name, a.text, a.code, a.audience,
            CASE WHEN e.edge = 'correction' AND NOT e.withdrawn THEN e.ended_at END, e.edge
        FROM visible_action a LEFT JOIN app_user u USING (user_id)
        LEFT JOIN event e ON e.event_id = a.event_id AND (e.zone_id IS NULL OR e.zone_id NOT IN (SELECT zone_id FROM hidden_zone))
        WHERE a.incident_id = $2 ORDER BY a.action_id"
    );
    let found = rows(client, SQL, &[&user_id, &incident_id]).await?;
    found
        .iter()
        .map(|row| {
            Ok(Action {
                action_id: row.try_get(0)?,
                action: row.try_get(1)?,
                acted_at: row.try_get(2)?,
                user: user_name(row, 3)?,
                text: row.try_get(5)?,
                code: row.try_get(6)?,
                audience: row.try_get(7)?,
                ended_at: row.try_get(8)?,
                edge: row.try_get(9)?,
            })
        })
        .collect()
}

async fn zones(client: &impl GenericClient, user_id: Uuid, incident_id: Uuid) -> Result<Vec<ZoneShape>, Error> {
    const SQL: &str = scoped!(concat!(
        "SELECT z.zone_id, z.label, z.kind, r.geometry, r.radius_m, r.buffer_m, r.datum
        FROM visible_incident i
        JOIN LATERAL (
            SELECT pz.zone_id FROM person_zone pz WHERE pz.person_id = i.person_id AND pz.removed_at IS NULL
            UNION SELECT i.zone_id WHERE i.zone_id IS NOT NULL
        ) wanted ON true
        JOIN visible_zone z ON z.zone_id = wanted.zone_id
        JOIN LATERAL (
            SELECT zr.geometry, zr.radius_m, zr.buffer_m, zr.datum FROM zone_revision zr WHERE zr.zone_id = z.zone_id
            ORDER BY zr.revision DESC LIMIT 1
        ) r ON true
        WHERE i.incident_id = $2 AND ",
        reads_places!(),
        " ORDER BY z.zone_id = i.zone_id DESC NULLS LAST, z.label LIMIT 100"
    ));
    let found = rows(client, SQL, &[&user_id, &incident_id]).await?;
    found
        .iter()
        .map(|row| {
            Ok(ZoneShape {
                zone_id: row.try_get(0)?,
                label: row.try_get(1)?,
                kind: row.try_get(2)?,
                geometry: row.try_get(3)?,
                radius_m: row.try_get(4)?,
                buffer_m: row.try_get(5)?,
                datum: row.try_get(6)?,
            })
        })
        .collect()
}

async fn notifications(
    client: &impl GenericClient,
    user_id: Uuid,
    incident_id: Uuid,
) -> Result<Vec<NotificationRow>, Error> {
    const SQL: &str = scoped!(
        "SELECT n.channel, coalesce(a.name, n.recipient), n.state, n.attempts, n.sent_at, n.last_error
        FROM visible_incident i JOIN notification n USING (incident_id)
        LEFT JOIN agency a ON n.recipient = 'agency:' || a.agency_id::text
        WHERE i.incident_id = $2 ORDER BY n.created_at DESC, n.notification_id LIMIT 100"
    );
    let found = rows(client, SQL, &[&user_id, &incident_id]).await?;
    found
        .iter()
        .map(|row| {
            Ok(NotificationRow {
                channel: row.try_get(0)?,
                recipient: row.try_get(1)?,
                state: row.try_get(2)?,
                attempts: row.try_get(3)?,
                sent_at: row.try_get(4)?,
                last_error: row.try_get(5)?,
            })
        })
        .collect()
}

/// When an incident was, and whose; enough to declare the reading of its positions.
#[derive(Debug, Clone)]
pub struct IncidentSpan {
    /// The number people say.
    pub number: i64,
    /// Whose; null: of nobody in particular.
    pub person_id: Option<Uuid>,
    /// When the violation began.
    pub onset_at: Timestamp,
    /// When it ended, or the incident was closed.
    pub ended_at: Option<Timestamp>,
}

/// Reads it. `None`: there is none, or the user may not see it.
pub async fn incident_span(
    client: &impl GenericClient,
    user_id: Uuid,
    incident_id: Uuid,
) -> Result<Option<IncidentSpan>, Error> {
    const SQL: &str = scoped!(
        "SELECT number, person_id, onset_at, coalesce(ended_at, closed_at) FROM visible_incident WHERE incident_id = $2"
    );
    let Some(row) = optional(client, SQL, &[&user_id, &incident_id]).await? else {
        return Ok(None);
    };
    Ok(Some(IncidentSpan {
        number: row.try_get(0)?,
        person_id: row.try_get(1)?,
        onset_at: row.try_get(2)?,
        ended_at: row.try_get(3)?,
    }))
}

/// Says whether the user sees this incident.
pub async fn may_see_incident(client: &impl GenericClient, user_id: Uuid, incident_id: Uuid) -> Result<bool, Error> {
    const SQL: &str = scoped!("SELECT 1 FROM visible_incident WHERE incident_id = $2");
    Ok(optional(client, SQL, &[&user_id, &incident_id]).await?.is_some())
}

/// Finds an incident that the user sees by the number people say.
pub async fn incident_by_number(
    client: &impl GenericClient,
    user_id: Uuid,
    number: i64,
) -> Result<Option<Uuid>, Error> {
    const SQL: &str = scoped!("SELECT incident_id FROM visible_incident WHERE number = $2");
    let found = optional(client, SQL, &[&user_id, &number]).await?;
    Ok(found.map(|row| row.try_get(0)).transpose()?)
}
