//! GCJ-02 and BD-09, the shifted coordinates of Chinese maps, to WGS-84 and back.
//!
//! GCJ-02 (GB 20263) has never been published; this is the formula that is in general use since 2010 and reproduces it to about a
//! metre, the same in every open implementation (`googollee/eviltransform`, `wandergis/coordtransform`). It is a smooth shift
//! of 100 to 700 m, computed on Krasovsky's ellipsoid. BD-09 is GCJ-02 shifted once more. Neither has an inverse that can be
//! written down; here both are inverted by iteration, to the last bits of the numbers (less than 0.001 mm).
//!
//! Outside a box around China nothing is shifted: longitude 72.004 to 137.8347, latitude 0.8293 to 55.8271, as in all those
//! implementations. The box holds parts of neighbouring countries too: there the maps themselves are not shifted, and a zone must
//! not be given as GCJ-02.

use proto::rules::{Datum, LonLat};

/// Semi-major axis of Krasovsky's ellipsoid of 1940, metres.
const AXIS_M: f64 = 6_378_245.0;
/// Square of its first eccentricity, as the formula has it.
const ECCENTRICITY_SQUARED: f64 = 0.006_693_421_622_965_943;
/// BD-09: turns per degree of its ripple, as an angle.
const RIPPLE: f64 = std::f64::consts::PI * 3_000.0 / 180.0;

/// A step leaves at most a fortieth of the error: twelve are more than the bits of a number.
const STEPS: usize = 12;

/// Says whether a position lies in the box in which the maps are shifted.
pub fn is_shifted(at: LonLat) -> bool {
    let longitude = at.longitude - turns(at.longitude);
    (72.004..=137.8347).contains(&longitude) && (0.8293..=55.8271).contains(&at.latitude)
}

/// The WGS-84 position of one in another datum; unchanged outside the box.
pub fn to_wgs84(at: LonLat, from: Datum) -> LonLat {
    if !is_shifted(at) {
        return at;
    }
    inner(at, |at| match from {
        Datum::Wgs84 => at,
        Datum::Gcj02 => inverse(at, gcj02),
        Datum::Bd09 => inverse(inverse(at, bd09), gcj02),
    })
}

/// The position in another datum of one in WGS-84; unchanged outside the box.
pub fn from_wgs84(at: LonLat, to: Datum) -> LonLat {
    if !is_shifted(at) {
        return at;
    }
    inner(at, |at| match to {
        Datum::Wgs84 => at,
        Datum::Gcj02 => gcj02(at),
        Datum::Bd09 => bd09(gcj02(at)),
    })
}

/// Whole turns in a longitude, in degrees.
fn turns(longitude: f64) -> f64 {
    360.0 * (longitude / 360.0).round()
}

/// Applies a conversion to the longitude without its turns.
fn inner(at: LonLat, convert: impl Fn(LonLat) -> LonLat) -> LonLat {
    let turns = turns(at.longitude);
    let converted = convert(LonLat {
        longitude: at.longitude - turns,
        latitude: at.latitude,
    });
    LonLat {
        longitude: converted.longitude + turns,
        latitude: converted.latitude,
    }
}

/// Finds what a conversion makes a position of.
fn inverse(wanted: LonLat, forward: fn(LonLat) -> LonLat) -> LonLat {
    let mut guess = wanted;
    for _ in 0..STEPS {
        let got = forward(guess);
        guess.longitude += wanted.longitude - got.longitude;
        guess.latitude += wanted.latitude - got.latitude;
    }
    guess
}

/// GCJ-02 of WGS-84.
fn gcj02(at: LonLat) -> LonLat {
    let (x, y) = (at.longitude - 105.0, at.latitude - 35.0);
    // The sine of so many half turns.
    let wave = |half_turns: f64| libm::sin(half_turns * std::f64::consts::PI);
    let common = 20.0 * wave(6.0 * x) + 20.0 * wave(2.0 * x);
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * x.abs().sqrt()
        + (common + 20.0 * wave(y) + 40.0 * wave(y / 3.0) + 160.0 * wave(y / 12.0) + 320.0 * wave(y / 30.0)) * 2.0
            / 3.0;
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * x.abs().sqrt()
        + (common + 20.0 * wave(x) + 40.0 * wave(x / 3.0) + 150.0 * wave(x / 12.0) + 300.0 * wave(x / 30.0)) * 2.0
            / 3.0;
    let (sine, cosine) = libm::sincos(at.latitude.to_radians());
    let w = 1.0 - ECCENTRICITY_SQUARED * sine * sine;
    let meridional = AXIS_M * (1.0 - ECCENTRICITY_SQUARED) / (w * w.sqrt());
    let prime_vertical = AXIS_M / w.sqrt();
    LonLat {
        longitude: at.longitude + (east / (prime_vertical * cosine)).to_degrees(),
        latitude: at.latitude + (north / meridional).to_degrees(),
    }
}

/// BD-09 of GCJ-02.
fn bd09(at: LonLat) -> LonLat {
    let LonLat {
        longitude: x,
        latitude: y,
    } = at;
    let length = (x * x + y * y).sqrt() + 0.000_02 * libm::sin(y * RIPPLE);
    let angle = libm::atan2(y, x) + 0.000_003 * libm::cos(x * RIPPLE);
    let (sine, cosine) = libm::sincos(angle);
    LonLat {
        longitude: length * cosine + 0.0065,
        latitude: length * sine + 0.006,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geodesy::distance_m;

    fn at(longitude: f64, latitude: f64) -> LonLat {
        LonLat { longitude, latitude }
    }

    /// `wandergis/coordtransform`, test/app.js.
    #[test]
    fn published_pairs_of_beijing() {
        let here = at(116.404, 39.915);
        let near = |ours: LonLat, longitude: f64, latitude: f64| {
            assert!(distance_m(ours, at(longitude, latitude)) < 1e-6, "{ours:?}");
        };
        near(gcj02(here), 116.410_244_499_169_38, 39.916_404_281_501_64);
        near(bd09(here), 116.410_369_493_710_29, 39.921_336_993_510_21);
        near(
            from_wgs84(here, Datum::Bd09),
            116.416_627_243_787_33,
            39.922_699_552_216_216,
        );
        // Its inverses are one step: right to a metre or two.
        assert!(
            distance_m(
                to_wgs84(here, Datum::Gcj02),
                at(116.397_755_500_830_61, 39.913_595_718_498_36)
            ) < 3.0
        );
        assert!(distance_m(inverse(here, bd09), at(116.397_627_291_193_15, 39.908_656_739_576_31)) < 3.0);
    }

    /// `googollee/eviltransform`, go/transform_test.go: Shanghai, Shenzhen, Beijing.
    #[test]
    fn published_pairs_of_three_cities() {
        for (wgs84, published) in [
            (
                at(121.527_210_6, 31.177_427_6),
                at(121.531_541_859_215, 31.175_303_983_645_97),
            ),
            (
                at(113.912_316, 22.543_847),
                at(113.917_176_480_836_3, 22.540_796_131_694_766),
            ),
            (
                at(116.377_817, 39.911_954),
                at(116.384_047_224_556_57, 39.913_345_455_360_69),
            ),
        ] {
            assert!(distance_m(from_wgs84(wgs84, Datum::Gcj02), published) < 0.1);
            assert!(distance_m(to_wgs84(published, Datum::Gcj02), wgs84) < 0.1);
        }
    }

    #[test]
    fn the_box_has_edges() {
        for (place, shifted) in [
            (at(116.4, 39.9), true),
            (at(116.4 - 360.0, 39.9), true),
            (at(116.4 + 360.0, 39.9), true),
            (at(139.75, 35.66), false),
            (at(72.0, 30.0), false),
            (at(100.0, 0.8), false),
            (at(100.0, 55.9), false),
            (at(-116.4, 39.9), false),
        ] {
            assert_eq!(is_shifted(place), shifted, "{place:?}");
            assert_eq!(to_wgs84(place, Datum::Gcj02) != place, shifted);
            assert_eq!(to_wgs84(place, Datum::Bd09) != place, shifted);
            assert_eq!(from_wgs84(place, Datum::Gcj02) != place, shifted);
            assert_eq!(to_wgs84(place, Datum::Wgs84), place);
        }
        let (east, plain) = (
            to_wgs84(at(476.4, 39.9), Datum::Bd09),
            to_wgs84(at(116.4, 39.9), Datum::Bd09),
        );
        assert!((east.longitude - 360.0 - plain.longitude).abs() < 1e-12);
    }

    proptest! {
        /// From Kashgar to Fuyuan, from James Shoal to Mohe, islands and all.
        #[test]
        fn there_and_back_is_where_it_was(longitude in 73.4..135.2_f64, latitude in 3.3..53.7_f64) {
            let here = at(longitude, latitude);
            for datum in [Datum::Gcj02, Datum::Bd09] {
                let there = from_wgs84(here, datum);
                let shift = distance_m(here, there);
                prop_assert!((20.0..2_500.0).contains(&shift), "{shift} m");
                prop_assert!(distance_m(to_wgs84(there, datum), here) < 1e-6);
                prop_assert!(distance_m(from_wgs84(to_wgs84(here, datum), datum), here) < 1e-6);
            }
        }

        #[test]
        fn nothing_moves_outside_the_box(longitude in -540.0..540.0_f64, latitude in -90.0..90.0_f64) {
            let here = at(longitude, latitude);
            for datum in [Datum::Gcj02, Datum::Bd09] {
                let (to, from) = (to_wgs84(here, datum), from_wgs84(here, datum));
                prop_assert_eq!(to == here && from == here, !is_shifted(here));
                prop_assert!(to.longitude.is_finite() && to.latitude.is_finite());
            }
        }
    }
}
