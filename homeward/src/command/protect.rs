//! `homeward protect …`: protected people, and who must keep away from them.

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient,
    agency::{self, AgencyKind},
    authority,
    change::{self, What},
    device, person,
    protect::{self, Protected, Terms},
    rules,
    user::User,
    zone::Schedule,
};
use jiff::Timestamp;
use proto::{DeviceId, PersonId};
use uuid::Uuid;

use super::orders;
use crate::{
    cli::orders::{By, ProtectAdd, ProtectCommand},
    config::Config,
};

pub async fn run(config: Config, command: ProtectCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let now = Timestamp::now();
    match command {
        ProtectCommand::List => return list(&client).await,
        ProtectCommand::Add(arguments) => {
            let transaction = client.transaction().await.context("transaction")?;
            let said = add(&transaction, &arguments, now).await?;
            transaction.commit().await.context("commit")?;
            for line in said {
                println!("{line}");
            }
        }
        ProtectCommand::Consent {
            protected,
            withdraw,
            by,
        } => {
            let transaction = client.transaction().await.context("transaction")?;
            let someone = find(&transaction, &protected).await?;
            let author = orders::acting(&transaction, &by).await?;
            authority::of_protected(&transaction, &author, someone.protected_id)
                .await
                .context("--by")?;
            let author = author.user_id;
            protect::consent(&transaction, someone.protected_id, !withdraw, now).await?;
            let what = if withdraw {
                What::ConsentWithdrawn
            } else {
                What::Consent
            };
            change::note(&transaction, author, None, what, &protected).await?;
            transaction.commit().await.context("commit")?;
            println!(
                "{}",
                if withdraw {
                    "consent withdrawn: nothing that the device says is used any more"
                } else {
                    "consent noted"
                }
            );
        }
        ProtectCommand::Remove { protected, from, by } => {
            let transaction = client.transaction().await.context("transaction")?;
            let someone = find(&transaction, &protected).await?;
            let supervised = orders::person(&transaction, &from).await?;
            let user = restricting(&transaction, &by, supervised.person_id).await?;
            let ended =
                protect::keep_away_no_more(&transaction, &user, supervised.person_id, &someone, None, now).await?;
            if ended.is_none() {
                bail!("{from} need not keep away from {protected}; `homeward protect list` shows who must");
            }
            rules::publish(&transaction, supervised.person_id, now).await?;
            transaction.commit().await.context("commit")?;
            println!("removed");
        }
    }
    Ok(())
}

async fn add(transaction: &impl GenericClient, arguments: &ProtectAdd, now: Timestamp) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let supervised = orders::person(transaction, &arguments.from).await?;
    let user = restricting(transaction, &arguments.by, supervised.person_id).await?;
    let author = user.user_id;
    let schedule = match &arguments.schedule {
        Some(text) => {
            let json =
                serde_json::from_str(text).with_context(|| format!("--schedule: not JSON like {}", Schedule::FORM))?;
            let schedule = Schedule::from_json(json).context("--schedule")?;
            schedule.holds_sometime().context("--schedule")?;
            Some(schedule)
        }
        None => None,
    };
    let terms = Terms {
        distance_m: arguments.distance,
        buffer_m: arguments.buffer,
        schedule,
    };
    let known = protect::by_reference(transaction, &arguments.protected).await?;
    let known_to_consent = known.as_ref().is_some_and(Protected::consents);
    let protected = match known {
        Some(known) => {
            authority::of_protected(transaction, &user, known.protected_id)
                .await
                .context("--by")?;
            known
        }
        None => create(transaction, arguments, &user, now).await?,
    };
    if arguments.consent && !protected.consents() {
        protect::consent(transaction, protected.protected_id, true, now).await?;
    }
    if arguments.consent && !known_to_consent {
        change::note(transaction, author, None, What::Consent, &arguments.protected).await?;
    }
    if let Some(device) = &arguments.device {
        let id = registered(transaction, device).await?;
        device::assign_protected(transaction, id, protected.protected_id, now).await?;
        let detail = format!("{}: device {id}", arguments.protected);
        change::note(transaction, author, None, What::Device, &detail).await?;
        said.push("the device is the protected person's".to_owned());
    }
    let kept = protect::keep_away(transaction, &user, supervised.person_id, &protected, &terms, None).await?;
    said.push(if kept.made {
        format!("restriction {}", kept.proximity_id)
    } else {
        format!("restriction {}, revision {}", kept.proximity_id, kept.revision)
    });
    if !protected.consents() && !arguments.consent {
        let cure = "it rests until the protected person consents: `homeward protect consent";
        said.push(format!("{cure} {}`", arguments.protected));
    }
    rules::publish(transaction, supervised.person_id, now).await?;
    Ok(said)
}

/// Who says that somebody must keep away: a user of the police's side who sees the supervised person.
async fn restricting(client: &impl GenericClient, by: &By, supervised: PersonId) -> Result<User> {
    let user = orders::acting(client, by).await?;
    authority::police_side(&user).context("--by")?;
    authority::of_person(client, &user, &authority::PROTECTION, supervised)
        .await
        .context("--by")?;
    Ok(user)
}

async fn create(
    transaction: &impl GenericClient,
    arguments: &ProtectAdd,
    by: &User,
    now: Timestamp,
) -> Result<Protected> {
    let Some(path) = &arguments.agency else {
        bail!(
            "{:?} is new: --agency must name the responsible police agency, by a path such as demo.police",
            arguments.protected
        );
    };
    let Some(agency) = agency::by_path(transaction, path).await? else {
        bail!("--agency: there is no agency {path:?}; an agency's path is like demo.police");
    };
    if !matches!(agency.kind, AgencyKind::Police | AgencyKind::Administration) {
        bail!("--agency {path} is of kind {}, not police", agency.kind);
    }
    authority::of_agency(by, &authority::PROTECTION, path).context("--by")?;
    let protected = Protected {
        protected_id: PersonId::new(Uuid::now_v7()),
        reference: arguments.protected.clone(),
        display_name: arguments.display_name.clone(),
        police_agency_id: agency.agency_id,
        consent_at: arguments.consent.then_some(now),
        withdrawn_at: None,
    };
    protect::create(transaction, &protected).await?;
    Ok(protected)
}

async fn registered(transaction: &impl GenericClient, name: &str) -> Result<DeviceId> {
    let Some((protocol, identity)) = name.split_once(':') else {
        bail!("--device {name:?}: give protocol and identity, such as native:HW-0017 or jt808:13900000001");
    };
    match device::by_identity(transaction, protocol, identity).await? {
        Some(device) => Ok(device.device_id),
        None => bail!("--device {name:?} is not registered; `homeward device add {protocol} {identity}` does that"),
    }
}

async fn find(client: &impl GenericClient, reference: &str) -> Result<Protected> {
    match protect::by_reference(client, reference).await? {
        Some(found) => Ok(found),
        None => bail!("there is no protected person {reference:?}; `homeward protect list` shows them"),
    }
}

async fn list(client: &impl GenericClient) -> Result<()> {
    let people = protect::list(client).await?;
    if people.is_empty() {
        println!("no protected people");
    }
    for someone in people {
        println!(
            "{}  {}",
            someone.reference,
            if someone.consents() {
                "consents"
            } else {
                "does not consent: restrictions rest"
            }
        );
        for bound in protect::of_protected(client, someone.protected_id).await? {
            println!(
                "  {} must keep {} m away, warning {} m farther out  (restriction {}, revision {})",
                person::read(client, bound.person_id).await?.reference,
                bound.terms.distance_m,
                bound.terms.buffer_m,
                bound.proximity_id,
                bound.revision
            );
        }
    }
    Ok(())
}
