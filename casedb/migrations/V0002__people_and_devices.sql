CREATE TABLE person (
    person_id          uuid PRIMARY KEY,
    reference          text NOT NULL UNIQUE,     -- the agency's own case reference, shown instead of the name where a name is too much
    display_name       text NOT NULL,
    risk_level         smallint NOT NULL DEFAULT 2 CHECK (risk_level BETWEEN 1 AND 4),   -- 1 = highest
    police_agency_id   uuid NOT NULL REFERENCES agency,
    social_agency_id   uuid NOT NULL REFERENCES agency,
    social_worker_id   uuid REFERENCES app_user,
    time_zone          text NOT NULL,
    demo               boolean NOT NULL DEFAULT false,
    created_at         timestamptz NOT NULL DEFAULT now()
);

-- The legal basis. Without one in force there is no monitoring: no position stored, no event.
CREATE TABLE supervision_order (
    order_id     uuid PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES person,
    legal_basis  text NOT NULL,
    grounds      text NOT NULL DEFAULT '',
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    revoked_at   timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CHECK (ends_at > starts_at)
);
CREATE INDEX supervision_order_person ON supervision_order (person_id, starts_at);

CREATE TABLE device (
    device_id    uuid PRIMARY KEY,
    protocol     text NOT NULL CHECK (protocol IN ('native', 'jt808', 'teltonika', 'gt06', 'eelink')),
    identity     text NOT NULL,                 -- as the protocol carries it: serial, terminal phone number, IMEI
    secret       bytea,                         -- native: key of the proof; JT/T 808: the authentication code
    model        text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    retired_at   timestamptz,
    UNIQUE (protocol, identity)
);

CREATE TABLE device_assignment (
    assignment_id  uuid PRIMARY KEY,
    device_id      uuid NOT NULL REFERENCES device,
    person_id      uuid NOT NULL REFERENCES person,
    assigned_at    timestamptz NOT NULL DEFAULT now(),
    ended_at       timestamptz,
    CHECK (ended_at IS NULL OR ended_at >= assigned_at)
);
CREATE UNIQUE INDEX device_assignment_one_person ON device_assignment (device_id) WHERE ended_at IS NULL;
CREATE INDEX device_assignment_person ON device_assignment (person_id);

-- The highest native sequence known to be durable is derived from history; this is only what the gateways saw last.
CREATE TABLE device_status (
    device_id        uuid PRIMARY KEY REFERENCES device ON DELETE CASCADE,
    last_seen_at     timestamptz NOT NULL,
    gateway          text NOT NULL DEFAULT ''
);

-- Devices that nobody registered, and devices refused for another reason.
CREATE TABLE quarantined_device (
    protocol      text NOT NULL,
    identity      text NOT NULL,
    reason        text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    attempts      bigint NOT NULL DEFAULT 1,
    remote_address text NOT NULL DEFAULT '',
    PRIMARY KEY (protocol, identity, reason)
);

-- Frames that could not be decoded, raw; the gateway keeps the newest of each device and reason (bounded).
CREATE TABLE quarantined_frame (
    frame_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    protocol      text NOT NULL,
    identity      text NOT NULL DEFAULT '',
    reason        text NOT NULL,
    detail        text NOT NULL DEFAULT '',
    raw           bytea NOT NULL CHECK (octet_length(raw) <= 4096),
    raw_length    integer NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now(),
    remote_address text NOT NULL DEFAULT ''
);
CREATE INDEX quarantined_frame_device ON quarantined_frame (protocol, identity, frame_id DESC);
