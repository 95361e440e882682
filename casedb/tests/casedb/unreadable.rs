//! Rows that the program cannot read cost what they are about, and nobody else.

use casedb::{Class, Database, Error, GenericClient, command, device, order, rules, view};
use jiff::{Timestamp, ToSpan};
use proto::{DeviceId, PersonId};
use uuid::Uuid;

use crate::support::{add_order, add_person, migrated};

struct Worn {
    person: PersonId,
    device: DeviceId,
    police: Uuid,
}

async fn worn(db: &Database, name: &str, now: Timestamp) -> Worn {
    let person = add_person(db, name).await;
    add_order(db, person.person_id, now).await;
    let client = db.client().await.unwrap();
    let device = DeviceId::new(Uuid::now_v7());
    let sql = "INSERT INTO device (device_id, protocol, identity) VALUES ($1, 'native', $2)";
    client
        .execute(sql, &[&device.uuid(), &format!("HW-{name}")])
        .await
        .unwrap();
    device::assign(&client, device, person.person_id, now - 1.hour())
        .await
        .unwrap();
    Worn {
        person: person.person_id,
        device,
        police: person.police_agency_id,
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_from_what_is_asked_wrongly() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let row = client
            .query_one("SELECT 'infinity'::timestamptz, 7", &[])
            .await
            .unwrap();
        let content = Error::from(row.try_get::<_, Timestamp>(0).unwrap_err());
        assert!(matches!(content, Error::Unreadable(_)), "{content}");
        assert_eq!(content.class(), Class::Input);
        let defect = Error::from(row.try_get::<_, Timestamp>(1).unwrap_err());
        assert_eq!(defect.class(), Class::Fatal, "{defect}");
        drop((row, client));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_order_without_end_keeps_nobody_from_being_known() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let (endless, other) = (worn(&db, "ola", now).await, worn(&db, "per", now).await);
        let client = db.client().await.unwrap();
        let sql = "UPDATE supervision_order SET ends_at = 'infinity' WHERE person_id = $1";
        client.execute(sql, &[&endless.person.uuid()]).await.unwrap();
        let known = device::directory(&client, &["native"]).await.unwrap();
        for one in [&endless, &other] {
            let entry = known.iter().find(|entry| entry.device.device_id == one.device).unwrap();
            assert_eq!(entry.person_id, Some(one.person));
            assert!(
                entry.terms.iter().any(|(starts, ends)| (*starts..*ends).contains(&now)),
                "{:?}",
                entry.terms
            );
        }
        let alone = device::lookup(&client, "native", "HW-ola").await.unwrap().unwrap();
        assert_eq!(alone.person_id, Some(endless.person));
        // Everybody else's rules are published.
        let published = rules::sweep(&db, now).await.unwrap();
        assert_eq!(published, [other.person]);
        // A row of the directory itself that cannot be read leaves its device out.
        let sql = "UPDATE device_assignment SET assigned_at = '-infinity' WHERE device_id = $1";
        client.execute(sql, &[&endless.device.uuid()]).await.unwrap();
        let known = device::directory(&client, &["native"]).await.unwrap();
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].device.device_id, other.device);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_read_fails_and_the_others_go_out() {
    for (test, db) in migrated().await {
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        let one = worn(&db, "siri", now).await;
        let client = db.client().await.unwrap();
        let user = Uuid::now_v7();
        let sql = "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            VALUES ($1, 'officer.siri', 'Invented Officer', 'duty_officer', $2, 'none')";
        client.execute(sql, &[&user, &one.police]).await.unwrap();
        let place = async |kind: &str, parameters: &str| {
            let sql = format!(
                "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose, idempotency_key,
                    created_at, not_before, expires_at)
                VALUES (gen_random_uuid(), $1, $2, '{kind}', '{parameters}', $3, 'duty', gen_random_uuid()::text, $4, $4, $4::timestamptz + interval '1 hour')"
            );
            client
                .execute(&sql, &[&one.device.uuid(), &one.person.uuid(), &user, &now])
                .await
                .unwrap();
        };
        place("vibrate", r#"{"kind": "vibrate"}"#).await;
        place("text", r#"{"kind": "text"}"#).await;
        place("interval", r#"{"kind": "interval", "seconds": 99999999999}"#).await;
        let claimed = command::claim(&client, &[one.device], "one", now, 100).await.unwrap();
        assert_eq!(
            claimed.iter().map(|one| one.instruction.kind()).collect::<Vec<_>>(),
            ["vibrate"]
        );
        let sql = "SELECT kind || ' ' || state || ' ' || outcome FROM device_command ORDER BY kind";
        let states: Vec<String> = client
            .query(sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(
            states,
            [
                "interval failed unsupported",
                "text failed unsupported",
                "vibrate sent "
            ]
        );
        assert_eq!(command::under_way(&client, now).await.unwrap().len(), 1);
        let shown = view::commands(&client, user, one.person.uuid(), now, 10).await.unwrap();
        assert_eq!(shown.len(), 1);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn priorities_that_cannot_be_read_are_passed_over_one_by_one() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let one = worn(&db, "tor", now).await;
        let client = db.client().await.unwrap();
        for (revision, stored, left) in [
            (
                1_i64,
                r#"[42, {"kind": "silence", "change": {"raise": 1}}, {"kind": "nothing", "change": {"raise": 1}}]"#,
                1,
            ),
            (2, "[42]", 0),
        ] {
            let sql = "INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by)
                SELECT o.order_id, $2, now() - interval '1 minute', $3::text::jsonb, 'r', u.user_id
                FROM supervision_order o, app_user u WHERE o.person_id = $1 LIMIT 1";
            if revision == 1 {
                let sql = "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
                    VALUES (gen_random_uuid(), 'officer.tor', 'Invented Officer', 'duty_officer', $1, 'none')";
                client.execute(sql, &[&one.police]).await.unwrap();
            }
            assert_eq!(
                client
                    .execute(sql, &[&one.person.uuid(), &revision, &stored])
                    .await
                    .unwrap(),
                1
            );
            let (_, found, rules) = order::priorities_at(&client, one.person, now).await.unwrap().unwrap();
            assert_eq!((found, rules.len()), (revision, left));
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}
