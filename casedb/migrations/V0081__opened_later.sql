-- What a zone was for before it was opened to the other side stays that side's: its older revisions, as V0073 holds it for contacts.

-- For whom a zone was until when.
CREATE TABLE zone_past_audience (
    zone_id  uuid NOT NULL REFERENCES zone,
    until_at timestamptz NOT NULL,
    audience text NOT NULL CHECK (audience IN ('police', 'social_work', 'both')),
    PRIMARY KEY (zone_id, until_at)
);
COMMENT ON TABLE zone_past_audience IS 'For whom a zone was before its audience was changed, and until when';

CREATE FUNCTION zone_audience_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO zone_past_audience (zone_id, until_at, audience) VALUES (OLD.zone_id, clock_timestamp(), OLD.audience);
    RETURN NULL;
END $$;
CREATE TRIGGER zone_audience_changed AFTER UPDATE OF audience ON zone FOR EACH ROW WHEN (NEW.audience <> OLD.audience)
    EXECUTE FUNCTION zone_audience_changed();

-- What is on record of before.
INSERT INTO zone_past_audience (zone_id, until_at, audience)
SELECT DISTINCT ON (n.zone_id, n.published_at) n.zone_id, n.published_at, b.audience
FROM zone_publication n JOIN zone_publication b ON b.person_id = n.person_id AND b.zone_id = n.zone_id AND b.number = n.number - 1
WHERE b.audience <> n.audience ORDER BY n.zone_id, n.published_at, b.audience;

-- Revisions that stood while the zone was not for who is at work. What holds now is for whom the zone is now. A policy of zone_revision
-- cannot ask zone_revision itself.
CREATE VIEW access_hidden_revision WITH (security_barrier) AS
    SELECT r.zone_id, r.revision FROM zone_revision r
    WHERE EXISTS (SELECT FROM zone_past_audience p WHERE p.zone_id = r.zone_id AND r.created_at <= p.until_at
            AND p.audience <> ALL (coalesce((SELECT access_audiences(current_user)), '{}')))
        AND EXISTS (SELECT FROM zone_revision n WHERE n.zone_id = r.zone_id AND n.revision > r.revision);
COMMENT ON VIEW access_hidden_revision IS 'Revisions of zones from before they were for whom they are now, for who may not see them';

-- Which roles an agency has work for: service providers in agencies of that kind and nobody else there, social workers in social work.
-- The program says it first (casedb/src/account.rs); of the owner of the tables nothing is asked, as older accounts stay.
CREATE FUNCTION app_user_fits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    place text;
BEGIN
    SELECT a.kind INTO place FROM agency a WHERE a.agency_id = NEW.agency_id;
    IF access_unlimited() OR ((NEW.role = 'service_provider') = (place = 'service_provider') AND NOT (NEW.role = 'social_worker' AND place = 'police')) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'account %: an agency of the kind % has no %', NEW.user_id, place, NEW.role
        USING ERRCODE = 'check_violation', CONSTRAINT = 'app_user_fits';
END $$;
CREATE TRIGGER app_user_fits_new AFTER INSERT ON app_user FOR EACH ROW EXECUTE FUNCTION app_user_fits();
CREATE TRIGGER app_user_fits AFTER UPDATE OF role, agency_id ON app_user FOR EACH ROW
    WHEN ((NEW.role, NEW.agency_id) IS DISTINCT FROM (OLD.role, OLD.agency_id)) EXECUTE FUNCTION app_user_fits();
