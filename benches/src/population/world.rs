//! A country of supervised people: where they live, what applies to them, where they are in each minute.
//!
//! Everything is a function of the seed and of the person's number, so that no two runs differ and hardly anything has to be
//! kept: 20 bytes a person. The country has towns with schools (the shared layer) on a lattice; homes and places of work lie
//! between the schools.

use jiff::Timestamp;
use proto::wire;

use super::{
    dice::Dice,
    schedules::Schedules,
    shapes::{Plain, Spot, e7},
};

/// First minute of the run, 19:00 in the country's time: some curfews begin while it lasts.
pub(super) const START_US: i64 = 1_772_449_200_000_000;
/// The country's time zone.
const TIME_ZONE: &str = "Asia/Shanghai";
const TOWNS: u32 = 400;
/// Schools of a town, rows of eight, this far from each other.
const PITCH_M: f64 = 800.0;
/// Radius of the smallest exclusion zones.
const LEAST_EXCLUSION_M: f64 = 150.0;
/// Of people, how many have the shared layer.
const WITH_LAYER: f64 = 0.30;
/// One person in so many walks through an exclusion zone of their own.
const VIOLATOR: u32 = 2_000;

/// What a purpose's numbers are for; a number each, so that none is used twice.
mod purpose {
    pub(super) const PERSON: u64 = 1;
    pub(super) const ZONES: u64 = 2;
    pub(super) const TOWN: u64 = 3;
    pub(super) const SCHOOL: u64 = 4;
    pub(super) const IDS: u64 = 5;
    pub(super) const ORDER: u64 = 6;
    pub(super) const ACCURACY: u64 = 7;
    pub(super) const DRIFT: u64 = 8;
    pub(super) const JITTER: u64 = 9;
}

/// What a person does during the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    AtHome,
    AtWork,
    Walking,
}

/// What is kept of a person to say where they are.
#[derive(Debug, Clone, Copy)]
struct Body {
    anchor_e7: [i32; 2],
    east_e7_per_m: f32,
    /// Place in the random order, and with it the second of the minute in which the person reports.
    rank: u32,
    pace: Pace,
    /// Of the walk.
    radius_m: u8,
}

/// A person as they are laid out.
struct Layout {
    dice: Dice,
    home: Spot,
    work: Spot,
    pace: Pace,
    violator: bool,
}

/// A zone of a person or of the layer, before anybody compiles it.
#[derive(Debug, Clone)]
pub(super) struct PlainZone {
    pub(super) kind: wire::ZoneKind,
    pub(super) shape: Plain,
    pub(super) buffer_m: f64,
    /// Number in [`Schedules`].
    pub(super) schedule: Option<u32>,
    pub(super) attendance: bool,
}

/// Where a person was, as a device says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub(super) latitude_e7: i32,
    pub(super) longitude_e7: i32,
    pub(super) accuracy_m: f32,
    pub(super) walking: bool,
}

/// The country.
#[derive(Debug)]
pub struct World {
    seed: u64,
    people: u32,
    layer_zones: u32,
    exclusion_m: f64,
    schedules: Schedules,
    bodies: Vec<Body>,
    order: Vec<u32>,
}

impl World {
    /// Lays out a country. `exclusion_m`: radius of the largest exclusion zones; the smallest have 150 m, and as many lie between
    /// one radius and its double, whatever the radius.
    pub fn new(seed: u64, people: u32, layer_zones: u32, exclusion_m: f64) -> Self {
        let mut world = Self {
            seed,
            people,
            layer_zones,
            exclusion_m: exclusion_m.max(LEAST_EXCLUSION_M),
            schedules: Schedules::new(),
            bodies: Vec::new(),
            order: (0..people).collect(),
        };
        // Fisher and Yates.
        let mut dice = Dice::new(seed, purpose::ORDER, 0);
        for last in (1..people).rev() {
            world.order.swap(last as usize, dice.below(last + 1) as usize);
        }
        world.bodies = (0..people).map(|person| world.body(person)).collect();
        for (rank, &person) in (0..).zip(&world.order) {
            if let Some(body) = world.bodies.get_mut(person as usize) {
                body.rank = rank;
            }
        }
        world
    }

    /// How many people live in it.
    pub fn people(&self) -> u32 {
        self.people
    }

    /// Everybody, in random order.
    pub(super) fn order(&self) -> &[u32] {
        &self.order
    }

    pub(super) fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// When the rules begin to hold, before the first report.
    pub fn begin(&self) -> Timestamp {
        Timestamp::from_microsecond(START_US - 60_000_000).unwrap_or_default()
    }

    fn town(&self, town: u32) -> Spot {
        let mut dice = Dice::new(self.seed, purpose::TOWN, u64::from(town));
        Spot {
            longitude: 112.0 + 0.22 * f64::from(town % 20) + dice.between(0.0, 0.05),
            latitude: 27.0 + 0.22 * f64::from(town / 20) + dice.between(0.0, 0.05),
        }
    }

    fn school(&self, number: u32) -> Spot {
        let place = number / TOWNS;
        let (column, row) = (f64::from(place % 8), f64::from(place / 8));
        self.town(number % TOWNS).moved(column * PITCH_M, row * PITCH_M)
    }

    /// A place in a town at least 300 m from the middle of every school.
    fn quiet_spot(&self, town: u32, dice: &mut Dice) -> Spot {
        let schools = (self.layer_zones / TOWNS).max(1);
        let east = dice.between(300.0, 400.0) * if dice.chance(0.5) { 1.0 } else { -1.0 };
        let north = dice.between(-400.0, 400.0);
        self.school(town + TOWNS * dice.below(schools)).moved(east, north)
    }

    fn layout(&self, person: u32) -> Layout {
        let mut dice = Dice::new(self.seed, purpose::PERSON, u64::from(person));
        let town = dice.below(TOWNS);
        let pace = match dice.unit() {
            share if share < 0.75 => Pace::AtHome,
            share if share < 0.85 => Pace::AtWork,
            _ => Pace::Walking,
        };
        let violator = person % VIOLATOR == VIOLATOR / 2;
        Layout {
            home: self.quiet_spot(town, &mut dice),
            work: self.quiet_spot(town, &mut dice),
            pace: if violator { Pace::Walking } else { pace },
            violator,
            dice,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a scale near 100 and a radius below 200"
    )]
    fn body(&self, person: u32) -> Body {
        let mut layout = self.layout(person);
        let anchor = match layout.pace {
            Pace::AtWork => layout.work,
            Pace::AtHome | Pace::Walking => layout.home,
        };
        // Where in the house; walkers go round the house.
        let within = layout.dice.between(0.0, 15.0);
        let anchor = anchor.around(layout.dice.between(0.0, std::f64::consts::TAU), within);
        Body {
            anchor_e7: [e7(anchor.longitude), e7(anchor.latitude)],
            east_e7_per_m: ((anchor.moved(1_000.0, 0.0).longitude - anchor.longitude) * 1e4) as f32,
            rank: 0,
            pace: layout.pace,
            radius_m: if layout.violator {
                180
            } else {
                layout.dice.between(60.0, 150.0) as u8
            },
        }
    }

    /// A person's own zones: home first, then work where there is one, then exclusion zones.
    pub(super) fn zones(&self, person: u32) -> Vec<PlainZone> {
        let Layout {
            home,
            work,
            pace,
            violator,
            ..
        } = self.layout(person);
        let mut dice = Dice::new(self.seed, purpose::ZONES, u64::from(person));
        let count = 3 + dice.below(4) as usize;
        let radius_m = dice.between(60.0, 160.0);
        let mut zones = vec![PlainZone {
            kind: wire::ZoneKind::Inclusion,
            shape: if dice.chance(0.17) {
                let corners = 6 + dice.below(7);
                Plain::polygon(&mut dice, home, corners, radius_m)
            } else {
                Plain::Circle { centre: home, radius_m }
            },
            buffer_m: 0.0,
            // Who is out during the run has a curfew that begins after it.
            schedule: Some(self.schedules.curfew(&mut dice, pace != Pace::AtHome)),
            attendance: false,
        }];
        if pace == Pace::AtWork || dice.chance(0.16) {
            let radius_m = dice.between(80.0, 160.0);
            zones.push(PlainZone {
                kind: wire::ZoneKind::Inclusion,
                shape: if dice.chance(0.5) {
                    let corners = 6 + dice.below(7);
                    Plain::polygon(&mut dice, work, corners, radius_m)
                } else {
                    Plain::Circle { centre: work, radius_m }
                },
                buffer_m: 0.0,
                schedule: Some(self.schedules.shift(pace == Pace::AtWork)),
                attendance: pace != Pace::AtWork,
            });
        }
        let to_work = home.angle_to(work);
        while zones.len() < count {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 8 and 40"
            )]
            let corners = (8.0 + 33.0 * dice.unit().powf(0.7)) as u32;
            // On the other side of the town than the way to work.
            let angle = to_work + dice.between(0.5, 1.5) * std::f64::consts::PI;
            let (centre, radius_m) = if violator && zones.len() + 1 == count {
                (home.around(angle, 200.0), 70.0)
            } else {
                let radius_m = LEAST_EXCLUSION_M * (self.exclusion_m / LEAST_EXCLUSION_M).powf(dice.unit());
                let distance_m = radius_m + dice.between(900.0, 6_000.0);
                (home.around(angle, distance_m), radius_m)
            };
            zones.push(PlainZone {
                kind: wire::ZoneKind::Exclusion,
                shape: Plain::polygon(&mut dice, centre, corners, radius_m),
                buffer_m: if dice.chance(0.4) {
                    dice.between(50.0, 300.0).round()
                } else {
                    0.0
                },
                schedule: dice.chance(0.2).then(|| self.schedules.daytime(&mut dice)),
                attendance: false,
            });
        }
        zones
    }

    /// Whether the shared layer applies to a person.
    pub(super) fn has_layer(&self, person: u32) -> bool {
        Dice::new(self.seed, purpose::IDS, u64::from(person)).chance(WITH_LAYER)
    }

    /// The zones of the shared layer: schools of twelve corners.
    pub(super) fn layer_zones(&self) -> impl Iterator<Item = PlainZone> + '_ {
        (0..self.layer_zones).map(|number| {
            let mut dice = Dice::new(self.seed, purpose::SCHOOL, u64::from(number));
            let radius_m = dice.between(40.0, 100.0);
            PlainZone {
                kind: wire::ZoneKind::Exclusion,
                shape: Plain::polygon(&mut dice, self.school(number), 12, radius_m),
                buffer_m: 0.0,
                schedule: (number % 4 == 0).then(|| self.schedules.daytime(&mut dice)),
                attendance: false,
            }
        })
    }

    /// The shared layer as it is stored.
    pub fn layer(&self) -> wire::Layer {
        let mut dice = Dice::new(self.seed, purpose::IDS, u64::MAX);
        wire::Layer {
            layer_id: dice.id().to_vec(),
            revision: 1,
            zones: self
                .layer_zones()
                .map(|zone| self.wire_zone(&zone, dice.id()))
                .collect(),
        }
    }

    fn wire_zone(&self, zone: &PlainZone, id: [u8; 16]) -> wire::Zone {
        wire::Zone {
            zone_id: id.to_vec(),
            revision: 1,
            kind: zone.kind.into(),
            geometry: Some(zone.shape.wire()),
            buffer_m: zone.buffer_m,
            schedule: zone.schedule.and_then(|number| self.schedules.wire(number)),
            attendance: zone.attendance,
            datum: wire::Datum::Wgs84.into(),
        }
    }

    /// The ids of a person and of their device.
    pub(super) fn ids(&self, person: u32) -> [[u8; 16]; 2] {
        let mut dice = Dice::new(self.seed, purpose::IDS, u64::from(person));
        dice.word();
        [dice.id(), dice.id()]
    }

    /// A person's whole rule set.
    pub fn rules(&self, person: u32) -> wire::Rules {
        let mut dice = Dice::new(self.seed, purpose::IDS, u64::from(person) | 1 << 40);
        let [person_id, _] = self.ids(person);
        let layer_ids = if self.has_layer(person) {
            vec![Dice::new(self.seed, purpose::IDS, u64::MAX).id().to_vec()]
        } else {
            Vec::new()
        };
        wire::Rules {
            person_id: person_id.to_vec(),
            revision: 1,
            order_id: dice.id().to_vec(),
            active: true,
            time_zone: TIME_ZONE.to_owned(),
            zones: self
                .zones(person)
                .iter()
                .map(|zone| self.wire_zone(zone, dice.id()))
                .collect(),
            layer_ids,
            reporting_interval_s: 60,
            silence_after_s: 2_400,
            home_exit_grace_s: 300,
            late_return_after_s: 1_800,
            valid_from_us: START_US - 86_400_000_000,
            ..wire::Rules::default()
        }
    }

    /// In which microsecond of each minute a person reports.
    pub(super) fn phase_us(&self, person: u32) -> i64 {
        let rank = self.bodies.get(person as usize).map_or(0, |body| body.rank);
        60_000_000 * i64::from(rank) / i64::from(self.people.max(1))
    }

    /// Where a person is in a minute of the run, as a device would say it: errors drift over minutes and jitter about that.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a few thousand 1e-7 degrees; metres as f32"
    )]
    pub(super) fn sight(&self, person: u32, minute: u32) -> Option<Sight> {
        let body = self.bodies.get(person as usize)?;
        let of = |purpose, minute: u32| Dice::new(self.seed, purpose, u64::from(person) << 32 | u64::from(minute));
        let accuracy_m = 5.0 + 25.0 * of(purpose::ACCURACY, minute).unit().powi(2);
        let part = f64::from(minute % 8) / 8.0;
        let [before, after] = [minute / 8, minute / 8 + 1].map(|eighth| of(purpose::DRIFT, eighth).pair());
        let jitter = of(purpose::JITTER, minute).pair();
        let sigma_m = accuracy_m / 1.515;
        let mut offset_m = [0, 1].map(|axis: usize| {
            let of = |pair: [f64; 2]| pair.get(axis).copied().unwrap_or_default();
            sigma_m * (0.8 * (of(before) * (1.0 - part) + of(after) * part) + 0.5 * of(jitter))
        });
        if body.pace == Pace::Walking {
            let radius_m = f64::from(body.radius_m);
            let angle = f64::from(person % 64) + 60.0 * f64::from(minute) / radius_m;
            let [east_m, north_m] = &mut offset_m;
            *east_m += radius_m * angle.cos();
            *north_m += radius_m * angle.sin();
        }
        let [east_m, north_m] = offset_m;
        let [longitude_e7, latitude_e7] = body.anchor_e7;
        Some(Sight {
            latitude_e7: latitude_e7 + (north_m * 89.93) as i32,
            longitude_e7: longitude_e7 + (east_m * f64::from(body.east_e7_per_m)) as i32,
            accuracy_m: accuracy_m as f32,
            walking: body.pace == Pace::Walking,
        })
    }
}
