//! Messages of single models that have a layout of their own.

use super::{
    body::{Draft, Reader, flags},
    kind, lbs,
    location::Form,
};
use crate::{Fault, Message, cursor::Cursor};

/// Alarm codes as profiles know them.
const AZ735: u32 = 0x3300;
const CAMERA: u32 = 0x9500;
const CAMERA_BLIND: u32 = 0x9600;

/// X1: alarms, position, state, mileage, cell, driver, voltages.
pub(super) fn x1(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let mut cursor = Cursor::new(reader.frame.content);
    cursor.take(4, "data and alarms")?;
    let mut draft = reader.position(&mut cursor, Form::Usual)?;
    let _ = after_x1(&mut cursor, &mut draft);
    Ok(draft.finish())
}

fn after_x1(cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<(), Fault> {
    cursor.u16("state")?;
    draft.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
    lbs::cell(cursor, lbs::Form::WIDE_CELL, &mut draft.report.extra)?;
    cursor.u32("driver")?;
    draft.report.extra.battery_mv = Some(u32::from(cursor.u16("voltage")?) * 10);
    Ok(())
}

/// SR411: position, cell, ignition, voltages.
pub(super) fn sr411(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let mut cursor = Cursor::new(reader.frame.content);
    let mut draft = reader.position(&mut cursor, Form::Usual)?;
    if lbs::cell(&mut cursor, lbs::Form::USUAL, &mut draft.report.extra).is_ok()
        && cursor.take(3, "ignition and voltage").is_ok()
        && let Ok(hundredths) = cursor.u16("battery")
    {
        draft.report.extra.battery_mv = Some(u32::from(hundredths) * 10);
    }
    Ok(draft.finish())
}

/// 0x61: IMEI, position, cell, key.
pub(super) fn key(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let mut cursor = Cursor::new(reader.frame.content);
    cursor.take(8, "IMEI")?;
    let mut draft = reader.position(&mut cursor, Form::Usual)?;
    let _ = lbs::cell(&mut cursor, lbs::Form::WIDE_CELL, &mut draft.report.extra);
    Ok(draft.finish())
}

/// TRX16: position, cell, flags, mileage, voltages, card.
pub(super) fn trx16(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let mut cursor = Cursor::new(reader.frame.content);
    let mut draft = reader.position(&mut cursor, Form::Usual)?;
    let _ = after_trx16(&mut cursor, &mut draft);
    Ok(draft.finish())
}

fn after_trx16(cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<(), Fault> {
    lbs::cell(cursor, lbs::Form::WIDE_CELL, &mut draft.report.extra)?;
    flags(cursor, draft)?;
    draft.report.extra.mileage_m = Some(cursor.u32("mileage")?.into());
    cursor.u16("voltage")?;
    draft.report.extra.battery_mv = Some(u32::from(cursor.u8("battery")?) * 100);
    Ok(())
}

/// 0x38: position, how it was sent, cell of any generation.
pub(super) fn any_cell(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let mut cursor = Cursor::new(reader.frame.content);
    let mut draft = reader.position(&mut cursor, Form::Usual)?;
    let _ = cursor.u8("upload mode");
    let at = cursor.at();
    if let Ok(again) = cursor.u8("re-upload") {
        draft.again(at, again);
    }
    let _ = lbs::cell(&mut cursor, lbs::Form::TYPED, &mut draft.report.extra);
    Ok(draft.finish())
}

/// 0x95: an event of a camera, with a position where there is room for one.
pub(super) fn camera(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let content = reader.frame.content;
    let mut cursor = Cursor::new(content);
    let marked = !reader.frame.long && content.starts_with(&[0xff, 0xff]);
    let has_place = content.len() > 7;
    let mut draft = if has_place {
        if marked {
            cursor.take(3, "marker and version")?;
        }
        let form = if marked { Form::Camera } else { Form::Bare };
        reader.position(&mut cursor, form)?
    } else {
        let time = reader.time(&mut cursor)?;
        Draft::timed(&reader.frame, time)
    };
    if marked {
        cursor.u16("voltage")?;
    }
    if let Ok(event) = cursor.u8("event") {
        let codes = if has_place { CAMERA } else { CAMERA_BLIND };
        draft.alarm(reader.profile, codes + u32::from(event));
    }
    Ok(draft.finish())
}

/// AZ735: a time, a position with a length in front, cells, access points, status.
pub(super) fn az735(reader: &mut Reader<'_>) -> Result<Message, Fault> {
    let content = reader.frame.content;
    let mut cursor = Cursor::new(content);
    let stated = cursor.take(6, "time")?;
    let mut draft = if cursor.u8("length of the position")? == 0 {
        let time = reader.time(&mut Cursor::new(stated))?;
        Draft::timed(&reader.frame, time)
    } else {
        let time = reader.time(&mut Cursor::new(stated))?;
        let place = super::location::read(&mut cursor, Form::Usual)?;
        let mut draft = Draft::timed(&reader.frame, time);
        draft.report.fix = reader.usable(place);
        draft
    };
    let _ = after_az735(reader, &mut cursor, &mut draft);
    Ok(draft.finish())
}

fn after_az735(reader: &Reader<'_>, cursor: &mut Cursor<'_>, draft: &mut Draft) -> Result<(), Fault> {
    let before = draft.report.extra.cells.len();
    lbs::counted_cell(cursor, lbs::Form::USUAL, false, &mut draft.report.extra)?;
    if draft.report.extra.cells.len() > before {
        draft.report.extra.signal = Some(cursor.u8("signal")?);
    }
    for what in ["cells", "access points"] {
        let length = cursor.u8(what)?;
        cursor.take(length.into(), what)?;
    }
    let status = cursor.u8("status")?;
    if reader.frame.kind == kind::WIFI_33 {
        draft.alarm(reader.profile, AZ735 + u32::from(status));
    }
    Ok(())
}
