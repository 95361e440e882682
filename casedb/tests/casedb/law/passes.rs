//! Leave: the longer, the higher its approval.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_longer_a_leave_the_higher_its_approval() {
    for (test, db) in migrated().await {
        let office = office(&db, "siv").await;
        let client = db.client().await.unwrap();
        let now = Timestamp::now().round(jiff::Unit::Second).unwrap();
        add_order(&db, office.person, now).await;
        let county = agency::Agency {
            agency_id: Uuid::now_v7(),
            path: "harbour.siv".to_owned(),
            name: "County of siv".to_owned(),
            kind: agency::AgencyKind::Administration,
            time_zone: "Europe/Oslo".to_owned(),
        };
        agency::create(&client, &county).await.unwrap();
        let chief = add_user(&client, "siv.chief", Role::Supervisor, "harbour.siv").await;
        let clerk = add_user(&client, "siv.clerk", Role::Administrator, "harbour.siv").await;
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
                // Administrators administer: they decide on nobody's leave.
                ("clerk", &clerk),
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

/// What is approved at one moment counts together: the second waits for the first, and sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adjoining_passes_that_are_approved_at_one_moment_count_together() {
    for (test, db) in migrated().await {
        let office = office(&db, "sal").await;
        let now = Timestamp::now().round(jiff::Unit::Second).unwrap();
        add_order(&db, office.person, now).await;
        let mut first = db.client().await.unwrap();
        let officer = add_user(&first, "sal.officer", Role::DutyOfficer, "harbour.sal.police").await;
        let leave = |from: i64| Leave {
            leave_id: Uuid::now_v7(),
            person_id: office.person,
            starts_at: now + (24 * from).hours(),
            ends_at: now + (24 * (from + 7)).hours(),
            reason: "family".to_owned(),
            approved_by: "the head".to_owned(),
            created_by: Some(office.worker.user_id),
            zones: Vec::new(),
            withdrawn_at: None,
        };
        let passes = [leave(1), leave(8)];
        for pass in &passes {
            leave::ask(&first, pass).await.unwrap();
        }
        let transaction = first.transaction().await.unwrap();
        let yes = Decision::Approved;
        leave::decide(&transaction, passes[0].leave_id, yes, &officer, "", now)
            .await
            .unwrap();
        let later = async {
            let mut client = db.client().await.unwrap();
            let transaction = client.transaction().await.unwrap();
            let decided = leave::decide(&transaction, passes[1].leave_id, yes, &officer, "", now).await;
            transaction.commit().await.unwrap();
            decided
        };
        let told = async {
            let mut client = db.client().await.unwrap();
            let transaction = client.transaction().await.unwrap();
            let told = leave::add(&transaction, &leave(8)).await;
            transaction.commit().await.unwrap();
            told
        };
        let commit = async {
            waiting(&db, 2).await;
            transaction.commit().await.unwrap();
        };
        let (decided, told, ()) = tokio::join!(later, told, commit);
        let error = decided.unwrap_err().to_string();
        assert!(error.contains("14 days"), "{error}");
        let error = told.unwrap_err().to_string();
        assert!(error.contains("14 days"), "{error}");
        assert_eq!(leave::of_person(&first, office.person, now).await.unwrap().len(), 1);
        drop(first);
        test.drop_now().await.unwrap();
    }
}

/// Waits until so many transactions of this database wait for their turn.
async fn waiting(db: &Database, count: i64) {
    let client = db.client().await.unwrap();
    let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    for _ in 0..600 {
        if client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) >= count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("nobody waits for a turn");
}
