//! One connection: signing in, sending reports, reading what is acknowledged.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use gateway::tls::Trust;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpSocket,
};

use super::{
    Speech, encryption,
    tongue::{Report, Said, Tag, Tongue},
};

/// Room for answers, which are short.
const ANSWER_BYTES: usize = 256;

/// A signed-in connection.
pub(super) struct Session {
    index: usize,
    read: Box<dyn AsyncRead + Send + Unpin>,
    write: Box<dyn AsyncWrite + Send + Unpin>,
    buffer: BytesMut,
    tongue: Tongue,
}

impl Session {
    /// Connects from an address and signs in; over TLS where the devices trust somebody.
    pub(super) async fn open(
        index: usize,
        speech: Speech,
        from: Ipv4Addr,
        to: SocketAddr,
        trust: Option<&Trust>,
    ) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let stream = socket.connect(to).await.context("connect")?;
        stream.set_nodelay(true)?;
        let mut session = if let Some(trust) = trust {
            let (stream, binding) = trust.connect(stream, encryption::NAME).await.context("TLS")?;
            let (read, write) = tokio::io::split(stream);
            Self {
                index,
                read: Box::new(read),
                write: Box::new(write),
                buffer: BytesMut::with_capacity(ANSWER_BYTES),
                tongue: Tongue::new(speech, index, Some(binding))?,
            }
        } else {
            let (read, write) = stream.into_split();
            Self {
                index,
                read: Box::new(read),
                write: Box::new(write),
                buffer: BytesMut::with_capacity(ANSWER_BYTES),
                tongue: Tongue::new(speech, index, None)?,
            }
        };
        let wire = session.tongue.sign_in(index);
        session.post(&wire).await?;
        loop {
            match session.said().await? {
                Said::Welcome => return Ok(session),
                Said::Next(wire) => session.post(&wire).await?,
                Said::Done(_) | Said::Other => {}
            }
        }
    }

    /// The bytes of a message, and what its answer will name; it is to be posted.
    pub(super) fn compose(&mut self, reports: &[Report], stored: bool) -> (Tag, Vec<u8>) {
        self.tongue.compose(self.index, reports, stored)
    }

    /// Sends a message.
    pub(super) async fn post(&mut self, wire: &[u8]) -> Result<()> {
        self.write.write_all(wire).await?;
        // TLS keeps bytes until it is told that these are all.
        Ok(self.write.flush().await?)
    }

    /// Waits for the next thing that the gateway says. Dropping the future loses nothing.
    pub(super) async fn said(&mut self) -> Result<Said> {
        loop {
            if let Some(said) = self.tongue.hear(self.index, &mut self.buffer)? {
                return Ok(said);
            }
            self.buffer.reserve(ANSWER_BYTES);
            if self.read.read_buf(&mut self.buffer).await? == 0 {
                bail!("the gateway closed the connection");
            }
        }
    }
}
