//! `homeward law`: what laws ask of an order.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use casedb::{
    agency,
    law::{self, Authority, Level, Profile},
};

use super::{agency::from_above, orders, table};
use crate::{cli::law::LawCommand, config::Config};

pub async fn run(config: Config, command: LawCommand) -> Result<()> {
    let LawCommand::Level { agency, level, by } = command;
    let level: Level = level.parse()?;
    let mut client = orders::connect(&config).await?.client().await?;
    let transaction = client.transaction().await.context("transaction")?;
    from_above(&transaction, &by, &agency).await?;
    if !agency::set_level(&transaction, &agency, level).await? {
        bail!("there is no agency {agency:?}; paths are like demo.social");
    }
    transaction.commit().await.context("commit")?;
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

/// A profile: each rule, below it its source and what it was held against; then the texts.
fn text(profile: &Profile) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut rule = |what: &str, says: String, source: &str, held: &str| {
        rows.push([what.to_owned(), says]);
        if !held.is_empty() {
            rows.push([String::new(), format!("{source} [{}]", profile.held_against(held))]);
        }
    };
    if profile.grounds.is_empty() {
        rule("grounds", "any, in words".to_owned(), "", "");
    }
    for ground in &profile.grounds {
        let says = format!("{}: {}", ground.code, ground.text);
        rule("ground", says, &ground.source, &ground.held);
    }
    let approval = &profile.approval;
    rule("approval", who_approves(approval), &approval.source, &approval.held);
    for (what, limit) in [("term", &profile.term), ("extension", &profile.extension)] {
        match limit {
            Some(limit) => {
                let says = format!("at most {} calendar months", limit.months);
                rule(what, says, &limit.source, &limit.held);
            }
            None => rule(what, "no limit".to_owned(), "", ""),
        }
    }
    for (what, steps) in [
        ("step", &profile.steps),
        ("step of an extension", &profile.extension_steps),
    ] {
        for step in steps {
            rule(what, format!("{} to {}", step.code, step.to), &step.source, &step.held);
        }
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
        rule("review", says, &review.source, &review.held);
    }
    let location = &profile.location;
    rule("location", location.scope.to_string(), &location.source, &location.held);
    if let Some(retention) = profile.retention() {
        let says = format!("deleted {} months after the end", retention.after_end.get_months());
        rule("retention", says, &retention.source, &retention.held);
    }
    for duty in &profile.duties {
        let says = format!("{}; here: {}", duty.text, duty.kept);
        rule(&format!("duty ({})", duty.code), says, &duty.source, &duty.held);
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
        let above = if tier.above {
            " of an agency above those of the person"
        } else {
            ""
        };
        let told = if tier.told { ", or as told" } else { "" };
        let says = format!("{days}: by a {}{level}{above}{told}", roles.join(" or "));
        rule("leave", says, &tier.source, &tier.held);
    }
    let mut shown = format!(
        "{}: {}\n{}\n\n{}",
        profile.name,
        profile.title,
        profile.law,
        table::aligned(&rows, "  ")
    );
    if !profile.texts.is_empty() {
        shown.push_str("\nheld against, by engineers; no lawyer has read it:\n");
    }
    for text in &profile.texts {
        let _ = writeln!(
            shown,
            "  \"{}\", read {}: {}\n    {}",
            text.id, text.read, text.title, text.copy
        );
    }
    shown
}

fn who_approves(approval: &law::Approval) -> String {
    let roles: Vec<_> = approval.roles.iter().map(|role| role.name()).collect();
    let roles = roles.join(" or ");
    let level = approval
        .level
        .map_or_else(String::new, |level| format!(" of an agency of level {level}"));
    let branches: Vec<_> = approval.branches.iter().map(|branch| branch.name()).collect();
    let branches = if branches.is_empty() {
        String::new()
    } else {
        format!(" ({})", branches.join(" or "))
    };
    match approval.authority {
        Authority::None => "none".to_owned(),
        Authority::User => format!("by a {roles}{level}{branches}, not by who proposes"),
        Authority::Court => format!("by a court; entered by a {roles}{level}{branches}"),
    }
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
            "step of an extension",
            "[\"law\", read 2026-11-22]",
            "[\"practice\", read 2026-11-22]",
            "LawRefBook",
            "here: a review with the outcome end",
        ] {
            assert!(china.contains(words), "{words}: {china}");
        }
        for profile in law::profiles() {
            let shown = text(profile);
            assert!(!shown.contains("unknown: "), "{shown}");
        }
        let generic = text(law::require("generic").unwrap());
        assert!(generic.contains("a choice, no law asks it"), "{generic}");
        let bavaria = text(law::require("de-by").unwrap());
        assert!(bavaria.contains("deleted 2 months after the end") && bavaria.contains("presence_in_dwelling"));
    }
}
