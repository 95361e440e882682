//! Whether two machines go by about the same clock.

use jiff::{SignedDuration, Timestamp};

/// The database refuses what is said to have been done more than ten minutes from its own now (V0100): before it comes to that it is told.
const MOST: SignedDuration = SignedDuration::from_mins(2);

/// How far our clock is ahead of another, if by too much. `theirs` was read between `asked` and `answered`.
pub(super) fn ahead(asked: Timestamp, theirs: Timestamp, answered: Timestamp) -> Option<SignedDuration> {
    let least = if theirs < asked {
        asked.duration_since(theirs)
    } else if theirs > answered {
        answered.duration_since(theirs)
    } else {
        SignedDuration::ZERO
    };
    (least.abs() > MOST).then_some(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_answer_took_is_no_fault_of_the_clocks() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap_or_default();
        let seconds = |asked, theirs, answered| ahead(at(asked), at(theirs), at(answered)).map(|ahead| ahead.as_secs());
        assert_eq!(seconds(0, 0, 0), None);
        assert_eq!(seconds(0, 400, 400), None, "a slow answer");
        assert_eq!(seconds(0, -120, 1), None);
        assert_eq!(seconds(0, -121, 1), Some(121));
        assert_eq!(seconds(0, 122, 2), None);
        assert_eq!(seconds(0, 123, 2), Some(-121));
    }
}
