//! `homeward person …`: supervised people, their contacts, notes on them.

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient, agency, authority,
    contact::{self, Content},
    contract::Scope,
    device::life,
    note::{self, Written},
    order, person,
    person::Person,
    user::{self, Branch, Role},
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    agency::{act, found},
    escalation, orders,
    table::aligned,
};
use crate::{
    cli::people::{PersonAdd, PersonCommand, PersonContact, PersonNote, PersonSet},
    config::Config,
};

/// People asked for at once.
const PAGE: i64 = 500;
/// Notes shown with a person.
const NOTES: i64 = 20;

pub async fn run(config: Config, command: PersonCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    let mut told = String::new();
    match command {
        PersonCommand::Add(arguments) => {
            let held = escalation::holds(&transaction, &config).await?;
            told = add(&transaction, &arguments).await?;
            escalation::still(&transaction, &config, held).await?;
        }
        PersonCommand::Set(arguments) => {
            let held = escalation::holds(&transaction, &config).await?;
            told = set(&transaction, &arguments).await?;
            escalation::still(&transaction, &config, held).await?;
        }
        PersonCommand::Show { person, json } => show(&transaction, &person, json).await?,
        PersonCommand::List { agency, json } => list(&transaction, agency.as_deref(), json).await?,
        PersonCommand::Contact(arguments) => write_contact(&transaction, &arguments).await?,
        PersonCommand::Note(arguments) => write_note(&transaction, &arguments).await?,
    }
    transaction.commit().await.context("commit")?;
    if !told.is_empty() {
        println!("{told}");
    }
    Ok(())
}

async fn worker(client: &impl GenericClient, username: &str, social: &agency::Agency) -> Result<Uuid> {
    match user::find(client, username).await? {
        Some((user, _)) => {
            authority::in_charge(&user, &social.path).context("--social-worker")?;
            Ok(user.user_id)
        }
        None => bail!("--social-worker: there is no user {username:?}"),
    }
}

async fn responsible(client: &impl GenericClient, path: &str, kind: agency::AgencyKind) -> Result<agency::Agency> {
    let agency = agency::in_use(client, path)
        .await
        .with_context(|| format!("agency {path}: `homeward agency list` has them"))?;
    if agency.kind != kind && agency.kind != agency::AgencyKind::Administration {
        bail!("agency {path} is of kind {}, not {kind}", agency.kind);
    }
    Ok(agency)
}

async fn add(transaction: &impl GenericClient, arguments: &PersonAdd) -> Result<String> {
    let by = act(transaction, &arguments.by).await?;
    if person::by_reference(transaction, &arguments.reference).await?.is_some() {
        bail!("there is a person with the reference {:?} already", arguments.reference);
    }
    let police = responsible(transaction, &arguments.police, agency::AgencyKind::Police).await?;
    let social = responsible(transaction, &arguments.social, agency::AgencyKind::SocialWork).await?;
    let person = Person {
        person_id: Uuid::now_v7().into(),
        reference: arguments.reference.clone(),
        display_name: arguments.name.clone(),
        risk_level: arguments.risk,
        police_agency_id: police.agency_id,
        social_agency_id: social.agency_id,
        social_worker_id: match &arguments.social_worker {
            Some(username) => Some(worker(transaction, username, &social).await?),
            None => None,
        },
        time_zone: arguments.time_zone.clone().unwrap_or(police.time_zone),
        demo: false,
    };
    person::create(transaction, &person).await?;
    if let Some(by) = by {
        authority::of_person(transaction, &by, &authority::CASES, person.person_id)
            .await
            .context("--by")?;
    }
    Ok(format!(
        "person {} was added: {}\nmonitoring begins with an order and a device",
        person.reference, person.person_id
    ))
}

async fn set(transaction: &impl GenericClient, arguments: &PersonSet) -> Result<String> {
    let before = orders::person(transaction, &arguments.person).await?;
    let by = act(transaction, &arguments.by).await?;
    if let Some(by) = &by {
        authority::of_person(transaction, by, &authority::CASES, before.person_id)
            .await
            .context("--by")?;
    }
    let mut after = before.clone();
    after.reference = arguments.reference.clone().unwrap_or(after.reference);
    after.display_name = arguments.name.clone().unwrap_or(after.display_name);
    after.risk_level = arguments.risk.unwrap_or(after.risk_level);
    after.time_zone = arguments.time_zone.clone().unwrap_or(after.time_zone);
    if let Some(path) = &arguments.police {
        after.police_agency_id = responsible(transaction, path, agency::AgencyKind::Police)
            .await?
            .agency_id;
    }
    if let Some(path) = &arguments.social {
        after.social_agency_id = responsible(transaction, path, agency::AgencyKind::SocialWork)
            .await?
            .agency_id;
    }
    match arguments.social_worker.as_deref() {
        Some("none") => after.social_worker_id = None,
        // Whoever is in charge stays so, where the new agency is theirs.
        None if after.social_agency_id != before.social_agency_id => {
            if let Some(id) = after.social_worker_id
                && let Some(worker) = user::read(transaction, id).await?
            {
                let social = agency::read(transaction, after.social_agency_id).await?;
                authority::in_charge(&worker, &social.path)
                    .context("--social: name somebody else by --social-worker, or `none`")?;
            }
        }
        Some(username) => {
            let social = agency::read(transaction, after.social_agency_id).await?;
            after.social_worker_id = Some(worker(transaction, username, &social).await?);
        }
        None => {}
    }
    if after == before {
        bail!("nothing to set");
    }
    let author = by.map(|by| by.user_id);
    person::change(transaction, &before, &after, author, Timestamp::now()).await?;
    Ok(format!("person {} was changed", after.reference))
}

async fn show(client: &impl GenericClient, reference: &str, json: bool) -> Result<()> {
    let now = Timestamp::now();
    let person = orders::person(client, reference).await?;
    let id = person.person_id;
    let zone = orders::time_zone(&person)?;
    let police = agency::read(client, person.police_agency_id).await?;
    let social = agency::read(client, person.social_agency_id).await?;
    let order = order::in_force(client, id, now).await?;
    let worn = life::worn_by(client, id).await?;
    let faults = life::faults_of_person(client, id).await?;
    let silent = life::silent(client, Some(id), now, PAGE).await?;
    let contacts = contact::of_person(client, id, true, now).await?;
    let audiences = ["police", "social_work", "both"];
    let notes = note::of_person(client, id, &audiences, (Timestamp::UNIX_EPOCH, Timestamp::MAX), NOTES).await?;
    if json {
        let order = order.map(|order| {
            json!({ "order_id": order.order_id.uuid(), "legal_basis": order.legal_basis, "grounds": order.grounds,
                "starts_at": order.starts_at, "ends_at": order.ends_at, "revoked_at": order.revoked_at })
        });
        let shown = json!({
            "person_id": id.uuid(), "reference": person.reference, "display_name": person.display_name,
            "risk_level": person.risk_level, "time_zone": person.time_zone, "police": police.path, "social": social.path,
            "order": order, "worn": worn, "faults": faults, "fitted_but_silent": silent, "contacts": contacts, "notes": notes,
        });
        println!("{shown}");
        return Ok(());
    }
    let mut rows = vec![
        ["person".to_owned(), id.to_string()],
        ["reference".to_owned(), person.reference.clone()],
        ["name".to_owned(), person.display_name.clone()],
        ["risk".to_owned(), person.risk_level.to_string()],
        ["police".to_owned(), format!("{} ({})", police.path, police.name)],
        ["social work".to_owned(), format!("{} ({})", social.path, social.name)],
        ["time zone".to_owned(), person.time_zone.clone()],
    ];
    rows.push([
        "order".to_owned(),
        order.map_or_else(
            || "none in force".to_owned(),
            |order| {
                let until = orders::local(order.valid_until(), &zone);
                format!(
                    "{}, {} to {until}",
                    order.legal_basis,
                    orders::local(order.starts_at, &zone)
                )
            },
        ),
    ]);
    for silent in &silent {
        let heard = if silent.never_heard {
            "never heard since it was fitted"
        } else {
            "silent"
        };
        rows.push([
            "silent".to_owned(),
            format!("{}: {heard}, since {}", silent.device, silent.silent_since),
        ]);
    }
    for contact in &contacts {
        let content = &contact.content;
        let parts = [
            &content.name,
            &content.relation,
            &content.phone,
            &content.address,
            &content.note,
        ];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).cloned().collect();
        rows.push([
            "contact".to_owned(),
            format!("{} {}: {}", contact.contact_id, content.kind, parts.join(", ")),
        ]);
    }
    for note in &notes {
        let at = orders::local(note.happened_at, &zone);
        rows.push([
            "note".to_owned(),
            format!(
                "{} {} {at}, {}: {}",
                note.note_id, note.kind, note.written_by, note.text
            ),
        ]);
    }
    print!("{}", aligned(&rows, ""));
    print!("{}", super::device::life::worn_table(&worn));
    if !faults.is_empty() {
        print!("{}", super::device::life::fault_table(&faults));
    }
    Ok(())
}

async fn list(client: &impl GenericClient, branch: Option<&str>, json: bool) -> Result<()> {
    let all = agency::list(client, None, true).await?;
    if let Some(branch) = branch {
        found(client, branch).await?;
    }
    let path = |id: Uuid| {
        all.iter()
            .find(|agency| agency.agency_id == id)
            .map_or("", |agency| agency.path.as_str())
    };
    let under = |path: &str| {
        branch.is_none_or(|branch| {
            path.strip_prefix(branch)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let mut rows = vec![["reference", "name", "risk", "police", "social work"].map(str::to_owned)];
    let mut objects = Vec::new();
    let mut last = None;
    loop {
        let page = person::list(client, last, PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.person_id);
        for person in page {
            let (police, social) = (path(person.police_agency_id), path(person.social_agency_id));
            if !under(police) && !under(social) {
                continue;
            }
            objects.push(json!({ "person_id": person.person_id.uuid(), "reference": person.reference,
                "display_name": person.display_name, "risk_level": person.risk_level, "police": police, "social": social }));
            rows.push([
                person.reference.clone(),
                person.display_name.clone(),
                person.risk_level.to_string(),
                police.to_owned(),
                social.to_owned(),
            ]);
        }
    }
    if json {
        println!("{}", serde_json::Value::Array(objects));
    } else {
        print!("{}", aligned(&rows, ""));
    }
    Ok(())
}

async fn write_contact(transaction: &impl GenericClient, arguments: &PersonContact) -> Result<()> {
    let now = Timestamp::now();
    let person = orders::person(transaction, &arguments.person).await?;
    let user = orders::acting(transaction, &arguments.by).await?;
    authority::of_person(transaction, &user, &authority::CASES, person.person_id)
        .await
        .context("--by")?;
    let by = user.user_id;
    note::act_as(transaction, by).await?;
    let zone = orders::time_zone(&person)?;
    let from = arguments.from.map(|at| orders::instant(at, &zone, false)).transpose()?;
    let until = arguments.until.map(|at| orders::instant(at, &zone, true)).transpose()?;
    let content = Content {
        kind: arguments.kind.parse()?,
        name: arguments.name.clone(),
        relation: arguments.relation.clone(),
        phone: arguments.phone.clone(),
        address: arguments.address.clone(),
        protected_address: arguments.protected,
        note: arguments.note.clone(),
        valid_from: from,
        valid_until: until,
    };
    if let Some(contact_id) = arguments.change {
        if contact::person(transaction, contact_id).await? != person.person_id {
            bail!("contact {contact_id} is not one of {}", person.reference);
        }
        // As a role the database keeps such an address; the owner of the tables has to ask.
        let known = contact::of_person(transaction, person.person_id, true, now).await?;
        let kept = known
            .iter()
            .any(|known| known.contact_id == contact_id && known.content.protected_address);
        if kept && user.branch == Branch::SocialWork {
            bail!("--by: the address of contact {contact_id} is the police's matter alone, and so is its change");
        }
        let revision = contact::revise(transaction, contact_id, &content, Some(by), now).await?;
        println!("contact {contact_id} is at revision {revision}");
    } else {
        let contact_id = contact::add(transaction, person.person_id, &content, Some(by), now).await?;
        println!("contact {contact_id} was added");
    }
    Ok(())
}

async fn write_note(transaction: &impl GenericClient, arguments: &PersonNote) -> Result<()> {
    let now = Timestamp::now();
    let person = orders::person(transaction, &arguments.person).await?;
    let user = orders::acting(transaction, &arguments.by).await?;
    let covered = user.role == Role::ServiceProvider
        && authority::covers(transaction, &user, person.person_id, Scope::Notes).await?;
    if !covered {
        authority::of_person(transaction, &user, &authority::CASES, person.person_id)
            .await
            .context("--by")?;
    }
    authority::of_audience(&user, &arguments.audience).context("--by")?;
    let by = user.user_id;
    note::act_as(transaction, by).await?;
    let zone = orders::time_zone(&person)?;
    let at = arguments.at.map(|at| orders::instant(at, &zone, false)).transpose()?;
    let written = Written {
        kind: arguments.kind.parse()?,
        audience: arguments.audience.parse()?,
        text: &arguments.text,
        happened_at: at.unwrap_or(now),
        corrects: arguments.corrects,
    };
    let id = note::write(transaction, person.person_id, &written, by, now).await?;
    println!("note {id} was written");
    Ok(())
}
