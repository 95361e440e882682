-- Who may read and write what. The rules themselves (grants and row-level policies by table and role) are written by the program from
-- casedb/src/access/rules.rs at the end of every `homeward migrate`; here is what they stand on.

-- What of the rules this database has; one row. Empty: none, because the cluster lacks the roles.
CREATE TABLE access_rules (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint  text NOT NULL,
    applied_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE access_rules IS 'Fingerprint of the grants and row-level policies that this database has';

-- Who read whose positions: also from when to when, and how many there were.
ALTER TABLE position_access
    ADD COLUMN from_at timestamptz,
    ADD COLUMN to_at   timestamptz,
    ADD COLUMN fixes   bigint;
CREATE INDEX position_access_user ON position_access (user_id, accessed_at);

-- Access to a person outside one's own branch in an emergency: at once, for a short time, with a reason, and told to the supervisors of
-- both sides, one of whom judges it.
CREATE TABLE break_glass (
    break_glass_id uuid PRIMARY KEY,
    user_id        uuid NOT NULL REFERENCES app_user,
    person_id      uuid NOT NULL REFERENCES person,
    reason         text NOT NULL CHECK (length(btrim(reason)) BETWEEN 10 AND 1000),
    case_number    text NOT NULL CHECK (length(btrim(case_number)) BETWEEN 1 AND 100),
    opened_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at        timestamptz NOT NULL,
    closed_at      timestamptz,                    -- given back before its end
    reviewed_by    uuid REFERENCES app_user,
    reviewed_at    timestamptz,
    finding        text CHECK (finding IN ('confirmed', 'misuse')),
    review_note    text NOT NULL DEFAULT '' CHECK (length(review_note) <= 1000),
    CHECK (ends_at > opened_at AND ends_at <= opened_at + interval '4 hours'),
    CHECK (num_nonnulls(reviewed_by, reviewed_at, finding) IN (0, 3)),
    CHECK (reviewed_by <> user_id),
    CHECK (finding <> 'misuse' OR review_note <> '')
);
COMMENT ON TABLE break_glass IS 'Emergency access to people outside the own branch, and what a supervisor found about it';
CREATE INDEX break_glass_open ON break_glass (user_id, ends_at) WHERE closed_at IS NULL;
CREATE INDEX break_glass_waiting ON break_glass (opened_at) WHERE reviewed_at IS NULL;
CREATE INDEX break_glass_person ON break_glass (person_id, opened_at);

-- For the policies, which look from a zone to its people.
CREATE INDEX person_zone_zone ON person_zone (zone_id);
CREATE INDEX person_police_agency ON person (police_agency_id);
CREATE INDEX person_social_agency ON person (social_agency_id);

-- The user in whose name the transaction runs.
CREATE FUNCTION access_user() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('homeward.user_id', true), '')::uuid
$$;

-- The database role at work, also where a function of the owner asks.
CREATE FUNCTION access_role() RETURNS name LANGUAGE sql STABLE AS $$
    SELECT CASE coalesce(current_setting('role', true), 'none') WHEN 'none' THEN session_user ELSE current_setting('role')::name END
$$;

-- True for the program itself (the owner of the tables): no rule limits it.
CREATE FUNCTION access_unlimited() RETURNS boolean LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT pg_has_role(access_role(), (SELECT relowner FROM pg_class WHERE oid = 'person'::regclass), 'MEMBER')
$$;

-- The agencies whose people the user sees, on the police's side or on social work's. The user's own role must be the role at work:
-- who sets another user's id under this role sees nothing.
CREATE FUNCTION access_agencies(side text, role name) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp AS $$
    SELECT a.agency_id
    FROM app_user u JOIN agency own ON own.agency_id = u.agency_id JOIN agency a ON a.path <@ own.path
    WHERE u.user_id = access_user() AND u.disabled_at IS NULL AND 'homeward_' || u.role = $2
        AND u.role NOT IN ('service_provider', 'administrator') AND own.kind IN ($1, 'administration')
$$;

-- The agencies at or below the user's own, whatever their kind: for accounts, targets and logs.
CREATE FUNCTION access_subtree(role name) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp AS $$
    SELECT a.agency_id
    FROM app_user u JOIN agency own ON own.agency_id = u.agency_id JOIN agency a ON a.path <@ own.path
    WHERE u.user_id = access_user() AND u.disabled_at IS NULL AND 'homeward_' || u.role = $1
$$;

-- The agencies above and below the user's own, and it: for contracts, and for incidents of nobody that name an agency.
CREATE FUNCTION access_lineage(role name) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp AS $$
    SELECT a.agency_id
    FROM app_user u JOIN agency own ON own.agency_id = u.agency_id JOIN agency a ON a.path <@ own.path OR own.path <@ a.path
    WHERE u.user_id = access_user() AND u.disabled_at IS NULL AND 'homeward_' || u.role = $1
$$;

-- Whom the contracts of a service provider cover, and for what: a word of service_contract.scope, or 'person' for all of them.
CREATE FUNCTION access_contract(what text, role name) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp AS $$
    SELECT c.person_id
    FROM app_user u JOIN agency own ON own.agency_id = u.agency_id CROSS JOIN contract_people(now()) c
    WHERE u.user_id = access_user() AND u.disabled_at IS NULL AND own.disabled_at IS NULL AND u.role = 'service_provider'
        AND 'homeward_' || u.role = $2 AND own.path <@ c.provider_path AND ($1 = 'person' OR $1 = ANY (c.scope))
$$;

-- For whom the zones, incidents and notes are that the user sees.
CREATE FUNCTION access_audiences(role name) RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN u.role = 'service_provider' OR own.kind = 'social_work' THEN ARRAY['social_work', 'both']
        WHEN own.kind = 'police' THEN ARRAY['police', 'both'] WHEN own.kind = 'administration' THEN ARRAY['police', 'social_work', 'both'] END
    FROM app_user u JOIN agency own USING (agency_id)
    WHERE u.user_id = access_user() AND u.disabled_at IS NULL AND 'homeward_' || u.role = $1
$$;

-- People whom a user has opened by breaking the glass; a user learns of the own ones only.
CREATE FUNCTION access_opened(viewer uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = public, pg_temp AS $$
    SELECT b.person_id FROM break_glass b JOIN app_user u USING (user_id)
    WHERE b.user_id = $1 AND u.disabled_at IS NULL AND u.role IN ('duty_officer', 'social_worker', 'supervisor')
        AND b.closed_at IS NULL AND b.ends_at > now() AND ($1 = access_user() OR access_unlimited())
$$;

-- People whom the user sees besides those of the own branch.
CREATE FUNCTION access_extra(role name) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = public, pg_temp AS $$
    SELECT o.person_id FROM app_user u CROSS JOIN LATERAL access_opened(u.user_id) o (person_id)
    WHERE u.user_id = access_user() AND 'homeward_' || u.role = $1
$$;

-- Whom the user sees, whose zones, and which zones are hidden: ids only, for the policies. They read with the owner's rights, so that
-- one policy does not run through another.
CREATE VIEW access_seen AS
    SELECT p.person_id FROM person p
    WHERE p.police_agency_id IN (SELECT access_agencies('police', current_user))
        OR p.social_agency_id IN (SELECT access_agencies('social_work', current_user))
        OR p.person_id IN (SELECT access_extra(current_user));
CREATE VIEW access_zone AS
    SELECT pz.zone_id FROM person_zone pz JOIN access_seen USING (person_id)
    UNION ALL SELECT x.proximity_id FROM proximity x JOIN access_seen USING (person_id);
CREATE VIEW access_hidden_zone AS
    SELECT z.zone_id FROM zone z WHERE z.audience <> ALL (coalesce((SELECT access_audiences(current_user)), '{}'));

CREATE FUNCTION access_sees(person uuid, role name) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM person p WHERE p.person_id = $1 AND (
        p.police_agency_id IN (SELECT access_agencies('police', $2)) OR p.social_agency_id IN (SELECT access_agencies('social_work', $2))
        OR p.person_id IN (SELECT access_extra($2))))
$$;

-- Positions. Roles of users have no right on the table: they read through the functions below, which want the reading written down
-- first, in the same transaction.

-- True when this transaction has written down that the user reads positions of this person.
CREATE FUNCTION access_declared(person uuid, from_at timestamptz, to_at timestamptz) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM position_access a WHERE a.person_id = $1 AND a.user_id = access_user()
        AND a.xmin = pg_current_xact_id_if_assigned()::xid AND a.accessed_at >= now()
        AND ($2 IS NULL OR a.from_at <= $2) AND ($3 IS NULL OR a.to_at >= $3))
$$;

-- Writes the reading down, and says how many fixes there are to be read.
CREATE FUNCTION declare_access(person uuid, from_at timestamptz, to_at timestamptz, purpose text, case_number text, scope text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    user_role text;
    there bigint;
BEGIN
    SELECT u.role INTO user_role FROM app_user u WHERE u.user_id = access_user() AND u.disabled_at IS NULL;
    IF user_role IS NULL THEN
        RAISE EXCEPTION 'positions are read in the name of a user: homeward.user_id names none' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT access_unlimited() AND (access_role() <> 'homeward_' || user_role OR NOT access_sees(person, access_role())) THEN
        RAISE EXCEPTION 'person % is not one whose positions this user may read', person USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF user_role NOT IN ('duty_officer', 'social_worker', 'supervisor', 'analyst') THEN
        RAISE EXCEPTION 'role % reads no positions', user_role USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF purpose IS NULL OR purpose NOT IN ('duty', 'incident', 'court', 'maintenance') THEN
        RAISE EXCEPTION 'the purpose is missing or none of duty, incident, court, maintenance' USING ERRCODE = 'check_violation';
    END IF;
    IF case_number IS NULL OR length(btrim(case_number)) NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'the case number is missing or longer than 100 characters' USING ERRCODE = 'check_violation';
    END IF;
    IF from_at IS NULL OR to_at IS NULL OR from_at > to_at THEN
        RAISE EXCEPTION 'from and to are not an interval' USING ERRCODE = 'check_violation';
    END IF;
    SELECT count(*) INTO there FROM position p WHERE p.person_id = person AND p.fix_time >= $2 AND p.fix_time < $3
        AND p.latitude IS NOT NULL AND p.longitude IS NOT NULL;
    INSERT INTO position_access (user_id, person_id, purpose, case_number, scope, from_at, to_at, fixes)
    VALUES (access_user(), person, purpose, btrim(case_number), scope, $2, $3, there);
    RETURN there;
END $$;

-- The newest fixes of an interval that this transaction has declared.
CREATE FUNCTION read_positions(person uuid, from_at timestamptz, to_at timestamptz, most bigint)
RETURNS SETOF public."position" LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 500 AS $$
BEGIN
    IF NOT access_declared(person, from_at, to_at) THEN
        RAISE EXCEPTION 'positions are read after the reading was written down, in the same transaction: declare_access()'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY SELECT p.* FROM position p WHERE p.person_id = person AND p.fix_time >= $2 AND p.fix_time < $3
        AND p.latitude IS NOT NULL AND p.longitude IS NOT NULL ORDER BY p.fix_time DESC LIMIT most;
END $$;

-- Both at once, for queries by hand.
CREATE FUNCTION positions_of(person uuid, from_at timestamptz, to_at timestamptz, purpose text, case_number text)
RETURNS SETOF public."position" LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp ROWS 500 AS $$
BEGIN
    PERFORM declare_access(person, from_at, to_at, purpose, case_number, from_at || '/' || to_at);
    RETURN QUERY SELECT * FROM read_positions(person, from_at, to_at, 9223372036854775807);
END $$;

-- Which of some reports are in the history of the person.
CREATE FUNCTION own_reports(person uuid, times timestamptz[], ids uuid[]) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT p.report_id FROM position p WHERE access_declared($1, NULL, NULL)
        AND p.person_id = $1 AND p.fix_time = ANY ($2) AND p.report_id = ANY ($3)
$$;

-- What an event was decided on, which is positions: NULL until this transaction has declared the reading.
CREATE FUNCTION event_payload(event uuid) RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.payload FROM event e WHERE e.event_id = $1 AND access_declared(e.person_id, NULL, NULL)
        AND (access_unlimited() OR access_sees(e.person_id, access_role()))
        AND (e.zone_id IS NULL OR access_unlimited() OR NOT EXISTS (SELECT FROM zone z WHERE z.zone_id = e.zone_id
            AND z.audience <> ALL (coalesce((SELECT access_audiences(access_role())), '{}'))))
$$;

-- That people's devices give signs of life, and no place.
CREATE FUNCTION signs_of_life(people uuid[], since timestamptz)
RETURNS TABLE (person_id uuid, device_id uuid, last_fix_at timestamptz, last_report_at timestamptz, battery_percent smallint)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 100 SET search_path = public, pg_temp AS $$
    SELECT p.person_id, d.device_id, f.fix_time, r.received_at, b.battery_percent
    FROM person p
    LEFT JOIN LATERAL (
        SELECT da.device_id FROM device_assignment da WHERE da.person_id = p.person_id AND da.ended_at IS NULL
        ORDER BY da.assigned_at DESC LIMIT 1
    ) d ON true
    LEFT JOIN LATERAL (
        SELECT f.fix_time FROM position f WHERE f.person_id = p.person_id AND f.fix_time > $2 AND f.valid
        ORDER BY f.fix_time DESC LIMIT 1
    ) f ON true
    LEFT JOIN LATERAL (
        SELECT f.received_at FROM position f WHERE f.person_id = p.person_id AND f.fix_time > $2 AND f.device_id = d.device_id
        ORDER BY f.fix_time DESC LIMIT 1
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT f.battery_percent FROM position f WHERE f.person_id = p.person_id AND f.battery_percent IS NOT NULL
            AND f.fix_time > $2 AND f.device_id = d.device_id ORDER BY f.fix_time DESC LIMIT 1
    ) b ON true
    WHERE p.person_id = ANY ($1) AND ((SELECT access_unlimited())
        OR p.police_agency_id IN (SELECT access_agencies('police', access_role()))
        OR p.social_agency_id IN (SELECT access_agencies('social_work', access_role()))
        OR p.person_id IN (SELECT access_extra(access_role())))
$$;

-- Breaks the glass. The people to be told are the program's business; the row is there with them or not at all.
CREATE FUNCTION open_break_glass(id uuid, person uuid, reason text, case_number text, minutes integer)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM app_user u WHERE u.user_id = access_user() AND u.disabled_at IS NULL
        AND u.role IN ('duty_officer', 'social_worker', 'supervisor')
        AND (access_unlimited() OR access_role() = 'homeward_' || u.role)) THEN
        RAISE EXCEPTION 'this role breaks no glass' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO break_glass (break_glass_id, user_id, person_id, reason, case_number, ends_at)
    VALUES (id, access_user(), person, btrim(reason), btrim(case_number), clock_timestamp() + make_interval(mins => minutes));
END $$;

-- Nobody but the owner runs what was not granted; the program grants (casedb/src/access/rules.rs).
REVOKE EXECUTE ON FUNCTION access_agencies, access_subtree, access_lineage, access_contract, contract_people, contract_covers, access_audiences, access_opened, access_extra, access_sees, access_declared, declare_access,
    read_positions, positions_of, own_reports, event_payload, signs_of_life, open_break_glass, position_drop_before,
    position_make_partition, audit_append, audit_seal, audit_cover FROM PUBLIC;
