-- The embedded stream. Everything lies in its own schema, so that it can live in the case database or beside it.
CREATE SCHEMA IF NOT EXISTS stream;

-- One row: what is fixed for the life of the stream.
CREATE TABLE stream.setting (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    partitions  integer NOT NULL CHECK (partitions > 0)
);

-- topic: 0 = reports, 1 = events.
-- The row of a partition is locked from the reservation of offsets to the commit: the order of offsets is the order of commits, so
-- a reader that sees an offset sees every one below it.
CREATE TABLE stream.partition (
    topic             smallint NOT NULL,
    partition         integer NOT NULL,
    start_offset      bigint NOT NULL DEFAULT 0,
    next_offset       bigint NOT NULL DEFAULT 0,
    last_appended_at  timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (topic, partition),
    CHECK (start_offset <= next_offset)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);   -- updated in place (HOT) by every append

CREATE TABLE stream.record (
    topic        smallint NOT NULL,
    partition    integer NOT NULL,
    "offset"     bigint NOT NULL,
    appended_at  timestamptz NOT NULL,
    key          bytea NOT NULL,
    payload      bytea NOT NULL,
    PRIMARY KEY (topic, partition, "offset")
);

CREATE TABLE stream.consumer_group (
    topic       smallint NOT NULL,
    group_name  text NOT NULL,
    PRIMARY KEY (topic, group_name)
);

-- A member lives while its session holds the advisory lock `lock_key` and `expires_at` has not passed.
CREATE TABLE stream.member (
    member_id   uuid PRIMARY KEY,
    topic       smallint NOT NULL,
    group_name  text NOT NULL,
    joined      bigint GENERATED ALWAYS AS IDENTITY,
    lock_key    bigint NOT NULL,
    expires_at  timestamptz NOT NULL,
    FOREIGN KEY (topic, group_name) REFERENCES stream.consumer_group
) WITH (fillfactor = 50);
CREATE INDEX member_group ON stream.member (topic, group_name);

-- Who owns a partition. While `revoking`, the owner was asked to let go and renews no longer.
CREATE TABLE stream.lease (
    topic       smallint NOT NULL,
    group_name  text NOT NULL,
    partition   integer NOT NULL,
    member_id   uuid,
    revoking    boolean NOT NULL DEFAULT false,
    expires_at  timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (topic, group_name, partition),
    FOREIGN KEY (topic, group_name) REFERENCES stream.consumer_group
) WITH (fillfactor = 50);
