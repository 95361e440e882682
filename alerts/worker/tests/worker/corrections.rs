//! Late events and corrections, from the stream to incidents and messages.

use alerts::{ClosingCode, route::Channel};
use anyhow::Result;
use casedb::{
    event::{Event, Stored},
    incident,
};
use jiff::Timestamp;
use proto::{
    EventId, PersonId, ViolationId, ZoneId,
    wire::{self, Edge, EventKind},
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::support::{self, Hook, World, event, wait_for};

const KIND: EventKind = EventKind::LeftDuringCurfew;

/// What a correction says: over after so many seconds, going on, or never been.
#[derive(Debug, Clone, Copy)]
enum Says {
    Ended(i64),
    GoesOn,
    Withdrawn,
}

/// A correction of the violation that [`event`] makes, decided `after_s` seconds after its onset.
fn correction(
    person: PersonId,
    kind: EventKind,
    zone: Option<ZoneId>,
    onset_s: i64,
    after_s: i64,
    says: Says,
) -> wire::Event {
    let onset = event(person, kind, Edge::Onset, zone, onset_s);
    let violation = ViolationId::from_wire(&onset.violation_id).unwrap();
    wire::Event {
        event_id: EventId::derive(violation, 1_000 + i32::try_from(after_s).unwrap()).to_wire(),
        edge: Edge::Correction as i32,
        end_us: match says {
            Says::Ended(seconds) => Some(onset.onset_us + seconds * 1_000_000),
            Says::GoesOn => None,
            // As the engine has it: a violation without length.
            Says::Withdrawn => Some(onset.onset_us),
        },
        withdrawn: matches!(says, Says::Withdrawn),
        decided_at_us: onset.onset_us + after_s * 1_000_000,
        late: true,
        ..onset
    }
}

/// Onset, perhaps an end, and corrections of a few violations of one person, in the order in which they were decided.
fn script(seed: u64, person: PersonId, home: ZoneId) -> Vec<wire::Event> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut events = Vec::new();
    for n in 0..rng.random_range(1..=3) {
        let kind = [KIND, KIND, EventKind::CurfewAbsentAtStart, EventKind::StrapTamper][rng.random_range(0..4)];
        let zone = (kind != EventKind::StrapTamper).then_some(home);
        let onset_s = 1_000 * (n + 1);
        let late = rng.random_bool(0.3);
        let mut onset = event(person, kind, Edge::Onset, zone, onset_s);
        onset.late = late;
        events.push(onset);
        if rng.random_bool(0.7) {
            events.push(event(person, kind, Edge::End, zone, onset_s));
        }
        for nth in 0..rng.random_range(0..=3) {
            let says = match rng.random_range(0..4) {
                0 => Says::GoesOn,
                1 => Says::Withdrawn,
                _ => Says::Ended(rng.random_range(1..100)),
            };
            events.push(correction(person, kind, zone, onset_s, 100 + nth, says));
        }
    }
    events
}

/// The law, against the tables: what is true in the end does not depend on the order in which it was told, nor on how often.
#[tokio::test(flavor = "multi_thread")]
async fn any_order_of_onsets_ends_and_corrections_ends_the_same() -> Result<()> {
    const SCRIPTS: u64 = 12;
    const ORDERS: u64 = 5;
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let home = world.zone("Home", "both").await?;
    let running = world.start(support::quick());
    for seed in 0..SCRIPTS {
        for order in 0..ORDERS {
            let person = world.person(&format!("{seed:02}-{order}"), 2).await?;
            let mut events = script(seed, person, home);
            if order > 0 {
                let mut rng = StdRng::seed_from_u64(seed * 100 + order);
                let again: Vec<wire::Event> = events.iter().filter(|_| rng.random_bool(0.5)).cloned().collect();
                events.extend(again);
                events.shuffle(&mut rng);
            }
            world.append(&events).await?;
        }
    }
    world.caught_up().await;
    let states = world
        .strings(
            "SELECT concat_ws(' ', p.reference, i.grouping_key, i.severity, i.state, i.ongoing, i.late, i.corrected, i.withdrawn,
                extract(epoch FROM i.onset_at)::bigint, coalesce(extract(epoch FROM i.ended_at)::bigint, 0), i.events)
             FROM incident i JOIN person p USING (person_id) ORDER BY p.reference, i.grouping_key",
        )
        .await;
    let of = |seed: u64, order: u64| -> Vec<String> {
        let name = format!("{seed:02}-{order} ");
        let own = states.iter().filter_map(|state| state.strip_prefix(&name));
        own.map(str::to_owned).collect()
    };
    for seed in 0..SCRIPTS {
        assert!(!of(seed, 0).is_empty());
        for order in 1..ORDERS {
            assert_eq!(of(seed, order), of(seed, 0), "script {seed}, order {order}");
        }
    }
    // The scripts have something of everything in them.
    for (place, column) in [(4, "ongoing"), (5, "late"), (6, "corrected"), (7, "withdrawn")] {
        for wanted in ["t", "f"] {
            let found = states.iter().any(|state| state.split(' ').nth(place) == Some(wanted));
            assert!(found, "no incident with {column} {wanted}");
        }
    }
    running.stop().await?;
    world.drop_now().await
}

/// A worker with a receiver of the police, and a person.
async fn room(world: &World) -> Result<(Hook, PersonId, ZoneId)> {
    let hook = Hook::start().await?;
    world
        .target(world.police, Channel::Webhook, &hook.url, Some(b"s"), 4)
        .await?;
    let person = world.person("HZ-1", 2).await?;
    let home = world.zone("Home", "both").await?;
    Ok((hook, person, home))
}

/// What the receiver was told, once so many requests have come.
async fn told(hook: &Hook, requests: usize) -> Vec<(String, bool, String)> {
    wait_for("the webhooks", async || {
        (hook.requests().len() >= requests).then_some(())
    })
    .await;
    hook.requests()
        .iter()
        .map(|request| {
            let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            (text("type"), body["late"].as_bool().unwrap(), text("subject"))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn corrections_are_written_down_and_told_and_close_nothing() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (hook, person, home) = room(&world).await?;
    let running = world.start(support::quick());
    let corrected = |after_s, says| correction(person, KIND, Some(home), 100, after_s, says);
    let state = async || world.incidents().await.pop().unwrap();
    world
        .append(&[
            event(person, KIND, Edge::Onset, Some(home), 100),
            event(person, KIND, Edge::End, Some(home), 100),
            corrected(20, Says::Ended(15)),
        ])
        .await?;
    world.caught_up().await;
    let moved = state().await;
    assert_eq!((moved.ongoing, moved.ended, moved.events), (false, true, 3));
    world.append(&[corrected(30, Says::GoesOn)]).await?;
    world.caught_up().await;
    assert_eq!((state().await.ongoing, state().await.ended), (true, false));
    world.append(&[corrected(40, Says::Withdrawn)]).await?;
    world.caught_up().await;
    let withdrawn = state().await;
    assert_eq!(
        (withdrawn.ongoing, withdrawn.ended, withdrawn.severity),
        (false, false, 2)
    );
    assert_eq!(withdrawn.state, "notified", "only a person closes it");
    // Said again, and something older that comes after all.
    world
        .append(&[corrected(40, Says::Withdrawn), corrected(35, Says::GoesOn)])
        .await?;
    world.caught_up().await;
    assert!(!state().await.ongoing);
    assert_eq!(
        world
            .strings("SELECT code FROM incident_action WHERE action = 'event' AND code IS NOT NULL ORDER BY action_id")
            .await,
        ["moved", "resumed", "withdrawn", "superseded"]
    );
    assert_eq!(
        world
            .strings("SELECT concat_ws(' ', corrected, withdrawn, late) FROM incident")
            .await,
        ["t t f"]
    );
    let mut kinds: Vec<String> = told(&hook, 3).await.into_iter().map(|(kind, ..)| kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["incident.raised", "incident.resumed", "incident.withdrawn"]);
    let code = ClosingCode::CorrectedByLateData;
    let closed = incident::close(&world.db, withdrawn.id, world.officer, code, "", None, Timestamp::now()).await?;
    assert_eq!(closed.standing.state.code(), Some(code));
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_after_all_is_raised_anew_when_its_incident_is_closed() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (hook, person, home) = room(&world).await?;
    let running = world.start(support::quick());
    world
        .append(&[
            event(person, KIND, Edge::Onset, Some(home), 100),
            event(person, KIND, Edge::End, Some(home), 100),
        ])
        .await?;
    world.caught_up().await;
    let old = world.incidents().await.pop().unwrap();
    let code = ClosingCode::ReturnedCompliant;
    incident::close(&world.db, old.id, world.officer, code, "", None, Timestamp::now()).await?;
    world
        .append(&[correction(person, KIND, Some(home), 100, 30, Says::GoesOn)])
        .await?;
    world.caught_up().await;
    let all = world.incidents().await;
    let states: Vec<_> = all.iter().map(|i| (i.state.as_str(), i.ongoing, i.events)).collect();
    assert_eq!(states, [("closed", false, 2), ("notified", true, 3)]);
    assert_eq!(told(&hook, 2).await[1].0, "incident.raised");
    // Its end is the open one's.
    world
        .append(&[correction(person, KIND, Some(home), 100, 60, Says::Ended(50))])
        .await?;
    world.caught_up().await;
    let all = world.incidents().await;
    let states: Vec<_> = all.iter().map(|i| (i.ongoing, i.ended, i.events)).collect();
    assert_eq!(states, [(false, true, 2), (false, true, 4)]);
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_events_raise_alerts_all_the_same_and_say_so() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (hook, person, home) = room(&world).await?;
    let running = world.start(support::quick());
    let mut onset = event(person, KIND, Edge::Onset, Some(home), 100);
    onset.late = true;
    // A correction of something that nobody was told of: kept, and nothing is made of it.
    let stray = correction(person, EventKind::Silence, None, 7, 30, Says::GoesOn);
    world.append(&[stray, onset]).await?;
    world.caught_up().await;
    assert_eq!(
        told(&hook, 1).await,
        [(
            "incident.raised".to_owned(),
            true,
            "[P2] Incident 1: left during curfew, from stored reports (HZ-1)".to_owned()
        )]
    );
    assert_eq!(
        world.strings("SELECT kind FROM incident WHERE late").await,
        ["left_during_curfew"]
    );
    assert_eq!(
        world
            .strings("SELECT kind || ' ' || edge FROM event ORDER BY stored_at")
            .await,
        ["silence correction", "left_during_curfew onset"]
    );
    running.stop().await?;
    world.drop_now().await
}

/// Reports of a term that come after its end raise alerts; what is proved by anything from after it does not.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_in_a_term_and_comes_after_its_end_raises_an_alert() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (hook, person, home) = room(&world).await?;
    {
        let mut client = world.db.client().await?;
        let order = casedb::order::of_person(&client, person).await?.remove(0);
        let transaction = client.transaction().await?;
        let end = Timestamp::from_second(1_767_225_600 + 300)?;
        casedb::order::end(&transaction, order.order_id, end).await?;
        transaction.commit().await?;
    }
    let running = world.start(support::quick());
    let (zone, second) = (Some(home), 1_000_000);
    let told_late = |kind, zone, onset_s: i64, made_s: Option<i64>, fix_s: Option<i64>| {
        let onset = event(person, kind, Edge::Onset, zone, onset_s);
        let start_us = onset.onset_us - onset_s * second;
        wire::Event {
            decided_at_us: start_us + 2_000 * second,
            late: made_s.is_some(),
            trace: made_s.map(|made_s| wire::Trace {
                fix_time_us: start_us + made_s * second,
                received_at_us: start_us + 1_999 * second,
                appended_at_us: start_us + 2_000 * second,
            }),
            explanation: fix_s.map(|fix_s| wire::Explanation {
                fixes: vec![wire::FixEvidence {
                    fix_time_us: start_us + fix_s * second,
                    ..wire::FixEvidence::default()
                }],
                ..wire::Explanation::default()
            }),
            ..onset
        }
    };
    world
        .append(&[
            told_late(EventKind::StrapTamper, None, 100, Some(100), None),
            told_late(KIND, zone, 200, Some(260), Some(260)),
            // By a report from after the end, by a fix from after it, and by the clock when nobody was monitored.
            told_late(EventKind::CaseTamper, None, 210, Some(310), None),
            told_late(EventKind::LateReturn, zone, 220, Some(260), Some(310)),
            told_late(EventKind::Silence, None, 230, None, None),
        ])
        .await?;
    world.caught_up().await;
    assert_eq!(
        world
            .strings("SELECT kind FROM incident WHERE late ORDER BY kind")
            .await,
        ["left_during_curfew", "strap_tamper"]
    );
    assert_eq!(
        world.strings("SELECT kind FROM incident WHERE NOT late").await,
        Vec::<String>::new()
    );
    assert_eq!(told(&hook, 2).await.len(), 2);
    assert_eq!(
        world
            .strings("SELECT sum(reports)::text FROM monitoring_refusal WHERE stage = 'alerts'")
            .await,
        ["3"]
    );
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nearness_to_a_protected_person_is_told_to_the_police_alone() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (hook, person, _) = room(&world).await?;
    let social = Hook::start().await?;
    world
        .target(world.social, Channel::Webhook, &social.url, Some(b"s"), 4)
        .await?;
    let running = world.start(support::quick());
    let near = Some(ZoneId::from_name("keep away"));
    world
        .append(&[
            event(person, EventKind::ProximityWarning, Edge::Onset, near, 100),
            event(person, EventKind::Proximity, Edge::Onset, near, 160),
            event(person, EventKind::StrapTamper, Edge::Onset, None, 200),
        ])
        .await?;
    let mut police: Vec<String> = told(&hook, 3).await.into_iter().map(|(kind, ..)| kind).collect();
    police.sort();
    assert_eq!(police, ["incident.raised", "incident.raised", "incident.worsened"]);
    wait_for("the strap", async || (social.requests().len() == 1).then_some(())).await;
    let incidents: Vec<_> = world
        .incidents()
        .await
        .into_iter()
        .map(|i| (i.kind, i.severity, i.audience))
        .collect();
    assert_eq!(
        incidents,
        [
            ("proximity".to_owned(), 1, "police".to_owned()),
            ("strap_tamper".to_owned(), 1, "both".to_owned())
        ]
    );
    assert_eq!(support::kind_of(&social.requests()[0]), "strap_tamper");
    running.stop().await?;
    world.drop_now().await
}

/// An end after a correction must have an id of its own: under the first end's it would be taken for a copy.
#[tokio::test(flavor = "multi_thread")]
async fn two_words_under_one_name_are_noticed() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (_, person, home) = room(&world).await?;
    let end = event(person, KIND, Edge::End, Some(home), 100);
    let other = wire::Event {
        end_us: end.end_us.map(|end_us| end_us + 1),
        ..end.clone()
    };
    let explained_anew = wire::Event {
        decided_at_us: end.decided_at_us + 5,
        ..end.clone()
    };
    let client = world.client().await;
    let store = async |event: &wire::Event| {
        let bytes = prost::Message::encode_to_vec(event);
        casedb::event::store(&client, &Event::from_wire(event).unwrap(), &bytes)
            .await
            .unwrap()
    };
    assert!(matches!(store(&end).await, Stored::New(_)));
    assert_eq!(store(&end).await, Stored::Known);
    assert_eq!(store(&explained_anew).await, Stored::Known);
    assert_eq!(store(&other).await, Stored::Contradicts);
    drop(client);
    world.drop_now().await
}
