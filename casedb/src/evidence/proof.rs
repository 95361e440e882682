//! Rows of record with what the audit says of them, and the proof that it was signed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Error, GenericClient,
    audit::{
        entry::{ChainEntry, Hash, entry_columns},
        merkle,
        root::{self, Root},
    },
    pool::{optional, row as one_row, rows},
    user::{Branch, User},
    view::IncidentDetail,
};

/// An entry under a signed root.
#[derive(Debug, Clone, Serialize)]
pub struct ProvedEntry {
    /// The entry.
    pub entry: ChainEntry,
    /// The last entry of the root that it is under; `None`: not signed yet.
    pub root: Option<i64>,
    /// Siblings from the entry up to the root: which side they stand on, and their hash.
    pub path: Vec<(&'static str, String)>,
}

/// A row of record.
#[derive(Debug, Clone, Serialize)]
pub struct ProvedRow {
    /// Of which table.
    pub table: &'static str,
    /// Its key as JSON.
    pub key: String,
    /// The row as it is; `None`: there is something in it that the user may not see.
    pub content: Option<String>,
    /// The salt of its digest.
    pub salt: Option<String>,
    /// What was done to it, oldest first.
    pub entries: Vec<ProvedEntry>,
}

/// All of them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Proofs {
    /// Roots that the entries are under.
    pub roots: Vec<Root>,
    /// The rows.
    pub rows: Vec<ProvedRow>,
}

impl Proofs {
    /// True when a signed root stands over every entry.
    pub(super) fn are_signed(&self) -> bool {
        let entries = self.rows.iter().flat_map(|row| &row.entries);
        entries.into_iter().all(|proved| proved.root.is_some())
    }

    /// The rows of a table that are shown.
    pub(super) fn contents(&self, table: &str) -> Vec<Value> {
        let of_table = self.rows.iter().filter(|row| row.table == table);
        of_table
            .filter_map(|row| serde_json::from_str(row.content.as_deref()?).ok())
            .collect()
    }
}

/// Rows of a table by what belongs to the incident: key and content of each.
macro_rules! rows_of {
    ($table:literal, $key:literal, $from:literal) => {
        concat!(
            "SELECT jsonb_build_object(",
            $key,
            ")::text, to_jsonb(t)::text FROM ",
            $table,
            " t WHERE ",
            $from,
            " ORDER BY 1"
        )
    };
}

const INCIDENT: &str = rows_of!("incident", "'incident_id', t.incident_id", "t.incident_id = $1");
const ACTIONS: &str = rows_of!(
    "incident_action",
    "'action_id', t.action_id",
    "t.incident_id = $1 AND t.action_id = ANY ($2)"
);
const EVENTS: &str = rows_of!("event", "'event_id', t.event_id", "t.event_id = ANY ($1)");
const NOTIFICATIONS: &str = rows_of!(
    "notification",
    "'notification_id', t.notification_id",
    "t.incident_id = $1"
);
const ORDERS: &str = rows_of!("supervision_order", "'order_id', t.order_id", "t.order_id = ANY ($1)");
const ZONES: &str = rows_of!(
    "zone_revision",
    "'zone_id', t.zone_id, 'revision', t.revision",
    "t.zone_id = $1 AND t.revision = ANY ($2)"
);
const RULES: &str = rows_of!(
    "rules_revision",
    "'person_id', t.person_id, 'revision', t.revision",
    "t.person_id = $1 AND t.revision = ANY ($2)"
);

/// Reads the rows that belong to an incident. What the user may not see has its entries, and no content.
pub(super) async fn gather(
    client: &impl GenericClient,
    user: &User,
    incident_id: Uuid,
    person_id: Option<Uuid>,
    orders: &[Uuid],
    detail: &IncidentDetail,
) -> Result<Proofs, Error> {
    const SETTINGS: &str = "SELECT set_config('timezone', 'UTC', true), set_config('extra_float_digits', '1', true),
        set_config('bytea_output', 'hex', true), set_config('intervalstyle', 'postgres', true)";
    const HIDDEN: &str = "SELECT EXISTS (SELECT FROM person_zone p JOIN zone z USING (zone_id)
            WHERE p.person_id = $1 AND z.audience <> ALL ($2))
        OR EXISTS (SELECT FROM proximity WHERE person_id = $1), (SELECT zone_id FROM incident WHERE incident_id = $3)";
    rows(client, SETTINGS, &[]).await?;
    let audiences: &[&str] = match user.branch {
        Branch::Police => &["police", "both"],
        Branch::SocialWork => &["social_work", "both"],
        Branch::Administration => &["police", "social_work", "both"],
    };
    let hidden = one_row(client, HIDDEN, &[&person_id, &audiences, &incident_id]).await?;
    let rules_hidden: bool = hidden.try_get(0)?;
    let zone_id: Option<Uuid> = hidden.try_get(1)?;
    let zone_seen = zone_id.is_none() || detail.fields.zone.is_some();
    let actions: Vec<i64> = detail.actions.iter().map(|action| action.action_id).collect();
    // Of nearness, an event's own words may say where a protected person was: their content stays away.
    let near = |kind: &str| kind.starts_with("proximity");
    let (near, open): (Vec<_>, Vec<_>) = detail.events.iter().partition(|event| near(&event.kind));
    let ids = |events: &[&crate::view::EventRow]| -> Vec<Uuid> { events.iter().map(|event| event.event_id).collect() };
    let words = super::reads_words(user);
    let zone_revisions: Vec<i64> = detail.events.iter().filter_map(|event| event.zone_revision).collect();
    let rules: Vec<i64> = detail.events.iter().map(|event| event.rules_revision).collect();

    let mut gathering = Gathering::default();
    let found = rows(client, INCIDENT, &[&incident_id]).await?;
    gathering.take(client, "incident", &found, zone_seen && words).await?;
    let found = rows(client, ACTIONS, &[&incident_id, &actions]).await?;
    gathering.take(client, "incident_action", &found, words).await?;
    let found = rows(client, EVENTS, &[&ids(&open)]).await?;
    gathering.take(client, "event", &found, true).await?;
    let found = rows(client, EVENTS, &[&ids(&near)]).await?;
    gathering.take(client, "event", &found, false).await?;
    let found = rows(client, NOTIFICATIONS, &[&incident_id]).await?;
    gathering
        .take(client, "notification", &found, super::sees_all(user))
        .await?;
    let found = rows(client, ORDERS, &[&orders]).await?;
    gathering.take(client, "supervision_order", &found, words).await?;
    if let Some(zone) = &detail.fields.zone {
        let found = rows(client, ZONES, &[&zone.zone_id, &zone_revisions]).await?;
        gathering.take(client, "zone_revision", &found, words).await?;
    }
    if let Some(person_id) = person_id {
        let found = rows(client, RULES, &[&person_id, &rules]).await?;
        gathering
            .take(client, "rules_revision", &found, !rules_hidden && words)
            .await?;
    }
    let roots = gathering.roots.into_values().map(|(root, _)| root).collect();
    Ok(Proofs {
        roots,
        rows: gathering.rows,
    })
}

#[derive(Default)]
struct Gathering {
    rows: Vec<ProvedRow>,
    /// By the last entry: the root and the hashes of its tree.
    roots: BTreeMap<i64, (Root, Vec<Hash>)>,
}

impl Gathering {
    async fn take(
        &mut self,
        client: &impl GenericClient,
        table: &'static str,
        found: &[tokio_postgres::Row],
        shown: bool,
    ) -> Result<(), Error> {
        const ENTRIES: &str = concat!(
            "SELECT ",
            entry_columns!(),
            " FROM audit_entry WHERE table_name = $1 AND row_key = $2 ORDER BY entry_id"
        );
        const SALT: &str = "SELECT salt FROM audit_row WHERE table_name = $1 AND row_key = $2";
        for row in found {
            let key: String = row.try_get(0)?;
            let content: String = row.try_get(1)?;
            let salt: Option<Vec<u8>> = match optional(client, SALT, &[&table, &key]).await? {
                Some(row) => Some(row.try_get(0)?),
                None => None,
            };
            let mut entries = Vec::new();
            for row in rows(client, ENTRIES, &[&table, &key]).await? {
                entries.push(self.prove(client, ChainEntry::read(&row)?).await?);
            }
            // A change that is not chained yet has no entry: then the row cannot be compared with the last one.
            let fresh = entries.last().is_some_and(|last| {
                salt.as_deref()
                    .is_some_and(|salt| Some(digest(salt, &content)) == last.entry.new_digest)
            });
            let shown = shown && fresh;
            self.rows.push(ProvedRow {
                table,
                key,
                content: shown.then_some(content),
                salt: salt.filter(|_| shown).map(hex::encode),
                entries,
            });
        }
        Ok(())
    }

    async fn prove(&mut self, client: &impl GenericClient, entry: ChainEntry) -> Result<ProvedEntry, Error> {
        let id = entry.entry_id;
        let known = self
            .roots
            .range(id..)
            .next()
            .filter(|(_, (root, _))| root.first_id <= id);
        let through = match known {
            Some((through, _)) => Some(*through),
            None => match root::of_entry(client, id).await? {
                Some(root) => {
                    let hashes = root::hashes(client, root.first_id, root.through_id).await?;
                    let through = root.through_id;
                    self.roots.insert(through, (root, hashes));
                    Some(through)
                }
                None => None,
            },
        };
        let steps = through
            .and_then(|through| self.roots.get(&through))
            .and_then(|(root, hashes)| {
                let at = usize::try_from(id - root.first_id).ok()?;
                merkle::proof(hashes, at)
            });
        let path = steps.unwrap_or_default();
        Ok(ProvedEntry {
            entry,
            root: through,
            path: path
                .into_iter()
                .map(|(left, hash)| (if left { "left" } else { "right" }, hex::encode(hash)))
                .collect(),
        })
    }
}

fn digest(salt: &[u8], content: &str) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    Sha256::new()
        .chain_update(salt)
        .chain_update(content)
        .finalize()
        .to_vec()
}
