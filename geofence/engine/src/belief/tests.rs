//! Laws of the sequential test, and small cases that anyone can follow.

use proptest::prelude::*;

use super::*;

const MINUTE_US: i64 = 60_000_000;
const PURPOSES: [Purpose; 4] = [
    Purpose::Exclusion,
    Purpose::Inclusion,
    Purpose::Attendance,
    Purpose::Proximity,
];

/// One fix: seconds since the one before, metres from the edge, stated accuracy, metres moved.
#[derive(Debug, Clone, Copy)]
struct Step {
    after_s: i64,
    distance_m: f64,
    accuracy_m: f32,
    moved_m: f64,
    cell: bool,
}

fn good(after_s: i64, distance_m: f64) -> Step {
    Step {
        after_s,
        distance_m,
        accuracy_m: 8.0,
        moved_m: 30.0,
        cell: false,
    }
}

fn seen(step: Step, first: bool) -> Seen {
    let source = if step.cell { FixSource::Cell } else { FixSource::Gnss };
    let since_us = (!first).then_some(step.after_s * 1_000_000);
    see(source, Some(step.accuracy_m), since_us, step.moved_m)
}

/// Runs a belief over fixes from its start; the changes, each with the number of the fix that decided it.
fn run(purpose: Purpose, order: &Chosen, steps: &[Step]) -> (Belief, Vec<(usize, Change)>) {
    let points = points(purpose, order);
    let (mut belief, mut at_us, mut changes) = (Belief::default(), 0, Vec::new());
    for (number, step) in steps.iter().enumerate() {
        at_us += step.after_s * 1_000_000;
        let change = belief.update(&points, at_us, step.distance_m, &seen(*step, number == 0));
        changes.extend(change.map(|change| (number, change)));
    }
    (belief, changes)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        0_i64..900,
        -400.0..400.0_f64,
        1.0..300.0_f32,
        0.0..500.0_f64,
        prop::bool::weighted(0.2),
    )
        .prop_map(|(after_s, distance_m, accuracy_m, moved_m, cell)| Step {
            after_s,
            distance_m,
            accuracy_m,
            moved_m,
            cell,
        });
    prop::collection::vec(step, 1..60)
}

fn purpose() -> impl Strategy<Value = Purpose> {
    prop::sample::select(PURPOSES.to_vec())
}

fn order() -> impl Strategy<Value = Chosen> {
    let chosen = |least: f64, most: f64| prop::option::of(least..=most);
    (chosen(0.8, 0.99), chosen(0.9, 0.999), chosen(0.5, 0.95)).prop_map(|(exclusion_entry, home_exit, attendance)| {
        Chosen {
            exclusion_entry,
            home_exit,
            attendance,
        }
    })
}

#[test]
fn a_belief_is_small() {
    assert!(size_of::<Belief>() <= 24);
}

#[test]
fn two_good_fixes_decide_an_exclusion_entry_as_of_the_first() {
    let track = [
        good(20, 60.0),
        good(20, 40.0),
        good(20, 30.0),
        good(20, -40.0),
        good(20, -60.0),
    ];
    let (belief, changes) = run(Purpose::Exclusion, &Chosen::default(), &track);
    let (number, change) = *changes.last().unwrap();
    assert_eq!((number, change.answer, change.fixes), (4, Answer::Inside, 2));
    assert_eq!(change.since_us, 80_000_000);
    assert_eq!(belief.since_us, change.since_us);
    assert!(change.probability >= change.threshold);
}

#[test]
fn one_wild_fix_decides_neither_an_entry_nor_an_exit() {
    for (purpose, side, wild_m) in [(Purpose::Exclusion, 1.0, -300.0), (Purpose::Inclusion, -1.0, 400.0)] {
        let mut track = vec![good(120, 60.0 * side); 20];
        track.push(good(120, wild_m));
        track.extend([good(120, 60.0 * side); 5]);
        let (belief, changes) = run(purpose, &Chosen::default(), &track);
        assert_eq!(changes.len(), 1, "{purpose:?} {changes:?}");
        assert!(belief.is_settled(changes[0].1.answer), "{purpose:?}");
    }
}

/// Under the open sky, two fixes 6 m beyond an edge tell an entry; at home the same two tell nothing.
#[test]
fn good_fixes_decide_an_entry_near_the_edge() {
    let sure = |distance_m| Step {
        accuracy_m: 4.0,
        ..good(60, distance_m)
    };
    let track = [sure(60.0), sure(40.0), sure(-6.0), sure(-6.0), sure(40.0)];
    let (_, changes) = run(Purpose::Exclusion, &Chosen::default(), &track);
    let answers: Vec<_> = changes
        .iter()
        .map(|(number, change)| (*number, change.answer))
        .collect();
    assert!(answers.contains(&(3, Answer::Inside)), "{answers:?}");
    let (_, changes) = run(Purpose::Proximity, &Chosen::default(), &track);
    assert!(
        changes.iter().all(|(_, change)| change.answer == Answer::Outside),
        "{changes:?}"
    );
    let home = [sure(-60.0), sure(-40.0), sure(6.0), sure(6.0), sure(-40.0)];
    let (_, changes) = run(Purpose::Inclusion, &Chosen::default(), &home);
    assert!(
        changes.iter().all(|(_, change)| change.answer == Answer::Inside),
        "{changes:?}"
    );
}

/// Somebody who is seen in a zone, and hours later again, was there from the second time on: nobody knows of the time between.
#[test]
fn a_run_counts_from_the_first_fix_after_a_long_silence() {
    let silence_s = 4 * 3_600;
    for (purpose, side) in [(Purpose::Exclusion, 1.0), (Purpose::Inclusion, -1.0)] {
        let past = vec![good(120, 60.0 * side); 20];
        let begin_s = 20 * 120;
        for (gap_s, onset_s) in [(silence_s, begin_s + 120 + silence_s), (3_600, begin_s + 120)] {
            let over = [good(120, -60.0 * side), good(gap_s, -60.0 * side)];
            let track: Vec<Step> = past
                .iter()
                .copied()
                .chain(over)
                .chain([good(120, -60.0 * side); 3])
                .collect();
            let (belief, changes) = run(purpose, &Chosen::default(), &track);
            assert_eq!(changes.len(), 2, "{purpose:?} {changes:?}");
            assert_eq!(
                changes[1].1.since_us,
                onset_s * 1_000_000,
                "{purpose:?} after {gap_s} s"
            );
            assert_eq!(belief.since_us, changes[1].1.since_us);
        }
        // Two fixes are two, whatever lies between them: it is not found later.
        let over = [good(120, -60.0 * side), good(silence_s, -60.0 * side)];
        let track: Vec<Step> = past
            .into_iter()
            .chain(over)
            .chain([good(120, -60.0 * side); 3])
            .collect();
        let (_, changes) = run(purpose, &Chosen::default(), &track);
        assert!(changes[1].0 <= 22, "{purpose:?} {changes:?}");
    }
}

#[test]
fn leaving_home_is_known_within_five_fixes_and_returning_at_once() {
    for every_s in [10, 20, 60, 120, 600] {
        let mut track = vec![good(every_s, -60.0); 30];
        track.extend((1..=5).map(|step| good(every_s, 60.0 * f64::from(step))));
        track.extend([good(every_s, -60.0); 2]);
        let (_, changes) = run(Purpose::Inclusion, &Chosen::default(), &track);
        let answers: Vec<_> = changes
            .iter()
            .map(|(number, change)| (*number, change.answer))
            .collect();
        assert!(
            matches!(
                answers.as_slice(),
                [
                    (0..=1, Answer::Inside),
                    (31..=34, Answer::Outside),
                    (35..=36, Answer::Inside)
                ]
            ),
            "every {every_s} s: {answers:?}"
        );
        assert_eq!(changes[1].1.since_us, every_s * 31 * 1_000_000);
    }
}

#[test]
fn nothing_is_known_from_what_is_no_number() {
    let points = points(Purpose::Exclusion, &Chosen::default());
    let mut belief = Belief::default();
    let odd = see(FixSource::Gnss, Some(f32::NAN), None, f64::NAN);
    assert_eq!(
        odd.sigma_m.to_bits(),
        see(FixSource::Gnss, None, None, 0.0).sigma_m.to_bits()
    );
    assert_eq!(belief.update(&points, 0, f64::NAN, &odd), None);
    assert_eq!(belief, Belief::default());
}

#[test]
fn an_order_can_ask_for_more_but_not_beyond_the_limits() {
    let wild = Chosen {
        exclusion_entry: Some(0.1),
        home_exit: Some(1.0),
        attendance: Some(f64::NAN),
    };
    let asked = |purpose| points(purpose, &wild);
    assert!((asked(Purpose::Exclusion).inside.probability - Chosen::EXCLUSION_ENTRY.least).abs() < 1e-12);
    assert!((asked(Purpose::Inclusion).outside.probability - Chosen::HOME_EXIT.most).abs() < 1e-12);
    assert!((asked(Purpose::Attendance).inside.probability - ATTENDANCE).abs() < 1e-12);
}

/// The document's tables of constants are the code's, all of them, and nothing else.
#[test]
fn the_document_states_the_constants_in_force() {
    let default = OperatingPoints::DEFAULT;
    let constants = [
        ("RADIUS_TO_SIGMA", RADIUS_TO_SIGMA),
        ("EDGE_SIGMA_M", EDGE_SIGMA_M),
        ("best_m", default.best_m),
        ("gnss_m", default.gnss_m),
        ("wifi_m", default.wifi_m),
        ("cell_m", default.cell_m),
        ("beacon_m", default.beacon_m),
        ("TRUSTED_M", TRUSTED_M),
        ("EVIDENCE_PER_SIGMA", EVIDENCE_PER_SIGMA),
        ("GOOD_EVIDENCE_PER_SIGMA", GOOD_EVIDENCE_PER_SIGMA),
        ("GOOD_SIGMA_M", GOOD_SIGMA_M),
        ("FAIR_SIGMA_M", FAIR_SIGMA_M),
        ("EVIDENCE_LIMIT", EVIDENCE_LIMIT),
        ("UNTRUSTED_LIMIT", UNTRUSTED_LIMIT),
        ("HOME_INDIFFERENT", HOME_INDIFFERENT),
        ("CORRELATION", CORRELATION),
        ("CORRELATION_S", CORRELATION_S),
        ("CORRELATION_SIGMAS", CORRELATION_SIGMAS),
        ("FADE_PER_MINUTE", FADE_PER_MINUTE),
        ("FADE_PER_SIGMA", FADE_PER_SIGMA),
        ("FADE_FROM_SIGMAS", FADE_FROM_SIGMAS),
        ("FADE_LEAST", FADE_LEAST),
        ("LIMIT", LIMIT),
        ("SETTLED_SIGMAS", SETTLED_SIGMAS),
        ("SILENCE_S", SILENCE_S),
        ("EXCLUSION_ENTRY", EXCLUSION_ENTRY),
        ("ENTRY_FIXES", f64::from(ENTRY_FIXES)),
        ("EXCLUSION_LIMIT", EXCLUSION_LIMIT),
        ("EXCLUSION_LEFT", EXCLUSION_LEFT),
        ("CLEAR_LIMIT", CLEAR_LIMIT),
        ("EXCLUSION_NEUTRAL", EXCLUSION_NEUTRAL),
        ("HOME_EXIT", HOME_EXIT),
        ("EXIT_FIXES", f64::from(EXIT_FIXES)),
        ("AWAY_LIMIT", AWAY_LIMIT),
        ("HOME_RETURN", HOME_RETURN),
        ("HOME_LIMIT", HOME_LIMIT),
        ("HOME_NEUTRAL", HOME_NEUTRAL),
        ("ATTENDANCE", ATTENDANCE),
        ("ATTENDANCE_LEFT", ATTENDANCE_LEFT),
        ("ATTENDANCE_LIMIT", ATTENDANCE_LIMIT),
    ];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/decision-model.md");
    let document = std::fs::read_to_string(path).unwrap();
    let stated: Vec<(&str, f64)> = document
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            let (value, _) = rest.split_once(" | ")?;
            Some((name, value.parse().unwrap()))
        })
        .collect();
    assert_eq!(stated, constants);
    assert!(document.contains(&format!("the decision model, version {MODEL}\n")));
}

proptest! {
    /// The law that the fast path rests on.
    #[test]
    fn a_settled_belief_is_left_as_it_is_by_fixes_on_its_side(
        purpose in purpose(), order in order(), track in steps(), outside: bool, sigmas in SETTLED_SIGMAS..1e6_f64,
        weight in 1e-6..=1.0_f64, keep in 1e-6..=1.0_f64, goodness in 0.0..=1.0_f64, trusted: bool, silence: bool, sigma_m in 1.0..5_000.0_f64, after_s in 0_i64..=600,
    ) {
        let points = points(purpose, &order);
        let side = if outside { Answer::Outside } else { Answer::Inside };
        let sign = if outside { 1.0 } else { -1.0 };
        // Any past, then enough fixes on one side to settle.
        let calm = (0..200).map(|_| good(60, 500.0 * sign));
        let all: Vec<Step> = track.into_iter().chain(calm).collect();
        let (mut belief, _) = run(purpose, &order, &all);
        prop_assert!(belief.is_settled(side), "{:?}", belief);
        prop_assert!(!belief.wavers());
        let before = postcard::to_stdvec(&belief).unwrap();
        // The product may round below the bound: one ulp more.
        let distance_m = sign * sigmas * sigma_m * (1.0 + f64::EPSILON * 4.0);
        let change = belief.update(&points, after_s * 1_000_000, distance_m, &Seen { sigma_m, weight, keep, good: goodness, trusted, after_silence: silence });
        prop_assert_eq!(change, None);
        prop_assert_eq!(postcard::to_stdvec(&belief).unwrap(), before);
    }

    /// The same for whoever was never near a zone.
    #[test]
    fn outside_from_the_start_is_settled(purpose in purpose(), order in order(), sigmas in SETTLED_SIGMAS..1e3_f64) {
        let points = points(purpose, &order);
        let mut belief = Belief::outside(&points);
        let fix = see(FixSource::Gnss, Some(10.0), Some(MINUTE_US), 0.0);
        prop_assert!(belief.is_settled(Answer::Outside));
        prop_assert_eq!(belief.update(&points, 0, sigmas * fix.sigma_m * 1.000_001, &fix), None);
        prop_assert_eq!(belief, Belief::outside(&points));
    }

    /// What a change says: the answer in force from then on, told at least at its threshold, as of one of the last fixes.
    #[test]
    fn changes_are_what_they_say(purpose in purpose(), order in order(), track in steps()) {
        let points = points(purpose, &order);
        let (mut belief, mut at_us) = (Belief::default(), 0);
        for (number, step) in track.iter().enumerate() {
            at_us += step.after_s * 1_000_000;
            let before = belief;
            let change = belief.update(&points, at_us, step.distance_m, &seen(*step, number == 0));
            prop_assert!((0.0..=1.0).contains(&belief.probability_inside()));
            let Some(change) = change else {
                prop_assert_eq!(belief.answer, before.answer);
                continue;
            };
            prop_assert_ne!(change.answer, before.answer);
            prop_assert_eq!((belief.answer, belief.since_us), (change.answer, change.since_us));
            prop_assert!(change.probability >= change.threshold - 1e-9);
            prop_assert!(change.probability < 1.0);
            prop_assert!((1..=RUN_MOST).contains(&change.fixes));
            prop_assert!(change.since_us <= at_us && change.since_us >= 0);
            prop_assert!(!belief.wavers());
        }
    }

    /// Cell towers never decide, however many and however they state their accuracy.
    #[test]
    fn cell_towers_alone_change_nothing(purpose in purpose(), order in order(), mut track in steps()) {
        for step in &mut track {
            step.cell = true;
        }
        let (belief, changes) = run(purpose, &order, &track);
        prop_assert_eq!(changes, vec![]);
        prop_assert_eq!(belief.answer, Answer::Unknown);
    }

    /// A more cautious order never decides an entry or an exit earlier.
    #[test]
    fn more_caution_is_never_faster(purpose in purpose(), least in order(), track in steps()) {
        let first = |order: &Chosen, answer| {
            let (_, changes) = run(purpose, order, &track);
            changes.iter().find(|(_, change)| change.answer == answer).map_or(usize::MAX, |(number, _)| *number)
        };
        let most = Chosen {
            exclusion_entry: Some(Chosen::EXCLUSION_ENTRY.most),
            home_exit: Some(Chosen::HOME_EXIT.most),
            attendance: Some(Chosen::ATTENDANCE.most),
        };
        let answer = if purpose == Purpose::Inclusion { Answer::Outside } else { Answer::Inside };
        prop_assert!(first(&least, answer) <= first(&most, answer));
    }

    /// However long the past, three good fixes 120 s apart and far on the other side overcome it.
    #[test]
    fn no_past_is_too_long(purpose in purpose(), order in order(), track in steps(), outside: bool) {
        let distance_m = if outside { 2_000.0 } else { -2_000.0 };
        let turned = track.into_iter().chain([good(120, distance_m); 4]).collect::<Vec<_>>();
        let (belief, _) = run(purpose, &order, &turned);
        prop_assert_eq!(belief.answer, if outside { Answer::Outside } else { Answer::Inside });
    }

    /// A checkpoint in between changes nothing.
    #[test]
    fn a_belief_survives_a_checkpoint(purpose in purpose(), order in order(), track in steps()) {
        let (belief, _) = run(purpose, &order, &track);
        let bytes = postcard::to_stdvec(&belief).unwrap();
        let read: Belief = postcard::from_bytes(&bytes).unwrap();
        prop_assert_eq!(read, belief);
    }

    #[test]
    fn evidence_weighs_what_it_should(accuracy_m in 1.0..500.0_f32, after_us in 0..i64::MAX, moved_m in 0.0..1e7_f64) {
        for source in [FixSource::Gnss, FixSource::Wifi, FixSource::Cell, FixSource::Beacon, FixSource::Unspecified] {
            let fix = see(source, Some(accuracy_m), Some(after_us), moved_m);
            prop_assert!(fix.weight > 0.0 && fix.weight <= 1.0);
            prop_assert!(fix.keep >= FADE_LEAST && fix.keep <= 1.0);
            prop_assert!(fix.sigma_m >= OperatingPoints::DEFAULT.best_m / RADIUS_TO_SIGMA);
            prop_assert!(source != FixSource::Cell || !fix.trusted);
        }
    }
}
