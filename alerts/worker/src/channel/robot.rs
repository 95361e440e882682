//! Robots of group chats: WeCom and DingTalk. Both take `{"msgtype":"text","text":{"content":"…"}}` and answer
//! `{"errcode":0,…}`; DingTalk may want the address signed.
//!
//! Neither knows our key: what is tried again because an answer was lost appears twice in the chat.

use std::time::Duration;

use alerts::text::Message;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::{SendError, sms};

/// Bytes of a text that WeCom takes; DingTalk takes more.
const TEXT_MAX: usize = 2_048;

/// Both take 20 messages a minute.
const TOO_MANY: Duration = Duration::from_mins(1);

/// Whose robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Robot {
    /// 企业微信.
    WeCom,
    /// 钉钉.
    DingTalk,
}

impl Robot {
    /// Reads the word of a target's template; `None` for our own form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "wecom" => Some(Self::WeCom),
            "dingtalk" => Some(Self::DingTalk),
            _ => None,
        }
    }
}

/// A request to a robot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// With the signature, where there is one.
    pub url: String,
    /// JSON.
    pub body: String,
}

/// Makes the request. The text begins with a word that DingTalk's filter by keyword can be set to.
pub fn request(robot: Robot, address: &str, secret: Option<&[u8]>, text: &Message, now: Timestamp) -> Request {
    let mut content = format!("Homeward\n{}", text.body.trim_end());
    while content.len() > TEXT_MAX {
        content.pop();
    }
    let url = match (robot, secret.filter(|secret| !secret.is_empty())) {
        (Robot::DingTalk, Some(secret)) => {
            let millis = now.as_millisecond();
            let joint = if address.contains('?') { '&' } else { '?' };
            let sign = sms::encode(&sign(secret, millis));
            format!("{address}{joint}timestamp={millis}&sign={sign}")
        }
        _ => address.to_owned(),
    };
    Request {
        url,
        body: json!({ "msgtype": "text", "text": { "content": content } }).to_string(),
    }
}

/// DingTalk's signature: HMAC-SHA256 of the time, a line feed and the secret, with the secret, in base64.
pub fn sign(secret: &[u8], unix_ms: i64) -> String {
    // HMAC takes keys of any length; should that ever change, an empty signature opens nothing.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(unix_ms.to_string().as_bytes());
    mac.update(b"\n");
    mac.update(secret);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Says what an answer means. Robots answer 200 to everything.
pub(crate) fn judge(body: &[u8]) -> Result<(), SendError> {
    let parsed = serde_json::from_slice::<Value>(body).ok();
    let code = parsed
        .as_ref()
        .and_then(|answer| answer.get("errcode"))
        .and_then(Value::as_i64);
    match code {
        Some(0) => Ok(()),
        // WeCom's and DingTalk's words for too many.
        Some(code @ (45_009 | 130_101)) => Err(SendError::Later {
            reason: format!("errcode {code}"),
            after: TOO_MANY,
        }),
        Some(code @ -1) => Err(SendError::Transient(format!("errcode {code}"))),
        Some(code) => Err(SendError::Refused(format!("errcode {code}"))),
        None => Err(SendError::Transient("the robot's answer cannot be read".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            subject: "[P2] Incident 42".into(),
            body: "Incident 42, priority P2\n".into(),
        }
    }

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '1792000000000\nSEC0123' | openssl dgst -sha256 -hmac SEC0123 -binary | base64
        assert_eq!(
            sign(b"SEC0123", 1_792_000_000_000),
            "NYpVSyWrh9Gx6AtcTFfyyyxJ8bdrEzCvzUONBSZ0YaI="
        );
    }

    #[test]
    fn requests_have_the_documented_shape() {
        let now = Timestamp::from_millisecond(1_792_000_000_000).unwrap();
        let wecom = request(
            Robot::WeCom,
            "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k",
            None,
            &message(),
            now,
        );
        assert_eq!(wecom.url, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k");
        let body: Value = serde_json::from_str(&wecom.body).unwrap();
        assert_eq!(
            body,
            json!({"msgtype": "text", "text": {"content": "Homeward\nIncident 42, priority P2"}})
        );
        let ding = "https://oapi.dingtalk.com/robot/send?access_token=t";
        let signed = request(Robot::DingTalk, ding, Some(b"SEC0123"), &message(), now);
        let sign = sms::encode(&sign(b"SEC0123", 1_792_000_000_000));
        assert_eq!(signed.url, format!("{ding}&timestamp=1792000000000&sign={sign}"));
        assert!(!sign.contains(['+', '/', '=']), "{sign}");
        assert_eq!(request(Robot::DingTalk, ding, None, &message(), now).url, ding);
        let long = Message {
            body: "宵".repeat(3_000),
            ..message()
        };
        let body = request(Robot::WeCom, ding, None, &long, now).body;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!((2_040..=2_048).contains(&body["text"]["content"].as_str().unwrap().len()));
    }

    #[test]
    fn answers_of_robots() {
        assert_eq!(judge(br#"{"errcode":0,"errmsg":"ok"}"#), Ok(()));
        assert!(matches!(judge(br#"{"errcode":45009}"#), Err(SendError::Later { .. })));
        assert!(matches!(judge(br#"{"errcode":130101}"#), Err(SendError::Later { .. })));
        assert!(matches!(judge(br#"{"errcode":-1}"#), Err(SendError::Transient(_))));
        assert!(matches!(judge(br#"{"errcode":310000}"#), Err(SendError::Refused(_))));
        assert!(matches!(judge(b"<html>"), Err(SendError::Transient(_))));
    }
}
