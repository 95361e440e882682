//! Where the watcher hears messages about the canary: an agency's webhook target like any other, which proves that messages leave the house.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use jiff::Timestamp;
use rand::Rng as _;
use serde::Deserialize;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use worker::channel::webhook::{SIGNATURE, signature};

/// The key of the signatures has this many bytes.
const KEY_BYTES: usize = 32;
/// A message is shorter.
const LONGEST: usize = 16 * 1024;
/// A signature of longer ago proves nothing.
const FRESH_S: i64 = 300;

/// Where to listen, and what the alert workers are to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the alert workers reach it; `None`: at the address that it listens on.
    pub url: Option<String>,
}

/// A place where messages arrive.
#[derive(Debug)]
pub struct Sink {
    /// For the alert workers.
    pub url: String,
    /// Signs what they send.
    pub secret: Vec<u8>,
}

/// What of a message proves which beat it is about.
#[derive(Deserialize)]
struct Message {
    onset_at: Timestamp,
}

#[derive(Clone)]
struct Ear {
    secret: Vec<u8>,
    heard: mpsc::Sender<Timestamp>,
}

/// Begins to listen, until `stop`; sends when the beat was sent that a message is about.
pub async fn open(settings: &Settings, heard: mpsc::Sender<Timestamp>, stop: CancellationToken) -> Result<Sink> {
    let mut secret = vec![0; KEY_BYTES];
    rand::rng().fill_bytes(&mut secret);
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("canary.sink_listen: {}", settings.listen))?;
    let own = format!("http://{}/", listener.local_addr()?);
    let ear = Ear {
        secret: secret.clone(),
        heard,
    };
    let router = Router::new()
        .fallback(post(hear))
        .layer(DefaultBodyLimit::max(LONGEST))
        .with_state(ear);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the watcher hears no messages any more");
        }
    });
    Ok(Sink {
        url: settings.url.clone().unwrap_or(own),
        secret,
    })
}

async fn hear(State(ear): State<Ear>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signed = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let Some(signed) = signed.filter(|signed| is_ours(&ear.secret, signed, &body, Timestamp::now())) else {
        return StatusCode::UNAUTHORIZED;
    };
    tracing::trace!(signed, "a message about the test device arrived");
    let Ok(message) = serde_json::from_slice::<Message>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let _ = ear.heard.send(message.onset_at).await;
    StatusCode::NO_CONTENT
}

/// The signature is that of the body, by our key, and fresh.
fn is_ours(secret: &[u8], signed: &str, body: &[u8], now: Timestamp) -> bool {
    let Ok(text) = std::str::from_utf8(body) else {
        return false;
    };
    let stamp = signed.split(',').find_map(|part| part.strip_prefix("t="));
    let Some(stamp) = stamp.and_then(|stamp| stamp.parse::<i64>().ok()) else {
        return false;
    };
    // The key is of this process alone and nothing follows from a message but that one came: how long the comparison takes tells nobody
    // anything.
    now.as_second().saturating_sub(stamp).saturating_abs() <= FRESH_S && signature(secret, stamp, text) == signed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_signed_by_the_key_and_fresh_is_heard() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let (key, body) = (b"key".as_slice(), br#"{"onset_at":"2026-08-17T14:18:12Z"}"#.as_slice());
        let text = std::str::from_utf8(body).unwrap();
        let signed = signature(key, now.as_second(), text);
        assert!(is_ours(key, &signed, body, now));
        assert!(!is_ours(b"other", &signed, body, now));
        assert!(!is_ours(key, &signed, b"{}", now));
        assert!(!is_ours(key, &signed, &[0xff], now));
        assert!(!is_ours(key, "v1=00", body, now));
        assert!(!is_ours(key, &signature(key, now.as_second() - 301, text), body, now));
    }
}
