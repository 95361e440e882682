//! Nobody answers for an hour: every step at its exact time, nothing twice, nothing skipped, with two workers that interleave and die at
//! random places.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests are test code"
)]

use std::collections::{BTreeMap, BTreeSet};

use homeward_alerts_core::{
    Audience, Severity,
    ladder::{Deed, Due, EMPTY_LAP, Failure, Key, Ladder, Progress, Run, Step, due},
    lifecycle::course::{Applied, Change, Course, Onset, Phase},
    roster::{Callee, Roster, User, Via},
    rota::{Crew, Day, Rota, Shift, Table},
};
use jiff::{SignedDuration, Timestamp, civil::time};
use proptest::prelude::*;
use uuid::Uuid;

const MORNING: Uuid = Uuid::from_u128(1);
const CHIEF: Uuid = Uuid::from_u128(2);
const DESK: Uuid = Uuid::from_u128(50);
const INCIDENT: Uuid = Uuid::from_u128(100);

/// Noon: until then the desk has somebody, afterwards nobody.
const NOON: i64 = 1_790_769_600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn roster() -> Roster {
    let user = || User {
        branch: Audience::Both,
        via: BTreeSet::from([Via::Sms]),
        away: Vec::new(),
    };
    let desk = Rota::new(Table {
        rota: DESK,
        time_zone: "UTC".into(),
        overlap: SignedDuration::ZERO,
        shifts: vec![Shift {
            days: Day::ALL.to_vec(),
            from: time(0, 0, 0, 0),
            to: time(12, 0, 0, 0),
            crew: Crew::Fixed(vec![MORNING]),
        }],
        holidays: BTreeSet::new(),
        holiday_shifts: Vec::new(),
        exceptions: Vec::new(),
    })
    .unwrap();
    Roster::new([desk], [(MORNING, user()), (CHIEF, user())])
}

/// Steps that call the desk or the chief, and wait so many seconds.
fn ladder(steps: &[(bool, i64)], laps: u32) -> Ladder {
    Ladder {
        ladder: Uuid::from_u128(60),
        revision: 3,
        steps: steps
            .iter()
            .map(|(desk, wait)| Step {
                call: if *desk { Callee::Rota(DESK) } else { Callee::User(CHIEF) },
                via: vec![Via::Sms],
                wait: SignedDuration::from_secs(*wait),
            })
            .collect(),
        laps,
        delay: SignedDuration::ZERO,
    }
}

fn ladders() -> impl Strategy<Value = Ladder> {
    (prop::collection::vec((any::<bool>(), 10_i64..900), 1..6), 1_u32..4).prop_map(|(steps, laps)| ladder(&steps, laps))
}

/// What must happen, worked out by hand: (second, lap, step, somebody to call), and the second of failure.
fn expected(ladder: &Ladder, start: i64) -> (Vec<(i64, u32, u32, bool)>, i64) {
    let mut all = Vec::new();
    let mut now = start;
    for lap in 0..ladder.laps {
        let mut called = false;
        for (n, step) in (0..).zip(&ladder.steps) {
            let somebody = step.call == Callee::User(CHIEF) || now < NOON;
            all.push((now, lap, n, somebody));
            called |= somebody;
            now += if somebody { step.wait.as_secs() } else { 0 };
        }
        if !called {
            break;
        }
    }
    (all, now)
}

/// What the case database would hold.
struct Store {
    progress: Progress,
    version: u64,
    /// Step: when it was due, when it was queued, whether it is known as sent.
    outbox: BTreeMap<Key, (Timestamp, Timestamp, bool)>,
    empty: Vec<(Key, Timestamp)>,
    failures: Vec<Failure>,
}

impl Store {
    fn at_rest(&self, now: Timestamp) -> bool {
        self.progress.deadline().is_none_or(|due| due > now) && self.outbox.values().all(|message| message.2)
    }
}

/// Where a worker stands; all of it is lost when it dies.
enum Worker {
    Idle,
    Read(u64, Progress),
    Planned(u64, Due),
    Sending(Key),
    Sent(Key),
}

struct World {
    run: Run,
    ladder: Ladder,
    roster: Roster,
    store: Store,
    workers: [Worker; 2],
    /// What the provider has taken, by key, with the time; and how often it was asked.
    provider: BTreeMap<Key, Timestamp>,
    asked: u64,
    random: u64,
}

impl World {
    fn new(ladder: Ladder, start: i64, seed: u64) -> Self {
        let run = Run {
            incident: INCIDENT,
            ladder: ladder.ladder,
            revision: ladder.revision,
            round: 0,
            audience: Audience::Both,
            endless: false,
        };
        Self {
            run,
            ladder,
            roster: roster(),
            store: Store {
                progress: Progress::begin(at(start)),
                version: 0,
                outbox: BTreeMap::new(),
                empty: Vec::new(),
                failures: Vec::new(),
            },
            workers: [Worker::Idle, Worker::Idle],
            provider: BTreeMap::new(),
            asked: 0,
            random: seed,
        }
    }

    /// Splitmix: the same seed, the same story.
    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    /// One of the workers does one thing, or dies before it.
    fn tick(&mut self, now: Timestamp) {
        let which = usize::try_from(self.below(2)).unwrap();
        let dies = self.below(5) == 0;
        let worker = std::mem::replace(&mut self.workers[which], Worker::Idle);
        if dies {
            return;
        }
        self.workers[which] = match worker {
            Worker::Idle if self.store.progress.deadline().is_some_and(|due| due <= now) => {
                Worker::Read(self.store.version, self.store.progress)
            }
            Worker::Idle => {
                let waiting = self.store.outbox.iter().find(|(_, message)| !message.2);
                waiting.map_or(Worker::Idle, |(key, _)| Worker::Sending(*key))
            }
            Worker::Read(version, progress) => {
                Worker::Planned(version, due(&self.run, &self.ladder, &self.roster, progress, now))
            }
            Worker::Planned(version, due) => {
                self.commit(version, due, now);
                Worker::Idle
            }
            Worker::Sending(key) => {
                self.asked += 1;
                self.provider.entry(key).or_insert(now);
                Worker::Sent(key)
            }
            Worker::Sent(key) => {
                self.store.outbox.get_mut(&key).unwrap().2 = true;
                Worker::Idle
            }
        };
    }

    /// The transaction: compare-and-set, then all of it.
    fn commit(&mut self, version: u64, due: Due, now: Timestamp) {
        if version != self.store.version {
            return;
        }
        self.store.version += 1;
        self.store.progress = due.progress;
        for deed in due.deeds {
            match deed {
                Deed::Call(call) => {
                    let before = self.store.outbox.insert(call.key, (call.due, now, false));
                    assert!(before.is_none(), "a step twice: {}", call.key);
                    assert!(!call.to.is_empty());
                }
                Deed::Nobody { key, due } => self.store.empty.push((key, due)),
                Deed::Fail(failure) => self.store.failures.push(failure),
            }
        }
    }

    /// The workers go on until nothing is left to do at this instant.
    fn settle(&mut self, now: Timestamp) {
        for _ in 0..100_000 {
            if self.store.at_rest(now) {
                return;
            }
            self.tick(now);
        }
        panic!("the workers do not come to rest");
    }

    fn check(&self, start: i64, held_up: impl Fn(Timestamp) -> Timestamp) {
        let (steps, failed) = expected(&self.ladder, start);
        let called: Vec<_> = steps
            .iter()
            .filter(|step| step.3)
            .map(|step| (step.1, step.2, at(step.0)))
            .collect();
        let outbox: Vec<_> = self
            .store
            .outbox
            .iter()
            .map(|(key, message)| (key.lap, key.step, message.0))
            .collect();
        assert_eq!(outbox, called, "every step, once, due at its time");
        let empty: Vec<_> = steps
            .iter()
            .filter(|step| !step.3)
            .map(|step| (step.1, step.2, at(step.0)))
            .collect();
        let written: Vec<_> = self
            .store
            .empty
            .iter()
            .map(|(key, due)| (key.lap, key.step, *due))
            .collect();
        assert_eq!(written, empty);
        for (key, (due, queued, sent)) in &self.store.outbox {
            assert!(sent);
            assert_eq!(*queued, held_up(*due), "{key}");
            assert_eq!(self.provider.get(key), Some(queued));
        }
        assert_eq!(
            self.provider.len(),
            self.store.outbox.len(),
            "nothing that was not queued"
        );
        assert!(self.asked >= u64::try_from(self.provider.len()).unwrap());
        let failures: Vec<_> = self
            .store
            .failures
            .iter()
            .map(|failure| (failure.at, failure.severity))
            .collect();
        assert_eq!(
            failures,
            [(at(failed), Severity::P1)],
            "a failed escalation is an incident, once"
        );
        assert_eq!(self.store.failures[0].grouping_key, format!("escalation:{INCIDENT}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nobody_answers_for_an_hour(ladder in ladders(), before_noon in -600_i64..2400, seed: u64) {
        let start = NOON - before_noon;
        let end = expected(&ladder, start).1.max(start + 3600);
        let mut world = World::new(ladder, start, seed);
        for second in start..=end {
            // Somebody looks at every second; most of the time there is nothing to do.
            world.tick(at(second));
            world.settle(at(second));
        }
        world.check(start, |due| due);
    }

    /// While no worker lives, nothing is sent; when one is back, all that was due is, and what follows keeps to the plan.
    #[test]
    fn nothing_is_skipped_by_an_outage(
        ladder in ladders(),
        before_noon in 0_i64..2400,
        outage in (0_i64..1800, 1_i64..3600),
        seed: u64,
    ) {
        let start = NOON - before_noon;
        let (from, to) = (start + outage.0, start + outage.0 + outage.1);
        let end = expected(&ladder, start).1.max(to);
        let mut world = World::new(ladder, start, seed);
        for second in start..=end {
            if second < from || second >= to {
                world.settle(at(second));
            } else {
                world.workers = [Worker::Idle, Worker::Idle];
            }
        }
        world.check(start, |due| if due >= at(from) && due < at(to) { at(to) } else { due });
    }

    /// The whole of it: somebody acknowledges and forgets, it becomes worse, it is closed and begins again.
    #[test]
    fn a_ladder_follows_its_incident(
        ladder in ladders(),
        acts in prop::collection::vec((1_i64..900, 0_usize..7), 0..12),
    ) {
        let roster = roster();
        let start = NOON - 1800;
        let onset = |severity| Onset { event: INCIDENT, severity, audience: Audience::Both, ongoing: true, by_hand: false };
        let (mut course, _) = Course::raise(INCIDENT, onset(Severity::P3), at(start));
        let mut run = Run::begin(&course, &ladder, false);
        let mut calls: BTreeMap<Key, Timestamp> = BTreeMap::new();
        let mut rounds = vec![start];
        let mut ends: Vec<i64> = Vec::new();
        let mut when = start;
        let mut acts: Vec<(i64, usize)> = acts.into_iter().map(|(wait, act)| { when += wait; (when, act) }).collect();
        acts.reverse();
        for second in start..=(start + 9000) {
            let now = at(second);
            let mut changes: Vec<Change> = course.clock(now).into_iter().collect();
            if let Some((_, act)) = acts.pop_if(|(when, _)| *when == second) {
                let expires = at(second + 300);
                changes.push(match act {
                    0 | 1 => Change::Acknowledge { user: CHIEF, expires },
                    2 => Change::StartAction { user: CHIEF, expires },
                    3 => Change::Fold { onset: onset(Severity::P2) },
                    4 => Change::Close { user: CHIEF, code: homeward_alerts_core::ClosingCode::WarningGiven, note: String::new() },
                    5 => Change::Reopen { onset: onset(Severity::P3) },
                    _ => Change::Suspend { user: CHIEF, authority: "court 3".into(), reason: "hearing".into(), until: expires },
                });
            }
            // People are first in the same second: who answers is not called.
            for change in changes {
                let (round, called) = (course.round(), course.calls());
                if let Ok(Applied::Changed { course: after, .. }) = course.apply(change, now) {
                    course = *after;
                }
                if called && (!course.calls() || course.round() != round) {
                    ends.push(second);
                }
                if course.round() != round {
                    rounds.push(second);
                    run = Run::begin(&course, &ladder, false);
                }
            }
            if let (true, Some((run, progress))) = (course.calls(), &mut run) {
                let out = due(run, &ladder, &roster, *progress, now);
                *progress = out.progress;
                for deed in out.deeds {
                    if let Deed::Call(call) = deed {
                        prop_assert_eq!(call.due, now);
                        prop_assert!(calls.insert(call.key, now).is_none(), "twice: {}", call.key);
                        match course.apply(call.change(), now) {
                            Ok(Applied::Changed { course: after, .. }) => course = *after,
                            Ok(Applied::Unchanged) => prop_assert_eq!((call.key.lap, call.key.step), (0, 0)),
                            Err(refusal) => prop_assert!(false, "{}", refusal),
                        }
                    }
                }
            }
            prop_assert!(matches!(course.phase(), Phase::Raised | Phase::Notified) || course.escalated().is_none());
        }
        // Of each round all that was due before it ended, and nothing else.
        ends.push(start + 9001);
        let mut wanted = BTreeMap::new();
        for (n, (begun, ended)) in (0_u32..).zip(rounds.iter().zip(&ends)) {
            for (second, lap, step, somebody) in expected(&ladder, *begun).0 {
                if somebody && second < *ended {
                    let key = Key { incident: INCIDENT, ladder: ladder.ladder, revision: ladder.revision, round: n, lap, step };
                    wanted.insert(key, at(second));
                }
            }
        }
        prop_assert_eq!(calls, wanted);
    }
}

#[test]
fn a_failed_escalation_is_climbed_until_somebody_comes() {
    let (ladder, roster) = (ladder(&[(true, 60), (false, 120)], 1), roster());
    let start = NOON - 3600;
    let run = Run {
        incident: INCIDENT,
        ladder: ladder.ladder,
        revision: ladder.revision,
        round: 0,
        audience: Audience::Both,
        endless: true,
    };
    let mut progress = Progress::begin(at(start));
    for lap in 0..10_i64 {
        for (second, count) in [(0, 1), (59, 0), (60, 1), (179, 0)] {
            let out = due(&run, &ladder, &roster, progress, at(start + lap * 180 + second));
            assert_eq!(out.deeds.len(), count);
            progress = out.progress;
        }
    }
    // After a day without workers it does not call for each of 480 laps, but for one.
    let out = due(&run, &ladder, &roster, progress, at(start + 86_400));
    assert!((2..=5).contains(&out.deeds.len()), "{}", out.deeds.len());

    // Nobody on duty at all: it looks again every minute.
    let empty = super::simulation::ladder(&[(true, 60)], 1);
    let out = due(&run, &empty, &roster, Progress::begin(at(NOON)), at(NOON));
    assert_eq!(out.progress.deadline(), at(NOON).checked_add(EMPTY_LAP).ok());
    let run = Run { endless: false, ..run };
    let out = due(&run, &empty, &roster, Progress::begin(at(NOON)), at(NOON));
    assert!(
        matches!(out.deeds.as_slice(), [Deed::Nobody { .. }, Deed::Fail(_)]),
        "at once, not after its laps"
    );
}

#[test]
fn a_late_worker_calls_who_is_on_duty_now() {
    let roster = Roster::new(
        [Rota::new(Table {
            rota: DESK,
            time_zone: "UTC".into(),
            overlap: SignedDuration::ZERO,
            shifts: vec![(0, 12, MORNING), (12, 18, CHIEF)]
                .into_iter()
                .map(|(from, to, who)| Shift {
                    days: Day::ALL.to_vec(),
                    from: time(from, 0, 0, 0),
                    to: time(to, 0, 0, 0),
                    crew: Crew::Fixed(vec![who]),
                })
                .collect(),
            holidays: BTreeSet::new(),
            holiday_shifts: Vec::new(),
            exceptions: Vec::new(),
        })
        .unwrap()],
        [MORNING, CHIEF].map(|user| {
            let via = BTreeSet::from([Via::Sms]);
            (
                user,
                User {
                    branch: Audience::Both,
                    via,
                    away: Vec::new(),
                },
            )
        }),
    );
    let ladder = ladder(&[(true, 60)], 1);
    let run = World::new(ladder.clone(), NOON, 0).run;
    let called = |now| {
        let out = due(&run, &ladder, &roster, Progress::begin(at(NOON - 10)), at(now));
        let Deed::Call(call) = &out.deeds[0] else { panic!() };
        assert_eq!(call.due, at(NOON - 10));
        call.to[0].user
    };
    assert_eq!(called(NOON - 10), MORNING);
    assert_eq!(called(NOON + 30), CHIEF, "the morning has gone home");
    assert_eq!(
        called(NOON + 7 * 3600),
        MORNING,
        "nobody is there now: who should have been called"
    );
}
