//! Leave that is asked for, and who decides on it.

use alerts::blank::is_blank;
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Leave, add_zones, check, of_person};
use crate::{
    Error, Refused,
    law::{self, Approver, LeaveTier, Profile, leave_days},
    order::{Decision, approver},
    person, plain,
    pool::{GenericClient, execute, optional, row, rows},
    user::User,
};

/// Passes with less between them count as one: a long leave is not made of short ones.
const BETWEEN: SignedDuration = SignedDuration::from_hours(24);

/// A pass with how it was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeaveRequest {
    /// Its id.
    pub leave_id: Uuid,
    /// Whose.
    pub person_id: Uuid,
    /// First moment.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// First moment after it.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// Why.
    pub reason: String,
    /// `requested`, `approved` or `refused`.
    pub state: String,
    /// Who asked, by the name to sign in; null: the program.
    pub requested_by: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// Who approved it: a name to sign in, or, where that may be told, words.
    pub approved_by: Option<String>,
    /// Who decided, by the name to sign in.
    pub decided_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// What they said.
    pub decision_note: String,
    /// Set aside from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub withdrawn_at: Option<Timestamp>,
    /// Of which zones; empty: of all inclusion zones.
    pub zones: Vec<Uuid>,
}

impl LeaveRequest {
    /// The pass, as far as its length asks for it.
    fn as_leave(&self) -> Leave {
        Leave {
            leave_id: self.leave_id,
            person_id: PersonId::new(self.person_id),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            reason: self.reason.clone(),
            approved_by: String::new(),
            created_by: None,
            zones: Vec::new(),
            withdrawn_at: None,
        }
    }
}

macro_rules! requests {
    ($condition:literal) => {
        concat!(
            "SELECT l.leave_id, l.person_id, l.starts_at, l.ends_at, l.reason, l.state, c.username, l.created_at, l.approved_by,
                d.username, l.decided_at, l.decision_note, l.withdrawn_at,
                ARRAY(SELECT z.zone_id FROM leave_pass_zone z WHERE z.leave_id = l.leave_id ORDER BY z.zone_id)
            FROM leave_pass l LEFT JOIN app_user c ON c.user_id = l.created_by LEFT JOIN app_user d ON d.user_id = l.decided_by WHERE ",
            $condition
        )
    };
}
const OF_PERSON: &str = requests!("l.person_id = $1 AND l.ends_at > $2 ORDER BY l.starts_at, l.leave_id");
const ONE: &str = requests!("l.leave_id = $1");
const ASK: &str = "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, created_by, state)
    VALUES ($1, $2, $3, $4, $5, $6, 'requested')";
const LOCK: &str = "SELECT l.person_id, l.starts_at, l.ends_at, l.reason, l.created_by, l.state, l.withdrawn_at
    FROM leave_pass l WHERE l.leave_id = $1 FOR UPDATE";
const DECIDE: &str =
    "UPDATE leave_pass SET state = $2, decided_by = $3, decided_at = $4, decision_note = $5, approved_by = $6
    WHERE leave_id = $1";
/// Of one person, passes are approved one after another: each counts those before it, and nobody sees what is not committed.
const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 22))";
/// The law that holds for the person when the leave begins: of the order in force then; without one, of the next. Where several are,
/// a law's own rules come before those of no law.
const PROFILE: &str = "SELECT profile FROM supervision_order
    WHERE person_id = $1 AND ends_at > $2 AND (revoked_at IS NULL OR revoked_at > $2)
    ORDER BY effective_from IS NOT NULL AND starts_at <= $2 DESC, profile = 'generic', starts_at, order_id LIMIT 1";

/// What decides who approves a leave.
pub(super) struct Length {
    pub(super) profile: &'static Profile,
    pub(super) days: u32,
}

/// Waits until nobody else approves a leave of the person; to be done before its length is asked for.
pub(super) async fn turn(transaction: &impl GenericClient, person_id: PersonId) -> Result<(), Error> {
    row(transaction, TAKE_TURNS, &[&person_id.to_string()]).await.map(drop)
}

/// How long a leave is, together with the approved passes that it adjoins, and by which law.
pub(super) async fn length(client: &impl GenericClient, leave: &Leave) -> Result<Length, Error> {
    let found = optional(client, PROFILE, &[&leave.person_id.uuid(), &leave.starts_at]).await?;
    let name = found.map_or(Ok("generic".to_owned()), |row| row.try_get(0))?;
    let person = person::read(client, leave.person_id).await?;
    let zone = proto::rules::time_zone(&person.time_zone).map_err(|error| Error::Input(error.to_string()))?;
    let held = of_person(client, leave.person_id, Timestamp::UNIX_EPOCH).await?;
    let held = held.iter().filter(|held| held.leave_id != leave.leave_id);
    let held: Vec<_> = held
        .filter_map(|held| Some((held.starts_at, held.valid_until()?)))
        .collect();
    let (from, until) = together(leave.starts_at, leave.ends_at, &held);
    Ok(Length {
        profile: law::require(&name)?,
        days: leave_days(from, until, &zone),
    })
}

/// The stretch of a leave with what adjoins it.
fn together(mut from: Timestamp, mut until: Timestamp, held: &[(Timestamp, Timestamp)]) -> (Timestamp, Timestamp) {
    loop {
        let before = (from, until);
        for (start, end) in held {
            if start.duration_since(until) < BETWEEN && from.duration_since(*end) < BETWEEN {
                (from, until) = (from.min(*start), until.max(*end));
            }
        }
        if (from, until) == before {
            return before;
        }
    }
}

/// Asks for leave; `created_by` is who asks. It binds nothing until it is approved.
pub async fn ask(transaction: &impl GenericClient, leave: &Leave) -> Result<(), Error> {
    // Nobody approved it yet.
    check(&Leave {
        approved_by: "-".to_owned(),
        ..leave.clone()
    })?;
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &leave.leave_id,
        &leave.person_id.uuid(),
        &leave.starts_at,
        &leave.ends_at,
        &leave.reason,
        &leave.created_by,
    ];
    execute(transaction, ASK, &values).await?;
    add_zones(transaction, leave).await
}

/// Approves or refuses leave that was asked for, once; returns whose it is. Publish their rules in the same transaction.
pub async fn decide(
    transaction: &impl GenericClient,
    leave_id: Uuid,
    decision: Decision,
    by: &User,
    note: &str,
    now: Timestamp,
) -> Result<PersonId, Error> {
    let found = optional(transaction, LOCK, &[&leave_id]).await?;
    let found = found.ok_or_else(|| Error::not_found("leave pass", leave_id))?;
    let leave = Leave {
        leave_id,
        person_id: PersonId::new(found.try_get(0)?),
        starts_at: found.try_get(1)?,
        ends_at: found.try_get(2)?,
        reason: found.try_get(3)?,
        approved_by: String::new(),
        created_by: found.try_get(4)?,
        zones: Vec::new(),
        withdrawn_at: found.try_get(6)?,
    };
    let state: String = found.try_get(5)?;
    if state != "requested" {
        let text = format!("leave {leave_id} is decided already: {state}");
        return Err(Refused::new("decided", text).into());
    }
    if leave.withdrawn_at.is_some() || leave.ends_at <= now {
        let text = format!("leave {leave_id} is withdrawn or over");
        return Err(Refused::new("leave_over", text).into());
    }
    turn(transaction, leave.person_id).await?;
    let length = length(transaction, &leave).await?;
    let approver = approver(transaction, by, leave.person_id).await?;
    let asked_by_them = leave.created_by == Some(by.user_id);
    length.profile.check_leave(length.days, &approver, asked_by_them)?;
    if decision == Decision::Refused && is_blank(note) {
        return Err(Refused::new("reason_needed", "a refusal needs a reason").into());
    }
    plain::LEAVE_NOTE.check(note)?;
    let approved_by = (decision == Decision::Approved).then_some(&by.username);
    let values: [&(dyn postgres_types::ToSql + Sync); 6] =
        [&leave_id, &decision.as_str(), &by.user_id, &now, &note, &approved_by];
    execute(transaction, DECIDE, &values).await?;
    Ok(leave.person_id)
}

/// Tells whether a user may decide on leave that was asked for.
pub async fn may_decide(
    client: &impl GenericClient,
    request: &LeaveRequest,
    user: &User,
    approver: &Approver,
) -> Result<bool, Error> {
    let length = length(client, &request.as_leave()).await?;
    let asked_by_them = request.requested_by.as_ref() == Some(&user.username);
    Ok(length.profile.check_leave(length.days, approver, asked_by_them).is_ok())
}

/// How many days a leave counts, with what it adjoins, and which tier of the person's law decides on it.
pub async fn tier(
    client: &impl GenericClient,
    request: &LeaveRequest,
) -> Result<(u32, Option<&'static LeaveTier>), Error> {
    let length = length(client, &request.as_leave()).await?;
    Ok((length.days, length.profile.leave_tier(length.days)))
}

/// Lists a person's passes that end after a moment, whatever became of them.
pub async fn requests(
    client: &impl GenericClient,
    person_id: PersonId,
    since: Timestamp,
) -> Result<Vec<LeaveRequest>, Error> {
    rows(client, OF_PERSON, &[&person_id.uuid(), &since])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Reads one pass.
pub async fn request(client: &impl GenericClient, leave_id: Uuid) -> Result<LeaveRequest, Error> {
    let found = optional(client, ONE, &[&leave_id]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("leave pass", leave_id))?)
}

fn from_row(row: &Row) -> Result<LeaveRequest, Error> {
    Ok(LeaveRequest {
        leave_id: row.try_get(0)?,
        person_id: row.try_get(1)?,
        starts_at: row.try_get(2)?,
        ends_at: row.try_get(3)?,
        reason: row.try_get(4)?,
        state: row.try_get(5)?,
        requested_by: row.try_get(6)?,
        requested_at: row.try_get(7)?,
        approved_by: row.try_get(8)?,
        decided_by: row.try_get(9)?,
        decided_at: row.try_get(10)?,
        decision_note: row.try_get(11)?,
        withdrawn_at: row.try_get(12)?,
        zones: row.try_get(13)?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn passes_that_adjoin_count_as_one() {
        let at = |days: i64| Timestamp::UNIX_EPOCH + (24 * days).hours();
        let held = [(at(0), at(7)), (at(20), at(25)), (at(14), at(16))];
        assert_eq!(together(at(8), at(9), &[]), (at(8), at(9)));
        // A day between is a day between.
        assert_eq!(together(at(8), at(9), &held), (at(8), at(9)));
        let almost = at(8) - 1.second();
        assert_eq!(together(almost, at(14), &held), (at(0), at(16)));
        assert_eq!(together(at(7), at(20), &held), (at(0), at(25)));
    }
}
