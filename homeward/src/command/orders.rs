//! What the commands about orders share: who does it, whom it is about, and times of the person's time zone.

use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient,
    authority::{self, Act},
    person,
    person::Person,
    user::{self, User},
};
use jiff::{Timestamp, tz::TimeZone};
use proto::PersonId;
use uuid::Uuid;

use crate::{
    cli::orders::{By, Moment},
    config::Config,
};

pub async fn connect(config: &Config) -> Result<Database> {
    Database::connect(config.database_url()?, 2)
        .await
        .context("case database")
}

/// Finds a person by the case reference.
pub async fn person(client: &impl GenericClient, reference: &str) -> Result<Person> {
    match person::by_reference(client, reference).await? {
        Some(person) => Ok(person),
        None => bail!("there is no person with the reference {reference:?}; references are like DEMO-0001"),
    }
}

/// Finds the user who does something about a person; refuses one whom the console would not let.
pub async fn author_on(client: &impl GenericClient, by: &By, act: &Act, person: PersonId) -> Result<Uuid> {
    let user = acting(client, by).await?;
    authority::of_person(client, &user, act, person).await.context("--by")?;
    Ok(user.user_id)
}

/// Finds the user who does something that is about no person; refuses a role that may not.
pub async fn author(client: &impl GenericClient, by: &By, act: &Act) -> Result<Uuid> {
    let user = acting(client, by).await?;
    authority::role(&user, act).context("--by")?;
    Ok(user.user_id)
}

/// Finds the user who does something, with role and agency.
pub async fn acting(client: &impl GenericClient, by: &By) -> Result<User> {
    match user::find(client, &by.by).await? {
        Some((user, _)) => Ok(user),
        None => bail!(
            "--by: there is no user {:?}; `homeward user add` makes one, and changes are kept with their author",
            by.by
        ),
    }
}

/// The person's time zone, from the data that the engine uses.
pub fn time_zone(person: &Person) -> Result<TimeZone> {
    proto::rules::time_zone(&person.time_zone).with_context(|| format!("person {}", person.reference))
}

/// A time as it was typed; of a local time that comes twice, the later one when it ends something.
pub fn instant(moment: Moment, zone: &TimeZone, ends: bool) -> Result<Timestamp> {
    match moment {
        Moment::Instant(instant) => Ok(instant),
        Moment::Local(local) => {
            let ambiguous = zone.to_ambiguous_timestamp(local);
            let chosen = if ends {
                ambiguous.later()
            } else {
                ambiguous.compatible()
            };
            chosen.with_context(|| format!("the time {local}"))
        }
    }
}

/// A time for people to read, in a person's time zone.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string()
}
