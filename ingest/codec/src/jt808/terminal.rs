//! The device's side, for the simulator and the tests: frames of a terminal and what it reads of the platform's answers.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use proto::wire::{Alarm, Case, Motion, Strap};

use super::{Frame, Header, Phone, Variant, command, header::MAX_BODY_BYTES, id, time};
use crate::{Command, Fault, cursor::Cursor};

/// What a terminal reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its clock.
    pub time: Timestamp,
    /// It has a fix.
    pub valid: bool,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// Metres.
    pub altitude_m: f64,
    /// Over ground.
    pub speed_kmh: f64,
    /// Clockwise from north.
    pub course_deg: f64,
    /// Item 0x31.
    pub satellites: Option<u8>,
    /// Item 0xE4.
    pub battery_percent: Option<u8>,
    /// Item 0xE4.
    pub charging: bool,
    /// Item 0xF9.
    pub hdop: Option<f64>,
    /// Item 0x01.
    pub mileage_m: Option<u64>,
    /// Item 0x30.
    pub signal: Option<u8>,
    /// Item 0xDA, with case and motion.
    pub strap: Strap,
    /// Item 0xDA.
    pub case: Case,
    /// Item 0xDA.
    pub motion: Motion,
    /// Alarm bits; those that have none in item 0xEB 0x4857 (profile `jt808-wearable`).
    pub alarms: Vec<Alarm>,
}

impl Location {
    /// Starts with a time and a place.
    pub fn new(time: Timestamp, latitude: f64, longitude: f64) -> Self {
        Self {
            time,
            valid: true,
            latitude,
            longitude,
            altitude_m: 0.0,
            speed_kmh: 0.0,
            course_deg: 0.0,
            satellites: None,
            battery_percent: None,
            charging: false,
            hdop: None,
            mileage_m: None,
            signal: None,
            strap: Strap::Unspecified,
            case: Case::Unspecified,
            motion: Motion::Unspecified,
            alarms: Vec::new(),
        }
    }

    /// The body of a position report 0x0200.
    pub fn body(&self) -> Bytes {
        let bit = |alarm| match alarm {
            Alarm::Sos => 1,
            Alarm::Overspeed => 1 << 1,
            Alarm::GnssFault => 1 << 4,
            Alarm::LowBattery => 1 << 7,
            Alarm::PowerOff => 1 << 8,
            Alarm::Vibration => 1 << 15,
            Alarm::StrapTamper => 1 << 16,
            Alarm::CaseTamper => 1 << 17,
            Alarm::Other => 1 << 3,
            Alarm::Unspecified | Alarm::Jamming | Alarm::Shielding | Alarm::Fall | Alarm::Cloned => 0_u32,
        };
        let status = u32::from(self.valid) << 1
            | u32::from(self.latitude < 0.0) << 2
            | u32::from(self.longitude < 0.0) << 3
            | u32::from(self.valid) << 18;
        let mut body = BytesMut::with_capacity(64);
        body.put_u32(self.alarms.iter().fold(0, |bits, alarm| bits | bit(*alarm)));
        body.put_u32(status);
        body.put_u32(whole(self.latitude.abs() * 1e6));
        body.put_u32(whole(self.longitude.abs() * 1e6));
        body.put_i16(i16::try_from(signed(self.altitude_m)).unwrap_or(0));
        body.put_u16(u16::try_from(whole(self.speed_kmh * 10.0)).unwrap_or(u16::MAX));
        body.put_u16(u16::try_from(whole(self.course_deg)).unwrap_or(0));
        body.put_slice(&time::write(self.time));
        if let Some(metres) = self.mileage_m {
            item(
                &mut body,
                0x01,
                &u32::try_from(metres / 100).unwrap_or(u32::MAX).to_be_bytes(),
            );
        }
        if let Some(signal) = self.signal {
            item(&mut body, 0x30, &[signal]);
        }
        if let Some(satellites) = self.satellites {
            item(&mut body, 0x31, &[satellites]);
        }
        if self.strap != Strap::Unspecified || self.case != Case::Unspecified || self.motion != Motion::Unspecified {
            let bits = u8::from(self.strap != Strap::Open)
                | u8::from(self.motion == Motion::Moving) << 2
                | u8::from(self.case != Case::Open) << 3;
            item(&mut body, 0xda, &[0, 0, bits]);
        }
        if let Some(battery) = self.battery_percent {
            item(&mut body, 0xe4, &[u8::from(!self.charging), battery]);
        }
        if let Some(hdop) = self.hdop {
            let [high, low] = u16::try_from(whole(hdop * 10.0)).unwrap_or(u16::MAX).to_be_bytes();
            item(&mut body, 0xf9, &[0, 4, high, low]);
        }
        let beyond = self.alarms.iter().filter(|alarm| bit(**alarm) == 0);
        let [high, low] = beyond.fold(0_u16, |bits, alarm| bits | numbered(*alarm)).to_be_bytes();
        if (high, low) != (0, 0) {
            item(&mut body, 0xeb, &[0, 4, b'H', b'W', high, low]);
        }
        body.freeze()
    }
}

/// An alarm's bit where bits are numbered as on our own wire.
fn numbered(alarm: Alarm) -> u16 {
    let number = u32::try_from(i32::from(alarm)).ok().filter(|number| *number > 0);
    number.and_then(|number| 1_u16.checked_shl(number)).unwrap_or(0)
}

fn item(body: &mut BytesMut, id: u8, value: &[u8]) {
    body.put_u8(id);
    body.put_u8(u8::try_from(value.len()).unwrap_or(0));
    body.put_slice(value);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, which is what a terminal's field does"
)]
#[expect(clippy::cast_sign_loss, reason = "`as` saturates at 0")]
fn whole(value: f64) -> u32 {
    value.round() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
fn signed(value: f64) -> i32 {
    value.round() as i32
}

/// A terminal: its header and the serial of its next message.
#[derive(Debug, Clone)]
pub struct Terminal {
    header: Header,
    variant: Variant,
    serial: u16,
}

impl Terminal {
    /// Makes a terminal of an edition of the standard; `None` when the number does not fit its header.
    pub fn new(digits: &str, variant: Variant) -> Option<Self> {
        let phone = Phone::from_digits(digits, variant)?;
        Some(Self {
            header: Header::of_terminal(phone, variant),
            variant,
            serial: 0,
        })
    }

    /// The serial of the next message: what the platform's answer to it will name.
    pub const fn next_serial(&self) -> u16 {
        self.serial
    }

    /// Frames of a message as on the wire: more than one when the body is longer than a frame may be.
    pub fn message(&mut self, message_id: u16, body: &[u8]) -> Vec<Bytes> {
        let chunk = if body.len() <= MAX_BODY_BYTES {
            MAX_BODY_BYTES
        } else {
            1_000
        };
        self.split(message_id, body, chunk)
    }

    /// The same, in sub-packages of at most `chunk` bytes of body where it is longer.
    pub fn split(&mut self, message_id: u16, body: &[u8], chunk: usize) -> Vec<Bytes> {
        let chunk = chunk.clamp(1, MAX_BODY_BYTES);
        let total = u16::try_from(body.len().div_ceil(chunk).max(1)).unwrap_or(u16::MAX);
        let mut frames = Vec::with_capacity(usize::from(total));
        for number in 1..=total {
            let start = usize::from(number - 1) * chunk;
            let part = body.get(start..body.len().min(start + chunk)).unwrap_or_default();
            let package = (total > 1).then_some((total, number));
            frames.push(self.header.frame(message_id, self.serial, package, part).to_wire());
            self.serial = self.serial.wrapping_add(1);
        }
        frames
    }

    fn short(&mut self, message_id: u16, body: &[u8]) -> Bytes {
        self.message(message_id, body).into_iter().next().unwrap_or_default()
    }

    /// Registration 0x0100.
    pub fn register(&mut self, manufacturer: &str, model: &str, terminal: &str) -> Bytes {
        let widths = match self.variant {
            Variant::V2011 => [5, 8, 7],
            Variant::V2013 => [5, 20, 7],
            Variant::V2019 => [11, 30, 30],
        };
        let mut body = BytesMut::from(&[0, 0, 0, 0][..]);
        for (width, text) in widths.into_iter().zip([manufacturer, model, terminal]) {
            let text = text.as_bytes();
            body.put_slice(text.get(..text.len().min(width)).unwrap_or_default());
            body.put_bytes(0, width.saturating_sub(text.len()));
        }
        body.put_u8(0); // no plate: no vehicle
        self.short(id::REGISTER, &body)
    }

    /// Authentication 0x0102.
    pub fn authenticate(&mut self, code: &[u8]) -> Bytes {
        if self.variant != Variant::V2019 {
            return self.short(id::AUTHENTICATE, code);
        }
        let mut body = BytesMut::with_capacity(code.len() + 36);
        body.put_u8(u8::try_from(code.len()).unwrap_or(u8::MAX));
        body.put_slice(code.get(..code.len().min(255)).unwrap_or_default());
        body.put_bytes(b'0', 15); // IMEI
        body.put_bytes(0, 20); // software version
        self.short(id::AUTHENTICATE, &body)
    }

    /// Heartbeat 0x0002.
    pub fn heartbeat(&mut self) -> Bytes {
        self.short(id::HEARTBEAT, &[])
    }

    /// Log-out 0x0003.
    pub fn logout(&mut self) -> Bytes {
        self.short(id::LOGOUT, &[])
    }

    /// Answer 0x0001 to a message of the platform; result 0: done.
    pub fn answer(&mut self, serial: u16, message_id: u16, result: u8) -> Bytes {
        let mut body = BytesMut::with_capacity(5);
        body.put_u16(serial);
        body.put_u16(message_id);
        body.put_u8(result);
        self.short(id::TERMINAL_ANSWER, &body)
    }

    /// Answer 0x0201 to the platform's query of the position.
    pub fn located(&mut self, serial: u16, location: &Location) -> Bytes {
        let mut body = BytesMut::with_capacity(66);
        body.put_u16(serial);
        body.put_slice(&location.body());
        self.short(id::LOCATION_ANSWER, &body)
    }

    /// Position report 0x0200.
    pub fn location(&mut self, location: &Location) -> Bytes {
        self.short(id::LOCATION, &location.body())
    }

    /// Batch 0x0704; `stored`: kept for want of a network.
    pub fn batch(&mut self, locations: &[Location], stored: bool) -> Vec<Bytes> {
        let mut body = BytesMut::with_capacity(locations.len() * 64);
        body.put_u16(u16::try_from(locations.len()).unwrap_or(u16::MAX));
        body.put_u8(u8::from(stored));
        for location in locations {
            let part = location.body();
            body.put_u16(u16::try_from(part.len()).unwrap_or(0));
            body.put_slice(&part);
        }
        self.message(id::BATCH, &body)
    }
}

/// What a terminal reads of the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 0x8001.
    General {
        /// Serial of the message answered.
        serial: u16,
        /// Its id.
        id: u16,
        /// 0: success.
        result: u8,
    },
    /// 0x8100.
    Registered {
        /// Serial of the registration.
        serial: u16,
        /// 0: success.
        result: u8,
        /// Authentication code.
        code: Bytes,
    },
    /// 0x8003: sub-packages did not come.
    Missing {
        /// Serial of the message's first sub-package.
        base: u16,
        /// Which, from 1.
        numbers: Vec<u16>,
    },
    /// The platform wants something done.
    Command {
        /// Serial of its message, which the answer names.
        serial: u16,
        /// Its id.
        id: u16,
        /// What; a vibration comes as a text in the words of the profile.
        command: Command,
    },
    /// Something else.
    Other {
        /// Its id.
        id: u16,
    },
}

/// Reads a frame of the platform.
pub fn answer(frame: &Frame) -> Result<Answer, Fault> {
    let (header, body) = frame.parse()?;
    let mut cursor = Cursor::new(&body);
    Ok(match header.id {
        id::MISSING => {
            let base = cursor.u16("serial of the first sub-package")?;
            let count = if header.version.is_some() {
                cursor.u16("count of sub-packages")?
            } else {
                cursor.u8("count of sub-packages")?.into()
            };
            let numbers = (0..count).map(|_| cursor.u16("number of a sub-package"));
            Answer::Missing {
                base,
                numbers: numbers.collect::<Result<_, _>>()?,
            }
        }
        id::PLATFORM_ANSWER => Answer::General {
            serial: cursor.u16("serial")?,
            id: cursor.u16("id")?,
            result: cursor.u8("result")?,
        },
        id::REGISTERED => Answer::Registered {
            serial: cursor.u16("serial")?,
            result: cursor.u8("result")?,
            code: Bytes::copy_from_slice(cursor.rest()),
        },
        id => match command::read(&header, &body) {
            Some(command) => Answer::Command {
                serial: header.serial,
                id,
                command,
            },
            None => Answer::Other { id },
        },
    })
}
