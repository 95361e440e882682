//! Open consoles: how long a new incident takes to each.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{sync::mpsc, task::JoinSet};
use uuid::Uuid;

use super::pages::Reader;

/// An incident came to a console.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Which console.
    pub console: usize,
    /// Which incident.
    pub incident: Uuid,
    /// When.
    pub at: Instant,
}

/// Consoles that listen; they stop when this is dropped.
#[derive(Debug)]
pub struct Consoles {
    /// What came.
    pub arrivals: mpsc::UnboundedReceiver<Arrival>,
    _tasks: JoinSet<()>,
}

/// Opens a stream for each reader and waits until all of them have heard a beat.
pub async fn open(readers: Vec<Reader>) -> Result<Consoles> {
    let (sender, arrivals) = mpsc::unbounded_channel();
    let (ready, mut opened) = mpsc::unbounded_channel();
    let count = readers.len();
    let mut tasks = JoinSet::new();
    for (console, reader) in readers.into_iter().enumerate() {
        let (sender, ready) = (sender.clone(), ready.clone());
        tasks.spawn(async move {
            if let Err(error) = listen(&reader, console, &sender, &ready).await {
                let _ = ready.send(Err(error));
            }
        });
    }
    drop(ready);
    for _ in 0..count {
        let one = tokio::time::timeout(Duration::from_secs(30), opened.recv());
        one.await
            .context("a console hears nothing")?
            .context("a console ended")??;
    }
    Ok(Consoles {
        arrivals,
        _tasks: tasks,
    })
}

async fn listen(
    reader: &Reader,
    console: usize,
    sender: &mpsc::UnboundedSender<Arrival>,
    ready: &mpsc::UnboundedSender<Result<()>>,
) -> Result<()> {
    let request = reader.http.get(format!("{}/api/v1/stream", reader.base));
    let mut answer = request.header("cookie", &reader.cookie).send().await?;
    if !answer.status().is_success() {
        bail!("stream: {}", answer.status());
    }
    let (mut text, mut heard) = (String::new(), false);
    while let Some(chunk) = answer.chunk().await? {
        let at = Instant::now();
        text.push_str(&String::from_utf8_lossy(&chunk));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            text = rest;
            if !heard {
                heard = true;
                let _ = ready.send(Ok(()));
            }
            if event.lines().any(|line| line == "event: incident") {
                let data = event
                    .lines()
                    .find_map(|line| line.strip_prefix("data: "))
                    .context("data")?;
                let change: serde_json::Value = serde_json::from_str(data)?;
                let incident = change
                    .get("incident_id")
                    .and_then(|id| id.as_str())
                    .context("incident_id")?
                    .parse()?;
                let _ = sender.send(Arrival { console, incident, at });
            } else if event.lines().any(|line| line == "event: resync") {
                bail!("console {console} was told to read everything anew");
            }
        }
    }
    bail!("the stream of console {console} ended")
}

/// What became of the incidents raised.
#[derive(Debug, Default)]
pub struct Delays {
    /// Of each incident to each console that may see it.
    pub milliseconds: Vec<f64>,
    /// Of each incident until the last of them had it.
    pub slowest: Vec<f64>,
    /// Deliveries that did not come.
    pub missing: usize,
    /// Deliveries to consoles that may not see it.
    pub wrong: usize,
}

/// Compares what came with what had to come: by incident, when it was raised and which consoles see it.
pub fn judge<S: std::hash::BuildHasher>(
    raised: &HashMap<Uuid, (Instant, Vec<usize>), S>,
    arrivals: &[Arrival],
) -> Delays {
    let mut came: HashMap<(Uuid, usize), Instant> = HashMap::new();
    let mut delays = Delays::default();
    for arrival in arrivals {
        let Some((_, consoles)) = raised.get(&arrival.incident) else {
            continue;
        };
        if consoles.contains(&arrival.console) {
            came.entry((arrival.incident, arrival.console)).or_insert(arrival.at);
        } else {
            delays.wrong += 1;
        }
    }
    for (incident, (begun, consoles)) in raised {
        let mut slowest = 0.0_f64;
        for console in consoles {
            match came.get(&(*incident, *console)) {
                Some(at) => {
                    let took = at.saturating_duration_since(*begun).as_secs_f64() * 1e3;
                    slowest = slowest.max(took);
                    delays.milliseconds.push(took);
                }
                None => delays.missing += 1,
            }
        }
        delays.slowest.push(slowest);
    }
    delays
}
