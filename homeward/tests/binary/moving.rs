//! Protected people, end to end: their device over a real socket, and where their place comes to lie.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use codec::native::{self, Item, client};
use jiff::Timestamp;
use proto::wire::{self, DeviceReport, GatewayFrame, gateway_frame::Body};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_postgres::Client;
use tokio_util::codec::Decoder;

use super::installation::{Installation, Running};

const PATIENCE: Duration = Duration::from_secs(20);
/// Where the protected person is: numbers that nothing else in the demo has.
const PLACE: (i32, i32) = (307_654_321, 1_209_876_543);

/// A monitor on the native protocol.
struct Monitor {
    stream: TcpStream,
    buffer: BytesMut,
    answers: client::Answers,
    sequence: u64,
}

impl Monitor {
    async fn open(installation: &Installation, name: &str, key: &[u8]) -> Self {
        let stream = TcpStream::connect(&installation.settings["HOMEWARD_GATEWAY_NATIVE_LISTEN"]);
        let mut monitor = Self {
            stream: stream.await.unwrap(),
            buffer: BytesMut::new(),
            answers: client::Answers::default(),
            sequence: 0,
        };
        let nonce = [7; 16];
        monitor.send(&client::hello(name, nonce, "test")).await;
        let Body::Challenge(challenge) = monitor.answer().await else {
            panic!("no challenge")
        };
        let proof = client::proof(key, &nonce, &challenge.gateway_nonce, name);
        monitor.send(&proof).await;
        assert!(matches!(monitor.answer().await, Body::Welcome(_)));
        monitor
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    async fn answer(&mut self) -> Body {
        loop {
            match self.answers.decode(&mut self.buffer).unwrap() {
                Some(Item::Frame(GatewayFrame { body: Some(body) })) => return body,
                Some(other) => panic!("{other:?}"),
                None => {}
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer));
            assert_ne!(read.await.unwrap().unwrap(), 0, "closed by the gateway");
        }
    }

    /// Reports a fix of now, and waits until it is acknowledged.
    async fn report(&mut self, (latitude_e7, longitude_e7): (i32, i32)) {
        self.sequence += 1;
        let report = DeviceReport {
            sequence: self.sequence,
            fix_time_us: Timestamp::now().as_microsecond(),
            position: Some(wire::Position {
                latitude_e7,
                longitude_e7,
                valid: true,
                source: wire::FixSource::Gnss.into(),
                accuracy_m: Some(5.0),
                ..Default::default()
            }),
            battery_percent: Some(80),
            strap: wire::Strap::Closed.into(),
            ..Default::default()
        };
        self.send(&native::client::reports(vec![report])).await;
        let Body::Acknowledgement(answer) = self.answer().await else {
            panic!("no acknowledgement")
        };
        assert_eq!((answer.sequence, answer.rejected.len()), (self.sequence, 0));
    }
}

/// A running installation in which somebody must keep 500 m away from a protected person, and both their devices.
struct Scene {
    installation: Installation,
    server: Running,
    client: Client,
    protected: Monitor,
    supervised: Monitor,
    reference: String,
}

impl Scene {
    async fn set() -> Option<Self> {
        let installation = Installation::new(testkit::database().await.unwrap()?, "postgres");
        let says = |arguments: &[&str]| String::from_utf8(installation.succeed(arguments).stdout).unwrap();
        says(&["demo", "seed", "--devices", "6"]);
        let registered = says(&["device", "add", "native", "HW-V17"]);
        let key = registered.split_whitespace().last().unwrap();
        let key = hex::decode(key).unwrap();
        let client = installation.client().await;
        let sql = "SELECT p.reference, d.identity, d.secret FROM person p JOIN device_assignment USING (person_id)
            JOIN device d USING (device_id) WHERE d.protocol = 'native' ORDER BY p.reference LIMIT 1";
        let worn = client.query_one(sql, &[]).await.unwrap();
        let (reference, identity, secret): (String, String, Vec<u8>) = (worn.get(0), worn.get(1), worn.get(2));
        let keep_away = [
            "protect",
            "add",
            "V-17",
            "--agency",
            "demo.police",
            "--consent",
            "--device",
            "native:HW-V17",
        ];
        let how = ["--from", &reference, "--distance", "500", "--by", "officer"];
        says(&[&keep_away[..], &how[..]].concat());
        let mut server = installation.start("run", &["run"]);
        installation.wait_ready(&mut server).await;
        let protected = Monitor::open(&installation, "HW-V17", &key).await;
        let supervised = Monitor::open(&installation, &identity, &secret).await;
        Some(Self {
            installation,
            server,
            client,
            protected,
            supervised,
            reference,
        })
    }

    /// Both report a few times, the supervised person from near by.
    async fn approach(&mut self, own: (i32, i32)) {
        for _ in 0..4 {
            self.protected.report(PLACE).await;
            self.supervised.report(own).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Tables, by schema, in whose rows a text is found.
    async fn tables_with(&self, words: &[String]) -> Vec<String> {
        let sql = "SELECT table_schema || '.' || table_name FROM information_schema.tables
            WHERE table_schema IN ('public', 'stream') AND table_type = 'BASE TABLE' ORDER BY 1";
        let mut found = Vec::new();
        for table in self.client.query(sql, &[]).await.unwrap() {
            let table: String = table.get(0);
            // A word of SQL may name a table (position) where the schema stands before it.
            let sql = format!("SELECT count(*) FROM {table} t WHERE row_to_json(t)::text LIKE ANY ($1)");
            let patterns: Vec<String> = words.iter().map(|word| format!("%{word}%")).collect();
            let count: i64 = self.client.query_one(&sql, &[&patterns]).await.unwrap().get(0);
            if count > 0 {
                found.push(table);
            }
        }
        found
    }

    /// Waits until a query's one number is at least 1.
    async fn wait_for(&self, sql: &str, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let count: i64 = self.client.query_one(sql, &[&self.reference]).await.unwrap().get(0);
            if count > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {}", self.server.text());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A number of a position in every form in which a row may have it: degrees, e7, and the bytes of the wire.
fn forms(e7: i32) -> Vec<String> {
    let zigzag = (e7 << 1 ^ e7 >> 31).cast_unsigned();
    let mut rest = zigzag;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    vec![
        e7.to_string(),
        format!("{}.{:07}", e7 / 10_000_000, e7 % 10_000_000),
        hex::encode(bytes),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_persons_place_lies_in_the_stream_and_nowhere_else() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    // The supervised person comes near. Their own place is in history, which proves that the search finds places.
    let own = (PLACE.0 + 12_345, PLACE.1 + 12_345);
    scene.approach(own).await;
    let stored =
        "SELECT count(*) FROM position JOIN person USING (person_id) WHERE reference = $1 AND latitude IS NOT NULL";
    scene
        .wait_for(stored, "the supervised person's report is not stored")
        .await;
    let found = scene.tables_with(&forms(own.0)).await;
    assert!(
        found.iter().any(|table| table.starts_with("public.position")),
        "{found:?}"
    );
    let words: Vec<String> = [forms(PLACE.0), forms(PLACE.1)].concat();
    let mut found = scene.tables_with(&words).await;
    // What the engine needs to judge the next fix is in its state.
    found.retain(|table| table != "public.checkpoint");
    assert_eq!(found, ["stream.record"]);
    assert!(!scene.server.text().contains("7654321"), "not in the log either");
    scene.server.terminate().await;
    drop(scene.client);
    scene.installation.database.drop_now().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approach_is_told_to_the_police_alone() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    scene.approach((PLACE.0 + 12_345, PLACE.1 + 12_345)).await;
    let told =
        "SELECT count(*) FROM incident i JOIN person p USING (person_id) JOIN proximity x ON x.proximity_id = i.zone_id
        WHERE p.reference = $1 AND i.kind = 'proximity' AND i.audience = 'police'";
    scene.wait_for(told, "no incident").await;
    let words: Vec<String> = [forms(PLACE.0), forms(PLACE.1)].concat();
    let mut found = scene.tables_with(&words).await;
    found.retain(|table| table != "public.checkpoint");
    assert_eq!(found, ["stream.record"], "no event or incident says where");
    scene.server.terminate().await;
    drop(scene.client);
    scene.installation.database.drop_now().await.unwrap();
}
