//! Agencies that move, providers and their contracts, contacts, notes, the life of devices, what became of violations.

use casedb::{
    Database,
    agency::{self, Agency, AgencyKind},
    contact::{self, Content},
    contract::{self, Contract, Scope},
    device::{
        self, Device,
        life::{self, Ending, Reason, Removal},
    },
    note::{self, Written},
    order,
    person::{self, Person},
    user::{self, NewUser, Role},
    violation::{self, Decide, Outcome},
    zone::Audience,
};
use jiff::{Timestamp, ToSpan};
use proto::{DeviceId, PersonId};
use uuid::Uuid;

use crate::support::{add_order, add_person, migrated};

async fn add_user(db: &Database, name: &str, role: Role, agency_id: Uuid) -> Uuid {
    let client = db.client().await.unwrap();
    let new = NewUser {
        username: name.to_owned(),
        display_name: format!("Invented {name}"),
        role,
        agency_id,
        locale: "en".to_owned(),
        email: None,
    };
    user::create(&client, &new, "no hash").await.unwrap()
}

async fn add_agency(db: &Database, path: &str, kind: AgencyKind) -> Agency {
    let agency = Agency {
        agency_id: Uuid::now_v7(),
        path: path.to_owned(),
        name: format!("agency {path}"),
        kind,
        time_zone: "Europe/Oslo".to_owned(),
    };
    agency::create(&db.client().await.unwrap(), &agency).await.unwrap();
    agency
}

async fn add_device(db: &Database, identity: &str) -> DeviceId {
    let device = Device {
        device_id: DeviceId::new(Uuid::now_v7()),
        protocol: "native".to_owned(),
        identity: identity.to_owned(),
        secret: Some(b"key".to_vec()),
        ..Device::default()
    };
    device::register(&db.client().await.unwrap(), &device).await.unwrap();
    device.device_id
}

#[tokio::test]
async fn branches_move_whole_and_never_under_themselves() {
    for (test, db) in migrated().await {
        for path in ["p", "p.city", "p.city.east", "p.city.east.s1", "p.west", "q"] {
            add_agency(&db, path, AgencyKind::Police).await;
        }
        let mut client = db.client().await.unwrap();
        let paths = async || -> Vec<String> {
            let client = db.client().await.unwrap();
            let all = agency::list(&client, None, true).await.unwrap();
            all.into_iter().map(|agency| agency.path).collect()
        };
        let before = paths().await;
        let tx = client.transaction().await.unwrap();
        for (from, to, why) in [
            ("p.city", "p.city.east.city", "under itself"),
            ("p.city", "p.city.x", "under itself"),
            ("p.city", "p.west.no.city", "there is no agency"),
            ("p.city", "p.west", "already"),
            ("p.none", "q.none", "there is no agency"),
            ("p.city", "q.c-1", "labels"),
        ] {
            let error = agency::relocate(&tx, from, to).await.unwrap_err().to_string();
            assert!(error.contains(why), "{from} to {to}: {error}");
        }
        tx.commit().await.unwrap();
        assert_eq!(paths().await, before);
        let tx = client.transaction().await.unwrap();
        assert_eq!(agency::relocate(&tx, "p.city", "q.town").await.unwrap(), 3);
        // A path that only begins with the same letters does not move along.
        assert_eq!(agency::relocate(&tx, "p.west", "p.city").await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(
            paths().await,
            ["p", "p.city", "q", "q.town", "q.town.east", "q.town.east.s1"]
        );
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_agency_in_use_stays_and_one_out_of_use_lets_nobody_in() {
    for (test, db) in migrated().await {
        let person = add_person(&db, "ann").await;
        let now = Timestamp::now();
        let order = add_order(&db, person.person_id, now).await;
        add_user(&db, "officer-a", Role::DutyOfficer, person.police_agency_id).await;
        add_agency(&db, "harbour", AgencyKind::Administration).await;
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let error = agency::disable(&tx, "harbour", now).await.unwrap_err().to_string();
        assert!(error.contains("1 people"), "{error}");
        order::revoke(&tx, order.order_id, now).await.unwrap();
        assert!(user::find(&tx, "officer-a").await.unwrap().is_some());
        assert_eq!(agency::disable(&tx, "harbour", now).await.unwrap(), 3);
        assert!(user::find(&tx, "officer-a").await.unwrap().is_none());
        let new = Agency {
            agency_id: Uuid::now_v7(),
            path: "harbour.ann.new".to_owned(),
            name: "new".to_owned(),
            kind: AgencyKind::Police,
            time_zone: "Europe/Oslo".to_owned(),
        };
        let error = agency::add(&tx, &new).await.unwrap_err().to_string();
        assert!(error.contains("no agency") || error.contains("out of use"), "{error}");
        assert_eq!(agency::list(&tx, None, false).await.unwrap(), []);
        let error = agency::enable(&tx, "harbour.ann.police").await;
        // Its own parent in name is not there; the root above is out of use, and everything under it.
        assert!(error.is_ok(), "no parent row: {error:?}");
        assert_eq!(agency::enable(&tx, "harbour").await.unwrap(), 2);
        assert!(user::find(&tx, "officer-a").await.unwrap().is_some());
        tx.commit().await.unwrap();
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_sees_whom_its_contract_covers_and_nobody_else() {
    for (test, db) in migrated().await {
        let (ann, ben) = (add_person(&db, "ann").await, add_person(&db, "ben").await);
        add_agency(&db, "harbour", AgencyKind::Administration).await;
        let client_agency = add_agency(&db, "harbour.ann", AgencyKind::SocialWork).await;
        let provider = add_agency(&db, "care", AgencyKind::ServiceProvider).await;
        let below = add_agency(&db, "care.team", AgencyKind::ServiceProvider).await;
        let other = add_agency(&db, "other", AgencyKind::ServiceProvider).await;
        let by = add_user(&db, "worker-a", Role::SocialWorker, ann.social_agency_id).await;
        let now = Timestamp::now();
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let contract = Contract {
            contract_id: Uuid::now_v7(),
            reference: "C-1".to_owned(),
            provider_id: provider.agency_id,
            client_id: client_agency.agency_id,
            area_id: None,
            scope: vec![Scope::Schedule, Scope::Visits],
            starts_at: now - 1.hour(),
            ends_at: now + 240.hours(),
            ended_at: None,
        };
        contract::add(&tx, &contract, Some(by)).await.unwrap();
        let covers = async |agency: &Agency, person: &Person, what, at| {
            contract::covers(&tx, agency.agency_id, person.person_id, what, at)
                .await
                .unwrap()
        };
        assert!(!covers(&provider, &ann, None, now).await, "nobody is listed yet");
        contract::include(&tx, contract.contract_id, ann.person_id, now, by)
            .await
            .unwrap();
        let again = contract::include(&tx, contract.contract_id, ann.person_id, now, by).await;
        assert!(again.is_ok(), "once more is nothing new");
        let error = contract::include(&tx, contract.contract_id, ben.person_id, now, by)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("branch"), "{error}");
        for agency in [&provider, &below] {
            assert!(covers(agency, &ann, None, now).await);
            assert!(covers(agency, &ann, Some(Scope::Visits), now).await);
            assert!(!covers(agency, &ann, Some(Scope::Contacts), now).await);
            assert!(!covers(agency, &ben, None, now).await);
        }
        assert!(!covers(&other, &ann, None, now).await);
        for at in [now - 2.hours(), now + 241.hours()] {
            assert!(!covers(&provider, &ann, None, at).await, "outside its term");
        }
        let listed = contract::covered(&tx, provider.agency_id, now).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].reference.as_str(), &listed[0].scope),
            ("ann", &contract.scope)
        );
        // A person who moves to another branch is not covered any more.
        let moved = Person {
            police_agency_id: ben.police_agency_id,
            social_agency_id: ben.social_agency_id,
            ..ann.clone()
        };
        person::update(&tx, &moved).await.unwrap();
        assert!(!covers(&provider, &ann, None, now).await);
        person::update(&tx, &ann).await.unwrap();
        contract::exclude(&tx, contract.contract_id, ann.person_id, now + 1.hour(), by)
            .await
            .unwrap();
        assert!(covers(&provider, &ann, None, now).await);
        assert!(!covers(&provider, &ann, None, now + 2.hours()).await);
        tx.commit().await.unwrap();
        // By area: everybody in a branch of the client's.
        let area = Contract {
            contract_id: Uuid::now_v7(),
            reference: "C-2".to_owned(),
            area_id: Some(ann.social_agency_id),
            scope: vec![Scope::Contacts],
            ..contract.clone()
        };
        contract::add(&client, &area, Some(by)).await.unwrap();
        let covered = async |at| {
            contract::covers(&client, below.agency_id, ann.person_id, Some(Scope::Contacts), at)
                .await
                .unwrap()
        };
        assert!(covered(now).await);
        contract::end(&client, area.contract_id, now + 1.minute(), by)
            .await
            .unwrap();
        assert!(covered(now).await);
        assert!(!covered(now + 2.minutes()).await);
        // What the database refuses.
        for (wrong, constraint) in [
            (
                Contract {
                    provider_id: client_agency.agency_id,
                    client_id: provider.agency_id,
                    ..area.clone()
                },
                "service_contract_provider_kind",
            ),
            (
                Contract {
                    client_id: below.agency_id,
                    ..area.clone()
                },
                "service_contract_client_kind",
            ),
            (
                Contract {
                    area_id: Some(ben.social_agency_id),
                    ..area.clone()
                },
                "service_contract_area_of_client",
            ),
        ] {
            let wrong = Contract {
                contract_id: Uuid::now_v7(),
                reference: "C-3".to_owned(),
                ..wrong
            };
            let error = contract::add(&client, &wrong, None).await.unwrap_err();
            assert_eq!(error.constraint(), Some(constraint), "{error}");
        }
        let positions = client
            .execute(
                "UPDATE service_contract SET scope = ARRAY['positions'] WHERE reference = 'C-1'",
                &[],
            )
            .await;
        assert!(positions.is_err(), "no contract covers positions");
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn contacts_have_revisions_and_notes_are_only_added() {
    for (test, db) in migrated().await {
        let person = add_person(&db, "ann").await;
        let by = add_user(&db, "worker-a", Role::SocialWorker, person.social_agency_id).await;
        let now = Timestamp::now();
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let content = Content {
            kind: contact::Kind::Family,
            name: "Invented Sister".to_owned(),
            relation: "sister".to_owned(),
            phone: "+47 00".to_owned(),
            address: "Invented Street 1".to_owned(),
            protected_address: true,
            note: String::new(),
            valid_from: Some(now - 48.hours()),
            valid_until: None,
        };
        let id = contact::add(&tx, person.person_id, &content, Some(by), now)
            .await
            .unwrap();
        let moved = Content {
            address: "Invented Street 2".to_owned(),
            valid_from: Some(now - 1.hour()),
            ..content.clone()
        };
        assert_eq!(contact::revise(&tx, id, &moved, Some(by), now).await.unwrap(), 2);
        let at = async |protected, at| contact::of_person(&tx, person.person_id, protected, at).await.unwrap();
        assert_eq!(at(true, now).await[0].content.address, "Invented Street 2");
        assert_eq!(at(true, now - 2.hours()).await[0].content.address, "Invented Street 1");
        assert_eq!(at(true, now - 49.hours()).await, []);
        let hidden = at(false, now).await;
        assert_eq!(
            (hidden[0].content.address.as_str(), hidden[0].content.name.as_str()),
            ("", "Invented Sister")
        );
        let over = Content {
            valid_from: Some(now - 30.minutes()),
            valid_until: Some(now - 29.minutes()),
            ..moved
        };
        contact::revise(&tx, id, &over, Some(by), now).await.unwrap();
        assert_eq!(at(true, now).await, []);
        assert_eq!(contact::history(&tx, person.person_id, true).await.unwrap().len(), 3);
        let written = Written {
            kind: note::Kind::Visit,
            audience: Audience::SocialWork,
            text: " At home. ",
            happened_at: now - 1.hour(),
            corrects: None,
        };
        let first = note::write(&tx, person.person_id, &written, by, now).await.unwrap();
        let right = Written {
            text: "At work.",
            corrects: Some(first),
            ..written
        };
        note::write(&tx, person.person_id, &right, by, now).await.unwrap();
        for wrong in [
            Written { text: "  ", ..written },
            Written {
                corrects: Some(first + 99),
                ..written
            },
            Written {
                happened_at: now + 1.hour(),
                ..written
            },
            Written {
                happened_at: "1899-12-31T23:59:59Z".parse().unwrap(),
                ..written
            },
        ] {
            assert!(
                note::write(&tx, person.person_id, &wrong, by, now).await.is_err(),
                "{wrong:?}"
            );
        }
        let read = async |audiences: &[&str]| {
            note::of_person(&tx, person.person_id, audiences, (now - 24.hours(), now), 10)
                .await
                .unwrap()
        };
        assert_eq!(read(&["police", "both"]).await, []);
        let notes = read(&["social_work", "both"]).await;
        assert_eq!(
            notes.iter().map(|note| note.text.as_str()).collect::<Vec<_>>(),
            ["At work.", "At home."]
        );
        assert_eq!(notes[0].corrects, Some(first));
        tx.commit().await.unwrap();
        for statement in [
            "UPDATE person_note SET text = 'x'",
            "DELETE FROM person_note",
            "UPDATE contact_revision SET phone = 'x'",
            "DELETE FROM contact_revision",
        ] {
            let error = client.execute(statement, &[]).await.unwrap_err();
            let constraint = error.as_db_error().unwrap().constraint().unwrap().to_owned();
            assert!(constraint.ends_with("_only_added"), "{statement}: {constraint}");
        }
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_swap_leaves_neither_gap_nor_overlap() {
    for (test, db) in migrated().await {
        let (ann, ben) = (add_person(&db, "ann").await, add_person(&db, "ben").await);
        let by = add_user(&db, "keeper", Role::Administrator, ann.police_agency_id).await;
        let devices = [
            add_device(&db, "A").await,
            add_device(&db, "B").await,
            add_device(&db, "C").await,
        ];
        // The database keeps microseconds.
        let start = Timestamp::from_second(Timestamp::now().as_second()).unwrap() - 10.hours();
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        life::fit(&tx, devices[0], ann.person_id, by, start).await.unwrap();
        for (device, person, why) in [
            (devices[0], ben.person_id, "somebody wears"),
            (devices[1], ann.person_id, "wears native:A already"),
        ] {
            let error = life::fit(&tx, device, person, by, start).await.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        life::report_fault(
            &tx,
            devices[0],
            Reason::Battery,
            "two hours",
            start + 1.hour(),
            Some(by),
            start + 2.hours(),
        )
        .await
        .unwrap();
        let swap = life::swap(&tx, devices[0], devices[1], Removal::Fault, by, start + 3.hours())
            .await
            .unwrap();
        assert_eq!(swap.person_id, ann.person_id);
        for (old, new, why) in [
            (devices[0], devices[2], "nobody wears"),
            (devices[1], devices[1], "own place"),
        ] {
            let error = life::swap(&tx, old, new, Removal::Swap, by, start + 4.hours())
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains(why), "{error}");
        }
        life::swap(&tx, devices[1], devices[2], Removal::Swap, by, start + 4.hours())
            .await
            .unwrap();
        assert_eq!(
            life::remove(&tx, devices[2], Removal::EndOfOrder, by, start + 5.hours())
                .await
                .unwrap(),
            Some(ann.person_id)
        );
        let worn = life::worn_by(&tx, ann.person_id).await.unwrap();
        assert_eq!(worn.len(), 3);
        for pair in worn.windows(2) {
            assert_eq!(pair[0].removed_at, Some(pair[1].fitted_at), "neither gap nor overlap");
            assert_eq!(pair[1].replaces, Some(pair[0].assignment_id));
        }
        assert!(worn.iter().all(|worn| worn.fitted_by.as_deref() == Some("keeper") && worn.removed_by.as_deref() == Some("keeper")));
        assert_eq!(
            worn.iter().map(|worn| worn.removal_reason.as_str()).collect::<Vec<_>>(),
            ["fault", "swap", "end_of_order"]
        );
        let faults = life::faults_of_person(&tx, ann.person_id).await.unwrap();
        assert_eq!(
            (faults.len(), faults[0].outcome, faults[0].ended_at),
            (1, Some(Ending::Replaced), Some(start + 3.hours()))
        );
        // The same fault is open once; another after it has ended.
        let fault = async |since| {
            life::report_fault(&tx, devices[0], Reason::Strap, "", since, Some(by), start + 9.hours())
                .await
                .unwrap()
        };
        let one = fault(start + 6.hours()).await;
        assert_eq!(fault(start + 7.hours()).await, one);
        assert_eq!(
            life::end_faults(
                &tx,
                devices[0],
                None,
                Ending::Repaired,
                "new strap",
                by,
                start + 8.hours()
            )
            .await
            .unwrap(),
            1
        );
        assert_ne!(fault(start + 9.hours()).await, one);
        tx.commit().await.unwrap();
        // Whatever way it is written, a device is on one person at a time.
        let overlap = client
            .execute(
                "INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at, ended_at) VALUES ($1, $2, $3, $4, $5)",
                &[&Uuid::now_v7(), &devices[0].uuid(), &ben.person_id.uuid(), &(start + 1.hour()), &(start + 2.hours())],
            )
            .await
            .unwrap_err();
        assert_eq!(
            overlap.as_db_error().unwrap().constraint(),
            Some("device_assignment_apart")
        );
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn fitted_devices_that_say_nothing_are_found() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let mut people = Vec::new();
        for (name, order) in [
            ("never", true),
            ("silent", true),
            ("well", true),
            ("old", true),
            ("free", false),
        ] {
            let person = add_person(&db, name).await;
            if order {
                add_order(&db, person.person_id, now - 240.hours()).await;
            }
            people.push(person);
        }
        let by = add_user(&db, "keeper", Role::Administrator, people[0].police_agency_id).await;
        let client = db.client().await.unwrap();
        for (person, seen) in people.iter().zip([
            None,
            Some(now - 2.hours()),
            Some(now - 1.minute()),
            Some(now - 30.hours()),
            None,
        ]) {
            let device = add_device(&db, &person.reference).await;
            if let Some(seen_at) = seen {
                device::seen(
                    &client,
                    &[device::Sign {
                        device_id: device,
                        seen_at,
                        delay: None,
                        zone: None,
                        acknowledged: None,
                        cloned_at: None,
                    }],
                    "g",
                )
                .await
                .unwrap();
            }
            // "old" was heard before this person wore it, never since.
            life::fit(&client, device, person.person_id, by, now - 20.hours())
                .await
                .unwrap();
        }
        let silent = async |at| {
            let found = life::silent(&client, None, at, 100).await.unwrap();
            let mut found: Vec<_> = found.into_iter().map(|one| (one.reference, one.never_heard)).collect();
            found.sort();
            found
        };
        let expected = |all: &[(&str, bool)]| {
            all.iter()
                .map(|(name, never)| ((*name).to_owned(), *never))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            silent(now).await,
            expected(&[("never", true), ("old", true), ("silent", false)])
        );
        assert_eq!(silent(now - 20.hours() + 899.seconds()).await, []);
        assert_eq!(
            silent(now + 1.hour()).await.len(),
            4,
            "an hour later nobody was heard within 15 minutes"
        );
        let count = client
            .query_one("SELECT count(*) FROM fitted_but_silent", &[])
            .await
            .unwrap()
            .get::<_, i64>(0);
        assert_eq!(count, 3);
        drop(client);
        // Each silence is told once, also when its incident is closed meanwhile.
        assert_eq!(device::silent::raise(&db, now).await.unwrap(), 3);
        assert_eq!(device::silent::raise(&db, now).await.unwrap(), 0);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn what_became_of_a_violation_is_kept_in_revisions() {
    for (test, db) in migrated().await {
        let person = add_person(&db, "ann").await;
        let by = add_user(&db, "officer-a", Role::DutyOfficer, person.police_agency_id).await;
        let mut client = db.client().await.unwrap();
        let now = Timestamp::now();
        let violation_id = add_violation(&client, person.person_id, now - 1.hour()).await;
        let tx = client.transaction().await.unwrap();
        let decide = Decide {
            outcome: Outcome::Recorded,
            reason: "came late from work",
            case_number: "K-1",
            seen: Some(0),
        };
        assert_eq!(violation::decide(&tx, violation_id, &decide, by, now).await.unwrap(), 1);
        assert!(
            violation::decide(&tx, violation_id, &decide, by, now)
                .await
                .unwrap_err()
                .is_retryable(),
            "somebody was faster"
        );
        let warned = Decide {
            outcome: Outcome::Warning,
            reason: "the third time",
            seen: None,
            ..decide
        };
        assert_eq!(violation::decide(&tx, violation_id, &warned, by, now).await.unwrap(), 2);
        assert!(
            violation::decide(&tx, violation_id, &Decide { reason: " ", ..warned }, by, now)
                .await
                .is_err()
        );
        assert!(violation::decide(&tx, Uuid::now_v7(), &warned, by, now).await.is_err());
        let all = violation::of_person(&tx, person.person_id, &["police", "both"], (now - 24.hours(), now), 10)
            .await
            .unwrap();
        assert_eq!(all.len(), 1);
        let decision = all[0].decision.as_ref().unwrap();
        assert_eq!(
            (decision.revision, decision.outcome, decision.decided_by.as_str()),
            (2, Outcome::Warning, "Invented officer-a")
        );
        assert_eq!(violation::history(&tx, violation_id).await.unwrap().len(), 2);
        tx.commit().await.unwrap();
        assert!(client.execute("DELETE FROM violation_outcome", &[]).await.is_err());
        test.drop_now().await.unwrap();
    }
}

async fn add_violation(client: &impl casedb::GenericClient, person_id: PersonId, onset_at: Timestamp) -> Uuid {
    let violation_id = Uuid::now_v7();
    client
        .execute(
            "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_revision, rules_revision, onset_at, decided_at, late, payload)
            VALUES ($1, $2, $3, 'home_exit', 'onset', 1, 1, $4, $4, false, '')",
            &[&Uuid::now_v7(), &violation_id, &person_id.uuid(), &onset_at],
        )
        .await
        .unwrap();
    violation_id
}
