//! What somebody wrote about a person, and where the person's home lies, is for nobody who only counts and queries.

use std::fmt::Write as _;

use super::*;

/// As it is planted into every free text about people.
const WORD: &str = "QZXWORD";
/// The corner of a zone, as no report of anybody says it.
const CORNER: [&str; 2] = ["121.98765", "31.45678"];
/// Free texts about people. Column by column over all tables: `casedb/tests/casedb/access.rs`.
const TEXTS: &[(&str, &str)] = &[
    ("zone", "label"),
    ("supervision_order", "legal_basis"),
    ("supervision_order", "grounds"),
    ("supervision_order", "conditions"),
    ("person", "display_name"),
    ("incident_action", "text"),
    ("notification", "recipient"),
    ("notification", "last_error"),
];

async fn plant(room: &Room) -> Result<()> {
    let mut sql =
        "ALTER TABLE incident DISABLE TRIGGER USER; ALTER TABLE zone_revision DISABLE TRIGGER USER;".to_owned();
    for (table, column) in TEXTS {
        write!(
            sql,
            "ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {column} = '{WORD} of {table}';"
        )?;
    }
    let [longitude, latitude] = CORNER;
    write!(
        sql,
        r#"UPDATE zone_revision SET geometry = '{{"type": "Point", "coordinates": [{longitude}, {latitude}]}}', radius_m = 70;
        UPDATE incident SET suspended_until = now() + interval '1 hour', suspended_authority = '{WORD} court', suspended_reason = '{WORD} ill'"#
    )?;
    room.sql(&sql).await
}

fn told(text: &str) -> Vec<&str> {
    [WORD, CORNER[0], CORNER[1]]
        .into_iter()
        .filter(|planted| text.contains(planted))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_is_told_no_word_and_no_home_on_any_route() -> Result<()> {
    let room = room!();
    plant(&room).await?;
    let (novak, chen) = (room.log_in("novak").await?, room.log_in("chen.yu").await?);
    let mut ids: Vec<String> = room.fixture.people.iter().map(Uuid::to_string).collect();
    ids.extend(room.fixture.incidents.iter().map(|(_, id)| id.to_string()));
    let (mut answers, mut officers) = (0, std::collections::BTreeSet::new());
    for (method, path, admission) in ROUTES {
        if *method != "get"
            || *admission == Admission::Public
            || path.ends_with(".pmtiles")
            || path.ends_with("/stream")
        {
            continue;
        }
        let paths: Vec<String> = if path.contains("{id}") {
            ids.iter().map(|id| path.replace("{id}", id)).collect()
        } else {
            vec![(*path).to_owned()]
        };
        for path in paths {
            for asked in [path.clone(), why(&path)] {
                let response = novak.send(Method::GET, &asked, None).await?;
                let (status, text) = (response.status(), response.text().await?);
                assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{asked}");
                assert_eq!(told(&text), Vec::<&str>::new(), "{asked}: {text}");
                answers += u32::from(status.is_success());
            }
            let response = chen.send(Method::GET, &path, None).await?;
            officers.extend(told(&response.text().await?).into_iter().map(str::to_owned));
        }
    }
    assert!(answers > 20, "{answers}");
    assert_eq!(officers.len(), 3, "who handles incidents reads all of it: {officers:?}");
    // Zones are named by what they ask.
    let incident = novak
        .get(&format!("/api/v1/incidents/{}", room.fixture.incident("both")))
        .await?;
    assert_eq!(incident["zone"]["label"], "inclusion");
    assert_eq!(incident["zones"], json!([]));

    // What is told live is told as it is read.
    let mut stream = Stream::open(&novak).await?;
    let both = room.fixture.incident("both");
    room.sql(&format!("NOTIFY homeward_incident, '{both}'")).await?;
    let change = stream
        .next("incident", Duration::from_secs(20))
        .await?
        .context("nothing was told")?;
    assert_eq!(told(&change.to_string()), Vec::<&str>::new(), "{change}");
    let row = &change["incident"];
    assert_eq!(row["person"]["display_name"], row["person"]["reference"]);
    assert_eq!(
        (&row["zone"]["label"], &row["suspended"]["reason"]),
        (&json!("inclusion"), &json!(""))
    );
    room.close().await
}
