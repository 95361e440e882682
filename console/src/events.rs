//! Live updates: one listener on the database for the process, one server-sent stream for each page.
//!
//! A page gets `incident`, with the row of the queue as it is now, for each change of an incident that its user may see, `command` for each new state of a command to a
//! device of somebody whom its user sees, `beat` every two seconds, and `resync` whenever changes may have been missed: then it reads
//! everything anew.

use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use casedb::{
    Listener, Notice,
    access::{glass, rules::CASE},
    session,
    view::{Incident, IncidentHead, PersonHead, Sight},
};
use futures::stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    ApiError, App,
    authorise::{Authorised, Reader},
    owner::Owner,
};

/// The database's channel of incidents.
pub const CHANNEL: &str = "homeward_incident";
/// Between two beats.
pub const BEAT: Duration = Duration::from_secs(2);
/// Changes that a slow page may leave waiting before it is told to read everything anew.
const WAITING: usize = 1_024;
/// Changes that are read together at most, when many come at once.
const TOGETHER: usize = 256;
/// How long the first of them waits for the others.
const GATHER: Duration = Duration::from_millis(3);
/// Beats between two looks whether the session still holds.
const BEATS_PER_CHECK: u32 = 15;

/// What changed about an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    // In the order of their weight.
    /// Its state or its words changed.
    Updated,
    /// An event was added.
    Event,
    /// It is new.
    Raised,
    /// It was closed.
    Closed,
}

/// The data of an `incident` event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentChange {
    /// Which incident.
    pub incident_id: Uuid,
    /// Its version.
    #[serde(with = "casedb::exact")]
    #[schema(schema_with = casedb::exact::schema)]
    pub version: i64,
    /// What changed.
    pub change: Change,
    /// The number people say.
    #[serde(with = "casedb::exact")]
    #[schema(schema_with = casedb::exact::schema)]
    pub number: i64,
    /// As it is now, so that nobody has to ask.
    pub incident: Incident,
}

/// The data of a `command` event.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommandChange {
    /// Which command.
    pub command_id: Uuid,
    /// Whose device.
    pub person_id: Uuid,
    /// Its new state.
    pub state: String,
}

/// The data of a `beat` event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Beat {
    /// The server's clock.
    #[schema(value_type = String, format = DateTime)]
    pub server_time: Timestamp,
}

#[derive(Debug, Clone)]
enum News {
    Changed(Arc<IncidentHead>, Change),
    Command(Arc<(PersonHead, CommandChange)>),
    /// A user opened emergency access, or an access of theirs ended.
    Glass(Uuid),
    /// A session of a user ended, or the user's role, agency or account changed.
    Session(Uuid),
    Resync,
}

/// What a notification's payload says; the rest is read from the table.
#[derive(Debug, Deserialize)]
struct Payload {
    incident_id: Uuid,
    #[serde(default)]
    change: Option<Change>,
}

impl Payload {
    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().or_else(|| {
            Uuid::parse_str(text.trim()).ok().map(|incident_id| Self {
                incident_id,
                change: None,
            })
        })
    }
}

/// Hands changes to every page.
#[derive(Debug)]
pub struct Hub {
    sender: broadcast::Sender<News>,
}

impl Hub {
    /// Starts to listen. When this returns, changes from now on arrive.
    pub async fn start(owner: &Owner, stop: CancellationToken) -> Result<Self, casedb::Error> {
        let (sender, _) = broadcast::channel(WAITING);
        let listener = owner
            .listen(&[CHANNEL, casedb::command::CHANNEL, glass::CHANNEL, session::CHANNEL])
            .await?;
        tokio::spawn(listen(listener, owner.clone(), sender.clone(), stop));
        Ok(Self { sender })
    }
}

async fn listen(mut listener: Listener, owner: Owner, sender: broadcast::Sender<News>, stop: CancellationToken) {
    loop {
        let first = tokio::select! {
            notice = listener.recv() => notice,
            () = stop.cancelled() => return,
        };
        let Some(first) = first else { return };
        // What one transaction says comes together.
        tokio::time::sleep(GATHER).await;
        // What waits is read together: a burst of changes costs some queries, not one a change.
        let mut payloads = Vec::new();
        let mut next = Some(first);
        while let Some(notice) = next {
            match notice {
                Notice::Notification { channel, payload } if channel == casedb::command::CHANNEL => {
                    tell(&sender, command_changed(&owner, &payload).await);
                }
                Notice::Notification { channel, payload } if channel == glass::CHANNEL => {
                    tell(&sender, payload.parse().ok().map(News::Glass));
                }
                Notice::Notification { channel, payload } if channel == session::CHANNEL => {
                    tell(&sender, payload.parse().ok().map(News::Session));
                }
                Notice::Notification { payload, .. } => payloads.push(payload),
                // Pages learn of it when the connection is back: before, there is nothing new to be read.
                Notice::Lost => {}
                Notice::Resumed => {
                    info!("live updates resume");
                    tell(&sender, Some(News::Resync));
                }
            }
            next = (payloads.len() < TOGETHER).then(|| listener.try_recv()).flatten();
        }
        for news in changed(&owner, &payloads).await {
            tell(&sender, Some(news));
        }
    }
}

fn tell(sender: &broadcast::Sender<News>, news: Option<News>) {
    if let Some(news) = news {
        // An error only says that no page is open.
        let _ = sender.send(news);
    }
}

async fn changed(owner: &Owner, payloads: &[String]) -> Vec<News> {
    let parsed: Vec<Payload> = payloads
        .iter()
        .filter_map(|payload| {
            let parsed = Payload::parse(payload);
            if parsed.is_none() {
                warn!("a notification names no incident");
            }
            parsed
        })
        .collect();
    if parsed.is_empty() {
        return Vec::new();
    }
    let ids: Vec<Uuid> = parsed.iter().map(|payload| payload.incident_id).collect();
    let found = match owner.changed_incidents(&ids).await {
        Ok(found) => found,
        Err(error) => {
            // What it was about cannot be told, so everybody looks.
            warn!(%error, "changed incidents cannot be read");
            return vec![News::Resync];
        }
    };
    let found: HashMap<Uuid, Arc<IncidentHead>> = found
        .into_iter()
        .map(|head| (head.incident_id, Arc::new(head)))
        .collect();
    // One word about each incident, the weightiest: what is told is how it stands now.
    let mut told: Vec<(Arc<IncidentHead>, Change)> = Vec::new();
    for payload in &parsed {
        let Some(head) = found.get(&payload.incident_id) else {
            continue;
        };
        let change = payload.change.unwrap_or(match head.state.as_str() {
            "closed" => Change::Closed,
            _ if head.version == 1 => Change::Raised,
            _ => Change::Updated,
        });
        match told.iter_mut().find(|(known, _)| known.incident_id == head.incident_id) {
            Some((_, known)) => *known = (*known).max(change),
            None => told.push((head.clone(), change)),
        }
    }
    told.into_iter()
        .map(|(head, change)| News::Changed(head, change))
        .collect()
}

async fn command_changed(owner: &Owner, payload: &str) -> Option<News> {
    let Ok(change) = serde_json::from_str::<CommandChange>(payload) else {
        warn!("a notification names no command");
        return None;
    };
    match owner.person_head(change.person_id).await {
        Ok(head) => head.map(|head| News::Command(Arc::new((head, change)))),
        Err(error) => {
            warn!(%error, "the person of a changed command cannot be read");
            Some(News::Resync)
        }
    }
}

struct Page {
    app: App,
    caller: Authorised<Reader>,
    sight: Sight,
    news: broadcast::Receiver<News>,
    beats: Interval,
    beat: u32,
    /// Whom the user sees by breaking the glass, and until when.
    opened: Vec<(Uuid, Timestamp)>,
}

impl Page {
    /// The next event for this page; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.app.0.stop.cancelled() => return None,
                _ = self.beats.tick() => {
                    self.beat = self.beat.wrapping_add(1);
                    if self.beat.is_multiple_of(BEATS_PER_CHECK) && !self.still_valid().await {
                        return None;
                    }
                    return event("beat", &Beat { server_time: Timestamp::now() });
                }
                news = self.news.recv() => match news {
                    Ok(News::Changed(head, change)) => {
                        if self.sees_incident(&head) {
                            let change = IncidentChange {
                                incident_id: head.incident_id,
                                version: head.version,
                                change,
                                number: head.number,
                                incident: head.for_sight(&self.sight),
                            };
                            return event("incident", &change);
                        }
                    }
                    Ok(News::Command(changed)) => {
                        let (head, change) = &*changed;
                        // Commands are read by those who work on cases alone.
                        let reads = CASE.contains(&self.caller.user.role);
                        let sees = self.sight.sees_person(&head.police_path, &head.social_path);
                        if reads && (sees || self.opened(change.person_id)) {
                            return event("command", change);
                        }
                    }
                    Ok(News::Glass(user_id)) => {
                        if user_id == self.caller.user.user_id {
                            self.look_opened().await;
                            // Somebody is there who was not, or the other way round.
                            return event("resync", &serde_json::json!({}));
                        }
                    }
                    Ok(News::Session(user_id)) => {
                        if user_id == self.caller.user.user_id && !self.still_valid().await {
                            return None;
                        }
                    }
                    Ok(News::Resync) => return event("resync", &serde_json::json!({})),
                    Err(RecvError::Lagged(missed)) => {
                        metrics::counter!("homeward_console_lagged_total").increment(missed);
                        return event("resync", &serde_json::json!({}));
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    fn sees_incident(&self, head: &IncidentHead) -> bool {
        let opened = || head.person_id().is_some_and(|person_id| self.opened(person_id));
        self.sight.sees_incident(head) || (self.sight.sees_opened(head) && opened())
    }

    /// True while the user sees this person by breaking the glass.
    fn opened(&self, person_id: Uuid) -> bool {
        let now = Timestamp::now();
        self.opened
            .iter()
            .any(|(opened, until)| *opened == person_id && now < *until)
    }

    /// Reads whom the user sees by breaking the glass. While the database is away nothing is told anyway.
    async fn look_opened(&mut self) {
        let read = async {
            let mut client = self.app.0.users.client().await?;
            let transaction = client.begin(&self.caller.user).await?;
            Ok::<_, ApiError>(glass::open_now(&transaction, self.caller.user.user_id).await?)
        };
        match read.await {
            Ok(opened) => self.opened = opened,
            Err(error) => warn!(%error, "emergency accesses cannot be read"),
        }
    }

    /// A session that was ended, or an account that was disabled, stops hearing of incidents.
    async fn still_valid(&self) -> bool {
        match self.app.0.owner.session(&self.caller.token, Timestamp::now()).await {
            Ok(user) => user.is_some_and(|user| Sight::of(&user) == self.sight),
            // While the database is away nothing is told anyway.
            Err(_) => true,
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        metrics::gauge!("homeward_console_pages").decrement(1.0);
    }
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(data).ok()
}

/// Live changes of what the user may see, as server-sent events: `incident`, `command`, `beat` every two seconds, `resync` when
/// changes may have been missed.
#[utoipa::path(get, path = "/api/v1/stream", tag = "incidents", responses(
    (status = 200, description = "Events `incident` (IncidentChange), `command` (CommandChange), `beat` (Beat), `resync`", content_type = "text/event-stream", body = IncidentChange),
    (status = 401, description = "No session", body = crate::error::ErrorBody),
    (status = 403, description = "The role may not", body = crate::error::ErrorBody),
))]
pub async fn stream_changes(caller: Authorised<Reader>, State(app): State<App>) -> Result<Response, ApiError> {
    let news = app.0.hub.sender.subscribe();
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    metrics::gauge!("homeward_console_pages").increment(1.0);
    let mut page = Page {
        sight: Sight::of(&caller.user),
        app,
        caller,
        news,
        beats,
        beat: 0,
        opened: Vec::new(),
    };
    // After subscribing: what is opened from now on is told.
    if CASE.contains(&page.caller.user.role) {
        page.look_opened().await;
    }
    let events = stream::unfold(page, |mut page| async move {
        let event = page.next().await?;
        Some((Ok::<_, Infallible>(event), page))
    });
    let mut response = Sse::new(events).into_response();
    let headers = response.headers_mut();
    headers.insert("cache-control", axum::http::HeaderValue::from_static("no-store"));
    // Proxies that buffer would hold beats back.
    headers.insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_json_or_a_bare_id() {
        let id = Uuid::from_u128(7);
        let json = format!(r#"{{"incident_id":"{id}","change":"closed","version":3}}"#);
        let parsed = Payload::parse(&json).unwrap();
        assert_eq!((parsed.incident_id, parsed.change), (id, Some(Change::Closed)));
        assert_eq!(Payload::parse(&id.to_string()).unwrap().incident_id, id);
        assert!(Payload::parse("nonsense").is_none());
    }
}
