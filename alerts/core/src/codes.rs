//! The codes with which an incident is closed. Nothing leaves the queue without one.

use std::{fmt, str::FromStr};

use crate::Locale;

/// Why an incident was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosingCode {
    /// The violation took place; what follows is recorded elsewhere.
    ConfirmedViolation,
    /// The person was allowed to be where they were (a pass, an instruction, an emergency).
    AuthorisedAbsence,
    /// The position was wrong: drift, reflection, a cell fix.
    FalseAlarmPosition,
    /// The device was wrong: a sensor spoke without cause.
    FalseAlarmDevice,
    /// The device is broken and is repaired or swapped.
    DeviceFault,
    /// Reports that came late show that it did not happen, or not so.
    CorrectedByLateData,
    /// The person came back or recharged by themselves.
    ReturnedCompliant,
    /// The person was spoken to and warned.
    WarningGiven,
    /// A patrol was sent.
    PoliceDispatched,
    /// Another unit or another case took it over.
    Transferred,
    /// A test or a drill.
    Test,
    /// Anything else; the text says what.
    Other,
}

/// A text that names no closing code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown closing code {0:?}")]
pub struct UnknownCode(pub String);

/// Code, its word in JSON and SQL, its English and its Simplified Chinese label.
const TABLE: [(ClosingCode, &str, &str, &str); 12] = [
    (
        ClosingCode::ConfirmedViolation,
        "confirmed_violation",
        "Confirmed violation",
        "确认违规",
    ),
    (
        ClosingCode::AuthorisedAbsence,
        "authorised_absence",
        "Authorised absence",
        "经批准外出",
    ),
    (
        ClosingCode::FalseAlarmPosition,
        "false_alarm_position",
        "False alarm: position",
        "误报：定位偏差",
    ),
    (
        ClosingCode::FalseAlarmDevice,
        "false_alarm_device",
        "False alarm: device",
        "误报：设备误触发",
    ),
    (ClosingCode::DeviceFault, "device_fault", "Device fault", "设备故障"),
    (
        ClosingCode::CorrectedByLateData,
        "corrected_by_late_data",
        "Corrected by late reports",
        "经补传数据更正",
    ),
    (
        ClosingCode::ReturnedCompliant,
        "returned_compliant",
        "Returned to compliance",
        "已自行恢复合规",
    ),
    (ClosingCode::WarningGiven, "warning_given", "Warning given", "已予警告"),
    (
        ClosingCode::PoliceDispatched,
        "police_dispatched",
        "Police dispatched",
        "已派警处置",
    ),
    (ClosingCode::Transferred, "transferred", "Transferred", "已移交"),
    (ClosingCode::Test, "test", "Test or drill", "测试或演练"),
    (
        ClosingCode::Other,
        "other",
        "Other (text required)",
        "其他（须填写说明）",
    ),
];

impl ClosingCode {
    /// Every code, in the order in which they are offered.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        // The table has every code (tested), so the fallback is never read.
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .map_or(("other", "Other", "其他"), |row| (row.1, row.2, row.3))
    }

    /// The word used in SQL and JSON.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What officers read.
    pub fn label(self, locale: Locale) -> &'static str {
        match locale {
            Locale::En => self.row().1,
            Locale::ZhCn => self.row().2,
        }
    }

    /// True when closing with this code needs a text.
    pub const fn needs_text(self) -> bool {
        matches!(self, Self::Other)
    }
}

impl fmt::Display for ClosingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ClosingCode {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        TABLE
            .iter()
            .find(|row| row.1 == text)
            .map(|row| row.0)
            .ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_word_and_two_labels_of_its_own() {
        for code in ClosingCode::all() {
            assert_eq!(code.name().parse(), Ok(code));
            // The word is also what serde writes.
            assert_eq!(format!("{code:?}").to_lowercase(), code.name().replace('_', ""));
            assert!(code.label(Locale::ZhCn).chars().all(|c| !c.is_ascii_alphabetic()));
        }
        let names: std::collections::BTreeSet<_> = ClosingCode::all().map(ClosingCode::name).collect();
        assert_eq!(names.len(), TABLE.len());
        let documentation = include_str!("../../../docs/alerts.md");
        for (_, name, en, zh) in TABLE {
            assert!(documentation.contains(&format!("| `{name}` | {en} | {zh} |")), "{name}");
        }
        assert_eq!("closed".parse::<ClosingCode>(), Err(UnknownCode("closed".into())));
    }
}
