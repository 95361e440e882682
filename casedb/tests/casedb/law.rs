//! Orders under law profiles: in force only with approval, steps and reviews; what held at any time, as known at any time.

use casedb::{
    Class, Database, GenericClient, agency, device,
    law::{self, Level, Step},
    leave::{self, Leave},
    order::{self, Court, Deciding, Decision, Draft, Outcome},
    rules,
    user::{self, NewUser, Role, User},
};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use proto::{DeviceId, OrderId, PersonId, wire};
use uuid::Uuid;

use super::support::{add_order, add_person, migrated};

#[path = "law/approvals.rs"]
mod approvals;
#[path = "law/dwelling.rs"]
mod dwelling;
#[path = "law/effect.rs"]
mod effect;
#[path = "law/guards.rs"]
mod guards;
#[path = "law/never.rs"]
mod never;
#[path = "law/passes.rs"]
mod passes;
#[path = "law/reviews.rs"]
mod reviews;

async fn add_user(client: &impl GenericClient, name: &str, role: Role, path: &str) -> User {
    let agency_id = agency::by_path(client, path).await.unwrap().unwrap().agency_id;
    let new = NewUser {
        username: name.to_owned(),
        display_name: format!("Invented {name}"),
        role,
        agency_id,
        locale: "en".to_owned(),
        email: None,
    };
    user::create(client, &new, "no password").await.unwrap();
    user::find(client, name).await.unwrap().unwrap().0
}

/// Who does what for a person; the social agency is of a county.
struct Office {
    person: PersonId,
    head: User,
    worker: User,
}

async fn office(db: &Database, name: &str) -> Office {
    let person = add_person(db, name).await.person_id;
    let client = db.client().await.unwrap();
    let social = format!("harbour.{name}.social_work");
    assert!(agency::set_level(&client, &social, Level::County).await.unwrap());
    Office {
        person,
        head: add_user(&client, &format!("{name}.head"), Role::Supervisor, &social).await,
        worker: add_user(&client, &format!("{name}.worker"), Role::SocialWorker, &social).await,
    }
}

fn months(from: Timestamp, months: u8) -> Timestamp {
    law::months_after(from, months, &TimeZone::get("Europe/Oslo").unwrap()).unwrap()
}

fn draft(person: PersonId, profile: &str, ground: &str, from: Timestamp, until: Timestamp) -> Draft {
    Draft {
        order_id: OrderId::new(Uuid::now_v7()),
        person_id: person,
        profile: profile.to_owned(),
        legal_basis: String::new(),
        ground_codes: vec![ground.to_owned()],
        grounds: String::new(),
        conditions: "stays in the county".to_owned(),
        starts_at: from,
        ends_at: until,
    }
}

fn yes(order_id: OrderId) -> Deciding<'static> {
    Deciding {
        order_id,
        extension_id: None,
        decision: Decision::Approved,
        court: None,
        reason: "",
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_held_is_told_as_it_was_known() {
    for (test, db) in migrated().await {
        let office = office(&db, "olav").await;
        let mut client = db.client().await.unwrap();
        let before = Timestamp::now();
        let first = add_order(&db, office.person, before).await;
        let one = Timestamp::now();
        let tx = client.transaction().await.unwrap();
        order::vary(&tx, first.order_id, "no alcohol", "relapse", office.worker.user_id, one)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let two = Timestamp::now();
        let tx = client.transaction().await.unwrap();
        order::end(&tx, first.order_id, one + 24.hours()).await.unwrap();
        tx.commit().await.unwrap();
        let three = Timestamp::now();
        let tx = client.transaction().await.unwrap();
        order::revoke(&tx, first.order_id, before - 30.minutes()).await.unwrap();
        tx.commit().await.unwrap();
        let four = Timestamp::now();

        let held = async |when, known| order::as_of(&client, office.person, when, known).await.unwrap();
        assert!(
            held(before, before - 1.hour()).await.orders.is_empty(),
            "nothing was known yet"
        );
        let at_one = held(before, one).await;
        let order_one = at_one.in_force().unwrap();
        assert_eq!((order_one.state.revision, order_one.state.conditions.as_str()), (1, ""));
        let at_two = held(before, two).await;
        assert_eq!(at_two.in_force().unwrap().state.conditions, "no alcohol");
        let varied = &at_two.in_force().unwrap().state;
        assert_eq!((varied.what.as_str(), varied.reason.as_str()), ("varied", "relapse"));
        assert_eq!(varied.recorded_by.as_deref(), Some("olav.worker"));
        // In ten days: in force as known at two, over as known at three.
        let ahead = before + 240.hours();
        assert!(held(ahead, two).await.in_force().is_some());
        assert!(held(ahead, three).await.in_force().is_none());
        // Revoked backwards: then it held, now it is known that it did not.
        assert!(held(before, three).await.in_force().is_some());
        let at_four = held(before, four).await;
        assert!(at_four.in_force().is_none());
        let words: Vec<_> = at_four.orders[0]
            .revisions
            .iter()
            .map(|revision| revision.what.as_str())
            .collect();
        assert_eq!(words, ["created", "varied", "shortened", "revoked"]);
        assert!(held(before - 45.minutes(), four).await.in_force().is_some());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warning_whose_cause_is_gone_is_over_and_says_why() {
    for (test, db) in migrated().await {
        let office = office(&db, "signe").await;
        let start = Timestamp::now().round(jiff::Unit::Second).unwrap();
        let client = db.client().await.unwrap();
        let order = add_order(&db, office.person, start).await;
        let open = async || -> Vec<String> {
            let sql = "SELECT concat_ws(' ', i.kind, i.state, i.ongoing, (SELECT a.text FROM incident_action a
                    WHERE a.incident_id = i.incident_id AND a.action = 'event' ORDER BY a.action_id DESC LIMIT 1))
                FROM incident i ORDER BY i.number";
            let rows = client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        let device_id = DeviceId::new(Uuid::now_v7());
        let device = device::Device {
            device_id,
            protocol: "native".to_owned(),
            identity: "HW-3".to_owned(),
            secret: Some(vec![7; 32]),
            ..device::Device::default()
        };
        device::register(&client, &device).await.unwrap();
        device::assign(&client, device_id, office.person, start).await.unwrap();
        // Silent for 72 hours: a review is forced. Heard again with a fault on record: not mended. Without one: it is.
        let silent = start + 73.hours();
        order::watch(&db, silent).await.unwrap();
        assert_eq!(open().await, ["review_due notified t"]);
        let fault = "INSERT INTO device_fault (fault_id, device_id, person_id, reason, faulty_since, reported_at)
            VALUES (gen_random_uuid(), $1, $2, 'strap', $3, $3)";
        let seen = "INSERT INTO device_status (device_id, last_seen_at) VALUES ($1, $2)";
        let heard = silent + 1.hour();
        client
            .execute(fault, &[&device_id.uuid(), &office.person.uuid(), &heard])
            .await
            .unwrap();
        client.execute(seen, &[&device_id.uuid(), &heard]).await.unwrap();
        order::watch(&db, heard + 1.hour()).await.unwrap();
        assert_eq!(open().await, ["review_due notified t"]);
        client
            .execute(
                "UPDATE device_fault SET ended_at = faulty_since + interval '1 minute', outcome = 'repaired'",
                &[],
            )
            .await
            .unwrap();
        order::watch(&db, heard + 2.hours()).await.unwrap();
        let mended = "review_due notified f The device works again, or was replaced; the review is still to be done.";
        assert_eq!(open().await, [mended]);

        // A warning before the end, and then the order is extended; then it is revoked.
        let near = order.ends_at - (24 * 13).hours();
        client
            .execute("UPDATE device_status SET last_seen_at = $1", &[&near])
            .await
            .unwrap();
        order::watch(&db, near).await.unwrap();
        assert_eq!(open().await, [mended, "order_ends notified t"]);
        order::end(&client, order.order_id, order.ends_at + 24.hours())
            .await
            .unwrap();
        order::watch(&db, near + 1.minute()).await.unwrap();
        let moved = "order_ends notified f The order ends at another time.";
        assert_eq!(open().await, [mended, moved, "order_ends notified t"]);
        order::revoke(&client, order.order_id, near + 2.minutes())
            .await
            .unwrap();
        order::watch(&db, near + 3.minutes()).await.unwrap();
        assert_eq!(
            open().await,
            [mended, moved, "order_ends notified f The order was revoked."]
        );
        // Said once.
        let before: i64 = client
            .query_one("SELECT count(*) FROM incident_action", &[])
            .await
            .unwrap()
            .get(0);
        order::watch(&db, near + 4.minutes()).await.unwrap();
        let after: i64 = client
            .query_one("SELECT count(*) FROM incident_action", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(before, after);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn warnings_are_given_once_and_silence_forces_a_review() {
    for (test, db) in migrated().await {
        let office = office(&db, "berit").await;
        let start = Timestamp::now().round(jiff::Unit::Second).unwrap();
        let client = db.client().await.unwrap();
        let order = add_order(&db, office.person, start).await;
        let days = |days: i64| order.ends_at - (24 * days).hours();
        let swept = async |now| {
            let raised = order::sweep(&client, now).await.unwrap();
            raised
                .iter()
                .map(|raise| (raise.warning.kind.as_str(), raise.warning.days))
                .collect::<Vec<_>>()
        };
        assert!(swept(days(16)).await.is_empty());
        assert_eq!(swept(days(14)).await, [("order_ends", 14)]);
        assert!(swept(days(12)).await.is_empty(), "once");
        // After an outage only what is still true.
        assert_eq!(swept(days(1)).await, [("order_ends", 1)]);
        assert!(
            swept(days(6)).await.is_empty(),
            "an earlier warning does not follow a later one"
        );
        // A new end has warnings of its own.
        order::end(&client, order.order_id, order.ends_at + 240.hours())
            .await
            .unwrap();
        assert_eq!(swept(days(4)).await, [("order_ends", 14)]);

        let device_id = DeviceId::new(Uuid::now_v7());
        let device = device::Device {
            device_id,
            protocol: "native".to_owned(),
            identity: "HW-2".to_owned(),
            secret: Some(vec![7; 32]),
            ..device::Device::default()
        };
        device::register(&client, &device).await.unwrap();
        device::assign(&client, device_id, office.person, start).await.unwrap();
        let faulty = start + SignedDuration::from_hours(72);
        assert!(swept(faulty - 1.second()).await.is_empty());
        assert_eq!(swept(faulty).await, [("review_due", 0)]);
        assert!(swept(faulty + 1.hour()).await.is_empty(), "one review, one warning");
        let reviews = order::dossiers(&client, office.person, Timestamp::now()).await.unwrap()[0]
            .reviews
            .clone();
        assert_eq!((reviews.len(), reviews[0].kind.as_str()), (1, "device_fault"));
        // Done: the same silence forces no other; a later one does, and so does a fault on record.
        let head = office.head.user_id;
        let done = faulty + 2.hours();
        order::review(
            &client,
            order.order_id,
            Outcome::Continue,
            "device to be swapped",
            head,
            done,
        )
        .await
        .unwrap();
        assert!(swept(done + 1.hour()).await.is_empty());
        let seen = "INSERT INTO device_status (device_id, last_seen_at) VALUES ($1, $2)";
        client
            .execute(seen, &[&device_id.uuid(), &(faulty + 240.hours())])
            .await
            .unwrap();
        assert!(
            swept(faulty + 241.hours())
                .await
                .iter()
                .all(|(kind, _)| *kind != "review_due")
        );
        let fault = "INSERT INTO device_fault (fault_id, device_id, person_id, reason, faulty_since, reported_at)
            VALUES (gen_random_uuid(), $1, $2, 'strap', $3, $3)";
        let since = faulty + 168.hours();
        client
            .execute(fault, &[&device_id.uuid(), &office.person.uuid(), &since])
            .await
            .unwrap();
        assert!(swept(since + 71.hours()).await.is_empty());
        assert_eq!(swept(since + 73.hours()).await, [("review_due", 0)]);

        // Watching raises incidents, one for each end and review, more urgent as time runs out; two watchers at once raise it once.
        let other = add_person(&db, "dina").await.person_id;
        let other = add_order(&db, other, start).await;
        let open = async || {
            let sql = "SELECT kind, severity FROM incident WHERE person_id = $1 AND kind = 'order_ends' AND state <> 'closed'";
            let found = client.query(sql, &[&other.person_id.uuid()]).await.unwrap();
            found.iter().map(|row| row.get::<_, i16>(1)).collect::<Vec<_>>()
        };
        let at = |days: i64| other.ends_at - (24 * days).hours();
        let (one, two) = tokio::join!(order::watch(&db, at(14)), order::watch(&db, at(14)));
        assert!(one.unwrap() + two.unwrap() >= 1);
        assert_eq!(open().await, [3]);
        order::watch(&db, at(7)).await.unwrap();
        assert_eq!(open().await, [3]);
        order::watch(&db, at(1)).await.unwrap();
        assert_eq!(open().await, [2]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
