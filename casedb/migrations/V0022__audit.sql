-- The audit: what was done, in a chain of hashes that cannot be cut, changed or added to unseen (docs/evidence.md).
--
-- A change of a row of record is written by its trigger into audit_pending, in the same transaction; the sealer chains what is
-- committed into audit_entry. Writers therefore never wait for each other. The triggers are attached by `homeward migrate`
-- (casedb::audit::cover) to every table that is not on its list of exceptions, so that a new table is covered by itself.

CREATE TABLE audit_pending (
    pending_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_kind    text NOT NULL CHECK (actor_kind IN ('user', 'command', 'system')),
    actor         text NOT NULL,                 -- user: the id; command: who ran it; system: database log-in and application
    actor_role    text NOT NULL DEFAULT '',      -- the database role that the row-level rules saw
    act           text NOT NULL CHECK (act ~ '^[a-z_]{1,40}$'),
    table_name    text NOT NULL DEFAULT '',
    row_key       text NOT NULL DEFAULT '',      -- JSON object of the primary key; acts that are no row change: what they are about
    changed       text NOT NULL DEFAULT '',      -- names of the columns that an update changed, never their content
    old_digest    bytea,                         -- SHA-256 of salt and row; the content itself is not kept
    new_digest    bytea,
    detail        text NOT NULL DEFAULT '',      -- JSON, ids and numbers only
    CHECK (length(old_digest) = 32 AND length(new_digest) = 32)
);

-- The chain. entry_id has no gaps; hash = SHA-256(previous_hash, the other columns as netstrings).
CREATE TABLE audit_entry (
    entry_id      bigint PRIMARY KEY CHECK (entry_id >= 1),
    at            timestamptz NOT NULL,
    actor_kind    text NOT NULL,
    actor         text NOT NULL,
    actor_role    text NOT NULL,
    act           text NOT NULL,
    table_name    text NOT NULL,
    row_key       text NOT NULL,
    changed       text NOT NULL,
    old_digest    bytea,
    new_digest    bytea,
    detail        text NOT NULL,
    previous_hash bytea NOT NULL CHECK (length(previous_hash) = 32),
    hash          bytea NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX audit_entry_row ON audit_entry (table_name, row_key, entry_id);

-- Where the chain ends: an entry taken off the end is missed.
CREATE TABLE audit_head (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    entry_id      bigint NOT NULL,
    hash          bytea NOT NULL CHECK (length(hash) = 32)
);
INSERT INTO audit_head (entry_id, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- The salt of each row's present digest. It goes with the row: after that nobody can tell from a digest what was in the row.
CREATE TABLE audit_row (
    table_name    text NOT NULL,
    row_key       text NOT NULL,
    salt          bytea NOT NULL CHECK (length(salt) = 16),
    PRIMARY KEY (table_name, row_key)
);

-- Which columns the digests of a table have.
CREATE TABLE audit_shape (
    table_name    text PRIMARY KEY,
    columns       text[] NOT NULL
);

-- Signed states of the chain: whoever has one can prove that the chain up to it is as it was then.
CREATE TABLE audit_root (
    through_id    bigint PRIMARY KEY,
    first_id      bigint NOT NULL,               -- the tree has the entries from here through through_id
    hash          bytea NOT NULL CHECK (length(hash) = 32),        -- of entry through_id
    tree          bytea NOT NULL CHECK (length(tree) = 32),        -- Merkle root (RFC 6962) of the hashes of these entries
    at            timestamptz NOT NULL,
    key_id        text NOT NULL,
    public_key    bytea NOT NULL CHECK (length(public_key) = 32),
    signature     bytea NOT NULL CHECK (length(signature) = 64),
    CHECK (through_id >= first_id)
);

-- The salt of a person's movement history. Without it the digests of the history say nothing about anybody.
CREATE TABLE history_salt (
    person_id     uuid PRIMARY KEY,
    salt          bytea NOT NULL CHECK (length(salt) = 16)
);

-- Movement history has no trigger per row. The history writer seals each of its batches in the same transaction: keys of 40 bytes
-- (person, time, id) and digests of 16 bytes, in the same order. A seal is a row of record like others.
CREATE TABLE history_seal (
    seal_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_name    text NOT NULL CHECK (table_name IN ('position', 'report_copy', 'quarantined_report', 'quarantined_copy')),
    leaves        integer NOT NULL CHECK (leaves > 0),
    keys          bytea NOT NULL,
    digests       bytea NOT NULL,
    sealed_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (length(keys) = leaves * 40 AND length(digests) = leaves * 16)
);
ALTER TABLE history_seal ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN digests SET STORAGE EXTERNAL;

CREATE FUNCTION audit_digest(salt bytea, content jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(salt || convert_to(content::text, 'UTF8'));

-- Who does it: a user of the console, somebody at the command line, or the program itself.
CREATE FUNCTION audit_actor(OUT kind text, OUT name text, OUT as_role text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    as_role := current_setting('role', true);
    IF as_role IS NULL OR as_role = 'none' THEN
        as_role := '';
    END IF;
    name := nullif(current_setting('homeward.user_id', true), '');
    IF name IS NOT NULL THEN
        kind := 'user';
        RETURN;
    END IF;
    name := nullif(current_setting('homeward.actor', true), '');
    IF name IS NOT NULL THEN
        kind := 'command';
        RETURN;
    END IF;
    kind := 'system';
    name := session_user || '/' || coalesce(current_setting('application_name', true), '');
END $$;

-- An act that is no change of a row: a reading, an export, a log-in, a deletion certified.
CREATE FUNCTION audit_append(act text, about_table text, about_key text, detail jsonb) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    who record;
    made bigint;
BEGIN
    SELECT * INTO who FROM audit_actor();
    INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, detail)
    VALUES (who.kind, who.name, who.as_role, act, about_table, about_key, detail::text) RETURNING pending_id INTO made;
    RETURN made;
END $$;

-- The trigger of every table of record. Its arguments are the columns of the primary key. The settings make the text of a row the
-- same whatever the session's own are.
CREATE FUNCTION audit_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex'
SET intervalstyle = 'postgres' AS $$
DECLARE
    was jsonb;
    becomes jsonb;
    was_key jsonb := '{}';
    becomes_key jsonb := '{}';
    was_salt bytea;
    new_salt bytea;
    who record;
    -- A migration changes the shape of rows: what a row was before cannot be digested any more.
    migrating constant boolean := coalesce(current_setting('homeward.migrating', true), '') = 'on';
    names text := '';
BEGIN
    SELECT * INTO who FROM audit_actor();
    IF TG_OP <> 'INSERT' THEN
        was := to_jsonb(OLD);
        FOR i IN 0 .. TG_NARGS - 1 LOOP
            was_key := was_key || jsonb_build_object(TG_ARGV[i], was -> TG_ARGV[i]);
        END LOOP;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        becomes := to_jsonb(NEW);
        IF TG_OP = 'UPDATE' AND becomes = was THEN
            RETURN NULL;
        END IF;
        FOR i IN 0 .. TG_NARGS - 1 LOOP
            becomes_key := becomes_key || jsonb_build_object(TG_ARGV[i], becomes -> TG_ARGV[i]);
        END LOOP;
        new_salt := uuid_send(gen_random_uuid());
    END IF;
    IF TG_OP <> 'INSERT' AND NOT migrating THEN
        SELECT salt INTO was_salt FROM audit_row WHERE table_name = TG_TABLE_NAME AND row_key = was_key::text;
        -- Without a salt the row came past the audit; a digest of nothing says so for good.
        was_salt := coalesce(was_salt, ''::bytea);
    END IF;
    IF TG_OP = 'UPDATE' AND was_key = becomes_key THEN
        SELECT coalesce(string_agg(key, ',' ORDER BY key COLLATE "C"), '') INTO names
            FROM jsonb_each(becomes) AS b WHERE b.value IS DISTINCT FROM was -> b.key;
        INSERT INTO audit_row (table_name, row_key, salt) VALUES (TG_TABLE_NAME, becomes_key::text, new_salt)
            ON CONFLICT (table_name, row_key) DO UPDATE SET salt = excluded.salt;
        INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, changed, old_digest, new_digest)
        VALUES (who.kind, who.name, who.as_role, CASE WHEN migrating THEN 'migrate' ELSE 'update' END, TG_TABLE_NAME,
            becomes_key::text, names, audit_digest(was_salt, was), audit_digest(new_salt, becomes));
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM audit_row WHERE table_name = TG_TABLE_NAME AND row_key = was_key::text;
        INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, old_digest, detail)
        VALUES (who.kind, who.name, who.as_role, 'delete', TG_TABLE_NAME, was_key::text, audit_digest(was_salt, was),
            CASE WHEN migrating THEN '{"migrating":true}' ELSE '' END);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO audit_row (table_name, row_key, salt) VALUES (TG_TABLE_NAME, becomes_key::text, new_salt)
            ON CONFLICT (table_name, row_key) DO UPDATE SET salt = excluded.salt;
        INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, new_digest, detail)
        VALUES (who.kind, who.name, who.as_role, 'insert', TG_TABLE_NAME, becomes_key::text, audit_digest(new_salt, becomes),
            CASE WHEN migrating THEN '{"migrating":true}' ELSE '' END);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: it is on record', lower(TG_OP), TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_root FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_refuse BEFORE UPDATE OR TRUNCATE ON audit_pending FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- A text as a netstring: its length in bytes, a colon, the text, a comma. Absent: a dash and a comma.
CREATE FUNCTION audit_netstring(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN value IS NULL THEN '-,' ELSE octet_length(value)::text || ':' || value || ',' END;

-- Chains at most so many committed entries, oldest first, and returns how many. Whoever sees a change of a row sees all earlier
-- ones of it, so that each row's entries are in their order whatever else commits meanwhile.
CREATE FUNCTION audit_seal(most bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    at_id bigint;
    at_hash bytea;
    previous bytea;
    next record;
    sealed bigint := 0;
BEGIN
    SELECT entry_id, hash INTO STRICT at_id, at_hash FROM audit_head FOR UPDATE;
    FOR next IN
        WITH taken AS (
            DELETE FROM audit_pending WHERE pending_id IN (SELECT pending_id FROM audit_pending ORDER BY pending_id LIMIT most)
            RETURNING *
        ) SELECT * FROM taken ORDER BY pending_id
    LOOP
        at_id := at_id + 1;
        previous := at_hash;
        at_hash := sha256(previous || convert_to(
            audit_netstring('homeward-audit-1') || audit_netstring(at_id::text)
            || audit_netstring((extract(epoch FROM next.at) * 1000000)::bigint::text)
            || audit_netstring(next.actor_kind) || audit_netstring(next.actor) || audit_netstring(next.actor_role)
            || audit_netstring(next.act) || audit_netstring(next.table_name) || audit_netstring(next.row_key)
            || audit_netstring(next.changed) || audit_netstring(encode(next.old_digest, 'hex'))
            || audit_netstring(encode(next.new_digest, 'hex')) || audit_netstring(next.detail), 'UTF8'));
        INSERT INTO audit_entry VALUES (at_id, next.at, next.actor_kind, next.actor, next.actor_role, next.act, next.table_name,
            next.row_key, next.changed, next.old_digest, next.new_digest, next.detail, previous, at_hash);
        sealed := sealed + 1;
    END LOOP;
    IF sealed > 0 THEN
        UPDATE audit_head SET entry_id = at_id, hash = at_hash;
    END IF;
    RETURN sealed;
END $$;

-- Takes the rows of a table under the audit: all of them the first time, and again when its columns changed. Of a table that only
-- got new columns, what the row was before is digested too, so that a migration launders nothing.
CREATE FUNCTION audit_cover(covered text) RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex'
SET intervalstyle = 'postgres' AS $$
DECLARE
    now_columns text[];
    was_columns text[];
    key_columns text[];
    added text[];
    key_text text;
    rows bigint := 0;
    who record;
BEGIN
    SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C") INTO now_columns FROM pg_attribute a
        WHERE a.attrelid = format('public.%I', covered)::regclass AND a.attnum > 0 AND NOT a.attisdropped;
    SELECT array_agg(a.attname::text ORDER BY a.attname::text COLLATE "C") INTO key_columns
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = format('public.%I', covered)::regclass AND i.indisprimary;
    IF key_columns IS NULL THEN
        RAISE EXCEPTION 'table % has no primary key: its rows cannot be named by the audit', covered;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = format('public.%I', covered)::regclass AND t.tgname = 'audit_change') THEN
        EXECUTE format('CREATE TRIGGER audit_change AFTER INSERT OR UPDATE OR DELETE ON public.%I FOR EACH ROW
            EXECUTE FUNCTION audit_change(%s)', covered,
            (SELECT string_agg(quote_literal(k), ', ' ORDER BY k COLLATE "C") FROM unnest(key_columns) k));
        -- Others' own guards against emptying a table stay; this one is ours.
        EXECUTE format('CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.%I FOR EACH STATEMENT
            EXECUTE FUNCTION audit_refuse()', covered);
    END IF;
    SELECT columns INTO was_columns FROM audit_shape WHERE table_name = covered;
    IF was_columns = now_columns THEN
        RETURN 0;
    END IF;
    SELECT * INTO who FROM audit_actor();
    SELECT coalesce(array_agg(c), '{}') INTO added FROM unnest(now_columns) c WHERE c <> ALL (coalesce(was_columns, now_columns));
    SELECT format('jsonb_build_object(%s)', string_agg(format('%L, j -> %L', k, k), ', ' ORDER BY k COLLATE "C")) INTO key_text
        FROM unnest(key_columns) k;
    EXECUTE format('
        WITH present AS MATERIALIZED (
            SELECT (%1$s)::text AS key, j, uuid_send(gen_random_uuid()) AS salt
            FROM (SELECT to_jsonb(t) AS j FROM public.%2$I t) AS of_row
        ), entry AS (
            INSERT INTO audit_pending (actor_kind, actor, actor_role, act, table_name, row_key, changed, old_digest, new_digest)
            SELECT $1, $2, $3, CASE WHEN $4 THEN ''baseline'' ELSE ''reshape'' END, %2$L, p.key, array_to_string($5, '',''),
                CASE WHEN NOT $4 AND $6 THEN audit_digest(coalesce(r.salt, ''''::bytea), p.j - $5) END, audit_digest(p.salt, p.j)
            FROM present p LEFT JOIN audit_row r ON r.table_name = %2$L AND r.row_key = p.key
            ORDER BY p.key
        )
        INSERT INTO audit_row (table_name, row_key, salt) SELECT %2$L, key, salt FROM present
            ON CONFLICT (table_name, row_key) DO UPDATE SET salt = excluded.salt', key_text, covered)
        USING who.kind, who.name, who.as_role, was_columns IS NULL, added, coalesce(was_columns <@ now_columns, false);
    GET DIAGNOSTICS rows = ROW_COUNT;
    INSERT INTO audit_shape (table_name, columns) VALUES (covered, now_columns)
        ON CONFLICT (table_name) DO UPDATE SET columns = excluded.columns;
    RETURN rows;
END $$;

COMMENT ON TABLE audit_pending IS 'Entries that wait for the sealer, a second or so';
COMMENT ON TABLE audit_entry IS 'What was done, in a chain of hashes; rows are only added';
COMMENT ON TABLE audit_head IS 'The end of the chain';
COMMENT ON TABLE audit_row IS 'Salts of the digests of present rows; gone with the row';
COMMENT ON TABLE audit_shape IS 'Columns that the digests of a table have';
COMMENT ON TABLE audit_root IS 'Signed states of the chain';
COMMENT ON TABLE history_salt IS 'Salts of the digests of a person''s movement history; gone with the history';
COMMENT ON TABLE history_seal IS 'Keys and digests of rows of movement history, by batch of the history writer';
