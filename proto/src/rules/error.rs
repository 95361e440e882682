//! What is wrong with rules or a geometry, and where.

use std::fmt;

use crate::IdError;

/// Why a geometry is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum GeometryFault {
    /// A coordinate is not a finite number.
    #[error("longitude {longitude} or latitude {latitude} is not a finite number")]
    NotFinite {
        /// As given.
        longitude: f64,
        /// As given.
        latitude: f64,
    },
    /// Beyond a pole.
    #[error("latitude {latitude} is outside -90..90")]
    Latitude {
        /// As given.
        latitude: f64,
    },
    /// Beyond a pole, and the longitude would do as a latitude.
    #[error("latitude {latitude} is outside -90..90; longitude and latitude seem to be swapped")]
    Swapped {
        /// As given.
        latitude: f64,
    },
    /// Too far round.
    #[error("longitude {longitude} is outside -{limit}..{limit}")]
    Longitude {
        /// As given.
        longitude: f64,
        /// What is allowed here.
        limit: f64,
    },
    /// A position needs a longitude and a latitude.
    #[error("the position has {numbers} numbers, longitude and latitude expected")]
    Position {
        /// How many came.
        numbers: usize,
    },
    /// A ring has at least four positions.
    #[error("the ring has {positions} positions, at least 4 expected")]
    TooFewPositions {
        /// How many came.
        positions: usize,
    },
    /// A ring ends where it starts.
    #[error("the ring is not closed: its last position differs from its first")]
    Unclosed,
    /// A ring has an area.
    #[error("the ring encloses nothing, at longitude {longitude}, latitude {latitude}")]
    NoArea {
        /// Its first position.
        longitude: f64,
        /// Its first position.
        latitude: f64,
    },
    /// Edges cross, overlap, or touch where a ring must not touch itself.
    #[error("edges {first} and {second} cross at longitude {longitude}, latitude {latitude}")]
    Crossing {
        /// Which edge: ring and number.
        first: EdgeName,
        /// Which other edge.
        second: EdgeName,
        /// Where.
        longitude: f64,
        /// Where.
        latitude: f64,
    },
    /// A hole lies outside its exterior.
    #[error("the hole lies outside the exterior, at longitude {longitude}, latitude {latitude}")]
    HoleOutside {
        /// A position of the hole.
        longitude: f64,
        /// A position of the hole.
        latitude: f64,
    },
    /// A part lies within another part, or a hole within another hole.
    #[error("the ring lies within {other}, at longitude {longitude}, latitude {latitude}")]
    Nested {
        /// The ring around it.
        other: String,
        /// A position of the ring.
        longitude: f64,
        /// A position of the ring.
        latitude: f64,
    },
    /// A polygon needs an exterior, a zone a polygon.
    #[error("the geometry is empty")]
    Empty,
    /// More than [`super::MAX_VERTICES`].
    #[error("the zone has {vertices} positions, at most 100000 allowed")]
    TooManyVertices {
        /// How many came.
        vertices: usize,
    },
    /// Checking it would take too long: tens of thousands of edges beside each other, or of rings.
    #[error("the zone is too intricate to be checked: simplify it, or make several zones of it")]
    TooIntricate,
    /// A line has two ends.
    #[error("the line has {positions} different positions, at least 2 expected")]
    TooShortLine {
        /// How many different ones came.
        positions: usize,
    },
    /// A half-width is a positive number.
    #[error("half-width {half_width_m} m is not a positive number")]
    HalfWidth {
        /// As given.
        half_width_m: f64,
    },
    /// More than [`super::MAX_RADIUS_M`].
    #[error("half-width {half_width_m} m is more than 1000 km")]
    HalfWidthTooLarge {
        /// As given.
        half_width_m: f64,
    },
    /// A radius is a positive number.
    #[error("radius {radius_m} m is not a positive number")]
    Radius {
        /// As given.
        radius_m: f64,
    },
    /// More than [`super::MAX_RADIUS_M`].
    #[error("radius {radius_m} m is more than 1000 km")]
    RadiusTooLarge {
        /// As given.
        radius_m: f64,
    },
}

/// Names an edge: its polygon, its ring, and its number within the ring, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeName {
    /// Index of the polygon, from 0; said only where there are several.
    pub polygon: Option<usize>,
    /// Index of the ring, from 0.
    pub ring: usize,
    /// Index of the edge's first position, from 0.
    pub edge: usize,
}

impl fmt::Display for EdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.edge + 1)?;
        match self.polygon {
            Some(polygon) => write!(f, " (polygon {}, ring {})", polygon + 1, self.ring + 1),
            None => write!(f, " (ring {})", self.ring + 1),
        }
    }
}

/// What is wrong with a geometry, and where; indices count from 0 here and from 1 in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct GeometryError {
    /// Which polygon, where there are several.
    pub polygon: Option<usize>,
    /// Which ring; 0 is the exterior.
    pub ring: Option<usize>,
    /// Which position of the ring.
    pub position: Option<usize>,
    /// The reason.
    pub fault: Box<GeometryFault>,
}

impl GeometryError {
    /// Adds the position.
    #[must_use]
    pub fn position(self, index: usize) -> Self {
        Self {
            position: Some(index),
            ..self
        }
    }

    /// Adds the ring.
    #[must_use]
    pub fn ring(self, index: usize) -> Self {
        Self {
            ring: Some(index),
            ..self
        }
    }

    /// Adds the polygon, where there is more than one.
    #[must_use]
    pub fn polygon(self, index: usize, count: usize) -> Self {
        Self {
            polygon: (count > 1).then_some(index),
            ..self
        }
    }
}

impl From<GeometryFault> for GeometryError {
    fn from(fault: GeometryFault) -> Self {
        Self {
            polygon: None,
            ring: None,
            position: None,
            fault: Box::new(fault),
        }
    }
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = [
            ("polygon", self.polygon),
            ("ring", self.ring),
            ("position", self.position),
        ];
        let mut separator = "";
        for (word, index) in places
            .into_iter()
            .filter_map(|(word, index)| index.map(|index| (word, index)))
        {
            write!(f, "{separator}{word} {}", index + 1)?;
            separator = ", ";
        }
        if separator.is_empty() {
            write!(f, "{}", self.fault)
        } else {
            write!(f, ": {}", self.fault)
        }
    }
}

impl std::error::Error for GeometryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.fault)
    }
}

/// Why rules, a zone or a layer are refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RulesFault {
    /// The geometry is wrong.
    #[error(transparent)]
    Geometry(#[from] GeometryError),
    /// An id is no id.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Something that must be there is not.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: &'static str,
    },
    /// Not a kind of zone.
    #[error("zone kind {kind} is unknown")]
    Kind {
        /// As on the wire.
        kind: i32,
    },
    /// A buffer is zero or a positive number, not larger than a circle may be.
    #[error("buffer {buffer_m} m is outside 0..1000000")]
    Buffer {
        /// As given.
        buffer_m: f64,
    },
    /// A distance to keep is a positive number, not larger than a circle may be.
    #[error("distance {distance_m} m is outside 0..1000000, or zero")]
    Distance {
        /// As given.
        distance_m: f64,
    },
    /// Less or more sure than an order may ask for.
    #[error("probability {probability} is outside {least}..{most}")]
    OperatingPoint {
        /// As given.
        probability: f64,
        /// The least allowed.
        least: f64,
        /// The most allowed.
        most: f64,
    },
    /// Not a coordinate system that can be converted.
    #[error("datum {datum} is unknown")]
    Datum {
        /// As on the wire.
        datum: i32,
    },
    /// Not a day of the calendar.
    #[error("{days} days since 1970-01-01 is no day")]
    Day {
        /// As given.
        days: i32,
    },
    /// Not in the time-zone database.
    #[error("time zone {name:?} is unknown")]
    TimeZone {
        /// As given.
        name: String,
    },
    /// ISO 8601: 1 is Monday, 7 is Sunday.
    #[error("weekday {weekday} is outside 1..7")]
    Weekday {
        /// As given.
        weekday: u32,
    },
    /// Seconds after midnight.
    #[error("{seconds} seconds after midnight is outside 0..86400")]
    Seconds {
        /// As given.
        seconds: u32,
    },
    /// An interval ends after it starts.
    #[error("the interval is empty: it starts at {start_us} and ends at {end_us} microseconds since 1970")]
    EmptyInterval {
        /// As given.
        start_us: i64,
        /// As given.
        end_us: i64,
    },
    /// One person's zones are walked through for each of their reports.
    #[error("{zones} zones and distances to keep, at most {most} allowed")]
    TooManyZones {
        /// How many came.
        zones: usize,
        /// What is allowed.
        most: usize,
    },
    /// What people have in common is numbered, and the numbers have run out.
    #[error("there are {most} different {what} already: use one of them")]
    TooManyKinds {
        /// Of what.
        what: &'static str,
        /// What there is room for.
        most: usize,
    },
    /// Not a point in time that can be told.
    #[error("{microseconds} microseconds since 1970 is no time")]
    Time {
        /// As given.
        microseconds: i64,
    },
}

/// What is wrong with rules, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct RulesError {
    /// Which zone: its index from 0, and its id as far as it could be read.
    pub zone: Option<(usize, String)>,
    /// Which part of it (`weekly interval 2`), if it is not the geometry.
    pub part: Option<String>,
    /// The reason.
    pub fault: Box<RulesFault>,
}

impl RulesError {
    /// Adds a part that the part so far lies in.
    pub(super) fn part(self, part: impl Into<String>) -> Self {
        let part = part.into();
        Self {
            part: Some(match &self.part {
                Some(inner) => format!("{part}, {inner}"),
                None => part,
            }),
            ..self
        }
    }

    /// Adds the zone: its index from 0 and its id on the wire.
    #[must_use]
    pub fn zone(self, index: usize, wire_id: &[u8]) -> Self {
        let id = crate::ZoneId::from_wire(wire_id).map_or_else(|_| "unreadable".to_owned(), |id| id.to_string());
        Self {
            zone: Some((index, id)),
            ..self
        }
    }
}

impl<F: Into<RulesFault>> From<F> for RulesError {
    fn from(fault: F) -> Self {
        Self {
            zone: None,
            part: None,
            fault: Box::new(fault.into()),
        }
    }
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((index, id)) = &self.zone {
            write!(f, "zone {} (id {id})", index + 1)?;
        }
        if let Some(part) = &self.part {
            write!(f, "{}{part}", if self.zone.is_some() { ", " } else { "" })?;
        }
        let placed = self.zone.is_some() || self.part.is_some();
        // A geometry's error goes on with its own place: `zone 3 (id …), ring 1, position 7: …`.
        let separator = match &*self.fault {
            _ if !placed => "",
            RulesFault::Geometry(error) if error.polygon.or(error.ring).or(error.position).is_some() => ", ",
            _ => ": ",
        };
        write!(f, "{separator}{}", self.fault)
    }
}

impl std::error::Error for RulesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.fault)
    }
}
