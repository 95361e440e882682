//! Short messages: what they say, and how long they are.
//!
//! An SMS is read on a locked screen, by whoever holds the telephone, and lies with the carrier: it says that there is something
//! to look at, how urgent, and since when. No name, no place, no case reference, no link.

use crate::{
    Locale,
    text::{Facts, News, what},
};

/// The characters of GSM 03.38's basic table.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those of its extension table, which take two places.
const EXTENDED: &str = "^{}\\[~]|€\u{c}";

/// How a text is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character.
    Gsm7,
    /// Sixteen bits a character.
    Ucs2,
}

impl Encoding {
    /// The word used in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }
}

/// How long a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// How it is carried.
    pub encoding: Encoding,
    /// Places it takes: septets, or units of sixteen bits.
    pub units: usize,
    /// Messages that the carrier bills.
    pub segments: usize,
}

/// Counts. A character of two units (an extension, a surrogate pair) is not split over two segments.
pub fn length(text: &str) -> Length {
    let gsm = |letter: char| {
        if BASIC.contains(letter) {
            Some(1)
        } else {
            EXTENDED.contains(letter).then_some(2)
        }
    };
    let septets: Option<Vec<usize>> = text.chars().map(gsm).collect();
    let (encoding, widths, alone, joined) = match septets {
        Some(widths) => (Encoding::Gsm7, widths, 160, 153),
        None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let units = widths.iter().sum();
    let segments = if units <= alone {
        usize::from(units > 0)
    } else {
        let mut segments = 1;
        let mut filled = 0;
        for width in widths {
            if filled + width > joined {
                segments += 1;
                filled = 0;
            }
            filled += width;
        }
        segments
    };
    Length {
        encoding,
        units,
        segments,
    }
}

/// Writes a short message of at most `segments` segments: the least important part is left out first.
pub fn render(facts: &Facts<'_>, locale: Locale, segments: usize) -> String {
    let (subject, since, hint) = parts(facts, locale);
    let all = [
        format!("{subject}{since}{hint}"),
        format!("{subject}{since}"),
        subject.clone(),
    ];
    let fits = |text: &&String| length(text).segments <= segments.max(1);
    all.iter()
        .find(fits)
        .map_or_else(|| cut(&subject, segments.max(1)), Clone::clone)
}

/// One line and the parts that may follow it.
fn parts(facts: &Facts<'_>, locale: Locale) -> (String, String, String) {
    let onset = facts.began("%m-%d %H:%M %:z");
    let Facts { number, severity, .. } = facts;
    let what = what(facts, locale);
    let late = facts.says_late();
    match locale {
        Locale::En => {
            let news = match facts.news {
                News::Raised => "",
                News::Worsened => ", now more urgent",
                News::CalledAgain => ", called again",
                News::Resumed => ", goes on after all",
                News::Withdrawn => ", did not happen after all",
            };
            (
                format!("[{severity}] Incident {number}: {what}{news}"),
                format!(", {} {onset}", if late { "stored report of" } else { "since" }),
                ". See the console.".to_owned(),
            )
        }
        Locale::ZhCn => {
            let news = match facts.news {
                News::Raised => "",
                News::Worsened => "，已升级",
                News::CalledAgain => "，再次呼救",
                News::Resumed => "，经更正仍在持续",
                News::Withdrawn => "，经更正并未发生",
            };
            (
                format!("[{severity}]事件{number}：{what}{news}"),
                format!("，{onset}{}", if late { "（补传）" } else { "" }),
                "。请登录控制台。".to_owned(),
            )
        }
    }
}

/// The longest beginning that fits.
fn cut(text: &str, segments: usize) -> String {
    let mut kept = String::new();
    for letter in text.chars() {
        let before = kept.len();
        kept.push(letter);
        if length(&kept).segments > segments {
            kept.truncate(before);
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::wire::EventKind;

    use super::*;
    use crate::text::example;

    fn facts() -> Facts<'static> {
        Facts {
            link: Some("https://homeward.example/incidents/42"),
            ..example()
        }
    }

    #[test]
    fn lengths_are_those_of_the_standard() {
        let count = |text: &str| {
            let length = length(text);
            (length.encoding, length.units, length.segments)
        };
        assert_eq!(count(""), (Encoding::Gsm7, 0, 0));
        assert_eq!(count(&"a".repeat(160)), (Encoding::Gsm7, 160, 1));
        assert_eq!(count(&"a".repeat(161)), (Encoding::Gsm7, 161, 2));
        assert_eq!(count(&"a".repeat(306)), (Encoding::Gsm7, 306, 2));
        assert_eq!(count(&"a".repeat(307)), (Encoding::Gsm7, 307, 3));
        assert_eq!(count("[]"), (Encoding::Gsm7, 4, 1));
        assert_eq!(count(&"宵".repeat(70)), (Encoding::Ucs2, 70, 1));
        assert_eq!(count(&"宵".repeat(71)), (Encoding::Ucs2, 71, 2));
        assert_eq!(count(&"宵".repeat(134)), (Encoding::Ucs2, 134, 2));
        assert_eq!(count(&"宵".repeat(135)), (Encoding::Ucs2, 135, 3));
        assert_eq!(count("é"), (Encoding::Gsm7, 1, 1));
        assert_eq!(count("ê"), (Encoding::Ucs2, 1, 1));
        // The 153rd place is free, but the euro sign needs two: it goes over.
        let edge = format!("{}€{}", "a".repeat(152), "a".repeat(152));
        assert_eq!(count(&edge), (Encoding::Gsm7, 306, 3));
        let pairs = "\u{1f6a8}".repeat(36);
        assert_eq!(count(&pairs), (Encoding::Ucs2, 72, 2));
    }

    #[test]
    fn short_messages_of_both_languages() {
        let english = render(&facts(), Locale::En, 1);
        assert_eq!(
            english,
            "[P2] Incident 42: left during curfew, since 08-17 22:18 +08:00. See the console."
        );
        assert_eq!(length(&english).encoding, Encoding::Gsm7);
        let chinese = render(&facts(), Locale::ZhCn, 1);
        assert_eq!(
            chinese,
            "[P2]事件42：宵禁期间离开规定地点，08-17 22:18 +08:00。请登录控制台。"
        );
        assert_eq!(length(&chinese).segments, 1);
    }

    proptest! {
        #[test]
        fn every_message_fits_and_gives_nothing_away(
            number in any::<i64>(), name in "[A-Z][a-z]{3,9} Qx[a-z]{3,9}|[\u{9fa6}-\u{9fbf}]{2,4}", place in "Qx[a-z]{4,20}", reference in "Qx[0-9]{4,12}",
            kind in 0..25_usize, news in 0..5_usize, late in any::<bool>(), own in proptest::option::of("[a-z_]{1,80}"),
            seconds in 0..4_000_000_000_i64, segments in 1..3_usize, chinese in any::<bool>(),
        ) {
            let facts = Facts {
                number,
                reference: &reference,
                name: &name,
                place: Some(&place),
                kind: proto::event::KINDS.get(kind).copied().unwrap_or(EventKind::Unspecified),
                own_kind: own.as_deref(),
                news: [News::Raised, News::Worsened, News::CalledAgain, News::Resumed, News::Withdrawn][news],
                late,
                onset_at: jiff::Timestamp::from_second(seconds).unwrap(),
                ..facts()
            };
            let locale = if chinese { Locale::ZhCn } else { Locale::En };
            let text = render(&facts, locale, segments);
            prop_assert!(length(&text).segments <= segments && !text.is_empty());
            for secret in [&name, &place, &reference] {
                prop_assert!(!text.contains(secret.as_str()), "{}", text);
            }
            prop_assert!(!text.contains("http"));
        }
    }
}
