//! What the platform answers.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::{Timestamp, tz::TimeZone};

use super::{Frame, Header, Missing, id};

/// Result of a general answer (8.2, table 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done: the device may forget the message.
    Success,
    /// Not done.
    Failure,
    /// The message is wrong.
    Wrong,
    /// The message is not supported.
    Unsupported,
}

impl Outcome {
    const fn byte(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Wrong => 2,
            Self::Unsupported => 3,
        }
    }
}

/// Result of a registration (8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Done; the code follows.
    Success,
    /// The vehicle has a terminal already.
    VehicleRegistered,
    /// There is no such vehicle.
    NoVehicle,
    /// The terminal is registered already.
    TerminalRegistered,
    /// There is no such terminal.
    NoTerminal,
}

impl Registration {
    const fn byte(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::VehicleRegistered => 1,
            Self::NoVehicle => 2,
            Self::TerminalRegistered => 3,
            Self::NoTerminal => 4,
        }
    }
}

/// How a message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Not at all: it is an answer itself, or wants none.
    None,
    /// 0x8001.
    General,
    /// 0x8100.
    Registered,
    /// 0x8004 or 0x8109.
    Time,
    /// 0x4401.
    Compact,
    /// 0x8001 with "not supported".
    Unsupported,
}

/// Says how a message is answered.
pub fn kind(header: &Header) -> Kind {
    match header.id {
        id::COMPACT | id::COMPACT_BLIND if header.wants_compact_answer() => Kind::Compact,
        id::REGISTER => Kind::Registered,
        id::TIME_REQUEST | id::TIME_QUERY => Kind::Time,
        id::HEARTBEAT
        | id::HEARTBEAT_2
        | id::LOGOUT
        | id::AUTHENTICATE
        | id::ATTRIBUTES
        | id::LOCATION
        | id::BATCH
        | id::BATCH_SHORT
        | id::TRANSPARENT
        | id::TIME_ZONE
        | id::TEXT
        | id::PHOTO => Kind::General,
        id::TERMINAL_ANSWER
        | id::PARAMETERS
        | id::LOCATION_ANSWER
        | id::COMMAND_RESULT
        | id::DRIVER
        | id::TEXT_ANSWER
        | id::ACCELERATION
        | id::COMPACT
        | id::COMPACT_BLIND => Kind::None,
        _ => Kind::Unsupported,
    }
}

/// The general answer 0x8001 to the message with this serial.
pub fn general(header: &Header, answered: u16, serial: u16, outcome: Outcome) -> Frame {
    let mut body = BytesMut::with_capacity(5);
    body.put_u16(answered);
    body.put_u16(header.id);
    body.put_u8(outcome.byte());
    header.frame(id::PLATFORM_ANSWER, serial, None, &body)
}

/// The request 0x8003 for sub-packages of the terminal that did not come (8.4; the edition of 2019 has two bytes for their count).
pub fn missing(header: &Header, serial: u16, missing: &Missing) -> Frame {
    let mut body = BytesMut::with_capacity(4 + 2 * missing.numbers.len());
    body.put_u16(missing.base);
    let count = u16::try_from(missing.numbers.len()).unwrap_or(u16::MAX);
    if header.version.is_some() {
        body.put_u16(count);
    } else {
        body.put_u8(u8::try_from(count).unwrap_or(u8::MAX));
    }
    for number in &missing.numbers {
        body.put_u16(*number);
    }
    header.frame(id::MISSING, serial, None, &body)
}

/// The answer 0x8100 to a registration; the code goes with success only.
pub fn registered(header: &Header, serial: u16, result: Registration, code: &[u8]) -> Frame {
    let mut body = BytesMut::with_capacity(3 + code.len());
    body.put_u16(header.serial);
    body.put_u8(result.byte());
    if result == Registration::Success {
        body.put_slice(code);
    }
    header.frame(id::REGISTERED, serial, None, &body)
}

/// The answer 0x4401 to a compact report.
pub fn compact(header: &Header, outcome: Outcome) -> Frame {
    let mut body = BytesMut::with_capacity(3);
    body.put_u16(header.id);
    body.put_u8(outcome.byte());
    header.compact_frame(id::COMPACT_ANSWER, 1, &body)
}

/// The answer to a request for the time, in UTC: 0x8004 in decimal digits (2019), 0x8109 in binary (vendors').
pub fn time(header: &Header, serial: u16, now: Timestamp) -> Frame {
    if header.id == id::TIME_QUERY {
        return header.frame(id::TIME_QUERY_ANSWER, serial, None, &super::time::write_at(now, 0));
    }
    let now = now.to_zoned(TimeZone::UTC);
    let mut body = BytesMut::with_capacity(8);
    body.put_i16(now.year());
    for field in [now.month(), now.day(), now.hour(), now.minute(), now.second()] {
        body.put_i8(field);
    }
    body.put_u8(0);
    header.frame(id::TIME_ANSWER, serial, None, &body)
}

/// The answer to a text frame that asks for the time: the same text with the UTC time in the place of `TIME`.
pub fn text(text: &[u8], now: Timestamp) -> Option<Bytes> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.contains("BASE,2") {
        return None;
    }
    let now = now.to_zoned(TimeZone::UTC);
    let time = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        now.year(),
        now.month(),
        now.day(),
        now.hour(),
        now.minute(),
        now.second()
    );
    Some(text.replace("TIME", &time).into_bytes().into())
}

/// The answer of a server that accepts everything and knows no device: the terminal's digits are its authentication code,
/// the platform's serial is 0. What `homeward decode` shows.
pub fn accepting(header: &Header, answered: &[u16], now: Timestamp) -> Option<Bytes> {
    let one = |frame: Frame| Some(frame.to_wire());
    match kind(header) {
        Kind::None => None,
        Kind::General | Kind::Unsupported => {
            let outcome = if kind(header) == Kind::General {
                Outcome::Success
            } else {
                Outcome::Unsupported
            };
            let mut wire = BytesMut::new();
            for serial in answered {
                wire.extend_from_slice(&general(header, *serial, 0, outcome).to_wire());
            }
            Some(wire.freeze())
        }
        Kind::Registered => one(registered(
            header,
            0,
            Registration::Success,
            header.phone.digits().as_bytes(),
        )),
        Kind::Time => one(time(header, 0, now)),
        Kind::Compact => one(compact(header, Outcome::Success)),
    }
}
