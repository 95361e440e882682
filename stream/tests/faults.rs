//! What the contract says about processes that die or pause, with real processes; and about lost connections.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

extern crate homeward_stream as stream;

#[path = "contract/support.rs"]
mod support;

use std::{
    collections::BTreeSet,
    env,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use stream::{
    Delivery, Error, Log, Partition, Topic,
    postgres::{self, PostgresLog},
};
use support::{Board, PARTITIONS, Place, Setting, append_until_ok, drain_to_end, eventually, record, text};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

const SOON: Duration = Duration::from_secs(25);
const PLACE: &str = "HOMEWARD_STREAM_TEST_PLACE";
const ROLE: &str = "HOMEWARD_STREAM_TEST_ROLE";

/// Not a test: the other process, when one is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn other_process() -> Result<()> {
    let (Ok(place), Ok(role)) = (env::var(PLACE), env::var(ROLE)) else {
        return Ok(());
    };
    let setting = if role == "named member" { named() } else { setting() };
    let log = Place::from_words(&place).open_with(setting).await?;
    if role == "append" {
        for n in 0_u32.. {
            append_until_ok(&*log, vec![record(n % PARTITIONS, &format!("kill-{n}"))]).await?;
            println!("\nacknowledged kill-{n}");
        }
    }
    let mut member = log.join(Topic::Reports, "group").await?;
    loop {
        match member.next(100).await {
            Ok(Delivery::Assigned(partitions)) => {
                for partition in partitions {
                    if member.start(partition, 0).await.is_ok() {
                        println!("\nassigned {partition}");
                    }
                }
            }
            Ok(Delivery::Revoked(partitions)) => {
                for partition in &partitions {
                    println!("\nrevoked {partition}");
                }
                member.released(&partitions).await?;
            }
            Ok(Delivery::Records(records)) => {
                for found in records {
                    println!("\nrecord {}", text(&found));
                }
            }
            Err(error) => eprintln!("other process: {error}"),
        }
    }
}

fn setting() -> Setting {
    Setting {
        lease_ttl: Duration::from_secs(2),
        ..Setting::default()
    }
}

/// The same with a name for good, which is what lets Kafka know a process that restarts.
fn named() -> Setting {
    Setting {
        instance: Some("one"),
        ..setting()
    }
}

/// A process of ours and what it says.
struct Other {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(place: &Place, role: &str) -> Result<Self> {
        let mut command = tokio::process::Command::new(env::current_exe()?);
        command
            .args(["--exact", "other_process", "--nocapture"])
            .env(PLACE, place.words())
            .env(ROLE, role);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let says = BufReader::new(child.stdout.take().context("stdout")?).lines();
        Ok(Self { child, says })
    }

    async fn word(&mut self, first: &str) -> Result<String> {
        loop {
            let line = tokio::time::timeout(SOON, self.says.next_line())
                .await??
                .context("it ended")?;
            if let Some(rest) = line.strip_prefix(first) {
                return Ok(rest.trim().to_owned());
            }
        }
    }

    fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().context("it runs")?.to_string();
        ensure!(Command::new("kill").args([name, &id]).status()?.success());
        Ok(())
    }
}

async fn on_servers<F, Fut>(promise: F) -> Result<()>
where
    F: Fn(Arc<Place>) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let runs = support::places()
        .await?
        .into_iter()
        .filter(|place| place.name() != "memory")
        .map(|place| {
            let (name, place) = (place.name(), Arc::new(place));
            let run = promise(Arc::clone(&place));
            async move {
                let began = Instant::now();
                let outcome = run.await;
                eprintln!("{name}: {:.1} s", began.elapsed().as_secs_f64());
                if let Some(place) = Arc::into_inner(place) {
                    place.remove().await;
                }
                outcome.map_err(|error| error.context(format!("broken on {name}")))
            }
        });
    // Side by side: most of the time is waiting.
    join_all(runs).await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_was_acknowledged_is_there() -> Result<()> {
    on_servers(async |place| {
        let log = place.open().await?;
        let mut acknowledged = BTreeSet::new();
        for round in 0..2 {
            let mut other = Other::start(&place, "append")?;
            acknowledged.insert(other.word("acknowledged ").await?);
            let until = Instant::now() + Duration::from_millis(500 + 400 * round);
            while Instant::now() < until {
                acknowledged.insert(other.word("acknowledged ").await?);
            }
            other.signal("-KILL")?;
            // What it said before it died.
            while let Ok(Some(line)) = other.says.next_line().await {
                acknowledged.extend(line.strip_prefix("acknowledged ").map(|word| word.trim().to_owned()));
            }
        }
        let there: BTreeSet<String> = drain_to_end(&*log, Topic::Reports).await?.iter().map(text).collect();
        ensure!(acknowledged.len() > 20, "only {} appends", acknowledged.len());
        ensure!(
            acknowledged.is_subset(&there),
            "lost: {:?}",
            acknowledged.difference(&there).take(5).collect::<Vec<_>>()
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partitions_of_a_killed_process_move_at_once() -> Result<()> {
    on_servers(async |place| {
        let mut other = Other::start(&place, "named member")?;
        for _ in 0..PARTITIONS {
            other.word("assigned ").await?;
        }
        other.signal("-KILL")?;
        let began = Instant::now();
        let board = Board::new();
        let survivor = board.member(place.open_with(named()).await?, "group").await?;
        eventually(SOON, "the survivor has all", || survivor.owned().len() == 4).await?;
        eprintln!("{}: restart after kill -9 took {:?}", place.name(), began.elapsed());
        if place.name() != "kafka" {
            ensure!(began.elapsed() < Duration::from_secs(4), "took {:?}", began.elapsed());
        }
        survivor.leave().await
    })
    .await
}

/// Both happen while the process is stopped: its lease runs out, and another one gets its partitions. When it goes on, the first it
/// hears is that they are gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_process_loses_its_partitions_and_delivers_nothing_more() -> Result<()> {
    on_servers(async |place| {
        let log = place.open_with(setting()).await?;
        let mut other = Other::start(&place, "member")?;
        for _ in 0..PARTITIONS {
            other.word("assigned ").await?;
        }
        log.append(
            Topic::Reports,
            (0..PARTITIONS).map(|partition| record(partition, "before")).collect(),
        )
        .await?;
        for _ in 0..PARTITIONS {
            ensure!(other.word("record ").await? == "before");
        }
        other.signal("-STOP")?;
        let board = Board::new();
        let survivor = board.member(place.open_with(setting()).await?, "group").await?;
        eventually(SOON, "the survivor has all", || survivor.owned().len() == 4).await?;
        log.append(
            Topic::Reports,
            (0..PARTITIONS).map(|partition| record(partition, "after")).collect(),
        )
        .await?;
        eventually(SOON, "the survivor goes on", || board.consumed() == 8).await?;
        other.signal("-CONT")?;
        let mut revoked: BTreeSet<Partition> = BTreeSet::new();
        while revoked.len() < 4 {
            let line = tokio::time::timeout(SOON, other.says.next_line())
                .await??
                .context("it ended")?;
            ensure!(!line.starts_with("record "), "delivered after the pause: {line}");
            if let Some(partition) = line.strip_prefix("revoked ") {
                revoked.insert(partition.trim().parse()?);
            }
        }
        // And it is a member again.
        eventually(SOON, "they share", || survivor.owned().len() == 2).await?;
        board.verdict()?;
        other.signal("-KILL")?;
        survivor.leave().await
    })
    .await
}

/// The server ends every connection of ours again and again. Nothing acknowledged is lost, nobody needs a restart.
#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_are_survived() -> Result<()> {
    for place in support::databases().await? {
        let Place::Postgres { database, .. } = &place else {
            continue;
        };
        let url = database.url.clone();
        let board = Board::fenced();
        let log: Arc<dyn Log> = Arc::from(place.open().await?);
        let first = board.member(place.open().await?, "group").await?;
        let second = board.member(place.open().await?, "group").await?;
        let writer = {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for n in 0..150_u32 {
                    append_until_ok(&*log, vec![record(n % PARTITIONS, &n.to_string())]).await?;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok::<_, anyhow::Error>(())
            })
        };
        let axe = testkit::connect(&url).await?;
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            axe.batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE application_name = 'homeward-stream' AND datname = current_database()",
            )
            .await?;
        }
        writer.await??;
        let there = drain_to_end(&*log, Topic::Reports).await?;
        let distinct: BTreeSet<String> = there.iter().map(text).collect();
        ensure!(distinct.len() == 150, "{} of 150", distinct.len());
        eventually(SOON, "everything is consumed", || board.consumed() == there.len()).await?;
        board.verdict()?;
        first.leave().await?;
        second.leave().await?;
        log.ready().await?;
        drop(log);
        place.remove().await;
    }
    Ok(())
}

/// Renewal is held up: the member gives its partitions up by its own clock, without being told by anybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_cannot_be_renewed_ends_by_the_members_own_clock() -> Result<()> {
    let Some(place) = support::databases().await?.pop() else {
        return Ok(());
    };
    let Place::Postgres { database, .. } = &place else {
        return Ok(());
    };
    let log = place
        .open_with(Setting {
            lease_ttl: Duration::from_secs(1),
            ..Setting::default()
        })
        .await?;
    let mut member = log.join(Topic::Reports, "stall").await?;
    let mut owned = BTreeSet::new();
    while owned.len() < 4 {
        if let Delivery::Assigned(partitions) = member.next(1).await? {
            owned.extend(partitions);
        }
    }
    let holder = testkit::connect(&database.url).await?;
    holder
        .batch_execute("BEGIN; SELECT FROM stream.consumer_group FOR UPDATE")
        .await?;
    let began = Instant::now();
    let told = tokio::time::timeout(SOON, member.next(1)).await??;
    ensure!(
        matches!(&told, Delivery::Revoked(partitions) if partitions.len() == 4),
        "{told:?}"
    );
    ensure!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    ensure!(matches!(member.start(0, 0).await, Err(Error::NotAssigned { .. })));
    holder.batch_execute("COMMIT").await?;
    member.released(&[0, 1, 2, 3]).await?;
    let again = tokio::time::timeout(SOON, async {
        loop {
            match member.next(1).await {
                Ok(Delivery::Assigned(partitions)) => return partitions.len(),
                Ok(_) => {}
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    });
    ensure!(again.await? == 4);
    member.leave().await?;
    drop(log);
    place.remove().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_a_passing_error() -> Result<()> {
    let refused = PostgresLog::connect("postgres://nobody@127.0.0.1:1/none", postgres::Config::default()).await;
    ensure!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let refused = PostgresLog::connect("not a URL", postgres::Config::default()).await;
    ensure!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_keeps_its_partitions_and_its_durability() -> Result<()> {
    for place in support::databases().await? {
        let Place::Postgres { database, .. } = &place else {
            continue;
        };
        postgres::migrate(&database.url, PARTITIONS).await?;
        let refused = postgres::migrate(&database.url, PARTITIONS + 1).await;
        ensure!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
        // A server that was set to forget is told otherwise by the writer's session.
        let client = testkit::connect(&database.url).await?;
        client
            .batch_execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$")
            .await?;
        client
            .batch_execute(
                "CREATE TABLE public.seen (setting text);
                 CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
                 CREATE TRIGGER see AFTER INSERT ON stream.record FOR EACH ROW EXECUTE FUNCTION public.see()",
            )
            .await?;
        let log = place.open().await?;
        log.append(Topic::Reports, vec![record(0, "x")]).await?;
        let seen: String = client.query_one("SELECT setting FROM public.seen", &[]).await?.get(0);
        ensure!(seen == "on", "{seen}");
        drop(log);
        client.batch_execute("DROP SCHEMA stream CASCADE").await?;
        let refused = place.open().await.map(|_| ()).map_err(anyhow::Error::downcast::<Error>);
        ensure!(matches!(refused, Err(Ok(Error::Configuration(_)))), "{refused:?}");
        place.remove().await;
    }
    Ok(())
}
