//! Refuses what could leave nobody to call, for every unit that has people.

use std::{collections::BTreeSet, fmt};

use alerts::{
    ladder::{Fault, Faults, Protocols},
    roster::{Callee, Via},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Concerned, DESK, OFFICERS, Plan, SUPERVISORS};
use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// How far ahead a configuration is checked.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a check found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// For how many different pairs of agencies.
    pub pairs: usize,
    /// Up to when; to be done again before.
    pub until: Timestamp,
}

/// Why a configuration is refused: every fault, with the agencies whose people it would concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(pub Vec<(String, Vec<Fault>)>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (of, faults)) in self.0.iter().enumerate() {
            let faults = Faults(faults.clone());
            write!(f, "{}{of}: {faults}", if n == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

const PAIRS: &str = "SELECT DISTINCT police_agency_id, social_agency_id FROM person ORDER BY 1, 2";

/// The agencies that have people together, and nobody's.
pub(super) async fn pairs(client: &impl GenericClient) -> Result<Vec<Concerned>, Error> {
    let mut pairs = vec![Concerned {
        person: None,
        police: None,
        social: None,
    }];
    for row in rows(client, PAIRS, &[]).await? {
        pairs.push(Concerned {
            person: None,
            police: row.try_get(0)?,
            social: row.try_get(1)?,
        });
    }
    Ok(pairs)
}

fn built_in(rota: Uuid) -> bool {
    [DESK, OFFICERS, SUPERVISORS].contains(&rota)
}

impl Plan {
    /// Checks everything for each pair of agencies that has people, at every instant from `from` on. A ladder that is for one unit or person alone
    /// is asked for those alone.
    pub(super) fn check(
        &self,
        pairs: &[(Concerned, Vec<Uuid>)],
        from: Timestamp,
        ahead: SignedDuration,
    ) -> Result<Checked, Refused> {
        let until = from.checked_add(ahead).unwrap_or(Timestamp::MAX);
        let mut refused: Vec<(String, Vec<Fault>)> = Vec::new();
        let (ladders, assignments) = self.assigned();
        for (n, (concerned, people)) in pairs.iter().enumerate() {
            let units = self.units_of(concerned);
            let own = |scope: alerts::ladder::Scope| match scope {
                alerts::ladder::Scope::Everywhere => true,
                alerts::ladder::Scope::Unit(unit) => units.contains(&unit),
                alerts::ladder::Scope::Person(person) => people.contains(&person.uuid()),
            };
            let assignments: Vec<_> = assignments.iter().filter(|one| own(one.scope)).copied().collect();
            let wanted: Vec<_> = ladders
                .iter()
                // What is assigned to nobody is checked once, for what can be said of it alone.
                .filter(|ladder| n == 0 || assignments.iter().any(|one| one.ladder == ladder.ladder))
                .cloned()
                .collect();
            if let Err(Faults(mut faults)) = Protocols::new(wanted, assignments, self.roster(concerned), from, until) {
                // A built-in rota is there; that it has nobody is a fault only where nobody else is called.
                // So is a user who may not see the people of these agencies: others are called about them.
                faults.retain(|fault| match fault {
                    Fault::Unknown {
                        callee: Callee::Rota(rota),
                        ..
                    } => !built_in(*rota),
                    Fault::Unknown {
                        callee: Callee::User(user),
                        ..
                    }
                    | Fault::Stranger { user, .. } => !self.handler(*user),
                    _ => true,
                });
                if !faults.is_empty() {
                    refused.push((self.of(concerned), faults));
                }
            }
        }
        // Nobody's incidents are everybody's; said once is enough.
        refused.dedup_by(|one, other| one.1 == other.1);
        if refused.is_empty() {
            Ok(Checked {
                pairs: pairs.len(),
                until,
            })
        } else {
            Err(Refused(refused))
        }
    }

    fn handler(&self, user: Uuid) -> bool {
        self.members.get(&user).is_some_and(super::Member::handles)
    }

    /// A refusal with the names of what it names by id.
    pub fn explain(&self, refused: &Refused) -> String {
        let mut text = refused.to_string();
        let ladders = self.ladders.iter().map(|(id, (name, _))| (*id, name.clone()));
        let rotas = self.rotas.iter().map(|(id, (name, _))| (*id, name.clone()));
        let members = self.members.iter().map(|(id, member)| (*id, member.username.clone()));
        for (id, name) in ladders.chain(rotas).chain(members) {
            text = text.replace(&id.to_string(), &name);
        }
        for severity in alerts::Severity::ALL {
            let id = super::built_in::ladder_id(severity).to_string();
            text = text.replace(&id, &format!("built-in {severity}"));
        }
        text
    }

    fn of(&self, concerned: &Concerned) -> String {
        let names: Vec<&str> = [concerned.police, concerned.social]
            .into_iter()
            .flatten()
            .filter_map(|agency| self.units.get(&agency))
            .map(|unit| unit.path.as_str())
            .collect();
        if names.is_empty() {
            "incidents about nobody in particular".to_owned()
        } else {
            format!("people of {}", names.join(" and "))
        }
    }

    /// Leaves out the channels that this installation has not set up: an address alone calls nobody.
    pub fn only_over(&mut self, set_up: &BTreeSet<Via>) {
        for member in self.members.values_mut() {
            member.via.retain(|via| *via == Via::Console || set_up.contains(via));
        }
    }

    /// The same with what the database says of people.
    pub async fn checked(
        &self,
        client: &impl GenericClient,
        from: Timestamp,
    ) -> Result<Result<Checked, Refused>, Error> {
        self.checked_for(client, from, AHEAD).await
    }

    /// The same, for so long from `from` on.
    pub(super) async fn checked_for(
        &self,
        client: &impl GenericClient,
        from: Timestamp,
        ahead: SignedDuration,
    ) -> Result<Result<Checked, Refused>, Error> {
        const PEOPLE: &str = "SELECT DISTINCT p.person_id FROM person p JOIN ladder_assignment a USING (person_id)
            WHERE p.police_agency_id = $1 AND p.social_agency_id = $2";
        let mut all = Vec::new();
        for concerned in pairs(client).await? {
            let people = rows(client, PEOPLE, &[&concerned.police, &concerned.social])
                .await?
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Result<Vec<Uuid>, _>>()?;
            all.push((concerned, people));
        }
        Ok(self.check(&all, from, ahead))
    }
}
