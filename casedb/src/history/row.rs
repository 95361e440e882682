//! From a report of the wire to a row of history.

use jiff::Timestamp;
use prost::Message;
use proto::{
    fix::{NotJudged, check_time, timestamp},
    wire,
};
use uuid::Uuid;

use crate::device::Cell;

/// A report as a row of `position`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PositionRow {
    pub(super) person_id: Uuid,
    pub(super) fix_time: Timestamp,
    pub(super) report_id: Uuid,
    pub(super) device_id: Uuid,
    pub(super) received_at: Timestamp,
    pub(super) appended_at: Timestamp,
    pub(super) sequence: i64,
    pub(super) latitude: Option<f64>,
    pub(super) longitude: Option<f64>,
    pub(super) valid: bool,
    pub(super) source: i16,
    pub(super) accuracy_m: Option<f32>,
    pub(super) altitude_m: Option<f32>,
    pub(super) speed_kmh: Option<f32>,
    pub(super) course_deg: Option<f32>,
    pub(super) satellites: Option<i16>,
    pub(super) battery_percent: Option<i16>,
    pub(super) strap: i16,
    pub(super) case: i16,
    pub(super) motion: i16,
    pub(super) alarms: i32,
    pub(super) backfill: bool,
    pub(super) log_offset: i64,
    pub(super) protocol: i16,
    pub(super) charging: Option<bool>,
    pub(super) hdop: Option<f32>,
    /// No part of history: the newest of each device is kept beside it.
    pub(super) cell: Option<Cell>,
}

/// A report that history does not take, as a row of `quarantined_report`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QuarantinedRow {
    pub(super) report_id: Uuid,
    pub(super) person_id: Uuid,
    pub(super) device_id: Uuid,
    pub(super) reason: &'static str,
    pub(super) fix_time: Option<Timestamp>,
    pub(super) received_at: Timestamp,
    pub(super) payload: Vec<u8>,
    pub(super) place: Place,
}

/// A person's rules, as a row of `rules_revision`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RulesRow {
    pub(super) person_id: Uuid,
    pub(super) revision: i64,
    pub(super) payload: Vec<u8>,
    pub(super) place: Place,
}

/// A layer's revision that takes effect in a partition, as a row of `layer_marker`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerRow {
    pub(super) partition: i32,
    pub(super) layer_id: Uuid,
    pub(super) revision: i64,
    pub(super) content_hash: Vec<u8>,
    pub(super) place: Place,
}

/// Where a record lies in its partition, and the partition's clock there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) log_offset: i64,
    /// The highest append time up to this record, as the engine's clock.
    pub(super) appended_at: Timestamp,
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kept {
    /// A row of history.
    Position(Box<PositionRow>),
    /// A row of the quarantine.
    Quarantined(Box<QuarantinedRow>),
    /// A row of the rules' revisions.
    Rules(Box<RulesRow>),
    /// A row of the layers' revisions.
    Layer(Box<LayerRow>),
    /// A tick, a protected person's position: nothing of history.
    Nothing,
}

/// Reads a record; the error says why it cannot be read.
pub(super) fn read(payload: &[u8], place: Place) -> Result<Kept, String> {
    let record = wire::ReportRecord::decode(payload).map_err(|error| error.to_string())?;
    match record.body {
        Some(wire::report_record::Body::Report(report)) => read_report(&report, place),
        Some(wire::report_record::Body::Rules(rules)) => Ok(Kept::Rules(Box::new(RulesRow {
            person_id: id(&rules.person_id, "person")?,
            revision: number(rules.revision)?,
            payload: rules.encode_to_vec(),
            place,
        }))),
        Some(wire::report_record::Body::Layer(marker)) => Ok(Kept::Layer(Box::new(LayerRow {
            partition: place.partition,
            layer_id: id(&marker.layer_id, "layer")?,
            revision: number(marker.revision)?,
            content_hash: marker.content_hash,
            place,
        }))),
        Some(wire::report_record::Body::Tick(_) | wire::report_record::Body::ProtectedFix(_)) => Ok(Kept::Nothing),
        None => Err("record of an unknown kind".to_owned()),
    }
}

fn id(bytes: &[u8], what: &str) -> Result<Uuid, String> {
    Uuid::from_slice(bytes).map_err(|_| format!("{what} id has {} bytes, 16 expected", bytes.len()))
}

fn number(revision: u64) -> Result<i64, String> {
    i64::try_from(revision).map_err(|_| format!("revision {revision} is out of range"))
}

fn read_report(report: &wire::Report, place: Place) -> Result<Kept, String> {
    let report_id = id(&report.report_id, "report")?;
    let person_id = id(&report.person_id, "person")?;
    let device_id = id(&report.device_id, "device")?;
    let received_at = storable(report.received_at_us).ok_or("receipt outside the calendar")?;
    let position = report.position.as_ref();
    let reason = match check_time(report.fix_time_us, report.received_at_us) {
        Err(NotJudged::Ahead) => Some("clock_ahead"),
        Err(NotJudged::WeekRollover) => Some("week_rollover"),
        Err(_) => Some("clock_before_2020"),
        Ok(()) if position.is_some_and(is_nowhere) => Some("position_out_of_range"),
        Ok(()) => None,
    };
    let fix_time = storable(report.fix_time_us);
    let (None, Some(fix_time)) = (reason, fix_time) else {
        return Ok(Kept::Quarantined(Box::new(QuarantinedRow {
            report_id,
            person_id,
            device_id,
            reason: reason.unwrap_or("clock_ahead"),
            fix_time,
            received_at,
            payload: without_cell(report).encode_to_vec(),
            place,
        })));
    };
    Ok(Kept::Position(Box::new(PositionRow {
        person_id,
        fix_time,
        report_id,
        device_id,
        received_at,
        appended_at: place.appended_at,
        // Bits, not a number: no protocol counts this far, and a wrong one must not lose its report.
        sequence: report.sequence.cast_signed(),
        latitude: position.map(|position| f64::from(position.latitude_e7) / 1e7),
        longitude: position.map(|position| f64::from(position.longitude_e7) / 1e7),
        valid: position.is_some_and(|position| position.valid),
        source: small(position.map_or(0, |position| position.source)),
        accuracy_m: position.and_then(|position| position.accuracy_m),
        altitude_m: position.and_then(|position| position.altitude_m),
        speed_kmh: position.and_then(|position| position.speed_kmh),
        course_deg: position.and_then(|position| position.course_deg),
        satellites: position.and_then(|position| position.satellites).map(small_unsigned),
        battery_percent: report.battery_percent.map(small_unsigned),
        strap: small(report.strap),
        case: small(report.case),
        motion: small(report.motion),
        alarms: report
            .alarms
            .iter()
            .fold(scope_bits(report.alarm_scope), |bits, &alarm| bits | alarm_bit(alarm)),
        backfill: report.backfill,
        log_offset: place.log_offset,
        protocol: small(report.protocol),
        charging: report.charging,
        hdop: position.and_then(|position| position.hdop),
        cell: report.serving_cell.as_ref().and_then(Cell::of_wire),
    })))
}

/// Of cells the past is kept nowhere.
fn without_cell(report: &wire::Report) -> wire::Report {
    wire::Report {
        serving_cell: None,
        ..report.clone()
    }
}

fn is_nowhere(position: &wire::Position) -> bool {
    !(-900_000_000..=900_000_000).contains(&position.latitude_e7)
        || !(-1_800_000_000..=1_800_000_000).contains(&position.longitude_e7)
}

/// A time from 1970 on that a calendar shows; PostgreSQL could not hold the earliest times of a broken clock.
fn storable(microseconds: i64) -> Option<Timestamp> {
    timestamp(microseconds).filter(|time| *time >= Timestamp::UNIX_EPOCH)
}

fn alarm_bit(alarm: i32) -> i32 {
    // A newer sender's alarm that this program does not know counts as `other`.
    let known = wire::Alarm::try_from(alarm).unwrap_or(wire::Alarm::Other);
    1 << (known as i32)
}

/// The `AlarmScope` stands above the alarms in the same number.
const SCOPE_SHIFT: u32 = 29;
/// The alarms of a row's `alarms`: bit n = `Alarm` n of the wire.
pub(super) const ALARMS: i32 = (1 << SCOPE_SHIFT) - 1;

fn scope_bits(scope: i32) -> i32 {
    let known = wire::AlarmScope::try_from(scope).unwrap_or_default();
    (known as i32) << SCOPE_SHIFT
}

/// The `AlarmScope` of a row's `alarms`.
pub(super) const fn alarm_scope(bits: i32) -> i32 {
    bits >> SCOPE_SHIFT
}

fn small(number: i32) -> i16 {
    i16::try_from(number).unwrap_or(0)
}

fn small_unsigned(number: u32) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place {
        partition: 0,
        log_offset: 7,
        appended_at: Timestamp::UNIX_EPOCH,
    };

    fn report(fix_time_us: i64) -> wire::Report {
        wire::Report {
            report_id: vec![1; 16],
            person_id: vec![2; 16],
            device_id: vec![3; 16],
            fix_time_us,
            received_at_us: 1_790_000_000_000_000,
            position: Some(wire::Position {
                latitude_e7: 301_234_567,
                longitude_e7: -1,
                valid: true,
                ..Default::default()
            }),
            alarms: vec![1, 3, 77],
            ..Default::default()
        }
    }

    #[test]
    fn plausible_reports_become_rows() {
        let Ok(Kept::Position(row)) = read_report(&report(1_790_000_000_000_000), PLACE) else {
            panic!("not kept");
        };
        assert_eq!((row.latitude, row.longitude), (Some(30.123_456_7), Some(-1e-7)));
        assert_eq!(row.alarms, 0b1_0000_0000_1010);
        let standing = wire::Report {
            alarm_scope: wire::AlarmScope::Standing.into(),
            ..report(1_790_000_000_000_000)
        };
        let Ok(Kept::Position(row)) = read_report(&standing, PLACE) else {
            panic!("not kept");
        };
        assert_eq!(row.alarms & ALARMS, 0b1_0000_0000_1010);
        assert_eq!(alarm_scope(row.alarms), i32::from(wire::AlarmScope::Standing));
    }

    #[test]
    fn implausible_clocks_and_places_are_quarantined() {
        let reason = |report: &wire::Report| match read_report(report, PLACE) {
            Ok(Kept::Quarantined(row)) => row.reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(&report(0)), "clock_before_2020");
        assert_eq!(reason(&report(i64::MAX)), "clock_ahead");
        assert_eq!(reason(&report(i64::MIN)), "clock_before_2020");
        assert_eq!(reason(&report(1_790_000_000_000_000 + 120_000_001)), "clock_ahead");
        let cycle = 1_024 * 7 * 86_400 * 1_000_000;
        assert_eq!(reason(&report(1_790_000_000_000_000 - cycle)), "week_rollover");
        assert_eq!(reason(&report(1_790_000_000_000_000 + 2 * cycle)), "week_rollover");
        let mut nowhere = report(1_790_000_000_000_000);
        nowhere.position = Some(wire::Position {
            latitude_e7: 900_000_001,
            ..Default::default()
        });
        assert_eq!(reason(&nowhere), "position_out_of_range");
    }

    #[test]
    fn unreadable_records_say_why() {
        assert!(read(&[255, 1], PLACE).is_err());
        let mut short = report(1);
        short.person_id.pop();
        assert_eq!(
            read_report(&short, PLACE),
            Err("person id has 15 bytes, 16 expected".to_owned())
        );
    }
}
