//! Presence only, inside the dwelling.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_the_dwelling_no_more_than_presence_is_stored() {
    use casedb::zone::{self, Audience, Shape, Zone, ZoneKind};
    use prost::Message;
    use stream::{Log, NewRecord, memory::MemoryLog};

    for (test, db) in migrated().await {
        let (resi, other) = (office(&db, "resi").await, office(&db, "uwe").await);
        let now = Timestamp::now().round(jiff::Unit::Second).unwrap();
        let start = now - 2.hours();
        let client = db.client().await.unwrap();
        presence_only(&client, &resi, start).await;
        add_order(&db, other.person, now).await;
        let home = |geometry: serde_json::Value, radius_m| Shape {
            geometry,
            radius_m,
            buffer_m: 0.0,
            datum: proto::rules::Datum::Wgs84,
        };
        let circle = home(
            serde_json::json!({"type": "Point", "coordinates": [11.5, 48.1]}),
            Some(50.0),
        );
        // A house with a yard in its middle: the yard is no dwelling.
        let house = home(
            serde_json::json!({"type": "Polygon", "coordinates": [
            [[11.6, 48.2], [11.601, 48.2], [11.601, 48.201], [11.6, 48.201], [11.6, 48.2]],
            [[11.6004, 48.2004], [11.6006, 48.2004], [11.6006, 48.2006], [11.6004, 48.2006], [11.6004, 48.2004]]]}),
            None,
        );
        for (person, shape, attendance) in [
            (resi.person, &circle, false),
            (resi.person, &house, false),
            (other.person, &circle, false),
        ] {
            let zone_id = proto::ZoneId::new(Uuid::now_v7());
            let kind = ZoneKind::Inclusion;
            let zone = Zone {
                zone_id,
                label: "Home".to_owned(),
                kind,
                audience: Audience::Both,
            };
            zone::create(&client, &zone).await.unwrap();
            zone::revise(&client, zone_id, shape, None).await.unwrap();
            zone::attach(&client, person, zone_id, None, attendance).await.unwrap();
        }
        // Whose, where, how exact, and whether the place is kept.
        let fixes = [
            (resi.person, 11.5, 48.1, 5.0, false),
            (resi.person, 11.5, 48.1 + 45.0 / 111_195.0, 0.0, false),
            (resi.person, 11.5, 48.1 + 60.0 / 111_195.0, 5.0, true),
            (resi.person, 11.5, 48.1 + 60.0 / 111_195.0, 20.0, false), // it may be inside
            (resi.person, 11.5, 48.1 + 130.0 / 111_195.0, 400.0, true), // doubt has an end
            (resi.person, 11.6002, 48.2002, 1.0, false),
            (resi.person, 11.6005, 48.2005, 1.0, true), // the yard
            (resi.person, 11.602, 48.2005, 1.0, true),
            (other.person, 11.5, 48.1, 5.0, true), // another law
        ];
        let log = MemoryLog::new(crate::support::PARTITIONS);
        let device = DeviceId::from_name("d");
        #[expect(clippy::cast_possible_truncation, reason = "degrees")]
        let records = fixes
            .iter()
            .enumerate()
            .map(|(n, (person, longitude, latitude, accuracy, _))| {
                let report = wire::Report {
                    report_id: proto::ReportId::derive(device, &n.to_le_bytes()).to_wire(),
                    person_id: person.to_wire(),
                    device_id: device.to_wire(),
                    sequence: n as u64,
                    fix_time_us: (now - 1.hour()).as_microsecond() + i64::try_from(n).unwrap(),
                    received_at_us: now.as_microsecond(),
                    position: Some(wire::Position {
                        latitude_e7: (latitude * 1e7_f64).round() as i32,
                        longitude_e7: (longitude * 1e7_f64).round() as i32,
                        valid: true,
                        accuracy_m: Some(*accuracy),
                        speed_kmh: Some(3.0),
                        ..Default::default()
                    }),
                    battery_percent: Some(80),
                    ..Default::default()
                };
                NewRecord {
                    partition: proto::topic::partition_of(*person, crate::support::PARTITIONS),
                    key: person.to_wire().into(),
                    payload: wire::ReportRecord {
                        body: Some(wire::report_record::Body::Report(report)),
                    }
                    .encode_to_vec()
                    .into(),
                }
            });
        log.append(proto::Topic::Reports, records.collect()).await.unwrap();
        let shutdown = tokio_util::sync::CancellationToken::new();
        let writer =
            casedb::history::HistoryWriter::run(db.clone(), std::sync::Arc::new(log.clone()), shutdown.clone());
        let writer = tokio::spawn(writer);
        let sql = "SELECT sequence, latitude IS NOT NULL, valid, longitude IS NULL AND accuracy_m IS NULL AND speed_kmh IS NULL
            FROM position ORDER BY sequence";
        let mut stored = Vec::new();
        for _ in 0..600 {
            stored = client.query(sql, &[]).await.unwrap();
            if stored.len() == fixes.len() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        assert_eq!(stored.len(), fixes.len());
        for (row, fix) in stored.iter().zip(&fixes) {
            let (kept, valid, nothing_finer): (bool, bool, bool) = (row.get(1), row.get(2), row.get(3));
            assert_eq!(kept, fix.4, "{fix:?}");
            assert!(valid, "presence is kept: {fix:?}");
            assert_eq!(nothing_finer, !kept, "{fix:?}");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

/// Puts an order in force under which inside a dwelling no more is known than presence.
async fn presence_only(client: &impl GenericClient, office: &Office, start: Timestamp) {
    let order = draft(office.person, "de-by", "danger", start, months(start, 3));
    order::make(client, &order, office.worker.user_id, start).await.unwrap();
    let court = Court {
        court: "District court".to_owned(),
        reference: "3 XIV 12/26".to_owned(),
    };
    order::decide(
        client,
        Deciding {
            court: Some(&court),
            ..yes(order.order_id)
        },
        &office.head,
        start,
    )
    .await
    .unwrap();
    order::note_step(
        client,
        order.order_id,
        Step::WrittenOrder,
        start,
        "",
        office.worker.user_id,
        start,
    )
    .await
    .unwrap();
}

/// What cannot be read, and what a device says in words, may hold a place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_frames_nor_words_are_kept_where_presence_is_all() {
    use casedb::{
        command::{self, Outcome},
        quarantine::{self, SeenFrame},
    };

    for (test, db) in migrated().await {
        let (resi, other) = (office(&db, "vroni").await, office(&db, "xaver").await);
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        let start = now - 2.hours();
        let client = db.client().await.unwrap();
        presence_only(&client, &resi, start).await;
        add_order(&db, other.person, now).await;
        let mut frames = Vec::new();
        for (office, imei) in [(&resi, "490154203237518"), (&other, "490154203237526")] {
            let device = DeviceId::new(Uuid::now_v7());
            let sql = "INSERT INTO device (device_id, protocol, identity) VALUES ($1, 'gt06', $2)";
            client.execute(sql, &[&device.uuid(), &imei]).await.unwrap();
            device::assign(&client, device, office.person, start).await.unwrap();
            for (identity, claimed) in [(imei, ""), ("", imei)] {
                frames.push(SeenFrame {
                    protocol: "gt06",
                    identity: identity.to_owned(),
                    claimed: claimed.to_owned(),
                    reason: "checksum",
                    detail: "checksum: expected 0x1234".to_owned(),
                    raw: vec![0x78, 0x78, 1, 2],
                    raw_length: 4,
                    received_at: now,
                    remote_address: "192.0.2.1:7".to_owned(),
                });
            }
            for outcome in [Outcome::Done, Outcome::Refused] {
                let command = Uuid::now_v7();
                let sql = "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose,
                        idempotency_key, created_at, not_before, expires_at)
                    VALUES ($1, $2, $3, 'locate', '{\"kind\": \"locate\"}', $4, 'duty', $1::uuid::text, $5, $5, $5::timestamptz + interval '1 minute')";
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] = [
                    &command,
                    &device.uuid(),
                    &office.person.uuid(),
                    &office.worker.user_id,
                    &now,
                ];
                client.execute(sql, &values).await.unwrap();
                assert_eq!(
                    command::claim(&client, &[device], "one", now, 9).await.unwrap().len(),
                    1
                );
                let said = "http://maps.example/?q=N48.137154,E11.576124";
                assert!(command::end(&client, command, now, outcome, said, None).await.unwrap());
                let kept = command::read(&client, command).await.unwrap();
                let expected = if office.person == resi.person { "" } else { said };
                assert_eq!((kept.outcome, kept.result.as_str()), (Some(outcome), expected));
            }
        }
        quarantine::record_frames(&client, &frames).await.unwrap();
        let sql = "SELECT concat(identity, claimed, ' ', reason, ' ', detail, ' ', encode(raw, 'hex'), ' ', raw_length)
            FROM quarantined_frame ORDER BY frame_id";
        let kept: Vec<String> = client
            .query(sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let nothing = "490154203237518 checksum   0".to_owned();
        let all = "490154203237526 checksum checksum: expected 0x1234 78780102 4".to_owned();
        assert_eq!(kept, [nothing.clone(), nothing, all.clone(), all]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}
