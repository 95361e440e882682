//! One look of a member at its group, in one transaction: sign of life, removal of the dead, renewal, fair share.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::{code, column};
use crate::{Partition, Topic, share};

const JOIN_GROUP: &str = "INSERT INTO stream.consumer_group (topic, group_name) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const JOIN_LEASES: &str = "INSERT INTO stream.lease (topic, group_name, partition)
    SELECT $1, $2, generate_series(0, $3::integer - 1) ON CONFLICT DO NOTHING";
const JOIN_MEMBER: &str = "INSERT INTO stream.member (member_id, topic, group_name, lock_key, expires_at)
    VALUES ($1, $2, $3, $4, clock_timestamp() + $5::double precision * interval '1 second')";
const HOLD: &str = "SELECT pg_advisory_lock($1)";

/// All changes of a group stand in line here.
const LOCK_GROUP: &str = "SELECT FROM stream.consumer_group WHERE topic = $1 AND group_name = $2 FOR UPDATE";
const ALIVE: &str = "UPDATE stream.member
    SET expires_at = clock_timestamp() + $2::double precision * interval '1 second' WHERE member_id = $1";
/// A lock that we get is one that nobody holds: that member's session has ended. Ours is not tried, for we would get it.
const OTHERS: &str = "SELECT member_id, joined,
        CASE WHEN member_id = $3 THEN false
             WHEN expires_at <= clock_timestamp() THEN true
             ELSE pg_try_advisory_xact_lock(lock_key) END
    FROM stream.member WHERE topic = $1 AND group_name = $2 ORDER BY joined";
const BURY: &str = "DELETE FROM stream.member WHERE member_id = ANY($1)";
const FREE: &str = "UPDATE stream.lease SET member_id = NULL, revoking = false
    WHERE topic = $1 AND group_name = $2 AND member_id IS NOT NULL
      AND (member_id = ANY($3) OR expires_at <= clock_timestamp() AND member_id <> $4
           OR expires_at <= clock_timestamp() AND (revoking OR partition = ANY($5)))";
const RENEW: &str =
    "UPDATE stream.lease SET expires_at = clock_timestamp() + $4::double precision * interval '1 second'
    WHERE topic = $1 AND group_name = $2 AND member_id = $3 AND NOT revoking AND partition <> ALL($5)
    RETURNING partition";
const SHED: &str = "UPDATE stream.lease SET revoking = true
    WHERE topic = $1 AND group_name = $2 AND member_id = $3 AND partition = ANY($4)";
const CLAIM: &str = "UPDATE stream.lease
    SET member_id = $3, expires_at = clock_timestamp() + $4::double precision * interval '1 second'
    WHERE topic = $1 AND group_name = $2 AND partition = ANY(ARRAY(
        SELECT partition FROM stream.lease
        WHERE topic = $1 AND group_name = $2 AND member_id IS NULL AND partition <> ALL($5)
        ORDER BY partition LIMIT $6))
    RETURNING partition";
const RELEASE: &str = "UPDATE stream.lease SET member_id = NULL, revoking = false
    WHERE topic = $1 AND group_name = $2 AND member_id = $3 AND partition = ANY($4)";
const LEAVE: &str = "UPDATE stream.lease SET member_id = NULL, revoking = false
    WHERE topic = $1 AND group_name = $2 AND member_id = $3";

/// Who looks at which group.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) topic: Topic,
    pub(super) group: String,
    pub(super) member: Uuid,
    pub(super) partitions: u32,
    pub(super) ttl: Duration,
}

/// What a look showed.
pub(super) struct Look {
    /// Partitions leased to us, and not to be let go.
    pub(super) ours: BTreeSet<Partition>,
    /// Until when, on our own clock: counted from before the database was asked.
    pub(super) until: Instant,
    /// Others should look as well.
    pub(super) tell: bool,
}

/// Enters the group: takes the lock that says that this session lives, then the row that names it.
pub(super) async fn enter(client: &mut Client, who: &Identity) -> Result<(), tokio_postgres::Error> {
    // What a crash of the server loses of this, the end of all sessions makes void anyway.
    client.batch_execute("SET synchronous_commit = off").await?;
    let key: i64 = rand::random();
    let (topic, ttl) = (code(who.topic), who.ttl.as_secs_f64());
    client.execute(HOLD, &[&key]).await?;
    let transaction = client.transaction().await?;
    transaction.execute(JOIN_GROUP, &[&topic, &who.group]).await?;
    transaction
        .execute(JOIN_LEASES, &[&topic, &who.group, &column(who.partitions)])
        .await?;
    transaction.execute(LOCK_GROUP, &[&topic, &who.group]).await?;
    transaction
        .execute(JOIN_MEMBER, &[&who.member, &topic, &who.group, &key, &ttl])
        .await?;
    transaction.commit().await
}

/// Looks at the group. `None`: others took this member for dead, it must enter anew.
pub(super) async fn look(
    client: &mut Client,
    who: &Identity,
    blocked: &[Partition],
) -> Result<Option<Look>, tokio_postgres::Error> {
    let until = Instant::now() + who.ttl;
    let (topic, ttl) = (code(who.topic), who.ttl.as_secs_f64());
    let blocked: Vec<i32> = blocked.iter().copied().map(column).collect();
    let transaction = client.transaction().await?;
    transaction.execute(LOCK_GROUP, &[&topic, &who.group]).await?;
    if transaction.execute(ALIVE, &[&who.member, &ttl]).await? == 0 {
        return Ok(None);
    }
    let (members, dead) = census(&transaction, who).await?;
    if !dead.is_empty() {
        tracing::info!(
            group = who.group,
            topic = who.topic.name(),
            dead = dead.len(),
            "stream members are gone"
        );
        transaction.execute(BURY, &[&dead]).await?;
    }
    let renewed = transaction
        .query(RENEW, &[&topic, &who.group, &who.member, &ttl, &blocked])
        .await?;
    let freed = transaction
        .execute(FREE, &[&topic, &who.group, &dead, &who.member, &blocked])
        .await?;
    let mut ours = BTreeSet::new();
    for row in renewed {
        ours.insert(row.try_get::<_, i32>(0)?.unsigned_abs());
    }
    let rank = members.iter().position(|member| *member == who.member).unwrap_or(0);
    let quota = share::quota(who.partitions as usize, members.len(), rank);
    let mut shed: Vec<i32> = Vec::new();
    while ours.len() > quota {
        let Some(partition) = ours.pop_last() else { break };
        shed.push(column(partition));
    }
    if !shed.is_empty() {
        transaction
            .execute(SHED, &[&topic, &who.group, &who.member, &shed])
            .await?;
    }
    if ours.len() < quota {
        let wanted = i64::try_from(quota - ours.len()).unwrap_or(i64::MAX);
        let claimed = transaction
            .query(CLAIM, &[&topic, &who.group, &who.member, &ttl, &blocked, &wanted])
            .await?;
        for row in claimed {
            ours.insert(row.try_get::<_, i32>(0)?.unsigned_abs());
        }
    }
    transaction.commit().await?;
    Ok(Some(Look {
        ours,
        until,
        tell: freed > 0 || !dead.is_empty(),
    }))
}

/// The living, oldest first, and the dead.
async fn census(
    transaction: &Transaction<'_>,
    who: &Identity,
) -> Result<(Vec<Uuid>, Vec<Uuid>), tokio_postgres::Error> {
    let rows = transaction
        .query(OTHERS, &[&code(who.topic), &who.group, &who.member])
        .await?;
    let (mut living, mut dead) = (Vec::new(), Vec::new());
    for row in rows {
        let member = row.try_get(0)?;
        let list = if row.try_get(2)? { &mut dead } else { &mut living };
        list.push(member);
    }
    Ok((living, dead))
}

/// Frees partitions that the consumer let go.
pub(super) async fn release(
    client: &mut Client,
    who: &Identity,
    partitions: &[Partition],
) -> Result<(), tokio_postgres::Error> {
    let columns: Vec<i32> = partitions.iter().copied().map(column).collect();
    let topic = code(who.topic);
    let transaction = client.transaction().await?;
    transaction.execute(LOCK_GROUP, &[&topic, &who.group]).await?;
    transaction
        .execute(RELEASE, &[&topic, &who.group, &who.member, &columns])
        .await?;
    transaction.commit().await
}

/// Leaves the group and frees everything.
pub(super) async fn leave(client: &mut Client, who: &Identity) -> Result<(), tokio_postgres::Error> {
    let topic = code(who.topic);
    let transaction = client.transaction().await?;
    transaction.execute(LOCK_GROUP, &[&topic, &who.group]).await?;
    transaction.execute(LEAVE, &[&topic, &who.group, &who.member]).await?;
    transaction.execute(BURY, &[&vec![who.member]]).await?;
    transaction.commit().await
}
