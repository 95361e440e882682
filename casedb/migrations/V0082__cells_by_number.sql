-- A radio cell is a place. Records of a root cause and its grouping key have a number of it, drawn by lot; its name stands here alone,
-- with the cause's incident, until movement history of somebody concerned goes.
CREATE TABLE cause_cell (
    incident_id uuid PRIMARY KEY REFERENCES incident,
    number      text NOT NULL CHECK (number ~ '^[0-9a-f]{12}$'),
    name        text NOT NULL CHECK (name ~ '^[0-9]{3}-[0-9]{2,3}-[0-9]+-[0-9]+$'),
    named_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX cause_cell_name ON cause_cell (name, named_at);
COMMENT ON TABLE cause_cell IS 'Which radio cell the number in a root cause stands for';

-- What stands in records so far: the name in those of everybody concerned, an unsalted digest of it in the grouping key. Each cause gets
-- a number, its name goes where it belongs, and the words are written anew; the audit says that a migration did it.
CREATE TEMPORARY TABLE named_cell ON COMMIT DROP AS
    SELECT a.action_id, a.record #>> '{why,into}' AS into_id, s.name
    FROM incident_action a
    CROSS JOIN LATERAL (SELECT substring(a.text || ' ' || coalesce(a.record::text, '')
        FROM 'They share: cell ([0-9]{3}-[0-9]{2,3}-[0-9]+-[0-9]+)[.]') AS name) s
    WHERE s.name IS NOT NULL;
INSERT INTO cause_cell (incident_id, number, name, named_at)
SELECT DISTINCT ON (i.incident_id) i.incident_id, substr(replace(gen_random_uuid()::text, '-', ''), 1, 12), n.name, i.raised_at
FROM incident i JOIN named_cell n ON n.into_id = i.incident_id::text
WHERE i.kind = 'root_cause' AND i.person_id IS NULL AND split_part(i.grouping_key, ':', 3) = 'cell'
ORDER BY i.incident_id, n.action_id DESC;

ALTER TABLE incident_action DISABLE TRIGGER append_only;
UPDATE incident_action a
SET text = regexp_replace(a.text, 'They share: cell [0-9]{3}-[0-9]{2,3}-[0-9]+-[0-9]+[.]', 'They share: ' || n.words || '.'),
    record = regexp_replace(a.record::text, 'They share: cell [0-9]{3}-[0-9]{2,3}-[0-9]+-[0-9]+[.]', 'They share: ' || n.words || '.')::jsonb
FROM (
    SELECT n.action_id, coalesce('a cell, number ' || c.number, 'a cell') AS words
    FROM named_cell n LEFT JOIN cause_cell c ON c.incident_id::text = n.into_id
) n
WHERE n.action_id = a.action_id;
ALTER TABLE incident_action ENABLE TRIGGER append_only;

ALTER TABLE incident DISABLE TRIGGER incident_fixed;
UPDATE incident i
SET grouping_key = array_to_string((string_to_array(i.grouping_key, ':'))[1:3], ':') || ':'
    || coalesce((SELECT c.number FROM cause_cell c WHERE c.incident_id = i.incident_id), substr(replace(gen_random_uuid()::text, '-', ''), 1, 12))
WHERE i.kind = 'root_cause' AND i.person_id IS NULL AND split_part(i.grouping_key, ':', 3) = 'cell';
ALTER TABLE incident ENABLE TRIGGER incident_fixed;
