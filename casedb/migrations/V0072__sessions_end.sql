-- Open pages learn at once that a session has ended, or that its user is another: disabled, in another role or agency.
CREATE FUNCTION session_ended_told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('homeward_session', OLD.user_id::text);
    RETURN NULL;
END $$;
CREATE TRIGGER session_ended_told AFTER DELETE ON user_session FOR EACH ROW EXECUTE FUNCTION session_ended_told();
CREATE TRIGGER user_changed_told AFTER UPDATE ON app_user FOR EACH ROW
    WHEN ((OLD.role, OLD.agency_id, OLD.disabled_at) IS DISTINCT FROM (NEW.role, NEW.agency_id, NEW.disabled_at))
    EXECUTE FUNCTION session_ended_told();
