-- The law of an incident's course, held by the database as well: whatever is written to an incident must be what its own new records
-- make of what it was before. The rules are those of alerts/core/src/lifecycle/course/apply.rs, and a test holds the two against each
-- other. Besides: functions with the owner's rights look into no user's temporary tables.

-- A text that says something.
CREATE FUNCTION incident_worded(words text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(words ~ '[^[:space:]]', false);

-- The word of a stage: a text, or the only key of an object.
CREATE FUNCTION incident_phase(stage jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE jsonb_typeof(stage) WHEN 'string' THEN stage #>> '{}' WHEN 'object' THEN (SELECT min(k) FROM jsonb_object_keys(stage) k) END
$$;

-- True while its ladder runs.
CREATE FUNCTION incident_calls(course jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT incident_phase(course -> 'stage') IN ('raised', 'notified') AND course ->> 'suspended' IS NULL
        AND (course ->> 'merged' IS NULL OR (course ->> 'by_hand')::boolean OR course ->> 'severity' = 'P1')
$$;

-- Somebody has it from then on, for at most a week. NULL: not for that time.
CREATE FUNCTION incident_held(why jsonb, stamp text) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jsonb_build_object('by', why -> 'user', 'since', stamp, 'until', why ->> 'expires')
    WHERE (why ->> 'expires')::timestamptz > stamp::timestamptz
        AND (why ->> 'expires')::timestamptz <= stamp::timestamptz + interval '168 hours' AND why ->> 'user' IS NOT NULL
$$;

-- The same time again, from a further sign on; of a stage that nobody holds, itself.
CREATE FUNCTION incident_refreshed(stage jsonb, stamp text) RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN hold ->> 'until' IS NULL THEN stage ELSE jsonb_build_object(incident_phase(stage), hold || jsonb_build_object('since', stamp,
        'until', to_char((stamp::timestamptz + ((hold ->> 'until')::timestamptz - (hold ->> 'since')::timestamptz)) AT TIME ZONE 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))) END
    FROM (SELECT stage -> incident_phase(stage)) AS s (hold)
$$;

-- What a record makes of a course; of none, what it opens. NULL: it cannot be.
CREATE FUNCTION incident_step(course jsonb, record jsonb, incident uuid) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    why       constant jsonb := record -> 'why';
    change    constant text := why ->> 'change';
    stamp     constant text := record ->> 'at';
    moment    constant timestamptz := stamp::timestamptz;
    onset     constant jsonb := why -> 'onset';
    as_user   constant jsonb := jsonb_build_object('user', why -> 'user');
    codes     constant text[] := ARRAY['confirmed_violation', 'authorised_absence', 'false_alarm_position', 'false_alarm_device',
        'device_fault', 'corrected_by_late_data', 'returned_compliant', 'warning_given', 'police_dispatched', 'transferred', 'test', 'other'];
    phase     text;
    stage     jsonb;
    hold      jsonb;
    held_by   text;
    by_hand   boolean;
    ongoing   boolean;
    lists     jsonb;
    merged    text;
    suspended jsonb;
    after     jsonb;
    who       jsonb;
    reached   int[];
    due       timestamptz;
BEGIN
    IF change IS NULL OR moment IS NULL OR NOT isfinite(moment) THEN
        RETURN NULL;
    END IF;
    IF course IS NULL THEN
        IF change <> 'raise' OR (record ->> 'version')::bigint <> 1 OR record ->> 'from' IS NOT NULL OR record ->> 'to' <> 'raised'
            OR record -> 'by' <> '{"system": "events"}' THEN
            RETURN NULL;
        END IF;
        RETURN jsonb_build_object('incident', incident, 'version', 1, 'changed_at', stamp, 'stage', 'raised',
            'severity', onset -> 'severity', 'audience', onset -> 'audience',
            'ongoing', (onset ->> 'ongoing')::boolean OR (onset ->> 'by_hand')::boolean, 'by_hand', onset -> 'by_hand',
            'round', 0, 'round_at', stamp, 'escalated', NULL, 'suspended', NULL, 'merged', NULL, 'lists', '[]'::jsonb);
    END IF;

    stage := course -> 'stage';
    phase := incident_phase(stage);
    hold := CASE WHEN phase IN ('acknowledged', 'in_action') THEN stage -> phase END;
    held_by := hold ->> 'by';
    by_hand := (course ->> 'by_hand')::boolean;
    ongoing := (course ->> 'ongoing')::boolean;
    lists := course -> 'lists';
    merged := course ->> 'merged';
    suspended := nullif(course -> 'suspended', 'null');
    after := course;
    IF (record ->> 'version')::bigint IS DISTINCT FROM (course ->> 'version')::bigint + 1
        OR moment < (course ->> 'changed_at')::timestamptz OR record ->> 'from' IS DISTINCT FROM phase THEN
        RETURN NULL;
    END IF;
    who := CASE
        WHEN change IN ('fold', 'end', 'correct', 'reopen', 'close_itself') THEN '{"system": "events"}'
        WHEN change = 'told' THEN '{"system": "messages"}'
        WHEN change = 'escalate' THEN '{"system": "ladder"}'
        WHEN change IN ('expire', 'wake') THEN '{"system": "clock"}'
        WHEN change IN ('merge', 'adopt', 'split', 'release') THEN why -> 'by'
        ELSE as_user END;
    IF record -> 'by' IS DISTINCT FROM who OR who = '{"user": null}' THEN
        RETURN NULL;
    END IF;
    -- After closing only a new violation, notes, facts of its events, and the parting of what it lists.
    IF phase = 'closed' AND change NOT IN ('note', 'end', 'correct', 'reopen', 'release', 'told') THEN
        RETURN NULL;
    END IF;

    CASE change
    WHEN 'told' THEN
        IF phase <> 'raised' THEN RETURN NULL; END IF;
        after := after || '{"stage": "notified"}';
    WHEN 'acknowledge' THEN
        IF hold IS NOT NULL OR incident_held(why, stamp) IS NULL THEN RETURN NULL; END IF;
        after := jsonb_set(after, '{stage}', jsonb_build_object('acknowledged', incident_held(why, stamp)));
    WHEN 'take_over' THEN
        IF hold IS NULL OR held_by = why ->> 'user' OR NOT incident_worded(why ->> 'why') OR incident_held(why, stamp) IS NULL THEN
            RETURN NULL;
        END IF;
        after := jsonb_set(after, '{stage}', jsonb_build_object(phase, incident_held(why, stamp)));
    WHEN 'start_action' THEN
        IF phase = 'in_action' OR (hold IS NOT NULL AND held_by IS DISTINCT FROM why ->> 'user') OR incident_held(why, stamp) IS NULL THEN
            RETURN NULL;
        END IF;
        after := jsonb_set(after, '{stage}', jsonb_build_object('in_action', incident_held(why, stamp)));
    WHEN 'note' THEN
        IF NOT incident_worded(why ->> 'text') THEN RETURN NULL; END IF;
        IF held_by = why ->> 'user' THEN
            after := jsonb_set(after, '{stage}', incident_refreshed(stage, stamp));
        END IF;
    WHEN 'close', 'close_itself', 'close_with_root' THEN
        IF coalesce(why ->> 'code', '') <> ALL (codes) OR jsonb_array_length(lists) > 0
            OR (change <> 'close_itself' AND why ->> 'code' = 'other' AND NOT incident_worded(why ->> 'note'))
            OR (change <> 'close' AND by_hand)
            OR (change = 'close_itself' AND (ongoing OR why ->> 'code' NOT IN ('returned_compliant', 'corrected_by_late_data', 'transferred')))
            OR (change = 'close_with_root' AND merged IS DISTINCT FROM why ->> 'root') THEN
            RETURN NULL;
        END IF;
        after := after || jsonb_build_object('suspended', NULL, 'merged', NULL, 'stage', jsonb_build_object('closed', jsonb_build_object(
            'code', why -> 'code', 'note', coalesce(why ->> 'note', ''), 'by', who, 'at', stamp, 'held_by', held_by)));
    WHEN 'fold' THEN
        by_hand := by_hand OR (onset ->> 'by_hand')::boolean;
        after := after || jsonb_build_object('severity', least(course ->> 'severity', onset ->> 'severity'),
            'audience', CASE WHEN course -> 'audience' = onset -> 'audience' THEN course ->> 'audience' ELSE 'both' END,
            'by_hand', by_hand, 'ongoing', (onset ->> 'ongoing')::boolean OR by_hand);
        IF onset ->> 'severity' < course ->> 'severity' THEN
            after := after || '{"suspended": null}';
            IF phase = 'acknowledged' THEN
                after := after || '{"stage": "notified"}';
            END IF;
        END IF;
    WHEN 'end' THEN
        after := after || jsonb_build_object('ongoing', ongoing AND ((why ->> 'ongoing')::boolean OR (by_hand AND phase <> 'closed')));
    WHEN 'correct' THEN
        after := after || jsonb_build_object('ongoing', (why ->> 'ongoing')::boolean OR (by_hand AND phase <> 'closed'));
    WHEN 'reopen' THEN
        IF phase <> 'closed' THEN RETURN NULL; END IF;
        after := after || jsonb_build_object('stage', 'raised', 'severity', onset -> 'severity',
            'audience', CASE WHEN course -> 'audience' = onset -> 'audience' THEN course ->> 'audience' ELSE 'both' END,
            'by_hand', onset -> 'by_hand', 'ongoing', (onset ->> 'ongoing')::boolean OR (onset ->> 'by_hand')::boolean);
    WHEN 'escalate' THEN
        reached := ARRAY[coalesce((course #>> '{escalated,lap}')::int, 0), coalesce((course #>> '{escalated,step}')::int, 0)];
        IF NOT incident_calls(course) OR (why ->> 'round')::int IS DISTINCT FROM (course ->> 'round')::int
            OR NOT coalesce(ARRAY[(why ->> 'lap')::int, (why ->> 'step')::int] > reached, false) THEN
            RETURN NULL;
        END IF;
        after := after || jsonb_build_object('escalated', jsonb_build_object('lap', why -> 'lap', 'step', why -> 'step'));
    WHEN 'expire' THEN
        IF hold IS NULL OR suspended IS NOT NULL OR moment < (hold ->> 'until')::timestamptz THEN RETURN NULL; END IF;
        after := after || '{"stage": "notified"}';
    WHEN 'suspend' THEN
        due := (why ->> 'until')::timestamptz;
        IF NOT incident_worded(why ->> 'authority') OR NOT incident_worded(why ->> 'reason')
            OR NOT coalesce(due > moment AND due <= moment + interval '744 hours', false)
            OR suspended = jsonb_build_object('by', why -> 'user', 'authority', why -> 'authority', 'reason', why -> 'reason', 'until', why -> 'until') THEN
            RETURN NULL;
        END IF;
        after := after || jsonb_build_object('suspended', jsonb_build_object('by', why -> 'user', 'authority', why -> 'authority',
            'reason', why -> 'reason', 'until', why -> 'until'));
    WHEN 'resume', 'wake' THEN
        IF suspended IS NULL OR (change = 'resume' AND NOT incident_worded(why ->> 'why'))
            OR (change = 'wake' AND moment < (suspended ->> 'until')::timestamptz) THEN
            RETURN NULL;
        END IF;
        after := jsonb_set(after || '{"suspended": null}', '{stage}', CASE WHEN hold IS NULL THEN stage ELSE incident_refreshed(stage, stamp) END);
    WHEN 'merge' THEN
        IF NOT incident_worded(why ->> 'why') OR coalesce(why ->> 'into', incident::text) = incident::text
            OR jsonb_array_length(lists) > 0 OR merged IS NOT NULL THEN
            RETURN NULL;
        END IF;
        after := after || jsonb_build_object('merged', why -> 'into');
    WHEN 'adopt' THEN
        IF coalesce(why ->> 'incident', incident::text) = incident::text OR merged IS NOT NULL OR lists ? (why ->> 'incident') THEN
            RETURN NULL;
        END IF;
        after := jsonb_set(after, '{lists}', (SELECT jsonb_agg(one ORDER BY one::uuid)
            FROM jsonb_array_elements_text(lists || jsonb_build_array(why -> 'incident')) one));
    WHEN 'split' THEN
        IF NOT incident_worded(why ->> 'why') OR merged IS NULL THEN RETURN NULL; END IF;
        after := after || '{"merged": null}';
    WHEN 'release' THEN
        IF NOT coalesce(lists ? (why ->> 'incident'), false) THEN RETURN NULL; END IF;
        after := jsonb_set(after, '{lists}', lists - (why ->> 'incident'));
    ELSE
        RETURN NULL;
    END CASE;

    IF incident_calls(after) THEN
        IF NOT incident_calls(course) OR after ->> 'severity' < course ->> 'severity' THEN
            after := after || jsonb_build_object('round', (course ->> 'round')::bigint + 1, 'round_at', stamp, 'escalated', NULL);
        END IF;
    ELSE
        after := after || '{"escalated": null}';
    END IF;
    IF record ->> 'to' IS DISTINCT FROM incident_phase(after -> 'stage') THEN
        RETURN NULL;
    END IF;
    RETURN after || jsonb_build_object('version', record -> 'version', 'changed_at', stamp);
END $$;

-- Two courses are one. A hold that a sign has lengthened ends at a nanosecond which the database cannot compute: within some microseconds.
CREATE FUNCTION incident_same(one jsonb, other jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT one - 'stage' = other - 'stage' AND incident_phase(one -> 'stage') = incident_phase(other -> 'stage') AND (
        one -> 'stage' = other -> 'stage'
        OR (one -> 'stage' #- ARRAY[phase, 'until'] = other -> 'stage' #- ARRAY[phase, 'until']
            AND abs(extract(epoch FROM (one #>> ARRAY['stage', phase, 'until'])::timestamptz - (other #>> ARRAY['stage', phase, 'until'])::timestamptz)) < 0.00001))
    FROM (SELECT incident_phase(one -> 'stage')) AS p (phase)
$$;

CREATE FUNCTION incident_near(one timestamptz, other timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN one IS NULL OR other IS NULL THEN one IS NULL AND other IS NULL
        WHEN NOT isfinite(one) THEN false ELSE one BETWEEN other - interval '1 ms' AND other + interval '1 ms' END
$$;

-- What the columns of an incident say otherwise than its course; NULL: nothing.
CREATE FUNCTION incident_columns(i incident) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    course constant jsonb := i.course;
    phase  constant text := incident_phase(course -> 'stage');
    body   constant jsonb := course -> 'stage' -> phase;
    due    timestamptz;
    step   timestamptz;
BEGIN
    IF (i.incident_id::text, i.state, 'P' || i.severity, i.audience, i.ongoing, i.merged_into::text, i.acknowledged_by::text)
        IS DISTINCT FROM (course ->> 'incident', phase, course ->> 'severity', course ->> 'audience', (course ->> 'ongoing')::boolean,
            course ->> 'merged', body ->> CASE phase WHEN 'closed' THEN 'held_by' ELSE 'by' END) THEN
        RETURN 'its state is not that of its course';
    END IF;
    IF (i.round, i.escalated_lap, i.escalated_step, i.suspended_authority, i.suspended_reason)
        IS DISTINCT FROM ((course ->> 'round')::int, (course #>> '{escalated,lap}')::int, (course #>> '{escalated,step}')::int,
            course #>> '{suspended,authority}', course #>> '{suspended,reason}')
        OR NOT incident_near(i.suspended_until, (course #>> '{suspended,until}')::timestamptz)
        OR NOT incident_near(i.round_at, (course ->> 'round_at')::timestamptz) THEN
        RETURN 'its escalation or suspension is not that of its course';
    END IF;
    IF (i.closing_code, i.closed_by::text) IS DISTINCT FROM (CASE phase WHEN 'closed' THEN body ->> 'code' END,
            CASE phase WHEN 'closed' THEN nullif(body #>> '{by,user}', '00000000-0000-0000-0000-000000000000') END)
        OR NOT incident_near(i.closed_at, CASE phase WHEN 'closed' THEN (body ->> 'at')::timestamptz END) THEN
        RETURN 'its closing is not that of its course';
    END IF;
    IF incident_calls(course) THEN
        step := CASE WHEN (i.climb #>> '{run,round}')::int = i.round THEN (i.climb #>> '{progress,waiting,due}')::timestamptz
            ELSE (course ->> 'round_at')::timestamptz END;
    ELSIF i.climb IS NOT NULL THEN
        RETURN 'it climbs a ladder and calls nobody';
    END IF;
    due := least(coalesce((course #>> '{suspended,until}')::timestamptz, CASE WHEN phase <> 'closed' THEN (body ->> 'until')::timestamptz END), step);
    IF NOT incident_near(i.deadline_at, due) THEN
        RETURN 'its deadline is not that of its course and its ladder';
    END IF;
    RETURN NULL;
END $$;

-- At the end of a transaction: the course is what the new records make of the old one, and the columns say what the course says.
CREATE FUNCTION incident_law() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    course  jsonb;
    made    jsonb;
    entry   record;
    last    bigint;
    trouble text;
BEGIN
    course := NEW.course;
    IF course IS NULL THEN
        -- From before there were courses; only the program still meets such.
        IF NOT access_unlimited() AND EXISTS (SELECT FROM incident i WHERE i.incident_id = NEW.incident_id AND i.course IS NULL) THEN
            RAISE EXCEPTION 'incident %: it has no course', NEW.incident_id USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_law';
        END IF;
        RETURN NULL;
    END IF;
    made := CASE WHEN TG_OP = 'UPDATE' THEN OLD.course END;
    last := coalesce((made ->> 'version')::bigint, 0);
    IF made IS DISTINCT FROM course THEN
        FOR entry IN
            SELECT action, user_id, version, record FROM incident_action
            WHERE incident_id = NEW.incident_id AND version > last AND version <= (course ->> 'version')::bigint ORDER BY version
        LOOP
            last := entry.version;
            IF entry.action NOT IN ('carry_over', CASE entry.record #>> '{why,change}'
                    WHEN 'told' THEN 'notify' WHEN 'fold' THEN 'event' WHEN 'end' THEN 'event' WHEN 'correct' THEN 'event'
                    WHEN 'escalate' THEN 'call' WHEN 'close_itself' THEN 'close' WHEN 'close_with_root' THEN 'close'
                    ELSE entry.record #>> '{why,change}' END) THEN
                trouble := format('record %s is not of the action %s', last, entry.action);
                EXIT;
            END IF;
            made := incident_step(made, entry.record, NEW.incident_id);
            IF made IS NULL THEN
                trouble := format('record %s cannot follow', last);
                EXIT;
            END IF;
        END LOOP;
        IF trouble IS NULL AND (made IS NULL OR last <> (course ->> 'version')::bigint) THEN
            trouble := 'its course has no record';
        ELSIF trouble IS NULL AND NOT coalesce(incident_same(made, course), false) THEN
            trouble := 'its course is not what its records say';
        END IF;
    END IF;
    IF trouble IS NULL THEN
        trouble := incident_columns(NEW);
    END IF;
    IF trouble IS NULL AND NEW.merged_into IS NOT NULL AND NOT EXISTS (SELECT FROM incident r WHERE r.incident_id = NEW.merged_into
            AND r.state <> 'closed' AND r.merged_into IS NULL AND r.course -> 'lists' ? NEW.incident_id::text)
        -- What changed after this does not count against it.
        AND EXISTS (SELECT FROM incident i WHERE i.incident_id = NEW.incident_id AND i.merged_into = NEW.merged_into) THEN
        trouble := 'it is merged into one that does not list it';
    END IF;
    IF trouble IS NOT NULL THEN
        RAISE EXCEPTION 'incident %: %', NEW.incident_id, trouble USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_law';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER incident_law AFTER INSERT OR UPDATE OF incident_id, state, closing_code, severity, audience, ongoing, acknowledged_by,
    closed_by, closed_at, version, round, round_at, deadline_at, escalated_lap, escalated_step, suspended_until, suspended_authority,
    suspended_reason, merged_into, course, climb
    ON incident DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION incident_law();

-- A record without its course would stand in the way of the next one.
CREATE FUNCTION incident_action_law() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.version > (SELECT (course ->> 'version')::bigint FROM incident WHERE incident_id = NEW.incident_id) THEN
        RAISE EXCEPTION 'incident %: record % is of no course', NEW.incident_id, NEW.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_law';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER incident_law AFTER INSERT ON incident_action DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.version IS NOT NULL)
    EXECUTE FUNCTION incident_action_law();

-- A user writes records of their own doing, now; what time, messages and ladders do is the program's.
CREATE FUNCTION incident_action_of_user() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT access_unlimited() AND NEW.action <> 'carry_over' AND (NEW.version IS NULL
        OR NEW.record #>> '{by,user}' IS DISTINCT FROM access_user()::text
        OR NEW.acted_at NOT BETWEEN now() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes') THEN
        RAISE EXCEPTION 'incident %: a user records what they do, when they do it', NEW.incident_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_action_of_user';
    END IF;
    RETURN NULL;
END $$;
-- Afterwards: what row-level security refuses it refuses first.
CREATE TRIGGER incident_action_of_user AFTER INSERT ON incident_action FOR EACH ROW EXECUTE FUNCTION incident_action_of_user();

-- What an incident is about stays; ladders are climbed by the program.
CREATE FUNCTION incident_fixed() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.incident_id, NEW.person_id, NEW.grouping_key, NEW.number, NEW.raised_at)
        IS DISTINCT FROM (OLD.incident_id, OLD.person_id, OLD.grouping_key, OLD.number, OLD.raised_at) THEN
        RAISE EXCEPTION 'incident %: what it is about does not change', OLD.incident_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_fixed';
    END IF;
    IF NEW.climb IS NOT NULL AND NEW.climb IS DISTINCT FROM OLD.climb AND NOT access_unlimited() THEN
        RAISE EXCEPTION 'incident %: users do not climb ladders', OLD.incident_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_fixed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER incident_fixed BEFORE UPDATE OF incident_id, person_id, grouping_key, number, raised_at, climb ON incident
    FOR EACH ROW EXECUTE FUNCTION incident_fixed();

ALTER TABLE incident
    ADD CONSTRAINT incident_closing_code CHECK (closing_code IN ('confirmed_violation', 'authorised_absence', 'false_alarm_position',
        'false_alarm_device', 'device_fault', 'corrected_by_late_data', 'returned_compliant', 'warning_given', 'police_dispatched', 'transferred',
        'test', 'other')),
    ADD CONSTRAINT incident_suspension_told CHECK (suspended_until IS NULL
        OR (isfinite(suspended_until) AND incident_worded(suspended_authority) AND incident_worded(suspended_reason)));

-- With the owner's rights, and never by a table that a user has made for the time of a session.
ALTER FUNCTION supervision_order_revise() SET search_path = public, pg_temp;
ALTER FUNCTION contract_people(timestamptz) SET search_path = public, pg_temp;
ALTER FUNCTION contract_covers(uuid, uuid, text, timestamptz) SET search_path = public, pg_temp;
