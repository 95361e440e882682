-- Agencies that move and end, providers under contract, contacts, notes, the life of a device, what became of violations.

ALTER TABLE agency
    DROP CONSTRAINT agency_kind_check,
    ADD CONSTRAINT agency_kind_check CHECK (kind IN ('police', 'social_work', 'administration', 'service_provider')),
    ADD COLUMN disabled_at timestamptz;          -- its users cannot sign in, nobody is put under it; what it did stays

-- What a contracted social organisation may do, for whom, and until when. There is no word for positions: no contract covers them.
CREATE TABLE service_contract (
    contract_id    uuid PRIMARY KEY,
    reference      text NOT NULL UNIQUE CHECK (reference <> ''),
    provider_id    uuid NOT NULL REFERENCES agency,      -- of kind service_provider
    client_id      uuid NOT NULL REFERENCES agency,      -- who contracts: nobody outside its branch is ever covered
    area_id        uuid REFERENCES agency,               -- everybody in this branch; NULL: only those listed
    scope          text[] NOT NULL CHECK (cardinality(scope) > 0
                       AND scope <@ ARRAY['contacts', 'schedule', 'visits', 'notes', 'device', 'incidents']),
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    ended_at       timestamptz,                          -- before its term
    created_at     timestamptz NOT NULL DEFAULT now(),
    created_by     uuid REFERENCES app_user,
    ended_by       uuid REFERENCES app_user,
    CHECK (ends_at > starts_at),
    CHECK (provider_id <> client_id)
);
CREATE INDEX service_contract_provider ON service_contract (provider_id);
CREATE TABLE service_contract_person (
    contract_id    uuid NOT NULL REFERENCES service_contract,
    person_id      uuid NOT NULL REFERENCES person,
    added_at       timestamptz NOT NULL DEFAULT now(),
    added_by       uuid REFERENCES app_user,
    removed_at     timestamptz,
    removed_by     uuid REFERENCES app_user,
    PRIMARY KEY (contract_id, person_id, added_at),
    CHECK (removed_at >= added_at)
);
CREATE UNIQUE INDEX service_contract_person_once ON service_contract_person (contract_id, person_id) WHERE removed_at IS NULL;
CREATE INDEX service_contract_person_person ON service_contract_person (person_id);

CREATE FUNCTION service_contract_parties() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM agency WHERE agency_id = NEW.provider_id AND kind = 'service_provider') THEN
        RAISE EXCEPTION 'agency % is no service provider', NEW.provider_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'service_contract_provider_kind';
    END IF;
    IF EXISTS (SELECT FROM agency WHERE agency_id = NEW.client_id AND kind = 'service_provider') THEN
        RAISE EXCEPTION 'agency % is a service provider and cannot contract another', NEW.client_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'service_contract_client_kind';
    END IF;
    IF NEW.area_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM agency area JOIN agency client ON area.path <@ client.path
        WHERE area.agency_id = NEW.area_id AND client.agency_id = NEW.client_id)
    THEN
        RAISE EXCEPTION 'area % is not in the branch of the client %', NEW.area_id, NEW.client_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'service_contract_area_of_client';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER service_contract_parties BEFORE INSERT OR UPDATE ON service_contract
    FOR EACH ROW EXECUTE FUNCTION service_contract_parties();

-- Whom the contracts in force at a moment cover, and for what. Of a person who moves to another branch nothing is covered any more.
-- As the owner of the tables: rules of row-level security may ask it without asking themselves.
CREATE FUNCTION contract_people(at timestamptz)
    RETURNS TABLE (contract_id uuid, provider_id uuid, provider_path ltree, person_id uuid, scope text[], ends_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT c.contract_id, c.provider_id, pr.path, p.person_id, c.scope, LEAST(c.ends_at, c.ended_at)
    FROM service_contract c
    JOIN agency pr ON pr.agency_id = c.provider_id AND pr.disabled_at IS NULL
    JOIN agency cl ON cl.agency_id = c.client_id
    LEFT JOIN agency area ON area.agency_id = c.area_id
    JOIN person p ON true
    JOIN agency pa ON pa.agency_id = p.police_agency_id
    JOIN agency sa ON sa.agency_id = p.social_agency_id
    WHERE c.starts_at <= at AND at < LEAST(c.ends_at, c.ended_at)
      AND (pa.path <@ cl.path OR sa.path <@ cl.path)
      AND (pa.path <@ area.path OR sa.path <@ area.path OR EXISTS (
            SELECT FROM service_contract_person m WHERE m.contract_id = c.contract_id AND m.person_id = p.person_id
              AND m.added_at <= at AND (m.removed_at IS NULL OR m.removed_at > at)))
$$;
CREATE VIEW contract_person AS SELECT * FROM contract_people(now());

-- True when a contract in force lets users of an agency (the provider's, or one under it) see this of a person. `what` is a word of
-- service_contract.scope, or 'person' for the reference and the name, which every contract covers.
CREATE FUNCTION contract_covers(agency_of_user uuid, whom uuid, what text, at timestamptz DEFAULT now())
    RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT EXISTS (
        SELECT FROM service_contract c
        JOIN agency pr ON pr.agency_id = c.provider_id AND pr.disabled_at IS NULL
        JOIN agency cl ON cl.agency_id = c.client_id
        JOIN agency mine ON mine.agency_id = agency_of_user AND mine.path <@ pr.path AND mine.disabled_at IS NULL
        LEFT JOIN agency area ON area.agency_id = c.area_id
        JOIN person p ON p.person_id = whom
        JOIN agency pa ON pa.agency_id = p.police_agency_id
        JOIN agency sa ON sa.agency_id = p.social_agency_id
        WHERE c.starts_at <= at AND at < LEAST(c.ends_at, c.ended_at)
          AND (what = 'person' OR what = ANY (c.scope))
          AND (pa.path <@ cl.path OR sa.path <@ cl.path)
          AND (pa.path <@ area.path OR sa.path <@ area.path OR EXISTS (
                SELECT FROM service_contract_person m WHERE m.contract_id = c.contract_id AND m.person_id = p.person_id
                  AND m.added_at <= at AND (m.removed_at IS NULL OR m.removed_at > at))))
$$;

-- Rows that are only added. Deletion by law is another matter: whoever does it says so (`homeward.deletion`), and must own the table.
CREATE FUNCTION only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('homeward.deletion', true) = 'on'
       AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'rows of % are only added', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_only_added';
END $$;

-- People around a person. A revision says how it is known from then on; the address of one who must be kept from being found is the
-- police's matter alone.
CREATE TABLE contact (
    contact_id   uuid PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES person,
    created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX contact_person ON contact (person_id);
CREATE TABLE contact_revision (
    contact_id        uuid NOT NULL REFERENCES contact,
    revision          bigint NOT NULL CHECK (revision >= 1),
    kind              text NOT NULL CHECK (kind IN ('self', 'family', 'guarantor', 'employer', 'school', 'lawyer', 'doctor', 'community', 'other')),
    name              text NOT NULL DEFAULT '',
    relation          text NOT NULL DEFAULT '',
    phone             text NOT NULL DEFAULT '',
    address           text NOT NULL DEFAULT '',
    protected_address boolean NOT NULL DEFAULT false,
    note              text NOT NULL DEFAULT '',
    valid_from        timestamptz NOT NULL DEFAULT now(),
    valid_until       timestamptz,                -- NULL: until another revision; an end: not a contact any more from then on
    changed_at        timestamptz NOT NULL DEFAULT now(),
    changed_by        uuid REFERENCES app_user,
    PRIMARY KEY (contact_id, revision),
    CHECK (name <> '' OR phone <> '' OR address <> ''),
    CHECK (valid_until > valid_from)
);
CREATE TRIGGER contact_revision_only_added BEFORE UPDATE OR DELETE ON contact_revision
    FOR EACH ROW EXECUTE FUNCTION only_added();

-- What those in charge write about a person. A mistake is put right by a further note that names it.
CREATE TABLE person_note (
    note_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES person,
    kind         text NOT NULL DEFAULT 'note' CHECK (kind IN ('note', 'visit', 'call', 'hearing')),
    audience     text NOT NULL DEFAULT 'both' CHECK (audience IN ('police', 'social_work', 'both')),
    text         text NOT NULL CHECK (text <> '' AND length(text) <= 10000),
    happened_at  timestamptz NOT NULL,            -- the visit, the call
    written_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    written_by   uuid NOT NULL REFERENCES app_user,
    corrects     bigint REFERENCES person_note
);
CREATE INDEX person_note_person ON person_note (person_id, note_id);
CREATE TRIGGER person_note_only_added BEFORE UPDATE OR DELETE ON person_note
    FOR EACH ROW EXECUTE FUNCTION only_added();

-- Who put a device on and took it off, why, and which assignment it took the place of.
ALTER TABLE device_assignment
    ADD COLUMN fitted_by      uuid REFERENCES app_user,
    ADD COLUMN removed_by     uuid REFERENCES app_user,
    ADD COLUMN removal_reason text NOT NULL DEFAULT ''
        CHECK (removal_reason IN ('', 'swap', 'fault', 'lost', 'end_of_order', 'maintenance', 'other')),
    ADD COLUMN replaces       uuid REFERENCES device_assignment;
CREATE UNIQUE INDEX device_assignment_replaced_once ON device_assignment (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX device_assignment_device ON device_assignment (device_id, assigned_at);

-- A device is on one person at a time, at any time, not only now.
CREATE FUNCTION device_assignment_apart() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    other uuid;
BEGIN
    PERFORM FROM device WHERE device_id = NEW.device_id FOR NO KEY UPDATE;
    SELECT a.assignment_id INTO other FROM device_assignment a
    WHERE a.device_id = NEW.device_id AND a.assignment_id <> NEW.assignment_id
      AND tstzrange(a.assigned_at, a.ended_at) && tstzrange(NEW.assigned_at, NEW.ended_at) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'device % is on somebody else in that time (assignment %)', NEW.device_id, other
            USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'device_assignment_apart';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER device_assignment_apart BEFORE INSERT OR UPDATE OF device_id, assigned_at, ended_at ON device_assignment
    FOR EACH ROW EXECUTE FUNCTION device_assignment_apart();

CREATE TABLE device_fault (
    fault_id     uuid PRIMARY KEY,
    device_id    uuid NOT NULL REFERENCES device,
    person_id    uuid REFERENCES person,          -- who wore it then
    reason       text NOT NULL CHECK (reason IN ('battery', 'charging', 'strap', 'case', 'position', 'connection', 'silent', 'other')),
    detail       text NOT NULL DEFAULT '',
    faulty_since timestamptz NOT NULL,
    reported_at  timestamptz NOT NULL,
    reported_by  uuid REFERENCES app_user,        -- NULL: the program
    ended_at     timestamptz,
    ended_by     uuid REFERENCES app_user,
    outcome      text CHECK (outcome IN ('repaired', 'replaced', 'retired', 'no_fault')),
    repair       text NOT NULL DEFAULT '',
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK (ended_at >= faulty_since),
    CHECK (reported_at >= faulty_since)
);
CREATE UNIQUE INDEX device_fault_open ON device_fault (device_id, reason) WHERE ended_at IS NULL;
CREATE INDEX device_fault_person ON device_fault (person_id, faulty_since);

-- Fitted but silent: on somebody with an order in force, and never heard of since it was fitted, or not for longer than the settings
-- of the order in force allow.
CREATE FUNCTION device_silent(at timestamptz)
    RETURNS TABLE (assignment_id uuid, device_id uuid, person_id uuid, fitted_at timestamptz, last_seen_at timestamptz,
                   silent_since timestamptz, allowed_s integer, never_heard boolean)
    LANGUAGE sql STABLE AS $$
    SELECT a.assignment_id, a.device_id, a.person_id, a.assigned_at, s.last_seen_at, heard.since, settings.silence_after_s,
        s.last_seen_at IS NULL OR s.last_seen_at < a.assigned_at
    FROM device_assignment a
    JOIN device d ON d.device_id = a.device_id AND d.retired_at IS NULL
    JOIN LATERAL (
        SELECT o.order_id, o.starts_at FROM supervision_order o
        WHERE o.person_id = a.person_id AND o.starts_at <= at AND LEAST(o.ends_at, o.revoked_at) > at
        ORDER BY o.starts_at DESC, o.order_id DESC LIMIT 1) o ON true
    LEFT JOIN device_status s ON s.device_id = a.device_id
    CROSS JOIN LATERAL (SELECT GREATEST(a.assigned_at, o.starts_at, s.last_seen_at) AS since) heard
    CROSS JOIN LATERAL (
        SELECT COALESCE(
            (SELECT r.silence_after_s FROM settings_revision r WHERE r.person_id = a.person_id AND r.order_id = o.order_id
             ORDER BY r.revision DESC LIMIT 1),
            (SELECT r.silence_after_s FROM settings_revision r WHERE r.person_id = a.person_id AND r.order_id IS NULL
             ORDER BY r.revision DESC LIMIT 1),
            (SELECT r.silence_after_s FROM person_rules r WHERE r.person_id = a.person_id), 900) AS silence_after_s) settings
    WHERE a.ended_at IS NULL AND a.assigned_at <= at AND heard.since + make_interval(secs => settings.silence_after_s) <= at
$$;
CREATE VIEW fitted_but_silent AS SELECT * FROM device_silent(now());

-- What became of a violation. The newest revision counts; all stay.
CREATE TABLE violation_outcome (
    violation_id uuid NOT NULL,
    revision     bigint NOT NULL CHECK (revision >= 1),
    person_id    uuid NOT NULL REFERENCES person,
    outcome      text NOT NULL CHECK (outcome IN ('recorded', 'warning', 'admonition', 'referred', 'dismissed', 'reopened')),
    reason       text NOT NULL CHECK (reason <> '' AND length(reason) <= 4000),
    case_number  text NOT NULL DEFAULT '',
    decided_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_by   uuid NOT NULL REFERENCES app_user,
    PRIMARY KEY (violation_id, revision)
);
CREATE INDEX violation_outcome_person ON violation_outcome (person_id, decided_at);
CREATE TRIGGER violation_outcome_only_added BEFORE UPDATE OR DELETE ON violation_outcome
    FOR EACH ROW EXECUTE FUNCTION only_added();
