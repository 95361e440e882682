//! What the server says.

use bytes::{BufMut, Bytes, BytesMut};

use super::{crc16, serial};

/// To a log-in: come in.
pub const WELCOME: Bytes = Bytes::from_static(&[1]);

/// To a log-in: go away.
pub const UNWELCOME: Bytes = Bytes::from_static(&[0]);

/// To a data frame: so many records are safe. A device sends again what is not.
pub fn records(count: u8) -> Bytes {
    Bytes::copy_from_slice(&u32::from(count).to_be_bytes())
}

/// To a datagram: so many records of this AVL packet are safe.
///
/// The packet id is 0, as the reference server has it: devices go by the AVL packet's.
pub fn datagram(avl_packet: u8, count: u8) -> Bytes {
    Bytes::copy_from_slice(&[0, 5, 0, 0, 1, avl_packet, count])
}

/// A Codec 12 command.
pub fn command(text: &str) -> Bytes {
    frame(&serial::write(serial::COMMAND, text.as_bytes()))
}

/// Puts data between preamble, length and checksum.
pub fn frame(data: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(data.len() + super::frame::OVERHEAD);
    frame.put_u32(0);
    frame.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
    frame.put_slice(data);
    frame.put_u32(crc16(data).into());
    frame.freeze()
}
