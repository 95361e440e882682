//! The warnings before orders and reviews end, and the reviews that a device's fault forces.

use alerts::{Audience, Severity};
use jiff::{SignedDuration, Timestamp};
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::{ReviewKind, force_review, make::time_zone, over};
use crate::{
    Database, Error,
    incident::{self, IncidentError, SystemIncident},
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
/// Orders in force whose person wears a device that has said nothing for so long since it was given to them, or that is on record as
/// faulty for so long.
const FAULTY: &str = "SELECT t.order_id, d.device_id, f.since
    FROM order_term t
    JOIN person p ON p.person_id = t.person_id AND NOT p.canary
    JOIN device_assignment d ON d.person_id = t.person_id AND d.ended_at IS NULL
    LEFT JOIN device_status s ON s.device_id = d.device_id
    CROSS JOIN LATERAL (SELECT LEAST(GREATEST(s.last_seen_at, d.assigned_at),
        (SELECT GREATEST(min(x.faulty_since), d.assigned_at) FROM device_fault x
         WHERE x.device_id = d.device_id AND x.ended_at IS NULL HAVING count(*) > 0)) AS since) f
    WHERE t.starts_at <= $2 AND t.ends_at > $1 AND f.since <= $2
      AND NOT EXISTS (SELECT FROM order_review r WHERE r.order_id = t.order_id AND r.kind = 'device_fault'
                      AND (r.outcome IS NULL OR r.done_at > f.since))
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
        let cause = format!("device {device} is faulty or silent since {silent}");
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

/// Raises what [`sweep`] finds, each as an incident of the person, in one transaction; returns how many. Ends those whose cause is gone. Any number of processes may do
/// this at once: a warning is given once.
pub async fn watch(database: &Database, now: Timestamp) -> Result<usize, IncidentError> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await.map_err(Error::from)?;
    let found = sweep(&transaction, now).await?;
    for raise in &found {
        let (key, text) = (key(raise), text(&raise.warning));
        let system = SystemIncident {
            kind: raise.warning.kind.as_str(),
            person: Some(raise.person_id),
            police_agency: None,
            social_agency: None,
            grouping_key: &key,
            severity: if raise.warning.days <= 1 {
                Severity::P2
            } else {
                Severity::P3
            },
            audience: Audience::Both,
            text: &text,
            at: now,
        };
        incident::raise_system(&transaction, &system).await?;
    }
    over::end(&transaction, now).await?;
    transaction.commit().await.map_err(Error::from)?;
    Ok(found.len())
}

/// One incident for each end and each review: the later warnings make it more urgent.
fn key(raise: &Raise) -> String {
    format!(
        "{}:{}:{}",
        raise.warning.kind,
        raise.order_id,
        raise.warning.at.as_second()
    )
}

fn text(warning: &Warning) -> String {
    let (what, day) = match warning.kind {
        Kind::OrderEnds => ("the order ends", "last day in force"),
        Kind::ReviewDue => ("a review of the order is due", "last day for it"),
    };
    match warning.left {
        ..0 => format!("{what}: overdue since {}", warning.last_day),
        0 => format!("{what}: today is the {day}, {}", warning.last_day),
        1 => format!("{what}: 1 day left, {day} {}", warning.last_day),
        left => format!("{what}: {left} days left, {day} {}", warning.last_day),
    }
}
