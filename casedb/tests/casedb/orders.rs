//! Rules as orders give them: settings with history, holidays, leave, release, protected people.

use std::{sync::Arc, time::Duration};

use casedb::{
    Class,
    calendar::{self, Holiday},
    device::{self, Device},
    history::HistoryWriter,
    leave::{self, Leave},
    order,
    protect::{self, Protected, Terms},
    rules::{self, Settings},
    zone::{self, Audience, Schedule, Shape, Zone, ZoneKind},
};
use jiff::{Timestamp, ToSpan, civil::date, tz::TimeZone};
use prost::Message;
use proto::{DeviceId, PersonId, ReportId, Topic, ZoneId, rules::OperatingPoints, topic::partition_of, wire};
use serde_json::json;
use stream::{Log, NewRecord, memory::MemoryLog};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{PARTITIONS, add_order, add_person, migrated};

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    // What the database keeps is in microseconds.
    Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap()
}

async fn add_zone(
    client: &impl casedb::GenericClient,
    person: PersonId,
    kind: ZoneKind,
    schedule: Option<serde_json::Value>,
) -> ZoneId {
    let zone = Zone {
        zone_id: ZoneId::new(Uuid::now_v7()),
        label: kind.to_string(),
        kind,
        audience: Audience::Both,
    };
    let shape = Shape {
        geometry: json!({"type": "Point", "coordinates": [10.5, 59.9]}),
        radius_m: Some(80.0),
        buffer_m: 0.0,
        datum: proto::rules::Datum::Wgs84,
    };
    zone::create(client, &zone).await.unwrap();
    zone::revise(client, zone.zone_id, &shape, None).await.unwrap();
    let schedule = schedule.map(|json| Schedule::from_json(json).unwrap());
    zone::attach(client, person, zone.zone_id, schedule.as_ref(), false)
        .await
        .unwrap();
    zone.zone_id
}

fn schedule_of(rules: &wire::Rules, zone_id: ZoneId) -> Option<wire::Schedule> {
    let zone = rules.zones.iter().find(|zone| zone.zone_id == zone_id.to_wire());
    zone.unwrap().schedule.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_of_settings_is_kept() {
    for (test, db) in migrated().await {
        let person = add_person(&db, "cara").await.person_id;
        let order = add_order(&db, person, now()).await;
        let mut client = db.client().await.unwrap();
        let strict = Settings {
            home_exit_grace_s: 120,
            points: OperatingPoints {
                exclusion_entry: Some(0.9),
                home_exit: Some(0.99),
                attendance: None,
            },
            ..Settings::default()
        };
        assert_eq!(
            rules::settings(&client, person, None).await.unwrap(),
            Settings::default()
        );
        let tx = client.transaction().await.unwrap();
        rules::set_settings(
            &tx,
            person,
            &Settings {
                silence_after_s: 300,
                ..Settings::default()
            },
        )
        .await
        .unwrap();
        let changed = rules::change_settings(&tx, person, Some(order.order_id), &strict, None).await;
        assert_eq!(changed.unwrap(), Some(2));
        let again = rules::change_settings(&tx, person, Some(order.order_id), &strict, None).await;
        assert_eq!(again.unwrap(), None, "nothing is different");
        rules::publish(&tx, person, now()).await.unwrap();
        tx.commit().await.unwrap();
        let published = rules::published(&client, person).await.unwrap().unwrap();
        assert_eq!((published.home_exit_grace_s, published.silence_after_s), (120, 900));
        let points = published.operating_points.unwrap();
        assert_eq!(
            (points.exclusion_entry, points.home_exit, points.attendance),
            (Some(0.9), Some(0.99), None)
        );

        // Beyond a limit: refused with the name, by the program and, behind it, by the table.
        let mut unsure = strict;
        unsure.points.home_exit = Some(0.5);
        let error = rules::change_settings(&client, person, None, &unsure, None)
            .await
            .unwrap_err();
        assert_eq!(error.class(), Class::Input);
        assert!(error.to_string().contains("operating point home_exit"), "{error}");
        let sql = "INSERT INTO settings_revision SELECT person_id, 9, order_id, 60, 900, 0, 0, NULL, 0.5 FROM settings_revision";
        let refused = casedb::Error::from(client.execute(sql, &[]).await.unwrap_err());
        assert_eq!(refused.constraint(), Some("settings_revision_home_exit_check"));
        // An order of somebody else has nothing to say here.
        let other = add_person(&db, "dora").await.person_id;
        let error = rules::change_settings(&client, other, Some(order.order_id), &strict, None)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("order of this person"), "{error}");

        let history = rules::settings_history(&client, person).await.unwrap();
        let kept: Vec<_> = history
            .iter()
            .map(|kept| (kept.revision, kept.order_id, kept.settings.home_exit_grace_s))
            .collect();
        assert_eq!(kept, [(1, None, 0), (2, Some(order.order_id), 120)]);
        // When the order is over, what is said of every order counts again.
        rules::sweep(&db, order.ends_at).await.unwrap();
        let published = rules::published(&client, person).await.unwrap().unwrap();
        assert_eq!((published.active, published.silence_after_s), (false, 300));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holidays_and_leave_go_into_schedules() {
    for (test, db) in migrated().await {
        let now = now();
        let person = add_person(&db, "elsa").await.person_id;
        let order = add_order(&db, person, now).await;
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let weekly = json!([{"weekday": 1, "start": "21:00", "end": "06:00"}]);
        let by_calendar = json!({"weekly": weekly, "holidays": ["2040-05-17"],
            "holiday": [{"start": "18:00", "end": "10:00"}]});
        let home = add_zone(&tx, person, ZoneKind::Inclusion, Some(by_calendar)).await;
        let course = add_zone(&tx, person, ZoneKind::Inclusion, Some(json!({"weekly": weekly}))).await;
        let county = add_zone(&tx, person, ZoneKind::Inclusion, None).await;
        let street = add_zone(&tx, person, ZoneKind::Exclusion, None).await;
        let calendar = calendar::ensure(&tx, "Norway").await.unwrap();
        assert_eq!(calendar::ensure(&tx, "Norway").await.unwrap(), calendar);
        let holiday = |day, label: &str| Holiday {
            day,
            label: label.to_owned(),
        };
        let days = [
            holiday(date(2040, 12, 25), "Christmas"),
            holiday(date(2040, 5, 17), "Constitution Day"),
            holiday(date(2001, 5, 17), "long ago"),
        ];
        assert_eq!(
            calendar::add(&tx, calendar, &days).await.unwrap(),
            0,
            "nobody goes by it"
        );
        rules::use_calendar(&tx, person, Some(calendar)).await.unwrap();
        rules::publish(&tx, person, now).await.unwrap();
        tx.commit().await.unwrap();
        let published = rules::published(&client, person).await.unwrap().unwrap();
        let days = |year, month, day| date(1970, 1, 1).until(date(year, month, day)).unwrap().get_days();
        let schedule = schedule_of(&published, home).unwrap();
        assert_eq!(schedule.holidays, [days(2040, 5, 17), days(2040, 12, 25)]);
        assert_eq!(schedule.holiday[0].end_s, 36_000);
        // A schedule that says nothing of holidays knows none.
        assert!(schedule_of(&published, course).unwrap().holidays.is_empty());

        // A day more: the rules of everybody who goes by the calendar follow with the next sweep, once.
        let tx = client.transaction().await.unwrap();
        let more = [holiday(date(2040, 12, 26), "")];
        assert_eq!(calendar::add(&tx, calendar, &more).await.unwrap(), 1);
        tx.commit().await.unwrap();
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [person]);
        assert_eq!(rules::sweep(&db, now).await.unwrap(), []);
        let published = rules::published(&client, person).await.unwrap().unwrap();
        assert_eq!(schedule_of(&published, home).unwrap().holidays.len(), 3);

        // Leave over three days: of the inclusion zones; the other one only when it is named.
        let pass = |start: i64, end: i64, zones: Vec<ZoneId>| Leave {
            leave_id: Uuid::now_v7(),
            person_id: person,
            starts_at: now + start.hours(),
            ends_at: now + end.hours(),
            reason: "a funeral".to_owned(),
            approved_by: "Station 3, Kim".to_owned(),
            created_by: None,
            zones,
            withdrawn_at: None,
        };
        let (all, named) = (pass(5, 77, vec![]), pass(100, 101, vec![street]));
        let tx = client.transaction().await.unwrap();
        leave::add(&tx, &all).await.unwrap();
        leave::add(&tx, &named).await.unwrap();
        rules::publish(&tx, person, now).await.unwrap();
        tx.commit().await.unwrap();
        let published = rules::published(&client, person).await.unwrap().unwrap();
        let interval = |leave: &Leave| wire::DatedInterval {
            start_us: leave.starts_at.as_microsecond(),
            end_us: leave.ends_at.as_microsecond(),
        };
        for zone in [home, course, county] {
            assert_eq!(schedule_of(&published, zone).unwrap().exceptions, [interval(&all)]);
        }
        // What holds always holds through the whole order but for the leave.
        let term = wire::DatedInterval {
            start_us: order.starts_at.as_microsecond(),
            end_us: order.ends_at.as_microsecond(),
        };
        assert_eq!(schedule_of(&published, county).unwrap().additions, [term]);
        assert_eq!(schedule_of(&published, street).unwrap().exceptions, [interval(&named)]);

        // Withdrawn while it runs: it ends there. Withdrawn before: it never was.
        let tx = client.transaction().await.unwrap();
        let early = now + 6.hours();
        assert_eq!(leave::withdraw(&tx, all.leave_id, early).await.unwrap(), person);
        leave::withdraw(&tx, named.leave_id, early).await.unwrap();
        rules::publish(&tx, person, now).await.unwrap();
        tx.commit().await.unwrap();
        let published = rules::published(&client, person).await.unwrap().unwrap();
        let cut = wire::DatedInterval {
            end_us: early.as_microsecond(),
            ..interval(&all)
        };
        assert_eq!(schedule_of(&published, home).unwrap().exceptions, [cut]);
        assert_eq!(schedule_of(&published, street), None);
        assert_eq!(
            leave::of_person(&client, person, now).await.unwrap().len(),
            2,
            "both are kept"
        );

        for (wrong, words) in [
            (pass(2, 2, vec![]), "is not after the start"),
            (
                Leave {
                    reason: " ".to_owned(),
                    ..pass(1, 2, vec![])
                },
                "the reason is empty",
            ),
            (pass(1, 2, vec![ZoneId::new(Uuid::now_v7())]), "no zone of this person"),
        ] {
            let tx = client.transaction().await.unwrap();
            let error = leave::add(&tx, &wrong).await.unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_persons_damaged_rules_keep_nobody_elses_back() {
    for (test, db) in migrated().await {
        let now = now();
        let mut people = Vec::new();
        for name in ["ida", "jan", "kari"] {
            let person = add_person(&db, name).await.person_id;
            add_order(&db, person, now).await;
            people.push(person);
        }
        people.sort_unstable();
        let client = db.client().await.unwrap();
        let zone = add_zone(&client, people[1], ZoneKind::Inclusion, None).await;
        let damage = "UPDATE zone_revision SET radius_m = NULL WHERE zone_id = $1";
        client.execute(damage, &[&zone.uuid()]).await.unwrap();
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [people[0], people[2]]);
        let repair = "UPDATE zone_revision SET radius_m = 80 WHERE zone_id = $1";
        client.execute(repair, &[&zone.uuid()]).await.unwrap();
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [people[1]]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_release_is_a_local_time() {
    for (test, db) in migrated().await {
        let person = add_person(&db, "finn").await.person_id;
        let order = add_order(&db, person, instant("2026-01-01T00:00:00Z")).await;
        let client = db.client().await.unwrap();
        let oslo = TimeZone::get("Europe/Oslo").unwrap();
        // 02:30 comes twice on this night; the later one is the release.
        let local = date(2026, 10, 25).at(2, 30, 0, 0);
        let now = instant("2026-06-01T12:00:00Z");
        let ends_at = order::release(&client, order.order_id, local, &oslo, now)
            .await
            .unwrap();
        assert_eq!(ends_at, instant("2026-10-25T01:30:00Z"));
        assert_eq!(order::read(&client, order.order_id).await.unwrap().ends_at, ends_at);
        let before = date(2025, 1, 1).at(0, 0, 0, 0);
        let error = order::release(&client, order.order_id, before, &oslo, now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("not after the order's start"), "{error}");
        // In force, it does not end at a time that is over; a few minutes are for whoever types.
        let over = date(2026, 6, 1).at(9, 0, 0, 0);
        let error = order::release(&client, order.order_id, over, &oslo, now)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("homeward order revoke"), "{error}");
        assert_eq!(order::read(&client, order.order_id).await.unwrap().ends_at, ends_at);
        order::ends_to_come(&client, order.order_id, now - 9.minutes(), now)
            .await
            .unwrap();
        // Of one that is over, or is yet to begin, nothing is taken away.
        for then in [ends_at + 1.hour(), instant("2025-12-01T00:00:00Z")] {
            order::ends_to_come(&client, order.order_id, then - 1.hour(), then)
                .await
                .unwrap();
        }
        rules::sweep(&db, instant("2026-10-25T01:29:59Z")).await.unwrap();
        let published = rules::published(&client, person).await.unwrap().unwrap();
        assert_eq!(published.valid_until_us, Some(ends_at.as_microsecond()));
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protected_people_are_bound_by_consent_and_seen_by_the_police() {
    for (test, db) in migrated().await {
        let now = now();
        let supervised = add_person(&db, "gustav").await;
        let order = add_order(&db, supervised.person_id, now).await;
        let mut client = db.client().await.unwrap();
        let protected = Protected {
            protected_id: PersonId::new(Uuid::now_v7()),
            reference: "P-7".to_owned(),
            display_name: String::new(),
            police_agency_id: supervised.police_agency_id,
            consent_at: None,
            withdrawn_at: None,
        };
        let terms = Terms {
            distance_m: 500.0,
            buffer_m: 200.0,
            schedule: None,
        };
        let device = Device {
            device_id: DeviceId::new(Uuid::now_v7()),
            protocol: "native".to_owned(),
            identity: "HW-P7".to_owned(),
            secret: Some(vec![7; 32]),
            ..Device::default()
        };
        let tx = client.transaction().await.unwrap();
        protect::create(&tx, &protected).await.unwrap();
        device::register(&tx, &device).await.unwrap();
        device::assign_protected(&tx, device.device_id, protected.protected_id, now)
            .await
            .unwrap();
        let bound = protect::bind(&tx, supervised.person_id, &protected, &terms, None)
            .await
            .unwrap();
        rules::publish(&tx, supervised.person_id, now).await.unwrap();
        tx.commit().await.unwrap();

        // Without consent: no rule names them, no gateway hands anything on.
        let published = rules::published(&client, supervised.person_id).await.unwrap().unwrap();
        assert_eq!(published.proximities, []);
        let entry = device::lookup(&client, "native", "HW-P7").await.unwrap().unwrap();
        assert_eq!(entry.person_id, None);
        let carrier = entry.protected.unwrap();
        assert_eq!((carrier.protected_id, carrier.bound.len()), (protected.protected_id, 0));

        let tx = client.transaction().await.unwrap();
        protect::consent(&tx, protected.protected_id, true, now).await.unwrap();
        let later = Terms {
            distance_m: 800.0,
            ..terms
        };
        assert_eq!(protect::revise(&tx, bound.proximity_id, &later, None).await.unwrap(), 2);
        tx.commit().await.unwrap();
        assert_eq!(rules::sweep(&db, now).await.unwrap(), [supervised.person_id]);
        let published = rules::published(&client, supervised.person_id).await.unwrap().unwrap();
        let [proximity] = &published.proximities[..] else {
            panic!("{:?}", published.proximities)
        };
        assert_eq!(proximity.zone_id, bound.proximity_id.to_wire());
        assert_eq!(proximity.protected_id, protected.protected_id.to_wire());
        assert_eq!((proximity.revision, proximity.distance_m), (2, 800.0));
        let directory = device::directory(&client, &["native", "jt808"]).await.unwrap();
        let carrier = directory[0].protected.clone().unwrap();
        assert_eq!(carrier.bound.len(), 1);
        assert_eq!(carrier.bound[0].person_id, supervised.person_id);
        assert_eq!(carrier.bound[0].terms, [(order.starts_at, order.ends_at)]);

        // The zone that events name is the police's alone, has no shape, and is none of the person's zones.
        let zone = zone::read(&client, bound.proximity_id).await.unwrap();
        assert_eq!(zone.audience, Audience::Police);
        assert!(zone::shape(&client, bound.proximity_id, 1).await.is_err());
        assert_eq!(zone::of_person(&client, supervised.person_id).await.unwrap(), []);
        // No table has a column in which a place of a protected person could lie.
        let columns = client
            .query(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'
                    AND table_name IN ('protected_person', 'proximity', 'proximity_revision') ORDER BY 1",
                &[],
            )
            .await
            .unwrap();
        for column in columns {
            let name: String = column.get(0);
            assert!(
                !["geometry", "latitude", "longitude", "position", "place"]
                    .iter()
                    .any(|word| name.contains(word)),
                "{name}"
            );
        }

        // A second restriction of the same two is refused; a device is worn by one or carried by the other.
        let tx = client.transaction().await.unwrap();
        let twice = protect::bind(&tx, supervised.person_id, &protected, &later, None).await;
        assert_eq!(twice.unwrap_err().constraint(), Some("proximity_pair"));
        drop(tx);
        device::assign(&client, device.device_id, supervised.person_id, now)
            .await
            .unwrap();
        let entry = device::lookup(&client, "native", "HW-P7").await.unwrap().unwrap();
        assert_eq!((entry.person_id, entry.protected), (Some(supervised.person_id), None));
        device::assign_protected(&client, device.device_id, protected.protected_id, now)
            .await
            .unwrap();

        // The consent is taken back: everything rests at once, and comes back with it.
        let tx = client.transaction().await.unwrap();
        protect::consent(&tx, protected.protected_id, false, now).await.unwrap();
        tx.commit().await.unwrap();
        let carrier = async || {
            let entry = device::lookup(&client, "native", "HW-P7").await.unwrap().unwrap();
            entry.protected.unwrap().bound.len()
        };
        assert_eq!(carrier().await, 0);
        rules::sweep(&db, now).await.unwrap();
        let published = rules::published(&client, supervised.person_id).await.unwrap().unwrap();
        assert_eq!(published.proximities, []);
        protect::consent(&client, protected.protected_id, true, now)
            .await
            .unwrap();
        assert_eq!(carrier().await, 1);
        let known = protect::by_reference(&client, "P-7").await.unwrap().unwrap();
        assert!(known.consents());
        // Removed for good.
        let whose = protect::remove(&client, bound.proximity_id, now).await.unwrap();
        assert_eq!(whose, supervised.person_id);
        assert_eq!(carrier().await, 0);
        assert!(
            protect::of_person(&client, whose, true).await.unwrap().is_empty(),
            "gone from the list"
        );
        for wrong in [
            Terms {
                distance_m: 0.0,
                ..later.clone()
            },
            Terms {
                buffer_m: f64::NAN,
                ..later.clone()
            },
        ] {
            let error = protect::bind(&client, whose, &known, &wrong, None).await.unwrap_err();
            assert!(error.to_string().contains("is outside"), "{error}");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_passes_over_the_fixes_of_protected_people() {
    for (test, db) in migrated().await {
        let log = MemoryLog::new(PARTITIONS);
        let supervised = PersonId::from_name("hanna");
        let fix = wire::ProtectedFix {
            report_id: ReportId::derive(DeviceId::from_name("HW-P8"), b"1").to_wire(),
            person_id: supervised.to_wire(),
            protected_id: PersonId::from_name("protected").to_wire(),
            fix_time_us: now().as_microsecond(),
            received_at_us: now().as_microsecond(),
            position: Some(wire::Position {
                latitude_e7: 591_234_567,
                longitude_e7: 101_234_567,
                valid: true,
                ..Default::default()
            }),
        };
        let record = wire::ReportRecord {
            body: Some(wire::report_record::Body::ProtectedFix(fix)),
        };
        let record = NewRecord {
            partition: partition_of(supervised, PARTITIONS),
            key: supervised.to_wire().into(),
            payload: record.encode_to_vec().into(),
        };
        log.append(Topic::Reports, vec![record.clone(), record]).await.unwrap();
        let shutdown = CancellationToken::new();
        let writer = HistoryWriter::run(db.clone(), Arc::new(log), shutdown.clone());
        let writer = tokio::spawn(writer);
        let client = db.client().await.unwrap();
        let sql = "SELECT COALESCE(sum(next_offset), 0)::int8 FROM reader_offset WHERE reader = 'history'";
        let read = async || client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
        for _ in 0..400 {
            if read().await == 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert_eq!(read().await, 2, "the writer goes on behind them");
        // Not in any table of history, however it is called.
        let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
            AND (table_name LIKE 'position%' OR table_name LIKE '%report%' OR table_name LIKE '%copy%'
                 OR table_name LIKE 'quarantined%')
            -- One row of the installation: how far the hourly figures go.
            AND table_name <> 'position_rollup'";
        let tables = client.query(tables, &[]).await.unwrap();
        assert!(tables.len() >= 3);
        for table in tables {
            let table: String = table.get(0);
            let count = format!("SELECT count(*) FROM {table}");
            assert_eq!(
                client.query_one(&count, &[]).await.unwrap().get::<_, i64>(0),
                0,
                "{table}"
            );
        }
        shutdown.cancel();
        writer.await.unwrap().unwrap();
        drop(client);
        test.drop_now().await.unwrap();
    }
}
