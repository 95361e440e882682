//! The canary as a process of its own: whatever part dies, its watcher says so past that part, and says when it is back.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::installation::{Installation, Running};

/// Reports every 2 s, blind after 8 s: the promise in small. The defaults are played in `alerts::canary`.
const SETTINGS: [(&str, &str); 3] = [
    ("HOMEWARD_CANARY_EVERY_SECONDS", "2"),
    ("HOMEWARD_CANARY_BLIND_AFTER_SECONDS", "8"),
    ("HOMEWARD_CANARY_WEBHOOK_SECRET", "invented"),
];
/// A look a second, up to 3 s for one that fails, and a busy machine.
const SLACK: Duration = Duration::from_secs(12);

type Heard = Arc<Mutex<Vec<Value>>>;

async fn hear(State(heard): State<Heard>, headers: HeaderMap, Json(body): Json<Value>) {
    assert!(headers.contains_key("x-homeward-signature"), "{headers:?}");
    heard.lock().unwrap().push(body);
}

/// A duty room's own system that takes requests.
async fn receiver() -> (String, Heard) {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(hear)).with_state(Arc::clone(&heard));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, heard)
}

/// The way to the database, which can be cut.
async fn wire(to: String) -> (u16, AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut lines = JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let to = to.clone();
            lines.spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, task.abort_handle())
}

/// Waits for what is told next.
async fn next(heard: &Heard, told: usize, within: Duration, canary: &Running) -> Value {
    let deadline = Instant::now() + within;
    loop {
        if let Some(word) = heard.lock().unwrap().get(told) {
            return word.clone();
        }
        assert!(
            Instant::now() < deadline,
            "nothing told within {within:?}\n{}",
            canary.text()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_is_told_past_it_and_so_is_its_return() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    let (address, heard) = receiver().await;
    let url = installation.database.url.clone();
    let host = url.split('@').nth(1).unwrap().split('/').next().unwrap().to_owned();
    let (port, cable) = wire(host.clone()).await;
    let through = url.replace(&host, &format!("127.0.0.1:{port}"));

    let quiet = [("HOMEWARD_METRICS_LISTEN", "")];
    let start = |role: &str| installation.start_with(role, &[role], &quiet);
    let (mut history, mut alerts) = (start("history"), start("alerts"));
    let mut geofence = start("geofence");
    let mut gateway = installation.start("gateway", &["gateway"]);
    installation.wait_ready(&mut gateway).await;
    let own = [
        ("HOMEWARD_CANARY_WEBHOOK", address.as_str()),
        ("HOMEWARD_DATABASE_URL", &through),
    ];
    let mut canary = installation.start_with("canary", &["canary"], &[&SETTINGS[..], &own, &quiet].concat());

    // Everything works: reports come out, and nobody is told anything.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let client = installation.client().await;
    let count = async |query: &str| client.query_one(query, &[]).await.unwrap().get::<_, i64>(0);
    // It is told past the database first, and written down a moment later.
    let soon = async |query: &str, expected: i64| {
        let deadline = Instant::now() + Duration::from_secs(10);
        while count(query).await != expected {
            assert!(
                Instant::now() < deadline,
                "{query}: {}, expected {expected}",
                count(query).await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let events = count("SELECT count(*) FROM event e JOIN person p USING (person_id) WHERE p.canary").await;
    assert!(events >= 6, "{events} events\n{}\n{}", canary.text(), geofence.text());
    assert_eq!(
        heard.lock().unwrap().len(),
        0,
        "{:?}\n{}",
        heard.lock().unwrap(),
        canary.text()
    );
    // Its own incidents call nobody and are over at once; the watcher heard of each that is not of this moment.
    assert_eq!(
        count("SELECT count(*) FROM incident WHERE number > 0 OR state <> 'closed'").await,
        0
    );
    let raised = count("SELECT count(*) FROM incident").await;
    let sent = count("SELECT count(*) FROM notification WHERE channel = 'webhook' AND state = 'sent'").await;
    assert!(
        raised >= 6 && sent >= raised - 2,
        "{raised} incidents, {sent} messages\n{}",
        alerts.text()
    );

    let within = Duration::from_secs(8) + SLACK;
    // No message leaves the house: no receiver is to be given any for an hour.
    client
        .execute(
            "INSERT INTO notification_hold VALUES ('webhook', '', now() + interval '1 hour')",
            &[],
        )
        .await
        .unwrap();
    let blind = next(&heard, 0, within, &canary).await;
    assert_eq!(
        (&blind["type"], &blind["stage"]),
        (&"platform.blind".into(), &"message".into()),
        "{blind}"
    );
    client.execute("DELETE FROM notification_hold", &[]).await.unwrap();
    assert_eq!(
        next(&heard, 1, Duration::from_secs(30), &canary).await["type"],
        "platform.seeing"
    );
    geofence.kill();
    let blind = next(&heard, 2, within, &canary).await;
    assert_eq!(
        (&blind["type"], &blind["stage"]),
        (&"platform.blind".into(), &"decision".into()),
        "{blind}"
    );
    soon("SELECT count(*) FROM platform_blind WHERE ended_at IS NULL", 1).await;
    soon(
        "SELECT count(*) FROM incident WHERE kind = 'platform_blind' AND severity = 1 AND ongoing",
        1,
    )
    .await;
    geofence = start("geofence");
    let seeing = next(&heard, 3, Duration::from_secs(30), &canary).await;
    assert_eq!(seeing["type"], "platform.seeing", "{seeing}");

    gateway.kill();
    let blind = next(&heard, 4, within, &canary).await;
    assert_eq!(blind["stage"], "gateway", "{blind}");
    gateway = installation.start("gateway", &["gateway"]);
    assert_eq!(
        next(&heard, 5, Duration::from_secs(30), &canary).await["type"],
        "platform.seeing"
    );

    soon(
        "SELECT count(*) FROM platform_blind WHERE stage IN ('decision', 'gateway') AND ended_at IS NOT NULL",
        2,
    )
    .await;
    // The database is away for the watcher: it cannot ask it, and not write there that it is blind.
    cable.abort();
    let blind = next(&heard, 6, within, &canary).await;
    assert_eq!(blind["stage"], "database", "{blind}");
    // Blind twice while nobody had closed it: one incident, which is over but stays until somebody closes it.
    soon(
        "SELECT count(*) FROM incident WHERE kind = 'platform_blind' AND NOT ongoing AND state <> 'closed'",
        1,
    )
    .await;
    // Without users there is nobody to call, which is an incident of its own.
    soon(
        "SELECT count(*) FROM incident WHERE kind <> 'escalation_failed' AND number > 0",
        1,
    )
    .await;
    for running in [&mut canary, &mut gateway, &mut geofence, &mut alerts, &mut history] {
        assert!(!running.has_ended(), "{}", running.text());
        running.terminate().await;
    }
    installation.database.drop_now().await.unwrap();
}

/// Waits until the beats come through for a while; returns how often the watcher has spoken. On a busy machine they may be late at first,
/// which it tells as it should.
async fn settled(heard: &Heard, canary: &Running) -> usize {
    let begun = Instant::now();
    let (mut told, mut since) = (0, begun);
    while told % 2 != 0 || since.elapsed() < Duration::from_secs(12) {
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "{:?}\n{}",
            heard.lock().unwrap(),
            canary.text()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = heard.lock().unwrap().len();
        if now != told {
            (told, since) = (now, Instant::now());
        }
    }
    told
}

/// Parts that stand still are there, hold their connections, and do nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_still_is_told_like_what_is_gone() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    let (address, heard) = receiver().await;
    let quiet = [("HOMEWARD_METRICS_LISTEN", "")];
    let start = |role: &str| installation.start_with(role, &[role], &quiet);
    let (history, alerts, geofence) = (start("history"), start("alerts"), start("geofence"));
    let mut gateway = installation.start("gateway", &["gateway"]);
    installation.wait_ready(&mut gateway).await;
    let own = [
        ("HOMEWARD_CANARY_WEBHOOK", address.as_str()),
        // Longer than the 8 s in which a beat must be acknowledged, as the default is: where it ended is known by then.
        ("HOMEWARD_CANARY_BLIND_AFTER_SECONDS", "16"),
    ];
    let canary = installation.start_with("canary", &["canary"], &[&SETTINGS[..], &own, &quiet].concat());
    let within = Duration::from_secs(16) + SLACK;
    for (part, stages) in [
        (&geofence, &["decision"][..]),
        // Events and messages are its work; which of them is missed first depends on where it stood still.
        (&alerts, &["decision", "incident", "message"]),
        (&gateway, &["gateway", "stream"]),
    ] {
        let told = settled(&heard, &canary).await;
        part.signal("STOP");
        let blind = next(&heard, told, within, &canary).await;
        assert_eq!(blind["type"], "platform.blind", "{blind}");
        assert!(stages.contains(&blind["stage"].as_str().unwrap()), "{blind}");
        part.signal("CONT");
        let seeing = next(&heard, told + 1, Duration::from_secs(40), &canary).await;
        assert_eq!(seeing["type"], "platform.seeing", "{seeing}");
    }
    drop((history, alerts, geofence, gateway, canary));
    installation.database.drop_now().await.unwrap();
}
