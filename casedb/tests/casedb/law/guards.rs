//! What the database holds by itself, also against SQL by hand: each step of a profile, and that reviews are done.

use super::*;

/// The constraint that refused a statement.
async fn refused(client: &impl GenericClient, sql: &str, order_id: OrderId) -> Option<String> {
    let error = client.execute(sql, &[&order_id.uuid()]).await.unwrap_err();
    casedb::Error::from(error).constraint().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_its_steps_does_not_take_effect_by_hand() {
    const FORCED: &str = "UPDATE supervision_order SET effective_from = now() WHERE order_id = $1";
    for (test, db) in migrated().await {
        let office = office(&db, "gerd").await;
        let client = db.client().await.unwrap();
        let now = Timestamp::now().round(jiff::Unit::Microsecond).unwrap();
        let order = draft(office.person, "cn", "left_area", now, months(now, 3));
        order::make(&client, &order, office.worker.user_id, now).await.unwrap();
        let approved = Some("supervision_order_approved".to_owned());
        let steps = Some("supervision_order_steps".to_owned());
        assert_eq!(refused(&client, FORCED, order.order_id).await, approved);
        order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap();
        assert_eq!(refused(&client, FORCED, order.order_id).await, steps);
        let note = async |step| {
            order::note_step(&client, order.order_id, step, now, "", office.worker.user_id, now)
                .await
                .unwrap()
        };
        assert!(!note(Step::CopySent).await.effective);
        assert_eq!(refused(&client, FORCED, order.order_id).await, steps);
        assert!(note(Step::NoticeSigned).await.effective);
        // In force now; by hand not for a time before approval and steps.
        let earlier =
            "UPDATE supervision_order SET effective_from = effective_from - interval '1 day' WHERE order_id = $1";
        assert_eq!(refused(&client, earlier, order.order_id).await, approved);
        // A step belongs to an extension of its own order.
        let other = draft(office.person, "cn", "no_report", now, months(now, 3));
        order::make(&client, &other, office.worker.user_id, now).await.unwrap();
        let asked = order::extend(
            &client,
            order.order_id,
            months(order.ends_at, 1),
            "still needed",
            office.worker.user_id,
            now,
        )
        .await
        .unwrap();
        let mixed = "INSERT INTO order_notice (notice_id, order_id, extension_id, step, given_to, done_at, recorded_by)
            VALUES (gen_random_uuid(), $1, $2, 'copy_sent', 'x', now(), $3)";
        let error = client
            .execute(mixed, &[&other.order_id.uuid(), &asked, &office.worker.user_id])
            .await;
        let error = casedb::Error::from(error.unwrap_err());
        assert_eq!(error.constraint(), Some("order_notice_extension"), "{error}");
        // What was shortened meanwhile is not extended by more than the law's months at once.
        let of = Deciding {
            extension_id: Some(asked),
            ..yes(order.order_id)
        };
        order::decide(&client, of, &office.head, now).await.unwrap();
        order::end(&client, order.order_id, now + 24.hours()).await.unwrap();
        for (step, done) in [(Step::NoticeSigned, true), (Step::CopySent, false)] {
            let noting = order::Noting {
                order_id: order.order_id,
                extension_id: Some(asked),
                step,
                done_at: now,
                reference: "",
            };
            let noted = order::note(&client, &noting, office.worker.user_id, now).await;
            assert_eq!(noted.is_ok(), done, "{step}: {noted:?}");
            if let Err(error) = noted {
                assert!(error.to_string().contains("art. 29(2)"), "{error}");
            }
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_review_is_not_skipped_by_hand() {
    for (test, db) in migrated().await {
        let office = office(&db, "nils").await;
        let client = db.client().await.unwrap();
        let now = Timestamp::now().round(jiff::Unit::Microsecond).unwrap();
        let order = draft(office.person, "gb-ew", "licence", now, months(now, 12));
        order::make(&client, &order, office.worker.user_id, now).await.unwrap();
        order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap();
        order::note_step(
            &client,
            order.order_id,
            Step::NoticeGiven,
            now,
            "",
            office.worker.user_id,
            now,
        )
        .await
        .unwrap();
        let reviewed = Some("supervision_order_reviewed".to_owned());
        for sql in [
            "UPDATE supervision_order SET lapses_at = NULL WHERE order_id = $1",
            "UPDATE supervision_order SET lapses_at = lapses_at + interval '1 month' WHERE order_id = $1",
        ] {
            assert_eq!(refused(&client, sql, order.order_id).await, reviewed, "{sql}");
        }
        // Nor by moving the review, nor by one that is due much later.
        let moved = "UPDATE order_review SET due_at = due_at + interval '1 year' WHERE order_id = $1";
        assert_eq!(
            refused(&client, moved, order.order_id).await,
            Some("order_record_stays".to_owned())
        );
        let done = "UPDATE order_review SET outcome = 'continue', done_by = (SELECT user_id FROM app_user LIMIT 1), done_at = now(),
            done_recorded_at = now(), next_due_at = now() + interval '1 year' WHERE order_id = $1 AND outcome IS NULL";
        client.execute(done, &[&order.order_id.uuid()]).await.unwrap();
        let open = "INSERT INTO order_review (review_id, order_id, kind, due_at)
            SELECT gen_random_uuid(), order_id, 'periodic', next_due_at FROM order_review WHERE order_id = $1";
        client.execute(open, &[&order.order_id.uuid()]).await.unwrap();
        let later = "UPDATE supervision_order SET lapses_at = (SELECT due_at FROM order_review
            WHERE order_id = $1 AND outcome IS NULL) WHERE order_id = $1";
        assert_eq!(refused(&client, later, order.order_id).await, reviewed);
        // What the files ask is what the guards ask; a second migration leaves it.
        let sql = "SELECT array_agg(s ORDER BY s) FROM law_steps('cn', true) s";
        let asks: Vec<String> = client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(asks, ["copy_sent", "notice_signed"]);
        let sql = "SELECT law_review_months('gb-ew'), law_review_months('cn')";
        let months = client.query_one(sql, &[]).await.unwrap();
        assert_eq!(
            (months.get::<_, Option<i32>>(0), months.get::<_, Option<i32>>(1)),
            (Some(3), None)
        );
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_law_that_an_agency_prescribes_is_not_gone_round() {
    for (test, db) in migrated().await {
        let office = office(&db, "pia").await;
        let client = db.client().await.unwrap();
        let now = Timestamp::now().round(jiff::Unit::Microsecond).unwrap();
        let generic = draft(office.person, "generic", "", now, months(now, 240));
        let generic = order::Draft {
            ground_codes: Vec::new(),
            ..generic
        };
        let prescribe = async |names: &[String]| agency::set_laws(&client, "harbour.pia.social_work", names).await;
        assert!(prescribe(&["cn".to_owned()]).await.unwrap());
        assert!(prescribe(&["nowhere".to_owned()]).await.is_err());
        let error = order::make(&client, &generic, office.worker.user_id, now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("prescribe the law profile cn"), "{error}");
        let by_hand = "INSERT INTO supervision_order (order_id, person_id, profile, starts_at, ends_at, legal_basis)
            VALUES (gen_random_uuid(), $1, 'generic', now(), now() + interval '20 years', 'x')";
        let error = casedb::Error::from(client.execute(by_hand, &[&office.person.uuid()]).await.unwrap_err());
        assert_eq!(error.constraint(), Some("supervision_order_law"), "{error}");
        assert_eq!(order::prescribed(&client, office.person).await.unwrap(), ["cn"]);

        let order = draft(office.person, "cn", "left_area", now, months(now, 3));
        order::make(&client, &order, office.worker.user_id, now).await.unwrap();
        // Signed long before there was anything to sign.
        let old = now - (24 * 365 * 6).hours();
        let error = order::note_step(
            &client,
            order.order_id,
            Step::NoticeSigned,
            old,
            "",
            office.worker.user_id,
            now,
        )
        .await
        .unwrap_err();
        assert!(
            error.to_string().contains("long before the order was drawn up"),
            "{error}"
        );
        // What is on record stays there.
        order::decide(&client, yes(order.order_id), &office.head, now)
            .await
            .unwrap();
        for (sql, rule) in [
            ("DELETE FROM order_approval", "order_record_kept"),
            ("DELETE FROM order_revision", "order_record_kept"),
        ] {
            let error = casedb::Error::from(client.execute(sql, &[]).await.unwrap_err());
            assert_eq!(error.constraint(), Some(rule), "{sql}: {error}");
        }
        client
            .execute("UPDATE supervision_order SET revoked_at = now()", &[])
            .await
            .unwrap();
        let back = "UPDATE supervision_order SET revoked_at = NULL";
        let error = casedb::Error::from(client.execute(back, &[]).await.unwrap_err());
        assert_eq!(error.constraint(), Some("supervision_order_stays"), "{error}");
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_term_longer_than_the_law_is_no_draft_by_hand() {
    const DRAFT: &str = "INSERT INTO supervision_order (order_id, person_id, profile, legal_basis, starts_at, ends_at)
        VALUES ($1, $2, $3, 'x', $4, $5)";
    const EXTEND: &str =
        "INSERT INTO order_extension (extension_id, order_id, from_end, to_end, reason, requested_by, requested_at)
        VALUES (gen_random_uuid(), $1, $2, $3, 'x', $4, now())";
    for (test, db) in migrated().await {
        let office = office(&db, "tora").await;
        let mut client = db.client().await.unwrap();
        let start: Timestamp = "2027-01-31T10:00:00Z".parse().unwrap();
        let constraint = |error| casedb::Error::from(error).constraint().map(str::to_owned);
        for (profile, most) in [("cn", Some(3)), ("generic", None)] {
            for longer in [0, 24] {
                let until = months(start, most.unwrap_or(240)) + longer.hours();
                let id = Uuid::now_v7();
                let made = client
                    .execute(DRAFT, &[&id, &office.person.uuid(), &profile, &start, &until])
                    .await;
                if most.is_none() || longer == 0 {
                    made.unwrap();
                } else {
                    assert_eq!(constraint(made.unwrap_err()).as_deref(), Some("supervision_order_term"));
                }
            }
        }
        // Every profile's limit is there, and a second look by the program agrees with the database's calendar.
        for profile in law::profiles() {
            let sql = "SELECT law_term_months($1, false), law_term_months($1, true)";
            let row = client.query_one(sql, &[&profile.name]).await.unwrap();
            let months = |limit: &Option<law::Months>| limit.as_ref().map(|limit| i32::from(limit.months));
            assert_eq!(row.get::<_, Option<i32>>(0), months(&profile.term), "{}", profile.name);
            assert_eq!(
                row.get::<_, Option<i32>>(1),
                months(&profile.extension),
                "{}",
                profile.name
            );
        }
        let zone = TimeZone::get("Europe/Oslo").unwrap();
        for day in 0..800_i64 {
            let from = start + (day * 24 + day % 24).hours();
            let sql = "SELECT law_latest_end($1, 3, 'Europe/Oslo')";
            let latest: Timestamp = client.query_one(sql, &[&from]).await.unwrap().get(0);
            let by_program = law::months_after(from, 3, &zone).unwrap();
            let slack = latest.duration_since(by_program).as_hours();
            assert!((2..=4).contains(&slack), "{from}: {latest} and {by_program}");
        }
        // An earlier start makes a term longer, too; and an extension has its own limit.
        let order = draft(office.person, "cn", "left_area", start, months(start, 3));
        order::make(&client, &order, office.worker.user_id, start)
            .await
            .unwrap();
        let earlier = "UPDATE supervision_order SET starts_at = starts_at - interval '2 days' WHERE order_id = $1";
        assert_eq!(
            refused(&client, earlier, order.order_id).await.as_deref(),
            Some("supervision_order_term")
        );
        let id = order.order_id.uuid();
        let by = office.worker.user_id;
        let long = months(order.ends_at, 3) + 24.hours();
        let made = client.execute(EXTEND, &[&id, &order.ends_at, &long, &by]).await;
        assert_eq!(constraint(made.unwrap_err()).as_deref(), Some("order_extension_term"));
        client
            .execute(EXTEND, &[&id, &order.ends_at, &months(order.ends_at, 3), &by])
            .await
            .unwrap();

        // A user's role cannot say that it imports, and so pass by approval, steps and term.
        for word in ["on", ""] {
            let tx = casedb::access::begin(&mut client, &office.worker).await.unwrap();
            tx.batch_execute(&format!("SET LOCAL homeward.import = '{word}'"))
                .await
                .unwrap();
            let insert =
                "INSERT INTO supervision_order (order_id, person_id, profile, legal_basis, starts_at, ends_at, made_by)
                VALUES (gen_random_uuid(), $1, 'cn', 'x', now(), now() + interval '20 years', $2)";
            let made = tx
                .execute(insert, &[&office.person.uuid(), &office.worker.user_id])
                .await;
            assert!(made.is_err(), "{word:?}");
            let said = casedb::Error::from(made.unwrap_err()).to_string();
            assert!(
                said.contains("imported by the owner") || said.contains("at most 3 calendar months"),
                "{said}"
            );
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}
