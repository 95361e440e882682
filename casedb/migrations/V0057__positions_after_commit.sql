-- What was sent stays read, also when its transaction is rolled back: positions are given only for a reading whose declaration is
-- committed. And only what was declared: an event's fixes where the declared time holds its onset, or the declaration names its incident.

-- The declaration that this transaction has made, to be named by the one that reads: SET LOCAL homeward.access = '…'.
CREATE FUNCTION declared_access() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT max(a.access_id) FROM position_access a WHERE a.user_id = access_user() AND a.accessed_at >= now()
$$;

-- True when the declaration that the transaction names covers a time: committed, of this user, of the last two minutes. One of this
-- transaction does not count: it is not earlier than the transaction's beginning.
CREATE OR REPLACE FUNCTION access_declared(person uuid, from_at timestamptz, to_at timestamptz) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM position_access a WHERE a.person_id = $1 AND a.user_id = access_user()
        AND a.access_id = nullif(current_setting('homeward.access', true), '')::bigint AND a.accessed_at < now() AND a.accessed_at > now() - interval '2 minutes' AND a.from_at <= $2 AND a.to_at >= $3)
$$;

-- The same for an event.
CREATE FUNCTION access_declared_event(event uuid) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT FROM event e WHERE e.event_id = $1 AND (access_declared(e.person_id, e.onset_at, e.onset_at)
        OR EXISTS (SELECT FROM incident_event ie JOIN incident i USING (incident_id) JOIN position_access a USING (person_id)
            WHERE ie.event_id = e.event_id AND a.user_id = access_user() AND a.accessed_at < now() AND a.accessed_at > now() - interval '2 minutes'
                AND a.access_id = nullif(current_setting('homeward.access', true), '')::bigint AND a.from_at <= i.onset_at AND a.to_at >= i.onset_at
                AND a.scope IN ('incident ' || i.number, 'evidence of incident ' || i.number))))
$$;

-- Which of some reports are in the history of the person: those of the declared time.
CREATE OR REPLACE FUNCTION own_reports(person uuid, times timestamptz[], ids uuid[]) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT p.report_id FROM position p
    WHERE p.person_id = $1 AND p.fix_time = ANY ($2) AND p.report_id = ANY ($3) AND access_declared($1, p.fix_time, p.fix_time)
$$;

CREATE OR REPLACE FUNCTION event_payload(event uuid) RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT e.payload FROM event e WHERE e.event_id = $1 AND access_declared_event($1)
        AND (access_unlimited() OR access_sees(e.person_id, access_role()))
        AND (e.zone_id IS NULL OR access_unlimited() OR NOT EXISTS (SELECT FROM zone z WHERE z.zone_id = e.zone_id
            AND z.audience <> ALL (coalesce((SELECT access_audiences(access_role())), '{}'))))
$$;

CREATE OR REPLACE FUNCTION read_positions(person uuid, from_at timestamptz, to_at timestamptz, most bigint)
RETURNS SETOF public."position" LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp ROWS 500 AS $$
BEGIN
    IF NOT access_declared(person, from_at, to_at) THEN
        RAISE EXCEPTION 'positions are read after the reading was written down: declare_access(), declared_access(), COMMIT, then read in a transaction that names it'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- Whom the user does not see any more is not read on.
    IF NOT access_unlimited() AND NOT access_sees(person, access_role()) THEN
        RAISE EXCEPTION 'person % is not one whose positions this user may read', person USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN QUERY SELECT p.* FROM position p WHERE p.person_id = person AND p.fix_time >= $2 AND p.fix_time < $3
        AND p.latitude IS NOT NULL AND p.longitude IS NOT NULL ORDER BY p.fix_time DESC LIMIT most;
END $$;

-- Declaring and reading cannot be one statement any more.
DROP FUNCTION positions_of(uuid, timestamptz, timestamptz, text, text);

-- A blank of any script is blank.
CREATE FUNCTION position_access_said() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.case_number ~ '^[\s\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]*$' AND NEW.from_at IS NOT NULL THEN
        RAISE EXCEPTION 'the case number is missing' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER position_access_said BEFORE INSERT ON position_access FOR EACH ROW EXECUTE FUNCTION position_access_said();
ALTER TABLE break_glass ADD CONSTRAINT break_glass_said CHECK (
    reason !~ '^[\s\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]*$' AND case_number !~ '^[\s\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]*$');

-- Who opened an emergency access: incidents about it are for others to handle.
CREATE FUNCTION break_glass_opener(id text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.user_id FROM break_glass b WHERE b.break_glass_id::text = $1
$$;
REVOKE EXECUTE ON FUNCTION access_declared_event FROM PUBLIC;
