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

/// What makes a copy of a report the same report: its sequence number, and its time, because a device that was reset counts from 1 again.
pub fn natural_key(sequence: u64, fix_time_us: i64) -> [u8; 16] {
    let mut key = [0; 16];
    let (first, second) = key.split_at_mut(8);
    first.copy_from_slice(&sequence.to_be_bytes());
    second.copy_from_slice(&fix_time_us.to_be_bytes());
    key
}
