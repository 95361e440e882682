//! Web Push: a user's browsers take messages.

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casedb::push;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiError, App,
    authorise::{Anyone, Asked, Authorised, Body},
    error::ErrorBody,
};

/// What the page needs for asking the browser.
#[derive(Debug, Serialize, ToSchema)]
pub struct PushState {
    /// The server's public key, base64url; null: Web Push is not configured.
    pub public_key: Option<String>,
    /// How many browsers of the user take messages.
    pub browsers: i64,
}

/// A subscription as browsers write it.
#[derive(Deserialize, ToSchema)]
pub struct NewSubscription {
    /// Where the push service takes messages.
    pub endpoint: String,
    /// The browser's keys.
    pub keys: SubscriptionKeys,
}

/// The keys of a browser, base64url.
#[derive(Deserialize, ToSchema)]
pub struct SubscriptionKeys {
    /// Its public key.
    pub p256dh: String,
    /// Its secret.
    pub auth: String,
}

/// Which subscription.
#[derive(Deserialize, IntoParams)]
pub struct WhichSubscription {
    /// Its endpoint.
    pub endpoint: String,
}

/// The server's key, and whether the caller has browsers that take messages.
#[utoipa::path(get, path = "/api/v1/push", tag = "messages", responses(
    (status = 200, body = PushState),
    (status = 401, description = "No session", body = ErrorBody),
))]
pub async fn state(caller: Authorised<Anyone>, State(app): State<App>) -> Result<Json<PushState>, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    Ok(Json(PushState {
        public_key: app.0.config.channels.push_key.clone(),
        browsers: push::count(&transaction, caller.user.user_id).await?,
    }))
}

/// Takes the caller's browser in.
#[utoipa::path(post, path = "/api/v1/push/subscriptions", tag = "messages", request_body = NewSubscription, responses(
    (status = 204, description = "Messages to the caller reach this browser"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 422, description = "No subscription, or of a push service that the operator does not allow", body = ErrorBody),
))]
pub async fn subscribe(
    caller: Authorised<Anyone>,
    State(app): State<App>,
    Body(new): Body<NewSubscription>,
) -> Result<StatusCode, ApiError> {
    let channels = &app.0.config.channels;
    if channels.push_key.is_none() {
        return Err(ApiError::invalid(
            "push_off",
            "Web Push is not configured on this server",
        ));
    }
    if !allowed(&new.endpoint, &channels.push_hosts) {
        return Err(ApiError::invalid(
            "push_service",
            "endpoint: this push service is not allowed here",
        ));
    }
    let key = |name: &'static str, text: &str| {
        URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| ApiError::invalid("bad_value", format!("keys.{name}: is no base64url")))
    };
    let (p256dh, auth) = (key("p256dh", &new.keys.p256dh)?, key("auth", &new.keys.auth)?);
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    push::subscribe(&transaction, caller.user.user_id, &new.endpoint, &p256dh, &auth).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes no more messages in the caller's browser.
#[utoipa::path(delete, path = "/api/v1/push/subscriptions", tag = "messages", params(WhichSubscription), responses(
    (status = 204, description = "It takes none"),
    (status = 401, description = "No session", body = ErrorBody),
))]
pub async fn unsubscribe(
    caller: Authorised<Anyone>,
    State(app): State<App>,
    Asked(which): Asked<WhichSubscription>,
) -> Result<StatusCode, ApiError> {
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    push::unsubscribe(&transaction, caller.user.user_id, &which.endpoint).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The server sends requests to where a browser says: only to push services that the operator knows, by https, on the usual port.
fn allowed(endpoint: &str, hosts: &[String]) -> bool {
    let Some(rest) = endpoint.strip_prefix("https://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A backslash, a user name or a port would make a library read another host than this.
    let plain = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    plain
        && hosts.iter().any(|known| match known.strip_prefix("*.") {
            Some(suffix) => host.strip_suffix(suffix).is_some_and(|before| before.ends_with('.')),
            None => known.eq_ignore_ascii_case(host),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_push_services() {
        let hosts = ["fcm.googleapis.com".to_owned(), "*.push.apple.com".to_owned()];
        for good in ["https://fcm.googleapis.com/fcm/send/x", "https://web.push.apple.com/y"] {
            assert!(allowed(good, &hosts), "{good}");
        }
        for bad in [
            "http://fcm.googleapis.com/x",
            "https://fcm.googleapis.com:8443/x",
            "https://fcm.googleapis.com@10.0.0.1/x",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evilpush.apple.com/x",
            "https://push.apple.com/x",
            "https://127.0.0.1/x",
            "https://10.0.0.1\\.push.apple.com/x",
            "https:///x",
        ] {
            assert!(!allowed(bad, &hosts), "{bad}");
        }
    }
}
