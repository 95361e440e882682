//! A bounded run of the fuzz targets: their seeds, changed at random for a few seconds. `geofence/engine/fuzz` goes on for ever.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "helpers of tests fail as tests do"
)]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Most bytes of one input.
const MOST: usize = 16 << 10;

/// What breaks readers: numbers at their limits, brackets, quotes, names of elements.
const PIECES: [&str; 40] = [
    "0",
    "-0",
    "-1",
    "180",
    "-180",
    "180.0000000001",
    "90",
    "-90",
    "91",
    "360",
    "540",
    "541",
    "1e999",
    "-1e308",
    "1e-320",
    "NaN",
    "inf",
    "18446744073709551616",
    ",",
    " ",
    "\n",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "(",
    ")",
    "((",
    "\"",
    "<",
    "</",
    ">",
    "&",
    "&#0;",
    "<Placemark>",
    "</Placemark>",
    "POLYGON((",
    "null",
    "\u{feff}",
];

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below a bound; 0 where there is nothing below.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }
}

fn changed(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        let until = (at + random.below(64)).min(bytes.len());
        match random.below(7) {
            0 => bytes.insert(at, random.next().to_le_bytes()[0]),
            1 => drop(bytes.drain(at..until)),
            2 => {
                let copy = bytes[at..until].repeat(1 + random.below(20));
                let place = random.below(bytes.len());
                bytes.splice(place..place, copy);
            }
            3 => {
                let other = &seeds[random.below(seeds.len())];
                let start = random.below(other.len());
                let end = (start + random.below(200)).min(other.len());
                bytes.splice(at..until, other[start..end].iter().copied());
            }
            4 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            5 => {
                // A number becomes another.
                let start = (at..bytes.len())
                    .find(|place| bytes[*place].is_ascii_digit())
                    .unwrap_or(bytes.len());
                let number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
                let end = start + bytes[start..].iter().take_while(|byte| number(byte)).count();
                bytes.splice(start..end, PIECES[random.below(18)].bytes());
            }
            _ => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
    bytes.truncate(MOST);
    bytes
}

fn run(name: &str, rounds: u32, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty());
    // Longer runs: HOMEWARD_TEST_FUZZ=50 makes it fifty times as many, others each time.
    let times = std::env::var("HOMEWARD_TEST_FUZZ")
        .ok()
        .and_then(|times| times.parse::<u32>().ok());
    let (rounds, start) = times.map_or((rounds, 20_261_121), |times| {
        (rounds * times, u64::from(std::process::id()))
    });
    let mut random = Random(start);
    let changed = (0..rounds).map(|_| changed(&seeds, &mut random));
    for (round, input) in seeds.iter().cloned().chain(changed).enumerate() {
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
        assert!(
            outcome.is_ok(),
            "{name}, seed {start}, round {round}: {:?}",
            String::from_utf8_lossy(&input)
        );
    }
    // The greatest amount of memory that this process has had, where the system tells it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    assert!(peak.unwrap_or(0) < 512 << 10, "{} KiB of memory", peak.unwrap_or(0));
}

/// Found by the fuzzer: one row of the year 4052 had every night of two thousand years judged.
#[test]
fn a_row_of_a_far_year_is_refused_and_the_others_are_judged() {
    let seed = include_str!("../fuzz/seeds/replay_input/a.txt");
    let far = seed.replace("P1,D1,2026-03-02T13:11:00Z", "P1,D1,4052-03-02T13:11:00Z");
    let (rules, reports) = far.split_once("\n---\n").unwrap();
    let summary = homeward_engine::replay::run(rules, reports.as_bytes(), Vec::new(), None).unwrap();
    let bad: Vec<String> = summary.named_bad_rows.iter().map(ToString::to_string).collect();
    let far = "line 4: received_at is not within 2000 to 2099: 4052-03-02T13:11:00Z";
    assert_eq!(bad, [far, "line 6: fix_time is no RFC 3339 time: \"\""]);
    assert_eq!((summary.rows, summary.unknown_people_rows), (6, 1));
}

#[test]
fn any_bytes_are_zones_or_refused() {
    run("zone_import", 4_000, targets::zone_import);
}

#[test]
fn any_bytes_are_a_replay_or_refused() {
    run("replay_input", 1_500, targets::replay_input);
}
