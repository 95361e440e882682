//! Web Push to a user's browsers (RFC 8030). The payload is encrypted for the browser; it lights up a locked screen all the same,
//! so it says no more than a short message.

mod crypt;

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casedb::{
    Database,
    notification::{Handed, Job},
    push::{self, Subscription},
};
use jiff::Timestamp;
use reqwest::{Client, StatusCode, Url, header};
use serde_json::json;
use tracing::info;

use super::{SendError, http, webhook::IDEMPOTENCY_KEY};
use crate::WorkerError;

pub use crypt::{CryptError, PAYLOAD_MAX, Vapid, encrypt};

/// How long a push service keeps a message for a browser that is away.
const KEEP_S: &str = "14400";

/// What Web Push needs.
#[derive(Clone)]
pub struct PushConfig {
    /// The key that identifies this server.
    pub key: Arc<Vapid>,
    /// Whom a push service may write to: `mailto:` or `https:`.
    pub subject: String,
    /// Of one request.
    pub timeout: Duration,
}

impl fmt::Debug for PushConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushConfig")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Sends to browsers.
#[derive(Debug)]
pub struct Push {
    client: Client,
    config: PushConfig,
}

impl Push {
    /// Prepares the client.
    pub fn new(config: &PushConfig) -> Result<Self, WorkerError> {
        Ok(Self {
            client: http::client("push", config.timeout)?,
            config: config.clone(),
        })
    }

    /// Sends to each of the user's browsers; handed over when one push service has taken it. Browsers that are gone are removed.
    pub async fn send(&self, db: &Database, job: &Job, text: &str, now: Timestamp) -> Result<Handed, SendError> {
        let Some(user_id) = job.user_id else {
            return Err(SendError::Refused("Web Push needs a user".to_owned()));
        };
        let unread = |error: casedb::Error| SendError::Transient(error.to_string());
        let browsers = push::of_user(&db.client().await.map_err(unread)?, user_id)
            .await
            .map_err(unread)?;
        let sent = futures::future::join_all(browsers.iter().map(|browser| self.one(browser, job, text, now))).await;
        let mut worst: Option<SendError> = None;
        let mut taken = false;
        for (browser, outcome) in browsers.iter().zip(sent) {
            match outcome {
                Ok(()) => taken = true,
                Err(Failure::Gone) => {
                    info!(subscription_id = %browser.subscription_id, "the browser is gone; its subscription is removed");
                    push::remove(&db.client().await.map_err(unread)?, browser.subscription_id)
                        .await
                        .map_err(unread)?;
                }
                // What may pass comes before what was refused: it is worth another try.
                Err(Failure::Send(error)) => {
                    if worst
                        .as_ref()
                        .is_none_or(|known| matches!(known, SendError::Refused(_)))
                    {
                        worst = Some(error);
                    }
                }
            }
        }
        match (taken, worst) {
            (true, _) => Ok(Handed::default()),
            (false, Some(error)) => Err(error),
            (false, None) => Err(SendError::Refused(
                "no browser of the user takes messages any more".to_owned(),
            )),
        }
    }

    async fn one(&self, browser: &Subscription, job: &Job, text: &str, now: Timestamp) -> Result<(), Failure> {
        let refused = |error: &dyn fmt::Display| Failure::Send(SendError::Refused(error.to_string()));
        let url = Url::parse(&browser.endpoint).map_err(|error| refused(&error))?;
        let payload = json!({
            "title": "Homeward",
            "body": text,
            // Copies have one tag: the browser shows them once.
            "tag": job.key,
            "url": format!("/incidents/{}", job.incident_id),
        });
        let body =
            encrypt(payload.to_string().as_bytes(), &browser.p256dh, &browser.auth).map_err(|error| refused(&error))?;
        let audience = url.origin().ascii_serialization();
        let proof = self
            .config
            .key
            .authorization(&audience, &self.config.subject, now)
            .map_err(|error| refused(&error))?;
        let answer = self
            .client
            .post(url)
            .header(header::AUTHORIZATION, proof)
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header("TTL", KEEP_S)
            .header("Urgency", "high")
            .header("Topic", URL_SAFE_NO_PAD.encode(job.key.as_bytes()))
            .header(IDEMPOTENCY_KEY, job.key.to_string())
            .body(body)
            .send()
            .await
            .map_err(|error| Failure::Send(http::describe(error)))?;
        match answer.status() {
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Failure::Gone),
            _ => http::judge_answer(&answer, now).map_err(Failure::Send),
        }
    }
}

enum Failure {
    Gone,
    Send(SendError),
}
