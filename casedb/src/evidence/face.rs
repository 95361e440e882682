//! What the faces of the pages can show, and what stands for the rest: a letter must not vanish from a name.
//!
//! Nothing is embedded. Western text is Helvetica in `WinAnsiEncoding`, which every reader has; everything else the standard Song face of
//! Adobe-GB1, of which only what GB 2312 and its successors have is counted on.

use std::fmt::Write as _;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Bytes 0x80 to 0x9f of `WinAnsiEncoding`; where it has none, the character that is never asked for.
const HIGH: [char; 32] = [
    '\u{20ac}', '\0', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}',
    '\u{160}', '\u{2039}', '\u{152}', '\0', '\u{17d}', '\0', '\0', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}',
    '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\0', '\u{17e}',
    '\u{178}',
];

/// The byte of a character in Helvetica; `None`: it has none there.
pub(super) fn latin(character: char) -> Option<u8> {
    match character {
        ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(character)).ok(),
        '\0' => None,
        _ => {
            let at = HIGH.iter().position(|high| *high == character)?;
            u8::try_from(0x80 + at).ok()
        }
    }
}

/// True of what the Song face has: Chinese characters with their punctuation and full-width forms, Greek, Cyrillic.
const fn is_song(character: char) -> bool {
    matches!(character,
        '\u{391}'..='\u{3a1}' | '\u{3a3}'..='\u{3a9}' | '\u{3b1}'..='\u{3c1}' | '\u{3c3}'..='\u{3c9}' | '\u{401}' | '\u{410}'..='\u{44f}' | '\u{451}'
        | '\u{3001}'..='\u{3003}' | '\u{3005}'..='\u{3011}' | '\u{3013}'..='\u{3017}' | '\u{4e00}'..='\u{9fa5}' | '\u{ff01}'..='\u{ff5e}'
        | '\u{ffe5}')
}

/// A text with nothing in it that the faces lack. `None`: it is so already; the other holds the number of each such character in brackets,
/// as `[U+0141]`.
pub(super) fn readable(text: &str) -> Option<String> {
    let shown = |character: char| latin(character).is_some() || is_song(character);
    if text.chars().all(shown) {
        return None;
    }
    // A letter and the mark above it are one letter where there is one; nothing else is changed.
    let whole: String = if text.chars().any(is_combining_mark) {
        text.nfc().collect()
    } else {
        text.to_owned()
    };
    let mut readable = String::with_capacity(whole.len());
    for character in whole.chars() {
        match character {
            '\t' => readable.push(' '),
            '\u{3000}' => readable.push_str("  "),
            known if shown(known) => readable.push(known),
            other => {
                let _ = write!(readable, "[U+{:04X}]", u32::from(other));
            }
        }
    }
    Some(readable)
}

/// Width of a character in sizes of the face, never less than it is: what is longer than the line is broken, not lost.
pub(super) fn width(character: char) -> f32 {
    match character {
        'i' | 'j' | 'l' | 'I' | ' ' | '.' | ',' | ':' | ';' | '/' | '\'' | '|' | '!' | '[' | ']' => 0.28,
        '0'..='9' | 'a'..='h' | 'k' | 'n'..='v' | 'x'..='z' => 0.56,
        'w' => 0.73,
        'm' | 'M' => 0.84,
        'A'..='L' | 'N'..='V' | 'X'..='Z' => 0.78,
        '(' | ')' | '-' => 0.34,
        _ => 1.02,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_letter_vanishes() {
        assert_eq!(readable("Zoë O’Brien 李伟（女）"), None);
        let told = |text: &str| readable(text).unwrap_or_else(|| text.to_owned());
        assert_eq!(told("Łuczak"), "[U+0141]uczak");
        assert_eq!(told("李𠮷"), "李[U+20BB7]");
        assert_eq!(told("דנה"), "[U+05D3][U+05E0][U+05D4]");
        // Written in two, it is the same letter.
        assert_eq!(told("Zoe\u{308}"), "Zoë");
        assert_eq!(told("x\u{301}"), "x[U+0301]");
        assert_eq!(told("a\u{1b}[31m\u{202e}b"), "a[U+001B][31m[U+202E]b");
        assert_eq!(told("李\u{3000}伟"), "李  伟");
        for character in ('\0'..='\u{ffff}').filter(|character| !character.is_whitespace()) {
            let told = told(&character.to_string());
            assert!(
                !told.is_empty() && told.chars().all(|one| latin(one).is_some() || is_song(one)),
                "{character:?}"
            );
        }
    }

    #[test]
    fn western_text_has_its_bytes() {
        let bytes: Option<Vec<u8>> = "é’–€Š".chars().map(latin).collect();
        assert_eq!(bytes, Some(vec![0xe9, 0x92, 0x96, 0x80, 0x8a]));
        assert_eq!((latin('\u{81}'), latin('\0'), latin('Ł')), (None, None, None));
    }
}
