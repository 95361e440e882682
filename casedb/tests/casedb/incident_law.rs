//! The law of an incident's course as the database holds it (V0048) against that of `alerts/core`, and what it refuses.

use alerts::{
    Audience, ClosingCode, Severity,
    lifecycle::course::{Applied, Change, Course, Onset, Part, Phase, Record, Who},
};
use casedb::{Database, access, incident};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    incidents::{Dice, raise, system, user},
    support::{add_person, migrated},
};

const ANNA: Uuid = Uuid::from_u128(1);
const BO: Uuid = Uuid::from_u128(2);
const ONE: Uuid = Uuid::from_u128(101);
const OTHER: Uuid = Uuid::from_u128(102);
const EVENT: Uuid = Uuid::from_u128(77);

/// With nanoseconds, which the database has not.
fn at(second: i64) -> Timestamp {
    Timestamp::new(1_790_000_000 + second, 123_456_789).unwrap()
}

fn other() -> Course {
    let onset = Onset {
        event: EVENT,
        severity: Severity::P2,
        audience: Audience::Both,
        ongoing: true,
        by_hand: false,
    };
    Course::raise(OTHER, onset, at(0)).0
}

/// Every kind of change at that second, some of them more than once; possible and impossible ones.
fn changes(now: i64, round: u32) -> Vec<Change> {
    let (expires, until) = (at(now + 100), at(now + 80));
    let words = |text: &str| text.to_owned();
    let mut all = vec![
        Change::Told,
        Change::Expire,
        Change::Wake,
        Change::End {
            event: EVENT,
            ongoing: false,
        },
        Change::End {
            event: EVENT,
            ongoing: true,
        },
        Change::Correct {
            event: EVENT,
            ongoing: false,
        },
        Change::Correct {
            event: EVENT,
            ongoing: true,
        },
        Change::CloseItself {
            code: ClosingCode::ReturnedCompliant,
        },
        Change::CloseItself {
            code: ClosingCode::Transferred,
        },
        Change::CloseItself {
            code: ClosingCode::Other,
        },
        Change::Merge {
            into: other().root().unwrap(),
            by: Who::System(Part::Grouping),
            why: words("one mast"),
        },
        Change::Merge {
            into: other().root().unwrap(),
            by: Who::User(BO),
            why: words(" "),
        },
        Change::Adopt {
            incident: OTHER,
            by: Who::System(Part::Grouping),
        },
        Change::Adopt {
            incident: EVENT,
            by: Who::User(ANNA),
        },
        Change::Adopt {
            incident: ONE,
            by: Who::User(ANNA),
        },
        Change::Release {
            incident: OTHER,
            by: Who::User(BO),
        },
        Change::Release {
            incident: EVENT,
            by: Who::System(Part::Grouping),
        },
        Change::Split {
            by: Who::User(ANNA),
            why: words("not the mast"),
        },
        Change::Split {
            by: Who::User(ANNA),
            why: words(""),
        },
        Change::Resume {
            user: BO,
            why: words("over"),
        },
        Change::Resume {
            user: BO,
            why: words("\t"),
        },
    ];
    for user in [ANNA, BO] {
        all.extend([
            Change::Acknowledge { user, expires },
            Change::Acknowledge {
                user,
                expires: at(now - 1),
            },
            Change::TakeOver {
                user,
                expires,
                why: words("shift ends"),
            },
            Change::TakeOver {
                user,
                expires,
                why: words(""),
            },
            Change::StartAction { user, expires },
            Change::StartAction {
                user,
                expires: at(now + 169 * 3600),
            },
            Change::Note {
                user,
                text: words("rang"),
            },
            Change::Note {
                user,
                text: words("  "),
            },
            Change::Close {
                user,
                code: ClosingCode::ConfirmedViolation,
                note: words(""),
            },
            Change::Close {
                user,
                code: ClosingCode::Other,
                note: words(""),
            },
            Change::CloseWithRoot {
                user,
                root: OTHER,
                code: ClosingCode::DeviceFault,
                note: words(""),
            },
            Change::CloseWithRoot {
                user,
                root: EVENT,
                code: ClosingCode::DeviceFault,
                note: words(""),
            },
            Change::Suspend {
                user,
                authority: words("court"),
                reason: words("operation"),
                until,
            },
            Change::Suspend {
                user,
                authority: words(""),
                reason: words("operation"),
                until,
            },
            Change::Suspend {
                user,
                authority: words("court"),
                reason: words("operation"),
                until: at(now + 32 * 86_400),
            },
        ]);
    }
    for (severity, audience, by_hand, ongoing) in [
        (Severity::P1, Audience::Police, false, true),
        (Severity::P3, Audience::SocialWork, false, false),
        (Severity::P2, Audience::Both, true, false),
    ] {
        let onset = Onset {
            event: EVENT,
            severity,
            audience,
            ongoing,
            by_hand,
        };
        all.extend([
            Change::Raise { onset },
            Change::Fold { onset },
            Change::Reopen { onset },
        ]);
    }
    for (round, lap, step) in [(round, 0, 0), (round, 0, 1), (round, 1, 0), (round + 1, 0, 2)] {
        all.push(Change::Escalate { round, lap, step });
    }
    all
}

const PHASES: [Phase; 5] = [
    Phase::Raised,
    Phase::Notified,
    Phase::Acknowledged,
    Phase::InAction,
    Phase::Closed,
];

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_program_have_one_law() {
    let (_test, db) = migrated().await.swap_remove(0);
    let client = db.client().await.unwrap();
    let mut dice = Dice(48);
    let (mut allowed, mut refused) = (0, 0);
    for walk in 0..15 {
        let onset = Onset {
            event: EVENT,
            severity: [Severity::P1, Severity::P2, Severity::P4][walk % 3],
            audience: Audience::Police,
            ongoing: walk % 2 == 0,
            by_hand: walk % 5 == 0,
        };
        let (mut course, first) = Course::raise(ONE, onset, at(0));
        let mut cases: Vec<(Option<Course>, Record, Option<Course>)> = vec![(None, first, Some(course.clone()))];
        let mut now = 0;
        for _ in 0..16 {
            now += i64::try_from(dice.below(70)).unwrap();
            let mut next = Vec::new();
            for change in changes(now, course.round()) {
                if let Ok(Applied::Changed { course: after, record }) = course.apply(change.clone(), at(now)) {
                    for to in PHASES.into_iter().filter(|to| *to != record.to) {
                        cases.push((
                            Some(course.clone()),
                            Record {
                                to,
                                ..(*record).clone()
                            },
                            None,
                        ));
                    }
                    next.push((*after).clone());
                    cases.push((Some(course.clone()), *record, Some(*after)));
                    continue;
                }
                // As somebody would write it who wants it to be so.
                cases.extend(PHASES.map(|to| {
                    let record = Record {
                        version: course.version() + 1,
                        at: at(now).max(course.changed_at()),
                        by: change.who(),
                        why: change.clone(),
                        from: Some(course.phase()),
                        to,
                    };
                    (Some(course.clone()), record, None)
                }));
            }
            let pick = usize::try_from(dice.below(next.len() as u64)).unwrap();
            course = next.swap_remove(pick);
        }
        let json = |course: &Option<Course>| course.as_ref().map(|course| serde_json::to_value(course).unwrap());
        let before: Vec<_> = cases.iter().map(|case| json(&case.0)).collect();
        let records: Vec<_> = cases
            .iter()
            .map(|case| serde_json::to_value(&case.1).unwrap())
            .collect();
        let after: Vec<_> = cases.iter().map(|case| json(&case.2)).collect();
        allowed += after.iter().flatten().count();
        refused += after.iter().filter(|after| after.is_none()).count();
        let differ = client
            .query(
                "SELECT place, incident_step(before, record, $4) FROM unnest($1::jsonb[], $2::jsonb[], $3::jsonb[]) WITH ORDINALITY
                    AS c (before, record, after, place)
                WHERE CASE WHEN after IS NULL THEN incident_step(before, record, $4) IS NOT NULL
                    ELSE NOT coalesce(incident_same(incident_step(before, record, $4), after), false) END LIMIT 1",
                &[&before, &records, &after, &ONE],
            )
            .await
            .unwrap();
        if let Some(row) = differ.first() {
            let place = usize::try_from(row.get::<_, i64>(0) - 1).unwrap();
            let made: Option<serde_json::Value> = row.get(1);
            panic!("walk {walk}: {:#?}\nthe database makes of it {made:#?}", cases[place]);
        }
    }
    assert!(allowed > 2_500 && refused > 25_000, "{allowed} {refused}");
}

/// What somebody might write past the program. A word of each statement's refusal is not asked for: which guard is first is no matter.
fn forgeries(officer: Uuid, other: Uuid) -> Vec<String> {
    let close = "state = 'closed', closed_at = now(), version = version + 1, deadline_at = NULL";
    vec![
        format!("UPDATE incident SET {close}, closing_code = 'confirmed_violation', closed_by = '{officer}'"),
        format!("UPDATE incident SET {close}, closing_code = 'banana', closed_by = '{officer}'"),
        format!("UPDATE incident SET {close}, closing_code = 'test', climb = NULL"),
        "UPDATE incident SET grouping_key = 'x'".to_owned(),
        "UPDATE incident SET deadline_at = NULL".to_owned(),
        "UPDATE incident SET deadline_at = deadline_at + interval '1 day'".to_owned(),
        "UPDATE incident SET deadline_at = NULL, climb = NULL".to_owned(),
        "UPDATE incident SET suspended_until = 'infinity', suspended_authority = '', suspended_reason = ''".to_owned(),
        "UPDATE incident SET suspended_until = now() + interval '1 day', suspended_authority = 'court', suspended_reason = 'x'".to_owned(),
        format!("UPDATE incident SET merged_into = '{other}'"),
        "UPDATE incident SET severity = 4".to_owned(),
        "UPDATE incident SET audience = 'police'".to_owned(),
        "UPDATE incident SET person_id = NULL".to_owned(),
        "UPDATE incident SET ongoing = false".to_owned(),
        "UPDATE incident SET round = round + 1".to_owned(),
        format!("UPDATE incident SET acknowledged_by = '{officer}'"),
        "UPDATE incident SET course = jsonb_set(course, '{stage}', '\"raised\"'), state = 'raised', version = version + 1".to_owned(),
        "UPDATE incident SET course = jsonb_set(jsonb_set(course, '{version}', to_jsonb((course ->> 'version')::int + 1)), '{ongoing}', 'false'),
            ongoing = false, version = version + 1"
            .to_owned(),
        format!("INSERT INTO incident_action (incident_id, action, user_id, text, acted_at) SELECT incident_id, 'close', '{officer}', 'x', '2020-01-01' FROM incident"),
        format!(
            "INSERT INTO incident_action (incident_id, action, user_id, text, version, record)
            SELECT incident_id, 'note', '{officer}', 'x', v, jsonb_build_object('version', v, 'at', now(), 'by', jsonb_build_object('user', '{officer}'),
                'from', state, 'to', state, 'why', jsonb_build_object('change', 'note', 'user', '{officer}', 'text', 'x'))
            FROM (SELECT *, (course ->> 'version')::int + 1 AS v FROM incident) i"
        ),
        // A whole forgery, record and course, of what cannot be: a strap that closes by itself.
        "WITH i AS (SELECT *, (course ->> 'version')::int + 1 AS v, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS t FROM incident),
            r AS (SELECT i.*, jsonb_build_object('version', v, 'at', t, 'by', '{\"system\": \"events\"}'::jsonb, 'from', state, 'to', 'closed',
                'why', '{\"change\": \"close_itself\", \"code\": \"returned_compliant\"}'::jsonb) AS wrote FROM i),
            u AS (UPDATE incident SET state = 'closed', closing_code = 'returned_compliant', closed_at = r.t::timestamptz, version = incident.version + 1,
                deadline_at = NULL, climb = NULL, course = incident.course || jsonb_build_object('version', v, 'changed_at', t, 'stage', jsonb_build_object('closed',
                jsonb_build_object('code', 'returned_compliant', 'note', '', 'by', '{\"system\": \"events\"}'::jsonb, 'at', t, 'held_by', NULL)))
                FROM r WHERE r.incident_id = incident.incident_id RETURNING 1)
        INSERT INTO incident_action (incident_id, action, version, record) SELECT incident_id, 'close', v, wrote FROM r"
            .to_owned(),
    ]
}

async fn refused(db: &Database, sql: &str, id: Uuid, before: &str) -> Option<String> {
    let client = db.client().await.unwrap();
    // Only the one: a statement that touches none would be allowed.
    let only = sql.replace("FROM incident)", &format!("FROM incident WHERE incident_id = '{id}')"));
    let whole_table = only.starts_with("UPDATE") || only.ends_with("FROM incident");
    let only = if whole_table {
        format!("{only} WHERE incident_id = '{id}'")
    } else {
        only
    };
    let outcome = client.batch_execute(&format!("BEGIN; {before} {only}; COMMIT")).await;
    let _ended = client.batch_execute("ROLLBACK").await;
    outcome.err().map(|error| {
        let error = error.as_db_error().unwrap();
        format!("{} {}", error.code().code(), error.constraint().unwrap_or_default())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_writes_an_incident_that_its_records_do_not_make() {
    for (_test, db) in migrated().await {
        let person = add_person(&db, "eli").await;
        let officer = user(&db, "officer", person.police_agency_id).await;
        let (row, _) = raise(&db, &system(Some(person.person_id), "strap", Severity::P1, 0)).await;
        let (other, _) = raise(&db, &system(None, "cause", Severity::P2, 0)).await;
        let client = db.client().await.unwrap();
        let enforced = access::enforced(&client).await.unwrap();
        let mut roles = vec![String::new()];
        if enforced {
            roles.push(format!(
                "SET LOCAL ROLE homeward_duty_officer; SET LOCAL homeward.user_id = '{officer}';"
            ));
        }
        for role in &roles {
            for sql in forgeries(officer, other.incident_id) {
                let refusal = refused(&db, &sql, row.incident_id, role).await;
                // The program may write facts that change nothing; a user may not.
                if role.is_empty() && sql.contains("'2020-01-01'") {
                    continue;
                }
                let refusal = refusal.unwrap_or_else(|| panic!("{role} {sql}"));
                assert!(
                    ["23514", "42501"].iter().any(|code| refusal.starts_with(code)),
                    "{refusal}: {sql}"
                );
            }
        }
        let born_closed = "INSERT INTO incident (incident_id, grouping_key, kind, severity, audience, state, closing_code, closed_at, onset_at, course)
            SELECT gen_random_uuid(), 'x', kind, severity, audience, 'closed', 'test', now(), now(), jsonb_set(course, '{stage}', '\"closed\"') FROM incident";
        assert!(refused(&db, born_closed, row.incident_id, "").await.is_some());
        // And what is allowed still is.
        incident::acknowledge(&db, row.incident_id, officer, None, Timestamp::now())
            .await
            .unwrap();
        let (_, same) = incident::replayed(&client, row.incident_id).await.unwrap();
        assert!(same);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_with_the_owners_rights_look_into_no_temporary_tables() {
    for (_test, db) in migrated().await {
        let client = db.client().await.unwrap();
        let open = client
            .query(
                "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
                    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
                    AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=.*, pg_temp$')",
                &[],
            )
            .await
            .unwrap();
        let open: Vec<String> = open.iter().map(|row| row.get(0)).collect();
        assert!(open.is_empty(), "{open:?}");
    }
}
