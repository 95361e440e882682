//! A gateway's commands over a real database, with sessions that are played.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use casedb::{
    access::Purpose,
    command::{Instruction, Request, State},
};
use futures::FutureExt;
use jiff::ToSpan;
use proto::PersonId;
use testkit::TestDatabase;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

use super::*;
use crate::clone::{Said, Spot, Voice};

/// Longer than any look at the queue takes.
const SOON: Duration = Duration::from_secs(20);

struct Scene {
    test: TestDatabase,
    db: Database,
    person: PersonId,
    device: DeviceId,
    officer: Uuid,
}

impl Scene {
    async fn set() -> Result<Option<Self>> {
        let Some(test) = testkit::database().await? else {
            return Ok(None);
        };
        casedb::migrate(&test.url, 4).await?;
        let db = Database::connect(&test.url, 8).await?;
        let (agency, officer, person, device) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let sql = format!(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ('{agency}', 'harbour', 'Harbour', 'police', 'UTC');
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
                VALUES ('{officer}', 'officer', 'Invented', 'duty_officer', '{agency}', '');
            INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
                VALUES ('{person}', 'HB-1', 'Invented', '{agency}', '{agency}', 'UTC');
            INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
                VALUES (gen_random_uuid(), '{person}', 'invented act', now() - interval '1 day', now() + interval '1 day');
            INSERT INTO device (device_id, protocol, identity) VALUES ('{device}', 'native', 'HW-1');
            INSERT INTO device_assignment (assignment_id, device_id, person_id) VALUES (gen_random_uuid(), '{device}', '{person}')"
        );
        db.client().await?.batch_execute(&sql).await?;
        Ok(Some(Self {
            test,
            db,
            person: PersonId::new(person),
            device: DeviceId::new(device),
            officer,
        }))
    }

    async fn place(&self, instruction: Instruction) -> Result<Uuid> {
        let request = Request {
            person_id: self.person,
            device_id: None,
            instruction,
            requested_by: self.officer,
            purpose: Purpose::Duty,
            case_number: "",
            idempotency_key: None,
            waits: None,
        };
        let now = command::clock(&self.db.client().await?).await?;
        Ok(command::place(&self.db, &request, now).await?.command.command_id)
    }

    async fn read(&self, command: Uuid) -> Result<(State, String, String)> {
        let sql = "SELECT state, outcome, result FROM device_command WHERE command_id = $1";
        let row = self.db.client().await?.query_one(sql, &[&command]).await?;
        Ok((row.get::<_, &str>(0).parse()?, row.get(1), row.get(2)))
    }

    async fn becomes(&self, command: Uuid, state: State) -> Result<(String, String)> {
        let wait = async {
            loop {
                let (is, outcome, result) = self.read(command).await?;
                if is == state {
                    return Ok((outcome, result));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let within = timeout(SOON, wait).await;
        match within {
            Ok(read) => read,
            Err(_) => anyhow::bail!("{command} is {:?}, not {state}", self.read(command).await?),
        }
    }

    async fn close(self) -> Result<()> {
        drop(self.db);
        self.test.drop_now().await
    }
}

async fn next(orders: &Orders) -> Result<Order> {
    Ok(timeout(SOON, orders.next()).await?)
}

async fn nothing(orders: &Orders) -> bool {
    timeout(Duration::from_secs(3), orders.next()).await.is_err()
}

#[tokio::test]
async fn a_command_goes_to_the_session_and_its_answer_back() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let (commands, _tasks) = Commands::start(Some(scene.db.clone()), "one", Arc::default(), Arc::default());
    let orders = commands.enter(scene.device, 1);
    let text = scene
        .place(Instruction::Text {
            text: "Call".to_owned(),
        })
        .await?;
    let order = next(&orders).await?;
    assert_eq!(
        order.command(),
        &Command::Text {
            text: "Call".to_owned()
        }
    );
    assert!(order.reference() > 0);
    scene.becomes(text, State::Sent).await?; // before the first byte
    order.sending(Reference::Lasting(77)).delivered();
    scene.becomes(text, State::Delivered).await?;
    // Neither another device's answer, nor an answer to another command.
    commands.answered(
        DeviceId::new(Uuid::now_v7()),
        1,
        Some(Reference::Lasting(77)),
        Some(true),
        "x",
    );
    commands.answered(scene.device, 1, Some(Reference::Lasting(78)), Some(true), "x");
    commands.answered(scene.device, 1, Some(Reference::Lasting(77)), Some(true), "shown");
    let end = scene.becomes(text, State::Acknowledged).await?;
    assert_eq!(end, ("done".to_owned(), "shown".to_owned()));
    // Refused by the device; and by the protocol.
    let vibrate = scene.place(Instruction::Vibrate).await?;
    next(&orders).await?.sending(Reference::Lasting(1)).delivered();
    commands.answered(scene.device, 1, None, Some(false), "no motor");
    let end = scene.becomes(vibrate, State::Failed).await?;
    assert_eq!(end, ("refused".to_owned(), "no motor".to_owned()));
    let vibrate = scene.place(Instruction::Vibrate).await?;
    next(&orders).await?.refuse(&"no words for vibrate");
    let end = scene.becomes(vibrate, State::Failed).await?;
    assert_eq!(end, ("unsupported".to_owned(), "no words for vibrate".to_owned()));
    scene.close().await
}

#[tokio::test]
async fn a_locate_is_answered_by_a_position_made_after_it() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let (commands, _tasks) = Commands::start(Some(scene.db.clone()), "one", Arc::default(), Arc::default());
    let orders = commands.enter(scene.device, 1);
    let locate = scene.place(Instruction::Locate).await?;
    next(&orders).await?.sending(Reference::Lasting(5)).delivered();
    let now = Timestamp::now();
    // A receipt, a position from the device's store, and one that was received before: no answer.
    commands.answered(scene.device, 1, Some(Reference::Lasting(5)), Some(true), "received");
    commands.located(scene.device, 1, now - 1.hour(), now);
    commands.located(scene.device, 1, now, now - 10.seconds());
    scene.becomes(locate, State::Delivered).await?;
    commands.located(scene.device, 1, now + 1.second(), now + 2.seconds());
    assert_eq!(scene.becomes(locate, State::Acknowledged).await?.0, "located");
    // One that the device answers in words alone: they are the answer when its time is over.
    scene.place(Instruction::Locate).await?;
    next(&orders).await?.sending(Reference::Lasting(6)).delivered();
    commands.answered(scene.device, 1, Some(Reference::Lasting(6)), None, "Lat:N1.5");
    assert!(commands.0.pending.over(Timestamp::now()).is_empty());
    let ended = commands.0.pending.over(Timestamp::now() + 166.seconds());
    let [(_, _, What::Ended(Outcome::Done, words, None))] = ended.as_slice() else {
        panic!("{ended:?}");
    };
    assert_eq!(words, "Lat:N1.5");
    scene.close().await
}

#[tokio::test]
async fn a_command_follows_the_device_and_goes_out_once() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let (one, _tasks_one) = Commands::start(Some(scene.db.clone()), "one", Arc::default(), Arc::default());
    let (two, _tasks_two) = Commands::start(Some(scene.db.clone()), "two", Arc::default(), Arc::default());
    // Claimed by the first, whose session ends before it sends anything: the second gets it.
    let first = one.enter(scene.device, 1);
    let vibrate = scene.place(Instruction::Vibrate).await?;
    scene.becomes(vibrate, State::Sent).await?;
    let second = two.enter(scene.device, 1);
    drop(first);
    let order = next(&second).await?;
    // A newer session of the device in the same gateway gets what comes from now on; the older one keeps what it holds.
    let newer = two.enter(scene.device, 2);
    let sending = order.sending(Reference::Lasting(1));
    drop(second);
    assert!(two.0.mailboxes.has(scene.device), "the newer session's entry stays");
    let text = scene.place(Instruction::Text { text: "x".to_owned() }).await?;
    let order = next(&newer).await?;
    assert_eq!(order.id(), text);
    // The connection breaks while it is sent: failed, and never sent again.
    drop(sending);
    assert_eq!(scene.becomes(vibrate, State::Failed).await?.0, "connection_lost");
    order.sending(Reference::Lasting(2)).delivered();
    // The device answers over a session of another gateway.
    drop(newer);
    let elsewhere = one.enter(scene.device, 9);
    assert!(nothing(&elsewhere).await);
    let reference = scene.db.client().await?;
    let sql = "SELECT reference FROM device_command WHERE command_id = $1";
    let reference: i64 = reference.query_one(sql, &[&text]).await?.get(0);
    one.answered(
        scene.device,
        9,
        Some(Reference::Lasting(u32::try_from(reference)?)),
        Some(true),
        "late",
    );
    assert_eq!(scene.becomes(text, State::Acknowledged).await?.1, "late");
    scene.close().await
}

#[tokio::test]
async fn after_a_crash_nothing_is_sent_again() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let (commands, tasks) = Commands::start(Some(scene.db.clone()), "one", Arc::default(), Arc::default());
    let orders = commands.enter(scene.device, 1);
    let locate = scene.place(Instruction::Locate).await?;
    let sending = next(&orders).await?.sending(Reference::Lasting(1));
    // kill -9: neither the session nor the tasks say anything more.
    drop(tasks);
    std::mem::forget((sending, orders));
    let (again, tasks) = Commands::start(
        Some(scene.db.clone()),
        "one after the restart",
        Arc::default(),
        Arc::default(),
    );
    let orders = again.enter(scene.device, 1);
    assert!(nothing(&orders).await);
    assert_eq!(scene.read(locate).await?.0, State::Sent);
    let end = command::clock(&scene.db.client().await?).await? + 175.seconds();
    command::sweep(&scene.db.client().await?, end).await?;
    assert_eq!(scene.read(locate).await?.1, "not_confirmed");
    drop(orders);
    tasks.flush(SOON).await;
    scene.close().await
}

/// A way to the database that can be cut.
async fn cuttable(url: &str) -> Result<(String, watch::Sender<bool>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = url
        .split('@')
        .nth(1)
        .and_then(|rest| rest.split('/').next())
        .map(str::to_owned)
        .ok_or_else(|| anyhow::anyhow!("no host in the URL"))?;
    let through = url.replace(&address, &listener.local_addr()?.to_string());
    let (cut, watched) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut inside, _)) = listener.accept().await {
            let (address, mut watched) = (address.clone(), watched.clone());
            tokio::spawn(async move {
                if *watched.borrow_and_update() {
                    return;
                }
                let Ok(mut outside) = TcpStream::connect(&address).await else {
                    return;
                };
                tokio::select! {
                    _ = copy_bidirectional(&mut inside, &mut outside) => {}
                    _ = watched.wait_for(|cut| *cut) => {}
                }
            });
        }
    });
    Ok((through, cut))
}

#[tokio::test]
async fn without_the_database_nothing_is_sent_and_nothing_lost() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let (through, cut) = cuttable(&scene.test.url).await?;
    let (commands, tasks) = Commands::start(
        Some(Database::connect(&through, 4).await?),
        "one",
        Arc::default(),
        Arc::default(),
    );
    let orders = commands.enter(scene.device, 1);
    let first = scene.place(Instruction::Vibrate).await?;
    let sending = next(&orders).await?.sending(Reference::Lasting(1));
    cut.send(true)?;
    // What was under way goes on; what is placed meanwhile waits.
    sending.delivered();
    commands.answered(scene.device, 1, Some(Reference::Lasting(1)), Some(true), "buzz");
    let second = scene.place(Instruction::Vibrate).await?;
    assert!(nothing(&orders).await);
    assert_eq!(scene.read(first).await?.0, State::Sent);
    assert_eq!(scene.read(second).await?.0, State::Queued);
    cut.send(false)?;
    assert_eq!(scene.becomes(first, State::Acknowledged).await?.1, "buzz");
    next(&orders).await?.sending(Reference::Lasting(2)).delivered();
    scene.becomes(second, State::Delivered).await?;
    tasks.flush(SOON).await;
    drop((orders, tasks, commands));
    scene.close().await
}

#[tokio::test]
async fn a_session_that_gives_orders_back_gets_them_seldom() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let (commands, _tasks) = Commands::start(Some(scene.db.clone()), "one", Arc::default(), Arc::default());
    let orders = commands.enter(scene.device, 1);
    let began = tokio::time::Instant::now();
    let text = scene.place(Instruction::Text { text: "x".to_owned() }).await?;
    for _ in 0..3 {
        drop(next(&orders).await?);
    }
    // After 1 s and 2 s; the fourth time, 4 s later, it is sent.
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(nothing(&orders).await);
    next(&orders).await?.sending(Reference::Lasting(1)).delivered();
    scene.becomes(text, State::Delivered).await?;
    assert!(commands.0.mailboxes.wants(scene.device));
    scene.close().await
}

#[tokio::test]
async fn a_claim_that_was_on_its_way_when_an_order_was_given_back_does_not_pass_the_wait() {
    let (commands, device) = alone();
    let orders = commands.enter(device, 1);
    let hand_over = || {
        let body = Box::new(body(device, Command::Vibrate));
        dispatch::hand_over(&commands, body, Timestamp::now());
    };
    assert!(commands.0.mailboxes.wants(device));
    hand_over();
    drop(orders.next().await);
    // It was asked before it gave that back, and this is claimed after.
    hand_over();
    assert!(orders.next().now_or_never().is_none());
    // Another connection of the device is not kept waiting for it.
    drop(orders);
    let again = commands.enter(device, 2);
    hand_over();
    again.next().await.sending(Reference::Lasting(1)).delivered();
}

#[tokio::test]
async fn many_sessions_come_and_go_and_every_command_goes_out_once() -> Result<()> {
    let Some(scene) = Scene::set().await? else {
        return Ok(());
    };
    let gateways: Vec<_> = ["one", "two", "three"]
        .into_iter()
        .map(|name| Commands::start(Some(scene.db.clone()), name, Arc::default(), Arc::default()))
        .collect();
    let mut placed = Vec::new();
    for _ in 0..12 {
        placed.push(scene.place(Instruction::Vibrate).await?);
    }
    let sent = Arc::new(std::sync::Mutex::new(Vec::new()));
    // The device goes from gateway to gateway; every second session breaks off before it has sent what it was given.
    let play = async {
        for turn in 0_u64.. {
            let (commands, _) = &gateways[usize::try_from(turn % 3).unwrap_or_default()];
            let orders = commands.enter(scene.device, turn);
            while let Ok(order) = timeout(Duration::from_millis(300), orders.next()).await {
                if turn % 2 == 0 {
                    break;
                }
                let id = order.id();
                order.sending(Reference::Lasting(1)).delivered();
                sent.lock().unwrap().push(id);
            }
            if sent.lock().unwrap().len() >= placed.len() {
                break;
            }
        }
    };
    timeout(Duration::from_mins(1), play).await?;
    let mut sent = sent.lock().unwrap().clone();
    sent.sort();
    placed.sort();
    assert_eq!(sent, placed, "each once");
    for (_, tasks) in &gateways {
        tasks.flush(SOON).await;
    }
    drop(gateways);
    scene.close().await
}

#[test]
fn the_case_database_and_the_codec_mean_the_same() {
    let interval = |seconds, for_seconds| Instruction::Interval { seconds, for_seconds };
    let text = |text: &str| Instruction::Text { text: text.to_owned() };
    for instruction in [
        Instruction::Locate,
        interval(1, 0),
        interval(86_400, 600),
        interval(0, 0),
        interval(86_401, 0),
        Instruction::Vibrate,
        text("请回电"),
        text(""),
        text(&"x".repeat(200)),
        text(&"x".repeat(201)),
        text("a\nb"),
    ] {
        let command = spoken(&instruction);
        assert_eq!(
            serde_json::to_value(&command).unwrap(),
            serde_json::to_value(&instruction).unwrap()
        );
        assert_eq!(command.check().is_ok(), instruction.check().is_ok(), "{instruction:?}");
        assert_eq!(command.name(), instruction.kind());
    }
}

/// Commands without a database: what would be written is only kept.
fn alone() -> (Commands, DeviceId) {
    let (commands, _) = Commands::start(None, "one", Arc::default(), Arc::default());
    (commands, DeviceId::from_name("a device"))
}

fn body(device: DeviceId, command: Command) -> Body {
    Body {
        command_id: Uuid::now_v7(),
        device,
        command,
        number: 3,
        reference: Reference::Lasting(3),
        told: None,
        expires_at: Timestamp::now() + 1.minute(),
    }
}

/// Hands over a command to be found with one of the sessions: the one that has it.
fn given<'a>(commands: &Commands, device: DeviceId, sessions: &[&'a Orders], now: Timestamp) -> (&'a Orders, Order) {
    let body = Box::new(body(device, Command::Vibrate));
    let suspected = commands.0.registry.is_suspected(device, now);
    commands.0.mailboxes.hand_over(body, suspected, now).unwrap();
    let mut found = sessions
        .iter()
        .filter_map(|orders| orders.next().now_or_never().map(|order| (*orders, order)));
    let one = found.next().expect("one of them has it");
    assert!(found.next().is_none());
    one
}

/// Makes the device suspected of being two: its sessions are at two places at once, again and again.
fn suspect(commands: &Commands, device: DeviceId, sessions: [u64; 2], now: Timestamp) {
    for turn in 0..6 {
        for (session, latitude) in sessions.into_iter().zip([10.0, 40.0]) {
            let voice = Voice {
                device,
                session,
                address: format!("10.0.0.{session}").parse().unwrap(),
            };
            let at = now - (60 - 10 * turn).seconds();
            let longitude = 20.0;
            let said = Said {
                made: Some(at),
                spot: Some(Spot {
                    at,
                    latitude,
                    longitude,
                }),
            };
            commands.0.registry.heard(voice, said, at);
        }
    }
    assert!(commands.0.registry.is_suspected(device, now));
}

#[tokio::test]
async fn an_older_session_is_told_again_when_the_newer_one_has_left() {
    let (commands, device) = alone();
    let (first, second) = (commands.enter(device, 1), commands.enter(device, 2));
    drop(second);
    assert!(commands.0.mailboxes.wants(device));
    given(&commands, device, &[&first], Timestamp::now());
    drop(first);
    assert!(!commands.0.mailboxes.has(device));
}

#[tokio::test]
async fn orders_go_to_the_session_that_spoke_last_and_a_log_in_says_little() {
    let (commands, device) = alone();
    let now = Timestamp::now();
    let (first, second) = (commands.enter(device, 1), commands.enter(device, 2));
    let goes_to = |at: Timestamp| given(&commands, device, &[&first, &second], at).0.session();
    first.spoke(now);
    first.spoke(now + 1.second());
    second.spoke(now + 2.seconds());
    assert_eq!(goes_to(now + 3.seconds()), 1, "the other only knows the name");
    second.spoke(now + 4.seconds());
    assert_eq!(goes_to(now + 5.seconds()), 2);
    first.spoke(now + 6.seconds());
    assert_eq!(goes_to(now + 7.seconds()), 1);
    // One that has proved itself need say nothing more.
    let third = commands.enter(device, 3);
    third.proven(now + 8.seconds());
    let (told, _) = given(&commands, device, &[&first, &second, &third], now + 8.seconds());
    assert_eq!(told.session(), 3);
}

#[tokio::test]
async fn a_device_that_comes_back_is_told_where_its_old_connection_is_silent() {
    let (commands, device) = alone();
    let first = commands.enter(device, 1);
    first.silent_since(Timestamp::now() - 2.minutes());
    let second = commands.enter(device, 2);
    let (told, _) = given(&commands, device, &[&first, &second], Timestamp::now());
    assert_eq!(told.session(), 2);
}

#[tokio::test]
async fn of_a_suspected_device_the_first_session_is_told_and_it_alone_answers() {
    let (commands, device) = alone();
    let now = Timestamp::now();
    let (first, second) = (commands.enter(device, 1), commands.enter(device, 2));
    for second_of in 0..3 {
        first.spoke(now);
        second.spoke(now + second_of.seconds());
    }
    assert_eq!(given(&commands, device, &[&first, &second], now).0.session(), 2);
    suspect(&commands, device, [1, 2], now);
    let (told, order) = given(&commands, device, &[&first, &second], now);
    assert_eq!(told.session(), 1);
    order.sending(Reference::Lasting(3)).delivered();
    let locate = Box::new(body(device, Command::Locate));
    commands.0.mailboxes.hand_over(locate, true, now).unwrap();
    first.next().await.sending(Reference::Lasting(4)).delivered();
    let open = || commands.0.pending.count();
    assert_eq!(open(), 2);
    let later = Timestamp::now() + 1.second();
    commands.located(device, 2, later, later);
    commands.answered(device, 2, Some(Reference::Lasting(3)), Some(true), "");
    commands.answered(device, 2, None, Some(true), "");
    assert_eq!(open(), 2, "it was not asked");
    commands.located(device, 1, later, later);
    assert_eq!(open(), 1);
    // When the session that was told is gone, the other may be it.
    drop(first);
    commands.answered(device, 2, Some(Reference::Lasting(3)), Some(true), "");
    assert_eq!(open(), 0);
}

#[tokio::test]
async fn a_serial_of_a_session_means_nothing_in_another() {
    let (commands, device) = alone();
    let text = Command::Text { text: "x".to_owned() };
    // One of another gateway, with the case database's number; and one of this gateway's session before.
    commands
        .0
        .pending
        .add(&body(device, Command::Vibrate), Timestamp::now());
    let said = |session, serial| Some(Reference::OfSession { session, serial });
    let first = commands.enter(device, 1);
    let now = Timestamp::now();
    commands
        .0
        .mailboxes
        .hand_over(Box::new(body(device, text)), false, now)
        .unwrap();
    first.next().await.sending(said(1, 3).unwrap()).delivered();
    commands.answered(device, 2, said(2, 3), Some(true), "done");
    commands.0.pending.located_by(device, said(2, 3).unwrap(), now);
    assert_eq!(commands.0.pending.count(), 2);
    commands.answered(device, 1, said(1, 3), Some(true), "done");
    assert_eq!(commands.0.pending.count(), 1);
}

#[tokio::test]
async fn a_device_with_a_slow_clock_is_located_and_an_old_position_is_not_believed() {
    let (commands, device) = alone();
    let orders = commands.enter(device, 1);
    let now = Timestamp::now();
    let ask = async || {
        commands
            .0
            .mailboxes
            .hand_over(Box::new(body(device, Command::Locate)), false, now)
            .unwrap();
        orders.next().await.sending(Reference::Lasting(3)).delivered();
    };
    let slow = 90.seconds();
    let is_open = || commands.0.pending.count() == 1;
    ask().await;
    // Nothing is known of its clock: it may be an old position.
    let at = Timestamp::now();
    commands.located(device, 1, at - slow, at);
    assert!(is_open());
    for before in [40, 20, 0] {
        let received_at = at - before.seconds();
        commands.timed(device, received_at - slow, received_at);
    }
    // It was new after all. Now the clock is known: one that was sent late, and the one that answers.
    assert!(!is_open());
    ask().await;
    let at = Timestamp::now();
    commands.located(device, 1, at - 3.minutes(), at);
    assert!(is_open());
    commands.located(device, 1, at - slow, at);
    assert!(!is_open());
    // The clock is set right: what is as old as it was slow is old.
    ask().await;
    let at = Timestamp::now();
    commands.timed(device, at, at);
    commands.located(device, 1, at - slow, at);
    assert!(is_open());
    // A position that carries the number of the question was made after it, whatever the clock says; an hour is no clock's fault.
    commands.located_by(device, Reference::Lasting(4), at);
    commands.located_by(device, Reference::Lasting(3), at - 1.hour());
    assert!(is_open());
    commands.located_by(device, Reference::Lasting(3), at - slow);
    assert!(!is_open());
}

#[tokio::test]
async fn a_position_that_looked_old_is_the_answer_once_the_clock_is_known_to_be_slow() {
    let (commands, device) = alone();
    let orders = commands.enter(device, 1);
    let slow = 90.seconds();
    let ask = async || {
        commands
            .0
            .mailboxes
            .hand_over(Box::new(body(device, Command::Locate)), false, Timestamp::now())
            .unwrap();
        orders.next().await.sending(Reference::Lasting(3)).delivered();
        Timestamp::now()
    };
    let report = |at: Timestamp| {
        commands.located(device, 1, at - slow, at);
        commands.timed(device, at - slow, at);
    };
    // Its first reports over this connection: the one that answers, and one half a minute after it.
    let at = ask().await;
    report(at);
    assert_eq!(commands.0.pending.count(), 1, "it may be an old position");
    // From the device's store: made before the question, whatever the clock.
    commands.located(device, 1, at - 10.minutes(), at + 20.seconds());
    assert_eq!(commands.0.pending.count(), 1);
    commands.timed(device, at + 30.seconds() - slow, at + 30.seconds());
    assert_eq!(commands.0.pending.count(), 0);

    // Over another connection it was as slow: the first report is enough.
    let (commands, device) = alone();
    let orders = commands.enter(device, 1);
    let body = Box::new(body(device, Command::Locate));
    commands.0.mailboxes.hand_over(body, false, Timestamp::now()).unwrap();
    commands.remember(device, SignedDuration::from_secs(91), at - 1.hour());
    orders.next().await.sending(Reference::Lasting(3)).delivered();
    let at = Timestamp::now();
    commands.located(device, 1, at - slow, at);
    commands.timed(device, at - slow, at);
    assert_eq!(commands.0.pending.count(), 0);
}

#[test]
fn other_devices_commands_are_left_alone() {
    let pending = Pending::default();
    let (one, other) = (DeviceId::from_name("one"), DeviceId::from_name("another"));
    let now = Timestamp::now();
    let made = (now, SignedDuration::ZERO);
    for device in [one, other] {
        pending.add(&body(device, Command::Locate), now);
    }
    assert_eq!(pending.located(one, &[], made, now).len(), 1);
    assert_eq!(pending.count(), 1);
    assert_eq!(pending.located(one, &[], made, now).len(), 0);
    assert_eq!(pending.located(other, &[], made, now).len(), 1);
    assert!(pending.is_empty());
}
