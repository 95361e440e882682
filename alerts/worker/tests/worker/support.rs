//! A small world for the worker: an agency of each branch, people, receivers on loopback.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use alerts::{
    ladder::{Scope, Step},
    roster::{Callee, Via},
    route::Channel,
};
use anyhow::Result;
use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use casedb::{
    Database,
    escalation::{self, NewAssignment, NewLadder},
};
use homeward_alerts_worker::{self as worker, SmtpConfig, SmtpTls, WorkerConfig, WorkerError, channel::webhook};
use jiff::{SignedDuration, Timestamp};
use proto::{
    EventId, PersonId, Topic, ViolationId, ZoneId,
    topic::partition_of,
    wire::{self, Edge, EventKind},
};
use stream::{
    Log, NewRecord,
    memory::MemoryLog,
    postgres::{self, PostgresLog},
};
use testkit::TestDatabase;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PARTITIONS: u32 = 4;

/// Settings that do not make tests wait.
pub(crate) fn quick() -> WorkerConfig {
    WorkerConfig {
        poll: Duration::from_millis(20),
        backoff: Duration::from_millis(20),
        backoff_max: Duration::from_millis(100),
        drain: Duration::from_secs(2),
        ..WorkerConfig::default()
    }
}

/// Waits up to 20 s for a value.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One edge of a violation that began `onset_s` seconds after 2026 began, an end ten seconds later.
pub(crate) fn event(person: PersonId, kind: EventKind, edge: Edge, zone: Option<ZoneId>, onset_s: i64) -> wire::Event {
    let onset_us = (1_767_225_600 + onset_s) * 1_000_000;
    let violation = ViolationId::derive(person, kind as i32, zone, 1, onset_us);
    wire::Event {
        event_id: EventId::derive(violation, edge as i32).to_wire(),
        violation_id: violation.to_wire(),
        person_id: person.to_wire(),
        kind: kind as i32,
        edge: edge as i32,
        zone_id: zone.map(ZoneId::to_wire).unwrap_or_default(),
        zone_revision: zone.map_or(0, |_| 1),
        rules_revision: 1,
        onset_us,
        end_us: (edge == Edge::End).then_some(onset_us + 10_000_000),
        decided_at_us: onset_us + 1_000,
        ..wire::Event::default()
    }
}

/// A few hundred events in an order in which an engine might say them.
pub(crate) fn many_events(people: &[PersonId], home: ZoneId) -> Vec<wire::Event> {
    let kinds = [
        EventKind::LeftDuringCurfew,
        EventKind::Silence,
        EventKind::StrapTamper,
        EventKind::BatteryLow,
    ];
    let mut events = Vec::new();
    for round in 0..8 {
        for (n, person) in people.iter().enumerate() {
            let kind = kinds[(n + round) % kinds.len()];
            let zone = (kind == EventKind::LeftDuringCurfew).then_some(home);
            let onset_s = i64::try_from(round * 1_000 + n).unwrap();
            events.push(event(*person, kind, Edge::Onset, zone, onset_s));
            if (n + round) % 3 != 0 {
                events.push(event(*person, kind, Edge::End, zone, onset_s));
            }
        }
    }
    events
}

/// A database with two agencies and two users, and a log.
pub(crate) struct World {
    database: TestDatabase,
    pub(crate) db: Database,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) police: Uuid,
    pub(crate) social: Uuid,
    pub(crate) officer: Uuid,
    pub(crate) worker: Uuid,
}

/// What tests look at of an incident.
#[derive(Debug, Clone)]
pub(crate) struct Incident {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) severity: i16,
    pub(crate) audience: String,
    pub(crate) ongoing: bool,
    pub(crate) ended: bool,
    pub(crate) events: i64,
    pub(crate) version: i64,
}

impl World {
    pub(crate) async fn new() -> Result<Option<Self>> {
        match testkit::database().await? {
            Some(database) => Ok(Some(Self::set_up(database).await?)),
            None => Ok(None),
        }
    }

    /// One on each edition, with the stream in that database.
    pub(crate) async fn on_every_edition() -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for database in testkit::databases().await? {
            let mut world = Self::set_up(database).await?;
            let config = postgres::Config {
                partitions: PARTITIONS,
                ..postgres::Config::default()
            };
            world.log = Arc::new(PostgresLog::connect(&world.database.url, config).await?);
            all.push(world);
        }
        Ok(all)
    }

    async fn set_up(database: TestDatabase) -> Result<Self> {
        casedb::migrate(&database.url, PARTITIONS).await?;
        let db = Database::connect(&database.url, 16).await?;
        let [police, social, officer, worker] = [1, 2, 3, 4].map(Uuid::from_u128);
        let world = Self {
            database,
            db,
            log: Arc::new(MemoryLog::new(PARTITIONS)),
            police,
            social,
            officer,
            worker,
        };
        world
            .execute(
                "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES
                    ('00000000-0000-0000-0000-000000000001', 'town.police', 'Police', 'police', 'Asia/Shanghai'),
                    ('00000000-0000-0000-0000-000000000002', 'town.social', 'Social work', 'social_work', 'Asia/Shanghai')",
            )
            .await;
        world
            .execute(
                "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash, email) VALUES
                    ('00000000-0000-0000-0000-000000000003', 'officer', 'O.', 'duty_officer',
                        '00000000-0000-0000-0000-000000000001', '', NULL),
                    ('00000000-0000-0000-0000-000000000004', 'worker', 'W.', 'social_worker',
                        '00000000-0000-0000-0000-000000000002', '', 'worker@social.example')",
            )
            .await;
        Ok(world)
    }

    pub(crate) async fn drop_now(self) -> Result<()> {
        let Self { database, db, log, .. } = self;
        log.close(Duration::from_secs(1)).await;
        drop(db);
        // Background workers of the server's own may still look at the database; then it goes with the cluster.
        if let Err(error) = database.drop_now().await {
            eprintln!("test database stays: {error}");
        }
        Ok(())
    }

    pub(crate) fn url(&self) -> &str {
        &self.database.url
    }

    pub(crate) async fn client(&self) -> impl casedb::GenericClient + use<> {
        self.db.client().await.unwrap()
    }

    /// A ladder for everybody that leaves the consoles a day before it calls: nothing of it comes in between what a test looks at.
    pub(crate) async fn patient(&self) -> Result<()> {
        let steps = [Step {
            call: Callee::Rota(escalation::DESK),
            via: vec![Via::Console],
            wait: SignedDuration::from_hours(1),
        }];
        let patient = NewLadder {
            steps: &steps,
            laps: 1,
            delay: SignedDuration::from_hours(24),
        };
        let mut client = self.db.client().await?;
        let transaction = client.transaction().await?;
        let now = Timestamp::now();
        let (_, checked) = escalation::set_ladder(&transaction, "patient", &patient, None, now).await?;
        checked?;
        let plan = escalation::load(&transaction).await?;
        let everybody = NewAssignment {
            scope: Scope::Everywhere,
            severity: None,
            audience: None,
            ladder: plan.ladders.keys().next().copied(),
        };
        escalation::assign(&transaction, &everybody, None, now).await??;
        transaction.commit().await?;
        Ok(())
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.db.client().await.unwrap().batch_execute(sql).await.unwrap();
    }

    /// The first column of a query.
    pub(crate) async fn strings(&self, sql: &str) -> Vec<String> {
        let rows = self.db.client().await.unwrap().query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Somebody under an order, who wears a device.
    pub(crate) async fn person(&self, reference: &str, risk_level: i16) -> Result<PersonId> {
        let person = self.unfitted(reference, risk_level).await?;
        let client = self.db.client().await?;
        let device = Uuid::now_v7();
        client
            .execute(
                "INSERT INTO device (device_id, protocol, identity) VALUES ($1, 'native', 'of-' || $2::text)",
                &[&device, &device.to_string()],
            )
            .await?;
        // Heard of all the time, and before it is worn: a worker that looks in between would have the order reviewed.
        client
            .execute(
                "INSERT INTO device_status (device_id, last_seen_at) VALUES ($1, now() + interval '1 day')",
                &[&device],
            )
            .await?;
        client
            .execute(
                "INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at) VALUES ($1, $1, $2, '2020-01-01Z')",
                &[&device, &person.uuid()],
            )
            .await?;
        Ok(person)
    }

    /// The same without a device.
    pub(crate) async fn unfitted(&self, reference: &str, risk_level: i16) -> Result<PersonId> {
        let person = PersonId::from_name(reference);
        self.db
            .client()
            .await?
            .execute(
                "INSERT INTO person (person_id, reference, display_name, risk_level, police_agency_id, social_agency_id,
                    social_worker_id, time_zone) VALUES ($1, $2, 'Anna Example', $3, $4, $5, $6, 'Asia/Shanghai')",
                &[&person.uuid(), &reference, &risk_level, &self.police, &self.social, &self.worker],
            )
            .await?;
        self.db
            .client()
            .await?
            .execute(
                "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
                 VALUES ($1, $2, 'invented act, section 1', '2020-01-01Z', '2100-01-01Z')",
                &[&Uuid::now_v7(), &person.uuid()],
            )
            .await?;
        Ok(person)
    }

    pub(crate) async fn zone(&self, label: &str, audience: &str) -> Result<ZoneId> {
        self.zone_of(label, audience, Uuid::now_v7()).await
    }

    pub(crate) async fn zone_of(&self, label: &str, audience: &str, id: Uuid) -> Result<ZoneId> {
        self.db
            .client()
            .await?
            .execute(
                "INSERT INTO zone (zone_id, label, kind, audience) VALUES ($1, $2, 'inclusion', $3)",
                &[&id, &label, &audience],
            )
            .await?;
        Ok(ZoneId::new(id))
    }

    pub(crate) async fn target(
        &self,
        agency: Uuid,
        channel: Channel,
        address: &str,
        secret: Option<&[u8]>,
        max_severity: i16,
    ) -> Result<()> {
        self.db
            .client()
            .await?
            .execute(
                "INSERT INTO notification_target (target_id, agency_id, channel, address, secret, max_severity)
                 VALUES ($1, $2, $3, $4, $5, $6)",
                &[
                    &Uuid::now_v7(),
                    &agency,
                    &channel.name(),
                    &address,
                    &secret,
                    &max_severity,
                ],
            )
            .await?;
        Ok(())
    }

    pub(crate) async fn append(&self, events: &[wire::Event]) -> Result<()> {
        let records = events
            .iter()
            .map(|event| {
                let person = PersonId::from_wire(&event.person_id).unwrap();
                record(person, prost::Message::encode_to_vec(event))
            })
            .collect();
        self.log.append(Topic::Events, records).await?;
        Ok(())
    }

    pub(crate) async fn append_raw(&self, person: PersonId, payloads: Vec<Vec<u8>>) -> Result<()> {
        let records = payloads.into_iter().map(|payload| record(person, payload)).collect();
        self.log.append(Topic::Events, records).await?;
        Ok(())
    }

    /// Waits until everything in the log has had its effect.
    pub(crate) async fn caught_up(&self) {
        wait_for("the worker to catch up", async || {
            for partition in 0..PARTITIONS {
                let end = self.log.bounds(Topic::Events, partition).await.unwrap().end;
                let client = self.db.client().await.unwrap();
                let next = casedb::offset::load(&client, worker::consume::READER, Topic::Events, partition)
                    .await
                    .unwrap();
                if next < end {
                    return None;
                }
            }
            // The first step of a ladder is due with the incident.
            let due = self
                .strings("SELECT incident_id::text FROM incident WHERE deadline_at <= now()")
                .await;
            due.is_empty().then_some(())
        })
        .await;
    }

    pub(crate) fn start(&self, config: WorkerConfig) -> Running {
        let stop = CancellationToken::new();
        let log = Arc::clone(&self.log);
        let run = worker::run(self.db.clone(), log, config, stop.clone());
        let task = tokio::spawn(async move {
            Box::pin(run)
                .await
                .inspect_err(|error| eprintln!("worker failed: {error}"))
        });
        Running { stop, task }
    }

    pub(crate) async fn incidents(&self) -> Vec<Incident> {
        let sql = "SELECT incident_id, kind, state, severity, audience, ongoing, ended_at IS NOT NULL AS ended, events, version
            FROM incident ORDER BY number";
        let rows = self.db.client().await.unwrap().query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| Incident {
                id: row.get("incident_id"),
                kind: row.get("kind"),
                state: row.get("state"),
                severity: row.get("severity"),
                audience: row.get("audience"),
                ongoing: row.get("ongoing"),
                ended: row.get("ended"),
                events: row.get("events"),
                version: row.get("version"),
            })
            .collect()
    }

    /// What two runs over the same events must agree on.
    pub(crate) async fn summary(&self) -> Vec<String> {
        self.strings(
            "SELECT concat_ws(' ', p.reference, i.grouping_key, i.kind, i.severity, i.audience, i.state, i.ongoing,
                extract(epoch FROM i.onset_at)::bigint, extract(epoch FROM i.ended_at)::bigint, i.events, i.version,
                (SELECT count(*) FROM incident_action a WHERE a.incident_id = i.incident_id),
                (SELECT count(*) FROM incident_event e WHERE e.incident_id = i.incident_id),
                (SELECT count(*) FROM notification n WHERE n.incident_id = i.incident_id))
             FROM incident i JOIN person p USING (person_id) ORDER BY 1",
        )
        .await
    }

    /// Every row that events may have made, as text.
    pub(crate) async fn everything(&self) -> Vec<String> {
        self.strings(
            "SELECT i::text FROM incident i UNION ALL SELECT a::text FROM incident_action a UNION ALL
             SELECT e::text FROM event e UNION ALL SELECT l::text FROM incident_event l UNION ALL
             SELECT concat_ws(' ', notification_id, idempotency_key) FROM notification ORDER BY 1",
        )
        .await
    }
}

fn record(person: PersonId, payload: Vec<u8>) -> NewRecord {
    NewRecord {
        partition: partition_of(person, PARTITIONS),
        key: person.to_wire().into(),
        payload: payload.into(),
    }
}

/// A worker under way.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), WorkerError>>,
}

impl Running {
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await??)
    }

    /// Drops it wherever it is.
    pub(crate) fn crash(self) {
        self.task.abort();
    }
}

/// What a webhook receiver got.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) signature: String,
    pub(crate) key: String,
    pub(crate) body: String,
}

/// The kind that a webhook tells of.
pub(crate) fn kind_of(request: &Request) -> String {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    body["kind"].as_str().unwrap().to_owned()
}

/// What a webhook tells of it.
pub(crate) fn type_of(request: &Request) -> String {
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    body["type"].as_str().unwrap().to_owned()
}

#[derive(Debug, Default)]
struct Received {
    requests: Vec<Request>,
    next_answers: VecDeque<u16>,
    answer: Option<u16>,
}

/// A webhook receiver.
pub(crate) struct Hook {
    pub(crate) url: String,
    received: Arc<Mutex<Received>>,
}

impl Hook {
    pub(crate) async fn start() -> Result<Self> {
        let received = Arc::new(Mutex::new(Received::default()));
        let router = Router::new()
            .route("/hook", post(Self::take))
            .with_state(Arc::clone(&received));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, received })
    }

    #[expect(clippy::unused_async, reason = "handlers are async")]
    async fn take(State(received): State<Arc<Mutex<Received>>>, headers: HeaderMap, body: Bytes) -> StatusCode {
        let header = |name| {
            headers
                .get(name)
                .map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        let mut received = received.lock().unwrap();
        received.requests.push(Request {
            signature: header(webhook::SIGNATURE),
            key: header(webhook::IDEMPOTENCY_KEY),
            body: String::from_utf8_lossy(&body).into_owned(),
        });
        let answer = received.next_answers.pop_front().or(received.answer).unwrap_or(204);
        StatusCode::from_u16(answer).unwrap()
    }

    pub(crate) fn answer_with<const N: usize>(&self, answers: [u16; N]) {
        self.received.lock().unwrap().next_answers.extend(answers);
    }

    pub(crate) fn always_answer(&self, answer: u16) {
        self.received.lock().unwrap().answer = Some(answer);
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.received.lock().unwrap().requests.clone()
    }
}

/// A mail server that takes everything, from everybody or from who proves to be somebody.
#[derive(Clone)]
pub(crate) struct MailServer {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    logged_in: Arc<Mutex<Vec<String>>>,
    in_clear: Arc<Mutex<Vec<String>>>,
}

/// What a mail server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogIn {
    /// Nothing.
    No,
    /// One of these mechanisms, as it offers them.
    By(&'static str),
}

/// User and password of the mail server.
pub(crate) const MAIL_USER: (&str, &str) = ("homeward", "pass word\u{e9}");

impl MailServer {
    pub(crate) async fn start() -> Result<Self> {
        Self::asking(LogIn::No).await
    }

    pub(crate) async fn asking(log_in: LogIn) -> Result<Self> {
        Self::protected(log_in, None).await
    }

    /// One that begins with TLS, or offers it after a clear beginning, and then takes nothing before it.
    pub(crate) async fn protected(log_in: LogIn, tls: Option<(SmtpTls, TlsAcceptor)>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let server = Self {
            port,
            mails: Arc::default(),
            logged_in: Arc::default(),
            in_clear: Arc::default(),
        };
        let kept = server.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (kept, tls) = (kept.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => kept.converse(socket, log_in, true).await,
                        Some((SmtpTls::Tls, acceptor)) => {
                            let socket = acceptor.accept(socket).await?;
                            kept.converse(socket, log_in, true).await
                        }
                        Some((_, acceptor)) => match kept.in_clear(socket).await? {
                            Some(socket) => {
                                let socket = acceptor.accept(socket).await?;
                                kept.converse(socket, log_in, false).await
                            }
                            None => Ok(()),
                        },
                    }
                });
            }
        });
        Ok(server)
    }

    /// What was said before TLS, but for EHLO and STARTTLS.
    pub(crate) fn said_in_clear(&self) -> Vec<String> {
        self.in_clear.lock().unwrap().clone()
    }

    /// The conversation up to STARTTLS.
    async fn in_clear(&self, socket: TcpStream) -> Result<Option<TcpStream>> {
        let mut lines = BufReader::new(socket);
        lines.write_all(b"220 test\r\n").await?;
        let mut line = String::new();
        while lines.read_line(&mut line).await? > 0 {
            let answer: &[u8] = match line.trim_end().to_ascii_uppercase().as_str() {
                "STARTTLS" => {
                    lines.write_all(b"220 go ahead\r\n").await?;
                    return Ok(Some(lines.into_inner()));
                }
                verb if verb.starts_with("EHLO") => b"250-test\r\n250 STARTTLS\r\n",
                verb => {
                    self.in_clear.lock().unwrap().push(verb.to_owned());
                    b"530 first STARTTLS\r\n"
                }
            };
            lines.write_all(answer).await?;
            line.clear();
        }
        Ok(None)
    }

    /// Who logged in, by mechanism and name, in their order.
    pub(crate) fn logged_in(&self) -> Vec<String> {
        self.logged_in.lock().unwrap().clone()
    }

    async fn converse(&self, socket: impl AsyncRead + AsyncWrite + Unpin, log_in: LogIn, greets: bool) -> Result<()> {
        let (kept, names) = (&self.mails, &self.logged_in);
        let (read, mut write) = tokio::io::split(socket);
        let mut lines = BufReader::new(read).lines();
        if greets {
            write.write_all(b"220 test\r\n").await?;
        }
        let mut known = log_in == LogIn::No;
        while let Some(line) = lines.next_line().await? {
            let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    let offer = match log_in {
                        LogIn::By(mechanisms) => format!("250-test\r\n250 AUTH {mechanisms}\r\n"),
                        LogIn::No => "250 fine\r\n".to_owned(),
                    };
                    write.write_all(offer.as_bytes()).await?;
                }
                "AUTH" => {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    let mechanism = words[1].to_ascii_uppercase();
                    // PLAIN sends both at once (RFC 4616), LOGIN answers two questions.
                    let mut said: Vec<String> = words[2..].iter().map(|word| (*word).to_owned()).collect();
                    let wanted = if mechanism == "PLAIN" { 1 } else { 2 };
                    while said.len() < wanted {
                        let question = ["VXNlciBOYW1lAA==", "UGFzc3dvcmQA"][said.len()];
                        write.write_all(format!("334 {question}\r\n").as_bytes()).await?;
                        said.push(lines.next_line().await?.unwrap_or_default());
                    }
                    let text: Vec<String> = said
                        .iter()
                        .map(|word| String::from_utf8(BASE64.decode(word).unwrap_or_default()).unwrap_or_default())
                        .collect();
                    let (user, password) = MAIL_USER;
                    known = match mechanism.as_str() {
                        "PLAIN" => text[0] == format!("\0{user}\0{password}"),
                        _ => text == [user, password],
                    };
                    names.lock().unwrap().push(format!("{mechanism} {known}"));
                    let answer: &[u8] = if known { b"235 welcome\r\n" } else { b"535 wrong\r\n" };
                    write.write_all(answer).await?;
                }
                "MAIL" if !known => write.write_all(b"530 log in first\r\n").await?,
                "DATA" => {
                    write.write_all(b"354 go on\r\n").await?;
                    let mut mail = String::new();
                    while let Some(line) = lines.next_line().await? {
                        if line == "." {
                            break;
                        }
                        mail.push_str(&line);
                        mail.push('\n');
                    }
                    kept.lock().unwrap().push(mail);
                    write.write_all(b"250 taken\r\n").await?;
                }
                "QUIT" => {
                    write.write_all(b"221 bye\r\n").await?;
                    break;
                }
                _ => write.write_all(b"250 fine\r\n").await?,
            }
        }
        Ok(())
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    pub(crate) fn config(&self) -> SmtpConfig {
        SmtpConfig {
            host: "127.0.0.1".into(),
            port: self.port,
            tls: SmtpTls::None,
            ca_file: None,
            credentials: None,
            from: "Homeward <homeward@agency.example>".into(),
            timeout: Duration::from_secs(5),
        }
    }
}
