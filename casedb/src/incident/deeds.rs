//! What a user does with an incident besides taking it on and closing it.

use alerts::{
    Audience,
    lifecycle::course::{Change, Course, Patience},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{IncidentError, IncidentRow, by_user};
use crate::Database;

/// Takes an incident over from another, with a reason. Idempotent for the user who has it.
pub async fn take_over(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    why: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let why = why.to_owned();
    let change = |course: &Course| {
        let at = now.max(course.changed_at());
        let patience = Patience::default();
        let expires = match course.phase() {
            alerts::lifecycle::course::Phase::InAction => patience.in_action(course.severity(), at),
            _ => patience.acknowledged(course.severity(), at),
        };
        Change::TakeOver {
            user: user_id,
            expires,
            why,
        }
    };
    by_user(db, incident_id, user_id, change, Audience::Both, expected_version, now).await
}

/// What a suspension says.
#[derive(Debug, Clone)]
pub struct Suspension<'a> {
    /// On whose authority: an office, an order's number.
    pub authority: &'a str,
    /// Why.
    pub reason: &'a str,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Suspends an incident: nobody is called about it for a while. A more urgent event ends that.
pub async fn suspend(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    suspension: &Suspension<'_>,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let change = |_: &Course| Change::Suspend {
        user: user_id,
        authority: suspension.authority.to_owned(),
        reason: suspension.reason.to_owned(),
        until: suspension.until,
    };
    by_user(db, incident_id, user_id, change, Audience::Both, expected_version, now).await
}

/// Ends a suspension before its time.
pub async fn resume(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    why: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let why = why.to_owned();
    let change = |_: &Course| Change::Resume { user: user_id, why };
    by_user(db, incident_id, user_id, change, Audience::Both, expected_version, now).await
}
