-- Movement history. Chunked by time: a hypertable where TimescaleDB is available, native daily partitions elsewhere.
-- The primary key recognises a report that a device sent twice.
DO $$
BEGIN
    -- The loader's setting is there only when the library is preloaded; without that, CREATE EXTENSION ends the session.
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
       AND current_setting('timescaledb.disable_load', true) IS NOT NULL THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'timescaledb is installed but cannot be used (%): native partitions are used instead', SQLERRM;
END $$;

DO $$
DECLARE
    columns constant text := '
        person_id       uuid NOT NULL,
        fix_time        timestamptz NOT NULL,
        report_id       uuid NOT NULL,
        device_id       uuid NOT NULL,
        received_at     timestamptz NOT NULL,
        appended_at     timestamptz NOT NULL,
        sequence        bigint NOT NULL,
        latitude        double precision,
        longitude       double precision,
        valid           boolean NOT NULL,
        source          smallint NOT NULL,
        accuracy_m      real,
        altitude_m      real,
        speed_kmh       real,
        course_deg      real,
        satellites      smallint,
        battery_percent smallint,
        strap           smallint NOT NULL,
        "case"          smallint NOT NULL,
        motion          smallint NOT NULL,
        alarms          integer NOT NULL,          -- bit n = Alarm n of report.proto
        backfill        boolean NOT NULL,
        PRIMARY KEY (person_id, fix_time, report_id)';
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        EXECUTE 'CREATE TABLE position (' || columns || ')';
        PERFORM create_hypertable('position', 'fix_time', chunk_time_interval => interval '1 day', create_default_indexes => false);
    ELSE
        EXECUTE 'CREATE TABLE position (' || columns || ') PARTITION BY RANGE (fix_time)';
        CREATE TABLE position_default PARTITION OF position DEFAULT;
    END IF;
END $$;

-- Reports whose clock cannot be right (before 2020, or ahead of receipt by more than two minutes): kept, counted, shown, not judged.
CREATE TABLE quarantined_report (
    report_id    uuid PRIMARY KEY,
    person_id    uuid NOT NULL,
    device_id    uuid NOT NULL,
    reason       text NOT NULL,
    fix_time     timestamptz,
    received_at  timestamptz NOT NULL,
    payload      bytea NOT NULL
);
