-- Who approves is asked of SQL by hand too: role, agency and its level, its branch, and somebody else than who proposed; of orders, of
-- extensions, of leave and of reviews. The rules are those of casedb/src/law/{check,leave}.rs, and a test holds the two against each other.
-- Triggers after the row: what row-level security refuses it refuses first. Rows of before stay as they are.

-- What a profile asks of an approver, and of the approver of leave, shortest tier first. `homeward migrate` writes them from casedb/law/*.toml.
CREATE FUNCTION law_approval(text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT NULL::jsonb';
CREATE FUNCTION law_leave_tiers(text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT NULL::jsonb';

-- What rules look at in a user who decides for a person; no row where the user is disabled.
CREATE FUNCTION law_approver(who uuid, person uuid)
RETURNS TABLE (role text, username text, agency_id uuid, level text, branch text, responsible boolean, above boolean) LANGUAGE sql STABLE AS $$
    SELECT u.role, u.username, a.agency_id, a.level, CASE a.kind WHEN 'service_provider' THEN 'social_work' ELSE a.kind END,
        EXISTS (SELECT FROM agency g WHERE g.agency_id IN (p.police_agency_id, p.social_agency_id) AND g.path <@ a.path),
        EXISTS (SELECT FROM agency g WHERE g.agency_id IN (p.police_agency_id, p.social_agency_id) AND g.path <@ a.path AND g.path <> a.path)
    FROM app_user u JOIN agency a ON a.agency_id = u.agency_id CROSS JOIN person p
    WHERE u.user_id = $1 AND p.person_id = $2 AND u.disabled_at IS NULL
$$;

-- Of a user's role: a decision is the user's own and of now. The program itself is not asked (it replays, and it tests).
CREATE FUNCTION law_own_and_now(who uuid, decided timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT access_unlimited() OR coalesce($1 = access_user()
        AND $2 BETWEEN clock_timestamp() - interval '1 hour' AND clock_timestamp() + interval '1 hour', false)
$$;

CREATE FUNCTION order_approval_lawful() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    o        supervision_order;
    asked    order_extension;
    law      jsonb;
    approver record;
    wrong    text;
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NULL;
    END IF;
    SELECT * INTO o FROM supervision_order s WHERE s.order_id = NEW.order_id;
    SELECT * INTO asked FROM order_extension e WHERE e.extension_id = NEW.extension_id AND e.order_id = NEW.order_id;
    law := law_approval(o.profile);
    SELECT * INTO approver FROM law_approver(NEW.decided_by, o.person_id);
    wrong := CASE
        WHEN coalesce(law ->> 'authority', 'none') = 'none' THEN 'its law profile knows no approval'
        WHEN NEW.extension_id IS NOT NULL AND asked.extension_id IS NULL THEN 'the extension is of another order'
        WHEN o.revoked_at IS NOT NULL OR o.ends_at <= NEW.decided_at THEN 'the order is over'
        WHEN NEW.extension_id IS NOT NULL AND NEW.decision = 'approved' AND asked.from_end <> o.ends_at
            THEN 'the extension was asked from another end'
        WHEN law ->> 'authority' = 'court' AND NOT (incident_worded(NEW.court) AND incident_worded(NEW.reference))
            THEN 'a judge orders it: name the court and the reference of its decision'
        WHEN law ->> 'authority' = 'user' AND (NEW.court <> '' OR NEW.reference <> '') THEN 'a user approves, not a court'
        WHEN approver.role IS NULL OR (NEW.role, NEW.agency_id, NEW.agency_level)
            IS DISTINCT FROM (approver.role, approver.agency_id, approver.level) THEN 'role, agency and level are not those of who decides'
        WHEN NOT law -> 'roles' ? approver.role THEN format('the role %s does not approve', approver.role)
        WHEN law ->> 'level' IS NOT NULL AND approver.level IS DISTINCT FROM law ->> 'level'
            THEN format('an agency of level %s approves, not %s', law ->> 'level', coalesce(approver.level, 'one without a level'))
        WHEN jsonb_array_length(law -> 'branches') > 0 AND NOT law -> 'branches' ? approver.branch
            THEN format('the branch %s does not approve', approver.branch)
        WHEN NOT approver.responsible THEN 'the approver''s agency is not responsible for the person'
        -- A court's decision is entered, not made: whoever proposed may enter it.
        WHEN law ->> 'authority' = 'user'
            AND NEW.decided_by = CASE WHEN NEW.extension_id IS NULL THEN o.made_by ELSE asked.requested_by END
            THEN 'who proposes does not approve'
        WHEN NEW.decision = 'refused' AND NOT incident_worded(NEW.reason) THEN 'a refusal needs a reason'
        WHEN NOT law_own_and_now(NEW.decided_by, NEW.decided_at) THEN 'users decide for themselves, and when they do'
    END;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'approval of order %: % (law profile %)', NEW.order_id, wrong, o.profile
            USING ERRCODE = 'check_violation', CONSTRAINT = 'order_approval_lawful';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_approval_lawful AFTER INSERT ON order_approval FOR EACH ROW EXECUTE FUNCTION order_approval_lawful();

-- Who drew an order up is who may not approve it: that stays, as does whose order it is.
CREATE FUNCTION supervision_order_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'order %: whose it is, and who drew it up, stays', OLD.order_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_made';
END $$;
CREATE TRIGGER supervision_order_made AFTER UPDATE OF order_id, person_id, made_by, created_at ON supervision_order FOR EACH ROW
    WHEN ((NEW.order_id, NEW.person_id, NEW.made_by, NEW.created_at) IS DISTINCT FROM (OLD.order_id, OLD.person_id, OLD.made_by, OLD.created_at))
    EXECUTE FUNCTION supervision_order_made();

-- A stretch that is over by a missed review: of this order, while it was in force, up to its lapse; and so no way to a basis that nobody
-- approved, nor one that outlives its revocation.
CREATE FUNCTION order_past_term_lawful() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF current_setting('homeward.import', true) = 'on' OR EXISTS (SELECT FROM supervision_order o
        WHERE o.order_id = NEW.order_id AND o.person_id = NEW.person_id AND NEW.starts_at >= GREATEST(o.starts_at, o.effective_from)
            AND o.effective_from IS NOT NULL AND o.lapses_at IS NOT NULL AND NEW.ends_at <= LEAST(o.lapses_at, o.ends_at, o.revoked_at)
            AND (access_unlimited() OR NEW.ends_at <= clock_timestamp() + interval '1 minute')) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'order %: it was not in force from % to %', NEW.order_id, NEW.starts_at, NEW.ends_at
        USING ERRCODE = 'check_violation', CONSTRAINT = 'order_past_term_lawful';
END $$;
CREATE TRIGGER order_past_term_lawful AFTER INSERT ON order_past_term FOR EACH ROW EXECUTE FUNCTION order_past_term_lawful();

-- Who reviews: who could approve, where the profile names roles; who handles cases, where it does not.
CREATE FUNCTION order_review_lawful() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named text;
    roles jsonb;
    found text;
BEGIN
    IF current_setting('homeward.import', true) = 'on' OR NEW.outcome IS NULL OR (TG_OP = 'UPDATE' AND OLD.outcome IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    SELECT o.profile, law_approval(o.profile) -> 'roles', a.role INTO named, roles, found
    FROM supervision_order o LEFT JOIN LATERAL law_approver(NEW.done_by, o.person_id) a ON true WHERE o.order_id = NEW.order_id;
    IF roles IS NULL OR jsonb_array_length(roles) = 0 THEN
        roles := '["duty_officer", "social_worker", "supervisor"]';
    END IF;
    IF NOT coalesce(roles ? found, false) OR NOT law_own_and_now(NEW.done_by, NEW.done_at) THEN
        RAISE EXCEPTION 'review of order %: the role % does not review (law profile %), or does it for another', NEW.order_id,
            coalesce(found, 'none'), named USING ERRCODE = 'check_violation', CONSTRAINT = 'order_review_lawful';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER order_review_lawful AFTER INSERT OR UPDATE ON order_review FOR EACH ROW EXECUTE FUNCTION order_review_lawful();

-- Days of leave, begun days counted, by the person's calendar. Of local times that come twice the first, as the program takes them; where
-- the server does not know the zone, UTC.
CREATE FUNCTION leave_days(starts timestamptz, ends timestamptz, zone text) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    days integer := GREATEST((extract(epoch FROM ends - starts) / 86400)::integer - 2, 0);
    wall timestamp;
    due  timestamptz;
BEGIN
    LOOP
        wall := (starts AT TIME ZONE zone) + make_interval(days => days);
        SELECT min(t) INTO due FROM unnest('{0 minutes,30 minutes,60 minutes}'::interval[]) back
        CROSS JOIN LATERAL (SELECT wall AT TIME ZONE zone - back) c (t) WHERE t AT TIME ZONE zone = wall;
        due := CASE WHEN days = 0 THEN starts ELSE coalesce(due, wall AT TIME ZONE zone) END;
        EXIT WHEN due >= ends;
        days := days + 1;
    END LOOP;
    RETURN days;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN CASE WHEN zone <> 'UTC' THEN leave_days(starts, ends, 'UTC') END;
END $$;

-- How long a leave is, with the approved passes that it adjoins: those with less than a day between.
CREATE FUNCTION leave_length(pass leave_pass) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    starts timestamptz := pass.starts_at;
    ends   timestamptz := pass.ends_at;
    wide   record;
BEGIN
    LOOP
        SELECT LEAST(min(h.starts_at), starts) AS starts, GREATEST(max(LEAST(h.ends_at, h.withdrawn_at)), ends) AS ends INTO wide
        FROM leave_pass h
        WHERE h.person_id = pass.person_id AND h.leave_id <> pass.leave_id AND h.state = 'approved'
            AND LEAST(h.ends_at, h.withdrawn_at) > h.starts_at
            AND h.starts_at < ends + interval '24 hours' AND starts < LEAST(h.ends_at, h.withdrawn_at) + interval '24 hours';
        EXIT WHEN wide.starts = starts AND wide.ends = ends;
        starts := wide.starts;
        ends := wide.ends;
    END LOOP;
    RETURN leave_days(starts, ends, (SELECT p.time_zone FROM person p WHERE p.person_id = pass.person_id));
END $$;

-- The law that holds when the leave begins: of the order in force then; without one, of the next; a law's own rules before those of no law.
CREATE FUNCTION leave_law(pass leave_pass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT o.profile FROM supervision_order o
        WHERE o.person_id = pass.person_id AND o.ends_at > pass.starts_at AND (o.revoked_at IS NULL OR o.revoked_at > pass.starts_at)
        ORDER BY o.effective_from IS NOT NULL AND o.starts_at <= pass.starts_at DESC, o.profile = 'generic', o.starts_at, o.order_id LIMIT 1),
        'generic')
$$;

CREATE FUNCTION leave_pass_lawful() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named    text;
    days     integer;
    tier     jsonb;
    approver record;
    wrong    text;
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        wrong := CASE
            WHEN (NEW.leave_id, NEW.person_id, NEW.starts_at, NEW.ends_at, NEW.reason, NEW.created_by, NEW.created_at)
                IS DISTINCT FROM (OLD.leave_id, OLD.person_id, OLD.starts_at, OLD.ends_at, OLD.reason, OLD.created_by, OLD.created_at)
                THEN 'what was asked for stays'
            WHEN OLD.withdrawn_at IS NOT NULL AND (NEW.withdrawn_at IS NULL OR NEW.withdrawn_at > OLD.withdrawn_at)
                THEN 'a withdrawal is not taken back'
            WHEN (OLD.state <> 'requested' OR NEW.state = 'requested')
                AND (NEW.state, NEW.decided_by, NEW.decided_at, NEW.decision_note, NEW.approved_by)
                    IS DISTINCT FROM (OLD.state, OLD.decided_by, OLD.decided_at, OLD.decision_note, OLD.approved_by)
                THEN 'it is decided once'
        END;
    ELSIF NEW.state <> 'approved' AND (NEW.state <> 'requested' OR num_nonnulls(NEW.decided_by, NEW.decided_at, NEW.approved_by) > 0) THEN
        wrong := 'leave is asked for before it is decided';
    END IF;
    IF wrong IS NULL AND NEW.state <> 'requested' AND (TG_OP = 'INSERT' OR OLD.state = 'requested') THEN
        named := leave_law(NEW);
        days := leave_length(NEW);
        SELECT t INTO tier FROM jsonb_array_elements(law_leave_tiers(named)) WITH ORDINALITY AS l (t, place)
        WHERE (t ->> 'up_to_days') IS NULL OR days <= (t ->> 'up_to_days')::integer ORDER BY place LIMIT 1;
        SELECT * INTO approver FROM law_approver(NEW.decided_by, NEW.person_id);
        wrong := CASE
            WHEN tier IS NULL THEN 'nobody may approve it'
            WHEN TG_OP = 'INSERT' AND num_nonnulls(NEW.decided_by, NEW.decided_at) > 0 THEN 'leave is asked for before it is decided'
            WHEN TG_OP = 'INSERT' THEN CASE WHEN NOT (tier ->> 'told')::boolean THEN 'its approval is not told, it is given here' END
            WHEN NEW.decided_at IS NULL OR NEW.withdrawn_at IS NOT NULL OR NEW.ends_at <= NEW.decided_at THEN 'it is withdrawn or over'
            WHEN NEW.decided_by = NEW.created_by THEN 'who asks for leave does not approve it'
            WHEN approver.role IS NULL OR NOT tier -> 'roles' ? approver.role
                THEN format('the role %s does not approve it', coalesce(approver.role, 'none'))
            WHEN tier ->> 'level' IS NOT NULL AND approver.level IS DISTINCT FROM tier ->> 'level'
                THEN format('an agency of level %s approves it, not %s', tier ->> 'level', coalesce(approver.level, 'one without a level'))
            WHEN NOT approver.responsible THEN 'the approver''s agency is not responsible for the person'
            WHEN (tier ->> 'above')::boolean AND NOT approver.above THEN 'an agency above those of the person approves it'
            WHEN NEW.state = 'approved' AND NEW.approved_by IS DISTINCT FROM approver.username THEN 'it says another approver'
            WHEN NEW.state = 'refused' AND NOT incident_worded(NEW.decision_note) THEN 'a refusal needs a reason'
            WHEN NOT law_own_and_now(NEW.decided_by, NEW.decided_at) THEN 'users decide for themselves, and when they do'
        END;
    END IF;
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION 'leave %: %', NEW.leave_id, wrong || coalesce(' (' || days || ' days, law profile ' || named || ')', '')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'leave_pass_lawful';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER leave_pass_lawful AFTER INSERT OR UPDATE ON leave_pass FOR EACH ROW EXECUTE FUNCTION leave_pass_lawful();

-- Which zones a pass opens is asked for with it: nothing is added to what was decided.
CREATE FUNCTION leave_pass_zone_lawful() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF current_setting('homeward.import', true) = 'on' OR EXISTS (SELECT FROM leave_pass l
        WHERE l.leave_id = NEW.leave_id AND (l.state = 'requested' OR l.created_at = now())) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'leave %: it is decided, and opens no further zone', NEW.leave_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'leave_pass_zone_lawful';
END $$;
CREATE TRIGGER leave_pass_zone_lawful AFTER INSERT OR UPDATE ON leave_pass_zone FOR EACH ROW EXECUTE FUNCTION leave_pass_zone_lawful();

-- That an import brings rows as they were is for the owner of the tables to say.
CREATE TRIGGER a_import_by_owner BEFORE INSERT ON order_approval FOR EACH ROW EXECUTE FUNCTION import_by_owner();
CREATE TRIGGER a_import_by_owner BEFORE INSERT ON order_past_term FOR EACH ROW EXECUTE FUNCTION import_by_owner();
CREATE TRIGGER a_import_by_owner BEFORE INSERT OR UPDATE ON order_review FOR EACH ROW EXECUTE FUNCTION import_by_owner();
CREATE TRIGGER a_import_by_owner BEFORE INSERT OR UPDATE ON leave_pass FOR EACH ROW EXECUTE FUNCTION import_by_owner();
CREATE TRIGGER a_import_by_owner BEFORE INSERT OR UPDATE ON leave_pass_zone FOR EACH ROW EXECUTE FUNCTION import_by_owner();
