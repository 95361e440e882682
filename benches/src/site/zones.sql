-- {last} is replaced. What people 0 to {last} walk through (`load/walk.rs`): a home to the west of their block, with a curfew of an hour and
-- a half every three hours, and a forbidden place to the east of it.
WITH people AS (
    SELECT n, lpad(to_hex(n), 12, '0') AS id, 44.0 + (n % 200) * 0.01 AS latitude, 7.0 + (n / 200 % 200) * 0.01 AS longitude
    FROM generate_series(0, {last}) AS n
), zones AS (
    SELECT n, ('0b000000-0000-7000-8002-' || id)::uuid AS zone_id, 'home' AS label, 'inclusion' AS kind,
        longitude - 0.001 AS longitude, latitude, 60.0 AS radius_m, 0.0 AS buffer_m,
        (SELECT jsonb_build_object('weekly', jsonb_agg(jsonb_build_object('weekday', day,
                'start', to_char(hour, 'FM00') || ':00', 'end', to_char(hour + 1, 'FM00') || ':30')))
            FROM generate_series(1, 7) AS day, generate_series(0, 21, 3) AS hour) AS schedule
    FROM people
    UNION ALL
    SELECT n, ('0b000000-0000-7000-8003-' || id)::uuid, 'forbidden', 'exclusion', longitude + 0.001, latitude, 50.0, 15.0, NULL
    FROM people
), made AS (
    INSERT INTO zone (zone_id, label, kind) SELECT zone_id, label || ' ' || n, kind FROM zones RETURNING zone_id
), shaped AS (
    INSERT INTO zone_revision (zone_id, revision, geometry, radius_m, buffer_m)
    SELECT zone_id, 1, jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(longitude, latitude)), radius_m, buffer_m
    FROM zones JOIN made USING (zone_id) RETURNING zone_id
)
INSERT INTO person_zone (person_id, zone_id, schedule)
SELECT ('0b000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, zone_id, schedule FROM zones JOIN shaped USING (zone_id);
