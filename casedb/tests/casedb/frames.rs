//! Frames that could not be read: their bytes are given as positions are.

use casedb::{
    access::{self, Purpose},
    user::{Branch, Role},
    view,
};
use jiff::Timestamp;

use crate::access::{fill, guarded, id, user};

/// A latitude and a longitude as digits, in the bytes and in what a fault quotes of them.
const MARK: &str = "3027415512015433";

#[tokio::test]
async fn bytes_of_frames_are_given_only_to_who_declares_the_reading_and_sees_the_wearer() {
    for test in guarded().await {
        let db = casedb::Database::connect(&test.url, 4).await.unwrap();
        let owner = testkit::connect(&test.url).await.unwrap();
        fill(&owner).await;
        owner
            .batch_execute(&format!(
                "INSERT INTO device (device_id, protocol, identity) VALUES (md5('d-own')::uuid, 'gt06', 'OWN'), (md5('d-foreign')::uuid, 'gt06', 'FOREIGN');
                INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at) VALUES
                    (md5('a-own')::uuid, md5('d-own')::uuid, md5('own')::uuid, now() - interval '1 day'),
                    (md5('a-foreign')::uuid, md5('d-foreign')::uuid, md5('foreign')::uuid, now() - interval '1 day');
                INSERT INTO quarantined_frame (frame_id, protocol, identity, claimed, reason, detail, raw, raw_length) OVERRIDING SYSTEM VALUE
                SELECT n, 'gt06', i, c, 'range', 'range: time is {MARK}', '\\x78781f12'::bytea || '{MARK}'::bytea, 20 FROM (VALUES
                    (1, 'OWN', ''), (2, 'FOREIGN', ''), (3, 'STRANGER', ''), (4, '', 'FOREIGN'), (5, '', 'OWN'), (6, '', '')) f (n, i, c);"
            ))
            .await
            .unwrap();
        let own = id(&owner, "own").await;
        for (role, branch) in Role::ALL
            .into_iter()
            .flat_map(|role| [(role, Branch::Police), (role, Branch::SocialWork)])
        {
            let me = user(&owner, role, branch).await;
            let mut client = db.client().await.unwrap();
            let reads = matches!(role, Role::DutyOfficer | Role::Supervisor);
            // From the table: no bytes, and nothing that quotes them.
            for column in ["raw", "detail"] {
                let tx = access::begin(&mut client, &me).await.unwrap();
                let sql = format!("SELECT {column} FROM quarantined_frame");
                assert!(tx.query(&sql, &[]).await.is_err(), "{role:?} {column}");
            }
            let tx = access::begin(&mut client, &me).await.unwrap();
            let listed = tx
                .query(
                    "SELECT frame_id, concat_ws(' ', protocol, identity, claimed, reason, told, raw_length, encode(header, 'escape'), encode(header, 'hex'))
                    FROM quarantined_frame ORDER BY frame_id",
                    &[],
                )
                .await;
            drop(tx);
            if !reads {
                assert!(listed.is_err(), "{role:?}");
                let tx = access::begin(&mut client, &me).await.unwrap();
                assert!(
                    access::declare_frame(&tx, 1, Purpose::Court, "2026-1").await.is_err(),
                    "{role:?}"
                );
                drop(tx);
                let tx = access::begin(&mut client, &me).await.unwrap();
                assert!(view::frame(&tx, 1).await.is_err(), "{role:?}");
                continue;
            }
            let listed = listed.unwrap();
            let ids: Vec<i64> = listed.iter().map(|row| row.get(0)).collect();
            assert_eq!(ids, [1, 3, 5, 6], "{role:?}: of people seen, and of nobody");
            for row in &listed {
                let text: String = row.get(1);
                assert!(!text.contains("30274") && text.ends_with("78781f12"), "{text}");
            }
            let tx = access::begin(&mut client, &me).await.unwrap();
            let page = view::quarantine(&tx, &me, Timestamp::now()).await.unwrap();
            assert_eq!(page.frames.len(), 4);
            assert!(!serde_json::to_string(&page).unwrap().contains("30274"));
            drop(tx);
            // Undeclared; in the transaction that declares; after one that was rolled back.
            let tx = access::begin(&mut client, &me).await.unwrap();
            assert!(view::frame(&tx, 1).await.unwrap().is_none());
            let rolled_back = access::declare_frame(&tx, 1, Purpose::Court, "2026-1")
                .await
                .unwrap()
                .unwrap();
            rolled_back.name(&tx).await.unwrap();
            assert!(view::frame(&tx, 1).await.unwrap().is_none());
            drop(tx);
            let tx = access::begin(&mut client, &me).await.unwrap();
            rolled_back.name(&tx).await.unwrap();
            assert!(view::frame(&tx, 1).await.unwrap().is_none());
            drop(tx);
            // Without a case, and of people whom the user does not see.
            for case in ["", "  ", "\u{3000}"] {
                let tx = access::begin(&mut client, &me).await.unwrap();
                assert!(access::declare_frame(&tx, 1, Purpose::Court, case).await.is_err());
            }
            for foreign in [2, 4, 99] {
                let tx = access::begin(&mut client, &me).await.unwrap();
                assert!(
                    access::declare_frame(&tx, foreign, Purpose::Court, "2026-1")
                        .await
                        .unwrap()
                        .is_none()
                );
            }
            // A reading of positions that calls itself a frame is none.
            let tx = access::begin(&mut client, &me).await.unwrap();
            let posing = access::Access {
                user_id: me.user_id,
                person_id: own,
                purpose: Purpose::Court,
                case_number: "2026-1",
                scope: "frame 1",
            };
            let now = Timestamp::now();
            let posing = access::declare(&tx, &posing, now, now).await.unwrap();
            tx.commit().await.unwrap();
            let tx = access::begin(&mut client, &me).await.unwrap();
            posing.name(&tx).await.unwrap();
            assert!(view::frame(&tx, 1).await.unwrap().is_none());
            drop(tx);
            // Declared, committed, named: this one and no other, and on record with the wearer.
            for (frame, wearer) in [(1, Some(own)), (5, Some(own)), (3, None), (6, None)] {
                let tx = access::begin(&mut client, &me).await.unwrap();
                let declared = access::declare_frame(&tx, frame, Purpose::Maintenance, "2026-7")
                    .await
                    .unwrap()
                    .unwrap();
                tx.commit().await.unwrap();
                let tx = access::begin(&mut client, &me).await.unwrap();
                declared.name(&tx).await.unwrap();
                let bytes = view::frame(&tx, frame).await.unwrap().unwrap();
                assert!(bytes.raw.starts_with("78781f12") && bytes.detail.contains(MARK));
                for other in [1, 2, 3, 4, 5, 6].into_iter().filter(|other| *other != frame) {
                    assert!(
                        view::frame(&tx, other).await.unwrap().is_none(),
                        "{role:?} {frame} {other}"
                    );
                }
                drop(tx);
                let row = owner
                    .query_one(
                        "SELECT person_id, purpose, case_number, scope FROM position_access WHERE access_id = $1 AND user_id = $2",
                        &[&declared.access_id, &me.user_id],
                    )
                    .await
                    .unwrap();
                assert_eq!(row.get::<_, Option<uuid::Uuid>>(0), wearer);
                let told: (String, String, String) = (row.get(1), row.get(2), row.get(3));
                assert_eq!(
                    told,
                    ("maintenance".to_owned(), "2026-7".to_owned(), format!("frame {frame}"))
                );
            }
        }
        drop(db);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_frame_is_for_who_sees_the_one_who_wore_the_device_then() {
    for test in guarded().await {
        let db = casedb::Database::connect(&test.url, 4).await.unwrap();
        let owner = testkit::connect(&test.url).await.unwrap();
        fill(&owner).await;
        // Worn by somebody of another branch until an hour ago, then by one of ours; later given to a protected person.
        owner
            .batch_execute(
                "INSERT INTO device (device_id, protocol, identity) VALUES (md5('d')::uuid, 'jt808', '013800000001');
                INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at, ended_at) VALUES
                    (md5('1')::uuid, md5('d')::uuid, md5('foreign')::uuid, now() - interval '9 hours', now() - interval '5 hours'),
                    (md5('2')::uuid, md5('d')::uuid, md5('own')::uuid, now() - interval '4 hours', now() - interval '2 hours');
                INSERT INTO quarantined_frame (frame_id, protocol, identity, reason, raw, raw_length, received_at) OVERRIDING SYSTEM VALUE
                SELECT h, 'jt808', '013800000001', 'checksum', '\\x7e0200', 3, now() - make_interval(hours => h) FROM generate_series(1, 10) h",
            )
            .await
            .unwrap();
        let me = user(&owner, Role::DutyOfficer, Branch::Police).await;
        let mut client = db.client().await.unwrap();
        let tx = access::begin(&mut client, &me).await.unwrap();
        let page = view::quarantine(&tx, &me, Timestamp::now()).await.unwrap();
        let mut seen: Vec<i64> = page.frames.iter().map(|frame| frame.frame_id).collect();
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4], "from the fitting on, also after it was taken off");
        assert!(page.frames.iter().all(|frame| frame.header == "7e0200" && frame.kept));
        drop(tx);
        drop((client, db));
        test.drop_now().await.unwrap();
    }
}
