-- What a role writes into an incident's account can be read by every part of the program, which reads more strictly than PostgreSQL does:
-- times as RFC 3339 has them, in UTC; texts that are texts, of a length that people write; nothing nested. An account that cannot be read
-- would be an incident that nobody can open, close, or be called about.
CREATE FUNCTION incident_is_time(word jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_typeof(word) = 'string'
        AND word #>> '{}' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?Z$', false)
$$;

CREATE FUNCTION incident_is_id(word jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_typeof(word) = 'string' AND word #>> '{}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$', false)
$$;

CREATE FUNCTION incident_record_wrong(record jsonb, writer text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN jsonb_typeof(record) IS DISTINCT FROM 'object' OR jsonb_typeof(record -> 'why') IS DISTINCT FROM 'object' THEN 'its record is none'
        WHEN length(record::text) > 64000 THEN 'its record is longer than people write'
        WHEN EXISTS (SELECT FROM jsonb_each(record) e WHERE e.key <> ALL ('{at,by,from,to,version,why}'))
            OR record -> 'by' IS DISTINCT FROM jsonb_build_object('user', writer)
            OR jsonb_typeof(record -> 'at') IS DISTINCT FROM 'string' OR jsonb_typeof(record -> 'to') IS DISTINCT FROM 'string'
            OR jsonb_typeof(record -> 'from') NOT IN ('string', 'null')
            OR record ->> 'version' !~ '^[0-9]{1,18}$' THEN 'its record has another form'
        ELSE (SELECT min(format('%s is of another form', e.key)) FROM (
                SELECT key, value FROM jsonb_each(record -> 'why') UNION ALL SELECT 'at', record -> 'at') e
            WHERE CASE e.key
                WHEN 'into' THEN NOT incident_is_id(e.value)
                WHEN 'by' THEN e.value IS DISTINCT FROM jsonb_build_object('user', writer)
                WHEN 'user' THEN e.value IS DISTINCT FROM to_jsonb(writer)
                WHEN 'root' THEN NOT incident_is_id(e.value)
                WHEN 'incident' THEN NOT incident_is_id(e.value)
                WHEN 'event' THEN NOT incident_is_id(e.value)
                WHEN 'at' THEN NOT incident_is_time(e.value)
                WHEN 'expires' THEN NOT incident_is_time(e.value)
                WHEN 'until' THEN NOT incident_is_time(e.value)
                ELSE jsonb_typeof(e.value) NOT IN ('string', 'boolean') END)
    END
$$;

CREATE OR REPLACE FUNCTION incident_action_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('incident_action', NEW.incident_id::text, CASE WHEN NEW.action = 'carry_over' THEN 'that record is the program''s'
        ELSE incident_record_wrong(NEW.record, access_user()::text) END);
    RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION incident_record_wrong(jsonb, text), incident_is_time(jsonb), incident_is_id(jsonb) FROM PUBLIC;
