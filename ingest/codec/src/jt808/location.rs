//! Position reports: the fixed part (8.18, table 23), and the compact form of locks.

use bytes::Bytes;

use super::{items, time};
use crate::{Fault, Fix, Profile, Report, cursor::Cursor, normalize::in_range};

const STATUS_VALID: u32 = 1 << 1;
const STATUS_SOUTH: u32 = 1 << 2;
const STATUS_WEST: u32 = 1 << 3;
/// Item of a profile: the status word.
const STATUS_ITEM: u32 = 0x100;
/// Item of a profile: the alarm word of a compact report, plus its product.
const COMPACT_ALARMS_ITEM: u32 = 0x55_0100;

/// A report; and what is wrong with its place, where that is not on the Earth. What else it says, an alarm perhaps, is good all the same.
pub(super) type Read = (Report, Option<Fault>);

/// Reads a position report. `suspect`: the header says that it is encrypted, so it must look like one in every field.
///
/// `whole`: the message that `body` lies in, so that nothing is copied.
pub(super) fn decode(
    whole: &Bytes,
    body: &[u8],
    stored: bool,
    suspect: bool,
    profile: &Profile,
) -> Result<Read, Fault> {
    let mut cursor = Cursor::new(body);
    let alarm_bits = cursor.u32("alarms")?;
    let status = cursor.u32("status")?;
    let place = coordinates(&mut cursor, status)?;
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
        if let Err(fault) = place {
            return Err(fault);
        }
    }
    let fix_time = time::read(&mut cursor)?;
    let mut report = Report::new(fix_time, whole.slice_ref(body));
    report.stored = stored;
    let (fix, fault) = apart(place);
    report.fix = fix.map(|fix| Fix {
        altitude_m: Some(f64::from(altitude_m)),
        speed_kmh: Some(f64::from(speed) / 10.0),
        course_deg: Some(f64::from(course)),
        ..fix
    });
    let mut bits = alarm_bits;
    while bits != 0 {
        profile.alarm(bits.trailing_zeros(), &mut report);
        bits &= bits - 1;
    }
    profile.item(STATUS_ITEM, &status.to_be_bytes(), &mut report);
    items::read(whole, cursor.rest(), profile, &mut report);
    Ok((report, fault))
}

/// Reads latitude and longitude in millionths of a degree, whose signs are in the status.
pub(super) fn coordinates(cursor: &mut Cursor<'_>, status: u32) -> Result<Result<Fix, Fault>, Fault> {
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
    Ok(place(valid, latitude, longitude))
}

fn place(valid: bool, latitude: f64, longitude: f64) -> Result<Fix, Fault> {
    let latitude = in_range(latitude, 90.0, "latitude")?;
    Ok(Fix::new(valid, latitude, in_range(longitude, 180.0, "longitude")?))
}

fn apart(place: Result<Fix, Fault>) -> (Option<Fix>, Option<Fault>) {
    match place {
        Ok(fix) => (Some(fix), None),
        Err(fault) => (None, Some(fault)),
    }
}

/// Reads the compact form (0x5501 with a fix, 0x5502 without): day first, UTC, degrees and minutes in decimal digits.
pub(super) fn decode_compact(body: &[u8], has_fix: bool, profile: &Profile) -> Result<Read, Fault> {
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
    let alarms = cursor.u16("alarms")?.to_be_bytes();
    let mut altitude_m = None;
    items::each(cursor.rest(), |id, value| {
        if id == 0x02
            && let Ok(value) = Cursor::new(value).i16("altitude")
        {
            altitude_m = Some(f64::from(value));
        }
    });
    let (fix, fault) = apart(place(has_fix, latitude, longitude));
    let mut report = Report::new(fix_time, Bytes::copy_from_slice(body));
    report.fix = fix.map(|fix| Fix {
        altitude_m,
        speed_kmh: u32::try_from(knots).ok().map(|knots| f64::from(knots) * 1.852),
        course_deg: Some(course),
        satellites: Some(satellites),
        ..fix
    });
    report.battery_percent = (battery <= 100).then_some(u32::from(battery));
    report.charging = matches!(battery, 0xaa | 0xab).then_some(true);
    report.extra.mileage_m = Some(u64::from(mileage_km) * 1_000);
    report.extra.signal = Some(signal);
    profile.item(COMPACT_ALARMS_ITEM | u32::from(product), &alarms, &mut report);
    Ok((report, fault))
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
