-- The queue stays quick when it is long: what a list is filtered by lies in the row and in the index, not in the person's row.

-- The person's agencies, as they are now; two triggers keep them so. An incident of nobody has none, or those it was given.
ALTER TABLE incident ADD COLUMN police_agency_id uuid REFERENCES agency, ADD COLUMN social_agency_id uuid REFERENCES agency;
UPDATE incident i SET police_agency_id = p.police_agency_id, social_agency_id = p.social_agency_id
FROM person p WHERE p.person_id = i.person_id;

CREATE FUNCTION incident_agencies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.person_id IS NOT NULL THEN
        SELECT p.police_agency_id, p.social_agency_id INTO NEW.police_agency_id, NEW.social_agency_id
        FROM person p WHERE p.person_id = NEW.person_id;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER incident_agencies BEFORE INSERT OR UPDATE OF person_id ON incident
    FOR EACH ROW EXECUTE FUNCTION incident_agencies();

CREATE FUNCTION person_agencies_of_incidents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE incident SET police_agency_id = NEW.police_agency_id, social_agency_id = NEW.social_agency_id
    WHERE person_id = NEW.person_id;
    RETURN NULL;
END $$;
CREATE TRIGGER person_agencies_of_incidents AFTER UPDATE OF police_agency_id, social_agency_id ON person
    FOR EACH ROW
    WHEN ((OLD.police_agency_id, OLD.social_agency_id) IS DISTINCT FROM (NEW.police_agency_id, NEW.social_agency_id))
    EXECUTE FUNCTION person_agencies_of_incidents();

-- In the order of the queue, with all that decides who sees a row: pages and counts are read from the index alone.
CREATE INDEX incident_queue ON incident (severity, (NOT ongoing), raised_at, incident_id)
    INCLUDE (ongoing, police_agency_id, social_agency_id, person_id, audience, acknowledged_by) WHERE state <> 'closed';
DROP INDEX incident_open;
CREATE INDEX incident_mine ON incident (acknowledged_by, severity) WHERE state <> 'closed';
CREATE INDEX incident_closed ON incident (closed_at DESC, incident_id)
    INCLUDE (police_agency_id, social_agency_id, person_id, audience) WHERE state = 'closed';

-- Every id has 64 bits. A protocol that has room for 31 gets a number folded into them (casedb::command).
ALTER SEQUENCE device_command_reference AS bigint;
ALTER TABLE device_command ALTER COLUMN reference TYPE bigint;
