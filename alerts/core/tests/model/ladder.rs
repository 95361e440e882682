//! Ladders: what is refused, which is chosen, and the dry run.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use std::collections::BTreeSet;

use homeward_alerts_core::{
    Audience, Severity,
    ladder::{Assignment, Fault, Ladder, Protocols, Scope, Step, Subject, What, dry_run},
    roster::{Called, Callee, Roster, User, Via},
    rota::{Crew, Day, Exception, Rota, Shift, Table},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::{date, time},
};
use proto::PersonId;
use uuid::Uuid;

const OFFICER: Uuid = Uuid::from_u128(1);
const CHIEF: Uuid = Uuid::from_u128(2);
const SOCIAL: Uuid = Uuid::from_u128(3);
const OFFICE: Uuid = Uuid::from_u128(50);
const ALL: Uuid = Uuid::from_u128(60);
const OWN: Uuid = Uuid::from_u128(61);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn user(branch: Audience, via: &[Via]) -> User {
    User {
        branch,
        via: via.iter().copied().collect(),
        away: Vec::new(),
    }
}

fn step(call: Callee, via: Via, minutes: i64) -> Step {
    Step {
        call,
        via: vec![via, Via::Console],
        wait: SignedDuration::from_mins(minutes),
    }
}

fn ladder(id: Uuid, steps: Vec<Step>) -> Ladder {
    Ladder {
        ladder: id,
        revision: 1,
        steps,
        laps: 2,
        delay: SignedDuration::ZERO,
    }
}

fn everywhere(ladder: Uuid) -> Assignment {
    Assignment {
        scope: Scope::Everywhere,
        severity: None,
        audience: None,
        ladder,
    }
}

/// The office: the officer from Monday to Friday, eight to six, in Berlin.
fn office() -> Rota {
    Rota::new(Table {
        rota: OFFICE,
        time_zone: "Europe/Berlin".into(),
        overlap: SignedDuration::ZERO,
        shifts: vec![Shift {
            days: vec![Day::Monday, Day::Tuesday, Day::Wednesday, Day::Thursday, Day::Friday],
            from: time(8, 0, 0, 0),
            to: time(18, 0, 0, 0),
            crew: Crew::Fixed(vec![OFFICER]),
        }],
        holidays: BTreeSet::new(),
        holiday_shifts: Vec::new(),
        exceptions: Vec::new(),
    })
    .unwrap()
}

fn roster() -> Roster {
    Roster::new(
        [office()],
        [
            (OFFICER, user(Audience::Both, &[Via::Sms, Via::Console])),
            (CHIEF, user(Audience::Both, &[Via::Console])),
            (SOCIAL, user(Audience::SocialWork, &[Via::Mail])),
        ],
    )
}

fn build(ladders: Vec<Ladder>, assignments: Vec<Assignment>, roster: Roster) -> Result<Protocols, Vec<Fault>> {
    let (from, to) = (at("2026-06-03T10:00:00Z"), at("2027-07-08T00:00:00Z"));
    Protocols::new(ladders, assignments, roster, from, to).map_err(|faults| faults.0)
}

fn two_steps() -> Vec<Step> {
    vec![
        step(Callee::Rota(OFFICE), Via::Sms, 5),
        step(Callee::User(CHIEF), Via::Sms, 10),
    ]
}

#[test]
fn the_instant_at_which_nobody_could_be_called_is_named() {
    let steps = vec![step(Callee::Rota(OFFICE), Via::Sms, 5)];
    let faults = build(vec![ladder(ALL, steps)], vec![everywhere(ALL)], roster()).unwrap_err();
    // Wednesday, six in the evening in summer.
    let evening = at("2026-06-03T16:00:00Z");
    let expected = [Audience::Police, Audience::SocialWork, Audience::Both].map(|audience| Fault::Nobody {
        ladder: ALL,
        audience,
        at: evening,
    });
    assert_eq!(faults, expected);
    assert!(
        faults[0]
            .to_string()
            .ends_with("nobody to call at 2026-06-03T16:00:00Z")
    );
    assert!(build(vec![ladder(ALL, two_steps())], vec![everywhere(ALL)], roster()).is_ok());
}

#[test]
fn who_is_away_or_may_not_see_it_or_has_no_address_cannot_be_called() {
    let mut chief = user(Audience::Both, &[Via::Console]);
    chief.away = vec![(at("2026-08-01T00:00:00Z"), at("2026-08-15T00:00:00Z"))];
    let officer = user(Audience::Both, &[Via::Sms]);
    let away = Roster::new([office()], [(OFFICER, officer), (CHIEF, chief)]);
    let faults = build(vec![ladder(ALL, two_steps())], vec![everywhere(ALL)], away).unwrap_err();
    assert!(matches!(faults[0], Fault::Nobody { at: instant, .. } if instant == at("2026-08-01T00:00:00Z")));

    let steps = vec![step(Callee::User(SOCIAL), Via::Mail, 5)];
    let faults = build(vec![ladder(ALL, steps.clone())], vec![everywhere(ALL)], roster()).unwrap_err();
    let [
        Fault::Nobody {
            audience: Audience::Police,
            at: instant,
            ..
        },
    ] = faults.as_slice()
    else {
        panic!("{faults:?}")
    };
    assert_eq!(*instant, at("2026-06-03T10:00:00Z"));
    // For their own branch's incidents alone it is a ladder.
    let assignments = vec![
        everywhere(ALL),
        Assignment {
            audience: Some(Audience::SocialWork),
            ..everywhere(OWN)
        },
    ];
    assert!(
        build(
            vec![ladder(ALL, two_steps()), ladder(OWN, steps)],
            assignments,
            roster()
        )
        .is_ok()
    );

    let steps = vec![Step {
        via: vec![Via::Sms],
        ..step(Callee::User(CHIEF), Via::Sms, 5)
    }];
    let faults = build(vec![ladder(ALL, steps)], vec![everywhere(ALL)], roster()).unwrap_err();
    assert!(matches!(faults[0], Fault::Nobody { .. }));
}

#[test]
fn every_fault_is_told() {
    let faulty = Ladder {
        laps: 0,
        delay: SignedDuration::from_secs(-1),
        steps: vec![
            Step {
                via: vec![],
                wait: SignedDuration::from_secs(9),
                ..step(Callee::User(CHIEF), Via::Sms, 5)
            },
            step(Callee::Rota(ALL), Via::Sms, 5),
        ],
        ..ladder(OWN, vec![])
    };
    let assignments = vec![
        Assignment {
            severity: Some(Severity::P1),
            ..everywhere(ALL)
        },
        Assignment {
            severity: Some(Severity::P1),
            ..everywhere(ALL)
        },
        everywhere(Uuid::nil()),
    ];
    let stranger = Roster::new([office()], [(CHIEF, user(Audience::Both, &[Via::Console]))]);
    let ladders = vec![ladder(ALL, two_steps()), ladder(ALL, vec![]), faulty];
    let faults = build(ladders, assignments, stranger).unwrap_err();
    let told = |what: fn(&Fault) -> bool| faults.iter().filter(|fault| what(fault)).count();
    assert_eq!(told(|f| matches!(f, Fault::Twice { .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::Steps { steps: 0, .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::Laps { laps: 0, .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::Delay { .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::Wait { step: 1, .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::NoChannel { step: 1, .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::Unknown { step: 2, .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::NoLadder { .. })), 1);
    assert_eq!(told(|f| matches!(f, Fault::Ambiguous { .. })), 1);
    let faults = build(vec![ladder(OWN, two_steps())], vec![], Roster::default()).unwrap_err();
    assert_eq!(
        faults
            .iter()
            .filter(|fault| matches!(fault, Fault::Uncovered { .. }))
            .count(),
        12
    );
    let stranger = Roster::new([office()], [(CHIEF, user(Audience::Both, &[Via::Console]))]);
    let faults = build(vec![ladder(ALL, two_steps())], vec![everywhere(ALL)], stranger).unwrap_err();
    assert!(matches!(
        faults.as_slice(),
        [Fault::Stranger {
            step: 1,
            user: OFFICER,
            ..
        }]
    ));
}

#[test]
fn the_narrowest_ladder_is_climbed() {
    let person = PersonId::new(Uuid::from_u128(7));
    let [near, far] = [70, 71].map(Uuid::from_u128);
    let ids: Vec<Uuid> = (80..86).map(Uuid::from_u128).collect();
    let scopes = [
        Scope::Everywhere,
        Scope::Unit(far),
        Scope::Unit(near),
        Scope::Person(person),
    ];
    let mut assignments: Vec<Assignment> = scopes
        .into_iter()
        .zip(&ids)
        .map(|(scope, id)| Assignment {
            scope,
            ..everywhere(*id)
        })
        .collect();
    assignments.push(Assignment {
        severity: Some(Severity::P1),
        scope: Scope::Unit(near),
        ..everywhere(ids[4])
    });
    assignments.push(Assignment {
        audience: Some(Audience::Police),
        scope: Scope::Unit(near),
        ..everywhere(ids[5])
    });
    let ladders = ids.iter().map(|id| ladder(*id, two_steps())).collect();
    let protocols = build(ladders, assignments, roster()).unwrap();
    let of = |person, units: &[Uuid], severity, audience| {
        let subject = Subject { person, units };
        protocols.select(&subject, severity, audience).unwrap().ladder
    };
    let other = PersonId::new(Uuid::from_u128(8));
    assert_eq!(of(person, &[near, far], Severity::P1, Audience::Both), ids[3]);
    assert_eq!(of(other, &[near, far], Severity::P2, Audience::Both), ids[2]);
    assert_eq!(
        of(other, &[near, far], Severity::P1, Audience::Police),
        ids[4],
        "severity before audience"
    );
    assert_eq!(of(other, &[near, far], Severity::P2, Audience::Police), ids[5]);
    assert_eq!(of(other, &[far], Severity::P1, Audience::Both), ids[1]);
    assert_eq!(of(other, &[], Severity::P1, Audience::Both), ids[0]);
    assert_eq!(protocols.fallback(Audience::Both).unwrap().ladder, ids[0]);
}

#[test]
fn the_dry_run_says_who_is_called_when_nobody_answers() {
    let protocols = build(vec![ladder(ALL, two_steps())], vec![everywhere(ALL)], roster()).unwrap();
    let subject = Subject {
        person: PersonId::new(Uuid::from_u128(7)),
        units: &[],
    };
    // The office closes at 16:00 UTC: in the second lap nobody is there, and the chief is called at once.
    let from = at("2026-06-03T15:50:00Z");
    let lines = dry_run(&protocols, &subject, Severity::P2, Audience::Both, from).unwrap();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line.at.to_string(), line.lap, line.step, line.what.clone()))
        .collect();
    let called = |user, via| What::Call(vec![Called { user, via }]);
    assert_eq!(
        told,
        [
            ("2026-06-03T15:50:00Z".into(), 0, 0, called(OFFICER, Via::Sms)),
            ("2026-06-03T15:55:00Z".into(), 0, 1, called(CHIEF, Via::Console)),
            ("2026-06-03T16:05:00Z".into(), 1, 0, What::Nobody),
            ("2026-06-03T16:05:00Z".into(), 1, 1, called(CHIEF, Via::Console)),
            ("2026-06-03T16:15:00Z".into(), 1, 1, What::Failed),
        ]
    );
}

#[test]
fn a_ladder_with_a_delay_leaves_the_consoles_that_time_first() {
    let patient = Ladder {
        delay: SignedDuration::from_mins(7),
        laps: 1,
        ..ladder(ALL, two_steps())
    };
    let protocols = build(vec![patient], vec![everywhere(ALL)], roster()).unwrap();
    let subject = Subject {
        person: PersonId::new(Uuid::from_u128(7)),
        units: &[],
    };
    let from = at("2026-06-03T10:00:00Z");
    let lines = dry_run(&protocols, &subject, Severity::P2, Audience::Both, from).unwrap();
    let told: Vec<String> = lines.iter().map(|line| line.at.to_string()).collect();
    assert_eq!(
        told,
        ["2026-06-03T10:07:00Z", "2026-06-03T10:12:00Z", "2026-06-03T10:22:00Z"]
    );
}

/// One whose crews change at the hours given, each a day of the week's shift, and what else is said of it.
fn rota(change: impl FnOnce(&mut Table)) -> Rota {
    let mut table = Table {
        rota: OFFICE,
        time_zone: "Europe/Berlin".into(),
        overlap: SignedDuration::ZERO,
        shifts: vec![Shift {
            days: Day::ALL.to_vec(),
            from: time(0, 0, 0, 0),
            to: time(0, 0, 0, 0),
            crew: Crew::Fixed(vec![OFFICER]),
        }],
        holidays: BTreeSet::new(),
        holiday_shifts: Vec::new(),
        exceptions: Vec::new(),
    };
    change(&mut table);
    Rota::new(table).unwrap()
}

fn first_gap(rota: Rota, away: Vec<(Timestamp, Timestamp)>) -> Option<Timestamp> {
    let mut officer = user(Audience::Both, &[Via::Sms]);
    officer.away = away;
    let roster = Roster::new(
        [rota],
        [(OFFICER, officer), (CHIEF, user(Audience::Both, &[Via::Mail]))],
    );
    let steps = vec![Step {
        via: vec![Via::Sms],
        ..step(Callee::Rota(OFFICE), Via::Sms, 5)
    }];
    match build(vec![ladder(ALL, steps)], vec![everywhere(ALL)], roster) {
        Ok(_) => None,
        Err(faults) => faults.iter().find_map(|fault| match fault {
            Fault::Nobody { at, .. } => Some(*at),
            _ => None,
        }),
    }
}

#[test]
fn what_is_years_ahead_is_refused_where_it_has_a_date() {
    assert_eq!(first_gap(rota(|_| ()), Vec::new()), None);
    // On New Year's Day of 2031 the chief alone works, who has no telephone.
    let holiday = rota(|table| {
        table.holidays.insert(date(2031, 1, 1));
        table.holiday_shifts = vec![Shift {
            crew: Crew::Fixed(vec![CHIEF]),
            ..table.shifts[0].clone()
        }];
    });
    assert_eq!(first_gap(holiday, Vec::new()), Some(at("2030-12-31T23:00:00Z")));
    // A swap of 2029 leaves nobody for an hour.
    let swap = rota(|table| {
        table.exceptions.push(Exception {
            from: date(2029, 5, 1).at(2, 0, 0, 0),
            to: date(2029, 5, 1).at(3, 0, 0, 0),
            away: Some(OFFICER),
            instead: Vec::new(),
        });
    });
    assert_eq!(first_gap(swap, Vec::new()), Some(at("2029-05-01T00:00:00Z")));
    // A leave in 2035, and one that begins then and has no end that anybody will see.
    for until in ["2035-03-02T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let leave = vec![(at("2035-03-01T00:00:00Z"), at(until))];
        assert_eq!(first_gap(rota(|_| ()), leave), Some(at("2035-03-01T00:00:00Z")));
    }
    // The third of three teams, whose turn of a year comes after two others, has no telephone; and so has the last of 60 weekly ones.
    for (days, good, turn) in [(365, 2, "2028-06-01T22:00:00Z"), (7, 59, "2027-07-20T22:00:00Z")] {
        let turns = rota(|table| {
            let mut teams = vec![vec![OFFICER]; good];
            teams.push(vec![CHIEF]);
            table.shifts[0].crew = Crew::Turns {
                from: date(2026, 6, 3),
                days,
                teams,
            };
        });
        assert_eq!(first_gap(turns, Vec::new()), Some(at(turn)), "turns of {days} days");
    }
}

#[test]
fn two_rotas_that_leave_a_gap_only_together_are_refused() {
    const OTHER: Uuid = Uuid::from_u128(51);
    // Turns of 13 and of 17 weeks: nobody in both at once only after years.
    let of = |id: Uuid, weeks: u16, good: usize| {
        let mut teams = vec![vec![OFFICER]; good];
        teams.push(vec![CHIEF]);
        rota(|table| {
            table.rota = id;
            table.shifts[0].crew = Crew::Turns {
                from: date(2026, 6, 1),
                days: 7 * weeks,
                teams,
            };
        })
    };
    let roster = Roster::new(
        [of(OFFICE, 5, 6), of(OTHER, 8, 8)],
        [
            (OFFICER, user(Audience::Both, &[Via::Sms])),
            (CHIEF, user(Audience::Both, &[Via::Mail])),
        ],
    );
    let sms = |rota| Step {
        via: vec![Via::Sms],
        ..step(Callee::Rota(rota), Via::Sms, 5)
    };
    let steps = vec![sms(OFFICE), sms(OTHER)];
    let faults = build(vec![ladder(ALL, steps)], vec![everywhere(ALL)], roster).unwrap_err();
    let Fault::Nobody { at: gap, .. } = faults[0] else {
        panic!()
    };
    assert!(gap > at("2027-08-01T00:00:00Z"), "{gap}");
}

/// The hour that clocks pass over, the one that comes twice, and a crew whose work it is.
#[test]
fn the_hour_in_which_clocks_change_is_covered_by_whose_it_is() {
    let hours = |from: i8, to: i8, crew: Uuid| Shift {
        days: Day::ALL.to_vec(),
        from: time(from, 0, 0, 0),
        to: time(to, 0, 0, 0),
        crew: Crew::Fixed(vec![crew]),
    };
    for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
        let whole = rota(|table| {
            table.time_zone = zone.into();
            table.shifts = vec![hours(0, 2, OFFICER), hours(2, 3, OFFICER), hours(3, 0, OFFICER)];
        });
        assert_eq!(first_gap(whole, Vec::new()), None, "{zone}");
        // Nobody from two to three; on every day but that on which there is no such hour.
        let hole = rota(|table| {
            table.time_zone = zone.into();
            table.shifts = vec![hours(0, 2, OFFICER), hours(3, 0, OFFICER)];
        });
        assert!(first_gap(hole, Vec::new()).is_some(), "{zone}");
    }
    // A crew of that hour alone, on Sundays: where it is away on the one day on which the hour comes twice, both are without anybody.
    let sundays = rota(|table| {
        let days = Day::ALL.into_iter().filter(|day| *day != Day::Sunday).collect();
        table.shifts = vec![
            Shift {
                days,
                ..hours(0, 0, OFFICER)
            },
            Shift {
                days: vec![Day::Sunday],
                ..hours(0, 2, OFFICER)
            },
            Shift {
                days: vec![Day::Sunday],
                ..hours(2, 3, OFFICER)
            },
            Shift {
                days: vec![Day::Sunday],
                ..hours(3, 0, OFFICER)
            },
        ];
        table.exceptions.push(Exception {
            from: date(2026, 10, 25).at(2, 0, 0, 0),
            to: date(2026, 10, 25).at(3, 0, 0, 0),
            away: None,
            instead: vec![CHIEF],
        });
    });
    assert_eq!(first_gap(sundays, Vec::new()), Some(at("2026-10-25T00:00:00Z")));
}
