//! No way to a position but with purpose and case number, and on record.

use std::time::Duration;

use anyhow::Result;
use homeward_console::router::{Admission, ROUTES};
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use proto::wire;
use reqwest::{Method, StatusCode};
use uuid::Uuid;

use crate::{Caller, Room, fixture::USERS, room, why};

const LATITUDE: f64 = 47.123_456_7;
const LONGITUDE: f64 = 15.765_432_1;

/// How the planted position would look: degrees, their seven places as a number, bytes of a frame, base64 of its text.
const MARKS: [&str; 8] = [
    "47.123",
    "15.765",
    "4712345",
    "1576543",
    "34372e3132",
    "31352e3736",
    "NDcuMTIz",
    "MTUuNzY1",
];

/// Plants one position in everything that may hold one: history, an event's explanation, a frame with its fault, a quarantined report, the
/// words with which a device answered.
async fn plant(room: &Room) -> Result<(Uuid, Uuid, i64)> {
    let client = testkit::connect(&room.database.url).await?;
    let person = room.fixture.people[0];
    client
        .batch_execute("ALTER TABLE event DISABLE TRIGGER USER; ALTER TABLE device_command DISABLE TRIGGER USER")
        .await?;
    let now = Timestamp::now();
    client
        .execute(
            "UPDATE position SET latitude = $2, longitude = $3 WHERE person_id = $1",
            &[&person, &LATITUDE, &LONGITUDE],
        )
        .await?;
    let fix = wire::FixEvidence {
        latitude_e7: 471_234_567,
        longitude_e7: 157_654_321,
        fix_time_us: now.as_microsecond(),
        ..Default::default()
    };
    let event = wire::Event {
        explanation: Some(wire::Explanation {
            sentence: "outside the zone by 90 m (accuracy 8 m) while the time to be inside ran".to_owned(),
            fixes: vec![fix],
            ..Default::default()
        }),
        ..Default::default()
    };
    client
        .execute(
            "UPDATE event SET payload = $2 WHERE person_id = $1",
            &[&person, &event.encode_to_vec()],
        )
        .await?;
    let text = "Lat:47.1234567 Lon:15.7654321";
    let frame: i64 = client
        .query_one(
            "INSERT INTO quarantined_frame (protocol, identity, reason, detail, raw, raw_length)
            SELECT d.protocol, d.identity, 'range', $2, convert_to($2, 'UTF8'), 29 FROM device d JOIN device_assignment a USING (device_id)
            WHERE a.person_id = $1 RETURNING frame_id",
            &[&person, &text],
        )
        .await?
        .get(0);
    client
        .execute(
            "UPDATE quarantined_report SET payload = convert_to($1, 'UTF8')",
            &[&text],
        )
        .await?;
    let command = Uuid::now_v7();
    client
        .execute(
            "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose, case_number, idempotency_key,
                state, outcome, result, created_at, not_before, expires_at, sent_at, acknowledged_at, ended_at)
            SELECT $1, a.device_id, a.person_id, 'locate', '{\"kind\":\"locate\"}', $3, 'duty', 'x', 'k', 'acknowledged', 'done', $4,
                $5::timestamptz, $5, $5 + interval '2 minutes', $5, $5, $5 FROM device_assignment a WHERE a.person_id = $2",
            &[
                &command,
                &person,
                &room.fixture.police,
                &text,
                &(now - SignedDuration::from_mins(5)),
            ],
        )
        .await?;
    Ok((person, command, frame))
}

async fn body(caller: &Caller<'_>, path: &str) -> Result<(StatusCode, String)> {
    let response = caller.send(Method::GET, path, None).await?;
    let status = response.status();
    // Of a live stream what comes in a moment.
    let bytes = tokio::time::timeout(Duration::from_millis(1_500), collected(response)).await;
    Ok((status, String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()))
}

async fn collected(mut response: reqwest::Response) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Ok(Some(more)) = response.chunk().await {
        bytes.extend_from_slice(&more);
        if bytes.len() > 4_000_000 {
            break;
        }
    }
    bytes
}

fn marked(text: &str) -> Option<&'static str> {
    MARKS.into_iter().find(|mark| text.contains(mark))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_gives_a_position_without_a_declaration() -> Result<()> {
    let room = room!();
    let (person, command, frame) = plant(&room).await?;
    let incidents: Vec<String> = room.fixture.incidents.iter().map(|(_, id)| id.to_string()).collect();
    let mut ids = vec![person.to_string(), command.to_string(), frame.to_string()];
    ids.extend(incidents);
    let mut answers = 0;
    for (username, ..) in USERS {
        let caller = room.log_in(username).await?;
        for (method, path, admission) in ROUTES {
            if *method != "get" || *admission == Admission::Public || path.ends_with(".pmtiles") {
                continue;
            }
            let paths: Vec<String> = if path.contains("{id}") {
                ids.iter().map(|id| path.replace("{id}", id)).collect()
            } else {
                vec![(*path).to_owned()]
            };
            for path in paths {
                // With half of what is needed as well.
                for asked in [
                    path.clone(),
                    format!("{path}?purpose=court"),
                    format!("{path}?case=2026-1"),
                    format!("{path}?purpose=court&case=%20"),
                ] {
                    if path.ends_with("/stream") && asked != path {
                        continue;
                    }
                    let (status, text) = body(&caller, &asked).await?;
                    assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{username} {asked}");
                    assert_eq!(marked(&text), None, "{username} {asked}: {text}");
                    answers += u32::from(status.is_success());
                }
            }
        }
    }
    assert!(answers > 200, "{answers}");
    let read = "SELECT count(*) FROM position_access";
    assert_eq!(room.number(read).await?, 0, "nothing was read");

    // The same with purpose and case number is given, and each reading is on record with whose it was.
    let chen = room.log_in("chen.yu").await?;
    let incident = room.fixture.incident("both");
    for (number, path) in [
        format!("/api/v1/people/{person}/track"),
        format!("/api/v1/incidents/{incident}"),
        format!("/api/v1/incidents/{incident}/evidence"),
        format!("/api/v1/quarantine/frames/{frame}"),
        format!("/api/v1/commands/{command}"),
    ]
    .iter()
    .enumerate()
    {
        let (status, text) = body(&chen, &why(path)).await?;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(marked(&text).is_some(), "{path}: {text}");
        assert_eq!(room.number(read).await?, i64::try_from(number)? + 1, "{path}");
    }
    let of = format!("{read} WHERE person_id = '{person}' AND purpose = 'incident' AND case_number = '2026-31'");
    assert_eq!(room.number(&of).await?, 5);
    // Who does not see the person gets nothing for any reason.
    for username in ["inland", "east", "berg", "auditor", "provider"] {
        let caller = room.log_in(username).await?;
        for path in [
            format!("/api/v1/people/{person}/track"),
            format!("/api/v1/incidents/{incident}"),
            format!("/api/v1/incidents/{incident}/evidence"),
            format!("/api/v1/quarantine/frames/{frame}"),
            format!("/api/v1/commands/{command}"),
        ] {
            let (status, text) = body(&caller, &why(&path)).await?;
            assert!([403, 404].contains(&status.as_u16()), "{username} {path}: {status}");
            assert_eq!(marked(&text), None, "{username} {path}");
        }
    }
    assert_eq!(room.number(read).await?, 5);
    room.close().await
}

/// What the database gives to each role by itself: every column that it may read, searched for the planted position.
#[tokio::test(flavor = "multi_thread")]
async fn no_column_that_a_role_may_read_has_a_position() -> Result<()> {
    let room = room!();
    plant(&room).await?;
    let client = testkit::connect(&room.database.url).await?;
    let row = client.query_one("SELECT count(*) FROM access_rules", &[]).await?;
    if row.get::<_, i64>(0) == 0 {
        return room.close().await;
    }
    let mut columns = 0;
    for (username, _, role, _) in USERS {
        let user: Uuid = client
            .query_one("SELECT user_id FROM app_user WHERE username = $1", &[&username])
            .await?
            .get(0);
        let granted = client
            .query(
                "SELECT c.oid::regclass::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
                    AND NOT a.attisdropped
                WHERE c.relkind IN ('r', 'v', 'p', 'm') AND c.relnamespace::regnamespace::text IN ('public', 'pseudonym')
                    AND has_column_privilege('homeward_' || $1, c.oid, a.attnum, 'SELECT')
                    AND has_schema_privilege('homeward_' || $1, c.relnamespace, 'USAGE')",
                &[&role],
            )
            .await?;
        client
            .batch_execute(&format!(
                "BEGIN; SET LOCAL homeward.user_id = '{user}'; SET LOCAL ROLE homeward_{role}"
            ))
            .await?;
        for row in granted {
            let (table, column): (String, String) = (row.get(0), row.get(1));
            let sql = format!("SELECT coalesce(string_agg(\"{column}\"::text, ' '), '') FROM {table}");
            client.batch_execute("SAVEPOINT one").await?;
            let found = client.query_one(&sql, &[]).await;
            client.batch_execute("ROLLBACK TO one").await?;
            // What cannot be read at all tells nothing.
            let Ok(found) = found else { continue };
            columns += 1;
            let text: String = found.get(0);
            assert_eq!(marked(&text), None, "{username} {table}.{column}");
        }
        client.batch_execute("ROLLBACK").await?;
    }
    assert!(columns > 1_000, "{columns}");
    drop(client);
    room.close().await
}
