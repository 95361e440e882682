//! What a device is bound to, and the change of its key.

use casedb::{
    Database,
    device::{self, Changes, Device, Rotation, slow},
};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proto::DeviceId;
use uuid::Uuid;

use crate::support::{add_order, add_person, migrated};

fn native() -> Device {
    Device {
        device_id: DeviceId::new(Uuid::now_v7()),
        protocol: "native".to_owned(),
        identity: "HW-9".to_owned(),
        secret: Some(b"old".to_vec()),
        ..Device::default()
    }
}

#[tokio::test]
async fn a_device_is_bound_to_networks_and_a_profile() {
    for (_test, database) in migrated().await {
        let client = database.client().await.unwrap();
        let device = Device {
            protocol: "gt06".to_owned(),
            identity: "0490154203237518".to_owned(),
            profile: "gt06-lw".to_owned(),
            networks: vec!["10.1.0.0/16".to_owned(), "2001:db8::/32".to_owned()],
            secret: None,
            ..native()
        };
        device::register(&client, &device).await.unwrap();
        let entry = device::lookup(&client, "gt06", "490154203237518")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (&entry.device.profile, &entry.device.networks),
            (&device.profile, &device.networks)
        );
        let in_directory = device::directory(&client, &["gt06"]).await.unwrap();
        assert!(in_directory == [entry]);
        // Found by each of its names.
        for name in [
            "490154203237518",
            "gt06:0490154203237518",
            &device.device_id.to_string(),
        ] {
            let found = device::find(&client, name).await.unwrap();
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(found[0].id(), device.device_id);
        }
        assert!(
            device::find(&client, "native:490154203237518")
                .await
                .unwrap()
                .is_empty()
        );
        let changes = Changes {
            networks: Some(Vec::new()),
            ..Changes::default()
        };
        device::set(&client, device.device_id, &changes).await.unwrap();
        let listed = device::list(&client, Some("gt06"), false, 10).await.unwrap();
        assert!(listed[0].networks.is_empty() && listed[0].profile == "gt06-lw" && !listed[0].has_secret);
        let nobody = DeviceId::new(Uuid::now_v7());
        assert!(device::set(&client, nobody, &changes).await.is_err());
    }
}

#[tokio::test]
async fn a_next_key_takes_the_place_of_the_old_one_once_it_is_confirmed() {
    for (_test, database) in migrated().await {
        let client = database.client().await.unwrap();
        let device = native();
        device::register(&client, &device).await.unwrap();
        let keys = async || {
            let entry = device::lookup(&client, "native", "HW-9").await.unwrap().unwrap();
            (entry.device.secret.unwrap(), entry.device.next_secret)
        };
        let now = Timestamp::now();
        let rotation = |next: &[u8], until: Timestamp| Rotation {
            next_secret: next.to_vec(),
            since: until.checked_sub(24.hours()).unwrap(),
            until,
        };
        let tomorrow = now.checked_add(24.hours()).unwrap();
        device::rotate(&client, device.device_id, &rotation(b"next", tomorrow))
            .await
            .unwrap();
        assert_eq!(keys().await, (b"old".to_vec(), Some(b"next".to_vec())));
        // Another offer takes the place of the first, whose confirmation then says nothing.
        device::rotate(&client, device.device_id, &rotation(b"other", tomorrow))
            .await
            .unwrap();
        assert!(
            !device::confirm_rotation(&client, device.device_id, b"next", now)
                .await
                .unwrap()
        );
        assert!(
            device::confirm_rotation(&client, device.device_id, b"other", now)
                .await
                .unwrap()
        );
        assert!(
            !device::confirm_rotation(&client, device.device_id, b"other", now)
                .await
                .unwrap()
        );
        assert_eq!(keys().await, (b"other".to_vec(), None));
        // One that is not confirmed in time is no key any more, and one that is taken back neither.
        let past = now.checked_sub(1.hours()).unwrap();
        device::rotate(&client, device.device_id, &rotation(b"late", past))
            .await
            .unwrap();
        assert_eq!(keys().await, (b"other".to_vec(), None));
        device::rotate(&client, device.device_id, &rotation(b"never", tomorrow))
            .await
            .unwrap();
        assert!(device::cancel_rotation(&client, device.device_id).await.unwrap());
        assert!(!device::cancel_rotation(&client, device.device_id).await.unwrap());
        assert_eq!(keys().await, (b"other".to_vec(), None));
        // Who has no key, or is out of use, gets none.
        device::retire(&client, device.device_id, now).await.unwrap();
        assert!(
            device::rotate(&client, device.device_id, &rotation(b"more", tomorrow))
                .await
                .is_err()
        );
    }
}

/// A gateway heard the device, by so much after its clock; `None`: a heartbeat.
async fn heard(database: &Database, device_id: DeviceId, seen_at: Timestamp, delay: Option<SignedDuration>) {
    let sign = device::Sign {
        device_id,
        seen_at,
        delay,
        zone: None,
        acknowledged: None,
        cloned_at: None,
    };
    let client = database.client().await.unwrap();
    device::seen(&client, &[sign], "g").await.unwrap();
}

#[tokio::test]
async fn a_slow_clock_is_told_once_for_each_time_that_it_goes_on() {
    for (test, database) in migrated().await {
        let begin = Timestamp::now() - 2.hours();
        let at = |minute: i64| begin + minute.minutes();
        let (person, free) = (add_person(&database, "worn").await, add_person(&database, "free").await);
        add_order(&database, person.person_id, begin).await;
        let client = database.client().await.unwrap();
        // Incidents are moved in time here.
        let move_time = "ALTER TABLE incident DISABLE TRIGGER incident_law";
        client.batch_execute(move_time).await.unwrap();
        let (device, other) = (
            native(),
            Device {
                identity: "HW-8".to_owned(),
                ..native()
            },
        );
        for (device, person) in [(&device, &person), (&other, &free)] {
            device::register(&client, device).await.unwrap();
            device::assign(&client, device.device_id, person.person_id, begin)
                .await
                .unwrap();
        }
        let late = SignedDuration::from_mins(35);
        let raise = async |minute| slow::raise(&database, at(minute)).await.unwrap();
        let ongoing = async || -> Vec<bool> {
            let sql = "SELECT ongoing FROM incident WHERE kind = 'clock_skew' ORDER BY raised_at";
            let rows = client.query(sql, &[]).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        };
        // As late as a report may be; and without an order nobody is looked at.
        heard(&database, device.device_id, at(0), Some(device::SLOW)).await;
        heard(&database, other.device_id, at(0), Some(late)).await;
        assert_eq!(raise(1).await, 0);
        heard(&database, device.device_id, at(2), Some(late)).await;
        assert_eq!((raise(2).await, raise(3).await), (1, 0));
        // A heartbeat says nothing of the clock, nor does another measurement begin it anew.
        heard(&database, device.device_id, at(4), None).await;
        heard(
            &database,
            device.device_id,
            at(5),
            Some(late + SignedDuration::from_secs(2)),
        )
        .await;
        assert_eq!(raise(6).await, 0);
        assert_eq!(ongoing().await, [true]);
        heard(&database, device.device_id, at(7), Some(SignedDuration::from_secs(1))).await;
        assert_eq!(raise(8).await, 0);
        assert_eq!(ongoing().await, [false]);
        // Another time goes on in the incident that is still open.
        heard(&database, device.device_id, at(9), Some(late)).await;
        assert_eq!(raise(10).await, 0);
        assert_eq!(ongoing().await, [true]);
        // Closed by a person, it is not told again while it goes on; but the next time it is.
        let close = format!(
            "ALTER TABLE incident DISABLE TRIGGER USER;
            UPDATE incident SET state = 'closed', closing_code = 'test', deadline_at = NULL, closed_at = '{}', raised_at = '{}' WHERE kind = 'clock_skew';
            ALTER TABLE incident ENABLE TRIGGER USER; {move_time}",
            at(11),
            at(10)
        );
        client.batch_execute(&close).await.unwrap();
        assert_eq!(raise(12).await, 0);
        heard(&database, device.device_id, at(13), Some(SignedDuration::ZERO)).await;
        heard(&database, device.device_id, at(14), Some(late)).await;
        assert_eq!(raise(15).await, 1);
        // Of who does not wear it any more it says nothing.
        device::unassign(&client, device.device_id, at(16)).await.unwrap();
        assert_eq!(raise(17).await, 0);
        let mut left = ongoing().await;
        left.remove(0);
        assert_eq!(left, [false]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
