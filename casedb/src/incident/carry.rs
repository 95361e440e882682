//! Incidents of before there were records: their course begins with how they stand, and says so.

use alerts::{
    Audience, ClosingCode, Severity, State,
    lifecycle::course::{Applied, Change, Course, Onset, Patience, Record},
};
use jiff::Timestamp;
use uuid::Uuid;

use super::{Entry, IncidentError, IncidentRow, store};
use crate::{
    access::{Beyond, step_out},
    pool::{GenericClient, row},
};

/// What is known of one.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) incident_id: Uuid,
    pub(super) grouping_key: String,
    pub(super) state: State,
    pub(super) severity: Severity,
    pub(super) audience: Audience,
    pub(super) ongoing: bool,
    pub(super) acknowledged_by: Option<Uuid>,
    pub(super) raised_at: Timestamp,
    pub(super) closed: Option<(Timestamp, Option<Uuid>)>,
}

/// Its course, and the records that lead there. An open one begins now: whoever has it has it for the usual time from now on, and
/// whom it calls is called from now on, not for all the time that it lay there.
fn course(old: &Old, now: Timestamp) -> Result<(Course, Vec<Record>), IncidentError> {
    let by_hand = by_hand(&old.grouping_key);
    let onset = Onset {
        event: Uuid::nil(),
        severity: old.severity,
        audience: old.audience,
        ongoing: old.ongoing,
        by_hand,
    };
    let at = old.closed.map_or(now, |_| old.raised_at);
    let (mut course, first) = Course::raise(old.incident_id, onset, at);
    let mut records = vec![first];
    let patience = Patience::default();
    let mut changes = Vec::new();
    if old.state != State::Raised {
        changes.push((Change::Told, at));
    }
    match (old.state, old.acknowledged_by) {
        (State::Acknowledged, Some(user)) => {
            let expires = patience.acknowledged(old.severity, at);
            changes.push((Change::Acknowledge { user, expires }, at));
        }
        (State::InAction, Some(user)) => {
            let expires = patience.in_action(old.severity, at);
            changes.push((Change::StartAction { user, expires }, at));
        }
        (State::Closed(code), held_by) => {
            let (closed_at, closed_by) = old.closed.unwrap_or((at, None));
            if let Some(user) = held_by {
                let expires = patience.acknowledged(old.severity, at);
                changes.push((Change::Acknowledge { user, expires }, at));
            }
            changes.push((closing(code, closed_by.or(held_by).unwrap_or_default()), closed_at));
            if !old.ongoing {
                let event = Uuid::nil();
                changes.push((Change::End { event, ongoing: false }, closed_at));
            }
        }
        _ => {}
    }
    for (change, at) in changes {
        if let Applied::Changed { course: after, record } = course.apply(change, at)? {
            course = *after;
            records.push(*record);
        }
    }
    Ok((course, records))
}

fn closing(code: ClosingCode, user: Uuid) -> Change {
    Change::Close {
        user,
        code,
        // The words are in the history; where the code needs some, these say where.
        note: if code.needs_text() {
            "see above".to_owned()
        } else {
            String::new()
        },
    }
}

/// True where only a person may say that it is over.
pub(super) fn by_hand(grouping_key: &str) -> bool {
    let family = grouping_key.split(':').next().unwrap_or_default();
    [
        alerts::group::Family::Strap,
        alerts::group::Family::Case,
        alerts::group::Family::Sos,
    ]
    .iter()
    .any(|known| known.name() == family)
}

const NOW: &str = "SELECT now()";

/// Gives an old incident its course. The row is locked.
pub(super) async fn over(transaction: &impl GenericClient, old: &Old) -> Result<IncidentRow, IncidentError> {
    let now: Timestamp = row(transaction, NOW, &[]).await?.try_get(0)?;
    let (course, records) = course(old, now)?;
    let entries: Vec<Entry> = records
        .into_iter()
        .map(|record| Entry {
            word: "carry_over",
            user: None,
            text: String::new(),
            code: None,
            event: None,
            ..Entry::of(record)
        })
        .collect();
    let outside = step_out(transaction, Beyond::Carry).await?;
    let carried = store::write(transaction, old.incident_id, &course, None, &entries, "").await?;
    outside.back(transaction).await?;
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_as_it_stood() {
        let user = Uuid::from_u128(7);
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let raised_at = Timestamp::from_second(1_780_000_000).unwrap();
        let other = ClosingCode::Other;
        for (state, held, ongoing) in [
            (State::Raised, None, true),
            (State::Notified, None, false),
            (State::Acknowledged, Some(user), true),
            (State::InAction, Some(user), true),
            (State::Closed(other), None, false),
            (State::Closed(ClosingCode::WarningGiven), Some(user), true),
        ] {
            let old = Old {
                incident_id: Uuid::from_u128(1),
                grouping_key: "silence".to_owned(),
                state,
                severity: Severity::P2,
                audience: Audience::Both,
                ongoing,
                acknowledged_by: held,
                raised_at,
                closed: state.is_closed().then_some((now, Some(user))),
            };
            let (course, records) = course(&old, now).unwrap();
            let standing = course.standing();
            assert_eq!(
                (standing.state, standing.acknowledged_by, standing.ongoing),
                (state, held, ongoing)
            );
            assert_eq!(Course::replay(old.incident_id, &records), Ok(course.clone()));
            // Nothing of the time before is made up for.
            assert!(state.is_closed() || course.round_at() == now);
        }
        assert!(by_hand("strap") && by_hand("sos") && !by_hand("curfew:strap"));
    }
}
