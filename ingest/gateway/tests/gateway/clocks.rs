//! Devices' clocks: slow ones are measured and told, and what was learnt of one is known to the next gateway.

use casedb::Database;
use codec::gt06;
use homeward_gateway::Transport;
use jiff::{SignedDuration, ToSpan};
use proto::wire::{Alarm, Strap};
use uuid::Uuid;

use super::{
    database::{device, prepared},
    *,
};

const IMEI: &str = "490154203237518";
/// Longer than a clock takes to be believed to be slow.
const LONG: Duration = Duration::from_mins(2);

async fn fit(database: &Database, protocol: &str, identity: &str, person: PersonId, at: Timestamp) {
    let client = database.client().await.unwrap();
    let device = device(protocol, identity);
    casedb::device::register(&client, &device).await.unwrap();
    casedb::device::assign(&client, device.device_id, person, at)
        .await
        .unwrap();
}

async fn started(database: &Database, log: &MemoryLog) -> Handle {
    let config = Config {
        gt06_listen: Some("127.0.0.1:0".parse().unwrap()),
        presence_every: Duration::from_millis(200),
        ..config()
    };
    let directory = Directory::follow(database.clone()).await;
    Gateway::start(config, Arc::new(log.clone()), directory, Some(database.clone()))
        .await
        .unwrap()
}

/// By how many seconds a device's clock was measured to be late, and whether that is too much.
async fn measured(database: &Database, device: &str) -> (Option<f64>, bool) {
    let sql = "SELECT extract(epoch FROM clock_delay)::float8, clock_slow_since IS NOT NULL FROM device_status WHERE device_id = $1";
    let client = database.client().await.unwrap();
    let row = client
        .query_opt(sql, &[&DeviceId::from_name(device).uuid()])
        .await
        .unwrap();
    row.map_or((None, false), |row| (row.get(0), row.get(1)))
}

async fn accepted(line: &mut Jt808Line, frame: &[u8]) {
    line.send(frame).await;
    let answer = line.answer().await;
    assert!(matches!(answer, Some(Answer::General { result: 0, .. })), "{answer:?}");
}

#[tokio::test]
async fn a_slow_clock_is_measured_and_told_and_its_calls_are_heard() {
    let Some((test, database, person)) = prepared().await else {
        return;
    };
    let begin = Timestamp::now();
    let (slow, stored) = ("13900000011", "13900000012");
    fit(&database, "jt808", slow, person, begin).await;
    fit(&database, "jt808", stored, person, begin - 20.hours()).await;
    let log = MemoryLog::new(4);
    let handle = started(&database, &log).await;
    let (mut line, mut terminal) = Jt808Line::opened(&handle, slow, Variant::V2019).await;
    let (mut other, mut network) = Jt808Line::opened(&handle, stored, Variant::V2019).await;
    let late = 35.minutes();
    let called = |at| Location {
        time: at,
        strap: Strap::Open,
        alarms: vec![Alarm::Sos],
        ..location()
    };
    let of = async |name: &str| {
        let device = DeviceId::from_name(name).to_wire();
        let mut reports = reports(&log).await;
        reports.retain(|report| report.device_id == device);
        reports
    };
    // Fitted a moment ago: what it says is of half an hour before, and forgotten until the clock is known to be slow. Beside it another
    // sends what it had stored, faster than it was made.
    let deadline = tokio::time::Instant::now() + LONG;
    let mut sent = 0;
    while of(slow).await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "not believed to be slow");
        accepted(&mut line, &terminal.location(&called(Timestamp::now() - late))).await;
        let made = begin - 12.hours() + (sent * 60).seconds();
        accepted(
            &mut other,
            &network.location(&Location {
                time: made,
                ..location()
            }),
        )
        .await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(Timestamp::now().duration_since(begin) >= SignedDuration::from_secs(20));
    let heard = of(slow).await.remove(0);
    assert_eq!(heard.position, None, "nobody knows whose place that was");
    assert_eq!(heard.fix_time_us, heard.received_at_us);
    assert!(
        heard.alarms.contains(&Alarm::Sos.into()) && heard.strap() == Strap::Open,
        "{heard:?}"
    );
    assert_eq!(of(stored).await.len(), usize::try_from(sent).unwrap());
    let (by, is_slow) = loop {
        let found = measured(&database, slow).await;
        if found.1 {
            break found;
        }
        assert!(tokio::time::Instant::now() < deadline, "not measured");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(is_slow && (2_099.0..2_130.0).contains(&by.unwrap()), "{by:?}");
    assert_eq!(measured(&database, stored).await, (None, false), "that was no clock");

    // It is told once, and over when the clock is set right.
    let raise = async || casedb::device::slow::raise(&database, Timestamp::now()).await.unwrap();
    assert_eq!((raise().await, raise().await), (1, 0));
    let client = database.client().await.unwrap();
    let told =
        "SELECT i.person_id, i.audience, i.ongoing, a.text FROM incident i JOIN incident_action a USING (incident_id)
        WHERE i.kind = 'clock_skew' ORDER BY a.action_id LIMIT 1";
    let row = client.query_one(told, &[]).await.unwrap();
    assert_eq!(row.get::<_, Uuid>(0), person.uuid());
    assert_eq!((row.get::<_, &str>(1), row.get::<_, bool>(2)), ("social_work", true));
    assert!(
        row.get::<_, &str>(3).contains("jt808:13900000011 is slow by 35 min"),
        "{}",
        row.get::<_, &str>(3)
    );
    accepted(&mut line, &terminal.location(&location())).await;
    assert!(of(slow).await.last().unwrap().position.is_some());
    while measured(&database, slow).await.1 {
        assert!(tokio::time::Instant::now() < deadline, "still slow");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(raise().await, 0);
    let ongoing: bool = client.query_one(told, &[]).await.unwrap().get(2);
    assert!(!ongoing);
    handle.drain(PATIENCE).await;
    drop((client, database));
    test.drop_now().await.unwrap();
}

/// A device 8 hours east of Greenwich, whose maker writes local time where the documents say UTC, is heard live; then its network is gone for a
/// night, and another gateway hears its oldest reports first.
#[tokio::test]
async fn what_was_learnt_of_a_clock_is_known_to_the_next_gateway() {
    let Some((test, database, person)) = prepared().await else {
        return;
    };
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
    let night = now - 12.hours();
    fit(&database, "gt06", IMEI, person, now - 20.hours()).await;
    let log = MemoryLog::new(4);
    for made in [now, night] {
        let handle = started(&database, &log).await;
        let mut line = Line::<gt06::Framer>::open(handle.address(Protocol::Gt06, Transport::Tcp)).await;
        let mut clone = gt06::terminal::Terminal::new(IMEI).unwrap();
        line.send(&clone.log_in(1, 480)).await;
        line.next().await.expect("an answer to the log-in");
        for frame in clone.location(&gt06::terminal::Location::new(made + 8.hours(), 30.25, 120.16)) {
            line.send(&frame).await;
            line.next().await.expect("an acknowledgement");
        }
        drop(line);
        handle.drain(PATIENCE).await;
    }
    let mut times: Vec<i64> = reports(&log).await.iter().map(|report| report.fix_time_us).collect();
    times.sort_unstable();
    assert_eq!(times, [night.as_microsecond(), now.as_microsecond()]);
    drop(database);
    test.drop_now().await.unwrap();
}
