-- Which law profiles hold for the people of an agency and of those below it that say nothing of their own; empty: none is prescribed.
ALTER TABLE agency ADD COLUMN law_profiles text[] NOT NULL DEFAULT '{}';

-- Those that orders about a person may be made under: of the nearest agency, on each side, that says so. Empty: any.
CREATE FUNCTION law_profiles_of(person uuid) RETURNS text[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT l ORDER BY l), '{}')
    FROM person p
    JOIN agency own ON own.agency_id IN (p.police_agency_id, p.social_agency_id)
    CROSS JOIN LATERAL (SELECT a.law_profiles FROM agency a WHERE a.path @> own.path AND a.law_profiles <> '{}'
        ORDER BY nlevel(a.path) DESC LIMIT 1) n
    CROSS JOIN LATERAL unnest(n.law_profiles) l
    WHERE p.person_id = $1
$$;

CREATE FUNCTION supervision_order_law() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    prescribed text[];
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        prescribed := law_profiles_of(NEW.person_id);
        IF prescribed <> '{}' AND NEW.profile <> ALL (prescribed) THEN
            RAISE EXCEPTION 'order %: the agencies of this person prescribe the law profile %, not %', NEW.order_id,
                array_to_string(prescribed, ' or '), NEW.profile
                USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_law';
        END IF;
    ELSIF NEW.profile <> 'generic' AND NEW.ends_at > OLD.ends_at AND NOT EXISTS (SELECT FROM order_extension e JOIN order_approval a USING (extension_id)
            WHERE e.order_id = NEW.order_id AND a.decision = 'approved' AND e.to_end = NEW.ends_at AND e.from_end = OLD.ends_at) THEN
        -- An extension is so long from the end that it was asked from; from another end it would be another.
        RAISE EXCEPTION 'order %: the extension was asked from another end than %', NEW.order_id, OLD.ends_at
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_extended_from';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER supervision_order_law BEFORE INSERT OR UPDATE OF ends_at ON supervision_order FOR EACH ROW EXECUTE FUNCTION supervision_order_law();

-- What is on record of an order stays: a revocation is not taken back, the beginning of its force does not move, nor does its term's while
-- it is in force; and records go only by a deletion that says so.
CREATE FUNCTION supervision_order_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NEW;
    END IF;
    IF OLD.revoked_at IS NOT NULL AND (NEW.revoked_at IS NULL OR NEW.revoked_at > OLD.revoked_at) THEN
        RAISE EXCEPTION 'order %: a revocation is not taken back; make a new order', OLD.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_stays';
    END IF;
    IF OLD.effective_from IS NOT NULL AND (NEW.effective_from IS NULL OR NEW.effective_from < OLD.effective_from OR NEW.starts_at < OLD.starts_at) THEN
        RAISE EXCEPTION 'order %: there is no basis for a time before it took effect', OLD.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER supervision_order_stays BEFORE UPDATE ON supervision_order FOR EACH ROW EXECUTE FUNCTION supervision_order_stays();

CREATE FUNCTION order_record_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('homeward.erasure', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'rows of % are only added (a deletion by law says SET LOCAL homeward.erasure = ''on'' first)', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'order_record_kept';
END $$;
CREATE TRIGGER order_record_kept BEFORE DELETE ON order_revision FOR EACH ROW EXECUTE FUNCTION order_record_kept();
CREATE TRIGGER order_record_kept BEFORE DELETE ON order_approval FOR EACH ROW EXECUTE FUNCTION order_record_kept();
CREATE TRIGGER order_record_kept BEFORE DELETE ON order_extension FOR EACH ROW EXECUTE FUNCTION order_record_kept();
CREATE TRIGGER order_record_kept BEFORE DELETE ON order_notice FOR EACH ROW EXECUTE FUNCTION order_record_kept();
CREATE TRIGGER order_record_kept BEFORE DELETE ON order_past_term FOR EACH ROW EXECUTE FUNCTION order_record_kept();
