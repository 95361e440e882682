//! What a device says and hears in its protocol: bytes to bytes, no socket.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use codec::{
    Piece, eelink, gt06,
    jt808::{self, Framer as Jt808Framer, Item, Variant, id},
    native::{
        self,
        handshake::{Claim, NONCE_BYTES},
    },
    teltonika,
};
use gateway::tls::Binding;
use jiff::Timestamp;
use proto::wire::{self, Alarm, Strap, gateway_frame::Body};
use tokio_util::codec::Decoder;

use super::{Speech, Walk};

/// What a device reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// When, by its clock.
    pub(super) second: i64,
    /// It calls for help.
    pub(super) help: bool,
    /// What it does.
    pub(super) walk: Walk,
}

/// Names a message on the way until it is answered.
pub(super) type Tag = u16;

/// What the gateway says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// The device is let in.
    Welcome,
    /// This message and what is in it is durable.
    Done(Tag),
    /// This is to be sent before anything else.
    Next(Vec<u8>),
    /// Something that needs no reaction.
    Other,
}

/// A device's side of a session.
#[derive(Debug)]
pub(super) enum Tongue {
    Jt808 {
        terminal: jt808::terminal::Terminal,
        framer: Jt808Framer,
    },
    Teltonika {
        terminal: teltonika::terminal::Terminal,
        next: Tag,
        /// Answers say how many, not which: they come in the order of the messages.
        sent: VecDeque<Tag>,
    },
    Gt06 {
        terminal: gt06::terminal::Terminal,
        framer: gt06::Framer,
    },
    Eelink {
        terminal: eelink::terminal::Terminal,
        framer: eelink::Framer,
    },
    Native {
        nonce: [u8; NONCE_BYTES],
        /// Over TLS: what the proof is tied to.
        binding: Option<Binding>,
        framer: native::client::Answers,
        next: Tag,
        /// Answers name the last report that is durable: they come in the order of the messages.
        sent: VecDeque<(u64, Tag)>,
    },
}

impl Tongue {
    pub(super) fn new(speech: Speech, index: usize, binding: Option<Binding>) -> Result<Self> {
        let identity = identity(speech, index);
        let number = "a number that the protocol has no room for";
        Ok(match speech {
            Speech::Jt808 => Self::Jt808 {
                terminal: jt808::terminal::Terminal::new(&identity, Variant::V2013).context(number)?,
                framer: Jt808Framer::default(),
            },
            Speech::Teltonika => Self::Teltonika {
                terminal: teltonika::terminal::Terminal::new(&identity),
                next: 0,
                sent: VecDeque::new(),
            },
            Speech::Gt06 => Self::Gt06 {
                terminal: gt06::terminal::Terminal::new(&identity).context(number)?,
                framer: gt06::Framer::default(),
            },
            Speech::Eelink => Self::Eelink {
                terminal: eelink::terminal::Terminal::new(&identity).context(number)?,
                framer: eelink::Framer::default(),
            },
            Speech::NativeTls if binding.is_none() => bail!("the connection is not encrypted"),
            Speech::Native | Speech::NativeTls => Self::Native {
                nonce: rand::random(),
                binding,
                framer: native::client::Answers::default(),
                next: 0,
                sent: VecDeque::new(),
            },
        })
    }

    /// The first bytes of a session; the answer is [`Said::Welcome`].
    pub(super) fn sign_in(&mut self, index: usize) -> Vec<u8> {
        match self {
            Self::Jt808 { terminal, .. } => {
                let code = secret(Speech::Jt808, index).unwrap_or_default();
                terminal.authenticate(&code).to_vec()
            }
            Self::Teltonika { terminal, .. } => terminal.login().to_vec(),
            Self::Gt06 { terminal, .. } => terminal.log_in(0x3607, 0).to_vec(),
            Self::Eelink { terminal, .. } => {
                let package = terminal.login();
                let mut wire = BytesMut::new();
                package.write(&mut wire);
                wire.to_vec()
            }
            Self::Native { nonce, binding, .. } => {
                let hello = if binding.is_some() {
                    native::client::bound_hello
                } else {
                    native::client::hello
                };
                hello(&identity(Speech::Native, index), *nonce, "bench 1").to_vec()
            }
        }
    }

    /// Reports, oldest first, and what the last of their answers will name; `stored`: kept from before.
    pub(super) fn compose(&mut self, index: usize, reports: &[Report], stored: bool) -> (Tag, Vec<u8>) {
        let mut wire = BytesMut::new();
        let tag = match self {
            Self::Jt808 { terminal, .. } => {
                let locations: Vec<_> = reports.iter().map(|report| of_jt808(index, *report)).collect();
                if let ([location], false) = (locations.as_slice(), stored) {
                    wire.extend_from_slice(&terminal.location(location));
                } else {
                    for frame in &terminal.batch(&locations, true) {
                        wire.extend_from_slice(frame);
                    }
                }
                terminal.next_serial().wrapping_sub(1)
            }
            Self::Teltonika { terminal, next, sent } => {
                let locations: Vec<_> = reports.iter().map(|report| of_teltonika(index, *report)).collect();
                wire.extend_from_slice(&terminal.records(&locations));
                *next = next.wrapping_add(1);
                sent.push_back(*next);
                *next
            }
            Self::Gt06 { terminal, .. } => {
                for report in reports {
                    for frame in terminal.location(&of_gt06(index, *report, stored)) {
                        wire.extend_from_slice(&frame);
                    }
                }
                terminal.serial()
            }
            Self::Eelink { terminal, .. } => {
                let mut last = 0;
                for report in reports {
                    let (time, latitude, longitude) = place(index, *report);
                    let location = eelink::terminal::Location {
                        strap: strap(index, *report),
                        ..eelink::terminal::Location::new(time, latitude, longitude)
                    };
                    for package in terminal.report(&location, &alarms(*report)) {
                        last = package.sequence;
                        package.write(&mut wire);
                    }
                }
                last
            }
            Self::Native { next, sent, .. } => {
                let reports: Vec<_> = reports.iter().map(|report| of_native(index, *report, stored)).collect();
                *next = next.wrapping_add(1);
                sent.push_back((reports.last().map_or(0, |report| report.sequence), *next));
                wire.extend_from_slice(&native::client::reports(reports));
                *next
            }
        };
        (tag, wire.to_vec())
    }

    /// Takes what the gateway says out of the buffer; `None`: more bytes are needed.
    pub(super) fn hear(&mut self, index: usize, buffer: &mut BytesMut) -> Result<Option<Said>> {
        Ok(match self {
            Self::Native {
                nonce,
                binding,
                framer,
                sent,
                ..
            } => match framer.decode(buffer)? {
                Some(native::Item::Frame(frame)) => Some(match frame.body {
                    Some(Body::Challenge(challenge)) => {
                        Said::Next(proof(index, nonce, &challenge.gateway_nonce, binding.as_ref()))
                    }
                    Some(Body::Welcome(_)) => Said::Welcome,
                    Some(Body::Refusal(refusal)) => bail!("refused: {}", refusal.reason),
                    Some(Body::Acknowledgement(answer)) if answer.rejected.is_empty() => match sent.pop_front() {
                        Some((last, tag)) if last == answer.sequence => Said::Done(tag),
                        other => bail!("{} was acknowledged, {other:?} was sent", answer.sequence),
                    },
                    Some(Body::Acknowledgement(answer)) => bail!("reports were refused: {:?}", answer.rejected),
                    _ => Said::Other,
                }),
                Some(native::Item::Malformed(malformed)) => bail!("bad frame: {}", malformed.fault),
                None => None,
            },
            Self::Jt808 { framer, .. } => match framer.decode(buffer)? {
                Some(Item::Frame(frame)) => Some(from_jt808(&jt808::terminal::answer(&frame)?)?),
                Some(Item::Text(_)) => Some(Said::Other),
                Some(Item::Malformed(malformed)) => bail!("bad frame: {}", malformed.fault),
                None => None,
            },
            Self::Teltonika { terminal, sent, .. } => match terminal.read(buffer) {
                Some(teltonika::terminal::Answer::Welcome(true)) => Some(Said::Welcome),
                Some(teltonika::terminal::Answer::Welcome(false)) => bail!("sign-in refused"),
                // None is safe: the device sends them again, which this one does on a new connection.
                Some(teltonika::terminal::Answer::Records(0)) => bail!("records were refused"),
                Some(teltonika::terminal::Answer::Records(_)) => sent.pop_front().map(Said::Done),
                Some(_) => Some(Said::Other),
                None => None,
            },
            Self::Gt06 { framer, .. } => match frame(framer.decode(buffer)?)? {
                Some(wire) => Some(match gt06::terminal::answer(&wire)? {
                    gt06::terminal::Answer::Taken { kind: 0x01, .. } => Said::Welcome,
                    gt06::terminal::Answer::Taken { serial, .. } => Said::Done(serial),
                    _ => Said::Other,
                }),
                None => None,
            },
            Self::Eelink { framer, .. } => match frame(framer.decode(buffer)?)? {
                Some(wire) => Some(match eelink::terminal::Terminal::hear(&wire)?.first() {
                    Some(eelink::terminal::Heard::Welcome { .. }) => Said::Welcome,
                    Some(eelink::terminal::Heard::Accepted { sequence, .. }) => Said::Done(*sequence),
                    _ => Said::Other,
                }),
                None => None,
            },
        })
    }
}

fn frame(piece: Option<Piece>) -> Result<Option<bytes::Bytes>> {
    match piece {
        Some(Piece::Frame(wire)) => Ok(Some(wire)),
        Some(Piece::Malformed(malformed)) => bail!("bad frame: {}", malformed.fault),
        None => Ok(None),
    }
}

fn from_jt808(answer: &jt808::terminal::Answer) -> Result<Said> {
    Ok(match answer {
        jt808::terminal::Answer::General {
            id: id::AUTHENTICATE,
            result: 0,
            ..
        } => Said::Welcome,
        jt808::terminal::Answer::General { serial, result: 0, .. } => Said::Done(*serial),
        jt808::terminal::Answer::General { id, result, .. } => {
            bail!("message 0x{id:04x} was refused with result {result}")
        }
        _ => Said::Other,
    })
}

/// What a device calls itself: a terminal phone number, a name, or an IMEI with its check digit.
pub(crate) fn identity(speech: Speech, index: usize) -> String {
    if speech.protocol() == Speech::Native.name() {
        return format!("BENCH-{index:06}");
    }
    if speech == Speech::Jt808 {
        return format!("139{index:08}");
    }
    let digits = format!("490154{index:08}");
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// What a device proves itself by: the authentication code of JT/T 808, the key of the native protocol; the others have none.
pub(crate) fn secret(speech: Speech, index: usize) -> Option<Vec<u8>> {
    match speech {
        Speech::Jt808 => Some(format!("c{index}").into_bytes()),
        Speech::Native | Speech::NativeTls => Some(format!("{index:032}").into_bytes()),
        Speech::Teltonika | Speech::Gt06 | Speech::Eelink => None,
    }
}

/// The answer to a challenge.
fn proof(index: usize, device_nonce: &[u8], gateway_nonce: &[u8], binding: Option<&Binding>) -> Vec<u8> {
    let secret = secret(Speech::Native, index).unwrap_or_default();
    let device = identity(Speech::Native, index);
    let claim = Claim {
        device_nonce,
        gateway_nonce,
        binding,
        device: &device,
    };
    // Of both versions the proof is made over the claim.
    native::client::bound_proof(&secret, &claim).to_vec()
}

/// When and where.
fn place(index: usize, report: Report) -> (Timestamp, f64, f64) {
    let time = Timestamp::from_second(report.second).unwrap_or_default();
    let (latitude, longitude) = report.walk.place(index, report.second);
    (time, latitude, longitude)
}

fn strap(index: usize, report: Report) -> Strap {
    match report.walk.strap_is_open(index, report.second) {
        None => Strap::Unspecified,
        Some(true) => Strap::Open,
        Some(false) => Strap::Closed,
    }
}

fn alarms(report: Report) -> Vec<Alarm> {
    report.help.then_some(Alarm::Sos).into_iter().collect()
}

fn of_jt808(index: usize, report: Report) -> jt808::terminal::Location {
    let (time, latitude, longitude) = place(index, report);
    jt808::terminal::Location {
        satellites: Some(9),
        battery_percent: Some(80),
        speed_kmh: 4.0,
        strap: strap(index, report),
        alarms: alarms(report),
        ..jt808::terminal::Location::new(time, latitude, longitude)
    }
}

fn of_teltonika(index: usize, report: Report) -> teltonika::terminal::Location {
    let (time, latitude, longitude) = place(index, report);
    teltonika::terminal::Location {
        satellites: Some(9),
        battery_percent: Some(80),
        strap: strap(index, report),
        alarms: alarms(report),
        ..teltonika::terminal::Location::new(time, latitude, longitude)
    }
}

fn of_gt06(index: usize, report: Report, stored: bool) -> gt06::terminal::Location {
    let (time, latitude, longitude) = place(index, report);
    gt06::terminal::Location {
        stored,
        alarms: alarms(report),
        ..gt06::terminal::Location::new(time, latitude, longitude)
    }
}

fn of_native(index: usize, report: Report, stored: bool) -> wire::DeviceReport {
    let (time, latitude, longitude) = place(index, report);
    #[expect(clippy::cast_possible_truncation, reason = "degrees times 1e7 fit")]
    let e7 = |degrees: f64| (degrees * 1e7).round() as i32;
    wire::DeviceReport {
        // Each second has one report at most, so its number lasts as long as the report.
        sequence: report.second.cast_unsigned(),
        fix_time_us: time.as_microsecond(),
        stored,
        position: Some(wire::Position {
            latitude_e7: e7(latitude),
            longitude_e7: e7(longitude),
            valid: true,
            source: wire::FixSource::Gnss.into(),
            satellites: Some(9),
            ..wire::Position::default()
        }),
        battery_percent: Some(80),
        strap: strap(index, report).into(),
        alarms: alarms(report).into_iter().map(i32::from).collect(),
        ..wire::DeviceReport::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_what_the_protocols_want() {
        // The example that every explanation of the check digit has.
        assert_eq!(identity(Speech::Gt06, 20_323_751), "490154203237518");
        assert_eq!(identity(Speech::Jt808, 7), "13900000007");
    }
}
