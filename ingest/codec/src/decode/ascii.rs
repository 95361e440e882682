//! JSON in ASCII alone: whatever else ends a line for one reader or another (U+0085, U+2028, U+2029) is escaped.

use std::io::{self, Write};

use serde_json::ser::Formatter;

/// Compact JSON whose text has no characters beyond ASCII.
pub(super) struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.chars().all(is_plain) {
            return writer.write_all(fragment.as_bytes());
        }
        for character in fragment.chars() {
            if is_plain(character) {
                write!(writer, "{character}")?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

fn is_plain(character: char) -> bool {
    character.is_ascii() && character != '\u{7f}'
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde::Serialize;
    use serde_json::Value;

    use super::*;

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Ascii))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn whatever_ends_a_line_anywhere_is_escaped() {
        assert_eq!(
            written("a\u{85}b\u{2028}\u{2029}\u{7f}\n\"é位😀"),
            "\"a\\u0085b\\u2028\\u2029\\u007f\\n\\\"\\u00e9\\u4f4d\\ud83d\\ude00\""
        );
        assert_eq!(written(""), "\"\"");
    }

    /// GT06 texts in UTF-16 and in bytes, with what ends lines in them.
    #[test]
    fn a_frame_is_one_line_to_every_reader() {
        let frames = "79790022210000000702004f004b00204f4d7f6e2028006c0069006e0065008500780001494e0d0a\n\
             787812150a000000076f6b85e280a80002000204100d0a\n";
        let mut out = Vec::new();
        crate::decode_lines(
            crate::Protocol::Gt06,
            Timestamp::UNIX_EPOCH,
            frames.as_bytes(),
            &mut out,
        )
        .unwrap();
        assert!(out.is_ascii());
        let lines: Vec<Value> = std::str::from_utf8(&out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].to_string().contains('位'), "{}", lines[0]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in any::<String>()) {
            let json = written(&text);
            prop_assert!(json.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
