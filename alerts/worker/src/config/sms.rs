//! Settings of the gateway for short messages.

use std::{fmt, time::Duration};

use reqwest::{Method, Url, header::HeaderName};

use crate::channel::sms::{Content, Pick, Template};

/// The settings as they are written.
#[derive(Clone, Default)]
pub struct SmsSettings<'a> {
    /// Address of the gateway, with placeholders.
    pub url: &'a str,
    /// GET, POST or PUT.
    pub method: &'a str,
    /// `Name: value`, one a line, with placeholders.
    pub headers: &'a str,
    /// JSON or a form, with placeholders; empty: no body.
    pub body: &'a str,
    /// A secret of the gateway's, for `{token}`.
    pub token: &'a str,
    /// For `{sender}`.
    pub sender: &'a str,
    /// What `{to_national}` leaves out.
    pub country_code: &'a str,
    /// Where the answer says that it was taken, as `/json/pointer=value`; empty: a status of 2xx says so.
    pub success: &'a str,
    /// Where the answer names the message; empty: nowhere.
    pub receipt_id: &'a str,
    /// The gateway reports later what has arrived.
    pub receipts: bool,
    /// The most segments of a message.
    pub segments: usize,
}

/// A gateway for short messages, checked.
#[derive(Clone)]
pub struct SmsConfig {
    pub(crate) url: Template,
    pub(crate) method: Method,
    pub(crate) headers: Vec<(HeaderName, Template)>,
    pub(crate) content: Content,
    pub(crate) token: String,
    pub(crate) sender: String,
    pub(crate) country_code: String,
    pub(crate) success: Option<(Pick, String)>,
    pub(crate) receipt_id: Option<Pick>,
    pub(crate) receipts: bool,
    pub(crate) segments: usize,
    /// Of one request, from connecting to the end of the answer.
    pub timeout: Duration,
}

impl fmt::Debug for SmsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Address, headers and body may hold secrets beside the token.
        f.debug_struct("SmsConfig")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl SmsConfig {
    /// Checks the settings; the error names the key without its section.
    pub fn new(settings: &SmsSettings<'_>) -> Result<Self, String> {
        let url = Template::parse(settings.url).map_err(|error| format!("url: {error}"))?;
        let example = url.fill_encoded(|_| Some("1".to_owned()));
        match Url::parse(&example) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => {}
            _ => return Err("url: is no http or https address".to_owned()),
        }
        let method = match settings.method {
            "GET" => Method::GET,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            other => return Err(format!("method: {other:?} is none of GET, POST, PUT")),
        };
        let mut headers = Vec::new();
        for line in settings.headers.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or("headers: a line is no \"Name: value\"")?;
            let name = name
                .trim()
                .parse()
                .map_err(|_| format!("headers: {name:?} is no name of a header"))?;
            headers.push((
                name,
                Template::parse(value.trim()).map_err(|error| format!("headers: {error}"))?,
            ));
        }
        let content = Content::parse(settings.body).map_err(|error| format!("body: {error}"))?;
        if method == Method::GET && content != Content::None {
            return Err("body: a GET has none".to_owned());
        }
        let somewhere =
            |word: &str| url.has(word) || content.has(word) || headers.iter().any(|(_, value)| value.has(word));
        if !["to", "to_digits", "to_national"].into_iter().any(somewhere) {
            return Err("body: the number, {to}, occurs nowhere".to_owned());
        }
        if !somewhere("text") && !somewhere("incident") {
            return Err("body: the text, {text}, occurs nowhere".to_owned());
        }
        let success = match settings.success {
            "" => None,
            text => {
                let (pick, expected) = text.rsplit_once('=').ok_or("success: is not like /code=OK")?;
                let pick = Pick::parse(pick).map_err(|error| format!("success: {error}"))?;
                Some((pick, expected.to_owned()))
            }
        };
        let receipt_id = match settings.receipt_id {
            "" => None,
            text => Some(Pick::parse(text).map_err(|error| format!("receipt_id: {error}"))?),
        };
        if !(1..=10).contains(&settings.segments) {
            return Err(format!("segments: {} is outside 1 to 10", settings.segments));
        }
        Ok(Self {
            url,
            method,
            headers,
            content,
            token: settings.token.to_owned(),
            sender: settings.sender.to_owned(),
            country_code: settings.country_code.trim_start_matches('+').to_owned(),
            success,
            receipt_id,
            receipts: settings.receipts,
            segments: settings.segments,
            timeout: Duration::from_secs(10),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SmsSettings<'static> {
        SmsSettings {
            url: "https://sms.example/send",
            method: "POST",
            body: r#"{"to":"{to}","text":"{text}"}"#,
            token: "geheim",
            segments: 2,
            ..SmsSettings::default()
        }
    }

    #[test]
    fn mistakes_name_their_key() {
        assert!(SmsConfig::new(&settings()).is_ok());
        let cases = [
            (
                SmsSettings {
                    url: "sms.example",
                    ..settings()
                },
                "url",
            ),
            (
                SmsSettings {
                    url: "https://h.example/{tto}",
                    ..settings()
                },
                "url",
            ),
            (
                SmsSettings {
                    method: "FETCH",
                    ..settings()
                },
                "method",
            ),
            (
                SmsSettings {
                    method: "GET",
                    ..settings()
                },
                "body",
            ),
            (
                SmsSettings {
                    headers: "Authorization",
                    ..settings()
                },
                "headers",
            ),
            (
                SmsSettings {
                    body: r#"{"to":"{to}"}"#,
                    ..settings()
                },
                "{text}",
            ),
            (
                SmsSettings {
                    body: "text={text}",
                    ..settings()
                },
                "{to}",
            ),
            (
                SmsSettings {
                    success: "OK",
                    ..settings()
                },
                "success",
            ),
            (
                SmsSettings {
                    receipt_id: "id",
                    ..settings()
                },
                "receipt_id",
            ),
            (
                SmsSettings {
                    segments: 0,
                    ..settings()
                },
                "segments",
            ),
        ];
        for (settings, told) in cases {
            let error = SmsConfig::new(&settings).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
        }
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let config = SmsConfig::new(&SmsSettings {
            url: "https://h.example/send?apikey=geheim",
            headers: "Authorization: Bearer geheim",
            ..settings()
        });
        assert!(!format!("{config:?}").contains("geheim"));
    }
}
