-- What users write by SQL under their roles is held as the program holds it: in their own name, when it happens, and what is on record
-- stays as it is. Which columns a role may write at all the grants say (casedb/src/access/rules.rs). The program itself, which is the owner
-- of the tables, is not asked: it imports, replays, and works when nobody does. Triggers after the row: what row-level security refuses
-- it refuses first. docs/access.md has a line for each table, and a test goes through all columns.

-- The arguments are pairs of a word and a column:
--   own       names who writes it, once it is set
--   now       is the time of writing, once it is set
--   now-none  the same, and may be emptied
--   past      is a time that is over
--   coming    is a time that is not over
--   any       is a time that a calendar of people has, and every part of the program can read
--   once      is written once
CREATE FUNCTION written_by_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    after   constant jsonb := to_jsonb(NEW);
    before  jsonb := '{}';
    asked   text;
    was     text;
    becomes text;
    wrong   text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        before := to_jsonb(OLD);
    END IF;
    FOREACH asked IN ARRAY TG_ARGV LOOP
        was := before ->> split_part(asked, ' ', 2);
        becomes := after ->> split_part(asked, ' ', 2);
        CONTINUE WHEN was IS NOT DISTINCT FROM becomes;
        wrong := CASE split_part(asked, ' ', 1)
            WHEN 'own' THEN CASE WHEN becomes IS DISTINCT FROM access_user()::text THEN 'names who writes it' END
            WHEN 'now' THEN CASE WHEN NOT coalesce(written_now(becomes::timestamptz), false) THEN 'is the time of writing' END
            WHEN 'now-none' THEN CASE WHEN NOT written_now(becomes::timestamptz) THEN 'is the time of writing' END
            WHEN 'past' THEN CASE WHEN NOT coalesce(becomes::timestamptz BETWEEN '1900-01-01' AND clock_timestamp() + interval '10 minutes', false)
                THEN 'is not in the future' END
            WHEN 'coming' THEN CASE WHEN NOT coalesce(becomes::timestamptz BETWEEN now() - interval '10 minutes' AND '9000-01-01', false)
                THEN 'is not in the past, nor for ever' END
            WHEN 'any' THEN CASE WHEN NOT becomes::timestamptz BETWEEN '1900-01-01' AND '9000-01-01' THEN 'is a time of a calendar' END
            WHEN 'once' THEN CASE WHEN was <> '' THEN 'is written once' END
            ELSE 'has no such rule' END;
        IF wrong IS NOT NULL THEN
            RAISE EXCEPTION '%.% %: the role % may not write %', TG_TABLE_NAME, split_part(asked, ' ', 2), wrong, access_role(), coalesce(becomes, 'nothing')
                USING ERRCODE = 'check_violation', CONSTRAINT = 'written_by_role';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Ten minutes are for a long transaction and for the clock of another machine.
CREATE FUNCTION written_now(moment timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT moment BETWEEN now() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes'
$$;

CREATE FUNCTION written_wrongly(about regclass, key text, wrong text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF wrong IS NOT NULL THEN
        RAISE EXCEPTION '% %: %', about, key, wrong USING ERRCODE = 'check_violation', CONSTRAINT = 'written_by_role';
    END IF;
END $$;

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('supervision_order', 'INSERT OR UPDATE', 'own made_by, any starts_at, any ends_at, now revoked_at, once revoked_at'),
        -- Of an order that needs nothing it is -infinity from the beginning; the guard of orders says of which.
        ('supervision_order', 'UPDATE', 'now effective_from, coming ends_at, coming lapses_at'),
        ('order_approval', 'INSERT', 'own decided_by, now decided_at'),
        ('order_extension', 'INSERT', 'own requested_by, now requested_at, any from_end, coming to_end'),
        ('order_notice', 'INSERT', 'own recorded_by, past done_at'),
        ('order_review', 'INSERT OR UPDATE', 'own done_by, once done_by, now done_at, once done_at, now done_recorded_at, coming next_due_at'),
        ('order_priority', 'INSERT', 'own set_by'),
        ('zone_publication', 'INSERT', 'own published_by, now published_at'),
        ('leave_pass', 'INSERT OR UPDATE', 'own created_by, any starts_at, coming ends_at, own decided_by, once decided_by, now decided_at, once decided_at, now withdrawn_at, once withdrawn_at'),
        ('order_change', 'INSERT', 'own changed_by, now changed_at'),
        ('incident', 'UPDATE', 'now-none acknowledged_at'),
        ('incident_action', 'INSERT', 'own user_id, now acted_at, coming due_at'),
        ('notification', 'UPDATE', 'now next_attempt_at, now created_at'),
        ('device_command', 'INSERT OR UPDATE', 'own requested_by, now created_at, coming not_before, own cancelled_by, now ended_at'),
        ('push_subscription', 'INSERT', 'own user_id, now created_at'),
        ('contact', 'INSERT', 'now created_at'),
        ('contact_revision', 'INSERT', 'own changed_by, now changed_at, any valid_from, any valid_until'),
        ('person_note', 'INSERT', 'own written_by, now written_at, past happened_at'),
        ('violation_outcome', 'INSERT', 'own decided_by, now decided_at'),
        ('break_glass', 'UPDATE', 'now closed_at, once closed_at, own reviewed_by, once reviewed_by, now reviewed_at, once reviewed_at, once finding'),
        ('app_user', 'INSERT OR UPDATE', 'now-none disabled_at'),
        ('device', 'INSERT OR UPDATE', 'now retired_at, once retired_at')
    ) t (about, ops, rules) LOOP
        EXECUTE format('CREATE TRIGGER written_by_role%s AFTER %s ON %I FOR EACH ROW WHEN (NOT access_unlimited()) EXECUTE FUNCTION written_by_role(%s)',
            CASE one.ops WHEN 'UPDATE' THEN '_changed' ELSE '' END, one.ops, one.about,
            (SELECT string_agg(quote_literal(rule), ', ') FROM unnest(string_to_array(one.rules, ', ')) rule));
    END LOOP;
END $$;

-- A stretch that an order is past: as it lapsed, of the order's own person, and no longer than the order itself.
CREATE FUNCTION order_past_term_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('order_past_term', NEW.order_id::text, CASE WHEN NOT EXISTS (SELECT FROM supervision_order o
        WHERE o.order_id = NEW.order_id AND o.person_id = NEW.person_id AND law_review_months(o.profile) IS NOT NULL
            AND NEW.starts_at = GREATEST(o.starts_at, o.effective_from) AND NEW.ends_at = o.lapses_at AND o.effective_from IS NOT NULL
            AND o.lapses_at <= LEAST(o.ends_at, o.revoked_at, clock_timestamp() + interval '10 minutes'))
        THEN 'the order did not lapse so' END);
    RETURN NULL;
END $$;
CREATE TRIGGER order_past_term_of_role AFTER INSERT ON order_past_term FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION order_past_term_of_role();

-- Papers may be older than the order by a month, as the program lets them be (casedb/src/order/steps.rs).
CREATE FUNCTION order_notice_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('order_notice', NEW.order_id::text, CASE WHEN NEW.done_at < (SELECT o.created_at FROM supervision_order o
        WHERE o.order_id = NEW.order_id) - interval '31 days' THEN 'it was done long before the order was drawn up' END);
    RETURN NULL;
END $$;
CREATE TRIGGER order_notice_of_role AFTER INSERT ON order_notice FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION order_notice_of_role();

-- The next review is due the law's months after the one before it, or after the order took effect; two days are for calendars. One that is
-- asked for is due now.
CREATE FUNCTION order_review_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    longest interval;
    starts  timestamptz;
BEGIN
    SELECT make_interval(days => 2, months => coalesce(law_review_months(o.profile), 12)), GREATEST(o.starts_at, now()) INTO longest, starts
    FROM supervision_order o WHERE o.order_id = NEW.order_id;
    PERFORM written_wrongly('order_review', NEW.review_id::text, CASE
        WHEN TG_OP = 'INSERT' AND NEW.kind = 'periodic' AND NEW.due_at NOT BETWEEN now() - interval '10 minutes' AND starts + longest
            THEN 'it is due at another time'
        WHEN TG_OP = 'INSERT' AND NEW.kind <> 'periodic' AND NOT written_now(NEW.due_at) THEN 'it is due when it is asked for'
        WHEN NEW.next_due_at IS NOT NULL AND (NEW.kind <> 'periodic' OR NEW.outcome = 'end' OR NEW.next_due_at > NEW.done_at + longest)
            THEN 'the next one is due at another time' END);
    RETURN NULL;
END $$;
CREATE TRIGGER order_review_of_role AFTER INSERT OR UPDATE ON order_review FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION order_review_of_role();

-- What is wrong with an order's rules of priorities; NULL: nothing. As alerts/core/src/priority/order.rs has it, and a test holds the two
-- together: kinds that there are, each once, and none less urgent than it may be.
CREATE FUNCTION order_rules_wrong(rules jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(rules) <> 'array' OR jsonb_array_length(rules) > 25 THEN 'they are no rules' ELSE (
        SELECT min(CASE
            WHEN jsonb_typeof(r) <> 'object' OR r - '{kind,change}'::text[] <> '{}' OR jsonb_typeof(r -> 'change') IS DISTINCT FROM 'object'
                OR (SELECT count(*) FROM jsonb_object_keys(CASE jsonb_typeof(r -> 'change') WHEN 'object' THEN r -> 'change' ELSE '{}' END)) <> 1
                THEN 'they are no rules'
            WHEN k.kind IS NULL OR jsonb_typeof(r -> 'kind') <> 'string' THEN 'there is no such kind'
            WHEN r -> 'change' ?| '{raise,lower}' AND NOT coalesce(coalesce(r #> '{change,raise}', r #> '{change,lower}') IN ('1', '2', '3'), false)
                THEN 'a step is 1 to 3'
            WHEN NOT r -> 'change' ?| '{raise,lower,fixed}'
                OR r -> 'change' ? 'fixed' AND NOT coalesce(r #> '{change,fixed}' IN ('"P1"', '"P2"', '"P3"', '"P4"'), false) THEN 'there is no such change'
            WHEN k.kind <> 'all' AND k.least < CASE WHEN r -> 'change' ? 'fixed' THEN substr(r #>> '{change,fixed}', 2)::integer
                WHEN r -> 'change' ? 'raise' THEN GREATEST(k.base - (r #>> '{change,raise}')::integer, 1)
                ELSE LEAST(k.base + (r #>> '{change,lower}')::integer, 4) END THEN 'it would be less urgent than it may be'
            WHEN (SELECT count(*) FROM jsonb_array_elements(rules) o (o) WHERE o.o -> 'kind' = r -> 'kind') > 1 THEN 'a kind has two rules'
        END)
        FROM jsonb_array_elements(rules) e (r) LEFT JOIN (VALUES ('all', 4, 4),
            ('exclusion_entry', 1, 3), ('proximity', 1, 2), ('strap_tamper', 1, 2), ('sos', 1, 1), ('left_during_curfew', 2, 3),
            ('curfew_absent_at_start', 2, 3), ('case_tamper', 2, 2), ('jamming', 2, 3), ('cloned_device', 2, 2), ('silence', 3, 3),
            ('left_inclusion', 3, 4), ('buffer_entry', 3, 4), ('proximity_warning', 3, 3), ('late_return', 3, 4), ('no_fix', 3, 4),
            ('motion_without_fix', 3, 4), ('shielding', 3, 3), ('possible_crossing', 3, 4), ('impossible_movement', 3, 4),
            ('missed_attendance', 3, 4), ('battery_critical', 3, 4), ('battery_dead', 3, 3), ('battery_low', 4, 4), ('clock_skew', 4, 4)
        ) k (kind, base, least) ON k.kind = r ->> 'kind') END
$$;

-- From now on; those of an order that has not taken effect from its start.
CREATE FUNCTION order_priority_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('order_priority', NEW.order_id::text, CASE
        WHEN order_rules_wrong(NEW.rules) IS NOT NULL THEN order_rules_wrong(NEW.rules)
        WHEN NOT EXISTS (SELECT FROM supervision_order o WHERE o.order_id = NEW.order_id
            AND (written_now(NEW.valid_from) OR o.effective_from IS NULL AND NEW.valid_from = o.starts_at AND o.starts_at < now()))
            THEN 'they hold from now on'
        WHEN NEW.revision <> 1 + (SELECT count(*) FROM order_priority p WHERE p.order_id = NEW.order_id AND p.revision <> NEW.revision)
            THEN 'it is not the next revision' END);
    RETURN NULL;
END $$;
CREATE TRIGGER order_priority_of_role AFTER INSERT ON order_priority FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION order_priority_of_role();

-- What is published is what stands when the transaction ends: a publication by itself says nothing.
CREATE FUNCTION zone_publication_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('zone_publication', NEW.zone_id::text, CASE WHEN NOT EXISTS (
        SELECT FROM person_zone pz JOIN zone z USING (zone_id)
        JOIN LATERAL (SELECT * FROM zone_revision r WHERE r.zone_id = z.zone_id ORDER BY r.revision DESC LIMIT 1) r ON true
        WHERE pz.person_id = NEW.person_id AND pz.zone_id = NEW.zone_id
            AND (NEW.label, NEW.kind, NEW.audience, NEW.geometry, NEW.radius_m, NEW.buffer_m, NEW.datum, NEW.schedule, NEW.attendance, NEW.removed)
                IS NOT DISTINCT FROM (z.label, z.kind, z.audience, r.geometry, r.radius_m, r.buffer_m, r.datum, pz.schedule, pz.attendance,
                pz.removed_at IS NOT NULL))
        -- One after it in the same transaction is held instead.
        AND NOT EXISTS (SELECT FROM zone_publication n WHERE n.person_id = NEW.person_id AND n.zone_id = NEW.zone_id AND n.number > NEW.number)
        THEN 'the zone is not what the publication says'
        WHEN NEW.number <> 1 AND NOT EXISTS (SELECT FROM zone_publication n WHERE n.person_id = NEW.person_id AND n.zone_id = NEW.zone_id
            AND n.number = NEW.number - 1) THEN 'it is not the next publication' END);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER zone_publication_of_role AFTER INSERT ON zone_publication DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT access_unlimited()) EXECUTE FUNCTION zone_publication_of_role();

-- Leave is asked for, or told as approved outside; who decides here is written when it is decided, and only then. A pass opens the
-- person's own zones.
CREATE FUNCTION leave_pass_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('leave_pass', NEW.leave_id::text, CASE
        WHEN TG_OP = 'INSERT' AND num_nonnulls(NEW.decided_by, NEW.decided_at) > 0 THEN 'it is asked for before it is decided'
        WHEN TG_OP = 'INSERT' AND NEW.state = 'requested' AND NEW.approved_by IS NOT NULL THEN 'it is asked for before it is approved'
        WHEN TG_OP = 'UPDATE' AND (NEW.state, NEW.decision_note, NEW.approved_by) IS DISTINCT FROM (OLD.state, OLD.decision_note, OLD.approved_by)
            AND (OLD.state <> 'requested' OR NEW.state = 'requested' OR NEW.decided_by IS NULL) THEN 'it is decided once, by somebody' END);
    RETURN NULL;
END $$;
CREATE TRIGGER leave_pass_of_role AFTER INSERT OR UPDATE ON leave_pass FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION leave_pass_of_role();

CREATE FUNCTION leave_pass_zone_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('leave_pass_zone', NEW.leave_id::text, CASE WHEN NOT EXISTS (SELECT FROM leave_pass l JOIN person_zone z USING (person_id)
        WHERE l.leave_id = NEW.leave_id AND z.zone_id = NEW.zone_id AND z.removed_at IS NULL) THEN 'the zone is not one of the person' END);
    RETURN NULL;
END $$;
CREATE TRIGGER leave_pass_zone_of_role AFTER INSERT ON leave_pass_zone FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION leave_pass_zone_of_role();

-- Records of an incident's course without a user are the program's, also those of earlier versions.
CREATE FUNCTION incident_action_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('incident_action', NEW.incident_id::text, CASE WHEN NEW.action = 'carry_over' THEN 'that record is the program''s' END);
    RETURN NULL;
END $$;
CREATE TRIGGER incident_action_of_role AFTER INSERT ON incident_action FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION incident_action_of_role();

-- A message that was given up is queued once more; nothing else is done to messages by hand.
CREATE FUNCTION notification_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('notification', NEW.notification_id::text, CASE
        WHEN NEW IS NOT DISTINCT FROM OLD THEN NULL
        WHEN OLD.state <> 'dead' OR NEW.state <> 'queued' OR NEW.attempts <> 0 OR num_nonnulls(NEW.leased_by, NEW.provider_id, NEW.receipt, NEW.receipt_at) > 0
            OR (OLD.receipt IS NULL AND NEW.send_key IS DISTINCT FROM OLD.send_key) THEN 'only what was given up is queued once more' END);
    RETURN NULL;
END $$;
CREATE TRIGGER notification_of_role AFTER UPDATE ON notification FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION notification_of_role();

-- A command is for a device that the person wears now, under an order in force, of what the program would send (casedb/src/command.rs, a test
-- holds the two together), and not for years; at most twenty wait. The lock makes the commands of one device follow each other.
CREATE FUNCTION device_command_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    said constant jsonb := NEW.parameters;
BEGIN
    PERFORM FROM device d WHERE d.device_id = NEW.device_id FOR NO KEY UPDATE;
    PERFORM written_wrongly('device_command', NEW.command_id::text, CASE
        WHEN NOT EXISTS (SELECT FROM device_assignment a JOIN device d USING (device_id) WHERE a.device_id = NEW.device_id
            AND a.person_id = NEW.person_id AND a.ended_at IS NULL AND d.retired_at IS NULL) THEN 'the person does not wear the device'
        WHEN NOT EXISTS (SELECT FROM order_term t WHERE t.person_id = NEW.person_id AND t.starts_at <= clock_timestamp() AND t.ends_at > clock_timestamp())
            THEN 'the person has no order in force'
        WHEN (NEW.reverts IS NULL) = (NEW.idempotency_key LIKE 'revert:%') THEN 'the key is of another kind of command'
        WHEN NEW.expires_at > NEW.not_before + interval '7 days' THEN 'it would wait for more than seven days'
        WHEN NEW.reverts IS NULL AND NEW.not_before <> NEW.created_at THEN 'it is for now'
        WHEN NEW.reverts IS NOT NULL AND NOT EXISTS (SELECT FROM device_command p WHERE p.command_id = NEW.reverts AND p.device_id = NEW.device_id
            AND p.person_id = NEW.person_id AND p.requested_by = NEW.requested_by AND p.kind = 'interval' AND p.reverts IS NULL
            AND p.created_at = NEW.created_at AND (p.parameters ->> 'for_seconds')::integer > 0
            AND NEW.not_before = p.created_at + (p.parameters ->> 'for_seconds')::integer * interval '1 second') THEN 'it takes back another command'
        WHEN NEW.kind IN ('locate', 'vibrate') AND said <> jsonb_build_object('kind', NEW.kind) THEN 'it says more than its kind'
        WHEN NEW.kind = 'interval' AND NOT coalesce(said - '{kind,seconds,for_seconds}'::text[] = '{}' AND jsonb_typeof(said -> 'seconds') = 'number'
            AND jsonb_typeof(coalesce(said -> 'for_seconds', '0')) = 'number'
            AND (said ->> 'seconds')::numeric BETWEEN 1 AND 86400 AND (said ->> 'seconds')::numeric % 1 = 0
            AND coalesce((said ->> 'for_seconds')::numeric, 0) BETWEEN 0 AND CASE WHEN NEW.reverts IS NULL THEN 604800 ELSE 0 END
            AND coalesce((said ->> 'for_seconds')::numeric, 0) % 1 = 0, false) THEN 'the interval is none'
        WHEN NEW.kind = 'text' AND NOT coalesce(said - '{kind,text}'::text[] = '{}' AND jsonb_typeof(said -> 'text') = 'string'
            AND plain_words(said ->> 'text', 200, false, false), false) THEN 'the text is blank, long, or has control characters'
        WHEN NEW.reverts IS NULL AND (SELECT count(*) FROM device_command c WHERE c.device_id = NEW.device_id
            AND c.state IN ('queued', 'sent', 'delivered') AND c.expires_at > NEW.created_at) > 20 THEN 'twenty commands wait already' END);
    RETURN NULL;
END $$;
CREATE TRIGGER device_command_of_role AFTER INSERT ON device_command FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION device_command_of_role();

-- What becomes of a command is the gateways' to say. A user takes back one that waits; a newer interval takes the place of one, and a way
-- back is not needed where what it takes back never went out.
CREATE FUNCTION device_command_cancelled_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('device_command', NEW.command_id::text, CASE
        WHEN OLD.state <> 'queued' OR NEW.state <> 'cancelled' THEN 'users take back what waits, nothing else'
        WHEN NEW.outcome = 'cancelled' AND NEW.reverts IS NULL AND NEW.cancelled_by IS NOT NULL THEN NULL
        WHEN NEW.outcome = 'superseded' AND NEW.kind = 'interval' AND NEW.reverts IS NULL AND NEW.cancelled_by IS NULL AND EXISTS (
            SELECT FROM device_command n WHERE n.device_id = NEW.device_id AND n.kind = 'interval' AND n.reverts IS NULL
                AND n.command_id <> NEW.command_id AND n.created_at >= NEW.ended_at) THEN NULL
        WHEN NEW.outcome = 'not_needed' AND NEW.cancelled_by IS NULL AND EXISTS (SELECT FROM device_command p
            WHERE p.command_id = NEW.reverts AND p.ended_at IS NOT NULL AND p.sent_at IS NULL) THEN NULL
        ELSE 'it ended otherwise' END);
    RETURN NULL;
END $$;
-- At the end of the transaction: the newer one is placed after those whose place it takes.
CREATE CONSTRAINT TRIGGER device_command_cancelled_of_role AFTER UPDATE ON device_command DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NEW.* IS DISTINCT FROM OLD.* AND NOT access_unlimited()) EXECUTE FUNCTION device_command_cancelled_of_role();

-- A note puts right one of the same person; an outcome is of the person's own violation, and the next revision.
CREATE FUNCTION person_note_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('person_note', NEW.note_id::text, CASE WHEN NEW.corrects IS NOT NULL AND NOT EXISTS (SELECT FROM person_note n
        WHERE n.note_id = NEW.corrects AND n.person_id = NEW.person_id) THEN 'it corrects a note about somebody else' END);
    RETURN NULL;
END $$;
CREATE TRIGGER person_note_of_role AFTER INSERT ON person_note FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION person_note_of_role();

CREATE FUNCTION violation_outcome_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('violation_outcome', NEW.violation_id::text, CASE
        WHEN NOT EXISTS (SELECT FROM event e WHERE e.violation_id = NEW.violation_id AND e.person_id = NEW.person_id) THEN 'it is somebody else''s violation'
        WHEN NEW.revision <> 1 + (SELECT count(*) FROM violation_outcome o WHERE o.violation_id = NEW.violation_id AND o.revision <> NEW.revision)
            THEN 'it is not the next revision' END);
    RETURN NULL;
END $$;
CREATE TRIGGER violation_outcome_of_role AFTER INSERT ON violation_outcome FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION violation_outcome_of_role();

-- A device that somebody wears is not retired by hand.
CREATE FUNCTION device_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM written_wrongly('device', NEW.device_id::text, CASE WHEN NEW.retired_at IS NOT NULL AND OLD.retired_at IS NULL
        AND EXISTS (SELECT FROM device_assignment a WHERE a.device_id = NEW.device_id AND a.ended_at IS NULL) THEN 'somebody wears it' END);
    RETURN NULL;
END $$;
CREATE TRIGGER device_of_role AFTER UPDATE ON device FOR EACH ROW WHEN (NOT access_unlimited()) EXECUTE FUNCTION device_of_role();

-- Emergency access is told to both sides, or it is not opened; what a review says of it is said once, and the note with it.
CREATE FUNCTION break_glass_of_role() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        PERFORM written_wrongly('break_glass', NEW.break_glass_id::text, CASE
            WHEN NEW.review_note <> OLD.review_note AND (OLD.reviewed_at IS NOT NULL OR NEW.reviewed_at IS NULL) THEN 'what the review says stays' END);
    ELSE
        PERFORM written_wrongly('break_glass', NEW.break_glass_id::text, CASE WHEN 2 > (SELECT count(DISTINCT i.person_id IS NULL) FROM incident i
            WHERE i.kind = 'break_glass' AND i.grouping_key = 'break_glass:' || NEW.break_glass_id AND coalesce(i.person_id, NEW.person_id) = NEW.person_id)
            THEN 'the supervisors of both sides were not told' END);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER break_glass_of_role AFTER UPDATE ON break_glass FOR EACH ROW WHEN (NOT access_unlimited())
    EXECUTE FUNCTION break_glass_of_role();
CREATE CONSTRAINT TRIGGER break_glass_told_both AFTER INSERT ON break_glass DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (NOT access_unlimited()) EXECUTE FUNCTION break_glass_of_role();

-- And it opens nothing before it is committed: what was seen stays seen, also when the transaction is rolled back.
CREATE OR REPLACE FUNCTION access_opened(viewer uuid) RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER ROWS 5
SET search_path = public, pg_temp AS $$
    SELECT b.person_id FROM break_glass b JOIN app_user u USING (user_id)
    WHERE b.user_id = $1 AND u.disabled_at IS NULL AND u.role IN ('duty_officer', 'social_worker', 'supervisor')
        AND b.opened_at < now() AND b.closed_at IS NULL AND b.ends_at > now() AND ($1 = access_user() OR access_unlimited())
$$;
