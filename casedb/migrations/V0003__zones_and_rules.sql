-- A zone is a list of immutable revisions. `audience` says who may see it and the incidents it causes:
-- a protected person's address is the police's matter alone.
CREATE TABLE zone (
    zone_id      uuid PRIMARY KEY,
    label        text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('inclusion', 'exclusion', 'neutral')),
    audience     text NOT NULL DEFAULT 'both' CHECK (audience IN ('police', 'social_work', 'both')),
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE zone_revision (
    zone_id      uuid NOT NULL REFERENCES zone,
    revision     bigint NOT NULL CHECK (revision >= 1),
    geometry     jsonb NOT NULL,                -- GeoJSON Point (with radius_m), Polygon or MultiPolygon; WGS-84
    radius_m     double precision,
    buffer_m     double precision NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    created_by   uuid REFERENCES app_user,
    CHECK (radius_m > 0 AND radius_m <= 1000000),
    CHECK (buffer_m >= 0 AND buffer_m <= 100000),
    PRIMARY KEY (zone_id, revision)
);

-- Which zones a person has, with the schedule of each (JSON as in src/zone/schedule.rs; NULL: always).
CREATE TABLE person_zone (
    person_id    uuid NOT NULL REFERENCES person,
    zone_id      uuid NOT NULL REFERENCES zone,
    schedule     jsonb,
    attendance   boolean NOT NULL DEFAULT false, -- be seen inside once in each interval, not all the time
    removed_at   timestamptz,
    PRIMARY KEY (person_id, zone_id)
);

CREATE TABLE zone_layer (
    layer_id     uuid PRIMARY KEY,
    label        text NOT NULL
);
CREATE TABLE zone_layer_revision (
    layer_id     uuid NOT NULL REFERENCES zone_layer,
    revision     bigint NOT NULL,
    content      bytea NOT NULL,                -- encoded homeward.v1.Layer
    content_hash bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (layer_id, revision)
);
CREATE TABLE person_layer (
    person_id    uuid NOT NULL REFERENCES person,
    layer_id     uuid NOT NULL REFERENCES zone_layer,
    PRIMARY KEY (person_id, layer_id)
);

-- A person's whole rule set, at the revision last published into the stream.
CREATE TABLE person_rules (
    person_id    uuid PRIMARY KEY REFERENCES person,
    revision     bigint NOT NULL DEFAULT 0,      -- 0: never published
    reporting_interval_s integer NOT NULL DEFAULT 60   CHECK (reporting_interval_s BETWEEN 1 AND 86400),
    silence_after_s      integer NOT NULL DEFAULT 900  CHECK (silence_after_s BETWEEN 1 AND 604800),
    home_exit_grace_s    integer NOT NULL DEFAULT 0    CHECK (home_exit_grace_s BETWEEN 0 AND 86400),
    late_return_after_s  integer NOT NULL DEFAULT 3600 CHECK (late_return_after_s BETWEEN 0 AND 86400),
    published    bytea,                          -- encoded homeward.v1.Rules
    published_order_id    uuid,                  -- the order in force that `published` says; NULL: none
    published_valid_until timestamptz            -- and its end: the sweeper publishes anew when either is no longer so
);
