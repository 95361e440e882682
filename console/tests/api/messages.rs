//! Messages that were given up, reports of the gateway, browsers that take messages.

use super::*;

/// Gives up the mail of an incident, and makes the target of the police unit that it went to.
async fn give_up(room: &Room, incident: &str) -> Result<Uuid> {
    let id = room.fixture.incident(incident);
    let client = testkit::connect(&room.database.url).await?;
    let row = client
        .query_one(
            "UPDATE notification SET state = 'dead', attempts = 12, last_error = 'HTTP 503' WHERE incident_id = $1 RETURNING notification_id",
            &[&id],
        )
        .await?;
    Ok(row.get(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_seen_and_sent_again() -> Result<()> {
    let room = room!();
    let message = give_up(&room, "police").await?;
    let chen = room.log_in("chen.yu").await?;
    let list = chen.get("/api/v1/messages/undelivered").await?;
    assert_eq!(list["unreached"], 1, "{list}");
    let one = &list["messages"][0];
    assert_eq!(one["notification_id"], message.to_string());
    assert_eq!(
        (&one["channel"], &one["recipient"], &one["last_error"], &one["attempts"]),
        (
            &json!("mail"),
            &json!("…@harbour.example"),
            &json!("HTTP 503"),
            &json!(12)
        )
    );
    let again = format!("/api/v1/messages/{message}/retry");
    // Another branch and another town do not see the incident; social workers do not keep messages.
    let inland = room.log_in("inland").await?;
    assert_eq!(inland.get("/api/v1/messages/undelivered").await?["messages"], json!([]));
    assert_eq!(inland.send(Method::POST, &again, None).await?.status(), 404);
    let moreno = room.log_in("moreno").await?;
    assert_eq!(moreno.send(Method::POST, &again, None).await?.status(), 403);
    assert_eq!(chen.send(Method::POST, &again, None).await?.status(), 204);
    assert_eq!(
        room.number("SELECT count(*) FROM notification WHERE state = 'queued' AND attempts = 0")
            .await?,
        1
    );
    assert_eq!(chen.send(Method::POST, &again, None).await?.status(), 409);
    assert_eq!(chen.get("/api/v1/messages/undelivered").await?["messages"], json!([]));
    room.close().await
}

/// Signs as the gateway does.
fn signed(room: &Room, key: &[u8], body: &str) -> reqwest::RequestBuilder {
    use hmac::{Hmac, KeyInit, Mac};
    let time = Timestamp::now().as_second();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
    let request = room.http.post(room.url("/receipts/sms"));
    request.header("x-homeward-signature", signature).body(body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_of_the_gateway_are_taken_when_they_are_signed() -> Result<()> {
    let room = room!();
    room.sql(
        "UPDATE notification SET channel = 'sms', provider_id = 'p-1', receipt = 'accepted'
        WHERE notification_id = (SELECT notification_id FROM notification ORDER BY notification_id LIMIT 1)",
    )
    .await?;
    let key = b"a key of at least 16";
    let body = r#"{"id":"p-1","state":"Delivered"}"#;
    let delivered = "SELECT count(*) FROM notification WHERE receipt = 'delivered'";
    assert_eq!(signed(&room, b"another key", body).send().await?.status(), 401);
    assert_eq!(
        room.http
            .post(room.url("/receipts/sms"))
            .body(body)
            .send()
            .await?
            .status(),
        401
    );
    assert_eq!(room.number(delivered).await?, 0);
    for _ in 0..2 {
        assert_eq!(signed(&room, key, body).send().await?.status(), 204);
    }
    assert_eq!(room.number(delivered).await?, 1);
    assert_eq!(
        signed(&room, key, r#"{"id":"p-2","state":"failed"}"#)
            .send()
            .await?
            .status(),
        404
    );
    assert_eq!(signed(&room, key, r#"{"state":"failed"}"#).send().await?.status(), 422);
    assert_eq!(signed(&room, key, "no json").send().await?.status(), 400);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_subscribes_at_a_known_push_service_alone() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let state = chen.get("/api/v1/push").await?;
    assert_eq!(state, json!({"public_key": "BExample", "browsers": 0}));
    let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    let browser = |endpoint: &str| json!({"endpoint": endpoint, "expirationTime": null, "keys": {"p256dh": p256dh, "auth": "BTBZMqHH6r4Tts7J_aSIgg"}});
    let path = "/api/v1/push/subscriptions";
    for bad in [
        "https://127.0.0.1/x",
        "http://push.example/x",
        "https://push.example.evil/x",
    ] {
        assert_eq!(
            chen.send(Method::POST, path, Some(browser(bad))).await?.status(),
            422,
            "{bad}"
        );
    }
    for _ in 0..2 {
        let taken = chen
            .send(Method::POST, path, Some(browser("https://push.example/x")))
            .await?;
        assert_eq!(taken.status(), 204);
    }
    assert_eq!(chen.get("/api/v1/push").await?["browsers"], 1);
    // Another user's session on the same browser takes it over; nobody removes a stranger's.
    let moreno = room.log_in("moreno").await?;
    let which = format!("{path}?endpoint=https%3A%2F%2Fpush.example%2Fx");
    assert_eq!(moreno.send(Method::DELETE, &which, None).await?.status(), 204);
    assert_eq!(chen.get("/api/v1/push").await?["browsers"], 1);
    assert_eq!(chen.send(Method::DELETE, &which, None).await?.status(), 204);
    assert_eq!(chen.get("/api/v1/push").await?["browsers"], 0);
    room.close().await
}
