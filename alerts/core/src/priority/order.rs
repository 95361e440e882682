//! What an order says of how urgent events are, and how far it may.
//!
//! An order makes a kind of event (or all) more or less urgent by steps, or fixes its priority. It is applied after the table and the risk
//! level, and never makes an event less urgent than [`least`] allows: what may mean danger for somebody stays urgent whatever an order says.

use std::{fmt, str::FromStr};

use proto::{event as words, wire::EventKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{HIGHEST_RISK, Severity, base};

/// The most steps by which an order makes an event more or less urgent.
pub const STEPS_MAX: u8 = 3;

/// The most rules of one order: one for each kind, and one for all others.
pub const RULES_MAX: usize = super::TABLE.len() + 1;

/// What becomes of a priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adjustment {
    /// So many steps more urgent.
    Raise(u8),
    /// So many steps less urgent.
    Lower(u8),
    /// This one, whatever the risk level.
    Fixed(Severity),
}

impl Adjustment {
    fn of(self, severity: Severity) -> Severity {
        let moved = |severity, by: fn(Severity) -> Severity, steps| (0..steps).fold(severity, |one, _| by(one));
        match self {
            Self::Raise(steps) => moved(severity, Severity::raised, steps),
            Self::Lower(steps) => moved(severity, Severity::lowered, steps),
            Self::Fixed(severity) => severity,
        }
    }
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raise(steps) => write!(f, "+{steps}"),
            Self::Lower(steps) => write!(f, "-{steps}"),
            Self::Fixed(severity) => severity.fmt(f),
        }
    }
}

/// One rule of an order: `silence=+1`, `late_return=-1`, `jamming=P1`, `all=+1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Rule {
    /// Of which kind; `None`: of all that have no rule of their own.
    pub kind: Option<EventKind>,
    /// What becomes of it.
    pub change: Adjustment,
}

/// As it lies in the case database.
#[derive(Serialize, Deserialize)]
struct Stored {
    kind: String,
    change: Adjustment,
}

/// The word for every kind.
const ALL: &str = "all";

impl From<Rule> for Stored {
    fn from(rule: Rule) -> Self {
        Self {
            kind: rule.kind.map_or(ALL, words::kind_name).to_owned(),
            change: rule.change,
        }
    }
}

impl TryFrom<Stored> for Rule {
    type Error = Wrong;

    fn try_from(stored: Stored) -> Result<Self, Wrong> {
        Ok(Self {
            kind: kind(&stored.kind)?,
            change: stored.change,
        })
    }
}

fn kind(word: &str) -> Result<Option<EventKind>, Wrong> {
    if word == ALL {
        return Ok(None);
    }
    words::parse_kind(word)
        .map(Some)
        .ok_or_else(|| Wrong::Kind(word.to_owned()))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind.map_or(ALL, words::kind_name), self.change)
    }
}

impl FromStr for Rule {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let unreadable = || Wrong::Unreadable(text.to_owned());
        let (word, change) = text.split_once('=').ok_or_else(unreadable)?;
        let steps = |digits: &str| digits.parse::<u8>().map_err(|_| unreadable());
        let change = match change.split_at_checked(1) {
            Some(("+", digits)) => Adjustment::Raise(steps(digits)?),
            Some(("-", digits)) => Adjustment::Lower(steps(digits)?),
            Some(("P" | "p", digits)) => {
                let level = i16::from(steps(digits)?);
                Adjustment::Fixed(Severity::from_level(level).ok_or_else(unreadable)?)
            }
            _ => return Err(unreadable()),
        };
        Ok(Self {
            kind: kind(word)?,
            change,
        })
    }
}

/// Why an order's rules are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read.
    #[error(
        "{0:?} is no rule of priorities; write KIND=+1 (more urgent), KIND=-1 (less urgent) or KIND=P2, and all for every other kind"
    )]
    Unreadable(String),
    /// There is no such kind.
    #[error("there is no kind of event {0:?}")]
    Kind(String),
    /// None, or too many steps.
    #[error("{0}: 1 to 3 steps")]
    Steps(Rule),
    /// Two for the same.
    #[error("{0}: there are two rules for the same kind")]
    Twice(Rule),
    /// Less urgent than may be, at every zone and for everybody.
    #[error("{rule}: an order may not make it less urgent than {least}")]
    TooLow {
        /// Which rule.
        rule: Rule,
        /// What may be.
        least: Severity,
    },
}

/// Checks an order's rules. One that names a kind and could nowhere do what it says is refused; one for all goes as far as it may.
pub fn check(rules: &[Rule]) -> Result<(), Wrong> {
    for (n, rule) in rules.iter().enumerate() {
        if rules.iter().take(n).any(|other| other.kind == rule.kind) {
            return Err(Wrong::Twice(*rule));
        }
        if let Adjustment::Raise(steps) | Adjustment::Lower(steps) = rule.change
            && !(1..=STEPS_MAX).contains(&steps)
        {
            return Err(Wrong::Steps(*rule));
        }
        if let Some(kind) = rule.kind {
            let least = least(kind, false);
            if rule.change.of(base(kind)) > least {
                return Err(Wrong::TooLow { rule: *rule, least });
            }
        }
    }
    Ok(())
}

/// The rule of an order for a kind: its own before that for all.
pub fn of_kind(rules: &[Rule], kind: EventKind) -> Option<Adjustment> {
    let own = rules.iter().find(|rule| rule.kind == Some(kind));
    own.or_else(|| rules.iter().find(|rule| rule.kind.is_none()))
        .map(|rule| rule.change)
}

/// How urgent an event stays whatever an order says. `guarded`: it is at a zone that is, or may be, about a protected person.
pub const fn least(kind: EventKind, guarded: bool) -> Severity {
    match kind {
        // Somebody asks for help.
        EventKind::Sos => Severity::P1,
        // Somebody works on the device, or a protected person is in danger.
        EventKind::StrapTamper | EventKind::CaseTamper | EventKind::ClonedDevice | EventKind::Proximity => Severity::P2,
        EventKind::ExclusionEntry if guarded => Severity::P2,
        // Nobody knows where they are, or that is known and forbidden.
        EventKind::ExclusionEntry
        | EventKind::LeftDuringCurfew
        | EventKind::CurfewAbsentAtStart
        | EventKind::Jamming
        | EventKind::Shielding
        | EventKind::ProximityWarning
        | EventKind::Silence
        | EventKind::BatteryDead => Severity::P3,
        EventKind::BufferEntry | EventKind::PossibleCrossing if guarded => Severity::P3,
        _ => Severity::P4,
    }
}

/// What an order says of a kind, and in which of its revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruled {
    /// Which order.
    pub order: Uuid,
    /// Counts up with each change of its rules.
    pub revision: i64,
    /// What it says.
    pub change: Adjustment,
}

/// How a priority came about, step by step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// Of which kind.
    pub kind: EventKind,
    /// By the table.
    pub base: Severity,
    /// The person's.
    pub risk_level: i16,
    /// With the risk level.
    pub by_risk: Severity,
    /// What the order says of it, if anything.
    pub order: Option<Ruled>,
    /// What the order may not go below.
    pub least: Severity,
    /// What holds.
    pub severity: Severity,
}

/// Says how urgent an event of this kind is for a person of this risk level whose order says this of it, and why.
pub fn reason(kind: EventKind, risk_level: i16, order: Option<Ruled>, guarded: bool) -> Reason {
    let (base, by_risk) = (base(kind), super::severity(kind, risk_level));
    let least = least(kind, guarded);
    // Nobody's order takes back what the highest risk is worth.
    let least = if risk_level <= HIGHEST_RISK {
        least.raised()
    } else {
        least
    };
    let severity = order.map_or(by_risk, |order| order.change.of(by_risk).worst(least));
    Reason {
        kind,
        base,
        risk_level,
        by_risk,
        order,
        least,
        severity,
    }
}

impl Reason {
    /// True where the order has changed something.
    pub fn changed(&self) -> bool {
        self.severity != self.by_risk
    }

    /// It as JSON, as the case database keeps it.
    pub fn to_json(&self) -> serde_json::Value {
        let order = self.order.map(|ruled| {
            serde_json::json!({
                "order_id": ruled.order, "revision": ruled.revision, "rule": ruled.change.to_string(), "least": self.least.level(),
            })
        });
        serde_json::json!({
            "kind": words::kind_name(self.kind), "by_table": self.base.level(), "risk_level": self.risk_level,
            "by_risk": self.by_risk.level(), "order": order, "severity": self.severity.level(), "sentence": self.to_string(),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} by the table", words::kind_name(self.kind), self.base)?;
        if self.by_risk != self.base {
            write!(f, ", {} at risk level {}", self.by_risk, self.risk_level)?;
        }
        if let Some(order) = self.order {
            let Ruled {
                order,
                revision,
                change,
            } = order;
            write!(
                f,
                ", {} by order {order}, revision {revision} ({change})",
                self.severity
            )?;
            if change.of(self.by_risk) > self.severity {
                write!(f, ", which may not go below {}", self.least)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["silence=+1", "late_return=-1", "jamming=P1", "all=+3", "all=P2"] {
            assert_eq!(rule(text).to_string(), text);
            let json = serde_json::to_value(rule(text)).unwrap();
            assert_eq!(serde_json::from_value::<Rule>(json).unwrap(), rule(text));
        }
        for text in [
            "silence",
            "silence=1",
            "silence=+",
            "silence=P5",
            "silence=+300",
            "=",
            "x=+1",
            "silence=é",
        ] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_goes_too_far_is_refused() {
        assert_eq!(check(&[rule("silence=+1"), rule("all=-3")]), Ok(()));
        let twice = [rule("silence=+1"), rule("silence=P1")];
        assert_eq!(check(&twice), Err(Wrong::Twice(twice[1])));
        assert_eq!(check(&[rule("all=+0")]), Err(Wrong::Steps(rule("all=+0"))));
        assert_eq!(check(&[rule("all=-4")]), Err(Wrong::Steps(rule("all=-4"))));
        for (text, least) in [
            ("sos=P2", Severity::P1),
            ("strap_tamper=-2", Severity::P2),
            ("silence=P4", Severity::P3),
        ] {
            let rule = rule(text);
            assert_eq!(check(&[rule]), Err(Wrong::TooLow { rule, least }), "{text}");
        }
        assert_eq!(check(&[rule("strap_tamper=-1"), rule("exclusion_entry=P3")]), Ok(()));
    }

    #[test]
    fn the_rule_of_a_kind_comes_before_that_for_all() {
        let rules = [rule("all=-1"), rule("silence=P1")];
        assert_eq!(
            of_kind(&rules, EventKind::Silence),
            Some(Adjustment::Fixed(Severity::P1))
        );
        assert_eq!(of_kind(&rules, EventKind::LateReturn), Some(Adjustment::Lower(1)));
        assert_eq!(of_kind(&[rule("silence=P1")], EventKind::LateReturn), None);
    }

    #[test]
    fn it_says_how_it_came_about() {
        let ruled = |text: &str| Ruled {
            order: Uuid::nil(),
            revision: 2,
            change: rule(text).change,
        };
        let told = |kind, risk, text: &str, guarded| reason(kind, risk, Some(ruled(text)), guarded);
        let lowered = told(EventKind::LateReturn, 2, "all=-1", false);
        assert_eq!(lowered.severity, Severity::P4);
        assert_eq!(
            lowered.to_string(),
            "late_return: P3 by the table, P4 by order 00000000-0000-0000-0000-000000000000, revision 2 (-1)"
        );
        let guarded = told(EventKind::ExclusionEntry, 2, "all=P4", true);
        assert_eq!(guarded.severity, Severity::P2);
        assert_eq!(
            guarded.to_string(),
            "exclusion_entry: P1 by the table, P2 by order 00000000-0000-0000-0000-000000000000, revision 2 (P4), which may not go below P2"
        );
        assert_eq!(
            told(EventKind::ExclusionEntry, 2, "all=P4", false).severity,
            Severity::P3
        );
        let risky = told(EventKind::Silence, 1, "all=-1", false);
        assert_eq!(
            risky.to_string(),
            "silence: P3 by the table, P2 at risk level 1, P2 by order 00000000-0000-0000-0000-000000000000, revision 2 (-1), which may not go below P2"
        );
        assert_eq!(
            reason(EventKind::Silence, 2, None, true).to_string(),
            "silence: P3 by the table"
        );
        assert_eq!(told(EventKind::BatteryLow, 3, "all=+3", false).severity, Severity::P1);
        assert!(lowered.changed() && !risky.changed());
        let json = lowered.to_json();
        assert_eq!(
            (&json["severity"], &json["order"]["rule"]),
            (&serde_json::json!(4), &serde_json::json!("-1"))
        );
    }

    proptest! {
        /// Whatever an order says: nothing that may mean danger becomes less urgent than it may, and without an order all is as ever.
        #[test]
        fn no_order_goes_below_what_may_be(
            place in 0..super::super::TABLE.len(), risk in 1_i16..=4, guarded: bool,
            order in prop_oneof![
                (1_u8..=3).prop_map(Adjustment::Raise),
                (1_u8..=3).prop_map(Adjustment::Lower),
                (1_i16..=4).prop_map(|level| Adjustment::Fixed(Severity::from_level(level).unwrap())),
            ],
        ) {
            let kind = super::super::TABLE[place].0;
            let ruled = Ruled { order: Uuid::nil(), revision: 1, change: order };
            let ruled = reason(kind, risk, Some(ruled), guarded);
            prop_assert!(ruled.severity <= least(kind, guarded));
            prop_assert!(least(kind, guarded) <= least(kind, false), "a guarded zone is never worth less");
            prop_assert!(base(kind) <= least(kind, guarded), "the table itself is within the limit");
            if matches!(order, Adjustment::Raise(_)) {
                prop_assert!(ruled.severity <= ruled.by_risk);
            }
            prop_assert_eq!(reason(kind, risk, None, guarded).severity, super::super::severity(kind, risk));
            let tamper = matches!(kind, EventKind::StrapTamper | EventKind::CaseTamper | EventKind::ClonedDevice);
            let danger = matches!(kind, EventKind::Proximity | EventKind::Sos) || (kind == EventKind::ExclusionEntry && guarded);
            if tamper || danger {
                prop_assert!(ruled.severity <= Severity::P2);
            }
        }
    }
}
