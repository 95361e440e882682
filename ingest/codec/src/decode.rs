//! The library behind `homeward decode`: hex frames in, one JSON object a line out.

use std::{
    io::{self, BufRead, Write},
    sync::Arc,
};

use bytes::BytesMut;
use jiff::Timestamp;
use proto::wire::{Alarm, Case, DeviceFrame, FixSource, Motion, Strap};
use serde::Serialize;
use tokio_util::codec::Decoder;

use crate::{
    AccessPoint, Cell, Decoded, Fault, Message, Profile, Profiles, Protocol, Rejected, Report, alarm_name,
    eelink::Eelink,
    gt06::Gt06,
    jt808::{self, Assembled, Assembler},
    native,
    teltonika::Teltonika,
};

mod ascii;
mod vendor;

use vendor::Conversation;

/// Decodes one line. Sub-packages of one message need [`Lines`], which remembers those before.
pub fn decode_line(protocol: Protocol, line: u64, hex: &str, now: Timestamp) -> serde_json::Value {
    let answer = Lines::new(protocol, now).decode(line, hex.as_bytes());
    answer
        .and_then(|answer| serde_json::to_value(answer).ok())
        .unwrap_or_default()
}

/// Decodes every line of `input` and writes a JSON object for each to `output`.
///
/// Blank lines count but get no answer. A line that is no frame gets an error that names the place; only failing input or
/// output ends it.
pub fn decode_lines(protocol: Protocol, now: Timestamp, input: impl BufRead, output: impl Write) -> io::Result<()> {
    Lines::new(protocol, now).decode_all(input, output)
}

/// Lines as frames of one session.
#[derive(Debug)]
pub struct Lines {
    protocol: Protocol,
    profile: Arc<Profile>,
    now: Timestamp,
    assembler: Assembler,
    talks: Talks,
}

#[derive(Debug, Default)]
struct Talks {
    teltonika: Conversation<Teltonika>,
    gt06: Conversation<Gt06>,
    eelink: Conversation<Eelink>,
}

impl Lines {
    /// Starts a session of a device with its protocol's default profile. `now` is what a device that asks for the time is told.
    pub fn new(protocol: Protocol, now: Timestamp) -> Self {
        Self::with_profile(protocol, Profiles::builtin().default_for(protocol).clone(), now)
    }

    /// Starts a session of a device with this profile.
    pub fn with_profile(protocol: Protocol, profile: Arc<Profile>, now: Timestamp) -> Self {
        Self {
            protocol,
            profile,
            now,
            assembler: Assembler::default(),
            talks: Talks::default(),
        }
    }

    /// Decodes every line of `input`, as [`decode_lines`] does.
    pub fn decode_all(mut self, mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
        let mut text = Vec::new();
        let mut number = 0;
        loop {
            text.clear();
            if input.read_until(b'\n', &mut text)? == 0 {
                return output.flush();
            }
            number += 1;
            if let Some(answer) = self.decode(number, &text) {
                answer.serialize(&mut serde_json::Serializer::with_formatter(&mut output, ascii::Ascii))?;
                output.write_all(b"\n")?;
            }
        }
    }

    /// Decodes a line; `None` when it is blank.
    pub fn decode(&mut self, line: u64, text: &[u8]) -> Option<Line> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return None;
        }
        let result = unhex(text).and_then(|bytes| match self.protocol {
            Protocol::Native => native(&bytes),
            Protocol::Jt808 => self.jt808(&bytes),
            Protocol::Teltonika => self.talks.teltonika.line(&bytes, &self.profile, self.now),
            Protocol::Gt06 => self.talks.gt06.line(&bytes, &self.profile, self.now),
            Protocol::Eelink => self.talks.eelink.line(&bytes, &self.profile, self.now),
        });
        Some(Line::new(line, result))
    }

    fn jt808(&mut self, bytes: &[u8]) -> Result<Decoded, Fault> {
        let mut source = BytesMut::from(bytes);
        let mut framer = jt808::Framer::default();
        let mut decoded = Decoded::default();
        let mut faults = Vec::new();
        let mut found = false;
        // Never fails: the framer does no input or output.
        while let Ok(Some(item)) = framer.decode_eof(&mut source) {
            match item {
                jt808::Item::Malformed(malformed) => {
                    faults.push(malformed.fault);
                }
                jt808::Item::Text(text) => {
                    found = true;
                    decoded.messages.push(Message::Status {
                        kind: "text",
                        device_time: None,
                    });
                    decoded.reply = jt808::reply::text(&text, self.now);
                }
                jt808::Item::Frame(frame) => match self.jt808_frame(&frame) {
                    Ok(one) => {
                        found = true;
                        decoded.device = one.device;
                        decoded.messages.extend(one.messages);
                        decoded.rejected.extend(one.rejected);
                        decoded.reply = match (decoded.reply, one.reply) {
                            (Some(before), Some(after)) => Some([before, after].concat().into()),
                            (before, after) => before.or(after),
                        };
                    }
                    Err(one) => {
                        faults.push(one);
                    }
                },
            }
        }
        if !found {
            return Err(faults.into_iter().next().unwrap_or(Fault::Incomplete("no frame")));
        }
        for fault in faults {
            decoded.rejected.push(Rejected {
                index: decoded.rejected.len(),
                sequence: 0,
                reason: fault.to_string(),
            });
        }
        Ok(decoded)
    }

    fn jt808_frame(&mut self, frame: &jt808::Frame) -> Result<Decoded, Fault> {
        let (header, body) = frame.parse()?;
        let device = header.phone.identity();
        match self.assembler.take(&header, body, self.now)? {
            Assembled::Part { number, total } => Ok(Decoded {
                device,
                messages: vec![Message::Fragment { number, total }],
                ..Decoded::default()
            }),
            Assembled::Whole { body, serials } => {
                let content = jt808::decode_body_with(&header, &body, &self.profile)?;
                let reply = jt808::reply::accepting(&header, &serials, self.now);
                Ok(Decoded {
                    device,
                    messages: content.messages,
                    rejected: content.rejected,
                    reply,
                    refusal: None,
                })
            }
        }
    }
}

fn native(bytes: &[u8]) -> Result<Decoded, Fault> {
    let mut source = BytesMut::from(bytes);
    let item = native::Framer::<DeviceFrame>::default().decode_eof(&mut source);
    match item {
        Ok(Some(native::Item::Frame(_))) if !source.is_empty() => Err(Fault::Garbage { size: source.len() }),
        Ok(Some(native::Item::Frame(frame))) => native::gateway::decode(&frame),
        Ok(Some(native::Item::Malformed(malformed))) => Err(malformed.fault),
        _ => Err(Fault::Incomplete("no frame")),
    }
}

fn unhex(text: &[u8]) -> Result<Vec<u8>, Fault> {
    if let Some((at, byte)) = text.iter().enumerate().find(|(_, byte)| !byte.is_ascii_hexdigit()) {
        return Err(Fault::Hex(format!(
            "0x{byte:02x} at character {} is no hexadecimal digit",
            at + 1
        )));
    }
    if text.len() % 2 == 1 {
        return Err(Fault::Hex(format!("odd number of digits: {}", text.len())));
    }
    hex::decode(text).map_err(|error| Fault::Hex(error.to_string()))
}

/// The answer to a line.
#[derive(Debug, Serialize)]
pub struct Line {
    line: u64,
    #[serde(flatten)]
    answer: Answer,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    Good {
        device: String,
        messages: Vec<Shown>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        rejected: Vec<ShownRejected>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reply: Option<String>,
    },
    Bad {
        error: String,
    },
}

impl Line {
    fn new(line: u64, result: Result<Decoded, Fault>) -> Self {
        let answer = match result {
            Err(fault) => Answer::Bad {
                error: fault.to_string(),
            },
            Ok(decoded) => Answer::Good {
                device: decoded.device,
                messages: decoded.messages.iter().map(Shown::new).collect(),
                rejected: decoded
                    .rejected
                    .into_iter()
                    .map(|one| ShownRejected {
                        index: one.index,
                        sequence: nonzero(one.sequence),
                        reason: one.reason,
                    })
                    .collect(),
                reply: decoded.reply.map(hex::encode),
            },
        };
        Self { line, answer }
    }
}

#[derive(Debug, Serialize)]
struct ShownRejected {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    reason: String,
}

/// A message as JSON; what is absent on the wire is absent here.
#[derive(Debug, Default, Serialize)]
struct Shown {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_time: Option<Timestamp>,
    #[serde(flatten)]
    fix: Option<ShownFix>,
    #[serde(skip_serializing_if = "Option::is_none")]
    battery_percent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charging: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strap: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    case: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    motion: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mileage_m: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    battery_v: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alarms: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    items: Vec<ShownItem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cells: Vec<ShownCell>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wifi: Vec<ShownAccessPoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    imei: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ShownCell {
    mcc: u16,
    mnc: u16,
    lac: u32,
    cid: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rssi: Option<i16>,
}

impl From<&Cell> for ShownCell {
    fn from(cell: &Cell) -> Self {
        Self {
            mcc: cell.mcc,
            mnc: cell.mnc,
            lac: cell.lac,
            cid: cell.cid,
            rssi: cell.rssi,
        }
    }
}

#[derive(Debug, Serialize)]
struct ShownAccessPoint {
    mac: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rssi: Option<i16>,
}

impl From<&AccessPoint> for ShownAccessPoint {
    fn from(point: &AccessPoint) -> Self {
        Self {
            mac: point.mac.map(|byte| format!("{byte:02x}")).join(":"),
            rssi: point.rssi,
        }
    }
}

#[derive(Debug, Serialize)]
struct ShownFix {
    valid: bool,
    latitude: f64,
    longitude: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    altitude_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed_kmh: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    course_deg: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    satellites: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accuracy_m: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hdop: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
}

/// An additional item that is not known.
#[derive(Debug, Serialize)]
struct ShownItem {
    id: String,
    value: String,
}

impl Shown {
    fn new(message: &Message) -> Self {
        let named = |name| Self {
            r#type: name,
            ..Self::default()
        };
        match message {
            Message::Report(report) => Self::report(report),
            Message::Register(register) => Self {
                manufacturer: Some(register.manufacturer.clone()).filter(|text| !text.is_empty()),
                model: Some(register.model.clone()).filter(|text| !text.is_empty()),
                terminal: Some(register.terminal.clone()).filter(|text| !text.is_empty()),
                ..named("register")
            },
            // The code is a secret and is not shown.
            Message::Authenticate(message) => Self {
                imei: message.imei.clone(),
                ..named("authenticate")
            },
            Message::Heartbeat(heartbeat) => Self {
                device_time: heartbeat.device_time,
                battery_percent: heartbeat.battery_percent,
                ..named("heartbeat")
            },
            Message::Logout => named("logout"),
            Message::TimeRequest => named("time_request"),
            Message::Fragment { number, total } => Self {
                number: Some(*number),
                total: Some(*total),
                ..named("fragment")
            },
            Message::Hello { version } => Self {
                version: Some(*version),
                ..named("hello")
            },
            Message::Status { kind, device_time } => Self {
                kind: Some(kind),
                device_time: *device_time,
                ..named("status")
            },
            Message::CommandAnswer { reference, text, done } => Self {
                reference: *reference,
                text: Some(text.clone()),
                done: *done,
                ..named("command_answer")
            },
            Message::Unknown { id } => Self {
                id: Some(format!("0x{id:04x}")),
                ..named("unknown")
            },
        }
    }

    fn report(report: &Report) -> Self {
        Self {
            r#type: if report.fix.is_some() { "position" } else { "event" },
            sequence: nonzero(report.sequence),
            fix_time: Some(report.fix_time),
            fix: report.fix.as_ref().map(|fix| ShownFix {
                valid: fix.valid,
                latitude: rounded(fix.latitude, 1e7),
                longitude: rounded(fix.longitude, 1e7),
                altitude_m: fix.altitude_m.map(short),
                speed_kmh: fix.speed_kmh.map(short),
                course_deg: fix.course_deg.map(short),
                satellites: fix.satellites,
                accuracy_m: fix.accuracy_m.map(short),
                hdop: fix.hdop.map(short),
                source: match fix.source {
                    FixSource::Unspecified => None,
                    FixSource::Gnss => Some("gnss"),
                    FixSource::Wifi => Some("wifi"),
                    FixSource::Cell => Some("cell"),
                    FixSource::Beacon => Some("beacon"),
                },
            }),
            battery_percent: report.battery_percent,
            charging: report.charging,
            strap: match report.strap {
                Strap::Unspecified => None,
                Strap::Closed => Some("closed"),
                Strap::Open => Some("open"),
            },
            case: match report.case {
                Case::Unspecified => None,
                Case::Closed => Some("closed"),
                Case::Open => Some("open"),
            },
            motion: match report.motion {
                Motion::Unspecified => None,
                Motion::Still => Some("still"),
                Motion::Moving => Some("moving"),
            },
            stored: report.stored.then_some(true),
            mileage_m: report.extra.mileage_m,
            signal: report.extra.signal,
            battery_v: report
                .extra
                .battery_mv
                .map(|millivolts| f64::from(millivolts) / 1_000.0),
            alarms: report
                .alarms
                .iter()
                .copied()
                .filter(|alarm| *alarm != Alarm::Unspecified)
                .map(alarm_name)
                .collect(),
            items: report
                .extra
                .items
                .iter()
                .map(|(id, value)| ShownItem {
                    id: format!("0x{id:02x}"),
                    value: hex::encode(value),
                })
                .collect(),
            cells: report.extra.cells.iter().map(ShownCell::from).collect(),
            wifi: report.extra.wifi.iter().map(ShownAccessPoint::from).collect(),
            ..Self::default()
        }
    }
}

fn nonzero(sequence: u64) -> Option<u64> {
    (sequence != 0).then_some(sequence)
}

/// Four decimals: what single precision holds of the values that devices send.
fn short(value: f64) -> f64 {
    rounded(value, 1e4)
}

fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}
