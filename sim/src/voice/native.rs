//! Homeward's own protocol.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use codec::native::{Item, client, handshake::Claim};
use proto::wire::{self, gateway_frame::Body};
use tokio_util::codec::Decoder;

use super::{Asked, Said, Token, Voice, VoiceError, words};
use crate::device::Sample;

#[derive(Debug)]
pub(super) struct Native {
    identity: String,
    secret: Vec<u8>,
    nonce: [u8; 16],
    /// Over TLS: what the proof is tied to.
    binding: Option<[u8; 32]>,
    answers: client::Answers,
    /// Sequence numbers on the way.
    sent: VecDeque<u64>,
}

impl Native {
    pub(super) fn new(identity: &str, secret: &[u8], nonce: [u8; 16], binding: Option<[u8; 32]>) -> Self {
        Self {
            identity: identity.to_owned(),
            secret: secret.to_owned(),
            nonce,
            binding,
            answers: client::Answers::default(),
            sent: VecDeque::new(),
        }
    }
}

impl Native {
    fn proof(&self, gateway_nonce: &[u8]) -> Bytes {
        if self.binding.is_none() {
            return client::proof(&self.secret, &self.nonce, gateway_nonce, &self.identity);
        }
        let claim = Claim {
            device_nonce: &self.nonce,
            gateway_nonce,
            binding: self.binding.as_ref(),
            device: &self.identity,
        };
        client::bound_proof(&self.secret, &claim)
    }
}

impl Voice for Native {
    fn sign_in(&mut self) -> Bytes {
        match self.binding {
            None => client::hello(&self.identity, self.nonce, "simulated 1"),
            Some(_) => client::bound_hello(&self.identity, self.nonce, "simulated 1"),
        }
    }

    fn tell(&mut self, samples: &[Sample], stored: bool) -> Bytes {
        self.sent.extend(samples.iter().map(|sample| sample.sequence));
        client::reports(samples.iter().map(|sample| report(sample, stored)).collect())
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        let frame = match self.answers.decode(buffer)? {
            Some(Item::Frame(frame)) => frame,
            Some(Item::Malformed(malformed)) => return Err(malformed.fault.into()),
            None => return Ok(None),
        };
        Ok(Some(match frame.body {
            Some(Body::Challenge(challenge)) => Said::Next(self.proof(&challenge.gateway_nonce)),
            Some(Body::Welcome(_)) => Said::Welcome,
            Some(Body::Refusal(refusal)) => return Err(VoiceError::Refused(refusal.reason)),
            // Reports that are refused for good are in there, too: sending them again cannot help.
            Some(Body::Acknowledgement(acknowledgement)) => {
                let known = |sent: &&u64| **sent <= acknowledgement.sequence;
                let count = self.sent.iter().take_while(known).count();
                self.sent.drain(..count);
                Said::Done(count)
            }
            Some(Body::Command(command)) => Said::Command(Asked {
                command: client::command(&command),
                token: Token::Native(Box::new(command)),
            }),
            _ => Said::Other,
        }))
    }

    fn answer(&mut self, asked: &Asked, done: bool, _here: Option<&Sample>) -> Bytes {
        match &asked.token {
            Token::Native(command) => client::command_result(command, done, words(done)),
            _ => Bytes::new(),
        }
    }
}

/// A sample as the native protocol carries it.
fn report(sample: &Sample, stored: bool) -> wire::DeviceReport {
    wire::DeviceReport {
        sequence: sample.sequence,
        fix_time_us: sample.fix_time.as_microsecond(),
        stored,
        position: sample.position,
        battery_percent: Some(sample.battery_percent),
        strap: sample.strap as i32,
        case: sample.case as i32,
        motion: sample.motion as i32,
        alarms: sample.alarms.iter().map(|alarm| *alarm as i32).collect(),
        charging: None,
        serving_cell: sample.cell,
    }
}
