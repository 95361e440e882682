//! JT/T 808: the Chinese standard for vehicle terminals, also spoken by many personal trackers and ankle monitors.
//!
//! Sections in comments are those of JT/T 808-2013; "2019" names what JT/T 808-2019 changed. What the standard leaves to
//! vendors follows what such devices are known to send (see `docs/protocols.md`).
//!
//! The way of a frame: [`Framer`] → [`Frame::parse`] → [`Assembler`] (sub-packages) → [`decode_body`] → [`reply`].

mod assemble;
pub mod body;
pub mod command;
pub mod frame;
pub mod header;
mod items;
mod location;
pub mod reply;
pub mod terminal;
pub mod time;

pub use assemble::{Assembled, Assembler, Missing};
pub use body::{Content, decode_body, decode_body_with};
pub use frame::{Delimiter, Frame, Framer, Item, Malformed};
pub use header::{Header, Phone, Variant};

/// Message ids, as the standard numbers them.
pub mod id {
    /// Terminal's general answer (8.1).
    pub const TERMINAL_ANSWER: u16 = 0x0001;
    /// Request for sub-packages that did not come (8.4).
    pub const MISSING: u16 = 0x8003;
    /// Heartbeat (8.3).
    pub const HEARTBEAT: u16 = 0x0002;
    /// Terminal logs out (8.7).
    pub const LOGOUT: u16 = 0x0003;
    /// Request for the server's time (2019; its section was counted, not read: 8.4).
    pub const TIME_QUERY: u16 = 0x0004;
    /// Registration (8.5).
    pub const REGISTER: u16 = 0x0100;
    /// Authentication (8.8).
    pub const AUTHENTICATE: u16 = 0x0102;
    /// Answer to a query of parameters (8.12).
    pub const PARAMETERS: u16 = 0x0104;
    /// Answer to a query of attributes (8.15).
    pub const ATTRIBUTES: u16 = 0x0107;
    /// Request for the time (vendors').
    pub const TIME_REQUEST: u16 = 0x0109;
    /// Position report (8.18).
    pub const LOCATION: u16 = 0x0200;
    /// Answer to a position query (8.20): the query's serial, then a position report.
    pub const LOCATION_ANSWER: u16 = 0x0201;
    /// Batch with one-byte lengths, or a heartbeat of 7 bytes (vendors').
    pub const BATCH_SHORT: u16 = 0x0210;
    /// Heartbeat (vendors').
    pub const HEARTBEAT_2: u16 = 0x0506;
    /// Text result of a command (vendors' use).
    pub const COMMAND_RESULT: u16 = 0x0701;
    /// Driver's identity.
    pub const DRIVER: u16 = 0x0702;
    /// Batch of position reports (8.49).
    pub const BATCH: u16 = 0x0704;
    /// Transparent data to the platform.
    pub const TRANSPARENT: u16 = 0x0900;
    /// Time zone request (vendors').
    pub const TIME_ZONE: u16 = 0x1007;
    /// Answer to a text message (vendors').
    pub const TEXT_ANSWER: u16 = 0x1300;
    /// Accelerations (vendors').
    pub const ACCELERATION: u16 = 0x2070;
    /// Compact position report of locks (vendors').
    pub const COMPACT: u16 = 0x5501;
    /// The same, without a fix.
    pub const COMPACT_BLIND: u16 = 0x5502;
    /// Text message (vendors').
    pub const TEXT: u16 = 0x6006;
    /// Photo (vendors').
    pub const PHOTO: u16 = 0x8888;
    /// Platform sets parameters (8.9).
    pub const SET_PARAMETERS: u16 = 0x8103;
    /// Platform asks for the position (8.19).
    pub const LOCATION_QUERY: u16 = 0x8201;
    /// Platform wants reports more often for a while (8.21).
    pub const TRACKING: u16 = 0x8202;
    /// Platform sends a text (8.23).
    pub const TEXT_DOWN: u16 = 0x8300;
    /// Platform's general answer (8.2).
    pub const PLATFORM_ANSWER: u16 = 0x8001;
    /// Answer to a request for the server's time (2019).
    pub const TIME_QUERY_ANSWER: u16 = 0x8004;
    /// Answer to a registration (8.6).
    pub const REGISTERED: u16 = 0x8100;
    /// Answer to a request for the time (vendors').
    pub const TIME_ANSWER: u16 = 0x8109;
    /// Platform's answer to the compact reports (vendors').
    pub const COMPACT_ANSWER: u16 = 0x4401;
}
