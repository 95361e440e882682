-- An order lapses where its law knows reviews, and nowhere else: set by hand, a lapse would interrupt its term, and moved on it would mend it
-- again, as if somebody had been under supervision all the time.
CREATE FUNCTION order_lapse_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('supervision_order', NEW.order_id::text, CASE WHEN law_review_months(NEW.profile) IS NULL
        THEN 'its law knows no reviews, so it does not lapse' END);
    RETURN NULL;
END $$;
CREATE TRIGGER order_lapse_of_role AFTER UPDATE ON supervision_order FOR EACH ROW
    WHEN (OLD.lapses_at IS DISTINCT FROM NEW.lapses_at AND NOT access_unlimited()) EXECUTE FUNCTION order_lapse_of_role();
REVOKE ALL ON FUNCTION order_lapse_of_role() FROM PUBLIC;
