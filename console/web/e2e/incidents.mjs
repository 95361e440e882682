// Incidents that nobody had to wait for.

// As the engine's incidents are, without the months that it would take: triggers are off for the past alone.
export const filling = (count) => `ALTER TABLE incident DISABLE TRIGGER USER;
  INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, ongoing, onset_at, raised_at, version,
    police_agency_id, social_agency_id)
  SELECT gen_random_uuid(), p.person_id, 'long-' || n, (ARRAY['strap_tamper', 'silence', 'battery_low', 'left_during_curfew'])[1 + n % 4], 1 + n % 4,
    'both', 'notified', n % 3 > 0, now() - n * interval '1 minute', now() - n * interval '1 minute', 2,
    p.police_agency_id, p.social_agency_id
  FROM generate_series(1, ${count}) n JOIN (SELECT person_id, police_agency_id, social_agency_id, row_number() OVER (ORDER BY reference) - 1 AS at, count(*) OVER () AS all FROM person WHERE NOT canary) p
    ON p.at = n % p.all;
  ALTER TABLE incident ENABLE TRIGGER USER; ANALYZE incident`;

const RAISE = `WITH raised AS (
    INSERT INTO incident (incident_id, person_id, grouping_key, kind, severity, audience, state, ongoing, onset_at, raised_at, version)
    SELECT gen_random_uuid(), person_id, 'long-new-' || clock_timestamp(), 'strap_tamper', 1, 'both', 'raised', true, now(), now(), 1
    FROM person WHERE NOT canary ORDER BY random() LIMIT 1 RETURNING *
  ), acted AS (
    INSERT INTO incident_action (incident_id, action, acted_at) SELECT incident_id, 'raise', raised_at FROM raised
  )
  SELECT r.incident_id, pg_notify('homeward_incident', json_build_object('incident_id', r.incident_id, 'version', r.version, 'change', 'raised',
    'number', r.number, 'audience', r.audience, 'police_agency_id', p.police_agency_id, 'social_agency_id', p.social_agency_id)::text)
  FROM raised r JOIN person p USING (person_id)`;

/** Raises an incident of somebody, and tells the consoles of it; its id. */
export async function raise(server) {
  const { rows } = await server.sql(RAISE);
  return rows[0].incident_id;
}
