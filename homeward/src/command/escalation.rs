//! `homeward protocol`, `homeward ladder …`, `homeward rota …`.

mod file;

use std::collections::HashSet;

use alerts::{
    Audience, Severity,
    ladder::{Ladder, Scope, Subject, What, dry_run},
    priority,
    roster::{Callee, Via},
    rota::Rota,
    route,
};
use anyhow::{Context, Result, anyhow, bail};
use casedb::{
    GenericClient, Transaction, agency, authority,
    escalation::{self, Checked, Concerned, Look, NewAssignment, Plan, Refused},
    order,
    user::User,
};
use jiff::{Timestamp, tz::TimeZone};
use uuid::Uuid;

use self::file::{AssignmentEntry, LadderFile, RotaFile};
use super::orders;
use crate::{
    cli::{
        escalation::{AssignArgs, LadderCommand, ProtocolArgs, RotaCommand},
        orders::By,
    },
    config::Config,
};

/// Everything about calling, with the channels that are set up.
async fn load(client: &impl GenericClient, config: &Config) -> Result<Plan> {
    let mut plan = escalation::load(client).await?;
    plan.only_over(&config.calls());
    Ok(plan)
}

/// Says for the settings of before whether somebody could be called at every instant; see [`still`]. From here on nobody else changes them.
pub(super) async fn holds(client: &impl GenericClient, config: &Config) -> Result<bool> {
    escalation::turn(client).await?;
    Ok(load(client, config)
        .await?
        .checked(client, Timestamp::now())
        .await?
        .is_ok())
}

/// Refuses a change of accounts or of people after which somebody could be left whom nobody is called about, where there was none before.
pub(super) async fn still(client: &impl GenericClient, config: &Config, held: bool) -> Result<()> {
    let plan = load(client, config).await?;
    match plan.checked(client, Timestamp::now()).await? {
        Err(refused) if held => bail!(
            "refused, nothing is stored: a ladder would be left with nobody to call. {}. Change the ladder first (`homeward ladder set`)",
            plan.explain(&refused)
        ),
        Err(_) => {
            eprintln!("note: `homeward ladder check` names ladders with nobody to call, as before this change");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

/// After a change that cannot wait, as an account that is disabled: says where somebody could be left whom nobody is called about, and raises that as
/// an incident in the same transaction.
pub(super) async fn told(transaction: &Transaction<'_>, config: &Config) -> Result<()> {
    let look = escalation::look(transaction, &config.calls(), Timestamp::now()).await?;
    if matches!(look, Look::Gap(_)) {
        eprintln!(
            "note: a ladder is left with nobody to call at some instant: an incident says so. `homeward ladder check` names it, `homeward ladder set` or \
             `homeward rota set` mends it"
        );
    }
    Ok(())
}

/// The dry run.
pub async fn protocol(config: Config, arguments: ProtocolArgs) -> Result<()> {
    let database = orders::connect(&config).await?;
    let client = database.client().await?;
    let person = orders::person(&client, &arguments.person).await?;
    let zone = orders::time_zone(&person)?;
    let at = match arguments.at {
        Some(moment) => orders::instant(moment, &zone, false)?,
        None => Timestamp::now(),
    };
    let cases: Vec<(String, Severity, Audience)> = match &arguments.kind {
        Some(word) => {
            let kind = proto::event::parse_kind(word).with_context(|| {
                let known: Vec<&str> = proto::event::KINDS.into_iter().map(proto::event::kind_name).collect();
                format!("--kind: there is no kind {word:?}; kinds are {}", known.join(", "))
            })?;
            // The dry run knows of no zone: one where an order may say the least.
            let ruled = ruled(&client, &person, kind, at).await?;
            let reason = priority::order::reason(kind, person.risk_level, ruled, true);
            println!("{reason}");
            vec![(
                word.clone(),
                reason.severity,
                route::audience(kind, reason.severity, None),
            )]
        }
        None => Severity::ALL
            .into_iter()
            .map(|severity| ("an incident".to_owned(), severity, Audience::Both))
            .collect(),
    };
    let plan = load(&client, &config).await?;
    let concerned = Concerned {
        person: Some(person.person_id.uuid()),
        police: Some(person.police_agency_id),
        social: Some(person.social_agency_id),
    };
    let protocols = plan.protocols(&concerned);
    let units = plan.units_of(&concerned);
    let subject = Subject {
        person: person.person_id,
        units: &units,
    };
    if arguments.kind.is_none()
        && let Some((order_id, revision, rules)) = order::priorities_at(&client, person.person_id, at).await?
        && !rules.is_empty()
    {
        let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
        println!(
            "priorities by order {order_id}, revision {revision}: {}",
            rules.join(" ")
        );
    }
    println!(
        "{}: raised {} ({}), if nobody answers",
        person.reference,
        orders::local(at, &zone),
        person.time_zone
    );
    for (what, severity, audience) in cases {
        let ladder = protocols.select(&subject, severity, audience);
        let lines = dry_run(&protocols, &subject, severity, audience, at);
        let (Some(ladder), Some(lines)) = (ladder, lines) else {
            bail!("no ladder is for {severity}, {audience}: `homeward ladder check` says what is missing");
        };
        println!(
            "\n{severity} {what}, for {audience}: ladder {} (revision {}), {} steps, climbed {} times{}",
            name(&plan, ladder, severity),
            ladder.revision,
            ladder.steps.len(),
            ladder.laps,
            delay(ladder)
        );
        for line in lines {
            print_line(&plan, ladder, &line, at, &zone);
        }
    }
    Ok(())
}

/// What the person's order says of a kind.
async fn ruled(
    client: &impl GenericClient,
    person: &casedb::person::Person,
    kind: proto::wire::EventKind,
    at: Timestamp,
) -> Result<Option<priority::order::Ruled>> {
    let found = order::priorities_at(client, person.person_id, at).await?;
    Ok(found.and_then(|(order_id, revision, rules)| {
        priority::order::of_kind(&rules, kind).map(|change| priority::order::Ruled {
            order: order_id.uuid(),
            revision,
            change,
        })
    }))
}

fn print_line(plan: &Plan, ladder: &Ladder, line: &alerts::ladder::Line, from: Timestamp, zone: &TimeZone) {
    let after = line.at.duration_since(from).as_secs();
    let (hours, minutes, seconds) = (after / 3600, after / 60 % 60, after % 60);
    let when = format!(
        "  {}  +{hours:02}:{minutes:02}:{seconds:02}",
        orders::local(line.at, zone)
    );
    let place = format!("{}.{}", line.lap + 1, line.step + 1);
    match &line.what {
        What::Call(called) => {
            let step = usize::try_from(line.step).ok().and_then(|step| ladder.steps.get(step));
            for one in called {
                let via = step.map_or(&[][..], |step| step.via.as_slice());
                println!(
                    "{when}  {place:<5} {} over {}",
                    plan.name(one.user),
                    channels(plan, one.user, one.via, via)
                );
            }
        }
        What::Nobody => println!("{when}  {place:<5} nobody to call, the next step follows at once"),
        What::Failed => {
            println!("{when}  failed: an incident of its own, P1, on everybody's ladder, until somebody comes");
        }
    }
}

/// The channels one after the other, from the first over which there is an address.
fn channels(plan: &Plan, user: Uuid, first: Via, via: &[Via]) -> String {
    let own = plan.members.get(&user).map(|member| &member.via);
    let mut names = vec![first.name()];
    let rest = via.iter().skip_while(|via| **via != first).skip(1);
    names.extend(
        rest.filter(|via| own.is_some_and(|own| own.contains(via)))
            .map(|via| via.name()),
    );
    names.join(", then ")
}

fn name(plan: &Plan, ladder: &Ladder, severity: Severity) -> String {
    match plan.ladders.get(&ladder.ladder) {
        Some((name, _)) => name.clone(),
        None => format!("built-in {severity}"),
    }
}

/// Ladders.
pub async fn ladder(config: Config, command: LadderCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let now = Timestamp::now();
    match command {
        LadderCommand::List => {
            list(&client, &escalation::load(&client).await?).await?;
        }
        LadderCommand::Check => {
            let plan = load(&client, &config).await?;
            match plan.checked(&client, now).await? {
                Ok(checked) => println!("somebody can be called at every instant; {}", said(&checked)),
                Err(refused) => bail!("{}", plan.explain(&refused)),
            }
        }
        LadderCommand::Set { file, by } => {
            let file: LadderFile = file::read(&file)?;
            if file.ladders.is_empty() && file.assignments.is_empty() {
                bail!("the file has no [[ladders]] and no [[assignments]]; `homeward ladder set --help` shows one");
            }
            let transaction = client.transaction().await.context("transaction")?;
            let user = caller(&transaction, &by).await?;
            let author = user.user_id;
            let mut told = Vec::new();
            let mut names = HashSet::new();
            for entry in &file.ladders {
                if !names.insert(&entry.name) {
                    bail!(
                        "ladder {:?} is in the file twice: give one of them another name",
                        entry.name
                    );
                }
                if !(1..=10).contains(&entry.laps) {
                    bail!(
                        "ladder {:?}: laps = {} is not 1 to 10, the times it is climbed",
                        entry.name,
                        entry.laps
                    );
                }
                let plan = escalation::load(&transaction).await?;
                let steps = file::steps(&plan, entry)?;
                let stored =
                    escalation::set_ladder(&transaction, &entry.name, &entry.ladder(&steps), Some(author), now).await;
                let (revision, _) = stored.with_context(|| format!("ladder {:?}", entry.name))?;
                told.push(format!("ladder {} is at revision {revision}", entry.name));
            }
            for entry in &file.assignments {
                let plan = escalation::load(&transaction).await?;
                let new = assignment(&transaction, &plan, entry).await?;
                of_scope(&transaction, &user, &new).await?;
                let _ = escalation::assign(&transaction, &new, Some(author), now).await?;
                told.push(format!("{} is for {}", entry.ladder, new.scope));
            }
            // What counts is how it stands with all of the file.
            let plan = load(&transaction, &config).await?;
            let checked = accepted(&plan, plan.checked(&transaction, now).await?)?;
            transaction.commit().await.context("commit")?;
            println!("{}; {}", told.join("; "), said(&checked));
        }
        LadderCommand::Assign(AssignArgs {
            ladder,
            unit,
            person,
            severity,
            audience,
            by,
        }) => {
            let transaction = client.transaction().await.context("transaction")?;
            let user = caller(&transaction, &by).await?;
            let author = user.user_id;
            let plan = escalation::load(&transaction).await?;
            let entry = AssignmentEntry {
                ladder,
                unit,
                person,
                severity,
                audience,
            };
            let new = assignment(&transaction, &plan, &entry).await?;
            of_scope(&transaction, &user, &new).await?;
            let _ = escalation::assign(&transaction, &new, Some(author), now).await?;
            let plan = load(&transaction, &config).await?;
            let checked = accepted(&plan, plan.checked(&transaction, now).await?)?;
            transaction.commit().await.context("commit")?;
            println!("assigned; {}", said(&checked));
        }
    }
    Ok(())
}

/// Who says who is called.
async fn caller(client: &impl GenericClient, by: &By) -> Result<User> {
    let user = orders::acting(client, by).await?;
    authority::role(&user, &authority::CALLS).context("--by")?;
    Ok(user)
}

/// Refuses an assignment to people whom the user does not look after.
async fn of_scope(client: &impl GenericClient, user: &User, new: &NewAssignment) -> Result<()> {
    match new.scope {
        Scope::Everywhere => Ok(()),
        Scope::Unit(unit) => {
            let path = agency::read(client, unit).await?.path;
            authority::of_agency(user, &authority::CALLS, &path).context("--by")
        }
        Scope::Person(person) => authority::of_person(client, user, &authority::CALLS, person)
            .await
            .context("--by"),
    }
}

fn delay(ladder: &Ladder) -> String {
    if ladder.delay.is_zero() {
        String::new()
    } else {
        format!(", the first step after {:#}", ladder.delay)
    }
}

fn accepted(plan: &Plan, outcome: Result<Checked, Refused>) -> Result<Checked> {
    outcome.map_err(|refused| anyhow!("refused, nothing is stored: {}", plan.explain(&refused)))
}

fn said(checked: &Checked) -> String {
    format!(
        "checked for {} pairs of agencies, every instant up to {} and around the later dates that rotas and absences name",
        checked.pairs,
        checked.until.strftime("%Y-%m-%d")
    )
}

async fn assignment(client: &impl GenericClient, plan: &Plan, entry: &AssignmentEntry) -> Result<NewAssignment> {
    let ladder = if entry.ladder == "none" {
        None
    } else {
        let own = plan.ladders.iter().find(|(_, (name, _))| *name == entry.ladder);
        let (id, _) = own.ok_or_else(|| {
            anyhow!(
                "there is no ladder {:?}; `homeward ladder list` shows them",
                entry.ladder
            )
        })?;
        Some(*id)
    };
    let scope = match (&entry.unit, &entry.person) {
        (Some(_), Some(_)) => bail!("an assignment is for a unit or for a person, not for both"),
        (Some(path), None) => match agency::by_path(client, path).await? {
            Some(agency) => Scope::Unit(agency.agency_id),
            None => bail!("there is no agency {path:?}; an agency's path is like demo.police"),
        },
        (None, Some(reference)) => Scope::Person(orders::person(client, reference).await?.person_id),
        (None, None) => Scope::Everywhere,
    };
    let severity = entry
        .severity
        .map(|level| Severity::from_level(level).ok_or_else(|| anyhow!("severity {level} is not 1 to 4")))
        .transpose()?;
    let audience = entry.audience.as_deref().map(str::parse::<Audience>).transpose()?;
    Ok(NewAssignment {
        scope,
        severity,
        audience,
        ladder,
    })
}

async fn list(client: &impl GenericClient, plan: &Plan) -> Result<()> {
    const REFERENCE: &str = "SELECT reference FROM person WHERE person_id = $1";
    let (ladders, assignments) = plan.assigned();
    for ladder in &ladders {
        let built_in = !plan.ladders.contains_key(&ladder.ladder);
        let own = assignments.iter().filter(|one| one.ladder == ladder.ladder);
        let mut used = Vec::new();
        for one in own {
            let whose = match one.scope {
                Scope::Everywhere => "everybody's".to_owned(),
                Scope::Unit(unit) => plan
                    .units
                    .get(&unit)
                    .map_or_else(|| unit.to_string(), |unit| unit.path.clone()),
                Scope::Person(person) => client.query_one(REFERENCE, &[&person.uuid()]).await?.try_get(0)?,
            };
            let severity = one.severity.map_or_else(String::new, |severity| format!(" {severity}"));
            let audience = one.audience.map_or_else(String::new, |audience| format!(" {audience}"));
            used.push(format!("{whose}{severity}{audience}"));
        }
        if built_in && used.is_empty() {
            continue;
        }
        let severity = Severity::ALL
            .into_iter()
            .find(|severity| used.iter().any(|text| text.contains(&severity.to_string())))
            .unwrap_or(Severity::P1);
        println!(
            "{}  revision {}, climbed {} times{}; for {}",
            name(plan, ladder, severity),
            ladder.revision,
            ladder.laps,
            delay(ladder),
            if used.is_empty() {
                "nobody yet".to_owned()
            } else {
                used.join(", ")
            }
        );
        for (number, step) in (1..).zip(&ladder.steps) {
            let via: Vec<&str> = step.via.iter().map(|via| via.name()).collect();
            let whom = match step.call {
                Callee::User(id) | Callee::Rota(id) => plan.name(id),
            };
            println!("  {number}. {whom} over {}; wait {:#}", via.join(", then "), step.wait);
        }
    }
    Ok(())
}

/// Rotas.
pub async fn rota(config: Config, command: RotaCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let now = Timestamp::now();
    match command {
        RotaCommand::List => {
            let plan = escalation::load(&client).await?;
            if plan.rotas.is_empty() {
                println!("no rotas; `homeward rota set FILE` stores one");
            }
            for (name, table) in plan.rotas.values() {
                let rota = Rota::new(table.clone())?;
                let people: Vec<String> = rota.on_duty(now).into_iter().map(|user| plan.name(user)).collect();
                let duty = if people.is_empty() {
                    "nobody".to_owned()
                } else {
                    people.join(", ")
                };
                println!(
                    "{name}  {}, {} shifts; on duty now: {duty}",
                    table.time_zone,
                    table.shifts.len()
                );
            }
            for member in plan.members.values() {
                for (from, to) in &member.away {
                    println!("away: {} from {from} to {to}", member.username);
                }
            }
        }
        RotaCommand::Set { file, by } => {
            let file: RotaFile = file::read(&file)?;
            let transaction = client.transaction().await.context("transaction")?;
            let author = caller(&transaction, &by).await?.user_id;
            let plan = escalation::load(&transaction).await?;
            let table = file::table(&plan, &file)?;
            let stored = escalation::set_rota(&transaction, &file.name, &table, Some(author), now).await;
            let (revision, _) = stored.with_context(|| format!("rota {:?}", file.name))?;
            let plan = load(&transaction, &config).await?;
            let checked = accepted(&plan, plan.checked(&transaction, now).await?)?;
            transaction.commit().await.context("commit")?;
            println!("rota {} is at revision {revision}; {}", file.name, said(&checked));
        }
        RotaCommand::Away {
            user,
            from,
            to,
            reason,
            by,
        } => {
            let transaction = client.transaction().await.context("transaction")?;
            let author = caller(&transaction, &by).await?.user_id;
            let plan = escalation::load(&transaction).await?;
            let Some(member) = plan.members.values().find(|member| member.username == user) else {
                bail!("there is no user {user:?}; people are named as they sign in");
            };
            if to <= from {
                bail!("--to {to} is not after --from {from}");
            }
            let (absence, _) =
                escalation::add_absence(&transaction, member.user_id, from, to, &reason, Some(author), now).await?;
            let plan = load(&transaction, &config).await?;
            accepted(&plan, plan.checked(&transaction, now).await?)?;
            transaction.commit().await.context("commit")?;
            println!("noted as absence {absence}");
        }
        RotaCommand::Back { absence, by } => {
            let author = caller(&client, &by).await?.user_id;
            escalation::take_back_absence(&client, absence, Some(author)).await?;
            println!("taken back");
        }
    }
    Ok(())
}
