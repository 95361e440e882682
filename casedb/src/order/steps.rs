//! Approval and the steps that a law requires, and when an order takes effect by them.

use alerts::blank::is_blank;
use jiff::{SignedDuration, Timestamp};
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::{make::zone_of, say, say_who};
use crate::{
    Error, Refused,
    law::{self, Approver, Authority, Level, Profile, Step},
    plain,
    pool::{GenericClient, execute, optional, row, rows},
    refused::list,
    text::words,
    user::User,
};

words! {
    /// What was decided.
    Decision, "decision", {
        /// Yes.
        Approved = "approved",
        /// No.
        Refused = "refused",
    }
}

/// A court's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Court {
    /// Which court.
    pub court: String,
    /// The reference of its decision.
    pub reference: String,
}

/// What is decided, and of what.
#[derive(Debug, Clone, Copy)]
pub struct Deciding<'a> {
    /// Which order.
    pub order_id: OrderId,
    /// Which extension of it; `None`: the order itself.
    pub extension_id: Option<Uuid>,
    /// Yes or no.
    pub decision: Decision,
    /// The court that decided; `None`: the user does.
    pub court: Option<&'a Court>,
    /// Why; a refusal needs a reason.
    pub reason: &'a str,
}

/// How an order stands after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Whose it is: publish their rules in the same transaction.
    pub person_id: PersonId,
    /// It has taken effect, or will at the start of its term; of an extension: the end has moved.
    pub effective: bool,
    /// What is still missing, for people to read.
    pub lacks: Vec<String>,
}

/// An order as steps need it.
pub(super) struct Locked {
    pub(super) person_id: PersonId,
    pub(super) profile: &'static Profile,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Timestamp,
    pub(super) revoked_at: Option<Timestamp>,
    /// It has taken effect.
    pub(super) effective: bool,
    pub(super) lapses_at: Option<Timestamp>,
    pub(super) made_by: Option<Uuid>,
    pub(super) made_at: Timestamp,
}

/// A step may have been done on paper before the order was entered here, by so much.
const PAPER: SignedDuration = SignedDuration::from_hours(31 * 24);

const LOCK: &str =
    "SELECT person_id, profile, starts_at, ends_at, revoked_at, effective_from IS NOT NULL, lapses_at, made_by, created_at
    FROM supervision_order WHERE order_id = $1 FOR UPDATE";
const APPROVER: &str = "SELECT a.level, EXISTS (SELECT FROM agency g
        WHERE g.agency_id IN (p.police_agency_id, p.social_agency_id) AND g.path <@ a.path), EXISTS (SELECT FROM agency g
        WHERE g.agency_id IN (p.police_agency_id, p.social_agency_id) AND g.path <@ a.path AND g.path <> a.path)
    FROM agency a CROSS JOIN person p WHERE a.agency_id = $1 AND p.person_id = $2";
const EXTENSION: &str =
    "SELECT to_end, requested_by, reason, from_end FROM order_extension WHERE extension_id = $1 AND order_id = $2";
const DECIDE: &str = "INSERT INTO order_approval
        (approval_id, order_id, extension_id, decision, decided_by, role, agency_id, agency_level, court, reference, reason, decided_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING";
const EXTEND: &str = "UPDATE supervision_order SET ends_at = $2 WHERE order_id = $1";
const STEP: &str =
    "INSERT INTO order_notice (notice_id, order_id, extension_id, step, given_to, done_at, reference, recorded_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const APPROVED: &str =
    "SELECT decision, reason FROM order_approval WHERE order_id = $1 AND extension_id IS NOT DISTINCT FROM $2";
const DONE: &str = "SELECT step FROM order_notice
    WHERE order_id = $1 AND extension_id IS NOT DISTINCT FROM $2 AND done_at <= $3";
const TAKE_EFFECT: &str = "UPDATE supervision_order SET effective_from = $2, lapses_at = $3 WHERE order_id = $1";
const FIRST_REVIEW: &str =
    "INSERT INTO order_review (review_id, order_id, kind, due_at) VALUES ($1, $2, 'periodic', $3)
    ON CONFLICT DO NOTHING";

pub(super) async fn lock(transaction: &impl GenericClient, order_id: OrderId) -> Result<Locked, Error> {
    let found = optional(transaction, LOCK, &[&order_id.uuid()]).await?;
    let found = found.ok_or_else(|| Error::not_found("order", order_id))?;
    Ok(Locked {
        person_id: PersonId::new(found.try_get(0)?),
        profile: law::require(found.try_get(1)?)?,
        starts_at: found.try_get(2)?,
        ends_at: found.try_get(3)?,
        revoked_at: found.try_get(4)?,
        effective: found.try_get(5)?,
        lapses_at: found.try_get(6)?,
        made_by: found.try_get(7)?,
        made_at: found.try_get(8)?,
    })
}

impl Locked {
    /// Refuses what comes after the end.
    pub(super) fn not_over(&self, order_id: OrderId, now: Timestamp) -> Result<(), Error> {
        match self.revoked_at {
            Some(at) => {
                let text = format!("order {order_id} was revoked at {at}; make a new one");
                Err(Refused::new("order_revoked", text).into())
            }
            None if self.ends_at <= now => {
                let text = format!("order {order_id} is over since {}; make a new one", self.ends_at);
                Err(Refused::new("order_over", text).into())
            }
            None => Ok(()),
        }
    }
}

/// What rules look at in a user who approves something for a person.
pub async fn approver(client: &impl GenericClient, user: &User, person_id: PersonId) -> Result<Approver, Error> {
    let found = row(client, APPROVER, &[&user.agency_id, &person_id.uuid()]).await?;
    let level: Option<Level> = found.try_get::<_, Option<&str>>(0)?.map(str::parse).transpose()?;
    Ok(Approver {
        role: user.role,
        level,
        branch: user.branch,
        responsible: found.try_get(1)?,
        above: found.try_get(2)?,
    })
}

/// Approves or refuses an order, or an extension of it, once. Call it in a transaction, and publish the person's rules in the same one.
pub async fn decide(
    transaction: &impl GenericClient,
    deciding: Deciding<'_>,
    by: &User,
    now: Timestamp,
) -> Result<Settled, Error> {
    let Deciding {
        order_id,
        extension_id,
        decision,
        court,
        reason,
    } = deciding;
    let order = lock(transaction, order_id).await?;
    order.not_over(order_id, now)?;
    let (to_end, proposed_by) = match extension_id {
        None => (None, order.made_by),
        Some(id) => {
            let found = optional(transaction, EXTENSION, &[&id, &order_id.uuid()]).await?;
            let found = found.ok_or_else(|| Error::not_found("extension of this order", id))?;
            let from_end: Timestamp = found.try_get(3)?;
            if decision == Decision::Approved && from_end != order.ends_at {
                // It would be as long as nobody has asked for.
                let text = format!(
                    "the extension was asked from {from_end}, order {order_id} ends at {} now; refuse it, and ask anew",
                    order.ends_at
                );
                return Err(Refused::new("extension_other_end", text)
                    .with("from", from_end)
                    .with("ends", order.ends_at)
                    .into());
            }
            (
                Some(found.try_get::<_, Timestamp>(0)?),
                Some(found.try_get::<_, Uuid>(1)?),
            )
        }
    };
    let approver = approver(transaction, by, order.person_id).await?;
    let made_it = proposed_by == Some(by.user_id);
    order
        .profile
        .check_approver(&approver, made_it, court.map(|court| court.court.as_str()))?;
    if let Some(court) = court
        && (is_blank(&court.court) || is_blank(&court.reference))
    {
        let source = &order.profile.approval.source;
        let text = format!("name the court and the reference of its decision ({source})");
        return Err(Refused::new("court_needed", text)
            .with("profile", &order.profile.name)
            .with("source", source)
            .into());
    }
    if decision == Decision::Refused && is_blank(reason) {
        return Err(Refused::new("reason_needed", "a refusal needs a reason").into());
    }
    plain::APPROVAL_REASON.check(reason)?;
    if let Some(court) = court {
        plain::APPROVAL_COURT.check(&court.court)?;
        plain::APPROVAL_REFERENCE.check(&court.reference)?;
    }
    let (court, reference) = court.map_or(("", ""), |court| (court.court.as_str(), court.reference.as_str()));
    let values: [&(dyn postgres_types::ToSql + Sync); 12] = [
        &Uuid::now_v7(),
        &order_id.uuid(),
        &extension_id,
        &decision.as_str(),
        &by.user_id,
        &by.role.name(),
        &by.agency_id,
        &approver.level.map(Level::as_str),
        &court,
        &reference,
        &reason,
        &now,
    ];
    if execute(transaction, DECIDE, &values).await? == 0 {
        let text = format!("order {order_id}: that is decided already");
        return Err(Refused::new("decided", text).into());
    }
    say_who(transaction, by.user_id).await?;
    let (Some(to_end), Some(id)) = (to_end, extension_id) else {
        return settle(transaction, order_id, now).await;
    };
    if decision == Decision::Approved && to_end <= order.ends_at {
        let text = format!("order {order_id} runs to {} already", order.ends_at);
        return Err(Refused::new("runs_longer", text).into());
    }
    settle_extension(transaction, order_id, id, now).await
}

/// A step that was done.
#[derive(Debug, Clone, Copy)]
pub struct Noting<'a> {
    /// Of which order.
    pub order_id: OrderId,
    /// Of which extension of it; `None`: of the order itself.
    pub extension_id: Option<Uuid>,
    /// Which.
    pub step: Step,
    /// When.
    pub done_at: Timestamp,
    /// Of the document in the file.
    pub reference: &'a str,
}

/// Records a step that the law requires: a notice signed, a copy sent. Call it in a transaction, and publish the person's rules in
/// the same one.
pub async fn note_step(
    transaction: &impl GenericClient,
    order_id: OrderId,
    step: Step,
    done_at: Timestamp,
    reference: &str,
    by: Uuid,
    now: Timestamp,
) -> Result<Settled, Error> {
    let noting = Noting {
        order_id,
        extension_id: None,
        step,
        done_at,
        reference,
    };
    note(transaction, &noting, by, now).await
}

/// Records a step of an order or of an extension of it. Call it in a transaction, and publish the person's rules in the same one.
pub async fn note(
    transaction: &impl GenericClient,
    noting: &Noting<'_>,
    by: Uuid,
    now: Timestamp,
) -> Result<Settled, Error> {
    let Noting {
        order_id,
        extension_id,
        step,
        done_at,
        reference,
    } = *noting;
    let order = lock(transaction, order_id).await?;
    order.not_over(order_id, now)?;
    if done_at > now {
        let text = format!("{step}: {done_at} is in the future; record it when it is done");
        return Err(Refused::new("step_future", text).with("step", step).into());
    }
    plain::NOTICE_REFERENCE.check(reference)?;
    let earliest = order.made_at.checked_sub(PAPER).unwrap_or(order.made_at);
    if done_at < earliest {
        let text = format!(
            "{step}: {done_at} is long before the order was drawn up ({}); record when it was done",
            order.made_at
        );
        return Err(Refused::new("step_too_early", text).with("step", step).into());
    }
    let (steps, of) = if extension_id.is_some() {
        (&order.profile.extension_steps, " of an extension")
    } else {
        (&order.profile.steps, "")
    };
    let Some(required) = steps.iter().find(|required| required.code == step) else {
        let known: Vec<_> = steps.iter().map(|step| step.code.as_str()).collect();
        let names = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        let text = format!(
            "law profile {} has no step {step}{of}; its steps{of}: {names}",
            order.profile.name
        );
        return Err(Refused::new("step_unknown", text)
            .with("step", step)
            .with("steps", list(known))
            .into());
    };
    if let Some(id) = extension_id {
        let found = optional(transaction, EXTENSION, &[&id, &order_id.uuid()]).await?;
        found.ok_or_else(|| Error::not_found("extension of this order", id))?;
    }
    let values: [&(dyn postgres_types::ToSql + Sync); 8] = [
        &Uuid::now_v7(),
        &order_id.uuid(),
        &extension_id,
        &step.as_str(),
        &required.to,
        &done_at,
        &reference,
        &by,
    ];
    execute(transaction, STEP, &values).await?;
    say_who(transaction, by).await?;
    match extension_id {
        None => settle(transaction, order_id, now).await,
        Some(id) => settle_extension(transaction, order_id, id, now).await,
    }
}

/// What an order or an extension of it lacks, and the reason given when it was approved.
async fn lacking(
    transaction: &impl GenericClient,
    order_id: OrderId,
    extension_id: Option<Uuid>,
    profile: &Profile,
    now: Timestamp,
) -> Result<(Vec<String>, String), Error> {
    let mut lacks = Vec::new();
    let mut reason = String::new();
    if profile.approval.authority != Authority::None {
        let decision = optional(transaction, APPROVED, &[&order_id.uuid(), &extension_id]).await?;
        match &decision {
            Some(row) if row.try_get::<_, &str>(0)? == Decision::Approved.as_str() => reason = row.try_get(1)?,
            Some(_) => lacks.push("it was refused".to_owned()),
            None => lacks.push(format!("approval ({})", profile.approval.source)),
        }
    }
    let done = rows(transaction, DONE, &[&order_id.uuid(), &extension_id, &now]).await?;
    let done = done
        .iter()
        .map(|row| row.try_get::<_, &str>(0)?.parse())
        .collect::<Result<Vec<Step>, Error>>()?;
    let say = |step: &law::RequiredStep| format!("{} to {} ({})", step.code, step.to, step.source);
    if extension_id.is_some() {
        lacks.extend(profile.missing_of_extension(&done).map(say));
    } else {
        lacks.extend(profile.missing(&done).map(say));
    }
    Ok((lacks, reason))
}

/// Moves the end of an order when nothing of the extension is missing any more.
pub(super) async fn settle_extension(
    transaction: &impl GenericClient,
    order_id: OrderId,
    extension_id: Uuid,
    now: Timestamp,
) -> Result<Settled, Error> {
    let order = lock(transaction, order_id).await?;
    let found = row(transaction, EXTENSION, &[&extension_id, &order_id.uuid()]).await?;
    let (to_end, why): (Timestamp, String) = (found.try_get(0)?, found.try_get(2)?);
    let (lacks, reason) = lacking(transaction, order_id, Some(extension_id), order.profile, now).await?;
    if lacks.is_empty() && to_end > order.ends_at {
        // The term may have been shortened since it was asked for.
        let zone = zone_of(transaction, order_id).await?;
        order.profile.check_extension(order.ends_at, to_end, &zone)?;
        say(transaction, "extended", if reason.is_empty() { &why } else { &reason }).await?;
        execute(transaction, EXTEND, &[&order_id.uuid(), &to_end]).await?;
    }
    Ok(Settled {
        person_id: order.person_id,
        effective: lacks.is_empty(),
        lacks,
    })
}

/// Lets an order take effect when nothing is missing any more, from now on: never for a time before its records were complete.
pub(super) async fn settle(
    transaction: &impl GenericClient,
    order_id: OrderId,
    now: Timestamp,
) -> Result<Settled, Error> {
    let order = lock(transaction, order_id).await?;
    let profile = order.profile;
    let (lacks, _) = lacking(transaction, order_id, None, profile, now).await?;
    if lacks.is_empty() && !order.effective {
        let zone = zone_of(transaction, order_id).await?;
        let from = order.starts_at.max(now);
        let due = profile.next_review(from, &zone)?;
        if let Some(due) = due {
            execute(transaction, FIRST_REVIEW, &[&Uuid::now_v7(), &order_id.uuid(), &due]).await?;
        }
        say(transaction, "activated", "").await?;
        let lapses_at = due.filter(|_| profile.lapses());
        execute(transaction, TAKE_EFFECT, &[&order_id.uuid(), &now, &lapses_at]).await?;
    }
    Ok(Settled {
        person_id: order.person_id,
        effective: lacks.is_empty(),
        lacks,
    })
}
