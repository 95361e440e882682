//! The reports of the country, in the order in which a partition's log would have them.

use proto::wire;

use super::{
    dice::Dice,
    world::{START_US, World},
};

/// Minute by minute, everybody once, in the same random order each time; every 60 s from each person.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// The first minute.
    pub from_minute: u32,
}

/// Person by person, a block of minutes each, all within the minute after it: as devices empty their stores after an outage.
#[derive(Debug, Clone, Copy)]
pub struct Grouped {
    /// The first minute.
    pub from_minute: u32,
    /// Reports of one person in a row.
    pub block: u32,
    /// People in random order, and not in the order in which their rules came.
    pub shuffled: bool,
}

/// One of the two orders.
#[derive(Debug, Clone, Copy)]
pub enum Flow {
    /// By the minute.
    Rounds(Rounds),
    /// By the person.
    Grouped(Grouped),
}

/// Who reports of which minute, and when the log takes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) person: u32,
    pub(super) minute: u32,
    pub(super) appended_us: i64,
}

const MINUTE_US: i64 = 60_000_000;

impl Flow {
    /// The report of a number, counted from 0. Append times never go back.
    pub(super) fn turn(&self, world: &World, number: u64) -> Option<Turn> {
        let people = u64::from(world.people());
        match self {
            Self::Rounds(rounds) => {
                let rank = usize::try_from(number % people).ok()?;
                let person = *world.order().get(rank)?;
                let minute = rounds.from_minute + u32::try_from(number / people).ok()?;
                let fix_us = START_US + MINUTE_US * i64::from(minute) + world.phase_us(person);
                Some(Turn {
                    person,
                    minute,
                    appended_us: fix_us + 200_000,
                })
            }
            Self::Grouped(grouped) => {
                let block = u64::from(grouped.block);
                let rank = u32::try_from(number / block).ok()?;
                let person = if grouped.shuffled {
                    *world.order().get(rank as usize)?
                } else {
                    rank
                };
                let minute = grouped.from_minute + u32::try_from(number % block).ok()?;
                let after_us = MINUTE_US * i64::from(grouped.from_minute + grouped.block);
                let all = people * block;
                let part = i128::from(MINUTE_US) * i128::from(number) / i128::from(all.max(1));
                Some(Turn {
                    person,
                    minute,
                    appended_us: START_US + after_us + i64::try_from(part).ok()?,
                })
            }
        }
    }

    /// How many minutes of the run so many reports take.
    pub(super) fn minutes(&self, world: &World, reports: u64) -> u32 {
        match self {
            Self::Rounds(_) => u32::try_from(reports.div_ceil(u64::from(world.people().max(1)))).unwrap_or(u32::MAX),
            Self::Grouped(grouped) => grouped.block,
        }
    }
}

/// Writes reports into one and the same message, so that making them allocates nothing.
#[derive(Debug)]
pub(super) struct Clerk {
    report: wire::Report,
}

impl Clerk {
    pub(super) fn new() -> Self {
        Self {
            report: wire::Report {
                report_id: vec![0; 16],
                person_id: vec![0; 16],
                device_id: vec![0; 16],
                protocol: wire::Protocol::Native.into(),
                battery_percent: Some(80),
                strap: wire::Strap::Closed.into(),
                case: wire::Case::Closed.into(),
                charging: Some(false),
                position: Some(wire::Position {
                    valid: true,
                    source: wire::FixSource::Gnss.into(),
                    satellites: Some(11),
                    ..wire::Position::default()
                }),
                ..wire::Report::default()
            },
        }
    }

    /// The report of a turn.
    pub(super) fn write(&mut self, world: &World, turn: Turn) -> Option<&wire::Report> {
        let sight = world.sight(turn.person, turn.minute)?;
        let [person_id, device_id] = world.ids(turn.person);
        let fix_time_us = START_US + MINUTE_US * i64::from(turn.minute) + world.phase_us(turn.person);
        let received_at_us = turn.appended_us - 10_000;
        let report = &mut self.report;
        let thing = u64::from(turn.person) << 32 | u64::from(turn.minute);
        report.report_id.copy_from_slice(&Dice::new(0, 0, thing).id());
        report.person_id.copy_from_slice(&person_id);
        report.device_id.copy_from_slice(&device_id);
        report.sequence = u64::from(turn.minute) + 1;
        report.fix_time_us = fix_time_us;
        report.received_at_us = received_at_us;
        report.backfill = received_at_us - fix_time_us > MINUTE_US;
        let motion = if sight.walking {
            wire::Motion::Moving
        } else {
            wire::Motion::Still
        };
        report.motion = motion.into();
        if let Some(position) = &mut report.position {
            position.latitude_e7 = sight.latitude_e7;
            position.longitude_e7 = sight.longitude_e7;
            position.accuracy_m = Some(sight.accuracy_m);
        }
        Some(report)
    }
}
