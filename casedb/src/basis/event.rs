//! Events: what is told of a time for which there is no basis is not stored, and no explanation has a fix of such a time.

use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::{PersonId, ViolationId, wire};

use crate::{
    Error,
    event::Event,
    pool::{GenericClient, optional, row},
};

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Without {
    /// Nothing is wrong with it, or there is no such person.
    Nothing,
    /// Some of the fixes that it names were made without a basis: these are its bytes without them.
    Fixes(Vec<u8>),
    /// All of it is without a basis, at this time.
    All(Timestamp),
}

const TERMS: &str = "SELECT array_agg(t.starts_at) FILTER (WHERE t.order_id IS NOT NULL),
        array_agg(t.ends_at) FILTER (WHERE t.order_id IS NOT NULL)
    FROM person p LEFT JOIN order_term t USING (person_id) WHERE p.person_id = $1 GROUP BY p.person_id";
const KNOWN: &str = "SELECT EXISTS (SELECT FROM event WHERE violation_id = $1 AND edge = 'onset')";

/// Terms of a person's orders, all of them.
pub(super) struct Terms(Vec<(Timestamp, Timestamp)>);

impl Terms {
    /// `None`: there is no such person.
    pub(super) async fn read(client: &impl GenericClient, person_id: PersonId) -> Result<Option<Self>, Error> {
        let Some(found) = optional(client, TERMS, &[&person_id.uuid()]).await? else {
            return Ok(None);
        };
        let starts: Option<Vec<Timestamp>> = found.try_get(0)?;
        let ends: Option<Vec<Timestamp>> = found.try_get(1)?;
        let terms = starts.unwrap_or_default().into_iter().zip(ends.unwrap_or_default());
        Ok(Some(Self(terms.collect())))
    }

    fn cover(&self, at: Timestamp) -> bool {
        self.0.iter().any(|(starts, ends)| (*starts..*ends).contains(&at))
    }

    pub(super) fn cover_us(&self, at_us: i64) -> bool {
        Timestamp::from_microsecond(at_us).is_ok_and(|at| self.cover(at))
    }

    /// The bytes of an event without the fixes that were made without a basis; `None`: it names none.
    pub(super) fn trimmed(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut event = wire::Event::decode(payload).ok()?;
        let mut changed = false;
        if let Some(why) = &mut event.explanation {
            let before = why.fixes.len();
            why.fixes.retain(|fix| self.cover_us(fix.fix_time_us));
            changed = why.fixes.len() < before;
        }
        if let Some(trace) = &mut event.trace
            && trace.fix_time_us != 0
            && !self.cover_us(trace.fix_time_us)
        {
            // 0: nothing but the clock caused it.
            trace.fix_time_us = 0;
            changed = true;
        }
        changed.then(|| event.encode_to_vec())
    }
}

/// Judges an event: its onset must lie in a term, and so must the moment at which the engine knew, or, where that is later, all that
/// proves it: a report made in a term may come after its end. The end of what began in a term is told also when it ended with the
/// term.
pub async fn judge(client: &impl GenericClient, event: &Event, payload: &[u8]) -> Result<Without, Error> {
    let Some(terms) = Terms::read(client, event.person_id).await? else {
        return Ok(Without::Nothing);
    };
    if !terms.cover(event.onset_at) {
        return Ok(Without::All(event.onset_at));
    }
    let trimmed = terms.trimmed(payload);
    let proved = match event.made_at() {
        Some(made_at) => terms.cover(made_at) && trimmed.is_none(),
        // A timer of the term's last moment rings with its end.
        None => event
            .decided_at()
            .checked_sub(SignedDuration::from_micros(1))
            .is_ok_and(|last| terms.cover(last)),
    };
    if !terms.cover(event.decided_at())
        && !proved
        && (event.edge == alerts::group::Edge::Onset || !is_known(client, event.violation_id).await?)
    {
        return Ok(Without::All(event.decided_at()));
    }
    Ok(trimmed.map_or(Without::Nothing, Without::Fixes))
}

async fn is_known(client: &impl GenericClient, violation_id: ViolationId) -> Result<bool, Error> {
    Ok(row(client, KNOWN, &[&violation_id.uuid()]).await?.try_get(0)?)
}
