//! What applies to a person, validated: zones with their geometry, schedules, and the rules that hold them together.
//!
//! A value of these types has been checked when it was made from the wire ([`Rules::try_from`], [`Zone::try_from`]) or from
//! GeoJSON (`engine::zone::import`). Errors name the place, counted from 1 as people count, and the reason:
//! `zone 3 (id …), ring 1, position 7: latitude 91.2 is outside -90..90`.

mod convert;
mod crossing;
mod error;
mod geometry;
pub mod ring;
mod schedule;
#[cfg(test)]
mod tests;

use jiff::{Timestamp, tz::TimeZone};

use crate::{LayerId, OrderId, PersonId, Revision, ZoneId};

pub use convert::time_zone;
pub use error::{GeometryError, GeometryFault, RulesError, RulesFault};
pub use geometry::{Geometry, LonLat, MAX_RADIUS_M, MAX_VERTICES, Polygon};
pub use schedule::{DatedInterval, Schedule, WeeklyInterval};

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
