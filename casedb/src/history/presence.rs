//! Presence only: where a law wants no more known inside a dwelling than that the person is there, the place is not stored.
//!
//! The row stays, with its time, its report and `valid`: a valid fix without a place is one inside the dwelling (a report without a
//! fix is not valid). Everything finer than "present" goes: place, error, height, speed, course, satellites.

use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::{Error, law};

const CONCERNED: &str =
    "SELECT EXISTS (SELECT FROM supervision_order WHERE person_id = ANY ($1) AND profile = ANY ($2))";
const WITHHOLD: &str =
    "UPDATE staging_position s SET latitude = NULL, longitude = NULL, accuracy_m = NULL, altitude_m = NULL,
        speed_kmh = NULL, course_deg = NULL, satellites = NULL, hdop = NULL
    WHERE s.latitude IS NOT NULL
      AND EXISTS (SELECT FROM order_term t WHERE t.person_id = s.person_id AND t.profile = ANY ($1)
                  AND t.starts_at <= s.fix_time AND t.ends_at > s.fix_time)
      AND may_be_in_dwelling(s.person_id, s.longitude, s.latitude, s.accuracy_m)";

/// Takes the places inside dwellings out of what is about to be stored; returns of how many rows.
pub(super) async fn withhold(transaction: &Transaction<'_>, people: &[Uuid]) -> Result<u64, Error> {
    let profiles = law::presence_only();
    let mut people = people.to_vec();
    people.sort_unstable();
    people.dedup();
    if !transaction
        .query_one(CONCERNED, &[&people, &profiles])
        .await?
        .try_get::<_, bool>(0)?
    {
        return Ok(0);
    }
    let withheld = transaction.execute(WITHHOLD, &[&profiles]).await?;
    metrics::counter!("homeward_positions_withheld_total").increment(withheld);
    Ok(withheld)
}
