//! The zone to try, and the rules as they would be with it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient, rules,
    zone::{self, PersonZone, Schedule},
};
use console::preview::with_zone;
use engine::zone::import;
use proto::{
    PersonId, ZoneId,
    rules::{Datum, ZoneKind},
    wire,
};

use crate::{
    cli::{BacktestArgs, Kind},
    command::files,
};

/// A zone that somebody thinks of.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    zone: wire::Zone,
    zone_id: ZoneId,
    /// A schedule was given, so that nobody's own counts.
    scheduled: bool,
    stored: bool,
    /// Those who have the stored zone.
    pub people: Vec<PersonId>,
}

impl Candidate {
    /// Reads the file or the stored zone, and the changes to it.
    pub async fn of(client: &impl GenericClient, arguments: &BacktestArgs) -> Result<Self> {
        let stored = arguments.zone.parse::<ZoneId>().ok();
        let id = match (stored, arguments.replaces) {
            (Some(_), Some(_)) => bail!("--replaces goes with a file: a stored zone takes its own place"),
            (Some(id), None) => Some(id),
            (None, replaces) => replaces.map(ZoneId::new),
        };
        let (before, people) = match id {
            Some(id) => {
                let (zone, people) = published(client, id).await?;
                (Some(zone), people)
            }
            None => (None, Vec::new()),
        };
        let mut zone = match (stored, before) {
            (Some(_), Some(before)) => before,
            (_, before) => {
                let mut read = from_file(arguments)?;
                if let Some(before) = before {
                    read.zone_id = before.zone_id;
                    if read.kind() == wire::ZoneKind::Unspecified {
                        read.kind = before.kind;
                    }
                }
                read
            }
        };
        if let Some(kind) = arguments.kind {
            zone.kind = match kind {
                Kind::Exclusion => wire::ZoneKind::Exclusion,
                Kind::Inclusion => wire::ZoneKind::Inclusion,
            }
            .into();
        }
        if let Some(buffer_m) = arguments.buffer_m {
            zone.buffer_m = buffer_m;
        }
        zone.schedule = arguments.schedule.as_deref().map(schedule).transpose()?;
        zone.attendance = arguments.attendance;
        match zone.kind() {
            wire::ZoneKind::Exclusion | wire::ZoneKind::Inclusion => {}
            _ => bail!("the zone has no property kind: give --kind exclusion or --kind inclusion"),
        }
        // Refused here, with its reason, and not for each person.
        let mut checked = zone.clone();
        checked.attendance = false;
        proto::rules::Zone::try_from(&checked).with_context(|| format!("zone {}", arguments.zone))?;
        Ok(Self {
            zone_id: ZoneId::from_wire(&zone.zone_id).context("zone id")?,
            scheduled: zone.schedule.is_some(),
            zone,
            stored: id.is_some(),
            people,
        })
    }

    /// The id that its events have.
    pub fn zone_id(&self) -> ZoneId {
        self.zone_id
    }

    /// True when the zone is stored already, so that it may have raised events.
    pub fn is_stored(&self) -> bool {
        self.stored
    }

    /// A person's rules as they would have been with the zone; `own` is how the person has the stored zone today.
    pub fn with(&self, rules: &wire::Rules, own: Option<&PersonZone>) -> Result<wire::Rules, casedb::Error> {
        let mut zone = self.zone.clone();
        let held = rules.zones.iter().find(|held| held.zone_id == zone.zone_id);
        if !self.scheduled {
            (zone.schedule, zone.attendance) = match (held, own) {
                (Some(held), _) => (held.schedule.clone(), held.attendance),
                (None, Some(own)) => (
                    own.schedule.as_ref().map(Schedule::to_wire).transpose()?,
                    own.attendance,
                ),
                (None, None) => (None, zone.attendance),
            };
        }
        Ok(with_zone(rules, &zone))
    }
}

/// A zone as it was published last to those who have it.
async fn published(client: &impl GenericClient, id: ZoneId) -> Result<(wire::Zone, Vec<PersonId>)> {
    let people = zone::people_with(client, id).await?;
    for &person in &people {
        let published = rules::published(client, person).await?.unwrap_or_default();
        if let Some(zone) = published
            .zones
            .into_iter()
            .find(|zone| zone.zone_id.as_slice() == id.as_bytes())
        {
            return Ok((zone, people));
        }
    }
    zone::read(client, id).await?;
    bail!("nobody under an order has zone {id}: give its shape as a file, with --people")
}

fn from_file(arguments: &BacktestArgs) -> Result<wire::Zone> {
    let path = Path::new(&arguments.zone);
    let place = || format!("zone {}", path.display());
    if !path.exists() {
        bail!("--zone {}: neither a file nor the id of a zone", path.display());
    }
    let options = import::Options {
        datum: match &arguments.datum {
            None => Datum::default(),
            Some(name) => Datum::parse(name).with_context(|| format!("--datum {name}: wgs84, gcj02 or bd09"))?,
        },
        radius_m: arguments.radius_m,
        half_width_m: arguments.half_width_m,
        ..import::Options::default()
    };
    let mut features = import::read(files::open(path, "zone")?, &options).with_context(place)?;
    if features.len() != 1 {
        bail!("{}: {} features, one zone is expected", place(), features.len());
    }
    let imported = features.remove(0).with_context(place)?;
    let buffer = imported.properties.get("buffer_m");
    let buffer_m = buffer.map_or(Some(0.0), serde_json::Value::as_f64);
    let id = imported.id.as_deref().unwrap_or("zone");
    Ok(wire::Zone {
        zone_id: id.parse().unwrap_or_else(|_| ZoneId::from_name(id)).to_wire(),
        revision: 0,
        kind: imported.kind.map_or(wire::ZoneKind::Unspecified, kind).into(),
        geometry: Some((&imported.geometry).into()),
        buffer_m: buffer_m.with_context(|| format!("{}: property buffer_m is no number", place()))?,
        ..Default::default()
    })
}

fn kind(kind: ZoneKind) -> wire::ZoneKind {
    kind.into()
}

fn schedule(path: &Path) -> Result<wire::Schedule> {
    let text = std::fs::read_to_string(path).with_context(|| format!("schedule: cannot read {}", path.display()))?;
    let json = serde_json::from_str(&text).with_context(|| format!("schedule {}", path.display()))?;
    let schedule = Schedule::from_json(json).with_context(|| format!("schedule {}", path.display()))?;
    Ok(schedule.to_wire()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(scheduled: bool) -> Candidate {
        let zone_id = ZoneId::from_name("school");
        Candidate {
            zone: wire::Zone {
                zone_id: zone_id.to_wire(),
                revision: 4,
                kind: wire::ZoneKind::Exclusion.into(),
                buffer_m: 50.0,
                schedule: scheduled.then(wire::Schedule::default),
                ..Default::default()
            },
            zone_id,
            scheduled,
            stored: true,
            people: Vec::new(),
        }
    }

    fn rules(zones: Vec<wire::Zone>) -> wire::Rules {
        wire::Rules {
            active: true,
            zones,
            layer_ids: vec![vec![1; 16]],
            ..Default::default()
        }
    }

    #[test]
    fn a_new_zone_is_added_and_a_changed_one_takes_its_place() {
        let home = wire::Zone {
            zone_id: ZoneId::from_name("home").to_wire(),
            ..Default::default()
        };
        let candidate = candidate(false);
        let with = candidate.with(&rules(vec![home.clone()]), None).unwrap();
        assert_eq!((with.zones.len(), with.layer_ids.len()), (2, 0));
        assert_eq!(with.zones[1].revision, 5);

        let old = wire::Zone {
            zone_id: candidate.zone_id().to_wire(),
            revision: 9,
            schedule: Some(wire::Schedule {
                holidays: vec![7],
                ..Default::default()
            }),
            attendance: true,
            ..Default::default()
        };
        let before = rules(vec![old.clone(), home]);
        let with = candidate.with(&before, None).unwrap();
        let new = with.zones.iter().find(|zone| zone.zone_id == old.zone_id).unwrap();
        assert_eq!((with.zones.len(), new.revision, new.buffer_m), (2, 10, 50.0));
        assert_eq!(
            (&new.schedule, new.attendance),
            (&old.schedule, true),
            "the person's own schedule stays"
        );
    }

    #[test]
    fn a_given_schedule_wins_and_rules_that_are_over_stay_empty() {
        let candidate = candidate(true);
        let old = wire::Zone {
            zone_id: candidate.zone_id().to_wire(),
            ..Default::default()
        };
        let with = candidate.with(&rules(vec![old]), None).unwrap();
        assert_eq!(with.zones[0].schedule, Some(wire::Schedule::default()));
        let over = wire::Rules {
            active: false,
            ..rules(Vec::new())
        };
        assert!(candidate.with(&over, None).unwrap().zones.is_empty());
    }
}
