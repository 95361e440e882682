//! Ladders, rotas and absences as stored, and what they come to for one incident.
//!
//! Everything is kept as revisions: nothing that was ever in force is changed or lost. A [`Plan`] is all of it as it stands now; what
//! it says for one incident depends on who may see that ([`Plan::protocols`]). Without any configuration the built-in ladders hold, which
//! call the consoles of the agencies responsible, then the officers of the nearest unit, then its supervisors.

mod built_in;
mod check;
mod left;
mod read;
mod watch;
mod whose;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use alerts::{
    Audience, Severity,
    ladder::{Assignment, Ladder, Protocols, Scope},
    roster::{Roster, User, Via},
    rota::{Rota, Table},
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::user::{Branch, Role};

pub use built_in::{DESK, OFFICERS, SUPERVISORS};
pub use check::{Checked, Refused};
pub use left::{Before, before};
pub use read::{ladder_revision, load};
pub use watch::{CHANNEL, Look, look, watch};
pub use write::{NewAssignment, NewLadder, add_absence, assign, set_ladder, set_rota, take_back_absence, turn};

/// Somebody who may be called.
#[derive(Debug, Clone)]
pub struct Member {
    /// Id.
    pub user_id: Uuid,
    /// Log-in name.
    pub username: String,
    /// Name.
    pub display_name: String,
    /// Role.
    pub role: Role,
    /// Whose incidents.
    pub branch: Branch,
    /// Of the agency, in the tree.
    pub path: String,
    /// The channels over which there is an address.
    pub via: BTreeSet<Via>,
    /// When the user cannot be called.
    pub away: Vec<(Timestamp, Timestamp)>,
}

impl Member {
    /// True for roles that handle incidents.
    pub const fn handles(&self) -> bool {
        matches!(self.role, Role::DutyOfficer | Role::SocialWorker | Role::Supervisor)
    }
}

/// An agency.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Id.
    pub agency_id: Uuid,
    /// In the tree.
    pub path: String,
    /// Name.
    pub name: String,
    /// Its branch.
    pub branch: Branch,
    /// It was not taken out of use.
    pub in_use: bool,
}

/// Whom an incident is about, as far as calling goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Concerned {
    /// Who; `None`: nobody in particular.
    pub person: Option<Uuid>,
    /// The police unit responsible.
    pub police: Option<Uuid>,
    /// The social work office responsible.
    pub social: Option<Uuid>,
}

/// Everything about calling, as it stands now.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Ladders in their newest revision, by id, with their names; the built-in ones besides.
    pub ladders: BTreeMap<Uuid, (String, Ladder)>,
    /// What they are for, without the built-in.
    pub assignments: Vec<Assignment>,
    /// Rotas in their newest revision, by id, with their names.
    pub rotas: BTreeMap<Uuid, (String, Table)>,
    /// Users with an account in use, of agencies in use.
    pub members: BTreeMap<Uuid, Member>,
    /// Agencies.
    pub units: BTreeMap<Uuid, Unit>,
}

impl Plan {
    /// What a ladder is called.
    pub fn ladder_name(&self, ladder: Uuid) -> &str {
        self.ladders.get(&ladder).map_or("?", |(name, _)| name)
    }

    /// What a user, an agency or a rota that is called is called.
    pub fn name(&self, id: Uuid) -> String {
        let member = self.members.get(&id).map(|member| member.display_name.clone());
        let unit = || self.units.get(&id).map(|unit| format!("console of {}", unit.name));
        let rota = || self.rotas.get(&id).map(|(name, _)| format!("rota {name}"));
        member
            .or_else(unit)
            .or_else(rota)
            .or_else(|| built_in::name(id).map(str::to_owned))
            .unwrap_or_else(|| id.to_string())
    }

    fn path(&self, agency: Option<Uuid>) -> Option<&str> {
        agency
            .and_then(|agency| self.units.get(&agency))
            .map(|unit| unit.path.as_str())
    }

    /// An agency, or the nearest above it, that is in use.
    fn in_use(&self, agency: Uuid) -> Option<Uuid> {
        let path = self.path(Some(agency))?;
        let above = self
            .units
            .values()
            .filter(|unit| unit.in_use && under(path, &unit.path));
        let nearest = above.max_by_key(|unit| unit.path.matches('.').count());
        nearest.map(|unit| unit.agency_id)
    }

    /// The agencies responsible and those above them, the nearest first.
    pub fn units_of(&self, concerned: &Concerned) -> Vec<Uuid> {
        let (police, social) = (self.path(concerned.police), self.path(concerned.social));
        let above = |unit: &&Unit| {
            [police, social]
                .into_iter()
                .flatten()
                .any(|path| under(path, &unit.path))
        };
        let mut units: Vec<&Unit> = self.units.values().filter(above).collect();
        units.sort_by_key(|unit| {
            (
                std::cmp::Reverse(unit.path.matches('.').count()),
                unit.branch != Branch::Police,
            )
        });
        units.into_iter().map(|unit| unit.agency_id).collect()
    }

    /// Those who may see an incident, as a roster for it.
    pub fn roster(&self, concerned: &Concerned) -> Roster {
        let (police, social) = (self.path(concerned.police), self.path(concerned.social));
        let sees = |path: Option<&str>, own: &str| path.is_none_or(|path| under(path, own));
        let seen: Vec<&Member> = self
            .members
            .values()
            .filter(|member| {
                member.handles()
                    && match member.branch {
                        Branch::Police => sees(police, &member.path),
                        Branch::SocialWork => sees(social, &member.path),
                        Branch::Administration => sees(police, &member.path) || sees(social, &member.path),
                    }
            })
            .collect();
        let mut users: Vec<(Uuid, User)> = seen
            .iter()
            .map(|member| {
                let branch = match member.branch {
                    Branch::Police => Audience::Police,
                    Branch::SocialWork => Audience::SocialWork,
                    Branch::Administration => Audience::Both,
                };
                let user = User {
                    branch,
                    via: member.via.clone(),
                    away: member.away.clone(),
                };
                (member.user_id, user)
            })
            .collect();
        let mut rotas: Vec<Rota> = self
            .rotas
            .values()
            .filter_map(|(_, table)| Rota::new(table.clone()).ok())
            .collect();
        // The consoles are no users; they are called as if they were.
        let desks = built_in::desks(self, concerned);
        users.extend(desks.iter().map(|(agency, branch)| {
            let desk = User {
                branch: *branch,
                via: BTreeSet::from([Via::Console]),
                away: Vec::new(),
            };
            (*agency, desk)
        }));
        rotas.extend(built_in::rotas(&seen, desks, concerned));
        Roster::new(rotas, users)
    }

    /// Ladders with what they are for; where nothing is for everybody's incidents, the built-in ladders are.
    pub fn assigned(&self) -> (Vec<Ladder>, Vec<Assignment>) {
        let mut ladders: Vec<Ladder> = self.ladders.values().map(|(_, ladder)| ladder.clone()).collect();
        let mut assignments = self.assignments.clone();
        for severity in Severity::ALL {
            let ladder = built_in::ladder(severity);
            for audience in [Audience::Police, Audience::SocialWork, Audience::Both] {
                let covered = self.assignments.iter().any(|own| {
                    own.scope == Scope::Everywhere
                        && own.severity.is_none_or(|own| own == severity)
                        && own.audience.is_none_or(|own| own == audience)
                });
                if !covered {
                    assignments.push(Assignment {
                        scope: Scope::Everywhere,
                        severity: Some(severity),
                        audience: Some(audience),
                        ladder: ladder.ladder,
                    });
                }
            }
            ladders.push(ladder);
        }
        (ladders, assignments)
    }

    /// What holds for an incident. Not checked again: it was when it was stored, and a gap that came since is written down as one.
    pub fn protocols(&self, concerned: &Concerned) -> Protocols {
        let (ladders, assignments) = self.assigned();
        Protocols::trusted(ladders, assignments, self.roster(concerned))
    }
}

/// True when a place in the tree is in the branch under another, or is that.
pub(crate) fn under(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
