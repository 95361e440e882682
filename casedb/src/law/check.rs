//! Which rule of a profile an order breaks, and where that rule stands.

use jiff::{Timestamp, tz::TimeZone};

use super::{Authority, Level, Overdue, Profile, Step, months_after};
use crate::{
    Error, Refused,
    refused::list,
    user::{Branch, Role},
};

/// A rule said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule} (law profile {profile}: {source_of_rule})")]
pub struct Refusal {
    /// The profile.
    pub profile: String,
    /// What it asks, and what was found.
    pub rule: String,
    /// Where it stands.
    pub source_of_rule: String,
    /// The rule as a code; does not change between versions.
    pub code: &'static str,
    /// What it names.
    pub values: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(profile: &str, code: &'static str, rule: impl Into<String>, source: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            rule: rule.into(),
            source_of_rule: source.to_owned(),
            code,
            values: Vec::new(),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        let mut values = refusal.values;
        values.push(("profile", refusal.profile));
        values.push(("source", refusal.source_of_rule));
        let code = refusal.code;
        Refused { code, text, values }.into()
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Codes of grounds.
    pub grounds: &'a [String],
    /// Begin of the term.
    pub starts_at: Timestamp,
    /// First moment after it.
    pub ends_at: Timestamp,
}

/// Who approves, as far as rules look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approver {
    /// Their role.
    pub role: Role,
    /// Their agency's level.
    pub level: Option<Level>,
    /// Their agency's branch.
    pub branch: Branch,
    /// Their agency is one of the person's, or above one of them.
    pub responsible: bool,
}

impl Profile {
    /// Refuses a draft that the law does not know.
    pub fn check_draft(&self, asked: &Asked<'_>, zone: &TimeZone) -> Result<(), Error> {
        if asked.ends_at <= asked.starts_at {
            let text = format!(
                "order: the end {} is not after the start {}",
                asked.ends_at, asked.starts_at
            );
            return Err(Refused::new("term_backwards", text)
                .with("from", local(asked.starts_at, zone))
                .with("asked", local(asked.ends_at, zone))
                .into());
        }
        if !self.grounds.is_empty() {
            let known: Vec<_> = self.grounds.iter().map(|ground| ground.code.as_str()).collect();
            let (listed, names) = (list(known.iter().copied()), known.join(", "));
            let source = self.grounds.first().map_or(self.law.as_str(), |_| self.law.as_str());
            if asked.grounds.is_empty() {
                let rule = format!("an order needs a ground: one of {names}");
                let refusal = Refusal::new(&self.name, "ground_needed", rule, source);
                return Err(refusal.with("grounds", listed).into());
            }
            if let Some(other) = asked.grounds.iter().find(|code| !known.contains(&code.as_str())) {
                let rule = format!("{other:?} is no ground of this law; its grounds are {names}");
                let refusal = Refusal::new(&self.name, "ground_unknown", rule, source);
                return Err(refusal.with("ground", other).with("grounds", listed).into());
            }
        }
        let Some(term) = &self.term else { return Ok(()) };
        let latest = months_after(asked.starts_at, term.months, zone)?;
        if asked.ends_at > latest {
            let rule = format!(
                "a term is at most {} calendar months: from {} to {} at the latest, not {}",
                term.months,
                local(asked.starts_at, zone),
                local(latest, zone),
                local(asked.ends_at, zone)
            );
            return Err(Refusal::new(&self.name, "term_too_long", rule, &term.source)
                .with("months", term.months)
                .with("from", local(asked.starts_at, zone))
                .with("latest", local(latest, zone))
                .with("asked", local(asked.ends_at, zone))
                .into());
        }
        Ok(())
    }

    /// Refuses an extension from one end to another that is too long.
    pub fn check_extension(&self, from_end: Timestamp, to_end: Timestamp, zone: &TimeZone) -> Result<(), Error> {
        if to_end <= from_end {
            let (to, from) = (local(to_end, zone), local(from_end, zone));
            let text = format!("extension: {to} is not after the present end {from}");
            return Err(Refused::new("extension_backwards", text)
                .with("from", from)
                .with("asked", to)
                .into());
        }
        let Some(limit) = &self.extension else { return Ok(()) };
        let latest = months_after(from_end, limit.months, zone)?;
        if to_end > latest {
            let rule = format!(
                "an extension is at most {} calendar months: from {} to {} at the latest, not {}",
                limit.months,
                local(from_end, zone),
                local(latest, zone),
                local(to_end, zone)
            );
            return Err(Refusal::new(&self.name, "extension_too_long", rule, &limit.source)
                .with("months", limit.months)
                .with("from", local(from_end, zone))
                .with("latest", local(latest, zone))
                .with("asked", local(to_end, zone))
                .into());
        }
        Ok(())
    }

    /// Refuses an approver whom the law does not let decide. `made_it`: they themselves proposed what is to be approved.
    pub fn check_approver(&self, approver: &Approver, made_it: bool, court: Option<&str>) -> Result<(), Refusal> {
        let approval = &self.approval;
        let refusal = |code: &'static str, rule: String| Refusal::new(&self.name, code, rule, &approval.source);
        match (approval.authority, court) {
            (Authority::None, _) => {
                return Err(refusal(
                    "no_approval",
                    "orders of this profile need no approval".to_owned(),
                ));
            }
            (Authority::Court, None) => {
                let rule = "a judge orders it: name the court and the reference of its decision".to_owned();
                return Err(refusal("court_needed", rule));
            }
            (Authority::User, Some(_)) => {
                return Err(refusal("no_court", "a user approves, not a court".to_owned()));
            }
            (Authority::Court, Some(_)) | (Authority::User, None) => {}
        }
        if !approval.roles.contains(&approver.role) {
            let roles: Vec<_> = approval.roles.iter().map(|role| role.name()).collect();
            let rule = format!(
                "approval needs the role {}, not {}",
                roles.join(" or "),
                approver.role.name()
            );
            return Err(refusal("approver_role", rule)
                .with("roles", list(roles))
                .with("role", approver.role.name()));
        }
        if let Some(level) = approval.level
            && approver.level != Some(level)
        {
            let rule = format!(
                "approval needs an agency of level {level}, not {} (`homeward law level AGENCY {level}` sets an agency's)",
                approver.level.map_or("one without a level", Level::as_str)
            );
            return Err(refusal("approver_level", rule)
                .with("level", level)
                .with("found", approver.level.map_or("none", Level::as_str)));
        }
        if !approval.branches.is_empty() && !approval.branches.contains(&approver.branch) {
            let branches: Vec<_> = approval.branches.iter().map(|branch| branch.name()).collect();
            let rule = format!(
                "approval is for {}, not for {}",
                branches.join(" or "),
                approver.branch.name()
            );
            return Err(refusal("approver_branch", rule)
                .with("branches", list(branches))
                .with("branch", approver.branch.name()));
        }
        if !approver.responsible {
            let rule = "the approver's agency is not responsible for the person".to_owned();
            return Err(refusal("approver_elsewhere", rule));
        }
        // A court's decision is entered, not made: whoever proposed may enter it.
        if made_it && approval.authority == Authority::User {
            return Err(refusal("own_proposal", "who proposes does not approve".to_owned()));
        }
        Ok(())
    }

    /// Steps that are missing.
    pub fn missing<'a>(&'a self, done: &'a [Step]) -> impl Iterator<Item = &'a super::RequiredStep> {
        self.steps.iter().filter(|step| !done.contains(&step.code))
    }

    /// When the next review is due, counted from the beginning or from the last review.
    pub fn next_review(&self, from: Timestamp, zone: &TimeZone) -> Result<Option<Timestamp>, Error> {
        self.review
            .as_ref()
            .map(|review| months_after(from, review.months, zone))
            .transpose()
    }

    /// True when an order is not in force while a review of it is overdue.
    pub fn lapses(&self) -> bool {
        self.review
            .as_ref()
            .is_some_and(|review| review.overdue == Overdue::Lapses)
    }
}

/// A time for people to read, in a person's time zone.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::{profiles, require};

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Shanghai").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse::<jiff::civil::DateTime>()
            .unwrap()
            .to_zoned(zone())
            .unwrap()
            .timestamp()
    }

    fn draft(profile: &str, grounds: &[&str], from: &str, until: &str) -> Result<(), String> {
        let grounds: Vec<_> = grounds.iter().map(|code| (*code).to_owned()).collect();
        let asked = Asked {
            grounds: &grounds,
            starts_at: at(from),
            ends_at: at(until),
        };
        require(profile)
            .unwrap()
            .check_draft(&asked, &zone())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_profile_refuses_what_its_law_does_not_know() {
        draft("cn", &["left_area"], "2026-01-31T00:00", "2026-04-30T00:00").unwrap();
        for (refused, words) in [
            (
                draft("cn", &["left_area"], "2026-01-31T00:00", "2026-04-30T00:01"),
                "art. 29(2)",
            ),
            (
                draft("cn", &[], "2026-01-01T00:00", "2026-02-01T00:00"),
                "prohibition_order, left_area",
            ),
            (
                draft("cn", &["left_area", "mood"], "2026-01-01T00:00", "2026-02-01T00:00"),
                "\"mood\"",
            ),
            (
                draft("de-by", &["danger"], "2026-01-01T00:00", "2026-04-01T00:01"),
                "PAG art. 34(4)",
            ),
            (
                draft("de-by", &["left_area"], "2026-01-01T00:00", "2026-02-01T00:00"),
                "impending_danger",
            ),
            (
                draft("gb-ew", &[], "2026-01-01T00:00", "2026-02-01T00:00"),
                "immigration_bail",
            ),
            (
                draft("generic", &[], "2026-01-01T00:00", "2026-01-01T00:00"),
                "not after the start",
            ),
        ] {
            let refused = refused.unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
        draft("gb-ew", &["licence"], "2026-01-01T00:00", "2028-01-01T00:00").unwrap();
        draft("generic", &[], "2026-01-01T00:00", "2036-01-01T00:00").unwrap();
        let cn = require("cn").unwrap();
        cn.check_extension(at("2026-11-30T00:00"), at("2027-02-28T00:00"), &zone())
            .unwrap();
        assert!(
            cn.check_extension(at("2026-11-30T00:00"), at("2027-02-28T00:01"), &zone())
                .is_err()
        );
        assert!(
            cn.check_extension(at("2026-11-30T00:00"), at("2026-11-30T00:00"), &zone())
                .is_err()
        );
    }

    #[test]
    fn approval_needs_the_role_the_level_the_branch_and_another_person() {
        let head = Approver {
            role: Role::Supervisor,
            level: Some(Level::County),
            branch: Branch::SocialWork,
            responsible: true,
        };
        let cn = require("cn").unwrap();
        cn.check_approver(&head, false, None).unwrap();
        for (wrong, made_it, court, words) in [
            (
                Approver {
                    level: Some(Level::Township),
                    ..head
                },
                false,
                None,
                "level county, not township",
            ),
            (Approver { level: None, ..head }, false, None, "one without a level"),
            (
                Approver {
                    branch: Branch::Police,
                    ..head
                },
                false,
                None,
                "not for police",
            ),
            (
                Approver {
                    responsible: false,
                    ..head
                },
                false,
                None,
                "not responsible",
            ),
            (head, true, None, "who proposes does not approve"),
            (head, false, Some("Court"), "not a court"),
        ] {
            let refused = cn.check_approver(&wrong, made_it, court).unwrap_err().to_string();
            assert!(refused.contains(words) && refused.contains("art. 29(1)"), "{refused}");
        }
        // Every role is let in or refused as each profile says, and by nothing else.
        for profile in profiles() {
            for role in Role::ALL {
                let who = Approver { role, ..head };
                let court = (profile.approval.authority == Authority::Court).then_some("AG 1");
                assert_eq!(
                    profile.check_approver(&who, false, court).is_ok(),
                    profile.approval.roles.contains(&role),
                    "{} {role:?}",
                    profile.name
                );
            }
        }
        let bavaria = require("de-by").unwrap();
        let refused = bavaria.check_approver(&head, false, None).unwrap_err().to_string();
        assert!(
            refused.contains("name the court") && refused.contains("art. 34(1)"),
            "{refused}"
        );
    }
}
