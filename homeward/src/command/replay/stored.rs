//! Folds stored history again and compares the events with those that were decided, byte by byte.
//!
//! People are folded one after the other, each by an engine of their own: what the engine says of one person depends on that
//! person's records and on the shared layers, and on nobody else's. So memory does not grow with the number of people.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    io::Write,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use casedb::{
    Database, authority,
    history::{
        events::{self, StoredEvent},
        folded::{Folded, Part, Reader},
    },
    person::Person,
};
use engine::{Engine, Input};
use futures::{StreamExt, pin_mut};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::{EventId, wire};

use super::difference;
use crate::{
    cli::ReplayArgs,
    command::{
        files::Output,
        reading::{self, Layers, People, Progress},
    },
    config::Config,
};

/// Events decided so shortly before the end of history may be decided and not yet stored.
const SETTLING: SignedDuration = SignedDuration::from_secs(60);

/// What a comparison came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    people: u64,
    records: u64,
    identical: u64,
    differing: u64,
    /// Stored, and not found again.
    missing: u64,
    /// Found, and not stored.
    extra: u64,
    /// Found, not stored, and decided in the last minute of history.
    settling: u64,
    /// Rest on positions of protected people, which no history keeps.
    not_compared: u64,
    /// Of differing ones: decided by another decision model or other time-zone data.
    other_version: u64,
    /// Records from before their places in the log were kept.
    inexact: u64,
    /// People whom the user does not see.
    unseen: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.people += other.people;
        self.records += other.records;
        self.identical += other.identical;
        self.differing += other.differing;
        self.missing += other.missing;
        self.extra += other.extra;
        self.settling += other.settling;
        self.not_compared += other.not_compared;
        self.other_version += other.other_version;
        self.inexact += other.inexact;
        self.unseen += other.unseen;
    }

    fn agree(&self) -> bool {
        self.differing == 0 && self.missing == 0 && self.extra == 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} people, {} records: {} events identical, {} differing, {} missing, {} extra",
            self.people, self.records, self.identical, self.differing, self.missing, self.extra
        )?;
        for (count, what) in [
            (self.settling, "decided in the last minute and not stored yet"),
            (
                self.not_compared,
                "not compared: they rest on positions of protected people, which no history keeps",
            ),
            (
                self.other_version,
                "of the differing ones decided by another decision model or other time-zone data",
            ),
            (
                self.inexact,
                "records from before history kept their place in the log: their order is a guess",
            ),
            (
                self.unseen,
                "people passed over: they are under other agencies than the user's",
            ),
        ] {
            if count > 0 {
                write!(f, "\n{count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Replays people over stored history. Exit status 1 when an event differs, is missing or is too many.
pub async fn run(config: Config, arguments: ReplayArgs) -> Result<ExitCode> {
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let client = database.client().await?;
    let reader = reading::Reader::of(&client, &arguments.reading, &authority::REPLAY).await?;
    let mut people = if arguments.all {
        People::all(&client).await?
    } else {
        People::named(&client, &arguments.person).await?
    };
    let mut replay = Replay {
        history: Reader::open(&database, config.stream.partitions).await?,
        progress: Progress::new("replay", people.count()),
        output: arguments.events.as_deref().map(Output::create).transpose()?,
        database,
        layers: Layers::default(),
        arguments: &arguments,
    };
    let mut all = Counts::default();
    while let Some(person) = people.next(&client).await? {
        if arguments.all && !reader.sees(&client, person.person_id).await? {
            all.unseen += 1;
            replay.progress.end();
            continue;
        }
        reader.must_see(&client, &person).await?;
        let counts = replay
            .person(&reader, &person)
            .await
            .with_context(|| format!("person {}", person.person_id))?;
        all.add(counts);
        replay.progress.end();
    }
    if let Some(output) = replay.output.take() {
        output.finish()?;
    }
    drop(replay);
    println!("{all}");
    Ok(if all.agree() {
        ExitCode::SUCCESS
    } else {
        if !arguments.show_differences {
            eprintln!("--show-differences says in what they differ");
        }
        ExitCode::from(1)
    })
}

struct Replay<'a> {
    database: Database,
    history: Reader,
    layers: Layers,
    progress: Progress,
    output: Option<Output>,
    arguments: &'a ReplayArgs,
}

impl Replay<'_> {
    async fn person(&mut self, reader: &reading::Reader, person: &Person) -> Result<Counts> {
        let zone = reading::time_zone(person)?;
        let Some(clock) = self.history.clock(person.person_id).await? else {
            bail!("history has nothing of this person's partition yet; is the history writer running?");
        };
        let until = self.arguments.until.map(|until| until.in_zone(&zone)).transpose()?;
        let until = until.map_or(clock, |until| until.min(clock));
        let since = self.arguments.since.map(|since| since.in_zone(&zone)).transpose()?;
        let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
        self.progress.begin(&person.reference, until);
        let client = self.database.client().await?;
        let scope = format!("replay of history until {until}");
        reader.record(&client, person.person_id, &scope).await?;
        let mut comparison = Comparison {
            stored: events::decided(&client, person.person_id, since, until)
                .await?
                .into_iter()
                .map(|stored| (stored.event_id, stored))
                .collect(),
            seen: HashSet::new(),
            since,
            settled: clock.checked_sub(SETTLING).unwrap_or(clock),
            counts: Counts {
                people: 1,
                ..Counts::default()
            },
        };
        drop(client);

        let mut engine = Engine::new();
        let mut decided = Vec::new();
        let records = self.history.records(person.person_id, Part::All).await?;
        pin_mut!(records);
        while let Some(record) = records.next().await {
            let Folded { at, exact, body } = record?;
            if at > until {
                break;
            }
            comparison.counts.records += 1;
            comparison.counts.inexact += u64::from(!exact);
            if let Some(input) = self.layers.input(&self.database, &body).await? {
                engine.fold(at, input, &mut decided);
            }
            self.progress.at(at);
            self.take(&mut decided, &mut comparison)?;
        }
        engine.fold(until, Input::Tick, &mut decided);
        self.take(&mut decided, &mut comparison)?;
        for stored in comparison.stored.into_values() {
            let event = stored.decode()?;
            if rests_on_others(&event) {
                comparison.counts.not_compared += 1;
                continue;
            }
            comparison.counts.missing += 1;
            self.show(&[format!("missing {}", difference::name(&event))]);
        }
        Ok(comparison.counts)
    }

    /// Writes and compares what was decided.
    fn take(&mut self, decided: &mut Vec<wire::Event>, comparison: &mut Comparison) -> Result<()> {
        for event in decided.drain(..) {
            if event.decided_at_us < comparison.since.as_microsecond() {
                continue;
            }
            if let Some(output) = &mut self.output {
                writeln!(output, "{}", engine::replay::line(&event)).context("events")?;
            }
            let lines = comparison.take(&event)?;
            self.show(&lines);
        }
        Ok(())
    }

    fn show(&self, lines: &[String]) {
        if self.arguments.show_differences {
            for line in lines {
                self.progress.print(line);
            }
        }
    }
}

/// One person's stored events, as far as they have not been found again.
struct Comparison {
    stored: HashMap<EventId, StoredEvent>,
    /// Found already: of events decided twice under one id the first is stored.
    seen: HashSet<EventId>,
    since: Timestamp,
    settled: Timestamp,
    counts: Counts,
}

impl Comparison {
    /// Compares an event; the lines say in what it differs.
    fn take(&mut self, event: &wire::Event) -> Result<Vec<String>> {
        let id = EventId::from_wire(&event.event_id).context("id of a replayed event")?;
        if !self.seen.insert(id) {
            return Ok(Vec::new());
        }
        let Some(stored) = self.stored.remove(&id) else {
            if rests_on_others(event) {
                self.counts.not_compared += 1;
                return Ok(Vec::new());
            }
            if event.decided_at_us > self.settled.as_microsecond() {
                self.counts.settling += 1;
                return Ok(Vec::new());
            }
            self.counts.extra += 1;
            return Ok(vec![format!("extra {}", difference::name(event))]);
        };
        if stored.payload == event.encode_to_vec() {
            self.counts.identical += 1;
            return Ok(Vec::new());
        }
        self.counts.differing += 1;
        let version = |event: &wire::Event| {
            let explanation = event.explanation.clone().unwrap_or_default();
            (explanation.model, explanation.time_zone_data)
        };
        if stored.decode().is_ok_and(|stored| version(&stored) != version(event)) {
            self.counts.other_version += 1;
        }
        let mut lines = vec![format!("differs {}", difference::name(event))];
        lines.extend(difference::members(&stored.payload, event));
        Ok(lines)
    }
}

/// Says whether an event comes from where a protected person was.
fn rests_on_others(event: &wire::Event) -> bool {
    matches!(
        event.kind(),
        wire::EventKind::Proximity | wire::EventKind::ProximityWarning
    )
}
