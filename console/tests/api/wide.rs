//! Numbers beyond 2⁵³ come to the browser as they are, and back.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{BEYOND_32_BITS, BEYOND_DOUBLES};

use super::{Room, Stream, fixture, room};

/// Reads an id as the page does: a number, or a string of digits.
fn exact(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_beyond_31_and_53_bits_are_not_rounded() -> Result<()> {
    let room = room!();
    let client = testkit::connect(&room.database.url).await?;
    let chen = room.log_in("chen.yu").await?;
    let mut live = Stream::open(&chen).await?;
    for at in [BEYOND_32_BITS, BEYOND_DOUBLES] {
        testkit::restart_sequences(&client, at).await?;
        let person = room.fixture.people[2];
        let onset = Timestamp::now();
        let id = fixture::incident(&client, person, "wide", None, 1, "both", onset, (120.15, 30.27)).await?;
        client
            .batch_execute("INSERT INTO quarantined_frame (protocol, reason, raw, raw_length) VALUES ('native', 'length', '\\x01', 1)")
            .await?;
        // A version that large, to see it travel there and back.
        let version = at + 2;
        client
            .execute(
                "UPDATE incident SET version = $2 WHERE incident_id = $1",
                &[&id, &version],
            )
            .await?;
        let number: i64 = client
            .query_one("SELECT number FROM incident WHERE incident_id = $1", &[&id])
            .await?
            .get(0);
        assert!(number >= at);

        let list = chen.get("/api/v1/incidents?severity=1").await?;
        let row = list["incidents"].as_array().context("incidents")?;
        let row = row
            .iter()
            .find(|row| row["incident_id"] == json!(id))
            .context("the new one")?;
        assert_eq!((exact(&row["number"]), exact(&row["version"])), (number, version));
        assert_eq!(row["number"].is_string(), at == BEYOND_DOUBLES, "{row}");

        let note = json!({"text": "wide"});
        assert_eq!(chen.post(&format!("/api/v1/incidents/{id}/notes"), note).await?.0, 200);
        let change = live
            .next("incident", Duration::from_secs(2))
            .await?
            .context("nothing was told")?;
        let stands: i64 = client
            .query_one("SELECT version FROM incident WHERE incident_id = $1", &[&id])
            .await?
            .get(0);
        assert!(stands > version);
        assert_eq!((exact(&change["number"]), exact(&change["version"])), (number, stands));
        assert_eq!(change["incident"]["incident_id"], json!(id));

        let detail = chen.get(&format!("/api/v1/incidents/{id}")).await?;
        let last = detail["actions"]
            .as_array()
            .and_then(|all| all.last())
            .context("actions")?;
        let kept: i64 = client
            .query_one("SELECT max(action_id) FROM incident_action", &[])
            .await?
            .get(0);
        assert!(exact(&last["action_id"]) == kept && kept >= at);
        let quarantine = chen.get("/api/v1/quarantine").await?;
        assert!(exact(&quarantine["frames"][0]["frame_id"]) >= at);

        // Rounded, the version would be another; as it was given, it is the right one.
        let close = format!("/api/v1/incidents/{id}/close");
        if at == BEYOND_DOUBLES {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "as a browser would"
            )]
            let rounded = stands as f64 as i64;
            let body = json!({"code": "test", "version": rounded - 1});
            assert_eq!(chen.post(&close, body).await?.0, 409);
        }
        let body = json!({"code": "test", "version": detail["version"]});
        assert_eq!(chen.post(&close, body).await?.0, 200);

        for path in [
            "/api/v1/incidents?state=all".to_owned(),
            format!("/api/v1/incidents/{id}"),
            format!("/api/v1/people/{person}"),
            format!("/api/v1/people/{person}/commands"),
            "/api/v1/people".to_owned(),
            "/api/v1/quarantine".to_owned(),
        ] {
            let answer = chen.get(&path).await?;
            assert_eq!(testkit::rounded(&answer), Vec::<String>::new(), "{path}");
        }
        while live.next("incident", Duration::from_millis(100)).await?.is_some() {}
    }
    room.close().await
}
