//! One connection of a monitor: a voice and its socket.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use bytes::BytesMut;
use sim::{
    device::Sample,
    person::{Person, Speaks},
    voice::{self, Asked, Said, Voice},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

/// Room for what a gateway says at a time.
const ROOM: usize = 512;
/// Room for a datagram.
const DATAGRAM: usize = 65_535;

/// How devices of the native protocol know their gateway.
pub struct Tls {
    /// The name that it must prove.
    pub name: String,
    /// What it is proved by (PEM).
    pub roots: Vec<u8>,
}

/// What carries the bytes.
enum Line {
    Stream {
        read: Box<dyn AsyncRead + Send + Unpin>,
        write: Box<dyn AsyncWrite + Send + Unpin>,
    },
    Datagrams(UdpSocket),
}

/// A signed-in connection.
pub struct Session {
    line: Line,
    buffer: BytesMut,
    voice: Box<dyn Voice>,
}

impl Session {
    /// Connects and signs in; over TLS where the device's protocol has it and `tls` says so.
    pub async fn open(address: SocketAddr, person: &Person, secret: &[u8], tls: Option<&Tls>) -> Result<Self> {
        let mut session = if let Some(tls) = tls.filter(|_| person.speaks == Speaks::Native) {
            let connected = gateway::tls::connect(address, &tls.name, &tls.roots).await;
            let (stream, binding) = connected.context("connect over TLS")?;
            let (read, write) = tokio::io::split(stream);
            Self {
                line: Line::Stream {
                    read: Box::new(read),
                    write: Box::new(write),
                },
                buffer: BytesMut::new(),
                voice: voice::over(person, secret, rand::random(), Some(binding))?,
            }
        } else {
            let socket = TcpStream::connect(address).await.context("connect")?;
            socket.set_nodelay(true)?;
            let (read, write) = socket.into_split();
            Self {
                line: Line::Stream {
                    read: Box::new(read),
                    write: Box::new(write),
                },
                buffer: BytesMut::new(),
                voice: voice::of(person, secret, rand::random())?,
            }
        };
        let first = session.voice.sign_in();
        session.write(&first).await?;
        loop {
            match session.hear().await? {
                Said::Next(bytes) => session.write(&bytes).await?,
                Said::Welcome => return Ok(session),
                _ => (),
            }
        }
    }

    /// Begins to speak in datagrams, for which nobody signs in.
    pub async fn in_datagrams(address: SocketAddr, person: &Person) -> Result<Self> {
        let voice = voice::in_datagrams(person)?.context("a protocol without datagrams")?;
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await.context("socket")?;
        socket.connect(address).await.context("connect")?;
        Ok(Self {
            line: Line::Datagrams(socket),
            buffer: BytesMut::new(),
            voice,
        })
    }

    async fn write(&mut self, wire: &[u8]) -> Result<()> {
        match &mut self.line {
            Line::Stream { write, .. } => {
                write.write_all(wire).await?;
                Ok(write.flush().await?)
            }
            Line::Datagrams(socket) => {
                socket.send(wire).await?;
                Ok(())
            }
        }
    }

    /// Sends reports, oldest first. Late ones go as stored where the protocol can say so.
    pub async fn send(&mut self, samples: &[Sample], late: bool) -> Result<()> {
        let wire = self.voice.tell(samples, late);
        self.write(&wire).await
    }

    /// Answers a command.
    pub async fn answer(&mut self, asked: &Asked, done: bool, here: Option<&Sample>) -> Result<()> {
        let wire = self.voice.answer(asked, done, here);
        self.write(&wire).await
    }

    /// Waits for the next thing that the gateway says. Dropping the future loses nothing.
    pub async fn hear(&mut self) -> Result<Said> {
        loop {
            if let Some(said) = self.voice.hear(&mut self.buffer)? {
                return Ok(said);
            }
            match &mut self.line {
                Line::Stream { read, .. } => {
                    self.buffer.reserve(ROOM);
                    if read.read_buf(&mut self.buffer).await? == 0 {
                        bail!("the gateway closed the connection");
                    }
                }
                Line::Datagrams(socket) => {
                    self.buffer.reserve(DATAGRAM);
                    socket.recv_buf(&mut self.buffer).await?;
                }
            }
        }
    }
}
