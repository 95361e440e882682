//! `homeward evidence`: everything about an incident, in an archive that proves itself.

use anyhow::{Result, bail};

use crate::{cli::audit::EvidenceArgs, config::Config};

pub async fn run(_config: Config, arguments: EvidenceArgs) -> Result<()> {
    bail!("evidence of incident {} cannot be written yet", arguments.incident)
}
