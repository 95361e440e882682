-- An address that is protected later is protected in every revision of the contact: the older ones show what is now kept back.

-- Contacts whose address is kept back from who is at work. A policy of contact_revision cannot ask contact_revision itself.
CREATE VIEW access_hidden_contact WITH (security_barrier) AS
    SELECT r.contact_id FROM contact_revision r
    WHERE r.protected_address AND 'police' <> ALL (coalesce((SELECT access_audiences(current_user)), '{}'));
COMMENT ON VIEW access_hidden_contact IS 'Ids of contacts whose address is or was protected, for who may not see it';

CREATE OR REPLACE VIEW access_contact WITH (security_barrier) AS
    SELECT c.contact_id, c.person_id, c.created_at, r.revision, r.kind, r.name, r.relation, r.phone,
        CASE WHEN p.ever_protected AND NOT (SELECT access_unlimited())
                AND 'police' <> ALL (coalesce((SELECT access_audiences(current_user)), '{}')) THEN '' ELSE r.address END AS address,
        r.protected_address, r.note, r.valid_from, r.valid_until, r.changed_at, r.changed_by, p.ever_protected
    FROM contact c JOIN contact_revision r USING (contact_id)
    CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM contact_revision e WHERE e.contact_id = c.contact_id AND e.protected_address)) p (ever_protected)
    WHERE (SELECT access_unlimited()) OR EXISTS (SELECT FROM access_seen s WHERE s.person_id = c.person_id)
        OR c.person_id IN (SELECT access_contract('contacts', current_user));

-- Who does not see the address cannot take it away, or its protection; also where the police have lifted the protection since.
CREATE OR REPLACE FUNCTION contact_keeps_protection() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known contact_revision;
BEGIN
    IF access_unlimited() OR 'police' = ANY (coalesce(access_audiences(access_role()), '{}'))
        OR NOT EXISTS (SELECT FROM contact_revision r WHERE r.contact_id = NEW.contact_id AND r.protected_address) THEN
        RETURN NEW;
    END IF;
    SELECT * INTO known FROM contact_revision r WHERE r.contact_id = NEW.contact_id ORDER BY r.revision DESC LIMIT 1;
    NEW.address := known.address;
    NEW.protected_address := known.protected_address OR NEW.protected_address;
    RETURN NEW;
END $$;
