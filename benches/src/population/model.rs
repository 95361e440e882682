//! What the decision model costs by itself: weighing a fix and updating one belief, for everybody in random order.
//!
//! It is an upper bound of the model's part in the engine's loop: there, a report far from every edge needs no probability.

use std::hint::black_box;

use engine::belief::{Belief, Points, Purpose, points, see};
use proto::wire::FixSource;

use super::{
    measure::{Took, Watch},
    shapes::{Plain, Spot},
    world::World,
};

/// A fix as the model sees it.
struct Asked {
    person: u32,
    at_us: i64,
    distance_m: f64,
    accuracy_m: f32,
    moved_m: f64,
}

/// Time for one belief a report, over some minutes; and how many reports that were.
pub(super) fn cost(world: &World, minutes: std::ops::Range<u32>) -> (Took, u64) {
    let places: Vec<(Spot, f64)> = (0..world.people()).map(|person| place(world, person)).collect();
    let mut beliefs = vec![Belief::default(); places.len()];
    let points: Points = points(Purpose::Inclusion, &proto::rules::OperatingPoints::default());
    let (mut took, mut reports) = (Took::default(), 0);
    let mut changes = 0_u32;
    let warm = minutes.start + 2;
    for minute in minutes {
        for part in world.order().chunks(8_192) {
            let chunk: Vec<Asked> = part
                .iter()
                .filter_map(|&person| asked(world, &places, person, minute))
                .collect();
            let watch = Watch::start();
            for fix in &chunk {
                let seen = see(FixSource::Gnss, Some(fix.accuracy_m), Some(60_000_000), fix.moved_m);
                if let Some(belief) = beliefs.get_mut(fix.person as usize) {
                    changes += u32::from(belief.update(&points, fix.at_us, fix.distance_m, &seen).is_some());
                }
            }
            if minute >= warm {
                took += watch.stop();
                reports += chunk.len() as u64;
            }
        }
    }
    black_box(changes);
    (took, reports)
}

/// Middle and radius of the first zone: home.
fn place(world: &World, person: u32) -> (Spot, f64) {
    let nowhere = Spot {
        longitude: 0.0,
        latitude: 0.0,
    };
    match world.zones(person).first().map(|zone| &zone.shape) {
        Some(Plain::Circle { centre, radius_m }) => (*centre, *radius_m),
        Some(Plain::Polygon(corners)) => (corners.first().copied().unwrap_or(nowhere), 100.0),
        None => (nowhere, 0.0),
    }
}

fn asked(world: &World, places: &[(Spot, f64)], person: u32, minute: u32) -> Option<Asked> {
    let (centre, radius_m) = places.get(person as usize)?;
    let [now, before] = [minute, minute.saturating_sub(1)].map(|minute| world.sight(person, minute));
    let (now, before) = (now?, before?);
    let metres = |latitude_e7: i32, longitude_e7: i32, from: [f64; 2]| {
        let north = (f64::from(latitude_e7) / 1e7 - from[1]) * 111_200.0;
        let east = (f64::from(longitude_e7) / 1e7 - from[0]) * 111_200.0 * centre.latitude.to_radians().cos();
        north.hypot(east)
    };
    let from = [
        f64::from(before.longitude_e7) / 1e7,
        f64::from(before.latitude_e7) / 1e7,
    ];
    Some(Asked {
        person,
        at_us: 60_000_000 * i64::from(minute),
        distance_m: metres(now.latitude_e7, now.longitude_e7, [centre.longitude, centre.latitude]) - radius_m,
        accuracy_m: now.accuracy_m,
        moved_m: metres(now.latitude_e7, now.longitude_e7, from),
    })
}
