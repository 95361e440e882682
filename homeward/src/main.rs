//! Homeward: electronic monitoring, from device bytes to the duty officer's screen, in one binary.

#![expect(
    unreachable_pub,
    reason = "a binary has no outside; pub marks the interface of a module"
)]

mod canary;
mod cli;
mod command;
mod config;
mod roles;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    end_with_the_pipe();
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("homeward: {}", one_line(&error));
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads the output may stop (`| head`, a pager that is quit): then the command ends as one that a signal of the pipe has ended,
/// and not with a panic.
fn end_with_the_pipe() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>().map_or("", String::as_str);
        if text.starts_with("failed printing to stdout") && text.contains("Broken pipe") {
            std::process::exit(141);
        }
        before(info);
    }));
}

/// A refusal of the database without the row that it refused, which may hold names, places, hashes of passwords.
fn without_row(text: &str) -> String {
    match text.split_once("DETAIL: Failing row contains") {
        Some((told, _)) => told.trim_end().to_owned(),
        None => text.to_owned(),
    }
}

/// The whole chain on one line: what was tried, and why it failed. A cause that the text before ends with is not repeated.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = without_row(&cause.to_string());
        if line.is_empty() {
            line = text;
        } else if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_row_is_not_told() {
        let error =
            anyhow::anyhow!("db error: ERROR: no\nDETAIL: Failing row contains (kim, $argon2id$).").context("commit");
        assert_eq!(one_line(&error), "commit: db error: ERROR: no");
        let error = anyhow::anyhow!("DETAIL: Key (reference)=(K-1) already exists.");
        assert!(one_line(&error).contains("K-1"));
    }
}
