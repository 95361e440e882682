-- A user's role writes into the audit only what it does itself and is no change of a row: breaking the glass. Deletions, exports and the
-- like are the program's words, and excuse rows that are missing.
CREATE OR REPLACE FUNCTION audit_append(act text, about_table text, about_key text, detail jsonb) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who record;
    made bigint;
BEGIN
    SELECT * INTO who FROM audit_actor();
    IF who.as_role <> '' AND act <> 'break_glass' AND NOT access_unlimited() THEN
        RAISE EXCEPTION 'the act % is not for the role % to write down', act, who.as_role USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, detail)
    VALUES (who.kind, who.name, who.as_role, act, about_table, about_key, detail::text) RETURNING pending_id INTO made;
    RETURN made;
END $$;
