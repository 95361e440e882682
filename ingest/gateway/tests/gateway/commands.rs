//! Commands from the case database to devices over real sockets, and their answers back.

use std::fmt::Write as _;

use casedb::{
    Database,
    access::Purpose,
    command::{self, Instruction, Request, State},
};
use codec::{
    gt06::terminal as gt06,
    teltonika::terminal::{Answer as TrackerAnswer, Location as TrackerLocation, Terminal as Tracker},
};
use homeward_gateway::Transport;
use jiff::SignedDuration;
use testkit::TestDatabase;
use uuid::Uuid;

use super::*;

pub(super) const IMEI: &str = "490154203237518";

/// A person with a device of each protocol, an officer who may ask for commands, and a gateway that has them.
pub(super) struct Scene {
    test: TestDatabase,
    pub(super) db: Database,
    officer: Uuid,
    pub(super) log: MemoryLog,
}

/// Without an order in force.
pub(super) const FREE: &str = "490154203237526";

fn people() -> [(Protocol, &'static str, Known); 6] {
    let free = Known {
        terms: Vec::new(),
        ..known("free", None)
    };
    [
        (Protocol::Native, "HW-1", known("HW-1", Some(SECRET))),
        (Protocol::Jt808, "13900000002", known("T-2", None)),
        (Protocol::Teltonika, IMEI, known("tracker", None)),
        (Protocol::Gt06, IMEI, known("anklet", None)),
        (Protocol::Eelink, IMEI, known("collar", None)),
        (Protocol::Teltonika, FREE, free),
    ]
}

impl Scene {
    pub(super) async fn set() -> Option<Self> {
        let test = testkit::database().await.unwrap()?;
        casedb::migrate(&test.url, 4).await.unwrap();
        let db = Database::connect(&test.url, 8).await.unwrap();
        let (agency, officer) = (Uuid::now_v7(), Uuid::now_v7());
        let mut sql = format!(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ('{agency}', 'harbour', 'Harbour', 'police', 'UTC');
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
                VALUES ('{officer}', 'officer', 'Invented', 'duty_officer', '{agency}', '');"
        );
        for (protocol, identity, known) in people() {
            let (person, device) = (known.person_id.unwrap(), known.device_id);
            write!(
                sql,
                "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
                    VALUES ('{person}', '{protocol} {identity}', 'Invented', '{agency}', '{agency}', 'UTC');"
            )
            .unwrap();
            if !known.terms.is_empty() {
                write!(
                    sql,
                    "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at) VALUES
                        (gen_random_uuid(), '{person}', 'invented act', now() - interval '1 day', now() + interval '1 day');"
                )
                .unwrap();
            }
            write!(
                sql,
                "INSERT INTO device (device_id, protocol, identity) VALUES ('{device}', '{protocol}', '{identity}');
                INSERT INTO device_assignment (assignment_id, device_id, person_id)
                    VALUES (gen_random_uuid(), '{device}', '{person}');"
            )
            .unwrap();
        }
        db.client().await.unwrap().batch_execute(&sql).await.unwrap();
        Some(Self {
            test,
            db,
            officer,
            log: MemoryLog::new(4),
        })
    }

    pub(super) async fn gateway(&self, name: &str) -> Handle {
        self.gateway_with(name, config()).await
    }

    pub(super) async fn gateway_with(&self, name: &str, config: Config) -> Handle {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let config = Config {
            teltonika_listen: Some(any),
            teltonika_udp_listen: Some(any),
            gt06_listen: Some(any),
            eelink_udp_listen: Some(any),
            name: name.to_owned(),
            ..config
        };
        let directory = Directory::fixed(people().map(|(protocol, name, known)| (protocol, name.to_owned(), known)));
        Gateway::start(config, Arc::new(self.log.clone()), directory, Some(self.db.clone()))
            .await
            .unwrap()
    }

    pub(super) async fn place(&self, device: &str, instruction: Instruction, waits: Option<i64>) -> Uuid {
        let request = Request {
            person_id: known(device, None).person_id.unwrap(),
            device_id: None,
            instruction,
            requested_by: self.officer,
            purpose: Purpose::Duty,
            case_number: "",
            idempotency_key: None,
            waits: waits.map(SignedDuration::from_secs),
        };
        let now = command::clock(&self.db.client().await.unwrap()).await.unwrap();
        let placed = command::place(&self.db, &request, now).await.unwrap();
        placed.command.command_id
    }

    /// Waits for a state; the outcome and what the device said.
    pub(super) async fn becomes(&self, command: Uuid, state: State) -> (String, String) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let client = self.db.client().await.unwrap();
            let found = command::read(&client, command).await.unwrap();
            if found.state == state {
                let outcome = found.outcome.map_or_else(String::new, |outcome| outcome.to_string());
                return (outcome, found.result);
            }
            assert!(tokio::time::Instant::now() < deadline, "{found:?} is not {state}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn close(self) {
        drop(self.db);
        self.test.drop_now().await.unwrap();
    }
}

pub(super) async fn told(line: &mut NativeLine) -> wire::DeviceCommand {
    match line.answer().await {
        Some(Body::Command(command)) => command,
        other => panic!("{other:?}"),
    }
}

fn done(end: &str, said: &str) -> (String, String) {
    (end.to_owned(), said.to_owned())
}

#[tokio::test]
async fn a_native_device_is_located_and_told() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let mut line = NativeLine::opened(&handle).await;
    let locate = scene.place("HW-1", Instruction::Locate, None).await;
    let command = told(&mut line).await;
    assert_eq!(client::command(&command), Some(codec::Command::Locate));
    assert_eq!(command.command_id, locate.as_bytes());
    assert!(command.expires_at_us > Timestamp::now().as_microsecond());
    scene.becomes(locate, State::Delivered).await;
    // A stored position is no answer, a new one is.
    let old = DeviceReport {
        stored: true,
        fix_time_us: report(1).fix_time_us - 600_000_000,
        ..report(1)
    };
    line.send(&client::reports(vec![old])).await;
    assert_eq!(line.acknowledged().await, 1);
    line.silence().await;
    scene.becomes(locate, State::Delivered).await;
    line.send(&client::reports(vec![report(2)])).await;
    assert_eq!(scene.becomes(locate, State::Acknowledged).await.0, "located");
    assert_eq!(line.acknowledged().await, 2);
    // The device's word; once, also after it has come back.
    let words = Instruction::Text {
        text: "请速回电".to_owned(),
    };
    let text = scene.place("HW-1", words, None).await;
    let command = told(&mut line).await;
    line.send(&client::command_result(&command, true, "shown")).await;
    assert_eq!(scene.becomes(text, State::Acknowledged).await, done("done", "shown"));
    let pursuit = Instruction::Interval {
        seconds: 5,
        for_seconds: 600,
    };
    let pursuit = scene.place("HW-1", pursuit, None).await;
    let command = told(&mut line).await;
    line.send(&client::command_result(&command, false, "battery low")).await;
    assert_eq!(
        scene.becomes(pursuit, State::Failed).await,
        done("refused", "battery low")
    );
    drop(line);
    let mut line = NativeLine::opened(&handle).await;
    line.silence().await;
    handle.drain(PATIENCE).await;
    scene.close().await;
}

#[tokio::test]
async fn a_silent_device_makes_a_locate_fail_in_time() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let mut line = NativeLine::opened(&handle).await;
    let connected = scene.place("HW-1", Instruction::Locate, Some(3)).await;
    told(&mut line).await;
    let away = scene.place("T-2", Instruction::Locate, Some(3)).await;
    assert_eq!(scene.becomes(connected, State::Expired).await.0, "no_answer");
    assert_eq!(scene.becomes(away, State::Expired).await.0, "not_connected");
    // What comes after the end changes nothing.
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    scene.becomes(connected, State::Expired).await;
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn what_waits_for_a_device_goes_out_through_the_gateway_that_it_comes_to() {
    let Some(scene) = Scene::set().await else { return };
    let (first, second) = (scene.gateway("one").await, scene.gateway("two").await);
    let mut line = NativeLine::opened(&first).await;
    let vibrate = scene.place("HW-1", Instruction::Vibrate, None).await;
    told(&mut line).await;
    scene.becomes(vibrate, State::Delivered).await;
    first.drain(PATIENCE).await;
    let text = Instruction::Text { text: "x".to_owned() };
    let text = scene.place("HW-1", text, None).await;
    let mut line = NativeLine::opened(&second).await;
    let command = told(&mut line).await;
    assert_eq!(command.command_id, text.as_bytes());
    line.send(&client::command_result(&command, true, "")).await;
    scene.becomes(text, State::Acknowledged).await;
    line.silence().await; // the vibration was delivered: never twice
    drop(second);
    scene.close().await;
}

#[tokio::test]
async fn jt808_terminals_confirm_and_locate() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000002", Variant::V2019).await;
    let locate = scene.place("T-2", Instruction::Locate, None).await;
    let Some(Answer::Command { serial, command, .. }) = line.answer().await else {
        panic!("no command")
    };
    assert_eq!(command, codec::Command::Locate);
    scene.becomes(locate, State::Delivered).await;
    line.send(&terminal.located(serial, &location())).await;
    assert_eq!(scene.becomes(locate, State::Acknowledged).await.0, "located");
    let pursuit = Instruction::Interval {
        seconds: 5,
        for_seconds: 600,
    };
    let pursuit = scene.place("T-2", pursuit, None).await;
    let (serial, id) = loop {
        match line.answer().await {
            Some(Answer::Command { serial, id, .. }) => break (serial, id),
            Some(_) => {}
            None => panic!("closed"),
        }
    };
    // A receipt of something else is none of this.
    line.send(&terminal.answer(serial.wrapping_add(9), id, 0)).await;
    line.silence().await;
    scene.becomes(pursuit, State::Delivered).await;
    line.send(&terminal.answer(serial, id, 0)).await;
    assert_eq!(scene.becomes(pursuit, State::Acknowledged).await.0, "done");
    let vibrate = scene.place("T-2", Instruction::Vibrate, None).await;
    let end = scene.becomes(vibrate, State::Failed).await;
    assert_eq!(end.0, "unsupported", "{end:?}");
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn trackers_are_told_in_their_profiles_words() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let address = handle.address(Protocol::Teltonika, Transport::Tcp).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut tracker, mut buffer) = (Tracker::new(IMEI), BytesMut::new());
    stream.write_all(&tracker.login()).await.unwrap();
    let locate = scene.place("tracker", Instruction::Locate, None).await;
    let said = loop {
        match tracker.read(&mut buffer) {
            Some(TrackerAnswer::Command(text)) => break text,
            Some(_) => {}
            None => {
                let read = timeout(PATIENCE, stream.read_buf(&mut buffer)).await;
                assert!(read.expect("no command in time").unwrap() > 0);
            }
        }
    };
    assert_eq!(said, "getrecord");
    scene.becomes(locate, State::Delivered).await;
    stream.write_all(&tracker.answer("Record is sent")).await.unwrap();
    let place = TrackerLocation {
        satellites: Some(9),
        ..TrackerLocation::new(Timestamp::now(), 30.25, 120.16)
    };
    stream.write_all(&tracker.records(&[place])).await.unwrap();
    assert_eq!(scene.becomes(locate, State::Acknowledged).await.0, "located");

    let address = handle.address(Protocol::Gt06, Transport::Tcp).unwrap();
    let mut line = Line::<codec::gt06::Framer>::open(Some(address)).await;
    let mut anklet = gt06::Terminal::new(IMEI).unwrap();
    line.send(&anklet.log_in(1, 0)).await;
    let pursuit = Instruction::Interval {
        seconds: 10,
        for_seconds: 600,
    };
    let pursuit = scene.place("anklet", pursuit, None).await;
    let (reference, text) = loop {
        let codec::Piece::Frame(frame) = line.next().await.expect("closed") else {
            panic!("no frame")
        };
        if let gt06::Answer::Command { reference, text } = gt06::answer(&frame).unwrap() {
            break (reference, text);
        }
    };
    assert_eq!(text, "TIMER,10#");
    line.send(&anklet.answer(reference, "TIMER OK")).await;
    assert_eq!(
        scene.becomes(pursuit, State::Acknowledged).await,
        done("done", "TIMER OK")
    );
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn an_older_session_is_told_when_the_newer_one_has_left() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let address = handle.address(Protocol::Gt06, Transport::Tcp).unwrap();
    let mut anklet = gt06::Terminal::new(IMEI).unwrap();
    let mut line = Line::<codec::gt06::Framer>::open(Some(address)).await;
    line.send(&anklet.log_in(1, 0)).await;
    line.next().await.expect("an answer to the log-in");
    // Somebody who knows the number logs in, and leaves.
    let mut other = Line::<codec::gt06::Framer>::open(Some(address)).await;
    other.send(&gt06::Terminal::new(IMEI).unwrap().log_in(1, 0)).await;
    other.next().await.expect("an answer to the log-in");
    drop(other);
    let locate = scene.place("anklet", Instruction::Locate, None).await;
    loop {
        let codec::Piece::Frame(frame) = line.next().await.expect("closed") else {
            panic!("no frame")
        };
        if let gt06::Answer::Command { .. } = gt06::answer(&frame).unwrap() {
            break;
        }
    }
    scene.becomes(locate, State::Delivered).await;
    drop(handle);
    scene.close().await;
}

#[tokio::test]
async fn a_terminal_whose_clock_is_slow_is_located_by_its_answer() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene.gateway("one").await;
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000002", Variant::V2019).await;
    let locate = scene.place("T-2", Instruction::Locate, None).await;
    let Some(Answer::Command { serial, .. }) = line.answer().await else {
        panic!("no command")
    };
    let slow = codec::jt808::terminal::Location {
        time: Timestamp::now() - SignedDuration::from_secs(60),
        ..location()
    };
    line.send(&terminal.located(serial.wrapping_add(1), &slow)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    scene.becomes(locate, State::Delivered).await;
    line.send(&terminal.located(serial, &slow)).await;
    assert_eq!(scene.becomes(locate, State::Acknowledged).await.0, "located");
    drop(handle);
    scene.close().await;
}
