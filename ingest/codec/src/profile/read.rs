//! Reads a profile's file, and says where and how it is wrong.

use std::collections::{BTreeMap, BTreeSet};

use toml::Table;

use super::{Commands, ProfileError, at::At, read_rule::rule, rule::Rule, words::Words};
use crate::Protocol;

/// Longest item: what one byte can say, and a Teltonika element of variable length.
pub(super) const MAX_LENGTH: i64 = 65_535;
/// Greatest id: two ids of two bytes, one within the other, are enough for all.
const MAX_ID: i64 = 0xff_ffff;
/// Most rules of a profile.
const MAX_RULES: usize = 10_000;

/// A file as it stands, before what it extends is added.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) protocol: Option<Protocol>,
    pub(super) title: String,
    pub(super) source: String,
    pub(super) extends: Option<String>,
    pub(super) default: bool,
    pub(super) alarms: BTreeMap<u32, Words>,
    pub(super) other: Option<Words>,
    pub(super) items: BTreeMap<u32, Vec<DraftItem>>,
    pub(super) commands: Commands,
}

#[derive(Debug, Clone)]
pub(super) struct DraftItem {
    pub(super) name: String,
    pub(super) lengths: (usize, usize),
    pub(super) rules: Vec<Rule>,
}

/// A name of a profile: what stands in a case database and on command lines.
fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte))
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
}

/// Reads a file's text.
pub(super) fn draft(file: &str, text: &str) -> Result<Draft, ProfileError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| {
            let before = text.as_bytes().get(..span.start).unwrap_or_default();
            before.split(|byte| *byte == b'\n').count()
        });
        ProfileError {
            file: file.to_owned(),
            key: format!("line {line}"),
            problem: error.message().replace('\n', ", "),
            cure: "write it as TOML 1.0".to_owned(),
        }
    })?;
    let root = At {
        file,
        path: String::new(),
        table: &table,
    };
    root.only(&[
        "name", "protocol", "title", "source", "extends", "default", "alarms", "item", "commands",
    ])?;
    let name = root.text("name")?.unwrap_or_default();
    if !is_name(name) {
        return Err(root.error(
            "name",
            format!("{name:?} is no name"),
            "write 1 to 64 small letters, digits, '-', '_' or '.', such as name = \"gt06-lw\"",
        ));
    }
    let protocol = protocol(&root)?;
    let extends = root.text("extends")?.map(str::to_owned);
    if protocol.is_none() && extends.is_none() {
        return Err(root.error(
            "protocol",
            "missing",
            format!("write one of {}, or extends = \"…\"", protocols()),
        ));
    }
    let (alarms, other) = alarms(&root, protocol)?;
    Ok(Draft {
        file: file.to_owned(),
        name: name.to_owned(),
        protocol,
        title: root.text("title")?.unwrap_or_default().to_owned(),
        source: root.text("source")?.unwrap_or_default().to_owned(),
        extends,
        default: root.flag("default")?,
        alarms,
        other,
        items: items(&root)?,
        commands: commands(&root)?,
    })
}

fn protocols() -> String {
    Protocol::ALL.map(Protocol::name).join(", ")
}

fn protocol(root: &At<'_>) -> Result<Option<Protocol>, ProfileError> {
    let Some(name) = root.text("protocol")? else {
        return Ok(None);
    };
    match Protocol::by_name(name) {
        Some(protocol) => Ok(Some(protocol)),
        None => Err(root.error(
            "protocol",
            format!("{name:?} is no protocol"),
            format!("write one of {}", protocols()),
        )),
    }
}

/// Greatest alarm code of a protocol: JT/T 808 has 32 bits, the others a byte and extensions of it.
pub(super) fn max_code(protocol: Option<Protocol>) -> i64 {
    match protocol {
        Some(Protocol::Jt808) => 31,
        _ => 0xffff,
    }
}

type AlarmTable = (BTreeMap<u32, Words>, Option<Words>);

fn alarms(root: &At<'_>, protocol: Option<Protocol>) -> Result<AlarmTable, ProfileError> {
    let mut codes = BTreeMap::new();
    let mut other = None;
    let Some(table) = root.inner("alarms")? else {
        return Ok((codes, other));
    };
    let max = max_code(protocol);
    for key in table.table.keys() {
        let words = table.words(key)?.unwrap_or_default();
        if key == "other" {
            other = Some(words);
            continue;
        }
        let code = number(key).filter(|code| i64::from(*code) <= max);
        let code = code.ok_or_else(|| {
            table.error(
                key,
                format!("{key:?} is no alarm code from 0 to {max:#x}"),
                "write the code in decimal (24), in hexadecimal (0x18), or other for all codes that are not listed",
            )
        })?;
        if codes.insert(code, words).is_some() {
            return Err(table.error(
                key,
                format!("code {code} ({code:#04x}) stands here twice"),
                "leave one of them",
            ));
        }
    }
    Ok((codes, other))
}

/// A key that is a number.
fn number(key: &str) -> Option<u32> {
    match key.strip_prefix("0x").or_else(|| key.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        None if key.bytes().all(|byte| byte.is_ascii_digit()) => key.parse().ok(),
        _ => None,
    }
}

fn items(root: &At<'_>) -> Result<BTreeMap<u32, Vec<DraftItem>>, ProfileError> {
    let mut items: BTreeMap<u32, Vec<DraftItem>> = BTreeMap::new();
    let mut count = 0;
    for at in root.list("item", "[[item]]")? {
        at.only(&["id", "ids", "name", "length", "min_length", "max_length", "rules"])?;
        let mut ids = BTreeSet::new();
        ids.extend(at.integer("id", 0, MAX_ID)?);
        if let Some(list) = at.integers("ids")? {
            ids.extend(list.iter().copied());
        }
        let ids: Option<Vec<u32>> = ids
            .into_iter()
            .map(|id| u32::try_from(id).ok().filter(|id| i64::from(*id) <= MAX_ID))
            .collect();
        let ids = ids.filter(|ids| !ids.is_empty()).ok_or_else(|| {
            at.error(
                "id",
                format!("missing, or not from 0 to {MAX_ID:#x}"),
                "write id = 0xda, or ids = [0xd4, 0xe1] for items that mean the same",
            )
        })?;
        let lengths = lengths(&at)?;
        let mut rules = Vec::new();
        for one in at.list("rules", "rules = [{ at = 0, … }]")? {
            rules.push(rule(&one, lengths)?);
        }
        count += rules.len() * ids.len();
        if count > MAX_RULES {
            return Err(at.error("", format!("more than {MAX_RULES} rules"), "make it two profiles"));
        }
        let item = DraftItem {
            name: at.text("name")?.unwrap_or_default().to_owned(),
            lengths,
            rules,
        };
        for id in ids {
            let same = items.entry(id).or_default();
            if let Some(other) = same
                .iter()
                .find(|other| other.lengths.0 <= lengths.1 && lengths.0 <= other.lengths.1)
            {
                return Err(at.error(
                    "id",
                    format!(
                        "item {id:#x} stands here twice for the same length ({} to {}, and {} to {})",
                        other.lengths.0, other.lengths.1, lengths.0, lengths.1
                    ),
                    "put the rules together, or give each a length of its own",
                ));
            }
            same.push(item.clone());
        }
    }
    Ok(items)
}

fn lengths(at: &At<'_>) -> Result<(usize, usize), ProfileError> {
    let exact = at.integer("length", 0, MAX_LENGTH)?;
    let from = at.integer("min_length", 0, MAX_LENGTH)?;
    let to = at.integer("max_length", 0, MAX_LENGTH)?;
    let (from, to) = match (exact, from, to) {
        (Some(exact), None, None) => (exact, exact),
        (None, from, to) => (from.unwrap_or(0), to.unwrap_or(MAX_LENGTH)),
        _ => return Err(at.error("length", "stands beside min_length or max_length", "leave one of them")),
    };
    if from > to {
        return Err(at.error(
            "min_length",
            format!("{from} is more than max_length {to}"),
            "write the smaller one first",
        ));
    }
    let size = |length| usize::try_from(length).unwrap_or(0);
    Ok((size(from), size(to)))
}

/// What may stand in braces in a command's text.
const PLACEHOLDERS: [(&str, &[&str]); 4] = [
    ("locate", &[]),
    (
        "interval",
        &["interval", "interval_minutes", "for_seconds", "for_minutes"],
    ),
    ("vibrate", &[]),
    ("text", &["text"]),
];

fn commands(root: &At<'_>) -> Result<Commands, ProfileError> {
    let Some(at) = root.inner("commands")? else {
        return Ok(Commands::default());
    };
    at.only(&["locate", "interval", "vibrate", "text", "refuse"])?;
    for (kind, allowed) in PLACEHOLDERS {
        let Some(template) = at.text(kind)? else {
            continue;
        };
        if template.chars().count() > 1_000 {
            return Err(at.error(kind, "longer than 1,000 characters", "shorten it"));
        }
        let mut rest = template;
        while let Some((_, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            if !allowed.contains(&name) {
                let cure = if allowed.is_empty() {
                    "this command has no placeholders".to_owned()
                } else {
                    format!("write one of {{{}}}", allowed.join("}, {"))
                };
                return Err(at.error(kind, format!("{{{name}}} is no placeholder"), cure));
            }
            rest = tail;
        }
        if let [needed, ..] = allowed
            && *needed != "interval"
            && !template.contains(&format!("{{{needed}}}"))
        {
            return Err(at.error(
                kind,
                format!("without {{{needed}}}"),
                format!("put {{{needed}}} where it belongs"),
            ));
        }
        if kind == "interval" && !template.contains("{interval}") && !template.contains("{interval_minutes}") {
            return Err(at.error(
                kind,
                "without {interval}",
                "put {interval} or {interval_minutes} where it belongs",
            ));
        }
    }
    let own = |kind| at.text(kind).map(|text| text.map(str::to_owned));
    Ok(Commands {
        locate: own("locate")?,
        interval: own("interval")?,
        vibrate: own("vibrate")?,
        text: own("text")?,
        refuse: own("refuse")?.unwrap_or_default(),
    })
}
