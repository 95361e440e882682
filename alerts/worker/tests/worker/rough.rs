//! Receivers that answer nonsense, or nothing, and a database that stands still for longer than a lease.

use std::{sync::Arc, time::Duration};

use alerts::route::Channel;
use anyhow::Result;
use casedb::Database;
use homeward_alerts_worker::{self as worker, SmsConfig, SmsSettings, WorkerConfig};
use proto::wire::{Edge, EventKind};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    providers::{Mood, Provider},
    support::{self, World, event, wait_for},
};

/// What a receiver does with whoever connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Takes the request and never answers; the connection stays.
    Silent,
    /// Resets the connection in the middle of its answer's head.
    Resets,
    /// No HTTP at all.
    Garbage,
    /// 200, and a page that is no JSON.
    Page,
    /// 200, and a body without end.
    Endless,
    /// Sends elsewhere, each time.
    Elsewhere,
    /// 200, an answer in JSON that says no.
    SaysNo,
    /// Speaks TLS, with a certificate of nobody's.
    Stranger,
}

async fn receiver(manner: Manner, elsewhere: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (elsewhere, acceptor) = (elsewhere.clone(), acceptor.clone());
            tokio::spawn(async move {
                if manner == Manner::Stranger {
                    let _ = acceptor.accept(socket).await;
                    return;
                }
                let mut request = vec![0; 64 * 1024];
                let _ = socket.read(&mut request).await;
                let answer = match manner {
                    Manner::Silent | Manner::Stranger => {
                        sleep(Duration::from_mins(5)).await;
                        return;
                    }
                    Manner::Resets => {
                        let _ = socket.write_all(b"HTTP/1.1 2").await;
                        let _ = socket.set_zero_linger();
                        return;
                    }
                    Manner::Garbage => "220 smtp.example ESMTP\r\n".to_owned(),
                    Manner::Page => {
                        "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n<html>logged out</html>\r\n\r\n".to_owned()
                    }
                    Manner::SaysNo => "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"code\":\"FULL\"}".to_owned(),
                    Manner::Elsewhere => {
                        format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n")
                    }
                    Manner::Endless => {
                        let _ = socket
                            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                            .await;
                        let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                        while socket.write_all(chunk.as_bytes()).await.is_ok() {}
                        return;
                    }
                };
                let _ = socket.write_all(answer.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    let scheme = if manner == Manner::Stranger { "https" } else { "http" };
    Ok(format!("{scheme}://{address}/"))
}

fn gateway(url: &str) -> SmsConfig {
    let url = format!("{url}sms");
    let mut config = SmsConfig::new(&SmsSettings {
        url: &url,
        method: "POST",
        body: r#"{"to":"{to}","text":"{text}"}"#,
        success: "/code=OK",
        segments: 2,
        ..SmsSettings::default()
    })
    .unwrap();
    config.timeout = Duration::from_millis(500);
    config
}

/// What is stored of a message that no receiver has taken, by receiver: none is taken for sent, each is listed as dead when its tries are over, and
/// nothing goes where a redirect points to.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_yes_is_not_taken_for_one() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let innocent = Provider::start(Mood::default(), 1, Duration::ZERO).await?;
    let elsewhere = format!("http://{}/hook", innocent.address);
    // What of it a webhook and a gateway are told; a webhook's answer has no body that counts.
    let manners = [
        (Manner::Silent, Some("timed out"), Some("timed out")),
        (Manner::Resets, Some(""), Some("")),
        (Manner::Garbage, Some(""), Some("")),
        (Manner::Page, None, Some("cannot be read")),
        (Manner::Endless, None, Some("")),
        (Manner::Elsewhere, Some("HTTP 307"), Some("HTTP 307")),
        (Manner::SaysNo, None, Some("FULL")),
        (Manner::Stranger, Some("certificate"), Some("certificate")),
    ];
    for (n, (manner, hook_says, gateway_says)) in (100..).zip(manners) {
        let url = receiver(manner, elsewhere.clone()).await?;
        world.execute("DELETE FROM notification_target").await;
        world
            .target(world.police, Channel::Webhook, &url, Some(b"s"), 4)
            .await?;
        world
            .target(world.social, Channel::Sms, "+8613800000000", None, 4)
            .await?;
        let person = world.person(&format!("HZ-{n}"), 2).await?;
        let running = world.start(WorkerConfig {
            sms: Some(gateway(&url)),
            webhook_timeout: Duration::from_millis(500),
            max_attempts: 3,
            max_refusals: 2,
            ..support::quick()
        });
        world
            .append(&[event(person, EventKind::StrapTamper, Edge::Onset, None, n)])
            .await?;
        world.caught_up().await;
        let outcome = format!(
            "SELECT concat_ws(' ', n.channel, n.state, n.attempts, lower(n.last_error)) FROM notification n JOIN incident USING (incident_id)
            WHERE person_id = '{person}' AND n.channel IN ('webhook', 'sms') ORDER BY n.channel"
        );
        let ended = "SELECT 1::text FROM notification WHERE state NOT IN ('sent', 'dead')";
        wait_for("all tries to be over", async || {
            (world.strings(&outcome).await.len() == 2 && world.strings(ended).await.is_empty()).then_some(())
        })
        .await;
        running.stop().await?;
        let told = world.strings(&outcome).await;
        for (said, expected) in told.iter().zip([gateway_says, hook_says]) {
            match expected {
                Some(words) => assert!(
                    said.contains(" dead ") && said.contains(&words.to_lowercase()),
                    "{manner:?}: {told:?}"
                ),
                None => assert!(said.contains(" sent 1"), "{manner:?}: {told:?}"),
            }
        }
        // The address may hold a token: it is in no error.
        assert!(!told.iter().any(|said| said.contains("127.0.0.1")), "{told:?}");
    }
    assert!(innocent.taken().is_empty() && innocent.seen.lock().unwrap().requests.is_empty());
    world.drop_now().await
}

/// A way to the database that can be stopped: what was sent stays under way, and comes when it goes on.
async fn way_to(target: String, still: watch::Receiver<bool>) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let (target, mut still) = (target.clone(), still.clone());
            tokio::spawn(async move {
                let mut near = near;
                let _ = still.wait_for(|still| !still).await;
                let Ok(mut far) = TcpStream::connect(&target).await else {
                    return;
                };
                loop {
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        Ok(_) = still.wait_for(|still| *still) => {}
                    }
                    if still.wait_for(|still| !still).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(port)
}

/// The database stands still for several leases and several steps of ladders while messages are in flight, twice: nothing is lost, a provider that honours
/// keys takes each once, and each step is on record once at its own instant.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_stands_still_loses_nothing() -> Result<()> {
    let Some(world) = World::new().await? else {
        return Ok(());
    };
    let mood = Mood {
        slow: 20,
        refuses: 20,
        ..Mood::default()
    };
    let [hook, sms] = [
        Provider::start(mood, 5, Duration::from_millis(900)).await?,
        Provider::start(mood, 6, Duration::from_millis(900)).await?,
    ];
    let url = format!("http://{}/hook", hook.address);
    world
        .target(world.police, Channel::Webhook, &url, Some(b"s"), 4)
        .await?;
    world
        .target(world.social, Channel::Sms, "+8613800000000", None, 4)
        .await?;
    let (stop, still) = watch::channel(false);
    let parsed: tokio_postgres::Config = world.url().parse()?;
    let (tokio_postgres::config::Host::Tcp(host), port) = (&parsed.get_hosts()[0], parsed.get_ports()[0]) else {
        anyhow::bail!("the test server listens on a socket");
    };
    let near = way_to(format!("{host}:{port}"), still).await?;
    let through = world
        .url()
        .replacen(&format!("{host}:{port}"), &format!("127.0.0.1:{near}"), 1);
    assert_ne!(through, world.url());
    let end = CancellationToken::new();
    let mut running = Vec::new();
    for _ in 0..2 {
        let config = WorkerConfig {
            lease: Duration::from_millis(1_500),
            sms: Some(sms.gateway(false)),
            webhook_timeout: Duration::from_millis(400),
            max_attempts: 1_000,
            max_refusals: 1_000,
            ..support::quick()
        };
        let db = Database::connect(&through, 8).await?;
        let run = worker::run(db, Arc::clone(&world.log), config, end.clone());
        running.push(tokio::spawn(async move { Box::pin(run).await }));
    }
    for n in 0..30 {
        let person = world.person(&format!("HZ-{n}"), 2).await?;
        world
            .append(&[event(person, EventKind::StrapTamper, Edge::Onset, None, 100 + n)])
            .await?;
        if n == 10 || n == 20 {
            stop.send_replace(true);
            sleep(Duration::from_secs(5)).await;
            stop.send_replace(false);
        }
    }
    world.caught_up().await;
    wait_for("everything to be sent", async || {
        let left = "SELECT 1::text FROM notification WHERE state <> 'sent'";
        world.strings(left).await.is_empty().then_some(())
    })
    .await;
    for (channel, provider) in [("webhook", &hook), ("sms", &sms)] {
        let keys = format!("SELECT notification_id::text FROM notification WHERE channel = '{channel}' ORDER BY 1");
        let taken: Vec<String> = provider.taken().into_keys().collect();
        assert_eq!(taken, world.strings(&keys).await, "{channel}");
        assert_eq!(taken.len(), 30);
        assert_eq!(provider.seen.lock().unwrap().changed, 0);
    }
    let steps = "SELECT concat_ws(' ', code, (due_at = onset.at)::text, count(*)) FROM incident_action a
        JOIN (SELECT incident_id, raised_at AS at FROM incident) onset USING (incident_id)
        WHERE action = 'call' AND code = '1.1' GROUP BY code, due_at = onset.at";
    assert_eq!(world.strings(steps).await, ["1.1 true 30"]);
    end.cancel();
    for one in running {
        one.await??;
    }
    world.drop_now().await
}
