-- How long an order and an extension may be is asked of SQL by hand too, and not only when they take effect.

-- The calendar months that a profile allows, of an order or of an extension; NULL: any. `homeward migrate` writes them from
-- casedb/law/*.toml.
CREATE FUNCTION law_term_months(text, boolean) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT NULL::integer';

-- The latest end of a term of so many calendar months. Three hours are for the program's and the server's time-zone data, where they
-- differ, and for local times that come twice; where the server does not know the zone, a day and UTC.
CREATE FUNCTION law_latest_end(starts timestamptz, months integer, zone text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (starts AT TIME ZONE zone + make_interval(months => months)) AT TIME ZONE zone + interval '3 hours';
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN (starts AT TIME ZONE 'UTC' + make_interval(months => months)) AT TIME ZONE 'UTC' + interval '1 day';
END $$;

CREATE FUNCTION supervision_order_term() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    months integer := law_term_months(NEW.profile, false);
BEGIN
    -- A later end than before is an extension's, which has a limit of its own.
    IF months IS NULL OR current_setting('homeward.import', true) = 'on' OR (TG_OP = 'UPDATE' AND NEW.starts_at >= OLD.starts_at) THEN
        RETURN NEW;
    END IF;
    IF NEW.ends_at > law_latest_end(NEW.starts_at, months, (SELECT p.time_zone FROM person p WHERE p.person_id = NEW.person_id)) THEN
        RAISE EXCEPTION 'order %: a term under the law profile % is at most % calendar months', NEW.order_id, NEW.profile, months
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_term';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER supervision_order_term BEFORE INSERT OR UPDATE OF starts_at ON supervision_order
    FOR EACH ROW EXECUTE FUNCTION supervision_order_term();

CREATE FUNCTION order_extension_term() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    months integer;
    named  text;
    zone   text;
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NEW;
    END IF;
    SELECT law_term_months(o.profile, true), o.profile, p.time_zone INTO months, named, zone
    FROM supervision_order o JOIN person p USING (person_id) WHERE o.order_id = NEW.order_id;
    IF NEW.to_end > law_latest_end(NEW.from_end, months, zone) THEN
        RAISE EXCEPTION 'extension %: under the law profile % it is at most % calendar months', NEW.extension_id, named, months
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_extension_term';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER order_extension_term BEFORE INSERT ON order_extension FOR EACH ROW EXECUTE FUNCTION order_extension_term();

-- An import brings orders as they were: past approval, steps and terms. Only who owns the table imports; a role that says so of itself is
-- refused, before the other triggers look at the word.
CREATE FUNCTION import_by_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('homeward.import', true) = 'on'
        AND NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RAISE EXCEPTION 'rows of % are imported by the owner of the tables alone', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER a_import_by_owner BEFORE INSERT OR UPDATE ON supervision_order FOR EACH ROW EXECUTE FUNCTION import_by_owner();
CREATE TRIGGER a_import_by_owner BEFORE INSERT ON order_extension FOR EACH ROW EXECUTE FUNCTION import_by_owner();
