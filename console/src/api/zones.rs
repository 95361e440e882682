//! A person's zones and schedules: what is on record of them, and publishing what they are to ask from now on.

use alerts::blank::is_blank;
use axum::{Json, extract::State};
use casedb::{
    Transaction, law,
    order::{self, Act},
    person, rules,
    user::User,
    view::{self, ZoneOnRecord},
    zone::{self, Audience, Content, Publishing, Schedule, ZoneKind},
};
use engine::zone::import::{self, Format, Options};
use jiff::Timestamp;
use proto::{PersonId, ZoneId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    casework::audiences,
    orders::{publish, refused},
};
use crate::{
    ApiError, App,
    authorise::{Authorised, CaseReader, Decider, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Longest label, characters.
const LONGEST_LABEL: usize = 200;
/// Longest reason, characters.
const LONGEST_REASON: usize = 2_000;

/// The zones of a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ZoneList {
    /// The caller may publish changes.
    pub may_change: bool,
    /// An order is in force: zones and schedules are asked about. Without one they wait for it.
    pub in_force: bool,
    /// The person's time zone: of the schedules' local times.
    pub time_zone: String,
    /// The holiday calendar that the schedules go by.
    pub calendar: Option<String>,
    /// For whom a new zone of the caller may be: `police`, `social_work`, `both`.
    pub audiences: &'static [&'static str],
    /// Every zone that the caller may see, those of now first.
    pub zones: Vec<ZoneOnRecord>,
    /// The zone that this request has published, or would.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Uuid>,
}

/// What a zone is to ask from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPublication {
    /// Which zone; without it, a new one.
    #[serde(default)]
    pub zone_id: Option<Uuid>,
    /// `seen` of the zone as it was read: who was slower than somebody else is told so.
    #[serde(default)]
    pub seen: i64,
    /// Publishes what the publication of this number said, again; nothing else is given then.
    #[serde(default)]
    pub again: Option<i64>,
    /// From now on it is no zone of the person; nothing else is given then.
    #[serde(default)]
    pub removed: bool,
    /// Its name.
    #[serde(default)]
    pub label: String,
    /// `inclusion`, `exclusion` or `neutral`; of a new zone only, it stays.
    #[serde(default)]
    pub kind: Option<String>,
    /// `police`, `social_work` or `both`; of a new zone only, it stays.
    #[serde(default)]
    pub audience: Option<String>,
    /// GeoJSON geometry, WGS-84: Point (with `radius_m`), `LineString` (with the corridor's half-width as `radius_m`), Polygon, `MultiPolygon`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub geometry: Option<Value>,
    /// Radius of a circle, half-width of a corridor.
    #[serde(default)]
    pub radius_m: Option<f64>,
    /// Warning buffer outside an exclusion zone.
    #[serde(default)]
    pub buffer_m: f64,
    /// When the rule holds, as in `docs/rules.schema.json`; without it, always.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub schedule: Option<Value>,
    /// Of an inclusion zone with a schedule: be seen inside once in each interval.
    #[serde(default)]
    pub attendance: bool,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// Only says whether it could be published: nothing is kept.
    #[serde(default)]
    pub check: bool,
}

async fn read(transaction: &Transaction<'_>, user: &User, person_id: PersonId) -> Result<ZoneList, ApiError> {
    let basis = order::in_force(transaction, person_id, Timestamp::now()).await?;
    let zones = view::zones_on_record(transaction, user.user_id, person_id.uuid()).await?;
    let time_zone = person::read(transaction, person_id).await?.time_zone;
    Ok(ZoneList {
        may_change: law_lets(transaction, user, person_id).await.is_ok(),
        in_force: basis.is_some(),
        time_zone,
        calendar: rules::calendar_of(transaction, person_id).await?.map(|(_, name)| name),
        audiences: audiences(user),
        zones,
        published: None,
    })
}

/// Zones are conditions of the order: who may change the one may change the other. Without an order in force they are prepared for one.
pub(super) async fn law_lets(transaction: &Transaction<'_>, user: &User, person_id: PersonId) -> Result<(), ApiError> {
    let now = Timestamp::now();
    let orders = order::as_of(transaction, person_id, now, now).await?;
    let profile = orders
        .in_force()
        .map_or("generic", |order| order.state.profile.as_str());
    Ok(order::may(user.role, Act::Propose, law::require(profile)?)?)
}

pub(super) async fn seen(transaction: &Transaction<'_>, user: &User, person_id: Uuid) -> Result<PersonId, ApiError> {
    if view::may_see_person(transaction, user.user_id, person_id).await? {
        Ok(PersonId::new(person_id))
    } else {
        Err(ApiError::NotFound("person"))
    }
}

/// A person's zones and schedules: as they are, and every publication before.
#[utoipa::path(get, path = "/api/v1/people/{id}/zones", tag = "zones", params(("id" = Uuid, Path)), responses(
    (status = 200, body = ZoneList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn list(
    caller: Authorised<CaseReader>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<ZoneList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = seen(&transaction, &caller.user, person_id).await?;
    read(&transaction, &caller.user, person_id).await.map(Json)
}

/// Publishes a zone of a person as a new revision, with the reason: a new one, changed, taken away, or as it was before. With `check`
/// nothing is kept: the answer is what would be, or the refusal.
#[utoipa::path(post, path = "/api/v1/people/{id}/zones", tag = "zones", params(("id" = Uuid, Path)), request_body = NewPublication, responses(
    (status = 200, body = ZoneList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`bad_zone` and `bad_schedule` name the place; `refused_by_law`: `zone_changed`, `zone_same`, `zone_shared`; \
        `bad_value`, `bad_audience`, `text_required`, `text_too_long`", body = ErrorBody),
))]
pub async fn change(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(asked, once): Keyed<NewPublication>,
) -> Result<Json<ZoneList>, ApiError> {
    let now = Timestamp::now();
    let reason = words("reason", &asked.reason, LONGEST_REASON)?;
    let user = &caller.user;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(user).await?;
    let person_id = seen(&transaction, user, person_id).await?;
    law_lets(&transaction, user, person_id).await?;
    let zone_id = asked.zone_id.unwrap_or_else(Uuid::now_v7);
    if !asked.check
        && let Some(published) = once.done(&transaction, user, zone_id).await?
    {
        let mut list = read(&transaction, user, person_id).await?;
        list.published = Some(published);
        return Ok(Json(list));
    }
    let zone_id = ZoneId::new(zone_id);
    write(&transaction, user, person_id, zone_id, &asked, reason, now).await?;
    publish(&transaction, person_id, now).await?;
    let mut list = read(&transaction, user, person_id).await?;
    list.published = Some(zone_id.uuid());
    if asked.check {
        transaction.rollback().await.map_err(casedb::Error::from)?;
    } else {
        transaction.commit().await.map_err(casedb::Error::from)?;
    }
    Ok(Json(list))
}

/// Writes a publication into a transaction, with which it stays or goes.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    user: &User,
    person_id: PersonId,
    zone_id: ZoneId,
    asked: &NewPublication,
    reason: &str,
    now: Timestamp,
) -> Result<(), ApiError> {
    let known = view::zones_on_record(transaction, user.user_id, person_id.uuid()).await?;
    let zone = match asked.zone_id {
        None => None,
        Some(id) => Some(
            known
                .iter()
                .find(|zone| zone.zone_id == id)
                .ok_or(ApiError::NotFound("zone"))?,
        ),
    };
    let before = zone.and_then(ZoneOnRecord::newest).map(|newest| &newest.content);
    let content = wanted(asked, zone, before, user)?;
    let publishing = Publishing {
        person_id,
        zone_id,
        before,
        seen: asked.seen,
        content: &content,
        reason,
        by: user.user_id,
    };
    zone::publish(transaction, &publishing, now)
        .await
        .map_err(|error| refused(error, "zone"))?;
    Ok(())
}

/// What was asked for, checked; errors name the place.
fn wanted(
    asked: &NewPublication,
    zone: Option<&ZoneOnRecord>,
    before: Option<&Content>,
    user: &User,
) -> Result<Content, ApiError> {
    if let Some(number) = asked.again {
        let said = zone.and_then(|zone| {
            zone.publications
                .iter()
                .find(|publication| publication.number == number)
        });
        return Ok(said.ok_or(ApiError::NotFound("publication"))?.content.clone());
    }
    if asked.removed {
        let before = before.ok_or(ApiError::NotFound("zone"))?;
        return Ok(Content {
            removed: true,
            ..before.clone()
        });
    }
    let label = words("label", &asked.label, LONGEST_LABEL)?.to_owned();
    let (kind, audience) = match before {
        Some(before) => {
            let stays = |given: Option<&str>, is: &str| given.is_none_or(|given| given == is);
            if !stays(asked.kind.as_deref(), before.kind.as_str())
                || !stays(asked.audience.as_deref(), before.audience.as_str())
            {
                let message =
                    "kind, audience: they stay as they are; for others make a new zone and take this one away";
                return Err(ApiError::invalid("bad_value", message));
            }
            (before.kind, before.audience)
        }
        None => (kind(asked.kind.as_deref())?, audience(asked.audience.as_deref(), user)?),
    };
    let (geometry, radius_m, datum) = shape(asked, before)?;
    if asked.buffer_m != 0.0 && kind != ZoneKind::Exclusion {
        return Err(ApiError::invalid(
            "bad_value",
            "buffer_m: only exclusion zones have a warning buffer",
        ));
    }
    if !(0.0..=100_000.0).contains(&asked.buffer_m) {
        let message = format!("buffer_m: {} is not between 0 and 100,000 m", asked.buffer_m);
        return Err(ApiError::invalid("bad_value", message));
    }
    let schedule = asked.schedule.clone().filter(|schedule| !schedule.is_null());
    let schedule = schedule.map(Schedule::from_json).transpose();
    let schedule = schedule.and_then(|schedule| {
        // What only reports may do so never.
        if let (Some(schedule), ZoneKind::Inclusion | ZoneKind::Exclusion) = (&schedule, kind) {
            schedule.holds_sometime()?;
        }
        schedule.as_ref().map(Schedule::to_json).transpose()
    });
    let schedule = schedule.map_err(|error| ApiError::invalid("bad_schedule", error.to_string()))?;
    if asked.attendance && (kind != ZoneKind::Inclusion || schedule.is_none()) {
        return Err(ApiError::invalid(
            "bad_value",
            "attendance: only an inclusion zone with a schedule is attended",
        ));
    }
    Ok(Content {
        label,
        kind,
        audience,
        geometry,
        radius_m,
        buffer_m: asked.buffer_m,
        datum,
        schedule,
        attendance: asked.attendance,
        removed: false,
    })
}

fn kind(word: Option<&str>) -> Result<ZoneKind, ApiError> {
    let word = word.ok_or_else(|| ApiError::invalid("bad_value", "kind is missing"))?;
    word.parse().map_err(|_| {
        ApiError::invalid(
            "bad_value",
            format!("kind {word:?} is none of inclusion, exclusion, neutral"),
        )
    })
}

fn audience(word: Option<&str>, user: &User) -> Result<Audience, ApiError> {
    let word = word.unwrap_or("both");
    let known = audiences(user).contains(&word).then(|| word.parse().ok()).flatten();
    known.ok_or_else(|| ApiError::invalid("bad_audience", format!("audience {word:?} is not one of this user's")))
}

/// The geometry as the engine reads it; what it could not judge by is refused with its place. One that was not touched stays as it is,
/// with what it was converted from.
fn shape(asked: &NewPublication, before: Option<&Content>) -> Result<(Value, Option<f64>, String), ApiError> {
    let bad = |message: String| ApiError::invalid("bad_zone", message);
    let geometry = asked
        .geometry
        .as_ref()
        .ok_or_else(|| bad("geometry is missing".to_owned()))?;
    if let Some(before) = before
        && before.geometry == *geometry
        && before.radius_m == asked.radius_m
    {
        return Ok((before.geometry.clone(), before.radius_m, before.datum.clone()));
    }
    let size = match geometry.get("type").and_then(Value::as_str) {
        Some("LineString") => "half_width_m",
        Some("Polygon" | "MultiPolygon") if asked.radius_m.is_some() => {
            return Err(bad("radius_m: only a Point and a LineString have one".to_owned()));
        }
        _ => "radius_m",
    };
    let properties = asked.radius_m.map_or_else(|| json!({}), |metres| json!({size: metres}));
    let feature = json!({"type": "Feature", "properties": properties, "geometry": geometry}).to_string();
    let options = Options {
        format: Some(Format::GeoJson),
        ..Options::default()
    };
    let mut read = import::read(feature.as_bytes(), &options).map_err(|error| bad(error.to_string()))?;
    let read = read.pop().ok_or_else(|| bad("geometry is missing".to_owned()))?;
    let read = read.map_err(|error| bad(error.fault.to_string()))?;
    let (geometry, radius_m) = import::to_geojson(&read.geometry);
    let geometry = serde_json::to_value(geometry).map_err(|error| bad(error.to_string()))?;
    Ok((geometry, radius_m, read.datum.name().to_owned()))
}

fn words<'a>(field: &str, text: &'a str, longest: usize) -> Result<&'a str, ApiError> {
    let text = text.trim();
    if is_blank(text) {
        return Err(ApiError::invalid("text_required", format!("{field} is missing")));
    }
    if text.chars().count() > longest {
        let message = format!("{field} has more than {longest} characters");
        return Err(ApiError::invalid("text_too_long", message));
    }
    Ok(text)
}
