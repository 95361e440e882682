//! How urgent an order makes events: what it says, what it may say, and saying it anew.

use alerts::priority::{
    self,
    order::{self as limits, Rule, STEPS_MAX, Wrong},
};
use axum::{Json, extract::State};
use casedb::{
    Refused,
    change::What,
    order::{self, Act, Priorities},
};
use jiff::Timestamp;
use proto::{OrderId, wire::EventKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    drafting::{LONGEST_REASON, Subject, checked, proven},
    orders::{OrderList, read, refused},
};
use crate::{
    ApiError, App,
    authorise::{Authorised, CaseReader, Decider, Id},
    error::ErrorBody,
    once::Keyed,
};

/// What an order says of how urgent events are.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderPriorities {
    /// Which order.
    pub order_id: Uuid,
    /// The newest revision's rules, as `silence=+1` (a step more urgent), `late_return=-1`, `jamming=P1`, `all=-1`; empty: it says nothing.
    pub rules: Vec<String>,
    /// The newest revision; 0: none yet.
    pub revision: i64,
    /// Every revision with author and reason, the oldest first.
    pub revisions: Vec<Priorities>,
    /// The caller may set others.
    pub may_change: bool,
    /// Most steps of one rule.
    pub steps_max: u8,
    /// What there are rules for, the most urgent first.
    pub kinds: Vec<Kind>,
}

/// A kind of event, and how urgent it may be made.
#[derive(Debug, Serialize, ToSchema)]
pub struct Kind {
    /// Which.
    pub kind: &'static str,
    /// 1 to 4, by the table.
    pub by_table: i16,
    /// The least urgent that an order may make it, 1 to 4.
    pub least: i16,
    /// The same at a zone that guards a protected person.
    pub least_guarded: i16,
}

impl Kind {
    fn of(kind: EventKind, by_table: priority::Severity) -> Self {
        Self {
            kind: proto::event::kind_name(kind),
            by_table: by_table.level(),
            least: limits::least(kind, false).level(),
            least_guarded: limits::least(kind, true).level(),
        }
    }
}

/// What an order is to say of how urgent events are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPriorities {
    /// All of them, as `silence=+1`, `late_return=-1`, `jamming=P1`, `all=-1`; empty: none any more.
    pub rules: Vec<String>,
    /// Why.
    pub reason: String,
}

/// What an order says of how urgent events are, with every revision, and what it may say.
#[utoipa::path(get, path = "/api/v1/orders/{id}/priorities", tag = "orders", params(("id" = Uuid, Path)), responses(
    (status = 200, body = OrderPriorities),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
))]
pub async fn show(
    caller: Authorised<CaseReader>,
    State(app): State<App>,
    Id(order_id): Id,
) -> Result<Json<OrderPriorities>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let found = order::read(&transaction, OrderId::new(order_id)).await;
    let person_id = found.map_err(|error| refused(error, "order"))?.person_id;
    proven(&transaction, &caller.user, person_id, "order").await?;
    let list = read(&transaction, &caller.user, person_id, None, None).await?;
    let found = list.orders.into_iter().find(|one| one.dossier.order_id == order_id);
    let found = found.ok_or(ApiError::NotFound("order"))?;
    let revisions = found.dossier.priorities;
    let newest = revisions.last();
    Ok(Json(OrderPriorities {
        order_id,
        rules: newest.map_or_else(Vec::new, |newest| newest.rules.iter().map(Rule::to_string).collect()),
        revision: newest.map_or(0, |newest| newest.revision),
        may_change: found.may_change,
        steps_max: STEPS_MAX,
        kinds: priority::TABLE
            .iter()
            .map(|(kind, by_table)| Kind::of(*kind, *by_table))
            .collect(),
        revisions,
    }))
}

/// Replaces what an order says of how urgent events are, from now on. It is a variation of the order: by who may vary it, with a reason,
/// without an approval of its own. Those before stay on record, and hold for what began under them.
#[utoipa::path(put, path = "/api/v1/orders/{id}/priorities", tag = "orders", params(("id" = Uuid, Path)), request_body = NewPriorities, responses(
    (status = 200, body = OrderList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 422, description = "`refused_by_law`, reason `priority_unreadable`, `priority_kind`, `priority_steps`, `priority_twice`, \
        `priority_too_low` or `reason_needed`; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn set(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(order_id): Id,
    Keyed(asked, once): Keyed<NewPriorities>,
) -> Result<Json<OrderList>, ApiError> {
    let reason = checked("reason", &asked.reason, LONGEST_REASON)?;
    if asked.rules.len() > limits::RULES_MAX {
        return Err(ApiError::invalid(
            "bad_value",
            format!("rules: at most {}", limits::RULES_MAX),
        ));
    }
    let rules = asked.rules.iter().map(|text| text.trim().parse());
    let rules: Vec<Rule> = rules
        .collect::<Result<_, Wrong>>()
        .map_err(|wrong| Refused::from(&wrong))?;
    let mut client = app.0.users.client().await?;
    let subject = Subject::open(&mut client, &caller.user, order_id, Act::Propose).await?;
    if let Some(list) = subject.again(once).await? {
        return Ok(list);
    }
    let by = caller.user.user_id;
    order::set_priorities(
        &subject.transaction,
        subject.order_id,
        &rules,
        reason,
        by,
        Timestamp::now(),
    )
    .await
    .map_err(|error| refused(error, "order"))?;
    let said: Vec<_> = rules.iter().map(Rule::to_string).collect();
    let said = if said.is_empty() {
        "none".to_owned()
    } else {
        said.join(" ")
    };
    subject.done(What::OrderVaried, &format!(": priorities {said}")).await
}
