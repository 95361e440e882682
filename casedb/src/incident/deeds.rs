//! What a user does with an incident: [`act`] in the user's own transaction, and each deed by itself for the program.

use alerts::{
    Audience, ClosingCode,
    lifecycle::course::{Change, Course, Patience, Phase, Who},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{IncidentError, IncidentRow, acting, answered_for, by_user, close_merged, merge, row, split};
use crate::{
    Database, Error,
    access::{Beyond, step_out},
    agency,
    pool::{GenericClient, optional},
};

/// What a suspension says.
#[derive(Debug, Clone, Copy)]
pub struct Suspension<'a> {
    /// On whose authority: an office, an order's number.
    pub authority: &'a str,
    /// Why.
    pub reason: &'a str,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// What a user does.
#[derive(Debug, Clone, Copy)]
pub enum Deed<'a> {
    /// Takes it on, for as long as [`Patience`] says; then it goes back to everybody unless a sign follows. Idempotent for the user who
    /// has it, whatever version is expected.
    Acknowledge,
    /// Begins to act on it; takes it on as well. Idempotent in the same way.
    StartAction,
    /// Takes it over from another, with a reason. Idempotent for the user who has it.
    TakeOver {
        /// Why.
        why: &'a str,
    },
    /// Writes a note. Allowed after closing as well. Of the one who has the incident it is a sign, and prolongs that.
    Note {
        /// The words.
        text: &'a str,
        /// Which branches may read it.
        audience: Audience,
    },
    /// Suspends it: nobody is called about it for a while. A more urgent event ends that.
    Suspend(Suspension<'a>),
    /// Ends a suspension before its time.
    Resume {
        /// Why.
        why: &'a str,
    },
    /// Closes it with a code. What was merged into it is closed with it, but for what only a person may judge, each by itself: that
    /// stands for itself again.
    Close {
        /// The code.
        code: ClosingCode,
        /// May be empty unless the code needs one.
        text: &'a str,
    },
    /// Merges it into another that has the same cause, with further ones: all of them, or none.
    Merge {
        /// The other.
        into: Uuid,
        /// Further ones, merged with it.
        also: &'a [Uuid],
        /// The cause.
        why: &'a str,
    },
    /// Takes it out of the one it was merged into.
    Split {
        /// Why.
        why: &'a str,
    },
}

// True where an incident about an emergency access would be handled by somebody who is no supervisor, or opened it.
const OWN_GLASS: &str = "SELECT u.role <> 'supervisor' OR break_glass_opener(substr(i.grouping_key, 13)) = u.user_id
    FROM incident i CROSS JOIN app_user u
    WHERE i.incident_id = $1 AND starts_with(i.grouping_key, 'break_glass:') AND u.user_id = access_user()";

/// Does it, in a transaction of [`crate::access::begin`] (then the database lets the user change what the user's role may change, and
/// nothing else) or of the program. The caller commits.
pub async fn act(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    user_id: Uuid,
    deed: &Deed<'_>,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let patience = Patience::default();
    act_with(
        transaction,
        incident_id,
        user_id,
        deed,
        expected_version,
        &patience,
        now,
    )
    .await
}

/// The same where it is configured for how long somebody has an incident: by this installation, unless the agency responsible or one above it says
/// something else.
pub async fn act_with(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    user_id: Uuid,
    deed: &Deed<'_>,
    expected_version: Option<i64>,
    patience: &Patience,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    acting(transaction, user_id).await?;
    if !matches!(deed, Deed::Note { .. }) {
        let judged = optional(transaction, OWN_GLASS, &[&incident_id]).await?;
        if judged.is_some_and(|row| row.try_get(0).unwrap_or(true)) {
            return Err(Error::Input(
                "this incident tells supervisors of an emergency access: a supervisor other than the user who opened it handles it"
                    .to_owned(),
            )
            .into());
        }
    }
    match *deed {
        Deed::Close { code, text } => {
            // What is merged may be for the other side, which this role neither sees nor changes; the right to close this one was
            // proved by finding it.
            let course = found(transaction, incident_id).await?;
            let alone = course.is_some_and(|course| course.merged().is_none() && course.lists().is_empty());
            let closed = if alone {
                close_merged(transaction, incident_id, user_id, code, text, expected_version, now).await?
            } else {
                let outside = step_out(transaction, Beyond::Family).await?;
                let closed = close_merged(transaction, incident_id, user_id, code, text, expected_version, now).await?;
                outside.back(transaction).await?;
                closed
            };
            answered_for(transaction, &closed, now).await?;
            Ok(closed)
        }
        Deed::Merge { into, also, why } => {
            let mut all = vec![incident_id];
            all.extend_from_slice(also);
            merge(transaction, &all, into, Who::User(user_id), why, now).await
        }
        Deed::Split { why } => {
            found(transaction, incident_id).await?;
            let outside = step_out(transaction, Beyond::Family).await?;
            let alone = split(transaction, incident_id, Who::User(user_id), why, now).await?;
            outside.back(transaction).await?;
            Ok(alone)
        }
        Deed::Note { text, audience } => {
            let change = |_: &Course| Change::Note {
                user: user_id,
                text: text.to_owned(),
            };
            by_user(transaction, incident_id, change, audience, None, now).await
        }
        Deed::Acknowledge | Deed::StartAction | Deed::TakeOver { .. } | Deed::Suspend(_) | Deed::Resume { .. } => {
            let own = agency::patience(transaction, incident_id, user_id).await?;
            let change = |course: &Course| change(course, deed, user_id, &own.unwrap_or(*patience), now);
            by_user(transaction, incident_id, change, Audience::Both, expected_version, now).await
        }
    }
}

/// The deed as a change of the lifecycle; of those that change more than one incident, and of notes, [`act`] takes care.
fn change(course: &Course, deed: &Deed<'_>, user: Uuid, patience: &Patience, now: Timestamp) -> Change {
    let at = now.max(course.changed_at());
    let (acknowledged, in_action) = (
        patience.acknowledged(course.severity(), at),
        patience.in_action(course.severity(), at),
    );
    match *deed {
        Deed::StartAction => Change::StartAction {
            user,
            expires: in_action,
        },
        Deed::TakeOver { why } => Change::TakeOver {
            user,
            expires: if course.phase() == Phase::InAction {
                in_action
            } else {
                acknowledged
            },
            why: why.to_owned(),
        },
        Deed::Suspend(suspension) => Change::Suspend {
            user,
            authority: suspension.authority.to_owned(),
            reason: suspension.reason.to_owned(),
            until: suspension.until,
        },
        Deed::Resume { why } => Change::Resume {
            user,
            why: why.to_owned(),
        },
        _ => Change::Acknowledge {
            user,
            expires: acknowledged,
        },
    }
}

/// The stored course of an incident that the transaction's role sees; `None` of one from before there were any.
async fn found(transaction: &impl GenericClient, incident_id: Uuid) -> Result<Option<Course>, IncidentError> {
    const SEES: &str = "SELECT 1 FROM incident WHERE incident_id = $1";
    if optional(transaction, SEES, &[&incident_id]).await?.is_none() {
        return Err(IncidentError::NotFound(incident_id));
    }
    Ok(row::course(transaction, incident_id).await?)
}

/// The same in a transaction of the program.
async fn once(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    deed: Deed<'_>,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let after = act(&transaction, incident_id, user_id, &deed, expected_version, now).await?;
    transaction.commit().await?;
    Ok(after)
}

/// [`Deed::Acknowledge`], by the program.
pub async fn acknowledge(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(db, incident_id, user_id, Deed::Acknowledge, expected_version, now).await
}

/// [`Deed::StartAction`], by the program.
pub async fn start_action(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(db, incident_id, user_id, Deed::StartAction, expected_version, now).await
}

/// [`Deed::TakeOver`], by the program.
pub async fn take_over(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    why: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(db, incident_id, user_id, Deed::TakeOver { why }, expected_version, now).await
}

/// [`Deed::Note`], by the program.
pub async fn note(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    text: &str,
    audience: Audience,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(db, incident_id, user_id, Deed::Note { text, audience }, None, now).await
}

/// [`Deed::Suspend`], by the program.
pub async fn suspend(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    suspension: &Suspension<'_>,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(
        db,
        incident_id,
        user_id,
        Deed::Suspend(*suspension),
        expected_version,
        now,
    )
    .await
}

/// [`Deed::Resume`], by the program.
pub async fn resume(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    why: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(db, incident_id, user_id, Deed::Resume { why }, expected_version, now).await
}

/// [`Deed::Close`], by the program.
pub async fn close(
    db: &Database,
    incident_id: Uuid,
    user_id: Uuid,
    code: ClosingCode,
    text: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    once(
        db,
        incident_id,
        user_id,
        Deed::Close { code, text },
        expected_version,
        now,
    )
    .await
}
