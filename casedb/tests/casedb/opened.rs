//! What an administrator, and who may see a zone since it was opened, come to by SQL under their roles.

use casedb::user::{Branch, Role};
use tokio_postgres::Client;

use crate::access::{fill, guarded, user};

async fn rows(client: &Client, who: &casedb::user::User, sql: &str) -> Vec<i64> {
    let role = casedb::access::database_role(who.role);
    let set = format!(
        "BEGIN; SET LOCAL ROLE {role}; SET LOCAL homeward.user_id = '{}'",
        who.user_id
    );
    client.batch_execute(&set).await.unwrap();
    let found = client.query(sql, &[]).await.unwrap();
    client.batch_execute("ROLLBACK").await.unwrap();
    found.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn a_zone_that_is_opened_later_shows_nothing_of_before() {
    const REVISIONS: &str = "SELECT revision FROM zone_revision ORDER BY 1";
    const PUBLICATIONS: &str = "SELECT number FROM zone_publication ORDER BY 1";
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let (police, social) = (
            user(&client, Role::DutyOfficer, Branch::Police).await,
            user(&client, Role::SocialWorker, Branch::SocialWork).await,
        );
        // Two shapes while it was the police's, each published; then it is opened, as it stands.
        client
            .batch_execute(
                "INSERT INTO zone (zone_id, label, kind, audience) VALUES (md5('z')::uuid, 'Shelter', 'exclusion', 'police');
                INSERT INTO zone_revision (zone_id, revision, geometry) VALUES (md5('z')::uuid, 1, '{\"at\": 1}'), (md5('z')::uuid, 2, '{\"at\": 2}');
                INSERT INTO person_zone (person_id, zone_id) VALUES (md5('own')::uuid, md5('z')::uuid);
                INSERT INTO zone_publication (person_id, zone_id, number, label, kind, audience, geometry)
                    SELECT md5('own')::uuid, md5('z')::uuid, n, 'Shelter', 'exclusion', 'police', '{}' FROM generate_series(1, 2) n;",
            )
            .await
            .unwrap();
        assert_eq!(rows(&client, &social, REVISIONS).await, Vec::<i64>::new());
        client
            .batch_execute(
                "UPDATE zone SET audience = 'both';
                INSERT INTO zone_publication (person_id, zone_id, number, label, kind, audience, geometry)
                    VALUES (md5('own')::uuid, md5('z')::uuid, 3, 'Shelter', 'exclusion', 'both', '{}')",
            )
            .await
            .unwrap();
        // What holds now is for both; what was is not.
        assert_eq!(rows(&client, &police, REVISIONS).await, [1, 2]);
        assert_eq!(rows(&client, &social, REVISIONS).await, [2]);
        assert_eq!(rows(&client, &police, PUBLICATIONS).await, [1, 2, 3]);
        assert_eq!(rows(&client, &social, PUBLICATIONS).await, [3]);
        // A new shape: the one that held when it was opened is of before, too.
        client
            .batch_execute(
                "INSERT INTO zone_revision (zone_id, revision, geometry) VALUES (md5('z')::uuid, 3, '{\"at\": 3}')",
            )
            .await
            .unwrap();
        assert_eq!(rows(&client, &police, REVISIONS).await, [1, 2, 3]);
        assert_eq!(rows(&client, &social, REVISIONS).await, [3]);
        drop(client);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_administrator_puts_no_role_where_it_has_no_work() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let administrator = user(&client, Role::Administrator, Branch::Police).await;
        let role = casedb::access::database_role(administrator.role);
        for (new, place, fits) in [
            ("social_worker", "harbour.police", false),
            ("service_provider", "harbour.police", false),
            ("duty_officer", "harbour.police", true),
            ("supervisor", "harbour.police", true),
        ] {
            let set = format!(
                "BEGIN; SET LOCAL ROLE {role}; SET LOCAL homeward.user_id = '{}'",
                administrator.user_id
            );
            for sql in [
                format!(
                    "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
                    VALUES (gen_random_uuid(), 'new.one', 'New', '{new}', md5('{place}')::uuid, 'x')"
                ),
                format!("UPDATE app_user SET role = '{new}' WHERE username = 'analyst.police'"),
            ] {
                client.batch_execute(&set).await.unwrap();
                let done = client.execute(&sql, &[]).await;
                client.batch_execute("ROLLBACK").await.unwrap();
                match done {
                    Ok(rows) => assert!(fits && rows == 1, "{new}: {sql}"),
                    Err(error) => {
                        let error = casedb::Error::from(error);
                        assert!(!fits && error.constraint() == Some("app_user_fits"), "{new}: {error}");
                    }
                }
            }
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}
