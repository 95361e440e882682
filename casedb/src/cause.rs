//! Root causes: one incident for what hits many at once, found by [`alerts::group::cause`] among the open incidents.
//!
//! [`sweep`] is called every some seconds by each alert worker; one at a time works. The incident of a cause is about nobody: it belongs to the
//! nearest agencies above everybody concerned, and those concerned are merged into it. Who lists them sees those people alone whom they may see.

use std::collections::{BTreeMap, BTreeSet};

use alerts::{
    Audience, Severity,
    group::{
        Family,
        cause::{self, Cause, Population, Shared, Sighting, Thresholds},
    },
    lifecycle::course::{Part, Who},
};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    agency,
    device::Cell,
    event::parse_audience,
    incident::{self, IncidentError, SystemIncident},
    pool::{GenericClient, execute, row, rows},
};

/// The incident's kind.
pub const KIND: &str = "root_cause";

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Incidents of causes that were raised.
    pub raised: usize,
    /// Incidents of people that were merged into one.
    pub merged: usize,
}

// Two workers that sweep at once would find the same cause twice, and wait for each other's rows.
const ONE_AT_A_TIME: &str = "SELECT pg_try_advisory_xact_lock(hashtextextended('homeward root causes', 0))";
// With those merged already: without them what hits five more people would be no cause any more.
const SIGHTINGS: &str = "SELECT i.incident_id, i.person_id, p.risk_level, split_part(i.grouping_key, ':', 1) AS family, i.severity, i.audience,
        i.onset_at, i.merged_into, d.model, d.carrier, d.firmware, c.mcc, c.mnc, c.area, c.cell
    FROM incident i JOIN person p USING (person_id)
    LEFT JOIN device_assignment a ON a.person_id = i.person_id AND a.ended_at IS NULL
    LEFT JOIN device d ON d.device_id = a.device_id
    LEFT JOIN device_cell c ON c.device_id = a.device_id AND c.person_id = i.person_id AND c.heard_at > $2
    WHERE i.state <> 'closed' AND i.ongoing AND i.onset_at > $1 AND NOT p.canary
    ORDER BY i.incident_id";
// What is closed by itself has left the list. Of what only a person may judge none is over before that.
const OVER: &str = "SELECT i.grouping_key FROM incident i
    WHERE i.kind = $1 AND i.person_id IS NULL AND i.state <> 'closed' AND i.ongoing
        AND NOT EXISTS (SELECT FROM incident m WHERE m.merged_into = i.incident_id AND m.state <> 'closed' AND m.ongoing)
    ORDER BY i.incident_id";
const POPULATION: &str =
    "SELECT d.model, d.carrier, d.firmware, c.mcc, c.mnc, c.area, c.cell, count(DISTINCT a.person_id) AS people
    FROM device_assignment a JOIN device d USING (device_id) JOIN person p ON p.person_id = a.person_id
    LEFT JOIN device_cell c ON c.device_id = a.device_id AND c.person_id = a.person_id AND c.heard_at > $1
    WHERE a.ended_at IS NULL AND NOT p.canary GROUP BY 1, 2, 3, 4, 5, 6, 7";
/// A cell is a place: what everybody reads has a number of it, drawn by lot, and its name stands in `cause_cell` alone.
const NUMBER: &str = "SELECT coalesce((SELECT c.number FROM cause_cell c JOIN incident i USING (incident_id)
        WHERE c.name = $1 AND split_part(i.grouping_key, ':', 2) = $2 ORDER BY c.named_at DESC, c.incident_id LIMIT 1),
    substr(replace(gen_random_uuid()::text, '-', ''), 1, 12))";
const NAME: &str =
    "INSERT INTO cause_cell (incident_id, number, name, named_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
/// A cell of longer ago says nothing of where a device is.
const CELL_HOLDS: SignedDuration = SignedDuration::from_hours(24);
const AGENCIES: &str = "SELECT pa.path::text AS police, sa.path::text AS social FROM person p
    JOIN agency pa ON pa.agency_id = p.police_agency_id JOIN agency sa ON sa.agency_id = p.social_agency_id
    WHERE p.person_id = ANY ($1)";

/// Looks for causes among what began within the thresholds' window, raises what is new and merges whom they hit.
pub async fn sweep(
    transaction: &impl GenericClient,
    thresholds: &Thresholds,
    now: Timestamp,
) -> Result<Swept, IncidentError> {
    let mine: bool = row(transaction, ONE_AT_A_TIME, &[])
        .await?
        .try_get(0)
        .map_err(crate::Error::from)?;
    if !mine {
        return Ok(Swept::default());
    }
    // What begins to be known late still belongs to its cause; the window itself is between onsets.
    let since = now.saturating_sub(thresholds.window * 4).unwrap_or(Timestamp::MIN);
    over(transaction, now).await?;
    let heard = now.saturating_sub(CELL_HOLDS).unwrap_or(Timestamp::MIN);
    let (sightings, merged) = sightings(transaction, since, heard).await?;
    if people(&sightings) < thresholds.people {
        return Ok(Swept::default());
    }
    let population = population(transaction, heard).await?;
    let mut swept = Swept::default();
    for cause in cause::find(&sightings, &population, thresholds) {
        one(transaction, &cause, &merged, now, &mut swept).await?;
    }
    Ok(swept)
}

/// What was found at once is over for everybody whom it hit: the cause's incident says so, and a person closes it. Who joins later makes it
/// go on again.
async fn over(transaction: &impl GenericClient, now: Timestamp) -> Result<(), IncidentError> {
    for row in rows(transaction, OVER, &[&KIND]).await? {
        let key: &str = row.try_get(0).map_err(crate::Error::from)?;
        let text = "All that have this cause are over.";
        incident::end_system(transaction, None, key, text, now).await?;
    }
    Ok(())
}

async fn one(
    transaction: &impl GenericClient,
    cause: &Cause,
    merged: &BTreeSet<Uuid>,
    now: Timestamp,
    swept: &mut Swept,
) -> Result<(), IncidentError> {
    let fresh: Vec<Uuid> = cause
        .concerned
        .iter()
        .map(|concerned| concerned.incident)
        .filter(|incident| !merged.contains(incident))
        .collect();
    if fresh.is_empty() {
        return Ok(());
    }
    let hit: Vec<Uuid> = cause
        .concerned
        .iter()
        .map(|concerned| concerned.person.uuid())
        .collect();
    let (police_agency, social_agency) = agencies(transaction, &hit).await?;
    let cell = match &cause.shared {
        Shared::Cell(name) => Some((name, number(transaction, cause.family, name).await?)),
        _ => None,
    };
    let (key, shared) = match &cell {
        Some((_, number)) => (
            cause.key_with(&format!("cell:{number}")),
            format!("a cell, number {number}"),
        ),
        None => (cause.key(), cause.shared.words()),
    };
    let text = format!(
        "{} people at once: {}. They share: {shared}.",
        cause.concerned.len(),
        cause.family.name()
    );
    let system = SystemIncident {
        kind: KIND,
        person: None,
        police_agency,
        social_agency,
        grouping_key: &key,
        severity: cause.severity,
        audience: cause.audience,
        text: &text,
        at: now,
    };
    let raised = incident::raise_system(transaction, &system).await?;
    swept.raised += usize::from(raised.new);
    if let Some((name, number)) = &cell {
        let values: [&(dyn postgres_types::ToSql + Sync); 4] = [&raised.incident.incident_id, number, name, &now];
        execute(transaction, NAME, &values).await?;
    }
    incident::merge(
        transaction,
        &fresh,
        raised.incident.incident_id,
        Who::System(Part::Grouping),
        &text,
        now,
    )
    .await?;
    swept.merged += fresh.len();
    Ok(())
}

/// The number by which records call a cell: it says nothing of the cell, and is the same as long as the name is kept somewhere.
async fn number(transaction: &impl GenericClient, family: Family, name: &str) -> Result<String, crate::Error> {
    Ok(row(transaction, NUMBER, &[&name, &family.name()]).await?.try_get(0)?)
}

async fn sightings(
    client: &impl GenericClient,
    since: Timestamp,
    heard: Timestamp,
) -> Result<(Vec<Sighting>, BTreeSet<Uuid>), crate::Error> {
    let (mut sightings, mut merged) = (Vec::new(), BTreeSet::new());
    for row in rows(client, SIGHTINGS, &[&since, &heard]).await? {
        let family: &str = row.try_get("family")?;
        let Some(family) = Family::from_name(family).filter(|family| cause::technical(*family)) else {
            continue;
        };
        let incident: Uuid = row.try_get("incident_id")?;
        if row.try_get::<_, Option<Uuid>>("merged_into")?.is_some() {
            merged.insert(incident);
        }
        sightings.push(Sighting {
            incident,
            person: PersonId::new(row.try_get("person_id")?),
            risk_level: row.try_get("risk_level")?,
            family,
            severity: Severity::from_level(row.try_get("severity")?).unwrap_or(Severity::P1),
            audience: parse_audience(row.try_get("audience")?).unwrap_or(Audience::Both),
            onset_at: row.try_get("onset_at")?,
            shared: shared_by(&row)?,
        });
    }
    Ok((sightings, merged))
}

fn shared_by(row: &Row) -> Result<BTreeSet<Shared>, crate::Error> {
    let cell = match row.try_get("mcc")? {
        None => None,
        Some(mcc) => Some(Cell {
            mcc,
            mnc: row.try_get("mnc")?,
            area: row.try_get("area")?,
            number: row.try_get("cell")?,
        }),
    };
    let (model, carrier, firmware) = (row.try_get("model")?, row.try_get("carrier")?, row.try_get("firmware")?);
    Ok(shared(model, carrier, firmware, cell))
}

/// What a device shares with others, as far as it is known. Who the carrier is its cell says, where nobody has.
fn shared(model: Option<&str>, carrier: Option<&str>, firmware: Option<&str>, cell: Option<Cell>) -> BTreeSet<Shared> {
    let known = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    let (model, carrier, firmware) = (known(model), known(carrier), known(firmware));
    let carrier = carrier.or_else(|| cell.map(Cell::network));
    // A revision is one of a model's.
    let firmware = firmware.map(|firmware| format!("{} {firmware}", model.as_deref().unwrap_or("?")));
    [
        model.map(Shared::Model),
        carrier.map(Shared::Carrier),
        firmware.map(Shared::Firmware),
        cell.map(|cell| Shared::Cell(cell.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn population(client: &impl GenericClient, heard: Timestamp) -> Result<Population, crate::Error> {
    let mut population = Population::default();
    let mut of: BTreeMap<Shared, u64> = BTreeMap::new();
    for row in rows(client, POPULATION, &[&heard]).await? {
        let people = row.try_get::<_, i64>("people")?.max(0).cast_unsigned();
        population.all += people;
        for one in shared_by(&row)? {
            *of.entry(one).or_default() += people;
        }
    }
    population.of = of;
    Ok(population)
}

fn people(sightings: &[Sighting]) -> u64 {
    let people: BTreeSet<PersonId> = sightings.iter().map(|sighting| sighting.person).collect();
    u64::try_from(people.len()).unwrap_or(u64::MAX)
}

/// The nearest agencies above everybody's, of police and of social work; `None` where there is none: then everybody of the audience sees it.
async fn agencies(client: &impl GenericClient, hit: &[Uuid]) -> Result<(Option<Uuid>, Option<Uuid>), crate::Error> {
    let found = rows(client, AGENCIES, &[&hit]).await?;
    let mut nearest = [None, None];
    for (slot, column) in nearest.iter_mut().zip(["police", "social"]) {
        let mut paths = Vec::new();
        for row in &found {
            paths.push(row.try_get::<_, String>(column)?);
        }
        let mut common = common(&paths);
        while !common.is_empty() && slot.is_none() {
            *slot = agency::by_path(client, &common.join("."))
                .await?
                .map(|agency| agency.agency_id);
            common.pop();
        }
    }
    let [police, social] = nearest;
    Ok((police, social))
}

/// The labels that all paths begin with.
fn common(paths: &[String]) -> Vec<&str> {
    let mut paths = paths.iter().map(|path| path.split('.').collect::<Vec<_>>());
    let Some(first) = paths.next() else { return Vec::new() };
    paths.fold(first, |common, path| {
        common
            .into_iter()
            .zip(path)
            .map_while(|(left, right)| (left == right).then_some(left))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_agency_above_all_is_their_common_path() {
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
        assert_eq!(common(&paths(&["a.b.c", "a.b.d", "a.b"])), ["a", "b"]);
        assert_eq!(common(&paths(&["a.b.c"])), ["a", "b", "c"]);
        assert_eq!(common(&paths(&["a.b", "c.b"])), Vec::<&str>::new());
        assert_eq!(common(&[]), Vec::<&str>::new());
    }

    #[test]
    fn a_firmware_belongs_to_its_model_and_what_is_unknown_is_not_shared() {
        let of = shared(Some("M1"), Some(""), Some("2.0"), None);
        assert_eq!(
            of,
            BTreeSet::from([Shared::Firmware("M1 2.0".to_owned()), Shared::Model("M1".to_owned())])
        );
        assert!(shared(None, None, None, None).is_empty());
    }

    #[test]
    fn a_cell_says_the_carrier_where_nobody_has() {
        let cell = Cell {
            mcc: 460,
            mnc: 0,
            area: 9_488,
            number: 4_660,
        };
        let of = |carrier| shared(None, carrier, None, Some(cell));
        let told = Shared::Cell("460-00-9488-4660".to_owned());
        assert_eq!(
            of(Some("")),
            BTreeSet::from([told.clone(), Shared::Carrier("460-00".to_owned())])
        );
        assert_eq!(
            of(Some("East")),
            BTreeSet::from([told.clone(), Shared::Carrier("East".to_owned())])
        );
    }
}
