//! The fold over a simulated town, one core: reports a second, beside plain distance tests of the same positions.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a bench that cannot be set up must stop"
)]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::{Engine, Input};
use jiff::tz::TimeZone;
use proto::wire;
use sim::{World, check, scenario::Scenario, world::Config};

const PEOPLE: u64 = 500;
const TICKS: u64 = 40;

fn engine_fold(criterion: &mut Criterion) {
    let start: jiff::Timestamp = "2026-03-02T12:00:00Z".parse().expect("a time");
    let config = Config {
        seed: 1,
        people: PEOPLE,
        scenario: Scenario::Quiet,
        start,
        interval_s: 10.0,
        latitude: 30.28,
        longitude: 120.16,
    };
    let world = World::new(config);
    let zone = TimeZone::get("Asia/Shanghai").expect("a time zone");
    let mut fresh = Engine::new();
    let mut events = Vec::new();
    for person in &world.people {
        fresh.fold(start, Input::Rules(&check::rules(&world, &zone, person)), &mut events);
    }
    let checkpoint = fresh.checkpoint();
    let reports: Vec<wire::Report> = (0..TICKS)
        .flat_map(|tick| world.people.iter().map(move |person| (tick, person)))
        .filter_map(|(tick, person)| Some(check::report(person, &world.sample(person, tick)?, start)))
        .collect();

    let mut group = criterion.benchmark_group("engine");
    group.throughput(Throughput::Elements(reports.len() as u64));
    group.bench_function("fold", |bencher| {
        bencher.iter_batched(
            || Engine::restore(&checkpoint).expect("a checkpoint"),
            |mut engine| {
                let mut events = Vec::new();
                for report in &reports {
                    let at = jiff::Timestamp::from_microsecond(report.fix_time_us).expect("a time");
                    engine.fold(at, Input::Report(report), &mut events);
                }
                (engine, events)
            },
            BatchSize::LargeInput,
        );
    });
    let homes: Vec<engine::zone::Shape> = world
        .people
        .iter()
        .filter_map(|person| person.zones.first())
        .map(|zone| {
            let geometry = proto::rules::Geometry::try_from(&world.geometry(&zone.shape)).expect("a geometry");
            engine::zone::Shape::compile(&geometry).expect("a shape")
        })
        .collect();
    group.bench_function("reference: one distance to the home zone", |bencher| {
        bencher.iter(|| {
            for (report, home) in reports.iter().zip(homes.iter().cycle()) {
                let Some(position) = &report.position else { continue };
                let at = proto::rules::LonLat::new(
                    f64::from(position.longitude_e7) * 1e-7,
                    f64::from(position.latitude_e7) * 1e-7,
                )
                .expect("a position");
                std::hint::black_box(home.signed_distance_m(at));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, engine_fold);
criterion_main!(benches);
