//! Device protocols: bytes to reports, and replies to bytes.
//!
//! Pure: no socket, no clock, no randomness. A protocol is a module with
//! - a framer over `tokio_util::codec::Decoder` that turns any bytes into frames and faults, never panics, never stalls and
//!   never holds more than a fixed number of bytes;
//! - a decoder from a frame to [`Message`]s in our words;
//! - builders of the replies, and of a device's own frames for the simulator and the tests.
//!
//! [`decode`] is the library behind `homeward decode`; [`normalize`] makes a stream record of a report.

pub mod checksum;
mod command;
pub mod cursor;
pub mod decode;
pub mod eelink;
mod fault;
pub mod gt06;
pub mod jt808;
mod message;
pub mod native;
pub mod normalize;
mod profile;
mod talk;
pub mod teltonika;
mod words;

use std::fmt;

pub use command::{BadCommand, Command, MAX_INTERVAL_S, MAX_TEXT_CHARS, MIN_INTERVAL_S};
pub use decode::{decode_line, decode_lines};
pub use fault::Fault;
pub use message::{
    AccessPoint, Authenticate, Cell, Decoded, Extra, Fix, Heartbeat, Message, Register, Rejected, Report,
};
pub use profile::{Profile, ProfileError, Profiles};
pub use talk::{Clock, Held, Malformed, Piece, Talk, Unsupported};
pub use words::{alarm_name, parse_alarm};

/// A device protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Homeward's own: length-delimited protobuf (`proto/homeward/v1/device.proto`).
    Native,
    /// JT/T 808-2011, -2013 and -2019.
    Jt808,
    /// Teltonika: Codec 8, 8 extended, 16; Codec 12 for commands.
    Teltonika,
    /// GT06 (Concox, Jimi).
    Gt06,
    /// Eelink.
    Eelink,
}

impl Protocol {
    /// All that are implemented.
    pub const ALL: [Self; 5] = [Self::Native, Self::Jt808, Self::Teltonika, Self::Gt06, Self::Eelink];

    /// Finds a protocol by the name used on command lines and in the case database.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == name)
    }

    /// The name used on command lines and in the case database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Jt808 => "jt808",
            Self::Teltonika => "teltonika",
            Self::Gt06 => "gt06",
            Self::Eelink => "eelink",
        }
    }

    /// The value in a stream record.
    pub const fn wire(self) -> proto::wire::Protocol {
        match self {
            Self::Native => proto::wire::Protocol::Native,
            Self::Jt808 => proto::wire::Protocol::Jt808,
            Self::Teltonika => proto::wire::Protocol::Teltonika,
            Self::Gt06 => proto::wire::Protocol::Gt06,
            Self::Eelink => proto::wire::Protocol::Eelink,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
