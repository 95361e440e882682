//! Reads a profile's file, and says where and how it is wrong.

use super::{Authority, Profile};

/// A profile's file is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ProfileError {
    file: String,
    problem: String,
}

/// Reads and checks a file.
pub(super) fn profile(file: &str, text: &str) -> Result<Profile, ProfileError> {
    let wrong = |problem: String| ProfileError {
        file: file.to_owned(),
        problem,
    };
    let profile: Profile = toml::from_str(text).map_err(|error| wrong(error.to_string().trim().replace('\n', "; ")))?;
    check(&profile).map_err(wrong)?;
    Ok(profile)
}

fn check(profile: &Profile) -> Result<(), String> {
    let word = |text: &str| {
        (1..=32).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
    };
    if !word(&profile.name) || profile.name.contains('_') {
        return Err(format!(
            "name = {:?}: write small letters, digits and '-'",
            profile.name
        ));
    }
    for (at, text) in profile.texts.iter().enumerate() {
        if !word(&text.id) || [super::FROM_MEMORY, super::BY_CHOICE].contains(&text.id.as_str()) {
            return Err(format!("text {:?}: an id is a small word of its own", text.id));
        }
        if text.title.trim().is_empty() || text.copy.trim().is_empty() {
            return Err(format!("text {:?}: say what was read, and in which copy", text.id));
        }
        if profile.texts.iter().take(at).any(|other| other.id == text.id) {
            return Err(format!("text {:?} comes twice", text.id));
        }
    }
    for (place, source, held) in sources(profile) {
        if source.trim().is_empty() {
            return Err(format!("{place}: source is empty; say where the rule stands"));
        }
        let known =
            [super::FROM_MEMORY, super::BY_CHOICE].contains(&held) || profile.texts.iter().any(|text| text.id == held);
        if !known {
            return Err(format!(
                "{place}: held = {held:?}: name a text of this file, \"memory\" or \"choice\""
            ));
        }
    }
    for (at, ground) in profile.grounds.iter().enumerate() {
        if !word(&ground.code) {
            return Err(format!(
                "ground {:?}: a code is small letters, digits, '-' and '_'",
                ground.code
            ));
        }
        if profile.grounds.iter().take(at).any(|other| other.code == ground.code) {
            return Err(format!("ground {:?} comes twice", ground.code));
        }
    }
    for (place, months) in [
        ("term", profile.term.as_ref().map(|months| months.months)),
        ("extension", profile.extension.as_ref().map(|months| months.months)),
        ("review", profile.review.as_ref().map(|review| review.months)),
    ] {
        if months == Some(0) {
            return Err(format!("{place}: months = 0; write at least 1"));
        }
    }
    if (profile.approval.authority == Authority::None) != profile.approval.roles.is_empty() {
        return Err("approval: roles and authority do not fit; name roles unless authority = \"none\"".to_owned());
    }
    let Some((last, tiers)) = profile.leave_tiers.split_last() else {
        return Err("leave: no tier; name at least one, the last without up_to_days".to_owned());
    };
    if last.up_to_days.is_some() || tiers.iter().any(|tier| tier.up_to_days.is_none()) {
        return Err("leave: the last tier, and no other, is without up_to_days".to_owned());
    }
    if !tiers.is_sorted_by(|one, next| one.up_to_days < next.up_to_days) {
        return Err("leave: tiers do not rise; write the shortest first".to_owned());
    }
    if profile.leave_tiers.iter().any(|tier| tier.roles.is_empty()) {
        return Err("leave: a tier without roles; nobody could approve".to_owned());
    }
    Ok(())
}

/// Every rule's place, source and what it was held against.
fn sources(profile: &Profile) -> impl Iterator<Item = (String, &str, &str)> {
    let grounds = profile.grounds.iter().map(|ground| {
        let place = format!("ground {:?}", ground.code);
        (place, ground.source.as_str(), ground.held.as_str())
    });
    let steps = profile
        .steps
        .iter()
        .map(|step| (format!("step {}", step.code), step.source.as_str(), step.held.as_str()));
    let of_extension = profile.extension_steps.iter().map(|step| {
        let place = format!("extension_step {}", step.code);
        (place, step.source.as_str(), step.held.as_str())
    });
    let duties = profile
        .duties
        .iter()
        .map(|duty| (format!("duty {}", duty.code), duty.source.as_str(), duty.held.as_str()));
    let leave = profile
        .leave_tiers
        .iter()
        .map(|tier| (tier.name(), tier.source.as_str(), tier.held.as_str()));
    let one = [
        Some((
            "approval",
            profile.approval.source.as_str(),
            profile.approval.held.as_str(),
        )),
        Some((
            "location",
            profile.location.source.as_str(),
            profile.location.held.as_str(),
        )),
        profile
            .term
            .as_ref()
            .map(|rule| ("term", rule.source.as_str(), rule.held.as_str())),
        profile
            .extension
            .as_ref()
            .map(|rule| ("extension", rule.source.as_str(), rule.held.as_str())),
        profile
            .review
            .as_ref()
            .map(|rule| ("review", rule.source.as_str(), rule.held.as_str())),
        profile
            .retention
            .as_ref()
            .map(|rule| ("retention", rule.source.as_str(), rule.held.as_str())),
    ];
    let one = one
        .into_iter()
        .flatten()
        .map(|(place, source, held)| (place.to_owned(), source, held));
    grounds
        .chain(steps)
        .chain(of_extension)
        .chain(duties)
        .chain(leave)
        .chain(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = include_str!("../../law/cn.toml");

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, words) in [
            ("months = 3", "months = 0", "months = 0"),
            ("code = \"left_area\"", "code = \"prohibition_order\"", "comes twice"),
            ("code = \"left_area\"", "code = \"Left\"", "\"Left\""),
            (
                "roles = [\"supervisor\"]\nlevel = \"county\"\nbranches",
                "roles = []\nlevel = \"county\"\nbranches",
                "roles and authority",
            ),
            ("level = \"county\"", "level = \"moon\"", "moon"),
            ("up_to_days = 30", "up_to_days = 7", "do not rise"),
            ("source = \"art. 29(1) no. 2\"", "source = \" \"", "left_area"),
            ("held = \"law\"", "held = \"hearsay\"", "hearsay"),
            ("id = \"practice\"", "id = \"law\"", "comes twice"),
            ("id = \"practice\"", "id = \"memory\"", "a small word of its own"),
            ("read = \"2026-11-22\"", "read = \"lately\"", "read"),
            ("code = \"copy_sent\"", "code = \"copy_lost\"", "copy_lost"),
            ("[term]", "[terms]", "terms"),
        ] {
            assert!(RIGHT.contains(from), "{from}");
            let error = profile("cn.toml", &RIGHT.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with("cn.toml: ") && error.contains(words),
                "{from}: {error}"
            );
        }
    }
}
