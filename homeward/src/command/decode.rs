//! `homeward decode`: frames as hex lines in, JSON lines out.

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use codec::Protocol;
use jiff::Timestamp;

pub fn run(protocol: &str) -> Result<ExitCode> {
    let input = std::io::stdin().lock();
    let mut output = BufWriter::new(std::io::stdout().lock());
    let Some(protocol) = Protocol::by_name(protocol) else {
        let known: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
        bail!("--protocol: {protocol:?} is none of {}", known.join(", "));
    };
    codec::decode::decode_lines(protocol, Timestamp::now(), input, &mut output).context("decode")?;
    output.flush().context("standard output")?;
    Ok(ExitCode::SUCCESS)
}
