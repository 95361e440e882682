//! A country's open incidents, in SQL.

use anyhow::{Context, Result};
use tokio_postgres::Client;
use uuid::Uuid;

const WORLD: &str = include_str!("world.sql");
/// Filled without the triggers: these are rows as the triggers leave them, and a chain of a million links is another bench's matter.
const TABLES: [&str; 8] = [
    "agency",
    "app_user",
    "person",
    "supervision_order",
    "zone",
    "incident",
    "incident_action",
    "incident_event",
];
/// Into the queue as the alert workers put it, and told as they tell it.
const RAISE: &str = "WITH raised AS (
        INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, ongoing, onset_at, raised_at, version)
        VALUES ($1, $2, 'bench-new-' || $1::uuid::text, 'strap_tamper', 1, 'both', 'notified', true, now(), now(), 2) RETURNING *
    ), acted AS (
        INSERT INTO incident_action (incident_id, action, acted_at)
        SELECT incident_id, word.action, raised_at FROM raised, (VALUES (1, 'raise'), (2, 'notify')) AS word (place, action)
    )
    SELECT pg_notify('homeward_incident', json_build_object('incident_id', r.incident_id, 'version', r.version, 'change', 'raised',
        'number', r.number, 'audience', r.audience, 'police_agency_id', p.police_agency_id, 'social_agency_id', p.social_agency_id)::text)
    FROM raised r JOIN person p USING (person_id)";
const SEEN_BY: &str = "SELECT u.username FROM person p JOIN agency pa ON pa.agency_id = p.police_agency_id
        JOIN agency sa ON sa.agency_id = p.social_agency_id, app_user u JOIN agency a USING (agency_id)
    WHERE p.person_id = $1 AND (a.kind <> 'social_work' AND pa.path <@ a.path OR a.kind <> 'police' AND sa.path <@ a.path)";

/// The users, from who sees everything to who sees least.
pub const USERS: [&str; 7] = [
    "nation",
    "province",
    "social",
    "supervisor",
    "county",
    "social-county",
    "station",
];

/// How many people have so many incidents.
pub fn people(incidents: u32) -> u32 {
    (incidents * 2 / 5).max(400)
}

/// Fills a migrated, empty database.
pub async fn fill(client: &mut Client, incidents: u32) -> Result<()> {
    let sql = WORLD
        .replace("{incidents}", &incidents.to_string())
        .replace("{people}", &people(incidents).to_string());
    let transaction = client.transaction().await?;
    for (what, of) in [("DISABLE", "before"), ("", ""), ("ENABLE", "after")] {
        if what.is_empty() {
            transaction.batch_execute(&sql).await.context("the bench's people")?;
            continue;
        }
        for table in TABLES {
            let switch = format!("ALTER TABLE {table} {what} TRIGGER USER");
            transaction
                .batch_execute(&switch)
                .await
                .with_context(|| format!("triggers, {of}"))?;
        }
    }
    transaction.commit().await?;
    Ok(client.batch_execute("VACUUM ANALYZE").await?)
}

/// Person number `n`.
pub fn person(n: u32) -> Uuid {
    Uuid::from_u128(0x0c00_0000_0000_7000_9000_0000_0000_0000 | u128::from(n))
}

/// Who sees a person's incidents of both branches.
pub async fn seen_by(client: &Client, person: Uuid) -> Result<Vec<String>> {
    let rows = client.query(SEEN_BY, &[&person]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Raises an incident.
pub async fn raise(client: &Client, incident: Uuid, person: Uuid) -> Result<()> {
    client.execute(RAISE, &[&incident, &person]).await?;
    Ok(())
}
