//! What a device is bound to, and the change of its key.

use casedb::device::{self, Changes, Device, Rotation};
use jiff::{Timestamp, ToSpan};
use proto::DeviceId;
use uuid::Uuid;

use crate::support::migrated;

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
