//! What all channels over HTTP have in common: the client, and what an answer means.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{Client, Response, StatusCode, header, redirect};

use super::SendError;
use crate::WorkerError;

/// The longest `Retry-After` that is obeyed; a longer one counts as this. A provider's mistake must not silence a channel.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// More of an answer is not read.
const ANSWER_MAX: usize = 64 * 1024;

/// Prepares a client: no redirects (what is signed is for the address that was configured), no proxy of the environment, and a
/// time-out over all.
pub(crate) fn client(channel: &'static str, timeout: Duration) -> Result<Client, WorkerError> {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .user_agent(concat!("homeward/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| WorkerError::Channel {
            channel,
            reason: error.to_string(),
        })
}

/// Says what an answer means: 5xx and the codes that ask to come again are transient, the rest is a refusal.
pub(crate) fn judge(status: StatusCode, retry_after: Option<&str>, now: Timestamp) -> Result<(), SendError> {
    let reason = format!("HTTP {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(match retry_after.and_then(|text| wait(text, now)) {
            Some(after) => SendError::Later { reason, after },
            None => SendError::Transient(reason),
        }),
        _ => Err(SendError::Refused(reason)),
    }
}

/// The same for an answer as it came.
pub(crate) fn judge_answer(answer: &Response, now: Timestamp) -> Result<(), SendError> {
    let retry_after = answer.headers().get(header::RETRY_AFTER);
    judge(answer.status(), retry_after.and_then(|value| value.to_str().ok()), now)
}

/// How long a `Retry-After` wants to be waited: seconds, or a date (RFC 9110). Nothing for what is past or cannot be read.
pub(crate) fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        // A whole number that is too big for any integer is still a whole number.
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => RETRY_AFTER_MAX,
        Err(_) => {
            let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(at.duration_since(now)).ok()?
        }
    };
    (!wait.is_zero()).then(|| wait.min(RETRY_AFTER_MAX))
}

/// What went wrong with a request, without the address, which may hold a token of the receiver's.
pub(crate) fn describe(error: reqwest::Error) -> SendError {
    let refused = error.is_builder();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    if refused {
        SendError::Refused(text)
    } else {
        SendError::Transient(text)
    }
}

/// Reads the body of an answer, or as much of it as anybody needs.
pub(crate) async fn read(mut answer: Response) -> Result<Vec<u8>, SendError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(describe)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_MAX {
            body.truncate(ANSWER_MAX);
            break;
        }
    }
    Ok(body)
}

/// A word of a provider's answer as it may be stored: short, one line, and of harmless characters.
pub(crate) fn word(text: &str) -> String {
    text.chars()
        .filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '.' | '-' | '_' | ':'))
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    #[test]
    fn answers_are_judged_by_who_can_help() {
        let judged = |status| judge(StatusCode::from_u16(status).unwrap(), None, now());
        for status in [200, 202, 204] {
            assert_eq!(judged(status), Ok(()));
        }
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(judged(status), Err(SendError::Transient(_))), "{status}");
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 410, 413] {
            assert!(matches!(judged(status), Err(SendError::Refused(_))), "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_has_a_bound() {
        let seconds = |text: &str| wait(text, now()).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 120 "), Some(120));
        assert_eq!(seconds("Sat, 21 Nov 2026 10:00:30 GMT"), Some(30));
        assert_eq!(seconds("Sat, 21 Nov 2026 09:59:30 GMT"), None, "that is past");
        assert_eq!(seconds("86400"), Some(3_600));
        assert_eq!(seconds("99999999999999999999999999"), Some(3_600));
        assert_eq!(seconds("Sun, 21 Nov 2027 10:00:30 GMT"), Some(3_600));
        for nothing in ["0", "", "-5", "soon", "1.5", "2026-11-21T10:00:30Z"] {
            assert_eq!(seconds(nothing), None, "{nothing}");
        }
        let later = judge(StatusCode::TOO_MANY_REQUESTS, Some("7"), now());
        assert!(matches!(later, Err(SendError::Later { after, .. }) if after.as_secs() == 7));
        let refused = judge(StatusCode::FORBIDDEN, Some("7"), now());
        assert!(matches!(refused, Err(SendError::Refused(_))));
    }
}
