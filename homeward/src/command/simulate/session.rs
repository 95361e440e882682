//! One connection of a monitor: a voice and its socket.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use sim::{
    device::Sample,
    person::Person,
    voice::{self, Asked, Said, Voice},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Room for what a gateway says at a time.
const ROOM: usize = 512;

/// A signed-in connection.
pub struct Session {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: BytesMut,
    voice: Box<dyn Voice>,
}

impl Session {
    /// Connects and signs in.
    pub async fn open(address: SocketAddr, person: &Person, secret: &[u8]) -> Result<Self> {
        let socket = TcpStream::connect(address).await.context("connect")?;
        socket.set_nodelay(true)?;
        let (read, write) = socket.into_split();
        let mut session = Self {
            read,
            write,
            buffer: BytesMut::new(),
            voice: voice::of(person, secret, rand::random())?,
        };
        let first = session.voice.sign_in();
        session.write.write_all(&first).await?;
        loop {
            match session.hear().await? {
                Said::Next(bytes) => session.write.write_all(&bytes).await?,
                Said::Welcome => return Ok(session),
                _ => (),
            }
        }
    }

    /// Sends reports, oldest first. Late ones go as stored where the protocol can say so.
    pub async fn send(&mut self, samples: &[Sample], late: bool) -> Result<()> {
        let wire = self.voice.tell(samples, late);
        Ok(self.write.write_all(&wire).await?)
    }

    /// Answers a command.
    pub async fn answer(&mut self, asked: &Asked, done: bool, here: Option<&Sample>) -> Result<()> {
        let wire = self.voice.answer(asked, done, here);
        Ok(self.write.write_all(&wire).await?)
    }

    /// Waits for the next thing that the gateway says. Dropping the future loses nothing.
    pub async fn hear(&mut self) -> Result<Said> {
        loop {
            if let Some(said) = self.voice.hear(&mut self.buffer)? {
                return Ok(said);
            }
            self.buffer.reserve(ROOM);
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                bail!("the gateway closed the connection");
            }
        }
    }
}
