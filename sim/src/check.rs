//! The engine over a simulated world, in one thread without a clock: what it says against what is true.

use engine::{Engine, Input};
use jiff::{Timestamp, tz::TimeZone};
use proto::{ReportId, wire};

use crate::{
    World,
    person::{Person, Protected, time_at},
};

/// Seconds from a fix to its place in the log.
const DELAY_S: f64 = 0.3;
/// Server time enters the log this often.
const TICK_S: f64 = 5.0;

/// Folds a world's first `seconds` and returns the engine's events.
pub fn events(world: &World, zone: &TimeZone, seconds: f64) -> Vec<wire::Event> {
    let mut log = Vec::new();
    for person in &world.people {
        for tick in 0..world.ticks_until(seconds) {
            let appended_s = world.report_time_s(person, tick) + DELAY_S;
            let appended_at = time_at(world.config.start, appended_s);
            // `None`: the device is off.
            let sample = world.sample(person, tick);
            log.extend(sample.map(|sample| (appended_s, report(person, &sample, appended_at))));
        }
    }
    fold(world, zone, seconds, log)
}

/// What the log holds for a person from their protected person's device.
fn protected_fixes(world: &World, person: &Person, seconds: f64) -> Vec<(f64, Entry)> {
    let Some(other) = &person.protected else {
        return Vec::new();
    };
    (0..world.ticks_until(seconds))
        .map(|tick| {
            // Between the person's own reports.
            let time_s = world.report_time_s(person, tick) + world.config.interval_s / 2.0;
            let at_us = |seconds: f64| time_at(world.config.start, seconds).as_microsecond();
            let fix = wire::ProtectedFix {
                report_id: ReportId::derive(person.device_id, &[&b"protected"[..], &tick.to_be_bytes()].concat())
                    .to_wire(),
                person_id: person.person_id.to_wire(),
                protected_id: other.protected_id.to_wire(),
                fix_time_us: at_us(time_s),
                received_at_us: at_us(time_s + DELAY_S),
                position: world.protected_position(person, time_s),
            };
            (time_s + DELAY_S, Entry::Protected(fix))
        })
        .collect()
}

/// What enters the log.
enum Entry {
    Report(wire::Report),
    Protected(wire::ProtectedFix),
    Tick,
}

/// Folds reports in the order of the log, with the seconds from the world's start at which they got there, and returns the engine's events.
pub fn fold(world: &World, zone: &TimeZone, seconds: f64, reports: Vec<(f64, wire::Report)>) -> Vec<wire::Event> {
    let start = world.config.start;
    let mut engine = Engine::new();
    let mut events = Vec::new();
    for person in &world.people {
        engine.fold(
            time_at(start, -2.0),
            Input::Rules(&rules(world, zone, person)),
            &mut events,
        );
    }
    let mut log: Vec<(f64, Entry)> = reports
        .into_iter()
        .map(|(at_s, report)| (at_s, Entry::Report(report)))
        .collect();
    for person in &world.people {
        log.extend(protected_fixes(world, person, seconds));
    }
    let mut tick = 0.0;
    while tick < seconds {
        log.push((tick, Entry::Tick));
        tick += TICK_S;
    }
    log.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (appended_s, entry) in log {
        let input = match &entry {
            Entry::Report(report) => Input::Report(report),
            Entry::Protected(fix) => Input::Protected(fix),
            Entry::Tick => Input::Tick,
        };
        engine.fold(time_at(start, appended_s), input, &mut events);
    }
    events
}

/// A person's rules as the case database would publish them.
pub fn rules(world: &World, time_zone: &TimeZone, person: &Person) -> wire::Rules {
    let schedule = |hours: crate::person::PlannedHours| {
        let (start_s, end_s) = hours.local_seconds(world.config.start, time_zone);
        let weekly = (1..=7)
            .map(|weekday| wire::WeeklyInterval {
                weekday,
                start_s,
                end_s,
            })
            .collect();
        wire::Schedule {
            weekly,
            additions: Vec::new(),
            exceptions: Vec::new(),
            ..Default::default()
        }
    };
    let zones = person.zones.iter().map(|zone| wire::Zone {
        zone_id: zone.zone_id.to_wire(),
        revision: 1,
        kind: zone.kind as i32,
        geometry: Some(world.geometry(&zone.shape)),
        buffer_m: zone.buffer_m,
        schedule: zone.hours.map(schedule),
        attendance: zone.attendance,
        ..Default::default()
    });
    wire::Rules {
        person_id: person.person_id.to_wire(),
        revision: 1,
        order_id: person.order_id.to_wire(),
        active: true,
        time_zone: time_zone.iana_name().unwrap_or("UTC").to_owned(),
        zones: zones.collect(),
        layer_ids: Vec::new(),
        proximities: person.protected.iter().map(proximity).collect(),
        reporting_interval_s: if person.life.is_some() {
            whole_seconds(world.config.interval_s)
        } else {
            5
        },
        silence_after_s: person.silence_after_s,
        home_exit_grace_s: 0,
        late_return_after_s: person.late_return_after_s,
        valid_from_us: time_at(world.config.start, -86_400.0).as_microsecond(),
        valid_until_us: None,
        ..Default::default()
    }
}

fn proximity(other: &Protected) -> wire::Proximity {
    wire::Proximity {
        zone_id: other.zone_id.to_wire(),
        revision: 1,
        protected_id: other.protected_id.to_wire(),
        distance_m: other.distance_m,
        buffer_m: other.buffer_m,
        ..Default::default()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an interval of seconds"
)]
fn whole_seconds(interval_s: f64) -> u32 {
    interval_s.ceil().clamp(1.0, 86_400.0) as u32
}

/// A sample as the gateway would append it.
pub fn report(person: &Person, sample: &crate::device::Sample, received_at: Timestamp) -> wire::Report {
    wire::Report {
        report_id: ReportId::derive(person.device_id, &sample.sequence.to_be_bytes()).to_wire(),
        person_id: person.person_id.to_wire(),
        device_id: person.device_id.to_wire(),
        protocol: wire::Protocol::Native as i32,
        sequence: sample.sequence,
        fix_time_us: sample.fix_time.as_microsecond(),
        received_at_us: received_at.as_microsecond(),
        backfill: false,
        position: sample.position,
        battery_percent: Some(sample.battery_percent),
        strap: sample.strap as i32,
        case: sample.case as i32,
        motion: sample.motion as i32,
        alarms: sample.alarms.iter().map(|alarm| *alarm as i32).collect(),
        charging: None,
        serving_cell: sample.cell,
        alarm_scope: wire::AlarmScope::Unspecified.into(),
    }
}
