//! Hourly and daily figures: the same on every edition, whoever keeps them, also after late reports and deletions.

use std::collections::BTreeMap;

use casedb::{Chunks, Database, Edition, history};
use jiff::{Timestamp, ToSpan};
use proto::PersonId;
use uuid::Uuid;

use crate::support::migrated;

/// In words other than the program's: every figure straight from history.
const STRAIGHT: &str = "SELECT person_id::text || ' ' || to_char(date_trunc('hour', fix_time, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24'),
        concat_ws(' ', count(*), sum((latitude IS NOT NULL)::int), sum(backfill::int), coalesce(min(battery_percent)::text, '-'),
            coalesce(max(battery_percent)::text, '-'), extract(epoch FROM min(fix_time))::bigint, extract(epoch FROM max(fix_time))::bigint,
            count(DISTINCT date_trunc('minute', fix_time)))
    FROM position GROUP BY person_id, date_trunc('hour', fix_time, 'UTC') ORDER BY 1";
const HOURS: &str = "SELECT person_id::text || ' ' || to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24'),
        concat_ws(' ', reports, fixes, late, coalesce(battery_min::text, '-'), coalesce(battery_max::text, '-'),
            extract(epoch FROM first_at)::bigint, extract(epoch FROM last_at)::bigint, bit_count(minutes::bit(64)))
    FROM position_hour ORDER BY 1";
const DAYS: &str =
    "SELECT person_id::text || ' ' || day, concat_ws(' ', reports, fixes, late, battery_min, battery_max,
        extract(epoch FROM first_at)::bigint, extract(epoch FROM last_at)::bigint, silent_minutes, longest_gap_minutes)
    FROM position_day ORDER BY 1";

async fn figures(db: &Database, sql: &str) -> BTreeMap<String, String> {
    let rows = db.client().await.unwrap().query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// Reports of three people: each minute of `hours`, with holes, from a seed that is the same everywhere.
async fn fill(db: &Database, from: Timestamp, minutes: i32, step: i32) {
    let sql = r#"INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude, longitude,
            valid, source, strap, "case", motion, alarms, backfill, battery_percent)
        SELECT ('00000000-0000-7000-8000-00000000000' || p)::uuid, t, md5(p || ' ' || n || ' ' || $3)::uuid, gen_random_uuid(), t, t, n,
            CASE WHEN (n * p) % 7 <> 0 THEN 30.1 END, CASE WHEN (n * p) % 7 <> 0 THEN 120.1 END, true, 1, 1, 1, 1, 0, n % 11 = 0,
            CASE WHEN n % 13 <> 0 THEN (100 - n % 60)::smallint END
        FROM generate_series(1, 3) p, generate_series(0, $2 - 1, $3) n
        CROSS JOIN LATERAL (SELECT $1::timestamptz + make_interval(mins => n, secs => p * 7 + $3) AS t) at
        WHERE (n / 37 + p) % 5 <> 0 ON CONFLICT DO NOTHING"#;
    let client = db.client().await.unwrap();
    client.execute(sql, &[&from, &minutes, &step]).await.unwrap();
}

async fn roll(db: &Database, now: Timestamp) -> history::rollup::Rolled {
    let mut client = db.client().await.unwrap();
    history::rollup::run(&mut client, now).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_query_gives_the_same_figures_on_every_edition() {
    let mut of_editions: Vec<(String, Figures, Figures)> = Vec::new();
    for (test, db) in migrated().await {
        let begin: Timestamp = "2026-10-20T22:30:00Z".parse().unwrap();
        let now: Timestamp = "2026-10-23T09:25:00Z".parse().unwrap();
        fill(&db, begin, 3_500, 1).await;
        // Nothing is rolled up yet: read from history.
        assert_eq!(
            figures(&db, HOURS).await,
            figures(&db, STRAIGHT).await,
            "{}: before",
            test.edition
        );
        let client = db.client().await.unwrap();
        // So that the first run need not pass six years.
        client
            .batch_execute("UPDATE position_rollup SET rolled_until = '2026-10-19Z', late_from = '2026-10-19Z'")
            .await
            .unwrap();
        let rolled = roll(&db, now).await;
        assert!(rolled.hours > 150 && rolled.again == 0, "{rolled:?}");
        let until = history::rollup::rolled_until(&client).await.unwrap();
        assert_eq!(until.map(|at| at.to_string()).as_deref(), Some("2026-10-23T09:00:00Z"));
        assert_eq!(
            figures(&db, HOURS).await,
            figures(&db, STRAIGHT).await,
            "{}: rolled up",
            test.edition
        );
        assert_eq!(
            roll(&db, now).await,
            history::rollup::Rolled::default(),
            "nothing to do again"
        );

        // Late reports, as the writer notes them, and a report that goes.
        fill(&db, begin, 2_000, 3).await;
        client
            .batch_execute(
                "INSERT INTO position_late (person_id, hour)
                SELECT DISTINCT person_id, date_trunc('hour', fix_time, 'UTC') FROM position ON CONFLICT DO NOTHING",
            )
            .await
            .unwrap();
        assert!(roll(&db, now).await.again > 100);
        let straight = figures(&db, STRAIGHT).await;
        assert_eq!(figures(&db, HOURS).await, straight, "{}: late", test.edition);
        of_editions.push((test.edition.to_owned(), straight, figures(&db, DAYS).await));

        // A person's part of a day is deleted: whole hours at once, the edges at the next run.
        let person = PersonId::new(Uuid::from_u128(0x7000_8000_0000_0000_0001));
        let (from, to): (Timestamp, Timestamp) = (
            "2026-10-21T05:20:00Z".parse().unwrap(),
            "2026-10-22T03:40:00Z".parse().unwrap(),
        );
        let mut again = db.client().await.unwrap();
        let transaction = again.transaction().await.unwrap();
        let delete = "DELETE FROM position WHERE person_id = $1 AND fix_time >= $2 AND fix_time < $3";
        let gone = transaction
            .execute(delete, &[&person.uuid(), &from, &to])
            .await
            .unwrap();
        assert!(gone > 500, "{gone}");
        history::rollup::forget(&transaction, person, from, to).await.unwrap();
        transaction.commit().await.unwrap();
        roll(&db, now).await;
        assert_eq!(
            figures(&db, HOURS).await,
            figures(&db, STRAIGHT).await,
            "{}: deleted",
            test.edition
        );

        // Days that are dropped take their figures along.
        let before: Timestamp = "2026-10-22T00:00:00Z".parse().unwrap();
        assert!(history::drop_chunks_before(&client, before).await.unwrap() > 0 || test.edition == "plain");
        assert_eq!(
            figures(&db, HOURS).await,
            figures(&db, STRAIGHT).await,
            "{}: dropped",
            test.edition
        );
        drop((client, again));
        test.drop_now().await.unwrap();
    }
    for pair in of_editions.windows(2) {
        assert_eq!(pair[0].1, pair[1].1, "hours of {} and {}", pair[0].0, pair[1].0);
        assert_eq!(pair[0].2, pair[1].2, "days of {} and {}", pair[0].0, pair[1].0);
        assert!(pair[0].2.len() > 8);
    }
}

/// Figures by what they are of.
type Figures = BTreeMap<String, String>;

#[tokio::test]
async fn the_longest_gap_of_a_day_is_counted_in_minutes() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        // Minute 59 of hour 3, minute 0 of hour 5: 60 minutes between; before them 239, after them 1,139.
        let sql = "SELECT position_longest_gap(ARRAY[3, 5], ARRAY[1::bigint << 59, 1]), position_longest_gap(ARRAY[0], ARRAY[0::bigint]),
            position_longest_gap(array_agg(h), array_agg((1::bigint << 60) - 1)) FROM generate_series(0, 23) h";
        let row = client.query_one(sql, &[]).await.unwrap();
        assert_eq!(
            (row.get::<_, i32>(0), row.get::<_, i32>(1), row.get::<_, i32>(2)),
            (1_139, 1_440, 0)
        );
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn the_apache_edition_refuses_policies_so_retention_is_ours() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        if test.edition == "timescale" {
            for policy in [
                "SELECT add_retention_policy('position', INTERVAL '30 days')",
                "ALTER TABLE position SET (timescaledb.compress, timescaledb.compress_segmentby = 'person_id')",
            ] {
                let refused = client.batch_execute(policy).await.unwrap_err();
                let said = refused
                    .as_db_error()
                    .map(|error| error.message().to_owned())
                    .unwrap_or_default();
                assert!(said.contains("license"), "{policy}: {said}");
            }
        }
        fill(&db, Timestamp::now() - (24 * 40).hours(), 300, 1).await;
        history::maintain(&client, Timestamp::now()).await.unwrap();
        fill(&db, Timestamp::now() - 2.hours(), 60, 1).await;
        history::drop_chunks_before(&client, Timestamp::now() - (24 * 30).hours())
            .await
            .unwrap();
        let oldest: Timestamp = client
            .query_one("SELECT min(fix_time) FROM position", &[])
            .await
            .unwrap()
            .get(0);
        assert!(oldest > Timestamp::now() - 5.hours(), "{}: {oldest}", test.edition);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// Where a server with the Timescale licence is given: compression by person, the aggregate, and the same figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_timescale_licence_compresses_and_aggregates() {
    let Some(admin) = std::env::var("HOMEWARD_TEST_POSTGRES_TSL")
        .ok()
        .filter(|url| !url.is_empty())
    else {
        eprintln!("skipped: no TSL server given (HOMEWARD_TEST_POSTGRES_TSL)");
        return;
    };
    let name = format!("test_{}", Uuid::now_v7().simple());
    let server = testkit::connect(&admin).await.unwrap();
    server.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    let url = format!("{}/{name}", admin.rsplit_once('/').unwrap().0);
    // Twice: the second finds everything there.
    casedb::migrate(&url, 4).await.unwrap();
    assert_eq!(
        casedb::migrate(&url, 4).await.unwrap().edition.chunks,
        Chunks::TimescaleTsl
    );
    let db = Database::connect(&url, 4).await.unwrap();
    let begin: Timestamp = "2026-10-20T22:30:00Z".parse().unwrap();
    fill(&db, begin, 3_500, 1).await;
    let client = testkit::connect(&url).await.unwrap();
    assert_eq!(
        figures(&db, HOURS).await,
        figures(&db, STRAIGHT).await,
        "before the refresh"
    );
    client
        .batch_execute("CALL refresh_continuous_aggregate('position_hour', NULL, '2026-10-23 00:00Z')")
        .await
        .unwrap();
    assert_eq!(figures(&db, HOURS).await, figures(&db, STRAIGHT).await, "refreshed");
    let compressed: i64 = client
        .query_one("SELECT count(compress_chunk(c)) FROM show_chunks('position', older_than => '2026-10-22 00:00Z'::timestamptz) c", &[])
        .await
        .unwrap()
        .get(0);
    assert!(compressed >= 2);
    // Late reports and copies into compressed days, and deletion out of them.
    fill(&db, begin, 2_000, 3).await;
    fill(&db, begin, 500, 3).await;
    client
        .batch_execute(
            "DELETE FROM position WHERE person_id = '00000000-0000-7000-8000-000000000002' AND fix_time < '2026-10-21 12:00Z';",
        )
        .await
        .unwrap();
    client
        .batch_execute("CALL refresh_continuous_aggregate('position_hour', NULL, '2026-10-23 00:00Z')")
        .await
        .unwrap();
    assert_eq!(
        figures(&db, HOURS).await,
        figures(&db, STRAIGHT).await,
        "after late reports"
    );
    assert_eq!(
        roll(&db, Timestamp::now()).await,
        history::rollup::Rolled::default(),
        "TimescaleDB keeps the figures"
    );
    let policies: i64 = client
        .query_one(
            "SELECT count(*) FROM timescaledb_information.jobs
            WHERE proc_name IN ('policy_compression', 'policy_refresh_continuous_aggregate')",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(policies, 2);
    let edition = Edition::detect(&client).await.unwrap();
    assert!(edition.to_string().contains("compressed"), "{edition}");
    drop((db, client));
    server
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}
