//! What a device says and hears in its protocol: bytes to bytes, no socket.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use codec::{
    Piece, eelink, gt06,
    jt808::{self, Framer as Jt808Framer, Item, Variant, id},
    teltonika,
};
use jiff::Timestamp;
use proto::wire::Alarm;
use tokio_util::codec::Decoder;

use super::Speech;

/// What a device reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Report {
    /// When, by its clock.
    pub(super) second: i64,
    /// It calls for help.
    pub(super) help: bool,
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
}

impl Tongue {
    pub(super) fn new(speech: Speech, index: usize) -> Result<Self> {
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
        })
    }

    /// The first bytes of a session; the answer is [`Said::Welcome`].
    pub(super) fn sign_in(&mut self, index: usize) -> Vec<u8> {
        match self {
            Self::Jt808 { terminal, .. } => terminal.authenticate(secret(index).as_bytes()).to_vec(),
            Self::Teltonika { terminal, .. } => terminal.login().to_vec(),
            Self::Gt06 { terminal, .. } => terminal.log_in(0x3607, 0).to_vec(),
            Self::Eelink { terminal, .. } => {
                let package = terminal.login();
                let mut wire = BytesMut::new();
                package.write(&mut wire);
                wire.to_vec()
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
                    let location = eelink::terminal::Location::new(time, latitude, longitude);
                    for package in terminal.report(&location, &alarms(*report)) {
                        last = package.sequence;
                        package.write(&mut wire);
                    }
                }
                last
            }
        };
        (tag, wire.to_vec())
    }

    /// Takes what the gateway says out of the buffer; `None`: more bytes are needed.
    pub(super) fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>> {
        Ok(match self {
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

/// What a device calls itself: a terminal phone number, or an IMEI with its check digit.
pub(crate) fn identity(speech: Speech, index: usize) -> String {
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

/// The authentication code of JT/T 808; the other protocols have none.
pub(crate) fn secret(index: usize) -> String {
    format!("c{index}")
}

/// A walk around a block, in nobody's town.
fn place(index: usize, report: Report) -> (Timestamp, f64, f64) {
    let time = Timestamp::from_second(report.second).unwrap_or_default();
    let angle = (report.second % 3_600) as f64 / 3_600.0 * std::f64::consts::TAU;
    let (north, east) = ((index % 200) as f64 * 0.01, (index / 200 % 200) as f64 * 0.01);
    let (latitude, longitude) = (44.0 + north + 0.001 * angle.sin(), 7.0 + east + 0.001 * angle.cos());
    (time, latitude, longitude)
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
        alarms: alarms(report),
        ..jt808::terminal::Location::new(time, latitude, longitude)
    }
}

fn of_teltonika(index: usize, report: Report) -> teltonika::terminal::Location {
    let (time, latitude, longitude) = place(index, report);
    teltonika::terminal::Location {
        satellites: Some(9),
        battery_percent: Some(80),
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
