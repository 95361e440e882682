//! `homeward user …`: accounts.

use std::io::BufRead;

use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient,
    account::{self, Changes},
    agency,
    user::{self, NewUser},
};

use jiff::Timestamp;

use super::{escalation, notify};
use crate::{
    cli::{Role, UserCommand},
    config::Config,
};

/// Shortest password taken from outside.
const SHORTEST: usize = 12;

pub async fn run(config: Config, command: UserCommand) -> Result<()> {
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let mut client = database.client().await?;
    let (username, role, path, display_name, locale, password_stdin) = match command {
        UserCommand::Add {
            username,
            role,
            agency,
            display_name,
            locale,
            password_stdin,
        } => (username, role, agency, display_name, locale, password_stdin),
        UserCommand::Set {
            username,
            role,
            agency,
            display_name,
            disable,
            enable,
            new_password,
            password_stdin,
        } => {
            let transaction = client.transaction().await.context("transaction")?;
            let held = escalation::holds(&transaction, &config).await?;
            let agency = match &agency {
                Some(path) => match agency::by_path(&transaction, path).await? {
                    Some(agency) => Some(agency),
                    None => bail!("there is no agency {path:?}; an agency's path is like demo.police"),
                },
                None => None,
            };
            let agency_id = agency.as_ref().map(|agency| agency.agency_id);
            if role.is_some() || agency.is_some() {
                fits(&transaction, &username, role, agency).await?;
            }
            let changes = Changes {
                display_name: display_name.as_deref(),
                role: role.map(Into::into),
                agency_id,
                disabled: (disable || enable).then_some(disable),
            };
            let password = if password_stdin {
                Some(read_password()?)
            } else {
                new_password.then(user::random_password)
            };
            set(&transaction, &username, &changes, password.as_deref()).await?;
            if disable {
                // Whose account is misused loses it now, whoever is left to call.
                escalation::told(&transaction, &config).await?;
            } else {
                escalation::still(&transaction, &config, held).await?;
            }
            transaction.commit().await.context("commit")?;
            println!("user {username} was changed");
            if let (Some(password), true) = (password, new_password) {
                println!("password: {password}");
            }
            return Ok(());
        }
        UserCommand::Contact { username, mail, phone } => {
            let transaction = client.transaction().await.context("transaction")?;
            let held = escalation::holds(&transaction, &config).await?;
            contact(&transaction, &username, mail, phone).await?;
            escalation::still(&transaction, &config, held).await?;
            transaction.commit().await.context("commit")?;
            println!("stored");
            return Ok(());
        }
    };
    let Some(agency) = agency::by_path(&client, &path).await? else {
        bail!("there is no agency {path:?}; an agency's path is like demo.police");
    };
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-_".contains(letter);
    if !(1..=64).contains(&username.len()) || !username.chars().all(plain) {
        bail!("{username:?} cannot be a name to sign in: use a-z, 0-9, dot, dash and underscore, at most 64 of them");
    }
    account::fits(role.into(), agency.kind.as_str(), &agency.name)?;
    if user::find(&client, &username).await?.is_some() {
        bail!("there is a user {username:?} already");
    }
    let (password, made) = if password_stdin {
        (read_password()?, false)
    } else {
        (user::random_password(), true)
    };
    let hash = user::hash_password(&password)?;
    let new = NewUser {
        display_name: display_name.unwrap_or_else(|| username.clone()),
        username: username.clone(),
        role: role.into(),
        agency_id: agency.agency_id,
        locale,
        email: None,
    };
    user::create(&client, &new, &hash)
        .await
        .with_context(|| format!("user {username:?}"))?;
    println!("user {username} was added to {path}");
    if made {
        println!("password: {password}");
    }
    Ok(())
}

/// Refuses a role that the agency has no work for: what is not changed is as it is.
async fn fits(
    client: &impl GenericClient,
    username: &str,
    role: Option<Role>,
    agency: Option<agency::Agency>,
) -> Result<()> {
    let accounts = account::list(client).await?;
    let Some(known) = accounts.iter().find(|account| account.username == username) else {
        bail!("there is no user {username:?}");
    };
    let agency = match agency {
        Some(agency) => agency,
        None => agency::read(client, known.agency_id).await?,
    };
    let role = role.map(Into::into).or_else(|| user::Role::parse(&known.role));
    let role = role.with_context(|| format!("user {username:?}: unknown role"))?;
    account::fits(role, agency.kind.as_str(), &agency.name)?;
    Ok(())
}

/// Changes an account.
async fn set(client: &impl GenericClient, username: &str, changes: &Changes<'_>, password: Option<&str>) -> Result<()> {
    let accounts = account::list(client).await?;
    let Some(known) = accounts.iter().find(|account| account.username == username) else {
        bail!("there is no user {username:?}");
    };
    let changed = changes.display_name.is_some()
        || changes.role.is_some()
        || changes.agency_id.is_some()
        || changes.disabled.is_some();
    if !changed && password.is_none() {
        bail!(
            "nothing to set: give --role, --agency, --display-name, --disable, --enable, --new-password or --password-stdin"
        );
    }
    if changed {
        account::change(client, known.user_id, changes, Timestamp::now()).await?;
    }
    if let Some(password) = password {
        let hash = user::hash_password(password)?;
        account::set_password(client, known.user_id, &hash).await?;
    }
    Ok(())
}

/// Sets a user's own addresses.
async fn contact(
    client: &impl GenericClient,
    username: &str,
    mail: Option<String>,
    phone: Option<String>,
) -> Result<()> {
    if let Some(address) = mail
        .as_deref()
        .filter(|address| !address.is_empty() && !address.contains('@'))
    {
        bail!("{address:?} is no mail address");
    }
    if let Some(number) = phone.as_deref().filter(|number| !number.is_empty()) {
        notify::check_phone(number)?;
    }
    if !user::set_contact(client, username, mail.as_deref(), phone.as_deref()).await? {
        bail!("there is no user {username:?}");
    }
    Ok(())
}

fn read_password() -> Result<String> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("password on standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.chars().count() < SHORTEST {
        bail!("the password on standard input is shorter than {SHORTEST} characters");
    }
    Ok(password.to_owned())
}

impl From<Role> for user::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::DutyOfficer => Self::DutyOfficer,
            Role::SocialWorker => Self::SocialWorker,
            Role::ServiceProvider => Self::ServiceProvider,
            Role::Analyst => Self::Analyst,
            Role::Supervisor => Self::Supervisor,
            Role::Auditor => Self::Auditor,
            Role::Administrator => Self::Administrator,
        }
    }
}
