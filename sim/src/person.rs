//! An invented person: who they are, which rules apply, where they truly are, and what is going to happen.

use codec::Protocol;
use jiff::{Timestamp, tz::TimeZone};
use proto::{DeviceId, OrderId, PersonId, ZoneId, wire};

use crate::{device::Fault, route::Route, town::Local};

/// Which protocol a device speaks, and on JT/T 808 which header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// The native protocol.
    Native,
    /// JT/T 808 with the header of 2011 and 2013 (`false`) or of 2019 (`true`).
    Jt808 {
        /// 2019 header.
        header_2019: bool,
    },
    /// Teltonika, Codec 8 extended.
    Teltonika,
    /// GT06.
    Gt06,
    /// Eelink, the new format.
    Eelink,
}

impl Speaks {
    /// Which protocol that is.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Native => Protocol::Native,
            Self::Jt808 { .. } => Protocol::Jt808,
            Self::Teltonika => Protocol::Teltonika,
            Self::Gt06 => Protocol::Gt06,
            Self::Eelink => Protocol::Eelink,
        }
    }

    /// What a device speaks of which only the protocol was said.
    pub const fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Native => Self::Native,
            Protocol::Jt808 => Self::Jt808 { header_2019: true },
            Protocol::Teltonika => Self::Teltonika,
            Protocol::Gt06 => Self::Gt06,
            Protocol::Eelink => Self::Eelink,
        }
    }

    /// The profile that says what the simulated devices mean by their codes; empty: the protocol has one meaning only.
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Native => "",
            Self::Jt808 { .. } => "jt808-wearable",
            Self::Teltonika => "teltonika-wearable",
            Self::Gt06 => "gt06-wearable",
            Self::Eelink => "eelink-wearable",
        }
    }

    /// How the device of the `index`-th person calls itself: an invented name, terminal number or IMEI.
    pub fn identity(self, index: u64) -> String {
        match self {
            Self::Native => format!("HW-{:06}", 100_000 + index),
            // Invented terminal numbers: no mobile number begins with 9; leading zeros are the header's padding.
            Self::Jt808 { .. } => (90_000_000 + index).to_string(),
            Self::Teltonika | Self::Gt06 | Self::Eelink => imei(index),
        }
    }
}

/// Fifteen digits of which the last is the check digit.
fn imei(index: u64) -> String {
    let digits = format!("990000{index:08}");
    let doubled = |(place, digit): (usize, u8)| {
        let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
        value / 10 + value % 10
    };
    let sum: u32 = digits.bytes().rev().enumerate().map(doubled).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Who may see a zone and what it causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Police and social workers.
    Both,
    /// The police alone: a protected person's address.
    Police,
}

/// The shape of a planned zone, in the town's metres.
#[derive(Debug, Clone, PartialEq)]
pub enum PlannedShape {
    /// Centre and radius.
    Circle(Local, f64),
    /// Exterior ring, not closed.
    Polygon(Vec<Local>),
}

/// Hours of a zone, in seconds from the world's start; daily, as a weekly schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedHours {
    /// Begins, seconds from the world's start (may be negative).
    pub from_s: i64,
    /// Ends.
    pub until_s: i64,
}

impl PlannedHours {
    /// Begin and end as seconds after local midnight in a time zone, for a schedule of every day.
    pub fn local_seconds(self, start: Timestamp, zone: &TimeZone) -> (u32, u32) {
        let second_of_day = |seconds: i64| {
            let at = Timestamp::from_second(start.as_second().saturating_add(seconds)).unwrap_or(start);
            let time = at.to_zoned(zone.clone()).time();
            let [hour, minute, second] = [time.hour(), time.minute(), time.second()].map(i8::unsigned_abs);
            u32::from(hour) * 3_600 + u32::from(minute) * 60 + u32::from(second)
        };
        (second_of_day(self.from_s), second_of_day(self.until_s))
    }
}

/// A zone of one person.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedZone {
    /// Stable over runs of the same seed.
    pub zone_id: ZoneId,
    /// What officers call it.
    pub label: &'static str,
    /// Inclusion, exclusion, neutral.
    pub kind: wire::ZoneKind,
    /// Must be visited once during its hours, instead of kept to.
    pub attendance: bool,
    /// Who may see it.
    pub audience: Audience,
    /// Where it is.
    pub shape: PlannedShape,
    /// Warning buffer, metres.
    pub buffer_m: f64,
    /// When it holds; `None`: always.
    pub hours: Option<PlannedHours>,
}

/// Somebody from whom to keep away, wherever they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Protected {
    /// Who.
    pub protected_id: PersonId,
    /// The rule.
    pub zone_id: ZoneId,
    /// The distance to keep, metres.
    pub distance_m: f64,
    /// Beyond that, a warning is given within so much more.
    pub buffer_m: f64,
    /// Their true places.
    pub route: Route,
}

/// A violation that is going to happen, as it truly is.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Its kind.
    pub kind: wire::EventKind,
    /// Its zone, where it has one.
    pub zone_id: Option<ZoneId>,
    /// True beginning, seconds from the world's start.
    pub onset_s: f64,
    /// By the report of this time (or, for timers, at it) the engine can know.
    pub proof_s: f64,
}

/// An invented person with a monitor.
#[derive(Debug, Clone)]
pub struct Person {
    /// Position in the world.
    pub index: u64,
    /// Stable over runs of the same seed, as all ids here.
    pub person_id: PersonId,
    /// The monitor.
    pub device_id: DeviceId,
    /// The legal basis.
    pub order_id: OrderId,
    /// The case reference.
    pub reference: String,
    /// An invented name.
    pub name: String,
    /// 1 (highest) to 4.
    pub risk_level: u8,
    /// What the device speaks.
    pub speaks: Speaks,
    /// How it calls itself.
    pub identity: String,
    /// Zones that apply.
    pub zones: Vec<PlannedZone>,
    /// From whom to keep away.
    pub protected: Option<Protected>,
    /// Silence is raised after this.
    pub silence_after_s: u32,
    /// A return within this after curfew start is late rather than missing.
    pub late_return_after_s: u32,
    /// True places.
    pub route: Route,
    /// What the device suffers.
    pub faults: Vec<Fault>,
    /// What truly happens; for a life, [`crate::track::visits`] says it from the geometry.
    pub violations: Vec<Violation>,
    /// The buildings and receivers of somebody whose days and weeks are told ([`crate::scenario::Scenario::Life`]).
    pub life: Option<crate::life::Life>,
}

/// Seconds from the world's start as a time.
pub fn time_at(start: Timestamp, seconds: f64) -> Timestamp {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a simulation lasts hours, microseconds of it fit in i64"
    )]
    let micros = (seconds * 1e6).round() as i64;
    Timestamp::from_microsecond(start.as_microsecond().saturating_add(micros)).unwrap_or(start)
}
