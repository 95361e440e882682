//! Root causes through the database: many fall silent at once, one incident says so, and nobody's own danger is lost in it.

use alerts::{Audience, Severity, group::cause::Thresholds};
use casedb::{
    Database, agency,
    cause::{self, Swept},
    device::{self, Device},
    incident::{self, SystemIncident},
    person,
};
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use uuid::Uuid;

use crate::support::{add_person, migrated};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// People of one agency, each with a device; the carrier of the first `hit` is "A", of the others "B".
async fn town(db: &Database, count: usize, hit: usize) -> Vec<PersonId> {
    let first = add_person(db, "p0").await;
    let client = db.client().await.unwrap();
    agency::create(
        &client,
        &agency::Agency {
            agency_id: Uuid::now_v7(),
            path: "harbour".to_owned(),
            name: "Harbour".to_owned(),
            kind: agency::AgencyKind::Administration,
            time_zone: "Europe/Oslo".to_owned(),
        },
    )
    .await
    .unwrap();
    let mut people = vec![first.person_id];
    for n in 1..count {
        let other = person::Person {
            person_id: PersonId::new(Uuid::now_v7()),
            reference: format!("p{n}"),
            risk_level: if n == 2 { 1 } else { 3 },
            ..first.clone()
        };
        person::create(&client, &other).await.unwrap();
        people.push(other.person_id);
    }
    for (n, person_id) in people.iter().enumerate() {
        let device = Device {
            device_id: DeviceId::new(Uuid::now_v7()),
            protocol: "gt06".to_owned(),
            identity: format!("{n:015}"),
            model: "M".to_owned(),
            ..Device::default()
        };
        device::register(&client, &device).await.unwrap();
        device::assign(&client, device.device_id, *person_id, at(-1_000_000))
            .await
            .unwrap();
        let carrier = if n < hit { "A" } else { "B" };
        client
            .execute(
                "UPDATE device SET carrier = $2 WHERE device_id = $1",
                &[&device.device_id.uuid(), &carrier],
            )
            .await
            .unwrap();
    }
    people
}

async fn silent(db: &Database, person: PersonId, key: &str, severity: Severity, second: i64) -> Uuid {
    let mut client = db.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let system = SystemIncident {
        kind: "silence",
        person: Some(person),
        police_agency: None,
        social_agency: None,
        grouping_key: key,
        severity,
        audience: Audience::Police,
        text: "",
        at: at(second),
    };
    let raised = incident::raise_system(&transaction, &system).await.unwrap();
    transaction.commit().await.unwrap();
    raised.incident.incident_id
}

async fn sweep(db: &Database, second: i64) -> Swept {
    let mut client = db.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let swept = cause::sweep(&transaction, &Thresholds::default(), at(second))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    swept
}

#[tokio::test]
async fn a_carrier_that_fails_is_one_incident_that_lists_everybody() {
    for (test, db) in migrated().await {
        let people = town(&db, 30, 8).await;
        // Four are chance. The fifth makes a cause, with the one of another carrier left alone.
        for (n, person) in (0_i64..).zip(people.iter().take(4)) {
            silent(&db, *person, "silence", Severity::P3, n).await;
        }
        let elsewhere = silent(&db, people[20], "silence", Severity::P3, 4).await;
        // A strap is no silence, whatever the carrier.
        let strap = silent(&db, people[5], "strap", Severity::P1, 4).await;
        assert_eq!(sweep(&db, 5).await, Swept::default());
        let urgent = silent(&db, people[4], "silence", Severity::P1, 6).await;
        assert_eq!(sweep(&db, 7).await, Swept { raised: 1, merged: 5 });
        assert_eq!(sweep(&db, 8).await, Swept::default(), "what is merged stays so");
        // The sixth joins; two sweeps at once do it once.
        silent(&db, people[6], "silence", Severity::P3, 9).await;
        let (left, right) = tokio::join!(sweep(&db, 10), sweep(&db, 10));
        assert_eq!((left.raised + right.raised, left.merged + right.merged), (0, 1));

        let client = db.client().await.unwrap();
        let cause = client
            .query_one(
                "SELECT i.incident_id, i.severity, i.audience, i.grouping_key, a.path::text
                FROM incident i JOIN agency a ON a.agency_id = i.police_agency_id WHERE i.person_id IS NULL",
                &[],
            )
            .await
            .unwrap();
        let (severity, audience, key, path): (i16, &str, &str, &str) =
            (cause.get(1), cause.get(2), cause.get(3), cause.get(4));
        assert_eq!(
            (severity, audience, key, path),
            (1, "police", "cause:silence:carrier:A", "harbour.p0.police")
        );
        let merged_into = async |incident: Uuid| -> Option<Uuid> {
            let row = client
                .query_one("SELECT merged_into FROM incident WHERE incident_id = $1", &[&incident])
                .await
                .unwrap();
            row.get(0)
        };
        assert_eq!(merged_into(elsewhere).await, None);
        assert_eq!(merged_into(strap).await, None);
        assert_eq!(merged_into(urgent).await, Some(cause.get(0)));
        // The P1 is listed and calls by itself all the same; the others rest.
        let calling: i64 = client
            .query_one(
                "SELECT count(*) FROM incident WHERE merged_into IS NOT NULL AND deadline_at IS NOT NULL",
                &[],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(calling, 1);
        // Over for all but one; then for all, of which the cause's incident says so, once; and it goes on with who joins.
        let stands = async || -> (String, bool, i64) {
            let sql =
                "SELECT i.state, i.ongoing, (SELECT count(*) FROM incident_action a WHERE a.incident_id = i.incident_id
                    AND a.text = 'All that have this cause are over.') FROM incident i WHERE i.person_id IS NULL";
            let row = client.query_one(sql, &[]).await.unwrap();
            (row.get(0), row.get(1), row.get(2))
        };
        for (n, person) in [0, 1, 2, 3, 4, 6].into_iter().enumerate() {
            assert_eq!(stands().await, ("notified".to_owned(), true, 0));
            let second = 20 + i64::try_from(n).unwrap();
            let ended = incident::end_system(&client, Some(people[person]), "silence", "heard again", at(second)).await;
            assert!(ended.unwrap().is_some());
            sweep(&db, second).await;
        }
        assert_eq!(stands().await, ("notified".to_owned(), false, 1));
        sweep(&db, 30).await;
        assert_eq!(stands().await, ("notified".to_owned(), false, 1), "said once");
        // Hours later the same carrier is another cause for those who are hit anew alone.
        let later = SignedDuration::from_hours(3).as_secs();
        silent(&db, people[7], "silence", Severity::P3, later).await;
        assert_eq!(sweep(&db, later + 1).await, Swept::default());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// Two hundred of a thousand devices are in one cell, which fails: one incident with that cause, and no carrier or model is blamed.
#[tokio::test]
async fn a_cell_that_fails_is_one_incident_with_that_cause() {
    for (test, db) in migrated().await {
        let people = town(&db, 600, 0).await;
        let client = db.client().await.unwrap();
        // Everybody of one carrier, which nobody has entered; the first 200 in one cell, the others in twenty more.
        client
            .batch_execute(
                "UPDATE device SET carrier = '';
                INSERT INTO device_cell SELECT a.device_id, a.person_id, 460, 0, 9488,
                    CASE WHEN substring(p.reference FROM 2)::int < 200 THEN 4660 ELSE substring(p.reference FROM 2)::int % 20 END,
                    to_timestamp(1790000000) - interval '1 hour'
                FROM device_assignment a JOIN person p USING (person_id)",
            )
            .await
            .unwrap();
        let mut urgent = Vec::new();
        for (n, person) in people.iter().take(200).enumerate() {
            let severity = if n % 50 == 7 { Severity::P1 } else { Severity::P3 };
            let incident = silent(&db, *person, "silence", severity, i64::try_from(n).unwrap()).await;
            if severity == Severity::P1 {
                urgent.push(incident);
            }
        }
        let elsewhere = silent(&db, people[300], "silence", Severity::P3, 5).await;
        assert_eq!(sweep(&db, 210).await, Swept { raised: 1, merged: 200 });

        let row = client
            .query_one(
                "SELECT incident_id, grouping_key, (SELECT string_agg(a.text, ' ') FROM incident_action a
                    WHERE a.incident_id = i.incident_id) FROM incident i WHERE person_id IS NULL",
                &[],
            )
            .await
            .unwrap();
        let (cause, key, told): (Uuid, String, String) = (row.get(0), row.get(1), row.get(2));
        assert!(key.starts_with("cause:silence:cell:"), "{key}");
        assert!(told.contains("200 people at once: silence"), "{told}");
        let number = key.rsplit(':').next().unwrap().to_owned();
        assert!(
            told.contains(&format!("They share: a cell, number {number}.")),
            "{told}"
        );
        let count = async |sql: &str| -> i64 { client.query_one(sql, &[]).await.unwrap().get(0) };
        assert_eq!(
            count(
                "SELECT count(DISTINCT a.incident_id) FROM incident_action a JOIN incident i USING (incident_id)
                WHERE i.merged_into IS NOT NULL AND a.text LIKE '%They share: a cell, number %'"
            )
            .await,
            200,
            "the records of those concerned say what sort of cause it was"
        );
        // A cell is a place: its name stands beside the cause, and nowhere else.
        let anywhere = "SELECT (SELECT count(*) FROM incident i WHERE to_jsonb(i)::text LIKE '%460-00-%')
            + (SELECT count(*) FROM incident_action a WHERE to_jsonb(a)::text LIKE '%460-00-%')
            + (SELECT count(*) FROM audit_pending p WHERE to_jsonb(p)::text LIKE '%460-00-%')
            + (SELECT count(*) FROM outbox o WHERE to_jsonb(o)::text LIKE '%460-00-%')";
        assert_eq!(count(anywhere).await, 0);
        let named = "SELECT count(*) FROM cause_cell WHERE (number, name, incident_id)
            IN (SELECT split_part(grouping_key, ':', 4), '460-00-9488-4660', incident_id FROM incident WHERE person_id IS NULL)";
        assert_eq!(count(named).await, 1);
        // Who is hit later is of the same number.
        assert_eq!(sweep(&db, 211).await, Swept::default());
        assert_eq!(
            count("SELECT count(*) FROM incident WHERE kind = 'root_cause'").await,
            1
        );
        let calling: Vec<Uuid> = client
            .query(
                "SELECT incident_id FROM incident WHERE merged_into = $1 AND deadline_at IS NOT NULL ORDER BY incident_id",
                &[&cause],
            )
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        urgent.sort_unstable();
        assert_eq!(calling, urgent, "each P1 calls all the same, and no other");
        let alone: Option<Uuid> = client
            .query_one("SELECT merged_into FROM incident WHERE incident_id = $1", &[&elsewhere])
            .await
            .unwrap()
            .get(0);
        assert_eq!(alone, None);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
