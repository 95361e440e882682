//! Leave passes: between two times the rules of some of a person's zones do not hold.
//!
//! A pass that names no zone is for all inclusion zones (home, attendance). An exclusion zone is open only when the pass names
//! it, and the distance to a protected person never lapses.
//!
//! A pass is asked for and then approved or refused by somebody else ([`ask`], [`decide`]), the longer the higher: the tiers are the
//! law profile's ([`crate::law::LeaveTier`]). Only approved passes are in the rules.

mod request;

pub use request::{LeaveRequest, ask, decide, may_decide, request, requests, tier};

use alerts::blank::is_blank;
use jiff::Timestamp;
use proto::{PersonId, ZoneId};
use uuid::Uuid;

use crate::{
    Error, Refused, plain,
    pool::{GenericClient, execute, optional, rows},
    zone::{PersonZone, ZoneKind},
};

/// A leave pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Its id.
    pub leave_id: Uuid,
    /// Whose.
    pub person_id: PersonId,
    /// First moment.
    pub starts_at: Timestamp,
    /// First moment after it.
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approved_by: String,
    /// The user who entered it.
    pub created_by: Option<Uuid>,
    /// Of which zones; empty: of all inclusion zones.
    pub zones: Vec<ZoneId>,
    /// Set aside from then on.
    pub withdrawn_at: Option<Timestamp>,
}

impl Leave {
    /// Tells whether the pass opens a zone.
    pub fn covers(&self, zone: &PersonZone) -> bool {
        if self.zones.is_empty() {
            zone.zone.kind == ZoneKind::Inclusion
        } else {
            self.zones.contains(&zone.zone.zone_id)
        }
    }

    /// Where it ends, be it by its term or because it was withdrawn; `None`: withdrawn before it began.
    pub fn valid_until(&self) -> Option<Timestamp> {
        let end = self
            .withdrawn_at
            .map_or(self.ends_at, |withdrawn| withdrawn.min(self.ends_at));
        (end > self.starts_at).then_some(end)
    }
}

const ADD: &str = "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, approved_by, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const ADD_ZONE: &str = "INSERT INTO leave_pass_zone (leave_id, zone_id)
    SELECT $1, zone_id FROM person_zone WHERE person_id = $2 AND zone_id = $3 AND removed_at IS NULL";
const WITHDRAW: &str = "UPDATE leave_pass SET withdrawn_at = LEAST(withdrawn_at, $2::timestamptz) WHERE leave_id = $1
    RETURNING person_id";
const OF_PERSON: &str =
    "SELECT l.leave_id, l.starts_at, l.ends_at, l.reason, COALESCE(l.approved_by, ''), l.created_by, l.withdrawn_at,
        ARRAY(SELECT z.zone_id FROM leave_pass_zone z WHERE z.leave_id = l.leave_id ORDER BY z.zone_id)
    FROM leave_pass l WHERE l.person_id = $1 AND l.ends_at > $2 AND l.state = 'approved' ORDER BY l.starts_at, l.leave_id";

/// Adds a pass that was approved outside the program, where the law profile lets such an approval be told for a leave of this length.
/// Call it in a transaction, and publish the person's rules in the same one.
pub async fn add(transaction: &impl GenericClient, leave: &Leave) -> Result<(), Error> {
    check(leave)?;
    request::turn(transaction, leave.person_id).await?;
    let length = request::length(transaction, leave).await?;
    let tier = length.profile.leave_tier(length.days);
    if let Some(tier) = tier.filter(|tier| !tier.told) {
        let roles: Vec<_> = tier.roles.iter().map(|role| role.name()).collect();
        return Err(Error::Input(format!(
            "a leave of {} days needs the approval of a {} in the program: `homeward leave request`, then `homeward leave approve` \
             (law profile {}: {})",
            length.days,
            roles.join(" or "),
            length.profile.name,
            tier.source
        )));
    }
    let values: [&(dyn postgres_types::ToSql + Sync); 7] = [
        &leave.leave_id,
        &leave.person_id.uuid(),
        &leave.starts_at,
        &leave.ends_at,
        &leave.reason,
        &leave.approved_by,
        &leave.created_by,
    ];
    execute(transaction, ADD, &values).await?;
    add_zones(transaction, leave).await
}

/// Refuses a pass that is none.
fn check(leave: &Leave) -> Result<(), Error> {
    if leave.ends_at <= leave.starts_at {
        let text = format!(
            "leave: the end {} is not after the start {}",
            leave.ends_at, leave.starts_at
        );
        return Err(Refused::new("leave_backwards", text).into());
    }
    for (name, text) in [("reason", &leave.reason), ("approver", &leave.approved_by)] {
        if is_blank(text) {
            return Err(Refused::new("reason_needed", format!("leave: the {name} is empty")).into());
        }
    }
    plain::LEAVE_REASON.check(&leave.reason)?;
    plain::LEAVE_APPROVER.check(&leave.approved_by)?;
    Ok(())
}

async fn add_zones(transaction: &impl GenericClient, leave: &Leave) -> Result<(), Error> {
    for zone_id in &leave.zones {
        let values: [&(dyn postgres_types::ToSql + Sync); 3] =
            [&leave.leave_id, &leave.person_id.uuid(), &zone_id.uuid()];
        if execute(transaction, ADD_ZONE, &values).await? == 0 {
            return Err(Error::not_found("zone of this person", zone_id));
        }
    }
    Ok(())
}

/// Withdraws a pass from a moment on, the earlier of two; returns whose it is. Publish their rules in the same transaction.
pub async fn withdraw(transaction: &impl GenericClient, leave_id: Uuid, now: Timestamp) -> Result<PersonId, Error> {
    let found = optional(transaction, WITHDRAW, &[&leave_id, &now]).await?;
    let found = found.ok_or_else(|| Error::not_found("leave pass", leave_id))?;
    Ok(PersonId::new(found.try_get(0)?))
}

/// Lists a person's approved passes that end after a moment, withdrawn ones too.
pub async fn of_person(
    client: &impl GenericClient,
    person_id: PersonId,
    since: Timestamp,
) -> Result<Vec<Leave>, Error> {
    let found = rows(client, OF_PERSON, &[&person_id.uuid(), &since]).await?;
    let passes = found.iter().map(|row| {
        let zones: Vec<Uuid> = row.try_get(7)?;
        Ok(Leave {
            leave_id: row.try_get(0)?,
            person_id,
            starts_at: row.try_get(1)?,
            ends_at: row.try_get(2)?,
            reason: row.try_get(3)?,
            approved_by: row.try_get(4)?,
            created_by: row.try_get(5)?,
            withdrawn_at: row.try_get(6)?,
            zones: zones.into_iter().map(ZoneId::new).collect(),
        })
    });
    passes.collect()
}
