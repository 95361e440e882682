//! Providers that are down, slow, refuse half, break off after the answer, or ask to be left alone: no message is lost, and one
//! that honours keys takes none twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use alerts::route::Channel;
use anyhow::Result;
use casedb::notification::{self, Call, Called, Receipt};
use homeward_alerts_worker::{
    SmsConfig, SmsSettings, WorkerConfig,
    channel::{
        push::{PushConfig, Vapid},
        sms::Sms,
    },
};
use jiff::Timestamp;
use proto::wire::{Edge, EventKind};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};
use uuid::Uuid;

use crate::support::{self, Incident, MailServer, World, event, wait_for};

/// How a provider behaves, by chance in a hundred.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mood {
    /// Closes the connection unread.
    pub(crate) down: u32,
    /// Answers later than anybody waits; takes the message all the same.
    pub(crate) slow: u32,
    /// Says no, and does not take it.
    pub(crate) refuses: u32,
    /// Takes the message and breaks off before or within the answer.
    pub(crate) breaks: u32,
    /// 429 with a time.
    pub(crate) too_many: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Bodies by key, as taken first.
    taken: BTreeMap<String, String>,
    copies: usize,
    /// Copies that said something else than what was taken first under their key.
    pub(crate) changed: usize,
    pub(crate) requests: Vec<(Instant, String)>,
    paths: BTreeSet<String>,
    headers: Vec<String>,
    flying: usize,
    most_flying: usize,
}

pub(crate) struct Provider {
    pub(crate) address: String,
    mood: Arc<Mutex<Mood>>,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Provider {
    pub(crate) async fn start(mood: Mood, seed: u64, slow: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mood = Arc::new(Mutex::new(mood));
        let (kept, moods) = (Arc::clone(&seen), Arc::clone(&mood));
        tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed);
            while let Ok((socket, _)) = listener.accept().await {
                let draw = rng.random_range(0..100);
                let mood = *moods.lock().unwrap();
                tokio::spawn(Self::serve(socket, draw, mood, slow, Arc::clone(&kept)));
            }
        });
        Ok(Self { address, mood, seen })
    }

    async fn serve(mut socket: TcpStream, draw: u32, mood: Mood, slow: Duration, seen: Arc<Mutex<Seen>>) {
        let mut edge = mood.down;
        if draw < edge {
            return;
        }
        let Some((head, body)) = read(&mut socket).await else {
            return;
        };
        let key = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("idempotency-key: ")
                    .map(str::to_owned)
            })
            .unwrap_or_default();
        {
            let mut seen = seen.lock().unwrap();
            seen.requests.push((Instant::now(), key.clone()));
            seen.paths.insert(head.lines().next().unwrap_or_default().to_owned());
            seen.headers.push(head.clone());
            seen.flying += 1;
            seen.most_flying = seen.most_flying.max(seen.flying);
        }
        let take = || {
            let mut seen = seen.lock().unwrap();
            if let Some(first) = seen.taken.get(&key) {
                let changed = *first != body;
                seen.copies += 1;
                seen.changed += usize::from(changed);
            } else {
                seen.taken.insert(key.clone(), body.clone());
            }
        };
        let mut hit = |chance: u32| {
            edge += chance;
            draw < edge
        };
        let fine = format!("{{\"code\":\"OK\",\"id\":\"p-{key}\"}}");
        let answer = if hit(mood.slow) {
            take();
            tokio::time::sleep(slow).await;
            ok(&fine)
        } else if hit(mood.refuses) {
            status(
                if draw.is_multiple_of(2) {
                    "503 Service Unavailable"
                } else {
                    "500 Internal Server Error"
                },
                "",
            )
        } else if hit(mood.breaks) {
            take();
            let whole = ok(&fine);
            whole
                .get(..if draw.is_multiple_of(2) { 0 } else { whole.len() - 9 })
                .unwrap_or_default()
                .to_owned()
        } else if hit(mood.too_many) {
            status("429 Too Many Requests", "Retry-After: 1\r\n")
        } else {
            take();
            ok(&fine)
        };
        let _ = socket.write_all(answer.as_bytes()).await;
        let _ = socket.shutdown().await;
        seen.lock().unwrap().flying -= 1;
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(crate) fn taken(&self) -> BTreeMap<String, String> {
        self.seen.lock().unwrap().taken.clone()
    }

    pub(crate) fn gateway(&self, receipts: bool) -> SmsConfig {
        let url = format!("http://{}/sms?key={{token}}", self.address);
        let mut config = SmsConfig::new(&SmsSettings {
            url: &url,
            method: "POST",
            headers: "X-Sender: {sender}",
            body: r#"{"to":"{to}","text":"{text}","ref":"{key}"}"#,
            token: "geheim &",
            sender: "Homeward",
            success: "/code=OK",
            receipt_id: "/id",
            receipts,
            segments: 2,
            ..SmsSettings::default()
        })
        .unwrap();
        config.timeout = Duration::from_millis(400);
        config
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn status(line: &str, header: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

async fn read(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let count = socket.read(&mut buffer).await.ok()?;
        if count == 0 {
            return None;
        }
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(str::to_owned)
            })
            .map_or(0, |text| text.parse::<usize>().unwrap());
        if body.len() >= length {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// What does not make tests wait, but for a lease that is longer than a request.
fn restless(gateway: Option<SmsConfig>) -> WorkerConfig {
    WorkerConfig {
        sms: gateway,
        webhook_timeout: Duration::from_millis(400),
        lease: Duration::from_millis(1_500),
        max_attempts: 1_000,
        max_refusals: 1_000,
        pass_on: Duration::from_millis(50),
        ..support::quick()
    }
}

async fn incidents(world: &World, count: i64) -> Result<()> {
    for n in 0..count {
        let person = world.person(&format!("HZ-{n}"), 2).await?;
        world
            .append(&[event(person, EventKind::StrapTamper, Edge::Onset, None, 100 + n)])
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_providers_lose_nothing_and_take_nothing_twice() -> Result<()> {
    const COUNT: i64 = 40;
    let moods = [
        (
            "down",
            Mood {
                down: 70,
                ..Mood::default()
            },
        ),
        (
            "slow",
            Mood {
                slow: 30,
                ..Mood::default()
            },
        ),
        (
            "refusing half",
            Mood {
                refuses: 50,
                ..Mood::default()
            },
        ),
        (
            "breaking off",
            Mood {
                breaks: 60,
                ..Mood::default()
            },
        ),
        (
            "everything at once",
            Mood {
                down: 15,
                slow: 10,
                refuses: 20,
                breaks: 20,
                too_many: 3,
            },
        ),
    ];
    for (seed, (name, mood)) in (1..).zip(moods) {
        let Some(world) = World::new().await? else {
            return Ok(());
        };
        let slow = Duration::from_millis(900);
        let [hook, gateway] = [
            Provider::start(mood, seed, slow).await?,
            Provider::start(mood, seed + 100, slow).await?,
        ];
        let url = format!("http://{}/hook", hook.address);
        world
            .target(world.police, Channel::Webhook, &url, Some(b"s"), 4)
            .await?;
        world
            .target(world.social, Channel::Sms, "+8613800000000", None, 4)
            .await?;
        let first = world.start(restless(Some(gateway.gateway(false))));
        let second = world.start(restless(Some(gateway.gateway(false))));
        incidents(&world, COUNT).await?;
        world.caught_up().await;
        // One is cut off wherever it is: between a request and its report as well.
        tokio::time::sleep(Duration::from_millis(150 * seed)).await;
        first.crash();
        let third = world.start(restless(Some(gateway.gateway(false))));
        let began = Instant::now();
        loop {
            let left = world
                .strings("SELECT notification_id::text FROM notification WHERE state <> 'sent'")
                .await;
            if left.is_empty() {
                break;
            }
            assert!(
                began.elapsed() < Duration::from_mins(2),
                "{name}: {} messages wait",
                left.len()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let tries = world
            .strings("SELECT concat(channel, ' ', max(attempts) > 1) FROM notification WHERE channel <> 'console' GROUP BY channel ORDER BY 1")
            .await;
        assert_eq!(
            tries,
            ["sms t", "webhook t"],
            "{name}: nothing failed, so nothing was proved"
        );
        for (channel, provider) in [("webhook", &hook), ("sms", &gateway)] {
            let taken = provider.taken();
            assert_eq!(
                provider.seen.lock().unwrap().changed,
                0,
                "{name}, {channel}: one key, one message"
            );
            let keys = world
                .strings(&format!(
                    "SELECT notification_id::text FROM notification WHERE channel = '{channel}'"
                ))
                .await;
            assert_eq!(keys.len(), usize::try_from(COUNT)?);
            assert_eq!(
                taken.keys().cloned().collect::<BTreeSet<_>>(),
                keys.into_iter().collect::<BTreeSet<_>>(),
                "{name}, {channel}: every message was taken, each under one key"
            );
            let told: BTreeSet<String> = taken.values().map(|body| number_of(body)).collect();
            assert_eq!(
                told.len(),
                taken.len(),
                "{name}, {channel}: no incident was told under two keys"
            );
        }
        {
            let seen = gateway.seen.lock().unwrap();
            let all = format!("{:?}{:?}", seen.taken, seen.headers);
            assert!(!all.contains("Anna"), "a name left the house");
            assert!(
                seen.paths.iter().all(|path| path.contains("/sms?key=geheim%20%26 ")),
                "{:?}",
                seen.paths
            );
            assert!(
                seen.headers
                    .iter()
                    .all(|head| head.to_ascii_lowercase().contains("x-sender: homeward"))
            );
            if mood.breaks > 0 || mood.slow > 0 {
                assert!(
                    seen.copies > 0,
                    "{name}: nothing was tried again, so nothing was proved"
                );
            }
        }
        second.stop().await?;
        third.stop().await?;
        world.drop_now().await?;
    }
    Ok(())
}

/// The incident that a body tells of.
fn number_of(body: &str) -> String {
    let behind = body.split_once("Incident ").unwrap().1;
    behind.chars().take_while(char::is_ascii_digit).collect()
}

/// An incident, with nobody told but the consoles.
async fn quiet_incident(world: &World) -> Result<Incident> {
    let person = world.person("HZ-1", 2).await?;
    let running = world.start(support::quick());
    world
        .append(&[event(person, EventKind::StrapTamper, Edge::Onset, None, 100)])
        .await?;
    world.caught_up().await;
    running.stop().await?;
    world
        .execute("UPDATE app_user SET phone = '+8613800000000' WHERE username = 'worker'")
        .await;
    Ok(world.incidents().await.pop().unwrap())
}

async fn call(world: &World, incident: &Incident, key: &str, channels: &[Channel]) -> Result<Called> {
    let call = Call {
        incident_id: incident.id,
        event_id: None,
        key,
        user_id: world.worker,
        channels,
    };
    Ok(notification::call(&world.client().await, &call).await?)
}

const CHAIN: &str = "SELECT concat_ws(' ', channel, position, state, receipt) FROM notification WHERE chain_key IS NOT NULL ORDER BY chain_key, position";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_stored_is_sent_again_under_its_key() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let gateway = Provider::start(Mood::default(), 7, Duration::ZERO).await?;
    let incident = quiet_incident(&world).await?;
    call(&world, &incident, "step", &[Channel::Sms]).await?;
    // A worker leases, sends, and is gone before it can say so.
    let job = notification::lease(
        &world.client().await,
        "gone",
        &[Channel::Sms],
        9,
        Duration::from_millis(300),
    )
    .await?
    .pop()
    .unwrap();
    Sms::new(&gateway.gateway(false))?
        .send(&job, "a text", Timestamp::now())
        .await
        .unwrap();
    assert_eq!(gateway.taken().len(), 1);
    let running = world.start(restless(Some(gateway.gateway(false))));
    wait_for("the message to be sent", async || {
        (world.strings(CHAIN).await == ["sms 0 sent accepted"]).then_some(())
    })
    .await;
    {
        let seen = gateway.seen.lock().unwrap();
        assert_eq!((seen.requests.len(), seen.taken.len(), seen.copies), (2, 1, 1));
    }
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_channel_has_it_within_a_minute() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let down = Provider::start(
        Mood {
            down: 100,
            ..Mood::default()
        },
        1,
        Duration::ZERO,
    )
    .await?;
    let server = MailServer::start().await?;
    let incident = quiet_incident(&world).await?;
    // Two workers with the pauses of production.
    let config = || WorkerConfig {
        sms: Some(down.gateway(false)),
        smtp: Some(server.config()),
        ..WorkerConfig::default()
    };
    let workers = [world.start(config()), world.start(config())];
    let began = Instant::now();
    let channels = [Channel::Sms, Channel::Webhook, Channel::Mail];
    let called = call(&world, &incident, "step", &channels).await?;
    assert!(matches!(
        called,
        Called::Queued {
            channel: Channel::Sms,
            ..
        }
    ));
    assert_eq!(call(&world, &incident, "step", &channels).await?, Called::Known);
    while server.mails().is_empty() {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "nobody was told within a minute"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("the next channel had it after {:.1} s", began.elapsed().as_secs_f64());
    wait_for("the mail's report", async || {
        (world
            .strings("SELECT state FROM notification WHERE channel = 'mail'")
            .await
            == ["sent"])
        .then_some(())
    })
    .await;
    assert_eq!(server.mails().len(), 1);
    let keys = world
        .strings("SELECT DISTINCT idempotency_key FROM notification WHERE chain_key IS NOT NULL")
        .await;
    assert_eq!(keys.len(), 2, "each channel has a key of its own");
    // What comes back is told all the same: it is late, not lost.
    down.set(Mood::default());
    world
        .execute("UPDATE notification SET next_attempt_at = now() WHERE state = 'queued'")
        .await;
    wait_for("the short message", async || (down.taken().len() == 1).then_some(())).await;
    for worker in workers {
        worker.stop().await?;
    }
    assert_eq!(world.strings(CHAIN).await, ["sms 0 sent accepted", "mail 2 sent"]);
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_say_whether_the_next_channel_is_due() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let gateway = Provider::start(Mood::default(), 1, Duration::ZERO).await?;
    let server = MailServer::start().await?;
    let incident = quiet_incident(&world).await?;
    let running = world.start(WorkerConfig {
        smtp: Some(server.config()),
        ..restless(Some(gateway.gateway(true)))
    });
    let channels = [Channel::Sms, Channel::Mail];
    for key in ["a", "b", "c"] {
        call(&world, &incident, key, &channels).await?;
    }
    wait_for("three short messages", async || {
        (gateway.taken().len() == 3).then_some(())
    })
    .await;
    wait_for("their reports", async || {
        (world.strings(CHAIN).await == ["sms 0 sent accepted"; 3]).then_some(())
    })
    .await;
    let names = world
        .strings("SELECT provider_id FROM notification WHERE channel = 'sms' ORDER BY chain_key")
        .await;
    assert!(names.iter().all(|name| name.starts_with("p-")), "{names:?}");
    let says = async |name: &str, receipt| {
        notification::receipt(&world.db, Channel::Sms, name, receipt, Timestamp::now())
            .await
            .unwrap()
    };
    assert!(says(&names[0], Receipt::Delivered).await);
    assert!(says(&names[0], Receipt::Failed).await, "it is known");
    // By our own key as well.
    assert!(says(names[1].trim_start_matches("p-"), Receipt::Failed).await);
    assert!(!says("p-of nobody", Receipt::Failed).await);
    // The third is not receipted in time.
    world
        .execute("UPDATE notification SET fail_over_at = now() WHERE fail_over_at IS NOT NULL")
        .await;
    let expected = [
        "sms 0 sent delivered",
        "sms 0 dead failed",
        "mail 1 sent",
        "sms 0 sent accepted",
        "mail 1 sent",
    ];
    wait_for("two mails", async || {
        (world.strings(CHAIN).await == expected).then_some(())
    })
    .await;
    assert_eq!(server.mails().len(), 2);
    assert_eq!(gateway.seen.lock().unwrap().requests.len(), 3, "nothing was sent twice");
    // What the provider has taken and not delivered is sent again under a new key, or it would be taken for a copy.
    let dead = notification::dead_letters(&world.client().await, 9)
        .await?
        .pop()
        .unwrap();
    assert!(notification::requeue(&world.client().await, dead.notification_id).await?);
    wait_for("the fourth", async || (gateway.taken().len() == 4).then_some(())).await;
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_not_there_is_passed_at_once() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let server = MailServer::start().await?;
    let incident = quiet_incident(&world).await?;
    let running = world.start(WorkerConfig {
        smtp: Some(server.config()),
        pass_on: Duration::from_millis(50),
        ..support::quick()
    });
    call(&world, &incident, "a", &[Channel::Sms, Channel::Mail]).await?;
    assert_eq!(
        call(&world, &incident, "b", &[Channel::Push, Channel::Webhook]).await?,
        Called::Nobody
    );
    wait_for("the mail", async || (server.mails().len() == 1).then_some(())).await;
    wait_for("its report", async || {
        (world.strings(CHAIN).await == ["sms 0 dead", "mail 1 sent"]).then_some(())
    })
    .await;
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_obeyed_by_everything_for_that_receiver() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let [asking, other] = [
        Provider::start(
            Mood {
                too_many: 100,
                ..Mood::default()
            },
            1,
            Duration::ZERO,
        )
        .await?,
        Provider::start(Mood::default(), 2, Duration::ZERO).await?,
    ];
    for provider in [&asking, &other] {
        let url = format!("http://{}/hook", provider.address);
        world
            .target(world.police, Channel::Webhook, &url, Some(b"s"), 4)
            .await?;
    }
    let running = world.start(WorkerConfig {
        parallel_each: 1,
        ..restless(None)
    });
    incidents(&world, 6).await?;
    wait_for("a few refusals, and the other's messages", async || {
        (asking.seen.lock().unwrap().requests.len() >= 3 && other.taken().len() == 6).then_some(())
    })
    .await;
    asking.set(Mood::default());
    wait_for("the rest", async || (asking.taken().len() == 6).then_some(())).await;
    {
        let seen = asking.seen.lock().unwrap();
        let times: Vec<Instant> = seen.requests.iter().map(|(at, _)| *at).collect();
        for pair in times[..3].windows(2) {
            let gap = pair[1] - pair[0];
            assert!(
                gap >= Duration::from_millis(990),
                "asked for a second, and came after {gap:?}"
            );
        }
    }
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_receiver_leaves_places_for_the_others() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let [slow, quick] = [
        Provider::start(
            Mood {
                slow: 100,
                ..Mood::default()
            },
            1,
            Duration::from_secs(4),
        )
        .await?,
        Provider::start(Mood::default(), 2, Duration::ZERO).await?,
    ];
    for provider in [&slow, &quick] {
        let url = format!("http://{}/hook", provider.address);
        world
            .target(world.police, Channel::Webhook, &url, Some(b"s"), 4)
            .await?;
    }
    let running = world.start(WorkerConfig {
        parallel: 8,
        parallel_each: 3,
        webhook_timeout: Duration::from_secs(10),
        lease: Duration::from_mins(1),
        ..support::quick()
    });
    incidents(&world, 24).await?;
    wait_for("the quick one's messages", async || {
        (quick.taken().len() == 24).then_some(())
    })
    .await;
    {
        let seen = slow.seen.lock().unwrap();
        assert!(seen.taken.len() < 24, "the slow one still has a queue");
        assert!(seen.most_flying <= 3, "{} in flight", seen.most_flying);
    }
    running.stop().await?;
    world.drop_now().await
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_what_they_alone_can_read_and_those_that_are_gone_are_removed() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let push = support::Hook::start().await?;
    let incident = quiet_incident(&world).await?;
    let browser = hex(
        "042571b2becdfde360551aaf1ed0f4cd366c11cebe555f89bcb7b186a53339173168ece2ebe018597bd30479b86e3c8f8eced577ca59187e9246990db682008b0e",
    );
    let client = world.client().await;
    casedb::push::subscribe(&client, world.worker, &push.url, &browser, &[7; 16]).await?;
    let running = world.start(WorkerConfig {
        push: Some(PushConfig {
            key: Arc::new(Vapid::new(&Vapid::make()?)?),
            subject: "mailto:duty@agency.example".into(),
            timeout: Duration::from_secs(5),
        }),
        ..restless(None)
    });
    assert!(matches!(
        call(&world, &incident, "a", &[Channel::Push]).await?,
        Called::Queued { .. }
    ));
    let request = wait_for("the push", async || push.requests().pop()).await;
    let id = world
        .strings("SELECT notification_id::text FROM notification WHERE channel = 'push'")
        .await;
    assert_eq!(vec![request.key], id);
    assert!(!request.body.contains("Incident"), "the push service cannot read it");
    push.always_answer(410);
    call(&world, &incident, "b", &[Channel::Push]).await?;
    wait_for("the subscription to go", async || {
        (casedb::push::count(&client, world.worker).await.unwrap() == 0).then_some(())
    })
    .await;
    assert_eq!(call(&world, &incident, "c", &[Channel::Push]).await?, Called::Nobody);
    running.stop().await?;
    drop(client);
    world.drop_now().await
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_looks_at_once_pass_a_message_on_once() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let incident = quiet_incident(&world).await?;
    let user = Uuid::from_u128(4);
    assert_eq!(user, world.worker);
    for n in 0..30 {
        call(&world, &incident, &format!("{n:02}"), &[Channel::Sms, Channel::Mail]).await?;
    }
    world
        .execute("UPDATE notification SET fail_over_at = now() WHERE chain_key IS NOT NULL")
        .await;
    let served = [Channel::Sms, Channel::Mail];
    let look = async || {
        let mut client = world.db.client().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let passed = notification::pass_on(&transaction, &served).await.unwrap();
        transaction.commit().await.unwrap();
        passed.on
    };
    let (one, two, three) = tokio::join!(look(), look(), look());
    assert_eq!(one + two + three, 30);
    assert_eq!(look().await, 0);
    assert_eq!(
        world
            .strings("SELECT 'x' FROM notification WHERE channel = 'mail' AND position = 1")
            .await
            .len(),
        30
    );
    world.drop_now().await
}
