//! The floor: one fix decides, over a person's zones in flat arrays beside the person's state, with schedules and the shared
//! layer behind a bit filter, in groups of 32 so that cache misses overlap. No errors, no history, no events: what is left
//! when everything is taken away from the engine that is not geometry, memory and a curfew.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use proto::wire::ZoneKind;
use rstar::{
    AABB, RTree,
    primitives::{GeomWithData, Rectangle},
};

use super::{
    measure::{Took, Watch},
    shapes::{Plain, e7},
    traffic::Flow,
    world::{PlainZone, START_US, World},
};

const GROUP: usize = 32;
/// Side of a cell of the filter, 1e-7 degrees, about 500 m; the filter covers 6 by 6 degrees from here.
const CELL_E7: i32 = 50_000;
const CORNER_E7: [i32; 2] = [1_115_000_000, 265_000_000];
const CELLS: usize = 1_200;

/// The ids are random already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// What is known of a person.
#[derive(Debug, Clone, Copy)]
struct Hot {
    first_zone: u32,
    zones: u8,
    has_layer: bool,
    /// A bit a zone; the highest for the layer.
    inside: u8,
    violated: u8,
    place_e7: [i32; 2],
    time_us: i64,
}

#[derive(Debug, Clone, Copy)]
struct Zone {
    first_corner: u32,
    /// 0: a circle.
    corners: u16,
    exclusion: bool,
    /// Bit in the schedules that run now; 63: always.
    schedule: u8,
    centre_e7: [i32; 2],
    radius_m: f32,
    east_m_per_e7: f32,
}

/// A report, as flat as can be.
#[derive(Debug, Clone, Copy)]
struct Flat {
    person: u64,
    place_e7: [i32; 2],
    time_us: i64,
}

/// Everybody, judged by one fix.
#[derive(Debug)]
pub struct OneFix {
    slots: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    hot: Vec<Hot>,
    boxes: Vec<[i32; 4]>,
    zones: Vec<Zone>,
    corners: Vec<[i32; 2]>,
    filter: Vec<u64>,
    tree: RTree<GeomWithData<Rectangle<[i32; 2]>, u32>>,
    running: u64,
    /// The minute of which that is true.
    minute: i64,
    /// What was found.
    pub found: Found,
}

/// What the one-fix rule found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Found {
    /// Reports.
    pub reports: u64,
    /// Time for them.
    pub time: Took,
    /// Point-in-polygon questions: positions within the box of a polygon that applies.
    pub questions: u64,
    /// Pairs of a report and a zone in which it lies (of the layer's at most one).
    pub inside: u64,
    /// Violations begun and ended.
    pub edges: u64,
}

impl Found {
    /// Reports a second.
    pub fn rate(&self) -> f64 {
        self.time.rate(self.reports)
    }
}

fn key(id: [u8; 16]) -> u64 {
    id.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl OneFix {
    /// Compiles everybody's zones.
    pub fn new(world: &World) -> Self {
        let mut all = Self {
            slots: HashMap::default(),
            hot: Vec::with_capacity(world.people() as usize),
            boxes: Vec::new(),
            zones: Vec::new(),
            corners: Vec::new(),
            filter: vec![0; CELLS * CELLS / 64 + 1],
            tree: RTree::new(),
            running: 0,
            minute: i64::MIN,
            found: Found::default(),
        };
        for person in 0..world.people() {
            let first_zone = u32::try_from(all.zones.len()).unwrap_or_default();
            let zones = world.zones(person);
            for zone in &zones {
                all.add(zone);
            }
            let [id, _] = world.ids(person);
            all.slots.insert(key(id), person);
            all.hot.push(Hot {
                first_zone,
                zones: u8::try_from(zones.len()).unwrap_or_default(),
                has_layer: world.has_layer(person),
                inside: 0,
                violated: 0,
                place_e7: [0; 2],
                time_us: 0,
            });
        }
        let mut boxed = Vec::new();
        for zone in world.layer_zones() {
            let number = u32::try_from(all.zones.len()).unwrap_or_default();
            let [west, south, east, north] = all.add(&zone);
            boxed.push(GeomWithData::new(
                Rectangle::from_corners([west, south], [east, north]),
                number,
            ));
            for longitude in (west..east + CELL_E7).step_by(CELL_E7 as usize) {
                for latitude in (south..north + CELL_E7).step_by(CELL_E7 as usize) {
                    let place = [longitude.min(east), latitude.min(north)];
                    if let Some((word, bit)) =
                        cell(place).and_then(|(word, bit)| Some((all.filter.get_mut(word)?, bit)))
                    {
                        *word |= bit;
                    }
                }
            }
        }
        all.tree = RTree::bulk_load(boxed);
        all
    }

    fn add(&mut self, zone: &PlainZone) -> [i32; 4] {
        let first_corner = u32::try_from(self.corners.len()).unwrap_or_default();
        let mut compiled = Zone {
            first_corner,
            corners: 0,
            exclusion: zone.kind == ZoneKind::Exclusion,
            schedule: zone.schedule.and_then(|number| u8::try_from(number).ok()).unwrap_or(63),
            centre_e7: [0; 2],
            radius_m: 0.0,
            east_m_per_e7: 0.0,
        };
        let around = match &zone.shape {
            Plain::Circle { centre, radius_m } => {
                let far = centre.moved(*radius_m, *radius_m);
                let [east, north] = [far.longitude - centre.longitude, far.latitude - centre.latitude];
                compiled.centre_e7 = [e7(centre.longitude), e7(centre.latitude)];
                #[expect(clippy::cast_possible_truncation, reason = "metres and a scale, as f32")]
                {
                    compiled.radius_m = *radius_m as f32;
                    compiled.east_m_per_e7 = (*radius_m / (east * 1e7)) as f32;
                }
                [
                    e7(centre.longitude - east * 1.01),
                    e7(centre.latitude - north * 1.01),
                    e7(centre.longitude + east * 1.01),
                    e7(centre.latitude + north * 1.01),
                ]
            }
            Plain::Polygon(corners) => {
                compiled.corners = u16::try_from(corners.len()).unwrap_or_default();
                let mut around = [i32::MAX, i32::MAX, i32::MIN, i32::MIN];
                for corner in corners {
                    let place @ [longitude, latitude] = [e7(corner.longitude), e7(corner.latitude)];
                    let [west, south, east, north] = around;
                    around = [
                        west.min(longitude),
                        south.min(latitude),
                        east.max(longitude),
                        north.max(latitude),
                    ];
                    self.corners.push(place);
                }
                around
            }
        };
        self.zones.push(compiled);
        self.boxes.push(around);
        around
    }

    /// Judges the reports of these numbers.
    pub fn judge(&mut self, world: &World, flow: Flow, numbers: std::ops::Range<u64>) {
        let mut chunk = Vec::with_capacity(8_192);
        let mut next = numbers.start;
        while next < numbers.end {
            let end = (next + 8_192).min(numbers.end);
            chunk.clear();
            chunk.extend((next..end).filter_map(|number| {
                let turn = flow.turn(world, number)?;
                let sight = world.sight(turn.person, turn.minute)?;
                let [id, _] = world.ids(turn.person);
                Some(Flat {
                    person: key(id),
                    place_e7: [sight.longitude_e7, sight.latitude_e7],
                    time_us: turn.appended_us,
                })
            }));
            next = end;
            let watch = Watch::start();
            for group in chunk.chunks(GROUP) {
                self.set_clock(world, group.first().map_or(START_US, |report| report.time_us));
                self.group(group);
            }
            self.found.time += watch.stop();
            self.found.reports += chunk.len() as u64;
        }
    }

    /// Which schedules run. The country's run begins at 19:00 on a Monday.
    fn set_clock(&mut self, world: &World, time_us: i64) {
        let minute = (time_us - START_US) / 60_000_000;
        if minute == self.minute {
            return;
        }
        self.minute = minute;
        let second = 19 * 3_600 + 60 * u32::try_from(minute).unwrap_or_default();
        self.running = (0..)
            .zip(world.schedules().iter())
            .filter(|(_, hours)| hours.on_monday(second))
            .fold(1 << 63, |running, (number, _): (u32, _)| running | 1 << number);
    }

    fn group(&mut self, group: &[Flat]) {
        let mut slots = [u32::MAX; GROUP];
        for (slot, report) in slots.iter_mut().zip(group) {
            *slot = self.slots.get(&report.person).copied().unwrap_or(u32::MAX);
        }
        let mut hots: [Option<Hot>; GROUP] = [None; GROUP];
        for (hot, slot) in hots.iter_mut().zip(slots) {
            *hot = self.hot.get(slot as usize).copied();
        }
        // The boxes: a bit for each zone whose box holds the position.
        let mut near = [0_u8; GROUP];
        for ((near, hot), report) in near.iter_mut().zip(&hots).zip(group) {
            let Some(hot) = hot else { continue };
            let first = hot.first_zone as usize;
            let boxes = self
                .boxes
                .get(first..first + usize::from(hot.zones))
                .unwrap_or_default();
            let [longitude, latitude] = report.place_e7;
            for (bit, [west, south, east, north]) in boxes.iter().enumerate() {
                let within = *west <= longitude && longitude <= *east && *south <= latitude && latitude <= *north;
                *near |= u8::from(within) << bit;
            }
        }
        for (((report, slot), hot), near) in group.iter().zip(slots).zip(hots).zip(near) {
            if let Some(hot) = hot {
                self.one(report, slot, hot, near);
            }
        }
    }

    fn one(&mut self, report: &Flat, slot: u32, hot: Hot, near: u8) {
        let (mut inside, mut violated) = (0_u8, 0_u8);
        let first = hot.first_zone as usize;
        let zones = self
            .zones
            .get(first..first + usize::from(hot.zones))
            .unwrap_or_default();
        for (bit, zone) in zones.iter().enumerate() {
            let is_inside = near & 1 << bit != 0 && {
                self.found.questions += u64::from(zone.corners > 0);
                contains(&self.corners, zone, report.place_e7)
            };
            let runs = self.running >> zone.schedule & 1 != 0;
            inside |= u8::from(is_inside) << bit;
            violated |= u8::from(runs && is_inside == zone.exclusion) << bit;
        }
        let filtered = || {
            cell(report.place_e7).is_some_and(|(word, bit)| self.filter.get(word).is_some_and(|word| word & bit != 0))
        };
        if hot.has_layer && filtered() {
            for found in self
                .tree
                .locate_in_envelope_intersecting(AABB::from_point(report.place_e7))
            {
                self.found.questions += 1;
                if let Some(zone) = self.zones.get(found.data as usize)
                    && contains(&self.corners, zone, report.place_e7)
                {
                    inside |= 1 << 7;
                    violated |= u8::from(self.running >> zone.schedule & 1 != 0) << 7;
                }
            }
        }
        self.found.inside += u64::from(inside.count_ones());
        self.found.edges += u64::from((violated ^ hot.violated).count_ones());
        if let Some(known) = self.hot.get_mut(slot as usize) {
            (known.inside, known.violated) = (inside, violated);
            (known.place_e7, known.time_us) = (report.place_e7, report.time_us);
        }
    }
}

fn cell([longitude, latitude]: [i32; 2]) -> Option<(usize, u64)> {
    let [west, south] = CORNER_E7;
    let column = usize::try_from((longitude - west) / CELL_E7).ok()?;
    let row = usize::try_from((latitude - south) / CELL_E7).ok()?;
    let number = row * CELLS + column;
    (column < CELLS && row < CELLS).then_some((number / 64, 1 << (number % 64)))
}

/// Whether a zone holds a position, its edge included.
fn contains(corners: &[[i32; 2]], zone: &Zone, [longitude, latitude]: [i32; 2]) -> bool {
    if zone.corners == 0 {
        let [centre_longitude, centre_latitude] = zone.centre_e7;
        #[expect(clippy::cast_possible_truncation, reason = "a difference of some hundred metres")]
        let [east, north] = [
            (f64::from(longitude - centre_longitude) * f64::from(zone.east_m_per_e7)) as f32,
            (f64::from(latitude - centre_latitude) * 0.011_12) as f32,
        ];
        return east * east + north * north <= zone.radius_m * zone.radius_m;
    }
    let first = zone.first_corner as usize;
    let ring = corners
        .get(first..first + usize::from(zone.corners))
        .unwrap_or_default();
    let Some(mut from) = ring.last() else { return false };
    let mut inside = false;
    for to in ring {
        let ([from_x, from_y], [to_x, to_y]) = (*from, *to);
        let [x, y] = [to_x - from_x, to_y - from_y].map(i64::from);
        let [away_x, away_y] = [longitude - from_x, latitude - from_y].map(i64::from);
        let turn = x * away_y - y * away_x;
        if turn == 0 && within(from_x, to_x, longitude) && within(from_y, to_y, latitude) {
            return true;
        }
        if (from_y > latitude) != (to_y > latitude) {
            inside ^= (turn > 0) == (y > 0);
        }
        from = to;
    }
    inside
}

fn within(a: i32, b: i32, middle: i32) -> bool {
    a.min(b) <= middle && middle <= a.max(b)
}
