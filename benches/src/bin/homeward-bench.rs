//! Whole-system measurements of Homeward, on the real binary, real sockets, a real database.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use homeward_benches::pipeline;

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
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Pipeline(arguments) = Cli::parse().command;
    match pipeline::run(arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("homeward-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
