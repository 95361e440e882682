//! `homeward breach-pack`: what a court needs of a person's violations in an interval, as JSON and as a page to print.

mod page;

use std::{fs::File, io::Write};

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient, authority,
    history::events,
    leave, note, order,
    person::Person,
    violation::{self, Violation},
};
use jiff::{Timestamp, tz::TimeZone};
use prost::Message;
use proto::wire;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{orders, reading::Reader};
use crate::{cli::people::BreachPackArgs, config::Config};

/// More violations than this are not for one pack.
const MOST: i64 = 10_000;
/// What a pack is made of.
const PARTS: [&str; 2] = ["breach.json", "breach.html"];

const INCIDENTS: &str = "SELECT to_jsonb(i) FROM incident i
    WHERE i.person_id = $1 AND i.audience = ANY ($2) AND i.onset_at < $4 AND COALESCE(i.ended_at, i.closed_at, 'infinity') >= $3
    ORDER BY i.number";
const ACTIONS: &str = "SELECT to_jsonb(a) || jsonb_build_object('user', u.display_name)
    FROM incident_action a LEFT JOIN app_user u USING (user_id)
    WHERE a.incident_id = $1 AND a.audience = ANY ($2) ORDER BY a.action_id";
const EVENTS: &str =
    "SELECT e.payload FROM event e WHERE e.violation_id = $1 ORDER BY e.decided_at, e.stored_at, e.event_id";
const ZONES: &str = "SELECT zone_id, label FROM zone WHERE zone_id = ANY ($1) AND audience = ANY ($2)";

pub async fn run(config: Config, mut arguments: BreachPackArgs) -> Result<()> {
    let now = Timestamp::now();
    arguments.reading.purpose.get_or_insert(crate::cli::Purpose::Court);
    // Before anything is read: a reading is on record, a pack that cannot be written is none.
    for name in PARTS {
        let path = arguments.out.join(name);
        if path.exists() {
            bail!("{} is there already; give --out another folder", path.display());
        }
    }
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client
        .build_transaction()
        .read_only(false)
        .start()
        .await
        .context("transaction")?;
    let reader = Reader::of(&transaction, &arguments.reading, &authority::BREACH).await?;
    let person = orders::person(&transaction, &arguments.person).await?;
    reader.must_see(&transaction, &person).await?;
    let zone = orders::time_zone(&person)?;
    let since = arguments.since.in_zone(&zone).context("--since")?;
    let until = arguments
        .until
        .map(|until| until.in_zone(&zone))
        .transpose()
        .context("--until")?;
    let until = until.unwrap_or(now);
    if until <= since {
        bail!("--until {until} is not after --since {since}");
    }
    reader
        .record(&transaction, person.person_id, &format!("breach pack {since}/{until}"))
        .await?;
    let pack = gather(&transaction, &reader, &person, (since, until)).await?;
    transaction.commit().await.context("commit")?;
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let text = serde_json::to_string_pretty(&pack)? + "\n";
    let page = page::html(&pack, &zone);
    for (name, content) in PARTS.into_iter().zip([text, page]) {
        let path = arguments.out.join(name);
        let file = File::create_new(&path).and_then(|mut file| file.write_all(content.as_bytes()));
        file.with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

async fn gather(
    client: &impl GenericClient,
    reader: &Reader,
    person: &Person,
    (since, until): (Timestamp, Timestamp),
) -> Result<Value> {
    let id = person.person_id;
    let audiences = reader.audiences();
    let orders = order::of_person(client, id).await?;
    let orders = orders
        .into_iter()
        .filter(|order| order.starts_at < until && order.valid_until() > since);
    let orders: Vec<Value> = orders
        .map(|order| {
            json!({ "order_id": order.order_id.uuid(), "legal_basis": order.legal_basis, "grounds": order.grounds,
                "starts_at": order.starts_at, "ends_at": order.ends_at, "revoked_at": order.revoked_at })
        })
        .collect();
    let found = violation::of_person(client, id, audiences, (since, until), MOST).await?;
    let labels = labels(client, &found, audiences).await?;
    let mut violations = Vec::new();
    for found in found.iter().rev() {
        violations.push(one(client, found, &labels).await?);
    }
    let mut incidents = Vec::new();
    for row in client
        .query(INCIDENTS, &[&id.uuid(), &audiences, &since, &until])
        .await?
    {
        let mut incident: Value = row.try_get(0)?;
        let incident_id: Uuid = serde_json::from_value(incident.get("incident_id").cloned().unwrap_or_default())?;
        let actions = client.query(ACTIONS, &[&incident_id, &audiences]).await?;
        let actions = actions
            .iter()
            .map(|row| Ok(row.try_get(0)?))
            .collect::<Result<Vec<Value>>>()?;
        if let Some(members) = incident.as_object_mut() {
            members.insert("actions".to_owned(), actions.into());
        }
        incidents.push(incident);
    }
    let mut notes = note::of_person(client, id, audiences, (since, until), MOST).await?;
    notes.reverse();
    let passes = leave::of_person(client, id, since).await?;
    let passes = passes.into_iter().filter(|pass| pass.starts_at < until);
    let passes: Vec<Value> = passes
        .map(|pass| {
            json!({ "leave_id": pass.leave_id, "starts_at": pass.starts_at, "ends_at": pass.ends_at, "reason": pass.reason,
                "approved_by": pass.approved_by, "withdrawn_at": pass.withdrawn_at })
        })
        .collect();
    Ok(json!({
        "format": "homeward-breach-pack", "version": 1,
        "person": { "person_id": id.uuid(), "reference": person.reference, "display_name": person.display_name,
            "risk_level": person.risk_level, "time_zone": person.time_zone },
        "since": since, "until": until, "made_at": Timestamp::now(), "made_by": reader.name(),
        "orders": orders, "violations": violations, "incidents": incidents, "notes": notes, "leave": passes,
    }))
}

async fn labels(client: &impl GenericClient, found: &[Violation], audiences: &[&str]) -> Result<Map<String, Value>> {
    let zones: Vec<Uuid> = found.iter().filter_map(|violation| violation.zone_id).collect();
    let rows = client.query(ZONES, &[&zones, &audiences]).await?;
    let mut labels = Map::new();
    for row in rows {
        labels.insert(
            row.try_get::<_, Uuid>(0)?.to_string(),
            row.try_get::<_, String>(1)?.into(),
        );
    }
    Ok(labels)
}

/// A violation with every decision on it, and every event with its explanation. Of a protected person nothing is told.
async fn one(client: &impl GenericClient, found: &Violation, labels: &Map<String, Value>) -> Result<Value> {
    let decisions = violation::history(client, found.violation_id).await?;
    let mut told = Vec::new();
    for row in client.query(EVENTS, &[&found.violation_id]).await? {
        let payload: Vec<u8> = row.try_get(0)?;
        let mut event = wire::Event::decode(payload.as_slice()).context("event")?;
        if matches!(
            event.kind(),
            wire::EventKind::Proximity | wire::EventKind::ProximityWarning
        ) && let Some(explanation) = &mut event.explanation
        {
            let person = proto::PersonId::from_wire(&event.person_id).context("person of the event")?;
            let own = events::own_fixes(client, person, &explanation.fixes).await?;
            explanation
                .fixes
                .retain(|fix| own.iter().any(|report| report.as_bytes() == fix.report_id.as_slice()));
            for fix in &mut explanation.fixes {
                fix.signed_distance_m = f64::NAN;
            }
        }
        told.push(serde_json::from_str::<Value>(&engine::replay::line(&event)).context("event")?);
    }
    let mut object = serde_json::to_value(found)?;
    if let Some(members) = object.as_object_mut() {
        members.insert("decisions".to_owned(), serde_json::to_value(decisions)?);
        members.insert("events".to_owned(), told.into());
        let label = found.zone_id.and_then(|zone| labels.get(&zone.to_string()).cloned());
        members.insert("zone_label".to_owned(), label.unwrap_or_default());
    }
    Ok(object)
}

/// A time of the pack for people to read, in the person's time zone.
fn local(value: Option<&Value>, zone: &TimeZone) -> String {
    let Some(text) = value.and_then(Value::as_str) else {
        return "-".to_owned();
    };
    text.parse::<Timestamp>()
        .map_or_else(|_| text.to_owned(), |at| orders::local(at, zone))
}
