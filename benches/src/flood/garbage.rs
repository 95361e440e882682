//! The garbage, in a process of its own.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::BytesMut;
use clap::Args;
use codec::jt808::{Variant, terminal::Terminal};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    net::TcpSocket,
    process::{Child, Command},
    task::JoinSet,
    time::{Instant, timeout},
};

use super::Arguments;
use crate::descriptors;

const CHUNK: usize = 16 * 1024;
/// For one chunk to be taken; somebody who is not read from tries again elsewhere.
const STUCK: Duration = Duration::from_secs(5);

/// A flood.
#[derive(Debug, Args)]
pub struct PartArguments {
    #[arg(long)]
    gateway: SocketAddr,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    addresses: usize,
    #[arg(long)]
    seconds: f64,
}

#[derive(Debug, Default)]
struct Sums {
    opened: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
}

/// Floods, and prints one line of JSON.
pub async fn run(part: PartArguments) -> Result<bool> {
    descriptors::need(part.connections as u64)?;
    let sums = Arc::new(Sums::default());
    let until = Instant::now() + Duration::from_secs_f64(part.seconds);
    let mut connections = JoinSet::new();
    for index in 0..part.connections {
        let from = from(index, part.addresses);
        connections.spawn(pour(part.gateway, from, chunk(index), until, Arc::clone(&sums)));
    }
    while connections.join_next().await.is_some() {}
    let figure = |value: &AtomicU64| value.load(Ordering::Relaxed);
    println!(
        "{}",
        json!({"opened": figure(&sums.opened), "refused": figure(&sums.refused), "bytes": figure(&sums.bytes)})
    );
    Ok(true)
}

/// Starts it.
pub(super) fn start(arguments: &Arguments, gateway: SocketAddr) -> Result<Child> {
    let mut command = Command::new("nice");
    command
        .arg(format!("-n{}", arguments.nice))
        .arg(std::env::current_exe()?);
    command.arg("flood-part").args([
        format!("--gateway={gateway}"),
        format!("--connections={}", arguments.connections),
        format!("--addresses={}", arguments.addresses),
        format!("--seconds={}", arguments.seconds),
    ]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    child.context("start the flood")
}

/// Other addresses than the devices'.
fn from(index: usize, addresses: usize) -> SocketAddr {
    let last = u8::try_from(1 + index % addresses.clamp(1, 250)).unwrap_or(1);
    SocketAddr::from(([127, 2, 0, last], 0))
}

/// Noise; frames with wrong checksums; sign-ins of nobody; one frame that never ends.
fn chunk(index: usize) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(index as u64);
    let mut wire = BytesMut::with_capacity(CHUNK);
    match index % 4 {
        0 => wire.extend((0..CHUNK).map(|_| random.random::<u8>())),
        1 => {
            while wire.len() < CHUNK {
                wire.extend_from_slice(&[0x7e]);
                wire.extend((0..40).map(|_| random.random_range(0..0x7d_u8)));
                wire.extend_from_slice(&[0x7e]);
            }
        }
        2 => {
            if let Some(mut terminal) =
                Terminal::new(&format!("188{:08}", random.random_range(0..99_999_999)), Variant::V2013)
            {
                while wire.len() < CHUNK {
                    wire.extend_from_slice(&terminal.authenticate(b"nobody"));
                }
            }
        }
        _ => {
            wire.extend_from_slice(&[0x7e]);
            wire.extend(std::iter::repeat_n(0x31, CHUNK - 1));
        }
    }
    wire.to_vec()
}

async fn pour(to: SocketAddr, from: SocketAddr, chunk: Vec<u8>, until: Instant, sums: Arc<Sums>) {
    while Instant::now() < until {
        let connect = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(from)?;
            socket.connect(to).await
        };
        let left = until.saturating_duration_since(Instant::now());
        let Ok(Ok(mut stream)) = timeout(left, connect).await else {
            sums.refused.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        sums.opened.fetch_add(1, Ordering::Relaxed);
        while let left = until.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && let Ok(Ok(written)) = timeout(left.min(STUCK), stream.write(&chunk)).await
        {
            sums.bytes.fetch_add(written as u64, Ordering::Relaxed);
        }
    }
}
