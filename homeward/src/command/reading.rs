//! What commands that read positions have in common: the written record, whom they are about, progress, layers.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt, sync::Arc, time::Duration};

use alerts::blank::is_blank;
use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient,
    access::{self, Access},
    authority::{self, Act},
    history::folded::{self, Body},
    person::{self, Person},
    user::{self, Branch, User},
    view,
    zone::{self, Audience},
};
use engine::{CompiledLayer, Input, LayerReference};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::tz::TimeZone;
use proto::{LayerId, PersonId};

use crate::cli::{Purpose, Reading};

/// People asked for at once.
const PAGE: i64 = 500;

/// Somebody who reads positions for a purpose.
pub struct Reader {
    user: User,
    purpose: access::Purpose,
    case_number: String,
}

impl Reader {
    /// Finds out who reads, and why; says what is missing, and refuses a role that may not do this.
    pub async fn of(client: &impl GenericClient, arguments: &Reading, act: &Act) -> Result<Self> {
        let Some(purpose) = arguments.purpose else {
            bail!(
                "positions are read for a purpose, which is written down: give --purpose duty, incident, court or maintenance"
            );
        };
        if is_blank(&arguments.case_number) {
            bail!("positions are read under a case number, which is written down: give --case NUMBER");
        }
        let username = match &arguments.user {
            Some(username) => username.clone(),
            None => system_user().context("the operating system does not say who you are: give --user USERNAME")?,
        };
        let Some((user, _)) = user::find(client, &username).await? else {
            bail!(
                "there is no user {username:?} to write the reading down under: give --user with a name that signs in to the console"
            );
        };
        authority::role(&user, act).context("--user")?;
        Ok(Self {
            user,
            purpose: match purpose {
                Purpose::Duty => access::Purpose::Duty,
                Purpose::Incident => access::Purpose::Incident,
                Purpose::Court => access::Purpose::Court,
                Purpose::Maintenance => access::Purpose::Maintenance,
            },
            case_number: arguments.case_number.clone(),
        })
    }

    /// Says whether this user sees a person, as in the console.
    pub async fn sees(&self, client: &impl GenericClient, person_id: PersonId) -> Result<bool> {
        Ok(view::may_see_person(client, self.user.user_id, person_id.uuid()).await?)
    }

    /// Fails where this user does not see a person.
    pub async fn must_see(&self, client: &impl GenericClient, person: &Person) -> Result<()> {
        if !self.sees(client, person.person_id).await? {
            bail!(
                "{:?} does not see {}: the person is under another agency",
                self.user.username,
                person.reference
            );
        }
        Ok(())
    }

    /// Says whether this user sees what is for this audience.
    pub fn hears(&self, audience: Audience) -> bool {
        match self.user.branch {
            Branch::Police => audience != Audience::SocialWork,
            Branch::SocialWork => audience != Audience::Police,
            Branch::Administration => true,
        }
    }

    /// Which audiences this user belongs to.
    pub fn audiences(&self) -> &'static [&'static str] {
        match self.user.branch {
            Branch::Police => &["police", "both"],
            Branch::SocialWork => &["social_work", "both"],
            Branch::Administration => &["police", "social_work", "both"],
        }
    }

    /// The user.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Why.
    pub fn purpose(&self) -> access::Purpose {
        self.purpose
    }

    /// For which case; maybe empty.
    pub fn case_number(&self) -> &str {
        &self.case_number
    }

    /// The user's name as shown.
    pub fn name(&self) -> &str {
        &self.user.display_name
    }

    /// Writes a reading down: no record, no reading.
    pub async fn record(&self, client: &impl GenericClient, person_id: PersonId, scope: &str) -> Result<()> {
        let access = Access {
            user_id: self.user.user_id,
            person_id: person_id.uuid(),
            purpose: self.purpose,
            case_number: &self.case_number,
            scope,
        };
        access::record(client, &access).await.context("write the reading down")
    }
}

/// The name of the user under whom this process runs.
fn system_user() -> Option<String> {
    let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number == id).then(|| name.to_owned())
    });
    name.or_else(|| std::env::var("USER").ok().filter(|name| !name.is_empty()))
}

/// Whom a command is about.
pub enum People {
    /// These.
    Named(std::vec::IntoIter<Person>),
    /// Everybody whose rules history knows, a page at a time.
    All {
        page: std::vec::IntoIter<PersonId>,
        last: Option<PersonId>,
        count: u64,
    },
}

impl People {
    /// Finds people by their case references.
    pub async fn named(client: &impl GenericClient, references: &[String]) -> Result<Self> {
        let mut people = Vec::new();
        for reference in references {
            let Some(person) = person::by_reference(client, reference).await? else {
                bail!("there is no person with the reference {reference:?}");
            };
            people.push(person);
        }
        Ok(Self::Named(people.into_iter()))
    }

    /// These people, by their ids.
    pub async fn of_ids(client: &impl GenericClient, ids: &[PersonId]) -> Result<Self> {
        let mut people = Vec::new();
        for &id in ids {
            people.push(person::read(client, id).await?);
        }
        Ok(Self::Named(people.into_iter()))
    }

    /// Everybody.
    pub async fn all(client: &impl GenericClient) -> Result<Self> {
        Ok(Self::All {
            page: Vec::new().into_iter(),
            last: None,
            count: folded::count_people(client).await?,
        })
    }

    /// How many.
    pub fn count(&self) -> u64 {
        match self {
            Self::Named(people) => people.len() as u64,
            Self::All { count, .. } => *count,
        }
    }

    /// The next one.
    pub async fn next(&mut self, client: &impl GenericClient) -> Result<Option<Person>> {
        match self {
            Self::Named(people) => Ok(people.next()),
            Self::All { page, last, .. } => {
                if page.as_slice().is_empty() {
                    *page = folded::people(client, *last, PAGE).await?.into_iter();
                }
                let Some(next) = page.next() else { return Ok(None) };
                *last = Some(next);
                Ok(Some(person::read(client, next).await?))
            }
        }
    }
}

/// A person's time zone, from the data compiled in, as the engine has it.
pub fn time_zone(person: &Person) -> Result<TimeZone> {
    proto::rules::time_zone(&person.time_zone)
        .map_err(|error| anyhow::anyhow!("time zone of {}: {error}", person.person_id))
}

/// Parts of one person's progress.
const PARTS: u64 = 1_000;

/// Progress over people and over the time of each; shows on standard error if that is a terminal.
pub struct Progress {
    bar: ProgressBar,
    person: u64,
    first: Option<jiff::Timestamp>,
    until: jiff::Timestamp,
}

impl Progress {
    /// For so many people.
    pub fn new(what: &'static str, people: u64) -> Self {
        let bar = ProgressBar::new(people.saturating_mul(PARTS));
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40} {percent:>3} %  {eta} left  {msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            bar,
            person: 0,
            first: None,
            until: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    /// A person's turn; their history goes up to `until`.
    pub fn begin(&mut self, reference: &str, until: jiff::Timestamp) {
        self.bar.set_message(reference.to_owned());
        self.first = None;
        self.until = until;
    }

    /// History is folded up to here.
    pub fn at(&mut self, time: jiff::Timestamp) {
        let first = *self.first.get_or_insert(time);
        let whole = self.until.as_second() - first.as_second();
        let done = time.as_second() - first.as_second();
        let part = (done.max(0).unsigned_abs() * PARTS).checked_div(whole.max(0).unsigned_abs());
        self.bar
            .set_position(self.person * PARTS + part.unwrap_or(0).min(PARTS));
    }

    /// The person is done.
    pub fn end(&mut self) {
        self.person += 1;
        self.bar.set_position(self.person * PARTS);
    }

    /// Prints a line of the result above the bar.
    pub fn print(&self, line: &str) {
        self.bar.suspend(|| println!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Compiled layers, each read once.
#[derive(Default)]
pub struct Layers(BTreeMap<LayerReference, Option<Arc<CompiledLayer>>>);

impl Layers {
    /// A record as the engine takes it; `None` for a layer that is not stored with the content of its marker, which the
    /// running engine passes over too.
    pub async fn input<'a>(&mut self, database: &Database, body: &'a Body) -> Result<Option<Input<'a>>> {
        Ok(match body {
            Body::Report(report) => Some(Input::Report(report)),
            Body::Rules(rules) => Some(Input::Rules(rules)),
            Body::Layer(marker) => {
                let reference = LayerReference {
                    layer_id: LayerId::from_wire(&marker.layer_id).context("layer marker")?,
                    revision: marker.revision,
                    content_hash: marker.content_hash.as_slice().try_into().unwrap_or_default(),
                };
                self.layer(database, reference).await?.map(Input::Layer)
            }
        })
    }

    async fn layer(&mut self, database: &Database, reference: LayerReference) -> Result<Option<Arc<CompiledLayer>>> {
        if let Some(known) = self.0.get(&reference) {
            return Ok(known.clone());
        }
        let client = database.client().await?;
        let content = match zone::layer_content(&client, reference.layer_id, reference.revision).await {
            Ok(content) => Some(content),
            Err(error) if error.is_retryable() => return Err(error.into()),
            Err(_) => None,
        };
        let layer = content.and_then(|content| CompiledLayer::decode(&content).ok());
        let layer = layer
            .filter(|layer| LayerReference::of(layer) == reference)
            .map(Arc::new);
        self.0.insert(reference, layer.clone());
        Ok(layer)
    }
}
