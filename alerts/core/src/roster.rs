//! The people who may be called, how, and for what.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Audience,
    rota::{Rota, around},
};

/// A way to call somebody. Wider than [`crate::route::Channel`], which is what the worker sends over today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The page of the officers on duty.
    Console,
    /// SMTP.
    Mail,
    /// A signed HTTP request.
    Webhook,
    /// A short message over an HTTP gateway.
    Sms,
    /// Web Push.
    Push,
}

impl Via {
    /// The word used in SQL, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whom a step calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callee {
    /// One user.
    User(Uuid),
    /// Whoever is on duty.
    Rota(Uuid),
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user}"),
            Self::Rota(rota) => write!(f, "rota {rota}"),
        }
    }
}

/// One user, called over one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Called {
    /// Who.
    pub user: Uuid,
    /// How.
    pub via: Via,
}

/// A user who may be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The branch whose incidents they may see.
    pub branch: Audience,
    /// The channels over which they have an address.
    pub via: BTreeSet<Via>,
    /// When they cannot be called: from, to.
    #[serde(default)]
    pub away: Vec<(Timestamp, Timestamp)>,
}

impl User {
    fn sees(&self, audience: Audience) -> bool {
        (self.branch.police() && audience.police()) || (self.branch.social_work() && audience.social_work())
    }

    fn is_there(&self, at: Timestamp) -> bool {
        !self.away.iter().any(|(from, to)| *from <= at && at < *to)
    }
}

/// Rotas and users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    rotas: BTreeMap<Uuid, Rota>,
    users: BTreeMap<Uuid, User>,
}

impl Roster {
    /// Of these rotas and these users.
    pub fn new(rotas: impl IntoIterator<Item = Rota>, users: impl IntoIterator<Item = (Uuid, User)>) -> Self {
        Self {
            rotas: rotas.into_iter().map(|rota| (rota.id(), rota)).collect(),
            users: users.into_iter().collect(),
        }
    }

    /// True when there is such a user or rota.
    pub fn has(&self, callee: Callee) -> bool {
        match callee {
            Callee::User(user) => self.users.contains_key(&user),
            Callee::Rota(rota) => self.rotas.contains_key(&rota),
        }
    }

    /// Those on a rota who are no users of ours.
    pub fn strangers(&self, callee: Callee) -> Vec<Uuid> {
        let people = match callee {
            Callee::User(user) => BTreeSet::from([user]),
            Callee::Rota(rota) => self.rotas.get(&rota).map(Rota::people).unwrap_or_default(),
        };
        people
            .into_iter()
            .filter(|user| !self.users.contains_key(user))
            .collect()
    }

    /// In which ways those whom this may call differ: who sees what, has an address where, and is away when.
    pub fn ways(&self, callee: Callee) -> Vec<&User> {
        let people = match callee {
            Callee::User(user) => BTreeSet::from([user]),
            Callee::Rota(rota) => self.rotas.get(&rota).map(Rota::people).unwrap_or_default(),
        };
        let mut ways: Vec<&User> = Vec::new();
        for user in people.iter().filter_map(|user| self.users.get(user)) {
            if !ways.contains(&user) {
                ways.push(user);
            }
        }
        ways
    }

    /// Who is called at an instant: those on duty who are there and may see the incident, each over the first of the channels over
    /// which they can be reached. Nobody twice.
    pub fn reach(&self, callee: Callee, via: &[Via], audience: Audience, at: Timestamp) -> Vec<Called> {
        let people = match callee {
            Callee::User(user) => vec![user],
            Callee::Rota(rota) => self.rotas.get(&rota).map(|rota| rota.on_duty(at)).unwrap_or_default(),
        };
        let reached = |user: Uuid| {
            let known = self
                .users
                .get(&user)
                .filter(|known| known.sees(audience) && known.is_there(at))?;
            let via = via.iter().copied().find(|via| known.via.contains(via))?;
            Some(Called { user, via })
        };
        people.into_iter().filter_map(reached).collect()
    }

    /// In how many days whoever is called comes round: weeks, and the turns of crews.
    pub fn cycle_days(&self, callee: Callee) -> i64 {
        match callee {
            Callee::User(_) => 1,
            Callee::Rota(rota) => self.rotas.get(&rota).map_or(1, Rota::cycle_days),
        }
    }

    /// What has a date of its own after an instant: the stretches around holidays, exceptions and absences, where crews come round in so many days.
    pub fn dated(&self, callee: Callee, after: Timestamp, cycle_days: i64) -> Vec<(Timestamp, Timestamp)> {
        let (people, mut stretches) = match callee {
            Callee::User(user) => (BTreeSet::from([user]), Vec::new()),
            Callee::Rota(rota) => match self.rotas.get(&rota) {
                Some(rota) => (rota.people(), rota.dated(after, cycle_days)),
                None => return Vec::new(),
            },
        };
        let away = people
            .iter()
            .filter_map(|user| self.users.get(user))
            .flat_map(|user| &user.away);
        let bounds = away.flat_map(|(from, to)| [*from, *to]).filter(|at| *at > after);
        stretches.extend(bounds.map(|at| around(at, cycle_days)));
        stretches
    }

    /// The instants after `from` and before `to` at which [`Roster::reach`] may change.
    pub fn changes(&self, callee: Callee, from: Timestamp, to: Timestamp) -> BTreeSet<Timestamp> {
        let (people, mut changes) = match callee {
            Callee::User(user) => (BTreeSet::from([user]), BTreeSet::new()),
            Callee::Rota(rota) => match self.rotas.get(&rota) {
                Some(rota) => (rota.people(), rota.changes(from, to)),
                None => return BTreeSet::new(),
            },
        };
        let away = people
            .iter()
            .filter_map(|user| self.users.get(user))
            .flat_map(|user| &user.away);
        changes.extend(
            away.flat_map(|(start, end)| [*start, *end])
                .filter(|at| from < *at && *at < to),
        );
        changes
    }
}
