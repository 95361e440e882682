//! Settings that no zone carries: intervals, grace, and how sure the engine must be. Every change is a revision that is kept.

use jiff::Timestamp;
use proto::{
    OrderId, PersonId, Revision,
    rules::{OperatingPoints, PointLimits},
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, Refused,
    pool::{GenericClient, execute, optional, row, rows},
};

/// Settings of a person's rules; seconds and probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What the device is set to.
    pub reporting_interval_s: i32,
    /// Silence is raised this long after the last report.
    pub silence_after_s: i32,
    /// How long outside during curfew before it counts.
    pub home_exit_grace_s: i32,
    /// An absence at curfew start is "late return" when it ends within this.
    pub late_return_after_s: i32,
    /// How sure the engine must be.
    pub points: OperatingPoints,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            reporting_interval_s: 60,
            silence_after_s: 900,
            home_exit_grace_s: 0,
            late_return_after_s: 3_600,
            points: OperatingPoints::default(),
        }
    }
}

impl Settings {
    /// Names, values and limits (least, most) of the settings in seconds.
    pub fn seconds(&self) -> [(&'static str, i32, i32, i32); 4] {
        [
            ("reporting_interval_s", self.reporting_interval_s, 1, 86_400),
            ("silence_after_s", self.silence_after_s, 1, 604_800),
            ("home_exit_grace_s", self.home_exit_grace_s, 0, 86_400),
            ("late_return_after_s", self.late_return_after_s, 0, 86_400),
        ]
    }

    /// Checks every value against its limits.
    pub fn validate(&self) -> Result<(), Error> {
        for (name, value, least, most) in self.seconds() {
            if !(least..=most).contains(&value) {
                return Err(Refused::new(
                    "setting_range",
                    format!("{name}: {value} s is outside {least}..{most} s"),
                )
                .with("setting", name)
                .with("value", value)
                .with("least", least)
                .with("most", most)
                .into());
            }
        }
        let Err(error) = self.points.validate() else {
            return Ok(());
        };
        let outside = points(&self.points).into_iter().find_map(|(name, value, limits)| {
            let value = value.filter(|value| !(limits.least..=limits.most).contains(value))?;
            Some((name, value, limits))
        });
        let refused = Refused::new("setting_range", error.to_string());
        Err(match outside {
            Some((name, value, limits)) => refused
                .with("setting", name)
                .with("value", value)
                .with("least", limits.least)
                .with("most", limits.most),
            None => refused,
        }
        .into())
    }

    /// Says what differs from other settings, one text for each difference.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let point = |value: Option<f64>| value.map_or("default".to_owned(), |value| value.to_string());
        let seconds = self.seconds().into_iter().zip(before.seconds());
        let seconds = seconds
            .filter(|(now, before)| now.1 != before.1)
            .map(|(now, before)| format!("{}: {} s, was {} s", now.0, now.1, before.1));
        let points = points(&self.points).into_iter().zip(points(&before.points));
        let points = points
            .filter(|(now, before)| now.1 != before.1)
            .map(|(now, before)| format!("{}: {}, was {}", now.0, point(now.1), point(before.1)));
        seconds.chain(points).collect()
    }
}

/// Names, values and limits of operating points.
pub fn points(points: &OperatingPoints) -> [(&'static str, Option<f64>, PointLimits); 3] {
    [
        (
            "exclusion_entry",
            points.exclusion_entry,
            OperatingPoints::EXCLUSION_ENTRY,
        ),
        ("home_exit", points.home_exit, OperatingPoints::HOME_EXIT),
        ("attendance", points.attendance, OperatingPoints::ATTENDANCE),
    ]
}

/// A revision of a person's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsRevision {
    /// Counts up for the person, over all orders.
    pub revision: Revision,
    /// Of which order; `None`: of every one that has no settings itself.
    pub order_id: Option<OrderId>,
    /// What it says.
    pub settings: Settings,
    /// When it was made.
    pub changed_at: Timestamp,
    /// The user who made it; `None`: the program itself.
    pub changed_by: Option<Uuid>,
    /// Their name to sign in.
    pub changed_by_name: Option<String>,
}

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "reporting_interval_s, silence_after_s, home_exit_grace_s, late_return_after_s, exclusion_entry, home_exit, attendance",
            $after
        )
    };
}

const IN_FORCE: &str = columns!(
    "SELECT ",
    ", revision FROM settings_revision WHERE person_id = $1 AND (order_id = $2 OR order_id IS NULL)
    ORDER BY order_id IS NULL, revision DESC LIMIT 1"
);
/// As set before revisions were kept, or by the column's defaults.
const BEFORE_REVISIONS: &str = "SELECT reporting_interval_s, silence_after_s, home_exit_grace_s, late_return_after_s,
    NULL::double precision, NULL::double precision, NULL::double precision FROM person_rules WHERE person_id = $1";
/// The lock makes revisions of concurrent editors follow each other.
const LOCK: &str = "SELECT person_id FROM person_rules WHERE person_id = $1 FOR UPDATE";
const OF_ORDER: &str = "SELECT order_id FROM supervision_order WHERE order_id = $1 AND person_id = $2";
const CHANGE: &str = columns!(
    "INSERT INTO settings_revision (person_id, order_id, changed_by, ",
    ", revision) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, COALESCE(max(revision), 0) + 1
    FROM settings_revision WHERE person_id = $1 RETURNING revision"
);
const HISTORY: &str = columns!(
    "SELECT ",
    ", s.revision, s.order_id, s.changed_at, s.changed_by, u.username
    FROM settings_revision s LEFT JOIN app_user u ON u.user_id = s.changed_by
    WHERE s.person_id = $1 ORDER BY s.revision"
);

/// Reads what counts for a person under an order; without an order, what counts for every one that has no settings itself.
pub async fn settings(
    client: &impl GenericClient,
    person_id: PersonId,
    order_id: Option<OrderId>,
) -> Result<Settings, Error> {
    let order_id = order_id.map(OrderId::uuid);
    if let Some(found) = optional(client, IN_FORCE, &[&person_id.uuid(), &order_id]).await? {
        return from_row(&found);
    }
    let found = optional(client, BEFORE_REVISIONS, &[&person_id.uuid()]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("person", person_id))?)
}

/// Changes the settings of one order, or of every one that has none itself; returns the revision, `None` when nothing is
/// different. Call it in a transaction, and publish the person's rules in the same one.
pub async fn change_settings(
    transaction: &impl GenericClient,
    person_id: PersonId,
    order_id: Option<OrderId>,
    new: &Settings,
    changed_by: Option<Uuid>,
) -> Result<Option<Revision>, Error> {
    new.validate()?;
    if optional(transaction, LOCK, &[&person_id.uuid()]).await?.is_none() {
        return Err(Error::not_found("person", person_id));
    }
    if let Some(order_id) = order_id
        && optional(transaction, OF_ORDER, &[&order_id.uuid(), &person_id.uuid()])
            .await?
            .is_none()
    {
        return Err(Error::not_found("order of this person", order_id));
    }
    if settings(transaction, person_id, order_id).await? == *new {
        return Ok(None);
    }
    let values: [&(dyn postgres_types::ToSql + Sync); 10] = [
        &person_id.uuid(),
        &order_id.map(OrderId::uuid),
        &changed_by,
        &new.reporting_interval_s,
        &new.silence_after_s,
        &new.home_exit_grace_s,
        &new.late_return_after_s,
        &new.points.exclusion_entry,
        &new.points.home_exit,
        &new.points.attendance,
    ];
    revision(row(transaction, CHANGE, &values).await?.try_get(0)?).map(Some)
}

/// Changes the settings of every order that has none itself, as the program. Publish in the same transaction.
pub async fn set_settings(client: &impl GenericClient, person_id: PersonId, settings: &Settings) -> Result<(), Error> {
    change_settings(client, person_id, None, settings, None).await?;
    Ok(())
}

/// Lists all revisions of a person's settings, oldest first.
pub async fn settings_history(
    client: &impl GenericClient,
    person_id: PersonId,
) -> Result<Vec<SettingsRevision>, Error> {
    let found = rows(client, HISTORY, &[&person_id.uuid()]).await?;
    let revisions = found.iter().map(|row| {
        Ok(SettingsRevision {
            settings: from_row(row)?,
            revision: revision(row.try_get(7)?)?,
            order_id: row.try_get::<_, Option<Uuid>>(8)?.map(OrderId::new),
            changed_at: row.try_get(9)?,
            changed_by: row.try_get(10)?,
            changed_by_name: row.try_get(11)?,
        })
    });
    revisions.collect()
}

const USE_CALENDAR: &str = "UPDATE person_rules SET calendar_id = $2 WHERE person_id = $1";

/// Makes a person's schedules go by a calendar, or by none. Publish the person's rules in the same transaction.
pub async fn use_calendar(
    client: &impl GenericClient,
    person_id: PersonId,
    calendar_id: Option<Uuid>,
) -> Result<(), Error> {
    match execute(client, USE_CALENDAR, &[&person_id.uuid(), &calendar_id]).await? {
        0 => Err(Error::not_found("person", person_id)),
        _ => Ok(()),
    }
}

const CALENDAR_OF: &str = "SELECT c.calendar_id, c.name FROM person_rules r JOIN holiday_calendar c USING (calendar_id)
    WHERE r.person_id = $1";

/// The calendar that a person's schedules go by: id and name.
pub async fn calendar_of(client: &impl GenericClient, person_id: PersonId) -> Result<Option<(Uuid, String)>, Error> {
    Ok(match optional(client, CALENDAR_OF, &[&person_id.uuid()]).await? {
        Some(row) => Some((row.try_get(0)?, row.try_get(1)?)),
        None => None,
    })
}

fn from_row(row: &Row) -> Result<Settings, Error> {
    Ok(Settings {
        reporting_interval_s: row.try_get(0)?,
        silence_after_s: row.try_get(1)?,
        home_exit_grace_s: row.try_get(2)?,
        late_return_after_s: row.try_get(3)?,
        points: OperatingPoints {
            exclusion_entry: row.try_get(4)?,
            home_exit: row.try_get(5)?,
            attendance: row.try_get(6)?,
        },
    })
}

pub(crate) fn revision(number: i64) -> Result<Revision, Error> {
    Revision::try_from(number).map_err(|_| Error::Configuration(format!("revision {number} is negative")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_named_with_the_setting() {
        let refusal = |settings: Settings| settings.validate().unwrap_err().to_string();
        assert_eq!(
            refusal(Settings {
                silence_after_s: 0,
                ..Settings::default()
            }),
            "silence_after_s: 0 s is outside 1..604800 s"
        );
        let points = OperatingPoints {
            home_exit: Some(0.89),
            ..OperatingPoints::default()
        };
        let unsure = Settings {
            points,
            ..Settings::default()
        };
        assert_eq!(
            refusal(unsure),
            "operating point home_exit: probability 0.89 is outside 0.9..0.999"
        );
        Settings::default().validate().unwrap();
        assert_eq!(
            unsure.differences(&Settings::default()),
            ["home_exit: 0.89, was default"]
        );
    }
}
