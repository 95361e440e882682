//! Requests whose answers got lost: sent again under their key, nothing is done twice.

use super::*;

/// Posts under a key.
async fn keyed(caller: &Caller<'_>, path: &str, key: Uuid, body: &Value) -> Result<(u16, Value)> {
    let response = caller
        .room
        .http
        .post(caller.room.url(path))
        .header("cookie", &caller.cookie)
        .header("x-homeward-request", "1")
        .header("idempotency-key", key.to_string())
        .json(body)
        .send()
        .await?;
    let status = response.status().as_u16();
    let text = response.text().await?;
    Ok((
        status,
        if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        },
    ))
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["code"].as_str().unwrap_or("none"))
}

fn yard() -> Value {
    json!({"label": "Old yard", "kind": "exclusion", "audience": "both", "radius_m": 150.0,
        "geometry": {"type": "Point", "coordinates": [121.5, 31.2]}, "reason": "by the court, 12/26"})
}

async fn ready(room: &Room) -> Result<String> {
    room.sql("INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING")
        .await?;
    Ok(format!("/api/v1/people/{}", room.fixture.people[0]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_zone_sent_again_under_its_key_is_there_once() -> Result<()> {
    let room = room!();
    let path = format!("{}/zones", ready(&room).await?);
    let officer = room.log_in("chen.yu").await?;
    let yards = "SELECT count(DISTINCT zone_id) FROM zone_publication WHERE label = 'Old yard'";
    let key = Uuid::now_v7();

    let (status, first) = keyed(&officer, &path, key, &yard()).await?;
    assert_eq!(status, 200, "{first}");
    let (status, again) = keyed(&officer, &path, key, &yard()).await?;
    assert_eq!(status, 200, "{again}");
    assert_eq!(
        (&again["published"], &again["zones"]),
        (&first["published"], &first["zones"])
    );
    assert_eq!(room.number(yards).await?, 1);
    assert_eq!(
        room.number("SELECT count(*) FROM outbox").await?,
        1,
        "the rules were published once"
    );

    // Something else under the key is told, and not done; another user's same key is another key; without a key it is done as often as it comes.
    let mut wider = yard();
    wider["radius_m"] = json!(200.0);
    assert_eq!(code(&keyed(&officer, &path, key, &wider).await?), (422, "key_taken"));
    assert_eq!(room.number(yards).await?, 1);
    let worker = room.log_in("moreno").await?;
    assert_eq!(keyed(&worker, &path, key, &yard()).await?.0, 200);
    assert_eq!(officer.post(&path, yard()).await?.0, 200);
    assert_eq!(room.number(yards).await?, 3);
    room.close().await
}

/// Eight at the same moment: one is served, the others find it done.
#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_moment_are_served_once() -> Result<()> {
    let room = room!();
    let path = format!("{}/person-notes", ready(&room).await?);
    let officer = room.log_in("chen.yu").await?;
    let (key, note) = (Uuid::now_v7(), json!({"text": "seen at the office"}));
    let sent = (0..8).map(|_| keyed(&officer, &path, key, &note));
    for answer in futures::future::join_all(sent).await {
        assert_eq!(answer?.0, 204);
    }
    assert_eq!(room.number("SELECT count(*) FROM person_note").await?, 1);
    room.close().await
}

/// What was refused was not done: the key is free for the same, put right or not.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_gives_the_key_back() -> Result<()> {
    let room = room!();
    let path = format!("{}/zones", ready(&room).await?);
    let officer = room.log_in("chen.yu").await?;
    let key = Uuid::now_v7();
    let mut wrong = yard();
    wrong["radius_m"] = json!(-1.0);
    assert_eq!(keyed(&officer, &path, key, &wrong).await?.0, 422);
    assert_eq!(room.number("SELECT count(*) FROM deed_key").await?, 0);
    assert_eq!(keyed(&officer, &path, key, &yard()).await?.0, 200);

    // A check keeps neither zone nor key.
    let mut check = yard();
    check["check"] = json!(true);
    assert_eq!(keyed(&officer, &path, Uuid::now_v7(), &check).await?.0, 200);
    assert_eq!(room.number("SELECT count(*) FROM deed_key").await?, 1);
    let response = officer
        .room
        .http
        .post(room.url(&path))
        .header("cookie", &officer.cookie)
        .header("x-homeward-request", "1")
        .header("idempotency-key", "my key");
    let response = response.json(&yard()).send().await?;
    assert_eq!(error_of(response).await?, (422, "bad_value".to_owned()));
    room.close().await
}

/// Every deed that a page may have to send again, twice: the second answer is a success, and nothing is on record twice.
#[tokio::test(flavor = "multi_thread")]
async fn every_deed_is_done_once() -> Result<()> {
    let room = room!();
    let person = ready(&room).await?;
    let incident = format!("/api/v1/incidents/{}", room.fixture.incident("both"));
    let officer = room.log_in("chen.yu").await?;
    let east = room.log_in("inland").await?;
    let keeper = room.log_in("berg").await?;
    let order = room.number("SELECT count(*) FROM supervision_order").await?;
    let places = keeper.get("/api/v1/accounts").await?;
    let places = places["agencies"].as_array().context("agencies")?;
    let agency = places.iter().find(|place| place["path"] == "harbour.police");
    let agency = agency.context("agency")?["agency_id"].clone();
    let day = |days: i64| (Timestamp::now() + SignedDuration::from_hours(24 * days)).to_string();
    let reference = "HB-2031";
    let deeds: Vec<(&Caller<'_>, String, Value, &str)> = vec![
        (
            &officer,
            format!("{incident}/acknowledge"),
            json!({}),
            "SELECT count(*) FROM incident_action",
        ),
        (
            &officer,
            format!("{incident}/notes"),
            json!({"text": "called twice, nobody answers"}),
            "SELECT count(*) FROM incident_action",
        ),
        (
            &officer,
            format!("{incident}/suspend"),
            json!({"authority": "duty judge", "reason": "in hospital", "until": day(2)}),
            "SELECT count(*) FROM incident_action",
        ),
        (
            &officer,
            format!("{incident}/resume"),
            json!({"why": "left it"}),
            "SELECT count(*) FROM incident_action",
        ),
        (
            &officer,
            format!("{incident}/close"),
            json!({"code": "test"}),
            "SELECT count(*) FROM incident_action",
        ),
        (
            &officer,
            format!("{person}/contacts"),
            json!({"kind": "family", "name": "Ana Dorn"}),
            "SELECT count(*) FROM contact",
        ),
        (
            &officer,
            format!("{person}/leave"),
            json!({"starts_at": day(1), "ends_at": day(3), "reason": "funeral"}),
            "SELECT count(*) FROM leave_pass",
        ),
        (
            &officer,
            format!("{person}/orders"),
            json!({"profile": "generic", "legal_basis": "s. 12", "grounds": "bail", "months": 2}),
            "SELECT count(*) FROM supervision_order",
        ),
        (
            &east,
            "/api/v1/break-glass".to_owned(),
            json!({"reference": reference, "reason": "seen at our station", "case": "26-9"}),
            "SELECT count(*) FROM break_glass",
        ),
        (
            &keeper,
            "/api/v1/accounts".to_owned(),
            json!({"username": "new.one", "display_name": "New One", "role": "duty_officer", "agency_id": agency, "locale": "en"}),
            "SELECT count(*) FROM app_user",
        ),
    ];
    for (caller, path, body, count) in deeds {
        let key = Uuid::now_v7();
        let before = room.number(count).await?;
        let first = keyed(caller, &path, key, &body).await?;
        assert!((200..300).contains(&first.0), "{path}: {first:?}");
        let once = room.number(count).await?;
        assert!(once > before, "{path} left nothing");
        let again = keyed(caller, &path, key, &body).await?;
        assert_eq!(again.0, first.0, "{path}: {again:?}");
        assert_eq!(room.number(count).await?, once, "{path} is on record twice");
        if path.ends_with("accounts") {
            // The same answer: nobody loses a password to a repeat.
            assert_eq!(again.1, first.1);
            let password = again.1["password"].as_str().context("password")?;
            assert_eq!(room.try_log_in("new.one", password).await?.status(), StatusCode::OK);
        }
    }
    assert_eq!(room.number("SELECT count(*) FROM supervision_order").await?, order + 1);
    room.close().await
}

/// A repeat gives no other password, and none at all once the account is in use or was changed.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_sent_again_has_one_password() -> Result<()> {
    let room = room!();
    let keeper = room.log_in("berg").await?;
    let places = keeper.get("/api/v1/accounts").await?;
    let agency = places["accounts"]
        .as_array()
        .and_then(|all| all.iter().find(|account| account["username"] == "chen.yu"))
        .context("chen.yu")?["agency_id"]
        .clone();
    let new = |name: &str| json!({"username": name, "display_name": "New", "role": "duty_officer", "agency_id": agency, "locale": "en"});
    let path = "/api/v1/accounts";
    let refused = |answer: &(u16, Value)| {
        assert_eq!(answer.0, 422, "{}", answer.1);
        assert_eq!(answer.1["error"]["reason"], "account_made", "{}", answer.1);
        assert!(answer.1.to_string().contains("set a new password"), "{}", answer.1);
    };

    // At the same moment: one account, one password, which opens it. Then nobody is told it again, nor logged out.
    let (key, body) = (Uuid::now_v7(), new("new.one"));
    let answers = futures::future::try_join_all((0..4).map(|_| keyed(&keeper, path, key, &body))).await?;
    let first = &answers[0];
    assert_eq!(first.0, 201, "{}", first.1);
    assert!(answers.iter().all(|answer| answer == first), "{answers:?}");
    let password = first.1["password"].as_str().context("password")?;
    assert_eq!(room.try_log_in("new.one", password).await?.status(), StatusCode::OK);
    refused(&keyed(&keeper, path, key, &body).await?);
    assert_eq!(room.try_log_in("new.one", password).await?.status(), StatusCode::OK);

    // Disabled here, or by another process.
    for (name, sql) in [
        ("new.two", None),
        (
            "new.three",
            Some("UPDATE app_user SET disabled_at = now() WHERE username = 'new.three'"),
        ),
        (
            "new.four",
            Some("UPDATE app_user SET password_hash = 'x' WHERE username = 'new.four'"),
        ),
    ] {
        let (key, body) = (Uuid::now_v7(), new(name));
        let made = keyed(&keeper, path, key, &body).await?;
        assert_eq!(made.0, 201, "{}", made.1);
        if let Some(sql) = sql {
            room.sql(sql).await?;
        } else {
            let one = format!("{path}/{}", made.1["user_id"].as_str().context("id")?);
            assert_eq!(keeper.post(&one, json!({"disabled": true})).await?.0, 200);
        }
        refused(&keyed(&keeper, path, key, &body).await?);
    }
    room.close().await
}

/// What has no body is done once as well: an emergency access given back, a command taken back, a message sent again.
#[tokio::test(flavor = "multi_thread")]
async fn deeds_without_a_body_are_done_once() -> Result<()> {
    let room = room!();
    ready(&room).await?;
    let (officer, east) = (room.log_in("chen.yu").await?, room.log_in("inland").await?);
    let glass = json!({"reference": "HB-2031", "reason": "seen at our station", "case": "26-9"});
    let (status, opened) = east.post("/api/v1/break-glass", glass).await?;
    assert_eq!(status, 201, "{opened}");
    let text = json!({"instruction": {"kind": "vibrate"}, "purpose": "duty", "case": "26-9"});
    let path = format!("/api/v1/people/{}/commands", room.fixture.people[0]);
    let (status, command) = officer.post(&path, text).await?;
    assert_eq!(status, 201, "{command}");
    let given_up: Uuid = testkit::connect(&room.database.url)
        .await?
        .query_one(
            "UPDATE notification SET state = 'dead', attempts = 12, last_error = 'HTTP 503' WHERE incident_id = $1 RETURNING notification_id",
            &[&room.fixture.incident("both")],
        )
        .await?
        .get(0);
    let id = |of: &Value, name: &str| of[name].as_str().unwrap().to_owned();
    for (caller, path) in [
        (
            &east,
            format!("/api/v1/break-glass/{}/close", id(&opened, "break_glass_id")),
        ),
        (
            &officer,
            format!("/api/v1/commands/{}/cancel", id(&command, "command_id")),
        ),
        (&officer, format!("/api/v1/messages/{given_up}/retry")),
    ] {
        let key = Uuid::now_v7();
        let first = bare(caller, &path, &key.to_string()).await?;
        assert!((200..300).contains(&first), "{path}: {first}");
        assert_eq!(bare(caller, &path, &key.to_string()).await?, first, "{path}");
        // Under another key it is another request.
        assert!(
            [200, 404, 409].contains(&bare(caller, &path, &Uuid::now_v7().to_string()).await?),
            "{path}"
        );
        assert_eq!(bare(caller, &path, "my key").await?, 422, "{path}");
        let other = format!("/api/v1/break-glass/{}/close", Uuid::now_v7());
        assert_eq!(bare(caller, &other, &key.to_string()).await?, 422, "{path}");
    }
    let queued = "SELECT count(*) FROM notification WHERE state = 'queued' AND attempts = 0";
    assert_eq!(room.number(queued).await?, 1);
    room.close().await
}

async fn bare(caller: &Caller<'_>, path: &str, key: &str) -> Result<u16> {
    let request = caller
        .room
        .http
        .post(caller.room.url(path))
        .header("cookie", &caller.cookie);
    let request = request.header("x-homeward-request", "1").header("idempotency-key", key);
    Ok(request.send().await?.status().as_u16())
}

/// Keys go after a day.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_forgotten_after_a_day() -> Result<()> {
    let room = room!();
    room.sql(
        "INSERT INTO deed_key (user_id, key, digest, object_id, done_at) SELECT user_id, gen_random_uuid(), sha256('x'), gen_random_uuid(),
        now() - hours * interval '1 hour' FROM app_user, unnest(ARRAY[1, 23, 25, 200]) hours WHERE username = 'chen.yu'",
    )
    .await?;
    let client = casedb::Database::connect(&room.database.url, 1).await?.client().await?;
    // The console looks through as well when it begins.
    casedb::once::sweep(&client, Timestamp::now()).await?;
    assert_eq!(room.number("SELECT count(*) FROM deed_key").await?, 2);
    room.close().await
}
