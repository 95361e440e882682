//! Commands to devices: a text in 0x80.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Frame, kind};

/// The frame of a command; `reference` comes back as the server flag of the answer. `None`: the text is too long for a frame.
pub(super) fn frame(text: &str, reference: u32, serial: u16) -> Option<Bytes> {
    let length = u8::try_from(text.len() + 4).ok()?;
    let mut content = BytesMut::with_capacity(text.len() + 5);
    content.put_u8(length);
    content.put_u32(reference);
    content.put_slice(text.as_bytes());
    let frame = Frame {
        long: false,
        kind: kind::COMMAND,
        content: &content,
        serial,
    };
    // The short form has no room for more.
    (content.len() <= 250).then(|| frame.to_wire())
}
