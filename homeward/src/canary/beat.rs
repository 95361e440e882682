//! One beat: a session of the native protocol with two fixes in it, as any device would open it.

use std::{net::SocketAddr, time::Duration};

use alerts::canary::Stage;
use anyhow::{Context, Result};
use bytes::BytesMut;
use casedb::canary::{IDENTITY, PLACES};
use codec::native::{Item, client, handshake::Claim};
use jiff::{SignedDuration, Timestamp};
use proto::wire::{self, gateway_frame::Body};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, lookup_host},
};
use tokio_util::codec::Decoder;

/// The gateway has so long for each half: letting the device in, and acknowledging.
const WITHIN: Duration = Duration::from_secs(8);
/// The two fixes of a beat are so far apart: one alone decides nothing.
const APART: SignedDuration = SignedDuration::from_secs(5);
/// Room for what a gateway says at a time.
const ROOM: usize = 512;

/// The way to a gateway.
pub struct Line {
    /// Host and port.
    address: String,
    /// The name that the gateway must prove, and what it is proved by (PEM).
    tls: Option<(String, Vec<u8>)>,
}

impl Line {
    /// With `tls_name` the session is encrypted, and the gateway must prove that name by a certificate in the file `roots`.
    pub fn new(address: String, tls_name: &str, roots: &str) -> Result<Self> {
        let tls = match tls_name {
            "" => None,
            name => Some((
                name.to_owned(),
                std::fs::read(roots).with_context(|| format!("canary.tls_roots: {roots}"))?,
            )),
        };
        Ok(Self { address, tls })
    }

    /// Sends the beat of `now`. On failure: how far it came, and why.
    pub async fn beat(&self, secret: &[u8], count: u64, now: Timestamp) -> Result<(), (Stage, String)> {
        let late = |stage: Stage| (stage, format!("no answer within {} s", WITHIN.as_secs()));
        let mut session = tokio::time::timeout(WITHIN, self.open(secret))
            .await
            .map_err(|_| late(Stage::Gateway))?
            .map_err(|error| (Stage::Gateway, format!("{error:#}")))?;
        tokio::time::timeout(WITHIN, session.report(count, now))
            .await
            .map_err(|_| late(Stage::Stream))?
            .map_err(|error| (Stage::Stream, format!("{error:#}")))
    }

    async fn open(&self, secret: &[u8]) -> Result<Session> {
        let address: SocketAddr = lookup_host(&self.address).await?.next().context("no such host")?;
        let mut session = match &self.tls {
            None => {
                let socket = TcpStream::connect(address).await?;
                socket.set_nodelay(true)?;
                Session::new(Box::new(socket), None)
            }
            Some((name, roots)) => {
                let (stream, binding) = gateway::tls::connect(address, name, roots).await?;
                Session::new(Box::new(stream), Some(binding))
            }
        };
        session.sign_in(secret).await?;
        Ok(session)
    }
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

struct Session {
    socket: Box<dyn Socket>,
    /// What ties the proof to this encrypted connection.
    binding: Option<gateway::tls::Binding>,
    answers: client::Answers,
    buffer: BytesMut,
}

impl Session {
    fn new(socket: Box<dyn Socket>, binding: Option<gateway::tls::Binding>) -> Self {
        Self {
            socket,
            binding,
            answers: client::Answers::default(),
            buffer: BytesMut::new(),
        }
    }

    async fn sign_in(&mut self, secret: &[u8]) -> Result<()> {
        let nonce: [u8; 16] = rand::random();
        let hello = match self.binding {
            None => client::hello(IDENTITY, nonce, "canary"),
            Some(_) => client::bound_hello(IDENTITY, nonce, "canary"),
        };
        self.socket.write_all(&hello).await?;
        loop {
            match self.hear().await? {
                Some(Body::Challenge(challenge)) => {
                    let proof = match &self.binding {
                        None => client::proof(secret, &nonce, &challenge.gateway_nonce, IDENTITY),
                        Some(binding) => client::bound_proof(
                            secret,
                            &Claim {
                                device_nonce: &nonce,
                                gateway_nonce: &challenge.gateway_nonce,
                                device: IDENTITY,
                                binding: Some(binding),
                            },
                        ),
                    };
                    self.socket.write_all(&proof).await?;
                }
                Some(Body::Welcome(_)) => return Ok(()),
                Some(Body::Refusal(refusal)) => anyhow::bail!("refused: {}", refusal.reason),
                _ => (),
            }
        }
    }

    /// Sends both fixes and waits until they are durable.
    async fn report(&mut self, count: u64, now: Timestamp) -> Result<()> {
        let reports = reports(count, now);
        let last = reports.last().map_or(0, |report| report.sequence);
        self.socket.write_all(&client::reports(reports)).await?;
        loop {
            match self.hear().await? {
                Some(Body::Acknowledgement(acknowledgement)) if acknowledgement.sequence >= last => {
                    anyhow::ensure!(acknowledgement.rejected.is_empty(), "the gateway refused the report");
                    return Ok(());
                }
                _ => (),
            }
        }
    }

    async fn hear(&mut self) -> Result<Option<Body>> {
        loop {
            match self.answers.decode(&mut self.buffer)? {
                Some(Item::Frame(frame)) => return Ok(frame.body),
                Some(Item::Malformed(malformed)) => return Err(malformed.fault.into()),
                None => (),
            }
            self.buffer.reserve(ROOM);
            anyhow::ensure!(
                self.socket.read_buf(&mut self.buffer).await? > 0,
                "the gateway closed the connection"
            );
        }
    }
}

/// Two fixes in the middle of one zone; with the next count, of the other.
fn reports(count: u64, now: Timestamp) -> Vec<wire::DeviceReport> {
    let [first, second] = PLACES;
    let (longitude, latitude) = if count.is_multiple_of(2) { first } else { second };
    let before = now.saturating_sub(APART).unwrap_or(now);
    [before, now]
        .into_iter()
        .map(|fix_time| wire::DeviceReport {
            // Grows whatever process sends it, and is no copy of another's.
            sequence: fix_time.as_microsecond().max(0).cast_unsigned(),
            fix_time_us: fix_time.as_microsecond(),
            stored: false,
            position: Some(wire::Position {
                latitude_e7: degrees_e7(latitude),
                longitude_e7: degrees_e7(longitude),
                valid: true,
                accuracy_m: Some(4.0),
                source: wire::FixSource::Gnss as i32,
                ..wire::Position::default()
            }),
            battery_percent: Some(90),
            ..wire::DeviceReport::default()
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "degrees on earth")]
fn degrees_e7(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}
