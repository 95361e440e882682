//! Whole-system measurements of Homeward, on the real binary, real sockets, a real database.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use homeward_benches::{backlog, chaos, connections, flood, pipeline, population, quality, queue, rolling, sealing};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts, so that a bench can say what was allocated; some nanoseconds an allocation.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// Measures Homeward as a whole. Every figure is printed with the machine, the commit and a reference of the same run.
#[derive(Debug, Parser)]
#[command(name = "homeward-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reports a second through the whole way: device frame, stream, engine, history, incident.
    Pipeline(pipeline::Arguments),
    /// Very many devices on one gateway: sessions, memory, acknowledgements.
    Connections(connections::Arguments),
    /// A process of devices, started by `connections`.
    #[command(hide = true)]
    ConnectionsPart(connections::PartArguments),
    /// Devices that behave, while very many connections send garbage.
    Flood(flood::Arguments),
    /// The garbage, started by `flood`.
    #[command(hide = true)]
    FloodPart(flood::PartArguments),
    /// What takes the garbage in the gateway's place, started by `flood`.
    #[command(hide = true)]
    FloodSink,
    /// Twelve hours of stored reports of every device at once, and live reports meanwhile.
    Backlog(backlog::Arguments),
    /// Two gateways on one port, restarted one after the other under load.
    Rolling(rolling::Arguments),
    /// Kills, pauses and a full disk under load: acknowledged reports against history.
    Chaos(chaos::Arguments),
    /// A very long queue: pages of the console, and new incidents on every open console.
    Queue(queue::Arguments),
    /// What it costs the history writer that every batch is sealed.
    Sealing(sealing::Arguments),
    /// The engine alone on a country's people: speed, memory, checkpoints.
    Population(population::Arguments),
    /// What officers are told against what is true: the engine beside simpler rules.
    Quality(quality::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Population(arguments) => population::run(&arguments, &heap),
        Command::Quality(arguments) => quality::run(&arguments),
        // What these have started ends with them, also when they are told to end.
        command => tokio::select! {
            outcome = run(command) => outcome,
            () = told_to_end() => Err(anyhow::anyhow!("told to end")),
        },
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("homeward-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Pipeline(arguments) => pipeline::run(arguments).await,
        Command::Connections(arguments) => connections::run(arguments).await,
        Command::ConnectionsPart(arguments) => connections::run_part(arguments).await,
        Command::Flood(arguments) => flood::run(arguments).await,
        Command::FloodPart(arguments) => flood::run_part(arguments).await,
        Command::FloodSink => flood::run_sink().await,
        Command::Backlog(arguments) => backlog::run(arguments).await,
        Command::Rolling(arguments) => rolling::run(arguments).await,
        Command::Chaos(arguments) => chaos::run(arguments).await,
        Command::Queue(arguments) => queue::run(arguments).await,
        Command::Sealing(arguments) => sealing::run(arguments).await,
        Command::Population(_) | Command::Quality(_) => Ok(true),
    }
}

async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn heap() -> population::Heap {
    let stats = ALLOCATOR.stats();
    let in_use = stats.bytes_allocated.saturating_sub(stats.bytes_deallocated);
    population::Heap {
        allocations: (stats.allocations + stats.reallocations) as u64,
        bytes: in_use as u64,
    }
}
