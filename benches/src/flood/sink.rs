//! A listener that is not the gateway: what the flood costs a machine that sends it to itself shows here, apart from what it costs the
//! gateway.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::{TcpSocket, TcpStream},
    process::{Child, Command},
    time::{sleep, timeout},
};

/// As much as the gateway reads of a stranger, and as long as it leaves one waiting, by its default settings.
const READS: u64 = 8 * 1024;
const HOLDS: Duration = Duration::from_secs(10);
/// As the gateway's sockets have it.
const RECEIVE_BUFFER: u32 = 32 * 1024;
const BACKLOG: u32 = 4_096;
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// A running one; it ends when dropped.
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    _process: Child,
}

/// Starts one, in a process of its own.
pub(super) async fn start() -> Result<Sink> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("flood-sink")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("start the other listener")?;
    let output = process.stdout.take().context("the other listener says nothing")?;
    let mut line = String::new();
    timeout(STARTS_WITHIN, BufReader::new(output).read_line(&mut line))
        .await
        .context("wait for the other listener")??;
    Ok(Sink {
        address: line.trim().parse().context("the other listener's address")?,
        _process: process,
    })
}

/// Says its address, and takes what comes until it is killed.
pub async fn run() -> Result<bool> {
    crate::descriptors::raise(8_192);
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(BACKLOG)?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(swallow(stream));
    }
}

async fn swallow(stream: TcpStream) {
    let mut taken = stream.take(READS);
    let _ = tokio::io::copy(&mut taken, &mut tokio::io::sink()).await;
    sleep(HOLDS).await;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn no_more_is_read_than_the_gateway_reads_of_a_stranger() {
        let listener = TcpSocket::new_v4().unwrap();
        listener.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = listener.listen(1).unwrap();
        let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (taken, _) = listener.accept().await.unwrap();
        tokio::spawn(swallow(taken));
        let chunk = vec![0_u8; 64 * 1024];
        let flood = async {
            loop {
                sender.write_all(&chunk).await.unwrap();
            }
        };
        assert!(
            timeout(Duration::from_secs(2), flood).await.is_err(),
            "it is read without end"
        );
    }
}
