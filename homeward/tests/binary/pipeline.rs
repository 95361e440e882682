//! The whole way on both stream kinds: simulated monitors, incidents in the case database, an orderly end.

use std::time::{Duration, Instant};

use super::installation::{Installation, streams};

#[tokio::test(flavor = "multi_thread")]
async fn violations_become_incidents_on_every_stream() {
    for stream in streams() {
        let Some(database) = testkit::database().await.unwrap() else {
            return;
        };
        let installation = Installation::new(database, &stream);
        let world = [
            "--devices",
            "12",
            "--seed",
            "9",
            "--scenario",
            "soak",
            "--interval",
            "1",
        ];
        installation.succeed(&[&["demo", "seed"], world.as_slice()].concat());
        let mut server = installation.start("run", &["run"]);
        installation.wait_ready(&mut server).await;
        let arguments = [&["simulate"], world.as_slice(), &["--duration", "45"]].concat();
        let mut simulator = installation.start("simulate", &arguments);
        simulator.wait(Duration::from_mins(2)).await;

        let truth: Vec<_> = simulator
            .lines()
            .into_iter()
            .filter(|line| line["type"] == "violation")
            .collect();
        assert!(truth.len() >= 5, "{stream}: {truth:?}");
        let client = installation.client().await;
        let deadline = Instant::now() + Duration::from_secs(20);
        for violation in &truth {
            let (reference, kind) = (
                violation["reference"].as_str().unwrap(),
                violation["kind"].as_str().unwrap(),
            );
            loop {
                let found = client
                    .query_one(
                        "SELECT count(*) FROM incident i JOIN person p USING (person_id) WHERE p.reference = $1 AND i.kind = $2",
                        &[&reference, &kind],
                    )
                    .await
                    .unwrap();
                if found.get::<_, i64>(0) == 1 {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "{stream}: no incident for {violation}\n{}",
                    server.text()
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        let raised: i64 = client
            .query_one("SELECT count(DISTINCT person_id) FROM incident", &[])
            .await
            .unwrap()
            .get(0);
        let violators: std::collections::BTreeSet<_> = truth.iter().map(|line| line["person_id"].to_string()).collect();
        assert_eq!(
            raised.unsigned_abs(),
            violators.len() as u64,
            "{stream}: incidents of people who comply"
        );
        server.terminate().await;
        installation.database.drop_now().await.unwrap();
    }
}
