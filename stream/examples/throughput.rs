//! Appends single records at a rate while two independent readers follow, and prints what it took.
//!
//! `throughput URL RATE SECONDS [PAYLOAD_BYTES]`, where URL is `postgres://…` (an empty database) or `kafka://host:port`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use homeward_stream::{
    Log, NewRecord, Topic,
    kafka::{self, KafkaLog},
    postgres::{self, PostgresLog},
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
};
use tokio::sync::mpsc;

const PARTITIONS: u32 = 16;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, rate, seconds, rest @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: throughput URL RATE SECONDS [PAYLOAD_BYTES]");
    };
    let (rate, seconds): (u64, u64) = (rate.parse()?, seconds.parse()?);
    let size: usize = rest.first().map_or(Ok(120), |size| size.parse())?;
    let log = open(url).await?;
    let total = rate * seconds;
    let mut readers = Vec::new();
    for _ in 0..2 {
        readers.push(tokio::spawn(follow(Arc::clone(&log), total).await?));
    }

    let (report, mut latencies) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicU64::new(0));
    let (mut most, mut sent) = (0, 0);
    let began = Instant::now();
    let payload = bytes::Bytes::from(vec![7_u8; size]);
    while sent < total {
        let due = u64::try_from(began.elapsed().as_micros())?
            .saturating_mul(rate)
            .div_euclid(1_000_000)
            .min(total);
        while sent < due {
            let (log, report, waiting) = (Arc::clone(&log), report.clone(), Arc::clone(&waiting));
            let partition = u32::try_from(sent % u64::from(PARTITIONS))?;
            let record = NewRecord {
                partition,
                key: bytes::Bytes::from_static(&[1; 16]),
                payload: payload.clone(),
            };
            waiting.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let began = Instant::now();
                let outcome = log.append(Topic::Reports, vec![record]).await;
                waiting.fetch_sub(1, Ordering::Relaxed);
                let _ = report.send(outcome.map(|_| began.elapsed()));
            });
            sent += 1;
        }
        most = most.max(waiting.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(report);
    let mut all = Vec::new();
    while let Some(latency) = latencies.recv().await {
        all.push(latency?);
    }
    let took = began.elapsed();
    println!(
        "appended {} in {:.2} s: {:.0} a second",
        all.len(),
        took.as_secs_f64(),
        all.len() as f64 / took.as_secs_f64()
    );
    print_quantiles("append", &mut all);
    println!("most appends waiting at once: {most}");
    for reader in readers {
        let (mut lags, read_at) = reader.await??;
        println!(
            "reader: {} records, the last {:.3} s after the last append",
            lags.len(),
            (read_at - began).as_secs_f64() - took.as_secs_f64()
        );
        print_quantiles("appended to read", &mut lags);
    }
    log.close(Duration::from_secs(5)).await;
    if let Some(brokers) = url.strip_prefix("kafka://") {
        let admin: AdminClient<_> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
        let topics = Topic::ALL.map(|topic| format!("{}{}", prefix(), topic.name()));
        admin
            .delete_topics(&topics.each_ref().map(String::as_str), &AdminOptions::new())
            .await?;
    }
    Ok(())
}

/// Topics of this run alone.
fn prefix() -> String {
    format!("throughput-{}.", std::process::id())
}

async fn open(url: &str) -> Result<Arc<dyn Log>> {
    if let Some(brokers) = url.strip_prefix("kafka://") {
        let topic_prefix = prefix();
        return Ok(Arc::new(
            KafkaLog::connect(
                brokers,
                kafka::Config {
                    topic_prefix,
                    ..Default::default()
                },
            )
            .await?,
        ));
    }
    postgres::migrate(url, PARTITIONS).await?;
    Ok(Arc::new(PostgresLog::connect(url, postgres::Config::default()).await?))
}

type Followed = Result<(Vec<Duration>, Instant)>;

/// Reads from the end on; the lag is against the log's own clock, on the same machine.
async fn follow(log: Arc<dyn Log>, total: u64) -> Result<impl Future<Output = Followed> + Send + 'static> {
    let mut starts = Vec::new();
    for partition in 0..PARTITIONS {
        starts.push((partition, log.bounds(Topic::Reports, partition).await?.end));
    }
    let mut reader = log.read(Topic::Reports, starts).await?;
    Ok(async move {
        let mut lags = Vec::new();
        while (lags.len() as u64) < total {
            let records = tokio::time::timeout(Duration::from_secs(30), reader.next(5_000))
                .await
                .context("reader starved")??;
            let now = jiff::Timestamp::now();
            lags.extend(
                records
                    .iter()
                    .map(|record| Duration::try_from(now.duration_since(record.appended_at)).unwrap_or_default()),
            );
        }
        Ok((lags, Instant::now()))
    })
}

fn print_quantiles(what: &str, all: &mut [Duration]) {
    all.sort_unstable();
    let at = |per_mille: usize| {
        let index = all.len().saturating_sub(1) * per_mille / 1_000;
        all.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    println!(
        "{what}: p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, most {:.1} ms",
        at(500),
        at(990),
        at(999),
        at(1_000)
    );
}
