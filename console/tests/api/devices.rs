//! Devices of a person: fitted, swapped, faulty, removed; and what was not kept for want of a legal basis.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_fitted_swapped_repaired_and_removed_by_who_sees_the_person() -> Result<()> {
    let room = room!();
    room.sql(
        "INSERT INTO device (device_id, protocol, identity, model) VALUES (gen_random_uuid(), 'native', 'N2-90001', 'Anklet N2'),
            (gen_random_uuid(), 'native', 'N2-90002', 'Anklet N2')",
    )
    .await?;
    let path = format!("/api/v1/people/{}/devices", room.fixture.people[0]);
    let chen = room.log_in("chen.yu").await?;
    let held = chen.get(&path).await?;
    let free = held["free"].as_array().context("free")?;
    assert_eq!(free.len(), 2, "only what nobody wears: {free:?}");
    let (first, second) = (free[0]["device_id"].clone(), free[1]["device_id"].clone());
    let worn = held["worn"][0]["device_id"].clone();
    let code = |answer: &(u16, Value)| {
        (
            answer.0,
            answer.1["error"]["reason"].as_str().unwrap_or_default().to_owned(),
        )
    };

    let fit = json!({"deed": "fit", "device_id": first});
    assert_eq!(
        code(&chen.post(&path, fit.clone()).await?),
        (422, "wears_already".to_owned())
    );
    let foreign = room.fixture.people[7];
    let inland = room.log_in("inland").await?;
    assert_eq!(inland.post(&path, fit.clone()).await?.0, 404);
    let theirs = inland.get(&format!("/api/v1/people/{foreign}/devices")).await?["worn"][0]["device_id"].clone();
    let steal = chen
        .post(&path, json!({"deed": "remove", "device_id": theirs, "reason": "other"}))
        .await?;
    assert_eq!(code(&steal), (422, "not_worn_here".to_owned()));

    let fault = json!({"deed": "fault", "device_id": worn, "reason": "battery", "detail": "lasts four hours"});
    let (status, held) = chen.post(&path, fault).await?;
    assert_eq!(
        (status, &held["faults"][0]["reported_by"]),
        (200, &json!("chen.yu")),
        "{held}"
    );
    let swap = json!({"deed": "swap", "device_id": worn, "new_device_id": first, "reason": "fault"});
    let (status, held) = chen.post(&path, swap).await?;
    assert_eq!(status, 200, "{held}");
    assert_eq!(held["faults"][0]["outcome"], "replaced");
    let (old, new) = (&held["worn"][0], &held["worn"][1]);
    assert_eq!(old["removed_at"], new["fitted_at"], "at one moment");
    assert_eq!((&new["device_id"], &new["fitted_by"]), (&first, &json!("chen.yu")));

    let nonsense = json!({"deed": "remove", "device_id": first, "reason": "mood"});
    assert_eq!(chen.post(&path, nonsense).await?.0, 422);
    let (status, held) = chen
        .post(
            &path,
            json!({"deed": "remove", "device_id": first, "reason": "maintenance"}),
        )
        .await?;
    assert_eq!(
        (status, &held["worn"][1]["removal_reason"]),
        (200, &json!("maintenance"))
    );
    assert_eq!(
        chen.post(&path, json!({"deed": "fit", "device_id": second})).await?.0,
        200
    );

    // What was not kept is told, by reason.
    room.sql(&format!(
        "INSERT INTO monitoring_refusal (day, device_id, person_id, stage, reason, since, until, reports)
        VALUES (current_date, NULL, '{}', 'gateway', 'expired', now() - interval '1 hour', now(), 12)",
        room.fixture.people[0]
    ))
    .await?;
    let held = chen.get(&path).await?;
    assert_eq!(
        (&held["refused"][0]["reason"], &held["refused"][0]["reports"]),
        (&json!("expired"), &json!(12))
    );
    assert_eq!(inland.refused(&path).await?.0, 404);
    room.close().await
}
