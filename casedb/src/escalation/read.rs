//! Reads the plan.

use std::collections::{BTreeMap, BTreeSet};

use alerts::{
    Severity,
    ladder::{Assignment, Ladder, Scope},
    roster::Via,
    rota::{Crew, Day, Exception, Shift, Table},
};
use jiff::SignedDuration;
use proto::PersonId;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Member, Plan, Unit, built_in};
use crate::{
    Error,
    event::parse_audience,
    pool::{GenericClient, optional, rows},
    user::{Branch, Role},
};

const LADDERS: &str = "SELECT DISTINCT ON (r.ladder_id) r.ladder_id, l.name, r.revision, r.laps, r.steps, r.delay_s
    FROM ladder_revision r JOIN ladder l USING (ladder_id) ORDER BY r.ladder_id, r.revision DESC";
const LADDER: &str = "SELECT r.ladder_id, l.name, r.revision, r.laps, r.steps, r.delay_s
    FROM ladder_revision r JOIN ladder l USING (ladder_id) WHERE r.ladder_id = $1 AND r.revision = $2";
const ASSIGNMENTS: &str = "SELECT * FROM (
        SELECT DISTINCT ON (agency_id, person_id, severity, audience) assignment_id, agency_id, person_id, severity, audience, ladder_id
        FROM ladder_assignment ORDER BY agency_id, person_id, severity, audience, assignment_id DESC
    ) newest WHERE ladder_id IS NOT NULL ORDER BY assignment_id";
const MEMBERS: &str = "SELECT u.user_id, u.username, u.display_name, u.role, u.email, u.phone,
        EXISTS (SELECT FROM push_subscription s WHERE s.user_id = u.user_id) AS push, a.kind, a.path::text AS path,
        ARRAY(SELECT s.starts_at FROM absence s WHERE s.user_id = u.user_id AND s.takes_back IS NULL AND s.ends_at > now() - interval '7 days'
            AND NOT EXISTS (SELECT FROM absence t WHERE t.takes_back = s.absence_id) ORDER BY s.absence_id) AS away_from,
        ARRAY(SELECT s.ends_at FROM absence s WHERE s.user_id = u.user_id AND s.takes_back IS NULL AND s.ends_at > now() - interval '7 days'
            AND NOT EXISTS (SELECT FROM absence t WHERE t.takes_back = s.absence_id) ORDER BY s.absence_id) AS away_to
    FROM app_user u JOIN agency a USING (agency_id) WHERE u.disabled_at IS NULL AND a.disabled_at IS NULL";
const UNITS: &str = "SELECT agency_id, path::text AS path, name, kind, disabled_at IS NULL AS in_use FROM agency";
const ROTAS: &str = "SELECT DISTINCT ON (r.rota_id) r.rota_id, o.name, r.revision, r.time_zone, r.overlap_s
    FROM rota_revision r JOIN rota o USING (rota_id) ORDER BY r.rota_id, r.revision DESC";
const SHIFTS: &str = "SELECT s.on_holidays, s.days, s.starts, s.ends, s.turn_from, s.turn_days,
        (SELECT jsonb_agg(t.members ORDER BY t.team) FROM rota_team t
            WHERE (t.rota_id, t.revision, t.shift) = (s.rota_id, s.revision, s.shift)) AS teams
    FROM rota_shift s WHERE s.rota_id = $1 AND s.revision = $2 ORDER BY s.shift";
const HOLIDAYS: &str = "SELECT day FROM rota_holiday WHERE rota_id = $1 AND revision = $2";
const EXCEPTIONS: &str =
    "SELECT starts, ends, away, instead FROM rota_exception WHERE rota_id = $1 AND revision = $2 ORDER BY exception";

fn json<T: DeserializeOwned>(value: serde_json::Value, what: &str) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Configuration(format!("{what}: {error}")))
}

fn whole<T: TryFrom<i64>>(value: i64) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Configuration(format!("{value} is out of range")))
}

fn ladder(row: &Row) -> Result<(Uuid, (String, Ladder)), Error> {
    let id: Uuid = row.try_get("ladder_id")?;
    let ladder = Ladder {
        ladder: id,
        revision: whole(row.try_get("revision")?)?,
        steps: json(row.try_get("steps")?, "ladder")?,
        laps: whole(i64::from(row.try_get::<_, i32>("laps")?))?,
        delay: SignedDuration::from_secs(i64::from(row.try_get::<_, i32>("delay_s")?)),
    };
    Ok((id, (row.try_get("name")?, ladder)))
}

/// Reads a ladder in a revision; a built-in one as well.
pub async fn ladder_revision(
    client: &impl GenericClient,
    ladder_id: Uuid,
    revision: u64,
) -> Result<Option<Ladder>, Error> {
    if let Some(severity) = Severity::ALL
        .into_iter()
        .find(|severity| built_in::ladder_id(*severity) == ladder_id)
    {
        return Ok(Some(built_in::ladder(severity)));
    }
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    let found = optional(client, LADDER, &[&ladder_id, &revision]).await?;
    Ok(found.as_ref().map(ladder).transpose()?.map(|(_, (_, ladder))| ladder))
}

/// Reads everything about calling.
pub async fn load(client: &impl GenericClient) -> Result<Plan, Error> {
    let ladders = rows(client, LADDERS, &[]).await?;
    let assignments = rows(client, ASSIGNMENTS, &[]).await?;
    let mut rotas = BTreeMap::new();
    for row in rows(client, ROTAS, &[]).await? {
        let id: Uuid = row.try_get("rota_id")?;
        rotas.insert(id, (row.try_get("name")?, table(client, id, &row).await?));
    }
    let members = rows(client, MEMBERS, &[]).await?;
    let units = rows(client, UNITS, &[]).await?;
    Ok(Plan {
        ladders: ladders.iter().map(ladder).collect::<Result<_, _>>()?,
        assignments: assignments.iter().map(assignment).collect::<Result<_, _>>()?,
        rotas,
        members: members.iter().map(member).collect::<Result<_, _>>()?,
        units: units.iter().map(unit).collect::<Result<_, _>>()?,
    })
}

fn assignment(row: &Row) -> Result<Assignment, Error> {
    let (agency, person): (Option<Uuid>, Option<Uuid>) = (row.try_get("agency_id")?, row.try_get("person_id")?);
    let scope = match (agency, person) {
        (Some(agency), _) => Scope::Unit(agency),
        (None, Some(person)) => Scope::Person(PersonId::new(person)),
        (None, None) => Scope::Everywhere,
    };
    let audience: Option<&str> = row.try_get("audience")?;
    Ok(Assignment {
        scope,
        severity: row
            .try_get::<_, Option<i16>>("severity")?
            .and_then(Severity::from_level),
        audience: audience.map(parse_audience).transpose()?,
        ladder: row.try_get("ladder_id")?,
    })
}

fn branch(row: &Row) -> Result<Branch, Error> {
    Ok(Branch::parse(row.try_get("kind")?).unwrap_or(Branch::SocialWork))
}

fn unit(row: &Row) -> Result<(Uuid, Unit), Error> {
    let agency_id: Uuid = row.try_get("agency_id")?;
    let unit = Unit {
        agency_id,
        path: row.try_get("path")?,
        name: row.try_get("name")?,
        branch: branch(row)?,
        in_use: row.try_get("in_use")?,
    };
    Ok((agency_id, unit))
}

fn member(row: &Row) -> Result<(Uuid, Member), Error> {
    let user_id: Uuid = row.try_get("user_id")?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let email = filled(row.try_get("email")?);
    let phone = filled(row.try_get("phone")?);
    let mut via = BTreeSet::from([Via::Console]);
    via.extend(email.as_ref().map(|_| Via::Mail));
    via.extend(phone.as_ref().map(|_| Via::Sms));
    if row.try_get("push")? {
        via.insert(Via::Push);
    }
    let (from, to): (Vec<_>, Vec<_>) = (row.try_get("away_from")?, row.try_get("away_to")?);
    let member = Member {
        user_id,
        username: row.try_get("username")?,
        display_name: row.try_get("display_name")?,
        role: Role::parse(row.try_get("role")?).unwrap_or(Role::ServiceProvider),
        branch: branch(row)?,
        path: row.try_get("path")?,
        via,
        away: from.into_iter().zip(to).collect(),
    };
    Ok((user_id, member))
}

async fn table(client: &impl GenericClient, id: Uuid, row: &Row) -> Result<Table, Error> {
    let revision: i64 = row.try_get("revision")?;
    let mut table = Table {
        rota: id,
        time_zone: row.try_get("time_zone")?,
        overlap: SignedDuration::from_secs(i64::from(row.try_get::<_, i32>("overlap_s")?)),
        shifts: Vec::new(),
        holidays: BTreeSet::new(),
        holiday_shifts: Vec::new(),
        exceptions: Vec::new(),
    };
    for row in rows(client, SHIFTS, &[&id, &revision]).await? {
        let days: Vec<Day> = json(row.try_get::<_, Vec<String>>("days")?.into(), "rota")?;
        let mut teams: Vec<Vec<Uuid>> = json(row.try_get::<_, serde_json::Value>("teams")?, "rota")?;
        let crew = match (row.try_get("turn_from")?, row.try_get::<_, Option<i32>>("turn_days")?) {
            (Some(from), Some(days)) => Crew::Turns {
                from,
                days: whole(i64::from(days))?,
                teams,
            },
            _ => Crew::Fixed(teams.pop().unwrap_or_default()),
        };
        let shift = Shift {
            days,
            from: row.try_get("starts")?,
            to: row.try_get("ends")?,
            crew,
        };
        if row.try_get("on_holidays")? {
            table.holiday_shifts.push(shift);
        } else {
            table.shifts.push(shift);
        }
    }
    for row in rows(client, HOLIDAYS, &[&id, &revision]).await? {
        table.holidays.insert(row.try_get("day")?);
    }
    for row in rows(client, EXCEPTIONS, &[&id, &revision]).await? {
        table.exceptions.push(Exception {
            from: row.try_get("starts")?,
            to: row.try_get("ends")?,
            away: row.try_get("away")?,
            instead: row.try_get("instead")?,
        });
    }
    Ok(table)
}
