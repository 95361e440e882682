//! Ends the incidents of warnings whose cause is gone: the order was extended, shortened, revoked or is over; the review is done; the device
//! that forced it speaks again, or was replaced. A person closes them all the same.

use jiff::Timestamp;
use proto::PersonId;

use crate::{
    incident::{self, IncidentError},
    pool::{GenericClient, rows},
};

/// Keys of these incidents are made in `sweep`: the kind, the order, the second that is warned of. A device that forced a review is mended
/// when one that the person wears was heard after that, and no fault is on record.
const OVER: &str = "WITH open AS (
        SELECT i.person_id, i.grouping_key, i.kind, split_part(i.grouping_key, ':', 2)::uuid AS order_id,
            split_part(i.grouping_key, ':', 3)::bigint AS second
        FROM incident i
        WHERE i.state <> 'closed' AND i.ongoing AND i.person_id IS NOT NULL
            AND i.grouping_key ~ '^(order_ends|review_due):[0-9a-f-]{36}:[0-9]+$'
    ), judged AS (
        SELECT w.person_id, w.grouping_key, CASE
            WHEN o.revoked_at <= $1 THEN 'The order was revoked.'
            WHEN o.ends_at <= $1 THEN 'The order is over.'
            WHEN w.kind = 'order_ends' AND floor(extract(epoch FROM o.ends_at))::bigint <> w.second THEN 'The order ends at another time.'
            WHEN w.kind = 'review_due' AND r.review_id IS NULL THEN 'The review is done.'
            WHEN w.kind = 'review_due' AND r.kind = 'device_fault' AND EXISTS (
                SELECT FROM device_assignment a JOIN device_status s USING (device_id)
                WHERE a.person_id = w.person_id AND a.ended_at IS NULL AND s.last_seen_at > r.due_at
                    AND NOT EXISTS (SELECT FROM device_fault x WHERE x.device_id = a.device_id AND x.ended_at IS NULL))
                THEN 'The device works again, or was replaced; the review is still to be done.'
            END AS why
        FROM open w JOIN supervision_order o USING (order_id)
        LEFT JOIN LATERAL (SELECT r.review_id, r.kind FROM order_review r
            WHERE r.order_id = w.order_id AND r.outcome IS NULL AND floor(extract(epoch FROM r.due_at))::bigint = w.second LIMIT 1
        ) found ON true
        LEFT JOIN order_review r ON r.review_id = found.review_id
    )
    SELECT person_id, grouping_key, why FROM judged WHERE why IS NOT NULL ORDER BY person_id, grouping_key";

/// Ends what is over; returns how many incidents.
pub(super) async fn end(transaction: &impl GenericClient, now: Timestamp) -> Result<usize, IncidentError> {
    let found = rows(transaction, OVER, &[&now]).await?;
    for row in &found {
        let person = PersonId::new(row.try_get("person_id")?);
        let (key, why): (&str, &str) = (row.try_get("grouping_key")?, row.try_get("why")?);
        incident::end_system(transaction, Some(person), key, why, now).await?;
    }
    Ok(found.len())
}
