-- $1: protocol; $2: identities, the first of device 0; $3: secrets. A device's number is its model. Each is worn by the person of its number.
WITH made AS (
    INSERT INTO device (device_id, protocol, identity, secret, model)
    SELECT ('0b000000-0000-7000-b000-' || lpad(to_hex(d.n - 1), 12, '0'))::uuid, $1, d.identity, d.secret, (d.n - 1)::text
    FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS d (identity, secret, n)
    RETURNING device_id, model::bigint AS n)
INSERT INTO device_assignment (assignment_id, device_id, person_id, assigned_at)
SELECT ('0b000000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid, device_id,
    ('0b000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, now() - interval '20 days'
FROM made
