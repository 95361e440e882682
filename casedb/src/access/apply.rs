//! Writes the rules of [`super::rules`] into the database: roles, grants, row-level policies. Done anew at the end of every
//! migration, and only where something differs from what is there.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use sha2::{Digest, Sha256};
use tokio_postgres::{Client, error::SqlState};

use super::rules::{Columns, FUNCTIONS, Op, PSEUDONYMS, RULES, Right, SEQUENCES};
use crate::{Error, user::Role};

/// The database role of a user's role.
pub fn database_role(role: Role) -> String {
    format!("homeward_{}", role.name())
}

/// Whether the database's own rules of access are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforced {
    /// They are.
    Yes,
    /// The cluster lacks roles, or the owner of the tables may not take them on; these.
    Without(Vec<String>),
}

impl Enforced {
    /// True when they are.
    pub fn holds(&self) -> bool {
        *self == Self::Yes
    }
}

impl fmt::Display for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Yes => f.write_str("the database's own rules of access are in force"),
            Self::Without(roles) => write!(
                f,
                "the database's own rules of access are NOT in force: this cluster lacks the roles {}",
                roles.join(", ")
            ),
        }
    }
}

/// Says whether the rules are in force.
pub async fn enforced(client: &impl crate::GenericClient) -> Result<bool, Error> {
    const SQL: &str = "SELECT EXISTS (SELECT FROM access_rules)";
    Ok(crate::pool::row(client, SQL, &[]).await?.try_get(0)?)
}

/// What a superuser runs once, where the owner of the database may not create roles. `owner` is the role that Homeward logs in as.
pub fn roles_sql(owner: &str) -> String {
    let mut sql = String::from(
        "-- The roles of Homeward's users. They cannot log in; the program takes them on for each request (docs/access.md).\n",
    );
    for role in Role::ALL.map(database_role) {
        let _ = writeln!(
            sql,
            "DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        );
    }
    let all = Role::ALL.map(database_role).join(", ");
    let _ = writeln!(sql, "GRANT {all} TO \"{}\";", owner.replace('"', "\"\""));
    sql
}

/// The role that a database URL logs in as.
pub fn owner_of(url: &str) -> Result<String, Error> {
    Ok(crate::pool::config(url)?.get_user().unwrap_or("homeward").to_owned())
}

/// Makes what is missing of the roles, as far as the owner may. Returns those that are missing still.
async fn make_roles(client: &Client) -> Result<Vec<String>, Error> {
    // Quietly: several databases of a cluster may do this at once, and one of them is faster.
    let quiet = [
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNIQUE_VIOLATION,
        SqlState::INSUFFICIENT_PRIVILEGE,
        // What could not be made cannot be granted; it is told as missing.
        SqlState::UNDEFINED_OBJECT,
        // "tuple concurrently updated"
        SqlState::INTERNAL_ERROR,
    ];
    for role in Role::ALL.map(database_role) {
        let missing =
            "SELECT to_regrole($1) IS NULL, coalesce(NOT pg_has_role(current_user, to_regrole($1), 'MEMBER'), true)";
        for (column, statement) in [
            (0, format!("CREATE ROLE {role} NOLOGIN")),
            (1, format!("GRANT {role} TO CURRENT_USER")),
        ] {
            if !client.query_one(missing, &[&role]).await?.try_get::<_, bool>(column)? {
                continue;
            }
            if let Err(error) = client.batch_execute(&statement).await
                && !error.code().is_some_and(|code| quiet.contains(code))
            {
                return Err(error.into());
            }
        }
    }
    let names: Vec<String> = Role::ALL.map(database_role).to_vec();
    let missing = "SELECT r FROM unnest($1::text[]) r
        WHERE to_regrole(r) IS NULL OR NOT pg_has_role(current_user, to_regrole(r), 'MEMBER')";
    let rows = client.query(missing, &[&names]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Makes roles, grants and policies as [`super::rules`] says. The caller holds the lock of migrations.
pub(crate) async fn apply(client: &mut Client) -> Result<Enforced, Error> {
    let missing = make_roles(client).await?;
    if !missing.is_empty() {
        client.execute("DELETE FROM access_rules", &[]).await?;
        return Ok(Enforced::Without(missing));
    }
    let tables = tables(client).await?;
    let sql = statements(&tables);
    let fingerprint = Sha256::digest(sql.as_bytes())
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
    let known = client.query_opt("SELECT fingerprint FROM access_rules", &[]).await?;
    // A view that was made anew reads with its owner's rights again.
    let loose =
        "SELECT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'v'
        AND c.relname = ANY ($1) AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false))";
    let views: Vec<&str> = invoker_views().collect();
    let loose: bool = client.query_one(loose, &[&views]).await?.try_get(0)?;
    if !loose && known.is_some_and(|row| row.try_get::<_, String>(0).is_ok_and(|known| known == fingerprint)) {
        return Ok(Enforced::Yes);
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(&sql).await?;
    transaction
        .execute(
            "INSERT INTO access_rules (fingerprint) VALUES ($1)
            ON CONFLICT (only_row) DO UPDATE SET fingerprint = EXCLUDED.fingerprint, applied_at = now()",
            &[&fingerprint],
        )
        .await?;
    transaction.commit().await?;
    Ok(Enforced::Yes)
}

/// A table or view of the schema `public` that is neither an extension's nor a partition.
#[derive(Debug)]
struct Table {
    /// Row-level security can be and is wanted.
    secured: bool,
    view: bool,
    columns: Vec<String>,
}

async fn tables(client: &Client) -> Result<BTreeMap<String, Table>, Error> {
    // Hypertables are left out of row-level security: chunks that are compressed cannot have it. Nobody has a right on them.
    const SQL: &str = "SELECT c.relname::text, c.relkind IN ('r', 'p') AND c.relname <> 'position',
            array_agg(a.attname::text ORDER BY a.attnum), c.relkind = 'v'
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        GROUP BY c.oid, c.relname, c.relkind";
    let rows = client.query(SQL, &[]).await?;
    rows.iter()
        .map(|row| {
            let table = Table {
                secured: row.try_get(1)?,
                columns: row.try_get(2)?,
                view: row.try_get(3)?,
            };
            Ok((row.try_get(0)?, table))
        })
        .collect()
}

fn names(roles: &[Role]) -> String {
    roles
        .iter()
        .map(|role| database_role(*role))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The columns of a right as a grant says them: nothing for all of them.
fn column_list(columns: Columns, table: &Table) -> String {
    let some = |wanted: &dyn Fn(&str) -> bool| {
        let named: Vec<String> = table
            .columns
            .iter()
            .filter(|column| wanted(column))
            .map(|column| format!("\"{column}\""))
            .collect();
        format!(" ({})", named.join(", "))
    };
    match columns {
        Columns::All => String::new(),
        Columns::Only(these) => some(&|column| these.contains(&column)),
        Columns::But(these) => some(&|column| !these.contains(&column)),
    }
}

/// Views on which roles have rights read with the rights of who reads, but for those of the policies themselves.
fn invoker_views() -> impl Iterator<Item = &'static str> {
    RULES
        .iter()
        .filter(|rule| !rule.rights.is_empty() && !rule.table.starts_with("access_"))
        .map(|rule| rule.table)
}

/// Everything, as one text: the same for the same tables and rules.
fn statements(tables: &BTreeMap<String, Table>) -> String {
    let mut sql = String::new();
    let everybody = names(&Role::ALL);
    // Row changes fire triggers that write where the role may not: audit, steps of commands.
    let _ = writeln!(
        sql,
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {everybody};
        REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {everybody};
        GRANT USAGE ON SCHEMA public TO {everybody};
        DO $$ DECLARE one record; BEGIN
            FOR one IN SELECT polname, polrelid::regclass AS tab FROM pg_policy WHERE polname LIKE 'access\\_%' LOOP
                EXECUTE format('DROP POLICY %I ON %s', one.polname, one.tab);
            END LOOP;
            FOR one IN SELECT p.oid::regprocedure AS fn FROM pg_proc p
                WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype = 'trigger'::regtype AND NOT p.prosecdef
                    AND p.prosrc !~ 'current_user'
                    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
            LOOP
                EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp', one.fn);
            END LOOP;
        END $$;"
    );
    for (name, table) in tables {
        if table.secured {
            let _ = writeln!(sql, "ALTER TABLE \"{name}\" ENABLE ROW LEVEL SECURITY;");
        } else if table.view && invoker_views().any(|view| view == name) {
            let _ = writeln!(sql, "ALTER VIEW \"{name}\" SET (security_invoker = true);");
        }
    }
    for rule in RULES {
        let Some(table) = tables.get(rule.table) else { continue };
        for (at, right) in rule.rights.iter().enumerate() {
            write_right(&mut sql, rule.table, table, at, right);
        }
    }
    for (function, roles) in FUNCTIONS {
        let _ = writeln!(
            sql,
            "REVOKE ALL ON FUNCTION {function} FROM {everybody};\nGRANT EXECUTE ON FUNCTION {function} TO {};",
            names(roles)
        );
    }
    for (sequence, roles) in SEQUENCES {
        let _ = writeln!(sql, "GRANT USAGE ON SEQUENCE {sequence} TO {};", names(roles));
    }
    write_pseudonyms(&mut sql, tables);
    sql
}

fn write_right(sql: &mut String, name: &str, table: &Table, at: usize, right: &Right) {
    let (op, roles) = (right.op.sql(), names(right.roles));
    let columns = if right.op == Op::Delete {
        String::new()
    } else {
        column_list(right.columns, table)
    };
    let _ = writeln!(sql, "GRANT {op}{columns} ON \"{name}\" TO {roles};");
    if !table.secured {
        return;
    }
    let rows = right.rows.sql(name);
    let condition = match right.op {
        Op::Select | Op::Delete => format!("USING ({rows})"),
        Op::Insert => format!("WITH CHECK ({rows})"),
        Op::Update => format!("USING ({rows}) WITH CHECK ({rows})"),
    };
    let _ = writeln!(
        sql,
        "CREATE POLICY access_{at} ON \"{name}\" FOR {op} TO {roles} {condition};"
    );
}

/// The views that stand before tables in an analyst's search path. They read with the analyst's own rights and policies.
fn write_pseudonyms(sql: &mut String, tables: &BTreeMap<String, Table>) {
    let analyst = database_role(Role::Analyst);
    let _ = writeln!(
        sql,
        "DROP SCHEMA IF EXISTS pseudonym CASCADE;\nCREATE SCHEMA pseudonym;\nGRANT USAGE ON SCHEMA pseudonym TO {analyst};"
    );
    for (name, table) in tables {
        let disguised: Vec<_> = PSEUDONYMS.iter().filter(|(of, ..)| of == name).collect();
        if disguised.is_empty() {
            continue;
        }
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let disguise = disguised.iter().find(|(_, of, _)| of == column);
                disguise.map_or_else(
                    || format!("\"{column}\""),
                    |(_, _, instead)| format!("{instead} AS \"{column}\""),
                )
            })
            .collect();
        let _ = writeln!(
            sql,
            "CREATE VIEW pseudonym.\"{name}\" WITH (security_invoker) AS SELECT {} FROM public.\"{name}\";
            GRANT SELECT ON pseudonym.\"{name}\" TO {analyst};",
            columns.join(", ")
        );
    }
}
