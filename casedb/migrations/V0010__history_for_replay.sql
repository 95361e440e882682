-- History as it lay in the log: everything that the engine folded for a person, and in which order, so that
-- `homeward replay` finds the same events again. All of it is written by the history writer, with its offset.

-- Whole reports, and their place. NULL in rows from before this version: their order is not known exactly.
ALTER TABLE position
    ADD COLUMN log_offset bigint,
    ADD COLUMN protocol   smallint,
    ADD COLUMN charging   boolean,
    ADD COLUMN hdop       real;

ALTER TABLE quarantined_report
    ADD COLUMN appended_at timestamptz,
    ADD COLUMN log_offset  bigint,
    DROP CONSTRAINT quarantined_report_reason_check,
    ADD CONSTRAINT quarantined_report_reason_check
        CHECK (reason IN ('clock_before_2020', 'clock_ahead', 'week_rollover', 'position_out_of_range'));
CREATE INDEX quarantined_report_person ON quarantined_report (person_id, received_at);
CREATE INDEX quarantined_report_device ON quarantined_report (device_id, reason, received_at);

-- The second and further copies of a report, which the engine saw too. `position` keeps the first.
CREATE TABLE report_copy (LIKE position);
ALTER TABLE report_copy ADD PRIMARY KEY (person_id, appended_at, log_offset);
CREATE TABLE quarantined_copy (
    person_id    uuid NOT NULL,
    appended_at  timestamptz NOT NULL,
    log_offset   bigint NOT NULL,
    payload      bytea NOT NULL,                -- encoded homeward.v1.Report
    PRIMARY KEY (person_id, appended_at, log_offset)
);

-- Every revision of a person's rules, from when on it held. No foreign keys: the log may hold what no table knows.
CREATE TABLE rules_revision (
    person_id    uuid NOT NULL,
    revision     bigint NOT NULL,
    appended_at  timestamptz NOT NULL,
    log_offset   bigint,                         -- NULL: published before this version; since when is not known
    payload      bytea NOT NULL,                 -- encoded homeward.v1.Rules
    PRIMARY KEY (person_id, revision)
);
INSERT INTO rules_revision (person_id, revision, appended_at, payload)
    SELECT person_id, revision, to_timestamp(0), published FROM person_rules WHERE published IS NOT NULL;

-- From when on a shared layer's revision held in a partition. The content is in zone_layer_revision.
CREATE TABLE layer_marker (
    partition    integer NOT NULL,
    layer_id     uuid NOT NULL,
    revision     bigint NOT NULL,
    appended_at  timestamptz NOT NULL,
    log_offset   bigint,
    content_hash bytea NOT NULL,
    PRIMARY KEY (partition, layer_id, revision)
);

-- The log's time of the last record before next_offset: how far history goes.
ALTER TABLE reader_offset ADD COLUMN clock timestamptz;
