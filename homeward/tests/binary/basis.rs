//! An order ends mid-stream: nothing that was made from then on is stored anywhere, the reason is on record, and the devices are told.
//!
//! Devices of all five protocols go on reporting from a place where they never were before, live and as late uploads; another's order
//! is revoked while it reports. Then every column of every table and every record of the stream is searched for that place, in every
//! way in which a place is written. That the search finds a place is shown by the places from before the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use casedb::{Database, basis, order, rules};
use codec::Command;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proto::{PersonId, Topic, wire};
use sim::{
    World,
    device::Sample,
    person::Speaks,
    scenario::Scenario,
    voice::{self, Said, Voice},
    world,
};
use stream::{
    Log,
    kafka::{self, KafkaLog},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_postgres::Client;

use super::installation::{Installation, Running, streams};

const DEVICES: u64 = 6;
/// Whose order is revoked; the others' end is known beforehand.
const REVOKED: usize = 5;

/// A place, with room for some steps around it: degrees north and east.
#[derive(Clone, Copy)]
struct Area {
    latitude: f64,
    longitude: f64,
}

const INSIDE: Area = Area {
    latitude: 30.28,
    longitude: 120.16,
};
/// Made within the term, sent after it.
const LATE: Area = Area {
    latitude: 31.37,
    longitude: 121.43,
};
/// Made when there was no basis.
const AFTER: Area = Area {
    latitude: 47.15,
    longitude: 133.45,
};
const AFTER_REVOCATION: Area = Area {
    latitude: 48.25,
    longitude: 134.55,
};

impl Area {
    fn step(self, n: u64) -> (f64, f64) {
        let step = (n % 100) as f64 * 0.0001;
        (self.latitude + step, self.longitude + step)
    }

    fn holds(self, latitude: f64, longitude: f64) -> bool {
        let near = |value: f64, start: f64| (start - 0.001..start + 0.02).contains(&value);
        near(latitude, self.latitude) && near(longitude, self.longitude)
    }

    /// True when the numbers are a place here, in either order.
    fn pair(self, a: f64, b: f64) -> bool {
        self.holds(a, b) || self.holds(b, a)
    }

    /// True when bytes have a place of here: as whole numbers of a ten-millionth, a millionth or 1/1,800,000 of a degree, as floating
    /// point, or as Protocol Buffers write them.
    fn is_in(self, bytes: &[u8]) -> bool {
        let whole = bytes.windows(8).any(|window| {
            let (a, b) = window.split_at(4);
            let (a, b): ([u8; 4], [u8; 4]) = (a.try_into().unwrap(), b.try_into().unwrap());
            [1e7, 1e6, 1.8e6].iter().any(|unit| {
                let degrees = |number: i32| f64::from(number) / unit;
                self.pair(degrees(i32::from_le_bytes(a)), degrees(i32::from_le_bytes(b)))
                    || self.pair(degrees(i32::from_be_bytes(a)), degrees(i32::from_be_bytes(b)))
            })
        });
        let floating = bytes.windows(16).any(|window| {
            let (a, b) = window.split_at(8);
            let (a, b): ([u8; 8], [u8; 8]) = (a.try_into().unwrap(), b.try_into().unwrap());
            self.pair(f64::from_le_bytes(a), f64::from_le_bytes(b))
                || self.pair(f64::from_be_bytes(a), f64::from_be_bytes(b))
        });
        let packed = (0..bytes.len()).any(|at| {
            let Some((a, next)) = varint(bytes, at) else {
                return false;
            };
            // The tag of the field that comes next.
            varint(bytes, next + 1).is_some_and(|(b, _)| self.pair(degrees(a), degrees(b)))
        });
        whole || floating || packed
    }

    /// True when a text has both numbers of a place of here.
    fn is_written_in(self, text: &str) -> bool {
        let numbers: Vec<f64> = text
            .split(|letter: char| !(letter.is_ascii_digit() || letter == '.' || letter == '-'))
            .filter_map(|word| word.parse().ok())
            .collect();
        let latitudes = numbers.iter().filter(|number| self.holds(**number, self.longitude));
        latitudes.count() > 0 && numbers.iter().any(|number| self.holds(self.latitude, *number))
    }
}

/// A number as Protocol Buffers and postcard write it, and where the next thing begins.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0;
    for (n, byte) in bytes.get(at..)?.iter().take(6).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((number, at + n + 1));
        }
    }
    None
}

/// Degrees of a zigzag number of ten-millionths.
fn degrees(zigzag: u64) -> f64 {
    let number = i64::try_from(zigzag >> 1).unwrap() ^ -i64::try_from(zigzag & 1).unwrap();
    number as f64 / 1e7
}

/// Tables that have a place of an area anywhere in them.
async fn tables_with(client: &Client, area: Area) -> BTreeSet<String> {
    const COLUMNS: &str = "SELECT c.table_schema::text, c.table_name::text, c.column_name::text, c.data_type = 'bytea'
        FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE t.table_schema IN ('public', 'stream') AND t.table_type = 'BASE TABLE'
        ORDER BY c.table_schema, c.table_name, c.ordinal_position";
    let mut tables: BTreeMap<(String, String), Vec<(String, bool)>> = BTreeMap::new();
    for row in client.query(COLUMNS, &[]).await.unwrap() {
        let column = (row.get(2), row.get(3));
        tables.entry((row.get(0), row.get(1))).or_default().push(column);
    }
    assert!(tables.len() > 40, "the search must see the tables");
    let mut found = BTreeSet::new();
    for ((schema, table), columns) in tables {
        let list: Vec<_> = columns
            .iter()
            .map(|(name, raw)| {
                if *raw {
                    format!("\"{name}\"")
                } else {
                    format!("\"{name}\"::text")
                }
            })
            .collect();
        let all = format!("SELECT {} FROM \"{schema}\".\"{table}\"", list.join(", "));
        for row in client.query(&all, &[]).await.unwrap() {
            let mut text = String::new();
            let mut hit = false;
            for (n, (_, raw)) in columns.iter().enumerate() {
                if *raw {
                    hit |= row.get::<_, Option<&[u8]>>(n).is_some_and(|bytes| area.is_in(bytes));
                } else {
                    text.push_str(row.get::<_, Option<&str>>(n).unwrap_or_default());
                    text.push(' ');
                }
            }
            if hit || area.is_written_in(&text) {
                found.insert(format!("{schema}.{table}"));
            }
        }
    }
    found
}

/// Topics of a Kafka stream that have a place of an area.
async fn topics_with(installation: &Installation, stream: &str, area: Area) -> BTreeSet<String> {
    let config = kafka::Config {
        partitions: 8,
        topic_prefix: installation.settings["HOMEWARD_STREAM_TOPIC_PREFIX"].clone(),
        ..Default::default()
    };
    let log = KafkaLog::connect(stream.trim_start_matches("kafka://"), config)
        .await
        .unwrap();
    let mut found = BTreeSet::new();
    for topic in Topic::ALL {
        for partition in 0..8 {
            let bounds = log.bounds(topic, partition).await.unwrap();
            if bounds.start == bounds.end {
                continue;
            }
            let mut reader = log.read(topic, vec![(partition, bounds.start)]).await.unwrap();
            let mut next = bounds.start;
            while next < bounds.end {
                for record in reader.next(1_000).await.unwrap() {
                    next = record.offset + 1;
                    if area.is_in(&record.payload) {
                        found.insert(topic.to_string());
                    }
                }
            }
        }
    }
    found
}

/// A monitor, by hand.
struct Device {
    person: PersonId,
    voice: Box<dyn Voice>,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: BytesMut,
    number: u64,
    sent: usize,
    acknowledged: usize,
    told: Vec<Command>,
}

impl Device {
    async fn open(installation: &Installation, person: &sim::person::Person, secret: &[u8]) -> Self {
        let listener = match person.speaks {
            Speaks::Native => "NATIVE",
            Speaks::Jt808 { .. } => "JT808",
            Speaks::Teltonika => "TELTONIKA",
            Speaks::Gt06 => "GT06",
            Speaks::Eelink => "EELINK",
        };
        let address = &installation.settings[&format!("HOMEWARD_GATEWAY_{listener}_LISTEN")];
        let (read, write) = TcpStream::connect(address).await.unwrap().into_split();
        let mut device = Self {
            person: person.person_id,
            voice: voice::of(person, secret, rand::random()).unwrap(),
            read,
            write,
            buffer: BytesMut::new(),
            number: 1_000_000 * person.index,
            sent: 0,
            acknowledged: 0,
            told: Vec::new(),
        };
        let first = device.voice.sign_in();
        device.write.write_all(&first).await.unwrap();
        loop {
            match device.hear().await {
                Said::Next(bytes) => device.write.write_all(&bytes).await.unwrap(),
                Said::Welcome => return device,
                _ => {}
            }
        }
    }

    async fn hear(&mut self) -> Said {
        loop {
            if let Some(said) = self.voice.hear(&mut self.buffer).unwrap() {
                return said;
            }
            assert!(self.read.read_buf(&mut self.buffer).await.unwrap() > 0, "closed");
        }
    }

    fn sample(&mut self, at: Timestamp, area: Area) -> Sample {
        self.number += 1;
        let (latitude, longitude) = area.step(self.number);
        #[expect(clippy::cast_possible_truncation, reason = "degrees on earth")]
        let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
        Sample {
            sequence: self.number,
            tick: self.number,
            time_s: self.number as f64,
            fix_time: at,
            position: Some(wire::Position {
                latitude_e7: e7(latitude),
                longitude_e7: e7(longitude),
                valid: true,
                source: wire::FixSource::Gnss.into(),
                accuracy_m: Some(5.0),
                satellites: Some(9),
                ..Default::default()
            }),
            battery_percent: 80,
            strap: wire::Strap::Closed,
            case: wire::Case::Closed,
            motion: wire::Motion::Still,
            alarms: Vec::new(),
            cell: None,
        }
    }

    async fn tell(&mut self, samples: &[Sample], stored: bool) {
        let wire = self.voice.tell(samples, stored);
        self.write.write_all(&wire).await.unwrap();
        self.sent += samples.len();
    }

    /// Listens for a while; does what it is told.
    async fn listen(&mut self, time: Duration) {
        let until = tokio::time::Instant::now() + time;
        while let Ok(said) = tokio::time::timeout_at(until, self.hear()).await {
            match said {
                Said::Done(reports) => self.acknowledged += reports,
                Said::Command(asked) => {
                    let answer = self.voice.answer(&asked, true, None);
                    self.write.write_all(&answer).await.unwrap();
                    self.told.extend(asked.command);
                }
                Said::Next(bytes) => self.write.write_all(&bytes).await.unwrap(),
                Said::Welcome | Said::Other => {}
            }
        }
    }

    fn was_told(&self, interval_s: u32) -> usize {
        let wanted = |told: &&Command| matches!(told, Command::Interval { seconds, .. } if *seconds == interval_s);
        self.told.iter().filter(wanted).count()
    }
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_ends_mid_stream_leaves_nothing_later_anywhere() {
    for stream in streams() {
        let Some(database) = testkit::database().await.unwrap() else {
            return;
        };
        let mut installation = Installation::new(database, &stream);
        installation
            .settings
            .insert("HOMEWARD_GEOFENCE_CHECKPOINT_SECONDS".to_owned(), "1".to_owned());
        installation.succeed(&[
            "demo",
            "seed",
            "--devices",
            "6",
            "--seed",
            "9",
            "--scenario",
            "quiet",
            "--interval",
            "1",
        ]);
        let mut server = installation.start("run", &["run"]);
        installation.wait_ready(&mut server).await;
        ends_mid_stream(&installation, &stream, &server).await;
        server.terminate().await;
        installation.database.drop_now().await.unwrap();
    }
}

async fn devices(installation: &Installation, client: &Client) -> Vec<Device> {
    let world = World::new(world::Config {
        seed: 9,
        people: DEVICES,
        scenario: Scenario::Quiet,
        start: Timestamp::now(),
        interval_s: 1.0,
        latitude: 30.2825,
        longitude: 120.16,
    });
    let mut devices = Vec::new();
    for person in &world.people {
        let secret: Option<Vec<u8>> = client
            .query_one(
                "SELECT secret FROM device WHERE device_id = $1",
                &[&person.device_id.uuid()],
            )
            .await
            .unwrap()
            .get(0);
        devices.push(Device::open(installation, person, &secret.unwrap_or_default()).await);
    }
    devices
}

async fn publish(database: &Database, person: PersonId, change: impl AsyncFnOnce(&casedb::Transaction<'_>)) {
    let mut client = database.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    change(&transaction).await;
    rules::publish(&transaction, person, Timestamp::now()).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn everybody_listens(devices: &mut [Device], time: Duration) {
    futures::future::join_all(devices.iter_mut().map(|device| device.listen(time))).await;
}

async fn ends_mid_stream(installation: &Installation, stream: &str, server: &Running) {
    let client = installation.client().await;
    let database = Database::connect(&installation.database.url, 4).await.unwrap();
    let mut devices = devices(installation, &client).await;
    let orders: Vec<_> = {
        let client = database.client().await.unwrap();
        let mut orders = Vec::new();
        for device in &devices {
            orders.push(order::of_person(&client, device.person).await.unwrap().remove(0));
        }
        orders
    };
    let began = second(Timestamp::now());
    let end = began + 12.seconds();
    for (device, order) in devices.iter().zip(&orders).take(REVOKED) {
        publish(&database, device.person, async |transaction| {
            order::end(transaction, order.order_id, end).await.unwrap();
        })
        .await;
    }
    // Reports, one a second, across the end and the revocation.
    let mut revoked_at = None;
    while Timestamp::now() < end + 6.seconds() {
        let now = second(Timestamp::now());
        if now >= end - 3.seconds() && revoked_at.is_none() {
            let at = Timestamp::now();
            publish(&database, devices[REVOKED].person, async |transaction| {
                order::revoke(transaction, orders[REVOKED].order_id, at).await.unwrap();
            })
            .await;
            revoked_at = Some(at);
        }
        for (index, device) in devices.iter_mut().enumerate() {
            let (over, area) = if index == REVOKED {
                (revoked_at.is_some_and(|at| now >= at), AFTER_REVOCATION)
            } else {
                (now >= end, AFTER)
            };
            let sample = device.sample(now, if over { area } else { INSIDE });
            device.tell(&[sample], false).await;
        }
        everybody_listens(&mut devices, Duration::from_millis(1_010)).await;
    }
    // Late uploads: made in the term; after it; before it.
    for (device, order) in devices.iter_mut().zip(&orders).take(REVOKED) {
        // A device numbers what it stores in the order in which it takes it.
        let mut times: Vec<_> = [
            (began - 30.seconds(), LATE),
            (end, AFTER),
            (order.starts_at - 1.hour(), AFTER),
        ]
        .into_iter()
        .flat_map(|(base, area)| (0..3).map(move |n| (second(base) + n.seconds(), area)))
        .collect();
        times.sort_by_key(|(at, _)| *at);
        let samples: Vec<_> = times.into_iter().map(|(at, area)| device.sample(at, area)).collect();
        device.tell(&samples, true).await;
    }
    everybody_listens(&mut devices, Duration::from_secs(8)).await;
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(
            device.acknowledged, device.sent,
            "{stream}: device {index} is left waiting"
        );
        assert_eq!(
            device.was_told(86_400),
            1,
            "{stream}: device {index}: {:?}",
            device.told
        );
    }

    // Nothing of it is anywhere; what was made in the term is.
    for area in [AFTER, AFTER_REVOCATION] {
        let found = tables_with(&client, area).await;
        assert!(found.is_empty(), "{stream}: {found:?}\n{}", server.text());
    }
    let found = tables_with(&client, INSIDE).await;
    for table in ["public.position", "public.checkpoint_piece"] {
        assert!(
            found.contains(table),
            "{stream}: the search finds nothing in {table}: {found:?}"
        );
    }
    assert!(
        tables_with(&client, LATE).await.contains("public.position"),
        "{stream}: late data"
    );
    if stream == "postgres" {
        assert!(found.contains("stream.record"), "{found:?}");
    } else {
        assert_eq!(topics_with(installation, stream, AFTER).await, BTreeSet::new());
        assert!(
            topics_with(installation, stream, INSIDE)
                .await
                .contains(Topic::Reports.name())
        );
    }
    let later = "SELECT count(*) FROM position p WHERE NOT has_basis(p.person_id, p.fix_time)";
    let later: i64 = client.query_one(later, &[]).await.unwrap().get(0);
    assert_eq!(later, 0, "{stream}");
    let late = "SELECT DISTINCT d.identity FROM position p JOIN device d USING (device_id) WHERE p.latitude BETWEEN 31 AND 32 ORDER BY 1";
    let late: Vec<String> = client
        .query(late, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let refused = "SELECT string_agg(row_to_json(r)::text, chr(10)) FROM (SELECT d.protocol, m.* FROM monitoring_refusal m LEFT JOIN device d USING (device_id)) r";
    let refused: Option<String> = client.query_one(refused, &[]).await.unwrap().get(0);
    assert_eq!(
        late.len(),
        5,
        "{stream}: made in the term, sent after it: {late:?}\n{}",
        refused.unwrap_or_default()
    );

    on_record(installation, &client, &devices, stream).await;
    search_finds_and_erasing_erases(&client, &database, devices[0].person).await;
    reports_again(&client, &database, &mut devices[0], stream).await;
}

async fn on_record(installation: &Installation, client: &Client, devices: &[Device], stream: &str) {
    const REASONS: &str = "SELECT DISTINCT reason FROM monitoring_refusal WHERE person_id = $1 ORDER BY reason";
    for (index, device) in devices.iter().enumerate() {
        let rows = client.query(REASONS, &[&device.person.uuid()]).await.unwrap();
        let reasons: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let expected: &[&str] = if index == REVOKED {
            &["revoked"]
        } else {
            &["expired", "not_begun"]
        };
        assert_eq!(reasons, expected, "{stream}: device {index}");
    }
    let told =
        "SELECT count(*), count(DISTINCT device_id), bool_and(outcome IN ('delivered', 'done')) FROM device_stop";
    let row = client.query_one(told, &[]).await.unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, i64>(1)),
        (6, 6),
        "{stream}: each once"
    );
    assert!(row.get::<_, bool>(2), "{stream}");
    let identity = "SELECT d.protocol || ':' || d.identity FROM device d JOIN device_assignment a USING (device_id)
        WHERE a.person_id = $1 AND a.ended_at IS NULL";
    let identity: String = client
        .query_one(identity, &[&devices[0].person.uuid()])
        .await
        .unwrap()
        .get(0);
    let shown = installation.succeed(&["device", "show", &identity]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for word in ["legal basis", "expired", "not_begun", "stop", "86400 s"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}

/// The test can fail: a row that got in past every guard is found; and the last guard erases it.
async fn search_finds_and_erasing_erases(client: &Client, database: &Database, person: PersonId) {
    let smuggle =
        "INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude,
            longitude, valid, source, strap, \"case\", motion, alarms, backfill)
        SELECT person_id, now(), report_id, device_id, now(), now(), sequence, $2, $3, true, 1, 1, 1, 1, 0, false
        FROM position WHERE person_id = $1 LIMIT 1";
    client
        .execute(smuggle, &[&person.uuid(), &AFTER.latitude, &AFTER.longitude])
        .await
        .unwrap();
    assert!(tables_with(client, AFTER).await.contains("public.position"));
    let erased = basis::enforce(database, person, Timestamp::now()).await.unwrap();
    assert_eq!(erased.reports, 1);
    assert!(tables_with(client, AFTER).await.is_empty());
}

/// A new order begins: the device is told its usual interval, and what it reports is kept.
async fn reports_again(client: &Client, database: &Database, device: &mut Device, stream: &str) {
    let now = Timestamp::now();
    let order = order::Order {
        order_id: uuid::Uuid::now_v7().into(),
        person_id: device.person,
        legal_basis: "invented act, section 2".to_owned(),
        grounds: String::new(),
        starts_at: now,
        ends_at: now + SignedDuration::from_hours(24),
        revoked_at: None,
    };
    publish(database, device.person, async |transaction| {
        order::create(transaction, &order).await.unwrap();
    })
    .await;
    device.listen(Duration::from_secs(6)).await;
    let usual = device.told.last().cloned();
    assert!(
        matches!(usual, Some(Command::Interval { seconds, .. }) if seconds < 86_400),
        "{stream}: {usual:?}"
    );
    let sample = device.sample(second(Timestamp::now()), INSIDE);
    device.tell(&[sample], false).await;
    device.listen(Duration::from_secs(1)).await;
    let kept = "SELECT count(*) FROM position WHERE person_id = $1 AND fix_time >= $2";
    let deadline = Instant::now() + Duration::from_secs(10);
    while client
        .query_one(kept, &[&device.person.uuid(), &now])
        .await
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {
        assert!(
            Instant::now() < deadline,
            "{stream}: nothing is kept under the new order"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
