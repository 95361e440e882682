-- Late reports may change what was told of a violation: it ended at another time, it goes on, it did not happen.
ALTER TABLE event DROP CONSTRAINT event_edge_check;
ALTER TABLE event ADD CONSTRAINT event_edge_check CHECK (edge IN ('onset', 'end', 'correction'));
ALTER TABLE event ADD COLUMN withdrawn boolean NOT NULL DEFAULT false;   -- of a correction: it did not happen

-- Kept beside the incident, as its end is, so that the queue needs no look at the events.
ALTER TABLE incident ADD COLUMN late boolean NOT NULL DEFAULT false;        -- an onset was judged from stored reports
ALTER TABLE incident ADD COLUMN corrected boolean NOT NULL DEFAULT false;   -- late reports changed something that was told
ALTER TABLE incident ADD COLUMN withdrawn boolean NOT NULL DEFAULT false;   -- nothing of it happened
UPDATE incident i SET late = true WHERE EXISTS (
    SELECT FROM incident_event ie JOIN event e USING (event_id) WHERE ie.incident_id = i.incident_id AND e.edge = 'onset' AND e.late);

-- How each violation stands: the last decided of its ends and corrections says; of several at one moment the last stored.
CREATE VIEW violation AS
SELECT o.violation_id, o.event_id, o.person_id, o.kind, o.zone_id, o.onset_at, o.late,
    EXISTS (SELECT FROM event c WHERE c.violation_id = o.violation_id AND c.edge = 'correction') AS corrected,
    coalesce(told.withdrawn, false) AS withdrawn,
    CASE WHEN told.edge IS NULL THEN o.ended_at WHEN NOT told.withdrawn THEN told.ended_at END AS ended_at,
    CASE WHEN told.edge IS NULL THEN o.ended_at IS NULL ELSE NOT told.withdrawn AND told.ended_at IS NULL END AS goes_on
FROM event o
LEFT JOIN LATERAL (
    SELECT e.edge, e.ended_at, e.withdrawn FROM event e WHERE e.violation_id = o.violation_id AND e.edge <> 'onset'
    ORDER BY e.decided_at DESC, e.stored_at DESC LIMIT 1
) told ON true
WHERE o.edge = 'onset';
