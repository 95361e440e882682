//! People, their tracks, and what is told of them elsewhere.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn where_a_protected_person_is_is_on_no_page() -> Result<()> {
    let room = room!();
    let database = casedb::Database::connect(&room.database.url, 4).await?;
    let made = corrected::fill(&database, &room.fixture, Timestamp::now()).await?;
    let (_, near) = made.iter().find(|(name, _)| *name == "near").unwrap();
    let path = format!("/api/v1/incidents/{near}");
    assert_eq!(
        room.log_in("moreno").await?.refused(&path).await?,
        (404, "not_found".into()),
        "for the police alone"
    );
    let detail = room.log_in("chen.yu").await?.get(&why(&path)).await?;
    assert_eq!(
        (&detail["severity"], &detail["audience"]),
        (&json!(1), &json!("police"))
    );
    let fixes = detail["events"][0]["fixes"].as_array().unwrap();
    assert_eq!(fixes.len(), 2, "the supervised person's own");
    assert!(
        fixes.iter().all(|fix| fix["signed_distance_m"].is_null()),
        "distances from three places are a place"
    );
    let text = detail.to_string();
    for degrees in [corrected::PROTECTED.0, corrected::PROTECTED.1] {
        assert!(!text.contains(&degrees.to_string()[..8]), "{text}");
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_their_tracks() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let list = chen.get("/api/v1/people").await?;
    let people = list["people"].as_array().context("people")?;
    assert_eq!(people.len(), 7, "not the one of another town");
    assert!(people[0]["open_incidents"].as_i64() > Some(0) && people[0]["monitored"] == true);
    assert!(people[0]["last_fix_at"].is_string());
    let found = chen.get("/api/v1/people?query=hb-2051").await?;
    assert_eq!(found["people"][0]["display_name"], "Lu Jian");
    assert_eq!(
        chen.get("/api/v1/people?query=%25").await?["people"],
        json!([]),
        "no wildcard"
    );

    let id = room.fixture.people[0];
    let person = chen.get(&format!("/api/v1/people/{id}")).await?;
    assert_eq!(person["order"]["in_force"], true);
    assert_eq!(person["device"]["identity"], "N2-10000");
    assert!(person["device"]["battery_percent"].is_i64() && person["device"]["last_report_at"].is_string());
    assert_eq!(person["open_incidents"].as_array().map(Vec::len), Some(2));

    let track = format!("/api/v1/people/{id}/track");
    assert_eq!(chen.refused(&track).await?, (422, "purpose_required".into()));
    assert_eq!(
        chen.refused(&format!("{track}?purpose=curiosity")).await?,
        (422, "bad_purpose".into())
    );
    assert_eq!(
        chen.refused(&format!("{track}?purpose=duty&case=1&from=yesterday"))
            .await?,
        (422, "bad_query".into())
    );
    for case in ["", "&case=", "&case=%20"] {
        let bare = format!("{track}?purpose=duty{case}");
        assert_eq!(chen.refused(&bare).await?, (422, "case_required".into()));
    }
    // Nor under a number that nobody can see: zero width, a joiner of words, a blank of Braille, a tag.
    for case in ["%E2%80%8B", "%E2%81%A0", "%E2%A0%80", "%F3%A0%81%81"] {
        let unseen = format!("{track}?purpose=duty&case={case}");
        assert_eq!(chen.refused(&unseen).await?, (422, "bad_case".into()));
    }
    let now = Timestamp::now();
    let long = format!(
        "{track}?purpose=duty&case=1&from={}&to={now}",
        now - SignedDuration::from_hours(200)
    );
    assert_eq!(chen.refused(&long).await?, (422, "bad_interval".into()));
    let inland = format!("/api/v1/people/{}/track?purpose=duty&case=1", room.fixture.people[7]);
    assert_eq!(chen.refused(&inland).await?, (404, "not_found".into()));
    assert_eq!(
        room.number("SELECT count(*) FROM position_access").await?,
        0,
        "nothing was read yet"
    );

    let read = chen.get(&format!("{track}?purpose=court&case=2026-117")).await?;
    assert_eq!(read["fixes"].as_array().map(Vec::len), Some(240));
    assert_eq!(read["truncated"], false);
    let written = format!(
        "SELECT count(*) FROM position_access WHERE person_id = '{id}' AND user_id = '{}' AND purpose = 'court' AND case_number = '2026-117'",
        room.fixture.police
    );
    assert_eq!(room.number(&written).await?, 1);
    // An incident without purpose and case number has no position in it, and nothing is written down.
    let incident = format!("/api/v1/incidents/{}", room.fixture.incident("both"));
    let bare = chen.get(&incident).await?;
    assert_eq!(
        (&bare["positions_withheld"], &bare["track"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(bare["events"][0]["fixes"], json!([]));
    assert!(!bare.to_string().contains("latitude"), "{bare}");
    assert_eq!(
        chen.refused(&format!("{incident}?purpose=duty")).await?,
        (422, "case_required".into())
    );
    assert_eq!(
        chen.refused(&format!("{incident}?case=7")).await?,
        (422, "purpose_required".into())
    );
    assert_eq!(room.number("SELECT count(*) FROM position_access").await?, 1);
    let full = chen.get(&why(&incident)).await?;
    assert_eq!(full["positions_withheld"], false);
    assert_eq!(
        room.number(
            "SELECT count(*) FROM position_access WHERE purpose = 'incident' AND case_number = '2026-31' AND scope LIKE 'incident %'
            AND fixes > 20 AND to_at > from_at"
        )
        .await?,
        1
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn quarantined_reports_are_counted_for_those_who_see_the_person() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let quarantine = chen.get("/api/v1/quarantine").await?;
    let rows = quarantine["reports"].as_array().context("reports")?;
    let told: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["identity"].as_str(),
                row["reason"].as_str(),
                row["reports"].as_i64(),
            )
        })
        .collect();
    // Newest first; those of a month ago and of another office's people are not among them.
    assert_eq!(
        told,
        [
            (Some("N2-10003"), Some("clock_ahead"), Some(1)),
            (Some("N2-10002"), Some("week_rollover"), Some(3))
        ]
    );
    let time = |name: &str| -> Result<Timestamp> { Ok(rows[1][name].as_str().context("time")?.parse()?) };
    let (first, last, said) = (
        time("first_received_at")?,
        time("last_received_at")?,
        time("last_fix_time")?,
    );
    assert_eq!(last.duration_since(first), SignedDuration::from_hours(71));
    assert_eq!(last.duration_since(said), SignedDuration::from_hours(24 * 7_168));
    assert!(!quarantine.to_string().contains("HB-"), "devices, not people");
    room.close().await
}
