//! What gateways and time do to commands.

use jiff::{SignedDuration, Timestamp};
use proto::DeviceId;
use tracing::error;
use uuid::Uuid;

use super::{ANSWER_WITHIN, Command, LONGEST_WAIT, Outcome, REVERT_ATTEMPTS, columns, from_row, request::OWN_KEY};
use crate::{
    Class, Error, law,
    pool::{GenericClient, execute, readable, row, rows},
};

/// Characters kept of what a device said.
const LONGEST_RESULT: usize = 500;
/// How far back a way back is looked for that nobody knows to have arrived.
const REVERTS_SINCE: SignedDuration = SignedDuration::from_hours(24);

const CLOCK: &str = "SELECT clock_timestamp()";
const DUE: &str = "SELECT DISTINCT device_id FROM device_command
    WHERE state = 'queued' AND not_before <= $1 AND expires_at > $1";
/// A way back is not due while what it takes back has not gone out (its time begins with that), nor while another change of the
/// interval goes out. It goes out whoever wears the device by then, for it is the device that is to be set back; everything else is
/// for the person whom it was meant for. Without a legal basis nothing goes out: the device was told to stop.
const CLAIM: &str = columns!(
    "WITH due AS (
        SELECT q.command_id FROM device_command q
        WHERE q.state = 'queued' AND q.device_id = ANY ($1) AND q.not_before <= $3 AND q.expires_at > $3
            AND (q.reverts IS NULL OR NOT EXISTS (SELECT FROM device_command p WHERE p.device_id = q.device_id
                AND p.kind = 'interval' AND p.reverts IS NULL
                AND (p.state = 'sent' OR p.command_id = q.reverts AND p.state = 'queued')))
            AND (q.reverts IS NOT NULL OR EXISTS (SELECT FROM device_assignment a
                WHERE a.device_id = q.device_id AND a.person_id = q.person_id AND a.ended_at IS NULL))
            AND NOT EXISTS (SELECT FROM device_assignment a
                WHERE a.device_id = q.device_id AND a.ended_at IS NULL AND a.person_id IS NOT NULL
                    AND NOT has_basis(a.person_id, $3))
        ORDER BY q.created_at, q.command_id LIMIT $4
        FOR UPDATE OF q SKIP LOCKED
    ), c AS (
        UPDATE device_command t SET state = 'sent', sent_at = $3, gateway = $2
        FROM due WHERE t.command_id = due.command_id AND t.state = 'queued' RETURNING t.*
    ), back AS (
        UPDATE device_command b SET not_before = $3 + (c.parameters ->> 'for_seconds')::int * interval '1 second',
            expires_at = $3 + (c.parameters ->> 'for_seconds')::int * interval '1 second' + $5::bigint * interval '1 second'
        FROM c WHERE b.reverts = c.command_id AND b.state = 'queued' RETURNING b.command_id
    )
    SELECT ",
    "c",
    " FROM c ORDER BY c.created_at, c.command_id"
);
const RELEASE: &str = "UPDATE device_command SET state = 'queued', sent_at = NULL, gateway = ''
    WHERE command_id = $1 AND gateway = $2 AND state = 'sent'";
/// What follows the first news that a command has arrived: a change of the interval makes the ways back of earlier ones needless.
macro_rules! arrived {
    ($update:literal) => {
        concat!(
            "WITH c AS (",
            $update,
            " RETURNING *), gone AS (
                UPDATE device_command s SET state = 'cancelled', outcome = 'superseded', ended_at = $2
                FROM c, device_command p
                WHERE c.kind = 'interval' AND c.reverts IS NULL AND s.device_id = c.device_id AND s.state = 'queued'
                    AND p.command_id = s.reverts AND p.created_at < c.created_at AND p.command_id <> c.command_id
                RETURNING s.command_id)
            SELECT count(*) FROM c"
        )
    };
}
const DELIVER: &str = arrived!(
    "UPDATE device_command SET state = 'delivered', delivered_at = $2 WHERE command_id = $1 AND state = 'sent'"
);
const ACKNOWLEDGE: &str = arrived!(
    "UPDATE device_command t SET state = 'acknowledged', acknowledged_at = $2, ended_at = $2, outcome = $3,
        result = CASE WHEN has_basis(person_id, $2) AND NOT EXISTS (SELECT FROM order_term o WHERE o.person_id = t.person_id
            AND o.profile = ANY ($6) AND o.starts_at <= $2 AND o.ends_at > $2) THEN $4 ELSE '' END,
        fix_time = CASE WHEN has_basis(person_id, $5) THEN $5 END
    WHERE command_id = $1 AND state IN ('sent', 'delivered')"
);
/// Words of a device may say a place: none are kept without a basis, nor where the law wants no more known than presence.
const FAIL: &str = "UPDATE device_command t SET state = 'failed', ended_at = $2, outcome = $3,
        result = CASE WHEN has_basis(person_id, $2) AND NOT EXISTS (SELECT FROM order_term o WHERE o.person_id = t.person_id
            AND o.profile = ANY ($5) AND o.starts_at <= $2 AND o.ends_at > $2) THEN $4 ELSE '' END,
        sent_at = CASE WHEN $3 = 'unsupported' THEN NULL ELSE sent_at END
    WHERE command_id = $1 AND state IN ('sent', 'delivered')";
const UNDER_WAY: &str = columns!(
    "SELECT ",
    "c",
    " FROM device_command c WHERE c.state IN ('sent', 'delivered') AND c.expires_at > $1
    ORDER BY c.sent_at, c.command_id"
);
const EXPIRE: &str = "UPDATE device_command SET state = 'expired', ended_at = $1,
        outcome = CASE state WHEN 'queued' THEN 'not_connected' WHEN 'sent' THEN 'not_confirmed' ELSE 'no_answer' END
    WHERE state IN ('queued', 'sent', 'delivered')
        AND (expires_at <= $1 OR sent_at <= $1 - $2::bigint * interval '1 second')";
/// A way back is not needed when what it takes back never went out. That of an earlier pursuit is still there.
const FORGET: &str = "UPDATE device_command r SET state = 'cancelled', outcome = 'not_needed', ended_at = $1
    FROM device_command p
    WHERE p.command_id = r.reverts AND r.state = 'queued' AND p.ended_at IS NOT NULL AND p.sent_at IS NULL";
/// Ways back of which nobody knows that they arrived, unless a newer change of the interval did.
const UNSURE: &str = "SELECT r.command_id FROM device_command r
    WHERE r.reverts IS NOT NULL AND r.state IN ('expired', 'failed') AND r.ended_at > $1
        AND r.outcome IN ('not_confirmed', 'no_answer', 'connection_lost') AND r.attempt < $2
        AND NOT EXISTS (SELECT FROM device_command a WHERE a.reverts = r.reverts AND a.attempt > r.attempt)
        AND NOT EXISTS (SELECT FROM device_command n WHERE n.device_id = r.device_id AND n.kind = 'interval'
            AND n.reverts IS NULL AND n.created_at > r.created_at AND n.delivered_at IS NOT NULL)";
const AGAIN: &str = "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose,
        case_number, idempotency_key, reverts, attempt, created_at, not_before, expires_at)
    SELECT $2, r.device_id, r.person_id, r.kind, r.parameters, r.requested_by, r.purpose, r.case_number,
        $5::text || r.reverts::text || ':' || (r.attempt + 1)::text, r.reverts, r.attempt + 1, $3::timestamptz, $3::timestamptz,
        $4::timestamptz
    FROM device_command r WHERE r.command_id = $1
    ON CONFLICT DO NOTHING";

/// The database's clock, by which commands of all processes are timed.
pub async fn clock(client: &impl GenericClient) -> Result<Timestamp, Error> {
    Ok(row(client, CLOCK, &[]).await?.try_get(0)?)
}

/// Devices for which something is queued that may go out now.
pub async fn due_devices(client: &impl GenericClient, now: Timestamp) -> Result<Vec<DeviceId>, Error> {
    let found = rows(client, DUE, &[&now]).await?;
    found.iter().map(|row| Ok(DeviceId::new(row.try_get(0)?))).collect()
}

/// Takes what is due for these devices, oldest first: from now on it is this gateway's, and written down as sent. Whoever else asks
/// gets none of it, so nothing goes out twice. What cannot be sent after all is given back by [`release`].
pub async fn claim(
    client: &impl GenericClient,
    devices: &[DeviceId],
    gateway: &str,
    now: Timestamp,
    most: i64,
) -> Result<Vec<Command>, Error> {
    let devices: Vec<Uuid> = devices.iter().copied().map(DeviceId::uuid).collect();
    let wait = LONGEST_WAIT.as_secs();
    let mut claimed = Vec::new();
    for row in rows(client, CLAIM, &[&devices, &gateway, &now, &most, &wait]).await? {
        match from_row(&row) {
            Ok(command) => claimed.push(command),
            // No byte of it goes out; the others are not kept waiting.
            Err(error) if error.class() == Class::Input => {
                let command_id: Uuid = row.try_get(0)?;
                error!(%command_id, %error, "a command cannot be read, and fails");
                end(client, command_id, now, Outcome::Unsupported, "", None).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(claimed)
}

/// Gives back a command of which no byte has gone out. False: it had ended already.
pub async fn release(client: &impl GenericClient, command_id: Uuid, gateway: &str) -> Result<bool, Error> {
    Ok(execute(client, RELEASE, &[&command_id, &gateway]).await? == 1)
}

/// Notes that the connection has taken all bytes, or that the device says that it has the command. False: it was noted, or it has ended.
pub async fn deliver(client: &impl GenericClient, command_id: Uuid, at: Timestamp) -> Result<bool, Error> {
    let touched: i64 = row(client, DELIVER, &[&command_id, &at]).await?.try_get(0)?;
    Ok(touched == 1)
}

/// Ends a command that was sent: `Done` and `Located` acknowledge it, any other outcome is a failure. False: it had ended already.
pub async fn end(
    client: &impl GenericClient,
    command_id: Uuid,
    at: Timestamp,
    outcome: Outcome,
    text: &str,
    fix_time: Option<Timestamp>,
) -> Result<bool, Error> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_RESULT).collect();
    let presence_only = law::presence_only();
    if matches!(outcome, Outcome::Done | Outcome::Located) {
        let values: [&(dyn postgres_types::ToSql + Sync); 6] =
            [&command_id, &at, &outcome.as_str(), &text, &fix_time, &presence_only];
        let touched: i64 = row(client, ACKNOWLEDGE, &values).await?.try_get(0)?;
        return Ok(touched == 1);
    }
    let values: [&(dyn postgres_types::ToSql + Sync); 5] = [&command_id, &at, &outcome.as_str(), &text, &presence_only];
    let touched = execute(client, FAIL, &values).await?;
    Ok(touched == 1)
}

/// Commands that some gateway has sent and that may still be answered, in the order in which they were sent.
pub async fn under_way(client: &impl GenericClient, now: Timestamp) -> Result<Vec<Command>, Error> {
    readable(&rows(client, UNDER_WAY, &[&now]).await?, "device_command", from_row)
}

/// Ends what has had its time, forgets ways back that are not needed, and asks anew for those of which nobody knows whether they
/// arrived. Safe to call at any time, by anybody, at once; returns how many commands it ended or made.
pub async fn sweep(client: &impl GenericClient, now: Timestamp) -> Result<u64, Error> {
    let mut touched = execute(client, EXPIRE, &[&now, &ANSWER_WITHIN.as_secs()]).await?;
    touched += forget(client, now).await?;
    let since = now - REVERTS_SINCE;
    for unsure in rows(client, UNSURE, &[&since, &REVERT_ATTEMPTS]).await? {
        let values: [&(dyn postgres_types::ToSql + Sync); 5] = [
            &unsure.try_get::<_, Uuid>(0)?,
            &Uuid::now_v7(),
            &now,
            &(now + LONGEST_WAIT),
            &OWN_KEY,
        ];
        touched += execute(client, AGAIN, &values).await?;
    }
    Ok(touched)
}

/// Cancels ways back that are not needed.
pub(super) async fn forget(client: &impl GenericClient, now: Timestamp) -> Result<u64, Error> {
    execute(client, FORGET, &[&now]).await
}
