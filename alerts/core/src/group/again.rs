//! A violation that begins after its rule's incident was closed: the same incident again, or a new one.
//!
//! While an incident is open nothing of this is asked: further onsets fold in, however often a device flaps.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::ClosingCode;

/// The newest incident of the same person and rule; it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Which.
    pub incident: Uuid,
    /// When it was closed.
    pub closed_at: Timestamp,
    /// With which code.
    pub code: ClosingCode,
}

/// What a new violation makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It is reopened.
    Reopen(Uuid),
    /// A new incident is raised.
    Raise,
}

/// Decides. So soon after closing that the officer would look into the same file, it is reopened, with its history; a transferred
/// one is another's, and a test is nobody's. A violation that began before the closing is one that was not known then, and new to whoever closed
/// it. `within` of zero or less never reopens: what runs today.
pub fn again(before: Option<&Before>, onset_at: Timestamp, decided_at: Timestamp, within: SignedDuration) -> Again {
    let Some(before) = before else {
        return Again::Raise;
    };
    let apart = matches!(before.code, ClosingCode::Transferred | ClosingCode::Test);
    let since = decided_at.duration_since(before.closed_at);
    if apart || onset_at < before.closed_at || since >= within {
        Again::Raise
    } else {
        Again::Reopen(before.incident)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soon_after_closing_it_is_the_same_incident() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let before = |code| Before {
            incident: Uuid::from_u128(1),
            closed_at: at(1000),
            code,
        };
        let within = SignedDuration::from_secs(100);
        let decide = |code, onset, decided, within| again(Some(&before(code)), at(onset), at(decided), within);
        let warned = ClosingCode::WarningGiven;
        assert_eq!(decide(warned, 1050, 1099, within), Again::Reopen(Uuid::from_u128(1)));
        assert_eq!(decide(warned, 1050, 1100, within), Again::Raise, "too long ago");
        assert_eq!(decide(warned, 999, 1050, within), Again::Raise, "it began before");
        assert_eq!(decide(ClosingCode::Transferred, 1050, 1060, within), Again::Raise);
        assert_eq!(decide(ClosingCode::Test, 1050, 1060, within), Again::Raise);
        assert_eq!(
            decide(warned, 1000, 1000, SignedDuration::ZERO),
            Again::Raise,
            "as today"
        );
        assert_eq!(again(None, at(0), at(0), within), Again::Raise);
    }
}
