//! How urgent an event is: a table by kind, raised by one step for people of the highest risk, and then what the person's order says
//! of it ([`order`]).

pub mod order;

use std::fmt;

use proto::wire::EventKind;

/// Urgency of an incident; `P1 < P2`, so the most urgent sorts first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Severity {
    /// Somebody may be in danger, or the device was taken off: act at once.
    P1,
    /// A clear violation in progress.
    P2,
    /// Must be looked into during the shift.
    P3,
    /// For information; becomes worse if nobody cares.
    P4,
}

impl Severity {
    /// All four, most urgent first.
    pub const ALL: [Self; 4] = [Self::P1, Self::P2, Self::P3, Self::P4];

    /// The number used in SQL and JSON, 1 (most urgent) to 4.
    pub const fn level(self) -> i16 {
        match self {
            Self::P1 => 1,
            Self::P2 => 2,
            Self::P3 => 3,
            Self::P4 => 4,
        }
    }

    /// The severity of a number as stored; `None` outside 1 to 4.
    pub const fn from_level(level: i16) -> Option<Self> {
        match level {
            1 => Some(Self::P1),
            2 => Some(Self::P2),
            3 => Some(Self::P3),
            4 => Some(Self::P4),
            _ => None,
        }
    }

    /// One step more urgent; P1 stays P1.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::P1 | Self::P2 => Self::P1,
            Self::P3 => Self::P2,
            Self::P4 => Self::P3,
        }
    }

    /// One step less urgent; P4 stays P4.
    #[must_use]
    pub const fn lowered(self) -> Self {
        match self {
            Self::P1 => Self::P2,
            Self::P2 => Self::P3,
            Self::P3 | Self::P4 => Self::P4,
        }
    }

    /// The more urgent of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.min(other)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.level())
    }
}

/// Base severity by kind, before the risk level. `docs/alerts.md` repeats it for readers.
pub const TABLE: [(EventKind, Severity); 24] = [
    // A protected place was entered, the strap was opened, or help was asked for.
    (EventKind::ExclusionEntry, Severity::P1),
    (EventKind::Proximity, Severity::P1),
    (EventKind::StrapTamper, Severity::P1),
    (EventKind::Sos, Severity::P1),
    // Not at home when they must be, or somebody works on the device.
    (EventKind::LeftDuringCurfew, Severity::P2),
    (EventKind::CurfewAbsentAtStart, Severity::P2),
    (EventKind::CaseTamper, Severity::P2),
    (EventKind::Jamming, Severity::P2),
    (EventKind::ClonedDevice, Severity::P2),
    // Needs a call within the shift.
    (EventKind::Silence, Severity::P3),
    (EventKind::LeftInclusion, Severity::P3),
    (EventKind::BufferEntry, Severity::P3),
    (EventKind::ProximityWarning, Severity::P3),
    (EventKind::LateReturn, Severity::P3),
    (EventKind::NoFix, Severity::P3),
    (EventKind::MotionWithoutFix, Severity::P3),
    (EventKind::Shielding, Severity::P3),
    (EventKind::PossibleCrossing, Severity::P3),
    (EventKind::ImpossibleMovement, Severity::P3),
    (EventKind::MissedAttendance, Severity::P3),
    (EventKind::BatteryCritical, Severity::P3),
    (EventKind::BatteryDead, Severity::P3),
    // For information.
    (EventKind::BatteryLow, Severity::P4),
    (EventKind::ClockSkew, Severity::P4),
];

/// The risk level (1 = highest, 4 = lowest) at which every severity rises by one step.
pub const HIGHEST_RISK: i16 = 1;

/// How urgent an event of this kind is by the table alone.
pub fn base(kind: EventKind) -> Severity {
    TABLE.iter().find(|row| row.0 == kind).map_or(Severity::P4, |row| row.1)
}

/// Says how urgent an event of this kind is for a person of this risk level, where no order says otherwise.
pub fn severity(kind: EventKind, risk_level: i16) -> Severity {
    let base = base(kind);
    if risk_level <= HIGHEST_RISK {
        base.raised()
    } else {
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_table_once() {
        // A new kind needs a severity, an audience and a grouping.
        for kind in proto::event::KINDS {
            assert_eq!(TABLE.iter().filter(|row| row.0 == kind).count(), 1, "{kind:?}");
        }
        assert_eq!(TABLE.len(), proto::event::KINDS.len());
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let text = include_str!("../../../docs/alerts.md");
        for severity in Severity::ALL {
            let row = text
                .lines()
                .find(|line| line.starts_with(&format!("| {severity} |")))
                .unwrap();
            let mut written: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
            let own = TABLE.iter().filter(|(_, own)| *own == severity);
            let mut expected: Vec<&str> = own.map(|(kind, _)| proto::event::kind_name(*kind)).collect();
            written.sort_unstable();
            expected.sort_unstable();
            assert_eq!(written, expected, "{severity}");
        }
    }

    #[test]
    fn highest_risk_raises_by_one_step() {
        assert_eq!(severity(EventKind::BatteryLow, 1), Severity::P3);
        assert_eq!(severity(EventKind::BatteryLow, 2), Severity::P4);
        assert_eq!(severity(EventKind::LateReturn, 1), Severity::P2);
        assert_eq!(severity(EventKind::ExclusionEntry, 1), Severity::P1);
        assert_eq!(severity(EventKind::ExclusionEntry, 4), Severity::P1);
    }

    #[test]
    fn levels_round_trip() {
        for severity in Severity::ALL {
            assert_eq!(Severity::from_level(severity.level()), Some(severity));
        }
        assert_eq!(Severity::from_level(0), None);
        assert_eq!(Severity::P3.worst(Severity::P1), Severity::P1);
    }
}
