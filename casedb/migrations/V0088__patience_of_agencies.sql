-- For how long an acknowledgement, and action without a further sign, holds at P1 to P4, in minutes: of an agency, and of those below it that say
-- nothing of their own. NULL: what the agency above says, and at the top the installation's settings.
ALTER TABLE agency
    ADD COLUMN acknowledged_min integer[],
    ADD COLUMN in_action_min    integer[],
    ADD CONSTRAINT agency_patience CHECK (
        acknowledged_min IS NULL AND in_action_min IS NULL
        OR (cardinality(acknowledged_min) = 4 AND cardinality(in_action_min) = 4
            AND acknowledged_min[1] BETWEEN 1 AND acknowledged_min[2] AND acknowledged_min[3] BETWEEN acknowledged_min[2] AND acknowledged_min[4]
            AND in_action_min[1] BETWEEN acknowledged_min[1] AND in_action_min[2] AND in_action_min[3] BETWEEN in_action_min[2] AND in_action_min[4]
            AND in_action_min[2] >= acknowledged_min[2] AND in_action_min[3] >= acknowledged_min[3]
            AND in_action_min[4] BETWEEN acknowledged_min[4] AND 10080) IS TRUE);

-- What holds for a user who takes an incident on: what is said for the agency responsible on the user's side, or, of what concerns no agency, for the
-- user's own. No row: nobody says anything.
CREATE FUNCTION incident_patience(incident uuid, by_user uuid) RETURNS TABLE (acknowledged_min integer[], in_action_min integer[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT n.acknowledged_min, n.in_action_min
    FROM incident i LEFT JOIN person p USING (person_id)
    JOIN app_user u ON u.user_id = $2
    JOIN agency own ON own.agency_id = u.agency_id
    JOIN agency near ON near.agency_id = coalesce(CASE own.kind WHEN 'social_work' THEN coalesce(p.social_agency_id, i.social_agency_id)
        ELSE coalesce(p.police_agency_id, i.police_agency_id) END, own.agency_id)
    CROSS JOIN LATERAL (SELECT a.acknowledged_min, a.in_action_min FROM agency a WHERE a.path @> near.path AND a.acknowledged_min IS NOT NULL
        ORDER BY nlevel(a.path) DESC LIMIT 1) n
    WHERE i.incident_id = $1
$$;
REVOKE ALL ON FUNCTION incident_patience(uuid, uuid) FROM PUBLIC;
