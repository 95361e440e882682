//! Fields of comma-separated values (RFC 4180): the one place for every such file that is written.

/// What begins a formula in a spreadsheet, in both widths: those for Chinese and Japanese read the full-width signs as well.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// What a spreadsheet passes over before it looks for one, besides white space.
const PASSED_OVER: [char; 5] = ['\'', '\u{200b}', '\u{200c}', '\u{200d}', '\u{feff}'];

/// A field in quotes, which no spreadsheet takes for a formula: somebody may have typed one as a case number.
pub fn field(text: &str) -> String {
    let seen =
        text.trim_start_matches(|one: char| one.is_whitespace() || one.is_control() || PASSED_OVER.contains(&one));
    let apostrophe = if seen.starts_with(FORMULA) || text.starts_with(['\t', '\r', '\n']) {
        "'"
    } else {
        ""
    };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_field_is_a_formula() {
        for begin in FORMULA {
            for before in ["", " ", "\t", "\u{3000}", "\u{feff}", "\r\n"] {
                let text = format!("{before}{begin}HYPERLINK(1)");
                assert_eq!(field(&text), format!("\"'{text}\""));
            }
        }
        assert_eq!(field("say \"x\", 甲"), "\"say \"\"x\"\", 甲\"");
        assert_eq!(field(""), "\"\"");
        assert_eq!(field("2026-01-01=x"), "\"2026-01-01=x\"");
    }
}
