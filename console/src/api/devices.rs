//! A person's devices: fitting, swapping, removing, faults; and what was not kept of them for want of a legal basis.

use axum::{Json, extract::State};
use casedb::{
    Refused, Transaction,
    access::{Beyond, step_out},
    basis::{self, Refusal, Stopped},
    device::{self, life},
    user::User,
    view,
};
use jiff::Timestamp;
use proto::{DeviceId, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ApiError, App,
    authorise::{Authorised, Handler, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Days of refusals, and words to the device, that are shown.
const SHOWN: i64 = 20;
/// Devices in store that are offered.
const OFFERED: usize = 500;
/// Devices that are looked through for them.
const LOOKED: i64 = 100_000;

/// A device that nobody wears.
#[derive(Debug, Serialize, ToSchema)]
pub struct FreeDevice {
    /// Its id.
    pub device_id: Uuid,
    /// `protocol:identity`.
    pub device: String,
    /// For people.
    pub model: String,
}

/// A person's devices.
#[derive(Debug, Serialize, ToSchema)]
pub struct PersonDevices {
    /// What the person wore, oldest first.
    #[schema(value_type = Vec<Object>)]
    pub worn: Vec<life::Worn>,
    /// Faults of devices while the person wore them.
    #[schema(value_type = Vec<Object>)]
    pub faults: Vec<life::Fault>,
    /// Devices that the person wears and that say nothing.
    #[schema(value_type = Vec<Object>)]
    pub silent: Vec<life::Silent>,
    /// What was refused about the person for want of a legal basis, a row a day and reason, the newest first.
    pub refused: Vec<Refusal>,
    /// What devices that the person wears were told of it, the newest first.
    #[schema(value_type = Vec<Object>)]
    pub told: Vec<Stopped>,
    /// Devices in store, at most 500.
    pub free: Vec<FreeDevice>,
}

/// What is done with a device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "deed", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceDeed {
    /// Puts a device in store on the person, who wears none.
    Fit {
        /// Which.
        device_id: Uuid,
    },
    /// Puts a device in store in the place of one that the person wears, at one moment.
    Swap {
        /// The one that comes off.
        device_id: Uuid,
        /// The one that takes its place.
        new_device_id: Uuid,
        /// `swap`, `fault`, `lost`, `maintenance` or `other`; `fault` ends the open faults of the old one.
        reason: String,
    },
    /// Takes a device off.
    Remove {
        /// Which.
        device_id: Uuid,
        /// `fault`, `lost`, `end_of_order`, `maintenance` or `other`.
        reason: String,
    },
    /// Notes that a device is faulty.
    Fault {
        /// Which.
        device_id: Uuid,
        /// `battery`, `charging`, `strap`, `case`, `position`, `connection`, `silent` or `other`.
        reason: String,
        /// In words.
        #[serde(default)]
        detail: String,
        /// Since when; without it, now.
        #[serde(default)]
        #[schema(value_type = Option<String>, format = DateTime)]
        since: Option<Timestamp>,
    },
    /// Notes that the open faults of a device ended.
    Repair {
        /// Which.
        device_id: Uuid,
        /// `repaired`, `replaced`, `retired` or `no_fault`.
        outcome: String,
        /// What was done.
        #[serde(default)]
        detail: String,
    },
}

/// A person's devices, and what was not kept for want of a legal basis.
#[utoipa::path(get, path = "/api/v1/people/{id}/devices", tag = "people", params(("id" = Uuid, Path)), responses(
    (status = 200, body = PersonDevices),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
))]
pub async fn show(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
) -> Result<Json<PersonDevices>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let person_id = seen(&transaction, &caller.user, person_id).await?;
    read(&transaction, person_id, Timestamp::now()).await.map(Json)
}

/// Fits, swaps or removes a device, or notes a fault or its end.
#[utoipa::path(post, path = "/api/v1/people/{id}/devices", tag = "people", params(("id" = Uuid, Path)), request_body = DeviceDeed, responses(
    (status = 200, body = PersonDevices),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`refused_by_law`: the device or the person is not free for it; `bad_value`, `text_too_long`", body = ErrorBody),
))]
pub async fn change(
    caller: Authorised<Handler>,
    State(app): State<App>,
    Id(person_id): Id,
    Keyed(deed, once): Keyed<DeviceDeed>,
) -> Result<Json<PersonDevices>, ApiError> {
    let now = Timestamp::now();
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    // Before the transaction leaves the user's role.
    let again = once.again(&transaction, &caller.user).await?;
    let person_id = seen(&transaction, &caller.user, person_id).await?;
    if again {
        return read(&transaction, person_id, now).await.map(Json);
    }
    act(&transaction, person_id, deed, caller.user.user_id, now)
        .await
        .map_err(|error| super::orders::refused(error, "device"))?;
    let devices = read(&transaction, person_id, now).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(Json(devices))
}

async fn seen(transaction: &Transaction<'_>, user: &User, person_id: Uuid) -> Result<PersonId, ApiError> {
    if !view::may_see_person(transaction, user.user_id, person_id).await? {
        return Err(ApiError::NotFound("person"));
    }
    // Devices in store are in nobody's branch; the rest of the transaction is about them.
    let _outside = step_out(transaction, Beyond::Device).await?;
    Ok(PersonId::new(person_id))
}

async fn act(
    transaction: &Transaction<'_>,
    person_id: PersonId,
    deed: DeviceDeed,
    by: Uuid,
    now: Timestamp,
) -> Result<(), casedb::Error> {
    // Of devices the user sees those of this person: another's are not theirs to touch.
    let own = async |device_id: Uuid| -> Result<DeviceId, casedb::Error> {
        let device_id = DeviceId::new(device_id);
        let worn = life::worn_now(transaction, person_id).await?;
        if worn.iter().any(|(worn, _)| *worn == device_id) {
            Ok(device_id)
        } else {
            Err(Refused::new("not_worn_here", format!("the person does not wear device {device_id}")).into())
        }
    };
    match deed {
        DeviceDeed::Fit { device_id } => {
            life::fit(transaction, DeviceId::new(device_id), person_id, by, now).await?;
        }
        DeviceDeed::Swap {
            device_id,
            new_device_id,
            reason,
        } => {
            let (old, new) = (own(device_id).await?, DeviceId::new(new_device_id));
            life::swap(transaction, old, new, reason.parse()?, by, now).await?;
        }
        DeviceDeed::Remove { device_id, reason } => {
            life::remove(transaction, own(device_id).await?, reason.parse()?, by, now).await?;
        }
        DeviceDeed::Fault {
            device_id,
            reason,
            detail,
            since,
        } => {
            let device_id = own(device_id).await?;
            let since = since.unwrap_or(now);
            life::report_fault(
                transaction,
                device_id,
                reason.parse()?,
                short(&detail)?,
                since,
                Some(by),
                now,
            )
            .await?;
        }
        DeviceDeed::Repair {
            device_id,
            outcome,
            detail,
        } => {
            let device_id = own(device_id).await?;
            life::end_faults(transaction, device_id, None, outcome.parse()?, short(&detail)?, by, now).await?;
        }
    }
    Ok(())
}

fn short(text: &str) -> Result<&str, casedb::Error> {
    let text = text.trim();
    if text.chars().count() > 1_000 {
        return Err(Refused::new("too_long", "detail has more than 1000 characters").into());
    }
    Ok(text)
}

async fn read(transaction: &Transaction<'_>, person_id: PersonId, now: Timestamp) -> Result<PersonDevices, ApiError> {
    let mut told = Vec::new();
    for (device_id, _) in life::worn_now(transaction, person_id).await? {
        told.extend(basis::stops_of_device(transaction, device_id, SHOWN).await?);
    }
    let devices = device::list(transaction, None, false, LOOKED).await?;
    let free = devices
        .into_iter()
        .filter(|device| device.wearer.is_none())
        .take(OFFERED);
    Ok(PersonDevices {
        worn: life::worn_by(transaction, person_id).await?,
        faults: life::faults_of_person(transaction, person_id).await?,
        silent: life::silent(transaction, Some(person_id), now, SHOWN).await?,
        refused: basis::of_person(transaction, person_id, SHOWN).await?,
        told,
        free: free
            .map(|device| FreeDevice {
                device_id: device.device_id,
                device: format!("{}:{}", device.protocol, device.identity),
                model: device.model,
            })
            .collect(),
    })
}
