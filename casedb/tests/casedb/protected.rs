//! Protected people whose device is copied: who is told, and who must never learn of it.

use casedb::{
    Database, access,
    device::{self, Device},
    protect::{self, Protected, Terms, cloned},
    user::{Branch, Role},
};
use jiff::{SignedDuration, Timestamp};
use proto::{DeviceId, PersonId};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::access::{fill, guarded, user};

const KIND: &str = "protected_cloned";

async fn id(client: &Client, name: &str) -> Uuid {
    client.query_one("SELECT md5($1)::uuid", &[&name]).await.unwrap().get(0)
}

/// A report was marked, at that time.
async fn marked(client: &casedb::Client, device_id: DeviceId, at: Timestamp, cloned: bool) {
    let sign = device::Sign {
        device_id,
        seen_at: at,
        delay: None,
        zone: None,
        acknowledged: None,
        cloned_at: cloned.then_some(at),
    };
    device::seen(client, &[sign], "g").await.unwrap();
}

#[tokio::test]
async fn a_protected_persons_cloned_device_is_the_business_of_their_police_alone() {
    for test in guarded().await {
        let owner = testkit::connect(&test.url).await.unwrap();
        fill(&owner).await;
        // Incidents are moved in time here.
        owner
            .batch_execute("ALTER TABLE incident DISABLE TRIGGER incident_law")
            .await
            .unwrap();
        let db = Database::connect(&test.url, 4).await.unwrap();
        let mut client = db.client().await.unwrap();
        let start = Timestamp::from_second(Timestamp::now().as_second() - 7_200).unwrap();
        let at = |minutes: i64| start + SignedDuration::from_mins(minutes);
        let supervised = PersonId::new(id(&owner, "own").await);
        let protected = Protected {
            protected_id: PersonId::new(Uuid::now_v7()),
            reference: "P-7".to_owned(),
            display_name: "Vera Lund".to_owned(),
            police_agency_id: id(&owner, "harbour.police").await,
            consent_at: Some(start),
            withdrawn_at: None,
        };
        let terms = Terms {
            distance_m: 500.0,
            buffer_m: 0.0,
            schedule: None,
        };
        let device = |identity: &str| Device {
            device_id: DeviceId::new(Uuid::now_v7()),
            protocol: "native".to_owned(),
            identity: identity.to_owned(),
            secret: Some(vec![7; 32]),
            ..Device::default()
        };
        let (theirs, worn) = (device("HW-P7"), device("HW-A1"));
        let tx = client.transaction().await.unwrap();
        protect::create(&tx, &protected).await.unwrap();
        for one in [&theirs, &worn] {
            device::register(&tx, one).await.unwrap();
        }
        device::assign_protected(&tx, theirs.device_id, protected.protected_id, start)
            .await
            .unwrap();
        device::assign(&tx, worn.device_id, supervised, start).await.unwrap();
        tx.commit().await.unwrap();

        // Nobody must keep away yet: nothing is judged by it. A supervised person's device is the engine's matter.
        for one in [&theirs, &worn] {
            marked(&client, one.device_id, at(1), true).await;
        }
        assert_eq!(cloned::raise(&db, at(2)).await.unwrap(), 0);
        let tx = client.transaction().await.unwrap();
        let bound = protect::bind(&tx, supervised, &protected, &terms, None).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(cloned::raise(&db, at(3)).await.unwrap(), 1);
        marked(&client, theirs.device_id, at(20), true).await;
        marked(&client, theirs.device_id, at(21), false).await;
        assert_eq!(cloned::raise(&db, at(22)).await.unwrap(), 0, "told");

        let all = "SELECT person_id, audience, severity, police_agency_id, ongoing, incident_id FROM incident WHERE kind = $1";
        let row = owner.query_one(all, &[&KIND]).await.unwrap();
        assert_eq!(row.get::<_, Option<Uuid>>(0), None, "about no supervised person");
        assert_eq!((row.get::<_, &str>(1), row.get::<_, i16>(2)), ("police", 1));
        assert_eq!(row.get::<_, Option<Uuid>>(3), Some(protected.police_agency_id));
        let texts = "SELECT string_agg(text, ' ') FROM incident_action WHERE incident_id = $1";
        let text: String = owner.query_one(texts, &[&row.get::<_, Uuid>(5)]).await.unwrap().get(0);
        assert!(text.contains("HW-P7") && text.contains("P-7"), "{text}");
        assert!(!text.contains("Lund") && !text.contains("A-1"), "{text}");

        // Read as the roles of users.
        let count = "SELECT count(*) FROM incident WHERE kind = $1";
        let inland = id(&owner, "inland").await;
        let officer = user(&owner, Role::DutyOfficer, Branch::Police).await.user_id;
        for (who, role, sees) in [
            (officer, Role::DutyOfficer, 1),
            (
                user(&owner, Role::Supervisor, Branch::Police).await.user_id,
                Role::Supervisor,
                1,
            ),
            (
                user(&owner, Role::SocialWorker, Branch::SocialWork).await.user_id,
                Role::SocialWorker,
                0,
            ),
            (
                user(&owner, Role::DutyOfficer, Branch::SocialWork).await.user_id,
                Role::DutyOfficer,
                0,
            ),
            (
                user(&owner, Role::Supervisor, Branch::SocialWork).await.user_id,
                Role::Supervisor,
                0,
            ),
            (
                user(&owner, Role::ServiceProvider, Branch::SocialWork).await.user_id,
                Role::ServiceProvider,
                0,
            ),
            (inland, Role::DutyOfficer, 0),
        ] {
            let tx = access::begin_as(&mut client, who, role).await.unwrap();
            let seen: i64 = tx.query_one(count, &[&KIND]).await.unwrap().get(0);
            assert_eq!(seen, sees, "{role:?} {who}");
        }

        // Half an hour after the last mark it is over, and waits for a person; another time goes on in it.
        let state = "SELECT ongoing, state FROM incident WHERE kind = $1";
        let ongoing = async || -> Vec<bool> {
            owner
                .query(state, &[&KIND])
                .await
                .unwrap()
                .iter()
                .map(|row| row.get(0))
                .collect()
        };
        assert_eq!(cloned::raise(&db, at(49)).await.unwrap(), 0);
        assert_eq!(ongoing().await, [true]);
        assert_eq!(cloned::raise(&db, at(51)).await.unwrap(), 0);
        assert_eq!(ongoing().await, [false]);
        marked(&client, theirs.device_id, at(60), true).await;
        assert_eq!(cloned::raise(&db, at(61)).await.unwrap(), 0);
        assert_eq!(ongoing().await, [true]);
        // Closed by a person, it is not told again while it goes on; but the next time it is.
        owner
            .batch_execute(&format!(
                "ALTER TABLE incident DISABLE TRIGGER USER;
                UPDATE incident SET state = 'closed', closing_code = 'test', closed_by = '{officer}', deadline_at = NULL, closed_at = '{}', raised_at = '{}' WHERE kind = '{KIND}';
                ALTER TABLE incident ENABLE TRIGGER USER; ALTER TABLE incident DISABLE TRIGGER incident_law",
                at(62),
                at(61)
            ))
            .await
            .unwrap();
        marked(&client, theirs.device_id, at(70), true).await;
        assert_eq!(cloned::raise(&db, at(71)).await.unwrap(), 0);
        marked(&client, theirs.device_id, at(101), true).await;
        assert_eq!(cloned::raise(&db, at(102)).await.unwrap(), 1);
        // Whose sake nobody keeps away for any more: over at once where it is put away.
        let tx = client.transaction().await.unwrap();
        protect::remove(&tx, bound.proximity_id, at(103)).await.unwrap();
        device::unassign(&tx, theirs.device_id, at(103)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(cloned::raise(&db, at(104)).await.unwrap(), 0);
        let mut known = ongoing().await;
        known.sort_unstable();
        assert_eq!(known, [false, true], "the closed one stays as it was closed");
        drop(client);
        test.drop_now().await.unwrap();
    }
}
