//! The deletion itself: whole days of movement history first, then what is left, person by person, each with its certificate.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use prost::Message;
use proto::wire;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{Certificate, Plan, Terms, certificate, plan, record};
use crate::{
    Class, Database, Error, GenericClient,
    audit::{self, Deletion},
    device,
    pool::{execute, row, rows},
};

/// The job looks so often.
const EVERY: Duration = Duration::from_hours(1);
/// One process at a time ("reten").
const LOCK_KEY: i64 = 0x72_6574_656e;

/// What the job says while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A day of movement history was dropped as a whole, or would be.
    Day(Date),
    /// So many people of all are done.
    People(usize, usize),
}

/// What a run came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ran {
    /// Nothing was deleted: this is what would be.
    pub dry: bool,
    /// People of whom something is due.
    pub people: usize,
    /// People of whom something would be due but for a hold.
    pub held: usize,
    /// Days that were dropped as a whole.
    pub days: usize,
    /// Rows, by table.
    pub rows: std::collections::BTreeMap<String, i64>,
    /// Certificates made.
    pub certificates: Vec<Uuid>,
    /// People of whom nothing could be deleted though it is due, and why.
    pub failed: Vec<(Uuid, String)>,
}

/// Movement history that is due: what lies in no stretch that must be kept. `$1` whose, `$2` and `$3` starts and ends of the stretches
/// to be kept, `$4` before when everything else is due.
macro_rules! due {
    ($table:literal, $time:literal) => {
        concat!(
            $table,
            " d WHERE d.person_id = $1 AND d.",
            $time,
            " < $4 AND NOT EXISTS (
                SELECT FROM unnest($2::timestamptz[], $3::timestamptz[]) AS k (starts, ends)
                WHERE d.",
            $time,
            " >= k.starts AND d.",
            $time,
            " < k.ends)"
        )
    };
}
/// Tables with movement history, and how rows of each are counted and deleted.
const MOVEMENT: [(&str, &str, &str); 4] = [
    (
        "position",
        concat!("SELECT count(*) FROM ", due!("position", "fix_time")),
        concat!("DELETE FROM ", due!("position", "fix_time")),
    ),
    (
        "report_copy",
        concat!("SELECT count(*) FROM ", due!("report_copy", "fix_time")),
        concat!("DELETE FROM ", due!("report_copy", "fix_time")),
    ),
    (
        "quarantined_report",
        concat!("SELECT count(*) FROM ", due!("quarantined_report", "received_at")),
        concat!("DELETE FROM ", due!("quarantined_report", "received_at")),
    ),
    (
        "quarantined_copy",
        concat!("SELECT count(*) FROM ", due!("quarantined_copy", "appended_at")),
        concat!("DELETE FROM ", due!("quarantined_copy", "appended_at")),
    ),
];
/// Events whose explanation may name fixes; the event stays until the record goes.
const EVENTS: &str = concat!("SELECT event_id, payload FROM ", due!("event", "onset_at"));
const EVENT: &str = "UPDATE event SET payload = $2 WHERE event_id = $1";
/// Commands: to somebody's device, with what it answered and the time of a fix. Those that have ended, and whose way back is not kept.
macro_rules! commands {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            due!("device_command", "created_at"),
            " AND d.ended_at IS NOT NULL AND NOT EXISTS (
                SELECT FROM device_command r WHERE r.reverts = d.command_id AND (r.ended_at IS NULL OR r.created_at >= $4 OR EXISTS (
                    SELECT FROM unnest($2::timestamptz[], $3::timestamptz[]) AS k (starts, ends)
                    WHERE r.created_at >= k.starts AND r.created_at < k.ends)))",
            $after
        )
    };
}
const COMMANDS: [(&str, &str, &str); 2] = [
    (
        "device_command_step",
        commands!(
            "SELECT count(*) FROM device_command_step s WHERE s.command_id IN (SELECT d.command_id FROM ",
            ")"
        ),
        commands!(
            "DELETE FROM device_command_step s WHERE s.command_id IN (SELECT d.command_id FROM ",
            ")"
        ),
    ),
    (
        "device_command",
        commands!("SELECT count(*) FROM ", ""),
        commands!("DELETE FROM ", ""),
    ),
];
/// Names of radio cells, each the place of everybody whom its root cause concerned: gone with the history of the first of them.
macro_rules! cells {
    ($what:literal) => {
        concat!(
            $what,
            " FROM cause_cell c WHERE EXISTS (SELECT FROM incident_action a, ",
            due!("incident", "onset_at"),
            " AND a.incident_id = d.incident_id AND a.record #>> '{why,into}' = c.incident_id::text)"
        )
    };
}
const CELLS: &str = cells!("SELECT count(*)");
const DELETE_CELLS: &str = cells!("DELETE");
/// Hourly figures: counts, no places, but of somebody.
const FIGURES: &str = concat!("DELETE FROM ", due!("position_hour_rolled", "hour"));
/// Raw frames that the person's devices sent while they wore them.
macro_rules! frames {
    ($what:literal) => {
        concat!(
            $what,
            " FROM quarantined_frame q WHERE q.received_at < $4 AND EXISTS (
                SELECT FROM device_assignment a JOIN device v USING (device_id)
                WHERE a.person_id = $1 AND v.protocol = q.protocol AND v.identity = coalesce(nullif(q.identity, ''), q.claimed)
                    AND q.received_at >= a.assigned_at AND (a.ended_at IS NULL OR q.received_at < a.ended_at))
            AND NOT EXISTS (SELECT FROM unnest($2::timestamptz[], $3::timestamptz[]) AS k (starts, ends)
                WHERE q.received_at >= k.starts AND q.received_at < k.ends)"
        )
    };
}
const FRAMES: &str = frames!("SELECT count(*)");
const DELETE_FRAMES: &str = frames!("DELETE");

const ITEM: &str = "INSERT INTO deletion_item (person_id, table_name, rows_gone, whole_day) VALUES ($1, $2, $3, $4)";
const ALLOW: &str = "SELECT set_config('homeward.erasure', 'on', true), set_config('homeward.deletion', 'on', true)";
const OLDEST: &str = "SELECT min(fix_time) FROM position";
/// Whose rows a day has, how many, and how many of them must be kept. `$3` to `$5`: stretches that must be kept.
const OF_DAY: &str = "SELECT p.person_id, count(*), count(*) FILTER (WHERE EXISTS (
        SELECT FROM unnest($3::uuid[], $4::timestamptz[], $5::timestamptz[]) AS k (person, starts, ends)
        WHERE k.person = p.person_id AND p.fix_time >= k.starts AND p.fix_time < k.ends))
    FROM position p WHERE p.fix_time >= $1 AND p.fix_time < $2 GROUP BY p.person_id ORDER BY p.person_id";
const DROP_DAY: &str = "SELECT position_drop_day($1)";

/// Deletes what is due, or says what would be deleted. `tell` hears how it goes.
pub async fn run(
    database: &Database,
    terms: &Terms,
    now: Timestamp,
    dry: bool,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<Ran, Error> {
    let client = database.client().await?;
    if !dry {
        // No record of anything, and so under no hold.
        device::forget_cells(&client, now).await?;
    }
    let plans = plan(&client, terms, None).await?;
    drop(client);
    let held =
        |plan: &&Plan| plan.held && (plan.record_due_at <= now || plan.terms.iter().any(|term| term.due_at <= now));
    let mut ran = Ran {
        dry,
        held: plans.iter().filter(held).count(),
        ..Ran::default()
    };
    let due: Vec<&Plan> = plans
        .iter()
        .filter(|plan| plan.movement_is_due(now) || plan.record_is_due(now))
        .collect();
    ran.people = due.len();
    for plan in &plans {
        if let Some(profile) = &plan.unknown_profile {
            let why = format!("this version does not know the law profile {profile}: nothing is deleted");
            warn!(person_id = %plan.person_id, %why, "what is due of a person is not known");
            ran.failed.push((plan.person_id, why));
        }
    }
    if due.is_empty() {
        return Ok(ran);
    }
    days(database, &plans, &mut ran, now, tell).await?;
    for (done, one) in due.iter().enumerate() {
        // Whoever cannot go must not keep what is due of everybody else.
        match person(database, terms, one, dry, now).await {
            Ok((gone, certificate)) => {
                for (table, rows) in gone {
                    *ran.rows.entry(table.to_owned()).or_default() += rows;
                }
                ran.certificates.extend(certificate);
            }
            Err(error) if matches!(error.class(), Class::Retry | Class::Abort) => return Err(error),
            Err(error) => {
                warn!(person_id = %one.person_id, %error, "what is due of a person could not be deleted");
                ran.failed.push((one.person_id, error.to_string()));
            }
        }
        tell(Progress::People(done + 1, due.len()));
    }
    Ok(ran)
}

/// Stretches of a person that must be kept, as starts and ends.
fn to_keep(plan: &Plan, now: Timestamp) -> (Vec<Timestamp>, Vec<Timestamp>) {
    let kept = plan.terms.iter().filter(|term| plan.stays() || term.due_at > now);
    kept.map(|term| (term.starts_at, term.ends_at)).unzip()
}

/// Drops days in which nobody's history must be kept.
async fn days(
    database: &Database,
    plans: &[Plan],
    ran: &mut Ran,
    now: Timestamp,
    tell: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), Error> {
    let mut keep: (Vec<Uuid>, Vec<Timestamp>, Vec<Timestamp>) = Default::default();
    for plan in plans {
        let (starts, ends) = to_keep(plan, now);
        keep.0.extend(starts.iter().map(|_| plan.person_id));
        keep.1.extend(starts);
        keep.2.extend(ends);
    }
    let last_due = plans.iter().filter(|plan| !plan.stays()).flat_map(|plan| &plan.terms);
    let last_due = last_due
        .filter(|term| term.due_at <= now)
        .map(|term| term.ends_at)
        .max();
    let mut client = database.client().await?;
    let oldest: Option<Timestamp> = row(&client, OLDEST, &[]).await?.try_get(0)?;
    let (Some(oldest), Some(last_due)) = (oldest, last_due) else {
        return Ok(());
    };
    let day_of = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let mut day = day_of(oldest);
    while day < day_of(last_due) {
        let (starts, ends) = (midnight(day)?, midnight(day.saturating_add(1.days()))?);
        let transaction = client.transaction().await?;
        let found = rows(&transaction, OF_DAY, &[&starts, &ends, &keep.0, &keep.1, &keep.2]).await?;
        let mut gone: Vec<(Uuid, i64)> = Vec::new();
        let mut must_stay = 0_i64;
        for row in &found {
            gone.push((row.try_get(0)?, row.try_get(1)?));
            must_stay += row.try_get::<_, i64>(2)?;
        }
        if !gone.is_empty() && must_stay == 0 {
            if ran.dry || row(&transaction, DROP_DAY, &[&day]).await?.try_get(0)? {
                ran.days += 1;
                tell(Progress::Day(day));
                if !ran.dry {
                    for (person, rows) in gone {
                        *ran.rows.entry("position".to_owned()).or_default() += rows;
                        execute(&transaction, ITEM, &[&person, &"position", &rows, &Some(day)]).await?;
                        told(&transaction, "position", person, ends, rows).await?;
                    }
                }
            }
            transaction.commit().await?;
        }
        day = day.saturating_add(1.days());
    }
    Ok(())
}

fn midnight(day: Date) -> Result<Timestamp, Error> {
    let zoned = TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0));
    zoned.map_err(|error| Error::Input(error.to_string()))
}

async fn told(
    client: &impl GenericClient,
    table: &'static str,
    person: Uuid,
    before: Timestamp,
    rows: i64,
) -> Result<(), Error> {
    let deletion = Deletion {
        table,
        person_id: Some(person),
        before: Some(before),
        rows: Some(rows),
        reason: "retention",
    };
    audit::record_deletion(client, &deletion).await
}

/// Deletes what is due of one person, in one transaction; returns the rows of each table, and the certificate.
async fn person(
    database: &Database,
    terms: &Terms,
    plan: &Plan,
    dry: bool,
    now: Timestamp,
) -> Result<(Vec<(&'static str, i64)>, Option<Uuid>), Error> {
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    execute(&transaction, ALLOW, &[]).await?;
    audit::act_as(&transaction, "retention").await?;
    let (starts, ends) = to_keep(plan, now);
    let due_ends = plan
        .terms
        .iter()
        .filter(|term| term.due_at <= now)
        .map(|term| term.ends_at);
    let mut gone: Vec<(&'static str, i64)> = Vec::new();
    if let Some(before) = due_ends.max().filter(|_| !plan.stays()) {
        let values: [&(dyn postgres_types::ToSql + Sync); 4] = [&plan.person_id, &starts, &ends, &before];
        for (table, count, delete) in MOVEMENT {
            let rows = if dry {
                row(&transaction, count, &values).await?.try_get(0)?
            } else {
                i64::try_from(execute(&transaction, delete, &values).await?).unwrap_or(i64::MAX)
            };
            if rows > 0 && !dry {
                told(&transaction, table, plan.person_id, before, rows).await?;
            }
            gone.push((table, rows));
        }
        gone.push(("event (fixes)", fixes(&transaction, &values, dry).await?));
        for (table, count, delete) in COMMANDS {
            let rows = if dry {
                row(&transaction, count, &values).await?.try_get(0)?
            } else {
                i64::try_from(execute(&transaction, delete, &values).await?).unwrap_or(i64::MAX)
            };
            gone.push((table, rows));
        }
        let frames: i64 = row(&transaction, FRAMES, &values).await?.try_get(0)?;
        if !dry {
            execute(&transaction, DELETE_FRAMES, &values).await?;
            execute(&transaction, FIGURES, &values).await?;
        }
        gone.push(("quarantined_frame", frames));
        let cells: i64 = row(&transaction, CELLS, &values).await?.try_get(0)?;
        if !dry {
            execute(&transaction, DELETE_CELLS, &values).await?;
        }
        gone.push(("cause_cell", cells));
    }
    let whole = plan.record_is_due(now);
    if whole {
        gone.extend(record::delete(&transaction, plan.person_id, dry).await?);
    }
    gone.retain(|(_, rows)| *rows > 0);
    if dry {
        return Ok((gone, None));
    }
    for (table, rows) in &gone {
        execute(&transaction, ITEM, &[&plan.person_id, table, rows, &None::<Date>]).await?;
    }
    let after_end = whole.then(|| terms.record().to_string());
    let made: Option<Certificate> = certificate::certify(&transaction, plan, after_end, now).await?;
    if let Some(made) = &made {
        let entry = audit::Entry {
            act: "deletion_certificate",
            table: "deletion_certificate",
            key: &made.certificate_id.to_string(),
            detail: serde_json::json!({"person_id": plan.person_id}),
        };
        audit::append(&transaction, &entry).await?;
    }
    transaction.commit().await?;
    let made = made.map(|made| made.certificate_id);
    if let Some(certificate) = made {
        info!(person_id = %plan.person_id, %certificate, "deleted by law");
    }
    Ok((gone, made))
}

/// Takes the fixes out of the explanations of events.
async fn fixes(
    client: &impl GenericClient,
    values: &[&(dyn postgres_types::ToSql + Sync)],
    dry: bool,
) -> Result<i64, Error> {
    let mut changed = 0;
    for row in rows(client, EVENTS, values).await? {
        let Ok(mut event) = wire::Event::decode(row.try_get::<_, &[u8]>(1)?) else {
            continue;
        };
        let Some(why) = event.explanation.as_mut().filter(|why| !why.fixes.is_empty()) else {
            continue;
        };
        why.fixes.clear();
        changed += 1;
        if !dry {
            execute(client, EVENT, &[&row.try_get::<_, Uuid>(0)?, &event.encode_to_vec()]).await?;
        }
    }
    Ok(changed)
}

/// Deletes what is due every hour, in one process at a time, until told to stop.
pub async fn watch(database: Database, terms: Terms, shutdown: CancellationToken) -> Result<(), Error> {
    loop {
        if let Err(error) = once(&database, &terms).await {
            warn!(%error, "what is due for deletion could not be deleted; trying again in an hour");
            metrics::counter!("homeward_retention_failures_total").increment(1);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

async fn once(database: &Database, terms: &Terms) -> Result<(), Error> {
    // Held as long as its session: another process that asks meanwhile leaves the work to this one.
    let lock = database.dedicated("retention").await?;
    let active: bool = lock
        .query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK_KEY])
        .await?
        .try_get(0)?;
    if !active {
        return Ok(());
    }
    let ran = run(database, terms, Timestamp::now(), false, &mut |_| {}).await?;
    for (table, rows) in &ran.rows {
        metrics::counter!("homeward_retention_rows_total", "table" => table.clone()).increment(rows.unsigned_abs());
    }
    metrics::counter!("homeward_retention_failures_total").increment(ran.failed.len() as u64);
    if !ran.certificates.is_empty() {
        info!(
            certificates = ran.certificates.len(),
            days = ran.days,
            "deleted what was due by law"
        );
    }
    Ok(())
}

/// Waits until no other process deletes, for a run by hand; the lock goes with the client that is returned.
pub async fn alone(database: &Database) -> Result<Option<tokio_postgres::Client>, Error> {
    let lock = database.dedicated("retention by hand").await?;
    let active: bool = lock
        .query_one("SELECT pg_try_advisory_lock($1)", &[&LOCK_KEY])
        .await?
        .try_get(0)?;
    Ok(active.then_some(lock))
}
