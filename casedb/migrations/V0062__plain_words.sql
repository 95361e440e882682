-- Texts that people enter: bounded, without characters that a screen obeys (controls, what turns the direction around), not blank where
-- something must be said. The program checks the same before (casedb/src/plain.rs), and a test holds the two lists together. Old rows stay
-- as they are until they are changed: NOT VALID.
CREATE FUNCTION plain_words(words text, most integer, lines boolean, empty boolean) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN char_length(words) <= most
    AND CASE WHEN lines THEN words !~ '[\u0001-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u202A-\u202E\u2066-\u2069]'
        ELSE words !~ '[\u0001-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]' END
    AND (empty AND words = ''
        OR words ~ '[^\u0009-\u000D\u0020\u0085\u00A0\u00AD\u1680\u180E\u2000-\u200F\u2028\u2029\u202F\u205F\u2060\u2800\u3000\u3164\uFEFF]');
COMMENT ON FUNCTION plain_words IS 'A text of people''s: at most so long, with lines or without, left out or not.';

ALTER TABLE agency
    ADD CONSTRAINT agency_name_words CHECK (plain_words(name, 200, false, false)) NOT VALID;
ALTER TABLE app_user
    ADD CONSTRAINT app_user_display_name_words CHECK (plain_words(display_name, 200, false, false)) NOT VALID;
ALTER TABLE person
    ADD CONSTRAINT person_reference_words CHECK (plain_words(reference, 100, false, false)) NOT VALID,
    ADD CONSTRAINT person_display_name_words CHECK (plain_words(display_name, 200, false, false)) NOT VALID;
ALTER TABLE protected_person
    ADD CONSTRAINT protected_person_reference_words CHECK (plain_words(reference, 100, false, false)) NOT VALID,
    ADD CONSTRAINT protected_person_display_name_words CHECK (plain_words(display_name, 200, false, true)) NOT VALID;
ALTER TABLE device
    ADD CONSTRAINT device_identity_words CHECK (plain_words(identity, 64, false, false)) NOT VALID,
    ADD CONSTRAINT device_model_words CHECK (plain_words(model, 200, false, true)) NOT VALID,
    ADD CONSTRAINT device_carrier_words CHECK (plain_words(carrier, 200, false, true)) NOT VALID,
    ADD CONSTRAINT device_firmware_words CHECK (plain_words(firmware, 200, false, true)) NOT VALID;
ALTER TABLE device_fault
    ADD CONSTRAINT device_fault_detail_words CHECK (plain_words(detail, 1000, true, true)) NOT VALID,
    ADD CONSTRAINT device_fault_repair_words CHECK (plain_words(repair, 1000, true, true)) NOT VALID;
ALTER TABLE supervision_order
    ADD CONSTRAINT supervision_order_legal_basis_words CHECK (plain_words(legal_basis, 4000, true, false)) NOT VALID,
    ADD CONSTRAINT supervision_order_grounds_words CHECK (plain_words(grounds, 10000, true, true)) NOT VALID,
    ADD CONSTRAINT supervision_order_conditions_words CHECK (plain_words(conditions, 10000, true, true)) NOT VALID;
ALTER TABLE order_revision
    ADD CONSTRAINT order_revision_reason_words CHECK (plain_words(reason, 4000, true, true)) NOT VALID;
ALTER TABLE order_extension
    ADD CONSTRAINT order_extension_reason_words CHECK (plain_words(reason, 4000, true, false)) NOT VALID;
ALTER TABLE order_approval
    ADD CONSTRAINT order_approval_court_words CHECK (plain_words(court, 2000, false, true)) NOT VALID,
    ADD CONSTRAINT order_approval_reference_words CHECK (plain_words(reference, 2000, false, true)) NOT VALID,
    ADD CONSTRAINT order_approval_reason_words CHECK (plain_words(reason, 4000, true, true)) NOT VALID;
ALTER TABLE order_notice
    ADD CONSTRAINT order_notice_reference_words CHECK (plain_words(reference, 2000, false, true)) NOT VALID;
ALTER TABLE order_review
    ADD CONSTRAINT order_review_note_words CHECK (plain_words(note, 4000, true, true)) NOT VALID;
ALTER TABLE leave_pass
    ADD CONSTRAINT leave_pass_reason_words CHECK (plain_words(reason, 2000, true, false)) NOT VALID,
    ADD CONSTRAINT leave_pass_approved_by_words CHECK (plain_words(approved_by, 200, false, false)) NOT VALID,
    ADD CONSTRAINT leave_pass_decision_note_words CHECK (plain_words(decision_note, 2000, true, true)) NOT VALID;
ALTER TABLE legal_hold
    ADD CONSTRAINT legal_hold_reason_words CHECK (plain_words(reason, 2000, true, false)) NOT VALID,
    ADD CONSTRAINT legal_hold_authority_words CHECK (plain_words(authority, 500, false, false)) NOT VALID,
    ADD CONSTRAINT legal_hold_lift_reason_words CHECK (plain_words(lift_reason, 2000, true, false)) NOT VALID;
ALTER TABLE contact_revision
    ADD CONSTRAINT contact_revision_name_words CHECK (plain_words(name, 1000, false, true)) NOT VALID,
    ADD CONSTRAINT contact_revision_relation_words CHECK (plain_words(relation, 1000, false, true)) NOT VALID,
    ADD CONSTRAINT contact_revision_phone_words CHECK (plain_words(phone, 1000, false, true)) NOT VALID,
    ADD CONSTRAINT contact_revision_address_words CHECK (plain_words(address, 1000, true, true)) NOT VALID,
    ADD CONSTRAINT contact_revision_note_words CHECK (plain_words(note, 1000, true, true)) NOT VALID;
ALTER TABLE person_note
    ADD CONSTRAINT person_note_text_words CHECK (plain_words(text, 10000, true, false)) NOT VALID;
ALTER TABLE violation_outcome
    ADD CONSTRAINT violation_outcome_reason_words CHECK (plain_words(reason, 4000, true, false)) NOT VALID,
    ADD CONSTRAINT violation_outcome_case_number_words CHECK (plain_words(case_number, 200, false, true)) NOT VALID;
ALTER TABLE service_contract
    ADD CONSTRAINT service_contract_reference_words CHECK (plain_words(reference, 200, false, false)) NOT VALID;
ALTER TABLE zone
    ADD CONSTRAINT zone_label_words CHECK (plain_words(label, 500, false, true)) NOT VALID;
ALTER TABLE zone_layer
    ADD CONSTRAINT zone_layer_label_words CHECK (plain_words(label, 500, false, true)) NOT VALID;
ALTER TABLE holiday_calendar
    ADD CONSTRAINT holiday_calendar_name_words CHECK (plain_words(name, 200, false, false)) NOT VALID;
ALTER TABLE holiday
    ADD CONSTRAINT holiday_label_words CHECK (plain_words(label, 200, false, true)) NOT VALID;
ALTER TABLE absence
    ADD CONSTRAINT absence_reason_words CHECK (plain_words(reason, 1000, true, true)) NOT VALID;
ALTER TABLE break_glass
    ADD CONSTRAINT break_glass_reason_words CHECK (plain_words(reason, 2000, true, false)) NOT VALID,
    ADD CONSTRAINT break_glass_case_number_words CHECK (plain_words(case_number, 200, false, false)) NOT VALID;
ALTER TABLE device_command
    ADD CONSTRAINT device_command_case_number_words CHECK (plain_words(case_number, 200, false, true)) NOT VALID;

-- The path of an agency is what the program can name: labels of letters, digits and `_`.
ALTER TABLE agency ADD CONSTRAINT agency_path_words CHECK (path::text ~ '^[A-Za-z0-9_]+([.][A-Za-z0-9_]+)*$' AND char_length(path::text) <= 250) NOT VALID;
