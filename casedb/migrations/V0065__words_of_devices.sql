-- What a device answers in words may say where it is: an address, coordinates. Such words are given as positions are; the others stand in
-- `told`: printable ASCII with fewer digits than two coordinates need, and never the answer to the question where it is.
CREATE FUNCTION words_without_place(kind text, said text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT $2 = '' OR ($1 <> 'locate' AND $2 !~ '[^ -~]' AND length(regexp_replace($2, '[^0-9]', '', 'g')) < 8)
$$;
ALTER TABLE device_command
    ADD COLUMN told text GENERATED ALWAYS AS (CASE WHEN words_without_place(kind, result) THEN result ELSE '' END) STORED,
    ADD COLUMN withheld boolean GENERATED ALWAYS AS (NOT words_without_place(kind, result)) STORED;
COMMENT ON COLUMN device_command.told IS 'What the device said, where that can say no place';
COMMENT ON COLUMN device_command.withheld IS 'The device said more, which may say a place: command_words() gives it for a declared reading';

-- What the device said, where the transaction names a committed declaration that holds the time at which it was asked (V0057).
CREATE FUNCTION command_words(command uuid) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT c.result FROM device_command c WHERE c.command_id = $1 AND access_declared(c.person_id, c.created_at, c.created_at)
        AND (access_unlimited() OR access_sees(c.person_id, access_role()))
$$;
REVOKE EXECUTE ON FUNCTION command_words FROM PUBLIC;
