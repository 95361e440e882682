//! Reviews: a missed one suspends where the law says so.

use super::*;

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
        // Between the two stretches it had lapsed: neither before the first nor in them.
        for (when, lapsed) in [
            (start - 1.second(), false),
            (start, false),
            (next - 1.second(), false),
            (next, true),
            (late - 1.second(), true),
            (late, false),
            (months(late, 3), true),
            (held.orders[0].state.ends_at, false),
        ] {
            assert_eq!(held.orders[0].has_lapsed(when), lapsed, "{when}");
        }
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
async fn only_a_device_that_is_silent_or_faulty_forces_a_review() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let now = Timestamp::now();
        // Worn for a month: heard now, silent for four days, faulty for four days, mended.
        let mut orders = Vec::new();
        for (name, heard, faulty, mended) in [
            ("wan", "1 minute", false, false),
            ("xia", "4 days", false, false),
            ("yan", "1 minute", true, false),
            ("zoe", "1 minute", true, true),
        ] {
            let person = add_person(&db, name).await.person_id;
            orders.push(add_order(&db, person, now - 480.hours()).await.order_id.uuid());
            let device = Uuid::now_v7();
            client
                .batch_execute(&format!(
                    "INSERT INTO device (device_id, protocol, identity) VALUES ('{device}', 'native', '{name}');
                    INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at)
                        VALUES ('{device}', '{device}', '{person}', now() - interval '30 days');
                    INSERT INTO device_status (device_id, last_seen_at) VALUES ('{device}', now() - interval '{heard}');",
                    person = person.uuid()
                ))
                .await
                .unwrap();
            if faulty {
                client
                    .batch_execute(&format!(
                        "INSERT INTO device_fault (fault_id, device_id, reason, faulty_since, reported_at, ended_at, outcome)
                        VALUES ('{device}', '{device}', 'strap', now() - interval '4 days', now(), {})",
                        if mended { "now(), 'repaired'" } else { "NULL, NULL" }
                    ))
                    .await
                    .unwrap();
            }
        }
        order::sweep(&client, Timestamp::now()).await.unwrap();
        let forced = "SELECT o.n FROM unnest($1::uuid[]) WITH ORDINALITY AS o (order_id, n)
            JOIN order_review r USING (order_id) WHERE r.kind = 'device_fault' ORDER BY 1";
        let forced: Vec<i64> = client
            .query(forced, &[&orders])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(forced, [2, 3], "{}", test.edition);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
