//! What the server answers.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;

use super::{frame::Package, id};

/// Version of the protocol that a log-in is answered with.
const VERSION: u16 = 1;

/// Nothing is asked of the device after its log-in.
const NO_ACTION: u8 = 0;

/// The answer to a package: its identifier and number, and after a log-in the server's time. Old positions and data have none.
pub(super) fn accepting(package: &Package, now: Timestamp) -> Option<Package> {
    let content = match package.id {
        id::GPS | id::DATA => return None,
        id::LOGIN => {
            let mut content = BytesMut::with_capacity(7);
            content.put_u32(u32::try_from(now.as_second()).unwrap_or_default());
            content.put_u16(VERSION);
            content.put_u8(NO_ACTION);
            content.freeze()
        }
        _ => Bytes::new(),
    };
    Some(Package {
        id: package.id,
        sequence: package.sequence,
        content,
    })
}
