//! The chain itself: hashes, links, signatures, and what it says of each row.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::{Fault, Kind, Report, Trust};
use crate::audit::{
    entry::{ChainEntry, Hash},
    merkle::Tree,
    root::Root,
};

/// What the chain says last of a row.
#[derive(Debug, Clone)]
pub(super) struct Last {
    /// In which entry; `None`: one that waits.
    pub(super) entry: Option<i64>,
    /// The digest of the row; `None`: it was deleted.
    pub(super) digest: Option<Vec<u8>>,
    /// A migration was at work: what comes next need not follow.
    loose: bool,
    /// The entry itself was tampered with: nothing can be said of the row.
    pub(super) doubtful: bool,
    /// The row is there.
    pub(super) seen: bool,
}

/// History that went for good.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Gone {
    pub(super) table: String,
    pub(super) person_id: Option<uuid::Uuid>,
    #[serde(default)]
    pub(super) since: Option<i64>,
    pub(super) before: Option<i64>,
    #[serde(skip)]
    pub(super) entry: i64,
}

/// Rows of a table by their key.
pub(super) type RowsOf = HashMap<Box<str>, Last>;

/// The chain as far as it is read.
pub(super) struct Chain {
    pub(super) report: Report,
    pub(super) rows: BTreeMap<String, RowsOf>,
    pub(super) gone: Vec<Gone>,
    pub(super) dropped: Vec<String>,
    next_id: i64,
    hash: Vec<u8>,
    /// The entry before this one is not what it was: the link to it says nothing new.
    broken: bool,
    roots: std::iter::Peekable<std::vec::IntoIter<Root>>,
    tree: Tree,
    rooted: i64,
    /// The first entry after the last root, with its time, and the newest time of all: what lies between is under no signature.
    open_since: Option<(i64, i64)>,
    newest_us: i64,
    anchors: BTreeMap<i64, Vec<Root>>,
}

/// Roots are signed every few minutes (`audit.root_minutes`): with a trusted key, entries that are older than this, by the newest one's
/// time, are under one. Without this rule whoever makes the chain anew would simply leave the signatures away.
const UNSIGNED_MOST_US: i64 = 3_600_000_000;

impl Chain {
    pub(super) fn new(mut roots: Vec<Root>, trust: &Trust) -> Self {
        roots.sort_by_key(|root| root.through_id);
        let mut report = Report {
            key_is_trusted: trust.key.is_some(),
            roots: i64::try_from(roots.len()).unwrap_or(i64::MAX),
            ..Report::default()
        };
        let mut through = 0;
        let mut fault = |kind, root: &Root, text: &str| {
            report.faults.push(Fault {
                kind,
                table: "audit_root".to_owned(),
                row: root_key(root),
                entry: None,
                text: text.to_owned(),
            });
        };
        for root in &roots {
            if !root.is_signed() {
                fault(Kind::Changed, root, "the signature is not of this root");
            } else if trust.key.is_some_and(|key| *key.bytes() != root.public_key) {
                fault(
                    Kind::Unsigned,
                    root,
                    "it is signed with another key than the one trusted",
                );
            }
            if root.first_id != through + 1 {
                fault(Kind::Changed, root, "it does not begin where the root before it ended");
            }
            through = root.through_id;
        }
        report.key_ids = roots.iter().map(|root| root.key_id.clone()).collect();
        let mut anchors: BTreeMap<i64, Vec<Root>> = BTreeMap::new();
        for anchor in &trust.anchors {
            let known = trust.key.is_none_or(|key| *key.bytes() == anchor.public_key);
            if anchor.is_signed() && known {
                anchors.entry(anchor.through_id).or_default().push(anchor.clone());
            } else {
                report.faults.push(Fault {
                    kind: Kind::Unsigned,
                    table: "anchor file".to_owned(),
                    row: root_key(anchor),
                    entry: None,
                    text: "the signature of this line is not of the trusted key".to_owned(),
                });
            }
        }
        Self {
            report,
            rows: BTreeMap::new(),
            gone: Vec::new(),
            dropped: Vec::new(),
            next_id: 1,
            hash: vec![0; 32],
            broken: false,
            roots: roots.into_iter().peekable(),
            tree: Tree::default(),
            rooted: 0,
            open_since: None,
            newest_us: i64::MIN,
            anchors,
        }
    }

    pub(super) fn fault(&mut self, kind: Kind, table: &str, row: &str, entry: Option<i64>, text: impl Into<String>) {
        self.report.faults.push(Fault {
            kind,
            table: table.to_owned(),
            row: row.to_owned(),
            entry,
            text: text.into(),
        });
    }

    fn entry_fault(&mut self, kind: Kind, id: i64, text: &str) {
        self.fault(kind, "audit_entry", &entry_key(id), Some(id), text);
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: &ChainEntry) {
        let id = entry.entry_id;
        if id > self.next_id {
            self.removed(self.next_id, id - 1);
            self.broken = true;
        }
        let sound = entry.computed().as_slice() == entry.hash;
        let linked = entry.previous_hash == self.hash;
        if !sound {
            self.entry_fault(Kind::Changed, id, "its hash is not of its content");
        } else if !linked && !self.broken {
            self.entry_fault(Kind::Changed, id - 1, "the next entry was chained to another one");
        }
        self.broken = !sound;
        self.hash.clone_from(&entry.hash);
        self.next_id = id.saturating_add(1);
        self.report.entries += 1;
        self.roots_at(id, &entry.hash);
        self.newest_us = self.newest_us.max(entry.at_us);
        self.open_since = if id <= self.rooted {
            None
        } else {
            self.open_since
                .filter(|(since, _)| *since > self.rooted)
                .or(Some((id, entry.at_us)))
        };
        if let Some(anchors) = self.anchors.remove(&id)
            && anchors.iter().any(|anchor| anchor.hash.as_slice() != entry.hash)
        {
            let text = "the chain was made anew: it is not that of the anchored root";
            self.fault(Kind::Anchor, "audit_entry", &entry_key(id), Some(id), text);
        }
        self.note(entry, Some(id), !sound);
    }

    fn roots_at(&mut self, id: i64, hash: &[u8]) {
        while let Some(root) = self.roots.next_if(|root| root.through_id < id) {
            self.fault(
                Kind::Removed,
                "audit_entry",
                &entry_key(root.through_id),
                Some(root.through_id),
                "a root was signed over it",
            );
            self.tree = Tree::default();
            self.rooted = root.through_id;
        }
        let Some(root) = self.roots.peek() else { return };
        if id >= root.first_id {
            self.tree.push(hash);
        }
        if id != root.through_id {
            return;
        }
        let tree: Option<Hash> = self.tree.root();
        let key = root_key(root);
        let same = root.hash.as_slice() == hash && Some(root.tree) == tree;
        // Where an entry is known to be wrong, the root says only that once more.
        let known = self.report.faults.iter().any(|fault| {
            fault.table == "audit_entry"
                && fault
                    .entry
                    .is_some_and(|at| (root.first_id..=root.through_id).contains(&at))
        });
        if !known && !same {
            self.fault(
                Kind::Changed,
                "audit_root",
                &key,
                Some(id),
                "the chain is not the one that was signed",
            );
        }
        self.rooted = id;
        self.tree = Tree::default();
        self.roots.next();
    }

    fn removed(&mut self, first: i64, last: i64) {
        if last - first < 100 {
            for id in first..=last {
                self.entry_fault(Kind::Removed, id, "the chain has no such entry any more");
            }
        } else {
            let text = format!("the chain has none of the entries {first} to {last} any more");
            self.entry_fault(Kind::Removed, first, &text);
        }
    }

    /// The chain is read: is this its end?
    pub(super) fn end(&mut self, head: Option<(i64, Vec<u8>)>) {
        let last = self.next_id - 1;
        match head {
            None => self.fault(
                Kind::Removed,
                "audit_head",
                "{\"one\": true}",
                None,
                "the end of the chain is not told",
            ),
            Some((id, _)) if id > last => {
                // The end of the chain or the row that tells it: a root signed over it, or the rows, say which.
                self.removed(last + 1, id);
                self.fault(
                    Kind::Changed,
                    "audit_head",
                    "{\"one\": true}",
                    None,
                    format!("it says that the chain ends at {id}, it ends at {last}"),
                );
            }
            Some((id, _)) if id < last => {
                for id in (id + 1)..=last.min(id + 100) {
                    self.entry_fault(Kind::Inserted, id, "the chain ended before it");
                }
                self.fault(
                    Kind::Changed,
                    "audit_head",
                    "{\"one\": true}",
                    None,
                    format!("it says that the chain ends at {id}, it ends at {last}"),
                );
            }
            Some((_, hash)) if hash != self.hash && !self.broken => {
                self.fault(
                    Kind::Changed,
                    "audit_head",
                    "{\"one\": true}",
                    Some(last),
                    "it has another hash than the last entry",
                );
                self.entry_fault(Kind::Changed, last, "the end of the chain has another hash");
            }
            _ => {}
        }
        for root in self.roots.by_ref().collect::<Vec<_>>() {
            self.fault(
                Kind::Removed,
                "audit_entry",
                &entry_key(root.through_id),
                Some(root.through_id),
                "a root was signed over it, the chain ends before",
            );
        }
        for id in std::mem::take(&mut self.anchors).into_keys() {
            self.fault(
                Kind::Anchor,
                "audit_entry",
                &entry_key(id),
                Some(id),
                "a root in the anchor file was signed over it, it is not there",
            );
        }
        self.report.unsigned = last - self.rooted;
        if let Some((id, at_us)) = self.open_since
            && self.report.key_is_trusted
            && self.newest_us.saturating_sub(at_us) > UNSIGNED_MOST_US
        {
            let text = format!(
                "{} entries from here on, over an hour of them, are under no signature of the trusted key",
                self.report.unsigned
            );
            self.entry_fault(Kind::Unsigned, id, &text);
        }
    }

    /// Takes an entry that waits for the sealer.
    pub(super) fn take_waiting(&mut self, entry: &ChainEntry) {
        self.note(entry, None, false);
    }

    /// What an entry says of its row.
    fn note(&mut self, entry: &ChainEntry, id: Option<i64>, doubtful: bool) {
        if entry.act == "deletion" {
            // By the program alone: what a user's role writes excuses nothing.
            if entry.actor_role.is_empty()
                && let Ok(mut gone) = serde_json::from_str::<Gone>(&entry.detail)
            {
                gone.entry = id.unwrap_or(i64::MAX);
                self.gone.push(gone);
            }
            return;
        }
        if entry.act == "table_dropped" {
            if entry.actor_role.is_empty() {
                self.dropped.push(entry.table.clone());
            }
            return;
        }
        if entry.old_digest.is_none() && entry.new_digest.is_none() && !doubtful {
            return;
        }
        let loose = entry.act == "migrate" || entry.detail.contains("\"migrating\"");
        let before = self
            .rows
            .get(&entry.table)
            .and_then(|rows| rows.get(entry.key.as_str()));
        let trouble = match (before, &entry.old_digest) {
            (Some(before), _) if before.doubtful || before.loose || loose || doubtful => None,
            (None, _) if loose || doubtful => None,
            (Some(Last { digest: Some(was), .. }), Some(old)) if was == old => None,
            (Some(Last { digest: Some(_), .. }), Some(_)) => {
                Some((Kind::Changed, "it was changed past the audit before this entry"))
            }
            (Some(Last { digest: Some(_), .. }), None) if entry.act == "insert" => Some((
                Kind::Removed,
                "it was removed past the audit before it was put there again",
            )),
            // A table comes under the audit once: what is taken in anew may have been changed meanwhile.
            (Some(Last { digest: Some(_), .. }), None) if entry.act == "baseline" => Some((
                Kind::Changed,
                "it was taken under the audit anew: what it was before is not compared",
            )),
            (Some(Last { digest: None, .. }) | None, Some(_)) => {
                Some((Kind::Inserted, "it came past the audit before this entry"))
            }
            _ => None,
        };
        if let Some((kind, text)) = trouble {
            self.fault(kind, &entry.table, &entry.key, id, text);
        }
        let last = Last {
            entry: id,
            digest: entry.new_digest.clone(),
            loose,
            doubtful,
            seen: false,
        };
        if !self.rows.contains_key(&entry.table) {
            self.rows.insert(entry.table.clone(), RowsOf::new());
        }
        if let Some(rows) = self.rows.get_mut(&entry.table) {
            rows.insert(entry.key.as_str().into(), last);
        }
    }
}

fn entry_key(id: i64) -> String {
    format!("{{\"entry_id\": {id}}}")
}

fn root_key(root: &Root) -> String {
    format!("{{\"through_id\": {}}}", root.through_id)
}
