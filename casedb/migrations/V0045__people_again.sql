-- When an order is in force is said by order_term alone (V0018); and rows that are only added go by the word that others use too.

CREATE OR REPLACE FUNCTION device_silent(at timestamptz)
    RETURNS TABLE (assignment_id uuid, device_id uuid, person_id uuid, fitted_at timestamptz, last_seen_at timestamptz,
                   silent_since timestamptz, allowed_s integer, never_heard boolean)
    LANGUAGE sql STABLE AS $$
    SELECT a.assignment_id, a.device_id, a.person_id, a.assigned_at, s.last_seen_at, heard.since, settings.silence_after_s,
        s.last_seen_at IS NULL OR s.last_seen_at < a.assigned_at
    FROM device_assignment a
    JOIN device d ON d.device_id = a.device_id AND d.retired_at IS NULL
    JOIN person p ON p.person_id = a.person_id AND NOT p.canary
    JOIN LATERAL (
        SELECT o.order_id, o.starts_at FROM order_term o
        WHERE o.person_id = a.person_id AND o.starts_at <= at AND o.ends_at > at
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

CREATE OR REPLACE FUNCTION only_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND 'on' IN (current_setting('homeward.deletion', true), current_setting('homeward.erasure', true))
       AND pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'rows of % are only added', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_only_added';
END $$;
