//! `homeward law`: what laws ask of an order.

use anyhow::{Result, bail};
use casedb::{
    agency,
    law::{self, Authority, Level, Profile},
};

use super::{orders, table};
use crate::{cli::law::LawCommand, config::Config};

pub async fn run(config: Config, command: LawCommand) -> Result<()> {
    let LawCommand::Level { agency, level } = command;
    let level: Level = level.parse()?;
    let client = orders::connect(&config).await?.client().await?;
    if !agency::set_level(&client, &agency, level).await? {
        bail!("there is no agency {agency:?}; paths are like demo.social");
    }
    println!("{agency}: {level}");
    Ok(())
}

/// Lists the profiles, or shows one.
pub fn show(name: Option<&str>) -> Result<()> {
    match name {
        Some(name) => print!("{}", text(law::require(name)?)),
        None => print!("{}", list()),
    }
    Ok(())
}

fn list() -> String {
    let mut rows = vec![["NAME", "FOR", "LAW"].map(str::to_owned)];
    rows.extend(
        law::profiles()
            .iter()
            .map(|profile| [profile.name.clone(), profile.title.clone(), profile.law.clone()]),
    );
    table::aligned(&rows, "")
}

/// A profile, a rule a line with its source.
fn text(profile: &Profile) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut rule = |what: &str, says: String, source: &str| rows.push([what.to_owned(), says, source.to_owned()]);
    if profile.grounds.is_empty() {
        rule("grounds", "any, in words".to_owned(), "");
    }
    for ground in &profile.grounds {
        rule("ground", format!("{}: {}", ground.code, ground.text), &ground.source);
    }
    let approval = &profile.approval;
    let roles: Vec<_> = approval.roles.iter().map(|role| role.name()).collect();
    let level = approval
        .level
        .map_or_else(String::new, |level| format!(" of an agency of level {level}"));
    let branches: Vec<_> = approval.branches.iter().map(|branch| branch.name()).collect();
    let branches = if branches.is_empty() {
        String::new()
    } else {
        format!(" ({})", branches.join(" or "))
    };
    let says = match approval.authority {
        Authority::None => "none".to_owned(),
        Authority::User => format!("by a {}{level}{branches}, not by who proposes", roles.join(" or ")),
        Authority::Court => format!("by a court; entered by a {}{level}{branches}", roles.join(" or ")),
    };
    rule("approval", says, &approval.source);
    for (what, limit) in [("term", &profile.term), ("extension", &profile.extension)] {
        match limit {
            Some(limit) => rule(what, format!("at most {} calendar months", limit.months), &limit.source),
            None => rule(what, "no limit".to_owned(), ""),
        }
    }
    for step in &profile.steps {
        rule("step", format!("{} to {}", step.code, step.to), &step.source);
    }
    if let Some(review) = &profile.review {
        let says = format!(
            "every {} calendar months; overdue: the order {}",
            review.months,
            match review.overdue {
                law::Overdue::Lapses => "is not in force until it is done",
                law::Overdue::Warns => "goes on",
            }
        );
        rule("review", says, &review.source);
    }
    rule("location", profile.location.scope.to_string(), &profile.location.source);
    if let Some(retention) = profile.retention() {
        let says = format!("deleted {} months after the end", retention.after_end.get_months());
        rule("retention", says, &retention.source);
    }
    let mut from = 1;
    for tier in &profile.leave_tiers {
        let roles: Vec<_> = tier.roles.iter().map(|role| role.name()).collect();
        let days = tier
            .up_to_days
            .map_or(format!("{from} days and more"), |days| format!("{from} to {days} days"));
        from = tier.up_to_days.map_or(from, |days| days + 1);
        let level = tier
            .level
            .map_or_else(String::new, |level| format!(" of an agency of level {level}"));
        let told = if tier.told { ", or as told" } else { "" };
        rule(
            "leave",
            format!("{days}: by a {}{level}{told}", roles.join(" or ")),
            &tier.source,
        );
    }
    format!(
        "{}: {}\n{}\n\n{}",
        profile.name,
        profile.title,
        profile.law,
        table::aligned(&rows, "  ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_shows_its_rules_with_their_sources() {
        assert_eq!(list().lines().count(), law::profiles().len() + 1);
        let china = text(law::require("cn").unwrap());
        assert_eq!(
            china
                .lines()
                .filter(|line| line.trim_start().starts_with("ground "))
                .count(),
            5
        );
        for words in [
            "at most 3 calendar months",
            "level county",
            "copy_sent to the people's procuratorate",
            "31 days and more",
        ] {
            assert!(china.contains(words), "{words}: {china}");
        }
        let bavaria = text(law::require("de-by").unwrap());
        assert!(bavaria.contains("deleted 2 months after the end") && bavaria.contains("presence_in_dwelling"));
    }
}
