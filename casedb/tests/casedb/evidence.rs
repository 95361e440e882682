//! Evidence of an incident: what is in it, and that it proves itself.

use std::{
    io::{Cursor, Read as _, Write as _},
    path::Path,
    process::Command,
};

use alerts::Locale;
use casedb::{
    Database,
    access::Purpose,
    audit::{export, history, key::Key, sealer, verify},
    evidence::{self, Asked},
    user::{self, NewUser, Role},
};
use jiff::{Timestamp, ToSpan};
use prost::Message as _;
use proto::wire;
use uuid::Uuid;
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::support::{add_order, add_person, migrated};

fn key() -> Key {
    Key::from_secret([9; 32])
}

/// An incident with an event, positions and an action; returns its id and a user who sees it.
async fn incident(db: &Database, now: Timestamp) -> (Uuid, user::User) {
    let person = add_person(db, "bundle").await;
    let order = add_order(db, person.person_id, now).await;
    let client = db.client().await.unwrap();
    let new = NewUser {
        username: "bundle".to_owned(),
        display_name: "王 Invented".to_owned(),
        role: Role::DutyOfficer,
        agency_id: person.police_agency_id,
        locale: "zh-CN".to_owned(),
        email: None,
    };
    user::create(&client, &new, "x").await.unwrap();
    let (user, _) = user::find(&client, "bundle").await.unwrap().unwrap();
    let event = wire::Event {
        order_id: order.order_id.to_wire(),
        explanation: Some(wire::Explanation {
            sentence: "Silent for 20 minutes.".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let (event_id, incident_id) = (Uuid::now_v7(), Uuid::now_v7());
    let onset = now - 20.minutes();
    client
        .execute(
            "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_revision, rules_revision, onset_at, decided_at, late, payload)
            VALUES ($1, $1, $2, 'silence', 'onset', 0, 1, $3, $3, false, $4)",
            &[&event_id, &person.person_id.uuid(), &onset, &event.encode_to_vec()],
        )
        .await
        .unwrap();
    client
        .execute(
            "INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, onset_at)
            VALUES ($1, $2, 'silence', 'silence', 2, 'both', 'raised', $3)",
            &[&incident_id, &person.person_id.uuid(), &onset],
        )
        .await
        .unwrap();
    client
        .execute(
            "INSERT INTO incident_event (incident_id, event_id) VALUES ($1, $2)",
            &[&incident_id, &event_id],
        )
        .await
        .unwrap();
    client
        .execute(
            "INSERT INTO incident_action (incident_id, action, text) VALUES ($1, 'note', '已电话联系 called')",
            &[&incident_id],
        )
        .await
        .unwrap();
    client
        .execute(
            r#"INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude, longitude,
                valid, source, strap, "case", motion, alarms, backfill)
            SELECT $1, $2::timestamptz + n * interval '1 minute', gen_random_uuid(), gen_random_uuid(), $2, $2, n, 59.9 + n * 0.001,
                10.7 + n * 0.0005, true, 1, 0, 0, 0, 0, false FROM generate_series(1, 90) AS n"#,
            &[&person.person_id.uuid(), &(now - 50.minutes())],
        )
        .await
        .unwrap();
    history::seal_person(&client, person.person_id.uuid()).await.unwrap();
    (incident_id, user)
}

fn verifier(file: &Path, public: &str) -> (bool, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify/homeward-verify.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(file)
        .args(["--public-key", public])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), told)
}

fn unpacked(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
    (0..archive.len())
        .map(|number| {
            let mut file = archive.by_index(number).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            (file.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn packed(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        archive.start_file(name.as_str(), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_bundle_proves_itself_and_every_change_is_found() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let (incident_id, user) = incident(&db, now).await;
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key(), None).await.unwrap().unwrap();
        let asked = Asked {
            user: &user,
            incident_id,
            purpose: Purpose::Court,
            case_number: "2026-113",
            locale: Locale::ZhCn,
            now,
        };
        let found = evidence::gather(&db, &asked).await.unwrap().unwrap();
        let archive = found.archive(Some(&key())).unwrap();
        assert_eq!(
            archive,
            found.archive(Some(&key())).unwrap(),
            "the same bytes for the same data"
        );
        let folder = std::env::temp_dir().join(format!("homeward-evidence-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("bundle.zip");
        std::fs::write(&file, &archive).unwrap();
        let public = hex_of(key().public().bytes());
        let (sound, told) = verifier(&file, &public);
        assert!(sound, "{told}");
        assert!(told.contains("0 entries not signed yet"), "{told}");
        let files = unpacked(&archive);
        assert!(files.len() >= 13, "{}", files.len());
        let content =
            |name: &str| String::from_utf8_lossy(&files.iter().find(|(file, _)| file == name).unwrap().1).into_owned();
        assert!(content("incident.json").contains("Silent for 20 minutes."));
        assert!(content("fixes.geojson").matches("\"Point\"").count() > 20);
        let pages = content("evidence.pdf");
        assert!(pages.starts_with("%PDF-1."));
        // Each page says which of how many it is.
        let count = pages.matches("/Type /Page\n").count();
        assert!(count >= 2, "{count}");
        for page in 1..=count {
            assert!(pages.contains(&format!(" {page} / {count}")), "page {page} of {count}");
        }
        let proved: serde_json::Value = serde_json::from_str(&content("audit.json")).unwrap();
        for table in ["incident", "event", "incident_action", "supervision_order"] {
            let rows = proved["rows"].as_array().unwrap().iter();
            assert!(
                rows.clone()
                    .any(|row| row["table"] == table && row["content"].is_string()),
                "{table}"
            );
        }
        // Another key, a changed file, a file less, a file more.
        let (sound, told) = verifier(&file, &hex_of(Key::from_secret([1; 32]).public().bytes()));
        assert!(!sound && told.contains("another key"), "{told}");
        for (number, (name, bytes)) in files.iter().enumerate() {
            let mut changed = files.clone();
            let mut other = bytes.clone();
            let at = other.len() / 2;
            other[at] ^= 1;
            changed[number].1 = other;
            std::fs::write(&file, packed(&changed)).unwrap();
            let (sound, told) = verifier(&file, &public);
            assert!(!sound && told.contains(name.as_str()), "{name} changed: {told}");
            let mut fewer = files.clone();
            fewer.remove(number);
            std::fs::write(&file, packed(&fewer)).unwrap();
            let (sound, told) = verifier(&file, &public);
            assert!(!sound && told.contains(name.as_str()), "{name} removed: {told}");
        }
        let mut more = files.clone();
        more.push(("more.txt".to_owned(), b"more".to_vec()));
        std::fs::write(&file, packed(&more)).unwrap();
        assert!(verifier(&file, &public).1.contains("more.txt was inserted"));
        // The reading is on record, and so is the making.
        let client = db.client().await.unwrap();
        let purpose: String = client
            .query_one(
                "SELECT purpose FROM position_access WHERE user_id = $1",
                &[&user.user_id],
            )
            .await
            .unwrap()
            .get(0);
        assert_eq!(purpose, "court");
        // Who does not see the incident gets nothing.
        let stranger = add_person(&db, "stranger").await;
        let new = NewUser {
            username: "stranger".to_owned(),
            display_name: "Stranger".to_owned(),
            role: Role::DutyOfficer,
            agency_id: stranger.police_agency_id,
            locale: "en".to_owned(),
            email: None,
        };
        user::create(&client, &new, "x").await.unwrap();
        let (other, _) = user::find(&client, "stranger").await.unwrap().unwrap();
        let asked = Asked { user: &other, ..asked };
        assert!(evidence::gather(&db, &asked).await.unwrap().is_none());
        drop(client);

        // The chain as a file: sound, and each kind of tampering named, by both verifiers.
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key(), None).await.unwrap().unwrap();
        let mut chain = Vec::new();
        export::write(&db, &mut chain).await.unwrap();
        let chain = String::from_utf8(chain).unwrap();
        let lines: Vec<&str> = chain.lines().collect();
        let middle = lines.len() / 2;
        let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().join("\n");
        let cases = [
            (chain.clone(), ""),
            (chain.replacen("\"act\":\"insert\"", "\"act\":\"update\"", 1), "changed"),
            (without(middle), "removed"),
            (without(lines.len() - 1), "ends at entry"),
            (chain.replacen("\"first_id\":1", "\"first_id\":2", 1), "root"),
        ];
        let trust = verify::Trust {
            key: Some(key().public()),
            anchors: Vec::new(),
        };
        for (text, word) in cases {
            let file = folder.join("chain.jsonl");
            std::fs::write(&file, &text).unwrap();
            let (sound, told) = verifier(&file, &public);
            let report = verify::export(text.as_bytes(), &trust, &mut |_| {}).unwrap();
            assert_eq!(
                (sound, report.faults.is_empty()),
                (word.is_empty(), word.is_empty()),
                "{word}: {told} {:?}",
                report.faults
            );
            assert!(told.contains(word), "{word}: {told}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        test.drop_now().await.unwrap();
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}
