//! Crashes: a fold that is killed anywhere and goes on from its last save tells the same, as does one that takes reports in groups; and a
//! save whose bytes are not what was written is refused, not believed and no cause to fall over.

use engine::{Engine, Reading};
use homeward_sim::chance::{Chance, Draws};
use jiff::Timestamp;
use proto::wire::Event;

use crate::{
    fold, lines, stories,
    story::{Record, Story, Way},
};

/// What is durable: the state, its pieces, where it stands, and what was told up to there.
#[derive(Default)]
struct Saved {
    state: Option<Vec<u8>>,
    pieces: Vec<Vec<u8>>,
    next: usize,
    events: usize,
}

/// Folds a log as the service does, with saves and kills at random; returns what stands in the log of events.
fn survive(log: &[(Timestamp, Record)], draws: &mut Draws, kills: &mut usize) -> Vec<Event> {
    let mut saved = Saved::default();
    let mut engine = begun(&saved);
    let (mut next, mut events) = (0, Vec::<Event>::new());
    let (saves, dies) = (draws.log_between(0.002, 0.1), draws.log_between(0.002, 0.05));
    while next < log.len() {
        let many = 1 + draws.below(20);
        if draws.happens(0.5) {
            next += grouped(&mut engine, &log[next..log.len().min(next + many)], &mut events);
        } else {
            let (at, record) = &log[next];
            engine.fold(*at, record.input(), &mut events);
            next += 1;
        }
        if draws.happens(saves) {
            let parts = engine.save();
            saved.state = Some(parts.state);
            saved.pieces.extend(parts.piece);
            (saved.next, saved.events) = (next, events.len());
            engine.saved();
        }
        if draws.happens(dies) && *kills < 10_000 {
            *kills += 1;
            // What was told after the save is in the log of events already; readers know it again by its ids.
            let told = events.split_off(saved.events);
            engine = begun(&saved);
            let mut again = Vec::new();
            let mut at = saved.next;
            while at < next {
                at += grouped(&mut engine, &log[at..next], &mut again);
            }
            assert!(again == told, "told otherwise after a kill");
            events.extend(again);
        }
    }
    events
}

fn begun(saved: &Saved) -> Engine {
    let mut engine = match &saved.state {
        Some(state) => Engine::restore_with(state, &saved.pieces).unwrap(),
        None => Engine::new(),
    };
    assert_eq!(engine.counters().journals_lost, 0);
    engine.save_in_pieces();
    engine
}

/// Folds the reports at the beginning together, or the record that is none; returns how many records that were.
fn grouped(engine: &mut Engine, log: &[(Timestamp, Record)], events: &mut Vec<Event>) -> usize {
    let reports = log.iter().map_while(|(at, record)| match record {
        Record::Report(report) => Some((at.as_microsecond(), Reading::of(report).unwrap())),
        _ => None,
    });
    let readings: Vec<_> = reports.collect();
    if readings.is_empty() {
        if let Some((at, record)) = log.first() {
            engine.fold(*at, record.input(), events);
        }
        return 1;
    }
    engine.fold_readings(&readings, events);
    readings.len()
}

#[test]
fn kills_and_restored_saves_change_nothing() {
    let mut kills = 0;
    for number in stories() {
        let story = Story::new(number);
        let mut draws = Chance::new(number).sequence("kills", 0);
        let log = story.log(Way::ALL[draws.below(Way::ALL.len())], true);
        let (expected, _) = fold(&log);
        let events = survive(&log, &mut draws, &mut kills);
        assert!(
            events == expected,
            "story {number} ({}): undisturbed\n{}--- with kills\n{}",
            story.name,
            lines(&expected, story.start),
            lines(&events, story.start)
        );
    }
    assert!(kills > 50, "{kills} kills");
}

#[test]
fn a_save_whose_bytes_were_changed_is_refused() {
    let (mut refused, mut read) = (0, 0);
    for number in stories().take(60) {
        let story = Story::new(number);
        let mut draws = Chance::new(number).sequence("damage", 0);
        let log = story.log(Way::ALL[draws.below(Way::ALL.len())], false);
        let (before, after) = log.split_at(draws.below(log.len()));
        let mut engine = Engine::new();
        engine.save_in_pieces();
        for (at, record) in before {
            engine.fold(*at, record.input(), &mut Vec::new());
        }
        let parts = engine.save();
        let piece = parts.piece.unwrap_or_default();
        for _ in 0..12 {
            let (mut state, mut piece) = (parts.state.clone(), piece.clone());
            let target = if draws.happens(0.3) && !piece.is_empty() {
                &mut piece
            } else {
                &mut state
            };
            damage(target, &mut draws);
            let pieces: &[Vec<u8>] = if piece.is_empty() {
                &[]
            } else {
                std::slice::from_ref(&piece)
            };
            match Engine::restore_with(&state, pieces) {
                Err(_) => refused += 1,
                Ok(mut engine) => {
                    // Bytes that mean nothing, or the same.
                    read += 1;
                    for (at, record) in after.iter().take(40) {
                        engine.fold(*at, record.input(), &mut Vec::new());
                    }
                }
            }
            assert!(engine::scrub(&piece, &[]).is_ok() || !piece.is_empty());
        }
    }
    assert!(refused > 100 && read * 50 < refused, "{refused} refused, {read} read");
}

/// Some bytes are others, or missing, or too many.
fn damage(bytes: &mut Vec<u8>, draws: &mut Draws) {
    match draws.below(4) {
        0 => bytes.truncate(draws.below(bytes.len())),
        1 => bytes.extend((0..=draws.below(40)).map(|number| u8::try_from(number).unwrap())),
        _ => {
            for _ in 0..=draws.below(6) {
                let at = draws.below(bytes.len());
                let bit = draws.below(8);
                bytes[at] ^= 1 << bit;
            }
        }
    }
}
