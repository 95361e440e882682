//! Commands to devices: who may send them, to whom, and what they see of them.

use super::*;

const LOCATE: &str = "locate";

fn body(instruction: &Value) -> Value {
    json!({"instruction": instruction, "purpose": "duty", "case": "C-7"})
}

fn locate() -> Value {
    body(&json!({"kind": LOCATE}))
}

impl Caller<'_> {
    async fn send_with_key(&self, path: &str, key: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.room.http.post(self.room.url(path)).header("cookie", &self.cookie);
        let request = request.header("x-homeward-request", "1").header("idempotency-key", key);
        let response = request.json(body).send().await?;
        Ok((response.status().as_u16(), response.json().await?))
    }
}

fn path(person: Uuid) -> String {
    format!("/api/v1/people/{person}/commands")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_placed_watched_and_taken_back() -> Result<()> {
    let room = room!();
    let (chen, moreno) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let person = room.fixture.people[0];
    let empty = chen.get(&path(person)).await?;
    assert_eq!(empty, json!({"commands": [], "usual_interval_s": 60}));
    let (status, placed) = chen.post(&path(person), locate()).await?;
    assert_eq!((status, &placed["state"]), (201, &json!("queued")), "{placed}");
    assert_eq!(placed["requested_by"]["display_name"], "Chen Yu");
    assert_eq!(
        (&placed["purpose"], &placed["case_number"]),
        (&json!("duty"), &json!("C-7"))
    );
    assert_eq!(placed["instruction"], json!({"kind": "locate"}));
    // The other branch sees it, for it sees the person.
    let id = placed["command_id"].as_str().context("id")?.to_owned();
    let one = format!("/api/v1/commands/{id}");
    assert_eq!(moreno.get(&one).await?["state"], "queued");
    let (status, cancelled) = moreno.post(&format!("{one}/cancel"), json!({})).await?;
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    assert_eq!(cancelled["outcome"], "cancelled");
    // Again: the same. What a gateway has is not taken back.
    assert_eq!(chen.post(&format!("{one}/cancel"), json!({})).await?.0, 200);
    let (_, sent) = chen.post(&path(person), body(&json!({"kind": "vibrate"}))).await?;
    room.sql("UPDATE device_command SET state = 'sent', sent_at = now() WHERE kind = 'vibrate'")
        .await?;
    let cancel = format!("/api/v1/commands/{}/cancel", sent["command_id"].as_str().context("id")?);
    let refused = error_of(chen.send(Method::POST, &cancel, None).await?).await?;
    assert_eq!(refused, (409, "conflict".to_owned()));
    // A pursuit and its way back, newest first.
    let pursuit = json!({"kind": "interval", "seconds": 5, "for_seconds": 900});
    assert_eq!(chen.post(&path(person), body(&pursuit)).await?.0, 201);
    let list = chen.get(&path(person)).await?;
    let commands = list["commands"].as_array().context("commands")?;
    assert_eq!(commands.len(), 4);
    let back = commands.iter().find(|c| !c["reverts"].is_null()).context("way back")?;
    assert_eq!(
        back["instruction"],
        json!({"kind": "interval", "seconds": 60, "for_seconds": 0})
    );
    let refused = format!("/api/v1/commands/{}/cancel", back["command_id"].as_str().context("id")?);
    assert_eq!(chen.send(Method::POST, &refused, None).await?.status(), 409);
    // Who asked, and why, is in the table.
    let kept = "SELECT count(*) FROM device_command c JOIN app_user u ON u.user_id = c.requested_by
        WHERE u.username = 'chen.yu' AND c.purpose = 'duty' AND c.case_number = 'C-7'";
    assert_eq!(room.number(kept).await?, 4);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_sent_again_places_nothing_new() -> Result<()> {
    let room = room!();
    let (chen, okafor) = (room.log_in("chen.yu").await?, room.log_in("okafor").await?);
    let person = room.fixture.people[0];
    let (status, first) = chen.send_with_key(&path(person), "k-1", &locate()).await?;
    assert_eq!(status, 201, "{first}");
    let (status, again) = chen.send_with_key(&path(person), "k-1", &locate()).await?;
    assert_eq!((status, &again["command_id"]), (200, &first["command_id"]));
    let (status, other) = chen
        .send_with_key(&path(person), "k-1", &body(&json!({"kind": "vibrate"})))
        .await?;
    assert_eq!((status, &other["error"]["code"]), (422, &json!("key_taken")));
    // The key is the user's own.
    let (status, own) = okafor.send_with_key(&path(person), "k-1", &locate()).await?;
    assert_eq!(status, 201);
    assert_ne!(own["command_id"], first["command_id"]);
    assert_eq!(room.number("SELECT count(*) FROM device_command").await?, 2);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_handles_and_sees_the_person_sends_commands() -> Result<()> {
    let room = room!();
    let person = room.fixture.people[0];
    let elsewhere = room.fixture.people[7];
    for (username, _, role, _) in USERS {
        let caller = room.log_in(username).await?;
        let handles = ["duty_officer", "social_worker", "supervisor"].contains(&role);
        let sees = !["east", "inland"].contains(&username);
        let (status, placed) = caller.post(&path(person), locate()).await?;
        let expected = match (handles, sees) {
            (false, _) => 403,
            (true, false) => 404,
            (true, true) => 201,
        };
        assert_eq!(status, expected, "{username}: {placed}");
        let reads = caller.send(Method::GET, &path(person), None).await?.status().as_u16();
        let expected = match (role, sees) {
            ("service_provider" | "analyst" | "auditor" | "administrator", _) => 403,
            (_, false) => 404,
            _ => 200,
        };
        assert_eq!(reads, expected, "{username}");
    }
    let chen = room.log_in("chen.yu").await?;
    assert_eq!(chen.post(&path(elsewhere), locate()).await?.0, 404);
    let inland = room.log_in("inland").await?;
    let (status, theirs) = inland.post(&path(elsewhere), locate()).await?;
    assert_eq!(status, 201);
    let id = theirs["command_id"].as_str().context("id")?;
    assert_eq!(chen.refused(&format!("/api/v1/commands/{id}")).await?.0, 404);
    let cancel = format!("/api/v1/commands/{id}/cancel");
    assert_eq!(chen.send(Method::POST, &cancel, None).await?.status(), 404);
    let not_placed = "SELECT count(*) FROM device_command c JOIN app_user u ON u.user_id = c.requested_by
        WHERE u.role NOT IN ('duty_officer', 'social_worker', 'supervisor')";
    assert_eq!(room.number(not_placed).await?, 0);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_named() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let person = room.fixture.people[0];
    let with = |extra: Value| {
        let mut asked = locate();
        asked
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        asked
    };
    for (asked, code) in [
        (json!({"instruction": {"kind": "locate"}}), "purpose_required"),
        (with(json!({"purpose": "curiosity"})), "bad_purpose"),
        (with(json!({"wait_s": 171})), "bad_value"),
        (with(json!({"wait_s": 0})), "bad_value"),
        (with(json!({"device_id": Uuid::now_v7()})), "no_device"),
        (with(json!({"loud": true})), "bad_value"),
        (body(&json!({"kind": "explode"})), "bad_value"),
        (body(&json!({"kind": "text", "text": ""})), "bad_value"),
        (body(&json!({"kind": "text", "text": "x".repeat(201)})), "bad_value"),
        (body(&json!({"kind": "interval", "seconds": 0})), "bad_value"),
        (
            body(&json!({"kind": "interval", "seconds": 5, "for_seconds": 604_801})),
            "bad_value",
        ),
    ] {
        let (status, answer) = chen.post(&path(person), asked.clone()).await?;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (422, &json!(code)),
            "{asked}: {answer}"
        );
    }
    let (status, answer) = chen.send_with_key(&path(person), &"k".repeat(101), &locate()).await?;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("bad_value")));
    // A letter that the device cannot show is named.
    room.sql("UPDATE device SET protocol = 'jt808'").await?;
    let odd = body(&json!({"kind": "text", "text": "你好 Zoë"}));
    let (status, answer) = chen.post(&path(person), odd).await?;
    assert_eq!(
        (status, &answer["error"]["reason"]),
        (422, &json!("text_letter")),
        "{answer}"
    );
    assert_eq!(answer["error"]["values"]["letter"], "ë");
    room.sql("UPDATE supervision_order SET revoked_at = now() - interval '1 minute'")
        .await?;
    let (status, answer) = chen.post(&path(person), locate()).await?;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("no_legal_basis")));
    room.sql("UPDATE device_assignment SET ended_at = now()").await?;
    let (status, answer) = chen.post(&path(person), locate()).await?;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("no_device")));
    assert_eq!(room.number("SELECT count(*) FROM device_command").await?, 0);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_commands_stand_is_told_to_those_who_see_the_person() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let (moreno, inland) = (room.log_in("moreno").await?, room.log_in("inland").await?);
    let mut social = Stream::open(&moreno).await?;
    let mut elsewhere = Stream::open(&inland).await?;
    let person = room.fixture.people[0];
    let (_, placed) = chen.post(&path(person), locate()).await?;
    let second = Duration::from_secs(2);
    let told = social.next("command", second).await?.context("nothing was told")?;
    assert_eq!(
        told,
        json!({"command_id": placed["command_id"], "person_id": person, "state": "queued"})
    );
    // No gateway runs here. When its time is over, whoever looks sees that it has failed; the sweep says so too.
    room.sql(
        "ALTER TABLE device_command DISABLE TRIGGER device_command_move;
        UPDATE device_command SET created_at = created_at - interval '170 seconds', not_before = not_before - interval '170 seconds',
            expires_at = expires_at - interval '170 seconds';
        ALTER TABLE device_command ENABLE TRIGGER device_command_move",
    )
    .await?;
    let id = placed["command_id"].as_str().context("id")?;
    let ended = chen.get(&format!("/api/v1/commands/{id}")).await?;
    assert_eq!(
        (&ended["state"], &ended["outcome"]),
        (&json!("expired"), &json!("not_connected")),
        "{ended}"
    );
    assert!(ended["ended_at"].is_string());
    let told = social
        .next("command", Duration::from_secs(6))
        .await?
        .context("no end was told")?;
    assert_eq!(told["state"], "expired");
    assert_eq!(elsewhere.next("command", Duration::from_millis(100)).await?, None);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_no_commands_to_analysts_and_ends_with_its_session() -> Result<()> {
    let room = room!();
    let (chen, novak) = (room.log_in("chen.yu").await?, room.log_in("novak").await?);
    let (moreno, okafor) = (room.log_in("moreno").await?, room.log_in("okafor").await?);
    let mut analyst = Stream::open(&novak).await?;
    let mut left = Stream::open(&moreno).await?;
    let mut disabled = Stream::open(&okafor).await?;
    let (status, placed) = chen.post(&path(room.fixture.people[0]), locate()).await?;
    assert_eq!(status, 201, "{placed}");
    let second = Duration::from_secs(2);
    assert!(left.next("command", second).await?.is_some());
    assert_eq!(analyst.next("command", second).await?, None);
    // The next check by itself would come half a minute later.
    room.sql("DELETE FROM user_session WHERE user_id = (SELECT user_id FROM app_user WHERE username = 'moreno')")
        .await?;
    room.sql("UPDATE app_user SET disabled_at = now() WHERE username = 'okafor'")
        .await?;
    let patience = Duration::from_secs(5);
    assert!(left.next("nothing", patience).await.is_err(), "the session has ended");
    assert!(
        disabled.next("nothing", patience).await.is_err(),
        "the account is disabled"
    );
    assert_eq!(analyst.next("nothing", second).await?, None, "others go on");
    room.close().await
}
