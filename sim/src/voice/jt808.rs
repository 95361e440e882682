//! JT/T 808.

use bytes::{Bytes, BytesMut};
use codec::{
    Command,
    jt808::{
        Framer, Item, Variant, id,
        terminal::{self, Answer, Location, Terminal},
    },
};
use tokio_util::codec::Decoder;

use super::{Asked, OnTheWay, Said, Token, Voice, VoiceError, byte, degrees, profile, understood};
use crate::{device::Sample, person::Speaks};

#[derive(Debug)]
pub(super) struct Jt808 {
    terminal: Terminal,
    framer: Framer,
    sent: OnTheWay,
}

impl Jt808 {
    pub(super) fn new(identity: &str, header_2019: bool) -> Option<Self> {
        let variant = if header_2019 { Variant::V2019 } else { Variant::V2013 };
        Some(Self {
            terminal: Terminal::new(identity, variant)?,
            framer: Framer::default(),
            sent: OnTheWay::default(),
        })
    }

    fn heard(&mut self, answer: Answer) -> Result<Said, VoiceError> {
        Ok(match answer {
            Answer::Registered { result: 0, code, .. } => Said::Next(self.terminal.authenticate(&code)),
            Answer::Registered { result, .. } => {
                return Err(VoiceError::Refused(format!("registration, result {result}")));
            }
            Answer::General { id, result, .. } if result != 0 => {
                return Err(VoiceError::Refused(format!("message 0x{id:04x}, result {result}")));
            }
            Answer::General {
                id: id::AUTHENTICATE, ..
            } => Said::Welcome,
            Answer::General { serial, .. } => self.sent.answered(serial).map_or(Said::Other, Said::Done),
            Answer::Command { serial, id, command } => {
                // Words of the profile come as a text.
                let command = match command {
                    Command::Text { text } => {
                        let known = understood(profile(Speaks::Jt808 { header_2019: true }), &text);
                        known.unwrap_or(Command::Text { text })
                    }
                    other => other,
                };
                Said::Command(Asked {
                    command: Some(command),
                    token: Token::Jt808 { serial, id },
                })
            }
            Answer::Missing { .. } | Answer::Other { .. } => Said::Other,
        })
    }
}

impl Voice for Jt808 {
    fn sign_in(&mut self) -> Bytes {
        self.terminal.register("HOMEW", "SIM-1", "0000001")
    }

    fn tell(&mut self, samples: &[Sample], stored: bool) -> Bytes {
        let locations: Vec<_> = samples.iter().map(location).collect();
        let mut wire = BytesMut::new();
        if let ([location], false) = (locations.as_slice(), stored) {
            wire.extend_from_slice(&self.terminal.location(location));
        } else {
            for frame in &self.terminal.batch(&locations, stored) {
                wire.extend_from_slice(frame);
            }
        }
        // The answer to a message in sub-packages names the last.
        self.sent
            .sent(self.terminal.next_serial().wrapping_sub(1), locations.len());
        wire.freeze()
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        match self.framer.decode(buffer)? {
            Some(Item::Frame(frame)) => {
                let answer = terminal::answer(&frame)?;
                self.heard(answer).map(Some)
            }
            Some(Item::Text(_)) => Ok(Some(Said::Other)),
            Some(Item::Malformed(malformed)) => Err(malformed.fault.into()),
            None => Ok(None),
        }
    }

    fn answer(&mut self, asked: &Asked, done: bool, here: Option<&Sample>) -> Bytes {
        let Token::Jt808 { serial, id } = asked.token else {
            return Bytes::new();
        };
        match here {
            Some(sample) if id == id::LOCATION_QUERY => self.terminal.located(serial, &location(sample)),
            _ => self.terminal.answer(serial, id, u8::from(!done)),
        }
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
