//! One connection: signing in, sending reports, reading what is acknowledged.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    Speech,
    tongue::{Report, Said, Tag, Tongue},
};

/// Room for answers, which are short.
const ANSWER_BYTES: usize = 256;

/// A signed-in connection.
#[derive(Debug)]
pub(super) struct Session {
    index: usize,
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
    buffer: BytesMut,
    tongue: Tongue,
}

impl Session {
    /// Connects from an address and signs in.
    pub(super) async fn open(index: usize, speech: Speech, from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let stream = socket.connect(to).await.context("connect")?;
        stream.set_nodelay(true)?;
        let (read, write) = stream.into_split();
        let mut session = Self {
            index,
            read,
            write,
            buffer: BytesMut::with_capacity(ANSWER_BYTES),
            tongue: Tongue::new(speech, index)?,
        };
        let wire = session.tongue.sign_in(index);
        session.post(&wire).await?;
        while session.said().await? != Said::Welcome {}
        Ok(session)
    }

    /// The bytes of a message, and what its answer will name; it is to be posted.
    pub(super) fn compose(&mut self, reports: &[Report], stored: bool) -> (Tag, Vec<u8>) {
        self.tongue.compose(self.index, reports, stored)
    }

    /// Sends a message.
    pub(super) async fn post(&mut self, wire: &[u8]) -> Result<()> {
        Ok(self.write.write_all(wire).await?)
    }

    /// Waits for the next thing that the gateway says. Dropping the future loses nothing.
    pub(super) async fn said(&mut self) -> Result<Said> {
        loop {
            if let Some(said) = self.tongue.hear(&mut self.buffer)? {
                return Ok(said);
            }
            self.buffer.reserve(ANSWER_BYTES);
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                bail!("the gateway closed the connection");
            }
        }
    }
}
