//! Whether somebody may do what the command line is told that they do.
//!
//! The command line works as the owner of the tables, whom nothing limits. Who does something (`--by`) is kept with it, so that user is
//! asked for role and branch as the console would ask: the role by the same lists as the routes and the database's rules
//! ([`crate::access::rules`]), the person by the same visibility ([`crate::view`]). Acts that the console does not have go by
//! `docs/access.md`, "On the command line".

use proto::{DeviceId, PersonId};
use uuid::Uuid;

use crate::{
    Error,
    access::rules::CASE,
    contract::Scope,
    pool::{GenericClient, optional, row},
    user::{
        Branch,
        Role::{self, Administrator, Analyst, DutyOfficer, ServiceProvider, SocialWorker, Supervisor},
        User,
    },
    view,
};

/// Something that is done, and the roles that may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    what: &'static str,
    roles: &'static [Role],
}

const fn act(what: &'static str, roles: &'static [Role]) -> Act {
    Act { what, roles }
}

const CASE_ADMIN: &[Role] = &[DutyOfficer, SocialWorker, Supervisor, Administrator];

const CASE_ANALYST: &[Role] = &[DutyOfficer, SocialWorker, Supervisor, Analyst];

/// Devices that people wear: fit, take off, swap, faults.
pub const WORN: Act = act("change what a person wears", CASE);
/// Devices that nobody wears: register, note a fault.
pub const IN_STORE: Act = act("change a device that nobody wears", CASE_ADMIN);
/// What an order demands: settings, calendar, release.
pub const RULES: Act = act("change what a person's order demands", CASE);
/// Leave: asked for and withdrawn. Who approves is the law profile's question.
pub const LEAVE: Act = act("ask for leave or withdraw it", CASE);
/// Legal holds.
pub const HOLDS: Act = act("set or lift a legal hold", CASE);
/// Protected people, and who keeps away from them.
pub const PROTECTION: Act = act("change what is kept of protected people", CASE);
/// People, contacts, notes, what became of violations.
pub const CASES: Act = act("change what is kept of people", CASE);
/// Zones of people, and layers that many share.
pub const ZONES: Act = act("change zones", CASE);
/// Commands to devices.
pub const COMMANDS: Act = act("send commands to devices", CASE);
/// Holiday calendars.
pub const CALENDARS: Act = act("change holiday calendars", CASE_ADMIN);
/// The tree of agencies.
pub const AGENCIES: Act = act("change agencies", &[Administrator]);
/// What an agency may decide, and by which laws; its place in the tree.
pub const STANDING: Act = act("say where an agency stands and which laws hold there", &[Administrator]);
/// Contracts with service providers.
pub const CONTRACTS: Act = act("change contracts with service providers", CASE_ADMIN);
/// Ladders, rotas, absences.
pub const CALLS: Act = act("change ladders and rotas", CASE_ADMIN);
/// One event with what it rests on.
pub const EXPLAIN: Act = act("read what events rest on", CASE);
/// Events made again from the positions of history.
pub const REPLAY: Act = act("replay people's histories", CASE);
/// A person's violations with their positions, for a court.
pub const BREACH: Act = act("make breach packs", CASE);
/// Everything about an incident.
pub const EVIDENCE: Act = act("make evidence of incidents", CASE);
/// What a zone would have raised, by references.
pub const BACKTEST: Act = act("try zones on people's histories", CASE_ANALYST);
/// Everything about a person, positions among it, out of the database, into it or away.
pub const EXCHANGE: Act = act("export or wipe everything about a person", CASE);
/// The same of an agency, and imports.
pub const EXCHANGE_AGENCY: Act = act("export, import or wipe everything about an agency", &[Supervisor]);

/// Refuses a role that may not.
pub fn role(user: &User, act: &Act) -> Result<(), Error> {
    if act.roles.contains(&user.role) {
        return Ok(());
    }
    let names: Vec<_> = act.roles.iter().map(|role| role.name()).collect();
    Err(Error::Input(format!(
        "{:?} is {} and may not {}: {} may",
        user.username,
        user.role.name(),
        act.what,
        names.join(", ")
    )))
}

/// Refuses a role that may not, and a user who does not see the person.
pub async fn of_person(client: &impl GenericClient, user: &User, act: &Act, person_id: PersonId) -> Result<(), Error> {
    role(user, act)?;
    sees(client, user, act, person_id).await
}

async fn sees(client: &impl GenericClient, user: &User, act: &Act, person_id: PersonId) -> Result<(), Error> {
    const WHOSE: &str = "SELECT p.reference, a.path::text, s.path::text FROM person p
        JOIN agency a ON a.agency_id = p.police_agency_id JOIN agency s ON s.agency_id = p.social_agency_id WHERE p.person_id = $1";
    if view::may_see_person(client, user.user_id, person_id.uuid()).await? {
        return Ok(());
    }
    let found = optional(client, WHOSE, &[&person_id.uuid()]).await?;
    let found = found.ok_or_else(|| Error::not_found("person", person_id))?;
    let (reference, police, social): (String, String, String) =
        (found.try_get(0)?, found.try_get(1)?, found.try_get(2)?);
    let who = match user.branch {
        Branch::Police => format!("of {police} or above it"),
        Branch::SocialWork => format!("of {social} or above it"),
        Branch::Administration => format!("above {police} or {social}"),
    };
    Err(Error::Input(format!(
        "{:?} of {} does not see {reference} and may not {}: users {who} may",
        user.username, user.agency_path, act.what
    )))
}

/// The same of a device: it is its wearer's. What nobody wears is looked after by those of [`IN_STORE`], what a protected person carries by
/// those of [`PROTECTION`].
pub async fn of_device(client: &impl GenericClient, user: &User, device_id: DeviceId) -> Result<(), Error> {
    const WEARER: &str =
        "SELECT person_id, protected_id FROM device_assignment WHERE device_id = $1 AND ended_at IS NULL";
    let Some(worn) = optional(client, WEARER, &[&device_id.uuid()]).await? else {
        return role(user, &IN_STORE);
    };
    match (worn.try_get::<_, Option<Uuid>>(0)?, worn.try_get::<_, Option<Uuid>>(1)?) {
        (Some(person), _) => of_person(client, user, &WORN, PersonId::new(person)).await,
        (None, Some(protected)) => of_protected(client, user, PersonId::new(protected)).await,
        (None, None) => role(user, &IN_STORE),
    }
}

/// The same of a swap, which a service provider may make where a contract covers devices.
pub async fn of_swap(client: &impl GenericClient, user: &User, device_id: DeviceId) -> Result<(), Error> {
    const WEARER: &str =
        "SELECT person_id FROM device_assignment WHERE device_id = $1 AND ended_at IS NULL AND person_id IS NOT NULL";
    if user.role == ServiceProvider
        && let Some(worn) = optional(client, WEARER, &[&device_id.uuid()]).await?
        && covers(client, user, PersonId::new(worn.try_get(0)?), Scope::Device).await?
    {
        return Ok(());
    }
    of_device(client, user, device_id).await
}

/// True when a contract in force lets a service provider's user do this for a person.
pub async fn covers(
    client: &impl GenericClient,
    user: &User,
    person_id: PersonId,
    scope: Scope,
) -> Result<bool, Error> {
    const COVERS: &str = "SELECT contract_covers($1, $2, $3)";
    Ok(
        row(client, COVERS, &[&user.agency_id, &person_id.uuid(), &scope.as_str()])
            .await?
            .try_get(0)?,
    )
}

/// Refuses whoever does not belong to the police's side, which alone knows of protected people.
pub fn police_side(user: &User) -> Result<(), Error> {
    role(user, &PROTECTION)?;
    if user.branch == Branch::SocialWork {
        return Err(Error::Input(format!(
            "{:?} is of social work and may not {}: they are the police's matter alone",
            user.username, PROTECTION.what
        )));
    }
    Ok(())
}

/// Refuses a user who does not see a protected person: those of the police unit responsible and of agencies above it do.
pub async fn of_protected(client: &impl GenericClient, user: &User, protected_id: PersonId) -> Result<(), Error> {
    const UNIT: &str = "SELECT a.path::text, p.reference FROM protected_person p
        JOIN agency a ON a.agency_id = p.police_agency_id WHERE p.protected_id = $1";
    police_side(user)?;
    let found = optional(client, UNIT, &[&protected_id.uuid()]).await?;
    let found = found.ok_or_else(|| Error::not_found("protected person", protected_id))?;
    let (path, reference): (String, String) = (found.try_get(0)?, found.try_get(1)?);
    below(user, &path, || format!("see {reference}"))
}

/// Refuses a role that may not, and an agency that is neither the user's own nor below it.
pub fn of_agency(user: &User, act: &Act, path: &str) -> Result<(), Error> {
    role(user, act)?;
    below(user, path, || format!("{} at {path}", act.what))
}

/// The same, where the user's own agency is none either: what it may decide, and by which laws, is said above it.
pub fn above_agency(user: &User, act: &Act, path: &str) -> Result<(), Error> {
    of_agency(user, act, path)?;
    if user.agency_path != path {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{:?} is of {path} itself and may not {} there: administrators of agencies above it may, and whoever runs the installation, without --by",
        user.username, act.what
    )))
}

fn below(user: &User, path: &str, what: impl Fn() -> String) -> Result<(), Error> {
    let under = path
        .strip_prefix(user.agency_path.as_str())
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if under {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{:?} of {} may not {}: users of {path} or of agencies above it may",
        user.username,
        user.agency_path,
        what()
    )))
}

/// Refuses words for an audience that the user does not belong to.
pub fn of_audience(user: &User, audience: &str) -> Result<(), Error> {
    if audiences(user).contains(&audience) {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{:?} may not write what is for {audience}: it is for {}",
        user.username,
        audiences(user).join(", ")
    )))
}

/// The audiences that a user belongs to.
pub const fn audiences(user: &User) -> &'static [&'static str] {
    match user.branch {
        Branch::Police => &["police", "both"],
        Branch::SocialWork => &["social_work", "both"],
        Branch::Administration => &["police", "social_work", "both"],
    }
}

/// Refuses somebody as the social worker in charge of the people of an agency: alerts go to their telephone.
pub fn in_charge(worker: &User, social_path: &str) -> Result<(), Error> {
    let role = worker.role == SocialWorker || (worker.role == Supervisor && worker.branch == Branch::SocialWork);
    if !role || worker.branch == Branch::Police {
        return Err(Error::Input(format!(
            "{:?} is {} of {} and no social worker; a user with the role social_worker can be in charge",
            worker.username,
            worker.role.name(),
            worker.agency_path
        )));
    }
    below(worker, social_path, || "be in charge there".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(role: Role, branch: Branch, path: &str) -> User {
        User {
            user_id: Uuid::nil(),
            username: "kim".to_owned(),
            display_name: String::new(),
            role,
            agency_id: Uuid::nil(),
            agency_name: String::new(),
            agency_path: path.to_owned(),
            branch,
            time_zone: "UTC".to_owned(),
            locale: "en".to_owned(),
        }
    }

    #[test]
    fn roles_are_those_of_the_page() {
        for role_of in Role::ALL {
            let kim = user(role_of, Branch::Administration, "town");
            for act in [
                WORN, RULES, LEAVE, HOLDS, PROTECTION, CASES, ZONES, COMMANDS, EXCHANGE, EXPLAIN, REPLAY, BREACH,
                EVIDENCE,
            ] {
                assert_eq!(role(&kim, &act).is_ok(), CASE.contains(&role_of), "{act:?} {role_of:?}");
            }
            let tries = CASE.contains(&role_of) || role_of == Analyst;
            assert_eq!(role(&kim, &BACKTEST).is_ok(), tries, "{role_of:?}");
            assert_eq!(role(&kim, &AGENCIES).is_ok(), role_of == Administrator);
            for act in [IN_STORE, CALENDARS, CONTRACTS, CALLS] {
                assert_eq!(role(&kim, &act).is_ok(), CASE_ADMIN.contains(&role_of));
            }
        }
        let told = role(&user(ServiceProvider, Branch::SocialWork, "care"), &HOLDS)
            .unwrap_err()
            .to_string();
        assert_eq!(
            told,
            "\"kim\" is service_provider and may not set or lift a legal hold: duty_officer, social_worker, supervisor may"
        );
    }

    #[test]
    fn a_branch_ends_at_a_label() {
        let kim = user(Administrator, Branch::Administration, "town.east");
        for (path, may) in [
            ("town.east", true),
            ("town.east.station", true),
            ("town.eastern", false),
            ("town", false),
            ("village", false),
        ] {
            assert_eq!(of_agency(&kim, &AGENCIES, path).is_ok(), may, "{path}");
            let above = may && path != "town.east";
            assert_eq!(above_agency(&kim, &STANDING, path).is_ok(), above, "{path}");
        }
    }

    #[test]
    fn protected_people_are_the_polices_and_workers_are_social_works() {
        assert!(police_side(&user(DutyOfficer, Branch::Police, "a")).is_ok());
        assert!(police_side(&user(Supervisor, Branch::Administration, "a")).is_ok());
        assert!(police_side(&user(SocialWorker, Branch::SocialWork, "a")).is_err());
        assert!(police_side(&user(Supervisor, Branch::SocialWork, "a")).is_err());
        assert!(police_side(&user(Administrator, Branch::Police, "a")).is_err());
        assert!(in_charge(&user(SocialWorker, Branch::SocialWork, "a.b"), "a.b.c").is_ok());
        assert!(in_charge(&user(SocialWorker, Branch::SocialWork, "a.b"), "a.c").is_err());
        assert!(in_charge(&user(DutyOfficer, Branch::Police, "a"), "a").is_err());
        assert!(in_charge(&user(Supervisor, Branch::Police, "a"), "a").is_err());
        assert!(in_charge(&user(Supervisor, Branch::SocialWork, "a"), "a").is_ok());
    }
}
