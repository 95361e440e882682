//! What a zone would have raised, asked before it is published.

use super::*;

/// A room whose history has the rules of people, so that it can be folded once more, with a zone that the first one's walk of 25 minutes
/// leads away from (`fixture::walk`), and the path of the preview.
async fn room_with_history() -> Result<Option<(Room, String)>> {
    let Some(room) = Room::open().await? else {
        return Ok(None);
    };
    room.sql(
        "INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING;
        INSERT INTO reader_offset (reader, topic, partition, clock)
        SELECT 'history', 'reports', n, now() FROM generate_series(0, 15) n",
    )
    .await?;
    let path = format!("/api/v1/people/{}/zones", room.fixture.people[0]);
    // Any publication makes rules; the history writer would have kept them.
    let officer = room.log_in("chen.yu").await?;
    let far = json!({"label": "Far away", "kind": "exclusion", "audience": "both", "radius_m": 100.0,
        "geometry": {"type": "Point", "coordinates": [121.5, 31.2]}, "reason": "for rules"});
    assert_eq!(officer.post(&path, far).await?.0, 200);
    room.sql(
        "INSERT INTO rules_revision (person_id, revision, appended_at, payload)
        SELECT person_id, revision, now() - interval '20 days', published FROM person_rules WHERE published IS NOT NULL",
    )
    .await?;
    Ok(Some((room, format!("{path}/preview"))))
}

/// Where the first person was an hour ago: at home.
async fn home(room: &Room) -> Result<Value> {
    let client = testkit::connect(&room.database.url).await?;
    let sql = "SELECT avg(longitude), avg(latitude) FROM position WHERE person_id = $1 AND fix_time < now() - interval '1 hour'";
    let row = client.query_one(sql, &[&room.fixture.people[0]]).await?;
    Ok(json!([row.get::<_, f64>(0), row.get::<_, f64>(1)]))
}

async fn lines(caller: &Caller<'_>, path: &str, body: Value) -> Result<Vec<Value>> {
    let response = caller.send(Method::POST, path, Some(body)).await?;
    let (status, kind) = (response.status(), response.headers()["content-type"].clone());
    let text = response.text().await?;
    assert_eq!(
        (status, kind.to_str()?),
        (StatusCode::OK, "application/x-ndjson"),
        "{text}"
    );
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_around_the_home_would_have_been_entered_and_nothing_is_kept_but_the_reading() -> Result<()> {
    let Some((room, path)) = room_with_history().await? else {
        return Ok(());
    };
    let officer = room.log_in("chen.yu").await?;
    let zone = json!({"label": "Tried", "kind": "exclusion", "audience": "both", "radius_m": 150.0,
        "geometry": {"type": "Point", "coordinates": home(&room).await?}});
    let asked = json!({"zone": zone, "days": 2, "purpose": "duty", "case": "26-117"});
    let before = room.number("SELECT count(*) FROM zone_publication").await?;

    let said = lines(&officer, &path, asked.clone()).await?;
    let last = said.last().context("a last line")?;
    assert_eq!(last["state"], "done", "{said:?}");
    assert_eq!(last["reports"], 240);
    let entries: i64 = last["days"]
        .as_array()
        .context("days")?
        .iter()
        .filter(|day| day["kind"] == "exclusion_entry")
        .map(|day| {
            assert_eq!(day["before"]["count"], 0, "a new zone has raised nothing");
            day["with"]["count"].as_i64().unwrap()
        })
        .sum();
    assert!(entries >= 1, "{last}");

    assert_eq!(room.number("SELECT count(*) FROM zone_publication").await?, before);
    let readings =
        "SELECT count(*) FROM position_access WHERE case_number = '26-117' AND purpose = 'duty' AND fixes = 240
        AND scope LIKE 'preview of zone %, 2 days'";
    assert_eq!(room.number(readings).await?, 1);

    // Where nobody was, nothing; days without reports are no fault.
    let mut elsewhere = asked.clone();
    elsewhere["zone"]["geometry"]["coordinates"] = json!([100.0, 10.0]);
    let said = lines(&officer, &path, elsewhere).await?;
    assert_eq!(said.last().context("a last line")?["days"], json!([]));
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_refused_is_told_and_reads_nothing() -> Result<()> {
    let Some((room, path)) = room_with_history().await? else {
        return Ok(());
    };
    let officer = room.log_in("chen.yu").await?;
    let zone = json!({"label": "Tried", "kind": "exclusion", "audience": "both", "radius_m": 150.0,
        "geometry": {"type": "Point", "coordinates": [120.0, 30.0]}});
    let with = |changes: Value| {
        let mut asked = json!({"zone": zone, "days": 2, "purpose": "duty", "case": "26-117"});
        for (name, value) in changes.as_object().unwrap() {
            asked[name] = value.clone();
        }
        asked
    };
    let mut bad = zone.clone();
    bad["radius_m"] = json!(-4);
    for (asked, code) in [
        (with(json!({"purpose": ""})), "purpose_required"),
        (with(json!({"case": " "})), "case_required"),
        (with(json!({"days": 0})), "bad_days"),
        (with(json!({"days": 32})), "bad_days"),
        (with(json!({"zone": bad})), "bad_zone"),
    ] {
        let answer = officer.post(&path, asked).await?;
        assert_eq!((answer.0, &answer.1["error"]["code"]), (422, &json!(code)));
    }
    let inland = room.log_in("inland").await?;
    assert_eq!(inland.post(&path, with(json!({}))).await?.0, 404);
    let analyst = room.log_in("novak").await?;
    assert_eq!(analyst.post(&path, with(json!({}))).await?.0, 403);
    room.sql("UPDATE supervision_order SET revoked_at = now() - interval '1 minute'")
        .await?;
    let answer = officer.post(&path, with(json!({}))).await?;
    assert_eq!((answer.0, &answer.1["error"]["code"]), (422, &json!("no_order")));
    assert_eq!(room.number("SELECT count(*) FROM position_access").await?, 0);
    room.close().await
}
