//! Evidence of an incident: an archive that proves itself offline. `docs/evidence.md` has the format.

mod archive;
mod face;
mod geojson;
mod page;
mod proof;
mod words;

use std::collections::BTreeMap;

use alerts::Locale;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Database, Error,
    access::{self, Access, Purpose},
    audit::{
        self, Entry,
        sealer::{self, Signer},
    },
    pool::{optional, row, rows},
    user::{Branch, Role, User},
    view::{self, IncidentDetail},
};
pub use proof::{Proofs, ProvedRow};

/// The program that verifies a bundle; a copy is in each.
pub const VERIFIER: &str = include_str!("../../docs/verify/homeward-verify.py");

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// By whom: the bundle has what this user sees, and nothing else.
    pub user: &'a User,
    /// Of which incident.
    pub incident_id: Uuid,
    /// Why.
    pub purpose: Purpose,
    /// For which case.
    pub case_number: &'a str,
    /// Language of the pages.
    pub locale: Locale,
    /// When.
    pub now: Timestamp,
}

/// An order or a device assignment, as it stands beside the incident.
type Rows = Vec<Value>;

/// Everything that a bundle is made of.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// The number that people say.
    pub number: i64,
    /// Who asked, why, when.
    pub asked: Value,
    /// The incident as the user sees it, without the track.
    pub incident: Value,
    /// Orders that its events stand on, and those that were in force from its beginning to its end.
    pub orders: Rows,
    /// Devices that the person wore.
    pub devices: Rows,
    /// Revisions of the rules that its events were decided by.
    pub rules: Rows,
    /// Zones as they were when the events were decided.
    pub zones: Rows,
    /// Rows of record with their entries and proofs.
    pub proofs: Proofs,
    #[serde(skip)]
    detail: IncidentDetail,
    #[serde(skip)]
    locale: Locale,
    /// Of the person, or of the user where the incident is nobody's.
    #[serde(skip)]
    time_zone: String,
}

/// What stands beside the incident, read as the program.
struct Beside {
    proofs: Proofs,
    orders: Rows,
    devices: Rows,
    time_zone: Option<String>,
}

/// Reads what a user may see of an incident, and writes the reading down. `None`: there is none, or the user may not see it.
///
/// Where something of it is under no signed root yet and there is a signer, one is signed (and anchored): a bundle of what is signed
/// already signs nothing.
pub async fn gather(
    database: &Database,
    asked: &Asked<'_>,
    signer: Option<&Signer>,
) -> Result<Option<Evidence>, Error> {
    let mut client = database.client().await?;
    let user_id = asked.user.user_id;
    // As the user: the rules of the rows hold, and the reading is on record before anything is read.
    let mut transaction = access::begin(&mut client, asked.user).await?;
    let Some(span) = view::incident_span(&transaction, user_id, asked.incident_id).await? else {
        return Ok(None);
    };
    let person_id = span.person_id;
    let (from, to) = view::around_incident(span.onset_at, span.ended_at, asked.now);
    if let Some(person_id) = person_id {
        let access = Access {
            user_id,
            person_id,
            purpose: asked.purpose,
            case_number: asked.case_number,
            scope: &format!("evidence of incident {}", span.number),
        };
        let declared = access::declare(&transaction, &access, from, to).await?;
        transaction.commit().await?;
        transaction = access::begin(&mut client, asked.user).await?;
        declared.name(&transaction).await?;
    }
    let Some(mut detail) = view::incident(&transaction, user_id, asked.incident_id).await? else {
        return Ok(None);
    };
    if let Some(person_id) = person_id {
        let track = view::track(&transaction, user_id, person_id, from, to).await?;
        detail.track = track.fixes;
        detail.track_truncated = track.truncated;
    }
    transaction.commit().await?;
    let number = detail.fields.number;

    sealer::seal_waiting(database).await?;
    let mut beside = stand_beside(&mut client, asked, person_id, &detail, true).await?;
    if let Some(signer) = signer
        && !beside.proofs.are_signed()
    {
        match signer.sign(database).await {
            Ok(_) => beside = stand_beside(&mut client, asked, person_id, &detail, false).await?,
            // The bundle then says itself which entries are not signed yet.
            Err(error) => tracing::warn!(%error, "the audit chain was not signed for a bundle"),
        }
    }
    let Beside {
        proofs,
        orders,
        devices,
        time_zone,
    } = beside;
    let zones = zones(&detail, &proofs);
    let rules = rules(&detail, &proofs);
    let mut shown = detail.clone();
    shown.track = Vec::new();
    Ok(Some(Evidence {
        number,
        asked: json!({
            "user": asked.user.display_name,
            "agency": asked.user.agency_name,
            "purpose": asked.purpose.name(),
            "case_number": asked.case_number,
            "at": asked.now,
        }),
        incident: serde_json::to_value(&shown).map_err(|error| Error::Input(error.to_string()))?,
        orders,
        devices,
        rules,
        zones,
        proofs,
        detail,
        locale: asked.locale,
        time_zone: time_zone.unwrap_or_else(|| asked.user.time_zone.clone()),
    }))
}

/// As the program: the audit is nobody's to read; what of it belongs to what the user has just seen is taken here. `tell` writes the
/// making of the bundle down.
async fn stand_beside(
    client: &mut deadpool_postgres::ClientWrapper,
    asked: &Asked<'_>,
    person_id: Option<Uuid>,
    detail: &IncidentDetail,
    tell: bool,
) -> Result<Beside, Error> {
    const USER: &str = "SELECT set_config('homeward.user_id', $1, true)";
    const TIME_ZONE: &str = "SELECT time_zone FROM person WHERE person_id = $1";
    let user_id = asked.user.user_id;
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await?;
    if tell {
        let id = asked.incident_id.to_string();
        let entry = Entry {
            act: "evidence",
            table: "incident",
            key: &id,
            detail: json!({"user_id": user_id, "purpose": asked.purpose.name()}),
        };
        row(&transaction, USER, &[&user_id.to_string()]).await?;
        audit::append(&transaction, &entry).await?;
    }
    let mut order_ids: Vec<Uuid> = detail.events.iter().filter_map(|event| event.order_id).collect();
    let (mut devices, mut time_zone) = (Vec::new(), None);
    if let Some(person_id) = person_id {
        order_ids.extend(in_force(&transaction, person_id, detail, asked.now).await?);
        devices = worn(&transaction, person_id, detail.fields.onset_at).await?;
        let found = optional(&transaction, TIME_ZONE, &[&person_id]).await?;
        time_zone = found.map(|row| row.try_get(0)).transpose()?;
    }
    order_ids.sort_unstable();
    order_ids.dedup();
    let orders = orders(&transaction, asked.user, &order_ids).await?;
    let proofs = proof::gather(
        &transaction,
        asked.user,
        asked.incident_id,
        person_id,
        &order_ids,
        detail,
    )
    .await?;
    transaction.commit().await?;
    Ok(Beside {
        proofs,
        orders,
        devices,
        time_zone,
    })
}

/// The person's orders in force at some time from the incident's beginning to its end.
async fn in_force(
    client: &impl crate::GenericClient,
    person_id: Uuid,
    detail: &IncidentDetail,
    now: Timestamp,
) -> Result<Vec<Uuid>, Error> {
    const SQL: &str =
        "SELECT DISTINCT order_id FROM order_term WHERE person_id = $1 AND starts_at <= $3 AND ends_at >= $2";
    let from = detail.fields.onset_at;
    let to = detail.fields.ended_at.unwrap_or(now).max(from);
    let found = rows(client, SQL, &[&person_id, &from, &to]).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

async fn orders(client: &impl crate::GenericClient, user: &User, ids: &[Uuid]) -> Result<Rows, Error> {
    const SQL: &str = "SELECT to_jsonb(t) - $2::text[] FROM supervision_order t WHERE order_id = ANY ($1)
        ORDER BY starts_at, order_id";
    let hidden: &[&str] = if reads_words(user) {
        &[]
    } else {
        &["grounds", "conditions", "legal_basis"]
    };
    let found = rows(client, SQL, &[&ids, &hidden]).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Finds an incident by the number that people say.
pub async fn by_number(client: &impl crate::GenericClient, number: i64) -> Result<Option<Uuid>, Error> {
    const SQL: &str = "SELECT incident_id FROM incident WHERE number = $1";
    let found = optional(client, SQL, &[&number]).await?;
    Ok(found.map(|row| row.try_get(0)).transpose()?)
}

/// The zone of the incident at each revision that an event was decided by, with its label where the user sees it.
fn zones(detail: &IncidentDetail, proofs: &Proofs) -> Rows {
    let label = |zone: &Value| {
        let id = zone.get("zone_id").and_then(Value::as_str).unwrap_or_default();
        let known = detail.zones.iter().find(|shape| shape.zone_id.to_string() == id);
        known.map(|shape| (shape.label.clone(), shape.kind.clone()))
    };
    let mut zones = proofs.contents("zone_revision");
    for zone in &mut zones {
        if let (Some((label, kind)), Some(members)) = (label(zone), zone.as_object_mut()) {
            members.insert("label".to_owned(), label.into());
            members.insert("kind".to_owned(), kind.into());
        }
    }
    zones
}

fn rules(detail: &IncidentDetail, proofs: &Proofs) -> Rows {
    let mut revisions: Vec<i64> = detail.events.iter().map(|event| event.rules_revision).collect();
    revisions.sort_unstable();
    revisions.dedup();
    let known = proofs.contents("rules_revision");
    revisions
        .into_iter()
        .map(|revision| {
            let found = known
                .iter()
                .find(|row| row.get("revision").and_then(Value::as_i64) == Some(revision));
            match found {
                Some(row) => json!({
                    "revision": revision,
                    "since": row.get("appended_at"),
                    "homeward_v1_rules": row.get("payload"),
                }),
                // Other zones of the person are in it that this user does not see, or it has not been stored yet.
                None => json!({"revision": revision, "since": null, "homeward_v1_rules": null}),
            }
        })
        .collect()
}

async fn worn(client: &impl crate::GenericClient, person_id: Uuid, at: Timestamp) -> Result<Rows, Error> {
    // Neither keys nor networks: what the device is, and from when until when it was worn.
    const SQL: &str = "SELECT jsonb_build_object('device_id', d.device_id, 'protocol', d.protocol, 'identity', d.identity, 'model', d.model,
            'assigned_at', a.assigned_at, 'ended_at', a.ended_at)
        FROM device_assignment a JOIN device d USING (device_id)
        WHERE a.person_id = $1 AND (a.ended_at IS NULL OR a.ended_at >= $2) ORDER BY a.assigned_at, d.device_id";
    let found = rows(client, SQL, &[&person_id, &at]).await?;
    found.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

impl Evidence {
    /// The files of the bundle but the manifest, by name. The same for the same data, byte by byte.
    pub fn files(&self) -> Result<BTreeMap<&'static str, Vec<u8>>, Error> {
        fn text(value: &Value) -> Vec<u8> {
            let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
            text.push(b'\n');
            text
        }
        let told = |error: serde_json::Error| Error::Input(error.to_string());
        let mut files = BTreeMap::new();
        files.insert("incident.json", text(&self.incident));
        files.insert("orders.json", text(&json!(self.orders)));
        files.insert("devices.json", text(&json!(self.devices)));
        files.insert("rules.json", text(&json!(self.rules)));
        files.insert("zones.geojson", text(&geojson::zones(&self.zones)));
        let fixes = serde_json::to_value(&self.detail.track).map_err(told)?;
        files.insert(
            "fixes.json",
            text(&json!({"truncated": self.detail.track_truncated, "fixes": fixes})),
        );
        files.insert("fixes.geojson", text(&geojson::fixes(&self.detail.track)));
        files.insert("audit.json", text(&serde_json::to_value(&self.proofs).map_err(told)?));
        files.insert("homeward-verify.py", VERIFIER.as_bytes().to_vec());
        files.insert("README.txt", words::README.as_bytes().to_vec());
        let hashes = archive::hashes(&files);
        files.insert("evidence.pdf", page::write(self, &self.detail, &hashes, self.locale));
        Ok(files)
    }

    /// The whole bundle: a ZIP archive, signed where there is a key.
    pub fn archive(&self, key: Option<&audit::key::Key>) -> Result<Vec<u8>, Error> {
        archive::write(self, &self.files()?, key)
    }
}

/// True when a branch sees everything of a person.
fn sees_all(user: &User) -> bool {
    user.branch == Branch::Administration && reads_words(user)
}

/// Analysts read nothing that somebody wrote about a person, nor whom messages went to (`access::rules`).
fn reads_words(user: &User) -> bool {
    user.role != Role::Analyst
}
