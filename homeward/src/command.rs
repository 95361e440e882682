//! The commands: each takes its arguments and the settings, and says how it went.

mod agency;
pub(crate) mod audit;
mod backtest;
mod breach;
pub(crate) mod capacity;
mod contract;
mod decode;
mod demo;
mod device;
mod escalation;
mod evaluate;
mod evidence;
mod exchange;
mod explain;
mod files;
mod holiday;
mod law;
mod leave;
mod notify;
mod order;
mod orders;
mod person;
pub(crate) mod profiles;
mod protect;
mod quarantine;
mod reading;
mod replay;
pub(crate) mod retention;
mod rules;
mod send;
mod simulate;
mod table;
mod user;
mod violation;
pub mod world;
mod zones;

use std::{future::Future, process::ExitCode};

use anyhow::{Context, Result};

use crate::{
    cli::{Cli, Command, ConsoleArgs, Settings, zones::ZonesCommand},
    config::{self, Config},
    roles::{self, Role},
    telemetry,
};

/// Runs a command.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let settings = &cli.settings;
    match cli.command {
        Command::Decode { protocol, profile } => {
            // Without a name, no settings are needed: frames can be read on any machine.
            let profile = profile
                .map(|name| profiles::find(&load(settings, None)?, &name))
                .transpose()?;
            return decode::run(&protocol, profile);
        }
        Command::Profiles { command } => return profiles::run(&load(settings, None)?, command),
        Command::Evaluate {
            zones,
            tracks,
            membership,
        } => return evaluate::run(&zones, &tracks, &membership),
        Command::Replay(arguments) => {
            if let Some(done) = replay::files(&arguments) {
                return done;
            }
            return block_on(replay::stored(load(settings, None)?, arguments));
        }
        Command::Backtest(arguments) => return block_on(backtest::run(load(settings, None)?, arguments)),
        Command::Explain(arguments) => block_on(explain::run(load(settings, None)?, arguments))?,
        Command::Quarantine { command } => block_on(quarantine::run(load(settings, None)?, command))?,
        Command::Zones { command } => {
            let config = load(settings, None)?;
            return match command {
                ZonesCommand::Import(arguments) => block_on(zones::import(config, *arguments)),
                ZonesCommand::Check {
                    source,
                    output,
                    refused_only,
                } => zones::check(&config, &source, output.as_deref(), refused_only),
            };
        }
        Command::Audit { command } => block_on(audit::run(load(settings, None)?, command))?,
        Command::VerifyAudit(arguments) => return block_on(audit::verify(load(settings, None)?, arguments)),
        Command::Evidence(arguments) => block_on(evidence::run(load(settings, None)?, arguments))?,
        Command::Config { defaults: true } => print!("{}", config::DEFAULTS),
        Command::Config { defaults: false } => {
            println!("{}", serde_json::to_string_pretty(&load(settings, None)?)?);
        }
        Command::Run(console) => serve(settings, Some(&console), &Role::ALL)?,
        Command::Gateway => serve(settings, None, &[Role::Gateway])?,
        Command::Geofence => serve(settings, None, &[Role::Geofence])?,
        Command::History => serve(settings, None, &[Role::History])?,
        Command::Alerts => serve(settings, None, &[Role::Alerts])?,
        Command::Console(console) => serve(settings, Some(&console), &[Role::Console])?,
        Command::Canary => {
            let config = load(settings, None)?;
            telemetry::log(&config.log)?;
            block_on(crate::canary::alone(config))?;
        }
        Command::Migrate { roles_sql: true } => {
            let config = load(settings, None)?;
            print!(
                "{}",
                casedb::access::roles_sql(&casedb::access::owner_of(config.database_url()?)?)
            );
        }
        Command::Migrate { roles_sql: false } => {
            let config = load(settings, None)?;
            block_on(migrate(config))?;
        }
        Command::Capacity { json, all } => return block_on(capacity::run(load(settings, None)?, json, all)),
        Command::User { command } => block_on(user::run(load(settings, None)?, command))?,
        Command::Agency { command } => block_on(agency::run(load(settings, None)?, command))?,
        Command::Contract { command } => block_on(contract::run(load(settings, None)?, command))?,
        Command::Person { command } => block_on(person::run(load(settings, None)?, command))?,
        Command::Violation { command } => block_on(violation::run(load(settings, None)?, command))?,
        Command::Export { command } => block_on(exchange::export(load(settings, None)?, command))?,
        Command::Import(arguments) => block_on(exchange::import(|| load(settings, None), arguments))?,
        Command::Wipe { command } => block_on(exchange::wipe(load(settings, None)?, command))?,
        Command::BreachPack(arguments) => block_on(breach::run(load(settings, None)?, arguments))?,
        Command::Device { command } => block_on(device::run(load(settings, None)?, command))?,
        Command::Instruct { command } => return block_on(send::run(load(settings, None)?, command)),
        Command::Rules { command } => block_on(rules::run(load(settings, None)?, command))?,
        Command::Leave { command } => block_on(leave::run(load(settings, None)?, command))?,
        Command::Retention { command } => block_on(retention::run(load(settings, None)?, command))?,
        Command::Hold { command } => block_on(retention::hold(load(settings, None)?, command))?,
        Command::Law(arguments) => match arguments.command {
            // The profiles are part of the program: no settings are needed to read them.
            None => law::show(arguments.name.as_deref())?,
            Some(command) => block_on(law::run(load(settings, None)?, command))?,
        },
        Command::Order { command } => block_on(order::run(load(settings, None)?, command))?,
        Command::Holiday { command } => block_on(holiday::run(load(settings, None)?, command))?,
        Command::Protect { command } => block_on(protect::run(load(settings, None)?, command))?,
        Command::Protocol(arguments) => block_on(escalation::protocol(load(settings, None)?, arguments))?,
        Command::Ladder { command } => block_on(escalation::ladder(load(settings, None)?, command))?,
        Command::Rota { command } => block_on(escalation::rota(load(settings, None)?, command))?,
        Command::Notify { command } => block_on(notify::run(load(settings, None)?, command))?,
        Command::Demo { command } => block_on(demo::run(load(settings, None)?, command))?,
        Command::Simulate(arguments) if arguments.list => simulate::list(),
        Command::Simulate(arguments) => {
            let config = load(settings, None)?;
            telemetry::log(&config.log)?;
            return block_on(simulate::run(config, arguments));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn load(settings: &Settings, console: Option<&ConsoleArgs>) -> Result<Config> {
    let mut flags = Vec::new();
    if let Some(stream) = &settings.stream {
        flags.push(("stream.address", stream.clone()));
    }
    if let Some(url) = &settings.database_url {
        flags.push(("database.url", url.clone()));
    }
    if let Some(basemap) = console.and_then(|console| console.basemap.as_ref()) {
        flags.push(("console.basemap", basemap.display().to_string()));
    }
    config::load(settings.config.as_deref(), std::env::vars(), &flags)
}

fn serve(settings: &Settings, console: Option<&ConsoleArgs>, roles: &[Role]) -> Result<()> {
    let config = load(settings, console)?;
    telemetry::log(&config.log)?;
    block_on(roles::run(config, roles))
}

async fn migrate(config: Config) -> Result<()> {
    let report = casedb::migrate(config.database_url()?, config.stream.partitions)
        .await
        .context("migrate")?;
    println!("case database: {}", report.edition);
    if report.applied.is_empty() {
        println!("the tables are up to date");
    }
    for applied in &report.applied {
        println!("applied {applied}");
    }
    println!("{}", report.access);
    if !report.access.holds() {
        println!("let the database's superuser run this once, then run `homeward migrate` again:");
        print!(
            "{}",
            casedb::access::roles_sql(&casedb::access::owner_of(config.database_url()?)?)
        );
    }
    Ok(())
}

fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("runtime")?;
    let result = runtime.block_on(future);
    // Blocking work that ignores its shutdown must not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
