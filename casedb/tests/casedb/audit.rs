//! The audit: every row that is tampered with is found and named, and nothing else is.

use std::time::{Duration, Instant};

use casedb::{
    Database,
    audit::{
        self, Deletion, Entry, cover, history,
        key::Key,
        sealer,
        verify::{self, Fault, Kind, Report, Trust},
    },
};
use jiff::{Timestamp, ToSpan};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{add_order, add_person, migrated};

fn key() -> Key {
    Key::from_secret([7; 32])
}

fn trust() -> Trust {
    Trust {
        key: Some(key().public()),
        anchors: Vec::new(),
    }
}

async fn verified(db: &Database) -> Report {
    verify::database(db, &trust(), &mut |_| {}).await.unwrap()
}

fn told(report: &Report) -> String {
    let lines: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// A value of a type, never one that is there already. `None`: a type that the test does not know.
fn value(data_type: &str, rng: &mut StdRng) -> Option<String> {
    let number = rng.random_range(1_000_000..2_000_000);
    Some(match data_type {
        "uuid" => format!("'{}'::uuid", Uuid::from_u128(rng.random())),
        "text" | "name" | "character varying" => format!("'tampered {number}'"),
        "bigint" | "integer" => number.to_string(),
        "smallint" => rng.random_range(10_000..30_000).to_string(),
        "boolean" => "true".to_owned(),
        "double precision" | "real" | "numeric" => format!("{number}.5"),
        "timestamp with time zone" => format!("to_timestamp({}.25)", 1_700_000_000 + number),
        "date" => format!("date '2020-01-01' + {}", number % 5_000),
        "time without time zone" => format!("time '00:00' + interval '{} seconds'", number % 80_000),
        "interval" => format!("interval '{number} seconds'"),
        "bytea" => format!(
            "decode('{:032x}{:032x}', 'hex')",
            rng.random::<u128>(),
            rng.random::<u128>()
        ),
        "jsonb" => format!("'{{\"tampered\": {number}}}'::jsonb"),
        "json" => format!("'{{\"tampered\": {number}}}'::json"),
        "ltree" => format!("'tampered.n{number}'::ltree"),
        "cidr" => "'10.9.8.0/24'::cidr".to_owned(),
        "inet" => "'10.9.8.7'::inet".to_owned(),
        "cidr[]" => "'{10.9.8.0/24}'::cidr[]".to_owned(),
        "text[]" => format!("ARRAY['tampered {number}']"),
        "uuid[]" => format!("ARRAY['{}'::uuid]", Uuid::from_u128(rng.random())),
        "bigint[]" | "integer[]" | "smallint[]" => format!("ARRAY[{}]", number % 30_000),
        "tstzrange" => format!("tstzrange(to_timestamp({number}), to_timestamp({}))", number + 1),
        _ => return None,
    })
}

struct Column {
    name: String,
    data_type: String,
}

struct Table {
    name: String,
    columns: Vec<Column>,
    key: Vec<String>,
}

async fn tables(client: &Client, names: &[String]) -> Vec<Table> {
    let mut all = Vec::new();
    for name in names {
        let sql = "SELECT a.attname::text, format_type(a.atttypid, NULL) FROM pg_attribute a
            WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''";
        let columns = client.query(sql, &[name]).await.unwrap();
        let sql = "SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = $1::text::regclass AND i.indisprimary";
        let key = client.query(sql, &[name]).await.unwrap();
        all.push(Table {
            name: name.clone(),
            columns: columns
                .iter()
                .map(|row| Column {
                    name: row.get(0),
                    data_type: row.get(1),
                })
                .collect(),
            key: key.iter().map(|row| row.get(0)).collect(),
        });
    }
    all
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// Lets any value in: what is tested is the audit, not the schema's own checks.
async fn without_checks(client: &Client) {
    let sql = "SELECT format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', c.conrelid::regclass, c.conname)
            FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
            WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND c.contype IN ('f', 'c', 'u', 'x')
            ORDER BY c.contype = 'f' DESC";
    for row in client.query(sql, &[]).await.unwrap() {
        client.batch_execute(row.get(0)).await.unwrap();
    }
    let sql = "SELECT format('DROP INDEX IF EXISTS %s', i.indexrelid::regclass) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
            WHERE t.relnamespace = 'public'::regnamespace AND i.indisunique AND NOT i.indisprimary AND NOT t.relispartition
        UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', a.attrelid::regclass, a.attname)
            FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
            WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND NOT t.relispartition AND a.attnotnull AND a.attnum > 0
                AND a.attidentity = '' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey))
                AND t.relname <> 'position'
        UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET GENERATED BY DEFAULT', a.attrelid::regclass, a.attname)
            FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
            WHERE t.relnamespace = 'public'::regnamespace AND t.relkind = 'r' AND a.attidentity = 'a' AND NOT a.attisdropped
        UNION ALL SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', g.tgrelid::regclass, g.tgname)
            FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
            WHERE t.relnamespace = 'public'::regnamespace AND NOT t.relispartition AND NOT g.tgisinternal AND g.tgname NOT LIKE 'audit_%'
                AND t.relname <> 'position'";
    for row in client.query(sql, &[]).await.unwrap() {
        client.batch_execute(row.get(0)).await.unwrap();
    }
}

/// Puts a row of random values into a table, with the triggers of the audit on.
fn random_row(table: &Table, fixed: &[(&str, String)], rng: &mut StdRng) -> String {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for column in &table.columns {
        let given = fixed
            .iter()
            .find(|(name, _)| *name == column.name)
            .map(|(_, value)| value.clone());
        let drawn = given.or_else(|| value(&column.data_type, rng));
        let needed = table.key.contains(&column.name);
        assert!(
            drawn.is_some() || !needed,
            "{}.{}: {}",
            table.name,
            column.name,
            column.data_type
        );
        let Some(drawn) = drawn else { continue };
        names.push(quoted(&column.name));
        values.push(drawn);
    }
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) ON CONFLICT DO NOTHING",
        quoted(&table.name),
        names.join(", "),
        values.join(", ")
    )
}

/// Tables that only the audit itself may write.
const OWN: [&str; 4] = ["audit_root", "audit_shape", "history_seal", "history_salt"];

/// Rows in every table that the audit covers, some changed and some removed again; history sealed; everything signed.
async fn fill(db: &Database, client: &Client, rng: &mut StdRng) {
    let now = Timestamp::now();
    let person = add_person(db, "tampered").await;
    add_order(db, person.person_id, now).await;
    without_checks(client).await;
    let pooled = db.client().await.unwrap();
    let covered = cover::covered(&pooled).await.unwrap();
    let all = tables(client, &covered).await;
    for table in all.iter().filter(|table| !OWN.contains(&table.name.as_str())) {
        for _ in 0..3 {
            client.batch_execute(&random_row(table, &[], rng)).await.unwrap();
        }
        // A change and a removal that are on record.
        let place = format!("ctid = (SELECT ctid FROM {} LIMIT 1)", quoted(&table.name));
        let sql = if table.columns.len() > table.key.len() {
            let column = table
                .columns
                .iter()
                .find(|column| !table.key.contains(&column.name) && value(&column.data_type, rng).is_some());
            column.map(|column| {
                let to = value(&column.data_type, rng).unwrap();
                format!(
                    "UPDATE {} SET {} = {to} WHERE {place}",
                    quoted(&table.name),
                    quoted(&column.name)
                )
            })
        } else {
            None
        };
        if let Some(sql) = sql {
            client.batch_execute(&sql).await.unwrap();
        }
        client.batch_execute(&random_row(table, &[], rng)).await.unwrap();
        client
            .batch_execute(&format!("DELETE FROM {} WHERE {place}", quoted(&table.name)))
            .await
            .unwrap();
    }
    let people = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    for table in tables(client, &cover::SEALED.map(str::to_owned)).await {
        for number in 0..60 {
            let person = format!("'{}'::uuid", people[number % 3]);
            let time = format!(
                "to_timestamp({})",
                now.as_second() - 60 * i64::try_from(number).unwrap()
            );
            let fixed = [
                ("person_id", person),
                ("fix_time", time),
                ("log_offset", number.to_string()),
            ];
            client.batch_execute(&random_row(&table, &fixed, rng)).await.unwrap();
        }
    }
    for person in people {
        history::seal_person(&pooled, person).await.unwrap();
    }
    sealer::seal_waiting(db).await.unwrap();
    for _ in 0..3 {
        sealer::sign(db, &key(), None).await.unwrap().unwrap();
        sealer::seal_waiting(db).await.unwrap();
    }
}

/// What was done to which row: its key before and after.
struct Tampering {
    sql: String,
    table: String,
    keys: Vec<String>,
    /// Ids in the row's key, for history, whose rows are told by them.
    ids: Vec<String>,
}

fn key_expression(table: &Table, row: &str) -> String {
    let parts: Vec<String> = table
        .key
        .iter()
        .map(|key| format!("'{key}', to_jsonb({row}) -> '{key}'"))
        .collect();
    format!("jsonb_build_object({})::text", parts.join(", "))
}

/// Tampers with one row: updates a column, deletes, or inserts. `None`: nothing came of it.
async fn tamper(client: &casedb::Transaction<'_>, table: &Table, rng: &mut StdRng) -> Option<Tampering> {
    let count: i64 = client
        .query_one(&format!("SELECT count(*) FROM {}", quoted(&table.name)), &[])
        .await
        .unwrap()
        .get(0);
    if count == 0 {
        return None;
    }
    let key = key_expression(table, "t");
    let order: Vec<String> = table.key.iter().map(|key| quoted(key)).collect();
    let picked = format!(
        "SELECT {key} FROM {} t ORDER BY {} OFFSET {} LIMIT 1",
        quoted(&table.name),
        order.join(", "),
        rng.random_range(0..count)
    );
    let before: String = client.query_one(&picked, &[]).await.unwrap().get(0);
    let place = format!("{key} = '{}'", before.replace('\'', "''"));
    let known: Vec<&Column> = table
        .columns
        .iter()
        .filter(|column| value(&column.data_type, rng).is_some())
        .collect();
    let sql = match rng.random_range(0..10) {
        0..6 => {
            let column = known.choose(rng)?;
            let name = quoted(&column.name);
            let to = if column.data_type == "boolean" {
                format!("NOT coalesce({name}, false)")
            } else {
                value(&column.data_type, rng)?
            };
            format!(
                "UPDATE {} t SET {name} = {to} WHERE {place} AND {name}::text IS DISTINCT FROM ({to})::text RETURNING {key}",
                quoted(&table.name)
            )
        }
        6..8 => format!("DELETE FROM {} t WHERE {place} RETURNING {key}", quoted(&table.name)),
        _ => {
            let mut values = Vec::new();
            let mut names = Vec::new();
            for column in &table.columns {
                names.push(quoted(&column.name));
                values.push(if table.key.contains(&column.name) {
                    value(&column.data_type, rng)?
                } else {
                    quoted(&column.name)
                });
            }
            format!(
                "INSERT INTO {0} AS t ({1}) OVERRIDING SYSTEM VALUE SELECT {2} FROM {0} t WHERE {place} RETURNING {key}",
                quoted(&table.name),
                names.join(", "),
                values.join(", ")
            )
        }
    };
    let point = client.query(&sql, &[]).await;
    let rows = match point {
        Ok(rows) => rows,
        Err(error)
            if error
                .code()
                .is_some_and(|code| code.code().starts_with("428") || ["23505", "23514"].contains(&code.code())) =>
        {
            return None;
        }
        Err(error) => panic!("{sql}: {error:?}"),
    };
    let after: String = rows.first()?.get(0);
    let ids = [&before, &after]
        .into_iter()
        .flat_map(|key| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(key).unwrap())
        .filter(|(name, _)| name == "report_id" || name == "log_offset")
        .map(|(_, id)| id.to_string())
        .collect();
    Some(Tampering {
        sql,
        table: table.name.clone(),
        keys: if rows.len() == 1 && before != after && !rows.is_empty() {
            vec![before, after]
        } else {
            vec![before]
        },
        ids,
    })
}

fn names(fault: &Fault, done: &Tampering) -> bool {
    if cover::SEALED.contains(&done.table.as_str()) {
        return fault.table == done.table && done.ids.iter().any(|id| fault.row.contains(id.as_str()));
    }
    if fault.table == done.table && done.keys.contains(&fault.row) {
        return true;
    }
    // A salt and its row are told under the row.
    done.table == "audit_row"
        && done.keys.iter().any(|key| {
            let key: serde_json::Value = serde_json::from_str(key).unwrap();
            let (table, row) = (key["table_name"].as_str().unwrap(), key["row_key"].as_str().unwrap());
            (fault.table == table && fault.row == row)
                || (fault.table == "audit_row" && fault.row.contains(&format!("{row:?}")))
        })
}

/// Switches every trigger off, as an intruder does who has the database.
async fn without_triggers(client: &Client) {
    let names_of = "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
        AND NOT c.relispartition AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname LIKE 'audit_%')";
    for row in client.query(names_of, &[]).await.unwrap() {
        let name: String = row.get(0);
        client
            .batch_execute(&format!("ALTER TABLE {name} DISABLE TRIGGER USER"))
            .await
            .unwrap();
    }
}

/// How many rows are tampered with on each edition.
const TAMPERINGS: usize = 1_000;

#[tokio::test]
async fn a_thousand_tamperings_are_found_and_named() {
    for (test, db) in migrated().await {
        let mut rng = StdRng::seed_from_u64(2_026);
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&db, &client, &mut rng).await;
        let report = verified(&db).await;
        assert!(
            report.faults.is_empty(),
            "untouched, {}: {}",
            test.edition,
            told(&report)
        );
        let enough = report.rows > 80 && report.history == 240 && report.roots == 3 && report.entries > 200;
        assert!(
            enough,
            "{} {} {} {}",
            report.rows, report.history, report.roots, report.entries
        );
        assert!(report.key_is_trusted);

        // The intruder switches every trigger off.
        without_triggers(&client).await;
        let report = verified(&db).await;
        assert!(
            !report.faults.is_empty() && report.faults.iter().all(|fault| fault.kind == Kind::Guard),
            "triggers that are off are told, and nothing else: {}",
            told(&report)
        );

        let mut pooled = db.client().await.unwrap();
        let mut names_of = cover::covered(&pooled).await.unwrap();
        names_of.extend(cover::SEALED.map(str::to_owned));
        names_of.extend(["audit_entry", "audit_head", "audit_row"].map(str::to_owned));
        let all = tables(&client, &names_of).await;
        // Half of it where intruders go first.
        let often: Vec<&Table> = all
            .iter()
            .filter(|table| {
                ["audit_entry", "audit_root", "position", "event", "incident"].contains(&table.name.as_str())
            })
            .collect();
        let every: Vec<&Table> = all.iter().collect();
        let mut transaction = pooled.transaction().await.unwrap();
        transaction
            .batch_execute("SET LOCAL timezone = 'UTC'; SET LOCAL idle_in_transaction_session_timeout = 0")
            .await
            .unwrap();
        let (mut done, mut tables_hit, start) = (0, std::collections::BTreeSet::new(), Instant::now());
        while done < TAMPERINGS {
            let table = if rng.random_bool(0.4) {
                often.choose(&mut rng)
            } else {
                every.choose(&mut rng)
            }
            .unwrap();
            let savepoint = transaction.transaction().await.unwrap();
            if let Some(tampering) = tamper(&savepoint, table, &mut rng).await {
                let report = verify::within(&savepoint, &trust(), &mut |_| {}).await.unwrap();
                let mut found = report.clone();
                found.faults.retain(|fault| fault.kind != Kind::Guard);
                assert!(
                    found.faults.iter().any(|fault| names(fault, &tampering)),
                    "number {done} on {}: {} of {} {:?} is not named in\n{}",
                    test.edition,
                    tampering.sql,
                    tampering.table,
                    tampering.keys,
                    told(&found)
                );
                tables_hit.insert(tampering.table);
                done += 1;
                if done % 100 == 0 {
                    println!("{} {done} {:?}", test.edition, start.elapsed());
                }
            }
            savepoint.rollback().await.unwrap();
        }
        println!(
            "{}: {done} tamperings in {} tables found and named, {:?}",
            test.edition,
            tables_hit.len(),
            start.elapsed()
        );
        assert!(tables_hit.len() > all.len() * 9 / 10, "{tables_hit:?}");
        drop(transaction);
        drop((pooled, client));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn every_table_is_covered_or_excused() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let without = "SELECT t FROM unnest($1::text[]) AS t WHERE NOT EXISTS (
            SELECT FROM pg_trigger g WHERE g.tgrelid = format('public.%I', t)::regclass AND g.tgname = 'audit_change')";
        let rows = client
            .query(without, &[&cover::covered(&client).await.unwrap()])
            .await
            .unwrap();
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(
            names.is_empty(),
            "neither audited nor excused with a reason in casedb::audit::cover: {names:?}"
        );
        let there = cover::tables(&client).await.unwrap();
        for (table, reason) in cover::EXEMPT {
            assert!(reason.len() > 10, "{table} needs a reason");
        }
        assert!(cover::SEALED.iter().all(|table| there.iter().any(|name| name == table)));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn acts_deletions_and_laundering() {
    for (test, db) in migrated().await {
        let mut client = db.client().await.unwrap();
        let person = add_person(&db, "launder").await;
        // An act of a user, of a command, and of nobody in particular.
        let transaction = client.transaction().await.unwrap();
        transaction
            .batch_execute("SELECT set_config('homeward.user_id', 'b0b00000-0000-4000-8000-000000000001', true)")
            .await
            .unwrap();
        let entry = Entry {
            act: "export",
            table: "person",
            key: "launder",
            detail: serde_json::json!({"rows": 3}),
        };
        audit::append(&transaction, &entry).await.unwrap();
        transaction.commit().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        audit::act_as(&transaction, "retention by alice").await.unwrap();
        audit::append(&transaction, &entry).await.unwrap();
        transaction.commit().await.unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        let actors = client
            .query(
                "SELECT actor_kind, actor FROM audit_entry WHERE act = 'export' ORDER BY entry_id",
                &[],
            )
            .await
            .unwrap();
        assert_eq!(actors[0].get::<_, &str>(1), "b0b00000-0000-4000-8000-000000000001");
        assert_eq!(
            (actors[1].get::<_, &str>(0), actors[1].get::<_, &str>(1)),
            ("command", "retention by alice")
        );

        // History that goes by law is excused, and only that.
        let own = person.person_id.uuid();
        let now = Timestamp::now();
        let insert = r#"INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence,
                valid, source, strap, "case", motion, alarms, backfill)
            SELECT $1, $2::timestamptz - n * interval '1 hour', gen_random_uuid(), gen_random_uuid(), $2, $2, 0, false, 0, 0, 0, 0, 0, false
            FROM generate_series(1, 20) AS n"#;
        client.execute(insert, &[&own, &now]).await.unwrap();
        assert_eq!(verified(&db).await.faults.len(), 20, "rows that no seal has");
        history::seal_person(&client, own).await.unwrap();
        assert!(verified(&db).await.faults.is_empty());
        let before = now - 10.hours();
        let transaction = client.transaction().await.unwrap();
        let sql = "DELETE FROM position WHERE person_id = $1 AND fix_time < $2";
        let rows = transaction.execute(sql, &[&own, &before]).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(verified(&db).await.faults.len(), usize::try_from(rows).unwrap());
        let mut deletion = Deletion {
            table: "position",
            person_id: Some(own),
            before: Some(before),
            rows: Some(10),
            reason: "term of retention",
        };
        audit::record_deletion(&client, &deletion).await.unwrap();
        let report = verified(&db).await;
        assert!(report.faults.is_empty(), "{}", told(&report));
        let salts = "SELECT count(*) FROM history_salt";
        assert_eq!(
            client.query_one(salts, &[]).await.unwrap().get::<_, i64>(0),
            1,
            "there is history left"
        );
        client
            .execute("DELETE FROM position WHERE person_id = $1", &[&own])
            .await
            .unwrap();
        deletion.before = None;
        audit::record_deletion(&client, &deletion).await.unwrap();
        assert_eq!(
            client.query_one(salts, &[]).await.unwrap().get::<_, i64>(0),
            0,
            "nobody can read its digests any more"
        );
        let report = verified(&db).await;
        assert!(report.faults.is_empty(), "{}", told(&report));
        assert!(report.unsealed > 0, "the tail is told");
        sealer::seal_waiting(&db).await.unwrap();
        let report = verified(&db).await;
        assert!(report.faults.is_empty() && report.unsealed == 0 && report.unsigned == report.entries);

        // A change past the audit is not laundered by one that is on record.
        client
            .batch_execute("ALTER TABLE person DISABLE TRIGGER audit_change")
            .await
            .unwrap();
        client
            .execute(
                "UPDATE person SET display_name = 'Somebody Else' WHERE person_id = $1",
                &[&own],
            )
            .await
            .unwrap();
        client
            .batch_execute("ALTER TABLE person ENABLE TRIGGER audit_change")
            .await
            .unwrap();
        client
            .execute("UPDATE person SET risk_level = 1 WHERE person_id = $1", &[&own])
            .await
            .unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        let report = verified(&db).await;
        assert_eq!(report.faults.len(), 1, "{}", told(&report));
        assert_eq!(
            (report.faults[0].kind, report.faults[0].table.as_str()),
            (Kind::Changed, "person")
        );
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn the_chain_is_not_written_by_hand() {
    for (test, db) in migrated().await {
        add_person(&db, "hand").await;
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key(), None).await.unwrap();
        let client = db.client().await.unwrap();
        for sql in [
            "UPDATE audit_entry SET actor = 'nobody' WHERE entry_id = 1",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
            "DELETE FROM audit_root",
            "TRUNCATE incident_action",
        ] {
            assert!(client.batch_execute(sql).await.is_err(), "{sql}");
        }
        // Nor does a user's role write down that rows were deleted, which would excuse that they are missing.
        if casedb::access::enforced(&client).await.unwrap() {
            for (act, taken) in [
                ("deletion", false),
                ("export", false),
                ("insert", false),
                ("break_glass", true),
            ] {
                let sql = format!(
                    "BEGIN; SET LOCAL ROLE homeward_supervisor; SELECT audit_append('{act}', 'position', '', '{{}}'); COMMIT"
                );
                assert_eq!(client.batch_execute(&sql).await.is_ok(), taken, "{act}");
                client.batch_execute("ROLLBACK").await.unwrap();
            }
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_chain_without_signatures_is_told_where_a_key_is_trusted() {
    for (test, db) in migrated().await {
        add_person(&db, "unsigned").await;
        let client = db.client().await.unwrap();
        // As in a chain that somebody has made anew: hours of it, and no root.
        client
            .batch_execute(
                "ALTER TABLE audit_pending DISABLE TRIGGER USER;
                UPDATE audit_pending SET at = at - interval '2 hours';
                ALTER TABLE audit_pending ENABLE TRIGGER USER",
            )
            .await
            .unwrap();
        add_person(&db, "later").await;
        sealer::seal_waiting(&db).await.unwrap();
        let report = verified(&db).await;
        assert!(
            report.faults.len() == 1 && report.faults[0].kind == Kind::Unsigned,
            "{}",
            told(&report)
        );
        let anybody = Trust {
            key: None,
            anchors: Vec::new(),
        };
        assert!(
            verify::database(&db, &anybody, &mut |_| {})
                .await
                .unwrap()
                .faults
                .is_empty()
        );
        sealer::sign(&db, &key(), None).await.unwrap();
        let report = verified(&db).await;
        assert!(report.faults.is_empty(), "{}", told(&report));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn writers_do_not_wait_for_each_other_and_the_chain_has_no_gap() {
    for (test, db) in migrated().await {
        let people = futures::future::join_all((0..6).map(|number| {
            let db = db.clone();
            async move { add_person(&db, &format!("p{number}")).await.person_id.uuid() }
        }))
        .await;
        let sealing = {
            let db = db.clone();
            tokio::spawn(async move {
                let until = Instant::now() + Duration::from_millis(1_500);
                while Instant::now() < until {
                    sealer::seal_waiting(&db).await.unwrap();
                }
            })
        };
        let writing = people.iter().map(|person| {
            let (db, person) = (db.clone(), *person);
            async move {
                for level in 0..60_i16 {
                    let mut client = db.client().await.unwrap();
                    let transaction = client.transaction().await.unwrap();
                    let sql = "UPDATE person SET risk_level = $2 WHERE person_id = $1";
                    transaction.execute(sql, &[&person, &(level % 4 + 1)]).await.unwrap();
                    // Every third goes back: its entries must leave no gap.
                    if level % 3 == 0 {
                        transaction.rollback().await.unwrap();
                    } else {
                        transaction.commit().await.unwrap();
                    }
                }
            }
        });
        futures::future::join_all(writing).await;
        sealing.await.unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        let report = verified(&db).await;
        assert!(report.faults.is_empty(), "{}", told(&report));
        test.drop_now().await.unwrap();
    }
}

/// Faults but those of the switched-off triggers, of what a statement does; it is taken back.
async fn found_after(client: &mut casedb::Client, sql: &str) -> Vec<Fault> {
    let savepoint = client.transaction().await.unwrap();
    savepoint
        .batch_execute(&format!("SET LOCAL timezone = 'UTC'; {sql}"))
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let report = verify::within(&savepoint, &trust(), &mut |_| {}).await.unwrap();
    savepoint.rollback().await.unwrap();
    report
        .faults
        .into_iter()
        .filter(|fault| fault.kind != Kind::Guard)
        .collect()
}

/// Texts of a query's first column.
async fn texts(client: &Client, sql: &str) -> Vec<String> {
    let rows = client
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

/// What an intruder does who thinks about it: not one changed value, but something that looks as rows do.
#[tokio::test]
async fn cleverer_tamperings_are_found_and_named() {
    for (test, db) in migrated().await {
        let mut rng = StdRng::seed_from_u64(7_031);
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&db, &client, &mut rng).await;
        // A row as it was in an older version, and the salt of that.
        let person = &texts(&client, "SELECT person_id::text FROM person ORDER BY person_id LIMIT 1").await[0];
        let old = "SELECT format('UPDATE person SET risk_level = %s WHERE person_id = %L; UPDATE audit_row SET salt = %L
                WHERE table_name = ''person'' AND row_key = %L', p.risk_level, p.person_id, r.salt, r.row_key)
            FROM person p JOIN audit_row r ON r.table_name = 'person' AND r.row_key = jsonb_build_object('person_id', p.person_id)::text
            ORDER BY p.person_id LIMIT 1";
        let older = texts(&client, old).await.remove(0);
        client
            .batch_execute(&format!(
                "UPDATE person SET risk_level = risk_level % 4 + 1 WHERE person_id = '{person}'"
            ))
            .await
            .unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key(), None).await.unwrap().unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        let report = verified(&db).await;
        assert!(report.faults.is_empty(), "{}", told(&report));
        without_triggers(&client).await;
        let mut pooled = db.client().await.unwrap();
        let person_key = format!("{{\"person_id\": \"{person}\"}}");
        let person_key = person_key.as_str();

        let mut all = cover::covered(&pooled).await.unwrap();
        all.extend(["position".to_owned(), "audit_entry".to_owned()]);
        let mut swapped = 0;
        for table in tables(&client, &all).await {
            // The contents of two rows, the keys left as they are.
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|column| &column.name)
                .filter(|name| !table.key.contains(name) && *name != "person_id")
                .map(|name| quoted(name))
                .collect();
            let key = key_expression(&table, "t");
            let order: Vec<String> = table.key.iter().map(|key| quoted(key)).collect();
            let picked = format!(
                "SELECT {key} FROM {} t ORDER BY {} LIMIT 2",
                quoted(&table.name),
                order.join(", ")
            );
            let keys = texts(&client, &picked).await;
            if keys.len() < 2 || columns.is_empty() {
                continue;
            }
            let [one, two] = [0, 1].map(|at: usize| format!("'{}'", keys[at].replace('\'', "''")));
            let (x, y) = (key.replace("(t)", "(x)"), key.replace("(t)", "(y)"));
            let list = columns.join(", ");
            let sql = format!(
                "UPDATE {0} x SET ({list}) = (SELECT {list} FROM {0} y WHERE {y} IN ({one}, {two}) AND {y} <> {x}) WHERE {x} IN ({one}, {two})",
                quoted(&table.name)
            );
            let faults = found_after(&mut pooled, &sql).await;
            for key in &keys {
                let done = Tampering {
                    sql: sql.clone(),
                    table: table.name.clone(),
                    keys: vec![key.clone()],
                    ids: serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(key)
                        .unwrap()
                        .into_iter()
                        .filter(|(name, _)| name == "report_id" || name == "log_offset")
                        .map(|(_, id)| id.to_string())
                        .collect(),
                };
                assert!(
                    faults.iter().any(|fault| names(fault, &done)),
                    "swapped in {}: {key} is not named in {faults:?}",
                    table.name
                );
            }
            swapped += 1;
        }
        assert!(swapped > 60, "{swapped}");

        let last_root = &texts(&client, "SELECT max(through_id)::text FROM audit_root").await[0];
        let root_key = format!("{{\"through_id\": {last_root}}}");
        let somebody = &texts(
            &client,
            "SELECT person_id::text FROM position ORDER BY person_id LIMIT 1",
        )
        .await[0];
        let middle = "(SELECT max(entry_id) / 2 FROM audit_entry)";
        let cut = format!(
            "DELETE FROM audit_entry WHERE entry_id > {last_root}; UPDATE audit_head SET entry_id = {last_root},
                hash = (SELECT hash FROM audit_entry WHERE entry_id = {last_root})"
        );
        let cases = [
            ("an older version", older, "person", person_key),
            (
                "the salts of two rows",
                "UPDATE audit_row x SET salt = (SELECT salt FROM audit_row y WHERE y.table_name = 'person' AND y.row_key <> x.row_key LIMIT 1)
                    WHERE x.table_name = 'person'"
                    .to_owned(),
                "person",
                person_key,
            ),
            (
                "a table taken in anew",
                "UPDATE person SET display_name = 'Somebody Else'; DELETE FROM audit_shape WHERE table_name = 'person'; SELECT audit_cover('person')"
                    .to_owned(),
                "person",
                person_key,
            ),
            (
                "a person with all that is theirs, and the salts",
                format!(
                    "DELETE FROM supervision_order WHERE person_id = '{person}'; DELETE FROM person WHERE person_id = '{person}';
                    DELETE FROM audit_row WHERE row_key LIKE '%{person}%'"
                ),
                "person",
                person_key,
            ),
            (
                "the entries of a row with the row",
                format!(
                    "DELETE FROM person WHERE person_id = '{person}'; DELETE FROM audit_row WHERE row_key = '{person_key}';
                    DELETE FROM audit_entry WHERE row_key = '{person_key}'"
                ),
                "audit_entry",
                "",
            ),
            (
                "a gap in the numbers",
                format!("UPDATE audit_entry SET entry_id = entry_id + 1000000 WHERE entry_id > {middle}"),
                "audit_entry",
                "",
            ),
            (
                "an entry a second later",
                "UPDATE audit_entry SET at = at + interval '1 second' WHERE entry_id = 5".to_owned(),
                "audit_entry",
                "{\"entry_id\": 5}",
            ),
            ("the chain cut at its last root", cut, "audit_root", root_key.as_str()),
            (
                "the newest root away, with its salt",
                format!(
                    "DELETE FROM audit_root WHERE through_id = {last_root};
                    DELETE FROM audit_row WHERE table_name = 'audit_root' AND row_key = '{root_key}'"
                ),
                "audit_root",
                root_key.as_str(),
            ),
            (
                "the signatures of two roots",
                "UPDATE audit_root x SET signature = (SELECT signature FROM audit_root y WHERE y.through_id <> x.through_id ORDER BY 1 LIMIT 1)"
                    .to_owned(),
                "audit_root",
                root_key.as_str(),
            ),
            (
                "a root dated back",
                format!("UPDATE audit_root SET at = at - interval '1 day' WHERE through_id = {last_root}"),
                "audit_root",
                root_key.as_str(),
            ),
            (
                "somebody's way, with the salt of its digests",
                format!(
                    "DELETE FROM position WHERE person_id = '{somebody}'; DELETE FROM history_salt WHERE person_id = '{somebody}';
                    DELETE FROM audit_row WHERE table_name = 'history_salt' AND row_key LIKE '%{somebody}%'"
                ),
                "position",
                somebody.as_str(),
            ),
            (
                "the ways of two people for one another",
                format!(
                    "UPDATE position x SET latitude = y.latitude + 1, longitude = y.longitude FROM position y
                    WHERE x.person_id = '{somebody}' AND y.person_id <> x.person_id"
                ),
                "position",
                somebody.as_str(),
            ),
            (
                "a day later",
                format!("UPDATE position SET fix_time = fix_time + interval '1 second' WHERE person_id = '{somebody}'"),
                "position",
                somebody.as_str(),
            ),
            (
                "the same row twice",
                format!(
                    "ALTER TABLE position DROP CONSTRAINT IF EXISTS position_pkey CASCADE;
                    INSERT INTO position SELECT * FROM position WHERE person_id = '{somebody}'"
                ),
                "position",
                somebody.as_str(),
            ),
            (
                "a deletion that a user wrote",
                format!(
                    "DELETE FROM position WHERE person_id = '{somebody}';
                    INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, detail) VALUES ('user', 'u',
                        'homeward_analyst', 'deletion', 'position', '', '{{\"table\": \"position\", \"person_id\": null, \"before\": null}}'),
                        ('user', 'u', 'homeward_analyst', 'table_dropped', 'person', '', '')"
                ),
                "position",
                somebody.as_str(),
            ),
        ];
        for (what, sql, table, row) in cases {
            let faults = found_after(&mut pooled, &sql).await;
            assert!(
                faults
                    .iter()
                    .any(|fault| fault.table == table && fault.row.contains(row)),
                "{}: {what}: {table} {row} is not named in {faults:?}",
                test.edition
            );
        }
        drop((pooled, client));
        test.drop_now().await.unwrap();
    }
}
