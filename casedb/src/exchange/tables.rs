//! Which tables hold something of a person or an agency, and which do not. A test holds the two lists against the schema.

/// How a row that is not the subject's own comes along because a row of the subject names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// It does not.
    None,
    /// Whole, by its key.
    Whole,
    /// By its key, and of it only these columns; imported where it is missing, as something that does nothing.
    Stub(&'static [&'static str]),
    /// With the referenced row of that table, by this column.
    With(&'static str, &'static str),
}

/// A table of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// Its name.
    pub name: &'static str,
    /// Which rows `t` are the subject's own: `$1` are its people, `$2` its agencies.
    pub own: &'static str,
    /// How others come along.
    pub reference: Reference,
    /// Rows are always told as references, because whether nobody else has them depends on the installation. Own ones go with a wipe.
    pub shared: bool,
}

const PERSON: &str = "t.person_id = ANY ($1)";
/// Of its people, and those of nobody that are its agencies' matter.
const INCIDENT: &str = "t.incident_id IN (SELECT i.incident_id FROM incident i WHERE i.person_id = ANY ($1)
    OR (i.person_id IS NULL AND (i.police_agency_id = ANY ($2) OR i.social_agency_id = ANY ($2))))";
const ORDER: &str = "t.order_id IN (SELECT o.order_id FROM supervision_order o WHERE o.person_id = ANY ($1))";
const AGENCY: &str = "t.agency_id = ANY ($2)";
const NEVER: &str = "false";
/// Zones that only people of the subject have; those that others have too come along as references.
const ZONE: &str = "t.zone_id IN (
        SELECT z.zone_id FROM person_zone z WHERE z.person_id = ANY ($1)
        UNION SELECT x.proximity_id FROM proximity x WHERE x.person_id = ANY ($1))
    AND NOT EXISTS (SELECT FROM person_zone z WHERE z.zone_id = t.zone_id AND z.person_id <> ALL ($1))";

/// Ladders that were never for anybody else.
const LADDER: &str =
    "t.ladder_id IN (SELECT a.ladder_id FROM ladder_assignment a WHERE a.ladder_id IS NOT NULL GROUP BY a.ladder_id
    HAVING bool_and(coalesce(a.person_id = ANY ($1) OR a.agency_id = ANY ($2), false)))";
/// Rotas that name users of its agencies alone.
const ROTA: &str = "t.rota_id IN (SELECT n.rota_id FROM (
        SELECT m.rota_id, unnest(m.members) AS user_id FROM rota_team m
        UNION SELECT e.rota_id, e.away FROM rota_exception e WHERE e.away IS NOT NULL
        UNION SELECT e.rota_id, unnest(e.instead) FROM rota_exception e
    ) n LEFT JOIN app_user u USING (user_id) GROUP BY n.rota_id HAVING bool_and(coalesce(u.agency_id = ANY ($2), false)))";

const fn own(name: &'static str, own: &'static str) -> Spec {
    Spec {
        name,
        own,
        reference: Reference::None,
        shared: false,
    }
}

const fn with(name: &'static str, parent: &'static str, column: &'static str) -> Spec {
    part(name, NEVER, parent, column)
}

/// Whether nobody else has it depends on the installation: always told as a reference.
const fn shared(spec: Spec) -> Spec {
    Spec { shared: true, ..spec }
}

const fn part(name: &'static str, own: &'static str, parent: &'static str, column: &'static str) -> Spec {
    Spec {
        name,
        own,
        reference: Reference::With(parent, column),
        shared: false,
    }
}

const fn whole(name: &'static str, own: &'static str) -> Spec {
    Spec {
        name,
        own,
        reference: Reference::Whole,
        shared: false,
    }
}

/// Every table that is exported. The order is found from the foreign keys.
pub const TABLES: &[Spec] = &[
    whole("agency", AGENCY),
    Spec {
        name: "app_user",
        own: AGENCY,
        reference: Reference::Stub(&["user_id", "username", "display_name", "role", "agency_id", "locale"]),
        shared: false,
    },
    own("notification_target", AGENCY),
    whole(
        "service_contract",
        "(t.provider_id = ANY ($2) OR t.client_id = ANY ($2))",
    ),
    own(
        "service_contract_person",
        "(t.person_id = ANY ($1) OR t.contract_id IN (SELECT c.contract_id FROM service_contract c
            WHERE c.provider_id = ANY ($2) OR c.client_id = ANY ($2)))",
    ),
    own("person", PERSON),
    own("contact", PERSON),
    own(
        "contact_revision",
        "t.contact_id IN (SELECT c.contact_id FROM contact c WHERE c.person_id = ANY ($1))",
    ),
    own("person_note", PERSON),
    own("supervision_order", PERSON),
    own("order_past_term", PERSON),
    own("order_revision", PERSON),
    own("order_approval", ORDER),
    own("order_extension", ORDER),
    own("order_notice", ORDER),
    own("order_review", ORDER),
    own("order_warning", ORDER),
    own("order_priority", ORDER),
    own(
        "order_change",
        "(t.person_id = ANY ($1) OR (t.person_id IS NULL
            AND t.changed_by IN (SELECT u.user_id FROM app_user u WHERE u.agency_id = ANY ($2))))",
    ),
    own("settings_revision", PERSON),
    whole("device", NEVER),
    with("device_status", "device", "device_id"),
    own("device_cell", PERSON),
    Spec {
        name: "device_assignment",
        own: "(t.person_id = ANY ($1) OR t.protected_id IN (SELECT p.protected_id FROM protected_person p WHERE p.police_agency_id = ANY ($2)))",
        reference: Reference::None,
        shared: false,
    },
    own("device_fault", PERSON),
    own("device_command", PERSON),
    own(
        "device_command_step",
        "t.command_id IN (SELECT c.command_id FROM device_command c WHERE c.person_id = ANY ($1))",
    ),
    own(
        "quarantined_frame",
        "EXISTS (SELECT FROM device d JOIN device_assignment a USING (device_id)
            WHERE a.person_id = ANY ($1) AND d.protocol = t.protocol AND d.identity = coalesce(nullif(t.identity, ''), t.claimed)
              AND t.received_at >= a.assigned_at AND (a.ended_at IS NULL OR t.received_at < a.ended_at))",
    ),
    Spec {
        name: "zone",
        own: ZONE,
        reference: Reference::Whole,
        shared: true,
    },
    Spec {
        name: "zone_revision",
        own: ZONE,
        reference: Reference::With("zone", "zone_id"),
        shared: true,
    },
    Spec {
        name: "zone_past_audience",
        own: ZONE,
        reference: Reference::With("zone", "zone_id"),
        shared: true,
    },
    own("person_zone", PERSON),
    own("zone_publication", PERSON),
    whole("zone_layer", NEVER),
    with("zone_layer_revision", "zone_layer", "layer_id"),
    with("layer_marker", "zone_layer", "layer_id"),
    own("person_layer", PERSON),
    own("person_rules", PERSON),
    own("rules_revision", PERSON),
    whole("holiday_calendar", NEVER),
    with("holiday", "holiday_calendar", "calendar_id"),
    own("leave_pass", PERSON),
    own(
        "leave_pass_zone",
        "t.leave_id IN (SELECT l.leave_id FROM leave_pass l WHERE l.person_id = ANY ($1))",
    ),
    whole("protected_person", "t.police_agency_id = ANY ($2)"),
    own("proximity", PERSON),
    own(
        "proximity_revision",
        "t.proximity_id IN (SELECT x.proximity_id FROM proximity x WHERE x.person_id = ANY ($1))",
    ),
    own("position", PERSON),
    own("report_copy", PERSON),
    own("quarantined_report", PERSON),
    own("quarantined_copy", PERSON),
    own("event", PERSON),
    whole("incident", INCIDENT),
    own("cause_cell", INCIDENT),
    own("incident_event", INCIDENT),
    own("incident_action", INCIDENT),
    own("notification", INCIDENT),
    own(
        "ladder_assignment",
        "(t.person_id = ANY ($1) OR t.agency_id = ANY ($2))",
    ),
    shared(whole("ladder", LADDER)),
    shared(part("ladder_revision", LADDER, "ladder", "ladder_id")),
    shared(whole("rota", ROTA)),
    shared(part("rota_revision", ROTA, "rota", "rota_id")),
    shared(part("rota_shift", ROTA, "rota", "rota_id")),
    shared(part("rota_team", ROTA, "rota", "rota_id")),
    shared(part("rota_holiday", ROTA, "rota", "rota_id")),
    shared(part("rota_exception", ROTA, "rota", "rota_id")),
    own(
        "absence",
        "t.user_id IN (SELECT u.user_id FROM app_user u WHERE u.agency_id = ANY ($2))",
    ),
    own(
        "push_subscription",
        "t.user_id IN (SELECT u.user_id FROM app_user u WHERE u.agency_id = ANY ($2))",
    ),
    own("violation_outcome", PERSON),
    // Readings of what nobody's device sent belong to the reader's agency.
    own(
        "position_access",
        "(t.person_id = ANY ($1) OR (t.person_id IS NULL
            AND t.user_id IN (SELECT u.user_id FROM app_user u WHERE u.agency_id = ANY ($2))))",
    ),
    own("break_glass", PERSON),
    own("legal_hold", PERSON),
    own("monitoring_refusal", PERSON),
    own("device_stop", PERSON),
];

/// References that no foreign key tells of: the table of what is named, the table of who names it, and how `$1`, those that come
/// along of the latter, name it.
pub const SOUGHT: &[(&str, &str, &str)] = &[
    (
        "rota",
        "ladder",
        "SELECT r.rota_id FROM rota r WHERE EXISTS (SELECT FROM ladder_revision l
            WHERE l.ladder_id = ANY ($1) AND l.steps::text LIKE '%' || r.rota_id || '%')",
    ),
    (
        "app_user",
        "ladder",
        "SELECT u.user_id FROM app_user u WHERE EXISTS (SELECT FROM ladder_revision l
            WHERE l.ladder_id = ANY ($1) AND l.steps::text LIKE '%' || u.user_id || '%')",
    ),
    (
        "app_user",
        "rota",
        "SELECT u.user_id FROM app_user u WHERE EXISTS (SELECT FROM rota_team t WHERE t.rota_id = ANY ($1) AND u.user_id = ANY (t.members))
            OR EXISTS (SELECT FROM rota_exception t WHERE t.rota_id = ANY ($1) AND u.user_id = ANY (t.instead))",
    ),
];

/// Figures made from what is exported: they go with a wipe, by person.
pub const DERIVED: &[&str] = &["position_hour_rolled", "position_late"];

/// Tables that are not exported, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "user_session",
        "log-ins that end by themselves; whoever comes along signs in anew",
    ),
    (
        "sign_in_attempt",
        "counted for the limit on wrong passwords, emptied by itself",
    ),
    (
        "device_session",
        "what this installation's gateways tell each other of the last minutes",
    ),
    (
        "quarantined_device",
        "counters of refused connections, of devices and not of people",
    ),
    (
        "reader_offset",
        "where the consumers of this installation's stream stand",
    ),
    ("checkpoint", "the engine's memory; it folds anew from the stream"),
    ("checkpoint_piece", "the engine's memory; it folds anew from the stream"),
    (
        "notification_hold",
        "receivers that asked this installation to wait; deleted when that has passed",
    ),
    (
        "outbox",
        "records on their way into this installation's stream; what they say is in person_rules and rules_revision",
    ),
    ("casedb_migration", "what the program applied here"),
    ("stream_migrations", "what the stream's migrations applied here"),
    (
        "audit_pending",
        "the chain of this installation; an import is an entry of the other one's",
    ),
    (
        "audit_entry",
        "the chain of this installation; evidence bundles carry what proves an incident",
    ),
    ("audit_head", "the end of this installation's chain"),
    ("audit_root", "signed states of this installation's chain"),
    (
        "audit_row",
        "salts of this installation's digests; made anew by the import",
    ),
    ("audit_shape", "columns of this installation's digests"),
    (
        "history_salt",
        "salts of this installation's digests of history; made anew by the import",
    ),
    (
        "history_seal",
        "this installation's digests of history; the import seals what it brings",
    ),
    ("access_rules", "which rules of row-level security this database has"),
    ("capacity_sample", "sizes and counters of this installation"),
    (
        "deletion_certificate",
        "what this installation proves to have deleted; it outlives the person and never holds the data",
    ),
    (
        "deletion_item",
        "what this installation deleted by law; it outlives the person and never holds the data",
    ),
    ("position_rollup", "how far the hourly figures of this installation go"),
    (
        "position_hour_rolled",
        "hourly figures made from position; they go with a wipe and are made anew after an import",
    ),
    ("position_late", "hours whose figures are to be made anew"),
    ("canary", "the platform's own test person and device"),
    ("canary_sink", "where watchers of this installation listen"),
    ("platform_blind", "the platform's own health"),
];
