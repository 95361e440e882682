//! The console as its users have it: a real database, a real HTTP server, requests over a socket.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "JSON that is not as expected must fail the test"
)]

#[path = "api/commands.rs"]
mod commands;
#[path = "support/corrected.rs"]
mod corrected;
#[path = "api/devices.rs"]
mod devices;
#[path = "api/drafting.rs"]
mod drafting;
#[path = "support/fixture.rs"]
mod fixture;
#[path = "api/glass.rs"]
mod glass;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/orders.rs"]
mod orders;
#[path = "api/positions.rs"]
mod positions;
#[path = "api/roles.rs"]
mod roles;
#[path = "api/wide.rs"]
mod wide;
#[path = "api/zones.rs"]
mod zones;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use casedb::user::Role;
use fixture::{Fixture, PASSWORD, USERS};
use homeward_console::{
    Config, Handle,
    authorise::COOKIE,
    router::{Admission, ROUTES},
};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use testkit::TestDatabase;
use uuid::Uuid;

struct Room {
    handle: Handle,
    database: TestDatabase,
    fixture: Fixture,
    http: reqwest::Client,
    basemap: tempfile::TempDir,
}

impl Room {
    /// Opens a duty room on a database of its own; `None` where there is no test cluster.
    async fn open() -> Result<Option<Self>> {
        let Some(database) = testkit::database().await? else {
            return Ok(None);
        };
        casedb::migrate(&database.url, 4).await?;
        let client = testkit::connect(&database.url).await?;
        let fixture = fixture::fill(&client, Timestamp::now()).await?;
        let basemap = tempfile::tempdir()?;
        let path = basemap.path().join("town.pmtiles");
        let bytes: Vec<u8> = b"PMTiles\x03"
            .iter()
            .copied()
            .chain((0..=255).cycle().take(4_000))
            .collect();
        std::fs::write(&path, bytes)?;
        let config = Config {
            listen: "127.0.0.1:0".parse()?,
            basemap: Some(path),
            secure_cookies: false,
            demo_town: Some(json!({"type": "FeatureCollection", "features": []})),
            channels: homeward_console::Channels {
                push_key: Some("BExample".to_owned()),
                push_hosts: vec!["push.example".to_owned()],
                sms_reports: Some(homeward_console::receipts::Reports {
                    key: b"a key of at least 16".to_vec(),
                    id: "/id".to_owned(),
                    state: "/state".to_owned(),
                    delivered: vec!["delivered".to_owned()],
                    failed: vec!["failed".to_owned()],
                }),
            },
            evidence_key: None,
            patience: alerts::lifecycle::course::Patience::default(),
        };
        let pool = casedb::Database::connect(&database.url, 8).await?;
        let handle = homeward_console::start(config, pool, Arc::new(|| Ok(()))).await?;
        Ok(Some(Self {
            handle,
            database,
            fixture,
            http: reqwest::Client::new(),
            basemap,
        }))
    }

    async fn close(self) -> Result<()> {
        self.handle.shutdown().await;
        drop(self.basemap);
        self.database.drop_now().await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.handle.address)
    }

    async fn try_log_in(&self, username: &str, password: &str) -> Result<Response> {
        let request = self
            .http
            .post(self.url("/api/v1/session"))
            .header("x-homeward-request", "1");
        Ok(request
            .json(&json!({"username": username, "password": password}))
            .send()
            .await?)
    }

    async fn log_in(&self, username: &str) -> Result<Caller<'_>> {
        let response = self.try_log_in(username, PASSWORD).await?;
        assert_eq!(response.status(), StatusCode::OK, "{username}");
        let cookie = response.headers()["set-cookie"].to_str()?.to_owned();
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        let cookie = cookie.split(';').next().context("cookie")?.to_owned();
        Ok(Caller { room: self, cookie })
    }

    async fn sql(&self, sql: &str) -> Result<()> {
        Ok(testkit::connect(&self.database.url).await?.batch_execute(sql).await?)
    }

    async fn number(&self, sql: &str) -> Result<i64> {
        Ok(testkit::connect(&self.database.url)
            .await?
            .query_one(sql, &[])
            .await?
            .get(0))
    }
}

struct Caller<'a> {
    room: &'a Room,
    cookie: String,
}

impl Caller<'_> {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Response> {
        let request = self
            .room
            .http
            .request(method, self.room.url(path))
            .header("cookie", &self.cookie);
        let request = request.header("x-homeward-request", "1");
        Ok(match body {
            Some(body) => request.json(&body),
            None => request,
        }
        .send()
        .await?)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let response = self.send(Method::GET, path, None).await?;
        let (status, text) = (response.status(), response.text().await?);
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    async fn refused(&self, path: &str) -> Result<(u16, String)> {
        error_of(self.send(Method::GET, path, None).await?).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<(u16, Value)> {
        let response = self.send(Method::POST, path, Some(body)).await?;
        Ok((response.status().as_u16(), response.json().await?))
    }

    async fn queue(&self) -> Result<Vec<String>> {
        let list = self.get("/api/v1/incidents").await?;
        let incidents = list["incidents"].as_array().context("incidents")?;
        assert_eq!((&list["total"], &list["next"]), (&json!(incidents.len()), &Value::Null));
        Ok(incidents
            .iter()
            .map(|incident| incident["kind"].as_str().unwrap().to_owned())
            .collect())
    }
}

async fn error_of(response: Response) -> Result<(u16, String)> {
    let status = response.status().as_u16();
    let body: Value = response.json().await?;
    assert!(
        body["error"]["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        "{body}"
    );
    Ok((status, body["error"]["code"].as_str().context("code")?.to_owned()))
}

/// The path with what a reading of positions needs.
fn why(path: &str) -> String {
    format!("{path}?purpose=incident&case=2026-31")
}

/// Opens a room, or leaves the test where there is no database.
macro_rules! room {
    () => {
        match Room::open().await? {
            Some(room) => room,
            None => return Ok(()),
        }
    };
}
use room;

#[tokio::test(flavor = "multi_thread")]
async fn logging_in_and_out() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let session = chen.get("/api/v1/session").await?;
    assert_eq!(session["user"]["role"], "duty_officer");
    assert_eq!(session["user"]["branch"], "police");
    assert_eq!(session["user"]["time_zone"], "Asia/Shanghai");
    assert_eq!(session["basemap"]["url"], "/basemap.pmtiles");

    // The table has no token that opens a session.
    let token = chen.cookie.split('=').nth(1).context("token")?;
    assert_eq!(
        room.number(&format!(
            "SELECT count(*) FROM user_session WHERE encode(token_hash, 'hex') = '{token}'"
        ))
        .await?,
        0
    );

    let wrong = room.try_log_in("chen.yu", "not the password").await?;
    assert_eq!(error_of(wrong).await?, (401, "wrong_credentials".into()));
    let unknown = room.try_log_in("nobody", PASSWORD).await?;
    assert_eq!(error_of(unknown).await?, (401, "wrong_credentials".into()));
    // A name that is no account's (maybe a password in the wrong field) is not written down.
    assert_eq!(
        room.number("SELECT count(*) FROM sign_in_attempt WHERE username = 'nobody'")
            .await?,
        0
    );
    assert_eq!(
        room.number("SELECT count(*) FROM sign_in_attempt WHERE NOT succeeded")
            .await?,
        1
    );

    let left = chen.send(Method::DELETE, "/api/v1/session", None).await?;
    assert_eq!(left.status(), StatusCode::NO_CONTENT);
    assert_eq!(chen.refused("/api/v1/session").await?, (401, "not_logged_in".into()));

    // Sessions end by themselves, and with their account.
    let lind = room.log_in("lind").await?;
    room.sql("UPDATE user_session SET expires_at = now() - interval '1 second'")
        .await?;
    assert_eq!(lind.refused("/api/v1/session").await?.0, 401);
    let novak = room.log_in("novak").await?;
    room.sql("UPDATE app_user SET disabled_at = now() WHERE username = 'novak'")
        .await?;
    assert_eq!(novak.refused("/api/v1/incidents").await?.0, 401);
    assert_eq!(
        room.try_log_in("novak", PASSWORD).await?.status(),
        StatusCode::UNAUTHORIZED
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_slides() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    room.sql(
        "UPDATE user_session SET last_seen_at = now() - interval '1 hour', expires_at = now() + interval '11 hours'",
    )
    .await?;
    chen.get("/api/v1/session").await?;
    let left = room
        .number("SELECT extract(epoch FROM expires_at - now())::int8 FROM user_session")
        .await?;
    assert!((43_100..=43_200).contains(&left), "{left}");
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() -> Result<()> {
    let room = room!();
    for _ in 0..5 {
        assert_eq!(
            room.try_log_in("chen.yu", "guess").await?.status(),
            StatusCode::UNAUTHORIZED
        );
    }
    let sixth = room.try_log_in("chen.yu", PASSWORD).await?;
    assert!(sixth.headers()["retry-after"].to_str()?.parse::<u64>()? > 0);
    assert_eq!(error_of(sixth).await?, (429, "too_many_attempts".into()));
    // Another name from the same address is not held up.
    room.log_in("moreno").await?;
    room.close().await
}

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
async fn the_queue_is_most_urgent_first_and_for_the_own_branch_only() -> Result<()> {
    let room = room!();
    let (chen, moreno) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let police = [
        "exclusion_entry",
        "strap_tamper",
        "curfew_absent_at_start",
        "left_during_curfew",
        "silence",
        "battery_low",
    ];
    assert_eq!(chen.queue().await?, police);
    let social = [
        "strap_tamper",
        "curfew_absent_at_start",
        "left_during_curfew",
        "missed_attendance",
        "silence",
        "battery_low",
    ];
    assert_eq!(moreno.queue().await?, social);
    // An administration sees both; the agency of another town sees its own.
    assert_eq!(room.log_in("lind").await?.queue().await?.len(), 7);
    assert_eq!(room.log_in("inland").await?.queue().await?, ["sos"]);
    // A unit further down the tree sees its own people, not those of the unit above.
    assert_eq!(room.log_in("east").await?.queue().await?, ["strap_tamper"]);

    assert_eq!(chen.get("/api/v1/incidents?state=closed").await?["total"], 0);
    assert_eq!(chen.get("/api/v1/incidents?state=all&limit=2").await?["total"], 6);
    let one = format!("/api/v1/incidents?person_id={}", room.fixture.people[2]);
    assert_eq!(chen.get(&one).await?["total"], 1);
    for bad in ["state=lost", "limit=0", "limit=x", "person_id=7"] {
        assert_eq!(
            chen.refused(&format!("/api/v1/incidents?{bad}")).await?,
            (422, "bad_query".into()),
            "{bad}"
        );
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_the_other_branch_does_not_exist() -> Result<()> {
    let room = room!();
    let (chen, moreno) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let path = |name: &str| format!("/api/v1/incidents/{}", room.fixture.incident(name));
    assert_eq!(moreno.refused(&path("police")).await?, (404, "not_found".into()));
    assert_eq!(chen.refused(&path("social_work")).await?, (404, "not_found".into()));
    for (action, body) in [
        ("acknowledge", json!({})),
        ("notes", json!({"text": "x"})),
        ("close", json!({"code": "test"})),
    ] {
        let (status, _) = moreno.post(&format!("{}/{action}", path("police")), body).await?;
        assert_eq!(status, 404, "{action}");
    }
    // Zones: the police's protected address is not on the social worker's map, and the other way round.
    let labels = |detail: &Value| -> Vec<String> {
        detail["zones"]
            .as_array()
            .unwrap()
            .iter()
            .map(|zone| zone["label"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        labels(&chen.get(&path("both")).await?),
        ["Home", "Protected address 14"]
    );
    assert_eq!(
        labels(&moreno.get(&path("both")).await?),
        ["Home", "Counselling centre"]
    );
    let person = format!("/api/v1/people/{}", room.fixture.people[0]);
    let (for_police, for_social) = (chen.get(&person).await?, moreno.get(&person).await?);
    assert_eq!(for_police["zones"].as_array().map(Vec::len), Some(2));
    assert!(!for_social.to_string().contains("Protected address"), "{for_social}");
    assert!(!for_police.to_string().contains("Counselling"), "{for_police}");

    // An incident for both whose zone only the police may see says nothing of the zone, nor why.
    let zone = room.fixture.police_zone;
    let hidden = room.fixture.incident("both");
    room.sql(&format!(
        "UPDATE incident SET zone_id = '{zone}' WHERE incident_id = '{hidden}';
        UPDATE event SET zone_id = '{zone}' FROM incident_event ie WHERE ie.event_id = event.event_id AND ie.incident_id = '{hidden}'"
    ))
    .await?;
    let detail = moreno.get(&path("both")).await?;
    assert_eq!((&detail["zone"], &detail["events"]), (&Value::Null, &json!([])));
    assert_eq!(
        chen.get(&path("both")).await?["events"].as_array().map(Vec::len),
        Some(1)
    );

    // Notes to the own branch.
    let notes = format!("{}/notes", path("both"));
    assert_eq!(
        chen.post(&notes, json!({"text": "for the police", "audience": "own"}))
            .await?
            .0,
        200
    );
    assert_eq!(
        moreno
            .post(&notes, json!({"text": "for social work", "audience": "own"}))
            .await?
            .0,
        200
    );
    assert_eq!(moreno.post(&notes, json!({"text": "for both"})).await?.0, 200);
    let words = |detail: Value| -> Vec<String> {
        let actions = detail["actions"].as_array().unwrap().clone();
        actions
            .iter()
            .filter(|a| a["action"] == "note")
            .map(|a| a["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(words(chen.get(&path("both")).await?), ["for the police", "for both"]);
    assert_eq!(words(moreno.get(&path("both")).await?), ["for social work", "for both"]);
    assert_eq!(words(room.log_in("lind").await?.get(&path("both")).await?).len(), 3);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_corrected_events_show_as_such() -> Result<()> {
    let room = room!();
    let database = casedb::Database::connect(&room.database.url, 4).await?;
    let made = corrected::fill(&database, &room.fixture, Timestamp::now()).await?;
    let path = |name: &str| {
        let id = made.iter().find(|(other, _)| *other == name).unwrap().1;
        format!("/api/v1/incidents/{id}")
    };
    let chen = room.log_in("chen.yu").await?;
    for (name, late, corrected, withdrawn, ongoing, codes) in [
        ("late", true, false, false, false, vec![]),
        ("moved", false, true, false, false, vec!["moved"]),
        ("withdrawn", false, true, true, false, vec!["moved", "withdrawn"]),
        ("resumed", false, true, false, true, vec!["resumed"]),
    ] {
        let detail = chen.get(&why(&path(name))).await?;
        assert_eq!(
            [
                &detail["late"],
                &detail["corrected"],
                &detail["withdrawn"],
                &detail["ongoing"]
            ],
            [late, corrected, withdrawn, ongoing].map(Value::Bool).each_ref(),
            "{name}"
        );
        assert_eq!(detail["ended_at"].is_null(), withdrawn || ongoing, "{name}");
        assert_eq!(detail["state"], "notified", "only a person closes it");
        let account = detail["actions"].as_array().unwrap();
        let found: Vec<&str> = account.iter().filter_map(|action| action["code"].as_str()).collect();
        assert_eq!(found, codes, "{name}");
        let moved = account.iter().find(|action| action["code"] == "moved");
        assert!(moved.is_none_or(|action| action["ended_at"].is_string()));
        let taken_back = account.iter().find(|action| action["code"] == "withdrawn");
        assert!(
            taken_back.is_none_or(|action| action["ended_at"].is_null()),
            "what did not happen has no end"
        );
        let listed = chen.get("/api/v1/incidents").await?;
        let listed = listed["incidents"].as_array().unwrap();
        let listed = listed
            .iter()
            .find(|other| other["incident_id"] == detail["incident_id"])
            .unwrap();
        assert_eq!(listed["late"], late, "the queue says the same");
        assert_eq!(
            (&listed["corrected"], &listed["withdrawn"]),
            (&json!(corrected), &json!(withdrawn))
        );
    }
    let detail = chen.get(&why(&path("withdrawn"))).await?;
    assert_eq!(detail["events"][3]["withdrawn"], true);
    let onset = &detail["events"][0];
    for (field, value) in [
        ("probability", json!(0.987)),
        ("threshold", json!(0.95)),
        ("model", json!(2)),
        ("fixes_required", json!(3)),
        ("zone_revision", json!(4)),
        ("rules_revision", json!(17)),
        ("time_zone_data", json!("2026b")),
        ("order_id", json!("01994c1e-77aa-7000-8000-000000000042")),
    ] {
        assert_eq!(onset[field], value, "{field}");
    }
    let fix = &onset["fixes"][1];
    assert_eq!(
        (&fix["sigma_m"], &fix["signed_distance_m"]),
        (&json!(9.4 + 1.3), &json!(55.5))
    );
    assert!(["gnss", "cell"].contains(&fix["source"].as_str().unwrap()));
    // What a device says has no probability.
    let clock = room.log_in("moreno").await?.get(&why(&path("clock"))).await?;
    let event = &clock["events"][0];
    for field in ["probability", "threshold", "model", "zone_revision"] {
        assert_eq!(event[field], Value::Null, "{field}");
    }
    room.close().await
}

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
async fn an_incident_is_acknowledged_noted_and_closed() -> Result<()> {
    let room = room!();
    let (chen, okafor) = (room.log_in("chen.yu").await?, room.log_in("okafor").await?);
    let path = format!("/api/v1/incidents/{}", room.fixture.incident("both"));
    let detail = chen.get(&why(&path)).await?;
    assert_eq!(detail["events"][0]["fixes"].as_array().map(Vec::len), Some(3));
    assert!(
        detail["events"][0]["sentence"]
            .as_str()
            .is_some_and(|sentence| sentence.contains("outside the zone"))
    );
    assert!(detail["track"].as_array().is_some_and(|track| track.len() > 20));
    assert_eq!(detail["notifications"][0]["state"], "sent");

    let (status, acknowledged) = chen
        .post(&format!("{path}/acknowledge"), json!({"version": detail["version"]}))
        .await?;
    assert_eq!((status, &acknowledged["state"]), (200, &json!("acknowledged")));
    assert_eq!(acknowledged["acknowledged_by"]["display_name"], "Chen Yu");
    // A second officer is told that the first was faster; the first may press twice.
    let (status, body) = okafor.post(&format!("{path}/acknowledge"), json!({})).await?;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("conflict")));
    assert_eq!(chen.post(&format!("{path}/acknowledge"), json!({})).await?.0, 200);

    let (status, body) = chen.post(&format!("{path}/notes"), json!({"text": "  "})).await?;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("text_required")));
    let (status, body) = chen
        .post(&format!("{path}/notes"), json!({"text": "x".repeat(4_001)}))
        .await?;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("text_too_long")));

    for (body, code) in [
        (json!({}), "code_required"),
        (json!({"code": ""}), "code_required"),
        (json!({"code": "went_home"}), "unknown_code"),
        (json!({"code": "other"}), "text_required"),
        (json!({"code": "other", "text": " "}), "text_required"),
    ] {
        let (status, answer) = chen.post(&format!("{path}/close"), body.clone()).await?;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!(code)), "{body}");
    }
    // Closing what somebody has changed meanwhile is a conflict.
    let (status, body) = chen
        .post(
            &format!("{path}/close"),
            json!({"code": "test", "version": detail["version"]}),
        )
        .await?;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("conflict")));
    let version = chen.get(&path).await?["version"].clone();
    let closing = json!({"code": "returned_compliant", "text": "Back at 21:40", "version": version});
    let (status, closed) = chen.post(&format!("{path}/close"), closing).await?;
    assert_eq!(
        (status, &closed["state"], &closed["closing_code"]),
        (200, &json!("closed"), &json!("returned_compliant"))
    );
    assert_eq!(
        chen.post(&format!("{path}/close"), json!({"code": "test"})).await?.0,
        409
    );
    assert_eq!(chen.post(&format!("{path}/acknowledge"), json!({})).await?.0, 409);
    assert!(!chen.queue().await?.contains(&"left_during_curfew".to_owned()));
    assert_eq!(chen.get("/api/v1/incidents?state=closed").await?["total"], 1);

    let codes = chen.get("/api/v1/closing-codes").await?;
    assert!(codes["codes"].as_array().is_some_and(|codes| {
        codes
            .iter()
            .any(|code| code["code"] == "other" && code["needs_text"] == true)
    }));
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

/// The events of a live stream, read with a time limit.
struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(caller: &Caller<'_>) -> Result<Self> {
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
    async fn next(&mut self, name: &str, patience: Duration) -> Result<Option<Value>> {
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
