//! `homeward decode`: frames as hex lines in, JSON lines out.

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use codec::{Profile, Profiles, Protocol, decode::Lines};
use jiff::Timestamp;

pub fn run(protocol: &str, profile: Option<Arc<Profile>>) -> Result<ExitCode> {
    let input = std::io::stdin().lock();
    let mut output = BufWriter::new(std::io::stdout().lock());
    let Some(protocol) = Protocol::by_name(protocol) else {
        let known: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
        bail!("--protocol: {protocol:?} is none of {}", known.join(", "));
    };
    let profile = profile.unwrap_or_else(|| Profiles::builtin().default_for(protocol).clone());
    if profile.protocol() != Some(protocol) {
        let of = profile.protocol().map_or("nothing", Protocol::name);
        bail!(
            "--profile: {:?} is a profile of {of}, not of {protocol}",
            profile.name()
        );
    }
    Lines::with_profile(protocol, profile, Timestamp::now())
        .decode_all(input, &mut output)
        .context("decode")?;
    output.flush().context("standard output")?;
    Ok(ExitCode::SUCCESS)
}
