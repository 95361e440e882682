-- {last} and {protocol} are replaced. Device n: identity and secret as load/session.rs has them, its number as the model.
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

INSERT INTO device (device_id, protocol, identity, secret, model)
SELECT ('0b000000-0000-7000-b000-' || lpad(to_hex(n), 12, '0'))::uuid, '{protocol}',
    '139' || lpad(n::text, 8, '0'), convert_to('c' || n, 'UTF8'), n::text
FROM generate_series(0, {last}) AS n;

INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at)
SELECT ('0b000000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('0b000000-0000-7000-b000-' || lpad(to_hex(n), 12, '0'))::uuid,
    ('0b000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, now() - interval '20 days'
FROM generate_series(0, {last}) AS n;

ANALYZE person;
ANALYZE supervision_order;
ANALYZE device;
ANALYZE device_assignment;
