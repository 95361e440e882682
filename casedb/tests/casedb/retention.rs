//! Deletion by law: what is due goes, what another stretch covers stays, a hold stops it, and a certificate says so.

use std::collections::{BTreeMap, BTreeSet};

use alerts::{Audience, Severity, lifecycle::course::Who};
use casedb::{
    Database,
    exchange::tables,
    incident::{self, SystemIncident},
    order::{self, Order},
    retention::{self, Terms},
};
use jiff::{Timestamp, ToSpan};
use proto::{OrderId, PersonId};
use uuid::Uuid;

use crate::{
    exchange::world,
    support::{add_person, migrated},
};

const DAY: i64 = 24;

async fn under(db: &Database, person: PersonId, from: Timestamp, until: Timestamp) {
    let order = Order {
        order_id: OrderId::new(Uuid::now_v7()),
        person_id: person,
        legal_basis: "invented act, section 1".to_owned(),
        grounds: String::new(),
        starts_at: from,
        ends_at: until,
        revoked_at: None,
    };
    order::create(&db.client().await.unwrap(), &order).await.unwrap();
}

/// A position every hour.
async fn walk(db: &Database, person: PersonId, from: Timestamp, hours: i64) {
    let client = db.client().await.unwrap();
    for day in 0..=hours / DAY {
        let at = (from + (day * DAY).hours()).to_zoned(jiff::tz::TimeZone::UTC).date();
        client
            .execute("SELECT position_make_partition($1)", &[&at])
            .await
            .unwrap();
    }
    let walk = "INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude, longitude,
            valid, source, strap, \"case\", motion, alarms, backfill)
        SELECT $1, t, gen_random_uuid(), gen_random_uuid(), t, t, 1, 30, 120, true, 1, 1, 1, 1, 0, false
        FROM generate_series($2::timestamptz, $2::timestamptz + ($3::int8 - 1) * interval '1 hour', interval '1 hour') AS t";
    client.execute(walk, &[&person.uuid(), &from, &hours]).await.unwrap();
}

async fn rows(db: &Database, person: PersonId) -> i64 {
    let count = "SELECT count(*) FROM position WHERE person_id = $1";
    let client = db.client().await.unwrap();
    client.query_one(count, &[&person.uuid()]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_goes_with_a_certificate_and_a_hold_keeps_it() {
    for (test, db) in migrated().await {
        let start: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let terms = Terms {
            movement_months: 3,
            record_months: 60,
        };
        let over = add_person(&db, "over").await;
        let goes_on = add_person(&db, "goes_on").await;
        let held = add_person(&db, "held").await;
        // Ten days each; of one the order goes on, of one there is a hold and its days begin later.
        for person in [&over, &goes_on, &held] {
            walk(&db, person.person_id, start, 10 * DAY).await;
        }
        under(&db, over.person_id, start, start + (10 * DAY).hours()).await;
        under(&db, goes_on.person_id, start, start + (10 * DAY).hours()).await;
        // From the sixth day on another stretch covers it, which is not due.
        under(&db, goes_on.person_id, start + (5 * DAY).hours(), now + 1.hour()).await;
        under(&db, held.person_id, start, start + (10 * DAY).hours()).await;
        {
            let client = db.client().await.unwrap();
            let set = retention::hold(&client, held.person_id, "trial", "Court, file 12/26", "clerk")
                .await
                .unwrap();
            assert!(set.is_some());
            let again = retention::hold(&client, held.person_id, "trial", "Court, file 12/26", "clerk")
                .await
                .unwrap();
            assert!(again.is_none(), "one hold an authority");
        }
        let mut tell = |_| {};
        let dry = retention::run(&db, &terms, now, true, &mut tell).await.unwrap();
        assert_eq!((dry.people, dry.held, dry.days), (2, 1, 0), "{}: {dry:?}", test.edition);
        assert_eq!(dry.rows["position"], 10 * DAY + 5 * DAY, "{}", test.edition);
        assert_eq!(rows(&db, over.person_id).await, 10 * DAY, "a dry run deletes nothing");

        let ran = retention::run(&db, &terms, now, false, &mut tell).await.unwrap();
        assert_eq!(ran.rows["position"], 15 * DAY, "{}", test.edition);
        assert_eq!(ran.certificates.len(), 2);
        assert_eq!(rows(&db, over.person_id).await, 0);
        assert_eq!(
            rows(&db, goes_on.person_id).await,
            5 * DAY,
            "covered by what is not due"
        );
        assert_eq!(rows(&db, held.person_id).await, 10 * DAY, "held");
        let again = retention::run(&db, &terms, now, false, &mut tell).await.unwrap();
        assert!(again.rows.is_empty() && again.certificates.is_empty(), "{again:?}");

        // Without the hold whole days go: nobody has anything to be kept in the first five.
        {
            let client = db.client().await.unwrap();
            assert_eq!(
                retention::lift(&client, held.person_id, None, "the trial is over", "clerk")
                    .await
                    .unwrap(),
                1
            );
        }
        let ran = retention::run(&db, &terms, now, false, &mut tell).await.unwrap();
        assert_eq!(ran.days, 5, "{}", test.edition);
        assert_eq!(ran.rows["position"], 10 * DAY, "{}", test.edition);
        let client = db.client().await.unwrap();
        let (certificate, digest, right) = retention::certificate(&client, ran.certificates[0]).await.unwrap();
        assert!(right);
        assert_eq!(certificate.person_id, held.person_id.uuid());
        assert_eq!(certificate.basis.len(), 1);
        let gone = &certificate.deleted[0];
        assert_eq!(
            (gone.table.as_str(), gone.rows, gone.in_whole_days),
            ("position", 10 * DAY, 5 * DAY)
        );
        let text = certificate.text(&digest);
        assert!(
            text.contains("240 rows") && text.contains(&digest) && text.contains("the installation's setting"),
            "{text}"
        );
        assert!(!text.contains("Invented"), "no name: {text}");
        // A certificate that was changed shows it.
        client
            .execute(
                "UPDATE deletion_certificate SET content = replace(content, ':240', ':24')",
                &[],
            )
            .await
            .unwrap();
        assert!(!retention::certificate(&client, ran.certificates[0]).await.unwrap().2);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_goes_after_its_own_term() {
    for (test, db) in migrated().await {
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let person = add_person(&db, "long_ago").await;
        let start: Timestamp = "2020-01-10T00:00:00Z".parse().unwrap();
        under(&db, person.person_id, start, start + (10 * DAY).hours()).await;
        let client = db.client().await.unwrap();
        let event = "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_revision, rules_revision, onset_at, decided_at,
                late, payload) VALUES (gen_random_uuid(), gen_random_uuid(), $1, 'silence', 'onset', 0, 1, $2, $2, false, '')";
        client
            .execute(event, &[&person.person_id.uuid(), &start])
            .await
            .unwrap();
        let incident =
            "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at)
            VALUES (gen_random_uuid(), $1, 'silence', 'silence', 3, 'both', 'raised', $2) RETURNING incident_id";
        let incident: Uuid = client
            .query_one(incident, &[&person.person_id.uuid(), &start])
            .await
            .unwrap()
            .get(0);
        let link = "INSERT INTO incident_event (incident_id, event_id) SELECT $1, event_id FROM event";
        client.execute(link, &[&incident]).await.unwrap();
        let action = "INSERT INTO incident_action (incident_id, action, text) VALUES ($1, 'note', 'a word')";
        client.execute(action, &[&incident]).await.unwrap();
        drop(client);
        let ran = retention::run(&db, &Terms::default(), now, false, &mut |_| {})
            .await
            .unwrap();
        for table in ["event", "incident", "incident_event", "incident_action"] {
            assert_eq!(ran.rows.get(table), Some(&1), "{}: {table}: {ran:?}", test.edition);
        }
        let client = db.client().await.unwrap();
        let (certificate, _, _) = retention::certificate(&client, ran.certificates[0]).await.unwrap();
        assert!(certificate.record_after_end.is_some());
        let left = "SELECT count(*) FROM supervision_order";
        let left: i64 = client.query_one(left, &[]).await.unwrap().get(0);
        assert_eq!(left, 1, "what says that there was a basis stays");
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// A command of somebody's device, with what came of it.
async fn commanded(db: &Database, person: PersonId, at: Timestamp) -> Uuid {
    let client = db.client().await.unwrap();
    let (device, command, by) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let text = format!(
        "INSERT INTO device (device_id, protocol, identity) VALUES ('{device}', 'native', '{device}');
        INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            SELECT '{by}', 'u{1}', 'U', 'duty_officer', police_agency_id, '!' FROM person WHERE person_id = '{0}';
        INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose, idempotency_key, created_at, not_before, expires_at)
            VALUES ('{command}', '{device}', '{0}', 'locate', '{{\"kind\":\"locate\"}}', '{by}', 'duty', '{command}', '{at}', '{at}', '{at}'::timestamptz + interval '2 minutes');
        UPDATE device_command SET state = 'sent', sent_at = '{at}' WHERE command_id = '{command}';
        UPDATE device_command SET state = 'acknowledged', acknowledged_at = '{at}', ended_at = '{at}', outcome = 'located', result = 'here', fix_time = '{at}'
            WHERE command_id = '{command}';",
        person.uuid(),
        by.simple()
    );
    client.batch_execute(&text).await.unwrap();
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_go_with_the_term_of_their_basis() {
    for (test, db) in migrated().await {
        let start: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let terms = Terms {
            movement_months: 3,
            record_months: 60,
        };
        let (over, goes_on, held) = (
            add_person(&db, "over").await,
            add_person(&db, "goes_on").await,
            add_person(&db, "held").await,
        );
        for person in [&over, &goes_on, &held] {
            under(&db, person.person_id, start, start + (10 * DAY).hours()).await;
        }
        under(&db, goes_on.person_id, start + (5 * DAY).hours(), now + 1.hour()).await;
        let client = db.client().await.unwrap();
        retention::hold(&client, held.person_id, "trial", "Court, file 12/26", "clerk")
            .await
            .unwrap();
        let due = commanded(&db, over.person_id, start + 30.hours()).await;
        let early = commanded(&db, goes_on.person_id, start + 30.hours()).await;
        let covered = commanded(&db, goes_on.person_id, start + (7 * DAY).hours()).await;
        let kept = commanded(&db, held.person_id, start + 30.hours()).await;
        let left = async || -> Vec<Uuid> {
            let sql = "SELECT command_id FROM device_command ORDER BY command_id";
            client
                .query(sql, &[])
                .await
                .unwrap()
                .iter()
                .map(|row| row.get(0))
                .collect()
        };
        let dry = retention::run(&db, &terms, now, true, &mut |_| {}).await.unwrap();
        assert_eq!((dry.rows["device_command"], dry.rows["device_command_step"]), (2, 6));
        assert_eq!(left().await.len(), 4, "a dry run deletes nothing");
        let ran = retention::run(&db, &terms, now, false, &mut |_| {}).await.unwrap();
        assert_eq!(
            (ran.rows["device_command"], ran.rows["device_command_step"]),
            (2, 6),
            "{}",
            test.edition
        );
        let mut expected = vec![covered, kept];
        expected.sort();
        assert_eq!(left().await, expected, "{due} and {early} are due");
        // When everything else goes, the rest goes too.
        let later: Timestamp = "2036-11-01T12:00:00Z".parse().unwrap();
        retention::lift(&client, held.person_id, None, "over", "clerk")
            .await
            .unwrap();
        retention::run(&db, &terms, later, false, &mut |_| {}).await.unwrap();
        assert!(left().await.is_empty());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// Rows that are somebody's own, of every table of the exchange that has any.
async fn own_rows(db: &Database, person: PersonId) -> BTreeMap<&'static str, i64> {
    let client = db.client().await.unwrap();
    let nobody: Vec<Uuid> = Vec::new();
    let mut found = BTreeMap::new();
    for spec in tables::TABLES {
        let sql = format!(
            "SELECT count(*) FROM {} t WHERE {} AND $1::uuid[] IS NOT NULL AND $2::uuid[] IS NOT NULL",
            spec.name, spec.own
        );
        let rows: i64 = client
            .query_one(&sql, &[&vec![person.uuid()], &nobody])
            .await
            .unwrap()
            .get(0);
        if rows > 0 {
            found.insert(spec.name, rows);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_about_a_person_goes_but_what_is_said_to_stay() {
    for (test, db) in migrated().await {
        let people = world(&db, 11).await.people;
        let (one, other) = (people[0].person_id, people[1].person_id);
        let others = own_rows(&db, other).await;
        let before = own_rows(&db, one).await;
        let stays: BTreeSet<&str> = retention::STAYS.iter().map(|(table, _)| *table).collect();
        for table in retention::goes() {
            assert!(before.contains_key(table), "the world has no {table} to delete");
        }
        // Of the others a hold keeps everything, so that what they share with the first can be seen to stay.
        let client = db.client().await.unwrap();
        for person in &people[1..] {
            retention::hold(&client, person.person_id, "trial", "Court, file 12/26", "clerk")
                .await
                .unwrap();
        }
        // What says whose a zone is goes too, so they are found before.
        let zones = "SELECT zone_id FROM person_zone WHERE person_id = $1 UNION SELECT proximity_id FROM proximity WHERE person_id = $1";
        let zones: Vec<Uuid> = client
            .query(zones, &[&one.uuid()])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(zones.len(), 3, "an own one, a shared one and a protected person's");
        let later: Timestamp = "2046-11-01T12:00:00Z".parse().unwrap();
        let ran = retention::run(&db, &Terms::default(), later, false, &mut |_| {})
            .await
            .unwrap();
        assert_eq!(ran.failed, [], "{}", test.edition);
        let left = own_rows(&db, one).await;
        let too_much: Vec<_> = left.iter().filter(|(table, _)| !stays.contains(*table)).collect();
        assert!(too_much.is_empty(), "{}: {too_much:?} is left", test.edition);
        for table in &stays {
            assert_eq!(left.get(table), before.get(table), "{}: {table}", test.edition);
        }
        let zones: i64 = client
            .query_one("SELECT count(*) FROM zone WHERE zone_id = ANY ($1)", &[&zones])
            .await
            .unwrap()
            .get(0);
        assert_eq!(zones, 1, "{}: the zone that others have too", test.edition);
        let mut expected = others;
        *expected.entry("legal_hold").or_default() += 1;
        // Which cell serves a device is kept for a day, under no hold.
        expected.remove("device_cell");
        assert_eq!(
            own_rows(&db, other).await,
            expected,
            "{}: of somebody else",
            test.edition
        );
        let words = "SELECT published IS NULL AND revision = 3 FROM person_rules WHERE person_id = $1";
        let empty: bool = client.query_one(words, &[&one.uuid()]).await.unwrap().get(0);
        assert!(empty, "rules are empty, and their number is not used again");
        let (certificate, _, _) = retention::certificate(&client, ran.certificates[0]).await.unwrap();
        let certified: BTreeSet<_> = certificate.deleted.iter().map(|gone| gone.table.clone()).collect();
        for table in retention::goes() {
            assert!(certified.contains(table), "{table} is not on the certificate");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// An open incident that the platform raised.
async fn raised(db: &Database, person: PersonId, key: &str) -> Uuid {
    let system = SystemIncident {
        kind: "silence",
        person: Some(person),
        police_agency: None,
        social_agency: None,
        grouping_key: key,
        severity: Severity::P3,
        audience: Audience::Both,
        text: "found",
        at: Timestamp::now(),
    };
    let mut client = db.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let raised = incident::raise_system(&transaction, &system).await.unwrap();
    transaction.commit().await.unwrap();
    raised.incident.incident_id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_go_holds_up_nobody_else() {
    for (test, db) in migrated().await {
        let start: Timestamp = "2019-01-10T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let over = start + (10 * DAY).hours();
        let (strange, root, last, returns, neighbour) = (
            add_person(&db, "a_strange").await,
            add_person(&db, "b_root").await,
            add_person(&db, "c_last").await,
            add_person(&db, "d_returns").await,
            add_person(&db, "e_neighbour").await,
        );
        for person in [&strange, &root, &last, &returns] {
            walk(&db, person.person_id, start, 24).await;
            under(&db, person.person_id, start, over).await;
        }
        let mut client = db.client().await.unwrap();
        // A profile of another version of the program.
        let strange_profile = format!(
            "ALTER TABLE supervision_order DISABLE TRIGGER USER;
            UPDATE supervision_order SET profile = 'of-tomorrow' WHERE person_id = '{}';
            ALTER TABLE supervision_order ENABLE TRIGGER USER",
            strange.person_id.uuid()
        );
        client.batch_execute(&strange_profile).await.unwrap();
        // Somebody else's incident hangs on one that goes.
        let (into, others) = (
            raised(&db, root.person_id, "a").await,
            raised(&db, neighbour.person_id, "b").await,
        );
        let user = Uuid::now_v7();
        client
            .execute(
                "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES ($1, 'kim', 'Kim', 'supervisor', $2, 'x')",
                &[&user, &root.police_agency_id],
            )
            .await
            .unwrap();
        let transaction = client.transaction().await.unwrap();
        incident::merge(
            &transaction,
            &[others],
            into,
            Who::User(user),
            "one cause",
            Timestamp::now(),
        )
        .await
        .unwrap();
        transaction.commit().await.unwrap();
        // A new order is prepared for somebody whose last one is long over: what was written for it must not go.
        let note = "INSERT INTO person_note (person_id, text, happened_at, written_by) VALUES ($1, 'new', now(), $2)";
        client.execute(note, &[&returns.person_id.uuid(), &user]).await.unwrap();
        let draft = "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at, effective_from)
            VALUES (gen_random_uuid(), $1, 'invented act', $2::timestamptz + interval '3 days', $2::timestamptz + interval '60 days', NULL)";
        client.execute(draft, &[&returns.person_id.uuid(), &now]).await.unwrap();

        let ran = retention::run(&db, &Terms::default(), now, false, &mut |_| {})
            .await
            .unwrap();
        let failed: Vec<Uuid> = ran.failed.iter().map(|(person, _)| *person).collect();
        assert_eq!(failed, [strange.person_id.uuid()], "{}: {ran:?}", test.edition);
        assert!(ran.failed[0].1.contains("of-tomorrow"), "{ran:?}");
        assert_eq!(
            rows(&db, strange.person_id).await,
            24,
            "how long is not known: nothing goes"
        );
        for person in [&root, &last, &returns] {
            assert_eq!(
                rows(&db, person.person_id).await,
                0,
                "{}: {}",
                test.edition,
                person.reference
            );
        }
        let stands = "SELECT merged_into IS NULL AND state <> 'closed' FROM incident WHERE incident_id = $1";
        assert!(client.query_one(stands, &[&others]).await.unwrap().get::<_, bool>(0));
        assert!(client.query_opt(stands, &[&into]).await.unwrap().is_none());
        let notes = "SELECT count(*) FROM person_note WHERE person_id = $1";
        let notes: i64 = client
            .query_one(notes, &[&returns.person_id.uuid()])
            .await
            .unwrap()
            .get(0);
        assert_eq!(notes, 1, "an order is to come");
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_of_a_cell_goes_with_the_first_history_of_those_concerned() {
    for (test, db) in migrated().await {
        let start: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let terms = Terms {
            movement_months: 3,
            record_months: 60,
        };
        let (over, goes_on) = (add_person(&db, "over").await, add_person(&db, "goes_on").await);
        under(&db, over.person_id, start, start + (10 * DAY).hours()).await;
        under(&db, goes_on.person_id, start, now + 1.hour()).await;
        let client = db.client().await.unwrap();
        client
            .batch_execute("ALTER TABLE incident DISABLE TRIGGER incident_law")
            .await
            .unwrap();
        // Two causes: one concerned both, the other who goes on alone.
        for (cause, people) in [
            ("both", &[over.person_id, goes_on.person_id][..]),
            ("one", &[goes_on.person_id]),
        ] {
            let insert = "WITH c AS (INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at)
                    VALUES (md5($1)::uuid, NULL, 'cause:silence:cell:' || $1, 'root_cause', 3, 'both', 'raised', $2))
                SELECT 1";
            client.execute(insert, &[&cause, &start]).await.unwrap();
            let named = "INSERT INTO cause_cell (incident_id, number, name) VALUES (md5($1)::uuid, substr(md5($1), 1, 12), '460-00-9488-4660')";
            client.execute(named, &[&cause]).await.unwrap();
            for person in people {
                let member = "WITH i AS (INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at)
                        VALUES (gen_random_uuid(), $1, 'silence ' || $2::text, 'silence', 3, 'both', 'raised', $3) RETURNING incident_id)
                    INSERT INTO incident_action (incident_id, action, text, version, record)
                    SELECT incident_id, 'merge', 'x', 1, jsonb_build_object('why', jsonb_build_object('change', 'merge', 'into', md5($2)::uuid)) FROM i";
                let onset = start + 30.hours();
                client.execute(member, &[&person.uuid(), &cause, &onset]).await.unwrap();
            }
        }
        let left = async || -> Vec<String> {
            let sql = "SELECT i.grouping_key FROM cause_cell c JOIN incident i USING (incident_id) ORDER BY 1";
            client
                .query(sql, &[])
                .await
                .unwrap()
                .iter()
                .map(|row| row.get(0))
                .collect()
        };
        let dry = retention::run(&db, &terms, now, true, &mut |_| {}).await.unwrap();
        assert_eq!((dry.rows["cause_cell"], left().await.len()), (1, 2));
        let ran = retention::run(&db, &terms, now, false, &mut |_| {}).await.unwrap();
        assert_eq!(ran.rows["cause_cell"], 1);
        assert_eq!(left().await, ["cause:silence:cell:one"]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
