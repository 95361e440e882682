//! Messages: sent, tried again, given up, and to whom.

use std::{collections::BTreeSet, time::Duration};

use alerts::route::Channel;
use anyhow::Result;
use casedb::notification;
use homeward_alerts_worker::{self as worker, SmtpConfig, SmtpTls, WorkerConfig, channel::webhook};
use jiff::Timestamp;
use proto::wire::{Edge, EventKind};

use crate::support::{self, Hook, MailServer, World, event, wait_for};

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

#[test]
fn a_password_does_not_show() {
    let config = SmtpConfig {
        host: "mail.example".into(),
        port: 465,
        tls: SmtpTls::Tls,
        ca_file: None,
        credentials: Some(worker::Credentials {
            username: "homeward".into(),
            password: "geheim".into(),
        }),
        from: "homeward@agency.example".into(),
        timeout: Duration::from_secs(1),
    };
    assert!(!format!("{config:?}").contains("geheim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_with_a_log_in_is_taken_by_either_mechanism_and_refused_with_a_wrong_word() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let (user, password) = support::MAIL_USER;
    for (n, mechanisms) in ["PLAIN LOGIN", "LOGIN", "PLAIN"].into_iter().enumerate() {
        let server = MailServer::asking(support::LogIn::By(mechanisms)).await?;
        let sends = |password: &str| {
            let smtp = worker::SmtpConfig {
                credentials: Some(worker::Credentials {
                    username: user.to_owned(),
                    password: password.to_owned(),
                }),
                ..server.config()
            };
            worker::channel::mail::Mail::new(&smtp)
        };
        let id = format!("{n}");
        sends(password)?
            .plain("duty@agency.example", &id, "subject", "body")
            .await
            .unwrap();
        assert_eq!(server.mails().len(), 1, "{mechanisms}");
        let by = if mechanisms.contains("PLAIN") { "PLAIN" } else { "LOGIN" };
        assert_eq!(server.logged_in(), [format!("{by} true")]);
        assert!(
            sends("wrong")?
                .plain("duty@agency.example", &id, "subject", "body")
                .await
                .is_err()
        );
        assert_eq!(server.logged_in()[1], format!("{by} false"));
        // Without a log-in this server takes nothing.
        let nobody = worker::channel::mail::Mail::new(&server.config())?;
        assert!(
            nobody
                .plain("duty@agency.example", &id, "subject", "body")
                .await
                .is_err()
        );
        assert_eq!(server.mails().len(), 1);
    }

    // And from the queue, as a message about an incident.
    let server = MailServer::asking(support::LogIn::By("PLAIN LOGIN")).await?;
    world
        .target(world.police, Channel::Mail, "duty@agency.example", None, 4)
        .await?;
    let person = world.person("HZ-1", 2).await?;
    let running = world.start(WorkerConfig {
        smtp: Some(worker::SmtpConfig {
            credentials: Some(worker::Credentials {
                username: user.to_owned(),
                password: password.to_owned(),
            }),
            ..server.config()
        }),
        ..support::quick()
    });
    world
        .append(&[event(person, EventKind::StrapTamper, Edge::Onset, None, 1)])
        .await?;
    let arrived = || {
        server
            .mails()
            .iter()
            .any(|mail| mail.contains("To: duty@agency.example"))
    };
    support::wait_for("the mail", async || arrived().then_some(())).await;
    assert!(
        server.logged_in().iter().all(|one| one == "PLAIN true"),
        "{:?}",
        server.logged_in()
    );
    running.stop().await?;
    world.drop_now().await
}
