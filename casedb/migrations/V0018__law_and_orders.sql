-- Law as data: what a profile (casedb/law/*.toml) asks of an order is kept as records, and an order is in force only with them.

-- Where an agency stands; a profile may ask for the approval of a certain level.
ALTER TABLE agency ADD COLUMN level text CHECK (level IN ('national', 'province', 'city', 'county', 'township'));

-- `effective_from`: from when on the required steps were there; null: they are not. '-infinity': nothing is required ('generic',
-- and so every order from before this version). `lapses_at`: a review is due then, and without it the order is not in force.
ALTER TABLE supervision_order
    ADD COLUMN profile text NOT NULL DEFAULT 'generic' CHECK (profile ~ '^[a-z][a-z0-9-]{0,31}$'),
    ADD COLUMN ground_codes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN conditions text NOT NULL DEFAULT '',
    ADD COLUMN effective_from timestamptz DEFAULT '-infinity',
    ADD COLUMN lapses_at timestamptz,
    ADD COLUMN made_by uuid REFERENCES app_user;

-- Stretches of an order that are over though the order goes on: it lapsed by a missed review and was taken up again later.
CREATE TABLE order_past_term (
    past_term_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id     uuid NOT NULL REFERENCES supervision_order,
    person_id    uuid NOT NULL REFERENCES person,
    starts_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (ends_at > starts_at)
);
CREATE INDEX order_past_term_person ON order_past_term (person_id);
CREATE INDEX order_past_term_order ON order_past_term (order_id);

-- When an order is in force: the one place that everything asks (gateways, rules, console). A row is a stretch of time from
-- `starts_at` to before `ends_at`.
CREATE VIEW order_term AS
    SELECT order_id, person_id, profile, GREATEST(starts_at, effective_from) AS starts_at,
        LEAST(ends_at, revoked_at, lapses_at) AS ends_at
    FROM supervision_order
    WHERE GREATEST(starts_at, effective_from) < LEAST(ends_at, revoked_at, lapses_at) AND effective_from IS NOT NULL
    UNION ALL
    SELECT t.order_id, t.person_id, o.profile, t.starts_at, t.ends_at
    FROM order_past_term t JOIN supervision_order o USING (order_id);
COMMENT ON VIEW order_term IS 'When orders are in force: with approval, required steps and reviews. Ask this, not supervision_order.';

-- Every state of an order as it was recorded; rows are only added, by the trigger below.
CREATE TABLE order_revision (
    order_id       uuid NOT NULL REFERENCES supervision_order,
    revision       bigint NOT NULL CHECK (revision >= 1),
    person_id      uuid NOT NULL REFERENCES person,
    recorded_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_by    uuid REFERENCES app_user,             -- NULL: the program, or SQL
    what           text NOT NULL CHECK (what IN ('created', 'backfilled', 'activated', 'extended', 'shortened', 'varied', 'reviewed',
                                                 'revoked', 'changed')),
    reason         text NOT NULL DEFAULT '',
    profile        text NOT NULL,
    legal_basis    text NOT NULL,
    grounds        text NOT NULL,
    ground_codes   text[] NOT NULL,
    conditions     text NOT NULL,
    starts_at      timestamptz NOT NULL,
    ends_at        timestamptz NOT NULL,
    revoked_at     timestamptz,
    effective_from timestamptz,
    lapses_at      timestamptz,
    PRIMARY KEY (order_id, revision)
);
CREATE INDEX order_revision_person ON order_revision (person_id, recorded_at);

-- Who approved or refused what: the order itself, or an extension of it.
CREATE TABLE order_approval (
    approval_id  uuid PRIMARY KEY,
    order_id     uuid NOT NULL REFERENCES supervision_order,
    extension_id uuid,                                   -- NULL: the order itself
    decision     text NOT NULL CHECK (decision IN ('approved', 'refused')),
    decided_by   uuid NOT NULL REFERENCES app_user,      -- of a court's decision: who entered it
    role         text NOT NULL,                          -- theirs, and their agency's place, when they decided
    agency_id    uuid NOT NULL REFERENCES agency,
    agency_level text,
    court        text NOT NULL DEFAULT '',               -- of a court's decision: which, and its reference
    reference    text NOT NULL DEFAULT '',
    reason       text NOT NULL DEFAULT '',
    decided_at   timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX order_approval_once ON order_approval (order_id, COALESCE(extension_id, order_id));

CREATE TABLE order_extension (
    extension_id uuid PRIMARY KEY,
    order_id     uuid NOT NULL REFERENCES supervision_order,
    from_end     timestamptz NOT NULL,                   -- the end when it was asked for
    to_end       timestamptz NOT NULL,
    reason       text NOT NULL CHECK (reason <> ''),
    requested_by uuid NOT NULL REFERENCES app_user,
    requested_at timestamptz NOT NULL,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (to_end > from_end)
);
CREATE INDEX order_extension_order ON order_extension (order_id);
ALTER TABLE order_approval ADD FOREIGN KEY (extension_id) REFERENCES order_extension;

-- Steps that a profile requires: notices signed, copies sent.
CREATE TABLE order_notice (
    notice_id    uuid PRIMARY KEY,
    order_id     uuid NOT NULL REFERENCES supervision_order,
    step         text NOT NULL CHECK (step IN ('notice_signed', 'notice_given', 'copy_sent', 'written_order')),
    given_to     text NOT NULL CHECK (given_to <> ''),
    done_at      timestamptz NOT NULL,
    reference    text NOT NULL DEFAULT '',               -- of the document in the file
    recorded_by  uuid NOT NULL REFERENCES app_user,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX order_notice_order ON order_notice (order_id);

-- Reviews: due at a time; done once, with an outcome.
CREATE TABLE order_review (
    review_id        uuid PRIMARY KEY,
    order_id         uuid NOT NULL REFERENCES supervision_order,
    kind             text NOT NULL CHECK (kind IN ('periodic', 'device_fault', 'asked')),
    due_at           timestamptz NOT NULL,
    cause            text NOT NULL DEFAULT '',
    opened_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome          text CHECK (outcome IN ('continue', 'vary', 'end')),
    note             text NOT NULL DEFAULT '',
    done_by          uuid REFERENCES app_user,
    done_at          timestamptz,
    done_recorded_at timestamptz,
    next_due_at      timestamptz,
    CHECK ((outcome IS NULL) = (done_at IS NULL) AND (outcome IS NULL) = (done_by IS NULL)
        AND (outcome IS NULL) = (done_recorded_at IS NULL))
);
CREATE INDEX order_review_order ON order_review (order_id);
-- One forced review at a time.
CREATE UNIQUE INDEX order_review_open ON order_review (order_id, kind) WHERE outcome IS NULL;

-- Which warning was given, so that it is given once even when its incident is closed.
CREATE TABLE order_warning (
    order_id  uuid NOT NULL REFERENCES supervision_order,
    kind      text NOT NULL CHECK (kind IN ('order_ends', 'review_due')),
    for_at    timestamptz NOT NULL,                      -- the end or the due time that it warns of
    days      smallint NOT NULL,
    warned_at timestamptz NOT NULL,
    PRIMARY KEY (order_id, kind, for_at, days)
);

-- An order of a profile with demands begins without effect, keeps its profile, and takes effect only with an approval. Restoring
-- an export (homeward.import = on) brings rows as they were.
CREATE FUNCTION supervision_order_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('homeward.import', true) = 'on' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.profile <> 'generic' THEN
            NEW.effective_from := NULL;
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.profile <> OLD.profile THEN
        RAISE EXCEPTION 'order %: the profile % cannot become %', OLD.order_id, OLD.profile, NEW.profile
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_profile_stays';
    END IF;
    IF NEW.profile <> 'generic' AND NEW.effective_from IS NOT NULL AND NEW.effective_from IS DISTINCT FROM OLD.effective_from
        AND NOT EXISTS (SELECT FROM order_approval a
            WHERE a.order_id = NEW.order_id AND a.extension_id IS NULL AND a.decision = 'approved') THEN
        RAISE EXCEPTION 'order %: without an approval it does not take effect', NEW.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_approved';
    END IF;
    IF NEW.profile <> 'generic' AND NEW.ends_at > OLD.ends_at
        AND NOT EXISTS (SELECT FROM order_extension e JOIN order_approval a USING (extension_id)
            WHERE e.order_id = NEW.order_id AND a.decision = 'approved' AND e.to_end = NEW.ends_at) THEN
        RAISE EXCEPTION 'order %: its end moves on only by an approved extension', NEW.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_extended';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER supervision_order_guard BEFORE INSERT OR UPDATE ON supervision_order
    FOR EACH ROW EXECUTE FUNCTION supervision_order_guard();

-- Writes the revision. `homeward.order_what` and `homeward.order_reason` say what happened, `homeward.user_id` who did it; all
-- three are of the transaction.
CREATE FUNCTION supervision_order_revise() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    said text := NULLIF(current_setting('homeward.order_what', true), '');
BEGIN
    IF current_setting('homeward.import', true) = 'on' OR (TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM OLD) THEN
        RETURN NULL;
    END IF;
    INSERT INTO order_revision (order_id, revision, person_id, recorded_by, what, reason, profile, legal_basis, grounds, ground_codes,
        conditions, starts_at, ends_at, revoked_at, effective_from, lapses_at)
    SELECT NEW.order_id, COALESCE(max(r.revision), 0) + 1, NEW.person_id,
        NULLIF(current_setting('homeward.user_id', true), '')::uuid,
        COALESCE(said, CASE TG_OP WHEN 'INSERT' THEN 'created' ELSE 'changed' END),
        COALESCE(current_setting('homeward.order_reason', true), ''), NEW.profile, NEW.legal_basis, NEW.grounds, NEW.ground_codes,
        NEW.conditions, NEW.starts_at, NEW.ends_at, NEW.revoked_at, NEW.effective_from, NEW.lapses_at
    FROM order_revision r WHERE r.order_id = NEW.order_id;
    PERFORM set_config('homeward.order_what', '', true), set_config('homeward.order_reason', '', true);
    RETURN NULL;
END $$;
CREATE TRIGGER supervision_order_revise AFTER INSERT OR UPDATE ON supervision_order
    FOR EACH ROW EXECUTE FUNCTION supervision_order_revise();

-- What is on record stays as it was recorded.
CREATE FUNCTION order_record_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only added', TG_TABLE_NAME USING ERRCODE = 'check_violation', CONSTRAINT = 'order_record_stays';
END $$;
CREATE TRIGGER order_revision_stays BEFORE UPDATE ON order_revision FOR EACH ROW EXECUTE FUNCTION order_record_stays();
CREATE TRIGGER order_approval_stays BEFORE UPDATE ON order_approval FOR EACH ROW EXECUTE FUNCTION order_record_stays();
CREATE TRIGGER order_extension_stays BEFORE UPDATE ON order_extension FOR EACH ROW EXECUTE FUNCTION order_record_stays();
CREATE TRIGGER order_notice_stays BEFORE UPDATE ON order_notice FOR EACH ROW EXECUTE FUNCTION order_record_stays();
CREATE TRIGGER order_past_term_stays BEFORE UPDATE ON order_past_term FOR EACH ROW EXECUTE FUNCTION order_record_stays();
CREATE TRIGGER order_review_done_once BEFORE UPDATE ON order_review FOR EACH ROW WHEN (OLD.outcome IS NOT NULL)
    EXECUTE FUNCTION order_record_stays();

-- Orders from before: as they stand, known since they were entered.
INSERT INTO order_revision (order_id, revision, person_id, recorded_at, what, reason, profile, legal_basis, grounds, ground_codes,
    conditions, starts_at, ends_at, revoked_at, effective_from, lapses_at)
SELECT order_id, 1, person_id, created_at, 'backfilled', 'as it stood when revisions began', profile, legal_basis, grounds, ground_codes,
    conditions, starts_at, ends_at, revoked_at, effective_from, lapses_at FROM supervision_order;

-- Leave: asked for, then approved or refused by somebody else. What was there was approved.
ALTER TABLE leave_pass
    ALTER COLUMN approved_by DROP NOT NULL,
    ADD COLUMN state text NOT NULL DEFAULT 'approved' CHECK (state IN ('requested', 'approved', 'refused')),
    ADD COLUMN decided_by uuid REFERENCES app_user,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decision_note text NOT NULL DEFAULT '',
    ADD CONSTRAINT leave_pass_approver CHECK (state <> 'approved' OR approved_by IS NOT NULL),
    ADD CONSTRAINT leave_pass_decided CHECK (state <> 'refused' OR decided_by IS NOT NULL),
    ADD CONSTRAINT leave_pass_four_eyes CHECK (decided_by IS NULL OR created_by IS NULL OR decided_by <> created_by);
CREATE INDEX leave_pass_requested ON leave_pass (person_id) WHERE state = 'requested';

ALTER TABLE order_change DROP CONSTRAINT order_change_what_check;
ALTER TABLE order_change ADD CONSTRAINT order_change_what_check CHECK (what IN ('calendar', 'holidays', 'holidays_removed', 'release',
    'leave', 'leave_withdrawn', 'leave_requested', 'leave_refused', 'keep_away', 'keep_away_removed', 'consent', 'consent_withdrawn',
    'device', 'order_made', 'order_approved', 'order_refused', 'order_notice', 'order_extension', 'order_review', 'order_varied',
    'order_revoked'));
