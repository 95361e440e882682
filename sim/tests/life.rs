//! The truth beside a life is the truth, its receivers are as honest as they claim, and all of it follows from the seed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

use homeward_sim::{
    World, device::Fault, plane::signed_distance, receiver::Sky, scenario::Scenario, town::Local, track::visits,
    world::Config,
};
use jiff::tz::TimeZone;
use proptest::{prelude::*, test_runner::Config as Runs};
use prost::Message;
use proto::wire::{Alarm, FixSource};

const DAY_S: f64 = 86_400.0;

fn world(seed: u64, people: u64, days: u32) -> World {
    World::new(Config {
        seed,
        people,
        scenario: Scenario::Life { days },
        start: "2026-03-01T16:00:00Z".parse().unwrap(), // Monday's midnight in Shanghai
        interval_s: 60.0,
        latitude: 30.2825,
        longitude: 120.16,
    })
}

/// Everything that a world says, rules and reports.
fn bytes(world: &World, until_s: f64) -> Vec<u8> {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let mut all = Vec::new();
    for person in &world.people {
        all.extend(homeward_sim::check::rules(world, &zone, person).encode_to_vec());
        for heard in world.track(person, until_s) {
            all.extend(heard.report(world.config.start, person).encode_to_vec());
        }
    }
    all
}

proptest! {
    #![proptest_config(Runs { cases: 6, ..Runs::default() })]

    #[test]
    fn a_life_follows_from_its_seed(seed in 0_u64..1_000) {
        let one = bytes(&world(seed, 2, 1), DAY_S);
        prop_assert_eq!(&one, &bytes(&world(seed, 2, 1), DAY_S));
        prop_assert_ne!(&one, &bytes(&world(seed + 1, 2, 1), DAY_S));
        // More people change nobody.
        let more = bytes(&world(seed, 3, 1), DAY_S);
        prop_assert_eq!(&more[..one.len()], &one[..]);
    }

    #[test]
    fn visits_are_where_the_way_is_inside(seed in 0_u64..1_000) {
        let world = world(seed, 3, 2);
        for person in &world.people {
            for zone in &person.zones {
                let inside = |time_s: f64| signed_distance(&zone.shape, person.route.place(time_s).0);
                let all = visits(person, zone, 2.0 * DAY_S);
                for visit in &all {
                    prop_assert!(visit.from_s < visit.until_s);
                    prop_assert!(inside(f64::midpoint(visit.from_s, visit.until_s)) <= 0.0);
                    for edge in [visit.from_s, visit.until_s] {
                        prop_assert!(edge == 0.0 || edge == 2.0 * DAY_S || inside(edge).abs() < 0.01);
                    }
                }
                for pair in all.windows(2) {
                    prop_assert!(inside(f64::midpoint(pair[0].until_s, pair[1].from_s)) > 0.0);
                }
                for heard in world.track(person, 2.0 * DAY_S) {
                    let time_s = heard.sample.time_s;
                    let visited = all.iter().any(|visit| (visit.from_s..=visit.until_s).contains(&time_s));
                    let distance = signed_distance(&zone.shape, heard.truth);
                    prop_assert!(distance.abs() < 1e-6 || visited == (distance < 0.0));
                }
            }
        }
    }
}

#[test]
fn receivers_are_as_honest_as_they_claim() {
    let world = world(4, 40, 2);
    // Errors over the stated accuracy: claimed honest, by sky; indoors not claimed; cells.
    let (mut open, mut tall, mut indoors, mut too_good, mut cell) = (vec![], vec![], vec![], vec![], vec![]);
    for person in &world.people {
        for heard in world.track(person, 2.0 * DAY_S) {
            let Some(position) = heard.sample.position.filter(|_| heard.sound) else {
                continue;
            };
            let error = seen(&world, &position).distance(heard.truth) / f64::from(position.accuracy_m.unwrap());
            match (position.source(), heard.sky, heard.honest) {
                (FixSource::Cell, ..) => cell.push(error),
                (FixSource::Gnss, Sky::Open, true) => open.push(error),
                (FixSource::Gnss, Sky::Tall, true) => tall.push(error),
                (FixSource::Gnss, Sky::Indoors, true) => indoors.push(error),
                (FixSource::Gnss, Sky::Indoors, false) => too_good.push(error),
                _ => {}
            }
        }
    }
    let within = |errors: &[f64]| errors.iter().filter(|error| **error <= 1.0).count() as f64 / errors.len() as f64;
    for (name, errors, low, high) in [
        ("open", &open, 0.66, 0.70),
        ("tall", &tall, 0.64, 0.72),
        ("indoors", &indoors, 0.66, 0.70),
        ("cell", &cell, 0.60, 0.80),
        ("too good", &too_good, 0.25, 0.60),
    ] {
        let share = within(errors);
        assert!(
            (low..high).contains(&share),
            "{name}: {share:.3} of {} within the stated accuracy",
            errors.len()
        );
    }
}

fn seen(world: &World, position: &proto::wire::Position) -> Local {
    // The town's metric, inverted by its own two scales.
    let origin = world.town.lon_lat(Local { east: 0.0, north: 0.0 });
    let unit = world.town.lon_lat(Local { east: 1.0, north: 1.0 });
    Local {
        east: (f64::from(position.longitude_e7) * 1e-7 - origin.0) / (unit.0 - origin.0),
        north: (f64::from(position.latitude_e7) * 1e-7 - origin.1) / (unit.1 - origin.1),
    }
}

#[test]
fn a_few_weeks_hold_everything_that_quality_is_measured_on() {
    let world = world(9, 48, 3);
    let (mut passes, mut short, mut long, mut exits) = (0, 0, 0, 0);
    let (mut backfill, mut twice, mut overtaken, mut unsound, mut skies) = (0, 0, 0, 0, [0; 3]);
    for person in &world.people {
        for zone in &person.zones {
            let all = visits(person, zone, 3.0 * DAY_S);
            if zone.label == "Home" {
                exits += all.len() - 1;
                continue;
            }
            passes += usize::from(all.is_empty());
            short += all.iter().filter(|visit| visit.until_s - visit.from_s < 120.0).count();
            long += all.iter().filter(|visit| visit.until_s - visit.from_s >= 120.0).count();
        }
        let track = world.track(person, 3.0 * DAY_S);
        let mut newest = f64::NEG_INFINITY;
        let mut sequences: Vec<u64> = track.iter().map(|heard| heard.sample.sequence).collect();
        for heard in &track {
            backfill += usize::from(heard.backfill);
            overtaken += usize::from(heard.sample.time_s < newest && !heard.backfill);
            unsound += usize::from(!heard.sound);
            skies[heard.sky as usize] += 1;
            newest = newest.max(heard.sample.time_s);
            assert!(heard.received_s > heard.sample.time_s);
        }
        sequences.sort_unstable();
        sequences.dedup();
        twice += track.len() - sequences.len();
        // At home means well inside.
        let home = person.zones.first().unwrap();
        let at_home = person.route.place(3.0 * 3_600.0).0;
        assert!(signed_distance(&home.shape, at_home) <= -homeward_sim::life::HOME_DEPTH_M);
    }
    for (what, count, least) in [
        ("zones never entered", passes, 20),
        ("short visits", short, 50),
        ("long visits", long, 30),
        ("ways out of home", exits, 150),
        ("kept reports", backfill, 5_000),
        ("reports told twice", twice, 300),
        ("overtaken reports", overtaken, 300),
        ("reports of faulty devices", unsound, 100),
        ("open sky", skies[Sky::Open as usize], 5_000),
        ("tall streets", skies[Sky::Tall as usize], 2_000),
        ("indoors", skies[Sky::Indoors as usize], 50_000),
    ] {
        assert!(count >= least, "{what}: {count}, at least {least} expected");
    }
}

/// Why a loss of satellites is never told as jamming (ADR 0022): nearly all losses that look like it are something else.
#[test]
fn losing_satellites_says_little_of_a_jammer() {
    let world = world(9, 96, 3);
    let (mut jammed, mut other) = (0, 0);
    for person in &world.people {
        let is_jammed = |time_s: f64| {
            person.faults.iter().any(|fault| match *fault {
                Fault::Alarm {
                    from_s,
                    until_s,
                    alarm: Alarm::Jamming,
                } => (from_s..until_s).contains(&time_s),
                _ => false,
            })
        };
        let mut track = world.track(person, 3.0 * DAY_S);
        track.sort_by(|a, b| a.sample.time_s.total_cmp(&b.sample.time_s));
        let (mut last_gnss_s, mut run) = (f64::NEG_INFINITY, Vec::new());
        for heard in &track {
            let time_s = heard.sample.time_s;
            let gnss = heard
                .sample
                .position
                .is_some_and(|position| position.source() == FixSource::Gnss);
            if !gnss {
                // It had satellites a moment ago, and its reports go on.
                if !run.is_empty() || time_s - last_gnss_s < 150.0 {
                    run.push(time_s);
                }
                continue;
            }
            last_gnss_s = time_s;
            let lasted = run.last().zip(run.first()).map_or(0.0, |(last, first)| last - first);
            if lasted >= 120.0 {
                *(if run.iter().any(|at| is_jammed(*at)) {
                    &mut jammed
                } else {
                    &mut other
                }) += 1;
            }
            run.clear();
        }
    }
    println!("stretches of two minutes or more without satellites: {jammed} of a jammer, {other} of walls and roofs");
    assert!(
        jammed > 0 && other > 50 * jammed,
        "{jammed} of a jammer, {other} of others"
    );
}
