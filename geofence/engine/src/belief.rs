//! Inside, outside or unknown: the error model of a fix and the sequential test over it.
//!
//! The model (docs/replay.md describes it for readers of events):
//!
//! - A fix's error is normal with the same spread in every direction. Its stated accuracy is the radius that holds 68 % of
//!   such errors, so one standard deviation across a zone's edge is the accuracy / 1.515. Where no accuracy is stated, the
//!   source's default stands in ([`OperatingPoints`]).
//! - P(inside) = Φ(-d / σ) with d the signed distance to the zone's edge (negative inside). This takes the edge for
//!   straight within a few σ: right for accuracies well below the zone's size; an error circle much larger than the zone
//!   is given too much probability inside. Such fixes (cell towers) therefore never decide alone.
//! - The test has two levels per direction: one fix that is very sure, or two consecutive fixes that are fairly sure.
//!   A fix that is neither breaks a run. The answer changes only when a run is complete (hysteresis), and it changes as of
//!   the run's first fix.

use proto::wire::FixSource;
use serde::{Deserialize, Serialize};

/// σ of one direction = radius of 68.27 % in the plane / this: √(-2 ln(1 - 0.6827)).
const RADIUS_TO_SIGMA: f64 = 1.515_2;

/// What one direction of the test asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Probability that decides on one fix.
    pub single: f64,
    /// A single fix must also be this far on the new side of the edge, in σ …
    pub single_sigmas: f64,
    /// … and in metres.
    pub single_distance_m: f64,
    /// Probability that each of two consecutive fixes must reach.
    pub repeated: f64,
}

/// Every number of the decision model, in one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OperatingPoints {
    /// Accuracy (68 %) of a GNSS fix that states none, metres. Sources that are not known count as GNSS.
    pub gnss_m: f64,
    /// The same for Wi-Fi.
    pub wifi_m: f64,
    /// The same for cell towers.
    pub cell_m: f64,
    /// The same for beacons.
    pub beacon_m: f64,
    /// Stated accuracies below this are taken for this: no receiver on an ankle is better.
    pub best_m: f64,
    /// Into an exclusion zone (or its buffer): must not be delayed.
    pub exclusion_in: Threshold,
    /// Out of an exclusion zone (or its buffer).
    pub exclusion_out: Threshold,
    /// Out of an inclusion zone: a false one can send somebody to jail.
    pub inclusion_out: Threshold,
    /// Back into an inclusion zone.
    pub inclusion_in: Threshold,
    /// Beyond the reporting interval, how long a timer waits for a report that may contradict it, seconds.
    pub settle_s: u32,
    /// Longest time between two fixes whose straight path is looked at for a crossing, seconds.
    pub crossing_gap_s: u32,
    /// Slowest straight-line speed at which a crossing is reported, km/h.
    pub crossing_speed_kmh: f64,
    /// Shortest way at which a crossing is reported, in σ of both fixes together: standing still looks like less.
    pub crossing_sigmas: f64,
    /// Two calls for help closer than this are one, seconds.
    pub sos_repeat_s: u32,
    /// Battery is low at this percentage or below …
    pub battery_low: u32,
    /// … until it is at this or above.
    pub battery_low_end: u32,
    /// Battery is critical at this percentage or below …
    pub battery_critical: u32,
    /// … until it is at this or above.
    pub battery_critical_end: u32,
}

impl OperatingPoints {
    /// The values in force. Per-order values within limits come with the engine issue.
    pub const DEFAULT: Self = Self {
        gnss_m: 15.0,
        wifi_m: 40.0,
        cell_m: 800.0,
        beacon_m: 10.0,
        best_m: 3.0,
        exclusion_in: Threshold {
            single: 0.95,
            single_sigmas: 0.0,
            single_distance_m: 0.0,
            repeated: 0.80,
        },
        exclusion_out: Threshold {
            single: 0.95,
            single_sigmas: 0.0,
            single_distance_m: 0.0,
            repeated: 0.80,
        },
        // Even a fix that states a good accuracy is hundreds of metres off now and then. On 24 wearer-days of simulated tracks
        // in streets, deciding on one fix beyond 3 σ and 50 m gave 24 false exits, two fixes at 0.95 gave none.
        inclusion_out: Threshold {
            single: 0.999,
            single_sigmas: 3.0,
            single_distance_m: 1_000.0,
            repeated: 0.95,
        },
        inclusion_in: Threshold {
            single: 0.80,
            single_sigmas: 0.0,
            single_distance_m: 0.0,
            repeated: 0.50,
        },
        settle_s: 10,
        crossing_gap_s: 600,
        crossing_speed_kmh: 15.0,
        crossing_sigmas: 6.0,
        sos_repeat_s: 600,
        battery_low: 20,
        battery_low_end: 30,
        battery_critical: 10,
        battery_critical_end: 15,
    };

    /// σ of a fix across an edge, in metres.
    pub fn sigma_m(&self, source: FixSource, accuracy_m: Option<f32>) -> f64 {
        let default_m = match source {
            FixSource::Wifi => self.wifi_m,
            FixSource::Cell => self.cell_m,
            FixSource::Beacon => self.beacon_m,
            FixSource::Gnss | FixSource::Unspecified => self.gnss_m,
        };
        accuracy_m.map_or(default_m, f64::from).max(self.best_m) / RADIUS_TO_SIGMA
    }
}

/// P(inside) of a fix with this σ at this signed distance (negative inside).
///
/// Uses `libm`'s software function, so that every machine gets the same bits.
pub fn probability_inside(signed_distance_m: f64, sigma_m: f64) -> f64 {
    let probability = 0.5 * libm::erfc(signed_distance_m / (sigma_m * std::f64::consts::SQRT_2));
    if probability.is_finite() { probability } else { 0.5 }
}

/// Where a person is with regard to a zone, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Answer {
    /// No decision yet.
    #[default]
    Unknown,
    /// In the zone, its boundary included.
    Inside,
    /// Not in the zone.
    Outside,
}

/// Both directions of the test for a kind of zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points {
    /// To the answer "inside".
    pub inside: Threshold,
    /// To the answer "outside".
    pub outside: Threshold,
}

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The new answer.
    pub answer: Answer,
    /// The time of the run's first fix.
    pub since_us: i64,
    /// The probability that had to be reached by each fix of the run.
    pub threshold: f64,
    /// How many fixes of the person's last two made the decision.
    pub fixes: u8,
}

/// The sequential test of one (person, zone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Belief {
    /// The answer in force.
    pub answer: Answer,
    /// The time of the first fix that spoke for it.
    pub since_us: i64,
    /// A run of fixes against the answer in force: which answer it speaks for …
    run: Answer,
    /// … since when …
    run_since_us: i64,
    /// … and whether a fix that is no cell tower's took part.
    run_trusted: bool,
}

impl Belief {
    /// An answer without a run: what a person who was never near a zone has.
    pub const fn outside() -> Self {
        Self {
            answer: Answer::Outside,
            since_us: i64::MIN,
            run: Answer::Unknown,
            run_since_us: 0,
            run_trusted: false,
        }
    }

    /// Says whether a run against the answer in force has begun.
    pub const fn wavers(&self) -> bool {
        !matches!(self.run, Answer::Unknown)
    }

    /// Takes a fix in; returns the change when it decides.
    pub fn update(&mut self, points: &Points, fix: &Measured) -> Option<Change> {
        let sides = [
            (
                Answer::Inside,
                &points.inside,
                fix.probability_inside,
                -fix.signed_distance_m,
            ),
            (
                Answer::Outside,
                &points.outside,
                1.0 - fix.probability_inside,
                fix.signed_distance_m,
            ),
        ];
        let side = sides
            .into_iter()
            .find(|(answer, threshold, probability, _)| *answer != self.answer && *probability >= threshold.repeated);
        let Some((answer, threshold, probability, distance_m)) = side else {
            self.run = Answer::Unknown;
            return None;
        };
        let second = self.run == answer;
        if !second {
            self.run = answer;
            self.run_since_us = fix.time_us;
            self.run_trusted = false;
        }
        self.run_trusted |= fix.trusted;
        let alone = fix.trusted
            && probability >= threshold.single
            && distance_m >= threshold.single_distance_m
            && distance_m >= threshold.single_sigmas * fix.sigma_m;
        let together = second && self.run_trusted;
        if !alone && !together {
            return None;
        }
        *self = Self {
            answer,
            since_us: self.run_since_us,
            ..Self::default()
        };
        let (threshold, fixes) = match (together, alone) {
            (true, _) => (threshold.repeated, 2),
            (false, _) => (threshold.single, 1),
        };
        Some(Change {
            answer,
            since_us: self.since_us,
            threshold,
            fixes,
        })
    }
}

/// A fix measured against a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Its time as judged.
    pub time_us: i64,
    /// To the zone's edge, metres, negative inside.
    pub signed_distance_m: f64,
    /// Its σ.
    pub sigma_m: f64,
    /// Of being in the zone.
    pub probability_inside: f64,
    /// `false` for cell towers, which never decide alone.
    pub trusted: bool,
}
