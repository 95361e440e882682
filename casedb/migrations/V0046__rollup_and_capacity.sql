-- Hourly and daily figures of movement history, the same on every edition, and samples of what grows.

-- Rows come nearly in the order of their times, so blocks are found by time almost for nothing.
CREATE INDEX position_fix_time ON position USING brin (fix_time);

-- What each hour of each person has. A job of ours keeps it where TimescaleDB does not (casedb::history::rollup).
CREATE TABLE position_hour_rolled (
    person_id    uuid NOT NULL,
    hour         timestamptz NOT NULL,
    reports      bigint NOT NULL CHECK (reports > 0),
    fixes        bigint NOT NULL,
    late         bigint NOT NULL,
    battery_min  smallint,
    battery_max  smallint,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    minutes      bigint NOT NULL,                -- bit n: there is a report of minute n
    PRIMARY KEY (person_id, hour)
);
CREATE INDEX position_hour_rolled_hour ON position_hour_rolled (hour);
COMMENT ON TABLE position_hour_rolled IS 'Figures of each hour of movement history, made from position and made anew when it changes';

-- Hours that were rolled up before a report of theirs came, or went.
CREATE TABLE position_late (
    person_id    uuid NOT NULL,
    hour         timestamptz NOT NULL,
    PRIMARY KEY (person_id, hour)
);
COMMENT ON TABLE position_late IS 'Hours of position_hour_rolled that are to be made anew';

-- Hours before rolled_until are in position_hour_rolled, later ones are read from history itself. Writers note reports from before
-- late_from, which the job sets first: so nothing falls between the two. History begins in 2020: what says it is older is quarantined.
CREATE TABLE position_rollup (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    kept_by      text NOT NULL DEFAULT 'homeward' CHECK (kept_by IN ('homeward', 'timescaledb')),
    late_from    timestamptz NOT NULL DEFAULT '2020-01-01 00:00Z',
    rolled_until timestamptz NOT NULL DEFAULT '2020-01-01 00:00Z',
    CHECK (rolled_until <= late_from)
);
INSERT INTO position_rollup DEFAULT VALUES;
COMMENT ON TABLE position_rollup IS 'Who keeps the hourly figures of history, and how far they go';

CREATE VIEW position_hour AS
SELECT person_id, hour, reports, fixes, late, battery_min, battery_max, first_at, last_at, minutes
FROM position_hour_rolled WHERE hour < (SELECT rolled_until FROM position_rollup)
UNION ALL
SELECT person_id, date_bin('1 hour', fix_time, '2000-01-01 00:00Z'), count(*), count(latitude), count(*) FILTER (WHERE backfill),
    min(battery_percent), max(battery_percent), min(fix_time), max(fix_time),
    bit_or(1::bigint << extract(minute FROM fix_time AT TIME ZONE 'UTC')::int)
FROM position WHERE fix_time >= (SELECT rolled_until FROM position_rollup)
GROUP BY 1, 2;

-- The longest run of minutes of a day (UTC) without a report.
CREATE FUNCTION position_longest_gap(hours integer[], minutes bigint[]) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(max(length(run)), 0) FROM regexp_split_to_table(
        (SELECT string_agg(reverse(substring(coalesce(u.m, 0)::bit(64)::text FROM 5)), '' ORDER BY h)
         FROM generate_series(0, 23) h LEFT JOIN unnest(hours, minutes) AS u (n, m) ON u.n = h), '1+') AS run
$$;

-- Its own function, because position_hour is another thing on each edition.
CREATE FUNCTION position_make_day_view() RETURNS void LANGUAGE sql AS $$
    CREATE VIEW position_day AS
    SELECT person_id, (hour AT TIME ZONE 'UTC')::date AS day, sum(reports)::bigint AS reports, sum(fixes)::bigint AS fixes,
        sum(late)::bigint AS late, min(battery_min) AS battery_min, max(battery_max) AS battery_max,
        min(first_at) AS first_at, max(last_at) AS last_at,
        1440 - sum(bit_count(minutes::bit(64)))::int AS silent_minutes,
        position_longest_gap(array_agg(extract(hour FROM hour AT TIME ZONE 'UTC')::int), array_agg(minutes)) AS longest_gap_minutes
    FROM position_hour GROUP BY 1, 2
$$;
SELECT position_make_day_view();

-- What grows, now and then: rates are made of it.
CREATE TABLE capacity_sample (
    taken_at     timestamptz NOT NULL,
    what         text NOT NULL,
    value        bigint NOT NULL,
    PRIMARY KEY (what, taken_at)
);
COMMENT ON TABLE capacity_sample IS 'Last values of sequences, sizes and log positions, for the capacity report';

-- Bytes of history with its indexes.
CREATE FUNCTION position_size() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    size bigint;
BEGIN
    IF to_regclass('position_default') IS NULL THEN
        EXECUTE 'SELECT hypertable_size(''position'')' INTO size;
    ELSE
        SELECT sum(pg_total_relation_size(relid)) INTO size FROM pg_partition_tree('position');
    END IF;
    RETURN coalesce(size, 0);
END $$;

-- The first day of which history has rows; looks into as few of them as there are empty days.
CREATE FUNCTION position_oldest() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    oldest timestamptz;
    child name;
    found boolean;
BEGIN
    IF to_regclass('position_default') IS NULL THEN
        EXECUTE 'SELECT min(range_start) FROM timescaledb_information.chunks
            WHERE hypertable_schema = current_schema() AND hypertable_name = ''position''' INTO oldest;
        RETURN oldest;
    END IF;
    SELECT min(fix_time) INTO oldest FROM position_default;
    FOR child IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'position'::regclass AND c.relname ~ '^position_[0-9]{8}$' ORDER BY 1
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', child) INTO found;
        IF found THEN
            RETURN least(oldest, to_date(right(child, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
    RETURN oldest;
END $$;

-- Rows of days without a partition of their own, counted up to a million.
CREATE FUNCTION position_outside() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    outside bigint := 0;
BEGIN
    IF to_regclass('position_default') IS NOT NULL THEN
        SELECT count(*) INTO outside FROM (SELECT FROM position_default LIMIT 1000000) counted;
    END IF;
    RETURN outside;
END $$;
REVOKE EXECUTE ON FUNCTION position_size, position_oldest, position_outside, position_make_day_view FROM PUBLIC;
