//! The course of an incident, from its first event to what comes after closing.

use std::time::Duration;

use alerts::{Audience, ClosingCode, State, lifecycle::course::Refusal, route::Channel};
use anyhow::Result;
use casedb::incident::{self, IncidentError};
use jiff::Timestamp;
use proto::wire::{Edge, EventKind};
use uuid::Uuid;

use crate::support::{self, World, event};

#[tokio::test(flavor = "multi_thread")]
async fn officers_acknowledge_note_and_close_and_a_new_onset_opens_a_new_incident() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let home = world.zone("Home", "both").await?;
    world.patient().await?;
    let mut listener = world.db.listen(&[incident::CHANNEL]).await?;
    let running = world.start(support::quick());
    let onset = |s| event(person, EventKind::LeftDuringCurfew, Edge::Onset, Some(home), s);
    let end = |s| event(person, EventKind::LeftDuringCurfew, Edge::End, Some(home), s);
    world.append(&[onset(100), end(100), onset(200)]).await?;
    world.caught_up().await;
    let incident = world.incidents().await.pop().unwrap();
    assert_eq!((incident.events, incident.ongoing), (3, true), "flapping folds in");

    let (id, now) = (incident.id, Timestamp::now());
    let stale = incident::acknowledge(&world.db, id, world.officer, Some(1), now).await;
    assert!(matches!(stale, Err(IncidentError::Conflict { expected: 1, found }) if found == incident.version));
    let row = incident::acknowledge(&world.db, id, world.officer, Some(incident.version), now).await?;
    assert_eq!(
        (row.standing.state, row.version),
        (State::Acknowledged, incident.version + 1)
    );
    let again = incident::acknowledge(&world.db, id, world.officer, Some(incident.version), now).await?;
    assert_eq!(again, row, "a second click changes nothing");
    let other = incident::acknowledge(&world.db, id, world.worker, None, now).await;
    assert!(matches!(other, Err(IncidentError::Refused(Refusal::Taken { by })) if by == world.officer));
    incident::note(&world.db, id, world.officer, "called twice", Audience::Police, now).await?;
    incident::start_action(&world.db, id, world.officer, None, now).await?;
    let wordless = incident::close(&world.db, id, world.officer, ClosingCode::Other, " ", None, now).await;
    assert!(matches!(
        wordless,
        Err(IncidentError::Refused(Refusal::TextRequired { .. }))
    ));
    let closed = incident::close(
        &world.db,
        id,
        world.officer,
        ClosingCode::WarningGiven,
        "spoke to him",
        None,
        now,
    )
    .await?;
    assert!(closed.standing.state.is_closed());
    let late = incident::acknowledge(&world.db, id, world.officer, None, now).await;
    assert!(matches!(late, Err(IncidentError::Refused(Refusal::Closed))));
    let nobody = incident::acknowledge(&world.db, Uuid::from_u128(1), world.officer, None, now).await;
    assert!(matches!(nobody, Err(IncidentError::NotFound(_))));

    // The violation that was going on at closing ends, and another begins.
    world.append(&[end(200), onset(300)]).await?;
    world.caught_up().await;
    let all = world.incidents().await;
    assert_eq!(all.len(), 2);
    let (old, new) = (&all[0], &all[1]);
    assert_eq!(
        (old.id, old.state.as_str(), old.ongoing, old.events),
        (id, "closed", false, 4)
    );
    assert_eq!((new.state.as_str(), new.ongoing, new.events), ("notified", true, 1));
    assert_eq!(
        world
            .strings("SELECT action FROM incident_action WHERE action NOT IN ('event') ORDER BY action_id")
            .await,
        [
            "raise",
            "notify",
            "acknowledge",
            "note",
            "start_action",
            "close",
            "raise",
            "notify"
        ]
    );

    let mut heard = Vec::new();
    while let Some(casedb::Notice::Notification { payload, .. }) = listener.try_recv() {
        let payload: serde_json::Value = serde_json::from_str(&payload)?;
        assert_eq!(payload["police_agency_id"], world.police.to_string());
        heard.push((
            payload["change"].as_str().unwrap().to_owned(),
            payload["version"].as_i64().unwrap(),
        ));
    }
    let heard: Vec<(&str, i64)> = heard
        .iter()
        .map(|(change, version)| (change.as_str(), *version))
        .collect();
    assert_eq!(
        heard,
        [
            ("raised", 2),
            ("event", 3),
            ("event", 4),
            ("updated", 5),
            ("updated", 6),
            ("updated", 7),
            ("closed", 8),
            ("event", 9),
            ("raised", 2)
        ],
        "every change is told, with its version"
    );
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_return_after_closing_is_no_second_incident() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let home = world.zone("Home", "both").await?;
    let running = world.start(support::quick());
    let at = |kind, edge, s| event(person, kind, edge, Some(home), s);
    world
        .append(&[at(EventKind::CurfewAbsentAtStart, Edge::Onset, 100)])
        .await?;
    world.caught_up().await;
    let id = world.incidents().await.pop().unwrap().id;
    let code = ClosingCode::WarningGiven;
    incident::close(&world.db, id, world.officer, code, "", None, Timestamp::now()).await?;
    world
        .append(&[
            at(EventKind::CurfewAbsentAtStart, Edge::End, 100),
            at(EventKind::LateReturn, Edge::Onset, 100),
            at(EventKind::LateReturn, Edge::End, 100),
        ])
        .await?;
    world.caught_up().await;
    let all = world.incidents().await;
    assert_eq!(all.len(), 1);
    assert_eq!(
        (all[0].state.as_str(), all[0].ongoing, all[0].ended, all[0].events),
        ("closed", false, true, 4)
    );
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn tamper_stays_and_ends_out_of_order_find_their_onset() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    let running = world.start(support::quick());
    let at = |kind, edge, s| event(person, kind, edge, None, s);
    world
        .append(&[
            at(EventKind::StrapTamper, Edge::Onset, 100),
            at(EventKind::StrapTamper, Edge::End, 100),
            at(EventKind::Silence, Edge::End, 200),
            at(EventKind::Silence, Edge::Onset, 200),
            at(EventKind::BatteryLow, Edge::Onset, 300),
            at(EventKind::BatteryCritical, Edge::Onset, 400),
            at(EventKind::BatteryLow, Edge::End, 300),
        ])
        .await?;
    world.caught_up().await;
    let all: Vec<_> = world
        .incidents()
        .await
        .into_iter()
        .map(|i| (i.kind, i.severity, i.audience, i.ongoing, i.ended, i.events))
        .collect();
    assert_eq!(
        all,
        [
            ("strap_tamper".to_owned(), 1, "both".to_owned(), true, false, 2),
            ("silence".to_owned(), 3, "both".to_owned(), false, true, 2),
            ("battery_critical".to_owned(), 3, "both".to_owned(), true, false, 3),
        ]
    );
    assert_eq!(
        world
            .strings("SELECT text FROM incident_action WHERE code = 'worsened'")
            .await,
        ["P4 to P3"]
    );
    running.stop().await?;
    world.drop_now().await
}

/// Messages to the hook by what they tell, so many as are to come.
async fn told(hook: &support::Hook, count: usize) -> Vec<String> {
    support::wait_for("messages", async || {
        let told: Vec<String> = hook.requests().iter().map(support::type_of).collect();
        (told.len() >= count).then_some(told)
    })
    .await
}

/// Somebody calls for help, and again: while nobody has the incident, while somebody has it, and after it was closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_further_call_for_help_is_heard_whoever_has_the_incident() -> Result<()> {
    for reopen in [0, 30] {
        let Some(world) = World::new().await? else {
            return Ok(());
        };
        let hook = support::Hook::start().await?;
        world
            .target(world.police, Channel::Webhook, &hook.url, Some(b"s"), 2)
            .await?;
        world.patient().await?;
        let person = world.person("HZ-1", 2).await?;
        let mut config = support::quick();
        config.reopen_within = Duration::from_secs(60 * reopen);
        let running = world.start(config);
        let call = |s| event(person, EventKind::Sos, Edge::Onset, None, s);
        world.append(&[call(0)]).await?;
        assert_eq!(told(&hook, 1).await, ["incident.raised"]);
        // Everybody is being called already.
        world.append(&[call(70)]).await?;
        world.caught_up().await;
        let first = world.incidents().await.pop().unwrap();
        assert_eq!((first.events, first.state.as_str()), (2, "notified"));
        // Somebody has it: the further call is told, and stands in the account.
        let now = Timestamp::now();
        incident::acknowledge(&world.db, first.id, world.officer, None, now).await?;
        world.append(&[call(140)]).await?;
        assert_eq!(told(&hook, 2).await, ["incident.raised", "incident.called_again"]);
        let account = "SELECT action FROM incident_action WHERE code = 'called_again'";
        assert_eq!(world.strings(account).await, ["event", "event"]);
        assert_eq!(world.incidents().await.pop().unwrap().state, "acknowledged");
        // Closed, and called again a little later: somebody has to look.
        let code = ClosingCode::FalseAlarmDevice;
        incident::close(
            &world.db,
            first.id,
            world.officer,
            code,
            "released",
            None,
            Timestamp::now(),
        )
        .await?;
        let now_s = Timestamp::now().as_second() - 1_767_225_600;
        world.append(&[call(now_s + 2)]).await?;
        let last = if reopen == 0 {
            "incident.raised"
        } else {
            "incident.called_again"
        };
        assert_eq!(told(&hook, 3).await[2], last);
        world.caught_up().await;
        let all = world.incidents().await;
        let states: Vec<&str> = all.iter().map(|incident| incident.state.as_str()).collect();
        if reopen == 0 {
            assert_eq!(states, ["closed", "notified"]);
        } else {
            assert_eq!(states, ["notified"], "the same incident again");
        }
        running.stop().await?;
        world.drop_now().await?;
    }
    Ok(())
}
