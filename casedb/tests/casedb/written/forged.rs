//! Rows that a role would write by hand so that something holds which nobody decided: each is refused, and what the program writes under
//! the same role is taken.

use alerts::{
    lifecycle::course::{Change, Phase, Record, Root, Who},
    priority::order::{Rule, check},
};
use casedb::{
    access::{
        self, Purpose,
        glass::{self, Opening},
    },
    command::{self, Instruction, Outcome, Request},
    order,
    user::{Branch, Role, User},
};
use jiff::Timestamp;
use proto::{OrderId, PersonId};
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::access::{fill, guarded, id, user};

/// Runs statements as a user's role, one transaction, to its end; what refused it.
async fn write(client: &Client, me: &User, statements: &[&str]) -> Result<(), String> {
    let role = access::database_role(me.role);
    let begin = format!(
        "BEGIN; SET LOCAL ROLE {role}; SET LOCAL homeward.user_id = '{}'",
        me.user_id
    );
    client.batch_execute(&begin).await.unwrap();
    for sql in statements.iter().chain(&["COMMIT"]) {
        if let Err(error) = client.batch_execute(sql).await {
            client.batch_execute("ROLLBACK").await.unwrap();
            let error = error.as_db_error().unwrap();
            return Err(format!(
                "{} {} {}",
                error.code().code(),
                error.constraint().unwrap_or_default(),
                error.message()
            ));
        }
    }
    Ok(())
}

/// Each is refused by a rule or a missing right, not by a slip of the statement.
async fn refused(client: &Client, me: &User, all: &[&str]) {
    for sql in all {
        let Err(told) = write(client, me, &[sql]).await else {
            panic!("taken: {sql}")
        };
        assert!(told.starts_with("42501") || told.starts_with("23514"), "{sql}: {told}");
    }
}

async fn owner(client: &Client, sql: &str) {
    let sql = format!("BEGIN; SET LOCAL homeward.import = 'on'; {sql}; COMMIT");
    client.batch_execute(&sql).await.unwrap();
}

/// Another person of the same branch, who wears nothing; a cn order of the first that is in force, and one that waits for its effect; an
/// order with reviews; devices here and in another branch.
const PLACES: &str = "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
        VALUES (md5('second')::uuid, 'A-2', 'Invented', md5('harbour.police')::uuid, md5('harbour.social')::uuid, 'Asia/Shanghai');
    INSERT INTO supervision_order (order_id, person_id, profile, legal_basis, ground_codes, starts_at, ends_at, made_by, effective_from, lapses_at) VALUES
        (md5('cn')::uuid, md5('own')::uuid, 'cn', 'act', '{left_area}', now() - interval '9 days', now() + interval '30 days', md5('social_workersocial')::uuid, now() - interval '9 days', NULL),
        (md5('draft')::uuid, md5('second')::uuid, 'cn', 'act', '{left_area}', now() - interval '84 days', now() + interval '3 days', md5('social_workersocial')::uuid, NULL, NULL),
        (md5('gb')::uuid, md5('own')::uuid, 'gb-ew', 'act', '{}', now() - interval '60 days', now() + interval '900 days', md5('social_workersocial')::uuid, now() - interval '60 days', now() + interval '30 days'),
        (md5('lapsed')::uuid, md5('second')::uuid, 'gb-ew', 'act', '{}', now() - interval '60 days', now() + interval '900 days', md5('social_workersocial')::uuid, now() - interval '60 days', now() - interval '1 hour');
    INSERT INTO order_review (review_id, order_id, kind, due_at) SELECT md5('review' || o.order_id)::uuid, o.order_id, 'periodic', o.lapses_at
        FROM supervision_order o WHERE o.profile = 'gb-ew';
    INSERT INTO order_approval (approval_id, order_id, decision, decided_by, role, agency_id, decided_at)
        VALUES (md5('approval')::uuid, md5('draft')::uuid, 'approved', md5('supervisorsocial')::uuid, 'supervisor', md5('harbour.social')::uuid, now() - interval '84 days'),
            (md5('entered')::uuid, md5('lapsed')::uuid, 'approved', md5('supervisorsocial')::uuid, 'supervisor', md5('harbour.social')::uuid, now() - interval '84 days');
    INSERT INTO order_notice (notice_id, order_id, step, given_to, done_at, recorded_by)
        SELECT gen_random_uuid(), o.order_id, s, 'x', now() - interval '84 days', md5('social_workersocial')::uuid
        FROM supervision_order o CROSS JOIN law_steps(o.profile, false) s WHERE o.order_id IN (md5('draft')::uuid, md5('lapsed')::uuid);
    INSERT INTO device (device_id, protocol, identity) VALUES (md5('here')::uuid, 'native', 'HW-1'), (md5('there')::uuid, 'native', 'HW-2');
    INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at) VALUES
        (md5('here')::uuid, md5('here')::uuid, md5('own')::uuid, now() - interval '1 day'), (md5('there')::uuid, md5('there')::uuid, md5('foreign')::uuid, now() - interval '1 day')";

#[tokio::test]
async fn no_row_written_by_hand_gives_an_order_force_that_nobody_gave_it() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        owner(&client, PLACES).await;
        let me = user(&client, Role::SocialWorker, Branch::SocialWork).await;
        refused(&client, &me, &[
            // A basis from any time to any time, for anybody.
            "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at) VALUES (md5('cn')::uuid, md5('second')::uuid, '2020-01-01', '2060-01-01')",
            "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at) VALUES (md5('draft')::uuid, md5('second')::uuid, '2020-01-01', '2060-01-01')",
            "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at) SELECT order_id, person_id, effective_from, lapses_at FROM supervision_order WHERE order_id = md5('gb')::uuid",
            "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at) SELECT order_id, md5('own')::uuid, effective_from, lapses_at FROM supervision_order WHERE order_id = md5('lapsed')::uuid",
            "INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at) SELECT order_id, person_id, effective_from, lapses_at + interval '1 s' FROM supervision_order WHERE order_id = md5('lapsed')::uuid",
            // Of somebody else; on other grounds; by somebody else; at another time.
            "UPDATE supervision_order SET person_id = md5('second')::uuid WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET ground_codes = '{refuses}' WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET grounds = 'other', legal_basis = 'x' WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET made_by = NULL WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET created_at = '2020-01-01' WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET starts_at = starts_at - interval '1 day' WHERE order_id = md5('draft')::uuid",
            // In force for the past, for ever, again.
            "UPDATE supervision_order SET effective_from = now() - interval '84 days' WHERE order_id = md5('draft')::uuid",
            "UPDATE supervision_order SET effective_from = now() WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET effective_from = now() WHERE order_id = md5('gb')::uuid",
            "UPDATE supervision_order SET effective_from = now() WHERE order_id = md5('lapsed')::uuid",
            "UPDATE supervision_order SET effective_from = NULL WHERE order_id = md5('cn')::uuid",
            // Interrupted, and mended again.
            "UPDATE supervision_order SET lapses_at = now() WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET lapses_at = now() + interval '20 days' WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET ends_at = 'infinity' WHERE order_id = md5('cn')::uuid",
            "UPDATE supervision_order SET revoked_at = '-infinity' WHERE order_id = md5('cn')::uuid",
            "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at, made_by) VALUES (gen_random_uuid(), md5('own')::uuid, 'x', now(), 'infinity', md5('social_workersocial')::uuid)",
            "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at, made_by, effective_from) VALUES (gen_random_uuid(), md5('own')::uuid, 'x', now(), now() + interval '1 day', md5('social_workersocial')::uuid, now())",
            // Steps and decisions of other times.
            "INSERT INTO order_notice (notice_id, order_id, step, given_to, done_at, recorded_by) VALUES (gen_random_uuid(), md5('draft')::uuid, 'copy_sent', 'x', now() - interval '84 days', md5('social_workersocial')::uuid)",
            "INSERT INTO order_notice (notice_id, order_id, step, given_to, done_at, recorded_by) VALUES (gen_random_uuid(), md5('draft')::uuid, 'copy_sent', 'x', now() + interval '1 day', md5('social_workersocial')::uuid)",
            "INSERT INTO order_approval (approval_id, order_id, decision, decided_by, role, agency_id, decided_at) VALUES (gen_random_uuid(), md5('gb')::uuid, 'approved', md5('social_workersocial')::uuid, 'social_worker', md5('harbour.social')::uuid, now() - interval '84 days')",
            // Reviews by somebody else, of the future, after which none is due.
            "UPDATE order_review SET outcome = 'continue', note = 'x', done_by = md5('supervisorsocial')::uuid, done_at = now(), done_recorded_at = now(), next_due_at = now() + interval '80 days'",
            "UPDATE order_review SET outcome = 'continue', note = 'x', done_by = md5('social_workersocial')::uuid, done_at = '2028-10-01', done_recorded_at = now(), next_due_at = '2028-12-30'",
            "UPDATE order_review SET outcome = 'continue', note = 'x', done_by = md5('social_workersocial')::uuid, done_at = now(), done_recorded_at = now(), next_due_at = now() + interval '120 days' WHERE order_id = md5('gb')::uuid",
            "INSERT INTO order_review (review_id, order_id, kind, due_at) VALUES (gen_random_uuid(), md5('cn')::uuid, 'periodic', 'infinity')",
            "INSERT INTO order_review (review_id, order_id, kind, due_at) VALUES (gen_random_uuid(), md5('cn')::uuid, 'asked', now() + interval '1 year')",
            "INSERT INTO order_review (review_id, order_id, kind, due_at, outcome, done_by, done_at, done_recorded_at) VALUES (gen_random_uuid(), md5('gb')::uuid, 'asked', now(), 'continue', md5('social_workersocial')::uuid, now(), now())",
        ]).await;
        // A lapsed stretch as it is; the draft takes effect now; a review by the program, which takes the lapsed order up again.
        let now = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
        write(
            &client,
            &me,
            &["UPDATE supervision_order SET effective_from = now() WHERE order_id = md5('draft')::uuid"],
        )
        .await
        .unwrap();
        let db = casedb::Database::connect(&test.url, 2).await.unwrap();
        let mut pooled = db.client().await.unwrap();
        let head = user(&client, Role::Supervisor, Branch::SocialWork).await;
        let tx = access::begin(&mut pooled, &head).await.unwrap();
        let lapsed = OrderId::new(id(&client, "lapsed").await);
        order::review(&tx, lapsed, order::Outcome::Continue, "seen", head.user_id, now)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let past: i64 = client
            .query_one("SELECT count(*) FROM order_past_term", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(past, 1);
        drop((pooled, db));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn no_rule_of_priorities_is_written_that_the_program_would_refuse() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        owner(&client, PLACES).await;
        // Every kind with every change, alone and by twos: the database and the program say the same.
        let kinds = proto::event::KINDS
            .into_iter()
            .map(proto::event::kind_name)
            .chain(["all", "nonsense"]);
        let changes = ["+0", "+1", "+3", "+4", "-1", "-2", "-3", "-4", "P1", "P2", "P3", "P4"];
        let (mut lawful, mut refused_ones) = (0, 0);
        for kind in kinds {
            for change in changes {
                let change = match change.split_at(1) {
                    ("+", steps) => serde_json::json!({"raise": steps.parse::<u8>().unwrap()}),
                    ("-", steps) => serde_json::json!({"lower": steps.parse::<u8>().unwrap()}),
                    _ => serde_json::json!({"fixed": change}),
                };
                let rule = serde_json::json!({"kind": kind, "change": change});
                for rules in [serde_json::json!([rule]), serde_json::json!([rule, rule])] {
                    let read = serde_json::from_value::<Vec<Rule>>(rules.clone());
                    let ours = read.is_ok_and(|rules| check(&rules).is_ok());
                    let wrong: Option<String> = client
                        .query_one("SELECT order_rules_wrong($1)", &[&rules])
                        .await
                        .unwrap()
                        .get(0);
                    assert_eq!(wrong.is_none(), ours, "{rules}: {wrong:?}");
                    *(if ours { &mut lawful } else { &mut refused_ones }) += 1;
                }
            }
        }
        assert!(lawful > 100 && refused_ones > 300, "{lawful} {refused_ones}");
        let me = user(&client, Role::SocialWorker, Branch::SocialWork).await;
        for (rules, from) in [
            ("[42]", "now()"),
            ("{}", "now()"),
            (r#"["sos"]"#, "now()"),
            (r#"[{"kind": "sos"}]"#, "now()"),
            (r#"[{"kind": "sos", "change": 4}]"#, "now()"),
            (r#"[{"kind": "sos", "change": {}}]"#, "now()"),
            (r#"[{"kind": "sos", "change": {"raise": 1.5}}]"#, "now()"),
            (r#"[{"kind": "sos", "change": {"raise": 1, "lower": 1}}]"#, "now()"),
            (r#"[{"kind": "sos", "change": {"fixed": "P4"}}]"#, "now()"),
            ("[]", "'2020-01-01'"),
            ("[]", "'infinity'"),
        ] {
            let sql = format!(
                "INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by) VALUES (md5('cn')::uuid, 1, {from}, '{rules}', 'x', md5('social_workersocial')::uuid)"
            );
            refused(&client, &me, &[&sql]).await;
        }
        let taken = r#"INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by)
            VALUES (md5('cn')::uuid, 1, now(), '[{"kind": "silence", "change": {"raise": 1}}]', 'x', md5('social_workersocial')::uuid)"#;
        write(&client, &me, &[taken]).await.unwrap();
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn leave_is_what_was_asked_for() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let me = user(&client, Role::SocialWorker, Branch::SocialWork).await;
        let head = user(&client, Role::Supervisor, Branch::SocialWork).await;
        let ask = "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, created_by, state)
            VALUES (md5('leave')::uuid, md5('own')::uuid, now() + interval '1 day', now() + interval '3 days', 'visit', md5('social_workersocial')::uuid, 'requested')";
        write(&client, &me, &[ask]).await.unwrap();
        refused(&client, &me, &[
            "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, approved_by, state, created_by, decided_by, decided_at)
                VALUES (gen_random_uuid(), md5('own')::uuid, now(), now() + interval '400 days', 'x', 'x', 'approved', md5('social_workersocial')::uuid, md5('supervisorsocial')::uuid, now())",
            "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, approved_by, created_by)
                VALUES (gen_random_uuid(), md5('own')::uuid, '1800-01-01', now() + interval '1 day', 'x', 'x', md5('social_workersocial')::uuid)",
            "UPDATE leave_pass SET ends_at = ends_at + interval '10 years'",
            "UPDATE leave_pass SET created_by = md5('supervisorsocial')::uuid",
            "UPDATE leave_pass SET state = 'approved', approved_by = 'supervisor.social', decided_by = md5('supervisorsocial')::uuid, decided_at = now()",
            "UPDATE leave_pass SET state = 'approved', approved_by = 'supervisor.social'",
        ]).await;
        refused(&client, &head, &[
            "UPDATE leave_pass SET state = 'approved', approved_by = 'x', decided_by = md5('supervisorsocial')::uuid, decided_at = now() - interval '1 day'",
        ]).await;
        let approve = "UPDATE leave_pass SET state = 'approved', approved_by = 'supervisor.social', decided_by = md5('supervisorsocial')::uuid, decided_at = now()";
        write(&client, &head, &[approve]).await.unwrap();
        write(&client, &me, &["UPDATE leave_pass SET withdrawn_at = now()"])
            .await
            .unwrap();
        refused(
            &client,
            &head,
            &[
                "UPDATE leave_pass SET withdrawn_at = NULL",
                "UPDATE leave_pass SET state = 'refused'",
                "UPDATE leave_pass SET approved_by = 'somebody'",
                "UPDATE leave_pass SET decided_at = now() + interval '1 minute'",
            ],
        )
        .await;
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn no_command_is_written_that_the_program_would_not_place() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        owner(&client, PLACES).await;
        let me = user(&client, Role::SocialWorker, Branch::SocialWork).await;
        let insert = |device: &str, person: &str, kind: &str, parameters: &str, from: &str, until: &str| {
            format!(
                "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose, idempotency_key, created_at, not_before, expires_at)
                VALUES (gen_random_uuid(), md5('{device}')::uuid, md5('{person}')::uuid, '{kind}', '{parameters}', md5('social_workersocial')::uuid, 'duty', gen_random_uuid()::text,
                    {from}, {from}, {until})"
            )
        };
        let hour = "now() + interval '1 hour'";
        let text = r#"{"kind": "text", "text": "hi"}"#;
        write(&client, &me, &[&insert("here", "own", "text", text, "now()", hour)])
            .await
            .unwrap();
        for wrong in [
            insert("there", "own", "text", text, "now()", hour),
            insert("there", "foreign", "text", text, "now()", hour),
            insert("here", "second", "text", text, "now()", hour),
            insert("here", "own", "text", text, "now()", "'2090-01-01'"),
            insert("here", "own", "text", text, "now()", "'infinity'"),
            insert("here", "own", "text", text, "'2020-01-01'::timestamptz", hour),
            insert(
                "here",
                "own",
                "text",
                "{\"kind\": \"text\", \"text\": \"<RESET>\\n#\"}",
                "now()",
                hour,
            ),
            insert("here", "own", "text", r#"{"kind": "text"}"#, "now()", hour),
            insert("here", "own", "text", r#"{"kind": "text", "text": 5}"#, "now()", hour),
            insert(
                "here",
                "own",
                "text",
                r#"{"kind": "text", "text": "hi", "more": 1}"#,
                "now()",
                hour,
            ),
            insert(
                "here",
                "own",
                "interval",
                r#"{"kind": "interval", "seconds": 99999999999}"#,
                "now()",
                hour,
            ),
            insert(
                "here",
                "own",
                "interval",
                r#"{"kind": "interval", "seconds": 0}"#,
                "now()",
                hour,
            ),
            insert(
                "here",
                "own",
                "interval",
                r#"{"kind": "interval", "seconds": 1.5}"#,
                "now()",
                hour,
            ),
            insert(
                "here",
                "own",
                "interval",
                r#"{"kind": "interval", "seconds": "60"}"#,
                "now()",
                hour,
            ),
            insert("here", "own", "interval", r#"{"kind": "interval"}"#, "now()", hour),
            insert(
                "here",
                "own",
                "vibrate",
                r#"{"kind": "vibrate", "text": "hi"}"#,
                "now()",
                hour,
            ),
        ] {
            refused(&client, &me, &[&wrong]).await;
        }
        refused(&client, &me, &[
            "UPDATE device_command SET state = 'sent', sent_at = now()",
            "UPDATE device_command SET state = 'sent'",
            "UPDATE device_command SET expires_at = '2090-01-01'",
            "UPDATE device_command SET state = 'expired', outcome = 'not_connected', ended_at = now()",
            "UPDATE device_command SET state = 'cancelled', outcome = 'superseded', ended_at = now()",
            "UPDATE device_command SET state = 'cancelled', outcome = 'not_needed', ended_at = now()",
            "UPDATE device_command SET state = 'cancelled', outcome = 'cancelled', ended_at = now()",
            "UPDATE device_command SET state = 'cancelled', outcome = 'cancelled', ended_at = now(), cancelled_by = md5('supervisorsocial')::uuid",
            "UPDATE device_command SET state = 'cancelled', outcome = 'cancelled', ended_at = '2090-01-01', cancelled_by = md5('social_workersocial')::uuid",
        ]).await;
        // What the program writes as the role: a pursuit with its way back, one that takes its place, and taking back; twenty at most.
        let db = casedb::Database::connect(&test.url, 2).await.unwrap();
        let mut pooled = db.client().await.unwrap();
        let person = PersonId::new(id(&client, "own").await);
        let place = async |pooled: &mut _, instruction: Instruction| {
            let tx = access::begin(pooled, &me).await.unwrap();
            let now = command::clock(&tx).await.unwrap();
            let request = Request {
                person_id: person,
                device_id: None,
                instruction,
                requested_by: me.user_id,
                purpose: Purpose::Duty,
                case_number: "",
                idempotency_key: None,
                waits: None,
            };
            let placed = command::place_in(&tx, &request, now).await.unwrap();
            tx.commit().await.unwrap();
            placed.command
        };
        place(
            &mut pooled,
            Instruction::Interval {
                seconds: 10,
                for_seconds: 600,
            },
        )
        .await;
        let second = place(
            &mut pooled,
            Instruction::Interval {
                seconds: 20,
                for_seconds: 600,
            },
        )
        .await;
        place(&mut pooled, Instruction::Locate).await;
        let tx = access::begin(&mut pooled, &me).await.unwrap();
        let now = command::clock(&tx).await.unwrap();
        let taken = command::cancel_in(&tx, second.command_id, me.user_id, now)
            .await
            .unwrap();
        assert_eq!(taken.outcome, Some(Outcome::Cancelled));
        tx.commit().await.unwrap();
        let twenty: Vec<String> = (0..20)
            .map(|_| insert("here", "own", "text", text, "now()", hour))
            .collect();
        let twenty: Vec<&str> = twenty.iter().map(String::as_str).collect();
        assert!(write(&client, &me, &twenty).await.unwrap_err().contains("twenty"));
        drop((pooled, db));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn emergency_access_is_told_or_opens_nothing() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let me = user(&client, Role::DutyOfficer, Branch::Police).await;
        let open =
            "SELECT open_break_glass(md5('glass')::uuid, md5('foreign')::uuid, 'reason reason reason', 'C-1', 60)";
        let told = write(&client, &me, &[open]).await.unwrap_err();
        assert!(told.contains("both sides"), "{told}");
        // Nothing is seen before it is committed, either: it could be rolled back.
        let peek =
            "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM person WHERE person_id = md5('foreign')::uuid), 'seen'; END $$";
        let told = write(&client, &me, &[open, peek]).await.unwrap_err();
        assert!(told.contains("both sides"), "{told}");
        let db = casedb::Database::connect(&test.url, 2).await.unwrap();
        let mut pooled = db.client().await.unwrap();
        let tx = access::begin(&mut pooled, &me).await.unwrap();
        let opening = Opening {
            id: Uuid::now_v7(),
            reference: "B-1",
            reason: "somebody is in danger",
            case_number: "C-1",
            minutes: 60,
        };
        glass::open(&tx, &me, opening, Timestamp::now()).await.unwrap();
        tx.commit().await.unwrap();
        let tx = access::begin(&mut pooled, &me).await.unwrap();
        let seen = tx
            .query("SELECT FROM person WHERE reference = 'B-1'", &[])
            .await
            .unwrap();
        assert_eq!(seen.len(), 1);
        drop(tx);
        let head = user(&client, Role::Supervisor, Branch::Police).await;
        refused(&client, &head, &[
            "UPDATE break_glass SET reviewed_by = md5('supervisorsocial')::uuid, reviewed_at = now(), finding = 'confirmed'",
            "UPDATE break_glass SET reviewed_by = md5('supervisorpolice')::uuid, reviewed_at = now() - interval '1 day', finding = 'confirmed'",
            "UPDATE break_glass SET closed_at = '2090-01-01'",
        ]).await;
        write(&client, &me, &["UPDATE break_glass SET closed_at = now()"])
            .await
            .unwrap();
        refused(&client, &me, &["UPDATE break_glass SET closed_at = NULL"]).await;
        let tx = access::begin(&mut pooled, &head).await.unwrap();
        let glass: Uuid = client
            .query_one("SELECT break_glass_id FROM break_glass", &[])
            .await
            .unwrap()
            .get(0);
        glass::review(&tx, &head, glass, true, "nobody was in danger", Timestamp::now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        refused(
            &client,
            &head,
            &[
                "UPDATE break_glass SET finding = 'confirmed'",
                "UPDATE break_glass SET reviewed_by = NULL, reviewed_at = NULL, finding = NULL",
                "UPDATE break_glass SET review_note = 'all well'",
                "UPDATE break_glass SET reviewed_at = now()",
            ],
        )
        .await;
        drop((pooled, db));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn messages_notes_outcomes_and_publications_are_not_forged() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        owner(
            &client,
            "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_revision, rules_revision, onset_at, decided_at, late, payload)
                SELECT md5(p)::uuid, md5(p)::uuid, md5(p)::uuid, 'silence', 'onset', 0, 1, now(), now(), false, 'x' FROM unnest('{own,foreign}'::text[]) p;
            INSERT INTO person_note (person_id, audience, text, happened_at, written_by) VALUES (md5('foreign')::uuid, 'both', 'words', now(), md5('inland')::uuid);
            INSERT INTO zone (zone_id, label, kind, audience) VALUES (md5('zone')::uuid, 'Zone', 'exclusion', 'both');
            INSERT INTO zone_revision (zone_id, revision, geometry) VALUES (md5('zone')::uuid, 1, '{}');
            INSERT INTO person_zone (person_id, zone_id) VALUES (md5('own')::uuid, md5('zone')::uuid);
            INSERT INTO zone (zone_id, label, kind, audience) VALUES (md5('theirs')::uuid, 'Theirs', 'exclusion', 'both');
            INSERT INTO person_zone (person_id, zone_id) VALUES (md5('foreign')::uuid, md5('theirs')::uuid)",
        )
        .await;
        let db = casedb::Database::connect(&test.url, 2).await.unwrap();
        let mut pooled = db.client().await.unwrap();
        let tx = pooled.transaction().await.unwrap();
        let told = casedb::incident::SystemIncident {
            kind: "device_faulty",
            person: Some(PersonId::new(id(&client, "own").await)),
            police_agency: None,
            social_agency: None,
            grouping_key: "messages",
            severity: alerts::Severity::P2,
            audience: alerts::Audience::Both,
            text: "no report for three days",
            at: Timestamp::now(),
        };
        let incident = casedb::incident::raise_system(&tx, &told)
            .await
            .unwrap()
            .incident
            .incident_id;
        for state in ["queued", "dead"] {
            tx.execute(
                "INSERT INTO notification (notification_id, idempotency_key, incident_id, channel, recipient, state) VALUES (md5($2)::uuid, $2, $1, 'sms', '1', $2)",
                &[&incident, &state],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        let me = user(&client, Role::DutyOfficer, Branch::Police).await;
        refused(&client, &me, &[
            "UPDATE notification SET state = 'sent' WHERE notification_id = md5('queued')::uuid",
            "UPDATE notification SET state = 'dead' WHERE notification_id = md5('queued')::uuid",
            "UPDATE notification SET next_attempt_at = '2090-01-01' WHERE notification_id = md5('queued')::uuid",
            "UPDATE notification SET attempts = 7 WHERE notification_id = md5('queued')::uuid",
            "UPDATE notification SET state = 'sent' WHERE notification_id = md5('dead')::uuid",
            "UPDATE notification SET state = 'queued', attempts = 0, next_attempt_at = 'infinity' WHERE notification_id = md5('dead')::uuid",
            "INSERT INTO violation_outcome (violation_id, revision, person_id, outcome, reason, decided_by) VALUES (md5('foreign')::uuid, 1, md5('own')::uuid, 'warning', 'r', md5('duty_officerpolice')::uuid)",
            "INSERT INTO violation_outcome (violation_id, revision, person_id, outcome, reason, decided_by) VALUES (md5('own')::uuid, 9, md5('own')::uuid, 'warning', 'r', md5('duty_officerpolice')::uuid)",
            "INSERT INTO person_note (person_id, audience, text, happened_at, written_by, corrects) SELECT md5('own')::uuid, 'both', 'w', now(), md5('duty_officerpolice')::uuid, 1",
            "INSERT INTO person_note (person_id, audience, text, happened_at, written_by) SELECT md5('own')::uuid, 'both', 'w', now() + interval '1 day', md5('duty_officerpolice')::uuid",
            "INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry) VALUES (md5('own')::uuid, md5('zone')::uuid, 1, md5('duty_officerpolice')::uuid, 'r', 'Another', 'exclusion', 'both', '{}')",
            "INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry) VALUES (md5('own')::uuid, md5('zone')::uuid, 99, md5('duty_officerpolice')::uuid, 'r', 'Zone', 'exclusion', 'both', '{}')",
            "INSERT INTO zone_publication (person_id, zone_id, number, published_at, published_by, reason, label, kind, audience, geometry) VALUES (md5('own')::uuid, md5('zone')::uuid, 1, '2020-01-01', md5('duty_officerpolice')::uuid, 'r', 'Zone', 'exclusion', 'both', '{}')",
            "INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry) VALUES (md5('own')::uuid, md5('theirs')::uuid, 1, md5('duty_officerpolice')::uuid, 'r', 'Theirs', 'exclusion', 'both', '{}')",
            "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, created_by, state) VALUES (md5('l')::uuid, md5('own')::uuid, now(), now() + interval '1 day', 'r', md5('duty_officerpolice')::uuid, 'requested');
                INSERT INTO leave_pass_zone (leave_id, zone_id) VALUES (md5('l')::uuid, md5('theirs')::uuid)",
        ]).await;
        for taken in [
            "INSERT INTO violation_outcome (violation_id, revision, person_id, outcome, reason, decided_by) VALUES (md5('own')::uuid, 1, md5('own')::uuid, 'warning', 'r', md5('duty_officerpolice')::uuid)",
            "INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry) VALUES (md5('own')::uuid, md5('zone')::uuid, 1, md5('duty_officerpolice')::uuid, 'r', 'Zone', 'exclusion', 'both', '{}')",
        ] {
            write(&client, &me, &[taken]).await.unwrap();
        }
        let tx = access::begin(&mut pooled, &me).await.unwrap();
        assert!(
            casedb::notification::requeue(&tx, id(&client, "dead").await)
                .await
                .unwrap()
        );
        tx.commit().await.unwrap();
        // Agencies keep their place, kind, level and laws; what somebody wears is not retired by hand.
        let admin = user(&client, Role::Administrator, Branch::Police).await;
        refused(
            &client,
            &admin,
            &[
                "UPDATE agency SET kind = 'administration' WHERE path = 'harbour.police'",
                "UPDATE agency SET path = 'harbour2' WHERE path = 'harbour.police'",
                "UPDATE agency SET law_profiles = '{}', level = 'national' WHERE path = 'harbour.police'",
                "UPDATE agency SET time_zone = 'Mars/Olympus' WHERE path = 'harbour.police'",
            ],
        )
        .await;
        drop((pooled, db));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_incident_a_contact_and_a_device_are_not_put_out_of_reach() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        owner(&client, PLACES).await;
        owner(
            &client,
            "INSERT INTO contact (contact_id, person_id) VALUES (md5('aunt')::uuid, md5('own')::uuid)",
        )
        .await;
        let db = casedb::Database::connect(&test.url, 2).await.unwrap();
        let mut pooled = db.client().await.unwrap();
        let tx = pooled.transaction().await.unwrap();
        let told = casedb::incident::SystemIncident {
            kind: "device_faulty",
            person: Some(PersonId::new(id(&client, "own").await)),
            police_agency: None,
            social_agency: None,
            grouping_key: "deaf",
            severity: alerts::Severity::P2,
            audience: alerts::Audience::Both,
            text: "no report for three days",
            at: Timestamp::now(),
        };
        casedb::incident::raise_system(&tx, &told).await.unwrap();
        tx.commit().await.unwrap();
        drop((pooled, db));
        let officer = user(&client, Role::DutyOfficer, Branch::Police).await;
        refused(
            &client,
            &officer,
            &[
                "UPDATE incident SET version = 9223372036854775807",
                "UPDATE incident SET version = version + 101",
                "UPDATE incident SET acknowledged_at = now()",
            ],
        )
        .await;
        let worker = user(&client, Role::SocialWorker, Branch::SocialWork).await;
        refused(&client, &worker, &[
            "INSERT INTO contact_revision (contact_id, revision, kind, name, changed_by) SELECT contact_id, 9223372036854775807, 'family', 'Invented', md5('social_workersocial')::uuid FROM contact",
        ]).await;
        // Devices of other branches are not touched, also by a statement over all of them; those that nobody wears are.
        let keeper = user(&client, Role::Administrator, Branch::Administration).await;
        owner(
            &client,
            "INSERT INTO device (device_id, protocol, identity) VALUES (md5('shelf')::uuid, 'native', 'HW-3')",
        )
        .await;
        write(
            &client,
            &keeper,
            &["UPDATE device SET allowed_networks = '{10.9.9.9/32}'"],
        )
        .await
        .unwrap();
        let bound = "SELECT string_agg(identity, ',' ORDER BY identity) FROM device WHERE allowed_networks <> '{}' AND identity LIKE 'HW-%'";
        let bound: Option<String> = client.query_one(bound, &[]).await.unwrap().get(0);
        assert_eq!(bound.as_deref(), Some("HW-1,HW-3"));
        test.drop_now().await.unwrap();
    }
}

/// PostgreSQL reads more than the program: what a role writes into an account is of the form that the program writes.
#[tokio::test]
async fn what_is_written_into_an_account_can_be_read_by_everybody() {
    let me = Uuid::now_v7();
    let now = Timestamp::now();
    let (who, words) = (Who::User(me), || "words".to_owned());
    let other: Root = serde_json::from_value(json!(Uuid::now_v7())).unwrap();
    let code = alerts::ClosingCode::Other;
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        let wrong = async |record: &Value| -> Option<String> {
            let sql = "SELECT incident_record_wrong($1, $2)";
            client.query_one(sql, &[record, &me.to_string()]).await.unwrap().get(0)
        };
        let expires = now;
        for why in [
            Change::Acknowledge { user: me, expires },
            Change::TakeOver {
                user: me,
                expires,
                why: words(),
            },
            Change::StartAction { user: me, expires },
            Change::Note {
                user: me,
                text: words(),
            },
            Change::Close {
                user: me,
                code,
                note: String::new(),
            },
            Change::CloseWithRoot {
                user: me,
                root: Uuid::now_v7(),
                code,
                note: words(),
            },
            Change::Suspend {
                user: me,
                authority: words(),
                reason: words(),
                until: now,
            },
            Change::Resume { user: me, why: words() },
            Change::Merge {
                into: other,
                by: who,
                why: words(),
            },
            Change::Adopt {
                incident: Uuid::now_v7(),
                by: who,
            },
            Change::Split { by: who, why: words() },
        ] {
            let record = Record {
                version: 7,
                at: now,
                by: who,
                why,
                from: Some(Phase::Notified),
                to: Phase::Notified,
            };
            let record = serde_json::to_value(&record).unwrap();
            assert_eq!(wrong(&record).await, None, "{record}");
            // One thing in it at a time is what the program does not write.
            let mut forged = vec![record.clone()];
            for key in ["at", "version", "from", "to", "by"] {
                let mut one = record.clone();
                one[key] = json!({"a": 1});
                forged.push(one);
            }
            for key in record["why"].as_object().unwrap().keys() {
                let mut one = record.clone();
                one["why"][key] = json!(["a"]);
                forged.push(one);
            }
            for time in [
                "now",
                "tomorrow",
                "infinity",
                "2026-11-26 19:00:00+00",
                "2026-11-26T24:00:00Z",
                "2026-11-26T19:00:00+08:00",
            ] {
                for at in ["/at", "/why/expires", "/why/until"] {
                    let mut one = record.clone();
                    if let Some(stated) = one.pointer_mut(at) {
                        *stated = json!(time);
                        forged.push(one);
                    }
                }
            }
            for id in [
                "/by/user",
                "/why/user",
                "/why/by/user",
                "/why/into",
                "/why/root",
                "/why/incident",
            ] {
                let mut one = record.clone();
                if let Some(stated) = one.pointer_mut(id) {
                    *stated = json!(me.simple().to_string());
                    forged.push(one);
                }
            }
            let mut one = record.clone();
            one["why"]["more"] = json!("x".repeat(64_001));
            forged.push(one);
            for one in &forged[1..] {
                assert!(wrong(one).await.is_some(), "{one}");
            }
        }
        test.drop_now().await.unwrap();
    }
}

/// Functions of triggers have the owner's rights: no role hangs one on a table of its own.
#[tokio::test]
async fn functions_of_triggers_are_the_owners_alone() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let sql = "SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p CROSS JOIN pg_roles r
            WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype = 'trigger'::regtype AND p.prosecdef
                AND r.rolname LIKE 'homeward\\_%' AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
                AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";
        let open: Option<String> = client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(open, None, "{}", test.edition);
        let analyst = user(&client, Role::Analyst, Branch::Police).await;
        let told = write(
            &client,
            &analyst,
            &[
                "CREATE TEMP TABLE person (person_id uuid, police_agency_id uuid, social_agency_id uuid)",
                "CREATE TRIGGER taken AFTER UPDATE ON pg_temp.person FOR EACH ROW EXECUTE FUNCTION person_agencies_of_incidents()",
            ],
        )
        .await;
        assert!(told.clone().is_err_and(|told| told.starts_with("42501")), "{told:?}");
        test.drop_now().await.unwrap();
    }
}
