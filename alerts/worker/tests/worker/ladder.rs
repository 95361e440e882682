//! Nobody answers for an hour, on a real database: every step at its exact time, nothing twice, nothing skipped, with two workers
//! and workers that die in the middle.

use std::{collections::BTreeSet, time::Duration};

use alerts::{
    Audience, ClosingCode, Severity,
    ladder::{Scope, Step},
    roster::{Callee, Via},
};
use anyhow::Result;
use casedb::{
    escalation::{self, DESK, Look, NewAssignment, NewLadder},
    incident::{self, Suspension, SystemIncident},
};
use homeward_alerts_worker::{WorkerConfig, deadlines};
use jiff::{SignedDuration, Timestamp};
use proto::{
    PersonId,
    wire::{Edge, EventKind},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{self, World, event};

pub(crate) const START: i64 = 1_790_000_000;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// The same numbers in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

pub(crate) async fn raise(world: &World, person: PersonId, severity: Severity, second: i64) -> Result<Uuid> {
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let key = format!("test:{second}");
    let system = SystemIncident {
        kind: "device_faulty",
        person: Some(person),
        police_agency: None,
        social_agency: None,
        grouping_key: &key,
        severity,
        audience: Audience::Both,
        text: "no report",
        at: at(second),
    };
    let raised = incident::raise_system(&transaction, &system).await?;
    transaction.commit().await?;
    Ok(raised.incident.incident_id)
}

/// All channels that lead to users.
pub(crate) fn all_ways() -> BTreeSet<Via> {
    BTreeSet::from([Via::Mail, Via::Sms, Via::Push])
}

pub(crate) async fn tick(world: &World, second: i64) -> Result<usize> {
    Ok(
        deadlines::tick(&world.db, &all_ways(), at(second), &CancellationToken::new())
            .await?
            .len(),
    )
}

/// What the ladder has done about an incident: word, lap and step, second at which it was due.
pub(crate) async fn steps(world: &World, incident: Uuid) -> Vec<String> {
    world
        .strings(&format!(
            "SELECT concat_ws(' ', action, code, extract(epoch FROM due_at)::bigint - {START}) FROM incident_action
            WHERE incident_id = '{incident}' AND action IN ('call', 'nobody', 'failed', 'expire', 'wake') ORDER BY action_id"
        ))
        .await
}

/// Messages of the ladder about an incident, by key.
pub(crate) async fn messages(world: &World, incident: Uuid) -> Vec<String> {
    world
        .strings(&format!(
            "SELECT idempotency_key FROM notification WHERE incident_id = '{incident}' AND idempotency_key LIKE '%@1:%' ORDER BY 1"
        ))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_for_an_hour() -> Result<()> {
    for world in World::on_every_edition().await? {
        world
            .execute(
                "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES
                    ('00000000-0000-0000-0000-000000000005', 'chief', 'C.', 'supervisor', '00000000-0000-0000-0000-000000000001', '')",
            )
            .await;
        let person = world.person("HZ-1", 2).await?;
        let id = raise(&world, person, Severity::P1, 0).await?;
        let mut dice = Dice(42);
        let (mut second, mut died) = (0_i64, 0);
        while second < 3_600 {
            // Two workers at once; now and then one dies wherever it is, and now and then nobody looks for a while.
            let dies = dice.below(3) == 0;
            let survives = Duration::from_micros(dice.below(3_000));
            let mortal = async {
                if dies {
                    tokio::time::timeout(survives, tick(&world, second)).await.is_err()
                } else {
                    tick(&world, second).await.unwrap();
                    false
                }
            };
            let (dead, _) = tokio::join!(mortal, async { tick(&world, second).await.unwrap() });
            died += u32::from(dead);
            let longest = if dice.below(10) == 0 { 400 } else { 40 };
            second += 1 + i64::try_from(dice.below(longest)).unwrap();
        }
        tick(&world, 3_600).await?;
        // Console at once, officers after 2 min, the supervisor after 3 more, then 5: three times, and then it has failed.
        let lap = [0, 120, 300];
        let mut expected = Vec::new();
        for lap_number in 0..3 {
            for (step, offset) in (1..).zip(lap) {
                expected.push(format!("call {}.{step} {}", lap_number + 1, lap_number * 600 + offset));
            }
        }
        expected.push("failed 1800".to_owned());
        assert_eq!(steps(&world, id).await, expected);
        // Two consoles, an officer and a social worker, the supervisor; in each lap; each once. The first time the consoles were told with
        // the incident itself, at the instant of the step.
        assert_eq!(messages(&world, id).await.len(), 3 * (2 + 2 + 1) - 2);
        let consoles = format!(
            "SELECT recipient || ' ' || count(*) FROM notification WHERE incident_id = '{id}' AND recipient LIKE 'agency:%'
            GROUP BY recipient ORDER BY 1"
        );
        let each = [world.police, world.social].map(|agency| format!("agency:{agency} 3"));
        assert_eq!(world.strings(&consoles).await, each, "once in each lap, and no more");

        // A failed escalation is an incident, and is climbed until somebody comes: another half an hour.
        let failed = world
            .strings(&format!(
                "SELECT incident_id::text FROM incident WHERE grouping_key = 'escalation:{id}' AND severity = 1 AND kind = 'escalation_failed'"
            ))
            .await;
        assert_eq!(failed.len(), 1);
        let failed: Uuid = failed[0].parse()?;
        let mut expected = Vec::new();
        for lap_number in 0..4 {
            for (step, offset) in (1..).zip(lap) {
                let due = 1_800 + lap_number * 600 + offset;
                if due <= 3_600 {
                    expected.push(format!("call {}.{step} {due}", lap_number + 1));
                }
            }
        }
        assert_eq!(steps(&world, failed).await, expected);
        let keys = messages(&world, failed).await;
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert_eq!(keys.len(), 3 * 5 + 2 - 2);
        let client = world.client().await;
        for incident in [id, failed] {
            let (course, same) = incident::replayed(&client, incident).await?;
            assert!(same && course.calls());
        }
        // Somebody comes: what had failed is over and closed by the system, with typed records, and calls nobody any more.
        incident::acknowledge(&world.db, id, world.officer, None, at(3_601)).await?;
        let (course, same) = incident::replayed(&client, failed).await?;
        assert!(same && !course.ongoing() && !course.calls());
        let words = format!(
            "SELECT concat_ws(' ', action, code, record ->> 'by', text) FROM incident_action
            WHERE incident_id = '{failed}' AND acted_at >= to_timestamp({START} + 3601) AND user_id IS NULL ORDER BY action_id"
        );
        let number = &world
            .strings(&format!("SELECT number::text FROM incident WHERE incident_id = '{id}'"))
            .await[0];
        assert_eq!(
            world.strings(&words).await,
            [
                format!("event {{\"system\": \"events\"}} Incident {number} was taken on."),
                format!("close transferred {{\"system\": \"events\"}} Incident {number} was taken on."),
            ]
        );
        // Climbed until the deadline of the next step, not looked at in vain.
        assert_eq!(tick(&world, 3_601).await?, 0);
        eprintln!("workers that died on the way: {died}");
        assert!(died > 0);
        drop(client);
        world.drop_now().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_comes_is_told_once_and_over_when_it_is_mended() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    world.person("HZ-1", 2).await?;
    let now = Timestamp::now();
    assert_eq!(
        escalation::watch(&world.db, &BTreeSet::new(), now).await?,
        Look::BuiltIn
    );
    world.patient().await?;
    assert_eq!(escalation::watch(&world.db, &BTreeSet::new(), now).await?, Look::Whole);
    let open = "SELECT concat_ws(' ', kind, severity, state, ongoing) FROM incident WHERE grouping_key = 'ladders' ORDER BY number";
    assert!(world.strings(open).await.is_empty());
    // Behind the program's back, which would refuse it: the only step calls an officer of the police, and nobody is called about what is for
    // social work alone.
    let officer = format!(
        "INSERT INTO ladder_revision (ladder_id, revision, laps, steps)
        SELECT ladder_id, 2, 1, '[{{\"call\":{{\"user\":\"{}\"}},\"via\":[\"console\"],\"wait\":\"PT5M\"}}]' FROM ladder",
        world.officer
    );
    world.execute(&officer).await;
    assert_eq!(
        escalation::watch(&world.db, &BTreeSet::new(), now).await?,
        Look::Gap(true)
    );
    assert_eq!(
        escalation::watch(&world.db, &BTreeSet::new(), now).await?,
        Look::Gap(false),
        "once"
    );
    assert_eq!(world.strings(open).await, ["nobody_to_call 2 notified t"]);
    let told = world
        .strings("SELECT text FROM incident_action WHERE action = 'raise'")
        .await;
    assert!(
        told[0].starts_with("Nobody could be called by ladder patient at "),
        "{told:?}"
    );
    let desk = format!(
        "INSERT INTO ladder_revision (ladder_id, revision, laps, steps)
        SELECT ladder_id, 3, 1, '[{{\"call\":{{\"rota\":\"{}\"}},\"via\":[\"console\"],\"wait\":\"PT5M\"}}]' FROM ladder",
        escalation::DESK
    );
    world.execute(&desk).await;
    assert_eq!(escalation::watch(&world.db, &BTreeSet::new(), now).await?, Look::Whole);
    assert_eq!(world.strings(open).await, ["nobody_to_call 2 notified f"]);

    // It rests on short messages alone, whose gateway is taken out of the settings later.
    let phones = format!(
        "UPDATE app_user SET phone = '+86138' || lpad((abs(hashtext(username)) % 100000000)::text, 8, '0');
        INSERT INTO ladder_revision (ladder_id, revision, laps, steps)
        SELECT ladder_id, 4, 1, '[{{\"call\":{{\"user\":\"{}\"}},\"via\":[\"sms\"],\"wait\":\"PT5M\"}},
            {{\"call\":{{\"user\":\"{}\"}},\"via\":[\"sms\"],\"wait\":\"PT5M\"}}]' FROM ladder",
        world.officer, world.worker
    );
    world.execute(&phones).await;
    let sms = BTreeSet::from([Via::Sms]);
    assert_eq!(escalation::watch(&world.db, &sms, now).await?, Look::Whole);
    assert_eq!(
        escalation::watch(&world.db, &BTreeSet::new(), now).await?,
        Look::Gap(false),
        "the open one goes on"
    );
    assert_eq!(world.strings(open).await, ["nobody_to_call 2 notified t"]);
    assert_eq!(escalation::watch(&world.db, &sms, now).await?, Look::Whole);
    // Whoever it calls is disabled.
    world.execute("UPDATE app_user SET disabled_at = now()").await;
    assert_eq!(escalation::watch(&world.db, &sms, now).await?, Look::Gap(false));
    // Without any ladder of the installation's own the built-in ones hold, and the gap is over.
    world
        .execute("BEGIN; SET LOCAL homeward.erasure = 'on'; DELETE FROM ladder_assignment; COMMIT")
        .await;
    assert_eq!(escalation::watch(&world.db, &sms, now).await?, Look::BuiltIn);
    assert_eq!(world.strings(open).await, ["nobody_to_call 2 notified f"]);
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_expires_and_a_suspension_ends() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let id = raise(&world, person, Severity::P2, 0).await?;
    tick(&world, 0).await?;
    incident::acknowledge(&world.db, id, world.officer, None, at(10)).await?;
    // While somebody has it, nobody is called; a note of theirs is a sign, and prolongs it.
    assert_eq!(tick(&world, 600).await?, 0);
    incident::note(
        &world.db,
        id,
        world.officer,
        "on the phone with them",
        Audience::Both,
        at(610),
    )
    .await?;
    assert_eq!(tick(&world, 910).await?, 0);
    // Nothing follows for fifteen minutes: it goes back to everybody, from the ladder's foot, from that very instant on.
    assert_eq!(tick(&world, 1_700).await?, 1);
    let suspension = Suspension {
        authority: "court 3",
        reason: "in hospital",
        until: at(3_000),
    };
    incident::suspend(&world.db, id, world.officer, &suspension, None, at(1_705)).await?;
    assert_eq!(tick(&world, 2_999).await?, 0);
    assert_eq!(tick(&world, 3_000).await?, 1);
    assert_eq!(
        steps(&world, id).await,
        [
            "call 1.1 0",
            "expire 1510",
            "call 1.1 1510",
            "wake 3000",
            "call 1.1 3000"
        ]
    );
    // Nothing is called twice under one key though the steps are the same: each time is a round of its own.
    // The consoles were told of the first with the incident; of the others nobody had told them.
    assert_eq!(messages(&world, id).await.len(), 2 * 2);
    incident::close(
        &world.db,
        id,
        world.officer,
        ClosingCode::DeviceFault,
        "",
        None,
        at(3_010),
    )
    .await?;
    assert_eq!(tick(&world, 90_000).await?, 0);
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_an_older_version_calls_from_now_on() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    world
        .execute(&format!(
            "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at, raised_at, version, deadline_at)
            VALUES ('{}', '{person}', 'silence', 'silence', 3, 'both', 'notified', now() - interval '90 days', now() - interval '90 days', 2, now())",
            Uuid::from_u128(77)
        ))
        .await;
    let later = Timestamp::now() + SignedDuration::from_secs(60);
    let done = deadlines::tick(&world.db, &all_ways(), later, &CancellationToken::new()).await?;
    assert_eq!((done.len(), done[0].called, done[0].failed), (1, 1, false));
    let words = world
        .strings("SELECT action FROM incident_action ORDER BY action_id")
        .await;
    assert_eq!(words, ["carry_over", "carry_over", "call"]);
    let client = world.client().await;
    assert!(incident::replayed(&client, Uuid::from_u128(77)).await?.1);
    drop(client);
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_violation_opens_what_was_closed_where_that_is_set() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let running = world.start(WorkerConfig {
        reopen_within: Duration::from_hours(20_000),
        ..support::quick()
    });
    world
        .append(&[event(person, EventKind::Silence, Edge::Onset, None, 100)])
        .await?;
    world.caught_up().await;
    let id = world.incidents().await[0].id;
    // Closed before the next violation begins.
    let code = ClosingCode::WarningGiven;
    incident::close(&world.db, id, world.officer, code, "", None, Timestamp::now()).await?;
    world
        .execute(
            "ALTER TABLE incident DISABLE TRIGGER incident_law; UPDATE incident SET closed_at = '2026-01-01T00:05:00Z';
            ALTER TABLE incident ENABLE TRIGGER incident_law",
        )
        .await;
    world
        .append(&[event(person, EventKind::Silence, Edge::Onset, None, 400)])
        .await?;
    world.caught_up().await;
    running.stop().await?;
    let all = world.incidents().await;
    assert_eq!(
        (all.len(), all[0].id, all[0].state.as_str(), all[0].ongoing),
        (1, id, "notified", true)
    );
    assert_eq!(all[0].events, 2);
    let words = world
        .strings("SELECT action FROM incident_action WHERE action NOT IN ('call', 'nobody') ORDER BY action_id")
        .await;
    assert_eq!(words, ["raise", "notify", "close", "reopen", "notify"]);
    let client = world.client().await;
    assert!(incident::replayed(&client, id).await?.1);
    drop(client);
    world.drop_now().await
}

/// In real time: a ladder of ten seconds a step, two workers of which one is stopped and another is started.
#[tokio::test(flavor = "multi_thread")]
async fn steps_come_in_time() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let steps_of_ten: Vec<Step> = [
        Callee::Rota(DESK),
        Callee::User(world.officer),
        Callee::User(world.worker),
    ]
    .into_iter()
    .map(|call| Step {
        call,
        via: vec![Via::Console],
        wait: SignedDuration::from_secs(10),
    })
    .collect();
    let now = Timestamp::now();
    let quick = NewLadder {
        steps: &steps_of_ten,
        laps: 1,
        delay: SignedDuration::ZERO,
    };
    let (_, checked) = escalation::set_ladder(&transaction, "quick", &quick, None, now).await?;
    checked?;
    let plan = escalation::load(&transaction).await?;
    let ladder = plan.ladders.keys().next().copied();
    let everybody = NewAssignment {
        scope: Scope::Everywhere,
        severity: None,
        audience: None,
        ladder,
    };
    escalation::assign(&transaction, &everybody, None, now).await??;
    transaction.commit().await?;
    drop(client);
    let [one, two] = [world.start(support::quick()), world.start(support::quick())];
    let began = (Timestamp::now().as_second() - START) + 1;
    let id = raise(&world, person, Severity::P1, began).await?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    one.crash();
    let three = world.start(support::quick());
    support::wait_for("the failure", async || {
        steps(&world, id)
            .await
            .last()
            .filter(|last| last.starts_with("failed"))
            .map(drop)
    })
    .await;
    for running in [two, three] {
        running.stop().await?;
    }
    let expected: Vec<String> = [("call 1.1", 0), ("call 1.2", 10), ("call 1.3", 20), ("failed", 30)]
        .map(|(step, after)| format!("{step} {}", began + after))
        .to_vec();
    assert_eq!(steps(&world, id).await, expected);
    let late = world
        .strings(&format!(
            "SELECT (extract(epoch FROM max(acted_at - due_at)) * 1000)::bigint::text FROM incident_action
            WHERE incident_id = '{id}' AND due_at IS NOT NULL"
        ))
        .await;
    eprintln!("the latest step came {} ms after its instant", late[0]);
    assert!(late[0].parse::<i64>()? < 3_000);
    world.drop_now().await
}
