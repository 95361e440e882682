//! Law profiles: what a law asks of an order, as data (`casedb/law/*.toml`), with the source of each rule.
//!
//! Pure: nothing here reads a clock or the database. [`Profile::check_draft`] and its like say which rule an order breaks, and where
//! that rule stands; [`crate::order`] keeps the records and asks.

mod check;
mod leave;
mod read;
mod term;
pub mod warn;

use std::sync::LazyLock;

use jiff::Span;

pub(crate) use check::local;
pub use check::{Approver, Asked, Refusal};
pub use leave::{LeaveTier, leave_days};
pub use read::ProfileError;
pub use term::{last_day, months_after};

use crate::{text::words, user::Role};

words! {
    /// Where an agency stands in the administration of its country.
    Level, "level of an agency", {
        /// The whole country.
        National = "national",
        /// A province or state.
        Province = "province",
        /// A city or prefecture: above counties.
        City = "city",
        /// A county or district.
        County = "county",
        /// A township or neighbourhood.
        Township = "township",
    }
}

words! {
    /// Who decides on an order.
    Authority, "authority", {
        /// Nobody whom the program knows of.
        None = "none",
        /// A user with a certain role in a certain agency.
        User = "user",
        /// A court; a user enters its decision.
        Court = "court",
    }
}

words! {
    /// What may be kept of where a person is.
    LocationScope, "scope of location", {
        /// Every position.
        Everywhere = "everywhere",
        /// Inside the dwelling no more than that the person is there.
        PresenceInDwelling = "presence_in_dwelling",
    }
}

words! {
    /// What becomes of an order whose review is overdue.
    Overdue, "consequence of an overdue review", {
        /// It is not in force until the review is done.
        Lapses = "lapses",
        /// It goes on; the review is overdue.
        Warns = "warns",
    }
}

words! {
    /// A step that must be on record before an order takes effect.
    Step, "step", {
        /// The written notice, signed by the person.
        NoticeSigned = "notice_signed",
        /// The written notice, given to the person.
        NoticeGiven = "notice_given",
        /// A copy, sent to who supervises the measure.
        CopySent = "copy_sent",
        /// The written order, handed to the person.
        WrittenOrder = "written_order",
    }
}

/// A reason for an order that the law knows.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// The word in the database.
    pub code: String,
    /// For people to read.
    pub text: String,
    /// The same in Chinese.
    #[serde(default)]
    pub text_zh: String,
    /// Where it stands.
    pub source: String,
}

/// Who approves.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who decides.
    pub authority: Authority,
    /// Roles of the user who approves, or enters the court's decision.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// The level of that user's agency; `None`: any.
    pub level: Option<Level>,
    /// The branches of that user's agency; empty: any.
    #[serde(default)]
    pub branches: Vec<crate::user::Branch>,
    /// Where it stands.
    pub source: String,
}

/// A limit in calendar months.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Months {
    /// At most so many.
    pub months: u8,
    /// Where it stands.
    pub source: String,
}

/// A step that must be on record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequiredStep {
    /// Which.
    pub code: Step,
    /// To whom.
    pub to: String,
    /// The same in Chinese.
    #[serde(default)]
    pub to_zh: String,
    /// Where it stands.
    pub source: String,
}

/// Reviews at intervals.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reviews {
    /// From the beginning, and from each review, to the next.
    pub months: u8,
    /// What follows when one is missed.
    pub overdue: Overdue,
    /// Where it stands.
    pub source: String,
}

/// What may be kept of where the person is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// How much.
    pub scope: LocationScope,
    /// Where it stands.
    pub source: String,
}

/// When movement history goes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct RetentionData {
    months_after_end: u8,
    source: String,
}

/// When movement history goes, by law.
#[derive(Debug, Clone)]
pub struct Retention {
    /// At the latest this long after the end of the measure.
    pub after_end: Span,
    /// Where it stands.
    pub source: String,
}

/// What a law asks of an order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The word in the database.
    pub name: String,
    /// For people to read.
    pub title: String,
    /// The same in Chinese.
    #[serde(default)]
    pub title_zh: String,
    /// Which law.
    pub law: String,
    /// Its grounds; empty: any.
    #[serde(default, rename = "ground")]
    pub grounds: Vec<Ground>,
    /// Who approves.
    pub approval: Approval,
    /// The longest term; `None`: no limit.
    pub term: Option<Months>,
    /// The longest extension; `None`: no limit.
    pub extension: Option<Months>,
    /// Steps before it takes effect.
    #[serde(default, rename = "step")]
    pub steps: Vec<RequiredStep>,
    /// Reviews.
    pub review: Option<Reviews>,
    /// What may be kept of where the person is.
    pub location: Location,
    retention: Option<RetentionData>,
    /// Who approves leave, by its length, shortest first.
    #[serde(rename = "leave")]
    pub leave_tiers: Vec<LeaveTier>,
}

impl Profile {
    /// When movement history must go; `None`: the law names no time, the installation's setting holds.
    pub fn retention(&self) -> Option<Retention> {
        self.retention.as_ref().map(|data| Retention {
            after_end: Span::new().months(i64::from(data.months_after_end)),
            source: data.source.clone(),
        })
    }

    /// What may be kept of where the person is.
    pub const fn location_scope(&self) -> LocationScope {
        self.location.scope
    }

    /// True when an order takes effect without any record but itself.
    pub fn asks_nothing(&self) -> bool {
        self.approval.authority == Authority::None && self.steps.is_empty()
    }
}

/// The files.
const FILES: [(&str, &str); 4] = [
    ("generic.toml", include_str!("../law/generic.toml")),
    ("cn.toml", include_str!("../law/cn.toml")),
    ("de-by.toml", include_str!("../law/de-by.toml")),
    ("gb-ew.toml", include_str!("../law/gb-ew.toml")),
];

static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    // A test reads every file: one that is wrong never gets this far.
    FILES
        .iter()
        .filter_map(|(file, text)| read::profile(file, text).ok())
        .collect()
});

/// Every profile.
pub fn profiles() -> &'static [Profile] {
    &PROFILES
}

/// Finds a profile by its name.
pub fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

/// Finds a profile, or says which there are.
pub fn require(name: &str) -> Result<&'static Profile, crate::Error> {
    profile(name).ok_or_else(|| {
        let names: Vec<_> = PROFILES.iter().map(|profile| profile.name.as_str()).collect();
        crate::Error::Input(format!(
            "there is no law profile {name:?}; there are {} (`homeward law` lists them)",
            names.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_read_in_both_languages() {
        let chinese = |text: &str| text.chars().any(|one| ('\u{4e00}'..='\u{9fff}').contains(&one));
        for profile in profiles() {
            assert!(chinese(&profile.title_zh), "{}", profile.name);
            for ground in &profile.grounds {
                assert!(chinese(&ground.text_zh), "{} {}", profile.name, ground.code);
            }
            for step in &profile.steps {
                assert!(chinese(&step.to_zh), "{} {}", profile.name, step.code);
            }
        }
    }

    #[test]
    fn every_file_is_right_and_names_the_source_of_each_rule() {
        for (file, text) in FILES {
            let profile = read::profile(file, text).unwrap();
            assert_eq!(format!("{}.toml", profile.name), file);
        }
        assert_eq!(profiles().len(), FILES.len());
        assert_eq!(require("cn").unwrap().grounds.len(), 5);
        assert!(
            require("moon")
                .unwrap_err()
                .to_string()
                .contains("generic, cn, de-by, gb-ew")
        );
        assert!(require("generic").unwrap().asks_nothing());
        assert!(!require("cn").unwrap().asks_nothing());
        let kept = require("de-by").unwrap().retention().unwrap();
        assert_eq!((kept.after_end.get_months(), kept.after_end.get_days()), (2, 0));
        assert_eq!(
            require("de-by").unwrap().location_scope(),
            LocationScope::PresenceInDwelling
        );
        assert!(require("cn").unwrap().retention().is_none());
    }
}
