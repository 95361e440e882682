//! Who approves leave: the longer, the higher.

use jiff::{Span, Timestamp, tz::TimeZone};

use super::{Approver, Level, Profile, Refusal};
use crate::{refused::list, user::Role};

/// Who approves leave up to a length.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveTier {
    /// The longest leave of this tier, days; `None`: any.
    pub up_to_days: Option<u16>,
    /// Roles of the user who approves.
    pub roles: Vec<Role>,
    /// The level of that user's agency; `None`: any.
    pub level: Option<Level>,
    /// Approval outside the program may be entered as told, in words.
    #[serde(default)]
    pub told: bool,
    /// Where it stands.
    pub source: String,
}

impl LeaveTier {
    /// For messages.
    pub fn name(&self) -> String {
        self.up_to_days.map_or_else(
            || "leave of any length".to_owned(),
            |days| format!("leave up to {days} days"),
        )
    }
}

/// How many days a leave is, begun days counted: from 08:00 to 08:00 seven days later is seven, a minute more is eight. Days are
/// local, so one may have 23 or 25 hours.
pub fn leave_days(from: Timestamp, until: Timestamp, zone: &TimeZone) -> u32 {
    let start = from.to_zoned(zone.clone());
    let hours = until.duration_since(from).as_hours();
    let guess = u32::try_from(hours / 24).unwrap_or(0).saturating_sub(1);
    // At most two steps: days differ from 24 hours by less than one in all.
    (guess..=guess.saturating_add(4))
        .find(|days| {
            start
                .checked_add(Span::new().days(i64::from(*days)))
                .is_ok_and(|end| end.timestamp() >= until)
        })
        .unwrap_or(u32::MAX)
}

impl Profile {
    /// The tier of a leave of so many days.
    pub fn leave_tier(&self, days: u32) -> Option<&LeaveTier> {
        self.leave_tiers
            .iter()
            .find(|tier| tier.up_to_days.is_none_or(|most| days <= u32::from(most)))
    }

    /// Refuses an approver who may not approve a leave of so many days, or who asked for it.
    pub fn check_leave(&self, days: u32, approver: &Approver, asked_by_them: bool) -> Result<(), Refusal> {
        let Some(tier) = self.leave_tier(days) else {
            let (rule, source) = ("nobody may approve it", "the profile has no tier");
            return Err(Refusal::new(&self.name, "leave_tier", rule, source).with("days", days));
        };
        let refusal = |code: &'static str, rule: String| Refusal::new(&self.name, code, rule, &tier.source);
        if asked_by_them {
            return Err(refusal(
                "own_leave",
                "who asks for leave does not approve it".to_owned(),
            ));
        }
        if !tier.roles.contains(&approver.role) {
            let roles: Vec<_> = tier.roles.iter().map(|role| role.name()).collect();
            let rule = format!(
                "a leave of {days} days needs the approval of a {}, not of a {}",
                roles.join(" or "),
                approver.role.name()
            );
            return Err(refusal("leave_role", rule)
                .with("days", days)
                .with("roles", list(roles))
                .with("role", approver.role.name()));
        }
        if let Some(level) = tier.level
            && approver.level != Some(level)
        {
            let found = approver.level.map_or("one without a level", Level::as_str);
            let rule = format!("a leave of {days} days needs the approval of an agency of level {level}, not {found}");
            return Err(refusal("leave_level", rule)
                .with("days", days)
                .with("level", level)
                .with("found", approver.level.map_or("none", Level::as_str)));
        }
        if !approver.responsible {
            let rule = "the approver's agency is not responsible for the person".to_owned();
            return Err(refusal("approver_elsewhere", rule));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::law::require;

    #[test]
    fn days_are_local_and_begun_ones_count() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| {
            text.parse::<jiff::civil::DateTime>()
                .unwrap()
                .to_zoned(berlin.clone())
                .unwrap()
                .timestamp()
        };
        for (from, until, days) in [
            ("2026-03-25T08:00", "2026-04-01T08:00", 7), // an hour less by the clock that goes on
            ("2026-03-25T08:00", "2026-04-01T08:01", 8),
            ("2026-10-20T08:00", "2026-10-27T08:00", 7), // an hour more
            ("2026-06-01T08:00", "2026-06-01T09:00", 1),
            ("2026-06-01T08:00", "2026-07-01T08:00", 30),
            ("2026-06-01T08:00", "2026-07-01T08:01", 31),
            ("2026-06-01T08:00", "2027-06-01T08:00", 365),
        ] {
            assert_eq!(leave_days(at(from), at(until), &berlin), days, "{from} {until}");
        }
    }

    #[test]
    fn the_longer_the_higher() {
        let who = |role, level| Approver {
            role,
            level,
            branch: crate::user::Branch::SocialWork,
            responsible: true,
        };
        let (cn, generic) = (require("cn").unwrap(), require("generic").unwrap());
        let worker = who(Role::SocialWorker, Some(Level::Township));
        let county = who(Role::Supervisor, Some(Level::County));
        let city = who(Role::Supervisor, Some(Level::City));
        cn.check_leave(7, &worker, false).unwrap();
        let refused = cn.check_leave(8, &worker, false).unwrap_err().to_string();
        assert!(
            refused.contains("supervisor") && refused.contains("art. 27"),
            "{refused}"
        );
        for days in [8, 30] {
            cn.check_leave(days, &county, false).unwrap();
        }
        assert!(
            cn.check_leave(31, &county, false)
                .unwrap_err()
                .to_string()
                .contains("level city")
        );
        cn.check_leave(31, &city, false).unwrap();
        assert!(
            cn.check_leave(3, &county, true)
                .unwrap_err()
                .to_string()
                .contains("who asks")
        );
        let officer = who(Role::DutyOfficer, None);
        generic.check_leave(7, &officer, false).unwrap();
        assert!(generic.check_leave(8, &officer, false).is_err());
        assert!(generic.check_leave(31, &county, false).is_err());
        generic
            .check_leave(400, &who(Role::Administrator, None), false)
            .unwrap();
        let elsewhere = Approver {
            responsible: false,
            ..officer
        };
        assert!(generic.check_leave(1, &elsewhere, false).is_err());
    }
}
