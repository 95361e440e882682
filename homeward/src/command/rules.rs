//! `homeward rules …`: what is in force for a person, and changing it.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use casedb::{
    GenericClient, authority, calendar,
    change::{self, Change, What},
    leave::{self, Leave},
    order::{self, Order},
    person::{self as people, Person},
    protect,
    rules::{self, Settings, SettingsRevision},
    zone::{self, PersonZone, Schedule},
};
use jiff::{Timestamp, tz::TimeZone};
use proto::rules::OperatingPoints;
use serde_json::{Value, json};

use super::orders;
use crate::{
    cli::orders::{Moment, Point, RulesCommand, RulesSet},
    config::Config,
};

pub async fn run(config: Config, command: RulesCommand) -> Result<()> {
    let database = orders::connect(&config).await?;
    let mut client = database.client().await?;
    match command {
        RulesCommand::Show { person, json } => {
            let person = orders::person(&client, &person).await?;
            let shown = InForce::read(&client, person, Timestamp::now()).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&shown.json()?)?);
            } else {
                shown.print()?;
            }
        }
        RulesCommand::Set(set) => {
            let transaction = client.transaction().await.context("transaction")?;
            let said = self::set(&transaction, &set).await?;
            transaction.commit().await.context("commit")?;
            for line in said {
                println!("{line}");
            }
        }
        RulesCommand::History { person } => {
            let person = orders::person(&client, &person).await?;
            let settings = rules::settings_history(&client, person.person_id).await?;
            let changes = change::of_person(&client, person.person_id).await?;
            history(&settings, changes, &orders::time_zone(&person)?);
        }
    }
    Ok(())
}

/// Changes what was asked for; returns what to say.
async fn set(transaction: &impl GenericClient, set: &RulesSet) -> Result<Vec<String>> {
    let settings_given = set.exclusion_entry.is_some()
        || set.home_exit.is_some()
        || set.attendance.is_some()
        || set.grace.or(set.silence).or(set.late_return).or(set.interval).is_some();
    if !settings_given && set.calendar.is_none() && set.release.is_none() {
        bail!("nothing to change: give at least one of the settings, such as --home-exit 0.99 (see --help)");
    }
    let now = Timestamp::now();
    let person = orders::person(transaction, &set.person).await?;
    let author = orders::author_on(transaction, &set.by, &authority::RULES, person.person_id).await?;
    let order = order::in_force(transaction, person.person_id, now).await?;
    let mut said = Vec::new();
    if settings_given {
        let order_id = match (&order, set.every_order) {
            (_, true) => None,
            (Some(order), false) => Some(order.order_id),
            (None, false) => bail!(
                "{} has no order in force; --every-order changes what later orders start from",
                set.person
            ),
        };
        let before = rules::settings(transaction, person.person_id, order_id).await?;
        let new = with(&before, set);
        let revision = rules::change_settings(transaction, person.person_id, order_id, &new, Some(author)).await?;
        match revision {
            Some(revision) => said.push(format!("settings, revision {revision}:")),
            None => said.push("settings: nothing is different".to_owned()),
        }
        said.extend(new.differences(&before).into_iter().map(|line| format!("  {line}")));
    }
    if let Some(name) = &set.calendar {
        let calendar = if name == "none" {
            None
        } else {
            let found = calendar::by_name(transaction, name).await?;
            let cure = || format!("there is no calendar {name:?}; `homeward holiday add {name} DATE` makes it");
            Some((found.with_context(cure)?, name.as_str()))
        };
        people::go_by(transaction, person.person_id, calendar, author).await?;
        said.push(format!("holiday calendar: {name}"));
    }
    if let Some(release) = set.release {
        let Some(order) = &order else {
            bail!("{} has no order in force that could end", set.person);
        };
        let zone = orders::time_zone(&person)?;
        let ends_at = release_at(transaction, order, release, &zone, now).await?;
        let detail = format!("order {}: {ends_at}, was {}", order.order_id, order.ends_at);
        change::note(transaction, author, Some(person.person_id), What::Release, &detail).await?;
        said.push(format!("release: {}", orders::local(ends_at, &zone)));
    }
    let revision = rules::publish(transaction, person.person_id, now).await?;
    said.push(format!(
        "published as revision {revision} of the rules of {}",
        set.person
    ));
    Ok(said)
}

async fn release_at(
    transaction: &impl GenericClient,
    order: &Order,
    release: Moment,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Timestamp> {
    let local = match release {
        Moment::Local(local) => local,
        Moment::Instant(instant) => {
            if instant <= order.starts_at {
                bail!("release at {instant}: not after the order's start, {}", order.starts_at);
            }
            order::ends_to_come(transaction, order.order_id, instant, now).await?;
            order::end(transaction, order.order_id, instant).await?;
            return Ok(instant);
        }
    };
    Ok(order::release(transaction, order.order_id, local, zone, now).await?)
}

/// Settings with what was given on the command line.
fn with(before: &Settings, set: &RulesSet) -> Settings {
    let point = |given: Option<Point>, before: Option<f64>| given.map_or(before, |point| point.0);
    Settings {
        reporting_interval_s: set.interval.unwrap_or(before.reporting_interval_s),
        silence_after_s: set.silence.unwrap_or(before.silence_after_s),
        home_exit_grace_s: set.grace.unwrap_or(before.home_exit_grace_s),
        late_return_after_s: set.late_return.unwrap_or(before.late_return_after_s),
        points: OperatingPoints {
            exclusion_entry: point(set.exclusion_entry, before.points.exclusion_entry),
            home_exit: point(set.home_exit, before.points.home_exit),
            attendance: point(set.attendance, before.points.attendance),
        },
    }
}

fn history(revisions: &[SettingsRevision], changes: Vec<Change>, zone: &TimeZone) {
    let mut lines: Vec<(Timestamp, String)> = Vec::new();
    let mut before: HashMap<_, Settings> = HashMap::new();
    for kept in revisions {
        let who = kept.changed_by_name.as_deref().unwrap_or("the program");
        // Settings of an order follow those of before it, or what was said of every order then.
        let every = before.get(&None).copied().unwrap_or_default();
        let last = before.insert(kept.order_id, kept.settings).unwrap_or(every);
        let of = kept
            .order_id
            .map_or("every order".to_owned(), |order| format!("order {order}"));
        let what = kept.settings.differences(&last).join("; ");
        lines.push((
            kept.changed_at,
            format!("{who}  settings, revision {} ({of}): {what}", kept.revision),
        ));
    }
    for change in changes {
        let line = format!("{}  {}: {}", change.changed_by, change.what, change.detail);
        lines.push((change.changed_at, line));
    }
    lines.sort_by_key(|(at, _)| *at);
    if lines.is_empty() {
        println!("nothing was ever changed");
    }
    for (at, line) in lines {
        println!("{}  {line}", orders::local(at, zone));
    }
}

/// What is in force for a person.
struct InForce {
    person: Person,
    zone: TimeZone,
    order: Option<Order>,
    settings: Settings,
    calendar: Option<String>,
    zones: Vec<PersonZone>,
    leave: Vec<Leave>,
    proximities: Vec<protect::Proximity>,
    published: Option<u64>,
}

impl InForce {
    async fn read(client: &impl GenericClient, person: Person, now: Timestamp) -> Result<Self> {
        let id = person.person_id;
        let order = order::in_force(client, id, now).await?;
        Ok(Self {
            zone: orders::time_zone(&person)?,
            settings: rules::settings(client, id, order.as_ref().map(|order| order.order_id)).await?,
            calendar: rules::calendar_of(client, id).await?.map(|(_, name)| name),
            zones: zone::of_person(client, id).await?,
            leave: leave::of_person(client, id, now).await?,
            proximities: protect::of_person(client, id, false).await?,
            published: rules::published(client, id).await?.map(|rules| rules.revision),
            person,
            order,
        })
    }

    fn json(&self) -> Result<Value> {
        let schedule = |schedule: &Option<Schedule>| schedule.as_ref().map(Schedule::to_json).transpose();
        let zones = self.zones.iter().map(|zone| {
            Ok(json!({
                "zone_id": zone.zone.zone_id.to_string(), "revision": zone.revision, "label": zone.zone.label,
                "kind": zone.zone.kind, "audience": zone.zone.audience, "buffer_m": zone.shape.buffer_m,
                "attendance": zone.attendance, "schedule": schedule(&zone.schedule)?,
            }))
        });
        let proximities = self.proximities.iter().map(|proximity| {
            Ok(json!({
                "zone_id": proximity.proximity_id.to_string(), "revision": proximity.revision,
                "protected_id": proximity.protected_id.to_string(), "distance_m": proximity.terms.distance_m,
                "buffer_m": proximity.terms.buffer_m, "schedule": schedule(&proximity.terms.schedule)?,
            }))
        });
        let points = rules::points(&self.settings.points);
        Ok(json!({
            "person_id": self.person.person_id.to_string(),
            "reference": self.person.reference,
            "time_zone": self.person.time_zone,
            "rules_revision": self.published,
            "order": self.order.as_ref().map(|order| json!({
                "order_id": order.order_id.to_string(), "legal_basis": order.legal_basis,
                "starts_at": order.starts_at, "release_at": order.valid_until(),
            })),
            "reporting_interval_s": self.settings.reporting_interval_s,
            "silence_after_s": self.settings.silence_after_s,
            "home_exit_grace_s": self.settings.home_exit_grace_s,
            "late_return_after_s": self.settings.late_return_after_s,
            "operating_points": points.into_iter().map(|(name, value, _)| (name.to_owned(), json!(value)))
                .collect::<serde_json::Map<_, _>>(),
            "holiday_calendar": self.calendar,
            "zones": zones.collect::<Result<Vec<_>>>()?,
            "leave": self.leave.iter().filter(|leave| leave.withdrawn_at.is_none()).map(|leave| json!({
                "leave_id": leave.leave_id, "starts_at": leave.starts_at, "ends_at": leave.ends_at, "reason": leave.reason,
                "approved_by": leave.approved_by,
                "zones": leave.zones.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "proximities": proximities.collect::<Result<Vec<_>>>()?,
        }))
    }

    fn print(&self) -> Result<()> {
        let local = |at| orders::local(at, &self.zone);
        println!("{}  ({})", self.person.reference, self.person.time_zone);
        match &self.order {
            Some(order) => println!(
                "order {}: {}; since {}, release {}",
                order.order_id,
                order.legal_basis,
                local(order.starts_at),
                local(order.valid_until())
            ),
            None => println!("no order in force: not monitored"),
        }
        match self.published {
            Some(revision) => println!("rules published as revision {revision}"),
            None => println!("rules not published yet"),
        }
        for (name, value, limits) in rules::points(&self.settings.points) {
            let value = value.map_or("default".to_owned(), |value| value.to_string());
            println!("{name}: {value} (may be {} to {})", limits.least, limits.most);
        }
        println!("grace outside during curfew: {} s", self.settings.home_exit_grace_s);
        println!("silence after: {} s", self.settings.silence_after_s);
        println!("late return within: {} s", self.settings.late_return_after_s);
        println!("reporting interval: {} s", self.settings.reporting_interval_s);
        println!("holiday calendar: {}", self.calendar.as_deref().unwrap_or("none"));
        for zone in &self.zones {
            println!(
                "zone {} {:?}: {}{}, revision {}, {}",
                zone.zone.zone_id,
                zone.zone.label,
                zone.zone.kind,
                if zone.attendance { " (attendance)" } else { "" },
                zone.revision,
                when(zone.schedule.as_ref())?
            );
        }
        for leave in self.leave.iter().filter(|leave| leave.withdrawn_at.is_none()) {
            println!("leave {}", super::leave::line(leave, &self.zone));
        }
        for proximity in &self.proximities {
            println!(
                "keep {} m away from protected person {} (warning {} m farther out), {}",
                proximity.terms.distance_m,
                proximity.protected_id,
                proximity.terms.buffer_m,
                when(proximity.terms.schedule.as_ref())?
            );
        }
        Ok(())
    }
}

/// A schedule on one line.
fn when(schedule: Option<&Schedule>) -> Result<String> {
    Ok(match schedule {
        Some(schedule) => schedule.to_json()?.to_string(),
        None => "always".to_owned(),
    })
}
