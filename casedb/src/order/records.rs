//! What is on record of an order. Rows are only added.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::priority;
use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// An order's state as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Revision {
    /// Counts up for the order.
    pub revision: i64,
    /// Since when it is known.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// Who, by the name to sign in; null: the program.
    pub recorded_by: Option<String>,
    /// `created`, `activated`, `extended`, `shortened`, `varied`, `reviewed`, `revoked`, `changed` or `backfilled`.
    pub what: String,
    /// Why.
    pub reason: String,
    /// The law profile.
    pub profile: String,
    /// The law and the decision.
    pub legal_basis: String,
    /// Why, in words.
    pub grounds: String,
    /// Why, in codes of the profile.
    pub ground_codes: Vec<String>,
    /// What it demands besides zones and schedules.
    pub conditions: String,
    /// Start of the term.
    #[schema(value_type = String, format = DateTime)]
    pub starts_at: Timestamp,
    /// End of the term.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// Begin of the stretch in which it is in force; null: it has not taken effect.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub in_force_from: Option<Timestamp>,
    /// Without a review until then it is not in force.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lapses_at: Option<Timestamp>,
}

impl Revision {
    /// The stretch in which the order is in force, `from..until`, as this revision has it.
    pub fn term(&self) -> Option<(Timestamp, Timestamp)> {
        let from = self.in_force_from?;
        let until = [self.revoked_at, self.lapses_at]
            .into_iter()
            .flatten()
            .fold(self.ends_at, Timestamp::min);
        (from < until).then_some((from, until))
    }
}

/// An approval or a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Approval {
    /// The extension; null: the order itself.
    pub extension_id: Option<Uuid>,
    /// `approved` or `refused`.
    pub decision: String,
    /// Who, by the name to sign in; of a court's decision: who entered it.
    pub decided_by: String,
    /// Their role then.
    pub role: String,
    /// Their agency then.
    pub agency: String,
    /// Its level then.
    pub agency_level: Option<String>,
    /// The court; empty: a user decided.
    pub court: String,
    /// The reference of the decision.
    pub reference: String,
    /// Why.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub decided_at: Timestamp,
}

/// An extension that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Extension {
    /// Its id.
    pub extension_id: Uuid,
    /// The end before.
    #[schema(value_type = String, format = DateTime)]
    pub from_end: Timestamp,
    /// The end asked for.
    #[schema(value_type = String, format = DateTime)]
    pub to_end: Timestamp,
    /// Why.
    pub reason: String,
    /// By whom.
    pub requested_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// What keeps it from moving the end, with the source of each demand; empty: it has moved it.
    pub lacks: Vec<String>,
}

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Notice {
    /// The extension; null: the order itself.
    pub extension_id: Option<Uuid>,
    /// `notice_signed`, `notice_given`, `copy_sent` or `written_order`.
    pub step: String,
    /// To whom.
    pub given_to: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub done_at: Timestamp,
    /// Of the document in the file.
    pub reference: String,
    /// Who entered it.
    pub recorded_by: String,
}

/// A review, due or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Review {
    /// Its id.
    pub review_id: Uuid,
    /// `periodic`, `device_fault` or `asked`.
    pub kind: String,
    /// When it is due.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// What made it necessary.
    pub cause: String,
    /// `continue`, `vary` or `end`; null: it is not done.
    pub outcome: Option<String>,
    /// What was found.
    pub note: String,
    /// Who did it.
    pub done_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub done_at: Option<Timestamp>,
    /// When the next is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_due_at: Option<Timestamp>,
}

const REVISIONS: &str =
    "SELECT r.order_id, r.revision, r.recorded_at, u.username, r.what, r.reason, r.profile, r.legal_basis, r.grounds,
        r.ground_codes, r.conditions, r.starts_at, r.ends_at, r.revoked_at,
        CASE WHEN r.effective_from IS NOT NULL THEN GREATEST(r.starts_at, r.effective_from) END, r.lapses_at
    FROM order_revision r LEFT JOIN app_user u ON u.user_id = r.recorded_by
    WHERE r.person_id = $1 AND r.recorded_at <= $2 ORDER BY r.order_id, r.revision";
const APPROVALS: &str =
    "SELECT a.order_id, a.extension_id, a.decision, u.username, a.role, g.name, a.agency_level, a.court, a.reference,
        a.reason, a.decided_at
    FROM order_approval a JOIN supervision_order o USING (order_id) JOIN app_user u ON u.user_id = a.decided_by
    JOIN agency g ON g.agency_id = a.agency_id
    WHERE o.person_id = $1 AND a.recorded_at <= $2 ORDER BY a.recorded_at, a.approval_id";
const EXTENSIONS: &str = "SELECT e.order_id, e.extension_id, e.from_end, e.to_end, e.reason, u.username, e.requested_at
    FROM order_extension e JOIN supervision_order o USING (order_id) JOIN app_user u ON u.user_id = e.requested_by
    WHERE o.person_id = $1 AND e.recorded_at <= $2 ORDER BY e.recorded_at, e.extension_id";
const NOTICES: &str = "SELECT n.order_id, n.step, n.given_to, n.done_at, n.reference, u.username, n.extension_id
    FROM order_notice n JOIN supervision_order o USING (order_id) JOIN app_user u ON u.user_id = n.recorded_by
    WHERE o.person_id = $1 AND n.recorded_at <= $2 ORDER BY n.recorded_at, n.notice_id";
/// A review that was done later was still open as it was known then.
const REVIEWS: &str = "SELECT r.order_id, r.review_id, r.kind, r.due_at, r.cause,
        CASE WHEN known THEN r.outcome END, CASE WHEN known THEN r.note ELSE '' END, CASE WHEN known THEN u.username END,
        CASE WHEN known THEN r.done_at END, CASE WHEN known THEN r.next_due_at END
    FROM order_review r JOIN supervision_order o USING (order_id) LEFT JOIN app_user u ON u.user_id = r.done_by
    CROSS JOIN LATERAL (SELECT COALESCE(r.done_recorded_at <= $2, false) AS known) k
    WHERE o.person_id = $1 AND r.opened_at <= $2 ORDER BY r.due_at, r.review_id";
const PAST_TERMS: &str = "SELECT order_id, starts_at, ends_at FROM order_past_term
    WHERE person_id = $1 AND recorded_at <= $2 ORDER BY past_term_id";

/// Records of a person's orders, each with the order that it is of, as they were known at a time.
pub(super) struct Records {
    pub(super) revisions: Vec<(Uuid, Revision)>,
    pub(super) approvals: Vec<(Uuid, Approval)>,
    pub(super) extensions: Vec<(Uuid, Extension)>,
    pub(super) notices: Vec<(Uuid, Notice)>,
    pub(super) reviews: Vec<(Uuid, Review)>,
    pub(super) past_terms: Vec<(Uuid, (Timestamp, Timestamp))>,
    pub(super) priorities: Vec<(Uuid, priority::Priorities)>,
}

impl Records {
    pub(super) async fn read(client: &impl GenericClient, person: Uuid, known_at: Timestamp) -> Result<Self, Error> {
        Ok(Self {
            revisions: all(client, REVISIONS, person, known_at, revision).await?,
            approvals: all(client, APPROVALS, person, known_at, approval).await?,
            extensions: all(client, EXTENSIONS, person, known_at, extension).await?,
            notices: all(client, NOTICES, person, known_at, notice).await?,
            reviews: all(client, REVIEWS, person, known_at, review).await?,
            past_terms: all(client, PAST_TERMS, person, known_at, |row| {
                Ok((row.try_get(1)?, row.try_get(2)?))
            })
            .await?,
            priorities: all(client, priority::REVISIONS, person, known_at, priority::revision).await?,
        })
    }
}

async fn all<T>(
    client: &impl GenericClient,
    sql: &'static str,
    person: Uuid,
    known_at: Timestamp,
    of: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<(Uuid, T)>, Error> {
    let found = rows(client, sql, &[&person, &known_at]).await?;
    found.iter().map(|row| Ok((row.try_get(0)?, of(row)?))).collect()
}

fn revision(row: &Row) -> Result<Revision, Error> {
    Ok(Revision {
        revision: row.try_get(1)?,
        recorded_at: row.try_get(2)?,
        recorded_by: row.try_get(3)?,
        what: row.try_get(4)?,
        reason: row.try_get(5)?,
        profile: row.try_get(6)?,
        legal_basis: row.try_get(7)?,
        grounds: row.try_get(8)?,
        ground_codes: row.try_get(9)?,
        conditions: row.try_get(10)?,
        starts_at: row.try_get(11)?,
        ends_at: row.try_get(12)?,
        revoked_at: row.try_get(13)?,
        in_force_from: row.try_get(14)?,
        lapses_at: row.try_get(15)?,
    })
}

fn approval(row: &Row) -> Result<Approval, Error> {
    Ok(Approval {
        extension_id: row.try_get(1)?,
        decision: row.try_get(2)?,
        decided_by: row.try_get(3)?,
        role: row.try_get(4)?,
        agency: row.try_get(5)?,
        agency_level: row.try_get(6)?,
        court: row.try_get(7)?,
        reference: row.try_get(8)?,
        reason: row.try_get(9)?,
        decided_at: row.try_get(10)?,
    })
}

fn extension(row: &Row) -> Result<Extension, Error> {
    Ok(Extension {
        extension_id: row.try_get(1)?,
        from_end: row.try_get(2)?,
        to_end: row.try_get(3)?,
        reason: row.try_get(4)?,
        requested_by: row.try_get(5)?,
        requested_at: row.try_get(6)?,
        // Told by the profile, beside the approvals and steps ([`super::asof`]).
        lacks: Vec::new(),
    })
}

fn notice(row: &Row) -> Result<Notice, Error> {
    Ok(Notice {
        step: row.try_get(1)?,
        given_to: row.try_get(2)?,
        done_at: row.try_get(3)?,
        reference: row.try_get(4)?,
        recorded_by: row.try_get(5)?,
        extension_id: row.try_get(6)?,
    })
}

fn review(row: &Row) -> Result<Review, Error> {
    Ok(Review {
        review_id: row.try_get(1)?,
        kind: row.try_get(2)?,
        due_at: row.try_get(3)?,
        cause: row.try_get(4)?,
        outcome: row.try_get(5)?,
        note: row.try_get(6)?,
        done_by: row.try_get(7)?,
        done_at: row.try_get(8)?,
        next_due_at: row.try_get(9)?,
    })
}
