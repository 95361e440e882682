//! Devices as people ask for them.

use jiff::Timestamp;
use proto::DeviceId;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, optional, rows},
};

/// A device for people: everything but its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id.
    pub device_id: Uuid,
    /// `native`, `jt808`, …
    pub protocol: String,
    /// As the protocol carries it.
    pub identity: String,
    /// For people.
    pub model: String,
    /// Name of its profile; empty: the default of its protocol.
    pub profile: String,
    /// Networks from which it may speak; none: from anywhere.
    pub networks: Vec<String>,
    /// True when it must prove who it is (native), or show a code (JT/T 808).
    pub has_secret: bool,
    /// A next key waits for the device to confirm it, until then.
    pub next_secret_until: Option<Timestamp>,
    /// When its key was last changed.
    pub secret_changed_at: Option<Timestamp>,
    /// Case reference of the supervised person who wears it; of a protected person only that there is one.
    pub wearer: Option<String>,
    /// When a gateway last heard of it.
    pub last_seen_at: Option<Timestamp>,
    /// Which gateway.
    pub gateway: Option<String>,
    /// When it was taken out of use.
    pub retired_at: Option<Timestamp>,
}

impl Listed {
    /// Its id.
    pub fn id(&self) -> DeviceId {
        DeviceId::new(self.device_id)
    }
}

macro_rules! listed {
    ($rest:literal) => {
        concat!(
            "SELECT d.device_id, d.protocol, d.identity, d.model, d.profile, d.allowed_networks::text[],
                d.secret IS NOT NULL, d.next_secret_until, d.secret_changed_at,
                CASE WHEN a.protected_id IS NOT NULL THEN 'a protected person' ELSE p.reference END,
                s.last_seen_at, s.gateway, d.retired_at
            FROM device d
            LEFT JOIN device_assignment a ON a.device_id = d.device_id AND a.ended_at IS NULL
            LEFT JOIN person p ON p.person_id = a.person_id
            LEFT JOIN device_status s ON s.device_id = d.device_id ",
            $rest
        )
    };
}

const LIST: &str = listed!(
    "WHERE ($1::text IS NULL OR d.protocol = $1) AND ($2 OR d.retired_at IS NULL)
    ORDER BY d.protocol, d.identity LIMIT $3"
);
const BY_ID: &str = listed!("WHERE d.device_id = $1");
const BY_NAME: &str =
    listed!("WHERE d.identity = ANY ($1) AND ($2::text IS NULL OR d.protocol = $2) ORDER BY d.protocol LIMIT 5");

/// Lists devices, of one protocol or of all.
pub async fn list(
    client: &impl GenericClient,
    protocol: Option<&str>,
    retired: bool,
    limit: i64,
) -> Result<Vec<Listed>, Error> {
    let found = rows(client, LIST, &[&protocol, &retired, &limit]).await?;
    found.iter().map(listed).collect()
}

/// Finds devices by what somebody types: an id, an identity, or `protocol:identity`.
pub async fn find(client: &impl GenericClient, text: &str) -> Result<Vec<Listed>, Error> {
    let text = text.trim();
    if let Ok(id) = Uuid::try_parse(text) {
        let found = optional(client, BY_ID, &[&id]).await?;
        return found.iter().map(listed).collect();
    }
    let (protocol, name) = match text.split_once(':') {
        Some((protocol, name)) => (Some(protocol), name),
        None => (None, text),
    };
    let mut names: Vec<String> = ["native", "jt808", "gt06"]
        .into_iter()
        .filter(|known| protocol.is_none_or(|protocol| protocol == *known || *known == "gt06"))
        .map(|known| super::canonical_identity(known, name))
        .collect();
    names.dedup();
    let found = rows(client, BY_NAME, &[&names, &protocol]).await?;
    found.iter().map(listed).collect()
}

fn listed(row: &Row) -> Result<Listed, Error> {
    Ok(Listed {
        device_id: row.try_get(0)?,
        protocol: row.try_get(1)?,
        identity: row.try_get(2)?,
        model: row.try_get(3)?,
        profile: row.try_get(4)?,
        networks: row.try_get(5)?,
        has_secret: row.try_get(6)?,
        next_secret_until: row.try_get(7)?,
        secret_changed_at: row.try_get(8)?,
        wearer: row.try_get(9)?,
        last_seen_at: row.try_get(10)?,
        gateway: row.try_get(11)?,
        retired_at: row.try_get(12)?,
    })
}
