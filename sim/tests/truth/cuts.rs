//! Straps that are cut twice and buttons that are pressed twice, in the words of each vendor's protocol as its devices usually speak: what
//! the default profile makes of their frames, and the engine of that.

use bytes::{BufMut, Bytes, BytesMut};
use codec::{Profiles, Protocol, eelink, gt06, jt808, normalize, teltonika};
use engine::{Engine, Input};
use jiff::{SignedDuration, Timestamp};
use prost::Message as _;
use proto::{
    DeviceId, PersonId,
    wire::{self, Alarm, Edge, EventKind},
};

use super::ear::{self, Ear};

const IMEI: &str = "490154203237518";
const PLACE: (f64, f64) = (30.25, 120.16);

/// A terminal that says where it is, and now and then more.
trait Wearer {
    fn sign_in(&mut self) -> Bytes;

    /// A position, with an alarm where the device raises one.
    fn report(&mut self, at: Timestamp, alarm: Option<Alarm>) -> Bytes;
}

struct Jt808(jt808::terminal::Terminal);

impl Wearer for Jt808 {
    fn sign_in(&mut self) -> Bytes {
        self.0.heartbeat()
    }

    fn report(&mut self, at: Timestamp, alarm: Option<Alarm>) -> Bytes {
        self.0.location(&jt808::terminal::Location {
            alarms: alarm.into_iter().collect(),
            ..jt808::terminal::Location::new(at, PLACE.0, PLACE.1)
        })
    }
}

struct Teltonika(teltonika::terminal::Terminal);

impl Wearer for Teltonika {
    fn sign_in(&mut self) -> Bytes {
        self.0.login()
    }

    fn report(&mut self, at: Timestamp, alarm: Option<Alarm>) -> Bytes {
        self.0.records(&[teltonika::terminal::Location {
            satellites: Some(9),
            alarms: alarm.into_iter().collect(),
            ..teltonika::terminal::Location::new(at, PLACE.0, PLACE.1)
        }])
    }
}

struct Eelink(eelink::terminal::Terminal);

impl Wearer for Eelink {
    fn sign_in(&mut self) -> Bytes {
        self.0.login().to_wire()
    }

    /// A 0x12, and a 0x14 of the same second.
    fn report(&mut self, at: Timestamp, alarm: Option<Alarm>) -> Bytes {
        let location = eelink::terminal::Location::new(at, PLACE.0, PLACE.1);
        let alarms: Vec<Alarm> = alarm.into_iter().collect();
        let mut wire = BytesMut::new();
        for package in self.0.report(&location, &alarms) {
            package.write(&mut wire);
        }
        wire.freeze()
    }
}

struct Gt06(gt06::terminal::Terminal);

impl Gt06 {
    /// A heartbeat 0x13 with an alarm in bits 3 to 5 of the terminal information: 7 is "removed", 4 a call for help, 0 none.
    fn heartbeat(&mut self, alarm: u8) -> Bytes {
        self.0.frame(0x13, &[0x40 | alarm << 3, 100, 4, 0, 2])
    }

    /// A cell and the state, without a position: 0x19.
    fn cell_alarm(&mut self, code: u8) -> Bytes {
        self.0
            .frame(0x19, &[0x01, 0xcc, 0, 0x28, 0x7d, 0, 0x1f, 0x71, 0x40, 100, 4, code, 2])
    }
}

impl Wearer for Gt06 {
    fn sign_in(&mut self) -> Bytes {
        self.0.log_in(0x2013, 0)
    }

    /// A 0x26 for an alarm, else a 0x12, which has no place for any.
    fn report(&mut self, at: Timestamp, alarm: Option<Alarm>) -> Bytes {
        if alarm.is_some() {
            let location = gt06::terminal::Location {
                alarms: alarm.into_iter().collect(),
                ..gt06::terminal::Location::new(at, PLACE.0, PLACE.1)
            };
            return self.0.location(&location).concat().into();
        }
        let clock = at.to_zoned(jiff::tz::TimeZone::UTC);
        let mut content = BytesMut::new();
        content.put_u8(u8::try_from(clock.year() - 2_000).unwrap());
        for part in [clock.month(), clock.day(), clock.hour(), clock.minute(), clock.second()] {
            content.put_u8(part.unsigned_abs());
        }
        content.put_slice(&[0xc9, 0x03, 0x3e, 0xd7, 0x50, 0x0c, 0xe4, 0x4b, 0x00, 0, 0x15, 0x0e]);
        content.put_slice(&[0x01, 0xcc, 0, 0x28, 0x7d, 0, 0x1f, 0x71]);
        self.0.frame(0x12, &content)
    }
}

/// What was told of a device's frames.
struct Watch {
    protocol: Protocol,
    ear: Box<dyn Ear>,
    engine: Engine,
    events: Vec<wire::Event>,
}

impl Watch {
    fn new(protocol: Protocol, signed_in: &[u8]) -> Self {
        let mut watch = Self {
            protocol,
            ear: ear::meaning(protocol, Profiles::builtin().default_for(protocol)),
            engine: Engine::new(),
            events: Vec::new(),
        };
        let rules = wire::Rules {
            person_id: person().to_wire(),
            revision: 1,
            order_id: vec![9; 16],
            active: true,
            time_zone: "Asia/Shanghai".to_owned(),
            reporting_interval_s: 60,
            ..wire::Rules::default()
        };
        watch.engine.fold(at(0), Input::Rules(&rules), &mut watch.events);
        watch.hear(0, signed_in);
        watch
    }

    fn hear(&mut self, at_s: i64, bytes: &[u8]) {
        let received_at = at(at_s) + SignedDuration::from_millis(300);
        let (messages, _) = self.ear.hear(bytes, received_at);
        for report in ear::reports(messages) {
            let device = DeviceId::from_name(IMEI);
            let record = normalize::report(self.protocol, device, person(), received_at, &report).unwrap();
            let record = wire::Report::decode(record.encode_to_vec().as_slice()).unwrap();
            self.engine.fold(received_at, Input::Report(&record), &mut self.events);
        }
    }

    /// How often this began.
    fn count(&self, kind: EventKind) -> usize {
        let began = |event: &&wire::Event| event.kind() == kind && event.edge() == Edge::Onset;
        self.events.iter().filter(began).count()
    }
}

fn person() -> PersonId {
    PersonId::from_name("wu")
}

fn at(second: i64) -> Timestamp {
    "2026-08-17T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn wearers() -> Vec<(Protocol, Box<dyn Wearer>)> {
    vec![
        (
            Protocol::Jt808,
            Box::new(Jt808(
                jt808::terminal::Terminal::new("13800138000", jt808::Variant::V2013).unwrap(),
            )),
        ),
        (
            Protocol::Teltonika,
            Box::new(Teltonika(teltonika::terminal::Terminal::new(IMEI))),
        ),
        (
            Protocol::Eelink,
            Box::new(Eelink(eelink::terminal::Terminal::new(IMEI).unwrap())),
        ),
        (Protocol::Gt06, Box::new(gt06())),
    ]
}

fn gt06() -> Gt06 {
    Gt06(gt06::terminal::Terminal::new(IMEI).unwrap())
}

const SORTS: [(Alarm, EventKind); 3] = [
    (Alarm::StrapTamper, EventKind::StrapTamper),
    (Alarm::CaseTamper, EventKind::CaseTamper),
    (Alarm::Sos, EventKind::Sos),
];

#[test]
fn once_quiet_and_once_more_is_twice_in_every_vendors_protocol() {
    for (alarm, kind) in SORTS {
        for (protocol, mut wearer) in wearers() {
            // Eelink has no word for the case.
            if (protocol, alarm) == (Protocol::Eelink, Alarm::CaseTamper) {
                continue;
            }
            let mut watch = Watch::new(protocol, &wearer.sign_in());
            for (second, raised) in [
                (10, None),
                (40, Some(alarm)),
                (70, Some(alarm)),
                (100, None),
                (130, None),
                (160, Some(alarm)),
                (190, None),
            ] {
                let bytes = wearer.report(at(second), raised);
                watch.hear(second, &bytes);
            }
            assert_eq!(watch.count(kind), 2, "{protocol} {alarm:?}");
        }
    }
}

#[test]
fn what_is_said_in_every_report_for_hours_is_once() {
    for (alarm, kind) in SORTS {
        for (protocol, mut wearer) in wearers() {
            if (protocol, alarm) == (Protocol::Eelink, Alarm::CaseTamper) {
                continue;
            }
            let mut watch = Watch::new(protocol, &wearer.sign_in());
            for minute in 1..120 {
                let bytes = wearer.report(at(60 * minute), Some(alarm));
                watch.hear(60 * minute, &bytes);
            }
            assert_eq!(watch.count(kind), 1, "{protocol} {alarm:?}");
        }
    }
}

/// GT06's positions have no place for an alarm; its heartbeats say how things stand.
#[test]
fn what_stands_in_every_heartbeat_is_once_and_when_it_has_passed_once_more() {
    for (code, alarm, kind) in [
        (7, Alarm::StrapTamper, EventKind::StrapTamper),
        (4, Alarm::Sos, EventKind::Sos),
    ] {
        for by_alarm in [true, false] {
            let mut wearer = gt06();
            let mut watch = Watch::new(Protocol::Gt06, &wearer.sign_in());
            watch.hear(5, &wearer.heartbeat(0));
            if by_alarm {
                let bytes = wearer.report(at(10), Some(alarm));
                watch.hear(10, &bytes);
            }
            for minute in 1..60 {
                let bytes = wearer.report(at(60 * minute), None);
                watch.hear(60 * minute, &bytes);
                if minute % 3 == 0 {
                    watch.hear(60 * minute + 20, &wearer.heartbeat(code));
                }
            }
            assert_eq!(watch.count(kind), 1, "{alarm:?}");
            // Another alarm in its place says nothing of it; none at all says that it has passed.
            watch.hear(3_600, &wearer.heartbeat(3));
            watch.hear(3_660, &wearer.heartbeat(code));
            assert_eq!(watch.count(kind), 1, "{alarm:?}");
            watch.hear(3_840, &wearer.heartbeat(0));
            watch.hear(4_020, &wearer.heartbeat(code));
            assert_eq!(watch.count(kind), 2, "{alarm:?}");
            // Raised by itself after a position, with or without one of its own.
            let bytes = wearer.report(at(4_080), None);
            watch.hear(4_080, &bytes);
            let raised = if alarm == Alarm::Sos { 0x01 } else { 0x18 };
            watch.hear(4_100, &wearer.cell_alarm(raised));
            assert_eq!(watch.count(kind), 3, "{alarm:?}");
        }
    }
}
