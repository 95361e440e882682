//! `homeward evidence`: everything about an incident, in an archive that proves itself.

use std::fs;

use alerts::Locale;
use anyhow::{Context, Result, bail};
use casedb::{
    Database,
    audit::sealer::Signer,
    authority,
    evidence::{self, Asked},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{audit::configured_signer, reading::Reader};
use crate::{cli::audit::EvidenceArgs, config::Config};

pub async fn run(config: Config, arguments: EvidenceArgs) -> Result<()> {
    if arguments.out.exists() {
        bail!("{} is there already", arguments.out.display());
    }
    let signer = configured_signer(&config)?;
    let database = Database::connect(config.database_url()?, 3)
        .await
        .context("case database")?;
    let client = database.client().await?;
    let reader = Reader::of(&client, &arguments.reading, &authority::EVIDENCE).await?;
    let text = arguments.incident.trim();
    let incident_id = match text.parse::<Uuid>() {
        Ok(id) => Some(id),
        Err(_) => match text.trim_start_matches('#').parse::<i64>() {
            Ok(number) => evidence::by_number(&client, number).await?,
            Err(_) => bail!("{text:?} is neither the number nor the id of an incident"),
        },
    };
    drop(client);
    let locale = arguments.locale.as_deref().unwrap_or(&reader.user().locale);
    let asked = Asked {
        user: reader.user(),
        incident_id: incident_id
            .with_context(|| format!("there is no incident {text}, or this user does not see it"))?,
        purpose: reader.purpose(),
        case_number: reader.case_number(),
        locale: locale.parse::<Locale>().unwrap_or_default(),
        now: Timestamp::now(),
    };
    let found = evidence::gather(&database, &asked, signer.as_ref()).await?;
    let found = found.with_context(|| format!("there is no incident {text}, or this user does not see it"))?;
    let archive = found.archive(signer.as_ref().map(|signer| &signer.key))?;
    fs::write(&arguments.out, &archive).with_context(|| arguments.out.display().to_string())?;
    println!(
        "evidence of incident {} is in {}",
        found.number,
        arguments.out.display()
    );
    match signer {
        Some(Signer { key, .. }) => println!(
            "signed with key {}; verify with: python3 docs/verify/homeward-verify.py {} --public-key {}",
            key.public().id(),
            arguments.out.display(),
            key.public().to_string().rsplit(' ').next().unwrap_or_default()
        ),
        None => println!("not signed: audit.key_file is not set"),
    }
    Ok(())
}
