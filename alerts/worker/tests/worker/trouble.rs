//! Ladders while the world turns: clocks that jump, incidents that are closed, merged, suspended, reopened, and ladders that change between two steps.

use alerts::{
    ClosingCode, Severity,
    ladder::{Scope, Step},
    lifecycle::course::{Patience, Who},
    roster::{Callee, Via},
};
use anyhow::Result;
use casedb::{
    Database, GenericClient, agency,
    escalation::{self, DESK, NewAssignment, NewLadder},
    incident::{self, Suspension},
};
use homeward_alerts_worker::deadlines;
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use tokio_util::sync::CancellationToken;

use crate::{
    ladder::{Dice, START, all_ways, at, messages, raise, steps, tick},
    support::World,
};

/// Workers on machines whose clocks differ by minutes, and are set back and forth: nothing twice, nothing skipped, each step at its own instant.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_neither_repeat_nor_skip_a_step() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let id = raise(&world, person, Severity::P1, 0).await?;
    let mut dice = Dice(11);
    let mut time = 0_i64;
    while time < 2_000 {
        let wrong = i64::try_from(dice.below(600))? - 300;
        let wrong = wrong.max(-time);
        let (one, other) = tokio::join!(tick(&world, time), tick(&world, time + wrong));
        one?;
        other?;
        time += 1 + i64::try_from(dice.below(30))?;
    }
    let lap = [0, 120, 300];
    let mut expected = Vec::new();
    for number in 0..3 {
        for (step, offset) in (1..).zip(lap) {
            // No supervisor is there: the third step is passed at once, and the lap ends with the second.
            let due = number * 300 + offset;
            match step {
                3 => expected.push(format!("nobody {}.3 {due}", number + 1)),
                _ => expected.push(format!("call {}.{step} {due}", number + 1)),
            }
        }
    }
    expected.push("failed 900".to_owned());
    assert_eq!(steps(&world, id).await, expected);
    assert_eq!(messages(&world, id).await.len(), 3 * (2 + 2) - 2);
    let client = world.client().await;
    assert!(incident::replayed(&client, id).await?.1);
    drop(client);
    world.drop_now().await
}

async fn own_ladder(world: &World, person: PersonId, waits: &[i64]) -> Result<()> {
    let steps: Vec<Step> = waits
        .iter()
        .map(|wait| Step {
            call: Callee::Rota(DESK),
            via: vec![Via::Console],
            wait: SignedDuration::from_secs(*wait),
        })
        .collect();
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let now = Timestamp::now();
    let new = NewLadder {
        steps: &steps,
        laps: 1,
        delay: SignedDuration::ZERO,
    };
    let (_, checked) = escalation::set_ladder(&transaction, "own", &new, None, now).await?;
    checked?;
    let plan = escalation::load(&transaction).await?;
    let assignment = NewAssignment {
        scope: Scope::Person(person),
        severity: None,
        audience: None,
        ladder: plan.ladders.keys().next().copied(),
    };
    escalation::assign(&transaction, &assignment, None, now).await??;
    transaction.commit().await?;
    Ok(())
}

/// What happens to an incident between two steps: it goes on, rests, ends or begins anew, each at its exact time.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_between_two_steps_counts_from_that_moment() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    own_ladder(&world, person, &[100, 100, 100, 100]).await?;
    let run = async |from: i64, to: i64| -> Result<()> {
        for second in from..=to {
            if second % 7 == 0 || second % 100 == 0 {
                tick(&world, second).await?;
            }
        }
        Ok(())
    };

    // The person's ladder is changed in the middle: the round goes on with what it began with, the next begins with the new one.
    let changed = raise(&world, person, Severity::P1, 0).await?;
    run(0, 150).await?;
    own_ladder(&world, person, &[50, 60]).await?;
    run(150, 250).await?;
    incident::acknowledge(&world.db, changed, world.officer, None, at(250)).await?;
    run(250, 640).await?;
    assert_eq!(
        steps(&world, changed).await,
        [
            "call 1.1 0",
            "call 1.2 100",
            "call 1.3 200",
            "expire 550",
            "call 1.1 550",
            "call 1.2 600"
        ]
    );

    // Suspended between two steps it rests, and begins at the foot when that ends; closed, it is quiet for good.
    let rests = raise(&world, person, Severity::P2, 1_000).await?;
    run(1_000, 1_020).await?;
    let suspension = Suspension {
        authority: "court 3",
        reason: "in hospital",
        until: at(1_333),
    };
    incident::suspend(&world.db, rests, world.officer, &suspension, None, at(1_020)).await?;
    run(1_020, 1_340).await?;
    incident::close(&world.db, rests, world.officer, ClosingCode::Test, "", None, at(1_350)).await?;
    run(1_350, 1_600).await?;
    assert_eq!(
        steps(&world, rests).await,
        ["call 1.1 1000", "wake 1333", "call 1.1 1333"]
    );

    // Merged between two steps it calls no more: the other one does. Split off it calls anew.
    let joins = raise(&world, person, Severity::P2, 2_000).await?;
    let root = raise(&world, person, Severity::P2, 2_001).await?;
    run(2_000, 2_010).await?;
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    incident::merge(
        &transaction,
        &[joins],
        root,
        Who::User(world.officer),
        "same cause",
        at(2_020),
    )
    .await?;
    transaction.commit().await?;
    run(2_020, 2_075).await?;
    let transaction = client.transaction().await?;
    incident::split(
        &transaction,
        joins,
        Who::User(world.officer),
        "another cause",
        at(2_075),
    )
    .await?;
    transaction.commit().await?;
    drop(client);
    run(2_075, 2_130).await?;
    assert_eq!(
        steps(&world, joins).await,
        ["call 1.1 2000", "call 1.1 2075", "call 1.2 2125"]
    );
    let of_root = steps(&world, root).await;
    assert_eq!(of_root[..2], ["call 1.1 2001", "call 1.2 2051"]);
    for id in [changed, joins, root] {
        let client = world.client().await;
        assert!(incident::replayed(&client, id).await?.1);
    }
    // Nothing was called about twice for one key, over all of it.
    let twice = world
        .strings(
            "SELECT idempotency_key FROM notification GROUP BY idempotency_key HAVING count(*) > 1
            UNION ALL SELECT concat_ws(' ', incident_id, code, due_at) FROM incident_action WHERE action = 'call'
                GROUP BY incident_id, code, due_at HAVING count(*) > 1",
        )
        .await;
    assert!(twice.is_empty(), "{twice:?}");
    world.drop_now().await
}

/// A worker that is gone at any point of the transaction of a step, with the database's own eyes: the session is ended from outside.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_within_a_step_leaves_it_to_the_next() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let id = raise(&world, person, Severity::P1, 0).await?;
    let mut dice = Dice(5);
    let mut failed = 0;
    let workers = Database::connect(world.url(), 2).await?;
    for second in (0..=900).step_by(20) {
        let stop = CancellationToken::new();
        let ways = all_ways();
        let work = deadlines::tick(&workers, &ways, at(second), &stop);
        let end = async {
            tokio::time::sleep(std::time::Duration::from_micros(dice.below(6_000))).await;
            world
                .strings(
                    "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE '%in transaction%'",
                )
                .await
        };
        let (worked, _) = tokio::join!(work, end);
        failed += u32::from(worked.is_err());
    }
    tick(&world, 900).await?;
    eprintln!("looks that lost their session: {failed}");
    let done = steps(&world, id).await;
    let expected: Vec<String> = (0..3)
        .flat_map(|lap| {
            let number = lap + 1;
            [
                format!("call {number}.1 {}", lap * 300),
                format!("call {number}.2 {}", lap * 300 + 120),
                format!("nobody {number}.3 {}", lap * 300 + 300),
            ]
        })
        .chain(["failed 900".to_owned()])
        .collect();
    assert_eq!(done, expected);
    let keys = messages(&world, id).await;
    assert_eq!(keys.len(), 3 * (2 + 2) - 2);
    let of_failed = world
        .strings(&format!(
            "SELECT incident_id::text FROM incident WHERE grouping_key = 'escalation:{id}'"
        ))
        .await;
    assert_eq!(of_failed.len(), 1);
    world.drop_now().await
}

/// How long an acknowledgement holds is said by the agency responsible on the side of who has it, or by the nearest above; else by the installation.
#[tokio::test(flavor = "multi_thread")]
async fn each_agency_says_how_long_an_acknowledgement_holds() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    world
        .execute(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone)
            VALUES ('00000000-0000-0000-0000-000000000010', 'town', 'Town', 'administration', 'UTC')",
        )
        .await;
    let minutes = |minutes: [i64; 4]| minutes.map(SignedDuration::from_mins);
    let say = async |path: &str, acknowledged: Option<[i64; 4]>| {
        let patience = acknowledged.map(|acknowledged| Patience {
            acknowledged: minutes(acknowledged),
            in_action: minutes(acknowledged.map(|minutes| minutes * 2)),
        });
        agency::set_patience(&world.client().await, path, patience.as_ref()).await
    };
    let mut second = 0;
    let mut holds = async |user| -> Result<(i64, i64)> {
        second += 100_000;
        let id = raise(&world, person, Severity::P2, second).await?;
        let left = async |id: uuid::Uuid| -> Result<i64> {
            let due = format!(
                "SELECT (extract(epoch FROM deadline_at)::bigint - {})::text FROM incident WHERE incident_id = '{id}'",
                START + second
            );
            Ok(world.strings(&due).await[0].parse::<i64>()? / 60)
        };
        incident::acknowledge(&world.db, id, user, None, at(second)).await?;
        let acknowledged = left(id).await?;
        incident::start_action(&world.db, id, user, None, at(second)).await?;
        let in_action = left(id).await?;
        incident::close(&world.db, id, user, ClosingCode::Test, "", None, at(second)).await?;
        Ok((acknowledged, in_action))
    };
    assert_eq!(holds(world.officer).await?, (15, 240), "as the installation says");
    assert!(say("town", Some([3, 7, 20, 30])).await?);
    assert_eq!(holds(world.officer).await?, (7, 14), "as the one above says");
    assert!(say("town.police", Some([1, 2, 3, 4])).await?);
    assert_eq!(holds(world.officer).await?, (2, 4), "as the station says");
    assert_eq!(
        holds(world.worker).await?,
        (7, 14),
        "as the town says for the other side"
    );
    assert!(say("town", None).await? && say("town.police", None).await?);
    assert_eq!(holds(world.worker).await?, (15, 240));
    assert!(!say("nowhere", Some([1, 2, 3, 4])).await?);
    for bad in [[0, 1, 2, 3], [5, 4, 5, 6], [1, 2, 3, 100_000]] {
        assert!(say("town", Some(bad)).await.is_err(), "{bad:?}");
    }
    // Nor by hand.
    for bad in [
        "acknowledged_min = '{1,2,3,4}'",
        "acknowledged_min = '{1,2,3,4}', in_action_min = '{1,2,3,3}'",
        "acknowledged_min = '{1,2,3,4}', in_action_min = '{1,2,3,NULL}'",
        "acknowledged_min = '{4,3,3,4}', in_action_min = '{4,4,4,4}'",
    ] {
        let refused = world
            .client()
            .await
            .batch_execute(&format!("UPDATE agency SET {bad}"))
            .await;
        assert!(refused.is_err(), "{bad}");
    }
    world.drop_now().await
}
