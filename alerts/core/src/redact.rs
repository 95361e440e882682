//! What does not leave the house, whatever somebody has typed.
//!
//! Messages carry the case reference, which is a number by custom and a free text by its type. Who writes a name, a place or
//! coordinates into it gets messages without a reference.

/// The reference as it may be sent: empty where it holds a part of the person's name or of the zone's label, or what looks like
/// coordinates or a telephone number.
pub fn discreet<'a>(reference: &'a str, name: &str, place: Option<&str>) -> &'a str {
    let folded = fold(reference);
    let tells = |text: &str| parts(text).any(|part| folded.contains(&part));
    let plain = !reference.chars().any(char::is_control) && reference.chars().count() <= 64;
    if plain && !tells(name) && !place.is_some_and(tells) && !numbers(reference) {
        reference
    } else {
        ""
    }
}

fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The parts of a name or label by which somebody would be known: words of at least two characters that are no mere numbers, and
/// the whole. A Chinese name has no spaces and is its own part.
fn parts(text: &str) -> impl Iterator<Item = String> {
    let whole = text.trim();
    text.split(|letter: char| !letter.is_alphanumeric())
        .chain((!whole.is_empty()).then_some(whole))
        .filter(|part| part.chars().nth(1).is_some() && part.chars().any(char::is_alphabetic))
        .map(fold)
        .collect::<Vec<_>>()
        .into_iter()
}

/// Decimal fractions with three places and more, or eleven digits and more in a row that are no year with a number.
fn numbers(text: &str) -> bool {
    let mut digits = 0_usize;
    let mut after_point: Option<usize> = None;
    let mut previous = ' ';
    for letter in text.chars() {
        if letter.is_ascii_digit() {
            digits += 1;
            if let Some(count) = after_point.as_mut() {
                *count += 1;
                if *count >= 3 {
                    return true;
                }
            }
            if digits >= 11
                && !text
                    .trim_start_matches(|first: char| !first.is_ascii_digit())
                    .starts_with("20")
            {
                return true;
            }
        } else {
            digits = 0;
            let point = matches!(letter, '.' | ',' | '。' | '°') && previous.is_ascii_digit();
            after_point = point.then_some(0);
        }
        previous = letter;
    }
    text.contains('°')
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(discreet("张三-7", "张三", None), "");
        assert_eq!(discreet("西湖路-7", "张三", Some("西湖路")), "");
    }
}
