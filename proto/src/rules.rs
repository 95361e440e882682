//! What applies to a person, validated: zones with their geometry, schedules, and the rules that hold them together.
//!
//! A value of these types has been checked when it was made from the wire ([`Rules::try_from`], [`Zone::try_from`]) or from
//! GeoJSON (`engine::zone::import`). Errors name the place, counted from 1 as people count, and the reason:
//! `zone 3 (id …), ring 1, position 7: latitude 91.2 is outside -90..90`.

mod convert;
mod crossing;
mod error;
mod geometry;
mod points;
pub mod ring;
mod schedule;
#[cfg(test)]
mod tests;

use jiff::{Timestamp, tz::TimeZone};

use crate::{LayerId, OrderId, PersonId, Revision, ZoneId};

pub use convert::time_zone;
pub use error::{GeometryError, GeometryFault, RulesError, RulesFault};
pub use geometry::{Geometry, LonLat, MAX_RADIUS_M, MAX_VERTICES, Polygon};
pub use points::{OperatingPoints, PointLimits};
pub use schedule::{DailyInterval, DatedInterval, Schedule, WeeklyInterval};

/// What applies to a person: the whole set at a revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Whose rules.
    pub person_id: PersonId,
    /// Counts up with every change.
    pub revision: Revision,
    /// The legal basis; `None` where the wire has none.
    pub order_id: Option<OrderId>,
    /// False: no valid legal basis, or its end: the engine forgets the person.
    pub active: bool,
    /// Of every schedule of this person, from the bundled database, so that every machine decides the same.
    pub time_zone: TimeZone,
    /// The person's own zones.
    pub zones: Vec<Zone>,
    /// Shared layers that apply as exclusion zones.
    pub layer_ids: Vec<LayerId>,
    /// What the device is set to; 0: not known.
    pub reporting_interval_s: u32,
    /// Silence is raised this long after the last report; 0: never.
    pub silence_after_s: u32,
    /// How long outside during curfew before it counts.
    pub home_exit_grace_s: u32,
    /// An absence at curfew start is a late return when it ends within this.
    pub late_return_after_s: u32,
    /// From when on they hold.
    pub valid_from: Timestamp,
    /// Until when; `None`: no end.
    pub valid_until: Option<Timestamp>,
    /// Protected people from whom to keep away.
    pub proximities: Vec<Proximity>,
    /// How sure the engine must be.
    pub operating_points: OperatingPoints,
}

/// A moving zone: keep this far away from a protected person.
#[derive(Debug, Clone, PartialEq)]
pub struct Proximity {
    /// Of the restriction; the same for all revisions.
    pub zone_id: ZoneId,
    /// Counts up with every change.
    pub revision: Revision,
    /// Whom to keep away from.
    pub protected_id: PersonId,
    /// Nearer is a violation, metres.
    pub distance_m: f64,
    /// Warning this much farther out, metres; 0: none.
    pub buffer_m: f64,
    /// When it holds; `None`: always.
    pub schedule: Option<Schedule>,
}

/// One revision of a zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// The same for all revisions.
    pub zone_id: ZoneId,
    /// Counts up with every change.
    pub revision: Revision,
    /// What the zone asks of the person.
    pub kind: ZoneKind,
    /// Where it is.
    pub geometry: Geometry,
    /// Warning buffer outside an exclusion zone, metres; 0: none.
    pub buffer_m: f64,
    /// When it holds; `None`: always.
    pub schedule: Option<Schedule>,
    /// Of an inclusion zone with a schedule: be seen inside once in each interval, not all the time.
    pub attendance: bool,
    /// What the geometry was converted from when it was imported; the geometry itself is WGS-84.
    pub datum: Datum,
}

/// The coordinates of a zone's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Datum {
    /// Nothing was converted.
    #[default]
    Wgs84,
    /// GB 20263: Chinese web maps.
    Gcj02,
    /// GCJ-02, moved once more: one vendor's maps.
    Bd09,
}

impl Datum {
    /// The word in JSON, SQL and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wgs84 => "wgs84",
            Self::Gcj02 => "gcj02",
            Self::Bd09 => "bd09",
        }
    }

    /// Reads the word.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Wgs84, Self::Gcj02, Self::Bd09]
            .into_iter()
            .find(|datum| datum.name() == name)
    }
}

/// What a zone asks of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneKind {
    /// Must be inside while the schedule runs.
    Inclusion,
    /// Must stay outside (while the schedule runs, when there is one).
    Exclusion,
    /// Report only.
    Neutral,
}

impl ZoneKind {
    /// The word in JSON, SQL and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inclusion => "inclusion",
            Self::Exclusion => "exclusion",
            Self::Neutral => "neutral",
        }
    }

    /// Reads the word.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Inclusion, Self::Exclusion, Self::Neutral]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}
