//! Does the platform see? What the test device's reports say of it.

use axum::{Json, extract::State};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    authorise::{Anyone, Authorised},
    error::ErrorBody,
};

/// A report of the test device older than this is too old, whatever its watchers say: they may be dead.
const OLDEST: SignedDuration = SignedDuration::from_secs(65);

/// How the platform stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Platform {
    /// True when a test device goes through the platform. Without one nobody knows more than that this page is served.
    pub watched: bool,
    /// Its reports do not come through: people may break rules unseen.
    pub blind: bool,
    /// Since when nothing is sure.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Where its reports end, as a watcher found: `gateway`, `stream`, `decision`, `database`; absent: no watcher has said.
    pub stage: Option<String>,
    /// When the newest report that came through was made; absent: none within the last hour.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest_at: Option<Timestamp>,
}

/// Whether the test device's reports come through. It looks at what came through itself, and does not rely on the watchers alone.
#[utoipa::path(get, path = "/api/v1/platform", tag = "operation", responses(
    (status = 200, description = "How it stands", body = Platform),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 503, description = "The case database does not answer: nothing is known", body = ErrorBody),
))]
pub async fn show(_caller: Authorised<Anyone>, State(app): State<App>) -> Result<Json<Platform>, ApiError> {
    Ok(Json(judge(app.0.owner.standing().await?)))
}

fn judge(standing: Option<casedb::canary::Standing>) -> Platform {
    let Some(standing) = standing else {
        return Platform {
            watched: false,
            blind: false,
            since: None,
            stage: None,
            newest_at: None,
        };
    };
    // One that was registered a moment ago has as long as the others to come through.
    let newest = standing.newest_out.unwrap_or(standing.registered_at);
    let told = standing.blind.as_ref();
    // Events come through all the same when incidents or messages do not: that is the word of a watcher who is there.
    let beyond = |blind: &&casedb::canary::Blindness| matches!(blind.stage.as_str(), "incident" | "message");
    let old = standing.now.duration_since(newest) > OLDEST || standing.heard && told.as_ref().is_some_and(beyond);
    Platform {
        watched: true,
        // What a watcher found counts only while nothing has come through since: it may have died before it could end it.
        blind: old,
        since: old
            .then(|| told.map(|blind| blind.since).or(standing.newest_out))
            .flatten(),
        stage: told.filter(|_| old).map(|blind| blind.stage.clone()),
        newest_at: standing.newest_out,
    }
}

#[cfg(test)]
mod tests {
    use casedb::canary::{Blindness, Standing};

    use super::*;

    #[test]
    fn what_came_through_counts_and_not_what_watchers_left_behind() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let ago = |seconds| now - SignedDuration::from_secs(seconds);
        let left_behind = Blindness {
            since: ago(500),
            stage: "decision".to_owned(),
            raised_at: ago(440),
        };
        let of = |newest_out, blind| {
            judge(Some(Standing {
                newest_out,
                newest_raised: newest_out,
                heard: false,
                registered_at: ago(90),
                blind,
                now,
            }))
        };
        assert!(!judge(None).watched);
        let fresh = Standing {
            newest_out: None,
            newest_raised: None,
            heard: false,
            registered_at: ago(20),
            blind: None,
            now,
        };
        assert!(!judge(Some(fresh)).blind);
        assert!(!of(Some(ago(40)), None).blind);
        assert!(!of(Some(ago(40)), Some(left_behind.clone())).blind);
        let blind = of(Some(ago(70)), None);
        assert_eq!((blind.blind, blind.since, blind.stage), (true, Some(ago(70)), None));
        // Messages do not come out: nobody but a watcher can know, and one that is gone says nothing.
        let told = |heard| {
            judge(Some(Standing {
                newest_out: Some(ago(10)),
                newest_raised: Some(ago(10)),
                heard,
                registered_at: ago(900),
                blind: Some(Blindness {
                    stage: "message".to_owned(),
                    ..left_behind.clone()
                }),
                now,
            }))
        };
        assert_eq!((told(true).blind, told(true).stage.as_deref()), (true, Some("message")));
        assert!(!told(false).blind);
        let blind = of(None, Some(left_behind));
        assert_eq!(
            (blind.blind, blind.since, blind.stage.as_deref()),
            (true, Some(ago(500)), Some("decision"))
        );
    }
}
