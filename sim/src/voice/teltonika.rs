//! Teltonika, Codec 8 extended.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use codec::teltonika::terminal::{Answer, Location, Terminal};

use super::{Asked, Said, Token, Voice, VoiceError, byte, degrees, profile, understood, words};
use crate::{device::Sample, person::Speaks};

#[derive(Debug)]
pub(super) struct Teltonika {
    terminal: Terminal,
    /// Reports of each frame on the way: answers say how many, not which.
    sent: VecDeque<usize>,
}

impl Teltonika {
    pub(super) fn new(identity: &str) -> Self {
        Self {
            terminal: Terminal::new(identity),
            sent: VecDeque::new(),
        }
    }
}

impl Voice for Teltonika {
    fn sign_in(&mut self) -> Bytes {
        self.terminal.login()
    }

    fn tell(&mut self, samples: &[Sample], _stored: bool) -> Bytes {
        let locations: Vec<_> = samples.iter().map(location).collect();
        self.sent.push_back(locations.len());
        self.terminal.records(&locations)
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        Ok(match self.terminal.read(buffer) {
            Some(Answer::Welcome(true)) => Some(Said::Welcome),
            Some(Answer::Welcome(false)) => return Err(VoiceError::Refused("log-in".to_owned())),
            Some(Answer::Records(0)) => return Err(VoiceError::Refused("records".to_owned())),
            Some(Answer::Records(_)) => Some(self.sent.pop_front().map_or(Said::Other, Said::Done)),
            Some(Answer::Command(text)) => Some(Said::Command(Asked {
                command: understood(profile(Speaks::Teltonika), &text),
                token: Token::Nothing,
            })),
            Some(Answer::Unreadable) => Some(Said::Other),
            None => None,
        })
    }

    fn answer(&mut self, _asked: &Asked, done: bool, _here: Option<&Sample>) -> Bytes {
        self.terminal.answer(words(done))
    }
}

/// The same in datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    terminal: Terminal,
    welcomed: bool,
    /// The number of the datagram on the way, and how many reports are in it.
    sent: Option<(u8, usize)>,
}

impl Datagrams {
    pub(super) fn new(identity: &str) -> Self {
        Self {
            terminal: Terminal::new(identity),
            welcomed: false,
            sent: None,
        }
    }
}

impl Voice for Datagrams {
    /// There is nothing to sign in to.
    fn sign_in(&mut self) -> Bytes {
        Bytes::new()
    }

    fn tell(&mut self, samples: &[Sample], _stored: bool) -> Bytes {
        let locations: Vec<_> = samples.iter().map(location).collect();
        let (number, datagram) = self.terminal.datagram(&locations);
        self.sent = Some((number, locations.len()));
        datagram
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        if !std::mem::replace(&mut self.welcomed, true) {
            return Ok(Some(Said::Welcome));
        }
        if buffer.is_empty() {
            return Ok(None);
        }
        let datagram = buffer.split();
        if let Some(text) = Terminal::read_command(&datagram) {
            return Ok(Some(Said::Command(Asked {
                command: understood(profile(Speaks::Teltonika), &text),
                token: Token::Nothing,
            })));
        }
        let answered = Terminal::read_datagram(&datagram);
        let whole = self.sent.take_if(|(number, count)| {
            answered.is_some_and(|(named, taken)| named == *number && usize::from(taken) == *count)
        });
        Ok(Some(whole.map_or(Said::Other, |(_, count)| Said::Done(count))))
    }

    fn answer(&mut self, _asked: &Asked, done: bool, _here: Option<&Sample>) -> Bytes {
        self.terminal.answer_datagram(words(done))
    }
}

fn location(sample: &Sample) -> Location {
    let position = sample.position.unwrap_or_default();
    let (latitude, longitude) = degrees(sample);
    Location {
        valid: sample.position.is_some(),
        altitude_m: f64::from(position.altitude_m.unwrap_or_default()),
        speed_kmh: f64::from(position.speed_kmh.unwrap_or_default()),
        course_deg: f64::from(position.course_deg.unwrap_or_default()),
        satellites: position.satellites.and_then(byte),
        battery_percent: byte(sample.battery_percent),
        strap: sample.strap,
        case: sample.case,
        motion: sample.motion,
        alarms: sample.alarms.clone(),
        ..Location::new(sample.fix_time, latitude, longitude)
    }
}
