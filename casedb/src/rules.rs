//! A person's rules: composed from the tables and published into the stream through the outbox.

mod settings;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use prost::Message;
use proto::{PersonId, Revision, rules::OperatingPoints, wire};
use tokio_postgres::Row;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{
    Class, Database, Error, calendar,
    leave::{self, Leave},
    order::{self, Order},
    person,
    pool::{GenericClient, execute, optional, row, rows},
    protect::{self, Proximity},
    zone::{self, PersonZone, Schedule, geojson, schedule},
};

pub(crate) use settings::revision;
pub use settings::{
    Settings, SettingsRevision, calendar_of, change_settings, points, set_settings, settings, settings_history,
    use_calendar,
};

/// Channel that wakes the outbox relay.
pub const OUTBOX_CHANNEL: &str = "homeward_outbox";
/// Channel that tells gateways whose monitoring may have changed; its payload is the person's id.
pub const DIRECTORY_CHANNEL: &str = "homeward_directory";

/// Dated parts of schedules (leave, holidays) are published until they are this long over: late reports are judged by them.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24 * 60);

/// The row stays locked until the commit, so that revisions of one person reach the outbox in their order.
const NEXT_REVISION: &str = "UPDATE person_rules SET revision = revision + 1 WHERE person_id = $1 RETURNING revision";
const KEEP: &str = "UPDATE person_rules SET published = $2, published_order_id = $3, published_valid_until = $4,
    stale = false WHERE person_id = $1";
const PUBLISH: &str = "INSERT INTO outbox (person_id, payload) VALUES ($1, $2)";
const NOTIFY: &str = "SELECT pg_notify($1, $2)";
const ENDED: &str = "SELECT max(ends_at) FROM order_term WHERE person_id = $1 AND ends_at <= $2";
const PUBLISHED: &str = "SELECT published FROM person_rules WHERE person_id = $1";
/// People whose rules one sweep publishes at most.
pub const SWEPT_AT_ONCE: usize = 500;
/// People whose order in force is not the one that was published last, or for whom something else changed since.
const STALE: &str = "SELECT r.person_id
    FROM person_rules r
    LEFT JOIN LATERAL (
        SELECT t.order_id, t.ends_at AS valid_until FROM order_term t
        WHERE t.person_id = r.person_id AND t.starts_at <= $1 AND t.ends_at > $1
        ORDER BY t.starts_at DESC, t.order_id DESC LIMIT 1) o ON true
    WHERE r.stale OR (o.order_id, o.valid_until) IS DISTINCT FROM (r.published_order_id, r.published_valid_until)
    ORDER BY r.person_id LIMIT 500";
const STILL_STALE: &str = "SELECT published_order_id, published_valid_until, stale FROM person_rules
    WHERE person_id = $1 FOR UPDATE";

/// Composes a person's rules as of `now`, publishes them at the next revision and returns that.
///
/// Everything happens in the caller's transaction: the outbox row and the notifications become visible with the change
/// that they tell of, or not at all.
pub async fn publish(transaction: &impl GenericClient, person_id: PersonId, now: Timestamp) -> Result<Revision, Error> {
    let next = optional(transaction, NEXT_REVISION, &[&person_id.uuid()]).await?;
    let next: i64 = next.ok_or_else(|| Error::not_found("person", person_id))?.try_get(0)?;
    let revision = u64::try_from(next).map_err(|_| Error::Configuration(format!("rules revision {next}")))?;
    let order = order::in_force(transaction, person_id, now).await?;
    let rules = compose(transaction, person_id, revision, order.as_ref(), now).await?;
    let (order_id, valid_until) = order_key(order.as_ref());
    execute(
        transaction,
        KEEP,
        &[&person_id.uuid(), &rules.encode_to_vec(), &order_id, &valid_until],
    )
    .await?;
    let record = wire::ReportRecord {
        body: Some(wire::report_record::Body::Rules(rules)),
    };
    execute(transaction, PUBLISH, &[&person_id.uuid(), &record.encode_to_vec()]).await?;
    notify_outbox(transaction).await?;
    row(transaction, NOTIFY, &[&DIRECTORY_CHANNEL, &person_id.to_string()]).await?;
    Ok(revision)
}

/// Reads the rules as last published; `None` before the first publication.
pub async fn published(client: &impl GenericClient, person_id: PersonId) -> Result<Option<wire::Rules>, Error> {
    let found = optional(client, PUBLISHED, &[&person_id.uuid()]).await?;
    let bytes: Option<Vec<u8>> = found.ok_or_else(|| Error::not_found("person", person_id))?.try_get(0)?;
    bytes
        .map(|bytes| wire::Rules::decode(bytes.as_slice()))
        .transpose()
        .map_err(|error| Error::Configuration(format!("published rules of {person_id}: {error}")))
}

/// Publishes anew the rules of people whose order began, ended or was revoked since they were last published, and of those whom
/// a changed calendar or consent concerns, up to [`SWEPT_AT_ONCE`]; returns whose. The outbox relay calls this every few seconds,
/// and at once again while there are more.
pub async fn sweep(database: &Database, now: Timestamp) -> Result<Vec<PersonId>, Error> {
    let mut client = database.client().await?;
    let mut published = Vec::new();
    for stale in rows(&client, STALE, &[&now]).await? {
        let person_id = PersonId::new(stale.try_get(0)?);
        let transaction = client.transaction().await?;
        let before = row(&transaction, STILL_STALE, &[&person_id.uuid()]).await?;
        match publish_stale(&transaction, person_id, &before, now).await {
            Ok(false) => {} // somebody else published meanwhile
            Ok(true) => {
                transaction.commit().await?;
                published.push(person_id);
            }
            // One person's rules that cannot be put together must not keep everybody else's from being published.
            Err(error) if error.class() == Class::Input => {
                warn!(%person_id, %error, "rules cannot be published");
                metrics::counter!("homeward_rules_unpublishable_total").increment(1);
            }
            Err(error) => return Err(error),
        }
    }
    if !published.is_empty() {
        info!(
            people = published.len(),
            "orders, calendars or consents changed: rules published"
        );
    }
    Ok(published)
}

async fn publish_stale(
    transaction: &impl GenericClient,
    person_id: PersonId,
    before: &Row,
    now: Timestamp,
) -> Result<bool, Error> {
    let order = order::in_force(transaction, person_id, now).await?;
    let published: (Option<Uuid>, Option<Timestamp>) = (before.try_get(0)?, before.try_get(1)?);
    if published == order_key(order.as_ref()) && !before.try_get::<_, bool>(2)? {
        return Ok(false);
    }
    publish(transaction, person_id, now).await?;
    Ok(true)
}

pub(crate) async fn notify_outbox(transaction: &impl GenericClient) -> Result<(), Error> {
    row(transaction, NOTIFY, &[&OUTBOX_CHANNEL, &""]).await?;
    Ok(())
}

async fn compose(
    client: &impl GenericClient,
    person_id: PersonId,
    revision: Revision,
    order: Option<&Order>,
    now: Timestamp,
) -> Result<wire::Rules, Error> {
    let person = person::read(client, person_id).await?;
    let settings = settings::settings(client, person_id, order.map(|order| order.order_id)).await?;
    let mut rules = wire::Rules {
        person_id: person_id.to_wire(),
        revision,
        active: false,
        time_zone: person.time_zone,
        reporting_interval_s: seconds(settings.reporting_interval_s),
        silence_after_s: seconds(settings.silence_after_s),
        home_exit_grace_s: seconds(settings.home_exit_grace_s),
        late_return_after_s: seconds(settings.late_return_after_s),
        valid_from_us: now.as_microsecond(),
        operating_points: (settings.points != OperatingPoints::default()).then(|| settings.points.into()),
        ..wire::Rules::default()
    };
    // Without a legal basis nothing is told to the stages that would judge by it, not even the zones; but since when there is none.
    if order.is_none() {
        let ended: Option<Timestamp> = row(client, ENDED, &[&person_id.uuid(), &now]).await?.try_get(0)?;
        rules.valid_until_us = ended.map(Timestamp::as_microsecond);
    }
    if let Some(order) = order {
        rules.active = true;
        rules.order_id = order.order_id.to_wire();
        rules.valid_from_us = order.starts_at.as_microsecond();
        rules.valid_until_us = Some(order.valid_until().as_microsecond());
        let dates = Dates::read(client, person_id, order, now).await?;
        for person_zone in zone::of_person(client, person_id).await? {
            rules.zones.push(zone_to_wire(&person_zone, &dates)?);
        }
        for proximity in protect::of_person(client, person_id, false).await? {
            rules.proximities.push(proximity_to_wire(&proximity, &dates)?);
        }
        rules.layer_ids = zone::layers_of(client, person_id)
            .await?
            .into_iter()
            .map(proto::LayerId::to_wire)
            .collect();
    }
    // What the engine would refuse must not get into the stream.
    proto::rules::Rules::try_from(&rules).map_err(|error| Error::Input(format!("rules of {person_id}: {error}")))?;
    Ok(rules)
}

/// What the calendar and leave passes put into schedules.
struct Dates {
    /// Days since 1970.
    holidays: Vec<i32>,
    leave: Vec<Leave>,
    /// The order's term.
    term: wire::DatedInterval,
}

impl Dates {
    async fn read(
        client: &impl GenericClient,
        person_id: PersonId,
        order: &Order,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let since = now.saturating_sub(LOOK_BACK).unwrap_or(now);
        let holidays = match calendar_of(client, person_id).await? {
            Some((calendar, _)) => calendar::days(client, calendar, TimeZone::UTC.to_datetime(since).date()).await?,
            None => Vec::new(),
        };
        Ok(Self {
            holidays: holidays
                .iter()
                .map(|holiday| schedule::days_since_1970(holiday.day))
                .collect(),
            leave: leave::of_person(client, person_id, since).await?,
            term: wire::DatedInterval {
                start_us: order.starts_at.as_microsecond(),
                end_us: order.valid_until().as_microsecond(),
            },
        })
    }

    /// A schedule with the calendar's days, where it says what to do on them.
    fn schedule(&self, schedule: &Schedule) -> Result<wire::Schedule, Error> {
        let mut wire = schedule.to_wire()?;
        if schedule.holiday.is_some() {
            wire.holidays.extend(&self.holidays);
            wire.holidays.sort_unstable();
            wire.holidays.dedup();
        }
        Ok(wire)
    }

    /// The schedule of a person's zone, with the leave that opens it.
    fn of_zone(&self, zone: &PersonZone) -> Result<Option<wire::Schedule>, Error> {
        let mut schedule = zone
            .schedule
            .as_ref()
            .map(|schedule| self.schedule(schedule))
            .transpose()?;
        let passes = self.leave.iter().filter(|leave| leave.covers(zone));
        for (leave, until) in passes.filter_map(|leave| Some((leave, leave.valid_until()?))) {
            // A zone whose rule holds always holds all through the order but for the leave.
            let schedule = schedule.get_or_insert_with(|| wire::Schedule {
                additions: vec![self.term],
                ..wire::Schedule::default()
            });
            schedule.exceptions.push(wire::DatedInterval {
                start_us: leave.starts_at.as_microsecond(),
                end_us: until.as_microsecond(),
            });
        }
        Ok(schedule)
    }
}

fn proximity_to_wire(proximity: &Proximity, dates: &Dates) -> Result<wire::Proximity, Error> {
    let schedule = proximity.terms.schedule.as_ref();
    Ok(wire::Proximity {
        zone_id: proximity.proximity_id.to_wire(),
        revision: proximity.revision,
        protected_id: proximity.protected_id.to_wire(),
        distance_m: proximity.terms.distance_m,
        buffer_m: proximity.terms.buffer_m,
        schedule: schedule.map(|schedule| dates.schedule(schedule)).transpose()?,
    })
}

fn zone_to_wire(person_zone: &PersonZone, dates: &Dates) -> Result<wire::Zone, Error> {
    Ok(wire::Zone {
        zone_id: person_zone.zone.zone_id.to_wire(),
        revision: person_zone.revision,
        kind: person_zone.zone.kind.to_wire().into(),
        geometry: Some(geojson::to_wire(
            &person_zone.shape.geometry,
            person_zone.shape.radius_m,
        )?),
        buffer_m: person_zone.shape.buffer_m,
        schedule: dates.of_zone(person_zone)?,
        attendance: person_zone.attendance,
        datum: wire::Datum::from(person_zone.shape.datum).into(),
    })
}

fn order_key(order: Option<&Order>) -> (Option<Uuid>, Option<Timestamp>) {
    (order.map(|order| order.order_id.uuid()), order.map(Order::valid_until))
}

fn seconds(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
