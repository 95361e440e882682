//! Holiday calendars: named lists of local days. A schedule that says what to do on holidays gets the days of its person's
//! calendar when the person's rules are published.

use jiff::civil::Date;
use uuid::Uuid;

use crate::{
    Error, Refused,
    access::{Beyond, step_out},
    change::{self, What},
    plain,
    pool::{GenericClient, execute, optional, row, rows},
};

/// A day of a calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// The local day.
    pub day: Date,
    /// For people to read.
    pub label: String,
}

const CREATE: &str = "INSERT INTO holiday_calendar (calendar_id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
const BY_NAME: &str = "SELECT calendar_id FROM holiday_calendar WHERE name = $1";
const LIST: &str =
    "SELECT c.calendar_id, c.name, count(h.day) FROM holiday_calendar c LEFT JOIN holiday h USING (calendar_id)
    GROUP BY c.calendar_id ORDER BY c.name";
const ADD: &str = "INSERT INTO holiday (calendar_id, day, label) VALUES ($1, $2, $3)
    ON CONFLICT (calendar_id, day) DO UPDATE SET label = excluded.label";
const REMOVE: &str = "DELETE FROM holiday WHERE calendar_id = $1 AND day = $2";
const DAYS: &str = "SELECT day, label FROM holiday WHERE calendar_id = $1 AND day >= $2 ORDER BY day";
const OUTDATE: &str = "UPDATE person_rules SET stale = true WHERE calendar_id = $1";

/// Somebody goes by the calendar who is of no agency of the user's, nor of one below it.
const OF_OTHERS: &str = "SELECT EXISTS (SELECT FROM person_rules r JOIN person p USING (person_id)
    WHERE r.calendar_id = $1 AND NOT EXISTS (SELECT FROM app_user u JOIN agency own USING (agency_id) JOIN agency a ON a.path <@ own.path
        WHERE u.user_id = $2 AND a.agency_id IN (p.police_agency_id, p.social_agency_id)))";

/// Makes a calendar where there is none of the name; returns its id.
pub async fn ensure(client: &impl GenericClient, name: &str) -> Result<Uuid, Error> {
    plain::CALENDAR_NAME.check(name)?;
    execute(client, CREATE, &[&Uuid::now_v7(), &name]).await?;
    by_name(client, name)
        .await?
        .ok_or_else(|| Error::not_found("holiday calendar", name))
}

/// Finds a calendar.
pub async fn by_name(client: &impl GenericClient, name: &str) -> Result<Option<Uuid>, Error> {
    Ok(match optional(client, BY_NAME, &[&name]).await? {
        Some(row) => Some(row.try_get(0)?),
        None => None,
    })
}

/// Lists the calendars: id, name, number of days.
pub async fn list(client: &impl GenericClient) -> Result<Vec<(Uuid, String, i64)>, Error> {
    let found = rows(client, LIST, &[]).await?;
    let calendars = found
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)));
    calendars.collect()
}

/// Adds days, or changes their labels; returns for how many people rules are published anew, within seconds. Call it in a
/// transaction.
pub async fn add(transaction: &impl GenericClient, calendar_id: Uuid, days: &[Holiday]) -> Result<u64, Error> {
    for holiday in days {
        plain::HOLIDAY_LABEL.check(&holiday.label)?;
        execute(transaction, ADD, &[&calendar_id, &holiday.day, &holiday.label]).await?;
    }
    execute(transaction, OUTDATE, &[&calendar_id]).await
}

/// Takes a day out; false when it was not in. Call it in a transaction.
pub async fn remove(transaction: &impl GenericClient, calendar_id: Uuid, day: Date) -> Result<bool, Error> {
    let removed = execute(transaction, REMOVE, &[&calendar_id, &day]).await? > 0;
    if removed {
        execute(transaction, OUTDATE, &[&calendar_id]).await?;
    }
    Ok(removed)
}

/// Adds days of one label to a calendar, which is made where there is none of the name, in somebody's name; returns for how many people rules
/// follow. Call it in a transaction.
pub async fn extend(
    transaction: &impl GenericClient,
    name: &str,
    days: &[Date],
    label: &str,
    by: Uuid,
) -> Result<u64, Error> {
    change::note(transaction, by, None, What::Holidays, &detail(name, days)).await?;
    let outside = step_out(transaction, Beyond::Calendar).await?;
    let calendar_id = ensure(transaction, name).await?;
    of_own_people(transaction, calendar_id, name, by).await?;
    let holidays: Vec<_> = days
        .iter()
        .map(|&day| Holiday {
            day,
            label: label.to_owned(),
        })
        .collect();
    let people = add(transaction, calendar_id, &holidays).await?;
    outside.back(transaction).await?;
    Ok(people)
}

/// Takes days out of a calendar in somebody's name; one that is not in is refused. Call it in a transaction.
pub async fn reduce(
    transaction: &impl GenericClient,
    calendar_id: Uuid,
    name: &str,
    days: &[Date],
    by: Uuid,
) -> Result<(), Error> {
    change::note(transaction, by, None, What::HolidaysRemoved, &detail(name, days)).await?;
    let outside = step_out(transaction, Beyond::Calendar).await?;
    of_own_people(transaction, calendar_id, name, by).await?;
    for &day in days {
        if !remove(transaction, calendar_id, day).await? {
            return Err(
                Refused::new("day_not_in", format!("{day} is not in {name:?}; nothing was removed"))
                    .with("day", day)
                    .with("calendar", name)
                    .into(),
            );
        }
    }
    outside.back(transaction).await
}

/// Refuses who is not in charge of everybody whose schedules would change.
async fn of_own_people(transaction: &impl GenericClient, calendar_id: Uuid, name: &str, by: Uuid) -> Result<(), Error> {
    if row(transaction, OF_OTHERS, &[&calendar_id, &by]).await?.try_get(0)? {
        let message = format!(
            "people of other agencies go by {name:?}: somebody of an agency above all of them changes it; or make a calendar of your own"
        );
        return Err(Refused::new("calendar_of_others", message)
            .with("calendar", name)
            .into());
    }
    Ok(())
}

fn detail(name: &str, days: &[Date]) -> String {
    let days: Vec<_> = days.iter().map(ToString::to_string).collect();
    format!("{name}: {}", days.join(", "))
}

/// Lists a calendar's days from one on.
pub async fn days(client: &impl GenericClient, calendar_id: Uuid, from: Date) -> Result<Vec<Holiday>, Error> {
    let found = rows(client, DAYS, &[&calendar_id, &from]).await?;
    let days = found.iter().map(|row| {
        Ok(Holiday {
            day: row.try_get(0)?,
            label: row.try_get(1)?,
        })
    });
    days.collect()
}
