//! Short messages over a provider's HTTP gateway. The request is a template of the settings; `docs/channels.md` has examples.

mod template;

use alerts::sms;
use casedb::notification::{Handed, Job};
use jiff::Timestamp;
use reqwest::{
    Client, RequestBuilder,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;

use super::{SendError, http, webhook::IDEMPOTENCY_KEY};
use crate::{SmsConfig, WorkerError};

pub(crate) use template::{Content, Pick, Template};
pub use template::{PLACEHOLDERS, TemplateError};

/// Sends short messages.
#[derive(Debug)]
pub struct Sms {
    client: Client,
    config: SmsConfig,
}

/// What one request is made of.
struct Filling<'a> {
    config: &'a SmsConfig,
    job: &'a Job,
    text: &'a str,
}

impl Filling<'_> {
    fn value(&self, word: &str) -> Option<String> {
        let to = &self.job.recipient;
        let digits = to.trim_start_matches('+');
        Some(match word {
            "to" => to.clone(),
            "to_digits" => digits.to_owned(),
            "to_national" => digits
                .strip_prefix(self.config.country_code.as_str())
                .unwrap_or(digits)
                .to_owned(),
            "text" => self.text.to_owned(),
            "key" => self.job.key.to_string(),
            "token" => self.config.token.clone(),
            "sender" => self.config.sender.clone(),
            "segments" => sms::length(self.text).segments.to_string(),
            "encoding" => sms::length(self.text).encoding.name().to_owned(),
            "incident" => self.job.number.to_string(),
            "priority" => self.job.severity.to_string(),
            _ => return None,
        })
    }
}

impl Sms {
    /// Prepares the client.
    pub fn new(config: &SmsConfig) -> Result<Self, WorkerError> {
        Ok(Self {
            client: http::client("sms", config.timeout)?,
            config: config.clone(),
        })
    }

    /// The most segments of a message.
    pub const fn segments(&self) -> usize {
        self.config.segments
    }

    /// Sends one message; it is handed over when the gateway says that it has taken it.
    pub async fn send(&self, job: &Job, text: &str, now: Timestamp) -> Result<Handed, SendError> {
        if !plausible(&job.recipient) {
            return Err(SendError::Refused(
                "the telephone number is not like +8613800000000".to_owned(),
            ));
        }
        let filling = Filling {
            config: &self.config,
            job,
            text,
        };
        let answer = self.request(&filling)?.send().await.map_err(http::describe)?;
        http::judge_answer(&answer, now)?;
        let headers = answer.headers().clone();
        // The gateway has it. An answer that breaks off is a failure only where it would have said yes or no.
        let body = match http::read(answer).await {
            Ok(body) => body,
            Err(error) if self.config.success.is_some() => return Err(error),
            Err(_) => Vec::new(),
        };
        let parsed = serde_json::from_slice::<Value>(&body).ok();
        if let Some((pick, expected)) = &self.config.success {
            match pick.find(&headers, &body, parsed.as_ref()) {
                Some(found) if found == *expected => {}
                Some(found) => return Err(SendError::Refused(format!("the gateway says {:?}", http::word(&found)))),
                None => return Err(SendError::Transient("the gateway's answer cannot be read".to_owned())),
            }
        }
        let provider_id = self
            .config
            .receipt_id
            .as_ref()
            .and_then(|pick| pick.find(&headers, &body, parsed.as_ref()));
        Ok(Handed {
            provider_id: provider_id.filter(|id| !id.is_empty() && id.len() <= 200),
            receipt_follows: self.config.receipts,
        })
    }

    fn request(&self, filling: &Filling<'_>) -> Result<RequestBuilder, SendError> {
        let value = |word: &str| filling.value(word);
        let mut headers = HeaderMap::new();
        for (name, template) in &self.config.headers {
            let filled = template.fill(value);
            let mut filled = HeaderValue::from_str(&filled)
                .map_err(|_| SendError::Refused(format!("header {name} cannot have this value")))?;
            filled.set_sensitive(true);
            headers.insert(name.clone(), filled);
        }
        let key = HeaderValue::from_str(&filling.job.key.to_string());
        if let Ok(key) = key {
            headers.insert(HeaderName::from_static(IDEMPOTENCY_KEY_LOWER), key);
        }
        let request = self
            .client
            .request(self.config.method.clone(), self.config.url.fill_encoded(value));
        let request = match &self.config.content {
            Content::None => request,
            Content::Json(template) => {
                headers
                    .entry(header::CONTENT_TYPE)
                    .or_insert(HeaderValue::from_static("application/json"));
                request.body(template::fill_json(template, &value).to_string())
            }
            Content::Form(pairs) => {
                let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
                headers.entry(header::CONTENT_TYPE).or_insert(form);
                let pairs: Vec<String> = pairs
                    .iter()
                    .map(|(name, template)| format!("{}={}", template::encode(name), template.fill_encoded(value)))
                    .collect();
                request.body(pairs.join("&"))
            }
        };
        Ok(request.headers(headers))
    }
}

/// [`IDEMPOTENCY_KEY`] as the library wants it.
const IDEMPOTENCY_KEY_LOWER: &str = "idempotency-key";
const _: () = assert!(IDEMPOTENCY_KEY.len() == IDEMPOTENCY_KEY_LOWER.len());

/// E.164, as the tables have it for users; targets are checked when they are added.
fn plausible(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}
