//! The envelope of UDP: length, packet id, AVL packet id and the identity around a frame's data. No checksum: UDP has one.

use bytes::{BufMut, Bytes, BytesMut};

use super::{codec, frame, reader::Reader};
use crate::Fault;

/// Length, packet id, type, AVL packet id, length of the identity.
const HEAD: usize = 8;

/// What stands between the packet id and the AVL packet id.
const TYPE: u8 = 0x01;

/// A datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Datagram<'a> {
    pub(super) avl_packet: u8,
    pub(super) identity: &'a str,
    /// From the codec's id to the second count.
    pub(super) data: &'a [u8],
}

/// Whom a datagram names, when it is one.
pub(super) fn identity(bytes: &[u8]) -> Option<&str> {
    let mut reader = Reader::new(bytes);
    reader.u32()?;
    if reader.u8()? != TYPE {
        return None;
    }
    reader.u8()?;
    let size = reader.u16()?;
    let identity = frame::identity(reader.take(size.into())?)?;
    reader.u8().filter(|id| codec::KNOWN.contains(id)).map(|_| identity)
}

/// Reads a datagram, whose length must be right.
pub(super) fn read(bytes: &[u8]) -> Result<Datagram<'_>, Fault> {
    let identity = identity(bytes).ok_or(Fault::Garbage { size: bytes.len() })?;
    let mut reader = Reader::new(bytes);
    let (length, left) = (reader.u16().map(usize::from), reader.rest().len());
    let Some(length) = length.filter(|length| *length == left) else {
        return Err(Fault::Range {
            what: "length",
            value: format!("{}, with {left} bytes after it", length.unwrap_or_default()),
        });
    };
    let fields = (reader.take(3), reader.u8(), reader.take(2 + identity.len()));
    let (Some(_), Some(avl_packet), Some(_)) = fields else {
        return Err(Fault::Truncated {
            what: "envelope",
            needed: HEAD + identity.len(),
            at: 0,
            left: length,
        });
    };
    Ok(Datagram {
        avl_packet,
        identity,
        data: reader.rest(),
    })
}

/// Puts a frame's data into a datagram.
pub(super) fn write(packet: u16, avl_packet: u8, identity: &str, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEAD + identity.len() + data.len());
    out.put_u16(u16::try_from(HEAD - 2 + identity.len() + data.len()).unwrap_or(u16::MAX));
    out.put_u16(packet);
    out.put_u8(TYPE);
    out.put_u8(avl_packet);
    out.put_u16(u16::try_from(identity.len()).unwrap_or(u16::MAX));
    out.put_slice(identity.as_bytes());
    out.put_slice(data);
    out.freeze()
}
