//! Incidents of one root cause: merged, split off, closed together.
//!
//! All that are concerned are locked in the order of their ids, before anything is decided.

use std::collections::{BTreeMap, BTreeSet};

use alerts::{
    ClosingCode,
    lifecycle::course::{Applied, Change, Course, Group, Part, Record, Refusal, Who, close_group, join, leave},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Entry, IncidentError, IncidentRow, expect, lock_all, store};
use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// Merges incidents into one that has the same root cause; those that are merged there already stay so. P1 and what only a person may judge
/// calls all the same. Returns the one they were merged into.
pub async fn merge(
    transaction: &impl GenericClient,
    incidents: &[Uuid],
    into: Uuid,
    by: Who,
    why: &str,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let mut ids = incidents.to_vec();
    ids.push(into);
    let mut locked = by_id(transaction, &ids).await?;
    let root = take(&mut locked, into)?;
    let mut course = root.course.clone();
    let mut entries = Vec::new();
    for incident_id in incidents {
        if *incident_id == into {
            return Err(Refusal::Itself.into());
        }
        let Some(one) = locked.remove(incident_id) else {
            // Named twice, or there is none.
            if incidents.iter().filter(|other| *other == incident_id).count() > 1 {
                continue;
            }
            return Err(IncidentError::NotFound(*incident_id));
        };
        let group = join(&one.course, &course, by, why, now)?;
        let audience = one.standing.audience;
        write_others(transaction, &[one], group.others).await?;
        for (after, record) in group.root.into_iter().filter_map(changed) {
            course = after;
            // Whoever may not see the other need not know of it.
            entries.push(Entry {
                audience,
                ..Entry::of(record)
            });
        }
    }
    if entries.is_empty() {
        return Ok(root);
    }
    Ok(store(transaction, &root, &course, root.climb.as_ref(), &entries).await?)
}

/// Takes an incident out of the one it was merged into: it stands for itself again, and calls. Returns it.
pub async fn split(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    by: Who,
    why: &str,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let mut locked = family(transaction, incident_id).await?;
    let one = take(&mut locked, incident_id)?;
    let Some(into) = one.course.merged() else {
        return Err(Refusal::NotMerged.into());
    };
    let root = take(&mut locked, into.incident())?;
    let Group { root: of_root, others } = leave(&one.course, &root.course, by, why, now)?;
    write_root(transaction, &root, of_root).await?;
    let mut written = write_others(transaction, &[one], others).await?;
    written.pop().ok_or(IncidentError::NotFound(incident_id))
}

/// Takes incidents out of one that is about to be deleted with everything of somebody: they stand for themselves again, which is on record,
/// and call. `of`: of whom it is.
pub(crate) async fn stand_alone(transaction: &impl GenericClient, incidents: &[Uuid], of: &str) -> Result<(), Error> {
    let why = format!("the incident that it was merged into is deleted with everything of {of}");
    for id in incidents {
        match split(transaction, *id, Who::System(Part::Grouping), &why, Timestamp::now()).await {
            // One of before there were records: with its course it stands for itself.
            Ok(_) | Err(IncidentError::Refused(Refusal::NotMerged)) => {}
            Err(IncidentError::Database(error)) => return Err(error),
            Err(error) => return Err(Error::Input(format!("incident {id} cannot be split off: {error}"))),
        }
    }
    if !incidents.is_empty() {
        // What is still to be checked of them is checked before rows or triggers go.
        transaction
            .batch_execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            .await?;
    }
    Ok(())
}

/// Closes an incident with all that are merged into it (but for what only a person may judge, each by itself: that is split off), and
/// takes it off the list of the one it is merged into. Returns it.
pub async fn close_merged(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    user_id: Uuid,
    code: ClosingCode,
    text: &str,
    expected_version: Option<i64>,
    now: Timestamp,
) -> Result<IncidentRow, IncidentError> {
    let mut locked = family(transaction, incident_id).await?;
    let one = take(&mut locked, incident_id)?;
    let others: Vec<IncidentRow> = one
        .course
        .lists()
        .iter()
        .filter_map(|other| locked.remove(other))
        .collect();
    // What it lists and is gone (wiped, or come back from an export without it) keeps nothing open.
    let mut root = one.course.clone();
    let mut gone = Vec::new();
    for listed in one.course.lists() {
        if !others.iter().any(|other| other.incident_id == *listed) {
            let change = Change::Release {
                incident: *listed,
                by: Who::User(user_id),
            };
            let applied = root.apply(change, now)?;
            if let Applied::Changed { course, .. } = &applied {
                root = (**course).clone();
            }
            gone.push(applied);
        }
    }
    let courses: Vec<Course> = others.iter().map(|other| other.course.clone()).collect();
    let seen = seen(transaction, &courses, user_id).await?;
    let judge = |other: &Course| seen.contains(&other.incident());
    let group = close_group(&root, &courses, judge, user_id, code, text, now)?;
    expect(&one, expected_version)?;
    if let Some(into) = one.course.merged()
        && let Some(root) = locked.remove(&into.incident())
        && root.course.lists().contains(&incident_id)
    {
        let released = root.course.apply(
            Change::Release {
                incident: incident_id,
                by: Who::User(user_id),
            },
            now,
        )?;
        write_root(transaction, &root, vec![released]).await?;
    }
    write_others(transaction, &others, group.others).await?;
    gone.extend(group.root);
    write_root(transaction, &one, gone).await
}

// Those that a user sees, by the same rule as `casedb/src/access/rules.rs` has for the table.
const SEEN: &str = "SELECT i.incident_id FROM incident i
        CROSS JOIN (SELECT ('homeward_' || role)::name AS r FROM app_user WHERE user_id = access_user()) u
    WHERE i.incident_id = ANY ($1) AND i.audience = ANY (access_audiences(u.r))
        AND CASE WHEN i.person_id IS NULL THEN coalesce(i.police_agency_id, i.social_agency_id) IS NULL
                OR i.police_agency_id IN (SELECT access_lineage(u.r)) OR i.social_agency_id IN (SELECT access_lineage(u.r))
            ELSE i.police_agency_id IN (SELECT access_agencies('police', u.r))
                OR i.social_agency_id IN (SELECT access_agencies('social_work', u.r)) OR i.person_id IN (SELECT access_extra(u.r)) END";

async fn seen(
    transaction: &impl GenericClient,
    incidents: &[Course],
    user_id: Uuid,
) -> Result<BTreeSet<Uuid>, IncidentError> {
    if incidents.is_empty() {
        return Ok(BTreeSet::new());
    }
    super::acting(transaction, user_id).await?;
    let ids: Vec<Uuid> = incidents.iter().map(Course::incident).collect();
    let found = rows(transaction, SEEN, &[&ids]).await?;
    Ok(found.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

const FAMILY: &str = "SELECT $1::uuid AS incident_id UNION SELECT merged_into FROM incident WHERE incident_id = $1 AND merged_into IS NOT NULL
    UNION SELECT incident_id FROM incident WHERE merged_into = $1";

/// Locks an incident, what it is merged into, and what is merged into it.
async fn family(
    transaction: &impl GenericClient,
    incident_id: Uuid,
) -> Result<BTreeMap<Uuid, IncidentRow>, IncidentError> {
    let ids = rows(transaction, FAMILY, &[&incident_id])
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<Uuid>, _>>()?;
    let locked = by_id(transaction, &ids).await?;
    // Somebody merged between the reading and the locks: the caller tries again. A list may name what is gone; who is merged says so.
    let now = rows(transaction, FAMILY, &[&incident_id])
        .await?
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<Uuid>, _>>()?;
    let whole = !locked.contains_key(&incident_id) || now.iter().all(|id| locked.contains_key(id));
    if whole {
        Ok(locked)
    } else {
        Err(Error::Conflict("incidents were merged meanwhile".to_owned()).into())
    }
}

async fn by_id(transaction: &impl GenericClient, ids: &[Uuid]) -> Result<BTreeMap<Uuid, IncidentRow>, IncidentError> {
    let locked = lock_all(transaction, ids).await?;
    Ok(locked.into_iter().map(|row| (row.incident_id, row)).collect())
}

fn take(locked: &mut BTreeMap<Uuid, IncidentRow>, incident_id: Uuid) -> Result<IncidentRow, IncidentError> {
    locked.remove(&incident_id).ok_or(IncidentError::NotFound(incident_id))
}

fn changed(applied: Applied) -> Option<(Course, Record)> {
    match applied {
        Applied::Changed { course, record } => Some((*course, *record)),
        Applied::Unchanged => None,
    }
}

async fn write_root(
    transaction: &impl GenericClient,
    root: &IncidentRow,
    steps: Vec<Applied>,
) -> Result<IncidentRow, IncidentError> {
    let mut course = root.course.clone();
    let mut entries = Vec::new();
    for (after, record) in steps.into_iter().filter_map(changed) {
        course = after;
        entries.push(Entry::of(record));
    }
    if entries.is_empty() {
        return Ok(root.clone());
    }
    Ok(store(transaction, root, &course, root.climb.as_ref(), &entries).await?)
}

async fn write_others(
    transaction: &impl GenericClient,
    others: &[IncidentRow],
    steps: Vec<Applied>,
) -> Result<Vec<IncidentRow>, IncidentError> {
    let mut written = Vec::with_capacity(others.len());
    for (other, step) in others.iter().zip(steps) {
        written.push(write_root(transaction, other, vec![step]).await?);
    }
    Ok(written)
}
