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
        -- The safety net for days without a partition of their own: nothing is refused, retention there works by row.
        CREATE TABLE position_default PARTITION OF position DEFAULT;
    END IF;
END $$;

-- Makes a day's native partition. False: it is there already, history is a hypertable, or rows of that day lie in
-- position_default, where they stay (moving them would hold up the writer).
CREATE FUNCTION position_make_partition(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name constant text := 'position_' || to_char(day, 'YYYYMMDD');
    starts constant timestamptz := day::timestamp AT TIME ZONE 'UTC';
    ends constant timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('position_make_partition'));
    IF to_regclass(name) IS NOT NULL OR to_regclass('position_default') IS NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM position_default WHERE fix_time >= starts AND fix_time < ends) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I PARTITION OF position FOR VALUES FROM (%L) TO (%L)', name, starts, ends);
    RETURN true;
EXCEPTION WHEN check_violation THEN
    RETURN false;   -- the writer put a row of that day into position_default meanwhile
END $$;

-- Drops whole days (chunks, partitions) older than a time, and rows of position_default. Returns how many days went.
CREATE FUNCTION position_drop_before(before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    dropped bigint := 0;
    child name;
BEGIN
    IF to_regclass('position_default') IS NULL THEN
        SELECT count(*) INTO dropped FROM drop_chunks('position', older_than => before);
        RETURN dropped;
    END IF;
    FOR child IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'position'::regclass AND c.relname ~ '^position_[0-9]{8}$'
          AND (to_date(right(c.relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC' <= before
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM position_default WHERE fix_time < before;
    RETURN dropped;
END $$;

-- Reports whose clock cannot be right (before 2020, or ahead of receipt by more than two minutes) or whose position is no
-- place on earth: kept, counted, shown.
CREATE TABLE quarantined_report (
    report_id    uuid PRIMARY KEY,
    person_id    uuid NOT NULL,
    device_id    uuid NOT NULL,
    reason       text NOT NULL CHECK (reason IN ('clock_before_2020', 'clock_ahead', 'position_out_of_range')),
    fix_time     timestamptz,                    -- NULL: outside the calendar's range
    received_at  timestamptz NOT NULL,
    payload      bytea NOT NULL                  -- encoded homeward.v1.Report
);
CREATE INDEX quarantined_report_received ON quarantined_report (received_at);
