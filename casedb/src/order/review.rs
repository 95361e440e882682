//! Reviews: due at intervals, or because something happened; done once, with an outcome.

use alerts::blank::is_blank;
use jiff::Timestamp;
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::{make::zone_of, say, say_who, steps::lock};
use crate::{
    Error, Refused, plain,
    pool::{GenericClient, execute, optional, row},
    text::words,
};

words! {
    /// Why a review is due.
    ReviewKind, "kind of review", {
        /// The law's interval.
        Periodic = "periodic",
        /// The device was faulty for more than 72 hours.
        DeviceFault = "device_fault",
        /// Somebody asked for it.
        Asked = "asked",
    }
}

words! {
    /// How a review ended.
    Outcome, "outcome of a review", {
        /// The order goes on as it is.
        Continue = "continue",
        /// The order goes on with other conditions.
        Vary = "vary",
        /// The order ends now.
        End = "end",
    }
}

const OPEN: &str = "INSERT INTO order_review (review_id, order_id, kind, due_at, cause) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING";
/// The forced one first: it waits already.
const NEXT: &str = "SELECT review_id, kind, due_at FROM order_review WHERE order_id = $1 AND outcome IS NULL
    ORDER BY kind = 'periodic', due_at LIMIT 1";
const DONE: &str =
    "UPDATE order_review SET outcome = $2, note = $3, done_by = $4, done_at = $5, done_recorded_at = clock_timestamp(),
        next_due_at = $6
    WHERE review_id = $1";
const END: &str = "UPDATE supervision_order SET revoked_at = LEAST(revoked_at, $2::timestamptz) WHERE order_id = $1";
const LAPSED: &str = "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at)
    SELECT order_id, person_id, GREATEST(starts_at, effective_from), lapses_at FROM supervision_order
    WHERE order_id = $1 AND lapses_at <= $2 AND GREATEST(starts_at, effective_from) < lapses_at";
const GO_ON: &str = "UPDATE supervision_order SET lapses_at = $3,
        effective_from = CASE WHEN lapses_at <= $2 THEN $2::timestamptz ELSE effective_from END
    WHERE order_id = $1";
const PERIODIC_OPEN: &str =
    "SELECT EXISTS (SELECT FROM order_review WHERE order_id = $1 AND kind = 'periodic' AND outcome IS NULL)";

/// Opens a review that is due at a time; false when one of its kind is open already.
pub async fn force_review(
    transaction: &impl GenericClient,
    order_id: OrderId,
    kind: ReviewKind,
    due_at: Timestamp,
    cause: &str,
) -> Result<bool, Error> {
    let values: [&(dyn postgres_types::ToSql + Sync); 5] =
        [&Uuid::now_v7(), &order_id.uuid(), &kind.as_str(), &due_at, &cause];
    Ok(execute(transaction, OPEN, &values).await? == 1)
}

/// Does the review that is due (a forced one before the periodic one; without any, one that was asked for). Where the law has reviews
/// at intervals, the next is due its months after this one. An order that lapsed goes on from now; the time between stays without
/// a basis. Returns whose order it is: publish their rules in the same transaction.
pub async fn review(
    transaction: &impl GenericClient,
    order_id: OrderId,
    outcome: Outcome,
    note: &str,
    by: Uuid,
    now: Timestamp,
) -> Result<PersonId, Error> {
    let order = lock(transaction, order_id).await?;
    order.not_over(order_id, now)?;
    if !order.effective {
        let text = format!("order {order_id} has not taken effect: there is nothing to review");
        return Err(Refused::new("not_effective", text).into());
    }
    if is_blank(note) {
        return Err(Refused::new("review_note", "review: say what was found").into());
    }
    plain::REVIEW_NOTE.check(note)?;
    let mut found = optional(transaction, NEXT, &[&order_id.uuid()]).await?;
    if found.is_none() {
        force_review(transaction, order_id, ReviewKind::Asked, now, "").await?;
        found = optional(transaction, NEXT, &[&order_id.uuid()]).await?;
    }
    let found = found.ok_or_else(|| Error::not_found("open review of order", order_id))?;
    let review_id: Uuid = found.try_get(0)?;
    let kind: ReviewKind = found.try_get::<_, &str>(1)?.parse()?;
    let zone = zone_of(transaction, order_id).await?;
    // A review of any kind looks at the whole order; only the periodic one moves the law's interval.
    let next = if kind == ReviewKind::Periodic && outcome != Outcome::End {
        order.profile.next_review(now, &zone)?
    } else {
        None
    };
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [&review_id, &outcome.as_str(), &note, &by, &now, &next];
    execute(transaction, DONE, &values).await?;
    say_who(transaction, by).await?;
    if outcome == Outcome::End {
        say(transaction, "revoked", note).await?;
        execute(transaction, END, &[&order_id.uuid(), &now]).await?;
        return Ok(order.person_id);
    }
    if let Some(next) = next {
        if !row(transaction, PERIODIC_OPEN, &[&order_id.uuid()])
            .await?
            .try_get::<_, bool>(0)?
        {
            force_review(transaction, order_id, ReviewKind::Periodic, next, "").await?;
        }
        if order.profile.lapses() {
            if order.lapses_at.is_some_and(|at| at <= now) {
                execute(transaction, LAPSED, &[&order_id.uuid(), &now]).await?;
            }
            say(transaction, "reviewed", note).await?;
            execute(transaction, GO_ON, &[&order_id.uuid(), &now, &next]).await?;
        }
    }
    Ok(order.person_id)
}
