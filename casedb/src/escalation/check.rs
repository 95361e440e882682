//! Refuses what could leave nobody to call, for everybody whose incidents there may be.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use alerts::{
    ladder::{Assignment, Fault, Faults, Ladder, Protocols, Scope},
    roster::{Callee, Via},
    rota::Rota,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Concerned, DESK, OFFICERS, Plan, SUPERVISORS, whose};
use crate::{Error, pool::GenericClient};

/// How far ahead every instant is checked; later dates that are named are checked as well.
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a check found to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// For how many different pairs of agencies with people.
    pub pairs: usize,
    /// Up to when; around later dates that rotas and absences name as well.
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

fn built_in(rota: Uuid) -> bool {
    [DESK, OFFICERS, SUPERVISORS].contains(&rota)
}

impl Plan {
    /// Checks everything for all whose incidents there may be, at every instant from `from` on. A ladder that is for one unit or person alone
    /// is asked for those alone.
    fn check(&self, whose: &[(Concerned, Vec<Uuid>)], from: Timestamp) -> Result<Checked, Refused> {
        let until = from.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let mut refused: Vec<(String, Vec<Fault>)> = Vec::new();
        let (ladders, assignments) = self.assigned();
        let called = self.called(&ladders);
        let mut seen = HashSet::new();
        for (n, (concerned, people)) in whose.iter().enumerate() {
            let units = self.units_of(concerned);
            let own = |scope: Scope| match scope {
                Scope::Everywhere => true,
                Scope::Unit(unit) => units.contains(&unit),
                Scope::Person(person) => people.contains(&person.uuid()),
            };
            let assignments: Vec<_> = assignments.iter().filter(|one| own(one.scope)).copied().collect();
            let wanted: Vec<_> = ladders
                .iter()
                // What is assigned to nobody is checked once, for what can be said of it alone.
                .filter(|ladder| n == 0 || assignments.iter().any(|one| one.ladder == ladder.ladder))
                .cloned()
                .collect();
            // Where the same people may be called by the same ladders, the answer is the same.
            let alike = n > 0 && !seen.insert(self.reachable(concerned, &called, &assignments));
            if alike {
                continue;
            }
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
            let pairs = whose
                .iter()
                .filter(|(concerned, _)| concerned.police.is_some() && concerned.social.is_some());
            Ok(Checked {
                pairs: pairs.count(),
                until,
            })
        } else {
            Err(Refused(refused))
        }
    }

    /// Everybody whom a ladder may call by name or by a rota of this installation.
    fn called(&self, ladders: &[Ladder]) -> BTreeSet<Uuid> {
        let mut called = BTreeSet::new();
        for step in ladders.iter().flat_map(|ladder| &ladder.steps) {
            match step.call {
                Callee::User(user) => drop(called.insert(user)),
                Callee::Rota(rota) => {
                    let table = self.rotas.get(&rota).map(|(_, table)| table.clone());
                    called.extend(
                        table
                            .and_then(|table| Rota::new(table).ok())
                            .iter()
                            .flat_map(Rota::people),
                    );
                }
            }
        }
        called
    }

    /// All that a check of these incidents depends on, but for who it is on the built-in rotas: whom of those that are called they may be told,
    /// how each of the others can be reached, and which ladders are for them.
    fn reachable(&self, concerned: &Concerned, called: &BTreeSet<Uuid>, assignments: &[Assignment]) -> String {
        let roster = self.roster(concerned);
        let by_name: Vec<&Uuid> = called.iter().filter(|user| roster.has(Callee::User(**user))).collect();
        let built_in = [DESK, OFFICERS, SUPERVISORS].map(|rota| roster.ways(Callee::Rota(rota)));
        format!("{by_name:?} {built_in:?} {assignments:?}")
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
        match (self.path(concerned.police), self.path(concerned.social)) {
            (Some(police), Some(social)) => format!("people of {police} and {social}"),
            (Some(alone), None) | (None, Some(alone)) => format!("incidents of {alone} about nobody in particular"),
            (None, None) => "incidents about nobody in particular".to_owned(),
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
        Ok(self.check(&whose::all(self, client).await?, from))
    }
}
