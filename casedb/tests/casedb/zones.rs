//! Zones as they are stored: corridors, the datum flag, layers by their name.

use casedb::{
    rules,
    zone::{self, Audience, Shape, Zone, ZoneKind},
};
use jiff::Timestamp;
use proto::{LayerId, ZoneId, rules::Datum, wire};
use serde_json::json;
use uuid::Uuid;

use crate::support::{add_order, add_person, migrated};

#[tokio::test]
async fn a_corridor_and_its_datum_are_kept_and_published() {
    for (test, db) in migrated().await {
        let person = add_person(&db, "ba").await.person_id;
        add_order(&db, person, Timestamp::now()).await;
        let way = Zone {
            zone_id: ZoneId::new(Uuid::now_v7()),
            label: "way to work".to_owned(),
            kind: ZoneKind::Inclusion,
            audience: Audience::Both,
        };
        let shape = Shape {
            geometry: json!({"type": "LineString", "coordinates": [[120.1, 30.2], [120.2, 30.2], [120.2, 30.3]]}),
            radius_m: Some(60.0),
            buffer_m: 0.0,
            datum: Datum::Gcj02,
        };
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        zone::create(&tx, &way).await.unwrap();
        zone::revise(&tx, way.zone_id, &shape, None).await.unwrap();
        zone::attach(&tx, person, way.zone_id, None, false).await.unwrap();
        rules::publish(&tx, person, Timestamp::now()).await.unwrap();
        tx.commit().await.unwrap();

        assert_eq!(zone::shape(&client, way.zone_id, 1).await.unwrap(), shape);
        assert_eq!(zone::of_person(&client, person).await.unwrap()[0].shape, shape);
        let published = rules::published(&client, person).await.unwrap().unwrap();
        let told = &published.zones[0];
        assert_eq!(told.datum(), wire::Datum::Gcj02);
        let corridor = wire::geometry::Shape::Corridor(wire::Corridor {
            coordinates: vec![120.1, 30.2, 120.2, 30.2, 120.2, 30.3],
            half_width_m: 60.0,
        });
        assert_eq!(told.geometry.as_ref().unwrap().shape, Some(corridor));

        let narrow = Shape {
            radius_m: None,
            ..shape
        };
        let error = zone::revise(&client, way.zone_id, &narrow, None).await.unwrap_err();
        assert_eq!(error.to_string(), "a LineString needs a half-width");
        // The table itself knows the three words.
        let sql = "INSERT INTO zone_revision (zone_id, revision, geometry, datum) VALUES ($1, 9, '{}', 'tokyo')";
        assert!(client.execute(sql, &[&way.zone_id.uuid()]).await.is_err());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_layer_is_found_by_its_name_unless_two_have_it() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        assert_eq!(zone::layer_by_label(&client, "schools").await.unwrap(), None);
        let layer = LayerId::new(Uuid::now_v7());
        zone::create_layer(&client, layer, "schools").await.unwrap();
        assert_eq!(zone::layer_by_label(&client, "schools").await.unwrap(), Some(layer));
        zone::create_layer(&client, LayerId::new(Uuid::now_v7()), "schools")
            .await
            .unwrap();
        let error = zone::layer_by_label(&client, "schools").await.unwrap_err();
        assert_eq!(error.to_string(), "several layers are called \"schools\"");
        drop(client);
        test.drop_now().await.unwrap();
    }
}
