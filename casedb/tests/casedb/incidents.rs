//! Incidents through the database: what the course allows is written, with its record; nothing else is.

use alerts::{
    Audience, ClosingCode, Severity, State,
    lifecycle::course::{Course, Part, Phase, Refusal, Who},
};
use casedb::{
    Database,
    incident::{self, IncidentError, IncidentRow, Suspension, SystemIncident},
};
use jiff::{SignedDuration, Timestamp};
use proto::PersonId;
use uuid::Uuid;

use crate::support::{add_person, migrated};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// A generator whose numbers are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

pub(crate) async fn user(db: &Database, name: &str, agency_id: Uuid) -> Uuid {
    let id = Uuid::now_v7();
    let client = db.client().await.unwrap();
    client
        .execute(
            "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            VALUES ($1, $2, $2, 'duty_officer', $3, '')",
            &[&id, &name, &agency_id],
        )
        .await
        .unwrap();
    id
}

pub(crate) fn system(person: Option<PersonId>, key: &str, severity: Severity, second: i64) -> SystemIncident<'_> {
    SystemIncident {
        kind: "device_faulty",
        person,
        police_agency: None,
        social_agency: None,
        grouping_key: key,
        severity,
        audience: Audience::Both,
        text: "no report for three days",
        at: at(second),
    }
}

pub(crate) async fn raise(db: &Database, system: &SystemIncident<'_>) -> (IncidentRow, bool) {
    let mut client = db.client().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let raised = incident::raise_system(&transaction, system).await.unwrap();
    transaction.commit().await.unwrap();
    (raised.incident, raised.new)
}

/// The stored state is what the records come to, and the row's columns say the same.
async fn check(db: &Database, incident_id: Uuid) -> Course {
    let client = db.client().await.unwrap();
    let (course, same) = incident::replayed(&client, incident_id).await.unwrap();
    assert!(same, "the stored state is not what the records come to");
    let row = client
        .query_one(
            "SELECT state, closing_code, severity, audience, ongoing, acknowledged_by, round, suspended_until, merged_into,
                deadline_at, closed_at IS NOT NULL, (SELECT max(version) FROM incident_action a WHERE a.incident_id = i.incident_id)
            FROM incident i WHERE incident_id = $1",
            &[&incident_id],
        )
        .await
        .unwrap();
    let standing = course.standing();
    let stored = State::from_stored(row.get(0), row.get(1)).unwrap();
    assert_eq!(stored, standing.state);
    assert_eq!(row.get::<_, i16>(2), standing.severity.level());
    assert_eq!(row.get::<_, &str>(3), standing.audience.name());
    assert_eq!(row.get::<_, bool>(4), standing.ongoing);
    assert_eq!(row.get::<_, Option<Uuid>>(5), standing.acknowledged_by);
    assert_eq!(row.get::<_, i32>(6), i32::try_from(course.round()).unwrap());
    assert_eq!(
        row.get::<_, Option<Timestamp>>(7),
        course.suspended().map(|suspension| suspension.until)
    );
    assert_eq!(
        row.get::<_, Option<Uuid>>(8),
        course.merged().map(alerts::lifecycle::course::Root::incident)
    );
    let deadline: Option<Timestamp> = row.get(9);
    // Nothing lies unread: it calls, waits for an instant, or is merged; what is closed waits for nothing.
    assert_eq!(
        deadline.is_some(),
        course.phase() != Phase::Closed && (course.calls() || course.deadline().is_some()),
        "{course:?}"
    );
    assert_eq!(row.get::<_, bool>(10), stored.is_closed());
    assert_eq!(row.get::<_, i64>(11), i64::try_from(course.version()).unwrap());
    course
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_system_finds_is_one_open_incident_however_often_it_is_said() {
    for (_test, db) in migrated().await {
        let person = add_person(&db, "anna").await;
        let (first, new) = raise(&db, &system(Some(person.person_id), "device", Severity::P3, 0)).await;
        assert!(new);
        assert_eq!((first.version, first.standing.state), (2, State::Notified));
        let (again, new) = raise(&db, &system(Some(person.person_id), "device", Severity::P3, 9)).await;
        assert!(!new && again.version == 2 && again.incident_id == first.incident_id);
        let (worse, new) = raise(&db, &system(Some(person.person_id), "device", Severity::P1, 10)).await;
        assert!(!new && worse.standing.severity == Severity::P1 && worse.version == 3);
        // Of nobody: one as well, and another than anybody's.
        let (nobody, new) = raise(&db, &system(None, "device", Severity::P1, 0)).await;
        assert!(new && nobody.person_id.is_none() && nobody.incident_id != first.incident_id);
        assert!(!raise(&db, &system(None, "device", Severity::P1, 1)).await.1);
        for row in [&first, &nobody] {
            check(&db, row.incident_id).await;
        }
        // Over does not close it, and closed makes room for the next.
        let mut client = db.client().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let over = incident::end_system(&transaction, None, "device", "reports again", at(20))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert!(over.is_some_and(|row| !row.standing.ongoing && !row.standing.state.is_closed()));
        let officer = user(&db, "officer", person.police_agency_id).await;
        let code = ClosingCode::DeviceFault;
        incident::close(&db, nobody.incident_id, officer, code, "", None, at(30))
            .await
            .unwrap();
        check(&db, nobody.incident_id).await;
        assert!(raise(&db, &system(None, "device", Severity::P2, 40)).await.1);
        // Two at once are one.
        let (one, other) = (
            system(None, "twice", Severity::P2, 0),
            system(None, "twice", Severity::P2, 0),
        );
        let (one, other) = tokio::join!(raise(&db, &one), raise(&db, &other));
        assert_eq!(one.0.incident_id, other.0.incident_id);
        assert_ne!(one.1, other.1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sequence_through_the_database_obeys_the_model() {
    for (_test, db) in migrated().await {
        let person = add_person(&db, "bo").await;
        let anna = user(&db, "anna", person.police_agency_id).await;
        let bo = user(&db, "bo", person.police_agency_id).await;
        let (root, _) = raise(&db, &system(None, "root", Severity::P2, 0)).await;
        let mut dice = Dice(7);
        let mut written = 0;
        for story in 0..12 {
            let key = format!("story:{story}");
            let (row, _) = raise(&db, &system(Some(person.person_id), &key, Severity::P3, 0)).await;
            let id = row.incident_id;
            let mut second = 0;
            let mut before = check(&db, id).await;
            for _ in 0..14 {
                second += i64::try_from(dice.below(400)).unwrap();
                let now = at(second);
                let who = if dice.below(2) == 0 { anna } else { bo };
                let code = ClosingCode::WarningGiven;
                let what = dice.below(11);
                let outcome: Result<(), IncidentError> = match what {
                    0 | 1 => incident::acknowledge(&db, id, who, None, now).await.map(drop),
                    2 => incident::start_action(&db, id, who, None, now).await.map(drop),
                    3 => incident::take_over(&db, id, who, "shift ends", None, now)
                        .await
                        .map(drop),
                    4 => incident::note(&db, id, who, "called", Audience::Both, now)
                        .await
                        .map(drop),
                    5 => {
                        let suspension = Suspension {
                            authority: "court 3",
                            reason: "in hospital",
                            until: now + SignedDuration::from_secs(300),
                        };
                        incident::suspend(&db, id, who, &suspension, None, now).await.map(drop)
                    }
                    6 => incident::resume(&db, id, who, "back home", None, now).await.map(drop),
                    7 | 8 => {
                        let mut client = db.client().await.unwrap();
                        let transaction = client.transaction().await.unwrap();
                        let by = Who::User(who);
                        let done = if what == 7 {
                            incident::merge(&transaction, &[id], root.incident_id, by, "carrier", now).await
                        } else {
                            incident::split(&transaction, id, by, "not the carrier", now).await
                        };
                        if done.is_ok() {
                            transaction.commit().await.unwrap();
                        }
                        done.map(drop)
                    }
                    9 if dice.below(3) == 0 => incident::close(&db, id, who, code, "", None, now).await.map(drop),
                    _ => {
                        raise(&db, &system(Some(person.person_id), &key, Severity::P2, second)).await;
                        Ok(())
                    }
                };
                assert!(
                    matches!(outcome, Ok(()) | Err(IncidentError::Refused(_))),
                    "{outcome:?}"
                );
                let after = check(&db, id).await;
                check(&db, root.incident_id).await;
                if outcome.is_err() {
                    assert_eq!(after, before, "a refusal writes nothing");
                } else {
                    written += after.version() - before.version();
                }
                before = after;
            }
        }
        assert!(written > 60, "{written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_may_judge_stays_open_when_its_cause_is_closed() {
    for (_test, db) in migrated().await {
        let person = add_person(&db, "cleo").await;
        let officer = user(&db, "officer", person.police_agency_id).await;
        let (root, _) = raise(&db, &system(None, "cause", Severity::P2, 0)).await;
        let (silence, _) = raise(&db, &system(Some(person.person_id), "silence", Severity::P3, 0)).await;
        let client = db.client().await.unwrap();
        // A strap from an older version: it has no course yet.
        let strap = Uuid::now_v7();
        client
            .execute(
                "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at, version)
                VALUES ($1, $2, 'strap', 'strap_tamper', 1, 'both', 'acknowledged', now(), 5)",
                &[&strap, &person.person_id.uuid()],
            )
            .await
            .unwrap();
        drop(client);
        let by = Who::System(Part::Grouping);
        let now = Timestamp::now();
        let mut client = db.client().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let ids = [silence.incident_id, strap];
        let merged = incident::merge(&transaction, &ids, root.incident_id, by, "the carrier", now)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(merged.course.lists().len(), 2);
        assert!(check(&db, strap).await.calls(), "though merged");
        assert!(!check(&db, silence.incident_id).await.calls());
        assert_eq!(check(&db, strap).await.version(), 3, "raised, told, merged");
        let code = ClosingCode::DeviceFault;
        incident::close(&db, root.incident_id, officer, code, "carrier down", None, now)
            .await
            .unwrap();
        assert_eq!(check(&db, root.incident_id).await.phase(), Phase::Closed);
        assert_eq!(check(&db, silence.incident_id).await.phase(), Phase::Closed);
        let strap = check(&db, strap).await;
        assert!(strap.phase() != Phase::Closed && strap.merged().is_none() && strap.calls());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_closes_with_a_cause_what_they_do_not_see() {
    for (_test, db) in migrated().await {
        let person = add_person(&db, "fay").await;
        let client = db.client().await.unwrap();
        let worker = user(&db, "worker", person.social_agency_id).await;
        client
            .execute(
                "UPDATE app_user SET role = 'social_worker' WHERE user_id = $1",
                &[&worker],
            )
            .await
            .unwrap();
        let both = system(Some(person.person_id), "both", Severity::P2, 0);
        let (root, _) = raise(&db, &both).await;
        let (seen, _) = raise(
            &db,
            &SystemIncident {
                grouping_key: "seen",
                ..both.clone()
            },
        )
        .await;
        let police = SystemIncident {
            grouping_key: "police",
            audience: Audience::Police,
            ..both
        };
        let (hidden, _) = raise(&db, &police).await;
        let ids = [seen.incident_id, hidden.incident_id];
        let mut client = db.client().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let by = Who::System(Part::Grouping);
        incident::merge(&transaction, &ids, root.incident_id, by, "the carrier", at(1))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        let code = ClosingCode::ReturnedCompliant;
        incident::close(&db, root.incident_id, worker, code, "home again", None, at(2))
            .await
            .unwrap();
        assert_eq!(check(&db, seen.incident_id).await.phase(), Phase::Closed);
        let hidden = check(&db, hidden.incident_id).await;
        assert!(hidden.phase() != Phase::Closed && hidden.merged().is_none() && hidden.calls());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_writes_what_the_lifecycle_rules_out() {
    for (_test, db) in migrated().await {
        let person = add_person(&db, "dora").await;
        let officer = user(&db, "officer", person.police_agency_id).await;
        let (row, _) = raise(&db, &system(Some(person.person_id), "strap", Severity::P1, 0)).await;
        incident::acknowledge(&db, row.incident_id, officer, None, at(1))
            .await
            .unwrap();
        let blank = incident::take_over(&db, row.incident_id, officer, " ", None, at(2)).await;
        assert!(matches!(blank, Err(IncidentError::Refused(Refusal::Blank(_)))));
        let client = db.client().await.unwrap();
        let id = row.incident_id;
        for (sql, rule) in [
            ("UPDATE incident SET state = 'raised', version = version + 1", "incident_guard"),
            ("UPDATE incident SET state = 'notified'", "incident_guard"),
            ("UPDATE incident SET version = 1", "incident_guard"),
            ("UPDATE incident SET course = NULL", "incident_guard"),
            (
                "UPDATE incident SET state = 'closed', closing_code = 'test', closed_at = now(), version = version + 1, deadline_at = NULL",
                "incident_guard",
            ),
            (
                "UPDATE incident SET state = 'closed', closed_by = acknowledged_by, version = version + 1, deadline_at = NULL",
                "incident_check",
            ),
            ("UPDATE incident SET suspended_until = now()", "incident_suspension"),
            ("UPDATE incident SET merged_into = incident_id", "incident_not_into_itself"),
            ("UPDATE incident_action SET text = 'x'", "append_only"),
            ("DELETE FROM incident_action", "append_only"),
            (
                "INSERT INTO incident_action (incident_id, action, version, record)
                SELECT incident_id, 'close', 5, '{\"version\": 5, \"from\": \"acknowledged\", \"to\": \"closed\"}' FROM incident",
                "incident_record_guard",
            ),
            (
                "INSERT INTO incident_action (incident_id, action, version, record)
                SELECT incident_id, 'close', 4, '{\"version\": 4, \"from\": \"notified\", \"to\": \"closed\"}' FROM incident",
                "incident_record_guard",
            ),
            (
                "INSERT INTO incident_action (incident_id, action, version, record)
                SELECT incident_id, 'close', 3, '{\"version\": 3, \"from\": \"notified\", \"to\": \"closed\"}' FROM incident",
                "incident_action_version",
            ),
        ] {
            let error = client.batch_execute(sql).await.unwrap_err();
            let constraint = error.as_db_error().and_then(|error| error.constraint()).unwrap_or_default();
            assert_eq!(constraint, rule, "{sql}: {error:?}");
        }
        // The law may take rows away, and says so.
        client
            .batch_execute("BEGIN; SET LOCAL homeward.erasure = 'on'; DELETE FROM incident_action; ROLLBACK")
            .await
            .unwrap();
        check(&db, id).await;
    }
}
