//! Zones and schedules over the API: published with a reason, gone back to, refused with the place.

use super::*;

/// A room whose people have rules, and the path of the zones of the first, who has a home, one zone for the police and one for social work.
async fn zoned() -> Result<Option<(Room, String)>> {
    let Some(room) = Room::open().await? else {
        return Ok(None);
    };
    room.sql("INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING")
        .await?;
    let path = format!("/api/v1/people/{}/zones", room.fixture.people[0]);
    Ok(Some((room, path)))
}

fn yard(more: &Value) -> Value {
    let mut zone = json!({"label": "Old yard", "kind": "exclusion", "audience": "both", "radius_m": 150.0, "buffer_m": 50.0,
        "geometry": {"type": "Point", "coordinates": [121.5, 31.2]}, "reason": "by the court, 12/26"});
    for (name, value) in more.as_object().unwrap() {
        zone[name] = value.clone();
    }
    zone
}

fn named<'a>(list: &'a Value, label: &str) -> &'a Value {
    let zones = list["zones"].as_array().unwrap();
    let found = zones.iter().find(|zone| zone["publications"][0]["label"] == label);
    found.unwrap()
}

fn labels(list: &Value) -> Vec<&str> {
    let zones = list["zones"].as_array().unwrap();
    zones
        .iter()
        .map(|zone| zone["publications"][0]["label"].as_str().unwrap())
        .collect()
}

fn refusal(answer: &(u16, Value)) -> (u16, &str) {
    let error = &answer.1["error"];
    (
        answer.0,
        error["reason"].as_str().or(error["code"].as_str()).unwrap_or("none"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_is_published_changed_and_gone_back_to() -> Result<()> {
    let Some((room, path)) = zoned().await? else {
        return Ok(());
    };
    let officer = room.log_in("chen.yu").await?;
    let rules = format!(
        "SELECT revision FROM person_rules WHERE person_id = '{}'",
        room.fixture.people[0]
    );
    let rows = "SELECT count(*) FROM zone_publication";

    // A check keeps nothing.
    let (status, list) = officer.post(&path, yard(&json!({"check": true}))).await?;
    assert_eq!(status, 200, "{list}");
    assert_eq!(
        named(&list, "Old yard")["publications"][0]["reason"],
        "by the court, 12/26"
    );
    assert_eq!((room.number(rows).await?, room.number(&rules).await?), (0, 0));

    let (status, list) = officer.post(&path, yard(&json!({}))).await?;
    assert_eq!(status, 200, "{list}");
    let made = named(&list, "Old yard");
    let id = made["zone_id"].clone();
    assert_eq!((&list["published"], &made["seen"]), (&id, &json!(1)));
    assert_eq!(made["publications"][0]["published_by"], "Chen Yu");
    assert_eq!(room.number(&rules).await?, 1, "the rules were published with it");
    assert_eq!(room.number("SELECT count(*) FROM outbox").await?, 1);

    // Wider, and only in the evening.
    let evening = json!({"weekly": [{"weekday": 5, "start": "18:00", "end": "02:00"}],
        "exceptions": [{"start": "2026-12-24T12:00:00Z", "end": "2026-12-26T12:00:00Z"}]});
    let wider =
        yard(&json!({"zone_id": id, "seen": 1, "radius_m": 200.0, "schedule": evening, "reason": "closed by day"}));
    let mut unkind = wider.clone();
    unkind.as_object_mut().unwrap().remove("kind");
    let (status, list) = officer.post(&path, unkind).await?;
    assert_eq!(status, 200, "{list}");
    let changed = named(&list, "Old yard");
    assert_eq!(changed["publications"][0]["schedule"], evening);
    assert_eq!(changed["publications"][1]["radius_m"], 150.0);
    let revisions = format!("SELECT max(revision) FROM zone_revision WHERE zone_id = {id}").replace('"', "'");
    assert_eq!(room.number(&revisions).await?, 2);

    // Who has looked before that, or asks for what holds, is told so.
    assert_eq!(
        refusal(&officer.post(&path, wider.clone()).await?),
        (422, "zone_changed")
    );
    let mut same = wider;
    same["seen"] = json!(2);
    assert_eq!(refusal(&officer.post(&path, same).await?), (422, "zone_same"));

    // Back to what it was: a publication of its own.
    let back = json!({"zone_id": id, "seen": 2, "again": 1, "reason": "the other was a mistake"});
    let (status, list) = officer.post(&path, back).await?;
    assert_eq!(status, 200, "{list}");
    let undone = named(&list, "Old yard");
    let numbers: Vec<_> = undone["publications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| &each["number"])
        .collect();
    assert_eq!(numbers, [&json!(3), &json!(2), &json!(1)]);
    assert_eq!(
        (
            &undone["publications"][0]["radius_m"],
            &undone["publications"][0]["schedule"]
        ),
        (&json!(150.0), &Value::Null)
    );

    // Taken away, and given back.
    let (status, list) = officer
        .post(
            &path,
            json!({"zone_id": id, "seen": 3, "removed": true, "reason": "the yard is gone"}),
        )
        .await?;
    assert_eq!(status, 200, "{list}");
    assert_eq!(named(&list, "Old yard")["publications"][0]["removed"], true);
    let held =
        format!("SELECT count(*) FROM person_zone WHERE zone_id = {id} AND removed_at IS NULL").replace('"', "'");
    assert_eq!(room.number(&held).await?, 0);
    let (status, _) = officer
        .post(
            &path,
            json!({"zone_id": id, "seen": 4, "again": 3, "reason": "it is not"}),
        )
        .await?;
    assert_eq!((status, room.number(&held).await?), (200, 1));
    assert_eq!(room.number(&rules).await?, 5);
    let stays = room.sql("UPDATE zone_publication SET reason = 'another'").await;
    assert!(stays.is_err(), "a publication is changed");
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_zone_asked_before_is_kept_with_its_first_change() -> Result<()> {
    let Some((room, path)) = zoned().await? else {
        return Ok(());
    };
    let officer = room.log_in("chen.yu").await?;
    let list = officer.get(&path).await?;
    let home = list["zones"]
        .as_array()
        .context("zones")?
        .iter()
        .find(|zone| zone["publications"][0]["kind"] == "inclusion");
    let home = home.context("a home")?.clone();
    let before = &home["publications"][0];
    assert_eq!(
        (&home["seen"], &before["number"], &list["may_change"]),
        (&json!(0), &json!(0), &json!(true))
    );
    let renamed = json!({"zone_id": home["zone_id"], "seen": 0, "label": "New home", "geometry": before["geometry"],
        "radius_m": before["radius_m"], "schedule": before["schedule"], "attendance": before["attendance"], "reason": "moved"});
    let (status, list) = officer.post(&path, renamed).await?;
    assert_eq!(status, 200, "{list}");
    let now = named(&list, "New home");
    assert_eq!(
        (&now["seen"], now["publications"].as_array().map(Vec::len)),
        (&json!(2), Some(2))
    );
    assert_eq!(now["publications"][1]["label"], before["label"]);
    assert_eq!(now["publications"][1]["published_at"], before["published_at"]);
    let (status, list) = officer
        .post(
            &path,
            json!({"zone_id": home["zone_id"], "seen": 2, "again": 1, "reason": "moved back"}),
        )
        .await?;
    assert_eq!(status, 200, "{list}");
    assert_eq!(named(&list, before["label"].as_str().unwrap())["seen"], 3);

    // A zone that another has too keeps its shape, but this person's hours may change, and the other keeps theirs.
    room.sql(&format!(
        "INSERT INTO person_zone (person_id, zone_id) VALUES ('{}', {})",
        room.fixture.people[2],
        home["zone_id"].to_string().replace('"', "'")
    ))
    .await?;
    let mut again = json!({"zone_id": home["zone_id"], "seen": 3, "label": "Wider", "geometry": before["geometry"],
        "radius_m": before["radius_m"], "reason": "shared"});
    assert_eq!(
        refusal(&officer.post(&path, again.clone()).await?),
        (422, "zone_shared")
    );
    again["label"] = before["label"].clone();
    let (status, list) = officer.post(&path, again).await?;
    assert_eq!(status, 200, "{list}");
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn zones_are_refused_with_the_place_and_kept_from_the_other_side() -> Result<()> {
    let Some((room, path)) = zoned().await? else {
        return Ok(());
    };
    let (officer, worker) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let rings = |ring: Value| json!({"type": "Polygon", "coordinates": [ring]});
    let cases = [
        (
            json!({"geometry": {"type": "Point", "coordinates": [121.5, 91.0]}}),
            "bad_zone",
            "91",
        ),
        (json!({"radius_m": null}), "bad_zone", "radius_m"),
        (
            json!({"geometry": {"type": "LineString", "coordinates": [[121.5, 31.2], [121.6, 31.2]]}, "radius_m": null}),
            "bad_zone",
            "half_width_m",
        ),
        (
            json!({"geometry": rings(json!([[121.5, 31.2], [121.6, 31.3], [121.6, 31.2], [121.5, 31.3], [121.5, 31.2]])), "radius_m": null}),
            "bad_zone",
            "121.5",
        ),
        (
            json!({"geometry": rings(json!([[0, 0], [60, 0], [60, 60], [0, 60], [0, 0]])), "radius_m": null}),
            "bad_zone",
            "km²",
        ),
        (
            json!({"schedule": {"weekly": [{"weekday": 8, "start": "21:00", "end": "06:00"}]}}),
            "bad_schedule",
            "weekly[0].weekday",
        ),
        (
            json!({"schedule": {"exceptions": [{"start": "2026-12-24T12:00:00Z", "end": "2026-12-24T12:00:00Z"}]}}),
            "bad_schedule",
            "exceptions[0]",
        ),
        // Without an interval it would never hold.
        (json!({"schedule": {}}), "bad_schedule", "leave it out"),
        (
            json!({"schedule": {"weekly": [], "holiday": []}}),
            "bad_schedule",
            "leave it out",
        ),
        (
            json!({"kind": "inclusion", "buffer_m": 0.0, "schedule": {"holidays": ["2026-10-01"]}}),
            "bad_schedule",
            "leave it out",
        ),
        // Degrees or kilometres taken for metres; longitudes beyond a turn.
        (json!({"radius_m": 0.001}), "bad_zone", "0.001"),
        (json!({"radius_m": 1e-300}), "bad_zone", "m"),
        (json!({"radius_m": 1_000_001.0}), "bad_zone", "1000"),
        (
            json!({"geometry": {"type": "Point", "coordinates": [541.0, 31.2]}}),
            "bad_zone",
            "541",
        ),
        (
            json!({"geometry": rings(json!([[121.5, 31.2], [121.6, 31.2], [121.6, 31.3], [121.5, 31.2]]))}),
            "bad_zone",
            "radius_m",
        ),
        (json!({"attendance": true}), "bad_value", "attendance"),
        (json!({"kind": "inclusion"}), "bad_value", "buffer_m"),
        (json!({"kind": "forbidden"}), "bad_value", "forbidden"),
        (json!({"reason": "  "}), "text_required", "reason"),
        (json!({"label": ""}), "text_required", "label"),
        (json!({"label": "x".repeat(201)}), "text_too_long", "label"),
        (json!({"audience": "social_work"}), "bad_audience", "social_work"),
        (json!({"zone": "yard"}), "bad_value", "zone"),
    ];
    for (more, code, place) in cases {
        let (status, answer) = officer.post(&path, yard(&more)).await?;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!(
            (status, answer["error"]["code"].as_str()),
            (422, Some(code)),
            "{more}: {answer}"
        );
        assert!(message.contains(place), "{more}: {message}");
    }
    assert_eq!(room.number("SELECT count(*) FROM zone_publication").await?, 0);

    // What is for the police does not exist for social work, with its history.
    let (status, list) = officer
        .post(&path, yard(&json!({"label": "Shelter", "audience": "police"})))
        .await?;
    assert_eq!(status, 200, "{list}");
    let shelter = named(&list, "Shelter")["zone_id"].clone();
    let theirs = worker.get(&path).await?;
    assert!(!theirs.to_string().contains("Shelter"), "{theirs}");
    assert_eq!(theirs["audiences"], json!(["social_work", "both"]));
    let answer = worker
        .post(&path, yard(&json!({"zone_id": shelter, "seen": 1})))
        .await?;
    assert_eq!(refusal(&answer), (404, "not_found"));
    let (status, list) = worker
        .post(&path, yard(&json!({"label": "Clinic", "audience": "social_work"})))
        .await?;
    assert_eq!(status, 200, "{list}");
    assert!(!labels(&officer.get(&path).await?).contains(&"Clinic"));

    // Of strangers' people nothing is told, and nothing changed.
    let stranger = room.log_in("inland").await?;
    assert_eq!(stranger.refused(&path).await?, (404, "not_found".to_owned()));
    assert_eq!(
        refusal(&stranger.post(&path, yard(&json!({}))).await?),
        (404, "not_found")
    );
    let audited = room
        .number("SELECT count(*) FROM audit_pending WHERE table_name = 'zone_publication'")
        .await?;
    assert!(audited >= 2, "publications are on the audit's chain");
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_publish_at_once_one_is_told() -> Result<()> {
    let Some((room, path)) = zoned().await? else {
        return Ok(());
    };
    let (officer, head) = (room.log_in("chen.yu").await?, room.log_in("okafor").await?);
    let (_, list) = officer.post(&path, yard(&json!({}))).await?;
    let id = named(&list, "Old yard")["zone_id"].clone();
    let change = |radius: f64| yard(&json!({"zone_id": id, "seen": 1, "radius_m": radius}));
    let (one, two) = tokio::join!(officer.post(&path, change(300.0)), head.post(&path, change(400.0)));
    let mut answers = [one?.0, two?.0];
    answers.sort_unstable();
    assert_eq!(answers, [200, 422]);
    assert_eq!(room.number("SELECT count(*) FROM zone_publication").await?, 2);
    room.close().await
}
