//! What an order says of how urgent events are, from the order to the incident and its account.

use alerts::{
    Severity,
    priority::order::{Rule, Wrong},
};
use anyhow::Result;
use casedb::{GenericClient as _, order};
use jiff::{SignedDuration, Timestamp};
use proto::{
    OrderId, PersonId,
    wire::{Edge, EventKind},
};
use uuid::Uuid;

use crate::support::{self, World, event};

/// Events are told in seconds since 2026 began.
const START: i64 = 1_767_225_600;

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn order_of(world: &World, person: PersonId) -> OrderId {
    let id = world
        .strings(&format!(
            "SELECT order_id::text FROM supervision_order WHERE person_id = '{person}'"
        ))
        .await;
    OrderId::new(id[0].parse().unwrap())
}

async fn set(world: &World, order: OrderId, texts: &[&str], second: i64) -> Result<i64, casedb::Error> {
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let now = Timestamp::from_second(START + second).unwrap();
    let (_, revision) = order::set_priorities(&transaction, order, &rules(texts), "review", world.officer, now).await?;
    transaction.commit().await?;
    Ok(revision)
}

/// Kind, priority, and why it is that.
async fn incidents(world: &World) -> Vec<String> {
    world
        .strings("SELECT concat_ws(' ', kind, 'P' || severity, priority ->> 'sentence') FROM incident ORDER BY onset_at, kind")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_makes_events_more_or_less_urgent_as_of_their_time_and_within_limits() -> Result<()> {
    for world in World::on_every_edition().await? {
        world.patient().await?;
        let person = world.person("HZ-1", 2).await?;
        let order = order_of(&world, person).await;
        let refuge = world.zone("Refuge", "police").await?;
        let shop = world.zone("Shop", "both").await?;
        assert_eq!(
            set(&world, order, &["silence=+1", "late_return=-1", "all=P4"], 100).await?,
            1
        );
        assert_eq!(set(&world, order, &["silence=P1"], 1_000).await?, 2);
        for (wrong, least) in [("strap_tamper=P3", "P2"), ("sos=-1", "P1")] {
            let refused = set(&world, order, &[wrong], 2_000).await.unwrap_err();
            assert!(
                refused.to_string().contains(&format!("less urgent than {least}")),
                "{refused}"
            );
        }
        let running = world.start(support::quick());
        let at = |kind, zone, second| event(person, kind, Edge::Onset, zone, second);
        world
            .append(&[
                // Before the first revision: as ever.
                at(EventKind::ImpossibleMovement, None, 50),
                at(EventKind::NoFix, None, 150),
                at(EventKind::StrapTamper, None, 160),
                at(EventKind::ExclusionEntry, Some(refuge), 170),
                at(EventKind::ExclusionEntry, Some(shop), 180),
                at(EventKind::Sos, None, 190),
                // Known late, and judged by what held then.
                at(EventKind::Silence, None, 900),
            ])
            .await?;
        world.caught_up().await;
        let by = |revision: i64, rule: &str| format!("by order {order}, revision {revision} ({rule})");
        assert_eq!(
            incidents(&world).await,
            [
                "impossible_movement P3 impossible_movement: P3 by the table".to_owned(),
                format!("no_fix P4 no_fix: P3 by the table, P4 {}", by(1, "P4")),
                format!(
                    "strap_tamper P2 strap_tamper: P1 by the table, P2 {}, which may not go below P2",
                    by(1, "P4")
                ),
                format!(
                    "exclusion_entry P2 exclusion_entry: P1 by the table, P2 {}, which may not go below P2",
                    by(1, "P4")
                ),
                format!(
                    "exclusion_entry P3 exclusion_entry: P1 by the table, P3 {}, which may not go below P3",
                    by(1, "P4")
                ),
                format!(
                    "sos P1 sos: P1 by the table, P1 {}, which may not go below P1",
                    by(1, "P4")
                ),
                format!("silence P2 silence: P3 by the table, P2 {}", by(1, "+1")),
            ]
        );
        // Another silence folds in; by then the order had said P1. The account says what made it so.
        world.append(&[at(EventKind::Silence, None, 1_100)]).await?;
        world.caught_up().await;
        let account =
            "SELECT concat_ws(' ', a.action, a.code, a.text) FROM incident_action a JOIN incident i USING (incident_id)
            WHERE i.kind = 'silence' ORDER BY action_id";
        assert_eq!(
            world.strings(account).await,
            [
                format!("raise silence: P3 by the table, P2 {}", by(1, "+1")),
                "notify ".to_owned(),
                format!("event worsened P2 to P1 (silence: P3 by the table, P1 {})", by(2, "P1")),
            ]
        );
        running.stop().await?;

        // On record with the order, as it was known at any time; rows are only added.
        let client = world.client().await;
        let known = order::dossiers(&client, person, Timestamp::now()).await?;
        let when = |second| Timestamp::from_second(START + second).unwrap();
        let revision = |second| known[0].priorities_at(when(second)).map(|set| set.revision);
        assert_eq!([revision(99), revision(100), revision(1_000)], [None, Some(1), Some(2)]);
        let before = known[0].priorities[0].recorded_at - SignedDuration::from_micros(1);
        assert!(order::dossiers(&client, person, before).await?[0].priorities.is_empty());
        let found = order::priorities_at(&client, person, when(500)).await?.unwrap();
        assert_eq!((found.0, found.1), (order, 1));
        assert!(
            client
                .execute("UPDATE order_priority SET reason = 'better'", &[])
                .await
                .is_err()
        );
        drop(client);
        world.drop_now().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_that_began_last_says_it_and_one_that_is_over_says_nothing() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    world.patient().await?;
    let person = world.person("HZ-1", 2).await?;
    let first = order_of(&world, person).await;
    let second = OrderId::new(Uuid::now_v7());
    let sql = format!(
        "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
        VALUES ('{second}', '{person}', 'invented act', to_timestamp({}), to_timestamp({}))",
        START + 100,
        START + 200
    );
    world.execute(&sql).await;
    set(&world, first, &["jamming=P1"], 10).await?;
    set(&world, second, &["jamming=-1"], 20).await?;
    let running = world.start(support::quick());
    for (n, second) in [50, 150, 250].into_iter().enumerate() {
        world
            .append(&[event(person, EventKind::Jamming, Edge::Onset, None, second)])
            .await?;
        world.caught_up().await;
        let all = world.incidents().await;
        assert_eq!(all.len(), n + 1);
        let code = alerts::ClosingCode::DeviceFault;
        casedb::incident::close(&world.db, all[n].id, world.officer, code, "", None, Timestamp::now()).await?;
    }
    running.stop().await?;
    let severities: Vec<i16> = world.incidents().await.iter().map(|one| one.severity).collect();
    assert_eq!(severities, [1, 3, 1]);
    world.drop_now().await
}

#[test]
fn a_refusal_names_the_rule() {
    let rule = rules(&["sos=P3"])[0];
    let wrong = alerts::priority::order::check(&[rule]).unwrap_err();
    let least = Severity::P1;
    assert_eq!(wrong, Wrong::TooLow { rule, least });
}

/// Rules that somebody wrote by hand and that are none: the event has the priority of its kind, and everybody else's are told too.
#[tokio::test(flavor = "multi_thread")]
async fn rules_that_cannot_be_read_stop_nobody() -> Result<()> {
    for world in World::on_every_edition().await? {
        world.patient().await?;
        let (person, other) = (world.person("HZ-1", 2).await?, world.person("HZ-2", 2).await?);
        let order = order_of(&world, person).await;
        let client = world.db.client().await?;
        let sql = "INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by)
            VALUES ($1, 1, '2020-01-01', '[42]', 'by hand', $2)";
        client.execute(sql, &[&order.uuid(), &world.officer]).await?;
        let running = world.start(support::quick());
        let sos = |person, second| event(person, EventKind::Sos, Edge::Onset, None, second);
        world.append(&[sos(person, 50), sos(other, 60)]).await?;
        world.caught_up().await;
        assert_eq!(
            incidents(&world).await,
            ["sos P1 sos: P1 by the table", "sos P1 sos: P1 by the table"]
        );
        running.stop().await?;
    }
    Ok(())
}
