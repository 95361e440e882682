-- What an order says of how urgent events are. Each change is a revision of all its rules; of an event the newest holds that was valid when
-- its violation began.
CREATE TABLE order_priority (
    order_id    uuid NOT NULL REFERENCES supervision_order,
    revision    bigint NOT NULL CHECK (revision >= 1),
    valid_from  timestamptz NOT NULL,
    rules       jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'array'),   -- [{"kind":"silence"|…|"all","change":{"raise":1}|{"lower":1}|{"fixed":"P2"}}]
    reason      text NOT NULL CHECK (reason <> ''),
    set_by      uuid NOT NULL REFERENCES app_user,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (order_id, revision)
);
CREATE TRIGGER order_priority_stays BEFORE UPDATE ON order_priority FOR EACH ROW EXECUTE FUNCTION order_record_stays();

-- Why an incident is as urgent as it is: table, risk level, order. NULL: from before this version, or no event made it.
ALTER TABLE incident ADD COLUMN priority jsonb;

-- A ladder may give the consoles, which hear of every incident at once, a time of their own before it calls anybody.
ALTER TABLE ladder_revision ADD COLUMN delay_s integer NOT NULL DEFAULT 0 CHECK (delay_s BETWEEN 0 AND 86400);

-- Open incidents of before there were ladders would all call in the same minute. Each gets its course, and with it begins to call, at an
-- instant of its own: the most urgent within ten minutes of the upgrade, the others within 1, 4 and 24 hours, the oldest first. Who has one
-- keeps it for the usual time from then on. What happens to an incident before that is done at once, as ever.
UPDATE incident i SET deadline_at = now() + o.place * CASE i.severity
        WHEN 1 THEN interval '10 minutes' WHEN 2 THEN interval '1 hour' WHEN 3 THEN interval '4 hours' ELSE interval '24 hours' END
    FROM (SELECT incident_id, (row_number() OVER (PARTITION BY severity ORDER BY raised_at, incident_id) - 1)::double precision
                / count(*) OVER (PARTITION BY severity) AS place
          FROM incident WHERE state <> 'closed' AND course IS NULL) o
    WHERE i.incident_id = o.incident_id;
