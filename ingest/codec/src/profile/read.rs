//! Reads a profile's file, and says where and how it is wrong.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::{
    Commands, ProfileError,
    rule::{Field, Guard, Read, Rule, Scale, Test},
    words::Words,
};
use crate::Protocol;

/// Longest item: what one byte can say, and a Teltonika element of variable length.
const MAX_LENGTH: i64 = 65_535;
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

/// A table of a file, with the path to it.
struct At<'a> {
    file: &'a str,
    path: String,
    table: &'a Table,
}

impl<'a> At<'a> {
    fn error(&self, key: &str, problem: impl Into<String>, cure: impl Into<String>) -> ProfileError {
        let key = match (self.path.as_str(), key) {
            ("", key) => key.to_owned(),
            (path, "") => path.to_owned(),
            (path, key) => format!("{path}.{key}"),
        };
        ProfileError {
            file: self.file.to_owned(),
            key,
            problem: problem.into(),
            cure: cure.into(),
        }
    }

    /// Refuses keys that mean nothing: a misspelt rule must not be silently without effect.
    fn only(&self, keys: &[&str]) -> Result<(), ProfileError> {
        match self.table.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self.error(key, "unknown key", format!("write one of {}", keys.join(", ")))),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, ProfileError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.error(key, format!("{} is no text", shown(other)), "put it in quotes")),
        }
    }

    fn flag(&self, key: &str) -> Result<bool, ProfileError> {
        match self.table.get(key) {
            None => Ok(false),
            Some(Value::Boolean(flag)) => Ok(*flag),
            Some(other) => Err(self.error(
                key,
                format!("{} is neither true nor false", shown(other)),
                "write true or false",
            )),
        }
    }

    fn integer(&self, key: &str, from: i64, to: i64) -> Result<Option<i64>, ProfileError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) if (from..=to).contains(number) => Ok(Some(*number)),
            Some(other) => Err(self.error(
                key,
                format!("{} is no whole number from {from} to {to}", shown(other)),
                format!("write a number from {from} to {to}, such as 5 or 0x05"),
            )),
        }
    }

    fn float(&self, key: &str) -> Result<Option<f64>, ProfileError> {
        let number = match self.table.get(key) {
            None => return Ok(None),
            Some(value) => float(value),
        };
        number.map(Some).ok_or_else(|| {
            let value = self.table.get(key).map(shown).unwrap_or_default();
            self.error(
                key,
                format!("{value} is no finite number"),
                "write a number such as 0.1",
            )
        })
    }

    /// One number or a list of numbers.
    fn integers(&self, key: &str) -> Result<Option<Box<[i64]>>, ProfileError> {
        let wrong = |value: &Value| {
            self.error(
                key,
                format!("{} is neither a whole number nor a list of them", shown(value)),
                "write 3 or [3, 4]",
            )
        };
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Integer(number)) => Ok(Some(Box::new([*number]))),
            Some(value @ Value::Array(list)) if !list.is_empty() => list
                .iter()
                .map(|one| one.as_integer().ok_or_else(|| wrong(value)))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(value) => Err(wrong(value)),
        }
    }

    fn words(&self, key: &str) -> Result<Option<Words>, ProfileError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let unknown = |word: &str| {
            self.error(
                key,
                format!("{word} is no word"),
                format!("write one of {}, or a list of them", Words::all().join(", ")),
            )
        };
        let one = |value: &Value| match value {
            Value::String(word) => Words::parse(word).ok_or_else(|| unknown(&format!("{word:?}"))),
            other => Err(unknown(&shown(other))),
        };
        let words = match value {
            Value::Array(list) => {
                let mut words = Words::NORMAL;
                for each in list {
                    words = words.and(one(each)?);
                }
                words
            }
            value => one(value)?,
        };
        if words.contradict() {
            let names = words.names().join(", ");
            return Err(self.error(key, format!("{names} cannot be so at once"), "leave one of them"));
        }
        Ok(Some(words))
    }

    fn inner(&self, key: &str) -> Result<Option<At<'a>>, ProfileError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(At {
                file: self.file,
                path: if self.path.is_empty() {
                    key.to_owned()
                } else {
                    format!("{}.{key}", self.path)
                },
                table,
            })),
            Some(other) => Err(self.error(
                key,
                format!("{} is no table", shown(other)),
                format!("write it as [{key}]"),
            )),
        }
    }

    /// A list of tables; paths count from 1.
    fn list(&self, key: &str, example: &str) -> Result<Vec<At<'a>>, ProfileError> {
        let wrong = |value: &Value| {
            self.error(
                key,
                format!("{} is no list of tables", shown(value)),
                format!("write {example}"),
            )
        };
        let list = match self.table.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(wrong(other)),
        };
        let mut tables = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            let Value::Table(table) = value else {
                return Err(wrong(value));
            };
            let key = format!("{key}[{}]", index + 1);
            tables.push(At {
                file: self.file,
                path: if self.path.is_empty() {
                    key
                } else {
                    format!("{}.{key}", self.path)
                },
                table,
            });
        }
        Ok(tables)
    }
}

/// A value as it may stand in a message: on one line and not long.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(time) => time.to_string(),
        Value::Array(list) => {
            let few: Vec<String> = list.iter().take(8).map(shown).collect();
            let more = if list.len() > 8 { ", …" } else { "" };
            format!("[{}{more}]", few.join(", "))
        }
        Value::Table(_) => "a table".to_owned(),
    }
}

fn float(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Float(number) => *number,
        Value::Integer(number) => *number as f64,
        _ => return None,
    };
    number.is_finite().then_some(number)
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

const READ_KEYS: [&str; 5] = ["at", "width", "signed", "bit", "mask"];
const TEST_KEYS: [&str; 4] = ["is", "not", "from", "to"];
const THEN_KEYS: [&str; 11] = [
    "event", "where", "field", "scale", "add", "empty", "full", "table", "curve", "set", "else",
];

fn rule(at: &At<'_>, lengths: (usize, usize)) -> Result<Rule, ProfileError> {
    at.only(&[&READ_KEYS[..], &TEST_KEYS[..], &THEN_KEYS[..]].concat())?;
    let read = read(at, lengths)?;
    let guard = match at.inner("where")? {
        None => None,
        Some(inner) => {
            inner.only(&[&READ_KEYS[..], &TEST_KEYS[..]].concat())?;
            let read = self::read(&inner, lengths)?;
            let test = test(&inner)?;
            if test == Test::Always {
                return Err(inner.error("", "tests nothing", "add is, not, from, to or bit"));
            }
            Some(Guard { read, test })
        }
    };
    let field = match at.text("field")? {
        None => None,
        Some(name) => Some(Field::parse(name).ok_or_else(|| {
            let known = Field::ALL.map(|(_, name)| name).join(", ");
            at.error(
                "field",
                format!("{name:?} is no field"),
                format!("write one of {known}"),
            )
        })?),
    };
    let field = match (field, scale(at)?) {
        (Some(field), scale) => Some((field, scale.unwrap_or(Scale::Plain))),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(at.error(
                "field",
                "missing beside scale, add, empty or table",
                "write field = \"battery_percent\"",
            ));
        }
    };
    let mut test = test(at)?;
    // A bit without a test is tested for being set.
    if test == Test::Always && field.is_none() && at.table.contains_key("bit") {
        test = Test::OneOf(Box::new([1]));
    }
    let set = at.words("set")?;
    let otherwise = at.words("else")?;
    if field.is_none() && set.is_none() && otherwise.is_none() {
        return Err(at.error("set", "the rule says nothing", "add set = \"…\" or field = \"…\""));
    }
    if otherwise.is_some() && test == Test::Always {
        return Err(at.error(
            "else",
            "there is no test",
            "add bit, is, not, from or to, or leave it out",
        ));
    }
    Ok(Rule {
        event: at.flag("event")?,
        guard,
        read,
        test,
        field,
        set: set.unwrap_or_default(),
        otherwise: otherwise.unwrap_or_default(),
    })
}

fn read(at: &At<'_>, lengths: (usize, usize)) -> Result<Read, ProfileError> {
    let start = at.integer("at", 0, MAX_LENGTH)?.unwrap_or(0);
    let width = at.integer("width", 1, 8)?;
    let bit = at.integer("bit", 0, 63)?;
    let mask = at.integer("mask", 1, i64::MAX)?;
    let beyond = usize::try_from(start + width.unwrap_or(1)).unwrap_or(usize::MAX) > lengths.1;
    if beyond && lengths.1 > 0 {
        return Err(at.error(
            "at",
            format!("byte {start} and its width reach beyond the item's {} bytes", lengths.1),
            "bytes count from 0",
        ));
    }
    let mask = match (bit, mask) {
        (Some(_), Some(_)) => return Err(at.error("mask", "stands beside bit", "leave one of them")),
        (Some(bit), None) => 1_u64 << bit,
        (None, Some(mask)) => mask.cast_unsigned(),
        (None, None) => 0,
    };
    let bits = 64 - i64::from(mask.leading_zeros());
    if let Some(width) = width
        && bits > width * 8
    {
        let key = if bit.is_some() { "bit" } else { "mask" };
        return Err(at.error(
            key,
            format!("bit {} is beyond {width} bytes", bits - 1),
            "bits count from 0, the least significant of the whole width",
        ));
    }
    let signed = at.flag("signed")?;
    if signed && mask != 0 {
        return Err(at.error("signed", "stands beside bit or mask", "leave one of them"));
    }
    let size = |number| usize::try_from(number).unwrap_or(0);
    Ok(Read {
        at: size(start),
        width: width.map_or(0, size),
        signed,
        mask,
    })
}

fn test(at: &At<'_>) -> Result<Test, ProfileError> {
    let is = at.integers("is")?;
    let not = at.integers("not")?;
    let from = at.integer("from", i64::MIN, i64::MAX)?;
    let to = at.integer("to", i64::MIN, i64::MAX)?;
    match (is, not, from, to) {
        (None, None, None, None) => Ok(Test::Always),
        (Some(is), None, None, None) => Ok(Test::OneOf(is)),
        (None, Some(not), None, None) => Ok(Test::NoneOf(not)),
        (None, None, from, to) => {
            let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
            if from > to {
                return Err(at.error(
                    "from",
                    format!("{from} is more than to = {to}"),
                    "write the smaller one first",
                ));
            }
            Ok(Test::Between(from, to))
        }
        _ => Err(at.error(
            "is",
            "several tests in one rule",
            "leave one of is, not, or from and to; or make it two rules",
        )),
    }
}

fn scale(at: &At<'_>) -> Result<Option<Scale>, ProfileError> {
    let (factor, add) = (at.float("scale")?, at.float("add")?);
    let (empty, full) = (at.float("empty")?, at.float("full")?);
    let table = match at.table.get("table") {
        None => None,
        Some(value) => {
            let values = value.as_array().filter(|list| !list.is_empty() && list.len() <= 256);
            let values: Option<Box<[f64]>> = values.and_then(|list| list.iter().map(float).collect());
            Some(values.ok_or_else(|| {
                at.error(
                    "table",
                    format!("{} is no list of 1 to 256 numbers", shown(value)),
                    "write table = [0, 20, 40, 60, 80, 100]",
                )
            })?)
        }
    };
    if let Some(value) = at.table.get("curve") {
        if at
            .table
            .keys()
            .any(|key| ["scale", "add", "empty", "full", "table"].contains(&key.as_str()))
        {
            return Err(at.error("curve", "stands beside another way to scale", "leave one of them"));
        }
        return curve(value).map(|points| Some(Scale::Curve(points))).ok_or_else(|| {
            at.error(
                "curve",
                format!("{} is no list of 2 to 64 points in ascending order", shown(value)),
                "write curve = [[3400, 0], [3700, 30], [4180, 100]]",
            )
        });
    }
    match (factor, add, empty, full, table) {
        (None, None, None, None, None) => Ok(None),
        (None, None, None, None, Some(table)) => Ok(Some(Scale::Table(table))),
        (None, None, Some(empty), Some(full), None) => {
            if full <= empty {
                return Err(at.error(
                    "full",
                    format!("{full} is not more than empty = {empty}"),
                    "write the number of a full battery",
                ));
            }
            Ok(Some(Scale::Between { empty, full }))
        }
        (factor, add, None, None, None) => {
            let factor = factor.unwrap_or(1.0);
            if factor == 0.0 {
                return Err(at.error("scale", "0 makes every number the same", "write a number such as 0.1"));
            }
            let divisor = (1.0 / factor).round();
            let exact = divisor.abs() >= 2.0 && (1.0 / factor - divisor).abs() < 1e-9;
            Ok(Some(match add {
                None if exact => Scale::Divide(divisor),
                add => Scale::Linear {
                    factor,
                    add: add.unwrap_or(0.0),
                },
            }))
        }
        _ => Err(at.error(
            "scale",
            "several ways to scale in one rule",
            "leave scale and add, or empty and full, or table",
        )),
    }
}

fn curve(value: &Value) -> Option<Box<[(f64, f64)]>> {
    let list = value.as_array().filter(|list| (2..=64).contains(&list.len()))?;
    let points: Vec<(f64, f64)> = list
        .iter()
        .map(|point| match point.as_array().map(Vec::as_slice) {
            Some([x, y]) => Some((float(x)?, float(y)?)),
            _ => None,
        })
        .collect::<Option<_>>()?;
    let ascending = points.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
    ascending.then(|| points.into())
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
