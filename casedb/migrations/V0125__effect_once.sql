-- More of what roles may not write by hand (V0100): when an order took effect, how often an incident was changed, revisions to come, and
-- devices that somebody outside of the own agencies wears.

-- An order takes effect once. Only where it had lapsed it does so anew, and the stretch until then is on record: without that all that was
-- monitored in it would be without a basis, and go.
CREATE FUNCTION order_effect_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('supervision_order', NEW.order_id::text, CASE WHEN OLD.effective_from IS NOT NULL AND NOT EXISTS (
        SELECT FROM order_past_term t WHERE t.order_id = NEW.order_id AND t.starts_at = GREATEST(OLD.starts_at, OLD.effective_from)
            AND t.ends_at = OLD.lapses_at) THEN 'it took effect before, and what was monitored since then has its basis in that' END);
    RETURN NULL;
END $$;
CREATE TRIGGER order_effect_of_role AFTER UPDATE ON supervision_order FOR EACH ROW
    WHEN (OLD.effective_from IS DISTINCT FROM NEW.effective_from AND NOT access_unlimited()) EXECUTE FUNCTION order_effect_of_role();

-- Each record of an incident is one version; a statement of the program writes a few of them. When it was acknowledged is known with by whom.
CREATE FUNCTION incident_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('incident', NEW.incident_id::text, CASE
        WHEN NEW.version NOT BETWEEN OLD.version AND OLD.version + 100 THEN 'its version is the number of its changes'
        WHEN NEW.acknowledged_at IS DISTINCT FROM OLD.acknowledged_at AND NEW.acknowledged_by IS NOT DISTINCT FROM OLD.acknowledged_by
            THEN 'when it was acknowledged is known with by whom' END);
    RETURN NULL;
END $$;
CREATE TRIGGER incident_of_role AFTER UPDATE ON incident FOR EACH ROW WHEN (NOT access_unlimited()) EXECUTE FUNCTION incident_of_role();

-- A revision is the next one: after the highest number nobody could write another.
CREATE FUNCTION contact_revision_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('contact_revision', NEW.contact_id::text, CASE WHEN NEW.revision <> 1 + (SELECT coalesce(max(r.revision), 0)
        FROM contact_revision r WHERE r.contact_id = NEW.contact_id AND r.revision <> NEW.revision) THEN 'it is not the next revision' END);
    RETURN NULL;
END $$;
CREATE TRIGGER contact_revision_of_role AFTER INSERT ON contact_revision FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION contact_revision_of_role();

REVOKE ALL ON FUNCTION order_effect_of_role(), incident_of_role(), contact_revision_of_role() FROM PUBLIC;

-- Nobody wears the device, or somebody of an agency that the role is in charge of.
CREATE FUNCTION access_keeps_device(device uuid, role name) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM device_assignment a LEFT JOIN person p USING (person_id) LEFT JOIN protected_person k USING (protected_id)
        WHERE a.device_id = $1 AND a.ended_at IS NULL
            AND NOT EXISTS (SELECT FROM access_subtree($2) s WHERE s IN (p.police_agency_id, p.social_agency_id, k.police_agency_id)))
$$;
REVOKE ALL ON FUNCTION access_keeps_device(uuid, name) FROM PUBLIC;
