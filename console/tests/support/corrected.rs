//! Late and corrected events, told the way the alerts worker tells them, and one that concerns a protected person.
#![allow(
    unreachable_pub,
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::indexing_slicing,
    reason = "shared by the tests and an example, each of which uses a part"
)]

use alerts::group::{self, Decision};
use anyhow::{Result, bail};
use casedb::{
    Database,
    event::{self, Event, Stored},
    incident,
};
use jiff::{SignedDuration, Timestamp};
use prost::Message;
use proto::{
    EventId, PersonId, ReportId, ViolationId, ZoneId,
    wire::{self, Edge, EventKind, FixSource},
};
use uuid::Uuid;

use super::fixture::Fixture;

/// Where the protected person of the story is; it must be on no page.
pub const PROTECTED: (f64, f64) = (30.299_887_7, 120.199_766_5);

/// What is added to the fixture, by name: `late`, `moved`, `withdrawn`, `resumed`, `near`, `clock`.
pub async fn fill(database: &Database, fixture: &Fixture, now: Timestamp) -> Result<Vec<(&'static str, Uuid)>> {
    let client = database.client().await?;
    let home = async |person: Uuid| -> Result<ZoneId> {
        let sql = "SELECT zone_id FROM person_zone JOIN zone USING (zone_id) WHERE person_id = $1 AND label = 'Home'";
        Ok(ZoneId::new(client.query_one(sql, &[&person]).await?.get(0)))
    };
    let mut made = Vec::new();
    for (name, person, kind, minutes, corrections) in [
        ("late", 5, EventKind::LeftDuringCurfew, 140, &[][..]),
        ("moved", 6, EventKind::LeftDuringCurfew, 75, &[(Some(31), false)][..]),
        (
            "withdrawn",
            2,
            EventKind::CurfewAbsentAtStart,
            110,
            &[(Some(30), false), (Some(0), true)][..],
        ),
        ("resumed", 3, EventKind::LeftDuringCurfew, 64, &[(None, false)][..]),
    ] {
        let person = fixture.people[person];
        let onset = Story {
            person,
            kind,
            zone: home(person).await?,
            at: now - SignedDuration::from_mins(minutes),
            late: name == "late",
        };
        let fixes = onset.own(database, 3).await?;
        let id = tell(database, &onset.event(Edge::Onset, 3, None, &fixes), now).await?;
        tell(database, &onset.event(Edge::End, 23, Some(20), &fixes), now).await?;
        for (nth, (end, withdrawn)) in corrections.iter().enumerate() {
            let mut event = onset.event(Edge::Correction, 40 + nth as i64, *end, &fixes);
            event.withdrawn = *withdrawn;
            event.late = true;
            tell(database, &event, now).await?;
        }
        made.push((name, id));
    }
    let near = Story {
        person: fixture.people[0],
        kind: EventKind::Proximity,
        zone: ZoneId::from_name("keep away"),
        at: now - SignedDuration::from_mins(9),
        late: false,
    };
    let mut fixes = near.own(database, 2).await?;
    // An engine that gave too much away: the other one's position among the evidence.
    fixes.push(wire::FixEvidence {
        report_id: Uuid::now_v7().as_bytes().to_vec(),
        latitude_e7: (PROTECTED.0 * 1e7).round() as i32,
        longitude_e7: (PROTECTED.1 * 1e7).round() as i32,
        ..fixes[0].clone()
    });
    let mut event = near.event(Edge::Onset, 2, None, &fixes);
    event.explanation.as_mut().unwrap().sentence =
        "The distance to a protected person was below the 300 m of the order, with a probability of 0.97.".into();
    made.push(("near", tell(database, &event, now).await?));
    let clock = Story {
        person: fixture.people[5],
        kind: EventKind::ClockSkew,
        zone: ZoneId::new(Uuid::nil()),
        at: now - SignedDuration::from_mins(50),
        late: false,
    };
    let mut event = clock.event(Edge::Onset, 0, None, &[]);
    event.zone_id.clear();
    event.zone_revision = 0;
    event.explanation = Some(wire::Explanation {
        sentence: "The device's clock was 94 s ahead of the time of receipt.".into(),
        time_zone_data: "2026b".into(),
        ..wire::Explanation::default()
    });
    made.push(("clock", tell(database, &event, now).await?));
    Ok(made)
}

struct Story {
    person: Uuid,
    kind: EventKind,
    zone: ZoneId,
    at: Timestamp,
    late: bool,
}

impl Story {
    /// The person's own fixes from the onset on, as evidence.
    async fn own(&self, database: &Database, most: i64) -> Result<Vec<wire::FixEvidence>> {
        let sql = "SELECT report_id, fix_time, latitude, longitude, source FROM position
            WHERE person_id = $1 AND fix_time >= $2 ORDER BY fix_time LIMIT $3";
        let client = database.client().await?;
        let rows = client.query(sql, &[&self.person, &self.at, &most]).await?;
        let fix = |(n, row): (usize, &tokio_postgres::Row)| wire::FixEvidence {
            report_id: ReportId::new(row.get(0)).to_wire(),
            fix_time_us: row.get::<_, Timestamp>(1).as_microsecond(),
            latitude_e7: (row.get::<_, f64>(2) * 1e7).round() as i32,
            longitude_e7: (row.get::<_, f64>(3) * 1e7).round() as i32,
            accuracy_m: Some(12.0),
            signed_distance_m: 34.0 + 21.5 * n as f64,
            probability: 0.93 + 0.02 * n as f64,
            source: (if row.get::<_, i16>(4) == 3 {
                FixSource::Cell
            } else {
                FixSource::Gnss
            }) as i32,
            sigma_m: 9.4 + 1.3 * n as f64,
        };
        Ok(rows.iter().enumerate().map(fix).collect())
    }

    fn event(&self, edge: Edge, decided_min: i64, end_min: Option<i64>, fixes: &[wire::FixEvidence]) -> wire::Event {
        let person = PersonId::new(self.person);
        let onset_us = self.at.as_microsecond();
        let violation = ViolationId::derive(person, self.kind as i32, Some(self.zone), 4, onset_us);
        let minutes = |minutes: i64| onset_us + minutes * 60_000_000;
        // Stored for an hour and a half before it was sent.
        let decided_min = decided_min + if self.late { 90 } else { 0 };
        let sentence = match edge {
            Edge::Onset => {
                "Three fixes lay outside the zone during its schedule, 34 to 77 m beyond the edge, with a probability of 0.987."
            }
            Edge::Correction => {
                "Reports that the device had stored and sent later change what was told of this violation."
            }
            _ => "The person was inside the zone again, with a probability of 0.991.",
        };
        wire::Event {
            event_id: EventId::derive(violation, edge as i32 * 1_000 + decided_min as i32).to_wire(),
            violation_id: violation.to_wire(),
            person_id: person.to_wire(),
            kind: self.kind as i32,
            edge: edge as i32,
            zone_id: self.zone.to_wire(),
            zone_revision: 4,
            rules_revision: 17,
            order_id: Uuid::from_u128(0x0199_4c1e_77aa_7000_8000_0000_0000_0042)
                .as_bytes()
                .to_vec(),
            onset_us,
            end_us: end_min.map(minutes),
            decided_at_us: minutes(decided_min),
            late: self.late,
            explanation: Some(wire::Explanation {
                sentence: sentence.into(),
                fixes: fixes.to_vec(),
                threshold: 0.95,
                time_zone_data: "2026b".into(),
                fixes_required: 3,
                probability: 0.987,
                model: 2,
            }),
            ..wire::Event::default()
        }
    }
}

/// Stores an event and does what it calls for. Returns its incident.
async fn tell(database: &Database, event: &wire::Event, now: Timestamp) -> Result<Uuid> {
    let read = Event::from_wire(event)?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    let Stored::New(context) = event::store(&transaction, &read, &event.encode_to_vec()).await? else {
        bail!("not a new event of a known person");
    };
    let candidates = incident::candidates(&transaction, &read).await?;
    let urgency = group::urgency(&read.for_grouping(), &context);
    let id = match group::decide(&read.for_grouping(), &context, &candidates) {
        Decision::Raise {
            key, audience, ongoing, ..
        } => {
            let raised = incident::raise(&transaction, &read, &key, &urgency, audience, ongoing, now).await?;
            raised.incident_id
        }
        Decision::Fold {
            incident,
            audience,
            ongoing,
            ..
        } => {
            incident::fold(&transaction, incident, &read, &urgency, audience, ongoing, now).await?;
            incident
        }
        Decision::End { incident, ongoing } => {
            incident::end(&transaction, incident, &read, ongoing, now).await?;
            incident
        }
        Decision::Correct {
            incident,
            ongoing,
            change,
        } => {
            incident::correct(&transaction, incident, &read, ongoing, change, now).await?;
            incident
        }
        Decision::Ignore => bail!("an end or a correction without its onset"),
    };
    transaction.commit().await?;
    Ok(id)
}
