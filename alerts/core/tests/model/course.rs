//! The whole course of an incident: every sequence of four changes and random ones of sixty, against a table written by hand.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use homeward_alerts_core::{
    Audience, ClosingCode, Command, Incident, Severity, Transition,
    lifecycle::{
        self,
        course::{
            Applied, BadPatience, Change, Course, HOLD_MAX, Onset, Part, Patience, Phase, Record, Refusal, Replay,
            SUSPENSION_MAX, Stage, Who, close_group, join, leave,
        },
    },
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use uuid::Uuid;

const ANNA: Uuid = Uuid::from_u128(1);
const BO: Uuid = Uuid::from_u128(2);
const ONE: Uuid = Uuid::from_u128(101);
const ROOT: Uuid = Uuid::from_u128(102);
const BY: Who = Who::System(Part::Grouping);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn onset(severity: Severity, by_hand: bool) -> Onset {
    Onset {
        event: Uuid::from_u128(77),
        severity,
        audience: Audience::Police,
        ongoing: true,
        by_hand,
    }
}

fn raised(severity: Severity, by_hand: bool) -> (Course, Record) {
    Course::raise(ONE, onset(severity, by_hand), at(0))
}

fn root() -> Course {
    Course::raise(ROOT, onset(Severity::P2, false), at(0)).0
}

/// Every kind of change, as it might come at that second; what lasts, lasts a hundred seconds.
fn changes(now: i64, round: u32) -> Vec<Change> {
    let expires = at(now + 100);
    let note = String::new();
    let why = || "shift ends".to_owned();
    vec![
        Change::Told,
        Change::Acknowledge { user: ANNA, expires },
        Change::Acknowledge { user: BO, expires },
        Change::TakeOver {
            user: BO,
            expires,
            why: why(),
        },
        Change::StartAction { user: ANNA, expires },
        Change::Note {
            user: ANNA,
            text: why(),
        },
        Change::Close {
            user: BO,
            code: ClosingCode::WarningGiven,
            note: note.clone(),
        },
        Change::CloseItself {
            code: ClosingCode::ReturnedCompliant,
        },
        Change::CloseWithRoot {
            user: BO,
            root: ROOT,
            code: ClosingCode::DeviceFault,
            note,
        },
        Change::Fold {
            onset: onset(Severity::P3, false),
        },
        Change::Fold {
            onset: onset(Severity::P1, false),
        },
        Change::Fold {
            onset: onset(Severity::P3, true),
        },
        Change::End {
            event: ANNA,
            ongoing: false,
        },
        Change::Correct {
            event: ANNA,
            ongoing: true,
        },
        Change::Reopen {
            onset: onset(Severity::P3, false),
        },
        Change::Escalate { round, lap: 0, step: 1 },
        Change::Expire,
        Change::Suspend {
            user: ANNA,
            authority: "court 3".into(),
            reason: "in hospital".into(),
            until: expires,
        },
        Change::Resume { user: BO, why: why() },
        Change::Wake,
        Change::Merge {
            into: root().root().unwrap(),
            by: BY,
            why: "carrier".into(),
        },
        Change::Adopt { incident: BO, by: BY },
        Change::Split { by: BY, why: why() },
        Change::Release { incident: BO, by: BY },
    ]
}

/// Which stages may follow which, by what happens.
fn allowed(from: Phase, change: &Change, to: Phase, worse: bool) -> bool {
    let open = from != Phase::Closed;
    match change {
        Change::Raise { .. } => false,
        Change::Told => from == Phase::Raised && to == Phase::Notified,
        Change::Acknowledge { .. } => matches!(from, Phase::Raised | Phase::Notified) && to == Phase::Acknowledged,
        Change::TakeOver { .. } => matches!(from, Phase::Acknowledged | Phase::InAction) && to == from,
        Change::StartAction { .. } => open && from != Phase::InAction && to == Phase::InAction,
        Change::Close { .. } | Change::CloseItself { .. } | Change::CloseWithRoot { .. } => open && to == Phase::Closed,
        Change::Fold { .. } if worse && from == Phase::Acknowledged => to == Phase::Notified,
        Change::Reopen { .. } => !open && to == Phase::Raised,
        Change::Escalate { .. } => matches!(from, Phase::Raised | Phase::Notified) && to == from,
        Change::Expire => matches!(from, Phase::Acknowledged | Phase::InAction) && to == Phase::Notified,
        Change::Fold { .. }
        | Change::Suspend { .. }
        | Change::Resume { .. }
        | Change::Wake
        | Change::Merge { .. }
        | Change::Adopt { .. }
        | Change::Split { .. } => open && to == from,
        Change::Note { .. } | Change::End { .. } | Change::Correct { .. } | Change::Release { .. } => to == from,
    }
}

/// What must be so after every change, whatever it was.
fn check(before: &Course, change: &Change, after: &Course, record: &Record) {
    let worse = after.severity() < before.severity();
    let (from, to) = (before.phase(), after.phase());
    assert!(allowed(from, change, to, worse), "{from:?} --{change:?}--> {to:?}");
    assert_eq!(
        (record.from, record.to, record.version),
        (Some(from), to, before.version() + 1)
    );
    assert_eq!((after.version(), after.changed_at()), (record.version, record.at));
    assert!(record.at >= before.changed_at());
    if !matches!(change, Change::Reopen { .. }) {
        assert!(
            after.severity() <= before.severity(),
            "only a person makes it less urgent, by closing it"
        );
        assert!(after.by_hand() || !before.by_hand());
    }
    assert_eq!(after.audience().union(before.audience()), after.audience());
    // Nobody leaves the queue without a code and somebody's name; what only a person may judge, only by that person's own word.
    if let (Stage::Closed(closing), true) = (after.stage(), from != Phase::Closed) {
        assert_eq!(closing.by, record.by);
        if before.by_hand() {
            assert!(matches!(change, Change::Close { .. }), "{change:?}");
        }
        if matches!(closing.by, Who::System(_)) {
            assert!(!before.ongoing());
        }
        assert!(after.lists().is_empty() && after.merged().is_none() && after.suspended().is_none());
    }
    // What only a person may judge goes on until one has.
    assert!(!after.by_hand() || to == Phase::Closed || after.ongoing());
    // A new round whenever calling begins anew, so that no key of a step comes twice; and at no other time.
    let anew = after.calls() && (!before.calls() || worse);
    assert_eq!(after.round(), before.round() + u32::from(anew), "{change:?}");
    assert_eq!(after.round_at(), if anew { record.at } else { before.round_at() });
    if anew || !after.calls() {
        assert_eq!(after.escalated(), None);
    }
    // Nothing lies unread: an open incident calls, or a time is set at which it will, or the one it is merged into does.
    assert!(to == Phase::Closed || after.calls() || after.deadline().is_some() || after.merged().is_some());
    // Nobody is expected to give a sign of what is suspended.
    assert!(!matches!(change, Change::Expire) || before.suspended().is_none());
    if let Some(hold) = after.hold() {
        assert!(hold.since < hold.until && hold.until.duration_since(hold.since) <= HOLD_MAX);
    }
    if let Some(suspension) = after.suspended() {
        assert!(suspension.until.duration_since(record.at) <= SUSPENSION_MAX);
        assert!(!suspension.authority.trim().is_empty() && !suspension.reason.trim().is_empty());
    }
}

/// Applies and checks; the course afterwards, whatever came of it.
fn step(course: &Course, change: &Change, second: i64, records: &mut Vec<Record>) -> Course {
    match course.apply(change.clone(), at(second)) {
        Err(_) | Ok(Applied::Unchanged) => course.clone(),
        Ok(Applied::Changed { course: after, record }) => {
            check(course, change, &after, &record);
            records.push(*record);
            *after
        }
    }
}

fn explore(course: &Course, second: i64, depth: usize, records: &mut Vec<Record>, visited: &mut u64) {
    for change in changes(second, course.round()) {
        *visited += 1;
        let length = records.len();
        let after = step(course, &change, second, records);
        if depth > 1 {
            explore(&after, second + 60, depth - 1, records, visited);
        } else if records.len() > length {
            assert_eq!(Course::replay(ONE, records).as_ref(), Ok(&after));
        }
        records.truncate(length);
    }
}

#[test]
fn no_sequence_writes_an_impossible_transition() {
    let mut visited = 0;
    for by_hand in [false, true] {
        let (course, record) = raised(Severity::P2, by_hand);
        // Sixty seconds apart: what lasts a hundred is over after two.
        explore(&course, 60, 4, &mut vec![record], &mut visited);
    }
    assert_eq!(visited, 2 * (1..=4).map(|length| 24_u64.pow(length)).sum::<u64>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn long_histories_are_sound_and_read_back(
        by_hand: bool,
        steps in prop::collection::vec((0_usize..24, 0_i64..80), 1..60),
        damage in (any::<prop::sample::Index>(), 0_usize..5),
    ) {
        let (mut course, first) = raised(Severity::P2, by_hand);
        let mut records = vec![first];
        let mut now = 0;
        for (which, passes) in steps {
            now += passes;
            // The clock comes first, as in a shell that keeps its deadlines.
            while let Some(change) = course.clock(at(now)) {
                let due = course.deadline().unwrap();
                let after = step(&course, &change, now, &mut records);
                prop_assert!(after.deadline() != Some(due), "the clock moves on");
                course = after;
            }
            let change = changes(now, course.round()).swap_remove(which);
            course = step(&course, &change, now, &mut records);
        }
        prop_assert_eq!(Course::replay(ONE, &records), Ok(course));
        let written = serde_json::to_string(&records).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Vec<Record>>(&written).unwrap(), &records);

        // A history that was tampered with is none.
        let (place, kind) = damage;
        let n = place.index(records.len());
        let mut damaged = records.clone();
        match kind {
            0 => damaged[n].version += 1,
            1 => damaged[n].to = if damaged[n].to == Phase::Closed { Phase::Notified } else { Phase::Closed },
            2 => damaged[n].by = Who::User(Uuid::from_u128(9999)),
            3 if n + 1 < records.len() => {
                damaged.remove(n);
            }
            _ => damaged[n].from = Some(Phase::Closed).filter(|_| records[n].from != Some(Phase::Closed)),
        }
        if damaged != records {
            prop_assert!(Course::replay(ONE, &damaged).is_err(), "{:?}", damaged);
        }
    }

    /// What runs today is what the course does, but that an acknowledgement does not cover what became more urgent.
    #[test]
    fn it_does_what_the_stored_lifecycle_does(commands in prop::collection::vec(0_usize..10, 1..20)) {
        let (mut course, _) = raised(Severity::P3, false);
        let mut incident = Incident::raised(Severity::P3, Audience::Police, true);
        let expires = at(1000);
        for (second, which) in (1..).zip(commands) {
            let text = if which == 5 { "called" } else { " " };
            let (code, severity, ongoing) = (ClosingCode::Other, Severity::P1, which % 2 == 0);
            let user = if which % 2 == 0 { ANNA } else { BO };
            let (command, change) = match which {
                0 => (Command::HandedOver, Change::Told),
                1 | 2 => (Command::Acknowledge { user }, Change::Acknowledge { user, expires }),
                3 | 4 => (Command::StartAction { user }, Change::StartAction { user, expires }),
                5 | 6 => (Command::Note { user, text }, Change::Note { user, text: text.into() }),
                7 => (
                    Command::Close { user, code, text: "moved" },
                    Change::Close { user, code, note: "moved".into() },
                ),
                8 => (Command::End { ongoing: false }, Change::End { event: BO, ongoing: false }),
                _ => (
                    Command::Fold { severity, audience: Audience::SocialWork, ongoing },
                    Change::Fold {
                        onset: Onset { audience: Audience::SocialWork, ongoing, ..onset(severity, false) },
                    },
                ),
            };
            let (old, new) = (lifecycle::apply(&incident, command), course.apply(change, at(second)));
            prop_assert_eq!(old.is_ok(), new.is_ok(), "{:?} {:?}", command, course);
            if let Ok(Transition::Changed { after, .. }) = old {
                incident = after;
            }
            if let Ok(Applied::Changed { course: after, .. }) = new {
                if after.phase() == Phase::Notified && course.phase() == Phase::Acknowledged {
                    prop_assert!(after.severity() < course.severity());
                    return Ok(());
                }
                course = *after;
            }
            prop_assert_eq!(course.standing(), incident);
        }
    }
}

fn done(course: &Course, change: Change, second: i64) -> Course {
    match course.apply(change, at(second)).unwrap() {
        Applied::Changed { course, .. } => *course,
        Applied::Unchanged => panic!("nothing changed"),
    }
}

#[test]
fn an_acknowledgement_expires_unless_something_follows() {
    let (course, _) = raised(Severity::P1, false);
    let course = done(
        &course,
        Change::Acknowledge {
            user: ANNA,
            expires: at(110),
        },
        10,
    );
    assert_eq!((course.calls(), course.deadline()), (false, Some(at(110))));
    assert_eq!(course.apply(Change::Expire, at(109)), Err(Refusal::TooEarly));
    let noted = done(
        &course,
        Change::Note {
            user: ANNA,
            text: "I am calling him".into(),
        },
        60,
    );
    assert_eq!(noted.deadline(), Some(at(160)), "a sign of the one who has it");
    let others = done(
        &course,
        Change::Note {
            user: BO,
            text: "who has this?".into(),
        },
        60,
    );
    assert_eq!(others.deadline(), Some(at(110)), "another's is none");
    let expired = done(&noted, noted.clock(at(160)).unwrap(), 160);
    assert_eq!(
        (expired.phase(), expired.round(), expired.round_at()),
        (Phase::Notified, 1, at(160))
    );
    assert!(expired.calls());
}

#[test]
fn flapping_neither_calls_again_nor_takes_it_away() {
    let (course, _) = raised(Severity::P3, false);
    let course = done(
        &course,
        Change::Acknowledge {
            user: ANNA,
            expires: at(1000),
        },
        1,
    );
    let mut flapping = course.clone();
    for second in 2..50 {
        flapping = done(
            &flapping,
            Change::Fold {
                onset: onset(Severity::P3, false),
            },
            second,
        );
        flapping = done(
            &flapping,
            Change::End {
                event: BO,
                ongoing: false,
            },
            second,
        );
    }
    assert_eq!((flapping.round(), flapping.hold()), (course.round(), course.hold()));
    let worse = done(
        &flapping,
        Change::Fold {
            onset: onset(Severity::P1, false),
        },
        60,
    );
    assert_eq!(
        (worse.hold(), worse.calls(), worse.round()),
        (None, true, 1),
        "nobody has acknowledged that"
    );
}

#[test]
fn tamper_is_closed_by_a_person_alone() {
    let (course, _) = raised(Severity::P1, true);
    let ended = done(
        &course,
        Change::End {
            event: BO,
            ongoing: false,
        },
        1,
    );
    assert!(ended.ongoing());
    for code in ClosingCode::all() {
        assert_eq!(ended.apply(Change::CloseItself { code }, at(2)), Err(Refusal::ByHand));
    }
    let (plain, _) = raised(Severity::P4, false);
    let code = ClosingCode::ReturnedCompliant;
    assert_eq!(plain.apply(Change::CloseItself { code }, at(2)), Err(Refusal::Ongoing));
    let over = done(
        &plain,
        Change::End {
            event: BO,
            ongoing: false,
        },
        1,
    );
    assert_eq!(done(&over, Change::CloseItself { code }, 2).phase(), Phase::Closed);
    let code = ClosingCode::PoliceDispatched;
    assert_eq!(
        over.apply(Change::CloseItself { code }, at(2)),
        Err(Refusal::CodeOfPerson { code })
    );
}

#[test]
fn a_suspension_needs_an_authority_a_reason_and_an_end() {
    let (course, _) = raised(Severity::P2, false);
    let suspend = |authority: &str, reason: &str, until| Change::Suspend {
        user: ANNA,
        authority: authority.into(),
        reason: reason.into(),
        until,
    };
    assert_eq!(
        course.apply(suspend(" ", "x", at(50)), at(1)),
        Err(Refusal::Blank("authority"))
    );
    assert_eq!(
        course.apply(suspend("x", "", at(50)), at(1)),
        Err(Refusal::Blank("reason"))
    );
    assert_eq!(
        course.apply(suspend("x", "x", at(1)), at(1)),
        Err(Refusal::Until { until: at(1) })
    );
    let far = at(1)
        .checked_add(SUSPENSION_MAX + SignedDuration::from_secs(1))
        .unwrap();
    assert_eq!(
        course.apply(suspend("x", "x", far), at(1)),
        Err(Refusal::Until { until: far })
    );
    let asleep = done(&course, suspend("court 3", "in hospital", at(50)), 1);
    assert!(!asleep.calls());
    assert_eq!(asleep.apply(Change::Wake, at(49)), Err(Refusal::TooEarly));
    let awake = done(&asleep, asleep.clock(at(50)).unwrap(), 50);
    assert_eq!((awake.calls(), awake.round()), (true, 1));
    let worse = done(
        &asleep,
        Change::Fold {
            onset: onset(Severity::P1, false),
        },
        20,
    );
    assert!(worse.calls(), "nobody has suspended that");
}

#[test]
fn incidents_of_one_cause_are_closed_together_but_for_those_of_a_person() {
    let mut root = root();
    let mut others = Vec::new();
    for (n, (severity, by_hand)) in (0_u128..).zip([(Severity::P3, false), (Severity::P1, false), (Severity::P2, true)])
    {
        let (one, _) = Course::raise(Uuid::from_u128(500 + n), onset(severity, by_hand), at(0));
        let group = join(&one, &root, BY, "carrier east", at(1)).unwrap();
        let Applied::Changed { course, .. } = &group.root[0] else {
            panic!()
        };
        root = (**course).clone();
        let Applied::Changed { course, .. } = &group.others[0] else {
            panic!()
        };
        others.push((**course).clone());
    }
    let calls: Vec<_> = others.iter().map(Course::calls).collect();
    assert_eq!(calls, [false, true, true], "each P1 and each tamper calls all the same");
    let (last, _) = Course::raise(Uuid::from_u128(600), onset(Severity::P3, false), at(0));
    assert_eq!(
        join(&root, &last, BY, "again", at(2)).unwrap_err(),
        Refusal::Lists(3),
        "no chains"
    );
    assert_eq!(
        join(&last, &others[0], BY, "again", at(2)).unwrap_err(),
        Refusal::Merged { into: ROOT }
    );
    assert_eq!(join(&root, &root, BY, "itself", at(2)).unwrap_err(), Refusal::Itself);
    let close = Change::Close {
        user: ANNA,
        code: ClosingCode::DeviceFault,
        note: String::new(),
    };
    assert_eq!(
        root.apply(close, at(2)),
        Err(Refusal::Lists(3)),
        "not while others hang on it"
    );
    assert!(
        close_group(&root, &others[..2], |_| true, ANNA, ClosingCode::DeviceFault, "", at(3)).is_err(),
        "all of them"
    );

    let left = leave(&others[0], &root, Who::User(BO), "another carrier", at(3)).unwrap();
    let Applied::Changed { course: alone, .. } = &left.others[0] else {
        panic!()
    };
    assert!(alone.calls() && alone.round() == 1);

    // Whom she may not judge stands for itself again, and calls.
    let judge = |other: &Course| other.incident() != others[0].incident();
    let group = close_group(&root, &others, judge, ANNA, ClosingCode::DeviceFault, "carrier", at(3)).unwrap();
    let Applied::Changed { course: alone, .. } = &group.others[0] else {
        panic!()
    };
    assert!(alone.phase() == Phase::Raised && alone.merged().is_none() && alone.calls());

    let group = close_group(
        &root,
        &others,
        |_| true,
        ANNA,
        ClosingCode::DeviceFault,
        "carrier",
        at(3),
    )
    .unwrap();
    let Some(Applied::Changed { course, .. }) = group.root.last() else {
        panic!()
    };
    assert_eq!(course.phase(), Phase::Closed);
    let after = group.others.iter().map(|one| match one {
        Applied::Changed { course, .. } => (course.phase(), course.merged().is_some(), course.calls()),
        Applied::Unchanged => panic!(),
    });
    let after: Vec<_> = after.collect();
    assert_eq!(
        after,
        [
            (Phase::Closed, false, false),
            (Phase::Closed, false, false),
            (Phase::Raised, false, true)
        ]
    );
}

#[test]
fn a_history_begins_with_the_raising() {
    assert_eq!(Course::replay(ONE, &[]), Err(Replay::Empty));
    let (course, record) = raised(Severity::P2, false);
    let Applied::Changed { record: told, .. } = course.apply(Change::Told, at(1)).unwrap() else {
        panic!()
    };
    let refused = Replay::Refused {
        version: 2,
        refusal: Refusal::Raise,
    };
    assert_eq!(Course::replay(ONE, &[*told.clone()]), Err(refused.clone()));
    assert_eq!(course.apply(record.why.clone(), at(1)), Err(Refusal::Raise));
    assert!(matches!(
        Course::replay(ONE, &[record.clone(), *told.clone(), *told]),
        Err(Replay::Differs { version: 2 })
    ));
    assert!(matches!(
        Course::replay(ONE, &[record.clone(), record]),
        Err(Replay::Refused { version: 1, .. })
    ));
}

#[test]
fn the_documentation_states_how_long_a_sign_counts() {
    let document = include_str!("../../../../docs/alerts.md");
    let words = |lengths: [SignedDuration; 4]| {
        lengths.map(|length| match length.as_mins() {
            minutes if minutes % 60 == 0 => format!("{} h", minutes / 60),
            minutes => format!("{minutes} min"),
        })
    };
    let patience = Patience::default();
    for (name, lengths) in [
        ("acknowledged", patience.acknowledged),
        ("in action", patience.in_action),
    ] {
        let row = format!("| {name} | {} |", words(lengths).join(" | "));
        assert!(document.contains(&row), "{row}");
    }
    assert_eq!(patience.acknowledged(Severity::P2, at(0)), at(15 * 60));
    assert_eq!(patience.in_action(Severity::P4, at(0)), at(72 * 3600));
    let never = Patience {
        acknowledged: [SignedDuration::ZERO; 4],
        in_action: [SignedDuration::MAX; 4],
    };
    assert_eq!(
        never.acknowledged(Severity::P1, at(0)),
        at(1),
        "a setting of nothing refuses no acknowledgement"
    );
    assert_eq!(never.in_action(Severity::P1, at(0)).duration_since(at(0)), HOLD_MAX);
}

/// Lengths that are within the limits.
fn lengths() -> impl Strategy<Value = Patience> {
    let ascending = prop::array::uniform4(1_i64..=7 * 24 * 60).prop_map(|mut minutes| {
        minutes.sort_unstable();
        minutes
    });
    (ascending.clone(), ascending).prop_map(|(one, other)| Patience {
        acknowledged: std::array::from_fn(|n| SignedDuration::from_mins(one[n].min(other[n]))),
        in_action: std::array::from_fn(|n| SignedDuration::from_mins(one[n].max(other[n]))),
    })
}

proptest! {
    /// However long is configured: until then somebody has it and nobody is called, and at that instant it goes back to everybody, once.
    #[test]
    fn what_nothing_follows_goes_back_at_the_configured_instant(
        patience in lengths(), level in 1_i16..=4, action: bool, since in 0_i64..1_000_000,
    ) {
        prop_assert_eq!(patience.check(), Ok(patience));
        let severity = Severity::from_level(level).unwrap();
        let (course, _) = raised(severity, false);
        let told = done(&course, Change::Told, 0);
        let place = usize::try_from(level - 1).unwrap();
        let (change, length) = if action {
            let expires = patience.in_action(severity, at(since));
            (Change::StartAction { user: ANNA, expires }, patience.in_action[place])
        } else {
            let expires = patience.acknowledged(severity, at(since));
            (Change::Acknowledge { user: ANNA, expires }, patience.acknowledged[place])
        };
        let held = done(&told, change, since);
        let end = at(since) + length;
        prop_assert_eq!(held.deadline(), Some(end));
        prop_assert!(!held.calls());
        prop_assert_eq!(held.clock(end - SignedDuration::from_millis(1)), None);
        prop_assert_eq!(held.clock(end), Some(Change::Expire));
        let Applied::Changed { course: back, .. } = held.apply(Change::Expire, end).unwrap() else { panic!() };
        prop_assert!(back.calls() && back.hold().is_none() && back.round() == held.round() + 1);
        prop_assert_eq!((back.round_at(), back.clock(end + HOLD_MAX)), (end, None));
        // A sign of theirs begins the same length anew.
        let noted = done(&held, Change::Note { user: ANNA, text: "on the way".into() }, since + 30);
        prop_assert_eq!(noted.deadline(), Some(end + SignedDuration::from_secs(30)));
    }
}

#[test]
fn lengths_with_which_an_incident_is_forgotten_are_refused() {
    let usual = Patience::default();
    assert_eq!(usual.check(), Ok(usual));
    let minutes = |minutes: [i64; 4]| minutes.map(SignedDuration::from_mins);
    let of = |acknowledged, in_action| Patience {
        acknowledged: minutes(acknowledged),
        in_action: minutes(in_action),
    };
    let refused = |acknowledged, in_action| of(acknowledged, in_action).check().unwrap_err();
    let (week, p1) = (7 * 24 * 60, Severity::P1);
    assert!(of([1, 1, 1, 1], [week; 4]).check().is_ok());
    assert_eq!(refused([0, 5, 5, 5], [5; 4]), BadPatience::Length { severity: p1 });
    assert_eq!(
        refused([5, 5, 5, week + 1], [week; 4]),
        BadPatience::Length { severity: Severity::P4 }
    );
    assert_eq!(refused([9, 5, 9, 9], [9; 4]), BadPatience::Order { severity: p1 });
    assert_eq!(
        refused([5, 15, 15, 15], [60, 10, 60, 60]),
        BadPatience::Order { severity: p1 }
    );
    assert_eq!(
        refused([5, 15, 15, 15], [10, 10, 60, 60]),
        BadPatience::Action { severity: Severity::P2 }
    );
}

#[test]
fn times_do_not_run_back() {
    let (course, first) = raised(Severity::P2, false);
    let told = done(&course, Change::Told, 10);
    // Another worker's clock is five seconds behind.
    let Applied::Changed { course: noted, record } = told
        .apply(
            Change::Note {
                user: ANNA,
                text: "called".into(),
            },
            at(5),
        )
        .unwrap()
    else {
        panic!()
    };
    assert_eq!((record.at, noted.changed_at()), (at(10), at(10)));
    let Applied::Changed { record: second, .. } = course.apply(Change::Told, at(10)).unwrap() else {
        panic!()
    };
    let back = Record { at: at(5), ..*record };
    assert_eq!(
        Course::replay(ONE, &[first, *second, back]),
        Err(Replay::Differs { version: 3 })
    );
}
