//! What service providers see and do: the people of the contracts in force, and of them what a contract covers.

use axum::{Json, extract::State, http::StatusCode};
use casedb::{
    care::{self, Covered, Known, Scope},
    contact,
    device::life::Removal,
    note::{self, Written},
    zone::Audience,
};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::casework::{NoteRow, word};
use crate::{
    ApiError, App,
    authorise::{Authorised, Id, Provider},
    error::ErrorBody,
    once::Keyed,
};

/// Notes and closed incidents of this long are shown.
const SHOWN: SignedDuration = SignedDuration::from_hours(90 * 24);
/// At most so many notes.
const MOST: i64 = 100;

/// People whom contracts cover.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoveredList {
    /// By their reference.
    pub people: Vec<Covered>,
}

/// One of them; what no contract covers is null.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoveredPerson {
    /// Who, and the device's signs of life.
    pub person: Covered,
    /// Contacts, without protected addresses.
    #[schema(value_type = Option<Vec<Object>>)]
    pub contacts: Option<Vec<contact::Contact>>,
    /// Notes for social work of the last 90 days, the newest first.
    #[schema(value_type = Option<Vec<Object>>)]
    pub notes: Option<Vec<NoteRow>>,
    /// Incidents that are open or were closed in the last 90 days, without what they were decided on.
    pub incidents: Option<Vec<Known>>,
}

/// The people of the contracts in force.
#[utoipa::path(get, path = "/api/v1/care", tag = "care", responses(
    (status = 200, body = CoveredList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn list(caller: Authorised<Provider>, State(app): State<App>) -> Result<Json<CoveredList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let people = care::covered(&transaction, None).await?;
    Ok(Json(CoveredList { people }))
}

/// One person, as far as contracts cover.
#[utoipa::path(get, path = "/api/v1/care/{id}", tag = "care", params(("id" = Uuid, Path)), responses(
    (status = 200, body = CoveredPerson),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or no contract covers them", body = ErrorBody),
))]
pub async fn one(
    caller: Authorised<Provider>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<CoveredPerson>, ApiError> {
    let now = Timestamp::now();
    let since = now.checked_sub(SHOWN).unwrap_or(now);
    let until = now.checked_add(SignedDuration::from_mins(5)).unwrap_or(now);
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person = covered(&transaction, person_id).await?;
    let covers = |scope: Scope| person.scope.iter().any(|word| word == scope.as_str());
    let id = PersonId::new(person_id);
    let contacts = if covers(Scope::Contacts) {
        Some(contact::of_person(&transaction, id, false, now).await?)
    } else {
        None
    };
    let notes = if covers(Scope::Notes) {
        let found = note::of_person(&transaction, id, &["social_work", "both"], (since, until), MOST).await?;
        Some(found.into_iter().map(NoteRow::from).collect())
    } else {
        None
    };
    let incidents = if covers(Scope::Incidents) {
        Some(care::incidents(&transaction, person_id, since).await?)
    } else {
        None
    };
    Ok(Json(CoveredPerson {
        person,
        contacts,
        notes,
        incidents,
    }))
}

async fn covered(transaction: &casedb::Transaction<'_>, person_id: Uuid) -> Result<Covered, ApiError> {
    let found = care::covered(transaction, Some(person_id)).await?;
    found.into_iter().next().ok_or(ApiError::NotFound("person"))
}

/// Refuses what the contracts do not cover.
fn must_cover(person: &Covered, scope: Scope) -> Result<(), ApiError> {
    if person.scope.iter().any(|word| word == scope.as_str()) {
        Ok(())
    } else {
        Err(ApiError::invalid(
            "not_covered",
            format!("no contract in force covers {}", scope.as_str()),
        ))
    }
}

/// A note of a service provider.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CareNote {
    /// The words, 1 to 10,000 characters.
    pub text: String,
    /// `note`, `visit` or `call`.
    #[serde(default)]
    pub kind: Option<String>,
}

/// Writes a note on a person, for social work.
#[utoipa::path(post, path = "/api/v1/care/{id}/notes", tag = "care", params(("id" = Uuid, Path)), request_body = CareNote, responses(
    (status = 204, description = "Written"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or no contract covers them", body = ErrorBody),
    (status = 422, description = "`not_covered`, `bad_value`", body = ErrorBody),
))]
pub async fn write_note(
    caller: Authorised<Provider>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(new, once): Keyed<CareNote>,
) -> Result<StatusCode, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    must_cover(&covered(&transaction, person_id).await?, Scope::Notes)?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let written = Written {
        kind: word(new.kind.as_deref().unwrap_or("note"))?,
        audience: Audience::SocialWork,
        text: &new.text,
        happened_at: now,
        corrects: None,
    };
    note::write(
        &transaction,
        PersonId::new(person_id),
        &written,
        caller.user.user_id,
        now,
    )
    .await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A swap of the device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CareSwap {
    /// The new device as printed on it: `protocol:identity`.
    pub device: String,
    /// `swap`, `fault`, `lost`, `maintenance` or `other`.
    pub reason: String,
}

/// Puts another device in the place of the one that the person wears.
#[utoipa::path(post, path = "/api/v1/care/{id}/swap", tag = "care", params(("id" = Uuid, Path)), request_body = CareSwap, responses(
    (status = 204, description = "Swapped"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, no contract covers them, or they wear no device", body = ErrorBody),
    (status = 422, description = "`not_covered`, `bad_value`; `invalid`: the device is not one that is free", body = ErrorBody),
))]
pub async fn swap(
    caller: Authorised<Provider>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(asked, once): Keyed<CareSwap>,
) -> Result<StatusCode, ApiError> {
    let why: Removal = word(&asked.reason)?;
    if why == Removal::EndOfOrder {
        return Err(ApiError::invalid(
            "bad_value",
            "at the end of an order nothing is swapped",
        ));
    }
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    must_cover(&covered(&transaction, person_id).await?, Scope::Device)?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    care::swap(
        &transaction,
        person_id,
        &asked.device,
        why,
        caller.user.user_id,
        Timestamp::now(),
    )
    .await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}
