//! Answers to commands, and positions that some devices write into them.

use jiff::{Timestamp, civil, tz::TimeZone};

use super::{
    body::{Draft, Reader, status},
    kind,
};
use crate::{Fault, Fix, Message, cursor::Cursor, normalize::in_range};

/// Reads 0x15 and 0x21.
pub(super) fn read(reader: &Reader<'_>) -> Result<Vec<Message>, Fault> {
    let content = reader.frame.content;
    let mut cursor = Cursor::new(content);
    let (flag, text) = if reader.frame.kind == kind::ANSWER {
        let length = usize::from(cursor.u8("length of the answer")?);
        let flag = cursor.u32("server flag")?;
        // Some state no length; their text ends with zeros, and two bytes of language follow.
        let size = match length.checked_sub(4) {
            Some(size) => size.min(cursor.left()),
            None => cursor.left().saturating_sub(2),
        };
        (flag, latin(cursor.take(size, "answer")?))
    } else {
        let flag = cursor.u32("server flag")?;
        let plain = cursor.u8("coding")? == 1;
        let rest = cursor.rest();
        (flag, if plain { latin(rest) } else { utf16(rest) })
    };
    if text.starts_with("<ICCID:") {
        return Ok(vec![status("sim_card", None)]);
    }
    let mut messages = Vec::with_capacity(2);
    if let Some((time, fix)) = position(&text) {
        let mut draft = Draft::of_text(&reader.frame, time, text.as_bytes());
        draft.report.fix = Some(fix);
        messages.push(draft.finish());
    }
    let done = verdict(&text);
    messages.push(Message::CommandAnswer {
        reference: (flag != 0).then_some(flag),
        text,
        done,
    });
    Ok(messages)
}

/// One letter a byte: these texts are ASCII, and what is not must not get lost.
fn latin(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let bytes = bytes.get(..end).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

fn utf16(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    String::from_utf16_lossy(&units.iter().map(|unit| u16::from_be_bytes(*unit)).collect::<Vec<_>>())
}

/// Whether the device says that it did it, by the words that such devices use.
fn verdict(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    // Whole words: "token" and "smoke" say nothing of it. Numbers of faults stand right behind their word.
    let words: Vec<&str> = text.split(|letter: char| !letter.is_alphabetic()).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let refuses = |pair: &[&str]| matches!(pair, ["not", "support" | "supported" | "running"]);
    // "Already in the state ..., the command is not running": what was asked for is so.
    if has(&["already"]) {
        Some(true)
    } else if has(&[
        "error",
        "err",
        "fail",
        "fails",
        "failed",
        "failure",
        "invalid",
        "unsupported",
        "unknown",
    ]) || words.windows(2).any(refuses)
    {
        Some(false)
    } else if has(&["success", "successful", "successfully", "succeed", "succeeded", "ok"]) {
        Some(true)
    } else {
        None
    }
}

/// Reads `Current position!Lat:N54.1,Lon:E25.2,Course:126.5,Speed:0.0,DateTime:2017-05-26  10:27:47`.
fn position(text: &str) -> Option<(Timestamp, Fix)> {
    let rest = text.trim().strip_prefix("Current position!")?;
    let field = |name: &str| {
        let mut fields = rest.split(',');
        fields.find_map(|field| field.trim().strip_prefix(name)?.strip_prefix(':'))
    };
    let degrees = |name, positive: char, negative: char, limit| {
        let value = field(name)?;
        let sign = match value.chars().next()? {
            letter if letter == positive => 1.0,
            letter if letter == negative => -1.0,
            _ => return None,
        };
        let degrees: f64 = value.get(1..)?.parse().ok()?;
        in_range(degrees * sign, limit, "coordinate").ok()
    };
    let mut fix = Fix::new(true, degrees("Lat", 'N', 'S', 90.0)?, degrees("Lon", 'E', 'W', 180.0)?);
    // Some write the unit behind it.
    let number = |name| {
        let value = field(name)?.trim_end_matches(|letter: char| !letter.is_ascii_digit());
        value.parse().ok().filter(|value: &f64| value.is_finite())
    };
    fix.course_deg = number("Course");
    fix.speed_kmh = number("Speed");
    let mut words = field("DateTime")?.split_whitespace();
    let date: civil::Date = words.next()?.parse().ok()?;
    let time: civil::Time = words.next()?.parse().ok()?;
    let time = date.to_datetime(time).to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((time, fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_in_words_are_read() {
        let text = "Current position!Lat:N30.250000,Lon:W120.160000,Course:126.53,Speed:4.5000Km/h,DateTime:2026-08-17  14:18:12";
        let (time, fix) = position(text).unwrap();
        assert_eq!(time, "2026-08-17T14:18:12Z".parse().unwrap());
        assert_eq!((fix.latitude, fix.longitude), (30.25, -120.16));
        assert_eq!((fix.speed_kmh, fix.course_deg), (Some(4.5), Some(126.53)));
        for bad in [
            "",
            "Current position!",
            &text.replace("N30", "N99"),
            &text.replace("-08-", "-18-"),
        ] {
            assert!(position(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn verdicts_are_by_the_devices_words() {
        assert_eq!(verdict("Restore fuel supply: Success!"), Some(true));
        assert_eq!(verdict("TIMER OK"), Some(true));
        assert_eq!(verdict("Command error!"), Some(false));
        assert_eq!(
            verdict("Already in the state of resume, the command is not running!"),
            Some(true)
        );
        assert_eq!(verdict("Battery:5.56V,NORMAL;"), None);
    }
}
