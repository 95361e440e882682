-- An incident's whole course (docs/adr/0012): records, acknowledgements that expire, suspension, merging, and the ladders and rotas
-- by which somebody else is called when nobody comes.

-- Something that the system itself finds (a review is due, the platform is blind) may concern nobody in particular.
ALTER TABLE incident
    ALTER COLUMN person_id DROP NOT NULL,
    ADD COLUMN round               integer NOT NULL DEFAULT 0 CHECK (round >= 0),   -- how often calling began anew
    ADD COLUMN round_at            timestamptz,                 -- when this round began
    ADD COLUMN deadline_at         timestamptz,                 -- when something is due by itself: a step, the end of a hold or of a suspension
    ADD COLUMN escalated_lap       integer,                     -- how far up its ladder, from 0; NULL before the second step
    ADD COLUMN escalated_step      integer,
    ADD COLUMN suspended_until     timestamptz,
    ADD COLUMN suspended_authority text,
    ADD COLUMN suspended_reason    text,
    ADD COLUMN merged_into         uuid REFERENCES incident,
    ADD COLUMN course              jsonb,                       -- the state with the version of its last record; NULL: from before this version
    ADD COLUMN climb               jsonb,                       -- the ladder of this round and how far it has come
    ADD CONSTRAINT incident_suspension CHECK (num_nonnulls(suspended_until, suspended_authority, suspended_reason) IN (0, 3)),
    ADD CONSTRAINT incident_escalation CHECK (num_nonnulls(escalated_lap, escalated_step) IN (0, 2)),
    ADD CONSTRAINT incident_not_into_itself CHECK (merged_into <> incident_id),
    ADD CONSTRAINT incident_closed_alone CHECK (state <> 'closed' OR (merged_into IS NULL AND suspended_until IS NULL AND deadline_at IS NULL));
CREATE INDEX incident_deadline ON incident (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX incident_merged ON incident (merged_into) WHERE merged_into IS NOT NULL;
CREATE UNIQUE INDEX incident_one_open_of_nobody ON incident (grouping_key) WHERE person_id IS NULL AND state <> 'closed';

ALTER TABLE incident_action
    ADD COLUMN version bigint,                    -- of the record; NULL: a fact that changes nothing (a message given up, a step that called nobody)
    ADD COLUMN record  jsonb,                     -- who, when, what and why, from, to; as alerts/core writes it
    ADD COLUMN due_at  timestamptz,               -- of a step of the ladder: when it was due
    DROP CONSTRAINT incident_action_action_check,
    ADD CONSTRAINT incident_action_action_check CHECK (action IN ('raise', 'notify', 'acknowledge', 'start_action', 'note', 'close', 'event',
        'take_over', 'expire', 'suspend', 'resume', 'wake', 'merge', 'adopt', 'split', 'release', 'reopen', 'call', 'nobody', 'failed',
        'carry_over')),
    ADD CONSTRAINT incident_action_record CHECK ((version IS NULL) = (record IS NULL) AND (record ->> 'version')::bigint = version);
CREATE UNIQUE INDEX incident_action_version ON incident_action (incident_id, version) WHERE version IS NOT NULL;

-- What a ladder calls tells of an incident, and maybe of no event of it.
ALTER TABLE notification ALTER COLUMN event_id DROP NOT NULL;

-- Open incidents of before: the worker that comes first writes a course for each out of how it stands now ('carry_over'), and
-- from then on it calls. Those of before that are closed get theirs when something more happens to them.
UPDATE incident SET deadline_at = now() WHERE state <> 'closed';

-- The program applies the lifecycle; this keeps anything else from writing what it rules out.
CREATE FUNCTION incident_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version < OLD.version OR (OLD.course IS NOT NULL AND (NEW.course IS NULL
        OR (NEW.course ->> 'version')::bigint < (OLD.course ->> 'version')::bigint)) THEN
        RAISE EXCEPTION 'incident %: its history does not run back', OLD.incident_id USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_guard';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (NEW.version = OLD.version AND OLD.course IS NOT NULL) OR NOT (CASE OLD.state
            WHEN 'raised' THEN true
            WHEN 'notified' THEN NEW.state <> 'raised'
            WHEN 'acknowledged' THEN NEW.state IN ('notified', 'in_action', 'closed')
            WHEN 'in_action' THEN NEW.state IN ('notified', 'closed')
            ELSE NEW.state IN ('raised', 'notified') END) THEN
            RAISE EXCEPTION 'incident %: % does not follow %', OLD.incident_id, NEW.state, OLD.state
                USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_guard';
        END IF;
        IF NEW.state = 'closed' AND NEW.closed_by IS NULL AND split_part(NEW.grouping_key, ':', 1) IN ('strap', 'case', 'sos') THEN
            RAISE EXCEPTION 'incident %: only a person may close it', OLD.incident_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_guard';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER incident_guard BEFORE UPDATE ON incident FOR EACH ROW EXECUTE FUNCTION incident_guard();

-- Records follow one another without a gap, each from where the one before has led to.
CREATE FUNCTION incident_record_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    led_to text;
BEGIN
    SELECT record ->> 'to' INTO led_to FROM incident_action WHERE incident_id = NEW.incident_id AND version = NEW.version - 1;
    IF (NEW.version > 1 AND led_to IS NULL) OR led_to IS DISTINCT FROM (NEW.record ->> 'from') THEN
        RAISE EXCEPTION 'incident %: record % does not follow the one before it', NEW.incident_id, NEW.version
            USING ERRCODE = 'check_violation', CONSTRAINT = 'incident_record_guard';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER incident_record_guard BEFORE INSERT ON incident_action FOR EACH ROW WHEN (NEW.version IS NOT NULL)
    EXECUTE FUNCTION incident_record_guard();

-- Rows are added and never changed. Only deletion by law or the wiping of a test system may take them away, and says so first:
-- SET LOCAL homeward.erasure = 'on'.
CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('homeward.erasure', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only (a deletion by law says SET LOCAL homeward.erasure = ''on'' first)', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = 'append_only';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON incident_action FOR EACH ROW EXECUTE FUNCTION append_only();

-- Who is called when nobody comes. A revision stays as it is; a round that has begun goes on with the revision it began with.
CREATE TABLE ladder (
    ladder_id   uuid PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE ladder_revision (
    ladder_id   uuid NOT NULL REFERENCES ladder,
    revision    bigint NOT NULL CHECK (revision >= 1),
    laps        integer NOT NULL CHECK (laps BETWEEN 1 AND 10),
    steps       jsonb NOT NULL,                  -- [{"call":{"user"|"rota":id},"via":[…],"wait":"PT5M"}], from the foot
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  uuid REFERENCES app_user,        -- NULL: on the command line
    PRIMARY KEY (ladder_id, revision)
);

-- Which ladder is for whose incidents. The newest row of a scope, severity and audience counts; one without a ladder ends it.
CREATE TABLE ladder_assignment (
    assignment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agency_id     uuid REFERENCES agency,        -- the people of it and of those below it
    person_id     uuid REFERENCES person,        -- neither: everybody's
    severity      smallint CHECK (severity BETWEEN 1 AND 4),
    audience      text CHECK (audience IN ('police', 'social_work', 'both')),
    ladder_id     uuid REFERENCES ladder,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by    uuid REFERENCES app_user,
    CHECK (num_nonnulls(agency_id, person_id) <= 1)
);

-- Who is on duty.
CREATE TABLE rota (
    rota_id     uuid PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE rota_revision (
    rota_id     uuid NOT NULL REFERENCES rota,
    revision    bigint NOT NULL CHECK (revision >= 1),
    time_zone   text NOT NULL,
    overlap_s   integer NOT NULL CHECK (overlap_s BETWEEN 0 AND 43200),   -- hand-over: how long a crew that leaves is called as well
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  uuid REFERENCES app_user,
    PRIMARY KEY (rota_id, revision)
);
CREATE TABLE rota_shift (
    rota_id     uuid NOT NULL,
    revision    bigint NOT NULL,
    shift       integer NOT NULL CHECK (shift >= 1),
    on_holidays boolean NOT NULL,
    days        text[] NOT NULL,                 -- on which it begins
    starts      time NOT NULL,
    ends        time NOT NULL,                   -- on the next day where it is not after `starts`
    turn_from   date,                            -- NULL: one team, always
    turn_days   integer CHECK (turn_days BETWEEN 1 AND 366),
    PRIMARY KEY (rota_id, revision, shift),
    FOREIGN KEY (rota_id, revision) REFERENCES rota_revision,
    CHECK (num_nonnulls(turn_from, turn_days) IN (0, 2))
);
CREATE TABLE rota_team (
    rota_id     uuid NOT NULL,
    revision    bigint NOT NULL,
    shift       integer NOT NULL,
    team        integer NOT NULL CHECK (team >= 1),
    members     uuid[] NOT NULL CHECK (cardinality(members) >= 1),
    PRIMARY KEY (rota_id, revision, shift, team),
    FOREIGN KEY (rota_id, revision, shift) REFERENCES rota_shift
);
CREATE TABLE rota_holiday (
    rota_id     uuid NOT NULL,
    revision    bigint NOT NULL,
    day         date NOT NULL,
    PRIMARY KEY (rota_id, revision, day),
    FOREIGN KEY (rota_id, revision) REFERENCES rota_revision
);
CREATE TABLE rota_exception (
    rota_id     uuid NOT NULL,
    revision    bigint NOT NULL,
    exception   integer NOT NULL CHECK (exception >= 1),
    starts      timestamp NOT NULL,              -- local time of the rota
    ends        timestamp NOT NULL,
    away        uuid REFERENCES app_user,        -- NULL: everybody who otherwise would work
    instead     uuid[] NOT NULL,
    PRIMARY KEY (rota_id, revision, exception),
    FOREIGN KEY (rota_id, revision) REFERENCES rota_revision,
    CHECK (ends > starts)
);

-- When a user cannot be called, on whatever rota. A row that takes another back names it.
CREATE TABLE absence (
    absence_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     uuid NOT NULL REFERENCES app_user,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL,
    reason      text NOT NULL DEFAULT '',
    takes_back  bigint UNIQUE REFERENCES absence,
    entered_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    entered_by  uuid REFERENCES app_user,
    CHECK (ends_at > starts_at)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ladder', 'ladder_revision', 'ladder_assignment', 'rota', 'rota_revision', 'rota_shift', 'rota_team',
        'rota_holiday', 'rota_exception', 'absence'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION append_only()', name);
    END LOOP;
END $$;
