//! Files of ladders and rotas.

use std::{collections::BTreeSet, path::Path};

use alerts::{
    ladder::Step,
    roster::{Callee, Via},
    rota::{Crew, Day, Exception, Shift, Table},
};
use anyhow::{Context, Result, anyhow, bail};
use casedb::escalation::{DESK, NewLadder, OFFICERS, Plan, SUPERVISORS};
use jiff::{
    SignedDuration,
    civil::{Date, DateTime, Time},
};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderFile {
    #[serde(default)]
    pub ladders: Vec<LadderEntry>,
    #[serde(default)]
    pub assignments: Vec<AssignmentEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderEntry {
    pub name: String,
    #[serde(default = "once")]
    pub laps: u32,
    #[serde(default)]
    pub delay: SignedDuration,
    pub steps: Vec<StepEntry>,
}

impl LadderEntry {
    /// What is stored of it.
    pub const fn ladder<'a>(&self, steps: &'a [Step]) -> NewLadder<'a> {
        NewLadder {
            steps,
            laps: self.laps,
            delay: self.delay,
        }
    }
}

const fn once() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepEntry {
    user: Option<String>,
    rota: Option<String>,
    via: Vec<Via>,
    wait: SignedDuration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentEntry {
    pub ladder: String,
    pub unit: Option<String>,
    pub person: Option<String>,
    pub severity: Option<i16>,
    pub audience: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotaFile {
    pub name: String,
    time_zone: String,
    #[serde(default)]
    overlap: SignedDuration,
    #[serde(default)]
    holidays: BTreeSet<Date>,
    shifts: Vec<ShiftEntry>,
    #[serde(default)]
    holiday_shifts: Vec<ShiftEntry>,
    #[serde(default)]
    exceptions: Vec<ExceptionEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShiftEntry {
    days: Option<Vec<Day>>,
    from: Time,
    to: Time,
    crew: Option<Vec<String>>,
    turns: Option<Turns>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Turns {
    from: Date,
    days: u16,
    teams: Vec<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExceptionEntry {
    from: DateTime,
    to: DateTime,
    away: Option<String>,
    #[serde(default)]
    instead: Vec<String>,
}

/// Reads a file; what is wrong is named with its line.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    if path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
    {
        serde_json::from_str(&text).map_err(|error| anyhow!("{}: {error}", path.display()))
    } else {
        toml::from_str(&text)
            .map_err(|error| anyhow!("{}: {}", path.display(), error.to_string().trim().replace('\n', " ")))
    }
}

/// A user by the name to sign in, one who may be called.
fn user(plan: &Plan, name: &str) -> Result<Uuid> {
    let Some(member) = plan.members.values().find(|member| member.username == name) else {
        bail!(
            "there is no user {name:?}, or the account is disabled; people are named as they sign in (`homeward user add`)"
        );
    };
    if !member.handles() {
        bail!(
            "{name:?} handles no incidents (role {}): name a duty officer, a social worker or a supervisor",
            member.role.name()
        );
    }
    Ok(member.user_id)
}

/// A rota by its name; `console`, `officers` and `supervisors` are built in.
fn rota(plan: &Plan, name: &str) -> Result<Uuid> {
    let own = plan.rotas.iter().find(|(_, (own, _))| own == name).map(|(id, _)| *id);
    own.or(match name {
        "console" => Some(DESK),
        "officers" => Some(OFFICERS),
        "supervisors" => Some(SUPERVISORS),
        _ => None,
    })
    .ok_or_else(|| anyhow!("there is no rota {name:?}: store it first (`homeward rota set FILE`), or use console, officers or supervisors"))
}

/// A ladder's steps.
pub fn steps(plan: &Plan, entry: &LadderEntry) -> Result<Vec<Step>> {
    let mut steps = Vec::with_capacity(entry.steps.len());
    for (number, step) in (1..).zip(&entry.steps) {
        let place = || format!("ladder {:?}, step {number}", entry.name);
        let call = match (&step.user, &step.rota) {
            (Some(name), None) => Callee::User(user(plan, name).with_context(place)?),
            (None, Some(name)) => Callee::Rota(rota(plan, name).with_context(place)?),
            _ => bail!("{}: give either user or rota", place()),
        };
        steps.push(Step {
            call,
            via: step.via.clone(),
            wait: step.wait,
        });
    }
    Ok(steps)
}

/// A rota.
pub fn table(plan: &Plan, file: &RotaFile) -> Result<Table> {
    let people = |names: &[String]| names.iter().map(|name| user(plan, name)).collect::<Result<Vec<Uuid>>>();
    let shifts = |entries: &[ShiftEntry], what: &str| {
        let mut shifts = Vec::with_capacity(entries.len());
        for (number, entry) in (1..).zip(entries) {
            let place = || format!("rota {:?}, {what} {number}", file.name);
            let crew = match (&entry.crew, &entry.turns) {
                (Some(crew), None) => Crew::Fixed(people(crew).with_context(place)?),
                (None, Some(turns)) => Crew::Turns {
                    from: turns.from,
                    days: turns.days,
                    teams: turns
                        .teams
                        .iter()
                        .map(|team| people(team))
                        .collect::<Result<_>>()
                        .with_context(place)?,
                },
                _ => bail!("{}: give either crew or turns", place()),
            };
            shifts.push(Shift {
                days: entry.days.clone().unwrap_or_else(|| Day::ALL.to_vec()),
                from: entry.from,
                to: entry.to,
                crew,
            });
        }
        Ok(shifts)
    };
    let mut exceptions = Vec::with_capacity(file.exceptions.len());
    for (number, entry) in (1..).zip(&file.exceptions) {
        let place = || format!("rota {:?}, exception {number}", file.name);
        exceptions.push(Exception {
            from: entry.from,
            to: entry.to,
            away: entry
                .away
                .as_deref()
                .map(|name| user(plan, name))
                .transpose()
                .with_context(place)?,
            instead: people(&entry.instead).with_context(place)?,
        });
    }
    Ok(Table {
        rota: Uuid::nil(),
        time_zone: file.time_zone.clone(),
        overlap: file.overlap,
        shifts: shifts(&file.shifts, "shift")?,
        holidays: file.holidays.clone(),
        holiday_shifts: shifts(&file.holiday_shifts, "holiday shift")?,
        exceptions,
    })
}
