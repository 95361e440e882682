//! What was found by chance, as logs of their own; a fixed log that is cut everywhere.

use super::*;

#[test]
fn a_change_of_settings_does_not_judge_the_past_anew() {
    for (before, after) in [(0, 3_000), (3_000, 0)] {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        let plain = |revision, grace| Rules {
            layer_ids: Vec::new(),
            ..rules(1, revision, 0b100, (0, grace, 3))
        };
        engine.fold(at_s(0), Input::Rules(&plain(1, before)), &mut events);
        for number in 0..60_i64 {
            let east_m = if (20..35).contains(&number) { 2_000.0 } else { 100.0 };
            let report = good_fix(
                u32::try_from(number).unwrap(),
                60 * number + 60,
                60 * number + 61,
                east_m,
            );
            engine.fold(at_s(60 * number + 62), Input::Report(&report), &mut events);
        }
        assert_eq!(events.len(), if before == 0 { 2 } else { 0 });
        events.clear();
        engine.fold(at_s(4_000), Input::Rules(&plain(2, after)), &mut events);
        // Nor when a report from before the change comes late.
        let late = good_fix(900, 1_000, 4_010, 100.0);
        engine.fold(at_s(4_010), Input::Report(&late), &mut events);
        assert_eq!(events, []);
    }
}

#[test]
fn a_new_zone_of_a_layer_is_judged_alike_with_and_without_a_late_report() {
    let told = |late: bool| {
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        let bound = Rules {
            zones: Vec::new(),
            layer_ids: vec![vec![LAYER; 16]],
            ..rules(1, 1, 0, (0, 0, 3))
        };
        engine.fold(at_s(0), Input::Layer(layer(1)), &mut events);
        engine.fold(at_s(0), Input::Rules(&bound), &mut events);
        for number in 0..16_i64 {
            if number == 10 {
                let around = circle(LAYER + 50, 1, ZoneKind::Exclusion, 5_000.0, 100.0);
                let layer = Layer {
                    layer_id: vec![LAYER; 16],
                    revision: 2,
                    zones: vec![around],
                };
                let layer = Arc::new(CompiledLayer::compile(&layer).unwrap());
                engine.fold(at_s(630), Input::Layer(layer), &mut events);
            } else if number != 13 {
                let report = good_fix(
                    u32::try_from(number).unwrap(),
                    60 * number + 60,
                    60 * number + 61,
                    5_000.0,
                );
                engine.fold(at_s(60 * number + 62), Input::Report(&report), &mut events);
            }
        }
        if late {
            engine.fold(
                at_s(1_200),
                Input::Report(&good_fix(13, 840, 1_199, 5_000.0)),
                &mut events,
            );
        }
        violations(&events)
    };
    assert_eq!(told(false).len(), 1);
    assert_eq!(told(true), told(false));
}

#[test]
fn a_protected_person_ahead_makes_nobody_late_or_without_position() {
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let kept_away = Rules {
        layer_ids: Vec::new(),
        proximities: vec![wire::Proximity {
            zone_id: vec![77; 16],
            revision: 1,
            protected_id: vec![88; 16],
            distance_m: 200.0,
            ..wire::Proximity::default()
        }],
        ..rules(1, 1, 0b100, (600, 0, 3))
    };
    engine.fold(at_s(0), Input::Rules(&kept_away), &mut events);
    for second in (10..3_000_i64).step_by(10) {
        let number = u32::try_from(second).unwrap();
        let other = good_fix(100_000 + number, second - 1, second, 3_000.0);
        let other = wire::ProtectedFix {
            report_id: other.report_id,
            person_id: vec![1; 16],
            protected_id: vec![88; 16],
            fix_time_us: other.fix_time_us,
            received_at_us: other.received_at_us,
            position: other.position,
        };
        assert_eq!(
            engine.fold(at_s(second), Input::Protected(&other), &mut events),
            Outcome::Judged
        );
        if second % 60 == 0 {
            let own = good_fix(number, second - 3, second, 100.0);
            let outcome = engine.fold(
                at_s(second) + SignedDuration::from_millis(300),
                Input::Report(&own),
                &mut events,
            );
            assert_eq!(outcome, Outcome::Judged);
        }
    }
    assert_eq!(events, []);
}

#[test]
fn a_timer_of_a_layers_zone_rings_after_a_restore() {
    // Inside a zone that the layer's next revision has: it is told a moment after, though no report comes.
    let (mut engine, mut events) = (Engine::new(), Vec::new());
    let bound = Rules {
        zones: Vec::new(),
        layer_ids: vec![vec![LAYER; 16]],
        ..rules(1, 1, 0, (0, 0, 3))
    };
    engine.fold(at_s(0), Input::Layer(layer(1)), &mut events);
    engine.fold(at_s(0), Input::Rules(&bound), &mut events);
    for number in 0..4_i64 {
        let report = good_fix(
            u32::try_from(number).unwrap(),
            60 * number + 60,
            60 * number + 61,
            5_000.0,
        );
        engine.fold(at_s(60 * number + 62), Input::Report(&report), &mut events);
    }
    let second = Layer {
        layer_id: vec![LAYER; 16],
        revision: 2,
        zones: vec![circle(LAYER + 50, 1, ZoneKind::Exclusion, 5_000.0, 100.0)],
    };
    let second = Arc::new(CompiledLayer::compile(&second).unwrap());
    engine.fold(at_s(300), Input::Layer(Arc::clone(&second)), &mut events);
    assert_eq!(events, []);
    let mut restored = restored(&engine, &[second]);
    engine.fold(at_s(600), Input::Tick, &mut events);
    assert_eq!(events.len(), 1);
    let mut after = Vec::new();
    restored.fold(at_s(600), Input::Tick, &mut after);
    assert_eq!(after, events);
}

/// Forty minutes in which two people do nearly all that is told of, and their reports come late, twice and out of order; the same at
/// every run.
fn eventful() -> Log {
    let kept_away = |revision, choice| Rules {
        proximities: vec![wire::Proximity {
            zone_id: vec![77; 16],
            revision: 1,
            protected_id: vec![88; 16],
            distance_m: 150.0,
            buffer_m: 100.0,
            ..wire::Proximity::default()
        }],
        ..rules(1, revision, choice, (300, 0, 3))
    };
    let mut log: Log = vec![
        (at_s(0), Record::Layer(layer(1))),
        (at_s(0), Record::Rules(kept_away(1, 0b11_1111))),
        (at_s(0), Record::Rules(rules(2, 1, 0b00_0111, (300, 120, 4)))),
    ];
    // From home through the zones to the east and back, a fix every 20 s; beyond them once too fast for anybody.
    let east_m = |step: i64| match step {
        0..30 => 0.0,
        30..60 => 20.0 * (step - 30) as f64,
        60..62 => 60_000.0,
        62..90 => 600.0 - 20.0 * (step - 62) as f64,
        _ => -150.0,
    };
    for step in 0..120_i64 {
        let fix_s = 20 * step + 5;
        let number = u32::try_from(step).unwrap();
        // Every seventh report waits for six minutes, every eleventh comes twice; for seven minutes nothing comes at all.
        let delay_s = if step % 7 == 3 { 360 } else { 1 };
        let mut report = good_fix(number, fix_s, fix_s + delay_s, east_m(step));
        match step {
            10 => report.strap = 2,
            14 => report.alarms = vec![i32::from(wire::Alarm::Sos)],
            20..24 => report.alarms = vec![i32::from(wire::Alarm::Jamming)],
            40..44 => report.battery_percent = Some(15),
            44..46 => report.battery_percent = Some(5),
            66 => report.fix_time_us = at_s(fix_s + 86_400).as_microsecond(),
            _ => {}
        }
        let other = Report {
            person_id: vec![2; 16],
            report_id: [&[1][..], &report.report_id[..15]].concat(),
            device_id: vec![102; 16],
            position: report.position.filter(|_| !(70..90).contains(&step)),
            ..good_fix(number, fix_s, fix_s + 1, 0.0)
        };
        if !(46..67).contains(&step) {
            for copy in 0..=i64::from(step % 11 == 0) {
                log.push((at_s(fix_s + delay_s + copy), Record::Report(report.clone())));
            }
        }
        log.push((at_s(fix_s + 1), Record::Report(other)));
        if step % 3 == 0 {
            let near = good_fix(10_000 + number, fix_s - 2, fix_s, 450.0);
            let fix = wire::ProtectedFix {
                report_id: near.report_id,
                person_id: vec![1; 16],
                protected_id: vec![88; 16],
                fix_time_us: near.fix_time_us,
                received_at_us: near.received_at_us,
                position: near.position,
            };
            log.push((at_s(fix_s), Record::Protected(fix)));
        }
    }
    log.push((at_s(1_000), Record::Layer(layer(2))));
    log.push((at_s(1_900), Record::Rules(kept_away(2, 0b01_1111))));
    let off = Rules {
        active: false,
        ..rules(2, 2, 0b00_0111, (300, 120, 4))
    };
    log.push((at_s(2_300), Record::Rules(off)));
    log.sort_by_key(|(at, _)| *at);
    log.push((at_s(20_000), Record::Tick));
    log
}

/// L4 without chance: the same log every time, cut at each of its records, with whole checkpoints and with the journal in pieces.
#[test]
fn crashes_anywhere_in_a_fixed_log_change_nothing() {
    let log = eventful();
    let layers: Vec<_> = log
        .iter()
        .filter_map(|(_, record)| match record {
            Record::Layer(layer) => Some(Arc::clone(layer)),
            _ => None,
        })
        .collect();
    let (mut undisturbed, mut expected) = (Engine::new(), Vec::new());
    fold_into(&mut undisturbed, &log, &mut expected);
    let kinds: std::collections::BTreeSet<_> = expected.iter().map(Event::kind).collect();
    assert!(kinds.len() >= 14, "the log is to be eventful: {kinds:?}");
    assert!(expected.iter().any(|event| event.edge() == Edge::Correction));
    let (mut in_pieces, mut events, mut pieces) = (Engine::new(), Vec::new(), Vec::new());
    in_pieces.save_in_pieces();
    for cut in 0..log.len() {
        // What was told before the crash, and what the restored engine tells from there.
        let mut whole = restored(&in_pieces, &layers);
        let mut told = events.clone();
        fold_into(&mut whole, &log[cut..], &mut told);
        assert!(told == expected, "cut at {cut}: {}", difference(&log, &told, &expected));
        assert_eq!(whole.checkpoint(), undisturbed.checkpoint(), "cut at {cut}");
        let saved = in_pieces.save();
        pieces.extend(saved.piece);
        in_pieces = Engine::restore_with(&saved.state, &pieces).unwrap();
        for wanted in in_pieces.layers_wanted() {
            let layer = layers
                .iter()
                .find(|layer| layer.revision() == wanted.revision && layer.id() == wanted.layer_id);
            in_pieces.give_layer(Arc::clone(layer.unwrap())).unwrap();
        }
        assert_eq!(in_pieces.counters().journals_lost, 0);
        in_pieces.save_in_pieces();
        fold_into(&mut in_pieces, &log[cut..=cut], &mut events);
    }
    assert!(
        events == expected,
        "in pieces: {}",
        difference(&log, &events, &expected)
    );
}
