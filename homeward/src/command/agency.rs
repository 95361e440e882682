//! `homeward agency …`: the tree of agencies.

use alerts::lifecycle::course::Patience;
use anyhow::{Context, Result, anyhow, bail};
use casedb::{
    GenericClient,
    agency::{self, Agency},
    authority, note,
    user::{self, User},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{escalation, orders, table::aligned};
use crate::{
    cli::people::{AgencyCommand, AgencyKind, MaybeBy},
    config::Config,
};

pub async fn run(config: Config, command: AgencyCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    match command {
        AgencyCommand::Add {
            path,
            name,
            kind,
            time_zone,
            by,
        } => {
            agency::check_path(&path)?;
            in_branch(&transaction, &by, &[&path]).await?;
            let agency = Agency {
                agency_id: Uuid::now_v7(),
                path,
                name,
                kind: kind.into(),
                time_zone,
            };
            if agency::by_path(&transaction, &agency.path).await?.is_some() {
                bail!("there is an agency {} already", agency.path);
            }
            agency::add(&transaction, &agency).await?;
            println!("agency {} was added: {}", agency.path, agency.agency_id);
        }
        AgencyCommand::Move { path, to, by } => {
            agency::check_path(&to)?;
            in_branch(&transaction, &by, &[&to]).await?;
            from_above(&transaction, &by, &path).await?;
            let held = escalation::holds(&transaction, &config).await?;
            let moved = agency::relocate(&transaction, &path, &to).await?;
            escalation::still(&transaction, &config, held).await?;
            println!("{moved} agencies moved from {path} to {to}");
        }
        AgencyCommand::Set {
            path,
            name,
            time_zone,
            laws,
            acknowledged_min,
            in_action_min,
            inherit_patience,
            by,
        } => {
            in_branch(&transaction, &by, &[&path]).await?;
            if !laws.is_empty() {
                from_above(&transaction, &by, &path).await?;
            }
            let mut agency = found(&transaction, &path).await?;
            let patience = patience(&acknowledged_min, &in_action_min)?;
            if name.is_none() && time_zone.is_none() && laws.is_empty() && patience.is_none() && !inherit_patience {
                bail!(
                    "nothing to set: give --name, --time-zone, --laws, --acknowledged-min with --in-action-min, or --inherit-patience"
                );
            }
            if patience.is_some() || inherit_patience {
                agency::set_patience(&transaction, &path, patience.as_ref()).await?;
            }
            if !laws.is_empty() {
                let any = laws == ["any"];
                agency::set_laws(&transaction, &path, if any { &[] } else { &laws }).await?;
                let held = if any {
                    "any law profile".to_owned()
                } else {
                    laws.join(", ")
                };
                println!("agency {path}: orders are made under {held}");
            }
            agency.name = name.unwrap_or(agency.name);
            agency.time_zone = time_zone.unwrap_or(agency.time_zone);
            agency::update(&transaction, &agency).await?;
            println!("agency {path}: {}, {}", agency.name, agency.time_zone);
        }
        AgencyCommand::List { path, disabled, json } => {
            if let Some(path) = &path {
                found(&transaction, path).await?;
            }
            let listed = agency::list(&transaction, path.as_deref(), disabled).await?;
            if json {
                println!("{}", serde_json::to_string(&listed)?);
            } else {
                print!("{}", table(&listed));
            }
        }
        AgencyCommand::Disable { path, undo, by } => {
            in_branch(&transaction, &by, &[&path]).await?;
            if undo {
                let count = agency::enable(&transaction, &path).await?;
                println!("{count} agencies are in use again");
            } else {
                let held = escalation::holds(&transaction, &config).await?;
                let count = agency::disable(&transaction, &path, Timestamp::now()).await?;
                escalation::still(&transaction, &config, held).await?;
                println!("{count} agencies are out of use; their users are signed out");
            }
        }
    }
    transaction.commit().await.context("commit")?;
    Ok(())
}

/// Four lengths each, or nothing.
fn patience(acknowledged_min: &[u32], in_action_min: &[u32]) -> Result<Option<Patience>> {
    if acknowledged_min.is_empty() {
        return Ok(None);
    }
    let lengths = |minutes: &[u32], name: &str| {
        let lengths: Vec<SignedDuration> = minutes
            .iter()
            .map(|minutes| SignedDuration::from_mins((*minutes).into()))
            .collect();
        <[SignedDuration; 4]>::try_from(lengths).map_err(|_| anyhow!("{name}: four numbers of minutes, for P1 to P4"))
    };
    Ok(Some(Patience {
        acknowledged: lengths(acknowledged_min, "--acknowledged-min")?,
        in_action: lengths(in_action_min, "--in-action-min")?,
    }))
}

/// Finds an agency by its path.
pub async fn found(client: &impl GenericClient, path: &str) -> Result<Agency> {
    let found = agency::by_path(client, path).await?;
    found.with_context(|| format!("there is no agency {path:?}; `homeward agency list` has them"))
}

/// Says who acts, where somebody is named.
pub async fn act(transaction: &impl GenericClient, by: &MaybeBy) -> Result<Option<User>> {
    let Some(username) = &by.by else { return Ok(None) };
    let Some((user, _)) = user::find(transaction, username).await? else {
        bail!("--by: there is no user {username:?}");
    };
    note::act_as(transaction, user.user_id).await?;
    Ok(Some(user))
}

/// The same, and refuses whoever does not administer these places of the tree. A root is in nobody's branch: whoever runs the installation
/// adds it, without --by.
async fn in_branch(transaction: &impl GenericClient, by: &MaybeBy, paths: &[&str]) -> Result<()> {
    if let Some(user) = act(transaction, by).await? {
        for path in paths {
            authority::of_agency(&user, &authority::AGENCIES, path).context("--by")?;
        }
    }
    Ok(())
}

/// The same, and refuses administrators of the agency itself.
pub async fn from_above(transaction: &impl GenericClient, by: &MaybeBy, path: &str) -> Result<()> {
    if let Some(user) = act(transaction, by).await? {
        authority::above_agency(&user, &authority::STANDING, path).context("--by")?;
    }
    Ok(())
}

fn table(listed: &[agency::Listed]) -> String {
    let head = [
        "path",
        "kind",
        "name",
        "time zone",
        "users",
        "people",
        "out of use since",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(listed.iter().map(|agency| {
        [
            agency.path.clone(),
            agency.kind.to_string(),
            agency.name.clone(),
            agency.time_zone.clone(),
            agency.users.to_string(),
            agency.people.to_string(),
            agency.disabled_at.map_or_else(String::new, |at| at.to_string()),
        ]
    }));
    aligned(&rows, "")
}

impl From<AgencyKind> for agency::AgencyKind {
    fn from(kind: AgencyKind) -> Self {
        match kind {
            AgencyKind::Police => Self::Police,
            AgencyKind::SocialWork => Self::SocialWork,
            AgencyKind::Administration => Self::Administration,
            AgencyKind::ServiceProvider => Self::ServiceProvider,
        }
    }
}
