//! The device's side, for the simulator and the tests: packages of a terminal and what it reads of the server's.

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use proto::wire::{Alarm, Case, Motion, Strap};

use super::{Imei, Package, command, frame, id};
use crate::{Fault, Report, cursor::Cursor};

/// Address of the tag in which a terminal of our own says what the protocol has no words for: strap, case, all alarms.
/// See `docs/protocols/eelink.md`.
pub const TAG_ADDRESS: [u8; 6] = *b"HMWARD";

/// What a terminal reports, in the new format.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Its clock, in whole seconds.
    pub time: Timestamp,
    /// It has a fix.
    pub valid: bool,
    /// Degrees, north positive; and degrees, east positive. `None`: nothing to say about the place.
    pub place: Option<(f64, f64)>,
    /// Metres.
    pub altitude_m: i16,
    /// Over ground.
    pub speed_kmh: u16,
    /// Clockwise from north.
    pub course_deg: u16,
    /// Used in the fix.
    pub satellites: u8,
    /// At the battery; only a package without warning has it.
    pub battery_mv: u16,
    /// On the charger; `None`: it has no way to know.
    pub charging: Option<bool>,
    /// Moving or still; unspecified: it has no way to know.
    pub motion: Motion,
    /// Metres counted; only a package without warning has it.
    pub mileage_m: u32,
    /// In the tag of [`TAG_ADDRESS`], as the next two.
    pub strap: Strap,
    /// The case.
    pub case: Case,
    /// Alarms beside those that are sent as warnings.
    pub alarms: Vec<Alarm>,
}

impl Location {
    /// Starts with a time and a place.
    pub const fn new(time: Timestamp, latitude: f64, longitude: f64) -> Self {
        Self {
            time,
            valid: true,
            place: Some((latitude, longitude)),
            altitude_m: 0,
            speed_kmh: 0,
            course_deg: 0,
            satellites: 8,
            battery_mv: 4_100,
            charging: None,
            motion: Motion::Unspecified,
            mileage_m: 0,
            strap: Strap::Unspecified,
            case: Case::Unspecified,
            alarms: Vec::new(),
        }
    }

    /// What a terminal that made this report would have said. Values beyond a field's range are 0.
    pub fn from_report(report: &Report) -> Self {
        let fix = report.fix.as_ref();
        let place = fix.map(|fix| (fix.latitude, fix.longitude));
        Self {
            time: report.fix_time,
            valid: fix.is_some_and(|fix| fix.valid),
            place,
            altitude_m: fix.and_then(|fix| fix.altitude_m).map_or(0, signed),
            speed_kmh: fix.and_then(|fix| fix.speed_kmh).map_or(0, whole),
            course_deg: fix.and_then(|fix| fix.course_deg).map_or(0, whole),
            satellites: fix
                .and_then(|fix| fix.satellites)
                .and_then(|count| u8::try_from(count).ok())
                .unwrap_or(0),
            battery_mv: u16::try_from(report.extra.battery_mv.unwrap_or(0)).unwrap_or(0),
            charging: report.charging,
            motion: report.motion,
            mileage_m: u32::try_from(report.extra.mileage_m.unwrap_or(0)).unwrap_or(0),
            strap: report.strap,
            case: report.case,
            alarms: report.alarms.clone(),
        }
    }

    fn write_place(&self, body: &mut BytesMut) {
        body.put_u32(u32::try_from(self.time.as_second()).unwrap_or(0));
        body.put_u8(self.place.is_some().into());
        if let Some((latitude, longitude)) = self.place {
            body.put_i32(parts(latitude));
            body.put_i32(parts(longitude));
            body.put_i16(self.altitude_m);
            body.put_u16(self.speed_kmh);
            body.put_u16(self.course_deg);
            body.put_u8(self.satellites);
        }
    }

    fn status(&self) -> u16 {
        let charging = self.charging.map_or(0, |on| 1 << 7 | u16::from(on) << 8);
        let motion = match self.motion {
            Motion::Unspecified => 0,
            Motion::Still => 1 << 3,
            Motion::Moving => 1 << 3 | 1 << 9,
        };
        u16::from(self.valid) | charging | motion | 1 << 10
    }

    /// Content of a 0x12.
    pub fn normal(&self) -> Bytes {
        let mut body = BytesMut::with_capacity(32);
        self.write_place(&mut body);
        body.put_u16(self.status());
        body.put_u16(self.battery_mv);
        body.put_u32(0);
        body.put_u32(self.mileage_m);
        self.write_tag(&mut body);
        body.freeze()
    }

    fn write_tag(&self, body: &mut BytesMut) {
        let state = |known: bool, open: bool, bit: u8| (u8::from(known) | u8::from(open) << 1) << bit;
        let states = state(self.strap != Strap::Unspecified, self.strap == Strap::Open, 0)
            | state(self.case != Case::Unspecified, self.case == Case::Open, 2);
        let bit = |alarm: &Alarm| {
            u32::try_from(i32::from(*alarm))
                .ok()
                .and_then(|bit| 1_u16.checked_shl(bit))
        };
        let alarms = self.alarms.iter().filter_map(bit).fold(0, |all, one| all | one);
        if states == 0 && alarms == 0 {
            return;
        }
        // Counters, steps, air, second temperature: what stands before the tags.
        body.put_slice(&[0; 22]);
        body.put_slice(&[1, 0]);
        body.put_slice(&TAG_ADDRESS);
        body.put_slice(&[0, states, 0, 0, 0, 0, 0, 0]);
        body.put_u16(alarms);
    }

    /// Content of a 0x14.
    pub fn warning(&self, code: u8) -> Bytes {
        let mut body = BytesMut::with_capacity(24);
        self.write_place(&mut body);
        body.put_u8(code);
        body.put_u16(self.status());
        body.freeze()
    }

    /// Content of a 0x02: the old format, without altitude and satellites.
    pub fn old(&self) -> Bytes {
        let (latitude, longitude) = self.place.unwrap_or_default();
        let mut body = BytesMut::with_capacity(40);
        body.put_u32(u32::try_from(self.time.as_second()).unwrap_or(0));
        body.put_i32(parts(latitude));
        body.put_i32(parts(longitude));
        body.put_u8(u8::try_from(self.speed_kmh).unwrap_or(u8::MAX));
        body.put_u16(self.course_deg);
        body.put_slice(&[0; 9]);
        body.put_u8(self.valid.into());
        // The motion's bits belong to the new format.
        body.put_u16(self.status() & 0x0180);
        body.put_u16(self.battery_mv);
        body.put_slice(&[0; 6]);
        body.freeze()
    }
}

/// The battery's voltage at which the default profile says this percentage.
pub fn millivolts(percent: u8) -> u16 {
    const CURVE: [(u16, u16); 8] = [
        (0, 3_400),
        (10, 3_600),
        (30, 3_700),
        (55, 3_800),
        (70, 3_900),
        (82, 4_000),
        (94, 4_100),
        (100, 4_180),
    ];
    let percent = u16::from(percent.min(100));
    let mut below = (0, 3_400);
    for (upper, volts) in CURVE {
        if percent <= upper {
            let (lower, from) = below;
            let span = (upper - lower).max(1);
            // The profile rounds down, so this rounds up.
            return from + ((volts - from) * (percent - lower)).div_ceil(span);
        }
        below = (upper, volts);
    }
    4_180
}

/// The code of a warning in the default profile; `None`: the protocol has no word for it.
pub const fn warning_code(alarm: Alarm) -> Option<u8> {
    Some(match alarm {
        Alarm::PowerOff => 0x01,
        Alarm::Sos => 0x02,
        Alarm::LowBattery => 0x03,
        Alarm::Vibration => 0x04,
        Alarm::GnssFault => 0x08,
        Alarm::StrapTamper => 0x25,
        Alarm::Overspeed => 0x82,
        Alarm::Other => 0x85,
        Alarm::Fall => 0x86,
        Alarm::Unspecified | Alarm::CaseTamper | Alarm::Jamming | Alarm::Shielding | Alarm::Cloned => return None,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
fn parts(degrees: f64) -> i32 {
    (degrees * 1_800_000.0).round() as i32
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
fn signed(value: f64) -> i16 {
    value.round() as i16
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what a terminal's field does"
)]
fn whole(value: f64) -> u16 {
    value.round() as u16
}

/// What a terminal hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The log-in is accepted.
    Welcome {
        /// The server's clock.
        time: Timestamp,
    },
    /// A package is accepted.
    Accepted {
        /// Its identifier.
        id: u8,
        /// Its number.
        sequence: u16,
    },
    /// Do this.
    Command {
        /// Comes back with the answer.
        reference: u32,
        /// What to do.
        text: String,
    },
}

/// A terminal: who it is and the number of its next package.
#[derive(Debug, Clone)]
pub struct Terminal {
    imei: Imei,
    sequence: u16,
}

impl Terminal {
    /// Starts with fifteen digits.
    pub fn new(imei: &str) -> Option<Self> {
        Some(Self {
            imei: Imei::from_digits(imei)?,
            sequence: 1,
        })
    }

    /// Numbers a package.
    pub fn package(&mut self, id: u8, content: Bytes) -> Package {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        Package { id, sequence, content }
    }

    /// The log-in: English, UTC.
    pub fn login(&mut self) -> Package {
        let mut content = BytesMut::with_capacity(10);
        content.put_slice(self.imei.packed());
        content.put_slice(&[1, 0]);
        self.package(id::LOGIN, content.freeze())
    }

    /// A heartbeat.
    pub fn heartbeat(&mut self) -> Package {
        self.package(id::HEARTBEAT, Bytes::from_static(&[0, 0]))
    }

    /// A position, then one warning each for the alarms that there is a word for.
    pub fn report(&mut self, location: &Location, alarms: &[Alarm]) -> Vec<Package> {
        let mut packages = vec![self.package(id::NORMAL, location.normal())];
        for code in alarms.iter().filter_map(|alarm| warning_code(*alarm)) {
            packages.push(self.package(id::WARNING, location.warning(code)));
        }
        packages
    }

    /// An answer to a command.
    pub fn answer(&mut self, reference: u32, text: &str) -> Package {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        command::package(sequence, reference, text)
    }

    /// Packages in one datagram.
    pub fn datagram(&self, packages: &[Package]) -> Bytes {
        let mut wire = BytesMut::new();
        for package in packages {
            package.write(&mut wire);
        }
        frame::enclose(self.imei, &wire)
    }

    /// Reads what the server sent: packages of a stream, or a datagram.
    pub fn hear(wire: &Bytes) -> Result<Vec<Heard>, Fault> {
        let mut packages = if frame::envelope_imei(wire).is_some() {
            frame::open(wire)?.1
        } else {
            wire.clone()
        };
        let mut heard = Vec::new();
        while !packages.is_empty() {
            let (package, size) = Package::parse(&packages)?;
            packages = packages.split_off(size);
            heard.push(match package.id {
                id::LOGIN => Heard::Welcome {
                    time: super::location::time(&mut Cursor::new(&package.content))?,
                },
                id::COMMAND if !package.content.is_empty() => {
                    let (reference, text) = command::read(&package)?;
                    Heard::Command { reference, text }
                }
                id => Heard::Accepted {
                    id,
                    sequence: package.sequence,
                },
            });
        }
        Ok(heard)
    }
}
