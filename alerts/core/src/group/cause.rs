//! One root cause that hits many: a carrier, a cell, a model, a firmware, or the platform itself.
//!
//! When a carrier fails, a thousand devices fall silent; a thousand incidents would hide the one person who cut the strap in that hour.
//! [`find`] looks at the open incidents of a window of time, and asks of each thing that devices share: are more of those who have it hit
//! than chance and the rest of the people explain? Those hit become one incident that lists everybody, ranked by risk. A P1, and what only a person may
//! judge, is listed and raised by itself all the same.
//!
//! Pure; the alert worker sweeps with it (`casedb::cause`).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Family;
use crate::{Audience, Severity};

/// What devices may share, the narrowest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// A radio cell.
    Cell(String),
    /// A revision of a model's firmware.
    Firmware(String),
    /// A model of device.
    Model(String),
    /// A mobile carrier.
    Carrier(String),
    /// The platform that hears them.
    Platform,
}

impl Shared {
    /// It in words, for people: `cell 460-00-9488-4660`.
    pub fn words(&self) -> String {
        self.to_string().replacen(':', " ", 1)
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(value) => write!(f, "cell:{value}"),
            Self::Firmware(value) => write!(f, "firmware:{value}"),
            Self::Model(value) => write!(f, "model:{value}"),
            Self::Carrier(value) => write!(f, "carrier:{value}"),
            Self::Platform => f.write_str("platform"),
        }
    }
}

/// An open incident, with what its device shares with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Which.
    pub incident: Uuid,
    /// Whose.
    pub person: PersonId,
    /// The person's, 1 = highest.
    pub risk_level: i16,
    /// The incident's kinds.
    pub family: Family,
    /// The incident's.
    pub severity: Severity,
    /// The incident's.
    pub audience: Audience,
    /// When the violation began.
    pub onset_at: Timestamp,
    /// Carrier, cell, model, firmware, as far as they are known. The platform is understood.
    pub shared: BTreeSet<Shared>,
}

/// How many people are monitored, and how many of them share what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Population {
    /// Everybody.
    pub all: u64,
    /// By what is shared.
    pub of: BTreeMap<Shared, u64>,
}

/// When chance is no explanation any more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Onsets so close to the newest of them count together.
    pub window: SignedDuration,
    /// So many people at least.
    pub people: u64,
    /// So large a part of those who share it, 0 to 1.
    pub part: f64,
    /// So many times the part of the others that are hit.
    pub times: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            window: SignedDuration::from_mins(15),
            people: 5,
            part: 0.3,
            times: 4.0,
        }
    }
}

/// Somebody concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concerned {
    /// The incident of their own.
    pub incident: Uuid,
    /// Who.
    pub person: PersonId,
    /// Of the incident.
    pub severity: Severity,
    /// 1 = highest.
    pub risk_level: i16,
    /// When it began.
    pub onset_at: Timestamp,
    /// It is raised by itself as well, and calls.
    pub raised: bool,
}

/// One cause of many incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Of which kinds.
    pub family: Family,
    /// What they share.
    pub shared: Shared,
    /// Everybody concerned: the most urgent first, then by risk, then by onset.
    pub concerned: Vec<Concerned>,
    /// The worst of all; P1 where it is the platform.
    pub severity: Severity,
    /// The union of all. A reader sees on the list those alone whom they may see; merging widens no incident's own audience.
    pub audience: Audience,
}

impl Cause {
    /// The grouping key: while an incident with it is open, whoever is hit later is listed there.
    pub fn key(&self) -> String {
        self.key_with(&self.shared.to_string())
    }

    /// The same with other words for what is shared, where that must not be named.
    pub fn key_with(&self, shared: &str) -> String {
        format!("cause:{}:{shared}", self.family.name())
    }
}

/// True for kinds that a fault which is not the person's can bring about. Where somebody goes is nobody's fault but theirs.
pub const fn technical(family: Family) -> bool {
    match family {
        Family::Silence
        | Family::NoFix
        | Family::Jamming
        | Family::ImpossibleMovement
        | Family::Battery
        | Family::Clock
        | Family::Strap
        | Family::Case => true,
        Family::Curfew
        | Family::Exclusion
        | Family::Proximity
        | Family::Inclusion
        | Family::Attendance
        | Family::ClonedDevice
        | Family::Sos
        | Family::Unknown => false,
    }
}

/// Finds the causes that hit many. Each incident belongs to one at most: to that which explains the most of them, of equals to the
/// narrowest; the platform only explains what nothing else does.
pub fn find(sightings: &[Sighting], population: &Population, thresholds: &Thresholds) -> Vec<Cause> {
    let mut families: BTreeMap<Family, Vec<&Sighting>> = BTreeMap::new();
    for sighting in sightings.iter().filter(|sighting| technical(sighting.family)) {
        families.entry(sighting.family).or_default().push(sighting);
    }
    let mut causes = Vec::new();
    for (family, mut open) in families {
        let Some(newest) = open.iter().map(|sighting| sighting.onset_at).max() else {
            continue;
        };
        open.retain(|sighting| newest.duration_since(sighting.onset_at) <= thresholds.window);
        let hit = people(&open);
        while let Some(shared) = best(&open, hit, population, thresholds) {
            let (those, rest) = open.into_iter().partition(|sighting| has(sighting, &shared));
            open = rest;
            causes.push(cause(family, shared, those));
        }
    }
    causes
}

/// The thing shared that explains the most of what is left, if any explains enough.
fn best(open: &[&Sighting], hit: u64, population: &Population, thresholds: &Thresholds) -> Option<Shared> {
    let candidates: BTreeSet<&Shared> = open.iter().flat_map(|sighting| &sighting.shared).collect();
    let explained = |shared: &Shared| -> Option<u64> {
        let own = people(
            &open
                .iter()
                .copied()
                .filter(|sighting| has(sighting, shared))
                .collect::<Vec<_>>(),
        );
        // Somebody may be hit who was not counted yet.
        let of = population.of.get(shared).copied().unwrap_or(0).max(own);
        let part = own as f64 / of as f64;
        let (others_hit, others) = (hit.saturating_sub(own), population.all.saturating_sub(of));
        // Half a person more, so that nobody hit among few others proves little.
        let elsewhere = (others_hit as f64 + 0.5) / (others as f64 + 1.0);
        (own >= thresholds.people && part >= thresholds.part && part >= thresholds.times * elsewhere).then_some(own)
    };
    let narrow = candidates
        .into_iter()
        .filter(|shared| **shared != Shared::Platform)
        .filter_map(|shared| Some((explained(shared)?, std::cmp::Reverse(shared))))
        .max()
        .map(|(_, shared)| shared.0.clone());
    narrow.or_else(|| {
        let own = people(open);
        let part = own as f64 / population.all.max(own).max(1) as f64;
        (own >= thresholds.people && part >= thresholds.part).then_some(Shared::Platform)
    })
}

fn has(sighting: &Sighting, shared: &Shared) -> bool {
    *shared == Shared::Platform || sighting.shared.contains(shared)
}

fn people(sightings: &[&Sighting]) -> u64 {
    let people: BTreeSet<PersonId> = sightings.iter().map(|sighting| sighting.person).collect();
    u64::try_from(people.len()).unwrap_or(u64::MAX)
}

fn cause(family: Family, shared: Shared, those: Vec<&Sighting>) -> Cause {
    let mut severity = those
        .iter()
        .map(|sighting| sighting.severity)
        .min()
        .unwrap_or(Severity::P1);
    if shared == Shared::Platform {
        severity = Severity::P1;
    }
    let audiences = those.iter().map(|sighting| sighting.audience);
    let audience = audiences.reduce(Audience::union).unwrap_or(Audience::Both);
    let mut concerned: Vec<Concerned> = those
        .into_iter()
        .map(|sighting| Concerned {
            incident: sighting.incident,
            person: sighting.person,
            severity: sighting.severity,
            risk_level: sighting.risk_level,
            onset_at: sighting.onset_at,
            raised: sighting.severity == Severity::P1 || family.never_ends(),
        })
        .collect();
    concerned.sort_by_key(|one| (one.severity, one.risk_level, one.onset_at, one.person, one.incident));
    Cause {
        family,
        shared,
        concerned,
        severity,
        audience,
    }
}

#[cfg(test)]
mod tests;
