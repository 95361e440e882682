//! The watcher: sends beats, looks for what comes out of them, tells changes until they are heard.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use alerts::{
    Audience, Severity,
    canary::{Canary, Change, Settings, Stage},
};
use anyhow::{Context, Result};
use casedb::{
    Database, canary,
    incident::{SystemIncident, end_system, raise_system},
};
use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;
use worker::alarm::{Alarm, Way, Word};

use super::{
    beat::Line,
    sink::{self, Sink},
};

/// Looks come this often.
const LOOK: Duration = Duration::from_secs(1);
/// The case database has so long to answer one.
const WITHIN: Duration = Duration::from_secs(3);
/// Kind and key of the incident.
const INCIDENT: &str = "platform_blind";
/// What was not heard is told again after this.
const AGAIN: Duration = Duration::from_secs(5);
/// Changes that wait to be heard; beyond, the oldest are dropped: who was away for so long needs the newest.
const WAITING: usize = 100;

/// A test device and the one who listens for it.
pub struct Watcher {
    pub(super) settings: Settings,
    pub(super) line: Line,
    pub(super) database: Database,
    pub(super) alarm: Alarm,
    pub(super) sink: Option<sink::Settings>,
    pub(super) name: String,
}

/// How a beat went.
type Outcome = (Timestamp, Result<(), (Stage, String)>);

/// A change that somebody has not heard yet.
struct Unheard {
    id: Uuid,
    blindness: Uuid,
    change: Change,
    at: Timestamp,
    ways: Vec<Way>,
    /// Written into the case database.
    written: bool,
}

impl Watcher {
    /// Watches until stopped. Nothing that fails ends it.
    pub async fn run(self, stop: CancellationToken) {
        let mut judged = Canary::new(self.settings, Timestamp::now());
        let (beats, mut beaten) = mpsc::channel::<Outcome>(16);
        let watcher = Arc::new(self);
        info!(watcher = watcher.name, "the canary is sent");
        let (arrivals, mut arrived) = mpsc::channel(16);
        let sink = watcher.open(arrivals, stop.clone()).await;
        let (registered, mut listening) = oneshot::channel();
        let sender = tokio::spawn(Arc::clone(&watcher).send(beats, sink, registered, stop.clone()));
        let (changes, heard) = mpsc::channel(WAITING);
        let teller = tokio::spawn(Arc::clone(&watcher).tell(heard, stop.clone()));
        let mut blindness = Uuid::now_v7();
        let mut listens = false;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some((sent_at, outcome)) = beaten.recv() => match outcome {
                    Ok(()) => judged.acknowledged(sent_at),
                    Err((stage, why)) => {
                        warn!(%stage, why, "a report of the test device ended");
                        judged.failed(stage);
                    }
                },
                // From then on the alert workers know where to send.
                Ok(()) = &mut listening, if !listens => {
                    listens = true;
                    judged.listens(Timestamp::now());
                }
                Some(sent_at) = arrived.recv() => judged.arrived(sent_at),
                _ = looks.tick() => {
                    watcher.look(&mut judged).await;
                    let now = Timestamp::now();
                    let Some(change) = judged.judge(now) else { continue };
                    match change {
                        Change::Blind { since, stage } => {
                            blindness = Uuid::now_v7();
                            error!(%since, %stage, "the platform is blind");
                        }
                        Change::Seeing { since, again } => info!(%since, %again, "the platform sees again"),
                    }
                    metrics::gauge!("homeward_platform_blind").set(f64::from(u8::from(judged.blind_since().is_some())));
                    let unheard = Unheard {
                        id: Uuid::now_v7(),
                        blindness,
                        change,
                        at: now,
                        ways: watcher.alarm.ways(),
                        written: false,
                    };
                    if changes.try_send(unheard).is_err() {
                        error!("too many changes wait to be told");
                    }
                }
            }
        }
        sender.abort();
        teller.abort();
    }

    /// Asks the case database what came out.
    async fn look(&self, judged: &mut Canary) {
        let asked = async {
            let client = self.database.client().await?;
            canary::standing(&client).await
        };
        match tokio::time::timeout(WITHIN, asked).await {
            Ok(Ok(standing)) => {
                let standing = standing.as_ref();
                judged.out(
                    standing.and_then(|standing| standing.newest_out),
                    standing.and_then(|standing| standing.newest_raised),
                );
            }
            Ok(Err(_)) | Err(_) => judged.unknown(),
        }
        let age = Timestamp::now().duration_since(judged.newest_out()).as_secs_f64();
        metrics::gauge!("homeward_canary_age_seconds").set(age.max(0.0));
    }

    /// Begins to hear messages, where somebody can reach it. One that cannot listen still watches everything else.
    async fn open(&self, arrivals: mpsc::Sender<Timestamp>, stop: CancellationToken) -> Option<Sink> {
        match sink::open(self.sink.as_ref()?, arrivals, stop).await {
            Ok(sink) => {
                info!(url = sink.url, "messages about the test device are heard");
                Some(sink)
            }
            Err(error) => {
                error!(
                    error = format!("{error:#}"),
                    "messages about the test device cannot be heard"
                );
                None
            }
        }
    }

    /// Sends beats at their times. The key is learnt once; until then no beat is sent, and the clock says what that means.
    async fn send(
        self: Arc<Self>,
        beats: mpsc::Sender<Outcome>,
        sink: Option<Sink>,
        registered: oneshot::Sender<()>,
        stop: CancellationToken,
    ) {
        let secret = loop {
            match tokio::time::timeout(WITHIN, self.register(sink.as_ref())).await {
                Ok(Ok(secret)) => break secret,
                Ok(Err(error)) => warn!(error = format!("{error:#}"), "the test device cannot be registered yet"),
                Err(_) => warn!("the case database does not answer: the test device cannot be registered yet"),
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        };
        if sink.is_some() {
            let _ = registered.send(());
        }
        let sink = Arc::new(sink);
        let every = Duration::try_from(self.settings.every).unwrap_or(Duration::from_secs(30));
        let mut times = tokio::time::interval(every);
        times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        // Which zone comes next goes by the clock: two watchers, or one that was restarted, do not jump between them.
        loop {
            times.tick().await;
            let now = Timestamp::now();
            let count =
                now.as_millisecond().max(0).cast_unsigned() / u64::try_from(every.as_millis()).unwrap_or(1).max(1);
            let keeper = Arc::clone(&self);
            let kept = Arc::clone(&sink);
            tokio::spawn(async move { keeper.keep(kept.as_ref().as_ref()).await });
            let line = Arc::clone(&self);
            let (secret, beats) = (secret.clone(), beats.clone());
            // A gateway that hangs must not delay the next beat.
            tokio::spawn(async move {
                let outcome = line.line.beat(&secret, count, now).await;
                let _ = beats.send((now, outcome)).await;
            });
        }
    }

    /// Says that it is there still, and clears away what is left of yesterday's beats.
    async fn keep(&self, sink: Option<&Sink>) {
        let kept = async {
            let mut client = self.database.client().await?;
            let transaction = client.transaction().await.map_err(casedb::Error::from)?;
            let known = canary::keep(&transaction, &self.name, Timestamp::now()).await?;
            // Somebody may have taken it for gone while the case database was away.
            if let Some(sink) = sink.filter(|_| !known) {
                canary::listen(&transaction, &self.name, &sink.url, &sink.secret).await?;
            }
            transaction.commit().await.map_err(casedb::Error::from)
        };
        match tokio::time::timeout(WITHIN, kept).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, "could not say that the watcher is there"),
            Err(_) => warn!("could not say that the watcher is there: the case database does not answer"),
        }
    }

    async fn register(&self, sink: Option<&Sink>) -> Result<Vec<u8>> {
        let mut client = self.database.client().await.context("case database")?;
        let now = Timestamp::now();
        let transaction = client.transaction().await?;
        let registered = canary::ensure(&transaction, now).await?;
        canary::end_all(&transaction, &self.name, now).await?;
        if let Some(sink) = sink {
            canary::listen(&transaction, &self.name, &sink.url, &sink.secret).await?;
        }
        transaction.commit().await?;
        Ok(registered.secret)
    }

    /// Tells each change every way until it is heard, the oldest first.
    async fn tell(self: Arc<Self>, mut changes: mpsc::Receiver<Unheard>, stop: CancellationToken) {
        let mut waiting: VecDeque<Unheard> = VecDeque::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                change = changes.recv() => match change {
                    Some(change) => waiting.push_back(change),
                    None => return,
                },
                () = tokio::time::sleep(AGAIN), if !waiting.is_empty() => {}
            }
            while waiting.len() > WAITING {
                waiting.pop_front();
            }
            for unheard in &mut waiting {
                self.try_once(unheard).await;
            }
            waiting.retain(|unheard| !unheard.written || !unheard.ways.is_empty());
        }
    }

    async fn try_once(&self, unheard: &mut Unheard) {
        let word = Word {
            id: unheard.id,
            change: unheard.change,
            watcher: &self.name,
            at: unheard.at,
        };
        // All at once: one way that hangs must not keep the others waiting.
        let word = &word;
        let tells = unheard.ways.iter().map(|way| async move {
            let told = self.alarm.tell(*way, word).await;
            told.inspect_err(|error| warn!(?way, %error, "could not tell it; trying again"))
                .err()
                .map(|_| *way)
        });
        let (left, written) = tokio::join!(join_all(tells), self.written(unheard));
        unheard.ways = left.into_iter().flatten().collect();
        unheard.written = written;
    }

    /// Writes it into the case database, unless that was done.
    async fn written(&self, unheard: &Unheard) -> bool {
        if unheard.written {
            return true;
        }
        match tokio::time::timeout(WITHIN, self.write(unheard)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => warn!(error = format!("{error:#}"), "could not write it down; trying again"),
            Err(_) => warn!("could not write it down: the case database does not answer; trying again"),
        }
        false
    }

    async fn write(&self, unheard: &Unheard) -> Result<()> {
        let mut client = self.database.client().await?;
        let transaction = client.transaction().await?;
        match unheard.change {
            Change::Blind { since, stage } => {
                if canary::raise(&transaction, unheard.blindness, &self.name, since, stage, unheard.at).await? {
                    let text = format!(
                        "Reports of the test device no longer come through since {since}. They end at: {stage}."
                    );
                    let blind = SystemIncident {
                        kind: INCIDENT,
                        person: None,
                        police_agency: None,
                        social_agency: None,
                        grouping_key: INCIDENT,
                        severity: Severity::P1,
                        audience: Audience::Both,
                        text: &text,
                        at: unheard.at,
                    };
                    raise_system(&transaction, &blind).await?;
                }
            }
            Change::Seeing { again, .. } => {
                canary::end(&transaction, unheard.blindness, unheard.at).await?;
                let text = format!("Reports of the test device come through again: that of {again} did.");
                end_system(&transaction, None, INCIDENT, &text, unheard.at).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}
