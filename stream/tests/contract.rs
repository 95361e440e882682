//! The contract of [`stream::Log`], each promise on each implementation.

extern crate homeward_stream as stream;

#[path = "contract/support.rs"]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::future::join_all;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use stream::{Class, Delivery, Error, Log, MAX_RECORD_BYTES, Offset, Partition, Record, Topic};
use support::{Board, PARTITIONS, Place, Setting, append_until_ok, drain, eventually, record, text};

const SOON: Duration = Duration::from_secs(20);

/// Runs a promise on each implementation that is there, and names the one that breaks it.
async fn on_all<F, Fut>(promise: F) -> Result<()>
where
    F: Fn(Arc<Place>) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let runs = support::places().await?.into_iter().map(|place| {
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

// 1. Order.

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_sees_the_records_of_a_partition_in_the_order_of_their_append() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        let mut positions = Vec::new();
        for batch in 0..20 {
            let records = (0..10)
                .map(|n| record((batch + n) % PARTITIONS, &format!("{batch}-{n}")))
                .collect();
            positions.extend(log.append(Topic::Reports, records).await?);
        }
        ensure!(positions.len() == 200);
        let mut last: BTreeMap<Partition, Offset> = BTreeMap::new();
        for position in &positions {
            if let Some(last) = last.insert(position.partition, position.offset) {
                ensure!(position.offset == last + 1, "{position:?} after {last}");
            }
        }
        let mut seen: BTreeMap<(Partition, Offset), String> = BTreeMap::new();
        let mut order: BTreeMap<Partition, Offset> = BTreeMap::new();
        for found in drain(&*log, Topic::Reports, 200).await? {
            let next = order.entry(found.partition).or_default();
            ensure!(
                found.offset == *next,
                "{} instead of {next} in {}",
                found.offset,
                found.partition
            );
            *next += 1;
            ensure!(found.key.as_ref() == b"key");
            seen.insert((found.partition, found.offset), text(&found));
        }
        for (n, position) in positions.iter().enumerate() {
            ensure!(seen[&(position.partition, position.offset)] == format!("{}-{}", n / 10, n % 10));
        }
        ensure!(log.bounds(Topic::Events, 0).await?.end == 0, "topics are apart");
        Ok(())
    })
    .await
}

/// Two processes append to the same partitions at once, so that transactions and batches cross, and a reader follows: it sees
/// every offset, none twice, none skipped, though some append futures are dropped half-way.
#[tokio::test(flavor = "multi_thread")]
async fn no_record_is_skipped_when_appends_commit_out_of_order() -> Result<()> {
    on_all(async |place| {
        let (writers, batches) = (4, 60);
        let reader_log = place.open().await?;
        let mut tasks = Vec::new();
        for writer in 0..writers {
            let log = place.open().await?;
            tasks.push(tokio::spawn(async move {
                let mut random = StdRng::seed_from_u64(writer);
                let mut acknowledged = Vec::new();
                for batch in 0..batches {
                    let size = random.random_range(1..20);
                    let records: Vec<_> = (0..size)
                        .map(|n| record(random.random_range(0..PARTITIONS), &format!("{writer}-{batch}-{n}")))
                        .collect();
                    let names: Vec<String> = records
                        .iter()
                        .map(|record| String::from_utf8_lossy(&record.payload).into_owned())
                        .collect();
                    let pause = Duration::from_micros(random.random_range(0..3_000));
                    if random.random_bool(0.1) {
                        let _ = tokio::time::timeout(pause, log.append(Topic::Reports, records)).await;
                    } else {
                        let positions = log.append(Topic::Reports, records).await?;
                        acknowledged.extend(positions.into_iter().zip(names));
                        tokio::time::sleep(pause).await;
                    }
                }
                Ok::<_, Error>(acknowledged)
            }));
        }
        let starts = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        let mut reader = reader_log.read(Topic::Reports, starts).await?;
        let follow = tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(99);
            let mut seen: BTreeMap<(Partition, Offset), String> = BTreeMap::new();
            let mut next: BTreeMap<Partition, Offset> = BTreeMap::new();
            let mut clock: BTreeMap<Partition, Timestamp> = BTreeMap::new();
            while let Ok(found) =
                tokio::time::timeout(Duration::from_secs(2), reader.next(random.random_range(1..200))).await
            {
                for found in found? {
                    let next = next.entry(found.partition).or_default();
                    ensure!(found.offset == *next, "{} instead of {next}", found.offset);
                    *next += 1;
                    let last = clock.insert(found.partition, found.appended_at);
                    ensure!(last.is_none_or(|last| last <= found.appended_at), "time went back");
                    seen.insert((found.partition, found.offset), text(&found));
                }
            }
            Ok(seen)
        });
        let mut acknowledged = Vec::new();
        for task in tasks {
            acknowledged.extend(task.await??);
        }
        let seen = follow.await??;
        for (position, name) in acknowledged {
            let found = seen.get(&(position.partition, position.offset));
            ensure!(found == Some(&name), "{position:?} is {found:?} instead of {name}");
        }
        for partition in 0..PARTITIONS {
            let bounds = reader_log.bounds(Topic::Reports, partition).await?;
            let count = seen.keys().filter(|(other, _)| *other == partition).count() as u64;
            ensure!(bounds.start == 0 && bounds.end == count, "{bounds:?}, but {count} read");
        }
        Ok(())
    })
    .await
}

// 2. Durable before acknowledged.

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_process() -> Result<()> {
    on_all(async |place| {
        for round in 0..3 {
            let log = place.open().await?;
            let records = (0..50)
                .map(|n| record(n % PARTITIONS, &format!("{round}-{n}")))
                .collect();
            log.append(Topic::Events, records).await?;
            // No close: as a process that was killed.
            drop(log);
        }
        let log = place.open().await?;
        let all: BTreeSet<String> = drain(&*log, Topic::Events, 150).await?.iter().map(text).collect();
        ensure!(all.len() == 150, "{} of 150", all.len());
        Ok(())
    })
    .await
}

/// The appender gives up at every possible moment and appends again, as after a crash between append and acknowledgement.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_that_was_given_up_and_repeated_is_there_once_or_twice() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        let mut random = StdRng::seed_from_u64(5);
        for n in 0..60 {
            let patience = Duration::from_micros(random.random_range(0..8_000));
            let name = format!("r{n}");
            let first = log.append(Topic::Reports, vec![record(n % PARTITIONS, &name)]);
            if tokio::time::timeout(patience, first).await.is_err() {
                log.append(Topic::Reports, vec![record(n % PARTITIONS, &name)]).await?;
            }
        }
        place.faults(|faults| faults.lose_acknowledgements = 1);
        append_until_ok(&*log, vec![record(0, "r60")]).await?;
        place.faults(|faults| faults.refuse_appends = 1);
        append_until_ok(&*log, vec![record(0, "r61")]).await?;
        let mut copies: BTreeMap<String, usize> = BTreeMap::new();
        for found in support::drain_to_end(&*log, Topic::Reports).await? {
            *copies.entry(text(&found)).or_default() += 1;
        }
        for n in 0..62 {
            let count = copies.get(&format!("r{n}")).copied().unwrap_or(0);
            ensure!((1..=2).contains(&count), "r{n} is there {count} times");
        }
        Ok(())
    })
    .await
}

// 3. Independent readers that resume anywhere.

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_starts_at_any_offset_and_disturbs_no_other() -> Result<()> {
    on_all(async |place| {
        // No poll within the test: whoever is woken is woken by the append.
        let log = place
            .open_with(Setting {
                poll_interval: Duration::from_mins(1),
                ..Setting::default()
            })
            .await?;
        log.append(Topic::Reports, (0..100).map(|n| record(1, &n.to_string())).collect())
            .await?;
        let mut slow = log.read(Topic::Reports, vec![(1, 0)]).await?;
        ensure!(text(&slow.next(1).await?[0]) == "0");
        for start in [0_u64, 1, 37, 98, 99] {
            let mut reader = log.read(Topic::Reports, vec![(1, start)]).await?;
            let mut offset = start;
            while offset < 100 {
                for found in reader.next(7).await? {
                    ensure!(found.offset == offset && text(&found) == offset.to_string());
                    offset += 1;
                }
            }
        }
        ensure!(text(&slow.next(1).await?[0]) == "1", "a reader's place is its own");
        // At the end: waits, and is woken by an append of another process.
        let mut tail = log.read(Topic::Reports, vec![(1, 100)]).await?;
        ensure!(
            tokio::time::timeout(Duration::from_millis(300), tail.next(10))
                .await
                .is_err()
        );
        let other = place.open().await?;
        other.append(Topic::Reports, vec![record(1, "late")]).await?;
        let woken = tokio::time::timeout(Duration::from_secs(5), tail.next(10)).await??;
        ensure!(woken.len() == 1 && woken[0].offset == 100);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_a_wait_loses_nothing() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        log.append(Topic::Reports, (0..300).map(|n| record(n % PARTITIONS, "x")).collect())
            .await?;
        let starts = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        let mut reader = log.read(Topic::Reports, starts).await?;
        let mut random = StdRng::seed_from_u64(11);
        let mut next: BTreeMap<Partition, Offset> = BTreeMap::new();
        let (mut seen, began) = (0, Instant::now());
        while seen < 300 {
            ensure!(began.elapsed() < SOON, "{seen} of 300");
            let patience = Duration::from_micros(random.random_range(0..4_000));
            let Ok(found) = tokio::time::timeout(patience, reader.next(5)).await else {
                continue;
            };
            for found in found? {
                let next = next.entry(found.partition).or_default();
                ensure!(found.offset == *next);
                *next += 1;
                seen += 1;
            }
        }
        Ok(())
    })
    .await
}

// 4. One partition, one owner.

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_take_over_from_who_leaves_or_dies() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        let board = Board::new();
        let producer = Board::produce(place.open().await?);
        let first = board.member(place.open().await?, "group").await?;
        eventually(SOON, "the only member has all", || first.owned().len() == 4).await?;
        let second = board.member(place.open().await?, "group").await?;
        eventually(SOON, "each has its share", || {
            first.owned().len() == 2 && second.owned().len() == 2
        })
        .await?;
        ensure!(first.owned().is_disjoint(&second.owned()));
        second.leave().await?;
        eventually(SOON, "who stays has all", || first.owned().len() == 4).await?;
        let third = board.member(place.open().await?, "group").await?;
        eventually(SOON, "each has its share again", || {
            first.owned().len() == 2 && third.owned().len() == 2
        })
        .await?;
        let began = Instant::now();
        third.die().await;
        eventually(SOON, "who survives has all", || first.owned().len() == 4).await?;
        eprintln!("{}: take-over after a death took {:?}", place.name(), began.elapsed());
        // Another group is not concerned.
        let other = Board::member_with(place.open().await?, "other", Board::new()).await?;
        eventually(SOON, "another group has all too", || other.owned().len() == 4).await?;
        producer.abort();
        let produced = support::ends(&*log).await?;
        eventually(SOON, "everything produced is consumed", || board.consumed() >= produced).await?;
        board.verdict()?;
        first.leave().await?;
        other.leave().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_process_that_restarts_has_all_partitions_at_once() -> Result<()> {
    on_all(async |place| {
        let board = Board::new();
        let log = place.open().await?;
        let first = board.member(log, "single").await?;
        eventually(SOON, "it has all", || first.owned().len() == 4).await?;
        first.die().await;
        let began = Instant::now();
        let second = board.member(place.open().await?, "single").await?;
        eventually(SOON, "it has all again", || second.owned().len() == 4).await?;
        let took = began.elapsed();
        eprintln!("{}: restart took {took:?}", place.name());
        if place.name().starts_with("postgres") {
            ensure!(took < Duration::from_secs(4), "restart took {took:?}");
        }
        second.leave().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_revocation_no_record_of_the_partition_comes() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        for partition in 0..PARTITIONS {
            log.append(
                Topic::Reports,
                (0..500).map(|n| record(partition, &n.to_string())).collect(),
            )
            .await?;
        }
        let mut first = log.join(Topic::Reports, "fence").await?;
        let mut owned = BTreeSet::new();
        while owned.len() < 4 {
            if let Delivery::Assigned(partitions) = first.next(1).await? {
                for partition in partitions {
                    first.start(partition, 0).await?;
                    owned.insert(partition);
                }
            }
        }
        let other = place.open().await?;
        let board = Board::new();
        let second = board.member(other, "fence").await?;
        let began = Instant::now();
        let mut gone = BTreeSet::new();
        while gone.len() < 2 || board.consumed() < 1_000 {
            ensure!(
                began.elapsed() < SOON,
                "revoked {gone:?}, the other consumed {}",
                board.consumed()
            );
            match tokio::time::timeout(Duration::from_millis(100), first.next(1)).await {
                Ok(Ok(Delivery::Records(records))) => {
                    for found in records {
                        ensure!(!gone.contains(&found.partition), "a record of a revoked partition");
                    }
                }
                Ok(Ok(Delivery::Revoked(partitions))) => {
                    ensure!(
                        second.owned().is_disjoint(&partitions.iter().copied().collect()),
                        "moved before release"
                    );
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    ensure!(
                        second.owned().is_disjoint(&partitions.iter().copied().collect()),
                        "moved before release"
                    );
                    gone.extend(partitions.iter().copied());
                    first.released(&partitions).await?;
                    for partition in partitions {
                        let refused = first.start(partition, 0).await;
                        ensure!(matches!(refused, Err(Error::NotAssigned { .. })), "{refused:?}");
                        ensure!(refused.is_err_and(|error| error.class() == Class::Abort));
                    }
                }
                // A group that revokes everything before it shares anew gives some back.
                Ok(Ok(Delivery::Assigned(partitions))) => {
                    for partition in partitions {
                        gone.remove(&partition);
                        first.start(partition, 0).await?;
                    }
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {}
            }
        }
        board.verdict()?;
        first.leave().await?;
        second.leave().await
    })
    .await
}

// 5. Back-pressure.

#[tokio::test(flavor = "multi_thread")]
async fn appends_wait_when_too_much_is_in_flight_and_nothing_is_lost() -> Result<()> {
    on_all(async |place| {
        let setting = Setting {
            in_flight_records: 20,
            ..Setting::default()
        };
        let log: Arc<dyn Log> = Arc::from(place.open_with(setting).await?);
        place.slow_down(true).await?;
        let done = Arc::new(AtomicUsize::new(0));
        let mut tasks = Vec::new();
        for n in 0..200_u32 {
            let (log, done) = (Arc::clone(&log), Arc::clone(&done));
            tasks.push(tokio::spawn(async move {
                log.append(Topic::Reports, vec![record(n % PARTITIONS, &n.to_string())])
                    .await?;
                done.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Error>(())
            }));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        if place.can_slow_down() {
            ensure!(done.load(Ordering::Relaxed) == 0, "the log was held");
        }
        place.slow_down(false).await?;
        for task in tasks {
            tokio::time::timeout(SOON, task).await???;
        }
        // More than the bound at once still goes in.
        log.append(
            Topic::Reports,
            (200..300).map(|n| record(n % PARTITIONS, &n.to_string())).collect(),
        )
        .await?;
        let all: BTreeSet<String> = drain(&*log, Topic::Reports, 300).await?.iter().map(text).collect();
        ensure!(all.len() == 300);
        log.close(Duration::from_secs(2)).await;
        let refused = log.append(Topic::Reports, vec![record(0, "x")]).await;
        ensure!(matches!(refused, Err(Error::Closed)), "{refused:?}");
        Ok(())
    })
    .await
}

// 6. Retention.

#[tokio::test(flavor = "multi_thread")]
async fn readers_below_the_start_are_told_and_others_go_on() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        log.append(Topic::Reports, (0..50).map(|n| record(2, &n.to_string())).collect())
            .await?;
        log.append(Topic::Reports, vec![record(3, "old")]).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let first_new = log.append(Topic::Reports, vec![record(2, "50")]).await?[0].offset;
        ensure!(first_new == 50);
        let mut probe = log.read(Topic::Reports, vec![(2, 50)]).await?;
        let limit: Record = probe.next(1).await?.remove(0);
        let mut below = log.read(Topic::Reports, vec![(2, 10), (3, 1)]).await?;
        let gone = log.trim(Topic::Reports, limit.appended_at).await?;
        ensure!(gone == 51, "{gone} gone instead of 51");
        ensure!(
            log.trim(Topic::Reports, limit.appended_at).await? == 0,
            "nothing younger goes"
        );
        let bounds = log.bounds(Topic::Reports, 2).await?;
        ensure!(bounds.start == 50 && bounds.end == 51, "{bounds:?}");
        let emptied = log.bounds(Topic::Reports, 3).await?;
        ensure!(emptied.start == 1 && emptied.end == 1, "{emptied:?}");
        // Two readers that stand below: one of a partition with records left, one of a partition with none.
        for (partition, offset, start) in [(2, 10, 50), (3, 0, 1)] {
            let mut reader = log.read(Topic::Reports, vec![(partition, offset)]).await?;
            let told = tokio::time::timeout(SOON, reader.next(100)).await?;
            match told {
                Err(Error::Trimmed {
                    partition: p,
                    offset: o,
                    start: s,
                    ..
                }) => {
                    ensure!((p, o, s) == (partition, offset, start), "{p} {o} {s}");
                }
                other => anyhow::bail!("{other:?} instead of Trimmed"),
            }
        }
        // One that was open before hears it too, or still has what it had fetched, and then goes on with its other partition.
        let told = tokio::time::timeout(SOON, async {
            let mut next = 10;
            loop {
                match below.next(100).await {
                    Ok(found) => {
                        for found in found {
                            ensure!(
                                found.partition == 2 && found.offset == next,
                                "skipped to {}",
                                found.offset
                            );
                            next += 1;
                        }
                        if next == 51 {
                            return Ok(None);
                        }
                    }
                    Err(error) => return Ok(Some(error)),
                }
            }
        })
        .await??;
        if let Some(error) = told {
            ensure!(
                matches!(
                    error,
                    Error::Trimmed {
                        partition: 2,
                        start: 50,
                        ..
                    }
                ),
                "{error:?}"
            );
            ensure!(error.class() == Class::Fatal);
        }
        log.append(Topic::Reports, vec![record(3, "new")]).await?;
        let found = tokio::time::timeout(SOON, below.next(10)).await??;
        ensure!(found.len() == 1 && text(&found[0]) == "new");
        // A member is told as well, and can start the partition anew.
        let mut member = log.join(Topic::Reports, "trimmed").await?;
        let mut assigned = BTreeSet::new();
        while !assigned.contains(&2) {
            if let Delivery::Assigned(partitions) = member.next(10).await? {
                assigned.extend(partitions);
            }
        }
        member.start(2, 0).await?;
        let told = tokio::time::timeout(SOON, member.next(10)).await?;
        ensure!(matches!(told, Err(Error::Trimmed { partition: 2, .. })), "{told:?}");
        member.start(2, 50).await?;
        let found = tokio::time::timeout(SOON, member.next(10)).await??;
        ensure!(
            matches!(&found, Delivery::Records(records) if records[0].offset == 50),
            "{found:?}"
        );
        member.leave().await?;
        Ok(())
    })
    .await
}

/// Retention cuts while a reader is in the middle: it sees every offset in turn, or is told.
#[tokio::test(flavor = "multi_thread")]
async fn retention_never_makes_a_reader_skip() -> Result<()> {
    on_all(async |place| {
        let log: Arc<dyn Log> = Arc::from(place.open().await?);
        for _ in 0..40 {
            log.append(Topic::Reports, (0..50).map(|n| record(1, &n.to_string())).collect())
                .await?;
        }
        let mut readers = Vec::new();
        for pace in [0, 1, 3, 10] {
            let mut reader = log.read(Topic::Reports, vec![(1, 0)]).await?;
            readers.push(tokio::spawn(async move {
                let mut next = 0;
                while next < 2_000 {
                    match tokio::time::timeout(SOON, reader.next(50)).await? {
                        Ok(found) => {
                            for found in found {
                                ensure!(found.offset == next, "{} instead of {next}", found.offset);
                                next += 1;
                            }
                        }
                        Err(Error::Trimmed { offset, start, .. }) => {
                            ensure!(
                                offset == next && start > next,
                                "trimmed at {offset}, {start}; wanted {next}"
                            );
                            return Ok(());
                        }
                        Err(error) => return Err(error.into()),
                    }
                    tokio::time::sleep(Duration::from_millis(pace)).await;
                }
                Ok(())
            }));
        }
        let mut probe = log.read(Topic::Reports, vec![(1, 0)]).await?;
        let mut seen = 0;
        while seen < 2_000 {
            let Ok(found) = probe.next(100).await else { break };
            seen += found.len();
            let last = found.last().map(|record| record.appended_at);
            log.trim(Topic::Reports, last.unwrap_or(Timestamp::UNIX_EPOCH)).await?;
        }
        for reader in readers {
            reader.await??;
        }
        Ok(())
    })
    .await
}

// 7. Time.

#[tokio::test(flavor = "multi_thread")]
async fn the_time_of_a_record_is_the_logs_and_never_goes_back() -> Result<()> {
    on_all(async |place| {
        let before = Timestamp::now();
        let log = place.open().await?;
        for n in 0..20 {
            log.append(
                Topic::Reports,
                vec![record(0, &n.to_string()), record(1, &n.to_string())],
            )
            .await?;
        }
        let after = Timestamp::now();
        let mut last: BTreeMap<Partition, Timestamp> = BTreeMap::new();
        for found in drain(&*log, Topic::Reports, 40).await? {
            let slack = jiff::SignedDuration::from_millis(5);
            ensure!(
                found.appended_at >= before - slack && found.appended_at <= after + slack,
                "{}",
                found.appended_at
            );
            let last = last.insert(found.partition, found.appended_at);
            ensure!(last.is_none_or(|last| last <= found.appended_at));
        }
        Ok(())
    })
    .await
}

// Refusals.

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name_and_harms_nothing_else() -> Result<()> {
    on_all(async |place| {
        let log = place.open().await?;
        let limit = vec![0_u8; MAX_RECORD_BYTES - 3];
        let largest = stream::NewRecord {
            partition: 0,
            key: "key".into(),
            payload: limit.into(),
        };
        let mut larger = largest.clone();
        larger.payload = vec![0_u8; MAX_RECORD_BYTES].into();
        let refused = log.append(Topic::Reports, vec![record(0, "not alone"), larger]).await;
        ensure!(matches!(refused, Err(Error::TooLarge { .. })), "{refused:?}");
        let refused = log.append(Topic::Reports, vec![record(PARTITIONS, "x")]).await;
        ensure!(
            matches!(
                refused,
                Err(Error::NoPartition {
                    partition: 4,
                    partitions: 4,
                    ..
                })
            ),
            "{refused:?}"
        );
        ensure!(refused.is_err_and(|error| error.class() == Class::Input));
        ensure!(
            log.append(Topic::Reports, vec![largest]).await?[0].offset == 0,
            "nothing of the refused was written"
        );
        ensure!(log.append(Topic::Reports, vec![]).await?.is_empty());
        ensure!(matches!(
            log.read(Topic::Reports, vec![(9, 0)]).await,
            Err(Error::NoPartition { .. })
        ));
        ensure!(matches!(
            log.bounds(Topic::Reports, 9).await,
            Err(Error::NoPartition { .. })
        ));
        let mut reader = log.read(Topic::Reports, vec![(0, 77)]).await?;
        let told = tokio::time::timeout(SOON, reader.next(1)).await?;
        ensure!(matches!(told, Err(Error::Configuration(_))), "past the end: {told:?}");
        log.ready().await?;
        if place.name() != "memory" {
            let wrong = place
                .open_with(Setting {
                    partitions: 7,
                    ..Setting::default()
                })
                .await;
            let wrong = wrong.map(|_| ()).map_err(anyhow::Error::downcast::<Error>);
            ensure!(matches!(wrong, Err(Ok(Error::Configuration(_)))), "{wrong:?}");
        }
        Ok(())
    })
    .await
}
