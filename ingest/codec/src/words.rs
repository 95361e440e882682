//! Our words for alarms, as they stand in JSON, CSV and SQL.

use proto::wire::Alarm;

const ALARMS: [(Alarm, &str); 13] = [
    (Alarm::Sos, "sos"),
    (Alarm::StrapTamper, "strap_tamper"),
    (Alarm::CaseTamper, "case_tamper"),
    (Alarm::LowBattery, "low_battery"),
    (Alarm::PowerOff, "power_off"),
    (Alarm::Jamming, "jamming"),
    (Alarm::Vibration, "vibration"),
    (Alarm::GnssFault, "gnss_fault"),
    (Alarm::Shielding, "shielding"),
    (Alarm::Fall, "fall"),
    (Alarm::Overspeed, "overspeed"),
    (Alarm::Other, "other"),
    (Alarm::Cloned, "cloned"),
];

/// The word of an alarm.
pub fn alarm_name(alarm: Alarm) -> &'static str {
    ALARMS
        .iter()
        .find(|(known, _)| *known == alarm)
        .map_or("other", |(_, name)| name)
}

/// The alarm of a word.
pub fn parse_alarm(name: &str) -> Option<Alarm> {
    ALARMS.iter().find(|(_, known)| *known == name).map(|(alarm, _)| *alarm)
}
