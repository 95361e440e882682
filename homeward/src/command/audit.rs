//! `homeward audit …` and `homeward verify-audit`.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use casedb::{
    Database,
    audit::{
        self, Entry, export,
        key::{Key, PublicKey},
        root,
        sealer::{self, Signer},
        verify::{self, Progress, Report, Trust},
    },
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cli::audit::{AuditCommand, VerifyAuditArgs},
    config::Config,
};

/// The key of the settings; `None` where none is set.
pub fn configured_key(config: &Config) -> Result<Option<Key>> {
    if config.audit.key_file.is_empty() {
        return Ok(None);
    }
    Ok(Some(Key::read(Path::new(&config.audit.key_file))?))
}

/// The file of the settings to which roots are added; `None` where none is set.
pub fn anchor_file(config: &Config) -> Option<PathBuf> {
    (!config.audit.anchor_file.is_empty()).then(|| PathBuf::from(&config.audit.anchor_file))
}

/// What signs by the settings; `None` where no key is set.
pub fn configured_signer(config: &Config) -> Result<Option<Signer>> {
    let anchor_file = anchor_file(config);
    Ok(configured_key(config)?.map(|key| Signer { key, anchor_file }))
}

pub async fn run(config: Config, command: AuditCommand) -> Result<()> {
    match command {
        AuditCommand::Key { out: Some(out), .. } => {
            let key = Key::generate();
            key.write(&out)?;
            println!("{}", key.public());
            eprintln!(
                "key {} is in {}; set audit.key_file (HOMEWARD_AUDIT_KEY_FILE) to it, keep a copy, and keep the line above where verifiers find it",
                key.public().id(),
                out.display()
            );
        }
        AuditCommand::Key { key, .. } => {
            let key = match key {
                Some(path) => Some(Key::read(&path)?),
                None => configured_key(&config)?,
            };
            let key = key.context("audit.key_file is not set, and no --key given")?;
            println!("{}", key.public());
        }
        AuditCommand::Sign => {
            let signer = configured_signer(&config)?
                .context("audit.key_file is not set; `homeward audit key --out FILE` makes a key")?;
            let database = connect(&config).await?;
            let sealed = sealer::seal_waiting(&database).await?;
            match signer.sign(&database).await? {
                Some(root) => println!(
                    "{sealed} entries chained; signed through entry {} with key {}",
                    root.through_id, root.key_id
                ),
                None => println!("everything is signed already"),
            }
        }
        AuditCommand::Export { file } => {
            let database = connect(&config).await?;
            sealer::seal_waiting(&database).await?;
            let out = File::create(&file).with_context(|| file.display().to_string())?;
            let mut out = BufWriter::new(out);
            let header = export::write(&database, &mut out).await?;
            out.flush().with_context(|| file.display().to_string())?;
            let client = database.client().await?;
            let entry = Entry {
                act: "export",
                table: "audit_entry",
                key: "",
                detail: serde_json::json!({"entries": header.entries}),
            };
            audit::append(&client, &entry).await?;
            println!("{} entries in {}", header.entries, file.display());
        }
    }
    Ok(())
}

async fn connect(config: &Config) -> Result<Database> {
    Database::connect(config.database_url()?, 2)
        .await
        .context("case database")
}

/// What is known from outside the database.
fn trust(config: &Config, arguments: &VerifyAuditArgs) -> Result<Trust> {
    let key = match &arguments.public_key {
        Some(given) => {
            let text = match PublicKey::parse(given) {
                Some(_) => given.clone(),
                None => std::fs::read_to_string(given).with_context(|| format!("public key {given:?}"))?,
            };
            Some(
                PublicKey::parse(&text)
                    .with_context(|| format!("{given:?} is no public key of 64 hexadecimal digits"))?,
            )
        }
        None => configured_key(config)?.map(|key| key.public()),
    };
    let configured = Path::new(&config.audit.anchor_file);
    let anchors = match &arguments.anchor {
        Some(path) => root::anchors(path)?,
        // Another database than that of the settings has other roots.
        None if arguments.export.is_none() && configured.is_file() => root::anchors(configured)?,
        None => Vec::new(),
    };
    Ok(Trust { key, anchors })
}

pub async fn verify(config: Config, arguments: VerifyAuditArgs) -> Result<ExitCode> {
    let trust = trust(&config, &arguments)?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg:<8} {bar:40} {pos} of {len}  {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut shown = |progress: Progress| {
        bar.set_message(progress.what);
        bar.set_length(progress.total.max(progress.done).unsigned_abs());
        bar.set_position(progress.done.unsigned_abs());
    };
    let report = match &arguments.export {
        Some(file) => {
            let input = File::open(file).with_context(|| file.display().to_string())?;
            verify::export(BufReader::new(input), &trust, &mut shown)?
        }
        None => verify::database(&connect(&config).await?, &trust, &mut shown).await?,
    };
    bar.finish_and_clear();
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report, arguments.export.is_some(), trust.anchors.len());
    }
    if report.entries == 0 && report.unsealed == 0 {
        bail!("there is no audit chain here: run `homeward migrate`");
    }
    Ok(if report.faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(report: &Report, export: bool, anchors: usize) {
    for fault in &report.faults {
        println!("{fault}");
    }
    let keys: Vec<_> = report.key_ids.iter().cloned().collect();
    println!(
        "{} entries, {} signed roots by {}",
        report.entries,
        report.roots,
        if keys.is_empty() {
            "nobody".to_owned()
        } else {
            format!("key {}", keys.join(", "))
        }
    );
    if !export {
        println!(
            "{} rows of record and {} rows of movement history compared",
            report.rows, report.history
        );
    }
    if report.roots == 0 {
        println!(
            "note: no state of the chain is signed (audit.key_file): whoever can write to the database could have made it anew"
        );
    } else if !report.key_is_trusted {
        println!("note: the keys are those that the roots themselves name; give --public-key to know who signed");
    }
    if report.unsigned > 0 && report.roots > 0 {
        println!(
            "note: the newest {} entries are not under a signed root yet",
            report.unsigned
        );
    }
    if report.unsealed > 0 {
        println!(
            "note: {} entries wait for the sealer, the oldest for {:.0} s; they are compared, but in no chain yet",
            report.unsealed, report.unsealed_s
        );
        if report.unsealed_s > 60.0 {
            println!("note: the sealer does not work: it runs in `homeward run` and `homeward history`");
        }
    }
    if anchors > 0 {
        println!("{anchors} roots kept outside compared");
    }
    match report.faults.len() {
        0 => println!("nothing was changed, removed or inserted"),
        1 => println!("1 fault"),
        many => println!("{many} faults"),
    }
}
