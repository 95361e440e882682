//! The queue and one incident: who sees it, what it says, handling it.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_is_most_urgent_first_and_for_the_own_branch_only() -> Result<()> {
    let room = room!();
    let (chen, moreno) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let police = [
        "exclusion_entry",
        "strap_tamper",
        "curfew_absent_at_start",
        "left_during_curfew",
        "silence",
        "battery_low",
    ];
    assert_eq!(chen.queue().await?, police);
    let social = [
        "strap_tamper",
        "curfew_absent_at_start",
        "left_during_curfew",
        "missed_attendance",
        "silence",
        "battery_low",
    ];
    assert_eq!(moreno.queue().await?, social);
    // An administration sees both; the agency of another town sees its own.
    assert_eq!(room.log_in("lind").await?.queue().await?.len(), 7);
    assert_eq!(room.log_in("inland").await?.queue().await?, ["sos"]);
    // A unit further down the tree sees its own people, not those of the unit above.
    assert_eq!(room.log_in("east").await?.queue().await?, ["strap_tamper"]);

    assert_eq!(chen.get("/api/v1/incidents?state=closed").await?["total"], 0);
    assert_eq!(chen.get("/api/v1/incidents?state=all&limit=2").await?["total"], 6);
    let one = format!("/api/v1/incidents?person_id={}", room.fixture.people[2]);
    assert_eq!(chen.get(&one).await?["total"], 1);
    for bad in ["state=lost", "limit=0", "limit=x", "person_id=7"] {
        assert_eq!(
            chen.refused(&format!("/api/v1/incidents?{bad}")).await?,
            (422, "bad_query".into()),
            "{bad}"
        );
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_the_other_branch_does_not_exist() -> Result<()> {
    let room = room!();
    let (chen, moreno) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let path = |name: &str| format!("/api/v1/incidents/{}", room.fixture.incident(name));
    assert_eq!(moreno.refused(&path("police")).await?, (404, "not_found".into()));
    assert_eq!(chen.refused(&path("social_work")).await?, (404, "not_found".into()));
    for (action, body) in [
        ("acknowledge", json!({})),
        ("notes", json!({"text": "x"})),
        ("close", json!({"code": "test"})),
    ] {
        let (status, _) = moreno.post(&format!("{}/{action}", path("police")), body).await?;
        assert_eq!(status, 404, "{action}");
    }
    // Zones: the police's protected address is not on the social worker's map, and the other way round.
    let labels = |detail: &Value| -> Vec<String> {
        detail["zones"]
            .as_array()
            .unwrap()
            .iter()
            .map(|zone| zone["label"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        labels(&chen.get(&path("both")).await?),
        ["Home", "Protected address 14"]
    );
    assert_eq!(
        labels(&moreno.get(&path("both")).await?),
        ["Home", "Counselling centre"]
    );
    let person = format!("/api/v1/people/{}", room.fixture.people[0]);
    let (for_police, for_social) = (chen.get(&person).await?, moreno.get(&person).await?);
    assert_eq!(for_police["zones"].as_array().map(Vec::len), Some(2));
    assert!(!for_social.to_string().contains("Protected address"), "{for_social}");
    assert!(!for_police.to_string().contains("Counselling"), "{for_police}");

    // An incident for both whose zone only the police may see says nothing of the zone, nor why.
    let zone = room.fixture.police_zone;
    let hidden = room.fixture.incident("both");
    room.sql(&format!(
        "UPDATE incident SET zone_id = '{zone}' WHERE incident_id = '{hidden}';
        UPDATE event SET zone_id = '{zone}' FROM incident_event ie WHERE ie.event_id = event.event_id AND ie.incident_id = '{hidden}'"
    ))
    .await?;
    let detail = moreno.get(&path("both")).await?;
    assert_eq!((&detail["zone"], &detail["events"]), (&Value::Null, &json!([])));
    assert_eq!(
        chen.get(&path("both")).await?["events"].as_array().map(Vec::len),
        Some(1)
    );

    // Notes to the own branch.
    let notes = format!("{}/notes", path("both"));
    assert_eq!(
        chen.post(&notes, json!({"text": "for the police", "audience": "own"}))
            .await?
            .0,
        200
    );
    assert_eq!(
        moreno
            .post(&notes, json!({"text": "for social work", "audience": "own"}))
            .await?
            .0,
        200
    );
    assert_eq!(moreno.post(&notes, json!({"text": "for both"})).await?.0, 200);
    let words = |detail: Value| -> Vec<String> {
        let actions = detail["actions"].as_array().unwrap().clone();
        actions
            .iter()
            .filter(|a| a["action"] == "note")
            .map(|a| a["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(words(chen.get(&path("both")).await?), ["for the police", "for both"]);
    assert_eq!(words(moreno.get(&path("both")).await?), ["for social work", "for both"]);
    assert_eq!(words(room.log_in("lind").await?.get(&path("both")).await?).len(), 3);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_corrected_events_show_as_such() -> Result<()> {
    let room = room!();
    let database = casedb::Database::connect(&room.database.url, 4).await?;
    let made = corrected::fill(&database, &room.fixture, Timestamp::now()).await?;
    let path = |name: &str| {
        let id = made.iter().find(|(other, _)| *other == name).unwrap().1;
        format!("/api/v1/incidents/{id}")
    };
    let chen = room.log_in("chen.yu").await?;
    for (name, late, corrected, withdrawn, ongoing, codes) in [
        ("late", true, false, false, false, vec![]),
        ("moved", false, true, false, false, vec!["moved"]),
        ("withdrawn", false, true, true, false, vec!["moved", "withdrawn"]),
        ("resumed", false, true, false, true, vec!["resumed"]),
    ] {
        let detail = chen.get(&why(&path(name))).await?;
        assert_eq!(
            [
                &detail["late"],
                &detail["corrected"],
                &detail["withdrawn"],
                &detail["ongoing"]
            ],
            [late, corrected, withdrawn, ongoing].map(Value::Bool).each_ref(),
            "{name}"
        );
        assert_eq!(detail["ended_at"].is_null(), withdrawn || ongoing, "{name}");
        assert_eq!(detail["state"], "notified", "only a person closes it");
        let account = detail["actions"].as_array().unwrap();
        let found: Vec<&str> = account.iter().filter_map(|action| action["code"].as_str()).collect();
        assert_eq!(found, codes, "{name}");
        let moved = account.iter().find(|action| action["code"] == "moved");
        assert!(moved.is_none_or(|action| action["ended_at"].is_string()));
        let taken_back = account.iter().find(|action| action["code"] == "withdrawn");
        assert!(
            taken_back.is_none_or(|action| action["ended_at"].is_null()),
            "what did not happen has no end"
        );
        let listed = chen.get("/api/v1/incidents").await?;
        let listed = listed["incidents"].as_array().unwrap();
        let listed = listed
            .iter()
            .find(|other| other["incident_id"] == detail["incident_id"])
            .unwrap();
        assert_eq!(listed["late"], late, "the queue says the same");
        assert_eq!(
            (&listed["corrected"], &listed["withdrawn"]),
            (&json!(corrected), &json!(withdrawn))
        );
    }
    let detail = chen.get(&why(&path("withdrawn"))).await?;
    assert_eq!(detail["events"][3]["withdrawn"], true);
    let onset = &detail["events"][0];
    for (field, value) in [
        ("probability", json!(0.987)),
        ("threshold", json!(0.95)),
        ("model", json!(2)),
        ("fixes_required", json!(3)),
        ("zone_revision", json!(4)),
        ("rules_revision", json!(17)),
        ("time_zone_data", json!("2026b")),
        ("order_id", json!("01994c1e-77aa-7000-8000-000000000042")),
    ] {
        assert_eq!(onset[field], value, "{field}");
    }
    let fix = &onset["fixes"][1];
    assert_eq!(
        (&fix["sigma_m"], &fix["signed_distance_m"]),
        (&json!(9.4 + 1.3), &json!(55.5))
    );
    assert!(["gnss", "cell"].contains(&fix["source"].as_str().unwrap()));
    // What a device says has no probability.
    let clock = room.log_in("moreno").await?.get(&why(&path("clock"))).await?;
    let event = &clock["events"][0];
    for field in ["probability", "threshold", "model", "zone_revision"] {
        assert_eq!(event[field], Value::Null, "{field}");
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_acknowledged_noted_and_closed() -> Result<()> {
    let room = room!();
    let (chen, okafor) = (room.log_in("chen.yu").await?, room.log_in("okafor").await?);
    let path = format!("/api/v1/incidents/{}", room.fixture.incident("both"));
    let detail = chen.get(&why(&path)).await?;
    assert_eq!(detail["events"][0]["fixes"].as_array().map(Vec::len), Some(3));
    assert!(
        detail["events"][0]["sentence"]
            .as_str()
            .is_some_and(|sentence| sentence.contains("outside the zone"))
    );
    assert!(detail["track"].as_array().is_some_and(|track| track.len() > 20));
    assert_eq!(detail["notifications"][0]["state"], "sent");

    let (status, acknowledged) = chen
        .post(&format!("{path}/acknowledge"), json!({"version": detail["version"]}))
        .await?;
    assert_eq!((status, &acknowledged["state"]), (200, &json!("acknowledged")));
    assert_eq!(acknowledged["acknowledged_by"]["display_name"], "Chen Yu");
    // A second officer is told that the first was faster; the first may press twice.
    let (status, body) = okafor.post(&format!("{path}/acknowledge"), json!({})).await?;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("conflict")));
    assert_eq!(chen.post(&format!("{path}/acknowledge"), json!({})).await?.0, 200);

    for text in ["  ", "\u{2060}", "\u{200b}\u{3000}", "\u{ad}"] {
        let (status, body) = chen.post(&format!("{path}/notes"), json!({ "text": text })).await?;
        assert_eq!(
            (status, &body["error"]["code"]),
            (422, &json!("text_required")),
            "{text:?}"
        );
        let suspend =
            json!({"authority": text, "reason": "r", "until": Timestamp::now() + jiff::SignedDuration::from_hours(1)});
        assert_eq!(chen.post(&format!("{path}/suspend"), suspend).await?.0, 422, "{text:?}");
    }
    let (status, body) = chen
        .post(&format!("{path}/notes"), json!({"text": "x".repeat(4_001)}))
        .await?;
    assert_eq!((status, &body["error"]["code"]), (422, &json!("text_too_long")));

    for (body, code) in [
        (json!({}), "code_required"),
        (json!({"code": ""}), "code_required"),
        (json!({"code": "went_home"}), "unknown_code"),
        (json!({"code": "other"}), "text_required"),
        (json!({"code": "other", "text": " "}), "text_required"),
        (json!({"code": "other", "text": "\u{200b}\u{3000}"}), "text_required"),
    ] {
        let (status, answer) = chen.post(&format!("{path}/close"), body.clone()).await?;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!(code)), "{body}");
    }
    // Closing what somebody has changed meanwhile is a conflict.
    let (status, body) = chen
        .post(
            &format!("{path}/close"),
            json!({"code": "test", "version": detail["version"]}),
        )
        .await?;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("conflict")));
    let version = chen.get(&path).await?["version"].clone();
    let closing = json!({"code": "returned_compliant", "text": "Back at 21:40", "version": version});
    let (status, closed) = chen.post(&format!("{path}/close"), closing).await?;
    assert_eq!(
        (status, &closed["state"], &closed["closing_code"]),
        (200, &json!("closed"), &json!("returned_compliant"))
    );
    assert_eq!(
        chen.post(&format!("{path}/close"), json!({"code": "test"})).await?.0,
        409
    );
    assert_eq!(chen.post(&format!("{path}/acknowledge"), json!({})).await?.0, 409);
    assert!(!chen.queue().await?.contains(&"left_during_curfew".to_owned()));
    assert_eq!(chen.get("/api/v1/incidents?state=closed").await?["total"], 1);

    let codes = chen.get("/api/v1/closing-codes").await?;
    assert!(codes["codes"].as_array().is_some_and(|codes| {
        codes
            .iter()
            .any(|code| code["code"] == "other" && code["needs_text"] == true)
    }));
    room.close().await
}
