//! The country of the speed bench, small: it must stay the world that its figures are said to be of, and run.

use std::time::Duration;

use homeward_benches::population::{
    self, Arguments, Country, EXCLUSION_M, Flow, GlobalTree, Heap, OneFix, Rounds, World,
};

const PEOPLE: u32 = 200;
const LAYER: u32 = 800;

fn world() -> World {
    World::new(7, PEOPLE, LAYER, EXCLUSION_M)
}

#[test]
fn the_world_is_the_one_that_it_is_said_to_be() {
    let world = World::new(7, 20_000, LAYER, EXCLUSION_M);
    let (zones, vertices) = population::census(&world);
    assert!((4.45..4.55).contains(&zones), "{zones} zones a person");
    assert!((89.0..93.0).contains(&vertices), "{vertices} vertices a person");
    let with_layer = (0..20_000)
        .filter(|&person| !world.rules(person).layer_ids.is_empty())
        .count();
    assert!(
        (5_700..6_300).contains(&with_layer),
        "{with_layer} people with the layer"
    );
}

#[test]
fn two_references_find_the_same_zones_around_the_same_positions() {
    let world = World::new(7, 2_000, LAYER, EXCLUSION_M);
    let flow = Flow::Rounds(Rounds { from_minute: 0 });
    let reports = 20_000;
    let mut one_fix = OneFix::new(&world);
    one_fix.judge(&world, flow, 0..reports);
    let asked = GlobalTree::new(&world).ask(&world, flow, reports, Duration::MAX);
    let (found, expected) = (one_fix.found.inside, asked.inside);
    assert_eq!((one_fix.found.reports, asked.reports), (reports, reports));
    assert!(expected > reports / 2, "most people are at home: {expected}");
    // Circles are metres on the ellipsoid here and on a sphere there: a report in a thousand may lie between.
    assert!(
        found.abs_diff(expected) <= reports / 1_000,
        "{found} here, {expected} there"
    );
    let questions = one_fix.found.questions as f64 / reports as f64;
    assert!((0.15..0.23).contains(&questions), "{questions} questions a report");
}

#[test]
fn the_same_country_gives_the_same_state_and_comes_back_from_it() {
    let world = world();
    let run = |shuffled| {
        let mut country = Country::new(&world, 0).unwrap();
        country.rounds(2, &Heap::default).unwrap();
        let grouped = country.grouped(shuffled, &Heap::default).unwrap();
        assert_eq!(grouped.reports, u64::from(PEOPLE * population::BLOCK));
        country
    };
    let (mut once, again) = (run(false), run(false));
    assert_eq!(once.checkpoint(), again.checkpoint());
    let reopened = once.reopen().unwrap();
    assert_eq!(once.checkpoint(), reopened.again);
    // People in random order: other append times, so another state, but every report is judged.
    run(true);
}

#[test]
fn the_bench_runs_to_its_end() {
    let arguments = Arguments {
        people: PEOPLE,
        reports: Some(600),
        quick: false,
        assert: false,
        seed: 7,
        layer: LAYER,
        exclusion_m: EXCLUSION_M,
        tree_seconds: 0.2,
    };
    assert!(population::run(&arguments, &Heap::default).unwrap());
    // No debug build reaches the targets, and one that does not count allocations never does.
    let strict = Arguments {
        assert: true,
        ..arguments
    };
    assert!(!population::run(&strict, &Heap::default).unwrap());
}
