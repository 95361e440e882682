//! What a browser asks for, timed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::load::Milliseconds;

/// A signed-in reader.
#[derive(Debug, Clone)]
pub struct Reader {
    /// `http://host:port`.
    pub base: String,
    /// The session.
    pub cookie: String,
    /// Keeps its connections.
    pub http: reqwest::Client,
}

impl Reader {
    /// Asks, and measures until the last byte is here.
    pub async fn get(&self, path: &str) -> Result<(Value, Duration)> {
        let begun = Instant::now();
        let answer = self
            .http
            .get(format!("{}{path}", self.base))
            .header("cookie", &self.cookie)
            .send()
            .await?;
        let (status, bytes) = (answer.status(), answer.bytes().await?);
        let took = begun.elapsed();
        if !status.is_success() {
            bail!("{path}: {status}");
        }
        Ok((
            serde_json::from_slice(&bytes).context("an answer that is no JSON")?,
            took,
        ))
    }
}

/// A kind of page, and how long it took.
#[derive(Debug, Clone)]
pub struct Timed {
    /// Which.
    pub what: String,
    /// How many incidents are in it, in all its pages.
    pub total: i64,
    /// Each time.
    pub times: Milliseconds,
}

/// First pages, filters and later pages of a reader, `rounds` times each.
pub async fn measure(reader: &Reader, who: &str, rounds: usize) -> Result<Vec<Timed>> {
    let mut all = Vec::new();
    for (what, query) in [
        ("first page", ""),
        ("first page of 500", "?limit=500"),
        ("the most urgent", "?severity=1"),
        ("severity 3", "?severity=3"),
        ("mine", "?mine=true"),
        ("closed", "?state=closed"),
    ] {
        let mut times = Vec::with_capacity(rounds);
        let mut total = 0;
        for _ in 0..rounds {
            let (list, took) = reader.get(&format!("/api/v1/incidents{query}")).await?;
            total = list
                .get("total")
                .and_then(serde_json::Value::as_i64)
                .unwrap_or_default();
            times.push(took.as_secs_f64() * 1e3);
        }
        all.push(Timed {
            what: format!("{who}: {what}"),
            total,
            times: Milliseconds::new(times),
        });
    }
    // Page after page, from the first one: deep pages are of the same kind.
    let mut times = Vec::with_capacity(rounds);
    let mut after: Option<String> = None;
    for _ in 0..rounds {
        let query = after
            .as_ref()
            .map_or_else(String::new, |after| format!("?after={after}"));
        let (list, took) = reader.get(&format!("/api/v1/incidents{query}")).await?;
        if after.is_some() {
            times.push(took.as_secs_f64() * 1e3);
        }
        after = list.get("next").and_then(|next| next.as_str()).map(str::to_owned);
    }
    // Who sees little has one page.
    if times.is_empty() {
        return Ok(all);
    }
    all.push(Timed {
        what: format!("{who}: later pages, one after the other"),
        total: 0,
        times: Milliseconds::new(times),
    });
    Ok(all)
}

/// Reads all pages of a list and returns the ids in order.
pub async fn walk(reader: &Reader, query: &str) -> Result<(Vec<String>, i64)> {
    let (mut ids, mut total, mut after) = (Vec::new(), None, String::new());
    loop {
        let (list, _) = reader
            .get(&format!("/api/v1/incidents?limit=1000{query}{after}"))
            .await?;
        total = total.or(list.get("total").and_then(serde_json::Value::as_i64));
        let rows = list
            .get("incidents")
            .and_then(serde_json::Value::as_array)
            .context("incidents")?;
        ids.extend(
            rows.iter()
                .filter_map(|row| Some(row.get("incident_id")?.as_str()?.to_owned())),
        );
        match list.get("next").and_then(|next| next.as_str()) {
            Some(next) => after = format!("&after={next}"),
            None => return Ok((ids, total.unwrap_or(-1))),
        }
    }
}
