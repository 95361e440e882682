//! Orders that end, are replaced or revoked, and what comes after.

use super::*;

/// One order that ends after an hour, and what is told of reports that come after it.
fn after_the_end(reports: &[(i64, i64, wire::Strap)], second: Option<Rules>) -> (Engine, Vec<Event>) {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let first = Rules {
        layer_ids: Vec::new(),
        valid_until_us: second.is_none().then(|| at_s(3_600).as_microsecond()),
        ..rules(1, 1, 0b10, (0, 0, 3))
    };
    engine.fold(at_s(0), Input::Rules(&first), &mut events);
    if let Some(second) = second {
        engine.fold(at_s(3_600), Input::Rules(&second), &mut events);
    }
    for (number, (made_s, comes_s, strap)) in (0_u32..).zip(reports) {
        let report = Report {
            strap: i32::from(*strap),
            ..good_fix(number, *made_s, *comes_s, 300.0)
        };
        engine.fold(at_s(*comes_s), Input::Report(&report), &mut events);
    }
    (engine, events)
}

fn told(events: &[Event]) -> Vec<(EventKind, Edge, i64, bool)> {
    let second = |event: &Event| (event.onset_us - start().as_microsecond()) / 1_000_000;
    events
        .iter()
        .map(|event| (event.kind(), event.edge(), second(event), event.late))
        .collect()
}

#[test]
fn what_was_made_in_a_term_and_comes_after_its_end_is_told_for_a_day() {
    use wire::Strap::{Closed, Open};
    let (mut engine, mut events) = after_the_end(
        &[(3_000, 4_000, Closed), (3_100, 4_001, Open), (3_601, 4_002, Open)],
        None,
    );
    let expected = [
        (EventKind::StrapTamper, Edge::Onset, 3_100, true),
        (EventKind::ExclusionEntry, Edge::Onset, 3_000, true),
        (EventKind::ExclusionEntry, Edge::End, 3_000, true),
    ];
    let mut found = told(&events);
    found.retain(|(kind, ..)| *kind != EventKind::BufferEntry);
    assert_eq!(found, expected);
    let ends: Vec<_> = events.iter().filter_map(|event| event.end_us).collect();
    assert!(!ends.is_empty() && ends.iter().all(|end_us| *end_us == at_s(3_600).as_microsecond()));
    assert_eq!(engine.people(), 0);
    assert_eq!(engine.counters().not_monitored, 1, "made after the end");
    // A day after the end nothing is kept.
    let kept = engine.memory();
    assert!(kept.journal > 0 && kept.rules > 0);
    let day_s = 86_400;
    engine.fold(at_s(3_600 + day_s - 1), Input::Tick, &mut events);
    assert_eq!(engine.memory().journal, kept.journal);
    engine.fold(at_s(3_600 + day_s), Input::Tick, &mut events);
    assert!(engine.memory().journal == 0 && engine.memory().rules < kept.rules);
    events.clear();
    let late = good_fix(9, 3_599, 3_600 + day_s, 300.0);
    let outcome = engine.fold(at_s(3_600 + day_s), Input::Report(&late), &mut events);
    assert_eq!((outcome, events), (Outcome::NotMonitored, Vec::new()));
}

#[test]
fn what_was_made_under_an_order_that_another_replaced_is_told_still() {
    let second = Rules {
        layer_ids: Vec::new(),
        order_id: vec![10; 16],
        valid_from_us: at_s(3_600).as_microsecond(),
        ..rules(1, 2, 0b10, (0, 0, 3))
    };
    let (engine, events) = after_the_end(
        &[
            (3_000, 4_000, wire::Strap::Closed),
            (3_100, 4_001, wire::Strap::Open),
            (4_100, 4_101, wire::Strap::Open),
        ],
        Some(second),
    );
    let mut found = told(&events);
    found.retain(|(kind, ..)| *kind != EventKind::BufferEntry);
    let expected = [
        (EventKind::StrapTamper, Edge::Onset, 3_100, true),
        (EventKind::ExclusionEntry, Edge::Onset, 3_000, true),
    ];
    assert_eq!(found, expected);
    let orders: std::collections::BTreeSet<_> = events.iter().map(|event| event.order_id.clone()).collect();
    assert_eq!(orders, [vec![9; 16]].into(), "by the order of its time");
    assert_eq!(engine.people(), 1);
}

#[test]
fn what_a_revocation_shows_to_be_without_an_order_is_taken_back() {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let first = Rules {
        layer_ids: Vec::new(),
        ..rules(1, 1, 0b10, (0, 0, 3))
    };
    engine.fold(at_s(0), Input::Rules(&first), &mut events);
    for (number, made_s) in [(0, 60), (1, 3_010), (2, 3_070)] {
        let east_m = if number == 0 { 5_000.0 } else { 300.0 };
        engine.fold(
            at_s(made_s + 1),
            Input::Report(&good_fix(number, made_s, made_s + 1, east_m)),
            &mut events,
        );
    }
    assert!(told(&events).contains(&(EventKind::ExclusionEntry, Edge::Onset, 3_010, false)));
    events.clear();
    let revoked = Rules {
        active: false,
        revision: 2,
        valid_until_us: Some(at_s(3_000).as_microsecond()),
        ..first
    };
    engine.fold(at_s(3_100), Input::Rules(&revoked), &mut events);
    let entry = events
        .iter()
        .find(|event| event.kind() == EventKind::ExclusionEntry)
        .unwrap();
    assert!(entry.edge() == Edge::Correction && entry.withdrawn);
    assert_eq!(
        entry.explanation.as_ref().unwrap().sentence,
        "the order had ended before"
    );
    assert_eq!(engine.take_revoked().len(), 1);
    // Neither the checkpoint nor a piece has what was made from then on.
    let place = |bytes: &[u8]| {
        let east = 302_500_000_i32.to_le_bytes();
        let time = at_s(3_010).as_microsecond().to_le_bytes();
        (
            bytes.windows(4).any(|window| window == east),
            bytes.windows(8).any(|window| window == time),
        )
    };
    assert_eq!(place(&engine.checkpoint()), (true, false));
}
