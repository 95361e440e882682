//! One name at two gateways, which know of each other only through the case database; and how far a device's reports are durable.

use super::{commands::Scene, *};

fn quick() -> Config {
    Config {
        presence_every: Duration::from_millis(200),
        ..config()
    }
}

const DIGITS: &str = "13900000002";

/// Reports over a line until it is answered.
async fn say(line: &mut Jt808Line, terminal: &mut Terminal) {
    line.send(&terminal.location(&location())).await;
    assert!(line.answer().await.is_some(), "closed");
}

async fn marked(scene: &Scene) -> Vec<bool> {
    let reports = reports(&scene.log).await.into_iter();
    let cloned = |report: wire::Report| report.alarms.contains(&i32::from(wire::Alarm::Cloned));
    reports.map(cloned).collect()
}

#[tokio::test]
async fn two_devices_of_one_name_at_two_gateways_are_told() {
    let Some(scene) = Scene::set().await else { return };
    let (first, second) = (
        scene.gateway_with("one", quick()).await,
        scene.gateway_with("two", quick()).await,
    );
    let (mut here, mut device) = Jt808Line::opened(&first, DIGITS, Variant::V2013).await;
    say(&mut here, &mut device).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut there, mut clone) = Jt808Line::opened(&second, DIGITS, Variant::V2013).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    // Both speak, at the same place. In the end the reports of both are marked.
    loop {
        let before = reports(&scene.log).await.len();
        say(&mut there, &mut clone).await;
        say(&mut here, &mut device).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let all = reports(&scene.log).await;
        let cloned = |report: &wire::Report| report.alarms.contains(&i32::from(wire::Alarm::Cloned));
        if all.len() == before + 2 && all.iter().filter(|report| cloned(report)).count() >= 4 {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{:?}", marked(&scene).await);
    }
    // Nothing was marked at once: one word of the old session after the new one is no sign.
    assert!(marked(&scene).await.iter().filter(|marked| !**marked).count() >= 4);
    let client = scene.db.client().await.unwrap();
    let columns = "SELECT count(*) FROM device_session WHERE spoke_at > now() - interval '1 minute'";
    let rows: i64 = client.query_one(columns, &[]).await.unwrap().get(0);
    assert_eq!(rows, 2, "each gateway told of its session");
    drop((client, first, second));
    scene.close().await;
}

#[tokio::test]
async fn a_device_that_moves_to_another_gateway_and_back_is_one() {
    let Some(scene) = Scene::set().await else { return };
    let (first, second) = (
        scene.gateway_with("one", quick()).await,
        scene.gateway_with("two", quick()).await,
    );
    let mut lines = Vec::new();
    // The old connections stay open, as half-dead ones do, and are silent.
    for round in 0..6 {
        let gateway = if round % 2 == 0 { &first } else { &second };
        let (mut line, mut terminal) = Jt808Line::opened(gateway, DIGITS, Variant::V2013).await;
        for _ in 0..3 {
            say(&mut line, &mut terminal).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        lines.push(line);
    }
    assert_eq!(marked(&scene).await, [false; 18]);
    drop((lines, first, second));
    scene.close().await;
}

#[tokio::test]
async fn a_device_is_told_how_far_it_was_heard() {
    let Some(scene) = Scene::set().await else { return };
    let first = scene.gateway_with("one", quick()).await;
    let welcomed = async |handle: &Handle| {
        let mut line = NativeLine::open(handle.native).await;
        match line.log_in("HW-1", SECRET).await {
            Body::Welcome(welcome) => (line, welcome.acknowledged_sequence),
            other => panic!("{other:?}"),
        }
    };
    let (mut line, known) = welcomed(&first).await;
    assert_eq!(known, 0);
    line.send(&client::reports(vec![report(4), report(5)])).await;
    assert_eq!(line.acknowledged().await, 5);
    // Sent, but not durable: not acknowledged, so not known either.
    scene.log.faults(|faults| faults.hold_appends = true);
    line.send(&client::reports(vec![report(6)])).await;
    line.silence().await;
    let (again, known) = welcomed(&first).await;
    assert_eq!(known, 5);
    drop((line, again));
    scene.log.faults(|faults| faults.hold_appends = false);
    // Another gateway has it from the database; a lower number never takes its place.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let client = scene.db.client().await.unwrap();
        if casedb::device::voices::acknowledged(&client).await.unwrap() == [(known_device(), 5)] {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = scene.gateway_with("two", quick()).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (mut line, known) = welcomed(&second).await;
    assert_eq!(known, 5);
    line.send(&client::reports(vec![report(2)])).await;
    assert_eq!(line.acknowledged().await, 2);
    let (_line, known) = welcomed(&second).await;
    assert_eq!(known, 5);
    drop((first, second));
    scene.close().await;
}

fn known_device() -> DeviceId {
    known("HW-1", None).device_id
}
