//! Migrated databases with somebody in them.

use casedb::{
    Database,
    agency::{self, Agency, AgencyKind},
    order::{self, Order},
    person::{self, Person},
};
use jiff::{Timestamp, ToSpan};
use proto::{OrderId, PersonId};
use testkit::TestDatabase;
use uuid::Uuid;

/// Partitions of the tests' streams.
pub(crate) const PARTITIONS: u32 = 4;

/// Migrated databases, one of each edition.
pub(crate) async fn migrated() -> Vec<(TestDatabase, Database)> {
    let mut all = Vec::new();
    for test in testkit::databases().await.unwrap() {
        casedb::migrate(&test.url, PARTITIONS).await.unwrap();
        let db = Database::connect(&test.url, 8).await.unwrap();
        all.push((test, db));
    }
    all
}

/// Adds a person with their agencies; no order yet.
pub(crate) async fn add_person(db: &Database, name: &str) -> Person {
    let client = db.client().await.unwrap();
    let agency = |kind: AgencyKind| Agency {
        agency_id: Uuid::now_v7(),
        path: format!("harbour.{name}.{kind}"),
        name: format!("{kind} of {name}"),
        kind,
        time_zone: "Europe/Oslo".to_owned(),
    };
    let (police, social) = (agency(AgencyKind::Police), agency(AgencyKind::SocialWork));
    agency::create(&client, &police).await.unwrap();
    agency::create(&client, &social).await.unwrap();
    assert_eq!(
        agency::branch(&client, &format!("harbour.{name}")).await.unwrap().len(),
        2
    );
    let person = Person {
        person_id: PersonId::new(Uuid::now_v7()),
        reference: name.to_owned(),
        display_name: format!("Invented {name}"),
        risk_level: 2,
        police_agency_id: police.agency_id,
        social_agency_id: social.agency_id,
        social_worker_id: None,
        time_zone: "Europe/Oslo".to_owned(),
        demo: true,
    };
    person::create(&client, &person).await.unwrap();
    assert_eq!(
        person::by_reference(&client, name).await.unwrap().as_ref(),
        Some(&person)
    );
    person
}

/// Adds an order from an hour ago for 30 days.
pub(crate) async fn add_order(db: &Database, person_id: PersonId, now: Timestamp) -> Order {
    let order = Order {
        order_id: OrderId::new(Uuid::now_v7()),
        person_id,
        legal_basis: "invented act, section 1".to_owned(),
        grounds: String::new(),
        starts_at: now - 1.hour(),
        ends_at: now + 720.hours(),
        revoked_at: None,
    };
    order::create(&db.client().await.unwrap(), &order).await.unwrap();
    order
}
