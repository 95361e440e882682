//! What is due for deletion, of whom, and why.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{Terms, later};
use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// A stretch in which an order was in force, whose movement history is due, or will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Due {
    /// Which order.
    pub order_id: Uuid,
    /// Its law profile.
    pub profile: String,
    /// Why then: the law, or the setting.
    pub source: String,
    /// How long after the end.
    pub after_end: String,
    /// The stretch.
    pub starts_at: Timestamp,
    /// Its end.
    pub ends_at: Timestamp,
    /// When its movement history goes.
    pub due_at: Timestamp,
}

/// What is kept of a person until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Whose.
    pub person_id: Uuid,
    /// Their case reference.
    pub reference: String,
    /// A legal hold stands: nothing goes.
    pub held: bool,
    /// Stretches, by their start; empty: the person never was under an order in force.
    pub terms: Vec<Due>,
    /// When everything else goes: after the last stretch, and not before the end of an order that is yet to come into force. Without any
    /// stretch: after the person was entered, and after the newest draft was refused, revoked or over.
    pub record_due_at: Timestamp,
    /// The law profile of one of the orders is none that this version knows: how long to keep is not known, and nothing goes.
    pub unknown_profile: Option<String>,
}

impl Plan {
    /// True when nothing goes, whatever is due.
    pub const fn stays(&self) -> bool {
        self.held || self.unknown_profile.is_some()
    }

    /// True when movement history of some stretch is due.
    pub fn movement_is_due(&self, now: Timestamp) -> bool {
        !self.stays() && self.terms.iter().any(|term| term.due_at <= now)
    }

    /// True when everything else is due.
    pub fn record_is_due(&self, now: Timestamp) -> bool {
        !self.stays() && self.record_due_at <= now
    }
}

const TERMS: &str = "SELECT p.person_id, p.reference,
        EXISTS (SELECT FROM legal_hold h WHERE h.person_id = p.person_id AND h.lifted_at IS NULL),
        t.order_id, t.profile, t.starts_at, t.ends_at,
        (SELECT max(o.ends_at) FROM supervision_order o WHERE o.person_id = p.person_id AND o.revoked_at IS NULL),
        GREATEST(p.created_at, (SELECT max(LEAST(o.ends_at, o.revoked_at, (SELECT min(a.decided_at) FROM order_approval a
                WHERE a.order_id = o.order_id AND a.extension_id IS NULL AND a.decision = 'refused')))
            FROM supervision_order o WHERE o.person_id = p.person_id))
    FROM person p LEFT JOIN order_term t USING (person_id)
    WHERE $1::uuid IS NULL OR p.person_id = $1
    ORDER BY p.reference, p.person_id, t.starts_at, t.order_id";

/// Plans for everybody, whether they were ever under an order in force or not, or for one person.
pub async fn plan(client: &impl GenericClient, terms: &Terms, person: Option<Uuid>) -> Result<Vec<Plan>, Error> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut kept = BTreeMap::new();
    for row in rows(client, TERMS, &[&person]).await? {
        let person_id: Uuid = row.try_get(0)?;
        let Some(order_id) = row.try_get::<_, Option<Uuid>>(3)? else {
            let nothing_since: Timestamp = row.try_get(8)?;
            plans.push(Plan {
                person_id,
                reference: row.try_get(1)?,
                held: row.try_get(2)?,
                terms: Vec::new(),
                record_due_at: later(nothing_since, &terms.record()),
                unknown_profile: None,
            });
            continue;
        };
        let profile: String = row.try_get(4)?;
        let rule = kept
            .entry(profile.clone())
            .or_insert_with(|| terms.movement(&profile).ok());
        let ends_at: Timestamp = row.try_get(6)?;
        let due = Due {
            order_id,
            source: rule
                .as_ref()
                .map_or_else(|| "not known".to_owned(), |rule| rule.source.clone()),
            after_end: rule
                .as_ref()
                .map_or_else(|| "not known".to_owned(), |rule| rule.after_end.to_string()),
            starts_at: row.try_get(5)?,
            ends_at,
            due_at: rule
                .as_ref()
                .map_or(Timestamp::MAX, |rule| later(ends_at, &rule.after_end)),
            profile,
        };
        let unknown_profile = rule.is_none().then(|| due.profile.clone());
        // `NULL` where every order was revoked.
        let to_come: Option<Timestamp> = row.try_get(7)?;
        let record_due = to_come.unwrap_or(Timestamp::MIN).max(later(ends_at, &terms.record()));
        match plans.last_mut().filter(|plan| plan.person_id == person_id) {
            Some(plan) => {
                plan.record_due_at = plan.record_due_at.max(record_due);
                plan.unknown_profile = plan.unknown_profile.take().or(unknown_profile);
                plan.terms.push(due);
            }
            None => plans.push(Plan {
                person_id,
                reference: row.try_get(1)?,
                held: row.try_get(2)?,
                terms: vec![due],
                record_due_at: record_due,
                unknown_profile,
            }),
        }
    }
    Ok(plans)
}
