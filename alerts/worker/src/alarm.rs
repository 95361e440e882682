//! Says that the platform is blind, and that it sees again, past everything that may have failed: no case database, no queue, no stream.
//!
//! The addresses come from the settings. What cannot be handed over is for the caller to try again: there is nowhere to keep it.

use std::time::Duration;

use alerts::canary::Change;
use jiff::Timestamp;
use reqwest::{Client, header, redirect};
use uuid::Uuid;

use crate::{
    SmtpConfig, WorkerError,
    channel::{
        SendError,
        mail::Mail,
        webhook::{IDEMPOTENCY_KEY, SIGNATURE, signature},
    },
};

/// One try takes at most so long.
const WITHIN: Duration = Duration::from_secs(5);

/// Where to.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// A webhook and the key of its signatures.
    pub webhook: Option<(String, Vec<u8>)>,
    /// A mail server and a mailbox.
    pub mail: Option<(SmtpConfig, String)>,
}

/// The ways out.
#[derive(Debug)]
pub struct Alarm {
    client: Client,
    webhook: Option<(String, Vec<u8>)>,
    mail: Option<(Mail, String)>,
}

/// One thing to say.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    /// Receivers know a copy by it.
    pub id: Uuid,
    /// What.
    pub change: Change,
    /// Who says it.
    pub watcher: &'a str,
    /// When it was found.
    pub at: Timestamp,
}

/// A way out, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A signed request.
    Webhook,
    /// A mail.
    Mail,
}

impl Alarm {
    /// Prepares the ways out; connects only when something is to be said.
    pub fn new(addresses: Addresses) -> Result<Self, WorkerError> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(WITHIN)
            .user_agent(concat!("homeward/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| WorkerError::Channel {
                channel: "webhook",
                reason: error.to_string(),
            })?;
        let mail = match addresses.mail {
            Some((smtp, to)) => Some((
                Mail::new(&SmtpConfig {
                    timeout: WITHIN,
                    ..smtp
                })?,
                to,
            )),
            None => None,
        };
        Ok(Self {
            client,
            webhook: addresses.webhook,
            mail,
        })
    }

    /// Which ways there are.
    pub fn ways(&self) -> Vec<Way> {
        let webhook = self.webhook.as_ref().map(|_| Way::Webhook);
        let mail = self.mail.as_ref().map(|_| Way::Mail);
        webhook.into_iter().chain(mail).collect()
    }

    /// Says it, once, one way.
    pub async fn tell(&self, way: Way, word: &Word<'_>) -> Result<(), SendError> {
        match way {
            Way::Webhook => self.post(word).await,
            Way::Mail => self.mail(word).await,
        }
    }

    async fn post(&self, word: &Word<'_>) -> Result<(), SendError> {
        let Some((address, secret)) = &self.webhook else {
            return Ok(());
        };
        let body = body(word);
        let answer = self
            .client
            .post(address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(SIGNATURE, signature(secret, word.at.as_second(), &body))
            .header(IDEMPOTENCY_KEY, word.id.to_string())
            .body(body)
            .send()
            .await
            // The address may hold a token of the receiver's.
            .map_err(|error| SendError::Transient(error.without_url().to_string()))?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(SendError::Transient(format!("HTTP {}", answer.status().as_u16())))
        }
    }

    async fn mail(&self, word: &Word<'_>) -> Result<(), SendError> {
        let Some((mail, to)) = &self.mail else { return Ok(()) };
        let (subject, text) = text(word);
        mail.plain(to, &word.id.to_string(), &subject, &text).await
    }
}

/// The request's body: the same at each try.
fn body(word: &Word<'_>) -> String {
    let (subject, text) = text(word);
    let (kind, since, stage) = match word.change {
        Change::Blind { since, stage } => ("platform.blind", since, Some(stage.name())),
        Change::Seeing { since, .. } => ("platform.seeing", since, None),
    };
    serde_json::json!({
        "id": word.id, "type": kind, "since": since, "stage": stage, "found_at": word.at, "watcher": word.watcher,
        "subject": subject, "text": text,
    })
    .to_string()
}

/// Subject and text, in both languages: nobody is known whose language it could be.
fn text(word: &Word<'_>) -> (String, String) {
    match word.change {
        Change::Blind { since, stage } => (
            "[P1] Homeward is blind / Homeward 平台失明".to_owned(),
            format!(
                "Reports of the test device no longer come through since {since}. They end at: {stage}. Monitored people may break rules \
                 unseen. Watcher: {watcher}.\n\n自 {since} 起测试终端的报告未能通过平台，中断环节：{stage}。被监管人员的违规可能无法发现。监视器：{watcher}。\n",
                watcher = word.watcher
            ),
        ),
        Change::Seeing { since, again } => (
            "Homeward sees again / Homeward 平台已恢复".to_owned(),
            format!(
                "Reports of the test device come through again: that of {again} did. It had been blind since {since}. Devices keep what \
                 was not acknowledged and send it now. Watcher: {watcher}.\n\n测试终端的报告已恢复通过（{again}）。失明自 {since} 开始。\
                 终端会补传未确认的报告。监视器：{watcher}。\n",
                watcher = word.watcher
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use alerts::canary::Stage;

    use super::*;

    #[test]
    fn the_words_are_the_same_at_each_try_and_say_what_and_where() {
        let word = Word {
            id: Uuid::from_u128(7),
            change: Change::Blind {
                since: Timestamp::UNIX_EPOCH,
                stage: Stage::Decision,
            },
            watcher: "watcher 1",
            at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(body(&word), body(&word));
        let json: serde_json::Value = serde_json::from_str(&body(&word)).unwrap();
        assert_eq!(json["type"], "platform.blind");
        assert_eq!(json["stage"], "decision");
        let text = json["text"].as_str().unwrap();
        assert!(
            text.contains("1970-01-01T00:00:00Z") && text.contains("中断环节：decision"),
            "{text}"
        );
    }
}
