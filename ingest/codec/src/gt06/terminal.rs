//! The device's side, for the simulator and the tests: frames of a terminal and what it reads of the server's.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use proto::wire::{Alarm, Case, Motion, Strap};

use super::{Frame, kind, location, time};
use crate::{Cell, Fault, cursor::Cursor};

/// What a terminal reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its clock.
    pub time: Timestamp,
    /// It has a fix.
    pub valid: bool,
    /// Degrees, north positive; on the wire in 1/1,800,000.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// Whole kilometres an hour, at most 255.
    pub speed_kmh: f64,
    /// Whole degrees clockwise from north.
    pub course_deg: f64,
    /// At most 15.
    pub satellites: u8,
    /// Percent. Below 7 there is only 0: that is a level of six.
    pub battery_percent: u8,
    /// On the charger.
    pub charging: bool,
    /// Kept for want of a network.
    pub stored: bool,
    /// On the wire of a wearable only (profile `gt06-wearable`), as the next two: closed, in the bit that says that a vehicle's alarm is armed.
    pub strap: Strap,
    /// Closed, in the bit that says that a vehicle is cut from fuel.
    pub case: Case,
    /// Moving, in the bit of the ignition.
    pub motion: Motion,
    /// One frame each; alarms that have no code are left out.
    pub alarms: Vec<Alarm>,
    /// The cell that serves it: network code of one byte, area of two, number of three.
    pub cell: Cell,
}

impl Location {
    /// Starts with a time and a place.
    pub const fn new(time: Timestamp, latitude: f64, longitude: f64) -> Self {
        Self {
            time,
            valid: true,
            latitude,
            longitude,
            speed_kmh: 0.0,
            course_deg: 0.0,
            satellites: 9,
            battery_percent: 100,
            charging: false,
            stored: false,
            strap: Strap::Unspecified,
            case: Case::Unspecified,
            motion: Motion::Unspecified,
            alarms: Vec::new(),
            cell: CELL,
        }
    }

    fn content(&self, alarm: u8) -> Bytes {
        let flags = u16::try_from(round(self.course_deg, 360.0)).unwrap_or(0)
            | if self.latitude < 0.0 { 0 } else { location::NORTH }
            | if self.longitude < 0.0 { location::WEST } else { 0 }
            | if self.valid { location::VALID } else { 0 };
        let mut content = BytesMut::with_capacity(40);
        content.put_slice(&time::write(self.time));
        content.put_u8(0xc0 | self.satellites.min(15));
        for degrees in [self.latitude, self.longitude] {
            content.put_u32(round(degrees.abs() * location::PER_DEGREE, f64::from(u32::MAX)));
        }
        content.put_u8(u8::try_from(round(self.speed_kmh, 255.0)).unwrap_or(u8::MAX));
        content.put_u16(flags);
        self.put_cell(&mut content);
        let [information, level, signal] = state(self.battery_percent, self.charging);
        let worn = u8::from(self.strap == Strap::Closed)
            | u8::from(self.motion == Motion::Moving) << 1
            | u8::from(self.case == Case::Closed) << 7;
        content.put_slice(&[information | worn, level, signal]);
        content.put_u8(alarm);
        content.put_slice(&[0, 0, self.stored.into()]); // ignition, upload mode, sent again
        content.freeze()
    }

    fn put_cell(&self, content: &mut BytesMut) {
        let Cell { mcc, mnc, lac, cid, .. } = self.cell;
        content.put_u8(9); // bytes, with this one
        content.put_u16(mcc);
        content.put_u8(u8::try_from(mnc).unwrap_or_default());
        content.put_u16(u16::try_from(lac).unwrap_or_default());
        content.put_uint(cid & 0x00ff_ffff, 3);
    }
}

/// Where nothing else is said.
const CELL: Cell = Cell {
    mcc: 460,
    mnc: 0,
    lac: 0x287d,
    cid: 0x1f71,
    rssi: None,
};

/// Terminal information, battery, signal.
fn state(percent: u8, charging: bool) -> [u8; 3] {
    let level = if percent < 7 { 0 } else { percent };
    [0x40 | u8::from(charging) << 2, level, 4]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is held"
)]
fn round(value: f64, most: f64) -> u32 {
    value.round().clamp(0.0, most) as u32
}

/// The alarm byte of an alarm under the default profile; the last two under `gt06-wearable`.
const fn code(alarm: Alarm) -> Option<u8> {
    Some(match alarm {
        Alarm::Sos => 0x01,
        Alarm::Vibration => 0x03,
        Alarm::Overspeed => 0x06,
        Alarm::PowerOff => 0x11,
        Alarm::CaseTamper => 0x13,
        Alarm::Other => 0x14,
        Alarm::StrapTamper => 0x18,
        Alarm::LowBattery => 0x19,
        Alarm::Fall => 0x23,
        Alarm::Jamming => 0x30,
        Alarm::Shielding => 0x60,
        Alarm::GnssFault => 0x61,
        Alarm::Unspecified | Alarm::Cloned => return None,
    })
}

/// A terminal: its IMEI and the serial number of its next frame.
#[derive(Debug, Clone)]
pub struct Terminal {
    imei: [u8; 8],
    serial: u16,
}

impl Terminal {
    /// Makes a terminal; `None` when the IMEI is not 15 digits.
    pub fn new(imei: &str) -> Option<Self> {
        let digits = hex::decode(format!("0{imei}")).ok()?;
        let decimal = imei.bytes().all(|digit| digit.is_ascii_digit());
        Some(Self {
            imei: digits.try_into().ok().filter(|_| decimal)?,
            serial: 0,
        })
    }

    /// A frame of any kind.
    pub fn frame(&mut self, kind: u8, content: &[u8]) -> Bytes {
        self.serial = self.serial.wrapping_add(1);
        let frame = Frame {
            long: false,
            kind,
            content,
            serial: self.serial,
        };
        frame.to_wire()
    }

    /// Serial number of the frame sent last: what the server's answer names.
    pub const fn serial(&self) -> u16 {
        self.serial
    }

    /// Log-in 0x01 with a model and, in minutes east of Greenwich, a time zone.
    pub fn log_in(&mut self, model: u16, zone_minutes: i16) -> Bytes {
        let minutes = zone_minutes.unsigned_abs();
        let zone = (minutes / 60 * 100 + minutes % 60) << 4 | u16::from(zone_minutes < 0) << 3;
        let mut content = BytesMut::from(&self.imei[..]);
        content.put_u16(model);
        content.put_u16(zone);
        self.frame(kind::LOGIN, &content)
    }

    /// Position, cell and state 0x26: one frame, or one for each alarm.
    pub fn location(&mut self, location: &Location) -> Vec<Bytes> {
        let mut codes: Vec<u8> = location.alarms.iter().copied().filter_map(code).collect();
        if codes.is_empty() {
            codes.push(0);
        }
        let frame = |code| self.frame(kind::ALARM_26, &location.content(code));
        codes.into_iter().map(frame).collect()
    }

    /// Heartbeat 0x13.
    pub fn heartbeat(&mut self, battery_percent: u8, charging: bool) -> Bytes {
        let mut content = BytesMut::from(&state(battery_percent, charging)[..]);
        content.put_u16(2); // no alarm, English
        self.frame(kind::STATE, &content)
    }

    /// Answer 0x21 to a command.
    pub fn answer(&mut self, reference: u32, text: &str) -> Bytes {
        let mut content = BytesMut::with_capacity(5 + text.len());
        content.put_u32(reference);
        content.put_u8(1); // ASCII
        content.put_slice(text.as_bytes());
        self.serial = self.serial.wrapping_add(1);
        let frame = Frame {
            long: true,
            kind: kind::ANSWER_TEXT,
            content: &content,
            serial: self.serial,
        };
        frame.to_wire()
    }

    /// Asks for the time 0x8A.
    pub fn time_request(&mut self) -> Bytes {
        self.frame(kind::TIME, &[])
    }
}

/// What a terminal reads of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The server has taken a frame.
    Taken {
        /// The frame's kind.
        kind: u8,
        /// Its serial number.
        serial: u16,
    },
    /// A command 0x80.
    Command {
        /// Comes back in the answer.
        reference: u32,
        /// What to do.
        text: String,
    },
    /// The time.
    Time(Timestamp),
}

/// Reads a frame of the server.
pub fn answer(wire: &[u8]) -> Result<Answer, Fault> {
    let frame = Frame::parse(wire)?;
    let mut cursor = Cursor::new(frame.content);
    Ok(match frame.kind {
        kind::COMMAND => {
            let length = usize::from(cursor.u8("length of the command")?);
            let reference = cursor.u32("server flag")?;
            let text = cursor.take(length.saturating_sub(4), "command")?;
            Answer::Command {
                reference,
                text: String::from_utf8_lossy(text).into_owned(),
            }
        }
        kind::TIME => Answer::Time(time::read(&mut cursor)?),
        kind => Answer::Taken {
            kind,
            serial: frame.serial,
        },
    })
}
