//! Silence of somebody who wears nothing.

use anyhow::Result;
use casedb::{device::silent, violation};
use jiff::Timestamp;
use proto::wire::{Edge, EventKind};
use uuid::Uuid;

use crate::support::{self, World, event};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_silent_who_wears_nothing() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (bare, late, worn) = (
        world.unfitted("HZ-1", 2).await?,
        world.unfitted("HZ-2", 2).await?,
        world.person("HZ-3", 2).await?,
    );
    // Fitted between the beginning of the silence and the engine's word of it.
    let device = Uuid::now_v7();
    world
        .execute(&format!(
            "INSERT INTO device (device_id, protocol, identity) VALUES ('{device}', 'native', 'late');
            INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at)
                VALUES ('{device}', '{device}', '{}', '2026-01-01T00:05:00Z');
            INSERT INTO device_status (device_id, last_seen_at) VALUES ('{device}', now() + interval '1 day')",
            late.uuid()
        ))
        .await;
    let told = |person| {
        let mut told = event(person, EventKind::Silence, Edge::Onset, None, 100);
        told.decided_at_us += 900_000_000;
        told
    };
    let running = world.start(support::quick());
    world.append(&[told(bare), told(late), told(worn), told(bare)]).await?;
    world.caught_up().await;
    let kinds = async || -> Vec<(String, bool)> {
        world
            .incidents()
            .await
            .into_iter()
            .map(|one| (one.kind, one.ongoing))
            .collect()
    };
    let mut found = kinds().await;
    found.sort();
    assert_eq!(found, [("no_device".to_owned(), true), ("silence".to_owned(), true)]);
    // Nobody's violation, though the engine's word of it is kept for replay.
    let client = world.db.client().await?;
    let all = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
    for (person, violations) in [(bare, 0), (late, 0), (worn, 1)] {
        let listed = violation::of_person(&client, person, &["both", "police"], all, 10).await?;
        assert_eq!(listed.len(), violations, "{person}");
        let stored = "SELECT count(*) FROM event WHERE person_id = $1";
        let stored: i64 = client.query_one(stored, &[&person.uuid()]).await?.get(0);
        assert_eq!(stored, 1);
    }
    drop(client);
    // The end of what was not told raises nothing; a device that is fitted ends the incident.
    let mut end = event(bare, EventKind::Silence, Edge::End, None, 100);
    end.decided_at_us += 1_000_000_000;
    world.append(&[end]).await?;
    world.caught_up().await;
    assert_eq!(kinds().await.len(), 2);
    silent::raise(&world.db, Timestamp::now()).await?;
    assert!(
        kinds().await.contains(&("no_device".to_owned(), true)),
        "nothing was fitted yet"
    );
    world
        .execute(&format!(
            "INSERT INTO device (device_id, protocol, identity) VALUES ('{0}', 'native', 'now');
            INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at) VALUES ('{0}', '{0}', '{1}', now())",
            Uuid::now_v7(),
            bare.uuid()
        ))
        .await;
    silent::raise(&world.db, Timestamp::now()).await?;
    assert!(kinds().await.contains(&("no_device".to_owned(), false)));
    running.stop().await?;
    world.drop_now().await
}
