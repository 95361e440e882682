//! `docs/access-matrix.md`, out of the program's own tables: who may call which route, and who may do what with which table.

use std::fmt::Write as _;

use casedb::{
    access::rules::{Columns, Op, RULES, Rule},
    user::Role,
};

use crate::router::{Admission, ROUTES};

/// The page, whole.
pub fn markdown() -> String {
    let mut page = String::from(
        "# The access matrix\n\nMade from the program's own tables (`console/src/router.rs`, `casedb/src/access/rules.rs`) by a test, which fails \
        while\nthis page says something else: `HOMEWARD_WRITE_DOCS=1 cargo test -p homeward-console matrix` writes it anew. What it means is in\n\
        [access.md](access.md).\n\n## Routes\n\nA role that is let in sees what is of its branch: everything else is 404. Without a session every route that \
        is not public is 401.\n\n",
    );
    let roles = Role::ALL.map(|role| role.name().replace('_', " ")).join(" | ");
    let _ = writeln!(
        page,
        "| method | path | {roles} |\n|---|---|{}",
        "---|".repeat(Role::ALL.len())
    );
    for (method, path, admission) in ROUTES {
        let cells = Role::ALL.map(|role| match admission {
            Admission::Public => "public",
            Admission::Roles(roles) if roles.contains(&role) => "yes",
            Admission::Roles(_) => "403",
        });
        let _ = writeln!(page, "| {} | `{path}` | {} |", method.to_uppercase(), cells.join(" | "));
    }
    let _ = writeln!(
        page,
        "\n## Tables, by direct SQL\n\nr reads, a adds, c changes, d deletes; small print: which rows, and `*` where some columns are left out. Everything \
        else is\nrefused.\n\n| table | {roles} | rows |\n|---|{}---|",
        "---|".repeat(Role::ALL.len())
    );
    for rule in RULES {
        let cells = Role::ALL.map(|role| cell(rule, role)).join(" | ");
        let rows = if rule.rights.is_empty() {
            rule.why.to_owned()
        } else {
            let mut words: Vec<_> = rule.rights.iter().map(|right| right.rows.words()).collect();
            words.dedup();
            words.join("; ")
        };
        let _ = writeln!(page, "| `{}` | {cells} | {rows} |", rule.table);
    }
    page
}

fn cell(rule: &Rule, role: Role) -> String {
    let mut text = String::new();
    for (op, letter) in [
        (Op::Select, 'r'),
        (Op::Insert, 'a'),
        (Op::Update, 'c'),
        (Op::Delete, 'd'),
    ] {
        let mut rights = rule
            .rights
            .iter()
            .filter(|right| right.op == op && right.roles.contains(&role))
            .peekable();
        if rights.peek().is_none() {
            continue;
        }
        text.push(letter);
        if op != Op::Delete && rights.all(|right| right.columns != Columns::All) {
            text.push('*');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_says_what_the_program_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/access-matrix.md");
        let made = super::markdown();
        if std::env::var("HOMEWARD_WRITE_DOCS").as_deref() == Ok("1") {
            std::fs::write(path, &made).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == made,
            "docs/access-matrix.md is not what the program does: HOMEWARD_WRITE_DOCS=1 cargo test -p homeward-console matrix"
        );
    }
}
