//! What happens to a device over days: no network, no power, a restart, a jammer; and, to few, what no rule can see through.

use proto::wire::Alarm;

use super::DAY_S;
use crate::{
    chance::Draws,
    device::{Fault, WEEK_ROLLOVER_S},
    person::Person,
};

pub(super) fn happen(draws: &mut Draws, until_s: f64, faulty: bool, person: &mut Person) {
    let mut day = 0.0;
    while day < until_s {
        daily(draws, day, until_s, person);
        day += DAY_S;
    }
    if !faulty {
        return;
    }
    let from_s = draws.between(0.0, until_s * 0.6);
    let until_s = from_s + draws.log_between(1_800.0, 21_600.0);
    let clock = |ahead_s| Fault::Clock {
        from_s,
        until_s,
        ahead_s,
    };
    let fault = match draws.below(4) {
        0 => Fault::Frozen { from_s, until_s },
        1 => clock(draws.log_between(180.0, 7_200.0)),
        2 => clock(-draws.log_between(180.0, 7_200.0)),
        _ => clock(-WEEK_ROLLOVER_S),
    };
    person.faults.push(fault);
}

fn daily(draws: &mut Draws, day: f64, end_s: f64, person: &mut Person) {
    let (gap, gap_from, gap_s) = (
        draws.happens(0.2),
        day + DAY_S * draws.uniform(),
        draws.log_between(600.0, 43_200.0),
    );
    if gap {
        // What a device still keeps when the world ends would never be told.
        let until_s = (gap_from + gap_s).min(end_s - 60.0);
        person.faults.push(Fault::NoNetwork {
            from_s: gap_from,
            until_s,
        });
    }
    let (restart, restart_from) = (draws.happens(0.3), day + DAY_S * draws.uniform());
    if restart {
        person.faults.push(Fault::Off {
            from_s: restart_from,
            until_s: restart_from + draws.between(60.0, 240.0),
        });
    }
    let (empty, empty_from) = (draws.happens(0.015), day + DAY_S * draws.between(0.75, 0.9));
    if empty {
        for (before_s, percent) in [(7_200.0, 18), (3_600.0, 9), (900.0, 3)] {
            person.faults.push(Fault::Battery {
                from_s: empty_from - before_s,
                percent,
            });
        }
        let until_s = empty_from + draws.between(3_600.0, 14_400.0);
        person.faults.push(Fault::Off {
            from_s: empty_from,
            until_s,
        });
        person.faults.push(Fault::Battery {
            from_s: until_s,
            percent: 80,
        });
    }
    let (jammed, jammed_from) = (draws.happens(0.01), day + DAY_S * draws.between(0.3, 0.9));
    if jammed {
        let until_s = jammed_from + draws.between(600.0, 2_400.0);
        person.faults.push(Fault::Alarm {
            from_s: jammed_from,
            until_s,
            alarm: Alarm::Jamming,
        });
        person.faults.push(Fault::NoFix {
            from_s: jammed_from,
            until_s,
        });
    }
}
