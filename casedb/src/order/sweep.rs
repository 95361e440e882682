//! The warnings before orders and reviews end, and the reviews that a device's fault forces.

use jiff::{SignedDuration, Timestamp};
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::{ReviewKind, force_review, make::time_zone};
use crate::{
    Error,
    law::warn::{Ahead, Kind, Warning, due_warnings},
    pool::{GenericClient, execute, rows},
};

/// A device that was faulty for longer forces a review.
const FAULTY_FOR: SignedDuration = SignedDuration::from_hours(72);

/// A warning of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raise {
    /// Of which order.
    pub order_id: OrderId,
    /// Whose.
    pub person_id: PersonId,
    /// What.
    pub warning: Warning,
}

/// Orders in force that end, or whose reviews are due, within the longest warning (and a day, for time zones), and reviews overdue.
const AHEAD: &str = "SELECT o.order_id, o.person_id, p.time_zone, 'order_ends', o.ends_at
    FROM supervision_order o JOIN person p USING (person_id)
    WHERE o.effective_from IS NOT NULL AND o.revoked_at IS NULL AND o.starts_at <= $1 AND o.ends_at > $1 AND o.ends_at < $2
    UNION ALL
    SELECT o.order_id, o.person_id, p.time_zone, 'review_due', r.due_at
    FROM order_review r JOIN supervision_order o USING (order_id) JOIN person p USING (person_id)
    WHERE r.outcome IS NULL AND r.due_at < $2 AND o.effective_from IS NOT NULL AND o.revoked_at IS NULL AND o.ends_at > $1
    ORDER BY 1, 5";
const WARN: &str = "INSERT INTO order_warning (order_id, kind, for_at, days, warned_at)
    SELECT $1, $2, $3, $4, $5
    WHERE NOT EXISTS (SELECT FROM order_warning WHERE order_id = $1 AND kind = $2 AND for_at = $3 AND days <= $4)
    ON CONFLICT DO NOTHING";
/// Orders in force whose person wears a device that has said nothing for so long, since it was given to them. Silence counts as a
/// fault.
const FAULTY: &str = "SELECT t.order_id, d.device_id, GREATEST(s.last_seen_at, d.assigned_at)
    FROM order_term t
    JOIN device_assignment d ON d.person_id = t.person_id AND d.ended_at IS NULL
    LEFT JOIN device_status s ON s.device_id = d.device_id
    WHERE t.starts_at <= $1 AND t.ends_at > $1 AND t.starts_at <= $2 AND GREATEST(s.last_seen_at, d.assigned_at) <= $2
      AND NOT EXISTS (SELECT FROM order_review r WHERE r.order_id = t.order_id AND r.kind = 'device_fault'
                      AND (r.outcome IS NULL OR r.opened_at > GREATEST(s.last_seen_at, d.assigned_at)))
    ORDER BY t.order_id";

/// The warnings that are due now, given or not.
pub async fn due(client: &impl GenericClient, now: Timestamp) -> Result<Vec<Raise>, Error> {
    let horizon = now.saturating_add(SignedDuration::from_hours(16 * 24)).unwrap_or(now);
    let mut due = Vec::new();
    for found in rows(client, AHEAD, &[&now, &horizon]).await? {
        let zone = time_zone(found.try_get(2)?)?;
        let kind: Kind = found.try_get::<_, &str>(3)?.parse()?;
        let ahead = Ahead {
            kind,
            at: found.try_get(4)?,
        };
        let (order_id, person_id) = (OrderId::new(found.try_get(0)?), PersonId::new(found.try_get(1)?));
        let warnings = due_warnings(now, &[ahead], &zone);
        due.extend(warnings.into_iter().map(|warning| Raise {
            order_id,
            person_id,
            warning,
        }));
    }
    Ok(due)
}

/// Opens the reviews that faulty devices force, and takes down the warnings that are due and were not given; returns those. In the
/// caller's transaction, with what is raised for them.
pub async fn sweep(transaction: &impl GenericClient, now: Timestamp) -> Result<Vec<Raise>, Error> {
    let since = now.saturating_sub(FAULTY_FOR).unwrap_or(now);
    for found in rows(transaction, FAULTY, &[&now, &since]).await? {
        let order_id = OrderId::new(found.try_get(0)?);
        let (device, silent): (Uuid, Timestamp) = (found.try_get(1)?, found.try_get(2)?);
        let cause = format!("device {device} has said nothing since {silent}");
        force_review(transaction, order_id, ReviewKind::DeviceFault, now, &cause).await?;
    }
    let mut fresh = Vec::new();
    for raise in due(transaction, now).await? {
        let warning = &raise.warning;
        let values: [&(dyn postgres_types::ToSql + Sync); 5] = [
            &raise.order_id.uuid(),
            &warning.kind.as_str(),
            &warning.at,
            &warning.days,
            &now,
        ];
        if execute(transaction, WARN, &values).await? == 1 {
            fresh.push(raise);
        }
    }
    Ok(fresh)
}
