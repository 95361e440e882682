-- Commands to devices: what was asked for, by whom and why, and what became of it.

-- What a device's protocol has room for. It starts anew in the end: a reference has to be told apart from those of the same device only.
CREATE SEQUENCE device_command_reference AS integer CYCLE;

CREATE TABLE device_command (
    command_id      uuid PRIMARY KEY,
    device_id       uuid NOT NULL REFERENCES device,
    person_id       uuid NOT NULL REFERENCES person,          -- who wore the device then
    kind            text NOT NULL CHECK (kind IN ('locate', 'interval', 'vibrate', 'text')),
    parameters      jsonb NOT NULL,                           -- casedb::command::Instruction
    state           text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'sent', 'delivered', 'acknowledged', 'failed', 'expired', 'cancelled')),
    requested_by    uuid NOT NULL REFERENCES app_user,
    purpose         text NOT NULL CHECK (purpose IN ('duty', 'incident', 'court', 'maintenance')),
    case_number     text NOT NULL DEFAULT '',
    idempotency_key text NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 120),
    reference       integer NOT NULL DEFAULT nextval('device_command_reference'),
    reverts         uuid REFERENCES device_command,           -- the way back of this change of the interval
    attempt         smallint NOT NULL DEFAULT 1,              -- of a way back: it is asked for anew when nobody knows whether it arrived
    created_at      timestamptz NOT NULL,
    not_before      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    sent_at         timestamptz,                              -- written before the first byte goes out; empty again if none did
    delivered_at    timestamptz,
    acknowledged_at timestamptz,
    ended_at        timestamptz,
    gateway         text NOT NULL DEFAULT '',
    outcome         text NOT NULL DEFAULT '' CHECK (outcome IN ('', 'done', 'located', 'refused', 'unsupported', 'connection_lost',
                        'not_connected', 'not_confirmed', 'no_answer', 'cancelled', 'superseded', 'not_needed')),
    result          text NOT NULL DEFAULT '' CHECK (length(result) <= 1000),   -- what the device said
    fix_time        timestamptz,                              -- of the position that answered
    cancelled_by    uuid REFERENCES app_user,
    UNIQUE (requested_by, idempotency_key),
    CHECK (parameters ->> 'kind' IS NOT DISTINCT FROM kind),
    CHECK (not_before >= created_at AND expires_at > not_before),
    CONSTRAINT device_command_locate_ends CHECK (kind <> 'locate' OR expires_at <= created_at + interval '3 minutes'),
    CHECK (reverts IS NULL OR kind = 'interval'),
    CHECK ((state IN ('acknowledged', 'failed', 'expired', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((ended_at IS NOT NULL) = (outcome <> '')),
    CHECK (state NOT IN ('sent', 'delivered', 'acknowledged') OR sent_at IS NOT NULL),
    CHECK (state NOT IN ('queued', 'cancelled') OR sent_at IS NULL),
    CHECK (state <> 'delivered' OR delivered_at IS NOT NULL),
    CHECK ((state = 'acknowledged') = (acknowledged_at IS NOT NULL))
);
CREATE INDEX device_command_queued ON device_command (not_before) WHERE state = 'queued';
CREATE INDEX device_command_open ON device_command (expires_at) WHERE state IN ('queued', 'sent', 'delivered');
CREATE INDEX device_command_device ON device_command (device_id, created_at);
CREATE INDEX device_command_person ON device_command (person_id, created_at DESC);
CREATE INDEX device_command_reverts ON device_command (reverts) WHERE reverts IS NOT NULL;
CREATE INDEX device_command_revert_ended ON device_command (ended_at) WHERE reverts IS NOT NULL AND state IN ('expired', 'failed');

-- Every state that a command was in, and who brought it there. Rows are only added.
CREATE TABLE device_command_step (
    step_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    command_id   uuid NOT NULL REFERENCES device_command,
    state        text NOT NULL,
    stepped_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    user_id      uuid REFERENCES app_user,                    -- NULL: a gateway, or time
    gateway      text NOT NULL DEFAULT '',
    outcome      text NOT NULL DEFAULT ''
);
CREATE INDEX device_command_step_command ON device_command_step (command_id, step_id);

-- What is said here of the moves is said in casedb::command::State::may_become too; a test holds the two together.
CREATE FUNCTION device_command_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'queued' THEN
            RAISE EXCEPTION 'a command begins queued, not %', NEW.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'device_command_move';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.state <> OLD.state OR OLD.ended_at IS NOT NULL) AND (OLD.state, NEW.state) NOT IN (
        ('queued', 'sent'), ('queued', 'cancelled'), ('queued', 'expired'),
        ('sent', 'queued'), ('sent', 'delivered'), ('sent', 'acknowledged'), ('sent', 'failed'), ('sent', 'expired'),
        ('delivered', 'acknowledged'), ('delivered', 'failed'), ('delivered', 'expired'))
    THEN
        RAISE EXCEPTION 'command % is %, it cannot become %', OLD.command_id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation', CONSTRAINT = 'device_command_move';
    END IF;
    IF (NEW.command_id, NEW.device_id, NEW.person_id, NEW.kind, NEW.parameters, NEW.requested_by, NEW.purpose, NEW.case_number,
        NEW.idempotency_key, NEW.created_at, NEW.reference) IS DISTINCT FROM
       (OLD.command_id, OLD.device_id, OLD.person_id, OLD.kind, OLD.parameters, OLD.requested_by, OLD.purpose, OLD.case_number,
        OLD.idempotency_key, OLD.created_at, OLD.reference)
    THEN
        RAISE EXCEPTION 'what command % asks for does not change', OLD.command_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'device_command_fixed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER device_command_move BEFORE INSERT OR UPDATE ON device_command
    FOR EACH ROW EXECUTE FUNCTION device_command_move();

CREATE FUNCTION device_command_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.state = OLD.state THEN
        RETURN NULL;
    END IF;
    INSERT INTO device_command_step (command_id, state, user_id, gateway, outcome)
    VALUES (NEW.command_id, NEW.state,
        CASE WHEN TG_OP = 'INSERT' THEN NEW.requested_by ELSE NEW.cancelled_by END, NEW.gateway, NEW.outcome);
    PERFORM pg_notify('homeward_command', json_build_object('command_id', NEW.command_id, 'device_id', NEW.device_id,
        'person_id', NEW.person_id, 'state', NEW.state)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER device_command_step AFTER INSERT OR UPDATE ON device_command
    FOR EACH ROW EXECUTE FUNCTION device_command_step();
