//! `homeward-bench population`: the engine on a country's people, one core.
//!
//! The world is that of the project's reference figures: 3 to 6 own zones a person (4.5 on average, about 91 vertices), a
//! shared layer of 20,000 polygons for 30 % of people, schedules and decisions on. Reports are made in chunks outside what is
//! timed. Every figure stands beside references of the same run: one global R-tree over all zones, and a one-fix rule over
//! flat arrays. Rates are of the thread's processor time, because the machine may be shared; one goes by the wall's clock.

mod dice;
mod door;
mod flat;
mod measure;
mod model;
mod schedules;
mod shapes;
mod table;
mod traffic;
mod tree;
mod world;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use engine::{CompiledLayer, Engine};
use indicatif::{ProgressBar, ProgressStyle};

use std::sync::Arc;

pub use flat::OneFix;
pub use measure::{AskHeap, Heap, Measured, Took};
pub use traffic::{Flow, Grouped, Rounds};
pub use tree::{Asked, GlobalTree};
pub use world::World;

use crate::machine;
use measure::{Watch, drive, median, resident};
use table::{Table, Target, fine, finest, percent, times, whole};

/// Polygons of the shared layer.
pub const LAYER_ZONES: u32 = 20_000;
/// Radius of the largest exclusion zones, metres.
pub const EXCLUSION_M: f64 = 1_500.0;
/// Minutes that everybody reports before anything is measured, so that beliefs have settled.
pub const WARM_MINUTES: u32 = 5;
/// Reports of a person in a row, grouped.
pub const BLOCK: u32 = 20;
/// Each figure is the middle one of so many.
const PASSES: u32 = 3;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// How many people.
    #[arg(long, default_value_t = 700_000)]
    pub people: u32,
    /// How many reports in random order of person, in three parts; rounded up to whole minutes of everybody.
    #[arg(long)]
    pub reports: Option<u64>,
    /// 20,000 people, for a look; its figures are not those of the targets.
    #[arg(long)]
    pub quick: bool,
    /// Ends with status 1 when a target is missed.
    #[arg(long)]
    pub assert: bool,
    /// Another country.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Polygons of the shared layer.
    #[arg(long, default_value_t = LAYER_ZONES)]
    pub layer: u32,
    /// Radius of the largest exclusion zones, metres: how many zones of others lie around a place, and so how slow the global
    /// R-tree is, depends on it.
    #[arg(long, default_value_t = EXCLUSION_M)]
    pub exclusion_m: f64,
    /// How long the global R-tree is asked, at most.
    #[arg(long, default_value_t = 6.0)]
    pub tree_seconds: f64,
}

/// An engine with everybody in it, at a minute of the run.
#[derive(Debug)]
pub struct Country<'a> {
    world: &'a World,
    layer: Arc<CompiledLayer>,
    engine: Engine,
    minute: u32,
}

impl<'a> Country<'a> {
    /// Makes everybody known to a new engine that has the memory for so many reports of each.
    pub fn new(world: &'a World, reports: u32) -> Result<Self> {
        let (mut engine, layer) = door::open(world)?;
        door::reserve(&mut engine, world, reports);
        let mut country = Self {
            world,
            layer,
            engine,
            minute: 0,
        };
        country.admit()?;
        Ok(country)
    }

    fn admit(&mut self) -> Result<()> {
        let progress = ProgressBar::new(u64::from(self.world.people()));
        progress.set_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len}")?);
        progress.set_message("people");
        door::admit(&mut self.engine, self.world, || progress.inc(1))?;
        progress.finish_and_clear();
        Ok(())
    }

    /// So many minutes in random order.
    pub fn rounds(&mut self, minutes: u32, heap: AskHeap<'_>) -> Result<Measured> {
        let flow = Flow::Rounds(Rounds {
            from_minute: self.minute,
        });
        let reports = u64::from(minutes) * u64::from(self.world.people());
        let measured = drive(&mut self.engine, self.world, flow, 0..reports, heap)?;
        self.minute += flow.minutes(self.world, reports);
        Ok(measured)
    }

    /// One block of minutes, person by person.
    pub fn grouped(&mut self, shuffled: bool, heap: AskHeap<'_>) -> Result<Measured> {
        let flow = Flow::Grouped(Grouped {
            from_minute: self.minute,
            block: BLOCK,
            shuffled,
        });
        let reports = u64::from(BLOCK) * u64::from(self.world.people());
        let measured = drive(&mut self.engine, self.world, flow, 0..reports, heap)?;
        self.minute += BLOCK;
        Ok(measured)
    }

    /// The engine's state as bytes, and the engine again from them.
    pub fn reopen(&mut self) -> Result<Reopened> {
        let watch = Watch::start();
        let checkpoint = self.engine.checkpoint();
        let checkpoint_took = watch.stop();
        self.engine = Engine::new();
        let watch = Watch::start();
        self.engine = door::reopen(&checkpoint, &self.layer)?;
        Ok(Reopened {
            bytes: checkpoint.len(),
            checkpoint: checkpoint_took,
            restore: watch.stop(),
            again: checkpoint,
        })
    }

    /// As [`Country::reopen`], of the state alone, as the service writes it every few seconds: the reports of the last day are saved
    /// in pieces, as they come, and none is restored here. The country goes on as it is.
    pub fn save(&self) -> Result<Reopened> {
        let watch = Watch::start();
        let state = self.engine.save().state;
        let checkpoint = watch.stop();
        let watch = Watch::start();
        drop(Engine::restore_with::<&[u8]>(&state, &[])?);
        Ok(Reopened {
            bytes: state.len(),
            checkpoint,
            restore: watch.stop(),
            again: state,
        })
    }

    /// Where the run is.
    pub fn minute(&self) -> u32 {
        self.minute
    }

    /// Goes on from a checkpoint that was taken at a minute of the run.
    pub fn go_back(&mut self, checkpoint: &[u8], minute: u32) -> Result<()> {
        self.engine = door::reopen(checkpoint, &self.layer)?;
        self.minute = minute;
        Ok(())
    }

    /// The state as bytes.
    pub fn checkpoint(&self) -> Vec<u8> {
        self.engine.checkpoint()
    }
}

/// What a checkpoint and its restoring cost.
#[derive(Debug)]
pub struct Reopened {
    /// Length of the checkpoint.
    pub bytes: usize,
    /// Writing it.
    pub checkpoint: Took,
    /// Reading it, the layer given back.
    pub restore: Took,
    /// The checkpoint.
    pub again: Vec<u8>,
}

impl Reopened {
    /// Both, as text.
    fn took(&self) -> String {
        format!(
            "{:.2} s / {:.2} s / {:.2} s",
            self.checkpoint.wall.as_secs_f64(),
            self.restore.wall.as_secs_f64(),
            (self.checkpoint.everything + self.restore.everything).as_secs_f64()
        )
    }
}

/// Measures and prints; false when a target is missed and that matters.
pub fn run(arguments: &Arguments, heap: AskHeap<'_>) -> Result<bool> {
    let people = if arguments.quick { 20_000 } else { arguments.people };
    if people < 100 {
        bail!("{people} people are too few: at least 100");
    }
    let reports = arguments.reports.unwrap_or(12 * u64::from(people));
    let minutes = u32::try_from(reports.div_ceil(u64::from(people * PASSES)))?.clamp(1, 15);
    let tree_time = Duration::try_from_secs_f64(arguments.tree_seconds)?;
    println!("{}, load {}", machine::describe(), load());
    let table = measure_all(arguments, people, minutes, tree_time, heap)?;
    println!("{}", table.markdown());
    Ok(!arguments.assert || table.all_met())
}

/// How busy the machine is: processes that want to run, averaged over a minute.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// Seconds since, on the standard error: a run takes minutes.
fn tell(start: Instant, what: &str) {
    eprintln!("{:6.1} s  {what}", start.elapsed().as_secs_f64());
}

fn measure_all(
    arguments: &Arguments,
    people: u32,
    minutes: u32,
    tree_time: Duration,
    heap: AskHeap<'_>,
) -> Result<Table> {
    let start = Instant::now();
    let few = 7_000.min(people / 10).max(10);
    let world = World::new(arguments.seed, people, arguments.layer, arguments.exclusion_m);
    let (zones, vertices) = census(&world);
    let small_world = World::new(arguments.seed, few, arguments.layer, arguments.exclusion_m);
    tell(start, "the country is laid out");

    // Every person's newest chunk has room that is not filled.
    let most = WARM_MINUTES + minutes * PASSES + BLOCK * (PASSES + 1) + 16;
    let mut small = Country::new(&small_world, most)?;
    small.rounds(WARM_MINUTES, heap)?;
    let small_random = small.rounds(minutes * PASSES, heap)?;
    let (resident_before, heap_before) = (resident(), heap());
    let mut country = Country::new(&world, 0)?;
    tell(start, "everybody is known");
    let warm = country.rounds(WARM_MINUTES, heap)?;
    // The layer is in both; it is the same for few people and for many, and left in here: some bytes a person.
    let (resident_after, heap_after) = (resident(), heap());
    tell(start, &format!("warm, {} events", warm.events));
    let tree = GlobalTree::new(&world);
    tell(start, "the global tree is loaded");
    door::reserve(&mut country.engine, &world, most);
    tell(start, "the memory for the reports to come is taken");

    // The tree is asked in between: what else the machine does then slows both.
    let (mut random, mut asked) = (Vec::new(), Asked::default());
    let ahead = Flow::Rounds(Rounds { from_minute: 0 });
    for _ in 0..PASSES {
        random.push(country.rounds(minutes, heap)?);
        // A short look first, so that the tree's upper nodes are as warm as they can be.
        tree.ask(&world, ahead, 20_000, tree_time / PASSES);
        asked += tree.ask(&world, ahead, u64::MAX, tree_time / PASSES);
    }
    drop(tree);
    let all_random = random.iter().fold(Measured::default(), |all, each| all.and(*each));
    let random = median(random);
    tell(start, &format!("random order: {} a second", whole(random.rate())));
    let (mut grouped, mut small_grouped) = (Vec::new(), Vec::new());
    for _ in 0..PASSES {
        small_grouped.push(small.grouped(false, heap)?);
        grouped.push(country.grouped(false, heap)?);
    }
    let (grouped, small_grouped) = (median(grouped), median(small_grouped));
    let shuffled = country.grouped(true, heap)?;
    tell(start, &format!("grouped: {} a second", whole(grouped.rate())));
    let memory = door::memory(&country.engine);
    let country_minutes = country.minute;
    let state = country.save()?;
    let (state_took, state_bytes) = (state.took(), state.bytes);
    drop(state);
    let whole_state = country.reopen()?;
    let seconds = (whole_state.checkpoint.wall + whole_state.restore.wall).as_secs_f64();
    let (whole_took, whole_bytes) = (whole_state.took(), whole_state.bytes);
    // As long as the history in it: it goes at once.
    drop(whole_state);
    tell(start, "checkpoint and restore");
    let again = country.rounds(minutes, heap)?;
    let one_fix = if door::judge_by_one_fix(&mut country.engine) {
        Some(country.rounds(minutes, heap)?)
    } else {
        None
    };
    drop((country, small));
    let (model_took, model_reports) = model::cost(&world, 0..4);

    let mut flat = OneFix::new(&world);
    let flow = Flow::Rounds(Rounds { from_minute: 0 });
    flat.judge(&world, flow, 0..u64::from(people * WARM_MINUTES));
    flat.found = flat::Found::default();
    let from = u64::from(people * WARM_MINUTES);
    flat.judge(&world, flow, from..from + u64::from(people) * 4);
    let floor = flat.found;
    drop(flat);
    tell(start, &format!("the floor: {} a second", whole(floor.rate())));
    let mut table = Table::default();
    let per_person = |bytes: u64| bytes as f64 / f64::from(people);
    table.say(
        "world",
        format!(
            "{} people, {:.2} zones and {:.1} vertices each, layer of {}",
            whole(f64::from(people)),
            zones,
            vertices,
            whole(f64::from(arguments.layer))
        ),
    );
    table.say(
        "point-in-polygon questions a report (boxes that hold the position)",
        fine(floor.questions as f64 / floor.reports as f64),
    );
    table.say(
        "events a million reports",
        fine(all_random.events as f64 * 1e6 / all_random.reports as f64),
    );
    let rate = |measured: Measured| Some(measured.rate());
    table.target(
        "reports a second, random order",
        rate(random),
        whole,
        Target::AtLeast(4e6),
    );
    table.target(
        "reports a second, grouped by person",
        rate(grouped),
        whole,
        Target::AtLeast(1e7),
    );
    table.say("the same, people in random order", whole(shuffled.rate()));
    table.say(
        "of grouped reports, those counted as late",
        percent(grouped.late as f64 / grouped.reports.max(1) as f64),
    );
    let quick = |measured: Measured| percent(measured.quick as f64 / measured.reports.max(1) as f64);
    table.say(
        "of reports, those that took the fast path: random order / grouped",
        format!("{} / {}", quick(all_random), quick(grouped)),
    );
    table.say(
        "random order, by the wall's clock",
        whole(random.reports as f64 / random.time.wall.as_secs_f64().max(1e-9)),
    );
    let few_text = whole(f64::from(few));
    table.say(&format!("random order, {few_text} people"), whole(small_random.rate()));
    table.say(&format!("grouped, {few_text} people"), whole(small_grouped.rate()));
    table.target(
        &format!("growth of the cost of a grouped report from {few_text} people"),
        Some(grouped.nanoseconds() / small_grouped.nanoseconds() - 1.0),
        percent,
        Target::Below(0.15),
    );
    let account = |bytes: u64| Some(per_person(bytes));
    table.target(
        "state a person, bytes",
        account(memory.state),
        whole,
        Target::AtMost(250.0),
    );
    table.target(
        "compiled rules a person, bytes",
        account(memory.rules),
        whole,
        Target::AtMost(1_200.0),
    );
    let kept = f64::from(country_minutes);
    table.say(
        "beside these, the reports of the last day: bytes a report / GiB for a day at this rate",
        format!(
            "{} / {}",
            whole(per_person(memory.journal) / kept),
            whole(memory.journal as f64 / kept * 1_440.0 / f64::from(1 << 30))
        ),
    );
    table.say(
        "all that the engine held a person when warm, by the allocator / by resident memory, bytes",
        format!(
            "{} / {}",
            whole(per_person(heap_after.bytes.saturating_sub(heap_before.bytes))),
            whole(per_person(resident_after.saturating_sub(resident_before)))
        ),
    );
    table.target(
        "allocations a report, steady state (calls without an event)",
        (heap_after.allocations > 0)
            .then(|| all_random.quiet_allocations as f64 / all_random.quiet_reports.max(1) as f64),
        finest,
        Target::Below(0.001),
    );
    table.say(
        "reports in such calls",
        format!(
            "{} of {}",
            whole(all_random.quiet_reports as f64),
            whole(all_random.reports as f64)
        ),
    );
    let model_ns = model_took.processor.as_secs_f64() * 1e9 / model_reports.max(1) as f64;
    if let Some(one_fix) = one_fix {
        table.target(
            "share of the decision model in the loop (the engine with a one-fix rule in its place)",
            Some(1.0 - one_fix.nanoseconds() / again.nanoseconds()),
            percent,
            Target::Below(0.30),
        );
    } else {
        let weighed = all_random.weighed as f64 / all_random.reports.max(1) as f64;
        table.target(
            "share of the decision model in the loop (beliefs weighed, times what one costs alone)",
            Some(model_ns * weighed / random.nanoseconds()),
            percent,
            Target::Below(0.30),
        );
        table.say("beliefs weighed a report", fine(weighed));
        table.say(
            "the share, if one belief were weighed with every report",
            percent(model_ns / random.nanoseconds()),
        );
    }
    table.say("the decision model alone, ns a report", fine(model_ns));
    table.target(
        &format!("checkpoint and restore, with {country_minutes} reports of history a person, seconds"),
        Some(seconds),
        fine,
        Target::Below(10.0),
    );
    let both = |took: String, bytes: usize| format!("{took} / {}", whole(per_person(bytes as u64)));
    table.say(
        "of which checkpoint / restore / processor time of both, all threads / bytes a person",
        both(whole_took, whole_bytes),
    );
    table.say(
        "the same without that history, which the service saves in pieces as it comes",
        both(state_took, state_bytes),
    );
    table.say("reference: one global R-tree, reports a second", whole(asked.rate()));
    table.say(
        "boxes of anybody's zones around a position",
        fine(asked.boxes as f64 / asked.reports.max(1) as f64),
    );
    table.target(
        "random order / the global R-tree",
        Some(random.rate() / asked.rate()),
        times,
        Target::AtLeast(60.0),
    );
    table.say(
        "reference: one-fix rule over flat arrays, random order, reports a second",
        whole(floor.rate()),
    );
    table.say(
        "random order / that rule",
        format!("{:.2}x", random.rate() / floor.rate()),
    );
    table.say(
        "its violations begun and ended a million reports",
        whole(floor.edges as f64 * 1e6 / floor.reports as f64),
    );
    let peak_mib = machine::resident_mib(std::process::id()).unwrap_or_default();
    table.say(
        "peak memory of the bench, with all of its worlds and references, GiB",
        fine(peak_mib / 1_024.0),
    );
    Ok(table)
}

/// Zones and vertices a person.
pub fn census(world: &World) -> (f64, f64) {
    let sample = world.people().min(20_000);
    let (mut zones, mut vertices) = (0_usize, 0_usize);
    for person in 0..sample {
        let own = world.zones(person);
        zones += own.len();
        vertices += own.iter().map(|zone| zone.shape.vertices()).sum::<usize>();
    }
    (zones as f64 / f64::from(sample), vertices as f64 / f64::from(sample))
}
