//! Whoever never was under an order in force: there never was a basis, and what is kept goes too.

use casedb::{
    contact::{self, Content},
    note::{self, Written},
    retention::{self, Terms},
    zone::Audience,
};

use super::*;

async fn kept(client: &impl GenericClient, person: PersonId, by: Uuid, now: Timestamp) {
    let content = Content {
        kind: contact::Kind::Family,
        name: "Invented Sister".to_owned(),
        relation: "sister".to_owned(),
        phone: String::new(),
        address: "Invented Street 1".to_owned(),
        protected_address: false,
        note: String::new(),
        valid_from: None,
        valid_until: None,
    };
    contact::add(client, person, &content, Some(by), now).await.unwrap();
    let written = Written {
        kind: note::Kind::Visit,
        audience: Audience::SocialWork,
        text: "At home.",
        happened_at: now,
        corrects: None,
    };
    note::write(client, person, &written, by, now).await.unwrap();
}

async fn left(client: &impl GenericClient, person: PersonId) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM contact WHERE person_id = $1) + (SELECT count(*) FROM person_note WHERE person_id = $1)";
    client.query_one(sql, &[&person.uuid()]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_without_a_basis_ever_goes_when_no_draft_is_open() {
    for (test, db) in migrated().await {
        let (refused, open) = (office(&db, "rolf").await, office(&db, "oda").await);
        let entered = add_person(&db, "nils").await.person_id;
        let client = db.client().await.unwrap();
        let now = Timestamp::now();
        for office in [&refused, &open] {
            kept(&client, office.person, office.worker.user_id, now).await;
            let order = draft(office.person, "de-by", "danger", now, months(now, 3));
            order::make(&client, &order, office.worker.user_id, now).await.unwrap();
            if office.person == refused.person {
                let court = Court {
                    court: "District court".to_owned(),
                    reference: "7 XIV 12/26".to_owned(),
                };
                let no = Deciding {
                    order_id: order.order_id,
                    extension_id: None,
                    decision: Decision::Refused,
                    court: Some(&court),
                    reason: "not grave enough",
                };
                order::decide(&client, no, &office.head, now).await.unwrap();
            }
        }
        kept(&client, entered, refused.worker.user_id, now).await;
        // Entered and refused today: due together. The open draft could come into force until its end.
        let due = months(now, 60);
        let plans = retention::plan(&client, &Terms::default(), None).await.unwrap();
        assert_eq!(plans.len(), 3, "{}: {plans:?}", test.edition);
        for plan in &plans {
            assert!(
                plan.terms.is_empty() && !plan.record_is_due(due - 48.hours()),
                "{plan:?}"
            );
            let is_open = plan.person_id == open.person.uuid();
            assert_eq!(plan.record_is_due(due + 48.hours()), !is_open, "{plan:?}");
            assert!(plan.record_is_due(months(due, 3) + 48.hours()), "{plan:?}");
        }

        let hold = retention::hold(&client, entered, "trial", "Court, file 12/26", "clerk").await;
        assert!(hold.unwrap().is_some());
        let run = async |at| {
            let ran = retention::run(&db, &Terms::default(), at, false, &mut |_| {})
                .await
                .unwrap();
            assert_eq!(ran.failed, [], "{}", test.edition);
            ran
        };
        assert!(run(due - 48.hours()).await.certificates.is_empty());
        let ran = run(due + 48.hours()).await;
        assert_eq!((ran.people, ran.held, ran.certificates.len()), (1, 1, 1), "{ran:?}");
        assert_eq!((ran.rows["contact"], ran.rows["person_note"]), (1, 1), "{ran:?}");
        for (person, rows) in [(refused.person, 0), (open.person, 2), (entered, 2)] {
            assert_eq!(left(&client, person).await, rows, "{}", test.edition);
        }
        let (certificate, digest, right) = retention::certificate(&client, ran.certificates[0]).await.unwrap();
        assert!(right && certificate.basis.is_empty());
        assert_eq!(certificate.person_id, refused.person.uuid());
        let text = certificate.text(&digest);
        assert!(text.contains("no order ever was in force"), "{text}");
        retention::lift(&client, entered, None, "over", "clerk").await.unwrap();
        run(due + 48.hours()).await;
        assert_eq!(left(&client, entered).await, 0);
        run(months(due, 3) + 48.hours()).await;
        assert_eq!(left(&client, open.person).await, 0);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
