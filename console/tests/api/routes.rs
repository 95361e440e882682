//! Every route as each role; what stands beside the queue; requests that are wrong.

use super::*;

/// Every route as nobody and as each role; made from the table of routes, which a unit test holds to the OpenAPI document.
#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_it_should() -> Result<()> {
    let room = room!();
    let incident = room.fixture.incident("both");
    let person = room.fixture.people[0];
    let mut callers = Vec::new();
    for (username, _, role, _) in USERS
        .iter()
        .filter(|user| !["east", "inland", "lind"].contains(&user.0))
    {
        callers.push((Role::parse(role).context("role")?, room.log_in(username).await?));
    }
    assert_eq!(callers.len(), Role::ALL.len(), "one user of each role");
    for (method, path, admission) in ROUTES {
        let id = if path.contains("incidents") { incident } else { person };
        let path = path.replace("{id}", &id.to_string());
        let method = Method::from_bytes(method.to_uppercase().as_bytes())?;
        // A body that every handler refuses after it has let the caller in.
        let body = (method == Method::POST).then(|| json!({"no such field": 1}));
        let stranger = Caller {
            room: &room,
            cookie: String::new(),
        };
        let status = stranger.send(method.clone(), &path, body.clone()).await?.status();
        let Admission::Roles(roles) = admission else {
            assert_ne!(status, StatusCode::FORBIDDEN, "{method} {path} is public");
            continue;
        };
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path} without a session");
        let forged = Caller {
            room: &room,
            cookie: format!("{COOKIE}={}", "ab".repeat(32)),
        };
        assert_eq!(
            forged.send(method.clone(), &path, body.clone()).await?.status(),
            StatusCode::UNAUTHORIZED
        );
        for (role, caller) in &callers {
            let status = caller.send(method.clone(), &path, body.clone()).await?.status();
            if roles.contains(role) {
                // 500: the database refused the role what the route lets it do.
                assert!(
                    ![401, 403, 500].contains(&status.as_u16()),
                    "{method} {path} as {role:?}: {status}"
                );
            } else {
                assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} as {role:?}");
            }
        }
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_the_room() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let quarantine = chen.get("/api/v1/quarantine").await?;
    assert_eq!(quarantine["devices"].as_array().map(Vec::len), Some(2));
    assert!(quarantine["frames"].as_array().is_some_and(|frames| {
        frames
            .iter()
            .any(|frame| frame["header"] == "7e0200" && frame["kept"] == true)
    }));
    assert_eq!(chen.get("/api/v1/map/town").await?["type"], "FeatureCollection");

    let map = room
        .http
        .get(room.url("/basemap.pmtiles"))
        .header("cookie", &chen.cookie);
    let part = map
        .try_clone()
        .context("clone")?
        .header("range", "bytes=0-7")
        .send()
        .await?;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], "bytes 0-7/4008");
    let tag = part.headers()["etag"].clone();
    assert_eq!(part.bytes().await?.as_ref(), b"PMTiles\x03");
    let end = map
        .try_clone()
        .context("clone")?
        .header("range", "bytes=9999-")
        .send()
        .await?;
    assert_eq!(end.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        map.try_clone()
            .context("clone")?
            .header("if-none-match", tag)
            .send()
            .await?
            .status(),
        StatusCode::NOT_MODIFIED
    );
    assert_eq!(map.send().await?.bytes().await?.len(), 4_008);

    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/api/v1/openapi.json", 200),
        ("/", 200),
        ("/people", 200),
    ] {
        let response = room.http.get(room.url(path)).send().await?;
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let policy = response.headers()["content-security-policy"].to_str()?;
        assert!(
            policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
    }
    assert_eq!(
        room.http.get(room.url("/assets/none.js")).send().await?.status(),
        StatusCode::NOT_FOUND
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_named() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    for path in [
        "/api/v1/incidents/7",
        "/api/v1/incidents/../../etc",
        "/api/v1/nothing",
        "/api/v1/people/%00",
        "/api/v1/incidents/%ff",
    ] {
        assert_eq!(chen.refused(path).await?.0, 404, "{path}");
    }
    assert_eq!(
        chen.refused(&format!("/api/v1/incidents/{}", Uuid::nil())).await?.0,
        404
    );
    let wrong = chen.send(Method::PUT, "/api/v1/incidents", None).await?;
    assert_eq!(error_of(wrong).await?, (405, "method_not_allowed".into()));

    let notes = room.url(&format!("/api/v1/incidents/{}/notes", room.fixture.incident("both")));
    let request = || {
        room.http
            .post(&notes)
            .header("cookie", &chen.cookie)
            .header("x-homeward-request", "1")
    };
    let json = |body: &'static str| request().header("content-type", "application/json").body(body);
    assert_eq!(
        error_of(json("{\"text\": ").send().await?).await?,
        (400, "bad_request".into())
    );
    assert_eq!(
        error_of(json("{\"text\": 7}").send().await?).await?,
        (422, "bad_value".into())
    );
    assert_eq!(
        error_of(json("{\"text\": \"x\", \"to\": \"all\"}").send().await?).await?,
        (422, "bad_value".into())
    );
    assert_eq!(
        error_of(request().body("text=x").send().await?).await?,
        (415, "not_json".into())
    );
    let huge = request().json(&json!({"text": "x".repeat(100_000)})).send().await?;
    assert_eq!(error_of(huge).await?, (413, "too_big".into()));
    // Another site can make a browser send the cookie in some cases, but not the header.
    let foreign = room
        .http
        .post(&notes)
        .header("cookie", &chen.cookie)
        .json(&json!({"text": "x"}))
        .send()
        .await?;
    assert_eq!(error_of(foreign).await?, (403, "foreign_request".into()));
    room.close().await
}
