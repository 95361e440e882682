//! Inside, outside or unknown: the error model of a fix and the sequential test over it, version [`MODEL`].
//!
//! `docs/decision-model.md` explains the model, where its numbers come from and how it was measured. In short:
//!
//! - A fix gives evidence: its signed distance to the edge in standard deviations, times what is left of it after the
//!   correlation with the fix before, as log-odds ([`see`]). The logistic curve stands in for the normal one: nearly the same
//!   in the middle, heavier in the tails. One fix never gives more than [`EVIDENCE_LIMIT`]: it may be wild.
//! - Evidence adds up over the fixes and fades with time and with way covered (people cross edges). The sum is kept within
//!   limits that depend on the kind of zone, so that no past is too long to be overcome.
//! - The answer changes when the sum reaches the operating point, over a run of enough consecutive fixes; as of the
//!   run's first fix.
//!
//! Only `+ - * /`, square roots and `libm` are used, so that every machine gets the same bits.

use proto::{
    rules::{OperatingPoints as Chosen, PointLimits},
    wire::FixSource,
};
use serde::{Deserialize, Serialize};

/// Version of the decision model, to be raised together with the checkpoint's version when decisions change; it is part of every event's explanation.
pub const MODEL: u32 = 3;

/// σ of one direction = radius of 68.27 % in the plane / this: √(-2 ln(1 - 0.6827)).
pub const RADIUS_TO_SIGMA: f64 = 1.515_2;

/// σ that every fix has besides the one it states, metres: no zone is drawn better, and statements of a few metres are optimistic.
pub const EDGE_SIGMA_M: f64 = 2.0;

/// Log-odds that one σ of distance is worth.
pub const EVIDENCE_PER_SIGMA: f64 = 0.9;

/// The same of a good fix, to an exclusion zone: under the open sky what is stated is meant.
pub const GOOD_EVIDENCE_PER_SIGMA: f64 = 2.7;

/// Up to this σ, metres, a fix is wholly good …
pub const GOOD_SIGMA_M: f64 = 5.0;

/// … and from this on not at all.
pub const FAIR_SIGMA_M: f64 = 9.0;

/// Most log-odds that one fix can give: about one in a hundred is wild, however good it says it is.
pub const EVIDENCE_LIMIT: f64 = 4.05;

/// The same for a fix that is not trusted.
pub const UNTRUSTED_LIMIT: f64 = 0.9;

/// A fix whose stated accuracy is worse than this is not trusted, whatever its source: it comes from a cell tower.
pub const TRUSTED_M: f64 = 300.0;

/// Correlation between the errors of two fixes of the same moment …
pub const CORRELATION: f64 = 0.5;

/// … that has fallen to half of that after so many seconds …
pub const CORRELATION_S: f64 = 45.0;

/// … or so many σ of distance.
pub const CORRELATION_SIGMAS: f64 = 3.0;

/// How fast a belief fades with time, per minute …
pub const FADE_PER_MINUTE: f64 = 0.1;

/// … and with way covered since the fix before, per σ …
pub const FADE_PER_SIGMA: f64 = 0.2;

/// … beyond so many σ, which errors alone explain.
pub const FADE_FROM_SIGMAS: f64 = 2.0;

/// What is left of a belief from one fix to the next, however long ago and far away that was.
pub const FADE_LEAST: f64 = 0.78;

/// LAW (property-tested): a belief that is settled on a side is left bit for bit as it is by a fix at least this many σ on
/// that side of the edge, whatever its weight. The fast path rests on it: most reports never get here.
pub const SETTLED_SIGMAS: f64 = 1.0;

/// Where no fix came for longer than this, seconds, a run that goes on counts from the first fix after the silence: nobody knows
/// where the person was meanwhile.
pub const SILENCE_S: f64 = 3_600.0;

/// Bound of a sum on a side whose answer is not in force (it decides before it gets there, unless its run is too short).
pub const LIMIT: f64 = 8.0;

const SECOND_US: f64 = 1e6;

/// The engine's numbers that are not the sequential test's.
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
    /// Beyond the reporting interval, how long a timer waits for a report that may contradict it, seconds.
    pub settle_s: u32,
    /// Longest time between two fixes whose straight path is looked at for a crossing, seconds.
    pub crossing_gap_s: u32,
    /// Slowest straight-line speed at which a crossing is reported, km/h.
    pub crossing_speed_kmh: f64,
    /// Shortest way at which a crossing is reported, in σ of both fixes together: standing still looks like less.
    pub crossing_sigmas: f64,
    /// A call for help is told once this long has passed since the last one that was, seconds.
    pub sos_call_s: u32,
    /// A call that is said again and again without having been over is one, unless nothing was heard of it for longer than this, seconds.
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
    /// The values in force.
    pub const DEFAULT: Self = Self {
        gnss_m: 15.0,
        wifi_m: 40.0,
        cell_m: 800.0,
        beacon_m: 10.0,
        best_m: 3.0,
        settle_s: 10,
        crossing_gap_s: 600,
        crossing_speed_kmh: 15.0,
        crossing_sigmas: 6.0,
        sos_call_s: 60,
        sos_repeat_s: 600,
        battery_low: 20,
        battery_low_end: 30,
        battery_critical: 10,
        battery_critical_end: 15,
    };

    /// Accuracy of a fix as it is used: stated, or the source's.
    fn accuracy_m(&self, source: FixSource, accuracy_m: Option<f32>) -> f64 {
        let default_m = match source {
            FixSource::Wifi => self.wifi_m,
            FixSource::Cell => self.cell_m,
            FixSource::Beacon => self.beacon_m,
            FixSource::Gnss | FixSource::Unspecified => self.gnss_m,
        };
        accuracy_m
            .map(f64::from)
            .filter(|accuracy| accuracy.is_finite() && *accuracy > 0.0)
            .unwrap_or(default_m)
            .max(self.best_m)
    }

    /// σ of a fix across an edge, in metres.
    pub fn sigma_m(&self, source: FixSource, accuracy_m: Option<f32>) -> f64 {
        let stated = self.accuracy_m(source, accuracy_m) / RADIUS_TO_SIGMA;
        (stated * stated + EDGE_SIGMA_M * EDGE_SIGMA_M).sqrt()
    }
}

/// P(inside) of a fix with this σ at this signed distance (negative inside), taken alone. Uses `libm`'s software function.
pub fn probability_inside(signed_distance_m: f64, sigma_m: f64) -> f64 {
    let probability = 0.5 * libm::erfc(signed_distance_m / (sigma_m * std::f64::consts::SQRT_2));
    if probability.is_finite() { probability } else { 0.5 }
}

/// What a fix is worth to any zone: made once for each fix and person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// σ across an edge, metres.
    pub sigma_m: f64,
    /// Information left after correlation with the fix before, (0, 1].
    pub weight: f64,
    /// What is left of what was believed at the fix before, (0, 1].
    pub keep: f64,
    /// How good the fix is, from 0 (as most are) to 1 (under the open sky).
    pub good: f64,
    /// `false` for cell towers, which never decide alone.
    pub trusted: bool,
    /// No fix came for longer than [`SILENCE_S`] before it.
    pub after_silence: bool,
}

/// Weighs a fix: `since_last_us` after the one before (`None`: there is none) and `moved_m` from it.
pub fn see(source: FixSource, accuracy_m: Option<f32>, since_last_us: Option<i64>, moved_m: f64) -> Seen {
    let sigma_m = OperatingPoints::DEFAULT.sigma_m(source, accuracy_m);
    let trusted = source != FixSource::Cell && sigma_m <= TRUSTED_M / RADIUS_TO_SIGMA;
    let good = goodness(source, sigma_m);
    let Some(since_last_us) = since_last_us else {
        return Seen {
            sigma_m,
            weight: 1.0,
            keep: FADE_LEAST,
            good,
            trusted,
            after_silence: false,
        };
    };
    let seconds = since_last_us.max(0) as f64 / SECOND_US;
    let share = seconds / CORRELATION_S;
    let sigmas = if moved_m > 0.0 { moved_m / sigma_m } else { 0.0 };
    let way = sigmas / CORRELATION_SIGMAS;
    let correlation = CORRELATION / (1.0 + share * share + way * way);
    let beyond = (sigmas - FADE_FROM_SIGMAS).max(0.0);
    let keep = 1.0 / (1.0 + FADE_PER_MINUTE * (seconds / 60.0) + FADE_PER_SIGMA * beyond);
    Seen {
        sigma_m,
        weight: (1.0 - correlation) / (1.0 + correlation),
        keep: keep.max(FADE_LEAST),
        good,
        trusted,
        after_silence: seconds > SILENCE_S,
    }
}

/// How good a fix is: wholly up to [`GOOD_SIGMA_M`], not at all from [`FAIR_SIGMA_M`] on, and only of satellites, whose small
/// statements were measured.
fn goodness(source: FixSource, sigma_m: f64) -> f64 {
    match source {
        FixSource::Gnss | FixSource::Unspecified => {
            ((FAIR_SIGMA_M - sigma_m) / (FAIR_SIGMA_M - GOOD_SIGMA_M)).clamp(0.0, 1.0)
        }
        FixSource::Wifi | FixSource::Cell | FixSource::Beacon => 0.0,
    }
}

/// Kinds of zone, as far as decisions differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Must stay out (its warning buffer too), or nothing follows from being in. An entry must not be delayed.
    Exclusion,
    /// Must stay in. A false exit can send somebody to jail.
    Inclusion,
    /// Must be seen in.
    Attendance,
    /// Must keep away from a person.
    Proximity,
}

/// What one direction of the test asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// The probability to reach …
    pub probability: f64,
    /// … as the sum of evidence it stands for (positive in both directions).
    pub log_odds: f64,
    /// Bound of the sum on this side once the answer is in force: how surely the opposite must be shown.
    pub limit: f64,
    /// Distance from the edge on this side, in σ, within which a fix is no evidence for this side (Wald's zone of indifference).
    pub indifferent_sigmas: f64,
    /// Least number of consecutive fixes.
    pub fixes: u8,
}

impl Threshold {
    fn new(probability: f64, limit: f64, indifferent_sigmas: f64, fixes: u8) -> Self {
        let log_odds = log_odds(probability);
        Self {
            probability,
            log_odds,
            limit,
            indifferent_sigmas,
            fixes,
        }
    }
}

impl Threshold {
    /// Bound of the sum on this side, while its answer is in force or not.
    fn bound(&self, in_force: bool) -> f64 {
        if in_force { self.limit } else { LIMIT }
    }
}

/// Both directions of the test for a kind of zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Points {
    /// To the answer "inside".
    pub inside: Threshold,
    /// To the answer "outside".
    pub outside: Threshold,
    /// The belief before the first fix, log-odds.
    pub prior: f64,
    /// What a belief fades to, and what it is compared with to see which answer past fixes speak for, log-odds.
    pub neutral: f64,
    /// What one σ of a wholly good fix is worth beside [`EVIDENCE_PER_SIGMA`], log-odds.
    pub more_per_sigma: f64,
}

/// The sum of evidence for which a probability is stated.
fn log_odds(probability: f64) -> f64 {
    libm::log(probability / (1.0 - probability))
}

/// The probability that is stated for a sum of evidence.
fn stated(log_odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-log_odds))
}

/// Probability of being inside at which an exclusion zone's entry is told, where the order says nothing.
pub const EXCLUSION_ENTRY: f64 = 0.95;
/// Probability of being outside at which its end is told.
pub const EXCLUSION_LEFT: f64 = 0.93;
/// Bound of the belief in being inside an exclusion zone, log-odds.
pub const EXCLUSION_LIMIT: f64 = 4.0;
/// Bound of the belief in being outside of one: low, so that an entry is known after two good fixes.
pub const CLEAR_LIMIT: f64 = 3.0;
/// What a belief about an exclusion zone fades to.
pub const EXCLUSION_NEUTRAL: f64 = 3.35;

/// Probability of being outside at which an exit from home is told, where the order says nothing.
pub const HOME_EXIT: f64 = 0.995;
/// Probability of being inside at which the return is told.
pub const HOME_RETURN: f64 = 0.70;
/// Bound of the belief in being at home.
pub const HOME_LIMIT: f64 = 4.6;
/// Bound of the belief in being away from home.
pub const AWAY_LIMIT: f64 = 2.0;
/// What a belief about home fades to.
pub const HOME_NEUTRAL: f64 = 1.0;
/// Within so many σ outside of home's edge, a fix is no evidence of an exit.
pub const HOME_INDIFFERENT: f64 = 2.0;

/// Probability of being inside at which an attendance counts as kept, where the order says nothing.
pub const ATTENDANCE: f64 = 0.80;
/// Probability of being outside at which the place counts as left.
pub const ATTENDANCE_LEFT: f64 = 0.80;
/// Bound of the belief about a place of attendance, both ways.
pub const ATTENDANCE_LIMIT: f64 = 4.0;

/// Least fixes in a row for an entry into an exclusion zone: one may be wild.
pub const ENTRY_FIXES: u8 = 2;
/// Least fixes in a row for an exit from home.
pub const EXIT_FIXES: u8 = 3;

/// The operating points of a kind of zone: the order's, where it chose some (within the limits of
/// [`proto::rules::OperatingPoints`], to which values outside are moved), else the defaults.
pub fn points(kind: Purpose, order: &Chosen) -> Points {
    let choose = |chosen: Option<f64>, default: f64, limits: PointLimits| {
        chosen
            .filter(|value| value.is_finite())
            .unwrap_or(default)
            .clamp(limits.least, limits.most)
    };
    match kind {
        Purpose::Exclusion | Purpose::Proximity => {
            let entry = choose(order.exclusion_entry, EXCLUSION_ENTRY, Chosen::EXCLUSION_ENTRY);
            Points {
                inside: Threshold::new(entry, EXCLUSION_LIMIT, 0.0, ENTRY_FIXES),
                outside: Threshold::new(EXCLUSION_LEFT, CLEAR_LIMIT, 0.0, 1),
                prior: -CLEAR_LIMIT,
                neutral: EXCLUSION_NEUTRAL,
                // Distances between two people are never as good, and were not measured.
                more_per_sigma: if kind == Purpose::Exclusion {
                    GOOD_EVIDENCE_PER_SIGMA - EVIDENCE_PER_SIGMA
                } else {
                    0.0
                },
            }
        }
        Purpose::Inclusion => {
            let exit = choose(order.home_exit, HOME_EXIT, Chosen::HOME_EXIT);
            Points {
                inside: Threshold::new(HOME_RETURN, HOME_LIMIT, 0.0, 1),
                outside: Threshold::new(exit, AWAY_LIMIT, HOME_INDIFFERENT, EXIT_FIXES),
                prior: HOME_NEUTRAL,
                neutral: HOME_NEUTRAL,
                more_per_sigma: 0.0,
            }
        }
        Purpose::Attendance => {
            let kept = choose(order.attendance, ATTENDANCE, Chosen::ATTENDANCE);
            Points {
                inside: Threshold::new(kept, ATTENDANCE_LIMIT, 0.0, 1),
                outside: Threshold::new(ATTENDANCE_LEFT, ATTENDANCE_LIMIT, 0.0, 1),
                prior: 0.0,
                neutral: 0.0,
                more_per_sigma: 0.0,
            }
        }
    }
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

/// How an answer came about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The new answer.
    pub answer: Answer,
    /// The time of the run's first fix.
    pub since_us: i64,
    /// The probability that had to be reached.
    pub threshold: f64,
    /// The probability of the new answer as it is stated: calibrated.
    pub probability: f64,
    /// How many consecutive fixes formed the run, at most [`RUN_MOST`].
    pub fixes: u8,
}

/// A run of fixes is counted up to this.
pub const RUN_MOST: u8 = 4;

/// The sequential test of one (person, zone).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Belief {
    /// Sum of evidence, positive inside.
    log_odds: f32,
    /// The answer in force.
    pub answer: Answer,
    /// A run of fixes against the answer in force: which answer it speaks for, …
    run: Answer,
    /// … how many fixes it has (as far as they are counted) …
    run_fixes: u8,
    /// … and whether a trusted one is among them; whether the belief is settled; whether it has seen a fix.
    flags: u8,
    /// The time of the first fix that spoke for the answer in force.
    pub since_us: i64,
    /// The time of the run's first fix.
    run_since_us: i64,
}

const TRUSTED: u8 = 1;
const SETTLED: u8 = 2;
const BEGUN: u8 = 4;

impl Answer {
    const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Inside => 1,
            Self::Outside => 2,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Unknown),
            1 => Some(Self::Inside),
            2 => Some(Self::Outside),
            _ => None,
        }
    }
}

impl Belief {
    /// Nothing is known.
    pub(crate) const UNKNOWN: Self = Self {
        log_odds: 0.0,
        answer: Answer::Unknown,
        run: Answer::Unknown,
        run_fixes: 0,
        flags: 0,
        since_us: 0,
        run_since_us: 0,
    };

    /// As it is stored: five small fields, and two times.
    pub(crate) fn to_parts(self) -> ([u8; 8], [i64; 2]) {
        let [a, b, c, d] = self.log_odds.to_bits().to_le_bytes();
        let small = [
            a,
            b,
            c,
            d,
            self.answer.code(),
            self.run.code(),
            self.run_fixes,
            self.flags,
        ];
        (small, [self.since_us, self.run_since_us])
    }

    /// `None`: there is no such answer.
    pub(crate) fn of_parts([a, b, c, d, answer, run, run_fixes, flags]: [u8; 8], times_us: [i64; 2]) -> Option<Self> {
        let [since_us, run_since_us] = times_us;
        Some(Self {
            log_odds: f32::from_bits(u32::from_le_bytes([a, b, c, d])),
            answer: Answer::of_code(answer)?,
            run: Answer::of_code(run)?,
            run_fixes,
            flags,
            since_us,
            run_since_us,
        })
    }

    /// The settled answer "outside", whatever it came from: what a person who was never near a zone has.
    #[expect(clippy::cast_possible_truncation, reason = "as the sum itself is kept")]
    pub fn outside(points: &Points) -> Self {
        Self {
            log_odds: -points.outside.limit as f32,
            answer: Answer::Outside,
            run: Answer::Unknown,
            run_fixes: 0,
            flags: SETTLED | BEGUN,
            since_us: i64::MIN,
            run_since_us: 0,
        }
    }

    /// Says whether a run against the answer in force has begun.
    pub const fn wavers(&self) -> bool {
        !matches!(self.run, Answer::Unknown)
    }

    /// The time of a lone trusted fix that makes "inside" likelier than not, and that nothing has confirmed or denied since.
    pub(crate) fn lone_fix_inside_us(&self) -> Option<i64> {
        let lone = self.run == Answer::Inside && self.run_fixes == 1 && self.flags & TRUSTED != 0;
        (lone && self.log_odds >= 0.0).then_some(self.run_since_us)
    }

    /// Says whether this is the answer and nothing but a fix on the other side, or very near the edge, can change anything.
    pub fn is_settled(&self, answer: Answer) -> bool {
        self.flags & SETTLED != 0 && self.answer == answer
    }

    /// The probability of being inside, calibrated.
    pub fn probability_inside(&self) -> f64 {
        stated(f64::from(self.log_odds))
    }

    /// Takes a fix in; returns the change when it decides.
    pub fn update(&mut self, points: &Points, at_us: i64, signed_distance_m: f64, seen: &Seen) -> Option<Change> {
        let sigmas = signed_distance_m / seen.sigma_m;
        if sigmas.is_nan() {
            return None;
        }
        if self.flags & SETTLED != 0 {
            let confirming = if self.answer == Answer::Inside { -sigmas } else { sigmas };
            if confirming >= SETTLED_SIGMAS {
                return None;
            }
        }
        let evidence = evidence(points, sigmas, seen);
        self.add(points, evidence, seen.keep);
        self.follow_run(points, at_us, evidence, seen);
        let change = self.decide(points);
        self.settle(points);
        change
    }

    #[expect(clippy::cast_possible_truncation, reason = "seven digits of log-odds are plenty")]
    fn add(&mut self, points: &Points, evidence: f64, keep: f64) {
        let (least, most) = (
            -points.outside.bound(self.answer == Answer::Outside),
            points.inside.bound(self.answer == Answer::Inside),
        );
        let before = if self.flags & BEGUN == 0 {
            points.prior
        } else {
            // Limits first: they may be another order's than when this was written, or those of `Belief::outside`.
            let held = f64::from(self.log_odds).clamp(least, most);
            points.neutral + keep * (held - points.neutral)
        };
        self.log_odds = (before + evidence).clamp(least, most) as f32;
        self.flags |= BEGUN;
    }

    /// A run begins with the first fix against the answer. It ends when a fix does not speak for it and the sum does not either.
    /// One that outlives a long silence keeps its fixes, but counts from the first fix after it.
    fn follow_run(&mut self, points: &Points, at_us: i64, evidence: f64, seen: &Seen) {
        let side = side_of(evidence);
        if seen.after_silence && self.wavers() {
            self.run_since_us = at_us;
        }
        if side == Answer::Unknown || side == self.answer {
            if side_of(f64::from(self.log_odds) - points.neutral) != self.run {
                self.run = Answer::Unknown;
            }
            return;
        }
        if side != self.run {
            self.run = side;
            self.run_since_us = at_us;
            self.run_fixes = 0;
            self.flags &= !TRUSTED;
        }
        self.run_fixes = (self.run_fixes + 1).min(RUN_MOST);
        if seen.trusted {
            self.flags |= TRUSTED;
        }
    }

    fn decide(&mut self, points: &Points) -> Option<Change> {
        let sum = f64::from(self.log_odds);
        let (threshold, towards) = match self.run {
            Answer::Unknown => return None,
            Answer::Inside => (&points.inside, sum),
            Answer::Outside => (&points.outside, -sum),
        };
        if towards < threshold.log_odds || self.run_fixes < threshold.fixes || self.flags & TRUSTED == 0 {
            return None;
        }
        let fixes = self.run_fixes;
        self.answer = self.run;
        self.since_us = self.run_since_us;
        self.run = Answer::Unknown;
        self.run_fixes = 0;
        Some(Change {
            answer: self.answer,
            since_us: self.since_us,
            threshold: threshold.probability,
            probability: stated(towards),
            fixes,
        })
    }

    /// Settled: no run, and the sum at its bound on the answer's side.
    #[expect(clippy::cast_possible_truncation, reason = "compared with what was stored")]
    fn settle(&mut self, points: &Points) {
        let at_bound = match self.answer {
            Answer::Unknown => false,
            Answer::Inside => self.log_odds >= points.inside.limit as f32,
            Answer::Outside => self.log_odds <= -points.outside.limit as f32,
        };
        if at_bound && self.run == Answer::Unknown {
            self.flags |= SETTLED;
        } else {
            self.flags &= !SETTLED;
        }
    }
}

/// Log-odds for inside that a fix gives, so many σ from the edge (negative inside).
fn evidence(points: &Points, sigmas: f64, seen: &Seen) -> f64 {
    let limit = if seen.trusted { EVIDENCE_LIMIT } else { UNTRUSTED_LIMIT };
    let beyond = if sigmas > 0.0 {
        (sigmas - points.outside.indifferent_sigmas).max(0.0)
    } else {
        (sigmas + points.inside.indifferent_sigmas).min(0.0)
    };
    let per_sigma = EVIDENCE_PER_SIGMA + points.more_per_sigma * seen.good;
    (-per_sigma * seen.weight * beyond).clamp(-limit, limit)
}

fn side_of(evidence: f64) -> Answer {
    if evidence > 0.0 {
        Answer::Inside
    } else if evidence < 0.0 {
        Answer::Outside
    } else {
        Answer::Unknown
    }
}

#[cfg(test)]
mod tests;
