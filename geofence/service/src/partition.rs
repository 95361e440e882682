//! One partition: claim, restore, fold, append, save.

use std::sync::Arc;

use bytes::Bytes;
use casedb::{
    Database,
    backoff::Backoff,
    checkpoint::{self, Claim},
};
use engine::{
    CHECKPOINT_VERSION, CheckpointError, CompiledLayer, Engine, Input, LayerReference, Outcome, PIECES_KEPT_US,
};
use jiff::Timestamp;
use prost::Message;
use proto::{
    LayerId, Partition, PersonId, Topic,
    event::kind_name,
    wire::{self, report_record::Body},
};
use stream::{Class, Log, NewRecord, Offset, Record};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    Config, Error,
    batch::Reports,
    layers::{Layers, Missing},
};

/// Records on their way to a partition's task, and the room that they take.
pub(crate) type Delivered = (Vec<Record>, OwnedSemaphorePermit);

/// What a partition's task says to the service.
#[derive(Debug)]
pub(crate) enum Said {
    /// The state is restored: records from here on, please.
    Ready(Offset),
    /// The task has ended: told to, fenced, or broken.
    Ended(Result<(), Error>),
}

/// What the tasks of all partitions share.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) layers: Layers,
    pub(crate) config: Config,
}

/// Records folded before other tasks get their turn, and most reports that are folded together.
const TURN: usize = 256;

/// A fix may be ahead of the clock by so much, microseconds.
const AHEAD_US: i64 = 300_000_000;

/// The task of a partition.
pub(crate) struct Fold {
    shared: Arc<Shared>,
    partition: Partition,
    stop: CancellationToken,
    engine: Engine,
    /// Taken in, and not yet folded; empty between two turns.
    reports: Reports,
    epoch: i64,
    /// The next record to fold.
    next: Offset,
    /// Where the saved checkpoint stands.
    saved: Offset,
    save_due: Option<Instant>,
    /// Whose monitoring was ended by rules, and from when on: to be taken out of the pieces that are saved.
    revoked: Vec<(PersonId, i64)>,
    /// False from the moment that folded records have events which are not durable: the state must not be saved.
    durable: bool,
}

/// The task was told to stop, or failed.
enum Interrupted {
    Stopped,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Interrupted {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Claims a partition, folds what is delivered, and saves a last checkpoint when told to stop.
pub(crate) async fn run(
    shared: Arc<Shared>,
    partition: Partition,
    stop: CancellationToken,
    mut delivered: mpsc::UnboundedReceiver<Delivered>,
    say: impl Fn(Said),
) {
    let mut fold = match Fold::take(shared, partition, stop.clone()).await {
        Ok(fold) => fold,
        Err(Interrupted::Stopped) => return say(Said::Ended(Ok(()))),
        Err(Interrupted::Failed(error)) => return say(Said::Ended(Err(error))),
    };
    say(Said::Ready(fold.next));
    let outcome = fold.follow(&mut delivered).await;
    let outcome = match outcome {
        Ok(()) | Err(Interrupted::Stopped) => fold.save().await,
        Err(Interrupted::Failed(error)) => Err(error),
    };
    say(Said::Ended(outcome));
}

impl Fold {
    async fn take(shared: Arc<Shared>, partition: Partition, stop: CancellationToken) -> Result<Self, Interrupted> {
        let mut patience = Patience::new(&stop, "claim", partition);
        let claim = loop {
            match claim(&shared, partition).await {
                Ok(claim) => break claim,
                Err(error) => patience.after(error).await?,
            }
        };
        let start = loop {
            match shared.log.bounds(Topic::Reports, partition).await {
                Ok(bounds) => break bounds.start,
                Err(error) => patience.after(error.into()).await?,
            }
        };
        let restored = claim
            .state
            .as_deref()
            .map(|state| Engine::restore_with(state, &claim.pieces));
        let (mut engine, next) = match restored {
            None => {
                // Nothing saved, or taken away by hand: pieces of a journal that is gone would fit nothing.
                forget_pieces(&shared, partition).await?;
                (Engine::new(), claim.next_offset)
            }
            Some(Ok(engine)) => (engine, claim.next_offset),
            // An older version's layout, or damage: everything is in the log, if that still has its beginning.
            Some(Err(fault)) if start == 0 && !is_newer(&fault) => {
                warn!(partition, error = %fault, "checkpoint is not usable, folding the stream again from its start");
                forget_pieces(&shared, partition).await?;
                (Engine::new(), 0)
            }
            Some(Err(source)) => {
                let cure = if is_newer(&source) {
                    "run the program's newer version that wrote it"
                } else {
                    "restore the row of table checkpoint from a backup, or run the version that wrote it"
                };
                return Err(Error::Checkpoint {
                    partition,
                    source,
                    cure,
                }
                .into());
            }
        };
        if next < start {
            return Err(Error::Trimmed {
                partition,
                offset: next,
                start,
            }
            .into());
        }
        for reference in engine.layers_wanted() {
            match fetch(&shared, &stop, partition, reference).await? {
                Ok(layer) => {
                    if let Err(fault) = engine.give_layer(layer) {
                        error!(partition, error = %fault, "the engine does not take its layer back");
                    }
                }
                Err(reason) => {
                    let (layer, revision) = (reference.layer_id, reference.revision);
                    error!(partition, %layer, revision, reason, "a layer in force is not there: nobody is judged by it");
                }
            }
        }
        info!(
            partition,
            offset = next,
            epoch = claim.epoch,
            people = engine.people(),
            "partition taken"
        );
        let lost = engine.counters().journals_lost;
        if lost > 0 {
            error!(
                partition,
                people = lost,
                "pieces of the journal are missing: late reports from before this start cannot be judged for these people"
            );
        }
        engine.reserve_reports(shared.config.reports_ahead);
        engine.save_in_pieces();
        let (epoch, saved) = (claim.epoch, next);
        Ok(Self {
            shared,
            partition,
            stop,
            engine,
            reports: Reports::default(),
            epoch,
            next,
            saved,
            save_due: None,
            revoked: Vec::new(),
            durable: true,
        })
    }

    async fn follow(&mut self, delivered: &mut mpsc::UnboundedReceiver<Delivered>) -> Result<(), Interrupted> {
        let stop = self.stop.clone();
        loop {
            let save_due = self.save_due;
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(save_due.unwrap_or_else(Instant::now)), if save_due.is_some() => self.save_patiently().await?,
                records = delivered.recv() => {
                    let Some((records, room)) = records else { return Ok(()) };
                    for batch in records.chunks(self.shared.config.batch.max(1)) {
                        self.fold(batch).await?;
                    }
                    drop(room);
                }
            }
            if self.next.saturating_sub(self.saved) >= self.shared.config.checkpoint_records {
                self.save_patiently().await?;
            }
        }
    }

    /// Folds records and appends what follows from them.
    async fn fold(&mut self, records: &[Record]) -> Result<(), Interrupted> {
        let mut events = Vec::new();
        self.durable = false;
        for records in records.chunks(TURN) {
            let before = events.len();
            for record in records {
                if record.offset >= self.next {
                    self.fold_one(record, &mut events).await?;
                    self.next = record.offset + 1;
                }
            }
            self.reports.fold(&mut self.engine, &mut events);
            observe(events.get(before..).unwrap_or_default());
            tokio::task::yield_now().await;
        }
        metrics::counter!("homeward_geofence_records_total").increment(records.len() as u64);
        self.append(&events).await?;
        self.durable = true;
        self.save_due
            .get_or_insert_with(|| Instant::now() + self.shared.config.checkpoint_every);
        Ok(())
    }

    async fn fold_one(&mut self, record: &Record, events: &mut Vec<wire::Event>) -> Result<(), Interrupted> {
        let reason = match self.take_in(record, events).await? {
            Ok(Outcome::Malformed) => "a report or rules without valid ids".to_owned(),
            Ok(Outcome::RulesRefused(fault)) => fault.to_string(),
            Ok(_) => return Ok(()),
            Err(reason) => reason,
        };
        metrics::counter!("homeward_geofence_undecodable_total").increment(1);
        error!(
            partition = record.partition,
            offset = record.offset,
            reason,
            "the engine cannot use a record and passes over it"
        );
        Ok(())
    }

    /// Gives a record to the engine, reports with those that come after them; the inner error says why it cannot be given.
    async fn take_in(
        &mut self,
        record: &Record,
        events: &mut Vec<wire::Event>,
    ) -> Result<Result<Outcome, String>, Interrupted> {
        let body = match wire::ReportRecord::decode(record.payload.clone()) {
            Ok(wire::ReportRecord { body: Some(body) }) => body,
            Ok(_) => return Ok(Err("record of an unknown kind".to_owned())),
            Err(fault) => return Ok(Err(fault.to_string())),
        };
        if let Body::Report(report) = &body
            && self.reports.push(record.appended_at, report)
        {
            return Ok(Ok(Outcome::Heard));
        }
        self.reports.fold(&mut self.engine, events);
        let input = match &body {
            Body::Report(report) => Input::Report(report),
            Body::Rules(rules) => Input::Rules(rules),
            Body::ProtectedFix(fix) => Input::Protected(fix),
            Body::Tick(_) => Input::Tick,
            Body::Layer(marker) => {
                let layer = match reference(marker) {
                    Ok(reference) => fetch(&self.shared, &self.stop, self.partition, reference).await?,
                    Err(reason) => Err(reason),
                };
                match layer {
                    Ok(layer) => Input::Layer(layer),
                    Err(reason) => return Ok(Err(reason)),
                }
            }
        };
        Ok(Ok(self.engine.fold(record.appended_at, input, events)))
    }

    async fn append(&self, events: &[wire::Event]) -> Result<(), Interrupted> {
        if events.is_empty() {
            return Ok(());
        }
        let records: Vec<NewRecord> = events
            .iter()
            .map(|event| NewRecord {
                partition: self.partition,
                key: Bytes::copy_from_slice(&event.person_id),
                payload: event.encode_to_vec().into(),
            })
            .collect();
        let mut patience = Patience::new(&self.stop, "append", self.partition);
        while let Err(error) = self.shared.log.append(Topic::Events, records.clone()).await {
            patience.after(error.into()).await?;
        }
        Ok(())
    }

    /// Saves, and leaves passing failures to the next time: the fold must not wait for its checkpoint.
    async fn save_patiently(&mut self) -> Result<(), Interrupted> {
        match self.save().await {
            Ok(()) => Ok(()),
            Err(error) if error.class() == Class::Retry => {
                warn!(partition = self.partition, %error, "checkpoint could not be saved, later again");
                self.save_due = Some(Instant::now() + self.shared.config.checkpoint_every);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn save(&mut self) -> Result<(), Error> {
        if !self.durable || self.saved == self.next {
            self.save_due = None;
            return Ok(());
        }
        let saved = self.engine.save();
        let clock_us = self.engine.clock().map_or(0, Timestamp::as_microsecond);
        let mut client = self.shared.database.client().await?;
        let save = checkpoint::Save {
            next_offset: self.next,
            state: &saved.state,
            piece: saved.piece.as_deref(),
            clock_us,
            keep_from_us: clock_us.saturating_sub(PIECES_KEPT_US),
        };
        checkpoint::save(&mut client, self.partition, self.epoch, save).await?;
        self.engine.saved();
        self.scrub(&client).await?;
        let bytes = saved.state.len() + saved.piece.map_or(0, |piece| piece.len());
        metrics::histogram!("homeward_geofence_checkpoint_bytes").record(bytes as f64);
        self.saved = self.next;
        self.save_due = None;
        Ok(())
    }
}

impl Fold {
    /// Takes out of the pieces what they hold of people from times at which their order had ended, and this engine did not know it
    /// yet.
    async fn scrub(&mut self, client: &impl casedb::GenericClient) -> Result<(), Error> {
        self.revoked.extend(self.engine.take_revoked());
        let Some(since_us) = self.revoked.iter().map(|(_, from_us)| *from_us).min() else {
            return Ok(());
        };
        // A fix may be ahead of the clock.
        let since_us = since_us.saturating_sub(AHEAD_US);
        for (piece_id, content) in checkpoint::pieces_since(client, self.partition, since_us).await? {
            match engine::scrub(&content, &self.revoked) {
                Ok(Some(rest)) => {
                    checkpoint::replace_piece(client, self.partition, self.epoch, piece_id, &rest).await?;
                }
                Ok(None) => {}
                Err(fault) => warn!(partition = self.partition, piece_id, error = %fault, "a piece cannot be read"),
            }
        }
        self.revoked.clear();
        Ok(())
    }
}

/// Reads a marker.
fn reference(marker: &wire::LayerMarker) -> Result<LayerReference, String> {
    let layer_id = LayerId::from_wire(&marker.layer_id).map_err(|error| error.to_string())?;
    let content_hash: [u8; 32] = marker
        .content_hash
        .as_slice()
        .try_into()
        .map_err(|_| format!("hash of {} bytes, 32 expected", marker.content_hash.len()))?;
    Ok(LayerReference {
        layer_id,
        revision: marker.revision,
        content_hash,
    })
}

/// Fetches a layer, patiently; the inner error says why there is none.
async fn fetch(
    shared: &Shared,
    stop: &CancellationToken,
    partition: Partition,
    reference: LayerReference,
) -> Result<Result<Arc<CompiledLayer>, String>, Interrupted> {
    let mut patience = Patience::new(stop, "layer", partition);
    loop {
        match shared.layers.get(reference).await {
            Ok(layer) => return Ok(Ok(layer)),
            Err(Missing::Unusable(reason)) => return Ok(Err(reason)),
            Err(Missing::Database(error)) => patience.after(error.into()).await?,
        }
    }
}

async fn forget_pieces(shared: &Shared, partition: Partition) -> Result<(), Error> {
    let client = shared.database.client().await?;
    Ok(checkpoint::forget_pieces(&client, partition).await?)
}

async fn claim(shared: &Shared, partition: Partition) -> Result<Claim, Error> {
    let client = shared.database.client().await?;
    Ok(checkpoint::claim(&client, partition, &shared.config.owner).await?)
}

/// Bears passing failures until told to stop.
struct Patience<'a> {
    stop: &'a CancellationToken,
    what: &'static str,
    partition: Partition,
    backoff: Backoff,
}

impl<'a> Patience<'a> {
    fn new(stop: &'a CancellationToken, what: &'static str, partition: Partition) -> Self {
        Self {
            stop,
            what,
            partition,
            backoff: Backoff::default(),
        }
    }

    /// Waits before the next attempt; gives up on a failure that does not pass.
    async fn after(&mut self, error: Error) -> Result<(), Interrupted> {
        if error.class() != Class::Retry {
            return Err(error.into());
        }
        let pause = self.backoff.after_failure();
        warn!(partition = self.partition, what = self.what, %error, pause_ms = pause.as_millis(), "trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            () = self.stop.cancelled() => Err(Interrupted::Stopped),
        }
    }
}

fn is_newer(fault: &CheckpointError) -> bool {
    matches!(fault, CheckpointError::Version { found } if *found > CHECKPOINT_VERSION)
}

/// Counts events, and the time from the receipt of the report that proved each.
fn observe(events: &[wire::Event]) {
    let now_us = Timestamp::now().as_microsecond();
    for event in events {
        metrics::counter!("homeward_geofence_events_total", "kind" => kind_name(event.kind())).increment(1);
        if let Some(trace) = event.trace.filter(|trace| trace.received_at_us > 0) {
            let seconds = (now_us - trace.received_at_us) as f64 / 1e6;
            metrics::histogram!("homeward_stage_seconds", "stage" => "decided").record(seconds);
        }
    }
}
