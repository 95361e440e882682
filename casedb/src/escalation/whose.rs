//! Whose incidents there may be: for all of these somebody must be there to call.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Concerned, Plan, under};
use crate::{
    Error,
    pool::{GenericClient, rows},
    user::Branch,
};

/// The test device's person concerns nobody. Of agencies out of use nobody's monitoring runs.
const PEOPLE: &str = "SELECT DISTINCT p.police_agency_id, p.social_agency_id,
        CASE WHEN EXISTS (SELECT FROM ladder_assignment l WHERE l.person_id = p.person_id) THEN p.person_id END AS own
    FROM person p JOIN agency a ON a.agency_id = p.police_agency_id JOIN agency s ON s.agency_id = p.social_agency_id
    WHERE NOT p.canary AND a.disabled_at IS NULL AND s.disabled_at IS NULL ORDER BY 1, 2, 3";

/// Whose incidents a configuration is checked for, with those people of theirs who may have a ladder of their own.
pub(super) async fn all(plan: &Plan, client: &impl GenericClient) -> Result<Vec<(Concerned, Vec<Uuid>)>, Error> {
    let mut people: BTreeMap<(Uuid, Uuid), Vec<Uuid>> = BTreeMap::new();
    for row in rows(client, PEOPLE, &[]).await? {
        let own: Option<Uuid> = row.try_get("own")?;
        people
            .entry((row.try_get(0)?, row.try_get(1)?))
            .or_default()
            .extend(own);
    }
    let causes = of_causes(plan, people.keys());
    let mut all = vec![(of(None, None), Vec::new())];
    all.extend(
        people
            .into_iter()
            .map(|((police, social), own)| (of(Some(police), Some(social)), own)),
    );
    all.extend(causes.into_iter().map(|concerned| (concerned, Vec::new())));
    all.extend(of_one_agency(plan).map(|concerned| (concerned, Vec::new())));
    Ok(all)
}

const fn of(police: Option<Uuid>, social: Option<Uuid>) -> Concerned {
    Concerned {
        person: None,
        police,
        social,
    }
}

/// The system tells an agency alone: an emergency access of one of its users, a protected person's device that was copied.
fn of_one_agency(plan: &Plan) -> impl Iterator<Item = Concerned> {
    let working: BTreeSet<&str> = plan.members.values().map(|member| member.path.as_str()).collect();
    let units = plan.units.values();
    units
        .filter(move |unit| unit.in_use && working.contains(unit.path.as_str()))
        .map(|unit| match unit.branch {
            Branch::SocialWork => of(None, Some(unit.agency_id)),
            Branch::Police | Branch::Administration => of(Some(unit.agency_id), None),
        })
}

/// A root cause is told to the nearest agencies above everybody whom it hits: of those with people, and where two branches with people meet.
fn of_causes<'a>(plan: &Plan, pairs: impl Iterator<Item = &'a (Uuid, Uuid)> + Clone) -> BTreeSet<Concerned> {
    let police = meeting(plan, &pairs.clone().map(|pair| pair.0).collect());
    let social = meeting(plan, &pairs.clone().map(|pair| pair.1).collect());
    let above = |agency: Uuid, among: &BTreeMap<Uuid, String>| -> Vec<Uuid> {
        let path = plan.path(Some(agency)).unwrap_or_default();
        let found = among.iter().filter(|(_, root)| under(path, root));
        found.map(|(agency, _)| *agency).collect()
    };
    let mut causes = BTreeSet::new();
    for (own_police, own_social) in pairs.clone() {
        for high in above(*own_police, &police) {
            causes.extend(
                above(*own_social, &social)
                    .into_iter()
                    .map(|other| of(Some(high), Some(other))),
            );
        }
    }
    for (police, social) in pairs {
        causes.remove(&of(Some(*police), Some(*social)));
    }
    causes
}

/// These agencies, and those at which the ways up from two of them meet.
fn meeting(plan: &Plan, agencies: &BTreeSet<Uuid>) -> BTreeMap<Uuid, String> {
    let paths: BTreeSet<&str> = agencies.iter().filter_map(|agency| plan.path(Some(*agency))).collect();
    let below = |root: &str| -> usize {
        let rest = paths.iter().filter(|path| under(path, root));
        let next: BTreeSet<&str> = rest
            .map(|path| {
                let rest = path.get(root.len()..).unwrap_or_default().trim_start_matches('.');
                rest.split('.').next().unwrap_or_default()
            })
            .collect();
        next.len()
    };
    let units = plan.units.values().filter(|unit| unit.in_use);
    units
        .filter(|unit| agencies.contains(&unit.agency_id) || below(&unit.path) > 1)
        .map(|unit| (unit.agency_id, unit.path.clone()))
        .collect()
}
