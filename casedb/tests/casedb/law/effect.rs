//! An order takes effect with approval and steps, from then on; a judge's, and a refused one.

use casedb::order::Noting;

use super::*;

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
        // Approved is not enough: it has a notice and a copy of its own, those of the order do not serve.
        let end = async || us(order::read(&client, order.order_id).await.unwrap().ends_at);
        let settled = order::decide(&client, of(asked), &office.head, now).await.unwrap();
        assert!(!settled.effective && settled.lacks.len() == 2, "{settled:?}");
        assert_eq!(end().await, us(order.ends_at));
        let forced = "UPDATE supervision_order SET ends_at = $2 WHERE order_id = $1";
        let error = client
            .execute(forced, &[&order.order_id.uuid(), &later])
            .await
            .unwrap_err();
        let error = casedb::Error::from(error);
        assert_eq!(error.constraint(), Some("supervision_order_extension_steps"), "{error}");
        let note_of = async |extension_id, step| {
            let noting = Noting {
                order_id: order.order_id,
                extension_id: Some(extension_id),
                step,
                done_at: now,
                reference: "file 12",
            };
            order::note(&client, &noting, office.worker.user_id, now).await
        };
        let error = note_of(asked, Step::WrittenOrder).await.unwrap_err();
        assert!(
            error.to_string().contains("of an extension: notice_signed, copy_sent"),
            "{error}"
        );
        let error = note_of(Uuid::now_v7(), Step::CopySent).await.unwrap_err();
        assert!(error.to_string().contains("extension of this order"), "{error}");
        let first = note_of(asked, Step::NoticeSigned).await.unwrap();
        assert!(
            !first.effective && first.lacks[0].starts_with("copy_sent to the people's procuratorate"),
            "{first:?}"
        );
        // The steps of another extension do not serve either.
        assert_eq!(note_of(own, Step::CopySent).await.unwrap().lacks.len(), 2);
        assert_eq!(end().await, us(order.ends_at));
        let on_record = async || {
            let dossiers = order::dossiers(&client, office.person, Timestamp::now()).await.unwrap();
            let extensions = dossiers[0].extensions.iter();
            extensions
                .map(|extension| (extension.extension_id, extension.lacks.len()))
                .collect::<Vec<_>>()
        };
        assert_eq!(on_record().await, [(own, 2), (asked, 1)]);
        assert!(note_of(asked, Step::CopySent).await.unwrap().effective);
        assert_eq!(end().await, us(later));
        assert_eq!(on_record().await, [(own, 2), (asked, 0)]);
        let extended = order::in_force(&client, office.person, now).await.unwrap().unwrap();
        assert_eq!(us(extended.valid_until()), us(later));
        // A copy sent again changes nothing.
        assert!(note_of(asked, Step::CopySent).await.unwrap().effective);
        assert_eq!(end().await, us(later));

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
