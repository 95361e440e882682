//! Homeward's own protocol: a 4-byte big-endian length and one protobuf message of `proto/homeward/v1/device.proto`.

pub mod client;
pub mod frame;
pub mod gateway;
pub mod handshake;

pub use frame::{Framer, Item, MAX_FRAME_BYTES, Malformed, to_wire};

/// The version of the protocol that a hello names.
pub const VERSION: u32 = 1;

/// The version whose proof is bound to the TLS connection: one that is relayed over another connection proves nothing.
pub const BOUND_VERSION: u32 = 2;

/// Most reports that a device may put into one batch; the welcome says it.
pub const MAX_BATCH: u32 = 256;
