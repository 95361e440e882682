-- Without a legal basis nothing is stored; what was refused is on record, without any place, and the device is told to stop.

-- An order is in force at a time: the basis of everything that is made or received then.
CREATE FUNCTION has_basis(person uuid, at timestamptz) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM supervision_order o
        WHERE o.person_id = person AND o.starts_at <= at AND o.ends_at > at AND (o.revoked_at IS NULL OR o.revoked_at > at))
$$;

-- Why there is none; NULL: there is one.
CREATE FUNCTION basis_lacking(person uuid, at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN has_basis(person, at) THEN NULL
        WHEN NOT EXISTS (SELECT FROM supervision_order o WHERE o.person_id = person) THEN 'no_order'
        ELSE coalesce((
            SELECT CASE WHEN o.revoked_at < o.ends_at THEN 'revoked' ELSE 'expired' END
            FROM supervision_order o WHERE o.person_id = person AND o.starts_at <= at
            ORDER BY LEAST(o.ends_at, o.revoked_at) DESC, o.order_id LIMIT 1), 'not_begun')
    END
$$;

-- What was refused, a row a day, device, person, place of refusal and reason. It says when reports came, never where from or what
-- time they stated.
CREATE TABLE monitoring_refusal (
    refusal_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day          date NOT NULL,                   -- of receipt, UTC
    device_id    uuid,                            -- NULL: not known (an event of a timer)
    person_id    uuid,                            -- NULL: the device is a protected person's
    stage        text NOT NULL CHECK (stage IN ('gateway', 'history', 'alerts', 'erased')),
    reason       text NOT NULL CHECK (reason IN ('no_order', 'not_begun', 'expired', 'revoked', 'not_known')),
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    reports      bigint NOT NULL CHECK (reports > 0),
    CHECK (until >= since),
    UNIQUE NULLS NOT DISTINCT (day, device_id, person_id, stage, reason)
);
CREATE INDEX monitoring_refusal_person ON monitoring_refusal (person_id, day DESC) WHERE person_id IS NOT NULL;
CREATE INDEX monitoring_refusal_device ON monitoring_refusal (device_id, day DESC);
COMMENT ON TABLE monitoring_refusal IS 'Reports and events that were not kept because no order was in force';

-- What a device was told when its wearer had no basis any more, and when they had one again.
CREATE TABLE device_stop (
    stop_id      uuid PRIMARY KEY,
    device_id    uuid NOT NULL REFERENCES device,
    person_id    uuid REFERENCES person,          -- who wore it
    word         text NOT NULL CHECK (word IN ('stop', 'resume')),
    interval_s   integer NOT NULL CHECK (interval_s BETWEEN 1 AND 86400),   -- what the device is told to report at
    told_at      timestamptz NOT NULL,
    gateway      text NOT NULL,
    outcome      text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'delivered', 'done', 'refused', 'unsupported', 'lost')),
    ended_at     timestamptz
);
CREATE INDEX device_stop_device ON device_stop (device_id, told_at DESC);
CREATE INDEX device_stop_person ON device_stop (person_id, told_at DESC) WHERE person_id IS NOT NULL;
COMMENT ON TABLE device_stop IS 'Devices told to stop reporting for want of a legal basis, and to report again';

-- The times for which a person had no basis, as `starts..ends`, as far as their orders say now.
CREATE FUNCTION basis_gaps(person uuid) RETURNS TABLE (starts timestamptz, ends timestamptz) LANGUAGE sql STABLE AS $$
    WITH term AS (
        SELECT o.starts_at, LEAST(o.ends_at, o.revoked_at) AS ended_at FROM supervision_order o WHERE o.person_id = person
    )
    SELECT '-infinity'::timestamptz, coalesce(min(t.starts_at), 'infinity') FROM term t WHERE t.ended_at > t.starts_at
    UNION ALL
    SELECT e.ended_at, coalesce((SELECT min(n.starts_at) FROM term n WHERE n.starts_at > e.ended_at AND n.ended_at > n.starts_at), 'infinity')
    FROM (SELECT DISTINCT ended_at FROM term WHERE ended_at > starts_at) e WHERE NOT has_basis(person, e.ended_at)
$$;
