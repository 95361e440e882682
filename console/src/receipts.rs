//! What the gateway for short messages reports: `POST /receipts/sms`, signed like our own webhooks.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use casedb::notification::Receipt;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::Value;
use sha2::Sha256;

use crate::{ApiError, App, error::ErrorBody};

/// The header of the signature: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.
pub const SIGNATURE: &str = "x-homeward-signature";
/// How far its time may be off.
const OFF_S: i64 = 300;

/// How reports look.
#[derive(Clone)]
pub struct Reports {
    /// With which they are signed.
    pub key: Vec<u8>,
    /// JSON pointer to the message's name.
    pub id: String,
    /// JSON pointer to its state.
    pub state: String,
    /// The words for delivered.
    pub delivered: Vec<String>,
    /// The words for failed; every other word says that it is under way.
    pub failed: Vec<String>,
}

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reports")
            .field("id", &self.id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A report of the gateway for short messages: what became of a message. Named by the gateway's id, or by the key that it was sent
/// with. Idempotent; delivered and failed are final.
#[utoipa::path(post, path = "/receipts/sms", tag = "messages", request_body(content = String, content_type = "application/json"), responses(
    (status = 204, description = "Taken"),
    (status = 401, description = "Not signed, or not with the key, or more than five minutes off", body = ErrorBody),
    (status = 404, description = "Reports are not configured, or no message has this name", body = ErrorBody),
    (status = 422, description = "Name or state is missing", body = ErrorBody),
))]
pub async fn sms(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Result<StatusCode, ApiError> {
    let Some(reports) = &app.0.config.channels.sms_reports else {
        return Err(ApiError::NotFound("path"));
    };
    let signature = headers
        .get(SIGNATURE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !verify(&reports.key, signature, &body, Timestamp::now()) {
        return Err(ApiError::NotLoggedIn);
    }
    let (name, receipt) = read(reports, &body)?;
    let known = app
        .0
        .owner
        .receipt(&name, receipt, Timestamp::now())
        .await
        .map_err(|error| match error {
            casedb::incident::IncidentError::Database(error) => ApiError::from(error),
            other => {
                tracing::error!(error = %other, "receipt not stored");
                ApiError::Internal
            }
        })?;
    if known {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::NotFound("message"))
    }
}

fn read(reports: &Reports, body: &[u8]) -> Result<(String, Receipt), ApiError> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| ApiError::BadRequest("the report is no JSON".to_owned()))?;
    let text = |pointer: &str| match value.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => Err(ApiError::invalid("bad_value", format!("{pointer}: is missing"))),
    };
    let (name, state) = (text(&reports.id)?, text(&reports.state)?);
    let says = |words: &[String]| words.iter().any(|word| word.eq_ignore_ascii_case(&state));
    let receipt = if says(&reports.delivered) {
        Receipt::Delivered
    } else if says(&reports.failed) {
        Receipt::Failed
    } else {
        Receipt::Accepted
    };
    Ok((name, receipt))
}

fn verify(key: &[u8], signature: &str, body: &[u8], now: Timestamp) -> bool {
    let mut time = None;
    let mut given = None;
    for part in signature.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = Some(value),
            Some(("v1", value)) => given = hex::decode(value).ok(),
            _ => {}
        }
    }
    let (Some(time), Some(given)) = (time, given) else {
        return false;
    };
    let near = time
        .parse::<i64>()
        .is_ok_and(|seconds| seconds.abs_diff(now.as_second()) <= OFF_S.unsigned_abs());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return false;
    };
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    // Compares in constant time.
    near && !key.is_empty() && mac.verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_the_key_the_time_and_the_body() {
        // printf '1792000000.{"id":1}' | openssl dgst -sha256 -hmac 'a shared secret'
        let signature = "t=1792000000,v1=5b14f49274b862574b5deab62056dcb18ca2375adc4374dc29b1fb8b42f84555";
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let key = b"a shared secret";
        assert!(verify(key, signature, br#"{"id":1}"#, at(1_792_000_300)));
        assert!(!verify(key, signature, br#"{"id":1}"#, at(1_792_000_301)));
        assert!(!verify(key, signature, br#"{"id":2}"#, at(1_792_000_000)));
        assert!(!verify(b"another", signature, br#"{"id":1}"#, at(1_792_000_000)));
        for nothing in ["", "t=1792000000", "v1=00", "t=1792000000,v1=", "t=x,v1=zz"] {
            assert!(!verify(key, nothing, br#"{"id":1}"#, at(1_792_000_000)), "{nothing}");
        }
    }
}
