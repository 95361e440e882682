//! Commands to a device, and what it says to them.

use bytes::{BufMut, BytesMut};
use jiff::Timestamp;

use super::{frame::Package, id, location::natural_key};
use crate::{Fault, Fix, Message, Report, cursor::Cursor};

/// A text that the device carries out; the other kinds are shown to its bearer.
const CARRY_OUT: u8 = 1;

/// Most bytes of an answer's text that are kept.
const MAX_TEXT_BYTES: usize = 1_024;

/// The package that makes a device carry out a text; its answer looks the same and brings `reference` back.
pub(super) fn package(sequence: u16, reference: u32, text: &str) -> Package {
    let mut content = BytesMut::with_capacity(5 + text.len());
    content.put_u8(CARRY_OUT);
    content.put_u32(reference);
    content.put_slice(text.as_bytes());
    Package {
        id: id::COMMAND,
        sequence,
        content: content.freeze(),
    }
}

/// Reads an answer: the text, and a position when the text is one.
pub(super) fn answer(package: &Package) -> Result<Vec<Message>, Fault> {
    let mut cursor = Cursor::new(&package.content);
    cursor.u8("kind of command")?;
    let reference = cursor.u32("reference")?;
    let raw = cursor.rest();
    let text = String::from_utf8_lossy(raw.get(..MAX_TEXT_BYTES).unwrap_or(raw));
    let report = where_it_is(&text).map(|(time, fix)| {
        // The same place at the same time is the same report, whichever command it answers.
        let mut report = Report::new(time, natural_key(id::COMMAND, raw));
        report.sequence = package.sequence.into();
        report.fix = Some(fix);
        Message::Report(Box::new(report))
    });
    let done = if report.is_some() { Some(true) } else { outcome(&text) };
    let answer = Message::CommandAnswer {
        reference: (reference != 0).then_some(reference),
        text: text.trim().to_owned(),
        done,
    };
    Ok([Some(answer), report].into_iter().flatten().collect())
}

/// Answers are prose; these words of it tell.
fn outcome(text: &str) -> Option<bool> {
    let text = text.to_ascii_uppercase();
    let has = |word: &str| {
        text.split(|letter: char| !letter.is_ascii_alphanumeric())
            .any(|one| one == word)
    };
    if ["ERROR", "ERR", "FAIL", "FAILED", "FAILURE", "INVALID", "UNKNOWN"]
        .into_iter()
        .any(has)
    {
        Some(false)
    } else if ["OK", "SUCCESS", "SUCCEEDED"].into_iter().any(has) {
        Some(true)
    } else {
        None
    }
}

/// Reads "Lat:N31.83955,Lon:W82.61346,Course:0.00,Speed:0.00km/h,DateTime:2017-12-02 11:29:43", with any separators and with or without a
/// space in the last label. The time is UTC.
fn where_it_is(text: &str) -> Option<(Timestamp, Fix)> {
    let (latitude, rest) = coordinate(after(text, "Lat:")?, *b"NS")?;
    let (longitude, rest) = coordinate(after(rest, "Lon:")?, *b"EW")?;
    let (course, rest) = number(after(rest, "Course:")?)?;
    let (speed, rest) = number(after(rest, "Speed:")?)?;
    let rest = after(rest, "Date")?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest).strip_prefix("Time:")?;
    let (date, rest) = rest.split_at_checked(10)?;
    let clock = rest.strip_prefix(' ')?.get(..8)?;
    let time = format!("{date}T{clock}Z").parse().ok()?;
    if latitude.abs() > 90.0 || longitude.abs() > 180.0 {
        return None;
    }
    let mut fix = Fix::new(true, latitude, longitude);
    fix.course_deg = Some(course);
    fix.speed_kmh = Some(speed);
    Some((time, fix))
}

fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label).map(|(_, rest)| rest)
}

/// A number with its hemisphere before it.
fn coordinate(text: &str, [positive, negative]: [u8; 2]) -> Option<(f64, &str)> {
    let (first, rest) = text.split_at_checked(1)?;
    let (value, rest) = number(rest)?;
    match first.as_bytes() {
        [letter] if *letter == positive => Some((value, rest)),
        [letter] if *letter == negative => Some((-value, rest)),
        _ => None,
    }
}

/// Digits, a point, digits, and then a separator or a unit: where a foreign sign stands in a number, nobody knows which it was.
fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (digits, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let (whole, parts) = digits.split_once('.')?;
    let ends =
        |letter: char| matches!(letter, ',' | ';' | '|' | '\0' | ' ' | '\r' | '\n') || letter.is_ascii_alphabetic();
    if whole.is_empty() || parts.is_empty() || !rest.chars().next().is_none_or(ends) {
        return None;
    }
    Some((digits.parse().ok().filter(|value: &f64| value.is_finite())?, rest))
}

/// Reference and text of a command, as the device reads it.
pub(super) fn read(package: &Package) -> Result<(u32, String), Fault> {
    let mut cursor = Cursor::new(&package.content);
    cursor.u8("kind of command")?;
    let reference = cursor.u32("reference")?;
    Ok((reference, String::from_utf8_lossy(cursor.rest()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_however_they_are_separated() {
        for text in [
            "Lat:N23.5,Lon:W113.25,Course:12.5,Speed:0.17km/h,DateTime:2025-06-01 20:21:20",
            "Lat:N23.5\nLon:W113.25\nCourse:12.5\nSpeed:0.17KM/H\nDate Time:2025-06-01 20:21:20",
        ] {
            let (time, fix) = where_it_is(text).unwrap();
            assert_eq!(time, "2025-06-01T20:21:20Z".parse().unwrap());
            assert_eq!((fix.latitude, fix.longitude), (23.5, -113.25));
            assert_eq!((fix.course_deg, fix.speed_kmh), (Some(12.5), Some(0.17)));
        }
        for text in ["", "Lat:", "Lat:N1.0,Lon:X2.0", "Lat:N.,Lon:E.", "Lat:é1.0"] {
            assert_eq!(where_it_is(text), None, "{text}");
        }
        let good = "Lat:N31.83955,Lon:W82.61346,Course:0.00,Speed:0.00km/h,DateTime:2017-12-02 11:29:43";
        assert!(where_it_is(good).is_some());
        for (right, damaged) in [
            ("N31.83955", "N3!.83955"),
            ("N31.83955", "N31.8!955"),
            ("N31.83955", "N31!83955"),
            ("W82.61346", "W8\u{fffd}.61346"),
            ("W82.61346", "W82"),
            ("W82.61346", "W.61346"),
            ("W82.61346", "W8.2.61346"),
            ("0.00,Speed", "0.0*,Speed"),
        ] {
            let text = good.replacen(right, damaged, 1);
            assert_eq!(where_it_is(&text), None, "{text}");
        }
    }

    #[test]
    fn words_tell_the_outcome() {
        assert_eq!(outcome("TIMER OK!"), Some(true));
        assert_eq!(outcome("Unknown command"), Some(false));
        assert_eq!(outcome("Bokeh"), None);
    }
}
