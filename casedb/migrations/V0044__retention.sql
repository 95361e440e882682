-- Deletion by law, and what stops it.

-- While a hold stands nothing of the person is deleted, whatever the term.
CREATE TABLE legal_hold (
    hold_id      uuid PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES person,
    reason       text NOT NULL CHECK (reason <> ''),
    authority    text NOT NULL CHECK (authority <> ''),   -- who ordered it: a court, a prosecutor, with the reference
    set_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    set_by       text NOT NULL,
    lifted_at    timestamptz,
    lifted_by    text,
    lift_reason  text,
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lift_reason IS NULL))
);
CREATE UNIQUE INDEX legal_hold_open ON legal_hold (person_id, authority) WHERE lifted_at IS NULL;
COMMENT ON TABLE legal_hold IS 'Keeps a person''s data from being deleted';

-- What is said of a deletion: what, how much, why. Never the data. No foreign key: it outlives the person's row.
CREATE TABLE deletion_certificate (
    certificate_id uuid PRIMARY KEY,
    person_id      uuid NOT NULL,
    made_at        timestamptz NOT NULL,
    content        text NOT NULL,                 -- JSON, as it was digested
    digest         bytea NOT NULL CHECK (length(digest) = 32)   -- SHA-256 of the content
);
CREATE INDEX deletion_certificate_person ON deletion_certificate (person_id, made_at);
COMMENT ON TABLE deletion_certificate IS 'What was deleted of whom, on which basis';

-- What was deleted, table by table; a certificate gathers it.
CREATE TABLE deletion_item (
    item_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id      uuid NOT NULL,
    table_name     text NOT NULL,
    rows_gone      bigint NOT NULL CHECK (rows_gone > 0),
    whole_day      date,                          -- the day was dropped as a whole: a chunk, or a partition
    deleted_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    certificate_id uuid REFERENCES deletion_certificate
);
CREATE INDEX deletion_item_open ON deletion_item (person_id) WHERE certificate_id IS NULL;
CREATE INDEX deletion_item_certificate ON deletion_item (certificate_id) WHERE certificate_id IS NOT NULL;
COMMENT ON TABLE deletion_item IS 'Rows deleted by law, by person and table';

-- Drops a day of movement history as a whole. False: it has no chunk or partition of its own.
CREATE FUNCTION position_drop_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name constant text := 'position_' || to_char(day, 'YYYYMMDD');
    dropped bigint;
BEGIN
    IF to_regclass('position_default') IS NULL THEN
        SELECT count(*) INTO dropped FROM drop_chunks('position',
            older_than => (day + 1)::timestamp AT TIME ZONE 'UTC', newer_than => day::timestamp AT TIME ZONE 'UTC');
        RETURN dropped > 0;
    END IF;
    IF to_regclass(name) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
END $$;

-- Nobody but the owner drops history.
REVOKE EXECUTE ON FUNCTION position_drop_day FROM PUBLIC;
