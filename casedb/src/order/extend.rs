//! Extensions and variations.

use alerts::blank::is_blank;
use jiff::Timestamp;
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::{
    make::zone_of,
    say, say_who,
    steps::{lock, settle_extension},
};
use crate::{
    Error, Refused, plain,
    pool::{GenericClient, execute, optional},
};

const ASK: &str =
    "INSERT INTO order_extension (extension_id, order_id, from_end, to_end, reason, requested_by, requested_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
/// The same, by the same user, from the end that the order has: what was asked from another is void.
const WAITING: &str = "SELECT e.extension_id FROM order_extension e JOIN supervision_order o USING (order_id)
    WHERE e.order_id = $1 AND e.from_end = o.ends_at AND e.to_end = $2 AND e.requested_by = $3
        AND NOT EXISTS (SELECT FROM order_approval a WHERE a.extension_id = e.extension_id AND a.decision = 'refused')";
const VARY: &str = "UPDATE supervision_order SET conditions = $2 WHERE order_id = $1";

/// Asks for an extension to a new end; returns its id. It extends the order when it is approved ([`super::decide`]) and every step that
/// the profile asks of an extension is on record ([`super::note`]), before the order is over; where the profile asks for nothing, at once. Call it in a transaction; publish the person's rules in the same one.
pub async fn extend(
    transaction: &impl GenericClient,
    order_id: OrderId,
    to_end: Timestamp,
    reason: &str,
    by: Uuid,
    now: Timestamp,
) -> Result<Uuid, Error> {
    let order = lock(transaction, order_id).await?;
    order.not_over(order_id, now)?;
    if is_blank(reason) {
        return Err(Refused::new("reason_needed", "extension: say why it is still needed").into());
    }
    plain::EXTENSION_REASON.check(reason)?;
    if optional(transaction, WAITING, &[&order_id.uuid(), &to_end, &by])
        .await?
        .is_some()
    {
        let text = format!("order {order_id}: the same extension waits for its decision already");
        return Err(Refused::new("extension_waits", text).into());
    }
    let zone = zone_of(transaction, order_id).await?;
    order.profile.check_extension(order.ends_at, to_end, &zone)?;
    let extension_id = Uuid::now_v7();
    let values: [&(dyn postgres_types::ToSql + Sync); 7] = [
        &extension_id,
        &order_id.uuid(),
        &order.ends_at,
        &to_end,
        &reason,
        &by,
        &now,
    ];
    execute(transaction, ASK, &values).await?;
    say_who(transaction, by).await?;
    settle_extension(transaction, order_id, extension_id, now).await?;
    Ok(extension_id)
}

/// Varies an order: its conditions are replaced; those before stay on record. Returns whose order it is.
pub async fn vary(
    transaction: &impl GenericClient,
    order_id: OrderId,
    conditions: &str,
    reason: &str,
    by: Uuid,
    now: Timestamp,
) -> Result<PersonId, Error> {
    let order = lock(transaction, order_id).await?;
    order.not_over(order_id, now)?;
    if is_blank(reason) {
        return Err(Refused::new("reason_needed", "variation: say why").into());
    }
    plain::ORDER_REASON.check(reason)?;
    plain::ORDER_CONDITIONS.check(conditions)?;
    say_who(transaction, by).await?;
    say(transaction, "varied", reason).await?;
    execute(transaction, VARY, &[&order_id.uuid(), &conditions]).await?;
    Ok(order.person_id)
}
