//! Days and weeks of somebody: nights at home under curfew, work, errands, ways on foot, by bus and by car; exclusion zones near
//! those ways; temptations; and the troubles of a device and its network.

mod diary;
mod troubles;

use proto::wire::ZoneKind;

use crate::{
    chance::Draws,
    person::{Audience, Person, PlannedHours, PlannedShape},
    plane::signed_distance,
    town::{Crossing, Local, Town},
    world::Builder,
};

use diary::Diary;

/// Seconds of a day.
pub(crate) const DAY_S: f64 = 86_400.0;
/// Somebody at home is at least this far inside the edge.
pub const HOME_DEPTH_M: f64 = 10.0;
/// Rooms lie within so much of the middle of a flat, east and north.
const ROOM_M: f64 = 2.0;
/// Exclusion zones keep away from home and work by so much.
const APART_M: f64 = 60.0;
/// One person in so many has a device with a fault that no rule can see through.
const FAULTY: u64 = 12;

/// A building, as receivers feel it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Building {
    /// True 68 % radius of satellite fixes inside, metres, typically.
    pub radius_m: f64,
    /// For so long errors hang together, seconds.
    pub memory_s: f64,
    /// Stated accuracy over the true radius: 1 is honest, less is too good.
    pub stated: f64,
    /// Wi-Fi fixes occur, and are wrong by so much (the stations' places are not exactly known).
    pub wifi: Option<Local>,
    /// What they state.
    pub wifi_accuracy_m: f64,
    /// A home beacon, and where the register says that it is.
    pub beacon: Option<Local>,
}

/// What a life has beyond a way and zones.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Life {
    /// Buildings that the person uses.
    pub buildings: Vec<Building>,
    /// Begin and end of each stay indoors, and in which building; ascending.
    pub indoors: Vec<(f64, f64, usize)>,
    /// The device has a fault that no rule can see through: a frozen position or a wrong clock. Alerts about such a person say
    /// nothing about the rule that raised them.
    pub faulty: bool,
}

impl Life {
    /// The building that the person is in at a time.
    pub fn building(&self, time_s: f64) -> Option<&Building> {
        let next = self.indoors.partition_point(|(from_s, ..)| *from_s <= time_s);
        let &(_, until_s, building) = self.indoors.get(next.checked_sub(1)?)?;
        (time_s < until_s).then(|| self.buildings.get(building)).flatten()
    }
}

/// A battery charged at home each night.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "percent")]
pub(crate) fn battery_percent(time_s: f64) -> u32 {
    let hour = time_s.rem_euclid(DAY_S) / 3_600.0;
    (100.0 - 2.5 * (hour - 4.0).max(0.0)).clamp(45.0, 100.0) as u32
}

impl Building {
    fn drawn(draws: &mut Draws, stated: f64) -> Self {
        let wifi = Local {
            east: 10.0 * draws.normal(),
            north: 10.0 * draws.normal(),
        };
        Self {
            radius_m: draws.log_between(10.0, 40.0),
            memory_s: draws.log_between(90.0, 480.0),
            stated,
            wifi: draws.happens(0.6).then_some(wifi),
            wifi_accuracy_m: draws.between(20.0, 45.0),
            beacon: None,
        }
    }
}

/// A place to be in: a crossing near by, the spot itself, a building or the open.
#[derive(Debug, Clone, Copy)]
struct Spot {
    crossing: Crossing,
    place: Local,
    building: Option<usize>,
}

/// How a way is made, metres a second.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Foot,
    Bus,
    Car,
}

/// Tells somebody's days. Day 0 counts as a Monday.
pub(crate) fn tell(builder: &Builder, days: u32, person: &mut Person) {
    let index = person.index;
    let mut draws = builder.chance.sequence("life", index);
    person.silence_after_s = 1_800;
    let flat = person.route.last().1;
    // Two receivers in three are honest indoors.
    let stated = if draws.happens(0.65) {
        1.0
    } else {
        draws.between(0.5, 0.8)
    };
    let mut buildings = vec![Building::drawn(&mut draws, stated), Building::drawn(&mut draws, stated)];
    if draws.happens(0.2)
        && let Some(home) = buildings.first_mut()
    {
        home.beacon = Some(flat);
    }
    let home = Spot {
        crossing: builder.home_crossing(index),
        place: flat,
        building: Some(0),
    };
    let work = work(builder, index, home.crossing);
    let shape = home_shape(&mut draws, flat);
    let begins_s = 72_000 + 1_800 * (draws.below(5).cast_signed() as i64 - 2);
    let ends_s = 86_400 + 21_600 + 900 * i64::try_from(draws.below(5)).unwrap_or(0);
    let curfew = PlannedHours {
        from_s: begins_s,
        until_s: ends_s,
    };
    builder.zone(
        person,
        0,
        "Home",
        ZoneKind::Inclusion,
        Audience::Both,
        shape.clone(),
        Some(curfew),
    );
    let targets = exclusions(builder, &mut draws, person, home, work, &mut buildings, stated);
    let mut diary = Diary::new(builder, draws, home, work, targets, curfew);
    diary.buildings = buildings;
    for day in 0..days {
        diary.day(day, &shape);
    }
    let mut draws = diary.draws;
    person.route = diary.route;
    let faulty = index % FAULTY == FAULTY - 1;
    person.life = Some(Life {
        buildings: diary.buildings,
        indoors: diary.indoors,
        faulty,
    });
    troubles::happen(&mut draws, f64::from(days) * DAY_S, faulty, person);
}

/// A home zone around a flat that is somewhere in it, never nearer to the edge than people at home must be.
fn home_shape(draws: &mut Draws, flat: Local) -> PlannedShape {
    let reach = HOME_DEPTH_M + ROOM_M * std::f64::consts::SQRT_2;
    if draws.happens(0.7) {
        let radius = draws.between(40.0, 100.0);
        let off = (radius - reach) * draws.uniform();
        let angle = draws.between(0.0, std::f64::consts::TAU);
        let centre = Local {
            east: flat.east + off * angle.sin(),
            north: flat.north + off * angle.cos(),
        };
        return PlannedShape::Circle(centre, radius);
    }
    let mut side = || reach + draws.between(0.0, 60.0);
    let (west, east, south, north) = (side(), side(), side(), side());
    let corners = [(-west, -south), (east, -south), (east, north), (-west, north)];
    PlannedShape::Polygon(corners.map(|(x, y)| at(flat, x, y)).to_vec())
}

fn at(from: Local, east: f64, north: f64) -> Local {
    Local {
        east: from.east + east,
        north: from.north + north,
    }
}

fn blocks_between(a: Crossing, b: Crossing) -> usize {
    a.0.abs_diff(b.0) + a.1.abs_diff(b.1)
}

fn work(builder: &Builder, index: u64, home: Crossing) -> Spot {
    let crossing = (0..20)
        .map(|attempt| Town::some_crossing(builder.chance, "work", index * 100 + attempt))
        .find(|crossing| blocks_between(*crossing, home) >= 4)
        .unwrap_or((2, 2));
    Spot {
        crossing,
        place: at(builder.town.crossing(crossing), -16.0, 12.0),
        building: Some(1),
    }
}

/// Exclusion zones: one that is passed by, one to be tempted by, and a sliver. Returns spots inside.
fn exclusions(
    builder: &Builder,
    draws: &mut Draws,
    person: &mut Person,
    home: Spot,
    work: Spot,
    buildings: &mut Vec<Building>,
    stated: f64,
) -> Vec<Spot> {
    let town = &builder.town;
    let way = town.walk(home.crossing, work.crossing, false);
    let mut planned: Vec<(&'static str, Crossing, PlannedShape)> = Vec::new();
    // Inside a block beside the way: the street passes at 5 to 60 m.
    let steps: Vec<(Crossing, Local)> = crossings_of(town, home.crossing, work.crossing, &way);
    if let Some(&(crossing, _)) = steps.get(1 + draws.below(steps.len().saturating_sub(2))) {
        let centre = block_centre(town, crossing);
        let gap = draws.between(5.0, 50.0);
        planned.push((
            "Protected address",
            crossing,
            PlannedShape::Circle(centre, (62.0 - gap).max(12.0)),
        ));
    }
    // At a crossing somewhere: some pass through it daily, for most it is out of the way.
    let somewhere = if draws.happens(0.2) {
        steps.get(steps.len() / 2).map(|(crossing, _)| *crossing)
    } else {
        None
    };
    let somewhere = somewhere.unwrap_or((1 + draws.below(13), 1 + draws.below(13)));
    let centre = town.crossing(somewhere);
    planned.push(match draws.below(3) {
        0 => (
            "School",
            somewhere,
            PlannedShape::Polygon(yard(centre, draws.between(0.6, 1.3))),
        ),
        1 => (
            "Park",
            somewhere,
            PlannedShape::Polygon(octagon(centre, draws.between(40.0, 120.0))),
        ),
        _ => (
            "Protected address",
            somewhere,
            PlannedShape::Circle(centre, draws.between(25.0, 120.0)),
        ),
    });
    // A sliver along a street, at its side or across it.
    if let Some(&(crossing, place)) = steps.get(1 + draws.below(steps.len().saturating_sub(3))) {
        let next = town.crossing((crossing.0 + 1, crossing.1));
        let across = draws.happens(0.3);
        let width = draws.log_between(5.0, 25.0);
        planned.push((
            "Alley",
            crossing,
            PlannedShape::Polygon(strip(place, next, across, width, draws.between(5.0, 25.0))),
        ));
    }
    let mut spots = Vec::new();
    for (number, (label, crossing, shape)) in (1..).zip(planned) {
        if [home.place, work.place]
            .iter()
            .any(|place| signed_distance(&shape, *place) < APART_M)
        {
            continue;
        }
        let place = inside(draws, &shape);
        let audience = if label == "Protected address" {
            Audience::Police
        } else {
            Audience::Both
        };
        builder.zone(
            person,
            number,
            label,
            ZoneKind::Exclusion,
            audience,
            shape.clone(),
            None,
        );
        let building = draws.happens(0.35).then(|| {
            buildings.push(Building::drawn(draws, stated));
            buildings.len() - 1
        });
        if let Some(place) = place {
            spots.push(Spot {
                crossing,
                place,
                building,
            });
        }
    }
    spots
}

/// The crossings of a walk with their places; a walk goes along the column first.
fn crossings_of(town: &Town, from: Crossing, to: Crossing, way: &[Local]) -> Vec<(Crossing, Local)> {
    way.iter()
        .filter_map(|&place| {
            let column = from.0.min(to.0)..=from.0.max(to.0);
            column
                .flat_map(|column| (from.1.min(to.1)..=from.1.max(to.1)).map(move |row| (column, row)))
                .find(|&crossing| town.crossing(crossing) == place)
                .map(|crossing| (crossing, place))
        })
        .collect()
}

fn block_centre(town: &Town, (column, row): Crossing) -> Local {
    let corners = [
        (column, row),
        (column + 1, row),
        (column, row + 1),
        (column + 1, row + 1),
    ]
    .map(|crossing| town.crossing(crossing));
    let sum = corners
        .iter()
        .fold((0.0, 0.0), |sum, corner| (sum.0 + corner.east, sum.1 + corner.north));
    Local {
        east: sum.0 / 4.0,
        north: sum.1 / 4.0,
    }
}

/// A place inside a shape, at least 2 m from its edge, if chance finds one.
fn inside(draws: &mut Draws, shape: &PlannedShape) -> Option<Local> {
    let (centre, reach) = match shape {
        PlannedShape::Circle(centre, radius) => (*centre, *radius),
        PlannedShape::Polygon(ring) => {
            let count = ring.len().max(1) as f64;
            let sum = ring
                .iter()
                .fold((0.0, 0.0), |sum, corner| (sum.0 + corner.east, sum.1 + corner.north));
            let centre = Local {
                east: sum.0 / count,
                north: sum.1 / count,
            };
            let reach = ring
                .iter()
                .map(|corner| corner.distance(centre))
                .fold(0.0_f64, f64::max);
            (centre, reach)
        }
    };
    (0..60)
        .map(|_| {
            at(
                centre,
                draws.between(-reach, reach) * 0.9,
                draws.between(-reach, reach) * 0.9,
            )
        })
        .find(|place| signed_distance(shape, *place) < -2.0)
}

fn yard(centre: Local, scale: f64) -> Vec<Local> {
    let corners = [
        (-70.0, -60.0),
        (75.0, -60.0),
        (75.0, 20.0),
        (30.0, 20.0),
        (30.0, 70.0),
        (-70.0, 70.0),
    ];
    corners.map(|(x, y)| at(centre, x * scale, y * scale)).to_vec()
}

fn octagon(centre: Local, radius: f64) -> Vec<Local> {
    (0..8)
        .map(|corner| {
            let angle = std::f64::consts::TAU * f64::from(corner) / 8.0;
            at(centre, radius * angle.cos(), radius * angle.sin())
        })
        .collect()
}

/// A narrow rectangle beside the street from `a` to `b` at a gap from its middle, or across the street half way.
fn strip(a: Local, b: Local, across: bool, width: f64, gap: f64) -> Vec<Local> {
    let length = a.distance(b).max(1.0);
    let (along_e, along_n) = ((b.east - a.east) / length, (b.north - a.north) / length);
    let (side_e, side_n) = (-along_n, along_e);
    let corner = |along: f64, side: f64| at(a, along * along_e + side * side_e, along * along_n + side * side_n);
    let (from, to, low, high) = if across {
        (length / 2.0, length / 2.0 + width, -60.0, 60.0)
    } else {
        (5.0, length - 5.0, gap, gap + width)
    };
    vec![corner(from, low), corner(to, low), corner(to, high), corner(from, high)]
}

impl Mode {
    fn drawn(draws: &mut Draws, blocks: usize) -> Self {
        match draws.uniform() {
            _ if blocks <= 3 => Self::Foot,
            0.0..0.35 => Self::Foot,
            0.35..0.65 => Self::Bus,
            _ => Self::Car,
        }
    }

    fn speed_mps(self) -> f64 {
        match self {
            Self::Foot => 1.35,
            Self::Bus => 7.0,
            Self::Car => 11.0,
        }
    }
}
