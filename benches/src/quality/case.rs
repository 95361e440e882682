//! One wearer with everything that is measured on: rules, reports as they arrive, and the truth.

use anyhow::{Context, Result};
use engine::zone::Shape;
use jiff::{Timestamp, tz::TimeZone};
use proto::{
    rules::{Geometry, LonLat},
    wire,
};
use sim::{World, check, person::time_at, receiver::Sky, scenario::Scenario, track, world};

/// Where the simulated people live.
const TIME_ZONE: &str = "Asia/Shanghai";
/// A Monday's midnight there.
const START: &str = "2026-03-01T16:00:00Z";
/// The simulated people's devices report so often, seconds.
const INTERVAL_S: f64 = 60.0;
const MICROS: f64 = 1e6;

/// Begin and end, microseconds since 1970.
pub type Span = (i64, i64);

/// One wearer.
pub struct Case {
    /// What applies.
    pub rules: wire::Rules,
    /// Reports in the order of arrival.
    pub arrivals: Vec<Arrival>,
    /// The zones, home (if there is one) and exclusions.
    pub zones: Vec<ZoneTruth>,
    /// How long the device was worn, days.
    pub days: f64,
    /// The device has a fault that no rule can see through; counted apart.
    pub faulty: bool,
    /// A visit is one under the open sky when at least this share of its fixes is: where the sky is known, all of them.
    pub open_share: f64,
}

/// A report and what is true of it.
pub struct Arrival {
    /// Log time, microseconds.
    pub appended_us: i64,
    /// As the gateway would append it.
    pub report: wire::Report,
    /// True time, microseconds.
    pub time_us: i64,
    /// It has a position, and neither that nor its time is wrong by a fault.
    pub sound: bool,
    /// It was made under the open sky (simulated people), or states an accuracy of at most 15 m (oracle).
    pub open: bool,
    /// True distance to each zone's edge, metres, negative inside; in the order of `zones`.
    pub truth_m: Vec<f64>,
}

/// A zone and who is truly in it when.
pub struct ZoneTruth {
    /// Its id on the wire.
    pub zone_id: Vec<u8>,
    /// Home: outside is a violation while in force. Otherwise an exclusion: inside is one.
    pub home: bool,
    /// For the rules that the engine is compared with.
    pub shape: Shape,
    /// When its rule holds.
    pub in_force: Vec<Span>,
    /// True violations: visits of an exclusion, absences from home while in force.
    pub violations: Vec<Span>,
    /// Times at which a claim of such a violation is true: the same, and what happens between two fixes, in force or not.
    pub touched: Vec<Span>,
}

/// The simulated people: one case after the other, made when it is asked for.
pub struct Lives {
    world: World,
    zone: TimeZone,
    until_s: f64,
}

impl Lives {
    /// Builds the world.
    pub fn new(people: u64, days: u32, seed: u64) -> Result<Self> {
        let world = World::new(world::Config {
            seed,
            people,
            scenario: Scenario::Life { days },
            start: START.parse().context("start")?,
            interval_s: INTERVAL_S,
            latitude: 30.2825,
            longitude: 120.16,
        });
        Ok(Self {
            world,
            zone: TimeZone::get(TIME_ZONE).context("time zone")?,
            until_s: f64::from(days) * 86_400.0,
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.world.people.len()
    }

    /// Nobody.
    pub fn is_empty(&self) -> bool {
        self.world.people.is_empty()
    }

    /// One of them; `None` past the last.
    pub fn case(&self, index: usize) -> Option<Result<Case>> {
        self.world.people.get(index).map(|person| self.of(person))
    }

    fn of(&self, person: &sim::person::Person) -> Result<Case> {
        let start = self.world.config.start;
        let micros = |seconds: f64| time_at(start, seconds).as_microsecond();
        let zones = person.zones.iter().map(|zone| {
            let home = zone.kind == wire::ZoneKind::Inclusion;
            let visits: Vec<Span> = track::visits(person, zone, self.until_s)
                .iter()
                .map(|visit| (micros(visit.from_s), micros(visit.until_s)))
                .collect();
            let whole = (micros(0.0), micros(self.until_s));
            let in_force = match zone.hours {
                None => vec![whole],
                Some(hours) => days_around(self.until_s)
                    .map(|day| (micros(day + hours.from_s as f64), micros(day + hours.until_s as f64)))
                    .filter_map(|span| intersection(span, whole))
                    .collect(),
            };
            let touched = if home { complement(&visits, whole) } else { visits };
            let geometry = Geometry::try_from(&self.world.geometry(&zone.shape)).context("a simulated zone")?;
            Ok(ZoneTruth {
                zone_id: zone.zone_id.to_wire(),
                home,
                shape: Shape::compile(&geometry)?,
                violations: intersections(&touched, &in_force),
                in_force,
                touched,
            })
        });
        let zones = zones.collect::<Result<Vec<_>>>()?;
        let arrivals = self.world.track(person, self.until_s).into_iter().map(|heard| {
            let (longitude, latitude) = self.world.town.lon_lat(heard.truth);
            Arrival {
                appended_us: micros(heard.received_s),
                report: heard.report(start, person),
                time_us: micros(heard.sample.time_s),
                sound: heard.sound && heard.sample.position.is_some(),
                open: heard.sky == Sky::Open,
                truth_m: distances(&zones, longitude, latitude),
            }
        });
        Ok(Case {
            arrivals: arrivals.collect(),
            rules: check::rules(&self.world, &self.zone, person),
            zones,
            days: self.until_s / 86_400.0,
            faulty: person.life.as_ref().is_some_and(|life| life.faulty),
            open_share: 1.0,
        })
    }
}

impl Case {
    /// Log time before the first report, for the rules.
    pub fn begin(&self) -> Timestamp {
        let first = self.arrivals.first().map_or(0, |arrival| arrival.appended_us);
        Timestamp::from_microsecond(first - 60_000_000).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Signed distances of a place to each zone.
pub fn distances(zones: &[ZoneTruth], longitude: f64, latitude: f64) -> Vec<f64> {
    let at = LonLat::new(longitude, latitude).ok();
    zones
        .iter()
        .map(|zone| at.map_or(f64::INFINITY, |at| zone.shape.signed_distance_m(at)))
        .collect()
}

/// Seconds of every midnight from the day before the first.
fn days_around(until_s: f64) -> impl Iterator<Item = f64> {
    (-1_i32..)
        .map(|day| f64::from(day) * 86_400.0)
        .take_while(move |day| *day < until_s)
}

/// What two spans share.
pub fn intersection(a: Span, b: Span) -> Option<Span> {
    let both = (a.0.max(b.0), a.1.min(b.1));
    (both.0 < both.1).then_some(both)
}

/// What two lists of spans share.
pub fn intersections(all: &[Span], others: &[Span]) -> Vec<Span> {
    all.iter()
        .flat_map(|&span| others.iter().filter_map(move |&other| intersection(span, other)))
        .collect()
}

/// What of a span is in none of others; these ascend and do not overlap.
pub fn complement(others: &[Span], whole: Span) -> Vec<Span> {
    let mut from = whole.0;
    let mut all = Vec::new();
    for other in others {
        if other.0 > from {
            all.push((from, other.0));
        }
        from = from.max(other.1);
    }
    if whole.1 > from {
        all.push((from, whole.1));
    }
    all
}

/// Microseconds as seconds.
pub fn seconds(micros: i64) -> f64 {
    micros as f64 / MICROS
}
