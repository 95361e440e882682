//! What is kept about a person besides movement history: what goes with the record, in an order in which it can go, and what stays.

use uuid::Uuid;

use crate::{
    Error, GenericClient, incident,
    pool::{execute, row, rows},
};

/// A table whose rows go, how many there are, and how they go. `$1` is the person, or their zones.
type Going = (&'static str, &'static str, &'static str);

/// Rows of a table under a condition.
macro_rules! rows_of {
    ($table:literal, $which:literal) => {
        (
            $table,
            concat!("SELECT count(*) FROM ", $table, " t WHERE ", $which),
            concat!("DELETE FROM ", $table, " t WHERE ", $which),
        )
    };
    ($table:literal) => {
        rows_of!($table, "t.person_id = $1")
    };
}

/// What names the person, in an order in which it can go.
const OF_PERSON: [Going; 30] = [
    rows_of!(
        "notification",
        "t.incident_id IN (SELECT i.incident_id FROM incident i WHERE i.person_id = $1)"
    ),
    rows_of!(
        "incident_event",
        "t.incident_id IN (SELECT i.incident_id FROM incident i WHERE i.person_id = $1)"
    ),
    rows_of!(
        "incident_action",
        "t.incident_id IN (SELECT i.incident_id FROM incident i WHERE i.person_id = $1)"
    ),
    rows_of!(
        "cause_cell",
        "t.incident_id IN (SELECT i.incident_id FROM incident i WHERE i.person_id = $1)"
    ),
    rows_of!("incident"),
    rows_of!("violation_outcome"),
    rows_of!("event"),
    rows_of!(
        "device_command_step",
        "t.command_id IN (SELECT c.command_id FROM device_command c WHERE c.person_id = $1)"
    ),
    rows_of!("device_command"),
    rows_of!("rules_revision"),
    rows_of!("person_note"),
    rows_of!(
        "contact_revision",
        "t.contact_id IN (SELECT c.contact_id FROM contact c WHERE c.person_id = $1)"
    ),
    rows_of!("contact"),
    rows_of!(
        "leave_pass_zone",
        "t.leave_id IN (SELECT l.leave_id FROM leave_pass l WHERE l.person_id = $1)"
    ),
    rows_of!("leave_pass"),
    rows_of!(
        "order_priority",
        "t.order_id IN (SELECT o.order_id FROM supervision_order o WHERE o.person_id = $1)"
    ),
    rows_of!("order_change"),
    rows_of!("settings_revision"),
    rows_of!("zone_publication"),
    rows_of!("person_zone"),
    rows_of!("person_layer"),
    rows_of!(
        "proximity_revision",
        "t.proximity_id IN (SELECT x.proximity_id FROM proximity x WHERE x.person_id = $1)"
    ),
    rows_of!("proximity"),
    rows_of!("ladder_assignment"),
    rows_of!("service_contract_person"),
    rows_of!("device_fault"),
    rows_of!("position_access"),
    rows_of!("break_glass"),
    rows_of!("device_stop"),
    rows_of!("monitoring_refusal"),
];
/// Zones that nobody else has, when nothing names them any more.
const OF_ZONES: [Going; 3] = [
    rows_of!("zone_past_audience", "t.zone_id = ANY ($1)"),
    rows_of!("zone_revision", "t.zone_id = ANY ($1)"),
    rows_of!("zone", "t.zone_id = ANY ($1)"),
];

/// Tables with rows of a person that stay when everything else goes, and why.
pub const STAYS: &[(&str, &str)] = &[
    ("person", "who it was that there was a basis for"),
    ("supervision_order", "the basis itself"),
    ("order_revision", "the basis, as it was at any time"),
    ("order_past_term", "when the basis was in force"),
    ("order_extension", "how long the basis was made"),
    ("order_approval", "who approved the basis"),
    ("order_notice", "that the law's steps were taken"),
    ("order_review", "that the law's reviews were made"),
    ("order_warning", "that the end of the basis was told in time"),
    ("device_assignment", "when a device was worn under the basis"),
    (
        "person_rules",
        "the number of the last rules, without the rules: the stream's next must be higher",
    ),
    ("legal_hold", "why data were kept longer than the law's term"),
];

/// Zones of the person that nobody else has or had.
const ZONES: &str = "SELECT z.zone_id FROM zone z
    WHERE (EXISTS (SELECT FROM person_zone p WHERE p.zone_id = z.zone_id AND p.person_id = $1)
            OR EXISTS (SELECT FROM zone_publication p WHERE p.zone_id = z.zone_id AND p.person_id = $1)
            OR EXISTS (SELECT FROM proximity x WHERE x.proximity_id = z.zone_id AND x.person_id = $1))
        AND NOT EXISTS (SELECT FROM person_zone p WHERE p.zone_id = z.zone_id AND p.person_id <> $1)
        AND NOT EXISTS (SELECT FROM zone_publication p WHERE p.zone_id = z.zone_id AND p.person_id <> $1)
        AND NOT EXISTS (SELECT FROM leave_pass_zone n JOIN leave_pass l USING (leave_id) WHERE n.zone_id = z.zone_id AND l.person_id <> $1)
    ORDER BY z.zone_id";
/// Incidents of others that are merged into one that goes.
const OTHERS: &str = "SELECT m.incident_id FROM incident m JOIN incident i ON i.incident_id = m.merged_into
    WHERE i.person_id = $1 AND m.person_id IS DISTINCT FROM $1 ORDER BY m.incident_id";
/// The revision stays, so that the stream's next rules have a higher one.
const EMPTY_RULES: &str = "UPDATE person_rules SET published = NULL, calendar_id = NULL, stale = false
    WHERE person_id = $1 AND (published IS NOT NULL OR calendar_id IS NOT NULL)";

/// The tables whose rows go with the record.
pub fn goes() -> impl Iterator<Item = &'static str> {
    OF_PERSON.into_iter().chain(OF_ZONES).map(|(table, ..)| table)
}

/// Deletes everything about a person but [`STAYS`], or counts it; returns the rows of each table.
pub(super) async fn delete(
    transaction: &impl GenericClient,
    person: Uuid,
    dry: bool,
) -> Result<Vec<(&'static str, i64)>, Error> {
    if !dry {
        let others = rows(transaction, OTHERS, &[&person]).await?;
        let others = others
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<Vec<Uuid>, _>>()?;
        incident::stand_alone(transaction, &others, "a person whose record goes by law").await?;
    }
    // Before what says whose they are goes.
    let zones = rows(transaction, ZONES, &[&person]).await?;
    let zones = zones
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<Vec<Uuid>, _>>()?;
    let mut gone = Vec::new();
    for (table, count, delete) in OF_PERSON {
        gone.push((table, part(transaction, count, delete, &person, dry).await?));
    }
    for (table, count, delete) in OF_ZONES {
        gone.push((table, part(transaction, count, delete, &zones, dry).await?));
    }
    if !dry {
        execute(transaction, EMPTY_RULES, &[&person]).await?;
    }
    Ok(gone)
}

async fn part(
    client: &impl GenericClient,
    count: &'static str,
    delete: &'static str,
    whose: &(dyn postgres_types::ToSql + Sync),
    dry: bool,
) -> Result<i64, Error> {
    if dry {
        return Ok(row(client, count, &[whose]).await?.try_get(0)?);
    }
    Ok(i64::try_from(execute(client, delete, &[whose]).await?).unwrap_or(i64::MAX))
}
