//! Sessions of the native protocol.

use super::*;

#[tokio::test]
async fn native_session_from_hello_to_acknowledgement() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    let mut line = NativeLine::opened(&handle).await;
    let second = report(2);
    line.send(&client::reports(vec![report(1), second.clone()])).await;
    assert_eq!(line.acknowledged().await, 2);
    line.send(&client::heartbeat(0, Some(80))).await;
    assert!(matches!(line.answer().await, Some(Body::HeartbeatReply(_))));
    // The acknowledgement was lost: the device sends the same again, and it is the same report.
    line.send(&client::reports(vec![second, report(3)])).await;
    assert_eq!(line.acknowledged().await, 3);
    let stored = reports(&log).await;
    let sequences: Vec<u64> = stored.iter().map(|report| report.sequence).collect();
    assert_eq!(sequences, [1, 2, 2, 3]);
    assert_eq!(stored[1].report_id, stored[2].report_id);
    let expected = ReportId::derive(DeviceId::from_name("HW-1"), &natural_key(2, stored[1].fix_time_us));
    assert_eq!(stored[1].report_id, expected.to_wire());
    assert!(stored[0].received_at_us >= stored[0].fix_time_us);
    // A bad report is refused for good, the others are taken.
    let mut bad = report(5);
    bad.position.as_mut().unwrap().latitude_e7 = 910_000_000;
    line.send(&client::reports(vec![report(4), bad, report(6)])).await;
    let Some(Body::Acknowledgement(answer)) = line.answer().await else {
        panic!("no acknowledgement")
    };
    assert_eq!(
        (answer.sequence, answer.rejected.len(), answer.rejected[0].sequence),
        (6, 1, 5)
    );
    assert!(
        answer.rejected[0].reason.contains("latitude"),
        "{}",
        answer.rejected[0].reason
    );
    assert_eq!(reports(&log).await.len(), 6);
    handle.drain(PATIENCE).await;
    assert_eq!(line.answer().await, None, "closed by the drain");
}

#[tokio::test]
async fn a_protected_person_is_told_to_those_bound_and_to_nobody_else() {
    let log = MemoryLog::new(8);
    let handle = start(&log).await;
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-protected", SECRET).await, Body::Welcome(_)));
    let mut invalid = report(3);
    invalid.position.as_mut().unwrap().valid = false;
    let nowhere = DeviceReport {
        position: None,
        ..report(4)
    };
    let tomorrow = DeviceReport {
        fix_time_us: Timestamp::now().as_microsecond() + 86_400_000_000,
        ..report(5)
    };
    let sent = [report(1), report(2), invalid, nowhere, tomorrow];
    line.send(&client::reports(sent.to_vec())).await;
    assert_eq!(line.acknowledged().await, 5, "all are dealt with");
    // For each of the two whose orders are in force, the two usable fixes, and nothing more.
    let fixes = protected_fixes(&log).await;
    for person in ["karl", "lars"] {
        let person = PersonId::from_name(person).to_wire();
        let of_person: Vec<_> = fixes.iter().filter(|fix| fix.person_id == person).collect();
        assert_eq!(of_person.len(), 2);
        for (fix, report) in of_person.iter().zip(&sent) {
            let key = natural_key(report.sequence, report.fix_time_us);
            let id = ReportId::derive(DeviceId::from_name("HW-protected"), &key);
            assert_eq!(fix.report_id, id.to_wire());
            assert_eq!(fix.protected_id, PersonId::from_name("the protected one").to_wire());
            assert_eq!((fix.fix_time_us, fix.position), (report.fix_time_us, report.position));
        }
    }
    assert_eq!(fixes.len(), 4, "the one whose order is over hears nothing");
    // Sent again after a lost acknowledgement: the same ids.
    line.send(&client::reports(vec![sent[1].clone()])).await;
    assert_eq!(line.acknowledged().await, 2);
    let again = protected_fixes(&log).await;
    let ids: std::collections::HashSet<_> = again.iter().map(|fix| (&fix.person_id, &fix.report_id)).collect();
    assert_eq!((again.len(), ids.len()), (6, 4));

    // Nobody is bound any more: acknowledged and forgotten.
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-unbound", SECRET).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    assert_eq!(protected_fixes(&log).await.len(), 6);

    // The same over JT/T 808.
    let (mut line, mut terminal) = Jt808Line::opened(&handle, "13900000003", Variant::V2019).await;
    line.send(&terminal.location(&location())).await;
    assert!(matches!(line.answer().await, Some(Answer::General { result: 0, .. })));
    assert_eq!(protected_fixes(&log).await.len(), 8);
    handle.drain(PATIENCE).await;
}

#[tokio::test]
async fn a_protected_persons_fix_is_acknowledged_when_it_is_durable() {
    let log = MemoryLog::new(8);
    let handle = start(&log).await;
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-protected", SECRET).await, Body::Welcome(_)));
    log.faults(|faults| faults.hold_appends = true);
    line.send(&client::reports(vec![report(1)])).await;
    line.silence().await;
    log.faults(|faults| {
        faults.hold_appends = false;
        faults.refuse_appends = 2;
    });
    assert_eq!(line.acknowledged().await, 1);
    assert_eq!(protected_fixes(&log).await.len(), 2);
}

#[tokio::test]
async fn native_refusals_say_why() {
    let log = MemoryLog::new(4);
    let handle = start(&log).await;
    for (device, secret, reason) in [
        // As if it were known: nobody learns which devices there are.
        ("HW-unknown", SECRET, "wrong proof"),
        ("HW-shelf", SECRET, "not assigned"),
        ("HW-1", &b"another secret"[..], "wrong proof"),
    ] {
        let mut line = NativeLine::open(handle.native).await;
        match line.log_in(device, secret).await {
            Body::Refusal(refusal) => assert_eq!(refusal.reason, reason),
            other => panic!("{device}: {other:?}"),
        }
        assert_eq!(line.answer().await, None, "closed");
    }
    // Without a legal basis a report is acknowledged and forgotten.
    let mut line = NativeLine::open(handle.native).await;
    assert!(matches!(line.log_in("HW-free", SECRET).await, Body::Welcome(_)));
    line.send(&client::reports(vec![report(1)])).await;
    assert_eq!(line.acknowledged().await, 1);
    assert_eq!(reports(&log).await, []);
    // Reports before the proof, and a length that no frame has, end the session and nothing else.
    for bytes in [client::reports(vec![report(1)]), Bytes::from_static(&[0xff; 64])] {
        let mut line = NativeLine::open(handle.native).await;
        line.send(&bytes).await;
        assert_eq!(line.answer().await, None);
    }
    assert_eq!(reports(&log).await, []);
}
