//! What the console reads, and who may see it.
//!
//! The rule is [`scoped!`], and only there: it makes `visible_person`, `visible_zone`, `visible_incident` and
//! `visible_action` out of the tables, for the user whose id is `$1`. Every query of this module reads those and never
//! the tables behind them (a test looks for it). [`Sight`] says the same in code, for live updates, where one change goes
//! to many users; a test holds the two together.

mod command;
mod incident;
mod live;
mod person;
mod quarantine;
mod track;
mod zone;

pub use command::{CommandRow, command, commands, hear};
pub use incident::{
    Action, Asked, Concerned, ConcernedList, Escalated, EventRow, Evidence, Incident, IncidentDetail, IncidentFields,
    IncidentList, IncidentPerson, IncidentSpan, IncidentState, IncidentZone, MergedInto, NoPlace, NotificationRow,
    OpenCounts, Place, SharedCause, Suspended, UserName, ZoneShape, concerned, has_opened, incident,
    incident_by_number, incident_span, incidents, may_see_incident, open_counts,
};
pub(crate) use incident::{fields, incident_columns};
pub use live::{IncidentHead, PersonHead, head, heads, person_head};
pub use person::{DeviceRow, OrderRow, PersonDetail, PersonRow, PersonZone, may_see_person, people, person};
pub use quarantine::{FrameBytes, Quarantine, QuarantinedDevice, QuarantinedFrame, frame, quarantine};
pub use track::{Fix, Track, around_incident, track};
pub use zone::{ZoneOnRecord, ZonePublication, zones_on_record};

use crate::user::{Branch, Role, User};

/// A condition of queries: analysts get no geometry, which says whose home it is. The database withholds it by itself (`access::rules`);
/// this leaves the rows out, also where the cluster lacks the roles.
macro_rules! reads_places {
    () => {
        "current_setting('homeward.role', true) IS DISTINCT FROM 'analyst'"
    };
}
pub(crate) use reads_places;

/// Puts the visibility rule in front of a query. `$1` is the user's id.
///
/// - People: those whose police agency (for the police) or social agency (for social work) is in the branch of the tree
///   under the user's own agency; for an administration, either of them. For a while, those whom the user opened by breaking the glass.
///   An incident carries its person's agencies (V0021), so that a list of incidents is read without looking at the people: small sets
///   of agencies are hashed once a query.
/// - Zones, incidents, actions: of these people, and for the user's branch: `police` sees `police` and `both`,
///   `social_work` sees `social_work` and `both`, an administration sees all.
/// - Incidents of nobody in particular: by audience; where they name agencies, in the branches above and below those.
macro_rules! scoped {
    ($query:expr) => {
        concat!(
            "WITH viewer AS MATERIALIZED (
                SELECT u.user_id, a.path, a.kind AS branch,
                    CASE a.kind WHEN 'police' THEN ARRAY['police', 'both'] WHEN 'social_work' THEN ARRAY['social_work', 'both']
                        ELSE ARRAY['police', 'social_work', 'both'] END AS audiences
                FROM app_user u JOIN agency a USING (agency_id) WHERE u.user_id = $1 AND u.disabled_at IS NULL
            ), police_sight AS MATERIALIZED (
                SELECT a.agency_id FROM viewer v JOIN agency a ON a.path <@ v.path WHERE v.branch <> 'social_work'
            ), social_sight AS MATERIALIZED (
                SELECT a.agency_id FROM viewer v JOIN agency a ON a.path <@ v.path WHERE v.branch <> 'police'
            ), opened AS MATERIALIZED (
                SELECT access_opened(v.user_id) AS person_id FROM viewer v
            ), related AS MATERIALIZED (
                SELECT a.agency_id FROM viewer v JOIN agency a ON a.path <@ v.path OR v.path <@ a.path
            ), visible_person AS NOT MATERIALIZED (
                SELECT p.* FROM person p
                WHERE p.police_agency_id IN (SELECT agency_id FROM police_sight)
                    OR p.social_agency_id IN (SELECT agency_id FROM social_sight)
                    OR p.person_id IN (SELECT person_id FROM opened)
            ), visible_zone AS NOT MATERIALIZED (
                SELECT z.* FROM zone z CROSS JOIN viewer v WHERE z.audience = ANY (v.audiences)
            ), hidden_zone AS NOT MATERIALIZED (
                SELECT z.zone_id FROM zone z CROSS JOIN viewer v WHERE z.audience <> ALL (v.audiences)
            ), sighted_incident AS NOT MATERIALIZED (
                SELECT i.* FROM incident i
                WHERE (i.police_agency_id IN (SELECT agency_id FROM police_sight)
                        OR i.social_agency_id IN (SELECT agency_id FROM social_sight)
                        OR i.person_id IN (SELECT person_id FROM opened)
                        OR i.person_id IS NULL AND (coalesce(i.police_agency_id, i.social_agency_id) IS NULL
                            OR i.police_agency_id IN (SELECT agency_id FROM related)
                            OR i.social_agency_id IN (SELECT agency_id FROM related)))
                    AND i.audience = ANY ((SELECT v.audiences FROM viewer v)::text[])
            ), visible_incident AS NOT MATERIALIZED (
                SELECT i.*, p.reference, p.display_name, p.risk_level
                FROM sighted_incident i LEFT JOIN person p USING (person_id)
            ), visible_action AS NOT MATERIALIZED (
                SELECT a.* FROM incident_action a JOIN visible_incident i USING (incident_id) CROSS JOIN viewer v
                WHERE a.audience = ANY (v.audiences)
            )\n",
            $query
        )
    };
}
pub(crate) use scoped;

/// What a user sees, for deciding in memory; the same rule as the SQL's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    branch: Branch,
    path: String,
    names: bool,
}

impl Sight {
    /// The sight of a user.
    pub fn of(user: &User) -> Self {
        Self {
            branch: user.branch,
            path: user.agency_path.clone(),
            names: user.role != Role::Analyst,
        }
    }

    /// False of analysts: references stand where names do, and nothing is there that somebody has written about a person.
    pub const fn reads_names(&self) -> bool {
        self.names
    }

    /// True when the user sees a person of these agencies.
    pub fn sees_person(&self, police_path: &str, social_path: &str) -> bool {
        self.sees("both", police_path, social_path)
    }

    /// True when the user sees a zone of this audience.
    pub fn sees_zone(&self, audience: &str) -> bool {
        match self.branch {
            Branch::Police => matches!(audience, "police" | "both"),
            Branch::SocialWork => matches!(audience, "social_work" | "both"),
            Branch::Administration => true,
        }
    }

    /// True when the user sees this incident of somebody whom they see by breaking the glass: what is for the other audience stays
    /// hidden.
    pub fn sees_opened(&self, head: &IncidentHead) -> bool {
        !head.of_nobody && self.sees_zone(&head.audience)
    }

    /// True when the user sees this incident.
    pub fn sees_incident(&self, head: &IncidentHead) -> bool {
        if !head.of_nobody {
            return self.sees(&head.audience, &head.police_path, &head.social_path);
        }
        let audience = match self.branch {
            Branch::Police => head.audience != "social_work",
            Branch::SocialWork => head.audience != "police",
            Branch::Administration => true,
        };
        let related = |path: &str| !path.is_empty() && (under(path, &self.path) || under(&self.path, path));
        let everywhere = head.police_path.is_empty() && head.social_path.is_empty();
        audience && (everywhere || related(&head.police_path) || related(&head.social_path))
    }

    /// True when the user sees an incident of this audience, of a person of these agencies.
    pub fn sees(&self, audience: &str, police_path: &str, social_path: &str) -> bool {
        let under = |path: &str| under(path, &self.path);
        match self.branch {
            Branch::Police => matches!(audience, "police" | "both") && under(police_path),
            Branch::SocialWork => matches!(audience, "social_work" | "both") && under(social_path),
            Branch::Administration => under(police_path) || under(social_path),
        }
    }
}

/// True when a place in the tree is in the branch under another, or is that.
fn under(path: &str, root: &str) -> bool {
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn queries_read_only_what_the_rule_lets_through() {
        let sources = [
            ("command", include_str!("view/command.rs")),
            ("incident", include_str!("view/incident.rs")),
            ("incident/list", include_str!("view/incident/list.rs")),
            ("incident/concerned", include_str!("view/incident/concerned.rs")),
            ("incident/evidence", include_str!("view/incident/evidence.rs")),
            ("person", include_str!("view/person.rs")),
            ("track", include_str!("view/track.rs")),
            ("quarantine", include_str!("view/quarantine.rs")),
            ("zone", include_str!("view/zone.rs")),
        ];
        for (name, source) in sources {
            for table in ["person", "zone", "incident", "incident_action"] {
                for word in ["FROM", "JOIN"] {
                    for end in [" ", "\n", ","] {
                        let needle = format!("{word} {table}{end}");
                        assert!(
                            !source.contains(&needle),
                            "view/{name}.rs reads {table} past the visibility rule"
                        );
                    }
                }
            }
        }
    }
}
