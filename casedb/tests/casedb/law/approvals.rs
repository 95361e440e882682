//! Who approves, by SQL: over random requests the database's law and the program's say the same, and under each role nothing that the
//! program would refuse is taken.

use std::collections::BTreeMap;

use super::*;
use casedb::{access, law::Authority};

/// Small numbers out of a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).cast_signed() % most
    }

    fn percent(&mut self, most: i64) -> bool {
        self.below(100) < most
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(i64::try_from(of.len()).unwrap())).unwrap()]
    }
}

const REQUESTS: usize = 400;
const LEAVES: usize = 200;

/// Everybody who might decide: each role in agencies of each kind and level, at, above and beside those of the person.
async fn crowd(client: &casedb::Client) -> Vec<User> {
    client
        .batch_execute(
            "INSERT INTO agency (agency_id, path, name, kind, level, time_zone)
            SELECT md5(path)::uuid, path::ltree, path, kind, level, 'Europe/Oslo' FROM (VALUES
                ('land', 'administration', 'province'), ('land.city', 'administration', 'city'), ('land.city.police', 'police', 'county'),
                ('land.city.social', 'social_work', 'county'), ('land.city.police.post', 'police', NULL), ('land.city.social.town', 'social_work', 'township'),
                ('sea.social', 'social_work', 'county'), ('care', 'service_provider', NULL)) a (path, kind, level);
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            SELECT md5(role || a.path::text)::uuid, role || '.' || replace(a.path::text, '.', '-'), role, role, a.agency_id, 'x'
            FROM unnest(ARRAY['duty_officer', 'social_worker', 'service_provider', 'analyst', 'supervisor', 'auditor', 'administrator']) role, agency a;
            INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
            VALUES (md5('p')::uuid, 'L-1', 'Invented', md5('land.city.police')::uuid, md5('land.city.social')::uuid, 'Europe/Oslo')",
        )
        .await
        .unwrap();
    let names = client
        .query("SELECT username FROM app_user ORDER BY username", &[])
        .await
        .unwrap();
    let mut all = Vec::new();
    for name in names {
        all.push(user::find(client, name.get(0)).await.unwrap().unwrap().0);
    }
    all
}

/// Runs a statement in a savepoint, as the owner or as a user's role; the constraint that refused it, or nothing.
async fn tried(client: &casedb::Client, who: Option<&User>, sql: &str) -> Result<u64, String> {
    client.batch_execute("SAVEPOINT one").await.unwrap();
    if let Some(user) = who {
        let role = access::database_role(user.role);
        let set = format!("SET LOCAL ROLE {role}; SET LOCAL homeward.user_id = '{}'", user.user_id);
        client.batch_execute(&set).await.unwrap();
    }
    let done = client.execute(sql, &[]).await;
    client.batch_execute("ROLLBACK TO one").await.unwrap();
    done.map_err(|error| {
        let error = casedb::Error::from(error);
        error.constraint().map_or_else(|| error.to_string(), str::to_owned)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_and_the_program_agree_on_who_approves_an_order() {
    for test in crate::access::guarded().await {
        let db = Database::connect(&test.url, 2).await.unwrap();
        let client = db.client().await.unwrap();
        let crowd = crowd(&client).await;
        let person = client.query_one("SELECT md5('p')::uuid", &[]).await.unwrap().get(0);
        let person = PersonId::new(person);
        let mut dice = Dice(5);
        let (mut taken, mut as_role) = (BTreeMap::<&str, u32>::new(), 0_u32);
        client.batch_execute("BEGIN").await.unwrap();
        for number in 0..REQUESTS {
            let profile = dice.pick(law::profiles());
            let decider = dice.pick(&crowd);
            // Half of the time by somebody of the one role that most laws name, so that enough is let through.
            let heads: Vec<_> = crowd.iter().filter(|user| user.role == Role::Supervisor).collect();
            let decider = if dice.percent(50) { *dice.pick(&heads) } else { decider };
            let maker = if dice.percent(30) { decider } else { dice.pick(&crowd) };
            let (order, of_extension) = (Uuid::now_v7(), dice.percent(40));
            let court = dice.percent(if profile.approval.authority == Authority::Court {
                80
            } else {
                10
            });
            let (refused, reason) = (dice.percent(30), dice.pick(&["", "because"]));
            let moved = of_extension && dice.percent(20);
            let over = dice.percent(10);
            let other_role = dice.percent(5);
            client.batch_execute("SAVEPOINT request").await.unwrap();
            let ends = if over {
                "interval '-1 hour'"
            } else {
                "interval '30 days'"
            };
            client
                .batch_execute(&format!(
                    "INSERT INTO supervision_order (order_id, person_id, profile, legal_basis, starts_at, ends_at, made_by)
                    VALUES ('{order}', md5('p')::uuid, '{}', 'x', now() - interval '2 days', now() + {ends}, '{}');
                    INSERT INTO order_extension (extension_id, order_id, from_end, to_end, reason, requested_by, requested_at)
                    SELECT order_id, order_id, ends_at - interval '{} days', ends_at + interval '9 days', 'x', '{}', now() FROM supervision_order
                    WHERE order_id = '{order}'",
                    profile.name,
                    if of_extension { crowd[0].user_id } else { maker.user_id },
                    i32::from(moved),
                    maker.user_id,
                ))
                .await
                .unwrap();
            let approver = order::approver(&client, decider, person).await.unwrap();
            let lawful = profile
                .check_approver(&approver, maker.user_id == decider.user_id, court.then_some("AG 1"))
                .is_ok()
                && !over
                && (refused || !moved)
                && (!refused || !reason.trim().is_empty())
                && !other_role;
            let said = if other_role {
                "auditor_general"
            } else {
                decider.role.name()
            };
            let sql = format!(
                "INSERT INTO order_approval (approval_id, order_id, extension_id, decision, decided_by, role, agency_id, agency_level, court, reference, reason, decided_at)
                VALUES (gen_random_uuid(), '{order}', {}, '{}', '{}', '{said}', '{}', {}, '{}', '{}', '{reason}', clock_timestamp())",
                if of_extension { format!("'{order}'") } else { "NULL".to_owned() },
                if refused { "refused" } else { "approved" },
                decider.user_id,
                decider.agency_id,
                approver.level.map_or("NULL".to_owned(), |level| format!("'{level}'")),
                if court { "AG" } else { "" },
                if court { "1" } else { "" },
            );
            let told = format!(
                "{number}: {} of {} under {}, made by {}, court {court}, extension {of_extension}, refused {refused} {reason:?}",
                decider.role.name(),
                decider.agency_path,
                profile.name,
                maker.username
            );
            let by_sql = tried(&client, None, &sql).await;
            assert_eq!(by_sql.is_ok(), lawful, "{told}: {by_sql:?}");
            if let Err(rule) = &by_sql {
                assert_eq!(rule, "order_approval_lawful", "{told}");
            }
            *taken.entry(if lawful { "lawful" } else { "refused" }).or_default() += 1;
            // As the role: never more than the law; and what is lawful, for those who work on cases and see the person.
            let sees = tried(&client, Some(decider), "UPDATE supervision_order SET conditions = 'y'")
                .await
                .is_ok_and(|rows| rows > 0);
            let by_role = tried(&client, Some(decider), &sql).await;
            assert_eq!(by_role.is_ok(), lawful && sees, "{told}, sees {sees}: {by_role:?}");
            as_role += u32::from(by_role.is_ok());
            if lawful && sees {
                // In nobody else's name, and not for a time before; and who drew it up does not become another.
                for (old, new) in [
                    (
                        format!("'{}', '{said}'", decider.user_id),
                        format!("'{}', '{said}'", crowd[0].user_id),
                    ),
                    (
                        "clock_timestamp()".to_owned(),
                        "clock_timestamp() - interval '2 hours'".to_owned(),
                    ),
                ] {
                    let forged = sql.replace(&old, &new);
                    assert_ne!(forged, sql);
                    assert!(
                        tried(&client, Some(decider), &forged).await.is_err(),
                        "{told}: {forged}"
                    );
                }
                let remade = format!("UPDATE supervision_order SET made_by = NULL WHERE order_id = '{order}'");
                assert_eq!(
                    tried(&client, None, &remade).await.unwrap_err(),
                    "supervision_order_made"
                );
                // A role may not name the column at all.
                assert!(tried(&client, Some(decider), &remade).await.is_err(), "{told}");
                let past = format!(
                    "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at)
                    VALUES ('{order}', md5('p')::uuid, now() - interval '1 day', now() + interval '9 days')"
                );
                assert_eq!(
                    tried(&client, Some(decider), &past).await.unwrap_err(),
                    "order_past_term_lawful"
                );
            }
            client.batch_execute("ROLLBACK TO request").await.unwrap();
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        assert!(
            taken["lawful"] > 10 && taken["refused"] > 100 && as_role > 5,
            "{taken:?} {as_role}"
        );
        drop((client, db));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_and_the_program_agree_on_who_approves_leave() {
    for test in crate::access::guarded().await {
        let db = Database::connect(&test.url, 2).await.unwrap();
        let client = db.client().await.unwrap();
        let crowd = crowd(&client).await;
        let person = PersonId::new(client.query_one("SELECT md5('p')::uuid", &[]).await.unwrap().get(0));
        let mut dice = Dice(6);
        let (mut lawful_ones, mut as_role) = (0_u32, 0_u32);
        // Days around both changes of the clock.
        let spring: Timestamp = "2030-03-20T00:30:00Z".parse().unwrap();
        client.batch_execute("BEGIN").await.unwrap();
        for number in 0..LEAVES {
            client.batch_execute("SAVEPOINT request").await.unwrap();
            let profile = dice.pick(law::profiles());
            let decider = dice.pick(&crowd);
            let asker = if dice.percent(30) { decider } else { dice.pick(&crowd) };
            let from = spring + dice.below(400 * 24).hours();
            let days = *dice.pick(&[1, 6, 7, 8, 29, 30, 31, 60]);
            let until = from + (days * 24).hours() + (dice.below(5) - 2).minutes() + (dice.below(3) - 1).hours();
            let mut before = String::new();
            for place in 0..dice.below(3) {
                // Passes just before, or just after, some withdrawn.
                let gap = dice.below(30);
                let (start, end) = if place == 0 {
                    (from - (gap + 48).hours(), from - gap.hours())
                } else {
                    (until + gap.hours(), until + (gap + 48).hours())
                };
                let gone = if dice.percent(30) {
                    format!("'{}'", start + 24.hours())
                } else {
                    "NULL".to_owned()
                };
                let pass = format!(
                    "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, approved_by, created_by, withdrawn_at)
                    VALUES (gen_random_uuid(), md5('p')::uuid, '{start}', '{end}', 'r', 'somebody', NULL, {gone});"
                );
                before.push_str(&pass);
            }
            let leave = Uuid::now_v7();
            client
                .batch_execute(&format!(
                    "SELECT set_config('homeward.import', 'on', true);
                    INSERT INTO supervision_order (order_id, person_id, profile, legal_basis, starts_at, ends_at, effective_from)
                    VALUES (gen_random_uuid(), md5('p')::uuid, '{}', 'x', '2029-01-01', '2040-01-01', '2029-01-01'); {before}
                    SELECT set_config('homeward.import', '', true);
                    INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, created_by, state)
                    VALUES ('{leave}', md5('p')::uuid, '{from}', '{until}', 'r', '{}', 'requested')",
                    profile.name, asker.user_id
                ))
                .await
                .unwrap();
            let approver = order::approver(&client, decider, person).await.unwrap();
            let request = leave::request(&client, leave).await.unwrap();
            let (counted, _) = leave::tier(&client, &request).await.unwrap();
            let sql = format!("SELECT leave_length(l) FROM leave_pass l WHERE l.leave_id = '{leave}'");
            let by_sql: i32 = client.query_one(&sql, &[]).await.unwrap().get(0);
            let told = format!(
                "{number}: {from} to {until}, {counted} days, by {} of {} under {}, asked by {}",
                decider.role.name(),
                decider.agency_path,
                profile.name,
                asker.username
            );
            assert_eq!(by_sql, counted.cast_signed(), "{told}");
            let may = leave::may_decide(&client, &request, decider, &approver).await.unwrap();
            let decide = format!(
                "UPDATE leave_pass SET state = 'approved', decided_by = '{}', decided_at = clock_timestamp(), approved_by = '{}' WHERE leave_id = '{leave}'",
                decider.user_id, decider.username
            );
            let by_owner = tried(&client, None, &decide).await;
            // Who asked is also held by the older constraint.
            assert_eq!(by_owner.is_ok(), may, "{told}: {by_owner:?}");
            let sees = tried(
                &client,
                Some(decider),
                "UPDATE leave_pass SET decision_note = decision_note",
            )
            .await
            .is_ok_and(|rows| rows > 0);
            let by_role = tried(&client, Some(decider), &decide).await;
            assert_eq!(
                by_role.as_ref().is_ok_and(|rows| *rows == 1),
                may && sees,
                "{told}, sees {sees}: {by_role:?}"
            );
            lawful_ones += u32::from(may);
            as_role += u32::from(by_role.is_ok_and(|rows| rows == 1));
            // Told as approved: where the law lets it be told of that length, and never with a decider of one's own making.
            let told_leave = format!(
                "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, created_by, approved_by)
                VALUES (gen_random_uuid(), md5('p')::uuid, '{from}', '{until}', 'r', '{}', 'somebody')",
                asker.user_id
            );
            let tier = profile.leave_tier(counted).unwrap();
            assert_eq!(tried(&client, None, &told_leave).await.is_ok(), tier.told, "{told}");
            let forged = told_leave
                .replace("approved_by)", "approved_by, decided_by, decided_at)")
                .replace("'somebody')", &format!("'somebody', '{}', now())", crowd[0].user_id));
            assert!(tried(&client, None, &forged).await.is_err(), "{told}");
            // What was asked for stays as it was asked.
            for sql in [
                format!("UPDATE leave_pass SET ends_at = ends_at + interval '1 day' WHERE leave_id = '{leave}'"),
                format!("UPDATE leave_pass SET created_by = NULL WHERE leave_id = '{leave}'"),
            ] {
                assert_eq!(tried(&client, None, &sql).await.unwrap_err(), "leave_pass_lawful");
            }
            client.batch_execute("ROLLBACK TO request").await.unwrap();
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        assert!(lawful_ones > 8 && as_role > 4, "{lawful_ones} {as_role}");
        drop((client, db));
        test.drop_now().await.unwrap();
    }
}
