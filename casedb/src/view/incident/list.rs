//! The queue and other lists of incidents, page by page.
//!
//! A page is read by place, not by number: from the index in the order of the list, beginning after the last row of the page
//! before. So the last page costs what the first one does, and what comes in meanwhile neither repeats a row nor hides one.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use postgres_types::ToSql;
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Incident, IncidentState, fields, incident_columns};
use crate::{
    Error, GenericClient,
    pool::{row as one_row, rows},
    view::scoped,
};

/// Closed incidents are counted up to here.
const MOST_COUNTED: i64 = 100_000;

/// What a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Open, closed, or both.
    pub state: IncidentState,
    /// Only of this person.
    pub person_id: Option<Uuid>,
    /// Only of this severity, 1 to 4.
    pub severity: Option<i16>,
    /// Only those that the user has acknowledged.
    pub mine: bool,
    /// Begins after this place; without it, at the beginning, and with counts.
    pub after: Option<Place>,
    /// At most so many.
    pub limit: i64,
}

/// Where a page ends: the key of its last row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Among those not closed.
    Open {
        /// Severity.
        severity: i16,
        /// Not ongoing.
        over: bool,
        /// When it was raised.
        raised_at: Timestamp,
        /// Id.
        incident_id: Uuid,
    },
    /// Among the closed.
    Closed {
        /// When it was closed.
        closed_at: Timestamp,
        /// Id.
        incident_id: Uuid,
    },
}

impl Place {
    /// Before every open incident of this severity and all less urgent ones.
    const fn before(severity: i16) -> Self {
        Self::Open {
            severity,
            over: false,
            raised_at: Timestamp::UNIX_EPOCH,
            incident_id: Uuid::nil(),
        }
    }

    fn of(incident: &Incident) -> Self {
        let fields = &incident.fields;
        match fields.closed_at {
            Some(closed_at) => Self::Closed {
                closed_at,
                incident_id: fields.incident_id,
            },
            None => Self::Open {
                severity: fields.severity,
                over: !fields.ongoing,
                raised_at: fields.raised_at,
                incident_id: fields.incident_id,
            },
        }
    }
}

impl fmt::Display for Place {
    /// As it travels: opaque to clients.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open {
                severity,
                over,
                raised_at,
                incident_id,
            } => write!(
                f,
                "o{severity}.{}.{}.{}",
                u8::from(*over),
                raised_at.as_microsecond(),
                incident_id.simple()
            ),
            Self::Closed { closed_at, incident_id } => {
                write!(f, "c{}.{}", closed_at.as_microsecond(), incident_id.simple())
            }
        }
    }
}

/// A text that is no place of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place that a list has given")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let mut parts = text.get(1..).ok_or(NoPlace)?.split('.');
        let mut part = || parts.next().ok_or(NoPlace);
        let number = |text: &str| text.parse::<i64>().map_err(|_| NoPlace);
        // Years that PostgreSQL has too.
        let time = |text: &str| {
            let time = Timestamp::from_microsecond(number(text)?).map_err(|_| NoPlace)?;
            (time >= Timestamp::UNIX_EPOCH).then_some(time).ok_or(NoPlace)
        };
        let id = |text: &str| Uuid::try_parse(text).map_err(|_| NoPlace);
        let place = if text.starts_with('o') {
            Self::Open {
                severity: part()?.parse().map_err(|_| NoPlace)?,
                over: match part()? {
                    "0" => false,
                    "1" => true,
                    _ => return Err(NoPlace),
                },
                raised_at: time(part()?)?,
                incident_id: id(part()?)?,
            }
        } else if text.starts_with('c') {
            Self::Closed {
                closed_at: time(part()?)?,
                incident_id: id(part()?)?,
            }
        } else {
            return Err(NoPlace);
        };
        if parts.next().is_some() {
            return Err(NoPlace);
        }
        Ok(place)
    }
}

/// How many are open, of all that the user sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpenCounts {
    /// Of severity 1, 2, 3 and 4.
    pub severity: [i64; 4],
    /// Of these, acknowledged by the user.
    pub mine: [i64; 4],
}

/// A list of incidents.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentList {
    /// At most as many as asked for.
    pub incidents: Vec<Incident>,
    /// How many there are in all pages (closed ones are counted up to 100,000); null in pages after the first.
    pub total: Option<i64>,
    /// How many are open; null in pages after the first, in lists of one person, and where only closed ones are asked for.
    pub open: Option<OpenCounts>,
    /// Give it as `after` for the next page; null: there is none.
    pub next: Option<String>,
}

// The inner select walks the list's own index; the rest of a row is then looked up by its key, row by row (the limit inside keeps
// the planner from joining the whole table).
macro_rules! open_page {
    ($filter:literal) => {
        scoped!(concat!(
            "SELECT ",
            incident_columns!("visible_incident"),
            ", i.events
            FROM (
                SELECT s.incident_id, s.severity, NOT s.ongoing AS over, s.raised_at FROM sighted_incident s
                WHERE s.state <> 'closed' AND (s.severity, NOT s.ongoing, s.raised_at, s.incident_id) > ($3, $4, $5, $6)
                    AND s.severity <= $7 AND ",
            $filter,
            " ORDER BY s.severity, NOT s.ongoing, s.raised_at, s.incident_id LIMIT $2
            ) page
            CROSS JOIN LATERAL (SELECT * FROM visible_incident v WHERE v.incident_id = page.incident_id LIMIT 1) i
            LEFT JOIN visible_zone z ON z.zone_id = i.zone_id
            LEFT JOIN app_user ab ON ab.user_id = i.acknowledged_by LEFT JOIN app_user cb ON cb.user_id = i.closed_by
            ORDER BY page.severity, page.over, page.raised_at, page.incident_id"
        ))
    };
}

macro_rules! closed_page {
    ($filter:literal) => {
        scoped!(concat!(
            "SELECT ",
            incident_columns!("visible_incident"),
            ", i.events
            FROM (
                SELECT s.incident_id, s.closed_at FROM sighted_incident s
                WHERE s.state = 'closed' AND s.closed_at <= $3 AND (s.closed_at < $3 OR s.incident_id > $4)
                    AND ($5::smallint IS NULL OR s.severity = $5) AND (NOT $6::boolean OR s.acknowledged_by = $1) AND ",
            $filter,
            " ORDER BY s.closed_at DESC, s.incident_id LIMIT $2
            ) page
            CROSS JOIN LATERAL (SELECT * FROM visible_incident v WHERE v.incident_id = page.incident_id LIMIT 1) i
            LEFT JOIN visible_zone z ON z.zone_id = i.zone_id
            LEFT JOIN app_user ab ON ab.user_id = i.acknowledged_by LEFT JOIN app_user cb ON cb.user_id = i.closed_by
            ORDER BY page.closed_at DESC, page.incident_id"
        ))
    };
}

/// Lists incidents of those that the user sees: open ones with the most urgent first, then closed ones with the newest first.
/// `known`: how many are open by severity, where that has just been counted for the same sight.
pub async fn incidents(
    client: &impl GenericClient,
    user_id: Uuid,
    asked: &Asked,
    known: Option<[i64; 4]>,
) -> Result<IncidentList, Error> {
    let one_more = asked.limit.saturating_add(1);
    let mut found = Vec::new();
    let passed_open = matches!(asked.after, Some(Place::Closed { .. }));
    if asked.state != IncidentState::Closed && !passed_open {
        found = open_rows(client, user_id, asked, one_more).await?;
    }
    let left = one_more.saturating_sub(i64::try_from(found.len()).unwrap_or(i64::MAX));
    if asked.state != IncidentState::Open && left > 0 {
        found.extend(closed_rows(client, user_id, asked, left).await?);
    }
    let mut incidents = found.iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    let asked_for = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let more = incidents.len() > asked_for;
    incidents.truncate(asked_for);
    let next = incidents
        .last()
        .filter(|_| more)
        .map(|last| Place::of(last).to_string());
    let (mut total, mut open) = (None, None);
    if asked.after.is_none() {
        let mut all = 0;
        if asked.state != IncidentState::Closed {
            if let Some(person) = asked.person_id {
                all += open_of_person(client, user_id, person, asked).await?;
            } else {
                let counts = open_counts(client, user_id, known).await?;
                let of = if asked.mine { counts.mine } else { counts.severity };
                all += of
                    .iter()
                    .zip(1_i16..)
                    .filter(|(_, severity)| asked.severity.is_none_or(|wanted| wanted == *severity))
                    .map(|(count, _)| count)
                    .sum::<i64>();
                open = Some(counts);
            }
        }
        if asked.state != IncidentState::Open {
            all += closed_count(client, user_id, asked).await?;
        }
        total = Some(all);
    }
    Ok(IncidentList {
        incidents,
        total,
        open,
        next,
    })
}

/// Counts what is open, by severity. Where somebody with the same sight has just counted, only the user's own are counted.
pub async fn open_counts(
    client: &impl GenericClient,
    user_id: Uuid,
    known: Option<[i64; 4]>,
) -> Result<OpenCounts, Error> {
    const ALL: &str =
        scoped!("SELECT s.severity, count(*) FROM sighted_incident s WHERE s.state <> 'closed' GROUP BY s.severity");
    const MINE: &str = scoped!(
        "SELECT s.severity, count(*) FROM sighted_incident s WHERE s.state <> 'closed' AND s.acknowledged_by = $1
        GROUP BY s.severity"
    );
    Ok(OpenCounts {
        severity: match known {
            Some(known) => known,
            None => by_severity(&rows(client, ALL, &[&user_id]).await?)?,
        },
        mine: by_severity(&rows(client, MINE, &[&user_id]).await?)?,
    })
}

/// True while the user sees people of other branches, because the glass is broken.
pub async fn has_opened(client: &impl GenericClient, user_id: Uuid) -> Result<bool, Error> {
    const SQL: &str = "SELECT EXISTS (SELECT access_opened($1))";
    Ok(one_row(client, SQL, &[&user_id]).await?.try_get(0)?)
}

fn by_severity(found: &[Row]) -> Result<[i64; 4], Error> {
    let mut counts = [0; 4];
    for row in found {
        let severity: i16 = row.try_get(0)?;
        let at = usize::try_from(severity - 1).unwrap_or(usize::MAX);
        if let Some(count) = counts.get_mut(at) {
            *count = row.try_get(1)?;
        }
    }
    Ok(counts)
}

fn read(row: &Row) -> Result<Incident, Error> {
    Ok(Incident {
        fields: fields(row)?,
        events: row.try_get("events")?,
    })
}

async fn open_rows(client: &impl GenericClient, user_id: Uuid, asked: &Asked, limit: i64) -> Result<Vec<Row>, Error> {
    const ANY: &str = open_page!("true");
    const MINE: &str = open_page!("s.acknowledged_by = $1");
    const PERSON: &str = open_page!("s.person_id = $8 AND (NOT $9::boolean OR s.acknowledged_by = $1)");
    let place = match asked.after {
        Some(place @ Place::Open { .. }) => place,
        _ => Place::before(asked.severity.unwrap_or(0)),
    };
    let Place::Open {
        severity,
        over,
        raised_at,
        incident_id,
    } = place
    else {
        return Ok(Vec::new());
    };
    let most = asked.severity.unwrap_or(i16::MAX);
    let mut values: Vec<&(dyn ToSql + Sync)> =
        vec![&user_id, &limit, &severity, &over, &raised_at, &incident_id, &most];
    match &asked.person_id {
        Some(person) => {
            values.extend([person as &(dyn ToSql + Sync), &asked.mine]);
            rows(client, PERSON, &values).await
        }
        None if asked.mine => rows(client, MINE, &values).await,
        None => rows(client, ANY, &values).await,
    }
}

async fn closed_rows(client: &impl GenericClient, user_id: Uuid, asked: &Asked, limit: i64) -> Result<Vec<Row>, Error> {
    const ANY: &str = closed_page!("true");
    const PERSON: &str = closed_page!("s.person_id = $7");
    // Nothing is closed in the year 9999.
    let (closed_at, incident_id) = match asked.after {
        Some(Place::Closed { closed_at, incident_id }) => (closed_at, incident_id),
        _ => (Timestamp::MAX, Uuid::nil()),
    };
    let mut values: Vec<&(dyn ToSql + Sync)> =
        vec![&user_id, &limit, &closed_at, &incident_id, &asked.severity, &asked.mine];
    match &asked.person_id {
        Some(person) => {
            values.push(person);
            rows(client, PERSON, &values).await
        }
        None => rows(client, ANY, &values).await,
    }
}

async fn open_of_person(client: &impl GenericClient, user_id: Uuid, person: Uuid, asked: &Asked) -> Result<i64, Error> {
    const SQL: &str = scoped!(
        "SELECT count(*) FROM sighted_incident s WHERE s.state <> 'closed' AND s.person_id = $2
            AND ($3::smallint IS NULL OR s.severity = $3) AND (NOT $4::boolean OR s.acknowledged_by = $1)"
    );
    let values: [&(dyn ToSql + Sync); 4] = [&user_id, &person, &asked.severity, &asked.mine];
    Ok(one_row(client, SQL, &values).await?.try_get(0)?)
}

async fn closed_count(client: &impl GenericClient, user_id: Uuid, asked: &Asked) -> Result<i64, Error> {
    const SQL: &str = scoped!(
        "SELECT count(*) FROM (SELECT FROM sighted_incident s WHERE s.state = 'closed' AND ($2::uuid IS NULL OR s.person_id = $2)
            AND ($3::smallint IS NULL OR s.severity = $3) AND (NOT $4::boolean OR s.acknowledged_by = $1) LIMIT $5) counted"
    );
    let values: [&(dyn ToSql + Sync); 5] = [&user_id, &asked.person_id, &asked.severity, &asked.mine, &MOST_COUNTED];
    Ok(one_row(client, SQL, &values).await?.try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_travel_as_text_and_nothing_else_is_one() {
        let incident_id = Uuid::from_u128(0x1234);
        let time = Timestamp::from_microsecond(1_790_000_000_123_456).unwrap();
        for place in [
            Place::before(0),
            Place::Open {
                severity: 3,
                over: true,
                raised_at: time,
                incident_id,
            },
            Place::Closed {
                closed_at: time,
                incident_id,
            },
        ] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in [
            "",
            "o",
            "x1",
            "o1.2.3.4",
            "o1.0.-5.00000000000000000000000000001234",
            "c1.zz",
            "é",
            "c1.2.3",
        ] {
            assert!(text.parse::<Place>().is_err(), "{text:?}");
        }
    }
}
