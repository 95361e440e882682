//! The engine on 70,000 people, one core: random order of person, and grouped by person, beside one global R-tree over all
//! zones. `homeward-bench population` measures the whole country.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a bench that cannot be set up must stop"
)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homeward_benches::population::{
    BLOCK, Country, EXCLUSION_M, Flow, GlobalTree, Heap, LAYER_ZONES, Measured, Rounds, WARM_MINUTES, World,
};

const PEOPLE: u32 = 70_000;
/// Of the run; after it the country starts again from its checkpoint, so that the evening never ends.
const LAST_MINUTE: u32 = 100;

/// Runs whole passes and scales their time to what was asked for.
fn timed(
    iterations: u64,
    country: &mut Country<'_>,
    checkpoint: &[u8],
    total: &mut Measured,
    pass: fn(&mut Country<'_>) -> anyhow::Result<Measured>,
) -> Duration {
    let mut measured = Measured::default();
    for _ in 0..iterations {
        if country.minute() + BLOCK > LAST_MINUTE {
            country.go_back(checkpoint, WARM_MINUTES).expect("a checkpoint");
        }
        measured = measured.and(pass(country).expect("a pass"));
    }
    *total = total.and(measured);
    measured.time.processor
}

fn population(criterion: &mut Criterion) {
    let world = World::new(1, PEOPLE, LAYER_ZONES, EXCLUSION_M);
    let no_heap = &Heap::default;
    let mut country = Country::new(&world, 0).expect("a country");
    country.rounds(WARM_MINUTES, no_heap).expect("reports");
    let checkpoint = country.checkpoint();
    let (mut random, mut grouped) = (Measured::default(), Measured::default());

    let mut group = criterion.benchmark_group("population");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(u64::from(PEOPLE)));
    group.bench_function("random order of person", |bencher| {
        bencher.iter_custom(|iterations| {
            timed(iterations, &mut country, &checkpoint, &mut random, |country| {
                country.rounds(1, &Heap::default)
            })
        });
    });
    group.throughput(Throughput::Elements(u64::from(PEOPLE) * u64::from(BLOCK)));
    group.bench_function("grouped by person", |bencher| {
        bencher.iter_custom(|iterations| {
            timed(iterations, &mut country, &checkpoint, &mut grouped, |country| {
                country.grouped(false, &Heap::default)
            })
        });
    });
    drop(country);
    let tree = GlobalTree::new(&world);
    let (mut reports, mut time) = (0, Duration::ZERO);
    let flow = Flow::Rounds(Rounds { from_minute: 0 });
    group.throughput(Throughput::Elements(20_000));
    group.bench_function("reference: one global R-tree", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut all = Duration::ZERO;
            for _ in 0..iterations {
                let asked = tree.ask(&world, flow, 20_000, Duration::MAX);
                reports += asked.reports;
                all += asked.time.processor;
            }
            time += all;
            all
        });
    });
    group.finish();
    let reference = f64::from(u32::try_from(reports).unwrap_or(u32::MAX)) / time.as_secs_f64();
    println!(
        "population: random order {:.1}x, grouped {:.1}x of one global R-tree over the same zones",
        random.rate() / reference,
        grouped.rate() / reference
    );
}

criterion_group!(benches, population);
criterion_main!(benches);
