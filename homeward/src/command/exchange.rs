//! `homeward export`, `import` and `wipe`: everything about a person or an agency (docs/exchange.md).

use std::{
    fs::{File, OpenOptions},
    io::{BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient, agency,
    audit::{self, Entry},
    authority,
    exchange::{self, Manifest, Subject},
    person, rules,
};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use prost::Message;
use proto::{PersonId, wire};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{agency::act, orders};
use crate::{
    cli::{
        exchange::{ExportCommand, ExportTo, ImportArgs, WipeCommand},
        people::MaybeBy,
    },
    config::Config,
};

pub async fn export(config: Config, command: ExportCommand) -> Result<()> {
    let (ExportCommand::Person { to, .. } | ExportCommand::Agency { to, .. }) = &command;
    free(to)?;
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let subject = match &command {
        ExportCommand::Person { person, .. } => of_person(&client, person).await?.0,
        ExportCommand::Agency { agency, .. } => of_agency(&client, agency).await?.0,
    };
    // An export of positions is a reading of them: no record, no export.
    let transaction = client.transaction().await.context("transaction")?;
    told(&transaction, &to.by, Some(subject)).await?;
    let entry = Entry {
        act: "export",
        table: subject.kind(),
        key: &subject.id().to_string(),
        detail: json!({ "format": exchange::FORMAT, "version": exchange::VERSION }),
    };
    audit::append(&transaction, &entry).await?;
    transaction.commit().await.context("commit")?;
    let transaction = client.transaction().await.context("transaction")?;
    let (mut output, partial) = create(to)?;
    let bar = bar("exported");
    let mut progress = |table: &str, rows: u64| {
        bar.set_message(table.to_owned());
        bar.inc(rows);
    };
    let done = exchange::export(&transaction, subject, &mut output, Some(decode), &mut progress).await;
    bar.finish_and_clear();
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            let _ = std::fs::remove_file(&partial);
            return Err(error).with_context(|| format!("export of {subject}"));
        }
    };
    let file = output.into_inner().map_err(std::io::IntoInnerError::into_error);
    file.and_then(|file| file.sync_all())
        .with_context(|| format!("cannot write {}", partial.display()))?;
    if partial != to.out {
        // Somebody else may have written it meanwhile.
        free(to)?;
        std::fs::rename(&partial, &to.out).with_context(|| format!("cannot write {}", to.out.display()))?;
    }
    let rows: u64 = done.tables.values().sum();
    println!(
        "{subject}: {rows} rows of {} tables, blake3 {}",
        done.tables.len(),
        done.blake3
    );
    Ok(())
}

pub async fn import(config: impl FnOnce() -> Result<Config>, arguments: ImportArgs) -> Result<()> {
    let path = &arguments.file;
    let place = || format!("{}", path.display());
    let manifest = exchange::check(open(path)?).with_context(place)?;
    if arguments.check {
        println!(
            "{}: whole, {} rows, blake3 {}",
            manifest.subject, manifest.rows, manifest.blake3
        );
        return Ok(());
    }
    let database = orders::connect(&config()?).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    told(&transaction, &arguments.by, None).await?;
    let bar = bar("imported");
    bar.set_length(manifest.rows);
    let mut progress = |table: &str, rows: u64| {
        bar.set_message(table.to_owned());
        bar.inc(rows);
    };
    let done = exchange::import(&transaction, open(path)?, &manifest, &mut progress).await;
    bar.finish_and_clear();
    let done = done.with_context(place)?;
    let people = people(&transaction, &manifest).await?;
    if arguments.publish {
        for person in &people {
            rules::publish(&transaction, *person, Timestamp::now()).await?;
        }
    }
    transaction.commit().await.context("commit")?;
    let written: u64 = done.written.values().sum();
    println!(
        "{}: {written} rows of {} tables were written",
        manifest.subject,
        done.written.len()
    );
    for (table, rows) in &done.kept {
        println!("{table}: {rows} rows that others refer to were there already, and stayed as they are");
    }
    if !arguments.publish {
        println!(
            "nobody is monitored by this: `homeward import --publish` publishes rules, `homeward rules set` does later"
        );
    }
    Ok(())
}

pub async fn wipe(config: Config, command: WipeCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    let (subject, name, confirm, by) = match &command {
        WipeCommand::Person { person, confirm, by } => {
            let (subject, name) = of_person(&transaction, person).await?;
            (subject, name, confirm, by)
        }
        WipeCommand::Agency { agency, confirm, by } => {
            let (subject, name) = of_agency(&transaction, agency).await?;
            (subject, name, confirm, by)
        }
    };
    if *confirm != name {
        bail!("--confirm {confirm:?} is not {name:?}: nothing was deleted");
    }
    told(&transaction, by, Some(subject)).await?;
    let bar = bar("deleted");
    let mut progress = |table: &str, rows: u64| {
        bar.set_message(table.to_owned());
        bar.inc(rows);
    };
    let done = exchange::wipe(&transaction, subject, &mut progress).await;
    bar.finish_and_clear();
    let done = done.with_context(|| format!("wiping {name}"))?;
    transaction.commit().await.context("commit")?;
    let rows: u64 = done.tables.values().sum();
    println!("{name}: {rows} rows of {} tables were deleted", done.tables.len());
    println!("the stream keeps its records until its own retention ends");
    Ok(())
}

/// Says who does it: a user who may, or whoever is at the command line. `subject`: what goes out or away; what comes in is in nobody's
/// branch yet.
async fn told(transaction: &impl GenericClient, by: &MaybeBy, subject: Option<Subject>) -> Result<()> {
    let Some(user) = act(transaction, by).await? else {
        audit::act_as(transaction, "command line").await?;
        return Ok(());
    };
    let allowed = match subject {
        Some(Subject::Person(id)) => {
            authority::of_person(transaction, &user, &authority::EXCHANGE, PersonId::new(id)).await
        }
        Some(Subject::Agency(id)) => {
            let path = agency::read(transaction, id).await?.path;
            authority::of_agency(&user, &authority::EXCHANGE_AGENCY, &path)
        }
        None => authority::role(&user, &authority::EXCHANGE_AGENCY),
    };
    allowed.context("--by")
}

async fn of_person(client: &impl GenericClient, text: &str) -> Result<(Subject, String)> {
    let found = match Uuid::try_parse(text) {
        Ok(id) => person::read(client, PersonId::new(id)).await?,
        Err(_) => orders::person(client, text).await?,
    };
    Ok((Subject::Person(found.person_id.uuid()), found.reference))
}

async fn of_agency(client: &impl GenericClient, text: &str) -> Result<(Subject, String)> {
    let found = match Uuid::try_parse(text) {
        Ok(id) => agency::read(client, id).await?,
        Err(_) => super::agency::found(client, text).await?,
    };
    Ok((Subject::Agency(found.agency_id), found.path))
}

async fn people(client: &impl GenericClient, manifest: &Manifest) -> Result<Vec<PersonId>> {
    const PEOPLE: &str = "SELECT p.person_id FROM person p
        JOIN agency a ON a.agency_id IN (p.police_agency_id, p.social_agency_id)
        JOIN agency root ON a.path <@ root.path WHERE root.agency_id = $1 GROUP BY 1 ORDER BY 1";
    Ok(match manifest.subject {
        Subject::Person(id) => vec![PersonId::new(id)],
        Subject::Agency(id) => {
            let found = client.query(PEOPLE, &[&id]).await?;
            found
                .iter()
                .map(|row| Ok(PersonId::new(row.try_get(0)?)))
                .collect::<Result<_>>()?
        }
    })
}

/// What an event's bytes say, as `homeward explain --json` and `replay` do.
fn decode(table: &str, column: &str, bytes: &[u8]) -> Option<Value> {
    match (table, column) {
        ("event", "payload") => serde_json::from_str(&engine::replay::line(&wire::Event::decode(bytes).ok()?)).ok(),
        _ => None,
    }
}

/// Refuses to write over a file that is there. Devices such as /dev/stdout are written to.
fn free(to: &ExportTo) -> Result<()> {
    if !to.force && to.out.is_file() {
        bail!(
            "{} is there already: name another file, or say --force",
            to.out.display()
        );
    }
    Ok(())
}

/// Begins the file beside its place, readable by its owner alone.
fn create(to: &ExportTo) -> Result<(BufWriter<File>, PathBuf)> {
    let mut name = to.out.file_name().context("--out needs a file name")?.to_owned();
    name.push(".partial");
    let direct = to.out.exists() && !to.out.is_file();
    let partial = if direct {
        to.out.clone()
    } else {
        to.out.with_file_name(name)
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    writer.flush()?;
    Ok((writer, partial))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

/// Progress on standard error, if that is a terminal.
fn bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{prefix} {human_pos} rows  {elapsed}  {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
