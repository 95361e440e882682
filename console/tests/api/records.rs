//! What is kept of people, changed over the API: record, calendar, contacts, distances from protected people.

use super::*;

/// A room whose people have rules, and the path of the first.
async fn kept() -> Result<Option<(Room, String)>> {
    let Some(room) = Room::open().await? else {
        return Ok(None);
    };
    room.sql("INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING")
        .await?;
    let path = format!("/api/v1/people/{}", room.fixture.people[0]);
    Ok(Some((room, path)))
}

fn reason(answer: &(u16, Value)) -> (u16, &str) {
    let error = &answer.1["error"];
    (
        answer.0,
        error["reason"].as_str().or(error["code"].as_str()).unwrap_or("none"),
    )
}

fn seen(person: &Value) -> Value {
    json!({"reference": person["reference"], "display_name": person["display_name"], "risk_level": person["risk_level"],
        "time_zone": person["time_zone"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_record_is_changed_by_who_sees_them_and_said_who_did() -> Result<()> {
    let Some((room, path)) = kept().await? else {
        return Ok(());
    };
    let worker = room.log_in("moreno").await?;
    let before = worker.get(&path).await?;
    let revision = format!(
        "SELECT revision FROM person_rules WHERE person_id = '{}'",
        room.fixture.people[0]
    );
    let (status, answer) = worker
        .post(
            &path,
            json!({"risk_level": 3, "display_name": " Pavel Dorn-Vey ", "seen": seen(&before)}),
        )
        .await?;
    assert_eq!(status, 204, "{answer}");
    let after = worker.get(&path).await?;
    assert_eq!(
        (&after["risk_level"], &after["display_name"]),
        (&json!(3), &json!("Pavel Dorn-Vey"))
    );
    assert_eq!(after["time_zone"], before["time_zone"]);
    assert_eq!(room.number(&revision).await?, 0, "neither touches the rules");
    let noted = "SELECT count(*) FROM order_change c JOIN app_user u ON u.user_id = c.changed_by
        WHERE c.what = 'person' AND u.username = 'moreno' AND c.detail = 'name, risk level 1 to 3'";
    assert_eq!(room.number(noted).await?, 1);

    // Schedules are of the time zone: the rules are made anew.
    let (status, answer) = worker.post(&path, json!({"time_zone": "Asia/Urumqi"})).await?;
    assert_eq!(status, 204, "{answer}");
    assert_eq!(room.number(&revision).await?, 1);

    let refused = async |asked: Value| -> Result<(u16, String)> {
        let answer = worker.post(&path, asked).await?;
        let (status, word) = reason(&answer);
        Ok((status, word.to_owned()))
    };
    let said = |word: &str| (422, word.to_owned());
    assert_eq!(
        refused(json!({"risk_level": 2, "seen": seen(&before)})).await?,
        said("record_changed")
    );
    assert_eq!(refused(json!({"risk_level": 5})).await?, said("bad_risk"));
    assert_eq!(
        refused(json!({"time_zone": "Asia/Nowhere"})).await?,
        said("unknown_time_zone")
    );
    assert_eq!(
        refused(json!({"display_name": " \u{200b}"})).await?,
        said("text_required")
    );
    assert_eq!(refused(json!({"reference": "HB-2044"})).await?, said("reference_taken"));
    assert_eq!(
        refused(json!({"calendar": "none such"})).await?,
        (404, "not_found".into())
    );
    assert_eq!(
        worker.get(&path).await?["risk_level"],
        3,
        "what is refused changes nothing"
    );

    // Of another town, and of roles that keep nothing of people.
    let elsewhere = format!("/api/v1/people/{}", room.fixture.people[7]);
    let answer = worker.post(&elsewhere, json!({"risk_level": 1})).await?;
    assert_eq!(reason(&answer), (404, "not_found"));
    for (who, status) in [("novak", 403), ("berg", 403), ("provider", 403), ("inland", 404)] {
        let answer = room.log_in(who).await?.post(&path, json!({"risk_level": 1})).await?;
        assert_eq!(answer.0, status, "{who}: {}", answer.1);
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn days_of_calendars_are_added_and_taken_out() -> Result<()> {
    let Some((room, path)) = kept().await? else {
        return Ok(());
    };
    let officer = room.log_in("chen.yu").await?;
    let calendars = "/api/v1/calendars";
    let days = json!({"calendar": "town", "days": ["2026-10-01", "2026-10-02"], "label": "National Day"});
    let (status, list) = officer.post(calendars, days).await?;
    assert_eq!((status, &list["people"]), (200, &json!(0)), "{list}");
    let label = json!({"day": "2026-10-02", "label": "National Day"});
    assert_eq!(list["calendars"][0]["days"][1], label);

    // A person goes by it: a further day makes their rules stale, and the relay publishes them.
    let (status, answer) = officer.post(&path, json!({"calendar": "town"})).await?;
    assert_eq!(status, 204, "{answer}");
    let zones = officer.get(&format!("{path}/zones")).await?;
    assert_eq!(zones["calendar"], "town");
    let more = json!({"calendar": "town", "days": ["2026-10-03"], "label": "National Day"});
    let (status, list) = officer.post(calendars, more.clone()).await?;
    assert_eq!((status, &list["people"]), (200, &json!(1)), "{list}");
    let stale = format!(
        "SELECT count(*) FROM person_rules WHERE stale AND person_id = '{}'",
        room.fixture.people[0]
    );
    assert_eq!(room.number(&stale).await?, 1);

    let out = json!({"calendar": "town", "days": ["2026-10-03"], "removed": true});
    // Another branch goes by calendars of its own: curfews of people whom it does not see are not its to change.
    let inland = room.log_in("inland").await?;
    for foreign in [&out, &more] {
        assert_eq!(
            reason(&inland.post(calendars, foreign.clone()).await?),
            (422, "calendar_of_others")
        );
    }
    let own = json!({"calendar": "inland", "days": ["2026-10-03"], "label": "Fair"});
    assert_eq!(inland.post(calendars, own).await?.0, 200);

    let (status, list) = officer.post(calendars, out.clone()).await?;
    assert_eq!(
        (status, list["calendars"][1]["days"].as_array().map(Vec::len)),
        (200, Some(2))
    );
    assert_eq!(reason(&officer.post(calendars, out).await?), (422, "day_not_in"));
    let all_or_none = json!({"calendar": "town", "days": ["2026-10-01", "2031-01-01"], "removed": true});
    assert_eq!(
        reason(&officer.post(calendars, all_or_none).await?),
        (422, "day_not_in")
    );
    let kept = officer.get(calendars).await?;
    assert_eq!(kept["calendars"][1]["days"].as_array().map(Vec::len), Some(2));
    let noted =
        "SELECT count(*) FROM order_change WHERE person_id IS NULL AND what IN ('holidays', 'holidays_removed')";
    assert_eq!(room.number(noted).await?, 4);

    for bad in [
        json!({"calendar": "town", "days": []}),
        json!({"calendar": "town", "days": ["0001-01-01"]}),
        json!({"calendar": "  ", "days": ["2026-10-01"]}),
    ] {
        assert_eq!(officer.post(calendars, bad).await?.0, 422);
    }
    assert_eq!(officer.post(&path, json!({"calendar": ""})).await?.0, 204);
    assert_eq!(officer.get(&format!("{path}/zones")).await?["calendar"], Value::Null);
    assert_eq!(
        room.log_in("novak").await?.refused(calendars).await?,
        (403, "forbidden".into())
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_ends_and_the_slower_of_two_is_told() -> Result<()> {
    let Some((room, path)) = kept().await? else {
        return Ok(());
    };
    let worker = room.log_in("moreno").await?;
    let contacts = format!("{path}/contacts");
    let listed = async || -> Result<Vec<Value>> {
        let casework = worker.get(&format!("{path}/casework")).await?;
        Ok(casework["contacts"].as_array().cloned().unwrap_or_default())
    };
    let (status, answer) = worker
        .post(
            &contacts,
            json!({"kind": "family", "name": "Ana Dorn", "phone": "13900000001"}),
        )
        .await?;
    assert_eq!(status, 204, "{answer}");
    let known = listed().await?;
    let id = known[0]["contact_id"].clone();
    let sister = json!({"contact_id": id, "kind": "family", "name": "Ana Dorn", "phone": "13900000002", "seen": 1});
    assert_eq!(worker.post(&contacts, sister.clone()).await?.0, 204);
    assert_eq!(
        reason(&worker.post(&contacts, sister.clone()).await?),
        (422, "contact_changed")
    );
    assert_eq!(listed().await?[0]["phone"], "13900000002");

    // Ended it is no contact any more, and its revisions stay; it can be one again.
    let mut ended = sister;
    ended["seen"] = json!(2);
    ended["valid_until"] = json!("1970-01-01T00:00:00Z");
    let (status, answer) = worker.post(&contacts, ended.clone()).await?;
    assert_eq!(status, 204, "{answer}");
    assert_eq!(listed().await?, [] as [Value; 0]);
    assert_eq!(room.number("SELECT count(*) FROM contact_revision").await?, 3);
    ended["seen"] = json!(3);
    ended.as_object_mut().unwrap().remove("valid_until");
    assert_eq!(worker.post(&contacts, ended).await?.0, 204);
    assert_eq!(listed().await?[0]["revision"], 4);

    // Times that no calendar of people has are refused in words, and so is what the database alone would refuse.
    let forever = json!({"kind": "family", "name": "Ana Dorn", "valid_until": "9999-12-30T00:00:00Z"});
    let long_ago = json!({"text": "as it was told", "happened_at": "1899-12-31T00:00:00Z"});
    for (to, body) in [(contacts, forever), (format!("{path}/person-notes"), long_ago)] {
        let (status, answer) = worker.post(&to, body).await?;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("invalid")), "{answer}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("years 1900 to 8999"), "{message}");
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn distances_are_the_polices_alone() -> Result<()> {
    let Some((room, path)) = kept().await? else {
        return Ok(());
    };
    room.sql(
        "INSERT INTO protected_person (protected_id, reference, display_name, police_agency_id, consent_at)
        SELECT gen_random_uuid(), r, n, a.agency_id, now() FROM agency a,
            (VALUES ('PP-1', 'Invented One', 'harbour.police'), ('PP-9', '', 'inland.police')) v (r, n, p) WHERE a.path = v.p::ltree",
    )
    .await?;
    let officer = room.log_in("chen.yu").await?;
    let distances = format!("{path}/distances");
    let list = officer.get(&distances).await?;
    assert_eq!((&list["may_change"], &list["distances"]), (&json!(true), &json!([])));
    assert_eq!(
        list["protected"].as_array().map(Vec::len),
        Some(1),
        "not the one of another town: {list}"
    );

    let away = json!({"protected": "PP-1", "seen": 0, "distance_m": 400.0, "buffer_m": 100.0});
    let (status, list) = officer.post(&distances, away.clone()).await?;
    assert_eq!(status, 200, "{list}");
    let set = &list["distances"][0];
    assert_eq!(
        (
            &set["reference"],
            &set["distance_m"],
            &set["buffer_m"],
            &set["revision"]
        ),
        (&json!("PP-1"), &json!(400.0), &json!(100.0), &json!(1))
    );
    let revision = format!(
        "SELECT revision FROM person_rules WHERE person_id = '{}'",
        room.fixture.people[0]
    );
    assert_eq!(room.number(&revision).await?, 1, "the rules were published with it");
    assert_eq!(
        reason(&officer.post(&distances, away.clone()).await?),
        (422, "distance_changed")
    );
    let mut wider = away;
    wider["seen"] = json!(1);
    wider["distance_m"] = json!(600.0);
    wider["schedule"] = json!({"weekly": [{"weekday": 5, "start": "18:00", "end": "02:00"}]});
    let (status, list) = officer.post(&distances, wider).await?;
    assert_eq!((status, &list["distances"][0]["revision"]), (200, &json!(2)), "{list}");
    for (bad, word) in [
        (
            json!({"protected": "PP-1", "seen": 2, "distance_m": 0.5}),
            (422, "bad_distance"),
        ),
        (
            json!({"protected": "PP-1", "seen": 2, "distance_m": 500.0, "buffer_m": -1.0}),
            (422, "bad_distance"),
        ),
        (
            json!({"protected": "PP-1", "seen": 2, "distance_m": 500.0, "schedule": {"weekly": [{"weekday": 9}]}}),
            (422, "bad_schedule"),
        ),
        (
            json!({"protected": "PP-1", "seen": 2, "distance_m": 500.0, "schedule": {"weekly": []}}),
            (422, "bad_schedule"),
        ),
        (
            json!({"protected": "PP-9", "seen": 0, "distance_m": 500.0}),
            (404, "not_found"),
        ),
        (
            json!({"protected": "PP-2", "seen": 0, "distance_m": 500.0}),
            (404, "not_found"),
        ),
    ] {
        assert_eq!(reason(&officer.post(&distances, bad).await?), word);
    }

    // Social work sees none of it, and changes none.
    let worker = room.log_in("moreno").await?;
    let none = json!({"may_change": false, "distances": [], "protected": []});
    assert_eq!(worker.get(&distances).await?, none);
    let answer = worker
        .post(&distances, json!({"protected": "PP-1", "seen": 2, "removed": true}))
        .await?;
    assert_eq!(reason(&answer), (403, "forbidden"));
    assert_eq!(room.log_in("inland").await?.refused(&distances).await?.0, 404);

    let (status, list) = officer
        .post(&distances, json!({"protected": "PP-1", "seen": 2, "removed": true}))
        .await?;
    assert_eq!((status, &list["distances"]), (200, &json!([])), "{list}");
    let noted = "SELECT count(*) FROM order_change WHERE what IN ('keep_away', 'keep_away_removed')";
    assert_eq!(room.number(noted).await?, 3);
    assert_eq!(room.number(&revision).await?, 3);
    room.close().await
}
