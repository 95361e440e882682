//! From a protocol's report to the record of the stream: units, clocks, reasons to reject.

use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId, ReportId, wire};

use crate::{Fault, Fix, Protocol, Report};

/// How far a device's clock may be ahead of receipt before it cannot be right.
pub const CLOCK_AHEAD: SignedDuration = SignedDuration::from_secs(120);

/// 2020-01-01: no device clock before it can be right.
pub const CLOCK_FLOOR_SECOND: i64 = 1_577_836_800;

/// What is wrong with a device's clock. Such a report goes into the stream all the same; history keeps it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Nothing.
    Plausible,
    /// Before 2020.
    Old,
    /// Ahead of receipt by more than [`CLOCK_AHEAD`].
    Ahead,
}

/// Judges a report's clock.
pub fn clock(fix_time: Timestamp, received_at: Timestamp) -> Clock {
    if fix_time.as_second() < CLOCK_FLOOR_SECOND {
        Clock::Old
    } else if fix_time.duration_since(received_at) > CLOCK_AHEAD {
        Clock::Ahead
    } else {
        Clock::Plausible
    }
}

/// Makes the stream's record of a report.
///
/// A position out of range is a [`Fault::Range`]; numbers that are not finite are dropped one by one, because the rest of
/// the report is good.
pub fn report(
    protocol: Protocol,
    device: DeviceId,
    person: PersonId,
    received_at: Timestamp,
    report: &Report,
) -> Result<wire::Report, Fault> {
    Ok(wire::Report {
        report_id: ReportId::derive(device, &report.natural_key).to_wire(),
        person_id: person.to_wire(),
        device_id: device.to_wire(),
        protocol: protocol.wire().into(),
        sequence: report.sequence,
        fix_time_us: report.fix_time.as_microsecond(),
        received_at_us: received_at.as_microsecond(),
        backfill: report.stored,
        position: report.fix.as_ref().map(position).transpose()?,
        battery_percent: report.battery_percent,
        strap: report.strap.into(),
        case: report.case.into(),
        motion: report.motion.into(),
        alarms: report.alarms.iter().map(|alarm| i32::from(*alarm)).collect(),
        charging: report.charging,
    })
}

fn position(fix: &Fix) -> Result<wire::Position, Fault> {
    let latitude_e7 = e7(fix.latitude, 90.0, "latitude")?;
    let longitude_e7 = e7(fix.longitude, 180.0, "longitude")?;
    Ok(wire::Position {
        latitude_e7,
        longitude_e7,
        // Exactly 0, 0 is what trackers send that do not know where they are, whatever else they say. Nobody is judged there.
        valid: fix.valid && (latitude_e7, longitude_e7) != (0, 0),
        source: fix.source.into(),
        accuracy_m: single(fix.accuracy_m).filter(|accuracy| *accuracy >= 0.0),
        altitude_m: single(fix.altitude_m),
        speed_kmh: single(fix.speed_kmh).filter(|speed| *speed >= 0.0),
        course_deg: single(fix.course_deg),
        satellites: fix.satellites,
        hdop: single(fix.hdop).filter(|hdop| *hdop >= 0.0),
    })
}

/// Checks a coordinate's range: finite and at most `limit` away from 0.
pub(crate) fn in_range(degrees: f64, limit: f64, what: &'static str) -> Result<f64, Fault> {
    if degrees.is_finite() && degrees.abs() <= limit {
        Ok(degrees)
    } else {
        Err(Fault::Range {
            what,
            value: degrees.to_string(),
        })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 1.8e9 after the range check")]
fn e7(degrees: f64, limit: f64, what: &'static str) -> Result<i32, Fault> {
    Ok((in_range(degrees, limit, what)? * 1e7).round() as i32)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "device values need no more than single precision"
)]
fn single(value: Option<f64>) -> Option<f32> {
    value.map(|value| value as f32).filter(|value| value.is_finite())
}
