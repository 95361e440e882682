//! Ids have 64 bits: every sequence goes on beyond 2³¹ and beyond 2⁵³, and everything that writes goes on with it.

use std::sync::Arc;

use casedb::{
    access::{self, Access, Purpose},
    change, command,
    history::HistoryWriter,
    quarantine::{self, SeenFrame},
    rules,
    user::{self, NewUser, Role},
};
use jiff::{Timestamp, ToSpan};
use prost::Message;
use proto::{DeviceId, ReportId, Topic, topic::partition_of, wire};
use stream::{Log, NewRecord, postgres};
use testkit::{BEYOND_32_BITS, BEYOND_DOUBLES};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{PARTITIONS, add_order, add_person, migrated};

/// Numbers of few: partitions and topics, this program's own migrations, and places in a list that somebody has written by hand.
const SMALL: [&str; 15] = [
    "notification.position",
    "partition",
    "topic",
    "partitions",
    "severity",
    "casedb_migration.version",
    "stream_migrations.version",
    "order_warning.days",
    "rota_exception.exception",
    "rota_shift.shift",
    "rota_team.shift",
    "rota_team.team",
    "days",
    "day",
    "step",
];

#[tokio::test]
async fn no_id_has_fewer_than_64_bits() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        // By what they are (keys, what refers to keys, what counts by itself) and by what they are called.
        let sql = r"SELECT DISTINCT c.table_schema, c.table_name, c.column_name, c.data_type
            FROM information_schema.columns c
            JOIN pg_class t ON t.relname = c.table_name AND t.relnamespace = c.table_schema::regnamespace AND t.relkind IN ('r', 'p')
            JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = c.column_name
            WHERE c.table_schema IN ('public', 'stream') AND c.data_type IN ('integer', 'smallint')
                AND (c.is_identity = 'YES' OR c.column_default LIKE 'nextval(%'
                    OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype IN ('p', 'u', 'f') AND a.attnum = ANY (k.conkey))
                    OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisunique AND a.attnum = ANY (i.indkey::int2[]))
                    OR c.column_name ~ '(^|_)(id|number|reference|offset|revision|version|epoch|sequence)$')
            ORDER BY 1, 2, 3";
        let narrow: Vec<String> = client
            .query(sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| {
                format!(
                    "{}.{} ({})",
                    row.get::<_, &str>(1),
                    row.get::<_, &str>(2),
                    row.get::<_, &str>(3)
                )
            })
            .filter(|column| {
                let name = column.split(' ').next().unwrap();
                let of_column = name.split('.').next_back().unwrap();
                !SMALL.contains(&name) && !SMALL.contains(&of_column)
            })
            .collect();
        assert!(narrow.is_empty(), "{}: {narrow:?}", test.edition);
        let serial = "SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences
            WHERE schemaname IN ('public', 'stream') AND (data_type <> 'bigint'::regtype OR max_value < 9223372036854775807 OR increment_by <> 1)";
        let short: Vec<String> = client
            .query(serial, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(short.is_empty(), "{}: {short:?}", test.edition);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_written_beyond_31_and_53_bits() {
    for (test, db) in migrated().await {
        let admin = testkit::connect(&test.url).await.unwrap();
        for (name, at) in [("wide31", BEYOND_32_BITS), ("wide53", BEYOND_DOUBLES)] {
            let sequences = testkit::restart_sequences(&admin, at).await.unwrap();
            assert!(sequences.len() >= 11, "{sequences:?}");
            write_all(&test.url, &db, name, at).await;
            // What was used has gone on from there; what was not goes on from there, into a column that has room for it.
            for sequence in sequences {
                let row = admin
                    .query_one(&format!("SELECT nextval('{sequence}')"), &[])
                    .await
                    .unwrap();
                assert!(row.get::<_, i64>(0) >= at, "{sequence}");
            }
        }
        drop(admin);
        drop(db);
        test.drop_now().await.unwrap();
    }
}

async fn write_all(url: &str, db: &casedb::Database, name: &str, at: i64) {
    let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
    let person = add_person(db, name).await;
    add_order(db, person.person_id, now).await;
    let mut client = db.client().await.unwrap();
    let new = NewUser {
        username: format!("officer.{name}"),
        display_name: "Invented Officer".to_owned(),
        role: Role::DutyOfficer,
        agency_id: person.police_agency_id,
        locale: "en".to_owned(),
        email: None,
    };
    let officer = user::create(&client, &new, "no hash").await.unwrap();
    let device = DeviceId::new(Uuid::now_v7());
    let sql = "INSERT INTO device (device_id, protocol, identity) VALUES ($1, 'native', $2)";
    client.execute(sql, &[&device.uuid(), &name]).await.unwrap();
    casedb::device::assign(&client, device, person.person_id, now - 1.hour())
        .await
        .unwrap();

    // Commands: the protocols get a reference that they have room for.
    let request = command::Request {
        person_id: person.person_id,
        device_id: None,
        instruction: command::Instruction::Vibrate,
        requested_by: officer,
        purpose: Purpose::Duty,
        case_number: "",
        idempotency_key: None,
        waits: None,
    };
    let placed = command::place(db, &request, now).await.unwrap().command;
    let claimed = command::claim(&client, &[device], "one", now, 9).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].reference), (1, placed.reference));
    assert!((1..=i32::MAX.unsigned_abs()).contains(&placed.reference));

    // Changes, readings, rules on their way into the stream, frames, pieces of the journal.
    change::note(&client, officer, Some(person.person_id), change::What::Leave, "wide")
        .await
        .unwrap();
    let reading = Access {
        user_id: officer,
        person_id: person.person_id.uuid(),
        purpose: Purpose::Duty,
        case_number: "",
        scope: "wide",
    };
    access::record(&client, &reading).await.unwrap();
    let transaction = client.transaction().await.unwrap();
    rules::publish(&transaction, person.person_id, now).await.unwrap();
    transaction.commit().await.unwrap();
    let frame = SeenFrame {
        protocol: "native",
        identity: name.to_owned(),
        claimed: String::new(),
        reason: "length",
        detail: String::new(),
        raw: vec![1],
        raw_length: 1,
        received_at: now,
        remote_address: String::new(),
    };
    quarantine::record_frames(&client, &[frame]).await.unwrap();
    assert!(quarantine::frames(&client, 1).await.unwrap()[0].identity == name);
    let claim = casedb::checkpoint::claim(&client, 0, name).await.unwrap();
    let save = casedb::checkpoint::Save {
        next_offset: at.unsigned_abs() + 7,
        state: b"state",
        piece: Some(b"piece"),
        clock_us: 1_000,
        keep_from_us: 0,
    };
    casedb::checkpoint::save(&mut client, 0, claim.epoch, save)
        .await
        .unwrap();
    let again = casedb::checkpoint::claim(&client, 0, name).await.unwrap();
    assert_eq!(again.next_offset, at.unsigned_abs() + 7);

    history(url, db, device, person.person_id, now).await;

    // The newest row of each is beyond the bound.
    for (table, column) in [
        ("device_command", "reference"),
        ("device_command_step", "step_id"),
        ("order_change", "change_id"),
        ("position_access", "access_id"),
        ("outbox", "outbox_id"),
        ("quarantined_frame", "frame_id"),
        ("checkpoint_piece", "piece_id"),
        ("position", "log_offset"),
        ("reader_offset", "next_offset"),
        ("checkpoint", "next_offset"),
    ] {
        let sql = format!("SELECT max({column}) FROM {table}");
        let newest: Option<i64> = client.query_one(&sql, &[]).await.unwrap().get(0);
        assert!(newest >= Some(at), "{table}.{column}: {newest:?}");
    }
}

/// Reports go through the stream into history.
async fn history(url: &str, db: &casedb::Database, device: DeviceId, person: proto::PersonId, now: Timestamp) {
    let config = postgres::Config {
        partitions: PARTITIONS,
        ..postgres::Config::default()
    };
    let log: Arc<dyn Log> = Arc::new(postgres::PostgresLog::connect(url, config).await.unwrap());
    let records: Vec<NewRecord> = (0..20_i64)
        .map(|n| {
            let report = wire::Report {
                report_id: ReportId::derive(device, &n.to_le_bytes()).to_wire(),
                person_id: person.to_wire(),
                device_id: device.to_wire(),
                sequence: u64::MAX - n.unsigned_abs(),
                fix_time_us: now.as_microsecond() - n * 1_000_000,
                received_at_us: now.as_microsecond(),
                ..Default::default()
            };
            NewRecord {
                partition: partition_of(person, PARTITIONS),
                key: person.to_wire().into(),
                payload: wire::ReportRecord {
                    body: Some(wire::report_record::Body::Report(report)),
                }
                .encode_to_vec()
                .into(),
            }
        })
        .collect();
    log.append(Topic::Reports, records).await.unwrap();
    let stop = CancellationToken::new();
    let writer = tokio::spawn(HistoryWriter::run(db.clone(), log.clone(), stop.clone()));
    let client = db.client().await.unwrap();
    let count = "SELECT count(*) FROM position WHERE person_id = $1";
    for _ in 0..400 {
        if client
            .query_one(count, &[&person.uuid()])
            .await
            .unwrap()
            .get::<_, i64>(0)
            == 20
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let stored: i64 = client.query_one(count, &[&person.uuid()]).await.unwrap().get(0);
    assert_eq!(stored, 20, "history does not go on");
    stop.cancel();
    writer.await.unwrap().unwrap();
    log.close(std::time::Duration::from_secs(1)).await;
}
