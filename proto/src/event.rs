//! Words for what the engine decides: the text forms of event kinds and edges, the same in JSON, SQL and CSV.

use crate::wire::{Edge, EventKind};

/// Every kind of event, in the order of the wire.
pub const KINDS: [EventKind; 24] = [
    EventKind::ExclusionEntry,
    EventKind::BufferEntry,
    EventKind::CurfewAbsentAtStart,
    EventKind::LeftDuringCurfew,
    EventKind::LateReturn,
    EventKind::LeftInclusion,
    EventKind::MissedAttendance,
    EventKind::PossibleCrossing,
    EventKind::StrapTamper,
    EventKind::CaseTamper,
    EventKind::Silence,
    EventKind::NoFix,
    EventKind::MotionWithoutFix,
    EventKind::Jamming,
    EventKind::Shielding,
    EventKind::ImpossibleMovement,
    EventKind::BatteryLow,
    EventKind::BatteryCritical,
    EventKind::BatteryDead,
    EventKind::ClockSkew,
    EventKind::Sos,
    EventKind::Proximity,
    EventKind::ProximityWarning,
    EventKind::ClonedDevice,
];

/// The text form of a kind: snake case of the wire's name. `unspecified` never leaves the engine.
pub const fn kind_name(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Unspecified => "unspecified",
        EventKind::ExclusionEntry => "exclusion_entry",
        EventKind::BufferEntry => "buffer_entry",
        EventKind::CurfewAbsentAtStart => "curfew_absent_at_start",
        EventKind::LeftDuringCurfew => "left_during_curfew",
        EventKind::LateReturn => "late_return",
        EventKind::LeftInclusion => "left_inclusion",
        EventKind::MissedAttendance => "missed_attendance",
        EventKind::PossibleCrossing => "possible_crossing",
        EventKind::StrapTamper => "strap_tamper",
        EventKind::CaseTamper => "case_tamper",
        EventKind::Silence => "silence",
        EventKind::NoFix => "no_fix",
        EventKind::MotionWithoutFix => "motion_without_fix",
        EventKind::Jamming => "jamming",
        EventKind::Shielding => "shielding",
        EventKind::ImpossibleMovement => "impossible_movement",
        EventKind::BatteryLow => "battery_low",
        EventKind::BatteryCritical => "battery_critical",
        EventKind::BatteryDead => "battery_dead",
        EventKind::ClockSkew => "clock_skew",
        EventKind::Sos => "sos",
        EventKind::Proximity => "proximity",
        EventKind::ProximityWarning => "proximity_warning",
        EventKind::ClonedDevice => "cloned_device",
    }
}

/// Reads the text form of a kind; `None` for anything else.
pub fn parse_kind(text: &str) -> Option<EventKind> {
    KINDS.into_iter().find(|&kind| kind_name(kind) == text)
}

/// The text form of an edge: `onset`, `end` or `correction`.
pub const fn edge_name(edge: Edge) -> &'static str {
    match edge {
        Edge::Unspecified => "unspecified",
        Edge::Onset => "onset",
        Edge::End => "end",
        Edge::Correction => "correction",
    }
}

/// Reads the text form of an edge; `None` for anything else.
pub fn parse_edge(text: &str) -> Option<Edge> {
    [Edge::Onset, Edge::End, Edge::Correction]
        .into_iter()
        .find(|&edge| edge_name(edge) == text)
}

/// Says whether a kind is of one moment: it has an onset and never an end. Tampering is never cleared by itself, and a
/// call for help is not taken back by the device.
pub const fn is_momentary(kind: EventKind) -> bool {
    matches!(kind, EventKind::StrapTamper | EventKind::CaseTamper | EventKind::Sos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_the_wire_has_one_name_and_comes_back() {
        for number in 1.. {
            let Ok(kind) = EventKind::try_from(number) else {
                assert_eq!(KINDS.len(), usize::try_from(number - 1).unwrap());
                break;
            };
            let proto_name = kind.as_str_name().strip_prefix("EVENT_KIND_").unwrap().to_lowercase();
            assert_eq!(kind_name(kind), proto_name);
            assert_eq!(parse_kind(&proto_name), Some(kind));
        }
        assert_eq!(parse_kind("unspecified"), None);
        assert_eq!(parse_edge("onset"), Some(Edge::Onset));
        assert_eq!(parse_edge("end"), Some(Edge::End));
        assert_eq!(parse_edge(""), None);
    }
}
