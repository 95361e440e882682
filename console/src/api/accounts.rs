//! Accounts of the administrator's own agency and of those below it.

use std::time::Instant;

use axum::{Json, extract::State, http::StatusCode};
use casedb::{
    Refused, Transaction,
    account::{self, Account, Changes, Place},
    escalation,
    incident::IncidentError,
    user::{NewUser, Role, create, hash_password, random_password, verify_password},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ApiError, App,
    api::fresh,
    authorise::{AccountKeeper, Authorised, Body, Id},
    error::ErrorBody,
    once::Keyed,
};

/// Accounts, and where accounts can be.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountList {
    /// By agency and name.
    pub accounts: Vec<Account>,
    /// The agencies.
    pub agencies: Vec<Place>,
}

/// An account to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// Name to sign in: `[a-z0-9._-]`, 1 to 64.
    pub username: String,
    /// Name as shown to colleagues, 1 to 200 characters.
    pub display_name: String,
    /// The role.
    pub role: Role,
    /// The agency: the own one or one below it.
    pub agency_id: Uuid,
    /// `en` or `zh-CN`.
    pub locale: String,
}

/// A password that was made; it is told this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct Password {
    /// Whose.
    pub user_id: Uuid,
    /// The password.
    pub password: String,
}

/// What is changed; what is missing stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountChanges {
    /// Name as shown to colleagues.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The role.
    #[serde(default)]
    pub role: Option<Role>,
    /// The agency.
    #[serde(default)]
    pub agency_id: Option<Uuid>,
    /// True: nobody logs in with it any more.
    #[serde(default)]
    pub disabled: Option<bool>,
}

/// Lists accounts and agencies.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "accounts", responses(
    (status = 200, body = AccountList),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
))]
pub async fn list(caller: Authorised<AccountKeeper>, State(app): State<App>) -> Result<Json<AccountList>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    Ok(Json(AccountList {
        accounts: account::list(&transaction).await?,
        agencies: account::places(&transaction).await?,
    }))
}

/// Makes an account, with a password of the program's. Sent again under its `Idempotency-Key` it is answered the same for a minute, until
/// somebody has logged in or the account was changed; then a new password is to be set.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "accounts", request_body = NewAccount, responses(
    (status = 201, body = Password),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 409, description = "`conflict`: the name is taken", body = ErrorBody),
    (status = 422, description = "`bad_value`; `invalid`: the role does not go with the agency; `refused_by_law`: `account_made`: before, under this key, and its password is told no more", body = ErrorBody),
))]
pub async fn add(
    caller: Authorised<AccountKeeper>,
    State(app): State<App>,
    Keyed(new, once): Keyed<NewAccount>,
) -> Result<(StatusCode, Json<Password>), ApiError> {
    let username = new.username.trim();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    if !(1..=64).contains(&username.len()) || !username.bytes().all(plain) {
        return Err(ApiError::invalid(
            "bad_value",
            "username has 1 to 64 of small letters, digits and . _ -",
        ));
    }
    if !matches!(new.locale.as_str(), "en" | "zh-CN") {
        return Err(ApiError::invalid("bad_value", "locale is neither en nor zh-CN"));
    }
    let display_name = name(&new.display_name)?;
    let (password, hash) = fresh_password().await?;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let place = place(&transaction, new.agency_id).await?;
    account::fits(new.role, &place.kind, &place.name)?;
    if once.again(&transaction, &caller.user).await? {
        let accounts = account::list(&transaction).await?;
        let made = accounts.into_iter().find(|account| account.username == username);
        let user_id = made.ok_or(ApiError::NotFound("account"))?.user_id;
        drop(transaction);
        let password = still(&app, user_id, username).await?;
        return Ok((StatusCode::CREATED, Json(Password { user_id, password })));
    }
    let user = NewUser {
        username: username.to_owned(),
        display_name: display_name.to_owned(),
        role: new.role,
        agency_id: new.agency_id,
        locale: new.locale,
        email: None,
    };
    let user_id = match create(&transaction, &user, &hash).await {
        Err(error) if error.constraint() == Some("app_user_username_key") => {
            return Err(ApiError::Conflict(format!("the name {username} is taken")));
        }
        made => made?,
    };
    // Before the end of the transaction, which a repeat at the same moment waits for.
    app.0.fresh.keep(user_id, Instant::now(), &password);
    transaction.commit().await.map_err(casedb::Error::from)?;
    let later = app.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(fresh::KNOWN) => later.0.fresh.forget(user_id),
            () = later.0.stop.cancelled() => {}
        }
    });
    Ok((StatusCode::CREATED, Json(Password { user_id, password })))
}

/// The password that an account was made with just now, where it still opens it; whoever has it must not lose it to a repeat.
async fn still(app: &App, user_id: Uuid, username: &str) -> Result<String, ApiError> {
    let gone = || {
        let text = format!("the account {username} was made, and its password is told no more: set a new password");
        ApiError::from(Refused::new("account_made", text).with("username", username))
    };
    let password = app.0.fresh.get(user_id, Instant::now()).ok_or_else(gone)?;
    let (_, hash) = app.0.owner.account(username).await?.ok_or_else(gone)?;
    let text = password.clone();
    let right = tokio::task::spawn_blocking(move || verify_password(&text, &hash)).await;
    if right.map_err(|_| ApiError::Internal)? {
        Ok(password)
    } else {
        Err(gone())
    }
}

/// Changes an account of the administrator's branch, but not their own. Another role or agency that would leave a ladder with nobody to call is
/// refused; disabling is not, and then an incident says so.
#[utoipa::path(post, path = "/api/v1/accounts/{id}", tag = "accounts", params(("id" = Uuid, Path)), request_body = AccountChanges, responses(
    (status = 200, body = Account),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none in the own branch", body = ErrorBody),
    (status = 409, description = "`conflict`: the own account", body = ErrorBody),
    (status = 422, description = "`bad_value`; `invalid`: the role does not go with the agency; `refused_by_law`: `nobody_to_call`, `called_by_name`", body = ErrorBody),
))]
pub async fn change(
    caller: Authorised<AccountKeeper>,
    State(app): State<App>,
    Id(user_id): Id,
    Body(asked): Body<AccountChanges>,
) -> Result<Json<Account>, ApiError> {
    let display_name = asked.display_name.as_deref().map(name).transpose()?;
    let (now, set_up) = (Timestamp::now(), &app.0.config.channels.calls);
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    // Whose work it is by role or place, and who can log in at all, says who is called.
    let calls = if asked.role.is_some() || asked.agency_id.is_some() || asked.disabled == Some(true) {
        Some(escalation::before(&transaction, set_up, now).await?)
    } else {
        None
    };
    let known = account::read(&transaction, user_id).await?;
    if user_id == caller.user.user_id {
        return Err(ApiError::Conflict(
            "an administrator's own account is changed by another administrator".to_owned(),
        ));
    }
    if asked.role.is_some() || asked.agency_id.is_some() {
        let place = place(&transaction, asked.agency_id.unwrap_or(known.agency_id)).await?;
        let role = asked.role.or_else(|| Role::parse(&known.role));
        account::fits(role.unwrap_or(Role::ServiceProvider), &place.kind, &place.name)?;
    }
    let changes = Changes {
        display_name,
        role: asked.role,
        agency_id: asked.agency_id,
        disabled: asked.disabled,
    };
    account::change(&transaction, user_id, &changes, now).await?;
    match calls {
        // Whose account is misused loses it now, whoever is left to call: that is told.
        Some(calls) if asked.disabled == Some(true) => calls.told(&transaction, set_up, now).await.map_err(untold)?,
        Some(calls) => calls.still(&transaction, set_up, now).await?,
        None => {}
    }
    let changed = account::read(&transaction, user_id).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    app.0.fresh.forget(user_id);
    Ok(Json(changed))
}

/// Makes a new password for an account, and logs it out everywhere.
#[utoipa::path(post, path = "/api/v1/accounts/{id}/password", tag = "accounts", params(("id" = Uuid, Path)), responses(
    (status = 200, body = Password),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none in the own branch", body = ErrorBody),
))]
pub async fn reset(
    caller: Authorised<AccountKeeper>,
    State(app): State<App>,
    Id(user_id): Id,
) -> Result<Json<Password>, ApiError> {
    let (password, hash) = fresh_password().await?;
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    account::read(&transaction, user_id).await?;
    account::set_password(&transaction, user_id, &hash).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    app.0.fresh.forget(user_id);
    Ok(Json(Password { user_id, password }))
}

fn untold(error: IncidentError) -> ApiError {
    match error {
        IncidentError::Database(error) => error.into(),
        error => {
            tracing::error!(%error, "that nobody is left to call was not told");
            ApiError::Internal
        }
    }
}

/// A password and its hash, which takes a while: off the threads that serve.
async fn fresh_password() -> Result<(String, String), ApiError> {
    let password = random_password();
    let text = password.clone();
    let hash = tokio::task::spawn_blocking(move || hash_password(&text)).await;
    let hash = hash.map_err(|_| ApiError::Internal)?.map_err(|_| ApiError::Internal)?;
    Ok((password, hash))
}

async fn place(transaction: &Transaction<'_>, agency_id: Uuid) -> Result<Place, ApiError> {
    let places = account::places(transaction).await?;
    let found = places.into_iter().find(|place| place.agency_id == agency_id);
    found.ok_or_else(|| ApiError::invalid("bad_value", "agency_id is not in the own branch"))
}

fn name(text: &str) -> Result<&str, ApiError> {
    let text = text.trim();
    if (1..=200).contains(&text.chars().count()) {
        Ok(text)
    } else {
        Err(ApiError::invalid("bad_value", "display_name has 1 to 200 characters"))
    }
}
