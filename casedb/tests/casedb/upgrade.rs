//! What an upgrade makes of what an earlier version left open.

use alerts::Severity;
use casedb::{Database, escalation, incident, migrate, migrate_to};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::support::PARTITIONS;

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
