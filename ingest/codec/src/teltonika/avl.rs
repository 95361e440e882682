//! Records of Codec 8, 8 extended and 16.

use bytes::{BufMut, Bytes, BytesMut};

use super::{codec::Layout, reader::Reader};

/// The fixed part of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// 0 low, 1 high, 2 panic.
    pub priority: u8,
    /// Ten-millionths of a degree, east positive.
    pub longitude: i32,
    /// Ten-millionths of a degree, north positive.
    pub latitude: i32,
    /// Metres.
    pub altitude: i16,
    /// Degrees from north.
    pub course: u16,
    /// Used in the fix; 0: there is none.
    pub satellites: u8,
    /// Kilometres an hour.
    pub speed: u16,
    /// The element that made the record; 0: none.
    pub event: u16,
    /// Why the record was made (Codec 16).
    pub generation: u8,
}

impl Head {
    #[inline]
    pub(super) fn read(reader: &mut Reader<'_>, layout: Layout) -> Option<Self> {
        let fixed: &[u8; 24] = reader.array()?;
        let mut fixed = Reader::new(fixed);
        Some(Self {
            time_ms: u64::from_be_bytes(*fixed.array()?),
            priority: fixed.u8()?,
            longitude: i32::from_be_bytes(*fixed.array()?),
            latitude: i32::from_be_bytes(*fixed.array()?),
            altitude: i16::from_be_bytes(*fixed.array()?),
            course: fixed.u16()?,
            satellites: fixed.u8()?,
            speed: fixed.u16()?,
            event: reader.narrow_or_wide(layout.wide_ids)?,
            generation: if layout.generation { reader.u8()? } else { 0 },
        })
    }

    fn write(&self, layout: Layout, out: &mut BytesMut) {
        out.put_u64(self.time_ms);
        out.put_u8(self.priority);
        out.put_i32(self.longitude);
        out.put_i32(self.latitude);
        out.put_i16(self.altitude);
        out.put_u16(self.course);
        out.put_u8(self.satellites);
        out.put_u16(self.speed);
        put(out, self.event, layout.wide_ids);
        if layout.generation {
            out.put_u8(self.generation);
        }
    }
}

/// Visits the elements of a record; `None` when they end before they should.
#[inline]
pub(super) fn elements<'a>(
    reader: &mut Reader<'a>,
    layout: Layout,
    mut visit: impl FnMut(u16, &'a [u8]),
) -> Option<()> {
    reader.narrow_or_wide(layout.extended)?; // how many in all: says nothing that the others do not
    for size in [1, 2, 4, 8, 16] {
        if size == 16 && !layout.sixteen {
            break;
        }
        for _ in 0..reader.narrow_or_wide(layout.extended)? {
            let id = reader.narrow_or_wide(layout.wide_ids)?;
            visit(id, reader.take(size)?);
        }
    }
    if layout.extended {
        for _ in 0..reader.u16()? {
            let (id, size) = (reader.u16()?, reader.u16()?);
            visit(id, reader.take(usize::from(size))?);
        }
    }
    Some(())
}

/// A record as it stands on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The fixed part.
    pub head: Head,
    /// In the order of the wire: by size, those of any length last.
    pub elements: Vec<(u16, Bytes)>,
}

impl Record {
    /// Writes it. Elements come in groups of one size; those whose id or length the layout has no room for are left out.
    pub fn write(&self, layout: Layout, out: &mut BytesMut) {
        self.head.write(layout, out);
        let fits = |id: u16| layout.wide_ids || id < 256;
        let fixed = |size: usize| {
            let elements = self.elements.iter();
            elements.filter(move |(id, value)| value.len() == size && fits(*id))
        };
        let sizes: &[usize] = if layout.sixteen {
            &[1, 2, 4, 8, 16]
        } else {
            &[1, 2, 4, 8]
        };
        let free = self.elements.iter().filter(|(_, value)| !sizes.contains(&value.len()));
        let free_count = if layout.extended { free.clone().count() } else { 0 };
        let total = sizes.iter().map(|size| fixed(*size).count()).sum::<usize>() + free_count;
        put_count(out, total, layout.extended);
        for size in sizes {
            put_count(out, fixed(*size).count(), layout.extended);
            for (id, value) in fixed(*size) {
                put(out, *id, layout.wide_ids);
                out.put_slice(value);
            }
        }
        if layout.extended {
            put_count(out, free_count, true);
            for (id, value) in free {
                out.put_u16(*id);
                put_count(out, value.len(), true);
                out.put_slice(value);
            }
        }
    }

    /// Reads the records of a frame's data (codec to second count); `None` when they are not all there, exactly.
    pub fn read_all(data: &[u8], layout: Layout) -> Option<Vec<Self>> {
        let mut reader = Reader::new(data);
        reader.u8()?;
        let count = reader.u8()?;
        let mut records = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let head = Head::read(&mut reader, layout)?;
            let mut read = Vec::new();
            elements(&mut reader, layout, |id, value| {
                read.push((id, Bytes::copy_from_slice(value)));
            })?;
            records.push(Self { head, elements: read });
        }
        (reader.rest() == [count]).then_some(records)
    }

    /// Writes a frame's data: codec, count, records, count. At most 255 records.
    pub fn write_all(codec: u8, layout: Layout, records: &[Self]) -> Bytes {
        let mut data = BytesMut::with_capacity(64 * records.len() + 3);
        let records = records.get(..records.len().min(255)).unwrap_or_default();
        let count = u8::try_from(records.len()).unwrap_or(u8::MAX);
        data.put_u8(codec);
        data.put_u8(count);
        for record in records {
            record.write(layout, &mut data);
        }
        data.put_u8(count);
        data.freeze()
    }
}

fn put(out: &mut BytesMut, value: u16, wide: bool) {
    if wide {
        out.put_u16(value);
    } else {
        out.put_u8(u8::try_from(value).unwrap_or_default());
    }
}

fn put_count(out: &mut BytesMut, count: usize, wide: bool) {
    put(out, u16::try_from(count).unwrap_or(u16::MAX), wide);
}
