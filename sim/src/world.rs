//! A world: a town and its people under one seed.

use codec::Protocol;
use jiff::Timestamp;
use proto::{DeviceId, OrderId, PersonId, ZoneId, wire};
use uuid::Builder as UuidBuilder;

use crate::{
    chance::Chance,
    device::{Moment, PROTECTED_INDEX, Sample, protected_as_person, protected_position, report_time_s, sample},
    person::{Audience, Person, PlannedHours, PlannedShape, PlannedZone, Protected, Speaks},
    route::Route,
    scenario::{Scenario, tell},
    town::{Crossing, Local, Town},
};

/// What makes a world what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Same seed, same world.
    pub seed: u64,
    /// How many people, each with one device.
    pub people: u64,
    /// What happens.
    pub scenario: Scenario,
    /// Second 0.
    pub start: Timestamp,
    /// Seconds between two reports of a device.
    pub interval_s: f64,
    /// Latitude of the town's centre, degrees.
    pub latitude: f64,
    /// Longitude.
    pub longitude: f64,
}

/// A town and its people.
#[derive(Debug, Clone)]
pub struct World {
    /// What it was made from.
    pub config: Config,
    /// The town.
    pub town: Town,
    /// Its people.
    pub people: Vec<Person>,
    chance: Chance,
}

const GIVEN: [&str; 20] = [
    "Ada", "Bo", "Cleo", "Dara", "Eli", "Fen", "Gale", "Hal", "Ira", "Jo", "Kit", "Lou", "Mika", "Nico", "Ola", "Pat",
    "Quin", "Remy", "Sol", "Toni",
];
const FAMILY: [&str; 17] = [
    "Alderfen",
    "Birkmoor",
    "Coldwell",
    "Dunmere",
    "Elmstow",
    "Farhill",
    "Greyford",
    "Holloway",
    "Inglewick",
    "Kestrel",
    "Larkmead",
    "Millbrook",
    "Norwick",
    "Oakshott",
    "Penrose",
    "Quarrie",
    "Redfern",
];

pub(crate) struct Builder {
    pub(crate) chance: Chance,
    pub(crate) town: Town,
    pub(crate) interval_s: f64,
}

impl Builder {
    /// The crossing at which a person lives.
    pub(crate) fn home_crossing(&self, index: u64) -> Crossing {
        Town::some_crossing(self.chance, "home", index)
    }

    /// Adds a zone to a person; `number` tells the person's zones apart.
    #[expect(clippy::too_many_arguments, reason = "one call makes one row of the scenario table")]
    pub(crate) fn zone(
        &self,
        person: &mut Person,
        number: u64,
        label: &'static str,
        kind: wire::ZoneKind,
        audience: Audience,
        shape: PlannedShape,
        hours: Option<PlannedHours>,
    ) -> PlannedZone {
        let zone_id = ZoneId::new(uuid(self.chance, "zone", person.index * 16 + number));
        let zone = PlannedZone {
            zone_id,
            label,
            kind,
            attendance: false,
            audience,
            shape,
            buffer_m: 0.0,
            hours,
        };
        person.zones.push(zone.clone());
        zone
    }

    /// Somebody from whom a person must keep away.
    pub(crate) fn protected(&self, person: &Person, distance_m: f64, buffer_m: f64, route: Route) -> Protected {
        Protected {
            protected_id: PersonId::new(uuid(self.chance, "protected", person.index)),
            zone_id: ZoneId::new(uuid(self.chance, "nearness", person.index)),
            distance_m,
            buffer_m,
            route,
        }
    }

    fn person(&self, scenario: Scenario, index: u64) -> Person {
        let pick = |purpose: &str, names: &[&'static str]| {
            names
                .get(self.chance.below(purpose, index, 0, names.len()))
                .copied()
                .unwrap_or("Sam")
        };
        let crossing = self.town.crossing(self.home_crossing(index));
        // A house stands a little off the street.
        let home = Local {
            east: crossing.east + 14.0,
            north: crossing.north + 11.0,
        };
        let mut person = Person {
            index,
            person_id: PersonId::new(uuid(self.chance, "person", index)),
            device_id: DeviceId::new(uuid(self.chance, "device", index)),
            order_id: OrderId::new(uuid(self.chance, "order", index)),
            reference: format!("DEMO-{:04}", index + 1),
            name: format!("{} {}", pick("given name", &GIVEN), pick("family name", &FAMILY)),
            risk_level: [2, 3, 3, 4]
                .get(self.chance.below("risk", index, 0, 4))
                .copied()
                .unwrap_or(3),
            speaks: Speaks::Native,
            identity: String::new(),
            zones: Vec::new(),
            protected: None,
            silence_after_s: 300,
            late_return_after_s: 3_600,
            route: Route::at(home),
            faults: Vec::new(),
            violations: Vec::new(),
            life: None,
        };
        tell(self, scenario, &mut person);
        person.identity = person.speaks.identity(index);
        if !matches!(person.speaks, Speaks::Native | Speaks::Jt808 { .. }) {
            person.device_id = spare_device(self.chance, index, person.speaks.protocol());
        }
        person
    }
}

/// Gives a person of a story another monitor, if theirs speaks another protocol.
fn equip(chance: Chance, person: &mut Person, protocol: Protocol) {
    let before = person.speaks.protocol();
    if before == protocol {
        return;
    }
    person.speaks = Speaks::of(protocol);
    person.identity = person.speaks.identity(person.index);
    person.device_id = match (before, protocol) {
        (Protocol::Jt808, _) | (_, Protocol::Jt808 | Protocol::Teltonika | Protocol::Gt06 | Protocol::Eelink) => {
            spare_device(chance, person.index, protocol)
        }
        // As it was before stories had devices of these protocols.
        (_, Protocol::Native) => DeviceId::new(uuid(chance, "device", person.index)),
    };
}

/// The device of a person for a protocol that the story did not give them, or not from the beginning.
fn spare_device(chance: Chance, index: u64, protocol: Protocol) -> DeviceId {
    DeviceId::new(uuid(chance, &format!("device {protocol}"), index))
}

impl World {
    /// Builds the world.
    pub fn new(config: Config) -> Self {
        let chance = Chance::new(config.seed);
        let town = Town::new(config.latitude, config.longitude);
        let builder = Builder {
            chance,
            town,
            interval_s: config.interval_s,
        };
        let people = (0..config.people)
            .map(|index| builder.person(config.scenario, index))
            .collect();
        Self {
            config,
            town: builder.town,
            people,
            chance,
        }
    }

    /// The same world with devices that all speak one protocol: the same people, ways and troubles, other monitors.
    #[must_use]
    pub fn speaking(mut self, protocol: Protocol) -> Self {
        for person in &mut self.people {
            equip(self.chance, person, protocol);
        }
        self
    }

    /// The same world with devices of the native protocol in place of those for which there is no gateway.
    #[must_use]
    pub fn without(mut self, missing: &[Protocol]) -> Self {
        for person in &mut self.people {
            if missing.contains(&person.speaks.protocol()) {
                equip(self.chance, person, Protocol::Native);
            }
        }
        self
    }

    /// Every device that a person may have in any world of this seed.
    pub fn devices(&self, person: &Person) -> impl Iterator<Item = DeviceId> {
        let (chance, index) = (self.chance, person.index);
        let spare = Protocol::ALL.map(|protocol| spare_device(chance, index, protocol));
        std::iter::once(DeviceId::new(uuid(chance, "device", index))).chain(spare)
    }

    /// What a person's device reports at its `tick`-th time, `None` while it is off.
    pub fn sample(&self, person: &Person, tick: u64) -> Option<Sample> {
        self.sample_at(person, tick, self.report_time_s(person, tick))
    }

    /// What it reports at a time between its `tick`-th and the next, because it was asked to.
    pub fn sample_at(&self, person: &Person, tick: u64, time_s: f64) -> Option<Sample> {
        let moment = Moment {
            tick,
            time_s,
            whole: self.config.interval_s >= 1.0,
        };
        sample(self.chance, &self.town, person, self.config.start, moment)
    }

    /// Where the device of the one from whom a person must keep away says that they are; `None`: there is nobody.
    pub fn protected_position(&self, person: &Person, time_s: f64) -> Option<wire::Position> {
        let other = person.protected.as_ref()?;
        Some(protected_position(self.chance, &self.town, person, other, time_s))
    }

    /// The same town with those in it from whom somebody must keep away, each with a native device of their own. Nobody supervises
    /// them: they have no zones, no troubles and no violations.
    #[must_use]
    pub fn protected(&self) -> Self {
        let stand_in = |person: &Person| {
            let other = person.protected.as_ref()?;
            Some(Person {
                person_id: other.protected_id,
                device_id: DeviceId::new(uuid(self.chance, "protected device", person.index)),
                reference: format!("{}-P", person.reference),
                name: String::new(),
                speaks: Speaks::Native,
                identity: Speaks::Native.identity(PROTECTED_INDEX + person.index),
                zones: Vec::new(),
                protected: None,
                faults: Vec::new(),
                violations: Vec::new(),
                ..protected_as_person(person, other)
            })
        };
        Self {
            people: self.people.iter().filter_map(stand_in).collect(),
            ..self.clone()
        }
    }

    /// Everything that a device tells about a life, in the order of arrival and with the truth beside it.
    pub fn track(&self, person: &Person, until_s: f64) -> Vec<crate::track::Heard> {
        crate::track::track(self, self.chance, person, until_s)
    }

    /// When a device takes its `tick`-th report, seconds from the world's start.
    pub fn report_time_s(&self, person: &Person, tick: u64) -> f64 {
        report_time_s(self.chance, person, self.config.interval_s, tick)
    }

    /// The last tick of a device at or before a time (seconds from start), for loops of bounded length.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ticks of some hours"
    )]
    pub fn ticks_until(&self, seconds: f64) -> u64 {
        (seconds / self.config.interval_s).floor().max(0.0) as u64
    }

    /// A zone's geometry for the wire.
    pub fn geometry(&self, shape: &PlannedShape) -> wire::Geometry {
        let shape = match shape {
            PlannedShape::Circle(centre, radius_m) => {
                let (longitude, latitude) = self.town.lon_lat(*centre);
                wire::geometry::Shape::Circle(wire::Circle {
                    longitude,
                    latitude,
                    radius_m: *radius_m,
                })
            }
            PlannedShape::Polygon(ring) => {
                let coordinates = ring
                    .iter()
                    .chain(ring.first())
                    .flat_map(|&point| {
                        let (longitude, latitude) = self.town.lon_lat(point);
                        [crate::town::round7(longitude), crate::town::round7(latitude)]
                    })
                    .collect();
                let polygon = wire::Polygon {
                    rings: vec![wire::Ring { coordinates }],
                };
                wire::geometry::Shape::Polygons(wire::MultiPolygon {
                    polygons: vec![polygon],
                })
            }
        };
        wire::Geometry { shape: Some(shape) }
    }
}

fn uuid(chance: Chance, purpose: &str, index: u64) -> uuid::Uuid {
    UuidBuilder::from_custom_bytes(chance.bytes16(purpose, index)).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn config(scenario: Scenario) -> Config {
        let start = "2026-03-02T12:00:00Z".parse().unwrap();
        Config {
            seed: 11,
            people: 40,
            scenario,
            start,
            interval_s: 5.0,
            latitude: 30.28,
            longitude: 120.16,
        }
    }

    #[test]
    fn a_world_is_a_function_of_its_seed() {
        let (a, b) = (World::new(config(Scenario::Demo)), World::new(config(Scenario::Demo)));
        for (one, other) in a.people.iter().zip(&b.people) {
            assert_eq!(a.sample(one, 9), b.sample(other, 9));
            assert_eq!(one.zones, other.zones);
        }
        let other = World::new(Config {
            seed: 12,
            ..config(Scenario::Demo)
        });
        assert_ne!(a.people[20].person_id, other.people[20].person_id);
    }

    #[test]
    fn the_demo_shows_each_kind_within_three_minutes() {
        let world = World::new(config(Scenario::Demo));
        let mut kinds: Vec<_> = world.people.iter().flat_map(|person| &person.violations).collect();
        assert!(kinds.iter().all(|violation| violation.proof_s <= 180.0), "{kinds:#?}");
        kinds.sort_by_key(|violation| violation.kind as i32);
        kinds.dedup_by_key(|violation| violation.kind as i32);
        assert_eq!(kinds.len(), 16, "{kinds:#?}");
    }

    #[test]
    fn identities_are_unique() {
        let world = World::new(config(Scenario::Demo));
        let mut identities: Vec<_> = world.people.iter().map(|person| &person.identity).collect();
        identities.sort();
        identities.dedup();
        assert_eq!(identities.len(), world.people.len());
    }
}
