//! One connection: signing in, sending reports, reading what is acknowledged.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use codec::jt808::{
    self,
    frame::{Framer, Item},
    header::Variant,
    id,
    terminal::{Answer, Location, Terminal},
};
use jiff::Timestamp;
use proto::wire::Alarm;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::codec::Decoder;

use super::Speech;

/// Room for answers, which are short.
const ANSWER_BYTES: usize = 256;

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
    /// This message and what is in it is durable.
    Done(Tag),
    /// Something that needs no reaction.
    Other,
}

/// A signed-in connection.
#[derive(Debug)]
pub(super) struct Session {
    index: usize,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: BytesMut,
    framer: Framer,
    terminal: Terminal,
}

impl Session {
    /// Connects from an address and signs in.
    pub(super) async fn open(index: usize, speech: Speech, from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let stream = socket.connect(to).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let terminal = Terminal::new(&identity(speech, index), Variant::V2013).context("terminal number")?;
        let mut session = Self {
            index,
            read,
            write,
            buffer: BytesMut::with_capacity(ANSWER_BYTES),
            framer: Framer::default(),
            terminal,
        };
        let authenticate = session.terminal.authenticate(secret(index).as_bytes());
        session.write.write_all(&authenticate).await?;
        loop {
            match session.answer().await? {
                Answer::General {
                    id: id::AUTHENTICATE,
                    result: 0,
                    ..
                } => return Ok(session),
                Answer::General { .. } => bail!("sign-in refused"),
                _ => (),
            }
        }
    }

    /// What the next message will be called. None needs sub-packages: the batches are short.
    pub(super) fn next_tag(&self) -> Tag {
        self.terminal.next_serial()
    }

    /// Sends reports, oldest first, in one message; `stored`: kept from before. Several must be stored ones.
    pub(super) async fn send(&mut self, reports: &[Report], stored: bool) -> Result<()> {
        let locations: Vec<_> = reports.iter().map(|report| location(self.index, *report)).collect();
        let mut wire = Vec::new();
        if let ([location], false) = (locations.as_slice(), stored) {
            wire.extend_from_slice(&self.terminal.location(location));
        } else {
            for frame in &self.terminal.batch(&locations, true) {
                wire.extend_from_slice(frame);
            }
        }
        Ok(self.write.write_all(&wire).await?)
    }

    /// Waits for the next thing that the gateway says. Dropping the future loses nothing.
    pub(super) async fn said(&mut self) -> Result<Said> {
        Ok(match self.answer().await? {
            Answer::General { serial, result: 0, .. } => Said::Done(serial),
            Answer::General { id, result, .. } => bail!("message 0x{id:04x} was refused with result {result}"),
            _ => Said::Other,
        })
    }

    async fn answer(&mut self) -> Result<Answer> {
        loop {
            match self.framer.decode(&mut self.buffer)? {
                Some(Item::Frame(frame)) => return Ok(jt808::terminal::answer(&frame)?),
                Some(Item::Text(_)) => (),
                Some(Item::Malformed(malformed)) => bail!("bad frame: {}", malformed.fault),
                None => {
                    self.buffer.reserve(ANSWER_BYTES);
                    if self.read.read_buf(&mut self.buffer).await? == 0 {
                        bail!("the gateway closed the connection");
                    }
                }
            }
        }
    }
}

/// What a device calls itself; also said in SQL, in `Site::register`.
pub(super) fn identity(speech: Speech, index: usize) -> String {
    match speech {
        Speech::Jt808 => format!("139{index:08}"),
    }
}

/// Its authentication code; also said in SQL.
pub(super) fn secret(index: usize) -> String {
    format!("c{index}")
}

/// A walk around a block, in nobody's town.
fn location(index: usize, report: Report) -> Location {
    let time = Timestamp::from_second(report.second).unwrap_or_default();
    let angle = (report.second % 3_600) as f64 / 3_600.0 * std::f64::consts::TAU;
    let (north, east) = ((index % 200) as f64 * 0.01, (index / 200 % 200) as f64 * 0.01);
    Location {
        satellites: Some(9),
        battery_percent: Some(80),
        speed_kmh: 4.0,
        alarms: report.help.then_some(Alarm::Sos).into_iter().collect(),
        ..Location::new(
            time,
            44.0 + north + 0.001 * angle.sin(),
            7.0 + east + 0.001 * angle.cos(),
        )
    }
}
