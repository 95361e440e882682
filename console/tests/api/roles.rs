//! The homes of roles that work on no case, and casework, all served as the role of the user.

use super::*;

/// Twelve incidents of six people of Harbour, and one of one, all of one kind each.
async fn many(room: &Room) -> Result<()> {
    room.sql(
        "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at, police_agency_id, social_agency_id)
        SELECT gen_random_uuid(), p.person_id, 'many ' || n, 'clock_skew', 4, 'both', 'raised', now(), p.police_agency_id, p.social_agency_id
        FROM person p CROSS JOIN generate_series(1, 2) n
        WHERE p.police_agency_id = (SELECT agency_id FROM agency WHERE path = 'harbour.police') AND NOT p.canary",
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn analysts_get_counts_and_never_a_person() -> Result<()> {
    let room = room!();
    let novak = room.log_in("novak").await?;
    let few = novak.get("/api/v1/statistics").await?;
    let cells = few["kinds"].as_array().context("kinds")?;
    assert!(
        !cells.is_empty() && cells.iter().all(|cell| cell["incidents"].is_null()),
        "{few}"
    );
    many(&room).await?;
    let list = novak.get("/api/v1/statistics").await?;
    let kinds = list["kinds"].as_array().context("kinds")?;
    let shown: Vec<_> = kinds.iter().filter(|cell| !cell["incidents"].is_null()).collect();
    assert_eq!(shown.len(), 1, "{list}");
    assert_eq!(
        (&shown[0]["name"], &shown[0]["incidents"]),
        (&json!("clock_skew"), &json!(12))
    );
    let text = list.to_string();
    for (reference, name) in [("HB-2031", "Pavel Dorn"), ("HB-2044", "Amara Vey")] {
        assert!(!text.contains(reference) && !text.contains(name), "{text}");
    }
    assert!(
        room.fixture
            .people
            .iter()
            .all(|person| !text.contains(&person.to_string()))
    );
    // Reports of the one person of the eastern station are not told; those of six people are.
    let reports = list["reports"].as_array().context("reports")?;
    let east = reports.iter().filter(|row| row["agency"] == "Harbour Police, East");
    assert!(
        east.clone().count() > 0
            && east
                .clone()
                .all(|row| row["people"].is_null() && row["reports"].is_null())
    );
    assert!(reports.iter().any(|row| row["people"].as_i64() >= Some(5)), "{list}");
    assert_eq!(
        novak.refused("/api/v1/statistics?from=2020-01-01").await?.1,
        "bad_interval"
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_see_who_read_what_and_take_it_with_them() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let person = room.fixture.people[0];
    chen.get(&why(&format!("/api/v1/people/{person}/track"))).await?;
    let asked = json!({"reference": "HB-2102", "reason": "Seen at the station, in danger", "case": "=1+1"});
    assert_eq!(chen.post("/api/v1/break-glass", asked).await?.0, 201);
    let auditor = room.log_in("auditor").await?;
    let chain = auditor.get("/api/v1/audit/chain").await?;
    assert!(
        chain["waiting"].as_i64() > Some(0) && chain["signed"].is_null(),
        "{chain}"
    );
    let list = auditor.get("/api/v1/audit/readings?user=chen.yu").await?;
    let one = &list["readings"][0];
    assert_eq!(
        (
            &one["username"],
            &one["reference"],
            &one["purpose"],
            &one["case_number"]
        ),
        (
            &json!("chen.yu"),
            &json!("HB-2031"),
            &json!("incident"),
            &json!("2026-31")
        ),
        "{list}"
    );
    let nobody = auditor.get("/api/v1/audit/readings?user=moreno").await?;
    assert_eq!(nobody["readings"], json!([]));
    let opened = auditor.get("/api/v1/audit/emergencies").await?;
    let one = &opened["accesses"][0];
    assert_eq!((&one["username"], &one["finding"]), (&json!("chen.yu"), &Value::Null));
    assert!(!opened.to_string().contains("in danger"), "words of a case: {opened}");
    let file = auditor.send(Method::GET, "/api/v1/audit/emergencies.csv", None).await?;
    assert_eq!(file.headers()["content-type"], "text/csv; charset=utf-8");
    let text = file.text().await?;
    assert!(
        text.starts_with("\"opened_at\",") && text.contains("\"'=1+1\""),
        "{text}"
    );
    // Case contents are not for auditors.
    for path in [
        format!("/api/v1/people/{person}/orders"),
        format!("/api/v1/people/{person}"),
    ] {
        assert_eq!(auditor.refused(&path).await?.0, 403, "{path}");
    }
    assert_eq!(
        room.log_in("okafor").await?.refused("/api/v1/audit/chain").await?.0,
        403
    );
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_decides_what_a_service_provider_sees_and_does() -> Result<()> {
    let room = room!();
    let person = room.fixture.people[0];
    let contract = |scope: &str| {
        format!(
            "INSERT INTO service_contract (contract_id, reference, provider_id, client_id, scope, starts_at, ends_at)
            SELECT '00000000-0000-7000-8000-0000000000cc', 'care', (SELECT agency_id FROM agency WHERE path = 'care'), agency_id,
                '{scope}', now() - interval '1 day', now() + interval '1 day' FROM agency WHERE path = 'harbour';
            INSERT INTO service_contract_person (contract_id, person_id, added_at)
            VALUES ('00000000-0000-7000-8000-0000000000cc', '{person}', now() - interval '1 hour');"
        )
    };
    room.sql(
        "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES (gen_random_uuid(), 'care', 'Care', 'service_provider', 'Asia/Shanghai');
        UPDATE app_user SET agency_id = (SELECT agency_id FROM agency WHERE path = 'care') WHERE username = 'provider';
        INSERT INTO device (device_id, protocol, identity, secret) VALUES (gen_random_uuid(), 'native', 'SPARE-1', 'a secret of sixteen')",
    )
    .await?;
    let provider = room.log_in("provider").await?;
    assert_eq!(provider.get("/api/v1/care").await?["people"], json!([]));
    let page = format!("/api/v1/care/{person}");
    assert_eq!(provider.refused(&page).await?.0, 404);
    room.sql(&contract("{notes}")).await?;
    let seen = provider.get(&page).await?;
    assert_eq!(
        (&seen["person"]["reference"], &seen["notes"]),
        (&json!("HB-2031"), &json!([]))
    );
    for hidden in ["contacts", "incidents"] {
        assert!(seen[hidden].is_null(), "{seen}");
    }
    assert!(
        seen["person"]["device"].is_null() && !seen.to_string().contains("latitude"),
        "{seen}"
    );
    let note = provider
        .send(
            Method::POST,
            &format!("{page}/notes"),
            Some(json!({"text": "At home", "kind": "visit"})),
        )
        .await?;
    assert_eq!(note.status(), 204);
    assert_eq!(provider.get(&page).await?["notes"][0]["text"], "At home");
    let swap = json!({"device": "native:SPARE-1", "reason": "fault"});
    let (status, refused) = provider.post(&format!("{page}/swap"), swap.clone()).await?;
    assert_eq!((status, &refused["error"]["code"]), (422, &json!("not_covered")));

    room.sql("UPDATE service_contract SET scope = '{notes,device,incidents,contacts}'")
        .await?;
    let seen = provider.get(&page).await?;
    assert!(
        seen["person"]["device"]["device"].is_string() && seen["incidents"].is_array(),
        "{seen}"
    );
    let unknown = json!({"device": "native:NONE", "reason": "fault"});
    assert_eq!(provider.post(&format!("{page}/swap"), unknown).await?.0, 422);
    let done = provider.send(Method::POST, &format!("{page}/swap"), Some(swap)).await?;
    assert_eq!(done.status(), 204, "{}", done.text().await?);
    assert_eq!(
        provider.get(&page).await?["person"]["device"]["device"],
        "native:SPARE-1"
    );
    // The same device again is not free.
    let again = json!({"device": "native:SPARE-1", "reason": "swap"});
    assert_eq!(provider.post(&format!("{page}/swap"), again).await?.0, 422);
    // Nobody else, and nothing more, when the contract has ended.
    assert_eq!(
        provider
            .refused(&format!("/api/v1/care/{}", room.fixture.people[1]))
            .await?
            .0,
        404
    );
    room.sql("UPDATE service_contract SET ends_at = now()").await?;
    assert_eq!(provider.refused(&page).await?.0, 404);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_look_after_the_accounts_of_their_branch() -> Result<()> {
    let room = room!();
    let berg = room.log_in("berg").await?;
    let list = berg.get("/api/v1/accounts").await?;
    let names: Vec<_> = list["accounts"].as_array().context("accounts")?.iter().collect();
    assert!(names.iter().any(|account| account["username"] == "chen.yu"));
    assert!(names.iter().all(|account| account["username"] != "inland"), "{list}");
    assert!(!list.to_string().contains("argon2"), "{list}");
    let agency = |path: &str| {
        let agencies = list["agencies"].as_array().unwrap();
        agencies.iter().find(|agency| agency["path"] == path).unwrap()["agency_id"].clone()
    };
    let new = json!({"username": "new.one", "display_name": "New One", "role": "analyst", "agency_id": agency("harbour.police"), "locale": "en"});
    let (status, made) = berg.post("/api/v1/accounts", new.clone()).await?;
    assert_eq!(status, 201, "{made}");
    assert_eq!(berg.post("/api/v1/accounts", new).await?.0, 409, "the name is taken");
    let provider = json!({"username": "p.two", "display_name": "P", "role": "service_provider", "agency_id": agency("harbour.police"), "locale": "en"});
    assert_eq!(
        berg.post("/api/v1/accounts", provider).await?.0,
        422,
        "no work for the role there"
    );
    // Social work has its own agencies: not made there, nor turned into one.
    let worker = json!({"username": "w.two", "display_name": "W", "role": "social_worker", "agency_id": agency("harbour.police"), "locale": "en"});
    assert_eq!(berg.post("/api/v1/accounts", worker).await?.0, 422);
    let path = format!("/api/v1/accounts/{}", made["user_id"].as_str().context("id")?);
    assert_eq!(berg.post(&path, json!({"role": "social_worker"})).await?.0, 422);
    let password = made["password"].as_str().context("password")?;
    assert_eq!(room.try_log_in("new.one", password).await?.status(), 200);

    // Disabled: logged out everywhere at once. A new password does the same.
    let chen = room.log_in("chen.yu").await?;
    let id = names
        .iter()
        .find(|account| account["username"] == "chen.yu")
        .context("chen")?["user_id"]
        .clone();
    let path = format!("/api/v1/accounts/{}", id.as_str().context("id")?);
    let (status, changed) = berg.post(&path, json!({"disabled": true})).await?;
    assert!(status == 200 && changed["disabled_at"].is_string(), "{changed}");
    assert_eq!(chen.refused("/api/v1/session").await?.0, 401);
    assert_eq!(berg.post(&path, json!({"disabled": false})).await?.0, 200);
    let (status, fresh) = berg.post(&format!("{path}/password"), json!({})).await?;
    assert_eq!(status, 200, "{fresh}");
    assert_eq!(room.try_log_in("chen.yu", PASSWORD).await?.status(), 401);

    // Neither another branch's nor the own.
    let client = testkit::connect(&room.database.url).await?;
    for (name, status) in [("inland", 404), ("berg", 409)] {
        let row = client
            .query_one("SELECT user_id FROM app_user WHERE username = $1", &[&name])
            .await?;
        let path = format!("/api/v1/accounts/{}", row.get::<_, Uuid>(0));
        assert_eq!(berg.post(&path, json!({"disabled": true})).await?.0, status, "{name}");
    }
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn casework_is_written_as_the_role_and_protection_stays() -> Result<()> {
    let room = room!();
    let person = room.fixture.people[0];
    let (chen, moreno) = (room.log_in("chen.yu").await?, room.log_in("moreno").await?);
    let page = format!("/api/v1/people/{person}");
    let send = async |caller: &Caller<'_>, path: &str, body: Value| -> Result<u16> {
        Ok(caller.send(Method::POST, path, Some(body)).await?.status().as_u16())
    };
    let notes = format!("{page}/person-notes");
    assert_eq!(
        send(
            &moreno,
            &notes,
            json!({"text": "A visit", "kind": "visit", "audience": "social_work"})
        )
        .await?,
        204
    );
    assert_eq!(
        send(&chen, &notes, json!({"text": "A call", "audience": "police"})).await?,
        204
    );
    let read = async |caller: &Caller<'_>| caller.get(&format!("{page}/casework")).await;
    assert_eq!(read(&moreno).await?["notes"].as_array().context("notes")?.len(), 1);
    assert_eq!(read(&chen).await?["notes"][0]["text"], "A call");

    let contacts = format!("{page}/contacts");
    let address = "12 Hidden Lane";
    let secret = json!({"kind": "family", "name": "A sister", "address": address, "protected_address": true});
    assert_eq!(send(&chen, &contacts, secret).await?, 204);
    let seen = read(&moreno).await?;
    assert!(!seen.to_string().contains(address), "{seen}");
    let id = seen["contacts"][0]["contact_id"].clone();
    let revision = json!({"contact_id": id, "kind": "family", "name": "A sister", "phone": "555 0100"});
    assert_eq!(send(&moreno, &contacts, revision).await?, 204);
    let known = read(&chen).await?["contacts"][0].clone();
    assert_eq!(
        (
            &known["address"],
            &known["protected_address"],
            &known["phone"],
            &known["revision"]
        ),
        (&json!(address), &json!(true), &json!("555 0100"), &json!(2)),
        "{known}"
    );
    let violation = read(&chen).await?["violations"][0]["violation_id"].clone();
    let outcome = format!(
        "/api/v1/violations/{}/outcome",
        violation.as_str().context("violation")?
    );
    let warned = json!({"outcome": "warning", "reason": "spoken to", "seen": 0});
    assert_eq!(send(&chen, &outcome, warned.clone()).await?, 204);
    assert_eq!(send(&chen, &outcome, warned).await?, 409, "somebody decided meanwhile");
    assert_eq!(
        send(
            &room.log_in("inland").await?,
            &outcome,
            json!({"outcome": "warning", "reason": "r"})
        )
        .await?,
        404
    );
    // Written by the role, and the audit says so.
    let written = "SELECT count(*) FROM (SELECT table_name, actor_role FROM audit_pending UNION ALL SELECT table_name, actor_role FROM audit_entry) a
        WHERE table_name IN ('person_note', 'contact_revision', 'violation_outcome') AND actor_role NOT LIKE 'homeward\\_%'";
    assert_eq!(room.number(written).await?, 0);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_deed_is_done_as_the_role() -> Result<()> {
    let room = room!();
    let (chen, okafor) = (room.log_in("chen.yu").await?, room.log_in("okafor").await?);
    let (one, other) = (room.fixture.incident("both"), room.fixture.incident("silence"));
    let path = |incident: Uuid, deed: &str| format!("/api/v1/incidents/{incident}/{deed}");
    let until = Timestamp::now() + SignedDuration::from_hours(2);
    for (caller, deed, body) in [
        (&chen, "start", json!({})),
        (&okafor, "take-over", json!({"why": "my shift"})),
        (
            &okafor,
            "suspend",
            json!({"authority": "Duty judge", "reason": "hearing", "until": until.to_string()}),
        ),
        (&okafor, "resume", json!({"why": "over"})),
        (&chen, "notes", json!({"text": "Called", "audience": "own"})),
    ] {
        let (status, answer) = caller.post(&path(one, deed), body).await?;
        assert_eq!(status, 200, "{deed}: {answer}");
    }
    let number = chen.get(&format!("/api/v1/incidents/{one}")).await?["number"].clone();
    let (status, merged) = chen
        .post(&path(other, "merge"), json!({"into": number, "why": "one cause"}))
        .await?;
    assert_eq!(status, 200, "{merged}");
    // Several at once are one step: where one cannot be, none is.
    let nobody = room.fixture.incident("inland");
    for also in [json!([nobody]), json!([one])] {
        let versions = async || room.number("SELECT sum(version)::bigint FROM incident").await;
        let (status, split) = chen.post(&path(other, "split"), json!({"why": "to try again"})).await?;
        assert_eq!(status, 200, "{split}");
        let apart = versions().await?;
        let body = json!({"into": number, "why": "one cause", "also": also});
        let (status, refused) = chen.post(&path(other, "merge"), body).await?;
        assert!(matches!(status, 404 | 409 | 422), "{status} {refused}");
        assert_eq!(versions().await?, apart, "nothing was merged");
        let body = json!({"into": number, "why": "one cause", "also": [other]});
        let (status, merged) = chen.post(&path(other, "merge"), body).await?;
        assert_eq!(status, 200, "named twice is once: {merged}");
    }
    let (status, apart) = chen.post(&path(other, "split"), json!({"why": "two causes"})).await?;
    assert_eq!(status, 200, "{apart}");
    assert_eq!(
        chen.post(&path(other, "merge"), json!({"into": number, "why": "one after all"}))
            .await?
            .0,
        200
    );
    let (status, closed) = chen.post(&path(one, "close"), json!({"code": "test"})).await?;
    assert!(status == 200 && closed["state"] == "closed", "{closed}");
    let nowhere = chen
        .post(&path(room.fixture.incident("inland"), "start"), json!({}))
        .await?
        .0;
    assert_eq!(nowhere, 404);
    room.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_somebody_while_the_glass_is_broken() -> Result<()> {
    let room = room!();
    let chen = room.log_in("chen.yu").await?;
    let inland = room.log_in("inland").await?;
    let mut page = Stream::open(&chen).await?;
    let (second, incident) = (Duration::from_secs(2), room.fixture.incident("inland"));
    let deed = |name: &str| format!("/api/v1/incidents/{incident}/{name}");
    inland.post(&deed("acknowledge"), json!({})).await?;
    assert_eq!(page.next("incident", second).await?, None, "nothing of another branch");
    let asked = json!({"reference": "HB-2102", "reason": "Seen at the station, in danger", "case": "2026-9"});
    let (status, opened) = chen.post("/api/v1/break-glass", asked).await?;
    assert_eq!(status, 201, "{opened}");
    page.next("resync", second)
        .await?
        .context("the page is not told to read anew")?;
    inland.post(&deed("notes"), json!({"text": "On the way"})).await?;
    let told = async |page: &mut Stream| -> Result<bool> {
        let end = Instant::now() + second;
        while Instant::now() < end {
            if let Some(change) = page.next("incident", Duration::from_millis(500)).await?
                && change["incident_id"] == json!(incident)
            {
                return Ok(true);
            }
        }
        Ok(false)
    };
    assert!(
        told(&mut page).await?,
        "nothing of the person was told while the access lasts"
    );
    let id = opened["break_glass_id"].as_str().context("id")?;
    chen.send(Method::POST, &format!("/api/v1/break-glass/{id}/close"), None)
        .await?;
    page.next("resync", second).await?.context("the end is not told")?;
    inland.post(&deed("notes"), json!({"text": "There"})).await?;
    assert!(!told(&mut page).await?, "the access is over");
    room.close().await
}
