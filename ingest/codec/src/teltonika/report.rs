//! From records to reports.

use bytes::Bytes;
use jiff::Timestamp;
use proto::wire::FixSource;

use super::{
    avl::{self, Head},
    codec::{self, Layout},
    reader::Reader,
};
use crate::{Cell, Fault, Fix, Message, Profile, Rejected, Report, normalize::in_range};

/// Id under which a profile sees a record's priority, when it is not 0: one byte, 1 high, 2 panic.
pub const PRIORITY: u32 = 0x1_0001;

/// Id under which the element that made a record is kept among the items: two bytes.
pub const EVENT: u32 = 0x1_0000;

/// What ids of the GH series are increased by, because they mean something else there.
pub const GH3000_IDS: u32 = 0x7_0000;

/// The GH series' clock begins in 2007.
const GH3000_EPOCH: i64 = 1_167_609_600;

/// What came of the records of a frame.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) messages: Vec<Message>,
    pub(super) rejected: Vec<Rejected>,
    /// Everything up to the last byte was read.
    complete: bool,
}

/// Reads the records of a frame. `frame` is what `data` lies in. Also one without a single good record is to be acknowledged: its
/// checksum is right, so it would come again as it is, for ever, and nothing behind it would.
pub(super) fn read(frame: &Bytes, data: &[u8], profile: &Profile) -> Result<Records, Fault> {
    let mut reader = Reader::new(data);
    let (Some(id), Some(count)) = (reader.u8(), reader.u8()) else {
        return Err(Fault::Incomplete("no codec and count"));
    };
    let records = if let Some(layout) = Layout::of(id) {
        let as_it_stands = records(reader, count, |reader| standard(reader, layout, frame, profile));
        if as_it_stands.complete {
            as_it_stands
        } else {
            let layout = Layout {
                sixteen: true,
                ..layout
            };
            let with_sixteen = records(reader, count, |reader| standard(reader, layout, frame, profile));
            if with_sixteen.complete {
                with_sixteen
            } else {
                as_it_stands
            }
        }
    } else {
        records(reader, count, |reader| gh3000(reader, frame, profile))
    };
    Ok(records)
}

/// A record: its report, and what is wrong with its position.
struct One {
    report: Box<Report>,
    fault: Option<Fault>,
}

fn records<'a>(
    mut reader: Reader<'a>,
    count: u8,
    one: impl Fn(&mut Reader<'a>) -> Option<Result<One, Fault>>,
) -> Records {
    let mut records = Records {
        messages: Vec::with_capacity(usize::from(count)),
        ..Records::default()
    };
    let reject = |index: u8, fault: &Fault| Rejected {
        index: index.into(),
        sequence: 0,
        reason: fault.to_string(),
    };
    for index in 0..count {
        let before = reader;
        match one(&mut reader) {
            Some(Ok(One { report, fault })) => {
                records.messages.push(Message::Report(report));
                records.rejected.extend(fault.map(|fault| reject(index, &fault)));
            }
            Some(Err(fault)) => records.rejected.push(reject(index, &fault)),
            None => {
                // Where it ends is unknown, and so is where the others begin.
                let (left, lost) = (before.rest().len(), count - index);
                records.rejected.push(Rejected {
                    index: index.into(),
                    sequence: 0,
                    reason: format!(
                        "truncated: record needs more than the {left} bytes left; {lost} of {count} records lost"
                    ),
                });
                return records;
            }
        }
    }
    match reader.rest() {
        [_] => records.complete = true,
        rest => {
            let fault = Fault::Garbage { size: rest.len() };
            records.rejected.push(reject(count, &fault));
        }
    }
    records
}

/// A record of Codec 8, 8 extended or 16. `None`: it is not all there.
#[inline]
fn standard(reader: &mut Reader<'_>, layout: Layout, frame: &Bytes, profile: &Profile) -> Option<Result<One, Fault>> {
    let bytes = reader.rest();
    let head = Head::read(reader, layout)?;
    let (fix, fault) = position(&head);
    // The time may turn out to be impossible, but where the next record begins is found by reading on.
    let time = i64::try_from(head.time_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let mut report = Box::new(Report::new(time.unwrap_or_default(), Bytes::new()));
    report.fix = fix;
    let mut radio = Radio::default();
    avl::elements(reader, layout, |id, value| {
        radio.read(id, value);
        if !profile.item(id.into(), value, &mut report) {
            keep(&mut report, id.into(), value, frame);
        }
        if id == head.event {
            profile.event(id.into(), value, &mut report);
        }
    })?;
    report.extra.cells.extend(radio.cell());
    if head.event != 0 {
        let id = Bytes::copy_from_slice(&head.event.to_be_bytes());
        report.extra.items.push((EVENT, id));
    }
    if head.priority != 0 && !profile.item(PRIORITY, &[head.priority], &mut report) {
        let priority = Bytes::copy_from_slice(&[head.priority]);
        report.extra.items.push((PRIORITY, priority));
    }
    report.natural_key = slice(frame, bytes, bytes.len() - reader.rest().len());
    Some(match time {
        Some(_) => Ok(One { report, fault }),
        None => Err(Fault::Range {
            what: "time",
            value: head.time_ms.to_string(),
        }),
    })
}

/// Elements that name the serving cell, the same for all of the maker's devices.
#[derive(Debug, Clone, Copy, Default)]
struct Radio {
    /// Number of the cell, of two bytes or, in 3G and 4G networks, of four.
    cell: Option<u64>,
    wide_cell: Option<u64>,
    area: Option<u32>,
    /// Country and network code as decimal digits: 46000, 310410.
    operator: Option<u32>,
}

impl Radio {
    #[inline]
    fn read(&mut self, id: u16, value: &[u8]) {
        let two = || value.try_into().ok().map(u16::from_be_bytes);
        let four = || value.try_into().ok().map(u32::from_be_bytes);
        match id {
            205 => self.cell = two().map(u64::from),
            206 => self.area = two().map(u32::from),
            241 => self.operator = four(),
            636 => self.wide_cell = four().map(u64::from),
            _ => {}
        }
    }

    fn cell(self) -> Option<Cell> {
        let (mcc, mnc) = network(self.operator?);
        Some(Cell {
            mcc,
            mnc,
            lac: self.area?,
            cid: self.wide_cell.filter(|cell| *cell != 0).or(self.cell)?,
            rssi: None,
        })
    }
}

/// Country and network code; the network's has three digits where there are six in all.
fn network(operator: u32) -> (u16, u16) {
    let part = if operator < 100_000 { 100 } else { 1_000 };
    let code = |value: u32| u16::try_from(value).unwrap_or_default();
    (code(operator / part), code(operator % part))
}

fn position(head: &Head) -> (Option<Fix>, Option<Fault>) {
    let latitude = in_range(f64::from(head.latitude) / 1e7, 90.0, "latitude");
    let longitude = in_range(f64::from(head.longitude) / 1e7, 180.0, "longitude");
    match (latitude, longitude) {
        (Ok(latitude), Ok(longitude)) => {
            let mut fix = Fix::new(head.satellites != 0, latitude, longitude);
            fix.altitude_m = Some(head.altitude.into());
            fix.speed_kmh = Some(head.speed.into());
            fix.course_deg = Some(head.course.into());
            fix.satellites = Some(head.satellites.into());
            (Some(fix), None)
        }
        // What else the record says, an alarm perhaps, is good all the same.
        (Err(fault), _) | (_, Err(fault)) => (None, Some(fault)),
    }
}

/// A record of the GH series: what there is stands in masks. `None`: it is not all there.
fn gh3000(reader: &mut Reader<'_>, frame: &Bytes, profile: &Profile) -> Option<Result<One, Fault>> {
    let bytes = reader.rest();
    let seconds = i64::from(reader.u32()? & 0x3fff_ffff) + GH3000_EPOCH; // above: the priority
    let Ok(time) = Timestamp::from_second(seconds) else {
        return Some(Err(Fault::Range {
            what: "time",
            value: seconds.to_string(),
        }));
    };
    let mut report = Box::new(Report::new(time, Bytes::new()));
    let mask = reader.u8()?;
    let fault = if mask & 1 == 1 {
        gh3000_position(reader, &mut report)?.err()
    } else {
        None
    };
    for (bit, size) in [(1, 1), (2, 2), (3, 4)] {
        if mask >> bit & 1 == 0 {
            continue;
        }
        for _ in 0..reader.u8()? {
            let id = GH3000_IDS | u32::from(reader.u8()?);
            let value = reader.take(size)?;
            if !profile.item(id, value, &mut report) {
                keep(&mut report, id, value, frame);
            }
        }
    }
    report.natural_key = slice(frame, bytes, bytes.len() - reader.rest().len());
    Some(Ok(One { report, fault }))
}

/// `None`: it is not all there.
fn gh3000_position(reader: &mut Reader<'_>, report: &mut Report) -> Option<Result<(), Fault>> {
    let mask = reader.u8()?;
    let has = |bit: u8| mask >> bit & 1 == 1;
    let single = |reader: &mut Reader<'_>| Some(f64::from(f32::from_bits(reader.u32()?)));
    let (latitude, longitude) = if has(0) {
        (single(reader)?, single(reader)?)
    } else {
        (0.0, 0.0)
    };
    // Valid, as the reference has it: nobody is judged at 0, 0.
    let mut fix = Fix::new(true, latitude, longitude);
    if !has(0) {
        fix.source = FixSource::Unspecified;
    }
    if has(1) {
        fix.altitude_m = Some(reader.u16()?.into());
    }
    if has(2) {
        fix.course_deg = Some(f64::from(reader.u8()?) * 360.0 / 256.0);
    }
    if has(3) {
        fix.speed_kmh = Some(reader.u8()?.into());
    }
    if has(4) {
        fix.satellites = Some(reader.u8()?.into());
    }
    let mut cell = None;
    if has(5) {
        cell = Some(Cell {
            lac: reader.u16()?.into(),
            cid: reader.u16()?.into(),
            ..Cell::default()
        });
    }
    if has(6) {
        report.extra.signal = Some(reader.u8()?);
    }
    if has(7) {
        let operator = reader.u32()?;
        if let Some(cell) = &mut cell {
            (cell.mcc, cell.mnc) = network(operator);
        }
    }
    report.extra.cells.extend(cell);
    let fault = in_range(latitude, 90.0, "latitude").and_then(|_| in_range(longitude, 180.0, "longitude"));
    if fault.is_ok() {
        report.fix = Some(fix);
    }
    Some(fault.map(|_| ()))
}

fn keep(report: &mut Report, id: u32, value: &[u8], frame: &Bytes) {
    report.extra.items.push((id, frame.slice_ref(value)));
}

/// The first `size` of `bytes`, which lie in `frame`.
fn slice(frame: &Bytes, bytes: &[u8], size: usize) -> Bytes {
    bytes
        .get(..size)
        .map(|bytes| frame.slice_ref(bytes))
        .unwrap_or_default()
}

/// True for the codecs whose frames hold records.
pub(super) const fn is_records(id: u8) -> bool {
    id == codec::GH3000 || Layout::of(id).is_some()
}
