//! Templates of requests: texts with `{placeholders}`, and the places of an answer.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What may stand in braces.
pub const PLACEHOLDERS: [&str; 11] = [
    "to",
    "to_digits",
    "to_national",
    "text",
    "key",
    "token",
    "sender",
    "segments",
    "encoding",
    "incident",
    "priority",
];

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace that is not closed, or closed twice.
    #[error("a brace stands alone; a placeholder is like {{to}}")]
    Brace,
    /// A placeholder that is none.
    #[error("there is no placeholder {{{0}}}; there are {known}", known = PLACEHOLDERS.join(", "))]
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place(String),
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

impl Template {
    /// Reads it; every placeholder must be known.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, behind) = rest.split_at(open);
            if before.contains('}') {
                return Err(TemplateError::Brace);
            }
            let (word, after) = behind
                .trim_start_matches('{')
                .split_once('}')
                .ok_or(TemplateError::Brace)?;
            if !behind.starts_with(&format!("{{{word}}}")) {
                return Err(TemplateError::Brace);
            }
            if !PLACEHOLDERS.contains(&word) {
                return Err(TemplateError::Unknown(word.to_owned()));
            }
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Place(word.to_owned()));
            rest = after;
        }
        if rest.contains('}') {
            return Err(TemplateError::Brace);
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// True when a placeholder occurs in it.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Place(place) if place == word))
    }

    /// Filled as it is.
    pub(crate) fn fill(&self, value: impl Fn(&str) -> Option<String>) -> String {
        self.put(value, |text| text)
    }

    /// Filled with what is safe within a URL or a form.
    pub(crate) fn fill_encoded(&self, value: impl Fn(&str) -> Option<String>) -> String {
        self.put(value, |text| encode(&text))
    }

    fn put(&self, value: impl Fn(&str) -> Option<String>, treat: impl Fn(String) -> String) -> String {
        self.0
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Place(word) => treat(value(word).unwrap_or_default()),
            })
            .collect()
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    None,
    /// JSON whose strings are templates: what is put in is always a string, whatever it holds.
    Json(Value),
    Form(Vec<(String, Template)>),
}

impl Content {
    /// Reads a body: JSON where it begins with a brace or bracket, a form otherwise.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::None);
        }
        if text.starts_with(['{', '[']) {
            let value: Value = serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
            check_json(&value).map_err(|error| error.to_string())?;
            return Ok(Self::Json(value));
        }
        let pairs = text.split('&').map(|pair| {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("{pair:?} is no pair of a form"))?;
            Ok((
                name.to_owned(),
                Template::parse(value).map_err(|error| error.to_string())?,
            ))
        });
        pairs.collect::<Result<_, String>>().map(Self::Form)
    }

    /// True when a placeholder occurs in it.
    pub(crate) fn has(&self, word: &str) -> bool {
        match self {
            Self::None => false,
            Self::Json(value) => json_has(value, word),
            Self::Form(pairs) => pairs.iter().any(|(_, template)| template.has(word)),
        }
    }
}

fn check_json(value: &Value) -> Result<(), TemplateError> {
    match value {
        Value::String(text) => Template::parse(text).map(|_| ()),
        Value::Array(list) => list.iter().try_for_each(check_json),
        Value::Object(map) => map.values().try_for_each(check_json),
        _ => Ok(()),
    }
}

fn json_has(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => Template::parse(text).is_ok_and(|template| template.has(word)),
        Value::Array(list) => list.iter().any(|value| json_has(value, word)),
        Value::Object(map) => map.values().any(|value| json_has(value, word)),
        _ => false,
    }
}

/// Fills the strings of a JSON template.
pub(crate) fn fill_json(value: &Value, with: &impl Fn(&str) -> Option<String>) -> Value {
    match value {
        Value::String(text) => Value::String(match Template::parse(text) {
            Ok(template) => template.fill(with),
            Err(_) => text.clone(),
        }),
        Value::Array(list) => Value::Array(list.iter().map(|value| fill_json(value, with)).collect()),
        Value::Object(map) => {
            let filled = map.iter().map(|(name, value)| (name.clone(), fill_json(value, with)));
            Value::Object(filled.collect())
        }
        other => other.clone(),
    }
}

/// Percent-encodes everything but what RFC 3986 calls unreserved.
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A place in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pick {
    /// The whole body, trimmed.
    Body,
    /// A header.
    Header(String),
    /// A JSON pointer (RFC 6901).
    Pointer(String),
}

impl Pick {
    /// Reads `body`, `header:Name` or `/json/pointer`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("header:") {
            Some(name) if !name.is_empty() => Ok(Self::Header(name.to_owned())),
            None if text == "body" => Ok(Self::Body),
            None if text.starts_with('/') => Ok(Self::Pointer(text.to_owned())),
            _ => Err(format!("{text:?} is none of body, header:Name, /json/pointer")),
        }
    }

    /// What stands there, as text.
    pub(crate) fn find(&self, headers: &HeaderMap, body: &[u8], parsed: Option<&Value>) -> Option<String> {
        match self {
            Self::Body => std::str::from_utf8(body).ok().map(|text| text.trim().to_owned()),
            Self::Header(name) => headers.get(name)?.to_str().ok().map(ToOwned::to_owned),
            Self::Pointer(pointer) => match parsed?.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(flag) => Some(flag.to_string()),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the shape of what fills templates")]
    fn hostile(word: &str) -> Option<String> {
        Some(format!("{word}\"&=%\n{{to}}"))
    }

    #[test]
    fn what_is_put_in_cannot_leave_its_place() {
        let url = Template::parse("https://h.example/send?to={to}&x=1").unwrap();
        assert_eq!(
            url.fill_encoded(hostile),
            "https://h.example/send?to=to%22%26%3D%25%0A%7Bto%7D&x=1"
        );
        let Content::Json(json) = Content::parse(r#"{"a":["{text}",1,{"b":"to {to}"}]}"#).unwrap() else {
            panic!("no JSON");
        };
        let filled = fill_json(&json, &hostile);
        assert_eq!(filled["a"][0], "text\"&=%\n{to}");
        assert_eq!(filled["a"][2]["b"], "to to\"&=%\n{to}");
        assert_eq!(filled.as_object().unwrap().len(), 1);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(Template::parse("{too}"), Err(TemplateError::Unknown("too".to_owned())));
        for text in ["{to", "to}", "{{to}}", "a } b {to}"] {
            assert_eq!(Template::parse(text), Err(TemplateError::Brace), "{text}");
        }
        assert!(Content::parse("{\"a\":").unwrap_err().contains("no JSON"));
        assert!(Content::parse("text").unwrap_err().contains("pair"));
        assert!(Pick::parse("id").is_err());
        let form = Content::parse("to={to}&text={text}").unwrap();
        assert!(form.has("to") && form.has("text") && !form.has("key"));
    }
}
