//! The alerts worker against real PostgreSQL, a real HTTP receiver and a real (tiny) mail server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are test code"
)]

#[path = "worker/corrections.rs"]
mod corrections;
#[path = "worker/ladder.rs"]
mod ladder;
#[path = "worker/priorities.rs"]
mod priorities;
#[path = "worker/providers.rs"]
mod providers;
#[path = "worker/support.rs"]
mod support;
#[path = "worker/wide.rs"]
mod wide;

use std::{collections::BTreeSet, time::Duration};

use alerts::{Audience, ClosingCode, State, lifecycle::course::Refusal, route::Channel};
use anyhow::Result;
use casedb::{
    incident::{self, IncidentError},
    notification,
};
use homeward_alerts_worker as worker;
use jiff::Timestamp;
use proto::wire::{Edge, EventKind};
use support::{Hook, MailServer, World, event, wait_for};
use uuid::Uuid;
use worker::{SmtpConfig, SmtpTls, WorkerConfig, channel::webhook};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_becomes_an_incident_a_webhook_and_a_mail() -> Result<()> {
    for world in World::on_every_edition().await? {
        world.patient().await?;
        let hook = Hook::start().await?;
        let server = MailServer::start().await?;
        let person = world.person("HZ-1", 2).await?;
        world
            .target(world.police, Channel::Webhook, &hook.url, Some(b"a shared secret"), 2)
            .await?;
        let home = world.zone("Villa of Anna", "both").await?;
        let running = world.start(WorkerConfig {
            smtp: Some(server.config()),
            console_url: Some("https://homeward.example/".into()),
            ..support::quick()
        });
        world
            .append(&[event(person, EventKind::LeftDuringCurfew, Edge::Onset, Some(home), 100)])
            .await?;

        let request = wait_for("the webhook", async || hook.requests().pop()).await;
        let mail = wait_for("the mail", async || server.mails().pop()).await;
        let body: serde_json::Value = serde_json::from_str(&request.body)?;
        assert_eq!(body["type"], "incident.raised");
        assert_eq!(body["kind"], "left_during_curfew");
        assert_eq!(body["incident"]["severity"], 2);
        assert_eq!(body["case_reference"], "HZ-1");
        // The receiver's side of the signature: time and body, with the secret both know.
        let (time, _) = request.signature.split_once(',').unwrap();
        let unix_s: i64 = time.strip_prefix("t=").unwrap().parse()?;
        assert!((Timestamp::now().as_second() - unix_s).abs() < 60);
        assert_eq!(
            request.signature,
            webhook::signature(b"a shared secret", unix_s, &request.body)
        );
        assert_ne!(
            request.signature,
            webhook::signature(b"another secret", unix_s, &request.body)
        );
        assert_eq!(body["id"], request.key);

        assert!(
            mail.contains("To: worker@social.example") && mail.contains("HZ-1"),
            "{mail}"
        );
        for text in [&request.body, &mail] {
            assert!(
                !text.contains("Anna") && !text.contains("Villa"),
                "a name or a place left the house: {text}"
            );
        }

        let link = format!(
            "https://homeward.example/incidents/{}",
            body["incident"]["incident_id"].as_str().unwrap()
        );
        // Long lines of a mail are folded with "=" at their ends.
        assert!(
            mail.replace("=\n", "").contains(&link) && request.body.contains(&link),
            "{mail}"
        );

        wait_for("everything to be sent", async || {
            let sent = world
                .strings("SELECT channel FROM notification WHERE state = 'sent' ORDER BY channel")
                .await;
            (sent == ["console", "console", "mail", "webhook"]).then_some(())
        })
        .await;
        let incident = world.incidents().await.pop().unwrap();
        assert_eq!(incident.state, "notified");
        assert_eq!(
            (incident.severity, incident.audience.as_str(), incident.events),
            (2, "both", 1)
        );
        assert_eq!(
            world
                .strings("SELECT action FROM incident_action ORDER BY action_id")
                .await,
            ["raise", "notify"]
        );
        running.stop().await?;
        world.drop_now().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_refusals_are_given_up_and_can_be_queued_again() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let [flaky, gone] = [Hook::start().await?, Hook::start().await?];
    flaky.answer_with([500, 503]);
    gone.always_answer(410);
    let person = world.person("HZ-1", 2).await?;
    world
        .target(world.police, Channel::Webhook, &flaky.url, Some(b"s"), 4)
        .await?;
    world
        .target(world.police, Channel::Webhook, &gone.url, Some(b"s"), 4)
        .await?;
    world
        .target(world.police, Channel::Webhook, "not a url", Some(b"s"), 4)
        .await?;
    let running = world.start(support::quick());
    world
        .append(&[event(person, EventKind::Sos, Edge::Onset, None, 100)])
        .await?;

    wait_for("the third try", async || (flaky.requests().len() == 3).then_some(())).await;
    let keys: BTreeSet<String> = flaky.requests().into_iter().map(|request| request.key).collect();
    assert_eq!(keys.len(), 1, "the key is the same at each try");
    let letters = wait_for("two dead letters", async || {
        let letters = notification::dead_letters(&world.client().await, 10).await.unwrap();
        (letters.len() == 2).then_some(letters)
    })
    .await;
    let letter = letters.iter().find(|letter| letter.recipient == gone.url).unwrap();
    assert_eq!((letter.attempts, letter.last_error.as_str()), (3, "refused: HTTP 410"));
    assert_eq!(gone.requests().len(), 3);
    assert_eq!(
        world
            .strings("SELECT code FROM incident_action WHERE action = 'notify' AND code IS NOT NULL")
            .await,
        ["dead", "dead"],
        "the incident's history says that somebody was not told"
    );
    assert_eq!(notification::backlog(&world.client().await).await?.dead, 2);

    gone.always_answer(204);
    assert!(notification::requeue(&world.client().await, letter.notification_id).await?);
    assert!(
        !notification::requeue(&world.client().await, letter.notification_id).await?,
        "it is not dead any more"
    );
    wait_for("the dead letter to be sent", async || {
        (gone.requests().len() == 4).then_some(())
    })
    .await;
    running.stop().await?;
    world.drop_now().await
}

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
async fn a_lease_that_ran_out_belongs_to_the_next() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    world
        .target(world.police, Channel::Webhook, "http://127.0.0.1:1/", Some(b"s"), 4)
        .await?;
    // A worker without channels' time to send: it stores the incident and is stopped.
    let running = world.start(WorkerConfig {
        max_attempts: 1_000,
        ..support::quick()
    });
    world
        .append(&[event(person, EventKind::Sos, Edge::Onset, None, 100)])
        .await?;
    world.caught_up().await;
    running.stop().await?;
    world
        .execute("UPDATE notification SET next_attempt_at = now() WHERE state IN ('queued', 'sending')")
        .await;

    let client = world.client().await;
    let lease = async |worker: &str, time| {
        notification::lease(&client, worker, &[Channel::Webhook], 10, time)
            .await
            .unwrap()
    };
    let first = lease("one", Duration::from_millis(200)).await.pop().unwrap();
    assert!(
        lease("two", Duration::from_secs(9)).await.is_empty(),
        "within the lease nobody else gets it"
    );
    tokio::time::sleep(Duration::from_millis(250)).await;
    let second = lease("two", Duration::from_secs(9)).await.pop().unwrap();
    assert_eq!(second.lease.notification_id, first.lease.notification_id);
    assert!(
        !notification::sent(&world.db, &first.lease, Timestamp::now()).await?,
        "the first came too late"
    );
    assert!(!notification::dead(&world.db, &first.lease, "x", Timestamp::now()).await?);
    assert!(notification::sent(&world.db, &second.lease, Timestamp::now()).await?);
    assert!(
        !notification::retry(&client, &second.lease, "x", Duration::ZERO).await?,
        "sent is sent"
    );
    drop(client);
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

#[tokio::test(flavor = "multi_thread")]
async fn each_branch_is_told_of_its_own_matters_only() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let [police, social] = [Hook::start().await?, Hook::start().await?];
    world
        .target(world.police, Channel::Webhook, &police.url, Some(b"p"), 4)
        .await?;
    world
        .target(world.social, Channel::Webhook, &social.url, Some(b"s"), 4)
        .await?;
    let person = world.person("HZ-1", 2).await?;
    let refuge = world.zone("Refuge", "police").await?;
    let clinic = world.zone("Clinic", "social_work").await?;
    let running = world.start(support::quick());
    world
        .append(&[
            event(person, EventKind::ExclusionEntry, Edge::Onset, Some(refuge), 100),
            event(person, EventKind::MissedAttendance, Edge::Onset, Some(clinic), 200),
            event(person, EventKind::ImpossibleMovement, Edge::Onset, None, 300),
            event(person, EventKind::BatteryLow, Edge::Onset, None, 400),
            event(person, EventKind::StrapTamper, Edge::Onset, None, 500),
        ])
        .await?;
    let kinds = |hook: &Hook| {
        let mut kinds: Vec<String> = hook.requests().iter().map(support::kind_of).collect();
        kinds.sort();
        kinds
    };
    wait_for("six webhooks", async || {
        (police.requests().len() + social.requests().len() == 6).then_some(())
    })
    .await;
    assert_eq!(
        kinds(&police),
        ["exclusion_entry", "impossible_movement", "strap_tamper"]
    );
    assert_eq!(kinds(&social), ["battery_low", "missed_attendance", "strap_tamper"]);
    // Once, though the built-in ladder's first step calls the same console.
    wait_for("the ladder's first steps", async || {
        let calls = world
            .strings("SELECT DISTINCT incident_id::text FROM incident_action WHERE action = 'call'")
            .await;
        (calls.len() == 5).then_some(())
    })
    .await;
    let consoles = "SELECT n.recipient FROM notification n JOIN incident i USING (incident_id)
        WHERE n.channel = 'console' AND i.kind = 'exclusion_entry'";
    assert_eq!(world.strings(consoles).await, [format!("agency:{}", world.police)]);
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_does_not_go_out_in_clear_text_when_tls_is_required() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let server = MailServer::start().await?; // offers no STARTTLS
    let person = world.person("HZ-1", 2).await?;
    let smtp = Some(SmtpConfig {
        tls: SmtpTls::StartTls,
        ..server.config()
    });
    let running = world.start(WorkerConfig {
        smtp,
        max_attempts: 2,
        ..support::quick()
    });
    world
        .append(&[event(person, EventKind::Silence, Edge::Onset, None, 100)])
        .await?;
    let letter = wait_for("the dead letter", async || {
        notification::dead_letters(&world.client().await, 10)
            .await
            .unwrap()
            .pop()
    })
    .await;
    assert_eq!((letter.channel, letter.attempts), (Channel::Mail, 2));
    assert!(server.mails().is_empty());
    let incident = world.incidents().await.pop().unwrap();
    assert_eq!(
        (incident.state.as_str(), incident.version >= 3),
        ("notified", true),
        "the console shows that somebody was not told"
    );
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_messages_are_given_up_and_without_a_server_people_get_no_mail() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let person = world.person("HZ-1", 2).await?;
    world
        .target(world.social, Channel::Mail, "office@social.example", None, 4)
        .await?;
    let running = world.start(support::quick());
    world
        .append(&[event(person, EventKind::Silence, Edge::Onset, None, 100)])
        .await?;
    world.caught_up().await;
    let mails = "SELECT recipient || ' ' || state FROM notification WHERE channel = 'mail'";
    assert_eq!(world.strings(mails).await, ["office@social.example queued"]);
    assert!(!notification::expire(&world.db, Duration::from_hours(1), Timestamp::now()).await?);
    world
        .execute("UPDATE notification SET created_at = created_at - interval '2 hours'")
        .await;
    assert!(notification::expire(&world.db, Duration::from_hours(1), Timestamp::now()).await?);
    assert_eq!(world.strings(mails).await, ["office@social.example dead"]);
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

#[test]
fn a_password_does_not_show() {
    let config = SmtpConfig {
        host: "mail.example".into(),
        port: 465,
        tls: SmtpTls::Tls,
        credentials: Some(worker::Credentials {
            username: "homeward".into(),
            password: "geheim".into(),
        }),
        from: "homeward@agency.example".into(),
        timeout: Duration::from_secs(1),
    };
    assert!(!format!("{config:?}").contains("geheim"));
}
