//! A person's zones with everything on record of them.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::scoped;
use crate::{Error, GenericClient, pool::rows, zone::Content};

/// What a zone asked from a time on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ZonePublication {
    /// Counts from 1; 0 for what holds without ever having been published by anybody on record.
    pub number: i64,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
    /// By whom; null: the program, or nobody knows.
    pub published_by: Option<String>,
    /// Why.
    pub reason: String,
    /// What it asked.
    #[serde(flatten)]
    pub content: Content,
}

/// A zone of a person, now or before.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ZoneOnRecord {
    /// Its id.
    pub zone_id: Uuid,
    /// The number of the newest publication; 0: there is none. Whoever changes the zone says that they have seen it.
    pub seen: i64,
    /// What it asked, the newest first: that is what holds.
    pub publications: Vec<ZonePublication>,
}

impl ZoneOnRecord {
    /// What holds.
    pub fn newest(&self) -> Option<&ZonePublication> {
        self.publications.first()
    }
}

/// Most publications that are read at once: the newest of all zones.
const MOST: i64 = 1_000;

/// The zones of a person whom the user sees, without those for the other audience, by their names.
pub async fn zones_on_record(
    client: &impl GenericClient,
    user_id: Uuid,
    person_id: Uuid,
) -> Result<Vec<ZoneOnRecord>, Error> {
    const SQL: &str = scoped!(
        ", present AS (
            SELECT z.zone_id, 0::bigint AS number, coalesce(pz.removed_at, r.created_at) AS published_at, r.created_by AS published_by,
                ''::text AS reason, z.label, z.kind, z.audience, r.geometry, r.radius_m, r.buffer_m, r.datum, pz.schedule, pz.attendance,
                pz.removed_at IS NOT NULL AS removed, true AS present
            FROM visible_person p JOIN person_zone pz USING (person_id) JOIN visible_zone z USING (zone_id)
            JOIN LATERAL (SELECT zr.* FROM zone_revision zr WHERE zr.zone_id = z.zone_id ORDER BY zr.revision DESC LIMIT 1) r ON true
            WHERE p.person_id = $2
        ), past AS (
            SELECT n.zone_id, n.number, n.published_at, n.published_by, n.reason, n.label, n.kind, n.audience, n.geometry, n.radius_m,
                n.buffer_m, n.datum, n.schedule, n.attendance, n.removed, false AS present
            FROM visible_person p JOIN zone_publication n USING (person_id) JOIN visible_zone z USING (zone_id)
            WHERE p.person_id = $2 ORDER BY n.published_at DESC, n.number DESC LIMIT $3
        )
        SELECT a.zone_id, a.number, a.published_at, u.display_name, a.reason, a.label, a.kind, a.audience, a.geometry, a.radius_m, a.buffer_m,
            a.datum, a.schedule, a.attendance, a.removed, a.present
        FROM (SELECT * FROM present UNION ALL SELECT * FROM past) a
        JOIN present h ON h.zone_id = a.zone_id LEFT JOIN app_user u ON u.user_id = a.published_by
        ORDER BY h.removed, h.kind DESC, h.label, a.zone_id, a.present DESC, a.number DESC"
    );
    let mut zones: Vec<ZoneOnRecord> = Vec::new();
    for row in rows(client, SQL, &[&user_id, &person_id, &MOST]).await? {
        let zone_id: Uuid = row.try_get(0)?;
        let publication = ZonePublication {
            number: row.try_get(1)?,
            published_at: row.try_get(2)?,
            published_by: row.try_get(3)?,
            reason: row.try_get(4)?,
            content: Content::from_row(&row, 5)?,
        };
        match zones.last_mut().filter(|zone| zone.zone_id == zone_id) {
            None => zones.push(ZoneOnRecord {
                zone_id,
                seen: 0,
                publications: vec![publication],
            }),
            Some(zone) => {
                if zone.seen == 0 {
                    zone.seen = publication.number;
                    // What stands is what was published last: that says who and why.
                    if zone
                        .newest()
                        .is_some_and(|present| present.content == publication.content)
                    {
                        zone.publications.clear();
                    }
                }
                zone.publications.push(publication);
            }
        }
    }
    Ok(zones)
}
