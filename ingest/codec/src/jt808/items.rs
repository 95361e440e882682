//! Additional items of a position report (8.18, table 27): id, length, value; the standard's and those known of trackers.

use bytes::Bytes;
use proto::wire::{Alarm, Case, Motion, Strap};

use crate::{Fault, Report, cursor::Cursor};

/// Unknown items kept of one report.
const MAX_KEPT: usize = 32;

/// Calls back for each item; an item that reaches beyond the end ends the list, as its length cannot be trusted.
pub(super) fn each(mut rest: &[u8], mut item: impl FnMut(u8, &[u8])) -> usize {
    while let [id, length, tail @ ..] = rest {
        let Some((value, after)) = tail.split_at_checked(usize::from(*length)) else {
            break;
        };
        item(*id, value);
        rest = after;
    }
    rest.len()
}

/// Reads what follows the fixed part of a position report.
pub(super) fn read(rest: &[u8], report: &mut Report) {
    // Some trackers send 18 bytes of fixed layout in place of items.
    if rest.len() == 18 && each(rest, |_, _| ()) != 0 {
        if let Ok((kilometres, signal)) = read_fixed(rest) {
            report.extra.mileage_m = Some(u64::from(kilometres) * 1_000);
            report.extra.signal = Some(signal);
        }
        return;
    }
    each(rest, |id, value| {
        // A known item with an unknown length is kept like an unknown item.
        let known = known(id, value, report).unwrap_or(false);
        if !known && report.extra.items.len() < MAX_KEPT {
            report.extra.items.push((u32::from(id), Bytes::copy_from_slice(value)));
        }
    });
}

fn read_fixed(rest: &[u8]) -> Result<(u32, u8), Fault> {
    let mut cursor = Cursor::new(rest);
    cursor.take(4, "remaining battery and distance")?;
    let kilometres = cursor.u32("mileage")?;
    cursor.take(6, "voltage and area")?;
    Ok((kilometres, cursor.u8("signal")?))
}

fn known(id: u8, value: &[u8], report: &mut Report) -> Result<bool, Fault> {
    let mut cursor = Cursor::new(value);
    match (id, value.len()) {
        (0x01, 4) => report.extra.mileage_m = Some(u64::from(cursor.u32("mileage")?) * 100),
        (0x30, 1) => report.extra.signal = Some(cursor.u8("signal")?),
        (0x31, 1) => satellites(report, cursor.u8("satellites")?),
        // Battery, by many vendors.
        (0x06 | 0xd4 | 0xe1 | 0xe9 | 0xfe, 1) => battery(report, cursor.u8("battery")?),
        (0x56, 2) => battery(report, cursor.u8("battery")?.saturating_mul(10)),
        (0x68, 2) => battery(report, u8::try_from(cursor.u16("battery")? / 100).unwrap_or(u8::MAX)),
        (0xe3, 4..) => {
            cursor.u8("reserved")?;
            battery(report, cursor.u8("battery")?);
        }
        (0xe4, 2..) => {
            if cursor.u8("charger")? == 0 {
                report.charging = Some(true);
            }
            battery(report, cursor.u8("battery")?);
        }
        (0xf7, 4..) => {
            cursor.u32("voltage")?;
            if value.len() >= 5 && matches!(cursor.u8("charger")?, 2 | 3) {
                report.charging = Some(true);
            }
            if value.len() >= 6 {
                battery(report, cursor.u8("battery")?);
            }
        }
        // Alarms and states.
        (0xd0, 4) => {
            if cursor.u32("user status")? >> 3 & 1 == 1 {
                report.alarms.push(Alarm::Vibration);
            }
        }
        (0xda, 3..) => {
            cursor.u16("times the strap was cut")?;
            let bits = cursor.u8("state")?;
            report.strap = if bits & 0x01 == 0 { Strap::Open } else { Strap::Closed };
            report.motion = if bits & 0x04 == 0 {
                Motion::Still
            } else {
                Motion::Moving
            };
            report.case = if bits & 0x08 == 0 { Case::Open } else { Case::Closed };
        }
        (0xe5, 1) => {
            report.motion = if cursor.u8("motion")? == 1 {
                Motion::Moving
            } else {
                Motion::Still
            }
        }
        (0xe7, 8) => {
            let bits = cursor.u16("alarms")?;
            if bits & 0x0001 != 0 {
                report.alarms.push(Alarm::Vibration);
            }
            if bits & 0x000e != 0 {
                report.alarms.push(Alarm::Sos);
            }
        }
        (0xeb, 6..) => return nested(value, report),
        (0xee, 6) => {
            report.extra.signal = Some(cursor.u8("signal")?);
            cursor.u32("voltages")?;
            satellites(report, cursor.u8("satellites")?);
        }
        (0xf9, 2..) => {
            let mask = cursor.u16("mask")?;
            for bit in [0, 1] {
                if mask >> bit & 1 == 1 {
                    cursor.u32("age")?;
                }
            }
            if mask & 0x0004 != 0 {
                let hdop = f64::from(cursor.u16("hdop")?) / 10.0;
                if let Some(fix) = &mut report.fix {
                    fix.hdop = Some(hdop);
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn satellites(report: &mut Report, count: u8) {
    if let Some(fix) = &mut report.fix {
        fix.satellites = Some(u32::from(count));
    }
}

fn battery(report: &mut Report, level: u8) {
    match level {
        0..=100 => report.battery_percent = Some(u32::from(level)),
        0xff => report.charging = Some(true),
        _ => (),
    }
}

/// Item 0xEB holds a list of its own: length of type and value, type, value.
fn nested(value: &[u8], report: &mut Report) -> Result<bool, Fault> {
    let mut cursor = Cursor::new(value);
    // A country code instead of a length: cells, in another layout.
    if cursor.clone().u16("length")? > 200 {
        return Ok(false);
    }
    while cursor.left() >= 4 {
        let length = cursor.u16("length")?;
        let kind = cursor.u16("type")?;
        let mut inner = Cursor::new(cursor.take(usize::from(length.saturating_sub(2)), "value")?);
        match kind {
            0x0089 => {
                // A bit is set while all is well.
                let bits = inner.u32("states")?;
                if bits & 1 == 0 {
                    report.alarms.push(Alarm::PowerOff);
                }
                if bits >> 12 & 1 == 0 {
                    report.alarms.push(Alarm::StrapTamper);
                }
            }
            0x00a8 | 0x00e1 => battery(report, inner.u8("battery")?),
            0x00c5 => {
                let bits = inner.u32("states")?;
                if bits >> 6 & 1 == 0 {
                    report.alarms.push(Alarm::Vibration);
                }
                match bits >> 23 & 0b11 {
                    0 => report.motion = Motion::Moving,
                    1 => report.motion = Motion::Still,
                    _ => (),
                }
            }
            0x00c6 => {
                if matches!(inner.u8("battery alarm")?, 3 | 4) {
                    report.alarms.push(Alarm::LowBattery);
                }
            }
            _ => (),
        }
    }
    Ok(true)
}
