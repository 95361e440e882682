//! Reports in any order of arrival; the fast path beside the slow one.

use super::*;

/// A person who walks about with good reception, a fix a minute, and sometimes says something.
fn calm_track() -> impl Strategy<Value = Vec<Report>> {
    let step = (-40.0..40.0_f64, 3.0_f32..29.0, any::<u8>(), any::<u8>());
    (prop::collection::vec(step, 20..200), -300.0..500.0_f64).prop_map(|(steps, from_m)| {
        let mut east_m = from_m;
        (0_u32..)
            .zip(steps)
            .map(|(number, (step_m, accuracy_m, odd, said))| {
                east_m += if odd < 20 { step_m * 20.0 } else { step_m };
                let mut report_id = vec![7; 16];
                report_id[..4].copy_from_slice(&number.to_le_bytes());
                #[expect(clippy::cast_possible_truncation, reason = "a few kilometres from a place in China")]
                let longitude_e7 = ((120.16 + east_m / 96_050.0) * 1e7) as i32;
                let fix_time = start() + SignedDuration::from_secs(60 * i64::from(number) + 1);
                Report {
                    report_id,
                    device_id: vec![101; 16],
                    fix_time_us: fix_time.as_microsecond(),
                    position: (odd != 255).then(|| Position {
                        latitude_e7: 302_500_000,
                        longitude_e7,
                        valid: true,
                        source: 1,
                        accuracy_m: Some(accuracy_m),
                        ..Position::default()
                    }),
                    battery_percent: Some(if said < 8 { 15 } else { 60 }),
                    strap: if said == 250 { 2 } else { 1 },
                    alarms: match said {
                        240..246 => vec![wire::Alarm::Sos.into()],
                        252.. => vec![i32::from(said - 251)],
                        _ => Vec::new(),
                    },
                    alarm_scope: i32::from(odd % 7 % 3),
                    ..Report::default()
                }
            })
            .collect()
    })
}

/// As [`calm_track`], from a device whose clock counts whole seconds and that says several things in one: up to four reports have one
/// fix time, in any order of their ids.
fn crowded_track() -> impl Strategy<Value = Vec<Report>> {
    (calm_track(), 1_u32..5, any::<u32>()).prop_map(|(mut reports, together, salt)| {
        for (number, report) in (0_u32..).zip(&mut reports) {
            let id = number.wrapping_add(salt).wrapping_mul(0x9e37_79b1);
            report.report_id[..4].copy_from_slice(&id.to_le_bytes());
            report.fix_time_us -= i64::from(number % together) * 60_000_000;
            if id % 3 == 0 {
                report.alarms.push(wire::Alarm::Jamming.into());
            }
        }
        reports
    })
}

/// Reports of one person as they come: each so long after it was made.
fn arrivals(choice: u8, more: u8, reports: &[Report], delays_s: &[i64]) -> Log {
    let mut log = vec![
        (start(), Record::Layer(layer(1))),
        (start(), Record::Rules(rules(1, 1, choice, (0, 120, more)))),
    ];
    let mut coming: Vec<(Timestamp, Report)> = reports
        .iter()
        .zip(delays_s.iter().cycle())
        .map(|(report, delay_s)| {
            let made = Timestamp::from_microsecond(report.fix_time_us).unwrap();
            let at = made + SignedDuration::from_secs(*delay_s) + SignedDuration::from_millis(300);
            let report = Report {
                person_id: vec![1; 16],
                received_at_us: at.as_microsecond(),
                ..report.clone()
            };
            (at, report)
        })
        .collect();
    coming.sort_by_key(|(at, _)| *at);
    log.extend(coming.into_iter().map(|(at, report)| (at, Record::Report(report))));
    log.push((start() + SignedDuration::from_hours(30), Record::Tick));
    log
}

/// How an order ends within a track.
#[derive(Debug, Clone, Copy)]
struct Ending {
    /// When it ends, after the start.
    after_s: i64,
    /// `None`: its rules say so from the beginning; else a revocation comes so long after.
    how: Option<i64>,
    /// The same rules begin again so long after that is known, as another order.
    resumed_s: Option<i64>,
}

impl Ending {
    fn at(self) -> Timestamp {
        start() + SignedDuration::from_secs(self.after_s)
    }

    /// When the engine hears of it.
    fn known(self) -> Timestamp {
        self.at() + SignedDuration::from_secs(self.how.unwrap_or(0))
    }

    fn put_in(self, mut log: Log) -> Log {
        let Some((_, Record::Rules(first))) = log.get_mut(1) else {
            unreachable!("rules come second")
        };
        let until_us = Some(self.at().as_microsecond());
        let rules = first.clone();
        if self.how.is_none() {
            first.valid_until_us = until_us;
        } else {
            let revoked = Rules {
                revision: 2,
                active: false,
                valid_until_us: until_us,
                ..rules.clone()
            };
            log.push((self.known(), Record::Rules(revoked)));
        }
        if let Some(resumed_s) = self.resumed_s {
            let from = self.known() + SignedDuration::from_secs(resumed_s);
            let again = Rules {
                revision: 3,
                order_id: vec![10; 16],
                valid_from_us: from.as_microsecond(),
                ..rules
            };
            log.push((from, Record::Rules(again)));
        }
        log.sort_by_key(|(at, _)| *at);
        log
    }

    /// What is known when all is said. Calls for help and tampering that were told before the end was known stand; and attendance begins
    /// anew with new rules.
    fn violations(self, events: &[Event]) -> Violations {
        let (from_us, to_us) = (self.at().as_microsecond(), self.known().as_microsecond());
        let mut known = violations(events);
        known.retain(|(kind, _, onset_us), _| {
            let kind = EventKind::try_from(*kind).unwrap();
            let stands = is_momentary(kind) && (from_us..to_us).contains(onset_us);
            let anew = self.resumed_s.is_some() && kind == EventKind::MissedAttendance;
            !stands && !anew
        });
        known
    }
}

/// Reports that the fast path took in the test of it.
static QUICK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn any_order_of_arrival_gives_the_same_violations(
        reports in calm_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 1 => 300_i64..72_000], 1..60),
    ) {
        let in_order = fold(&arrivals(choice, more, &reports, &[0]));
        let events = fold(&arrivals(choice, more, &reports, &delays_s));
        let (late, expected) = (violations(&events), violations(&in_order));
        let only = |a: &Violations, b: &Violations| a.iter().filter(|(key, end)| b.get(*key) != Some(end)).map(|(key, end)| format!("{key:?} {end:?}")).collect::<Vec<_>>();
        let differences = (only(&late, &expected), only(&expected, &late));
        if late != expected {
            let told = |events: &[Event]| events.iter().map(|event| format!("{:?} {:?} {:?} {}..{:?} decided {} late {} withdrawn {}", event.kind(), event.edge(), event.zone_id.first(), event.onset_us / 1_000_000, event.end_us.map(|end| end / 1_000_000), event.decided_at_us / 1_000_000, event.late, event.withdrawn)).collect::<Vec<_>>();
            prop_assert!(false, "only late, only in order: {:?}\n{:#?}\n{:#?}\n{:?}", differences, told(&events), told(&fold(&arrivals(choice, more, &reports, &[0]))), arrivals(choice, more, &reports, &delays_s).iter().map(|(at, record)| match record { Record::Report(report) => format!("{} {:?}", report.fix_time_us / 1_000_000, at.as_second()), _ => String::new() }).collect::<Vec<_>>());
        }
    }

    /// The same law where the order ends within the track: by itself, or by a revocation that comes at once or later.
    #[test]
    fn any_order_of_arrival_gives_the_same_violations_though_the_order_ends(
        reports in calm_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 2 => 300_i64..72_000], 1..60),
        end in any::<prop::sample::Index>(),
        how in prop_oneof![2 => Just(None), 1 => Just(Some(0_i64)), 2 => (1_i64..2_000).prop_map(Some)],
        resumed_s in prop::option::weighted(0.3, 0_i64..4_000),
    ) {
        let end = Ending { after_s: 60 * i64::try_from(end.index(reports.len())).unwrap() + 31, how, resumed_s };
        let log = end.put_in(arrivals(choice, more, &reports, &delays_s));
        let in_order = fold(&end.put_in(arrivals(choice, more, &reports, &[0])));
        let events = fold(&log);
        let (late, expected) = (end.violations(&events), end.violations(&in_order));
        let only = |a: &Violations, b: &Violations| a.iter().filter(|(key, end)| b.get(*key) != Some(end)).map(|(key, end)| format!("{key:?} {end:?}")).collect::<Vec<_>>();
        prop_assert!(late == expected, "{end:?} only late {:?}, only in order {:?}\n{}", only(&late, &expected), only(&expected, &late), difference(&log, &events, &in_order));
        if end.resumed_s.is_none() {
            let over = end.known().as_microsecond();
            for event in events.iter().filter(|event| event.decided_at_us > over) {
                prop_assert!(event.late, "told after the end and not said to be late: {event:?}");
            }
        }
    }

    #[test]
    fn any_order_of_arrival_of_reports_of_one_second_gives_the_same_violations(
        reports in crowded_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 1 => 300_i64..72_000], 1..60),
    ) {
        let in_order = violations(&fold(&arrivals(choice, more, &reports, &[0])));
        let late = violations(&fold(&arrivals(choice, more, &reports, &delays_s)));
        prop_assert_eq!(late, in_order);
    }

    #[test]
    fn a_restored_engine_goes_on_with_reports_of_one_second(
        reports in crowded_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![6 => Just(0_i64), 2 => 0_i64..300, 1 => 300_i64..72_000], 1..60),
        every in 1_usize..40,
    ) {
        let log = arrivals(choice, more, &reports, &delays_s);
        let layers: Vec<_> = log
            .iter()
            .filter_map(|(_, record)| match record { Record::Layer(layer) => Some(Arc::clone(layer)), _ => None })
            .collect();
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for part in log.chunks(every) {
            engine = restored(&engine, &layers);
            fold_into(&mut engine, part, &mut events);
        }
        prop_assert_eq!(events, fold(&log));
    }

    #[test]
    fn the_fast_path_and_groups_leave_what_the_slow_path_leaves(
        reports in calm_track(),
        choice in 0_u8..64,
        more in prop_oneof![Just(3_u8), Just(4_u8)],
        delays_s in prop::collection::vec(prop_oneof![20 => Just(0_i64), 1 => 0_i64..3_000], 1..30),
    ) {
        let log = arrivals(choice, more, &reports, &delays_s);
        let (mut fast, mut slow, mut grouped) = (Engine::new(), Engine::new().without_fast_path(), Engine::new());
        let (mut fast_events, mut slow_events, mut grouped_events) = (Vec::new(), Vec::new(), Vec::new());
        fold_into(&mut fast, &log, &mut fast_events);
        fold_into(&mut slow, &log, &mut slow_events);
        // Nothing depends on where the journal's memory comes from.
        grouped.reserve_reports(100_000);
        fold_into(&mut grouped, &log[..2], &mut grouped_events);
        let readings: Vec<_> = log
            .iter()
            .filter_map(|(at, record)| match record {
                Record::Report(report) => Some((at.as_microsecond(), Reading::of(report).unwrap())),
                _ => None,
            })
            .collect();
        grouped.fold_readings(&readings, &mut grouped_events);
        let quick = fast.counters().quick;
        prop_assert_eq!(slow.counters().quick, 0);
        prop_assert_eq!(grouped.counters().quick, quick);
        QUICK.fetch_add(quick, std::sync::atomic::Ordering::Relaxed);
        fold_into(&mut grouped, &log[log.len() - 1..], &mut grouped_events);
        prop_assert_eq!(&fast_events, &slow_events);
        prop_assert_eq!(&grouped_events, &slow_events);
        prop_assert_eq!(fast.checkpoint(), slow.checkpoint());
        prop_assert_eq!(grouped.checkpoint(), slow.checkpoint());
    }
}
