//! Who changed what orders say: an account of calendars, releases, leave and protection. Rows are only added.
//!
//! Settings are not in it: each change of theirs is a revision with its author (`rules::settings_history`).

use jiff::Timestamp;
use proto::PersonId;
use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, execute, rows},
    text::words,
};

words! {
    /// What was changed.
    What, "sort of change", {
        /// The calendar that a person's schedules go by.
        Calendar = "calendar",
        /// Days added to a calendar.
        Holidays = "holidays",
        /// Days taken out of a calendar.
        HolidaysRemoved = "holidays_removed",
        /// The end of an order.
        Release = "release",
        /// A leave pass.
        Leave = "leave",
        /// A leave pass withdrawn.
        LeaveWithdrawn = "leave_withdrawn",
        /// A distance to keep from a protected person, new or changed.
        KeepAway = "keep_away",
        /// A distance to keep no more.
        KeepAwayRemoved = "keep_away_removed",
        /// A protected person consents.
        Consent = "consent",
        /// A protected person consents no more.
        ConsentWithdrawn = "consent_withdrawn",
        /// A device given to a protected person.
        Device = "device",
        /// Leave asked for.
        LeaveRequested = "leave_requested",
        /// Leave refused.
        LeaveRefused = "leave_refused",
        /// An order drawn up.
        OrderMade = "order_made",
        /// An order or an extension approved.
        OrderApproved = "order_approved",
        /// An order or an extension refused.
        OrderRefused = "order_refused",
        /// A required step of an order done.
        OrderNotice = "order_notice",
        /// An extension asked for.
        OrderExtension = "order_extension",
        /// A review done.
        OrderReview = "order_review",
        /// An order's conditions changed.
        OrderVaried = "order_varied",
        /// An order revoked.
        OrderRevoked = "order_revoked",
        /// What is kept of a person: name, risk, agencies, time zone.
        Person = "person",
    }
}

/// A change as it was noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub changed_at: Timestamp,
    /// By whom: the name to sign in.
    pub changed_by: String,
    /// What.
    pub what: What,
    /// The rest, for people to read; without names and places.
    pub detail: String,
}

const NOTE: &str = "INSERT INTO order_change (changed_by, person_id, what, detail) VALUES ($1, $2, $3, $4)";
const OF_PERSON: &str = "SELECT c.changed_at, u.username, c.what, c.detail
    FROM order_change c JOIN app_user u ON u.user_id = c.changed_by
    WHERE c.person_id = $1 ORDER BY c.change_id";

/// Notes a change, in the transaction that makes it.
pub async fn note(
    transaction: &impl GenericClient,
    changed_by: Uuid,
    person_id: Option<PersonId>,
    what: What,
    detail: &str,
) -> Result<(), Error> {
    let values: [&(dyn postgres_types::ToSql + Sync); 4] =
        [&changed_by, &person_id.map(PersonId::uuid), &what.as_str(), &detail];
    execute(transaction, NOTE, &values).await?;
    Ok(())
}

/// Lists what was changed for a person, oldest first.
pub async fn of_person(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<Change>, Error> {
    let found = rows(client, OF_PERSON, &[&person_id.uuid()]).await?;
    let changes = found.iter().map(|row| {
        Ok(Change {
            changed_at: row.try_get(0)?,
            changed_by: row.try_get(1)?,
            what: row.try_get::<_, &str>(2)?.parse()?,
            detail: row.try_get(3)?,
        })
    });
    changes.collect()
}
