-- What consumers of the stream keep beside their effects, and what goes back into the stream.
CREATE TABLE reader_offset (
    reader       text NOT NULL,
    topic        text NOT NULL,
    partition    integer NOT NULL,
    next_offset  bigint NOT NULL DEFAULT 0,
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reader, topic, partition)
) WITH (fillfactor = 20);                         -- updated in place by every batch of every consumer

CREATE TABLE checkpoint (
    partition    integer PRIMARY KEY,
    epoch        bigint NOT NULL DEFAULT 0,      -- counts owners; a write with an older epoch is refused
    next_offset  bigint NOT NULL DEFAULT 0,
    state        bytea,                          -- NULL: empty engine
    owner        text NOT NULL DEFAULT '',
    updated_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE outbox (
    outbox_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id    uuid,                           -- NULL: one copy to every partition
    payload      bytea NOT NULL,                 -- encoded homeward.v1.ReportRecord
    created_at   timestamptz NOT NULL DEFAULT now(),
    refused_at   timestamptz,                    -- the stream refused the record for good: kept for the operator, passed over
    refusal      text
);
CREATE INDEX outbox_waiting ON outbox (outbox_id) WHERE refused_at IS NULL;
