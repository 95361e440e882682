//! Whom a root cause concerns: those whom the viewer sees, ranked by risk, and what they share.

use super::*;

/// A root cause of the whole office, with people of the town's police, of the east's and of the inland's merged into it.
async fn hit(room: &Room, key: &str, says: &str) -> Result<Uuid> {
    let cause = Uuid::now_v7();
    room.sql(&format!(
        "ALTER TABLE incident DISABLE TRIGGER USER;
        INSERT INTO incident (incident_id, person_id, kind, severity, audience, state, onset_at, grouping_key)
            VALUES ('{cause}', NULL, 'root_cause', 1, 'both', 'raised', now(), '{key}');
        INSERT INTO incident (incident_id, person_id, kind, severity, audience, state, onset_at, grouping_key, merged_into, police_agency_id, social_agency_id)
            SELECT gen_random_uuid(), p.person_id, 'silence', 3, CASE WHEN p.reference = 'HB-2063' THEN 'social_work' ELSE 'both' END, 'raised', now(),
                'silence:{cause}', '{cause}', p.police_agency_id, p.social_agency_id FROM person p;
        INSERT INTO incident_action (incident_id, action, text) SELECT incident_id, 'note', '{says}' FROM incident WHERE merged_into = '{cause}';
        ALTER TABLE incident ENABLE TRIGGER USER;"
    ))
    .await?;
    Ok(cause)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cause_lists_those_whom_the_viewer_sees_by_risk() -> Result<()> {
    let room = room!();
    let carrier = hit(
        &room,
        "cause:silence:carrier:Invented: North",
        "8 people at once: silence. They share: carrier Invented: North.",
    )
    .await?;
    let cell = hit(
        &room,
        "cause:no_fix:cell:0123456789ab",
        "8 people at once: no fix. They share: a cell, number 0123456789ab.",
    )
    .await?;
    room.sql(&format!(
        "INSERT INTO cause_cell (incident_id, number, name) VALUES ('{cell}', '0123456789ab', '460-00-9488-4660')"
    ))
    .await?;
    let path = |id: Uuid| format!("/api/v1/incidents/{id}/concerned");

    let officer = room.log_in("chen.yu").await?;
    let list = officer.get(&path(carrier)).await?;
    assert_eq!(
        list["cause"],
        json!({"kind": "carrier", "number": null, "value": "Invented: North"})
    );
    let concerned = list["concerned"].as_array().context("concerned")?;
    // Seven of the eight are the town's; one incident is for social work alone.
    assert_eq!((concerned.len(), &list["more"]), (6, &json!(false)));
    let risks: Vec<_> = concerned
        .iter()
        .map(|one| one["risk_level"].as_i64().unwrap())
        .collect();
    assert!(risks.is_sorted(), "{risks:?}");
    assert!(!list.to_string().contains("HB-2063") && !list.to_string().contains("HB-2102"));
    assert_eq!(
        officer.get(&path(cell)).await?["cause"],
        json!({"kind": "cell", "number": "0123456789ab", "value": "460-00-9488-4660"})
    );
    // Analysts see figures, no place.
    let analyst = room.log_in("novak").await?;
    assert_eq!(
        analyst.get(&path(cell)).await?["cause"],
        json!({"kind": "cell", "number": "0123456789ab", "value": null})
    );

    // The inland sees its one, and who sees nobody concerned learns no cell.
    let inland = room.log_in("inland").await?;
    let list = inland.get(&path(cell)).await?;
    assert_eq!(list["concerned"].as_array().map(Vec::len), Some(1));
    room.sql("ALTER TABLE incident DISABLE TRIGGER USER; UPDATE incident SET merged_into = NULL WHERE person_id IS NOT NULL; ALTER TABLE incident ENABLE TRIGGER USER")
        .await?;
    let list = inland.get(&path(cell)).await?;
    assert_eq!(
        (&list["cause"], &list["concerned"]),
        (
            &json!({"kind": "cell", "number": "0123456789ab", "value": null}),
            &json!([])
        )
    );
    assert_eq!(
        officer.refused(&path(Uuid::now_v7())).await?,
        (404, "not_found".to_owned())
    );
    room.close().await
}
