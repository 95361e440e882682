//! Events as the engine decided them, stored once however often they are read.

use alerts::{
    Audience, group,
    priority::order::{Ruled, of_kind},
};
use jiff::Timestamp;
use proto::{EventId, PersonId, ViolationId, ZoneId, event as words, wire};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    order::priority,
    pool::{GenericClient, optional},
};

/// An event whose every field has been checked and fits the case database.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Deterministic: the same for every copy.
    pub event_id: EventId,
    /// Shared by onset, end and corrections.
    pub violation_id: ViolationId,
    /// Whom it is about.
    pub person_id: PersonId,
    /// What.
    pub kind: wire::EventKind,
    /// Onset, end or correction.
    pub edge: group::Edge,
    /// Where, if a zone is involved.
    pub zone_id: Option<ZoneId>,
    zone_revision: i64,
    rules_revision: i64,
    /// When the violation began.
    pub onset_at: Timestamp,
    /// When it ended, in the end event, and in a correction of one that does not go on.
    pub ended_at: Option<Timestamp>,
    decided_at: Timestamp,
    /// Judged from reports that came after newer ones.
    pub late: bool,
    /// Of a correction: it did not happen.
    pub withdrawn: bool,
    /// When the gateway received what proved it; `None` for timers.
    pub received_at: Option<Timestamp>,
    /// When what proved it was made, as the device says; `None` for timers.
    made_at: Option<Timestamp>,
}

impl Event {
    /// Checks an event of the stream. The error names the field.
    pub fn from_wire(event: &wire::Event) -> Result<Self, Error> {
        let bad = |field: &str, value: &dyn std::fmt::Display| Error::Input(format!("event {field}: {value}"));
        let time =
            |field: &'static str, micros: i64| Timestamp::from_microsecond(micros).map_err(|error| bad(field, &error));
        let revision = |field: &'static str, value: u64| i64::try_from(value).map_err(|error| bad(field, &error));
        let kind = match event.kind() {
            wire::EventKind::Unspecified => return Err(bad("kind", &event.kind)),
            known => known,
        };
        let edge = match event.edge() {
            wire::Edge::Onset => group::Edge::Onset,
            wire::Edge::End => group::Edge::End,
            wire::Edge::Correction => group::Edge::Correction,
            wire::Edge::Unspecified => return Err(bad("edge", &event.edge)),
        };
        let zone_id = match event.zone_id.as_slice() {
            [] => None,
            bytes => Some(ZoneId::from_wire(bytes).map_err(|error| bad("zone_id", &error))?),
        };
        let ended_at = event.end_us.map(|micros| time("end_us", micros)).transpose()?;
        if edge == group::Edge::End && ended_at.is_none() {
            return Err(bad("end_us", &"missing in an end event"));
        }
        let received_us = event.trace.as_ref().map_or(0, |trace| trace.received_at_us);
        let made_us = event.trace.as_ref().map_or(0, |trace| trace.fix_time_us);
        Ok(Self {
            event_id: EventId::from_wire(&event.event_id).map_err(|error| bad("event_id", &error))?,
            violation_id: ViolationId::from_wire(&event.violation_id).map_err(|error| bad("violation_id", &error))?,
            person_id: PersonId::from_wire(&event.person_id).map_err(|error| bad("person_id", &error))?,
            kind,
            edge,
            zone_id,
            zone_revision: revision("zone_revision", event.zone_revision)?,
            rules_revision: revision("rules_revision", event.rules_revision)?,
            onset_at: time("onset_us", event.onset_us)?,
            ended_at,
            decided_at: time("decided_at_us", event.decided_at_us)?,
            late: event.late,
            withdrawn: event.withdrawn && edge == group::Edge::Correction,
            received_at: (received_us > 0)
                .then(|| time("trace.received_at_us", received_us))
                .transpose()?,
            // A device may say any time; one that is none proves nothing.
            made_at: (made_us != 0)
                .then(|| Timestamp::from_microsecond(made_us).ok())
                .flatten(),
        })
    }

    /// When the engine knew, by the log.
    pub const fn decided_at(&self) -> Timestamp {
        self.decided_at
    }

    /// When what proved it was made, as the device says; `None` for timers.
    pub const fn made_at(&self) -> Option<Timestamp> {
        self.made_at
    }

    /// What grouping needs of it.
    pub fn for_grouping(&self) -> group::Event {
        group::Event {
            violation: self.violation_id,
            kind: self.kind,
            edge: self.edge,
            zone: self.zone_id,
            finding: group::Finding {
                decided_at: self.decided_at,
                outcome: outcome(self.ended_at, self.withdrawn),
            },
        }
    }
}

fn outcome(ended_at: Option<Timestamp>, withdrawn: bool) -> group::Outcome {
    match ended_at {
        _ if withdrawn => group::Outcome::Withdrawn,
        Some(at) => group::Outcome::Ended(at),
        None => group::Outcome::Open,
    }
}

/// What storing an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// There is no such person; nothing was stored.
    UnknownPerson,
    /// It is stored already.
    Known,
    /// One with its id is stored that says something else of the end; this one is lost.
    Contradicts,
    /// It is stored now; it is the test device's, and nobody is told of it.
    Canary,
    /// It is stored now.
    New(group::Context),
}

// The person's row is read in the same statement: an unknown person must not break the transaction on a foreign key. What the
// statement stores it does not see, so `told` is what the other events say; the view `violation` has the same order. What an order
// says of priorities is read as of the violation's beginning, like `order::priorities_at`.
const STORE: &str = "WITH stored AS (
        INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_id, zone_revision, rules_revision, onset_at,
            ended_at, decided_at, late, withdrawn, payload)
        SELECT $1, $2, person_id, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM person WHERE person_id = $3
        ON CONFLICT (event_id) DO NOTHING RETURNING event_id
    )
    SELECT p.risk_level, p.canary, z.audience, EXISTS (SELECT FROM stored) AS is_new,
        EXISTS (SELECT FROM event e WHERE e.event_id = $1 AND (e.ended_at, e.withdrawn) IS DISTINCT FROM ($10, $13)) AS differs,
        told.decided_at AS told_at, told.ended_at AS told_end, told.withdrawn AS told_withdrawn,
        q.order_id, q.revision AS order_revision, q.rules AS order_rules
    FROM person p LEFT JOIN zone z ON z.zone_id = $6
    LEFT JOIN LATERAL (
        SELECT t.order_id FROM order_term t WHERE t.person_id = p.person_id AND t.starts_at <= $9 AND t.ends_at > $9
        ORDER BY t.starts_at DESC, t.order_id DESC LIMIT 1
    ) o ON true
    LEFT JOIN LATERAL (
        SELECT s.order_id, s.revision, s.rules FROM order_priority s WHERE s.order_id = o.order_id AND s.valid_from <= $9
        ORDER BY s.revision DESC LIMIT 1
    ) q ON true
    LEFT JOIN LATERAL (
        SELECT e.decided_at, e.ended_at, e.withdrawn FROM event e WHERE e.violation_id = $2 AND e.edge <> 'onset'
        ORDER BY e.decided_at DESC, e.stored_at DESC LIMIT 1
    ) told ON true
    WHERE p.person_id = $3";

/// Stores an event with its bytes as decided, unless it is stored already.
pub async fn store(transaction: &impl GenericClient, event: &Event, payload: &[u8]) -> Result<Stored, Error> {
    let zone: Option<Uuid> = event.zone_id.map(ZoneId::uuid);
    let edge = match event.edge {
        group::Edge::Onset => words::edge_name(wire::Edge::Onset),
        group::Edge::End => words::edge_name(wire::Edge::End),
        group::Edge::Correction => words::edge_name(wire::Edge::Correction),
    };
    let found = optional(
        transaction,
        STORE,
        &[
            &event.event_id.uuid(),
            &event.violation_id.uuid(),
            &event.person_id.uuid(),
            &words::kind_name(event.kind),
            &edge,
            &zone,
            &event.zone_revision,
            &event.rules_revision,
            &event.onset_at,
            &event.ended_at,
            &event.decided_at,
            &event.late,
            &event.withdrawn,
            &payload,
        ],
    )
    .await?;
    let Some(row) = found else {
        return Ok(Stored::UnknownPerson);
    };
    if !row.try_get::<_, bool>("is_new")? {
        let differs = row.try_get("differs")?;
        return Ok(if differs { Stored::Contradicts } else { Stored::Known });
    }
    if row.try_get("canary")? {
        return Ok(Stored::Canary);
    }
    let zone_audience = row
        .try_get::<_, Option<&str>>("audience")?
        .map(parse_audience)
        .transpose()?;
    let told = match row.try_get("told_at")? {
        Some(decided_at) => Some(group::Finding {
            decided_at,
            outcome: outcome(row.try_get("told_end")?, row.try_get("told_withdrawn")?),
        }),
        None => None,
    };
    Ok(Stored::New(group::Context {
        risk_level: row.try_get("risk_level")?,
        zone_audience,
        order: ruled(&row, event.kind)?,
        told,
    }))
}

/// What the order in force when the violation began says of its kind.
fn ruled(row: &Row, kind: wire::EventKind) -> Result<Option<Ruled>, Error> {
    let Some(order) = row.try_get::<_, Option<Uuid>>("order_id")? else {
        return Ok(None);
    };
    let rules = priority::readable(order, row.try_get("order_rules")?);
    let revision = row.try_get("order_revision")?;
    Ok(of_kind(&rules, kind).map(|change| Ruled {
        order,
        revision,
        change,
    }))
}

pub(crate) fn parse_audience(text: &str) -> Result<Audience, Error> {
    text.parse().map_err(|error| Error::Configuration(format!("{error}")))
}
