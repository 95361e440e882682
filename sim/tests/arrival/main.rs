//! Late reports, copies and crashes, over what the simulator's people go through: every scenario, schedules over both changes of the
//! clocks, leave and holidays, all sorts of fixes, straps, copied devices, and reports whose time cannot be believed.
//!
//! The engine has laws of its own over random tracks (`geofence/engine/tests/laws`); this shares no code with them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure here is a failed test"
)]

mod crash;
mod story;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use engine::{Engine, Input, Outcome};
use jiff::Timestamp;
use prost::Message as _;
use proto::wire::{Edge, Event, EventKind};

use story::{Record, Story, Way};

/// So many seconds each law is tried; `HOMEWARD_LAW_SECONDS` says otherwise, and `HOMEWARD_LAW_FROM` from which story on.
const SECONDS: u64 = 5;
/// So many stories at the least, however slow the machine is.
const AT_LEAST: u64 = 100;

/// Numbers of stories, until time is up.
fn stories() -> impl Iterator<Item = u64> {
    let setting = |name: &str, usual: u64| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let from = setting("HOMEWARD_LAW_FROM", 0);
    let most = Duration::from_secs(setting("HOMEWARD_LAW_SECONDS", SECONDS));
    let began = Instant::now();
    (0..)
        .take_while(move |number| *number < AT_LEAST || began.elapsed() < most)
        .map(move |number| from + number)
}

/// Folds a log and returns what was told, and how many records were copies.
fn fold(log: &[(Timestamp, Record)]) -> (Vec<Event>, usize) {
    let (mut engine, mut events, mut copies) = (Engine::new(), Vec::new(), 0);
    for (at, record) in log {
        let outcome = engine.fold(*at, record.input(), &mut events);
        copies += usize::from(outcome == Outcome::Duplicate);
    }
    (events, copies)
}

/// Kind, zone, onset and end of everything that stands in the end. What depends on when reports come is left out.
fn standing(events: &[Event]) -> Vec<(EventKind, Vec<u8>, i64, Option<i64>)> {
    let mut known: BTreeMap<&[u8], (&Event, Option<i64>, bool)> = BTreeMap::new();
    for event in events {
        let told = known.get(&*event.violation_id);
        match event.edge() {
            Edge::Onset => assert!(told.is_none(), "begun twice: {event:?}"),
            Edge::End => assert!(
                told.is_some_and(|told| told.1.is_none() && !told.2),
                "ended and not open: {event:?}"
            ),
            _ => assert!(told.is_some(), "corrected and never told: {event:?}"),
        }
        known.insert(&event.violation_id, (event, event.end_us, event.withdrawn));
    }
    let by_arrival = [
        EventKind::Silence,
        EventKind::NoFix,
        EventKind::BatteryDead,
        EventKind::ClockSkew,
    ];
    let stands = known
        .into_values()
        .filter(|(event, _, withdrawn)| !withdrawn && !by_arrival.contains(&event.kind()));
    let mut all: Vec<_> = stands
        .map(|(event, end_us, _)| (event.kind(), event.zone_id.clone(), event.onset_us, end_us))
        .collect();
    all.sort_unstable();
    all
}

/// One line an event, to be read where a law is broken.
fn lines(events: &[Event], start: Timestamp) -> String {
    let seconds = |us: i64| us as f64 / 1e6 - start.as_second() as f64;
    let line = |event: &Event| {
        format!(
            "{:?} {:?} {:02x?} {:.3}..{:?} decided {:.3}{}{}: {}\n",
            event.kind(),
            event.edge(),
            event.zone_id.get(..2).unwrap_or_default(),
            seconds(event.onset_us),
            event.end_us.map(seconds),
            seconds(event.decided_at_us),
            if event.late { " late" } else { "" },
            if event.withdrawn { " withdrawn" } else { "" },
            event.explanation.as_ref().map_or("", |why| &why.sentence),
        )
    };
    events.iter().map(line).collect()
}

#[test]
fn any_order_of_arrival_tells_the_same_in_the_end() {
    let (mut tried, mut late, mut violations, mut kinds) = (0, 0, 0, BTreeMap::new());
    for number in stories() {
        let story = Story::new(number);
        let (in_order, _) = fold(&story.log(Way::InOrder, false));
        let expected = standing(&in_order);
        for (kind, ..) in &expected {
            *kinds.entry(*kind).or_insert(0) += 1;
        }
        violations += expected.len();
        let way = Way::ALL[usize::try_from(number).unwrap() % Way::ALL.len()];
        let (events, _) = fold(&story.log(way, false));
        let found = standing(&events);
        assert!(
            found == expected,
            "story {number} ({}), {way:?}: in order\n{:#?}\nso\n{:#?}\n--- told in order\n{}--- told so\n{}",
            story.name,
            expected.iter().filter(|one| !found.contains(one)).collect::<Vec<_>>(),
            found.iter().filter(|one| !expected.contains(one)).collect::<Vec<_>>(),
            lines(&in_order, story.start),
            lines(&events, story.start),
        );
        late += events.iter().filter(|event| event.late).count();
        tried += 1;
    }
    println!(
        "{tried} stories, {violations} violations of {} kinds, {late} events of late reports",
        kinds.len()
    );
    assert!(
        violations > 2 * tried && late > tried && kinds.len() >= 10,
        "nothing happened: {kinds:?}"
    );
}

#[test]
fn copies_change_nothing_whatever_they_are_copies_of() {
    let mut found = 0;
    for number in stories() {
        let story = Story::new(number);
        let way = Way::ALL[usize::try_from(number / 2).unwrap() % Way::ALL.len()];
        let (expected, _) = fold(&story.log(way, false));
        let (events, copies) = fold(&story.log(way, true));
        assert!(
            events == expected,
            "story {number} ({}), {way:?}: without copies\n{}--- with\n{}",
            story.name,
            lines(&expected, story.start),
            lines(&events, story.start)
        );
        found += copies;
    }
    assert!(found > 500, "{found} copies");
}

/// What is told does not depend on memory: the stream's bytes alone, twice.
#[test]
fn a_story_told_twice_is_the_same_bytes() {
    for number in 0..4 {
        let story = Story::new(number);
        let bytes = |events: Vec<Event>| events.iter().flat_map(Event::encode_to_vec).collect::<Vec<_>>();
        let way = Way::ALL[1];
        assert_eq!(
            bytes(fold(&story.log(way, true)).0),
            bytes(fold(&story.log(way, true)).0)
        );
    }
}

impl Record {
    fn input(&self) -> Input<'_> {
        match self {
            Self::Report(report) => Input::Report(report),
            Self::Rules(rules) => Input::Rules(rules),
            Self::Protected(fix) => Input::Protected(fix),
            Self::Tick => Input::Tick,
        }
    }
}
