//! What the engine finds in the simulated worlds is what truly happens there, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

mod cuts;
mod desk;
mod ear;
mod protocols;

use std::collections::BTreeSet;

use homeward_sim::{World, check, scenario::Scenario, world::Config};
use jiff::tz::TimeZone;
use proto::{PersonId, wire};

fn world(scenario: Scenario, seed: u64, people: u64, interval_s: f64) -> World {
    let start = "2026-03-02T12:00:00Z".parse().unwrap();
    World::new(Config {
        seed,
        people,
        scenario,
        start,
        interval_s,
        latitude: 30.2825,
        longitude: 120.16,
    })
}

type Kinds = BTreeSet<(PersonId, wire::EventKind)>;

fn found(world: &World, seconds: f64) -> Kinds {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let onsets = check::events(world, &zone, seconds)
        .into_iter()
        .filter(|event| event.edge() == wire::Edge::Onset);
    onsets
        .map(|event| (PersonId::from_wire(&event.person_id).unwrap(), event.kind()))
        .collect()
}

fn truth(world: &World, seconds: f64) -> Kinds {
    let all = world.people.iter().flat_map(|person| {
        let known = person
            .violations
            .iter()
            .filter(move |violation| violation.proof_s <= seconds);
        known.map(|violation| (person.person_id, violation.kind))
    });
    all.collect()
}

#[test]
fn the_demo_raises_its_violations_and_no_other() {
    for seed in [2026, 1, 2] {
        let world = world(Scenario::Demo, seed, 60, 5.0);
        assert_eq!(
            found(&world, 190.0),
            truth(&world, 190.0),
            "seed {seed}: found (left), true (right)"
        );
    }
}

#[test]
fn the_soak_raises_its_violations_and_no_other() {
    let world = world(Scenario::Soak, 5, 40, 2.0);
    assert_eq!(found(&world, 75.0), truth(&world, 75.0), "found (left), true (right)");
}

#[test]
fn what_is_rare_is_raised_too_and_no_other() {
    for seed in [2026, 1, 2] {
        let world = world(Scenario::Rare, seed, 20, 5.0);
        let (found, truth) = (found(&world, 390.0), truth(&world, 390.0));
        assert_eq!(found, truth, "seed {seed}: found (left), true (right)");
        let kinds: BTreeSet<_> = truth.iter().map(|(_, kind)| *kind).collect();
        for kind in [
            wire::EventKind::PossibleCrossing,
            wire::EventKind::MotionWithoutFix,
            wire::EventKind::ImpossibleMovement,
            wire::EventKind::BatteryDead,
            wire::EventKind::ClockSkew,
            wire::EventKind::Proximity,
            wire::EventKind::ProximityWarning,
        ] {
            assert!(kinds.contains(&kind), "{kind:?}");
        }
    }
}

/// Nobody of the supervised side learns where a protected person is: no event's evidence has a fix that is not the wearer's.
#[test]
fn nearness_does_not_say_where_the_protected_person_is() {
    let world = world(Scenario::Rare, 2026, 6, 5.0);
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let home = world.people[5].route.place(0.0).0;
    let (longitude, latitude) = world.town.lon_lat(home);
    let mut seen = 0;
    for event in check::events(&world, &zone, 390.0) {
        if !matches!(
            event.kind(),
            wire::EventKind::Proximity | wire::EventKind::ProximityWarning
        ) {
            continue;
        }
        for fix in event.explanation.unwrap().fixes {
            seen += 1;
            assert_eq!(fix.signed_distance_m.to_bits(), 0.0_f64.to_bits());
            // Some 50 m: the wearer stays at home.
            assert!((f64::from(fix.longitude_e7) / 1e7 - longitude).abs() < 5e-4);
            assert!((f64::from(fix.latitude_e7) / 1e7 - latitude).abs() < 5e-4);
        }
    }
    assert!(seen > 0);
}

/// Everything that the engine says is said in Chinese too, so that a new form of a sentence fails here.
#[test]
fn every_explanation_is_said_in_chinese_too() {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let mut kinds = BTreeSet::new();
    for scenario in [Scenario::Demo, Scenario::Rare] {
        let world = world(scenario, 2026, 20, 5.0);
        for event in check::events(&world, &zone, 400.0) {
            kinds.insert(event.kind);
            let sentence = event.explanation.unwrap().sentence;
            assert!(alerts::why::in_chinese(&sentence).is_some(), "{sentence:?}");
        }
    }
    assert!(kinds.len() >= 20, "{} kinds", kinds.len());
}

#[test]
fn a_quiet_town_is_quiet() {
    let world = world(Scenario::Quiet, 3, 100, 10.0);
    assert_eq!(found(&world, 3_600.0), Kinds::new());
}

#[test]
fn a_violation_is_known_by_its_proof() {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    for (scenario, interval_s) in [
        (Scenario::Demo, 5.0),
        (Scenario::Soak, 2.0),
        (Scenario::Soak, 1.0),
        (Scenario::Rare, 5.0),
    ] {
        let world = world(scenario, 2026, 16, interval_s);
        let events = check::events(&world, &zone, 400.0);
        for person in &world.people {
            for violation in &person.violations {
                let known = |event: &&wire::Event| {
                    event.edge() == wire::Edge::Onset
                        && event.kind() == violation.kind
                        && PersonId::from_wire(&event.person_id) == Ok(person.person_id)
                };
                let decided_us = events.iter().find(known).unwrap().decided_at_us;
                let decided_s = (decided_us - world.config.start.as_microsecond()) as f64 / 1e6;
                // Timers wait for reports that may contradict them.
                let latest_s = violation.proof_s + interval_s + 15.0;
                assert!(decided_s <= latest_s, "{violation:?} was known at {decided_s}");
            }
        }
    }
}
