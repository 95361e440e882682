//! Export, wipe, import, export: the same bytes; and what an import refuses.

use std::collections::BTreeSet;

use alerts::{Audience, ClosingCode, Severity, lifecycle::course::Who};
use casedb::{
    Database,
    agency::{self, Agency, AgencyKind},
    exchange::{self, ExchangeError, Subject, tables},
    incident::{self, SystemIncident},
    person::Person,
};
use jiff::{Timestamp, ToSpan};
use prost::Message;
use proto::wire;
use uuid::Uuid;

use crate::support::{add_person, migrated};

/// Small numbers out of a seed: the same world every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most.max(1)
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}

pub(crate) struct World {
    pub people: Vec<Person>,
    root: Uuid,
    user: Uuid,
}

/// A person who has at least one row in every table that is exported, and others who share zones, devices and contracts with them.
pub(crate) async fn world(db: &Database, seed: u64) -> World {
    let dice = &mut Dice(seed);
    let root = Agency {
        agency_id: Uuid::now_v7(),
        path: "harbour".to_owned(),
        name: "Harbour \"county\" 港口 \u{1F6A2}".to_owned(),
        kind: AgencyKind::Administration,
        time_zone: "Europe/Oslo".to_owned(),
    };
    let client = db.client().await.unwrap();
    agency::create(&client, &root).await.unwrap();
    let mut people = Vec::new();
    for name in ["ann", "ben", "cid"] {
        people.push(add_person(db, name).await);
    }
    let outside = Agency {
        agency_id: Uuid::now_v7(),
        path: "abroad".to_owned(),
        ..root.clone()
    };
    agency::create(&client, &outside).await.unwrap();
    let provider = Agency {
        agency_id: Uuid::now_v7(),
        path: "care".to_owned(),
        kind: AgencyKind::ServiceProvider,
        ..root.clone()
    };
    agency::create(&client, &provider).await.unwrap();
    let (user, foreign) = (Uuid::now_v7(), Uuid::now_v7());
    for (id, name, agency) in [
        (user, "officer-a", people[0].police_agency_id),
        (foreign, "officer-b", outside.agency_id),
    ] {
        client
            .execute(
                "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash, email) VALUES ($1, $2, $2, 'supervisor', $3, 'hash', 'a@example.org')",
                &[&id, &name, &agency],
            )
            .await
            .unwrap();
    }
    // Identities beyond what a double can tell apart.
    client
        .batch_execute("SELECT setval(pg_get_serial_sequence('person_note', 'note_id'), 9007199254740993); SELECT setval(pg_get_serial_sequence('incident', 'number'), 4294967299)")
        .await
        .unwrap();
    let shared = Uuid::now_v7();
    client
        .batch_execute(&format!(
            "INSERT INTO zone (zone_id, label, kind) VALUES ('{shared}', 'Shared', 'neutral');
            INSERT INTO zone_revision (zone_id, revision, geometry, radius_m, created_by) VALUES ('{shared}', 1, '{{\"type\":\"Point\",\"coordinates\":[10.1,59.9]}}', 50, '{foreign}');
            INSERT INTO zone_layer (layer_id, label) VALUES ('{foreign}', 'Schools');
            INSERT INTO zone_layer_revision (layer_id, revision, content, content_hash) VALUES ('{foreign}', 1, '\\x0102', '\\x03');
            INSERT INTO layer_marker VALUES (1, '{foreign}', 1, now(), 7, '\\x03');
            INSERT INTO holiday_calendar (calendar_id, name) VALUES ('{foreign}', 'Days off');
            INSERT INTO holiday VALUES ('{foreign}', '2027-01-01', 'New year');
            INSERT INTO service_contract (contract_id, reference, provider_id, client_id, scope, starts_at, ends_at, created_by)
                VALUES ('{shared}', 'C-1', '{provider}', '{root}', '{{visits,schedule}}', now() - interval '1 day', now() + interval '1 year', '{foreign}');
            INSERT INTO ladder (ladder_id, name) VALUES ('{shared}', 'night');
            INSERT INTO rota (rota_id, name) VALUES ('{shared}', 'night');
            INSERT INTO rota_revision (rota_id, revision, time_zone, overlap_s) VALUES ('{shared}', 1, 'Europe/Oslo', 0);
            INSERT INTO rota_shift VALUES ('{shared}', 1, 1, false, '{{mon}}', '08:00', '16:00', NULL, NULL);
            INSERT INTO rota_team VALUES ('{shared}', 1, 1, 1, ARRAY['{foreign}']::uuid[]);
            INSERT INTO rota_holiday VALUES ('{shared}', 1, '2027-01-01');
            INSERT INTO rota_exception VALUES ('{shared}', 1, 1, '2027-01-01 08:00', '2027-01-01 16:00', '{foreign}', ARRAY['{foreign}']::uuid[]);
            INSERT INTO ladder_revision (ladder_id, revision, laps, steps, changed_by)
                VALUES ('{shared}', 1, 1, '[{{\"call\":{{\"rota\":\"{shared}\"}},\"via\":[],\"wait\":\"PT5M\"}}]', '{foreign}');
            INSERT INTO rota (rota_id, name) VALUES ('{user}', 'own');
            INSERT INTO rota_revision (rota_id, revision, time_zone, overlap_s, changed_by) VALUES ('{user}', 1, 'Europe/Oslo', 0, '{foreign}');
            INSERT INTO rota_shift VALUES ('{user}', 1, 1, false, '{{mon}}', '08:00', '16:00', NULL, NULL);
            INSERT INTO rota_team VALUES ('{user}', 1, 1, 1, ARRAY['{user}']::uuid[]);
            INSERT INTO rota_exception VALUES ('{user}', 1, 1, '2027-01-01 08:00', '2027-01-01 16:00', '{user}', ARRAY['{user}']::uuid[]);
            INSERT INTO ladder (ladder_id, name) VALUES ('{user}', 'own');
            INSERT INTO ladder_revision (ladder_id, revision, laps, steps, changed_by)
                VALUES ('{user}', 1, 1, '[{{\"call\":{{\"rota\":\"{user}\"}},\"via\":[],\"wait\":\"PT5M\"}}]', '{foreign}');
            INSERT INTO ladder_assignment (agency_id, ladder_id, changed_by) VALUES ('{root}', '{user}', '{user}');
            INSERT INTO absence (user_id, starts_at, ends_at, entered_by) VALUES ('{user}', now(), now() + interval '1 day', '{foreign}');
            INSERT INTO push_subscription (subscription_id, user_id, endpoint, p256dh, auth) VALUES ('{shared}', '{user}', 'https://push.example.org/1', decode(repeat('04', 65), 'hex'), decode(repeat('05', 16), 'hex'));
            INSERT INTO order_change (changed_by, what, detail) VALUES ('{user}', 'consent', 'of nobody supervised');
            INSERT INTO incident (incident_id, police_agency_id, grouping_key, kind, severity, audience, state, onset_at)
                VALUES ('{shared}', '{root}', 'nobody', 'platform_blind', 2, 'both', 'raised', now());
            INSERT INTO incident_action (incident_id, action, user_id, text) VALUES ('{shared}', 'note', '{user}', 'of nobody');
            INSERT INTO notification_target (target_id, agency_id, channel, address, secret) VALUES ('{shared}', '{root}', 'webhook', 'https://example.org', '\\x0a');",
            provider = provider.agency_id,
            root = root.agency_id,
        ))
        .await
        .unwrap();
    for (index, person) in people.iter().enumerate() {
        fill(db, dice, person, index, (user, foreign, shared)).await;
    }
    World {
        people,
        root: root.agency_id,
        user,
    }
}

#[expect(clippy::cast_possible_wrap, reason = "small numbers")]
async fn fill(
    db: &Database,
    dice: &mut Dice,
    person: &Person,
    index: usize,
    (user, foreign, shared): (Uuid, Uuid, Uuid),
) {
    let client = db.client().await.unwrap();
    let id = person.person_id.uuid();
    let new = Uuid::now_v7;
    let (order, zone, device, other, leave, protected, near, contact) =
        (new(), new(), new(), new(), new(), new(), new(), new());
    let (first, second, command, violation) = (new(), new(), new(), new());
    let police = person.police_agency_id;
    client
        .batch_execute(&format!(
            "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at, made_by) VALUES ('{order}', '{id}', 'invented act', now() - interval '30 days', now() + interval '30 days', '{foreign}');
            SELECT set_config('homeward.import', 'on', false);
            INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at) VALUES ('{order}', '{id}', now() - interval '40 days', now() - interval '35 days');
            INSERT INTO order_extension (extension_id, order_id, from_end, to_end, reason, requested_by, requested_at) VALUES ('{order}', '{order}', now(), now() + interval '60 days', 'needed', '{foreign}', now());
            INSERT INTO order_approval (approval_id, order_id, extension_id, decision, decided_by, role, agency_id, decided_at) VALUES ('{order}', '{order}', '{order}', 'approved', '{user}', 'supervisor', '{police}', now());
            SELECT set_config('homeward.import', '', false);
            INSERT INTO order_notice (notice_id, order_id, step, given_to, done_at, recorded_by) VALUES ('{order}', '{order}', 'notice_signed', 'the person', now(), '{user}');
            INSERT INTO order_review (review_id, order_id, kind, due_at) VALUES ('{order}', '{order}', 'periodic', now());
            INSERT INTO order_warning VALUES ('{order}', 'order_ends', now(), 14, now());
            INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by) VALUES ('{order}', 1, now(), '[{{\"kind\":\"silence\",\"change\":{{\"raise\":1}}}}]', 'needed', '{user}');
            INSERT INTO order_change (changed_by, person_id, what, detail) VALUES ('{foreign}', '{id}', 'release', 'x');
            INSERT INTO settings_revision (person_id, revision, order_id, reporting_interval_s, silence_after_s, home_exit_grace_s, late_return_after_s, home_exit, changed_by)
                VALUES ('{id}', 1, '{order}', 60, 900, 0, 3600, 0.95, '{foreign}');
            UPDATE person_rules SET calendar_id = '{foreign}', published = '\\x0a03', revision = 3 WHERE person_id = '{id}';
            UPDATE person SET social_worker_id = '{foreign}' WHERE person_id = '{id}';
            INSERT INTO rules_revision VALUES ('{id}', 1, now(), NULL, '\\x0b'), ('{id}', 2, now(), 12, '');
            INSERT INTO zone (zone_id, label, kind) VALUES ('{zone}', 'Home', 'inclusion'), ('{near}', 'protected person', 'exclusion');
            INSERT INTO zone_revision (zone_id, revision, geometry, radius_m) VALUES ('{zone}', 1, '{{\"type\":\"Point\",\"coordinates\":[1.5e-7,59.9]}}', 33.3);
            INSERT INTO person_zone (person_id, zone_id, schedule) VALUES ('{id}', '{zone}', '{{\"weekly\":[]}}'), ('{id}', '{shared}', NULL);
            INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry, radius_m)
                VALUES ('{id}', '{zone}', 1, '{foreign}', 'needed', 'Home', 'inclusion', 'both', '{{\"type\":\"Point\",\"coordinates\":[1.5e-7,59.9]}}', 33.3), ('{id}', '{shared}', 1, NULL, '', 'Shared', 'exclusion', 'both', '{{}}', 1);
            INSERT INTO zone_past_audience VALUES ('{zone}', now() - interval '3 days', 'police');
            INSERT INTO person_layer VALUES ('{id}', '{foreign}');
            INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, approved_by, created_by) VALUES ('{leave}', '{id}', now(), now() + interval '1 day', 'family', 'somebody', '{user}');
            INSERT INTO leave_pass_zone VALUES ('{leave}', '{zone}');
            INSERT INTO protected_person (protected_id, reference, police_agency_id, consent_at) VALUES ('{protected}', 'V-{index}', '{police}', now());
            INSERT INTO proximity (proximity_id, person_id, protected_id) VALUES ('{near}', '{id}', '{protected}');
            INSERT INTO proximity_revision (proximity_id, revision, distance_m) VALUES ('{near}', 1, 500);
            INSERT INTO device (device_id, protocol, identity, secret, allowed_networks) VALUES ('{device}', 'native', 'D{index}', '\\x00ff', '{{10.1.0.0/16}}'), ('{other}', 'native', 'E{index}', NULL, '{{}}');
            INSERT INTO device_status (device_id, last_seen_at, clock_delay) VALUES ('{device}', now(), interval '1.5 seconds');
            INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at, ended_at, fitted_by, removed_by, removal_reason)
                VALUES ('{second}', '{device}', '{id}', now() - interval '9 days', now() - interval '5 days', '{user}', '{foreign}', 'swap');
            INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at, replaces) VALUES ('{first}', '{other}', '{id}', now() - interval '5 days', '{second}');
            INSERT INTO device_cell VALUES ('{other}', '{id}', 460, 1, 9488, 68719476735, now());
            INSERT INTO device_assignment (assignment_id, device_id, protected_id, assigned_at) VALUES (gen_random_uuid(), '{device}', '{protected}', now() - interval '1 day');
            INSERT INTO device_fault (fault_id, device_id, person_id, reason, faulty_since, reported_at, reported_by) VALUES ('{first}', '{device}', '{id}', 'battery', now() - interval '6 days', now(), '{foreign}');
            INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose, idempotency_key, created_at, not_before, expires_at)
                VALUES ('{command}', '{other}', '{id}', 'vibrate', '{{\"kind\":\"vibrate\"}}', '{user}', 'duty', 'k{index}', now(), now(), now() + interval '1 hour');
            UPDATE device_command SET state = 'cancelled', cancelled_by = '{foreign}', ended_at = now(), outcome = 'cancelled' WHERE command_id = '{command}';
            INSERT INTO quarantined_frame (protocol, identity, reason, raw, raw_length, received_at) VALUES ('native', 'D{index}', 'checksum', '\\x7e', 1, now() - interval '7 days'), ('native', 'D{index}', 'checksum', '\\x7f', 1, now() - interval '20 days');
            INSERT INTO contact (contact_id, person_id) VALUES ('{contact}', '{id}');
            INSERT INTO contact_revision (contact_id, revision, kind, name, changed_by) VALUES ('{contact}', 1, 'family', 'Invented Sister', '{foreign}');
            INSERT INTO person_note (person_id, text, happened_at, written_by) VALUES ('{id}', E'line one\\nline two \\u2028 \\\\ \"', now(), '{foreign}');
            INSERT INTO person_note (person_id, text, happened_at, written_by, corrects) SELECT '{id}', 'right', now(), '{user}', max(note_id) FROM person_note WHERE person_id = '{id}';
            INSERT INTO service_contract_person (contract_id, person_id) VALUES ('{shared}', '{id}');
            INSERT INTO ladder_assignment (person_id, severity, ladder_id) VALUES ('{id}', 1, '{shared}');
            INSERT INTO position_access (user_id, person_id, purpose, scope) VALUES ('{foreign}', '{id}', 'duty', 'x');
            INSERT INTO violation_outcome (violation_id, revision, person_id, outcome, reason, decided_by) VALUES ('{violation}', 1, '{id}', 'warning', 'late', '{foreign}');
            INSERT INTO quarantined_report (report_id, person_id, device_id, reason, received_at, payload) VALUES ('{first}', '{id}', '{device}', 'clock_ahead', now(), '\\x01');
            INSERT INTO monitoring_refusal (day, device_id, person_id, stage, reason, since, until, reports) VALUES (current_date, '{device}', '{id}', 'gateway', 'expired', now(), now(), 3);
            INSERT INTO device_stop (stop_id, device_id, person_id, word, interval_s, told_at, gateway) VALUES ('{first}', '{device}', '{id}', 'stop', 3600, now(), 'g');
            DO $$ BEGIN
                IF to_regclass('legal_hold') IS NOT NULL THEN
                    INSERT INTO legal_hold (hold_id, person_id, reason, authority, set_by, lifted_at, lifted_by, lift_reason) VALUES ('{first}', '{id}', 'appeal', 'court', 'x', now(), 'x', 'over');
                END IF;
                IF to_regclass('break_glass') IS NOT NULL THEN
                    INSERT INTO break_glass (break_glass_id, user_id, person_id, reason, case_number, ends_at) VALUES ('{first}', '{foreign}', '{id}', 'somebody is in danger', 'K-1', now() + interval '1 hour');
                END IF;
            END $$;
            INSERT INTO quarantined_copy VALUES ('{id}', now(), 4, '\\x01');"
        ))
        .await
        .unwrap();
    let many = 3 + dice.below(25);
    for n in 0..many {
        let place = dice.below(4) != 0;
        let (latitude, longitude) = (
            dice.below(1_800_000_000) as f64 / 1e7 - 90.0,
            dice.below(3_600_000_000) as f64 / 1e7 - 180.0,
        );
        let time = Timestamp::now() - (n as i64 * 3_600 * 11).seconds();
        for table in if n % 5 == 0 {
            &["position", "report_copy"][..]
        } else {
            &["position"]
        } {
            client
                .execute(
                    &format!(
                        "INSERT INTO {table} (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude, longitude, valid, source,
                            accuracy_m, speed_kmh, strap, \"case\", motion, alarms, backfill, log_offset)
                        VALUES ($1, $2, $3, $4, $2, $2, $5, $6, $7, $8, 1, $9, $10, 1, 1, 1, 5, false, $11)"
                    ),
                    &[
                        &id, &time, &Uuid::now_v7(), &device, &(9_007_199_254_740_993_i64 + n as i64), &place.then_some(latitude), &place.then_some(longitude), &place,
                        &(dice.below(1_000) as f32 / 7.0), &f32::NAN, &(n as i64),
                    ],
                )
                .await
                .unwrap();
        }
    }
    for n in 0..=dice.below(5) {
        let (event, incident) = (new(), new());
        let payload = if n % 2 == 0 {
            wire::Event {
                person_id: person.person_id.to_wire(),
                onset_us: 5,
                ..Default::default()
            }
            .encode_to_vec()
        } else {
            dice.bytes(30)
        };
        client
            .execute(
                "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_id, zone_revision, rules_revision, onset_at, decided_at, late, payload)
                VALUES ($1, $2, $3, 'home_exit', 'onset', $4, 1, 1, now(), now(), false, $5)",
                &[&event, &violation, &id, &zone, &payload],
            )
            .await
            .unwrap();
        client
            .batch_execute(&format!(
                "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at, acknowledged_by) VALUES ('{incident}', '{id}', 'g{n}', 'home_exit', 2, 'both', 'raised', now(), '{foreign}');
                INSERT INTO cause_cell (incident_id, number, name) VALUES ('{incident}', substr(md5('{incident}'), 1, 12), '460-00-9488-466{n}');
                INSERT INTO incident_event VALUES ('{incident}', '{event}');
                INSERT INTO incident_action (incident_id, action, user_id, text, event_id) VALUES ('{incident}', 'note', '{user}', 'words', '{event}');
                INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient) VALUES ('{incident}', '{incident}', '{incident}', '{event}', 'mail', 'a@example.org');"
            ))
            .await
            .unwrap();
    }
    // The newest was merged into the oldest: rows that name others of their table, in whatever order.
    client
        .execute(
            "UPDATE incident SET merged_into = (SELECT incident_id FROM incident WHERE person_id = $1 ORDER BY number DESC LIMIT 1)
            WHERE incident_id = (SELECT incident_id FROM incident WHERE person_id = $1 ORDER BY number LIMIT 1)
              AND (SELECT count(*) FROM incident WHERE person_id = $1) > 1",
            &[&id],
        )
        .await
        .unwrap();
}

async fn export(db: &Database, subject: Subject) -> Vec<u8> {
    let mut client = db.client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let mut bytes = Vec::new();
    exchange::export(&tx, subject, &mut bytes, None, &mut |_, _| {})
        .await
        .unwrap();
    bytes
}

async fn import(db: &Database, bytes: &[u8]) -> Result<exchange::Imported, ExchangeError> {
    let manifest = exchange::check(bytes)?;
    let mut client = db.client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let done = exchange::import(&tx, bytes, &manifest, &mut |_, _| {}).await?;
    tx.commit().await.unwrap();
    Ok(done)
}

async fn wipe(db: &Database, subject: Subject) -> exchange::Wiped {
    let mut client = db.client().await.unwrap();
    let tx = client.transaction().await.unwrap();
    let wiped = exchange::wipe(&tx, subject, &mut |_, _| {}).await.unwrap();
    tx.commit().await.unwrap();
    wiped
}

fn differ(one: &[u8], other: &[u8]) -> String {
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    let differing = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    differing.map_or_else(
        || format!("{} and {} bytes", one.len(), other.len()),
        |(one, other)| format!("{one}\n{other}"),
    )
}

/// Rows of each table, those of others counted by their own export.
async fn counts(db: &Database) -> Vec<(String, i64)> {
    let client = db.client().await.unwrap();
    let mut counts = Vec::new();
    for spec in tables::TABLES {
        let there = client
            .query_one("SELECT to_regclass($1) IS NOT NULL", &[&spec.name])
            .await
            .unwrap();
        if !there.get::<_, bool>(0) {
            continue;
        }
        let sql = format!("SELECT count(*) FROM {}", spec.name);
        counts.push((spec.name.to_owned(), client.query_one(&sql, &[]).await.unwrap().get(0)));
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_wipe_import_export_gives_the_same_bytes() {
    let mut kept = Vec::new();
    for (seed, (test, db)) in (1_u64..).zip(migrated().await) {
        let world = world(&db, seed).await;
        let before = counts(&db).await;
        let mut told: BTreeSet<String> = BTreeSet::new();
        let empty: Vec<_> = before.iter().filter(|(_, count)| *count == 0).collect();
        assert!(empty.is_empty(), "the world lacks {empty:?}");
        for subject in [
            Subject::Person(world.people[0].person_id.uuid()),
            Subject::Agency(world.root),
        ] {
            let first = export(&db, subject).await;
            assert!(first == export(&db, subject).await, "the same state, the same bytes");
            let manifest = exchange::check(first.as_slice()).unwrap();
            told.extend(manifest.tables.keys().cloned());
            let colliding = import(&db, &first).await.unwrap_err().to_string();
            assert!(
                colliding.contains("already exists") && colliding.starts_with("lines "),
                "{colliding}"
            );
            let wiped = wipe(&db, subject).await;
            for name in [
                "person",
                "position",
                "event",
                "incident",
                "incident_action",
                "device_command_step",
                "person_note",
                "order_approval",
            ] {
                assert!(wiped.tables.contains_key(name), "{name} was not wiped of {subject}");
            }
            let gone = db
                .client()
                .await
                .unwrap()
                .transaction()
                .await
                .unwrap()
                .query_one(
                    "SELECT count(*) FROM position WHERE person_id = $1",
                    &[&world.people[0].person_id.uuid()],
                )
                .await
                .unwrap();
            assert_eq!(gone.get::<_, i64>(0), 0);
            let done = import(&db, &first).await.unwrap();
            assert_eq!(done.written, wiped.tables, "what was wiped was written");
            let second = export(&db, subject).await;
            assert!(first == second, "{subject}: {}", differ(&first, &second));
            assert_eq!(counts(&db).await, before, "nothing came twice, nobody else's rows went");
            assert_eq!(manifest.rows, exchange::check(second.as_slice()).unwrap().rows);
            kept.push((subject, first, world.user));
        }
        // A table that no file has a row of was not tried, whatever the rest of the database has.
        let untried: Vec<_> = tables::TABLES.iter().filter(|spec| !told.contains(spec.name)).collect();
        assert!(untried.is_empty(), "neither file has a row of {untried:?}");
        test.drop_now().await.unwrap();
    }
    // Into other installations, of the other edition.
    for ((test, db), edition) in migrated().await.into_iter().zip([1_usize, 0]) {
        for (subject, bytes, user) in kept.iter().skip(edition * 3).take(1) {
            import(&db, bytes).await.unwrap();
            let there = export(&db, *subject).await;
            assert!(*bytes == there, "{subject} elsewhere: {}", differ(bytes, &there));
            let Subject::Person(id) = *subject else { continue };
            let client = db.client().await.unwrap();
            let stub = client
                .query_one(
                    "SELECT password_hash, disabled_at IS NOT NULL FROM app_user WHERE user_id = $1",
                    &[user],
                )
                .await
                .unwrap();
            assert_eq!(
                (stub.get::<_, &str>(0), stub.get::<_, bool>(1)),
                ("!", true),
                "nobody signs in as a stub"
            );
            // What is written next has an identity of its own.
            let next = "INSERT INTO person_note (person_id, text, happened_at, written_by) VALUES ($1, 'next', now(), $2) RETURNING note_id";
            let next: i64 = client.query_one(next, &[&id, user]).await.unwrap().get(0);
            assert!(next > 9_007_199_254_740_993, "{next}");
        }
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn damaged_cut_and_foreign_files_are_refused_with_the_place() {
    for (test, db) in migrated().await.into_iter().take(1) {
        let world = world(&db, 7).await;
        let subject = Subject::Person(world.people[1].person_id.uuid());
        let good = export(&db, subject).await;
        wipe(&db, subject).await;
        let text = String::from_utf8(good.clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let join = |lines: &[&str]| (lines.join("\n") + "\n").into_bytes();
        let home = lines.iter().position(|line| line.contains("\"Home\"")).unwrap();
        let mut moved = lines.clone();
        moved.swap(home, home + 1);
        let mut less = lines.clone();
        less.remove(home);
        let changed = text.replacen("\"Home\"", "\"Hole\"", 1);
        let version = text.replacen("\"version\":1", "\"version\":2", 1);
        let half = &good[..good.len() / 2];
        let table = text.replacen("\"table\":\"zone\"", "\"table\":\"zonk\"", 1);
        let after = [good.as_slice(), b"{}\n"].concat();
        for (name, bytes, why) in [
            ("empty", Vec::new(), "the file is empty"),
            (
                "other",
                b"{\"a\":1}\n".to_vec(),
                "line 1: this is no export of Homeward",
            ),
            (
                "version",
                version.into_bytes(),
                "line 1: version 2 of the format; this program reads 1",
            ),
            ("half", half.to_vec(), "the file is cut off"),
            (
                "no manifest",
                join(&lines[..lines.len() - 1]),
                "there is no manifest at its end",
            ),
            ("changed", changed.into_bytes(), "(zone): lines"),
            ("moved", join(&moved), "changed"),
            ("less", join(&less), "the manifest says"),
            ("table", table.into_bytes(), "(zonk): this program has no such table"),
            ("more", after, "something after the manifest"),
        ] {
            let error = exchange::check(bytes.as_slice()).unwrap_err().to_string();
            assert!(error.contains(why), "{name}: {error}");
        }
        // A file that is whole and does not fit the tables: nothing of it is written.
        let odd = text.replace("\"risk_level\"", "\"risk_lever\"");
        let manifest = exchange::check(good.as_slice()).unwrap();
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let error = exchange::import(&tx, odd.as_bytes(), &manifest, &mut |_, _| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("(person): there is no `risk_level`"), "{error}");
        drop(tx);
        drop(client);
        import(&db, &good).await.unwrap();
        assert!(good == export(&db, subject).await);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn every_table_is_exported_or_left_out_with_a_reason() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let all: BTreeSet<String> = casedb::audit::cover::tables(&client)
            .await
            .unwrap()
            .into_iter()
            .collect();
        let exported: BTreeSet<String> = tables::TABLES.iter().map(|spec| spec.name.to_owned()).collect();
        let left: BTreeSet<String> = tables::LEFT_OUT.iter().map(|(name, _)| (*name).to_owned()).collect();
        let missing: Vec<_> = all
            .iter()
            .filter(|name| !exported.contains(*name) && !left.contains(*name))
            .collect();
        assert!(
            missing.is_empty(),
            "neither in TABLES nor in LEFT_OUT of casedb/src/exchange/tables.rs: {missing:?}"
        );
        assert!(exported.is_disjoint(&left));
        assert!(tables::LEFT_OUT.iter().all(|(_, reason)| reason.len() > 20));
        // A table that names a person is exported, or says why not.
        for row in client.query("SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'person_id'", &[]).await.unwrap() {
            let name: String = row.get(0);
            let is_table = all.contains(&name);
            let own = tables::TABLES.iter().any(|spec| spec.name == name && spec.own != "false");
            assert!(!is_table || own || left.contains(&name), "{name} names a person and nothing of it is anybody's own");
        }
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incidents_of_others_are_split_off_before_a_wipe_and_close_afterwards() {
    for (test, db) in migrated().await {
        let (ann, ben) = (add_person(&db, "ann").await, add_person(&db, "ben").await);
        let mut client = db.client().await.unwrap();
        let user = Uuid::now_v7();
        client
            .execute(
                "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash) VALUES ($1, 'kim', 'Kim', 'supervisor', $2, 'x')",
                &[&user, &ann.police_agency_id],
            )
            .await
            .unwrap();
        let now = Timestamp::now();
        let raise = async |person: &Person, key: &str| {
            let system = SystemIncident {
                kind: "silence",
                person: Some(person.person_id),
                police_agency: None,
                social_agency: None,
                grouping_key: key,
                severity: Severity::P3,
                audience: Audience::Both,
                text: "found",
                at: now,
            };
            let mut client = db.client().await.unwrap();
            let tx = client.transaction().await.unwrap();
            let raised = incident::raise_system(&tx, &system).await.unwrap();
            tx.commit().await.unwrap();
            raised.incident.incident_id
        };
        let (root, own, other) = (raise(&ann, "a").await, raise(&ann, "b").await, raise(&ben, "c").await);
        let tx = client.transaction().await.unwrap();
        incident::merge(&tx, &[own, other], root, Who::User(user), "one cause", now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let subject = Subject::Person(ann.person_id.uuid());
        let file = export(&db, subject).await;
        wipe(&db, subject).await;
        // It stands for itself, by a record, and calls.
        let row = client
            .query_one(
                "SELECT i.merged_into IS NULL, i.deadline_at IS NOT NULL, a.text, a.user_id IS NULL FROM incident i
                JOIN incident_action a USING (incident_id) WHERE incident_id = $1 AND a.action = 'split'",
                &[&other],
            )
            .await
            .unwrap();
        assert_eq!((row.get(0), row.get(1), row.get(3)), (true, true, true));
        assert!(
            row.get::<_, &str>(2).contains("deleted with everything of a person"),
            "{}",
            row.get::<_, &str>(2)
        );
        assert!(incident::replayed(&client, other).await.unwrap().1);
        import(&db, &file).await.unwrap();
        let again = export(&db, subject).await;
        assert!(file == again, "{}", differ(&file, &again));
        // What came back still lists the other one, which left: it closes all the same, with its own.
        let closed = incident::close(
            &db,
            root,
            user,
            ClosingCode::DeviceFault,
            "done",
            None,
            Timestamp::now(),
        )
        .await
        .unwrap();
        assert!(closed.standing.state.is_closed());
        let states: Vec<String> = client
            .query(
                "SELECT state FROM incident WHERE incident_id = ANY ($1) ORDER BY grouping_key",
                &[&[root, own, other].as_slice()],
            )
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert_eq!(states[..2], ["closed", "closed"]);
        assert_ne!(states[2], "closed");
        // The other way: what is merged into another's incident goes, and that one closes without it.
        let (mine, theirs) = (raise(&ann, "d").await, raise(&ben, "e").await);
        let tx = client.transaction().await.unwrap();
        incident::merge(&tx, &[mine], theirs, Who::User(user), "one cause", Timestamp::now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        wipe(&db, subject).await;
        let closed = incident::close(
            &db,
            theirs,
            user,
            ClosingCode::DeviceFault,
            "done",
            None,
            Timestamp::now(),
        )
        .await
        .unwrap();
        assert!(closed.standing.state.is_closed());
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_up_a_wipe_is_told_with_numbers_and_the_cure() {
    for (test, db) in migrated().await {
        let world = world(&db, 3).await;
        let mut client = db.client().await.unwrap();
        // Somebody of another tree, of whom a user of the agency wrote, and a rota of theirs that names that user.
        client
            .batch_execute(&format!(
                "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
                    SELECT '{0}', 'away-1', 'Away', agency_id, agency_id, 'Europe/Oslo' FROM agency WHERE path = 'abroad';
                INSERT INTO person_note (person_id, text, happened_at, written_by) SELECT '{0}', 'seen', now(), '{1}' FROM generate_series(1, 3);
                INSERT INTO rota (rota_id, name) VALUES ('{0}', 'desk');
                INSERT INTO rota_revision (rota_id, revision, time_zone, overlap_s) VALUES ('{0}', 1, 'Europe/Oslo', 0);
                INSERT INTO rota_shift VALUES ('{0}', 1, 1, false, '{{mon}}', '08:00', '16:00', NULL, NULL);
                INSERT INTO rota_team SELECT '{0}', 1, 1, 1, ARRAY['{1}', user_id]::uuid[] FROM app_user WHERE username = 'officer-b'",
                Uuid::now_v7(),
                world.user
            ))
            .await
            .unwrap();
        let before = counts(&db).await;
        let tx = client.transaction().await.unwrap();
        let error = exchange::wipe(&tx, Subject::Agency(world.root), &mut |_, _| {})
            .await
            .unwrap_err()
            .to_string();
        drop(tx);
        for words in [
            "nothing was deleted",
            "3 rows of person_note name its users (written_by)",
            "1 rows of rota name its users (members: desk)",
            "homeward rota set",
            "homeward user set NAME --agency PATH",
        ] {
            assert!(error.contains(words), "{words}: {error}");
        }
        assert!(
            !error.contains("violates") && !error.contains(&world.user.to_string()),
            "{error}"
        );
        assert_eq!(counts(&db).await, before);
        // With the cure it goes.
        client
            .batch_execute(&format!(
                "UPDATE app_user SET agency_id = (SELECT agency_id FROM agency WHERE path = 'abroad') WHERE user_id = '{}'",
                world.user
            ))
            .await
            .unwrap();
        drop(client);
        wipe(&db, Subject::Agency(world.root)).await;
        test.drop_now().await.unwrap();
    }
}

/// Words from before there were bounds: kept as they are here, and as they are when they come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_from_before_the_bounds_come_back_as_they_went() {
    for (test, db) in migrated().await {
        let world = world(&db, 7).await;
        let client = db.client().await.unwrap();
        let id = world.people[0].person_id.uuid();
        // As a database has them that was upgraded: put in without the rules, which hold again afterwards.
        let rules = "SELECT c.relname::text, k.conname::text, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
            WHERE k.contype = 'c' AND NOT k.convalidated AND c.relnamespace = 'public'::regnamespace ORDER BY 1, 2";
        let held = async || -> Vec<(String, String, String)> {
            let found = client.query(rules, &[]).await.unwrap();
            found.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
        };
        let before = held().await;
        assert!(before.len() > 40, "{}", before.len());
        for (table, name, _) in &before {
            client
                .batch_execute(&format!("ALTER TABLE {table} DROP CONSTRAINT {name}"))
                .await
                .unwrap();
        }
        client
            .batch_execute(&format!(
                "UPDATE person SET display_name = repeat('Invented ', 500) || chr(8238) || 'x' WHERE person_id = '{id}';
                UPDATE supervision_order SET grounds = repeat('g', 20000), legal_basis = chr(27) || '[31m' WHERE person_id = '{id}';
                INSERT INTO person_note (person_id, text, happened_at, written_by) SELECT '{id}', ' ', now(), '{0}';
                INSERT INTO person_note (person_id, text, happened_at, written_by) SELECT '{id}', repeat(chr(7) || 'n', 4900), now(), '{0}';
                UPDATE zone SET label = repeat('z', 2000) WHERE zone_id IN (SELECT zone_id FROM person_zone WHERE person_id = '{id}');
                UPDATE agency SET name = repeat('a', 1000);
                UPDATE app_user SET display_name = E'two\\nlines'",
                world.user
            ))
            .await
            .unwrap();
        for (table, name, rule) in &before {
            let back = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {rule}");
            client.batch_execute(&back).await.unwrap();
        }
        for subject in [Subject::Person(id), Subject::Agency(world.root)] {
            let first = export(&db, subject).await;
            wipe(&db, subject).await;
            import(&db, &first).await.unwrap();
            let second = export(&db, subject).await;
            assert!(first == second, "{subject}: {}", differ(&first, &second));
            assert_eq!(held().await, before, "the rules hold again");
            let written =
                "INSERT INTO person_note (person_id, text, happened_at, written_by) VALUES ($1, ' ', now(), $2)";
            let error = client.execute(written, &[&id, &world.user]).await.unwrap_err();
            let rule = error.as_db_error().and_then(tokio_postgres::error::DbError::constraint);
            assert_eq!(rule, Some("person_note_text_words"), "{error}");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}
