//! Texts of people's: what the program checks is what the database checks.

use std::collections::BTreeMap;

use casedb::plain::{FIELDS, PERSON_NAME};

use super::support::{add_person, migrated};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_asks_of_words_what_the_program_asks() {
    for (test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let sql = "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conname LIKE '%\\_words'";
        let held: BTreeMap<String, String> = client
            .query(sql, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| (row.get(0), row.get(1)))
            .collect();
        for field in FIELDS {
            let expected = format!(
                "CHECK (plain_words({}, {}, {}, {})) NOT VALID",
                field.column, field.most, field.lines, field.empty
            );
            assert_eq!(held.get(&field.constraint()), Some(&expected), "{}", field.constraint());
        }
        assert_eq!(held.len(), FIELDS.len() + 1, "the one besides is of agencies' paths");
        assert!(held.contains_key("agency_path_words"));

        // The two answer alike, character by character.
        let mut differ = Vec::new();
        for code in (1..0x3200)
            .chain(0xFE00..0x10010)
            .chain(0x1BC90..0x1BCB0)
            .chain(0x1D170..0x1D180)
            .chain(0xDFFF0..0xE1010)
        {
            let Some(character) = char::from_u32(code) else {
                continue;
            };
            for lines in [false, true] {
                for text in [character.to_string(), format!("a{character}")] {
                    let field = casedb::plain::Field { lines, ..PERSON_NAME };
                    differ.push((text.clone(), lines, field.check(&text).is_ok()));
                }
            }
        }
        let (texts, lines): (Vec<&str>, Vec<bool>) =
            differ.iter().map(|(text, lines, _)| (text.as_str(), *lines)).unzip();
        let sql = "SELECT plain_words(t, 200, l, false) FROM unnest($1::text[], $2::boolean[]) WITH ORDINALITY AS x (t, l, n) ORDER BY n";
        let found = client.query(sql, &[&texts, &lines]).await.unwrap();
        for (row, (text, lines, good)) in found.iter().zip(&differ) {
            assert_eq!(row.get::<_, bool>(0), *good, "{text:?}, lines {lines}");
        }

        // By hand, as the owner: refused, and told without the row.
        let person = add_person(&db, "plain").await;
        for name in ["", " ", "\u{3000}", "a\u{1b}[31m", "a\u{202e}", &"x".repeat(201)] {
            let sql = "UPDATE person SET display_name = $2 WHERE person_id = $1";
            let error = client
                .execute(sql, &[&person.person_id.uuid(), &name])
                .await
                .unwrap_err();
            let error = casedb::Error::from(error).to_string();
            assert!(
                error.contains("the person's name is blank, or has more than 200"),
                "{name:?}: {error}"
            );
            assert!(!error.contains("Invented"), "{error}");
        }
        let path = "UPDATE agency SET path = 'bad-path' WHERE agency_id = $1";
        let error = client.execute(path, &[&person.police_agency_id]).await.unwrap_err();
        let error = casedb::Error::from(error);
        assert!(
            error.to_string().contains("agency_path_words") || error.to_string().contains("syntax"),
            "{error}"
        );
        drop(client);
        test.drop_now().await.unwrap();
    }
}
