//! What happens to whom: the demo, a soak for fault tests, and a quiet town.

use proto::wire::{Alarm, EventKind, ZoneKind};

use crate::{
    device::Fault,
    person::{Audience, Person, PlannedHours, PlannedShape, PlannedZone, Speaks, Violation},
    plane::signed_distance,
    route::Route,
    town::{Crossing, Local, Town},
    world::Builder,
};

/// Which story a world tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scenario {
    /// One of each kind of violation within three minutes; then a town going about its day.
    #[default]
    Demo,
    /// Violations all through the first minute, none by silence: for tests that kill processes.
    Soak,
    /// What the demo has no time or no second person for: a possible crossing, motion without a fix, impossible movement, a battery
    /// presumed dead, a clock that is wrong, nearness to a protected person; within six minutes.
    Rare,
    /// Everybody complies.
    Quiet,
    /// Days of home, work, errands and temptations, as receivers and networks are: for measuring the quality of alerts.
    /// Second 0 of the world should be a Monday's midnight. Reports come from [`World::track`](crate::World::track);
    /// [`World::sample`](crate::World::sample) knows the same ways under an open sky only.
    Life {
        /// How many.
        days: u32,
    },
}

/// Radius of a home zone, metres.
const HOME_RADIUS_M: f64 = 60.0;
/// The curfew of people who are at home: it began two hours ago and lasts six more.
const RUNNING: PlannedHours = PlannedHours {
    from_s: -7_200,
    until_s: 21_600,
};
/// The curfew of people who are out: it begins in five hours.
const LATER: PlannedHours = PlannedHours {
    from_s: 18_000,
    until_s: 50_400,
};
/// A brisk walk, metres a second.
const BRISK: f64 = 2.4;
/// An everyday walk.
const STROLL: f64 = 1.4;

/// Tells a person's story.
pub(crate) fn tell(builder: &Builder, scenario: Scenario, person: &mut Person) {
    match (scenario, person.index) {
        (Scenario::Demo, index @ 0..=15) => cast(builder, index, person),
        (Scenario::Rare, index @ 0..=5) => rare(builder, index, person),
        (Scenario::Soak, index) if index % 4 != 3 => soak(builder, index, person),
        (Scenario::Life { days }, _) => crate::life::tell(builder, days, person),
        (_, index) => daily(builder, index, person),
    }
}

/// The demo's cast: each index one story. Times are seconds from the start.
fn cast(builder: &Builder, index: u64, person: &mut Person) {
    let home = person.route.last().1;
    let at = builder.home_crossing(index);
    match index {
        0 | 1 => {
            if index == 1 {
                person.speaks = Speaks::Jt808 { header_2019: true };
            }
            let zone = home_zone(builder, person, RUNNING);
            let leave_s = 20.0 + 45.0 * index as f64;
            leave(builder, person, at, leave_s, BRISK, Some(leave_s + 400.0));
            violation(builder, person, EventKind::LeftDuringCurfew, &zone, leave_s, true);
        }
        2 | 3 => {
            // Two who are out when their curfew begins: one comes home late, the other stays away.
            let begins = 50 + 20 * (index.cast_signed() - 2);
            let zone = home_zone(
                builder,
                person,
                PlannedHours {
                    from_s: begins,
                    until_s: begins + 21_600,
                },
            );
            let away = builder.town.walk(at, shifted(at, 2), false);
            let place = away.last().copied().unwrap_or(home);
            let mut back = away.clone();
            back.reverse();
            back.push(home);
            let (return_s, speed) = if index == 2 { (55.0, 3.4) } else { (900.0, STROLL) };
            person.route = Route::at(place).walk(return_s, &back, speed);
            let begins = begins as f64;
            push(person, EventKind::CurfewAbsentAtStart, Some(&zone), begins, begins);
            if index == 2 {
                let arrives = person.route.last().0;
                push(
                    person,
                    EventKind::LateReturn,
                    Some(&zone),
                    begins,
                    arrives + 2.0 * builder.interval_s,
                );
            }
        }
        4 | 5 => {
            home_zone(builder, person, LATER);
            let target = builder.town.crossing(shifted(at, 2));
            let police_only = index == 5;
            let (label, audience) = if police_only {
                ("Protected address", Audience::Police)
            } else {
                ("School and forecourt", Audience::Both)
            };
            let shape = if police_only {
                PlannedShape::Circle(target, 70.0)
            } else {
                PlannedShape::Polygon(yard(target))
            };
            let zone = builder.zone(person, 1, label, ZoneKind::Exclusion, audience, shape, None);
            let zone = amend(person, zone, |zone| {
                zone.buffer_m = if police_only { 0.0 } else { 60.0 }
            });
            let leave_s = 15.0 + 25.0 * (index as f64 - 4.0);
            let path = builder.town.walk(at, shifted(at, 2), false);
            let mut back = path.clone();
            back.reverse();
            person.route =
                Route::at(builder.town.crossing(at))
                    .walk(leave_s, &path, BRISK)
                    .walk(leave_s + 420.0, &back, STROLL);
            violation(builder, person, EventKind::ExclusionEntry, &zone, leave_s, false);
            if !police_only {
                violation(builder, person, EventKind::BufferEntry, &zone, leave_s, false);
            }
        }
        6 => {
            let shape = PlannedShape::Circle(home, 80.0);
            let zone = builder.zone(
                person,
                0,
                "Residential centre",
                ZoneKind::Inclusion,
                Audience::Both,
                shape,
                None,
            );
            leave(builder, person, at, 40.0, BRISK, Some(500.0));
            violation(builder, person, EventKind::LeftInclusion, &zone, 40.0, true);
        }
        7 => {
            home_zone(builder, person, LATER);
            let office = PlannedShape::Circle(builder.town.crossing(shifted(at, 4)), 60.0);
            // Begins after the rules do: nobody is blamed for an appointment that was half over when they heard of it.
            let hours = PlannedHours {
                from_s: 20,
                until_s: 100,
            };
            let zone = builder.zone(
                person,
                1,
                "Reporting office",
                ZoneKind::Inclusion,
                Audience::Both,
                office,
                Some(hours),
            );
            let zone = amend(person, zone, |zone| zone.attendance = true);
            push(person, EventKind::MissedAttendance, Some(&zone), 100.0, 100.0);
        }
        _ => {
            home_zone(builder, person, RUNNING);
            device_story(builder, index, person);
        }
    }
}

fn device_story(builder: &Builder, index: u64, person: &mut Person) {
    let alarm = |from_s: f64, alarm| Fault::Alarm {
        from_s,
        until_s: from_s + 60.0,
        alarm,
    };
    let (fault, kind, onset_s) = match index {
        8 => (Fault::StrapOpen { from_s: 35.0 }, EventKind::StrapTamper, 35.0),
        9 => (Fault::CaseOpen { from_s: 65.0 }, EventKind::CaseTamper, 65.0),
        10 => {
            person.faults.push(Fault::Battery {
                from_s: 110.0,
                percent: 8,
            });
            push(
                person,
                EventKind::BatteryCritical,
                None,
                110.0,
                110.0 + builder.interval_s,
            );
            (
                Fault::Battery {
                    from_s: 20.0,
                    percent: 17,
                },
                EventKind::BatteryLow,
                20.0,
            )
        }
        11 => {
            person.silence_after_s = 60;
            (
                Fault::Off {
                    from_s: 25.0,
                    until_s: 300.0,
                },
                EventKind::Silence,
                85.0,
            )
        }
        12 => {
            person.silence_after_s = 60;
            (
                Fault::NoFix {
                    from_s: 15.0,
                    until_s: 280.0,
                },
                EventKind::NoFix,
                75.0,
            )
        }
        13 => (alarm(75.0, Alarm::Jamming), EventKind::Jamming, 75.0),
        14 => (alarm(125.0, Alarm::Shielding), EventKind::Shielding, 125.0),
        _ => (alarm(140.0, Alarm::Sos), EventKind::Sos, 140.0),
    };
    // A later fault of the same sort wins over an earlier one: the list is applied in order.
    person.faults.insert(0, fault);
    push(person, kind, None, onset_s, onset_s + builder.interval_s);
}

/// One story each of what happens seldom. Times are seconds from the start.
fn rare(builder: &Builder, index: u64, person: &mut Person) {
    let home = person.route.last().1;
    let at = builder.home_crossing(index);
    home_zone(builder, person, LATER);
    let soon = |onset_s: f64| onset_s + builder.interval_s;
    match index {
        0 => {
            // On a bus through a zone while the receiver sees nothing.
            let path = builder.town.walk(at, shifted(at, 5), false);
            person.route = Route::at(builder.town.crossing(at)).walk(15.0, &path, 10.0);
            let (from_s, until_s) = (30.0, 30.0 + 4.0 * builder.interval_s.max(5.0));
            let (middle, _) = person.route.place(f64::midpoint(from_s, until_s));
            person.faults.push(Fault::NoFix { from_s, until_s });
            let shape = PlannedShape::Circle(middle, 40.0);
            let zone = builder.zone(
                person,
                1,
                "Market hall",
                ZoneKind::Exclusion,
                Audience::Both,
                shape,
                None,
            );
            let inside = |time_s: &f64| signed_distance(&zone.shape, person.route.place(*time_s).0) <= 0.0;
            let entered = (0..1_000).map(|tenth| from_s + f64::from(tenth) * 0.1).find(inside);
            let onset_s = entered.unwrap_or(from_s);
            push(person, EventKind::PossibleCrossing, Some(&zone), onset_s, soon(until_s));
        }
        1 => {
            // Goes for a walk with a receiver that sees nothing; asked about silence later than that.
            person.silence_after_s = 900;
            let path = builder.town.walk(at, shifted(at, 6), false);
            person.route = Route::at(builder.town.crossing(at)).walk(5.0, &path, STROLL);
            person.faults.push(Fault::NoFix {
                from_s: 15.0,
                until_s: 500.0,
            });
            let onset_s = soon(15.0);
            push(
                person,
                EventKind::MotionWithoutFix,
                None,
                onset_s,
                soon(onset_s + 300.0),
            );
        }
        2 => {
            // At home; from then on another device speaks under the same name, a town away.
            person.faults.push(Fault::Elsewhere {
                from_s: 40.0,
                until_s: 400.0,
                north_m: 60_000.0,
            });
            push(person, EventKind::ImpossibleMovement, None, 40.0, soon(40.0));
        }
        3 => {
            person.silence_after_s = 60;
            person.faults.push(Fault::Battery {
                from_s: 20.0,
                percent: 5,
            });
            person.faults.push(Fault::Off {
                from_s: 60.0,
                until_s: 500.0,
            });
            for kind in [EventKind::BatteryLow, EventKind::BatteryCritical] {
                push(person, kind, None, 20.0, soon(20.0));
            }
            for kind in [EventKind::Silence, EventKind::BatteryDead] {
                push(person, kind, None, 60.0, soon(120.0));
            }
        }
        4 => {
            // For a minute the clock is three hours ahead.
            person.faults.push(Fault::Clock {
                from_s: 50.0,
                until_s: 110.0,
                ahead_s: 10_800.0,
            });
            push(person, EventKind::ClockSkew, None, 50.0, soon(50.0));
        }
        _ => {
            // Stays at home while a protected person walks up to the house, and by.
            let far = Local {
                east: home.east - 600.0,
                north: home.north + 15.0,
            };
            let beyond = Local {
                east: home.east + 600.0,
                ..far
            };
            let route = Route::at(far).walk(10.0, &[beyond], 4.0);
            let (distance_m, buffer_m) = (150.0, 120.0);
            let other = builder.protected(person, distance_m, buffer_m, route);
            for (kind, keep_m) in [
                (EventKind::ProximityWarning, distance_m + buffer_m),
                (EventKind::Proximity, distance_m),
            ] {
                let near = |clear_m: f64| {
                    (0..6_000)
                        .map(|tenth| f64::from(tenth) * 0.1)
                        .find(|time_s| other.route.place(*time_s).0.distance(home) < keep_m - clear_m)
                        .unwrap_or(0.0)
                };
                person.violations.push(Violation {
                    kind,
                    zone_id: Some(other.zone_id),
                    onset_s: near(0.0),
                    proof_s: near(30.0) + 4.0 * builder.interval_s,
                });
            }
            person.protected = Some(other);
        }
    }
}

/// Somebody of the crowd: at home under curfew, or out and about with a curfew later today.
fn daily(builder: &Builder, index: u64, person: &mut Person) {
    person.speaks = match index % 8 {
        // Most protocols know whole seconds: devices that report more often speak the native one.
        _ if builder.interval_s < 1.0 => Speaks::Native,
        1 => Speaks::Teltonika,
        3 => Speaks::Gt06,
        5 => Speaks::Jt808 { header_2019: false },
        6 => Speaks::Eelink,
        7 => Speaks::Jt808 { header_2019: true },
        _ => Speaks::Native,
    };
    if index % 10 < 6 {
        home_zone(builder, person, RUNNING);
        return;
    }
    home_zone(builder, person, LATER);
    let home = builder.home_crossing(index);
    let mut here = home;
    let mut time_s = 60.0 * builder.chance.uniform("first errand", index, 0);
    person.route = Route::at(builder.town.crossing(home));
    // Errands for six hours, then home for the night.
    for errand in 0..80 {
        let odd = errand % 2 == 1;
        let next = Town::some_crossing(builder.chance, "errand", index * 1_000 + errand);
        let path = builder.town.walk(here, next, odd);
        person.route = person.route.clone().walk(time_s, &path, STROLL);
        time_s = person.route.last().0 + 40.0 + 200.0 * builder.chance.uniform("pause", index, errand);
        here = next;
        if time_s > 16_000.0 {
            break;
        }
    }
    person.route = person
        .route
        .clone()
        .walk(time_s, &builder.town.walk(here, home, false), STROLL);
}

/// Fault tests: within a minute some leave home and some of them come back, one in eight enters a zone, one in eight is cut.
fn soak(builder: &Builder, index: u64, person: &mut Person) {
    if builder.interval_s >= 1.0 {
        person.speaks = match index % 5 {
            1 => Speaks::Jt808 {
                header_2019: index.is_multiple_of(2),
            },
            2 => Speaks::Teltonika,
            3 => Speaks::Gt06,
            4 => Speaks::Eelink,
            _ => Speaks::Native,
        };
    }
    let at = builder.home_crossing(index);
    let begin = 6.0 + 26.0 * builder.chance.uniform("soak", index, 0);
    match index % 8 {
        0 | 4 => {
            let zone = home_zone(builder, person, RUNNING);
            leave(
                builder,
                person,
                at,
                begin,
                6.0,
                (index % 8 == 4).then_some(begin + 24.0),
            );
            violation(builder, person, EventKind::LeftDuringCurfew, &zone, begin, true);
        }
        1 => {
            home_zone(builder, person, LATER);
            let target = builder.town.crossing(shifted(at, 1));
            let shape = PlannedShape::Circle(target, 60.0);
            let zone = builder.zone(
                person,
                1,
                "Protected address",
                ZoneKind::Exclusion,
                Audience::Police,
                shape,
                None,
            );
            let path = builder.town.walk(at, shifted(at, 1), false);
            person.route = Route::at(builder.town.crossing(at)).walk(begin, &path, 6.0);
            violation(builder, person, EventKind::ExclusionEntry, &zone, begin, false);
        }
        2 => {
            home_zone(builder, person, RUNNING);
            person.faults.push(Fault::StrapOpen { from_s: begin });
            push(person, EventKind::StrapTamper, None, begin, begin + builder.interval_s);
        }
        _ => {
            // Out when the curfew begins, and stays out.
            #[expect(clippy::cast_possible_truncation, reason = "seconds within a minute")]
            let begins = begin as i64;
            let zone = home_zone(
                builder,
                person,
                PlannedHours {
                    from_s: begins,
                    until_s: begins + 21_600,
                },
            );
            person.route = Route::at(builder.town.crossing(shifted(at, 3)));
            push(
                person,
                EventKind::CurfewAbsentAtStart,
                Some(&zone),
                begins as f64,
                begins as f64,
            );
        }
    }
}

fn home_zone(builder: &Builder, person: &mut Person, hours: PlannedHours) -> PlannedZone {
    let shape = PlannedShape::Circle(person.route.last().1, HOME_RADIUS_M);
    builder.zone(
        person,
        0,
        "Home",
        ZoneKind::Inclusion,
        Audience::Both,
        shape,
        Some(hours),
    )
}

fn amend(person: &mut Person, zone: PlannedZone, change: impl Fn(&mut PlannedZone)) -> PlannedZone {
    let mut changed = zone;
    change(&mut changed);
    for kept in person.zones.iter_mut().filter(|kept| kept.zone_id == changed.zone_id) {
        *kept = changed.clone();
    }
    changed
}

/// Walks off along the street, and back at a time if one is given.
fn leave(builder: &Builder, person: &mut Person, at: Crossing, leave_s: f64, speed: f64, back_s: Option<f64>) {
    let home = person.route.last().1;
    let path = builder.town.walk(at, shifted(at, 3), person.index % 2 == 1);
    person.route = Route::at(home).walk(leave_s, &path, speed);
    if let Some(back_s) = back_s {
        // Turns round wherever that time finds them.
        let (turn, _) = person.route.place(back_s);
        let walked: Vec<Local> = path
            .iter()
            .copied()
            .filter(|place| place.distance(home) < turn.distance(home))
            .collect();
        let out: Vec<Local> = walked.iter().copied().chain([turn]).collect();
        let back: Vec<Local> = walked.into_iter().rev().chain([home]).collect();
        person.route = Route::at(home).walk(leave_s, &out, speed).walk(back_s, &back, speed);
    }
}

/// A crossing some blocks further on, turning back at the town's edge.
fn shifted((column, row): Crossing, blocks: usize) -> Crossing {
    (if column > 7 { column - blocks } else { column + blocks }, row)
}

/// An L-shaped yard around a point.
fn yard(centre: Local) -> Vec<Local> {
    [
        (-70.0, -60.0),
        (75.0, -60.0),
        (75.0, 20.0),
        (30.0, 20.0),
        (30.0, 70.0),
        (-70.0, 70.0),
    ]
    .map(|(east, north)| Local {
        east: centre.east + east,
        north: centre.north + north,
    })
    .to_vec()
}

fn push(person: &mut Person, kind: EventKind, zone: Option<&PlannedZone>, onset_s: f64, proof_s: f64) {
    person.violations.push(Violation {
        kind,
        zone_id: zone.map(|zone| zone.zone_id),
        onset_s,
        proof_s,
    });
}

/// Notes a violation of place with its true onset, and the report by which it is beyond doubt: the second that is clearly
/// on the wrong side (leaving) or the first (entering).
fn violation(builder: &Builder, person: &mut Person, kind: EventKind, zone: &PlannedZone, after_s: f64, leaving: bool) {
    const CLEAR_M: f64 = 20.0;
    let reach = |margin: f64| {
        let zone = zone.clone();
        let route = person.route.clone();
        move |time_s: f64| {
            let distance = signed_distance(&zone.shape, route.place(time_s).0)
                - if kind == EventKind::BufferEntry {
                    zone.buffer_m
                } else {
                    0.0
                };
            if leaving { distance > margin } else { distance < -margin }
        }
    };
    let first =
        |test: &dyn Fn(f64) -> bool, from: f64| (0..6_000).map(|n| from + f64::from(n) * 0.1).find(|&t| test(t));
    let Some(onset_s) = first(&reach(0.0), after_s) else {
        return;
    };
    let clear_s = first(&reach(CLEAR_M), onset_s).unwrap_or(onset_s);
    let zone_id = Some(zone.zone_id);
    person.violations.push(Violation {
        kind,
        zone_id,
        onset_s,
        // The decision model asks for three fixes that are clearly out, more where they come fast.
        proof_s: clear_s + 4.0 * builder.interval_s,
    });
}
