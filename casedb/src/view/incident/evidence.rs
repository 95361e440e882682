//! The events of an incident with what they were decided on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use prost::Message;
use proto::{event as words, wire};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Error, GenericClient, pool::rows, view::scoped};

/// A fix that decided.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Evidence {
    /// When the device was there.
    #[schema(value_type = String, format = DateTime)]
    pub fix_time: Timestamp,
    /// WGS-84 degrees.
    pub latitude: f64,
    /// WGS-84 degrees.
    pub longitude: f64,
    /// Stated accuracy.
    pub accuracy_m: Option<f32>,
    /// `gnss`, `wifi`, `cell`, `beacon` or `unknown`.
    pub source: String,
    /// Standard deviation across the edge that the decision model gives the fix; null for older events.
    pub sigma_m: Option<f64>,
    /// Distance to the zone's edge, negative inside. Null where it would tell where a protected person is.
    pub signed_distance_m: Option<f64>,
    /// Of what the event claims, by this fix alone.
    pub probability: f64,
}

/// One event of an incident, with its explanation.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventRow {
    /// Id.
    pub event_id: Uuid,
    /// Kind.
    pub kind: String,
    /// `onset`, `end` or `correction`.
    pub edge: String,
    /// When the violation began.
    #[schema(value_type = String, format = DateTime)]
    pub onset_at: Timestamp,
    /// When it ended, in the end event; in a correction its end as it is known now, null where it goes on or did not happen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When the engine knew.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Timestamp,
    /// Judged from reports that came after newer ones.
    pub late: bool,
    /// Of a correction: with the late reports, the violation did not happen.
    pub withdrawn: bool,
    /// Why, in one English sentence.
    pub sentence: String,
    /// The same in Simplified Chinese, made from it; null where the engine of another version wrote it.
    pub sentence_zh: Option<String>,
    /// The fixes that decided, oldest first; of nearness to a protected person, those of the supervised person alone.
    pub fixes: Vec<Evidence>,
    /// Of what the event claims, over all fixes; null for timers and what a device says.
    pub probability: Option<f64>,
    /// What the probability had to reach; null like it.
    pub threshold: Option<f64>,
    /// How many fixes had to agree; 0 where that is not asked.
    pub fixes_required: u32,
    /// Version of the decision model; null for older events and for what no model decides.
    pub model: Option<u32>,
    /// Revision of the zone; null where none is involved.
    #[serde(with = "crate::exact::option")]
    #[schema(schema_with = crate::exact::schema)]
    pub zone_revision: Option<i64>,
    /// Revision of the person's rules.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub rules_revision: i64,
    /// The order that the rules stand on.
    pub order_id: Option<Uuid>,
    /// Version of the time-zone database.
    pub time_zone_data: String,
}

/// Reads them, oldest first.
pub(super) async fn events(
    client: &impl GenericClient,
    user_id: Uuid,
    incident_id: Uuid,
    person_id: Uuid,
) -> Result<Vec<EventRow>, Error> {
    // The newest 200: a rule broken for weeks must not make its page unreadable.
    const SQL: &str = scoped!(
        "SELECT * FROM (
            SELECT e.event_id, e.kind, e.edge, e.onset_at, CASE WHEN NOT e.withdrawn THEN e.ended_at END, e.decided_at, e.late, e.withdrawn, e.zone_revision,
                e.rules_revision, event_payload(e.event_id)
            FROM visible_incident i JOIN incident_event ie USING (incident_id) JOIN event e USING (event_id)
            WHERE i.incident_id = $2 AND (e.zone_id IS NULL OR e.zone_id NOT IN (SELECT zone_id FROM hidden_zone))
            ORDER BY e.decided_at DESC, e.event_id LIMIT 200
        ) newest ORDER BY decided_at, edge DESC, event_id"
    );
    let found = rows(client, SQL, &[&user_id, &incident_id]).await?;
    let mut events = Vec::with_capacity(found.len());
    for row in &found {
        // It holds positions: none is there until the reading was written down.
        let payload: Option<&[u8]> = row.try_get(10)?;
        // An unreadable payload costs the explanation, not the page.
        let event = wire::Event::decode(payload.unwrap_or_default()).unwrap_or_default();
        let explanation = event.explanation.unwrap_or_default();
        let kind: String = row.try_get(1)?;
        let fixes = if is_near(&kind) {
            own(client, user_id, person_id, &explanation.fixes).await?
        } else {
            explanation.fixes.iter().filter_map(evidence).collect()
        };
        let zone_revision: i64 = row.try_get(8)?;
        let stated = |probability: f64| (probability > 0.0).then_some(probability);
        events.push(EventRow {
            event_id: row.try_get(0)?,
            kind,
            edge: row.try_get(2)?,
            onset_at: row.try_get(3)?,
            ended_at: row.try_get(4)?,
            decided_at: row.try_get(5)?,
            late: row.try_get(6)?,
            withdrawn: row.try_get(7)?,
            sentence_zh: alerts::why::in_chinese(&explanation.sentence),
            sentence: explanation.sentence,
            fixes,
            probability: stated(explanation.probability),
            threshold: stated(explanation.threshold),
            fixes_required: explanation.fixes_required,
            model: (explanation.model > 0).then_some(explanation.model),
            zone_revision: (zone_revision > 0).then_some(zone_revision),
            rules_revision: row.try_get(9)?,
            order_id: Uuid::from_slice(&event.order_id).ok(),
            time_zone_data: explanation.time_zone_data,
        });
    }
    Ok(events)
}

/// Kinds that tell of a protected person.
fn is_near(kind: &str) -> bool {
    matches!(
        words::parse_kind(kind),
        Some(wire::EventKind::Proximity | wire::EventKind::ProximityWarning)
    )
}

/// The fixes that are in the history of the supervised person, without distances: three of them would say where the protected
/// person is. Whatever an event may carry, nothing else of it reaches a page.
async fn own(
    client: &impl GenericClient,
    user_id: Uuid,
    person_id: Uuid,
    fixes: &[wire::FixEvidence],
) -> Result<Vec<Evidence>, Error> {
    const SQL: &str = scoped!(
        "SELECT f.report_id FROM visible_person p CROSS JOIN LATERAL own_reports(p.person_id, $3, $4) f (report_id)
        WHERE p.person_id = $2"
    );
    let ids: Vec<Uuid> = fixes.iter().map(report_id).collect();
    let times: Vec<Timestamp> = fixes
        .iter()
        .filter_map(|fix| Timestamp::from_microsecond(fix.fix_time_us).ok())
        .collect();
    let known = rows(client, SQL, &[&user_id, &person_id, &times, &ids])
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<BTreeSet<Uuid>, _>>()?;
    let own = fixes.iter().filter(|fix| known.contains(&report_id(fix)));
    Ok(own
        .filter_map(evidence)
        .map(|fix| Evidence {
            signed_distance_m: None,
            ..fix
        })
        .collect())
}

fn report_id(fix: &wire::FixEvidence) -> Uuid {
    Uuid::from_slice(&fix.report_id).unwrap_or_default()
}

fn evidence(fix: &wire::FixEvidence) -> Option<Evidence> {
    Some(Evidence {
        fix_time: Timestamp::from_microsecond(fix.fix_time_us).ok()?,
        latitude: f64::from(fix.latitude_e7) / 1e7,
        longitude: f64::from(fix.longitude_e7) / 1e7,
        accuracy_m: fix.accuracy_m,
        source: match proto::fix::source_name(fix.source()) {
            "" => "unknown".to_owned(),
            known => known.to_owned(),
        },
        sigma_m: (fix.sigma_m > 0.0).then_some(fix.sigma_m),
        signed_distance_m: Some(fix.signed_distance_m),
        probability: fix.probability,
    })
}
