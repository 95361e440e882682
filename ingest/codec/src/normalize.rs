//! From a protocol's report to the record of the stream: units, clocks, reasons to reject.

use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId, ReportId, wire};

use crate::{Cell, Fault, Fix, Protocol, Report};

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
        serving_cell: serving(&report.extra.cells),
        alarm_scope: report.alarm_scope.into(),
    })
}

/// Countries have these codes (ITU-T E.212); 1 is the test networks'.
const COUNTRIES: std::ops::RangeInclusive<u16> = 200..=799;
const TEST_COUNTRY: u16 = 1;
/// The highest network code has three digits.
const NETWORK_MAX: u16 = 999;
/// What devices write that know no cell: all ones of the field's width.
const NO_CELL: [u64; 4] = [0xffff, 0x0fff_ffff, 0xffff_ffff, u64::MAX];

/// The cell that serves the device, where it says one that can be told from all others: without its network a cell's number names many.
fn serving(cells: &[Cell]) -> Option<wire::ServingCell> {
    let cell = cells.first()?;
    let network = (COUNTRIES.contains(&cell.mcc) || cell.mcc == TEST_COUNTRY) && cell.mnc <= NETWORK_MAX;
    let known = cell.cid != 0 && !NO_CELL.contains(&cell.cid) && !matches!(cell.lac, 0xffff | 0xffff_ffff);
    (network && known).then(|| wire::ServingCell {
        mcc: cell.mcc.into(),
        mnc: cell.mnc.into(),
        area: cell.lac,
        cell: cell.cid,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cell_that_names_its_network_serves() {
        let cell = Cell {
            mcc: 460,
            mnc: 0,
            lac: 0x2510,
            cid: 0x1234,
            rssi: None,
        };
        let told = serving(&[cell, Cell::default()]).unwrap();
        assert_eq!((told.mcc, told.mnc, told.area, told.cell), (460, 0, 0x2510, 0x1234));
        for wrong in [
            Cell { mcc: 0, ..cell },
            Cell { mcc: 800, ..cell },
            Cell { mnc: 1_000, ..cell },
            Cell { cid: 0, ..cell },
            Cell { cid: 0xffff, ..cell },
            Cell {
                cid: 0xffff_ffff,
                ..cell
            },
            Cell { lac: 0xffff, ..cell },
        ] {
            assert_eq!(serving(&[wrong]), None, "{wrong:?}");
            assert_eq!(serving(&[wrong, cell]), None, "a neighbour is not the serving one");
        }
        assert_eq!(serving(&[]), None);
    }
}
