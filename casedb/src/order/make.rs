//! Making an order under a law profile.

use jiff::{Timestamp, tz::TimeZone};
use proto::{OrderId, PersonId};
use uuid::Uuid;

use super::{say, say_who, steps::settle};
use crate::{
    Error, Refused,
    law::{self, Asked},
    person, plain,
    pool::{GenericClient, execute, optional, row},
};

/// An order to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its id.
    pub order_id: OrderId,
    /// Whom it is about.
    pub person_id: PersonId,
    /// The law profile.
    pub profile: String,
    /// The law and the decision; empty: the profile's law.
    pub legal_basis: String,
    /// Why, in codes of the profile.
    pub ground_codes: Vec<String>,
    /// Why, in words.
    pub grounds: String,
    /// What it demands besides zones and schedules.
    pub conditions: String,
    /// Begin of the term.
    pub starts_at: Timestamp,
    /// First moment after it.
    pub ends_at: Timestamp,
}

const MAKE: &str = "INSERT INTO supervision_order
        (order_id, person_id, profile, legal_basis, ground_codes, grounds, conditions, starts_at, ends_at, made_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const TIME_ZONE: &str =
    "SELECT p.time_zone FROM supervision_order o JOIN person p USING (person_id) WHERE o.order_id = $1";

/// The law profiles that the person's agencies prescribe (`agency set --laws`); empty: any.
pub async fn prescribed(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<String>, Error> {
    Ok(row(client, "SELECT law_profiles_of($1)", &[&person_id.uuid()])
        .await?
        .try_get(0)?)
}

/// Draws up an order; it takes effect when the profile's approval and steps are on record. Call it in a transaction, and publish the
/// person's rules in the same one.
pub async fn make(transaction: &impl GenericClient, draft: &Draft, made_by: Uuid, now: Timestamp) -> Result<(), Error> {
    let profile = law::require(&draft.profile)?;
    let prescribed = prescribed(transaction, draft.person_id).await?;
    if !prescribed.is_empty() && !prescribed.contains(&draft.profile) {
        let names = prescribed.join(" or ");
        let text = format!(
            "the agencies of this person prescribe the law profile {names}, not {}",
            draft.profile
        );
        return Err(Refused::new("law_prescribed", text).with("prescribed", names).into());
    }
    let person = person::read(transaction, draft.person_id).await?;
    let zone = time_zone(&person.time_zone)?;
    let asked = Asked {
        grounds: &draft.ground_codes,
        starts_at: draft.starts_at,
        ends_at: draft.ends_at,
    };
    profile.check_draft(&asked, &zone)?;
    if draft.ends_at <= now {
        let text = format!("order: its term is over at {}", draft.ends_at);
        return Err(Refused::new("term_over", text)
            .with("asked", law::local(draft.ends_at, &zone))
            .into());
    }
    let legal_basis = if draft.legal_basis.trim().is_empty() {
        &profile.law
    } else {
        &draft.legal_basis
    };
    plain::ORDER_BASIS.check(legal_basis)?;
    plain::ORDER_GROUNDS.check(&draft.grounds)?;
    plain::ORDER_CONDITIONS.check(&draft.conditions)?;
    say_who(transaction, made_by).await?;
    say(transaction, "created", "").await?;
    let values: [&(dyn postgres_types::ToSql + Sync); 10] = [
        &draft.order_id.uuid(),
        &draft.person_id.uuid(),
        &draft.profile,
        legal_basis,
        &draft.ground_codes,
        &draft.grounds,
        &draft.conditions,
        &draft.starts_at,
        &draft.ends_at,
        &made_by,
    ];
    execute(transaction, MAKE, &values).await?;
    settle(transaction, draft.order_id, now).await?;
    Ok(())
}

pub(super) fn time_zone(name: &str) -> Result<TimeZone, Error> {
    proto::rules::time_zone(name).map_err(|error| Error::Input(error.to_string()))
}

/// The time zone that an order's months are counted in: its person's.
pub(super) async fn zone_of(client: &impl GenericClient, order_id: OrderId) -> Result<TimeZone, Error> {
    let found = optional(client, TIME_ZONE, &[&order_id.uuid()]).await?;
    time_zone(found.ok_or_else(|| Error::not_found("order", order_id))?.try_get(0)?)
}
