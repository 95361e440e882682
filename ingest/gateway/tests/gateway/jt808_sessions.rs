//! Sessions of JT/T 808, in every edition.

use super::*;

#[tokio::test]
async fn jt808_session_in_every_edition() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    for variant in [Variant::V2011, Variant::V2013, Variant::V2019] {
        let before = reports(&log).await.len();
        let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000001", variant).await;
        let serial = terminal.next_serial();
        line.send(&terminal.location(&location())).await;
        assert_eq!(
            line.answer().await,
            Some(Answer::General {
                serial,
                id: 0x0200,
                result: 0
            })
        );
        // Back-fill that needs sub-packages: each is answered, once all is durable.
        let stored: Vec<Location> = (0..60).map(|_| location()).collect();
        let serial = terminal.next_serial();
        let frames = terminal.batch(&stored, true);
        assert!(frames.len() > 1, "needs sub-packages");
        for frame in &frames {
            line.send(frame).await;
        }
        for number in 0..frames.len() {
            let serial = serial + u16::try_from(number).unwrap();
            assert_eq!(
                line.answer().await,
                Some(Answer::General {
                    serial,
                    id: 0x0704,
                    result: 0
                })
            );
        }
        line.send(&terminal.heartbeat()).await;
        assert!(matches!(
            line.answer().await,
            Some(Answer::General {
                id: 0x0002,
                result: 0,
                ..
            })
        ));
        let all = reports(&log).await;
        assert_eq!(all.len() - before, 61, "{variant:?}");
        assert_eq!(all.iter().filter(|report| report.backfill).count() % 60, 0);
        assert_eq!(all[before].battery_percent, Some(80));
        assert_eq!(all[before].device_id, DeviceId::from_name("T-1").to_wire());
    }
}

#[tokio::test]
async fn a_code_is_handed_out_to_whom_the_settings_say() {
    let network = "127.0.0.0/8".parse().unwrap();
    let people = || {
        let bound = Known {
            networks: vec![network],
            ..known("T-4", Some(b"code-4"))
        };
        let free = known("T-1", Some(b"code-1"));
        Directory::fixed([
            (Protocol::Jt808, "13900000001".to_owned(), free),
            (Protocol::Jt808, "13900000004".to_owned(), bound),
        ])
    };
    // With which result each is answered, without and with networks.
    for (hand_out_code, free, bound) in [(HandOut::Always, 0, 0), (HandOut::Bound, 3, 0), (HandOut::Never, 3, 3)] {
        let log = MemoryLog::new(4);
        let config = Config {
            hand_out_code,
            ..config()
        };
        let handle = Gateway::start(config, Arc::new(log), people(), None).await.unwrap();
        for (digits, expected) in [("13900000001", free), ("13900000004", bound)] {
            let mut line = Jt808Line::open(handle.jt808).await;
            let mut terminal = Terminal::new(digits, Variant::V2013).unwrap();
            line.send(&terminal.register("HMWRD", "ANKLE-1", "0000001")).await;
            let Some(Answer::Registered { result, code, .. }) = line.answer().await else {
                panic!("no answer to a registration")
            };
            assert_eq!(
                (result, code.is_empty()),
                (expected, expected != 0),
                "{hand_out_code:?} {digits}"
            );
            // Whoever has the code needs no registration.
            let code = format!("code-{}", &digits[10..]);
            line.send(&terminal.authenticate(code.as_bytes())).await;
            assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
        }
    }
}

#[tokio::test]
async fn jt808_strangers_are_refused() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut line = Jt808Line::open(handle.jt808).await;
    let mut stranger = Terminal::new("13999999999", Variant::V2013).unwrap();
    line.send(&stranger.register("HMWRD", "ANKLE-1", "1")).await;
    assert!(
        matches!(line.answer().await, Some(Answer::Registered { result: 4, .. })),
        "no such terminal"
    );
    line.send(&stranger.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 1,
            ..
        })
    ));
    // Known, but with a wrong code or none.
    let mut terminal = Terminal::new("13900000001", Variant::V2013).unwrap();
    line.send(&terminal.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 1,
            ..
        })
    ));
    line.send(&terminal.authenticate(b"guess")).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0102,
            result: 1,
            ..
        })
    ));
    assert_eq!(reports(&log).await, []);
    // Without a secret, a terminal may report at once.
    let mut open = Terminal::new("13900000002", Variant::V2019).unwrap();
    line.send(&open.location(&location())).await;
    assert!(matches!(
        line.answer().await,
        Some(Answer::General {
            id: 0x0200,
            result: 0,
            ..
        })
    ));
    assert_eq!(reports(&log).await.len(), 1);
}
