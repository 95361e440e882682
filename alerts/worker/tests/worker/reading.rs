//! Reading the stream: once, whatever crashes, repeats, cannot be read or is gone.

use std::{collections::BTreeSet, time::Duration};

use alerts::route::Channel;
use anyhow::Result;
use jiff::Timestamp;
use proto::wire::{Edge, EventKind};
use uuid::Uuid;

use crate::support::{self, Hook, World, event, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn crashes_and_reading_again_change_nothing() -> Result<()> {
    let [Some(calm), Some(wild)] = [World::new().await?, World::new().await?] else {
        return Ok(());
    };
    let mut summaries = Vec::new();
    for (world, crashes) in [(&calm, 0), (&wild, 12)] {
        let mut people = Vec::new();
        for n in 0..12 {
            people.push(world.person(&format!("HZ-{n}"), i16::try_from(n % 4 + 1)?).await?);
        }
        let home = world.zone_of("Home", "both", Uuid::from_u128(7)).await?;
        let records = support::many_events(&people, home);
        let mut running = world.start(support::quick());
        for (n, some) in records.chunks(25).enumerate() {
            world.append(some).await?;
            if n % 3 == 1 {
                world.append(some).await?; // the engine was restarted and said it again
            }
            if n < crashes {
                tokio::time::sleep(Duration::from_millis(7 * n as u64)).await;
                running.crash();
                running = world.start(support::quick());
            }
        }
        world.caught_up().await;
        running.stop().await?;
        summaries.push(world.summary().await);
    }
    assert!(summaries[0].len() > 30, "{}", summaries[0].len());
    assert_eq!(summaries[0], summaries[1]);

    let before = wild.everything().await;
    wild.execute("UPDATE reader_offset SET next_offset = 0").await;
    let running = wild.start(support::quick());
    wild.caught_up().await;
    running.stop().await?;
    assert_eq!(
        wild.everything().await,
        before,
        "every event was known: no row is new and none has changed"
    );
    calm.drop_now().await?;
    wild.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_raise_and_send_once() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let hook = Hook::start().await?;
    world
        .target(world.social, Channel::Webhook, &hook.url, Some(b"s"), 4)
        .await?;
    let mut events = Vec::new();
    for n in 0..150 {
        let person = world.person(&format!("HZ-{n}"), 2).await?;
        events.push(event(person, EventKind::StrapTamper, Edge::Onset, None, 100 + n));
    }
    let workers = [world.start(support::quick()), world.start(support::quick())];
    for some in events.chunks(10) {
        world.append(some).await?;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.caught_up().await;
    wait_for("every webhook", async || (hook.requests().len() >= 150).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let requests = hook.requests();
    let keys: BTreeSet<&str> = requests.iter().map(|request| request.key.as_str()).collect();
    assert_eq!((requests.len(), keys.len()), (150, 150), "each message once");
    assert_eq!(world.incidents().await.len(), 150);
    for worker in workers {
        worker.stop().await?;
    }
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_stops_nothing_else() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let good = event(person, EventKind::Jamming, Edge::Onset, None, 100);
    let stranger = event(
        proto::PersonId::from_name("nobody"),
        EventKind::Jamming,
        Edge::Onset,
        None,
        100,
    );
    let mut bad = vec![b"\xff\xff\xff no protobuf".to_vec(), Vec::new()];
    for spoil in [
        |event: &mut proto::wire::Event| event.kind = 4_711,
        |event: &mut proto::wire::Event| event.edge = 0,
        |event: &mut proto::wire::Event| event.event_id.truncate(15),
        |event: &mut proto::wire::Event| event.onset_us = i64::MAX,
        |event: &mut proto::wire::Event| event.zone_revision = u64::MAX,
        // Within the wire's range, outside the database's.
        |event: &mut proto::wire::Event| event.onset_us = -377_000_000_000_000_000,
    ] {
        let mut event = event(person, EventKind::Sos, Edge::Onset, None, 99);
        spoil(&mut event);
        bad.push(prost::Message::encode_to_vec(&event));
    }
    let running = world.start(support::quick());
    world.append_raw(person, bad).await?;
    world.append(&[stranger, good]).await?;
    world.caught_up().await;
    let kinds: Vec<String> = world
        .incidents()
        .await
        .into_iter()
        .map(|incident| incident.kind)
        .collect();
    assert_eq!(kinds, ["jamming"]);
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_retention_dropped_do_not_stop_the_later_ones() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let running = world.start(support::quick());
    world
        .append(&[event(person, EventKind::Silence, Edge::Onset, None, 100)])
        .await?;
    world.caught_up().await;
    running.stop().await?;
    world
        .append(&[event(person, EventKind::Jamming, Edge::Onset, None, 200)])
        .await?;
    world
        .log
        .trim(proto::Topic::Events, Timestamp::now() + Duration::from_secs(1))
        .await?;
    world
        .append(&[event(person, EventKind::Sos, Edge::Onset, None, 300)])
        .await?;
    let running = world.start(support::quick());
    world.caught_up().await;
    let kinds: Vec<String> = world
        .incidents()
        .await
        .into_iter()
        .map(|incident| incident.kind)
        .collect();
    assert_eq!(kinds, ["silence", "sos"]);
    running.stop().await?;
    world.drop_now().await
}
