//! The console as its users have it: a real database, a real HTTP server, requests over a socket.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "JSON that is not as expected must fail the test"
)]

#[path = "api/accounts.rs"]
mod accounts;
#[path = "api/commands.rs"]
mod commands;
#[path = "api/concerned.rs"]
mod concerned;
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
#[path = "api/hands.rs"]
mod hands;
#[path = "api/incidents.rs"]
mod incidents;
#[path = "api/live.rs"]
mod live;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/once.rs"]
mod once;
#[path = "api/orders.rs"]
mod orders;
#[path = "api/people.rs"]
mod people;
#[path = "api/positions.rs"]
mod positions;
#[path = "api/preview.rs"]
mod preview;
#[path = "api/records.rs"]
mod records;
#[path = "api/roles.rs"]
mod roles;
#[path = "api/routes.rs"]
mod routes;
#[path = "api/session.rs"]
mod session;
#[path = "api/wide.rs"]
mod wide;
#[path = "api/words.rs"]
mod words;
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
use live::Stream;
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
                calls: [alerts::roster::Via::Console, alerts::roster::Via::Sms].into(),
                sms_reports: Some(homeward_console::receipts::Reports {
                    key: b"a key of at least 16".to_vec(),
                    id: "/id".to_owned(),
                    state: "/state".to_owned(),
                    delivered: vec!["delivered".to_owned()],
                    failed: vec!["failed".to_owned()],
                }),
            },
            evidence_key: None,
            partitions: 16,
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
        let (status, text) = (response.status().as_u16(), response.text().await?);
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        };
        Ok((status, body))
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
