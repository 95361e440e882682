//! Text that shows nothing: where something must be said, it does not say it.

/// Says whether a text has nothing to be seen: it is empty, or all of it is white space of some script, or without width.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(is_unseen)
}

/// White space, controls, what Unicode lets a screen pass over (`Default_Ignorable_Code_Point`), and the blanks among letters and
/// patterns. The database knows the same ones (`words_show`, V0093); a test of the case database holds the two together.
pub const fn is_unseen(character: char) -> bool {
    character.is_whitespace()
        || matches!(
            character,
            '\0'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_nothing_is_blank() {
        for text in [
            "",
            " \t\n",
            "\u{3000}\u{a0}",
            "\u{200b}",
            "\u{2060}",
            "\u{ad}",
            "\u{2800}",
            "\u{3164}",
            "\u{202e}",
            "\u{34f}\u{34f}",
            "\u{fe0f}",
            "\u{e0041}",
            "\u{ffa0}",
            "\u{115f}",
            "\u{7f}\u{85}",
        ] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in [".", "位", "नी\u{200d}ल", "\u{1f6a2}", " a", "‑", "\u{fffd}"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
