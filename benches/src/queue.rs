//! `homeward-bench queue`: a very long queue. How long its pages take, and how long a new incident takes to every open console.

pub mod live;
pub mod pages;
pub mod world;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use casedb::Database;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    load::Milliseconds,
    machine,
    queue::{
        live::{Arrival, Delays, judge},
        pages::{Reader, Timed},
        world::USERS,
    },
    server::Server,
    site::{connect, say},
};

/// What the page may take, and what a new incident.
const PAGE_MS: f64 = 150.0;
const LIVE_MS: f64 = 1_000.0;
/// Connections of the console, as by default.
const CONNECTIONS: usize = 24;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Open incidents.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..=2_000_000))]
    pub incidents: u32,
    /// Open consoles.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub consoles: u32,
    /// Seconds during which new incidents come.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// New incidents a second.
    #[arg(long, default_value_t = 2.0)]
    pub per_second: f64,
    /// Times that each kind of page is asked for.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    pub rounds: u32,
    /// Pages a second that are read meanwhile, by users of all levels in turn.
    #[arg(long, default_value_t = 10.0)]
    pub pages_per_second: f64,
    /// The server.
    #[command(flatten)]
    pub server: Server,
    /// Servers and logs of the run.
    #[arg(long, default_value = ".homeward/bench/queue")]
    pub folder: PathBuf,
}

/// What was found.
#[derive(Debug)]
pub struct Outcome {
    /// Pages, nobody else there.
    pub alone: Vec<Timed>,
    /// First pages while incidents come and consoles listen.
    pub beside: Milliseconds,
    /// New incidents.
    pub delays: Delays,
    /// One round trip to the console without the database's tables.
    pub round_trip: Milliseconds,
    /// The whole queue counted by a query that joins the people, once.
    pub reference_ms: f64,
}

impl Outcome {
    /// Every page p95 within the aim, every console told within the aim.
    pub fn kept(&self) -> bool {
        let pages = self.alone.iter().all(|timed| timed.times.at(0.95) < PAGE_MS) && self.beside.at(0.95) < PAGE_MS;
        let slowest = self.delays.slowest.iter().copied().fold(0.0, f64::max);
        pages && slowest < LIVE_MS && self.delays.missing == 0 && self.delays.wrong == 0
    }
}

/// Runs and prints; false when an aim is missed.
pub async fn run(arguments: Arguments) -> Result<bool> {
    let load = machine::load();
    let measure = async |url: &str| once(&arguments, url).await;
    let outcome = arguments.server.scratch(&arguments.folder, measure).await?;
    print(&arguments, &outcome, load);
    Ok(outcome.kept())
}

/// Measures on an empty database.
pub async fn once(arguments: &Arguments, url: &str) -> Result<Outcome> {
    say(&format!("{} incidents", arguments.incidents));
    casedb::migrate(url, 4).await?;
    let mut client = connect(url).await?;
    world::fill(&mut client, arguments.incidents).await?;
    let config = console::Config::plain("127.0.0.1:0".parse()?);
    let database = Database::connect(url, CONNECTIONS).await?;
    let handle = console::start(config, database.clone(), Arc::new(|| Ok(()))).await?;
    let base = format!("http://{}", handle.address);
    let bar = progress(arguments);
    let outcome = measure(arguments, &client, &database, &base, &bar).await;
    bar.finish_and_clear();
    handle.shutdown().await;
    outcome
}

async fn measure(
    arguments: &Arguments,
    client: &tokio_postgres::Client,
    database: &Database,
    base: &str,
    bar: &ProgressBar,
) -> Result<Outcome> {
    let rounds = arguments.rounds as usize;
    let mut readers = Vec::new();
    for who in USERS {
        readers.push(reader(database, base, who).await?);
    }
    let mut alone = Vec::new();
    for (who, reader) in USERS.iter().zip(&readers) {
        bar.set_message(format!("pages of {who}"));
        alone.extend(pages::measure(reader, who, rounds).await?);
        bar.inc(1);
    }
    let first = readers.first().context("no reader")?;
    let mut round_trip = Vec::new();
    for _ in 0..rounds {
        round_trip.push(first.get("/api/v1/closing-codes").await?.1.as_secs_f64() * 1e3);
    }
    let begun = Instant::now();
    client
        .query_one(
            "SELECT count(*) FROM incident i JOIN person p USING (person_id) JOIN agency a ON a.agency_id = p.police_agency_id
            WHERE i.state <> 'closed'",
            &[],
        )
        .await?;
    let reference_ms = begun.elapsed().as_secs_f64() * 1e3;
    bar.set_message("open consoles");
    let mut listeners = Vec::new();
    for console in 0..arguments.consoles as usize {
        let who = USERS.get(console % USERS.len()).context("no user")?;
        listeners.push(reader(database, base, who).await?);
    }
    let mut consoles = live::open(listeners).await?;
    bar.inc(1);
    let stop = CancellationToken::new();
    let pause = Duration::from_secs_f64(1.0 / arguments.pages_per_second.max(0.1));
    let reading = tokio::spawn(read_beside(readers, pause, stop.clone()));
    let raised = raise(arguments, client, bar).await;
    // Until the last one has come, or is late.
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.cancel();
    let beside = reading.await??;
    let mut arrivals: Vec<Arrival> = Vec::new();
    while let Ok(arrival) = consoles.arrivals.try_recv() {
        arrivals.push(arrival);
    }
    Ok(Outcome {
        alone,
        beside: Milliseconds::new(beside),
        delays: judge(&raised?, &arrivals),
        round_trip: Milliseconds::new(round_trip),
        reference_ms,
    })
}

/// First pages at a steady pace, whatever each takes: by users of all levels in turn.
async fn read_beside(readers: Vec<Reader>, pause: Duration, stop: CancellationToken) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    let mut due = tokio::time::interval(pause);
    let mut turn = readers.iter().cycle();
    let mut under_way = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            _ = due.tick() => {
                let reader = turn.next().context("no reader")?.clone();
                under_way.spawn(async move { Ok::<_, anyhow::Error>(reader.get("/api/v1/incidents").await?.1) });
            }
            Some(done) = under_way.join_next() => times.push(done??.as_secs_f64() * 1e3),
        }
    }
    while let Some(done) = under_way.join_next().await {
        times.push(done??.as_secs_f64() * 1e3);
    }
    Ok(times)
}

type Raised = HashMap<Uuid, (Instant, Vec<usize>)>;

async fn raise(arguments: &Arguments, client: &tokio_postgres::Client, bar: &ProgressBar) -> Result<Raised> {
    let mut raised = Raised::new();
    let mut due = tokio::time::interval(Duration::from_secs_f64(1.0 / arguments.per_second.max(0.01)));
    let end = Instant::now() + Duration::from_secs(u64::from(arguments.seconds));
    let mut number = 0_u32;
    while Instant::now() < end {
        due.tick().await;
        // Everywhere in the country, in turn.
        let person = world::person(number.wrapping_mul(37) % world::people(arguments.incidents));
        let seen_by = world::seen_by(client, person).await?;
        let consoles = (0..arguments.consoles as usize)
            .filter(|console| {
                USERS
                    .get(console % USERS.len())
                    .is_some_and(|who| seen_by.iter().any(|name| name == who))
            })
            .collect();
        let incident = Uuid::now_v7();
        // From before the statement that commits, so that its own time counts too.
        raised.insert(incident, (Instant::now(), consoles));
        world::raise(client, incident, person).await?;
        number += 1;
        bar.set_message(format!("new incidents: {number}"));
    }
    bar.inc(1);
    Ok(raised)
}

/// Signs a user in, without the password's deliberate slowness.
async fn reader(database: &Database, base: &str, who: &str) -> Result<Reader> {
    let client = database.client().await?;
    let (user, _) = casedb::user::find(&client, who).await?.context("no such user")?;
    let token = casedb::session::open(&client, user.user_id, Timestamp::now()).await?;
    Ok(Reader {
        base: base.to_owned(),
        cookie: format!("{}={}", console::authorise::COOKIE, token.to_text()),
        http: reqwest::Client::builder().build()?,
    })
}

fn progress(arguments: &Arguments) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed_precise} {msg}");
    let bar = ProgressBar::new(USERS.len() as u64 + 2);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.set_message(format!("{} incidents", arguments.incidents));
    bar
}

fn print(arguments: &Arguments, outcome: &Outcome, load: f64) {
    println!("# queue, {}, load {load:.2}", machine::describe());
    println!(
        "{} open incidents of {} people, PostgreSQL ({}), {} consoles, one process",
        arguments.incidents,
        world::people(arguments.incidents),
        arguments.server.edition,
        arguments.consoles
    );
    println!("\n| what | incidents | p50 | p95 | p99 | max |\n|---|---|---|---|---|---|");
    for timed in &outcome.alone {
        line(&timed.what, &timed.total.to_string(), &timed.times);
    }
    line(
        &format!(
            "all users' first pages, {} a second, while consoles listen",
            arguments.pages_per_second
        ),
        "",
        &outcome.beside,
    );
    line("reference: a round trip with a session", "", &outcome.round_trip);
    println!(
        "| reference: count over incident, person, agency | | {:.1} ms | | | |",
        outcome.reference_ms
    );
    let told = Milliseconds::new(outcome.delays.milliseconds.clone());
    let slowest = Milliseconds::new(outcome.delays.slowest.clone());
    line(
        "new incident to a console, commit included",
        &told.count().to_string(),
        &told,
    );
    line(
        "new incident to the last console",
        &slowest.count().to_string(),
        &slowest,
    );
    println!(
        "\nmissing deliveries {}, deliveries to who may not see {}; aims: p95 of every page under {PAGE_MS} ms, every console under {LIVE_MS} ms: {}",
        outcome.delays.missing,
        outcome.delays.wrong,
        if outcome.kept() { "kept" } else { "NOT kept" }
    );
}

fn line(what: &str, count: &str, times: &Milliseconds) {
    println!(
        "| {what} | {count} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms |",
        times.at(0.50),
        times.at(0.95),
        times.at(0.99),
        times.at(1.0)
    );
}
