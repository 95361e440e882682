//! Access by direct SQL: every table, as every role, with rows of every kind, against the rules as declared.

use std::collections::{BTreeMap, BTreeSet};

use casedb::{
    access::{
        self,
        rules::{Columns, Kind, Op, RULES, Right, Rule},
    },
    user::{Branch, Role, User},
};
use jiff::Timestamp;
use serde_json::Value;
use testkit::TestDatabase;
use tokio_postgres::{Client, error::SqlState};
use uuid::Uuid;

use crate::access_rows::{BY_AUDIENCE, ELSEWHERE, ROWS, letter};

const PARTITIONS: u32 = 4;

/// Migrated databases on clusters that have the roles of users; in CI all must have them.
pub(crate) async fn guarded() -> Vec<TestDatabase> {
    let mut all = Vec::new();
    for test in testkit::databases().await.unwrap() {
        let report = casedb::migrate(&test.url, PARTITIONS).await.unwrap();
        if report.access.holds() {
            all.push(test);
            continue;
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{}", report.access);
        eprintln!(
            "skipped on {}: {}; start the cluster anew with deploy/test",
            test.edition, report.access
        );
        test.drop_now().await.unwrap();
    }
    all
}

/// Two branches of the tree, and a user of each role on both sides of the first.
pub(crate) async fn fill(client: &Client) {
    client
        .batch_execute(
            "INSERT INTO agency (agency_id, path, name, kind, time_zone)
            SELECT md5(path)::uuid, path::ltree, path, kind, 'Asia/Shanghai' FROM (VALUES
                ('harbour', 'administration'), ('harbour.police', 'police'), ('harbour.social', 'social_work'),
                ('care', 'service_provider'), ('elsewhere', 'service_provider'), ('inland', 'administration'), ('inland.police', 'police'), ('inland.social', 'social_work')) a (path, kind);
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            SELECT md5(role || side)::uuid, role || '.' || side, role, role,
                CASE role WHEN 'service_provider' THEN md5('care')::uuid ELSE md5('harbour.' || side)::uuid END, 'x'
            FROM unnest(ARRAY['duty_officer', 'social_worker', 'service_provider', 'analyst', 'supervisor', 'auditor', 'administrator']) role
            CROSS JOIN unnest(ARRAY['police', 'social']) side;
            INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
            VALUES (md5('inland')::uuid, 'inland', 'Inland', 'duty_officer', md5('inland.police')::uuid, 'x');
            INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone) VALUES
                (md5('own')::uuid, 'A-1', 'Pavel Dorn', md5('harbour.police')::uuid, md5('harbour.social')::uuid, 'Asia/Shanghai'),
                (md5('foreign')::uuid, 'B-1', 'Goran Pell', md5('inland.police')::uuid, md5('inland.social')::uuid, 'Asia/Shanghai');",
        )
        .await
        .unwrap();
}

pub(crate) async fn id(client: &Client, of: &str) -> Uuid {
    client.query_one("SELECT md5($1)::uuid", &[&of]).await.unwrap().get(0)
}

/// The user of a role on a side.
pub(crate) async fn user(client: &Client, role: Role, branch: Branch) -> User {
    let side = side(branch);
    let path = if role == Role::ServiceProvider {
        "care".to_owned()
    } else {
        format!("harbour.{side}")
    };
    User {
        user_id: id(client, &format!("{}{side}", role.name())).await,
        username: format!("{}.{side}", role.name()),
        display_name: role.name().to_owned(),
        role,
        agency_id: id(client, &path).await,
        agency_name: String::new(),
        agency_path: path,
        branch,
        time_zone: "Asia/Shanghai".to_owned(),
        locale: "en".to_owned(),
    }
}

const fn side(branch: Branch) -> &'static str {
    if matches!(branch, Branch::SocialWork) {
        "social"
    } else {
        "police"
    }
}

/// Rows by table, as JSON texts.
pub(crate) type Snapshot = BTreeMap<String, BTreeSet<String>>;

async fn snapshot(client: &Client) -> Snapshot {
    let mut all = Snapshot::new();
    let tables: BTreeSet<&str> = ROWS.iter().map(|(table, _)| *table).collect();
    for table in tables {
        let sql = format!("SELECT to_jsonb(t)::text FROM {table} t");
        let rows = client.query(&sql, &[]).await.unwrap();
        all.insert(table.to_owned(), rows.iter().map(|row| row.get(0)).collect());
    }
    all
}

/// Puts the rows of a kind in and returns those that are new.
pub(crate) async fn put(client: &Client, me: &User, kind: Kind) -> Snapshot {
    let before = snapshot(client).await;
    let foreign = kind == Kind::Foreign;
    let (place, person) = if foreign {
        ("inland", "foreign")
    } else {
        ("harbour", "own")
    };
    let agency = if foreign {
        "inland.police"
    } else {
        me.agency_path.as_str()
    };
    let letter = letter(kind);
    let number = 9_000 + kind as i32;
    let user = if foreign {
        id(client, "inland").await
    } else {
        me.user_id
    };
    for (table, sql) in ROWS {
        if matches!(kind, Kind::Police | Kind::Social) && !BY_AUDIENCE.contains(table) {
            continue;
        }
        let audience = match kind {
            Kind::Police => "police",
            Kind::Social => "social_work",
            _ => "both",
        };
        let sql = sql
            .replace("{k}", letter)
            .replace("{n}", &number.to_string())
            .replace("{person}", &id(client, person).await.to_string())
            .replace("{agency}", &id(client, agency).await.to_string())
            .replace("{police}", &id(client, &format!("{place}.police")).await.to_string())
            .replace("{social}", &id(client, &format!("{place}.social")).await.to_string())
            .replace("{path}", agency)
            .replace("{user}", &user.to_string())
            .replace("{audience}", audience);
        client
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("row of {table}: {error:?}\n{sql}"));
    }
    let mut after = snapshot(client).await;
    for (table, rows) in &mut after {
        // The zone of nearness is for the police, of whatever kind the other rows are.
        rows.retain(|row| table != "zone" || !row.contains("Near"));
        for old in &before[table] {
            rows.remove(old);
        }
    }
    after
}

pub(crate) struct Shape {
    pub(crate) columns: Vec<String>,
    pub(crate) key: Vec<String>,
}

pub(crate) async fn shapes(client: &Client) -> BTreeMap<String, Shape> {
    let sql = "SELECT c.relname::text,
            array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = ''),
            coalesce(array_agg(a.attname::text) FILTER (WHERE a.attnum = ANY (i.indkey)), array_agg(a.attname::text))
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        GROUP BY c.relname";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| {
            let shape = Shape {
                columns: row.get(1),
                key: row.get(2),
            };
            (row.get(0), shape)
        })
        .collect()
}

/// The columns that a right covers, of those that there are.
pub(crate) fn covered(columns: Columns, shape: &Shape) -> Vec<&str> {
    let all = shape.columns.iter().map(String::as_str);
    match columns {
        Columns::All => all.collect(),
        Columns::Only(these) => all.filter(|column| these.contains(column)).collect(),
        Columns::But(these) => all.filter(|column| !these.contains(column)).collect(),
    }
}

/// What to try on a row of a table.
fn statement(op: Op, table: &str, shape: &Shape, right: Option<&Right>, row: &str) -> String {
    let literal = format!("'{}'", row.replace('\'', "''"));
    let of_row = format!("(jsonb_populate_record(NULL::public.{table}, {literal}))");
    let columns = right.map_or_else(|| covered(Columns::All, shape), |right| covered(right.columns, shape));
    let value: Value = serde_json::from_str(row).unwrap();
    let found: Vec<String> = shape
        .key
        .iter()
        .filter(|key| columns.contains(&key.as_str()) || op != Op::Select)
        .filter(|key| !value[key.as_str()].is_null())
        .map(|key| format!("t.\"{key}\" = {of_row}.\"{key}\""))
        .collect();
    let found = found.join(" AND ");
    let list = columns
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect::<Vec<_>>()
        .join(", ");
    match op {
        Op::Select => format!("SELECT {list} FROM {table} t WHERE {found}"),
        Op::Insert => format!(
            "INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM jsonb_populate_record(NULL::public.{table}, {literal})"
        ),
        Op::Update => format!("UPDATE {table} t SET \"{0}\" = \"{0}\" WHERE {found}", columns[0]),
        Op::Delete => format!("DELETE FROM {table} t WHERE {found}"),
    }
}

/// Tries a statement as the role and takes it back. True: the database let it through.
async fn allowed(client: &Client, me: &User, sql: &str) -> bool {
    let role = access::database_role(me.role);
    client
        .batch_execute(&format!("SAVEPOINT cell; SET LOCAL ROLE {role}"))
        .await
        .unwrap();
    let outcome = client.execute(sql, &[]).await;
    client.batch_execute("ROLLBACK TO cell").await.unwrap();
    match outcome {
        Ok(rows) => rows > 0,
        Err(error) => {
            let code = error.code().unwrap_or_else(|| panic!("{error:?}\n{sql}"));
            // The second is a view that takes no rows from anybody.
            if *code == SqlState::INSUFFICIENT_PRIVILEGE || *code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE {
                return false;
            }
            // A copy of the row, or a row that others need: the rules of access were passed.
            let passed = [
                SqlState::UNIQUE_VIOLATION,
                SqlState::FOREIGN_KEY_VIOLATION,
                SqlState::CHECK_VIOLATION,
                SqlState::EXCLUSION_VIOLATION,
            ];
            assert!(passed.contains(code), "{error:?}\n{sql}");
            true
        }
    }
}

fn right_of(rule: &Rule, role: Role, op: Op) -> impl Iterator<Item = &'static Right> {
    let rights: &'static [Right] = rule.rights;
    rights
        .iter()
        .filter(move |right| right.op == op && right.roles.contains(&role))
}

#[tokio::test]
async fn every_table_refuses_and_allows_what_its_rule_says() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let shapes = shapes(&client).await;
        let mut wrong = Vec::new();
        let mut cells = 0;
        for (role, branch) in Role::ALL
            .into_iter()
            .flat_map(|role| [(role, Branch::Police), (role, Branch::SocialWork)])
        {
            let me = user(&client, role, branch).await;
            // What is for the police alone is never a provider's.
            let branch = if role == Role::ServiceProvider {
                Branch::SocialWork
            } else {
                branch
            };
            client.batch_execute("BEGIN").await.unwrap();
            let mut rows = Vec::new();
            for kind in Kind::ALL {
                rows.push((kind, put(&client, &me, kind).await));
            }
            client
                .execute(
                    "SELECT set_config('homeward.user_id', $1, true)",
                    &[&me.user_id.to_string()],
                )
                .await
                .unwrap();
            for rule in RULES {
                let Some(shape) = shapes.get(rule.table) else { continue };
                for op in Op::ALL {
                    let rights: Vec<_> = right_of(rule, role, op).collect();
                    if rights.is_empty() {
                        cells += 1;
                        let column = &shape.columns[0];
                        let sql = match op {
                            Op::Select => format!("SELECT \"{column}\" FROM public.{}", rule.table),
                            Op::Insert => format!("INSERT INTO public.{} DEFAULT VALUES", rule.table),
                            Op::Update => format!("UPDATE public.{} SET \"{column}\" = DEFAULT", rule.table),
                            Op::Delete => format!("DELETE FROM public.{}", rule.table),
                        };
                        if allowed(&client, &me, &sql).await {
                            wrong.push(format!("{role:?} ({branch:?}) {op:?} {}: not refused", rule.table));
                        }
                        continue;
                    }
                    if ELSEWHERE.contains(&rule.table) {
                        continue;
                    }
                    for (kind, of_kind) in &rows {
                        let of_table = of_kind.get(rule.table);
                        assert!(
                            *kind != Kind::Own || of_table.is_some_and(|rows| !rows.is_empty()),
                            "{} has rights and no row in access_rows.rs: add one",
                            rule.table
                        );
                        for row in of_table.into_iter().flatten() {
                            for right in &rights {
                                cells += 1;
                                let expected = rights
                                    .iter()
                                    .any(|other| other.columns == right.columns && other.rows.admits(*kind, branch));
                                let sql = statement(op, rule.table, shape, Some(right), row);
                                if allowed(&client, &me, &sql).await != expected {
                                    wrong.push(format!(
                                        "{role:?} ({branch:?}) {op:?} {} {kind:?}: expected {}",
                                        rule.table,
                                        if expected { "allowed" } else { "refused" }
                                    ));
                                }
                            }
                        }
                    }
                }
            }
            client.batch_execute("ROLLBACK").await.unwrap();
        }
        assert!(
            wrong.is_empty(),
            "{} of {cells} cells on {}:\n{}",
            wrong.len(),
            test.edition,
            wrong.join("\n")
        );
        eprintln!("{cells} cells on {}", test.edition);
        assert!(cells > 3_000, "{cells}");
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn no_table_is_without_a_rule_and_no_right_outside_of_them() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        let shapes = shapes(&client).await;
        let ruled: BTreeSet<&str> = RULES.iter().map(|rule| rule.table).collect();
        assert_eq!(ruled.len(), RULES.len(), "a table has two rules");
        let without: Vec<_> = shapes.keys().filter(|table| !ruled.contains(table.as_str())).collect();
        assert!(
            without.is_empty(),
            "tables or views without a rule in casedb/src/access/rules.rs (say who may read them, or nobody): {without:?}"
        );
        let unsecured = client
            .query(
                "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
                    AND NOT c.relispartition AND NOT c.relrowsecurity AND c.relname <> 'position'
                    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')",
                &[],
            )
            .await
            .unwrap();
        assert!(unsecured.is_empty(), "no row-level security: {unsecured:?}");
        // Partitions, chunks, other schemas: whatever a role has a right on must have a rule here.
        let granted = client
            .query(
                "SELECT DISTINCT table_schema || '.' || table_name FROM information_schema.column_privileges
                WHERE grantee LIKE 'homeward\\_%'",
                &[],
            )
            .await
            .unwrap();
        for row in granted {
            let name: String = row.get(0);
            let known = name
                .strip_prefix("public.")
                .is_some_and(|table| RULES.iter().any(|rule| rule.table == table && !rule.rights.is_empty()));
            assert!(
                known || name.starts_with("pseudonym."),
                "{name} is granted to a role without a rule"
            );
        }
        // What roles may run with the owner's rights is what was granted.
        let loose = client
            .query(
                "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
                    AND p.prorettype <> 'trigger'::regtype AND has_function_privilege('public', p.oid, 'EXECUTE')",
                &[],
            )
            .await
            .unwrap();
        let loose: Vec<String> = loose.iter().map(|row| row.get(0)).collect();
        assert!(
            loose.is_empty(),
            "everybody may run these with the owner's rights: {loose:?}"
        );
        let secrets = "SELECT r.rolname::text, c.table_name::text, c.column_name::text FROM pg_roles r, information_schema.columns c
            WHERE r.rolname LIKE 'homeward\\_%' AND c.table_schema = 'public'
                AND c.column_name IN ('password_hash', 'secret', 'next_secret', 'token_hash', 'private_key', 'p256dh', 'auth')
                AND has_column_privilege(r.rolname, format('public.%I', c.table_name), c.column_name, 'SELECT')";
        assert!(
            client.query(secrets, &[]).await.unwrap().is_empty(),
            "a role reads secrets"
        );
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn positions_are_given_only_to_who_declares_the_reading() {
    for test in guarded().await {
        let db = casedb::Database::connect(&test.url, 4).await.unwrap();
        let owner = testkit::connect(&test.url).await.unwrap();
        fill(&owner).await;
        let (own, foreign) = (id(&owner, "own").await, id(&owner, "foreign").await);
        let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        for person in [own, foreign] {
            owner
                .execute(
                    "INSERT INTO position (person_id, fix_time, report_id, device_id, received_at, appended_at, sequence, latitude,
                        longitude, valid, source, strap, \"case\", motion, alarms, backfill)
                    SELECT $1, $2::timestamptz - make_interval(mins => m), gen_random_uuid(), $1, now(), now(), m, 30, 120, true, 1, 1, 1, 1, 0, false
                    FROM generate_series(1, 90) m",
                    &[&person, &now],
                )
                .await
                .unwrap();
        }
        let from = now - jiff::SignedDuration::from_mins(60);
        let declared_as = |person| access::Access {
            user_id: Uuid::nil(),
            person_id: person,
            purpose: access::Purpose::Court,
            case_number: "2026-117",
            scope: "test",
        };
        for role in Role::ALL {
            let me = user(&owner, role, Branch::Police).await;
            let reads = matches!(
                role,
                Role::DutyOfficer | Role::SocialWorker | Role::Supervisor | Role::Analyst
            );
            let mut client = db.client().await.unwrap();
            // Without the declaration, with another person's, with a shorter one's, from the table: nothing.
            for sql in [
                format!("SELECT * FROM read_positions('{own}', '{from}', '{now}', 10)"),
                format!("SELECT * FROM position WHERE person_id = '{own}'"),
                format!("SELECT declare_access('{foreign}', '{from}', '{now}', 'court', '2026-117', 'test')"),
                format!("SELECT declare_access('{own}', '{from}', '{now}', 'court', '  ', 'test')"),
                format!("SELECT declare_access('{own}', '{from}', '{now}', 'court', '\u{3000}', 'test')"),
                format!("SELECT declare_access('{own}', '{from}', '{now}', 'curiosity', '2026-117', 'test')"),
                format!(
                    "INSERT INTO position_access (user_id, person_id, purpose, scope) VALUES ('{}', '{own}', 'duty', 'x')",
                    me.user_id
                ),
            ] {
                let tx = access::begin(&mut client, &me).await.unwrap();
                assert!(tx.query(&sql, &[]).await.is_err(), "{role:?}: {sql}");
            }
            let tx = access::begin(&mut client, &me).await.unwrap();
            let there = access::declare(&tx, &declared_as(own), from, now).await;
            if !reads {
                assert!(there.is_err(), "{role:?}");
                continue;
            }
            let rolled_back = there.unwrap();
            assert_eq!(rolled_back.fixes, 60);
            let read = format!("SELECT * FROM read_positions('{own}', '{from}', '{now}', 1000)");
            // Not in the transaction that declares: it may be rolled back, and what was sent stays read.
            rolled_back.name(&tx).await.unwrap();
            assert!(tx.query(&read, &[]).await.is_err(), "{role:?}");
            drop(tx);
            let tx = access::begin(&mut client, &me).await.unwrap();
            rolled_back.name(&tx).await.unwrap();
            assert!(
                tx.query(&read, &[]).await.is_err(),
                "{role:?}: of a record that was rolled back"
            );
            drop(tx);
            let tx = access::begin(&mut client, &me).await.unwrap();
            let declared = access::declare(&tx, &declared_as(own), from, now).await.unwrap();
            tx.commit().await.unwrap();
            // Not without naming it, not for longer than declared.
            let tx = access::begin(&mut client, &me).await.unwrap();
            assert!(tx.query(&read, &[]).await.is_err(), "{role:?}");
            drop(tx);
            let tx = access::begin(&mut client, &me).await.unwrap();
            declared.name(&tx).await.unwrap();
            assert_eq!(tx.query(&read, &[]).await.unwrap().len(), 60);
            let earlier = now - jiff::SignedDuration::from_mins(80);
            let longer = format!("SELECT * FROM read_positions('{own}', '{earlier}', '{now}', 10)");
            assert!(tx.query(&longer, &[]).await.is_err());
            drop(tx);
            let row = owner
                .query_one(
                    "SELECT purpose, case_number, fixes, from_at, to_at, scope FROM position_access WHERE user_id = $1",
                    &[&me.user_id],
                )
                .await
                .unwrap();
            let told: (String, String, i64) = (row.get(0), row.get(1), row.get(2));
            assert_eq!(told, ("court".to_owned(), "2026-117".to_owned(), 60));
            assert_eq!((row.get::<_, Timestamp>(3), row.get::<_, Timestamp>(4)), (from, now));
        }
        // Under another role's name, or for somebody else's id, nobody is seen.
        let officer = user(&owner, Role::DutyOfficer, Branch::Police).await;
        let mut client = db.client().await.unwrap();
        let tx = access::begin_as(&mut client, officer.user_id, Role::Supervisor)
            .await
            .unwrap();
        let seen: i64 = tx.query_one("SELECT count(*) FROM person", &[]).await.unwrap().get(0);
        assert_eq!(seen, 0);
        drop(tx);
        // An analyst sees references in place of names, and nobody of another branch.
        let analyst = user(&owner, Role::Analyst, Branch::Police).await;
        let tx = access::begin(&mut client, &analyst).await.unwrap();
        let rows = tx
            .query("SELECT reference, display_name FROM person", &[])
            .await
            .unwrap();
        let names: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(names, [("A-1".to_owned(), "A-1".to_owned())]);
        drop(tx);
        drop(client);
        drop(db);
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_analyst_reads_no_word_that_somebody_wrote_about_a_person() {
    for test in guarded().await {
        let db = casedb::Database::connect(&test.url, 4).await.unwrap();
        let owner = db.client().await.unwrap();
        fill(&owner).await;
        let person = id(&owner, "own").await;
        let officer = user(&owner, Role::Supervisor, Branch::Police).await;
        let system = casedb::incident::SystemIncident {
            kind: "device_faulty",
            person: Some(proto::PersonId::new(person)),
            police_agency: None,
            social_agency: None,
            grouping_key: "words",
            severity: alerts::Severity::P2,
            audience: alerts::Audience::Both,
            text: "no report for three days",
            at: Timestamp::now(),
        };
        let mut client = db.client().await.unwrap();
        let tx = client.transaction().await.unwrap();
        let raised = casedb::incident::raise_system(&tx, &system)
            .await
            .unwrap()
            .incident
            .incident_id;
        tx.commit().await.unwrap();
        let now = Timestamp::now();
        let until = now + jiff::SignedDuration::from_hours(1);
        casedb::incident::note(
            &db,
            raised,
            officer.user_id,
            "SECRETWORD lives there",
            alerts::Audience::Both,
            now,
        )
        .await
        .unwrap();
        let suspension = casedb::incident::Suspension {
            authority: "SECRETWORD court",
            reason: "SECRETWORD in hospital",
            until,
        };
        casedb::incident::suspend(&db, raised, officer.user_id, &suspension, None, now)
            .await
            .unwrap();
        owner
            .execute(
                "INSERT INTO notification (notification_id, idempotency_key, incident_id, channel, recipient, state)
                VALUES (gen_random_uuid(), 'k', $1, 'sms', 'SECRETWORD', 'dead')",
                &[&raised],
            )
            .await
            .unwrap();
        let me = user(&owner, Role::Analyst, Branch::Police).await;
        let tables = owner
            .query(
                "SELECT c.relnamespace::regnamespace::text, c.relname::text, a.attname::text FROM pg_class c
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                WHERE c.relkind IN ('r', 'v', 'p') AND c.relnamespace::regnamespace::text IN ('public', 'pseudonym')
                    AND has_column_privilege('homeward_analyst', c.oid, a.attnum, 'SELECT') AND has_schema_privilege('homeward_analyst', c.relnamespace, 'USAGE')",
                &[],
            )
            .await
            .unwrap();
        assert!(tables.len() > 100);
        let mut seen = 0;
        for row in tables {
            let (schema, table, column): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let tx = access::begin(&mut client, &me).await.unwrap();
            let sql = format!(
                "SELECT count(*), count(*) FILTER (WHERE \"{column}\"::text LIKE '%SECRETWORD%') FROM {schema}.\"{table}\""
            );
            // What cannot be read at all tells nothing.
            let Ok(found) = tx.query_one(&sql, &[]).await else {
                continue;
            };
            seen += found.get::<_, i64>(0);
            assert_eq!(found.get::<_, i64>(1), 0, "{schema}.{table}.{column}");
        }
        assert!(seen > 0);
        drop((client, owner, db));
        test.drop_now().await.unwrap();
    }
}

/// Texts that an analyst reads, which nobody writes about a person: what things are called, and words of the program.
const NAMES_OF_THINGS: &[&str] = &[
    "access_rules.fingerprint",
    "agency.law_profiles",
    "agency.name",
    "agency.time_zone",
    "app_user.display_name",
    "device.carrier",
    "device.firmware",
    "device.identity",
    "device.model",
    "device.profile",
    "device_status.gateway",
    "event.kind",
    "holiday.label",
    "holiday_calendar.name",
    "incident.grouping_key",
    "incident.kind",
    // How the severity came about: the table, the risk level, the rule of the order.
    "incident.priority",
    "incident_action.code",
    "notification.chain_key",
    "notification.failover",
    "notification.idempotency_key",
    "notification.leased_by",
    "notification.locale",
    "notification.provider_id",
    // The reference stands there.
    "person.display_name",
    "person.reference",
    "person.time_zone",
    // Times alone.
    "person_zone.schedule",
    "platform_blind.watcher",
    "push_subscription.endpoint",
    "supervision_order.ground_codes",
    "zone_layer.label",
    "zone_layer_revision.content_hash",
];

/// Whatever text or document a row may hold, planted into every column that takes it; and where homes are.
#[tokio::test]
async fn an_analyst_reads_no_free_text_and_no_geometry_in_any_column() {
    // What a check refuses is one of the program's own words.
    const TEXTS: &str = "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL) FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'jsonb', 'bytea')
            AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey) AND i.indisprimary)
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY 1, 2";
    const READABLE: &str = "SELECT n.nspname::text, c.relname::text, a.attname::text FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relkind IN ('r', 'v', 'p') AND n.nspname IN ('public', 'pseudonym')
            AND has_column_privilege('homeward_analyst', c.oid, a.attnum, 'SELECT') AND has_schema_privilege('homeward_analyst', n.oid, 'USAGE')";
    for test in guarded().await {
        let db = casedb::Database::connect(&test.url, 4).await.unwrap();
        let mut owner = db.client().await.unwrap();
        fill(&owner).await;
        let me = user(&owner, Role::Analyst, Branch::Police).await;
        owner.batch_execute("BEGIN").await.unwrap();
        put(&owner, &me, Kind::Own).await;
        put(&owner, &me, Kind::Police).await;
        owner.batch_execute("COMMIT").await.unwrap();
        let tables: BTreeSet<&str> = RULES
            .iter()
            .filter(|rule| rule.rights.iter().any(|right| right.roles.contains(&Role::Analyst)))
            .map(|rule| rule.table)
            .collect();
        let columns = owner.query(TEXTS, &[]).await.unwrap();
        let mut planted = BTreeSet::new();
        let tx = owner.transaction().await.unwrap();
        for table in &tables {
            let quiet = format!("ALTER TABLE {table} DISABLE TRIGGER USER");
            tx.batch_execute("SAVEPOINT one").await.unwrap();
            // Views have none.
            if tx.batch_execute(&quiet).await.is_err() {
                tx.batch_execute("ROLLBACK TO one").await.unwrap();
            }
        }
        for row in columns {
            let (table, column, sort): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            if !tables.contains(table.as_str()) {
                continue;
            }
            let values: &[&str] = match sort.as_str() {
                "text" => &["'SECRETWORD ' || ctid::text"],
                "text[]" => &["ARRAY['SECRETWORD']"],
                "bytea" => &["'SECRETWORD'::bytea"],
                _ => &[r#"'{"any": "SECRETWORD"}'"#, r#"'[{"any": "SECRETWORD"}]'"#],
            };
            for value in values {
                tx.batch_execute("SAVEPOINT one").await.unwrap();
                let sql = format!("UPDATE \"{table}\" SET \"{column}\" = {value}");
                match tx.execute(&sql, &[]).await {
                    Ok(rows) if rows > 0 => {
                        planted.insert(format!("{table}.{column}"));
                        break;
                    }
                    _ => tx.batch_execute("ROLLBACK TO one").await.unwrap(),
                }
            }
        }
        tx.commit().await.unwrap();
        for column in [
            "zone.label",
            "zone_revision.geometry",
            "supervision_order.legal_basis",
            "incident_action.text",
        ] {
            assert!(planted.contains(column), "{column} of {planted:?}");
        }
        // By the role, whose account's own words were planted too.
        owner
            .batch_execute("UPDATE app_user SET role = 'analyst' WHERE user_id = md5('analystpolice')::uuid")
            .await
            .unwrap();
        let readable = owner.query(READABLE, &[]).await.unwrap();
        let (mut found, mut rows) = (BTreeSet::new(), 0);
        let mut client = db.client().await.unwrap();
        for row in readable {
            let (schema, table, column): (String, String, String) = (row.get(0), row.get(1), row.get(2));
            let tx = access::begin(&mut client, &me).await.unwrap();
            let word = "(t.\"{c}\"::text LIKE '%SECRETWORD%' OR t.\"{c}\"::text LIKE '%534543524554574f5244%')"
                .replace("{c}", &column);
            let sql = format!("SELECT count(*), count(*) FILTER (WHERE {word}) FROM {schema}.\"{table}\" t");
            let Ok(told) = tx.query_one(&sql, &[]).await else {
                continue;
            };
            rows += told.get::<_, i64>(0);
            if told.get::<_, i64>(1) > 0 {
                found.insert(format!("{table}.{column}"));
            }
        }
        assert!(rows > 200, "{rows}");
        let named: BTreeSet<String> = NAMES_OF_THINGS.iter().map(|column| (*column).to_owned()).collect();
        assert_eq!(found, named, "{}", test.edition);
        // Zones are there all the same, by what they ask.
        let tx = access::begin(&mut client, &me).await.unwrap();
        let zones = tx.query("SELECT label, kind FROM zone", &[]).await.unwrap();
        assert!(!zones.is_empty());
        for row in zones {
            assert_eq!(row.get::<_, String>(0), row.get::<_, String>(1));
        }
        drop(tx);
        drop((client, owner, db));
        test.drop_now().await.unwrap();
    }
}

#[tokio::test]
async fn an_address_that_is_protected_later_is_hidden_in_every_revision() {
    // Contacts: protected by the second revision; by the first, and lifted by the second; never.
    const CONTACTS: &str = "INSERT INTO contact (contact_id, person_id) SELECT md5(c)::uuid, md5('own')::uuid FROM unnest(ARRAY['later', 'lifted', 'open']) c;
        INSERT INTO contact_revision (contact_id, revision, kind, name, address, protected_address)
        SELECT md5(c)::uuid, revision, 'family', c, 'Old Street ' || revision, protected FROM (VALUES
            ('later', 1, false), ('later', 2, true), ('later', 3, true), ('lifted', 1, true), ('lifted', 2, false), ('open', 1, false), ('open', 2, false)) r (c, revision, protected)";
    const CONTRACT: &str = "INSERT INTO service_contract (contract_id, reference, provider_id, client_id, area_id, scope, starts_at, ends_at)
        VALUES (md5('contract')::uuid, 'contract', md5('care')::uuid, md5('harbour')::uuid, md5('harbour')::uuid, '{contacts}', now() - interval '1 day', now() + interval '1 day');
        INSERT INTO service_contract_person (contract_id, person_id, added_at) VALUES (md5('contract')::uuid, md5('own')::uuid, now() - interval '1 hour')";
    const READABLE: &str = "SELECT c.name || c.revision FROM access_contact c WHERE c.address <> '' ORDER BY 1";
    const REVISIONS: &str = "SELECT r.name || r.revision FROM contact_revision r WHERE r.address <> '' ORDER BY 1";
    const ALL: [&str; 7] = ["later1", "later2", "later3", "lifted1", "lifted2", "open1", "open2"];
    for test in guarded().await {
        let db = casedb::Database::connect(&test.url, 4).await.unwrap();
        let owner = db.client().await.unwrap();
        fill(&owner).await;
        owner.batch_execute(CONTACTS).await.unwrap();
        owner.batch_execute(CONTRACT).await.unwrap();
        let mut client = db.client().await.unwrap();
        for (role, branch) in [
            (Role::SocialWorker, Branch::SocialWork),
            (Role::Supervisor, Branch::SocialWork),
            (Role::ServiceProvider, Branch::SocialWork),
            (Role::DutyOfficer, Branch::Police),
            (Role::Supervisor, Branch::Police),
        ] {
            let me = user(&owner, role, branch).await;
            let expected: &[&str] = if branch == Branch::Police {
                &ALL
            } else {
                &["open1", "open2"]
            };
            let tx = access::begin(&mut client, &me).await.unwrap();
            for sql in [READABLE, REVISIONS] {
                let found = tx.query(sql, &[]).await.unwrap();
                let found: Vec<&str> = found.iter().map(|row| row.get(0)).collect();
                assert_eq!(found, expected, "{} {role:?} {branch:?}: {sql}", test.edition);
            }
            // That there is a contact, and how to call it, is no secret.
            let all = tx.query_one("SELECT count(*) FROM access_contact", &[]).await.unwrap();
            assert_eq!(all.get::<_, i64>(0), 7, "{role:?} {branch:?}");
        }

        // As the command line and service providers' pages have it: by what is asked for, at every moment.
        let person = proto::PersonId::new(id(&owner, "own").await);
        let addresses = async |protected| -> Vec<String> {
            let known = casedb::contact::history(&owner, person, protected).await.unwrap();
            let known = known.into_iter().filter(|contact| !contact.content.address.is_empty());
            let mut known: Vec<_> = known
                .map(|contact| contact.content.name + &contact.revision.to_string())
                .collect();
            known.sort();
            known
        };
        assert_eq!(addresses(false).await, ["open1", "open2"]);
        assert_eq!(addresses(true).await, ALL);

        // A social worker revises what they do not see: the addresses stay, protected or not.
        let worker = user(&owner, Role::SocialWorker, Branch::SocialWork).await;
        let tx = access::begin(&mut client, &worker).await.unwrap();
        for (name, revision) in [("later", 4_i64), ("lifted", 3), ("open", 3)] {
            tx.execute(
                "INSERT INTO contact_revision (contact_id, revision, kind, name, phone, changed_by) VALUES (md5($1)::uuid, $3, 'family', $1, '1', $2)",
                &[&name, &worker.user_id, &revision],
            )
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();
        let kept = owner
            .query(
                "SELECT address, protected_address FROM contact_revision WHERE phone = '1' ORDER BY name",
                &[],
            )
            .await
            .unwrap();
        let kept: Vec<(&str, bool)> = kept.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(kept, [("Old Street 3", true), ("Old Street 2", false), ("", false)]);
        drop((client, owner, db));
        test.drop_now().await.unwrap();
    }
}
