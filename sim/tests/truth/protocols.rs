//! The same scenario through each of the five protocols gives the same incidents.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;
use codec::{Command, Message, Protocol, normalize};
use homeward_sim::{
    World, check,
    device::Sample,
    person::{Person, Speaks, time_at},
    scenario::Scenario,
    voice::{self, Said, Voice},
};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use prost::Message as _;
use proto::{PersonId, wire};

use super::{
    desk::{Incident, incidents},
    ear::{self, Ear},
    world,
};

/// From a fix to its place in the log, seconds.
const DELAY_S: f64 = 0.3;

/// When people have no network, seconds: their reports come afterwards, all at once, as stored ones. Somebody enters a zone meanwhile,
/// somebody's strap is cut, somebody calls for help; somebody of the crowd is away for so long that they count as silent.
const AWAY: [(u64, f64, f64); 5] = [
    (4, 40.0, 150.0),
    (8, 30.0, 120.0),
    (10, 100.0, 190.0),
    (15, 130.0, 260.0),
    (20, 50.0, 500.0),
];

/// What a person's device sends, and when.
struct Upload {
    sent_s: f64,
    samples: Vec<Sample>,
    stored: bool,
}

fn uploads(world: &World, person: &Person, seconds: f64) -> Vec<Upload> {
    let mut all: Vec<Upload> = Vec::new();
    let mut held = Vec::new();
    let away = AWAY.iter().find(|(index, ..)| *index == person.index);
    for tick in 0..world.ticks_until(seconds) {
        let sent_s = world.report_time_s(person, tick) + DELAY_S;
        let Some(sample) = world.sample(person, tick) else {
            continue;
        };
        if away.is_some_and(|(_, from_s, until_s)| (*from_s..*until_s).contains(&sent_s)) {
            held.push(sample);
            continue;
        }
        if !held.is_empty() {
            all.push(Upload {
                sent_s: sent_s - 0.1,
                samples: std::mem::take(&mut held),
                stored: true,
            });
        }
        all.push(Upload {
            sent_s,
            samples: vec![sample],
            stored: false,
        });
    }
    all
}

/// Both ends of a line.
struct Line {
    voice: Box<dyn Voice>,
    ear: Box<dyn Ear>,
    inbox: BytesMut,
    /// So many bytes arrive at a time; of datagrams all.
    piece: usize,
}

impl Line {
    fn new(person: &Person) -> Self {
        Self {
            voice: voice::of(person, b"secret", [3; 16]).unwrap(),
            ear: ear::of(person.speaks),
            inbox: BytesMut::new(),
            piece: 11,
        }
    }

    fn in_datagrams(person: &Person) -> Self {
        Self {
            voice: voice::in_datagrams(person).unwrap().unwrap(),
            ear: ear::of_datagrams(person.speaks).unwrap(),
            inbox: BytesMut::new(),
            piece: usize::MAX,
        }
    }

    /// Carries bytes to the gateway in pieces of any size, and its answers back; what the gateway took and what the device was told.
    fn carry(&mut self, bytes: &[u8], now: jiff::Timestamp) -> (Vec<Message>, Vec<Said>) {
        let mut messages = Vec::new();
        for piece in bytes.chunks(self.piece) {
            let (more, answer) = self.ear.hear(piece, now);
            messages.extend(more);
            self.inbox.extend_from_slice(&answer);
        }
        (messages, self.told())
    }

    fn told(&mut self) -> Vec<Said> {
        std::iter::from_fn(|| self.voice.hear(&mut self.inbox).unwrap()).collect()
    }

    fn sign_in(&mut self, now: jiff::Timestamp) {
        let mut bytes = self.voice.sign_in();
        for _ in 0..4 {
            match self.carry(&bytes, now).1.pop() {
                Some(Said::Next(next)) => bytes = next,
                Some(Said::Welcome) => return,
                other => panic!("{other:?}"),
            }
        }
        panic!("no welcome");
    }
}

/// What the gateway appends of a world, with when.
fn records(world: &World, seconds: f64, line: fn(&Person) -> Line) -> Vec<(f64, wire::Report)> {
    let mut log = Vec::new();
    for person in &world.people {
        let mut line = line(person);
        line.sign_in(world.config.start);
        for upload in uploads(world, person, seconds) {
            let received_at = time_at(world.config.start, upload.sent_s);
            let bytes = line.voice.tell(&upload.samples, upload.stored);
            let (messages, told) = line.carry(&bytes, received_at);
            let done = |said: &Said| if let Said::Done(count) = said { *count } else { 0 };
            assert_eq!(told.iter().map(done).sum::<usize>(), upload.samples.len(), "{told:?}");
            for report in ear::reports(messages) {
                let (device, person_id) = (person.device_id, person.person_id);
                let record =
                    normalize::report(person.speaks.protocol(), device, person_id, received_at, &report).unwrap();
                // As it stands in the log.
                let record = wire::Report::decode(record.encode_to_vec().as_slice()).unwrap();
                log.push((upload.sent_s, record));
            }
        }
    }
    log
}

fn fold(world: &World, seconds: f64) -> (Vec<wire::Event>, Vec<Incident>) {
    fold_over(world, seconds, Line::new)
}

fn fold_over(world: &World, seconds: f64, line: fn(&Person) -> Line) -> (Vec<wire::Event>, Vec<Incident>) {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let events = check::fold(world, &zone, seconds, records(world, seconds, line));
    let incidents = incidents(&events);
    (events, incidents)
}

/// What events say, but for words and for which device it was.
fn told(events: &[wire::Event]) -> BTreeSet<Vec<u8>> {
    let say = |event: &wire::Event| {
        let said = wire::Event {
            device_id: Vec::new(),
            explanation: None,
            trace: None,
            ..event.clone()
        };
        said.encode_to_vec()
    };
    events.iter().map(say).collect()
}

#[test]
fn the_demo_is_the_same_in_every_protocol() {
    for seed in [2026, 7] {
        let mixed = world(Scenario::Demo, seed, 24, 5.0);
        let (_, expected) = fold(&mixed, 600.0);
        let kinds: BTreeSet<_> = expected
            .iter()
            .flat_map(|incident| &incident.violations)
            .map(|(kind, _)| *kind)
            .collect();
        let known: BTreeSet<_> = mixed
            .people
            .iter()
            .flat_map(|person| &person.violations)
            .map(|violation| proto::event::kind_name(violation.kind))
            .collect();
        assert_eq!(known.len(), 16);
        assert!(known.is_subset(&kinds), "seed {seed}: {kinds:?}");
        let mut first = None;
        for protocol in Protocol::ALL {
            let world = mixed.clone().speaking(protocol);
            assert!(world.people.iter().all(|person| person.speaks.protocol() == protocol));
            let (events, found) = fold(&world, 600.0);
            assert_eq!(found, expected, "seed {seed}: {protocol} (left), the mixture (right)");
            let told = told(&events);
            let first = first.get_or_insert_with(|| told.clone());
            assert_eq!(&told, first, "seed {seed}: {protocol} (left), native (right)");
        }
        for protocol in [Protocol::Teltonika, Protocol::Eelink] {
            let (events, found) = fold_over(&mixed.clone().speaking(protocol), 600.0, Line::in_datagrams);
            assert_eq!(
                found, expected,
                "seed {seed}: {protocol} in datagrams (left), the mixture (right)"
            );
            assert_eq!(
                Some(told(&events)),
                first,
                "seed {seed}: {protocol} in datagrams (left), native (right)"
            );
        }
    }
}

#[test]
fn what_is_rare_is_the_same_in_every_protocol() {
    let mixed = world(Scenario::Rare, 11, 8, 5.0);
    let (_, expected) = fold(&mixed, 420.0);
    assert!(expected.len() >= 6, "{expected:#?}");
    for protocol in Protocol::ALL {
        let (_, found) = fold(&mixed.clone().speaking(protocol), 420.0);
        assert_eq!(found, expected, "{protocol} (left), the mixture (right)");
    }
}

#[test]
fn the_soak_is_the_same_in_every_protocol() {
    let mixed = world(Scenario::Soak, 5, 32, 1.0);
    let (_, expected) = fold(&mixed, 90.0);
    assert!(expected.len() >= 20, "{expected:#?}");
    for protocol in Protocol::ALL {
        let (_, found) = fold(&mixed.clone().speaking(protocol), 90.0);
        assert_eq!(found, expected, "{protocol} (left), the mixture (right)");
    }
}

#[test]
fn a_quiet_town_is_quiet_in_every_protocol() {
    for protocol in Protocol::ALL {
        let world = world(Scenario::Quiet, 3, 8, 20.0).speaking(protocol);
        let (_, found) = fold(&world, 1_200.0);
        // The one of the crowd who is away in these tests is not in this town.
        let others: Vec<_> = found.iter().filter(|incident| incident.kind != "silence").collect();
        assert!(others.is_empty(), "{protocol}: {others:#?}");
    }
}

#[test]
fn devices_of_different_protocols_are_different_devices_of_the_same_people() {
    let mixed = world(Scenario::Demo, 2026, 24, 5.0);
    let spoken: BTreeSet<_> = mixed.people.iter().map(|person| person.speaks.protocol()).collect();
    assert_eq!(spoken, BTreeSet::from(Protocol::ALL), "the demo has devices of all");
    let mut devices: BTreeMap<_, (Protocol, PersonId)> = BTreeMap::new();
    for protocol in Protocol::ALL {
        for (person, before) in mixed.clone().speaking(protocol).people.iter().zip(&mixed.people) {
            assert_eq!(person.person_id, before.person_id);
            assert!(mixed.devices(before).any(|device| device == person.device_id));
            let owner = devices.insert(person.device_id, (protocol, person.person_id));
            assert_eq!(owner, None, "{}", person.identity);
        }
    }
}

/// Alarms that a device can raise.
const ALARMS: [wire::Alarm; 12] = [
    wire::Alarm::Sos,
    wire::Alarm::StrapTamper,
    wire::Alarm::CaseTamper,
    wire::Alarm::LowBattery,
    wire::Alarm::PowerOff,
    wire::Alarm::Jamming,
    wire::Alarm::Vibration,
    wire::Alarm::GnssFault,
    wire::Alarm::Shielding,
    wire::Alarm::Fall,
    wire::Alarm::Overspeed,
    wire::Alarm::Other,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_protocol_carries_what_a_device_says(
        tick in 0_u64..100, alarms in proptest::sample::subsequence(&ALARMS, 0..3), battery in 7_u32..=100,
        (strap_open, case_open, moving, fix, stored) in any::<(bool, bool, bool, bool, bool)>(),
    ) {
        let mixed = world(Scenario::Quiet, 4, 1, 5.0);
        let mut sample = mixed.sample(&mixed.people[0], tick).unwrap();
        sample.battery_percent = battery;
        // What is open is an alarm, and what raises that alarm is open.
        let strap_open = strap_open || alarms.contains(&wire::Alarm::StrapTamper);
        let case_open = case_open || alarms.contains(&wire::Alarm::CaseTamper);
        sample.strap = if strap_open { wire::Strap::Open } else { wire::Strap::Closed };
        sample.case = if case_open { wire::Case::Open } else { wire::Case::Closed };
        sample.motion = if moving { wire::Motion::Moving } else { wire::Motion::Still };
        sample.alarms.clone_from(&alarms);
        if !fix {
            sample.position = None;
        }
        for protocol in Protocol::ALL {
            let world = mixed.clone().speaking(protocol);
            let person = &world.people[0];
            let mut line = Line::new(person);
            line.sign_in(world.config.start);
            let bytes = line.voice.tell(std::slice::from_ref(&sample), stored);
            let (messages, _) = line.carry(&bytes, sample.fix_time);
            let reports = ear::reports(messages);
            // GT06 has one alarm a frame.
            prop_assert!(reports.len() == 1 || protocol == Protocol::Gt06, "{protocol}: {reports:?}");
            let mut said = BTreeSet::new();
            for report in &reports {
                let (device, person_id) = (person.device_id, person.person_id);
                let record = normalize::report(protocol, device, person_id, sample.fix_time, report).unwrap();
                prop_assert_eq!(record.fix_time_us, sample.fix_time.as_microsecond(), "{}", protocol);
                prop_assert_eq!(record.battery_percent, Some(battery), "{}", protocol);
                prop_assert_eq!(record.motion, sample.motion as i32, "{}", protocol);
                let position = record.position.filter(|position| position.valid);
                let place = |position: &wire::Position| {
                    (position.latitude_e7, position.longitude_e7, position.source, position.accuracy_m)
                };
                prop_assert_eq!(position.as_ref().map(place), sample.position.as_ref().map(place), "{}", protocol);
                let says_stored = matches!(protocol, Protocol::Native | Protocol::Jt808 | Protocol::Gt06);
                prop_assert_eq!(record.backfill, stored && says_stored, "{}", protocol);
                prop_assert!(strap_open || record.strap == sample.strap as i32, "{}", protocol);
                prop_assert!(case_open || record.case == sample.case as i32, "{}", protocol);
                said.extend(record.alarms.clone());
                said.extend((record.strap == wire::Strap::Open as i32).then_some(wire::Alarm::StrapTamper as i32));
                said.extend((record.case == wire::Case::Open as i32).then_some(wire::Alarm::CaseTamper as i32));
            }
            let mut expected: BTreeSet<_> = alarms.iter().map(|alarm| *alarm as i32).collect();
            expected.extend(strap_open.then_some(wire::Alarm::StrapTamper as i32));
            expected.extend(case_open.then_some(wire::Alarm::CaseTamper as i32));
            prop_assert_eq!(said, expected, "{}", protocol);
        }
    }
}

#[test]
fn every_device_understands_and_answers_commands() {
    let mixed = world(Scenario::Quiet, 4, 1, 5.0);
    let start = mixed.config.start;
    let commands = [
        Command::Locate,
        Command::Interval {
            seconds: 7,
            for_seconds: 0,
        },
        Command::Vibrate,
        Command::Text {
            text: "call back".to_owned(),
        },
    ];
    for speaks in Protocol::ALL.map(Speaks::of) {
        let world = mixed.clone().speaking(speaks.protocol());
        let person = &world.people[0];
        let here = world.sample(person, 3).unwrap();
        let mut line = Line::new(person);
        line.sign_in(start);
        for (reference, command) in (1..).zip(&commands) {
            for done in [true, false] {
                let wire = line.ear.command(command, reference, start);
                line.inbox.extend_from_slice(&wire);
                let asked = match line.told().pop() {
                    Some(Said::Command(asked)) => asked,
                    other => panic!("{speaks:?}, {command:?}: {other:?}"),
                };
                assert_eq!(asked.command.as_ref(), Some(command), "{speaks:?}");
                let answer = line.voice.answer(&asked, done, done.then_some(&here));
                let (messages, _) = line.carry(&answer, start);
                let answered = messages.iter().find_map(|message| match message {
                    Message::CommandAnswer { reference, done, .. } => Some((*reference, *done)),
                    _ => None,
                });
                let (named, said) = answered.unwrap_or_else(|| panic!("{speaks:?}, {command:?}: {messages:?}"));
                assert_eq!(named, Some(reference), "{speaks:?}, {command:?}");
                // Teltonika has no word for done that all models use.
                let expected = if speaks == Speaks::Teltonika && done {
                    None
                } else {
                    Some(done)
                };
                assert_eq!(said, expected, "{speaks:?}, {command:?}");
            }
        }
    }
}
