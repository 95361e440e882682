//! Position reports: the fixed part (8.18, table 21), and the compact form of locks.

use bytes::Bytes;
use proto::wire::{Alarm, Case, Strap};

use super::{items, time};
use crate::{Fault, Fix, Report, cursor::Cursor, normalize::in_range};

/// Alarm bits (8.18, table 24) that have a word; all others are [`Alarm::Other`]. Bits 15 to 17 are the standard's reserve,
/// used by trackers for vibration and tampering; bit 18 (driving too long) is a low battery on devices that no vehicle carries.
const ALARMS: [(u32, Alarm); 11] = [
    (0, Alarm::Sos),
    (1, Alarm::Overspeed),
    (4, Alarm::GnssFault),
    (5, Alarm::GnssFault),
    (6, Alarm::GnssFault),
    (7, Alarm::LowBattery),
    (8, Alarm::PowerOff),
    (15, Alarm::Vibration),
    (16, Alarm::StrapTamper),
    (17, Alarm::CaseTamper),
    (18, Alarm::LowBattery),
];

const STATUS_VALID: u32 = 1 << 1;
const STATUS_SOUTH: u32 = 1 << 2;
const STATUS_WEST: u32 = 1 << 3;
/// Vendors': on the charger.
const STATUS_CHARGING: u32 = 1 << 26;

/// Reads a position report. `suspect`: the header says that it is encrypted, so it must look like one in every field.
pub(super) fn decode(body: &[u8], stored: bool, suspect: bool) -> Result<Report, Fault> {
    let mut cursor = Cursor::new(body);
    let alarm_bits = cursor.u32("alarms")?;
    let status = cursor.u32("status")?;
    let fix = coordinates(&mut cursor, status)?;
    let altitude_m = cursor.i16("altitude")?;
    let speed = cursor.u16("speed")?;
    let course = cursor.u16("course")?;
    if suspect {
        let packed = body.get(cursor.at()..cursor.at() + 6).unwrap_or_default();
        if !time::is_decimal(packed) || course > 360 {
            return Err(Fault::Range {
                what: "fields of an encrypted body",
                value: hex::encode(packed),
            });
        }
    }
    let fix_time = time::read(&mut cursor)?;
    let mut report = Report::new(fix_time, Bytes::copy_from_slice(body));
    report.stored = stored;
    report.fix = Some(Fix {
        altitude_m: Some(f64::from(altitude_m)),
        speed_kmh: Some(f64::from(speed) / 10.0),
        course_deg: Some(f64::from(course)),
        ..fix
    });
    report.charging = (status & STATUS_CHARGING != 0).then_some(true);
    report.alarms = alarms(alarm_bits);
    items::read(cursor.rest(), &mut report);
    settle(&mut report);
    Ok(report)
}

fn alarms(mut bits: u32) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    for (bit, alarm) in ALARMS {
        if bits >> bit & 1 == 1 {
            alarms.push(alarm);
            bits &= !(1 << bit);
        }
    }
    if bits != 0 {
        alarms.push(Alarm::Other);
    }
    alarms
}

/// Reads latitude and longitude in millionths of a degree, whose signs are in the status.
pub(super) fn coordinates(cursor: &mut Cursor<'_>, status: u32) -> Result<Fix, Fault> {
    let latitude = f64::from(cursor.u32("latitude")?) / 1e6;
    let longitude = f64::from(cursor.u32("longitude")?) / 1e6;
    let valid = status & STATUS_VALID != 0;
    let latitude = if status & STATUS_SOUTH == 0 {
        latitude
    } else {
        -latitude
    };
    let longitude = if status & STATUS_WEST == 0 {
        longitude
    } else {
        -longitude
    };
    Ok(Fix::new(
        valid,
        in_range(latitude, 90.0, "latitude")?,
        in_range(longitude, 180.0, "longitude")?,
    ))
}

/// Puts alarms in order, each once, and lets states and alarms agree.
fn settle(report: &mut Report) {
    if report.alarms.contains(&Alarm::StrapTamper) {
        report.strap = Strap::Open;
    } else if report.strap == Strap::Open {
        report.alarms.push(Alarm::StrapTamper);
    }
    if report.alarms.contains(&Alarm::CaseTamper) {
        report.case = Case::Open;
    } else if report.case == Case::Open {
        report.alarms.push(Alarm::CaseTamper);
    }
    report.alarms.sort_by_key(|alarm| i32::from(*alarm));
    report.alarms.dedup();
}

/// Reads the compact form (0x5501 with a fix, 0x5502 without): day first, UTC, degrees and minutes in decimal digits.
pub(super) fn decode_compact(body: &[u8], has_fix: bool) -> Result<Report, Fault> {
    let mut cursor = Cursor::new(body);
    let &[day, month, year, hour, minute, second] = cursor.take(6, "time")? else {
        return Err(Fault::Truncated {
            what: "time",
            needed: 6,
            at: 0,
            left: body.len(),
        });
    };
    let fix_time = time::instant([year, month, day, hour, minute, second], 0)?;
    let latitude = decimal(cursor.take(4, "latitude")?);
    let longitude = decimal(cursor.take(4, "longitude")?);
    let last = cursor.u8("flags")?;
    let longitude = longitude * 10 + u32::from(last >> 4);
    let sign = |positive: bool| if positive { 1.0 } else { -1.0 };
    let latitude = degrees(latitude) * sign(last & 0x02 != 0);
    let longitude = degrees(longitude) * sign(last & 0x04 != 0);
    let knots = time::digits(cursor.u8("speed")?);
    let course = f64::from(cursor.u8("course")?) * 2.0;
    let signal = cursor.u8("signal")?;
    let satellites = u32::from(cursor.u8("satellites")?);
    let mileage_km = cursor.u32("mileage")?;
    let battery = cursor.u8("battery")?;
    cursor.take(6, "cell")?;
    let product = cursor.u8("product")?;
    cursor.u16("status")?;
    let alarm_bits = cursor.u16("alarms")?;
    let mut alarms = Vec::new();
    if product == 3 {
        let words = [
            (0, Alarm::Overspeed),
            (1, Alarm::LowBattery),
            (2, Alarm::Vibration),
            (3, Alarm::LowBattery),
        ];
        alarms.extend(
            words
                .iter()
                .filter(|(bit, _)| alarm_bits >> bit & 1 == 1)
                .map(|(_, alarm)| *alarm),
        );
    } else if matches!(product, 1 | 2) && alarm_bits & 1 == 1 {
        alarms.push(Alarm::LowBattery);
    }
    let mut altitude_m = None;
    items::each(cursor.rest(), |id, value| {
        if id == 0x02
            && let Ok(value) = Cursor::new(value).i16("altitude")
        {
            altitude_m = Some(f64::from(value));
        }
    });
    let mut fix = Fix::new(
        has_fix,
        in_range(latitude, 90.0, "latitude")?,
        in_range(longitude, 180.0, "longitude")?,
    );
    fix.altitude_m = altitude_m;
    fix.speed_kmh = u32::try_from(knots).ok().map(|knots| f64::from(knots) * 1.852);
    fix.course_deg = Some(course);
    fix.satellites = Some(satellites);
    let mut report = Report::new(fix_time, Bytes::copy_from_slice(body));
    report.fix = Some(fix);
    report.battery_percent = (battery <= 100).then_some(u32::from(battery));
    report.charging = matches!(battery, 0xaa | 0xab).then_some(true);
    report.alarms = alarms;
    report.extra.mileage_m = Some(u64::from(mileage_km) * 1_000);
    report.extra.signal = Some(signal);
    settle(&mut report);
    Ok(report)
}

fn decimal(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| {
        number * 100 + u32::from(byte >> 4) * 10 + u32::from(byte & 0x0f)
    })
}

/// Degrees of DDDMMmmmm: minutes in ten-thousandths below the degrees.
fn degrees(packed: u32) -> f64 {
    f64::from(packed / 1_000_000) + f64::from(packed % 1_000_000) / 10_000.0 / 60.0
}
