//! The canary's event on its way: an incident that nobody sees and that calls nobody, and a message to whoever watches.

use std::time::Duration;

use anyhow::Result;
use casedb::canary;
use homeward_alerts_worker::WorkerConfig;
use jiff::{SignedDuration, Timestamp};
use proto::{
    PersonId,
    wire::{Edge, EventKind},
};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{self, Hook, World, event, wait_for};

/// The canary, with a watcher that listens at the hook.
async fn watched(world: &World, hook: &Hook) -> Result<PersonId> {
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let now = Timestamp::from_second(1_767_225_600)?;
    let registered = canary::ensure(&transaction, now).await?;
    canary::listen(&transaction, "watcher", &hook.url, b"secret").await?;
    transaction.commit().await?;
    Ok(registered.person_id)
}

fn beats(person: PersonId, from: i64, count: i64) -> Vec<proto::wire::Event> {
    (from..from + count)
        .flat_map(|n| {
            let of = |edge| event(person, EventKind::ExclusionEntry, edge, None, 1_000 + 30 * n);
            [of(Edge::Onset), of(Edge::End)]
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_beat_raises_one_incident_that_calls_nobody_and_sends_one_message() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let hook = Hook::start().await?;
    let person = watched(&world, &hook).await?;
    // Two workers, of which one dies and one is started anew while beats come.
    let config = || WorkerConfig {
        // What the one that dies had in hand is another's soon.
        lease: Duration::from_secs(2),
        webhook_timeout: Duration::from_secs(1),
        ..support::quick()
    };
    let (first, second) = (world.start(config()), world.start(config()));
    world.append(&beats(person, 0, 5)).await?;
    world.caught_up().await;
    first.crash();
    world.append(&beats(person, 5, 5)).await?;
    let third = world.start(config());
    world.append(&beats(person, 10, 5)).await?;
    world.caught_up().await;
    let unsent = "SELECT 1::text FROM notification WHERE state <> 'sent'";
    wait_for("every message", async || {
        world.strings(unsent).await.is_empty().then_some(())
    })
    .await;

    let standing = world
        .strings(
            "SELECT concat_ws(' ', state, closing_code, ongoing, deadline_at IS NULL, climb IS NULL, number < 0, count(*))
            FROM incident GROUP BY state, closing_code, ongoing, deadline_at IS NULL, climb IS NULL, number < 0",
        )
        .await;
    assert_eq!(standing, ["closed returned_compliant f t t t 15"]);
    let records = world
        .strings("SELECT concat_ws(' ', action, count(*)) FROM incident_action GROUP BY action ORDER BY action")
        .await;
    assert_eq!(records, ["close 15", "event 15", "notify 15", "raise 15"]);
    let sent = world
        .strings("SELECT concat_ws(' ', channel, state, count(*)) FROM notification GROUP BY channel, state")
        .await;
    assert_eq!(sent, ["webhook sent 15"], "no console, no user, no agency");
    let mut onsets: Vec<String> = hook
        .requests()
        .iter()
        .map(|request| serde_json::from_str::<Value>(&request.body).unwrap()["onset_at"].to_string())
        .collect();
    onsets.sort();
    onsets.dedup();
    assert_eq!(onsets.len(), 15, "each beat's own message");
    let incidents = world.strings("SELECT incident_id::text FROM incident").await;
    let client = world.client().await;
    for incident in incidents {
        let (_, same) = casedb::incident::replayed(&client, incident.parse::<Uuid>()?).await?;
        assert!(same, "its records lead to how it stands");
    }
    let standing = canary::standing(&client).await?.unwrap();
    assert!(standing.heard);
    drop(client);

    // A watcher that is gone gets nothing more, and nothing waits for it.
    let before = hook.requests().len();
    world
        .execute("UPDATE canary_sink SET seen_at = now() - interval '3 minutes'")
        .await;
    world.append(&beats(person, 20, 2)).await?;
    world.caught_up().await;
    let waiting = world
        .strings("SELECT count(*)::text FROM notification WHERE state <> 'sent'")
        .await;
    assert_eq!((waiting, hook.requests().len()), (vec!["0".to_owned()], before));

    // What it left goes after a day, a few with each beat.
    let mut db = world.db.client().await?;
    for _ in 0..4 {
        let transaction = db.transaction().await?;
        canary::keep(
            &transaction,
            "watcher",
            Timestamp::now() + SignedDuration::from_hours(25),
        )
        .await?;
        transaction.commit().await?;
    }
    let left = world
        .strings(
            "SELECT concat_ws(' ', (SELECT count(*) FROM incident), (SELECT count(*) FROM incident_action),
                (SELECT count(*) FROM notification), (SELECT count(*) FROM notification_target), (SELECT count(*) FROM canary_sink))",
        )
        .await;
    assert_eq!(left, ["0 0 0 0 0"]);
    drop(db);
    second.stop().await?;
    third.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_beat_while_the_receiver_is_away_is_not_lost() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let hook = Hook::start().await?;
    hook.answer_with([503, 503]);
    let person = watched(&world, &hook).await?;
    let running = world.start(support::quick());
    world.append(&beats(person, 0, 1)).await?;
    wait_for("the third try", async || (hook.requests().len() == 3).then_some(())).await;
    let keys: Vec<String> = hook.requests().into_iter().map(|request| request.key).collect();
    assert!(keys.iter().all(|key| *key == keys[0]), "one message: {keys:?}");
    running.stop().await?;
    world.drop_now().await
}
