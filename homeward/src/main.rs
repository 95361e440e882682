//! Homeward: electronic monitoring, from device bytes to the duty officer's screen, in one binary.

#![expect(
    unreachable_pub,
    reason = "a binary has no outside; pub marks the interface of a module"
)]

mod cli;
mod command;
mod config;
mod roles;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            // The whole chain on one line: what was tried, and why it failed.
            eprintln!("homeward: {error:#}");
            ExitCode::FAILURE
        }
    }
}
