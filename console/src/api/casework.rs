//! What those in charge of a person keep: contacts, notes, the life of the devices, and what became of violations.

use axum::{Json, extract::State, http::StatusCode};
use casedb::{
    Refused, Transaction,
    contact::{self, Content},
    device::life,
    note::{self, Written},
    user::{Branch, User},
    view,
    violation::{self, Decide},
};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::people::case_number;
use crate::{
    ApiError, App,
    authorise::{Authorised, Handler, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Violations and notes of this long are shown.
const SHOWN: SignedDuration = SignedDuration::from_hours(180 * 24);
/// At most so many of each.
const MOST: i64 = 200;
/// How long a contact holds that ends at once.
const MOMENT: SignedDuration = SignedDuration::from_secs(1);
/// Silent devices that are listed.
const MOST_SILENT: i64 = 500;

/// What is kept of a person besides orders, zones and positions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Casework {
    /// Contacts as they are now; a protected address is for the police alone.
    #[schema(value_type = Vec<Object>)]
    pub contacts: Vec<contact::Contact>,
    /// Notes for the reader's branch of the last 180 days, the newest first.
    #[schema(value_type = Vec<Object>)]
    pub notes: Vec<NoteRow>,
    /// What the person wore, oldest first.
    #[schema(value_type = Vec<Object>)]
    pub worn: Vec<life::Worn>,
    /// Faults of devices while the person wore them.
    #[schema(value_type = Vec<Object>)]
    pub faults: Vec<life::Fault>,
    /// Devices that the person wears and that say nothing.
    #[schema(value_type = Vec<Object>)]
    pub silent: Vec<life::Silent>,
    /// Violations of the last 180 days with what became of each, the newest first.
    #[schema(value_type = Vec<Object>)]
    pub violations: Vec<violation::Violation>,
    /// The reader may write contacts, notes and outcomes.
    pub may_write: bool,
}

/// A note; its number as text, because not every reader of JSON has 64 bits.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoteRow {
    /// Its number.
    pub note_id: String,
    /// `note`, `visit`, `call` or `hearing`.
    pub kind: String,
    /// `police`, `social_work` or `both`.
    pub audience: String,
    /// The words.
    pub text: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub happened_at: Timestamp,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub written_at: Timestamp,
    /// By whom.
    pub written_by: String,
    /// The note that this one puts right.
    pub corrects: Option<String>,
}

impl From<note::Note> for NoteRow {
    fn from(note: note::Note) -> Self {
        Self {
            note_id: note.note_id.to_string(),
            kind: note.kind.to_string(),
            audience: note.audience,
            text: note.text,
            happened_at: note.happened_at,
            written_at: note.written_at,
            written_by: note.written_by,
            corrects: note.corrects.map(|id| id.to_string()),
        }
    }
}

/// For whom a note or a zone of a user may be.
pub(super) fn audiences(user: &User) -> &'static [&'static str] {
    match user.branch {
        Branch::Police => &["police", "both"],
        Branch::SocialWork => &["social_work", "both"],
        Branch::Administration => &["police", "social_work", "both"],
    }
}

/// Proves that the user sees a person.
async fn visible(transaction: &Transaction<'_>, user: &User, person_id: Uuid) -> Result<PersonId, ApiError> {
    if view::may_see_person(transaction, user.user_id, person_id).await? {
        Ok(PersonId::new(person_id))
    } else {
        Err(ApiError::NotFound("person"))
    }
}

/// Contacts, notes, devices and violations of a person.
#[utoipa::path(get, path = "/api/v1/people/{id}/casework", tag = "people", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Casework),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn show(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<Casework>, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = visible(&transaction, &caller.user, person_id).await?;
    let audiences = audiences(&caller.user);
    let since = now.checked_sub(SHOWN).unwrap_or(now);
    let until = now.checked_add(SignedDuration::from_mins(5)).unwrap_or(now);
    let protected = caller.user.branch != Branch::SocialWork;
    let notes = note::of_person(&transaction, person_id, audiences, (since, until), MOST).await?;
    Ok(Json(Casework {
        contacts: contact::of_person(&transaction, person_id, protected, now).await?,
        notes: notes.into_iter().map(NoteRow::from).collect(),
        worn: life::worn_by(&transaction, person_id).await?,
        faults: life::faults_of_person(&transaction, person_id).await?,
        silent: life::silent(&transaction, Some(person_id), now, MOST_SILENT).await?,
        violations: violation::of_person(&transaction, person_id, audiences, (since, until), MOST).await?,
        may_write: true,
    }))
}

/// A note to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNote {
    /// The words, 1 to 10,000 characters.
    pub text: String,
    /// `note`, `visit`, `call` or `hearing`.
    #[serde(default)]
    pub kind: Option<String>,
    /// `police`, `social_work` or `both`; without it, `both`.
    #[serde(default)]
    pub audience: Option<String>,
    /// When it happened; without it, now.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub happened_at: Option<Timestamp>,
    /// Number of the note that this one puts right.
    #[serde(default)]
    pub corrects: Option<String>,
}

/// Writes a note on a person. Notes are only added.
#[utoipa::path(post, path = "/api/v1/people/{id}/person-notes", tag = "people", params(("id" = Uuid, Path)), request_body = NewNote, responses(
    (status = 204, description = "Written"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`bad_value`", body = ErrorBody),
))]
pub async fn write_note(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(new, once): Keyed<NewNote>,
) -> Result<StatusCode, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = visible(&transaction, &caller.user, person_id).await?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let audience = new.audience.as_deref().unwrap_or("both");
    if !audiences(&caller.user).contains(&audience) {
        return Err(ApiError::invalid(
            "bad_value",
            format!("audience {audience:?} is not one of this user's"),
        ));
    }
    let corrects = new.corrects.as_deref().map(str::parse).transpose();
    let written = Written {
        kind: word(new.kind.as_deref().unwrap_or("note"))?,
        audience: word(audience)?,
        text: &new.text,
        happened_at: new.happened_at.unwrap_or(now),
        corrects: corrects.map_err(|_| ApiError::invalid("bad_value", "corrects is no number of a note"))?,
    };
    note::write(&transaction, person_id, &written, caller.user.user_id, now).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A contact, or a revision of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    /// The contact that this is a revision of; without it, a new one.
    #[serde(default)]
    pub contact_id: Option<Uuid>,
    /// `self`, `family`, `guarantor`, `employer`, `school`, `lawyer`, `doctor`, `community` or `other`.
    pub kind: String,
    /// Name.
    #[serde(default)]
    pub name: String,
    /// How they are related.
    #[serde(default)]
    pub relation: String,
    /// Telephone.
    #[serde(default)]
    pub phone: String,
    /// Address.
    #[serde(default)]
    pub address: String,
    /// The address is the police's matter alone.
    #[serde(default)]
    pub protected_address: bool,
    /// A remark.
    #[serde(default)]
    pub note: String,
    /// The revision that the user has seen; without it, whatever it is.
    #[serde(default)]
    pub seen: Option<i64>,
    /// Until when it holds; a time that is over ends the contact.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_until: Option<Timestamp>,
}

/// Adds a contact of a person, or a revision of one.
#[utoipa::path(post, path = "/api/v1/people/{id}/contacts", tag = "people", params(("id" = Uuid, Path)), request_body = NewContact, responses(
    (status = 204, description = "Written"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`bad_value`; `refused_by_law`: `contact_changed`", body = ErrorBody),
))]
pub async fn write_contact(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(new, once): Keyed<NewContact>,
) -> Result<StatusCode, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = visible(&transaction, &caller.user, person_id).await?;
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let texts = [&new.name, &new.relation, &new.phone, &new.address, &new.note];
    if texts.iter().any(|text| text.chars().count() > 1_000)
        || (new.name.is_empty() && new.phone.is_empty() && new.address.is_empty())
    {
        return Err(ApiError::invalid(
            "bad_value",
            "a contact has a name, a telephone or an address, each of at most 1000 characters",
        ));
    }
    // What has ended holds for the moment before, as a contact ends after it begins.
    let ends_now = new.valid_until.is_some_and(|until| until <= now);
    let content = Content {
        kind: word(&new.kind)?,
        name: new.name,
        relation: new.relation,
        phone: new.phone,
        address: new.address,
        protected_address: new.protected_address,
        note: new.note,
        valid_from: ends_now.then(|| now - MOMENT),
        valid_until: if ends_now { Some(now) } else { new.valid_until },
    };
    let by = Some(caller.user.user_id);
    if let Some(contact_id) = new.contact_id {
        if contact::person(&transaction, contact_id).await? != person_id {
            return Err(ApiError::NotFound("contact"));
        }
        let newest = contact::newest(&transaction, contact_id).await?;
        if new.seen.is_some_and(|seen| seen != newest) {
            let message = "somebody else has changed this contact meanwhile: look at it again";
            return Err(Refused::new("contact_changed", message).into());
        }
        // Who does not see a protected address cannot take it away, or its protection: the database keeps both.
        contact::revise(&transaction, contact_id, &content, by, now).await?;
    } else {
        contact::add(&transaction, person_id, &content, by, now).await?;
    }
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What became of a violation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOutcome {
    /// `recorded`, `warning`, `admonition`, `referred`, `dismissed` or `reopened`.
    pub outcome: String,
    /// Why, 1 to 4,000 characters.
    pub reason: String,
    /// Case number.
    #[serde(default)]
    pub case: Option<String>,
    /// The revision that the user has seen, 0 for none; without it, whatever it is.
    #[serde(default)]
    pub seen: Option<i64>,
}

/// Writes down what became of a violation. A changed mind is a further revision; all are kept.
#[utoipa::path(post, path = "/api/v1/violations/{id}/outcome", tag = "people", params(("id" = Uuid, Path)), request_body = NewOutcome, responses(
    (status = 204, description = "Written"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see it", body = ErrorBody),
    (status = 409, description = "`conflict`: somebody decided meanwhile", body = ErrorBody),
    (status = 422, description = "`bad_value`", body = ErrorBody),
))]
pub async fn decide(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(violation_id): Id,
    Keyed(new, once): Keyed<NewOutcome>,
) -> Result<StatusCode, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = violation::person(&transaction, violation_id)
        .await
        .map_err(|error| match error {
            casedb::Error::NotFound { .. } => ApiError::NotFound("violation"),
            other => other.into(),
        })?;
    visible(&transaction, &caller.user, person_id.uuid()).await?;
    let all = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    let shown = violation::of_person(&transaction, person_id, audiences(&caller.user), all, i64::MAX).await?;
    if !shown.iter().any(|shown| shown.violation_id == violation_id) {
        return Err(ApiError::NotFound("violation"));
    }
    if once.again(&transaction, &caller.user).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let decide = Decide {
        outcome: word(&new.outcome)?,
        reason: &new.reason,
        case_number: case_number(new.case.as_deref())?,
        seen: new.seen,
    };
    match violation::decide(&transaction, violation_id, &decide, caller.user.user_id, now).await {
        Err(casedb::Error::Conflict(message)) => return Err(ApiError::Conflict(message)),
        decided => decided?,
    };
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Devices that are fitted and say nothing.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilentDevices {
    /// At most 500, the longest silent first.
    #[schema(value_type = Vec<Object>)]
    pub devices: Vec<life::Silent>,
}

/// Lists devices of people whom the user sees that are fitted but silent: never heard since they were fitted, or not for longer
/// than the order allows.
#[utoipa::path(get, path = "/api/v1/devices/silent", tag = "people", responses(
    (status = 200, body = SilentDevices),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn silent(caller: Authorised<Handler>, State(app): State<App>) -> Result<Json<SilentDevices>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let mut devices = Vec::new();
    for device in life::silent(&transaction, None, Timestamp::now(), MOST_SILENT).await? {
        if view::may_see_person(&transaction, caller.user.user_id, device.person_id).await? {
            devices.push(device);
        }
    }
    Ok(Json(SilentDevices { devices }))
}

pub(super) fn word<T: std::str::FromStr<Err = casedb::Error>>(text: &str) -> Result<T, ApiError> {
    text.parse()
        .map_err(|error: casedb::Error| ApiError::invalid("bad_value", error.to_string()))
}
