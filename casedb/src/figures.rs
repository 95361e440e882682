//! Figures for analysts: counts by kind, priority, agency and day, how long answers took, what alerts came to. Never a person.
//!
//! What few are behind is left out ([`withhold`]). Call all of it in a transaction of [`crate::access::begin`]: the rules of the rows say
//! whose incidents are counted.

use alerts::{ClosingCode, Locale};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;
use tokio_postgres::Row;
use utoipa::ToSchema;

use crate::{
    Error,
    pool::{GenericClient, rows},
};

/// A cell with fewer incidents, or about fewer people, is left out.
pub const LEAST: i64 = 5;

/// A count under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cell {
    /// What is counted: a kind, a priority, an agency, a day, a closing code.
    pub name: String,
    /// How many incidents; null: left out.
    pub incidents: Option<i64>,
}

/// How long it took until somebody took incidents of a priority on.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Answered {
    /// The priority, 1 to 4.
    pub severity: i16,
    /// How many were taken on; null: left out, with the times.
    pub incidents: Option<i64>,
    /// Seconds, the median.
    pub median_s: Option<f64>,
    /// Seconds, nine of ten took no longer.
    pub p90_s: Option<f64>,
}

/// What alerts came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Outcome {
    /// The closing code.
    pub code: String,
    /// In English.
    pub label_en: &'static str,
    /// In Simplified Chinese.
    pub label_zh: &'static str,
    /// It says that the alert was false.
    pub false_alert: bool,
    /// How many; null: left out.
    pub incidents: Option<i64>,
}

/// Reports of a day (UTC) of an agency's people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DayOfReports {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub day: Date,
    /// The agency.
    pub agency: String,
    /// People with reports; null: left out, with the rest.
    pub people: Option<i64>,
    /// Reports.
    pub reports: Option<i64>,
    /// Those with a position.
    pub fixes: Option<i64>,
    /// Those that came late.
    pub late: Option<i64>,
}

/// What is counted in a cell, before anything is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Under which name.
    pub name: String,
    /// Incidents.
    pub incidents: i64,
    /// About so many people; 0: about nobody in particular.
    pub people: i64,
}

impl Counted {
    const fn few(&self) -> bool {
        self.incidents < LEAST || (self.people > 0 && self.people < LEAST)
    }
}

/// Leaves out cells that few are behind. The tables of one interval have one sum, so what is left out of a table can be had as a
/// difference: further cells are left out, the smallest first, until at least two are, with at least [`LEAST`] incidents between them.
pub fn withhold(cells: Vec<Counted>) -> Vec<Cell> {
    let mut out: Vec<bool> = cells.iter().map(Counted::few).collect();
    while out.contains(&true) {
        let hidden = || {
            cells
                .iter()
                .zip(&out)
                .filter(|(_, out)| **out)
                .map(|(cell, _)| cell.incidents)
        };
        if hidden().count() >= 2 && hidden().sum::<i64>() >= LEAST {
            break;
        }
        let smallest = cells
            .iter()
            .enumerate()
            .filter(|(at, _)| out.get(*at) == Some(&false))
            .min_by_key(|(_, cell)| cell.incidents)
            .map(|(at, _)| at);
        let Some(place) = smallest.and_then(|at| out.get_mut(at)) else {
            break;
        };
        *place = true;
    }
    cells
        .into_iter()
        .zip(out)
        .map(|(cell, out)| Cell {
            name: cell.name,
            incidents: (!out).then_some(cell.incidents),
        })
        .collect()
}

macro_rules! counted {
    ($name:literal, $join:literal, $where:literal) => {
        concat!(
            "SELECT ",
            $name,
            " AS name, count(*), count(DISTINCT i.person_id) FROM incident i ",
            $join,
            " WHERE i.raised_at >= $1 AND i.raised_at < $2",
            $where,
            " GROUP BY 1 ORDER BY 1"
        )
    };
}

/// What incidents are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Their kind.
    Kind,
    /// Their priority.
    Priority,
    /// The day (UTC) on which they were raised.
    Day,
    /// The agency: of the analyst's side; of an administration, the police's.
    Agency,
}

const BY_KIND: &str = counted!("i.kind", "", "");
const BY_PRIORITY: &str = counted!("i.severity::text", "", "");
const BY_DAY: &str = counted!("(i.raised_at AT TIME ZONE 'UTC')::date::text", "", "");
const BY_AGENCY: &str = counted!(
    "coalesce(a.name, '')",
    "LEFT JOIN agency a ON a.agency_id = CASE WHEN 'police' = ANY ((SELECT access_audiences(current_user))::text[])
        THEN i.police_agency_id ELSE i.social_agency_id END",
    ""
);
const BY_CODE: &str = counted!(
    "i.closing_code",
    "",
    " AND i.state = 'closed' AND i.closing_code IS NOT NULL"
);
const ANSWERED: &str = "SELECT t.severity, count(*), count(DISTINCT t.person_id),
        percentile_cont(0.5) WITHIN GROUP (ORDER BY t.took), percentile_cont(0.9) WITHIN GROUP (ORDER BY t.took)
    FROM (SELECT i.incident_id, i.severity, i.person_id, extract(epoch FROM min(a.acted_at) - i.raised_at)::float8 AS took
        FROM incident i JOIN incident_action a USING (incident_id)
        WHERE i.raised_at >= $1 AND i.raised_at < $2 AND a.action IN ('acknowledge', 'start_action', 'take_over')
        GROUP BY i.incident_id, i.severity, i.person_id, i.raised_at) t
    GROUP BY t.severity ORDER BY t.severity";
const REPORTS: &str = "SELECT f.day, a.name, f.people, f.reports, f.fixes, f.late FROM report_figures($1, $2) f
    JOIN agency a USING (agency_id) ORDER BY f.day, a.name";

/// Counts incidents raised from one moment to before another.
pub async fn incidents(
    client: &impl GenericClient,
    by: By,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Cell>, Error> {
    let sql = match by {
        By::Kind => BY_KIND,
        By::Priority => BY_PRIORITY,
        By::Day => BY_DAY,
        By::Agency => BY_AGENCY,
    };
    let found = rows(client, sql, &[&from, &to]).await?;
    Ok(withhold(found.iter().map(counted).collect::<Result<_, _>>()?))
}

fn counted(row: &Row) -> Result<Counted, Error> {
    Ok(Counted {
        name: row.try_get(0)?,
        incidents: row.try_get(1)?,
        people: row.try_get(2)?,
    })
}

/// What incidents raised in the interval came to.
pub async fn outcomes(client: &impl GenericClient, from: Timestamp, to: Timestamp) -> Result<Vec<Outcome>, Error> {
    let found = rows(client, BY_CODE, &[&from, &to]).await?;
    let cells = withhold(found.iter().map(counted).collect::<Result<_, _>>()?);
    let outcome = |cell: Cell| {
        let code = cell.name.parse::<ClosingCode>().ok();
        Outcome {
            label_en: code.map_or("", |code| code.label(Locale::En)),
            label_zh: code.map_or("", |code| code.label(Locale::ZhCn)),
            false_alert: cell.name.starts_with("false_alarm") || cell.name == "corrected_by_late_data",
            code: cell.name,
            incidents: cell.incidents,
        }
    };
    Ok(cells.into_iter().map(outcome).collect())
}

/// How long answers took, of incidents raised in the interval that somebody has taken on.
pub async fn answered(client: &impl GenericClient, from: Timestamp, to: Timestamp) -> Result<Vec<Answered>, Error> {
    let found = rows(client, ANSWERED, &[&from, &to]).await?;
    let mut times = Vec::with_capacity(found.len());
    let mut cells = Vec::with_capacity(found.len());
    for row in &found {
        let severity: i16 = row.try_get(0)?;
        times.push((severity, row.try_get(3)?, row.try_get(4)?));
        cells.push(Counted {
            name: severity.to_string(),
            incidents: row.try_get(1)?,
            people: row.try_get(2)?,
        });
    }
    let shown = withhold(cells).into_iter().zip(times);
    Ok(shown
        .map(|(cell, (severity, median, p90))| Answered {
            severity,
            incidents: cell.incidents,
            median_s: cell.incidents.and(median),
            p90_s: cell.incidents.and(p90),
        })
        .collect())
}

/// Reports by day and agency, of the hourly figures of history. What few people are behind the database does not give.
pub async fn reports(client: &impl GenericClient, from: Timestamp, to: Timestamp) -> Result<Vec<DayOfReports>, Error> {
    let found = rows(client, REPORTS, &[&from, &to]).await?;
    found
        .iter()
        .map(|row| {
            Ok(DayOfReports {
                day: row.try_get(0)?,
                agency: row.try_get(1)?,
                people: row.try_get(2)?,
                reports: row.try_get(3)?,
                fixes: row.try_get(4)?,
                late: row.try_get(5)?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(of: &[(i64, i64)]) -> Vec<Option<i64>> {
        let counted = of
            .iter()
            .enumerate()
            .map(|(at, (incidents, people))| Counted {
                name: at.to_string(),
                incidents: *incidents,
                people: *people,
            })
            .collect();
        withhold(counted).into_iter().map(|cell| cell.incidents).collect()
    }

    #[test]
    fn few_are_left_out_and_cannot_be_had_as_a_difference() {
        // Enough of everything: all is shown.
        assert_eq!(cells(&[(5, 5), (9, 7)]), [Some(5), Some(9)]);
        // About nobody in particular counts by incidents alone.
        assert_eq!(cells(&[(5, 0), (9, 7)]), [Some(5), Some(9)]);
        // Many incidents of few people are about people.
        assert_eq!(cells(&[(30, 2), (40, 3), (50, 20)]), [None, None, Some(50)]);
        // One alone would be the difference of the sums: the next smallest goes with it.
        assert_eq!(cells(&[(2, 2), (80, 30), (8, 8)]), [None, Some(80), None]);
        // Two with a sum of two would be one and one.
        assert_eq!(cells(&[(1, 1), (1, 1), (8, 8), (90, 40)]), [None, None, None, Some(90)]);
        // Nothing is left to go with it.
        assert_eq!(cells(&[(3, 3)]), [None]);
        assert_eq!(cells(&[]), []);
    }
}
