//! Commands over every protocol while the process is killed between what it sent and the answer: nothing is sent a second time, an answer
//! that can be known is known by the process that comes after, and a locate-now ends in an answer or in an explicit failure.

use std::{
    collections::HashMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use codec::Command;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proto::wire;
use sim::{
    World,
    device::Sample,
    person::{Person, Speaks},
    scenario::Scenario,
    voice::{self, Asked, Said, Voice},
    world,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::{Instant as Moment, timeout_at},
};
use tokio_postgres::Client;
use uuid::Uuid;

use super::installation::{Installation, Running};

const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than a gateway goes without looking for commands.
const A_WHILE: Duration = Duration::from_secs(5);
const SECRET: &[u8] = b"invented key of thirty-two bytes";

/// A device of each way to speak.
struct Kind {
    speaks: Speaks,
    identity: &'static str,
    listen: &'static str,
    udp: bool,
}

const fn kind(speaks: Speaks, identity: &'static str, listen: &'static str, udp: bool) -> Kind {
    Kind {
        speaks,
        identity,
        listen,
        udp,
    }
}

const KINDS: [Kind; 7] = [
    kind(Speaks::Native, "HW-1", "NATIVE", false),
    kind(Speaks::Jt808 { header_2019: true }, "13900000002", "JT808", false),
    kind(Speaks::Teltonika, "490154203237518", "TELTONIKA", false),
    kind(Speaks::Gt06, "490154203237518", "GT06", false),
    kind(Speaks::Eelink, "490154203237518", "EELINK", false),
    kind(Speaks::Teltonika, "490154203237526", "TELTONIKA_UDP", true),
    kind(Speaks::Eelink, "490154203237526", "EELINK_UDP", true),
];

enum Line {
    Stream(TcpStream),
    Datagrams(UdpSocket),
}

/// A device with a connection.
struct Device {
    kind: &'static Kind,
    line: Line,
    buffer: BytesMut,
    voice: Box<dyn Voice>,
}

impl Device {
    async fn connect(installation: &Installation, person: &Person, kind: &'static Kind) -> Self {
        let person = Person {
            speaks: kind.speaks,
            identity: kind.identity.to_owned(),
            ..person.clone()
        };
        let address = &installation.settings[&format!("HOMEWARD_GATEWAY_{}_LISTEN", kind.listen)];
        let (line, voice) = if kind.udp {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(address).await.unwrap();
            (Line::Datagrams(socket), voice::in_datagrams(&person).unwrap().unwrap())
        } else {
            let stream = TcpStream::connect(address).await.unwrap();
            (
                Line::Stream(stream),
                voice::of(&person, SECRET, rand::random()).unwrap(),
            )
        };
        let mut device = Self {
            kind,
            line,
            buffer: BytesMut::new(),
            voice,
        };
        let first = device.voice.sign_in();
        device.write(&first).await;
        loop {
            match device.hear(PATIENCE).await {
                Some(Said::Welcome) => return device,
                Some(Said::Next(bytes)) => device.write(&bytes).await,
                Some(_) => {}
                None => panic!("{} is not let in", kind.listen),
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        match &mut self.line {
            _ if bytes.is_empty() => {}
            Line::Stream(stream) => stream.write_all(bytes).await.unwrap(),
            Line::Datagrams(socket) => assert_eq!(socket.send(bytes).await.unwrap(), bytes.len()),
        }
    }

    /// Waits for what the gateway says; `None`: nothing, for so long.
    async fn hear(&mut self, within: Duration) -> Option<Said> {
        let deadline = Moment::now() + within;
        loop {
            if let Some(said) = self.voice.hear(&mut self.buffer).unwrap() {
                return Some(said);
            }
            self.buffer.reserve(2_048);
            let read = match &mut self.line {
                Line::Stream(stream) => timeout_at(deadline, stream.read_buf(&mut self.buffer)).await,
                Line::Datagrams(socket) => timeout_at(deadline, socket.recv_buf(&mut self.buffer)).await,
            };
            match read {
                Err(_) => return None,
                Ok(read) => assert!(read.unwrap() > 0, "{} was cut off", self.kind.listen),
            }
        }
    }

    /// Reports where it is, or was, and waits until that is acknowledged; the commands that came meanwhile.
    async fn report(&mut self, ago: SignedDuration) -> Vec<Asked> {
        let wire = self.voice.tell(&[sample(Timestamp::now() - ago)], !ago.is_zero());
        self.write(&wire).await;
        let mut asked = Vec::new();
        loop {
            match self.hear(PATIENCE).await {
                Some(Said::Done(_)) => return asked,
                Some(Said::Command(command)) => asked.push(command),
                Some(_) => {}
                None => panic!("{}: no acknowledgement", self.kind.listen),
            }
        }
    }

    /// The commands that come, until there are so many, or none for a while.
    async fn told(&mut self, count: usize, within: Duration) -> Vec<Asked> {
        let mut asked = Vec::new();
        while asked.len() < count {
            match self.hear(within).await {
                Some(Said::Command(command)) => asked.push(command),
                Some(_) => {}
                None => break,
            }
        }
        asked
    }
}

/// A report of a whole second, numbered by its time.
fn sample(at: Timestamp) -> Sample {
    let second = at.as_second();
    Sample {
        sequence: second.unsigned_abs(),
        tick: 0,
        time_s: 0.0,
        fix_time: Timestamp::from_second(second).unwrap(),
        position: Some(wire::Position {
            latitude_e7: 302_500_000,
            longitude_e7: 1_201_600_000,
            valid: true,
            source: wire::FixSource::Gnss.into(),
            satellites: Some(9),
            ..wire::Position::default()
        }),
        battery_percent: 80,
        strap: wire::Strap::Closed,
        case: wire::Case::Closed,
        motion: wire::Motion::Still,
        alarms: Vec::new(),
        cell: None,
    }
}

/// An officer, and a person under an order with each device.
async fn register(client: &Client) {
    let agency = Uuid::now_v7();
    let mut sql = format!(
        "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ('{agency}', 'harbour', 'Harbour', 'police', 'UTC');
        INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            VALUES (gen_random_uuid(), 'officer', 'Invented', 'duty_officer', '{agency}', '');"
    );
    for kind in &KINDS {
        let (person, device, protocol) = (Uuid::now_v7(), Uuid::now_v7(), kind.speaks.protocol());
        let secret = match kind.speaks {
            Speaks::Native | Speaks::Jt808 { .. } => format!("'\\x{}'", hex::encode(SECRET)),
            _ => "NULL".to_owned(),
        };
        write!(
            sql,
            "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
                VALUES ('{person}', '{reference}', 'Invented', '{agency}', '{agency}', 'UTC');
            INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
                VALUES (gen_random_uuid(), '{person}', 'invented act', now() - interval '1 day', now() + interval '1 day');
            INSERT INTO device (device_id, protocol, identity, secret)
                VALUES ('{device}', '{protocol}', '{identity}', {secret});
            INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at)
                VALUES (gen_random_uuid(), '{device}', '{person}', now() - interval '1 day');",
            reference = kind.listen,
            identity = kind.identity,
        )
        .unwrap();
    }
    client.batch_execute(&sql).await.unwrap();
}

/// The newest command of each person of a kind: state, outcome, and how often it was sent.
async fn states(client: &Client, instruction: &str) -> HashMap<String, (String, String, i64)> {
    const SQL: &str = "SELECT DISTINCT ON (p.reference) p.reference, c.state, c.outcome,
            (SELECT count(*) FROM device_command_step s WHERE s.command_id = c.command_id AND s.state = 'sent')
        FROM device_command c JOIN person p USING (person_id) WHERE c.kind = $1
        ORDER BY p.reference, c.command_id DESC";
    let rows = client.query(SQL, &[&instruction]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3))))
        .collect()
}

/// Waits until the newest commands of a kind are as they must be.
async fn until(client: &Client, instruction: &str, wanted: impl Fn(&Kind, &str, &str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let states = states(client, instruction).await;
        let reached = |kind: &&Kind| {
            states
                .get(kind.listen)
                .is_some_and(|(state, outcome, _)| wanted(kind, state, outcome))
        };
        if KINDS.iter().all(|kind| reached(&kind)) {
            return;
        }
        assert!(Instant::now() < deadline, "{instruction}: {states:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn place(installation: &Installation, command: &[&str]) {
    for kind in &KINDS {
        let (head, tail) = command.split_at(1);
        let why = ["--purpose", "duty", "--by", "officer"];
        installation.succeed(&[&["command", "send"], head, &[kind.listen], tail, &why].concat());
    }
}

async fn connect(installation: &Installation, person: &Person) -> Vec<Device> {
    join_all(KINDS.iter().map(|kind| Device::connect(installation, person, kind))).await
}

async fn killed(installation: &Installation, server: &mut Running) {
    server.kill();
    *server = installation.start("run", &["run"]);
    installation.wait_ready(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_a_command_and_its_answer_sends_nothing_twice() {
    let Some(database) = testkit::database().await.unwrap() else {
        return;
    };
    let installation = Installation::new(database, "postgres");
    let client = installation.client().await;
    register(&client).await;
    let world = World::new(world::Config {
        seed: 1,
        people: 1,
        scenario: Scenario::Quiet,
        start: Timestamp::now(),
        interval_s: 60.0,
        latitude: 30.25,
        longitude: 120.16,
    });
    let person = &world.people[0];
    let mut server = installation.start("run", &["run"]);
    installation.wait_ready(&mut server).await;

    let mut devices = connect(&installation, person).await;
    let hour = SignedDuration::from_hours(1);
    let early = join_all(devices.iter_mut().map(|device| device.report(hour))).await;
    assert!(early.iter().all(Vec::is_empty));
    place(&installation, &["locate"]);
    place(&installation, &["interval", "--every", "10s"]);
    let asked = join_all(devices.iter_mut().map(|device| device.told(2, PATIENCE))).await;
    for (kind, asked) in KINDS.iter().zip(&asked) {
        let commands: Vec<_> = asked.iter().filter_map(|asked| asked.command.as_ref()).collect();
        assert!(
            commands.len() == 2 && commands.contains(&&Command::Locate),
            "{}: {asked:?}",
            kind.listen
        );
    }
    // Over TCP the connection has taken it; of a datagram nobody knows.
    let is_out = |kind: &Kind, state: &str, _: &str| state == if kind.udp { "sent" } else { "delivered" };
    until(&client, "locate", is_out).await;
    until(&client, "interval", is_out).await;

    drop(devices);
    killed(&installation, &mut server).await;
    let mut devices = connect(&installation, person).await;
    // What it says is from before the question: no answer, but now it could be told again.
    let older = hour + SignedDuration::from_mins(1);
    let again = join_all(devices.iter_mut().map(|device| device.report(older))).await;
    assert!(again.iter().all(Vec::is_empty), "told again: {again:?}");
    let again = join_all(devices.iter_mut().map(|device| device.told(1, A_WHILE))).await;
    assert!(again.iter().all(Vec::is_empty), "told again: {again:?}");
    until(&client, "locate", is_out).await;

    // The answers, over other connections than the commands came by. JT/T 808 counts within a connection: there it is none.
    for (device, asked) in devices.iter_mut().zip(&asked) {
        for asked in asked {
            let wire = device.voice.answer(asked, true, None);
            device.write(&wire).await;
        }
    }
    until(&client, "interval", |kind, state, outcome| match kind.speaks {
        Speaks::Jt808 { .. } => state == "delivered",
        _ => (state, outcome) == ("acknowledged", "done"),
    })
    .await;
    join_all(devices.iter_mut().map(|device| device.report(SignedDuration::ZERO))).await;
    until(&client, "locate", |_, state, outcome| {
        (state, outcome) == ("acknowledged", "located")
    })
    .await;

    // Told, killed before an answer, and the devices stay away: an explicit end in time.
    place(&installation, &["locate", "--wait", "12s"]);
    let placed = Instant::now();
    let asked = join_all(devices.iter_mut().map(|device| device.told(1, PATIENCE))).await;
    assert!(asked.iter().all(|asked| asked.len() == 1), "{asked:?}");
    drop(devices);
    killed(&installation, &mut server).await;
    until(&client, "locate", |_, state, outcome| {
        state == "expired" && ["no_answer", "not_confirmed"].contains(&outcome)
    })
    .await;
    assert!(placed.elapsed() >= Duration::from_secs(10), "ended before its time");
    for instruction in ["locate", "interval"] {
        for (reference, (_, _, sent)) in states(&client, instruction).await {
            assert_eq!(sent, 1, "{instruction} to {reference}");
        }
    }
    server.terminate().await;
    installation.database.drop_now().await.unwrap();
}
