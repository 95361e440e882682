//! Additional items of a position report (8.18, table 27): id, length, value; what each means is the profile's
//! knowledge.

use bytes::Bytes;

use crate::{Cell, Fault, Profile, Report, cursor::Cursor};

/// Unknown items kept of one report.
const MAX_KEPT: usize = 32;

/// An item that holds a list of its own. Part `tttt` is item `0xEBtttt` of a profile.
const NESTED: u8 = 0xeb;
/// Beyond this, what stands in the place of a part's length is a country code.
const LONGEST_PART: u16 = 200;

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
/// `whole`: the message that it lies in.
pub(super) fn read(whole: &Bytes, rest: &[u8], profile: &Profile, report: &mut Report) {
    // Some trackers send 18 bytes of fixed layout in place of items.
    if rest.len() == 18 && each(rest, |_, _| ()) != 0 {
        // Its fields were put in as far as they are there.
        let _ = read_fixed(rest, report);
        return;
    }
    each(rest, |id, value| {
        // A known item with an unknown length is kept like an unknown item.
        let known = profile.item(u32::from(id), value, report)
            || id == NESTED && nested(value, profile, report).unwrap_or(false);
        if !known && report.extra.items.len() < MAX_KEPT {
            report.extra.items.push((u32::from(id), whole.slice_ref(value)));
        }
    });
}

fn read_fixed(rest: &[u8], report: &mut Report) -> Result<(), Fault> {
    let mut cursor = Cursor::new(rest);
    cursor.take(4, "remaining battery and distance")?;
    report.extra.mileage_m = Some(u64::from(cursor.u32("mileage")?) * 1_000);
    report.extra.battery_mv = Some(u32::from(cursor.u16("voltage")?) * 100);
    cursor.u32("area")?;
    report.extra.signal = Some(cursor.u8("signal")?);
    Ok(())
}

/// A country code instead of a length: network, then area, number and strength of each cell, the serving one first.
fn cells(mut cursor: Cursor<'_>, report: &mut Report) -> Result<(), Fault> {
    let (mcc, mnc) = (cursor.u16("country code")?, cursor.u8("network code")?.into());
    while cursor.left() >= 5 && report.extra.cells.len() < MAX_KEPT {
        report.extra.cells.push(Cell {
            mcc,
            mnc,
            lac: cursor.u16("area")?.into(),
            cid: cursor.u16("cell")?.into(),
            rssi: Some(cursor.u8("strength")?.into()),
        });
    }
    Ok(())
}

/// A list of its own: length of type and value, type, value.
fn nested(value: &[u8], profile: &Profile, report: &mut Report) -> Result<bool, Fault> {
    let mut cursor = Cursor::new(value);
    if value.len() < 6 {
        return Ok(false);
    }
    if cursor.clone().u16("length")? > LONGEST_PART {
        cells(cursor, report)?;
        return Ok(false);
    }
    while cursor.left() >= 4 {
        let length = cursor.u16("length")?;
        let kind = cursor.u16("type")?;
        let inner = cursor.take(usize::from(length.saturating_sub(2)), "value")?;
        profile.item(u32::from(NESTED) << 16 | u32::from(kind), inner, report);
    }
    Ok(true)
}
