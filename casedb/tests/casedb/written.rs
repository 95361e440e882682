//! What roles write by SQL: in their own name, when it happens, and nothing of what is on record.

use std::collections::BTreeMap;

use casedb::{
    access::{
        self,
        rules::{Kind, Op, RULES},
    },
    user::{Branch, Role, User},
};
use serde_json::Value;
use tokio_postgres::{Client, error::SqlState};
use uuid::Uuid;

use crate::access::{covered, fill, guarded, id, put, shapes, user};

#[path = "written/forged.rs"]
mod forged;

/// Columns that name a user or a time, or by which a row could be moved, and that a rule of their own holds: the trigger, which the tests
/// name too.
const HELD: &[(&str, &str, &str)] = &[
    ("order_past_term", "starts_at", "order_past_term_of_role"),
    ("order_past_term", "ends_at", "order_past_term_of_role"),
    ("order_review", "due_at", "order_review_of_role"),
    ("order_priority", "valid_from", "order_priority_of_role"),
    ("device_command", "expires_at", "device_command_of_role"),
    ("notification", "receipt_at", "notification_of_role"),
];

/// Columns that are free, and why.
const FREE: &[(&str, Op, &str, &str)] = &[
    (
        "app_user",
        Op::Update,
        "agency_id",
        "accounts move, within the administrator's agencies (policy)",
    ),
    // Held at the end of the transaction by the incident's course (V0048), tried in incident_law.rs.
    ("incident", Op::Update, "acknowledged_by", "incident_law"),
    ("incident", Op::Update, "closed_by", "incident_law"),
    ("incident", Op::Update, "closed_at", "incident_law"),
    ("incident", Op::Update, "round_at", "incident_law"),
    ("incident", Op::Update, "deadline_at", "incident_law"),
    ("incident", Op::Update, "suspended_until", "incident_law"),
    ("incident", Op::Update, "merged_into", "incident_law"),
];

/// Tables whose row in access_rows.rs no user may write as it stands there, so that nothing can be said about one that is changed in one
/// column; forged.rs tries them.
const UNLAWFUL: &[(&str, Op)] = &[
    ("order_past_term", Op::Insert),
    ("order_approval", Op::Insert),
    ("incident_action", Op::Insert),
];

const LONG_AGO: &str = "2001-01-01T00:00:00Z";
const FAR_AHEAD: &str = "2090-01-01T00:00:00Z";
const NEVER: &str = "infinity";

/// What is special about a column.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sort {
    /// It names a user.
    User,
    /// It is a time.
    Time,
    /// The key of the row, or what the row belongs to.
    Place,
}

async fn sorts(client: &Client) -> BTreeMap<(String, String), Sort> {
    let sql = "SELECT c.relname::text, a.attname::text, a.atttypid = 'timestamptz'::regtype,
            coalesce((SELECT f.confrelid = 'app_user'::regclass FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'
                AND a.attnum = ANY (f.conkey) ORDER BY 1 DESC LIMIT 1), false),
            EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype IN ('f', 'p') AND a.attnum = ANY (f.conkey))
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')";
    let mut all = BTreeMap::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let sort = match (row.get(2), row.get(3), row.get(4)) {
            (true, ..) => Sort::Time,
            (_, true, _) => Sort::User,
            (.., true) => Sort::Place,
            _ => continue,
        };
        all.insert((row.get(0), row.get(1)), sort);
    }
    all
}

/// The words by which triggers hold columns: table, column, operation, word.
async fn words(client: &Client) -> Vec<(String, String, Op, String)> {
    let sql = "SELECT c.relname::text, t.tgtype::int, convert_from(t.tgargs, 'UTF8') FROM (
            SELECT tgrelid, tgtype, replace(encode(tgargs, 'escape'), '\\000', E'\\n')::bytea AS tgargs FROM pg_trigger
            WHERE tgfoid = 'written_by_role'::regproc) t JOIN pg_class c ON c.oid = t.tgrelid";
    let mut all = Vec::new();
    for row in client.query(sql, &[]).await.unwrap() {
        let (table, kinds, args): (String, i32, String) = (row.get(0), row.get(1), row.get(2));
        for (bit, op) in [(4, Op::Insert), (16, Op::Update)] {
            for (word, column) in args.lines().filter_map(|arg| arg.split_once(' ')) {
                if kinds & bit != 0 {
                    all.push((table.clone(), column.to_owned(), op, word.to_owned()));
                }
            }
        }
    }
    all
}

/// The row that a role would write, as far as it may.
fn written(table: &str, columns: &[&str], key: &[String], row: &Value, change: Option<(&str, &str)>, op: Op) -> String {
    let mut row = row.clone();
    if let Some((column, value)) = change {
        row[column] = Value::from(value);
    }
    let literal = row.to_string().replace('\'', "''");
    let record = format!("jsonb_populate_record(NULL::public.{table}, '{literal}')");
    if op == Op::Insert {
        let list: Vec<_> = columns.iter().map(|column| format!("\"{column}\"")).collect();
        let list = list.join(", ");
        return format!("INSERT INTO {table} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM {record}");
    }
    let (column, _) = change.unwrap();
    let found: Vec<_> = key
        .iter()
        .map(|key| format!("t.\"{key}\" = ({record}).\"{key}\""))
        .collect();
    format!(
        "UPDATE {table} t SET \"{column}\" = ({record}).\"{column}\" WHERE {}",
        found.join(" AND ")
    )
}

/// Runs statements as a user's role in a savepoint, with what is due at the end of a transaction, and takes them back.
async fn tried(client: &Client, me: &User, sql: &str) -> Result<u64, tokio_postgres::Error> {
    const DUE: &str =
        "SET CONSTRAINTS zone_publication_of_role, device_command_cancelled_of_role, break_glass_told_both IMMEDIATE";
    let role = access::database_role(me.role);
    client
        .batch_execute(&format!("SAVEPOINT one; SET LOCAL ROLE {role}"))
        .await
        .unwrap();
    let mut done = client.execute(sql, &[]).await;
    if done.is_ok()
        && let Err(error) = client.batch_execute(DUE).await
    {
        done = Err(error);
    }
    client.batch_execute("ROLLBACK TO one").await.unwrap();
    done
}

/// The statement by which the row of a kind is out of the way of another one, where it can be.
async fn cleared(client: &Client, table: &str, key: &[String], row: &Value) -> bool {
    let literal = row.to_string().replace('\'', "''");
    let record = format!("jsonb_populate_record(NULL::public.{table}, '{literal}')");
    let found: Vec<_> = key
        .iter()
        .map(|key| format!("t.\"{key}\" = ({record}).\"{key}\""))
        .collect();
    let sql = format!(
        "SAVEPOINT cleared; SET LOCAL homeward.erasure = 'on'; SET LOCAL homeward.deletion = 'on'; DELETE FROM {table} t WHERE {}",
        found.join(" AND ")
    );
    let done = client.batch_execute(&sql).await.is_ok();
    if !done {
        client.batch_execute("ROLLBACK TO cleared").await.unwrap();
    }
    done
}

/// Another row of the same things: with a key of its own.
fn another(
    key: &[String],
    sorts: &BTreeMap<(String, String), Sort>,
    table: &str,
    row: &Value,
    shape: &[String],
) -> Value {
    let mut row = row.clone();
    for column in shape {
        let own_key = key.contains(column);
        match &row[column] {
            Value::Number(number) if own_key => row[column] = Value::from(number.as_i64().unwrap() + 1),
            Value::String(text)
                if own_key
                    && Uuid::parse_str(text).is_ok()
                    && (key.len() == 1 || sorts.get(&(table.to_owned(), column.clone())).is_none()) =>
            {
                row[column] = Value::from(Uuid::now_v7().to_string());
            }
            Value::String(text)
                if ["username", "idempotency_key", "endpoint", "address", "identity"].contains(&column.as_str()) =>
            {
                row[column] = Value::from(format!("{text}x"));
            }
            _ => {}
        }
    }
    row
}

#[tokio::test]
async fn no_role_writes_in_anothers_name_at_another_time_or_moves_a_row() {
    for test in guarded().await {
        let client = testkit::connect(&test.url).await.unwrap();
        fill(&client).await;
        let (shapes, sorts, words) = (shapes(&client).await, sorts(&client).await, words(&client).await);
        let stranger = id(&client, "inland").await.to_string();
        let (mut wrong, mut tries, mut held) = (Vec::new(), 0, 0);
        for role in Role::ALL {
            let me = user(&client, role, Branch::Police).await;
            client.batch_execute("BEGIN").await.unwrap();
            let rows = put(&client, &me, Kind::Own).await;
            client
                .execute(
                    "SELECT set_config('homeward.user_id', $1, true)",
                    &[&me.user_id.to_string()],
                )
                .await
                .unwrap();
            for rule in RULES {
                let rights = rule.rights.iter().filter(|right| right.roles.contains(&role));
                for right in rights.filter(|right| matches!(right.op, Op::Insert | Op::Update)) {
                    let (table, op, shape) = (rule.table, right.op, &shapes[rule.table]);
                    let columns = covered(right.columns, shape);
                    let row = rows.get(table).and_then(|rows| rows.first());
                    let row: Value =
                        serde_json::from_str(row.unwrap_or_else(|| panic!("a row of {table} for {role:?}"))).unwrap();
                    client.batch_execute("SAVEPOINT of_table").await.unwrap();
                    let row = if op == Op::Insert && !cleared(&client, table, &shape.key, &row).await {
                        another(&shape.key, &sorts, table, &row, &shape.columns)
                    } else {
                        row
                    };
                    let lawful = !UNLAWFUL.contains(&(table, op));
                    if op == Op::Insert && lawful {
                        let sql = written(table, &columns, &shape.key, &row, None, op);
                        if let Err(error) = tried(&client, &me, &sql).await {
                            wrong.push(format!("{role:?} {op:?} {table}: refused as it is: {error:?}"));
                        }
                    }
                    for column in columns {
                        let Some(sort) = sorts.get(&(table.to_owned(), column.to_owned())) else {
                            continue;
                        };
                        if (*sort == Sort::Place && op == Op::Insert)
                            || FREE.iter().any(|free| (free.0, free.1, free.2) == (table, op, column))
                        {
                            continue;
                        }
                        held += 1;
                        let word = words.iter().find(|held| {
                            (held.0.as_str(), held.1.as_str(), held.2) == (table, column, op) && held.3 != "once"
                        });
                        let by_policy = right
                            .rows
                            .sql(table)
                            .contains(&format!("{table}.{column} = (SELECT access_user())"))
                            || right
                                .rows
                                .sql(table)
                                .contains(&format!("{table}.{column} IS NOT DISTINCT FROM (SELECT access_user())"));
                        let special = HELD.iter().any(|held| (held.0, held.1) == (table, column));
                        let bad: &[&str] = match (sort, word.map(|held| held.3.as_str())) {
                            (Sort::User, Some("own")) => &[&stranger],
                            (Sort::User, None) if by_policy => &[&stranger],
                            (Sort::Time, Some("now" | "now-none")) => &[LONG_AGO, FAR_AHEAD],
                            (Sort::Time, _) if special => &[LONG_AGO, FAR_AHEAD],
                            (Sort::Time, Some("past")) => &[FAR_AHEAD, "-infinity"],
                            (Sort::Time, Some("coming")) => &[LONG_AGO, NEVER],
                            // Whatever is asked for or told; but a time that the program can read.
                            (Sort::Time, Some("any")) => &["-infinity", NEVER, "294000-01-01T00:00:00Z"],
                            _ => {
                                wrong.push(format!("{role:?} {op:?} {table}.{column}: nothing holds it ({sort:?})"));
                                continue;
                            }
                        };
                        for value in bad {
                            tries += 1;
                            let sql = written(
                                table,
                                &covered(right.columns, shape),
                                &shape.key,
                                &row,
                                Some((column, value)),
                                op,
                            );
                            match tried(&client, &me, &sql).await {
                                Ok(rows) => {
                                    wrong.push(format!("{role:?} {op:?} {table}.{column} = {value}: {rows} rows"));
                                }
                                Err(error) => {
                                    let code = error.code().cloned().unwrap();
                                    let known = [
                                        SqlState::CHECK_VIOLATION,
                                        SqlState::INSUFFICIENT_PRIVILEGE,
                                        // The law of leave counts days first; of infinities there are none (PostgreSQL before and from 17).
                                        SqlState::DATETIME_FIELD_OVERFLOW,
                                        SqlState::FEATURE_NOT_SUPPORTED,
                                    ]
                                    .contains(&code);
                                    if !known {
                                        wrong.push(format!("{role:?} {op:?} {table}.{column} = {value}: {error:?}"));
                                    }
                                }
                            }
                        }
                    }
                    client.batch_execute("ROLLBACK TO of_table").await.unwrap();
                }
            }
            client.batch_execute("ROLLBACK").await.unwrap();
        }
        assert!(
            wrong.is_empty(),
            "{} on {}:\n{}",
            wrong.len(),
            test.edition,
            wrong.join("\n")
        );
        assert!(held > 80 && tries > 120, "{held} columns, {tries} tries");
        // No exception is left over.
        for (table, op, column, _) in FREE {
            let rule = RULES.iter().find(|rule| rule.table == *table).unwrap();
            let granted = rule
                .rights
                .iter()
                .any(|right| right.op == *op && covered(right.columns, &shapes[*table]).contains(column));
            assert!(
                granted,
                "no role writes {table}.{column}: take it out of the exceptions"
            );
        }
        drop(client);
        test.drop_now().await.unwrap();
    }
}
