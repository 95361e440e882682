//! A panic of a whole thread of sessions.

use codec::jt808::{
    Framer, Item, Variant,
    terminal::{Answer, Location, Terminal, answer},
};
use proto::{DeviceId, PersonId};
use stream::memory::MemoryLog;
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_util::codec::Decoder;

use super::*;
use crate::Known;

const NUMBER: &str = "13900000001";
/// Connections.
const MANY: usize = 40;
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal that has been acknowledged once.
async fn terminal(address: SocketAddr) -> (TcpStream, Terminal) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut terminal = Terminal::new(NUMBER, Variant::V2019).unwrap();
    assert!(reports(&mut stream, &mut terminal).await);
    (stream, terminal)
}

/// Sends a report; true when it is acknowledged, false when the connection is gone.
async fn reports(stream: &mut TcpStream, terminal: &mut Terminal) -> bool {
    let frame = terminal.location(&Location::new(Timestamp::now(), 30.25, 120.16));
    if stream.write_all(&frame).await.is_err() {
        return false;
    }
    let (mut framer, mut buffer) = (Framer::default(), bytes::BytesMut::new());
    loop {
        if let Some(item) = framer.decode(&mut buffer).unwrap() {
            let Item::Frame(frame) = item else { panic!("{item:?}") };
            return matches!(answer(&frame), Ok(Answer::General { result: 0, .. }));
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut buffer))
            .await
            .expect("no answer");
        if read.unwrap_or(0) == 0 {
            return false;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_panics_is_told_and_the_others_end_in_good_order() {
    let known = Known {
        person_id: Some(PersonId::from_name("somebody")),
        terms: vec![(Timestamp::MIN, Timestamp::MAX)],
        ..Known::of(DeviceId::from_name("T-1"), None)
    };
    let directory = Directory::fixed([(Protocol::Jt808, NUMBER.to_owned(), known)]);
    let config = Config {
        jt808_listen: Some("127.0.0.1:0".parse().unwrap()),
        file_tables: 2,
        ..Config::default()
    };
    let log = MemoryLog::new(4);
    let handle = Gateway::start(config, Arc::new(log), directory, None).await.unwrap();
    let health = handle.health();
    assert_eq!(health.check(), Ok(()));
    let address = handle.jt808.unwrap();
    // By chance they are in either thread: so many are not all in one.
    let mut lines = Vec::new();
    for _ in 0..MANY {
        lines.push(terminal(address).await);
    }
    handle.shared.fault.notify_one();
    timeout(PATIENCE, handle.failed()).await.expect("it is told");
    assert_eq!(
        health.check(),
        Err("a listener or a thread of sessions has ended by a panic")
    );
    // The sessions of that thread are gone, those of the other are heard until the drain.
    let mut left = Vec::new();
    for (mut stream, mut terminal) in lines {
        if reports(&mut stream, &mut terminal).await {
            left.push(stream);
        }
    }
    assert!((1..MANY).contains(&left.len()), "{} left", left.len());
    timeout(PATIENCE * 2, handle.drain(PATIENCE)).await.expect("it ends");
    for mut stream in left {
        let read = timeout(PATIENCE, stream.read_u8()).await.expect("closed");
        assert!(read.is_err());
    }
    assert_eq!(health.check(), Ok(()), "nothing is left of it");
}
