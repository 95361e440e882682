//! Doing something with an incident: in one transaction of the user, who then gets the incident as it stands.

use std::time::Duration;

use axum::Json;
use casedb::{
    incident::{self, Deed, IncidentError},
    user::User,
    view::{self, IncidentDetail},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::incidents::{DetailQuery, detail};
use crate::{ApiError, App, once::Once};

/// Who does something with which incident.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    app: &'a App,
    user: &'a User,
    incident_id: Uuid,
    version: Option<i64>,
    once: Once,
}

impl<'a> Doing<'a> {
    /// `version`: the one that the user saw; when it has moved, it is a conflict.
    pub(super) const fn new(app: &'a App, user: &'a User, incident_id: Uuid, version: Option<i64>, once: Once) -> Self {
        Self {
            app,
            user,
            incident_id,
            version,
            once,
        }
    }

    /// An incident that the user may not see is not found, whatever is wanted of it.
    pub(super) async fn must_see(&self) -> Result<(), ApiError> {
        let mut client = self.app.0.users.client().await?;
        let transaction = client.begin(self.user).await?;
        let sees = view::may_see_incident(&transaction, self.user.user_id, self.incident_id).await?;
        sees.then_some(()).ok_or(ApiError::NotFound("incident"))
    }

    /// The incident of a number, where the user sees one.
    pub(super) async fn numbered(&self, number: i64) -> Result<Option<Uuid>, ApiError> {
        let mut client = self.app.0.users.client().await?;
        let transaction = client.begin(self.user).await?;
        Ok(view::incident_by_number(&transaction, self.user.user_id, number).await?)
    }

    /// Does it. What another's transaction was in the way of, as where two part and merge the same incidents, is tried again from its start.
    pub(super) async fn deed(self, deed: &Deed<'_>, seen: &DetailQuery) -> Result<Json<IncidentDetail>, ApiError> {
        let mut tried = 1;
        while let Err(stopped) = self.attempt(deed).await {
            match stopped {
                Stopped::InTheWay(error) if tried < ATTEMPTS => {
                    tracing::debug!(%error, tried, "deed is tried again");
                    tokio::time::sleep(PAUSE * tried).await;
                    tried += 1;
                }
                Stopped::InTheWay(error) => return Err(error.into()),
                Stopped::Told(error) => return Err(error),
            }
        }
        detail(self.app, self.user, self.incident_id, seen).await.map(Json)
    }

    async fn attempt(&self, deed: &Deed<'_>) -> Result<(), Stopped> {
        let user_id = self.user.user_id;
        let mut client = self.app.0.users.client().await?;
        let transaction = client.begin(self.user).await?;
        if !view::may_see_incident(&transaction, user_id, self.incident_id).await? {
            return Err(ApiError::NotFound("incident").into());
        }
        if !self.once.again(&transaction, self.user).await? {
            let now = Timestamp::now();
            let patience = &self.app.0.config.patience;
            incident::act_with(
                &transaction,
                self.incident_id,
                user_id,
                deed,
                self.version,
                patience,
                now,
            )
            .await
            .map_err(|error| match error {
                IncidentError::Database(error) => error.into(),
                error => Stopped::Told(refused(error)),
            })?;
        }
        transaction.commit().await.map_err(casedb::Error::from)?;
        Ok(())
    }
}

/// How often a deed is tried.
const ATTEMPTS: u32 = 6;
/// Before the second attempt; before each further one longer by as much.
const PAUSE: Duration = Duration::from_millis(30);

/// Why an attempt came to nothing.
enum Stopped {
    /// Another transaction was in the way: a deadlock, a serialization failure.
    InTheWay(casedb::Error),
    /// For the caller.
    Told(ApiError),
}

impl From<ApiError> for Stopped {
    fn from(error: ApiError) -> Self {
        Self::Told(error)
    }
}

impl From<casedb::Error> for Stopped {
    fn from(error: casedb::Error) -> Self {
        match error {
            casedb::Error::Conflict(_) => Self::InTheWay(error),
            error => Self::Told(error.into()),
        }
    }
}

/// A change that the incident's state or version does not allow is a conflict, not a failure. What the lifecycle refuses because of a
/// value is the caller's to mend.
fn refused(error: IncidentError) -> ApiError {
    use alerts::lifecycle::course::Refusal;
    match error {
        IncidentError::Refused(reason @ (Refusal::Until { .. } | Refusal::Itself | Refusal::Blank(_))) => {
            ApiError::invalid("bad_value", reason.to_string())
        }
        IncidentError::NotFound(_) => ApiError::NotFound("incident"),
        IncidentError::Conflict { .. } | IncidentError::Refused(_) => ApiError::Conflict(error.to_string()),
        IncidentError::Damaged(_) => {
            tracing::error!(%error, "incident not changed");
            ApiError::Internal
        }
        IncidentError::Database(error) => error.into(),
    }
}
