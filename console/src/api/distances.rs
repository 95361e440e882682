//! Distances that a person has to keep from protected people: for the police's side alone, who may see both.

use axum::{Json, extract::State};
use casedb::{
    Transaction,
    protect::{self, Protected, Proximity, Terms},
    user::{Branch, User},
    zone::Schedule,
};
use jiff::Timestamp;
use proto::PersonId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    orders::{publish, refused},
    zones::seen,
};
use crate::{
    ApiError, App,
    authorise::{Authorised, CaseReader, Handler, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Whom a person has to keep away from.
#[derive(Debug, Serialize, ToSchema)]
pub struct DistanceList {
    /// The caller is of the side that knows of protected people, and may change this.
    pub may_change: bool,
    /// The distances as they are, by the protected person's reference.
    pub distances: Vec<Distance>,
    /// Protected people whom the caller may see.
    pub protected: Vec<ProtectedRow>,
}

/// A distance to keep.
#[derive(Debug, Serialize, ToSchema)]
pub struct Distance {
    /// Of the restriction.
    pub proximity_id: Uuid,
    /// Its revision.
    pub revision: u64,
    /// From whom: the police's reference.
    pub reference: String,
    /// Nearer is a violation, metres.
    pub distance_m: f64,
    /// A warning this much farther out, metres; 0: none.
    pub buffer_m: f64,
    /// When it holds, as in `docs/rules.schema.json`; without it, always.
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<Value>,
}

/// A protected person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProtectedRow {
    /// The police's reference.
    pub reference: String,
    /// Name; may be empty.
    pub display_name: String,
    /// They let their device be followed; without that, distances rest.
    pub consents: bool,
}

/// A distance to be set, changed or taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDistance {
    /// The protected person's reference.
    pub protected: String,
    /// The revision that the caller has seen, 0 for none: who was slower than somebody else is told so.
    pub seen: u64,
    /// From now on there is none; nothing else is given then.
    #[serde(default)]
    pub removed: bool,
    /// Nearer is a violation: 1 to 1,000,000 m.
    #[serde(default)]
    pub distance_m: f64,
    /// A warning this much farther out: 0 to 1,000,000 m.
    #[serde(default)]
    pub buffer_m: f64,
    /// When it holds; without it, always.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<Value>,
}

async fn read(transaction: &Transaction<'_>, user: &User, person_id: PersonId) -> Result<DistanceList, ApiError> {
    if user.branch == Branch::SocialWork {
        return Ok(DistanceList {
            may_change: false,
            distances: Vec::new(),
            protected: Vec::new(),
        });
    }
    let protected = protect::list(transaction).await?;
    let mut distances = Vec::new();
    for bound in protect::of_person(transaction, person_id, true).await? {
        if let Some(someone) = protected.iter().find(|one| one.protected_id == bound.protected_id) {
            distances.push(distance(&bound, someone)?);
        }
    }
    distances.sort_by(|one, other| one.reference.cmp(&other.reference));
    let row = |one: &Protected| ProtectedRow {
        reference: one.reference.clone(),
        display_name: one.display_name.clone(),
        consents: one.consents(),
    };
    Ok(DistanceList {
        may_change: true,
        distances,
        protected: protected.iter().map(row).collect(),
    })
}

fn distance(bound: &Proximity, protected: &Protected) -> Result<Distance, ApiError> {
    Ok(Distance {
        proximity_id: bound.proximity_id.uuid(),
        revision: bound.revision,
        reference: protected.reference.clone(),
        distance_m: bound.terms.distance_m,
        buffer_m: bound.terms.buffer_m,
        schedule: bound.terms.schedule.as_ref().map(Schedule::to_json).transpose()?,
    })
}

/// Whom a person has to keep away from, and how far. Social work sees none.
#[utoipa::path(get, path = "/api/v1/people/{id}/distances", tag = "people", params(("id" = Uuid, Path)), responses(
    (status = 200, body = DistanceList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<CaseReader>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<DistanceList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = seen(&transaction, &caller.user, person_id).await?;
    read(&transaction, &caller.user, person_id).await.map(Json)
}

/// Sets, changes or takes away a distance that the person has to keep from a protected person; it holds at once. Who is protected, their consent
/// and their device are the command line's.
#[utoipa::path(post, path = "/api/v1/people/{id}/distances", tag = "people", params(("id" = Uuid, Path)), request_body = NewDistance, responses(
    (status = 200, body = DistanceList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not, or social work", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them: of either person", body = ErrorBody),
    (status = 422, description = "`bad_distance` and `bad_schedule` name the place; `refused_by_law`: `distance_changed`", body = ErrorBody),
))]
pub async fn change(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(asked, once): Keyed<NewDistance>,
) -> Result<Json<DistanceList>, ApiError> {
    let now = Timestamp::now();
    let user = &caller.user;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(user).await?;
    let person_id = seen(&transaction, user, person_id).await?;
    if user.branch == Branch::SocialWork {
        return Err(ApiError::Forbidden);
    }
    // Under the user's role: who may not be seen is not there.
    let protected = protect::by_reference(&transaction, asked.protected.trim()).await?;
    let protected = protected.ok_or(ApiError::NotFound("protected person"))?;
    if once.again(&transaction, user).await? {
        return read(&transaction, user, person_id).await.map(Json);
    }
    let done = if asked.removed {
        let ended = protect::keep_away_no_more(&transaction, user, person_id, &protected, Some(asked.seen), now).await;
        ended.map(drop)
    } else {
        let terms = terms(&asked)?;
        let kept = protect::keep_away(&transaction, user, person_id, &protected, &terms, Some(asked.seen)).await;
        kept.map(drop)
    };
    done.map_err(|error| refused(error, "distance"))?;
    publish(&transaction, person_id, now).await?;
    let list = read(&transaction, user, person_id).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(list))
}

fn terms(asked: &NewDistance) -> Result<Terms, ApiError> {
    let within = |name: &str, value: f64, least: f64| {
        if (least..=1_000_000.0).contains(&value) {
            return Ok(());
        }
        let message = format!("{name}: {value} is not between {least} and 1,000,000 m");
        Err(ApiError::invalid("bad_distance", message))
    };
    within("distance_m", asked.distance_m, 1.0)?;
    within("buffer_m", asked.buffer_m, 0.0)?;
    let schedule = asked.schedule.clone().filter(|schedule| !schedule.is_null());
    let schedule = schedule.map(|json| {
        let schedule = Schedule::from_json(json)?;
        schedule.holds_sometime().map(|()| schedule)
    });
    Ok(Terms {
        distance_m: asked.distance_m,
        buffer_m: asked.buffer_m,
        schedule: schedule
            .transpose()
            .map_err(|error| ApiError::invalid("bad_schedule", error.to_string()))?,
    })
}
