//! One invented person's hours: the rules, everything that their device says, and ways in which it may arrive.

use homeward_sim::{
    World,
    chance::{Chance, Draws},
    check,
    scenario::Scenario,
    world::Config,
};
use jiff::{Timestamp, tz::TimeZone};
use proto::{
    ReportId,
    fix::check_time,
    wire::{self, Alarm, FixSource, Report, Rules},
};

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;
/// From a fix to the log, where nothing holds it up.
const DELAY_US: i64 = 300_000;
/// The law speaks of 24 hours; a clock may be two hours slow.
const MOST_LATE_US: i64 = 20 * HOUR_US;

/// Nights of both changes of the clocks in three time zones, one of them of half an hour, and a leap day; local evenings before.
const NIGHTS: [(&str, &str); 7] = [
    ("Europe/London", "2026-03-28T17:00:00Z"),
    ("Europe/London", "2026-10-24T16:00:00Z"),
    ("America/New_York", "2026-03-07T22:00:00Z"),
    ("America/New_York", "2026-10-31T21:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T06:30:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T07:00:00Z"),
    ("Asia/Shanghai", "2028-02-28T09:00:00Z"),
];

/// A record of the log.
#[derive(Debug, Clone)]
pub(crate) enum Record {
    Report(Report),
    Rules(Rules),
    Protected(wire::ProtectedFix),
    Tick,
}

/// How reports arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Each as it is made.
    InOrder,
    /// After a gap at once, the newest first.
    NewestFirst,
    /// After a gap at once, in no order.
    Shuffled,
    /// After a gap what is made then goes first; what was kept comes in order, with pauses, for hours.
    LiveFirst,
    /// Each for itself: many a little late, some by hours.
    Straggling,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::NewestFirst, Self::Shuffled, Self::LiveFirst, Self::Straggling];
}

/// Something that a device has to say.
struct Said {
    made_us: i64,
    record: Record,
    /// Its time is not believed when it arrives at once: it lies where it arrives, so it always arrives at once.
    pinned: bool,
    /// A copy that comes within hours is no more believed than the first.
    copied: bool,
}

pub(crate) struct Story {
    pub(crate) name: String,
    pub(crate) start: Timestamp,
    number: u64,
    seconds: f64,
    rules: Rules,
    said: Vec<Said>,
}

impl Story {
    pub(crate) fn new(number: u64) -> Self {
        let mut draws = Chance::new(number).sequence("story", 0);
        let (zone_name, start) = NIGHTS[draws.below(NIGHTS.len())];
        let zone = TimeZone::get(zone_name).unwrap();
        let start: Timestamp = start.parse().unwrap();
        let (scenario, people, interval_s, seconds) = match number % 5 {
            0 => (Scenario::Demo, 16, 5.0, 300.0),
            1 => (Scenario::Rare, 6, 5.0, 500.0),
            2 => (Scenario::Soak, 8, 2.0, 150.0),
            3 => (Scenario::Quiet, 12, 20.0, 7_200.0),
            _ => (
                Scenario::Life { days: 2 },
                4,
                draws.log_between(120.0, 600.0),
                100_000.0,
            ),
        };
        let config = Config {
            seed: number,
            people,
            scenario,
            start,
            interval_s,
            latitude: 30.2825,
            longitude: 120.16,
        };
        let world = World::new(config);
        let person = &world.people[draws.below(world.people.len())];
        let rules = rules(&world, &zone, person, seconds, &mut draws);
        let mut reports: Vec<(f64, Report)> = if person.life.is_some() {
            let heard = world.track(person, seconds);
            heard
                .iter()
                .map(|heard| (heard.sample.time_s, heard.report(start, person)))
                .collect()
        } else {
            let samples = (0..world.ticks_until(seconds)).filter_map(|tick| world.sample(person, tick));
            samples
                .map(|sample| (sample.time_s, check::report(person, &sample, start)))
                .collect()
        };
        reports.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.report_id.cmp(&b.1.report_id)));
        reports.dedup_by(|a, b| a.1.report_id == b.1.report_id);
        let mut said = Vec::new();
        let mut troubled = 0;
        for (made_s, mut report) in reports {
            let made_us = at_us(start, made_s);
            trouble(&mut report, &mut troubled, &mut draws);
            let arrives_us = made_us + DELAY_US;
            let pinned = check_time(report.fix_time_us, arrives_us).is_err();
            let ahead_us = report.fix_time_us - arrives_us;
            said.push(Said {
                made_us,
                record: Record::Report(report),
                pinned,
                copied: !pinned || ahead_us > 3 * HOUR_US || ahead_us < -1_000 * HOUR_US,
            });
        }
        said.extend(protected_fixes(&world, person, seconds).map(|fix| Said {
            made_us: fix.fix_time_us,
            record: Record::Protected(fix),
            pinned: false,
            copied: true,
        }));
        said.sort_by_key(|said| said.made_us);
        Self {
            name: format!(
                "{scenario:?} of {zone_name}, person {}, every {interval_s:.0} s",
                person.index
            ),
            start,
            number,
            seconds,
            rules,
            said,
        }
    }

    /// The log, with copies or without.
    pub(crate) fn log(&self, way: Way, copies: bool) -> Vec<(Timestamp, Record)> {
        let mut draws = Chance::new(self.number).sequence("way", way as u64);
        let gaps = self.gaps(&mut draws);
        let mut log: Vec<(i64, Record)> = Vec::new();
        for (number, said) in (0_i64..).zip(&self.said) {
            let at_once_us = said.made_us + DELAY_US;
            let gap = gaps
                .iter()
                .find(|(from_us, until_us)| (*from_us..*until_us).contains(&said.made_us));
            let (little, much) = (draws.happens(0.25), draws.happens(0.04));
            let (little_s, much_s, place) = (
                draws.between(0.0, 300.0),
                draws.between(300.0, 72_000.0),
                draws.uniform(),
            );
            let late_us = match (way, gap) {
                _ if said.pinned => 0,
                (Way::Straggling, _) if much => micros(much_s),
                (Way::Straggling, _) if little => micros(little_s),
                (Way::InOrder | Way::Straggling, _) | (_, None) => 0,
                (Way::NewestFirst, Some((_, until_us))) => 2 * until_us - said.made_us - said.made_us,
                (Way::Shuffled, Some((_, until_us))) => until_us - said.made_us + micros(60.0 * place),
                (Way::LiveFirst, Some((from_us, until_us))) => {
                    until_us - said.made_us + 30 * SECOND_US + (said.made_us - from_us) / 3 + number % 7
                }
            };
            let at_us = at_once_us + late_us.clamp(0, MOST_LATE_US);
            log.push((at_us, arrived(&said.record, at_us)));
        }
        if copies {
            let mut again = Vec::new();
            for (said, (at_us, record)) in self.said.iter().zip(&log) {
                let (copied, after_s) = (draws.happens(0.15), draws.log_between(0.01, 7_000.0));
                if copied && said.copied {
                    // A device sends the same again; the gateway writes another time of receipt.
                    let at_us = at_us + micros(after_s);
                    again.push((at_us, arrived(record, at_us)));
                }
            }
            log.extend(again);
        }
        log.sort_by_key(|(at_us, _)| *at_us);
        let first = (at_us(self.start, -2.0), Record::Rules(self.rules.clone()));
        // Everything has arrived, and all that waits has happened, copies or not.
        let last = (at_us(self.start, self.seconds) + 60 * HOUR_US, Record::Tick);
        let whole = std::iter::once(first).chain(log).chain([last]);
        whole
            .map(|(at_us, record)| (Timestamp::from_microsecond(at_us).unwrap(), record))
            .collect()
    }

    /// When there is no network.
    fn gaps(&self, draws: &mut Draws) -> Vec<(i64, i64)> {
        let mut gaps = Vec::new();
        let mut from_s = draws.between(0.0, 0.3) * self.seconds;
        while from_s < self.seconds {
            let until_s = from_s + (draws.log_between(0.02, 0.5) * self.seconds).min(36_000.0);
            gaps.push((at_us(self.start, from_s), at_us(self.start, until_s)));
            from_s = until_s + draws.between(0.02, 0.4) * self.seconds;
        }
        gaps
    }
}

/// The scenario's rules, with leave, holidays and settings that it does not have.
fn rules(
    world: &World,
    zone: &TimeZone,
    person: &homeward_sim::person::Person,
    seconds: f64,
    draws: &mut Draws,
) -> Rules {
    let mut rules = check::rules(world, zone, person);
    let start = world.config.start;
    rules.silence_after_s = [0, 120, 900, 3_600][draws.below(4)];
    rules.home_exit_grace_s = [0, 0, 60, 600][draws.below(4)];
    rules.late_return_after_s = [60, 600, 3_600][draws.below(3)];
    let day = start.to_zoned(zone.clone()).date();
    let first_day = i32::try_from(day.duration_since(jiff::civil::date(1970, 1, 1)).as_hours() / 24).unwrap();
    for one in &mut rules.zones {
        let (leave, holiday, all_day, night) = (
            draws.happens(0.3),
            draws.happens(0.3),
            draws.happens(0.1),
            draws.happens(0.3),
        );
        let (from, length) = (draws.between(-0.1, 0.9), draws.between(0.02, 0.5));
        let second = u32::try_from(draws.below(86_400)).unwrap();
        if all_day {
            one.schedule = None;
        }
        let Some(schedule) = &mut one.schedule else { continue };
        if night && seconds > 50_000.0 {
            // Begins or ends in the hour that is there twice, or never.
            for weekly in &mut schedule.weekly {
                (weekly.start_s, weekly.end_s) = if second % 2 == 0 {
                    (79_200, 5_400)
                } else {
                    (5_400, 25_200)
                };
            }
        }
        if leave {
            schedule.exceptions.push(wire::DatedInterval {
                start_us: at_us(start, from * seconds),
                end_us: at_us(start, (from + length) * seconds),
            });
        }
        if holiday {
            schedule.holidays = vec![first_day + i32::from(second % 3 == 0)];
            schedule.holiday = vec![wire::DailyInterval {
                start_s: second,
                end_s: (second + 7_200) % 86_400,
            }];
        }
    }
    rules
}

/// What the scenario's device does not go through; `troubled`: reports that it goes on for.
fn trouble(report: &mut Report, troubled: &mut u32, draws: &mut Draws) {
    let (what, begins, shift) = (draws.below(10), draws.happens(0.02), draws.between(-80.0, 80.0));
    let place = report.position.as_mut();
    if begins {
        *troubled = u32::try_from(1 + draws.below(4)).unwrap();
    } else if *troubled == 0 {
        return;
    }
    *troubled -= 1;
    let east_e7 = {
        #[expect(clippy::cast_possible_truncation, reason = "some metres")]
        let east_e7 = (shift * 104.0) as i32;
        east_e7
    };
    match what {
        0 => report.strap = wire::Strap::Open.into(),
        1 => report.case = wire::Case::Open.into(),
        2 => report.alarms.push(Alarm::Cloned.into()),
        3 => report.alarms.push(Alarm::Sos.into()),
        4 => report.alarms.push(Alarm::Jamming.into()),
        // A clock that is hours ahead, and one that is in the year 2006.
        5 => report.fix_time_us += 5 * HOUR_US,
        6 => report.fix_time_us -= 1_024 * 7 * 24 * HOUR_US,
        7 => report.position = None,
        _ => {
            if let Some(position) = place {
                let (source, accuracy_m) = match what + usize::from(shift > 0.0) {
                    8 => (FixSource::Beacon, 10.0),
                    9 => (FixSource::Wifi, 45.0),
                    _ => (FixSource::Cell, 900.0),
                };
                position.source = source.into();
                position.accuracy_m = Some(accuracy_m);
                position.longitude_e7 += east_e7;
            }
        }
    }
}

fn protected_fixes<'a>(
    world: &'a World,
    person: &'a homeward_sim::person::Person,
    seconds: f64,
) -> impl Iterator<Item = wire::ProtectedFix> + 'a {
    let other = person.protected.as_ref();
    other.into_iter().flat_map(move |other| {
        (0..world.ticks_until(seconds)).map(move |tick| {
            let time_s = world.report_time_s(person, tick) + world.config.interval_s / 3.0;
            wire::ProtectedFix {
                report_id: ReportId::derive(person.device_id, &[&b"another"[..], &tick.to_be_bytes()].concat())
                    .to_wire(),
                person_id: person.person_id.to_wire(),
                protected_id: other.protected_id.to_wire(),
                fix_time_us: at_us(world.config.start, time_s),
                received_at_us: 0,
                position: world.protected_position(person, time_s),
            }
        })
    })
}

/// The record as it is appended at a time.
fn arrived(record: &Record, at_us: i64) -> Record {
    let mut record = record.clone();
    match &mut record {
        Record::Report(report) => report.received_at_us = at_us,
        Record::Protected(fix) => fix.received_at_us = at_us,
        Record::Rules(_) | Record::Tick => {}
    }
    record
}

fn at_us(start: Timestamp, seconds: f64) -> i64 {
    start.as_microsecond() + micros(seconds)
}

#[expect(clippy::cast_possible_truncation, reason = "days")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
