//! Law profiles: what a law asks of an order, as data (`casedb/law/*.toml`), with the source of each rule.
//!
//! Pure: nothing here reads a clock or the database. [`Profile::check_draft`] and its like say which rule an order breaks, and where
//! that rule stands; [`crate::order`] keeps the records and asks.

mod check;
pub(crate) mod database;
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
    /// What the rule was held against: the id of one of the profile's texts, `memory` or `choice`.
    pub held: String,
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
    /// What the rule was held against: the id of one of the profile's texts, `memory` or `choice`.
    pub held: String,
}

/// A limit in calendar months.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Months {
    /// At most so many.
    pub months: u8,
    /// Where it stands.
    pub source: String,
    /// What the rule was held against: the id of one of the profile's texts, `memory` or `choice`.
    pub held: String,
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
    /// What the rule was held against: the id of one of the profile's texts, `memory` or `choice`.
    pub held: String,
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
    /// What the rule was held against: the id of one of the profile's texts, `memory` or `choice`.
    pub held: String,
}

/// What may be kept of where the person is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// How much.
    pub scope: LocationScope,
    /// Where it stands.
    pub source: String,
    /// What the rule was held against: the id of one of the profile's texts, `memory` or `choice`.
    pub held: String,
}

/// When movement history goes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
struct RetentionData {
    months_after_end: u8,
    source: String,
    held: String,
}

/// When movement history goes, by law.
#[derive(Debug, Clone)]
pub struct Retention {
    /// At the latest this long after the end of the measure.
    pub after_end: Span,
    /// Where it stands.
    pub source: String,
    /// What the rule was held against.
    pub held: String,
}

/// A text that rules were held against.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What rules call it.
    pub id: String,
    /// What it is, and how much of it was read.
    pub title: String,
    /// The copy that was read.
    pub copy: String,
    /// When.
    pub read: jiff::civil::Date,
}

/// Something that the law asks and that is no step, term or approval.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Duty {
    /// A word for it.
    pub code: String,
    /// For people to read.
    pub text: String,
    /// Where it stands.
    pub source: String,
    /// What the rule was held against.
    pub held: String,
    /// How the program keeps it, or that it does not.
    pub kept: String,
}

/// Of a rule whose text nobody has seen: `memory`.
pub const FROM_MEMORY: &str = "memory";
/// Of a rule that no law asks: `choice`.
pub const BY_CHOICE: &str = "choice";

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
    /// What its rules were held against.
    #[serde(default, rename = "text")]
    pub texts: Vec<Text>,
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
    /// Steps before an extension takes effect.
    #[serde(default, rename = "extension_step")]
    pub extension_steps: Vec<RequiredStep>,
    /// What else the law asks.
    #[serde(default, rename = "duty")]
    pub duties: Vec<Duty>,
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
            held: data.held.clone(),
        })
    }

    /// What may be kept of where the person is.
    pub const fn location_scope(&self) -> LocationScope {
        self.location.scope
    }

    /// Says what a rule was held against, for people to read.
    pub fn held_against(&self, held: &str) -> String {
        match held {
            FROM_MEMORY => "from memory, text not seen".to_owned(),
            BY_CHOICE => "a choice, no law asks it".to_owned(),
            id => self.texts.iter().find(|text| text.id == id).map_or_else(
                || format!("unknown: {id}"),
                |text| format!("\"{}\", read {}", text.id, text.read),
            ),
        }
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

/// Names of the profiles under which inside a dwelling no more is known than that the person is there.
pub(crate) fn presence_only() -> Vec<&'static str> {
    let profiles = PROFILES
        .iter()
        .filter(|profile| profile.location_scope() == LocationScope::PresenceInDwelling);
    profiles.map(|profile| profile.name.as_str()).collect()
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
