//! Live updates: told at once, and only to whom they concern.

use super::*;

/// The events of a live stream, read with a time limit.
pub(super) struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    pub(super) async fn open(caller: &Caller<'_>) -> Result<Self> {
        let response = caller.send(Method::GET, "/api/v1/stream", None).await?;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self {
            response,
            text: String::new(),
        };
        stream.next("beat", Duration::from_secs(3)).await?.context("no beat")?;
        Ok(stream)
    }

    /// The data of the next event of this name; `None` when none comes in time. The server ending the stream is an error.
    pub(super) async fn next(&mut self, name: &str, patience: Duration) -> Result<Option<Value>> {
        let until = Instant::now() + patience;
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if event.lines().any(|line| line == format!("event: {name}")) {
                    let data = event
                        .lines()
                        .find_map(|line| line.strip_prefix("data: "))
                        .context("data")?;
                    return Ok(Some(serde_json::from_str(data)?));
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.response.chunk()).await {
                Err(_) => return Ok(None),
                Ok(chunk) => self
                    .text
                    .push_str(std::str::from_utf8(&chunk?.context("the stream ended")?)?),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_at_once_and_only_to_whom_they_concern() -> Result<()> {
    let room = room!();
    let (chen, okafor) = (room.log_in("chen.yu").await?, room.log_in("okafor").await?);
    let (moreno, inland) = (room.log_in("moreno").await?, room.log_in("inland").await?);
    let mut police = Stream::open(&okafor).await?;
    let mut social = Stream::open(&moreno).await?;
    let mut elsewhere = Stream::open(&inland).await?;
    let second = Duration::from_secs(1);

    let both = room.fixture.incident("both");
    chen.post(&format!("/api/v1/incidents/{both}/acknowledge"), json!({}))
        .await?;
    for stream in [&mut police, &mut social] {
        let change = stream
            .next("incident", second)
            .await?
            .context("nothing was told within a second")?;
        assert_eq!(
            (&change["incident_id"], &change["change"]),
            (&json!(both), &json!("updated"))
        );
        assert!(change["version"].as_i64() > Some(1) && change["number"].is_i64());
    }
    let secret = room.fixture.incident("police");
    chen.post(&format!("/api/v1/incidents/{secret}/close"), json!({"code": "test"}))
        .await?;
    let change = police
        .next("incident", second)
        .await?
        .context("nothing was told within a second")?;
    assert_eq!(
        (&change["incident_id"], &change["change"]),
        (&json!(secret), &json!("closed"))
    );
    assert_eq!(social.next("incident", second).await?, None);
    assert_eq!(elsewhere.next("incident", Duration::from_millis(100)).await?, None);

    // The listener's connection breaks: pages are told to read everything anew, and changes arrive again.
    room.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'homeward listener'").await?;
    police
        .next("resync", Duration::from_secs(5))
        .await?
        .context("no resync")?;
    let again = room.fixture.incident("silence");
    chen.post(&format!("/api/v1/incidents/{again}/acknowledge"), json!({}))
        .await?;
    assert!(police.next("incident", second).await?.is_some());

    // Shutting down ends the streams, and quickly.
    let start = Instant::now();
    room.close().await?;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rule_in_memory_is_the_rule_in_the_database() -> Result<()> {
    let room = room!();
    let client = casedb::Database::connect(&room.database.url, 2).await?.client().await?;
    let mut compared = 0;
    for (username, ..) in USERS {
        let (user, _) = casedb::user::find(&client, username).await?.context("user")?;
        let sight = casedb::view::Sight::of(&user);
        for (name, incident) in &room.fixture.incidents {
            for audience in ["police", "social_work", "both"] {
                client
                    .execute(
                        "UPDATE incident SET audience = $2 WHERE incident_id = $1",
                        &[incident, &audience],
                    )
                    .await?;
                let head = casedb::view::head(&client, *incident).await?.context("head")?;
                let sees = casedb::view::may_see_incident(&client, user.user_id, *incident).await?;
                assert_eq!(sight.sees_incident(&head), sees, "{username} {name} {audience}");
                compared += usize::from(sees);
            }
        }
    }
    assert!(compared > 40, "{compared}");
    drop(client);
    room.close().await
}
