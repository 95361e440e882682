//! What an upgrade makes of what an earlier version left open.

use std::collections::BTreeMap;

use alerts::Severity;
use casedb::{
    Database,
    audit::{
        key::Key,
        sealer,
        verify::{self, Trust},
    },
    escalation, incident, migrate, migrate_audited_to, migrate_to,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{access_rows::ROWS, support::PARTITIONS};

/// Open incidents of each priority.
const EACH: usize = 40;

/// The newest of an earlier version whose incidents had no ladders that begin one after the other.
const BEFORE: i32 = 51;

async fn due(client: &tokio_postgres::Client, severity: Severity) -> Vec<Timestamp> {
    let sql =
        "SELECT deadline_at FROM incident WHERE severity = $1 AND state <> 'closed' ORDER BY raised_at, incident_id";
    let rows = client.query(sql, &[&severity.level()]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Of V0052: open incidents of before there were ladders begin to call one after the other, the most urgent first, the oldest first; what is
/// closed calls nobody.
#[tokio::test(flavor = "multi_thread")]
async fn open_incidents_of_before_begin_to_call_one_after_the_other() {
    for test in testkit::databases().await.unwrap() {
        migrate_to(&test.url, PARTITIONS, BEFORE).await.unwrap();
        let client = testkit::connect(&test.url).await.unwrap();
        let person = Uuid::now_v7();
        testkit::supervise(&client, person).await.unwrap();
        for severity in Severity::ALL {
            for n in 0..EACH {
                let state = ["raised", "notified", "closed"][n % 8 / 3];
                client
                    .execute(
                        "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, closing_code, closed_at,
                            onset_at, raised_at, version, deadline_at)
                        VALUES ($1, $2, $3, 'silence', $4, 'both', $5, CASE $5 WHEN 'closed' THEN 'test' END,
                            CASE $5 WHEN 'closed' THEN now() END, now() - interval '90 days',
                            now() - interval '90 days' + make_interval(mins => $6), 2, CASE $5 WHEN 'closed' THEN NULL ELSE now() END)",
                        &[
                            &Uuid::now_v7(),
                            &person,
                            &format!("silence:{severity}:{n}"),
                            &severity.level(),
                            &state,
                            &i32::try_from(n).unwrap(),
                        ],
                    )
                    .await
                    .unwrap();
            }
        }
        let report = migrate(&test.url, PARTITIONS).await.unwrap();
        assert!(
            report.applied.iter().any(|name| name.starts_with("V0052")),
            "{:?}",
            report.applied
        );

        let now = Timestamp::now();
        let mut all = Vec::new();
        for (severity, minutes) in Severity::ALL.into_iter().zip([10, 60, 4 * 60, 24 * 60]) {
            let due = due(&client, severity).await;
            assert_eq!(due.len(), 30, "{severity}");
            assert!(due.is_sorted(), "the oldest first");
            let span = SignedDuration::from_mins(minutes);
            let step = span / 30;
            for (earlier, later) in due.iter().zip(&due[1..]) {
                let apart = later.duration_since(*earlier);
                assert!(
                    (apart - step).abs() < SignedDuration::from_millis(2),
                    "{severity}: {apart:?}, expected {step:?}"
                );
            }
            assert!(
                due[0] <= now && due[29] < now + span && due[29] > now + step * 27,
                "{severity}: {due:?}"
            );
            all.extend(due);
        }
        let closed: i64 = client
            .query_one(
                "SELECT count(*) FROM incident WHERE state = 'closed' AND deadline_at IS NOT NULL",
                &[],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(closed, 0);

        // They call when they are due, and none of the others.
        let database = Database::connect(&test.url, 4).await.unwrap();
        let mut own = database.client().await.unwrap();
        for minutes in [1, 5] {
            let at = now + SignedDuration::from_mins(minutes);
            let expected = all.iter().filter(|due| **due <= at).count();
            let mut begun = 0;
            loop {
                let plan = escalation::load(&own).await.unwrap();
                let transaction = own.transaction().await.unwrap();
                let Some(worked) = incident::work(&transaction, &plan, &[], at).await.unwrap() else {
                    break;
                };
                assert!(
                    !worked.failed,
                    "nothing is made up for of all the time that it lay there"
                );
                transaction.commit().await.unwrap();
                begun += 1;
                assert!(begun <= 1_000, "the same again and again");
            }
            let carried: i64 = client
                .query_one(
                    "SELECT count(DISTINCT incident_id) FROM incident_action WHERE action = 'carry_over'",
                    &[],
                )
                .await
                .unwrap()
                .get(0);
            assert_eq!(usize::try_from(carried).unwrap(), expected, "after {minutes} min");
            assert!(begun > 0);
        }
        drop((client, own, database));
        test.drop_now().await.unwrap();
    }
}

/// The newest version whose records of a root cause named the radio cell.
const NAMED: i32 = 73;

/// Of V0082: the cell's name leaves records and grouping keys, and stands beside the cause; the audit's chain tells of it and holds.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_cells_leave_the_records_and_the_chain_holds() {
    for test in testkit::databases().await.unwrap() {
        migrate_audited_to(&test.url, PARTITIONS, NAMED).await.unwrap();
        let client = testkit::connect(&test.url).await.unwrap();
        let db = Database::connect(&test.url, 4).await.unwrap();
        let key = Key::from_secret([9; 32]);
        let says = |cell: &str| format!("7 people at once: silence. They share: cell {cell}.");
        client
            .batch_execute("ALTER TABLE incident DISABLE TRIGGER incident_law")
            .await
            .unwrap();
        // Two causes of one kind, one of another; a note in somebody's own words.
        for (cause, cell) in [("a", "460-00-9488-4660"), ("b", "310-410-7-12"), ("c", "carrier")] {
            let said = if cell == "carrier" {
                "7 people at once: silence. They share: carrier East.".to_owned()
            } else {
                says(cell)
            };
            let shared = if cell == "carrier" {
                "carrier:East".to_owned()
            } else {
                format!("cell:{cause}00ff")
            };
            let insert =
                "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at)
                VALUES (md5($1)::uuid, NULL, 'cause:silence:' || $2, 'root_cause', 3, 'both', 'raised', now())";
            client.execute(insert, &[&cause, &shared]).await.unwrap();
            for n in 0..3 {
                let person = Uuid::now_v7();
                testkit::supervise(&client, person).await.unwrap();
                let insert = "WITH i AS (INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at, merged_into)
                        VALUES (gen_random_uuid(), $1, 'silence:' || $2, 'silence', 3, 'both', 'raised', now(), md5($3)::uuid) RETURNING incident_id)
                    INSERT INTO incident_action (incident_id, action, text, version, record)
                    SELECT incident_id, 'merge', $4, 1, jsonb_build_object('why', jsonb_build_object('change', 'merge', 'into', md5($3)::uuid, 'why', $4::text)) FROM i";
                client
                    .execute(insert, &[&person, &n.to_string(), &cause, &said])
                    .await
                    .unwrap();
            }
        }
        client
            .batch_execute("ALTER TABLE incident ENABLE TRIGGER incident_law")
            .await
            .unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key, None).await.unwrap().unwrap();
        let told = async |sql: &str| -> i64 { client.query_one(sql, &[]).await.unwrap().get(0) };
        assert_eq!(
            told("SELECT count(*) FROM incident_action WHERE text LIKE '%share: cell %'").await,
            6
        );

        migrate(&test.url, PARTITIONS).await.unwrap();
        let anywhere =
            "SELECT (SELECT count(*) FROM incident i WHERE to_jsonb(i)::text ~ '(460-00|310-410)-|:[ab]00ff')
            + (SELECT count(*) FROM incident_action a WHERE to_jsonb(a)::text ~ '(460-00|310-410)-')";
        assert_eq!(told(anywhere).await, 0);
        let names: Vec<(String, String)> = client
            .query(
                "SELECT c.name, i.grouping_key FROM cause_cell c JOIN incident i USING (incident_id)
                WHERE i.grouping_key = 'cause:silence:cell:' || c.number ORDER BY c.name DESC",
                &[],
            )
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        assert_eq!(
            names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["460-00-9488-4660", "310-410-7-12"]
        );
        let written = "SELECT count(*) FROM incident_action a JOIN incident m USING (incident_id) JOIN cause_cell c ON c.incident_id = m.merged_into
            WHERE a.text = '7 people at once: silence. They share: a cell, number ' || c.number || '.' AND a.record #>> '{why,why}' = a.text";
        assert_eq!(told(written).await, 6);
        assert_eq!(
            told("SELECT count(*) FROM incident_action WHERE text LIKE '%They share: carrier East.'").await,
            3
        );
        let changed = client.execute("UPDATE incident_action SET text = 'x'", &[]).await;
        assert!(changed.is_err(), "records stay as they are again");
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key, None).await.unwrap().unwrap();
        assert!(
            told("SELECT count(*) FROM audit_entry WHERE act = 'migrate' AND table_name = 'incident_action'").await
                >= 6
        );
        let trust = Trust {
            key: Some(key.public()),
            anchors: Vec::new(),
        };
        let report = verify::database(&db, &trust, &mut |_| {}).await.unwrap();
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        drop((client, db));
        test.drop_now().await.unwrap();
    }
}

/// Rows of every table of the access matrix as that version could hold them.
async fn rows_of_before(client: &tokio_postgres::Client) -> usize {
    let id = async |of: &str| crate::access::id(client, of).await.to_string();
    let mut made = 0;
    for (table, sql) in ROWS {
        let there: bool = client
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[table])
            .await
            .unwrap()
            .get(0);
        // The chain is the sealer's own.
        if !there || table.starts_with("audit_") {
            continue;
        }
        let sql = sql
            .replace("{k}", "o")
            .replace("{n}", "9000")
            .replace("{person}", &id("own").await)
            .replace("{agency}", &id("harbour.police").await)
            .replace("{police}", &id("harbour.police").await)
            .replace("{social}", &id("harbour.social").await)
            .replace("{path}", "harbour.police")
            .replace("{user}", &id("supervisorpolice").await)
            .replace("{audience}", "both");
        client
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("row of {table}: {error:?}\n{sql}"));
        made += 1;
    }
    made
}

/// Every row of every table of record, as JSON.
async fn on_record(client: &tokio_postgres::Client) -> BTreeMap<String, Vec<serde_json::Value>> {
    const TABLES: &str = "SELECT c.relname::text FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname !~ '^(audit_|history_|casedb_migration|stream_|access_rules|law_)'
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";
    let mut all = BTreeMap::new();
    for row in client.query(TABLES, &[]).await.unwrap() {
        let table: String = row.get(0);
        let sql = format!("SELECT to_jsonb(whole_row) FROM \"{table}\" whole_row");
        let rows = client.query(&sql, &[]).await.unwrap();
        if !rows.is_empty() {
            all.insert(table, rows.iter().map(|row| row.get(0)).collect());
        }
    }
    all
}

/// What an installation of V0073 holds, in every table of record, is there after all later migrations, unchanged, under an audit that holds; and
/// the program reads it.
#[tokio::test(flavor = "multi_thread")]
async fn everything_on_record_stays_as_it_is() {
    for test in testkit::databases().await.unwrap() {
        migrate_audited_to(&test.url, PARTITIONS, NAMED).await.unwrap();
        let client = testkit::connect(&test.url).await.unwrap();
        let db = Database::connect(&test.url, 4).await.unwrap();
        let key = Key::from_secret([7; 32]);
        crate::access::fill(&client).await;
        client.batch_execute("BEGIN").await.unwrap();
        assert!(rows_of_before(&client).await > 50);
        client.batch_execute("COMMIT").await.unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key, None).await.unwrap().unwrap();
        let before = on_record(&client).await;
        assert!(before.len() > 50, "{:?}", before.keys());

        let report = migrate(&test.url, PARTITIONS).await.unwrap();
        assert!(report.applied.iter().any(|name| name.starts_with("V0100")));
        let after = on_record(&client).await;
        for (table, rows) in &before {
            for row in rows {
                let old = row.as_object().unwrap();
                let kept = after.get(table).is_some_and(|rows| {
                    rows.iter()
                        .any(|new| old.iter().all(|(column, value)| new.get(column) == Some(value)))
                });
                assert!(kept, "{} {table}: {row}", test.edition);
            }
        }
        // The audit of then and of the migrations is one chain.
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key, None).await.unwrap().unwrap();
        let trust = Trust {
            key: Some(key.public()),
            anchors: Vec::new(),
        };
        let report = verify::database(&db, &trust, &mut |_| {}).await.unwrap();
        assert!(report.faults.is_empty(), "{:?}", report.faults);
        // What came with the migrations is there for what was there before.
        let owner = db.client().await.unwrap();
        let person = proto::PersonId::new(crate::access::id(&client, "own").await);
        let now = Timestamp::now();
        let held = casedb::order::as_of(&owner, person, now, now).await.unwrap();
        assert!(!held.orders.is_empty());
        assert!(!casedb::leave::of_person(&owner, person, now).await.unwrap().is_empty());
        drop((owner, client, db));
        test.drop_now().await.unwrap();
    }
}
