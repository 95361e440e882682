//! The life of a device: fitted, removed, swapped, faulty, repaired; who did it and why. And those fitted that say nothing.

use jiff::Timestamp;
use proto::{DeviceId, PersonId};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use super::notify;
use crate::{
    Error, Refused, plain,
    pool::{GenericClient, execute, optional, rows},
    text::words,
};

words! {
    /// Why a device came off.
    Removal, "reason of a removal", {
        /// Another took its place.
        Swap = "swap",
        /// It was faulty.
        Fault = "fault",
        /// It was lost.
        Lost = "lost",
        /// The order ended.
        EndOfOrder = "end_of_order",
        /// It is looked after.
        Maintenance = "maintenance",
        /// Something else.
        Other = "other",
    }
}

words! {
    /// What is wrong with a device.
    Reason, "reason of a fault", {
        /// The battery does not last.
        Battery = "battery",
        /// It cannot be charged.
        Charging = "charging",
        /// The strap, without tampering.
        Strap = "strap",
        /// The case, without tampering.
        Case = "case",
        /// No positions, or wrong ones.
        Position = "position",
        /// It cannot reach the network.
        Connection = "connection",
        /// It says nothing.
        Silent = "silent",
        /// Something else.
        Other = "other",
    }
}

words! {
    /// How a fault ended.
    Ending, "end of a fault", {
        /// Repaired.
        Repaired = "repaired",
        /// Another device took its place.
        Replaced = "replaced",
        /// Taken out of use for good.
        Retired = "retired",
        /// There was nothing wrong.
        NoFault = "no_fault",
    }
}

const LOCK_DEVICE: &str = "SELECT retired_at FROM device WHERE device_id = $1 FOR NO KEY UPDATE";
const LOCK_PERSON: &str = "SELECT 1 FROM person WHERE person_id = $1 FOR NO KEY UPDATE";
const WEARER: &str = "SELECT assignment_id, person_id, assigned_at FROM device_assignment
    WHERE device_id = $1 AND ended_at IS NULL";
const WORN: &str =
    "SELECT d.device_id, d.protocol || ':' || d.identity FROM device_assignment a JOIN device d USING (device_id)
    WHERE a.person_id = $1 AND a.ended_at IS NULL ORDER BY a.assigned_at, a.assignment_id";
const FIT: &str =
    "INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at, fitted_by, replaces)
    VALUES ($1, $2, $3, $4, $5, $6)";
const REMOVE: &str = "UPDATE device_assignment SET ended_at = $2, removed_by = $3, removal_reason = $4
    WHERE assignment_id = $1 AND ended_at IS NULL AND assigned_at <= $2";
const REPORT_FAULT: &str =
    "INSERT INTO device_fault (fault_id, device_id, person_id, reason, detail, faulty_since, reported_at, reported_by)
    VALUES ($1, $2, (SELECT person_id FROM device_assignment WHERE device_id = $2 AND assigned_at <= $5
                     AND (ended_at IS NULL OR ended_at > $5) ORDER BY assigned_at DESC LIMIT 1), $3, $4, $5, $6, $7)
    ON CONFLICT (device_id, reason) WHERE ended_at IS NULL DO NOTHING";
const OPEN_FAULT: &str = "SELECT fault_id FROM device_fault WHERE device_id = $1 AND reason = $2 AND ended_at IS NULL";
const END_FAULTS: &str =
    "UPDATE device_fault SET ended_at = GREATEST($2, faulty_since), ended_by = $3, outcome = $4, repair = $5
    WHERE device_id = $1 AND ended_at IS NULL AND ($6::text IS NULL OR reason = $6)";
macro_rules! faults {
    ($rest:literal) => {
        concat!(
            "SELECT f.fault_id, f.device_id, d.protocol || ':' || d.identity, p.reference, f.reason, f.detail, f.faulty_since,
                f.reported_at, r.username, f.ended_at, e.username, f.outcome, f.repair
            FROM device_fault f JOIN device d USING (device_id)
            LEFT JOIN person p ON p.person_id = f.person_id
            LEFT JOIN app_user r ON r.user_id = f.reported_by LEFT JOIN app_user e ON e.user_id = f.ended_by ",
            $rest
        )
    };
}
const FAULTS_OPEN: &str = faults!("WHERE f.ended_at IS NULL ORDER BY f.faulty_since, f.fault_id");
const FAULTS_OF_DEVICE: &str = faults!("WHERE f.device_id = $1 ORDER BY f.faulty_since, f.fault_id");
const FAULTS_OF_PERSON: &str = faults!("WHERE f.person_id = $1 ORDER BY f.faulty_since, f.fault_id");
macro_rules! worn {
    ($rest:literal) => {
        concat!(
            "SELECT a.assignment_id, a.device_id, d.protocol, d.identity, d.model, p.reference, a.assigned_at, f.username,
                a.ended_at, r.username, a.removal_reason, a.replaces
            FROM device_assignment a JOIN device d USING (device_id)
            LEFT JOIN person p ON p.person_id = a.person_id
            LEFT JOIN app_user f ON f.user_id = a.fitted_by LEFT JOIN app_user r ON r.user_id = a.removed_by ",
            $rest
        )
    };
}
const WORN_BY: &str = worn!("WHERE a.person_id = $1 ORDER BY a.assigned_at, a.assignment_id");
const WORN_LIFE: &str = worn!("WHERE a.device_id = $1 ORDER BY a.assigned_at, a.assignment_id");
const SILENT: &str =
    "SELECT s.assignment_id, s.device_id, d.protocol || ':' || d.identity, s.person_id, p.reference, s.fitted_at,
        s.last_seen_at, s.silent_since, s.allowed_s, s.never_heard
    FROM device_silent($1) s JOIN device d USING (device_id) JOIN person p ON p.person_id = s.person_id
    WHERE $2::uuid IS NULL OR s.person_id = $2 ORDER BY s.silent_since, s.assignment_id LIMIT $3";

/// A device on somebody, for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worn {
    /// The assignment's id.
    pub assignment_id: Uuid,
    /// The device.
    pub device_id: Uuid,
    /// What it speaks.
    pub protocol: String,
    /// As printed on it.
    pub identity: String,
    /// Model.
    pub model: String,
    /// The wearer's case reference; `None`: a protected person.
    pub wearer: Option<String>,
    /// Since when.
    pub fitted_at: Timestamp,
    /// By whom, where it is known.
    pub fitted_by: Option<String>,
    /// Until when.
    pub removed_at: Option<Timestamp>,
    /// By whom.
    pub removed_by: Option<String>,
    /// Why; may be empty.
    pub removal_reason: String,
    /// The assignment that this one took the place of.
    pub replaces: Option<Uuid>,
}

/// A fault of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Its id.
    pub fault_id: Uuid,
    /// The device.
    pub device_id: Uuid,
    /// `protocol:identity`.
    pub device: String,
    /// Case reference of who wore it then.
    pub wearer: Option<String>,
    /// What was wrong.
    pub reason: Reason,
    /// In words.
    pub detail: String,
    /// Since when.
    pub faulty_since: Timestamp,
    /// When it was reported.
    pub reported_at: Timestamp,
    /// By whom; `None`: the program.
    pub reported_by: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who ended it.
    pub ended_by: Option<String>,
    /// How it ended.
    pub outcome: Option<Ending>,
    /// What was done.
    pub repair: String,
}

/// A device that is fitted and says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Silent {
    /// The assignment.
    pub assignment_id: Uuid,
    /// The device.
    pub device_id: Uuid,
    /// `protocol:identity`.
    pub device: String,
    /// Who wears it.
    pub person_id: Uuid,
    /// Their case reference.
    pub reference: String,
    /// Since when they wear it.
    pub fitted_at: Timestamp,
    /// When it was last heard, by whomever it was worn then.
    pub last_seen_at: Option<Timestamp>,
    /// Since when it should have said something.
    pub silent_since: Timestamp,
    /// How long it may be silent, seconds.
    pub allowed_s: i32,
    /// It was never heard since it was fitted.
    pub never_heard: bool,
}

/// A swap as it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swap {
    /// Whose device.
    pub person_id: PersonId,
    /// The assignment that ended.
    pub before: Uuid,
    /// The one that took its place, from the same moment on.
    pub after: Uuid,
}

/// Puts a device on somebody who wears none; returns the assignment. A device that somebody else wears is refused: remove it first.
/// Call it in a transaction.
pub async fn fit(
    transaction: &impl GenericClient,
    device_id: DeviceId,
    person_id: PersonId,
    by: Uuid,
    at: Timestamp,
) -> Result<Uuid, Error> {
    ready(transaction, device_id).await?;
    optional(transaction, LOCK_PERSON, &[&person_id.uuid()]).await?;
    if let Some(worn) = rows(transaction, WORN, &[&person_id.uuid()]).await?.first() {
        let worn: String = worn.try_get(1)?;
        let text = format!("the person wears {worn} already: swap it, or remove it first");
        return Err(Refused::new("wears_already", text).with("device", worn).into());
    }
    put_on(transaction, device_id, person_id, by, at, None).await
}

/// Takes a device off its wearer; returns whose it was. Call it in a transaction.
pub async fn remove(
    transaction: &impl GenericClient,
    device_id: DeviceId,
    why: Removal,
    by: Uuid,
    at: Timestamp,
) -> Result<Option<PersonId>, Error> {
    optional(transaction, LOCK_DEVICE, &[&device_id.uuid()]).await?;
    let worn = optional(transaction, WEARER, &[&device_id.uuid()]).await?;
    let worn = worn.ok_or_else(|| unworn(device_id))?;
    let (assignment_id, person_id): (Uuid, Option<Uuid>) = (worn.try_get(0)?, worn.try_get(1)?);
    take_off(transaction, assignment_id, why, by, at).await?;
    notify(transaction, &person_id.map_or_else(String::new, |id| id.to_string())).await?;
    Ok(person_id.map(PersonId::new))
}

/// Puts another device in the place of one, at one moment: the sequence of what the person wears has neither gap nor overlap.
/// Open faults of the old device stay open, unless `why` is a fault: then they ended by replacement. Call it in a transaction.
pub async fn swap(
    transaction: &impl GenericClient,
    old: DeviceId,
    new: DeviceId,
    why: Removal,
    by: Uuid,
    at: Timestamp,
) -> Result<Swap, Error> {
    if old == new {
        let text = format!("device {old} cannot take its own place");
        return Err(Refused::new("same_device", text).into());
    }
    // Always in the same order, so that two swaps do not wait for one another.
    let (first, second) = if old.uuid() < new.uuid() {
        (old, new)
    } else {
        (new, old)
    };
    optional(transaction, LOCK_DEVICE, &[&first.uuid()]).await?;
    optional(transaction, LOCK_DEVICE, &[&second.uuid()]).await?;
    ready(transaction, new).await?;
    let worn = optional(transaction, WEARER, &[&old.uuid()]).await?;
    let worn = worn.ok_or_else(|| unworn(old))?;
    let before: Uuid = worn.try_get(0)?;
    let Some(person_id) = worn.try_get::<_, Option<Uuid>>(1)?.map(PersonId::new) else {
        return Err(Error::Input(format!("device {old} is with a protected person")));
    };
    take_off(transaction, before, why, by, at).await?;
    if why == Removal::Fault {
        end_faults(transaction, old, None, Ending::Replaced, "", by, at).await?;
    }
    let after = put_on(transaction, new, person_id, by, at, Some(before)).await?;
    Ok(Swap {
        person_id,
        before,
        after,
    })
}

/// Notes that a device is faulty since a moment; returns the fault's id, the known one where the same is open already.
pub async fn report_fault(
    transaction: &impl GenericClient,
    device_id: DeviceId,
    reason: Reason,
    detail: &str,
    since: Timestamp,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<Uuid, Error> {
    if since > now {
        let text = format!("a fault since {since} is of the future");
        return Err(Refused::new("fault_future", text).into());
    }
    plain::FAULT_DETAIL.check(detail)?;
    let fault_id = Uuid::now_v7();
    let values: [&(dyn postgres_types::ToSql + Sync); 7] = [
        &fault_id,
        &device_id.uuid(),
        &reason.as_str(),
        &detail,
        &since,
        &now,
        &by,
    ];
    if execute(transaction, REPORT_FAULT, &values).await? == 1 {
        return Ok(fault_id);
    }
    let open = optional(transaction, OPEN_FAULT, &[&device_id.uuid(), &reason.as_str()]).await?;
    Ok(open.ok_or_else(|| Error::not_found("device", device_id))?.try_get(0)?)
}

/// Ends the open faults of a device, of one reason or all; returns how many.
pub async fn end_faults(
    transaction: &impl GenericClient,
    device_id: DeviceId,
    reason: Option<Reason>,
    outcome: Ending,
    repair: &str,
    by: Uuid,
    at: Timestamp,
) -> Result<u64, Error> {
    plain::FAULT_REPAIR.check(repair)?;
    let reason = reason.map(Reason::as_str);
    let values: [&(dyn postgres_types::ToSql + Sync); 6] =
        [&device_id.uuid(), &at, &by, &outcome.as_str(), &repair, &reason];
    execute(transaction, END_FAULTS, &values).await
}

/// Lists open faults of every device.
pub async fn open_faults(client: &impl GenericClient) -> Result<Vec<Fault>, Error> {
    rows(client, FAULTS_OPEN, &[]).await?.iter().map(fault).collect()
}

/// Lists the faults of a device.
pub async fn faults_of_device(client: &impl GenericClient, device_id: DeviceId) -> Result<Vec<Fault>, Error> {
    let found = rows(client, FAULTS_OF_DEVICE, &[&device_id.uuid()]).await?;
    found.iter().map(fault).collect()
}

/// Lists the faults of devices while a person wore them.
pub async fn faults_of_person(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<Fault>, Error> {
    let found = rows(client, FAULTS_OF_PERSON, &[&person_id.uuid()]).await?;
    found.iter().map(fault).collect()
}

/// Lists what a person wore, oldest first.
pub async fn worn_by(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<Worn>, Error> {
    rows(client, WORN_BY, &[&person_id.uuid()])
        .await?
        .iter()
        .map(worn)
        .collect()
}

/// Lists who wore a device, oldest first.
pub async fn life(client: &impl GenericClient, device_id: DeviceId) -> Result<Vec<Worn>, Error> {
    rows(client, WORN_LIFE, &[&device_id.uuid()])
        .await?
        .iter()
        .map(worn)
        .collect()
}

/// The devices that a person wears now.
pub async fn worn_now(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<(DeviceId, String)>, Error> {
    let found = rows(client, WORN, &[&person_id.uuid()]).await?;
    let worn = found
        .iter()
        .map(|row| Ok((DeviceId::new(row.try_get(0)?), row.try_get(1)?)));
    worn.collect()
}

/// Lists devices that are fitted and say nothing at a moment, longest first; of one person or of all.
pub async fn silent(
    client: &impl GenericClient,
    person_id: Option<PersonId>,
    at: Timestamp,
    limit: i64,
) -> Result<Vec<Silent>, Error> {
    let found = rows(client, SILENT, &[&at, &person_id.map(PersonId::uuid), &limit]).await?;
    let silent = found.iter().map(|row| {
        Ok(Silent {
            assignment_id: row.try_get(0)?,
            device_id: row.try_get(1)?,
            device: row.try_get(2)?,
            person_id: row.try_get(3)?,
            reference: row.try_get(4)?,
            fitted_at: row.try_get(5)?,
            last_seen_at: row.try_get(6)?,
            silent_since: row.try_get(7)?,
            allowed_s: row.try_get(8)?,
            never_heard: row.try_get(9)?,
        })
    });
    silent.collect()
}

fn unworn(device_id: DeviceId) -> Refused {
    Refused::new("device_unworn", format!("nobody wears device {device_id}"))
}

async fn ready(transaction: &impl GenericClient, device_id: DeviceId) -> Result<(), Error> {
    let device = optional(transaction, LOCK_DEVICE, &[&device_id.uuid()]).await?;
    let device = device.ok_or_else(|| Error::not_found("device", device_id))?;
    if device.try_get::<_, Option<Timestamp>>(0)?.is_some() {
        let text = format!("device {device_id} is out of use");
        return Err(Refused::new("device_retired", text).into());
    }
    if optional(transaction, WEARER, &[&device_id.uuid()]).await?.is_some() {
        let text = format!("somebody wears device {device_id}: remove it first");
        return Err(Refused::new("device_worn", text).into());
    }
    Ok(())
}

async fn put_on(
    transaction: &impl GenericClient,
    device_id: DeviceId,
    person_id: PersonId,
    by: Uuid,
    at: Timestamp,
    replaces: Option<Uuid>,
) -> Result<Uuid, Error> {
    let assignment_id = Uuid::now_v7();
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &assignment_id,
        &device_id.uuid(),
        &person_id.uuid(),
        &at,
        &by,
        &replaces,
    ];
    execute(transaction, FIT, &values).await?;
    notify(transaction, &person_id.to_string()).await?;
    Ok(assignment_id)
}

async fn take_off(
    transaction: &impl GenericClient,
    assignment_id: Uuid,
    why: Removal,
    by: Uuid,
    at: Timestamp,
) -> Result<(), Error> {
    match execute(transaction, REMOVE, &[&assignment_id, &at, &by, &why.as_str()]).await? {
        0 => Err(Error::Input(format!("the device was fitted after {at}"))),
        _ => Ok(()),
    }
}

fn worn(row: &Row) -> Result<Worn, Error> {
    Ok(Worn {
        assignment_id: row.try_get(0)?,
        device_id: row.try_get(1)?,
        protocol: row.try_get(2)?,
        identity: row.try_get(3)?,
        model: row.try_get(4)?,
        wearer: row.try_get(5)?,
        fitted_at: row.try_get(6)?,
        fitted_by: row.try_get(7)?,
        removed_at: row.try_get(8)?,
        removed_by: row.try_get(9)?,
        removal_reason: row.try_get(10)?,
        replaces: row.try_get(11)?,
    })
}

fn fault(row: &Row) -> Result<Fault, Error> {
    Ok(Fault {
        fault_id: row.try_get(0)?,
        device_id: row.try_get(1)?,
        device: row.try_get(2)?,
        wearer: row.try_get(3)?,
        reason: row.try_get::<_, &str>(4)?.parse()?,
        detail: row.try_get(5)?,
        faulty_since: row.try_get(6)?,
        reported_at: row.try_get(7)?,
        reported_by: row.try_get(8)?,
        ended_at: row.try_get(9)?,
        ended_by: row.try_get(10)?,
        outcome: row.try_get::<_, Option<&str>>(11)?.map(str::parse).transpose()?,
        repair: row.try_get(12)?,
    })
}
