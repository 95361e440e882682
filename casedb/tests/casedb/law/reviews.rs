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
