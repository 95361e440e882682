//! Invented people, zones and incidents, put straight into the tables, for the tests and for developing the page.
#![allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "shared by the tests and an example, each of which uses a part"
)]

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::wire;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

/// The password of every user.
pub const PASSWORD: &str = "harbour-lantern-42";

/// What was made.
#[derive(Debug, Clone)]
pub struct Fixture {
    pub police: Uuid,
    pub social: Uuid,
    pub people: Vec<Uuid>,
    /// By name: `both`, `police`, `social_work`.
    pub incidents: Vec<(&'static str, Uuid)>,
    pub police_zone: Uuid,
}

impl Fixture {
    pub fn incident(&self, name: &str) -> Uuid {
        self.incidents
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, id)| *id)
            .unwrap()
    }
}

/// Username, role, agency path.
pub const USERS: [(&str, &str, &str, &str); 10] = [
    ("chen.yu", "Chen Yu", "duty_officer", "harbour.police"),
    ("moreno", "Ana Moreno", "social_worker", "harbour.social"),
    ("okafor", "Ife Okafor", "supervisor", "harbour.police"),
    ("lind", "Sara Lind", "supervisor", "harbour"),
    ("berg", "Ola Berg", "administrator", "harbour"),
    ("novak", "Jan Novak", "analyst", "harbour.police"),
    ("auditor", "Rui Sato", "auditor", "harbour"),
    ("provider", "Tom Beck", "service_provider", "harbour"),
    ("east", "Mei Lin", "duty_officer", "harbour.police.east"),
    ("inland", "Kim Park", "duty_officer", "inland.police"),
];

const NAMES: [(&str, &str); 8] = [
    ("HB-2031", "Pavel Dorn"),
    ("HB-2044", "Amara Vey"),
    ("HB-2051", "Lu Jian"),
    ("HB-2063", "Teo Brandt"),
    ("HB-2078", "Nadia Ferro"),
    ("HB-2085", "Sun Hao"),
    ("HB-2090", "Ilse Marten"),
    ("HB-2102", "Goran Pell"),
];

/// Fills an empty, migrated database.
pub async fn fill(client: &Client, now: Timestamp) -> Result<Fixture> {
    let hash = casedb::user::hash_password(PASSWORD)?;
    client.batch_execute("BEGIN").await?;
    for (path, name, kind) in [
        ("harbour", "Harbour Correction Office", "administration"),
        ("harbour.police", "Harbour Police", "police"),
        ("harbour.police.east", "Harbour Police, East", "police"),
        ("harbour.social", "Harbour Social Work", "social_work"),
        ("inland", "Inland Office", "administration"),
        ("inland.police", "Inland Police", "police"),
        ("inland.social", "Inland Social Work", "social_work"),
    ] {
        client
            .execute(
                "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ($1, $2::text::ltree, $3, $4, 'Asia/Shanghai')",
                &[&Uuid::now_v7(), &path, &name, &kind],
            )
            .await?;
    }
    let agency = async |path: &str| -> Result<Uuid> {
        Ok(client
            .query_one("SELECT agency_id FROM agency WHERE path = $1::text::ltree", &[&path])
            .await?
            .get(0))
    };
    let mut users = std::collections::BTreeMap::new();
    for (username, name, role, path) in USERS {
        let id = Uuid::now_v7();
        client
            .execute(
                "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES ($1, $2, $3, $4, $5, $6)",
                &[&id, &username, &name, &role, &agency(path).await?, &hash],
            )
            .await?;
        users.insert(username, id);
    }
    let (police, social) = (agency("harbour.police").await?, agency("harbour.social").await?);
    let mut people = Vec::new();
    for (index, (reference, name)) in NAMES.into_iter().enumerate() {
        let id = Uuid::now_v7();
        let (police, social) = if index == 7 {
            (agency("inland.police").await?, agency("inland.social").await?)
        } else if index == 1 {
            (agency("harbour.police.east").await?, social)
        } else {
            (police, social)
        };
        let risk = i16::try_from(index % 4 + 1)?;
        client
            .execute(
                "INSERT INTO person (person_id, reference, display_name, risk_level, police_agency_id, social_agency_id, social_worker_id, time_zone, demo)
                VALUES ($1, $2, $3, $4, $5, $6, $7, 'Asia/Shanghai', true)",
                &[&id, &reference, &name, &risk, &police, &social, &users["moreno"]],
            )
            .await?;
        client
            .execute(
                "INSERT INTO supervision_order (order_id, person_id, legal_basis, grounds, starts_at, ends_at) VALUES ($1, $2, 'Community Correction Act, art. 29', 'Conditional release', $3, $4)",
                &[&Uuid::now_v7(), &id, &(now - SignedDuration::from_hours(24 * 40)), &(now + SignedDuration::from_hours(24 * 140))],
            )
            .await?;
        let device = Uuid::now_v7();
        client
            .execute(
                "INSERT INTO device (device_id, protocol, identity, model) VALUES ($1, 'native', $2, 'Anklet N2')",
                &[&device, &format!("N2-{:05}", 10_000 + index)],
            )
            .await?;
        client
            .execute(
                "INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at) VALUES ($1, $2, $3, $4)",
                &[&Uuid::now_v7(), &device, &id, &(now - SignedDuration::from_hours(24 * 40))],
            )
            .await?;
        client
            .execute(
                "INSERT INTO device_status (device_id, last_seen_at) VALUES ($1, $2)",
                &[&device, &now],
            )
            .await?;
        walk(client, id, device, home(index), now, index).await?;
        people.push(id);
    }
    let mut zones = Vec::new();
    for (index, person) in people.iter().enumerate() {
        let (longitude, latitude) = home(index);
        let id = zone(
            client,
            "Home",
            "inclusion",
            "both",
            json!({"type": "Point", "coordinates": [longitude, latitude]}),
            Some(80.0),
        )
        .await?;
        let weekly: Vec<Value> = (1..=7)
            .map(|day| json!({"weekday": day, "start": "21:00", "end": "06:00"}))
            .collect();
        attach(client, *person, id, Some(json!({ "weekly": weekly })), false).await?;
        zones.push(id);
    }
    let (longitude, latitude) = (120.1545, 30.2745);
    let square = |longitude: f64, latitude: f64, half: f64| {
        json!({"type": "Polygon", "coordinates": [[
            [longitude - half, latitude - half], [longitude + half, latitude - half], [longitude + half * 1.3, latitude + half],
            [longitude - half, latitude + half * 0.8], [longitude - half, latitude - half]]]})
    };
    let police_zone = zone(
        client,
        "Protected address 14",
        "exclusion",
        "police",
        square(longitude, latitude, 0.0018),
        None,
    )
    .await?;
    let social_zone = zone(
        client,
        "Counselling centre",
        "inclusion",
        "social_work",
        square(120.1665, 30.2712, 0.0011),
        None,
    )
    .await?;
    attach(client, people[0], police_zone, None, false).await?;
    attach(client, people[0], social_zone, Some(json!({"weekly": [{"weekday": 2, "start": "14:00", "end": "16:00"}, {"weekday": 4, "start": "14:00", "end": "16:00"}]})), true).await?;

    let mut incidents = Vec::new();
    for (name, person, kind, zone, severity, audience, minutes) in [
        ("both", 0, "left_during_curfew", Some(zones[0]), 2_i16, "both", 22_i64),
        ("police", 0, "exclusion_entry", Some(police_zone), 1, "police", 6),
        (
            "social_work",
            0,
            "missed_attendance",
            Some(social_zone),
            3,
            "social_work",
            190,
        ),
        ("east", 1, "strap_tamper", None, 1, "both", 3),
        ("silence", 2, "silence", None, 3, "both", 47),
        ("battery", 3, "battery_low", None, 4, "both", 95),
        ("late", 4, "curfew_absent_at_start", Some(zones[4]), 2, "both", 34),
        ("inland", 7, "sos", None, 1, "both", 12),
    ] {
        let onset = now - SignedDuration::from_mins(minutes);
        let id = incident(
            client,
            people[person],
            kind,
            zone,
            severity,
            audience,
            onset,
            home(person),
        )
        .await?;
        incidents.push((name, id));
    }
    client
        .batch_execute(
            "INSERT INTO quarantined_device (protocol, identity, reason, attempts, remote_address) VALUES
                ('native', 'N2-99871', 'unknown device', 14, '192.0.2.17:40122'), ('jt808', '013912345678', 'unknown device', 3, '192.0.2.44:51990');
            INSERT INTO quarantined_frame (protocol, identity, reason, detail, raw, raw_length, remote_address) VALUES
                ('jt808', '013800000001', 'checksum', 'expected 0x3f, got 0x40', '\\x7e02000026013800000001000a000000000000000301d5a3b20726f1f5401f00000e2608171418127e', 41, '192.0.2.44:51990'),
                ('native', '', 'length', 'frame of 1195725856 bytes, at most 65536', '\\x47455420', 4, '198.51.100.7:60012')",
        )
        .await?;
    client
        .batch_execute(
            "INSERT INTO quarantined_report (report_id, person_id, device_id, reason, fix_time, received_at, payload)
            SELECT gen_random_uuid(), a.person_id, a.device_id, q.reason, now() - q.off - q.ago, now() - q.ago, ''
            FROM (VALUES ('N2-10002', 'week_rollover', interval '7168 days', interval '1 hour'),
                ('N2-10002', 'week_rollover', interval '7168 days', interval '2 hours'),
                ('N2-10002', 'week_rollover', interval '7168 days', interval '3 days'),
                ('N2-10002', 'week_rollover', interval '7168 days', interval '31 days'),
                ('N2-10003', 'clock_ahead', interval '-9 minutes', interval '20 minutes'),
                ('N2-10007', 'clock_ahead', interval '-3 hours', interval '5 minutes')) AS q (identity, reason, off, ago)
            JOIN device d USING (identity) JOIN device_assignment a USING (device_id)",
        )
        .await?;
    client.batch_execute("COMMIT").await?;
    Ok(Fixture {
        police: users["chen.yu"],
        social: users["moreno"],
        people,
        incidents,
        police_zone,
    })
}

fn home(index: usize) -> (f64, f64) {
    let step = f64::from(u32::try_from(index).unwrap());
    (120.1500 + step * 0.0043, 30.2700 + (step * 1.7).sin() * 0.006)
}

async fn zone(
    client: &Client,
    label: &str,
    kind: &str,
    audience: &str,
    geometry: Value,
    radius: Option<f64>,
) -> Result<Uuid> {
    let id = Uuid::now_v7();
    client
        .execute(
            "INSERT INTO zone (zone_id, label, kind, audience) VALUES ($1, $2, $3, $4)",
            &[&id, &label, &kind, &audience],
        )
        .await?;
    let buffer = if kind == "exclusion" { 60.0 } else { 0.0 };
    client
        .execute(
            "INSERT INTO zone_revision (zone_id, revision, geometry, radius_m, buffer_m) VALUES ($1, 1, $2, $3, $4)",
            &[&id, &geometry, &radius, &buffer],
        )
        .await?;
    Ok(id)
}

async fn attach(client: &Client, person: Uuid, zone: Uuid, schedule: Option<Value>, attendance: bool) -> Result<()> {
    client
        .execute(
            "INSERT INTO person_zone (person_id, zone_id, schedule, attendance) VALUES ($1, $2, $3, $4)",
            &[&person, &zone, &schedule, &attendance],
        )
        .await?;
    Ok(())
}

/// At home, and in the last half hour away from it: a fix a minute, every eleventh by cell.
async fn walk(
    client: &Client,
    person: Uuid,
    device: Uuid,
    home: (f64, f64),
    now: Timestamp,
    index: usize,
) -> Result<()> {
    const SQL: &str = "INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude,
            longitude, valid, source, accuracy_m, speed_kmh, course_deg, satellites, battery_percent, strap, \"case\", motion, alarms, backfill)
        SELECT $1, at, gen_random_uuid(), $2, at + interval '1 second', at + interval '1 second', 240 - m,
            $4 + away * 0.8 + sin(m * 12.9898) * 0.00012, $3 + away + cos(m * 78.233) * 0.00012, true,
            CASE WHEN m % 11 = 0 THEN 3 ELSE 1 END, CASE WHEN m % 11 = 0 THEN 95 ELSE 12 END, 4.2, 48, 9, 68 + m / 12, 1, 1, 1, 0, false
        FROM generate_series(0, 239) m
        CROSS JOIN LATERAL (SELECT $5::timestamptz - make_interval(secs => m * 60 + 7) AS at) t
        CROSS JOIN LATERAL (SELECT CASE WHEN m < 25 AND $6 THEN (25 - m) * 0.00022 ELSE 0 END::float8 AS away) a";
    client
        .execute(SQL, &[&person, &device, &home.0, &home.1, &now, &(index < 5)])
        .await?;
    Ok(())
}

/// One incident with an onset event that explains itself.
#[expect(clippy::too_many_arguments, reason = "a row of a table")]
pub async fn incident(
    client: &Client,
    person: Uuid,
    kind: &str,
    zone: Option<Uuid>,
    severity: i16,
    audience: &str,
    onset: Timestamp,
    home: (f64, f64),
) -> Result<Uuid> {
    let (id, event) = (Uuid::now_v7(), Uuid::now_v7());
    let fixes = (0..3_i32)
        .map(|step| wire::FixEvidence {
            report_id: Uuid::now_v7().as_bytes().to_vec(),
            fix_time_us: onset.as_microsecond() + i64::from(step) * 60_000_000,
            latitude_e7: ((home.1 + f64::from(step + 3) * 0.00022 * 0.8) * 1e7).round() as i32,
            longitude_e7: ((home.0 + f64::from(step + 3) * 0.00022) * 1e7).round() as i32,
            accuracy_m: Some(12.0),
            signed_distance_m: 41.0 + f64::from(step) * 28.5,
            probability: 0.91 + f64::from(step) * 0.04,
            ..Default::default()
        })
        .collect();
    let payload = wire::Event {
        event_id: event.as_bytes().to_vec(),
        explanation: Some(wire::Explanation {
            sentence: "Three fixes in a row lay outside the zone during its schedule: 41, 70 and 98 m beyond the edge, with a probability of 0.99.".into(),
            fixes,
            threshold: 0.95,
            time_zone_data: "2026a".into(),
            fixes_required: 3,
            ..Default::default()
        }),
        ..wire::Event::default()
    };
    client
        .execute(
            "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_id, zone_revision, rules_revision, onset_at, decided_at, late, payload)
            VALUES ($1, $2, $3, $4, 'onset', $5, 1, 1, $6, $6::timestamptz + interval '130 seconds', false, $7)",
            &[&event, &Uuid::now_v7(), &person, &kind, &zone, &onset, &payload.encode_to_vec()],
        )
        .await?;
    client
        .execute(
            "INSERT INTO incident (incident_id, person_id, grouping_key, kind, zone_id, severity, audience, state, onset_at, raised_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, 'notified', $8, $8::timestamptz + interval '131 seconds')",
            &[&id, &person, &format!("{kind}:{zone:?}"), &kind, &zone, &severity, &audience, &onset],
        )
        .await?;
    client
        .execute(
            "INSERT INTO incident_event (incident_id, event_id) VALUES ($1, $2)",
            &[&id, &event],
        )
        .await?;
    client
        .execute(
            "INSERT INTO incident_action (incident_id, action, event_id, acted_at) VALUES ($1, 'raise', $2, $3), ($1, 'notify', NULL, $3)",
            &[&id, &event, &(onset + SignedDuration::from_secs(131))],
        )
        .await?;
    client
        .execute(
            "INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient, state, attempts, sent_at)
            VALUES ($1, $2, $3, $5, 'mail', 'duty@harbour.example', 'sent', 1, $4)",
            &[&Uuid::now_v7(), &Uuid::now_v7().to_string(), &id, &(onset + SignedDuration::from_secs(132)), &event],
        )
        .await?;
    Ok(id)
}
