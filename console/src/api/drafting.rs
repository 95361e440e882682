//! Orders from draft to end: drawing up, serving, extending, reviewing, varying, ending. What the law does not let happen is refused
//! with the rule and its source; who approves is [`super::orders::decide`]'s question.

use axum::{Json, extract::State};
use casedb::{
    Refused, Transaction,
    access::{Beyond, step_out},
    change::{self, What},
    law::{self, Profile, Step},
    order::{self, Act, Draft, Outcome},
    person, rules,
    user::User,
    view,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use proto::{OrderId, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    orders::{OrderList, publish, read, refused},
    terms::{self, Limit, Terms},
};
use crate::{
    ApiError, App,
    authorise::{Authorised, CaseReader, Decider, Id},
    error::ErrorBody,
    once::{Keyed, Once},
    users::UserClient,
};

/// Longest words of grounds and conditions, characters.
const LONGEST: usize = 4_000;
/// Longest reasons and references, characters.
pub(super) const LONGEST_REASON: usize = 2_000;

/// What laws ask of orders, and the limits of what an order may set.
#[derive(Debug, Serialize, ToSchema)]
pub struct Laws {
    /// Every law profile: grounds, approval, term, extension, steps, reviews, leave, each with its source.
    #[schema(value_type = Vec<Object>)]
    pub profiles: &'static [Profile],
    /// Limits of the operating conditions.
    pub limits: Vec<Limit>,
}

/// What laws ask of orders.
#[utoipa::path(get, path = "/api/v1/law-profiles", tag = "orders", responses(
    (status = 200, body = Laws),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn profiles(_caller: Authorised<CaseReader>) -> Json<Laws> {
    Json(Laws {
        profiles: law::profiles(),
        limits: terms::limits(),
    })
}

/// Until when, by the calendar of the person's time zone.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
pub struct Until {
    /// So many calendar months.
    #[serde(default)]
    pub months: Option<u8>,
    /// The last day, instead.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_day: Option<Date>,
}

impl Until {
    fn end(self, from: Timestamp, zone: &TimeZone) -> Result<Timestamp, ApiError> {
        match (self.months, self.last_day) {
            (Some(months), None) => Ok(law::months_after(from, months, zone)?),
            (None, Some(day)) => {
                let next = day.tomorrow().map_err(|error| bad("last_day", &error))?;
                midnight(next, zone)
            }
            _ => Err(ApiError::invalid("bad_value", "give either months or last_day")),
        }
    }
}

fn midnight(day: Date, zone: &TimeZone) -> Result<Timestamp, ApiError> {
    let found = zone.to_ambiguous_timestamp(day.at(0, 0, 0, 0)).compatible();
    found.map_err(|error| bad("day", &error))
}

fn bad(field: &str, error: &dyn std::fmt::Display) -> ApiError {
    ApiError::invalid("bad_value", format!("{field}: {error}"))
}

pub(super) fn checked<'a>(field: &str, text: &'a str, longest: usize) -> Result<&'a str, ApiError> {
    let text = text.trim();
    if text.chars().count() > longest {
        let message = format!("{field} has more than {longest} characters");
        return Err(ApiError::invalid("text_too_long", message));
    }
    Ok(text)
}

/// Proves that the user sees the person.
pub(super) async fn proven(
    transaction: &Transaction<'_>,
    user: &User,
    person_id: PersonId,
    what: &'static str,
) -> Result<TimeZone, ApiError> {
    if !view::may_see_person(transaction, user.user_id, person_id.uuid()).await? {
        return Err(ApiError::NotFound(what));
    }
    let person = person::read(transaction, person_id).await?;
    proto::rules::time_zone(&person.time_zone).map_err(|error| bad("time zone", &error))
}

/// An order to be drawn up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The law profile.
    pub profile: String,
    /// The law and the decision in words; empty: the profile's law.
    #[serde(default)]
    pub legal_basis: String,
    /// Grounds, in codes of the profile.
    #[serde(default)]
    pub ground_codes: Vec<String>,
    /// Grounds in words; needed where the profile has no codes.
    #[serde(default)]
    pub grounds: String,
    /// What it demands besides zones and schedules.
    #[serde(default)]
    pub conditions: String,
    /// The first day, by the person's calendar; without it, from now on.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub first_day: Option<Date>,
    /// The term in calendar months.
    #[serde(default)]
    pub months: Option<u8>,
    /// The last day, instead of months.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_day: Option<Date>,
    /// How the engine judges under it; without it, as under every order of the person that has no settings itself.
    #[serde(default)]
    pub settings: Option<Terms>,
    /// Only says what would become of it: nothing is kept.
    #[serde(default)]
    pub check: bool,
}

/// Draws up an order, and with that submits it for approval where the law profile asks for one. With `check` nothing is kept: the
/// answer is what would be, or the refusal.
#[utoipa::path(post, path = "/api/v1/people/{id}/orders", tag = "orders", params(("id" = Uuid, Path)), request_body = NewOrder, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`refused_by_law`: with `reason`, the rule, and `values`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn make(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(asked, once): Keyed<NewOrder>,
) -> Result<Json<OrderList>, ApiError> {
    let now = Timestamp::now();
    let person_id = PersonId::new(person_id);
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let zone = proven(&transaction, &caller.user, person_id, "person").await?;
    let profile = law::require(&asked.profile)?;
    order::may(caller.user.role, Act::Propose, profile)?;
    let order_id = Uuid::now_v7();
    if !asked.check
        && let Some(made) = once.done(&transaction, &caller.user, order_id).await?
    {
        let mut list = read(&transaction, &caller.user, person_id, None, None).await?;
        list.made = Some(made);
        return Ok(Json(list));
    }
    let grounds = checked("grounds", &asked.grounds, LONGEST)?;
    if profile.grounds.is_empty() && grounds.is_empty() {
        return Err(Refused::new("grounds_in_words", "order: say why, in words").into());
    }
    let starts_at = match asked.first_day {
        Some(day) => midnight(day, &zone)?,
        None => now,
    };
    let until = Until {
        months: asked.months,
        last_day: asked.last_day,
    };
    let draft = Draft {
        order_id: OrderId::new(order_id),
        person_id,
        profile: asked.profile,
        legal_basis: checked("legal_basis", &asked.legal_basis, LONGEST_REASON)?.to_owned(),
        ground_codes: asked.ground_codes,
        grounds: grounds.to_owned(),
        conditions: checked("conditions", &asked.conditions, LONGEST)?.to_owned(),
        starts_at,
        ends_at: until.end(starts_at, &zone)?,
    };
    let by = caller.user.user_id;
    order::make(&transaction, &draft, by, now)
        .await
        .map_err(|error| refused(error, "person"))?;
    if let Some(settings) = asked.settings {
        change_settings(&transaction, person_id, draft.order_id, settings, by).await?;
    }
    if !asked.check {
        let detail = format!("order {}, law profile {}", draft.order_id, draft.profile);
        change::note(&transaction, by, Some(person_id), What::OrderMade, &detail).await?;
        publish(&transaction, person_id, now).await?;
    }
    let mut list = read(&transaction, &caller.user, person_id, None, None).await?;
    list.made = Some(draft.order_id.uuid());
    if asked.check {
        transaction.rollback().await.map_err(casedb::Error::from)?;
    } else {
        transaction.commit().await.map_err(casedb::Error::from)?;
    }
    Ok(Json(list))
}

/// Sets an order's operating conditions, after the role has written the order or its variation.
async fn change_settings(
    transaction: &Transaction<'_>,
    person_id: PersonId,
    order_id: OrderId,
    settings: Terms,
    by: Uuid,
) -> Result<(), casedb::Error> {
    let outside = step_out(transaction, Beyond::Settings).await?;
    rules::change_settings(transaction, person_id, Some(order_id), &settings.into(), Some(by)).await?;
    outside.back(transaction).await
}

/// What an act on an order works on.
pub(super) struct Subject<'a> {
    pub(super) transaction: Transaction<'a>,
    user: &'a User,
    pub(super) order_id: OrderId,
    person_id: PersonId,
    zone: TimeZone,
    now: Timestamp,
}

impl<'a> Subject<'a> {
    /// Opens the transaction: the user sees the person, and the role may do this under the order's law.
    pub(super) async fn open(
        client: &'a mut UserClient,
        user: &'a User,
        order_id: Uuid,
        act: Act,
    ) -> Result<Subject<'a>, ApiError> {
        let order_id = OrderId::new(order_id);
        let transaction = client.begin(user).await?;
        let found = order::read(&transaction, order_id).await;
        let person_id = found.map_err(|error| refused(error, "order"))?.person_id;
        let zone = proven(&transaction, user, person_id, "order").await?;
        let dossiers = order::dossiers(&transaction, person_id, Timestamp::now()).await?;
        let found = dossiers.iter().find(|dossier| dossier.id() == order_id);
        let profile = law::require(found.map_or("generic", |dossier| &dossier.state.profile))?;
        order::may(user.role, act, profile)?;
        Ok(Self {
            transaction,
            user,
            order_id,
            person_id,
            zone,
            now: Timestamp::now(),
        })
    }

    /// How things stand, where this request was served before under its key.
    pub(super) async fn again(&self, once: Once) -> Result<Option<Json<OrderList>>, ApiError> {
        if !once.again(&self.transaction, self.user).await? {
            return Ok(None);
        }
        let list = read(&self.transaction, self.user, self.person_id, None, None).await?;
        Ok(Some(Json(list)))
    }

    /// Notes the change, publishes the rules, and says how things stand.
    pub(super) async fn done(self, what: What, detail: &str) -> Result<Json<OrderList>, ApiError> {
        let detail = format!("order {}{detail}", self.order_id);
        change::note(
            &self.transaction,
            self.user.user_id,
            Some(self.person_id),
            what,
            &detail,
        )
        .await?;
        publish(&self.transaction, self.person_id, self.now).await?;
        let list = read(&self.transaction, self.user, self.person_id, None, None).await?;
        self.transaction.commit().await.map_err(casedb::Error::from)?;
        Ok(Json(list))
    }
}

/// A step that was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNotice {
    /// `notice_signed`, `notice_given`, `copy_sent` or `written_order`, as the law profile has it.
    pub step: String,
    /// Of which extension; without it, of the order itself.
    #[serde(default)]
    pub extension_id: Option<Uuid>,
    /// When it was done; without it, now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<Timestamp>,
    /// Of the document in the file: by whom it was signed or taken, its number.
    #[serde(default)]
    pub reference: String,
}

/// Records a step that the law requires: a notice signed, a copy sent to the procuratorate.
#[utoipa::path(post, path = "/api/v1/orders/{id}/notices", tag = "orders", params(("id" = Uuid, Path)), request_body = NewNotice, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn serve(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<NewNotice>,
) -> Result<Json<OrderList>, ApiError> {
    let step: Step = asked.step.parse().map_err(|error| bad("step", &error))?;
    let reference = checked("reference", &asked.reference, LONGEST_REASON)?;
    let mut client = app.0.users.client().await?;
    let subject = Subject::open(&mut client, &caller.user, order_id, Act::Propose).await?;
    if let Some(list) = subject.again(once).await? {
        return Ok(list);
    }
    let done_at = asked.done_at.unwrap_or(subject.now);
    let by = caller.user.user_id;
    let noting = order::Noting {
        order_id: subject.order_id,
        extension_id: asked.extension_id,
        step,
        done_at,
        reference,
    };
    order::note(&subject.transaction, &noting, by, subject.now)
        .await
        .map_err(|error| refused(error, "order"))?;
    let extension = asked
        .extension_id
        .map_or_else(String::new, |id| format!(", extension {id}"));
    subject.done(What::OrderNotice, &format!("{extension}: {step}")).await
}

/// An extension to be asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewExtension {
    /// So many calendar months from the present end.
    #[serde(default)]
    pub months: Option<u8>,
    /// The new last day, instead.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_day: Option<Date>,
    /// Why it is still needed.
    pub reason: String,
}

/// Asks for an extension; it extends the order when it is approved, where the law profile asks for that.
#[utoipa::path(post, path = "/api/v1/orders/{id}/extensions", tag = "orders", params(("id" = Uuid, Path)), request_body = NewExtension, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn extend(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<NewExtension>,
) -> Result<Json<OrderList>, ApiError> {
    let reason = checked("reason", &asked.reason, LONGEST_REASON)?;
    let mut client = app.0.users.client().await?;
    let subject = Subject::open(&mut client, &caller.user, order_id, Act::Propose).await?;
    if let Some(list) = subject.again(once).await? {
        return Ok(list);
    }
    let before = order::read(&subject.transaction, subject.order_id).await?.ends_at;
    let until = Until {
        months: asked.months,
        last_day: asked.last_day,
    };
    let until = until.end(before, &subject.zone)?;
    let by = caller.user.user_id;
    let id = order::extend(&subject.transaction, subject.order_id, until, reason, by, subject.now)
        .await
        .map_err(|error| refused(error, "order"))?;
    subject
        .done(What::OrderExtension, &format!(" to {until}, extension {id}"))
        .await
}

/// A review that was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewReview {
    /// `continue`, `vary` or `end`.
    pub outcome: String,
    /// What was found.
    pub note: String,
    /// The conditions from now on, where it is varied.
    #[serde(default)]
    pub conditions: Option<String>,
}

/// Does the review that is due, or one that nobody asked for; the next is due by the law profile's interval.
#[utoipa::path(post, path = "/api/v1/orders/{id}/reviews", tag = "orders", params(("id" = Uuid, Path)), request_body = NewReview, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn review(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<NewReview>,
) -> Result<Json<OrderList>, ApiError> {
    let outcome: Outcome = asked.outcome.parse().map_err(|error| bad("outcome", &error))?;
    let note = checked("note", &asked.note, LONGEST_REASON)?;
    let conditions = asked
        .conditions
        .as_deref()
        .map(|text| checked("conditions", text, LONGEST));
    let conditions = conditions.transpose()?.filter(|_| outcome == Outcome::Vary);
    let mut client = app.0.users.client().await?;
    let subject = Subject::open(&mut client, &caller.user, order_id, Act::Review).await?;
    if let Some(list) = subject.again(once).await? {
        return Ok(list);
    }
    let by = caller.user.user_id;
    order::review(&subject.transaction, subject.order_id, outcome, note, by, subject.now)
        .await
        .map_err(|error| refused(error, "order"))?;
    if let Some(conditions) = conditions {
        order::vary(
            &subject.transaction,
            subject.order_id,
            conditions,
            note,
            by,
            subject.now,
        )
        .await
        .map_err(|error| refused(error, "order"))?;
    }
    subject.done(What::OrderReview, &format!(": {outcome}")).await
}

/// Other conditions.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// What the order demands from now on, besides zones and schedules; without it, what it did.
    #[serde(default)]
    pub conditions: Option<String>,
    /// How the engine judges from now on; without it, as it did.
    #[serde(default)]
    pub settings: Option<Terms>,
    /// Why.
    pub reason: String,
}

/// Varies an order: its conditions are replaced, those before stay on record.
#[utoipa::path(post, path = "/api/v1/orders/{id}/variations", tag = "orders", params(("id" = Uuid, Path)), request_body = Variation, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn vary(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<Variation>,
) -> Result<Json<OrderList>, ApiError> {
    let reason = checked("reason", &asked.reason, LONGEST_REASON)?;
    let conditions = asked
        .conditions
        .as_deref()
        .map(|text| checked("conditions", text, LONGEST));
    let conditions = conditions.transpose()?;
    let mut client = app.0.users.client().await?;
    let subject = Subject::open(&mut client, &caller.user, order_id, Act::Propose).await?;
    if let Some(list) = subject.again(once).await? {
        return Ok(list);
    }
    let (transaction, order_id, person_id) = (&subject.transaction, subject.order_id, subject.person_id);
    let by = caller.user.user_id;
    let held = order::dossiers(transaction, person_id, Timestamp::now()).await?;
    let held = held.iter().find(|dossier| dossier.id() == order_id);
    let before = held.map_or("", |dossier| dossier.state.conditions.as_str());
    let conditions = conditions.unwrap_or(before);
    order::vary(transaction, order_id, conditions, reason, by, subject.now)
        .await
        .map_err(|error| refused(error, "order"))?;
    if let Some(settings) = asked.settings {
        change_settings(transaction, person_id, order_id, settings, by).await?;
    }
    subject.done(What::OrderVaried, "").await
}

/// The end of an order before its term.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Why.
    pub reason: String,
}

/// Ends an order from now on; a draft is withdrawn by it.
#[utoipa::path(post, path = "/api/v1/orders/{id}/revocation", tag = "orders", params(("id" = Uuid, Path)), request_body = Revocation, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`; `text_too_long`", body = ErrorBody),
))]
pub async fn revoke(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<Revocation>,
) -> Result<Json<OrderList>, ApiError> {
    let reason = checked("reason", &asked.reason, LONGEST_REASON)?;
    let mut client = app.0.users.client().await?;
    let subject = Subject::open(&mut client, &caller.user, order_id, Act::Propose).await?;
    if let Some(list) = subject.again(once).await? {
        return Ok(list);
    }
    let order = order::read(&subject.transaction, subject.order_id).await?;
    if order.revoked_at.is_some_and(|at| at <= subject.now) {
        return Err(Refused::new("order_revoked", "the order was revoked already").into());
    }
    if order.ends_at <= subject.now {
        return Err(Refused::new("order_over", "the order is over already").into());
    }
    order::revoke_for(
        &subject.transaction,
        subject.order_id,
        reason,
        caller.user.user_id,
        subject.now,
    )
    .await
    .map_err(|error| refused(error, "order"))?;
    subject.done(What::OrderRevoked, "").await
}
