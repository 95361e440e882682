//! What a zone would have raised, before it is published: a person's stored history folded once more.
//!
//! It may take longer than a request should: the answer is a stream of lines, progress and then the result, and whoever hangs up ends the
//! work. It reads positions, so it states purpose and case number, and is on record before it begins.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body as Answer, Bytes},
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use casedb::{
    access::{self, Access},
    person,
    user::User,
};
use futures::stream;
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use proto::{PersonId, ZoneId, event::kind_name, wire};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    orders::publish_and_read,
    people::stated,
    zones::{NewPublication, law_lets, seen, write},
};
use crate::{
    ApiError, App,
    authorise::{Authorised, Body, Decider, Id},
    error::ErrorBody,
    preview::{Found, LEAD_IN, Sum, Trial, TrialError, with_zone},
};

/// Most days that are looked at.
const MOST_DAYS: u16 = 31;
/// Most fixes: a month at a fix every ten seconds has some 270,000.
const MOST_FIXES: i64 = 400_000;
/// After so long it is given up.
const LONGEST: Duration = Duration::from_mins(2);
/// How many of a process are made at the same time; others wait their turn.
const AT_ONCE: usize = 2;
/// Time between two words of progress.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// The turns of previews in this process.
#[derive(Debug)]
pub(crate) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// What is to be tried.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPreview {
    /// The zone as it would be published; its reason is not asked for.
    pub zone: NewPublication,
    /// How many days up to now, 1 to 31.
    pub days: u16,
    /// Why positions are read: `duty`, `incident`, `court` or `maintenance`.
    #[serde(default)]
    pub purpose: Option<String>,
    /// Case number.
    #[serde(default)]
    pub case: Option<String>,
}

/// One line of the answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PreviewLine {
    /// Others have their turn first.
    Waiting,
    /// It goes on.
    Folding {
        /// How much is done, 0 to 1.
        done: f64,
    },
    /// The result, and the last line.
    Done(Preview),
    /// It came to nothing, and the last line.
    Failed {
        /// `too_long`, `refused` or `unavailable`.
        code: &'static str,
    },
}

/// What the zone would have raised.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// First moment looked at.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Up to where history goes.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// How many reports there were, those of the day before among them.
    pub reports: u64,
    /// By local day and kind; days without anything are left out.
    pub days: Vec<PreviewDay>,
}

/// A day and a kind of event.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewDay {
    /// The person's local day on which it began.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// Kind of event.
    pub kind: &'static str,
    /// With the zone.
    pub with: Sum,
    /// With the rules as they were.
    pub before: Sum,
}

/// Tries a zone on the last days of a person's history, without publishing it. The answer is a stream of JSON objects, one a line: how far it
/// is, and at last what the zone would have raised. Hanging up ends it. Positions are read: purpose and case number go on record first.
#[utoipa::path(post, path = "/api/v1/people/{id}/zones/preview", tag = "zones", params(("id" = Uuid, Path)), request_body = NewPreview, responses(
    (status = 200, description = "Lines of JSON", body = PreviewLine, content_type = "application/x-ndjson"),
    (status = 401, description = "No session", body = ErrorBody),
    (status = 403, description = "The role may not", body = ErrorBody),
    (status = 404, description = "There is none, or the user may not see them", body = ErrorBody),
    (status = 422, description = "`purpose_required`, `case_required`, `bad_days`, `too_much`, `no_order`, and what publishing the zone would be \
        refused for", body = ErrorBody),
))]
pub async fn run(
    caller: Authorised<Decider>,
    State(app): State<App>,
    Id(person_id): Id,
    Body(asked): Body<NewPreview>,
) -> Result<Response, ApiError> {
    let (purpose, case_number) = stated(asked.purpose.as_deref(), asked.case.as_deref())?;
    if !(1..=MOST_DAYS).contains(&asked.days) {
        let message = format!("days: {} is not between 1 and {MOST_DAYS}", asked.days);
        return Err(ApiError::invalid("bad_days", message));
    }
    let now = Timestamp::now();
    let since = now - SignedDuration::from_hours(24 * i64::from(asked.days));
    let zone_id = ZoneId::new(asked.zone.zone_id.unwrap_or_else(Uuid::now_v7));
    let (zone, time_zone) = tried(&app, &caller.user, person_id, zone_id, &asked.zone, now).await?;

    let mut client = app.0.users.client().await?;
    let transaction = client.begin(&caller.user).await?;
    let access = Access {
        user_id: caller.user.user_id,
        person_id,
        purpose,
        case_number,
        scope: &format!("preview of zone {zone_id}, {} days", asked.days),
    };
    let declared = access::declare(&transaction, &access, since - LEAD_IN, now).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    drop(client);
    if declared.fixes > MOST_FIXES {
        let message = format!("{} fixes are too many: look at fewer days", declared.fixes);
        return Err(ApiError::invalid("too_much", message));
    }
    let job = Job {
        trial: Trial {
            person_id: PersonId::new(person_id),
            zone_id,
            stored: asked.zone.zone_id.is_some(),
            since,
            until: now,
            with: move |rules: &wire::Rules| Ok(with_zone(rules, &zone)),
        },
        time_zone,
        fixes: declared.fixes.unsigned_abs(),
    };
    let (lines, said) = mpsc::channel(8);
    let stop = app.0.stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            // Whoever asked has gone: also while it waits for its turn or for the database.
            () = lines.closed() => {}
            () = job.run(&app, &lines) => {}
        }
    });
    let body = Answer::from_stream(stream::unfold(said, |mut said| async move {
        let line: Bytes = said.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), said))
    }));
    let head = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((head, body).into_response())
}

/// The zone as the person's rules would have it, if it were published: published and taken back.
async fn tried(
    app: &App,
    user: &User,
    person_id: Uuid,
    zone_id: ZoneId,
    asked: &NewPublication,
    now: Timestamp,
) -> Result<(wire::Zone, TimeZone), ApiError> {
    if asked.removed {
        let message = "removed: a zone that is taken away raises nothing";
        return Err(ApiError::invalid("bad_value", message));
    }
    let mut client = app.0.users.client().await?;
    let transaction = client.begin(user).await?;
    let person_id = seen(&transaction, user, person_id).await?;
    law_lets(&transaction, user, person_id).await?;
    let person = person::read(&transaction, person_id).await?;
    let time_zone =
        proto::rules::time_zone(&person.time_zone).map_err(|error| ApiError::invalid("invalid", error.to_string()))?;
    write(&transaction, user, person_id, zone_id, asked, "preview", now).await?;
    let rules = publish_and_read(&transaction, person_id, now).await?;
    transaction.rollback().await.map_err(casedb::Error::from)?;
    let zone = rules.zones.into_iter().find(|zone| zone.zone_id == zone_id.as_bytes());
    let zone = zone.filter(|_| rules.active);
    let zone = zone.ok_or_else(|| {
        ApiError::invalid(
            "no_order",
            "without an order in force nothing is judged, and nothing was kept",
        )
    })?;
    Ok((zone, time_zone))
}

struct Job<F> {
    trial: Trial<F>,
    time_zone: TimeZone,
    /// How many there are to look at, about.
    fixes: u64,
}

impl<F: Fn(&wire::Rules) -> Result<wire::Rules, casedb::Error>> Job<F> {
    async fn run(self, app: &App, lines: &mpsc::Sender<Bytes>) {
        let last = match tokio::time::timeout(LONGEST, self.fold(app, lines)).await {
            Err(_) => PreviewLine::Failed { code: "too_long" },
            Ok(Ok(preview)) => PreviewLine::Done(preview),
            Ok(Err(TrialError::Stopped)) => return,
            Ok(Err(TrialError::Refused(_))) => PreviewLine::Failed { code: "refused" },
            Ok(Err(TrialError::History(error))) => {
                warn!(%error, "zone not tried");
                PreviewLine::Failed { code: "unavailable" }
            }
        };
        let _gone = lines.send(line(&last)).await;
    }

    async fn fold(mut self, app: &App, lines: &mpsc::Sender<Bytes>) -> Result<Preview, TrialError> {
        let turns = Arc::clone(&app.0.previews.0);
        let _turn = if let Ok(turn) = Arc::clone(&turns).try_acquire_owned() {
            Some(turn)
        } else {
            let _gone = lines.try_send(line(&PreviewLine::Waiting));
            turns.acquire_owned().await.ok()
        };
        let history = app.0.owner.history(app.0.config.partitions).await?;
        let clock = history.clock(self.trial.person_id).await?;
        let clock = clock.map_or(self.trial.since, |clock| clock.max(self.trial.since));
        self.trial.until = self.trial.until.min(clock);
        let all = self.fixes.max(1);
        let mut told = Instant::now();
        let found = self.trial.fold(&history, |_, reports| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                #[expect(clippy::cast_precision_loss, reason = "a part of a whole, for a bar")]
                let done = (reports as f64 / all as f64).min(0.99);
                // A line that finds no room is one too many.
                let _full = lines.try_send(line(&PreviewLine::Folding { done }));
            }
            !lines.is_closed()
        });
        let found = found.await?;
        Ok(self.preview(&found))
    }

    fn preview(&self, found: &Found) -> Preview {
        let (mut with, mut before) = (found.with.days(&self.time_zone), found.before.days(&self.time_zone));
        let keys: BTreeSet<(Date, i32)> = with.keys().chain(before.keys()).copied().collect();
        Preview {
            since: self.trial.since,
            until: self.trial.until,
            reports: found.reports,
            days: keys
                .into_iter()
                .map(|key| PreviewDay {
                    day: key.0,
                    kind: kind_name(wire::EventKind::try_from(key.1).unwrap_or_default()),
                    with: with.remove(&key).unwrap_or_default(),
                    before: before.remove(&key).unwrap_or_default(),
                })
                .collect(),
        }
    }
}

fn line(said: &PreviewLine) -> Bytes {
    let mut text = serde_json::to_string(said).unwrap_or_default();
    text.push('\n');
    text.into()
}
