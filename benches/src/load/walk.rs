//! Where a device is at a second, and what its strap says: functions of device and second alone, so that the same report is made
//! whatever happens to it.

use std::f64::consts::TAU;

/// Where its devices walk in.
const ORIGIN: (f64, f64) = (44.0, 7.0);
/// From one device's block to the next, degrees.
const APART: f64 = 0.01;
/// Half a block, degrees.
const REACH: f64 = 0.001;
/// Once around it, seconds.
const LAP: i64 = 3_600;
/// Of four devices one paces over an edge, to and fro in so many seconds.
const PACE: i64 = 50;
/// How far from the middle of the zone, degrees of longitude: 130 m.
const STRIDE: f64 = 0.0016;
/// A strap is opened once in so many seconds, and is open for so long: of a report a minute one finds it so.
const STRAP: (i64, i64) = (7_200, 60);

/// What devices do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Walk {
    /// Around a block, in nobody's town.
    #[default]
    Block,
    /// Through the zones of `site/zones.sql`: around the block, where a home and a forbidden place are, or over the edge of the
    /// forbidden place; and the strap is opened now and then.
    Zones,
}

impl Walk {
    /// Degrees, at a second since 1970.
    pub(super) fn place(self, index: usize, second: i64) -> (f64, f64) {
        let (north, east) = ((index % 200) as f64 * APART, (index / 200 % 200) as f64 * APART);
        let (latitude, longitude) = (ORIGIN.0 + north, ORIGIN.1 + east);
        if self == Self::Zones && index % 4 == 3 {
            let swing = STRIDE * part(second + own(index), PACE).sin();
            return (latitude, longitude + REACH + swing);
        }
        // Not everybody at the same corner.
        let angle = part(second + if self == Self::Zones { 611 * own(index) } else { 0 }, LAP);
        (latitude + REACH * angle.sin(), longitude + REACH * angle.cos())
    }

    /// `None`: the device says nothing of it.
    pub(super) const fn strap_is_open(self, index: usize, second: i64) -> Option<bool> {
        match self {
            Self::Block => None,
            Self::Zones => Some((second + 1_009 * own(index)) % STRAP.0 < STRAP.1),
        }
    }
}

fn part(second: i64, of: i64) -> f64 {
    (second % of) as f64 / of as f64 * TAU
}

/// Sets a device apart from the others.
#[expect(clippy::cast_possible_wrap, reason = "a small number")]
const fn own(index: usize) -> i64 {
    index as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_walks_through_zones_comes_to_them() {
        let (mut inside, mut outside, mut opened) = (0, 0, 0);
        for second in 0..7_200 {
            let (latitude, longitude) = Walk::Zones.place(3, second);
            assert!((latitude - (ORIGIN.0 + 3.0 * APART)).abs() < 1e-9);
            let metres = (longitude - ORIGIN.1 - REACH).abs() * 111_320.0 * latitude.to_radians().cos();
            if metres < 40.0 {
                inside += 1;
            } else if metres > 60.0 {
                outside += 1;
            }
            opened += usize::from(Walk::Zones.strap_is_open(3, second) == Some(true));
        }
        assert!(
            inside > 1_000 && outside > 4_000,
            "{inside} s inside, {outside} s outside"
        );
        assert_eq!(opened, 60);
        assert_eq!(Walk::Block.strap_is_open(3, 0), None);
    }
}
