-- Without a legal basis nothing is stored; what was refused is on record, without any place, and the device is told to stop.

-- An order is in force at a time: the basis of everything that is made or received then.
CREATE FUNCTION has_basis(person uuid, at timestamptz) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT EXISTS (SELECT FROM order_term t WHERE t.person_id = person AND t.starts_at <= at AND t.ends_at > at)
$$;

-- Why there is none; NULL: there is one.
CREATE FUNCTION basis_lacking(person uuid, at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN has_basis(person, at) THEN NULL
        WHEN NOT EXISTS (SELECT FROM supervision_order o WHERE o.person_id = person) THEN 'no_order'
        ELSE coalesce((
            SELECT CASE WHEN t.ends_at = o.revoked_at THEN 'revoked' WHEN t.ends_at < o.ends_at THEN 'lapsed' ELSE 'expired' END
            FROM order_term t JOIN supervision_order o USING (order_id) WHERE t.person_id = person AND t.starts_at <= at
            ORDER BY t.ends_at DESC, t.order_id LIMIT 1), (
            SELECT CASE WHEN o.revoked_at <= at THEN 'revoked' ELSE 'not_effective' END
            FROM supervision_order o WHERE o.person_id = person AND o.starts_at <= at
            ORDER BY o.starts_at DESC, o.order_id LIMIT 1), 'not_begun')
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
    reason       text NOT NULL CHECK (reason IN ('no_order', 'not_begun', 'not_effective', 'expired', 'revoked', 'lapsed', 'not_known')),
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
    SELECT '-infinity'::timestamptz, coalesce(min(t.starts_at), 'infinity') FROM order_term t WHERE t.person_id = person
    UNION ALL
    SELECT e.ends_at, coalesce((SELECT min(n.starts_at) FROM order_term n WHERE n.person_id = person AND n.starts_at > e.ends_at), 'infinity')
    FROM (SELECT DISTINCT t.ends_at FROM order_term t WHERE t.person_id = person) e WHERE NOT has_basis(person, e.ends_at)
$$;
