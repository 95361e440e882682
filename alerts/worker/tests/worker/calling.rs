//! Whether somebody is there to call: what is refused, what is told at once, and that the dry run says what then happens.

use std::collections::BTreeSet;

use alerts::{
    Audience, Severity,
    ladder::{Scope, Step, Subject, What, dry_run},
    roster::{Callee, Via},
    rota::{Crew, Day, Exception, Shift, Table},
};
use anyhow::Result;
use casedb::{
    escalation::{self, Concerned, DESK, Look, NewAssignment, NewLadder, OFFICERS, SUPERVISORS},
    incident,
};
use homeward_alerts_worker::{SmsConfig, SmsSettings, WorkerConfig, deadlines};
use jiff::{
    SignedDuration, Timestamp,
    civil::{date, time},
};
use proto::PersonId;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    ladder::{Dice, START, all_ways, at, raise, steps, tick},
    support::{self, World, wait_for},
};

fn step(call: Callee, via: &[Via], seconds: i64) -> Step {
    Step {
        call,
        via: via.to_vec(),
        wait: SignedDuration::from_secs(seconds),
    }
}

/// Stores a ladder and says what a check says; what was refused is not stored.
async fn set(world: &World, name: &str, scope: Option<Scope>, steps: &[Step], laps: u32) -> Result<Result<(), String>> {
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let now = Timestamp::now();
    let new = NewLadder {
        steps,
        laps,
        delay: SignedDuration::ZERO,
    };
    let (_, mut checked) = escalation::set_ladder(&transaction, name, &new, None, now).await?;
    if let Some(scope) = scope {
        let plan = escalation::load(&transaction).await?;
        let ladder = plan.ladders.iter().find(|(_, (own, _))| own == name).map(|(id, _)| *id);
        let assignment = NewAssignment {
            scope,
            severity: None,
            audience: None,
            ladder,
        };
        checked = escalation::assign(&transaction, &assignment, None, now).await?;
    }
    Ok(match checked {
        Ok(_) => {
            transaction.commit().await?;
            Ok(())
        }
        Err(refused) => Err(refused.to_string()),
    })
}

const OPEN: &str =
    "SELECT concat_ws(' ', severity, ongoing) FROM incident WHERE grouping_key = 'ladders' AND state <> 'closed'";

async fn told(world: &World, what: &str, wanted: &str) {
    wait_for(what, async || (world.strings(OPEN).await == [wanted]).then_some(())).await;
}

/// Each way to lose somebody, by SQL and so behind everything that would refuse it: a worker that runs tells it at once, and that it is mended.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_leaves_nobody_to_call_is_told_at_once() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    world.person("HZ-1", 2).await?;
    world
        .execute(
            "UPDATE app_user SET phone = '+8613800000001' WHERE username = 'officer';
            UPDATE app_user SET phone = '+8613800000002' WHERE username = 'worker'",
        )
        .await;
    let calls = [
        step(Callee::User(world.officer), &[Via::Sms, Via::Push], 60),
        step(Callee::User(world.worker), &[Via::Sms], 60),
    ];
    set(&world, "by-phone", Some(Scope::Everywhere), &calls, 1)
        .await?
        .unwrap();
    let with_gateway = || WorkerConfig {
        sms: Some(
            SmsConfig::new(&SmsSettings {
                url: "http://127.0.0.1:9/{to}?text={text}",
                method: "GET",
                segments: 2,
                ..SmsSettings::default()
            })
            .unwrap(),
        ),
        ..support::quick()
    };
    let running = world.start(with_gateway());
    let officer = "WHERE username = 'officer'";
    let breaks = [
        ("disabled", "SET disabled_at = now()", "SET disabled_at = NULL"),
        ("of another role", "SET role = 'auditor'", "SET role = 'duty_officer'"),
        (
            "of another agency",
            "SET agency_id = '00000000-0000-0000-0000-000000000002'",
            "SET agency_id = '00000000-0000-0000-0000-000000000001'",
        ),
        (
            "without a telephone",
            "SET phone = NULL",
            "SET phone = '+8613800000001'",
        ),
    ];
    let mut all: Vec<(String, String, String)> = breaks
        .map(|(what, off, on)| {
            let of = |change: &str| format!("UPDATE app_user {change} {officer}");
            (what.to_owned(), of(off), of(on))
        })
        .to_vec();
    let agency = |change: &str| format!("UPDATE agency SET {change} WHERE agency_id = '{}'", world.police);
    all.push((
        "of an agency out of use".into(),
        "UPDATE app_user SET agency_id = '00000000-0000-0000-0000-000000000009' WHERE username = 'officer'".into(),
        format!("UPDATE app_user SET agency_id = '{}' {officer}", world.police),
    ));
    world
        .execute(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone, disabled_at)
            VALUES ('00000000-0000-0000-0000-000000000009', 'town', 'Old', 'police', 'UTC', now())",
        )
        .await;
    all.push((
        "beside an agency that moved under it".into(),
        format!(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone)
                VALUES ('00000000-0000-0000-0000-000000000008', 'county.police', 'County', 'police', 'UTC');
            UPDATE person SET police_agency_id = '00000000-0000-0000-0000-000000000008'; {}",
            agency("path = 'county.police.town'")
        ),
        format!(
            "UPDATE person SET police_agency_id = '{}'; {}",
            world.police,
            agency("path = 'town.police'")
        ),
    ));
    all.push((
        "away".into(),
        format!(
            "INSERT INTO absence (user_id, starts_at, ends_at, reason) VALUES ('{}', now() + interval '900 days', now() + interval '901 days', '')",
            world.officer
        ),
        format!(
            "INSERT INTO absence (user_id, starts_at, ends_at, takes_back)
            SELECT user_id, starts_at, ends_at, absence_id FROM absence WHERE user_id = '{}'",
            world.officer
        ),
    ));
    for (n, (what, off, on)) in all.iter().enumerate() {
        world.execute(off).await;
        told(&world, &format!("the officer who is {what} to be told"), "2 t").await;
        world.execute(on).await;
        told(&world, &format!("the end of an officer who is {what}"), "2 f").await;
        let id = world
            .strings("SELECT incident_id::text FROM incident WHERE grouping_key = 'ladders' AND state <> 'closed'")
            .await[0]
            .parse()?;
        incident::close(
            &world.db,
            id,
            world.officer,
            alerts::ClosingCode::Test,
            "",
            None,
            Timestamp::now(),
        )
        .await?;
        let number = world
            .strings("SELECT number::text FROM incident WHERE grouping_key = 'ladders'")
            .await
            .len();
        assert_eq!(number, n + 1, "one for each, and one only: {what}");
    }
    running.stop().await?;

    // The gateway is taken out of the settings.
    let running = world.start(support::quick());
    told(&world, "the gateway that is not there", "2 t").await;
    running.stop().await?;
    let running = world.start(with_gateway());
    told(&world, "the gateway that is there again", "2 f").await;
    running.stop().await?;
    world.drop_now().await
}

/// Incidents are about more than people: of an agency alone, or of the nearest above several. Somebody must see these too.
#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_must_call_for_all_whose_incidents_there_may_be() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    world.person("HZ-1", 2).await?;
    let own = [
        step(Callee::User(world.officer), &[Via::Console], 60),
        step(Callee::User(world.worker), &[Via::Console], 60),
    ];
    // The canary's person is nobody's, and no reason to refuse.
    world
        .execute(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone)
                VALUES ('00000000-0000-0000-0000-00000000000c', 'canary', 'Canary', 'administration', 'UTC');
            INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, risk_level, time_zone, canary)
                VALUES ('00000000-0000-0000-0000-0000000000ca', 'CANARY', 'C', '00000000-0000-0000-0000-00000000000c',
                    '00000000-0000-0000-0000-00000000000c', 3, 'UTC', true)",
        )
        .await;
    set(&world, "own", Some(Scope::Everywhere), &own, 1).await?.unwrap();
    // Of people of an agency that was taken out of use no monitoring runs.
    world
        .execute(&format!(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone, disabled_at)
                VALUES ('00000000-0000-0000-0000-00000000000d', 'old.police', 'Old', 'police', 'UTC', now());
            INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, risk_level, time_zone)
                VALUES ('00000000-0000-0000-0000-0000000000cb', 'OLD-1', 'O', '00000000-0000-0000-0000-00000000000d', '{}', 3, 'UTC')",
            world.social
        ))
        .await;
    set(&world, "own", None, &own, 1).await?.unwrap();

    // A second station of the same town with people of its own, and an officer each. A cause that hits people of both is told to the town.
    world
        .execute(&format!(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES
                ('00000000-0000-0000-0000-000000000010', 'town', 'Town', 'police', 'UTC'),
                ('00000000-0000-0000-0000-000000000011', 'town.east', 'East', 'police', 'UTC');
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES
                ('00000000-0000-0000-0000-000000000012', 'east', 'E.', 'duty_officer', '00000000-0000-0000-0000-000000000011', '');
            INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, risk_level, time_zone)
                VALUES ('00000000-0000-0000-0000-0000000000cc', 'HZ-9', 'N', '00000000-0000-0000-0000-000000000011', '{}', 3, 'UTC')",
            world.social
        ))
        .await;
    let both = |more: &[Step]| {
        let mut calls = own.to_vec();
        calls.push(step(Callee::User(Uuid::from_u128(0x12)), &[Via::Console], 60));
        calls.extend_from_slice(more);
        calls
    };
    let refused = set(&world, "own", None, &both(&[]), 1).await?.unwrap_err();
    assert!(
        refused.contains("people of town and town.social") && refused.contains("audience police: nobody to call"),
        "{refused}"
    );
    world
        .execute(
            "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES
                ('00000000-0000-0000-0000-000000000013', 'chief', 'C.', 'supervisor', '00000000-0000-0000-0000-000000000010', '')",
        )
        .await;
    let chief = [step(Callee::User(Uuid::from_u128(0x13)), &[Via::Console], 60)];
    set(&world, "own", None, &both(&chief), 1).await?.unwrap();
    assert_eq!(
        escalation::watch(&world.db, &all_ways(), Timestamp::now()).await?,
        Look::Whole
    );

    // An emergency access is told to the agency of who opened it: here one under which nobody is called.
    world
        .execute(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone)
                VALUES ('00000000-0000-0000-0000-000000000014', 'west', 'West', 'police', 'UTC');
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES
                ('00000000-0000-0000-0000-000000000015', 'west', 'W.', 'duty_officer', '00000000-0000-0000-0000-000000000014', '')",
        )
        .await;
    let refused = set(&world, "own", None, &both(&chief), 1).await?.unwrap_err();
    assert!(
        refused.contains("incidents of west about nobody in particular") && !refused.contains("people of"),
        "{refused}"
    );
    let west = [
        chief[0].clone(),
        step(Callee::User(Uuid::from_u128(0x15)), &[Via::Console], 60),
    ];
    set(&world, "own", None, &both(&west), 1).await?.unwrap();
    world.drop_now().await
}

/// What failed because its ladder called nobody calls by one that is mended, from its next lap on.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_escalation_goes_on_with_the_ladder_that_holds_now() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let calls = [
        step(Callee::User(world.officer), &[Via::Console], 60),
        step(Callee::User(world.worker), &[Via::Console], 60),
    ];
    set(&world, "two", Some(Scope::Everywhere), &calls, 1).await?.unwrap();
    let id = raise(&world, person, Severity::P1, 0).await?;
    assert_eq!(tick(&world, 0).await?, 1);
    // Both leave at once.
    world.execute("UPDATE app_user SET disabled_at = now()").await;
    tick(&world, 60).await?;
    assert_eq!(steps(&world, id).await, ["call 1.1 0", "nobody 1.2 60", "failed 60"]);
    let failed: Uuid = world
        .strings(&format!(
            "SELECT incident_id::text FROM incident WHERE grouping_key = 'escalation:{id}'"
        ))
        .await[0]
        .parse()?;
    for second in [60, 120, 180] {
        tick(&world, second).await?;
    }
    let nobody = |from: i64| ["1", "2"].map(|n| format!("nobody {}.{n} {from}", (from - 60) / 60 + 1));
    assert_eq!(steps(&world, failed).await, [60, 120, 180].map(nobody).concat());
    // A new officer, and a ladder that knows of him.
    world
        .execute(&format!(
            "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES
                ('00000000-0000-0000-0000-000000000020', 'new', 'N.', 'supervisor', '{}', '')",
            world.police
        ))
        .await;
    let mended = [
        step(Callee::User(Uuid::from_u128(0x20)), &[Via::Console], 30),
        step(Callee::Rota(DESK), &[Via::Console], 30),
    ];
    set(&world, "two", None, &mended, 3).await?.unwrap();
    for second in [240, 270, 300] {
        tick(&world, second).await?;
    }
    let since = steps(&world, failed).await.split_off(6);
    assert_eq!(since, ["call 4.1 240", "call 4.2 270", "call 5.1 300"]);
    // One that calls somebody is followed to its end, and no further.
    set(&world, "two", None, &[step(Callee::Rota(DESK), &[Via::Console], 40)], 1)
        .await?
        .unwrap();
    for second in [330, 360, 400, 440] {
        tick(&world, second).await?;
    }
    let since = steps(&world, failed).await.split_off(9);
    assert_eq!(since, ["call 5.2 330", "call 6.1 360", "call 7.1 400", "call 8.1 440"]);
    let client = world.client().await;
    assert!(incident::replayed(&client, failed).await?.1);
    drop(client);
    world.drop_now().await
}

/// Steps, rotas with hand-overs, holidays, swaps, absences in time zones with clocks that change, addresses and channels at random: what the dry run
/// says at once is what the worker then does, to the second, to the same people over the same channels.
#[tokio::test(flavor = "multi_thread")]
async fn the_dry_run_says_to_the_second_what_then_happens() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    world
        .execute(&format!(
            "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash, email, phone) VALUES
                ('00000000-0000-0000-0000-000000000021', 'm1', 'M1', 'duty_officer', '{0}', '', 'm1@police.example', NULL),
                ('00000000-0000-0000-0000-000000000022', 'm2', 'M2', 'duty_officer', '{0}', '', NULL, '+8613800000022'),
                ('00000000-0000-0000-0000-000000000023', 'm3', 'M3', 'supervisor', '{0}', '', 'm3@police.example', '+8613800000023'),
                ('00000000-0000-0000-0000-000000000024', 'm4', 'M4', 'social_worker', '{1}', '', NULL, '+8613800000024')",
            world.police, world.social
        ))
        .await;
    let mut dice = Dice(7);
    let mut seen = BTreeSet::new();
    for case in 0..24_u32 {
        let person = world.person(&format!("HZ-{case}"), 2).await?;
        // Behind the checks, so that steps and instants with nobody come up as well.
        let rota = random_rota(&world, &mut dice, case).await?;
        let (steps, laps) = random_steps(&world, &mut dice, rota);
        let delay = [0, 0, 45, 7_200][usize::try_from(dice.below(4))?];
        store(&world, person, case, &steps, laps, delay).await?;
        let set_up: BTreeSet<Via> = all_ways().into_iter().filter(|_| dice.below(4) > 0).collect();
        // Somewhere around a change of clocks in the zone of the rota, or just anywhere in two years.
        let begins = [1_774_746_000, 1_792_886_400, START][usize::try_from(dice.below(3))?];
        let from = begins - START + i64::try_from(dice.below(200_000))? - 100_000;
        let severity = Severity::ALL[usize::try_from(dice.below(4))?];
        agrees(&world, person, &set_up, severity, from, &mut seen).await?;
    }
    // All kinds of lines came up: else it shows nothing.
    for word in ["call", "nobody", "failed", "console", "mail", "sms"] {
        assert!(seen.contains(word), "{word} never came up: {seen:?}");
    }
    world.drop_now().await
}

async fn random_rota(world: &World, dice: &mut Dice, case: u32) -> Result<Uuid> {
    let people = [0x21, 0x22, 0x23, 0x24].map(Uuid::from_u128);
    let some = |dice: &mut Dice| -> Vec<Uuid> {
        let picked = people
            .iter()
            .filter(|_| dice.below(2) == 0)
            .copied()
            .collect::<Vec<_>>();
        if picked.is_empty() { vec![people[0]] } else { picked }
    };
    let hour = |dice: &mut Dice| {
        time(
            i8::try_from(dice.below(24)).unwrap(),
            if dice.below(2) == 0 { 0 } else { 30 },
            0,
            0,
        )
    };
    let mut shifts = Vec::new();
    for _ in 0..=dice.below(2) {
        let crew = if dice.below(2) == 0 {
            Crew::Fixed(some(dice))
        } else {
            Crew::Turns {
                from: date(2026, 1, 5),
                days: 1 + u16::try_from(dice.below(5))?,
                teams: vec![some(dice), some(dice)],
            }
        };
        let days = Day::ALL.into_iter().filter(|_| dice.below(5) > 0).collect::<Vec<_>>();
        shifts.push(Shift {
            days: if days.is_empty() { Day::ALL.to_vec() } else { days },
            from: hour(dice),
            to: hour(dice),
            crew,
        });
    }
    let zone = [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Shanghai",
    ][usize::try_from(dice.below(4))?];
    let day = |n: i64| {
        jiff::Timestamp::from_second(n)
            .unwrap()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
    };
    let table = Table {
        rota: Uuid::nil(),
        time_zone: zone.into(),
        overlap: SignedDuration::from_mins(30 * i64::try_from(dice.below(3))?),
        shifts: shifts.clone(),
        holidays: [1_774_746_000, 1_792_886_400, START, START + 86_400]
            .map(day)
            .into_iter()
            .collect(),
        holiday_shifts: if dice.below(2) == 0 {
            Vec::new()
        } else {
            vec![shifts[0].clone()]
        },
        exceptions: vec![Exception {
            from: day(START).at(3, 0, 0, 0),
            to: day(START).at(9, 30, 0, 0),
            away: (dice.below(2) == 0).then_some(people[1]),
            instead: vec![people[2]],
        }],
    };
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let name = format!("rota-{case}");
    let _ = escalation::set_rota(&transaction, &name, &table, None, Timestamp::now()).await?;
    let plan = escalation::load(&transaction).await?;
    transaction.commit().await?;
    Ok(*plan.rotas.iter().find(|(_, (own, _))| *own == name).unwrap().0)
}

fn random_steps(world: &World, dice: &mut Dice, rota: Uuid) -> (Vec<Step>, u32) {
    let callees = [
        Callee::Rota(rota),
        Callee::Rota(rota),
        Callee::Rota(DESK),
        Callee::Rota(OFFICERS),
        Callee::Rota(SUPERVISORS),
        Callee::User(world.worker),
        Callee::User(Uuid::from_u128(0x22)),
    ];
    let all = [Via::Push, Via::Sms, Via::Mail, Via::Console];
    let steps = (0..=dice.below(4))
        .map(|_| {
            let call = callees[usize::try_from(dice.below(7)).unwrap()];
            let mut via: Vec<Via> = all.into_iter().filter(|_| dice.below(2) == 0).collect();
            if via.is_empty() {
                via.push(Via::Sms);
            }
            step(call, &via, 10 + i64::try_from(dice.below(20_000)).unwrap())
        })
        .collect();
    (steps, 1 + u32::try_from(dice.below(3)).unwrap())
}

async fn store(world: &World, person: PersonId, case: u32, steps: &[Step], laps: u32, delay: i64) -> Result<()> {
    let mut client = world.db.client().await?;
    let transaction = client.transaction().await?;
    let name = format!("ladder-{case}");
    let new = NewLadder {
        steps,
        laps,
        delay: SignedDuration::from_secs(delay),
    };
    let now = Timestamp::now();
    let _ = escalation::set_ladder(&transaction, &name, &new, None, now).await?;
    let plan = escalation::load(&transaction).await?;
    let assignment = NewAssignment {
        scope: Scope::Person(person),
        severity: None,
        audience: None,
        ladder: plan
            .ladders
            .iter()
            .find(|(_, (own, _))| *own == name)
            .map(|(id, _)| *id),
    };
    let _ = escalation::assign(&transaction, &assignment, None, now).await?;
    transaction.commit().await?;
    Ok(())
}

async fn agrees(
    world: &World,
    person: PersonId,
    set_up: &BTreeSet<Via>,
    severity: Severity,
    from: i64,
    seen: &mut BTreeSet<String>,
) -> Result<()> {
    let client = world.db.client().await?;
    let mut plan = escalation::load(&client).await?;
    plan.only_over(set_up);
    let concerned = Concerned {
        person: Some(person.uuid()),
        police: Some(world.police),
        social: Some(world.social),
    };
    let units = plan.units_of(&concerned);
    let subject = Subject { person, units: &units };
    let lines = dry_run(
        &plan.protocols(&concerned),
        &subject,
        severity,
        Audience::Both,
        at(from),
    )
    .unwrap();
    let mut expected = Vec::new();
    for line in &lines {
        let due = line.at.as_second() - START;
        let place = format!("{}.{}", line.lap + 1, line.step + 1);
        expected.push(match &line.what {
            What::Call(called) => {
                let names = called
                    .iter()
                    .map(|one| format!("{} ({})", plan.name(one.user), one.via));
                seen.insert("call".into());
                seen.extend(called.iter().map(|one| one.via.to_string()));
                format!("call {place} {due} {}", names.collect::<Vec<_>>().join(", "))
            }
            What::Nobody => format!("nobody {place} {due}"),
            What::Failed => format!("failed {due}"),
        });
        seen.insert(expected.last().unwrap().split(' ').next().unwrap().to_owned());
    }
    drop(client);

    let id = raise(world, person, severity, from).await?;
    let mut now = from;
    loop {
        deadlines::tick(&world.db, set_up, at(now), &CancellationToken::new()).await?;
        let next = world
            .strings(&format!(
                "SELECT extract(epoch FROM deadline_at)::bigint::text FROM incident WHERE incident_id = '{id}' AND deadline_at IS NOT NULL"
            ))
            .await;
        match next.first() {
            Some(second) => now = second.parse::<i64>()? - START,
            None => break,
        }
    }
    let done = world
        .strings(&format!(
            "SELECT concat_ws(' ', action, code, extract(epoch FROM due_at)::bigint - {START},
                CASE action WHEN 'call' THEN text END) FROM incident_action
            WHERE incident_id = '{id}' AND action IN ('call', 'nobody', 'failed') ORDER BY action_id"
        ))
        .await;
    assert_eq!(done, expected, "set up {set_up:?}, from {from}");
    // What the ladder queued goes over channels that are there.
    let queued = world
        .strings(&format!(
            "SELECT DISTINCT channel FROM notification WHERE incident_id = '{id}' AND chain_key LIKE '%@%' AND position = 0"
        ))
        .await;
    for channel in queued.iter().filter(|channel| *channel != "console") {
        assert!(
            set_up.iter().any(|via| via.name() == channel),
            "{channel} is not set up"
        );
    }
    // It is out of the way of the next.
    let open = "SELECT incident_id::text FROM incident WHERE state <> 'closed' ORDER BY number LIMIT 1";
    // Closing the one ends the word that its escalation had failed.
    while let Some(id) = world.strings(open).await.pop() {
        let code = alerts::ClosingCode::Test;
        incident::close(&world.db, id.parse()?, world.officer, code, "", None, at(now + 1)).await?;
    }
    Ok(())
}
