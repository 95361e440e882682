//! The alert-quality benchmark on a small world: it runs, and the engine stays within loose bounds.

#![allow(clippy::unwrap_used, reason = "helpers of tests: a failure here is a failed test")]

use homeward_benches::quality::{
    self,
    rules::{Claim, Judge},
    score,
};

#[test]
fn two_days_of_twenty_people_stays_within_loose_bounds() {
    let measured = quality::simulated(20, 2, 7, false).unwrap();
    let (own, one, five) = (
        measured.of(Judge::Homeward),
        measured.of(Judge::One),
        measured.of(Judge::Five),
    );
    assert_eq!(own.exits_well_inside, 0, "false home exits of people well inside");
    // What can be seen: absences, and visits under the open sky that are deeper than receivers err.
    let mut seen = own.open_deep_visits;
    seen += own.absences;
    assert!(seen.all >= 8, "too few violations to say anything: {seen:?}");
    assert!(seen.ratio().unwrap() > 0.9, "found {seen:?}");
    assert!(
        own.false_events() * 20 <= one.false_events(),
        "{} false events, the one-fix rule {}",
        own.false_events(),
        one.false_events()
    );
    // The comparison is one: the rules differ as they must.
    assert!(five.false_events() < one.false_events());
    let median = quality::quantile(&own.visit_delays.intervals, 0.5).unwrap();
    assert!(median <= 2.0, "median delay of an entry: {median} intervals");
}

/// A judge who is told the truth is never wrong, and one who invents is never right: else the scores mean nothing.
#[test]
fn the_truth_scores_full_marks_and_inventions_none() {
    let lives = quality::case::Lives::new(6, 1, 3).unwrap();
    for index in 0..lives.len() {
        let case = lives.case(index).unwrap().unwrap();
        let claim = |zone: usize, from: i64, until: i64| Claim {
            zone,
            onset_us: from,
            end_us: until,
            proved_us: from,
            told_us: from,
            probability: Some(0.95),
            withdrawn: false,
            possible: false,
        };
        let mut truth = Vec::new();
        let mut inventions = Vec::new();
        for (zone, known) in case.zones.iter().enumerate() {
            for &(from, until) in &known.violations {
                truth.push(claim(zone, from, until));
            }
            if known.touched.is_empty() {
                let noon = case.begin().as_microsecond() + 43_200_000_000;
                inventions.push(claim(zone, noon, noon + 60_000_000));
            }
        }
        let marks = score::score(&case, &truth);
        assert_eq!(marks.false_events(), 0);
        assert_eq!(
            marks.visits.hits + marks.absences.hits,
            marks.visits.all + marks.absences.all
        );
        let marks = score::score(&case, &inventions);
        assert_eq!(marks.false_events(), inventions.len() as u64);
        assert_eq!(marks.visits.hits, 0);
    }
}

#[test]
fn the_oracle_is_read_whole() {
    let Some(folder) = testkit::shared("oracle/sim") else {
        return;
    };
    let cases = quality::oracle::cases(&folder).unwrap();
    let visits = cases
        .iter()
        .flat_map(|case| &case.zones)
        .filter(|zone| !zone.home)
        .flat_map(|zone| &zone.violations)
        .filter(|visit| visit.1 - visit.0 >= score::LEAST_US)
        .count();
    assert_eq!((cases.len(), visits), (60, 127));
    assert_eq!(cases.iter().map(|case| case.arrivals.len()).sum::<usize>(), 29_204);
}
