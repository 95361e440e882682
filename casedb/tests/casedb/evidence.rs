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
    audit::{
        export, history,
        key::Key,
        root,
        sealer::{self, Signer},
        verify,
    },
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

/// With bytes between the last entry and the directory, which is told where it is.
fn with_gap(archive: &[u8]) -> Vec<u8> {
    let end = archive.len() - 22;
    let offset = u32::from_le_bytes(archive[end + 16..end + 20].try_into().unwrap());
    let (entries, directory) = archive.split_at(offset as usize);
    let mut bytes = [entries, b"gap", directory].concat();
    let end = bytes.len() - 22;
    bytes[end + 16..end + 20].copy_from_slice(&(offset + 3).to_le_bytes());
    bytes
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
        let found = evidence::gather(&db, &asked, None).await.unwrap().unwrap();
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
        // What a reader that begins at the front would show, or one that is lax at the end.
        let forged = packed(&[("incident.json".to_owned(), b"forged".to_vec())]);
        let mut remark = archive.clone();
        let length = remark.len() - 2;
        remark[length] = 6;
        remark.extend_from_slice(b"remark");
        for (what, bytes) in [
            ("another archive before it", [forged.as_slice(), &archive].concat()),
            ("bytes before it", [b"%PDF-1.7\n".as_slice(), &archive].concat()),
            ("bytes behind it", [archive.as_slice(), b"behind"].concat()),
            ("another archive behind it", [archive.as_slice(), &forged].concat()),
            ("a comment", remark),
            ("a gap", with_gap(&archive)),
        ] {
            std::fs::write(&file, &bytes).unwrap();
            let (sound, told) = verifier(&file, &public);
            assert!(!sound && !told.contains("nothing was changed"), "{what}: {told}");
            if what != "another archive behind it" {
                assert!(told.contains("the archive"), "{what}: {told}");
            }
        }
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
        assert!(evidence::gather(&db, &asked, None).await.unwrap().is_none());
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

/// Exit status and words of the stand-alone verifier; with a trusted key or without.
fn exit_of(file: &Path, public: Option<&str>) -> (i32, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/verify/homeward-verify.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(file);
    if let Some(public) = public {
        command.args(["--public-key", public]);
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), told)
}

/// Both verifiers know the rule: where a key is trusted, what is older than an hour is under a signature of it.
#[tokio::test]
async fn both_verifiers_want_signatures_where_a_key_is_trusted() {
    for (test, db) in migrated().await {
        add_person(&db, "hours").await;
        let client = db.client().await.unwrap();
        client
            .batch_execute(
                "ALTER TABLE audit_pending DISABLE TRIGGER USER; UPDATE audit_pending SET at = at - interval '2 hours';
                ALTER TABLE audit_pending ENABLE TRIGGER USER",
            )
            .await
            .unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        sealer::sign(&db, &key(), None).await.unwrap().unwrap();
        add_person(&db, "later").await;
        sealer::seal_waiting(&db).await.unwrap();
        let mut chain = Vec::new();
        export::write(&db, &mut chain).await.unwrap();
        let chain = String::from_utf8(chain).unwrap();
        let unsigned: Vec<&str> = chain.lines().filter(|line| !line.starts_with("{\"root\"")).collect();
        assert!(unsigned.len() < chain.lines().count());
        let unsigned = unsigned.join("\n");
        let public = hex_of(key().public().bytes());
        let folder = std::env::temp_dir().join(format!("homeward-hours-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("chain.jsonl");
        // Whole; without its signatures; the same where nobody is trusted: then a chain without a root is only told.
        for (text, public, faults) in [
            (&chain, Some(public.as_str()), false),
            (&unsigned, Some(public.as_str()), true),
            (&unsigned, None, false),
        ] {
            std::fs::write(&file, text).unwrap();
            let (code, told) = exit_of(&file, public);
            assert_eq!(code, i32::from(faults), "{told}");
            assert_eq!(told.contains("under no signature of the trusted key"), faults, "{told}");
            let trust = verify::Trust {
                key: public.map(|_| key().public()),
                anchors: Vec::new(),
            };
            let report = verify::export(text.as_bytes(), &trust, &mut |_| {}).unwrap();
            assert_eq!(report.faults.len(), usize::from(faults), "{:?}", report.faults);
        }
        // Roots stand before the entries that they are compared with.
        let mut moved: Vec<&str> = chain.lines().collect();
        let root = moved.remove(1);
        moved.push(root);
        std::fs::write(&file, moved.join("\n")).unwrap();
        assert_eq!(exit_of(&file, Some(&public)).0, 2);
        assert!(verify::export(moved.join("\n").as_bytes(), &verify::Trust::default(), &mut |_| {}).is_err());
        // Nothing at all is not a whole chain.
        let header = format!(
            "{{\"export\":{{\"format\":1,\"entries\":0,\"hash\":\"{}\",\"exported_at_us\":0}}}}\n",
            "00".repeat(32)
        );
        std::fs::write(&file, &header).unwrap();
        let (code, told) = exit_of(&file, None);
        assert!(code == 1 && told.contains("no audit chain"), "{code} {told}");
        // What cannot be read is said in a line.
        let deep = "[".repeat(100_000);
        let bundle = folder.join("bundle.zip");
        std::fs::write(
            &bundle,
            packed(&[("manifest.json".to_owned(), deep.clone().into_bytes())]),
        )
        .unwrap();
        let (code, told) = exit_of(&bundle, None);
        assert!(code == 1 && told.contains("manifest.json was changed"), "{code} {told}");
        let whole = packed(&[("x.bin".to_owned(), (0..=255).cycle().take(9_000).collect())]);
        std::fs::write(&bundle, &whole[..whole.len() / 2]).unwrap();
        let cut = exit_of(&bundle, None);
        std::fs::write(&file, &deep).unwrap();
        let nested = exit_of(&file, None);
        std::fs::write(&file, [0xff, 0xfe, 0xc3]).unwrap();
        for (code, told) in [cut, nested, exit_of(&file, None), exit_of(&folder, None)] {
            assert!(
                code == 2 && told.contains("cannot be read") && !told.contains("Traceback"),
                "{told}"
            );
            assert_eq!(told.trim().lines().count(), 1, "{told}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        drop(client);
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

/// The text of the pages as a reader has it: Western text, and Chinese from its two-byte code.
fn printed(pdf: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    let mut song = false;
    while at < pdf.len() {
        match pdf[at] {
            b'/' if pdf[at..].starts_with(b"/F1 ") => song = false,
            b'/' if pdf[at..].starts_with(b"/F2 ") => song = true,
            b'(' | b'<' if pdf[at..].starts_with(b"<<") => at += 1,
            open @ (b'(' | b'<') => {
                let close = if open == b'(' { b')' } else { b'>' };
                let mut bytes = Vec::new();
                at += 1;
                let mut depth = 0;
                while at < pdf.len() && (pdf[at] != close || depth > 0) {
                    match pdf[at] {
                        b'\\' if open == b'(' => {
                            at += 1;
                            let octal = &pdf[at..at + 3];
                            match pdf[at] {
                                b'n' => bytes.push(b'\n'),
                                b'r' => bytes.push(b'\r'),
                                b't' => bytes.push(b'\t'),
                                b'b' => bytes.push(8),
                                b'f' => bytes.push(12),
                                b'0'..=b'7' => {
                                    let digits = std::str::from_utf8(octal).unwrap();
                                    bytes.push(u8::from_str_radix(digits, 8).unwrap());
                                    at += 2;
                                }
                                other => bytes.push(other),
                            }
                        }
                        other => {
                            if open == b'(' {
                                depth += i32::from(other == b'(') - i32::from(other == b')');
                            }
                            bytes.push(other);
                        }
                    }
                    at += 1;
                }
                if open == b'<' {
                    let digits = String::from_utf8_lossy(&bytes).into_owned();
                    bytes = (0..digits.len() / 2)
                        .filter_map(|pair| u8::from_str_radix(&digits[2 * pair..2 * pair + 2], 16).ok())
                        .collect();
                }
                if song {
                    let units: Vec<u16> = bytes
                        .chunks_exact(2)
                        .map(|two| u16::from_be_bytes([two[0], two[1]]))
                        .collect();
                    text.push_str(&String::from_utf16_lossy(&units));
                } else {
                    text.extend(bytes.iter().map(|byte| char::from(*byte)));
                }
            }
            b'\n' if pdf[at..].starts_with(b"\nET") => text.push('\n'),
            _ => (),
        }
        at += 1;
    }
    text
}

#[tokio::test]
async fn the_pages_say_local_times_whole_names_and_chinese_words() {
    for (test, db) in migrated().await {
        let now: Timestamp = "2026-08-17T01:55:58Z".parse().unwrap();
        let (incident_id, user) = incident(&db, now).await;
        let client = db.client().await.unwrap();
        client
            .batch_execute(
                "UPDATE person SET time_zone = 'Asia/Shanghai', display_name = 'Zoë O’Brien-Łuczak 李𠮷';
                ALTER TABLE event DISABLE TRIGGER USER; ALTER TABLE incident_action DISABLE TRIGGER USER",
            )
            .await
            .unwrap();
        let said = wire::Event {
            explanation: Some(wire::Explanation {
                sentence: "no report for 20 min".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        client
            .execute("UPDATE event SET payload = $1", &[&said.encode_to_vec()])
            .await
            .unwrap();
        client
            .execute(
                "INSERT INTO incident_action (incident_id, action, acted_at) VALUES ($1, 'notify', $2)",
                &[&incident_id, &now],
            )
            .await
            .unwrap();
        client
            .execute(
                "INSERT INTO notification (notification_id, idempotency_key, incident_id, channel, recipient, state, sent_at)
                VALUES (gen_random_uuid(), 'k', $1, 'sms', '+8613800000003', 'sent', $2)",
                &[&incident_id, &now],
            )
            .await
            .unwrap();
        for locale in [Locale::En, Locale::ZhCn] {
            let asked = Asked {
                user: &user,
                incident_id,
                purpose: Purpose::Court,
                case_number: "2026-113",
                locale,
                now,
            };
            let found = evidence::gather(&db, &asked, None).await.unwrap().unwrap();
            let text = printed(&found.files().unwrap()["evidence.pdf"]);
            let has = |words: &str| assert!(text.contains(words), "{locale:?}: {words} in\n{text}");
            // Began 20 minutes before, in Shanghai, with the offset; UTC beside.
            has("2026-08-17 09:35:58 +08:00 (2026-08-17 01:35:58 UTC)");
            has("Asia/Shanghai");
            assert!(!text.contains("\n2026-08-17 01:35:58\n"), "{text}");
            // Helvetica has the typographic quote at 0x92.
            has("Zo\u{eb} O\u{92}Brien-[U+0141]uczak \u{674e}[U+20BB7]");
            has("invented act, section 1");
            match locale {
                Locale::En => {
                    for words in [
                        "no report for 20 min",
                        "device silent",
                        "messages sent",
                        "short message",
                        "onset",
                        "[U+\u{85}]",
                    ] {
                        has(words);
                    }
                }
                Locale::ZhCn => {
                    for words in [
                        "已有 20 分钟没有上报",
                        "设备失联",
                        "已发通知",
                        "短信",
                        "已发送",
                        "开始",
                        "应法院要求",
                        "卫星",
                        "本页字体无法显示",
                    ] {
                        has(words);
                    }
                    for word in [
                        "notify",
                        "silence",
                        "onset",
                        "sent",
                        "court",
                        "gnss",
                        "no report",
                        "raised",
                    ] {
                        assert!(!text.contains(word), "{word} in\n{text}");
                    }
                }
            }
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_incident_without_events_has_the_orders_in_force() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let (incident_id, user) = incident(&db, now).await;
        let client = db.client().await.unwrap();
        client
            .batch_execute(
                "ALTER TABLE incident_event DISABLE TRIGGER USER; ALTER TABLE incident DISABLE TRIGGER USER;
                DELETE FROM incident_event; UPDATE incident SET kind = 'break_glass', grouping_key = 'x';
                UPDATE supervision_order SET grounds = 'SECRETWORD grounds';
                INSERT INTO incident_action (incident_id, action, text) SELECT incident_id, 'note', 'SECRETWORD lives there' FROM incident",
            )
            .await
            .unwrap();
        sealer::seal_waiting(&db).await.unwrap();
        let asked = |user| Asked {
            user,
            incident_id,
            purpose: Purpose::Court,
            case_number: "2026-113",
            locale: Locale::ZhCn,
            now,
        };
        let found = evidence::gather(&db, &asked(&user), None).await.unwrap().unwrap();
        assert_eq!(found.orders.len(), 1);
        let files = found.files().unwrap();
        let of_orders = String::from_utf8_lossy(&files["orders.json"]).into_owned();
        assert!(of_orders.contains("invented act, section 1") && of_orders.contains("SECRETWORD grounds"));
        assert!(
            found
                .proofs
                .rows
                .iter()
                .any(|row| row.table == "supervision_order" && row.content.is_some())
        );
        let text = printed(&files["evidence.pdf"]);
        assert!(text.contains("invented act, section 1"), "{text}");
        assert!(text.contains("已启用应急访问"), "{text}");
        // An analyst reads no word that somebody wrote about a person: here neither.
        client
            .batch_execute("UPDATE app_user SET role = 'analyst'")
            .await
            .unwrap();
        let analyst = user::User {
            role: Role::Analyst,
            ..user.clone()
        };
        let found = evidence::gather(&db, &asked(&analyst), None).await.unwrap().unwrap();
        assert_eq!(found.orders.len(), 1);
        for (name, bytes) in found.files().unwrap() {
            let text = if name == "evidence.pdf" {
                printed(&bytes)
            } else {
                String::from_utf8_lossy(&bytes).into_owned()
            };
            assert!(!text.contains("SECRETWORD"), "{name}: {text}");
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn a_bundle_signs_only_what_is_not_signed_and_anchors_it() {
    for (test, db) in migrated().await {
        let now = Timestamp::now();
        let (incident_id, user) = incident(&db, now).await;
        let folder = std::env::temp_dir().join(format!("homeward-anchors-{}", Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let anchors = folder.join("anchors.jsonl");
        let signer = Signer {
            key: key(),
            anchor_file: Some(anchors.clone()),
        };
        let asked = Asked {
            user: &user,
            incident_id,
            purpose: Purpose::Court,
            case_number: "2026-113",
            locale: Locale::En,
            now,
        };
        let client = db.client().await.unwrap();
        let mut bundles = Vec::new();
        for _ in 0..4 {
            let found = evidence::gather(&db, &asked, Some(&signer)).await.unwrap().unwrap();
            bundles.push(found.archive(Some(&key())).unwrap());
        }
        assert_eq!(
            root::all(&client).await.unwrap().len(),
            1,
            "nothing of it was added since"
        );
        for bundle in &bundles {
            let file = folder.join("bundle.zip");
            std::fs::write(&file, bundle).unwrap();
            let (sound, told) = verifier(&file, &hex_of(key().public().bytes()));
            assert!(sound && told.contains("0 entries not signed yet"), "{told}");
        }
        client
            .execute(
                "INSERT INTO incident_action (incident_id, action, text) VALUES ($1, 'note', 'more')",
                &[&incident_id],
            )
            .await
            .unwrap();
        evidence::gather(&db, &asked, Some(&signer)).await.unwrap().unwrap();
        let roots = root::all(&client).await.unwrap();
        assert_eq!(roots.len(), 2);
        assert_eq!(root::anchors(&anchors).unwrap(), roots, "each is in the anchor file");
        // Where the file cannot be written nothing is signed, and the bundle says so itself.
        client
            .execute(
                "INSERT INTO incident_action (incident_id, action, text) VALUES ($1, 'note', 'again')",
                &[&incident_id],
            )
            .await
            .unwrap();
        let nowhere = Signer {
            anchor_file: Some(folder.join("missing").join("anchors.jsonl")),
            ..signer
        };
        let found = evidence::gather(&db, &asked, Some(&nowhere)).await.unwrap().unwrap();
        assert!(
            found
                .proofs
                .rows
                .iter()
                .flat_map(|row| &row.entries)
                .any(|proved| proved.root.is_none())
        );
        assert_eq!(root::all(&client).await.unwrap().len(), 2);
        drop(client);
        std::fs::remove_dir_all(&folder).unwrap();
        test.drop_now().await.unwrap();
    }
}
