//! GT06.

use bytes::{Bytes, BytesMut};
use codec::{
    Cell,
    gt06::{
        Framer, kind,
        terminal::{self, Answer, Location, Terminal},
    },
};
use proto::wire::{self, Alarm, Case, Strap};
use tokio_util::codec::Decoder;

use super::{Asked, OnTheWay, Said, Token, Voice, VoiceError, byte, degrees, frame, profile, understood, words};
use crate::{device::Sample, person::Speaks};

/// Model that the log-in names: nobody's.
const MODEL: u16 = 0x4857;

#[derive(Debug)]
pub(super) struct Gt06 {
    terminal: Terminal,
    framer: Framer,
    sent: OnTheWay,
}

impl Gt06 {
    pub(super) fn new(identity: &str) -> Option<Self> {
        Some(Self {
            terminal: Terminal::new(identity)?,
            framer: Framer::default(),
            sent: OnTheWay::default(),
        })
    }
}

impl Voice for Gt06 {
    fn sign_in(&mut self) -> Bytes {
        self.terminal.log_in(MODEL, 0)
    }

    fn tell(&mut self, samples: &[Sample], stored: bool) -> Bytes {
        let mut wire = BytesMut::new();
        for sample in samples {
            for frame in self.terminal.location(&location(sample, stored)) {
                wire.extend_from_slice(&frame);
            }
            // A report of several frames is safe when its last one is.
            self.sent.sent(self.terminal.serial(), 1);
        }
        wire.freeze()
    }

    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError> {
        let Some(wire) = frame(self.framer.decode(buffer)?)? else {
            return Ok(None);
        };
        Ok(Some(match terminal::answer(&wire)? {
            Answer::Taken { kind: kind::LOGIN, .. } => Said::Welcome,
            Answer::Taken { serial, .. } => self.sent.answered(serial).map_or(Said::Other, Said::Done),
            Answer::Command { reference, text } => Said::Command(Asked {
                command: understood(profile(Speaks::Gt06), &text),
                token: Token::Reference(reference),
            }),
            Answer::Time(_) => Said::Other,
        }))
    }

    fn answer(&mut self, asked: &Asked, done: bool, _here: Option<&Sample>) -> Bytes {
        match asked.token {
            Token::Reference(reference) => self.terminal.answer(reference, words(done)),
            _ => Bytes::new(),
        }
    }
}

fn location(sample: &Sample, stored: bool) -> Location {
    let position = sample.position.unwrap_or_default();
    let (latitude, longitude) = degrees(sample);
    // What is open is an alarm for as long as it is open.
    let open = [
        (sample.strap == Strap::Open, Alarm::StrapTamper),
        (sample.case == Case::Open, Alarm::CaseTamper),
    ];
    let mut alarms = sample.alarms.clone();
    for (open, alarm) in open {
        if open && !alarms.contains(&alarm) {
            alarms.push(alarm);
        }
    }
    let usual = Location::new(sample.fix_time, latitude, longitude);
    Location {
        cell: sample.cell.map_or(usual.cell, cell),
        valid: sample.position.is_some(),
        speed_kmh: f64::from(position.speed_kmh.unwrap_or_default()),
        course_deg: f64::from(position.course_deg.unwrap_or_default()),
        satellites: position.satellites.and_then(byte).unwrap_or(0),
        battery_percent: byte(sample.battery_percent).unwrap_or(0),
        stored,
        strap: sample.strap,
        case: sample.case,
        motion: sample.motion,
        alarms,
        ..usual
    }
}

fn cell(cell: wire::ServingCell) -> Cell {
    let short = |number: u32| u16::try_from(number).unwrap_or_default();
    Cell {
        mcc: short(cell.mcc),
        mnc: short(cell.mnc),
        lac: cell.area,
        cid: cell.cell,
        rssi: None,
    }
}
