//! Whatever the protocol: garbage, a stream that is slow, two sessions of one device, limits.

use super::*;

#[tokio::test]
async fn garbage_does_not_cost_the_frame_after_it() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000001", Variant::V2013).await;
    let good = terminal.location(&location());
    let mut corrupt = terminal.location(&location()).to_vec();
    corrupt[20] ^= 0x01;
    let cut = &good[..30];
    for garbage in [
        &b"GET / HTTP/1.1\r\n"[..],
        &corrupt,
        cut,
        &[0x7e, 0x7e, 0x7d, 0x7e],
        &[0xe7; 9],
        &[0x55; 9_000],
    ] {
        line.send(garbage).await;
        let serial = terminal.next_serial();
        line.send(&terminal.location(&location())).await;
        assert_eq!(
            line.answer().await,
            Some(Answer::General {
                serial,
                id: 0x0200,
                result: 0
            }),
            "{garbage:02x?}"
        );
    }
    // One byte at a time.
    let serial = terminal.next_serial();
    for byte in terminal.location(&location()) {
        line.send(&[byte]).await;
    }
    assert_eq!(
        line.answer().await,
        Some(Answer::General {
            serial,
            id: 0x0200,
            result: 0
        })
    );
    assert_eq!(reports(&log).await.len(), 7);
}

#[tokio::test]
async fn nothing_is_acknowledged_before_it_is_durable() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut line = NativeLine::opened(&handle).await;
    let (mut terminal_line, mut terminal) = Jt808Line::opened(&handle, "13900000001", Variant::V2013).await;
    log.faults(|faults| faults.hold_appends = true);
    line.send(&client::reports(vec![report(1)])).await;
    terminal_line.send(&terminal.location(&location())).await;
    line.silence().await;
    terminal_line.silence().await;
    // Signs of life are answered meanwhile, so that nobody gives up the connection.
    line.send(&client::heartbeat(0, None)).await;
    assert!(matches!(line.answer().await, Some(Body::HeartbeatReply(_))));
    // Appends that fail are tried again while the session lives.
    log.faults(|faults| {
        faults.hold_appends = false;
        faults.refuse_appends = 3;
    });
    assert_eq!(line.acknowledged().await, 1);
    assert!(matches!(
        terminal_line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 0,
            ..
        })
    ));
    // A session that ends before its append has come back acknowledged nothing; the copy is recognised.
    log.faults(|faults| faults.hold_appends = true);
    let second = report(2);
    line.send(&client::reports(vec![second.clone()])).await;
    line.silence().await;
    drop(line);
    log.faults(|faults| faults.hold_appends = false);
    let mut line = NativeLine::opened(&handle).await;
    line.send(&client::reports(vec![second])).await;
    assert_eq!(line.acknowledged().await, 2);
    // A write whose acknowledgement was lost is appended again, under the same id.
    log.faults(|faults| faults.lose_acknowledgements = 1);
    line.send(&client::reports(vec![report(3)])).await;
    assert_eq!(line.acknowledged().await, 3);
    let mut ids: Vec<_> = reports(&log).await.into_iter().map(|report| report.report_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_stream_that_stands_still_stops_the_reading() {
    let log = MemoryLog::with_config(
        memory::Config {
            partitions: 1,
            ..memory::Config::default()
        },
        Timestamp::now,
    );
    let handle = start(&log).await;
    let mut line = NativeLine::opened(&handle).await;
    log.faults(|faults| faults.hold_appends = true);
    // Far more than the window and the socket buffers hold.
    let (reader, mut writer) = line.stream.into_split();
    let mut sequence = 0;
    let mut sent = 0;
    let blocked = loop {
        let batch: Vec<DeviceReport> = (0..256).map(|n| report(sequence + n + 1)).collect();
        let bytes = client::reports(batch);
        if timeout(BRIEFLY, writer.write_all(&bytes)).await.is_err() {
            break true; // a frame is cut in its middle: this session is of no more use
        }
        sequence += 256;
        sent += bytes.len();
        if sent > 64 * 1024 * 1024 {
            break false;
        }
    };
    assert!(blocked, "{sent} bytes taken while nothing could be appended");
    // Another session is not held up by it, but for the stream itself.
    let mut other = NativeLine::open(handle.native).await;
    assert!(matches!(other.log_in("HW-free", SECRET).await, Body::Welcome(_)));
    log.faults(|faults| faults.hold_appends = false);
    line = Line {
        stream: reader.reunite(writer).unwrap(),
        buffer: BytesMut::new(),
        framer: client::Answers::default(),
    };
    let mut last = 0;
    while last < sequence {
        last = line.acknowledged().await;
    }
    assert_eq!(reports(&log).await.len() as u64, sequence);
}

#[tokio::test]
async fn the_newest_session_of_a_device_wins() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut first = NativeLine::opened(&handle).await;
    let mut second = NativeLine::opened(&handle).await;
    assert_eq!(first.answer().await, None, "the older is closed");
    second.send(&client::reports(vec![report(1)])).await;
    assert_eq!(second.acknowledged().await, 1);
}

#[tokio::test]
async fn limits_hold() {
    let log = MemoryLog::new(4);
    let config = Config {
        max_sessions: 2,
        hello_within: Duration::from_millis(1_500),
        idle_after: Duration::from_millis(2_500),
        ..config()
    };
    let handle = Gateway::start(config, Arc::new(log.clone()), directory(), None)
        .await
        .unwrap();
    let mut open = NativeLine::opened(&handle).await;
    let mut slow = NativeLine::open(handle.native).await;
    slow.send(&[0, 0]).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    // No room for a third.
    let mut third = NativeLine::open(handle.native).await;
    assert!(matches!(third.answer().await, Some(Body::Refusal(refusal)) if refusal.reason == "too many sessions"));
    assert_eq!(third.answer().await, None);
    // One byte now and then is no hello.
    assert_eq!(slow.next().await, None, "hello in time");
    // Silence ends a session.
    assert_eq!(open.answer().await, None, "idle");
    let mut again = NativeLine::opened(&handle).await;
    again.send(&client::heartbeat(0, None)).await;
    assert!(matches!(again.answer().await, Some(Body::HeartbeatReply(_))));
}
