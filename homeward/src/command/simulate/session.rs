//! One connection of a monitor: signing in, sending, and reading how many reports are acknowledged.

use std::{collections::VecDeque, net::SocketAddr};

use anyhow::{Context, Result, bail};
use codec::{
    Command,
    jt808::{
        self,
        frame::{Framer, Item},
        header::Variant,
        terminal::{Answer, Location, Terminal},
    },
    native::{self, client},
};
use futures::StreamExt;
use proto::wire::{self, gateway_frame::Body};
use sim::{
    device::Sample,
    person::{Person, Speaks},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_util::codec::FramedRead;

/// A signed-in connection.
pub enum Session {
    Native(NativeSession),
    Jt808(Jt808Session),
}

impl Session {
    /// Connects and signs in.
    pub async fn open(address: SocketAddr, person: &Person, secret: &[u8]) -> Result<Self> {
        let socket = TcpStream::connect(address).await.context("connect")?;
        socket.set_nodelay(true)?;
        Ok(match person.speaks {
            Speaks::Native => Self::Native(NativeSession::open(socket, person, secret).await?),
            Speaks::Jt808 { header_2019 } => {
                let variant = if header_2019 { Variant::V2019 } else { Variant::V2013 };
                Self::Jt808(Jt808Session::open(socket, person, variant).await?)
            }
        })
    }

    /// Sends reports, oldest first. Late ones go as stored where the protocol can say so.
    pub async fn send(&mut self, samples: &[Sample], late: bool) -> Result<()> {
        match self {
            Self::Native(session) => session.send(samples, late).await,
            Self::Jt808(session) => session.send(samples, late).await,
        }
    }

    /// Waits for an answer and returns how many further reports, in the order of sending, it acknowledges. Dropping the
    /// future loses nothing.
    pub async fn acknowledged(&mut self) -> Result<usize> {
        match self {
            Self::Native(session) => session.acknowledged().await,
            Self::Jt808(session) => session.acknowledged().await,
        }
    }
}

/// What a simulated device says to a command: it has no body to shake and no screen, but it takes what needs neither to be obeyed.
/// Where it is, its next report says. How often it reports is the scenario's.
fn obey(command: &Command) -> (bool, &'static str) {
    match command {
        Command::Interval { .. } => (false, "a simulated device reports as its scenario says"),
        Command::Locate | Command::Vibrate | Command::Text { .. } => (true, "simulated"),
    }
}

pub struct NativeSession {
    write: tokio::net::tcp::OwnedWriteHalf,
    answers: FramedRead<tokio::net::tcp::OwnedReadHalf, client::Answers>,
    sent: VecDeque<u64>,
    /// Answers to commands, sent with the next reports.
    due: Vec<u8>,
}

impl NativeSession {
    async fn open(socket: TcpStream, person: &Person, secret: &[u8]) -> Result<Self> {
        let (read, mut write) = socket.into_split();
        let mut answers = FramedRead::new(read, client::Answers::default());
        let nonce: [u8; native::handshake::NONCE_BYTES] = rand::random();
        write
            .write_all(&client::hello(&person.identity, nonce, "simulated 1"))
            .await?;
        let Body::Challenge(challenge) = answer(&mut answers).await? else {
            bail!("no challenge")
        };
        let proof = client::proof(secret, &nonce, &challenge.gateway_nonce, &person.identity);
        write.write_all(&proof).await?;
        match answer(&mut answers).await? {
            Body::Welcome(_) => Ok(Self {
                write,
                answers,
                sent: VecDeque::new(),
                due: Vec::new(),
            }),
            Body::Refusal(refusal) => bail!("refused: {}", refusal.reason),
            _ => bail!("no welcome"),
        }
    }

    async fn send(&mut self, samples: &[Sample], late: bool) -> Result<()> {
        let reports = samples.iter().map(|sample| native_report(sample, late)).collect();
        self.sent.extend(samples.iter().map(|sample| sample.sequence));
        let mut wire = std::mem::take(&mut self.due);
        wire.extend_from_slice(&client::reports(reports));
        Ok(self.write.write_all(&wire).await?)
    }

    async fn acknowledged(&mut self) -> Result<usize> {
        match answer(&mut self.answers).await? {
            Body::Acknowledgement(acknowledgement) => {
                // Refused for good: sending it again cannot help, so it counts as dealt with.
                for rejected in &acknowledgement.rejected {
                    tracing::warn!(sequence = rejected.sequence, reason = rejected.reason, "report refused");
                }
                let count = self
                    .sent
                    .iter()
                    .take_while(|sent| **sent <= acknowledgement.sequence)
                    .count();
                self.sent.drain(..count);
                Ok(count)
            }
            Body::Command(command) => {
                let (done, text) = client::command(&command).map_or((false, "unknown command"), |said| obey(&said));
                self.due
                    .extend_from_slice(&client::command_result(&command, done, text));
                Ok(0)
            }
            Body::Refusal(refusal) => bail!("refused: {}", refusal.reason),
            _ => Ok(0),
        }
    }
}

async fn answer(answers: &mut FramedRead<tokio::net::tcp::OwnedReadHalf, client::Answers>) -> Result<Body> {
    match answers.next().await {
        Some(Ok(native::Item::Frame(frame))) => match frame.body {
            Some(Body::Refusal(refusal)) => bail!("refused: {}", refusal.reason),
            Some(body) => Ok(body),
            None => bail!("empty frame"),
        },
        Some(Ok(native::Item::Malformed(malformed))) => bail!("bad frame: {}", malformed.fault),
        Some(Err(error)) => Err(error.into()),
        None => bail!("the gateway closed the connection"),
    }
}

pub struct Jt808Session {
    write: tokio::net::tcp::OwnedWriteHalf,
    frames: FramedRead<tokio::net::tcp::OwnedReadHalf, Framer>,
    terminal: Terminal,
    /// Serial of each message on the way, with the number of reports in it.
    sent: VecDeque<(u16, usize)>,
    /// Commands to be answered with the next reports: serial, message and result.
    due: Vec<(u16, u16, u8)>,
}

impl Jt808Session {
    async fn open(socket: TcpStream, person: &Person, variant: Variant) -> Result<Self> {
        let (read, write) = socket.into_split();
        let terminal = Terminal::new(&person.identity, variant).context("terminal number")?;
        let frames = FramedRead::new(read, Framer::default());
        let mut session = Self {
            write,
            frames,
            terminal,
            sent: VecDeque::new(),
            due: Vec::new(),
        };
        let register = session.terminal.register("HOMEW", "SIM-1", "0000001");
        session.write.write_all(&register).await?;
        let Answer::Registered { result: 0, code, .. } = session.answer().await? else {
            bail!("registration refused")
        };
        let authenticate = session.terminal.authenticate(&code);
        session.write.write_all(&authenticate).await?;
        let Answer::General { result: 0, .. } = session.answer().await? else {
            bail!("authentication refused")
        };
        Ok(session)
    }

    async fn answer(&mut self) -> Result<Answer> {
        match self.frames.next().await {
            Some(Ok(Item::Frame(frame))) => Ok(jt808::terminal::answer(&frame)?),
            Some(Ok(Item::Text(_))) => bail!("a text frame"),
            Some(Ok(Item::Malformed(malformed))) => bail!("bad frame: {}", malformed.fault),
            Some(Err(error)) => Err(error.into()),
            None => bail!("the gateway closed the connection"),
        }
    }

    async fn send(&mut self, samples: &[Sample], late: bool) -> Result<()> {
        let locations: Vec<_> = samples.iter().map(location).collect();
        let mut wire = Vec::new();
        for (serial, message, result) in std::mem::take(&mut self.due) {
            wire.extend_from_slice(&self.terminal.answer(serial, message, result));
        }
        if let ([location], false) = (locations.as_slice(), late) {
            self.sent.push_back((self.terminal.next_serial(), 1));
            wire.extend_from_slice(&self.terminal.location(location));
        } else {
            let frames = self.terminal.batch(&locations, late);
            // The answer to a message in sub-packages names the last.
            self.sent
                .push_back((self.terminal.next_serial().wrapping_sub(1), locations.len()));
            for frame in &frames {
                wire.extend_from_slice(frame);
            }
        }
        Ok(self.write.write_all(&wire).await?)
    }

    async fn acknowledged(&mut self) -> Result<usize> {
        let (serial, result, id) = match self.answer().await? {
            Answer::General { serial, result, id } => (serial, result, id),
            Answer::Command { serial, id, command } => {
                self.due.push((serial, id, u8::from(!obey(&command).0)));
                return Ok(0);
            }
            _ => return Ok(0),
        };
        if result != 0 {
            bail!("message 0x{id:04x} was refused with result {result}");
        }
        let Some(position) = self.sent.iter().position(|(sent, _)| *sent == serial) else {
            return Ok(0);
        };
        Ok(self.sent.drain(..=position).map(|(_, count)| count).sum())
    }
}

fn location(sample: &Sample) -> Location {
    let position = sample.position.unwrap_or_default();
    Location {
        valid: sample.position.is_some(),
        altitude_m: f64::from(position.altitude_m.unwrap_or_default()),
        speed_kmh: f64::from(position.speed_kmh.unwrap_or_default()),
        course_deg: f64::from(position.course_deg.unwrap_or_default()),
        satellites: position.satellites.and_then(|count| u8::try_from(count).ok()),
        battery_percent: u8::try_from(sample.battery_percent).ok(),
        strap: sample.strap,
        case: sample.case,
        motion: sample.motion,
        alarms: sample.alarms.clone(),
        ..Location::new(
            sample.fix_time,
            f64::from(position.latitude_e7) * 1e-7,
            f64::from(position.longitude_e7) * 1e-7,
        )
    }
}

/// A sample as the native protocol carries it.
fn native_report(sample: &Sample, stored: bool) -> wire::DeviceReport {
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
    }
}
