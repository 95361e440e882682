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
async fn without_approval_and_steps_nothing_is_in_force() {
    for (test, db) in migrated().await {
        let office = office(&db, "mei").await;
        let now = Timestamp::now().round(jiff::Unit::Microsecond).unwrap();
        let mut client = db.client().await.unwrap();
        let device_id = DeviceId::new(Uuid::now_v7());
        let device = device::Device {
            device_id,
            protocol: "native".to_owned(),
            identity: "HW-1".to_owned(),
            secret: Some(vec![7; 32]),
            ..device::Device::default()
        };
        device::register(&client, &device).await.unwrap();
        device::assign(&client, device_id, office.person, now).await.unwrap();
        let terms = async || {
            let client = db.client().await.unwrap();
            device::lookup(&client, "native", "HW-1").await.unwrap().unwrap().terms
        };
        let order = draft(
            office.person,
            "cn",
            "left_area",
            now - 1.hour(),
            months(now - 1.hour(), 3),
        );
        let long = Draft {
            ends_at: order.ends_at + 1.second(),
            ..order.clone()
        };
        let refused = order::make(&client, &long, office.worker.user_id, now)
            .await
            .unwrap_err();
        assert_eq!(refused.class(), Class::Input);
        assert!(refused.to_string().contains("art. 29(2)"), "{refused}");

        let tx = client.transaction().await.unwrap();
        order::make(&tx, &order, office.worker.user_id, now).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(order::in_force(&client, office.person, now).await.unwrap(), None);
        assert!(terms().await.is_empty());
        rules::publish(&client, office.person, now).await.unwrap();
        assert!(!rules::published(&client, office.person).await.unwrap().unwrap().active);
        // The table itself does not let it take effect.
        let forced = "UPDATE supervision_order SET effective_from = now() WHERE order_id = $1";
        let error = client.execute(forced, &[&order.order_id.uuid()]).await.unwrap_err();
        let error = casedb::Error::from(error);
        assert_eq!(error.constraint(), Some("supervision_order_approved"), "{error}");

        // Neither the worker, nor who proposed, nor a head of elsewhere, nor one of a township approves.
        let elsewhere = self::office(&db, "far").await;
        for (who, words) in [
            (&office.worker, "needs the role supervisor"),
            (&elsewhere.head, "not responsible"),
        ] {
            let error = order::decide(&client, yes(order.order_id), who, now).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        agency::set_level(&client, "harbour.mei.social_work", Level::Township)
            .await
            .unwrap();
        let error = order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("level county, not township"), "{error}");
        agency::set_level(&client, "harbour.mei.social_work", Level::County)
            .await
            .unwrap();

        let settled = order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap();
        assert!(!settled.effective && settled.lacks.len() == 2, "{settled:?}");
        let again = order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap_err();
        assert!(again.to_string().contains("decided already"), "{again}");
        assert_eq!(order::in_force(&client, office.person, now).await.unwrap(), None);
        let note = async |step, at| {
            order::note_step(&client, order.order_id, step, at, "file 12", office.worker.user_id, now).await
        };
        assert!(
            note(Step::WrittenOrder, now)
                .await
                .unwrap_err()
                .to_string()
                .contains("notice_signed, copy_sent")
        );
        assert!(
            note(Step::CopySent, now + 1.hour())
                .await
                .unwrap_err()
                .to_string()
                .contains("in the future")
        );
        assert!(!note(Step::NoticeSigned, now).await.unwrap().effective);
        assert!(note(Step::CopySent, now).await.unwrap().effective);

        // From now on, not from its start: before, nobody had approved.
        assert_eq!(
            order::in_force(&client, office.person, now - 1.minute()).await.unwrap(),
            None
        );
        let in_force = order::in_force(&client, office.person, now).await.unwrap().unwrap();
        assert_eq!(
            (in_force.order_id, in_force.valid_until()),
            (order.order_id, order.ends_at)
        );
        let us = |at: Timestamp| at.as_microsecond();
        assert_eq!(us(in_force.starts_at), us(now));
        let directory = terms().await;
        assert_eq!(directory.len(), 1);
        assert_eq!((us(directory[0].0), us(directory[0].1)), (us(now), us(order.ends_at)));
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [office.person]);
        let published = rules::published(&client, office.person).await.unwrap().unwrap();
        assert!(published.active && published.valid_from_us == us(now));

        // Its end moves on only by an approved extension, at most three months, asked by one and approved by another.
        let later = months(order.ends_at, 3);
        let error = order::end(&client, order.order_id, later).await.unwrap_err();
        assert!(error.to_string().contains("homeward order extend"), "{error}");
        let forced = "UPDATE supervision_order SET ends_at = ends_at + interval '1 day' WHERE order_id = $1";
        let error = casedb::Error::from(client.execute(forced, &[&order.order_id.uuid()]).await.unwrap_err());
        assert_eq!(error.constraint(), Some("supervision_order_extended"), "{error}");
        let ask =
            async |to, by: &User| order::extend(&client, order.order_id, to, "still needed", by.user_id, now).await;
        assert!(
            ask(later + 1.minute(), &office.worker)
                .await
                .unwrap_err()
                .to_string()
                .contains("art. 29(2)")
        );
        let own = ask(later, &office.head).await.unwrap();
        let of = |extension_id| Deciding {
            extension_id: Some(extension_id),
            ..yes(order.order_id)
        };
        let error = order::decide(&client, of(own), &office.head, now).await.unwrap_err();
        assert!(error.to_string().contains("who proposes does not approve"), "{error}");
        let asked = ask(later, &office.worker).await.unwrap();
        assert_eq!(
            order::read(&client, order.order_id).await.unwrap().ends_at,
            order.ends_at,
            "not approved yet"
        );
        order::decide(&client, of(asked), &office.head, now).await.unwrap();
        let extended = order::in_force(&client, office.person, now).await.unwrap().unwrap();
        assert_eq!(us(extended.valid_until()), us(later));

        // Records stay.
        for sql in [
            "UPDATE order_approval SET decision = 'refused'",
            "UPDATE order_notice SET done_at = now()",
            "UPDATE order_extension SET reason = 'x'",
            "UPDATE order_revision SET reason = 'x'",
        ] {
            let error = casedb::Error::from(client.execute(sql, &[]).await.unwrap_err());
            assert_eq!(error.constraint(), Some("order_record_stays"), "{sql}: {error}");
        }
        let error = client
            .execute("UPDATE supervision_order SET profile = 'generic'", &[])
            .await
            .unwrap_err();
        assert_eq!(
            casedb::Error::from(error).constraint(),
            Some("supervision_order_profile_stays")
        );
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_judge_orders_and_a_refused_order_never_takes_effect() {
    for (test, db) in migrated().await {
        let office = office(&db, "resi").await;
        let now = Timestamp::now();
        let client = db.client().await.unwrap();
        let order = draft(office.person, "de-by", "danger", now, months(now, 3));
        order::make(&client, &order, office.worker.user_id, now).await.unwrap();
        let error = order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("art. 34(1)"), "{error}");
        let court = Court {
            court: "District court of Neustadt".to_owned(),
            reference: String::new(),
        };
        let decided = Deciding {
            court: Some(&court),
            ..yes(order.order_id)
        };
        let error = order::decide(&client, decided, &office.head, now).await.unwrap_err();
        assert!(error.to_string().contains("reference"), "{error}");
        let court = Court {
            reference: "3 XIV 12/26".to_owned(),
            ..court
        };
        let decided = Deciding {
            court: Some(&court),
            ..yes(order.order_id)
        };
        let settled = order::decide(&client, decided, &office.head, now).await.unwrap();
        assert!(settled.lacks[0].contains("art. 34(4)"), "{settled:?}");
        let done = order::note_step(
            &client,
            order.order_id,
            Step::WrittenOrder,
            now,
            "",
            office.worker.user_id,
            now,
        )
        .await;
        assert!(done.unwrap().effective);
        assert!(order::in_force(&client, office.person, now).await.unwrap().is_some());

        let second = draft(
            office.person,
            "de-by",
            "danger",
            now + 1.hour(),
            months(now + 1.hour(), 3),
        );
        order::make(&client, &second, office.worker.user_id, now).await.unwrap();
        let refused = Deciding {
            order_id: second.order_id,
            decision: Decision::Refused,
            ..decided
        };
        let error = order::decide(&client, refused, &office.head, now).await.unwrap_err();
        assert!(error.to_string().contains("needs a reason"), "{error}");
        let refused = Deciding {
            reason: "not grave enough",
            ..refused
        };
        order::decide(&client, refused, &office.head, now).await.unwrap();
        let done = order::note_step(
            &client,
            second.order_id,
            Step::WrittenOrder,
            now,
            "",
            office.worker.user_id,
            now,
        )
        .await;
        assert_eq!(done.unwrap().lacks, ["it was refused"]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missed_review_suspends_and_a_late_one_goes_on_from_then() {
    for (test, db) in migrated().await {
        let office = office(&db, "amy").await;
        let start = Timestamp::now().round(jiff::Unit::Second).unwrap();
        let client = db.client().await.unwrap();
        let order = draft(office.person, "gb-ew", "licence", start, months(start, 12));
        order::make(&client, &order, office.worker.user_id, start)
            .await
            .unwrap();
        order::decide(&client, yes(order.order_id), &office.head, start)
            .await
            .unwrap();
        let worker = office.worker.user_id;
        order::note_step(&client, order.order_id, Step::NoticeGiven, start, "", worker, start)
            .await
            .unwrap();
        let due = months(start, 3);
        let in_force = order::in_force(&client, office.person, start).await.unwrap().unwrap();
        assert_eq!(in_force.valid_until(), due, "until the review is done");
        // In time: three months more, from the review.
        let early = due - 240.hours();
        order::review(
            &client,
            order.order_id,
            Outcome::Continue,
            "still needed",
            office.head.user_id,
            early,
        )
        .await
        .unwrap();
        let next = months(early, 3);
        let in_force = order::in_force(&client, office.person, due).await.unwrap().unwrap();
        assert_eq!(in_force.valid_until(), next);
        // Missed by a week.
        let late = next + 168.hours();
        assert_eq!(order::in_force(&client, office.person, next).await.unwrap(), None);
        order::review(
            &client,
            order.order_id,
            Outcome::Continue,
            "overlooked",
            office.head.user_id,
            late,
        )
        .await
        .unwrap();
        let at = async |when| order::in_force(&client, office.person, when).await.unwrap().is_some();
        assert!(at(next - 1.second()).await && !at(next).await && !at(late - 1.second()).await && at(late).await);
        let held = order::as_of(&client, office.person, late, Timestamp::now())
            .await
            .unwrap();
        assert_eq!(held.orders[0].terms, [(start, next), (late, months(late, 3))]);
        // Done once; an end ends.
        let error = client
            .execute("UPDATE order_review SET note = 'better' WHERE outcome IS NOT NULL", &[])
            .await;
        assert_eq!(
            casedb::Error::from(error.unwrap_err()).constraint(),
            Some("order_record_stays")
        );
        let end = late + 24.hours();
        order::review(
            &client,
            order.order_id,
            Outcome::End,
            "no longer needed",
            office.head.user_id,
            end,
        )
        .await
        .unwrap();
        assert!(at(end - 1.second()).await && !at(end).await);
        let error = order::review(
            &client,
            order.order_id,
            Outcome::Continue,
            "x",
            office.head.user_id,
            end,
        )
        .await;
        assert!(error.unwrap_err().to_string().contains("was revoked"));
        drop(client);
        test.drop_now().await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longer_a_leave_the_higher_its_approval() {
    for (test, db) in migrated().await {
        let office = office(&db, "siv").await;
        let client = db.client().await.unwrap();
        let now = Timestamp::now().round(jiff::Unit::Second).unwrap();
        add_order(&db, office.person, now).await;
        let chief = add_user(&client, "siv.chief", Role::Administrator, "harbour.siv.social_work").await;
        let officer = add_user(&client, "siv.officer", Role::DutyOfficer, "harbour.siv.police").await;
        let leave = |from: i64, days: i64| Leave {
            leave_id: Uuid::now_v7(),
            person_id: office.person,
            starts_at: now + (24 * from).hours(),
            ends_at: now + (24 * (from + days)).hours(),
            reason: "family".to_owned(),
            approved_by: String::new(),
            created_by: Some(office.worker.user_id),
            zones: Vec::new(),
            withdrawn_at: None,
        };
        let yes = Decision::Approved;
        let mut from = 1;
        for (days, allowed) in [
            (7, "officer,head,chief"),
            (8, "head,chief"),
            (30, "head,chief"),
            (31, "chief"),
            (90, "chief"),
        ] {
            for (name, who) in [
                ("worker", &office.worker),
                ("officer", &officer),
                ("head", &office.head),
                ("chief", &chief),
            ] {
                let pass = leave(from, days);
                leave::ask(&client, &pass).await.unwrap();
                assert!(
                    leave::of_person(&client, office.person, now).await.unwrap().is_empty(),
                    "asked is not given"
                );
                let decided = leave::decide(&client, pass.leave_id, yes, who, "", now).await;
                assert_eq!(
                    decided.is_ok(),
                    allowed.contains(name),
                    "{days} days by {name}: {decided:?}"
                );
                if let Err(error) = decided {
                    let words = if name == "worker" {
                        "who asks"
                    } else {
                        "days needs the approval"
                    };
                    assert!(error.to_string().contains(words), "{error}");
                }
                leave::withdraw(&client, pass.leave_id, now).await.unwrap();
                let gone = leave::of_person(&client, office.person, now).await.unwrap();
                assert!(gone.iter().all(|pass| pass.valid_until().is_none()));
                client.execute("DELETE FROM leave_pass", &[]).await.unwrap();
            }
            from += 100;
        }
        // Told approvals: up to seven days, where the law lets them be told; short passes in a row are a long one.
        let told = |from, days| Leave {
            approved_by: "Station 3, Kim".to_owned(),
            ..leave(from, days)
        };
        leave::add(&client, &told(1, 7)).await.unwrap();
        let error = leave::add(&client, &told(8, 2)).await.unwrap_err();
        assert!(
            error.to_string().contains("9 days") && error.to_string().contains("homeward leave request"),
            "{error}"
        );
        leave::add(&client, &told(9, 2)).await.unwrap();
        // A refusal has a reason; what is decided stays; nobody decides alone.
        let pass = leave(50, 2);
        leave::ask(&client, &pass).await.unwrap();
        let no = Decision::Refused;
        let error = leave::decide(&client, pass.leave_id, no, &office.head, " ", now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("needs a reason"), "{error}");
        leave::decide(&client, pass.leave_id, no, &office.head, "not now", now)
            .await
            .unwrap();
        let error = leave::decide(&client, pass.leave_id, yes, &office.head, "", now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("decided already: refused"), "{error}");
        let alone = "UPDATE leave_pass SET decided_by = created_by WHERE created_by IS NOT NULL";
        let error = casedb::Error::from(client.execute(alone, &[]).await.unwrap_err());
        assert_eq!(error.constraint(), Some("leave_pass_four_eyes"));
        let all = leave::requests(&client, office.person, now).await.unwrap();
        let states: Vec<_> = all.iter().map(|pass| pass.state.as_str()).collect();
        assert_eq!(states, ["approved", "approved", "refused"]);
        assert_eq!(leave::of_person(&client, office.person, now).await.unwrap().len(), 2);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_the_dwelling_no_more_than_presence_is_stored() {
    use casedb::zone::{self, Audience, Shape, Zone, ZoneKind};
    use prost::Message;
    use stream::{Log, NewRecord, memory::MemoryLog};

    for (test, db) in migrated().await {
        let (resi, other) = (office(&db, "resi").await, office(&db, "uwe").await);
        let now = Timestamp::now().round(jiff::Unit::Second).unwrap();
        let start = now - 2.hours();
        let client = db.client().await.unwrap();
        let order = draft(resi.person, "de-by", "danger", start, months(start, 3));
        order::make(&client, &order, resi.worker.user_id, start).await.unwrap();
        let court = Court {
            court: "District court".to_owned(),
            reference: "3 XIV 12/26".to_owned(),
        };
        order::decide(
            &client,
            Deciding {
                court: Some(&court),
                ..yes(order.order_id)
            },
            &resi.head,
            start,
        )
        .await
        .unwrap();
        order::note_step(
            &client,
            order.order_id,
            Step::WrittenOrder,
            start,
            "",
            resi.worker.user_id,
            start,
        )
        .await
        .unwrap();
        add_order(&db, other.person, now).await;
        let home = |geometry: serde_json::Value, radius_m| Shape {
            geometry,
            radius_m,
            buffer_m: 0.0,
            datum: proto::rules::Datum::Wgs84,
        };
        let circle = home(
            serde_json::json!({"type": "Point", "coordinates": [11.5, 48.1]}),
            Some(50.0),
        );
        // A house with a yard in its middle: the yard is no dwelling.
        let house = home(
            serde_json::json!({"type": "Polygon", "coordinates": [
            [[11.6, 48.2], [11.601, 48.2], [11.601, 48.201], [11.6, 48.201], [11.6, 48.2]],
            [[11.6004, 48.2004], [11.6006, 48.2004], [11.6006, 48.2006], [11.6004, 48.2006], [11.6004, 48.2004]]]}),
            None,
        );
        for (person, shape, attendance) in [
            (resi.person, &circle, false),
            (resi.person, &house, false),
            (other.person, &circle, false),
        ] {
            let zone_id = proto::ZoneId::new(Uuid::now_v7());
            let kind = ZoneKind::Inclusion;
            let zone = Zone {
                zone_id,
                label: "Home".to_owned(),
                kind,
                audience: Audience::Both,
            };
            zone::create(&client, &zone).await.unwrap();
            zone::revise(&client, zone_id, shape, None).await.unwrap();
            zone::attach(&client, person, zone_id, None, attendance).await.unwrap();
        }
        // Whose, where, how exact, and whether the place is kept.
        let fixes = [
            (resi.person, 11.5, 48.1, 5.0, false),
            (resi.person, 11.5, 48.1 + 45.0 / 111_195.0, 0.0, false),
            (resi.person, 11.5, 48.1 + 60.0 / 111_195.0, 5.0, true),
            (resi.person, 11.5, 48.1 + 60.0 / 111_195.0, 20.0, false), // it may be inside
            (resi.person, 11.5, 48.1 + 130.0 / 111_195.0, 400.0, true), // doubt has an end
            (resi.person, 11.6002, 48.2002, 1.0, false),
            (resi.person, 11.6005, 48.2005, 1.0, true), // the yard
            (resi.person, 11.602, 48.2005, 1.0, true),
            (other.person, 11.5, 48.1, 5.0, true), // another law
        ];
        let log = MemoryLog::new(super::support::PARTITIONS);
        let device = DeviceId::from_name("d");
        #[expect(clippy::cast_possible_truncation, reason = "degrees")]
        let records = fixes
            .iter()
            .enumerate()
            .map(|(n, (person, longitude, latitude, accuracy, _))| {
                let report = wire::Report {
                    report_id: proto::ReportId::derive(device, &n.to_le_bytes()).to_wire(),
                    person_id: person.to_wire(),
                    device_id: device.to_wire(),
                    sequence: n as u64,
                    fix_time_us: (now - 1.hour()).as_microsecond() + i64::try_from(n).unwrap(),
                    received_at_us: now.as_microsecond(),
                    position: Some(wire::Position {
                        latitude_e7: (latitude * 1e7_f64).round() as i32,
                        longitude_e7: (longitude * 1e7_f64).round() as i32,
                        valid: true,
                        accuracy_m: Some(*accuracy),
                        speed_kmh: Some(3.0),
                        ..Default::default()
                    }),
                    battery_percent: Some(80),
                    ..Default::default()
                };
                NewRecord {
                    partition: proto::topic::partition_of(*person, super::support::PARTITIONS),
                    key: person.to_wire().into(),
                    payload: wire::ReportRecord {
                        body: Some(wire::report_record::Body::Report(report)),
                    }
                    .encode_to_vec()
                    .into(),
                }
            });
        log.append(proto::Topic::Reports, records.collect()).await.unwrap();
        let shutdown = tokio_util::sync::CancellationToken::new();
        let writer =
            casedb::history::HistoryWriter::run(db.clone(), std::sync::Arc::new(log.clone()), shutdown.clone());
        let writer = tokio::spawn(writer);
        let sql = "SELECT sequence, latitude IS NOT NULL, valid, longitude IS NULL AND accuracy_m IS NULL AND speed_kmh IS NULL
            FROM position ORDER BY sequence";
        let mut stored = Vec::new();
        for _ in 0..600 {
            stored = client.query(sql, &[]).await.unwrap();
            if stored.len() == fixes.len() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        assert_eq!(stored.len(), fixes.len());
        for (row, fix) in stored.iter().zip(&fixes) {
            let (kept, valid, nothing_finer): (bool, bool, bool) = (row.get(1), row.get(2), row.get(3));
            assert_eq!(kept, fix.4, "{fix:?}");
            assert!(valid, "presence is kept: {fix:?}");
            assert_eq!(nothing_finer, !kept, "{fix:?}");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}
