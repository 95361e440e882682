-- The test device that proves that the platform sees. Its person is nobody's: it belongs to an agency of its own, no incident is raised of it,
-- and its events only show that a report came through.
ALTER TABLE person ADD COLUMN canary boolean NOT NULL DEFAULT false;

CREATE TABLE canary (
    only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    person_id    uuid NOT NULL REFERENCES person,
    device_id    uuid NOT NULL REFERENCES device,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Each time that the platform was blind, as its watchers found it.
CREATE TABLE platform_blind (
    blind_id     uuid PRIMARY KEY,
    watcher      text NOT NULL,                 -- which of them found it
    since        timestamptz NOT NULL,          -- when the newest report that came through had been sent
    stage        text NOT NULL CHECK (stage IN ('gateway', 'stream', 'decision', 'database')),
    raised_at    timestamptz NOT NULL,
    ended_at     timestamptz,                   -- a report came through again
    CHECK (ended_at IS NULL OR ended_at >= raised_at)
);
CREATE INDEX platform_blind_open ON platform_blind (raised_at) WHERE ended_at IS NULL;
