//! What a device reports, and what it suffers.

use jiff::Timestamp;
use proto::wire;

use crate::{
    chance::Chance,
    person::{Person, time_at},
    radio,
    town::{Town, round7},
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
}

/// One report, as a device keeps it until it is acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Counts up for the life of the device, over restarts too: microseconds of the world's start plus the tick.
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
}

/// When a device takes its `tick`-th report, seconds from the world's start. Devices do not all report in the same instant.
pub fn report_time_s(chance: Chance, person: &Person, interval_s: f64, tick: u64) -> f64 {
    let phase = (chance.uniform("phase", person.index, 0) * interval_s * 10.0).floor() / 10.0;
    phase + tick as f64 * interval_s
}

/// What a person's device reports at its `tick`-th time, `None` while it is off.
pub fn sample(
    chance: Chance,
    town: &Town,
    person: &Person,
    start: Timestamp,
    interval_s: f64,
    tick: u64,
) -> Option<Sample> {
    let time_s = report_time_s(chance, person, interval_s, tick);
    let within = |from: f64, until: f64| (from..until).contains(&time_s);
    let mut sample = Sample {
        sequence: u64::try_from(start.as_microsecond()).unwrap_or(0) + tick,
        tick,
        time_s,
        fix_time: time_at(start, time_s),
        position: None,
        battery_percent: battery(chance, person.index, time_s),
        strap: wire::Strap::Closed,
        case: wire::Case::Closed,
        motion: wire::Motion::Still,
        alarms: Vec::new(),
    };
    let mut has_fix = true;
    for fault in &person.faults {
        match *fault {
            Fault::StrapOpen { from_s } if time_s >= from_s => sample.strap = wire::Strap::Open,
            Fault::CaseOpen { from_s } if time_s >= from_s => sample.case = wire::Case::Open,
            Fault::Battery { from_s, percent } if time_s >= from_s => sample.battery_percent = percent,
            Fault::Off { from_s, until_s } if within(from_s, until_s) => return None,
            Fault::NoFix { from_s, until_s } if within(from_s, until_s) => has_fix = false,
            Fault::Alarm { from_s, until_s, alarm } if within(from_s, until_s) => sample.alarms.push(alarm),
            _ => {}
        }
    }
    let (place, speed_mps) = person.route.place(time_s);
    if speed_mps > 0.2 {
        sample.motion = wire::Motion::Moving;
    }
    if has_fix {
        sample.position = Some(position(chance, town, person, place, speed_mps, time_s));
    }
    Some(sample)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "degrees and metres fit the wire's fields by far"
)]
fn position(
    chance: Chance,
    town: &Town,
    person: &Person,
    place: crate::town::Local,
    speed_mps: f64,
    time_s: f64,
) -> wire::Position {
    let accuracy_m = radio::OPEN_SKY_ACCURACY_M;
    let error = radio::error(chance, person.index, time_s, accuracy_m);
    let seen = crate::town::Local {
        east: place.east + error.east,
        north: place.north + error.north,
    };
    let (longitude, latitude) = town.lon_lat(seen);
    let (ahead, _) = person.route.place(time_s + 1.0);
    let course = (ahead.east - place.east)
        .atan2(ahead.north - place.north)
        .to_degrees()
        .rem_euclid(360.0);
    wire::Position {
        latitude_e7: (round7(latitude) * 1e7).round() as i32,
        longitude_e7: (round7(longitude) * 1e7).round() as i32,
        valid: true,
        source: wire::FixSource::Gnss as i32,
        accuracy_m: Some(accuracy_m as f32),
        altitude_m: Some(12.0),
        speed_kmh: Some((speed_mps * 36.0).round() as f32 / 10.0),
        course_deg: (speed_mps > 0.2).then_some(course.round() as f32),
        satellites: Some(8 + (chance.uniform("satellites", person.index, (time_s / 30.0) as u64) * 6.0) as u32),
        hdop: None,
    }
}

/// A battery between 45 and 100 %, falling slowly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "percent")]
fn battery(chance: Chance, person: u64, time_s: f64) -> u32 {
    let full = 75.0 + 25.0 * chance.uniform("battery", person, 0);
    (full - time_s.max(0.0) / 3_600.0).clamp(45.0, 100.0) as u32
}
