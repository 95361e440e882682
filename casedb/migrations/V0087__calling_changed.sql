-- Who can be called, how, about whom or by which ladder has changed, by whatever hand: workers hear of it with the commit, and look whether somebody can
-- still be called at every instant.
CREATE FUNCTION calling_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY homeward_calling;
    RETURN NULL;
END $$;

CREATE TRIGGER calling_changed AFTER INSERT OR DELETE OR UPDATE OF role, agency_id, disabled_at, email, phone ON app_user
    FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR DELETE OR UPDATE OF path, kind, disabled_at ON agency
    FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR UPDATE OF police_agency_id, social_agency_id ON person
    FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR DELETE ON push_subscription FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR DELETE ON absence FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR DELETE ON ladder_revision FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR DELETE ON ladder_assignment FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
CREATE TRIGGER calling_changed AFTER INSERT OR DELETE ON rota_revision FOR EACH STATEMENT EXECUTE FUNCTION calling_changed();
