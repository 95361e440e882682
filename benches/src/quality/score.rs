//! Claims against the truth. The definitions are those of `docs/performance.md`, section "Quality of alerts".

use std::ops::AddAssign;

use super::{
    case::{Case, Span, seconds},
    rules::{Claim, meets},
};

/// Violations shorter than this are not asked for.
pub const LEAST_US: i64 = 120_000_000;
/// A claim's window reaches to the fix before and the fix after it, but no further than this.
const WINDOW_US: i64 = 600_000_000;
/// A violation counts as found by a claim that begins at most so much after its end.
const SLACK_US: i64 = 60_000_000;
/// Well inside home, metres.
const WELL_INSIDE_M: f64 = 10.0;
/// Deep enough inside an exclusion that its edge is no question under an open sky.
const DEEP_M: f64 = 10.0;
/// Lower ends of the bins of stated probability.
pub const BINS: [f64; 5] = [0.80, 0.90, 0.93, 0.97, 0.99];

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub hits: u64,
    /// Of how many.
    pub all: u64,
}

impl Share {
    /// One more, and whether it is a hit.
    pub fn count(&mut self, hit: bool) {
        self.all += 1;
        self.hits += u64::from(hit);
    }

    /// The shares of which this may be a sample: Wilson's interval of 95 %.
    pub fn interval(self) -> (f64, f64) {
        const Z: f64 = 1.96;
        let Some(ratio) = self.ratio() else {
            return (0.0, 1.0);
        };
        let n = self.all as f64;
        let middle = (ratio + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (ratio * (1.0 - ratio) / n + Z * Z / (4.0 * n * n)).sqrt();
        (middle - half, middle + half)
    }

    /// Hits over all; `None` of nothing.
    pub fn ratio(self) -> Option<f64> {
        (self.all > 0).then(|| self.hits as f64 / self.all as f64)
    }
}

impl AddAssign for Share {
    fn add_assign(&mut self, other: Self) {
        self.hits += other.hits;
        self.all += other.all;
    }
}

/// Delays of found violations, against the receipt of the first fix that was truly in violation.
#[derive(Debug, Clone, Default)]
pub struct Delays {
    /// Seconds.
    pub seconds: Vec<f64>,
    /// Reports of the wearer that were received later, up to when it was told.
    pub intervals: Vec<f64>,
}

impl Delays {
    fn add(&mut self, other: Self) {
        self.seconds.extend(other.seconds);
        self.intervals.extend(other.intervals);
    }
}

/// What a judge is worth, on any number of cases.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Wearer-days.
    pub days: f64,
    /// Days truly well inside home while it was in force.
    pub home_days: f64,
    /// Exclusion entries told, and of them the false.
    pub entries: Share,
    /// Home exits told, and of them the false.
    pub exits: Share,
    /// False home exits of people who were well inside all the time.
    pub exits_well_inside: u64,
    /// True visits of exclusions of two minutes or more, and of them the found.
    pub visits: Share,
    /// Of those, the ones under the open sky.
    pub open_visits: Share,
    /// Of those, at least 10 m deep.
    pub open_deep_visits: Share,
    /// True absences from home of two minutes or more, and of them the found.
    pub absences: Share,
    /// True violations of two minutes or more of which no sound fix exists; in no share above.
    pub unseen: u64,
    /// Delays of visits.
    pub visit_delays: Delays,
    /// Delays of absences.
    pub absence_delays: Delays,
    /// True claims beyond the first of a violation.
    pub repeated: u64,
    /// Claims withdrawn later; counted in the reliability (they were stated), and in nothing else.
    pub withdrawn: u64,
    /// Possible crossings told, and of them the true; in no other figure.
    pub crossings: Share,
    /// Claims that state a probability.
    pub stated: Stated,
}

/// Claims by stated probability, in the bins that begin at [`BINS`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Stated {
    /// Claims told, and of them the true.
    pub shares: [Share; 5],
    /// Sums of the stated probabilities.
    pub sums: [f64; 5],
}

impl AddAssign for Stated {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.shares.iter_mut().zip(other.shares) {
            *mine += theirs;
        }
        for (mine, theirs) in self.sums.iter_mut().zip(other.sums) {
            *mine += theirs;
        }
    }
}

impl Stated {
    fn count(&mut self, probability: f64, is_true: bool) {
        if let Some(bin) = BINS.iter().rposition(|low| probability >= *low)
            && let (Some(share), Some(sum)) = (self.shares.get_mut(bin), self.sums.get_mut(bin))
        {
            share.count(is_true);
            *sum += probability;
        }
    }
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.days += other.days;
        self.home_days += other.home_days;
        self.entries += other.entries;
        self.exits += other.exits;
        self.exits_well_inside += other.exits_well_inside;
        self.visits += other.visits;
        self.open_visits += other.open_visits;
        self.open_deep_visits += other.open_deep_visits;
        self.absences += other.absences;
        self.unseen += other.unseen;
        self.visit_delays.add(other.visit_delays);
        self.absence_delays.add(other.absence_delays);
        self.repeated += other.repeated;
        self.withdrawn += other.withdrawn;
        self.crossings += other.crossings;
        self.stated += other.stated;
    }

    /// False events of both sorts.
    pub fn false_events(&self) -> u64 {
        self.entries.hits + self.exits.hits
    }

    /// Recall over visits and absences together.
    pub fn recall(&self) -> Option<f64> {
        let mut both = self.visits;
        both += self.absences;
        both.ratio()
    }

    /// False home exits in 30 days of being well inside.
    pub fn exits_per_month(&self) -> Option<f64> {
        (self.home_days > 0.0).then(|| self.exits_well_inside as f64 * 30.0 / self.home_days)
    }
}

/// Fix times and arrivals of a case, in order.
struct Times {
    fixes_us: Vec<i64>,
    received_us: Vec<i64>,
}

/// Scores claims about one case.
pub fn score(case: &Case, claims: &[Claim]) -> Tally {
    let mut times = Times {
        fixes_us: case
            .arrivals
            .iter()
            .filter(|arrival| arrival.sound)
            .map(|arrival| arrival.time_us)
            .collect(),
        received_us: case.arrivals.iter().map(|arrival| arrival.appended_us).collect(),
    };
    times.fixes_us.sort_unstable();
    times.fixes_us.dedup();
    let mut tally = Tally {
        days: case.days,
        home_days: home_days(case),
        ..Tally::default()
    };
    for claim in claims {
        judge(case, &times, claim, &mut tally);
    }
    for (index, zone) in case.zones.iter().enumerate() {
        for &violation in &zone.violations {
            if violation.1 - violation.0 >= LEAST_US {
                look_for(case, &times, index, violation, claims, &mut tally);
            }
        }
    }
    tally
}

/// Is a claim true?
fn judge(case: &Case, times: &Times, claim: &Claim, tally: &mut Tally) {
    let Some(zone) = case.zones.get(claim.zone) else {
        return;
    };
    let window = window(times, claim);
    let is_true = zone.touched.iter().any(|span| span.0 <= window.1 && span.1 >= window.0);
    if claim.possible {
        tally.crossings.count(is_true);
        return;
    }
    if let Some(probability) = claim.probability {
        tally.stated.count(probability, is_true);
    }
    if claim.withdrawn {
        tally.withdrawn += 1;
        return;
    }
    if !zone.home {
        tally.entries.count(!is_true);
        return;
    }
    tally.exits.count(!is_true);
    let well_inside = case
        .arrivals
        .iter()
        .filter(|arrival| (window.0..=window.1).contains(&arrival.time_us))
        .all(|arrival| {
            arrival
                .truth_m
                .get(claim.zone)
                .is_some_and(|distance| *distance <= -WELL_INSIDE_M)
        });
    tally.exits_well_inside += u64::from(!is_true && well_inside);
}

/// From the fix before a claim's onset to the fix after the one that proved it.
fn window(times: &Times, claim: &Claim) -> Span {
    let before = times.fixes_us.partition_point(|time| *time < claim.onset_us);
    let before = before.checked_sub(1).and_then(|index| times.fixes_us.get(index));
    let after = times
        .fixes_us
        .get(times.fixes_us.partition_point(|time| *time <= claim.proved_us));
    (
        before.map_or(claim.onset_us, |time| (*time).max(claim.onset_us - WINDOW_US)),
        after.map_or(claim.proved_us, |time| (*time).min(claim.proved_us + WINDOW_US)),
    )
}

/// Was a true violation found, and when?
fn look_for(case: &Case, times: &Times, index: usize, violation: Span, claims: &[Claim], tally: &mut Tally) {
    let home = case.zones.get(index).is_some_and(|zone| zone.home);
    let within: Vec<_> = case
        .arrivals
        .iter()
        .filter(|arrival| (violation.0..=violation.1).contains(&arrival.time_us))
        .collect();
    let Some(first) = within
        .iter()
        .filter(|arrival| arrival.sound)
        .min_by_key(|arrival| arrival.time_us)
    else {
        tally.unseen += 1;
        return;
    };
    let finders = claims.iter().filter(|claim| {
        claim.zone == index && !claim.withdrawn && !claim.possible && meets(claim, violation, SLACK_US)
    });
    let found = finders.clone().map(|claim| claim.told_us).min();
    tally.repeated += (finders.count() as u64).saturating_sub(1);
    let (share, delays) = if home {
        (&mut tally.absences, &mut tally.absence_delays)
    } else {
        (&mut tally.visits, &mut tally.visit_delays)
    };
    share.count(found.is_some());
    if let Some(told_us) = found {
        delays.seconds.push(seconds((told_us - first.appended_us).max(0)));
        let later = times.received_us.partition_point(|time| *time <= told_us);
        let already = times.received_us.partition_point(|time| *time <= first.appended_us);
        delays.intervals.push(later.saturating_sub(already) as f64);
    }
    let mut open = Share::default();
    for arrival in within.iter().filter(|arrival| arrival.report.position.is_some()) {
        open.count(arrival.open);
    }
    if home || (open.hits as f64) < case.open_share * open.all as f64 {
        return;
    }
    tally.open_visits.count(found.is_some());
    let deep = within
        .iter()
        .any(|arrival| arrival.truth_m.get(index).is_some_and(|distance| *distance <= -DEEP_M));
    if deep {
        tally.open_deep_visits.count(found.is_some());
    }
}

/// Days truly well inside home while it was in force.
fn home_days(case: &Case) -> f64 {
    let Some((index, home)) = case.zones.iter().enumerate().find(|(_, zone)| zone.home) else {
        return 0.0;
    };
    let mut fixes: Vec<(i64, bool)> = case
        .arrivals
        .iter()
        .map(|arrival| {
            let inside = arrival
                .truth_m
                .get(index)
                .is_some_and(|distance| *distance <= -WELL_INSIDE_M);
            let in_force = home
                .in_force
                .iter()
                .any(|span| (span.0..=span.1).contains(&arrival.time_us));
            (arrival.time_us, inside && in_force)
        })
        .collect();
    fixes.sort_unstable();
    let micros: i64 = fixes
        .iter()
        .zip(fixes.iter().skip(1))
        .filter(|((_, one), (_, other))| *one && *other)
        .map(|((from, _), (to, _))| (to - from).min(WINDOW_US))
        .sum();
    micros as f64 / 86_400e6
}
