//! The few dozen schedules that the country's orders use.

use proto::wire;

use super::dice::Dice;

const HOUR_S: u32 = 3_600;
/// Curfews by start (every half hour from 19:00 to 23:00) and end.
const STARTS: u32 = 9;
const ENDS_S: [u32; 4] = [5 * HOUR_S, 6 * HOUR_S, 6 * HOUR_S + 1_800, 7 * HOUR_S + 1_800];
const CURFEWS: u32 = STARTS * 4;
const DAYTIMES: u32 = 12;

/// One weekly rule: the same hours on some days.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hours {
    /// Monday to this day, 1 to 7.
    pub(super) days: u32,
    pub(super) start_s: u32,
    pub(super) end_s: u32,
}

impl Hours {
    /// Whether they run, at a second of a Monday (with the night before, which is a Sunday's).
    pub(super) fn on_monday(self, second: u32) -> bool {
        if self.start_s < self.end_s {
            (self.start_s..self.end_s).contains(&second)
        } else {
            second >= self.start_s || (self.days == 7 && second < self.end_s)
        }
    }

    fn wire(self) -> wire::Schedule {
        wire::Schedule {
            weekly: (1..=self.days)
                .map(|weekday| wire::WeeklyInterval {
                    weekday,
                    start_s: self.start_s,
                    end_s: self.end_s,
                })
                .collect(),
            ..wire::Schedule::default()
        }
    }
}

/// All of them, by number.
#[derive(Debug)]
pub(super) struct Schedules(Vec<Hours>);

impl Schedules {
    pub(super) fn new() -> Self {
        let hours = |days, start_s, end_s| Hours { days, start_s, end_s };
        let curfews = (0..STARTS).flat_map(|start| ENDS_S.map(|end_s| hours(7, 19 * HOUR_S + start * 1_800, end_s)));
        let daytimes = (0..DAYTIMES).map(|number| hours(5, 6 * HOUR_S + number * 900, 16 * HOUR_S + number * 1_800));
        let shifts = [
            hours(5, 8 * HOUR_S, 17 * HOUR_S),
            hours(5, 13 * HOUR_S, 23 * HOUR_S + 1_800),
        ];
        Self(curfews.chain(daytimes).chain(shifts).collect())
    }

    /// A curfew; one of those that begin last, at 22:30 and 23:00, for people who are out in the evening.
    #[expect(
        clippy::unused_self,
        reason = "a number is only worth something with the schedules that it is of"
    )]
    pub(super) fn curfew(&self, dice: &mut Dice, late: bool) -> u32 {
        if late {
            CURFEWS - 8 + dice.below(8)
        } else {
            dice.below(CURFEWS)
        }
    }

    /// Hours of the day on working days.
    #[expect(clippy::unused_self, reason = "as of curfews")]
    pub(super) fn daytime(&self, dice: &mut Dice) -> u32 {
        CURFEWS + dice.below(DAYTIMES)
    }

    /// Hours of work.
    #[expect(clippy::unused_self, reason = "as of curfews")]
    pub(super) fn shift(&self, evening: bool) -> u32 {
        CURFEWS + DAYTIMES + u32::from(evening)
    }

    /// One of them.
    pub(super) fn get(&self, number: u32) -> Option<Hours> {
        self.0.get(number as usize).copied()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Hours> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn wire(&self, number: u32) -> Option<wire::Schedule> {
        self.get(number).map(Hours::wire)
    }
}
