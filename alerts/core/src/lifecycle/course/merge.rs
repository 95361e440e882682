//! Incidents of one root cause: joined, parted, and closed together. Each function gives all that is written in one transaction.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Applied, Change, Course, Refusal, Who};
use crate::ClosingCode;

/// What becomes of an incident and of those merged into it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Group {
    /// The incident that lists the others, record by record; the last is how it stands.
    pub root: Vec<Applied>,
    /// The others, in the order in which they were given.
    pub others: Vec<Applied>,
}

/// Merges an incident into another. Neither may be closed; the other stands for itself, and into the one nothing is merged. So there
/// are never two steps between an incident and its root cause, and never a circle.
pub fn join(one: &Course, root: &Course, by: Who, why: &str, at: Timestamp) -> Result<Group, Refusal> {
    let Some(into) = root.root() else {
        return Err(root
            .merged()
            .map_or(Refusal::Closed, |other| Refusal::Merged { into: other.incident() }));
    };
    let merged = one.apply(
        Change::Merge {
            into,
            by,
            why: why.to_owned(),
        },
        at,
    )?;
    let incident = one.incident();
    Ok(Group {
        root: vec![root.apply(Change::Adopt { incident, by }, at)?],
        others: vec![merged],
    })
}

/// Takes an incident out of the one that lists it; where it is still merged there, it stands for itself again and calls.
pub fn leave(one: &Course, root: &Course, by: Who, why: &str, at: Timestamp) -> Result<Group, Refusal> {
    let incident = one.incident();
    let released = root.apply(Change::Release { incident, by }, at)?;
    let split = match one.merged() {
        Some(into) if into.incident() == root.incident() => {
            let why = why.to_owned();
            one.apply(Change::Split { by, why }, at)?
        }
        _ => Applied::Unchanged,
    };
    Ok(Group {
        root: vec![released],
        others: vec![split],
    })
}

/// Closes an incident with all that are merged into it, by one user with one code. Those that only a person may judge, each by
/// itself, and those that the user may not `judge` (of the other branch, of another agency) are split off and stay open. `others` must
/// be all that it lists.
pub fn close_group(
    root: &Course,
    others: &[Course],
    judge: impl Fn(&Course) -> bool,
    user: Uuid,
    code: ClosingCode,
    note: &str,
    at: Timestamp,
) -> Result<Group, Refusal> {
    let by = Who::User(user);
    let mut course = root.clone();
    let mut group = Group {
        root: Vec::new(),
        others: Vec::new(),
    };
    let mut then = |course: &mut Course, change: Change| {
        let applied = course.apply(change, at)?;
        if let Applied::Changed { course: after, .. } = &applied {
            *course = (**after).clone();
        }
        group.root.push(applied);
        Ok(())
    };
    for other in others {
        let incident = other.incident();
        then(&mut course, Change::Release { incident, by })?;
    }
    let note = note.to_owned();
    let closed = Change::Close {
        user,
        code,
        note: note.clone(),
    };
    then(&mut course, closed)?;
    for other in others {
        let root = root.incident();
        let change = match other.merged() {
            Some(into) if into.incident() == root && other.by_hand() => Change::Split {
                by,
                why: "only a person may judge this, by itself".to_owned(),
            },
            Some(into) if into.incident() == root && !judge(other) => Change::Split {
                by,
                why: "the other was closed by somebody who may not judge this".to_owned(),
            },
            Some(into) if into.incident() == root => Change::CloseWithRoot {
                user,
                root,
                code,
                note: note.clone(),
            },
            // It was closed, or has left, already.
            _ => {
                group.others.push(Applied::Unchanged);
                continue;
            }
        };
        group.others.push(other.apply(change, at)?);
    }
    Ok(group)
}
