CREATE TABLE event (
    event_id       uuid PRIMARY KEY,
    violation_id   uuid NOT NULL,
    person_id      uuid NOT NULL REFERENCES person,
    kind           text NOT NULL,
    edge           text NOT NULL CHECK (edge IN ('onset', 'end')),
    zone_id        uuid,
    zone_revision  bigint NOT NULL,
    rules_revision bigint NOT NULL,
    onset_at       timestamptz NOT NULL,
    ended_at       timestamptz,
    decided_at     timestamptz NOT NULL,
    late           boolean NOT NULL,
    payload        bytea NOT NULL,               -- encoded homeward.v1.Event, as decided
    stored_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX event_person ON event (person_id, onset_at);
CREATE INDEX event_violation ON event (violation_id);

-- What officers handle. One open incident per person and rule (`grouping_key`).
CREATE TABLE incident (
    incident_id    uuid PRIMARY KEY,
    number         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    person_id      uuid NOT NULL REFERENCES person,
    grouping_key   text NOT NULL,
    kind           text NOT NULL,                -- of its most urgent event so far
    zone_id        uuid,
    severity       smallint NOT NULL CHECK (severity BETWEEN 1 AND 4),   -- 1 = most urgent
    audience       text NOT NULL CHECK (audience IN ('police', 'social_work', 'both')),
    state          text NOT NULL CHECK (state IN ('raised', 'notified', 'acknowledged', 'in_action', 'closed')),
    ongoing        boolean NOT NULL DEFAULT true, -- the violation has not ended
    onset_at       timestamptz NOT NULL,
    ended_at       timestamptz,
    events         bigint NOT NULL DEFAULT 1,
    raised_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledged_at timestamptz,
    acknowledged_by uuid REFERENCES app_user,
    closed_at      timestamptz,
    closed_by      uuid REFERENCES app_user,
    closing_code   text,
    version        bigint NOT NULL DEFAULT 1,    -- grows with each change; for optimistic updates and live views
    CHECK ((state = 'closed') = (closing_code IS NOT NULL))
);
CREATE UNIQUE INDEX incident_one_open ON incident (person_id, grouping_key) WHERE state <> 'closed';
CREATE INDEX incident_open ON incident (severity, raised_at) WHERE state <> 'closed';
CREATE INDEX incident_person ON incident (person_id, raised_at DESC);

CREATE TABLE incident_event (
    incident_id    uuid NOT NULL REFERENCES incident,
    event_id       uuid NOT NULL REFERENCES event,
    PRIMARY KEY (incident_id, event_id)
);
CREATE INDEX incident_event_event ON incident_event (event_id);

-- Every transition and every word, append-only.
CREATE TABLE incident_action (
    action_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id    uuid NOT NULL REFERENCES incident,
    action         text NOT NULL CHECK (action IN ('raise', 'notify', 'acknowledge', 'start_action', 'note', 'close', 'event')),
    user_id        uuid REFERENCES app_user,     -- NULL: the system
    audience       text NOT NULL DEFAULT 'both' CHECK (audience IN ('police', 'social_work', 'both')),
    text           text NOT NULL DEFAULT '',
    code           text,
    event_id       uuid,
    acted_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX incident_action_incident ON incident_action (incident_id, action_id);

-- One message to one recipient over one channel; a leased outbox.
CREATE TABLE notification (
    notification_id  uuid PRIMARY KEY,
    idempotency_key  text NOT NULL UNIQUE,       -- incident, event, recipient, channel
    incident_id      uuid NOT NULL REFERENCES incident,
    event_id         uuid NOT NULL REFERENCES event,   -- what it tells of: the event that raised or worsened the incident
    target_id        uuid,                       -- webhook and mail: the notification_target, NULL for a user's own address
    channel          text NOT NULL CHECK (channel IN ('console', 'mail', 'webhook')),
    recipient        text NOT NULL,
    locale           text NOT NULL DEFAULT 'en',
    state            text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sending', 'sent', 'dead')),
    attempts         integer NOT NULL DEFAULT 0,
    next_attempt_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until      timestamptz,
    leased_by        text,
    last_error       text,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at          timestamptz
);
CREATE INDEX notification_due ON notification (next_attempt_at) WHERE state IN ('queued', 'sending');
CREATE INDEX notification_dead ON notification (created_at) WHERE state = 'dead';
CREATE INDEX notification_incident ON notification (incident_id);

-- Where an agency wants its notifications besides the console.
CREATE TABLE notification_target (
    target_id    uuid PRIMARY KEY,
    agency_id    uuid NOT NULL REFERENCES agency,
    channel      text NOT NULL CHECK (channel IN ('mail', 'webhook')),
    address      text NOT NULL,
    secret       bytea,                          -- webhook: key of the signature
    max_severity smallint NOT NULL DEFAULT 4,    -- only incidents at least this urgent (1 = most urgent)
    locale       text NOT NULL DEFAULT 'en',
    UNIQUE (agency_id, channel, address)
);

-- Who read whose positions, and why.
CREATE TABLE position_access (
    access_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES app_user,
    person_id    uuid NOT NULL REFERENCES person,
    purpose      text NOT NULL,
    case_number  text NOT NULL DEFAULT '',
    scope        text NOT NULL,                  -- what was read: interval or incident
    accessed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX position_access_person ON position_access (person_id, accessed_at);
