//! Cells of the radio network and Wi-Fi access points.

use crate::{AccessPoint, Cell, Extra, Fault, cursor::Cursor};

/// Reads the one cell of the old format: area of two bytes, number of three, no strength.
pub(super) fn old_cell(cursor: &mut Cursor) -> Result<Cell, Fault> {
    let (mcc, mnc) = (cursor.u16("country")?, cursor.u16("network")?);
    let lac = cursor.u16("area")?.into();
    let cid = cursor.take(3, "cell")?;
    Ok(Cell {
        mcc,
        mnc,
        lac,
        cid: cid.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        rssi: None,
    })
}

/// Reads what the mask of the new format announces: up to three cells, up to three access points, the cells of LTE.
pub(super) fn read(mask: u8, cursor: &mut Cursor, extra: &mut Extra) -> Result<(), Fault> {
    let bit = |number: u8| mask >> number & 1 == 1;
    let (mut mcc, mut mnc) = (0, 0);
    for number in 1..=3 {
        if !bit(number) {
            continue;
        }
        if number == 1 {
            (mcc, mnc) = (cursor.u16("country")?, cursor.u16("network")?);
        }
        extra.cells.push(Cell {
            mcc,
            mnc,
            lac: cursor.u16("area")?.into(),
            cid: cursor.u32("cell")?.into(),
            rssi: Some(below_zero(cursor)?),
        });
    }
    for number in 4..=6 {
        if bit(number) {
            let mut mac = [0; 6];
            mac.copy_from_slice(cursor.take(6, "access point")?);
            extra.wifi.push(AccessPoint {
                mac,
                rssi: Some(below_zero(cursor)?),
            });
        }
    }
    if bit(7) {
        lte(cursor, extra)?;
    }
    Ok(())
}

/// Strength is sent as a number without its sign.
fn below_zero(cursor: &mut Cursor) -> Result<i16, Fault> {
    Ok(-i16::from(cursor.u8("strength")?))
}

/// The serving cell, then what is heard of it and its neighbours by their physical numbers.
fn lte(cursor: &mut Cursor, extra: &mut Extra) -> Result<(), Fault> {
    cursor.u8("radio access technology")?;
    let count = cursor.u8("count of cells")?;
    if count == 0 {
        return Ok(());
    }
    let (mcc, mnc) = (cursor.u16("country")?, cursor.u16("network")?);
    let lac = cursor.u16("location area")?.into();
    cursor.u16("tracking area")?;
    let cid = cursor.u32("cell")?.into();
    cursor.u16("timing advance")?;
    for number in 0..count {
        let physical = cursor.u16("physical cell")?;
        cursor.u16("frequency")?;
        let rssi = Some(below_zero(cursor)?);
        // The first is the serving cell, whose full number is known.
        let cid = if number == 0 { cid } else { physical.into() };
        extra.cells.push(Cell {
            mcc,
            mnc,
            lac,
            cid,
            rssi,
        });
    }
    Ok(())
}
