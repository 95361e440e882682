//! Why bytes are no message.

/// What is wrong with a frame or with a part of it.
///
/// Every text starts with the reason's label and a colon, so that a reader of `homeward decode` and a metric use one word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The checksum does not match the bytes.
    #[error("checksum: expected 0x{expected:02x}, got 0x{got:02x}")]
    Checksum {
        /// Computed from the bytes.
        expected: u16,
        /// Found in the frame.
        got: u16,
    },
    /// An escape byte is followed by neither of its two codes.
    #[error("escape: 0x{lead:02x} followed by 0x{next:02x} at byte {at}")]
    Escape {
        /// The escape byte.
        lead: u8,
        /// What follows it.
        next: u8,
        /// Offset in the frame as on the wire, after the delimiter.
        at: usize,
    },
    /// A field reaches beyond the end.
    #[error("truncated: {what} needs {needed} bytes at byte {at}, {left} left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Bytes it needs.
        needed: usize,
        /// Where it begins.
        at: usize,
        /// Bytes that are there.
        left: usize,
    },
    /// A frame is longer than the protocol allows.
    #[error("oversize: frame of {size} bytes exceeds the {limit} allowed")]
    Oversize {
        /// Announced or reached size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Bytes between frames that belong to none.
    #[error("garbage: {size} bytes outside a frame")]
    Garbage {
        /// How many.
        size: usize,
    },
    /// The bytes end before the frame does.
    #[error("incomplete: {0}")]
    Incomplete(&'static str),
    /// The body is encrypted, and no key is known.
    #[error("encrypted: properties 0x{properties:04x}, the body is not readable")]
    Encrypted {
        /// The header's property word.
        properties: u16,
    },
    /// A value is outside its range.
    #[error("range: {what} is {value}")]
    Range {
        /// The field.
        what: &'static str,
        /// Its value.
        value: String,
    },
    /// A protobuf message cannot be read.
    #[error("protobuf: {0}")]
    Protobuf(String),
    /// A text is no hexadecimal.
    #[error("hex: {0}")]
    Hex(String),
    /// A sub-package contradicts those before it, or more are open than a session may have.
    #[error("package: {0}")]
    Package(String),
}

impl Fault {
    /// The label of the reason; few, for metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Checksum { .. } => "checksum",
            Self::Escape { .. } => "escape",
            Self::Truncated { .. } => "truncated",
            Self::Oversize { .. } => "oversize",
            Self::Garbage { .. } => "garbage",
            Self::Incomplete(_) => "incomplete",
            Self::Encrypted { .. } => "encrypted",
            Self::Range { .. } => "range",
            Self::Protobuf(_) => "protobuf",
            Self::Hex(_) => "hex",
            Self::Package(_) => "package",
        }
    }
}
