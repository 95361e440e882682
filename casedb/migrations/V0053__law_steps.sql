-- The database holds every step before an order takes effect, not approval alone: the notices and copies that the profile demands, those
-- of an extension, and the reviews without which an order lapses.

-- Which steps a profile demands, of an order or of an extension, and after how many months a missed review suspends. `homeward migrate`
-- writes them from casedb/law/*.toml.
CREATE FUNCTION law_steps(text, boolean) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS 'SELECT NULL::text WHERE false';
CREATE FUNCTION law_review_months(text) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT NULL::integer';

-- A step of an extension: its own notice, its own copy.
ALTER TABLE order_extension ADD CONSTRAINT order_extension_of_order UNIQUE (extension_id, order_id);
ALTER TABLE order_notice ADD COLUMN extension_id uuid;   -- NULL: of the order itself
ALTER TABLE order_notice ADD CONSTRAINT order_notice_extension FOREIGN KEY (extension_id, order_id)
    REFERENCES order_extension (extension_id, order_id);
CREATE INDEX order_notice_of_extension ON order_notice (extension_id) WHERE extension_id IS NOT NULL;

CREATE OR REPLACE FUNCTION supervision_order_guard() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    missing text;
    months integer := law_review_months(NEW.profile);
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
    IF NEW.profile <> 'generic' AND NEW.effective_from IS NOT NULL AND NEW.effective_from IS DISTINCT FROM OLD.effective_from THEN
        IF NOT EXISTS (SELECT FROM order_approval a
            WHERE a.order_id = NEW.order_id AND a.extension_id IS NULL AND a.decision = 'approved'
              AND a.decided_at <= NEW.effective_from) THEN
            RAISE EXCEPTION 'order %: without an approval it does not take effect', NEW.order_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_approved';
        END IF;
        SELECT string_agg(s, ', ') INTO missing FROM law_steps(NEW.profile, false) s
        WHERE NOT EXISTS (SELECT FROM order_notice n WHERE n.order_id = NEW.order_id AND n.extension_id IS NULL AND n.step = s
            AND n.done_at <= NEW.effective_from);
        IF missing IS NOT NULL THEN
            RAISE EXCEPTION 'order %: it does not take effect without %', NEW.order_id, missing
                USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_steps';
        END IF;
    END IF;
    IF NEW.profile <> 'generic' AND NEW.ends_at > OLD.ends_at THEN
        IF NOT EXISTS (SELECT FROM order_extension e JOIN order_approval a USING (extension_id)
            WHERE e.order_id = NEW.order_id AND a.decision = 'approved' AND e.to_end = NEW.ends_at) THEN
            RAISE EXCEPTION 'order %: its end moves on only by an approved extension', NEW.order_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_extended';
        END IF;
        IF NOT EXISTS (SELECT FROM order_extension e JOIN order_approval a USING (extension_id)
            WHERE e.order_id = NEW.order_id AND a.decision = 'approved' AND e.to_end = NEW.ends_at
              AND NOT EXISTS (SELECT FROM law_steps(NEW.profile, true) s
                  WHERE NOT EXISTS (SELECT FROM order_notice n WHERE n.extension_id = e.extension_id AND n.step = s))) THEN
            RAISE EXCEPTION 'order %: the extension lacks steps that the law profile % demands', NEW.order_id, NEW.profile
                USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_extension_steps';
        END IF;
    END IF;
    -- Where a missed review suspends: in force until the next one that is open, and longer only by one that was done.
    IF months IS NOT NULL AND NEW.effective_from IS NOT NULL
        AND (NEW.lapses_at IS DISTINCT FROM OLD.lapses_at OR OLD.effective_from IS NULL)
        AND (NEW.lapses_at IS NULL
            OR NOT EXISTS (SELECT FROM order_review r
                WHERE r.order_id = NEW.order_id AND r.kind = 'periodic' AND r.outcome IS NULL AND r.due_at = NEW.lapses_at)
            OR (OLD.effective_from IS NOT NULL AND NOT EXISTS (SELECT FROM order_review r
                WHERE r.order_id = NEW.order_id AND r.kind = 'periodic' AND r.outcome <> 'end' AND r.next_due_at = NEW.lapses_at))
            -- Months end by the person's calendar: hence the days.
            OR NEW.lapses_at > make_interval(days => 2, months => months) + GREATEST(NEW.starts_at, NEW.effective_from,
                (SELECT max(r.done_at) FROM order_review r
                 WHERE r.order_id = NEW.order_id AND r.kind = 'periodic' AND r.outcome <> 'end'))) THEN
        RAISE EXCEPTION 'order %: it is in force no longer than to its next review', NEW.order_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'supervision_order_reviewed';
    END IF;
    RETURN NEW;
END $$;

-- What is due stays due; a review is only done.
CREATE TRIGGER order_review_stays BEFORE UPDATE ON order_review FOR EACH ROW
    WHEN ((NEW.review_id, NEW.order_id, NEW.kind, NEW.due_at, NEW.cause, NEW.opened_at)
        IS DISTINCT FROM (OLD.review_id, OLD.order_id, OLD.kind, OLD.due_at, OLD.cause, OLD.opened_at))
    EXECUTE FUNCTION order_record_stays();
