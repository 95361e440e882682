//! Rules as a file: the export format, described by `docs/rules.schema.json`.

mod file;
#[cfg(test)]
mod tests;

use std::{collections::HashSet, sync::Arc};

use file::{Dated, File, Layer, Person, Proximity, Schedule, Zone};
use jiff::{
    Timestamp,
    civil::{Date, date},
};
use proto::{
    LayerId, OrderId, PersonId, ZoneId,
    rules::{Datum, OperatingPoints, Rules, ZoneKind},
    wire,
};

use super::Names;
use crate::{Input, zone::CompiledLayer, zone::import};

/// Why a file of rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", if place.is_empty() { "/" } else { place })]
pub struct RulesFileError {
    /// Where, as a JSON pointer (RFC 6901).
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

/// What takes effect, and when; `None`: before the first report.
pub(super) struct Change {
    pub(super) at: Option<Timestamp>,
    /// Where it stands in the file, as a JSON pointer.
    pub(super) place: String,
    what: What,
}

enum What {
    Rules(Box<wire::Rules>),
    Layer(Arc<CompiledLayer>),
}

impl Change {
    pub(super) fn input(&self) -> Input<'_> {
        match &self.what {
            What::Rules(rules) => Input::Rules(rules),
            What::Layer(layer) => Input::Layer(Arc::clone(layer)),
        }
    }
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

#[expect(clippy::needless_pass_by_value, reason = "errors and texts made for this")]
fn at(place: impl Into<String>, reason: impl ToString) -> RulesFileError {
    RulesFileError {
        place: place.into(),
        reason: reason.to_string(),
    }
}

/// Reads a file of rules: everything that takes effect, in the order in which it does.
pub(super) fn read(json: &str, names: &mut Names) -> Result<Vec<Change>, RulesFileError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let file: File = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = pointer(error.path());
        at(place, error.into_inner())
    })?;
    deserializer.end().map_err(|error| at("", error))?;
    let mut changes = Vec::with_capacity(file.people.len() + file.layers.len());
    let layers: HashSet<&str> = file.layers.iter().map(|layer| layer.layer_id.as_str()).collect();
    for (index, layer) in file.layers.iter().enumerate() {
        let place = format!("/layers/{index}");
        let what = What::Layer(Arc::new(read_layer(layer, &place, names)?));
        changes.push(Change {
            at: layer.effective_at,
            place,
            what,
        });
    }
    let mut seen = HashSet::new();
    for (index, person) in file.people.iter().enumerate() {
        let place = format!("/people/{index}");
        if !seen.insert((&person.person_id, person.revision)) {
            return Err(at(format!("{place}/revision"), "the person has this revision already"));
        }
        if let Some(number) = person.layers.iter().position(|layer| !layers.contains(layer.as_str())) {
            return Err(at(
                format!("{place}/layers/{number}"),
                "no layer of this file has this id",
            ));
        }
        let rules = read_person(person, &place, names)?;
        changes.push(Change {
            at: person.effective_at,
            place,
            what: What::Rules(Box::new(rules)),
        });
    }
    // Stable: what takes effect together keeps the order of the file, layers before people.
    changes.sort_by_key(|change| change.at);
    Ok(changes)
}

fn read_person(person: &Person, place: &str, names: &mut Names) -> Result<wire::Rules, RulesFileError> {
    if person.person_id.is_empty() {
        return Err(at(format!("{place}/person_id"), "the id is empty"));
    }
    if person.revision == 0 {
        return Err(at(format!("{place}/revision"), "revisions count from 1"));
    }
    let id = PersonId::from_name(&person.person_id);
    let mut zone_ids = HashSet::new();
    let mut zones = Vec::with_capacity(person.zones.len());
    for (index, zone) in person.zones.iter().enumerate() {
        let place = format!("{place}/zones/{index}");
        if !zone_ids.insert(&zone.zone_id) {
            return Err(at(
                format!("{place}/zone_id"),
                "the person has a zone of this id already",
            ));
        }
        zones.push(read_zone(zone, &place, names)?);
    }
    let mut proximities = Vec::with_capacity(person.proximities.len());
    for (index, proximity) in person.proximities.iter().enumerate() {
        let place = format!("{place}/proximities/{index}");
        if !zone_ids.insert(&proximity.zone_id) {
            return Err(at(
                format!("{place}/zone_id"),
                "the person has a zone or a restriction of this id already",
            ));
        }
        if person
            .proximities
            .iter()
            .take(index)
            .any(|other| other.protected_id == proximity.protected_id)
        {
            return Err(at(
                format!("{place}/protected_id"),
                "the person has to keep away from this protected person already",
            ));
        }
        proximities.push(read_proximity(proximity, &place, names)?);
    }
    let points = OperatingPoints {
        exclusion_entry: person.operating_points.exclusion_entry,
        home_exit: person.operating_points.home_exit,
        attendance: person.operating_points.attendance,
    };
    points
        .validate()
        .map_err(|error| at(format!("{place}/operating_points"), error))?;
    let rules = wire::Rules {
        person_id: id.to_wire(),
        revision: person.revision,
        order_id: person
            .order_id
            .as_deref()
            .map_or_else(Vec::new, |name| OrderId::from_name(name).to_wire()),
        active: person.active,
        time_zone: person.time_zone.clone(),
        zones,
        layer_ids: person
            .layers
            .iter()
            .map(|name| LayerId::from_name(name).to_wire())
            .collect(),
        reporting_interval_s: person.reporting_interval_s,
        silence_after_s: person.silence_after_s,
        home_exit_grace_s: person.home_exit_grace_s,
        late_return_after_s: person.late_return_after_s,
        valid_from_us: person.valid_from.map_or(0, Timestamp::as_microsecond),
        valid_until_us: person.valid_until.map(Timestamp::as_microsecond),
        proximities,
        operating_points: (points != OperatingPoints::default()).then(|| points.into()),
    };
    Rules::try_from(&rules).map_err(|error| at(place, error))?;
    names.people.insert(id, person.person_id.clone());
    Ok(rules)
}

fn read_layer(layer: &Layer, place: &str, names: &mut Names) -> Result<CompiledLayer, RulesFileError> {
    let zones = layer.zones.iter().enumerate();
    let zones = zones.map(|(index, zone)| read_zone(zone, &format!("{place}/zones/{index}"), names));
    let wire = wire::Layer {
        layer_id: LayerId::from_name(&layer.layer_id).to_wire(),
        revision: layer.revision,
        zones: zones.collect::<Result<_, _>>()?,
    };
    let compiled = CompiledLayer::compile(&wire).map_err(|error| at(place, error))?;
    match compiled.refused().first() {
        Some(refused) => Err(at(place, refused)),
        None => Ok(compiled),
    }
}

fn read_zone(zone: &Zone, place: &str, names: &mut Names) -> Result<wire::Zone, RulesFileError> {
    if zone.zone_id.is_empty() {
        return Err(at(format!("{place}/zone_id"), "the id is empty"));
    }
    let kind = ZoneKind::parse(&zone.kind).ok_or_else(|| {
        at(
            format!("{place}/kind"),
            format!("{:?} is not inclusion, exclusion or neutral", zone.kind),
        )
    })?;
    let size_m = match zone.geometry.value {
        geojson::GeometryValue::LineString { .. } => zone.half_width_m,
        _ => zone.radius_m,
    };
    let geometry = import::geometry(&zone.geometry, size_m).map_err(|error| at(format!("{place}/geometry"), error))?;
    let datum = zone.datum.as_deref().map_or(Ok(Datum::Wgs84), |datum| {
        let unknown = || {
            at(
                format!("{place}/datum"),
                format!("{datum:?} is not wgs84, gcj02 or bd09"),
            )
        };
        Datum::parse(datum).ok_or_else(unknown)
    })?;
    if zone.attendance && (kind != ZoneKind::Inclusion || zone.schedule.is_none()) {
        return Err(at(
            format!("{place}/attendance"),
            "only an inclusion zone with a schedule asks for attendance",
        ));
    }
    let id = ZoneId::from_name(&zone.zone_id);
    let wire = wire::Zone {
        zone_id: id.to_wire(),
        revision: zone.revision,
        kind: wire::ZoneKind::from(kind).into(),
        geometry: Some(wire::Geometry::from(&geometry)),
        buffer_m: zone.buffer_m,
        schedule: match &zone.schedule {
            Some(schedule) => Some(read_schedule(schedule, &format!("{place}/schedule"))?),
            None => None,
        },
        attendance: zone.attendance,
        datum: wire::Datum::from(datum).into(),
    };
    proto::rules::Zone::try_from(&wire).map_err(|error| at(place, error))?;
    names.zones.insert(id, zone.zone_id.clone());
    Ok(wire)
}

fn read_proximity(proximity: &Proximity, place: &str, names: &mut Names) -> Result<wire::Proximity, RulesFileError> {
    for (name, id) in [
        ("zone_id", &proximity.zone_id),
        ("protected_id", &proximity.protected_id),
    ] {
        if id.is_empty() {
            return Err(at(format!("{place}/{name}"), "the id is empty"));
        }
    }
    let id = ZoneId::from_name(&proximity.zone_id);
    let wire = wire::Proximity {
        zone_id: id.to_wire(),
        revision: proximity.revision,
        protected_id: PersonId::from_name(&proximity.protected_id).to_wire(),
        distance_m: proximity.distance_m,
        buffer_m: proximity.buffer_m,
        schedule: match &proximity.schedule {
            Some(schedule) => Some(read_schedule(schedule, &format!("{place}/schedule"))?),
            None => None,
        },
    };
    proto::rules::Proximity::try_from(&wire).map_err(|error| at(place, error))?;
    names.zones.insert(id, proximity.zone_id.clone());
    Ok(wire)
}

fn read_schedule(schedule: &Schedule, place: &str) -> Result<wire::Schedule, RulesFileError> {
    let mut weekly = Vec::new();
    for (index, interval) in schedule.weekly.iter().enumerate() {
        let place = format!("{place}/weekly/{index}");
        let (start_s, end_s) = hours(&interval.start, &interval.end, &place)?;
        let mut days = Vec::with_capacity(interval.days.len());
        for (number, day) in interval.days.iter().enumerate() {
            let known = DAYS.iter().position(|name| name == day);
            days.push(known.ok_or_else(|| at(format!("{place}/days/{number}"), format!("{day:?} is not mon to sun")))?);
        }
        let mut weekdays: Vec<u32> = (1..)
            .zip(0..DAYS.len())
            .filter(|(_, day)| days.contains(day))
            .map(|(n, _)| n)
            .collect();
        match interval.weekday {
            Some(weekday @ 1..=7) => weekdays.push(weekday),
            Some(_) => return Err(at(format!("{place}/weekday"), "not 1 (Monday) to 7 (Sunday)")),
            None if weekdays.is_empty() => return Err(at(format!("{place}/days"), "no day is named")),
            None => {}
        }
        weekly.extend(weekdays.into_iter().map(|weekday| wire::WeeklyInterval {
            weekday,
            start_s,
            end_s,
        }));
    }
    let holiday = schedule.holiday.iter().enumerate().map(|(index, interval)| {
        let (start_s, end_s) = hours(&interval.start, &interval.end, &format!("{place}/holiday/{index}"))?;
        Ok(wire::DailyInterval { start_s, end_s })
    });
    Ok(wire::Schedule {
        weekly,
        additions: dated(&schedule.additions, &format!("{place}/additions"))?,
        exceptions: dated(&schedule.exceptions, &format!("{place}/exceptions"))?,
        holidays: schedule.holidays.iter().map(|day| days_since_1970(*day)).collect(),
        holiday: holiday.collect::<Result<_, _>>()?,
    })
}

/// Start and end of an interval, as seconds after midnight.
fn hours(start: &str, end: &str, place: &str) -> Result<(u32, u32), RulesFileError> {
    let read = |text: &str, what: &str| {
        second_of_day(text).ok_or_else(|| at(format!("{place}/{what}"), "not HH:MM or HH:MM:SS"))
    };
    Ok((read(start, "start")?, read(end, "end")?))
}

/// A local day as on the wire.
fn days_since_1970(day: Date) -> i32 {
    // Days are the largest unit of the span between two dates, unless another is asked for.
    date(1970, 1, 1).until(day).map_or(0, |span| span.get_days())
}

fn dated(intervals: &[Dated], place: &str) -> Result<Vec<wire::DatedInterval>, RulesFileError> {
    let convert = |(index, interval): (usize, &Dated)| {
        if interval.end <= interval.start {
            return Err(at(format!("{place}/{index}/end"), "not after the start"));
        }
        Ok(wire::DatedInterval {
            start_us: interval.start.as_microsecond(),
            end_us: interval.end.as_microsecond(),
        })
    };
    intervals.iter().enumerate().map(convert).collect()
}

/// `HH:MM` or `HH:MM:SS`, up to `24:00`.
fn second_of_day(text: &str) -> Option<u32> {
    let mut parts = [0_u32; 3];
    let count = text.split(':').count();
    if !(2..=3).contains(&count) {
        return None;
    }
    for (slot, part) in parts.iter_mut().zip(text.split(':')) {
        if part.len() != 2 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *slot = part.parse().ok()?;
    }
    let [hours, minutes, seconds] = parts;
    let total = hours * 3_600 + minutes * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= 86_400).then_some(total)
}

/// A JSON pointer of where deserializing stopped.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let part = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&part);
    }
    pointer
}
