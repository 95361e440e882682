//! Eelink, the new format.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use codec::eelink::{
    Framer, id,
    terminal::{Heard, Location, Terminal, millivolts},
};
use tokio_util::codec::Decoder;

use super::{Asked, OnTheWay, Said, Token, Voice, VoiceError, byte, degrees, frame, profile, understood, words};
use crate::{device::Sample, person::Speaks};

#[derive(Debug)]
pub(super) struct Eelink {
    terminal: Terminal,
    framer: Framer,
    sent: OnTheWay,
}

impl Eelink {
    pub(super) fn new(identity: &str) -> Option<Self> {
        Some(Self {
            terminal: Terminal::new(identity)?,
            framer: Framer::default(),
            sent: OnTheWay::default(),
        })
    }
}

impl Voice for Eelink {
    fn sign_in(&mut self) -> Bytes {
        self.terminal.login().to_wire()
    }

    fn tell(&mut self, samples: &[Sample], _stored: bool) -> Bytes {
        let mut wire = BytesMut::new();
        for sample in samples {
            let package = self.terminal.package(id::NORMAL, location(sample).normal());
            package.write(&mut wire);
            self.sent.sent(package.sequence, 1);
        }
        wire.freeze()
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        let Some(wire) = frame(self.framer.decode(buffer)?)? else {
            return Ok(None);
        };
        // A frame is one package.
        Ok(Some(match Terminal::hear(&wire)?.into_iter().next() {
            Some(Heard::Welcome { .. }) => Said::Welcome,
            Some(Heard::Accepted {
                id: id::NORMAL,
                sequence,
            }) => self.sent.answered(sequence).map_or(Said::Other, Said::Done),
            Some(Heard::Command { reference, text }) => Said::Command(Asked {
                command: understood(profile(Speaks::Eelink), &text),
                token: Token::Reference(reference),
            }),
            Some(Heard::Accepted { .. }) | None => Said::Other,
        }))
    }

    fn answer(&mut self, asked: &Asked, done: bool, _here: Option<&Sample>) -> Bytes {
        match asked.token {
            Token::Reference(reference) => self.terminal.answer(reference, words(done)).to_wire(),
            _ => Bytes::new(),
        }
    }
}

/// The same in datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    terminal: Terminal,
    /// The number of the last package of the datagram on the way, and how many reports are in it.
    sent: Option<(u16, usize)>,
    /// What has been said and not yet heard.
    heard: VecDeque<Said>,
}

impl Datagrams {
    pub(super) fn new(identity: &str) -> Option<Self> {
        Some(Self {
            terminal: Terminal::new(identity)?,
            sent: None,
            heard: VecDeque::from([Said::Welcome]),
        })
    }
}

impl Voice for Datagrams {
    /// There is nothing to sign in to.
    fn sign_in(&mut self) -> Bytes {
        Bytes::new()
    }

    fn tell(&mut self, samples: &[Sample], _stored: bool) -> Bytes {
        let mut packages = Vec::with_capacity(samples.len());
        for sample in samples {
            packages.push(self.terminal.package(id::NORMAL, location(sample).normal()));
        }
        self.sent = packages.last().map(|package| (package.sequence, packages.len()));
        self.terminal.datagram(&packages)
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        if self.heard.is_empty() && !buffer.is_empty() {
            for heard in Terminal::hear(&buffer.split().freeze())? {
                let said = match heard {
                    // The answers of one datagram come in one: its last stands for all.
                    Heard::Accepted {
                        id: id::NORMAL,
                        sequence,
                    } => self
                        .sent
                        .take_if(|(number, _)| *number == sequence)
                        .map(|(_, count)| Said::Done(count)),
                    Heard::Command { reference, text } => Some(Said::Command(Asked {
                        command: understood(profile(Speaks::Eelink), &text),
                        token: Token::Reference(reference),
                    })),
                    Heard::Welcome { .. } | Heard::Accepted { .. } => None,
                };
                self.heard.extend(said);
            }
        }
        Ok(self.heard.pop_front())
    }

    fn answer(&mut self, asked: &Asked, done: bool, _here: Option<&Sample>) -> Bytes {
        match asked.token {
            Token::Reference(reference) => {
                let package = self.terminal.answer(reference, words(done));
                self.terminal.datagram(&[package])
            }
            _ => Bytes::new(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what a terminal's field does"
)]
fn location(sample: &Sample) -> Location {
    let (latitude, longitude) = degrees(sample);
    let mut location = Location {
        valid: sample.position.is_some(),
        battery_mv: millivolts(byte(sample.battery_percent).unwrap_or(0)),
        motion: sample.motion,
        strap: sample.strap,
        case: sample.case,
        alarms: sample.alarms.clone(),
        ..Location::new(sample.fix_time, latitude, longitude)
    };
    match &sample.position {
        Some(position) => {
            location.altitude_m = position.altitude_m.unwrap_or_default().round() as i16;
            location.speed_kmh = position.speed_kmh.unwrap_or_default().round() as u16;
            location.course_deg = position.course_deg.unwrap_or_default().round() as u16;
            location.satellites = position.satellites.and_then(byte).unwrap_or(0);
        }
        None => location.place = None,
    }
    location
}
