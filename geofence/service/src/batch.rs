//! Reports that come in a row are folded together: so the engine's waits for memory overlap. What follows from them is the same as
//! one by one.

use engine::{Engine, Reading};
use jiff::Timestamp;
use proto::wire::{self, Event};

/// Reports that came in a row and have not been folded yet.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    readings: Vec<(i64, Reading)>,
}

impl Reports {
    /// Takes a report in; `false`: it has no valid ids, and must be folded by itself, for the engine counts it.
    pub(crate) fn push(&mut self, appended_at: Timestamp, report: &wire::Report) -> bool {
        let reading = Reading::of(report);
        if let Ok(reading) = reading {
            self.readings.push((appended_at.as_microsecond(), reading));
        }
        reading.is_ok()
    }

    /// Folds all of them.
    pub(crate) fn fold(&mut self, engine: &mut Engine, events: &mut Vec<Event>) {
        engine.fold_readings(&self.readings, events);
        self.readings.clear();
    }
}

#[cfg(test)]
mod tests {
    use engine::Input;
    use proto::{PersonId, ReportId};
    use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

    use super::*;

    const START_US: i64 = 1_790_000_000_000_000;

    fn rules(person: u32) -> wire::Rules {
        wire::Rules {
            person_id: PersonId::from_name(&person.to_string()).to_wire(),
            revision: 1,
            active: true,
            time_zone: "UTC".to_owned(),
            zones: vec![wire::Zone {
                zone_id: PersonId::from_name("zone").to_wire(),
                revision: 1,
                kind: wire::ZoneKind::Exclusion.into(),
                geometry: Some(wire::Geometry {
                    shape: Some(wire::geometry::Shape::Circle(wire::Circle {
                        longitude: 10.0,
                        latitude: 50.0,
                        radius_m: 200.0,
                    })),
                }),
                ..wire::Zone::default()
            }],
            reporting_interval_s: 60,
            silence_after_s: 1_200,
            valid_from_us: START_US - 1_000_000,
            ..wire::Rules::default()
        }
    }

    /// Reports of a few people, some late, some twice, some without ids; everything else comes in between.
    fn log(random: &mut StdRng) -> Vec<(i64, Option<wire::Report>)> {
        let mut log = Vec::new();
        for minute in 0..60_i64 {
            for person in 0..4_u32 {
                let appended_us = START_US + minute * 60_000_000 + i64::from(person) * 1_000;
                let late_us = if random.random_bool(0.1) { 400_000_000 } else { 0 };
                let mut report = wire::Report {
                    report_id: ReportId::new(uuid::Uuid::from_u128(random.random()))
                        .as_bytes()
                        .to_vec(),
                    person_id: PersonId::from_name(&person.to_string()).to_wire(),
                    fix_time_us: appended_us - 1_000 - late_us,
                    received_at_us: appended_us - 500,
                    position: Some(wire::Position {
                        latitude_e7: 500_000_000 + random.random_range(-30_000..30_000),
                        longitude_e7: 100_000_000 + random.random_range(-30_000..30_000),
                        accuracy_m: Some(random.random_range(3.0..60.0)),
                        valid: true,
                        source: wire::FixSource::Gnss.into(),
                        ..wire::Position::default()
                    }),
                    ..wire::Report::default()
                };
                if random.random_bool(0.02) {
                    report.person_id.clear();
                }
                if random.random_bool(0.05) {
                    log.push((appended_us, Some(report.clone())));
                }
                if !random.random_bool(0.3) {
                    log.push((appended_us, Some(report)));
                }
                if random.random_bool(0.05) {
                    log.push((appended_us, None));
                }
            }
        }
        log
    }

    #[test]
    fn together_is_as_one_by_one() {
        let mut told = 0;
        for seed in 0..40 {
            let mut random = StdRng::seed_from_u64(seed);
            let log = log(&mut random);
            let (mut alone, mut together) = (Engine::new(), Engine::new());
            let (mut expected, mut events) = (Vec::new(), Vec::new());
            let start = Timestamp::from_microsecond(START_US).unwrap();
            for person in 0..4 {
                let rules = rules(person);
                for (engine, out) in [(&mut alone, &mut expected), (&mut together, &mut events)] {
                    engine.fold(start, Input::Rules(&rules), out);
                }
            }
            let mut reports = Reports::default();
            for (appended_us, report) in &log {
                let at = Timestamp::from_microsecond(*appended_us).unwrap();
                let input = report.as_ref().map_or(Input::Tick, Input::Report);
                alone.fold(at, input.clone(), &mut expected);
                if !report.as_ref().is_some_and(|report| reports.push(at, report)) {
                    reports.fold(&mut together, &mut events);
                    together.fold(at, input, &mut events);
                } else if random.random_bool(0.02) {
                    reports.fold(&mut together, &mut events);
                }
            }
            reports.fold(&mut together, &mut events);
            told += events.len();
            assert_eq!(events, expected, "seed {seed}");
            assert_eq!(together.checkpoint(), alone.checkpoint(), "seed {seed}");
            assert_eq!(
                together.counters().labelled(),
                alone.counters().labelled(),
                "seed {seed}"
            );
        }
        assert!(told > 1_000, "{told} events: nothing happened");
    }
}
