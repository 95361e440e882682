//! A bit filter in front of a layer's tree: most positions are near no zone, and a bit in a table says so in a few nanoseconds.
//!
//! The earth is laid out in cells of a power of two of 1e-7 degree, so that a position's cell is two shifts of the integers of a
//! fix. Every zone marks all cells that it may reach within [`FILTER_REACH_M`]. Eight by eight cells share a word of the table,
//! and words are shared by chance (hashing): a clear bit is a certain no, a set bit says nothing. Zones that would mark too many
//! cells mark coarse ones in a second table.

use super::{BoundingBox, Located, Shape};
use proto::rules::LonLat;

/// Positions farther than this from every zone are told by the filter; questions with a larger margin go to the tree, metres.
pub const FILTER_REACH_M: f64 = 80.0;

/// Beyond this latitude (80 degrees) cells are too narrow: the tree answers.
const GREATEST_LATITUDE_E7: i32 = 800_000_000;

const HALF_TURN_E7: i64 = 1_800_000_000;

/// 16,384e-7 degree: 182 m from south to north, and from west to east at the equator.
const FINE: u32 = 14;
/// 47 km.
const COARSE: u32 = 22;

/// More cells than these, and a zone marks coarse ones; more coarse ones than these, and the filter is off.
const MOST_CELLS: u64 = 2_048;

/// From so many cells on each one is held against the shape instead of its box, as long as the work (cells times corners) is small.
const CELLS_WORTH_A_LOOK: u64 = 6;
const MOST_WORK: u64 = 4_000_000;

/// The table has at least so many bits for each marked cell: one word in eight is then taken by chance.
const BITS_PER_CELL: usize = 8;
const LEAST_WORDS: usize = 64;
/// 16 MiB.
const MOST_WORDS: usize = 1 << 21;

/// The shortest radius of curvature of the ellipsoid, less a little: degrees come out large enough.
const LEAST_RADIUS_M: f64 = 6_330_000.0;

#[derive(Debug, Clone)]
pub(super) struct Filter {
    fine: Table,
    coarse: Table,
    /// A zone too large for either table: nothing can be told.
    off: bool,
}

/// Bits for cells of one size.
#[derive(Debug, Clone)]
struct Table {
    shift: u32,
    /// A power of two of them, or none where nothing is marked.
    words: Box<[u64]>,
}

/// A rectangle of cells, both ends included.
#[derive(Debug, Clone, Copy)]
struct Cells {
    west: i64,
    east: i64,
    south: i64,
    north: i64,
}

impl Cells {
    fn count(&self) -> u64 {
        let side = |low: i64, high: i64| u64::try_from(high - low + 1).unwrap_or(0);
        side(self.west, self.east).saturating_mul(side(self.south, self.north))
    }

    fn each(self) -> impl Iterator<Item = (i64, i64)> {
        (self.south..=self.north).flat_map(move |y| (self.west..=self.east).map(move |x| (x, y)))
    }
}

impl Filter {
    pub(super) fn new<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Self {
        let (mut fine, mut coarse, mut off) = (Vec::new(), Vec::new(), false);
        for shape in shapes {
            let reach = reach_e7(&shape.bounding_box());
            let count = |shift| {
                reach
                    .iter()
                    .map(|part| part.cells(shift).count())
                    .fold(0, u64::saturating_add)
            };
            let small = count(FINE) <= MOST_CELLS;
            let (shift, marked) = if small {
                (FINE, &mut fine)
            } else {
                (COARSE, &mut coarse)
            };
            let cells = count(shift);
            if cells > MOST_CELLS {
                off = true;
                continue;
            }
            let look = small && cells >= CELLS_WORTH_A_LOOK && cells * shape.vertices() as u64 <= MOST_WORK;
            for (x, y) in reach.iter().flat_map(|part| part.cells(shift).each()) {
                if look && !reaches(shape, x, y, shift) {
                    continue;
                }
                // On earth they always fit.
                match (i32::try_from(y), i32::try_from(x)) {
                    (Ok(y), Ok(x)) => marked.push([y, x]),
                    _ => off = true,
                }
            }
        }
        Self {
            fine: Table::new(FINE, fine),
            coarse: Table::new(COARSE, coarse),
            off,
        }
    }

    /// Says whether a zone may lie within a margin of a position; a no is certain.
    pub(super) fn maybe_near(&self, latitude_e7: i32, longitude_e7: i32, margin_m: f64) -> bool {
        // Written so that a margin that is no number asks the tree.
        let told = margin_m <= FILTER_REACH_M
            && latitude_e7.unsigned_abs() <= GREATEST_LATITUDE_E7.unsigned_abs()
            && i64::from(longitude_e7).abs() <= HALF_TURN_E7;
        !told || self.off || self.fine.has(latitude_e7, longitude_e7) || self.coarse.has(latitude_e7, longitude_e7)
    }

    /// [`Filter::maybe_near`] for a position in degrees.
    pub(super) fn maybe_near_located(&self, at: &Located, margin_m: f64) -> bool {
        let LonLat { longitude, latitude } = at.position();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most 180 degrees, and a cast saturates"
        )]
        let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
        self.maybe_near(e7(latitude), e7(longitude), margin_m)
    }

    /// Memory of the tables.
    pub(super) fn bytes(&self) -> usize {
        (self.fine.words.len() + self.coarse.words.len()) * size_of::<u64>()
    }
}

impl Table {
    fn new(shift: u32, mut cells: Vec<[i32; 2]>) -> Self {
        cells.sort_unstable();
        cells.dedup();
        if cells.is_empty() {
            return Self {
                shift,
                words: Box::default(),
            };
        }
        let words = (cells.len() * BITS_PER_CELL / 64)
            .next_power_of_two()
            .clamp(LEAST_WORDS, MOST_WORDS);
        let mut table = Self {
            shift,
            words: vec![0; words].into(),
        };
        for [y, x] in cells {
            let (word, bit) = table.place(y.into(), x.into());
            if let Some(word) = table.words.get_mut(word) {
                *word |= bit;
            }
        }
        table
    }

    fn has(&self, latitude_e7: i32, longitude_e7: i32) -> bool {
        let (y, x) = (
            i64::from(latitude_e7) >> self.shift,
            i64::from(longitude_e7) >> self.shift,
        );
        let (word, bit) = self.place(y, x);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Neighbours share a word, whose place is a multiplicative hash (Knuth, The Art of Computer Programming 3, 6.4).
    fn place(&self, y: i64, x: i64) -> (usize, u64) {
        let tile = ((y >> 3).cast_unsigned() << 32) ^ ((x >> 3).cast_unsigned() & 0xffff_ffff);
        let hash = tile.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ (hash >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32;
        let word = hash as usize & self.words.len().wrapping_sub(1);
        (word, 1 << (((y & 7) << 3) | (x & 7)))
    }
}

/// A rectangle of positions in 1e-7 degree, within a turn of longitude.
#[derive(Debug, Clone, Copy)]
struct Reach {
    west: i64,
    east: i64,
    south: i64,
    north: i64,
}

impl Reach {
    fn cells(&self, shift: u32) -> Cells {
        Cells {
            west: self.west >> shift,
            east: self.east >> shift,
            south: self.south >> shift,
            north: self.north >> shift,
        }
    }
}

/// All positions within the reach of a box, as far as the filter answers for them: none, one or two rectangles.
#[expect(clippy::cast_possible_truncation, reason = "degrees on earth times 1e7")]
fn reach_e7(around: &BoundingBox) -> Vec<Reach> {
    // One more for the rounding of the question to 1e-7 degree.
    let low = |degrees: f64| (degrees * 1e7).floor() as i64 - 1;
    let high = |degrees: f64| (degrees * 1e7).ceil() as i64 + 1;
    let angle = (FILTER_REACH_M + 1.0) / LEAST_RADIUS_M;
    let rise = angle.to_degrees();
    let most = i64::from(GREATEST_LATITUDE_E7);
    let (south, north) = (low(around.south - rise).max(-most), high(around.north + rise).min(most));
    if south > north {
        return Vec::new();
    }
    // How far a disc spreads in longitude grows with the latitude of its centre; those that matter are no farther out than this.
    let farthest = around.south.abs().max(around.north.abs()).min(80.1);
    let spread = 1.01 * rise / libm::cos(farthest.to_radians());
    let (west, east) = (low(around.west - spread), high(around.east + spread));
    let part = |west, east| Reach {
        west,
        east,
        south,
        north,
    };
    let turn = 2 * HALF_TURN_E7;
    if east - west >= turn {
        return vec![part(-HALF_TURN_E7, HALF_TURN_E7)];
    }
    // By its name that starts within -180..180; what runs past 180 goes on at -180, and 180 is -180.
    let start = (west + HALF_TURN_E7).rem_euclid(turn) - HALF_TURN_E7;
    let end = start + (east - west);
    let mut parts = vec![part(start, end.min(HALF_TURN_E7))];
    if end >= HALF_TURN_E7 {
        parts.push(part(-HALF_TURN_E7, end - turn));
    }
    if start == -HALF_TURN_E7 {
        parts.push(part(HALF_TURN_E7, HALF_TURN_E7));
    }
    parts
}

/// Says whether a zone may be within reach of some position of a cell: by the distance of the cell's middle.
fn reaches(shape: &Shape, x: i64, y: i64, shift: u32) -> bool {
    let size = (1_i64 << shift) as f64 / 1e7;
    let middle = |cell: i64| (cell as f64 + 0.5) * size;
    let at = LonLat {
        longitude: middle(x),
        latitude: middle(y),
    };
    // No position of the cell is farther from its middle than this: half its height, and half its width on the equator.
    let half = (size / 2.0).to_radians() * 6_400_000.0;
    let farthest = half.hypot(half) + 1.0;
    Located::new(at).is_none_or(|at| shape.within(&at, FILTER_REACH_M + farthest))
}
