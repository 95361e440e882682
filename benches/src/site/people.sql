-- {last} is replaced. People 0 to {last}, each with an order in force; the devices come after them.
INSERT INTO agency (agency_id, path, name, kind, time_zone)
VALUES ('0b000000-0000-7000-8000-000000000000', 'bench', 'Bench', 'police', 'UTC')
ON CONFLICT DO NOTHING;

INSERT INTO person (person_id, reference, display_name, police_agency_id, social_agency_id, time_zone)
SELECT ('0b000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'B-' || n, 'Person ' || n,
    '0b000000-0000-7000-8000-000000000000', '0b000000-0000-7000-8000-000000000000', 'UTC'
FROM generate_series(0, {last}) AS n;

INSERT INTO supervision_order (order_id, person_id, legal_basis, starts_at, ends_at)
SELECT ('0b000000-0000-7000-a000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('0b000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 'bench',
    now() - interval '30 days', now() + interval '30 days'
FROM generate_series(0, {last}) AS n;

INSERT INTO person_rules (person_id, reporting_interval_s, silence_after_s)
SELECT ('0b000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 60, 604800
FROM generate_series(0, {last}) AS n
ON CONFLICT DO NOTHING;

