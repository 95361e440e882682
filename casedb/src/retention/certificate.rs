//! What is said of a deletion: never the data.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Plan;
use crate::{
    Error,
    pool::{GenericClient, execute, optional, rows},
};

/// Rows that went, of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Of which table.
    pub table: String,
    /// How many rows of the person.
    pub rows: i64,
    /// Of them, in days that were dropped as a whole.
    pub in_whole_days: i64,
}

/// A stretch that was due, and on which basis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The order.
    pub order_id: Uuid,
    /// Its law profile.
    pub profile: String,
    /// The law, or the setting.
    pub source: String,
    /// How long after the end, as ISO 8601.
    pub after_end: String,
    /// The stretch.
    pub starts_at: Timestamp,
    /// Its end.
    pub ends_at: Timestamp,
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its number.
    pub certificate_id: Uuid,
    /// When.
    pub made_at: Timestamp,
    /// Whose data.
    pub person_id: Uuid,
    /// The program's version.
    pub program: String,
    /// On which basis.
    pub basis: Vec<Basis>,
    /// Everything else about the person went too: their last order ended so long ago (ISO 8601).
    pub record_after_end: Option<String>,
    /// No order ever was in force: that long after the person was entered, or the last draft was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_in_force: bool,
    /// What.
    pub deleted: Vec<Gone>,
}

const OPEN: &str =
    "SELECT table_name, sum(rows_gone)::int8, coalesce(sum(rows_gone) FILTER (WHERE whole_day IS NOT NULL), 0)::int8
    FROM deletion_item WHERE person_id = $1 AND certificate_id IS NULL GROUP BY table_name ORDER BY table_name";
const KEEP: &str = "INSERT INTO deletion_certificate (certificate_id, person_id, made_at, content, digest) VALUES ($1, $2, $3, $4, $5)";
const CLOSE: &str = "UPDATE deletion_item SET certificate_id = $2 WHERE person_id = $1 AND certificate_id IS NULL";
const READ: &str = "SELECT content, digest FROM deletion_certificate WHERE certificate_id = $1";
const RECENT: &str =
    "SELECT content, digest FROM deletion_certificate ORDER BY made_at DESC, certificate_id DESC LIMIT $1";

/// Certifies what was deleted of a person since the last certificate; `None`: nothing was.
pub(super) async fn certify(
    client: &impl GenericClient,
    plan: &Plan,
    record_after_end: Option<String>,
    now: Timestamp,
) -> Result<Option<Certificate>, Error> {
    let mut deleted = Vec::new();
    for row in rows(client, OPEN, &[&plan.person_id]).await? {
        deleted.push(Gone {
            table: row.try_get(0)?,
            rows: row.try_get(1)?,
            in_whole_days: row.try_get(2)?,
        });
    }
    if deleted.is_empty() {
        return Ok(None);
    }
    let due = plan.terms.iter().filter(|term| term.due_at <= now);
    let certificate = Certificate {
        certificate_id: Uuid::now_v7(),
        made_at: now,
        person_id: plan.person_id,
        program: format!("homeward {}", env!("CARGO_PKG_VERSION")),
        basis: due
            .map(|term| Basis {
                order_id: term.order_id,
                profile: term.profile.clone(),
                source: term.source.clone(),
                after_end: term.after_end.clone(),
                starts_at: term.starts_at,
                ends_at: term.ends_at,
            })
            .collect(),
        record_after_end,
        never_in_force: plan.terms.is_empty(),
        deleted,
    };
    let content = serde_json::to_string(&certificate).map_err(|error| Error::Input(error.to_string()))?;
    let digest = Sha256::digest(&content).to_vec();
    let values: [&(dyn postgres_types::ToSql + Sync); 5] =
        [&certificate.certificate_id, &plan.person_id, &now, &content, &digest];
    execute(client, KEEP, &values).await?;
    execute(client, CLOSE, &[&plan.person_id, &certificate.certificate_id]).await?;
    Ok(Some(certificate))
}

/// Reads a certificate, and whether its digest is that of its content.
pub async fn read(client: &impl GenericClient, certificate_id: Uuid) -> Result<(Certificate, String, bool), Error> {
    let found = optional(client, READ, &[&certificate_id]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("deletion certificate", certificate_id))?)
}

/// The newest certificates.
pub async fn recent(client: &impl GenericClient, limit: i64) -> Result<Vec<Certificate>, Error> {
    let found = rows(client, RECENT, &[&limit]).await?;
    found.iter().map(|row| Ok(from_row(row)?.0)).collect()
}

fn from_row(row: &tokio_postgres::Row) -> Result<(Certificate, String, bool), Error> {
    let (content, digest): (String, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
    let certificate = serde_json::from_str(&content)
        .map_err(|error| Error::Configuration(format!("deletion certificate: {error}")))?;
    let right = Sha256::digest(&content).as_slice() == digest;
    let digest = digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok((certificate, digest, right))
}

impl Certificate {
    /// For printing.
    pub fn text(&self, digest: &str) -> String {
        let mut text = format!(
            "Certificate of deletion\n\nnumber   {}\nmade     {}\nperson   {}\nprogram  {}\n\nBasis\n",
            self.certificate_id, self.made_at, self.person_id, self.program
        );
        for basis in &self.basis {
            let _ = writeln!(
                text,
                "  order {}, {} to {}: {} after its end ({}, {})",
                basis.order_id, basis.starts_at, basis.ends_at, basis.after_end, basis.profile, basis.source
            );
        }
        if let Some(after_end) = &self.record_after_end {
            let since = if self.never_in_force {
                "the person was entered, or the last draft of an order was over; no order ever was in force"
            } else {
                "the end of the last order"
            };
            let _ = writeln!(
                text,
                "  everything else: {after_end} after {since} (the installation's setting)"
            );
        }
        text.push_str("\nDeleted\n");
        for gone in &self.deleted {
            let _ = writeln!(text, "  {:<24} {:>12} rows", gone.table, gone.rows);
        }
        let _ = writeln!(text, "\nSHA-256 of the certificate's content\n  {digest}");
        text
    }
}
