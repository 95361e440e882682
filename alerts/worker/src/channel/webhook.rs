//! Signed HTTP requests to a system of the agency's own. `docs/alerts.md` shows how to verify them.

use std::time::Duration;

use casedb::notification::Job;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{Client, header};
use sha2::Sha256;

use super::{SendError, http};
use crate::WorkerError;

/// Header of the signature: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.
pub const SIGNATURE: &str = "X-Homeward-Signature";
/// Header of the key by which a receiver recognises a copy.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// Sends webhooks.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
}

impl Webhook {
    /// Prepares a client.
    pub fn new(timeout: Duration) -> Result<Self, WorkerError> {
        Ok(Self {
            client: http::client("webhook", timeout)?,
        })
    }

    /// Sends one request; it is handed over when the answer is 2xx.
    pub async fn send(&self, job: &Job, text: &alerts::text::Message, now: Timestamp) -> Result<(), SendError> {
        let Some(secret) = job.secret.as_deref().filter(|secret| !secret.is_empty()) else {
            return Err(SendError::Refused("the target has no secret to sign with".to_owned()));
        };
        let body = body(job, text);
        let answer = self
            .client
            .post(&job.recipient)
            .header(header::CONTENT_TYPE, "application/json")
            .header(SIGNATURE, signature(secret, now.as_second(), &body))
            .header(IDEMPOTENCY_KEY, job.key.to_string())
            .body(body)
            .send()
            .await
            .map_err(http::describe)?;
        http::judge_answer(&answer, now)
    }
}

/// The request's body: the same at each try of one message, without name and place.
fn body(job: &Job, text: &alerts::text::Message) -> String {
    serde_json::json!({
        "id": job.key,
        "type": format!("incident.{}", job.news.name()),
        "incident": {
            "incident_id": job.incident_id,
            "number": casedb::exact::value(job.number),
            "severity": job.severity.level(),
            "audience": job.audience,
        },
        "kind": job.own_kind.as_deref().unwrap_or_else(|| proto::event::kind_name(job.kind)),
        "onset_at": job.onset_at,
        "late": job.late,
        "case_reference": job.reference,
        "locale": job.locale.tag(),
        "subject": text.subject,
        "text": text.body,
    })
    .to_string()
}

/// The value of [`SIGNATURE`] for a body sent at `unix_s`.
pub fn signature(secret: &[u8], unix_s: i64, body: &str) -> String {
    // HMAC takes keys of any length; should that ever change, an empty signature verifies nowhere.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(unix_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body.as_bytes());
    format!("t={unix_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_that_of_the_documentation() {
        // Computed with: printf '1792000000.{"id":1}' | openssl dgst -sha256 -hmac 'a shared secret'
        let expected = "5b14f49274b862574b5deab62056dcb18ca2375adc4374dc29b1fb8b42f84555";
        assert_eq!(
            signature(b"a shared secret", 1_792_000_000, r#"{"id":1}"#),
            format!("t=1792000000,v1={expected}")
        );
    }
}
