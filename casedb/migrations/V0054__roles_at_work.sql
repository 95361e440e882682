-- What the roles of users need so that their requests are served as themselves: contacts with their protection, a device to be
-- commanded, the own browser; figures for analysts, what contracts cover for service providers, how the audit stands for auditors.

-- Contacts as the user at work may see them: protected addresses only on the police's side. With the owner's rights, because a
-- revision as a whole is hidden from social work where its address is protected, and an older address would stand in its place.
CREATE VIEW access_contact WITH (security_barrier) AS
    SELECT c.contact_id, c.person_id, c.created_at, r.revision, r.kind, r.name, r.relation, r.phone,
        CASE WHEN r.protected_address AND NOT (SELECT access_unlimited())
                AND 'police' <> ALL (coalesce((SELECT access_audiences(current_user)), '{}')) THEN '' ELSE r.address END AS address,
        r.protected_address, r.note, r.valid_from, r.valid_until, r.changed_at, r.changed_by
    FROM contact c JOIN contact_revision r USING (contact_id)
    WHERE (SELECT access_unlimited()) OR EXISTS (SELECT FROM access_seen s WHERE s.person_id = c.person_id)
        OR c.person_id IN (SELECT access_contract('contacts', current_user));
COMMENT ON VIEW access_contact IS 'Revisions of contacts of people seen, protected addresses left out for who may not see them';

-- Who does not see the address cannot take it away, or its protection.
CREATE FUNCTION contact_keeps_protection() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known contact_revision;
BEGIN
    IF access_unlimited() OR 'police' = ANY (coalesce(access_audiences(access_role()), '{}')) THEN
        RETURN NEW;
    END IF;
    SELECT * INTO known FROM contact_revision r WHERE r.contact_id = NEW.contact_id ORDER BY r.revision DESC LIMIT 1;
    IF known.protected_address THEN
        NEW.address := known.address;
        NEW.protected_address := true;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER contact_keeps_protection BEFORE INSERT ON contact_revision FOR EACH ROW EXECUTE FUNCTION contact_keeps_protection();

-- A device that a person wears (this one, or the one assigned last), locked: commands to one device follow each other.
CREATE FUNCTION lock_worn_device(person uuid, device uuid) RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    worn uuid;
BEGIN
    IF NOT access_unlimited() AND NOT access_sees(person, access_role()) THEN
        RETURN NULL;
    END IF;
    SELECT d.device_id INTO worn FROM device_assignment a JOIN device d USING (device_id)
    WHERE a.person_id = person AND a.ended_at IS NULL AND d.retired_at IS NULL AND (device IS NULL OR d.device_id = device)
    ORDER BY a.assigned_at DESC, d.device_id LIMIT 1 FOR NO KEY UPDATE OF d;
    RETURN worn;
END $$;

-- A browser that another user has used before is free for the user at work. Whoever knows the endpoint has the browser.
CREATE FUNCTION push_release(browser text, for_user uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM push_subscription WHERE endpoint = browser AND user_id <> coalesce(access_user(), for_user)
$$;

-- Ends the sessions of somebody whom the administrator at work manages.
CREATE FUNCTION end_sessions(account uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    ended bigint;
BEGIN
    IF NOT access_unlimited() AND NOT EXISTS (SELECT FROM app_user me JOIN app_user u ON u.user_id = account
        WHERE me.user_id = access_user() AND me.role = 'administrator' AND me.disabled_at IS NULL
            AND u.agency_id IN (SELECT access_subtree(access_role()))) THEN
        RAISE EXCEPTION 'sessions of % are not for this user to end', account USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM user_session WHERE user_id = account;
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END $$;

-- How many entries of the audit wait for the sealer, and since when.
CREATE FUNCTION audit_waiting() RETURNS TABLE (waiting bigint, since timestamptz) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT count(*), min(at) FROM audit_pending
$$;

-- Figures of movement history by day (UTC) and agency, for analysts. A cell of fewer than five people has no figures.
CREATE FUNCTION report_figures(from_at timestamptz, to_at timestamptz)
RETURNS TABLE (agency_id uuid, day date, people bigint, reports bigint, fixes bigint, late bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH mine AS MATERIALIZED (
        SELECT p.person_id, CASE WHEN p.police_agency_id IN (SELECT access_agencies('police', access_role()))
            THEN p.police_agency_id ELSE p.social_agency_id END AS agency_id
        FROM person p WHERE NOT p.canary AND (p.police_agency_id IN (SELECT access_agencies('police', access_role()))
            OR p.social_agency_id IN (SELECT access_agencies('social_work', access_role())))
    ), counted AS (
        SELECT m.agency_id, (h.hour AT TIME ZONE 'UTC')::date AS day, count(DISTINCT h.person_id) AS people,
            sum(h.reports)::bigint AS reports, sum(h.fixes)::bigint AS fixes, sum(h.late)::bigint AS late
        FROM position_hour h JOIN mine m USING (person_id)
        WHERE h.hour >= from_at AND h.hour < to_at GROUP BY 1, 2
    )
    SELECT c.agency_id, c.day, CASE WHEN c.people >= 5 THEN c.people END, CASE WHEN c.people >= 5 THEN c.reports END,
        CASE WHEN c.people >= 5 THEN c.fixes END, CASE WHEN c.people >= 5 THEN c.late END
    FROM counted c ORDER BY c.day, c.agency_id
$$;

-- Whom the contracts of the service provider at work cover, with the words of the scope, and what the scope lets the provider know of the
-- device: that it gives signs of life, never a place.
CREATE FUNCTION covered_people()
RETURNS TABLE (person_id uuid, reference text, display_name text, time_zone text, scope text[], until timestamptz, device_id uuid,
    device text, fitted_at timestamptz, last_seen_at timestamptz, battery_percent smallint, silent boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH covered AS MATERIALIZED (
        SELECT c.person_id, array_agg(DISTINCT s.word) FILTER (WHERE s.word IS NOT NULL) AS words, max(c.ends_at) AS until
        FROM app_user u JOIN agency own ON own.agency_id = u.agency_id CROSS JOIN contract_people(now()) c
        LEFT JOIN LATERAL unnest(c.scope) s (word) ON true
        WHERE u.user_id = access_user() AND u.disabled_at IS NULL AND own.disabled_at IS NULL AND u.role = 'service_provider'
            AND access_role() = 'homeward_service_provider' AND own.path <@ c.provider_path
        GROUP BY c.person_id
    ), worn AS MATERIALIZED (
        SELECT DISTINCT ON (a.person_id) a.person_id, d.device_id, d.protocol || ':' || d.identity AS device, a.assigned_at, s.last_seen_at
        FROM covered c JOIN device_assignment a ON a.person_id = c.person_id AND a.ended_at IS NULL JOIN device d USING (device_id)
        LEFT JOIN device_status s ON s.device_id = a.device_id
        WHERE 'device' = ANY (c.words) ORDER BY a.person_id, a.assigned_at DESC, d.device_id
    ), quiet AS MATERIALIZED (
        SELECT q.person_id FROM device_silent(now()) q WHERE q.person_id IN (SELECT w.person_id FROM worn w)
    )
    SELECT p.person_id, p.reference, p.display_name, p.time_zone, coalesce(c.words, '{}'), c.until, w.device_id, w.device, w.assigned_at,
        w.last_seen_at, b.battery_percent, CASE WHEN w.device_id IS NOT NULL THEN p.person_id IN (SELECT q.person_id FROM quiet q) END
    FROM covered c JOIN person p USING (person_id) LEFT JOIN worn w USING (person_id)
    LEFT JOIN LATERAL (
        SELECT f.battery_percent FROM position f WHERE f.person_id = w.person_id AND f.device_id = w.device_id
            AND f.battery_percent IS NOT NULL AND f.fix_time > now() - interval '7 days' ORDER BY f.fix_time DESC LIMIT 1
    ) b ON true
    ORDER BY p.reference
$$;

-- Open pages learn at once whom their user sees by breaking the glass.
CREATE FUNCTION break_glass_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('homeward_glass', NEW.user_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER break_glass_told AFTER INSERT OR UPDATE ON break_glass FOR EACH ROW EXECUTE FUNCTION break_glass_told();

REVOKE EXECUTE ON FUNCTION lock_worn_device, push_release, end_sessions, audit_waiting, report_figures, covered_people FROM PUBLIC;
