-- Frames that could not be read may hold positions all the same. Their bytes, and what a fault quotes of them, are given as positions are:
-- after the reading was declared with purpose and case number, and that declaration is committed (V0057), to those who see the wearer. Who
-- declares nothing sees that a frame came, when, from where, how long it is and of what sort its fault.

-- Whose it says it is, where nothing proves that: a wrong check byte, a session that has not signed in.
ALTER TABLE quarantined_frame ADD COLUMN claimed text NOT NULL DEFAULT '';
COMMENT ON COLUMN quarantined_frame.claimed IS 'Registered device that the frame or its session names without proof; for whom the frame is, never for what is kept';

-- The first bytes, where they are a header that holds no position: marks, lengths, kinds of message. Of a frame that does not begin as its
-- protocol's frames do, and of the native protocol, which has no mark: none.
CREATE FUNCTION frame_header(of_protocol text, raw bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN $1 = 'jt808' AND substring($2 FROM 1 FOR 1) = '\x7e' AND substring($2 FROM 2 FOR 2) IN ('\x0001', '\x0002', '\x0003', '\x0100',
            '\x0102', '\x0104', '\x0107', '\x0200', '\x0201', '\x0704', '\x0900') THEN substring($2 FROM 1 FOR 3)
        WHEN $1 = 'gt06' AND substring($2 FROM 1 FOR 2) = '\x7878' THEN substring($2 FROM 1 FOR 4)
        WHEN $1 IN ('gt06', 'eelink') AND substring($2 FROM 1 FOR 2) = CASE $1 WHEN 'gt06' THEN '\x7979'::bytea ELSE '\x6767' END
            THEN substring($2 FROM 1 FOR 5)
        WHEN $1 = 'teltonika' AND substring($2 FROM 1 FOR 6) = '\x000000000000'
            AND substring($2 FROM 9 FOR 1) IN ('\x08', '\x0c', '\x0d', '\x0e', '\x0f', '\x10', '\x8e') THEN substring($2 FROM 1 FOR 9)
        ELSE ''
    END
$$;
ALTER TABLE quarantined_frame
    ADD COLUMN header bytea GENERATED ALWAYS AS (frame_header(protocol, raw)) STORED,
    -- Faults of other sorts quote bytes.
    ADD COLUMN told text GENERATED ALWAYS AS (CASE WHEN reason IN ('checksum', 'escape', 'truncated', 'oversize', 'garbage', 'incomplete',
        'encrypted') THEN detail ELSE '' END) STORED;
COMMENT ON COLUMN quarantined_frame.header IS 'First bytes that hold no position; the only ones that are shown without a declaration';
COMMENT ON COLUMN quarantined_frame.told IS 'The detail where it quotes no bytes';

-- Who wore the device when the frame came; else who wore it last before; else first after. No row: nobody ever. NULL: a protected person.
CREATE FUNCTION frame_wearer(of_protocol text, of_identity text, claimed text, at timestamptz) RETURNS TABLE (person uuid)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1 SET search_path = public, pg_temp AS $$
    SELECT a.person_id FROM device d JOIN device_assignment a USING (device_id)
    WHERE d.protocol = $1 AND d.identity = coalesce(nullif($2, ''), $3)
    ORDER BY a.assigned_at <= $4 DESC, CASE WHEN a.assigned_at <= $4 THEN a.assigned_at END DESC, a.assigned_at LIMIT 1
$$;

-- For those who see the wearer; what nobody's device sent, for everybody who keeps the gateways. (The policy that stands on the function
-- before this one goes with it: the program writes all policies at the end of `homeward migrate`.)
DROP FUNCTION access_frame(text, text, name) CASCADE;
CREATE FUNCTION access_frame(of_protocol text, of_identity text, claimed text, at timestamptz, role name) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT coalesce(access_sees(w.person, $5), false) FROM frame_wearer($1, $2, $3, $4) w), true)
$$;

-- A frame of nobody's device is read for a reason as well: that reading is of no person.
ALTER TABLE position_access ALTER COLUMN person_id DROP NOT NULL;

-- Writes down that the bytes of a frame are read, and returns the record's number; NULL: there is no such frame for this user. Commit it, and
-- name it where they are read (SET LOCAL homeward.access).
CREATE FUNCTION declare_frame(frame bigint, purpose text, case_number text) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    user_role text;
    found_frame quarantined_frame;
    wearer uuid;
    made bigint;
BEGIN
    SELECT u.role INTO user_role FROM app_user u WHERE u.user_id = access_user() AND u.disabled_at IS NULL;
    IF user_role IS NULL OR user_role NOT IN ('duty_officer', 'supervisor')
        OR (NOT access_unlimited() AND access_role() <> 'homeward_' || user_role) THEN
        RAISE EXCEPTION 'this user reads no frames' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF purpose IS NULL OR purpose NOT IN ('duty', 'incident', 'court', 'maintenance') THEN
        RAISE EXCEPTION 'the purpose is missing or none of duty, incident, court, maintenance' USING ERRCODE = 'check_violation';
    END IF;
    IF case_number IS NULL OR length(case_number) > 100
        OR case_number ~ '^[\s\u00a0\u1680\u2000-\u200b\u2028\u2029\u202f\u205f\u3000\ufeff]*$' THEN
        RAISE EXCEPTION 'the case number is missing or longer than 100 characters' USING ERRCODE = 'check_violation';
    END IF;
    SELECT q.* INTO found_frame FROM quarantined_frame q
        WHERE q.frame_id = $1 AND access_frame(q.protocol, q.identity, q.claimed, q.received_at, ('homeward_' || user_role)::name);
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT w.person INTO wearer FROM frame_wearer(found_frame.protocol, found_frame.identity, found_frame.claimed, found_frame.received_at) w;
    -- Without an interval: such a record opens no history and no event.
    INSERT INTO position_access (user_id, person_id, purpose, case_number, scope)
    VALUES (access_user(), wearer, purpose, btrim(case_number), 'frame ' || $1) RETURNING access_id INTO made;
    RETURN made;
END $$;

-- The bytes of a frame and the fault in full, where the reading that the transaction names is of this frame: declared by this user within
-- the last two minutes, and committed.
CREATE FUNCTION read_frame(frame bigint) RETURNS TABLE (raw bytea, detail text) LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = public, pg_temp AS $$
    SELECT q.raw, q.detail
    FROM quarantined_frame q JOIN app_user u ON u.user_id = access_user() AND u.disabled_at IS NULL AND u.role IN ('duty_officer', 'supervisor')
    WHERE q.frame_id = $1 AND (access_unlimited() OR access_role() = 'homeward_' || u.role)
        AND access_frame(q.protocol, q.identity, q.claimed, q.received_at, ('homeward_' || u.role)::name)
        AND EXISTS (SELECT FROM position_access a WHERE a.user_id = u.user_id AND a.from_at IS NULL AND a.scope = 'frame ' || $1
            AND a.access_id = nullif(current_setting('homeward.access', true), '')::bigint
            AND a.accessed_at < now() AND a.accessed_at > now() - interval '2 minutes'
            AND a.person_id IS NOT DISTINCT FROM (SELECT w.person FROM frame_wearer(q.protocol, q.identity, q.claimed, q.received_at) w))
$$;
REVOKE EXECUTE ON FUNCTION access_frame, frame_wearer, declare_frame, read_frame FROM PUBLIC;
