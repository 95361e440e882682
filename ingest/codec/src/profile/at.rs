//! A table of a profile's file, read key by key; every mistake is told with its place and a cure.

use toml::{Table, Value};

use super::{ProfileError, words::Words};

/// A table of a file, with the path to it.
pub(super) struct At<'a> {
    pub(super) file: &'a str,
    pub(super) path: String,
    pub(super) table: &'a Table,
}

impl<'a> At<'a> {
    pub(super) fn error(&self, key: &str, problem: impl Into<String>, cure: impl Into<String>) -> ProfileError {
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
    pub(super) fn only(&self, keys: &[&str]) -> Result<(), ProfileError> {
        match self.table.keys().find(|key| !keys.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self.error(key, "unknown key", format!("write one of {}", keys.join(", ")))),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, ProfileError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.error(key, format!("{} is no text", shown(other)), "put it in quotes")),
        }
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, ProfileError> {
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

    pub(super) fn integer(&self, key: &str, from: i64, to: i64) -> Result<Option<i64>, ProfileError> {
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

    pub(super) fn float(&self, key: &str) -> Result<Option<f64>, ProfileError> {
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
    pub(super) fn integers(&self, key: &str) -> Result<Option<Box<[i64]>>, ProfileError> {
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

    pub(super) fn words(&self, key: &str) -> Result<Option<Words>, ProfileError> {
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

    pub(super) fn inner(&self, key: &str) -> Result<Option<At<'a>>, ProfileError> {
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
    pub(super) fn list(&self, key: &str, example: &str) -> Result<Vec<At<'a>>, ProfileError> {
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
pub(super) fn shown(value: &Value) -> String {
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

pub(super) fn float(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Float(number) => *number,
        Value::Integer(number) => *number as f64,
        _ => return None,
    };
    number.is_finite().then_some(number)
}
