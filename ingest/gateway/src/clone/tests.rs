use proptest::prelude::*;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn from(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn spot(seconds: i64, north_km: f64) -> Spot {
    Spot {
        at: at(seconds),
        latitude: 30.0 + north_km / 111.2,
        longitude: 120.0,
    }
}

#[test]
fn a_device_that_comes_back_over_a_new_connection_is_not_suspected() {
    let mut watch = Watch::default();
    // Every minute for four hours, a new connection from another address every ten minutes; the packet before the change is late.
    for minute in 0..240_i64 {
        let session = u64::try_from(minute / 10).unwrap();
        let address = from(u8::try_from(session % 3).unwrap());
        assert_eq!(
            watch.heard(session, address, Some(spot(minute * 60, 0.5)), at(minute * 60)),
            None
        );
    }
    let mut watch = Watch::default();
    for (session, second) in [(1, 0), (1, 60), (2, 120), (1, 121), (2, 180), (2, 240)] {
        assert_eq!(
            watch.heard(session, from(u8::try_from(session).unwrap()), None, at(second)),
            None
        );
    }
    assert!(!watch.is_suspected(at(300)));
}

#[test]
fn two_that_speak_in_turn_are_suspected() {
    let mut watch = Watch::default();
    let mut raised = Vec::new();
    for turn in 0..10_i64 {
        for session in [1_u64, 2] {
            let address = from(u8::try_from(session).unwrap());
            let now = at(turn * 60 + i64::try_from(session).unwrap());
            raised.extend(
                watch
                    .heard(session, address, None, now)
                    .map(|sign| (turn, session, sign)),
            );
        }
    }
    assert_eq!(
        raised,
        [(2, 1, Sign::Turn)],
        "told once, when the first speaks again for the second time"
    );
    assert!(watch.is_suspected(at(600)) && watch.is_suspected(at(541 + 1_799)));
    assert!(!watch.is_suspected(at(541 + 1_801)));
}

#[test]
fn behind_one_address_only_places_tell() {
    let mut watch = Watch::default();
    for turn in 0..10_i64 {
        for session in [1, 2] {
            assert_eq!(
                watch.heard(session, from(1), Some(spot(turn * 60, 0.0)), at(turn * 60)),
                None
            );
        }
    }
    let one = watch.heard(2, from(1), Some(spot(600, 10.0)), at(600));
    assert_eq!(one, None, "one fix may be wrong");
    assert_eq!(watch.heard(1, from(1), Some(spot(601, 0.0)), at(601)), Some(Sign::Jump));
}

#[test]
fn a_jump_with_a_turn_is_enough() {
    let mut watch = Watch::default();
    assert_eq!(watch.heard(1, from(1), Some(spot(0, 0.0)), at(0)), None);
    assert_eq!(watch.heard(2, from(2), Some(spot(60, 100.0)), at(60)), None);
    assert!(watch.heard(1, from(1), Some(spot(120, 0.0)), at(120)).is_some());
}

#[test]
fn what_can_be_travelled_is_no_jump() {
    assert!(!spot(0, 0.0).contradicts(spot(0, 0.9)));
    assert!(spot(0, 0.0).contradicts(spot(0, 1.1)));
    assert!(!spot(0, 0.0).contradicts(spot(3_600, 390.0)));
    assert!(spot(3_600, 410.0).contradicts(spot(0, 0.0)));
    // Stored reports of the morning, sent over a new connection at noon.
    let mut watch = Watch::default();
    watch.heard(1, from(1), Some(spot(40_000, 60.0)), at(40_000));
    for n in 0..100 {
        assert_eq!(
            watch.heard(2, from(2), Some(spot(n * 300, 0.0)), at(40_100 + n)),
            None,
            "{n}"
        );
    }
}

#[test]
fn two_that_displace_each_other_at_once_are_suspected() {
    let mut watch = Watch::default();
    let mut raised = None;
    for n in 0..12_u64 {
        let now = at(i64::try_from(n).unwrap() * 30);
        let sign = watch.enter(n, from(u8::try_from(n % 2).unwrap()), true, now);
        raised = raised.or(sign.map(|sign| (n, sign)));
        assert_eq!(watch.heard(n, from(u8::try_from(n % 2).unwrap()), None, now), None);
    }
    assert_eq!(raised, Some((5, Sign::Return)));
    // A device between two networks takes its time.
    let mut watch = Watch::default();
    for n in 0..12_u64 {
        let now = at(i64::try_from(n).unwrap() * 200);
        assert_eq!(watch.enter(n, from(u8::try_from(n % 2).unwrap()), true, now), None);
    }
}

#[test]
fn the_registry_ends_what_is_dead_and_nothing_else() {
    let registry = Registry::default();
    let device = DeviceId::from_name("gt06");
    let voice = |session: u64| Voice {
        device,
        session,
        address: from(u8::try_from(session).unwrap()),
    };
    let ends: Vec<_> = (0..3).map(|_| CancellationToken::new()).collect();
    assert!(!registry.enter(voice(0), Rule::BothStay, &ends[0], at(0)));
    registry.heard(voice(0), None, at(0));
    assert!(!registry.enter(voice(1), Rule::BothStay, &ends[1], at(100)));
    registry.heard(voice(1), None, at(100));
    registry.sweep(at(250));
    assert!(!ends[0].is_cancelled());
    registry.sweep(at(301));
    assert!(ends[0].is_cancelled() && !ends[1].is_cancelled());
    registry.leave(device, 0);
    // One that proves itself ends all before it.
    assert!(registry.enter(voice(2), Rule::NewestWins, &ends[2], at(400)));
    assert!(ends[1].is_cancelled() && !ends[2].is_cancelled());
    registry.leave(device, 1);
    registry.leave(device, 2);
    registry.sweep(at(5_000));
    assert!(registry.lock().is_empty());
}

#[test]
fn open_sessions_of_one_name_are_bounded() {
    let registry = Registry::default();
    let ends: Vec<_> = (0..20).map(|_| CancellationToken::new()).collect();
    for (session, end) in (0..).zip(&ends) {
        let voice = Voice {
            device: DeviceId::from_name("gt06"),
            session,
            address: from(1),
        };
        registry.enter(voice, Rule::BothStay, end, at(0));
    }
    assert_eq!(ends.iter().filter(|end| !end.is_cancelled()).count(), SPEAKERS);
}

proptest! {
    /// One device, however often it connects anew, from wherever, and whatever it travels: as long as it speaks over its newest
    /// connection, it is not suspected.
    #[test]
    fn one_device_is_never_suspected(
        steps in prop::collection::vec((1_i64..600, any::<bool>(), 0_u8..4, 0.0..1.0_f64), 1..200),
    ) {
        let mut watch = Watch::default();
        let (mut now, mut session, mut address, mut north_km) = (0, 0, 0, 0.0);
        for (seconds, anew, new_address, part) in steps {
            now += seconds;
            if anew {
                session += 1;
                address = new_address;
            }
            north_km += part * seconds as f64 / 3_600.0 * 390.0;
            prop_assert_eq!(watch.heard(session, from(address), Some(spot(now, north_km)), at(now)), None);
        }
    }

    /// Two devices that both speak at least every five minutes are found, in whatever order they speak.
    #[test]
    fn two_devices_are_always_found(order in prop::collection::vec((any::<bool>(), 1_i64..60), 60)) {
        let mut watch = Watch::default();
        let mut now = 0;
        let mut changes = 0;
        let mut before = None;
        for (first, seconds) in order {
            now += seconds;
            changes += i32::from(before.is_some_and(|before| before != first));
            before = Some(first);
            let session = u64::from(first);
            watch.heard(session, from(u8::from(first)), None, at(now));
        }
        prop_assume!(changes > 30);
        prop_assert!(watch.is_suspected(at(now)));
    }
}
