//! The rule of each table: which role may do what to which rows and columns. [`super::apply`] writes it into the database; the tests
//! try every cell of it; `docs/access-matrix.md` is made from it.
//!
//! A table or view that is not here fails a test: whoever adds one says here who may read it, or [`nobody`].

use crate::user::{
    Branch,
    Role::{self, Administrator, Analyst, Auditor, DutyOfficer, ServiceProvider, SocialWorker, Supervisor},
};

/// What is done to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `SELECT`.
    Select,
    /// `INSERT`.
    Insert,
    /// `UPDATE`, and `SELECT … FOR UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// The word in SQL.
    pub const fn sql(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// Which columns a right covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Every column, also later ones.
    All,
    /// These.
    Only(&'static [&'static str]),
    /// Every column but these.
    But(&'static [&'static str]),
}

/// Of what kind a row is, for the tests: whose person, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person of the user's branch, for both audiences.
    Own,
    /// A person of another branch.
    Foreign,
    /// A person of the user's branch, for the police.
    Police,
    /// A person of the user's branch, for social work.
    Social,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Own, Self::Foreign, Self::Police, Self::Social];
}

/// Which rows a right covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// All: nothing in them is about people, or the columns of the right are not.
    All,
    /// Those with `person_id` of somebody whom the user sees.
    Seen,
    /// Those, where the row's `audience` is the user's.
    SeenForUs,
    /// Those, where the user is of the police's side.
    SeenByPolice,
    /// A condition on rows that belong to somebody whom the user sees (SQL; `{t}` is the table).
    Through(&'static str),
    /// The same, where the other audience's rows are kept back as well.
    ThroughForUs(&'static str),
    /// The same, for the police's side alone.
    ThroughByPolice(&'static str),
    /// A condition that has to do with the user or the user's agency, not with a person (SQL); the tests' own rows fulfil it.
    Mine(&'static str),
}

const SEEN: &str = "EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)";
const FOR_US: &str = "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])";
const BY_POLICE: &str = "'police' = ANY ((SELECT access_audiences(current_user))::text[])";

impl Rows {
    /// The condition of the policy, for a table.
    pub fn sql(self, table: &str) -> String {
        match self {
            Self::All => "true".to_owned(),
            Self::Seen => SEEN.to_owned(),
            Self::SeenForUs => format!("{FOR_US} AND {SEEN}"),
            Self::SeenByPolice => format!("{BY_POLICE} AND {SEEN}"),
            Self::ThroughByPolice(sql) => format!("{BY_POLICE} AND ({sql})"),
            Self::Through(sql) | Self::ThroughForUs(sql) | Self::Mine(sql) => sql.to_owned(),
        }
        .replace("{t}", table)
    }

    /// What the tests expect: whether a user of a branch reaches a row of a kind.
    pub const fn admits(self, kind: Kind, branch: Branch) -> bool {
        match self {
            Self::All => true,
            Self::Seen | Self::Through(_) | Self::Mine(_) => !matches!(kind, Kind::Foreign),
            Self::SeenForUs | Self::ThroughForUs(_) => match kind {
                Kind::Own => true,
                Kind::Foreign => false,
                Kind::Police => !matches!(branch, Branch::SocialWork),
                Kind::Social => !matches!(branch, Branch::Police),
            },
            Self::SeenByPolice | Self::ThroughByPolice(_) => {
                !matches!(kind, Kind::Foreign) && !matches!(branch, Branch::SocialWork)
            }
        }
    }

    /// In words, for the documentation.
    pub const fn words(self) -> &'static str {
        match self {
            Self::All => "all rows",
            Self::Seen | Self::Through(_) => "people seen",
            Self::SeenForUs | Self::ThroughForUs(_) => "people seen, own audience",
            Self::SeenByPolice | Self::ThroughByPolice(_) => "people seen, police only",
            Self::Mine(_) => "own or own agency's",
        }
    }
}

/// What some roles may do to a table.
#[derive(Debug, Clone, Copy)]
pub struct Right {
    /// Who.
    pub roles: &'static [Role],
    /// What.
    pub op: Op,
    /// To which columns; of a `DELETE` always all.
    pub columns: Columns,
    /// To which rows.
    pub rows: Rows,
}

/// The rule of a table or view.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The table.
    pub table: &'static str,
    /// What may be done; nothing else may.
    pub rights: &'static [Right],
    /// Why nobody but the program has a right, where that is so.
    pub why: &'static str,
}

/// Handle incidents.
pub const CASE: &[Role] = &[DutyOfficer, SocialWorker, Supervisor];
/// Handle incidents, or query what is known of them.
const CASE_ANALYST: &[Role] = &[DutyOfficer, SocialWorker, Supervisor, Analyst];
const KEEPERS: &[Role] = &[DutyOfficer, Supervisor, Administrator];
/// Frames may hold positions: nothing for administrators.
const FRAME_KEEPERS: &[Role] = &[DutyOfficer, Supervisor];
const CASE_ADMIN: &[Role] = &[DutyOfficer, SocialWorker, Supervisor, Administrator];
const CASE_ADMIN_PROVIDER: &[Role] = &[DutyOfficer, SocialWorker, Supervisor, Administrator, ServiceProvider];
const CASE_PROVIDER: &[Role] = &[DutyOfficer, SocialWorker, Supervisor, ServiceProvider];
/// See to it that messages arrive, of those who see incidents.
const MESSENGERS: &[Role] = &[DutyOfficer, Supervisor];
const PROVIDER: &[Role] = &[ServiceProvider];
const ADMIN: &[Role] = &[Administrator];
const AUDIT: &[Role] = &[Auditor];
const WATCH: &[Role] = &[Supervisor, Auditor];
const ANALYST: &[Role] = &[Analyst];
const SUPERVISORS: &[Role] = &[Supervisor];
const EVERYBODY: &[Role] = &Role::ALL;
/// Everybody but administrators, whose accounts are those of their own subtree.
const NOT_ADMIN: &[Role] = &[DutyOfficer, SocialWorker, ServiceProvider, Analyst, Supervisor, Auditor];

const fn right(roles: &'static [Role], op: Op, columns: Columns, rows: Rows) -> Right {
    Right {
        roles,
        op,
        columns,
        rows,
    }
}
const fn read(roles: &'static [Role], rows: Rows) -> Right {
    right(roles, Op::Select, Columns::All, rows)
}
const fn read_only(roles: &'static [Role], columns: &'static [&'static str], rows: Rows) -> Right {
    right(roles, Op::Select, Columns::Only(columns), rows)
}
const fn read_but(roles: &'static [Role], columns: &'static [&'static str], rows: Rows) -> Right {
    right(roles, Op::Select, Columns::But(columns), rows)
}
const fn add(roles: &'static [Role], rows: Rows) -> Right {
    right(roles, Op::Insert, Columns::All, rows)
}
const fn add_only(roles: &'static [Role], columns: &'static [&'static str], rows: Rows) -> Right {
    right(roles, Op::Insert, Columns::Only(columns), rows)
}
const fn change_only(roles: &'static [Role], columns: &'static [&'static str], rows: Rows) -> Right {
    right(roles, Op::Update, Columns::Only(columns), rows)
}
const fn rule(table: &'static str, rights: &'static [Right]) -> Rule {
    Rule { table, rights, why: "" }
}
/// No role has a right on the table: only the program itself, as its owner.
const fn nobody(table: &'static str, why: &'static str) -> Rule {
    Rule {
        table,
        rights: &[],
        why,
    }
}

/// People: the policy of the table itself, which all others stand on.
const PERSON: Rows = Rows::Through(
    "{t}.police_agency_id IN (SELECT access_agencies('police', current_user))
    OR {t}.social_agency_id IN (SELECT access_agencies('social_work', current_user))
    OR {t}.person_id IN (SELECT access_extra(current_user))",
);
/// Of an agency at or below the user's own.
const SUBTREE: Rows = Rows::Mine("{t}.agency_id IN (SELECT access_subtree(current_user))");
/// Incidents of people seen, and those of nobody that name no agency or one above or below. By the agencies that the incident carries
/// (V0021), hashed once a query: a look at each person would cost a scan of all people for a page of the queue.
const INCIDENTS: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND ({t}.person_id IS NOT NULL
        AND ({t}.police_agency_id IN (SELECT access_agencies('police', current_user))
            OR {t}.social_agency_id IN (SELECT access_agencies('social_work', current_user))
            OR {t}.person_id IN (SELECT access_extra(current_user))) OR {t}.person_id IS NULL
        AND (coalesce({t}.police_agency_id, {t}.social_agency_id) IS NULL
            OR {t}.police_agency_id IN (SELECT access_lineage(current_user))
            OR {t}.social_agency_id IN (SELECT access_lineage(current_user))))",
);
/// Of contracts with the own agency, one above or one below.
const CONTRACT: Rows = Rows::Mine(
    "{t}.client_id IN (SELECT access_lineage(current_user)) OR {t}.provider_id IN (SELECT access_lineage(current_user))",
);
const OF_CONTRACT: Rows = Rows::Through(
    "EXISTS (SELECT FROM service_contract c WHERE c.contract_id = {t}.contract_id)
    AND EXISTS (SELECT FROM person p WHERE p.person_id = {t}.person_id)",
);
const COVERED: Rows = Rows::Through("{t}.person_id IN (SELECT access_contract('person', current_user))");
const COVERED_CONTACT: Rows = Rows::Through("{t}.person_id IN (SELECT access_contract('contacts', current_user))");
const COVERED_SCHEDULE: Rows = Rows::ThroughForUs(
    "{t}.person_id IN (SELECT access_contract('schedule', current_user))
    AND NOT EXISTS (SELECT FROM access_hidden_zone h WHERE h.zone_id = {t}.zone_id)",
);
const COVERED_DEVICE: Rows = Rows::Through("{t}.person_id IN (SELECT access_contract('device', current_user))");
const COVERED_NOTE: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND {t}.person_id IN (SELECT access_contract('notes', current_user))",
);
const COVERED_OWN_NOTE: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[]) AND {t}.written_by = (SELECT access_user())
    AND {t}.person_id IN (SELECT access_contract('notes', current_user))",
);
const COVERED_INCIDENT: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND {t}.person_id IN (SELECT access_contract('incidents', current_user))",
);
const CONTACT: Rows = Rows::Through(
    "EXISTS (SELECT FROM contact c WHERE c.contact_id = {t}.contact_id)
    AND NOT EXISTS (SELECT FROM access_hidden_contact h WHERE h.contact_id = {t}.contact_id)",
);
const OWN_NOTE: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[]) AND {t}.written_by = (SELECT access_user())
    AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)",
);
const OWN_OUTCOME: Rows = Rows::Through(
    "{t}.decided_by = (SELECT access_user()) AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)",
);
const OWN_REVISION: Rows = Rows::Through(
    "{t}.changed_by IS NOT DISTINCT FROM (SELECT access_user()) AND EXISTS (SELECT FROM contact c WHERE c.contact_id = {t}.contact_id)",
);
const OWN_ORDER: Rows = Rows::Through(
    "{t}.made_by = (SELECT access_user()) AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)",
);
const OWN_DECISION: Rows = Rows::Through(
    "{t}.decided_by = (SELECT access_user()) AND EXISTS (SELECT FROM supervision_order o WHERE o.order_id = {t}.order_id)",
);
const OWN_REQUEST: Rows = Rows::Through(
    "{t}.requested_by = (SELECT access_user()) AND EXISTS (SELECT FROM supervision_order o WHERE o.order_id = {t}.order_id)",
);
const OWN_SETTING: Rows = Rows::Through(
    "{t}.set_by = (SELECT access_user()) AND EXISTS (SELECT FROM supervision_order o WHERE o.order_id = {t}.order_id)",
);
const OWN_STEP: Rows = Rows::Through(
    "{t}.recorded_by = (SELECT access_user()) AND EXISTS (SELECT FROM supervision_order o WHERE o.order_id = {t}.order_id)",
);
const OWN_LEAVE: Rows = Rows::Through(
    "{t}.created_by = (SELECT access_user()) AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)",
);
/// Days of calendars are about no person.
const OWN_CHANGE: Rows = Rows::Through(
    "{t}.changed_by = (SELECT access_user()) AND (EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)
        OR {t}.person_id IS NULL AND {t}.what IN ('holidays', 'holidays_removed'))",
);
const ASSIGNED_LADDER: Rows =
    Rows::Through("{t}.person_id IS NULL OR EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)");
const OF_COLLEAGUE: Rows = Rows::Mine(
    "EXISTS (SELECT FROM app_user u WHERE u.user_id = {t}.user_id AND u.agency_id IN (SELECT access_subtree(current_user)))",
);
const INCIDENT: Rows = Rows::ThroughForUs("EXISTS (SELECT FROM incident i WHERE i.incident_id = {t}.incident_id)");
const ACTION: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND EXISTS (SELECT FROM incident i WHERE i.incident_id = {t}.incident_id)",
);
const OWN_ACTION: Rows = Rows::ThroughForUs(
    "{t}.user_id = (SELECT access_user()) AND {t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND EXISTS (SELECT FROM incident i WHERE i.incident_id = {t}.incident_id)",
);
/// Of a device that nobody wears, or whose wearer the user sees (V0064).
const FRAME: Rows = Rows::Mine("access_frame({t}.protocol, {t}.identity, {t}.claimed, {t}.received_at, current_user)");
/// Not those that name a zone of the other audience: `access_hidden_zone` reads past the policies.
const EVENT: Rows = Rows::ThroughForUs(
    "EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)
    AND ({t}.zone_id IS NULL OR NOT EXISTS (SELECT FROM access_hidden_zone h WHERE h.zone_id = {t}.zone_id))",
);
const ZONE: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND EXISTS (SELECT FROM access_zone a WHERE a.zone_id = {t}.zone_id)",
);
const SEEN_OF_ZONE: Rows = Rows::ThroughForUs(
    "EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)
    AND NOT EXISTS (SELECT FROM access_hidden_zone h WHERE h.zone_id = {t}.zone_id)",
);
/// Of the own hand, for the own audience.
const OWN_PUBLICATION: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[]) AND {t}.published_by = (SELECT access_user())
    AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)
    AND NOT EXISTS (SELECT FROM access_hidden_zone h WHERE h.zone_id = {t}.zone_id)",
);
/// Not from a time when the zone was for the other audience alone.
const OF_ZONE_NOW: Rows = Rows::ThroughForUs(
    "EXISTS (SELECT FROM zone z WHERE z.zone_id = {t}.zone_id)
    AND NOT EXISTS (SELECT FROM access_hidden_revision h WHERE h.zone_id = {t}.zone_id AND h.revision = {t}.revision)",
);
const OF_PUBLICATION: Rows = Rows::ThroughForUs(
    "{t}.audience = ANY ((SELECT access_audiences(current_user))::text[])
    AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)
    AND NOT EXISTS (SELECT FROM access_hidden_zone h WHERE h.zone_id = {t}.zone_id)",
);
/// Whoever sees somebody whom the cause concerns.
const OF_CONCERNED: Rows =
    Rows::Through("EXISTS (SELECT FROM incident i WHERE i.merged_into = {t}.incident_id AND i.person_id IS NOT NULL)");
const LEAVE: Rows = Rows::ThroughForUs(
    "EXISTS (SELECT FROM leave_pass l WHERE l.leave_id = {t}.leave_id)
    AND NOT EXISTS (SELECT FROM access_hidden_zone h WHERE h.zone_id = {t}.zone_id)",
);
const PROTECTED: Rows =
    Rows::ThroughByPolice("{t}.police_agency_id IN (SELECT access_agencies('police', current_user))");
const OF_PROXIMITY: Rows =
    Rows::ThroughByPolice("EXISTS (SELECT FROM proximity p WHERE p.proximity_id = {t}.proximity_id)");
const CHANGE: Rows = Rows::Through(
    "EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)
    AND ({t}.what NOT IN ('keep_away', 'keep_away_removed', 'consent', 'consent_withdrawn')
        OR 'police' = ANY ((SELECT access_audiences(current_user))::text[]))",
);
const DEVICE: Rows = Rows::Through("EXISTS (SELECT FROM device_assignment d WHERE d.device_id = {t}.device_id)");
/// Nobody wears it, or somebody of an agency that the administrator is in charge of.
const KEPT_DEVICE: Rows = Rows::Through("access_keeps_device({t}.device_id, current_user)");
const OF_COMMAND: Rows = Rows::Through("EXISTS (SELECT FROM device_command c WHERE c.command_id = {t}.command_id)");
const OWN_COMMAND: Rows = Rows::Through(
    "{t}.requested_by = (SELECT access_user()) AND EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)",
);
const OF_ORDER: Rows = Rows::Through("EXISTS (SELECT FROM supervision_order o WHERE o.order_id = {t}.order_id)");
/// By users of the own subtree, or of people seen.
const WATCHED: Rows = Rows::Mine(
    "EXISTS (SELECT FROM app_user u WHERE u.user_id = {t}.user_id AND u.agency_id IN (SELECT access_subtree(current_user)))
    OR EXISTS (SELECT FROM access_seen s WHERE s.person_id = {t}.person_id)",
);
const GLASS: Rows = Rows::Mine("{t}.user_id = (SELECT access_user())");
const ATTEMPTS: Rows = Rows::Mine(
    "EXISTS (SELECT FROM app_user u WHERE u.username = {t}.username AND u.agency_id IN (SELECT access_subtree(current_user)))",
);

const STREAM: &str = "beside the stream: no user has business there";
const COPIES: &str = "encoded reports and rules, positions and protected addresses among them";

const FIGURES: &str =
    "when somebody's device reported is told by their history, of which every reading is written down";

/// The rule of every table and view of the schema `public`.
pub const RULES: &[Rule] = &[
    // Agencies and users.
    rule(
        "agency",
        // Its place, kind, level, laws and time zone say who sees whom and who approves what: the command line asks what follows.
        &[read(EVERYBODY, Rows::All), change_only(ADMIN, &["name"], SUBTREE)],
    ),
    rule(
        "app_user",
        &[
            read_only(
                NOT_ADMIN,
                &[
                    "user_id",
                    "username",
                    "display_name",
                    "role",
                    "agency_id",
                    "disabled_at",
                ],
                Rows::All,
            ),
            read_but(ADMIN, &["password_hash"], SUBTREE),
            add_only(
                ADMIN,
                &[
                    "user_id",
                    "username",
                    "display_name",
                    "role",
                    "agency_id",
                    "password_hash",
                    "locale",
                    "email",
                ],
                SUBTREE,
            ),
            change_only(
                ADMIN,
                &[
                    "display_name",
                    "role",
                    "agency_id",
                    "password_hash",
                    "locale",
                    "email",
                    "phone",
                    "disabled_at",
                ],
                SUBTREE,
            ),
        ],
    ),
    nobody("user_session", "hashes of session cookies"),
    rule("sign_in_attempt", &[read(AUDIT, ATTEMPTS)]),
    // People and devices.
    rule(
        "person",
        &[
            read(CASE, PERSON),
            read_only(
                PROVIDER,
                &["person_id", "reference", "display_name", "time_zone"],
                COVERED,
            ),
            read_but(ANALYST, &["display_name"], PERSON),
            read_only(
                AUDIT,
                &["person_id", "reference", "police_agency_id", "social_agency_id"],
                PERSON,
            ),
        ],
    ),
    rule(
        "supervision_order",
        &[
            read(CASE, Rows::Seen),
            read_but(ANALYST, &["grounds", "conditions", "legal_basis"], Rows::Seen),
            add_only(
                CASE,
                &[
                    "order_id",
                    "person_id",
                    "profile",
                    "legal_basis",
                    "ground_codes",
                    "grounds",
                    "conditions",
                    "starts_at",
                    "ends_at",
                    "made_by",
                ],
                OWN_ORDER,
            ),
            // Whose it is, on which grounds, and who drew it up stays.
            change_only(
                CASE,
                &["conditions", "ends_at", "revoked_at", "effective_from", "lapses_at"],
                Rows::Seen,
            ),
        ],
    ),
    rule("order_term", &[read(CASE_ANALYST, Rows::Seen)]),
    rule(
        "order_past_term",
        &[
            read(CASE_ANALYST, Rows::Seen),
            add_only(CASE, &["order_id", "person_id", "starts_at", "ends_at"], Rows::Seen),
        ],
    ),
    rule("order_revision", &[read(CASE, Rows::Seen)]),
    rule(
        "order_approval",
        &[
            read(CASE, OF_ORDER),
            right(CASE, Op::Insert, Columns::But(&["recorded_at"]), OWN_DECISION),
        ],
    ),
    rule(
        "order_extension",
        &[
            read(CASE, OF_ORDER),
            right(CASE, Op::Insert, Columns::But(&["recorded_at"]), OWN_REQUEST),
        ],
    ),
    rule(
        "order_notice",
        &[
            read(CASE, OF_ORDER),
            right(CASE, Op::Insert, Columns::But(&["recorded_at"]), OWN_STEP),
        ],
    ),
    rule(
        "order_review",
        &[
            read(CASE, OF_ORDER),
            add_only(CASE, &["review_id", "order_id", "kind", "due_at", "cause"], OF_ORDER),
            change_only(
                CASE,
                &[
                    "outcome",
                    "note",
                    "done_by",
                    "done_at",
                    "done_recorded_at",
                    "next_due_at",
                ],
                OF_ORDER,
            ),
        ],
    ),
    rule("order_warning", &[read(CASE, OF_ORDER)]),
    rule(
        "order_priority",
        &[
            read(CASE, OF_ORDER),
            right(CASE, Op::Insert, Columns::But(&["recorded_at"]), OWN_SETTING),
        ],
    ),
    rule(
        "device",
        &[
            read_but(CASE_ANALYST, &["secret", "next_secret"], DEVICE),
            read_but(ADMIN, &["secret", "next_secret"], Rows::All),
            add_only(
                ADMIN,
                &[
                    "device_id",
                    "protocol",
                    "identity",
                    "model",
                    "profile",
                    "allowed_networks",
                ],
                Rows::All,
            ),
            change_only(
                ADMIN,
                &["model", "profile", "allowed_networks", "retired_at"],
                KEPT_DEVICE,
            ),
        ],
    ),
    rule(
        "device_assignment",
        &[
            read(CASE_ANALYST, Rows::Seen),
            read(PROVIDER, COVERED_DEVICE),
            read_only(
                ADMIN,
                &["assignment_id", "device_id", "assigned_at", "ended_at"],
                Rows::All,
            ),
        ],
    ),
    nobody(
        "device_cell",
        "where a device is, coarsely: the alert worker alone counts by it",
    ),
    rule("cause_cell", &[read(CASE, OF_CONCERNED)]),
    rule("device_status", &[read(CASE_ANALYST, DEVICE), read(ADMIN, Rows::All)]),
    nobody("device_session", "what gateways tell each other"),
    rule("quarantined_device", &[read(KEEPERS, Rows::All)]),
    // The bytes by read_frame(), which wants the reading written down.
    rule(
        "quarantined_frame",
        &[read_but(FRAME_KEEPERS, &["raw", "detail"], FRAME)],
    ),
    // Zones and rules.
    // People type into labels whose home it is; and where a home lies, tells whose it is.
    rule("zone", &[read(CASE, ZONE), read_but(ANALYST, &["label"], ZONE)]),
    rule(
        "zone_revision",
        &[
            read(CASE, OF_ZONE_NOW),
            read_but(ANALYST, &["geometry", "radius_m"], OF_ZONE_NOW),
        ],
    ),
    nobody(
        "zone_past_audience",
        "for whom a zone was: the policies ask through access_hidden_revision",
    ),
    rule(
        "person_zone",
        &[read(CASE_ANALYST, SEEN_OF_ZONE), read(PROVIDER, COVERED_SCHEDULE)],
    ),
    rule(
        "zone_publication",
        &[
            read(CASE, OF_PUBLICATION),
            right(CASE, Op::Insert, Columns::But(&["published_at"]), OWN_PUBLICATION),
        ],
    ),
    rule("zone_layer", &[read(CASE_ANALYST, Rows::All)]),
    rule(
        "zone_layer_revision",
        &[read(CASE, Rows::All), read_but(ANALYST, &["content"], Rows::All)],
    ),
    rule("person_layer", &[read(CASE_ANALYST, Rows::Seen)]),
    rule("person_rules", &[read_but(CASE_ANALYST, &["published"], Rows::Seen)]),
    rule("settings_revision", &[read(CASE_ANALYST, Rows::Seen)]),
    rule("holiday_calendar", &[read(CASE_ANALYST, Rows::All)]),
    rule("holiday", &[read(CASE_ANALYST, Rows::All)]),
    rule(
        "leave_pass",
        &[
            read(CASE, Rows::Seen),
            add_only(
                CASE,
                &[
                    "leave_id",
                    "person_id",
                    "starts_at",
                    "ends_at",
                    "reason",
                    "approved_by",
                    "created_by",
                    "state",
                ],
                OWN_LEAVE,
            ),
            // What was asked for stays.
            change_only(
                CASE,
                &[
                    "withdrawn_at",
                    "state",
                    "decided_by",
                    "decided_at",
                    "decision_note",
                    "approved_by",
                ],
                Rows::Seen,
            ),
        ],
    ),
    rule("leave_pass_zone", &[read(CASE, LEAVE), add(CASE, LEAVE)]),
    rule(
        "order_change",
        &[
            read(CASE, CHANGE),
            add_only(CASE, &["changed_by", "person_id", "what", "detail"], OWN_CHANGE),
        ],
    ),
    // Protected people: for the police alone.
    rule("protected_person", &[read(CASE, PROTECTED)]),
    rule("proximity", &[read(CASE, Rows::SeenByPolice)]),
    rule("proximity_revision", &[read(CASE, OF_PROXIMITY)]),
    // Beside the stream.
    nobody("reader_offset", STREAM),
    nobody("checkpoint", STREAM),
    nobody("checkpoint_piece", STREAM),
    nobody("outbox", STREAM),
    // Movement history.
    nobody(
        "position",
        "read through read_positions(), which wants the reading written down; no row-level security, because compressed \
        chunks of TimescaleDB have none",
    ),
    nobody("report_copy", COPIES),
    nobody("quarantined_copy", COPIES),
    nobody("rules_revision", COPIES),
    nobody("layer_marker", STREAM),
    rule(
        "quarantined_report",
        &[read_but(&[DutyOfficer, Supervisor], &["payload"], Rows::Seen)],
    ),
    rule("position_access", &[read(WATCH, WATCHED)]),
    // Events and incidents.
    rule("event", &[read_but(CASE_ANALYST, &["payload"], EVENT)]),
    rule("violation", &[read(CASE, EVENT)]),
    nobody("position_hour", FIGURES),
    nobody("position_day", FIGURES),
    nobody("position_hour_rolled", FIGURES),
    nobody("position_late", FIGURES),
    nobody("position_rollup", FIGURES),
    nobody("capacity_sample", "sizes of the installation"),
    rule(
        "incident",
        &[
            read(CASE, INCIDENTS),
            // What somebody has written stands beside the columns of words as well.
            read_but(
                ANALYST,
                &["course", "climb", "suspended_authority", "suspended_reason"],
                INCIDENTS,
            ),
            read_only(
                PROVIDER,
                &[
                    "incident_id",
                    "number",
                    "person_id",
                    "kind",
                    "severity",
                    "audience",
                    "state",
                    "onset_at",
                    "ended_at",
                    "raised_at",
                    "closed_at",
                    "closing_code",
                ],
                COVERED_INCIDENT,
            ),
            // What follows from its course. What it is about, and what its events say, is the program's.
            change_only(
                CASE,
                &[
                    "state",
                    "closing_code",
                    "severity",
                    "audience",
                    "ongoing",
                    "acknowledged_by",
                    "acknowledged_at",
                    "closed_by",
                    "closed_at",
                    "version",
                    "round",
                    "round_at",
                    "deadline_at",
                    "escalated_lap",
                    "escalated_step",
                    "suspended_until",
                    "suspended_authority",
                    "suspended_reason",
                    "merged_into",
                    "course",
                    "climb",
                ],
                INCIDENTS,
            ),
        ],
    ),
    rule("incident_event", &[read(CASE_ANALYST, INCIDENT)]),
    rule(
        "incident_action",
        &[
            read(CASE, ACTION),
            read_but(ANALYST, &["text", "record"], ACTION),
            right(CASE, Op::Insert, Columns::But(&["action_id"]), OWN_ACTION),
        ],
    ),
    rule(
        "notification",
        &[
            read(CASE, INCIDENT),
            // What a provider answers may quote whom the message went to.
            read_but(ANALYST, &["recipient", "last_error"], INCIDENT),
            // A message that was given up is queued once more.
            right(
                MESSENGERS,
                Op::Update,
                Columns::Only(&[
                    "state",
                    "next_attempt_at",
                    "created_at",
                    "leased_by",
                    "attempts",
                    "send_key",
                    "provider_id",
                    "receipt",
                    "receipt_at",
                ]),
                INCIDENT,
            ),
        ],
    ),
    rule(
        "notification_target",
        &[
            read_but(ADMIN, &["secret"], SUBTREE),
            read_only(MESSENGERS, &["target_id", "agency_id"], Rows::All),
            add(ADMIN, SUBTREE),
            change_only(
                ADMIN,
                &["address", "secret", "max_severity", "locale", "template"],
                SUBTREE,
            ),
            right(ADMIN, Op::Delete, Columns::All, SUBTREE),
        ],
    ),
    // Commands to devices.
    rule(
        "device_command",
        &[
            // What a device says in words may say where it is: command_words() gives it for a declared reading.
            read_but(CASE, &["result"], Rows::Seen),
            add_only(
                CASE,
                &[
                    "command_id",
                    "device_id",
                    "person_id",
                    "kind",
                    "parameters",
                    "requested_by",
                    "purpose",
                    "case_number",
                    "idempotency_key",
                    "reverts",
                    "created_at",
                    "not_before",
                    "expires_at",
                ],
                OWN_COMMAND,
            ),
            // To take back what waits; the rest is the gateways'.
            change_only(CASE, &["state", "outcome", "ended_at", "cancelled_by"], Rows::Seen),
        ],
    ),
    rule("device_command_step", &[read(CASE, OF_COMMAND)]),
    // Legal basis and deletion.
    rule("monitoring_refusal", &[read(CASE, Rows::Seen), read(AUDIT, Rows::All)]),
    rule("legal_hold", &[read(CASE, Rows::Seen), read(AUDIT, Rows::All)]),
    rule("deletion_certificate", &[read(AUDIT, Rows::All)]),
    nobody("deletion_item", "counts that a certificate gathers"),
    // The audit.
    rule("audit_entry", &[read(AUDIT, Rows::All)]),
    rule("audit_head", &[read(AUDIT, Rows::All)]),
    rule("audit_root", &[read(AUDIT, Rows::All)]),
    nobody("audit_pending", "entries that wait for the sealer"),
    nobody("audit_row", "salts of the digests"),
    nobody("audit_shape", "the program's own"),
    nobody("history_salt", "salts of the digests"),
    nobody("history_seal", "the program's own"),
    // Ladders and rotas.
    rule("ladder", &[read(CASE_ADMIN, Rows::All)]),
    rule("ladder_revision", &[read(CASE_ADMIN, Rows::All)]),
    rule(
        "ladder_assignment",
        &[read(CASE, ASSIGNED_LADDER), read_but(ADMIN, &["person_id"], Rows::All)],
    ),
    rule("rota", &[read(CASE_ADMIN, Rows::All)]),
    rule("rota_revision", &[read(CASE_ADMIN, Rows::All)]),
    rule("rota_shift", &[read(CASE_ADMIN, Rows::All)]),
    rule("rota_team", &[read(CASE_ADMIN, Rows::All)]),
    rule("rota_holiday", &[read(CASE_ADMIN, Rows::All)]),
    rule("rota_exception", &[read(CASE_ADMIN, Rows::All)]),
    rule("absence", &[read_but(CASE_ADMIN, &["reason"], OF_COLLEAGUE)]),
    // Channels.
    rule(
        "push_subscription",
        &[
            read_but(EVERYBODY, &["p256dh", "auth"], GLASS),
            add_only(
                EVERYBODY,
                &["subscription_id", "user_id", "endpoint", "p256dh", "auth"],
                GLASS,
            ),
            right(EVERYBODY, Op::Delete, Columns::All, GLASS),
        ],
    ),
    // Requests that were served, so that they are not served twice.
    rule(
        "deed_key",
        &[
            read(EVERYBODY, GLASS),
            add_only(EVERYBODY, &["user_id", "key", "digest", "object_id"], GLASS),
        ],
    ),
    nobody("notification_hold", "receivers that asked to be left alone"),
    // Service providers, and what is written about people.
    rule("service_contract", &[read(CASE_ADMIN_PROVIDER, CONTRACT)]),
    rule(
        "service_contract_person",
        &[read(CASE, OF_CONTRACT), read(PROVIDER, OF_CONTRACT)],
    ),
    nobody("contract_person", "a view with the owner's rights"),
    rule(
        "contact",
        &[
            read(CASE, Rows::Seen),
            read(PROVIDER, COVERED_CONTACT),
            add(CASE, Rows::Seen),
        ],
    ),
    rule(
        "contact_revision",
        &[read(CASE, CONTACT), read(PROVIDER, CONTACT), add(CASE, OWN_REVISION)],
    ),
    rule(
        "person_note",
        &[
            read(CASE, Rows::SeenForUs),
            read(PROVIDER, COVERED_NOTE),
            right(CASE, Op::Insert, Columns::But(&["note_id"]), OWN_NOTE),
            right(PROVIDER, Op::Insert, Columns::But(&["note_id"]), COVERED_OWN_NOTE),
        ],
    ),
    rule(
        "device_fault",
        &[
            read(CASE, DEVICE),
            read(PROVIDER, COVERED_DEVICE),
            read_but(ADMIN, &["person_id", "detail"], Rows::All),
        ],
    ),
    rule("fitted_but_silent", &[read(CASE, Rows::Seen)]),
    rule(
        "violation_outcome",
        &[
            read(CASE, Rows::Seen),
            read_but(ANALYST, &["reason", "case_number"], Rows::Seen),
            add(CASE, OWN_OUTCOME),
        ],
    ),
    // What was refused for want of a legal basis.
    rule(
        "device_stop",
        &[read(CASE, Rows::Seen), read_but(ADMIN, &["person_id"], Rows::All)],
    ),
    // The canary.
    nobody("canary", "which person and device it is"),
    nobody("canary_sink", "where watchers of the platform listen"),
    rule("platform_blind", &[read(EVERYBODY, Rows::All)]),
    // Access itself.
    rule(
        "break_glass",
        &[
            read(&[DutyOfficer, SocialWorker], GLASS),
            read(WATCH, WATCHED),
            right(
                SUPERVISORS,
                Op::Update,
                Columns::Only(&["closed_at", "reviewed_by", "reviewed_at", "finding", "review_note"]),
                WATCHED,
            ),
            right(
                &[DutyOfficer, SocialWorker],
                Op::Update,
                Columns::Only(&["closed_at"]),
                GLASS,
            ),
        ],
    ),
    rule("access_rules", &[read(EVERYBODY, Rows::All)]),
    rule(
        "access_seen",
        &[read(EVERYBODY, Rows::Through("a view that holds only these"))],
    ),
    rule(
        "access_zone",
        &[read(EVERYBODY, Rows::Through("a view that holds only these"))],
    ),
    rule(
        "access_contact",
        &[read(
            CASE_PROVIDER,
            Rows::Through("a view that holds only these, without the addresses that others protect"),
        )],
    ),
    rule(
        "access_hidden_contact",
        &[read(CASE_PROVIDER, Rows::Through("ids alone"))],
    ),
    rule("access_hidden_revision", &[read(EVERYBODY, Rows::Through("ids alone"))]),
    rule("access_hidden_zone", &[read(EVERYBODY, Rows::Through("ids alone"))]),
    nobody("casedb_migration", "the program's own"),
    nobody("stream_migrations", "the program's own"),
];

/// What roles may run: function, roles. Functions not named here are the owner's, or harm nothing.
pub const FUNCTIONS: &[(&str, &[Role])] = &[
    ("access_agencies(text, name)", EVERYBODY),
    ("access_subtree(name)", EVERYBODY),
    ("access_keeps_device(uuid, name)", ADMIN),
    ("access_lineage(name)", EVERYBODY),
    ("access_contract(text, name)", EVERYBODY),
    ("access_audiences(name)", EVERYBODY),
    ("access_opened(uuid)", EVERYBODY),
    ("access_extra(name)", EVERYBODY),
    ("access_sees(uuid, name)", EVERYBODY),
    ("access_declared(uuid, timestamptz, timestamptz)", CASE_ANALYST),
    (
        "declare_access(uuid, timestamptz, timestamptz, text, text, text)",
        CASE_ANALYST,
    ),
    ("read_positions(uuid, timestamptz, timestamptz, bigint)", CASE_ANALYST),
    ("declared_access()", CASE_ANALYST),
    ("own_reports(uuid, timestamptz[], uuid[])", CASE_ANALYST),
    ("event_payload(uuid)", CASE_ANALYST),
    ("signs_of_life(uuid[], timestamptz)", CASE_ANALYST),
    ("audit_append(text, text, text, jsonb)", EVERYBODY),
    ("open_break_glass(uuid, uuid, text, text, integer)", CASE),
    ("break_glass_opener(text)", CASE),
    ("law_profiles_of(uuid)", CASE),
    ("incident_patience(uuid, uuid)", CASE),
    ("access_frame(text, text, text, timestamptz, name)", FRAME_KEEPERS),
    ("declare_frame(bigint, text, text)", FRAME_KEEPERS),
    ("read_frame(bigint)", FRAME_KEEPERS),
    ("command_words(uuid)", CASE),
    ("lock_worn_device(uuid, uuid)", CASE),
    ("push_release(text, uuid)", EVERYBODY),
    ("end_sessions(uuid)", ADMIN),
    ("audit_waiting()", AUDIT),
    ("report_figures(timestamptz, timestamptz)", ANALYST),
    ("covered_people()", PROVIDER),
];

/// Sequences that inserts of roles draw from (identities need no right).
pub const SEQUENCES: &[(&str, &[Role])] = &[("device_command_reference", CASE)];

/// Columns that analysts read in disguise, through the views of the schema `pseudonym`, which stand before the tables in their search
/// path: table, column, what stands there instead.
pub const PSEUDONYMS: &[(&str, &str, &str)] = &[
    ("person", "display_name", "reference"),
    ("supervision_order", "grounds", "''"),
    ("supervision_order", "conditions", "''"),
    ("supervision_order", "legal_basis", "profile"),
    ("zone", "label", "kind"),
    ("zone_revision", "geometry", "NULL::jsonb"),
    ("zone_revision", "radius_m", "NULL::double precision"),
    ("incident", "course", "NULL::jsonb"),
    ("incident", "climb", "NULL::jsonb"),
    (
        "incident",
        "suspended_authority",
        "CASE WHEN suspended_until IS NOT NULL THEN '' END",
    ),
    (
        "incident",
        "suspended_reason",
        "CASE WHEN suspended_until IS NOT NULL THEN '' END",
    ),
    ("incident_action", "text", "''"),
    ("incident_action", "record", "NULL::jsonb"),
    ("notification", "recipient", "''"),
    ("notification", "last_error", "NULL::text"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_table_is_told_twice() {
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.table).collect();
        assert_eq!(names.len(), RULES.len());
    }
}
