//! What a frame says, in our words.

use bytes::Bytes;
use jiff::Timestamp;
use proto::wire::{Alarm, AlarmScope, Case, FixSource, Motion, Strap};

use crate::Fault;

/// What came out of one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded {
    /// The device's identity: a JT/T 808 phone number without leading zeros, a native device's name in its hello; else empty.
    pub device: String,
    /// In the order of the frame.
    pub messages: Vec<Message>,
    /// Parts of the frame that are unusable while the others are not.
    pub rejected: Vec<Rejected>,
    /// What a server answers when it accepts everything, as on the wire.
    pub reply: Option<Bytes>,
    /// What a server answers when it lets nothing of it in, where the protocol has a word for that.
    pub refusal: Option<Bytes>,
}

/// A part of a frame that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its place among its like in the frame, from 0.
    pub index: usize,
    /// The device's sequence number, where the protocol has one.
    pub sequence: u64,
    /// Why.
    pub reason: String,
}

impl Rejected {
    /// What is wrong with number `index`, where the protocol has no numbering of reports.
    pub(crate) fn of_one(index: usize, fault: &Fault) -> Self {
        Self {
            index,
            sequence: 0,
            reason: fault.to_string(),
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A position, or an event without one.
    Report(Box<Report>),
    /// A terminal asks to be registered.
    Register(Register),
    /// A device proves who it is.
    Authenticate(Authenticate),
    /// A sign of life.
    Heartbeat(Heartbeat),
    /// The device says good-bye.
    Logout,
    /// The device asks for the time.
    TimeRequest,
    /// One of several sub-packages; the message comes with the last.
    Fragment {
        /// From 1.
        number: u16,
        /// How many there are.
        total: u16,
    },
    /// First frame of a native session.
    Hello {
        /// Protocol version.
        version: u32,
    },
    /// A device's answer to a command.
    CommandAnswer {
        /// The command's reference, where the protocol carries it.
        reference: Option<u32>,
        /// What it said.
        text: String,
        /// Whether it did it, where it says.
        done: Option<bool>,
    },
    /// Anything else that is understood as far as the session goes, but holds nothing to judge.
    Status {
        /// What it is, in a word.
        kind: &'static str,
        /// The device's clock, where it says.
        device_time: Option<Timestamp>,
    },
    /// A message id that the protocol's module does not know.
    Unknown {
        /// The id.
        id: u16,
    },
}

/// What a device said, once.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The device's clock.
    pub fix_time: Timestamp,
    /// The device's own numbering; 0 where the protocol has none.
    pub sequence: u64,
    /// The device had stored this report for want of a network.
    pub stored: bool,
    /// Where it is; `None`: an event without a position.
    pub fix: Option<Fix>,
    /// 0 to 100.
    pub battery_percent: Option<u32>,
    /// On the charger.
    pub charging: Option<bool>,
    /// The strap's loop.
    pub strap: Strap,
    /// The case.
    pub case: Case,
    /// Moving or still.
    pub motion: Motion,
    /// In the order of [`Alarm`], each once.
    pub alarms: Vec<Alarm>,
    /// Which alarms a report of this sort has a place for.
    pub alarm_scope: AlarmScope,
    /// What makes a copy of this report the same report: see `proto::ReportId::derive`.
    pub natural_key: Bytes,
    /// What the stream has no place for.
    pub extra: Extra,
}

impl Report {
    /// Starts a report with nothing but its time and its key.
    pub fn new(fix_time: Timestamp, natural_key: Bytes) -> Self {
        Self {
            fix_time,
            sequence: 0,
            stored: false,
            fix: None,
            battery_percent: None,
            charging: None,
            strap: Strap::Unspecified,
            case: Case::Unspecified,
            motion: Motion::Unspecified,
            alarms: Vec::new(),
            alarm_scope: AlarmScope::Unspecified,
            natural_key,
            extra: Extra::default(),
        }
    }
}

/// A position as the device states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// The device's own word.
    pub valid: bool,
    /// WGS-84 degrees, north positive.
    pub latitude: f64,
    /// WGS-84 degrees, east positive.
    pub longitude: f64,
    /// How it was found.
    pub source: FixSource,
    /// Radius of 68 %, as stated.
    pub accuracy_m: Option<f64>,
    /// Above mean sea level.
    pub altitude_m: Option<f64>,
    /// Over ground.
    pub speed_kmh: Option<f64>,
    /// Clockwise from north.
    pub course_deg: Option<f64>,
    /// Used in the fix.
    pub satellites: Option<u32>,
    /// Horizontal dilution of precision.
    pub hdop: Option<f64>,
}

impl Fix {
    /// Starts a fix with nothing but its place.
    pub const fn new(valid: bool, latitude: f64, longitude: f64) -> Self {
        Self {
            valid,
            latitude,
            longitude,
            source: if valid { FixSource::Gnss } else { FixSource::Unspecified },
            accuracy_m: None,
            altitude_m: None,
            speed_kmh: None,
            course_deg: None,
            satellites: None,
            hdop: None,
        }
    }
}

/// Values that only people ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    /// Distance counted by the device.
    pub mileage_m: Option<u64>,
    /// Strength of the radio network, 0 to 31 or 99 as the modem says.
    pub signal: Option<u8>,
    /// Battery voltage in thousandths of a volt.
    pub battery_mv: Option<u32>,
    /// Cells of the radio network, the serving one first.
    pub cells: Vec<Cell>,
    /// Wi-Fi access points.
    pub wifi: Vec<AccessPoint>,
    /// Additional items that are not known, by id, as they came.
    pub items: Vec<(u32, Bytes)>,
}

/// A cell of the radio network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cell {
    /// Mobile country code.
    pub mcc: u16,
    /// Mobile network code.
    pub mnc: u16,
    /// Location area or tracking area.
    pub lac: u32,
    /// The cell's number in it.
    pub cid: u64,
    /// Strength, in dBm or as the device says.
    pub rssi: Option<i16>,
}

/// A Wi-Fi access point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccessPoint {
    /// Its address.
    pub mac: [u8; 6],
    /// Strength, in dBm or as the device says.
    pub rssi: Option<i16>,
}

/// A terminal's request for registration (JT/T 808 0x0100).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Register {
    /// Province code of GB/T 2260.
    pub province: u16,
    /// City code of GB/T 2260.
    pub city: u16,
    /// Manufacturer's code.
    pub manufacturer: String,
    /// Model.
    pub model: String,
    /// Manufacturer's number of the terminal.
    pub terminal: String,
}

/// How a device proves who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// JT/T 808: the code given at registration. Native: the 32 bytes of the proof.
    pub code: Bytes,
    /// JT/T 808-2019: the terminal's IMEI.
    pub imei: Option<String>,
}

/// A sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// The device's clock, where it says.
    pub device_time: Option<Timestamp>,
    /// 0 to 100.
    pub battery_percent: Option<u32>,
}
