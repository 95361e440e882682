//! A strap that is cut, quiet and cut again is two violations, from the bytes that devices of each vendor's protocol send.

use bytes::Bytes;
use codec::{
    Profiles, Protocol, eelink, gt06,
    jt808::{self, Variant},
    normalize, teltonika,
};
use homeward_sim::{check, scenario::Scenario};
use jiff::{Timestamp, tz::TimeZone};
use proto::wire::{Alarm, Edge, EventKind, Strap};

use super::{
    ear::{self, Ear},
    world,
};

/// Reports while the strap is cut, the first time and the second.
const CUT: [std::ops::Range<u64>; 2] = [20..24, 60..63];
const REPORTS: u64 = 90;

/// A device that says at a time and a place whether its strap is cut, and nothing else of it.
type Says = Box<dyn FnMut(Timestamp, (f64, f64), bool) -> Bytes>;

/// Its log-in, and what it says.
fn device(protocol: Protocol) -> (Bytes, Says) {
    let alarms = |cut: bool| if cut { vec![Alarm::StrapTamper] } else { Vec::new() };
    match protocol {
        Protocol::Jt808 => {
            let mut terminal = jt808::terminal::Terminal::new("13900000001", Variant::V2019).unwrap();
            let log_in = terminal.authenticate(b"code");
            let says = move |time, (latitude, longitude), cut| {
                terminal.location(&jt808::terminal::Location {
                    alarms: alarms(cut),
                    ..jt808::terminal::Location::new(time, latitude, longitude)
                })
            };
            (log_in, Box::new(says))
        }
        Protocol::Gt06 => {
            let mut terminal = gt06::terminal::Terminal::new("490154203237518").unwrap();
            let log_in = terminal.log_in(1, 0);
            let says = move |time, (latitude, longitude), cut| {
                let location = gt06::terminal::Location {
                    alarms: alarms(cut),
                    ..gt06::terminal::Location::new(time, latitude, longitude)
                };
                terminal.location(&location).concat().into()
            };
            (log_in, Box::new(says))
        }
        Protocol::Eelink => {
            let mut terminal = eelink::terminal::Terminal::new("490154203237518").unwrap();
            let log_in = terminal.login().to_wire();
            let says = move |time, (latitude, longitude), cut| {
                let location = eelink::terminal::Location::new(time, latitude, longitude);
                // Removed; normal.
                let warning = location.warning(if cut { 0x25 } else { 0x00 });
                terminal.package(eelink::id::WARNING, warning).to_wire()
            };
            (log_in, Box::new(says))
        }
        // The protocol has no word for a strap: that of the profile.
        Protocol::Teltonika => {
            let mut tracker = teltonika::terminal::Terminal::new("490154203237518");
            let log_in = tracker.login();
            let says = move |time, (latitude, longitude), cut| {
                let location = teltonika::terminal::Location {
                    strap: if cut { Strap::Open } else { Strap::Closed },
                    satellites: Some(9),
                    ..teltonika::terminal::Location::new(time, latitude, longitude)
                };
                tracker.records(&[location])
            };
            (log_in, Box::new(says))
        }
        Protocol::Native => unreachable!("no vendor's"),
    }
}

#[test]
fn a_strap_that_is_cut_twice_is_two_violations_in_every_vendors_protocol() {
    let world = world(Scenario::Quiet, 3, 1, 5.0);
    let person = &world.people[0];
    for (protocol, profile) in [
        (Protocol::Jt808, "jt808"),
        (Protocol::Gt06, "gt06"),
        (Protocol::Eelink, "eelink"),
        (Protocol::Teltonika, "teltonika-wearable"),
    ] {
        let profile = Profiles::builtin().of_device(profile, protocol);
        let mut ear: Box<dyn Ear> = ear::meaning(protocol, profile);
        let (log_in, mut says) = device(protocol);
        ear.hear(&log_in, world.config.start);
        let mut log = Vec::new();
        for tick in 0..REPORTS {
            let sample = world.sample(person, tick).unwrap();
            let Some(position) = sample.position else { continue };
            let place = (
                f64::from(position.latitude_e7) / 1e7,
                f64::from(position.longitude_e7) / 1e7,
            );
            let cut = CUT.iter().any(|cut| cut.contains(&tick));
            let bytes = says(sample.fix_time, place, cut);
            for report in ear::reports(ear.hear(&bytes, sample.fix_time).0) {
                let (device, person) = (person.device_id, person.person_id);
                let record = normalize::report(protocol, device, person, sample.fix_time, &report).unwrap();
                log.push((sample.time_s + 0.3, record));
            }
        }
        assert!(log.len() >= 60, "{protocol}: {} reports", log.len());
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let events = check::fold(&world, &zone, 450.0, log);
        let told: Vec<_> = events
            .iter()
            .filter(|event| event.edge() == Edge::Onset)
            .map(proto::wire::Event::kind)
            .collect();
        assert_eq!(told, [EventKind::StrapTamper; 2], "{protocol}: {events:#?}");
    }
}
