//! Cells of the radio network and Wi-Fi access points.

use crate::{AccessPoint, Cell, Extra, Fault, cursor::Cursor};

/// Most cells or access points kept of one report.
const MAX_KEPT: usize = 32;

/// Set in the country code when the network code has two bytes.
const WIDE_NETWORK: u16 = 1 << 15;

/// How a message writes a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    /// The network code has two bytes, whatever the country code says.
    wide: bool,
    /// Bytes of the area: 2 or 4.
    lac: u8,
    /// Bytes of the cell's number: 3, 4 or 8.
    cid: u8,
    /// The network's generation stands in front, and the strength at the end: 0x38, 0x39.
    typed: bool,
}

impl Form {
    /// The first documents': 2G and 3G.
    pub(super) const USUAL: Self = Self {
        wide: false,
        lac: 2,
        cid: 3,
        typed: false,
    };
    /// Cell numbers of four bytes.
    pub(super) const WIDE_CELL: Self = Self { cid: 4, ..Self::USUAL };
    /// Both codes and the cell's number wide: 0x11.
    pub(super) const WIDE: Self = Self {
        wide: true,
        ..Self::WIDE_CELL
    };
    /// 4G devices'.
    pub(super) const LTE: Self = Self {
        lac: 4,
        cid: 8,
        ..Self::USUAL
    };
    /// SL4X: a wide network code, a short area, a long number.
    pub(super) const SL4X: Self = Self {
        wide: true,
        cid: 8,
        ..Self::USUAL
    };
    /// SL4X when it lists several.
    pub(super) const SL4X_LIST: Self = Self { cid: 4, ..Self::SL4X };
    /// 0x38, 0x39.
    pub(super) const TYPED: Self = Self {
        typed: true,
        ..Self::USUAL
    };
}

/// Reads country and network.
fn network(cursor: &mut Cursor<'_>, form: Form) -> Result<(u16, u16), Fault> {
    let mcc = cursor.u16("country code")?;
    let mnc = if form.wide || mcc & WIDE_NETWORK != 0 {
        cursor.u16("network code")?
    } else {
        u16::from(cursor.u8("network code")?)
    };
    Ok((mcc & !WIDE_NETWORK, mnc))
}

fn number(cursor: &mut Cursor<'_>, bytes: u8, what: &'static str) -> Result<u64, Fault> {
    let value = cursor.take(usize::from(bytes), what)?;
    Ok(value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn area_and_cell(cursor: &mut Cursor<'_>, form: Form) -> Result<(u32, u64), Fault> {
    let lac = number(cursor, form.lac, "area")?;
    let cid = number(cursor, form.cid, "cell")?;
    Ok((u32::try_from(lac).unwrap_or(u32::MAX), cid))
}

/// Reads the one cell of a position.
pub(super) fn cell(cursor: &mut Cursor<'_>, form: Form, extra: &mut Extra) -> Result<(), Fault> {
    let generation = if form.typed { cursor.u8("network")? } else { 0 };
    let form = if generation >= 3 {
        Form { lac: 4, cid: 8, ..form }
    } else {
        form
    };
    let (mcc, mnc) = network(cursor, form)?;
    let (lac, cid) = area_and_cell(cursor, form)?;
    if form.typed {
        cursor.take(if generation >= 3 { 2 } else { 1 }, "strength")?;
    }
    extra.cells.push(Cell {
        mcc,
        mnc,
        lac,
        cid,
        rssi: None,
    });
    Ok(())
}

/// Reads the one cell of a position with a length in front, 0 when there is none.
///
/// What a longer length adds is skipped as the reference server does it, unless `by_document`: the length is taken to count a network code
/// of one byte, so that with a wide one a byte of what follows is lost (`docs/protocols/gt06.md`, "Where the default follows the reference").
pub(super) fn counted_cell(
    cursor: &mut Cursor<'_>,
    form: Form,
    by_document: bool,
    extra: &mut Extra,
) -> Result<(), Fault> {
    let length = usize::from(cursor.u8("length of the cell")?);
    if length == 0 {
        // Some devices leave room for several cells all the same, nearly all zeros; without it, what stands here is not zero.
        let room = cursor.clone().rest().get(9..45).unwrap_or_default();
        if !room.is_empty() && room.iter().all(|byte| *byte == 0) {
            cursor.take(45, "room of the cells")?;
        }
        return Ok(());
    }
    if by_document {
        // The length counts itself.
        let counted = cursor.take((length - 1).min(cursor.left()), "cell")?;
        let lte = counted.len() > 12;
        return cell(&mut Cursor::new(counted), if lte { Form::LTE } else { form }, extra);
    }
    cell(cursor, form, extra)?;
    cursor.take(length.saturating_sub(9).min(cursor.left()), "rest of the cell")?;
    Ok(())
}

/// How a message lists cells and access points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) form: Form,
    /// How many cells; `None`: a byte says.
    pub(super) cells: Option<u8>,
    /// The timing advance stands in front, not behind.
    pub(super) advance_first: bool,
    /// It says whether the cells are of a 4G network: 0xA9.
    pub(super) says_lte: bool,
    pub(super) wifi: bool,
}

/// Reads a list of cells, and of access points where there is one.
pub(super) fn list(cursor: &mut Cursor<'_>, listing: Listing, extra: &mut Extra) -> Result<(), Fault> {
    if listing.advance_first {
        cursor.u8("timing advance")?;
    }
    let (mcc, mnc) = network(cursor, listing.form)?;
    let lte = listing.says_lte && cursor.u8("network")? > 0;
    let form = if lte { Form::LTE } else { listing.form };
    let count = match listing.cells {
        Some(count) => count,
        None => cursor.u8("number of cells")?,
    };
    for _ in 0..count {
        let (lac, cid) = area_and_cell(cursor, form)?;
        let rssi = -i16::from(cursor.u8("strength")?);
        if lac > 0 && extra.cells.len() < MAX_KEPT {
            extra.cells.push(Cell {
                mcc,
                mnc,
                lac,
                cid,
                rssi: Some(rssi),
            });
        }
    }
    if !listing.advance_first {
        cursor.u8("timing advance")?;
    }
    if listing.wifi {
        let count = cursor.u8("number of access points")?;
        for _ in 0..count {
            let point = access_point(cursor)?;
            let rssi = -i16::from(cursor.u8("strength")?);
            keep(extra, point, Some(rssi));
        }
    }
    Ok(())
}

/// Reads message 0xF3: a count, and for each access point two bytes and its address.
pub(super) fn wifi(cursor: &mut Cursor<'_>, extra: &mut Extra) -> Result<(), Fault> {
    for _ in 0..cursor.u8("number of access points")? {
        cursor.take(2, "channel")?;
        let point = access_point(cursor)?;
        keep(extra, point, None);
    }
    Ok(())
}

fn access_point(cursor: &mut Cursor<'_>) -> Result<[u8; 6], Fault> {
    let mut mac = [0; 6];
    mac.copy_from_slice(cursor.take(6, "access point")?);
    Ok(mac)
}

fn keep(extra: &mut Extra, mac: [u8; 6], rssi: Option<i16>) {
    if extra.wifi.len() < MAX_KEPT {
        extra.wifi.push(AccessPoint { mac, rssi });
    }
}
