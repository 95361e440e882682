//! A person's orders and leave: what is on record, and deciding on them.

use axum::{Json, extract::State};
use casedb::{
    GenericClient, Refused, Transaction,
    access::{Beyond, step_out},
    change::{self, What},
    law::{self, Step, last_day},
    leave::{self, LeaveRequest},
    order::{self, Act, Court, Deciding, Decision, Dossier},
    person, rules, view,
};
use jiff::Timestamp;
use proto::{OrderId, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::terms::{Known, Terms};
use crate::{
    ApiError, App,
    authorise::{Asked, Authorised, CaseReader, Decider, Id},
    error::ErrorBody,
    once::Keyed,
};

/// At which time, as known at which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrdersQuery {
    /// What held then, RFC 3339; without it, now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub as_of: Option<Timestamp>,
    /// As it was known then, RFC 3339; without it, as it is known now.
    #[param(value_type = Option<String>, format = DateTime)]
    pub known_at: Option<Timestamp>,
}

/// An order with everything on record of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderOnRecord {
    /// The records.
    #[serde(flatten)]
    pub dossier: Dossier,
    /// Where it stands at the time asked for: `in_force`, `draft`, `refused`, `not_begun`, `lapsed`, `over` or `revoked`.
    pub standing: &'static str,
    /// What keeps it from taking effect, with the source of each demand.
    pub lacks: Vec<String>,
    /// Grounds in words, in the order of their codes.
    pub ground_texts: Vec<String>,
    /// Days of the person's calendar to the last day of the term; null: it is over.
    pub days_left: Option<i32>,
    /// Who decides on it: `none`, `user` or `court`.
    pub authority: &'static str,
    /// The caller may approve or refuse the order.
    pub may_decide: bool,
    /// Extensions that the caller may approve or refuse.
    pub decidable_extensions: Vec<Uuid>,
    /// It is not over, and the caller may extend, vary and end it and record its steps.
    pub may_change: bool,
    /// It is in effect, and the caller may review it.
    pub may_review: bool,
    /// Steps that the law requires and that are not on record.
    #[schema(value_type = Vec<Object>)]
    pub missing_steps: Vec<law::RequiredStep>,
    /// The same of extensions that were approved: each has steps of its own.
    pub missing_extension_steps: Vec<MissingStep>,
    /// The last day, by the person's calendar, that an extension asked for now can reach; null: no limit.
    pub extension_until: Option<String>,
    /// How the engine judges under this order.
    pub settings: Terms,
}

/// A step that an extension lacks.
#[derive(Debug, Serialize, ToSchema)]
pub struct MissingStep {
    /// Which extension.
    pub extension_id: Uuid,
    /// Which step.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub step: law::RequiredStep,
}

/// Leave with what the caller may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeaveOnRecord {
    /// The pass.
    #[serde(flatten)]
    pub request: LeaveRequest,
    /// The caller may approve or refuse it.
    pub may_decide: bool,
    /// The caller may withdraw it.
    pub may_withdraw: bool,
    /// Days that decide who approves it: begun days, with leave that it adjoins.
    pub days: u32,
    /// Who approves leave of this length.
    #[schema(value_type = Option<Object>)]
    pub tier: Option<&'static law::LeaveTier>,
}

/// Orders and leave of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderList {
    /// The time asked for.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// As known then.
    #[schema(value_type = String, format = DateTime)]
    pub known_at: Timestamp,
    /// The order in force at that time.
    pub in_force: Option<Uuid>,
    /// The order that was drawn up by this request, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made: Option<Uuid>,
    /// The caller may draw up orders and ask for leave.
    pub may_propose: bool,
    /// The law profiles that new orders may be drawn up under, as the person's agencies prescribe; empty: any.
    pub prescribed: Vec<String>,
    /// The person's time zone: days and months of terms are counted in it.
    pub time_zone: String,
    /// Every order, the newest first.
    pub orders: Vec<OrderOnRecord>,
    /// Leave that is not over: asked for, approved, refused.
    pub leave: Vec<LeaveOnRecord>,
}

/// A decision on an order or an extension of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderDecision {
    /// `approved` or `refused`.
    pub decision: String,
    /// The extension; without it, the order itself.
    #[serde(default)]
    pub extension_id: Option<Uuid>,
    /// Why; a refusal needs a reason.
    #[serde(default)]
    pub reason: String,
    /// The court that decided, where a judge orders.
    #[serde(default)]
    pub court: Option<String>,
    /// The reference of its decision.
    #[serde(default)]
    pub reference: String,
}

/// A decision on leave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveDecision {
    /// `approved` or `refused`.
    pub decision: String,
    /// A remark; a refusal needs one.
    #[serde(default)]
    pub note: String,
}

/// A person's orders with everything on record, as of any time, and their leave.
#[utoipa::path(get, path = "/api/v1/people/{id}/orders", tag = "orders", params(("id" = Uuid, Path), OrdersQuery), responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<CaseReader>,
    State(app): State<App>,
    Id(person_id): Id,
    Asked(asked): Asked<OrdersQuery>,
) -> Result<Json<OrderList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    if !view::may_see_person(&transaction, caller.user.user_id, person_id).await? {
        return Err(ApiError::NotFound("person"));
    }
    read(
        &transaction,
        &caller.user,
        PersonId::new(person_id),
        asked.as_of,
        asked.known_at,
    )
    .await
    .map(Json)
}

/// Approves or refuses an order, or an extension of it. Who may is the law profile's matter; a refusal names the rule and its source.
#[utoipa::path(post, path = "/api/v1/orders/{id}/decision", tag = "orders", params(("id" = Uuid, Path)), request_body = OrderDecision,
    responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`: the law profile does not let this caller decide this; `bad_value`", body = ErrorBody),
))]
pub async fn decide(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<OrderDecision>,
) -> Result<Json<OrderList>, ApiError> {
    let decision = decision(&asked.decision)?;
    let order_id = OrderId::new(order_id);
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = order::read(&transaction, order_id)
        .await
        .map_err(|error| refused(error, "order"))?
        .person_id;
    if !view::may_see_person(&transaction, caller.user.user_id, person_id.uuid()).await? {
        return Err(ApiError::NotFound("order"));
    }
    if once.again(&transaction, &caller.user).await? {
        return read(&transaction, &caller.user, person_id, None, None).await.map(Json);
    }
    let court = asked.court.map(|court| Court {
        court,
        reference: asked.reference,
    });
    let deciding = Deciding {
        order_id,
        extension_id: asked.extension_id,
        decision,
        court: court.as_ref(),
        reason: asked.reason.trim(),
    };
    order::decide(&transaction, deciding, &caller.user, now)
        .await
        .map_err(|error| refused(error, "order"))?;
    let what = match decision {
        Decision::Approved => What::OrderApproved,
        Decision::Refused => What::OrderRefused,
    };
    let extension = asked
        .extension_id
        .map_or_else(String::new, |id| format!(", extension {id}"));
    let detail = format!("order {order_id}{extension}");
    change::note(&transaction, caller.user.user_id, Some(person_id), what, &detail).await?;
    publish(&transaction, person_id, now).await?;
    let list = read(&transaction, &caller.user, person_id, None, None).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(list))
}

/// Approves or refuses leave that was asked for: the longer, the higher the role. Not by who asked.
#[utoipa::path(post, path = "/api/v1/leave/{id}/decision", tag = "orders", params(("id" = Uuid, Path)), request_body = LeaveDecision,
    responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`: the tier of this length asks for another role; `bad_value`", body = ErrorBody),
))]
pub async fn decide_leave(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(leave_id): Id,
    Keyed(asked, once): Keyed<LeaveDecision>,
) -> Result<Json<OrderList>, ApiError> {
    let decision = decision(&asked.decision)?;
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = leave::request(&transaction, leave_id)
        .await
        .map_err(|error| refused(error, "leave"))?
        .person_id;
    if !view::may_see_person(&transaction, caller.user.user_id, person_id).await? {
        return Err(ApiError::NotFound("leave"));
    }
    if once.again(&transaction, &caller.user).await? {
        let person_id = PersonId::new(person_id);
        return read(&transaction, &caller.user, person_id, None, None).await.map(Json);
    }
    let person_id = leave::decide(&transaction, leave_id, decision, &caller.user, asked.note.trim(), now)
        .await
        .map_err(|error| refused(error, "leave"))?;
    let what = match decision {
        Decision::Approved => What::Leave,
        Decision::Refused => What::LeaveRefused,
    };
    change::note(
        &transaction,
        caller.user.user_id,
        Some(person_id),
        what,
        &leave_id.to_string(),
    )
    .await?;
    if decision == Decision::Approved {
        publish(&transaction, person_id, now).await?;
    }
    let list = read(&transaction, &caller.user, person_id, None, None).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(list))
}

/// Makes the person's rules anew in the transaction that changed what they follow from, which is the user's.
pub(super) async fn publish(
    transaction: &Transaction<'_>,
    person_id: PersonId,
    now: Timestamp,
) -> Result<(), casedb::Error> {
    let outside = step_out(transaction, Beyond::Publish).await?;
    rules::publish(transaction, person_id, now).await?;
    outside.back(transaction).await
}

/// The same, and reads what was made: for who takes it back again.
pub(super) async fn publish_and_read(
    transaction: &Transaction<'_>,
    person_id: PersonId,
    now: Timestamp,
) -> Result<proto::wire::Rules, casedb::Error> {
    let outside = step_out(transaction, Beyond::Publish).await?;
    rules::publish(transaction, person_id, now).await?;
    let made = rules::published(transaction, person_id).await?;
    outside.back(transaction).await?;
    Ok(made.unwrap_or_default())
}

fn decision(word: &str) -> Result<Decision, ApiError> {
    word.parse().map_err(|_| {
        ApiError::invalid(
            "bad_value",
            format!("decision {word:?} is neither approved nor refused"),
        )
    })
}

pub(super) fn refused(error: casedb::Error, what: &'static str) -> ApiError {
    match error {
        // What the tables themselves refuse.
        casedb::Error::Constraint { constraint, message } => Refused::new("constraint", message)
            .with("constraint", constraint)
            .into(),
        casedb::Error::Input(reason) => ApiError::invalid("refused_by_law", reason),
        casedb::Error::NotFound { .. } => ApiError::NotFound(what),
        other => other.into(),
    }
}

pub(super) async fn read(
    client: &impl GenericClient,
    viewer: &casedb::user::User,
    person_id: PersonId,
    as_of: Option<Timestamp>,
    known_at: Option<Timestamp>,
) -> Result<OrderList, ApiError> {
    // What this transaction has written is known too.
    let now = Timestamp::now();
    let (when, known) = (as_of.unwrap_or(now), known_at.unwrap_or(now));
    let person = person::read(client, person_id).await?;
    let zone =
        proto::rules::time_zone(&person.time_zone).map_err(|error| ApiError::invalid("invalid", error.to_string()))?;
    let approver = order::approver(client, viewer, person_id).await?;
    let held = order::as_of(client, person_id, when, known).await?;
    let settings = Known::read(client, person_id, known).await?;
    let in_force = held.in_force().map(|dossier| dossier.order_id);
    let today = zone.to_datetime(when).date();
    let orders = held.orders.into_iter().rev().map(|dossier| {
        let profile = law::profile(&dossier.state.profile);
        let proposed = |by: Option<&str>| by == Some(viewer.username.as_str());
        let court = profile
            .filter(|profile| profile.approval.authority == law::Authority::Court)
            .map(|_| "");
        let lets = |by: Option<&str>| {
            profile.is_some_and(|profile| profile.check_approver(&approver, proposed(by), court).is_ok())
        };
        let open = dossier.state.ends_at > now && dossier.state.revoked_at.is_none();
        let made_by = dossier.revisions.first().and_then(|first| first.recorded_by.as_deref());
        let undecided = dossier.extensions.iter().filter(|extension| {
            dossier
                .approvals
                .iter()
                .all(|approval| approval.extension_id != Some(extension.extension_id))
        });
        let days = today
            .until(last_day(dossier.state.ends_at, &zone))
            .map_or(0, |span| span.get_days());
        let proposes = |act| profile.is_some_and(|profile| order::may(viewer.role, act, profile).is_ok());
        let done = |of: Option<Uuid>| -> Vec<Step> {
            let own = dossier.notices.iter().filter(|notice| notice.extension_id == of);
            own.filter_map(|notice| notice.step.parse().ok()).collect()
        };
        let approved = dossier.extensions.iter().filter(|extension| {
            extension.to_end > dossier.state.ends_at
                && dossier.approvals.iter().any(|approval| {
                    approval.extension_id == Some(extension.extension_id) && approval.decision == "approved"
                })
        });
        let missing_extension_steps = approved
            .flat_map(|extension| {
                let extension_id = extension.extension_id;
                let steps = done(Some(extension_id));
                let missing: Vec<_> = profile.map_or_else(Vec::new, |profile| {
                    profile.missing_of_extension(&steps).cloned().collect()
                });
                missing.into_iter().map(move |step| MissingStep { extension_id, step })
            })
            .collect();
        OrderOnRecord {
            may_change: open && proposes(Act::Propose),
            may_review: open && dossier.state.in_force_from.is_some() && proposes(Act::Review),
            missing_steps: profile.map_or_else(Vec::new, |profile| profile.missing(&done(None)).cloned().collect()),
            missing_extension_steps,
            extension_until: profile
                .and_then(|profile| profile.extension.as_ref())
                .and_then(|limit| law::months_after(dossier.state.ends_at, limit.months, &zone).ok())
                .map(|latest| last_day(latest, &zone).to_string()),
            settings: settings.of(dossier.order_id),
            standing: standing(&dossier, when),
            lacks: dossier.lacks(),
            ground_texts: grounds(&dossier, profile),
            days_left: (dossier.state.ends_at > when).then_some(days),
            authority: profile.map_or("none", |profile| profile.approval.authority.as_str()),
            may_decide: open && dossier.approval().is_none() && lets(made_by),
            decidable_extensions: undecided
                .filter(|extension| open && lets(Some(&extension.requested_by)))
                .map(|extension| extension.extension_id)
                .collect(),
            dossier,
        }
    });
    let orders: Vec<_> = orders.collect();
    let may_propose = order::may(viewer.role, Act::Propose, law::require("generic")?).is_ok();
    let mut passes = Vec::new();
    for request in leave::requests(client, person_id, when).await? {
        let open = request.state == "requested" && request.withdrawn_at.is_none() && request.ends_at > now;
        let may_decide = open && leave::may_decide(client, &request, viewer, &approver).await?;
        let may_withdraw = may_propose && request.withdrawn_at.is_none() && request.ends_at > now;
        let (days, tier) = leave::tier(client, &request).await?;
        passes.push(LeaveOnRecord {
            request,
            may_decide,
            may_withdraw,
            days,
            tier,
        });
    }
    Ok(OrderList {
        as_of: when,
        known_at: known,
        in_force,
        made: None,
        may_propose,
        prescribed: order::prescribed(client, person_id).await?,
        time_zone: person.time_zone,
        orders,
        leave: passes,
    })
}

fn grounds(dossier: &Dossier, profile: Option<&law::Profile>) -> Vec<String> {
    let known = |code: &String| {
        let found = profile.and_then(|profile| profile.grounds.iter().find(|ground| ground.code == *code));
        found.map_or_else(|| code.clone(), |ground| ground.text.clone())
    };
    dossier.state.ground_codes.iter().map(known).collect()
}

fn standing(dossier: &Dossier, when: Timestamp) -> &'static str {
    let state = &dossier.state;
    if dossier.is_in_force(when) {
        "in_force"
    } else if state.revoked_at.is_some_and(|at| at <= when) {
        "revoked"
    } else if state.ends_at <= when {
        "over"
    } else if dossier
        .approval()
        .is_some_and(|approval| approval.decision == "refused")
    {
        "refused"
    } else if state.in_force_from.is_none() {
        "draft"
    } else if state.lapses_at.is_some_and(|at| at <= when) {
        "lapsed"
    } else {
        "not_begun"
    }
}
