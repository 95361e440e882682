//! The alert-quality benchmark: what officers are told, against what is true, by the engine and by simpler rules.
//!
//! Everybody judges the same reports, of the oracle's people and of the simulator's. The definitions:
//!
//! - *Claim*: an onset as told (exclusion entry; home: curfew absence, leaving, left inclusion). Its *window* reaches from the fix before its
//!   onset to the fix after the last one that proved it, 10 minutes at most on either side.
//! - *False event*: a claim in whose window there was truly no moment inside the exclusion (outside home).
//! - *False home exit per wearer-month*: of those, the ones in whose window the person was at least 10 m inside home all the time,
//!   over the time truly spent so while the zone was in force, in units of 30 days.
//! - *True violation*: a visit of an exclusion, or an absence from home while in force, of 2 minutes or more, from geometry (simulated
//!   people) or from the first to the last of consecutive true positions on that side (oracle). It counts when at least one fix was taken in it.
//! - *Found*: a claim about that zone overlaps it, or begins at most 60 s after its end, and was not withdrawn.
//! - *Open sky*: every fix of the visit was made under the open sky (simulated people, of whom it is known); the median stated accuracy of
//!   its fixes is 15 m or better (oracle, as in `docs/decision-model.md`).
//!   The target is held against the visits with a fix truly 10 m inside or deeper: of somebody 2 m inside an alley 5 m wide, no
//!   receiver knows on which side they are. The share of all is printed beside it.
//! - *Delay*: from the receipt of the first fix truly in violation until it was told, in seconds, and in reports of that
//!   person received in between ("intervals"); 0 when it was told before.
//! - *Reliability*: of the claims that state a probability in a bin, how many were true; withdrawn ones are among them. Once as told, and once
//!   for exclusion entries pooled over the operating points that orders may choose, of which one claim may be told by several.
//!
//! People with a frozen position or a wrong clock are counted apart: no rule can see through that.

pub mod case;
pub mod oracle;
pub mod plot;
pub mod rules;
pub mod score;

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use self::{
    case::{Case, Lives},
    rules::{Judge, claims},
    score::{BINS, Share, Stated, Tally},
};
use crate::machine;

/// Where the oracle lies beside the project.
const ORACLE: &str = "../shared/oracle/sim";
/// The bin of the reliability target.
const TARGET_BIN: usize = 2;
/// Operating points of exclusion entries over which reliability is pooled.
const POINTS: [f64; 7] = [0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99];

/// What to measure on.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder with the oracle's tracks and zones; without it, `../shared/oracle/sim` where that exists.
    #[arg(long)]
    oracle: Option<PathBuf>,
    /// Simulated people; 0: none.
    #[arg(long, default_value_t = 200)]
    people: u64,
    /// Days of their lives.
    #[arg(long, default_value_t = 7)]
    days: u32,
    /// Seed of their world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the plot to this file (.svg).
    #[arg(long)]
    output: Option<PathBuf>,
    /// Fail when the targets of the engine are missed.
    #[arg(long)]
    assert: bool,
}

/// The tallies of each judge on one set of people.
pub struct Measured {
    /// What the set is called.
    pub name: String,
    /// For each judge, people with sound devices.
    pub tallies: Vec<(Judge, Tally)>,
    /// For each judge, people with devices that no rule can see through.
    pub faulty: Vec<(Judge, Tally)>,
    /// Exclusion entries of people with sound devices, over all operating points.
    pub pooled: Stated,
}

impl Measured {
    fn new(name: &str) -> Self {
        let empty = || Judge::ALL.map(|judge| (judge, Tally::default())).to_vec();
        Self {
            name: name.to_owned(),
            tallies: empty(),
            faulty: empty(),
            pooled: Stated::default(),
        }
    }

    /// Lets every judge decide about a case.
    pub fn take(&mut self, case: &Case) {
        let tallies = if case.faulty {
            &mut self.faulty
        } else {
            &mut self.tallies
        };
        for (judge, tally) in tallies {
            tally.add(score::score(case, &claims(*judge, case)));
        }
    }

    /// Lets the engine decide about a case at every operating point.
    pub fn pool(&mut self, case: &Case) {
        if case.faulty {
            return;
        }
        for point in POINTS {
            self.pooled += score::score(case, &rules::entries_at(case, point)).stated;
        }
    }

    /// The tally of a judge.
    pub fn of(&self, judge: Judge) -> Tally {
        let found = self.tallies.iter().find(|(other, _)| *other == judge);
        found.map(|(_, tally)| tally.clone()).unwrap_or_default()
    }
}

/// Measures on the simulator's own people, on as many cores as there are; pooled over operating points too, or not.
pub fn simulated(people: u64, days: u32, seed: u64, pooled: bool) -> Result<Measured> {
    let lives = Lives::new(people, days, seed)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parts = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores)
            .map(|worker| {
                let lives = &lives;
                scope.spawn(move || {
                    let mut part = Measured::new("simulated people");
                    for index in (worker..lives.len()).step_by(cores) {
                        if let Some(case) = lives.case(index) {
                            let case = case?;
                            part.take(&case);
                            if pooled {
                                part.pool(&case);
                            }
                        }
                    }
                    anyhow::Ok(part)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| bail!("a worker stopped")))
            .collect::<Result<Vec<_>>>()
    })?;
    let mut all = Measured::new("simulated people");
    for part in parts {
        all.pooled += part.pooled;
        for (mine, theirs) in [(&mut all.tallies, part.tallies), (&mut all.faulty, part.faulty)] {
            for ((_, mine), (_, theirs)) in mine.iter_mut().zip(theirs) {
                mine.add(theirs);
            }
        }
    }
    Ok(all)
}

/// Measures, prints, draws; `false` when targets were to be met and were not.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let extension = arguments.output.as_ref().and_then(|path| path.extension());
    if arguments.output.is_some() && extension.is_none_or(|extension| extension != "svg") {
        bail!("--output: only .svg is written");
    }
    let mut sets = Vec::new();
    let folder = arguments.oracle.clone().or_else(|| {
        let usual = PathBuf::from(ORACLE);
        usual.exists().then_some(usual)
    });
    match folder {
        Some(folder) => {
            let mut oracle = Measured::new("oracle/sim");
            for case in oracle::cases(&folder)? {
                oracle.take(&case);
                oracle.pool(&case);
            }
            sets.push(oracle);
        }
        None => println!("no oracle: {ORACLE} is not there"),
    }
    if arguments.people > 0 {
        let begun = Instant::now();
        sets.push(simulated(arguments.people, arguments.days, arguments.seed, true)?);
        println!(
            "simulated: {} people, {} days, seed {}; made, judged and scored in {:.1} s",
            arguments.people,
            arguments.days,
            arguments.seed,
            begun.elapsed().as_secs_f64()
        );
    }
    println!("{}\n", machine::describe());
    let mut met = true;
    for set in &sets {
        print(set);
        met &= targets(set);
        println!();
    }
    if let Some(path) = &arguments.output {
        let caption = format!(
            "{} people of the simulator for {} days (seed {}); commit {}",
            arguments.people,
            arguments.days,
            arguments.seed,
            machine::commit()
        );
        std::fs::write(path, plot::svg(&sets, &caption)).with_context(|| path.display().to_string())?;
        println!("plot: {}", path.display());
    }
    Ok(met || !arguments.assert)
}

/// One table, a column a judge.
fn print(set: &Measured) {
    let own = set.of(Judge::Homeward);
    println!("## {}: {:.1} wearer-days", set.name, own.days);
    row("", &set.tallies, |judge, _| judge.name().to_owned());
    row("false exclusion entries, a wearer-day", &set.tallies, |_, tally| {
        rate(tally.entries.hits, tally.days)
    });
    row("false home exits, a wearer-day", &set.tallies, |_, tally| {
        rate(tally.exits.hits, tally.days)
    });
    row("  well inside: count", &set.tallies, |_, tally| {
        tally.exits_well_inside.to_string()
    });
    row(
        &format!("  a wearer-month ({:.2} months at home)", own.home_days / 30.0),
        &set.tallies,
        |_, tally| {
            tally
                .exits_per_month()
                .map_or("-".to_owned(), |rate| format!("{rate:.2}"))
        },
    );
    row("told: entries + home exits", &set.tallies, |_, tally| {
        format!("{} + {}", tally.entries.all, tally.exits.all)
    });
    row("visits of 2 min or more found", &set.tallies, |_, tally| {
        percent(tally.visits)
    });
    row("  under open sky", &set.tallies, |_, tally| percent(tally.open_visits));
    row("  and 10 m deep", &set.tallies, |_, tally| {
        percent(tally.open_deep_visits)
    });
    row("absences of 2 min or more found", &set.tallies, |_, tally| {
        percent(tally.absences)
    });
    row("entry delay, s: p50 / p95", &set.tallies, |_, tally| {
        pair(&tally.visit_delays.seconds)
    });
    row("  intervals: p50 / p95", &set.tallies, |_, tally| {
        pair(&tally.visit_delays.intervals)
    });
    row("home exit delay, s: p50 / p95", &set.tallies, |_, tally| {
        pair(&tally.absence_delays.seconds)
    });
    row("  intervals: p50 / p95", &set.tallies, |_, tally| {
        pair(&tally.absence_delays.intervals)
    });
    row("told again during a violation", &set.tallies, |_, tally| {
        tally.repeated.to_string()
    });
    println!(
        "Homeward: {} claims withdrawn after late reports; {} possible crossings told, {} of them true; {} violations without a fix",
        own.withdrawn, own.crossings.all, own.crossings.hits, own.unseen
    );
    println!("Stated probability: true as told; exclusion entries pooled over operating points");
    for (index, low) in BINS.iter().enumerate() {
        let high = BINS.get(index + 1).copied().unwrap_or(1.0);
        let of = |stated: &Stated| percent(stated.shares.get(index).copied().unwrap_or_default());
        println!(
            "  {low:.2} to {high:.2}: {:>20}{:>20}",
            of(&own.stated),
            of(&set.pooled)
        );
    }
    let faulty: f64 = set.faulty.first().map_or(0.0, |(_, tally)| tally.days);
    if faulty > 0.0 {
        row(
            &format!("faulty devices ({faulty:.0} days): false events"),
            &set.faulty,
            |_, tally| tally.false_events().to_string(),
        );
    }
}

/// Says of each target whether it is met.
fn targets(set: &Measured) -> bool {
    let (own, one, five) = (set.of(Judge::Homeward), set.of(Judge::One), set.of(Judge::Five));
    let month = own.exits_per_month().unwrap_or(0.0);
    let deep = own.open_deep_visits.ratio();
    let delay = quantile(&own.visit_delays.intervals, 0.5);
    let factor = one.false_events() as f64 / (own.false_events() as f64).max(1.0);
    let (recall, by_five) = (own.recall().unwrap_or(0.0), five.recall().unwrap_or(0.0));
    let stated = set.pooled.shares.get(TARGET_BIN).copied().unwrap_or_default();
    let (low, high) = stated.interval();
    let mut met = true;
    let mut say = |what: &str, value: String, is_met: bool| {
        met &= is_met;
        println!("  {} {what}: {value}", if is_met { "met   " } else { "MISSED" });
    };
    println!("Targets:");
    say(
        "false home exits a wearer-month, at most 1",
        format!("{month:.2}"),
        month <= 1.0,
    );
    say(
        "open-sky visits at least 10 m deep found, at least 99.5 %",
        format!(
            "{} (however deep: {})",
            percent(own.open_deep_visits),
            percent(own.open_visits)
        ),
        deep.is_none_or(|share| share >= 0.995),
    );
    say(
        "median delay of an entry, at most 1 interval",
        delay.map_or("-".to_owned(), |delay| format!("{delay:.0}")),
        delay.is_none_or(|delay| delay <= 1.0),
    );
    say(
        "false events, one-fix rule over Homeward, at least 20",
        format!("{factor:.1}"),
        factor >= 20.0,
    );
    say(
        "recall at least that of five in a row",
        format!("{:.2} % and {:.2} %", recall * 100.0, by_five * 100.0),
        recall >= by_five,
    );
    say(
        "of entries stated at 0.93 to 0.97 (pooled), 93 to 97 % true",
        format!(
            "{}; 95 % interval {:.1} to {:.1} %",
            percent(stated),
            low * 100.0,
            high * 100.0
        ),
        stated.ratio().is_some_and(|share| (0.93..=0.97).contains(&share)),
    );
    met
}

fn row(label: &str, tallies: &[(Judge, Tally)], cell: impl Fn(Judge, &Tally) -> String) {
    let cells: Vec<String> = tallies
        .iter()
        .map(|(judge, tally)| format!("{:>20}", cell(*judge, tally)))
        .collect();
    println!("{label:<42}{}", cells.join(""));
}

fn rate(count: u64, days: f64) -> String {
    format!("{:.4}", count as f64 / days.max(1e-9))
}

fn percent(share: Share) -> String {
    share.ratio().map_or("none".to_owned(), |ratio| {
        format!("{:.2} % of {}", ratio * 100.0, share.all)
    })
}

fn pair(values: &[f64]) -> String {
    match (quantile(values, 0.5), quantile(values, 0.95)) {
        (Some(p50), Some(p95)) => format!("{p50:.0} / {p95:.0}"),
        _ => "-".to_owned(),
    }
}

/// The value that a share of values do not exceed.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into the values"
)]
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = ((sorted.len() as f64 * share).ceil() as usize).max(1) - 1;
    sorted.get(rank).copied()
}
