//! `homeward backtest`: what a new or changed zone would have raised, out of stored history. Nothing is written but the record
//! that positions were read.

mod candidate;

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, Result, bail};
use casedb::{Database, authority, history::folded::Reader, person::Person, zone};
use console::preview::{Sum, Tally, Trial};
use jiff::civil::Date;
use proto::{event::kind_name, wire};
use serde::Serialize;

use self::candidate::Candidate;
use super::reading::{self, People, Progress};
use crate::{cli::BacktestArgs, config::Config};

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

        let candidate = &self.candidate;
        let trial = Trial {
            person_id: person.person_id,
            zone_id,
            stored: candidate.is_stored(),
            since,
            until,
            with: |rules: &wire::Rules| candidate.with(rules, own),
        };
        let progress = &mut self.progress;
        let found = trial.fold(&self.history, |at, _| {
            progress.at(at);
            true
        });
        let found = found.await?;
        self.total.people += 1;
        self.total.reporting += u64::from(found.reports > 0);
        self.print(person, &zone, &found.with, &found.before)
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
