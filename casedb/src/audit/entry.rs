//! One link of the chain, and the bytes that its hash is of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use crate::Error;

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// An entry as it is in the database, in an export, and in an evidence bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainEntry {
    /// Without gaps, from 1.
    pub entry_id: i64,
    /// Microseconds since 1970.
    pub at_us: i64,
    /// `user`, `command` or `system`.
    pub actor_kind: String,
    /// Who.
    pub actor: String,
    /// Role in the database.
    pub actor_role: String,
    /// What.
    pub act: String,
    /// Of which table.
    pub table: String,
    /// Of which row.
    pub key: String,
    /// Which columns changed.
    pub changed: String,
    /// Digest of the row as it was.
    #[serde(with = "optional_hex")]
    pub old_digest: Option<Vec<u8>>,
    /// Digest of the row as it is.
    #[serde(with = "optional_hex")]
    pub new_digest: Option<Vec<u8>>,
    /// More, as JSON.
    pub detail: String,
    /// The hash of the entry before.
    #[serde(with = "hex::serde")]
    pub previous_hash: Vec<u8>,
    /// The entry's own.
    #[serde(with = "hex::serde")]
    pub hash: Vec<u8>,
}

/// The columns of `audit_entry` in the order that [`ChainEntry::read`] wants.
macro_rules! entry_columns {
    () => {
        "entry_id, at, actor_kind, actor, actor_role, act, table_name, row_key, changed, old_digest, new_digest, detail,
        previous_hash, hash"
    };
}
pub(crate) use entry_columns;

impl ChainEntry {
    /// Reads a row of `entry_columns!`.
    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let at: Timestamp = row.try_get(1)?;
        Ok(Self {
            entry_id: row.try_get(0)?,
            at_us: at.as_microsecond(),
            actor_kind: row.try_get(2)?,
            actor: row.try_get(3)?,
            actor_role: row.try_get(4)?,
            act: row.try_get(5)?,
            table: row.try_get(6)?,
            key: row.try_get(7)?,
            changed: row.try_get(8)?,
            old_digest: row.try_get(9)?,
            new_digest: row.try_get(10)?,
            detail: row.try_get(11)?,
            previous_hash: row.try_get(12)?,
            hash: row.try_get(13)?,
        })
    }

    /// The hash that the entry must have.
    pub fn computed(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(&self.previous_hash);
        let mut field = |value: Option<&str>| match value {
            Some(value) => {
                hasher.update(value.len().to_string());
                hasher.update(":");
                hasher.update(value);
                hasher.update(",");
            }
            None => hasher.update("-,"),
        };
        field(Some("homeward-audit-1"));
        field(Some(&self.entry_id.to_string()));
        field(Some(&self.at_us.to_string()));
        for text in [
            &self.actor_kind,
            &self.actor,
            &self.actor_role,
            &self.act,
            &self.table,
            &self.key,
            &self.changed,
        ] {
            field(Some(text));
        }
        field(self.old_digest.as_ref().map(hex::encode).as_deref());
        field(self.new_digest.as_ref().map(hex::encode).as_deref());
        field(Some(&self.detail));
        hasher.finalize().into()
    }
}

mod optional_hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_str(&hex::encode(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| hex::decode(text).map_err(D::Error::custom)).transpose()
    }
}
