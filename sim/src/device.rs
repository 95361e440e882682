//! What a device reports, and what it suffers.

use jiff::Timestamp;
use proto::wire;

use crate::{
    chance::Chance,
    person::{Person, Protected, time_at},
    radio,
    town::{Local, Town, round7},
};

/// Something that happens to a device; times in seconds from the world's start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// The strap is cut.
    StrapOpen {
        /// From when.
        from_s: f64,
    },
    /// The case is opened.
    CaseOpen {
        /// From when.
        from_s: f64,
    },
    /// The battery stands at this.
    Battery {
        /// From when.
        from_s: f64,
        /// Percent.
        percent: u32,
    },
    /// The device is off: no report.
    Off {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
    },
    /// Reports without a position.
    NoFix {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
    },
    /// The device raises an alarm with each report.
    Alarm {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
        /// Which.
        alarm: wire::Alarm,
    },
    /// No network: reports are taken and kept, and told afterwards. Only [`crate::track`] knows it: the simulated monitor
    /// has real lines, which break by themselves.
    NoNetwork {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
    },
    /// The receiver goes on telling where it was at the beginning.
    Frozen {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
    },
    /// The receiver tells a place so far from the true one: another device speaks under this one's name, or its signals are forged.
    Elsewhere {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
        /// Metres north.
        north_m: f64,
    },
    /// The device's clock is wrong.
    Clock {
        /// From when.
        from_s: f64,
        /// Until when.
        until_s: f64,
        /// Seconds that it is ahead; negative: behind.
        ahead_s: f64,
    },
}

/// The seconds of 1,024 weeks: by so much a receiver's time falls back when its week number has ten bits.
pub const WEEK_ROLLOVER_S: f64 = 1_024.0 * 7.0 * 86_400.0;

/// Added to a person's number, for the errors of the protected person's receiver.
pub(crate) const PROTECTED_INDEX: u64 = 1 << 40;

/// One report, as a device keeps it until it is acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Counts up for the life of the device, over restarts too: microseconds of the world's start plus milliseconds since.
    pub sequence: u64,
    /// Number of the report in this world, from 0.
    pub tick: u64,
    /// Seconds from the world's start.
    pub time_s: f64,
    /// When it was taken.
    pub fix_time: Timestamp,
    /// Where; absent without a fix.
    pub position: Option<wire::Position>,
    /// Percent.
    pub battery_percent: u32,
    /// Strap.
    pub strap: wire::Strap,
    /// Case.
    pub case: wire::Case,
    /// Motion.
    pub motion: wire::Motion,
    /// Alarms raised.
    pub alarms: Vec<wire::Alarm>,
    /// The radio cell that serves it.
    pub cell: Option<wire::ServingCell>,
}

/// What a device's faults make of a report, before its position is known.
pub(crate) struct Condition {
    /// Without a position.
    pub(crate) sample: Sample,
    /// The receiver has a fix.
    pub(crate) has_fix: bool,
    /// The receiver tells the place of this time.
    pub(crate) frozen_since_s: Option<f64>,
    /// How far the clock is ahead.
    pub(crate) clock_ahead_s: f64,
    /// How far north of the true place the receiver says that it is, metres.
    pub(crate) north_m: f64,
}

/// When a device takes its `tick`-th report, seconds from the world's start. Devices do not all report in the same instant.
pub fn report_time_s(chance: Chance, person: &Person, interval_s: f64, tick: u64) -> f64 {
    let phase = (chance.uniform("phase", person.index, 0) * interval_s * 10.0).floor() / 10.0;
    phase + tick as f64 * interval_s
}

/// When a report is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moment {
    /// Number of the report in the plan; of one between two, the number of the one before.
    pub(crate) tick: u64,
    /// Seconds from the world's start.
    pub(crate) time_s: f64,
    /// The receiver fixes at whole seconds, and the device tells the last.
    pub(crate) whole: bool,
}

/// What a person's device reports at a time, `None` while it is off.
///
/// Times and places are such that every protocol can carry them: most count whole seconds, and their coordinates have in common
/// [`GRID_E7`].
pub(crate) fn sample(chance: Chance, town: &Town, person: &Person, start: Timestamp, moment: Moment) -> Option<Sample> {
    let Moment { tick, time_s, whole } = moment;
    let condition = condition(person, start, tick, time_s, battery(chance, person.index, time_s))?;
    let mut sample = condition.sample;
    let fixed_s = if whole { time_s.floor() } else { time_s };
    sample.fix_time = time_at(start, fixed_s + condition.clock_ahead_s);
    if condition.has_fix {
        let seen_s = condition.frozen_since_s.unwrap_or(fixed_s);
        let (mut place, speed_mps) = person.route.place(seen_s);
        place.north += condition.north_m;
        sample.position = Some(position(chance, town, person, place, speed_mps, seen_s));
    }
    Some(sample)
}

/// A report but for its position, as the device's faults have it; `None` while it is off.
pub(crate) fn condition(
    person: &Person,
    start: Timestamp,
    tick: u64,
    time_s: f64,
    battery_percent: u32,
) -> Option<Condition> {
    let within = |from: f64, until: f64| (from..until).contains(&time_s);
    let mut sample = Sample {
        sequence: sequence(start, time_s),
        tick,
        time_s,
        fix_time: time_at(start, time_s),
        position: None,
        battery_percent,
        strap: wire::Strap::Closed,
        case: wire::Case::Closed,
        motion: wire::Motion::Still,
        alarms: Vec::new(),
        cell: Some(serving(person, time_s)),
    };
    let mut has_fix = true;
    let mut frozen_since_s = None;
    let mut clock_ahead_s = 0.0;
    let mut north_m = 0.0;
    for fault in &person.faults {
        match *fault {
            Fault::StrapOpen { from_s } if time_s >= from_s => sample.strap = wire::Strap::Open,
            Fault::CaseOpen { from_s } if time_s >= from_s => sample.case = wire::Case::Open,
            Fault::Battery { from_s, percent } if time_s >= from_s => sample.battery_percent = percent,
            Fault::Off { from_s, until_s } if within(from_s, until_s) => return None,
            Fault::NoFix { from_s, until_s } if within(from_s, until_s) => has_fix = false,
            Fault::Alarm { from_s, until_s, alarm } if within(from_s, until_s) => sample.alarms.push(alarm),
            Fault::Frozen { from_s, until_s } if within(from_s, until_s) => frozen_since_s = Some(from_s),
            Fault::Elsewhere {
                from_s,
                until_s,
                north_m: far_m,
            } if within(from_s, until_s) => north_m = far_m,
            Fault::Clock {
                from_s,
                until_s,
                ahead_s,
            } if within(from_s, until_s) => clock_ahead_s = ahead_s,
            _ => {}
        }
    }
    sample.fix_time = time_at(start, time_s + clock_ahead_s);
    if person.route.place(time_s).1 > 0.2 {
        sample.motion = wire::Motion::Moving;
    }
    Some(Condition {
        sample,
        has_fix,
        frozen_since_s,
        clock_ahead_s,
        north_m,
    })
}

/// Cells are squares of so many metres.
const CELL_M: f64 = 1_000.0;
/// The cell at the town's centre, of the row and column with this number.
const CELL_MIDDLE: i64 = 0x80;
/// Country of all cells.
const COUNTRY: u32 = 460;
/// Area of all cells.
const AREA: u32 = 0x2510;

/// The cell of the square that somebody is in, of one of two carriers.
#[expect(clippy::cast_possible_truncation, reason = "a town is not that large")]
fn serving(person: &Person, time_s: f64) -> wire::ServingCell {
    let place = person.route.place(time_s).0;
    let number = |metres: f64| {
        ((metres / CELL_M).floor() as i64 + CELL_MIDDLE)
            .clamp(1, 0xff)
            .cast_unsigned()
    };
    wire::ServingCell {
        mcc: COUNTRY,
        mnc: u32::from(person.index % 2 == 1),
        area: AREA,
        cell: number(place.north) << 8 | number(place.east),
    }
}

/// Somebody from whom a person keeps away, on ways and with a receiver's errors of their own: no two people have one number.
pub(crate) fn protected_as_person(person: &Person, other: &Protected) -> Person {
    Person {
        index: person.index + PROTECTED_INDEX,
        route: other.route.clone(),
        ..person.clone()
    }
}

/// Where a protected person's device says that they are.
pub(crate) fn protected_position(
    chance: Chance,
    town: &Town,
    person: &Person,
    other: &Protected,
    time_s: f64,
) -> wire::Position {
    let stand_in = protected_as_person(person, other);
    let (place, speed_mps) = other.route.place(time_s);
    position(chance, town, &stand_in, place, speed_mps, time_s)
}

/// The sequence number of a report.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds since the world's start"
)]
fn sequence(start: Timestamp, time_s: f64) -> u64 {
    u64::try_from(start.as_microsecond()).unwrap_or(0) + (time_s.max(0.0) * 1e3).round() as u64
}

/// What the coordinates of all protocols have in common, in degrees times 10^7: half a metre. JT/T 808 counts millionths of a degree,
/// GT06 and Eelink 1/1,800,000.
const GRID_E7: i32 = 50;

#[expect(clippy::cast_possible_truncation, reason = "a number divided and multiplied again")]
fn on_grid(degrees_e7: i32) -> i32 {
    (f64::from(degrees_e7) / f64::from(GRID_E7)).round() as i32 * GRID_E7
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "half minutes since start"
)]
fn position(chance: Chance, town: &Town, person: &Person, place: Local, speed_mps: f64, time_s: f64) -> wire::Position {
    let error = radio::error(chance, person.index, time_s, radio::OPEN_SKY_ACCURACY_M);
    let seen = Local {
        east: place.east + error.east,
        north: place.north + error.north,
    };
    let (ahead, _) = person.route.place(time_s + 1.0);
    let satellites = 8 + (chance.uniform("satellites", person.index, (time_s / 30.0) as u64) * 6.0) as u32;
    let told = on_the_wire(
        town,
        seen,
        wire::FixSource::Gnss,
        radio::OPEN_SKY_ACCURACY_M,
        Movement::of(place, ahead, speed_mps),
        Some(satellites),
    );
    wire::Position {
        latitude_e7: on_grid(told.latitude_e7),
        longitude_e7: on_grid(told.longitude_e7),
        ..told
    }
}

/// Speed, and course while there is any.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Movement {
    speed_mps: f64,
    course_deg: f64,
}

impl Movement {
    /// From a place to where one is a moment later.
    pub(crate) fn of(place: Local, ahead: Local, speed_mps: f64) -> Self {
        let course_deg = (ahead.east - place.east)
            .atan2(ahead.north - place.north)
            .to_degrees()
            .rem_euclid(360.0);
        Self { speed_mps, course_deg }
    }
}

/// A position as a device tells it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "degrees and metres fit the wire's fields by far"
)]
pub(crate) fn on_the_wire(
    town: &Town,
    seen: Local,
    source: wire::FixSource,
    accuracy_m: f64,
    movement: Movement,
    satellites: Option<u32>,
) -> wire::Position {
    let (longitude, latitude) = town.lon_lat(seen);
    let speed_mps = movement.speed_mps;
    wire::Position {
        latitude_e7: (round7(latitude) * 1e7).round() as i32,
        longitude_e7: (round7(longitude) * 1e7).round() as i32,
        valid: true,
        source: source as i32,
        accuracy_m: Some(accuracy_m as f32),
        altitude_m: Some(12.0),
        speed_kmh: Some((speed_mps * 36.0).round() as f32 / 10.0),
        course_deg: (speed_mps > 0.2).then_some(movement.course_deg.round() as f32),
        satellites,
        hdop: None,
    }
}

/// A battery between 45 and 100 %, falling slowly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "percent")]
fn battery(chance: Chance, person: u64, time_s: f64) -> u32 {
    let full = 75.0 + 25.0 * chance.uniform("battery", person, 0);
    (full - time_s.max(0.0) / 3_600.0).clamp(45.0, 100.0) as u32
}
