//! Fields of comma-separated values (RFC 4180): the one place for every such file that is written.

use alerts::blank::is_unseen;

/// What begins a formula in a spreadsheet, in each width: those for Chinese and Japanese read the full-width and the small signs as well,
/// and the proper minus.
const FORMULA: [char; 13] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '﹦', '﹢', '﹣', '﹫', '−'];

/// A field in quotes, which no spreadsheet takes for a formula: somebody may have typed one as a case number.
pub fn field(text: &str) -> String {
    // A spreadsheet may pass over whatever shows nothing before it looks.
    let seen = text.trim_start_matches(|one: char| is_unseen(one) || one == '\'');
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
            for before in [
                "",
                " ",
                "\t",
                "\u{3000}",
                "\u{feff}",
                "\r\n",
                "\u{2060}",
                "\u{202e}",
                "\u{200e}\u{2066}",
                "\u{ad}",
                "\u{34f}",
                "'",
            ] {
                let text = format!("{before}{begin}HYPERLINK(1)");
                assert_eq!(field(&text), format!("\"'{text}\""));
            }
        }
        assert_eq!(field("say \"x\", 甲"), "\"say \"\"x\"\", 甲\"");
        assert_eq!(field(""), "\"\"");
        assert_eq!(field("2026-01-01=x"), "\"2026-01-01=x\"");
    }
}
