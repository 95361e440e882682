//! A person's own zones, flat: boxes first, then 64 bytes a zone, then corners as 32-bit offsets.
//!
//! A zone is flat when it is a circle of at most [`FLAT_RADIUS_M`], a ring without holes or a corridor, at most a degree wide and
//! away from the poles and the antimeridian; its corners are whole 1e-9 degrees from its south-west corner, so that the side of a
//! ring is decided exactly, in 64-bit integers. Distances are those of the local WGS-84 metric (M and N of the position's
//! latitude): 2 cm within 500 m of the edge, where decisions are made. Everything else keeps its [`Shape`].

use std::sync::Arc;

use proto::{
    Revision, ZoneId,
    rules::{Geometry, LonLat, Polygon, Zone, ZoneKind},
};

use crate::{
    geodesy::{meridional_m, prime_vertical_m},
    population::Kept,
    zone::{Located, Shape, ShapeError},
};

/// Largest flat circle, metres: beyond, the middle latitude is not good enough.
const FLAT_RADIUS_M: f64 = 5_000.0;
/// Most corners of a flat zone: beyond, it is better to look at boxes of edges first.
const FLAT_CORNERS: usize = 2_048;
/// Widest flat zone, 1e-9 degree: products of two offsets and their difference fit 64 bits.
const FLAT_SPAN: i64 = 1_000_000_000;
/// Northernmost latitude of flat zones, degrees.
const FLAT_LATITUDE: f64 = 80.0;
/// Easternmost longitude of flat zones, degrees.
const FLAT_LONGITUDE: f64 = 179.0;
/// No 1e-9 degree of longitude or latitude is longer, metres.
const MOST_UNIT_M: f64 = 0.000_112;
/// No degree of latitude is shorter, metres.
const LEAST_DEGREE_M: f64 = 110_500.0;

/// Where a zone may be: degrees * 1e7, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) west: i32,
    pub(crate) south: i32,
    pub(crate) east: i32,
    pub(crate) north: i32,
}

impl Bounds {
    /// No position is out of these.
    pub(crate) const EVERYWHERE: Self = Self {
        west: i32::MIN,
        south: i32::MIN,
        east: i32::MAX,
        north: i32::MAX,
    };

    /// Says whether a box of positions and these have a point in common.
    #[inline]
    pub(crate) const fn touches(&self, other: &Self) -> bool {
        other.east >= self.west && other.west <= self.east && other.north >= self.south && other.south <= self.north
    }

    /// Around some metres about a box in degrees.
    #[expect(clippy::cast_possible_truncation, reason = "clamped to what positions can be")]
    fn around(west: f64, south: f64, east: f64, north: f64, reach_m: f64) -> Self {
        let up = reach_m / LEAST_DEGREE_M;
        let farthest = (north.abs().max(south.abs()) + up).min(89.0);
        let aside = up / libm::cos(farthest.to_radians());
        let e7 = |degrees: f64, limit: f64| (degrees * 1e7).clamp(-limit, limit) as i32;
        Self {
            west: e7(west - aside, 2e9).saturating_sub(1),
            south: e7(south - up, 2e9).saturating_sub(1),
            east: e7(east + aside, 2e9).saturating_add(1),
            north: e7(north + up, 2e9).saturating_add(1),
        }
    }
}

/// What a zone asks, as far as trackers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// To stay inside.
    Inclusion,
    /// To be seen inside.
    Attendance,
    /// To stay outside.
    Exclusion,
    /// Nothing: report only.
    Neutral,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Circle,
    Ring,
    Line,
    /// `start` is the number in [`Compiled::kept`].
    Shape,
}

/// A zone of one person: one cache line, and never parts of two.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(align(64))]
pub(crate) struct FlatZone {
    pub(crate) zone_id: ZoneId,
    pub(crate) revision: Revision,
    /// Since when it binds, with its schedule.
    pub(crate) in_force_us: i64,
    /// Of circles and corridors.
    radius_m: f64,
    /// South-west corner, degrees * 1e7.
    origin: [i32; 2],
    /// First corner, in the person's corners; a circle's centre from the origin, packed.
    start: u32,
    pub(crate) buffer_m: f32,
    /// Number of the schedule.
    pub(crate) schedule: u32,
    corners: u16,
    pub(crate) asks: Asks,
    form: Form,
}

/// A person's zones when they are compiled, before they are put away.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) bounds: Vec<Bounds>,
    pub(crate) zones: Vec<FlatZone>,
    pub(crate) corners: Vec<[i32; 2]>,
    pub(crate) kept: Vec<Kept>,
}

/// A person's zones, where they are put away.
#[expect(clippy::struct_field_names, reason = "what they are")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zones<'a> {
    pub(crate) zones: &'a [FlatZone],
    pub(crate) corners: &'a [[i32; 2]],
    pub(crate) kept: &'a [Kept],
}

/// A position that zones are asked about; what costs is worked out when it is first needed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Here {
    pub(crate) latitude_e7: i32,
    pub(crate) longitude_e7: i32,
    /// Metres of 1e-9 degree, east and north.
    metric: Option<[f64; 2]>,
    located: Option<Located>,
}

impl Here {
    pub(crate) const fn new(latitude_e7: i32, longitude_e7: i32) -> Self {
        Self {
            latitude_e7,
            longitude_e7,
            metric: None,
            located: None,
        }
    }

    pub(crate) fn lon_lat(&self) -> LonLat {
        LonLat {
            longitude: f64::from(self.longitude_e7) / 1e7,
            latitude: f64::from(self.latitude_e7) / 1e7,
        }
    }

    fn metric(&mut self) -> [f64; 2] {
        let latitude_e7 = self.latitude_e7;
        *self.metric.get_or_insert_with(|| metric(f64::from(latitude_e7) / 1e7))
    }

    pub(crate) fn located(&mut self) -> Option<&Located> {
        if self.located.is_none() {
            self.located = Located::new(self.lon_lat());
        }
        self.located.as_ref()
    }
}

/// Metres of 1e-9 degree of longitude and latitude at a latitude.
fn metric(latitude: f64) -> [f64; 2] {
    let (sine, cosine) = libm::sincos(latitude.to_radians());
    let part = 1e-9_f64.to_radians();
    [prime_vertical_m(sine) * cosine * part, meridional_m(sine) * part]
}

impl Compiled {
    /// Adds a zone. `reach_m`: how far outside the zone and its buffer a position may matter.
    pub(crate) fn add(&mut self, zone: &Zone, schedule: u32, in_force_us: i64, reach_m: f64) -> Result<(), ShapeError> {
        let asks = match (zone.kind, zone.attendance) {
            (ZoneKind::Inclusion, false) => Asks::Inclusion,
            (ZoneKind::Inclusion, true) => Asks::Attendance,
            (ZoneKind::Exclusion, _) => Asks::Exclusion,
            (ZoneKind::Neutral, _) => Asks::Neutral,
        };
        let start = self.corners.len();
        let flat = match &zone.geometry {
            Geometry::Circle { centre, radius_m } if *radius_m <= FLAT_RADIUS_M => {
                self.put(Form::Circle, std::slice::from_ref(centre), *radius_m)
            }
            Geometry::Polygons(polygons) => match polygons.as_slice() {
                // The corner that closes the ring is the first one again.
                [Polygon { exterior, holes }] if holes.is_empty() => {
                    self.put(Form::Ring, exterior.split_last().map_or(&[], |(_, open)| open), 0.0)
                }
                _ => None,
            },
            Geometry::Corridor { line, half_width_m } if *half_width_m <= FLAT_RADIUS_M => {
                self.put(Form::Line, line, *half_width_m)
            }
            _ => None,
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "metres to a centimetre are enough for a buffer"
        )]
        let mut compiled = FlatZone {
            zone_id: zone.zone_id,
            revision: zone.revision,
            in_force_us,
            radius_m: 0.0,
            origin: [0, 0],
            start: u32::try_from(start).unwrap_or(u32::MAX),
            buffer_m: zone.buffer_m as f32,
            schedule,
            corners: 0,
            asks,
            form: Form::Shape,
        };
        if let Some(flat) = flat {
            flat_into(&mut compiled, &flat);
        } else {
            let shape = Shape::compile(&zone.geometry)?;
            compiled.start = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
            self.kept.push(Kept {
                geometry: Arc::new(zone.geometry.clone()),
                shape: Arc::new(shape),
            });
        }
        self.bounds.push(compiled.bounds(&self.corners, reach_m));
        self.zones.push(compiled);
        Ok(())
    }

    /// Puts the corners of a zone that can be flat.
    fn put(&mut self, form: Form, line: &[LonLat], radius_m: f64) -> Option<Flat> {
        let mut around = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for at in line {
            around = [
                around[0].min(at.longitude),
                around[1].min(at.latitude),
                around[2].max(at.longitude),
                around[3].max(at.latitude),
            ];
        }
        let [west, south, east, north] = around;
        let fits = west > -FLAT_LONGITUDE
            && east < FLAT_LONGITUDE
            && south > -FLAT_LATITUDE
            && north < FLAT_LATITUDE
            && (east - west).max(north - south) * 1e9 < FLAT_SPAN as f64
            && line.len() <= FLAT_CORNERS;
        if !fits {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within the range of positions, as checked"
        )]
        let origin = [(west * 1e7).floor() as i32, (south * 1e7).floor() as i32];
        if form == Form::Circle {
            let [x, y] = line.first()?.grid();
            let offset = [x - i64::from(origin[0]) * 100, y - i64::from(origin[1]) * 100];
            return Some(Flat {
                form,
                origin,
                start: pack_centre(offset)?,
                corners: 0,
                radius_m,
            });
        }
        let first = self.corners.len();
        for at in line {
            let [x, y] = at.grid();
            let offset = [
                i32::try_from(x - i64::from(origin[0]) * 100).ok(),
                i32::try_from(y - i64::from(origin[1]) * 100).ok(),
            ];
            let [Some(x), Some(y)] = offset else {
                self.corners.truncate(first);
                return None;
            };
            self.corners.push([x, y]);
        }
        Some(Flat {
            form,
            origin,
            start: u32::try_from(first).unwrap_or(u32::MAX),
            corners: u16::try_from(line.len()).unwrap_or(u16::MAX),
            radius_m,
        })
    }
}

struct Flat {
    form: Form,
    origin: [i32; 2],
    start: u32,
    corners: u16,
    radius_m: f64,
}

fn flat_into(zone: &mut FlatZone, flat: &Flat) {
    zone.form = flat.form;
    zone.origin = flat.origin;
    zone.start = flat.start;
    zone.corners = flat.corners;
    zone.radius_m = flat.radius_m;
}

impl Asks {
    const fn code(self) -> u8 {
        match self {
            Self::Inclusion => 0,
            Self::Attendance => 1,
            Self::Exclusion => 2,
            Self::Neutral => 3,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Inclusion),
            1 => Some(Self::Attendance),
            2 => Some(Self::Exclusion),
            3 => Some(Self::Neutral),
            _ => None,
        }
    }
}

impl Form {
    const fn code(self) -> u8 {
        match self {
            Self::Circle => 0,
            Self::Ring => 1,
            Self::Line => 2,
            Self::Shape => 3,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Circle),
            1 => Some(Self::Ring),
            2 => Some(Self::Line),
            3 => Some(Self::Shape),
            _ => None,
        }
    }
}

/// As it is stored, words of 8 bytes.
impl FlatZone {
    /// How many bytes.
    pub(crate) const STORED: usize = 64;

    /// `schedule`: the number in the place of its own.
    pub(crate) fn to_bytes(self, schedule: u32) -> [u8; Self::STORED] {
        let both = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let [west, south] = self.origin.map(i32::cast_unsigned);
        let small = u32::from(self.corners) | u32::from(self.asks.code()) << 16 | u32::from(self.form.code()) << 24;
        let words = [
            self.revision,
            self.in_force_us.cast_unsigned(),
            self.radius_m.to_bits(),
            both(west, south),
            both(self.start, self.buffer_m.to_bits()),
            both(schedule, small),
        ];
        let mut bytes = [0; Self::STORED];
        let (id, rest) = bytes.split_at_mut(16);
        id.copy_from_slice(self.zone_id.as_bytes());
        for (room, word) in rest.as_chunks_mut().0.iter_mut().zip(words) {
            *room = word.to_le_bytes();
        }
        bytes
    }

    /// `None`: no zone has these.
    #[expect(clippy::cast_possible_truncation, reason = "halves and parts of words")]
    pub(crate) fn of_bytes(bytes: &[u8; Self::STORED]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk::<16>()?;
        let [revision, in_force, radius, origin, start, schedule] = rest.as_chunks().0 else {
            return None;
        };
        let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
        let halves = |bytes: &[u8; 8]| [word(bytes) as u32, (word(bytes) >> 32) as u32];
        let ([start, buffer], [schedule, small]) = (halves(start), halves(schedule));
        Some(Self {
            zone_id: ZoneId::new(uuid::Uuid::from_bytes(*id)),
            revision: word(revision),
            in_force_us: word(in_force).cast_signed(),
            radius_m: f64::from_bits(word(radius)),
            origin: halves(origin).map(u32::cast_signed),
            start,
            buffer_m: f32::from_bits(buffer),
            schedule,
            corners: small as u16,
            asks: Asks::of_code((small >> 16) as u8)?,
            form: Form::of_code((small >> 24) as u8)?,
        })
    }
}

/// The centre of a circle, 1e-9 degree from its origin, which is the south-west corner of 1e-7 degree squared around it.
fn pack_centre([x, y]: [i64; 2]) -> Option<u32> {
    let [x, y] = [u16::try_from(x).ok()?, u16::try_from(y).ok()?];
    Some(u32::from(x) | u32::from(y) << 16)
}

impl FlatZone {
    /// How many corners it has among its person's.
    pub(crate) const fn corner_count(&self) -> u32 {
        self.corners as u32
    }

    #[expect(clippy::cast_possible_wrap, reason = "16 bits")]
    const fn centre(&self) -> [i32; 2] {
        [(self.start & 0xffff) as i32, (self.start >> 16) as i32]
    }

    /// The least and the greatest corner, from the origin.
    fn extent(&self, corners: &[[i32; 2]]) -> ([i32; 2], [i32; 2]) {
        if self.form == Form::Circle {
            return (self.centre(), self.centre());
        }
        let (mut low, mut high) = ([i32::MAX; 2], [i32::MIN; 2]);
        for corner in self.corners(corners) {
            low = [low[0].min(corner[0]), low[1].min(corner[1])];
            high = [high[0].max(corner[0]), high[1].max(corner[1])];
        }
        (low, high)
    }

    /// The zone has a state of its own for each person whom it binds, and one more for its buffer.
    pub(crate) const fn trackers(&self) -> u32 {
        match self.asks {
            Asks::Neutral => 0,
            Asks::Exclusion if self.buffer_m > 0.0 => 2,
            _ => 1,
        }
    }

    /// The geometry as it was given, on the grid of 1e-9 degree; `None` for a zone that kept its shape.
    fn geometry(&self, corners: &[[i32; 2]]) -> Option<Geometry> {
        let at = |corner: &[i32; 2]| {
            let grid = |axis: usize| {
                let (origin, offset) = if axis == 0 {
                    (self.origin[0], corner[0])
                } else {
                    (self.origin[1], corner[1])
                };
                (i64::from(origin) * 100 + i64::from(offset)) as f64 / 1e9
            };
            LonLat {
                longitude: grid(0),
                latitude: grid(1),
            }
        };
        let line: Vec<LonLat> = self.corners(corners).iter().map(at).collect();
        match self.form {
            Form::Circle => Some(Geometry::Circle {
                centre: at(&self.centre()),
                radius_m: self.radius_m,
            }),
            Form::Ring => Some(Geometry::Polygons(vec![Polygon {
                exterior: line.iter().chain(line.first()).copied().collect(),
                holes: Vec::new(),
            }])),
            Form::Line => Some(Geometry::Corridor {
                line,
                half_width_m: self.radius_m,
            }),
            Form::Shape => None,
        }
    }

    /// Where a position may be that matters to the zone: `reach_m` around the zone and its buffer.
    pub(crate) fn bounds(&self, corners: &[[i32; 2]], reach_m: f64) -> Bounds {
        if self.form == Form::Shape {
            return Bounds::EVERYWHERE;
        }
        let (low, high) = self.extent(corners);
        let degrees = |origin: i32, offset: i32| (i64::from(origin) * 100 + i64::from(offset)) as f64 / 1e9;
        let [west, east] = [low[0], high[0]].map(|offset| degrees(self.origin[0], offset));
        let [south, north] = [low[1], high[1]].map(|offset| degrees(self.origin[1], offset));
        let reach_m = reach_m + f64::from(self.buffer_m) + self.radius_m;
        Bounds::around(west, south, east, north, reach_m)
    }

    /// A box (middle, half a side) from which the edge is at least `margin_m` away, well inside; `None`: the zone is too small, or
    /// not flat.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within the range of positions, rounded to the safe side"
    )]
    pub(crate) fn home(&self, zones: &Zones<'_>, margin_m: f64) -> Option<([i32; 2], i32)> {
        if self.form == Form::Shape || self.form == Form::Line {
            return None;
        }
        let (low, high) = self.extent(zones.corners);
        let middle = |axis: usize, origin: i32| {
            let (low, high) = if axis == 0 {
                (low[0], high[0])
            } else {
                (low[1], high[1])
            };
            origin + i32::midpoint(low, high) / 100
        };
        let at = [middle(0, self.origin[0]), middle(1, self.origin[1])];
        let mut here = Here::new(at[1], at[0]);
        let inside_m = -self.signed_distance_m(zones, &mut here) - margin_m;
        // Half the diagonal of a square whose sides are as many units; a unit is never longer than 11.2 mm.
        let half = (inside_m / std::f64::consts::SQRT_2 / 0.011_2).floor().min(200_000.0);
        (half >= 100.0).then_some((at, half as i32))
    }

    /// The geometry, wherever it is.
    pub(crate) fn whole_geometry(&self, zones: &Zones<'_>) -> Option<Geometry> {
        match self.form {
            Form::Shape => zones.kept.get(self.start as usize).map(|kept| (*kept.geometry).clone()),
            _ => self.geometry(zones.corners),
        }
    }

    fn corners<'a>(&self, corners: &'a [[i32; 2]]) -> &'a [[i32; 2]] {
        let start = self.start as usize;
        corners.get(start..start + usize::from(self.corners)).unwrap_or(&[])
    }

    /// At least so far inside the edge a position is, metres; negative: nobody knows. Cheap, and of circles alone.
    pub(crate) fn surely_inside_m(&self, here: &Here) -> f64 {
        if self.form != Form::Circle {
            return -1.0;
        }
        let [cx, cy] = self.centre();
        let away = |here_e7: i32, origin_e7: i32, offset: i32| {
            (i64::from(here_e7) - i64::from(origin_e7)) * 100 - i64::from(offset)
        };
        let east = away(here.longitude_e7, self.origin[0], cx) as f64;
        let north = away(here.latitude_e7, self.origin[1], cy) as f64;
        self.radius_m - (east * east + north * north).sqrt() * MOST_UNIT_M
    }

    /// Distance to the edge, metres, negative inside.
    pub(crate) fn signed_distance_m(&self, zones: &Zones<'_>, here: &mut Here) -> f64 {
        if self.form == Form::Shape {
            let kept = zones.kept.get(self.start as usize);
            return match (kept, here.located()) {
                (Some(kept), Some(at)) => kept.shape.signed_distance_located_m(at),
                _ => f64::INFINITY,
            };
        }
        let x = (i64::from(here.longitude_e7) - i64::from(self.origin[0])) * 100;
        let y = (i64::from(here.latitude_e7) - i64::from(self.origin[1])) * 100;
        let corners = self.corners(zones.corners);
        match self.form {
            Form::Circle => {
                let [cx, cy] = self.centre();
                let metric = if self.radius_m <= 300.0 {
                    here.metric()
                } else {
                    metric(f64::from(here.latitude_e7) / 1e7 - (y - i64::from(cy)) as f64 / 2e9)
                };
                let east = (x - i64::from(cx)) as f64 * metric[0];
                let north = (y - i64::from(cy)) as f64 * metric[1];
                (east * east + north * north).sqrt() - self.radius_m
            }
            Form::Ring => {
                let distance_m = to_line_m(corners.last().into_iter().chain(corners), [x, y], here.metric());
                match side(corners, [x, y]) {
                    Some(true) => -distance_m,
                    Some(false) => distance_m,
                    None => 0.0,
                }
            }
            Form::Line | Form::Shape => to_line_m(corners.iter(), [x, y], here.metric()) - self.radius_m,
        }
    }
}

/// Distance to the nearest point of a line.
fn to_line_m<'a>(mut corners: impl Iterator<Item = &'a [i32; 2]>, [x, y]: [i64; 2], [east, north]: [f64; 2]) -> f64 {
    let place = |corner: &[i32; 2]| {
        [
            (i64::from(corner[0]) - x) as f64 * east,
            (i64::from(corner[1]) - y) as f64 * north,
        ]
    };
    let mut best = f64::INFINITY;
    let Some(mut from) = corners.next().map(place) else {
        return best;
    };
    for to in corners.map(place) {
        let along = [to[0] - from[0], to[1] - from[1]];
        let length = along[0] * along[0] + along[1] * along[1];
        let ahead = -(from[0] * along[0] + from[1] * along[1]);
        let share = if ahead <= 0.0 {
            0.0
        } else if ahead >= length {
            1.0
        } else {
            ahead / length
        };
        let foot = [from[0] + share * along[0], from[1] + share * along[1]];
        best = best.min(foot[0] * foot[0] + foot[1] * foot[1]);
        from = to;
    }
    best.sqrt()
}

/// Inside, outside, or (`None`) on the edge: exact.
fn side(corners: &[[i32; 2]], [x, y]: [i64; 2]) -> Option<bool> {
    let reach = 2 * FLAT_SPAN;
    if x.abs() > reach || y.abs() > reach {
        return Some(false);
    }
    let mut inside = false;
    let place = |corner: &[i32; 2]| [i64::from(corner[0]), i64::from(corner[1])];
    let Some(mut from) = corners.last().map(place) else {
        return Some(false);
    };
    for to in corners.iter().map(place) {
        // The way due north from the position.
        let (left, right) = if from[0] <= to[0] { (from, to) } else { (to, from) };
        if left[0] == right[0] {
            if x == left[0] && (from[1].min(to[1])..=from[1].max(to[1])).contains(&y) {
                return None;
            }
        } else if left[0] <= x && x <= right[0] {
            let above = (right[0] - left[0]) * (y - left[1]) - (right[1] - left[1]) * (x - left[0]);
            if above == 0 {
                return None;
            }
            // The right end belongs to the next edge.
            if x < right[0] && above < 0 {
                inside = !inside;
            }
        }
        from = to;
    }
    Some(inside)
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "degrees of positions")]
mod tests {
    use proptest::prelude::*;
    use proto::rules::Datum;

    use super::*;

    fn zone(geometry: Geometry) -> Zone {
        Zone {
            zone_id: ZoneId::from_name("z"),
            revision: 1,
            kind: ZoneKind::Exclusion,
            geometry,
            buffer_m: 0.0,
            schedule: None,
            attendance: false,
            datum: Datum::Wgs84,
        }
    }

    fn compare(geometry: Geometry, places: &[[i32; 2]]) -> Result<(), TestCaseError> {
        let shape = Shape::compile(&geometry).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut compiled = Compiled::default();
        let added = compiled.add(&zone(geometry), 0, 0, 100.0);
        prop_assert!(added.is_ok());
        let zones = Zones {
            zones: &compiled.zones,
            corners: &compiled.corners,
            kept: &compiled.kept,
        };
        prop_assert!(zones.kept.is_empty(), "it must be flat");
        for (flat, bounds) in zones.zones.iter().zip(&compiled.bounds) {
            for &[longitude_e7, latitude_e7] in places {
                let mut here = Here::new(latitude_e7, longitude_e7);
                let exact = shape.signed_distance_m(here.lon_lat());
                let found = flat.signed_distance_m(&zones, &mut here);
                let slack = 0.002 + exact.abs() * 1e-4;
                prop_assert!((found - exact).abs() <= slack, "{found} for {exact}");
                prop_assert_eq!(found <= 0.0, exact <= 0.0);
                let point = Bounds {
                    west: longitude_e7,
                    east: longitude_e7,
                    south: latitude_e7,
                    north: latitude_e7,
                };
                prop_assert!(
                    exact > 100.0 || bounds.touches(&point),
                    "{exact} m away, and out of the box"
                );
            }
        }
        Ok(())
    }

    fn places() -> impl Strategy<Value = Vec<[i32; 2]>> {
        prop::collection::vec((-60_000..60_000_i32, -60_000..60_000_i32), 1..40).prop_map(|offsets| {
            offsets
                .into_iter()
                .map(|(x, y)| [1_201_600_000 + x, 302_500_000 + y])
                .collect()
        })
    }

    proptest! {
        #[test]
        fn circles_are_those_of_the_shape(places in places(), radius_m in 1.0..900.0_f64) {
            let centre = LonLat { longitude: 120.16, latitude: 30.25 };
            compare(Geometry::Circle { centre, radius_m }, &places)?;
        }

        #[test]
        fn rings_and_corridors_are_those_of_the_shape(places in places(), turns in prop::collection::vec(0.2..1.0_f64, 3..24), half_width_m in 1.0..200.0_f64) {
            // A star: its edges cannot cross.
            let count = turns.len() as f64;
            let mut line: Vec<LonLat> = turns.iter().enumerate().map(|(number, far)| {
                let angle = number as f64 / count * std::f64::consts::TAU;
                let grid = |degrees: f64| (degrees * 1e7).round() / 1e7;
                LonLat { longitude: grid(120.16 + 0.004 * far * angle.cos()), latitude: grid(30.25 + 0.004 * far * angle.sin()) }
            }).collect();
            compare(Geometry::Corridor { line: line.clone(), half_width_m }, &places)?;
            line.extend(line.first().copied());
            // Corners themselves too: the zone is closed.
            let corners: Vec<_> = line.iter().map(|at| [(at.longitude * 1e7).round() as i32, (at.latitude * 1e7).round() as i32]).collect();
            let ring = Geometry::Polygons(vec![Polygon { exterior: line, holes: Vec::new() }]);
            compare(ring.clone(), &places)?;
            compare(ring, &corners)?;
        }
    }

    #[test]
    fn sizes_are_as_the_layout_says() {
        assert_eq!((size_of::<FlatZone>(), size_of::<Bounds>()), (64, 16));
    }
}
