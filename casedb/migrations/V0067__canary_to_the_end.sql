-- The canary's way goes on: from the stored event to an incident, and from there to a message that leaves the house (docs/canary.md).
ALTER TABLE platform_blind DROP CONSTRAINT platform_blind_stage_check,
    ADD CONSTRAINT platform_blind_stage_check CHECK (stage IN ('gateway', 'stream', 'decision', 'incident', 'message', 'database'));

-- Where each watcher hears the messages about the canary: a target of the canary's agency, for as long as the watcher says that it is there.
CREATE TABLE canary_sink (
    watcher   text PRIMARY KEY,
    target_id uuid NOT NULL UNIQUE REFERENCES notification_target ON DELETE CASCADE,
    seen_at   timestamptz NOT NULL
);
