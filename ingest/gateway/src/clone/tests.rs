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

/// A report of now, from there.
fn there(seconds: i64, north_km: f64) -> Said {
    Said {
        made: Some(at(seconds)),
        spot: Some(spot(seconds, north_km)),
    }
}

/// A report of now without a position.
fn made(seconds: i64) -> Said {
    Said {
        made: Some(at(seconds)),
        spot: None,
    }
}

/// A heartbeat.
const ALIVE: Said = Said { made: None, spot: None };

/// What is raised when so much is heard, from one address: session, when, what.
fn raised(watch: &mut Watch, heard: impl IntoIterator<Item = (u64, i64, Said)>) -> Vec<(u64, i64, Sign)> {
    let mut raised = Vec::new();
    for (session, second, said) in heard {
        let sign = watch.heard(session, from(1), said, at(second));
        raised.extend(sign.map(|sign| (session, second, sign)));
    }
    raised
}

#[test]
fn a_device_that_comes_back_over_a_new_connection_is_not_suspected() {
    let mut watch = Watch::default();
    // Every minute for four hours, a new connection from another address every ten minutes.
    for minute in 0..240_i64 {
        let session = u64::try_from(minute / 10).unwrap();
        let address = from(u8::try_from(session % 3).unwrap());
        assert_eq!(
            watch.heard(session, address, there(minute * 60, 0.5), at(minute * 60)),
            None
        );
    }
    // The packet before the change is late.
    let mut watch = Watch::default();
    for (session, second) in [(1, 0), (1, 60), (2, 120), (1, 121), (2, 180), (2, 240)] {
        assert_eq!(
            watch.heard(session, from(u8::try_from(session).unwrap()), ALIVE, at(second)),
            None
        );
    }
    assert!(!watch.is_suspected(at(300)));
}

#[test]
fn two_that_speak_in_turn_are_suspected_wherever_they_are() {
    for apart in [0, 1] {
        let mut watch = Watch::default();
        let mut raised = Vec::new();
        for turn in 0..10_i64 {
            for session in [1_u64, 2] {
                let address = from(u8::try_from(session).unwrap() * apart);
                let now = turn * 60 + i64::try_from(session).unwrap();
                let sign = watch.heard(session, address, made(now), at(now));
                raised.extend(sign.map(|sign| (turn, session, sign)));
            }
        }
        assert_eq!(
            raised,
            [(3, 1, Sign::Turn)],
            "told once, when the first goes on for the third time"
        );
        assert!(watch.is_suspected(at(600)) && watch.is_suspected(at(541 + 1_799)));
        assert!(!watch.is_suspected(at(541 + 1_801)));
    }
}

#[test]
fn two_that_speak_fast_are_suspected_by_what_they_say() {
    let mut watch = Watch::default();
    let fast = (0..8_u64).map(|n| (1 + n % 2, 0, made(0)));
    assert_eq!(raised(&mut watch, fast), [(1, 0, Sign::Turn)]);
}

#[test]
fn what_lay_unread_in_the_old_connection_is_no_turn() {
    // The stream was away for ten minutes; the device came back from elsewhere after two. Both connections are then read at once,
    // what the first still held and what the second has, reports and signs of life.
    let mut watch = Watch::default();
    watch.heard(1, from(1), there(0, 0.0), at(0));
    watch.heard(2, from(2), made(120), at(120));
    for n in 0..60 {
        let (old, new) = (10 + n, 121 + n * 8);
        assert_eq!(watch.heard(1, from(1), ALIVE, at(600)), None, "{n}");
        assert_eq!(watch.heard(1, from(1), there(old, 0.0), at(600)), None, "{n}");
        assert_eq!(watch.heard(2, from(2), there(new, 0.5), at(600)), None, "{n}");
    }
    assert!(!watch.is_suspected(at(600)));
}

#[test]
fn signs_of_life_in_turn_tell_when_they_go_on_for_long() {
    let mut watch = Watch::default();
    let heard = (0..40_i64).map(|n| (1 + u64::try_from(n % 2).unwrap(), n * 10, ALIVE));
    let raised = raised(&mut watch, heard);
    assert!(
        matches!(raised[..], [(1, 120..=160, Sign::Turn)]),
        "a minute after the second came, three times, half a minute apart: {raised:?}"
    );
}

#[test]
fn datagrams_from_many_addresses_are_one_device_until_their_places_differ() {
    let [a, b] = ["10.0.0.1:4000", "10.0.0.1:4001"].map(|remote| number(remote.parse().unwrap()));
    assert_ne!(a, b);
    let voice = |n: i64| if n % 2 == 0 { a } else { b };
    let mut watch = Watch::default();
    let heard = (0..100).map(|n| (voice(n), n * 10, there(n * 10, 0.0)));
    assert_eq!(raised(&mut watch, heard), []);
    // One wrong fix.
    let heard = (100..140).map(|n| (voice(n), n * 10, there(n * 10, if n == 120 { 50.0 } else { 0.0 })));
    assert_eq!(raised(&mut watch, heard), []);
    // Another device, a thousand kilometres off, behind the same address.
    let heard = (140..150).map(|n| (voice(n), n * 10, there(n * 10, if n % 2 == 0 { 1_000.0 } else { 0.0 })));
    assert_eq!(raised(&mut watch, heard).len(), 1);
}

#[test]
fn a_wrong_fix_before_a_new_connection_is_one_jump() {
    let mut watch = Watch::default();
    let mut heard = vec![(1, 0, there(0, 0.0)), (1, 60, there(60, 30.0))];
    // Each new connection disagrees with it, and so does every fix.
    heard.extend((2..14_i64).map(|minute| {
        let session = u64::try_from(2 + minute / 3).unwrap();
        (session, minute * 60, there(minute * 60, 0.0))
    }));
    assert_eq!(raised(&mut watch, heard), []);
}

#[test]
fn places_tell_at_once() {
    let mut watch = Watch::default();
    // The clocks of both stand still: only where they are tells.
    let at_once = |session: u64, north_km| {
        let spot = Some(spot(0, north_km));
        (session, 100, Said { made: None, spot })
    };
    let heard = [at_once(1, 0.0), at_once(2, 10.0), at_once(1, 0.0)];
    assert_eq!(raised(&mut watch, heard), [], "one fix may be wrong");
    assert_eq!(raised(&mut watch, [at_once(2, 10.0)]), [(2, 100, Sign::Jump)]);
}

#[test]
fn a_jump_with_a_turn_is_enough() {
    let mut watch = Watch::default();
    let heard = [
        (1, 0, there(0, 0.0)),
        (2, 60, there(60, 100.0)),
        (1, 120, there(120, 0.0)),
    ];
    assert_eq!(raised(&mut watch, heard), [(1, 120, Sign::Turn)]);
}

#[test]
fn what_can_be_travelled_is_no_jump() {
    assert!(!spot(0, 0.0).contradicts(spot(0, 0.9)));
    assert!(spot(0, 0.0).contradicts(spot(0, 1.1)));
    assert!(!spot(0, 0.0).contradicts(spot(3_600, 390.0)));
    assert!(spot(3_600, 410.0).contradicts(spot(0, 0.0)));
    // Stored reports of the morning, sent over a new connection at noon.
    let mut watch = Watch::default();
    watch.heard(1, from(1), there(40_000, 60.0), at(40_000));
    for n in 0..100 {
        assert_eq!(
            watch.heard(2, from(2), there(n * 300, 0.0), at(40_100 + n)),
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
        assert_eq!(watch.heard(n, from(u8::try_from(n % 2).unwrap()), ALIVE, now), None);
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
    registry.heard(voice(0), ALIVE, at(0));
    assert!(!registry.enter(voice(1), Rule::BothStay, &ends[1], at(100)));
    registry.heard(voice(1), ALIVE, at(100));
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
    assert_eq!(ends.iter().filter(|end| !end.is_cancelled()).count(), OPEN);
}

#[test]
fn who_only_says_the_name_does_not_end_the_session_that_reports() {
    let registry = Registry::default();
    let ends: Vec<_> = (0..200).map(|_| CancellationToken::new()).collect();
    let voice = |session: u64| Voice {
        device: DeviceId::from_name("gt06"),
        session,
        address: from(1),
    };
    registry.enter(voice(0), Rule::BothStay, &ends[0], at(0));
    for n in 0..10 {
        registry.heard(voice(0), there(n * 20, 0.0), at(n * 20));
    }
    // Every second somebody logs in.
    for session in 1..200_u64 {
        let now = at(180 + i64::try_from(session).unwrap());
        registry.enter(
            voice(session),
            Rule::BothStay,
            &ends[usize::try_from(session).unwrap()],
            now,
        );
        registry.heard(voice(session), ALIVE, now);
    }
    assert!(!ends[0].is_cancelled());
    assert_eq!(ends.iter().filter(|end| !end.is_cancelled()).count(), OPEN);
    // It is not forgotten either: when it goes on, it is the older one.
    for n in 400..406 {
        registry.heard(voice(0), there(n, 0.0), at(n));
        assert_eq!(registry.heard(voice(199), made(n), at(n)), n >= 402, "{n}");
    }
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
            prop_assert_eq!(watch.heard(session, from(address), there(now, north_km), at(now)), None);
        }
    }

    /// Two devices that both speak at least every five minutes are found, in whatever order they speak.
    #[test]
    fn two_devices_are_always_found(reports in any::<bool>(), order in prop::collection::vec((any::<bool>(), 1_i64..60), 60)) {
        let mut watch = Watch::default();
        let mut now = 0;
        let mut changes = 0;
        let mut before = None;
        for (first, seconds) in order {
            now += seconds;
            changes += i32::from(before.is_some_and(|before| before != first));
            before = Some(first);
            let session = u64::from(first);
            let said = if reports { made(now) } else { ALIVE };
            watch.heard(session, from(1), said, at(now));
        }
        prop_assume!(changes > 30);
        prop_assert!(watch.is_suspected(at(now)));
    }
}

fn told(session: u64, opened: i64, spoke: i64) -> Told {
    Told {
        session: number_elsewhere("two", i64::try_from(session).unwrap()),
        opened: at(opened),
        spoke: at(spoke),
        made: Some(at(spoke)),
    }
}

#[test]
fn two_at_two_gateways_are_suspected_where_the_older_session_is() {
    let (mut one, mut two) = (Watch::default(), Watch::default());
    let (mut raised_one, mut raised_two) = (Vec::new(), Vec::new());
    // The session at the first gateway has been there for long; the other opens after half a minute. Each gateway learns a few seconds
    // late, and both devices are at one place.
    let ours = number_elsewhere("one", 1);
    for second in (0..300_i64).step_by(10) {
        raised_one.extend(one.heard(1, from(1), made(second), at(second)));
        if second >= 30 {
            raised_two.extend(two.heard(1, from(2), made(second), at(second)));
            one.learn(&told(1, 30, second), at(second + 5));
        }
        let seen = Told {
            session: ours,
            ..told(1, 0, second)
        };
        two.learn(&seen, at(second + 5));
    }
    assert_eq!(raised_one, [Sign::Turn]);
    assert_eq!(raised_two, [], "the newer one's gateway sees it by what it is told");
    assert!(one.is_suspected(at(300)) && !two.is_suspected(at(300)));
    two.suspect(at(2_000), at(300));
    assert!(two.is_suspected(at(1_999)) && !two.is_suspected(at(2_000)));
    // However wrong another gateway's clock is, nobody is suspected for ever.
    two.suspect(at(1_000_000), at(300));
    assert!(!two.is_suspected(at(300 + 30 * 60)));
}

#[test]
fn a_device_that_moves_from_gateway_to_gateway_is_not_suspected() {
    let mut watch = Watch::default();
    // Ten minutes here, ten there, and back over a new session, all day. Of its last minute there it is heard late.
    for minute in 0..600_i64 {
        let (turn, second) = (minute / 10, minute * 60);
        let session = u64::try_from(turn + 1).unwrap();
        if turn % 2 == 0 {
            assert_eq!(
                watch.heard(session, from(1), there(second, 0.5), at(second)),
                None,
                "{minute}"
            );
        } else {
            watch.learn(&told(session, turn * 600, second), at(second + 7));
        }
    }
    assert!(!watch.is_suspected(at(36_000)));
    // What was unread here when the device went there was made before.
    let mut watch = Watch::default();
    assert_eq!(watch.heard(1, from(1), made(0), at(0)), None);
    for second in [31, 41, 51] {
        watch.learn(&told(9, 30, second), at(second));
        assert_eq!(watch.heard(1, from(1), made(second - 30), at(second)), None);
    }
    assert!(!watch.is_suspected(at(60)));
}

#[test]
fn sessions_elsewhere_push_nothing_out_for_ever_and_displace_nobody() {
    let mut watch = Watch::default();
    assert_eq!(watch.heard(1, from(1), made(0), at(0)), None);
    for other in 0..100 {
        watch.learn(&told(other, 1, 2), at(3));
    }
    assert!(watch.speakers.len() <= SPEAKERS);
    let mut watch = Watch::default();
    assert_eq!(watch.heard(1, from(1), made(0), at(0)), None);
    watch.learn(&told(7, 1, 2), at(3));
    watch.enter(2, from(2), true, at(4));
    let displaced: Vec<_> = watch
        .speakers
        .iter()
        .filter(|speaker| speaker.displaced.is_some())
        .collect();
    assert_eq!(displaced.len(), 1);
    assert_eq!(displaced[0].session, 1, "the session here, not the one elsewhere");
    // Nothing is told on of what others have told.
    let here: Vec<u64> = watch.told(at(5)).map(|told| told.session).collect();
    assert_eq!(here, [1]);
}
