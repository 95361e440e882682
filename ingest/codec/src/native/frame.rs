//! Frames of the native protocol.

use std::{io, marker::PhantomData};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tokio_util::codec::Decoder;

use crate::Fault;

/// Most bytes of a message.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;

const LENGTH_BYTES: usize = 4;

/// Most bytes of room made at a time.
const RESERVED_BYTES: usize = 4_096;

/// Bytes that are kept to be looked at of what ends a stream.
const KEPT_BYTES: usize = 4_096;

/// Writes a message as a frame.
pub fn to_wire(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut wire = BytesMut::with_capacity(LENGTH_BYTES + length);
    wire.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    wire.put_slice(&message.encode_to_vec());
    wire.freeze()
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why.
    pub fault: Fault,
    /// As on the wire, length included: a frame that cannot be read is whole; of what ends a stream, at most the first 4 KiB.
    pub raw: Bytes,
    /// Nothing after it can be found: the session is to be closed.
    pub fatal: bool,
}

/// What a [`Framer`] finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<M> {
    /// A message.
    Frame(M),
    /// Something else.
    Malformed(Malformed),
}

/// Finds frames in a stream: of a device (`Framer<DeviceFrame>`) or of a gateway (`Framer<GatewayFrame>`).
///
/// A length beyond [`MAX_FRAME_BYTES`] is refused before anything is allocated for it. Lengths have no mark to find them again
/// by, so it also ends the stream: all bytes after it are dropped.
#[derive(Debug)]
pub struct Framer<M> {
    lost: bool,
    message: PhantomData<fn() -> M>,
}

impl<M> Default for Framer<M> {
    fn default() -> Self {
        Self {
            lost: false,
            message: PhantomData,
        }
    }
}

impl<M> crate::Held for Framer<M> {}

impl<M: Message + Default> Decoder for Framer<M> {
    type Item = Item<M>;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Item<M>>, io::Error> {
        if self.lost {
            source.clear();
            return Ok(None);
        }
        let Some(length) = source.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            self.lost = true;
            let fault = Fault::Oversize {
                size: length,
                limit: MAX_FRAME_BYTES,
            };
            let raw = source.split_to(source.len().min(KEPT_BYTES)).freeze();
            source.clear();
            return Ok(Some(Item::Malformed(Malformed {
                fault,
                raw,
                fatal: true,
            })));
        }
        if source.len() < LENGTH_BYTES + length {
            // A length is only a claim: room for it is made as its bytes come.
            source.reserve((LENGTH_BYTES + length - source.len()).min(RESERVED_BYTES));
            return Ok(None);
        }
        let message = M::decode(source.get(LENGTH_BYTES..LENGTH_BYTES + length).unwrap_or_default());
        Ok(Some(match message {
            Ok(message) => {
                source.advance(LENGTH_BYTES + length);
                Item::Frame(message)
            }
            Err(error) => {
                let raw = source.split_to(LENGTH_BYTES + length);
                Item::Malformed(Malformed {
                    fault: Fault::Protobuf(error.to_string()),
                    raw: raw.freeze(),
                    fatal: false,
                })
            }
        }))
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Item<M>>, io::Error> {
        if let Some(item) = self.decode(source)? {
            return Ok(Some(item));
        }
        if source.is_empty() {
            return Ok(None);
        }
        self.lost = true;
        let raw = source.split_to(source.len().min(KEPT_BYTES)).freeze();
        source.clear();
        let fault = Fault::Incomplete("frame shorter than its length says");
        Ok(Some(Item::Malformed(Malformed {
            fault,
            raw,
            fatal: true,
        })))
    }
}
