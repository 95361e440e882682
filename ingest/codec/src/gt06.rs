//! GT06: the protocol of Concox, Jimi and many others.
//!
//! There is no standard. Kinds and fields follow the manufacturers' documents, and where those are silent what such devices are known to
//! send, as the Traccar project's test frames show it (`docs/protocols/gt06.md`).
//!
//! The way of a frame: [`Framer`] → [`Frame::parse`] → messages, and the answer to them.

mod again;
mod answer;
mod body;
mod command;
pub mod frame;
pub mod kind;
mod lbs;
mod location;
mod modules;
mod plan;
mod reply;
mod state;
pub mod terminal;
mod time;
mod vendors;

use bytes::Bytes;
use jiff::Timestamp;

pub use frame::{Frame, Framer};

use crate::{Clock, Command, Decoded, Fault, Message, Profile, Protocol, Rejected, Talk, Unsupported};

/// A conversation.
#[derive(Debug, Default)]
pub struct Gt06 {
    /// From the log-in.
    device: String,
    zone: time::Zone,
    /// What was last said of the device's state.
    state: Option<(state::Known, Timestamp)>,
    lately: again::Lately,
    /// Of the next command.
    serial: u16,
}

impl Gt06 {
    fn log_in(&mut self, frame: &Frame<'_>) -> Result<(), Fault> {
        self.device = body::imei(frame)?;
        self.state = None;
        self.lately = again::Lately::default();
        // Behind the identity and the model, where there are such.
        self.zone = match frame.content.get(10..12) {
            Some([high, low]) => time::Zone::of_login(u16::from_be_bytes([*high, *low])),
            _ => time::Zone::default(),
        };
        Ok(())
    }
}

impl Talk for Gt06 {
    const PROTOCOL: Protocol = Protocol::Gt06;
    type Framer = Framer;

    fn identity(frame: &[u8]) -> Option<String> {
        let frame = Frame::parse(frame).ok().filter(|frame| frame.kind == kind::LOGIN)?;
        body::imei(&frame).ok()
    }

    fn take(&mut self, wire: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault> {
        let mut reader = body::Reader::new(wire, profile, self.zone, now)?;
        reader.first = self.lately.first(&reader.frame, now);
        let mut messages = reader.messages()?;
        self.zone = reader.zone;
        let frame = reader.frame;
        let timeless = |message: &Message| matches!(message, Message::Report(report) if reader.is_timeless(report));
        if messages.iter().any(timeless) {
            self.lately
                .remember(&frame, wire.slice_ref(frame.content), reader.first);
        }
        if messages
            .iter()
            .any(|message| matches!(message, Message::Report(report) if !report.alarms.is_empty()))
        {
            self.state = None;
        }
        match frame.kind {
            kind::LOGIN => self.log_in(&frame)?,
            kind if again::is_state(kind) => {
                let settle = |message| match message {
                    Message::Report(report) if report.fix.is_none() => state::settle(report, &mut self.state),
                    other => other,
                };
                messages = messages.into_iter().map(settle).collect();
            }
            _ => (),
        }
        Ok(Decoded {
            device: self.device.clone(),
            messages,
            rejected: reader.faults.iter().map(|fault| Rejected::of_one(0, fault)).collect(),
            reply: reply::to(&frame, now),
            refusal: None,
        })
    }

    fn clock(&self) -> Option<Clock> {
        self.zone.learnt()
    }

    fn recall(&mut self, clock: Clock) {
        self.zone.recall(clock);
    }

    fn datagram_identity(_bytes: &[u8]) -> Option<String> {
        None
    }

    fn datagram(&mut self, _bytes: &Bytes, _profile: &Profile, _now: Timestamp) -> Result<Decoded, Fault> {
        Err(Fault::Incomplete("GT06 is not spoken over UDP"))
    }

    fn command(
        &mut self,
        command: &Command,
        reference: u32,
        profile: &Profile,
        _now: Timestamp,
    ) -> Result<Vec<Bytes>, Unsupported> {
        self.serial = self.serial.wrapping_add(1);
        profile
            .command_text(command)
            .and_then(|text| command::frame(&text, reference, self.serial))
            .map(|frame| vec![frame])
            .ok_or_else(|| Unsupported::new(Self::PROTOCOL, profile, command))
    }
}
