//! What does not leave the house, whatever somebody has typed.
//!
//! Messages carry the case reference, which is a number by custom and a free text by its type. Who writes a name, a place or
//! coordinates into it gets messages without a reference.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::script::{is_unspaced, plain, simplified};

/// The reference as it may be sent: empty where it holds a part of the person's name or of the zone's label, or what looks like
/// coordinates or a telephone number; however it is written (wide letters, accents, `ł` for l, dots between the letters, traditional
/// characters).
pub fn discreet<'a>(reference: &'a str, name: &str, place: Option<&str>) -> &'a str {
    let letters = letters(reference);
    let tells = |parts: Vec<String>| parts.iter().any(|part| letters.contains(part));
    let short = !reference.chars().any(char::is_control) && reference.chars().count() <= 64;
    if short && !tells(parts_of_name(name)) && !place.is_some_and(|place| tells(parts(place))) && !numbers(reference) {
        reference
    } else {
        ""
    }
}

/// A text in plain small letters: compatibility forms resolved (NFKD), without accents, traditional characters as simplified ones.
fn fold(text: &str) -> String {
    let bare = text.nfkd().filter(|letter| !is_combining_mark(*letter));
    let mut folded = String::new();
    for letter in bare.flat_map(char::to_lowercase).nfkc() {
        match plain(letter) {
            Some(letters) => folded.push_str(letters),
            None => folded.push(simplified(letter)),
        }
    }
    folded
}

/// What of a text somebody reads though dots or blanks lie between.
fn letters(text: &str) -> String {
    fold(text).chars().filter(|letter| letter.is_alphanumeric()).collect()
}

/// The parts of a name or label by which somebody would be known: words of at least two characters that are no mere numbers, and
/// the whole, also the other way round.
fn parts(text: &str) -> Vec<String> {
    let folded = fold(text);
    let words: Vec<&str> = folded
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let whole = words.concat();
    let turned: String = words.iter().rev().copied().collect();
    let mut parts: Vec<String> = words.into_iter().map(str::to_owned).collect();
    parts.extend([whole, turned]);
    parts.retain(|part| part.chars().nth(1).is_some() && part.chars().any(char::is_alphabetic));
    parts
}

/// The parts of a person's name: besides, every two characters that stand side by side in a name written without spaces, as Chinese ones
/// are: nothing tells where the given name begins. One character alone is none.
fn parts_of_name(name: &str) -> Vec<String> {
    let mut parts = parts(name);
    let folded = letters(name);
    let pairs = folded.chars().zip(folded.chars().skip(1));
    let pairs = pairs.filter(|(one, next)| is_unspaced(*one) && is_unspaced(*next));
    parts.extend(pairs.map(|(one, next)| String::from_iter([one, next])));
    parts
}

/// Decimal fractions with three places and more, or eleven digits and more in a row (blanks, dashes, dots and brackets between them
/// do not count) that do not begin as a year.
fn numbers(text: &str) -> bool {
    let text: String = text.nfkc().collect();
    let mut run = String::new();
    let mut after_point: Option<usize> = None;
    let mut previous = ' ';
    for letter in text.chars() {
        if letter.is_numeric() {
            run.push(letter);
            if let Some(count) = after_point.as_mut() {
                *count += 1;
                if *count >= 3 {
                    return true;
                }
            }
            if run.chars().count() >= 11 && !run.starts_with("20") {
                return true;
            }
        } else {
            let point = matches!(letter, '.' | ',' | '。' | '°' | '、') && previous.is_numeric();
            after_point = point.then_some(0);
            if !matches!(letter, ' ' | '-' | '.' | '(' | ')' | '‐' | '–') {
                run.clear();
            } else if run.starts_with("20") && run.chars().count() < 11 {
                // A year, or the first digits of a telephone number behind something else: what follows stands for itself.
                run.clear();
            }
        }
        previous = letter;
    }
    text.contains('°')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        EventKind, Locale, Severity,
        route::Channel,
        sms,
        text::{self, Facts, News},
    };

    proptest! {
        /// Whatever somebody has typed into the case reference, the name or the zone's label: what leaves the house has none of it.
        #[test]
        fn no_name_no_place_and_no_coordinates_leave_the_house(
            name in "[A-Z][a-z]{2,6}q[xz][a-z]{0,4} [A-Z]q[a-z]{3,8}|[\u{9fa6}-\u{9fbf}]{2,4}",
            place in "[A-Z][a-z]{1,4}q[jz][a-z]{1,6}( [A-Z]q[a-z]{2,6})?|[\u{9f00}-\u{9f20}]{3,8}",
            latitude in -90.0..90.0_f64, longitude in -180.0..180.0_f64, digits in 3..8_usize,
            plain in "[A-Z]{2}-20[0-9]{2}-[0-9]{1,6}", shape in 0..10_usize, kind in 0..26_usize, news in 0..5_usize,
            late in any::<bool>(), at in 0..4_usize, own in proptest::option::of("[a-z_]{1,50}"), number in 1..i64::MAX,
        ) {
            let point = format!("{latitude:.digits$}");
            let reference = match shape {
                0 => name.clone(),
                1 => format!("{plain} {}", name.to_uppercase()),
                2 => format!("{plain}{name}"),
                3 => format!("{plain}/{place}"),
                4 => place.to_lowercase(),
                5 => format!("{latitude:.digits$},{longitude:.digits$}"),
                6 => format!("{plain} {longitude:.digits$}"),
                7 => format!("{latitude:.digits$}N"),
                // A part of the name that somebody is called by: two characters of one without spaces, a word of the others.
                8 => {
                    let parts = parts_of_name(&name);
                    format!("{plain}-{}", parts.get(at % parts.len()).unwrap())
                }
                _ => plain.clone(),
            };
            let kept = discreet(&reference, &name, Some(&place));
            if shape == 9 {
                prop_assert_eq!(kept, &reference, "an ordinary reference stays");
            }
            let facts = Facts {
                number,
                reference: kept,
                name: &name,
                place: Some(&place),
                kind: proto::event::KINDS.get(kind).copied().unwrap_or(EventKind::Unspecified),
                own_kind: own.as_deref(),
                severity: Severity::P2,
                onset_at: "2026-08-17T14:18:12Z".parse().unwrap(),
                time_zone: "Asia/Shanghai",
                news: [News::Raised, News::Worsened, News::CalledAgain, News::Resumed, News::Withdrawn][news],
                late,
                link: None,
            };
            for locale in [Locale::En, Locale::ZhCn] {
                let mut texts = vec![sms::render(&facts, locale, 2)];
                for channel in [Channel::Mail, Channel::Webhook, Channel::Sms, Channel::Push] {
                    let message = text::render(&facts, channel, locale);
                    texts.extend([message.subject, message.body]);
                }
                for text in texts {
                    let folded = letters(&text);
                    for secret in parts_of_name(&name).into_iter().chain(parts(&place)) {
                        prop_assert!(!folded.contains(&secret), "{} in {}", secret, text);
                    }
                    prop_assert!(!text.contains(&point), "{} in {}", point, text);
                }
            }
        }
    }

    #[test]
    fn a_reference_of_the_usual_kind_stays() {
        for reference in ["HZ-2026-0007", "（2026）浙0106刑初123号", "A/17", "2026-000000123", ""] {
            assert_eq!(discreet(reference, "Lin Example", Some("Home of L.")), reference);
        }
    }

    #[test]
    fn what_tells_more_is_left_out() {
        for reference in [
            "Lin Example 7",
            "HZ-EXAMPLE-7",
            "case of lin",
            "7 home",
            "30.27415,120.15515",
            "at 30°16",
            "13800000000",
            "HZ\nBcc: x",
        ] {
            assert_eq!(
                discreet(reference, "Lin Example", Some("Home of L.")),
                "",
                "{reference}"
            );
        }
        for (reference, name) in [
            ("张三-7", "张三"),
            ("李(伟)80", "李伟"),
            ("李伟-7", "李 伟"),
            ("王-五-1", "王五"),
            ("欧阳娜娜案1", "欧阳·娜娜"),
            ("伟明案-7", "李伟明"),
            ("李伟-7", "李伟明"),
            ("欧阳娜", "欧阳娜娜"),
            ("歐陽-2", "欧阳娜娜"),
            ("陈-國強-2", "陈国强"),
            ("建国-2", "陳建國"),
            ("김철수-1", "김철수"),
            ("lukasz-3", "Łukasz Nowak"),
            ("Łukasz-3", "Lukasz Nowak"),
            ("WEISS-3", "Jan Weiß"),
            ("dordevic", "Đorđević"),
            ("SORENSEN 4", "Sørensen"),
            ("aebelo-4", "Æbelø"),
            ("ＬＩＮ-90", "Lin Example"),
            ("L.I.U-2", "Liu Example"),
            ("ZOE-3", "Zoë O’Brien"),
            ("Zoe\u{308}-3", "Zoë O’Brien"),
            ("OBRIEN/4", "Zoë O’Brien"),
            ("３０.２７４１５", "Zoë"),
            ("20-13812345678", "Zoë"),
            ("138 1234-5678", "Zoë"),
        ] {
            assert_eq!(discreet(reference, name, None), "", "{reference} of {name}");
        }
        assert_eq!(discreet("西湖路-7", "张三", Some("西湖路")), "");
        assert_eq!(discreet("臨安路-7", "张三", Some("临安路")), "");
        // Of a place the whole word: agencies are called after places.
        assert_eq!(discreet("西湖-7", "张三", Some("西湖路")), "西湖-7");
    }
}
