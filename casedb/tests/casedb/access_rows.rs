//! Rows for the matrix of access: of each table, one of each kind. Every table on which a role has a right needs one here.

use casedb::access::rules::Kind;

/// Table and statement. In a statement, `{k}` is the kind's letter, `{person}` and `{other}` people of that kind, `{agency}` an agency of
/// it, `{path}` its place, `{user}` a user of it (of the own kind: the user under test), `{audience}` its audience.
pub(crate) const ROWS: &[(&str, &str)] = &[
    ("agency", "INSERT INTO agency (agency_id, path, name, kind, time_zone)
        VALUES (md5('{k}agency')::uuid, '{path}.sub', 'Sub {k}', 'police', 'Asia/Shanghai')"),
    ("app_user", "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
        VALUES (md5('{k}user')::uuid, 'sub.{k}', 'Sub {k}', 'analyst', '{agency}', 'x')"),
    ("sign_in_attempt", "INSERT INTO sign_in_attempt (username, succeeded) VALUES ('sub.{k}', false)"),
    ("person", "INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
        VALUES (md5('{k}person')::uuid, 'MX-{k}', 'Name of {k}', '{police}', '{social}', 'Asia/Shanghai')"),
    ("supervision_order", "INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at, made_by)
        VALUES (md5('{k}order')::uuid, '{person}', 'act', now(), now() + interval '1 day', '{user}')"),
    ("order_past_term", "SET LOCAL homeward.import = 'on'; INSERT INTO order_past_term (order_id, person_id, starts_at, ends_at)
        VALUES (md5('{k}order')::uuid, '{person}', now() - interval '1 day', now()); SET LOCAL homeward.import = ''"),
    ("order_extension", "INSERT INTO order_extension (extension_id, order_id, from_end, to_end, reason, requested_by, requested_at)
        VALUES (md5('{k}extension')::uuid, md5('{k}order')::uuid, now(), now() + interval '1 day', 'r', '{user}', now())"),
    ("order_approval", "SET LOCAL homeward.import = 'on'; INSERT INTO order_approval (approval_id, order_id, decision, decided_by, role, agency_id, decided_at)
        VALUES (md5('{k}approval')::uuid, md5('{k}order')::uuid, 'refused', '{user}', 'r', '{agency}', now()); SET LOCAL homeward.import = ''"),
    ("order_notice", "INSERT INTO order_notice (notice_id, order_id, step, given_to, done_at, recorded_by)
        VALUES (md5('{k}notice')::uuid, md5('{k}order')::uuid, 'copy_sent', 'x', now(), '{user}')"),
    ("order_review", "INSERT INTO order_review (review_id, order_id, kind, due_at) VALUES (md5('{k}review')::uuid, md5('{k}order')::uuid, 'asked', now())"),
    ("order_warning", "INSERT INTO order_warning (order_id, kind, for_at, days, warned_at) VALUES (md5('{k}order')::uuid, 'order_ends', now(), 7, now())"),
    ("order_priority", "INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by)
        VALUES (md5('{k}order')::uuid, 1, now(), '[]', 'r', '{user}')"),
    ("order_revision", "SELECT 1"),
    ("ladder", "INSERT INTO ladder (ladder_id, name) VALUES (md5('{k}ladder')::uuid, 'ladder-{k}')"),
    ("ladder_revision", "INSERT INTO ladder_revision (ladder_id, revision, laps, steps) VALUES (md5('{k}ladder')::uuid, 1, 1, '[]')"),
    ("ladder_assignment", "INSERT INTO ladder_assignment (person_id, ladder_id) VALUES ('{person}', md5('{k}ladder')::uuid)"),
    ("rota", "INSERT INTO rota (rota_id, name) VALUES (md5('{k}rota')::uuid, 'rota-{k}')"),
    ("rota_revision", "INSERT INTO rota_revision (rota_id, revision, time_zone, overlap_s) VALUES (md5('{k}rota')::uuid, 1, 'UTC', 0)"),
    ("rota_shift", "INSERT INTO rota_shift (rota_id, revision, shift, on_holidays, days, starts, ends) VALUES (md5('{k}rota')::uuid, 1, 1, true, '{}', '08:00', '20:00')"),
    ("rota_team", "INSERT INTO rota_team (rota_id, revision, shift, team, members) VALUES (md5('{k}rota')::uuid, 1, 1, 1, ARRAY['{user}']::uuid[])"),
    ("rota_holiday", "INSERT INTO rota_holiday (rota_id, revision, day) VALUES (md5('{k}rota')::uuid, 1, current_date)"),
    ("rota_exception", "INSERT INTO rota_exception (rota_id, revision, exception, starts, ends, instead) VALUES (md5('{k}rota')::uuid, 1, 1, '2026-01-01', '2026-01-02', '{}')"),
    ("absence", "INSERT INTO absence (user_id, starts_at, ends_at) VALUES ('{user}', now(), now() + interval '1 day')"),
    ("push_subscription", "INSERT INTO push_subscription (subscription_id, user_id, endpoint, p256dh, auth) VALUES (md5('{k}push')::uuid, '{user}',
        'https://push.example/{k}', sha256('{k}') || sha256('{k}') || 'x', substring(sha256('{k}') FROM 1 FOR 16))"),
    ("service_contract", "INSERT INTO service_contract (contract_id, reference, provider_id, client_id, area_id, scope, starts_at, ends_at)
        SELECT md5('{k}contract')::uuid, 'contract {k}', CASE WHEN '{k}' = 'o' THEN md5('care')::uuid ELSE md5('elsewhere')::uuid END, c, c,
        '{contacts,schedule,visits,notes,device,incidents}', now() - interval '1 day', now() + interval '1 day'
        FROM (SELECT CASE WHEN '{k}' = 'o' THEN md5('harbour')::uuid ELSE md5('inland')::uuid END) client (c)"),
    ("service_contract_person", "INSERT INTO service_contract_person (contract_id, person_id, added_at)
        VALUES (md5('{k}contract')::uuid, '{person}', now() - interval '1 hour')"),
    ("contact", "INSERT INTO contact (contact_id, person_id) VALUES (md5('{k}contact')::uuid, '{person}')"),
    ("contact_revision", "INSERT INTO contact_revision (contact_id, revision, kind, name, changed_by)
        VALUES (md5('{k}contact')::uuid, 1, 'family', 'Somebody', '{user}')"),
    ("person_note", "INSERT INTO person_note (person_id, audience, text, happened_at, written_by) VALUES ('{person}', '{audience}', 'words', now(), '{user}')"),
    ("violation_outcome", "INSERT INTO violation_outcome (violation_id, revision, person_id, outcome, reason, decided_by)
        VALUES (md5('{k}violation')::uuid, 1, '{person}', 'warning', 'r', '{user}')"),
    ("platform_blind", "INSERT INTO platform_blind (blind_id, watcher, since, stage, raised_at) VALUES (md5('{k}blind')::uuid, 'w', now(), 'gateway', now())"),
    ("device", "INSERT INTO device (device_id, protocol, identity, secret) VALUES (md5('{k}device')::uuid, 'native', 'M-{k}', 'secret')"),
    ("device_assignment", "INSERT INTO device_assignment (assignment_id, device_id, person_id)
        VALUES (md5('{k}assignment')::uuid, md5('{k}device')::uuid, '{person}')"),
    ("device_fault", "INSERT INTO device_fault (fault_id, device_id, person_id, reason, faulty_since, reported_at)
        VALUES (md5('{k}fault')::uuid, md5('{k}device')::uuid, '{person}', 'battery', now(), now())"),
    ("device_status", "INSERT INTO device_status (device_id, last_seen_at) VALUES (md5('{k}device')::uuid, now())"),
    ("device_session", "INSERT INTO device_session (device_id, gateway, session, opened_at, spoke_at)
        VALUES (md5('{k}device')::uuid, 'g', 1, now(), now())"),
    ("monitoring_refusal", "INSERT INTO monitoring_refusal (day, device_id, person_id, stage, reason, since, until, reports)
        VALUES (current_date, md5('{k}device')::uuid, '{person}', 'gateway', 'expired', now(), now(), 1)"),
    ("device_stop", "INSERT INTO device_stop (stop_id, device_id, person_id, word, interval_s, told_at, gateway)
        VALUES (md5('{k}stop')::uuid, md5('{k}device')::uuid, '{person}', 'stop', 60, now(), 'g')"),
    ("quarantined_device", "INSERT INTO quarantined_device (protocol, identity, reason) VALUES ('native', 'Q-{k}', 'unknown')"),
    ("quarantined_frame", "INSERT INTO quarantined_frame (protocol, identity, reason, raw, raw_length) VALUES ('native', 'M-{k}', 'r', 'x', 1)"),
    ("quarantined_report", "INSERT INTO quarantined_report (report_id, person_id, device_id, reason, received_at, payload)
        VALUES (md5('{k}report')::uuid, '{person}', md5('{k}device')::uuid, 'clock_ahead', now(), 'x')"),
    ("zone", "INSERT INTO zone (zone_id, label, kind, audience) VALUES (md5('{k}zone')::uuid, 'Zone {k}', 'exclusion', '{audience}')"),
    ("zone_revision", "INSERT INTO zone_revision (zone_id, revision, geometry) VALUES (md5('{k}zone')::uuid, 1, '{}')"),
    ("person_zone", "INSERT INTO person_zone (person_id, zone_id) VALUES ('{person}', md5('{k}zone')::uuid)"),
    ("zone_publication", "INSERT INTO zone_publication (person_id, zone_id, number, published_by, reason, label, kind, audience, geometry)
        VALUES ('{person}', md5('{k}zone')::uuid, 1, '{user}', 'r', 'Zone {k}', 'exclusion', '{audience}', '{}')"),
    ("zone_layer", "INSERT INTO zone_layer (layer_id, label) VALUES (md5('{k}layer')::uuid, 'Layer')"),
    ("zone_layer_revision", "INSERT INTO zone_layer_revision (layer_id, revision, content, content_hash) VALUES (md5('{k}layer')::uuid, 1, 'x', 'x')"),
    ("person_layer", "INSERT INTO person_layer (person_id, layer_id) VALUES ('{person}', md5('{k}layer')::uuid)"),
    ("person_rules", "INSERT INTO person_rules (person_id) VALUES ('{person}') ON CONFLICT DO NOTHING"),
    ("settings_revision", "INSERT INTO settings_revision (person_id, revision, reporting_interval_s, silence_after_s, home_exit_grace_s, late_return_after_s)
        VALUES ('{person}', {n}, 60, 60, 0, 0)"),
    ("holiday_calendar", "INSERT INTO holiday_calendar (calendar_id, name) VALUES (md5('{k}calendar')::uuid, 'Calendar {k}')"),
    ("holiday", "INSERT INTO holiday (calendar_id, day) VALUES (md5('{k}calendar')::uuid, current_date)"),
    ("leave_pass", "INSERT INTO leave_pass (leave_id, person_id, starts_at, ends_at, reason, approved_by, created_by)
        VALUES (md5('{k}leave')::uuid, '{person}', now(), now() + interval '1 day', 'r', 'a', '{user}')"),
    ("leave_pass_zone", "INSERT INTO leave_pass_zone (leave_id, zone_id) VALUES (md5('{k}leave')::uuid, md5('{k}zone')::uuid)"),
    ("order_change", "INSERT INTO order_change (changed_by, person_id, what, detail) VALUES ('{user}', '{person}', 'leave', 'd')"),
    ("protected_person", "INSERT INTO protected_person (protected_id, reference, police_agency_id)
        VALUES (md5('{k}protected')::uuid, 'PX-{k}', '{police}')"),
    ("proximity", "WITH z AS (INSERT INTO zone (zone_id, label, kind, audience) VALUES (md5('{k}near')::uuid, 'Near', 'exclusion', 'police') RETURNING zone_id)
        SELECT 1 FROM z"),
    ("proximity", "INSERT INTO proximity (proximity_id, person_id, protected_id) VALUES (md5('{k}near')::uuid, '{person}', md5('{k}protected')::uuid)"),
    ("proximity_revision", "INSERT INTO proximity_revision (proximity_id, revision, distance_m) VALUES (md5('{k}near')::uuid, 1, 500)"),
    ("event", "INSERT INTO event (event_id, violation_id, person_id, kind, edge, zone_id, zone_revision, rules_revision, onset_at, decided_at, late, payload)
        VALUES (md5('{k}event')::uuid, md5('{k}violation')::uuid, '{person}', 'exclusion_entry', 'onset', md5('{k}zone')::uuid, 1, 1, now(), now(), false, 'x')"),
    ("incident", "INSERT INTO incident (incident_id, person_id, grouping_key, kind, zone_id, severity, audience, state, onset_at)
        VALUES (md5('{k}incident')::uuid, '{person}', 'matrix {k}', 'exclusion_entry', md5('{k}zone')::uuid, 1, '{audience}', 'raised', now())"),
    ("cause_cell", "INSERT INTO incident (incident_id, person_id, grouping_key, kind, zone_id, severity, audience, state, onset_at, merged_into)
        VALUES (md5('{k}member')::uuid, '{person}', 'matrix member {k}', 'silence', md5('{k}zone')::uuid, 1, '{audience}', 'raised', now(), md5('{k}incident')::uuid);
        INSERT INTO cause_cell (incident_id, number, name) VALUES (md5('{k}incident')::uuid, substr(md5('{k}'), 1, 12), '460-00-1-1')"),
    ("incident_event", "INSERT INTO incident_event (incident_id, event_id) VALUES (md5('{k}incident')::uuid, md5('{k}event')::uuid)"),
    ("incident_action", "INSERT INTO incident_action (incident_id, action, user_id, audience, text)
        VALUES (md5('{k}incident')::uuid, 'note', '{user}', '{audience}', 'words')"),
    ("notification", "INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient)
        VALUES (md5('{k}notification')::uuid, 'matrix {k}', md5('{k}incident')::uuid, md5('{k}event')::uuid, 'mail', 'a@example.org')"),
    ("notification_target", "INSERT INTO notification_target (target_id, agency_id, channel, address, secret)
        VALUES (md5('{k}target')::uuid, '{agency}', 'webhook', 'https://example.org/{k}', 'secret')"),
    ("position_access", "INSERT INTO position_access (user_id, person_id, purpose, case_number, scope) VALUES ('{user}', '{person}', 'duty', 'M-{k}', 's')"),
    ("device_command", "INSERT INTO device_command (command_id, device_id, person_id, kind, parameters, requested_by, purpose, idempotency_key, created_at, not_before, expires_at)
        VALUES (md5('{k}command')::uuid, md5('{k}device')::uuid, '{person}', 'vibrate', '{\"kind\": \"vibrate\"}', '{user}', 'duty', 'matrix {k}', now(), now(), now() + interval '1 minute')"),
    ("legal_hold", "INSERT INTO legal_hold (hold_id, person_id, reason, authority, set_by)
        VALUES (md5('{k}hold')::uuid, '{person}', 'trial', 'Court', 'clerk')"),
    ("deletion_certificate", "INSERT INTO deletion_certificate (certificate_id, person_id, made_at, content, digest)
        VALUES (md5('{k}certificate')::uuid, '{person}', now(), '{}', sha256('{k}'))"),
    ("break_glass", "INSERT INTO break_glass (break_glass_id, user_id, person_id, reason, case_number, ends_at)
        VALUES (md5('{k}glass')::uuid, '{user}', '{person}', 'a reason that is long enough', 'M-{k}', now() + interval '1 hour')"),
    ("audit_root", "INSERT INTO audit_root (through_id, first_id, hash, tree, at, key_id, public_key, signature) VALUES ({n}, {n},
        sha256('{k}'), sha256('{k}'), now(), 'k', sha256('{k}'), sha256('{k}') || sha256('{k}'))"),
    ("audit_entry", "INSERT INTO audit_entry VALUES ({n}, now(), 'system', 's', '', 'act', '', '', '', NULL, NULL, '', sha256('{k}'), sha256('{k}'))"),
];

/// Tables of which the rows differ by audience; of others there are no rows of the kinds `Police` and `Social`.
pub(crate) const BY_AUDIENCE: &[&str] = &[
    "zone",
    "zone_revision",
    "person_zone",
    "zone_publication",
    "event",
    "incident",
    "incident_event",
    "incident_action",
    "notification",
    "person_note",
];

/// Tables that need no row: there is one, or the rule is tried elsewhere.
pub(crate) const ELSEWHERE: &[&str] = &[
    "access_rules",
    "access_seen",
    "access_zone",
    "access_hidden_zone",
    "access_hidden_contact",
    "access_hidden_revision",
    "access_contact",
    "violation",
    "audit_head",
    "device_command_step",
    "order_term",
    "fitted_but_silent",
];

/// The letter of a kind.
pub(crate) const fn letter(kind: Kind) -> &'static str {
    match kind {
        Kind::Own => "o",
        Kind::Foreign => "f",
        Kind::Police => "p",
        Kind::Social => "s",
    }
}
