//! What was raised, held against an undisturbed judgement of the same reports.
//!
//! The undisturbed judgement is the engine's fold over each person's rules and reports from history, every report as if it had come the
//! moment it was made: no gateway, no stream, no checkpoint, nothing late, nothing twice. What a violation comes to must not depend on when
//! its reports came, so person, kind, zone, onset and end of every violation are compared, to the microsecond.
//!
//! Not compared are violations whose onset lies after what history knows, ends after that, and how often a violation was corrected on the
//! way to what it is: how much of it is told when depends on when reports come. So do silence, loss of position, a dead battery and a
//! wrong clock: the devices here give no reason for them, and one that is told all the same is one too many.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use casedb::{
    Database,
    history::folded::{self, Body, Part, Reader},
};
use engine::{Engine, Input};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use proto::{
    PersonId,
    event::kind_name,
    wire::{self, Edge, Event},
};
use testkit::incidents::{astray, settle};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::site::Site;

/// How far history goes: the log's time in the partition that is furthest behind.
const CLOCK: &str = "SELECT min(clock) FROM reader_offset WHERE reader = 'history' AND topic = 'reports'";
const READ: &str = "SELECT partition, next_offset FROM reader_offset WHERE reader = 'history' AND topic = 'reports'";
const SAVED: &str = "SELECT partition, next_offset FROM checkpoint";
const RAISED: &str = "SELECT person_id, kind, zone_id, onset_at, ended_at FROM violation WHERE NOT withdrawn";
const WITHDRAWN: &str = "SELECT count(*) FROM violation WHERE withdrawn";
/// A late report is judged when it is at most this old; the rules are in force as long before they came.
const LATE: SignedDuration = SignedDuration::from_hours(24);
/// Before the rules came in the undisturbed judgement: more than the devices' backlog.
const EARLIER: SignedDuration = SignedDuration::from_hours(72);
/// For the engine to have saved what it has read; and for the violations to become what they must be, from the last event on.
const PATIENCE: Duration = Duration::from_secs(90);
/// Differences that are named.
const NAMED: usize = 20;

/// A violation as it is in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    person: Uuid,
    kind: String,
    zone: Option<Uuid>,
    onset_us: i64,
    /// `None`: it goes on, or has no end.
    end_us: Option<i64>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |us| Timestamp::from_microsecond(us).map_or_else(|_| "?".to_owned(), |time| time.to_string());
        write!(f, "{} of {} from {}", self.kind, self.person, time(self.onset_us))?;
        match self.end_us {
            Some(end) => write!(f, " to {}", time(end)),
            None => f.write_str(" on"),
        }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// Violations of the undisturbed judgement.
    pub wanted: usize,
    /// Of these, with an onset while the faults were on.
    pub live: usize,
    /// Violations that were told and taken back: of no interest, but it is good to know how many.
    pub withdrawn: i64,
    /// Violations that are missing or were not to be, and events that are not on exactly one incident; in words.
    pub differences: Vec<String>,
}

impl Judgement {
    /// Compares, from when on everything acknowledged is in history. `begun`: of the faults.
    pub(super) async fn find(site: &Site, begun: Timestamp) -> Result<Self> {
        let client = site.client().await?;
        let database = Database::connect(&site.url, 2).await.context("case database")?;
        let mut patience = Instant::now();
        let mut events = 0;
        loop {
            let until: Timestamp = client.query_one(CLOCK, &[]).await?.try_get(0)?;
            engine_has_read(&client).await?;
            settle(&client).await?;
            let wanted = undisturbed(&database, until).await?;
            let raised = raised(&client, until).await?;
            let missing = wanted
                .difference(&raised)
                .map(|violation| format!("missing: {violation}"));
            let extra = raised
                .difference(&wanted)
                .map(|violation| format!("too many: {violation}"));
            let mut differences: Vec<_> = missing.chain(extra).take(NAMED).collect();
            differences.extend(astray(&client).await?);
            // What is still to be told is waited for.
            let count: i64 = client.query_one("SELECT count(*) FROM event", &[]).await?.try_get(0)?;
            if count != events {
                (events, patience) = (count, Instant::now());
            }
            if differences.is_empty() || patience.elapsed() > PATIENCE {
                return Ok(Self {
                    wanted: wanted.len(),
                    live: wanted
                        .iter()
                        .filter(|violation| violation.onset_us >= begun.as_microsecond())
                        .count(),
                    withdrawn: client.query_one(WITHDRAWN, &[]).await?.try_get(0)?,
                    differences,
                });
            }
        }
    }

    /// Nothing is missing, nothing is too many, nothing is astray.
    pub const fn agrees(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Waits until the engine has saved itself behind all that history has read by now.
async fn engine_has_read(client: &Client) -> Result<()> {
    let offsets = async |sql| -> Result<HashMap<i32, i64>> {
        let rows = client.query(sql, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    };
    let read = offsets(READ).await?;
    let begun = Instant::now();
    loop {
        let saved = offsets(SAVED).await?;
        let behind = read
            .iter()
            .filter(|(partition, next)| saved.get(*partition) < Some(*next));
        let behind = behind.count();
        if behind == 0 {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the engine has not read {behind} partitions as far as history"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Judges everybody as if nothing had happened.
async fn undisturbed(database: &Database, until: Timestamp) -> Result<BTreeSet<Violation>> {
    // The partition says which shared layers there were, and here are none.
    let reader = Reader::open(database, 1).await?;
    let client = database.client().await?;
    let mut all = BTreeSet::new();
    let mut after = None;
    loop {
        let people = folded::people(&client, after, 100).await?;
        let Some(last) = people.last() else { return Ok(all) };
        after = Some(*last);
        for person in people {
            let records: Vec<_> = reader.records(person, Part::All).await?.try_collect().await?;
            let mut rules = Vec::new();
            let mut reports = BTreeMap::new();
            for record in records {
                match record.body {
                    Body::Rules(said) => rules.push((record.at, *said)),
                    // Of copies one.
                    Body::Report(report) => {
                        reports.insert(report.fix_time_us, *report);
                    }
                    Body::Layer(_) => {}
                }
            }
            let [(at, rules)] = rules.as_slice() else {
                anyhow::bail!("{person} has {} revisions of rules; one was given", rules.len());
            };
            judge(person, *at, rules, reports.into_values(), until, &mut all)?;
        }
    }
}

/// One person's violations.
fn judge(
    person: PersonId,
    at: Timestamp,
    rules: &wire::Rules,
    reports: impl Iterator<Item = wire::Report>,
    until: Timestamp,
    all: &mut BTreeSet<Violation>,
) -> Result<()> {
    let mut engine = Engine::new();
    let mut events = Vec::new();
    // Before the first report, and in force from the same moment as where they came after it.
    let since = (at - LATE).as_microsecond();
    let rules = wire::Rules {
        valid_from_us: rules.valid_from_us.max(since),
        ..rules.clone()
    };
    engine.fold(at - EARLIER, Input::Rules(&rules), &mut events);
    for mut report in reports {
        report.received_at_us = report.fix_time_us;
        let made = Timestamp::from_microsecond(report.fix_time_us)?;
        engine.fold(made, Input::Report(&report), &mut events);
    }
    engine.fold(until, Input::Tick, &mut events);
    let mut found: BTreeMap<Vec<u8>, (Violation, bool)> = BTreeMap::new();
    for event in events {
        take(person, event, &mut found)?;
    }
    let stand = found.into_values().filter(|(_, withdrawn)| !withdrawn);
    all.extend(stand.filter_map(|(violation, _)| clipped(violation, until)));
    Ok(())
}

/// The last that is said of a violation counts.
fn take(person: PersonId, event: Event, found: &mut BTreeMap<Vec<u8>, (Violation, bool)>) -> Result<()> {
    let edge = event.edge();
    if edge == Edge::Onset {
        let violation = Violation {
            person: person.uuid(),
            kind: kind_name(event.kind()).to_owned(),
            zone: (!event.zone_id.is_empty())
                .then(|| Uuid::from_slice(&event.zone_id))
                .transpose()?,
            onset_us: event.onset_us,
            end_us: event.end_us,
        };
        found.entry(event.violation_id).or_insert((violation, false));
    } else {
        let (violation, withdrawn) = found.get_mut(&event.violation_id).context("an end without an onset")?;
        violation.end_us = event.end_us;
        *withdrawn = edge == Edge::Correction && event.withdrawn;
    }
    Ok(())
}

/// What was raised and stands.
async fn raised(client: &Client, until: Timestamp) -> Result<BTreeSet<Violation>> {
    let mut all = BTreeSet::new();
    for row in client.query(RAISED, &[]).await.context("violations")? {
        let (onset, end): (Timestamp, Option<Timestamp>) = (row.try_get(3)?, row.try_get(4)?);
        let violation = Violation {
            person: row.try_get(0)?,
            kind: row.try_get(1)?,
            zone: row.try_get(2)?,
            onset_us: onset.as_microsecond(),
            end_us: end.map(Timestamp::as_microsecond),
        };
        let Some(violation) = clipped(violation, until) else {
            continue;
        };
        let words = violation.to_string();
        ensure!(all.insert(violation), "told twice under two ids: {words}");
    }
    Ok(all)
}

/// What is known of a violation at a time.
fn clipped(violation: Violation, until: Timestamp) -> Option<Violation> {
    let until_us = until.as_microsecond();
    (violation.onset_us <= until_us).then(|| Violation {
        end_us: violation.end_us.filter(|end| *end <= until_us),
        ..violation
    })
}
