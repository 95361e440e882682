//! The device's side, for the simulator and the tests: frames of a tracker and what it reads of the server's answers.

use bytes::{Buf, Bytes, BytesMut};
use jiff::Timestamp;
use proto::wire::{Alarm, Case, Motion, Strap};

use super::{
    avl::{Head, Record},
    codec::{self, Layout},
    crc16, datagram, reply, serial,
};
use crate::Report;

/// Elements that Homeward's own profile gives a meaning, beyond Teltonika's lists: see `docs/protocols/teltonika.md`.
pub mod own {
    /// 0 closed, 1 open.
    pub const STRAP: u16 = 60_001;
    /// 0 closed, 1 open.
    pub const CASE: u16 = 60_002;
    /// Plus an alarm's number: 1 raised.
    pub const ALARM: u16 = 60_010;
}

/// Teltonika's elements.
mod element {
    pub(super) const MILEAGE: u16 = 16;
    pub(super) const SIGNAL: u16 = 21;
    pub(super) const BATTERY: u16 = 113;
    pub(super) const CHARGER: u16 = 116;
    pub(super) const HDOP: u16 = 182;
    pub(super) const MOVEMENT: u16 = 240;
}

/// What a tracker reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its clock.
    pub time: Timestamp,
    /// It has a fix. Without one the record has no satellites.
    pub valid: bool,
    /// Degrees, north positive.
    pub latitude: f64,
    /// Degrees, east positive.
    pub longitude: f64,
    /// Metres.
    pub altitude_m: f64,
    /// Over ground; whole kilometres an hour on the wire.
    pub speed_kmh: f64,
    /// Clockwise from north.
    pub course_deg: f64,
    /// Used in the fix.
    pub satellites: Option<u8>,
    /// Element 113.
    pub battery_percent: Option<u8>,
    /// Element 116.
    pub charging: Option<bool>,
    /// Element 182.
    pub hdop: Option<f64>,
    /// Element 16.
    pub mileage_m: Option<u64>,
    /// Element 21, five steps.
    pub signal: Option<u8>,
    /// Element [`own::STRAP`]; needs two-byte ids, as all of our own do.
    pub strap: Strap,
    /// Element [`own::CASE`].
    pub case: Case,
    /// Element 240.
    pub motion: Motion,
    /// Elements from [`own::ALARM`].
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
            charging: None,
            hdop: None,
            mileage_m: None,
            signal: None,
            strap: Strap::Unspecified,
            case: Case::Unspecified,
            motion: Motion::Unspecified,
            alarms: Vec::new(),
        }
    }

    /// What a tracker that made this report would have said; `None`: a record needs a place.
    pub fn from_report(report: &Report) -> Option<Self> {
        let fix = report.fix.as_ref()?;
        let byte = |value: u32| u8::try_from(value).ok();
        Some(Self {
            time: report.fix_time,
            valid: fix.valid,
            latitude: fix.latitude,
            longitude: fix.longitude,
            altitude_m: fix.altitude_m.unwrap_or_default(),
            speed_kmh: fix.speed_kmh.unwrap_or_default(),
            course_deg: fix.course_deg.unwrap_or_default(),
            satellites: fix.satellites.and_then(byte),
            battery_percent: report.battery_percent.and_then(byte),
            charging: report.charging,
            hdop: fix.hdop,
            mileage_m: report.extra.mileage_m,
            signal: report.extra.signal,
            strap: report.strap,
            case: report.case,
            motion: report.motion,
            alarms: report.alarms.clone(),
        })
    }

    /// The record.
    pub fn record(&self) -> Record {
        let mut elements = Vec::new();
        let mut element = |id: u16, value: &[u8]| elements.push((id, Bytes::copy_from_slice(value)));
        if let Some(signal) = self.signal {
            element(element::SIGNAL, &[signal / 6]);
        }
        if let Some(percent) = self.battery_percent {
            element(element::BATTERY, &[percent]);
        }
        if let Some(charging) = self.charging {
            element(element::CHARGER, &[charging.into()]);
        }
        if self.motion != Motion::Unspecified {
            element(element::MOVEMENT, &[u8::from(self.motion == Motion::Moving)]);
        }
        if self.strap != Strap::Unspecified {
            element(own::STRAP, &[u8::from(self.strap == Strap::Open)]);
        }
        if self.case != Case::Unspecified {
            element(own::CASE, &[u8::from(self.case == Case::Open)]);
        }
        let alarm_id = |alarm: Alarm| own::ALARM + u16::try_from(i32::from(alarm)).unwrap_or_default();
        for alarm in &self.alarms {
            element(alarm_id(*alarm), &[1]);
        }
        if let Some(hdop) = self.hdop {
            element(
                element::HDOP,
                &u16::try_from(whole(hdop * 10.0)).unwrap_or(u16::MAX).to_be_bytes(),
            );
        }
        if let Some(metres) = self.mileage_m {
            element(
                element::MILEAGE,
                &u32::try_from(metres).unwrap_or(u32::MAX).to_be_bytes(),
            );
        }
        let satellites = if self.valid {
            self.satellites.unwrap_or(6).max(1)
        } else {
            0
        };
        let head = Head {
            time_ms: u64::try_from(self.time.as_millisecond()).unwrap_or_default(),
            priority: u8::from(!self.alarms.is_empty()),
            longitude: whole(self.longitude * 1e7),
            latitude: whole(self.latitude * 1e7),
            altitude: i16::try_from(whole(self.altitude_m)).unwrap_or_default(),
            course: u16::try_from(whole(self.course_deg)).unwrap_or_default(),
            satellites,
            speed: u16::try_from(whole(self.speed_kmh)).unwrap_or(u16::MAX),
            event: self.alarms.first().copied().map(alarm_id).unwrap_or_default(),
            generation: 0,
        };
        Record { head, elements }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, which is what a tracker's field does"
)]
fn whole(value: f64) -> i32 {
    value.round() as i32
}

/// A tracker.
#[derive(Debug, Clone)]
pub struct Terminal {
    imei: String,
    codec: u8,
    layout: Layout,
    packet: u16,
    welcome_expected: bool,
}

impl Terminal {
    /// Makes a tracker that speaks Codec 8 extended.
    pub fn new(imei: &str) -> Self {
        let layout = Layout {
            wide_ids: true,
            extended: true,
            generation: false,
            sixteen: false,
        };
        Self {
            imei: imei.to_owned(),
            codec: codec::EIGHT_EXTENDED,
            layout,
            packet: 0,
            welcome_expected: false,
        }
    }

    /// Makes it speak another codec; `None` when that one has no records that are written here.
    #[must_use]
    pub fn speaking(self, codec: u8) -> Option<Self> {
        let layout = Layout::of(codec)?;
        Some(Self { codec, layout, ..self })
    }

    /// The log-in.
    pub fn login(&mut self) -> Bytes {
        self.welcome_expected = true;
        let length = u16::try_from(self.imei.len()).unwrap_or(u16::MAX);
        [&length.to_be_bytes(), self.imei.as_bytes()].concat().into()
    }

    /// A data frame; at most 255 records.
    pub fn records(&self, locations: &[Location]) -> Bytes {
        reply::frame(&self.data(locations))
    }

    /// The same for UDP, with the number that its answer will name.
    pub fn datagram(&mut self, locations: &[Location]) -> (u8, Bytes) {
        self.packet = self.packet.wrapping_add(1);
        let [_, avl_packet] = self.packet.to_be_bytes();
        let bytes = datagram::write(self.packet, avl_packet, &self.imei, &self.data(locations));
        (avl_packet, bytes)
    }

    fn data(&self, locations: &[Location]) -> Bytes {
        let records: Vec<Record> = locations.iter().map(Location::record).collect();
        Record::write_all(self.codec, self.layout, &records)
    }

    /// A byte that keeps the connection open.
    pub const fn keep_alive(&self) -> Bytes {
        Bytes::from_static(&[super::frame::KEEP_ALIVE])
    }

    /// The answer to a command.
    pub fn answer(&self, text: &str) -> Bytes {
        reply::frame(&serial::write(serial::ANSWER, text.as_bytes()))
    }

    /// The same for UDP, in the envelope of records.
    pub fn answer_datagram(&mut self, text: &str) -> Bytes {
        self.packet = self.packet.wrapping_add(1);
        let [_, avl_packet] = self.packet.to_be_bytes();
        let data = serial::write(serial::ANSWER, text.as_bytes());
        datagram::write(self.packet, avl_packet, &self.imei, &data)
    }

    /// The command in a datagram, when it is one.
    pub fn read_command(datagram: &[u8]) -> Option<String> {
        let super::frame::Kind::Data(data) = super::frame::open(datagram).ok()? else {
            return None;
        };
        serial::read(data).ok()?.into_iter().find_map(|text| match text {
            serial::Serial::Command(text) => Some(text),
            _ => None,
        })
    }

    /// Reads what the server sent, one answer at a time; `None`: more bytes are needed.
    ///
    /// Four zero bytes are either "no records" or the beginning of a command; without a command behind them they are the former.
    pub fn read(&mut self, source: &mut BytesMut) -> Option<Answer> {
        if self.welcome_expected {
            let byte = source.first().copied()?;
            source.advance(1);
            self.welcome_expected = false;
            return Some(Answer::Welcome(byte == 1));
        }
        let count = u32::from_be_bytes(*source.first_chunk()?);
        if count != 0 || source.len() == 4 {
            source.advance(4);
            return Some(Answer::Records(count));
        }
        let length = u32::from_be_bytes(*source.get(4..)?.first_chunk()?);
        let length = usize::try_from(length).ok()?;
        let data = source.get(8..)?.get(..length)?;
        let sum = u32::from_be_bytes(*source.get(8 + length..)?.first_chunk()?);
        let good = u32::from(crc16(data)) == sum;
        let texts = if good {
            serial::read(data).unwrap_or_default()
        } else {
            Vec::new()
        };
        source.advance(length + super::frame::OVERHEAD);
        Some(match texts.into_iter().next() {
            Some(serial::Serial::Command(text)) => Answer::Command(text),
            _ => Answer::Unreadable,
        })
    }

    /// Reads a datagram of the server: the AVL packet's id, and how many records are safe.
    pub fn read_datagram(bytes: &[u8]) -> Option<(u8, u8)> {
        match bytes {
            [0, 5, _, _, 1, avl_packet, count] => Some((*avl_packet, *count)),
            _ => None,
        }
    }
}

/// What a tracker reads of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To the log-in: true, come in.
    Welcome(bool),
    /// So many records are safe.
    Records(u32),
    /// A command's text.
    Command(String),
    /// A frame that is none.
    Unreadable,
}
