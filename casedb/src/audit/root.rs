//! Signed states of the chain, in the database and, if wanted, in a file outside of it.

use std::{fs, io::Write as _, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

use super::{
    entry::Hash,
    key::{Key, PublicKey},
    merkle::Tree,
};
use crate::{
    Error, GenericClient,
    pool::{execute, optional, rows},
};

/// A signed state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The last entry.
    pub through_id: i64,
    /// The first entry of the tree.
    pub first_id: i64,
    /// The hash of the last entry.
    #[serde(with = "hex::serde")]
    pub hash: Hash,
    /// The root of the tree over the hashes of the entries.
    #[serde(with = "hex::serde")]
    pub tree: Hash,
    /// When it was signed, microseconds since 1970.
    pub at_us: i64,
    /// Which key.
    pub key_id: String,
    /// The key's public half.
    #[serde(with = "hex::serde")]
    pub public_key: [u8; 32],
    /// The signature of [`Root::message`].
    #[serde(with = "hex::serde")]
    pub signature: Vec<u8>,
}

macro_rules! root_columns {
    () => {
        "through_id, first_id, hash, tree, at, key_id, public_key, signature"
    };
}

impl Root {
    /// What is signed.
    pub fn message(&self) -> String {
        format!(
            "homeward-root-1\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.first_id,
            self.through_id,
            hex::encode(self.hash),
            hex::encode(self.tree),
            self.at_us,
            self.key_id
        )
    }

    /// True when the signature is of this state and of this key.
    pub fn is_signed(&self) -> bool {
        let key = PublicKey::new(self.public_key);
        key.id() == self.key_id && key.verifies(self.message().as_bytes(), &self.signature)
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let bytes = |at: usize| -> Result<Hash, Error> {
            let bytes: Vec<u8> = row.try_get(at)?;
            bytes
                .try_into()
                .map_err(|_| Error::Configuration("a hash of audit_root is not of 32 bytes".to_owned()))
        };
        let at: Timestamp = row.try_get(4)?;
        Ok(Self {
            through_id: row.try_get(0)?,
            first_id: row.try_get(1)?,
            hash: bytes(2)?,
            tree: bytes(3)?,
            at_us: at.as_microsecond(),
            key_id: row.try_get(5)?,
            public_key: bytes(6)?,
            signature: row.try_get(7)?,
        })
    }
}

/// All roots, oldest first.
pub async fn all(client: &impl GenericClient) -> Result<Vec<Root>, Error> {
    const SQL: &str = concat!("SELECT ", root_columns!(), " FROM audit_root ORDER BY through_id");
    rows(client, SQL, &[]).await?.iter().map(Root::read).collect()
}

/// The newest root.
pub async fn last(client: &impl GenericClient) -> Result<Option<Root>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        root_columns!(),
        " FROM audit_root ORDER BY through_id DESC LIMIT 1"
    );
    optional(client, SQL, &[]).await?.as_ref().map(Root::read).transpose()
}

/// The root whose tree has an entry; `None`: not signed yet.
pub async fn of_entry(client: &impl GenericClient, entry_id: i64) -> Result<Option<Root>, Error> {
    const SQL: &str = concat!(
        "SELECT ",
        root_columns!(),
        " FROM audit_root WHERE through_id >= $1 ORDER BY through_id LIMIT 1"
    );
    optional(client, SQL, &[&entry_id])
        .await?
        .as_ref()
        .map(Root::read)
        .transpose()
}

/// The hashes of entries, oldest first.
pub async fn hashes(client: &impl GenericClient, first: i64, through: i64) -> Result<Vec<Hash>, Error> {
    const SQL: &str = "SELECT hash FROM audit_entry WHERE entry_id BETWEEN $1 AND $2 ORDER BY entry_id";
    let found = rows(client, SQL, &[&first, &through]).await?;
    found
        .iter()
        .map(|row| {
            let bytes: Vec<u8> = row.try_get(0)?;
            bytes
                .try_into()
                .map_err(|_| Error::Configuration("a hash of audit_entry is not of 32 bytes".to_owned()))
        })
        .collect()
}

/// How many entries are hashed into a tree between two questions.
const PAGE: i64 = 50_000;

/// Signs the state of the chain; `None` when everything is signed already. To be called in a transaction, by one at a time.
pub async fn sign(client: &impl GenericClient, key: &Key, now: Timestamp) -> Result<Option<Root>, Error> {
    const HEAD: &str = "SELECT entry_id, hash FROM audit_head FOR UPDATE";
    const INSERT: &str = "INSERT INTO audit_root (through_id, first_id, hash, tree, at, key_id, public_key, signature)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let Some(head) = optional(client, HEAD, &[]).await? else {
        return Err(Error::Configuration(
            "the end of the audit chain is not in audit_head".to_owned(),
        ));
    };
    let through_id: i64 = head.try_get(0)?;
    let hash: Vec<u8> = head.try_get(1)?;
    let first_id = last(client).await?.map_or(0, |root| root.through_id) + 1;
    if through_id < first_id {
        return Ok(None);
    }
    let mut tree = Tree::default();
    let mut from = first_id;
    while from <= through_id {
        let to = (from + PAGE - 1).min(through_id);
        for hash in hashes(client, from, to).await? {
            tree.push(&hash);
        }
        from = to + 1;
    }
    let public = key.public();
    let mut root = Root {
        through_id,
        first_id,
        hash: hash
            .try_into()
            .map_err(|_| Error::Configuration("the hash of audit_head is not of 32 bytes".to_owned()))?,
        tree: tree.root().unwrap_or_default(),
        at_us: now.as_microsecond(),
        key_id: public.id(),
        public_key: *public.bytes(),
        signature: Vec::new(),
    };
    root.signature = key.sign(root.message().as_bytes()).to_vec();
    let at = Timestamp::from_microsecond(root.at_us).unwrap_or(now);
    execute(
        client,
        INSERT,
        &[
            &root.through_id,
            &root.first_id,
            &root.hash.as_slice(),
            &root.tree.as_slice(),
            &at,
            &root.key_id,
            &root.public_key.as_slice(),
            &root.signature,
        ],
    )
    .await?;
    Ok(Some(root))
}

/// Adds a root to a file, one JSON object a line.
pub fn anchor(path: &Path, root: &Root) -> Result<(), Error> {
    let told = |error: std::io::Error| Error::Configuration(format!("anchor file {}: {error}", path.display()));
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(told)?;
    let line = serde_json::to_string(root).map_err(|error| Error::Input(error.to_string()))?;
    file.write_all(format!("{line}\n").as_bytes()).map_err(told)?;
    file.sync_all().map_err(told)
}

/// Reads the roots of a file.
pub fn anchors(path: &Path) -> Result<Vec<Root>, Error> {
    let told = |error: String| Error::Configuration(format!("anchor file {}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).map_err(|error| told(error.to_string())))
        .collect()
}
