//! Eelink: the protocol of a maker of personal, pet and vehicle trackers, over TCP and UDP.
//!
//! Both generations: positions of the old format (0x02 to 0x06, edition 1.8) and of the new one (0x12 to 0x1c, edition 2). What the editions
//! leave open follows what devices are known to send (see `docs/protocols/eelink.md`).
//!
//! The way of a package: [`Framer`] or [`frame::open`] → [`Package::parse`] → [`location`] → [`reply`].

mod command;
pub mod frame;
mod location;
mod network;
mod reply;
mod status;
pub mod terminal;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

pub use frame::{Framer, Imei, MAX_PACKAGE_BYTES, Package};

use crate::{
    Command, Decoded, Fault, Heartbeat, Message, Profile, Protocol, Rejected, Talk, Unsupported, cursor::Cursor,
};

/// Identifiers of packages.
pub mod id {
    /// Log-in: IMEI, language, time zone, versions.
    pub const LOGIN: u8 = 0x01;
    /// Position, old format.
    pub const GPS: u8 = 0x02;
    /// Heartbeat: the status.
    pub const HEARTBEAT: u8 = 0x03;
    /// Warning, old format.
    pub const ALARM: u8 = 0x04;
    /// State of the terminal, old format.
    pub const STATE: u8 = 0x05;
    /// A text message that the terminal received, old format.
    pub const SMS: u8 = 0x06;
    /// Values of a vehicle, or the status.
    pub const OBD: u8 = 0x07;
    /// Position, new format.
    pub const NORMAL: u8 = 0x12;
    /// Warning, new format.
    pub const WARNING: u8 = 0x14;
    /// Something happened, new format.
    pub const REPORT: u8 = 0x15;
    /// A text message that the terminal received, new format.
    pub const MESSAGE: u8 = 0x16;
    /// The last of those that begin with a position of the new format.
    pub const OBD_CODE: u8 = 0x19;
    /// Steps.
    pub const PEDOMETER: u8 = 0x1a;
    /// The terminal's settings.
    pub const PARAMETERS: u8 = 0x1b;
    /// An instruction's result.
    pub const RESULT: u8 = 0x1c;
    /// What a camera has.
    pub const CAMERA_INFO: u8 = 0x1e;
    /// A part of what a camera has.
    pub const CAMERA_DATA: u8 = 0x1f;
    /// A command, or the answer to one.
    pub const COMMAND: u8 = 0x80;
    /// Data that is passed through.
    pub const DATA: u8 = 0x81;
}

/// Ids of the fields that a profile may interpret.
pub mod item {
    /// Battery voltage, millivolts.
    pub const BATTERY: u32 = 0x01;
    /// The status word.
    pub const STATUS: u32 = 0x02;
    /// Analogue input 0, millivolts.
    pub const ADC_0: u32 = 0x03;
    /// Analogue input 1.
    pub const ADC_1: u32 = 0x04;
    /// Analogue input 2 (old format).
    pub const ADC_2: u32 = 0x05;
    /// Kind of state (0x05) or of report (0x15).
    pub const EVENT: u32 = 0x06;
    /// Counter of the radio.
    pub const GSM_COUNT: u32 = 0x07;
    /// Counter of the GNSS receiver.
    pub const GNSS_COUNT: u32 = 0x08;
    /// Steps.
    pub const STEPS: u32 = 0x09;
    /// Time spent walking.
    pub const WALKING: u32 = 0x0a;
    /// 1/256 degree Celsius.
    pub const TEMPERATURE: u32 = 0x0b;
    /// Tenths of a percent.
    pub const HUMIDITY: u32 = 0x0c;
    /// 1/256 lux.
    pub const ILLUMINANCE: u32 = 0x0d;
    /// Parts per million.
    pub const CO2: u32 = 0x0e;
    /// 1/16 degree Celsius.
    pub const TEMPERATURE_2: u32 = 0x0f;
    /// A radio tag: address, strength, model, version, battery, temperature, data.
    pub const TAG: u32 = 0x10;
    /// What stands behind all known fields.
    pub const REST: u32 = 0x11;
    /// What follows the address of a tag of [`super::terminal::TAG_ADDRESS`].
    pub const OWN_TAG: u32 = 0x12;
}

/// A conversation.
#[derive(Debug, Default)]
pub struct Eelink {
    /// Whom the log-in named.
    imei: Option<Imei>,
    /// Whom the last datagram named.
    envelope: Option<Imei>,
    /// Number of the last command.
    commands: u16,
}

impl Eelink {
    /// The messages of a package, and what is wrong with the place in it.
    fn package(package: &Package, profile: &Profile) -> Result<(Vec<Message>, Option<Fault>), Fault> {
        let mut wrong = None;
        let mut report = |(report, fault): location::Read| {
            wrong = fault;
            vec![Message::Report(Box::new(report))]
        };
        let status = |kind| {
            vec![Message::Status {
                kind,
                device_time: None,
            }]
        };
        let messages = match package.id {
            id::LOGIN => {
                login(&package.content)?;
                status("login")
            }
            id::GPS | id::ALARM | id::STATE | id::SMS => report(location::old(package, profile)?),
            id::NORMAL..=id::OBD_CODE => report(location::new(package, profile)?),
            id::HEARTBEAT => vec![Message::Heartbeat(Heartbeat::default())],
            // Four bytes are a status, as in a heartbeat; more are a time and numbered values.
            id::OBD if package.content.len() <= 4 => status("obd"),
            id::OBD => vec![Message::Status {
                kind: "obd",
                device_time: Some(location::time(&mut Cursor::new(&package.content))?),
            }],
            id::PEDOMETER => status("pedometer"),
            id::PARAMETERS => status("parameters"),
            id::RESULT => status("result"),
            id::CAMERA_INFO => status("camera"),
            id::CAMERA_DATA => status("camera_data"),
            id::COMMAND => command::answer(package)?,
            id::DATA => status("data"),
            other => vec![Message::Unknown { id: other.into() }],
        };
        Ok((messages, wrong))
    }
}

/// The IMEI of a log-in.
fn login(content: &[u8]) -> Result<Imei, Fault> {
    let imei = Cursor::new(content).take(8, "IMEI")?;
    Imei::from_wire(imei).ok_or_else(|| Fault::Range {
        what: "IMEI",
        value: hex::encode(imei),
    })
}

fn rejected(index: usize, package: &Package, fault: &Fault) -> Rejected {
    Rejected {
        sequence: package.sequence.into(),
        ..Rejected::of_one(index, fault)
    }
}

fn digits(imei: Option<Imei>) -> String {
    imei.map(Imei::digits).unwrap_or_default()
}

impl Talk for Eelink {
    const PROTOCOL: Protocol = Protocol::Eelink;
    type Framer = Framer;

    fn identity(frame: &[u8]) -> Option<String> {
        let [0x67, 0x67, id::LOGIN, _, _, _, _, content @ ..] = frame else {
            return None;
        };
        login(content).ok().map(Imei::digits)
    }

    fn take(&mut self, frame: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault> {
        let (package, size) = Package::parse(frame)?;
        if size < frame.len() {
            return Err(Fault::Garbage {
                size: frame.len() - size,
            });
        }
        let (messages, wrong) = Self::package(&package, profile)?;
        if package.id == id::LOGIN {
            self.imei = login(&package.content).ok();
        }
        Ok(Decoded {
            device: digits(self.imei),
            messages,
            rejected: wrong.iter().map(|fault| rejected(0, &package, fault)).collect(),
            reply: reply::accepting(&package, now).map(|reply| reply.to_wire()),
            ..Decoded::default()
        })
    }

    fn datagram_identity(bytes: &[u8]) -> Option<String> {
        frame::envelope_imei(bytes).map(Imei::digits)
    }

    fn datagram(&mut self, bytes: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault> {
        let (imei, mut packages) = frame::open(bytes)?;
        self.envelope = Some(imei);
        let mut decoded = Decoded {
            device: imei.digits(),
            ..Decoded::default()
        };
        let mut reply = BytesMut::new();
        let mut first = None;
        let mut index = 0;
        while !packages.is_empty() {
            let (sequence, fault) = match Package::parse(&packages) {
                Ok((package, size)) => {
                    packages = packages.split_off(size);
                    match Self::package(&package, profile) {
                        Ok((messages, wrong)) => {
                            let wrong = wrong.iter().map(|fault| rejected(index, &package, fault));
                            decoded.rejected.extend(wrong);
                            decoded.messages.extend(messages);
                            if let Some(answer) = reply::accepting(&package, now) {
                                answer.write(&mut reply);
                            }
                            index += 1;
                            continue;
                        }
                        Err(fault) => (package.sequence, fault),
                    }
                }
                // Without a header there is no telling where the next package begins.
                Err(fault) => {
                    packages.clear();
                    (0, fault)
                }
            };
            decoded.rejected.push(Rejected {
                index,
                sequence: sequence.into(),
                reason: fault.to_string(),
            });
            first = first.or(Some(fault));
            index += 1;
        }
        if decoded.messages.is_empty() {
            return Err(first.unwrap_or(Fault::Incomplete("no package in the datagram")));
        }
        decoded.reply = (!reply.is_empty()).then(|| reply.freeze());
        Ok(decoded)
    }

    fn enclose(&self, packages: Bytes) -> Bytes {
        match self.envelope.or(self.imei) {
            Some(imei) => frame::enclose(imei, &packages),
            None => packages,
        }
    }

    fn command(
        &mut self,
        command: &Command,
        reference: u32,
        profile: &Profile,
        _now: Timestamp,
    ) -> Result<Vec<Bytes>, Unsupported> {
        let text = profile
            .command_text(command)
            .ok_or_else(|| Unsupported::new(Self::PROTOCOL, profile, command))?;
        self.commands = self.commands.wrapping_add(1);
        Ok(vec![command::package(self.commands, reference, &text).to_wire()])
    }
}
