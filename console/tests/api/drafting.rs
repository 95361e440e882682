//! An order from draft to end over the API, each by who may, and refusals that name their rule.

use super::*;

/// A room whose people have rules, and whose office is of the county, as the Chinese profile asks.
async fn county() -> Result<Option<(Room, String)>> {
    let Some(room) = Room::open().await? else {
        return Ok(None);
    };
    room.sql(
        "INSERT INTO person_rules (person_id) SELECT person_id FROM person ON CONFLICT DO NOTHING;
        UPDATE agency SET level = 'county' WHERE path = 'harbour';
        UPDATE supervision_order SET revoked_at = now() - interval '1 day'",
    )
    .await?;
    let path = format!("/api/v1/people/{}/orders", room.fixture.people[0]);
    Ok(Some((room, path)))
}

fn draft(more: &Value) -> Value {
    let mut draft =
        json!({"profile": "cn", "ground_codes": ["left_area"], "months": 3, "conditions": "at home by 21:00"});
    for (name, value) in more.as_object().unwrap() {
        draft[name] = value.clone();
    }
    draft
}

fn reason(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["error"]["reason"].as_str().unwrap_or("none"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_draft_to_end() -> Result<()> {
    let Some((room, path)) = county().await? else {
        return Ok(());
    };
    let (moreno, chen, lind) = (
        room.log_in("moreno").await?,
        room.log_in("chen.yu").await?,
        room.log_in("lind").await?,
    );
    let orders = "SELECT count(*) FROM supervision_order WHERE profile = 'cn'";

    // A check keeps nothing.
    let (status, list) = moreno.post(&path, draft(&json!({"check": true}))).await?;
    assert_eq!(status, 200, "{list}");
    assert_eq!(
        (&list["orders"][0]["standing"], &list["may_propose"]),
        (&json!("draft"), &json!(true))
    );
    assert!(list["made"].is_string());
    assert_eq!(room.number(orders).await?, 0);
    assert_eq!(room.number("SELECT count(*) FROM order_change").await?, 0);

    let settings = json!({"reporting_interval_s": 30, "silence_after_s": 600, "home_exit_grace_s": 120, "late_return_after_s": 1800,
        "home_exit": 0.97});
    let (status, list) = moreno.post(&path, draft(&json!({"settings": settings}))).await?;
    assert_eq!(status, 200, "{list}");
    let made = &list["orders"][0];
    let id = made["order_id"].as_str().context("id")?.to_owned();
    assert_eq!(list["made"], json!(id));
    assert_eq!(made["settings"]["home_exit_grace_s"], 120);
    assert_eq!(made["settings"]["home_exit"], 0.97);
    let missing: Vec<_> = made["missing_steps"]
        .as_array()
        .context("steps")?
        .iter()
        .map(|step| &step["code"])
        .collect();
    assert_eq!(missing, ["notice_signed", "copy_sent"]);
    assert_eq!(
        (&made["may_change"], &made["may_review"]),
        (&json!(true), &json!(false))
    );
    let of = |what: &str| format!("/api/v1/orders/{id}/{what}");

    // Approved by the head of the county, not by who drew it up and not by the police.
    assert_eq!(
        reason(&moreno.post(&of("decision"), json!({"decision": "approved"})).await?),
        (422, "approver_role")
    );
    assert_eq!(moreno.get(&path).await?["orders"][0]["may_decide"], false);
    assert_eq!(lind.get(&path).await?["orders"][0]["may_decide"], true);
    assert_eq!(
        lind.post(&of("decision"), json!({"decision": "approved"})).await?.0,
        200
    );
    let early = moreno
        .post(&of("reviews"), json!({"outcome": "continue", "note": "n"}))
        .await?;
    assert_eq!(reason(&early), (422, "review_role"));
    let early = lind
        .post(&of("reviews"), json!({"outcome": "continue", "note": "n"}))
        .await?;
    assert_eq!(reason(&early), (422, "not_effective"));

    // Served, and copied to the procuratorate: then it is in force.
    let unserved = Timestamp::now();
    let notice = json!({"step": "notice_signed", "reference": "signed before Moreno, no. 12", "done_at": unserved - SignedDuration::from_mins(5)});
    let (status, list) = moreno.post(&of("notices"), notice).await?;
    assert_eq!((status, &list["orders"][0]["standing"]), (200, &json!("draft")));
    let (status, list) = chen
        .post(&of("notices"), json!({"step": "copy_sent", "reference": "letter 7"}))
        .await?;
    assert_eq!(
        (status, &list["orders"][0]["standing"], &list["in_force"]),
        (200, &json!("in_force"), &json!(id))
    );
    assert_eq!(list["orders"][0]["notices"][0]["recorded_by"], "moreno");
    assert_eq!(
        list["orders"][0]["notices"][1]["given_to"],
        "the people's procuratorate"
    );

    // Extended: asked for by one, approved by another.
    let before = list["orders"][0]["state"]["ends_at"].clone();
    let (status, list) = moreno
        .post(&of("extensions"), json!({"months": 1, "reason": "still needed"}))
        .await?;
    assert_eq!((status, &list["orders"][0]["state"]["ends_at"]), (200, &before));
    let extension = list["orders"][0]["extensions"][0]["extension_id"].clone();
    let unextended = Timestamp::now();
    let approve = json!({"decision": "approved", "extension_id": extension});
    assert_eq!(
        reason(&moreno.post(&of("decision"), approve.clone()).await?),
        (422, "approver_role")
    );
    let (status, list) = lind.post(&of("decision"), approve).await?;
    assert_eq!(status, 200);
    // Its end moves with the notice and the copy of the extension, not before.
    assert_eq!(list["orders"][0]["state"]["ends_at"], before);
    let missing = list["orders"][0]["missing_extension_steps"].clone();
    assert_eq!(missing.as_array().map(Vec::len), Some(2), "{missing}");
    assert_eq!(missing[0]["extension_id"], extension);
    for step in [&missing[0], &missing[1]] {
        let done = json!({"step": step["code"], "extension_id": extension, "reference": "letter 9"});
        assert_eq!(moreno.post(&of("notices"), done).await?.0, 200);
    }
    let list = moreno.get(&path).await?;
    assert_ne!(list["orders"][0]["state"]["ends_at"], before);

    // Varied, with its settings; reviewed.
    let vary = json!({"conditions": "at home by 20:00", "reason": "work ended", "settings": {"reporting_interval_s": 30,
        "silence_after_s": 600, "home_exit_grace_s": 60, "late_return_after_s": 1800}});
    let (status, list) = chen.post(&of("variations"), vary).await?;
    assert_eq!(
        (status, &list["orders"][0]["state"]["conditions"]),
        (200, &json!("at home by 20:00"))
    );
    assert_eq!(list["orders"][0]["settings"]["home_exit_grace_s"], 60);
    let published: i64 = room.number("SELECT count(*) FROM outbox").await?;
    assert!(published > 0, "the rules are published");
    let (status, list) = lind
        .post(
            &of("reviews"),
            json!({"outcome": "vary", "note": "goes well", "conditions": "at home by 22:00"}),
        )
        .await?;
    assert_eq!(
        (status, &list["orders"][0]["state"]["conditions"]),
        (200, &json!("at home by 22:00")),
        "{list}"
    );
    assert_eq!(list["orders"][0]["reviews"][0]["outcome"], "vary");

    // As of any time: before the notice it was approved and not in force; before the extension it ended earlier.
    let then = chen
        .get(&format!("{path}?as_of={unserved}&known_at={unserved}"))
        .await?;
    assert_eq!(
        (&then["in_force"], &then["orders"][0]["standing"]),
        (&Value::Null, &json!("draft"))
    );
    assert_eq!(
        then["orders"][0]["settings"]["home_exit_grace_s"], 120,
        "as it was set then"
    );
    let then = chen
        .get(&format!("{path}?as_of={unextended}&known_at={unextended}"))
        .await?;
    assert_eq!(
        (&then["in_force"], &then["orders"][0]["state"]["ends_at"]),
        (&json!(id), &before)
    );
    assert_eq!(then["orders"][0]["state"]["conditions"], "at home by 21:00");

    // Ended, with a reason, once.
    assert_eq!(
        reason(&chen.post(&of("revocation"), json!({"reason": " "})).await?),
        (422, "reason_needed")
    );
    let (status, list) = chen.post(&of("revocation"), json!({"reason": "goal reached"})).await?;
    assert_eq!(
        (status, &list["orders"][0]["standing"], &list["in_force"]),
        (200, &json!("revoked"), &Value::Null)
    );
    assert_eq!(
        reason(&chen.post(&of("revocation"), json!({"reason": "again"})).await?),
        (422, "order_revoked")
    );
    assert_eq!(
        reason(
            &chen
                .post(&of("extensions"), json!({"months": 1, "reason": "more"}))
                .await?
        ),
        (422, "order_revoked")
    );
    let noted = room
        .number("SELECT count(DISTINCT what) FROM order_change WHERE what LIKE 'order_%'")
        .await?;
    assert_eq!(noted, 7, "made, approved, notice, extension, review, varied, revoked");
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_their_rule_and_keep_nothing() -> Result<()> {
    let Some((room, path)) = county().await? else {
        return Ok(());
    };
    let (moreno, lind) = (room.log_in("moreno").await?, room.log_in("lind").await?);
    for (more, rule, value) in [
        (json!({"months": 4}), "term_too_long", ("months", "3")),
        (json!({"ground_codes": []}), "ground_needed", ("profile", "cn")),
        (json!({"ground_codes": ["mood"]}), "ground_unknown", ("ground", "mood")),
        (
            json!({"profile": "generic", "ground_codes": []}),
            "grounds_in_words",
            ("", ""),
        ),
        (
            json!({"months": null, "first_day": "2020-01-01", "last_day": "2020-02-01"}),
            "term_over",
            ("asked", "2020-02-02 00:00 +08:00"),
        ),
        (
            json!({"months": null, "first_day": "2030-02-01", "last_day": "2030-01-01"}),
            "term_backwards",
            ("from", "2030-02-01 00:00 +08:00"),
        ),
        (
            json!({"settings": {"reporting_interval_s": 0, "silence_after_s": 600, "home_exit_grace_s": 0, "late_return_after_s": 0}}),
            "setting_range",
            ("setting", "reporting_interval_s"),
        ),
        (
            json!({"settings": {"reporting_interval_s": 9, "silence_after_s": 600, "home_exit_grace_s": 0, "late_return_after_s": 0,
                "home_exit": 0.5}}),
            "setting_range",
            ("most", "0.999"),
        ),
    ] {
        let answer = moreno.post(&path, draft(&more)).await?;
        assert_eq!(reason(&answer), (422, rule), "{more}: {}", answer.1);
        if !value.0.is_empty() {
            assert_eq!(answer.1["error"]["values"][value.0], value.1, "{}", answer.1);
        }
    }
    // The last day is the last day: three months from the first reach the day before the same day.
    let exact = json!({"months": null, "first_day": "2030-01-31", "last_day": "2030-04-29", "check": true});
    assert_eq!(moreno.post(&path, draft(&exact)).await?.0, 200);
    let longer = json!({"months": null, "first_day": "2030-01-31", "last_day": "2030-04-30", "check": true});
    assert_eq!(
        reason(&moreno.post(&path, draft(&longer)).await?),
        (422, "term_too_long")
    );
    for (body, code) in [
        (draft(&json!({"last_day": "2030-01-01"})), "bad_value"),
        (draft(&json!({"months": null})), "bad_value"),
        (draft(&json!({"profile": "moon"})), "invalid"),
        (draft(&json!({"conditions": "x".repeat(4_001)})), "text_too_long"),
    ] {
        let answer = moreno.post(&path, body).await?;
        assert_eq!(
            (answer.0, &answer.1["error"]["code"]),
            (422, &json!(code)),
            "{}",
            answer.1
        );
    }
    let inland = room.log_in("inland").await?;
    assert_eq!(inland.post(&path, draft(&json!({}))).await?.0, 404);
    for name in ["novak", "auditor", "provider"] {
        assert_eq!(
            room.log_in(name).await?.post(&path, draft(&json!({}))).await?.0,
            403,
            "{name}"
        );
    }
    assert_eq!(
        room.number("SELECT count(*) FROM supervision_order WHERE profile <> 'generic'")
            .await?,
        0
    );

    // Who draws it up does not approve it, also with the approver's role.
    let (_, list) = lind.post(&path, draft(&json!({}))).await?;
    let of = |what: &str| format!("/api/v1/orders/{}/{what}", list["made"].as_str().unwrap());
    assert_eq!(
        reason(&lind.post(&of("decision"), json!({"decision": "approved"})).await?),
        (422, "own_proposal")
    );
    assert_eq!(inland.post(&of("notices"), json!({"step": "copy_sent"})).await?.0, 404);
    let ahead = json!({"step": "copy_sent", "done_at": Timestamp::now() + SignedDuration::from_hours(1)});
    assert_eq!(reason(&moreno.post(&of("notices"), ahead).await?), (422, "step_future"));
    assert_eq!(
        reason(&moreno.post(&of("notices"), json!({"step": "written_order"})).await?),
        (422, "step_unknown")
    );
    assert_eq!(
        reason(
            &moreno
                .post(&of("extensions"), json!({"months": 4, "reason": "r"}))
                .await?
        ),
        (422, "extension_too_long")
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn how_urgent_events_are_under_an_order_is_set_by_who_may_vary_it() -> Result<()> {
    let Some((room, path)) = county().await? else {
        return Ok(());
    };
    let (moreno, lind) = (room.log_in("moreno").await?, room.log_in("lind").await?);
    let (_, list) = moreno.post(&path, draft(&json!({}))).await?;
    let order = list["made"].as_str().context("made")?.to_owned();
    let of = format!("/api/v1/orders/{order}/priorities");
    let none = moreno.get(&of).await?;
    assert_eq!(
        (&none["rules"], &none["revision"], &none["may_change"]),
        (&json!([]), &json!(0), &json!(true))
    );
    let kinds = none["kinds"].as_array().context("kinds")?;
    assert_eq!(kinds.len(), 24);
    let entry = kinds
        .iter()
        .find(|kind| kind["kind"] == "exclusion_entry")
        .context("entry")?;
    assert_eq!(
        (&entry["by_table"], &entry["least"], &entry["least_guarded"]),
        (&json!(1), &json!(3), &json!(2))
    );

    let say = async |by: &Caller<'_>, rules: Value, reason: &str| -> Result<(u16, Value)> {
        let body = json!({"rules": rules, "reason": reason});
        let response = by.send(Method::PUT, &of, Some(body)).await?;
        Ok((response.status().as_u16(), response.json().await?))
    };
    let (status, list) = say(&moreno, json!(["silence=+1", "late_return=-1"]), "relapse").await?;
    assert_eq!(status, 200, "{list}");
    let said = &list["orders"][0]["priorities"][0];
    assert_eq!(
        (&said["rules"], &said["reason"], &said["set_by"], &said["revision"]),
        (
            &json!(["silence=+1", "late_return=-1"]),
            &json!("relapse"),
            &json!("moreno"),
            &json!(1)
        )
    );
    let (status, _) = say(&lind, json!([]), "calm").await?;
    assert_eq!(status, 200);
    let then = moreno.get(&of).await?;
    assert_eq!(
        (
            &then["rules"],
            &then["revision"],
            then["revisions"].as_array().map(Vec::len)
        ),
        (&json!([]), &json!(2), Some(2))
    );
    assert_eq!(then["revisions"][1]["set_by"], "lind");

    for (rules, why, rule) in [
        (json!(["silence"]), "x", "priority_unreadable"),
        (json!(["nothing=+1"]), "x", "priority_kind"),
        (json!(["silence=+4"]), "x", "priority_steps"),
        (json!(["silence=+1", "silence=P1"]), "x", "priority_twice"),
        (json!(["sos=-1"]), "x", "priority_too_low"),
        (json!(["silence=+1"]), "  ", "reason_needed"),
    ] {
        let answer = say(&moreno, rules.clone(), why).await?;
        assert_eq!(reason(&answer), (422, rule), "{rules}: {}", answer.1);
    }
    let many = say(&moreno, json!(vec!["silence=+1"; 26]), "x").await?;
    assert_eq!((many.0, &many.1["error"]["code"]), (422, &json!("bad_value")));
    for (name, status) in [("inland", 404), ("novak", 403), ("auditor", 403), ("provider", 403)] {
        let caller = room.log_in(name).await?;
        assert_eq!(say(&caller, json!([]), "x").await?.0, status, "{name}");
        assert_eq!(caller.send(Method::GET, &of, None).await?.status(), status, "{name}");
    }
    assert_eq!(room.number("SELECT count(*) FROM order_priority").await?, 2);
    assert_eq!(
        room.number("SELECT count(*) FROM order_change WHERE detail LIKE '%: priorities %'")
            .await?,
        2
    );
    assert_eq!(
        moreno
            .post(&of.replace("priorities", "revocation"), json!({"reason": "over"}))
            .await?
            .0,
        200
    );
    let late = say(&moreno, json!(["silence=+1"]), "x").await?;
    assert_eq!(reason(&late), (422, "order_revoked"));
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn laws_are_told_in_both_languages_with_their_limits() -> Result<()> {
    let room = room!();
    let laws = room.log_in("moreno").await?.get("/api/v1/law-profiles").await?;
    let cn = laws["profiles"]
        .as_array()
        .context("profiles")?
        .iter()
        .find(|profile| profile["name"] == "cn");
    let cn = cn.context("cn")?;
    assert_eq!(cn["term"]["months"], 3);
    assert_eq!(cn["ground"].as_array().map(Vec::len), Some(5));
    assert!(
        cn["ground"][1]["text_zh"]
            .as_str()
            .is_some_and(|text| text.contains("离开"))
    );
    let limits = laws["limits"].as_array().context("limits")?;
    let limit = |name: &str| limits.iter().find(|limit| limit["name"] == name).cloned().unwrap();
    assert_eq!(limit("home_exit")["least"], 0.9);
    assert_eq!(limit("silence_after_s")["most"], 604_800.0);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn leave_is_asked_for_approved_by_its_tier_and_withdrawn() -> Result<()> {
    let Some((room, path)) = county().await? else {
        return Ok(());
    };
    let ask = path.replace("/orders", "/leave");
    let (moreno, okafor, chen) = (
        room.log_in("moreno").await?,
        room.log_in("okafor").await?,
        room.log_in("chen.yu").await?,
    );
    let now = Timestamp::now();
    let days = |from: i64, days: i64, check: bool| {
        json!({"starts_at": now + SignedDuration::from_hours(24 * from), "ends_at": now + SignedDuration::from_hours(24 * (from + days)),
            "reason": "family", "check": check})
    };
    for (length, roles) in [
        (7, json!(["duty_officer", "social_worker", "supervisor"])),
        (8, json!(["supervisor"])),
        (30, json!(["supervisor"])),
        (31, json!(["supervisor"])),
    ] {
        let (status, list) = moreno.post(&ask, days(1, length, true)).await?;
        assert_eq!(status, 200, "{list}");
        assert_eq!(
            (&list["leave"][0]["days"], &list["leave"][0]["tier"]["roles"]),
            (&json!(length), &roles)
        );
    }
    assert_eq!(
        room.number("SELECT count(*) FROM leave_pass").await?,
        0,
        "a check keeps nothing"
    );
    assert_eq!(
        reason(&moreno.post(&ask, days(2, -1, false)).await?),
        (422, "leave_backwards")
    );
    assert_eq!(
        reason(&moreno.post(&ask, days(-9, 2, false)).await?),
        (422, "leave_over")
    );
    let mut silent = days(1, 9, false);
    silent["reason"] = json!(" ");
    assert_eq!(reason(&moreno.post(&ask, silent).await?), (422, "reason_needed"));
    let (_, list) = moreno.post(&ask, days(1, 9, false)).await?;
    let pass = list["made"].as_str().context("made")?.to_owned();
    assert_eq!(
        (&list["leave"][0]["state"], &list["leave"][0]["may_withdraw"]),
        (&json!("requested"), &json!(true))
    );
    let decide = format!("/api/v1/leave/{pass}/decision");
    let refused = chen.post(&decide, json!({"decision": "approved"})).await?;
    assert_eq!(reason(&refused), (422, "leave_role"));
    assert_eq!(refused.1["error"]["values"]["roles"], "supervisor");
    assert_eq!(okafor.post(&decide, json!({"decision": "approved"})).await?.0, 200);
    let withdraw = format!("/api/v1/leave/{pass}/withdrawal");
    assert_eq!(room.log_in("inland").await?.post(&withdraw, json!({})).await?.0, 404);
    let (status, list) = chen.post(&withdraw, json!({})).await?;
    assert_eq!(status, 200);
    assert!(list["leave"][0]["withdrawn_at"].is_string(), "{list}");
    assert_eq!(reason(&chen.post(&withdraw, json!({})).await?), (422, "leave_over"));
    room.close().await
}
