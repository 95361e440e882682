//! Texts that people enter: how long they may be, and of what. One check for the command line, the page and the database, whose
//! `CHECK` constraints (V0062, V0093) ask the same of SQL by hand; a test holds the two lists against each other.

use alerts::blank::is_blank;
use jiff::Timestamp;

use crate::{Error, Refused};

/// A column of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Its table.
    pub table: &'static str,
    /// Its name.
    pub column: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// At most so many characters.
    pub most: usize,
    /// May have line breaks and tabs.
    pub lines: bool,
    /// May be left out.
    pub empty: bool,
}

macro_rules! fields {
    ($($name:ident = $table:literal . $column:literal, $what:literal, $most:literal, $lines:ident, $empty:ident;)+) => {
        $(
            #[doc = concat!("`", $table, ".", $column, "`: ", $what, ".")]
            pub const $name: Field = Field {
                table: $table,
                column: $column,
                what: $what,
                most: $most,
                lines: fields!(@ $lines),
                empty: fields!(@ $empty),
            };
        )+
        /// Every column of words that is checked.
        pub const FIELDS: &[Field] = &[$($name),+];
    };
    (@ lines) => { true };
    (@ line) => { false };
    (@ optional) => { true };
    (@ needed) => { false };
}

fields! {
    AGENCY_NAME = "agency"."name", "the agency's name", 200, line, needed;
    USER_NAME = "app_user"."display_name", "the user's name", 200, line, needed;
    PERSON_REFERENCE = "person"."reference", "the case reference", 100, line, needed;
    PERSON_NAME = "person"."display_name", "the person's name", 200, line, needed;
    PROTECTED_REFERENCE = "protected_person"."reference", "the protected person's reference", 100, line, needed;
    PROTECTED_NAME = "protected_person"."display_name", "the protected person's name", 200, line, optional;
    DEVICE_IDENTITY = "device"."identity", "the device's identity", 64, line, needed;
    DEVICE_MODEL = "device"."model", "the device's model", 200, line, optional;
    DEVICE_CARRIER = "device"."carrier", "the device's carrier", 200, line, optional;
    DEVICE_FIRMWARE = "device"."firmware", "the device's firmware", 200, line, optional;
    FAULT_DETAIL = "device_fault"."detail", "the fault's description", 1000, lines, optional;
    FAULT_REPAIR = "device_fault"."repair", "what was done about the fault", 1000, lines, optional;
    ORDER_BASIS = "supervision_order"."legal_basis", "the order's legal basis", 4000, lines, needed;
    ORDER_GROUNDS = "supervision_order"."grounds", "the order's grounds", 10_000, lines, optional;
    ORDER_CONDITIONS = "supervision_order"."conditions", "the order's conditions", 10_000, lines, optional;
    ORDER_REASON = "order_revision"."reason", "the reason", 4000, lines, optional;
    EXTENSION_REASON = "order_extension"."reason", "the extension's reason", 4000, lines, needed;
    APPROVAL_COURT = "order_approval"."court", "the court", 2000, line, optional;
    APPROVAL_REFERENCE = "order_approval"."reference", "the decision's reference", 2000, line, optional;
    APPROVAL_REASON = "order_approval"."reason", "the decision's reason", 4000, lines, optional;
    NOTICE_REFERENCE = "order_notice"."reference", "the document's reference", 2000, line, optional;
    REVIEW_NOTE = "order_review"."note", "the review's note", 4000, lines, optional;
    LEAVE_REASON = "leave_pass"."reason", "the leave's reason", 2000, lines, needed;
    LEAVE_APPROVER = "leave_pass"."approved_by", "the leave's approver", 200, line, needed;
    LEAVE_NOTE = "leave_pass"."decision_note", "the decision's note", 2000, lines, optional;
    HOLD_REASON = "legal_hold"."reason", "the hold's reason", 2000, lines, needed;
    HOLD_AUTHORITY = "legal_hold"."authority", "the hold's authority", 500, line, needed;
    HOLD_LIFTED = "legal_hold"."lift_reason", "the reason of the lifting", 2000, lines, needed;
    CONTACT_NAME = "contact_revision"."name", "the contact's name", 1000, line, optional;
    CONTACT_RELATION = "contact_revision"."relation", "how the contact is related", 1000, line, optional;
    CONTACT_PHONE = "contact_revision"."phone", "the contact's telephone", 1000, line, optional;
    CONTACT_ADDRESS = "contact_revision"."address", "the contact's address", 1000, lines, optional;
    CONTACT_NOTE = "contact_revision"."note", "the contact's remark", 1000, lines, optional;
    NOTE_TEXT = "person_note"."text", "the note", 10_000, lines, needed;
    OUTCOME_REASON = "violation_outcome"."reason", "the outcome's reason", 4000, lines, needed;
    OUTCOME_CASE = "violation_outcome"."case_number", "the case number", 200, line, optional;
    CONTRACT_REFERENCE = "service_contract"."reference", "the contract's reference", 200, line, needed;
    ZONE_LABEL = "zone"."label", "the zone's label", 500, line, optional;
    LAYER_LABEL = "zone_layer"."label", "the layer's label", 500, line, optional;
    CALENDAR_NAME = "holiday_calendar"."name", "the calendar's name", 200, line, needed;
    HOLIDAY_LABEL = "holiday"."label", "the holiday's name", 200, line, optional;
    ABSENCE_REASON = "absence"."reason", "the absence's reason", 1000, lines, optional;
    GLASS_REASON = "break_glass"."reason", "the reason of the emergency access", 2000, lines, needed;
    GLASS_CASE = "break_glass"."case_number", "the case number", 200, line, needed;
    COMMAND_CASE = "device_command"."case_number", "the case number", 200, line, optional;
}

/// Characters that a screen would obey rather than show: controls, and what turns the direction of the text around.
const fn obeyed(character: char, lines: bool) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => !lines,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

/// Refuses a time that no calendar of people has. The database holds roles to the same (`written_by_role`, V0100).
pub fn time(what: &str, at: Timestamp) -> Result<(), Error> {
    // 1900-01-01 and 9000-01-01.
    const FIRST_S: i64 = -2_208_988_800;
    const LAST_S: i64 = 221_845_392_000;
    if (FIRST_S..LAST_S).contains(&at.as_second()) {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{what}: {at} is not of the years 1900 to 8999; leave out an end that is not known"
    )))
}

/// A text for a terminal: of rows from before the check, or of devices, what would be obeyed is replaced.
pub fn shown(text: &str) -> String {
    text.chars()
        .map(|character| if obeyed(character, true) { '\u{fffd}' } else { character })
        .collect()
}

impl Field {
    /// Refuses a text that cannot be one; says why, where, and what to do.
    pub fn check(&self, text: &str) -> Result<(), Error> {
        let field = format!("{}.{}", self.table, self.column);
        let length = text.chars().count();
        if length > self.most {
            let said = format!(
                "{} has {length} characters: shorten it to at most {}",
                self.what, self.most
            );
            return Err(Refused::new("text_long", said)
                .with("field", field)
                .with("found", length)
                .with("most", self.most)
                .into());
        }
        if let Some((place, found)) = (1..).zip(text.chars()).find(|(_, found)| obeyed(*found, self.lines)) {
            let code = format!("U+{:04X}", u32::from(found));
            let said = format!(
                "{} has the control character {code} as its character {place}: leave it out",
                self.what
            );
            return Err(Refused::new("text_control", said)
                .with("field", field)
                .with("found", code)
                .with("place", place)
                .into());
        }
        if !(self.empty && text.is_empty()) && is_blank(text) {
            let said = format!("{} is blank: give it at least one character that shows", self.what);
            return Err(Refused::new("text_blank", said).with("field", field).into());
        }
        Ok(())
    }

    /// The name of the database's constraint.
    pub fn constraint(&self) -> String {
        format!("{}_{}_words", self.table, self.column)
    }
}

/// What the database's refusal by one of the constraints says to people; the value itself is not told.
pub(crate) fn refused(constraint: &str) -> Option<Refused> {
    let field = FIELDS.iter().find(|field| field.constraint() == constraint)?;
    let blank = if field.empty { "" } else { "is blank, or " };
    let said = format!(
        "{} {blank}has more than {} characters or a control character: shorten it, and leave such characters out",
        field.what, field.most
    );
    Some(
        Refused::new("text_wrong", said)
            .with("field", format!("{}.{}", field.table, field.column))
            .with("most", field.most),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: &Field, text: &str) -> String {
        field
            .check(text)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[test]
    fn names_of_people_are_taken_and_what_hides_or_obeys_is_not() {
        for name in [
            "李伟",
            "Zoë O’Brien-Łuczak",
            "欧阳·娜娜",
            "عبد الله",
            "a",
            "<script>",
            "\u{1F6A2} ship",
            "नी\u{200d}ल",
            &"x".repeat(200),
        ] {
            assert_eq!(said(&PERSON_NAME, name), "", "{name:?}");
        }
        for blank in [
            "",
            " ",
            "\u{3000}",
            "\u{a0}\u{2003}",
            "\u{200b}",
            "\u{feff}\u{3164}",
            "\u{2800}",
            "\u{34f}\u{fe0f}\u{e0041}",
        ] {
            assert!(said(&PERSON_NAME, blank).contains("blank"), "{blank:?}");
        }
        assert_eq!(
            said(&PERSON_NAME, &"x".repeat(100_000)),
            "the person's name has 100000 characters: shorten it to at most 200"
        );
        assert_eq!(
            said(&PERSON_NAME, "ab\u{1b}[31m"),
            "the person's name has the control character U+001B as its character 3: leave it out"
        );
        for bad in [
            "a\nb",
            "a\tb",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{85}b",
            "a\u{2028}b",
            "a\u{7f}",
        ] {
            assert!(said(&PERSON_NAME, bad).contains("control character U+"), "{bad:?}");
        }
    }

    #[test]
    fn long_texts_have_lines_and_some_may_be_left_out() {
        assert_eq!(said(&ORDER_GROUNDS, ""), "");
        assert!(said(&ORDER_GROUNDS, " \n ").contains("blank"));
        assert_eq!(said(&ORDER_GROUNDS, "first\r\nsecond\tline"), "");
        assert!(said(&ORDER_GROUNDS, "first\u{8}").contains("U+0008"));
        assert!(said(&LEAVE_REASON, "").contains("blank"));
    }

    #[test]
    fn times_are_of_a_calendar_of_people() {
        let taken = |text: &str| time("it", text.parse().unwrap()).is_ok();
        assert!(taken("1900-01-01T00:00:00Z") && taken("8999-12-31T23:59:59Z"));
        assert!(!taken("1899-12-31T23:59:59Z") && !taken("9000-01-01T00:00:00Z"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_printed() {
        assert_eq!(shown("a\u{1b}[31m\nb\u{202e}"), "a\u{fffd}[31m\nb\u{fffd}");
    }

    #[test]
    fn a_refusal_of_the_database_is_told_without_the_value() {
        let said = refused("person_display_name_words").unwrap();
        assert!(
            said.text.contains("the person's name is blank, or has more than 200"),
            "{}",
            said.text
        );
        assert!(refused("person_pkey").is_none());
    }
}
