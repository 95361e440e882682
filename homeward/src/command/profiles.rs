//! `homeward profiles`: what models mean by their codes.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use codec::{Profile, Profiles, Protocol};

use super::table;
use crate::{cli::ProfilesCommand, config::Config};

/// The profiles that come with Homeward, and those of the directory in the settings.
pub fn load(config: &Config) -> Result<Profiles> {
    Ok(match config.gateway.profiles.as_str() {
        "" => Profiles::builtin().clone(),
        directory => Profiles::load(Path::new(directory))?,
    })
}

/// Finds a profile by its name or its file.
pub fn find(config: &Config, name: &str) -> Result<Arc<Profile>> {
    let profiles = load(config)?;
    if let Some(profile) = profiles.get(name) {
        return Ok(profile.clone());
    }
    let path = Path::new(name);
    if path.is_file() || name.contains('/') || path.extension().is_some() {
        return Ok(profiles.with_file(path)?.1);
    }
    let known: Vec<&str> = profiles.all().map(|profile| profile.name()).collect();
    bail!(
        "there is no profile {name:?}; name a file or one of {}",
        known.join(", ")
    )
}

pub fn run(config: &Config, command: Option<ProfilesCommand>) -> Result<ExitCode> {
    match command.unwrap_or(ProfilesCommand::List) {
        ProfilesCommand::List => say(&list(&load(config)?))?,
        ProfilesCommand::Show { name } => say(&find(config, &name)?.to_string())?,
        ProfilesCommand::Check { files } => return check(&load(config)?, &files),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints; a reader that has seen enough (`| head`) is no error.
fn say(text: &str) -> Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

fn list(profiles: &Profiles) -> String {
    let mut rows = vec![["NAME", "PROTOCOL", "DEFAULT", "EXTENDS", "FROM", "FOR"].map(str::to_owned)];
    rows.extend(profiles.all().map(|profile| {
        [
            profile.name(),
            profile.protocol().map_or("", Protocol::name),
            if profiles.is_default(profile) { "yes" } else { "" },
            profile.extends().unwrap_or_default(),
            if profile.is_builtin() {
                "Homeward"
            } else {
                profile.file()
            },
            profile.title(),
        ]
        .map(str::to_owned)
    }));
    table::aligned(&rows, "")
}

/// Checks each file; one may extend another of the same call.
fn check(profiles: &Profiles, files: &[PathBuf]) -> Result<ExitCode> {
    let mut known = profiles.clone();
    let mut wrong = 0;
    for file in files {
        match known.with_file(file) {
            Ok((with, profile)) => {
                known = with;
                say(&format!("{}: right; {}\n", file.display(), profile.summary()))?;
            }
            Err(error) => {
                wrong += 1;
                say(&format!("{error}\n"))?;
            }
        }
    }
    if wrong > 0 {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_a_default_for_each_protocol() {
        let text = list(Profiles::builtin());
        let defaults: Vec<&str> = text.lines().filter(|line| line.contains("  yes  ")).collect();
        assert_eq!(defaults.len(), Protocol::ALL.len(), "{text}");
        for (line, protocol) in defaults.iter().zip(["eelink", "gt06", "jt808", "native", "teltonika"]) {
            assert!(line.starts_with(&format!("{protocol}  ")), "{line}");
        }
    }
}
