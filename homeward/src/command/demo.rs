//! `homeward demo seed`: an invented agency with people, devices and two users.

use std::{
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use casedb::{
    Database, GenericClient,
    agency::{self, Agency, AgencyKind},
    device::{self, Changes, Device, Entry},
    order::{self, Order},
    person,
    protect::{self, Protected, Terms},
    user::{self, NewUser, Role},
};
use codec::Protocol;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{Timestamp, ToSpan};
use sim::World;
use uuid::Uuid;

use super::world::{self, TIME_ZONE};
use crate::{
    cli::{DemoCommand, WorldArgs},
    config::Config,
};

/// Days before and after today that the demo's orders run.
const TERM_DAYS: (i64, i64) = (1, 90);
/// The demo's users: name to sign in with, name shown, role, agency.
const USERS: [(&str, &str, Role, &str); 2] = [
    ("officer", "Duty officer (demo)", Role::DutyOfficer, "demo.police"),
    ("worker", "Social worker (demo)", Role::SocialWorker, "demo.social"),
];

pub async fn run(config: Config, command: DemoCommand) -> Result<()> {
    let DemoCommand::Seed {
        world,
        credentials_file,
    } = command;
    let database = Database::connect(config.database_url()?, 4)
        .await
        .context("case database")?;
    seed(&config, &database, &world, credentials_file.as_deref()).await
}

async fn seed(
    config: &Config,
    database: &Database,
    arguments: &WorldArgs,
    credentials_file: Option<&Path>,
) -> Result<()> {
    let now = Timestamp::now();
    let client = database.client().await?;
    let police = ensure_agency(&client, "demo.police", "Demo police station", AgencyKind::Police).await?;
    let social = ensure_agency(
        &client,
        "demo.social",
        "Demo social work office",
        AgencyKind::SocialWork,
    )
    .await?;
    let credentials = ensure_users(&client, credentials_file).await?;
    drop(client);

    let world = world::build(config, arguments, now)?;
    let protected = world.protected();
    let bar = ProgressBar::new(world.people.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("people {bar:40} {pos}/{len}") {
        bar.set_style(style);
    }
    for someone in &world.people {
        let mut client = database.client().await?;
        let transaction = client.transaction().await.context("transaction")?;
        ensure_person(&transaction, &world, someone, police, social, now)
            .await
            .with_context(|| someone.reference.clone())?;
        for other in protected.people.iter().filter(|other| is_kept_from(someone, other)) {
            ensure_protected(&transaction, someone, other, police, now)
                .await
                .with_context(|| other.reference.clone())?;
        }
        transaction.commit().await.context("commit")?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    world::lay(database, &world, now).await?;

    println!("demo agency with {} people and devices is in place", world.people.len());
    for (username, password) in credentials {
        println!("log-in: {username} / {password}");
    }
    Ok(())
}

async fn ensure_agency(client: &impl GenericClient, path: &str, name: &str, kind: AgencyKind) -> Result<Uuid> {
    let root = ("demo", "Demo agency", AgencyKind::Administration);
    for (path, name, kind) in [root, (path, name, kind)] {
        if agency::by_path(client, path).await?.is_none() {
            let agency = Agency {
                agency_id: Uuid::now_v7(),
                path: path.to_owned(),
                name: name.to_owned(),
                kind,
                time_zone: TIME_ZONE.to_owned(),
            };
            agency::create(client, &agency).await?;
        }
    }
    Ok(agency::by_path(client, path)
        .await?
        .context("the agency just made")?
        .agency_id)
}

/// Makes the two users; a password that nobody knows any more (no credentials file) is replaced.
async fn ensure_users(client: &impl GenericClient, file: Option<&Path>) -> Result<Vec<(String, String)>> {
    let kept = file.map(read_credentials).transpose()?.unwrap_or_default();
    let mut credentials = Vec::new();
    for (username, display_name, role, path) in USERS {
        let known = kept
            .iter()
            .find(|(name, _)| name == username)
            .map(|(_, password)| password.clone());
        let existing = user::find(client, username).await?;
        let password = match (known, &existing) {
            (Some(password), Some((_, hash))) if user::verify_password(&password, hash) => password,
            (known, existing) => {
                let password = known.unwrap_or_else(user::random_password);
                let hash = user::hash_password(&password)?;
                if let Some((user, _)) = existing {
                    user::set_password(client, user.user_id, &hash).await?;
                } else {
                    let agency_id = agency::by_path(client, path)
                        .await?
                        .context("agency of the user")?
                        .agency_id;
                    let user = NewUser {
                        username: username.to_owned(),
                        display_name: display_name.to_owned(),
                        role,
                        agency_id,
                        locale: "en".to_owned(),
                        email: None,
                    };
                    user::create(client, &user, &hash).await?;
                }
                password
            }
        };
        credentials.push((username.to_owned(), password));
    }
    if let Some(file) = file {
        write_credentials(file, &credentials)?;
    }
    Ok(credentials)
}

fn read_credentials(file: &Path) -> Result<Vec<(String, String)>> {
    if !file.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(file).with_context(|| format!("credentials: {}", file.display()))?;
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs
        .map(|(name, password)| (name.to_owned(), password.trim().to_owned()))
        .collect())
}

fn write_credentials(file: &Path, credentials: &[(String, String)]) -> Result<()> {
    let place = || format!("credentials: cannot write {}", file.display());
    let partial: PathBuf = file.with_extension("partial");
    let mut output = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .with_context(place)?;
    for (name, password) in credentials {
        writeln!(output, "{name} {password}").with_context(place)?;
    }
    std::fs::rename(&partial, file).with_context(place)
}

async fn ensure_person(
    client: &impl GenericClient,
    world: &World,
    someone: &sim::person::Person,
    police: Uuid,
    social: Uuid,
    now: Timestamp,
) -> Result<()> {
    if person::by_reference(client, &someone.reference).await?.is_none() {
        let person = person::Person {
            person_id: someone.person_id,
            reference: someone.reference.clone(),
            display_name: someone.name.clone(),
            risk_level: i16::from(someone.risk_level),
            police_agency_id: police,
            social_agency_id: social,
            social_worker_id: None,
            time_zone: TIME_ZONE.to_owned(),
            demo: true,
        };
        person::create(client, &person).await?;
    }
    if order::in_force(client, someone.person_id, now).await?.is_none() {
        let fresh = order::of_person(client, someone.person_id).await?.is_empty();
        let order = Order {
            order_id: if fresh { someone.order_id } else { Uuid::now_v7().into() },
            person_id: someone.person_id,
            legal_basis: "Demonstration".to_owned(),
            grounds: "An invented person".to_owned(),
            starts_at: now.checked_sub((24 * TERM_DAYS.0).hours())?,
            ends_at: now.checked_add((24 * TERM_DAYS.1).hours())?,
            revoked_at: None,
        };
        order::create(client, &order).await?;
    }
    ensure_device(client, world, someone, now).await
}

fn is_kept_from(someone: &sim::person::Person, other: &sim::person::Person) -> bool {
    let kept_from = someone.protected.as_ref();
    kept_from.is_some_and(|kept_from| kept_from.protected_id == other.person_id)
}

/// Adds somebody from whom a person must keep away, with their consent and a device.
async fn ensure_protected(
    client: &impl GenericClient,
    someone: &sim::person::Person,
    other: &sim::person::Person,
    police: Uuid,
    now: Timestamp,
) -> Result<()> {
    let Some(planned) = &someone.protected else {
        return Ok(());
    };
    let protected = Protected {
        protected_id: other.person_id,
        reference: other.reference.clone(),
        display_name: String::new(),
        police_agency_id: police,
        consent_at: Some(now),
        withdrawn_at: None,
    };
    if protect::by_reference(client, &protected.reference).await?.is_none() {
        protect::create(client, &protected).await?;
    }
    let known = ensure_registered(client, other).await?;
    if known.is_none_or(|known| known.protected.is_none()) {
        device::assign_protected(client, other.device_id, other.person_id, now).await?;
    }
    let bound = protect::of_person(client, someone.person_id, true).await?;
    if !bound.iter().any(|bound| bound.protected_id == other.person_id) {
        let terms = Terms {
            distance_m: planned.distance_m,
            buffer_m: planned.buffer_m,
            schedule: None,
        };
        protect::bind(client, someone.person_id, &protected, &terms, None).await?;
    }
    Ok(())
}

/// Registers the device, and gives it to its wearer in place of one that speaks another protocol.
async fn ensure_device(
    client: &impl GenericClient,
    world: &World,
    someone: &sim::person::Person,
    now: Timestamp,
) -> Result<()> {
    let known = ensure_registered(client, someone).await?;
    if known.is_some_and(|known| known.person_id.is_some() || known.protected.is_some()) {
        return Ok(());
    }
    for other in world.devices(someone).filter(|other| *other != someone.device_id) {
        device::unassign(client, other, now).await?;
    }
    device::assign(client, someone.device_id, someone.person_id, now).await?;
    Ok(())
}

/// Registers the device if it is not known; returns what was known of it.
async fn ensure_registered(client: &impl GenericClient, someone: &sim::person::Person) -> Result<Option<Entry>> {
    let protocol = someone.speaks.protocol();
    let profile = someone.speaks.profile();
    let known = device::lookup(client, protocol.name(), &someone.identity).await?;
    if let Some(known) = &known {
        if known.device.profile != profile {
            let changes = Changes {
                profile: Some(profile.to_owned()),
                ..Changes::default()
            };
            device::set(client, known.device.device_id, &changes).await?;
        }
    } else {
        // A JT/T 808 code is text that the gateway hands out at registration; a native key stays secret; the others have none.
        let secret = match protocol {
            Protocol::Native => Some(rand::random::<[u8; 32]>().to_vec()),
            Protocol::Jt808 => Some(user::random_password().into_bytes()),
            Protocol::Teltonika | Protocol::Gt06 | Protocol::Eelink => None,
        };
        let device = Device {
            device_id: someone.device_id,
            protocol: protocol.name().to_owned(),
            identity: someone.identity.clone(),
            secret,
            model: "simulated".to_owned(),
            profile: profile.to_owned(),
            ..Device::default()
        };
        device::register(client, &device).await?;
    }
    Ok(known)
}
