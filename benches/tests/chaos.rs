//! Half a minute of faults on servers of its own, for each kind of stream: what was acknowledged is in history, exactly once, and what was
//! raised is what an undisturbed judgement of it raises.

#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use clap::Parser;
use homeward_benches::chaos::{self, Fault};

const SEED: u64 = 4;
/// Few: every event is a transaction of the alerts' worker, and the comparison waits for the last of them.
const DEVICES: usize = 8;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    chaos: chaos::Arguments,
}

/// The binary that `make test` has built; `None`: nothing to test.
fn line(stream: &str) -> Option<chaos::Arguments> {
    // The scripts that start the servers are named from the root of the tree.
    std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
    let binary = testkit::setting("HOMEWARD_BIN")?;
    if stream == "kafka" {
        testkit::kafka()?;
    }
    let folder = format!(".homeward/test/chaos-{stream}");
    let devices = DEVICES.to_string();
    let words = [
        "chaos",
        "--stream",
        stream,
        "--homeward",
        &binary,
        "--folder",
        &folder,
        "--seconds",
        "20",
        "--devices",
        &devices,
        "--hours",
        "12",
    ];
    Some(Line::try_parse_from(words).unwrap().chaos)
}

async fn nothing_is_lost(stream: &str) {
    let Some(arguments) = line(stream) else { return };
    let outcome = chaos::once(&arguments, SEED).await.unwrap();
    if let Some(why) = &outcome.no_disk {
        eprintln!("skipped: the full disk: {why}");
    }
    for fault in [
        Fault::KillGateway,
        Fault::KillDatabase,
        Fault::PauseGateway,
        Fault::PauseDatabase,
    ] {
        let struck = outcome.faults.iter().find(|(kind, _)| *kind == fault).unwrap().1;
        assert!(struck > 0, "{fault} did not happen: nothing is shown");
    }
    let (verdict, judgement) = (outcome.verdict, &outcome.judgement);
    // Twelve hours of each device, and what it reported meanwhile.
    assert!(verdict.acknowledged > DEVICES * 720, "{verdict:?}");
    assert!(verdict.is_perfect(), "seed {SEED}: {verdict:?}");
    // Everybody calls for help while the faults are on.
    assert!(
        judgement.live >= DEVICES && judgement.wanted > DEVICES * 12,
        "{judgement:?}"
    );
    assert!(judgement.agrees(), "seed {SEED}: {judgement:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_stream_in_postgresql() {
    nothing_is_lost("postgres").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_stream_on_kafka() {
    nothing_is_lost("kafka").await;
}
