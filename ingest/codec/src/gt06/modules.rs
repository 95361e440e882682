//! Messages made of modules: a type, a length, a value.

use jiff::Timestamp;

use super::{
    body::{Draft, Reader, epoch, status},
    location, state,
};
use crate::{Cell, Fault, Message, Profile, Report, cursor::Cursor};

/// Alarm codes and items as profiles know them.
const EVENT: u32 = 0x7000;
const DEVICE_STATE: u32 = 0xf100;

/// Most modules read of one message; more have nothing to say.
const MAX_MODULES: usize = 64;

/// Reads the modules of 0x36 and 0x39: a type of two bytes, a length of one.
pub(super) fn of_state(cursor: &mut Cursor<'_>, profile: &Profile, draft: &mut Draft) -> Result<(), Fault> {
    for _ in 0..MAX_MODULES {
        if cursor.left() == 0 {
            break;
        }
        let module = cursor.u16("module")?;
        let length = cursor.u8("length of a module")?;
        let value = cursor.take(length.into(), "module")?;
        match (module, value) {
            (0x0018, [high, low, ..]) => {
                draft.report.extra.battery_mv = Some(u32::from(u16::from_be_bytes([*high, *low])) * 10);
            }
            (0x006a, [percent, ..]) => draft.item(profile, state::BATTERY_PERCENT, &[*percent]),
            _ => (),
        }
    }
    Ok(())
}

/// Reads the one module of 0x37.
pub(super) fn of_position(cursor: &mut Cursor<'_>, report: &mut Report) -> Result<(), Fault> {
    let module = cursor.u16("module")?;
    let length = cursor.u8("length of a module")?;
    let value = cursor.take(length.into(), "module")?;
    match module {
        0x002e => report.extra.mileage_m = Some(Cursor::new(value).u32("mileage")?.into()),
        0x003b => {
            let hundredths = Cursor::new(value).u16("accuracy")?;
            if let Some(fix) = &mut report.fix {
                fix.accuracy_m = Some(f64::from(hundredths) / 100.0);
            }
        }
        _ => (),
    }
    Ok(())
}

/// Reads 0x70: modules with lengths of two bytes.
pub(super) fn modular(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let mut draft = Draft::timeless(&reader.frame, reader.first);
    let mut device_time = None;
    let mut has_place = false;
    let mut satellites = None;
    let mut hdop = None;
    let mut events = Vec::new();
    let mut cursor = Cursor::new(reader.frame.content);
    for _ in 0..MAX_MODULES {
        if cursor.left() == 0 {
            break;
        }
        let (module, value) = match wide(&mut cursor) {
            Ok(read) => read,
            // What is cut off behind a good position, or a word of the device, costs only itself.
            Err(_) if has_place || !events.is_empty() => break,
            Err(fault) => return Err(fault),
        };
        let mut inner = Cursor::new(value);
        match (module, value) {
            (0x0009, [count, ..]) => satellites = Some(u32::from(*count)),
            (0x0011, _) => {
                draft
                    .report
                    .extra
                    .cells
                    .extend(cell(&mut inner).filter(|cell| cell.cid > 0));
            }
            (0x0018, _) => draft.report.extra.battery_mv = inner.u16("voltage").ok().map(|value| u32::from(value) * 10),
            (0x0028, [tenths, ..]) => hdop = Some(f64::from(*tenths) / 10.0),
            (0x002c, _) => device_time = epoch(&mut inner).ok().filter(|time| *time > Timestamp::UNIX_EPOCH),
            (0x002e, [a, b, c, d, ..]) => {
                draft.report.extra.mileage_m = Some(u32::from_le_bytes([*a, *b, *c, *d]).into());
            }
            (0x0033, _) => {
                let (time, place) = location::read_module(&mut inner)?;
                let extra = std::mem::take(&mut draft.report.extra);
                draft = Draft::timed(&reader.frame, time);
                draft.report.fix = reader.usable(place);
                has_place = true;
                draft.report.extra = extra;
            }
            (0x0034, [event, ..]) => events.push(u32::from(*event)),
            _ => (),
        }
    }
    for event in &events {
        draft.alarm(reader.profile, EVENT + event);
    }
    if let Some(fix) = &mut draft.report.fix {
        fix.satellites = satellites.or(fix.satellites);
        fix.hdop = hdop;
    }
    if has_place {
        return Ok(draft.finish());
    }
    if draft.report.alarms.is_empty() {
        return Ok(status("modules", device_time));
    }
    // An alarm without a position is of the time that the device states.
    if let Some(time) = device_time {
        let timeless = std::mem::replace(&mut draft, Draft::timed(&reader.frame, time));
        draft.report.extra = timeless.report.extra;
        for event in events {
            draft.alarm(reader.profile, EVENT + event);
        }
    }
    Ok(draft.finish())
}

/// A module whose length has two bytes.
fn wide<'a>(cursor: &mut Cursor<'a>) -> Result<(u16, &'a [u8]), Fault> {
    let module = cursor.u16("module")?;
    let length = cursor.u16("length of a module")?;
    Ok((module, cursor.take(length.into(), "module")?))
}

fn cell(cursor: &mut Cursor<'_>) -> Option<Cell> {
    let mcc = cursor.u16("country code").ok()?;
    let mnc = cursor.u16("network code").ok()?;
    let lac = cursor.u16("area").ok()?.into();
    let cid = cursor.take(3, "cell").ok()?;
    let rssi = cursor.u8("strength").ok()?;
    Some(Cell {
        mcc,
        mnc,
        lac,
        cid: cid.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        rssi: Some(rssi.into()),
    })
}

/// Reads 0xF1: a time, and items with lengths of one byte.
pub(super) fn device_state(reader: &Reader<'_>) -> Result<Message, Fault> {
    let mut cursor = Cursor::new(reader.frame.content);
    let time = epoch(&mut cursor)?;
    let mut draft = Draft::timed(&reader.frame, time);
    for _ in 0..MAX_MODULES {
        if cursor.left() < 3 {
            break;
        }
        let item = cursor.u16("item")?;
        let length = cursor.u8("length of an item")?;
        let value = cursor.take(length.into(), "item")?;
        // Only what a profile knows: the others are vehicles'.
        reader
            .profile
            .item(DEVICE_STATE + u32::from(item), value, &mut draft.report);
    }
    Ok(draft.finish())
}
