//! Sessions in threads that have tables of open files of their own.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    io::{BufRead, BufReader, Write as _},
    process::{Command, Stdio},
};

use casedb::command::{Instruction, State};
use codec::teltonika::terminal::Answer as TrackerAnswer;
use homeward_gateway::{Transport, tables};
use stream::kafka::{self, KafkaLog};

use super::{
    commands::{Scene, told},
    flow::{TrackerLine, place},
    safety::{Secure, certificate},
    *,
};

const TABLES: usize = 3;
/// Connections after which each of the threads has had one, however the kernel shares them out.
const MOST: usize = 200;
/// Files of a gateway's process, and sessions that it is to hold.
const FEW: u64 = 512;
const MANY: usize = 950;

/// The connections of a gateway's port: the other side's port of each, by inode.
fn connections(port: u16) -> HashMap<String, u16> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let port_of = |address: &str| u16::from_str_radix(address.rsplit_once(':').unwrap().1, 16).unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[3] == "01" && port_of(row[1]) == port)
        .map(|row| (format!("socket:[{}]", row[9]), port_of(row[2])))
        .collect()
}

/// What a thread has open.
fn open_in(task: &str) -> HashSet<String> {
    // A file may be closed while this looks.
    let files = fs::read_dir(format!("{task}/fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| Some(fs::read_link(file.path()).ok()?.to_str()?.to_owned()))
        .collect()
}

/// The other sides' ports of the connections of a gateway's port, by the thread that has them in a table of its own. The process's
/// own table has none.
fn held(port: u16) -> BTreeMap<String, Vec<u16>> {
    let connections = connections(port);
    let of = |task: &str| -> Vec<u16> {
        let open = open_in(task);
        let mine = connections.iter().filter(|(inode, _)| open.contains(*inode));
        mine.map(|(_, port)| *port).collect()
    };
    assert_eq!(of("/proc/self"), [0; 0]);
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .map(|task| task.path().to_str().unwrap().to_owned())
        .filter(|task| fs::read_to_string(format!("{task}/comm")).is_ok_and(|name| name.starts_with("sessions ")))
        .map(|task| (of(&task), task))
        .filter(|(ports, _)| !ports.is_empty())
        .map(|(ports, task)| (task, ports))
        .collect()
}

fn port(handle: &Handle, protocol: Protocol) -> u16 {
    handle.address(protocol, Transport::Tcp).unwrap().port()
}

fn native(number: usize) -> String {
    format!("HW-{number}")
}

fn jt808(number: usize) -> String {
    format!("139{number:08}")
}

fn teltonika(number: usize) -> String {
    format!("4901542{number:08}")
}

fn many() -> Directory {
    let devices = (0..MANY).flat_map(|number| {
        [
            (Protocol::Native, native(number), Some(SECRET)),
            (Protocol::Jt808, jt808(number), None),
            (Protocol::Teltonika, teltonika(number), None),
        ]
    });
    Directory::fixed(devices.map(|(protocol, identity, secret)| {
        let known = known(&format!("{protocol} {identity}"), secret);
        (protocol, identity, known)
    }))
}

fn spread() -> Config {
    Config {
        teltonika_listen: Some("127.0.0.1:0".parse().unwrap()),
        file_tables: TABLES,
        ..config()
    }
}

async fn jt808_reports(line: &mut Jt808Line, terminal: &mut Terminal) {
    line.send(&terminal.location(&location())).await;
    let answer = line.answer().await;
    assert!(matches!(answer, Some(Answer::General { result: 0, .. })), "{answer:?}");
}

/// A terminal that has reported.
async fn jt808_line(handle: &Handle, number: usize) -> (Jt808Line, Terminal) {
    let mut line = Jt808Line::open(handle.jt808).await;
    let mut terminal = Terminal::new(&jt808(number), Variant::V2019).unwrap();
    jt808_reports(&mut line, &mut terminal).await;
    (line, terminal)
}

/// Terminals until each thread has one.
async fn jt808_lines(handle: &Handle) -> Vec<(Jt808Line, Terminal)> {
    let mut lines = Vec::new();
    while held(port(handle, Protocol::Jt808)).len() < TABLES {
        assert!(lines.len() < MOST, "{:?}", held(port(handle, Protocol::Jt808)));
        lines.push(jt808_line(handle, lines.len()).await);
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thread_serves_every_protocol_and_a_drain_keeps_its_promises() {
    let folder = tempfile::tempdir().unwrap();
    let (files, pem) = certificate(folder.path());
    let log = MemoryLog::new(4);
    let config = Config {
        native_tls: Some(files),
        ..spread()
    };
    let handle = Gateway::start(config, Arc::new(log.clone()), many(), None)
        .await
        .unwrap();
    let of_terminals = jt808_lines(&handle).await;
    let mut of_trackers = Vec::new();
    while held(port(&handle, Protocol::Teltonika)).len() < TABLES {
        let mut line = TrackerLine::open(&handle, &teltonika(of_trackers.len())).await;
        assert_eq!(line.answer().await, Some(TrackerAnswer::Welcome(true)));
        let frame = line.tracker.records(&[place(1)]);
        line.stream.write_all(&frame).await.unwrap();
        assert_eq!(line.answer().await, Some(TrackerAnswer::Records(1)));
        of_trackers.push(line);
    }
    let mut secure = Vec::new();
    while held(port(&handle, Protocol::Native)).len() < TABLES {
        let mut line = Secure::open(&handle, &pem).await;
        let binding = line.binding;
        let welcome = line.log_in_as(&native(secure.len()), SECRET, binding).await;
        assert!(matches!(welcome, Body::Welcome(_)), "{welcome:?}");
        line.send(&client::reports(vec![report(1)])).await;
        assert!(matches!(line.answer().await, Some(Body::Acknowledgement(told)) if told.sequence == 1));
        secure.push(line);
    }
    let sessions = of_terminals.len() + of_trackers.len() + secure.len();
    assert_eq!(handle.sessions(), sessions);
    assert_eq!(reports(&log).await.len(), sessions);

    // Read, and not yet durable: a drain waits for it, in every thread.
    log.faults(|faults| faults.hold_appends = true);
    for line in &mut secure {
        line.send(&client::reports(vec![report(2)])).await;
        line.send(&client::heartbeat(0, Some(80))).await;
        assert!(matches!(line.answer().await, Some(Body::HeartbeatReply(_))));
    }
    let (native, terminals) = (handle.native.unwrap(), port(&handle, Protocol::Jt808));
    let health = handle.health();
    let drained = tokio::spawn(handle.drain(PATIENCE));
    for (mut line, _) in of_terminals {
        assert_eq!(line.answer().await, None, "closed by the drain");
    }
    log.faults(|faults| faults.hold_appends = false);
    for line in &mut secure {
        assert!(matches!(line.answer().await, Some(Body::Acknowledgement(told)) if told.sequence == 2));
        assert!(line.answer().await.is_none(), "closed by the drain");
    }
    drained.await.unwrap();
    assert_eq!(reports(&log).await.len(), sessions + secure.len());
    assert!(TcpStream::connect(native).await.is_err(), "nobody listens any more");
    assert_eq!(held(terminals), BTreeMap::new());
    assert_eq!(health.check(), Ok(()), "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_dropped_leaves_nothing_open() {
    let log = MemoryLog::new(4);
    let handle = Gateway::start(spread(), Arc::new(log.clone()), many(), None)
        .await
        .unwrap();
    let mut lines = jt808_lines(&handle).await;
    log.faults(|faults| faults.hold_appends = true);
    for (line, terminal) in &mut lines {
        line.send(&terminal.location(&location())).await;
    }
    let (address, terminals) = (handle.jt808.unwrap(), port(&handle, Protocol::Jt808));
    drop(handle);
    for (line, _) in &mut lines {
        assert_eq!(line.answer().await, None, "without an acknowledgement");
    }
    assert_eq!(held(terminals), BTreeMap::new());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "somebody listens");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_gateway_that_cannot_listen_everywhere_does_not_start() {
    // Without SO_REUSEPORT: whoever has it has it alone.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = Config {
        jt808_listen: Some(other.local_addr().unwrap()),
        ..spread()
    };
    let log = Arc::new(MemoryLog::new(4));
    let Err(refused) = Gateway::start(config, log, many(), None).await else {
        panic!("it started")
    };
    let text = refused.to_string();
    assert!(text.starts_with("cannot listen on 127.0.0.1:"), "{text}");
}

#[tokio::test]
async fn a_device_is_told_in_whichever_thread_it_is() {
    let Some(scene) = Scene::set().await else { return };
    let handle = scene
        .gateway_with(
            "one",
            Config {
                file_tables: TABLES,
                ..config()
            },
        )
        .await;
    let mut threads = HashSet::new();
    for _ in 0..MOST {
        // The newest session of the device is told.
        let mut line = NativeLine::opened(&handle).await;
        let own = line.stream.local_addr().unwrap().port();
        let held = held(port(&handle, Protocol::Native));
        let (thread, _) = held.iter().find(|(_, ports)| ports.contains(&own)).unwrap();
        if !threads.insert(thread.clone()) {
            continue;
        }
        let words = Instruction::Text { text: "x".to_owned() };
        let text = scene.place("HW-1", words, None).await;
        let command = told(&mut line).await;
        assert_eq!(command.command_id, text.as_bytes());
        scene.becomes(text, State::Delivered).await;
        line.send(&client::command_result(&command, true, "shown")).await;
        assert_eq!(scene.becomes(text, State::Acknowledged).await.1, "shown");
        if threads.len() == TABLES {
            break;
        }
    }
    assert_eq!(threads.len(), TABLES);
    handle.drain(PATIENCE).await;
    scene.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_of_every_thread_are_on_kafka_when_they_are_acknowledged() {
    let Some(brokers) = testkit::kafka() else { return };
    let config = kafka::Config {
        partitions: 4,
        topic_prefix: format!("gateway-{}.", uuid::Uuid::now_v7().simple()),
        ..Default::default()
    };
    let log: Arc<dyn Log> = Arc::new(KafkaLog::connect(&brokers, config).await.unwrap());
    let handle = Gateway::start(spread(), Arc::clone(&log), many(), None).await.unwrap();
    let mut lines = jt808_lines(&handle).await;
    for _ in 0..20 {
        // All threads at once, so that the producer is woken while it is at work.
        for (line, terminal) in &mut lines {
            line.send(&terminal.location(&location())).await;
        }
        for (line, _) in &mut lines {
            let answer = line.answer().await;
            assert!(matches!(answer, Some(Answer::General { result: 0, .. })), "{answer:?}");
        }
    }
    handle.drain(PATIENCE).await;
    // The reader is another client of the broker: what it reads is there.
    assert_eq!(reports(log.as_ref()).await.len(), 21 * lines.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_sessions_than_one_table_may_hold_files() {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {FEW} && exec \"$@\"")])
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tables::a_gateway_that_may_open_few_files",
            "--ignored",
            "--nocapture",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = said
        .find_map(|line| line.unwrap().strip_prefix("listens on ").map(str::to_owned))
        .expect("an address");
    let address: SocketAddr = address.parse().unwrap();
    let mut lines = Vec::new();
    for number in 0..MANY {
        let mut line = Jt808Line::open(Some(address)).await;
        let mut terminal = Terminal::new(&jt808(number), Variant::V2019).unwrap();
        jt808_reports(&mut line, &mut terminal).await;
        lines.push((line, terminal));
    }
    // All of them still stand.
    for (line, terminal) in &mut lines {
        jt808_reports(line, terminal).await;
    }
    child.stdin.take().unwrap().write_all(b"count\n").unwrap();
    let rest: Vec<_> = said.map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    for (mut line, _) in lines {
        assert_eq!(line.answer().await, None, "closed by the drain");
    }
}

/// The other side of the test above, in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by more_sessions_than_one_table_may_hold_files"]
async fn a_gateway_that_may_open_few_files() {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let row = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(row.split_whitespace().nth(3), Some(&*FEW.to_string()));
    let file_tables = tables::needed(FEW, MANY as u64);
    assert_eq!(file_tables, TABLES);
    tables::available().unwrap();
    let log = MemoryLog::new(4);
    let config = Config {
        file_tables,
        ..config()
    };
    let handle = Gateway::start(config, Arc::new(log.clone()), many(), None)
        .await
        .unwrap();
    eprintln!("\nlistens on {}", handle.jt808.unwrap());
    let mut told = String::new();
    tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut told))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(handle.sessions(), MANY);
    let held = held(port(&handle, Protocol::Jt808));
    assert_eq!(held.len(), TABLES);
    assert_eq!(held.values().map(Vec::len).sum::<usize>(), MANY);
    handle.drain(PATIENCE).await;
    assert_eq!(reports(&log).await.len(), 2 * MANY);
}
