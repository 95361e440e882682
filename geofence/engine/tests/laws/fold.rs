//! The fold of random logs: cut, restored, ticked, repeated, one person without another.

use super::*;

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn the_same_log_gives_the_same_events(log in log()) {
        prop_assert_eq!(fold(&log), fold(&log));
    }

    #[test]
    fn crashes_and_restored_checkpoints_change_nothing(log in log(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let layers: Vec<_> = log
            .iter()
            .filter_map(|(_, record)| match record { Record::Layer(layer) => Some(Arc::clone(layer)), _ => None })
            .collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(log.len())).collect();
        cuts.sort_unstable();
        let (mut engine, mut events, mut from) = (Engine::new(), Vec::new(), 0);
        for cut in cuts {
            fold_into(&mut engine, &log[from..cut], &mut events);
            // Work after the checkpoint is lost and done again.
            let checkpoint = restored(&engine, &layers);
            fold_into(&mut engine, &log[cut..], &mut Vec::new());
            engine = checkpoint;
            from = cut;
        }
        fold_into(&mut engine, &log[from..], &mut events);
        let mut undisturbed = Engine::new();
        let mut expected = Vec::new();
        fold_into(&mut undisturbed, &log, &mut expected);
        prop_assert_eq!(events, expected);
        prop_assert_eq!(engine.checkpoint(), undisturbed.checkpoint());
        prop_assert_eq!(restored(&engine, &layers).checkpoint(), undisturbed.checkpoint());
    }

    #[test]
    fn crashes_change_nothing_when_the_journal_is_saved_in_pieces(log in log(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let layers: Vec<_> = log
            .iter()
            .filter_map(|(_, record)| match record { Record::Layer(layer) => Some(Arc::clone(layer)), _ => None })
            .collect();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(log.len())).collect();
        cuts.sort_unstable();
        let (mut engine, mut events, mut from, mut pieces) = (Engine::new(), Vec::new(), 0, Vec::new());
        engine.save_in_pieces();
        for cut in cuts {
            fold_into(&mut engine, &log[from..cut], &mut events);
            let saved = engine.save();
            pieces.extend(saved.piece);
            let mut restored = Engine::restore_with(&saved.state, &pieces).unwrap();
            for wanted in restored.layers_wanted() {
                let layer = layers.iter().find(|layer| layer.revision() == wanted.revision && layer.id() == wanted.layer_id);
                restored.give_layer(Arc::clone(layer.unwrap())).unwrap();
            }
            prop_assert_eq!(restored.counters().journals_lost, 0);
            prop_assert_eq!(restored.checkpoint(), engine.checkpoint());
            restored.save_in_pieces();
            engine = restored;
            from = cut;
        }
        fold_into(&mut engine, &log[from..], &mut events);
        let expected = fold(&log);
        prop_assert!(events == expected, "{}", difference(&log, &events, &expected));
    }

    #[test]
    fn it_does_not_matter_how_dense_ticks_are(log in log(), every_s in 1_i64..400) {
        let mut ticked: Log = Vec::new();
        let mut at = start();
        for (time, record) in &log {
            while at < *time {
                ticked.push((at, Record::Tick));
                at += SignedDuration::from_secs(every_s);
            }
            ticked.push((*time, record.clone()));
        }
        let quiet: Log = log.iter().enumerate()
            .filter(|(index, (_, record))| !matches!(record, Record::Tick) || index + 1 == log.len())
            .map(|(_, entry)| entry.clone())
            .collect();
        let expected = fold(&log);
        prop_assert_eq!(&fold(&ticked), &expected);
        prop_assert_eq!(&fold(&quiet), &expected);
    }

    #[test]
    fn nobody_changes_what_is_decided_about_another(log in log(), person in 0_u8..3) {
        let alone: Log = log.iter()
            .filter(|(_, record)| record.person().is_none_or(|id| id == [person; 16]))
            .cloned()
            .collect();
        let expected: Vec<_> = fold(&log).into_iter().filter(|event| event.person_id == [person; 16]).collect();
        prop_assert_eq!(fold(&alone), expected);
    }

    #[test]
    fn copies_change_nothing(log in log(), copies in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12), 1..20)) {
        let mut copied = log.clone();
        for (index, later) in copies {
            let from = index.index(copied.len() - 1);
            let mut to = (from + later).min(copied.len() - 2);
            // New rules may begin to monitor a person whose report was not taken in before.
            if let Some(rules) = copied[from + 1..=to.max(from)].iter().position(|(_, record)| matches!(record, Record::Rules(_))) {
                to = from + rules;
            }
            let (at, record) = (copied[to].0, copied[from].1.clone());
            // Rules and layers too: an older revision, or the same one, is stale.
            copied.insert(to + 1, (at, record));
        }
        prop_assert_eq!(fold(&copied), fold(&log));
    }

    #[test]
    fn events_are_of_one_piece(log in log()) {
        let events = fold(&log);
        let mut onsets: HashMap<Vec<u8>, &Event> = HashMap::new();
        let mut told = std::collections::HashSet::new();
        let mut ids = HashMap::new();
        let mut decided_us = i64::MIN;
        for event in &events {
            prop_assert!(ids.insert(event.event_id.clone(), event).is_none(), "twice: {:?} and {:?}", ids[&event.event_id], event);
            prop_assert!(event.decided_at_us >= decided_us, "decisions go back in time");
            decided_us = event.decided_at_us;
            // A device's clock may be two minutes ahead.
            prop_assert!(event.onset_us <= event.decided_at_us + 120_000_000, "from the future: {:?}", event);
            let explanation = event.explanation.as_ref().unwrap();
            prop_assert!(!explanation.sentence.is_empty());
            prop_assert!(explanation.fixes.len() >= explanation.fixes_required as usize, "{:?}", event);
            for fix in &explanation.fixes {
                prop_assert!(fix.signed_distance_m.is_finite() && (0.0..=1.0).contains(&fix.probability));
            }
            if explanation.threshold > 0.0 {
                prop_assert!(explanation.probability >= explanation.threshold - 1e-6, "{:?}", event);
                prop_assert!(explanation.probability < 1.0 && explanation.fixes_required >= 1, "{:?}", event);
            }
            if event.edge() == Edge::Onset {
                prop_assert_eq!(event.end_us, None);
                told.insert(event.violation_id.clone());
                onsets.insert(event.violation_id.clone(), event);
            } else if event.edge() == Edge::Correction {
                prop_assert!(event.late);
                prop_assert!(told.contains(&event.violation_id), "a correction of what was never told: {:?}", event);
                if event.withdrawn || event.end_us.is_some() {
                    onsets.remove(&event.violation_id);
                } else {
                    // It goes on, so it may end again.
                    onsets.insert(event.violation_id.clone(), event);
                }
            } else {
                prop_assert!(!is_momentary(event.kind()));
                let onset = onsets.remove(&event.violation_id);
                prop_assert!(onset.is_some(), "an end without an onset: {:?}", event);
                let onset = onset.unwrap();
                prop_assert_eq!(
                    (onset.kind, onset.onset_us, &onset.zone_id, onset.zone_revision),
                    (event.kind, event.onset_us, &event.zone_id, event.zone_revision)
                );
                let end_us = event.end_us.unwrap();
                prop_assert!((event.onset_us..=event.decided_at_us + 120_000_000).contains(&end_us), "{:?}", event);
            }
        }
    }
}
