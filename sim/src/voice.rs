//! What a monitor says and hears in the protocol that it speaks: bytes to bytes, no socket.
//!
//! A [`Voice`] is one connection's. [`Voice::sign_in`] has the first bytes; then what the gateway sends goes through [`Voice::hear`], and
//! once that has said [`Said::Welcome`], reports go out by [`Voice::tell`]. An acknowledgement is told as a number of reports, in the order
//! in which they were told, whatever the protocol names in it.

mod eelink;
mod gt06;
mod jt808;
mod native;
mod teltonika;

use std::{collections::VecDeque, fmt::Debug, io};

use bytes::{Bytes, BytesMut};
use codec::{Command, Fault, Piece, Profile, Profiles};

use crate::{
    device::Sample,
    person::{Person, Speaks},
};

/// What a gateway says.
#[derive(Debug)]
pub enum Said {
    /// A step of the sign-in: these bytes are the answer.
    Next(Bytes),
    /// The device is let in.
    Welcome,
    /// So many further reports are durable, in the order in which they were told.
    Done(usize),
    /// The device is to do something.
    Command(Asked),
    /// Something that needs no reaction.
    Other,
}

/// A command as it came, and what its answer has to name.
#[derive(Debug)]
pub struct Asked {
    /// What; `None`: nothing that this device knows.
    pub command: Option<Command>,
    token: Token,
}

#[derive(Debug)]
enum Token {
    Native(Box<proto::wire::DeviceCommand>),
    Jt808 {
        serial: u16,
        id: u16,
    },
    Reference(u32),
    /// Answers are in the order of the commands.
    Nothing,
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// The device's name is nothing that the protocol can carry.
    #[error("{0:?} is no identity of this protocol")]
    Identity(String),
    /// The gateway says no.
    #[error("refused: {0}")]
    Refused(String),
    /// What the gateway sent cannot be read.
    #[error("bad frame: {0}")]
    Frame(#[from] Fault),
    /// A framer failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A device's side of a session.
pub trait Voice: Debug + Send {
    /// The first bytes.
    fn sign_in(&mut self) -> Bytes;

    /// Reports, oldest first. `stored`: they waited for want of a network, which not every protocol can say.
    fn tell(&mut self, samples: &[Sample], stored: bool) -> Bytes;

    /// Takes the next thing that the gateway says out of the buffer; `None`: more bytes are needed.
    fn hear(&mut self, buffer: &mut BytesMut) -> Result<Option<Said>, VoiceError>;

    /// The answer to a command. `here`: what the device reports now, for protocols in which the answer to locate-now is a position.
    fn answer(&mut self, asked: &Asked, done: bool, here: Option<&Sample>) -> Bytes;
}

/// The voice of a person's device, for one connection. `nonce`: fresh random bytes, which the native protocol needs.
pub fn of(person: &Person, secret: &[u8], nonce: [u8; 16]) -> Result<Box<dyn Voice>, VoiceError> {
    over(person, secret, nonce, None)
}

/// The same over TLS. `binding`: what only the two ends of the connection know; a native device's proof is tied to it.
pub fn over(
    person: &Person,
    secret: &[u8],
    nonce: [u8; 16],
    binding: Option<[u8; 32]>,
) -> Result<Box<dyn Voice>, VoiceError> {
    let identity = || VoiceError::Identity(person.identity.clone());
    Ok(match person.speaks {
        Speaks::Native => Box::new(native::Native::new(&person.identity, secret, nonce, binding)),
        Speaks::Jt808 { header_2019 } => {
            Box::new(jt808::Jt808::new(&person.identity, header_2019).ok_or_else(identity)?)
        }
        Speaks::Teltonika => Box::new(teltonika::Teltonika::new(&person.identity)),
        Speaks::Gt06 => Box::new(gt06::Gt06::new(&person.identity).ok_or_else(identity)?),
        Speaks::Eelink => Box::new(eelink::Eelink::new(&person.identity).ok_or_else(identity)?),
    })
}

/// The voice of a person's device in datagrams, for the protocols that have them; `None`: it speaks another. What is said at a time is one
/// datagram, and so is what is heard. Reports go out one datagram after the other: nothing else says which of them was lost.
pub fn in_datagrams(person: &Person) -> Result<Option<Box<dyn Voice>>, VoiceError> {
    let identity = || VoiceError::Identity(person.identity.clone());
    Ok(match person.speaks {
        Speaks::Teltonika => Some(Box::new(teltonika::Datagrams::new(&person.identity))),
        Speaks::Eelink => Some(Box::new(eelink::Datagrams::new(&person.identity).ok_or_else(identity)?)),
        Speaks::Native | Speaks::Jt808 { .. } | Speaks::Gt06 => None,
    })
}

/// Messages on the way: the number that the answer to each will name, and how many reports are in it.
#[derive(Debug, Default)]
struct OnTheWay(VecDeque<(u16, usize)>);

impl OnTheWay {
    fn sent(&mut self, number: u16, reports: usize) {
        self.0.push_back((number, reports));
    }

    /// How many reports are durable now. Answers come in order, so one also stands for those before.
    fn answered(&mut self, number: u16) -> Option<usize> {
        let position = self.0.iter().position(|(sent, _)| *sent == number)?;
        Some(self.0.drain(..=position).map(|(_, reports)| reports).sum())
    }
}

/// What the simulated devices of a protocol mean by their codes and texts.
fn profile(speaks: Speaks) -> &'static Profile {
    Profiles::builtin().of_device(speaks.profile(), speaks.protocol())
}

/// Reads the text of a command as the profile has it.
fn understood(profile: &Profile, text: &str) -> Option<Command> {
    const SECONDS: u32 = 987_654_321;
    const WORDS: &str = "words";
    for command in [Command::Locate, Command::Vibrate] {
        if profile.command_text(&command).as_deref() == Some(text) {
            return Some(command);
        }
    }
    let interval = Command::Interval {
        seconds: SECONDS,
        for_seconds: 0,
    };
    if let Some((before, _)) = profile
        .command_text(&interval)
        .as_deref()
        .and_then(|template| template.split_once(&SECONDS.to_string()))
        && let Some(rest) = text.strip_prefix(before)
    {
        let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = rest.get(..end)?.parse().ok()?;
        return Some(Command::Interval {
            seconds,
            for_seconds: 0,
        });
    }
    let words = Command::Text { text: WORDS.to_owned() };
    let template = profile.command_text(&words)?;
    let (before, after) = template.split_once(WORDS)?;
    let text = text.strip_prefix(before)?.strip_suffix(after)?.to_owned();
    Some(Command::Text { text })
}

fn frame(piece: Option<Piece>) -> Result<Option<Bytes>, VoiceError> {
    match piece {
        Some(Piece::Frame(wire)) => Ok(Some(wire)),
        Some(Piece::Malformed(malformed)) => Err(malformed.fault.into()),
        None => Ok(None),
    }
}

const fn words(done: bool) -> &'static str {
    if done { "OK" } else { "ERROR" }
}

/// Latitude and longitude in degrees; 0, 0 without a fix.
fn degrees(sample: &Sample) -> (f64, f64) {
    let position = sample.position.unwrap_or_default();
    (
        f64::from(position.latitude_e7) / 1e7,
        f64::from(position.longitude_e7) / 1e7,
    )
}

fn byte(number: u32) -> Option<u8> {
    u8::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use codec::Protocol;

    use super::*;

    #[test]
    fn a_device_understands_its_profiles_words() {
        let commands = [
            Command::Locate,
            Command::Interval {
                seconds: 30,
                for_seconds: 0,
            },
            Command::Vibrate,
            Command::Text {
                text: "come home".to_owned(),
            },
        ];
        for protocol in [Protocol::Teltonika, Protocol::Gt06, Protocol::Eelink] {
            let profile = profile(Speaks::of(protocol));
            assert_eq!(profile.protocol(), Some(protocol));
            for command in &commands {
                let text = profile.command_text(command).unwrap();
                assert_eq!(understood(profile, &text).as_ref(), Some(command), "{protocol}: {text}");
            }
            assert_eq!(understood(profile, "REBOOT"), None);
        }
    }
}
