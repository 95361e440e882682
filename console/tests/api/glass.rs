//! Breaking the glass, and the matrix of routes by people of another branch.

use anyhow::{Context, Result};
use homeward_console::router::ROUTES;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::{Room, room, why};

fn asked(reference: &str) -> serde_json::Value {
    json!({"reference": reference, "reason": "Seen at the station, maybe in danger", "case": "2026-99"})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_glass_is_broken_told_and_reviewed() -> Result<()> {
    let room = room!();
    // HB-2102 is Inland's: Harbour does not see him.
    let person = room.fixture.people[7];
    let page = format!("/api/v1/people/{person}");
    let chen = room.log_in("chen.yu").await?;
    assert_eq!(chen.refused(&page).await?.0, 404);

    for (body, code) in [
        (
            json!({"reference": "HB-2102", "reason": "why not", "case": "1"}),
            "reason_required",
        ),
        (
            json!({"reference": "HB-2102", "reason": "long enough a reason", "case": " "}),
            "case_required",
        ),
        (
            json!({"reference": "HB-2102", "reason": "long enough a reason", "case": "1", "minutes": 900}),
            "bad_value",
        ),
    ] {
        let (status, answer) = chen.post("/api/v1/break-glass", body).await?;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!(code)));
    }
    assert_eq!(chen.post("/api/v1/break-glass", asked("HB-9999")).await?.0, 404);
    assert_eq!(
        chen.post("/api/v1/break-glass", asked("HB-2031")).await?.0,
        409,
        "his own"
    );
    assert_eq!(room.number("SELECT count(*) FROM break_glass").await?, 0);

    // A supervisor of the other side, to be told.
    room.sql(
        "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
        SELECT gen_random_uuid(), 'quist', 'Eva Quist', 'supervisor', (SELECT agency_id FROM agency WHERE path = 'inland.police'), password_hash
        FROM app_user WHERE username = 'okafor'",
    )
    .await?;
    let (okafor, quist) = (room.log_in("okafor").await?, room.log_in("quist").await?);
    let before = (okafor.queue().await?.len(), quist.queue().await?.len());

    let (status, opened) = chen.post("/api/v1/break-glass", asked("HB-2102")).await?;
    assert_eq!(status, 201, "{opened}");
    let id = opened["break_glass_id"].as_str().context("id")?.to_owned();
    // It works at once, for him alone, positions under a case number as ever.
    assert_eq!(chen.get(&page).await?["reference"], "HB-2102");
    let track = chen.get(&format!("{page}/track?purpose=incident&case=2026-99")).await?;
    assert!(track["fixes"].as_array().is_some_and(|fixes| !fixes.is_empty()));
    assert_eq!(
        chen.get(&why(&format!("/api/v1/incidents/{}", room.fixture.incident("inland"))))
            .await?["kind"],
        "sos"
    );
    assert_eq!(room.log_in("east").await?.refused(&page).await?.0, 404);
    assert_eq!(okafor.refused(&page).await?.0, 404);

    // Both supervisors are told.
    for (supervisor, before) in [(&okafor, before.0), (&quist, before.1)] {
        let queue = supervisor.queue().await?;
        assert_eq!(queue.len(), before + 1, "{queue:?}");
        assert!(queue.contains(&"break_glass".to_owned()), "{queue:?}");
        let list = supervisor.get("/api/v1/break-glass").await?;
        assert_eq!(list["accesses"][0]["break_glass_id"], id.as_str());
        assert_eq!(list["accesses"][0]["user"]["display_name"], "Chen Yu");
    }
    let acts = "SELECT count(*) FROM (SELECT act FROM audit_pending UNION ALL SELECT act FROM audit_entry) a WHERE act = 'break_glass'";
    assert_eq!(room.number(acts).await?, 1);

    // He does not put away what tells of it; a supervisor does.
    let tells: Vec<String> = testkit::connect(&room.database.url)
        .await?
        .query(
            "SELECT incident_id::text FROM incident WHERE kind = 'break_glass' ORDER BY number",
            &[],
        )
        .await?
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(tells.len(), 2);
    for incident in &tells {
        let close = format!("/api/v1/incidents/{incident}/close");
        let (status, body) = chen.post(&close, json!({"code": "test"})).await?;
        assert!((400..500).contains(&status), "{status} {body}");
    }
    let open = "SELECT count(*) FROM incident WHERE kind = 'break_glass' AND state <> 'closed'";
    assert_eq!(room.number(open).await?, 2);
    let acknowledge = format!("/api/v1/incidents/{}/acknowledge", tells[0]);
    assert_eq!(okafor.post(&acknowledge, json!({})).await?.0, 200);

    // Review: not by himself, not by who has nothing to do with it, once.
    let review = format!("/api/v1/break-glass/{id}/review");
    let send = async |caller: &crate::Caller<'_>, body: serde_json::Value| -> Result<u16> {
        Ok(caller.send(Method::POST, &review, Some(body)).await?.status().as_u16())
    };
    assert_eq!(send(&chen, json!({"misuse": false})).await?, 403);
    assert_eq!(
        send(&okafor, json!({"misuse": true})).await?,
        422,
        "misuse needs a note"
    );
    assert_eq!(
        send(&quist, json!({"misuse": true, "note": "There was no danger"})).await?,
        204
    );
    assert_eq!(send(&okafor, json!({"misuse": false})).await?, 409);
    assert_eq!(
        room.number("SELECT count(*) FROM break_glass WHERE finding = 'misuse' AND reviewed_at IS NOT NULL")
            .await?,
        1
    );

    // It ends: by hand, and by time.
    let close = format!("/api/v1/break-glass/{id}/close");
    assert_eq!(
        chen.send(Method::POST, &close, None).await?.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(chen.refused(&page).await?.0, 404);
    assert_eq!(chen.post("/api/v1/break-glass", asked("HB-2102")).await?.0, 201);
    chen.get(&page).await?;
    room.sql("UPDATE break_glass SET opened_at = now() - interval '2 hours', ends_at = now() - interval '1 second' WHERE closed_at IS NULL")
        .await?;
    assert_eq!(chen.refused(&page).await?.0, 404);
    room.close().await
}

/// What is of another branch does not exist, on every route that names something; and no route takes a method that has no rule.
#[tokio::test(flavor = "multi_thread")]
async fn another_branch_finds_nothing_and_no_method_is_without_a_rule() -> Result<()> {
    let room = room!();
    let inland = room.log_in("inland").await?;
    for (method, path, _) in ROUTES.iter().filter(|(_, path, _)| path.contains("{id}")) {
        let id = if path.contains("incidents") {
            room.fixture.incident("both")
        } else {
            room.fixture.people[0]
        };
        let body = match *path {
            "/api/v1/incidents/{id}/notes" => json!({"text": "x"}),
            "/api/v1/incidents/{id}/close" => json!({"code": "test"}),
            "/api/v1/people/{id}/commands" => {
                json!({"instruction": {"kind": "locate"}, "purpose": "duty", "case": "1"})
            }
            _ => json!({}),
        };
        let body = ["post", "put"].contains(method).then_some(body);
        let full = format!("{}?purpose=duty&case=1", path.replace("{id}", &id.to_string()));
        let method = Method::from_bytes(method.to_uppercase().as_bytes())?;
        let status = inland.send(method.clone(), &full, body).await?.status().as_u16();
        // 403: the role may not at all. 422: a body of a route that came later; it was refused unread.
        assert!([403, 404, 422].contains(&status), "{method} {path}: {status}");
        assert!(method != Method::GET || status != 422, "{method} {path}: {status}");
    }
    for (_, path, _) in ROUTES.iter().filter(|(_, path, _)| path.starts_with("/api/")) {
        for method in ["get", "post", "put", "patch", "delete"] {
            if ROUTES.iter().any(|(other, same, _)| other == &method && same == path) {
                continue;
            }
            let full = path.replace("{id}", &room.fixture.people[0].to_string());
            let method = Method::from_bytes(method.to_uppercase().as_bytes())?;
            let status = inland.send(method.clone(), &full, None).await?.status();
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path} has no rule");
        }
    }
    room.close().await
}
