-- {incidents} and {people} are replaced. A country of 5 provinces, 100 counties and 400 stations, each with police and social work;
-- invented people, two or three open incidents each; users of all levels.
INSERT INTO agency (agency_id, path, name, kind, time_zone)
SELECT gen_random_uuid(), path::ltree, 'Agency ' || path, kind, 'Asia/Shanghai' FROM (
    SELECT 'q' AS path, 'administration' AS kind
    UNION ALL SELECT 'q.p' || p, 'administration' FROM generate_series(1, 5) p
    UNION ALL SELECT 'q.p' || p || '.' || b.word, b.kind FROM generate_series(1, 5) p, (VALUES ('police', 'police'), ('social', 'social_work')) b (word, kind)
    UNION ALL SELECT 'q.p' || p || '.' || b.word || '.c' || c, b.kind
        FROM generate_series(1, 5) p, (VALUES ('police', 'police'), ('social', 'social_work')) b (word, kind), generate_series(1, 20) c
    UNION ALL SELECT 'q.p' || p || '.' || b.word || '.c' || c || '.s' || s, b.kind
        FROM generate_series(1, 5) p, (VALUES ('police', 'police'), ('social', 'social_work')) b (word, kind), generate_series(1, 20) c,
            generate_series(1, 4) s
) a;

INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash)
SELECT gen_random_uuid(), u.username, 'Invented ' || u.username, u.role, a.agency_id, '!'
FROM (VALUES ('nation', 'supervisor', 'q'), ('province', 'duty_officer', 'q.p1.police'), ('county', 'duty_officer', 'q.p2.police.c3'),
    ('station', 'duty_officer', 'q.p3.police.c4.s2'), ('social', 'social_worker', 'q.p1.social'),
    ('social-county', 'social_worker', 'q.p2.social.c3'), ('supervisor', 'supervisor', 'q.p4')) AS u (username, role, path)
JOIN agency a ON a.path = u.path::ltree;

CREATE TEMP TABLE station ON COMMIT DROP AS
SELECT (row_number() OVER (ORDER BY p.path) - 1)::int AS place, p.agency_id AS police, s.agency_id AS social
FROM agency p JOIN agency s ON s.path = replace(p.path::text, '.police.', '.social.')::ltree
WHERE p.path ~ 'q.*.police.*{2}'::lquery;

INSERT INTO person (person_id, reference, display_name, risk_level, police_agency_id, social_agency_id, time_zone)
SELECT ('0c000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'Q-' || n, 'Invented person ' || n, n % 4 + 1, s.police, s.social,
    'Asia/Shanghai'
FROM generate_series(0, {people} - 1) AS n JOIN station s ON s.place = n % 400;

INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
SELECT gen_random_uuid(), person_id, 'bench', now() - interval '90 days', now() + interval '90 days' FROM person;

INSERT INTO zone (zone_id, label, kind, audience)
SELECT ('0c000000-0000-7000-a000-' || lpad(to_hex(n), 12, '0'))::uuid, 'Zone ' || n, 'inclusion',
    CASE WHEN n % 20 = 0 THEN 'police' ELSE 'both' END
FROM generate_series(0, 4999) AS n;

CREATE TEMP TABLE officer ON COMMIT DROP AS
SELECT user_id, (row_number() OVER (ORDER BY username) - 1)::int AS n FROM app_user;

INSERT INTO incident (incident_id, person_id, grouping_key, kind, zone_id, severity, audience, state, ongoing, onset_at, ended_at,
    raised_at, acknowledged_at, acknowledged_by, version, police_agency_id, social_agency_id)
SELECT ('0c000000-0000-7000-b000-' || lpad(to_hex(m), 12, '0'))::uuid, p.person_id, 'bench-' || m,
    (ARRAY['exclusion_entry', 'left_during_curfew', 'silence', 'battery_low'])[severity],
    CASE WHEN severity <= 2 THEN ('0c000000-0000-7000-a000-' || lpad(to_hex(m % 5000), 12, '0'))::uuid END,
    severity, CASE WHEN m % 10 = 0 THEN 'police' WHEN m % 20 = 1 THEN 'social_work' ELSE 'both' END,
    CASE WHEN m % 5 < 4 THEN 'notified' WHEN m % 20 = 4 THEN 'in_action' ELSE 'acknowledged' END, m % 3 = 0, at - interval '1 minute',
    CASE WHEN m % 3 <> 0 THEN at + interval '10 minutes' END, at, CASE WHEN m % 5 = 4 THEN at + interval '5 minutes' END,
    CASE WHEN m % 5 = 4 THEN o.user_id END, 2, p.police_agency_id, p.social_agency_id
FROM generate_series(0, {incidents} - 1) AS m
CROSS JOIN LATERAL (SELECT CASE WHEN m % 100 < 3 THEN 1 WHEN m % 100 < 20 THEN 2 WHEN m % 100 < 70 THEN 3 ELSE 4 END AS severity,
    now() - interval '60 days' * ((m::bigint * 7919) % {incidents}) / {incidents} AS at) drawn
JOIN officer o ON o.n = m / 5 % 7
JOIN person p ON p.person_id = ('0c000000-0000-7000-9000-' || lpad(to_hex((m::bigint * 104729) % {people}), 12, '0'))::uuid;

INSERT INTO incident_action (incident_id, action, acted_at)
SELECT incident_id, word.action, raised_at FROM incident, (VALUES (1, 'raise'), (2, 'notify')) AS word (place, action);
