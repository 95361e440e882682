//! How the engine judges under an order: grace, intervals and how sure it must be, within the limits of the program.

use casedb::{
    GenericClient,
    rules::{self, Settings, SettingsRevision},
};
use jiff::Timestamp;
use proto::{OrderId, PersonId, rules::OperatingPoints};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ApiError;

/// How the engine judges: seconds, and probabilities (null: the program's own).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What the device is set to.
    pub reporting_interval_s: i32,
    /// Silence is raised this long after the last report.
    pub silence_after_s: i32,
    /// How long outside during curfew before it counts.
    pub home_exit_grace_s: i32,
    /// An absence at curfew start is a late return when it ends within this.
    pub late_return_after_s: i32,
    /// How sure an entry of an exclusion zone must be.
    #[serde(default)]
    pub exclusion_entry: Option<f64>,
    /// How sure leaving home must be.
    #[serde(default)]
    pub home_exit: Option<f64>,
    /// How sure attendance must be.
    #[serde(default)]
    pub attendance: Option<f64>,
}

impl From<Settings> for Terms {
    fn from(settings: Settings) -> Self {
        Self {
            reporting_interval_s: settings.reporting_interval_s,
            silence_after_s: settings.silence_after_s,
            home_exit_grace_s: settings.home_exit_grace_s,
            late_return_after_s: settings.late_return_after_s,
            exclusion_entry: settings.points.exclusion_entry,
            home_exit: settings.points.home_exit,
            attendance: settings.points.attendance,
        }
    }
}

impl From<Terms> for Settings {
    fn from(terms: Terms) -> Self {
        Self {
            reporting_interval_s: terms.reporting_interval_s,
            silence_after_s: terms.silence_after_s,
            home_exit_grace_s: terms.home_exit_grace_s,
            late_return_after_s: terms.late_return_after_s,
            points: OperatingPoints {
                exclusion_entry: terms.exclusion_entry,
                home_exit: terms.home_exit,
                attendance: terms.attendance,
            },
        }
    }
}

/// A person's settings as they were known at a time.
pub(super) struct Known {
    revisions: Vec<SettingsRevision>,
    before: Settings,
}

impl Known {
    pub(super) async fn read(
        client: &impl GenericClient,
        person_id: PersonId,
        known_at: Timestamp,
    ) -> Result<Self, ApiError> {
        let mut revisions = rules::settings_history(client, person_id).await?;
        // Without any revision it is what was set before revisions were kept.
        let before = match rules::settings(client, person_id, None).await {
            Err(casedb::Error::NotFound { .. }) => Settings::default(),
            found if revisions.is_empty() => found?,
            _ => Settings::default(),
        };
        revisions.retain(|revision| revision.changed_at <= known_at);
        Ok(Self { revisions, before })
    }

    /// What counts under an order: its own settings, or those of every order that has none.
    pub(super) fn of(&self, order_id: Uuid) -> Terms {
        let newest = |of: Option<OrderId>| self.revisions.iter().rev().find(|revision| revision.order_id == of);
        newest(Some(OrderId::new(order_id)))
            .or_else(|| newest(None))
            .map_or(self.before, |revision| revision.settings)
            .into()
    }
}

/// The limits of one of [`Terms`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// What the program takes where nothing is set; null: what the decision model says.
    pub standard: Option<f64>,
}

/// The limits of everything in [`Terms`].
pub fn limits() -> Vec<Limit> {
    let standard = Settings::default();
    let seconds = standard.seconds().map(|(name, value, least, most)| Limit {
        name,
        least: f64::from(least),
        most: f64::from(most),
        standard: Some(f64::from(value)),
    });
    let points = rules::points(&standard.points).map(|(name, _, limits)| Limit {
        name,
        least: limits.least,
        most: limits.most,
        standard: None,
    });
    seconds.into_iter().chain(points).collect()
}
