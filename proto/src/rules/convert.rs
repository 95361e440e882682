//! From the wire, with every check, and back.

use std::sync::LazyLock;

use jiff::{
    Span, Timestamp,
    civil::{Date, Weekday, date},
    tz::{TimeZone, TimeZoneDatabase},
};

use super::{
    DailyInterval, DatedInterval, Datum, Geometry, LonLat, MAX_RADIUS_M, OperatingPoints, Polygon, Proximity, Rules,
    RulesError, RulesFault, Schedule, WeeklyInterval, Zone, ZoneKind,
    error::{GeometryError, GeometryFault},
};
use crate::{LayerId, OrderId, PersonId, ZoneId, wire};

/// The database that comes with the program: rules must mean the same on every machine.
static TIME_ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Looks up an IANA time zone in the bundled database.
pub fn time_zone(name: &str) -> Result<TimeZone, RulesFault> {
    TIME_ZONES
        .get(name)
        .map_err(|_| RulesFault::TimeZone { name: name.to_owned() })
}

impl TryFrom<&wire::Rules> for Rules {
    type Error = RulesError;

    fn try_from(rules: &wire::Rules) -> Result<Self, RulesError> {
        let zones = rules
            .zones
            .iter()
            .enumerate()
            .map(|(index, zone)| Zone::try_from(zone).map_err(|error| error.zone(index, &zone.zone_id)));
        let layer_ids = rules.layer_ids.iter().enumerate().map(|(index, id)| {
            LayerId::from_wire(id).map_err(|error| RulesError::from(error).part(format!("layer {}", index + 1)))
        });
        let proximities = rules.proximities.iter().enumerate().map(|(index, proximity)| {
            Proximity::try_from(proximity).map_err(|error| error.part(format!("protected person {}", index + 1)))
        });
        let operating_points = rules.operating_points.map(OperatingPoints::from).unwrap_or_default();
        operating_points.validate()?;
        Ok(Self {
            person_id: PersonId::from_wire(&rules.person_id)?,
            revision: rules.revision,
            order_id: if rules.order_id.is_empty() {
                None
            } else {
                Some(OrderId::from_wire(&rules.order_id)?)
            },
            active: rules.active,
            // Rules that only say "no longer" need no time zone.
            time_zone: if rules.time_zone.is_empty() && !rules.active {
                TimeZone::UTC
            } else {
                time_zone(&rules.time_zone)?
            },
            zones: zones.collect::<Result<_, _>>()?,
            layer_ids: layer_ids.collect::<Result<_, _>>()?,
            reporting_interval_s: rules.reporting_interval_s,
            silence_after_s: rules.silence_after_s,
            home_exit_grace_s: rules.home_exit_grace_s,
            late_return_after_s: rules.late_return_after_s,
            valid_from: timestamp(rules.valid_from_us)?,
            valid_until: rules.valid_until_us.map(timestamp).transpose()?,
            proximities: proximities.collect::<Result<_, _>>()?,
            operating_points,
        })
    }
}

impl From<&Rules> for wire::Rules {
    fn from(rules: &Rules) -> Self {
        Self {
            person_id: rules.person_id.to_wire(),
            revision: rules.revision,
            order_id: rules.order_id.map(OrderId::to_wire).unwrap_or_default(),
            active: rules.active,
            time_zone: rules.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            zones: rules.zones.iter().map(Into::into).collect(),
            layer_ids: rules.layer_ids.iter().map(|id| id.to_wire()).collect(),
            reporting_interval_s: rules.reporting_interval_s,
            silence_after_s: rules.silence_after_s,
            home_exit_grace_s: rules.home_exit_grace_s,
            late_return_after_s: rules.late_return_after_s,
            valid_from_us: rules.valid_from.as_microsecond(),
            valid_until_us: rules.valid_until.map(Timestamp::as_microsecond),
            proximities: rules.proximities.iter().map(Into::into).collect(),
            operating_points: (rules.operating_points != OperatingPoints::default())
                .then(|| rules.operating_points.into()),
        }
    }
}

impl From<wire::OperatingPoints> for OperatingPoints {
    fn from(points: wire::OperatingPoints) -> Self {
        Self {
            exclusion_entry: points.exclusion_entry,
            home_exit: points.home_exit,
            attendance: points.attendance,
        }
    }
}

impl From<OperatingPoints> for wire::OperatingPoints {
    fn from(points: OperatingPoints) -> Self {
        Self {
            exclusion_entry: points.exclusion_entry,
            home_exit: points.home_exit,
            attendance: points.attendance,
        }
    }
}

impl TryFrom<&wire::Proximity> for Proximity {
    type Error = RulesError;

    fn try_from(proximity: &wire::Proximity) -> Result<Self, RulesError> {
        let distance_m = proximity.distance_m;
        if !(distance_m > 0.0 && distance_m <= MAX_RADIUS_M) {
            return Err(RulesFault::Distance { distance_m }.into());
        }
        Ok(Self {
            zone_id: ZoneId::from_wire(&proximity.zone_id)?,
            revision: proximity.revision,
            protected_id: PersonId::from_wire(&proximity.protected_id)?,
            distance_m,
            buffer_m: buffer(proximity.buffer_m)?,
            schedule: proximity.schedule.as_ref().map(Schedule::try_from).transpose()?,
        })
    }
}

impl From<&Proximity> for wire::Proximity {
    fn from(proximity: &Proximity) -> Self {
        Self {
            zone_id: proximity.zone_id.to_wire(),
            revision: proximity.revision,
            protected_id: proximity.protected_id.to_wire(),
            distance_m: proximity.distance_m,
            buffer_m: proximity.buffer_m,
            schedule: proximity.schedule.as_ref().map(Into::into),
        }
    }
}

fn buffer(buffer_m: f64) -> Result<f64, RulesFault> {
    if (0.0..=MAX_RADIUS_M).contains(&buffer_m) {
        Ok(buffer_m)
    } else {
        Err(RulesFault::Buffer { buffer_m })
    }
}

impl TryFrom<&wire::Zone> for Zone {
    type Error = RulesError;

    fn try_from(zone: &wire::Zone) -> Result<Self, RulesError> {
        let geometry = zone.geometry.as_ref().ok_or(RulesFault::Missing { what: "geometry" })?;
        Ok(Self {
            zone_id: ZoneId::from_wire(&zone.zone_id)?,
            revision: zone.revision,
            kind: match wire::ZoneKind::try_from(zone.kind) {
                Ok(wire::ZoneKind::Inclusion) => ZoneKind::Inclusion,
                Ok(wire::ZoneKind::Exclusion) => ZoneKind::Exclusion,
                Ok(wire::ZoneKind::Neutral) => ZoneKind::Neutral,
                Ok(wire::ZoneKind::Unspecified) | Err(_) => return Err(RulesFault::Kind { kind: zone.kind }.into()),
            },
            geometry: Geometry::try_from(geometry).map_err(RulesFault::from)?,
            buffer_m: buffer(zone.buffer_m)?,
            schedule: zone.schedule.as_ref().map(Schedule::try_from).transpose()?,
            attendance: zone.attendance,
            datum: match wire::Datum::try_from(zone.datum) {
                Ok(wire::Datum::Wgs84) => Datum::Wgs84,
                Ok(wire::Datum::Gcj02) => Datum::Gcj02,
                Ok(wire::Datum::Bd09) => Datum::Bd09,
                Err(_) => return Err(RulesFault::Datum { datum: zone.datum }.into()),
            },
        })
    }
}

impl From<&Zone> for wire::Zone {
    fn from(zone: &Zone) -> Self {
        Self {
            zone_id: zone.zone_id.to_wire(),
            revision: zone.revision,
            kind: wire::ZoneKind::from(zone.kind).into(),
            geometry: Some((&zone.geometry).into()),
            buffer_m: zone.buffer_m,
            schedule: zone.schedule.as_ref().map(Into::into),
            attendance: zone.attendance,
            datum: wire::Datum::from(zone.datum).into(),
        }
    }
}

impl From<Datum> for wire::Datum {
    fn from(datum: Datum) -> Self {
        match datum {
            Datum::Wgs84 => Self::Wgs84,
            Datum::Gcj02 => Self::Gcj02,
            Datum::Bd09 => Self::Bd09,
        }
    }
}

impl From<ZoneKind> for wire::ZoneKind {
    fn from(kind: ZoneKind) -> Self {
        match kind {
            ZoneKind::Inclusion => Self::Inclusion,
            ZoneKind::Exclusion => Self::Exclusion,
            ZoneKind::Neutral => Self::Neutral,
        }
    }
}

impl TryFrom<&wire::Geometry> for Geometry {
    type Error = GeometryError;

    fn try_from(geometry: &wire::Geometry) -> Result<Self, GeometryError> {
        match geometry.shape.as_ref().ok_or(GeometryFault::Empty)? {
            wire::geometry::Shape::Circle(circle) => {
                Self::circle(LonLat::of_zone(circle.longitude, circle.latitude)?, circle.radius_m)
            }
            wire::geometry::Shape::Polygons(polygons) => {
                let count = polygons.polygons.len();
                let read = polygons.polygons.iter().enumerate();
                let read = read.map(|(index, wire)| polygon(wire).map_err(|error| error.polygon(index, count)));
                Self::polygons(read.collect::<Result<_, _>>()?)
            }
            wire::geometry::Shape::Corridor(corridor) => {
                Self::corridor(positions(&corridor.coordinates)?, corridor.half_width_m)
            }
        }
    }
}

fn polygon(polygon: &wire::Polygon) -> Result<Polygon, GeometryError> {
    let mut rings = polygon
        .rings
        .iter()
        .enumerate()
        .map(|(index, wire)| ring(wire).map_err(|error| error.ring(index)));
    Ok(Polygon {
        exterior: rings.next().ok_or(GeometryFault::Empty)??,
        holes: rings.collect::<Result<_, _>>()?,
    })
}

fn ring(ring: &wire::Ring) -> Result<Vec<LonLat>, GeometryError> {
    positions(&ring.coordinates)
}

fn positions(coordinates: &[f64]) -> Result<Vec<LonLat>, GeometryError> {
    let (pairs, rest) = coordinates.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(GeometryError::from(GeometryFault::Position { numbers: 1 }).position(pairs.len()));
    }
    Ok(pairs
        .iter()
        .map(|&[longitude, latitude]| LonLat { longitude, latitude })
        .collect())
}

impl From<&Geometry> for wire::Geometry {
    fn from(geometry: &Geometry) -> Self {
        let shape = match geometry {
            Geometry::Circle { centre, radius_m } => wire::geometry::Shape::Circle(wire::Circle {
                longitude: centre.longitude,
                latitude: centre.latitude,
                radius_m: *radius_m,
            }),
            Geometry::Polygons(polygons) => {
                let ring = |ring: &Vec<LonLat>| wire::Ring {
                    coordinates: ring.iter().flat_map(|at| [at.longitude, at.latitude]).collect(),
                };
                let polygon = |polygon: &Polygon| wire::Polygon {
                    rings: polygon.rings().map(ring).collect(),
                };
                wire::geometry::Shape::Polygons(wire::MultiPolygon {
                    polygons: polygons.iter().map(polygon).collect(),
                })
            }
            Geometry::Corridor { line, half_width_m } => wire::geometry::Shape::Corridor(wire::Corridor {
                coordinates: line.iter().flat_map(|at| [at.longitude, at.latitude]).collect(),
                half_width_m: *half_width_m,
            }),
        };
        Self { shape: Some(shape) }
    }
}

impl TryFrom<&wire::Schedule> for Schedule {
    type Error = RulesError;

    fn try_from(schedule: &wire::Schedule) -> Result<Self, RulesError> {
        let dated = |name: &'static str, intervals: &[wire::DatedInterval]| {
            let read = intervals.iter().enumerate();
            let read = read.map(|(index, wire)| {
                dated(wire).map_err(|fault| RulesError::from(fault).part(format!("{name} {}", index + 1)))
            });
            read.collect::<Result<Vec<_>, _>>()
        };
        let weekly = schedule.weekly.iter().enumerate().map(|(index, wire)| {
            weekly(wire).map_err(|fault| RulesError::from(fault).part(format!("weekly interval {}", index + 1)))
        });
        let holiday = schedule.holiday.iter().enumerate().map(|(index, wire)| {
            daily(*wire).map_err(|fault| RulesError::from(fault).part(format!("holiday interval {}", index + 1)))
        });
        let holidays = schedule.holidays.iter().enumerate().map(|(index, days)| {
            day(*days).map_err(|fault| RulesError::from(fault).part(format!("holiday {}", index + 1)))
        });
        Ok(Self {
            weekly: weekly.collect::<Result<_, _>>()?,
            additions: dated("addition", &schedule.additions)?,
            exceptions: dated("exception", &schedule.exceptions)?,
            holidays: holidays.collect::<Result<_, _>>()?,
            holiday: holiday.collect::<Result<_, _>>()?,
        })
    }
}

fn weekly(interval: &wire::WeeklyInterval) -> Result<WeeklyInterval, RulesFault> {
    let wrong_day = RulesFault::Weekday {
        weekday: interval.weekday,
    };
    let day = i8::try_from(interval.weekday).map_err(|_| wrong_day.clone())?;
    let weekday = Weekday::from_monday_one_offset(day).map_err(|_| wrong_day)?;
    let DailyInterval { start_s, end_s } = of_day(interval.start_s, interval.end_s)?;
    Ok(WeeklyInterval {
        weekday,
        start_s,
        end_s,
    })
}

fn daily(interval: wire::DailyInterval) -> Result<DailyInterval, RulesFault> {
    of_day(interval.start_s, interval.end_s)
}

fn of_day(start_s: u32, end_s: u32) -> Result<DailyInterval, RulesFault> {
    match [start_s, end_s].into_iter().find(|&seconds| seconds > 86_400) {
        Some(seconds) => Err(RulesFault::Seconds { seconds }),
        None => Ok(DailyInterval { start_s, end_s }),
    }
}

const EPOCH: Date = date(1970, 1, 1);

fn day(days: i32) -> Result<Date, RulesFault> {
    // Not `days.days()`: that is for spans that are known to be short, and panics over others.
    let span = Span::new().try_days(days).map_err(|_| RulesFault::Day { days })?;
    EPOCH.checked_add(span).map_err(|_| RulesFault::Day { days })
}

fn dated(interval: &wire::DatedInterval) -> Result<DatedInterval, RulesFault> {
    let (start, end) = (timestamp(interval.start_us)?, timestamp(interval.end_us)?);
    if end <= start {
        return Err(RulesFault::EmptyInterval {
            start_us: interval.start_us,
            end_us: interval.end_us,
        });
    }
    Ok(DatedInterval { start, end })
}

fn timestamp(microseconds: i64) -> Result<Timestamp, RulesFault> {
    Timestamp::from_microsecond(microseconds).map_err(|_| RulesFault::Time { microseconds })
}

impl From<&Schedule> for wire::Schedule {
    fn from(schedule: &Schedule) -> Self {
        let dated = |intervals: &[DatedInterval]| {
            let wire = |interval: &DatedInterval| wire::DatedInterval {
                start_us: interval.start.as_microsecond(),
                end_us: interval.end.as_microsecond(),
            };
            intervals.iter().map(wire).collect()
        };
        let weekly = |interval: &WeeklyInterval| wire::WeeklyInterval {
            weekday: interval.weekday.to_monday_one_offset().unsigned_abs().into(),
            start_s: interval.start_s,
            end_s: interval.end_s,
        };
        Self {
            weekly: schedule.weekly.iter().map(weekly).collect(),
            additions: dated(&schedule.additions),
            exceptions: dated(&schedule.exceptions),
            holidays: schedule
                .holidays
                .iter()
                .map(|day| EPOCH.until(*day).map_or(0, |span| span.get_days()))
                .collect(),
            holiday: schedule
                .holiday
                .iter()
                .map(|interval| wire::DailyInterval {
                    start_s: interval.start_s,
                    end_s: interval.end_s,
                })
                .collect(),
        }
    }
}
