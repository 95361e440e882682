//! `homeward user add`.

use std::io::BufRead;

use anyhow::{Context, Result, bail};
use casedb::{
    Database, GenericClient, agency,
    user::{self, NewUser},
};

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
