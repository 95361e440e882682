//! Where zones are expected: where those are that are there already.

use proto::{PersonId, rules::LonLat};

use super::geojson;
use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// A person's own zones first, then those of the people of the same agencies; without a person, everybody's.
const EXPECTED: &str = "SELECT r.geometry
    FROM person_zone pz
    JOIN person p USING (person_id)
    JOIN zone z USING (zone_id)
    JOIN LATERAL (SELECT geometry FROM zone_revision zr WHERE zr.zone_id = z.zone_id ORDER BY revision DESC LIMIT 1) r ON true
    LEFT JOIN person own ON own.person_id = $1
    WHERE pz.removed_at IS NULL
        AND ($1::uuid IS NULL OR own.police_agency_id = p.police_agency_id OR own.social_agency_id = p.social_agency_id)
        AND NOT (COALESCE(p.person_id = $1, false) AND z.label = ANY ($2))
    ORDER BY COALESCE(p.person_id = $1, false) DESC, pz.zone_id DESC
    LIMIT 100";

/// Finds a position of each of up to 100 zones beside which new ones may be expected; `but`: the person's zones of these names
/// are about to be replaced, and say nothing.
pub async fn expected(
    client: &impl GenericClient,
    person_id: Option<PersonId>,
    but: &[&str],
) -> Result<Vec<LonLat>, Error> {
    let person_id = person_id.map(PersonId::uuid);
    let mut places = Vec::new();
    for row in rows(client, EXPECTED, &[&person_id, &but]).await? {
        places.extend(geojson::first_position(&row.try_get(0)?));
    }
    Ok(places)
}
