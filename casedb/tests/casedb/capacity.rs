//! The capacity report on real databases.

use casedb::capacity::{self, Standing, Surroundings};
use jiff::{Timestamp, ToSpan};

use crate::support::migrated;

#[tokio::test]
async fn an_installation_is_read_and_what_runs_out_is_told() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let now = Timestamp::now();
        casedb::history::maintain(&client, now).await.unwrap();
        let around = Surroundings {
            free: Some(1e15),
            stream_keeps_hours: 168.0,
        };
        let fresh = capacity::report(&capacity::measure(&client, around, now).await.unwrap());
        assert_eq!(fresh.standing, Standing::Enough, "{}: {:#?}", test.edition, fresh.lines);
        assert!(
            fresh.lines.iter().all(|line| line.per_day.is_none()),
            "no rate without samples"
        );
        let line = |report: &capacity::Report, what: &str| {
            report
                .lines
                .iter()
                .find(|line| line.what.contains(what))
                .unwrap()
                .clone()
        };
        let ahead = line(&fresh, "days ahead");
        assert_eq!(
            ahead.days_left.is_some_and(|days| (7.0..9.0).contains(&days)),
            test.edition == "plain",
            "{ahead:?}"
        );
        // Every sequence of both schemas is in it.
        let sequences: i64 = client
            .query_one(
                "SELECT count(*) FROM pg_sequences WHERE schemaname IN ('public', 'stream')",
                &[],
            )
            .await
            .unwrap()
            .get(0);
        let lines = fresh
            .lines
            .iter()
            .filter(|line| line.what.starts_with("sequence "))
            .count();
        assert_eq!(i64::try_from(lines).unwrap(), sequences);

        // Kept once an hour, whoever asks; then a day passes in which a sequence takes most of what it has, and the disk fills.
        capacity::sample(&client, now).await.unwrap();
        capacity::sample(&client, now + 10.minutes()).await.unwrap();
        let samples: i64 = client
            .query_one("SELECT count(DISTINCT taken_at) FROM capacity_sample", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(samples, 1);
        client
            .batch_execute("SELECT setval('incident_number_seq', 9000000000000000000)")
            .await
            .unwrap();
        let size = line(&fresh, "disk").now;
        client
            .execute(
                "UPDATE capacity_sample SET value = $1 WHERE what = 'database'",
                &[&1_000_i64],
            )
            .await
            .unwrap();
        let around = Surroundings {
            free: Some(size * 3.0),
            ..around
        };
        let later = capacity::report(&capacity::measure(&client, around, now + 24.hours()).await.unwrap());
        let (sequence, disk) = (line(&later, "public.incident_number_seq"), line(&later, "disk"));
        assert!(
            sequence.days_left.unwrap() < 1.0 && sequence.standing == Standing::Short,
            "{sequence:?}"
        );
        assert!(
            (disk.days_left.unwrap() - 3.0).abs() < 0.5 && disk.standing == Standing::Short,
            "{disk:?}"
        );
        assert_eq!(later.standing, Standing::Short);
        assert_eq!(later.lines[0].standing, Standing::Short);
        // Seven numbers are few, whether or not it is known how fast they go.
        client
            .batch_execute("DELETE FROM capacity_sample; SELECT setval('incident_number_seq', 9223372036854775800)")
            .await
            .unwrap();
        let unknown = Surroundings { free: None, ..around };
        let few = capacity::report(&capacity::measure(&client, unknown, now).await.unwrap());
        let numbers = line(&few, "incident_number_seq");
        assert!(
            numbers.standing == Standing::Short && numbers.days_left.is_none(),
            "{numbers:?}"
        );
        assert_eq!(line(&few, "disk").standing, Standing::Unknown);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
