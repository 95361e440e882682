//! Stores revisions. Each call stores, reads everything again, checks it, and is taken back by the caller's transaction where it is refused.

use alerts::{
    Audience, Severity,
    ladder::{Scope, Step},
    rota::{Crew, Rota, Shift, Table},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, Transaction, execute, optional, row},
};

use super::{Checked, Refused, load};

// One at a time: two changes that are right each may be wrong together.
const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(7235419278)";

/// The longest delay before the first step, as the table has it.
const DELAY_MAX_S: i32 = 86_400;

/// Waits until nobody else changes who is called; to be done before a change that is to be checked, in its transaction.
pub async fn turn(transaction: &impl GenericClient) -> Result<(), Error> {
    row(transaction, TAKE_TURNS, &[]).await.map(drop)
}

async fn check(transaction: &Transaction<'_>, now: Timestamp) -> Result<Result<Checked, Refused>, Error> {
    load(transaction).await?.checked(transaction, now).await
}

/// A ladder to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewLadder<'a> {
    /// From the foot.
    pub steps: &'a [Step],
    /// How often it is climbed.
    pub laps: u32,
    /// How long the consoles have before the first step; whole seconds.
    pub delay: SignedDuration,
}

/// Stores a ladder under its name, as its next revision. Commit only what was not refused.
pub async fn set_ladder(
    transaction: &Transaction<'_>,
    name: &str,
    ladder: &NewLadder<'_>,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<(u64, Result<Checked, Refused>), Error> {
    const NAMED: &str = "WITH made AS (INSERT INTO ladder (ladder_id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING ladder_id)
        SELECT ladder_id FROM made UNION ALL SELECT ladder_id FROM ladder WHERE name = $2 LIMIT 1";
    const REVISE: &str = "INSERT INTO ladder_revision (ladder_id, revision, laps, steps, delay_s, changed_by)
        SELECT $1, coalesce(max(revision), 0) + 1, $2, $3, $4, $5 FROM ladder_revision WHERE ladder_id = $1 RETURNING revision";
    turn(transaction).await?;
    let ladder_id: Uuid = row(transaction, NAMED, &[&Uuid::now_v7(), &name]).await?.try_get(0)?;
    let steps = serde_json::to_value(ladder.steps).map_err(|error| Error::Input(error.to_string()))?;
    let laps = i32::try_from(ladder.laps).unwrap_or(i32::MAX);
    let delay = i32::try_from(ladder.delay.as_secs()).unwrap_or(i32::MAX);
    if !(0..=DELAY_MAX_S).contains(&delay) {
        return Err(Error::Input(format!(
            "ladder {name:?}: a delay of {:#} before the first step is not between 0 s and 24 h",
            ladder.delay
        )));
    }
    let revision: i64 = row(transaction, REVISE, &[&ladder_id, &laps, &steps, &delay, &by])
        .await?
        .try_get(0)?;
    Ok((revision.unsigned_abs(), check(transaction, now).await?))
}

/// Which ladder is for whose incidents.
#[derive(Debug, Clone, Copy)]
pub struct NewAssignment {
    /// Whose.
    pub scope: Scope,
    /// Of this severity alone.
    pub severity: Option<Severity>,
    /// Of this audience alone.
    pub audience: Option<Audience>,
    /// The ladder; `None`: none of its own any more.
    pub ladder: Option<Uuid>,
}

/// Assigns a ladder, or takes an assignment back. Commit only what was not refused.
pub async fn assign(
    transaction: &Transaction<'_>,
    new: &NewAssignment,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<Result<Checked, Refused>, Error> {
    const ASSIGN: &str =
        "INSERT INTO ladder_assignment (agency_id, person_id, severity, audience, ladder_id, changed_by)
        VALUES ($1, $2, $3, $4, $5, $6)";
    turn(transaction).await?;
    let (agency, person) = match new.scope {
        Scope::Everywhere => (None, None),
        Scope::Unit(unit) => (Some(unit), None),
        Scope::Person(person) => (None, Some(person.uuid())),
    };
    let severity = new.severity.map(Severity::level);
    let audience = new.audience.map(Audience::name);
    execute(
        transaction,
        ASSIGN,
        &[&agency, &person, &severity, &audience, &new.ladder, &by],
    )
    .await?;
    check(transaction, now).await
}

/// Stores a rota under its name, as its next revision; the id in `table` is not used. Commit only what was not refused.
pub async fn set_rota(
    transaction: &Transaction<'_>,
    name: &str,
    table: &Table,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<(u64, Result<Checked, Refused>), Error> {
    const NAMED: &str = "WITH made AS (INSERT INTO rota (rota_id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING rota_id)
        SELECT rota_id FROM made UNION ALL SELECT rota_id FROM rota WHERE name = $2 LIMIT 1";
    const REVISE: &str = "INSERT INTO rota_revision (rota_id, revision, time_zone, overlap_s, changed_by)
        SELECT $1, coalesce(max(revision), 0) + 1, $2, $3, $4 FROM rota_revision WHERE rota_id = $1 RETURNING revision";
    const HOLIDAYS: &str = "INSERT INTO rota_holiday (rota_id, revision, day) SELECT $1, $2, unnest($3::date[])";
    const EXCEPTION: &str = "INSERT INTO rota_exception (rota_id, revision, exception, starts, ends, away, instead)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    turn(transaction).await?;
    Rota::new(table.clone()).map_err(|fault| Error::Input(fault.to_string()))?;
    let rota_id: Uuid = row(transaction, NAMED, &[&Uuid::now_v7(), &name]).await?.try_get(0)?;
    let overlap = i32::try_from(table.overlap.as_secs()).unwrap_or(i32::MAX);
    let revision: i64 = row(transaction, REVISE, &[&rota_id, &table.time_zone, &overlap, &by])
        .await?
        .try_get(0)?;
    let regular = table.shifts.iter().map(|shift| (shift, false));
    let holidays = table.holiday_shifts.iter().map(|shift| (shift, true));
    for (number, (shift, on_holidays)) in (1..).zip(regular.chain(holidays)) {
        put_shift(transaction, rota_id, revision, number, shift, on_holidays).await?;
    }
    let days: Vec<jiff::civil::Date> = table.holidays.iter().copied().collect();
    execute(transaction, HOLIDAYS, &[&rota_id, &revision, &days]).await?;
    for (number, exception) in (1_i32..).zip(&table.exceptions) {
        execute(
            transaction,
            EXCEPTION,
            &[
                &rota_id,
                &revision,
                &number,
                &exception.from,
                &exception.to,
                &exception.away,
                &exception.instead,
            ],
        )
        .await?;
    }
    Ok((revision.unsigned_abs(), check(transaction, now).await?))
}

async fn put_shift(
    transaction: &Transaction<'_>,
    rota_id: Uuid,
    revision: i64,
    number: i32,
    shift: &Shift,
    on_holidays: bool,
) -> Result<(), Error> {
    const SHIFT: &str =
        "INSERT INTO rota_shift (rota_id, revision, shift, on_holidays, days, starts, ends, turn_from, turn_days)
        VALUES ($1, $2, $3, $4, ARRAY(SELECT jsonb_array_elements_text($5)), $6, $7, $8, $9)";
    const TEAM: &str = "INSERT INTO rota_team (rota_id, revision, shift, team, members) VALUES ($1, $2, $3, $4, $5)";
    let days = serde_json::to_value(&shift.days).map_err(|error| Error::Input(error.to_string()))?;
    let (turn_from, turn_days, teams) = match &shift.crew {
        Crew::Fixed(people) => (None, None, vec![people.clone()]),
        Crew::Turns { from, days, teams } => (Some(*from), Some(i32::from(*days)), teams.clone()),
    };
    execute(
        transaction,
        SHIFT,
        &[
            &rota_id,
            &revision,
            &number,
            &on_holidays,
            &days,
            &shift.from,
            &shift.to,
            &turn_from,
            &turn_days,
        ],
    )
    .await?;
    for (team, members) in (1_i32..).zip(&teams) {
        execute(transaction, TEAM, &[&rota_id, &revision, &number, &team, members]).await?;
    }
    Ok(())
}

/// Notes that a user cannot be called for a time. Commit only what was not refused.
pub async fn add_absence(
    transaction: &Transaction<'_>,
    user_id: Uuid,
    from: Timestamp,
    to: Timestamp,
    reason: &str,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<(i64, Result<Checked, Refused>), Error> {
    const ADD: &str = "INSERT INTO absence (user_id, starts_at, ends_at, reason, entered_by) VALUES ($1, $2, $3, $4, $5) RETURNING absence_id";
    turn(transaction).await?;
    let id = row(transaction, ADD, &[&user_id, &from, &to, &reason, &by])
        .await?
        .try_get(0)?;
    Ok((id, check(transaction, now).await?))
}

/// Takes an absence back.
pub async fn take_back_absence(client: &impl GenericClient, absence_id: i64, by: Option<Uuid>) -> Result<(), Error> {
    const BACK: &str = "INSERT INTO absence (user_id, starts_at, ends_at, takes_back, entered_by)
        SELECT user_id, starts_at, ends_at, absence_id, $2 FROM absence WHERE absence_id = $1 AND takes_back IS NULL
        RETURNING absence_id";
    match optional(client, BACK, &[&absence_id, &by]).await? {
        Some(_) => Ok(()),
        None => Err(Error::not_found("absence", absence_id)),
    }
}
