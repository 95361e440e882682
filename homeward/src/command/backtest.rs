//! `homeward backtest`: what a new or changed zone would have raised, out of stored history. Nothing is written but the record
//! that positions were read.

mod candidate;
mod tally;

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, Result, bail};
use casedb::{
    Database, authority,
    history::folded::{Body, Folded, Part, Reader},
    person::Person,
    zone,
};
use engine::{Engine, Input, Outcome};
use futures::{StreamExt, pin_mut};
use jiff::{SignedDuration, Timestamp, civil::Date};
use proto::{event::kind_name, wire};
use serde::Serialize;

use self::{
    candidate::Candidate,
    tally::{Sum, Tally},
};
use super::reading::{self, People, Progress};
use crate::{cli::BacktestArgs, config::Config};

/// History before the time looked at that is folded as well, so that the engine knows where people were.
const LEAD_IN: SignedDuration = SignedDuration::from_hours(24);

pub async fn run(config: Config, arguments: BacktestArgs) -> Result<ExitCode> {
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let client = database.client().await?;
    let reader = reading::Reader::of(&client, &arguments.reading, &authority::BACKTEST).await?;
    let candidate = Candidate::of(&client, &arguments).await?;
    let mut people = match arguments.people.as_slice() {
        [all] if all == "all" => People::all(&client).await?,
        [] if candidate.people.is_empty() => {
            bail!("whose history? give --people with case references, or --people all")
        }
        [] => People::of_ids(&client, &candidate.people).await?,
        references => People::named(&client, references).await?,
    };
    let mut backtest = Backtest {
        history: Reader::open(&database, config.stream.partitions).await?,
        progress: Progress::new("backtest", people.count()),
        candidate,
        database,
        arguments: &arguments,
        total: Total::default(),
    };
    let all = arguments.people.as_slice() == ["all"];
    let mut unseen = 0_u64;
    while let Some(person) = people.next(&client).await? {
        if all && !reader.sees(&client, person.person_id).await? {
            unseen += 1;
            backtest.progress.end();
            continue;
        }
        reader.must_see(&client, &person).await?;
        backtest
            .person(&reader, &person)
            .await
            .with_context(|| format!("person {}", person.person_id))?;
        backtest.progress.end();
    }
    let total = backtest.total;
    drop(backtest);
    let summary = format!(
        "{} people, {} of them with reports in this time: {} events with the zone, {} with the rules as they were",
        total.people, total.reporting, total.with, total.before
    );
    if unseen > 0 {
        eprintln!("{unseen} people passed over: they are under other agencies than the user's");
    }
    if arguments.json {
        eprintln!("{summary}");
    } else {
        println!("{summary}");
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Clone, Copy, Default)]
struct Total {
    people: u64,
    reporting: u64,
    with: u64,
    before: u64,
}

struct Backtest<'a> {
    database: Database,
    history: Reader,
    candidate: Candidate,
    progress: Progress,
    arguments: &'a BacktestArgs,
    total: Total,
}

/// One line of the result.
#[derive(Debug, Serialize)]
struct Line<'a> {
    person_id: String,
    reference: &'a str,
    day: Date,
    kind: &'static str,
    with: Sum,
    before: Sum,
}

impl Backtest<'_> {
    async fn person(&mut self, reader: &reading::Reader, person: &Person) -> Result<()> {
        let zone = reading::time_zone(person)?;
        let Some(clock) = self.history.clock(person.person_id).await? else {
            bail!("history has nothing of this person's partition yet; is the history writer running?");
        };
        let since = self.arguments.since.in_zone(&zone)?;
        let until = self.arguments.until.map(|until| until.in_zone(&zone)).transpose()?;
        let until = until.map_or(clock, |until| until.min(clock));
        if until <= since {
            bail!("--since {since} is not before {until}, up to where history goes");
        }
        self.progress.begin(&person.reference, until);
        let client = self.database.client().await?;
        let zone_id = self.candidate.zone_id();
        let scope = format!("backtest of zone {zone_id}, {since} to {until}");
        reader.record(&client, person.person_id, &scope).await?;
        let held = zone::of_person(&client, person.person_id).await?;
        let own = held.iter().find(|held| held.zone.zone_id == zone_id);
        drop(client);

        let from = since.checked_sub(LEAD_IN).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut with = Run::new(Tally::new(zone_id, since, until), true);
        // A zone that was in nobody's rules has raised nothing: one fold less.
        let mut before = Run::new(Tally::new(zone_id, since, until), self.candidate.is_stored());
        let mut reports = 0_u64;
        // Rules from before the time looked at: only the last of them matters.
        let mut waiting: Option<wire::Rules> = None;
        let records = self
            .history
            .records(person.person_id, Part::FixesBetween(from, until))
            .await?;
        pin_mut!(records);
        while let Some(record) = records.next().await {
            let Folded { at, body, .. } = record?;
            let rules = match body {
                // A zone's events depend on no other zone's.
                Body::Layer(_) => continue,
                Body::Rules(rules) if at < from => {
                    waiting = Some(*rules);
                    continue;
                }
                // What was reported before the end and came after it is judged by the rules before.
                Body::Rules(_) if at >= until => continue,
                Body::Rules(rules) => Some(*rules),
                Body::Report(report) => {
                    if let Some(rules) = waiting.take() {
                        self.rules(&rules, from, own, &mut with, &mut before)?;
                    }
                    reports += 1;
                    let at = at.max(from);
                    with.fold(at, Input::Report(&report))?;
                    before.fold(at, Input::Report(&report))?;
                    self.progress.at(at);
                    None
                }
            };
            if let Some(rules) = rules {
                waiting = None;
                self.rules(&rules, at, own, &mut with, &mut before)?;
            }
        }
        if let Some(rules) = waiting {
            self.rules(&rules, from, own, &mut with, &mut before)?;
        }
        for run in [&mut with, &mut before] {
            run.fold(until, Input::Tick)?;
        }
        self.total.people += 1;
        self.total.reporting += u64::from(reports > 0);
        self.print(person, &zone, &with.tally, &before.tally)
    }

    /// New rules: as they would have been, and as they were.
    fn rules(
        &self,
        rules: &wire::Rules,
        at: Timestamp,
        own: Option<&zone::PersonZone>,
        with: &mut Run,
        before: &mut Run,
    ) -> Result<()> {
        with.fold(at, Input::Rules(&self.candidate.with(rules, own)?))?;
        before.fold(at, Input::Rules(&Candidate::without(rules)))
    }

    fn print(&mut self, person: &Person, zone: &jiff::tz::TimeZone, with: &Tally, before: &Tally) -> Result<()> {
        let (mut with, mut before) = (with.days(zone), before.days(zone));
        let keys: BTreeSet<(Date, i32)> = with.keys().chain(before.keys()).copied().collect();
        for key in keys {
            let (with, before) = (
                with.remove(&key).unwrap_or_default(),
                before.remove(&key).unwrap_or_default(),
            );
            if self.total.with + self.total.before == 0 && !self.arguments.json {
                self.progress.print(&row([
                    "person",
                    "day",
                    "event",
                    "with",
                    "before",
                    "time with",
                    "time before",
                ]));
            }
            self.total.with += with.count;
            self.total.before += before.count;
            let kind = kind_name(wire::EventKind::try_from(key.1).unwrap_or_default());
            if self.arguments.json {
                let line = Line {
                    person_id: person.person_id.to_string(),
                    reference: &person.reference,
                    day: key.0,
                    kind,
                    with,
                    before,
                };
                self.progress.print(&serde_json::to_string(&line).context("line")?);
            } else {
                self.progress.print(&row([
                    &person.reference,
                    &key.0.to_string(),
                    kind,
                    &with.count.to_string(),
                    &before.count.to_string(),
                    &span(with.seconds),
                    &span(before.seconds),
                ]));
            }
        }
        Ok(())
    }
}

/// An engine and what it finds in the zone.
struct Run {
    engine: Engine,
    events: Vec<wire::Event>,
    tally: Tally,
    /// False: it could find nothing.
    on: bool,
}

impl Run {
    fn new(tally: Tally, on: bool) -> Self {
        Self {
            engine: Engine::new(),
            events: Vec::new(),
            tally,
            on,
        }
    }

    fn fold(&mut self, at: Timestamp, input: Input<'_>) -> Result<()> {
        if !self.on {
            return Ok(());
        }
        if let Outcome::RulesRefused(fault) = self.engine.fold(at, input, &mut self.events) {
            bail!("the rules with this zone would be refused: {fault}");
        }
        self.tally.take(&mut self.events);
        Ok(())
    }
}

/// Columns of fixed width: a person's lines are printed before the next person is folded.
fn row(cells: [&str; 7]) -> String {
    let [person, day, event, with, before, time_with, time_before] = cells;
    format!("{person:<20} {day:<10} {event:<24} {with:>6} {before:>6} {time_with:>12} {time_before:>12}")
}

/// Hours, minutes and seconds.
fn span(seconds: i64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn spans_are_hours_minutes_seconds() {
        assert_eq!(super::span(90_061), "25:01:01");
        assert_eq!(super::span(0), "0:00:00");
    }
}
