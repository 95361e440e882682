//! What the database's own guards ask of the profiles: functions that are written anew when a profile's file has changed, at the
//! end of every migration. So a step that a file demands is demanded of SQL by hand too.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{Level, Overdue, Profile, RequiredStep, profiles};
use crate::Error;

const KNOWN: &str = "SELECT prosrc FROM pg_proc WHERE oid = $1::text::regprocedure";

/// Writes the functions, where they differ from what is there.
pub(crate) async fn install(client: &Client) -> Result<(), Error> {
    for (signature, returns, body) in [
        ("law_steps(text, boolean)", "SETOF text", steps(profiles())),
        ("law_review_months(text)", "integer", review_months(profiles())),
        ("law_term_months(text, boolean)", "integer", term_months(profiles())),
        ("law_approval(text)", "jsonb", approvals(profiles())),
        ("law_leave_tiers(text)", "jsonb", leave_tiers(profiles())),
    ] {
        let known: String = client.query_one(KNOWN, &[&signature]).await?.try_get(0)?;
        if known != body {
            let sql = format!(
                "CREATE OR REPLACE FUNCTION {signature} RETURNS {returns} LANGUAGE sql IMMUTABLE AS $law${body}$law$"
            );
            client.batch_execute(&sql).await?;
        }
    }
    Ok(())
}

/// The steps of a profile: of an order, or of an extension.
fn steps(profiles: &[Profile]) -> String {
    let mut rows = Vec::new();
    for profile in profiles {
        let mut list = |steps: &[RequiredStep], of_extension: bool| {
            rows.extend(
                steps
                    .iter()
                    .map(|step| format!("('{}', {of_extension}, '{}')", profile.name, step.code)),
            );
        };
        list(&profile.steps, false);
        list(&profile.extension_steps, true);
    }
    if rows.is_empty() {
        return "SELECT NULL::text WHERE false".to_owned();
    }
    format!(
        "SELECT s.step FROM (VALUES {}) AS s (profile, of_extension, step) WHERE s.profile = $1 AND s.of_extension = $2",
        rows.join(", ")
    )
}

/// The months between reviews, of profiles under which a missed one suspends.
fn review_months(profiles: &[Profile]) -> String {
    let mut text = "SELECT CASE $1".to_owned();
    let reviews = profiles
        .iter()
        .filter_map(|profile| Some((profile, profile.review.as_ref()?)));
    for (profile, review) in reviews.filter(|(_, review)| review.overdue == Overdue::Lapses) {
        let _ = write!(text, " WHEN '{}' THEN {}", profile.name, review.months);
    }
    // A case needs at least one branch.
    text.push_str(" WHEN NULL THEN NULL END");
    text
}

/// The months that a term may have, of an order or of an extension.
fn term_months(profiles: &[Profile]) -> String {
    let mut rows = Vec::new();
    for profile in profiles {
        for (of_extension, limit) in [(false, &profile.term), (true, &profile.extension)] {
            if let Some(limit) = limit {
                rows.push(format!("('{}', {of_extension}, {})", profile.name, limit.months));
            }
        }
    }
    if rows.is_empty() {
        return "SELECT NULL::integer WHERE false".to_owned();
    }
    format!(
        "SELECT m.months FROM (VALUES {}) AS m (profile, of_extension, months) WHERE m.profile = $1 AND m.of_extension = $2",
        rows.join(", ")
    )
}

/// What a profile asks of who approves an order.
fn approvals(profiles: &[Profile]) -> String {
    by_profile(profiles, |profile| {
        let approval = &profile.approval;
        json!({
            "authority": approval.authority.as_str(),
            "roles": approval.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
            "level": approval.level.map(Level::as_str),
            "branches": approval.branches.iter().map(|branch| branch.name()).collect::<Vec<_>>(),
        })
    })
}

/// What it asks of who approves leave, by tier.
fn leave_tiers(profiles: &[Profile]) -> String {
    by_profile(profiles, |profile| {
        let tiers = profile.leave_tiers.iter().map(|tier| {
            json!({
                "up_to_days": tier.up_to_days,
                "roles": tier.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
                "level": tier.level.map(Level::as_str),
                "above": tier.above,
                "told": tier.told,
            })
        });
        tiers.collect()
    })
}

/// Words and numbers of the program alone are in it: nothing to be quoted.
fn by_profile(profiles: &[Profile], of: impl Fn(&Profile) -> Value) -> String {
    let mut text = "SELECT CASE $1".to_owned();
    for profile in profiles {
        let _ = write!(text, " WHEN '{}' THEN '{}'::jsonb", profile.name, of(profile));
    }
    text.push_str(" WHEN NULL THEN NULL END");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guards_ask_what_the_files_ask() {
        let steps = steps(profiles());
        for row in [
            "('cn', false, 'notice_signed')",
            "('cn', true, 'copy_sent')",
            "('de-by', true, 'written_order')",
            "('gb-ew', false, 'notice_given')",
        ] {
            assert!(steps.contains(row), "{row}: {steps}");
        }
        assert!(!steps.contains("generic"));
        assert_eq!(
            review_months(profiles()),
            "SELECT CASE $1 WHEN 'gb-ew' THEN 3 WHEN NULL THEN NULL END"
        );
        assert_eq!(super::steps(&[]), "SELECT NULL::text WHERE false");
        let terms = term_months(profiles());
        for row in ["('cn', false, 3)", "('cn', true, 3)"] {
            assert!(terms.contains(row), "{row}: {terms}");
        }
        assert!(!terms.contains("generic"));
        let approvals = approvals(profiles());
        let cn = r#"WHEN 'cn' THEN '{"authority":"user","branches":["social_work","administration"],"level":"county","roles":["supervisor"]}'"#;
        assert!(approvals.contains(cn), "{approvals}");
        let tiers = leave_tiers(profiles());
        let most = r#"{"above":true,"level":null,"roles":["supervisor"],"told":false,"up_to_days":null}]'::jsonb"#;
        assert!(tiers.contains(most), "{tiers}");
    }
}
